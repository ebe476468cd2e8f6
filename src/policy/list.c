#include <stdio.h>
#include <string.h>

#include "base/when.h"
#include "policy/eval.h"
#include "policy/list.h"
#include "policy/values.h"

#define DAY	86400

const char *const	 list_types[LIST_TYPES + 1] = {
	"macs", "names", "users", "groups", "serials", "values", NULL
};

static char
fold(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c + 'a' - 'A') : c;
}

static struct entry **
bucket_of(const struct list *l, const void *key, size_t len)
{
	uint64_t	 h = digest_add(DIGEST_START, key, len);

	return &l->bucket[(h ^ h >> 32) & (l->nbuckets - 1)];
}

/* Twice the room when it gets tight; the old room stays with the arena. */
static void
grow(struct parser *p, struct list *l)
{
	struct list	 old = *l;
	struct entry	*e, *next, **b;
	size_t		 i;

	l->nbuckets = old.nbuckets == 0 ? 16 : old.nbuckets * 4;
	l->bucket = policy_alloc(p->pol, l->nbuckets * sizeof(*l->bucket));
	for (i = 0; i < old.nbuckets; i++)
		for (e = old.bucket[i]; e != NULL; e = next) {
			next = e->chain;
			b = l->type == LIST_MACS ? bucket_of(l, e->mac, sizeof(e->mac)) :
			    bucket_of(l, e->text, strlen(e->text));
			e->chain = *b;
			*b = e;
		}
}

static void
file_entry(struct parser *p, struct list *l, struct entry *e)
{
	struct entry	**b;

	if (l->nentries++ >= l->nbuckets)
		grow(p, l);
	if (l->type == LIST_MACS ? e->bits < 48 : strpbrk(e->text, "*?") != NULL)
		b = &l->patterns;
	else
		b = l->type == LIST_MACS ? bucket_of(l, e->mac, sizeof(e->mac)) :
		    bucket_of(l, e->text, strlen(e->text));
	e->chain = *b;
	*b = e;
}

/* A date alone holds to its end where the rules are; a time is a point in time. */
static bool
until(const struct token *t, struct entry *e)
{
	char	 text[48];
	size_t	 n;

	if (t->kind != TOKEN_WORD || t->len >= sizeof(text) - 16)
		return false;
	n = lexer_copy(text, t);
	if (n == 10) {
		memcpy(text + n, "T00:00:00Z", 11);
		e->local = true;
	}
	if (!when_parse(text, &e->until) || e->until <= 0 || e->until == WHEN_ALWAYS)
		return false;
	if (e->local)
		e->until += DAY;
	return true;
}

static const char *
entry_value(struct parser *p, const struct list *l, struct entry *e)
{
	struct value	 v = { .bits = 0 };
	const char	*fault;
	char		*s;

	if (l->type == LIST_MACS) {
		fault = value_mac(&p->t, &v);
		memcpy(e->mac, v.bytes, sizeof(e->mac));
		e->bits = v.bits;
		return fault;
	}
	if ((fault = value_glob(p, &p->t, &v)) != NULL)
		return fault;
	s = policy_alloc(p->pol, strlen(v.text) + 1);
	e->text = s;
	for (; *v.text != '\0'; v.text++)
		*s++ = fold(*v.text);
	return NULL;
}

/* VALUE [until DATE] ["reason"] */
static void
line(struct parser *p, struct list *l)
{
	struct entry	*e;
	struct token	 first = p->t;
	const char	*fault;

	if (p->t.kind != TOKEN_WORD && p->t.kind != TOKEN_STRING) {
		parser_expected(p, l->type == LIST_MACS ? "a MAC address" : "a value");
		return;
	}
	e = policy_alloc(p->pol, sizeof(*e));
	e->line = p->t.line;
	e->until = WHEN_ALWAYS;
	if ((fault = entry_value(p, l, e)) != NULL) {
		parser_fault(p, &p->t, fault);
		return;
	}
	parser_next(p);
	if (parser_at(p, "until")) {
		parser_next(p);
		if (!until(&p->t, e)) {
			parser_fault(p, &p->t, "is no date (try 2026-12-31):");
			return;
		}
		parser_next(p);
	}
	if (p->t.kind == TOKEN_STRING) {
		if (p->t.len > 0)
			e->reason = parser_text(p, &p->t);
		parser_next(p);
	}
	if (p->t.kind != TOKEN_END && p->t.kind != TOKEN_EOF)
		parser_expected(p, "until, a reason in quotes or the end of the line");
	else if (l->nentries == LIST_ENTRIES)
		parser_fault(p, &first, "too many entries, from");
	else
		file_entry(p, l, e);
}

void
list_parse(struct parser *p, struct list *l, const char *path, const char *text, size_t len)
{
	struct lexer	 lx = p->lx;
	struct token	 t = p->t;
	const char	*name = p->name;

	p->name = path;
	lexer_init(&p->lx, text, len);
	grow(p, l);
	for (parser_next(p); p->t.kind != TOKEN_EOF; parser_next(p)) {
		if (p->t.kind == TOKEN_END)
			continue;
		line(p, l);
		while (p->t.kind != TOKEN_END && p->t.kind != TOKEN_EOF)
			parser_next(p);
		if (p->t.kind == TOKEN_EOF || p->errors > POLICY_ERRORS)
			break;
	}
	p->name = name;
	p->lx = lx;
	p->t = t;
}

bool
list_holds(const struct entry *e, int64_t now, int timezone)
{
	return e->until == WHEN_ALWAYS || now + (e->local ? timezone : 0) < e->until;
}

const struct entry *
list_find_mac(const struct list *l, const uint8_t mac[6], int64_t now, int timezone)
{
	const struct entry	*e;
	unsigned		 rest;

	for (e = *bucket_of(l, mac, 6); e != NULL; e = e->chain)
		if (memcmp(e->mac, mac, 6) == 0 && list_holds(e, now, timezone))
			return e;
	for (e = l->patterns; e != NULL; e = e->chain) {
		rest = e->bits % 8;
		if (memcmp(e->mac, mac, e->bits / 8) == 0 && (rest == 0 ||
		    ((e->mac[e->bits / 8] ^ mac[e->bits / 8]) & (0xff00 >> rest) & 0xff) == 0) &&
		    list_holds(e, now, timezone))
			return e;
	}
	return NULL;
}

const struct entry *
list_find_text(const struct list *l, const char *text, int64_t now, int timezone)
{
	const struct entry	*e;
	char			 folded[POLICY_VALUE + 1];
	size_t			 n;

	/* An entry has at most POLICY_VALUE bytes, and a longer text is none. */
	if (strlen(text) <= POLICY_VALUE) {
		for (n = 0; text[n] != '\0'; n++)
			folded[n] = fold(text[n]);
		folded[n] = '\0';
		for (e = *bucket_of(l, folded, n); e != NULL; e = e->chain)
			if (strcmp(e->text, folded) == 0 && list_holds(e, now, timezone))
				return e;
	}
	for (e = l->patterns; e != NULL; e = e->chain)
		if (eval_glob(e->text, text) && list_holds(e, now, timezone))
			return e;
	return NULL;
}

struct list *
list_named(const struct policy *p, const char *text, size_t len)
{
	struct list	*l;

	for (l = p->lists; l != NULL; l = l->next)
		if (strlen(l->name) == len && memcmp(l->name, text, len) == 0)
			break;
	return l;
}
