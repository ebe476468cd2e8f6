/*
 * Goes through LMDB's file before liblmdb does, which believes what it reads: a
 * damaged page makes that abort, crash, read round and round, or give away pages
 * that hold something.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/lmdb_page.h"

#define CHUNK	512	/* numbers of free pages that are read at once */

/* Pages, and which of them have been met. */
struct walk {
	struct lr	*l;
	unsigned char	*met;
};

/* One tree: what its keys are, and how many entries it was found to have. */
struct tree {
	const struct lr_db	*db;
	size_t			 entries;
	bool			 numbers;	/* keys are words, as in that of free pages */
	bool			 dups;		/* a key may have several values */
	bool			 values;	/* the keys are such values */
};

/* What the keys of a page must not be less than, and must be less than (n 0: any). */
struct range {
	struct bytes	 low, high;
};

static unsigned int
flags_of(const unsigned char *page)
{
	return u16(page + sizeof(size_t) + 2);
}

static enum lr_rc
bad(struct walk *w, size_t number, const char *what)
{
	w->l->number = number;
	return lr_damaged(w->l, what);
}

/* Every page has one owner: else the walk could go round, and a writer who changes
 * one would change the other. */
static enum lr_rc
meet(struct walk *w, size_t number, size_t n, const char *again)
{
	size_t	 i;

	if (number < LR_METAS || number > w->l->meta.last_page ||
	    n > w->l->meta.last_page - number + 1)
		return bad(w, number, "is referred to, but cannot be there");
	for (i = number; i < number + n; i++) {
		if ((w->met[i / 8] & 1 << i % 8) != 0)
			return bad(w, i, again);
		w->met[i / 8] |= (unsigned char)(1 << i % 8);
	}
	return LR_FOUND;
}

static int
order(const struct tree *t, const struct bytes *a, const struct bytes *b)
{
	size_t	 x, y;

	if (!t->numbers)
		return lr_compare(a->p, a->n, b->p, b->n);
	x = word(a->p);
	y = word(b->p);
	return (x > y) - (x < y);
}

/* LMDB moves nodes about by what they say of their sizes: they fill their page. */
static enum lr_rc
check_room(struct walk *w, const struct lr_page *pg, size_t number)
{
	struct lr_item	 n;
	size_t		 i, size, sum = 0, upper = u16(pg->p + sizeof(size_t) + 6);

	for (i = 0; i < pg->n; i++) {
		if (lr_item_at(w->l, pg, i, &n) == LR_ERROR)
			return LR_ERROR;
		size = NODE + n.klen;
		if (!pg->branch)
			size += (n.flags & F_BIGDATA) != 0 ? sizeof(size_t) : n.vlen;
		sum += size + size % 2;
		if (n.key < pg->p + upper + NODE || ((size_t)(n.key - pg->p) & 1) != 0)
			return bad(w, number, "has a wrong offset");
	}
	return sum == pg->size - upper ? LR_FOUND : bad(w, number, "has nodes of a wrong size");
}

/* A value on pages of its own: their number, and that nobody else has them. */
static enum lr_rc
meet_big(struct walk *w, const struct lr_item *n, size_t *number)
{
	size_t	 pages;

	*number = word(n->val);
	if (lr_load(w->l, *number, PAGE_HEAD) == LR_ERROR)
		return LR_ERROR;
	pages = u32(w->l->page + sizeof(size_t) + 4);
	if (flags_of(w->l->page) != P_OVERFLOW || pages == 0 ||
	    (PAGE_HEAD + n->vlen + w->l->page_size - 1) / w->l->page_size > pages)
		return bad(w, *number, "holds no long value");
	return meet(w, *number, pages, "is used twice");
}

/* Free pages as they are written down: how many, and their numbers, falling. */
static enum lr_rc
check_free(struct walk *w, const struct lr_item *n, size_t number)
{
	size_t		 chunk[CHUNK] = { 0 }, left, i, k, got, last = LR_NO_PAGE;
	uint64_t	 at = 0;

	if ((n->flags & F_BIGDATA) != 0) {
		if (meet_big(w, n, &number) == LR_ERROR)
			return LR_ERROR;
		at = (uint64_t)number * w->l->page_size + PAGE_HEAD;
		if (lr_read_at(w->l, chunk, sizeof(size_t), at, &got) == LR_ERROR)
			return LR_ERROR;
	} else if (n->vlen >= sizeof(size_t))
		memcpy(chunk, n->val, sizeof(size_t));
	left = chunk[0];
	if (n->vlen < sizeof(size_t) || left > n->vlen / sizeof(size_t) - 1)
		return bad(w, number, "holds no list of free pages");
	for (k = sizeof(size_t); left > 0; left -= i, k += i * sizeof(size_t)) {
		i = left < CHUNK ? left : CHUNK;
		got = i * sizeof(size_t);
		if (at == 0)
			memcpy(chunk, n->val + k, got);
		else if (lr_read_at(w->l, chunk, got, at + k, &got) == LR_ERROR)
			return LR_ERROR;
		if (got != i * sizeof(size_t))
			return bad(w, number, "is cut short");
		for (got = 0; got < i; last = chunk[got++])
			if (chunk[got] >= last ||
			    meet(w, chunk[got], 1, "is free, and is used") == LR_ERROR)
				return bad(w, number, "has a wrong list of free pages");
	}
	return LR_FOUND;
}

