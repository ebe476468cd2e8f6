#include <sys/stat.h>

#include <err.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/cli.h"
#include "base/text.h"
#include "base/when.h"
#include "device/record.h"
#include "device/words.h"

/* What is being read, so that a fault can be named by its path. */
struct reader {
	const json_t	*obj;
	const char	*path;
	char		*why;
	size_t		 size;
	bool		 ok;
};

static void
fault(struct reader *r, const char *key, const char *what)
{
	if (r->ok)
		snprintf(r->why, r->size, "%s.%s: %s", r->path, key, what);
	r->ok = false;
}

/* The text of a member; NULL when it is absent, null or of another type. */
static const char *
text_of(struct reader *r, const char *key)
{
	const json_t	*v = json_object_get(r->obj, key);

	if (v == NULL || json_is_null(v))
		return NULL;
	if (!json_is_string(v))
		fault(r, key, "must be a string");
	return json_string_value(v);
}

static void
get_text(struct reader *r, const char *key, char *dst, size_t size)
{
	const char	*s = text_of(r, key);

	if (s != NULL && !text_copy(dst, size, s))
		fault(r, key, "is too long");
}

static void
get_bool(struct reader *r, const char *key, bool *out)
{
	const json_t	*v = json_object_get(r->obj, key);

	if (v == NULL || json_is_null(v))
		return;
	if (!json_is_boolean(v))
		fault(r, key, "must be true or false");
	*out = json_is_true(v);
}

static void
get_time(struct reader *r, const char *key, int64_t *out)
{
	const char	*s = text_of(r, key);

	if (s != NULL && !when_parse(s, out))
		fault(r, key, "is no RFC 3339 time");
}

static bool
get_mac(struct reader *r, const char *key, uint8_t mac[MAC_LEN])
{
	const char	*s = text_of(r, key);

	if (s == NULL)
		return false;
	if (mac_parse(s, mac))
		return true;
	fault(r, key, "is no MAC address");
	return false;
}

static bool
get_guid(struct reader *r, const char *key, struct guid *out)
{
	const char	*s = text_of(r, key);

	if (s == NULL)
		return false;
	if (guid_parse(s, out))
		return true;
	fault(r, key, "is no GUID");
	return false;
}

/* Index of the member's word among n words, 0 when absent. */
static int
get_word(struct reader *r, const char *key, const char *(*name)(int), int n)
{
	const char	*s = text_of(r, key);
	int		 i;

	if (s == NULL || *s == '\0')
		return 0;
	for (i = 0; i < n; i++)
		if (strcmp(name(i), s) == 0)
			return i;
	fault(r, key, "is none of its words");
	return 0;
}

/* Opens rec[path] as an object; false with ok as it should be when there is none. */
static bool
enter(struct reader *r, const json_t *rec, const char *path, char *why, size_t size)
{
	json_t	*v = json_object_get(rec, path);

	*r = (struct reader){ v, path, why, size, true };
	if (v == NULL || json_is_null(v))
		return false;
	if (json_is_object(v))
		return true;
	snprintf(why, size, "%s: must be an object", path);
	r->ok = false;
	return false;
}

/* The elements of r->obj[key], each an object, through one, up to max. */
static void
each(struct reader *r, const char *key, size_t max,
    void (*one)(struct reader *, void *), void *arg)
{
	json_t		*list = json_object_get(r->obj, key), *v;
	struct reader	 sub;
	size_t		 i;

	if (list == NULL || json_is_null(list))
		return;
	if (!json_is_array(list)) {
		fault(r, key, "must be an array");
		return;
	}
	if (json_array_size(list) > max) {
		fault(r, key, "has too many elements");
		return;
	}
	json_array_foreach(list, i, v) {
		sub = (struct reader){ v, key, r->why, r->size, true };
		if (!json_is_object(v))
			fault(r, key, "must hold objects");
		else
			one(&sub, arg);
		if (!sub.ok)
			r->ok = false;
		if (!r->ok)
			return;
	}
}

/* The strings of r->obj[key] through one.  Those that do not fit are left out by
 * it, as the certificate's own would be. */
