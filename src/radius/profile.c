#include <arpa/inet.h>

#include <err.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sysexits.h>

#include "base/num.h"
#include "base/text.h"
#include "radius/lines.h"
#include "radius/profile.h"

/* The fields of a session, and of a change, that an attribute can be made of. */
static const struct field {
	const char	*name;		/* as in nac-record(5) */
	const char	*attribute;	/* the one that it is, or NULL */
	size_t		 offset;
	bool		 client;	/* tells one client from the others */
	bool		 change;	/* of struct change */
} fields[] = {
#define FIELD(f, attribute, client) { #f, attribute, offsetof(struct session, f), client, false }
#define CHANGE(f) { #f, NULL, offsetof(struct change, f), false, true }
	FIELD(user, "User-Name", false),
	FIELD(nas_ip, "NAS-IP-Address", false),
	FIELD(nas_ip, "NAS-IPv6-Address", false),
	FIELD(nas_id, "NAS-Identifier", false),
	FIELD(nas_port, "NAS-Port", false),
	/* On Wi-Fi this is the radio or the SSID: shared by many. */
	FIELD(nas_port_id, "NAS-Port-Id", false),
	FIELD(acct_session_id, "Acct-Session-Id", true),
	FIELD(acct_multi_session_id, "Acct-Multi-Session-Id", true),
	FIELD(calling, "Calling-Station-Id", true),
	FIELD(called, "Called-Station-Id", false),
	FIELD(framed_ip, "Framed-IP-Address", true),
	FIELD(cui, "Chargeable-User-Identity", false),
	FIELD(audit_session_id, NULL, true),
	FIELD(ssid, NULL, false),
	CHANGE(vlan),
	CHANGE(role),
	CHANGE(redirect),
#undef FIELD
#undef CHANGE
};

#define NFIELDS	(sizeof(fields) / sizeof(fields[0]))

static const char *const actions[ACTION_COUNT] = {
	"reauth", "disconnect", "bounce", "vlan", "role", "redirect"
};

static const char *const mac_forms[] = {
	[MAC_COLON] = "colon",
	[MAC_HYPHEN] = "hyphen",
	[MAC_HYPHEN_LOWER] = "hyphen-lower",
	[MAC_COLON_UPPER] = "colon-upper",
	[MAC_BARE] = "bare",
	[MAC_BARE_UPPER] = "bare-upper",
	[MAC_DOTTED] = "dotted",
};

#define NFORMS	(sizeof(mac_forms) / sizeof(mac_forms[0]))

/* What is known while a profile is being read. */
struct reading {
	struct lines		 l;
	const struct dict	*dict;
	struct profile		*p;
	uint8_t			 code;		/* of actions that do not say */
	int			 action;	/* whose attributes follow, or -1 */
	unsigned		 seen;		/* keywords, one bit each */
};

const char *
action_name(enum action action)
{
	return actions[action];
}

bool
action_parse(const char *text, enum action *out)
{
	int	 i;

	for (i = 0; i < ACTION_COUNT; i++)
		if (strcmp(actions[i], text) == 0) {
			*out = (enum action)i;
			return true;
		}
	return false;
}

static const struct field *
find_field(const char *name, size_t len)
{
	size_t	 i;

	for (i = 0; i < NFIELDS; i++)
		if (strlen(fields[i].name) == len && memcmp(fields[i].name, name, len) == 0)
			return &fields[i];
	return NULL;
}

/*
 * The next piece of a template at *s: a %{field} (then *f is set) or plain text
 * (then it is NULL).  Returns its length and moves *s behind it; 0 at the end;
 * -1 when a %{...} names no field.
 */
static int
piece(const char **s, const char **start, const struct field **f)
{
	const char	*end;

	*start = *s;
	*f = NULL;
	if (strncmp(*s, "%{", 2) == 0) {
		if ((end = strchr(*s, '}')) == NULL ||
		    (*f = find_field(*s + 2, (size_t)(end - *s) - 2)) == NULL)
			return -1;
		*s = end + 1;
	} else {
		end = strstr(*s, "%{");
		*s = end != NULL ? end : *s + strlen(*s);
	}
	return (int)(*s - *start);
}

