/*
 * One authentication, from who is there to what the RADIUS server answers:
 * settings, look-up in the device store, rules, reply, journal.  It never waits
 * for the network, and it always comes to an answer: when something of our own
 * is broken that is the fallback, and the journal says what was broken.
 *
 * A struct hook is large (some 60 KiB), so it is static in its program.
 */
#ifndef RADIUS_HOOK_H
#define RADIUS_HOOK_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/conf.h"
#include "device/answer.h"
#include "device/identity.h"
#include "device/session.h"
#include "policy/policy.h"
#include "radius/env.h"
#include "radius/reply.h"
#include "store/journal.h"
#include "store/store.h"

#define HOOK_RULES	"/etc/intune-nac/site.rules"
#define HOOK_JOURNAL	"journal.ndjson"	/* in the state folder */
#define HOOK_VLAN	1			/* quarantine, where nothing else is said */
#define HOOK_WHY	768

/* What the command line says; NULL, FALLBACK_UNSET and 0 where it says nothing. */
enum hook_fallback { FALLBACK_UNSET, FALLBACK_QUARANTINE, FALLBACK_DENY };

struct hook_options {
	const char		*conf, *rules, *state_dir, *journal;
	enum hook_fallback	 fallback;
	int			 quarantine_vlan;
};

struct hook;

/*
 * Looks h->id up and fills h->answer, as store_find() does; on STORE_ERROR with
 * a sentence in why.  For a server, which keeps its store open.
 */
typedef enum store_rc (*hook_find)(struct hook *h, const struct match_order *order,
	    char why[STORE_WHY]);

struct hook {
	/* Settings: the command line's, else nac.conf's, else built in. */
	char		 rules[PATH_MAX];
	char		 state_dir[PATH_MAX];
	char		 journal[PATH_MAX];
	int		 fallback_vlan;		/* 0: deny */
	bool		 fallback_fixed;	/* by the command line: the rules cannot change it */
	int		 quarantine_vlan;	/* 1 to 4094, also where the fallback is deny */

	/* What a server keeps between decisions; NULL: load, open and close it. */
	struct policy	*policy;		/* the decision's strings are its */
	hook_find	 find;
	void		*find_arg;
	struct journal_kept *kept;		/* the open journal */
	void		*policy_of;		/* for whoever keeps the policy */

	/* The question.  Whoever fills these calls hook_decide() next. */
	struct identity	 id;
	struct session	 session;
	char		 note[ENV_NOTE];	/* what was left out of it, or "" */

	/* The answer. */
	bool		 looked_up;		/* answer is what the store said */
	struct answer	 answer;
	struct decision	 decision;
	char		 error[HOOK_WHY];	/* what of our own is broken, or "" */
	char		 reply[REPLY_MAX];
	size_t		 reply_len;
	bool		 accept;
};

/*
 * Fills in the settings of *h, whose error and other settings must be zeros.  A
 * configuration that cannot be read leaves those of the command line, and the
 * reason in h->error: hook_decide() then answers the fallback.
 */
void	 hook_settings(struct hook *h, const struct hook_options *o);

/* Empties the answer, for the next question with the same settings. */
void	 hook_again(struct hook *h);

/* Notes that something of our own is broken; only the first reason is kept,
 * the others are its consequences. */
void	 hook_broken(struct hook *h, const char *why);

/* Loads the rules, which hook_decide() else does; so that hook_fallback() knows
 * their when-broken before.  Where they are broken, the last good copy of them in
 * the state folder (policy/good.h), and h->note says so.  False: there is none either,
 * and h->error says what is broken. */
bool	 hook_load(struct hook *h);

/* Decides for h->id and h->session: fills in the answer, the fallback if
 * h->error is set before or by it. */
void	 hook_decide(struct hook *h, int64_t now);

/* Makes the fallback the answer, as hook_decide() does when it must; why goes
 * into its reason.  That is the command line's, else when-broken of the rules
 * where those could be read, else nac.conf's. */
void	 hook_fallback(struct hook *h, const char *why);

enum hook_form {
	HOOK_RECORD,		/* as every program passes it on */
	HOOK_JOURNAL_LINE,	/* for journal_append() */
	HOOK_JOURNAL_OPEN	/* the same without its last brace, for rescue_log() */
};

/*
 * Writes the record of nac-record(5), with "error" and "note" where there is
 * one.  Returns its length; 0 when size is too small.
 */
size_t	 hook_record(const struct hook *h, int64_t now, enum hook_form form, char *buf,
	    size_t size);

/*
 * Appends the record to the journal; line is room for it.  Returns 0; or -1 with
 * a sentence in why (HOOK_WHY bytes), and then nobody knows of this client.
 */
int	 hook_journal(const struct hook *h, int64_t now, char line[JOURNAL_LINE],
	    char why[HOOK_WHY]);

/*
 * Appends what the NAS says of a session (RFC 2866): identity, session and
 * "accounting", whose word is what: start, interim, stop; on, off for all
 * sessions of the NAS.  As hook_journal() otherwise.
 */
int	 hook_account(const struct hook *h, const char *what, char line[JOURNAL_LINE],
	    char why[HOOK_WHY]);

/* Frees what the decision refers to. */
void	 hook_close(struct hook *h);

#endif