static void
each_text(struct reader *r, const char *key, void (*one)(const char *, void *), void *arg)
{
	json_t	*list = json_object_get(r->obj, key), *v;
	size_t	 i;

	if (list == NULL || json_is_null(list))
		return;
	if (!json_is_array(list)) {
		fault(r, key, "must be an array");
		return;
	}
	json_array_foreach(list, i, v) {
		if (!json_is_string(v)) {
			fault(r, key, "must hold strings");
			return;
		}
		one(json_string_value(v), arg);
	}
}

static void
one_san_uri(const char *text, void *arg)
{
	identity_add_san(arg, FOUND_SAN_URI, text, strlen(text));
}

static void
one_san_dns(const char *text, void *arg)
{
	identity_add_san(arg, FOUND_SAN_DNS, text, strlen(text));
}

static void
one_group(const char *text, void *arg)
{
	session_add_group(arg, text);
}

static void
one_guid(struct reader *r, void *arg)
{
	struct guid	 g;
	char		 form[sizeof(((struct identity_guid *)0)->form)] = "";
	int		 found;

	found = get_word(r, "found", found_word, FOUND_ARGUMENT + 1);
	get_text(r, "form", form, sizeof(form));
	if (get_guid(r, "value", &g))
		identity_add_guid(arg, &g, (enum found)found, form);
}

static void
one_name(struct reader *r, void *arg)
{
	char	 name[IDENTITY_TEXT] = "";
	int	 found;

	found = get_word(r, "found", found_word, FOUND_ARGUMENT + 1);
	get_text(r, "value", name, sizeof(name));
	if (*name != '\0')
		identity_add_name(arg, name, (enum found)found);
}

bool
record_identity(const json_t *rec, struct identity *out, char *why, size_t size)
{
	struct reader	 r;
	bool		 ambiguous = false;

	memset(out, 0, sizeof(*out));
	if (!enter(&r, rec, "identity", why, size))
		return r.ok;
	each(&r, "guid", IDENTITY_GUIDS, one_guid, out);
	each(&r, "name", IDENTITY_NAMES, one_name, out);
	/* Who wrote the record saw more than the list shows: its word counts. */
	get_bool(&r, "ambiguous", &ambiguous);
	out->ambiguous = out->ambiguous || ambiguous;
	out->has_mac = get_mac(&r, "mac", out->mac);
	get_text(&r, "device_serial", out->device_serial, sizeof(out->device_serial));
	each_text(&r, "san_uri", one_san_uri, out);
	each_text(&r, "san_dns", one_san_dns, out);
	get_text(&r, "template", out->template, sizeof(out->template));
	get_text(&r, "upn", out->upn, sizeof(out->upn));
	get_text(&r, "sid", out->sid, sizeof(out->sid));
	get_text(&r, "subject", out->subject, sizeof(out->subject));
	get_text(&r, "issuer", out->issuer, sizeof(out->issuer));
	get_text(&r, "serial", out->serial, sizeof(out->serial));
	get_text(&r, "sha256", out->sha256, sizeof(out->sha256));
	get_time(&r, "not_before", &out->not_before);
	get_time(&r, "not_after", &out->not_after);
	out->eap = (enum eap)get_word(&r, "eap", eap_word, EAP_OTHER + 1);
	return r.ok;
}

