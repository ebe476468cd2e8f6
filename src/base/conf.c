#include <errno.h>
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/conf.h"
#include "base/file.h"
#include "base/num.h"
#include "base/text.h"
#include "base/when.h"

#define COUNT_MAX	1000000000
#define NAME_MAX_LEN	64	/* of a section: a word, not a sentence */

enum kind { TEXT, FILENAME, SECRET, KEY, HOST, SPAN, DATE, VLAN, PERCENT, COUNT, WORD };

/* Where a key may stand, and whether it may do so several times in one place. */
enum { TOP = 1, TENANT = 2, MANY = 4, BOTH = TOP | TENANT };

/* Every key there is, in the order of nac.conf(5). */
static const struct key {
	const char	*name;
	enum kind	 kind;
	int		 where;
	const char	*words;		/* for WORD: the words, each followed by a blank */
} keys[] = {
	{ "tenant", TEXT, BOTH, NULL },
	{ "client_id", TEXT, BOTH, NULL },
	{ "client_secret_file", SECRET, BOTH, NULL },
	{ "client_secret_expires", DATE, BOTH, NULL },
	{ "certificate_file", KEY, BOTH, NULL },
	{ "key_file", KEY, BOTH, NULL },
	{ "key_passphrase_file", SECRET, BOTH, NULL },
	{ "assertion_alg", WORD, BOTH, "PS256 RS256 " },
	{ "federated_token_file", SECRET, BOTH, NULL },
	{ "managed_identity", WORD, BOTH, "vm arc " },
	{ "identity_host", HOST, BOTH, NULL },
	{ "arc_key_dir", FILENAME, BOTH, NULL },
	{ "cloud", WORD, BOTH, "public usgov dod china " },
	{ "authority", HOST, BOTH, NULL },
	{ "graph", HOST, BOTH, NULL },
	{ "intune", HOST, BOTH, NULL },
	{ "intune_hosts", TEXT, BOTH, NULL },
	{ "source", WORD, BOTH, "graph nac2 auto " },
	{ "ca_file", FILENAME, BOTH, NULL },
	{ "proxy", TEXT, BOTH, NULL },
	{ "token_dir", FILENAME, BOTH, NULL },
	{ "timeout", SPAN, BOTH, NULL },
	{ "connect_timeout", SPAN, BOTH, NULL },
	{ "stall_timeout", SPAN, BOTH, NULL },
	{ "issuer", TEXT, TENANT | MANY, NULL },
	{ "realm", TEXT, TENANT | MANY, NULL },
	{ "nas", TEXT, TENANT | MANY, NULL },
	{ "state_dir", FILENAME, TOP, NULL },
	{ "journal", FILENAME, TOP, NULL },
	{ "rules", FILENAME, TOP, NULL },
	{ "fallback", WORD, TOP, "quarantine deny " },
	{ "quarantine_vlan", VLAN, TOP, NULL },
	{ "poll_interval", SPAN, TOP, NULL },
	{ "guard_share", PERCENT, TOP, NULL },
	{ "guard_site_share", PERCENT, TOP, NULL },
	{ "guard_nas_share", PERCENT, TOP, NULL },
	{ "guard_least", COUNT, TOP, NULL },
	{ "guard_clock", SPAN, TOP, NULL },
	{ "nas_file", FILENAME, TOP, NULL },
	{ "profiles_dir", FILENAME, TOP, NULL },
	{ "dictionary", FILENAME, TOP, NULL },
	{ "coa_journal", FILENAME, TOP, NULL },
	{ "share_url", TEXT, TOP, NULL },
	{ "share_user", TEXT, TOP, NULL },
	{ "share_password_file", SECRET, TOP, NULL },
	{ "share_sentinel_password_file", SECRET, TOP, NULL },
	{ "share_ca_file", FILENAME, TOP, NULL },
	{ "share_certificate_file", FILENAME, TOP, NULL },
	{ "share_key_file", FILENAME, TOP, NULL },
	{ "share_prefix", TEXT, TOP, NULL },
	{ "share_name", TEXT, TOP, NULL },
	{ "share_stream_max", COUNT, TOP, NULL },
	{ "share_lease", SPAN, TOP, NULL },
	{ "share_patience", SPAN, TOP, NULL },
};

#define NKEYS	(sizeof(keys) / sizeof(keys[0]))

