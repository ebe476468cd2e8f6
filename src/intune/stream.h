/*
 * Many records: several are asked for at the same time, each is answered once.
 */
#ifndef INTUNE_STREAM_H
#define INTUNE_STREAM_H

#include <stdbool.h>
#include <stdio.h>

#include "intune/query.h"

/* Failures in a row that are told one by one; of what follows only the count. */
#define STREAM_TOLD	5

/*
 * Whom to ask about a record: the query, or NULL with the exit status and a reason in
 * why (size bytes).
 */
typedef struct query *(*stream_pick)(void *arg, const json_t *rec, const struct identity *id,
	    char *why, size_t size, int *status);

/*
 * Adds `compliance` to each record of the arguments or, without any, of in, and
 * prints it; up to jobs of them at a time.  pick(arg, ...) says whom to ask.
 * ordered: in the order of the input, else as they are answered.  A record without an
 * answer is named on standard error and not printed.  Returns the largest status.
 */
int	 stream_run(stream_pick pick, void *arg, int argc, char **argv, FILE *in,
	    unsigned jobs, bool ordered);

#endif
