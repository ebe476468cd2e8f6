/*
 * LMDB's file, as far as a look-up needs it.  Pages 0 and 1 are meta pages, written
 * in turn; the one with the higher transaction number counts.  It holds the root of
 * a B+tree of names, whose values are the roots of the other trees.
 *
 *	page	number (a word), key size (LEAF2), flags, end of the offsets,
 *		start of the nodes (2 bytes each), then one offset for each node
 *	node	size of the value, or child page (4 bytes), flags or the child's
 *		upper bits, size of the key (2 bytes each), key, value
 *
 * Several values of a key are a small page of their own inside the value, or a tree.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "store/lmdb_page.h"

#define MAGIC		0xBEEFC0DE
#define VERSION		1
#define METAS		LR_METAS
#define NO_PAGE		LR_NO_PAGE
#define META_END	(PAGE_HEAD + sizeof(struct lr_meta))
#define PAGE_MIN	256
#define PAGE_USUAL	4096

_Static_assert(META_END <= LR_META, "the head of the second meta page fits");

static enum lr_rc __attribute__((format(printf, 3, 4)))
fault(struct lr *l, int err, const char *fmt, ...)
{
	va_list	 ap;

	va_start(ap, fmt);
	vsnprintf(l->why, sizeof(l->why), fmt, ap);
	va_end(ap);
	l->err = err;
	return LR_ERROR;
}

enum lr_rc
lr_damaged(struct lr *l, const char *what)
{
	return fault(l, EBADMSG, "page %zu of data.mdb %s", l->number, what);
}

/* Reads n bytes, or up to the end of the file; *got says how many. */
enum lr_rc
lr_read_at(struct lr *l, void *buf, size_t n, uint64_t at, size_t *got)
{
	ssize_t	 r;

	while ((r = pread(l->fd, buf, n, (off_t)at)) == -1 && errno == EINTR)
		;
	if (r == -1)
		return fault(l, errno == ESPIPE || errno == EISDIR ? EINVAL : errno,
		    errno == ESPIPE || errno == EISDIR ? "data.mdb is no regular file" :
		    "data.mdb: %s", strerror(errno));
	*got = (size_t)r;
	return LR_FOUND;
}

/* Reads n bytes of the file from the start of a page, unless they are what was read
 * last. */
enum lr_rc
lr_load(struct lr *l, size_t number, size_t n)
{
	size_t	 got = 0;

	if (number != 0 && number == l->number && n <= l->loaded)
		return LR_FOUND;
	l->number = 0;
	if (number < METAS || number > l->meta.last_page)
		return fault(l, EBADMSG, "data.mdb refers to page %zu of %zu", number,
		    l->meta.last_page);
	if (lr_read_at(l, l->page, n, (uint64_t)number * l->page_size, &got) == LR_ERROR)
		return LR_ERROR;
	if (got < n)
		return fault(l, EBADMSG, "data.mdb is cut short (within page %zu of %zu)", number,
		    l->meta.last_page);
	l->number = number;
	l->loaded = n;
	if (word(l->page) != number) {
		lr_damaged(l, "has another number");
		l->number = 0;
		return LR_ERROR;
	}
	return LR_FOUND;
}

/* Checks the head of a page of this kind. */
enum lr_rc
lr_look(struct lr *l, const unsigned char *p, size_t size, unsigned int kind, struct lr_page *out)
{
	size_t	 lower, upper;

	if (size < PAGE_HEAD || (u16(p + sizeof(size_t) + 2) & P_KIND & ~(unsigned)P_LEAF2) != kind)
		return lr_damaged(l, "is of another kind");
	lower = u16(p + sizeof(size_t) + 4);
	upper = u16(p + sizeof(size_t) + 6);
	if (lower < PAGE_HEAD || lower > upper || upper > size)
		return lr_damaged(l, "has a wrong head");
	out->p = p;
	out->size = size;
	out->n = (lower - PAGE_HEAD) / 2;
	out->branch = kind == P_BRANCH;
	out->ksize = 0;
	if ((u16(p + sizeof(size_t) + 2) & P_LEAF2) == 0)
		return LR_FOUND;
	out->ksize = u16(p + sizeof(size_t));
	if (out->ksize == 0 || out->ksize > LR_KEY_MAX || out->n > (size - PAGE_HEAD) / out->ksize)
		return lr_damaged(l, "has keys of a wrong size");
	return LR_FOUND;
}

enum lr_rc
lr_load_page(struct lr *l, size_t number, unsigned int kind, struct lr_page *out)
{
	if (lr_load(l, number, l->page_size) == LR_ERROR)
		return LR_ERROR;
	return lr_look(l, l->page, l->page_size, kind, out);
}

