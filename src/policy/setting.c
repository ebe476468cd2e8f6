#include <sys/stat.h>

#include <err.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/file.h"
#include "base/text.h"
#include "base/when.h"
#include "policy/list.h"
#include "policy/setting.h"
#include "policy/values.h"

#define VARIABLE_VALUES	256
#define VARIABLES	256
#define ZONES		1024

static bool
at_any(const struct parser *p, const char *const *words, size_t n, size_t *which)
{
	size_t	 i;

	for (i = 0; i < n; i++)
		if (parser_at(p, words[i])) {
			*which = i;
			return true;
		}
	return false;
}

/* One of a list of words, reported with a suggestion when it is none. */
static bool
one_of(struct parser *p, const char *const *words, size_t n, const char *expected,
    size_t *which)
{
	char	 what[96];

	if (at_any(p, words, n, which)) {
		parser_next(p);
		return true;
	}
	if (p->t.kind != TOKEN_WORD)
		return parser_expected(p, expected);
	snprintf(what, sizeof(what), "expected %s, not", expected);
	parser_near(p, &p->t, what, parser_guess(p, &p->t, words, n, false));
	return false;
}

bool
setting_match_order(struct parser *p, const struct token *t)
{
	static const char *const	 words[] = { "guid", "name", "serial", "mac" };
	static const enum match		 means[] = { MATCH_GUID, MATCH_NAME, MATCH_SERIAL, MATCH_MAC };
	struct match_order		 order = p->pol->order;
	size_t				 n = 0, seen = 0, i, k;

	parser_once(p, t, ONCE_ORDER);
	memset(order.by, 0, sizeof(order.by));
	while (p->t.kind == TOKEN_WORD) {
		if (!at_any(p, words, MATCH_KINDS, &i))
			i = MATCH_KINDS;
		for (k = 0; i < MATCH_KINDS && k < n && order.by[k] != means[i]; k++)
			;
		if (i == MATCH_KINDS)
			parser_near(p, &p->t, "is none of guid, name, serial and mac:",
			    parser_guess(p, &p->t, words, MATCH_KINDS, false));
		else if (k < n)
			parser_fault(p, &p->t, "stands twice in match-order:");
		else
			order.by[n++] = means[i];
		seen++;
		parser_next(p);
		if (p->t.kind == TOKEN_COMMA)
			parser_next(p);
	}
	/* A wrong word has been named already. */
	if (seen == 0 && (p->t.kind == TOKEN_END || p->t.kind == TOKEN_EOF))
		return parser_expected(p, "guid, name, serial or mac");
	if (n > 0)
		p->pol->order = order;
	return parser_end(p, "guid, name, serial, mac or the end of the line");
}

/* `for STATE, ...` behind a stale limit. */
static bool
stale_states(struct parser *p, int64_t limit)
{
	uint32_t	 set;
	int		 i;

	do {
		parser_next(p);
		set = 0;
		if (p->t.kind != TOKEN_WORD)
			return parser_expected(p, "a state of compliance");
		if (!value_set(FIELD_COMPLIANCE, &p->t, &set))
			parser_fault(p, &p->t, "compliance is never");
		for (i = 0; i < COMPLIANCE_COUNT; i++)
			if ((set >> i & 1) != 0) {
				parser_once(p, &p->t, ONCE_STALE + 1 + i);
				p->pol->stale_state[i] = limit;
			}
		parser_next(p);
	} while (p->t.kind == TOKEN_COMMA);
	return parser_end(p, "a comma or the end of the line");
}

bool
setting_stale_after(struct parser *p, const struct token *t)
{
	char	 text[32];
	int64_t	 limit = 0;

	if (p->t.kind != TOKEN_WORD)
		return parser_expected(p, "a span of time such as 24h");
	if (p->t.len >= sizeof(text) ||
	    (lexer_copy(text, &p->t), !when_span(text, &limit)) || limit == 0)
		parser_fault(p, &p->t, "is no span of time (try 24h):");
	else if (value_lacks_unit(text))
		parser_fault(p, &p->t, "is a span without its unit (s, m, h, d or w):");
	parser_next(p);
	if (parser_at(p, "for"))
		return stale_states(p, limit);
	parser_once(p, t, ONCE_STALE);
	p->pol->stale_after = limit;
	return parser_end(p, "the end of the line");
}

bool
setting_no_match(struct parser *p, const struct token *t)
{
	parser_once(p, t, ONCE_NO_MATCH);
	p->pol->has_no_match = true;
	return parser_answer(p, &p->pol->no_match, &p->pol->no_match_gives);
}