/* Whether a template has fields at all; false as well when it is wrong. */
static bool
is_template(const char *text)
{
	return strstr(text, "%{") != NULL;
}

static bool
template_good(const char *s)
{
	const struct field	*f;
	const char		*start;
	int			 n;

	while ((n = piece(&s, &start, &f)) > 0)
		;
	return n == 0;
}

/* The value of an item without one: the session's field that the attribute is. */
static bool
own_field(struct item *it)
{
	size_t	 i;

	for (i = 0; i < NFIELDS; i++)
		if (fields[i].attribute != NULL &&
		    strcasecmp(fields[i].attribute, it->name) == 0) {
			snprintf(it->value, sizeof(it->value), "%%{%s}", fields[i].name);
			return true;
		}
	return false;
}

/* Reads the value of an item and reports what is wrong with it. */
static void
read_value(struct reading *r, struct item *it, const struct word *w)
{
	const char	*why;
	struct attr	 attr;

	if (!text_copy(it->value, sizeof(it->value), w->text))
		lines_error(&r->l, w, "this value is too long");
	else if (!template_good(it->value))
		lines_wrong(&r->l, w, "a session has no such field:");
	else if (!is_template(it->value) &&
	    !dict_encode(r->dict, it->name, it->value, &attr, &why))
		lines_error(&r->l, w, "%s %s", it->name, why);
}

/* Adds `NAME [VALUE] [required]', words first.. of the line, to a list. */
static void
read_item(struct reading *r, struct items *list, size_t first)
{
	struct lines	*l = &r->l;
	const struct word *w = &l->word[first];
	struct item	*it = &list->item[list->n];
	size_t		 n = l->nword, before = l->errors;

	if (first >= n) {
		lines_error(l, NULL, "the name of an attribute is missing");
		return;
	}
	if (list->n == PROFILE_ITEMS) {
		lines_error(l, w, "more than %d attributes", PROFILE_ITEMS);
		return;
	}
	memset(it, 0, sizeof(*it));
	if (!dict_has(r->dict, w->text) || !text_copy(it->name, sizeof(it->name), w->text)) {
		lines_wrong(l, w, "the dictionary has no attribute");
		return;
	}
	if (n > first + 1 && !l->word[n - 1].quoted &&
	    strcmp(l->word[n - 1].text, "required") == 0) {
		it->required = true;
		n--;
	}
	if (n > first + 2) {
		lines_wrong(l, &l->word[first + 2], "unexpected");
		return;
	}
	if (n > first + 1)
		read_value(r, it, &l->word[first + 1]);
	else if (!own_field(it))
		lines_wrong(l, w, "a session has no such value; give one for");
	if (l->errors == before)
		list->n++;
}

static bool
read_code(struct reading *r, const struct word *w, uint8_t *out)
{
	if (strcmp(w->text, "coa") == 0)
		*out = COA_REQUEST;
	else if (strcmp(w->text, "disconnect") == 0)
		*out = DISCONNECT_REQUEST;
	else {
		lines_wrong(&r->l, w, "expected coa or disconnect, not");
		return false;
	}
	return true;
}

static void
read_bool(struct reading *r, const struct word *w, bool *out)
{
	*out = strcmp(w->text, "yes") == 0;
	if (!*out && strcmp(w->text, "no") != 0)
		lines_wrong(&r->l, w, "expected yes or no, not");
}

static void
read_mac(struct reading *r, const struct word *w)
{
	size_t	 i;

	r->p->as_received = strcmp(w->text, "as-received") == 0;
	for (i = 0; i < NFORMS && !r->p->as_received; i++)
		if (strcmp(w->text, mac_forms[i]) == 0) {
			r->p->mac = (enum mac_form)i;
			return;
		}
	if (!r->p->as_received)
		lines_wrong(&r->l, w, "no form of MAC address:");
}

