/*
 * The facts that a condition can ask for: their names, what kind of test each
 * takes and where in a record each comes from.  For src/policy only.
 */
#ifndef POLICY_FIELDS_H
#define POLICY_FIELDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum field {
	/* A fixed list of words: a set of bits. */
	FIELD_COMPLIANCE, FIELD_EAP, FIELD_MEDIUM, FIELD_MATCHED, FIELD_ID_SPACE,
	FIELD_SOURCE, FIELD_CLIENT, FIELD_JAILBREAK, FIELD_ACCOUNT, FIELD_TRUST,
	FIELD_WEEKDAY,
	/* Text, compared with globs. */
	FIELD_NAS_ID, FIELD_NAS_PORT_ID, FIELD_SSID, FIELD_USER, FIELD_REALM, FIELD_GROUP,
	FIELD_NAME, FIELD_ISSUER, FIELD_SUBJECT, FIELD_CERT_SERIAL, FIELD_TEMPLATE,
	FIELD_SAN_URI, FIELD_SAN_DNS, FIELD_SAN_UPN,
	FIELD_OS, FIELD_OWNER, FIELD_SERIAL, FIELD_MODEL, FIELD_MANUFACTURER,
	FIELD_DEVICE_USER,
	FIELD_OS_VERSION, FIELD_NAS, FIELD_MAC, FIELD_ZONE,
	/* Spans of time; what is not known is older than any. */
	FIELD_AGE, FIELD_SYNC_AGE, FIELD_ENROLMENT_AGE, FIELD_MFA_AGE,
	/* Numbers; what is not known is none. */
	FIELD_NAS_PORT, FIELD_HOUR, FIELD_TIME,
	/* Words that are a condition by themselves. */
	FIELD_MANAGED, FIELD_RETIRING, FIELD_WIPING, FIELD_RANDOM_MAC, FIELD_FRESH,
	FIELD_STALE, FIELD_AMBIGUOUS, FIELD_ENCRYPTED, FIELD_JAILBROKEN,
	FIELD_CERTIFICATE, FIELD_APP_HINT,
	FIELD_COUNT
};

enum kind {
	KIND_SET, KIND_TEXT, KIND_VERSION, KIND_NET, KIND_MAC, KIND_ZONE, KIND_SPAN,
	KIND_NUMBER, KIND_CLOCK, KIND_FLAG
};

/* Whose fact it is, and so how old: an answer of Intune has an age. */
enum origin { ORIGIN_REQUEST, ORIGIN_CERTIFICATE, ORIGIN_INTUNE, ORIGIN_CLOCK, ORIGIN_RULES };

/* One word of a KIND_SET.  mobile is three words' bits, so a word is a mask. */
struct field_word {
	const char	*name;
	uint32_t	 mask;
};

struct field_info {
	const char		*name;
	uint8_t			 kind;		/* enum kind */
	uint8_t			 origin;	/* enum origin */
	const char		*path;		/* in a record, nac-record(5) */
	const struct field_word	*words;		/* of a KIND_SET, up to a NULL name */
};

extern const struct field_info	 field_table[FIELD_COUNT];

/* Bits of the sets whose values are not enumerations of their own. */
enum client {
	CLIENT_IOS, CLIENT_ANDROID, CLIENT_OTHER_MOBILE, CLIENT_WINDOWS, CLIENT_MACOS,
	CLIENT_LINUX, CLIENT_OTHER
};
enum jailbreak { JAILBREAK_UNKNOWN, JAILBREAK_NO, JAILBREAK_YES };
enum account { ACCOUNT_UNKNOWN, ACCOUNT_DISABLED, ACCOUNT_ENABLED };
enum trust { TRUST_NO, TRUST_YES };

/* Finds a field by its name; false when there is none. */
bool	 field_find(const char *name, size_t len, enum field *out);

#endif
