#include <stdio.h>

#include "base/file.h"
#include "base/text.h"
#include "policy/advice.h"
#include "policy/parser.h"
#include "policy/setting.h"

#define GUESS_WORDS	96	/* more than there are words of one kind */
#define GUESSES		100	/* a file with more errors needs no more suggestions */

static bool
in_name(char c)
{
	return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || c == '-' ||
	    c == '_';
}

/* A variable's name in quotes, for lint. */
static void
note_quoted(struct parser *p, const struct token *t, const char *s)
{
	struct variable	*v;
	const char	*hit;

	for (v = p->pol->variables; v != NULL; v = v->next)
		if (v->quoted.line == 0 && (hit = strstr(s, v->name)) != NULL &&
		    !in_name(hit[strlen(v->name)]))
			v->quoted = parser_place(p, t);
}

const char *
parser_text(struct parser *p, const struct token *t)
{
	char	*s = policy_alloc(p->pol, t->len + 1);

	lexer_copy(s, t);
	if (t->kind == TOKEN_STRING && strchr(s, '$') != NULL && !p->in_word)
		note_quoted(p, t, s);
	return s;
}

void
parser_next(struct parser *p)
{
	lexer_next(&p->lx, &p->t);
}

void
parser_near(struct parser *p, const struct token *t, const char *what, const char *near)
{
	char	 shown[TEXT_SHOWN], msg[FILE_WHY + 3 * TEXT_SHOWN];

	if (++p->errors > POLICY_ERRORS)
		return;
	text_safe(shown, sizeof(shown), t->text, t->len);
	snprintf(msg, sizeof(msg), "%s:%d:%zu: %s \"%s\"%s%s%s", p->name, t->line, t->column,
	    what, shown, near != NULL ? " (did you mean \"" : "", near != NULL ? near : "",
	    near != NULL ? "\"?)" : "");
	p->report(p->arg, msg);
}

void
parser_fault(struct parser *p, const struct token *t, const char *what)
{
	parser_near(p, t, what, NULL);
}

bool
parser_expected(struct parser *p, const char *what)
{
	char	 msg[FILE_WHY + 2 * TEXT_SHOWN];

	if (p->t.kind == TOKEN_BAD)
		parser_fault(p, &p->t, p->t.fault);
	else if (p->t.kind == TOKEN_END || p->t.kind == TOKEN_EOF) {
		if (++p->errors > POLICY_ERRORS)
			return false;
		snprintf(msg, sizeof(msg), "%s:%d:%zu: expected %s, not the end of the line",
		    p->name, p->t.line, p->t.column, what);
		p->report(p->arg, msg);
	} else {
		if (advice_instead(p) != NULL)
			snprintf(msg, sizeof(msg), "write %s instead of", advice_instead(p));
		else
			snprintf(msg, sizeof(msg), "expected %s, not", what);
		parser_fault(p, &p->t, msg);
	}
	return false;
}

const char *
parser_guess(struct parser *p, const struct token *t, const char *const *words, size_t n,
    bool labels)
{
	const char	*name[POLICY_LABELS + GUESS_WORDS], *meant;
	char		 typed[TEXT_SHOWN];
	struct label	*l;
	size_t		 i, count = 0;

	if (p->errors >= GUESSES)
		return NULL;
	if ((meant = advice_word(p, t, words, n)) != NULL)
		return meant;
	for (i = 0; i < n && count < GUESS_WORDS; i++)
		name[count++] = words[i];
	for (i = 0; labels && i < POLICY_BUCKETS; i++)
		for (l = p->pol->labels[i]; l != NULL; l = l->chain)
			name[count++] = l->name;
	text_safe(typed, sizeof(typed), t->text, t->len);
	return text_nearest(typed, name, count);
}

static size_t
bucket(const char *text, size_t len)
{
	uint64_t	 h = digest_add(DIGEST_START, text, len);

	return (size_t)(h ^ h >> 32) % POLICY_BUCKETS;
}

