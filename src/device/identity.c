#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/text.h"
#include "device/identity.h"

#define GUID_CHARS	(GUID_TEXT - 1)

/* KB5014754: the URI that carries a SID for strong mapping. */
#define SID_TAG		"tag:microsoft.com,2022-09-14:sid:"
#define SID_CHARS	184	/* S-1-, a 48-bit authority, 15 sub-authorities */

/* What device prefixes there are; all are read without regard to case. */
static const char *const prefixes[] = {
	"IntuneDeviceId://",				/* Microsoft's NAC guidance */
	"ID:Microsoft Endpoint Manager:GUID:",		/* Cisco ISE */
	"ID:Intune:GUID:",
};
#define ENTRA_MARK	":entra-device-id:"		/* behind a prefix of the site's own */

/* The GUIDs of one text, whatever kind of place each claims to come from. */
struct seen {
	struct guid	 first;
	bool		 any, many;
};

static bool
has_prefix(const char *s, size_t len, const char *prefix)
{
	size_t	 n = strlen(prefix);

	return len >= n && strncasecmp(s, prefix, n) == 0;
}

/* Lists a new GUID at the place its `found` gives it. */
static struct identity_guid *
put_guid(struct identity *id, const struct guid *g, enum found found)
{
	struct identity_guid	*at;
	size_t			 i = id->nguid;

	while (i > 0 && id->guid[i - 1].found > found)
		i--;
	if (id->nguid == IDENTITY_GUIDS) {
		id->ambiguous = true;
		if (i == IDENTITY_GUIDS)
			return NULL;
		id->nguid--;
	}
	at = &id->guid[i];
	memmove(at + 1, at, (id->nguid - i) * sizeof(*at));
	id->nguid++;
	at->guid = *g;
	at->found = found;
	return at;
}

void
identity_add_guid(struct identity *id, const struct guid *g, enum found found,
    const char *form)
{
	struct identity_guid	*at;
	unsigned int		 places = 1u << found;
	size_t			 i, same = SIZE_MAX;

	if (guid_is_zero(g))
		return;
	for (i = 0; i < id->nguid; i++) {
		if (guid_equal(&id->guid[i].guid, g))
			same = i;
		else if (id->guid[i].places & places)
			id->ambiguous = true;
	}
	if (same != SIZE_MAX) {
		at = &id->guid[same];
		if (at->found <= found) {
			at->places |= places;
			return;
		}
		/* Met again in a better place: there it is listed. */
		places |= at->places;
		id->nguid--;
		memmove(at, at + 1, (id->nguid - same) * sizeof(*at));
	}
	if ((at = put_guid(id, g, found)) != NULL) {
		at->places = places;
		text_copy(at->form, sizeof(at->form), form);
	}
}

/* The CN is where device names are by convention; SAN DNS comes after it. */
static int
name_rank(enum found found)
{
	return found == FOUND_CN ? -1 : (int)found;
}

void
identity_add_name(struct identity *id, const char *name, enum found found)
{
	struct identity_name	*at;
	struct guid		 g;
	size_t			 i, n;

	/* One that is cut would be another device's. */
	for (n = 0; name[n] != '\0'; n++)
		if (n + 1 == IDENTITY_TEXT || iscntrl((unsigned char)name[n]))
			return;
	if (n == 0 || guid_parse(name, &g))
		return;
	for (i = 0; i < id->nname; i++) {
		at = &id->name[i];
		if (strcasecmp(at->text, name) != 0)
			continue;
		if (name_rank(at->found) <= name_rank(found))
			return;
		id->nname--;
		memmove(at, at + 1, (id->nname - i) * sizeof(*at));
		break;
	}
	for (i = id->nname; i > 0 && name_rank(id->name[i - 1].found) > name_rank(found); i--)
		;
	if (i == IDENTITY_NAMES)
		return;
	if (id->nname == IDENTITY_NAMES)
		id->nname--;
	at = &id->name[i];
	memmove(at + 1, at, (id->nname - i) * sizeof(*at));
	id->nname++;
	at->found = found;
	text_copy(at->text, sizeof(at->text), name);
}

/*
 * Length of the first label of a host name with several, else 0.  Blanks, "@",
 * "*" and the like stand in no host name, and digits alone are an address.
 */