/* The i-th node of a page; the caller knows that there is one. */
enum lr_rc
lr_item_at(struct lr *l, const struct lr_page *pg, size_t i, struct lr_item *out)
{
	const unsigned char	*p;
	size_t			 at, left;

	memset(out, 0, sizeof(*out));
	if (pg->ksize != 0) {
		out->key = pg->p + PAGE_HEAD + i * pg->ksize;
		out->klen = pg->ksize;
		return LR_FOUND;
	}
	at = u16(pg->p + PAGE_HEAD + 2 * i);
	if (at < PAGE_HEAD || at > pg->size - NODE)
		return lr_damaged(l, "has a wrong offset");
	p = pg->p + at;
	left = pg->size - at - NODE;
	out->key = p + NODE;
	out->klen = u16(p + 6);
	out->flags = u16(p + 4);
	if (out->klen > left || out->klen > LR_KEY_MAX)
		return lr_damaged(l, "has a key of a wrong size");
	out->val = out->key + out->klen;
	left -= out->klen;
	if (pg->branch) {
		out->child = u32(p);
#if SIZE_MAX > UINT32_MAX
		out->child |= (size_t)out->flags << 32;
#endif
		return LR_FOUND;
	}
	out->vlen = u32(p);
	if ((out->flags & F_BIGDATA) != 0 ? left < sizeof(size_t) : out->vlen > left)
		return lr_damaged(l, "has a value of a wrong size");
	return LR_FOUND;
}

/* LMDB's order: the bytes, then the length. */
int
lr_compare(const void *a, size_t an, const void *b, size_t bn)
{
	int	 d = memcmp(a, b, an < bn ? an : bn);

	return d != 0 ? d : (an > bn) - (an < bn);
}

/*
 * The first node of a leaf whose key is not less than key (after: that is greater);
 * *at is pg->n when there is none.  *same: it is key.
 */
static enum lr_rc
search(struct lr *l, const struct lr_page *pg, const void *key, size_t klen, bool after,
    size_t *at, bool *same)
{
	size_t		 low = pg->branch ? 1 : 0, high = pg->n, mid;
	struct lr_item	 n;
	int		 d;

	*same = false;
	while (low < high) {
		mid = low + (high - low) / 2;
		if (lr_item_at(l, pg, mid, &n) == LR_ERROR)
			return LR_ERROR;
		d = lr_compare(n.key, n.klen, key, klen);
		if (d < 0 || (after && d == 0))
			low = mid + 1;
		else {
			high = mid;
			*same = d == 0;
		}
	}
	*at = low;
	return LR_FOUND;
}

/*
 * Goes down a tree to the leaf where key is or would be; klen 0: to its first leaf.
 * *right, unless NULL, is the root of what comes behind that leaf and *levels its
 * depth; 0: nothing does.
 */
static enum lr_rc
descend(struct lr *l, size_t root, unsigned int depth, const void *key, size_t klen,
    struct lr_page *leaf, size_t *right, unsigned int *levels)
{
	struct lr_page	 pg;
	struct lr_item	 n;
	size_t		 at, next = root;
	bool		 same;

	for (; depth > 1; depth--) {
		if (lr_load_page(l, next, P_BRANCH, &pg) == LR_ERROR)
			return LR_ERROR;
		if (pg.n == 0 || pg.ksize != 0)
			return lr_damaged(l, "is an empty branch");
		/* The first key of a branch page stands for all that is less. */
		at = 1;
		if (klen != 0 && search(l, &pg, key, klen, true, &at, &same) == LR_ERROR)
			return LR_ERROR;
		if (right != NULL && at < pg.n) {
			if (lr_item_at(l, &pg, at, &n) == LR_ERROR)
				return LR_ERROR;
			*right = n.child;
			*levels = depth - 1;
		}
		if (lr_item_at(l, &pg, at - 1, &n) == LR_ERROR)
			return LR_ERROR;
		next = n.child;
	}
	return lr_load_page(l, next, P_LEAF, leaf);
}

/* The depth of a tree, when there is anything in it. */
enum lr_rc
lr_tree_depth(struct lr *l, const struct lr_db *db, unsigned int *depth)
{
	if (db->root == NO_PAGE)
		return LR_NOTFOUND;
	*depth = db->depth;
	if (*depth == 0 || *depth > DEPTH_MAX)
		return lr_damaged(l, "says that a tree has a wrong depth");
	return LR_FOUND;
}

/* Finds the node of a key in a tree. */
static enum lr_rc
find(struct lr *l, const struct lr_db *db, const void *key, size_t klen, struct lr_item *out)
{
	struct lr_page	 leaf;
	enum lr_rc	 rc;
	unsigned int	 depth;
	size_t		 at;
	bool		 same;

	/* LMDB has no such key. */
	if (klen == 0 || klen > LR_KEY_MAX)
		return LR_NOTFOUND;
	if ((rc = lr_tree_depth(l, db, &depth)) != LR_FOUND)
		return rc;
	if (descend(l, db->root, depth, key, klen, &leaf, NULL, NULL) == LR_ERROR ||
	    search(l, &leaf, key, klen, false, &at, &same) == LR_ERROR)
		return LR_ERROR;
	return same ? lr_item_at(l, &leaf, at, out) : LR_NOTFOUND;
}