struct label *
parser_label(const struct parser *p, const char *text, size_t len)
{
	struct label	*l = p->pol->labels[bucket(text, len)];

	while (l != NULL && (strlen(l->name) != len || memcmp(l->name, text, len) != 0))
		l = l->chain;
	return l;
}

int
parser_defined_later(const struct parser *p, const struct token *t)
{
	struct lexer	 lx = p->lx;
	struct token	 now, before = p->t;

	if (p->errors >= GUESSES)
		return 0;
	do {
		lexer_next(&lx, &now);
		if (before.kind == TOKEN_WORD && before.len == 5 &&
		    memcmp(before.text, "label", 5) == 0 && now.kind == TOKEN_WORD &&
		    now.len == t->len && memcmp(now.text, t->text, t->len) == 0)
			return now.line;
		before = now;
	} while (now.kind != TOKEN_EOF);
	return 0;
}

void
parser_no_label(struct parser *p, const struct token *t, const struct label *l)
{
	char	 what[96];
	int	 line;

	if (l != NULL && l->open)
		parser_fault(p, t, "the label names itself:");
	else if (l != NULL && l->gives != NULL)
		parser_fault(p, t, "is an attribute label; give it with with, not if:");
	else if (l != NULL)
		parser_fault(p, t, "is a condition label; it belongs behind if, not with:");
	else if ((line = parser_defined_later(p, t)) != 0) {
		snprintf(what, sizeof(what), "is used before its definition in line %d:", line);
		parser_fault(p, t, what);
	} else
		parser_near(p, t, "unknown label", parser_guess(p, t, NULL, 0, true));
}

/* Every statement ends here; rest of a line is an error. */
bool
parser_end(struct parser *p, const char *expected)
{
	if (p->t.kind == TOKEN_END || p->t.kind == TOKEN_EOF)
		return true;
	return parser_expected(p, expected);
}