struct section {
	char	*name;		/* NULL for the top */
	char	*value[NKEYS];
	int64_t	 number[NKEYS];
};

struct conf {
	char		*name;
	struct section	 top;
	struct section	*section;
	int		 n;
};

struct parser {
	const char	*name;
	int		 line;
	int		 errors;
	bool		 lost;		/* behind a section's head that is wrong */
	conf_report	 report;
	void		*arg;
};

static void
complain(struct parser *p, size_t column, const char *what, const char *word, size_t len)
{
	char	 shown[TEXT_SHOWN], msg[FILE_WHY + TEXT_SHOWN];

	p->errors++;
	text_safe(shown, sizeof(shown), word, len);
	snprintf(msg, sizeof(msg), "%s:%d:%zu: %s \"%s\"", p->name, p->line, column,
	    what, shown);
	p->report(p->arg, msg);
}

static int
find_key(const char *name, size_t len)
{
	size_t	 i;

	for (i = 0; i < NKEYS; i++)
		if (strlen(keys[i].name) == len && memcmp(keys[i].name, name, len) == 0)
			return (int)i;
	return -1;
}

static void
unknown_key(struct parser *p, size_t column, const char *word, size_t len)
{
	const char	*names[NKEYS], *near;
	char		 typed[TEXT_SHOWN], what[TEXT_SHOWN];
	size_t		 i;

	for (i = 0; i < NKEYS; i++)
		names[i] = keys[i].name;
	text_safe(typed, sizeof(typed), word, len);
	near = text_nearest(typed, names, NKEYS);
	if (near != NULL)
		snprintf(what, sizeof(what), "unknown key (did you mean %s?)", near);
	else
		snprintf(what, sizeof(what), "unknown key");
	complain(p, column, what, word, len);
}

/* A name of systemd's: a file in $CREDENTIALS_DIRECTORY. */
static bool
is_credential(const char *value)
{
	return strncmp(value, CONF_CREDENTIAL, strlen(CONF_CREDENTIAL)) == 0 &&
	    value[strlen(CONF_CREDENTIAL)] != '\0' &&
	    strchr(value + strlen(CONF_CREDENTIAL), '/') == NULL;
}

/* A day counts from its first second, in UTC. */
static bool
is_date(const char *value, int64_t *out)
{
	char	 text[WHEN_TEXT];

	if (strlen(value) != 10)
		return when_parse(value, out);
	snprintf(text, sizeof(text), "%.10sT00:00:00Z", value);
	return when_parse(text, out);
}

/* Checks the value by the kind of its key; NULL or what is wrong with it. */
static const char *
check(const struct key *key, const char *value, int64_t *number)
{
	const char	*why = NULL;
	size_t		 n = strlen(value);
	const char	*at;

	switch (key->kind) {
	case FILENAME:
		return *value == '/' ? NULL : "is no absolute path:";
	case SECRET:
		return *value == '/' || is_credential(value) ? NULL :
		    "is neither an absolute path nor credential:NAME:";
	case KEY:
		return *value == '/' || is_credential(value) || conf_is_uri(value) ? NULL :
		    "is no absolute path, credential:NAME or URI:";
	case DATE:
		return is_date(value, number) ? NULL : "is no date (try 2027-01-31):";
	case HOST:
		/* host or host:port; a scheme or a path here would be silently wrong. */
		return strpbrk(value, "/?#@ ") == NULL ? NULL : "is no host or host:port:";
	case SPAN:
		return when_span(value, number) ? NULL : "is no span of time (try 2h):";
	case VLAN:
		return num_parse(value, 1, 4094, number, &why) ? NULL :
		    "is no VLAN (1 to 4094):";
	case PERCENT:
		return num_parse(value, 1, 100, number, &why) ? NULL :
		    "is no percentage (1 to 100, without %):";
	case COUNT:
		return num_parse(value, 1, COUNT_MAX, number, &why) ? NULL :
		    "is no number from 1 to 1000000000:";
	case WORD:
		at = strstr(key->words, value);
		if (at == NULL || strchr(value, ' ') != NULL ||
		    (at != key->words && at[-1] != ' ') || at[n] != ' ')
			return "is not one of its words:";
		return NULL;
	case TEXT:
		break;
	}
	return NULL;
}

