/*
 * The inside of a sender, for sender.c and sender_out.c alone.
 */
#ifndef RADIUS_SENDER_JOB_H
#define RADIUS_SENDER_JOB_H

#include "radius/sender.h"

/* A record on its way through the fleet. */
struct job {
	struct ask		 ask;		/* first: the fleet hands back this */
	json_t			*rec;
	char			*where;
	char			*want;		/* for the journal */
	char			 nas[NAS_ADDRESS];
	struct nas_file		*file;		/* held: the profile and the secret are its */
	const struct profile	*profile;
	enum action		 action;
	uint8_t			*bytes;		/* the request, without Id, time and digests */
	size_t			 len;
	bool			 journalled;
	bool			 with_id;	/* Acct-Session-Id was added after a 508 */
	bool			 narrow;	/* what is not required left out, after a 503 */
	json_t			*left_out;	/* the names of that */
	int			 pauses;
	int			 instead_of;	/* the action that was refused, or -1 */
	uint32_t		 refused;	/* by this Error-Cause */
	int64_t			 time;		/* when it left; of the ACK in the journal */
	const char		*result;	/* when it did not leave */
	int			 status;
	char			 why[FILE_WHY];
};

/* What goes into `coa'; NULL, 0 and -1 are left out. */
struct outcome {
	const char		*result;
	const char		*nas;
	const struct profile	*profile;
	enum action		 action;
	int64_t			 time;
	const struct job	*job;
	const struct filled	*filled;
	size_t			 nfilled;
	const char		*why;
};

/* Adds `coa' to the record and prints it.  Returns a status. */
int	 sender_emit(struct sender *s, json_t *rec, const struct outcome *o);

/* A record that cannot be acted on: one message, and it goes on with the reason. */
int	 sender_refuse(struct sender *s, json_t *rec, const char *where, struct outcome *o,
	    const char *why, int status);

#endif