static enum lr_rc	 check_tree(struct walk *, struct tree *);

/* The values of a key of which there may be several. */
static enum lr_rc
check_dups(struct walk *w, const struct lr_item *n, size_t number, size_t *entries)
{
	struct lr_db	 db;
	struct tree	 t = { .db = &db, .values = true };
	struct lr_page	 pg;
	struct lr_item	 v, before = { .klen = 0 };
	size_t		 i;

	*entries = 1;
	if ((n->flags & F_DUPDATA) == 0)
		return n->flags == 0 && n->vlen > 0 && n->vlen <= LR_KEY_MAX ? LR_FOUND :
		    bad(w, number, "has a value of a wrong size");
	if ((n->flags & F_SUBDATA) != 0) {
		if (lr_dup_tree(w->l, n, &db) == LR_ERROR)
			return LR_ERROR;
		if (db.flags != 0)
			return bad(w, number, "has values of another kind");
		if (check_tree(w, &t) == LR_ERROR)
			return LR_ERROR;
		*entries = t.entries;
		return LR_FOUND;
	}
	if (n->flags != F_DUPDATA)
		return bad(w, number, "has values outside");
	if (lr_look(w->l, n->val, n->vlen, P_LEAF, &pg) == LR_ERROR)
		return LR_ERROR;
	/* LMDB leaves two marks of its own on these. */
	if ((flags_of(n->val) & ~(unsigned)(P_DIRTY | P_SUBP)) != P_LEAF)
		return bad(w, number, "has values of another kind");
	if (check_room(w, &pg, number) == LR_ERROR)
		return LR_ERROR;
	for (i = 0; i < pg.n; before = v, i++) {
		if (lr_item_at(w->l, &pg, i, &v) == LR_ERROR)
			return LR_ERROR;
		if (v.klen == 0 || v.flags != 0 || v.vlen != 0 ||
		    (i > 0 && lr_compare(before.key, before.klen, v.key, v.klen) >= 0))
			return bad(w, number, "has values in a wrong order");
	}
	*entries = pg.n;
	return pg.n > 0 ? LR_FOUND : bad(w, number, "has a key without a value");
}

/* The value of one node of a leaf. */
static enum lr_rc
check_value(struct walk *w, struct tree *t, const struct lr_item *n, size_t number)
{
	size_t	 entries = 1;

	if (t->numbers) {
		if ((n->flags & ~(unsigned)F_BIGDATA) != 0)
			return bad(w, number, "holds no list of free pages");
		if (check_free(w, n, number) == LR_ERROR)
			return LR_ERROR;
	} else if (t->dups) {
		if (check_dups(w, n, number, &entries) == LR_ERROR)
			return LR_ERROR;
	} else if (t->values) {
		if (n->flags != 0 || n->vlen != 0)
			return bad(w, number, "has a value of a value");
	} else if (n->flags == F_BIGDATA) {
		if (meet_big(w, n, &number) == LR_ERROR)
			return LR_ERROR;
	} else if (n->flags != 0 && (n->flags != F_SUBDATA || t->db != &w->l->meta.db[1]))
		return bad(w, number, "has several values where there is one");
	t->entries += entries;
	return LR_FOUND;
}

/* Is the key of a node in the order of its page, and of the pages above? */
static enum lr_rc
check_key(struct walk *w, const struct tree *t, const struct lr_item *n, size_t number,
    const struct bytes *before, const struct range *r)
{
	struct bytes	 key = { n->key, n->klen };

	if (t->numbers ? n->klen != sizeof(size_t) : n->klen == 0)
		return bad(w, number, "has a key of a wrong size");
	if ((before->n != 0 && order(t, before, &key) >= 0) ||
	    (r->low.n != 0 && order(t, &r->low, &key) > 0) ||
	    (r->high.n != 0 && order(t, &key, &r->high) >= 0))
		return bad(w, number, "has keys in a wrong order");
	return LR_FOUND;
}

static enum lr_rc	 check_page(struct walk *, struct tree *, size_t, unsigned int,
			    const struct range *);

