#include <limits.h>
#include <string.h>

#include "policy/eval.h"
#include "policy/sat.h"

/* What one question may cost, and how deep it may go. */
#define WORK	200000
#define DEEP	2000

#define UNKNOWN	(UINT32_C(1) << 31)	/* in a set of words: none of them */

enum mode { ONE, ALL_OF, ANY_OF };

/* A test that is to be true, or false; of the same field as those before it. */
struct literal {
	const struct node	*n;
	bool			 opposite;
	const struct literal	*before;
};

struct solver {
	const struct policy	*p;
	int64_t			 left;
	int			 depth;
	uint32_t		 set[FIELD_COUNT];	/* what a KIND_SET can still be */
	uint8_t			 flag[FIELD_COUNT];	/* 0 open, 1 false, 2 true */
	const struct literal	*of[FIELD_COUNT];
};

static bool	solve(struct solver *, const struct claim *);

static uint32_t
all_words(enum field field)
{
	const struct field_word	*w;
	uint32_t		 set = 0;

	for (w = field_table[field].words; w->name != NULL; w++)
		set |= w->mask;
	return field == FIELD_MEDIUM || field == FIELD_ID_SPACE || field == FIELD_SOURCE ||
	    field == FIELD_CLIENT ? set | UNKNOWN : field == FIELD_TRUST ?
	    (UINT32_C(1) << TRUST_YES | UINT32_C(1) << TRUST_NO) : set;
}

static uint32_t
managed_states(void)
{
	uint32_t	 set = 0;
	int		 i;

	for (i = 0; i < COMPLIANCE_COUNT; i++)
		if (compliance_is_managed((enum compliance)i))
			set |= UINT32_C(1) << i;
	return set;
}

static char
fold(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c + 'a' - 'A') : c;
}

static bool
same_text(const char *a, const char *b)
{
	while (*a != '\0' && fold(*a) == fold(*b)) {
		a++;
		b++;
	}
	return *a == *b;
}

/* Whether every text that a matches is matched by b, as far as can be seen. */
static bool
glob_within(const char *a, const char *b)
{
	if (same_text(a, b))
		return true;
	/* a's own wildcards as text: only a star of b may stand for them. */
	if (strpbrk(a, "*?") != NULL && strchr(b, '?') != NULL)
		return false;
	return eval_glob(b, a);
}

static bool
bits_within(const struct value *a, const struct value *b)
{
	unsigned	 whole = b->bits / 8, rest = b->bits % 8;

	if (a->family != b->family || a->bits < b->bits ||
	    memcmp(a->bytes, b->bytes, whole) != 0)
		return false;
	return rest == 0 || ((a->bytes[whole] ^ b->bytes[whole]) & (0xff00 >> rest) & 0xff) == 0;
}

static bool
value_within(enum kind kind, const struct value *a, const struct value *b)
{
	if (a->is_list || b->is_list)
		return a->is_list && b->is_list && a->list == b->list;
	switch (kind) {
	case KIND_NET:
	case KIND_MAC:
		return bits_within(a, b);
	case KIND_ZONE:
		return a->zone == b->zone;
	case KIND_SPAN:
	case KIND_NUMBER:
	case KIND_CLOCK:
		/* One that wraps round is taken as it stands. */
		return (a->range.from == b->range.from && a->range.to == b->range.to) ||
		    (a->range.from <= a->range.to && b->range.from <= b->range.to &&
		    a->range.from >= b->range.from && a->range.to <= b->range.to);
	case KIND_VERSION:
		/* A version stands for all that begin with it: only the same is certain. */
		return same_text(a->text, b->text);
	default:
		return glob_within(a->text, b->text);
	}
}

