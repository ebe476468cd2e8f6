/*
 * A rules file as parsed: what the parser builds and the evaluation walks.  For
 * src/policy only.  Everything is in the policy's arena and freed with it.
 */
#ifndef POLICY_RULES_H
#define POLICY_RULES_H

#include <stddef.h>
#include <stdint.h>

#include "policy/fields.h"
#include "policy/lexer.h"
#include "policy/policy.h"

#define POLICY_EVIDENCE	8	/* trusted statements */
#define POLICY_HINTS	2	/* the secret of a managed app, and the one before it */
#define POLICY_VARIANTS	16	/* of one word: makes of NAS at one site */

/* The rules file, or one that it includes, lists or compares a hint with. */
struct rules_file {
	struct rules_file	*next;
	const char	*path;		/* as opened, for messages */
	const char	*name;		/* for decisions: from the folder of the rules on */
	uint64_t	 state;		/* file_state() before it was read; 0: never there */
};

/* Where a definition or a rule stands, for lint and explain. */
struct place {
	const struct rules_file	*source;
	int			 line;
	size_t			 column;
};

enum compare { COMPARE_IN, COMPARE_LT, COMPARE_LE, COMPARE_GT, COMPARE_GE };

/* One value of a test, by the kind of its field. */
struct value {
	struct value	*next;
	bool		 is_list;	/* list, whatever the field */
	uint8_t		 family;	/* AF_INET or AF_INET6 */
	uint8_t		 bits;		/* how many bits of the bytes count, 0 to 128 */
	union {
		const char		*text;		/* a glob */
		uint8_t			 bytes[16];	/* an address or a MAC */
		const struct zone	*zone;
		const struct list	*list;
		struct {
			int64_t	 from, to;		/* both count; to < from wraps */
		} range;
	};
};

enum node_kind { NODE_AND, NODE_OR, NODE_NOT, NODE_LABEL, NODE_TEST };

/* Kept small: touching fresh memory is the larger part of parsing. */
struct node {
	uint8_t		 kind;		/* enum node_kind */
	uint8_t		 field;		/* NODE_TEST: enum field */
	uint8_t		 compare;	/* numbers and versions: enum compare */
	bool		 asks_trust : 1;	/* a test of `trust` is in the tree below */
	/* Where the tree is true, or where it is false, some test of it has found the
	 * certificate's issuer to be one of those named. */
	bool		 issuer_if_true : 1, issuer_if_false : 1;
	uint16_t	 height;	/* of the tree below, labels included */
	uint16_t	 column;	/* where it begins; 0: beyond 65535 */
	int		 line;
	struct node	*next;		/* in the list of its parent */
	union {
		struct node		*child;		/* AND, OR, NOT: the first */
		const struct label	*label;		/* NODE_LABEL */
		uint32_t		 set;		/* NODE_TEST, by its field */
		struct value		*values;
		int64_t			 number;	/* with a compare other than IN */
		const char		*version;	/* the same of a KIND_VERSION */
	};
};

/* The words of a reply whose attributes differ by make of NAS. */
enum word { WORD_ROLE, WORD_FILTER, WORD_ACL, WORD_REDIRECT, WORD_COUNT };

/* `word NAME gives ... if ...`, its attributes with $NAME in their values. */
struct variant {
	struct variant	*next;
	struct place	 at;
	struct node	*when;		/* NULL: always */
	struct gift	*gives;
};

/* A word of a reply, and what each variant makes of its value; what the first
 * one gives that holds is added when the decision is made, behind the first
 * `before` attributes of its gift: switches read access lists in order. */
struct choice {
	struct choice	*next;
	enum word	 word;
	size_t		 before;
	size_t		 n;
	struct {
		const struct node	*when;
		size_t			 nattr;
		struct reply_attr	*attr;
	} of[POLICY_VARIANTS + 1];
};

enum mfa {
	MFA_UNSET, MFA_SIGN_ON, MFA_SESSION, MFA_DAILY, MFA_WEEKLY, MFA_MONTHLY,
	MFA_SIX_MONTHS, MFA_ONCE, MFA_COUNT
};

extern const char *const	 mfa_words[MFA_COUNT + 1];
extern const char *const	 coa_words[];	/* none, reauth, ..., NULL */