/* [tenant NAME]: what follows belongs to it. */
static void
parse_head(struct parser *p, struct conf *conf, const char *s, size_t len, size_t column)
{
	static const char	 word[] = "[tenant ", bytes[] = "abcdefghijklmnopqrstuvwxyz"
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
	const char		*fault = NULL, *name = s + strlen(word);
	size_t			 n = len;
	char			*copy;
	int			 i;

	p->lost = true;
	if (len < sizeof(word) + 1 || memcmp(s, word, strlen(word)) != 0 || s[len - 1] != ']') {
		complain(p, column, "expected [tenant NAME], not", s, len);
		return;
	}
	for (n = len - strlen(word) - 1; n > 0 && *name == ' '; n--)
		name++;
	if ((copy = strndup(name, n)) == NULL)
		err(71, NULL);
	if (n == 0 || n > NAME_MAX_LEN || strspn(copy, bytes) != n)
		fault = "is no name of letters, digits, dots and dashes:";
	for (i = 0; i < conf->n && fault == NULL; i++)
		if (strcmp(conf->section[i].name, copy) == 0)
			fault = "given twice: tenant";
	if (fault == NULL && conf->n == CONF_SECTIONS)
		fault = "too many sections:";
	if (fault != NULL) {
		complain(p, column, fault, name, n);
		free(copy);
		return;
	}
	conf->section = reallocarray(conf->section, (size_t)conf->n + 1, sizeof(*conf->section));
	if (conf->section == NULL)
		err(71, NULL);
	memset(&conf->section[conf->n], 0, sizeof(*conf->section));
	conf->section[conf->n++].name = copy;
	p->lost = false;
}

/* Keeps a value; one more of a key that may be repeated joins the others. */
static void
keep_value(char **value, const char *s, size_t len)
{
	char	*old = *value;

	if ((old == NULL ? asprintf(value, "%.*s", (int)len, s) :
	    asprintf(value, "%s\n%.*s", old, (int)len, s)) == -1)
		err(71, NULL);
	free(old);
}

static void
parse_value(struct parser *p, struct section *in, int k, const char *s, size_t len, size_t column)
{
	const char	*fault;
	char		 what[TEXT_SHOWN];

	keep_value(&in->value[k], s, len);
	if ((fault = check(&keys[k], in->value[k], &in->number[k])) != NULL) {
		snprintf(what, sizeof(what), "%s %s", keys[k].name, fault);
		complain(p, column, what, s, len);
	}
}

static void
parse_line(struct parser *p, struct conf *conf, const char *s, size_t len)
{
	struct section	*in = conf->n == 0 ? &conf->top : &conf->section[conf->n - 1];
	const char	*eq, *fault = NULL;
	size_t		 i = 0, klen, v;
	int		 k;

	while (i < len && (s[i] == ' ' || s[i] == '\t'))
		i++;
	while (len > i && strchr(" \t\r", s[len - 1]) != NULL)
		len--;
	if (i == len || s[i] == '#')
		return;
	if (memchr(s, '\0', len) != NULL) {
		complain(p, 1, "a NUL byte in", s, len);
		return;
	}
	if (s[i] == '[') {
		parse_head(p, conf, s + i, len - i, i + 1);
		return;
	}
	if ((eq = memchr(s + i, '=', len - i)) == NULL) {
		complain(p, i + 1, "expected key = value, not", s + i, len - i);
		return;
	}
	for (klen = (size_t)(eq - s) - i; klen > 0 && strchr(" \t", s[i + klen - 1]) != NULL;)
		klen--;
	if ((k = find_key(s + i, klen)) == -1) {
		unknown_key(p, i + 1, s + i, klen);
		return;
	}
	for (v = (size_t)(eq - s) + 1; v < len && (s[v] == ' ' || s[v] == '\t'); v++)
		;
	/* What a wrong head leaves behind would else be "given twice" elsewhere. */
	if (p->lost)
		return;
	if (v == len)
		fault = "no value for";
	else if ((keys[k].where & (conf->n == 0 ? TOP : TENANT)) == 0)
		fault = conf->n == 0 ? "belongs into a section [tenant NAME]:" :
		    "belongs above the first section:";
	else if (in->value[k] != NULL && (keys[k].where & MANY) == 0)
		fault = "given twice:";
	if (fault != NULL)
		complain(p, i + 1, fault, s + i, klen);
	else
		parse_value(p, in, k, s + v, len - v, v + 1);
}