bool
record_session(const json_t *rec, struct session *s, char *why, size_t size)
{
	struct reader	 r;

	memset(s, 0, sizeof(*s));
	if (!enter(&r, rec, "session", why, size))
		return r.ok;
	get_time(&r, "seen", &s->seen);
	s->medium = (enum medium)get_word(&r, "medium", medium_word, MEDIUM_VPN + 1);
	get_bool(&r, "ended", &s->ended);
	get_text(&r, "user", s->user, sizeof(s->user));
	get_text(&r, "inner_user", s->inner_user, sizeof(s->inner_user));
	get_text(&r, "realm", s->realm, sizeof(s->realm));
	get_text(&r, "nas_ip", s->nas_ip, sizeof(s->nas_ip));
	get_text(&r, "nas_id", s->nas_id, sizeof(s->nas_id));
	get_text(&r, "nas_port", s->nas_port, sizeof(s->nas_port));
	get_text(&r, "nas_port_id", s->nas_port_id, sizeof(s->nas_port_id));
	get_text(&r, "nas_port_type", s->nas_port_type, sizeof(s->nas_port_type));
	get_text(&r, "acct_session_id", s->acct_session_id, sizeof(s->acct_session_id));
	get_text(&r, "acct_multi_session_id", s->acct_multi_session_id,
	    sizeof(s->acct_multi_session_id));
	get_text(&r, "calling", s->calling, sizeof(s->calling));
	get_text(&r, "called", s->called, sizeof(s->called));
	get_text(&r, "ssid", s->ssid, sizeof(s->ssid));
	get_text(&r, "framed_ip", s->framed_ip, sizeof(s->framed_ip));
	get_text(&r, "cui", s->cui, sizeof(s->cui));
	get_text(&r, "audit_session_id", s->audit_session_id, sizeof(s->audit_session_id));
	get_text(&r, "vendor", s->vendor, sizeof(s->vendor));
	each_text(&r, "groups", one_group, s);
	get_time(&r, "start", &s->start);
	get_time(&r, "mfa", &s->mfa);
	s->hint = (enum hint)get_word(&r, "hint", hint_word, HINT_BAD + 1);
	get_text(&r, "app_hint", s->app_hint, sizeof(s->app_hint));
	return r.ok;
}

static void
read_device(struct reader *r, struct device *d)
{
	d->has_id = get_guid(r, "id", &d->id);
	d->has_entra_id = get_guid(r, "entra_id", &d->entra_id);
	d->has_wifi_mac = get_mac(r, "wifi_mac", d->wifi_mac);
	d->has_ethernet_mac = get_mac(r, "ethernet_mac", d->ethernet_mac);
	get_text(r, "name", d->name, sizeof(d->name));
	get_text(r, "serial", d->serial, sizeof(d->serial));
	get_text(r, "os", d->os, sizeof(d->os));
	get_text(r, "os_version", d->os_version, sizeof(d->os_version));
	get_text(r, "owner", d->owner, sizeof(d->owner));
	get_text(r, "user", d->user, sizeof(d->user));
	get_text(r, "model", d->model, sizeof(d->model));
	get_text(r, "manufacturer", d->manufacturer, sizeof(d->manufacturer));
	get_text(r, "management_state", d->management_state, sizeof(d->management_state));
	get_text(r, "jailbroken", d->jailbroken, sizeof(d->jailbroken));
	get_bool(r, "encrypted", &d->encrypted);
	get_bool(r, "account_enabled", &d->account_enabled);
	d->has_account = json_is_boolean(json_object_get(r->obj, "account_enabled"));
	get_time(r, "last_sync", &d->last_sync);
	get_time(r, "enrolled", &d->enrolled);
	get_time(r, "grace_until", &d->grace_until);
}

static void
one_asked(struct reader *r, void *arg)
{
	struct answer	*a = arg;
	struct asked	*q = &a->asked[a->nasked];

	q->by = (enum match)get_word(r, "by", match_word, MATCH_COUNT);
	get_text(r, "value", q->value, sizeof(q->value));
	get_bool(r, "listed", &q->listed);
	if (q->by == MATCH_NONE || q->value[0] == '\0')
		fault(r, "by", "must be guid, name, mac or serial, with a value");
	else
		a->nasked++;
}

bool
record_answer(const json_t *rec, struct answer *a, char *why, size_t size)
{
	struct reader	 r, dev;
	const char	*state;

	memset(a, 0, sizeof(*a));
	if (!enter(&r, rec, "compliance", why, size))
		return r.ok;
	if ((state = text_of(&r, "state")) != NULL && !compliance_parse(state, &a->state))
		fault(&r, "state", "is no compliance state");
	a->matched_by = (enum match)get_word(&r, "matched_by", match_word, MATCH_COUNT);
	a->id_space = (enum id_space)get_word(&r, "id_space", space_word, ID_SPACE_ENTRA + 1);
	a->source = (enum source)get_word(&r, "source", source_word, SOURCE_CACHE + 1);
	get_time(&r, "checked", &a->checked);
	get_text(&r, "tenant", a->tenant, sizeof(a->tenant));
	each(&r, "asked", ANSWER_ASKED, one_asked, a);
	if (enter(&dev, r.obj, "device", why, size)) {
		a->has_device = true;
		read_device(&dev, &a->device);
	}
	return r.ok && dev.ok;
}

