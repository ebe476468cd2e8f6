/*
 * The environment that FreeRADIUS' rlm_exec gives a program, taken apart into
 * who the device is and where its session is.
 *
 * Both settings of shell_escape are read, told apart by the names: with "yes"
 * they are in capitals with "_" for "-" and strings stand in quotes with C-like
 * escapes; with "no" they are those of the dictionary and strings are bare.
 * An attribute that comes several times gives several variables of one name.
 */
#ifndef RADIUS_ENV_H
#define RADIUS_ENV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "device/identity.h"
#include "device/session.h"
#include "radius/acct.h"

#define ENV_NOTE	512

/*
 * The server builds NAME=value in 1,024 bytes and cuts what is longer without a
 * word.  An entry of this length or more counts as cut and is not used: half a
 * name is another device's name.
 */
#define ENV_CUT		1022

/*
 * Reads envp (as environ, NULL at its end) into *id and *s, which are emptied
 * first; now becomes the session's time.  What was left out, and why, goes into
 * note as sentences joined by "; " ("" when there is nothing to say); no byte of
 * it comes from the client.  Never fails: what is no use is left out.  Returns
 * what Acct-Status-Type says, for whoever asks about accounting.
 *
 * The identity comes from the certificate and from Calling-Station-Id alone.
 * User-Name never becomes part of it: in every EAP method it is what the client
 * says before anything is verified (RFC 3748 section 5.1).
 */
enum acct env_read(char *const *envp, int64_t now, struct identity *id, struct session *s,
	    char note[ENV_NOTE]);

/*
 * The same one attribute at a time, for who has them from elsewhere:
 * env_start(), env_attribute() for each in the order of the packet, env_end().
 * What they fill in and leave out is what env_read() says.
 */
struct env_reader {
	struct identity	*id;
	struct session	*s;
	char		*note;
	char		 acct_status[32];	/* Acct-Status-Type by name or number, or "" */
	bool		 certificate;	/* a field of a client certificate was there */
	bool		 eap_message;
	bool		 eap_type;
	bool		 tunnelled;	/* the inside of a TTLS or PEAP tunnel */
	bool		 mac_clash;
	char		 san_text[ENV_CUT];	/* all SANs as one text, */
	char		 san_dns[ENV_CUT];	/* and the last of each kind alone */
	char		 san_email[ENV_CUT];
	char		 san_upn[ENV_CUT];
};

void	 env_start(struct env_reader *r, int64_t now, struct identity *id, struct session *s,
	    char note[ENV_NOTE]);

/* name as the dictionary has it, NUL-terminated; value of len bytes, NUL behind
 * it.  A value with a NUL byte in it, or as long as one that was cut, is not used. */
void	 env_attribute(struct env_reader *r, const char *name, const char *value, size_t len);
void	 env_end(struct env_reader *r);

/*
 * Reads the time of a certificate: YYMMDDhhmmssZ or YYYYMMDDhhmmssZ (RFC 5280,
 * 4.1.2.5).  Returns seconds since 1970, or 0 when it is no such time.
 */
int64_t	 env_asn1_time(const char *text);

#endif
