/*
 * nac-cache weigh --stream: the same question, asked of each answer as it comes in
 * between two polls.  There is no run to be weighed as a whole: all of late is.
 */
#include <sys/stat.h>

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/cli.h"
#include "base/text.h"
#include "base/when.h"
#include "device/record.h"
#include "store/share_window.h"
#include "store/weigh.h"

/* The window is kept as this many lines, each for a part of it. */
#define PARTS	64

struct stream {
	struct cache	*c;
	struct scales	 g;
	struct share_window	 others;	/* what other servers have counted */
	int64_t		 since;		/* when this part has begun; 0: none has */
	struct clientset counted;	/* in this part: who comes often counts once */
	struct clientset held;
	struct stat	 hold;		/* as it was when `held` was read */
	struct timespec	 beside;	/* when that was written */
	bool		 saved;		/* our window file is there */
	int		 status;
};

static bool
failed(struct stream *s, const char *path)
{
	warn("%s", path);
	s->status = cli_worst(s->status, EX_IOERR);
	return false;
}

/* When it was written; all 0 when there is none. */
static struct timespec
written(const char *path)
{
	struct stat	 st;

	if (path == NULL || stat(path, &st) == -1)
		memset(&st, 0, sizeof(st));
	return st.st_mtim;
}

static void
save(struct stream *s)
{
	if (s->since == 0 || s->c->window == NULL || guard_count_asked(s->g.of[SCALE_OWN]) == 0)
		return;
	if (guard_save(s->g.of[SCALE_OWN], s->c->window))
		s->saved = true;
	else
		failed(s, s->c->window);
}

/* What a part has counted behind its last change. */
static void
end(struct stream *s)
{
	save(s);
	if (s->since != 0)
		share_window_exchange(&s->others, &s->g);
}

/* Begins a new part. */
static bool
begin(struct stream *s)
{
	struct store_size	 size;

	scales_close(&s->g);
	clientset_free(&s->counted);
	s->saved = false;
	s->beside = written(s->c->beside);
	s->since = when_now();
	share_window_begin(&s->others, s->c, s->since);
	if (store_sizes(s->c->store, &size) == STORE_ERROR) {
		s->status = cli_worst(s->status, cache_fault(s->c));
		return false;
	}
	s->c->guard.clients = size.clients;
	s->c->guard.window = s->c->poll_interval;
	if (!scales_open(&s->g, s->c, s->since)) {
		s->status = cli_worst(s->status, EX_IOERR);
		return false;
	}
	return true;
}

/* So it is when it is time or a poll has been; who removes the window wants that all
 * is counted anew. */
static bool
turn(struct stream *s)
{
	struct timespec	 beside = written(s->c->beside);
	int64_t		 now = when_now(), part = s->c->poll_interval / PARTS;
	bool		 gone = s->saved && access(s->c->window, F_OK) == -1;

	if (s->since != 0 && !gone && now >= s->since && now - s->since <= part &&
	    memcmp(&beside, &s->beside, sizeof(beside)) == 0)
		return true;
	if (!gone)
		end(s);
	return begin(s);
}

/* Reads again what is held, when somebody has changed it; is there something? */
static bool
look(struct stream *s)
{
	struct stat	 st;

	if (stat(s->c->hold, &st) == -1)
		memset(&st, 0, sizeof(st));
	if (st.st_ino == s->hold.st_ino && st.st_size == s->hold.st_size)
		return st.st_ino != 0;
	clientset_free(&s->held);
	if (st.st_ino != 0 && !weigh_load(&s->held, s->c->hold))
		failed(s, s->c->hold);
	s->hold = st;
	return st.st_ino != 0;
}

/* Puts text into a file that is not there yet. */
static bool
create(const char *path, const char *text)
{
	char	*tmp;
	size_t	 len = strlen(text);
	bool	 good;
	int	 fd, saved;

	if (asprintf(&tmp, "%s.XXXXXX", path) == -1)
		err(EX_OSERR, NULL);
	good = (fd = mkostemp(tmp, O_CLOEXEC)) != -1 &&
	    write(fd, text, len) == (ssize_t)len && fsync(fd) == 0 && link(tmp, path) == 0;
	saved = errno;
	if (fd != -1) {
		close(fd);
		unlink(tmp);
	}
	free(tmp);
	errno = saved;
	return good;
}

/* Puts a line behind what is held, whole or not at all. */
static bool
append(const char *path, const char *line)
{
	struct stat	 st;
	ssize_t		 n = 0;
	size_t		 len = strlen(line);
	int		 fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
	bool		 good;

	if (fd == -1)
		return false;
	good = fstat(fd, &st) == 0 && (n = write(fd, line, len)) == (ssize_t)len;
	if (!good && n > 0 && ftruncate(fd, st.st_size) == -1)
		warn("%s", path);
	good = good && fsync(fd) == 0;
	close(fd);
	return good;
}