bool
setting_when_broken(struct parser *p, const struct token *t)
{
	parser_once(p, t, ONCE_BROKEN);
	p->pol->has_broken = true;
	return parser_answer(p, &p->pol->broken, &p->pol->broken_gives);
}

bool
setting_ambiguous(struct parser *p, const struct token *t)
{
	static const char *const	 words[] = { "refuse", "newest" };
	size_t				 which;

	parser_once(p, t, ONCE_AMBIGUOUS);
	if (!one_of(p, words, 2, "refuse or newest", &which))
		return false;
	p->pol->order.newest = which == 1;
	return parser_end(p, "the end of the line");
}

/* UTC, Z, +01:00, -05:30: offsets, not names, because what a name means differs
 * from machine to machine and from year to year. */
bool
setting_timezone(struct parser *p, const struct token *t)
{
	const char	*s = p->t.text;
	struct token	 clock = p->t;
	int64_t		 minutes = 0;

	parser_once(p, t, ONCE_TIMEZONE);
	if (p->t.kind != TOKEN_WORD)
		return parser_expected(p, "an offset such as +01:00, or UTC");
	clock.text++;
	clock.len--;
	if (!parser_at(p, "UTC") && !parser_at(p, "Z") && ((*s != '+' && *s != '-') ||
	    value_number(FIELD_TIME, &clock, &minutes) != NULL || minutes > 14 * 60))
		parser_fault(p, &p->t, "is no offset from UTC (try +01:00):");
	p->pol->timezone = (int)(*s == '-' ? -minutes : minutes) * 60;
	parser_next(p);
	return parser_end(p, "the end of the line");
}

/* The path in a string, seen from the folder of the file that names it.  False
 * (reported) when there is none or none may be opened. */
static bool
take_path(struct parser *p, char out[PATH_MAX], struct token *t)
{
	char		 given[PATH_MAX];
	const char	*slash = strrchr(p->name, '/');
	int		 n;

	*t = p->t;
	if (p->t.kind != TOKEN_STRING)
		return parser_expected(p, "a path in quotes");
	if (lexer_len(&p->t) >= sizeof(given) || p->t.len == 0) {
		parser_fault(p, &p->t, "is no path:");
		return false;
	}
	lexer_copy(given, &p->t);
	parser_next(p);
	if (given[0] == '/' || slash == NULL)
		n = snprintf(out, PATH_MAX, "%s", given);
	else
		n = snprintf(out, PATH_MAX, "%.*s/%s", (int)(slash - p->name), p->name, given);
	if (n < 0 || n >= PATH_MAX) {
		parser_fault(p, t, "is too long a path:");
		return false;
	}
	if (!p->files) {
		parser_fault(p, t, "no file can be read from here:");
		return false;
	}
	return true;
}

/* A reason of file_open_checked() and its like, at the place of a token. */
static void
file_fault(struct parser *p, const struct token *t, const char *why)
{
	char	 shown[FILE_WHY], msg[2 * FILE_WHY];

	if (++p->errors > POLICY_ERRORS)
		return;
	text_safe(shown, sizeof(shown), why, strlen(why));
	snprintf(msg, sizeof(msg), "%.400s:%d:%zu: %s", p->name, t->line, t->column, shown);
	p->report(p->arg, msg);
}

/* The text that stands for a file.  Its number among them tells it from the
 * others, as an inode does. */
static bool
find_text(struct parser *p, const struct token *t, const char *path, char **text, size_t *len,
    struct stat *st)
{
	size_t	 i;

	for (i = 0; i < p->ntexts && strcmp(p->texts[i].path, path) != 0; i++)
		;
	if (i == p->ntexts) {
		parser_fault(p, t, "there is no text of this file:");
		return false;
	}
	if ((*text = malloc(p->texts[i].len + 1)) == NULL)
		err(EX_OSERR, NULL);
	memcpy(*text, p->texts[i].text, p->texts[i].len);
	*len = p->texts[i].len;
	memset(st, 0, sizeof(*st));
	st->st_ino = i;
	return true;
}

/* Reads a checked file whole; the caller frees *text.  False: reported. */
static bool
read_file(struct parser *p, const struct token *t, const char *path, size_t max, char **text,
    size_t *len, struct stat *st)
{
	char	 why[FILE_WHY];
	int	 fd;
	bool	 good;

	if (p->texts != NULL)
		return find_text(p, t, path, text, len, st);
	if ((fd = file_open_checked(path, 0, why)) == -1) {
		file_fault(p, t, why);
		return false;
	}
	if (!(good = fstat(fd, st) == 0 && file_read_all(fd, max, text, len) == 0)) {
		snprintf(why, sizeof(why), "%.400s: %s", path, errno == EFBIG ?
		    "is too large" : strerror(errno));
		file_fault(p, t, why);
	}
	close(fd);
	return good;
}

