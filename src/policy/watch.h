/*
 * Rules that are looked at again while a program goes on.  What is broken changes
 * nothing: the last good rules stay in force.
 */
#ifndef POLICY_WATCH_H
#define POLICY_WATCH_H

#include "policy/policy.h"

struct watch;

/* Watches the rules at path, and all that they include; first is what they are
 * now, and becomes the watch's own; broken says that it is not what the files hold, but
 * the last good rules.  path must stay.  No memory ends the program. */
struct watch *watch_new(const char *path, struct policy *first, bool broken,
	    policy_report report, void *arg);
void	 watch_free(struct watch *w);

/*
 * The rules in force, after a look at the files (a stat for each).  Changed rules
 * are taken, with one line to report; broken ones are refused, with a line for
 * each error and one that says so, once for each change.  Valid until the next
 * call.
 */
const struct policy *watch_policy(struct watch *w);

/*
 * What tells one state of the files of these rules from another: of path itself and,
 * with p not NULL, of all that p was read from, lists and hints too.  The second is of
 * the files as they were just before policy_load() read them, so that a change while
 * they were read is one.
 */
uint64_t watch_version(const char *path, const struct policy *p);
uint64_t watch_version_read(const struct policy *p);

#endif
