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

enum kind { TEXT, FILENAME, HOST, SPAN, VLAN, WORD };

/* Every key there is, in the order of nac.conf(5). */
static const struct key {
	const char	*name;
	enum kind	 kind;
	const char	*words;		/* for WORD: the words, each followed by a blank */
} keys[] = {
	{ "tenant", TEXT, NULL },
	{ "client_id", TEXT, NULL },
	{ "client_secret_file", FILENAME, NULL },
	{ "certificate_file", FILENAME, NULL },
	{ "key_file", FILENAME, NULL },
	{ "assertion_alg", WORD, "PS256 RS256 " },
	{ "authority", HOST, NULL },
	{ "graph", HOST, NULL },
	{ "ca_file", FILENAME, NULL },
	{ "proxy", TEXT, NULL },
	{ "token_dir", FILENAME, NULL },
	{ "timeout", SPAN, NULL },
	{ "state_dir", FILENAME, NULL },
	{ "journal", FILENAME, NULL },
	{ "rules", FILENAME, NULL },
	{ "fallback", WORD, "quarantine deny " },
	{ "quarantine_vlan", VLAN, NULL },
	{ "poll_interval", SPAN, NULL },
	{ "nas_file", FILENAME, NULL },
	{ "profiles_dir", FILENAME, NULL },
	{ "dictionary", FILENAME, NULL },
};

#define NKEYS	(sizeof(keys) / sizeof(keys[0]))

struct conf {
	char	*name;
	char	*value[NKEYS];
	int64_t	 number[NKEYS];
};

struct parser {
	const char	*name;
	int		 line;
	int		 errors;
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
	case HOST:
		/* host or host:port; a scheme or a path here would be silently wrong. */
		return strpbrk(value, "/?#@ ") == NULL ? NULL : "is no host or host:port:";
	case SPAN:
		return when_span(value, number) ? NULL : "is no span of time (try 2h):";
	case VLAN:
		return num_parse(value, 1, 4094, number, &why) ? NULL :
		    "is no VLAN (1 to 4094):";
	case WORD:
		at = strstr(key->words, value);
		if (at == NULL || (at != key->words && at[-1] != ' ') || at[n] != ' ')
			return "is not one of its words:";
		return NULL;
	case TEXT:
		break;
	}
	return NULL;
}

static void
parse_line(struct parser *p, struct conf *conf, const char *s, size_t len)
{
	const char	*eq, *fault;
	char		 what[TEXT_SHOWN];
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
	if (v == len || conf->value[k] != NULL) {
		complain(p, i + 1, v == len ? "no value for" : "given twice:", s + i, klen);
		return;
	}
	if ((conf->value[k] = strndup(s + v, len - v)) == NULL)
		err(71, NULL);
	if ((fault = check(&keys[k], conf->value[k], &conf->number[k])) != NULL) {
		snprintf(what, sizeof(what), "%s %s", keys[k].name, fault);
		complain(p, v + 1, what, s + v, len - v);
	}
}

struct conf *
conf_parse(const char *name, const char *text, size_t len, conf_report report, void *arg)
{
	struct parser	 p = { name, 0, 0, report, arg };
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

const char *
conf_get(const struct conf *conf, const char *key, const char *fallback)
{
	int	 k = find_key(key, strlen(key));

	if (k == -1)
		abort();
	return conf->value[k] != NULL ? conf->value[k] : fallback;
}

int64_t
conf_int(const struct conf *conf, const char *key, int64_t fallback)
{
	int	 k = find_key(key, strlen(key));

	if (k == -1 || (keys[k].kind != SPAN && keys[k].kind != VLAN))
		abort();
	return conf->value[k] != NULL ? conf->number[k] : fallback;
}

const char *
conf_name(const struct conf *conf)
{
	return conf->name;
}

void
conf_free(struct conf *conf)
{
	size_t	 i;

	if (conf == NULL)
		return;
	for (i = 0; i < NKEYS; i++)
		free(conf->value[i]);
	free(conf->name);
	free(conf);
}