bool
record_is_list(const json_t *rec)
{
	return json_is_object(json_object_get(rec, "list")) &&
	    json_object_get(rec, "identity") == NULL &&
	    json_object_get(rec, "compliance") == NULL;
}

void
record_set(json_t *rec, const char *key, const char *text)
{
	json_error_t	 error;
	json_t		*v;

	v = text == NULL ? NULL : json_loads(text, JSON_REJECT_DUPLICATES, &error);
	if (v == NULL || json_object_set_new(rec, key, v) == -1)
		errx(EX_SOFTWARE, "%s: cannot write this member: %s", key,
		    text == NULL ? "it is too large" : error.text);
}

/* The writers write a whole member, `"key":{…}`; as the only member of an object
 * it is a text that record_set() can take apart. */
static void
merge(json_t *rec, struct jsonw *w)
{
	json_error_t	 error;
	json_t		*v;
	const char	*text;

	jw_end_object(w);
	text = jw_done(w);
	v = text == NULL ? NULL : json_loads(text, JSON_REJECT_DUPLICATES, &error);
	if (v == NULL || json_object_update(rec, v) == -1)
		errx(EX_SOFTWARE, "cannot write a record: %s",
		    text == NULL ? "it is too large" : error.text);
	json_decref(v);
}

void
record_put_identity(json_t *rec, const struct identity *id)
{
	struct jsonw	 w;
	char		 buf[RECORD_TEXT];

	jw_init(&w, buf, sizeof(buf));
	jw_object(&w, NULL);
	identity_write(&w, id);
	merge(rec, &w);
}

void
record_put_session(json_t *rec, const struct session *s)
{
	struct jsonw	 w;
	char		 buf[RECORD_TEXT];

	jw_init(&w, buf, sizeof(buf));
	jw_object(&w, NULL);
	session_write(&w, s);
	merge(rec, &w);
}

void
record_put_answer(json_t *rec, const struct answer *a, int64_t now)
{
	struct jsonw	 w;
	char		 buf[RECORD_TEXT];

	jw_init(&w, buf, sizeof(buf));
	jw_object(&w, NULL);
	answer_write(&w, a, now);
	merge(rec, &w);
}

/* UTF-8 without control bytes. */
static bool
is_plain(const char *text, size_t len)
{
	size_t	 i, n;

	for (i = 0; i < len; i += n)
		if ((n = text_utf8_len((const unsigned char *)text + i, len - i)) == 0 ||
		    (unsigned char)text[i] < 0x20 || text[i] == 0x7f)
			return false;
	return true;
}

/* A name has no colon, which Windows forbids and DNS does not know. */
#define SERIAL_PREFIX	"serial:"

static json_t *
bare_identifier(const char *line, size_t len, char *why, size_t size)
{
	struct identity	 id;
	struct guid	 g;
	char		 text[IDENTITY_TEXT];
	const char	*serial = text + sizeof(SERIAL_PREFIX) - 1;
	json_t		*rec;
	bool		 good = len < sizeof(text) && memchr(line, '\0', len) == NULL;

	memset(&id, 0, sizeof(id));
	snprintf(text, sizeof(text), "%.*s", good ? (int)len : 0, line);
	if (guid_parse(text, &g))
		identity_add_guid(&id, &g, FOUND_ARGUMENT, "");
	else if (mac_parse(text, id.mac))
		id.has_mac = true;
	else if (good && (good = is_plain(text, len)) &&
	    strncasecmp(text, SERIAL_PREFIX, sizeof(SERIAL_PREFIX) - 1) == 0)
		good = *serial != '\0' &&
		    text_copy(id.device_serial, sizeof(id.device_serial), serial);
	else if (good)
		identity_add_cn(&id, text, FOUND_ARGUMENT);
	if (!good) {
		snprintf(why, size, "is neither a record nor a GUID, MAC, serial:NUMBER or "
		    "device name");
		return NULL;
	}
	if ((rec = json_object()) == NULL)
		err(EX_OSERR, NULL);
	record_put_identity(rec, &id);
	return rec;
}

