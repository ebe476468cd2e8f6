#include <stdio.h>

#include "base/when.h"
#include "policy/policy.h"

static void
write_reply(struct jsonw *w, const struct reply_attr *attr, size_t n)
{
	size_t	 i;

	jw_array(w, "reply");
	for (i = 0; i < n; i++) {
		jw_array(w, NULL);
		jw_str(w, NULL, attr[i].name);
		jw_str(w, NULL, attr[i].op);
		jw_str(w, NULL, attr[i].value);
		jw_end_array(w);
	}
	jw_end_array(w);
}

static void
write_rule(struct jsonw *w, const char *file, int line)
{
	char	 rule[FILENAME_MAX + 16];

	if (file == NULL)
		return;
	snprintf(rule, sizeof(rule), "%s:%d", file, line);
	jw_str(w, "rule", rule);
}

static void
write_words(struct jsonw *w, const char *key, const char *const *word, size_t n)
{
	size_t	 i;

	if (n == 0)
		return;
	jw_array(w, key);
	for (i = 0; i < n; i++)
		jw_str(w, NULL, word[i]);
	jw_end_array(w);
}

static void
write_shadow(struct jsonw *w, const struct shadow *s)
{
	jw_object(w, "shadow");
	jw_str(w, "action", s->action == ACTION_ALLOW ? "allow" : "deny");
	jw_opt(w, "vlan", s->vlan);
	jw_opt(w, "role", s->role);
	write_rule(w, s->file, s->line);
	jw_opt(w, "name", s->name);
	write_reply(w, s->attr, s->nattr);
	jw_end_object(w);
}

/* What the newer words of the rules say; nothing where they say nothing. */
static void
write_more(struct jsonw *w, const struct decision *d)
{
	jw_opt(w, "redirect", d->redirect);
	if (d->mfa != NULL) {
		jw_object(w, "mfa");
		jw_str(w, "every", d->mfa);
		jw_bool(w, "due", d->mfa_due);
		jw_end_object(w);
	}
	jw_opt(w, "coa", d->coa);
	if (d->has_trust)
		jw_str(w, "trust", d->trusted ? "trusted" : "not trusted");
	write_words(w, "log", d->tag, d->ntag);
	write_words(w, "events", d->event, d->nevent);
	if (d->list != NULL) {
		jw_object(w, "listed");
		jw_str(w, "list", d->list);
		jw_int(w, "line", d->list_line);
		if (d->list_until != WHEN_ALWAYS)
			jw_time(w, "until", d->list_until);
		jw_opt(w, "reason", d->list_reason);
		jw_end_object(w);
	}
	if (d->shadow.any)
		write_shadow(w, &d->shadow);
}

void
decision_write(struct jsonw *w, const struct decision *d, int64_t now)
{
	jw_object(w, "decision");
	jw_str(w, "action", d->action == ACTION_ALLOW ? "allow" : "deny");
	jw_opt(w, "vlan", d->vlan);
	jw_opt(w, "role", d->role);
	write_rule(w, d->file, d->line);
	jw_opt(w, "name", d->name);
	jw_str(w, "state", compliance_name(d->state));
	jw_str(w, "reason", d->reason);
	write_reply(w, d->attr, d->nattr);
	write_more(w, d);
	jw_str(w, "rules", d->rules);
	jw_time(w, "time", now);
	jw_end_object(w);
}
