#include <err.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "base/when.h"
#include "radius/fleet_parts.h"

#define LATE	250	/* ms after which a NAS that says nothing may be dead */
#define NOTES	16	/* of ignored replies: a flood is counted, not told */

/* It does not count any more among those in flight in all. */
static void
uncount(struct fleet *f, struct ask *ask)
{
	f->counted -= ask->counts;
	ask->counts = false;
}

/* Sends one copy and sets when the next is due: 2, 4, 8 seconds later.  Behind the
 * first one there is a look at how it stands. */
static void
send_copy(struct fleet *f, struct ask *ask)
{
	char	 what[FLEET_WHY];
	int	 rc;

	fleet_timer_set(f, ask, fleet_clock() + (ask->copies == 0 ? LATE :
	    (int64_t)f->o->timeout * 1000 << ask->copies));
	ask->copies++;
	ask->tries++;
	if ((rc = fleet_transmit(f, ask)) != 0)
		ask->refused = rc;
	if (f->o->note == NULL)
		return;
	if (rc != 0)
		snprintf(what, sizeof(what), "try %u of %d: %s", ask->copies, f->o->tries,
		    strerror(rc));
	else
		snprintf(what, sizeof(what), "try %u of %d: code %u, Id %u, %zu bytes",
		    ask->copies, f->o->tries, ask->bytes[0], ask->bytes[1], ask->len);
	fleet_note(f, ask, what);
}

/* It has left the queue and the air for good; what its session wants next follows. */
static void
finish(struct fleet *f, struct ask *ask)
{
	struct ask	*later = ask->later;

	fleet_key_remove(f, ask);
	ask->later = NULL;
	f->held--;
	f->o->done(ask, f->o->arg);
	if (later != NULL)
		fleet_wait(f, later);
}

/* Takes it out of the air. */
static void
land(struct fleet *f, struct ask *ask)
{
	struct ask	**at;

	fleet_timer_stop(f, ask);
	for (at = &ask->nas->flight; *at != ask; at = &(*at)->next)
		;
	*at = ask->next;
	ask->nas->nflight--;
	ask->nas->ids[ask->sock]->ask[ask->bytes[1]] = NULL;
	f->flying--;
	uncount(f, ask);
	explicit_bzero(ask->bytes, ask->len);
	free(ask->bytes);
	ask->bytes = NULL;
}

/* An exchange has ended in some way. */
static void
conclude(struct fleet *f, struct ask *ask, enum ask_result result)
{
	int64_t	 pause = 0;

	ask->result = result;
	ask->ms = (int)(fleet_clock() - ask->started);
	switch (f->o->answered(ask, &pause, f->o->arg)) {
	case FLEET_AGAIN:
		fleet_enqueue(f, ask, true);
		break;
	case FLEET_LATER:
		fleet_delay(f, ask, pause);
		break;
	case FLEET_END:
		finish(f, ask);
		break;
	}
}

/* Ends everything that waits for a NAS which does not answer. */
void
fleet_spare(struct fleet *f, struct fleet_nas *nas)
{
	struct ask	*ask;

	while ((ask = nas->head) != NULL) {
		if ((nas->head = ask->next) == NULL)
			nas->tail = &nas->head;
		ask->result = ASK_SILENT;
		snprintf(ask->why, sizeof(ask->why), "%s: this NAS did not answer a moment ago",
		    ask->tries == 0 ? "not tried" : "not tried again");
		finish(f, ask);
	}
}

static void
give_up(struct fleet *f, struct ask *ask)
{
	struct fleet_nas	*nas = ask->nas;

	if (ask->ignored > 0)
		snprintf(ask->why, sizeof(ask->why), "ignored %u answer%s, the last because %s",
		    ask->ignored, ask->ignored == 1 ? "" : "s",
		    packet_verdict_text(ask->verdict));
	else if (ask->refused == ECONNREFUSED)
		snprintf(ask->why, sizeof(ask->why), "nothing listens on that port");
	else if (ask->refused != 0)
		snprintf(ask->why, sizeof(ask->why), "%s", strerror(ask->refused));
	else
		snprintf(ask->why, sizeof(ask->why), "no answer: a wrong secret or clock, "
		    "another port, or a NAS that does not take us for its client");
	ask->unheard = nas->heard == 0 && ask->ignored == 0 && ask->refused == 0;
	land(f, ask);
	/* One request may be lost on a NAS that lives; but this one says nothing. */
	if (nas->heard < ask->first && f->o->silent > 0) {
		nas->suspect = true;
		nas->silent_until = fleet_clock() + (int64_t)f->o->silent * 1000;
	}
	conclude(f, ask, ASK_SILENT);
}

