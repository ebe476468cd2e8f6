#include <arpa/inet.h>
#include <sys/socket.h>

#include <string.h>
#include <strings.h>

#include "base/num.h"
#include "base/text.h"
#include "base/when.h"
#include "policy/eval.h"
#include "policy/list.h"

#define DAY	86400

enum truth { NOT_ASKED, IS_FALSE, IS_TRUE };

#define SEARCHED	4	/* beside the truth of a label: its entries were looked for */

/* Seconds from then to now; as old as can be when it is not known. */
static int64_t
age_of(const struct facts *f, int64_t then)
{
	if (then <= 0 || then == WHEN_ALWAYS || f->now <= 0)
		return INT64_MAX;
	if (f->now < then)
		return then - f->now > POLICY_SKEW ? INT64_MAX : 0;
	return f->now - then;
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

/* Only the last star is ever tried again, so the work is at most glob times
 * text. */
bool
eval_glob(const char *g, const char *s)
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
zone_in(struct eval *e, const struct value *v)
{
	const struct value	*id;

	for (; v != NULL; v = v->next) {
		if (nas_in(e, v->zone->nets))
			return true;
		for (id = v->zone->ids; id != NULL; id = id->next)
			if (e->f->session->nas_id[0] != '\0' &&
			    eval_glob(id->text, e->f->session->nas_id))
				return true;
	}
	return false;
}

static bool
listed(struct eval *e, const struct list *l, const struct entry *entry)
{
	if (entry == NULL)
		return false;
	e->found = (struct listed){ l, entry };
	return true;
}

static bool
mac_in(struct eval *e, const struct value *v)
{
	const struct identity	*id = e->f->id;

	if (!id->has_mac)
		return false;
	for (; v != NULL; v = v->next)
		if (v->is_list ? listed(e, v->list, list_find_mac(v->list, id->mac, e->f->now,
		    e->p->timezone)) : bits_equal(v->bytes, id->mac, v->bits))
			return true;
	return false;
}

static bool
text_in(struct eval *e, const struct node *n)
{
	const struct value	*v;
	const char		*text;
	size_t			 i;

	for (i = 0; (text = eval_text(e, n->field, i)) != NULL; i++)
		for (v = *text != '\0' ? n->values : NULL; v != NULL; v = v->next)
			if (v->is_list ? listed(e, v->list, list_find_text(v->list, text,
			    e->f->now, e->p->timezone)) : eval_glob(v->text, text))
				return true;
	return false;
}

/* The i-th of the names the device goes by: those it shows and Intune's. */
static const char *
name_text(const struct facts *f, size_t i)
{
	if (i < f->id->nname)
		return f->id->name[i].text;
	if (i > f->id->nname)
		return NULL;
	return f->answer->has_device ? f->answer->device.name : "";
}

static const char *
device_text(const struct answer *a, enum field field)
{
	if (!a->has_device)
		return "";
	switch (field) {
	case FIELD_OS:
		return a->device.os;
	case FIELD_OS_VERSION:
		return a->device.os_version;
	case FIELD_OWNER:
		return a->device.owner;
	case FIELD_SERIAL:
		return a->device.serial;
	case FIELD_MODEL:
		return a->device.model;
	case FIELD_MANUFACTURER:
		return a->device.manufacturer;
	default:
		return a->device.user;
	}
}

const char *
eval_text(const struct eval *e, enum field field, size_t i)
{
	const struct session	*s = e->f->session;
	const struct identity	*id = e->f->id;

	switch (field) {
	case FIELD_NAME:
		return name_text(e->f, i);
	case FIELD_GROUP:
		return i < s->ngroup ? s->group[i] : NULL;
	case FIELD_SAN_URI:
		return i < id->nsan_uri ? id->san_uri[i] : NULL;
	case FIELD_SAN_DNS:
		return i < id->nsan_dns ? id->san_dns[i] : NULL;
	default:
		break;
	}
	if (i > 0)
		return NULL;
	switch (field) {
	case FIELD_NAS_ID:
		return s->nas_id;
	case FIELD_NAS_PORT_ID:
		return s->nas_port_id;
	case FIELD_SSID:
		return s->ssid;
	case FIELD_USER:
		return session_login(s);
	case FIELD_REALM:
		return s->realm;
	case FIELD_ISSUER:
		return id->issuer;
	case FIELD_SUBJECT:
		return id->subject;
	case FIELD_CERT_SERIAL:
		return id->serial;
	case FIELD_TEMPLATE:
		return id->template;
	case FIELD_SAN_UPN:
		return id->upn;
	default:
		return device_text(e->f->answer, field);
	}
}

static enum jailbreak
jailbreak(const struct answer *a)
{
	if (a->has_device && strcasecmp(a->device.jailbroken, "true") == 0)
		return JAILBREAK_YES;
	if (a->has_device && strcasecmp(a->device.jailbroken, "false") == 0)
		return JAILBREAK_NO;
	return JAILBREAK_UNKNOWN;
}

/* Unknown where the directory was not asked, or has no such device. */
static enum account
account(const struct answer *a)
{
	if (!a->has_device || !a->device.has_account)
		return ACCOUNT_UNKNOWN;
	return a->device.account_enabled ? ACCOUNT_ENABLED : ACCOUNT_DISABLED;
}

/* Graph's operatingSystem is free text; these are the words seen in it. */
static uint32_t
client_bits(const struct answer *a)
{
	static const struct { const char *begins; enum client client; } systems[] = {
		{ "iOS", CLIENT_IOS }, { "iPad", CLIENT_IOS }, { "iPhone", CLIENT_IOS },
		{ "Android", CLIENT_ANDROID }, { "Windows Phone", CLIENT_OTHER_MOBILE },
		{ "WindowsPhone", CLIENT_OTHER_MOBILE }, { "Windows Mobile", CLIENT_OTHER_MOBILE },
		{ "WindowsMobile", CLIENT_OTHER_MOBILE }, { "BlackBerry", CLIENT_OTHER_MOBILE },
		{ "Windows", CLIENT_WINDOWS }, { "macOS", CLIENT_MACOS }, { "Mac OS", CLIENT_MACOS },
		{ "MacMDM", CLIENT_MACOS }, { "Linux", CLIENT_LINUX }, { "Ubuntu", CLIENT_LINUX },
	};
	size_t	 i;

	if (!a->has_device || a->device.os[0] == '\0')
		return 0;
	for (i = 0; i < sizeof(systems) / sizeof(systems[0]); i++)
		if (strncasecmp(a->device.os, systems[i].begins,
		    strlen(systems[i].begins)) == 0)
			return UINT32_C(1) << systems[i].client;
	return UINT32_C(1) << CLIENT_OTHER;
}

/* Seconds since a local midnight, and days since 1970-01-01 in *day. */
static int64_t
local_time(const struct eval *e, int64_t *day)
{
	int64_t	 t = e->f->now + e->p->timezone;

	*day = t / DAY - (t % DAY < 0);
	return t - *day * DAY;
}

static bool
is_trusted(struct eval *e)
{
	size_t	 i;

	if (e->trust == NOT_ASKED) {
		e->trust = IS_FALSE;
		for (i = 0; i < e->p->nevidence && e->trust == IS_FALSE; i++)
			if (eval_evidence(e, &e->p->evidence[i]))
				e->trust = IS_TRUE;
	}
	return e->trust == IS_TRUE;
}

uint32_t
eval_set(struct eval *e, enum field field)
{
	const struct answer	*a = e->f->answer;
	int64_t			 day;

	switch (field) {
	case FIELD_COMPLIANCE:
		return UINT32_C(1) << a->state;
	case FIELD_EAP:
		return UINT32_C(1) << e->f->id->eap;
	case FIELD_MEDIUM:
		return UINT32_C(1) << e->f->session->medium & ~UINT32_C(1);
	case FIELD_MATCHED:
		return UINT32_C(1) << a->matched_by;
	case FIELD_ID_SPACE:
		return UINT32_C(1) << a->id_space & ~UINT32_C(1);
	case FIELD_SOURCE:
		return UINT32_C(1) << a->source & ~UINT32_C(1);
	case FIELD_CLIENT:
		return client_bits(a);
	case FIELD_JAILBREAK:
		return UINT32_C(1) << jailbreak(a);
	case FIELD_ACCOUNT:
		return UINT32_C(1) << account(a);
	case FIELD_TRUST:
		return UINT32_C(1) << (is_trusted(e) ? TRUST_YES : TRUST_NO);
	case FIELD_WEEKDAY:
		if (e->f->now <= 0)
			return 0;
		local_time(e, &day);
		return UINT32_C(1) << (day + 3) % 7;	/* 1970-01-01 was a Thursday */
	default:
		return 0;
	}
}

int64_t
eval_number(const struct eval *e, enum field field)
{
	const struct answer	*a = e->f->answer;
	const char		*why;
	int64_t			 n, day;

	switch (field) {
	case FIELD_AGE:
		return e->age;
	case FIELD_SYNC_AGE:
		return a->has_device ? age_of(e->f, a->device.last_sync) : INT64_MAX;
	case FIELD_ENROLMENT_AGE:
		return a->has_device ? age_of(e->f, a->device.enrolled) : INT64_MAX;
	case FIELD_MFA_AGE:
		return age_of(e->f, e->f->session->mfa);
	case FIELD_NAS_PORT:
		return num_parse(e->f->session->nas_port, 0, UINT32_MAX, &n, &why) ? n : EVAL_NONE;
	case FIELD_HOUR:
		return e->f->now > 0 ? local_time(e, &day) / 3600 : EVAL_NONE;
	case FIELD_TIME:
		return e->f->now > 0 ? local_time(e, &day) / 60 : EVAL_NONE;
	default:
		return EVAL_NONE;
	}
}

int64_t
eval_stale_after(const struct policy *p, enum compliance state)
{
	return p->stale_state[state] != 0 ? p->stale_state[state] : p->stale_after;
}

/* A certificate was shown: only then has the server an issuer or a serial. */
static bool
has_certificate(const struct identity *id)
{
	return id->issuer[0] != '\0' || id->serial[0] != '\0';
}

bool
eval_flag(struct eval *e, enum field field)
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
		return e->age < eval_stale_after(e->p, a->state);
	case FIELD_STALE:
		return e->age >= eval_stale_after(e->p, a->state);
	case FIELD_AMBIGUOUS:
		return id->ambiguous || a->state == COMPLIANCE_AMBIGUOUS;
	case FIELD_ENCRYPTED:
		return a->has_device && a->device.encrypted;
	case FIELD_JAILBROKEN:
		return jailbreak(a) == JAILBREAK_YES;
	case FIELD_CERTIFICATE:
		return has_certificate(id);
	case FIELD_APP_HINT:
		return eval_hint(e->p, e->f->session) == HINT_GOOD;
	default:
		return false;
	}
}

