/* Timers: a binary heap by ask->due; ask->heap is its place and one. */
#include <err.h>
#include <stdlib.h>
#include <sysexits.h>

#include "radius/fleet_parts.h"

void *
fleet_grown(void *p, size_t n, size_t *room, size_t size)
{
	if (n < *room)
		return p;
	*room = *room == 0 ? 64 : 2 * *room;
	if ((p = reallocarray(p, *room, size)) == NULL)
		err(EX_OSERR, NULL);
	return p;
}

static void
heap_put(struct fleet *f, size_t i, struct ask *ask)
{
	f->heap[i] = ask;
	ask->heap = i + 1;
}

static void
heap_up(struct fleet *f, size_t i)
{
	struct ask	*ask = f->heap[i];

	for (; i > 0 && f->heap[(i - 1) / 2]->due > ask->due; i = (i - 1) / 2)
		heap_put(f, i, f->heap[(i - 1) / 2]);
	heap_put(f, i, ask);
}

static void
heap_down(struct fleet *f, size_t i)
{
	struct ask	*ask = f->heap[i];
	size_t		 child;

	while ((child = 2 * i + 1) < f->nheap) {
		if (child + 1 < f->nheap && f->heap[child + 1]->due < f->heap[child]->due)
			child++;
		if (f->heap[child]->due >= ask->due)
			break;
		heap_put(f, i, f->heap[child]);
		i = child;
	}
	heap_put(f, i, ask);
}

void
fleet_timer_stop(struct fleet *f, struct ask *ask)
{
	struct ask	*last;
	size_t		 i = ask->heap;

	if (i-- == 0)
		return;
	ask->heap = 0;
	last = f->heap[--f->nheap];
	if (last == ask)
		return;
	heap_put(f, i, last);
	heap_up(f, i);
	heap_down(f, last->heap - 1);
}

void
fleet_timer_set(struct fleet *f, struct ask *ask, int64_t due)
{
	fleet_timer_stop(f, ask);
	f->heap = fleet_grown(f->heap, f->nheap, &f->heap_room, sizeof(struct ask *));
	ask->due = due;
	heap_put(f, f->nheap++, ask);
	heap_up(f, f->nheap - 1);
}
