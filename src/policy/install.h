/*
 * Puts new rules into the place of those in force, once they have been read
 * without an error as they will be read there.
 */
#ifndef POLICY_INSTALL_H
#define POLICY_INSTALL_H

#include <stdbool.h>

#include "policy/attrnames.h"
#include "policy/policy.h"

/*
 * Reads the rules file from, as if it stood where the file to is: what it includes and
 * lists is looked for from there.  Reports errors and warnings with from's name, and
 * when there is no error (with strict: no warning) replaces to in one step, keeping
 * its mode; a new one has 0644.  Returns 0; 1 for warnings with strict; 65 for errors;
 * 74 or 77 when something cannot be read or written, after having reported it.
 */
int	 rules_install(const char *from, const char *to, const struct attrnames *names, bool strict,
	    policy_report report, void *arg);

#endif
