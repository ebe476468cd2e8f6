/*
 * The guard of the poll: weighs a set of changes before any of them takes force,
 * against the clients that were asked about in this run, and in all runs of late,
 * since a poll that asks a twelfth of the clients each time sees a disaster in
 * twelve parts.  It counts, and knows no policy.
 */
#ifndef STORE_GUARD_H
#define STORE_GUARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "device/session.h"

#define GUARD_SHARE	30	/* % of the clients asked about */
#define GUARD_SITE	50	/* % of a site's, of a NAS' */
#define GUARD_LEAST	20	/* fewer changes than this are never too many */
#define GUARD_CLOCK	(3 * 86400)	/* s: no device has been in touch for so long */
#define GUARD_SKEW	300	/* s that two clocks may differ */
#define GUARD_WHY	512
#define GUARD_RUNS	4096	/* earlier ones: of twenty servers a window in 64 parts, and polls */
#define GUARD_LINE	((size_t)4 << 20)	/* bytes of a run's counts */

struct guard_limits {
	int64_t	 share, site_share, nas_share;	/* % ; 100: no limit */
	int64_t	 least;
	int64_t	 clock;		/* s */
	int64_t	 window;	/* s: "of late" */
	uint64_t clients;	/* all there are: who is asked twice counts once */
};

struct guard;

struct guard *guard_new(const struct guard_limits *limits, int64_t now);
void	 guard_free(struct guard *g);

/*
 * One client of those asked about, or of those that would change.  Its site is
 * its NAS-Identifier, or else the address, as in nac-decide --replay; its NAS is
 * the address, or else the NAS-Identifier.
 */
void	 guard_asked(struct guard *g, const struct session *s);
void	 guard_changed(struct guard *g, const struct session *s);

/* When Intune says that a device was last in touch with it: the only word on the
 * time that does not come from this machine's clock. */
void	 guard_synced(struct guard *g, int64_t last_sync);

/* When the last poll was. */
void	 guard_last(struct guard *g, int64_t when);

/*
 * Was the clock ahead when the last poll was, and is it right now?  So it is when
 * the last poll lies in the future, and devices were in touch with Intune of late
 * but not behind this machine's time.  Its word on the time is to be forgotten
 * then, or nothing would go on until that time.
 */
bool	 guard_was_ahead(const struct guard *g);

uint64_t guard_count_asked(const struct guard *g);
uint64_t guard_count_changed(const struct guard *g);

/*
 * Takes in what earlier runs have left in the file at path, beside what was taken
 * in already; a file that is not there, or a line of it that is none, says
 * nothing.  Returns false with errno set when it cannot be read.
 */
bool	 guard_load(struct guard *g, const char *path);

/* Writes that file anew, with what was taken in and this run.  Returns false with errno set. */
bool	 guard_save(const struct guard *g, const char *path);

/* This run's counts, as a line of that file without its newline; the caller frees it. */
char	*guard_line(const struct guard *g);

/*
 * Takes in such a line of another server, which has told it at this time by our clock,
 * in place of what it has told under this name before; its own time says nothing here.
 * Returns false when it is none, or is none of late: then nothing has changed.
 */
bool	 guard_take(struct guard *g, const char *name, const char *line, size_t len, int64_t when);

/* Nothing that was taken in and is of this time or before it counts any more. */
void	 guard_forget(struct guard *g, int64_t until);

/* Is this machine's clock wrong, and why?  Then nothing of this run is true. */
bool	 guard_clock_is_wrong(const struct guard *g, char why[GUARD_WHY]);

enum guard_verdict {
	GUARD_PASS,
	GUARD_HOLD,		/* too many changes */
	GUARD_HOLD_ALL		/* the clock: nothing of this run can be believed */
};

/* Says whether it may go on, and if not why, in one sentence fit to be shown. */
enum guard_verdict guard_judge(struct guard *g, char why[GUARD_WHY]);

#endif
