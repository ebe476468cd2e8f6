#include <stdio.h>

#include "base/file.h"
#include "base/text.h"
#include "base/when.h"
#include "policy/parser.h"

#define GUESSES		100	/* a file with more errors needs no more suggestions */

const char *
parser_text(struct parser *p, const struct token *t)
{
	char	*s = policy_alloc(p->pol, t->len + 1);

	lexer_copy(s, t);
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
		snprintf(msg, sizeof(msg), "expected %s, not", what);
		parser_fault(p, &p->t, msg);
	}
	return false;
}

const char *
parser_guess(struct parser *p, const struct token *t, const char *const *words, size_t n,
    bool labels)
{
	const char	*name[POLICY_LABELS + 64];
	char		 typed[TEXT_SHOWN];
	struct label	*l;
	size_t		 i, count = 0;

	if (p->errors >= GUESSES)
		return NULL;
	for (i = 0; i < n && count < 64; i++)
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

/* The line further down that defines the label t names; 0 when there is none. */
static int
defined_later(const struct parser *p, const struct token *t)
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
	else if ((line = defined_later(p, t)) != 0) {
		snprintf(what, sizeof(what), "is used before its definition in line %d:", line);
		parser_fault(p, t, what);
	} else
		parser_near(p, t, "unknown label", parser_guess(p, t, NULL, 0, true));
}

/* Every statement ends here; rest of a line is an error. */
static bool
statement_end(struct parser *p, const char *expected)
{
	if (p->t.kind == TOKEN_END || p->t.kind == TOKEN_EOF)
		return true;
	return parser_expected(p, expected);
}

static bool
label_name(struct parser *p)
{
	size_t	 i;
	char	 c;

	if (p->t.kind != TOKEN_WORD)
		return parser_expected(p, "the name of a label");
	c = p->t.text[0];
	if (c < 'A' || c > 'Z' || p->t.len > POLICY_NAME) {
		parser_fault(p, &p->t, p->t.len > POLICY_NAME ? "is too long a name:" :
		    "the name of a label begins with a capital letter, not");
		return false;
	}
	for (i = 1; i < p->t.len; i++) {
		c = p->t.text[i];
		if (!((c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') ||
		    c == '-' || c == '_')) {
			parser_fault(p, &p->t, "the name of a label has letters, digits, - and _, not");
			return false;
		}
	}
	return true;
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
		snprintf(what, sizeof(what), "this label is defined in line %d already:", l->line);
		parser_fault(p, &p->t, what);
	} else if (p->pol->nlabels == POLICY_LABELS)
		parser_fault(p, &p->t, "too many labels, from");
	l = policy_alloc(p->pol, sizeof(*l));
	l->line = p->t.line;
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
	if (!statement_end(p, end))
		return false;
	l->when = when;
	l->gives = gives;
	return true;
}

