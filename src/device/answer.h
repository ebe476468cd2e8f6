/*
 * What is known of a device: its facts and the answer to "is it compliant?",
 * with where that came from and how old it is.  The states are never squeezed
 * into a boolean.
 */
#ifndef DEVICE_ANSWER_H
#define DEVICE_ANSWER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/guid.h"
#include "base/jsonw.h"
#include "base/mac.h"

/* Graph's complianceState (first seven behind pending) and three of ours. */
enum compliance {
	COMPLIANCE_PENDING,		/* not looked up yet */
	COMPLIANCE_COMPLIANT,
	COMPLIANCE_NONCOMPLIANT,
	COMPLIANCE_GRACE,		/* inGracePeriod */
	COMPLIANCE_UNKNOWN,		/* enrolled, not yet evaluated */
	COMPLIANCE_CONFLICT,
	COMPLIANCE_ERROR,
	COMPLIANCE_CONFIGMANAGER,
	COMPLIANCE_UNREGISTERED,	/* Intune says: no such device */
	COMPLIANCE_AMBIGUOUS,		/* more than one device matches */
	COMPLIANCE_COUNT
};

/* The store keeps these as numbers: new ones go to the end. */
enum match { MATCH_NONE, MATCH_GUID, MATCH_NAME, MATCH_MAC, MATCH_SERIAL, MATCH_COUNT };
#define MATCH_KINDS	(MATCH_COUNT - 1)
enum id_space { ID_SPACE_NONE, ID_SPACE_INTUNE, ID_SPACE_ENTRA };
enum source { SOURCE_NONE, SOURCE_GRAPH, SOURCE_NAC2, SOURCE_CACHE };

/* In which order the identifiers are tried; MATCH_NONE ends it early. */
struct match_order {
	enum match	 by[MATCH_KINDS];
	bool		 newest;	/* of several devices take the last to sync */
};

/* A serial number is one request, and a MAC address may take a list of the tenant. */
#define MATCH_ORDER_DEFAULT	{ { MATCH_GUID, MATCH_NAME, MATCH_SERIAL, MATCH_MAC }, false }

#define DEVICE_SERIAL	128

/* A managedDevice of Graph.  "" and false/0 where Intune gave nothing. */
struct device {
	bool		 has_id, has_entra_id;
	struct guid	 id;			/* Intune device id */
	struct guid	 entra_id;		/* Entra device id */
	bool		 has_wifi_mac, has_ethernet_mac;
	uint8_t		 wifi_mac[MAC_LEN];
	uint8_t		 ethernet_mac[MAC_LEN];
	char		 name[256];
	char		 serial[DEVICE_SERIAL];
	char		 os[64];
	char		 os_version[64];
	char		 owner[32];		/* company, personal, unknown */
	char		 user[256];		/* user principal name */
	char		 model[128];
	char		 manufacturer[128];
	char		 management_state[32];	/* managed, retirePending, wipeIssued, … */
	char		 jailbroken[16];
	bool		 encrypted;
	bool		 has_account;		/* the directory was asked, and has it: */
	bool		 account_enabled;	/* false: disabled by an administrator */
	int64_t		 last_sync;		/* WHEN_NEVER when Graph says so, 0 not given */
	int64_t		 enrolled;
	int64_t		 grace_until;		/* WHEN_ALWAYS = no grace is running */
};

/* What was asked, so that "unregistered" can be filed under it. */
struct asked {
	enum match	 by;
	char		 value[256];	/* canonical: lower-case GUID, aa:bb:…, folded name or serial */
	bool		 listed;	/* looked for in a list, which may lack devices, and that alone */
};

#define ANSWER_ASKED	10

/* Devices that an ambiguous answer names: enough for who has to tidy up. */
#define ANSWER_CANDIDATES	8

struct answer {
	enum compliance	 state;
	enum match	 matched_by;
	enum id_space	 id_space;	/* for MATCH_GUID: in which space the GUID matched */
	enum source	 source;
	int64_t		 checked;	/* when Intune said so; 0 = never */
	char		 tenant[256];	/* whose device, where there are several tenants; else "" */
	size_t		 nasked;
	struct asked	 asked[ANSWER_ASKED];
	size_t		 ncandidate;	/* which devices match, as far as there is room; */
	struct guid	 candidate[ANSWER_CANDIDATES];	/* Intune ids, not kept by the store */
	bool		 has_device;
	struct device	 device;
};

/*
 * An answer from further ahead was stored while a clock was wrong: it is as old as can
 * be, keeps no other one out, and has no age.  The clocks of two servers may differ by
 * less.
 */
#define ANSWER_AHEAD	600		/* seconds */

static inline bool
answer_is_ahead(const struct answer *a, int64_t now)
{
	return a->checked > now + ANSWER_AHEAD;
}

/* Names as in nac-record(5): "grace", "configmanager", … */
const char *compliance_name(enum compliance state);

/* From our name or Graph's, without regard to case.  Returns false for any
 * other text: a new member of Graph's enumeration is the caller's to report. */
bool	 compliance_parse(const char *text, enum compliance *out);

/* Intune has the device, whatever it thinks of it: the state is one of Graph's
 * own seven. */
bool	 compliance_is_managed(enum compliance state);

const char *match_name(enum match match);
bool	 match_parse(const char *text, enum match *out);
const char *id_space_name(enum id_space space);
const char *source_name(enum source source);

/* Reads "guid name serial mac" (blanks or commas between, each word at most once, at
 * least one), and "newest" behind them.  Returns false and leaves *out alone when it is not that. */
bool	 match_order_parse(const char *text, struct match_order *out);

/* A retire, wipe or delete is under way, by management_state. */
bool	 device_is_retiring(const struct device *d);
bool	 device_is_wiping(const struct device *d);

/* Folds a name to the form in which names are compared and filed: ASCII lower
 * case, cut to size.  Returns dst. */
char	*device_fold_name(char *dst, size_t size, const char *name);

/*
 * Folds a device's serial number to the form in which they are compared and filed:
 * without blanks around it, ASCII lower case.  Returns false, whatever dst holds
 * then, for one that names no device: empty, too long for dst, or what makers
 * leave in the firmware of many ("Default string", "0", "123456789").
 */
bool	 device_fold_serial(char *dst, size_t size, const char *serial);

/* Writes the `compliance` member of nac-record(5); age is counted up to now, and
 * left out when that is 0. */
void	 answer_write(struct jsonw *w, const struct answer *a, int64_t now);

/* The same with a device that is elsewhere; NULL: none. */
void	 answer_write_of(struct jsonw *w, const struct answer *a, const struct device *d,
	    int64_t now);

#endif