/* Takes the time of the longer text whatever the other one is. */
static bool
same_secret(const char *secret, const char *shown)
{
	volatile unsigned char	 differ;
	size_t			 i, n = strlen(secret), m = strlen(shown);

	differ = (unsigned char)(n != m);
	for (i = 0; i < n; i++)
		differ |= (unsigned char)(secret[i] ^ shown[i < m ? i : m]);
	return differ == 0;
}

enum hint
eval_hint(const struct policy *p, const struct session *s)
{
	bool	 good = false;
	size_t	 i;

	if (s->app_hint[0] == '\0')
		return s->hint;
	for (i = 0; i < p->nhints; i++)
		good |= same_secret(p->hint[i], s->app_hint);
	return good ? HINT_GOOD : HINT_BAD;
}

bool
eval_evidence(struct eval *e, const struct evidence *v)
{
	switch (v->kind) {
	case EVIDENCE_CERTIFICATE:
		return has_certificate(e->f->id) && eval_holds(e, v->when);
	case EVIDENCE_APP_HINT:
		return eval_flag(e, FIELD_APP_HINT) && eval_holds(e, v->when);
	case EVIDENCE_COMPLIANCE:
		return v->when != NULL ? compliance_is_managed(e->f->answer->state) &&
		    eval_holds(e, v->when) : e->f->answer->state == COMPLIANCE_COMPLIANT;
	}
	return false;
}