/* What stands behind `action NAME': nothing, `code CODE' or `as ACTION'. */
static bool
read_how(struct reading *r, enum action action)
{
	struct lines	*l = &r->l;
	const struct word *w = &l->word[3];
	uint8_t		 code = r->code;
	enum action	 other;

	if (l->nword == 4 && strcmp(l->word[2].text, "as") == 0) {
		if (!action_parse(w->text, &other) || r->p->action[other].code == 0) {
			lines_wrong(l, w, "no action above has the name");
			return false;
		}
		r->p->action[action] = r->p->action[other];
		return true;
	}
	if (l->nword == 4 && !read_code(r, w, &code))
		return false;
	if (code == 0) {
		lines_error(l, NULL, "no code: write one here, or a code line above");
		return false;
	}
	r->p->action[action].code = code;
	return true;
}

/* action NAME [code CODE | as ACTION] */
static void
read_action(struct reading *r)
{
	struct lines	*l = &r->l;
	enum action	 action;

	r->action = -1;
	if (l->nword != 2 && (l->nword != 4 || (strcmp(l->word[2].text, "code") != 0 &&
	    strcmp(l->word[2].text, "as") != 0)))
		lines_error(l, NULL, "expected: action name [code coa|disconnect | as action]");
	else if (!action_parse(l->word[1].text, &action))
		lines_wrong(l, &l->word[1], "expected " ACTION_WORDS ", not");
	else if (r->p->action[action].code != 0)
		lines_wrong(l, &l->word[1], "given twice: action");
	/* What is as another action is as it is: nothing is added to it. */
	else if (read_how(r, action) && (l->nword == 2 || strcmp(l->word[2].text, "as") != 0))
		r->action = (int)action;
}

/* fallback ACTION, which may stand further down in the file */
static void
read_fallback(struct reading *r)
{
	struct lines	*l = &r->l;
	enum action	 other;

	if (r->action == -1)
		lines_error(l, NULL, "a fallback line belongs behind an action line");
	else if (l->nword != 2)
		lines_error(l, NULL, "expected: fallback action");
	else if (!action_parse(l->word[1].text, &other))
		lines_wrong(l, &l->word[1], "expected " ACTION_WORDS ", not");
	else if ((int)other == r->action)
		lines_wrong(l, &l->word[1], "an action is no fallback for itself:");
	else if (r->p->action[r->action].fallback != -1)
		lines_wrong(l, &l->word[1], "given twice: fallback");
	else
		r->p->action[r->action].fallback = (int)other;
}

/* The lines of a keyword and one word, each at most once in a file. */
static void
read_setting(struct reading *r)
{
	static const char *const words[] = {
		"code", "port", "mac", "message-authenticator", "event-timestamp",
		"session", "action", "attribute", "fallback"
	};
	struct lines	*l = &r->l;
	const struct word *w = &l->word[1];
	const char	*key = l->word[0].text, *why, *near;
	int64_t		 port;
	size_t		 i;

	for (i = 0; i < 5 && strcmp(key, words[i]) != 0; i++)
		;
	if (i == 5) {
		near = text_nearest(key, words, sizeof(words) / sizeof(words[0]));
		if (near != NULL)
			lines_error(l, &l->word[0], "unknown keyword (did you mean %s?)", near);
		else
			lines_wrong(l, &l->word[0], "unknown keyword");
	} else if (r->seen & 1u << i)
		lines_wrong(l, &l->word[0], "given twice:");
	else if (l->nword != 2)
		lines_error(l, &l->word[0], "%s takes one word", key);
	else if (i == 0)
		read_code(r, w, &r->code);
	else if (i == 1) {
		if (num_parse(w->text, 1, 65535, &port, &why))
			r->p->port = (uint16_t)port;
		else
			lines_wrong(l, w, "no port number:");
	} else if (i == 2)
		read_mac(r, w);
	else
		read_bool(r, w, i == 3 ? &r->p->message_authenticator :
		    &r->p->event_timestamp);
	if (i < 5)
		r->seen |= 1u << i;
}

