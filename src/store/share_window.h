/*
 * What the guards of all servers have counted of late: of a disaster each poller sees
 * but its part.  In Redis, under share_prefix:
 *
 *	:window		hash: SERVER/KIND/RUN -> what that run has counted (guard_line())
 *	:window:when	sorted set: the same names, with the ms when that was last told;
 *			and "", with those when a person has let all of it be forgotten
 *
 * Times are Redis' alone, so that no two servers' clocks are compared.
 */
#ifndef STORE_SHARE_WINDOW_H
#define STORE_SHARE_WINDOW_H

#include <stdbool.h>

#include "store/share.h"
#include "store/share_work.h"
#include "store/weigh.h"

/* One run's, or a stream's; all 0 before share_window_begin(), freed by
 * share_window_close(). */
struct share_window {
	struct cache	*c;
	struct work	*work;
	char		 name[SHARE_KEY];	/* this run's, in Redis */
	int64_t		 last;			/* ms: what was told until then is known; 0: none */
	bool		 away;			/* Redis, and that was said */
};

/* Another run, or part of a stream, begins at this time; what the others have counted
 * is not known yet. */
void	 share_window_begin(struct share_window *w, struct cache *c, int64_t now);
void	 share_window_close(struct share_window *w);

/*
 * Tells the other servers what the scales have counted, unless this is a dry run, and
 * takes in what they have: what two tell at the same time at least one of them sees.
 * Without Redis, after a message at most, nothing is taken in.  Returns false when all
 * that was counted so far, this run's too, is to be forgotten, by a person's word: then
 * nothing was told or taken in.  Never so at the first time behind share_window_begin(),
 * when what is older than such a word is forgotten at once.
 */
bool	 share_window_exchange(struct share_window *w, struct scales *g);

/* Lets the servers forget what all of them have counted.  Returns a status, after a
 * message when it is not 0; where nothing is shared there is nothing to do. */
int	 share_window_forget(struct cache *c);

#endif
