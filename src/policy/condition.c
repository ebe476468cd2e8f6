#include <stdio.h>
#include <string.h>

#include "policy/advice.h"
#include "policy/list.h"
#include "policy/parser.h"
#include "policy/setting.h"
#include "policy/values.h"

#define NAMES	64	/* of zones or lists, to guess at what was meant */

static struct node	*disjunction(struct parser *, int);

static struct node *
new_node(struct parser *p, enum node_kind kind, struct node *child)
{
	struct node	*n = policy_alloc(p->pol, sizeof(*n));

	n->kind = (uint8_t)kind;
	n->child = child;
	n->line = child != NULL ? child->line : p->t.line;
	n->column = child != NULL ? child->column : p->t.column <= UINT16_MAX ?
	    (uint16_t)p->t.column : 0;
	/* All of a conjunction is true, and one part of it at least is false. */
	n->issuer_if_true = kind == NODE_OR;
	n->issuer_if_false = kind == NODE_AND;
	for (; child != NULL; child = child->next) {
		if (child->height >= n->height)
			n->height = (uint16_t)(child->height + 1);
		n->asks_trust |= child->asks_trust;
		if (kind == NODE_NOT) {
			n->issuer_if_true = child->issuer_if_false;
			n->issuer_if_false = child->issuer_if_true;
		} else if (kind == NODE_AND) {
			n->issuer_if_true |= child->issuer_if_true;
			n->issuer_if_false &= child->issuer_if_false;
		} else {
			n->issuer_if_true &= child->issuer_if_true;
			n->issuer_if_false |= child->issuer_if_false;
		}
	}
	return n;
}

/* Whether a test by these values tells one issuer from another: `*` does not. */
static bool
names_issuer(const struct value *v)
{
	const struct entry	*e;

	for (; v != NULL; v = v->next)
		if (!v->is_list) {
			if (v->text != NULL && v->text[strspn(v->text, "*?")] == '\0')
				return false;
		} else
			for (e = v->list->patterns; e != NULL; e = e->chain)
				if (e->text[strspn(e->text, "*?")] == '\0')
					return false;
	return true;
}

static void
no_word(struct parser *p, enum field field, const struct token *t)
{
	const struct field_word	*w = field_table[field].words;
	const char		*names[16];
	char			 what[64];
	size_t			 n;

	for (n = 0; n < 16 && w[n].name != NULL; n++)
		names[n] = w[n].name;
	snprintf(what, sizeof(what), "%s is never", field_table[field].name);
	parser_near(p, t, what, parser_guess(p, t, names, n, false));
}

static void
zone_value(struct parser *p, const struct token *t, struct value *v)
{
	struct zone	*z = zone_named(p->pol, t->text, t->len);
	const char	*names[NAMES];
	size_t		 n = 0;

	if (z != NULL) {
		z->used = true;
		v->zone = z;
		return;
	}
	for (z = p->pol->zones; z != NULL && n < NAMES; z = z->next)
		names[n++] = z->name;
	parser_near(p, t, "there is no zone of this name above:",
	    parser_guess(p, t, names, n, false));
}

/* Adds one value, not a list, to the test n. */
static void
add_value(struct parser *p, struct node *n, const struct token *t, struct value ***tail)
{
	struct value	*v;
	const char	*fault = NULL;

	if (field_table[n->field].kind == KIND_SET) {
		if (!value_set(n->field, t, &n->set))
			no_word(p, n->field, t);
		return;
	}
	v = policy_alloc(p->pol, sizeof(*v));
	switch (field_table[n->field].kind) {
	case KIND_TEXT:
		fault = n->field == FIELD_OWNER ? value_owner(p, t, v) : value_text(p, t, v);
		break;
	case KIND_VERSION:
		fault = value_versions(p, t, v);
		break;
	case KIND_NET:
		fault = value_net(t, v);
		break;
	case KIND_MAC:
		fault = value_mac(t, v);
		break;
	case KIND_ZONE:
		zone_value(p, t, v);
		break;
	default:
		fault = value_range(n->field, t, v);
		break;
	}
	if (fault != NULL)
		parser_fault(p, t, fault);
	**tail = v;
	*tail = &v->next;
}

/* Whether what this field is can stand in a list of this type.  Names of many things
 * are text; the users, groups and serial numbers are told apart by their lists. */
static bool
in_list_of(enum list_type type, enum field field)
{
	switch (type) {
	case LIST_GROUPS:
		return field == FIELD_GROUP;
	case LIST_USERS:
		return field == FIELD_USER || field == FIELD_DEVICE_USER || field == FIELD_SAN_UPN ||
		    field == FIELD_REALM;
	case LIST_SERIALS:
		return field == FIELD_SERIAL || field == FIELD_CERT_SERIAL;
	case LIST_NAMES:
		return field != FIELD_GROUP && field != FIELD_USER && field != FIELD_SERIAL &&
		    field != FIELD_CERT_SERIAL;
	default:
		return true;
	}
}

