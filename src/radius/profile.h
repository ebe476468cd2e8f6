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

enum action {
	ACTION_REAUTH,
	ACTION_DISCONNECT,
	ACTION_BOUNCE,
	ACTION_VLAN,		/* give it the decision's VLAN */
	ACTION_ROLE,		/* the decision's role */
	ACTION_REDIRECT,	/* send its browser to the remediation page */
	ACTION_COUNT
};

/* Every action, for messages. */
#define ACTION_WORDS	"reauth, disconnect, bounce, vlan, role or redirect"

/* What a decision wants to give the client; "" means nothing. */
struct change {
	char	 vlan[SESSION_TEXT];
	char	 role[SESSION_TEXT];
	char	 redirect[SESSION_TEXT];	/* a URL */
};

/* One attribute to send. */
struct item {
	char	 name[DICT_NAME];
	char	 value[SESSION_TEXT];	/* text, where %{field} is a session's or change's */
	bool	 required;
	uint8_t	 code;			/* only in this packet; 0: in any */
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
		int		 fallback;	/* tried once when this is refused; -1: none */
		struct items	 items;
	} action[ACTION_COUNT];
};

/* An attribute with its value, ready for the packet and for people. */
struct filled {
	const char	*name;
	char		 text[SESSION_TEXT];
	struct attr	 attr;
	bool		 optional;	/* names the session, and the profile does without */
	int		 names;		/* private: enum field_names */
};

#define PROFILE_FILLED	(2 * PROFILE_ITEMS + 1)

const char *action_name(enum action action);

/* Finds the action of this name (one of ACTION_WORDS). */
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
 * Fills in a session and a change (NULL for none): out[PROFILE_FILLED] gets the
 * attributes in order, *n how many.  An attribute whose fields the session does
 * not have is left out; an action's own attributes are all required, since a VLAN
 * push without its VLAN would be something else.  Returns false with a sentence
 * in why when a required one is missing, a value cannot be encoded, or nothing
 * names the client: a packet with the NAS's name alone would throw everybody off
 * it.
 */
bool	 profile_fill(const struct profile *p, enum action action, const struct session *s,
	    const struct change *change, const struct dict *dict, struct filled *out,
	    size_t *n, char why[PROFILE_WHY]);

/*
 * Adds Acct-Session-Id to what profile_fill() made, for a NAS that finds several
 * sessions (Error-Cause 508).  Returns false when it is there already or the
 * session has none.
 */
bool	 profile_add_session_id(const struct session *s, const struct dict *dict,
	    struct filled *out, size_t *n);

/*
 * Takes out of what profile_fill() made whatever the profile does not require and
 * may be other than the NAS has it, for a NAS that finds no session (503).  What
 * names the NAS stays; so does, where no required one tells the client from
 * others, the one that does so best.  Returns false, and changes nothing, when
 * there is nothing to take out, or nothing would name the client.
 */
bool	 profile_narrow(struct filled *filled, size_t *n);

/* Builds the packet of filled attributes, not yet signed; now is the
 * Event-Timestamp (RFC 5176, 3.3).  Returns false when it is too large. */
bool	 profile_packet(const struct profile *p, enum action action,
	    const struct filled *filled, size_t n, uint8_t id, int64_t now,
	    struct packet *out);

#endif