static bool
label(struct parser *p)
{
	struct label	*l;

	if (!label_name(p))
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
rule(struct parser *p, enum action action, int line)
{
	struct token	 with;
	struct rule	*r = policy_alloc(p->pol, sizeof(*r));

	r->action = action;
	r->line = line;
	if (!rule_name(p, r))
		return false;
	if (parser_at(p, "with")) {
		with = p->t;
		parser_next(p);
		if ((r->gives = reply_parse(p)) == NULL)
			return false;
		if (action == ACTION_DENY && (r->gives->vlan != NULL ||
		    r->gives->role != NULL || r->gives->session_timeout))
			parser_fault(p, &with,
			    "deny gives no vlan, role or session-timeout, only attributes:");
	}
	if (parser_at(p, "if")) {
		parser_next(p);
		if ((r->when = condition_parse(p)) == NULL)
			return false;
		if (parser_at(p, "with")) {
			parser_fault(p, &p->t, "what is given stands before if, not behind it:");
			return false;
		}
		if (!statement_end(p, "and, or or the end of the line"))
			return false;
	} else if (!statement_end(p, r->gives != NULL ? "a comma, if or the end of the line" :
	    "with, if or the end of the line"))
		return false;
	if (p->pol->nrules++ == POLICY_RULES) {
		parser_fault(p, &p->t, "too many rules, from");
		return false;
	}
	*p->tail = r;
	p->tail = &r->next;
	return true;
}

/* For a setting: reports the second time.  *seen becomes true. */
static void
only_once(struct parser *p, const struct token *t, bool *seen)
{
	if (*seen)
		parser_fault(p, t, "this setting is given twice:");
	*seen = true;
}

static bool
match_order(struct parser *p, const struct token *t)
{
	static const char *const	 words[] = { "guid", "name", "mac" };
	static const enum match		 means[] = { MATCH_GUID, MATCH_NAME, MATCH_MAC };
	struct match_order		 order = { { MATCH_NONE, MATCH_NONE, MATCH_NONE } };
	size_t				 n = 0, i, k;

	only_once(p, t, &p->has_order);
	while (p->t.kind == TOKEN_WORD) {
		for (i = 0; i < 3 && !parser_at(p, words[i]); i++)
			;
		for (k = 0; i < 3 && k < n && order.by[k] != means[i]; k++)
			;
		if (i == 3)
			parser_near(p, &p->t, "is none of guid, name and mac:",
			    parser_guess(p, &p->t, words, 3, false));
		else if (k < n)
			parser_fault(p, &p->t, "stands twice in match-order:");
		else
			order.by[n++] = means[i];
		parser_next(p);
		if (n > 0 && p->t.kind == TOKEN_COMMA)
			parser_next(p);
	}
	if (n == 0 && p->errors == 0)
		return parser_expected(p, "guid, name or mac");
	p->pol->order = order;
	return statement_end(p, "guid, name, mac or the end of the line");
}

static bool
stale_after(struct parser *p, const struct token *t)
{
	char	 text[32];

	only_once(p, t, &p->has_stale);
	if (p->t.kind != TOKEN_WORD)
		return parser_expected(p, "a span of time such as 24h");
	if (p->t.len >= sizeof(text) ||
	    (lexer_copy(text, &p->t), !when_span(text, &p->pol->stale_after)) ||
	    p->pol->stale_after == 0)
		parser_fault(p, &p->t, "is no span of time (try 24h):");
	parser_next(p);
	return statement_end(p, "the end of the line");
}

static bool
no_match(struct parser *p, const struct token *t)
{
	only_once(p, t, &p->has_no_match);
	if (parser_at(p, "deny")) {
		parser_next(p);
		return statement_end(p, "the end of the line");
	}
	if (!parser_at(p, "allow"))
		return parser_expected(p, "allow or deny");
	parser_next(p);
	p->pol->no_match = ACTION_ALLOW;
	if (parser_at(p, "with")) {
		parser_next(p);
		if ((p->pol->no_match_gives = reply_parse(p)) == NULL)
			return false;
	}
	return statement_end(p, p->pol->no_match_gives != NULL ?
	    "a comma or the end of the line" : "with or the end of the line");
}

static bool
statement(struct parser *p)
{
	static const char *const	 words[] = {
		"allow", "deny", "label", "match-order", "stale-after", "no-match",
	};
	struct token			 t = p->t;
	size_t				 i;

	if (t.kind != TOKEN_WORD)
		return parser_expected(p, "allow, deny, label or a setting");
	for (i = 0; i < 6 && !parser_at(p, words[i]); i++)
		;
	if (i == 6) {
		parser_near(p, &t, "unknown statement", parser_guess(p, &t, words, 6, false));
		return false;
	}
	parser_next(p);
	switch (i) {
	case 0:
		return rule(p, ACTION_ALLOW, t.line);
	case 1:
		return rule(p, ACTION_DENY, t.line);
	case 2:
		return label(p);
	case 3:
		return match_order(p, &t);
	case 4:
		return stale_after(p, &t);
	default:
		return no_match(p, &t);
	}
}

void
parser_file(struct parser *p)
{
	char	 msg[FILE_WHY + 64];

	for (parser_next(p); p->t.kind != TOKEN_EOF; parser_next(p)) {
		if (p->t.kind == TOKEN_END)
			continue;
		statement(p);
		while (p->t.kind != TOKEN_END && p->t.kind != TOKEN_EOF)
			parser_next(p);
		if (p->t.kind == TOKEN_EOF || p->errors > POLICY_ERRORS)
			break;
	}
	if (p->errors > POLICY_ERRORS) {
		snprintf(msg, sizeof(msg), "%s:%d:1: too many errors, stopped here",
		    p->name, p->t.line);
		p->report(p->arg, msg);
	}
	/* A file that was cut off by a full disk must not become a policy. */
	if (p->errors == 0 && p->pol->nrules == 0 && !p->has_no_match) {
		p->errors++;
		snprintf(msg, sizeof(msg), "%s:%d:1: no rule in the whole file", p->name,
		    p->t.line);
		p->report(p->arg, msg);
	}
}
