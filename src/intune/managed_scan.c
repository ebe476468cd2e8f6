/* A managedDevice straight out of the text of a page. */
#include <string.h>

#include "base/scan.h"
#include "base/text.h"
#include "base/when.h"
#include "intune/managed.h"

#define OTHERS	48	/* properties that are not ours: what $select is there to spare us */

enum kind { KIND_GUID, KIND_TEXT, KIND_MAC, KIND_TIME, KIND_STATE, KIND_BOOL };

struct property {
	const char	*name;
	size_t		 len;
	enum kind	 kind;
	size_t		 at, size;	/* in struct managed; of a text */
	size_t		 has;		/* GUID, MAC: where the flag is */
};

#define AT(f)		offsetof(struct managed, f)
#define NAMED(n, k)	n, sizeof(n) - 1, k
#define TEXT(n, f)	{ NAMED(n, KIND_TEXT), AT(device.f), sizeof(((struct device *)0)->f), 0 }
#define HAS(n, k, f)	{ NAMED(n, k), AT(device.f), 0, AT(device.has_##f) }
#define TIME(n, f)	{ NAMED(n, KIND_TIME), AT(device.f), 0, 0 }

static const struct property	 properties[] = {
	HAS("id", KIND_GUID, id), HAS("azureADDeviceId", KIND_GUID, entra_id),
	TEXT("deviceName", name), TEXT("serialNumber", serial), TEXT("operatingSystem", os),
	TEXT("osVersion", os_version),
	{ NAMED("complianceState", KIND_STATE), AT(state), 0, 0 },
	TIME("complianceGracePeriodExpirationDateTime", grace_until),
	TEXT("managementState", management_state), TEXT("managedDeviceOwnerType", owner),
	TEXT("userPrincipalName", user), TEXT("model", model),
	TEXT("manufacturer", manufacturer), TEXT("jailBroken", jailbroken),
	{ NAMED("isEncrypted", KIND_BOOL), AT(device.encrypted), 0, 0 },
	TIME("lastSyncDateTime", last_sync), TIME("enrolledDateTime", enrolled),
	HAS("wiFiMacAddress", KIND_MAC, wifi_mac),
	HAS("ethernetMacAddress", KIND_MAC, ethernet_mac),
};
#define PROPERTIES	(sizeof(properties) / sizeof(properties[0]))

_Static_assert(PROPERTIES <= MANAGED_GUESSES, "one guess for each property");

/* One device on its way in. */
struct reader {
	struct scan		 c;
	struct managed_guess	*guess;
	struct managed		*out;
	unsigned long		 seen;		/* which properties, a bit for each, */
	struct str		 other[OTHERS];	/* and the names of the rest */
	size_t			 n, others;
};

/* Which property begins here, at its name's quote: most often the one that stood at
 * this place in the device before. */
static const struct property *
guessed(struct reader *r)
{
	const struct property	*p = &properties[r->guess->property[r->n]];
	struct scan		*c = &r->c;

	if ((size_t)(c->end - c->p) < p->len + 2 || c->p[0] != '"' || c->p[p->len + 1] != '"' ||
	    memcmp(c->p + 1, p->name, p->len) != 0)
		return NULL;
	c->p += p->len + 2;
	return p;
}

static const struct property *
find(const struct str *name)
{
	size_t	 i;

	for (i = 0; i < PROPERTIES; i++)
		if (name->len == properties[i].len &&
		    memcmp(name->s, properties[i].name, name->len) == 0)
			return &properties[i];
	return NULL;
}

/* Text as it is in the string; UTF-8, but no escapes. */
static bool
text(struct scan *c, struct str *out)
{
	const char	*p;
	size_t		 n;

	if (!scan_eat(c, '"'))
		return false;
	p = scan_plain(c->p, c->end);
	while (p < c->end && (*p & 0x80) != 0) {
		n = text_utf8_len((const unsigned char *)p, (size_t)(c->end - p));
		if (n == 0)
			return false;
		p = scan_plain(p + n, c->end);
	}
	if (p == c->end || *p != '"')
		return false;
	out->s = c->p;
	out->len = (size_t)(p - c->p);
	c->p = p + 1;
	return true;
}

/* A value that nobody wants.  One that goes deeper is the library's to see through. */
static bool
pass_over(struct scan *c)
{
	struct str	 s;

	if (c->p == c->end)
		return false;
	switch (*c->p) {
	case '"':
		return text(c, &s);
	case 't':
		return scan_literal(c, "true");
	case 'f':
		return scan_literal(c, "false");
	case 'n':
		return scan_literal(c, "null");
	case '[':
		return scan_literal(c, "[]");
	case '{':
		return scan_literal(c, "{}");
	default:
		return scan_number(c);
	}
}

