/*
 * Tests of rules, nac-rules-test(5): given facts, an expected decision.  For
 * programs that may carry jansson.
 */
#ifndef POLICY_RULETEST_H
#define POLICY_RULETEST_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "policy/policy.h"

/* The time of a test that says none: Monday, 5 January 2026, 12:00 UTC. */
#define RULETEST_NOW	INT64_C(1767614400)
#define RULETEST_FILE	(4 * 1024 * 1024)	/* bytes */

/* One test as read.  Every pointer is owned by it. */
struct ruletest {
	char		*where;		/* "file:line" */
	json_t		*name;		/* a string, or NULL */
	json_t		*given;		/* a record */
	json_t		*expect;	/* members of the decision */
	int64_t		 now;		/* 0: the test does not say */
};

struct ruletests {
	struct ruletest	*test;
	size_t		 n, size;
	int		 errors;
};

/*
 * Reads the tests of one file and adds them to t.  Each error is reported as
 * "file:line:column: what" and counted in t->errors; the other tests are read
 * all the same.  now is for ages, where a test does not set its time.
 * ruletests_free() frees.
 */
void	 ruletests_read(struct ruletests *t, const char *path, int64_t now,
	    policy_report report, void *arg);
/* The same from memory; path stands in messages. */
void	 ruletests_parse(struct ruletests *t, const char *path, const char *text, size_t len,
	    int64_t now, policy_report report, void *arg);
void	 ruletests_free(struct ruletests *t);

/*
 * Runs them, with TAP on standard output.  With coverage the rules that no test
 * reached follow, as comments.  Returns 0; 1 when a test failed or, with strict,
 * when a rule was not reached.
 */
int	 ruletests_run(const struct ruletests *t, const struct policy *p, int64_t now,
	    bool coverage, bool strict);

#endif
