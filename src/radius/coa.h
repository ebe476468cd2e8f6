/*
 * One exchange of Dynamic Authorization (RFC 5176): a signed request is sent,
 * repeated, and its answer told apart.  Nothing here waits, so that a caller
 * can have many exchanges under way: it polls coa->fd and the deadline, and
 * calls coa_step().
 */
#ifndef RADIUS_COA_H
#define RADIUS_COA_H

#include <sys/socket.h>

#include <stdbool.h>
#include <stdint.h>

#include "radius/packet.h"

#define COA_WHY		256
#define COA_TIMEOUT	2	/* seconds after the first copy; doubled for each other */
#define COA_TRIES	3
#define COA_TIMEOUT_MAX	60
#define COA_TRIES_MAX	10	/* with any timeout the last wait stays below a day */

enum coa_result {
	COA_PENDING,
	COA_WAS_ACK,
	COA_WAS_NAK,
	COA_SILENT
};

struct coa;

struct coa_options {
	int	 timeout;	/* seconds */
	int	 tries;
	bool	 require_ma;	/* an answer without Message-Authenticator is none */
	/* Called at each event a person may want to see; NULL for quiet. */
	void	 (*note)(const struct coa *coa, const char *what);
};

struct coa {
	/* Set by the caller. */
	struct sockaddr_storage	 addr;
	socklen_t		 addrlen;
	struct packet		 request;	/* signed */
	const char		*secret;	/* stays the caller's */
	const char		*name;		/* for note: whom we ask */
	/* Kept here. */
	int			 fd;
	bool			 connected;
	int			 tries;		/* copies that left */
	int64_t			 started;	/* coa_clock() */
	int64_t			 deadline;
	int			 refused;	/* errno of the last try; 0 none */
	unsigned		 ignored;	/* datagrams that were no answer */
	enum reply_verdict	 verdict;	/* of the last of them */
	/* The outcome. */
	enum coa_result		 result;
	struct reply		 reply;		/* of an ACK or NAK */
	int			 ms;		/* from the first copy to the end */
	char			 why[COA_WHY];	/* of silence: what is known about it */
};

/* A clock that only goes forward, in milliseconds. */
int64_t	 coa_clock(void);

/*
 * Opens a socket of its own (so that every copy has the same source port) and
 * sends the first copy.  The caller ends it with coa_close() in any case.
 * Returns 0; or -1 with errno when there is no socket to be had.  When nothing
 * can be sent, the exchange ends as silent after its tries all the same.
 */
int	 coa_start(struct coa *coa, const struct coa_options *o);

/*
 * Takes what has come in and sends the next copy when it is due, byte for byte
 * the same (RFC 5176, 2.3).  What is not a true answer is ignored: it may be
 * forged, and the true one may still come.  A refused port is no answer either.
 * Returns whether the exchange is over.
 */
bool	 coa_step(struct coa *coa, const struct coa_options *o);

/* Closes the socket and wipes what could help to find the secret. */
void	 coa_close(struct coa *coa);

/* What an administrator should look at after a NAK with this Error-Cause; NULL
 * for one that says it all. */
const char *coa_hint(uint32_t error_cause);

#endif
