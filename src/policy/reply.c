#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/num.h"
#include "base/text.h"
#include "base/when.h"
#include "policy/parser.h"
#include "policy/setting.h"

#define REMEDIATION	"https://portal.manage.microsoft.com"

/* The words of a reply.  The first four mean other attributes on other NASes. */
enum part {
	PART_ROLE = WORD_ROLE, PART_FILTER = WORD_FILTER, PART_ACL = WORD_ACL,
	PART_REDIRECT = WORD_REDIRECT, PART_VLAN, PART_TIMEOUT, PART_DISCONNECT, PART_IDLE,
	PART_LOG, PART_COA, PART_MFA, PART_COUNT
};

static const char *const	 words[PART_COUNT] = {
	[PART_ROLE] = "role", [PART_FILTER] = "filter", [PART_ACL] = "acl",
	[PART_REDIRECT] = "redirect", [PART_VLAN] = "vlan",
	[PART_TIMEOUT] = "session-timeout", [PART_DISCONNECT] = "disconnect-after",
	[PART_IDLE] = "idle-timeout", [PART_LOG] = "log", [PART_COA] = "coa",
	[PART_MFA] = "mfa",
};

const char *const	 mfa_words[MFA_COUNT + 1] = {
	[MFA_UNSET] = "", [MFA_SIGN_ON] = "sign-on", [MFA_SESSION] = "session",
	[MFA_DAILY] = "daily", [MFA_WEEKLY] = "weekly", [MFA_MONTHLY] = "monthly",
	[MFA_SIX_MONTHS] = "six-months", [MFA_ONCE] = "once", [MFA_COUNT] = NULL
};
const char *const	 coa_words[] = { "none", "reauth", "bounce", "disconnect", NULL };

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
text_fault(const char *text, size_t len)
{
	size_t	 i;

	if (len == 0)
		return "an empty value:";
	if (text[0] == '#')
		return "a value must not begin with #:";
	for (i = 0; i < len; i++) {
		if (text[i] == '`')
			return "a value must not have a backquote:";
		if (text[i] == '%' && i + 1 < len && text[i + 1] == '{')
			return "a value must not have %{ (the server would expand it):";
	}
	return NULL;
}

