/*
 * The pages of LMDB's data file, for the two files that read it without liblmdb:
 * lmdb_read.c, which looks things up, and lmdb_walk.c, which doubts all of it.
 */
#ifndef STORE_LMDB_PAGE_H
#define STORE_LMDB_PAGE_H

#include <string.h>

#include "store/lmdb_read.h"

#define NODE		8		/* the head of a node */
#define LR_METAS	2
#define LR_NO_PAGE	((size_t)-1)
#define DEPTH_MAX	32		/* as LMDB's cursors */

enum { P_BRANCH = 0x01, P_LEAF = 0x02, P_OVERFLOW = 0x04, P_META = 0x08, P_DIRTY = 0x10,
    P_LEAF2 = 0x20, P_SUBP = 0x40, P_KIND = 0x2f };
enum { F_BIGDATA = 0x01, F_SUBDATA = 0x02, F_DUPDATA = 0x04 };
enum { D_DUPSORT = 0x04, D_NUMBERS = 0x08, D_DUPFIXED = 0x10, D_ALL = 0x7f };

#define PAGE_HEAD	(sizeof(size_t) + 8)

/* A page, or a small one inside a value. */
struct lr_page {
	const unsigned char	*p;
	size_t			 size;
	size_t			 n;		/* nodes */
	size_t			 ksize;		/* LEAF2: of every key; else 0 */
	bool			 branch;
};

/* A node of a page. */
struct lr_item {
	const unsigned char	*key, *val;
	size_t			 klen, vlen;
	unsigned int		 flags;
	size_t			 child;		/* of a branch page */
};

static inline uint16_t
u16(const unsigned char *p)
{
	uint16_t	 v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static inline uint32_t
u32(const unsigned char *p)
{
	uint32_t	 v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static inline size_t
word(const unsigned char *p)
{
	size_t	 v;

	memcpy(&v, p, sizeof(v));
	return v;
}

/* Says what is wrong with page l->number; returns LR_ERROR. */
enum lr_rc	 lr_damaged(struct lr *l, const char *what);

/* Reads n bytes, or up to the end of the file; *got says how many. */
enum lr_rc	 lr_read_at(struct lr *l, void *buf, size_t n, uint64_t at, size_t *got);

/* Reads n bytes of the file from the start of a page, unless they are what was read
 * last. */
enum lr_rc	 lr_load(struct lr *l, size_t number, size_t n);

/* Checks the head of a page of this kind; lr_load_page() reads it first. */
enum lr_rc	 lr_look(struct lr *l, const unsigned char *p, size_t size, unsigned int kind,
		    struct lr_page *out);
enum lr_rc	 lr_load_page(struct lr *l, size_t number, unsigned int kind,
		    struct lr_page *out);

/* The i-th node of a page; the caller knows that there is one. */
enum lr_rc	 lr_item_at(struct lr *l, const struct lr_page *pg, size_t i,
		    struct lr_item *out);

/* LMDB's order: the bytes, then the length. */
int		 lr_compare(const void *a, size_t an, const void *b, size_t bn);

/* The depth of a tree, when there is anything in it. */
enum lr_rc	 lr_tree_depth(struct lr *l, const struct lr_db *db, unsigned int *depth);

/* The tree in which the values of a key, or a named database, are kept. */
enum lr_rc	 lr_dup_tree(struct lr *l, const struct lr_item *n, struct lr_db *out);

#endif
