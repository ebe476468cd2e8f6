#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/num.h"
#include "base/text.h"
#include "base/when.h"
#include "radius/env.h"
#include "radius/vendor.h"

#define ENV_VALUE	1024	/* no value is longer than the server's whole entry */

/* An attribute we read.  Either take() gets its value, or the value is copied
 * into the session at this place. */
struct attribute {
	const char	*name;		/* of the dictionary, */
	size_t		 len;		/* and its length */
	void		(*take)(struct env_reader *r, const char *value);
	size_t		 offset, size;
};

/* Adds a sentence; one that does not fit any more is left out whole. */
static void
add_note(struct env_reader *r, const char *name, const char *what)
{
	size_t	 len = strlen(r->note);
	int	 n;

	n = snprintf(r->note + len, ENV_NOTE - len, "%s%s %s", len > 0 ? "; " : "", name, what);
	if (n < 0 || (size_t)n >= ENV_NOTE - len)
		r->note[len] = '\0';
}

/*
 * Copies a value of session unless there is one: RFC 2865 section 5.44 allows
 * each of them once at most, so a second one is a fault of the NAS or a proxy.
 */
static void
copy_once(struct env_reader *r, const char *name, char *dst, size_t size, const char *value)
{
	if (dst[0] != '\0') {
		if (strcmp(dst, value) != 0)
			add_note(r, name, "is given twice, the first one is used");
		return;
	}
	if (!text_copy(dst, size, value)) {
		dst[0] = '\0';
		add_note(r, name, "is too long and not used");
	}
}

/* A NAS that is also named by an IPv4 address is known by that one. */
static void
take_nas_ipv6(struct env_reader *r, const char *value)
{
	if (r->s->nas_ip[0] == '\0')
		text_copy(r->s->nas_ip, sizeof(r->s->nas_ip), value);
}

static void
take_nas_ip(struct env_reader *r, const char *value)
{
	if (strchr(r->s->nas_ip, ':') != NULL)
		r->s->nas_ip[0] = '\0';
	copy_once(r, "NAS-IP-Address", r->s->nas_ip, sizeof(r->s->nas_ip), value);
}

static void
take_port_type(struct env_reader *r, const char *value)
{
	/* VALUE names of FreeRADIUS' dictionary, and IANA's numbers. */
	static const struct {
		const char	*word;
		enum medium	 medium;
	} words[] = {
		{ "Ethernet", MEDIUM_WIRED }, { "15", MEDIUM_WIRED },
		{ "Wireless-802.11", MEDIUM_WIRELESS }, { "19", MEDIUM_WIRELESS },
		{ "Wireless-Other", MEDIUM_WIRELESS }, { "18", MEDIUM_WIRELESS },
		{ "Virtual", MEDIUM_VPN }, { "5", MEDIUM_VPN },
	};
	size_t	 i;

	copy_once(r, "NAS-Port-Type", r->s->nas_port_type, sizeof(r->s->nas_port_type), value);
	for (i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strcasecmp(r->s->nas_port_type, words[i].word) == 0)
			r->s->medium = words[i].medium;
}

static void
take_calling(struct env_reader *r, const char *value)
{
	uint8_t	 mac[MAC_LEN];

	copy_once(r, "Calling-Station-Id", r->s->calling, sizeof(r->s->calling), value);
	/* A VPN gives an IP address here, a modem a telephone number. */
	if (!mac_parse(value, mac) || !mac_is_station(mac))
		return;
	if (r->id->has_mac && memcmp(r->id->mac, mac, MAC_LEN) != 0)
		r->mac_clash = true;
	memcpy(r->id->mac, mac, MAC_LEN);
	r->id->has_mac = true;
}

/* "AA-BB-CC-DD-EE-FF:ssid" (RFC 3580 section 3.20); the SSID may have colons. */
static void
take_called(struct env_reader *r, const char *value)
{
	uint8_t	 mac[MAC_LEN];
	size_t	 n;

	copy_once(r, "Called-Station-Id", r->s->called, sizeof(r->s->called), value);
	n = mac_scan(r->s->called, mac);
	if (n > 0 && r->s->called[n] == ':' && r->s->ssid[0] == '\0')
		text_copy(r->s->ssid, sizeof(r->s->ssid), r->s->called + n + 1);
}

