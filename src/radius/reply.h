/*
 * The answer to FreeRADIUS' rlm_exec: a decision as text of attribute pairs.
 */
#ifndef RADIUS_REPLY_H
#define RADIUS_REPLY_H

#include <stddef.h>

#include "policy/policy.h"

/*
 * Room for the text and its NUL.  FreeRADIUS 3 copies an answer that it cannot
 * parse into 1,024 bytes with the answer's own length as the limit; a longer
 * one ends the whole server.
 */
#define REPLY_MAX	1000

/* RFC 2865 section 5: what one attribute can carry. */
#define REPLY_VALUE_MAX	253

#define REPLY_WHY	256

/*
 * Writes the pairs of d, each line ended by a comma and a newline; a decision
 * without any gives a single newline, for there must be at least one byte.
 * Every name and value is looked at again here, whoever checked them before:
 * the server expands, executes or misreads some texts.  Returns the length; or
 * 0 with a sentence in why, and out is of no use.
 */
size_t	 reply_format(char out[REPLY_MAX], const struct decision *d, char why[REPLY_WHY]);

/*
 * The decision that stands in when ours cannot be made: the three tunnel
 * attributes of RFC 3580 with the quarantine VLAN (1 to 4094), or a denial when
 * vlan is 0.  *d refers to memory of this module, one decision at a time; why
 * becomes its reason.
 */
void	 reply_fallback(struct decision *d, int vlan, const char *why);

#endif
