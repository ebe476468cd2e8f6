#include <arpa/inet.h>
#include <sys/socket.h>

#include <stdio.h>
#include <string.h>

#include "base/mac.h"
#include "base/num.h"
#include "base/when.h"
#include "policy/parser.h"

#define COUNT(a)	(sizeof(a) / sizeof((a)[0]))

static struct node	*disjunction(struct parser *, int);

/* The words of the language; the order is that of the enumerations. */
static const char *const	 compliance_words[] = {
	[COMPLIANCE_PENDING] = "pending", [COMPLIANCE_COMPLIANT] = "compliant",
	[COMPLIANCE_NONCOMPLIANT] = "noncompliant", [COMPLIANCE_GRACE] = "grace",
	[COMPLIANCE_UNKNOWN] = "unknown", [COMPLIANCE_CONFLICT] = "conflict",
	[COMPLIANCE_ERROR] = "error", [COMPLIANCE_CONFIGMANAGER] = "configmanager",
	[COMPLIANCE_UNREGISTERED] = "unregistered", [COMPLIANCE_AMBIGUOUS] = "ambiguous",
};
static const char *const	 eap_words[] = {
	[EAP_NONE] = "none", [EAP_TLS] = "tls", [EAP_TTLS] = "ttls", [EAP_PEAP] = "peap",
	[EAP_OTHER] = "other",
};
static const char *const	 medium_words[] = {
	[MEDIUM_UNKNOWN] = "unknown", [MEDIUM_WIRED] = "wired",
	[MEDIUM_WIRELESS] = "wireless", [MEDIUM_VPN] = "vpn",
};
static const char *const	 matched_words[] = {
	[MATCH_NONE] = "none", [MATCH_GUID] = "guid", [MATCH_NAME] = "name",
	[MATCH_MAC] = "mac",
};

enum kind { KIND_SET, KIND_GLOB, KIND_NET, KIND_MAC, KIND_AGE, KIND_FLAG };

static const struct field_word {
	const char		*name;
	enum kind		 kind;
	const char *const	*words;		/* of a KIND_SET */
	size_t			 nwords;
} fields[FIELD_COUNT] = {
	[FIELD_COMPLIANCE] = { "compliance", KIND_SET, compliance_words, COUNT(compliance_words) },
	[FIELD_EAP] = { "eap", KIND_SET, eap_words, COUNT(eap_words) },
	[FIELD_MEDIUM] = { "medium", KIND_SET, medium_words, COUNT(medium_words) },
	[FIELD_MATCHED] = { "matched", KIND_SET, matched_words, COUNT(matched_words) },
	[FIELD_NAS_ID] = { "nas-id", KIND_GLOB, NULL, 0 },
	[FIELD_SSID] = { "ssid", KIND_GLOB, NULL, 0 },
	[FIELD_USER] = { "user", KIND_GLOB, NULL, 0 },
	[FIELD_REALM] = { "realm", KIND_GLOB, NULL, 0 },
	[FIELD_NAME] = { "name", KIND_GLOB, NULL, 0 },
	[FIELD_ISSUER] = { "issuer", KIND_GLOB, NULL, 0 },
	[FIELD_OS] = { "os", KIND_GLOB, NULL, 0 },
	[FIELD_OS_VERSION] = { "os-version", KIND_GLOB, NULL, 0 },
	[FIELD_OWNER] = { "owner", KIND_GLOB, NULL, 0 },
	[FIELD_SERIAL] = { "serial", KIND_GLOB, NULL, 0 },
	[FIELD_NAS] = { "nas", KIND_NET, NULL, 0 },
	[FIELD_MAC] = { "mac", KIND_MAC, NULL, 0 },
	[FIELD_AGE] = { "age", KIND_AGE, NULL, 0 },
	[FIELD_MANAGED] = { "managed", KIND_FLAG, NULL, 0 },
	[FIELD_RETIRING] = { "retiring", KIND_FLAG, NULL, 0 },
	[FIELD_WIPING] = { "wiping", KIND_FLAG, NULL, 0 },
	[FIELD_RANDOM_MAC] = { "random-mac", KIND_FLAG, NULL, 0 },
	[FIELD_FRESH] = { "fresh", KIND_FLAG, NULL, 0 },
	[FIELD_STALE] = { "stale", KIND_FLAG, NULL, 0 },
	[FIELD_AMBIGUOUS] = { "ambiguous", KIND_FLAG, NULL, 0 },
};

static bool
same(const struct token *t, const char *word)
{
	return *word == *t->text && strlen(word) == t->len &&
	    memcmp(word, t->text, t->len) == 0;
}

static struct node *
new_node(struct parser *p, enum node_kind kind, struct node *child)
{
	struct node	*n = policy_alloc(p->pol, sizeof(*n));

	n->kind = (uint8_t)kind;
	n->child = child;
	for (; child != NULL; child = child->next)
		if (child->height >= n->height)
			n->height = (uint16_t)(child->height + 1);
	return n;
}

