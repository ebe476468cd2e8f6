#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "store/batch.h"
#include "store/db.h"

/* The claims of some ten thousand devices.  When there is no more room they are filed,
 * and the next ones gathered. */
#define CLAIMS		65536
#define CLAIM_BYTES	(4U << 20)

#define CACHE_LINE	64
#define AHEAD		4

/* Something to be sorted: by its first eight bytes, which decide mostly. */
struct sorted {
	uint64_t	 head;
	const void	*p;
};

struct claim {
	unsigned char	 klen[2], n, known;
	unsigned char	 b[];		/* the key, and that of the device */
};

struct claims {
	size_t		 n, used;
	struct sorted	 order[CLAIMS];
	unsigned char	 bytes[CLAIM_BYTES];
};

/* What is wanted soon lies anywhere in memory: to be fetched while something else is done. */
static void
fetch(const void *p, size_t n)
{
	size_t	 i;

	for (i = 0; i < n; i += CACHE_LINE)
		__builtin_prefetch((const char *)p + i);
}

static uint64_t
head_of(const unsigned char *p, size_t n)
{
	uint64_t	 u = 0;
	size_t		 i;

	for (i = 0; i < 8; i++)
		u = u << 8 | (i < n ? p[i] : 0);
	return u;
}

static size_t
klen_of(const struct claim *c)
{
	return (size_t)c->klen[0] << 8 | c->klen[1];
}

static int
compare_claims(const void *a, const void *b)
{
	const struct sorted	*x = a, *y = b;
	const struct claim	*c = x->p, *d = y->p;
	size_t			 n, m;
	int			 r;

	if (x->head != y->head)
		return x->head < y->head ? -1 : 1;
	n = klen_of(c);
	m = klen_of(d);
	if ((r = memcmp(c->b, d->b, n < m ? n : m)) != 0)
		return r;
	if (n != m)
		return n < m ? -1 : 1;
	return memcmp(c->b + n, d->b + m, c->n < d->n ? c->n : d->n);
}

static enum store_rc
claims_file(struct store *s, struct claims *c)
{
	const struct claim	*k;
	size_t			 i, klen;

	qsort(c->order, c->n, sizeof(c->order[0]), compare_claims);
	for (i = 0; i < c->n; i++) {
		if (i + AHEAD < c->n)
			fetch(c->order[i + AHEAD].p, CACHE_LINE);
		k = c->order[i].p;
		klen = klen_of(k);
		if (add_claim(s, k->b, klen, k->b + klen, k->n, k->known) == STORE_ERROR)
			return STORE_ERROR;
	}
	c->n = c->used = 0;
	return STORE_FOUND;
}

enum store_rc
claims_add(struct store *s, struct claims *c, const struct key *k, const struct key *primary,
    bool known)
{
	size_t		 need = sizeof(struct claim) + k->n + primary->n;
	struct claim	*to;

	if ((c->n == CLAIMS || c->used + need > sizeof(c->bytes)) &&
	    claims_file(s, c) == STORE_ERROR)
		return STORE_ERROR;
	to = (struct claim *)(c->bytes + c->used);
	to->klen[0] = (unsigned char)(k->n >> 8);
	to->klen[1] = (unsigned char)k->n;
	to->n = (unsigned char)primary->n;
	to->known = known;
	memcpy(to->b, k->b, k->n);
	memcpy(to->b + k->n, primary->b, primary->n);
	c->order[c->n++] = (struct sorted){ head_of(k->b, k->n), to };
	c->used += need;
	return STORE_FOUND;
}

/* By id; what came first of one device stays first. */
static int
compare_answers(const void *a, const void *b)
{
	const struct sorted	*x = a, *y = b;
	const struct store_item	*i = x->p, *j = y->p;
	int			 r;

	if (x->head != y->head)
		return x->head < y->head ? -1 : 1;
	r = memcmp(i->a->device.id.b, j->a->device.id.b, GUID_LEN);
	return r != 0 ? r : i < j ? -1 : i > j;
}

struct batch {
	const struct store_item	*item;
	size_t			 n;
	store_put_fn		 fn;
	void			*arg;
	struct claims		*claims;
	struct sorted		*order;
};

static enum store_rc
put_item(struct store *s, struct batch *b, const struct store_item *item, struct claims *later)
{
	struct answer	 before;
	enum store_rc	 rc;

	if ((rc = put_answer(s, item->a, b->fn != NULL ? &before : NULL, later)) != STORE_ERROR &&
	    b->fn != NULL)
		b->fn(item, rc, &before, b->arg);
	return rc;
}

/* These n are all of their own. */
static enum store_rc
put_run(struct store *s, struct batch *b, const struct store_item *item, size_t n)
{
	const struct store_item	*now, *last = NULL;
	size_t			 i;

	for (i = 0; i < n; i++) {
		if (i + AHEAD < n)
			fetch(&item[i + AHEAD].a->device.id, 1);
		b->order[i] = (struct sorted){ head_of(item[i].a->device.id.b, GUID_LEN), &item[i] };
	}
	qsort(b->order, n, sizeof(b->order[0]), compare_answers);
	for (i = 0; i < n; i++, last = now) {
		now = b->order[i].p;
		if (i + 1 < n)
			fetch(&((const struct store_item *)b->order[i + 1].p)->a->device,
			    sizeof(struct device));
		/* It once more must find all of what came before. */
		if (last != NULL && guid_equal(&now->a->device.id, &last->a->device.id) &&
		    claims_file(s, b->claims) == STORE_ERROR)
			return STORE_ERROR;
		if (put_item(s, b, now, b->claims) == STORE_ERROR)
			return STORE_ERROR;
	}
	return claims_file(s, b->claims);
}

static enum store_rc
put_all(struct store *s, void *arg)
{
	struct batch	*b = arg;
	size_t		 i, n;

	b->claims->n = b->claims->used = 0;
	for (i = 0; i < b->n; i += n) {
		n = 0;
		while (i + n < b->n && is_of_its_own(b->item[i + n].a))
			n++;
		if (n > 0 && db_none_rare(s)) {
			if (put_run(s, b, b->item + i, n) == STORE_ERROR)
				return STORE_ERROR;
		} else {
			n = 1;
			if (put_item(s, b, b->item + i, NULL) == STORE_ERROR)
				return STORE_ERROR;
		}
	}
	return STORE_FOUND;
}

enum store_rc
store_put_all(struct store *s, const struct store_item *item, size_t n, store_put_fn fn, void *arg)
{
	struct batch	 b = { item, n, fn, arg, NULL, NULL };
	enum store_rc	 rc;

	if ((b.claims = malloc(sizeof(*b.claims))) == NULL ||
	    (b.order = calloc(n + 1, sizeof(*b.order))) == NULL)
		rc = db_fault(s, ENOMEM, "%s", strerror(ENOMEM));
	else
		rc = store_transact(s, put_all, &b);
	free(b.order);
	free(b.claims);
	return rc;
}