static const char *
value_fault(const struct token *t)
{
	return lexer_len(t) > POLICY_VALUE ? "is longer than an attribute:" :
	    text_fault(t->text, t->len);
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

/* RFC 4675, section 2.1 and 2.3: a VLAN whose frames keep their tag. */
static void
give_tagged(struct parser *p, struct gift *g, const struct token *t, const char *v)
{
	const char	*why;
	int64_t		 id;
	size_t		 n = strlen(v);
	char		*copy = policy_alloc(p->pol, n + 12);

	if (num_parse(v, 1, 4094, &id, &why)) {
		snprintf(copy, n + 12, "%u", 0x31000000u + (unsigned)id);
		add_plain(p, g, t, "Egress-VLANID", "+=", copy, false);
	} else {
		snprintf(copy, n + 12, "1%s", v);
		add_plain(p, g, t, "Egress-VLAN-Name", "+=", copy, true);
	}
}

static void
give_vlan(struct parser *p, struct gift *g, const struct token *t, const char *v)
{
	if (v == NULL)
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

/* RFC 2869, section 2.2: when the time is over, Termination-Action says whether
 * the client is asked again or cut off. */
static void
give_timeout(struct parser *p, struct gift *g, const struct token *t, enum part part,
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
	if (part == PART_IDLE) {
		add_plain(p, g, t, "Idle-Timeout", ":=", copy, false);
		return;
	}
	add_plain(p, g, t, "Session-Timeout", ":=", copy, false);
	add_plain(p, g, t, "Termination-Action", ":=", part == PART_TIMEOUT ?
	    "RADIUS-Request" : "Default", false);
}

/* What a role, a filter, ... is where nobody has said something else. */
static void
give_usual(struct parser *p, struct gift *g, const struct token *t, enum word word,
    const char *v)
{
	char	*copy;
	size_t	 n = strlen(v) + sizeof("url-redirect=");

	switch (word) {
	case WORD_ROLE:
	case WORD_FILTER:
		add_plain(p, g, t, "Filter-Id", ":=", v, true);
		break;
	case WORD_ACL:
		/* RFC 4849. */
		add_plain(p, g, t, "NAS-Filter-Rule", "+=", v, true);
		break;
	default:
		copy = policy_alloc(p->pol, n);
		snprintf(copy, n, "url-redirect=%s", v);
		if (strlen(copy) > POLICY_VALUE)
			parser_fault(p, t, "is longer than an attribute:");
		add_plain(p, g, t, "Cisco-AVPair", "+=", copy, true);
		add_plain(p, g, t, "Cisco-AVPair", "+=", "url-redirect-acl=REDIRECT", true);
		break;
	}
}

static bool
in_name(char c)
{
	return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || c == '_';
}

/* a's value with each $NAME of the word replaced by v. */
static struct reply_attr
substitute(struct parser *p, const struct token *t, const struct reply_attr *a,
    enum word word, const char *v)
{
	struct reply_attr	 out = *a;
	const char		*s, *hit, *fault;
	char			*copy, *d;
	size_t			 n = 0, name = strlen(words[word]);

	for (s = a->value; (s = strchr(s, '$')) != NULL; s++)
		n++;
	if (n == 0)
		return out;
	copy = d = policy_alloc(p->pol, strlen(a->value) + n * strlen(v) + 1);
	for (s = a->value; (hit = strchr(s, '$')) != NULL; ) {
		memcpy(d, s, (size_t)(hit - s));
		d += hit - s;
		s = hit + 1;
		/* $roles is not $role and an s; $role-x is $role and -x. */
		if (strncmp(s, words[word], name) == 0 && !in_name(s[name])) {
			memcpy(d, v, strlen(v));
			d += strlen(v);
			s += name;
		} else
			*d++ = '$';
	}
	memcpy(d, s, strlen(s));
	out.value = copy;
	out.quoted = true;
	if ((fault = text_fault(copy, strlen(copy))) != NULL || strlen(copy) > POLICY_VALUE)
		parser_fault(p, t, fault != NULL ? fault : "is longer than an attribute:");
	return out;
}

/* Adds c behind those that are there and the attributes that are: what is given
 * first is sent first. */
static void
add_choice(struct gift *g, struct choice *c, size_t before)
{
	struct choice	**at;

	g->nchoices++;
	for (at = &g->choices; *at != NULL; at = &(*at)->next)
		;
	c->before = before;
	c->next = NULL;
	*at = c;
}

/* Each gives one attribute at least.  Reported. */
static bool
too_many(struct parser *p, const struct gift *g, const struct token *t)
{
	if (g->nchoices < POLICY_ATTRS)
		return false;
	parser_fault(p, t, "are too many reply attributes, from");
	return true;
}

/* A word with meanings of the site's own: one of them is taken with each
 * decision, by its condition. */
static void
give_choice(struct parser *p, struct gift *g, const struct token *t, enum word word,
    const char *v)
{
	struct choice		*c;
	struct reply_attr	 usual[4] = { 0 };
	struct gift		 last = { .attr = usual };
	const struct variant	*var;
	size_t			 i;

	if (too_many(p, g, t))
		return;
	c = policy_alloc(p->pol, sizeof(*c));
	c->word = word;
	for (var = p->pol->variants[word]; var != NULL; var = var->next) {
		c->of[c->n].when = var->when;
		c->of[c->n].nattr = var->gives->nattr;
		c->of[c->n].attr = policy_alloc(p->pol, var->gives->nattr * sizeof(*usual));
		for (i = 0; i < var->gives->nattr; i++)
			c->of[c->n].attr[i] = substitute(p, t, &var->gives->attr[i], word, v);
		c->n++;
		if (var->when == NULL)
			break;
	}
	if (var == NULL) {
		give_usual(p, &last, t, word, v);
		c->of[c->n].nattr = last.nattr;
		c->of[c->n].attr = policy_alloc(p->pol, last.nattr * sizeof(*usual));
		memcpy(c->of[c->n].attr, usual, last.nattr * sizeof(*usual));
		c->n++;
	}
	add_choice(g, c, g->nattr);
}

static void
give_meaning(struct parser *p, struct gift *g, const struct token *t, enum word word,
    const char *v)
{
	g->access = true;
	if (word == WORD_ROLE && g->role == NULL)
		g->role = v;
	if (word == WORD_REDIRECT && g->redirect == NULL)
		g->redirect = v;
	if (!p->in_word)
		p->word_used[word] = true;
	if (p->pol->variants[word] != NULL && !p->in_word)
		give_choice(p, g, t, word, v);
	else
		give_usual(p, g, t, word, v);
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

/* For what can be said once. */
static bool
unset(struct parser *p, const struct token *t, bool is_unset)
{
	if (!is_unset)
		parser_fault(p, t, "is given already in this statement:");
	return is_unset;
}

static void
give_tag(struct parser *p, struct gift *g, const struct token *t, const char *tag)
{
	if (strlen(tag) > POLICY_TAG)
		parser_fault(p, t, "is too long a word for the log:");
	else if (g->ntag == POLICY_TAGS)
		parser_fault(p, t, "are too many words for the log, from");
	else
		g->tag[g->ntag++] = tag;
}

/* Gives all that a label gives. */
static void
give_label(struct parser *p, struct gift *g, const struct token *t)
{
	struct label		*l = parser_label(p, t->text, t->len);
	const struct choice	*c;
	struct choice		*copy;
	size_t			 before = g->nattr, i;

	if (l == NULL || l->open || (l->gives == NULL && !l->broken)) {
		parser_no_label(p, t, l);
		return;
	}
	l->used = true;
	if (l->gives == NULL)
		return;
	g->label = true;
	for (i = 0; i < l->gives->nattr; i++)
		add(p, g, t, &l->gives->attr[i]);
	for (i = 0; i < l->gives->ntag; i++)
		give_tag(p, g, t, l->gives->tag[i]);
	for (c = l->gives->choices; c != NULL && !too_many(p, g, t); c = c->next) {
		copy = policy_alloc(p->pol, sizeof(*copy));
		*copy = *c;
		add_choice(g, copy, before + c->before);
	}
	if (g->vlan == NULL)
		g->vlan = l->gives->vlan;
	if (g->role == NULL)
		g->role = l->gives->role;
	if (g->redirect == NULL)
		g->redirect = l->gives->redirect;
	if (l->gives->coa != NULL && unset(p, t, g->coa == NULL))
		g->coa = l->gives->coa;
	if (l->gives->mfa != MFA_UNSET && unset(p, t, g->mfa == MFA_UNSET))
		g->mfa = l->gives->mfa;
	g->access |= l->gives->access;
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

/* The value of a part: the current token, or what the variable there stands for. */
static bool
take_value(struct parser *p, struct token *value)
{
	const struct variable	*var;
	const char		*fault;

	*value = p->t;
	if (variable_here(p) && !p->in_word) {
		if ((var = variable_use(p)) == NULL)
			return false;
		*value = variable_token(var, 0, &p->t);
		if (var->n > 1) {
			parser_fault(p, &p->t, "has more than one value:");
			return false;
		}
	}
	if ((fault = value_fault(value)) == NULL)
		return true;
	parser_fault(p, value, fault);
	return false;
}

/* A number there is a VLAN's, however it is written. */
static const char *
raw_vlan_fault(const struct token *name, const struct token *value)
{
	static const char	 id[] = "Tunnel-Private-Group-Id";
	const char		*why;
	char			 text[POLICY_VALUE + 1];
	int64_t			 n;

	if (name->len < sizeof(id) - 1 || strncasecmp(name->text, id, sizeof(id) - 1) != 0 ||
	    (name->len > sizeof(id) - 1 && name->text[sizeof(id) - 1] != ':'))
		return NULL;
	lexer_copy(text, value);
	if (strspn(text, "-0123456789") != strlen(text) || num_parse(text, 1, 4094, &n, &why))
		return NULL;
	return "is no VLAN (1 to 4094):";
}

/* `Name value`, `Name op value`; the name is in t and the next token current. */
static bool
give_attribute(struct parser *p, struct gift *g, const struct token *t)
{
	const char	*op = ":=", *fault = name_fault(t);
	struct token	 value;

	if (fault != NULL)
		parser_fault(p, t, fault);
	if (p->t.kind == TOKEN_EQ || p->t.kind == TOKEN_SET || p->t.kind == TOKEN_ADD) {
		op = p->t.kind == TOKEN_EQ ? "=" : p->t.kind == TOKEN_SET ? ":=" : "+=";
		parser_next(p);
	}
	if (!at_value(p))
		return parser_expected(p, "a value");
	if (take_value(p, &value) && fault == NULL) {
		if ((fault = raw_vlan_fault(t, &value)) != NULL)
			parser_fault(p, &value, fault);
		else
			add_plain(p, g, t, parser_text(p, t), op, parser_text(p, &value),
			    !is_bare(&value));
	}
	parser_next(p);
	return true;
}

/* coa none, mfa daily: a word out of a list. */
static void
give_listed(struct parser *p, struct gift *g, const struct token *t, enum part part,
    const struct token *value)
{
	const char *const	*list = part == PART_COA ? coa_words : mfa_words + 1;
	char			 what[32];
	size_t			 i, n;

	for (n = 0; list[n] != NULL; n++)
		;
	for (i = 0; i < n; i++)
		if (strlen(list[i]) == value->len && memcmp(list[i], value->text, value->len) == 0)
			break;
	if (i == n) {
		snprintf(what, sizeof(what), "%s is never", words[part]);
		parser_near(p, value, what, parser_guess(p, value, list, n, false));
	} else if (part == PART_COA && unset(p, t, g->coa == NULL))
		g->coa = list[i];
	else if (part == PART_MFA && unset(p, t, g->mfa == MFA_UNSET)) {
		g->mfa = (enum mfa)(i + 1);
		g->access = true;
	}
}

/* Behind vlan and its value: tagged and untagged; the current token is the value. */
static void
give_vlan_word(struct parser *p, struct gift *g, const struct token *t,
    const struct token *value)
{
	const char	*v = vlan_value(p, value);

	g->access = true;
	parser_next(p);
	if (parser_at(p, "tagged")) {
		parser_next(p);
		if (v != NULL)
			give_tagged(p, g, t, v);
		return;
	}
	if (parser_at(p, "untagged"))
		parser_next(p);
	give_vlan(p, g, t, v);
}

static bool
give_word(struct parser *p, struct gift *g, const struct token *t, enum part part)
{
	struct token	 value;
	char		 what[64];

	if (!at_value(p)) {
		if (part == PART_REDIRECT && at_end(p)) {
			give_meaning(p, g, t, WORD_REDIRECT, REMEDIATION);
			return true;
		}
		snprintf(what, sizeof(what), "a value behind %s", words[part]);
		return parser_expected(p, what);
	}
	if (!take_value(p, &value)) {
		parser_next(p);
		return true;
	}
	switch (part) {
	case PART_VLAN:
		give_vlan_word(p, g, t, &value);
		return true;
	case PART_TIMEOUT:
	case PART_DISCONNECT:
	case PART_IDLE:
		g->access = true;
		give_timeout(p, g, t, part, &value);
		break;
	case PART_LOG:
		give_tag(p, g, &value, parser_text(p, &value));
		break;
	case PART_COA:
	case PART_MFA:
		give_listed(p, g, t, part, &value);
		break;
	default:
		give_meaning(p, g, t, (enum word)part, parser_text(p, &value));
		break;
	}
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
	for (i = 0; i < PART_COUNT && !parser_at(p, words[i]); i++)
		;
	parser_next(p);
	if (i < PART_COUNT)
		return give_word(p, g, &t, (enum part)i);
	if (at_end(p) && ((t.len == 6 && memcmp(t.text, "tagged", 6) == 0) ||
	    (t.len == 8 && memcmp(t.text, "untagged", 8) == 0))) {
		parser_fault(p, &t, "belongs behind its VLAN, without a comma:");
		return true;
	}
	/* Small letters are the language's own, so that it can learn new words. */
	if (t.text[0] >= 'a' && t.text[0] <= 'z') {
		parser_near(p, &t, "unknown word", parser_guess(p, &t, words, PART_COUNT, true));
		return at_end(p);
	}
	if (!at_end(p))
		return give_attribute(p, g, &t);
	give_label(p, g, &t);
	return true;
}

/* Whether two attributes cannot stand in one reply. */
static bool
clash(const struct reply_attr *a, const struct reply_attr *b)
{
	return (strcmp(a->op, "+=") != 0 || strcmp(b->op, "+=") != 0) &&
	    same_name(a->name, b->name);
}

static bool
clashes(const struct reply_attr *a, size_t na, const struct reply_attr *b, size_t nb)
{
	size_t	 i, k;

	for (i = 0; i < na; i++)
		for (k = 0; k < nb; k++)
			if (clash(&a[i], &b[k]))
				return true;
	return false;
}

/* Whichever of its meanings each word has, the reply must be a good one. */
static void
check_choices(struct parser *p, const struct gift *g, const struct token *t)
{
	const struct choice	*c, *d;
	size_t			 bytes = g->bytes, nattr = g->nattr, i, k, n, most, many;

	for (c = g->choices; c != NULL; c = c->next) {
		for (i = 0, most = 0, many = 0; i < c->n; i++) {
			bool	 bad = clashes(c->of[i].attr, c->of[i].nattr, g->attr, g->nattr);

			for (d = c->next; d != NULL && !bad; d = d->next)
				for (k = 0; k < d->n && !bad; k++)
					bad = clashes(c->of[i].attr, c->of[i].nattr,
					    d->of[k].attr, d->of[k].nattr);
			if (bad) {
				parser_fault(p, t,
				    "a word's attribute is set already in this statement, from");
				return;
			}
			for (k = 0, n = 0; k < c->of[i].nattr; k++)
				n += printed(&c->of[i].attr[k]);
			most = n > most ? n : most;
			many = c->of[i].nattr > many ? c->of[i].nattr : many;
		}
		bytes += most;
		nattr += many;
	}
	if (bytes > POLICY_REPLY || nattr > POLICY_ATTRS)
		parser_fault(p, t, bytes > POLICY_REPLY ?
		    "the reply is longer than a RADIUS server takes safely, from" :
		    "are too many reply attributes, from");
}

struct gift *
reply_parse(struct parser *p)
{
	struct reply_attr	 attr[POLICY_ATTRS];
	struct gift		 g = { .attr = attr }, *out;
	struct token		 first = p->t;
	const struct label	*l;
	int			 errors = p->errors;

	if (!give(p, &g))
		return NULL;
	/* A label and nothing else: most rules are of this kind, and share what it
	 * gives.  `Filter-Id x` is no label, whatever labels there are. */
	if (p->t.kind != TOKEN_COMMA && p->errors == errors && g.label &&
	    (l = parser_label(p, first.text, first.len)) != NULL && l->gives != NULL)
		return l->gives;
	while (p->t.kind == TOKEN_COMMA) {
		parser_next(p);
		if (!give(p, &g))
			return NULL;
	}
	if (g.choices != NULL)
		check_choices(p, &g, &first);
	out = policy_alloc(p->pol, sizeof(*out));
	*out = g;
	out->attr = policy_alloc(p->pol, g.nattr * sizeof(*attr));
	memcpy(out->attr, attr, g.nattr * sizeof(*attr));
	return out;
}

struct gift *
reply_parse_word(struct parser *p)
{
	struct gift	*g;

	p->in_word = true;
	g = reply_parse(p);
	p->in_word = false;
	return g;
}
