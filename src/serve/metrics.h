/*
 * What nac-serve counts, and the text form in which Prometheus reads it
 * (exposition format 0.0.4).  Any thread may count.
 */
#ifndef SERVE_METRICS_H
#define SERVE_METRICS_H

#include <stdint.h>

#include "radius/hook.h"
#include "radius/rest.h"
#include "store/tally.h"

enum endpoint {
	ENDPOINT_AUTHORIZE, ENDPOINT_POST_AUTH, ENDPOINT_ACCOUNTING, ENDPOINT_DECIDE,
	ENDPOINT_SMALLSTEP, ENDPOINT_HEALTHZ, ENDPOINT_METRICS, ENDPOINT_OTHER,
	ENDPOINT_COUNT
};

const char *endpoint_name(enum endpoint e);

struct metrics;

/* No memory ends the program. */
struct metrics *metrics_new(void);
void	 metrics_free(struct metrics *m);

/* An answer with this HTTP status went out, us microseconds after its request
 * had come in whole. */
void	 metrics_request(struct metrics *m, enum endpoint e, int status, uint64_t us);

/* A decision was made. */
void	 metrics_decision(struct metrics *m, const struct hook *h, int64_t now);

void	 metrics_accounting(struct metrics *m, enum acct acct);
void	 metrics_journal(struct metrics *m, bool written);

/* What others know, at the moment of the reading. */
struct metrics_now {
	unsigned long	 rules_taken, rules_refused;
	unsigned int	 connections;
	int64_t		 journal_size;	/* bytes; -1 not known */
	int64_t		 journal_lag;
	bool		 ready;
	bool		 store;		/* it can be read, and */
	struct tally	 coa;		/* this is from it */
};

/* The text, which the caller frees; NULL when memory is short. */
char	*metrics_text(struct metrics *m, const struct metrics_now *now);

#endif
