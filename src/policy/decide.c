#include <arpa/inet.h>
#include <sys/socket.h>

#include <string.h>

#include "base/text.h"
#include "base/when.h"
#include "policy/rules.h"

enum truth { NOT_ASKED, IS_FALSE, IS_TRUE };

/* One evaluation: what is worked out once is kept. */
struct eval {
	const struct policy	*p;
	const struct facts	*f;
	int64_t			 age;
	int			 family;	/* of the NAS address; -1 not looked at, 0 none */
	uint8_t			 nas[16];
	/* The truth of each label.  Without it a label of labels of labels would
	 * be worked out twice at every level. */
	uint8_t			 label[POLICY_LABELS];
};

/* Seconds since Intune said so; as old as can be when it never did. */
static int64_t
answer_age(const struct facts *f)
{
	int64_t	 checked = f->answer->checked;

	if (checked <= 0 || checked == WHEN_ALWAYS || f->now <= 0)
		return INT64_MAX;
	if (f->now < checked)
		return checked - f->now > POLICY_SKEW ? INT64_MAX : 0;
	return f->now - checked;
}

static char
fold(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c + 'a' - 'A') : c;
}

/* How many bytes a ? stands for: one character, or one byte that is none. */
static size_t
one_char(const char *s)
{
	size_t	 n;

	if ((*s & 0x80) == 0)
		return 1;
	n = text_utf8_len((const unsigned char *)s, strlen(s));
	return n > 0 ? n : 1;
}

/* `*` any text, `?` any character, ASCII letters without regard to case.  Only
 * the last star is ever tried again, so the work is at most glob times text. */
static bool
glob(const char *g, const char *s)
{
	const char	*star = NULL, *again = NULL;

	while (*s != '\0') {
		if (*g == '*') {
			star = ++g;
			again = s;
		} else if (*g == '?') {
			g++;
			s += one_char(s);
		} else if (fold(*g) == fold(*s)) {
			g++;
			s++;
		} else if (star != NULL) {
			g = star;
			s = ++again;
		} else
			return false;
	}
	while (*g == '*')
		g++;
	return *g == '\0';
}

/* "" is an absent fact, which no glob matches. */
static bool
one_of(const struct value *v, const char *text)
{
	if (*text == '\0')
		return false;
	for (; v != NULL; v = v->next)
		if (glob(v->text, text))
			return true;
	return false;
}

static bool
bits_equal(const uint8_t *a, const uint8_t *b, unsigned bits)
{
	unsigned	 rest = bits % 8;

	if (memcmp(a, b, bits / 8) != 0)
		return false;
	return rest == 0 || ((a[bits / 8] ^ b[bits / 8]) & (0xff00 >> rest) & 0xff) == 0;
}

static void
read_nas(struct eval *e)
{
	static const uint8_t	 mapped[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };
	const char		*ip = e->f->session->nas_ip;

	e->family = 0;
	if (inet_pton(AF_INET, ip, e->nas) == 1)
		e->family = AF_INET;
	else if (inet_pton(AF_INET6, ip, e->nas) == 1) {
		e->family = AF_INET6;
		/* ::ffff:192.0.2.1 is what a dual-stack server makes of 192.0.2.1. */
		if (memcmp(e->nas, mapped, sizeof(mapped)) == 0) {
			memmove(e->nas, e->nas + 12, 4);
			e->family = AF_INET;
		}
	}
}

static bool
nas_in(struct eval *e, const struct value *v)
{
	if (e->family == -1)
		read_nas(e);
	for (; v != NULL; v = v->next)
		if (v->family == e->family && bits_equal(v->bytes, e->nas, v->bits))
			return true;
	return false;
}

static bool
mac_in(const struct identity *id, const struct value *v)
{
	if (!id->has_mac)
		return false;
	for (; v != NULL; v = v->next)
		if (bits_equal(v->bytes, id->mac, v->bits))
			return true;
	return false;
}

static bool
compare_age(const struct node *n, int64_t age)
{
	switch (n->compare) {
	case COMPARE_LT:
		return age < n->seconds;
	case COMPARE_LE:
		return age <= n->seconds;
	case COMPARE_GT:
		return age > n->seconds;
	case COMPARE_GE:
		return age >= n->seconds;
	}
	return false;
}

/* Every name the device goes by: those it shows and the one Intune has. */
static bool
name_in(const struct facts *f, const struct value *v)
{
	size_t	 i;

	for (i = 0; i < f->id->nname; i++)
		if (one_of(v, f->id->name[i].text))
			return true;
	return f->answer->has_device && one_of(v, f->answer->device.name);
}

static bool
in_set(uint32_t set, int member)
{
	return (set >> member & 1) != 0;
}

static bool
is_stale(const struct eval *e)
{
	return e->age >= e->p->stale_after;
}

