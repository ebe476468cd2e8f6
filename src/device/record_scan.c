#include <stdint.h>
#include <string.h>

#include "base/scan.h"
#include "base/when.h"
#include "device/record_scan.h"
#include "device/words.h"

#define DEPTH	16	/* of objects and arrays */
#define KEYS	48	/* of one object */
#define SHORT	64	/* a time, a MAC address, a GUID, a word */

enum kind { KIND_TEXT, KIND_BOOL, KIND_TIME, KIND_MAC, KIND_GUID, KIND_WORD, KIND_SPECIAL };

/* A member of an object and where it goes.  A special one has its own reader. */
struct member {
	const char	*key;
	enum kind	 kind;
	size_t		 at, size;	/* in the struct; of the text */
	size_t		 has;		/* KIND_MAC, KIND_GUID: where the flag is */
	const char	*(*word)(int);
	int		 words;
	bool		(*special)(struct scan *, void *);
};

#define TEXT(st, k)	{ #k, KIND_TEXT, offsetof(struct st, k), sizeof(((struct st *)0)->k), 0, NULL, 0, NULL }
#define TIME(st, k)	{ #k, KIND_TIME, offsetof(struct st, k), 0, 0, NULL, 0, NULL }
#define BOOL(st, k)	{ #k, KIND_BOOL, offsetof(struct st, k), 0, 0, NULL, 0, NULL }
#define HAS(st, k, d)	{ #k, d, offsetof(struct st, k), 0, offsetof(struct st, has_##k), NULL, 0, NULL }
#define WORD(st, k, f, n) { #k, KIND_WORD, offsetof(struct st, k), 0, 0, f, n, NULL }
#define SPECIAL(k, f)	{ k, KIND_SPECIAL, 0, 0, 0, NULL, 0, f }
#define END		{ NULL, KIND_TEXT, 0, 0, 0, NULL, 0, NULL }

static bool	 skip(struct scan *);

/* Goes through an object; one() reads the value of each key.  Two keys that might
 * be the same are jansson's to refuse. */
static bool
object(struct scan *c, bool (*one)(struct scan *, const struct str *, void *), void *arg)
{
	struct str	 key[KEYS];
	size_t		 n, i;

	if (!scan_eat(c, '{') || ++c->depth > DEPTH)
		return false;
	for (n = 0; !scan_eat(c, '}'); n++) {
		if (n == KEYS || (n > 0 && !scan_eat(c, ',')) || !scan_string(c, &key[n]) ||
		    !scan_eat(c, ':'))
			return false;
		for (i = 0; i < n; i++)
			if (key[i].len == key[n].len &&
			    memcmp(key[i].s, key[n].s, key[n].len) == 0)
				return false;
		if (!one(c, &key[n], arg))
			return false;
	}
	c->depth--;
	return true;
}

static bool
array(struct scan *c, bool (*one)(struct scan *, void *), void *arg, size_t max)
{
	size_t	 n;

	if (!scan_eat(c, '[') || ++c->depth > DEPTH)
		return false;
	for (n = 0; !scan_eat(c, ']'); n++)
		if (n == max || (n > 0 && !scan_eat(c, ',')) || !one(c, arg))
			return false;
	c->depth--;
	return true;
}

static bool
skip_member(struct scan *c, const struct str *key, void *arg)
{
	(void)key;
	(void)arg;
	return skip(c);
}

static bool
skip_element(struct scan *c, void *arg)
{
	(void)arg;
	return skip(c);
}

/* Any value. */
static bool
skip(struct scan *c)
{
	struct str	 s;

	if (c->p == c->end)
		return false;
	switch (*c->p) {
	case '"':
		return scan_string(c, &s);
	case '{':
		return object(c, skip_member, NULL);
	case '[':
		return array(c, skip_element, NULL, SIZE_MAX);
	case 't':
		return scan_literal(c, "true");
	case 'f':
		return scan_literal(c, "false");
	case 'n':
		return scan_literal(c, "null");
	default:
		return scan_number(c);
	}
}

static bool
copy(char *dst, size_t size, const struct str *s)
{
	if (s->len >= size)
		return false;
	memcpy(dst, s->s, s->len);
	dst[s->len] = '\0';
	return true;
}

static bool
word(const struct str *s, const char *(*name)(int), int n, int *out)
{
	int	 i;

	for (i = 0; i < n; i++)
		if (scan_is(s, name(i))) {
			*out = i;
			return true;
		}
	return false;
}

static bool
boolean(struct scan *c, bool *out)
{
	if (scan_literal(c, "true"))
		*out = true;
	else if (scan_literal(c, "false"))
		*out = false;
	else
		return false;
	return true;
}