static bool
take_guid(const struct str *s, struct guid *id, bool *has)
{
	if (s->len != GUID_TEXT - 1 || !guid_scan(s->s, s->len, id))
		return false;
	*has = !guid_is_zero(id);
	return true;
}

static bool
take_state(const struct str *s, enum compliance *out)
{
	static const struct {
		const char		*word;
		enum compliance		 state;
	} states[] = {
		{ "compliant", COMPLIANCE_COMPLIANT },
		{ "noncompliant", COMPLIANCE_NONCOMPLIANT },
		{ "inGracePeriod", COMPLIANCE_GRACE }, { "unknown", COMPLIANCE_UNKNOWN },
		{ "configManager", COMPLIANCE_CONFIGMANAGER },
		{ "conflict", COMPLIANCE_CONFLICT }, { "error", COMPLIANCE_ERROR },
	};
	size_t	 i;

	for (i = 0; i < sizeof(states) / sizeof(states[0]); i++)
		if (scan_is(s, states[i].word)) {
			*out = states[i].state;
			return true;
		}
	return false;
}

/* The value of a property of ours into its place.  False for whatever managed_parse()
 * would not take, leaves out or has a word for. */
static bool
value(struct reader *r, const struct property *p)
{
	char		*base = (char *)r->out + p->at;
	bool		*has = (bool *)(void *)((char *)r->out + p->has);
	struct str	 s;

	if (r->c.p < r->c.end && *r->c.p == 'n')
		return scan_literal(&r->c, "null");
	if (p->kind == KIND_BOOL) {
		*(bool *)(void *)base = r->c.p < r->c.end && *r->c.p == 't';
		return scan_literal(&r->c, *(bool *)(void *)base ? "true" : "false");
	}
	if (!text(&r->c, &s))
		return false;
	if (s.len == 0)
		return true;
	switch (p->kind) {
	case KIND_TEXT:
		if (s.len >= p->size)
			return false;
		memcpy(base, s.s, s.len);
		return true;
	case KIND_GUID:
		return take_guid(&s, (struct guid *)(void *)base, has);
	case KIND_MAC:
		if (mac_scan(s.s, (uint8_t *)base) != s.len)
			return false;
		*has = mac_is_station((const uint8_t *)base);
		return true;
	case KIND_TIME:
		return when_scan(s.s, s.len, (int64_t *)(void *)base);
	default:
		return take_state(&s, (enum compliance *)(void *)base);
	}
}

/* Two names that are or may be the same are jansson's to refuse. */
static bool
member(struct reader *r)
{
	const struct property	*p;
	struct str		 name;
	unsigned long		 bit;
	size_t			 i;

	if ((p = guessed(r)) == NULL) {
		if (!scan_string(&r->c, &name))
			return false;
		p = find(&name);
	}
	scan_blanks(&r->c);
	if (!scan_eat(&r->c, ':'))
		return false;
	scan_blanks(&r->c);
	if (p != NULL) {
		bit = 1UL << (p - properties);
		if ((r->seen & bit) != 0)
			return false;
		r->seen |= bit;
		r->guess->property[r->n] = (unsigned char)(p - properties);
		r->n += r->n < MANAGED_GUESSES - 1;
		return value(r, p);
	}
	for (i = 0; i < r->others; i++)
		if (name.len == r->other[i].len &&
		    memcmp(name.s, r->other[i].s, name.len) == 0)
			return false;
	if (r->others == OTHERS)
		return false;
	r->other[r->others++] = name;
	return pass_over(&r->c);
}

size_t
managed_scan(const char *json, size_t len, struct managed_guess *guess, struct managed *out)
{
	struct reader	 r;

	r.c = (struct scan){ json, json + len, 0 };
	r.guess = guess;
	r.out = out;
	r.seen = 0;
	r.n = r.others = 0;
	memset(out, 0, sizeof(*out));
	if (!scan_eat(&r.c, '{'))
		return 0;
	do {
		scan_blanks(&r.c);
		if (!member(&r))
			return 0;
		scan_blanks(&r.c);
	} while (scan_eat(&r.c, ','));
	if (!scan_eat(&r.c, '}') || !out->device.has_id || out->state == COMPLIANCE_PENDING)
		return 0;
	return (size_t)(r.c.p - json);
}