/* The next component of a version; 0 when there is none. */
static uint64_t
component(const char **s)
{
	uint64_t	 n = 0;

	for (; **s >= '0' && **s <= '9'; (*s)++)
		if (n < UINT64_MAX / 16)
			n = n * 10 + (uint64_t)(**s - '0');
	if (**s == '.')
		(*s)++;
	else
		*s += strlen(*s);
	return n;
}

bool
eval_version(const char *seen, const char *wanted, int *order)
{
	uint64_t	 a, b;

	*order = 0;
	if (*seen < '0' || *seen > '9')
		return false;
	while (*order == 0 && (*seen != '\0' || *wanted != '\0')) {
		a = component(&seen);
		b = component(&wanted);
		*order = a < b ? -1 : a > b;
	}
	return true;
}

/* Whether a version is `of`, or begins with it: 17.2.1 is a 17 and a 17.2. */
static bool
version_is(const char *seen, const char *of)
{
	int	 order;

	if (!eval_version(seen, of, &order))
		return false;
	if (order == 0)
		return true;
	for (; *of != '\0'; of++, seen++)
		if (*of != *seen)
			return false;
	return *seen == '.';
}

/* A glob, a version, or FROM..TO, whose TO is a version with all that begin with it. */
static bool
version_in(const struct value *v, const char *seen)
{
	const char	*dots;
	char		 from[POLICY_VALUE + 1];
	int		 order;

	for (v = *seen != '\0' ? v : NULL; v != NULL; v = v->next)
		if (v->text[strspn(v->text, "0123456789.")] != '\0') {
			if (eval_glob(v->text, seen))
				return true;
		} else if ((dots = strstr(v->text, "..")) == NULL) {
			if (version_is(seen, v->text))
				return true;
		} else {
			memcpy(from, v->text, (size_t)(dots - v->text));
			from[dots - v->text] = '\0';
			if (eval_version(seen, from, &order) && order >= 0 &&
			    eval_version(seen, dots + 2, &order) &&
			    (order <= 0 || version_is(seen, dots + 2)))
				return true;
		}
	return false;
}