static size_t
first_label(const char *s)
{
	size_t	 i, first = 0, label = 0;
	bool	 letter = false;

	for (i = 0; s[i] != '\0'; i++) {
		if (s[i] == '.') {
			if (label == 0)
				return 0;
			if (first == 0)
				first = i;
			label = 0;
			continue;
		}
		/* Beyond ASCII may stand in a name of a Mac or a phone. */
		if (!isalnum((unsigned char)s[i]) && s[i] != '-' && s[i] != '_' &&
		    (unsigned char)s[i] < 0x80)
			return 0;
		letter |= !isdigit((unsigned char)s[i]);
		label++;
	}
	return letter ? first : 0;
}

void
identity_add_cn(struct identity *id, const char *cn, enum found found)
{
	struct guid	 g;
	char		 text[IDENTITY_TEXT], label[IDENTITY_TEXT];
	size_t		 n, len = strlen(cn);

	if (guid_parse(cn, &g)) {
		identity_add_guid(id, &g, found, "");
		return;
	}
	if (!text_copy(text, sizeof(text), cn))
		return;
	n = first_label(text);
	/* The dot of the root, which nobody writes but DNS. */
	if (n > 0 && text[len - 1] == '.')
		text[len - 1] = '\0';
	if (n > 0 && n < sizeof(label)) {
		memcpy(label, text, n);
		label[n] = '\0';
		identity_add_name(id, label, found);
	}
	identity_add_name(id, text, found);
}

/* A GUID that ends at a comma or with the text. */
static bool
guid_token(const char *s, size_t len, struct guid *g)
{
	return guid_scan(s, len, g) && (len == GUID_CHARS || s[GUID_CHARS] == ',');
}

/* Length of the prefix before a device's GUID in the token of len bytes at s;
 * false when it is no such token.  A bare GUID has a prefix of 0. */
static bool
device_token(const char *s, size_t len, size_t *skip, struct guid *g)
{
	const char	*mark;
	size_t		 i, n;

	for (i = 0; i < sizeof(prefixes) / sizeof(*prefixes); i++) {
		n = strlen(prefixes[i]);
		if (has_prefix(s, len, prefixes[i])) {
			*skip = n;
			return guid_token(s + n, len - n, g);
		}
	}
	*skip = 0;
	if (guid_token(s, len, g))
		return true;
	n = strlen(ENTRA_MARK);
	if (len < n + GUID_CHARS)
		return false;
	/* What stands before the mark is the site's; the mark is last. */
	mark = s + len - GUID_CHARS - n;
	*skip = len - GUID_CHARS;
	return has_prefix(mark, n, ENTRA_MARK) && guid_token(s + *skip, GUID_CHARS, g);
}

void
identity_add_sid(struct identity *id, const char *s, size_t len)
{
	size_t	 i;

	if (len < 5 || len > SID_CHARS || strncmp(s, "S-1-", 4) != 0 || id->sid[0] != '\0')
		return;
	for (i = 4; i < len; i++)
		if (!isdigit((unsigned char)s[i]) && s[i] != '-')
			return;
	memcpy(id->sid, s, len);
	id->sid[len] = '\0';
}

static void
saw(struct seen *seen, const struct guid *g)
{
	if (seen->any && !guid_equal(&seen->first, g))
		seen->many = true;
	seen->first = *g;
	seen->any = true;
}

static void
take_uri(struct identity *id, const char *uri, size_t len, struct seen *seen)
{
	const char	*comma;
	struct guid	 g;
	char		 form[sizeof(id->guid[0].form)];
	size_t		 n, skip;

	if (memchr(uri, '\0', len) != NULL)
		return;
	/* Not simply cut at commas: the SID tag has one of its own. */
	while (len > 0) {
		skip = 0;
		if (has_prefix(uri, len, SID_TAG))
			skip = strlen(SID_TAG);
		comma = memchr(uri + skip, ',', len - skip);
		n = comma != NULL ? (size_t)(comma - uri) : len;
		if (skip > 0)
			identity_add_sid(id, uri + skip, n - skip);
		else if (device_token(uri, n, &skip, &g)) {
			snprintf(form, sizeof(form), "%.*s", (int)(skip < sizeof(form) ?
			    skip : sizeof(form) - 1), uri);
			identity_add_guid(id, &g, FOUND_SAN_URI, form);
			if (!guid_is_zero(&g))
				saw(seen, &g);
		}
		if (comma == NULL)
			break;
		uri += n + 1;
		len -= n + 1;
	}
}

