/*
 * Several pollers, one consumer group of Redis: each client that is due is asked
 * about by one of them.  In Redis, under share_prefix:
 *
 *	:work		the stream: entry `c`, a client.  Group `pollers`, in which each
 *			server is the consumer of its name
 *	:offered	hash: client -> its entry in :work, while there is one
 *	:pollers	hash: server -> ms, when it last took work
 *	:asked:CLIENT	the server that has just passed this client to its look-up
 *	:held	hash: server -> ms, until when its poll holds changes back (share.h)
 *	:window, :window:when	what the guards have counted (share_window.h)
 *
 * A client is done when its answer is not old any more by the store of who looks.
 * Work that was taken and is not done after share_lease is another's to take.
 */
#ifndef STORE_SHARE_WORK_H
#define STORE_SHARE_WORK_H

#include <stdbool.h>

#include "store/cache.h"
#include "store/share_link.h"

#define WORK_GROUP	"pollers"

struct work;

enum work_mode {
	WORK_ALL,	/* nothing is shared: every client is ours */
	WORK_SHARED,
	WORK_OWN,	/* Redis has been away for long: the clients that came to us */
	WORK_NONE	/* after a message: *status says why */
};

/* Connects.  *out is NULL but for WORK_SHARED; work_close() frees it. */
enum work_mode	 work_open(struct cache *c, struct work **out, int *status);
void		 work_close(struct work *w);

/* This client is due. */
void		 work_offer(struct work *w, const char *client);

/*
 * Offers them to all, and calls fn for each that is ours to ask about now: taken
 * before, taken over from a poller that has died, or of our part of what is new.
 * fn says whether it is still due; if not it is done.  Returns a status.
 */
typedef bool	 (*work_fn)(const char *client, bool taken_over, void *arg);
int		 work_take(struct work *w, work_fn fn, void *arg);

/*
 * May this server pass the client to its look-up?  No when another has done so, or
 * has taken it to ask about, as long ago as a look-up may take.  Without Redis always.
 * *w is kept between calls, NULL at first.
 */
bool		 work_claim(struct cache *c, struct work **w, const char *client);

/*
 * The link for such questions, which *w keeps; for work_lost() when it gives no answer.
 * NULL: Redis is away, and not tried again within ten seconds of the last try, which
 * alone puts its reason into why.
 */
struct link	*work_link(struct cache *c, struct work **w, char why[LINK_WHY]);
void		 work_lost(struct work *w);

/* Does the poll of any server hold changes back?  Without Redis nobody's. */
bool		 work_held(struct cache *c, struct work **w);

#endif