bool
parser_name(struct parser *p, const char *what)
{
	char	 msg[96];
	size_t	 i;
	char	 c;

	if (p->t.kind != TOKEN_WORD)
		return parser_expected(p, what);
	c = p->t.text[0];
	if (c < 'A' || c > 'Z' || p->t.len > POLICY_NAME) {
		snprintf(msg, sizeof(msg), "%s begins with a capital letter, not", what);
		parser_fault(p, &p->t, p->t.len > POLICY_NAME ? "is too long a name:" : msg);
		return false;
	}
	for (i = 1; i < p->t.len; i++) {
		c = p->t.text[i];
		if (!((c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') ||
		    c == '-' || c == '_')) {
			snprintf(msg, sizeof(msg), "%s has letters, digits, - and _, not", what);
			parser_fault(p, &p->t, msg);
			return false;
		}
	}
	return true;
}

struct place
parser_place(const struct parser *p, const struct token *t)
{
	return (struct place){ p->source, t->line, t->column };
}

/* Files a label under its name, before its definition is read: if that has an
 * error, those who use the label are not to blame. */
static struct label *
new_label(struct parser *p)
{
	struct label	*l;
	char		 what[96];
	size_t		 b;

	if ((l = parser_label(p, p->t.text, p->t.len)) != NULL) {
		snprintf(what, sizeof(what), "this label is defined in line %d already:",
		    l->at.line);
		parser_fault(p, &p->t, what);
	} else if (p->pol->nlabels == POLICY_LABELS)
		parser_fault(p, &p->t, "too many labels, from");
	l = policy_alloc(p->pol, sizeof(*l));
	l->at = parser_place(p, &p->t);
	l->open = true;
	if (parser_label(p, p->t.text, p->t.len) != NULL || p->pol->nlabels == POLICY_LABELS)
		return l;
	l->name = parser_text(p, &p->t);
	l->index = p->pol->nlabels++;
	b = bucket(p->t.text, p->t.len);
	l->chain = p->pol->labels[b];
	p->pol->labels[b] = l;
	return l;
}

/* What the label stands for, up to the end of the line. */
static bool
definition(struct parser *p, struct label *l)
{
	struct node	*when = NULL;
	struct gift	*gives = NULL;
	const char	*end = "and, or or the end of the line";

	if (parser_at(p, "when")) {
		parser_next(p);
		if ((when = condition_parse(p)) == NULL)
			return false;
	} else if (parser_at(p, "gives")) {
		end = "a comma or the end of the line";
		parser_next(p);
		if ((gives = reply_parse(p)) == NULL)
			return false;
	} else
		return parser_expected(p, "when or gives");
	if (!parser_end(p, end))
		return false;
	l->when = when;
	l->gives = gives;
	return true;
}

static bool
label(struct parser *p)
{
	struct label	*l;

	if (!parser_name(p, "the name of a label"))
		return false;
	l = new_label(p);
	parser_next(p);
	l->broken = !definition(p, l);
	l->open = false;
	return !l->broken;
}

static bool
rule_name(struct parser *p, struct rule *r)
{
	size_t	 i;

	if (p->t.kind != TOKEN_STRING)
		return true;
	for (i = 0; i < p->t.len && p->t.text[i] == ' '; i++)
		;
	if (i == p->t.len || lexer_len(&p->t) > POLICY_NAME)
		parser_fault(p, &p->t, i == p->t.len ? "an empty name:" : "is too long a name:");
	else
		r->name = parser_text(p, &p->t);
	parser_next(p);
	return true;
}

static bool
rule(struct parser *p, enum action action, bool shadow, const struct token *t)
{
	struct token	 with;
	struct rule	*r = policy_alloc(p->pol, sizeof(*r));

	r->action = action;
	r->shadow = shadow;
	r->at = parser_place(p, t);
	if (!rule_name(p, r))
		return false;
	if (parser_at(p, "with")) {
		with = p->t;
		parser_next(p);
		if ((r->gives = reply_parse(p)) == NULL)
			return false;
		if (action == ACTION_DENY && r->gives->access)
			parser_fault(p, &with,
			    "deny gives no access, only attributes, log and coa:");
	}
	if (parser_at(p, "if")) {
		parser_next(p);
		if ((r->when = condition_parse(p)) == NULL)
			return false;
		if (parser_at(p, "with")) {
			parser_fault(p, &p->t, "what is given stands before if, not behind it:");
			return false;
		}
		if (!parser_end(p, "and, or or the end of the line"))
			return false;
	} else if (!parser_end(p, r->gives != NULL ? "a comma, if or the end of the line" :
	    "with, if or the end of the line"))
		return false;
	if (p->pol->nrules++ == POLICY_RULES) {
		parser_fault(p, t, "too many rules, from");
		return false;
	}
	*p->tail = r;
	p->tail = &r->next;
	return true;
}

/* shadow all [with ...] [if ...]: nothing is enforced while this holds. */
static bool
shadow_all(struct parser *p, const struct token *t)
{
	struct policy	*pol = p->pol;

	parser_once(p, t, ONCE_SHADOW);
	pol->shadow_all = true;
	pol->shadow_at = parser_place(p, t);
	if (parser_at(p, "with")) {
		parser_next(p);
		if ((pol->shadow_gives = reply_parse(p)) == NULL)
			return false;
	}
	if (parser_at(p, "if")) {
		parser_next(p);
		if ((pol->shadow_when = condition_parse(p)) == NULL)
			return false;
		return parser_end(p, "and, or or the end of the line");
	}
	return parser_end(p, pol->shadow_gives != NULL ?
	    "a comma, if or the end of the line" : "with, if or the end of the line");
}

static bool
shadow(struct parser *p, const struct token *t)
{
	enum action	 action = parser_at(p, "allow") ? ACTION_ALLOW : ACTION_DENY;

	if (parser_at(p, "all")) {
		parser_next(p);
		return shadow_all(p, t);
	}
	if (action == ACTION_DENY && !parser_at(p, "deny"))
		return parser_expected(p, "allow, deny or all");
	parser_next(p);
	return rule(p, action, true, t);
}

bool
parser_full(struct parser *p, const struct token *t)
{
	if (p->pol->memory > POLICY_MEMORY && !p->full) {
		p->full = true;
		parser_fault(p, t, "with this the rules take too much memory (64 MiB):");
	}
	return p->full;
}

void
parser_once(struct parser *p, const struct token *t, int which)
{
	if (p->once[which])
		parser_fault(p, t, "this setting is given twice:");
	p->once[which] = true;
}

bool
parser_answer(struct parser *p, enum action *action, struct gift **gives)
{
	if (parser_at(p, "deny")) {
		parser_next(p);
		return parser_end(p, "the end of the line");
	}
	if (!parser_at(p, "allow"))
		return parser_expected(p, "allow or deny");
	parser_next(p);
	*action = ACTION_ALLOW;
	if (parser_at(p, "with")) {
		parser_next(p);
		if ((*gives = reply_parse(p)) == NULL)
			return false;
	}
	return parser_end(p, *gives != NULL ? "a comma or the end of the line" :
	    "with or the end of the line");
}

/* The statements, the frequent ones first. */
static const struct {
	const char	*word;
	bool		(*parse)(struct parser *, const struct token *);
} statements[] = {
	{ "allow", NULL }, { "deny", NULL }, { "label", NULL }, { "shadow", shadow },
	{ "zone", setting_zone }, { "let", setting_let }, { "list", setting_list },
	{ "match-order", setting_match_order }, { "stale-after", setting_stale_after },
	{ "no-match", setting_no_match }, { "when-broken", setting_when_broken },
	{ "ambiguous", setting_ambiguous }, { "timezone", setting_timezone },
	{ "trusted", setting_trusted }, { "app-hint", setting_app_hint },
	{ "word", setting_word }, { "include", setting_include },
};

#define STATEMENTS	(sizeof(statements) / sizeof(statements[0]))

static bool
statement(struct parser *p)
{
	const char	*words[STATEMENTS];
	struct token	 t = p->t;
	size_t		 i;

	if (t.kind != TOKEN_WORD)
		return parser_expected(p, "allow, deny, label or a setting");
	for (i = 0; i < STATEMENTS && !parser_at(p, statements[i].word); i++)
		;
	if (i == STATEMENTS) {
		for (i = 0; i < STATEMENTS; i++)
			words[i] = statements[i].word;
		parser_near(p, &t, "unknown statement",
		    parser_guess(p, &t, words, STATEMENTS, false));
		return false;
	}
	parser_next(p);
	switch (i) {
	case 0:
		return rule(p, ACTION_ALLOW, false, &t);
	case 1:
		return rule(p, ACTION_DENY, false, &t);
	case 2:
		return label(p);
	default:
		return statements[i].parse(p, &t);
	}
}

static void
each_statement(struct parser *p)
{
	struct token	 first;

	for (parser_next(p); p->t.kind != TOKEN_EOF; parser_next(p)) {
		if (p->t.kind == TOKEN_END)
			continue;
		first = p->t;
		statement(p);
		if (parser_full(p, &first))
			break;
		while (p->t.kind != TOKEN_END && p->t.kind != TOKEN_EOF)
			parser_next(p);
		if (p->t.kind == TOKEN_EOF || p->errors > POLICY_ERRORS)
			break;
	}
}

void
parser_include(struct parser *p, const char *path, const char *text, size_t len)
{
	struct lexer	 lx = p->lx;
	struct token	 t = p->t;
	const char	*name = p->name;

	p->name = path;
	lexer_init(&p->lx, text, len);
	each_statement(p);
	p->name = name;
	p->lx = lx;
	p->t = t;
}

void
parser_file(struct parser *p)
{
	char	 msg[FILE_WHY + 64];

	each_statement(p);
	if (p->errors > POLICY_ERRORS) {
		snprintf(msg, sizeof(msg), "%s:%d:1: too many errors, stopped here",
		    p->name, p->t.line);
		p->report(p->arg, msg);
	}
	/* A file that was cut off by a full disk must not become a policy. */
	if (p->errors == 0 && p->pol->nrules == 0 && !p->pol->has_no_match) {
		p->errors++;
		snprintf(msg, sizeof(msg), "%s:%d:1: no rule in the whole file", p->name,
		    p->t.line);
		p->report(p->arg, msg);
	}
}