/* A value on pages of its own. */
static enum lr_rc
get_big(struct lr *l, const struct lr_item *n, struct bytes *out)
{
	size_t	 number = word(n->val), len = n->vlen;

	if (len > LR_PAGE - PAGE_HEAD)
		return fault(l, EMSGSIZE, "data.mdb has a value of %zu bytes where none is so long",
		    len);
	if (lr_load(l, number, PAGE_HEAD + len) == LR_ERROR)
		return LR_ERROR;
	if ((u16(l->page + sizeof(size_t) + 2) & P_KIND) != P_OVERFLOW ||
	    u32(l->page + sizeof(size_t) + 4) < (PAGE_HEAD + len + l->page_size - 1) / l->page_size)
		return lr_damaged(l, "holds no long value");
	out->p = l->page + PAGE_HEAD;
	out->n = len;
	return LR_FOUND;
}

/* The tree in which the values of a key are kept. */
enum lr_rc
lr_dup_tree(struct lr *l, const struct lr_item *n, struct lr_db *out)
{
	if (n->vlen != sizeof(*out) || (n->flags & F_BIGDATA) != 0)
		return lr_damaged(l, "has no tree where it says so");
	memcpy(out, n->val, sizeof(*out));
	return LR_FOUND;
}

/* In the leaf pg: the first value behind d. */
static enum lr_rc
dup_in(struct lr *l, const struct lr_page *pg, struct lr_dup *d, bool *end)
{
	struct lr_item	 n;
	size_t		 at = 0;
	bool		 same;

	*end = true;
	if (d->n != 0 && search(l, pg, d->b, d->n, true, &at, &same) == LR_ERROR)
		return LR_ERROR;
	if (at >= pg->n)
		return LR_NOTFOUND;
	if (lr_item_at(l, pg, at, &n) == LR_ERROR)
		return LR_ERROR;
	/* Without this a damaged page could send its reader round and round. */
	if (n.klen == 0 || (d->n != 0 && lr_compare(n.key, n.klen, d->b, d->n) <= 0))
		return lr_damaged(l, "has values in a wrong order");
	memcpy(d->b, n.key, n.klen);
	d->n = n.klen;
	*end = at + 1 == pg->n;
	return LR_FOUND;
}

/* The same in a tree. */
static enum lr_rc
dup_in_tree(struct lr *l, const struct lr_db *tree, struct lr_dup *d)
{
	struct lr_page	 leaf;
	size_t		 right = 0;
	unsigned int	 depth, levels = 0;
	enum lr_rc	 rc;
	bool		 end;

	if ((rc = lr_tree_depth(l, tree, &depth)) != LR_FOUND)
		return rc;
	if (descend(l, tree->root, depth, d->b, d->n, &leaf, &right, &levels) == LR_ERROR)
		return LR_ERROR;
	if ((rc = dup_in(l, &leaf, d, &end)) == LR_NOTFOUND && right != 0) {
		if (descend(l, right, levels, NULL, 0, &leaf, NULL, NULL) == LR_ERROR)
			return LR_ERROR;
		rc = dup_in(l, &leaf, d, &end);
		end = false;
	}
	d->last = end && right == 0;
	return rc;
}

enum lr_rc
lr_dup(struct lr *l, const struct lr_db *db, const void *key, size_t klen, struct lr_dup *d)
{
	struct lr_db	 tree;
	struct lr_page	 pg;
	struct lr_item	 n;
	enum lr_rc	 rc;

	if (d->n != 0 && d->last)
		return LR_NOTFOUND;
	if ((rc = find(l, db, key, klen, &n)) != LR_FOUND)
		return rc;
	if ((n.flags & F_DUPDATA) == 0) {
		d->last = true;
		if ((n.flags & F_BIGDATA) != 0 || n.vlen > LR_KEY_MAX)
			return lr_damaged(l, "has a value of a wrong size");
		if (d->n != 0 && lr_compare(n.val, n.vlen, d->b, d->n) <= 0)
			return LR_NOTFOUND;
		memcpy(d->b, n.val, n.vlen);
		d->n = n.vlen;
		return d->n != 0 ? LR_FOUND : lr_damaged(l, "has an empty value");
	}
	if ((n.flags & F_SUBDATA) != 0) {
		if (lr_dup_tree(l, &n, &tree) == LR_ERROR)
			return LR_ERROR;
		return dup_in_tree(l, &tree, d);
	}
	if ((n.flags & F_BIGDATA) != 0)
		return lr_damaged(l, "has values outside");
	if (lr_look(l, n.val, n.vlen, P_LEAF, &pg) == LR_ERROR)
		return LR_ERROR;
	return dup_in(l, &pg, d, &d->last);
}

