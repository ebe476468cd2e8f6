/*
 * Records in, decisions out: what nac-decide does with its arguments or its standard
 * input.  For programs that may carry jansson.
 */
#ifndef POLICY_FILTER_H
#define POLICY_FILTER_H

#include <stdbool.h>
#include <stdint.h>

#include "policy/policy.h"

struct filter_options {
	const char	*rules;		/* where they are: looked at again, and kept */
	const char	*state_dir;	/* where a copy of good ones is kept */
	int64_t		 now;		/* decide as if it were this time; 0: the clock's */
	bool		 changed;	/* print only what is now treated differently */
	bool		 all;		/* with changed: print the others as they came */
	bool		 verbose;	/* say which line decided */
	bool		 explain;
	bool		 keep;		/* rules that change meanwhile, too */
};

/*
 * Decides about the records in argv, or without any about those of standard input,
 * by p, which becomes its own, and by what its files say later; broken says that p
 * is the copy of the last good rules.  Returns the exit status: 0 when all were
 * allowed (with changed: judged), 1, 65 for bad records, 74.
 */
int	 filter_run(struct policy *p, bool broken, const struct filter_options *o, int argc,
	    char **argv);

/* Keeps a copy of good rules (policy/good.h), and warns where that cannot be. */
void	 filter_keep(const struct policy *p, const char *rules, const char *state_dir, bool force);

#endif
