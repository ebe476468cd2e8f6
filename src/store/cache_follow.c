/* nac-cache follow: waits on the journal, and passes on each client whose answer
 * has to be looked up. */
#include <sys/inotify.h>

#include <err.h>
#include <errno.h>
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
#include "base/digest.h"
#include "base/when.h"
#include "device/record.h"
#include "store/cache.h"
#include "store/share_work.h"

#define CURSOR		"follow"

/* A client that comes back within this time is passed on once more only at its
 * end: a supplicant in quarantine may try every second. */
#define AGAIN_MS	10000
#define RECENT		1024	/* clients remembered; one more displaces another */

/* Looks at the journal now and then even without a word from inotify, which does
 * not see what another machine writes on a network file system. */
#define LOOK_MS		30000

struct recent {
	uint64_t	 who;		/* digest of client and device; 0: free */
	int64_t		 at;		/* ms, when it was last passed on */
	bool		 owed;		/* it has come back since */
	char		 client[CLIENT_ID];
};

struct follow {
	struct cache	*c;
	struct work	*work;		/* of work_claim() */
	struct fold	*fold;
	int		 inotify;
	int		 status;
	bool		 closed;	/* nobody reads standard output any more */
	sigset_t	 waiting;	/* the signal mask while waiting */
	struct room	 room;
	struct recent	 recent[RECENT];
};

static volatile sig_atomic_t	 stop;

static void
on_stop(int sig)
{
	(void)sig;
	stop = 1;
}

/* A device with two network cards is two clients: each has a session that must
 * be told of a change. */
static uint64_t
who_is(const struct client *cl, const struct identity *id)
{
	char		 name[IDENTITY_TEXT];
	uint64_t	 h = digest_add(DIGEST_START, cl->id, strlen(cl->id));

	if (id->nguid > 0)
		h = digest_add(h, id->guid[0].guid.b, GUID_LEN);
	else if (id->nname > 0) {
		device_fold_name(name, sizeof(name), id->name[0].text);
		h = digest_add(h, name, strlen(name));
	}
	return h != 0 ? h : 1;
}

/* Is there something to look up for this line, of a client seen then?  Its age is
 * that at the time: an old journal is not stale as a whole.  Who was not seen for
 * long has gone.  The line is readable, fold_read() has made sure. */
static bool
is_wanted(struct follow *f, const json_t *rec, int64_t seen, struct identity *id)
{
	struct answer	 a;
	char		 why[256];

	if (when_now() - seen > f->c->seen_within)
		return false;
	if (!record_identity(rec, id, why, sizeof(why)) || id->ambiguous || !cache_can_ask(&f->c->order, id))
		return false;
	if (!record_answer(rec, &a, why, sizeof(why)))
		return true;
	if (a.state == COMPLIANCE_PENDING)
		return true;
	/* While a poll holds its changes back none of them is to come in here, one
	 * login at a time. */
	if (f->c->unless != NULL &&
	    (access(f->c->unless, F_OK) == 0 || work_held(f->c, &f->work)))
		return false;
	return a.state == COMPLIANCE_UNREGISTERED || answer_is_ahead(&a, seen) || seen - a.checked >= f->c->older_than;
}

/* Prints; false when it did not get out. */
static bool
print(struct follow *f, const json_t *rec)
{
	if (f->closed)
		return false;
	if (json_dumpf(rec, stdout, JSON_COMPACT) != -1 && putchar('\n') != EOF &&
	    fflush(stdout) != EOF)
		return true;
	/* Its reader has ended, or we were told to stop while it was not reading. */
	if (errno != EPIPE && !(errno == EINTR && stop)) {
		warn("standard output");
		f->status = EX_IOERR;
	}
	f->closed = true;
	return false;
}

/* Has the look-up of another server, which may take minutes, brought an answer since? */
static bool
is_answered(const struct follow *f, const struct identity *id, int64_t seen)
{
	struct answer	 a;

	return store_find(f->c->store, id, &f->c->order, &a) == STORE_FOUND &&
	    a.checked >= seen && !answer_is_ahead(&a, when_now());
}