/* Sends the first copy of an ask that has left the queue. */
void
fleet_take_off(struct fleet *f, struct ask *ask, uint8_t id)
{
	struct fleet_nas	*nas = ask->nas;
	struct packet		 packet;
	struct ask		**at;

	ask->next = NULL;
	if (!f->o->build(ask, id, &packet, f->o->arg)) {
		nas->ids[ask->sock]->ask[id] = NULL;
		finish(f, ask);
		return;
	}
	if ((ask->bytes = malloc(packet.len)) == NULL)
		err(EX_OSERR, NULL);
	memcpy(ask->bytes, packet.b, packet.len);
	explicit_bzero(packet.b, packet.len);
	ask->len = packet.len;
	for (at = &nas->flight; *at != NULL; at = &(*at)->next)
		;
	*at = ask;
	nas->nflight++;
	f->flying++;
	f->counted++;
	ask->counts = true;
	ask->state = ASK_FLYING;
	ask->result = ASK_PENDING;
	ask->copies = 0;
	ask->refused = 0;
	ask->ignored = 0;
	ask->first = fleet_clock();
	if (ask->started == 0)
		ask->started = ask->first;
	send_copy(f, ask);
}

/* What is due: another copy, the end of patience, or the end of a pause. */
void
fleet_expire(struct fleet *f)
{
	struct ask	*ask;
	int64_t		 now = fleet_clock(), timeout = (int64_t)f->o->timeout * 1000;

	while (f->nheap > 0 && (ask = f->heap[0])->due <= now) {
		if (ask->state == ASK_DELAYED) {
			fleet_timer_stop(f, ask);
			fleet_enqueue(f, ask, false);
		} else if (ask->due < ask->first + timeout) {
			/* Its NAS may be dead: then others can have its place. */
			if (ask->nas->heard < ask->first)
				uncount(f, ask);
			fleet_timer_set(f, ask, ask->first + timeout);
		} else if (ask->copies < (unsigned)f->o->tries) {
			uncount(f, ask);
			send_copy(f, ask);
		} else
			give_up(f, ask);
	}
}

static void
ignore(struct fleet *f, struct ask *ask, enum reply_verdict verdict, size_t len)
{
	char	 what[FLEET_WHY];

	ask->verdict = verdict;
	if (ask->ignored++ >= NOTES)
		return;
	snprintf(what, sizeof(what), "ignored a reply of %zu bytes: %s", len,
	    packet_verdict_text(verdict));
	fleet_note(f, ask, what);
}

/* Looks at one datagram. */
void
fleet_take(struct fleet *f, size_t sock, const struct sockaddr_storage *from,
    const uint8_t *data, size_t len)
{
	struct fleet_nas	*nas;
	enum reply_verdict	 verdict;
	struct ask		*ask = NULL;
	size_t			 bucket;

	/* What comes from elsewhere is no answer to anything. */
	if ((nas = fleet_nas_lookup(f, from, &bucket)) == NULL)
		return;
	if (len >= 2 && nas->ids[sock] != NULL && (ask = nas->ids[sock]->ask[data[1]]) == NULL &&
	    nas->ids[sock]->used[data[1]] != 0)
		return;		/* a second answer to what has ended */
	if (ask == NULL) {
		/* For nobody: the one that has waited longest may wonder about it. */
		for (ask = nas->flight; ask != NULL && ask->sock != sock; ask = ask->next)
			;
		if (ask != NULL)
			ignore(f, ask, len < PACKET_HEADER ? REPLY_LENGTH : REPLY_ID, len);
		return;
	}
	verdict = packet_verify(ask->bytes, data, len, ask->secret, f->o->require_ma,
	    ask->any_time ? PACKET_NO_TIME : when_now(), &ask->reply);
	if (verdict != REPLY_GOOD) {
		ignore(f, ask, verdict, len);
		return;
	}
	nas->heard = fleet_clock();
	nas->suspect = false;
	nas->silent_until = 0;
	land(f, ask);
	conclude(f, ask, ask->reply.ack ? ASK_ACK : ASK_NAK);
}