static void
read_line(struct reading *r)
{
	const char	*key = r->l.word[0].text;

	if (strcmp(key, "session") == 0)
		read_item(r, &r->p->session, 1);
	else if (strcmp(key, "action") == 0)
		read_action(r);
	else if (strcmp(key, "fallback") == 0)
		read_fallback(r);
	else if (strcmp(key, "attribute") != 0)
		read_setting(r);
	else if (r->action == -1)
		lines_error(&r->l, NULL, "an attribute line belongs behind an action line");
	else
		read_item(r, &r->p->action[r->action].items, 1);
}

/* What can only be said of the whole file. */
static void
check_whole(struct reading *r)
{
	struct profile	*p = r->p;
	int		 i, other;

	if (p->session.n == 0)
		lines_error(&r->l, NULL, "no session line: the packet would name nobody");
	if (p->action[ACTION_REAUTH].code == 0)
		lines_error(&r->l, NULL, "no action reauth");
	for (i = 0; i < ACTION_COUNT; i++) {
		other = p->action[i].fallback;
		if (p->action[i].code != 0 && other != -1 && p->action[other].code == 0)
			lines_error(&r->l, NULL, "action %s falls back to %s, which is not there",
			    actions[i], actions[other]);
		/* RFC 5176, 3.6: nothing but names of the NAS and the session. */
		if (p->action[i].code == DISCONNECT_REQUEST && p->action[i].items.n > 0)
			lines_error(&r->l, NULL, "action %s is a disconnect, which takes no "
			    "attribute of its own", actions[i]);
	}
}

struct profile *
profile_parse(const char *file, const char *name, char *text, size_t len,
    const struct dict *dict, conf_report report, void *arg)
{
	struct reading	 r;
	int		 i;

	memset(&r, 0, sizeof(r));
	r.dict = dict;
	r.action = -1;
	if ((r.p = calloc(1, sizeof(*r.p))) == NULL)
		err(EX_OSERR, NULL);
	text_copy(r.p->name, sizeof(r.p->name), name);
	r.p->port = PROFILE_PORT;
	r.p->mac = MAC_HYPHEN;
	r.p->message_authenticator = true;
	r.p->event_timestamp = true;
	for (i = 0; i < ACTION_COUNT; i++)
		r.p->action[i].fallback = -1;
	lines_start(&r.l, file, text, len, report, arg);
	while (lines_next(&r.l))
		read_line(&r);
	if (r.l.errors == 0)
		check_whole(&r);
	if (r.l.errors == 0)
		return r.p;
	free(r.p);
	return NULL;
}

struct profile *
profile_load(const char *dir, const char *name, const struct dict *dict,
    conf_report report, void *arg)
{
	struct profile	*p = NULL;
	char		*path, *text;
	size_t		 len;

	if (asprintf(&path, "%s/%s.profile", dir, name) == -1)
		err(EX_OSERR, NULL);
	if ((text = lines_read(path, false, &len, report, arg)) != NULL)
		p = profile_parse(path, name, text, len, dict, report, arg);
	free(text);
	free(path);
	return p;
}

/* What a packet is made of. */
struct source {
	const struct profile	*p;
	const struct session	*s;
	const struct change	*change;	/* may be NULL */
	const struct dict	*dict;
	bool			 client;	/* a field said which client it is */
};

/* A field's text in the form this kind of NAS wants; "" when not known. */
static const char *
field_text(const struct source *src, const struct field *f, char mac_text[MAC_TEXT])
{
	const char	*text = (const char *)src->s + f->offset;
	uint8_t		 mac[MAC_LEN];

	if (f->change)
		return src->change == NULL ? "" : (const char *)src->change + f->offset;
	if (f->offset == offsetof(struct session, calling) && !src->p->as_received &&
	    mac_parse(text, mac))
		return mac_format(mac_text, mac, src->p->mac);
	return text;
}

/*
 * Expands an item.  Returns 1; 0 when a field is missing; -1 when the value is
 * too long.
 */