/* Passes a client on that came back too soon before, as it is now. */
static bool
pay(struct follow *f, struct recent *r)
{
	struct client	 cl;
	struct identity	 id;
	json_t		*rec = NULL;
	char		*text = NULL;
	bool		 good = true;

	r->owed = false;
	r->at = when_ms();
	if (client_get(f->c->store, r->client, &cl, &text) == STORE_FOUND &&
	    (rec = cache_client_record(&cl)) != NULL && is_wanted(f, rec, cl.seen, &id)) {
		if (work_claim(f->c, &f->work, r->client) || is_answered(f, &id, cl.seen))
			good = print(f, rec);
		else
			r->owed = true;
	}
	json_decref(rec);
	free(text);
	return good;
}

/* Passes on one line, at once or later. */
static bool
pass_on(struct follow *f, const struct fold_line *l, const struct identity *id)
{
	uint64_t	 who = who_is(&l->client, id);
	struct recent	*r = &f->recent[who % RECENT];

	if (r->who == who && when_ms() - r->at < AGAIN_MS) {
		r->owed = true;
		memcpy(r->client, l->client.id, sizeof(r->client));
		return true;
	}
	if (r->who != who && r->owed && !pay(f, r))
		return false;
	r->who = who;
	r->at = when_ms();
	r->owed = false;
	if (work_claim(f->c, &f->work, l->client.id))
		return print(f, l->rec);
	/* Another server is at it: a look later whether it has got an answer. */
	r->owed = true;
	memcpy(r->client, l->client.id, sizeof(r->client));
	return true;
}

/* A client that came again further on in the journal is judged by that line. */
static bool
is_newest(const struct follow *f, const struct fold_line *l)
{
	struct client	 cl;
	char		*text;
	bool		 newest;

	if (client_get(f->c->store, l->client.id, &cl, &text) != STORE_FOUND)
		return true;
	newest = cl.seen <= l->client.seen &&
	    (cl.ino != l->client.ino || cl.offset == l->client.offset);
	free(text);
	return newest;
}

/* The store's; told to end, it waits for room no longer, which is none. */
static void
fault(struct follow *f)
{
	if (!stop && !f->closed)
		f->status = cache_fault(f->c);
}

/* Everything that the journal has now.  Returns false when it is time to end. */
static bool
catch_up(struct follow *f)
{
	struct journal_place	 before;
	struct identity		 id;
	size_t			 i;

	for (;;) {
		before = f->fold->place;
		if (!fold_read(f->fold)) {
			f->status = f->fold->status;
			return false;
		}
		if (memcmp(&before, &f->fold->place, sizeof(before)) == 0)
			return true;
		if (fold_keep(f->c, f->fold, NULL) == STORE_ERROR) {
			fault(f);
			return false;
		}
		for (i = 0; i < f->fold->n; i++)
			if (!f->fold->line[i].accounting &&
			    is_wanted(f, f->fold->line[i].rec,
			    f->fold->line[i].client.seen, &id) &&
			    is_newest(f, &f->fold->line[i]) &&
			    !pass_on(f, &f->fold->line[i], &id))
				return false;
		/* Only now: what was not passed on is read again next time. */
		if (cursor_put(f->c->store, CURSOR, &f->fold->place) == STORE_ERROR) {
			fault(f);
			return false;
		}
	}
}

/* Pays what is due, or with all everything; returns the ms until the next, -1 on
 * the way out. */
static int
pay_owed(struct follow *f, bool all)
{
	int64_t	 now = when_ms(), left, least = LOOK_MS;
	size_t	 i;

	for (i = 0; i < RECENT; i++) {
		if (!f->recent[i].owed)
			continue;
		left = f->recent[i].at + AGAIN_MS - now;
		if (left <= 0 || all) {
			if (!pay(f, &f->recent[i]))
				return -1;
		} else if (left < least)
			least = left;
	}
	return (int)least;
}

