#include <err.h>
#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <sysexits.h>
#include <time.h>

#include "intune/crew.h"

static pthread_mutex_t	 lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t	 news = PTHREAD_COND_INITIALIZER;
static bool		 started;

static _Thread_local const bool	*stop;	/* what this thread heeds */

void
crew_start(void)
{
	if (started)
		return;
#ifdef M_ARENA_MAX
	/* One thread thinks at a time: a heap for each would be memory for nothing. */
	mallopt(M_ARENA_MAX, 2);
	/* Pages of a list come and go: what one has left serves the next, and is not
	 * given back to be asked for again. */
	mallopt(M_MMAP_THRESHOLD, 4 * 1024 * 1024);
	mallopt(M_TRIM_THRESHOLD, 4 * 1024 * 1024);
#endif
	started = true;
	pthread_mutex_lock(&lock);
}

bool
crew_started(void)
{
	return started;
}

void
crew_leave(void)
{
	if (started)
		pthread_mutex_unlock(&lock);
}

void
crew_enter(void)
{
	if (started)
		pthread_mutex_lock(&lock);
}

void
crew_wait(void)
{
	if (!started)
		errx(EX_SOFTWARE, "waits for itself");
	pthread_cond_wait(&news, &lock);
}

void
crew_wake(void)
{
	pthread_cond_broadcast(&news);
}

void
crew_heed(const bool *flag)
{
	stop = flag;
}

bool
crew_stopped(void)
{
	return stop != NULL && *stop;
}

void
crew_sleep(int64_t ms)
{
	struct timespec	 ts = { ms / 1000, (ms % 1000) * 1000000 }, end;

	if (!started || stop == NULL) {
		crew_leave();
		while (nanosleep(&ts, &ts) == -1 && errno == EINTR)
			;
		crew_enter();
		return;
	}
	clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_sec += ts.tv_sec + (end.tv_nsec + ts.tv_nsec) / 1000000000;
	end.tv_nsec = (end.tv_nsec + ts.tv_nsec) % 1000000000;
	while (!*stop && pthread_cond_clockwait(&news, &lock, CLOCK_MONOTONIC, &end) == 0)
		;
}

/* What a new thread is told. */
struct start {
	void	*(*fn)(void *);
	void	*arg;
};

static void *
begin(void *arg)
{
	struct start	 s = *(struct start *)arg;

	free(arg);
	crew_enter();
	s.fn(s.arg);
	crew_leave();
	return NULL;
}

bool
crew_spawn(struct crew *crew, void *(*fn)(void *), void *arg)
{
	struct start	*s;

	if (crew->n == CREW_MAX)
		return false;
	if ((s = malloc(sizeof(*s))) == NULL)
		err(EX_OSERR, NULL);
	s->fn = fn;
	s->arg = arg;
	if (pthread_create(&crew->thread[crew->n], NULL, begin, s) != 0) {
		free(s);
		return false;
	}
	crew->n++;
	return true;
}

void
crew_join(struct crew *crew)
{
	pthread_t	 last;

	while (crew->n > 0) {
		last = crew->thread[--crew->n];
		crew_leave();
		pthread_join(last, NULL);
		crew_enter();
	}
}

void
turn_init(struct turn *turn, bool ordered)
{
	size_t	 i;

	turn->drawn = turn->served = 0;
	turn->ordered = ordered;
	for (i = 0; i < CREW_MAX; i++)
		pthread_cond_init(&turn->cond[i], NULL);
}

void
turn_wait(struct turn *turn, unsigned long ticket)
{
	while (turn->ordered && turn->served != ticket)
		pthread_cond_wait(&turn->cond[ticket % CREW_MAX], &lock);
}

void
turn_done(struct turn *turn)
{
	turn->served++;
	pthread_cond_signal(&turn->cond[turn->served % CREW_MAX]);
}
