/*
 * Reads the data file of LMDB without liblmdb: for a program that looks one thing
 * up and ends.  It takes no lock and no reader slot, needs the read permission of
 * one file, and leaves nothing behind when it is killed.
 *
 * Format: version 1 of LMDB's data file (MDB_DATA_VERSION of LMDB 0.9), of this
 * machine's byte order and word size; others are refused.  Keys in LMDB's own
 * order, plain and MDB_DUPSORT databases.
 *
 * Every byte of the file is doubted: a damaged page ends as LR_ERROR with EBADMSG,
 * never as a crash or a loop.
 *
 * What is read is a snapshot only if lr_whole() says so afterwards:
 *
 *	do {
 *		lr_begin(); lr_db() ...; lr_get() ...;
 *	} while (lr_whole() == LR_NOTFOUND, a few times);
 *
 * Why that is enough: a writer that works on transaction T + 1 never writes to a
 * page that transaction T can reach, and the one after it begins when the meta
 * page of T + 1 has been written.  So as long as T is the newest, its pages are
 * as they were.  An error, too, counts only when lr_whole() then says so.
 */
#ifndef STORE_LMDB_READ_H
#define STORE_LMDB_READ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/bytes.h"

#define LR_PAGE		32768	/* the largest page that LMDB 0.9 makes */
#define LR_KEY_MAX	511	/* of keys and of duplicates */
#define LR_META		256	/* at least the head of a meta page */
#define LR_WHY		128

enum lr_rc { LR_ERROR = -1, LR_NOTFOUND = 0, LR_FOUND = 1 };

/* How LMDB writes a database down: in a meta page, or as a value. */
struct lr_db {
	uint32_t	 pad;		/* of the first: the page size */
	uint16_t	 flags;
	uint16_t	 depth;
	size_t		 branch_pages, leaf_pages, overflow_pages, entries;
	size_t		 root;
};

struct lr_meta {
	uint32_t	 magic, version;
	size_t		 address, map_size;
	struct lr_db	 db[2];		/* free pages; the names of databases */
	size_t		 last_page;
	size_t		 txn;
};

/* One open file.  Large: not on the stack. */
struct lr {
	int		 fd;
	int		 err;		/* errno of the last LR_ERROR */
	char		 why[LR_WHY];	/* and a sentence, or its end: "data.mdb is ..." */
	size_t		 page_size;	/* 0: not known yet */
	struct lr_meta	 meta;		/* of the snapshot */
	size_t		 number;	/* of the page in page[]; 0: none */
	size_t		 loaded;	/* bytes of it */
	_Alignas(16) unsigned char page[LR_PAGE + LR_META];
};

/* Opens the file; a *l of zeros with its fd set does as well.  LR_ERROR: errno of
 * open() (ELOOP: a symbolic link). */
enum lr_rc	 lr_open(struct lr *l, const char *path);
void		 lr_close(struct lr *l);

/* Takes the newest snapshot.  LR_NOTFOUND: the file is empty.  LR_ERROR: EINVAL, it
 * is no data file of LMDB's, or of another format or machine; EBADMSG; EIO, ... */
enum lr_rc	 lr_begin(struct lr *l);

/* Was all that has been read since lr_begin() of one snapshot?  LR_NOTFOUND: no. */
enum lr_rc	 lr_whole(struct lr *l);

/* Finds a named database.  LR_ERROR with EINVAL: its keys have another order. */
enum lr_rc	 lr_db(struct lr *l, const char *name, struct lr_db *out);

/*
 * Finds the value of a key in a database without MDB_DUPSORT.  *out is valid until
 * the next call.  LR_ERROR with EMSGSIZE: longer than LR_PAGE - 16 bytes.
 */
enum lr_rc	 lr_get(struct lr *l, const struct lr_db *db, const void *key, size_t klen,
		    struct bytes *out);

/* One of several values of a key. */
struct lr_dup {
	unsigned char	 b[LR_KEY_MAX];
	size_t		 n;		/* 0: before the first */
	bool		 last;		/* none comes behind it */
};

/* Goes to the next value of a key of a MDB_DUPSORT database; none is empty. */
enum lr_rc	 lr_dup(struct lr *l, const struct lr_db *db, const void *key, size_t klen,
		    struct lr_dup *d);

/*
 * Goes through all pages of the databases with these names, of the names themselves,
 * and of the free pages: is each where it should be, with keys in order, and used
 * once?  Then liblmdb can read and write this snapshot.  Nobody may give its pages to
 * others meanwhile: the caller holds a transaction of liblmdb's.
 */
enum lr_rc	 lr_walk(struct lr *l, const char *const name[], size_t n);

#endif