/* A word that means something else: a value of this name needs quotes. */
static bool
at_reserved(const struct parser *p)
{
	return parser_at(p, "and") || parser_at(p, "or") || parser_at(p, "not") ||
	    parser_at(p, "if") || parser_at(p, "with") || parser_at(p, "is") ||
	    parser_at(p, "in") || parser_at(p, "when") || parser_at(p, "gives");
}

static void
set_value(struct parser *p, struct node *n)
{
	const struct field_word	*f = &fields[n->field];
	const char *const	*words = f->words;
	size_t			 i, count = f->nwords;
	char			 what[64];

	/* That the port type is not known is an absent fact, not a value. */
	if (n->field == FIELD_MEDIUM) {
		words++;
		count--;
	}
	for (i = 0; i < count; i++)
		if (same(&p->t, words[i])) {
			n->set |= UINT32_C(1) << (i + (size_t)(words - f->words));
			return;
		}
	snprintf(what, sizeof(what), "%s is never", f->name);
	parser_near(p, &p->t, what, parser_guess(p, &p->t, words, count, false));
}

static const char *
glob_value(struct parser *p, struct value *v)
{
	if (p->t.len == 0)
		return "an empty text matches nothing:";
	if (lexer_len(&p->t) > POLICY_VALUE)
		return "is too long a text:";
	v->text = parser_text(p, &p->t);
	return NULL;
}

/* An address, alone or with /bits. */
static const char *
net_value(struct parser *p, struct value *v)
{
	char		 text[INET6_ADDRSTRLEN + 8], *slash;
	const char	*why;
	int64_t		 bits;
	unsigned	 most, i;

	if (p->t.len >= sizeof(text))
		return "is no IP address:";
	lexer_copy(text, &p->t);
	if ((slash = strchr(text, '/')) != NULL)
		*slash = '\0';
	v->family = strchr(text, ':') != NULL ? AF_INET6 : AF_INET;
	bits = most = v->family == AF_INET6 ? 128 : 32;
	if (inet_pton(v->family, text, v->bytes) != 1)
		return "is no IP address:";
	if (slash != NULL && !num_parse(slash + 1, 0, most, &bits, &why))
		return "is no network (address/bits):";
	v->bits = (uint8_t)bits;
	for (i = v->bits; i < most; i++)
		if ((v->bytes[i / 8] & (0x80 >> i % 8)) != 0)
			return "has address bits behind its prefix:";
	return NULL;
}

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* A whole MAC in any usual form, or its first digits and `*`. */
static const char *
mac_value(struct parser *p, struct value *v)
{
	char		 text[32];
	size_t		 i, n, digits = 0;
	bool		 blank = true;	/* no digit since the last separator */
	int		 d;

	if (p->t.len >= sizeof(text))
		return "is no MAC address:";
	n = lexer_copy(text, &p->t);
	if (n == 0 || text[n - 1] != '*') {
		v->bits = 8 * MAC_LEN;
		return mac_parse(text, v->bytes) ? NULL : "is no MAC address:";
	}
	for (i = 0; i < n - 1; i++) {
		if ((d = hex_digit(text[i])) >= 0) {
			if (digits == 2 * MAC_LEN)
				return "is too long for a MAC address:";
			v->bytes[digits / 2] |= (uint8_t)(digits % 2 ? d : d << 4);
			digits++;
			blank = false;
		} else if (strchr(":-.", text[i]) == NULL || blank)
			return "is no beginning of a MAC address:";
		else
			blank = true;
	}
	v->bits = (uint8_t)(digits * 4);
	return NULL;
}

/* Reads one value of a test into n.  A bad one is reported and passed over. */
static bool
one_value(struct parser *p, struct node *n, struct value ***tail)
{
	enum kind	 kind = fields[n->field].kind;
	struct value	*v;
	const char	*fault;

	if ((p->t.kind != TOKEN_WORD && p->t.kind != TOKEN_STRING) || at_reserved(p))
		return parser_expected(p, "a value");
	if (kind == KIND_SET)
		set_value(p, n);
	else {
		v = policy_alloc(p->pol, sizeof(*v));
		fault = kind == KIND_GLOB ? glob_value(p, v) : kind == KIND_NET ?
		    net_value(p, v) : mac_value(p, v);
		if (fault != NULL)
			parser_fault(p, &p->t, fault);
		**tail = v;
		*tail = &v->next;
	}
	parser_next(p);
	return true;
}

static bool
values(struct parser *p, struct node *n, bool many)
{
	struct value	**tail = &n->values;

	if (!one_value(p, n, &tail))
		return false;
	while (p->t.kind == TOKEN_COMMA) {
		if (!many) {
			parser_fault(p, &p->t, "for more than one value write in, not is:");
			many = true;
		}
		parser_next(p);
		if (!one_value(p, n, &tail))
			return false;
	}
	return true;
}

static struct node *
age_test(struct parser *p, struct node *n)
{
	char	 text[32];

	switch (p->t.kind) {
	case TOKEN_LT:
		n->compare = COMPARE_LT;
		break;
	case TOKEN_LE:
		n->compare = COMPARE_LE;
		break;
	case TOKEN_GT:
		n->compare = COMPARE_GT;
		break;
	case TOKEN_GE:
		n->compare = COMPARE_GE;
		break;
	default:
		parser_expected(p, "<, <=, > or >= behind age");
		return NULL;
	}
	parser_next(p);
	if (p->t.kind != TOKEN_WORD) {
		parser_expected(p, "a span of time such as 12h");
		return NULL;
	}
	if (p->t.len >= sizeof(text) || (lexer_copy(text, &p->t), !when_span(text, &n->seconds)))
		parser_fault(p, &p->t, "is no span of time (try 12h):");
	parser_next(p);
	return n;
}

