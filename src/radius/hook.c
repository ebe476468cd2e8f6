#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/jsonw.h"
#include "base/text.h"
#include "base/when.h"
#include "policy/good.h"
#include "radius/hook.h"

/* The first of several errors and how many there were. */
struct complaint {
	char	 first[HOOK_WHY];
	int	 count;
};

static void
complain(void *arg, const char *message)
{
	struct complaint	*c = arg;

	if (c->count++ == 0)
		text_copy(c->first, sizeof(c->first), message);
}

void
hook_broken(struct hook *h, const char *why)
{
	if (h->error[0] == '\0')
		text_copy(h->error, sizeof(h->error), why);
}

/* The first message, with the number of the others. */
static const char *
complaints(struct complaint *c)
{
	size_t	 len = strlen(c->first);

	if (c->count > 1)
		snprintf(c->first + len, sizeof(c->first) - len, " (and %d more)", c->count - 1);
	return c->count > 0 ? c->first : "no reason given";
}

static void
broken_file(struct hook *h, struct complaint *c)
{
	hook_broken(h, complaints(c));
}

/* A path that would be cut is another file. */
static void
set_path(struct hook *h, char dst[PATH_MAX], const char *path)
{
	if (!text_copy(dst, PATH_MAX, path)) {
		dst[0] = '\0';
		hook_broken(h, "a path of the configuration is too long");
	}
}

static const char *
setting(const struct conf *conf, const char *option, const char *key, const char *fallback)
{
	if (option != NULL)
		return option;
	return conf != NULL ? conf_get(conf, key, fallback) : fallback;
}

void
hook_settings(struct hook *h, const struct hook_options *o)
{
	struct complaint	 c = { .count = 0 };
	struct conf		*conf;
	const char		*path;
	char			 in_state[PATH_MAX + sizeof(HOOK_JOURNAL) + 1];
	bool			 deny;

	if ((conf = conf_load(o->conf, complain, &c)) == NULL)
		broken_file(h, &c);
	set_path(h, h->rules, setting(conf, o->rules, "rules", HOOK_RULES));
	set_path(h, h->state_dir, setting(conf, o->state_dir, "state_dir", STORE_DIR));
	if ((path = setting(conf, o->journal, "journal", NULL)) == NULL) {
		snprintf(in_state, sizeof(in_state), "%s/%s", h->state_dir, HOOK_JOURNAL);
		path = in_state;
	}
	set_path(h, h->journal, path);

	deny = o->fallback == FALLBACK_DENY || (o->fallback == FALLBACK_UNSET &&
	    strcmp(setting(conf, NULL, "fallback", "quarantine"), "deny") == 0);
	h->fallback_fixed = o->fallback != FALLBACK_UNSET || o->quarantine_vlan != 0;
	h->quarantine_vlan = o->quarantine_vlan;
	if (h->quarantine_vlan == 0)
		h->quarantine_vlan = conf != NULL ?
		    (int)conf_int(conf, "quarantine_vlan", HOOK_VLAN) : HOOK_VLAN;
	h->fallback_vlan = deny ? 0 : h->quarantine_vlan;
	conf_free(conf);
}

void
hook_again(struct hook *h)
{
	h->looked_up = false;
	h->error[0] = '\0';
	h->note[0] = '\0';
	h->reply_len = 0;
	h->accept = false;
}

void
hook_fallback(struct hook *h, const char *broken)
{
	struct facts	 f = { &h->id, &h->session, &h->answer, h->session.seen };
	char		 reason[POLICY_REASON], why[REPLY_WHY];

	snprintf(reason, sizeof(reason), "fallback: %.*s", (int)sizeof(reason) - 16, broken);
	h->reply_len = 0;
	if (!h->looked_up)
		memset(&h->answer, 0, sizeof(h->answer));
	if (h->policy != NULL && !h->fallback_fixed &&
	    policy_when_broken(h->policy, &f, reason, &h->decision))
		h->reply_len = reply_format(h->reply, &h->decision, why);
	if (h->reply_len == 0) {
		reply_fallback(&h->decision, h->fallback_vlan, reason);
		/* Three short attributes or none: this cannot fail. */
		h->reply_len = reply_format(h->reply, &h->decision, why);
	}
	h->accept = h->decision.action == ACTION_ALLOW;
}

/* The find of a program that is there for one decision. */
static enum store_rc
find_once(struct hook *h, const struct match_order *order, char why[STORE_WHY])
{
	return store_find_once(h->state_dir, &h->id, order, &h->answer, why);
}

static int
look_up(struct hook *h)
{
	hook_find	 find = h->find != NULL ? h->find : find_once;
	char		 why[STORE_WHY];

	if (find(h, policy_match_order(h->policy), why) == STORE_ERROR) {
		hook_broken(h, why);
		return -1;
	}
	h->looked_up = true;
	return 0;
}

