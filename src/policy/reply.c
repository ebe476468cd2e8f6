#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/num.h"
#include "base/text.h"
#include "base/when.h"
#include "policy/parser.h"

enum word { WORD_VLAN, WORD_ROLE, WORD_TIMEOUT, WORD_COUNT };

static const char *const	 words[WORD_COUNT] = {
	[WORD_VLAN] = "vlan", [WORD_ROLE] = "role", [WORD_TIMEOUT] = "session-timeout",
};

/* An attribute's name without its ":0", which says the same as no tag. */
static size_t
name_len(const char *name)
{
	size_t	 n = strlen(name);

	return n > 2 && name[n - 2] == ':' && name[n - 1] == '0' ? n - 2 : n;
}

static bool
same_name(const char *a, const char *b)
{
	return name_len(a) == name_len(b) && strncasecmp(a, b, name_len(a)) == 0;
}

/* How many bytes an attribute takes when it is printed: name op "value",\n */
static size_t
printed(const struct reply_attr *a)
{
	size_t		 n = strlen(a->name) + strlen(a->op) + strlen(a->value) + 4;
	const char	*s;

	for (s = a->value; a->quoted && *s != '\0'; s++)
		n += *s == '"' || *s == '\\';
	return n + (a->quoted ? 2 : 0);
}

/* Adds one attribute; t is the word to be named if that cannot be. */
static void
add(struct parser *p, struct gift *g, const struct token *t, const struct reply_attr *a)
{
	size_t	 i;

	for (i = 0; i < g->nattr; i++)
		if (strcmp(a->op, "+=") != 0 && same_name(g->attr[i].name, a->name)) {
			parser_fault(p, t, "is set already in this statement (+= adds):");
			return;
		}
	if (g->nattr == POLICY_ATTRS) {
		parser_fault(p, t, "are too many reply attributes, from");
		return;
	}
	g->bytes += printed(a);
	if (g->bytes > POLICY_REPLY) {
		parser_fault(p, t, "makes the reply longer than a RADIUS server takes safely:");
		g->bytes = 0;
	}
	g->attr[g->nattr++] = *a;
}

static void
add_plain(struct parser *p, struct gift *g, const struct token *t, const char *name,
    const char *op, const char *value, bool quoted)
{
	struct reply_attr	 a = { name, op, value, quoted };

	add(p, g, t, &a);
}

/* What no reply value may hold: FreeRADIUS would expand it, drop it or stop. */
static const char *
value_fault(const struct token *t)
{
	size_t	 i;

	if (t->len == 0)
		return "an empty value:";
	if (lexer_len(t) > POLICY_VALUE)
		return "is longer than an attribute:";
	if (t->text[0] == '#')
		return "a value must not begin with #:";
	for (i = 0; i < t->len; i++) {
		if (t->text[i] == '`')
			return "a value must not have a backquote:";
		if (t->text[i] == '%' && i + 1 < t->len && t->text[i + 1] == '{')
			return "a value must not have %{ (the server would expand it):";
	}
	return NULL;
}