/* Whether no fact can be both, for a field that has one value only. */
static bool
value_apart(enum kind kind, const struct value *a, const struct value *b)
{
	if (a->is_list || b->is_list)
		return false;
	switch (kind) {
	case KIND_NET:
	case KIND_MAC:
		return !bits_within(a, b) && !bits_within(b, a);
	case KIND_ZONE:
	case KIND_VERSION:
		return false;
	case KIND_SPAN:
	case KIND_NUMBER:
	case KIND_CLOCK:
		return a->range.from <= a->range.to && b->range.from <= b->range.to &&
		    (a->range.to < b->range.from || b->range.to < a->range.from);
	default:
		if (strpbrk(a->text, "*?") == NULL)
			return !eval_glob(b->text, a->text);
		return strpbrk(b->text, "*?") == NULL && !eval_glob(a->text, b->text);
	}
}

/* A comparison as the range it stands for. */
static const struct value *
values_of(const struct node *n, struct value *room)
{
	int64_t	 x = n->number;

	if (n->compare == COMPARE_IN)
		return n->values;
	memset(room, 0, sizeof(*room));
	room->range.from = n->compare == COMPARE_GT ? x + 1 : n->compare == COMPARE_GE ? x : 0;
	room->range.to = n->compare == COMPARE_LT ? x - 1 : n->compare == COMPARE_LE ? x :
	    INT64_MAX;
	if (room->range.to < 0)
		room->range.from = room->range.to = -1;	/* nothing */
	return room;
}

/* Where a comparison of versions begins and ends: -1, 0 or 1 for a against b. */
static bool
versions_clash(const struct node *a, const struct node *b, bool b_opposite)
{
	bool	 a_up = a->compare >= COMPARE_GT, b_up = b->compare >= COMPARE_GT, both;
	int	 order;

	if (!eval_version(a->version, b->version, &order))
		return false;
	both = (a->compare == COMPARE_LE || a->compare == COMPARE_GE) &&
	    (b->compare == COMPARE_LE || b->compare == COMPARE_GE);
	if (b_opposite) {
		/* a within b: the same direction, and not reaching beyond. */
		if (a_up != b_up)
			return false;
		if (order == 0)
			return a->compare == b->compare || b->compare == COMPARE_LE ||
			    b->compare == COMPARE_GE;
		return a_up ? order > 0 : order < 0;
	}
	if (a_up == b_up)
		return false;
	return order == 0 ? !both : a_up ? order > 0 : order < 0;
}

static bool
many_valued(enum field field)
{
	return field == FIELD_NAME || field == FIELD_GROUP || field == FIELD_SAN_URI ||
	    field == FIELD_SAN_DNS;
}

/* Every value of a is within one of b's. */
static bool
all_within(enum kind kind, const struct value *a, const struct value *b)
{
	const struct value	*v;

	for (; a != NULL; a = a->next) {
		for (v = b; v != NULL && !value_within(kind, a, v); v = v->next)
			;
		if (v == NULL)
			return false;
	}
	return true;
}

static bool
all_apart(enum kind kind, const struct value *a, const struct value *b)
{
	const struct value	*v;

	for (; a != NULL; a = a->next)
		for (v = b; v != NULL; v = v->next)
			if (!value_apart(kind, a, v))
				return false;
	return true;
}

/* Whether two tests of one field cannot be as they are to be. */
static bool
clash(const struct literal *a, const struct literal *b)
{
	enum kind	 kind = field_table[a->n->field].kind;
	struct value	 one, two;

	if (a->opposite && b->opposite)
		return false;
	if (a->opposite) {
		const struct literal	*c = a;

		a = b;
		b = c;
	}
	/* Now a holds; b holds, or does not. */
	if (kind == KIND_VERSION && (a->n->compare != COMPARE_IN || b->n->compare != COMPARE_IN))
		return a->n->compare != COMPARE_IN && b->n->compare != COMPARE_IN &&
		    versions_clash(a->n, b->n, b->opposite);
	if (b->opposite)
		return all_within(kind, values_of(a->n, &one), values_of(b->n, &two));
	return !many_valued(a->n->field) &&
	    all_apart(kind, values_of(a->n, &one), values_of(b->n, &two));
}

