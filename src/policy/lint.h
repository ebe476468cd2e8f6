/*
 * What is no error in a rules file and still cannot be meant: rules that are
 * never reached, conditions that never hold, names that nobody uses.
 */
#ifndef POLICY_LINT_H
#define POLICY_LINT_H

#include "policy/attrnames.h"
#include "policy/policy.h"

/*
 * Reports each warning as "file:line:column: warning: what", those of settings and
 * names first, then labels, then rules, and returns how many there were.  With names not NULL also attributes
 * that are not in it.  Looking for rules in the shadow of others ends after a
 * fixed amount of work, so that the same file always gives the same warnings.
 */
size_t	 policy_lint(const struct policy *p, const struct attrnames *names,
	    policy_report report, void *arg);

#endif
