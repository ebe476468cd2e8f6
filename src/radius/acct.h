/*
 * What a NAS says of a session: Acct-Status-Type (RFC 2866 section 5.1).
 */
#ifndef RADIUS_ACCT_H
#define RADIUS_ACCT_H

#include <stdbool.h>

enum acct {
	ACCT_NONE,		/* absent, or a word that is none of these */
	ACCT_START,
	ACCT_INTERIM,
	ACCT_STOP,
	ACCT_ON,		/* the NAS has started: its sessions are gone */
	ACCT_OFF
};

/* Reads a VALUE name of FreeRADIUS' dictionary or IANA's number. */
enum acct	 acct_parse(const char *word);

/* The word of nac-record(5); "" for ACCT_NONE. */
const char	*acct_name(enum acct acct);

/* Whether the session is gone after that. */
bool		 acct_ends(enum acct acct);

#endif