static void
no_list(struct parser *p, const struct token *t)
{
	const char	*names[NAMES];
	struct list	*l;
	size_t		 n = 0;

	for (l = p->pol->lists; l != NULL && n < NAMES; l = l->next)
		names[n++] = l->name;
	parser_near(p, t, "there is no list of this name above:",
	    parser_guess(p, t, names, n, false));
}

/* `list Name`, unless `list` is itself a value here.  The current token is list. */
static bool
list_value(struct parser *p, struct node *n, struct value ***tail)
{
	struct lexer	 lx = p->lx;
	struct token	 t = p->t;
	enum kind	 kind = field_table[n->field].kind;
	struct value	*v;
	struct list	*l;
	char		 what[96];

	parser_next(p);
	/* A value behind a value would be an error in any case. */
	if (p->t.kind != TOKEN_WORD || !value_here(p)) {
		p->lx = lx;
		p->t = t;
		return false;
	}
	if ((l = list_named(p->pol, p->t.text, p->t.len)) == NULL)
		no_list(p, &p->t);
	else if (kind != (l->type == LIST_MACS ? KIND_MAC : KIND_TEXT))
		parser_fault(p, &p->t, l->type == LIST_MACS ? "is a list of MAC addresses:" :
		    kind == KIND_MAC ? "is no list of MAC addresses:" :
		    "what is asked for is never in a list:");
	else if (!in_list_of(l->type, n->field)) {
		snprintf(what, sizeof(what), "is a list of %s, which %s is never in:",
		    list_types[l->type], field_table[n->field].name);
		parser_fault(p, &p->t, what);
	} else {
		v = policy_alloc(p->pol, sizeof(*v));
		v->is_list = true;
		v->list = l;
		l->used = true;
		**tail = v;
		*tail = &v->next;
	}
	return true;
}

/* Reads one value of a test into n, or all that a variable stands for.  A bad
 * one is reported and passed over. */
static bool
one_value(struct parser *p, struct node *n, struct value ***tail, bool *many)
{
	const struct variable	*var;
	struct token		 t;
	size_t			 i;

	if (!value_here(p))
		return parser_expected(p, "a value");
	if (variable_here(p)) {
		if ((var = variable_use(p)) != NULL) {
			*many |= var->n > 1;
			for (i = 0; i < var->n; i++) {
				if (parser_full(p, &p->t))
					return false;
				t = variable_token(var, i, &p->t);
				add_value(p, n, &t, tail);
			}
		}
	} else if (!(parser_at(p, "list") && list_value(p, n, tail)))
		add_value(p, n, &p->t, tail);
	parser_next(p);
	return true;
}

static bool
values(struct parser *p, struct node *n, bool many)
{
	struct value	**tail = &n->values;
	bool		  more = false;

	if (!one_value(p, n, &tail, &more))
		return false;
	while (p->t.kind == TOKEN_COMMA) {
		if (!many) {
			parser_fault(p, &p->t, "for more than one value write in, not is:");
			many = true;
		}
		parser_next(p);
		if (!one_value(p, n, &tail, &more))
			return false;
	}
	return true;
}

static bool
at_compare(const struct parser *p, uint8_t *compare)
{
	static const enum compare	 means[] = {
		[TOKEN_LT] = COMPARE_LT, [TOKEN_LE] = COMPARE_LE, [TOKEN_GT] = COMPARE_GT,
		[TOKEN_GE] = COMPARE_GE,
	};

	if (p->t.kind < TOKEN_LT || p->t.kind > TOKEN_GE)
		return false;
	*compare = (uint8_t)means[p->t.kind];
	return true;
}

/* What stands behind <, <=, > or >=. */
static struct node *
compared(struct parser *p, struct node *n)
{
	const struct variable	*var;
	struct token		 t;
	const char		*fault;

	parser_next(p);
	if (p->t.kind != TOKEN_WORD) {
		parser_expected(p, field_table[n->field].kind == KIND_SPAN ?
		    "a span of time such as 12h" : "a value");
		return NULL;
	}
	t = p->t;
	if (variable_here(p) && (var = variable_use(p)) != NULL)
		t = variable_token(var, 0, &p->t);
	fault = field_table[n->field].kind == KIND_VERSION ?
	    value_version(p, &t, &n->version) : value_number(n->field, &t, &n->number);
	if (fault != NULL)
		parser_fault(p, &t, fault);
	parser_next(p);
	return n;
}