/* What stands behind a field: is, is not, in, not in and the values. */
static struct node *
test(struct parser *p, enum field field)
{
	struct node	*n = new_node(p, NODE_TEST, NULL);
	bool		 negated = false, many = false;

	n->field = (uint8_t)field;
	parser_next(p);
	if (fields[field].kind == KIND_FLAG)
		return n;
	if (fields[field].kind == KIND_AGE)
		return age_test(p, n);
	if (parser_at(p, "is")) {
		parser_next(p);
		if ((negated = parser_at(p, "not")))
			parser_next(p);
	} else {
		if ((negated = parser_at(p, "not")))
			parser_next(p);
		if (!parser_at(p, "in")) {
			parser_expected(p, negated ? "in" : "is, in or not in");
			return NULL;
		}
		many = true;
		parser_next(p);
	}
	if (!values(p, n, many))
		return NULL;
	return negated ? new_node(p, NODE_NOT, n) : n;
}

static struct node *
label_test(struct parser *p)
{
	struct node		*n;
	const struct label	*l;

	l = parser_label(p, p->t.text, p->t.len);
	n = new_node(p, NODE_LABEL, NULL);
	if (l == NULL || l->open || (l->when == NULL && !l->broken))
		parser_no_label(p, &p->t, l);
	else if (l->when != NULL) {
		n->label = l;
		n->height = (uint16_t)(l->when->height + 1);
	}
	parser_next(p);
	return n;
}

static void
unknown_word(struct parser *p)
{
	const char	*names[FIELD_COUNT], *near = NULL;
	char		 guess[64];
	size_t		 i;

	for (i = 0; i < COUNT(compliance_words); i++)
		if (same(&p->t, compliance_words[i])) {
			snprintf(guess, sizeof(guess), "compliance is %s", compliance_words[i]);
			near = guess;
		}
	for (i = 0; i < FIELD_COUNT; i++)
		names[i] = fields[i].name;
	if (near == NULL)
		near = parser_guess(p, &p->t, names, FIELD_COUNT, true);
	parser_near(p, &p->t, "unknown condition", near);
}

static struct node *
atom(struct parser *p, int depth)
{
	struct node	*n;
	size_t		 i;

	if (p->t.kind == TOKEN_OPEN) {
		if (depth >= POLICY_NESTING) {
			parser_fault(p, &p->t, "parentheses are nested too deeply:");
			return NULL;
		}
		parser_next(p);
		if ((n = disjunction(p, depth + 1)) == NULL)
			return NULL;
		if (p->t.kind != TOKEN_CLOSE) {
			parser_expected(p, "and, or or )");
			return NULL;
		}
		parser_next(p);
		return n;
	}
	if (p->t.kind != TOKEN_WORD || at_reserved(p)) {
		parser_expected(p, "a condition");
		return NULL;
	}
	if (p->t.text[0] >= 'A' && p->t.text[0] <= 'Z')
		return label_test(p);
	for (i = 0; i < FIELD_COUNT; i++)
		if (same(&p->t, fields[i].name))
			return test(p, (enum field)i);
	unknown_word(p);
	return NULL;
}

static struct node *
negation(struct parser *p, int depth)
{
	struct node	*n;
	bool		 negated = false;

	/* A loop, so that a line of nothing but `not` cannot use up the stack. */
	for (; parser_at(p, "not"); parser_next(p))
		negated = !negated;
	if ((n = atom(p, depth)) == NULL)
		return NULL;
	return negated ? new_node(p, NODE_NOT, n) : n;
}

/* A list of parts joined by a word; one part alone is itself. */
static struct node *
list(struct parser *p, int depth, const char *word, enum node_kind kind,
    struct node *(*part)(struct parser *, int))
{
	struct node	*first, **tail;

	if ((first = part(p, depth)) == NULL || !parser_at(p, word))
		return first;
	for (tail = &first->next; parser_at(p, word); tail = &(*tail)->next) {
		parser_next(p);
		if ((*tail = part(p, depth)) == NULL)
			return NULL;
	}
	return new_node(p, kind, first);
}

static struct node *
conjunction(struct parser *p, int depth)
{
	return list(p, depth, "and", NODE_AND, negation);
}

static struct node *
disjunction(struct parser *p, int depth)
{
	return list(p, depth, "or", NODE_OR, conjunction);
}

struct node *
condition_parse(struct parser *p)
{
	struct token	 first = p->t;
	struct node	*n = disjunction(p, 0);

	/* What is parsed without recursion is still walked with it. */
	if (n != NULL && n->height > POLICY_NESTING) {
		parser_fault(p, &first, "the condition is nested too deeply (labels count), from");
		return NULL;
	}
	return n;
}