/* Bytes of numbers, addresses and the dictionary's words: no quotes needed. */
static bool
is_bare(const struct token *t)
{
	size_t	 i;
	char	 c;

	if (t->kind != TOKEN_WORD)
		return false;
	for (i = 0; i < t->len; i++) {
		c = t->text[i];
		if (!((c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') ||
		    strchr(".-_:/", c) != NULL))
			return false;
	}
	return true;
}

static const char *
vlan_value(struct parser *p, const struct token *t)
{
	char		 text[POLICY_VALUE + 1];
	const char	*why;
	char		*copy;
	int64_t		 n;

	lexer_copy(text, t);
	if (strspn(text, "-0123456789") != strlen(text))
		return parser_text(p, t);
	if (!num_parse(text, 1, 4094, &n, &why)) {
		parser_fault(p, t, "is no VLAN (1 to 4094):");
		return NULL;
	}
	copy = policy_alloc(p->pol, 8);
	snprintf(copy, 8, "%d", (int)n);
	return copy;
}

static void
give_vlan(struct parser *p, struct gift *g, const struct token *t, const struct token *value)
{
	const char	*v;

	if ((v = vlan_value(p, value)) == NULL)
		return;
	if (g->vlan == NULL)
		g->vlan = v;
	/* RFC 3580, section 3.31; tag 0 is no tag. */
	add_plain(p, g, t, "Tunnel-Type:0", ":=", "VLAN", false);
	if (g->vlan != v)
		return;
	add_plain(p, g, t, "Tunnel-Medium-Type:0", ":=", "IEEE-802", false);
	add_plain(p, g, t, "Tunnel-Private-Group-Id:0", ":=", v, true);
}

static void
give_role(struct parser *p, struct gift *g, const struct token *t, const struct token *value)
{
	const char	*v = parser_text(p, value);

	if (g->role == NULL)
		g->role = v;
	add_plain(p, g, t, "Filter-Id", ":=", v, true);
}

static void
give_timeout(struct parser *p, struct gift *g, const struct token *t,
    const struct token *value)
{
	char	 text[32], *copy;
	int64_t	 n;

	if (value->len >= sizeof(text) || (lexer_copy(text, value), !when_span(text, &n)) ||
	    n == 0 || n > UINT32_MAX) {
		parser_fault(p, value, "is no span of time (try 8h):");
		return;
	}
	copy = policy_alloc(p->pol, 12);
	snprintf(copy, 12, "%u", (unsigned)n);
	g->session_timeout = true;
	add_plain(p, g, t, "Session-Timeout", ":=", copy, false);
	/* RFC 2869, section 2.2: ask again when the time is over, do not cut off. */
	add_plain(p, g, t, "Termination-Action", ":=", "RADIUS-Request", false);
}

static const char *
name_fault(const struct token *t)
{
	static const char	 exec[] = "Exec-Program";
	const char		*tag = memchr(t->text, ':', t->len);
	size_t			 i, n = tag != NULL ? (size_t)(tag - t->text) : t->len;
	int			 v = 0;

	if (n == 0 || n > 64)
		return "is no attribute name:";
	for (i = 0; i < n; i++)
		if (!((t->text[i] >= '0' && t->text[i] <= '9') || t->text[i] == '.' ||
		    t->text[i] == '-' || ((t->text[i] | 0x20) >= 'a' &&
		    (t->text[i] | 0x20) <= 'z')))
			return "is no attribute name:";
	if (n >= sizeof(exec) - 1 && strncasecmp(t->text, exec, sizeof(exec) - 1) == 0)
		return "would make the RADIUS server run a program:";
	if (tag == NULL)
		return NULL;
	for (i = n + 1; i < t->len && i < n + 4; i++) {
		if (t->text[i] < '0' || t->text[i] > '9')
			return "the tag must be a number from 0 to 31:";
		v = v * 10 + t->text[i] - '0';
	}
	return t->len == n + 1 || i < t->len || v > 31 ?
	    "the tag must be a number from 0 to 31:" : NULL;
}

/* Gives all that a label gives. */
static void
give_label(struct parser *p, struct gift *g, const struct token *t)
{
	const struct label	*l = parser_label(p, t->text, t->len);
	size_t			 i;

	if (l == NULL || l->open || (l->gives == NULL && !l->broken)) {
		parser_no_label(p, t, l);
		return;
	}
	if (l->gives == NULL)
		return;
	for (i = 0; i < l->gives->nattr; i++)
		add(p, g, t, &l->gives->attr[i]);
	if (g->vlan == NULL)
		g->vlan = l->gives->vlan;
	if (g->role == NULL)
		g->role = l->gives->role;
	g->session_timeout |= l->gives->session_timeout;
}

static bool
at_value(const struct parser *p)
{
	return p->t.kind == TOKEN_STRING || (p->t.kind == TOKEN_WORD && !parser_at(p, "if"));
}

/* Behind a part of a reply: so a name alone was a label's. */
static bool
at_end(const struct parser *p)
{
	return p->t.kind == TOKEN_COMMA || p->t.kind == TOKEN_END ||
	    p->t.kind == TOKEN_EOF || parser_at(p, "if");
}

/* `Name value`, `Name op value`; the name is in t and the next token current. */
static bool
give_attribute(struct parser *p, struct gift *g, const struct token *t)
{
	const char	*op = ":=", *fault = name_fault(t), *value;

	if (fault != NULL)
		parser_fault(p, t, fault);
	if (p->t.kind == TOKEN_EQ || p->t.kind == TOKEN_SET || p->t.kind == TOKEN_ADD) {
		op = p->t.kind == TOKEN_EQ ? "=" : p->t.kind == TOKEN_SET ? ":=" : "+=";
		parser_next(p);
	}
	if (!at_value(p))
		return parser_expected(p, "a value");
	if ((value = value_fault(&p->t)) != NULL)
		parser_fault(p, &p->t, value);
	else if (fault == NULL)
		add_plain(p, g, t, parser_text(p, t), op, parser_text(p, &p->t),
		    !is_bare(&p->t));
	parser_next(p);
	return true;
}

static bool
give_word(struct parser *p, struct gift *g, const struct token *t, enum word which)
{
	const char	*fault;
	char		 what[64];

	if (!at_value(p)) {
		snprintf(what, sizeof(what), "a value behind %s", words[which]);
		return parser_expected(p, what);
	}
	if ((fault = value_fault(&p->t)) != NULL)
		parser_fault(p, &p->t, fault);
	else if (which == WORD_VLAN)
		give_vlan(p, g, t, &p->t);
	else if (which == WORD_ROLE)
		give_role(p, g, t, &p->t);
	else
		give_timeout(p, g, t, &p->t);
	parser_next(p);
	return true;
}

static bool
give(struct parser *p, struct gift *g)
{
	struct token	 t = p->t;
	int		 i;

	if (t.kind != TOKEN_WORD || parser_at(p, "if"))
		return parser_expected(p, "a label, vlan, role or an attribute");
	for (i = 0; i < WORD_COUNT && !parser_at(p, words[i]); i++)
		;
	parser_next(p);
	if (i < WORD_COUNT)
		return give_word(p, g, &t, (enum word)i);
	/* Small letters are the language's own, so that it can learn new words. */
	if (t.text[0] >= 'a' && t.text[0] <= 'z') {
		parser_near(p, &t, "unknown word", parser_guess(p, &t, words, WORD_COUNT, true));
		return at_end(p);
	}
	if (!at_end(p))
		return give_attribute(p, g, &t);
	give_label(p, g, &t);
	return true;
}

/* The gift of the label that t names, if that and nothing else was given. */
static struct gift *
shared(const struct parser *p, const struct gift *g, const struct token *t)
{
	const struct label	*l = parser_label(p, t->text, t->len);

	return l != NULL && l->gives != NULL && g->nattr > 0 &&
	    g->nattr == l->gives->nattr && g->attr[0].name == l->gives->attr[0].name ?
	    l->gives : NULL;
}

struct gift *
reply_parse(struct parser *p)
{
	struct reply_attr	 attr[POLICY_ATTRS];
	struct gift		 g = { .attr = attr }, *out;
	struct token		 first = p->t;

	if (!give(p, &g))
		return NULL;
	if (p->t.kind != TOKEN_COMMA && (out = shared(p, &g, &first)) != NULL)
		return out;
	while (p->t.kind == TOKEN_COMMA) {
		parser_next(p);
		if (!give(p, &g))
			return NULL;
	}
	out = policy_alloc(p->pol, sizeof(*out));
	*out = g;
	out->attr = policy_alloc(p->pol, g.nattr * sizeof(*attr));
	memcpy(out->attr, attr, g.nattr * sizeof(*attr));
	return out;
}
