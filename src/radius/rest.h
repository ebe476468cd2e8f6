/*
 * The JSON of FreeRADIUS' rlm_rest (3.2, `body = json`): a request as attributes
 * with type and values, a reply as "reply:Attribute" members.  Both ways of the
 * same hook that radius-hook runs by environment and text.
 */
#ifndef RADIUS_REST_H
#define RADIUS_REST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "device/identity.h"
#include "device/session.h"
#include "policy/policy.h"
#include "radius/acct.h"
#include "radius/env.h"

#define REST_WHY	256

struct rest_request {
	struct identity	*id;		/* these three as env_read() fills them */
	struct session	*session;
	char		*note;		/* ENV_NOTE bytes */
	enum acct	 acct;
};

/*
 * Reads the len bytes of body, in which bytes that are no UTF-8 become question
 * marks, and which is used up.  An attribute is {"type":…,"value":[…]}, or a plain
 * value; a name that comes twice is an attribute with more values.  Returns true;
 * or false with a reason in why (REST_WHY bytes, none of the client's) when it is
 * no JSON object.
 */
bool	 rest_read(char *body, size_t len, int64_t now, struct rest_request *out,
	    char why[REST_WHY]);

/*
 * Writes what d replies as one JSON object, "do_xlat":false on every attribute:
 * rlm_rest would expand %{...} otherwise.  Values of one name are joined under
 * its first operator.  d must have passed reply_format().  Returns the length;
 * or 0 when size is too small.
 */
size_t	 rest_reply(const struct decision *d, char *out, size_t size);

#endif