static int
hexval(char c)
{
	const char	 digits[] = "0123456789abcdef";
	const char	*p = c != '\0' ? strchr(digits, tolower((unsigned char)c)) : NULL;

	return p != NULL ? (int)(p - digits) : -1;
}

/* Octets come as 0x...; where they are text, as text is better to read and to
 * send back (RFC 4372: the CUI is opaque). */
static void
take_cui(struct env_reader *r, const char *value)
{
	char	 text[SESSION_TEXT];
	size_t	 i, n = strlen(value);
	int	 hi, lo;

	if (strncmp(value, "0x", 2) == 0 && n > 2 && n % 2 == 0 && n / 2 <= sizeof(text)) {
		for (i = 2; i < n; i += 2) {
			hi = hexval(value[i]);
			lo = hexval(value[i + 1]);
			if (hi < 0 || lo < 0 || !isprint(hi << 4 | lo))
				break;
			text[i / 2 - 1] = (char)(hi << 4 | lo);
		}
		if (i == n) {
			text[n / 2 - 1] = '\0';
			value = text;
		}
	}
	copy_once(r, "Chargeable-User-Identity", r->s->cui, sizeof(r->s->cui), value);
}

/* The name of an attribute that is not read may still say whose NAS it is. */
static void
take_vendor(struct env_reader *r, const char *name, size_t len)
{
	const char	*word = vendor_of(name, len);

	if (word != NULL && vendor_is_better(r->s->vendor, word))
		text_copy(r->s->vendor, sizeof(r->s->vendor), word);
}

static void
take_avpair(struct env_reader *r, const char *value)
{
	static const char	 key[] = "audit-session-id=";

	take_vendor(r, "Cisco-AVPair", sizeof("Cisco-AVPair") - 1);
	if (strncasecmp(value, key, sizeof(key) - 1) == 0)
		copy_once(r, "audit-session-id", r->s->audit_session_id,
		    sizeof(r->s->audit_session_id), value + sizeof(key) - 1);
}

/* Local attributes of share/freeradius/dictionary.nac: their numbers do not fit
 * into a packet, so that only the server's own policy can set them. */
static void
take_group(struct env_reader *r, const char *value)
{
	if (!session_add_group(r->s, value))
		add_note(r, "NAC-Group", "is no text, too long or one too many and not used");
}

/* Seconds since 1970, or RFC 3339. */
static void
take_time(struct env_reader *r, const char *name, const char *value, int64_t *out)
{
	const char	*why;
	int64_t		 t;

	if ((num_parse(value, 1, INT64_C(253402300799), &t, &why) || when_parse(value, &t)) &&
	    t > 0 && t != WHEN_ALWAYS)
		*out = t;
	else
		add_note(r, name, "is no time and not used");
}

static void
take_mfa(struct env_reader *r, const char *value)
{
	take_time(r, "NAC-MFA-Time", value, &r->s->mfa);
}

static void
take_start(struct env_reader *r, const char *value)
{
	take_time(r, "NAC-Session-Start", value, &r->s->start);
}

/* How long the session has lasted, where a NAS says so when it authenticates again;
 * what the server itself knows of the start goes before. */
static void
take_acct_time(struct env_reader *r, const char *value)
{
	const char	*why;
	int64_t		 n;

	if (r->s->start == 0 && num_parse(value, 0, UINT32_MAX, &n, &why) && n < r->s->seen)
		r->s->start = r->s->seen - n;
}

static void
take_eap_type(struct env_reader *r, const char *value)
{
	r->eap_type = true;
	r->id->eap = eap_parse(value);
}

static void
take_eap_message(struct env_reader *r, const char *value)
{
	(void)value;
	r->eap_message = true;
}

static void
take_acct_status(struct env_reader *r, const char *value)
{
	text_copy(r->acct_status, sizeof(r->acct_status), value);
}

static void
take_proxied_to(struct env_reader *r, const char *value)
{
	(void)value;
	r->tunnelled = true;
}

static void
take_cn(struct env_reader *r, const char *value)
{
	r->certificate = true;
	identity_add_cn(r->id, value, FOUND_CN);
}

