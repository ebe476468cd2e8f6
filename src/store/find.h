/*
 * The search for a device by an identity, over what two ways of reading the store
 * have in common.  This header is for the files of src/store/.
 */
#ifndef STORE_FIND_H
#define STORE_FIND_H

#include <stdbool.h>
#include <stddef.h>

#include "device/answer.h"
#include "device/identity.h"
#include "store/bytes.h"
#include "store/lmdb_read.h"
#include "store/store.h"

struct find_source {
	/* The value of a key of `dev`, valid until the next call. */
	enum store_rc	(*get)(void *arg, const void *key, size_t klen, struct bytes *out);
	/* The next value of a key of `key`. */
	enum store_rc	(*dup)(void *arg, const void *key, size_t klen, struct lr_dup *d);
	/* Says so of a value; returns STORE_ERROR. */
	enum store_rc	(*damaged)(void *arg, const char *what);
	void		*arg;
};

#define FIND_WHY	128

/* Is this value of DB_FORMAT_KEY in `meta` (none: n 0) the format that we know?  If
 * not, says what is. */
bool		 find_format(const struct bytes *v, char why[FIND_WHY]);

/* As store_find(). */
enum store_rc	 find_device(const struct find_source *src, const struct identity *id,
		    const struct match_order *order, struct answer *out);

#endif
