/*
 * How the changes of authorization ended, counted over the store's life: for who
 * watches, and for nothing else.
 */
#ifndef STORE_TALLY_H
#define STORE_TALLY_H

#include <stdint.h>

#include "store/store.h"

enum tally_result {
	TALLY_ACK,
	TALLY_NAK,
	TALLY_SILENT,		/* no answer */
	TALLY_OWED,		/* another coa-send waits for it */
	TALLY_ERROR,		/* not sent */
	TALLY_RESULTS
};

/* RFC 5176 section 3.5, in its order; 0: none was given, or another one. */
#define TALLY_CAUSES	18
extern const int	 tally_causes[TALLY_CAUSES];

struct tally {
	uint64_t	 n[TALLY_RESULTS];	/* TALLY_NAK's are under nak[] alone */
	uint64_t	 nak[TALLY_CAUSES];
};

/* The word for coa.result in a record, nac-record(5). */
const char	*tally_name(enum tally_result r);

/* Counts one result, of the word and Error-Cause given; a word that is none of
 * these is not counted.  Inside a store_transact(). */
enum store_rc	 tally_add(struct store *s, const char *result, int64_t cause);

/* Reads the counts, all 0 where nothing was ever counted. */
enum store_rc	 tally_get(struct store *s, struct tally *out);

#endif
