/*
 * nac-cache share: stays, folds the journal, tells Redis what changes here, and
 * stores what the other servers tell.  Redis may go away at any time: what is
 * noted in the store's `out` is the queue, one entry for each thing that has
 * changed, and the place in the stream says what is to be read.
 */
#include <sys/file.h>
#include <sys/inotify.h>

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "base/cli.h"
#include "base/text.h"
#include "base/when.h"
#include "store/db.h"
#include "store/share.h"

#define CURSOR		"share"
#define BLOCK_MS	5000	/* how long Redis holds a question for news */
#define RETRY_MS	250	/* the first pause after a failure; doubled up to: */
#define RETRY_MAX_MS	15000

static volatile sig_atomic_t	 stop;

static void
on_stop(int sig)
{
	(void)sig;
	stop = 1;
}

static void
hang_up(struct share *sh)
{
	link_close(sh->w);
	link_close(sh->r);
	sh->w = sh->r = NULL;
	sh->asked = 0;
	sh->informed = 0;	/* the next Redis may be another one */
}

/* The outage of Redis, told once at its start and once at its end. */
struct outage {
	int64_t	 since;		/* 0: there is none */
	int64_t	 retry;		/* ms */
	int64_t	 pause;
	bool	 began;		/* has there been a connection at all? */
};

static bool
begin_outage(struct share *sh, struct outage *o, const char *why)
{
	char	 now[SHARE_WORD];

	if (o->since == 0) {
		o->since = when_now();
		o->pause = RETRY_MS;
		warnx("%s; this server goes on by itself", why);
		snprintf(now, sizeof(now), "%lld", (long long)o->since);
		if (share_put(sh->c->store, "share.away", now) == STORE_ERROR)
			return false;
	}
	/* Not all servers at the same moment. */
	o->retry = when_ms() + o->pause / 2 + random() % (o->pause + 1);
	if ((o->pause *= 2) > RETRY_MAX_MS)
		o->pause = RETRY_MAX_MS;
	return true;
}

static bool
end_outage(struct share *sh, struct outage *o)
{
	char	 ago[32];

	if (o->since != 0)
		warnx("%s: is back after %s", sh->conf->url, when_ago(ago, sizeof(ago),
		    when_now() - o->since));
	o->since = 0;
	o->began = true;
	return share_put(sh->c->store, "share.away", "") != STORE_ERROR;
}

/* Two connections: one waits at the stream, and the other asks meanwhile. */
static enum share_step
call(struct share *sh, struct outage *o)
{
	enum share_step	 step = SHARE_LOST;
	char		 why[LINK_WHY];
	int		 status = EX_UNAVAILABLE;

	why[0] = '\0';
	if ((sh->w = link_open(sh->conf, why, &status)) == NULL ||
	    (sh->r = link_open(sh->conf, why, &status)) == NULL)
		;
	else if (!share_scripts(sh) || (step = share_look(sh)) == SHARE_LOST) {
		if (sh->status != 0)
			return SHARE_LOST;
		snprintf(why, sizeof(why), "%.200s: %.300s", sh->conf->url, link_why(sh->w));
		status = link_status(sh->w);
	} else
		return step >= SHARE_IDLE && end_outage(sh, o) ? SHARE_MORE : SHARE_FAULT;
	hang_up(sh);
	sh->lost = status;
	/* What was wrong from the start will not mend by itself. */
	if (!o->began && (status == EX_NOPERM || status == EX_CONFIG)) {
		warnx("%s", why);
		sh->status = status;
		return SHARE_LOST;
	}
	return begin_outage(sh, o, why) ? SHARE_LOST : SHARE_FAULT;
}

static enum share_step
lost(struct share *sh, struct outage *o, enum share_step step)
{
	const struct link	*l = sh->w != NULL && link_why(sh->w)[0] != '\0' ? sh->w : sh->r;
	char			 why[LINK_WHY];

	if (step != SHARE_LOST || sh->status != 0 || stop)
		return step;
	snprintf(why, sizeof(why), "%.200s: %.300s", sh->conf->url,
	    link_why(l)[0] != '\0' ? link_why(l) : "does not answer");
	sh->lost = link_status(l) != 0 ? link_status(l) : EX_UNAVAILABLE;
	hang_up(sh);
	return begin_outage(sh, o, why) ? SHARE_LOST : SHARE_FAULT;
}