/* The opposite of a comparison of spans, of which there is always one. */
static struct node
turned(const struct node *n)
{
	static const uint8_t	 other[] = {
		[COMPARE_LT] = COMPARE_GE, [COMPARE_LE] = COMPARE_GT, [COMPARE_GT] = COMPARE_LE,
		[COMPARE_GE] = COMPARE_LT,
	};
	struct node		 t = *n;

	t.compare = other[n->compare];
	return t;
}

/* A test by its values, beside those of its field that are there already. */
static bool
add_values(struct solver *s, const struct node *n, bool opposite, const struct claim *rest)
{
	struct node		 t;
	struct literal		 lit = { n, opposite, s->of[n->field] };
	const struct literal	*l;
	bool			 good;

	if (opposite && field_table[n->field].kind == KIND_SPAN && n->compare != COMPARE_IN) {
		t = turned(n);
		lit.n = &t;
		lit.opposite = false;
	}
	for (l = lit.before; l != NULL; l = l->before) {
		if (--s->left < 0)
			return true;
		if (clash(&lit, l))
			return false;
	}
	s->of[n->field] = &lit;
	good = solve(s, rest);
	s->of[n->field] = lit.before;
	return good;
}

static bool
add_set(struct solver *s, enum field field, uint32_t set, bool opposite,
    const struct claim *rest)
{
	uint32_t	 before = s->set[field];
	bool		 good;

	s->set[field] &= opposite ? ~set : set;
	good = s->set[field] != 0 && solve(s, rest);
	s->set[field] = before;
	return good;
}

static bool
add_flag(struct solver *s, enum field field, bool opposite, const struct claim *rest)
{
	uint8_t	 before = s->flag[field], now = opposite ? 1 : 2;
	bool	 good;

	if (before != 0)
		return before == now && solve(s, rest);
	s->flag[field] = now;
	good = solve(s, rest);
	s->flag[field] = 0;
	return good;
}

/* What a test is in its world: 0 false, 1 true, -1 open. */
static int
in_world(const struct policy *p, const struct node *n, int world)
{
	const struct field_info	*f = &field_table[n->field];
	enum compliance		 state = world >= WORLD_FRESH ?
				    (enum compliance)(world - WORLD_FRESH) : COMPLIANCE_PENDING;
	struct value		 room;
	const struct value	*v;
	int64_t			 limit;

	if (world == WORLD_ANY || f->origin != ORIGIN_INTUNE)
		return -1;
	if (n->field == FIELD_FRESH || n->field == FIELD_STALE)
		return (n->field == FIELD_FRESH) == (world >= WORLD_FRESH);
	if (world == WORLD_STALE) {
		/* Ages in two worlds are two facts: all or nothing, or else open. */
		if (n->field != FIELD_AGE)
			return -1;
		v = values_of(n, &room);
		limit = policy_stale_least(p);
		return v->next != NULL ? -1 : v->range.to < limit ? 0 :
		    v->range.from <= limit && v->range.to == INT64_MAX ? 1 : -1;
	}
	switch (n->field) {
	case FIELD_COMPLIANCE:
		return (n->set >> state & 1) != 0;
	case FIELD_MANAGED:
		return compliance_is_managed(state);
	case FIELD_AMBIGUOUS:
		return state == COMPLIANCE_AMBIGUOUS ? 1 : -1;
	default:
		break;
	}
	if (world != WORLD_PENDING)
		return -1;
	if (f->kind == KIND_SPAN)
		return n->compare == COMPARE_GT || n->compare == COMPARE_GE;
	if (n->field == FIELD_MATCHED)
		return (n->set >> MATCH_NONE & 1) != 0;
	if (n->field == FIELD_JAILBREAK)
		return (n->set >> JAILBREAK_UNKNOWN & 1) != 0;
	if (n->field == FIELD_ACCOUNT)
		return (n->set >> ACCOUNT_UNKNOWN & 1) != 0;
	return 0;
}