static void
take_san_dns(struct env_reader *r, const char *value)
{
	identity_add_san(r->id, FOUND_SAN_DNS, value, strlen(value));
	r->certificate = true;
	text_copy(r->san_dns, sizeof(r->san_dns), value);
	identity_add_cn(r->id, value, FOUND_SAN_DNS);
}

static void
take_san_uri(struct env_reader *r, const char *value)
{
	identity_add_san(r->id, FOUND_SAN_URI, value, strlen(value));
	r->certificate = true;
	identity_add_uri(r->id, value, strlen(value));
}

static void
take_san_text(struct env_reader *r, const char *value)
{
	r->certificate = true;
	text_copy(r->san_text, sizeof(r->san_text), value);
}

static void
take_san_email(struct env_reader *r, const char *value)
{
	r->certificate = true;
	text_copy(r->san_email, sizeof(r->san_email), value);
}

static void
take_upn(struct env_reader *r, const char *value)
{
	r->certificate = true;
	text_copy(r->san_upn, sizeof(r->san_upn), value);
	if (r->id->upn[0] == '\0')
		text_copy(r->id->upn, sizeof(r->id->upn), value);
}

static void
take_subject(struct env_reader *r, const char *value)
{
	r->certificate = true;
	text_copy(r->id->subject, sizeof(r->id->subject), value);
}

static void
take_issuer(struct env_reader *r, const char *value)
{
	r->certificate = true;
	text_copy(r->id->issuer, sizeof(r->id->issuer), value);
}

static void
take_serial(struct env_reader *r, const char *value)
{
	size_t	 i, n = strlen(value);

	r->certificate = true;
	if (n >= sizeof(r->id->serial))
		return;
	for (i = 0; i < n; i++)
		if (hexval(value[i]) < 0)
			return;
	for (i = 0; i <= n; i++)
		r->id->serial[i] = (char)tolower((unsigned char)value[i]);
}

static void
take_valid_since(struct env_reader *r, const char *value)
{
	r->certificate = true;
	r->id->not_before = env_asn1_time(value);
}

static void
take_expiration(struct env_reader *r, const char *value)
{
	r->certificate = true;
	r->id->not_after = env_asn1_time(value);
}

#define TAKE(name, take)	{ name, sizeof(name) - 1, take, 0, 0 }
#define COPY(name, field)	{ name, sizeof(name) - 1, NULL, offsetof(struct session, field), \
				    sizeof(((struct session *)0)->field) }
#define CERT			"TLS-Client-Cert-"

static const struct attribute attributes[] = {
	COPY("User-Name", user),
	TAKE("NAS-IP-Address", take_nas_ip),
	TAKE("NAS-IPv6-Address", take_nas_ipv6),
	TAKE("NAS-Port-Type", take_port_type),
	TAKE("Calling-Station-Id", take_calling),
	TAKE("Called-Station-Id", take_called),
	TAKE("Chargeable-User-Identity", take_cui),
	TAKE("Cisco-AVPair", take_avpair),
	TAKE("EAP-Type", take_eap_type),
	TAKE("EAP-Message", take_eap_message),
	TAKE("FreeRADIUS-Proxied-To", take_proxied_to),
	TAKE("Acct-Status-Type", take_acct_status),
	TAKE("NAC-Group", take_group),
	TAKE("NAC-MFA-Time", take_mfa),
	TAKE("NAC-Session-Start", take_start),
	TAKE("Acct-Session-Time", take_acct_time),
	COPY("NAC-App-Hint", app_hint),
	COPY("NAC-Inner-User", inner_user),
	COPY("NAS-Identifier", nas_id),
	COPY("NAS-Port", nas_port),
	COPY("NAS-Port-Id", nas_port_id),
	COPY("Acct-Session-Id", acct_session_id),
	COPY("Acct-Multi-Session-Id", acct_multi_session_id),
	COPY("Framed-IP-Address", framed_ip),
	/* What Debian's policy rewrite_called_station_id makes of the SSID. */
	COPY("Called-Station-SSID", ssid),
	TAKE(CERT "Common-Name", take_cn),
	TAKE(CERT "Subject-Alt-Name-Dns", take_san_dns),
	TAKE(CERT "Subject-Alt-Name-Uri", take_san_uri),
	TAKE(CERT "Subject-Alt-Name-Upn", take_upn),
	/* In the request when the server's dictionary knows this name. */
	TAKE(CERT "Subject-Alt-Name-Email", take_san_email),
	TAKE(CERT "X509v3-Subject-Alternative-Name", take_san_text),
	TAKE(CERT "Subject", take_subject),
	TAKE(CERT "Issuer", take_issuer),
	TAKE(CERT "Serial", take_serial),
	TAKE(CERT "Valid-Since", take_valid_since),
	TAKE(CERT "Expiration", take_expiration),
};

