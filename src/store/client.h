/*
 * The clients seen: for each the newest line of the journal, kept in the store
 * as JSON text that this part does not look into.
 */
#ifndef STORE_CLIENT_H
#define STORE_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "device/identity.h"
#include "device/session.h"
#include "store/journal.h"
#include "store/store.h"

#define CLIENT_ID	512	/* LMDB's longest key and a NUL */

struct client {
	char		 id[CLIENT_ID];
	int64_t		 seen;		/* when it authenticated */
	uint64_t	 ino;		/* the line of the journal: file and byte */
	int64_t		 offset;
	const char	*text;		/* the record, len bytes of JSON */
	size_t		 len;
};

/*
 * Names the client of a session: the MAC in its Calling-Station-Id, else that of
 * its identity, else "u:", who logged in, "@" and the NAS.  Returns false when there is none of them.
 */
bool	 client_id(char out[CLIENT_ID], const struct session *s, const struct identity *id);

/*
 * Keeps the client, unless what is stored is as new or newer: it was seen later,
 * or in the same second further on in the same file.  STORE_NOTFOUND: not kept.
 */
enum store_rc	 client_fold(struct store *s, const struct client *c);

/* Replaces what is stored of the client. */
enum store_rc	 client_put(struct store *s, const struct client *c);

/* Reads one client.  On STORE_FOUND the caller frees *text, which c->text is. */
enum store_rc	 client_get(struct store *s, const char *id, struct client *c, char **text);

/* Calls fn for every client, as store_each() does for answers; c is NULL and why
 * set for a damaged value. */
typedef bool (*client_fn)(const struct client *c, const char *why, void *arg);
enum store_rc	 client_each(struct store *s, client_fn fn, void *arg);

/* Removes the clients not seen since `limit`, as store_prune() does; adds to *n. */
enum store_rc	 client_prune(struct store *s, int64_t limit, size_t *n);

/* How far a reader of the journal has come; name is a short word. */
enum store_rc	 cursor_get(struct store *s, const char *name, struct journal_place *out);
enum store_rc	 cursor_put(struct store *s, const char *name,
		    const struct journal_place *place);

#endif
