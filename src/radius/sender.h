/*
 * Records go in, Changes of Authorization go out, records with `coa' come out:
 * what coa-send(8) does, between its options and the fleet.
 */
#ifndef RADIUS_SENDER_H
#define RADIUS_SENDER_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "radius/dict.h"
#include "radius/fleet.h"
#include "radius/nas.h"
#include "radius/owed.h"
#include "radius/profile.h"

/* Pauses after Error-Cause 505 and 506: this many, the first of this length in
 * seconds, each other one twice as long. */
#define SENDER_PAUSES	3
#define SENDER_PAUSE	5
#define SENDER_PAUSE_MAX 3600

/* Where Intune tells a user what is wrong with the device, and looks at it again. */
#define SENDER_REDIRECT	"https://portal.manage.microsoft.com/networkaccesscontrol/index"

struct sender {
	/* Set by the caller. */
	enum action		 action;
	bool			 action_given;	/* it counts more than the record's */
	bool			 dry_run;
	bool			 in_order;	/* end each record before the next is looked at */
	int			 pause;		/* seconds, see SENDER_PAUSE */
	struct fleet_options	 options;	/* all but the functions */
	struct dict		*dict;
	struct nas_file		*nas;		/* may change between two records */
	struct owed		*owed;		/* the journal; NULL for none */
	/* Prints one message to stderr; warnx() with something around it. */
	void			 (*say)(const char *fmt, ...)
				    __attribute__((format(printf, 1, 2)));
	/* Lets time pass while nothing can be taken. */
	void			 (*run)(struct sender *s);
	/* Kept here. */
	struct fleet		*fleet;
	int			 status;	/* the worst so far */
	struct {
		uint64_t	 taken, ack, nak, silent, other;
	} count;
};

/* Starts the fleet.  sender_stop() ends it. */
void	 sender_start(struct sender *s);

/* record_each()'s function: takes one record; arg is the struct sender. */
int	 sender_take(json_t *rec, const char *where, void *arg);

/* Prints a record that is owed, with what is known; owed_each()'s function. */
int	 sender_print_owed(json_t *rec, const char *want, const char *nas, int64_t time,
	    void *arg);

void	 sender_stop(struct sender *s);

#endif