/* Reads the value of a member that m describes into the struct at base. */
static bool
member(struct scan *c, const struct member *m, char *base)
{
	struct str	 s;
	char		 text[SHORT];
	bool		 flag;
	int		 n;

	if (m->kind == KIND_SPECIAL)
		return m->special(c, base);
	if (m->kind == KIND_BOOL) {
		if (!boolean(c, &flag))
			return false;
		memcpy(base + m->at, &flag, sizeof(flag));
		return true;
	}
	if (!scan_string(c, &s))
		return false;
	if (m->kind == KIND_TEXT)
		return copy(base + m->at, m->size, &s);
	if (m->kind == KIND_WORD) {
		if (!word(&s, m->word, m->words, &n))
			return false;
		memcpy(base + m->at, &n, sizeof(n));
		return true;
	}
	if (!copy(text, sizeof(text), &s))
		return false;
	if (m->kind == KIND_TIME)
		return when_parse(text, (int64_t *)(void *)(base + m->at));
	flag = true;
	memcpy(base + m->has, &flag, sizeof(flag));
	if (m->kind == KIND_MAC)
		return mac_parse(text, (uint8_t *)base + m->at);
	return guid_parse(text, (struct guid *)(void *)(base + m->at));
}

/* What is being filled, and the member after the last one that was met: writers
 * keep to one order, so it is most often the next. */
struct fill {
	const struct member	*table, *next;
	char			*base;
};

static bool
fill_member(struct scan *c, const struct str *key, void *arg)
{
	struct fill		*f = arg;
	const struct member	*m;

	for (m = f->next; m->key != NULL; m++)
		if (scan_is(key, m->key))
			break;
	if (m->key == NULL)
		for (m = f->table; m->key != NULL; m++)
			if (scan_is(key, m->key))
				break;
	if (m->key == NULL)
		return skip(c);
	f->next = m + 1;
	return member(c, m, f->base);
}

static bool
fill(struct scan *c, const struct member *table, void *base)
{
	struct fill	 f = { table, table, base };

	return object(c, fill_member, &f);
}

/* One element of identity.guid or identity.name. */
struct candidate {
	int	 found;
	char	 form[sizeof(((struct identity_guid *)0)->form)];
	char	 value[IDENTITY_TEXT];
};

static const struct member	 candidate_table[] = {
	TEXT(candidate, value), WORD(candidate, found, found_word, FOUND_ARGUMENT + 1),
	TEXT(candidate, form), END
};

static bool
one_guid(struct scan *c, void *arg)
{
	struct candidate	 g;
	struct guid		 guid;

	g.found = 0;
	g.value[0] = g.form[0] = '\0';
	if (!fill(c, candidate_table, &g) || !guid_parse(g.value, &guid))
		return false;
	identity_add_guid(arg, &guid, (enum found)g.found, g.form);
	return true;
}

static bool
one_name(struct scan *c, void *arg)
{
	struct candidate	 g;

	g.found = 0;
	g.value[0] = g.form[0] = '\0';
	if (!fill(c, candidate_table, &g) || g.value[0] == '\0')
		return false;
	identity_add_name(arg, g.value, (enum found)g.found);
	return true;
}

static bool
guids(struct scan *c, void *arg)
{
	return array(c, one_guid, arg, IDENTITY_GUIDS);
}

static bool
names(struct scan *c, void *arg)
{
	return array(c, one_name, arg, IDENTITY_NAMES);
}

/* The record's own word goes beside what the list shows. */
static bool
ambiguous(struct scan *c, void *arg)
{
	bool	 v;

	return boolean(c, &v) && (!v || (((struct identity *)arg)->ambiguous = true));
}

static bool
one_uri(struct scan *c, void *arg)
{
	struct str	 s;

	if (!scan_string(c, &s))
		return false;
	identity_add_san(arg, FOUND_SAN_URI, s.s, s.len);
	return true;
}

static bool
one_dns(struct scan *c, void *arg)
{
	struct str	 s;

	if (!scan_string(c, &s))
		return false;
	identity_add_san(arg, FOUND_SAN_DNS, s.s, s.len);
	return true;
}

static bool
uris(struct scan *c, void *arg)
{
	return array(c, one_uri, arg, SIZE_MAX);
}

static bool
dnses(struct scan *c, void *arg)
{
	return array(c, one_dns, arg, SIZE_MAX);
}

static bool
one_group(struct scan *c, void *arg)
{
	struct str	 s;
	char		 text[SESSION_GROUP];

	if (!scan_string(c, &s) || !copy(text, sizeof(text), &s))
		return false;
	session_add_group(arg, text);
	return true;
}

static bool
groups(struct scan *c, void *arg)
{
	return array(c, one_group, arg, SIZE_MAX);
}

/* A secret is to be compared and taken out, which is not done here. */
static bool
refuse(struct scan *c, void *arg)
{
	(void)c;
	(void)arg;
	return false;
}

static bool
state(struct scan *c, void *arg)
{
	struct str	 s;
	char		 text[SHORT];

	return scan_string(c, &s) && copy(text, sizeof(text), &s) &&
	    compliance_parse(text, &((struct answer *)arg)->state);
}

static const struct member	 asked_table[] = {
	WORD(asked, by, match_word, MATCH_COUNT), TEXT(asked, value), BOOL(asked, listed), END
};