enum lr_rc
lr_get(struct lr *l, const struct lr_db *db, const void *key, size_t klen, struct bytes *out)
{
	struct lr_item	 n;
	enum lr_rc	 rc;

	if ((rc = find(l, db, key, klen, &n)) != LR_FOUND)
		return rc;
	if ((n.flags & (F_DUPDATA | F_SUBDATA)) != 0)
		return lr_damaged(l, "has several values where there is one");
	if ((n.flags & F_BIGDATA) != 0)
		return get_big(l, &n, out);
	out->p = n.val;
	out->n = n.vlen;
	return LR_FOUND;
}

enum lr_rc
lr_db(struct lr *l, const char *name, struct lr_db *out)
{
	struct lr_item	 n;
	enum lr_rc	 rc;

	if ((rc = find(l, &l->meta.db[1], name, strlen(name), &n)) != LR_FOUND)
		return rc;
	if (n.flags != F_SUBDATA)
		return LR_NOTFOUND;
	if (lr_dup_tree(l, &n, out) == LR_ERROR)
		return LR_ERROR;
	if ((out->flags & ~(D_DUPSORT | D_DUPFIXED)) != 0)
		return fault(l, EINVAL, "data.mdb has a database with another order of keys");
	return LR_FOUND;
}

/* Reads the heads of both meta pages. */
static enum lr_rc
read_metas(struct lr *l, struct lr_meta m[METAS])
{
	size_t	 i, size, got = 0;

	l->number = 0;
	if (l->page_size == 0)
		l->page_size = PAGE_USUAL;
	/* The first says how far from it the second is. */
	for (i = 0; i < 2; i++) {
		if (lr_read_at(l, l->page, l->page_size + META_END, 0, &got) == LR_ERROR)
			return LR_ERROR;
		if (got == 0)
			return LR_NOTFOUND;
		memcpy(&m[0], l->page + PAGE_HEAD, sizeof(*m));
		if (got < META_END || m[0].magic != MAGIC)
			return fault(l, EINVAL, "data.mdb is no LMDB file");
		if (m[0].version != VERSION)
			return fault(l, EINVAL, "data.mdb was made by another LMDB version");
		size = m[0].db[0].pad;
		if (size < PAGE_MIN || size > LR_PAGE || (size & (size - 1)) != 0)
			return fault(l, EBADMSG, "data.mdb has pages of a wrong size");
		if (size == l->page_size)
			break;
		l->page_size = size;
	}
	memcpy(&m[1], l->page + l->page_size + PAGE_HEAD, sizeof(*m));
	if (i == 2 || got < l->page_size + META_END || m[1].magic != MAGIC ||
	    m[1].version != VERSION || m[1].db[0].pad != l->page_size)
		return fault(l, EBADMSG, "the second head of data.mdb is damaged");
	return LR_FOUND;
}

enum lr_rc
lr_begin(struct lr *l)
{
	struct lr_meta	 m[METAS];
	enum lr_rc	 rc;

	if ((rc = read_metas(l, m)) != LR_FOUND)
		return rc;
	l->meta = m[m[1].txn > m[0].txn];
	/* No page is read before its meta page. */
	atomic_thread_fence(memory_order_acquire);
	if (l->meta.last_page > (size_t)INT64_MAX / l->page_size - 1)
		return fault(l, EBADMSG, "data.mdb has more pages than there can be");
	return LR_FOUND;
}

enum lr_rc
lr_whole(struct lr *l)
{
	struct lr_meta	 m[METAS], *newest;
	char		 why[LR_WHY];
	int		 err = l->err;
	enum lr_rc	 rc;

	memcpy(why, l->why, sizeof(why));
	/* Nor is a page read after this. */
	atomic_thread_fence(memory_order_acquire);
	if ((rc = read_metas(l, m)) == LR_ERROR)
		return rc;
	/* The fault of the snapshot is what the caller wants to tell. */
	memcpy(l->why, why, sizeof(why));
	l->err = err;
	newest = &m[m[1].txn > m[0].txn];
	/* All of it: the first time it may have been half written. */
	return rc == LR_FOUND && memcmp(newest, &l->meta, sizeof(*newest)) == 0 ? LR_FOUND :
	    LR_NOTFOUND;
}

enum lr_rc
lr_open(struct lr *l, const char *path)
{
	l->page_size = l->number = 0;
	/* Not to wait for the writer of a pipe that somebody put there. */
	l->fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	return l->fd == -1 ? LR_ERROR : LR_FOUND;
}

void
lr_close(struct lr *l)
{
	if (l->fd != -1)
		close(l->fd);
	l->fd = -1;
}