/* The words that are a condition by themselves. */
static bool
flag(const struct eval *e, enum field field)
{
	const struct answer	*a = e->f->answer;
	const struct identity	*id = e->f->id;

	switch (field) {
	case FIELD_MANAGED:
		return compliance_is_managed(a->state);
	case FIELD_RETIRING:
		return a->has_device && device_is_retiring(&a->device);
	case FIELD_WIPING:
		return a->has_device && device_is_wiping(&a->device);
	case FIELD_RANDOM_MAC:
		return id->has_mac && mac_is_random(id->mac);
	case FIELD_FRESH:
		return !is_stale(e);
	case FIELD_STALE:
		return is_stale(e);
	case FIELD_AMBIGUOUS:
		return id->ambiguous || a->state == COMPLIANCE_AMBIGUOUS;
	default:
		return false;
	}
}

static bool
test(struct eval *e, const struct node *n)
{
	const struct session	*s = e->f->session;
	const struct answer	*a = e->f->answer;

	switch (n->field) {
	case FIELD_COMPLIANCE:
		return in_set(n->set, (int)a->state);
	case FIELD_EAP:
		return in_set(n->set, (int)e->f->id->eap);
	case FIELD_MEDIUM:
		return in_set(n->set, (int)s->medium);
	case FIELD_MATCHED:
		return in_set(n->set, (int)a->matched_by);
	case FIELD_NAS_ID:
		return one_of(n->values, s->nas_id);
	case FIELD_SSID:
		return one_of(n->values, s->ssid);
	case FIELD_USER:
		return one_of(n->values, s->user);
	case FIELD_REALM:
		return one_of(n->values, s->realm);
	case FIELD_NAME:
		return name_in(e->f, n->values);
	case FIELD_ISSUER:
		return one_of(n->values, e->f->id->issuer);
	case FIELD_OS:
		return a->has_device && one_of(n->values, a->device.os);
	case FIELD_OS_VERSION:
		return a->has_device && one_of(n->values, a->device.os_version);
	case FIELD_OWNER:
		return a->has_device && one_of(n->values, a->device.owner);
	case FIELD_SERIAL:
		return a->has_device && one_of(n->values, a->device.serial);
	case FIELD_NAS:
		return nas_in(e, n->values);
	case FIELD_MAC:
		return mac_in(e->f->id, n->values);
	case FIELD_AGE:
		return compare_age(n, e->age);
	default:
		return flag(e, n->field);
	}
}

/* Recursion goes as deep as the parser let the rules nest: POLICY_NESTING. */
static bool
holds(struct eval *e, const struct node *n)
{
	const struct node	*c;
	uint8_t			*known;

	switch (n->kind) {
	case NODE_AND:
		for (c = n->child; c != NULL; c = c->next)
			if (!holds(e, c))
				return false;
		return true;
	case NODE_OR:
		for (c = n->child; c != NULL; c = c->next)
			if (holds(e, c))
				return true;
		return false;
	case NODE_NOT:
		return !holds(e, n->child);
	case NODE_LABEL:
		known = &e->label[n->label->index];
		if (*known == NOT_ASKED)
			*known = holds(e, n->label->when) ? IS_TRUE : IS_FALSE;
		return *known == IS_TRUE;
	case NODE_TEST:
		return test(e, n);
	}
	return false;
}

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
explain(const struct eval *e, const struct rule *r, char *reason)
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
		say(reason, is_stale(e) ? " old, stale)" : " old)");
	}
	if (flag(e, FIELD_RETIRING))
		say(reason, ", a retire is under way");
	if (flag(e, FIELD_WIPING))
		say(reason, ", a wipe is under way");
	if (e->f->id->ambiguous)
		say(reason, ", the identity is ambiguous");
}

static void
give(struct decision *out, const struct gift *g)
{
	if (g == NULL)
		return;
	out->vlan = g->vlan;
	out->role = g->role;
	out->nattr = g->nattr;
	memcpy(out->attr, g->attr, g->nattr * sizeof(*g->attr));
}

void
policy_decide(const struct policy *p, const struct facts *f, struct decision *out)
{
	const struct rule	*r;
	struct eval		 e;

	e.p = p;
	e.f = f;
	e.age = answer_age(f);
	e.family = -1;
	memset(e.label, NOT_ASKED, p->nlabels);
	for (r = p->rules; r != NULL; r = r->next)
		if (r->when == NULL || holds(&e, r->when))
			break;
	out->action = r != NULL ? r->action : p->no_match;
	out->state = f->answer->state;
	out->file = r != NULL ? p->file : NULL;
	out->line = r != NULL ? r->line : 0;
	out->name = r != NULL ? r->name : NULL;
	out->vlan = out->role = NULL;
	out->nattr = 0;
	memcpy(out->rules, p->digest, sizeof(out->rules));
	give(out, r != NULL ? r->gives : p->no_match_gives);
	explain(&e, r, out->reason);
}