/* The change goes to those that are held.  What cannot be written there is due
 * again, as it is not stored either. */
static void
hold(struct stream *s, const json_t *rec, const char *why)
{
	char	*head, *text, *line = json_dumps(rec, JSON_COMPACT);
	bool	 good;

	if (line == NULL || asprintf(&text, "%s\n", line) == -1)
		err(EX_OSERR, NULL);
	free(line);
	weigh_mark(&s->held, rec);
	if (!(good = append(s->c->hold, text)) && errno == ENOENT) {
		head = held_head(s->c, s->g.of[SCALE_OWN], when_now(), why);
		if (asprintf(&line, "%s\n%s", head, text) == -1)
			err(EX_OSERR, NULL);
		/* A poll may have been faster. */
		if ((good = create(s->c->hold, line)))
			warnx("%s: held; look at %s, then: nac-poll --apply %s", why,
			    s->c->hold, s->c->hold);
		else if (errno == EEXIST)
			good = append(s->c->hold, text);
		free(line);
		free(head);
	}
	free(text);
	if (!good)
		failed(s, s->c->hold);
	else if (stat(s->c->hold, &s->hold) == -1)
		memset(&s->hold, 0, sizeof(s->hold));
}

/* Counts a record, each client once in a part; is it news that it would change? */
static bool
count(struct stream *s, const json_t *rec, const struct session *session, bool change)
{
	uint64_t	 client = clientset_of(rec);

	if (!clientset_has(&s->counted, client)) {
		clientset_add(&s->counted, client);
		scales_asked(&s->g, session);
	}
	/* As a change it has another mark. */
	if (!change || clientset_has(&s->counted, ~client))
		return false;
	clientset_add(&s->counted, ~client);
	scales_changed(&s->g, session);
	return true;
}

/* Is it too much with this record? */
static bool
weigh(struct stream *s, json_t *rec, const struct session *session, bool change,
    char why[GUARD_WHY])
{
	bool	 news = count(s, rec, session, change);

	if (!change)
		return false;
	if (!share_window_exchange(&s->others, &s->g)) {
		/* A person's word at another server counts here as well. */
		if (unlink(s->c->window) == -1 && errno != ENOENT)
			failed(s, s->c->window);
		if (!begin(s)) {
			snprintf(why, GUARD_WHY, "the change could not be weighed");
			return true;
		}
		news = count(s, rec, session, change);
		share_window_exchange(&s->others, &s->g);
	}
	if (news)
		save(s);
	return scales_judge(&s->g, why) != GUARD_PASS;
}

/* The record as it was before `nac-decide --changed --all` looked at it. */
static void
put_back(json_t *rec, json_t *was)
{
	if (json_is_object(was) ? json_object_set(rec, "decision", was) == -1 :
	    json_object_del(rec, "decision") == -1)
		err(EX_OSERR, NULL);
}

static int
one(json_t *rec, const char *where, void *arg)
{
	struct stream	*s = arg;
	struct session	 session;
	json_t		*decision = json_object_get(rec, "decision");
	json_t		*was = json_object_get(decision, "was");
	char		 why[GUARD_WHY];
	bool		 change = was != NULL, counts, any;

	if (record_is_list(rec))
		return record_print(rec, stdout);
	if (!record_session(rec, &session, why, sizeof(why))) {
		warnx("%s: %s", where, why);
		return EX_DATAERR;
	}
	/* Unweighed nothing may go on. */
	if (!turn(s))
		return s->status;
	any = look(s);
	scales_answer(&s->g, rec);
	counts = !weigh_is_told(rec, &session) && !weigh_is_first(rec, change ? was : decision);
	why[0] = '\0';
	if ((counts && weigh(s, rec, &session, change, why)) || (counts && change && any) ||
	    weigh_is_held(&s->held, rec)) {
		if (change)
			hold(s, rec, why);
		return STATUS_OK;
	}
	if (change)
		put_back(rec, was);
	return record_print(rec, stdout);
}

int
cache_weigh_stream(struct cache *c)
{
	struct stream	 s = { .c = c };
	int		 status;

	if (c->hold == NULL) {
		warnx("weigh: --stream needs --hold FILE");
		cli_usage();
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	status = record_each(0, NULL, stdin, one, &s);
	end(&s);
	scales_close(&s.g);
	share_window_close(&s.others);
	clientset_free(&s.counted);
	clientset_free(&s.held);
	return cli_worst(status, s.status);
}
