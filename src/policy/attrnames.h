/*
 * The names of a RADIUS server's attributes, out of its dictionary: lines of
 * `ATTRIBUTE name number type`, and $INCLUDE, as FreeRADIUS and libradcli have
 * them.  All else in it is passed over.
 */
#ifndef POLICY_ATTRNAMES_H
#define POLICY_ATTRNAMES_H

#include <stdbool.h>
#include <stddef.h>

#include "policy/policy.h"

struct attrnames;

/*
 * Reads a dictionary and what it includes ($INCLUDE-, whose file need not be
 * there, too).  Returns the names, which attrnames_free() frees; or NULL after
 * having reported "file: what" or "file:line:1: what".
 */
struct attrnames *attrnames_load(const char *path, policy_report report, void *arg);
void	 attrnames_free(struct attrnames *names);

/* Whether there is an attribute of this name, a tag (:1) aside, without regard to
 * case. */
bool	 attrnames_has(const struct attrnames *names, const char *name);

#endif
