/*
 * A rules file as parsed: what the parser builds and the evaluation walks.  For
 * src/policy only.  Everything is in the policy's arena and freed with it.
 */
#ifndef POLICY_RULES_H
#define POLICY_RULES_H

#include <stddef.h>
#include <stdint.h>

#include "policy/policy.h"

enum field {
	/* A fixed list of words: a set of bits. */
	FIELD_COMPLIANCE, FIELD_EAP, FIELD_MEDIUM, FIELD_MATCHED,
	/* Text, compared with globs. */
	FIELD_NAS_ID, FIELD_SSID, FIELD_USER, FIELD_REALM, FIELD_NAME, FIELD_ISSUER,
	FIELD_OS, FIELD_OS_VERSION, FIELD_OWNER, FIELD_SERIAL,
	FIELD_NAS, FIELD_MAC, FIELD_AGE,
	/* Words that are a condition by themselves. */
	FIELD_MANAGED, FIELD_RETIRING, FIELD_WIPING, FIELD_RANDOM_MAC, FIELD_FRESH,
	FIELD_STALE, FIELD_AMBIGUOUS,
	FIELD_COUNT
};

enum compare { COMPARE_LT, COMPARE_LE, COMPARE_GT, COMPARE_GE };

/* One value of a test, by the kind of its field. */
struct value {
	struct value	*next;
	uint8_t		 family;	/* AF_INET or AF_INET6 */
	uint8_t		 bits;		/* how many bits of the bytes count, 0 to 128 */
	union {
		const char	*text;		/* a glob */
		uint8_t		 bytes[16];	/* an address or a MAC */
	};
};

enum node_kind { NODE_AND, NODE_OR, NODE_NOT, NODE_LABEL, NODE_TEST };

/* Kept small: touching fresh memory is the larger part of parsing. */
struct node {
	uint8_t		 kind;		/* enum node_kind */
	uint8_t		 field;		/* NODE_TEST: enum field */
	uint8_t		 compare;	/* FIELD_AGE: enum compare */
	uint16_t	 height;	/* of the tree below, labels included */
	struct node	*next;		/* in the list of its parent */
	union {
		struct node		*child;		/* AND, OR, NOT: the first */
		const struct label	*label;		/* NODE_LABEL */
		uint32_t		 set;		/* NODE_TEST, by its field */
		struct value		*values;
		int64_t			 seconds;
	};
};

/* What `with` says. */
struct gift {
	const char		*vlan, *role;
	bool			 session_timeout;
	size_t			 nattr, bytes;
	struct reply_attr	*attr;
};

struct label {
	struct label	*chain;		/* of its hash bucket */
	const char	*name;
	size_t		 index;
	int		 line;
	bool		 open;		/* its definition is being read */
	bool		 broken;	/* its definition has an error, reported already */
	struct node	*when;		/* a condition label; else NULL */
	struct gift	*gives;		/* an attribute label; else NULL */
};

struct rule {
	struct rule	*next;
	enum action	 action;
	int		 line;
	const char	*name;		/* or NULL */
	struct node	*when;		/* NULL: always */
	struct gift	*gives;		/* NULL: nothing */
};

struct chunk;

#define POLICY_BUCKETS	256

struct policy {
	struct chunk		*arena;
	const char		*file;		/* for decisions: without its folder */
	char			 digest[DIGEST_TEXT];
	struct match_order	 order;
	int64_t			 stale_after;
	enum action		 no_match;
	struct gift		*no_match_gives;
	size_t			 nrules, nlabels;
	struct rule		*rules;
	struct label		*labels[POLICY_BUCKETS];
};

#endif
