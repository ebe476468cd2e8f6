/*
 * What the store needs of LMDB, and nothing more; db.c alone knows lmdb.h.
 * This header is for the files of src/store/.
 *
 *	meta	"format" -> text, "cursor.NAME" -> a place in the journal,
 *		"coa.RESULT", "coa.nak.CAUSE" -> a count of 8 bytes
 *	dev	"i:" + 16 bytes of the Intune id -> packed answer
 *		"x:g:" + GUID, "x:n:" + folded name, "x:m:" + 6 bytes,
 *		"x:s:" + folded serial number
 *		-> packed answer that names no stored device
 *	key	"e:" + 16 bytes of the Entra id, "n:" + folded name, "m:" + 6
 *		bytes, "s:" + folded serial number -> key in dev (more than one: duplicates are kept sorted)
 *		"v" + one of these: the same, but refuted, and not found
 *	client	id -> version, seen, place in the journal, JSON text
 *	out	"d" + key of dev, or "c" + key of client -> when it was changed here:
 *		what other servers have not been told yet.  Filled only while meta
 *		has "share.name", and not in the stores of older versions.
 */
#ifndef STORE_DB_H
#define STORE_DB_H

#include <stdbool.h>
#include <stddef.h>

#include "store/bytes.h"
#include "store/store.h"

#define DB_FORMAT_NAME	"intune-nac "
#define DB_FORMAT	DB_FORMAT_NAME "1"
#define DB_FORMAT_KEY	"format"

/* A million devices take 700 MB.  The file is sparse and grows as it is filled;
 * this is address space only.  It doubles when it is full. */
#if defined(__LP64__)
#define DB_MAP		(8ULL << 30)
#else
#define DB_MAP		(512UL << 20)
#endif

/* LMDB's own 126 slots are used up by as many killed readers.  The first
 * opener's number holds, so every opener gives the same. */
#define DB_READERS	1024

#define DB_KEY_MAX	511	/* of LMDB */

/* A commit of a step that goes through all: no more deleted, no more looked at.  All
 * at once would write the whole file anew beside itself, and hold up every writer. */
#define DB_STEP		1000
#define DB_STEP_SEEN	20000

/* In meta: the name by which other servers know this store. */
#define DB_SHARE_NAME	"share.name"

enum db { DB_META, DB_DEV, DB_KEY, DB_CLIENT, DB_OUT, DB_COUNT };

struct MDB_cursor;
struct MDB_env;
struct MDB_txn;

struct store {
	struct MDB_env	*env;
	struct MDB_txn	*txn;		/* the open one, or NULL */
	unsigned int	 dbi[DB_COUNT];
	struct MDB_cursor *cursor[DB_COUNT];	/* of a write transaction, kept until it ends */
	int		 depth;		/* how often the transaction was entered */
	bool		 writing;	/* it is a write transaction */
	bool		 full;		/* the map was full: grow and try again */
	bool		 marking;	/* what is written is noted in `out` */
	bool		 exact;		/* another server's: filed as it is, not noted */
	unsigned char	 told[DB_KEY_MAX];	/* the key of `dev` that is not noted */
	size_t		 told_n;
	enum { RARE_UNKNOWN, RARE_NONE, RARE_SOME } rare[DB_COUNT]; /* in this transaction */
	store_full_fn	 on_full;	/* NULL: none */
	void		*on_full_arg;
	int		 err;		/* errno of the last error */
	char		*dir;
	char		 why[STORE_WHY];
};

/* The size of the map of a new writer: DB_MAP, but a test makes it small. */
extern size_t	 db_map;

/* Leaves "dir: what" and err behind; returns STORE_ERROR. */
enum store_rc	 db_fault(struct store *s, int err, const char *fmt, ...)
		    __attribute__((format(printf, 3, 4)));

/* Opens and closes a read transaction; inside another transaction they nest.
 * db_enter() returns STORE_FOUND or STORE_ERROR. */
enum store_rc	 db_enter(struct store *s);
void		 db_leave(struct store *s);

/* Inside a transaction that writes: is there neither an answer that names no device
 * nor a refuted claim? */
bool		 db_none_rare(struct store *s);

/* One value.  It is valid until the transaction ends or writes, as all bytes here. */
enum store_rc	 db_get(struct store *s, enum db db, const void *key, size_t klen,
		    struct bytes *out);

/* Adds or replaces a value; in DB_KEY adds a duplicate.  Where changes are noted,
 * the same value once more is none. */
enum store_rc	 db_put(struct store *s, enum db db, const void *key, size_t klen,
		    const void *val, size_t vlen);

/* Notes in DB_OUT that this value of DB_DEV or DB_CLIENT is to be told to others. */
enum store_rc	 db_mark(struct store *s, enum db db, const void *key, size_t klen);

/* Adds a duplicate in DB_KEY.  STORE_NOTFOUND: it was there. */
enum store_rc	 db_add(struct store *s, const void *key, size_t klen, const void *val,
		    size_t vlen);

/* Deletes a key, or with val one duplicate of it.  STORE_NOTFOUND: was not there. */
enum store_rc	 db_del(struct store *s, enum db db, const void *key, size_t klen,
		    const void *val, size_t vlen);

/* The first entry behind key (klen 0: the first of all). */
enum store_rc	 db_after(struct store *s, enum db db, const void *key, size_t klen,
		    struct bytes *k, struct bytes *v);

/* The duplicate behind *last of one key of DB_KEY; an empty *last: the first. */
enum store_rc	 db_dup(struct store *s, const void *key, size_t klen,
		    const struct bytes *last, struct bytes *out);

/* Is val one of the duplicates of a key of DB_KEY? */
enum store_rc	 db_has(struct store *s, const void *key, size_t klen, const void *val,
		    size_t vlen);

/* Calls fn for every entry, duplicates too, in order, until it returns STORE_ERROR;
 * fn may read but not write.  Inside a transaction. */
typedef enum store_rc (*db_fn)(const struct bytes *k, const struct bytes *v, void *arg);
enum store_rc	 db_walk(struct store *s, enum db db, db_fn fn, void *arg);

/* Fills in file, map and readers. */
enum store_rc	 db_sizes(struct store *s, struct store_size *out);

/* Does the device say of itself what this key of DB_KEY says of it? */
bool		 key_is_of(const struct device *d, const void *key, size_t n);

/* The key in `dev` of an answer whose `asked` is as store_each() gives it.  False: it
 * names nothing. */
bool		 key_of_answer(const struct answer *a, unsigned char out[DB_KEY_MAX], size_t *n);

/* The key of an answer without a device says what was asked: fills that in. */
void		 key_asked(struct answer *a, const unsigned char *key, size_t n);

/* How many entries a database has. */
enum store_rc	 db_count(struct store *s, enum db db, size_t *out);

#endif
