/*
 * The device store: a folder with an LMDB environment, read by radius-hook on
 * every authentication (store_find_once() alone) and written by nac-cache.  It knows no policy, no
 * RADIUS and no Intune.  Who opens a store closes it with store_close().
 *
 * LMDB's rules: a process opens one store once, does not use it after fork(),
 * and one thread at a time uses it.  It may stay open for long: no transaction
 * does, and a map that another process has made larger is followed.
 */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "device/answer.h"
#include "device/identity.h"

#define STORE_DIR	"/var/lib/intune-nac"	/* state_dir of nac.conf(5) */
#define STORE_WHY	512

struct store;

enum store_mode {
	STORE_READ,		/* must exist */
	STORE_WRITE		/* made when it is not there */
};

enum store_rc {
	STORE_ERROR = -1,	/* store_why() tells */
	STORE_NOTFOUND = 0,
	STORE_FOUND = 1
};

/*
 * Opens the store in folder dir.  Returns it; or NULL with one sentence in why
 * (missing, no permission, not ours, other format, too many readers).
 */
struct store *store_open(const char *dir, enum store_mode mode, char why[STORE_WHY]);
void	 store_close(struct store *s);

/*
 * liblmdb believes every page it reads, and a damaged one makes it crash, loop or
 * overwrite what it should not.  This reads the whole file first, each page once: half
 * a second for a million devices.  To be called before anything that goes through
 * many entries or writes; store_open() itself has looked at what it needs.
 * STORE_ERROR with EBADMSG: damaged.
 */
enum store_rc store_verify(struct store *s);

/*
 * What else a process can do that reads a file which turns bad under it: from now on
 * it ends with `status` and the line `what` on standard error, and what it was
 * writing is not in the store, whole.
 */
void	 store_guard(struct store *s, const char *what, int status);

/* The reason of the last STORE_ERROR: one sentence, and an errno (EACCES, EINVAL
 * not ours or another format, EBADMSG damaged, ENOSPC, EROFS, EAGAIN, ...).
 * store_open() leaves the same in errno; ENOENT there: no store yet. */
const char *store_why(const struct store *s);
int	 store_errno(const struct store *s);

/*
 * Looks a device up by the identifiers in id, in the given order; a GUID as
 * Intune id first, then as Entra id; a random MAC matches nothing.
 *
 * STORE_FOUND: *out is the last answer (which may be unregistered or
 * ambiguous), its source is SOURCE_CACHE.  STORE_NOTFOUND: *out has state
 * COMPLIANCE_PENDING, nothing is stored for any of them.  When two devices
 * match, or the identity itself is ambiguous, the state is COMPLIANCE_AMBIGUOUS.
 */
enum store_rc store_find(struct store *s, const struct identity *id,
	    const struct match_order *order, struct answer *out);

/*
 * The same without liblmdb, for who reads and does nothing else: it takes no lock
 * and no reader slot, needs the read permission of data.mdb alone, leaves nothing
 * behind when it is killed, and survives a file that is damaged or cut short while
 * it reads.  What was committed before the call is seen.
 *
 * store_reader_open() returns NULL with one sentence in why; so does STORE_ERROR.
 * The file stays open until store_reader_close(), also when another one takes its
 * name.  One thread at a time uses a reader.  store_find_once() opens, finds and
 * closes, and is not for threads.
 */
struct store_reader;
struct store_reader *store_reader_open(const char *dir, char why[STORE_WHY]);
void	 store_reader_close(struct store_reader *r);
enum store_rc store_reader_find(struct store_reader *r, const struct identity *id,
	    const struct match_order *order, struct answer *out, char why[STORE_WHY]);
enum store_rc store_find_once(const char *dir, const struct identity *id,
	    const struct match_order *order, struct answer *out, char why[STORE_WHY]);

/*
 * Files an answer of Intune's: under its device, by its id, with Entra id, name,
 * MACs and serial number as further keys; what those keys were before is dropped.  A
 * MAC that it was found by and that is not one of its two is filed, too.  Unregistered
 * or ambiguous is filed under everything that was asked: a stored device that was
 * asked for by its id becomes unregistered and keeps its facts.
 *
 * STORE_FOUND: filed.  STORE_NOTFOUND: not filed, as what is stored is newer or
 * there is nothing to file it under.  *before, unless NULL, is what was stored of
 * the same device or under the same keys (state pending: nothing).
 */
enum store_rc store_put(struct store *s, const struct answer *a, struct answer *before);

/*
 * The same for n answers, in one transaction and with the same result as one after the
 * other, but faster.  Calls fn (NULL: nothing) for each, in any order, with what
 * store_put() would have given; when the store had to be made larger, for all of them again.
 * STORE_FOUND, or STORE_ERROR: none is filed.
 */
