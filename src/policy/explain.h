/*
 * Why a decision came out as it did: each rule tried, and the conditions that
 * kept it from matching.  For programs that may carry jansson.
 */
#ifndef POLICY_EXPLAIN_H
#define POLICY_EXPLAIN_H

#include <jansson.h>
#include <stdio.h>

#include "policy/policy.h"

#define EXPLAIN_FAILED	8	/* of one rule, conditions that are shown */

/*
 * The rules as policy_decide() tries them, up to the one that decides, with `shadow all'
 * before them and no-match behind where there is such: an array,
 * nac-record(5), a new reference.  Of an `and` the first condition that failed is
 * given, of an `or` all of them, a label by what is in it.
 */
json_t	*policy_explain(const struct policy *p, const struct facts *f);

/* Prints it for people, a line for each rule, each beginning with where. */
void	 explain_print(const json_t *explain, const char *where, FILE *out);

#endif
