/*
 * Rules that are looked at again while a program goes on.  What is broken changes
 * nothing: the last good rules stay in force.
 */
#ifndef POLICY_WATCH_H
#define POLICY_WATCH_H

#include "policy/policy.h"

struct watch;

/* Watches the rules at path, and all that they include; first is what they are
 * now, and becomes the watch's own.  path must stay.  No memory ends the program. */
struct watch *watch_new(const char *path, struct policy *first, policy_report report,
	    void *arg);
void	 watch_free(struct watch *w);

/*
 * The rules in force, after a look at the files (a stat for each).  Changed rules
 * are taken, with one line to report; broken ones are refused, with a line for
 * each error and one that says so, once for each change.  Valid until the next
 * call.
 */
const struct policy *watch_policy(struct watch *w);

#endif
