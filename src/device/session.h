/*
 * One client's session on the network: where it is and what a Change of
 * Authorization (RFC 5176) needs to name it.  All strings are NUL-terminated;
 * "" means not known.  An attribute of RADIUS has at most 253 bytes.
 */
#ifndef DEVICE_SESSION_H
#define DEVICE_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include "base/jsonw.h"

#define SESSION_TEXT	254
#define SESSION_GROUPS	16	/* that the RADIUS server hands over; more are left out */
#define SESSION_GROUP	128
#define SESSION_HINT	128
#define SESSION_VENDOR	16

enum medium { MEDIUM_UNKNOWN, MEDIUM_WIRED, MEDIUM_WIRELESS, MEDIUM_VPN };

/* Whether a managed app showed the secret of nac-rules(5), app-hint. */
enum hint { HINT_NONE, HINT_GOOD, HINT_BAD };

struct session {
	int64_t		 seen;		/* when it authenticated */
	int64_t		 start;		/* when the session began that it does so in; 0 not known */
	enum medium	 medium;	/* from NAS-Port-Type */
	bool		 ended;		/* the NAS said that it is gone: nothing to change */
	char		 user[SESSION_TEXT];		/* User-Name, as the NAS knows it */
	/* Who logged in, where that is another: in the tunnel of TTLS or PEAP the
	 * client gives its name, and outside of it "anonymous". */
	char		 inner_user[SESSION_TEXT];
	char		 realm[SESSION_TEXT];	/* of session_login(), behind @ or before \ */
	char		 nas_ip[46];			/* NAS-IP-Address or NAS-IPv6-Address */
	char		 nas_id[SESSION_TEXT];
	char		 nas_port[11];
	char		 nas_port_id[SESSION_TEXT];
	char		 nas_port_type[32];
	char		 acct_session_id[SESSION_TEXT];
	char		 acct_multi_session_id[SESSION_TEXT];
	char		 calling[SESSION_TEXT];		/* Calling-Station-Id as received */
	char		 called[SESSION_TEXT];		/* Called-Station-Id as received */
	char		 ssid[SESSION_TEXT];		/* behind the MAC in Called-Station-Id */
	char		 framed_ip[46];
	char		 cui[SESSION_TEXT];		/* Chargeable-User-Identity */
	char		 audit_session_id[SESSION_TEXT];	/* of Cisco-AVPair */
	char		 vendor[SESSION_VENDOR];	/* of the NAS, by its attributes */
	size_t		 ngroup;
	char		 group[SESSION_GROUPS][SESSION_GROUP];	/* the user's, from the server */
	int64_t		 mfa;		/* the user's last MFA; 0 not known */
	enum hint	 hint;
	/* The hint itself, while it has not been compared.  A secret: it is never
	 * written anywhere, and whoever compares it wipes it. */
	char		 app_hint[SESSION_HINT];
};

const char *medium_name(enum medium medium);
const char *hint_name(enum hint hint);

/* Who logged in: for rules and people.  A CoA names `user`. */
const char *session_login(const struct session *s);

/* Adds a group; the empty one, one that does not fit, has a control byte or is
 * there already is left out, and so is one too many.  Returns whether it is in. */
bool	 session_add_group(struct session *s, const char *group);

/* Writes the `session` member of nac-record(5). */
void	 session_write(struct jsonw *w, const struct session *s);

#endif