static struct rules_file *
new_source(struct parser *p, const char *path, const struct stat *st)
{
	p->nsources++;
	return policy_file(p->pol, &p->pol->sources, path, file_state(st));
}

/* Reads one secret.  A copy of good rules goes on without it. */
static void
add_hint(struct parser *p, const struct token *name, const char *path)
{
	struct policy	*pol = p->pol;
	char		 why[FILE_WHY], *secret, *copy;
	size_t		 n;

	if (pol->nhints == POLICY_HINTS) {
		parser_fault(p, name, "more secrets than the new and the old one:");
		return;
	}
	/* Before it is read, so that a change meanwhile is seen later. */
	policy_file(pol, &pol->secrets, path, file_state_now(path));
	if (file_secret(path, &secret, why) == -1) {
		/* It is for the RADIUS server's user alone: to others, who decide by what
		 * that one has found out, it is no fault. */
		if (errno == EACCES) {
			n = strlen(why);
			copy = policy_alloc(pol, n + 1);
			memcpy(copy, why, n);
			pol->hint_unread = copy;
		} else if (p->texts == NULL)
			file_fault(p, name, why);
		return;
	}
	n = strlen(secret);
	if (n < SESSION_HINT && n >= 8) {
		copy = policy_alloc(pol, n + 1);
		memcpy(copy, secret, n);
		pol->hint[pol->nhints++] = copy;
	} else if (p->texts == NULL)
		parser_fault(p, name, "a hint has 8 to 127 bytes, this file's has not:");
	explicit_bzero(secret, n);
	free(secret);
}

bool
setting_app_hint(struct parser *p, const struct token *t)
{
	struct token	 name;
	char		 path[PATH_MAX];

	parser_once(p, t, ONCE_HINT);
	for (;;) {
		if (!take_path(p, path, &name))
			return false;
		add_hint(p, &name, path);
		if (p->t.kind != TOKEN_COMMA)
			return parser_end(p, "a comma or the end of the line");
		parser_next(p);
	}
}

bool
setting_trusted(struct parser *p, const struct token *t)
{
	static const char *const	 words[] = { "certificate", "app-hint", "compliance" };
	struct evidence			*v;
	struct token			 condition;
	size_t				 kind;

	if (!parser_at(p, "by"))
		return parser_expected(p, "by");
	parser_next(p);
	if (!one_of(p, words, 3, "certificate, app-hint or compliance", &kind))
		return false;
	if (p->pol->nevidence == POLICY_EVIDENCE) {
		parser_fault(p, t, "too many kinds of evidence, from");
		return false;
	}
	v = &p->pol->evidence[p->pol->nevidence];
	*v = (struct evidence){ (enum evidence_kind)kind, parser_place(p, t), NULL };
	if (parser_at(p, "if")) {
		parser_next(p);
		condition = p->t;
		if ((v->when = condition_parse(p)) == NULL)
			return false;
		if (v->when->asks_trust) {
			parser_fault(p, t, "trust cannot rest on trust:");
			return false;
		}
		/* A server takes certificates of several issuers, and some of them give one
		 * to anybody who asks. */
		if (kind == EVIDENCE_CERTIFICATE && !v->when->issuer_if_true)
			parser_fault(p, &condition, "a certificate is trusted for its issuer, which "
			    "this condition does not always ask for (issuer is ...), from");
	} else if (kind == EVIDENCE_CERTIFICATE)
		return parser_expected(p, "if and the issuer (a server takes many certificates)");
	p->pol->nevidence++;
	return parser_end(p, v->when != NULL ? "and, or or the end of the line" :
	    "if or the end of the line");
}

struct zone *
zone_named(const struct policy *p, const char *text, size_t len)
{
	struct zone	*z;

	for (z = p->zones; z != NULL; z = z->next)
		if (strlen(z->name) == len && memcmp(z->name, text, len) == 0)
			break;
	return z;
}

/* What begins like an address is one, everything else the name of a NAS. */
static void
zone_value(struct parser *p, struct zone *z, const struct token *t)
{
	struct value	*v = policy_alloc(p->pol, sizeof(*v));
	const char	*fault;
	size_t		 i;
	bool		 net = t->kind == TOKEN_WORD && t->len > 0;

	for (i = 0; net && i < t->len; i++)
		net = strchr("0123456789abcdefABCDEF.:/", t->text[i]) != NULL &&
		    (memchr(t->text, '.', t->len) != NULL || memchr(t->text, ':', t->len) != NULL);
	fault = net ? value_net(t, v) : value_glob(p, t, v);
	if (fault != NULL) {
		parser_fault(p, t, fault);
		return;
	}
	v->next = net ? z->nets : z->ids;
	*(net ? &z->nets : &z->ids) = v;
}