/* Whether a variable's name is that of an attribute, len bytes both, in either of
 * its two spellings. */
static bool
same_name(const char *var, size_t len, const char *name)
{
	size_t	 i;
	char	 c;

	for (i = 0; i < len; i++) {
		c = name[i] == '-' && var[i] == '_' ? '_' : name[i];
		if (toupper((unsigned char)var[i]) != toupper((unsigned char)c))
			return false;
	}
	return true;
}

static const struct attribute *
find(const char *var, size_t len)
{
	size_t	 i;

	for (i = 0; i < sizeof(attributes) / sizeof(attributes[0]); i++)
		if (attributes[i].len == len && same_name(var, len, attributes[i].name))
			return &attributes[i];
	return NULL;
}

/* The name of shell_escape = yes: no small letter and no hyphen. */
static bool
is_escaped_style(const char *var, size_t len)
{
	size_t	 i;

	for (i = 0; i < len; i++)
		if (islower((unsigned char)var[i]) || var[i] == '-')
			return false;
	return true;
}

/* Octal \ooo; a byte of more than 8 bits is none. */
static int
octal(const char *s)
{
	int	 i, v = 0;

	for (i = 0; i < 3; i++) {
		if (s[i] < '0' || s[i] > '7')
			return -1;
		v = v * 8 + (s[i] - '0');
	}
	return v <= 0xff ? v : -1;
}

/*
 * Undoes what shell_escape does to a string: "..." with \" \\ \r \n \t and
 * \ooo.  A value without quotes (a number, an address, octets) is copied.
 * Returns NULL, or what is wrong with it.
 */
static const char *
unquote(char out[ENV_VALUE], const char *s)
{
	static const char	 bad[] = "is badly quoted and not used";
	size_t			 o = 0;
	int			 v;

	if (*s != '"') {
		text_copy(out, ENV_VALUE, s);
		return NULL;
	}
	for (s++; *s != '"'; s++) {
		if (*s == '\0' || o == ENV_VALUE - 1)
			return bad;
		if (*s != '\\') {
			out[o++] = *s;
			continue;
		}
		s++;
		if ((v = octal(s)) >= 0)
			s += 2;
		else if (*s == '"' || *s == '\\')
			v = *s;
		else if (*s == 'n' || *s == 'r' || *s == 't')
			v = *s == 'n' ? '\n' : *s == 'r' ? '\r' : '\t';
		else
			return bad;
		if (v == 0)
			return "holds a NUL byte and is not used";
		out[o++] = (char)v;
	}
	out[o] = '\0';
	return s[1] == '\0' ? NULL : bad;
}

static void
take(struct env_reader *r, const struct attribute *a, const char *value)
{
	if (a->take != NULL)
		a->take(r, value);
	else
		copy_once(r, a->name, (char *)r->s + a->offset, a->size, value);
}

static void
read_entry(struct env_reader *r, const char *entry)
{
	const struct attribute	*a;
	const char		*eq = strchr(entry, '='), *fault = NULL;
	char			 value[ENV_VALUE];
	size_t			 n;

	if (eq == NULL)
		return;
	n = (size_t)(eq - entry);
	if ((a = find(entry, n)) == NULL) {
		take_vendor(r, entry, n);
		return;
	}
	if (strlen(entry) >= ENV_CUT)
		fault = "is too long for the server's environment and not used";
	else if (is_escaped_style(entry, n))
		fault = unquote(value, eq + 1);
	else
		text_copy(value, sizeof(value), eq + 1);
	if (fault != NULL)
		add_note(r, a->name, fault);
	else
		take(r, a, value);
}