/* One more thing that the journal should say beside the decision. */
static void
add_note(struct hook *h, const char *text)
{
	size_t	 len = strlen(h->note);

	if (len > 0)
		len += (size_t)snprintf(h->note + len, sizeof(h->note) - len, "; ");
	if (len < sizeof(h->note))
		text_copy(h->note + len, sizeof(h->note) - len, text);
}

/* The rules are broken: their last good copy decides, and the journal says so. */
static void
last_good(struct hook *h, const char *broken)
{
	char	 why[GOOD_WHY], note[HOOK_WHY + GOOD_WHY + 64], when[WHEN_TEXT];
	int64_t	 kept;

	if ((h->policy = good_load(h->rules, h->state_dir, &kept, why)) == NULL) {
		snprintf(note, sizeof(note), "%s%s%s", broken, why[0] != '\0' ? "; " : "", why);
		hook_broken(h, note);
		return;
	}
	snprintf(note, sizeof(note), "the last good rules (%s) decide: %s",
	    when_format(when, kept), broken);
	add_note(h, note);
}

bool
hook_load(struct hook *h)
{
	struct complaint	 c = { .count = 0 };

	if (h->error[0] == '\0' &&
	    (h->policy = policy_load(h->rules, complain, &c)) == NULL)
		last_good(h, complaints(&c));
	if (h->policy != NULL && policy_hint_unread(h->policy) != NULL)
		add_note(h, policy_hint_unread(h->policy));
	return h->policy != NULL;
}

/* Returns 0; or -1 when something is broken, and h->error says what. */
static int
decide(struct hook *h, int64_t now)
{
	struct facts		 f = { &h->id, &h->session, &h->answer, now };
	char			 why[REPLY_WHY];

	if (h->error[0] != '\0')
		return -1;
	if (h->policy == NULL && !hook_load(h))
		return -1;
	h->session.hint = policy_hint(h->policy, &h->session);
	explicit_bzero(h->session.app_hint, sizeof(h->session.app_hint));
	if (look_up(h) == -1)
		return -1;
	policy_decide(h->policy, &f, &h->decision);
	if ((h->reply_len = reply_format(h->reply, &h->decision, why)) == 0) {
		hook_broken(h, why);
		return -1;
	}
	h->accept = h->decision.action == ACTION_ALLOW;
	return 0;
}

void
hook_decide(struct hook *h, int64_t now)
{
	if (decide(h, now) == -1)
		hook_fallback(h, h->error);
}

size_t
hook_record(const struct hook *h, int64_t now, enum hook_form form, char *buf,
    size_t size)
{
	struct jsonw	 w;

	jw_init(&w, buf, size);
	jw_object(&w, NULL);
	if (form != HOOK_RECORD)
		/* The first member: with the brace it is JOURNAL_MARK. */
		jw_int(&w, "journal", 1);
	identity_write(&w, &h->id);
	session_write(&w, &h->session);
	if (h->looked_up)
		answer_write(&w, &h->answer, now);
	decision_write(&w, &h->decision, now);
	jw_opt(&w, "note", h->note);
	jw_opt(&w, "error", h->error);
	if (form != HOOK_JOURNAL_OPEN)
		jw_end_object(&w);
	return jw_done(&w) != NULL ? w.len : 0;
}

static int
append(const struct hook *h, const char *line, size_t len, char why[HOOK_WHY])
{
	if (len == 0)
		snprintf(why, HOOK_WHY, "the journal line is longer than %d bytes", JOURNAL_LINE);
	else if ((h->kept != NULL ? journal_append_kept(h->journal, line, len, h->kept) :
	    journal_append(h->journal, line, len)) == -1)
		snprintf(why, HOOK_WHY, "%.*s: %s", HOOK_WHY - 128, h->journal, strerror(errno));
	else
		return 0;
	return -1;
}

int
hook_journal(const struct hook *h, int64_t now, char line[JOURNAL_LINE], char why[HOOK_WHY])
{
	return append(h, line, hook_record(h, now, HOOK_JOURNAL_LINE, line, JOURNAL_LINE), why);
}

int
hook_account(const struct hook *h, const char *what, char line[JOURNAL_LINE],
    char why[HOOK_WHY])
{
	struct jsonw	 w;

	jw_init(&w, line, JOURNAL_LINE);
	jw_object(&w, NULL);
	jw_int(&w, "journal", 1);
	identity_write(&w, &h->id);
	session_write(&w, &h->session);
	jw_str(&w, "accounting", what);
	jw_opt(&w, "note", h->note);
	jw_end_object(&w);
	return append(h, line, jw_done(&w) != NULL ? w.len : 0, why);
}

void
hook_close(struct hook *h)
{
	policy_free(h->policy);
	h->policy = NULL;
}