/* Waits for the journal's folder, the time, a signal, or the reader's end. */
static void
wait_for_more(struct follow *f, int ms)
{
	struct timespec	 ts = { ms / 1000, (long)(ms % 1000) * 1000000 };
	struct pollfd	 p[2] = { { f->inotify, POLLIN, 0 }, { STDOUT_FILENO, 0, 0 } };
	char		 events[4096] __attribute__((aligned(__alignof__(struct inotify_event))));

	if (stop || ppoll(p, 2, &ts, &f->waiting) <= 0)
		return;
	/* What has happened does not matter: the journal is looked at. */
	while (read(f->inotify, events, sizeof(events)) > 0)
		;
	if (p[1].revents & (POLLERR | POLLNVAL))
		f->closed = true;
}

static bool
watch(struct follow *f)
{
	char	*copy = strdup(f->c->journal);
	bool	 good;

	if (copy == NULL)
		err(EX_OSERR, NULL);
	f->inotify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	/* The folder, since the file comes and goes with rotation. */
	good = f->inotify != -1 && inotify_add_watch(f->inotify, dirname(copy),
	    IN_CREATE | IN_MODIFY | IN_MOVED_TO | IN_ONLYDIR) != -1;
	if (!good) {
		f->status = cache_status(errno);
		warn("%s: cannot watch its folder", f->c->journal);
	}
	free(copy);
	return good;
}

/* Signals are let in only while waiting and while writing to a full pipe. */
static void
catch_signals(struct follow *f)
{
	static const int	 ends[] = { SIGTERM, SIGINT, SIGHUP };
	struct sigaction	 sa = { .sa_handler = on_stop };
	size_t			 i;

	for (i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
		sigaction(ends[i], &sa, NULL);
	sigprocmask(SIG_SETMASK, NULL, &f->waiting);
}

static void
block_signals(bool block)
{
	sigset_t	 set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigprocmask(block ? SIG_BLOCK : SIG_UNBLOCK, &set, NULL);
}

/* Until there is room, or it is time to end. */
static bool
wait_for_room(struct store *s, void *arg)
{
	struct follow	*f = arg;
	int64_t		 ms = room_pause(&f->room, s);
	struct timespec	 ts = { ms / 1000, (long)(ms % 1000) * 1000000 };
	struct pollfd	 p = { STDOUT_FILENO, 0, 0 };

	block_signals(true);
	if (!stop && ppoll(&p, 1, &ts, &f->waiting) > 0)
		f->closed = true;
	block_signals(false);
	return !stop && !f->closed;
}

/* Goes to the place where the last run has ended, the first one to the journal's
 * start: clients may have come before anybody followed. */
static bool
start(struct follow *f)
{
	f->fold = fold_start(f->c, CURSOR, f->c->from_start, &f->status);
	if (f->fold == NULL)
		return false;
	if (cursor_put(f->c->store, CURSOR, &f->fold->place) != STORE_ERROR)
		return true;
	fault(f);
	return false;
}

int
cache_follow(struct cache *c)
{
	struct follow	*f;
	int		 ms, status;

	if ((f = calloc(1, sizeof(*f))) == NULL)
		err(EX_OSERR, NULL);
	f->c = c;
	f->inotify = -1;
	catch_signals(f);
	store_on_full(c->store, wait_for_room, f);
	/* First the watch, then the look: nothing falls in between. */
	if (watch(f) && start(f)) {
		while (!stop && catch_up(f) && (ms = pay_owed(f, false)) != -1 && !f->closed) {
			block_signals(true);
			wait_for_more(f, ms);
			block_signals(false);
		}
		if (!f->closed)
			pay_owed(f, true);
		status = cli_worst(f->status, f->fold->status);
	} else
		status = f->status;	/* said already */
	store_on_full(c->store, NULL, NULL);
	fold_free(f->fold);
	work_close(f->work);
	if (f->inotify != -1)
		close(f->inotify);
	/* What stdio could not get out is not worth a second message. */
	if (f->closed && status == STATUS_OK)
		_exit(STATUS_OK);
	free(f);
	return status;
}