bool
setting_zone(struct parser *p, const struct token *t)
{
	const struct variable	*var;
	struct zone		*z;
	struct token		 one;
	size_t			 i;

	(void)t;
	if (!parser_name(p, "the name of a zone"))
		return false;
	if (zone_named(p->pol, p->t.text, p->t.len) != NULL)
		parser_fault(p, &p->t, "this zone is defined already:");
	else if (p->nzones++ == ZONES)
		parser_fault(p, &p->t, "too many zones, from");
	z = policy_alloc(p->pol, sizeof(*z));
	z->name = parser_text(p, &p->t);
	z->at = parser_place(p, &p->t);
	z->next = p->pol->zones;
	p->pol->zones = z;
	parser_next(p);
	if (!parser_at(p, "is"))
		return parser_expected(p, "is");
	do {
		parser_next(p);
		if (!value_here(p))
			return parser_expected(p, "a network or the name of a NAS");
		if (!variable_here(p))
			zone_value(p, z, &p->t);
		else if ((var = variable_use(p)) != NULL)
			for (i = 0; i < var->n; i++) {
				if (parser_full(p, &p->t))
					return false;
				one = variable_token(var, i, &p->t);
				zone_value(p, z, &one);
			}
		parser_next(p);
	} while (p->t.kind == TOKEN_COMMA);
	return parser_end(p, "a comma or the end of the line");
}

bool
variable_here(const struct parser *p)
{
	return p->t.kind == TOKEN_WORD && p->t.len > 1 && p->t.text[0] == '$' &&
	    (p->t.text[1] | 0x20) >= 'a' && (p->t.text[1] | 0x20) <= 'z';
}

static struct variable *
variable_named(const struct policy *p, const struct token *t)
{
	struct variable	*v;

	for (v = p->variables; v != NULL; v = v->next)
		if (strlen(v->name) == t->len && memcmp(v->name, t->text, t->len) == 0)
			break;
	return v;
}

const struct variable *
variable_use(struct parser *p)
{
	const char	*names[VARIABLES];
	struct variable	*v = variable_named(p->pol, &p->t);
	size_t		 n = 0;

	if (v != NULL) {
		v->used = true;
		return v;
	}
	for (v = p->pol->variables; v != NULL && n < VARIABLES; v = v->next)
		names[n++] = v->name;
	parser_near(p, &p->t, "no variable of this name is set above:",
	    parser_guess(p, &p->t, names, n < 64 ? n : 64, false));
	return NULL;
}

struct token
variable_token(const struct variable *v, size_t i, const struct token *at)
{
	struct token	 t = v->value[i];

	t.line = at->line;
	t.column = at->column;
	return t;
}

/* let $name = value, ... */
bool
setting_let(struct parser *p, const struct token *t)
{
	struct token	 value[VARIABLE_VALUES];
	struct variable	*v;
	char		*copy;

	(void)t;
	if (!variable_here(p))
		return parser_expected(p, "a variable such as $corp");
	if (variable_named(p->pol, &p->t) != NULL)
		parser_fault(p, &p->t, "this variable is set already:");
	else if (p->nvariables++ == VARIABLES)
		parser_fault(p, &p->t, "too many variables, from");
	v = policy_alloc(p->pol, sizeof(*v));
	v->name = parser_text(p, &p->t);
	v->at = parser_place(p, &p->t);
	parser_next(p);
	if (p->t.kind != TOKEN_EQ)
		return parser_expected(p, "=");
	do {
		parser_next(p);
		if (!value_here(p) || variable_here(p))
			return parser_expected(p, "a value");
		if (v->n == VARIABLE_VALUES)
			parser_fault(p, &p->t, "too many values, from");
		else {
			copy = policy_alloc(p->pol, p->t.len + 1);
			memcpy(copy, p->t.text, p->t.len);
			value[v->n] = p->t;
			value[v->n++].text = copy;
		}
		parser_next(p);
	} while (p->t.kind == TOKEN_COMMA);
	v->value = policy_alloc(p->pol, v->n * sizeof(*value));
	memcpy(v->value, value, v->n * sizeof(*value));
	v->next = p->pol->variables;
	p->pol->variables = v;
	return parser_end(p, "a comma or the end of the line");
}