json_t *
record_parse(const char *line, size_t len, char *why, size_t size)
{
	json_error_t	 error;
	json_t		*rec;

	while (len > 0 && strchr(" \t\r\n", line[len - 1]) != NULL)
		len--;
	while (len > 0 && (*line == ' ' || *line == '\t')) {
		line++;
		len--;
	}
	if (len > RECORD_MAX) {
		snprintf(why, size, "is longer than a record may be (%d bytes)", RECORD_MAX);
		return NULL;
	}
	if (len == 0 || strchr("{[\"", *line) == NULL)
		return bare_identifier(line, len, why, size);
	if ((rec = json_loadb(line, len, JSON_REJECT_DUPLICATES, &error)) == NULL)
		snprintf(why, size, "is no record: column %d: %s", error.column, error.text);
	else if (!json_is_object(rec)) {
		snprintf(why, size, "is no record: not a JSON object");
		json_decref(rec);
		rec = NULL;
	}
	return rec;
}

ssize_t
record_line(FILE *in, char *buf)
{
	size_t	 n = 0;
	int	 c;

	while ((c = getc_unlocked(in)) != EOF && c != '\n') {
		if (n <= RECORD_MAX)
			buf[n++] = (char)c;
	}
	buf[n] = '\0';
	return c == EOF && n == 0 ? -1 : (ssize_t)n;
}

struct record_source {
	FILE			*in;
	char			**argv, *buf;
	int			 argc;
	unsigned long long	 number;	/* of the line, or of the argument */
};

struct record_source *
record_open(int argc, char **argv, FILE *in)
{
	struct record_source	*s;

	if ((s = calloc(1, sizeof(*s))) == NULL ||
	    (argc == 0 && (s->buf = malloc(RECORD_MAX + 2)) == NULL))
		err(EX_OSERR, NULL);
	s->in = argc == 0 ? in : NULL;
	s->argv = argv;
	s->argc = argc;
	return s;
}

int
record_close(struct record_source *s)
{
	int	 status = STATUS_OK;

	if (s->in != NULL && ferror(s->in)) {
		warn("<stdin>");
		status = EX_IOERR;
	}
	free(s->buf);
	free(s);
	return status;
}

uint64_t
record_guess_lines(FILE *in, uint64_t n)
{
	struct stat	 st;
	off_t		 at = ftello(in);

	if (at <= 0 || fstat(fileno(in), &st) == -1 || !S_ISREG(st.st_mode) || st.st_size < at)
		return 0;
	return (uint64_t)((double)n * (double)st.st_size / (double)at + 0.5);
}

uint64_t
record_guess(const struct record_source *s)
{
	return s->in != NULL ? record_guess_lines(s->in, s->number) : s->number + (unsigned)s->argc;
}

bool
record_next(struct record_source *s, json_t **rec, char *where, char *why, size_t size)
{
	const char	*line = s->buf;
	char		 raw[256];
	ssize_t		 len = 0;

	if (s->in == NULL) {
		if (s->argc == 0)
			return false;
		s->argc--;
		s->number++;
		line = *s->argv++;
		len = (ssize_t)strlen(line);
		text_safe(where, TEXT_SHOWN, line, (size_t)len);
	} else {
		do {
			if ((len = record_line(s->in, s->buf)) == -1)
				return false;
			s->number++;
		} while ((size_t)len == strspn(s->buf, " \t\r"));
		snprintf(where, TEXT_SHOWN, "<stdin>:%llu", s->number);
	}
	if ((*rec = record_parse(line, (size_t)len, raw, sizeof(raw))) == NULL)
		/* jansson quotes the offending bytes as they are. */
		text_safe(why, size, raw, strlen(raw));
	return true;
}

int
record_each(int argc, char **argv, FILE *in, record_fn fn, void *arg)
{
	struct record_source	*s = record_open(argc, argv, in);
	json_t			*rec;
	char			 where[TEXT_SHOWN], why[256];
	int			 status = STATUS_OK;

	while (record_next(s, &rec, where, why, sizeof(why))) {
		if (rec == NULL) {
			warnx("%s: %s", where, why);
			status = cli_worst(status, EX_DATAERR);
		} else
			status = cli_worst(status, fn(rec, where, arg));
		json_decref(rec);
		/* Nobody reads on: but each argument is still looked at. */
		if (s->in != NULL && ferror(stdout))
			break;
	}
	return cli_worst(status, record_close(s));
}

