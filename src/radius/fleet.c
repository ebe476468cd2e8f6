#include <sys/random.h>

#include <err.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "radius/fleet_parts.h"

int64_t
fleet_clock_us(void)
{
	struct timespec	 ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

int64_t
fleet_clock(void)
{
	return fleet_clock_us() / 1000;
}

void
fleet_note(const struct fleet *f, const struct ask *ask, const char *what)
{
	if (f->o->note != NULL)
		f->o->note(ask, what);
}

struct fleet *
fleet_new(const struct fleet_options *options)
{
	struct fleet	*f = calloc(1, sizeof(*f));

	if (f == NULL)
		err(EX_OSERR, NULL);
	f->o = options;
	if (getrandom(&f->seed, sizeof(f->seed), 0) != sizeof(f->seed))
		err(EX_OSERR, "getrandom");
	return f;
}

/* How long to wait, in ms; -1 for ever. */
static int
patience(const struct fleet *f, int64_t wake_us, int most)
{
	int64_t	 now = fleet_clock_us(), wait = most < 0 ? INT32_MAX : most, until;

	if (f->nheap > 0 && (until = f->heap[0]->due - now / 1000) < wait)
		wait = until;
	if (wake_us != INT64_MAX && (until = (wake_us - now + 999) / 1000) < wait)
		wait = until;
	if (wait == INT32_MAX)
		return -1;
	return wait > 0 ? (int)wait : 0;
}

bool
fleet_run(struct fleet *f, int in, int most)
{
	struct pollfd	 p[2 * SOCKETS + 1];
	int64_t		 wake;
	size_t		 fam, i, n = 1;

	fleet_expire(f);
	wake = fleet_send(f);
	p[0].fd = in;
	p[0].events = POLLIN;
	p[0].revents = 0;
	for (fam = 0; fam < 2; fam++)
		for (i = 0; i < f->nsock[fam]; i++, n++) {
			p[n].fd = f->sock[fam][i].fd;
			p[n].events = POLLIN;
			p[n].revents = 0;
		}
	/* Nothing in flight and nothing to read: there is nothing to wait for. */
	if (in == -1 && f->held == 0)
		return false;
	if (poll(p, n, patience(f, wake, most)) == -1) {
		if (errno != EINTR)
			err(EX_OSERR, "poll");
		return false;
	}
	for (fam = 0, n = 1; fam < 2; fam++)
		for (i = 0; i < f->nsock[fam] && n < sizeof(p) / sizeof(p[0]); i++, n++) {
			if (p[n].revents & POLLERR)
				fleet_take_errors(f, fam, i);
			if (p[n].revents & POLLIN)
				fleet_receive(f, fam, i);
		}
	return p[0].revents != 0;
}

void
fleet_free(struct fleet *f)
{
	struct fleet_nas	*nas, *next;
	size_t			 i, j;

	if (f == NULL)
		return;
	for (i = 0; i < TABLE; i++)
		for (nas = f->nas[i]; nas != NULL; nas = next) {
			next = nas->bucket;
			for (j = 0; j < SOCKETS; j++)
				free(nas->ids[j]);
			free(nas);
		}
	for (i = 0; i < 2; i++)
		for (j = 0; j < f->nsock[i]; j++)
			close(f->sock[i][j].fd);
	free(f->ready);
	free(f->heap);
	free(f);
}
