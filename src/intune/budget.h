/*
 * How many requests all processes of a tenant together may send to Graph.  Intune
 * takes 2,000 in 20 seconds from one application (Microsoft Learn, "Microsoft Graph
 * service-specific throttling limits"); what is sent above is refused and still
 * counts.  One number in a file that all of them map says how far they are.  The file
 * is the tenant's, by whatever name a configuration calls it.
 */
#ifndef INTUNE_BUDGET_H
#define INTUNE_BUDGET_H

#include <stdatomic.h>
#include <stdint.h>

#include "intune/settings.h"

#define BUDGET_WINDOW	20	/* seconds */
#define BUDGET_DEFAULT	1800	/* leaves a tenth for what else the application does */
#define BUDGET_MAX	100000

/* Longest time for which what one process was told keeps the others quiet, ms. */
#define BUDGET_QUIET	600000

/* Who can ask to be left alone. */
enum budget_who { BUDGET_GRAPH, BUDGET_NAC2, BUDGET_WHO };

/* What the file holds, in us of CLOCK_MONOTONIC. */
struct budget_file {
	_Atomic int64_t	 spent;		/* when all is paid for */
	_Atomic int64_t	 quiet[BUDGET_WHO];	/* until when they want to be */
};

struct budget {
	int64_t			 limit;	/* requests in any BUDGET_WINDOW; 0 = no end */
	struct budget_file	*file;
	struct budget_file	 own;	/* instead of the file, where there is none */
};

/* Maps the file in token_dir; without one, or room for it, the budget is this
 * process's alone. */
void	 budget_open(struct budget *b, const struct settings *set, int64_t limit);
void	 budget_close(struct budget *b);

/*
 * Takes n requests out of it.  Returns how many milliseconds to wait before they may
 * be sent; or, when that would be too long to be promised now, -1: nothing is taken,
 * and it can be tried again in a second.
 */
int64_t	 budget_take(struct budget *b, unsigned n);

/* A Retry-After that one process has been given holds for all: notes that of ms
 * milliseconds, and tells how many are left. */
void	 budget_set_quiet(struct budget *b, enum budget_who who, int64_t ms);
int64_t	 budget_quiet(struct budget *b, enum budget_who who);

#endif