void
identity_add_uri(struct identity *id, const char *uri, size_t len)
{
	struct seen	 seen = { .any = false };

	take_uri(id, uri, len, &seen);
}

void
identity_add_san_text(struct identity *id, const char *text)
{
	static const char	 upn[] = "othername: UPN::";
	struct seen		 seen = { .any = false };
	const char		*end, *s;
	struct guid		 g;
	char			 user[IDENTITY_TEXT] = "";
	size_t			 len, n;
	bool			 users = false;

	for (s = text; *s != '\0'; s = *end != '\0' ? end + 2 : end) {
		end = strstr(s, ", ");
		if (end == NULL)
			end = s + strlen(s);
		len = (size_t)(end - s);
		if (has_prefix(s, len, "URI:"))
			take_uri(id, s + 4, len - 4, &seen);
		else if (has_prefix(s, len, "DNS:") && len == 4 + GUID_CHARS &&
		    guid_scan(s + 4, GUID_CHARS, &g)) {
			identity_add_guid(id, &g, FOUND_SAN_DNS, "");
			if (!guid_is_zero(&g))
				saw(&seen, &g);
		} else if (has_prefix(s, len, upn)) {
			n = len - (sizeof(upn) - 1);
			users |= user[0] != '\0' || n >= sizeof(user);
			snprintf(user, sizeof(user), "%.*s", (int)(n < sizeof(user) ?
			    n : sizeof(user) - 1), s + sizeof(upn) - 1);
		}
	}
	if (seen.many)
		id->ambiguous = true;
	if (!users && id->upn[0] == '\0')
		text_copy(id->upn, sizeof(id->upn), user);
}

/* The entries of a kind: the only one so far, and what its attribute says. */
static bool
vouched_entry(const char *s, size_t len, const char *attribute, size_t *count)
{
	return ++*count == 1 && strlen(attribute) == len && memcmp(attribute, s, len) == 0;
}

/* A URI made of nothing but what we know: device ids and SID tags. */
static bool
known_uri(const char *uri, size_t len)
{
	const char	*comma;
	struct guid	 g;
	size_t		 n, skip;

	for (;; uri += n + 1, len -= n + 1) {
		skip = has_prefix(uri, len, SID_TAG) ? strlen(SID_TAG) : 0;
		comma = memchr(uri + skip, ',', len - skip);
		n = comma != NULL ? (size_t)(comma - uri) : len;
		if (skip == 0 && !device_token(uri, n, &skip, &g))
			return false;
		if (comma == NULL)
			return true;
	}
}

bool
identity_san_text_is_vouched(const char *text, const char *dns, const char *email,
    const char *upn)
{
	static const char	 name[] = "othername: UPN::";
	const char		*end, *s;
	size_t			 len, ndns = 0, nemail = 0, nupn = 0;
	bool			 good = true;

	for (s = text; *s != '\0' && good; s = *end != '\0' ? end + 2 : end) {
		end = strstr(s, ", ");
		if (end == NULL)
			end = s + strlen(s);
		len = (size_t)(end - s);
		if (has_prefix(s, len, "URI:"))
			good = known_uri(s + 4, len - 4);
		else if (has_prefix(s, len, "DNS:"))
			good = vouched_entry(s + 4, len - 4, dns, &ndns);
		else if (has_prefix(s, len, "email:"))
			good = vouched_entry(s + 6, len - 6, email, &nemail);
		else if (has_prefix(s, len, name))
			good = vouched_entry(s + sizeof(name) - 1, len - (sizeof(name) - 1), upn,
			    &nupn);
		else
			/* These hold numbers, or nothing that is shown. */
			good = has_prefix(s, len, "IP Address:") ||
			    has_prefix(s, len, "Registered ID:") ||
			    (has_prefix(s, len, "othername:") && len >= 23 &&
			    memcmp(s + len - 13, "<unsupported>", 13) == 0);
	}
	return good;
}

