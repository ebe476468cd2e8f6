/*
 * Two versions of the same thing become one, on every server the same one, in
 * whatever order they come.  Of answers the newer counts.  Of clients the newest
 * login counts; what became of that session (accounting, CoA) is taken from
 * both, the later of each.
 */
#ifndef STORE_SHARE_JOIN_H
#define STORE_SHARE_JOIN_H

#include <jansson.h>

#include "store/share_entry.h"

/* All of these run in a write transaction. */

/* What another server has of an answer.  STORE_NOTFOUND: nothing new. */
enum store_rc	 share_join_answer(struct store *s, const struct answer *a, unsigned int voids);

/*
 * A client's line of the journal, or what another server has of it.  A text that
 * is no record of this client is STORE_NOTFOUND, with the reason in why (else "").
 */
enum store_rc	 share_join_client(struct store *s, const struct client *c, char *why,
		    size_t size);

/* The name by which other servers know the store; "": it is not shared. */
enum store_rc	 share_name(struct store *s, char out[CLIENT_ID]);

/* Adds the name of the server that a client has authenticated at, if it has none. */
void	 share_sign(json_t *rec, const char *server);

/* The order of a client whose record this is.  False with why: it is none. */
bool	 share_order_of(struct share_order *o, const struct client *c, const json_t *rec,
	    char *why, size_t size);

#endif
