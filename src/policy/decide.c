#include <stdio.h>
#include <string.h>

#include "base/when.h"
#include "policy/eval.h"

#define DAY	86400

static void
say(char *reason, const char *text)
{
	size_t	 n = strlen(reason), len = strlen(text);

	if (len >= POLICY_REASON - n)
		len = POLICY_REASON - 1 - n;
	memcpy(reason + n, text, len);
	reason[n + len] = '\0';
}

/* Our own words only: nothing that a client chose gets into a reason. */
static void
explain(struct eval *e, const struct rule *r, char *reason)
{
	const struct answer	*a = e->f->answer;
	char			 ago[32];

	reason[0] = '\0';
	if (r == NULL)
		say(reason, "no rule matched: ");
	say(reason, "compliance is ");
	say(reason, compliance_name(a->state));
	if (e->age == INT64_MAX)
		say(reason, a->checked > 0 ? " (dated in the future)" :
		    a->state == COMPLIANCE_PENDING ? " (never looked up)" : " (of unknown age)");
	else {
		say(reason, " (");
		if (a->matched_by != MATCH_NONE) {
			say(reason, "by ");
			say(reason, match_name(a->matched_by));
			say(reason, ", ");
		}
		say(reason, when_ago(ago, sizeof(ago), e->age));
		say(reason, eval_flag(e, FIELD_STALE) ? " old, stale)" : " old)");
	}
	if (eval_flag(e, FIELD_RETIRING))
		say(reason, ", a retire is under way");
	if (eval_flag(e, FIELD_WIPING))
		say(reason, ", a wipe is under way");
	if (e->f->id->ambiguous)
		say(reason, ", the identity is ambiguous");
}

/* Adds what the words of a gift mean on this NAS.  The parser has made sure that
 * all of it fits. */
static size_t
choose(struct eval *e, const struct choice *c, struct reply_attr *attr)
{
	size_t	 i;

	for (i = 0; i < c->n; i++)
		if (eval_holds(e, c->of[i].when)) {
			memcpy(attr, c->of[i].attr, c->of[i].nattr * sizeof(*attr));
			return c->of[i].nattr;
		}
	return 0;
}

/* The attributes of a gift in the order in which they were given. */
static size_t
attributes(struct eval *e, const struct gift *g, struct reply_attr *attr)
{
	const struct choice	*c;
	size_t			 n = 0, plain = 0;

	for (c = g->choices; c != NULL; c = c->next) {
		while (plain < c->before)
			attr[n++] = g->attr[plain++];
		n += choose(e, c, attr + n);
	}
	while (plain < g->nattr)
		attr[n++] = g->attr[plain++];
	return n;
}

/* Whether it is time for a second factor. */
static bool
mfa_due(const struct eval *e, enum mfa how)
{
	static const int64_t	 span[MFA_COUNT] = {
		[MFA_DAILY] = DAY, [MFA_WEEKLY] = 7 * DAY, [MFA_MONTHLY] = 30 * DAY,
		[MFA_SIX_MONTHS] = 182 * DAY, [MFA_ONCE] = INT64_MAX,
	};
	const struct session	*s = e->f->session;

	if (how == MFA_SIGN_ON)
		return true;
	/* Where nobody knows when the session began it begins now.  Accounting says that
	 * it begins some time behind the sign-on with which the factor was asked for. */
	if (how == MFA_SESSION && s->start > 0)
		return s->mfa <= 0 || s->mfa < s->start - POLICY_SKEW;
	if (how == MFA_SESSION)
		return s->mfa <= 0 || s->seen <= 0 || s->mfa < s->seen;
	return eval_number(e, FIELD_MFA_AGE) >= span[how];
}

static void
give(struct eval *e, struct decision *out, const struct gift *g)
{
	if (g == NULL)
		return;
	out->vlan = g->vlan;
	out->role = g->role;
	out->redirect = g->redirect;
	out->coa = g->coa;
	out->ntag = g->ntag;
	memcpy(out->tag, g->tag, g->ntag * sizeof(*g->tag));
	if (g->mfa != MFA_UNSET) {
		out->mfa = mfa_words[g->mfa];
		out->mfa_due = mfa_due(e, g->mfa);
	}
	out->nattr = attributes(e, g, out->attr);
}

/* One rule's outcome, or no-match's when there is none. */
static void
outcome(struct eval *e, struct decision *out, const struct rule *r)
{
	const struct policy	*p = e->p;

	out->action = r != NULL ? r->action : p->no_match;
	out->by = r;
	out->file = r != NULL ? r->at.source->name : NULL;
	out->line = r != NULL ? r->at.line : 0;
	out->name = r != NULL ? r->name : NULL;
	give(e, out, r != NULL ? r->gives : p->no_match_gives);
}

static void
outcome_shadow(struct eval *e, struct shadow *out, const struct rule *r)
{
	const struct policy	*p = e->p;
	const struct gift	*g = r != NULL ? r->gives : p->no_match_gives;

	out->any = true;
	out->action = r != NULL ? r->action : p->no_match;
	out->by = r;
	out->file = r != NULL ? r->at.source->name : NULL;
	out->line = r != NULL ? r->at.line : 0;
	out->name = r != NULL ? r->name : NULL;
	if (g == NULL)
		return;
	out->vlan = g->vlan;
	out->role = g->role;
	out->nattr = attributes(e, g, out->attr);
}

static void
event(struct decision *out, const char *text)
{
	if (out->nevent < POLICY_EVENTS)
		out->event[out->nevent++] = text;
}

static const char *
certificate_event(struct eval *e, const struct evidence *v)
{
	if (!eval_flag(e, FIELD_CERTIFICATE))
		return "Authentication of device via certificate failure: NO_CERTIFICATE";
	return eval_evidence(e, v) ? "Authentication of device via certificate success" :
	    "Authentication of device via certificate failure: NOT_ACCEPTED";
}

