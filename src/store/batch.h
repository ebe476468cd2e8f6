/*
 * Many answers in one transaction.  A device of the usual kind touches its own entries
 * alone, so that it does not matter which of two comes first: such are filed in the
 * order of their ids, and their keys after them in the order of the keys.  LMDB then
 * mostly finds the next page near the last one.  This header is for the files of
 * src/store/.
 */
#ifndef STORE_BATCH_H
#define STORE_BATCH_H

#include "store/keys.h"

struct claims;

/* Notes that a device is to be found by a key; known: it was there before, and most
 * likely had it.  STORE_FOUND or STORE_ERROR. */
enum store_rc	 claims_add(struct store *s, struct claims *c, const struct key *k,
		    const struct key *primary, bool known);

/* Files a device under one of its keys, where it is not yet. */
enum store_rc	 add_claim(struct store *s, const void *k, size_t klen, const void *primary,
		    size_t n, bool known);

/* Does filing this answer touch nothing but what is its device's own, as long as
 * db_none_rare()? */
bool		 is_of_its_own(const struct answer *a);

/* store_put(), inside a transaction; later is NULL, or gets the keys of an answer that
 * is_of_its_own() in place of the store. */
enum store_rc	 put_answer(struct store *s, const struct answer *a, struct answer *before,
		    struct claims *later);

#endif
