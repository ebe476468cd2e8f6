/* A managedDevice straight out of the text of a page. */
#include <string.h>

#include "base/scan.h"
#include "base/text.h"
#include "base/when.h"
#include "intune/managed.h"

#define OTHERS	48	/* properties that are not ours: what $select is there to spare us */

enum kind { KIND_GUID, KIND_TEXT, KIND_MAC, KIND_TIME, KIND_STATE, KIND_BOOL };

struct property {
	const char	*name;		/* in quotes and with its colon */
	size_t		 len;
	enum kind	 kind;
	size_t		 at, size;	/* in struct managed; of a text */
	size_t		 has;		/* GUID, MAC: where the flag is */
};

#define AT(f)		offsetof(struct managed, f)
#define NAMED(n, k)	"\"" n "\":", sizeof(n) + 2, k
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

_Static_assert(PROPERTIES < MANAGED_GUESSES, "one guess for each property and one behind");

/* One device on its way in.  Where it is in the text stays out of here, and in a
 * register: each of those below takes it, and gives the place behind or NULL. */
struct reader {
	const char		*end;
	struct managed_guess	*guess;
	struct managed		*out;
	unsigned long		 seen;		/* which properties, a bit for each, */
	struct str		 other[OTHERS];	/* and the names of the rest */
	size_t			 n, others;
};

static inline const char *
blanks(const struct reader *r, const char *p)
{
	while (p < r->end && scan_is_blank(*p))
		p++;
	return p;
}

/* A property by its name, in quotes: most often the one that stood at this place in the
 * device before.  Which one, or PROPERTIES. */
static inline size_t
guessed(const struct reader *r, const char *p)
{
	size_t			 i = r->guess->property[r->n];
	const struct property	*t = &properties[i];

	return (size_t)(r->end - p) >= t->len && scan_same(p, t->name, t->len) ? i : PROPERTIES;
}

static size_t
find(const struct str *name)
{
	size_t	 i;

	for (i = 0; i < PROPERTIES; i++)
		if (name->len + 3 == properties[i].len &&
		    memcmp(name->s, properties[i].name + 1, name->len) == 0)
			break;
	return i;
}

/* Text as it is in the string; UTF-8, but no escapes. */
static inline __attribute__((always_inline)) const char *
text(const struct reader *r, const char *p, struct str *out)
{
	const char	*end = r->end;
	size_t		 n;

	if (p == end || *p != '"')
		return NULL;
	out->s = p + 1;
	p = scan_plain(p + 1, end);
	while (p < end && (*p & 0x80) != 0) {
		n = text_utf8_len((const unsigned char *)p, (size_t)(end - p));
		if (n == 0)
			return NULL;
		p = scan_plain(p + n, end);
	}
	if (p == end || *p != '"')
		return NULL;
	out->len = (size_t)(p - out->s);
	return p + 1;
}

static inline const char *
literal(const struct reader *r, const char *p, const char *word)
{
	struct scan	 c = { p, r->end, 0 };

	return scan_literal(&c, word) ? c.p : NULL;
}

/* A value that nobody wants.  One that goes deeper is the library's to see through. */
static const char *
pass_over(const struct reader *r, const char *p)
{
	struct scan	 c = { p, r->end, 0 };
	struct str	 s;

	if (p == r->end)
		return NULL;
	switch (*p) {
	case '"':
		return text(r, p, &s);
	case 't':
		return literal(r, p, "true");
	case 'f':
		return literal(r, p, "false");
	case 'n':
		return literal(r, p, "null");
	case '[':
		return literal(r, p, "[]");
	case '{':
		return literal(r, p, "{}");
	default:
		return scan_number(&c) ? c.p : NULL;
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

/* The text of a property into its place. */
static inline bool
take(struct reader *r, const struct property *t, const struct str *s)
{
	char	*base = (char *)r->out + t->at;
	bool	*has = (bool *)(void *)((char *)r->out + t->has);

	switch (t->kind) {
	case KIND_TEXT:
		if (s->len >= t->size)
			return false;
		scan_copy(base, s->s, s->len);
		return true;
	case KIND_GUID:
		return take_guid(s, (struct guid *)(void *)base, has);
	case KIND_MAC:
		if (mac_scan(s->s, (uint8_t *)base) != s->len)
			return false;
		*has = mac_is_station((const uint8_t *)base);
		return true;
	case KIND_TIME:
		return when_scan(s->s, s->len, (int64_t *)(void *)base);
	default:
		return take_state(s, (enum compliance *)(void *)base);
	}
}

/* The value of a property of ours.  NULL for whatever managed_parse() would not take,
 * leaves out or has a word for. */
static inline const char *
value(struct reader *r, const struct property *t, const char *p)
{
	struct str	 s;
	bool		 yes;

	if (p == r->end)
		return NULL;
	if (*p == 'n')
		return literal(r, p, "null");
	if (t->kind == KIND_BOOL) {
		yes = *p == 't';
		*(bool *)(void *)((char *)r->out + t->at) = yes;
		return literal(r, p, yes ? "true" : "false");
	}
	if ((p = text(r, p, &s)) == NULL || (s.len > 0 && !take(r, t, &s)))
		return NULL;
	return p;
}

/* The value of the property with that number, which may come once. */
static inline const char *
known(struct reader *r, size_t i, const char *p)
{
	unsigned long	 bit = 1UL << i;

	if ((r->seen & bit) != 0)
		return NULL;
	r->seen |= bit;
	/* PROPERTIES at most, for none comes twice. */
	r->n++;
	return value(r, &properties[i], p);
}

/* A member that is none of ours, behind its name.  Two names that are or may be the
 * same are jansson's to refuse. */
static const char *
other(struct reader *r, const struct str *name, const char *p)
{
	size_t	 i;

	for (i = 0; i < r->others; i++)
		if (name->len == r->other[i].len &&
		    memcmp(name->s, r->other[i].s, name->len) == 0)
			return NULL;
	if (r->others == OTHERS)
		return NULL;
	r->other[r->others++] = *name;
	return pass_over(r, p);
}

/* A member whose name is not where it was, or not written as we would. */
static const char *
unexpected(struct reader *r, const char *p)
{
	struct scan	 c = { blanks(r, p), r->end, 0 };
	struct str	 name;
	size_t		 i;

	if (!scan_string(&c, &name))
		return NULL;
	scan_blanks(&c);
	if (!scan_eat(&c, ':'))
		return NULL;
	p = blanks(r, c.p);
	if ((i = find(&name)) == PROPERTIES)
		return other(r, &name, p);
	r->guess->property[r->n] = (unsigned char)i;
	return known(r, i, p);
}

static inline const char *
member(struct reader *r, const char *p)
{
	size_t	 i = guessed(r, p);

	if (i == PROPERTIES)
		return unexpected(r, p);
	return known(r, i, blanks(r, p + properties[i].len));
}

size_t
managed_scan(const char *json, size_t len, struct managed_guess *guess, struct managed *out)
{
	struct reader	 r;
	const char	*p = json;

	r.end = json + len;
	r.guess = guess;
	r.out = out;
	r.seen = 0;
	r.n = r.others = 0;
	memset(out, 0, sizeof(*out));
	if (len == 0 || *p != '{')
		return 0;
	do {
		if ((p = member(&r, p + 1)) == NULL)
			return 0;
		p = blanks(&r, p);
	} while (p < r.end && *p == ',');
	if (p == r.end || *p != '}' || !out->device.has_id || out->state == COMPLIANCE_PENDING)
		return 0;
	return (size_t)(p + 1 - json);
}
