#include <sys/random.h>

#include <err.h>
#include <stdlib.h>
#include <sysexits.h>

#include "radius/fleet_parts.h"

void
fleet_enqueue(struct fleet *f, struct ask *ask, bool first)
{
	struct fleet_nas	*nas = ask->nas;

	ask->state = ASK_WAITING;
	if (first) {
		if ((ask->next = nas->head) == NULL)
			nas->tail = &ask->next;
		nas->head = ask;
	} else {
		ask->next = NULL;
		*nas->tail = ask;
		nas->tail = &ask->next;
	}
	if (nas->ready)
		return;
	f->ready = fleet_grown(f->ready, f->nready, &f->ready_room, sizeof(struct fleet_nas *));
	f->ready[f->nready++] = nas;
	nas->ready = true;
}

void
fleet_delay(struct fleet *f, struct ask *ask, int64_t ms)
{
	ask->state = ASK_DELAYED;
	fleet_timer_set(f, ask, fleet_clock() + ms);
}

/* Puts an ask where it waits for its turn. */
void
fleet_wait(struct fleet *f, struct ask *ask)
{
	uint32_t	 random;

	fleet_key_add(f, ask);
	if (f->o->jitter == 0) {
		fleet_enqueue(f, ask, false);
		return;
	}
	if (getrandom(&random, sizeof(random), 0) != sizeof(random))
		err(EX_OSERR, "getrandom");
	fleet_delay(f, ask, random % ((int64_t)f->o->jitter * 1000 + 1));
}

/* Puts the newer ask into the place of an older one of the same session. */
static void
replace(struct fleet *f, struct ask *old, struct ask *ask)
{
	struct ask	**at;

	ask->state = old->state;
	fleet_key_remove(f, old);
	fleet_key_add(f, ask);
	if (old->state == ASK_DELAYED) {
		fleet_timer_set(f, ask, old->due);
		fleet_timer_stop(f, old);
	} else {
		for (at = &old->nas->head; *at != old; at = &(*at)->next)
			;
		*at = ask;
		if ((ask->next = old->next) == NULL)
			old->nas->tail = &ask->next;
	}
	ask->merged = old->merged + 1;
	f->held--;
	f->o->dropped(old, f->o->arg);
}

void
fleet_add(struct fleet *f, struct ask *ask)
{
	struct ask	*old;

	ask->nas = fleet_nas_get(f, &ask->addr, ask->addrlen);
	f->held++;
	/* The session may have moved to another NAS: then both are told. */
	if ((old = fleet_key_find(f, ask->key, ask->nas)) == NULL)
		fleet_wait(f, ask);
	else if (old->tries == 0 && old->state != ASK_FLYING)
		replace(f, old, ask);
	else {
		/* What is on its way cannot be called back; this one goes next. */
		if (old->later != NULL) {
			ask->merged = old->later->merged + 1;
			f->held--;
			f->o->dropped(old->later, f->o->arg);
		}
		old->later = ask;
	}
}

bool
fleet_full(const struct fleet *f)
{
	return f->held >= FLEET_HELD;
}

bool
fleet_idle(const struct fleet *f)
{
	return f->held == 0;
}