static bool
one_asked(struct scan *c, void *arg)
{
	struct answer	*a = arg;
	struct asked	*q = &a->asked[a->nasked];

	if (!fill(c, asked_table, q) || q->by == MATCH_NONE || q->value[0] == '\0')
		return false;
	a->nasked++;
	return true;
}

static bool
asked(struct scan *c, void *arg)
{
	return array(c, one_asked, arg, ANSWER_ASKED);
}

/* That the directory was asked is a fact of its own. */
static bool
account(struct scan *c, void *arg)
{
	struct device	*d = arg;

	return d->has_account = boolean(c, &d->account_enabled);
}

static const struct member	 device_table[] = {
	HAS(device, id, KIND_GUID), HAS(device, entra_id, KIND_GUID), TEXT(device, name),
	TEXT(device, serial), HAS(device, wifi_mac, KIND_MAC),
	HAS(device, ethernet_mac, KIND_MAC), TEXT(device, os), TEXT(device, os_version),
	TEXT(device, owner), TEXT(device, user), TEXT(device, model), TEXT(device, manufacturer),
	TEXT(device, management_state), TEXT(device, jailbroken), BOOL(device, encrypted),
	SPECIAL("account_enabled", account),
	TIME(device, last_sync), TIME(device, enrolled), TIME(device, grace_until), END
};

static bool
device(struct scan *c, void *arg)
{
	struct answer	*a = arg;

	a->has_device = true;
	return fill(c, device_table, &a->device);
}

static const struct member	 identity_table[] = {
	SPECIAL("guid", guids), SPECIAL("name", names), SPECIAL("ambiguous", ambiguous),
	HAS(identity, mac, KIND_MAC), SPECIAL("san_uri", uris), SPECIAL("san_dns", dnses),
	TEXT(identity, device_serial), TEXT(identity, template), TEXT(identity, upn), TEXT(identity, sid),
	TEXT(identity, subject), TEXT(identity, issuer), TEXT(identity, serial),
	TEXT(identity, sha256), TIME(identity, not_before), TIME(identity, not_after),
	WORD(identity, eap, eap_word, EAP_OTHER + 1), END
};
static const struct member	 session_table[] = {
	TIME(session, seen), WORD(session, medium, medium_word, MEDIUM_VPN + 1),
	BOOL(session, ended), TEXT(session, user), TEXT(session, inner_user),
	TEXT(session, realm), TEXT(session, nas_ip), TEXT(session, nas_id), TEXT(session, nas_port), TEXT(session, nas_port_id),
	TEXT(session, nas_port_type), TEXT(session, acct_session_id),
	TEXT(session, acct_multi_session_id), TEXT(session, calling), TEXT(session, called),
	TEXT(session, ssid), TEXT(session, framed_ip), TEXT(session, cui),
	TEXT(session, audit_session_id), TEXT(session, vendor), SPECIAL("groups", groups),
	TIME(session, start), TIME(session, mfa), WORD(session, hint, hint_word, HINT_BAD + 1),
	SPECIAL("app_hint", refuse), END
};
static const struct member	 answer_table[] = {
	SPECIAL("state", state), WORD(answer, matched_by, match_word, MATCH_COUNT),
	WORD(answer, id_space, space_word, ID_SPACE_ENTRA + 1),
	WORD(answer, source, source_word, SOURCE_CACHE + 1), TIME(answer, checked),
	TEXT(answer, tenant),
	SPECIAL("asked", asked), SPECIAL("device", device), END
};

struct top {
	const char		*line;
	struct identity		*id;
	struct session		*s;
	struct answer		*a;
	struct record_gap	*gap;
};

static bool
top_member(struct scan *c, const struct str *key, void *arg)
{
	struct top	*t = arg;

	if (scan_is(key, "identity"))
		return fill(c, identity_table, t->id);
	if (scan_is(key, "session"))
		return fill(c, session_table, t->s);
	if (scan_is(key, "compliance"))
		return fill(c, answer_table, t->a);
	if (!scan_is(key, "decision"))
		return skip(c);
	t->gap->begin = (size_t)(key->s - 1 - t->line);
	if (!skip(c))
		return false;
	t->gap->end = (size_t)(c->p - t->line);
	return true;
}

bool
record_scan(const char *line, size_t len, struct identity *id, struct session *s,
    struct answer *a, struct record_gap *gap)
{
	struct scan	 c = { line, line + len, 0 };
	struct top	 t = { line, id, s, a, gap };

	memset(id, 0, sizeof(*id));
	memset(s, 0, sizeof(*s));
	memset(a, 0, sizeof(*a));
	memset(gap, 0, sizeof(*gap));
	if (len > 0 && line[len - 1] == '\r')
		return false;
	if (!object(&c, top_member, &t) || c.p != c.end)
		return false;
	if (gap->end == 0) {
		gap->begin = gap->end = len - 1;
		gap->comma = len > 2;
	}
	return true;
}