/* What comes below, or with depth 1 the values. */
static enum lr_rc
check_nodes(struct walk *w, struct tree *t, const struct lr_page *pg, size_t number,
    unsigned int depth, const struct range *r)
{
	struct range	 below;
	struct bytes	 before = { NULL, 0 };
	struct lr_item	 n, next;
	size_t		 i;

	for (i = 0; i < pg->n; i++) {
		/* Of the page that is told if it is wrong, which may not be in l->page. */
		w->l->number = number;
		w->l->loaded = 0;
		if (lr_item_at(w->l, pg, i, &n) == LR_ERROR ||
		    /* The first key of a branch page stands for all that is less. */
		    ((!pg->branch || i > 0) &&
		    check_key(w, t, &n, number, &before, r) == LR_ERROR))
			return LR_ERROR;
		if (!pg->branch || i > 0)
			before = (struct bytes){ n.key, n.klen };
		if (!pg->branch) {
			if (check_value(w, t, &n, number) == LR_ERROR)
				return LR_ERROR;
			continue;
		}
		below = *r;
		if (i > 0)
			below.low = before;
		if (i + 1 < pg->n) {
			if (lr_item_at(w->l, pg, i + 1, &next) == LR_ERROR)
				return LR_ERROR;
			below.high = (struct bytes){ next.key, next.klen };
			if (t->numbers && next.klen != sizeof(size_t))
				return bad(w, number, "has a key of a wrong size");
		}
		if (check_page(w, t, n.child, depth - 1, &below) == LR_ERROR)
			return LR_ERROR;
	}
	return LR_FOUND;
}

static enum lr_rc
check_page(struct walk *w, struct tree *t, size_t number, unsigned int depth,
    const struct range *r)
{
	struct lr_page	 pg;
	unsigned char	*copy;
	enum lr_rc	 rc = LR_ERROR;

	if (meet(w, number, 1, "is used twice") == LR_ERROR ||
	    lr_load_page(w->l, number, depth > 1 ? P_BRANCH : P_LEAF, &pg) == LR_ERROR)
		return LR_ERROR;
	if (flags_of(pg.p) != (depth > 1 ? P_BRANCH : P_LEAF))
		return bad(w, number, "is of another kind");
	if (pg.n == 0)
		return bad(w, number, "is empty");
	if ((copy = malloc(pg.size)) == NULL) {
		w->l->err = errno;
		snprintf(w->l->why, sizeof(w->l->why), "%s", strerror(errno));
		return LR_ERROR;
	}
	memcpy(copy, pg.p, pg.size);
	pg.p = copy;
	if (check_room(w, &pg, number) == LR_FOUND)
		rc = check_nodes(w, t, &pg, number, depth, r);
	free(copy);
	return rc;
}

static enum lr_rc
check_tree(struct walk *w, struct tree *t)
{
	static const struct range	 all;
	size_t				 number = w->l->number;
	unsigned int			 depth;
	enum lr_rc			 rc;

	if ((rc = lr_tree_depth(w->l, t->db, &depth)) == LR_ERROR)
		return rc;
	if (rc == LR_FOUND && check_page(w, t, t->db->root, depth, &all) == LR_ERROR)
		return LR_ERROR;
	return t->entries == t->db->entries ? LR_FOUND :
	    bad(w, number, "says that a tree has another number of entries");
}

enum lr_rc
lr_walk(struct lr *l, const char *const name[], size_t n)
{
	struct walk	 w = { l, calloc(l->meta.last_page / 8 + 1, 1) };
	struct lr_db	 db;
	struct tree	 t = { .db = &l->meta.db[1] };
	enum lr_rc	 rc;
	size_t		 i;

	/* Another program's, with keys in an order of its own. */
	if (l->meta.db[1].flags != 0) {
		free(w.met);
		l->err = EINVAL;
		snprintf(l->why, sizeof(l->why), "data.mdb has another order of keys");
		return LR_ERROR;
	}
	if (w.met == NULL) {
		l->err = ENOMEM;
		snprintf(l->why, sizeof(l->why), "%s", strerror(ENOMEM));
		return LR_ERROR;
	}
	rc = check_tree(&w, &t);
	for (i = 0; i < n && rc != LR_ERROR; i++) {
		t = (struct tree){ .db = &db };
		l->number = 0;
		if ((rc = lr_db(l, name[i], &db)) != LR_FOUND)
			continue;
		t.dups = (db.flags & D_DUPSORT) != 0;
		rc = check_tree(&w, &t);
	}
	/* Last, as they must be none of the others. */
	t = (struct tree){ .db = &l->meta.db[0], .numbers = true };
	if (rc != LR_ERROR && (l->meta.db[0].flags & D_ALL) != D_NUMBERS)
		rc = bad(&w, 0, "says that free pages are kept in another way");
	if (rc != LR_ERROR)
		rc = check_tree(&w, &t);
	free(w.met);
	return rc == LR_ERROR ? rc : LR_FOUND;
}