static int
expand(struct source *src, const struct item *it, char *out, size_t size)
{
	const struct field	*f;
	const char		*at = it->value, *start;
	char			 mac[MAC_TEXT];
	size_t			 o = 0, n;
	int			 len;
	bool			 names = false;

	while ((len = piece(&at, &start, &f)) > 0) {
		n = (size_t)len;
		if (f != NULL) {
			start = field_text(src, f, mac);
			if ((n = strlen(start)) == 0)
				return 0;
			names = names || f->client;
		}
		if (n >= size - o)
			return -1;
		memcpy(out + o, start, n);
		o += n;
	}
	out[o] = '\0';
	src->client = src->client || names;
	return 1;
}

/* An address of the other family is as good as missing: RFC 3162, 2.1. */
static bool
other_family(const char *name, const char *text)
{
	struct in6_addr	 any;

	if (strcasecmp(name, "NAS-IP-Address") == 0)
		return inet_pton(AF_INET6, text, &any) == 1;
	return strcasecmp(name, "NAS-IPv6-Address") == 0 &&
	    inet_pton(AF_INET, text, &any) == 1;
}

/* Fills a list; all of its items are needed when `required'. */
static bool
fill(struct source *src, const struct items *list, bool required, struct filled *out,
    size_t *n, char why[PROFILE_WHY])
{
	const struct item	*it;
	struct filled		*f;
	const char		*fault;
	size_t			 i;
	int			 got;

	for (i = 0; i < list->n; i++) {
		it = &list->item[i];
		f = &out[*n];
		f->name = it->name;
		got = expand(src, it, f->text, sizeof(f->text));
		if (got == 1 && other_family(it->name, f->text))
			got = 0;
		if (got == 0 && (required || it->required)) {
			snprintf(why, PROFILE_WHY,
			    "the %s has nothing for %s, which profile %s requires",
			    required ? "record" : "session", it->name, src->p->name);
			return false;
		}
		if (got == 0)
			continue;
		fault = "is too long for an attribute";
		if (got == -1 || !dict_encode(src->dict, it->name, f->text, &f->attr, &fault)) {
			snprintf(why, PROFILE_WHY, "the %s's value for %s %s",
			    required ? "record" : "session", it->name, fault);
			return false;
		}
		(*n)++;
	}
	return true;
}

bool
profile_fill(const struct profile *p, enum action action, const struct session *s,
    const struct change *change, const struct dict *dict, struct filled *out, size_t *n,
    char why[PROFILE_WHY])
{
	struct source	 src = { .p = p, .s = s, .change = change, .dict = dict };

	*n = 0;
	if (p->action[action].code == 0) {
		snprintf(why, PROFILE_WHY, "profile %s has no action %s", p->name,
		    actions[action]);
		return false;
	}
	if (!fill(&src, &p->session, false, out, n, why))
		return false;
	if (!src.client) {
		snprintf(why, PROFILE_WHY, "nothing in the session that profile %s sends "
		    "tells this client from others", p->name);
		return false;
	}
	return fill(&src, &p->action[action].items, true, out, n, why);
}

bool
profile_add_session_id(const struct session *s, const struct dict *dict,
    struct filled *out, size_t *n)
{
	static const char	 name[] = "Acct-Session-Id";
	struct filled		*f = &out[*n];
	const char		*why;
	size_t			 i;

	for (i = 0; i < *n; i++)
		if (strcasecmp(out[i].name, name) == 0)
			return false;
	if (s->acct_session_id[0] == '\0' || *n == PROFILE_FILLED ||
	    !dict_encode(dict, name, s->acct_session_id, &f->attr, &why))
		return false;
	f->name = name;
	text_copy(f->text, sizeof(f->text), s->acct_session_id);
	(*n)++;
	return true;
}

bool
profile_packet(const struct profile *p, enum action action, const struct filled *filled,
    size_t n, uint8_t id, int64_t now, struct packet *out)
{
	size_t	 i;

	packet_start(out, p->action[action].code, id, p->message_authenticator);
	for (i = 0; i < n; i++)
		packet_add(out, filled[i].attr.vendor, filled[i].attr.type,
		    filled[i].attr.value, filled[i].attr.len);
	if (p->event_timestamp)
		packet_add_u32(out, ATTR_EVENT_TIMESTAMP, (uint32_t)now);
	return !out->full;
}