/* The clients of this server's journal, whoever else folds it. */
static enum share_step
fold(struct share *sh)
{
	struct journal_place	 before = sh->fold->place;

	if (!fold_read(sh->fold)) {
		sh->status = sh->fold->status;
		return SHARE_FAULT;
	}
	if (memcmp(&before, &sh->fold->place, sizeof(before)) == 0)
		return SHARE_IDLE;
	return fold_keep(sh->c, sh->fold, CURSOR) == STORE_ERROR ? SHARE_FAULT : SHARE_MORE;
}

static enum share_step
worse(enum share_step a, enum share_step b)
{
	return a < SHARE_IDLE || b < SHARE_IDLE ? (a < b ? a : b) : a > b ? a : b;
}

/* What there is to do while Redis is there, one piece of each. */
static enum share_step
exchange(struct share *sh)
{
	enum share_step	 step = SHARE_IDLE;

	if ((when_ms() - sh->looked >= LOOK_MS || share_held(sh) != sh->held) &&
	    (step = share_look(sh)) < SHARE_IDLE)
		return step;
	if ((sh->informed == 0 || when_ms() - sh->informed >= INFO_MS) && !share_inform(sh))
		return SHARE_LOST;
	/* An answer still under way is about the place that counts no more. */
	if (sh->pos[0] == '\0' && sh->asked == 0)
		/* The stream's end must be from before the hashes are read. */
		return (step = share_look(sh)) < SHARE_IDLE ? step : share_snapshot(sh);
	if ((step = share_tell(sh)) < SHARE_IDLE)
		return step;
	return worse(step, share_read(sh, sh->c->once ? 0 : BLOCK_MS));
}

/* Waits for the store's folder, the journal's, and the answer of Redis. */
static void
wait_for_more(struct share *sh, const struct outage *o, int inotify, const sigset_t *mask)
{
	struct pollfd	 p[2] = { { inotify, POLLIN, 0 }, { -1, POLLIN, 0 } };
	struct timespec	 ts;
	int64_t		 ms = LOOK_MS / 4;
	char		 events[4096] __attribute__((aligned(__alignof__(struct inotify_event))));

	if (sh->r != NULL)
		p[1].fd = link_fd(sh->r);
	else if (o->retry - when_ms() < ms)
		ms = o->retry - when_ms();
	if (stop || ms <= 0)
		return;
	ts = (struct timespec){ ms / 1000, (long)(ms % 1000) * 1000000 };
	ppoll(p, 2, &ts, mask);
	while (read(inotify, events, sizeof(events)) > 0)
		;
}

/* One share for one store: each keeps count of what it has told. */
static int
lock(const struct share *sh)
{
	char	*path;
	int	 fd;

	if (asprintf(&path, "%s/share.lock", sh->c->dir) == -1)
		err(EX_OSERR, NULL);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);
	if (fd == -1)
		warn("%s", path);
	else if (flock(fd, LOCK_EX | LOCK_NB) == -1) {
		warnx("%s: another share is running", path);
		close(fd);
		fd = -1;
		errno = EAGAIN;
	}
	free(path);
	return fd;
}

static int
watch(const struct share *sh)
{
	char	*copy = strdup(sh->c->journal);
	int	 fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);

	if (copy == NULL)
		err(EX_OSERR, NULL);
	/* LMDB writes its file, as the hook does the journal: a look is due. */
	if (fd == -1 || inotify_add_watch(fd, sh->c->dir, IN_MODIFY | IN_MOVED_TO | IN_DELETE |
	    IN_ONLYDIR) == -1 ||
	    inotify_add_watch(fd, dirname(copy), IN_CREATE | IN_MODIFY | IN_MOVED_TO |
	    IN_ONLYDIR | IN_MASK_ADD) == -1) {
		warn("%s: cannot be watched", sh->c->dir);
		if (fd != -1)
			close(fd);
		fd = -1;
	}
	free(copy);
	return fd;
}