void
env_start(struct env_reader *r, int64_t now, struct identity *id, struct session *s,
    char note[ENV_NOTE])
{
	memset(r, 0, offsetof(struct env_reader, san_text));
	r->san_text[0] = r->san_dns[0] = r->san_email[0] = r->san_upn[0] = '\0';
	memset(id, 0, sizeof(*id));
	memset(s, 0, sizeof(*s));
	note[0] = '\0';
	s->seen = now;
	r->id = id;
	r->s = s;
	r->note = note;
}

void
env_attribute(struct env_reader *r, const char *name, const char *value, size_t len)
{
	const struct attribute	*a;
	size_t			 n = strlen(name);

	if ((a = find(name, n)) == NULL) {
		take_vendor(r, name, n);
		return;
	}
	if (memchr(value, '\0', len) != NULL)
		add_note(r, a->name, "holds a NUL byte and is not used");
	else if (n + 1 + len >= ENV_CUT)
		add_note(r, a->name, "is too long for the server and not used");
	else
		take(r, a, value);
}

static void
set_login(struct session *s)
{
	const char	*login, *at;
	size_t		 n;

	if (strcmp(s->inner_user, s->user) == 0)
		s->inner_user[0] = '\0';
	login = session_login(s);
	if ((at = strrchr(login, '@')) != NULL) {
		text_copy(s->realm, sizeof(s->realm), at + 1);
	} else if ((at = strchr(login, '\\')) != NULL) {
		n = (size_t)(at - login);
		memcpy(s->realm, login, n);
		s->realm[n] = '\0';
	}
}

void
env_end(struct env_reader *r)
{
	set_login(r->s);
	/* The text is not escaped: a device name with ", URI:" in it would be another
	 * device's id.  It counts only where the attributes leave no room for that. */
	if (identity_san_text_is_vouched(r->san_text, r->san_dns, r->san_email, r->san_upn))
		identity_add_san_text(r->id, r->san_text);
	else
		add_note(r, CERT "X509v3-Subject-Alternative-Name",
		    "may hold a forged entry and is not used");
	if (r->mac_clash) {
		r->id->has_mac = false;
		add_note(r, "Calling-Station-Id", "names two devices and is no identity");
	}
	/*
	 * Outside check-eap-tls the server need not say which method it was.
	 * Only EAP-TLS asks for a certificate by default, and only TTLS carries
	 * something in its tunnel that is not EAP (RFC 5281 section 11).
	 */
	if (!r->eap_type) {
		if (r->certificate)
			r->id->eap = EAP_TLS;
		else if (r->eap_message)
			r->id->eap = EAP_OTHER;
		else if (r->tunnelled)
			r->id->eap = EAP_TTLS;
	}
}

enum acct
env_read(char *const *envp, int64_t now, struct identity *id, struct session *s,
    char note[ENV_NOTE])
{
	struct env_reader	 r;

	env_start(&r, now, id, s, note);
	for (; *envp != NULL; envp++)
		read_entry(&r, *envp);
	env_end(&r);
	return acct_parse(r.acct_status);
}

int64_t
env_asn1_time(const char *text)
{
	char	 rfc3339[WHEN_TEXT];
	size_t	 i, n = strlen(text);
	int64_t	 t;

	if ((n != 13 && n != 15) || text[n - 1] != 'Z')
		return 0;
	for (i = 0; i < n - 1; i++)
		if (!isdigit((unsigned char)text[i]))
			return 0;
	/* Two digits mean 1950 to 2049. */
	if (n == 13)
		snprintf(rfc3339, sizeof(rfc3339), "%s%.2s", text[0] >= '5' ? "19" : "20", text);
	else
		snprintf(rfc3339, sizeof(rfc3339), "%.4s", text);
	text += n - 11;
	snprintf(rfc3339 + 4, sizeof(rfc3339) - 4, "-%.2s-%.2sT%.2s:%.2s:%.2sZ", text, text + 2,
	    text + 4, text + 6, text + 8);
	return when_parse(rfc3339, &t) ? t : 0;
}
