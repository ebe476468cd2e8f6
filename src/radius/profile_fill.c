#include <arpa/inet.h>

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/text.h"
#include "radius/profile.h"
#include "radius/profile_field.h"

/* What a packet is made of. */
struct source {
	const struct profile	*p;
	const struct session	*s;
	const struct change	*change;	/* may be NULL */
	const struct dict	*dict;
	enum field_names	 names;		/* the best that a field has told apart */
};

/* A field's text in the form this kind of NAS wants; "" when not known. */
static const char *
field_text(const struct source *src, const struct profile_field *f, char mac_text[MAC_TEXT])
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
expand(struct source *src, const struct item *it, struct filled *out)
{
	const struct profile_field	*f;
	const char		*at = it->value, *start;
	char			 mac[MAC_TEXT];
	size_t			 o = 0, n, size = sizeof(out->text);
	int			 len;
	enum field_names	 names = NAMES_NOTHING;

	while ((len = profile_piece(&at, &start, &f)) > 0) {
		n = (size_t)len;
		if (f != NULL) {
			start = field_text(src, f, mac);
			if ((n = strlen(start)) == 0)
				return 0;
			if (f->names > names)
				names = f->names;
		}
		if (n >= size - o)
			return -1;
		memcpy(out->text + o, start, n);
		o += n;
	}
	out->text[o] = '\0';
	out->names = names;
	if (names > src->names)
		src->names = names;
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

/* Fills a list, for this code of packet; all of its items are needed when
 * `required'. */
static bool
fill(struct source *src, const struct items *list, uint8_t code, bool required,
    struct filled *out, size_t *n, char why[PROFILE_WHY])
{
	const struct item	*it;
	struct filled		*f;
	const char		*fault;
	size_t			 i;
	int			 got;

	for (i = 0; i < list->n; i++) {
		it = &list->item[i];
		if (it->code != 0 && it->code != code)
			continue;
		f = &out[*n];
		f->name = it->name;
		got = expand(src, it, f);
		/* What is made of no field cannot be other than the NAS has it. */
		f->optional = got == 1 && !required && !it->required &&
		    f->names != NAMES_NAS && profile_is_template(it->value);
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
		    action_name(action));
		return false;
	}
	if (!fill(&src, &p->session, p->action[action].code, false, out, n, why))
		return false;
	if (src.names < NAMES_ADDRESS) {
		snprintf(why, PROFILE_WHY, "nothing in the session that profile %s sends "
		    "tells this client from others", p->name);
		return false;
	}
	return fill(&src, &p->action[action].items, 0, true, out, n, why);
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
	f->optional = false;
	f->names = NAMES_SESSION;
	text_copy(f->text, sizeof(f->text), s->acct_session_id);
	(*n)++;
	return true;
}

bool
profile_narrow(struct filled *filled, size_t *n)
{
	const struct filled	*kept = NULL;
	size_t			 i, o = 0, optional = 0;
	bool			 named = false;

	for (i = 0; i < *n; i++) {
		optional += filled[i].optional;
		if (!filled[i].optional)
			named = named || filled[i].names >= NAMES_ADDRESS;
		else if (filled[i].names >= NAMES_ADDRESS &&
		    (kept == NULL || filled[i].names > kept->names))
			kept = &filled[i];
	}
	if (named)
		kept = NULL;
	if (optional == (kept != NULL) || (!named && kept == NULL))
		return false;
	for (i = 0; i < *n; i++)
		if (!filled[i].optional || &filled[i] == kept)
			filled[o++] = filled[i];
	*n = o;
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
