/*
 * The inside of a fleet, for the files fleet*.c alone.
 *
 *	fleet.c		a fleet as a whole: its clock, its loop
 *	fleet_table.c	who is who: NASes by address, sessions by key
 *	fleet_queue.c	what waits: one queue for each NAS, and the newest change of
 *			a session in the place of the older ones
 *	fleet_pace.c	what may leave now: places in flight, rates
 *	fleet_ask.c	the life of an ask: copies, silence, answers
 *	fleet_socket.c	sockets and Identifiers, datagrams out and in
 *	fleet_timer.c	what is due when
 *
 * An ask is in one place at a time: WAITING in its NAS's queue, DELAYED among the
 * timers alone, FLYING among the timers, in its NAS's flight and under its
 * Identifier; and `later' behind another ask of its session.
 */
#ifndef RADIUS_FLEET_PARTS_H
#define RADIUS_FLEET_PARTS_H

#include "radius/fleet.h"

#define TABLE		4096	/* buckets for NASes and for keys */
#define SOCKETS		64	/* 16,384 Identifiers for each NAS */
#define IDS		256
#define STEP		512	/* datagrams taken from one socket at a time */

/* The Identifiers of one NAS on one socket. */
struct ids {
	struct ask	*ask[IDS];	/* in flight under it */
	int64_t		 used[IDS];	/* when it was taken last; 0 never */
};

struct fleet_nas {
	struct sockaddr_storage	 addr;
	socklen_t		 addrlen;
	struct fleet_nas	*bucket;
	struct ask		*head, **tail;	/* the queue */
	struct ask		*flight;	/* the oldest first */
	size_t			 nflight;
	struct ids		*ids[SOCKETS];
	size_t			 cursor;	/* socket * IDS + Identifier to try next */
	bool			 ready;		/* is in fleet.ready[] */
	bool			 suspect;	/* was silent, and has said nothing since */
	int64_t			 heard;		/* when it answered last */
	int64_t			 silent_until;
	int64_t			 next_us;	/* by --nas-rate */
};

struct sock {
	int	 fd;
	int	 family;
};

struct fleet {
	const struct fleet_options *o;
	struct fleet_nas	*nas[TABLE];
	struct ask		*key[TABLE];
	uint64_t		 seed;
	struct sock		 sock[2][SOCKETS];	/* IPv4, IPv6 */
	size_t			 nsock[2];
	struct fleet_nas	**ready;	/* those with a queue */
	size_t			 nready, ready_room;
	size_t			 turn;		/* whose turn it is among those */
	struct ask		**heap;		/* timers, the next one first */
	size_t			 nheap, heap_room;
	size_t			 held, flying;
	size_t			 counted;	/* flying, and not to a NAS that may be dead */
	int64_t			 next_us;	/* by --rate */
};

/* ---- fleet.c */

int64_t	 fleet_clock_us(void);
void	 fleet_note(const struct fleet *f, const struct ask *ask, const char *what);

/* ---- fleet_table.c */

/* The ask that its session is known by, or NULL. */
struct ask *fleet_key_find(const struct fleet *f, const char *key,
	    const struct fleet_nas *nas);
void	 fleet_key_add(struct fleet *f, struct ask *ask);
void	 fleet_key_remove(struct fleet *f, struct ask *ask);

/* The NAS with this address and port, or NULL; *bucket is where it belongs. */
struct fleet_nas *fleet_nas_lookup(const struct fleet *f,
	    const struct sockaddr_storage *addr, size_t *bucket);

/* The same; it is made if there is none. */
struct fleet_nas *fleet_nas_get(struct fleet *f, const struct sockaddr_storage *addr,
	    socklen_t len);

/* ---- fleet_timer.c */

/* Makes room for element n of an array; p may move.  No memory ends the program. */
void	*fleet_grown(void *p, size_t n, size_t *room, size_t size);

/* Sets the one timer of an ask: f->heap[0] is the ask that is due next. */
void	 fleet_timer_set(struct fleet *f, struct ask *ask, int64_t due);
void	 fleet_timer_stop(struct fleet *f, struct ask *ask);

/* ---- fleet_queue.c */

/* Puts an ask at the end of its NAS's queue, or first into it. */
void	 fleet_enqueue(struct fleet *f, struct ask *ask, bool first);

/* Lets it wait for so many milliseconds before it is in the queue. */
void	 fleet_delay(struct fleet *f, struct ask *ask, int64_t ms);

/* A new ask, which its session is known by from now on, waits for its turn. */
void	 fleet_wait(struct fleet *f, struct ask *ask);

/* ---- fleet_pace.c */

/*
 * Sends what may be sent, one of each NAS in turn.  Returns when to come back at
 * the latest, in us, for a rate; INT64_MAX for no such reason.
 */
int64_t	 fleet_send(struct fleet *f);

/* ---- fleet_ask.c */

/* Sends the first copy of an ask that has left the queue. */
void	 fleet_take_off(struct fleet *f, struct ask *ask, uint8_t id);

/* Ends everything that waits for a NAS which does not answer. */
void	 fleet_spare(struct fleet *f, struct fleet_nas *nas);

/* What is due: another copy, the end of patience, or the end of a pause. */
void	 fleet_expire(struct fleet *f);

/* Looks at one datagram. */
void	 fleet_take(struct fleet *f, size_t sock, const struct sockaddr_storage *from,
	    const uint8_t *data, size_t len);

/* ---- fleet_socket.c */

/*
 * Takes an Identifier that this NAS has not seen from us for a while; when there
 * is none, the one that was used longest ago.  Returns false when all are in
 * flight, or no socket is to be had.
 */
bool	 fleet_id_take(struct fleet *f, struct ask *ask, uint8_t *id);

/* One copy into the socket.  Returns 0 or an errno. */
int	 fleet_transmit(struct fleet *f, const struct ask *ask);

/* Takes what has come in on a socket of a family (0: IPv4, 1: IPv6): datagrams,
 * and what ICMP says about packets of ours. */
void	 fleet_receive(struct fleet *f, size_t fam, size_t sock);
void	 fleet_take_errors(struct fleet *f, size_t fam, size_t sock);

#endif