struct store_item {
	const struct answer	*a;
	void			*of;		/* the caller's */
};
typedef void (*store_put_fn)(const struct store_item *item, enum store_rc rc,
	    const struct answer *before, void *arg);
enum store_rc store_put_all(struct store *s, const struct store_item *item, size_t n,
	    store_put_fn fn, void *arg);

/*
 * store_put() of one entry of another store, as store_each() gives it: an answer that is
 * filed under a MAC beside those of its device says nothing of the device, which has
 * an entry of its own.
 */
enum store_rc store_put_entry(struct store *s, const struct answer *a);

/*
 * Runs fn in one write transaction, whose end is the moment when the changes are
 * on disk.  When fn returns STORE_ERROR nothing is changed.  When the store had
 * to be made larger fn is run again from the start.  Returns what fn did.
 */
typedef enum store_rc (*store_fn)(struct store *s, void *arg);
enum store_rc store_transact(struct store *s, store_fn fn, void *arg);

/*
 * Calls fn for every stored answer: devices, then the answers without one, whose
 * `asked` says what was asked.  A value that is damaged comes as a NULL answer
 * with why; the others go on.  No transaction is held while fn runs, so that
 * fn may take its time; what is filed meanwhile may or may not come.
 * STORE_FOUND at the end, STORE_NOTFOUND when fn returned false.
 */
typedef bool (*store_answer_fn)(const struct answer *a, const char *why, void *arg);
enum store_rc store_each(struct store *s, store_answer_fn fn, void *arg);

/* Removes the answers that Intune gave before `limit`, with their keys, in steps of
 * a thousand: on STORE_ERROR some may be gone.  Adds to the counts. */
enum store_rc store_prune(struct store *s, int64_t limit, size_t *devices, size_t *others);

/*
 * Whether a stored device is found by its Entra id, name, Wi-Fi and Ethernet MAC
 * and serial number, in this order, those that it does not have (or that count for nothing) left
 * out.  CLAIM_VOID: not by this one, as Intune has said otherwise since.
 */
enum store_claim {
	CLAIM_NONE,		/* has no more of them */
	CLAIM_FOUND,
	CLAIM_VOID,
	CLAIM_LOST		/* damage: the key is not there */
};
#define STORE_CLAIMS	5
enum store_rc store_claims(struct store *s, const struct device *d,
	    enum store_claim claim[STORE_CLAIMS]);

/* Reads what is stored under the key of this answer, as store_each() gives it: the
 * id of its device, or the one thing asked.  Damaged is not found. */
enum store_rc store_same(struct store *s, const struct answer *a, struct answer *out);

/* Makes claims void: bit 1 << i for the i-th. */
enum store_rc store_void(struct store *s, const struct device *d, unsigned int voids);

/*
 * Checks, at one moment, that every value can be read, that every key leads to a
 * device that has it, and every device is found by every key it should.  Calls fn
 * with one sentence for each fault.  A transaction is held while it runs.
 */
struct store_checked {
	size_t	 devices, others, keys, cursors, faults;
};
typedef void (*store_fault_fn)(const char *what, void *arg);
enum store_rc store_check(struct store *s, store_fault_fn fn, void *arg,
	    struct store_checked *n);

/* From now on a power cut may undo our last transaction, whole, and none before it:
 * half as much waiting for the disk, for who can do that transaction again. */
void	 store_lazy(struct store *s);

/* Writes a compacted copy of data.mdb, as it is at this moment, to fd, an empty
 * file; writers and readers go on meanwhile. */
enum store_rc store_copy(struct store *s, int fd);

/*
 * Where the disk is full, what writes asks fn in place of failing, once it has undone
 * all: true is to try again, so fn waits; store_why() is the sentence.
 */
typedef bool	 (*store_full_fn)(struct store *s, void *arg);
void	 store_on_full(struct store *s, store_full_fn fn, void *arg);

/*
 * Lets go of the pages of the map that were touched.  They stay in the system's
 * cache; but who goes through a large store would else seem to use as much memory
 * as the store has.  Costs a few microseconds, and a soft fault for each page that
 * is touched again.
 */
void	 store_relax(struct store *s);

/* What LMDB says of itself. */
struct store_size {
	uint64_t	 file;		/* bytes */
	uint64_t	 map;		/* bytes the file may grow to before the map grows */
	unsigned int	 readers;	/* slots taken, ours and dead ones included */
	unsigned int	 readers_max;
	size_t		 entries;	/* answers */
	size_t		 clients;
	size_t		 untold;	/* changes that other servers do not know yet */
};
enum store_rc store_sizes(struct store *s, struct store_size *out);

#endif