/* Lines out of a descriptor, read in large pieces. */
struct input {
	int	 fd;
	char	*buf;			/* RECORD_MAX + 1 bytes of a line, and a piece more */
	size_t	 size, begin, end;
	bool	 eof;
};

#define PIECE	65536

/* Finds the next line: true with *len; -1 in *len at the end; false with errno
 * when reading fails.  Of one longer than RECORD_MAX the rest is passed over. */
static bool
input_line(struct input *in, const char **line, ssize_t *len)
{
	char	*nl;
	size_t	 n, seen = 0;
	ssize_t	 got;
	bool	 cut = false;

	for (;;) {
		n = in->end - in->begin;
		nl = memchr(in->buf + in->begin + seen, '\n', n - seen);
		if (nl != NULL || in->eof)
			break;
		if (n > RECORD_MAX) {
			/* Only its length will be looked at. */
			cut = true;
			in->end = in->begin + (n = RECORD_MAX + 1);
		}
		seen = n;
		memmove(in->buf, in->buf + in->begin, n);
		in->begin = 0;
		in->end = n;
		while ((got = read(in->fd, in->buf + n, in->size - n)) == -1 && errno == EINTR)
			;
		if (got == -1)
			return false;
		in->eof = got == 0;
		in->end += (size_t)got;
	}
	*line = in->buf + in->begin;
	if (nl == NULL && n == 0)
		*len = -1;
	else
		*len = nl != NULL ? nl - *line : (ssize_t)n;
	in->begin = nl != NULL ? (size_t)(nl + 1 - in->buf) : in->end;
	if (cut || *len > RECORD_MAX)
		*len = RECORD_MAX + 1;
	return true;
}

static int
parsed(const char *line, size_t len, const char *where, record_fn fn, void *arg)
{
	char	 raw[256], why[256];
	json_t	*rec;
	int	 status;

	if ((rec = record_parse(line, len, raw, sizeof(raw))) == NULL) {
		/* jansson quotes the offending bytes as they are. */
		warnx("%s: %s", where, text_safe(why, sizeof(why), raw, strlen(raw)));
		return EX_DATAERR;
	}
	status = fn(rec, where, arg);
	json_decref(rec);
	return status;
}

static bool
blank(const char *line, size_t len)
{
	size_t	 i;

	for (i = 0; i < len; i++)
		if (strchr(" \t\r", line[i]) == NULL || line[i] == '\0')
			return false;
	return true;
}

int
record_each_raw(int fd, record_raw_fn raw, record_fn fn, void *arg)
{
	struct input		 in = { .fd = fd, .size = RECORD_MAX + 2 + PIECE };
	unsigned long long	 number = 0;
	const char		*line;
	char			 where[40];
	ssize_t			 len;
	bool			 more, ok;
	int			 status = STATUS_OK, rc;

	if ((in.buf = malloc(in.size)) == NULL)
		err(EX_OSERR, NULL);
	while ((ok = input_line(&in, &line, &len)) && len != -1) {
		number++;
		more = memchr(in.buf + in.begin, '\n', in.end - in.begin) != NULL;
		snprintf(where, sizeof(where), "<stdin>:%llu", number);
		rc = (size_t)len <= RECORD_MAX ? raw(line, (size_t)len, more, where, arg) :
		    RECORD_PARSE;
		if (rc == RECORD_PARSE && !blank(line, (size_t)len))
			rc = parsed(line, (size_t)len, where, fn, arg);
		if (rc != RECORD_PARSE)
			status = cli_worst(status, rc);
		if (ferror(stdout))
			break;
	}
	if (!ok) {
		warn("<stdin>");
		status = cli_worst(status, EX_IOERR);
	}
	free(in.buf);
	return status;
}

int
record_print(const json_t *rec, FILE *out)
{
	if (json_dumpf(rec, out, JSON_COMPACT) == -1 || putc('\n', out) == EOF ||
	    fflush(out) == EOF) {
		warn("standard output");
		return EX_IOERR;
	}
	return STATUS_OK;
}
