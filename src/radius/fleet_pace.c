#include "radius/fleet_parts.h"

#define BURST	10000	/* us that a limited rate may be behind by */

/* Moves a pace on; it may not be further behind the clock than BURST. */
static void
pace(int64_t *next, int64_t now, int rate)
{
	if (rate == 0)
		return;
	if (*next < now - BURST)
		*next = now - BURST;
	*next += 1000000 / rate;
}

/* Whether a NAS may be sent one more now; lowers *wake to when it may. */
static bool
may_send(const struct fleet *f, const struct fleet_nas *nas, int64_t now_us, int64_t *wake)
{
	size_t	 most = f->o->nas_jobs;

	/* Dead ones must not take the places of the others. */
	if (nas->suspect)
		most = 1;
	else if (nas->heard == 0 && most > FLEET_FIRST_JOBS)
		most = FLEET_FIRST_JOBS;
	if (nas->nflight >= most)
		return false;
	if (nas->next_us > now_us) {
		if (nas->next_us < *wake)
			*wake = nas->next_us;
		return false;
	}
	return true;
}

/* Sends one of a NAS's queue.  Returns whether one left the queue. */
static bool
send_one(struct fleet *f, struct fleet_nas *nas, int64_t now_us, int64_t *wake)
{
	struct ask	*ask = nas->head;
	uint8_t		 id;

	if (nas->silent_until > now_us / 1000) {
		fleet_spare(f, nas);
		return false;
	}
	if (!may_send(f, nas, now_us, wake) || !fleet_id_take(f, ask, &id))
		return false;
	if ((nas->head = ask->next) == NULL)
		nas->tail = &nas->head;
	pace(&f->next_us, now_us, f->o->rate);
	pace(&nas->next_us, now_us, f->o->nas_rate);
	fleet_take_off(f, ask, id);
	return true;
}

/*
 * Sends what may be sent, one of each NAS in turn.  Returns when to come back at
 * the latest, in us, for a rate; INT64_MAX for no such reason.
 */
int64_t
fleet_send(struct fleet *f)
{
	struct fleet_nas	*nas;
	int64_t			 now = fleet_clock_us(), wake = INT64_MAX;
	size_t			 i;
	bool			 more;

	do {
		/* Where the last one had to stop, or the first would get all there is. */
		i = f->turn;
		f->turn = 0;
		more = i > 0;
		while (i < f->nready) {
			nas = f->ready[i];
			if (f->counted >= f->o->jobs || f->flying >= 4 * FLEET_JOBS_MAX ||
			    f->next_us > now) {
				f->turn = i;
				return f->next_us > now && f->next_us < wake ? f->next_us : wake;
			}
			if (nas->head != NULL)
				more = send_one(f, nas, now, &wake) || more;
			if (nas->head != NULL) {
				i++;
				continue;
			}
			nas->ready = false;
			f->ready[i] = f->ready[--f->nready];
		}
	} while (more);
	return wake;
}