/* list NAME macs "file" */
bool
setting_list(struct parser *p, const struct token *t)
{
	struct token	 file;
	struct stat	 st;
	struct list	*l;
	char		 path[PATH_MAX], *text;
	size_t		 len, type, memory;

	(void)t;
	if (!parser_name(p, "the name of a list"))
		return false;
	if (list_named(p->pol, p->t.text, p->t.len) != NULL)
		parser_fault(p, &p->t, "this list is defined already:");
	else if (p->nlists++ == LIST_MAX) {
		parser_fault(p, &p->t, "too many lists, from");
		return false;
	}
	l = policy_alloc(p->pol, sizeof(*l));
	l->name = parser_text(p, &p->t);
	l->at = parser_place(p, &p->t);
	l->next = p->pol->lists;
	parser_next(p);
	if (!one_of(p, list_types, LIST_TYPES, "macs, names, users, groups, serials or values",
	    &type))
		return false;
	l->type = (enum list_type)type;
	p->pol->lists = l;
	if (!take_path(p, path, &file) ||
	    !read_file(p, &file, path, LIST_BYTES, &text, &len, &st))
		return false;
	l->source = new_source(p, path, &st);
	p->nsources--;	/* lists are counted for themselves */
	p->pol->hash = digest_file(p->pol->hash, text, len);
	/* Lists have limits of their own. */
	memory = p->pol->memory;
	list_parse(p, l, l->source->path, text, len);
	p->pol->memory = memory;
	free(text);
	return parser_end(p, "the end of the line");
}

/* include "file" */
bool
setting_include(struct parser *p, const struct token *t)
{
	struct token	 file;
	struct stat	 st;
	struct rules_file	*outer = p->source;
	char		 path[PATH_MAX], *text = NULL;
	size_t		 len;
	int		 i;

	(void)t;
	if (!take_path(p, path, &file) || !parser_end(p, "the end of the line") ||
	    !read_file(p, &file, path, POLICY_FILE, &text, &len, &st))
		return false;
	for (i = 0; i <= p->depth && i < POLICY_DEPTH; i++)
		if (p->open[i].dev == st.st_dev && p->open[i].ino == st.st_ino)
			break;
	if (i <= p->depth && i < POLICY_DEPTH)
		parser_fault(p, &file, "this file includes itself:");
	else if (p->depth + 1 == POLICY_DEPTH)
		parser_fault(p, &file, "files are included too deeply:");
	else if (p->nsources >= POLICY_SOURCES || p->bytes + len > POLICY_FILE)
		parser_fault(p, &file, "with this the rules are too large:");
	else {
		p->bytes += len;
		p->depth++;
		p->open[p->depth].dev = st.st_dev;
		p->open[p->depth].ino = st.st_ino;
		p->source = new_source(p, path, &st);
		p->pol->hash = digest_file(p->pol->hash, text, len);
		parser_include(p, p->source->path, text, len);
		p->depth--;
	}
	p->source = outer;
	free(text);
	return true;
}

/* word NAME gives REPLY [if CONDITION] */
bool
setting_word(struct parser *p, const struct token *t)
{
	static const char *const	 words[] = { "role", "filter", "acl", "redirect" };
	struct variant			*v = policy_alloc(p->pol, sizeof(*v)), **at;
	size_t				 which, n = 0;

	if (!one_of(p, words, WORD_COUNT, "role, filter, acl or redirect", &which))
		return false;
	v->at = parser_place(p, t);
	if (p->word_used[which])
		parser_fault(p, t, "stands below a reply that has this word already, and would not "
		    "change it:");
	if (!parser_at(p, "gives"))
		return parser_expected(p, "gives");
	parser_next(p);
	if ((v->gives = reply_parse_word(p)) == NULL)
		return false;
	if (v->gives->choices != NULL || v->gives->vlan != NULL || v->gives->ntag > 0 ||
	    v->gives->coa != NULL || v->gives->mfa != MFA_UNSET)
		parser_fault(p, t, "a word gives attributes and nothing else:");
	if (parser_at(p, "if")) {
		parser_next(p);
		if ((v->when = condition_parse(p)) == NULL)
			return false;
	}
	for (at = &p->pol->variants[which]; *at != NULL; at = &(*at)->next)
		n++;
	if (n == POLICY_VARIANTS) {
		parser_fault(p, t, "too many meanings of one word, from");
		return false;
	}
	*at = v;
	return parser_end(p, v->when != NULL ? "and, or or the end of the line" :
	    "a comma, if or the end of the line");
}
