/*
 * What one server tells the others: a stored answer or a client, as bytes.
 * They lie in Redis, where anybody with its password may have put them, so they
 * are read as foreign bytes.
 *
 *	version		1 byte, SHARE_VERSION
 *	kind		1 byte, 'd' or 'c'
 *	order		16 (d) or 96 (c) hexadecimal digits: of two entries under
 *			one key the one with the greater order counts.  Text, so
 *			that Redis' own scripts can compare it
 *	d		void claims; how asked (0: by its device's id), length and
 *			text of it; the packed answer to the end
 *	c		length of the id in 2 bytes, the id; seen, ino and offset in
 *			8 bytes each, the record to the end
 */
#ifndef STORE_SHARE_ENTRY_H
#define STORE_SHARE_ENTRY_H

#include "store/client.h"
#include "store/pack.h"
#include "store/store.h"

#define SHARE_VERSION	1
#define SHARE_ORDER_D	16
#define SHARE_ORDER_C	96
#define SHARE_HEAD	2	/* bytes before the order */

/* The longest record of a client is a line of the journal and what was added. */
#define SHARE_TEXT_MAX	(256 * 1024)
#define SHARE_CLIENT_MAX	(SHARE_HEAD + SHARE_ORDER_C + 2 + CLIENT_ID + 24 + SHARE_TEXT_MAX)
#define SHARE_ANSWER_MAX	(SHARE_HEAD + SHARE_ORDER_D + 3 + 256 + PACK_MAX)

struct share_entry {
	char		 kind;		/* 'd' or 'c' */
	struct answer	 a;		/* nasked is 0 or 1 */
	unsigned int	 voids;		/* as store_void() takes them */
	struct client	 cl;		/* text points into the bytes, and has no NUL */
};

/* When a client's record was last changed, and by what: what its order is made of. */
struct share_order {
	int64_t		 login;		/* session.seen */
	uint64_t	 server;	/* digest of its name */
	uint64_t	 ino;
	int64_t		 offset;
	int64_t		 accounting, coa;
};

/* Writes n as 16 digits that sort as the number does; returns the end. */
char	*share_digits(char *p, int64_t n);

/* Each returns the length. */
size_t	 share_pack_answer(unsigned char out[SHARE_ANSWER_MAX], const struct answer *a,
	    unsigned int voids);

/* 0: it is too long to be told. */
size_t	 share_pack_client(unsigned char out[SHARE_CLIENT_MAX], const struct client *c,
	    const struct share_order *o);

/*
 * Reads len bytes.  Returns true; or false with *why (static text) when they are
 * no entry: another version, a length that does not fit, a name that does not
 * exist, bytes left over, an order that is not its answer's.  Whether a client's
 * text is a record is left to who stores it.
 */
bool	 share_unpack(const void *data, size_t len, struct share_entry *out, const char **why);

#endif