/* What `with` says. */
struct gift {
	const char		*vlan, *role, *redirect;
	bool			 label;		/* a label gave some of it */
	bool			 access;	/* something that a denied client cannot have */
	enum mfa		 mfa;
	const char		*coa;		/* one of coa_words, or NULL */
	size_t			 ntag;
	const char		*tag[POLICY_TAGS];
	size_t			 nattr, nchoices, bytes;
	struct reply_attr	*attr;
	struct choice		*choices;	/* as they were given */
};

struct label {
	struct label	*chain;		/* of its hash bucket */
	const char	*name;
	size_t		 index;
	struct place	 at;
	bool		 open;		/* its definition is being read */
	bool		 broken;	/* its definition has an error, reported already */
	bool		 used;
	struct node	*when;		/* a condition label; else NULL */
	struct gift	*gives;		/* an attribute label; else NULL */
};

/* `zone NAME is ...`: networks and names of NASes. */
struct zone {
	struct zone	*next;
	const char	*name;
	struct place	 at;
	bool		 used;
	struct value	*nets, *ids;
};

/* `let $name = ...` */
struct variable {
	struct variable	*next;
	const char	*name;
	struct place	 at;
	struct place	 quoted;	/* its name in quotes, where it is none; line 0: nowhere */
	bool		 used;
	size_t		 n;
	struct token	*value;
};

/* One line of a list. */
struct entry {
	struct entry	*chain;		/* of its bucket, or the next pattern */
	int		 line;
	bool		 local;		/* until is a day's end in the rules' time zone */
	int64_t		 until;		/* it holds before this; WHEN_ALWAYS: for ever */
	const char	*reason;	/* or NULL */
	const char	*text;		/* folded, or a glob */
	uint8_t		 mac[6];
	uint8_t		 bits;
};

enum list_type { LIST_MACS, LIST_NAMES, LIST_USERS, LIST_GROUPS, LIST_SERIALS, LIST_VALUES,
    LIST_TYPES };

/* `list NAME macs "file"` */
struct list {
	struct list	*next;
	const char	*name;
	struct place	 at;
	bool		 used;
	enum list_type	 type;
	const struct rules_file *source;
	size_t		 nentries, nbuckets;
	struct entry	**bucket;	/* whole values */
	struct entry	*patterns;	/* beginnings of MACs, globs */
};

/* `trusted by KIND [if ...]` */
enum evidence_kind { EVIDENCE_CERTIFICATE, EVIDENCE_APP_HINT, EVIDENCE_COMPLIANCE };

struct evidence {
	enum evidence_kind	 kind;
	struct place		 at;
	struct node		*when;	/* or NULL */
};

struct rule {
	struct rule	*next;
	enum action	 action;
	bool		 shadow;
	struct place	 at;
	const char	*name;		/* or NULL */
	struct node	*when;		/* NULL: always */
	struct gift	*gives;		/* NULL: nothing */
};

struct chunk;

#define POLICY_BUCKETS	256

struct policy {
	struct chunk		*arena;
	size_t			 memory;	/* taken of it, but for lists */
	struct rules_file		*sources;	/* the rules file itself first */
	struct rules_file		*secrets;	/* the files of hints */
	char			 digest[DIGEST_TEXT];
	uint64_t		 hash;
	struct match_order	 order;
	int64_t			 stale_after;
	int64_t			 stale_state[COMPLIANCE_COUNT];	/* 0: stale_after */
	int			 timezone;	/* seconds east of UTC */
	bool			 has_no_match;
	enum action		 no_match;
	struct gift		*no_match_gives;
	bool			 has_broken;
	enum action		 broken;
	struct gift		*broken_gives;
	bool			 shadow_all;
	struct place		 shadow_at;
	struct node		*shadow_when;
	struct gift		*shadow_gives;
	size_t			 nevidence;
	struct evidence		 evidence[POLICY_EVIDENCE];
	size_t			 nhints;
	const char		*hint[POLICY_HINTS];
	const char		*hint_unread;	/* why a file of them could not be read */
	struct variant		*variants[WORD_COUNT];
	size_t			 nrules, nlabels;
	struct rule		*rules;
	struct zone		*zones;
	struct list		*lists;
	struct variable		*variables;
	bool			 asks_trust;	/* some condition does */
	struct label		*labels[POLICY_BUCKETS];
};

#endif