static const int	 ends[] = { SIGTERM, SIGINT, SIGHUP };

static void
block_signals(bool block, sigset_t *before)
{
	sigset_t	 set;
	size_t		 i;

	sigemptyset(&set);
	for (i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
		sigaddset(&set, ends[i]);
	sigprocmask(block ? SIG_BLOCK : SIG_UNBLOCK, &set, before);
}

static void
catch_signals(void)
{
	struct sigaction	 sa = { .sa_handler = on_stop };
	size_t			 i;

	for (i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
		sigaction(ends[i], &sa, NULL);
	block_signals(false, NULL);
}

/* Until there is room, or it is time to end.  Nothing was stored, so that nothing is told
 * or passed over: all is where it was. */
static bool
wait_for_room(struct store *s, void *arg)
{
	struct share	*sh = arg;
	int64_t		 ms = room_pause(&sh->room, s);
	struct timespec	 ts = { ms / 1000, (long)(ms % 1000) * 1000000 };
	sigset_t	 waiting;

	block_signals(true, &waiting);
	if (!stop)
		ppoll(NULL, 0, &ts, &waiting);
	block_signals(false, NULL);
	if (!stop)
		share_stay(sh);
	return !stop;
}

/* One round: the journal, then Redis. */
static enum share_step
round_of(struct share *sh, struct outage *o)
{
	enum share_step	 step = fold(sh);

	if (step == SHARE_FAULT)
		return step;
	if (sh->w == NULL) {
		if (when_ms() < o->retry)
			return step;
		return worse(step, call(sh, o));
	}
	return worse(step, lost(sh, o, exchange(sh)));
}

/* Until there is nothing more to do, with --once; else until told to stop. */
static void
run(struct share *sh, int inotify)
{
	struct outage	 o = { .retry = 0 };
	enum share_step	 step;
	sigset_t	 waiting;

	while (!stop && sh->status == 0) {
		step = round_of(sh, &o);
		if (sh->status != 0)
			break;
		/* Told to end, it waits for room no longer. */
		if (step == SHARE_FAULT && !stop)
			sh->status = cache_fault(sh->c);
		else if (step == SHARE_LOST && sh->c->once)
			sh->status = sh->lost;
		else if (step == SHARE_IDLE && sh->c->once && sh->asked == 0)
			break;
		else if (step <= SHARE_IDLE && !sh->c->once) {
			/* A signal from here on ends the wait. */
			block_signals(true, &waiting);
			wait_for_more(sh, &o, inotify, &waiting);
			block_signals(false, NULL);
		}
	}
}

bool
share_stopping(const struct share *sh)
{
	return stop || sh->status != 0;
}

int
cache_share(struct cache *c)
{
	struct share	 sh = { .c = c, .conf = c->share, .lost = EX_UNAVAILABLE, .evicted = -1 };
	int		 inotify, locked, status = STATUS_OK;

	if (c->share == NULL) {
		warnx("there is no share_url in nac.conf(5)");
		return EX_CONFIG;
	}
	if ((locked = lock(&sh)) == -1)
		return cache_status(errno);
	/* What Redis holds, or what it was told, comes once more then. */
	store_lazy(c->store);
	srandom((unsigned int)getpid() ^ (unsigned int)when_ms());
	catch_signals();
	/* First the watch, then the look: nothing falls in between. */
	if ((inotify = watch(&sh)) == -1) {
		close(locked);
		return EX_CONFIG;
	}
	if (!c->once)
		store_on_full(c->store, wait_for_room, &sh);
	if (!share_load(&sh))
		status = stop ? STATUS_OK : cache_fault(c);
	else if ((sh.fold = fold_start(c, CURSOR, false, &status)) != NULL) {
		run(&sh, inotify);
		status = cli_worst(sh.status, sh.fold->status);
	}
	store_on_full(c->store, NULL, NULL);
	hang_up(&sh);
	fold_free(sh.fold);
	close(inotify);
	close(locked);
	return status;
}