void
identity_add_san(struct identity *id, enum found found, const char *text, size_t len)
{
	char	(*list)[IDENTITY_TEXT] = found == FOUND_SAN_URI ? id->san_uri : id->san_dns;
	size_t	*n = found == FOUND_SAN_URI ? &id->nsan_uri : &id->nsan_dns, i, step;

	if (len == 0 || len >= IDENTITY_TEXT || *n == IDENTITY_SANS)
		return;
	for (i = 0; i < len; i += step)
		if ((step = text_utf8_len((const unsigned char *)text + i, len - i)) == 0 ||
		    iscntrl((unsigned char)text[i]))
			return;
	for (i = 0; i < *n; i++)
		if (strlen(list[i]) == len && memcmp(list[i], text, len) == 0)
			return;
	memcpy(list[*n], text, len);
	list[(*n)++][len] = '\0';
}

const char *
found_name(enum found found)
{
	static const char *const names[] = { "san-uri", "san-dns", "cn", "attribute", "argument" };

	return names[found];
}

const char *
eap_name(enum eap eap)
{
	static const char *const names[] = { "none", "tls", "ttls", "peap", "other" };

	return names[eap];
}

enum eap
eap_parse(const char *text)
{
	/* The numbers are those of IANA's registry of EAP method types. */
	static const struct {
		const char	*word;
		enum eap	 eap;
	} words[] = {
		{ "", EAP_NONE }, { "none", EAP_NONE }, { "0", EAP_NONE },
		{ "tls", EAP_TLS }, { "13", EAP_TLS },
		{ "ttls", EAP_TTLS }, { "21", EAP_TTLS },
		{ "peap", EAP_PEAP }, { "25", EAP_PEAP },
	};
	size_t	 i;

	if (strncasecmp(text, "eap-", 4) == 0)
		text += 4;
	for (i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (strcasecmp(text, words[i].word) == 0)
			return words[i].eap;
	return EAP_OTHER;
}

static void
write_sans(struct jsonw *w, const char *key, const char (*list)[IDENTITY_TEXT], size_t n)
{
	size_t	 i;

	if (n == 0)
		return;
	jw_array(w, key);
	for (i = 0; i < n; i++)
		jw_str(w, NULL, list[i]);
	jw_end_array(w);
}

static void
write_lists(struct jsonw *w, const struct identity *id)
{
	size_t	 i;

	if (id->nguid > 0) {
		jw_array(w, "guid");
		for (i = 0; i < id->nguid; i++) {
			jw_object(w, NULL);
			jw_guid(w, "value", &id->guid[i].guid);
			jw_str(w, "found", found_name(id->guid[i].found));
			jw_opt(w, "form", id->guid[i].form);
			jw_end_object(w);
		}
		jw_end_array(w);
	}
	if (id->nname > 0) {
		jw_array(w, "name");
		for (i = 0; i < id->nname; i++) {
			jw_object(w, NULL);
			jw_str(w, "value", id->name[i].text);
			jw_str(w, "found", found_name(id->name[i].found));
			jw_end_object(w);
		}
		jw_end_array(w);
	}
}

void
identity_write_fields(struct jsonw *w, const struct identity *id)
{
	write_lists(w, id);
	if (id->has_mac) {
		jw_mac(w, "mac", id->mac);
		jw_bool(w, "mac_random", mac_is_random(id->mac));
	}
	jw_opt(w, "device_serial", id->device_serial);
	if (id->ambiguous)
		jw_bool(w, "ambiguous", true);
	write_sans(w, "san_uri", id->san_uri, id->nsan_uri);
	write_sans(w, "san_dns", id->san_dns, id->nsan_dns);
	jw_opt(w, "template", id->template);
	jw_opt(w, "upn", id->upn);
	jw_opt(w, "sid", id->sid);
	jw_opt(w, "subject", id->subject);
	jw_opt(w, "issuer", id->issuer);
	jw_opt(w, "serial", id->serial);
	jw_opt(w, "sha256", id->sha256);
	if (id->not_before != 0)
		jw_time(w, "not_before", id->not_before);
	if (id->not_after != 0)
		jw_time(w, "not_after", id->not_after);
	if (id->eap != EAP_NONE)
		jw_str(w, "eap", eap_name(id->eap));
}

void
identity_write(struct jsonw *w, const struct identity *id)
{
	jw_object(w, "identity");
	identity_write_fields(w, id);
	jw_end_object(w);
}