static bool
compare(enum compare how, int order)
{
	switch (how) {
	case COMPARE_LT:
		return order < 0;
	case COMPARE_LE:
		return order <= 0;
	case COMPARE_GT:
		return order > 0;
	case COMPARE_GE:
		return order >= 0;
	case COMPARE_IN:
		break;
	}
	return false;
}

static bool
number_in(const struct node *n, int64_t seen)
{
	const struct value	*v;

	if (seen == EVAL_NONE)
		return false;
	if (n->compare != COMPARE_IN)
		return compare(n->compare, seen < n->number ? -1 : seen > n->number);
	for (v = n->values; v != NULL; v = v->next)
		if (v->range.from <= v->range.to ? seen >= v->range.from && seen <= v->range.to :
		    seen >= v->range.from || seen <= v->range.to)
			return true;
	return false;
}

bool
eval_test(struct eval *e, const struct node *n)
{
	const char	*text;
	int		 order;

	switch (field_table[n->field].kind) {
	case KIND_SET:
		return (eval_set(e, n->field) & n->set) != 0;
	case KIND_TEXT:
		return text_in(e, n);
	case KIND_VERSION:
		text = eval_text(e, n->field, 0);
		if (n->compare == COMPARE_IN)
			return version_in(n->values, text);
		return eval_version(text, n->version, &order) && compare(n->compare, order);
	case KIND_NET:
		return nas_in(e, n->values);
	case KIND_MAC:
		return mac_in(e, n->values);
	case KIND_ZONE:
		return zone_in(e, n->values);
	case KIND_SPAN:
	case KIND_NUMBER:
	case KIND_CLOCK:
		return number_in(n, eval_number(e, n->field));
	default:
		return eval_flag(e, n->field);
	}
}

/* Recursion goes as deep as the parser let the rules nest: POLICY_NESTING. */
bool
eval_holds(struct eval *e, const struct node *n)
{
	const struct node	*c;
	uint8_t			*known;

	if (n == NULL)
		return true;
	switch (n->kind) {
	case NODE_AND:
		for (c = n->child; c != NULL; c = c->next)
			if (!eval_holds(e, c))
				return false;
		return true;
	case NODE_OR:
		for (c = n->child; c != NULL; c = c->next)
			if (eval_holds(e, c))
				return true;
		return false;
	case NODE_NOT:
		return !eval_holds(e, n->child);
	case NODE_LABEL:
		known = &e->label[n->label->index];
		if (*known == NOT_ASKED)
			*known = eval_holds(e, n->label->when) ? IS_TRUE : IS_FALSE;
		return (*known & IS_TRUE) != 0;
	case NODE_TEST:
		return eval_test(e, n);
	}
	return false;
}

/* Looks into what makes n what it is, `truth`, and into nothing else: an entry in a
 * part that did not decide is none.  A label is walked once. */
static void
find_entry(struct eval *e, const struct node *n, bool truth, struct listed *out)
{
	const struct node	*c;
	uint8_t			*known;

	switch (n->kind) {
	case NODE_AND:
	case NODE_OR:
		for (c = n->child; c != NULL; c = c->next)
			if ((n->kind == NODE_AND) == truth)
				find_entry(e, c, truth, out);
			else if (eval_holds(e, c) == truth) {
				find_entry(e, c, truth, out);
				break;
			}
		break;
	case NODE_NOT:
		find_entry(e, n->child, !truth, out);
		break;
	case NODE_LABEL:
		known = &e->label[n->label->index];
		eval_holds(e, n);
		if ((*known & SEARCHED) != 0)
			break;
		*known |= SEARCHED;
		find_entry(e, n->label->when, truth, out);
		break;
	case NODE_TEST:
		e->found.entry = NULL;
		if (truth && eval_test(e, n) && e->found.entry != NULL)
			*out = e->found;
		break;
	}
}

bool
eval_listed(struct eval *e, const struct node *n, struct listed *out)
{
	out->entry = NULL;
	if (n != NULL && eval_holds(e, n))
		find_entry(e, n, true, out);
	return out->entry != NULL;
}

void
eval_start(struct eval *e, const struct policy *p, const struct facts *f)
{
	e->p = p;
	e->f = f;
	e->age = age_of(f, f->answer->checked);
	e->family = -1;
	e->trust = NOT_ASKED;
	e->found.entry = NULL;
	memset(e->label, NOT_ASKED, p->nlabels);
}