static bool
add_test(struct solver *s, const struct node *n, bool opposite, int world,
    const struct claim *rest)
{
	int	 known = in_world(s->p, n, world);

	if (known != -1)
		return (known != 0) != opposite && solve(s, rest);
	/* A new answer can change everything that Intune says, the device's name there
	 * and the trust that rests on it too; and two worlds' ages and states are not the
	 * same fact. */
	if (world >= WORLD_FRESH && (field_table[n->field].origin == ORIGIN_INTUNE ||
	    n->field == FIELD_TRUST || n->field == FIELD_NAME))
		return solve(s, rest);
	if (world != WORLD_ANY && (n->field == FIELD_AGE || n->field == FIELD_COMPLIANCE ||
	    n->field == FIELD_MANAGED || n->field == FIELD_AMBIGUOUS ||
	    n->field == FIELD_SOURCE))
		return solve(s, rest);
	switch (field_table[n->field].kind) {
	case KIND_SET:
		return add_set(s, n->field, n->set, opposite, rest);
	case KIND_FLAG:
		break;
	default:
		return add_values(s, n, opposite, rest);
	}
	switch (n->field) {
	case FIELD_MANAGED:
		return add_set(s, FIELD_COMPLIANCE, managed_states(), opposite, rest);
	case FIELD_JAILBROKEN:
		return add_set(s, FIELD_JAILBREAK, UINT32_C(1) << JAILBREAK_YES, opposite, rest);
	case FIELD_STALE:
		return add_flag(s, FIELD_FRESH, !opposite, rest);
	case FIELD_AMBIGUOUS:
		if (opposite)
			return add_set(s, FIELD_COMPLIANCE,
			    UINT32_C(1) << COMPLIANCE_AMBIGUOUS, true, rest);
		return solve(s, rest);
	default:
		return add_flag(s, n->field, opposite, rest);
	}
}

static bool
solve_one(struct solver *s, const struct claim *c)
{
	const struct node	*n = c->n;
	struct claim		 part = { NULL, c->opposite, c->world, c->next, ONE };

	if (n == NULL)
		return !c->opposite && solve(s, c->next);
	switch (n->kind) {
	case NODE_AND:
	case NODE_OR:
		part.n = n->child;
		part.mode = (n->kind == NODE_AND) != c->opposite ? ALL_OF : ANY_OF;
		return solve(s, &part);
	case NODE_NOT:
		part.n = n->child;
		part.opposite = !c->opposite;
		return solve(s, &part);
	case NODE_LABEL:
		part.n = n->label->when;
		return solve(s, &part);
	default:
		return add_test(s, n, c->opposite, c->world, c->next);
	}
}

static bool
solve(struct solver *s, const struct claim *c)
{
	struct claim	 first, others;
	bool		 good = true;

	if (c == NULL || --s->left < 0 || s->depth >= DEEP)
		return true;
	s->depth++;
	if (c->mode == ONE)
		good = solve_one(s, c);
	else if (c->mode == ALL_OF) {
		if (c->n == NULL)
			good = solve(s, c->next);
		else {
			others = (struct claim){ c->n->next, c->opposite, c->world, c->next, ALL_OF };
			first = (struct claim){ c->n, c->opposite, c->world, &others, ONE };
			good = solve(s, &first);
		}
	} else {
		const struct node	*n;

		for (n = c->n, good = false; n != NULL && !good; n = n->next) {
			first = (struct claim){ n, c->opposite, c->world, c->next, ONE };
			good = solve(s, &first);
		}
	}
	s->depth--;
	return good;
}

bool
sat_possible(struct sat *sat, const struct claim *claims)
{
	struct solver	 s = { .p = sat->p };
	int64_t		 given;
	int		 i;
	bool		 good;

	s.left = given = sat->left < WORK ? sat->left : WORK;
	if (given <= 0)
		return true;
	for (i = 0; i < FIELD_COUNT; i++)
		if (field_table[i].kind == KIND_SET)
			s.set[i] = all_words((enum field)i);
	good = solve(&s, claims);
	sat->left -= given - (s.left > 0 ? s.left : 0);
	return good;
}
