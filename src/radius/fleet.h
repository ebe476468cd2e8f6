/*
 * Many exchanges of Dynamic Authorization (RFC 5176) with many NASes at a time.
 * Each NAS has a queue of its own and a bounded number of requests in flight, so
 * that a dead one does not slow the others.  Requests share sockets: one has 256
 * Identifiers for each NAS, and more are opened when those are not enough (RFC
 * 5176, 6.3).  Several changes of one session become one: the newest wins.
 *
 * The fleet knows packets and clocks; which packet it is and what an answer means
 * is up to the caller.  It owns an ask from fleet_add() until it hands it to
 * done() or dropped().
 */
#ifndef RADIUS_FLEET_H
#define RADIUS_FLEET_H

#include <sys/socket.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "radius/packet.h"

#define FLEET_WHY	256
#define FLEET_TIMEOUT	2	/* seconds after the first copy; doubled for each other */
#define FLEET_TIMEOUT_MAX 60
#define FLEET_TRIES	3
#define FLEET_TRIES_MAX	10	/* with any timeout the last wait stays below a day */
#define FLEET_JOBS	256	/* in flight in all */
#define FLEET_JOBS_MAX	4096
#define FLEET_NAS_JOBS	16	/* in flight for one NAS, */
#define FLEET_FIRST_JOBS 4	/* and for one that has never answered */
#define FLEET_SILENT	60	/* seconds that a silent NAS is left alone */
/* Asks held at a time.  Beyond it the caller waits; real fleets stay far below,
 * and a NAS that is dead empties its queue as soon as it is found out. */
#define FLEET_HELD	65536

enum ask_result {
	ASK_PENDING,
	ASK_ACK,
	ASK_NAK,
	ASK_SILENT
};

struct fleet;
struct fleet_nas;

/* One request for one session. */
struct ask {
	/* Set by the caller, zero elsewhere. */
	struct sockaddr_storage	 addr;
	socklen_t		 addrlen;
	char			*key;		/* names the session; freed by the caller */
	const char		*secret;	/* stays the caller's */
	const char		*name;		/* of the NAS, for notes; the caller's */
	bool			 any_time;	/* this NAS has no clock: see packet_verify() */
	/* The outcome, for done(). */
	enum ask_result		 result;
	struct reply		 reply;		/* of an ACK or NAK */
	unsigned		 tries;		/* copies that left, of all requests */
	unsigned		 merged;	/* older changes that this one stands for */
	int			 ms;		/* from the first copy to the end */
	char			 why[FLEET_WHY];	/* of silence: what is known about it */
	bool			 unheard;	/* and this NAS has never said anything */
	/* Private to the fleet. */
	struct fleet_nas	*nas;
	struct ask		*next;		/* in its NAS's queue or flight */
	struct ask		*later;		/* the same session, once this has ended */
	struct ask		*bucket;	/* in the table of keys */
	enum { ASK_WAITING, ASK_DELAYED, ASK_FLYING } state;
	uint8_t			*bytes;		/* of the request, signed */
	size_t			 len;
	size_t			 sock;
	unsigned		 copies;	/* of this request */
	bool			 counts;	/* among those in flight in all */
	int64_t			 started;	/* fleet_clock() of the first copy of all */
	int64_t			 first;		/* of the first copy of this request */
	int64_t			 due;
	size_t			 heap;		/* 1 + its place among the timers, 0: none */
	int			 refused;	/* errno of the last try; 0 none */
	unsigned		 ignored;	/* datagrams that were no answer */
	enum reply_verdict	 verdict;	/* of the last of them */
};

/* What answered() wants next. */
enum fleet_next {
	FLEET_END,		/* nothing: done() gets it back */
	FLEET_AGAIN,		/* build another request and send it */
	FLEET_LATER		/* the same after a pause */
};

struct fleet_options {
	int	 timeout;	/* seconds */
	int	 tries;
	bool	 require_ma;	/* an answer without Message-Authenticator is none */
	size_t	 jobs;
	size_t	 nas_jobs;
	int	 rate;		/* requests in a second; 0: no limit */
	int	 nas_rate;
	int	 jitter;	/* seconds that a request waits at most, at random */
	int	 silent;	/* seconds to leave a silent NAS alone */
	/* Builds and signs the request with this Identifier.  Returns false when
	 * it is not to be sent after all; done() is next then. */
	bool	 (*build)(struct ask *ask, uint8_t id, struct packet *out, void *arg);
	/* What to do about an answer, or silence.  *pause is in milliseconds, for
	 * FLEET_LATER. */
	enum fleet_next (*answered)(struct ask *ask, int64_t *pause, void *arg);
	/* An ask has ended, or was never sent: it is the caller's again. */
	void	 (*done)(struct ask *ask, void *arg);
	/* An ask that a newer one of its session has replaced before it left. */
	void	 (*dropped)(struct ask *ask, void *arg);
	/* Called at each event a person may want to see; NULL for quiet. */
	void	 (*note)(const struct ask *ask, const char *what);
	void	*arg;
};

/* For a line that says how far it is. */
struct fleet_state {
	size_t	 held;		/* asks that have not ended */
	size_t	 flying;	/* of them, sent and not answered */
	size_t	 silent;	/* NASes that are left alone now */
};

/* A clock that only goes forward, in milliseconds. */
int64_t	 fleet_clock(void);

/* Starts; options stays the caller's and must last.  No memory ends the program. */
struct fleet *fleet_new(const struct fleet_options *options);

/* Takes an ask.  It leaves in fleet_run(). */
void	 fleet_add(struct fleet *f, struct ask *ask);

/* Whether there is as much in here as should be: run before adding more. */
bool	 fleet_full(const struct fleet *f);

/* Whether nothing is left to be done. */
bool	 fleet_idle(const struct fleet *f);

/*
 * Sends what may be sent, waits until something happens, in descriptor `in' too
 * unless it is -1, and moves everything on.  most is the longest wait in
 * milliseconds, -1 for any.  Returns whether `in' can be read.
 */
bool	 fleet_run(struct fleet *f, int in, int most);

void	 fleet_state(const struct fleet *f, struct fleet_state *out);

/* Marks a NAS as silent for this many seconds from now on: what an earlier run
 * has learnt. */
void	 fleet_leave_alone(struct fleet *f, const struct sockaddr_storage *addr,
	    socklen_t len, int seconds);

/* Closes the sockets and wipes what could help to find a secret; NULL is fine. */
void	 fleet_free(struct fleet *f);

#endif