static const char *
operators(enum kind kind)
{
	switch (kind) {
	case KIND_SPAN:
		return "<, <=, >, >= or in";
	case KIND_NUMBER:
	case KIND_CLOCK:
	case KIND_VERSION:
		return "is, in, not in, <, <=, > or >=";
	default:
		return "is, in or not in";
	}
}

/* What stands behind a field: is, is not, in, not in and the values. */
static struct node *
test(struct parser *p, enum field field)
{
	enum kind	 kind = field_table[field].kind;
	struct node	*n = new_node(p, NODE_TEST, NULL);
	bool		 negated = false, many = false;
	char		 what[96];
	struct token	 is;

	n->field = (uint8_t)field;
	n->asks_trust = field == FIELD_TRUST;
	p->pol->asks_trust |= n->asks_trust;
	parser_next(p);
	if (kind == KIND_FLAG)
		return n;
	if ((kind >= KIND_SPAN || kind == KIND_VERSION) && at_compare(p, &n->compare))
		return compared(p, n);
	if (parser_at(p, "is") && kind != KIND_SPAN) {
		is = p->t;
		parser_next(p);
		if ((negated = parser_at(p, "not")))
			parser_next(p);
		if (negated && parser_at(p, "in")) {
			is.len = (size_t)(p->t.text + p->t.len - is.text);
			parser_fault(p, &is, "write not in instead of");
			many = true;
			parser_next(p);
		}
	} else if (advice_operator(p, kind != KIND_SPAN, operators(kind), &negated))
		many = true;
	else {
		if ((negated = parser_at(p, "not")))
			parser_next(p);
		if (!parser_at(p, "in")) {
			snprintf(what, sizeof(what), "%s behind %s", operators(kind),
			    field_table[field].name);
			parser_expected(p, negated ? "in" : kind == KIND_SPAN ? what :
			    operators(kind));
			return NULL;
		}
		many = true;
		parser_next(p);
	}
	if (!values(p, n, many))
		return NULL;
	n->issuer_if_true = field == FIELD_ISSUER && names_issuer(n->values);
	return negated ? new_node(p, NODE_NOT, n) : n;
}

/* SSID, OS: a field, but for its letters. */
static bool
lower_field(const struct token *t, enum field *field)
{
	char	 text[32];
	size_t	 i;

	for (i = 0; i < t->len && i < sizeof(text); i++)
		text[i] = t->text[i] >= 'A' && t->text[i] <= 'Z' ? (char)(t->text[i] | 0x20) :
		    t->text[i];
	return i == t->len && field_find(text, i, field);
}

static struct node *
label_test(struct parser *p)
{
	enum field	 field;
	struct node	*n;
	struct label	*l;

	l = parser_label(p, p->t.text, p->t.len);
	if (l == NULL && lower_field(&p->t, &field) && parser_defined_later(p, &p->t) == 0) {
		parser_near(p, &p->t, "unknown label", field_table[field].name);
		return test(p, field);
	}
	n = new_node(p, NODE_LABEL, NULL);
	if (l == NULL || l->open || (l->when == NULL && !l->broken))
		parser_no_label(p, &p->t, l);
	else if (l->when != NULL) {
		n->label = l;
		n->height = (uint16_t)(l->when->height + 1);
		n->asks_trust = l->when->asks_trust;
		n->issuer_if_true = l->when->issuer_if_true;
		n->issuer_if_false = l->when->issuer_if_false;
		l->used = true;
	}
	parser_next(p);
	return n;
}

static void
unknown_word(struct parser *p)
{
	const struct field_word	*w = field_table[FIELD_COMPLIANCE].words;
	const char		*names[FIELD_COUNT], *near = NULL;
	char			 guess[64];
	size_t			 i;

	for (i = 0; w[i].name != NULL; i++)
		if (parser_at(p, w[i].name)) {
			snprintf(guess, sizeof(guess), "compliance is %s", w[i].name);
			near = guess;
		}
	for (i = 0; i < FIELD_COUNT; i++)
		names[i] = field_table[i].name;
	if (p->t.text[0] == '!' && p->t.len > 1 && p->t.len < 48) {
		snprintf(guess, sizeof(guess), "not %.*s", (int)p->t.len - 1, p->t.text + 1);
		near = guess;
	}
	if (near == NULL)
		near = parser_guess(p, &p->t, names, FIELD_COUNT, true);
	parser_near(p, &p->t, "unknown condition", near);
}

static struct node *
atom(struct parser *p, int depth)
{
	struct node	*n;
	enum field	 field;

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
	if (p->t.kind != TOKEN_WORD || !value_here(p)) {
		parser_expected(p, "a condition");
		return NULL;
	}
	if (p->t.text[0] >= 'A' && p->t.text[0] <= 'Z')
		return label_test(p);
	if (field_find(p->t.text, p->t.len, &field))
		return test(p, field);
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
