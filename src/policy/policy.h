/*
 * The rules file, nac-rules(5): labels and rules, the first rule that matches
 * decides.  This part knows no store and no RADIUS packet: facts in, decision
 * out.
 */
#ifndef POLICY_POLICY_H
#define POLICY_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/digest.h"
#include "base/jsonw.h"
#include "device/answer.h"
#include "device/identity.h"
#include "device/session.h"

#define POLICY_ATTRS	32	/* reply attributes of one decision */
#define POLICY_REASON	256

/* All that a decision replies, each attribute as `Name op "value",` and a
 * newline with quotes and backslashes escaped, stays below this: FreeRADIUS
 * 3.2.1 has 1,024 bytes for an answer that it cannot parse. */
#define POLICY_REPLY	960

/* Limits of a rules file.  Each is some ten times what a large site needs. */
#define POLICY_FILE	(1024 * 1024)	/* bytes */
#define POLICY_RULES	20000
/* What all that is parsed, but for lists, may take.  Written out, a file of POLICY_FILE
 * bytes takes a third of it; a variable or a label stands for as much again at each use,
 * and a few KiB of them for more memory than there is. */
#define POLICY_MEMORY	(64 * 1024 * 1024)
#define POLICY_LABELS	4096
#define POLICY_NESTING	64		/* parentheses, and labels in labels */
#define POLICY_NAME	128		/* bytes in the name of a rule or a label */
#define POLICY_VALUE	252		/* bytes in a reply value: RFC 2868 keeps one for the tag */
#define POLICY_TAGS	8		/* log words of one decision */
#define POLICY_TAG	64		/* bytes of each */
#define POLICY_EVENTS	12
#define POLICY_DEPTH	8		/* files that include files */
#define POLICY_SOURCES	256		/* files of rules in all */
#define POLICY_ERRORS	10000		/* after so many errors the rest is not read */

/* An answer that is so much newer than our clock has no age that could be
 * believed, and counts as never checked where age matters. */
#define POLICY_SKEW	300		/* seconds */

struct policy;
struct rule;

/* Called with one whole message, "file:line:column: what", for each error. */
typedef void (*policy_report)(void *arg, const char *message);

/* All that a condition can ask about.  Nothing in it may be NULL. */
struct facts {
	const struct identity	*id;
	const struct session	*session;
	const struct answer	*answer;
	int64_t			 now;
};

enum action { ACTION_DENY, ACTION_ALLOW };

/* One pair of the reply, as FreeRADIUS writes it: Name[:tag] op value. */
struct reply_attr {
	const char	*name;
	const char	*op;		/* "=", ":=" or "+=" */
	const char	*value;		/* without quotes */
	bool		 quoted;	/* to be printed in double quotes */
};

/* What a decision would have been with the `shadow` rules enforced. */
struct shadow {
	bool		 any;		/* it would have been another rule's */
	enum action	 action;
	const struct rule *by;		/* NULL: nothing matched */
	const char	*file;		/* NULL, too */
	int		 line;
	const char	*name;
	const char	*vlan;
	const char	*role;
	size_t		 nattr;
	struct reply_attr attr[POLICY_ATTRS];
};

/*
 * What was decided.  The strings belong to the policy and live as long as it,
 * but for reason, which is in the struct.
 */
struct decision {
	enum action	 action;
	enum compliance	 state;		/* the state that was judged */
	const struct rule *by;		/* one of the rules; NULL: none matched, or shadow all */
	const char	*file;		/* what decided; NULL: nothing matched */
	int		 line;
	const char	*name;		/* the rule's name, or NULL */
	const char	*vlan;		/* what the rule said, or NULL */
	const char	*role;
	char		 reason[POLICY_REASON];
	char		 rules[DIGEST_TEXT];	/* digest of the rules file */
	size_t		 nattr;
	struct reply_attr attr[POLICY_ATTRS];
	const char	*coa;		/* none, reauth, bounce, disconnect; NULL: not said */
	const char	*redirect;	/* page that the client is sent to, or NULL */
	const char	*mfa;		/* how often a second factor is asked for; NULL: never */
	bool		 mfa_due;	/* and whether it is time for one */
	bool		 has_trust;	/* the rules speak of it */
	bool		 trusted;
	size_t		 ntag;
	const char	*tag[POLICY_TAGS];
	size_t		 nevent;
	const char	*event[POLICY_EVENTS];
	const char	*list;		/* file of the list that the rule found the client in */
	int		 list_line;
	const char	*list_reason;	/* or NULL */
	int64_t		 list_until;	/* WHEN_ALWAYS: for ever */
	struct shadow	 shadow;
};

/*
 * Loads a rules file.  The owner must be us or root and nobody else may write
 * it.  Returns the policy, which policy_free() frees; or NULL after having
 * reported every error.
 */
struct policy *policy_load(const char *path, policy_report report, void *arg);

/* As policy_load(), from len bytes of memory; name stands in messages. */
struct policy *policy_parse(const char *name, const char *text, size_t len,
	    policy_report report, void *arg);

/* A file by its path, with what is in it. */
struct policy_text {
	const char	*path, *text;
	size_t		 len;
};

/*
 * As policy_load(), from n texts instead of files: the rules themselves first, and
 * all that they include or list.  No file is read but those of app-hint, and where
 * that cannot be, no hint is good.
 */
struct policy *policy_parse_texts(const struct policy_text *texts, size_t n,
	    policy_report report, void *arg);

void	 policy_free(struct policy *p);

/* The order of identifiers that the rules ask for (match-order), and whether of
 * several devices the newest is meant (ambiguous newest). */
const struct match_order *policy_match_order(const struct policy *p);

/* Answers of this age and older are `stale` (stale-after; seconds), unless the
 * rules say something else for a state. */
int64_t	 policy_stale_after(const struct policy *p);

/* The least of all these limits: before it, no answer is stale. */
int64_t	 policy_stale_least(const struct policy *p);

/* How many rules and labels there are. */
size_t	 policy_rules(const struct policy *p);
size_t	 policy_labels(const struct policy *p);

/* Decides.  Never fails: where no rule matches the file's no-match action does,
 * by default deny. */
void	 policy_decide(const struct policy *p, const struct facts *f,
	    struct decision *out);

/*
 * The answer when something of ours is broken, if the rules have one
 * (when-broken).  Returns false when they have not; reason goes into *out.
 */
bool	 policy_has_when_broken(const struct policy *p);
bool	 policy_when_broken(const struct policy *p, const struct facts *f,
	    const char *reason, struct decision *out);

/* Whether the managed app's hint in s is good by these rules; what was found out
 * before (s->hint) where s has no hint to compare.  The caller keeps the result
 * in s->hint and wipes s->app_hint. */
enum hint policy_hint(const struct policy *p, const struct session *s);

/* Why the file of a hint could not be read, for want of permission: no hint is good
 * then.  NULL: all could be. */
const char *policy_hint_unread(const struct policy *p);

/* Writes the `decision` member of nac-record(5), without `was`. */
void	 decision_write(struct jsonw *w, const struct decision *d, int64_t now);

#endif