struct conf *
conf_parse(const char *name, const char *text, size_t len, conf_report report, void *arg)
{
	struct parser	 p = { name, 0, 0, false, report, arg };
	struct conf	*conf;
	const char	*nl;
	size_t		 n;

	if ((conf = calloc(1, sizeof(*conf))) == NULL || (conf->name = strdup(name)) == NULL)
		err(71, NULL);
	for (; len > 0; text += n, len -= n) {
		nl = memchr(text, '\n', len);
		n = nl != NULL ? (size_t)(nl - text) : len;
		p.line++;
		parse_line(&p, conf, text, n);
		if (nl != NULL)
			n++;
	}
	if (p.errors == 0)
		return conf;
	conf_free(conf);
	return NULL;
}

struct conf *
conf_load(const char *path, conf_report report, void *arg)
{
	struct conf	*conf = NULL;
	char		 why[FILE_WHY], *text = NULL;
	size_t		 len = 0;
	int		 fd;

	if (path == NULL)
		path = getenv(CONF_ENV);
	if (path == NULL) {
		path = CONF_PATH;
		if (access(path, F_OK) == -1 && errno == ENOENT)
			return conf_parse("(none)", "", 0, report, arg);
	}
	if ((fd = file_open_checked(path, 0, why)) == -1) {
		report(arg, why);
		return NULL;
	}
	if (file_read_all(fd, CONF_MAX, &text, &len) == -1) {
		snprintf(why, sizeof(why), "%s: %s", path, strerror(errno));
		report(arg, why);
	} else
		conf = conf_parse(path, text, len, report, arg);
	free(text);
	close(fd);
	return conf;
}

void
conf_warn(void *arg, const char *message)
{
	(void)arg;
	warnx("%s", message);
}

static const struct section *
section_of(const struct conf *conf, int section)
{
	if (section < CONF_TOP || section >= conf->n)
		abort();
	return section == CONF_TOP ? &conf->top : &conf->section[section];
}

const char *
conf_section_get(const struct conf *conf, int section, const char *key, const char *fallback)
{
	const struct section	*in = section_of(conf, section);
	int			 k = find_key(key, strlen(key));

	if (k == -1)
		abort();
	return in->value[k] != NULL ? in->value[k] : fallback;
}

int64_t
conf_section_int(const struct conf *conf, int section, const char *key, int64_t fallback)
{
	const struct section	*in = section_of(conf, section);
	int			 k = find_key(key, strlen(key));

	if (k == -1 || (keys[k].kind != SPAN && keys[k].kind != VLAN && keys[k].kind != DATE &&
	    keys[k].kind != PERCENT && keys[k].kind != COUNT))
		abort();
	return in->value[k] != NULL ? in->number[k] : fallback;
}

const char *
conf_get(const struct conf *conf, const char *key, const char *fallback)
{
	return conf_section_get(conf, CONF_TOP, key, fallback);
}

int64_t
conf_int(const struct conf *conf, const char *key, int64_t fallback)
{
	return conf_section_int(conf, CONF_TOP, key, fallback);
}

int
conf_sections(const struct conf *conf)
{
	return conf->n;
}

const char *
conf_section_name(const struct conf *conf, int section)
{
	return section_of(conf, section)->name;
}

int
conf_section_find(const struct conf *conf, const char *name)
{
	int	 i;

	for (i = 0; i < conf->n; i++)
		if (strcmp(conf->section[i].name, name) == 0)
			return i;
	return CONF_TOP;
}

bool
conf_is_uri(const char *value)
{
	size_t	 n = strspn(value, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
		    "0123456789+.-");

	return n > 1 && value[n] == ':' && value[n + 1] != '\0' &&
	    strncmp(value, CONF_CREDENTIAL, strlen(CONF_CREDENTIAL)) != 0;
}

const char *
conf_name(const struct conf *conf)
{
	return conf->name;
}

static void
free_section(struct section *section)
{
	size_t	 i;

	for (i = 0; i < NKEYS; i++)
		free(section->value[i]);
	free(section->name);
}

void
conf_free(struct conf *conf)
{
	int	 i;

	if (conf == NULL)
		return;
	free_section(&conf->top);
	for (i = 0; i < conf->n; i++)
		free_section(&conf->section[i]);
	free(conf->section);
	free(conf->name);
	free(conf);
}