static const char *
hint_event(struct eval *e, const struct evidence *v)
{
	switch (eval_hint(e->p, e->f->session)) {
	case HINT_NONE:
		return "Authentication of device via managed app failure: NO_HINT";
	case HINT_BAD:
		return "Authentication of device via managed app failure: WRONG_HINT";
	default:
		return eval_evidence(e, v) ? "Authentication of device via managed app success" :
		    "Authentication of device via managed app failure: NOT_ACCEPTED";
	}
}

static const char *
compliance_event(struct eval *e, const struct evidence *v)
{
	if (eval_evidence(e, v))
		return "Authentication of device via compliance success";
	switch (e->f->answer->state) {
	case COMPLIANCE_PENDING:
		return "Authentication of device via compliance failure: NOT_LOOKED_UP";
	case COMPLIANCE_UNREGISTERED:
		return "Authentication of device via compliance failure: NOT_REGISTERED";
	case COMPLIANCE_AMBIGUOUS:
		return "Authentication of device via compliance failure: AMBIGUOUS";
	case COMPLIANCE_COMPLIANT:
		return "Authentication of device via compliance failure: NOT_ACCEPTED";
	default:
		return "Authentication of device via compliance failure: NOT_COMPLIANT";
	}
}

/* The same text twice (two issuers, none of them shown) says no more than once;
 * and where one certificate was accepted, another's refusal is no event. */
static void
device_events(struct eval *e, struct decision *out)
{
	static const struct {
		enum evidence_kind	 kind;
		const char		*(*event)(struct eval *, const struct evidence *);
	} kinds[] = {
		{ EVIDENCE_CERTIFICATE, certificate_event }, { EVIDENCE_APP_HINT, hint_event },
		{ EVIDENCE_COMPLIANCE, compliance_event },
	};
	const struct evidence	*v;
	const char		*text;
	size_t			 i, k;

	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		for (k = 0, text = NULL; k < e->p->nevidence; k++) {
			v = &e->p->evidence[k];
			if (v->kind == kinds[i].kind && (text == NULL || eval_evidence(e, v)))
				text = kinds[i].event(e, v);
		}
		if (text != NULL)
			event(out, text);
	}
}

static void
trust(struct eval *e, struct decision *out)
{
	if (e->p->nevidence > 0) {
		out->has_trust = true;
		out->trusted = eval_set(e, FIELD_TRUST) == UINT32_C(1) << TRUST_YES;
		device_events(e, out);
	}
	if (out->mfa != NULL)
		event(out, out->mfa_due ? "Authentication of user via MFA required" :
		    "Authentication of user via MFA success");
}

/* In which line of which list the deciding rule has found the client. */
static void
found_in(struct eval *e, struct decision *out, const struct rule *r)
{
	struct listed	 by;

	if (e->p->lists == NULL || r == NULL || !eval_listed(e, r->when, &by))
		return;
	out->list = by.list->source->name;
	out->list_line = by.entry->line;
	out->list_reason = by.entry->reason;
	out->list_until = by.entry->until;
	if (by.entry->local)
		out->list_until -= e->p->timezone;
	say(out->reason, ", listed in ");
	say(out->reason, out->list);
}

static void
clear(struct decision *out, const struct policy *p, const struct facts *f)
{
	out->state = f->answer->state;
	out->vlan = out->role = out->redirect = out->coa = out->mfa = out->list = out->list_reason = NULL;
	out->nattr = out->ntag = out->nevent = 0;
	out->mfa_due = out->has_trust = out->trusted = false;
	out->list_line = 0;
	out->list_until = 0;
	out->shadow.any = false;
	out->shadow.vlan = out->shadow.role = NULL;
	out->shadow.nattr = 0;
	memcpy(out->rules, p->digest, sizeof(out->rules));
}

void
policy_decide(const struct policy *p, const struct facts *f, struct decision *out)
{
	const struct rule	*r, *all = NULL, *decides;
	struct eval		 e;
	bool			 shadowed = false;

	eval_start(&e, p, f);
	clear(out, p, f);
	for (r = p->rules; r != NULL; r = r->next) {
		if (r->shadow && shadowed)
			continue;
		if (!eval_holds(&e, r->when))
			continue;
		if (!r->shadow)
			break;
		shadowed = true;
		all = r;
	}
	if (!shadowed)
		all = r;
	/* r decides; all would, if nothing was in the shadow. */
	decides = r;
	if (p->shadow_all && eval_holds(&e, p->shadow_when)) {
		outcome_shadow(&e, &out->shadow, all);
		out->action = ACTION_ALLOW;
		out->by = NULL;
		out->file = p->shadow_at.source->name;
		out->line = p->shadow_at.line;
		out->name = NULL;
		give(&e, out, p->shadow_gives);
		decides = NULL;
	} else {
		if (shadowed)
			outcome_shadow(&e, &out->shadow, all);
		outcome(&e, out, r);
	}
	explain(&e, r, out->reason);
	trust(&e, out);
	found_in(&e, out, decides);
}

bool
policy_when_broken(const struct policy *p, const struct facts *f, const char *reason,
    struct decision *out)
{
	struct eval	 e;

	if (!p->has_broken)
		return false;
	eval_start(&e, p, f);
	clear(out, p, f);
	out->action = p->broken;
	out->by = NULL;
	out->file = NULL;
	out->line = 0;
	out->name = NULL;
	give(&e, out, p->broken_gives);
	snprintf(out->reason, sizeof(out->reason), "%s", reason);
	return true;
}

enum hint
policy_hint(const struct policy *p, const struct session *s)
{
	return eval_hint(p, s);
}
