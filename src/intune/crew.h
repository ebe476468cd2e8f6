/*
 * Threads that wait together and think one at a time.  Each of them runs plain,
 * straight code under one lock, which is let go only while something is waited
 * for: an answer, a moment, one another.  So between two waits nothing changes
 * under anybody's hands.  Without crew_start() all of this does nothing.
 */
#ifndef INTUNE_CREW_H
#define INTUNE_CREW_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CREW_MAX	256	/* threads in a crew: more in flight gains nothing */

struct crew {
	pthread_t	 thread[CREW_MAX];
	size_t		 n;
};

/* From now on there is a lock, and the caller holds it.  Once a program. */
void	 crew_start(void);
bool	 crew_started(void);

/* Around whatever blocks: others work meanwhile. */
void	 crew_leave(void);
void	 crew_enter(void);

/* Lets the others work until somebody calls crew_wake().  The reason to wait must
 * be looked at again: the wake is everybody's. */
void	 crew_wait(void);
void	 crew_wake(void);

/*
 * Sleeps while others work.  A thread that heeds a flag is woken, and told so by
 * crew_stopped() from then on, when somebody sets that and calls crew_wake().
 */
void	 crew_sleep(int64_t ms);
void	 crew_heed(const bool *stop);
bool	 crew_stopped(void);

/* One more thread for fn(arg), which runs with the lock held.  False when there
 * is none to be had: then those there are must do. */
bool	 crew_spawn(struct crew *crew, void *(*fn)(void *), void *arg);

/* Waits for all of them, those spawned meanwhile included. */
void	 crew_join(struct crew *crew);

/*
 * Whose turn it is to print: tickets are drawn in the order of the input and may
 * then be served in it.  At most CREW_MAX may be out at once.
 */
struct turn {
	unsigned long	 drawn, served;
	bool		 ordered;	/* false: nobody waits */
	pthread_cond_t	 cond[CREW_MAX];
};

void	 turn_init(struct turn *turn, bool ordered);

/* Waits until every ticket before this one has been served. */
void	 turn_wait(struct turn *turn, unsigned long ticket);

/* This one has been: the next may. */
void	 turn_done(struct turn *turn);

#endif
