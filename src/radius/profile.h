/*
 * Profiles: which packet, to which port, with which attributes makes a kind of
 * NAS act on a session.  There is no set of attributes that every NAS takes
 * (RFC 5176 leaves it open, and an attribute too many is a NAK), so each kind
 * has a small text file, nac-nas(5).
 */
#ifndef RADIUS_PROFILE_H
#define RADIUS_PROFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/mac.h"
#include "device/session.h"
#include "radius/dict.h"
#include "radius/packet.h"

#define PROFILE_NAME	64
#define PROFILE_ITEMS	16	/* attributes in one list; the longest of ours has 7 */
#define PROFILE_WHY	256	/* room for a reason */
#define PROFILE_PORT	3799	/* RFC 5176, 2.3 */

enum action { ACTION_REAUTH, ACTION_DISCONNECT, ACTION_BOUNCE, ACTION_COUNT };

/* One attribute to send. */
struct item {
	char	 name[DICT_NAME];
	char	 value[SESSION_TEXT];	/* text, where %{field} is one of the session's */
	bool	 required;
};

struct items {
	struct item	 item[PROFILE_ITEMS];
	size_t		 n;
};

struct profile {
	char		 name[PROFILE_NAME];
	uint16_t	 port;
	bool		 as_received;	/* Calling-Station-Id is left as it was */
	enum mac_form	 mac;
	bool		 message_authenticator;
	bool		 event_timestamp;
	struct items	 session;
	struct {
		uint8_t		 code;	/* 0: this kind of NAS has no such action */
		struct items	 items;
	} action[ACTION_COUNT];
};

/* An attribute with its value, ready for the packet and for people. */
struct filled {
	const char	*name;
	char		 text[SESSION_TEXT];
	struct attr	 attr;
};

#define PROFILE_FILLED	(2 * PROFILE_ITEMS)

const char *action_name(enum action action);
bool	 action_parse(const char *text, enum action *out);

/*
 * Loads DIR/NAME.profile and checks every name and value against the
 * dictionary.  Reports every error as file:line:column and returns NULL; else
 * the caller frees the profile with free().
 */
struct profile *profile_load(const char *dir, const char *name, const struct dict *dict,
	    conf_report report, void *arg);

/* As profile_load(), from len bytes of memory and one more, all of which it
 * changes; file stands in messages. */
struct profile *profile_parse(const char *file, const char *name, char *text, size_t len,
	    const struct dict *dict, conf_report report, void *arg);

/*
 * Fills in a session: out[PROFILE_FILLED] gets the attributes in order, *n how
 * many.  An attribute whose fields the session does not have is left out.
 * Returns false with a sentence in why when a required one is missing, a value
 * cannot be encoded, or nothing names the client: a packet with the NAS's name
 * alone would throw everybody off it.
 */
bool	 profile_fill(const struct profile *p, enum action action, const struct session *s,
	    const struct dict *dict, struct filled *out, size_t *n, char why[PROFILE_WHY]);

/* Builds the packet of filled attributes, not yet signed; now is the
 * Event-Timestamp (RFC 5176, 3.3).  Returns false when it is too large. */
bool	 profile_packet(const struct profile *p, enum action action,
	    const struct filled *filled, size_t n, uint8_t id, int64_t now,
	    struct packet *out);

#endif
