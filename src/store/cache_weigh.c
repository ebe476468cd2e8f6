/* nac-cache weigh: are the changes of a poll too many to be true? */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/cli.h"
#include "base/file.h"
#include "base/text.h"
#include "base/when.h"
#include "device/record.h"
#include "store/share_window.h"
#include "store/weigh.h"

struct weigh {
	struct cache	*c;
	struct scales	 g;
	struct share_window	 others;	/* what other servers have counted */
	struct clientset held;		/* those that would change, and what is held already */
	uint64_t	 answers, first;
	uint64_t	 kept;		/* that go to what is held already */
	int64_t		 now;
	bool		 incomplete;	/* of a whole list, as its last record says */
	bool		 written;	/* the file of what is held */
	char		 why[GUARD_WHY];
	int		 status;
};

typedef void (*weigh_fn)(struct weigh *w, json_t *rec, const struct session *s);

static void
change(struct weigh *w, json_t *rec, const struct session *s)
{
	if (record_is_list(rec) || weigh_is_told(rec, s))
		return;
	if (weigh_is_first(rec, json_object_get(json_object_get(rec, "decision"), "was"))) {
		w->first++;
		return;
	}
	scales_changed(&w->g, s);
}

static void
answer(struct weigh *w, json_t *rec, const struct session *s)
{
	if (record_is_list(rec)) {
		if (json_is_true(json_object_get(json_object_get(rec, "list"), "complete")))
			return;
		w->incomplete = true;
		return;
	}
	w->answers++;
	if (weigh_is_held(&w->held, rec))
		w->kept++;
	if (!weigh_is_told(rec, s) && !weigh_is_first(rec, json_object_get(rec, "decision")))
		scales_asked(&w->g, s);
	scales_answer(&w->g, rec);
}

/* What would change is held, with every answer that belongs to it. */
static void
mark(struct weigh *w, json_t *rec, const struct session *s)
{
	if (!record_is_list(rec) && !weigh_is_told(rec, s) &&
	    !weigh_is_first(rec, json_object_get(json_object_get(rec, "decision"), "was")))
		weigh_mark(&w->held, rec);
}

/* Runs fn over the records of a file. */
static bool
each(struct weigh *w, const char *path, weigh_fn fn)
{
	struct record_source	*in;
	struct session		 s;
	char			 where[TEXT_SHOWN], why[256];
	json_t			*rec;
	FILE			*f;

	if ((f = fopen(path, "re")) == NULL) {
		warn("%s", path);
		w->status = EX_NOINPUT;
		return false;
	}
	in = record_open(0, NULL, f);
	while (record_next(in, &rec, where, why, sizeof(why))) {
		if (rec == NULL || !record_session(rec, &s, why, sizeof(why))) {
			warnx("%s: %s", path, why);
			w->status = cli_worst(w->status, EX_DATAERR);
		} else
			fn(w, rec, &s);
		json_decref(rec);
	}
	w->status = cli_worst(w->status, record_close(in));
	fclose(f);
	return w->status < EX_IOERR;
}

/* The stamp that the last good poll has left: when it began. */
static void
read_stamp(struct weigh *w)
{
	char	 line[WHEN_TEXT + 8];
	int64_t	 when;
	FILE	*f = fopen(w->c->stamp, "re");

	if (f == NULL)
		return;
	if (fgets(line, sizeof(line), f) != NULL) {
		line[strcspn(line, "\n")] = '\0';
		if (when_parse(line, &when))
			guard_last(w->g.of[SCALE_OWN], when);
	}
	fclose(f);
}

/* ---- what is held */

/* Copies an older file of what is held, when it is one. */
static bool
copy_held(const char *path, FILE *out, bool *is_one)
{
	char	*line = NULL;
	size_t	 size = 0;
	ssize_t	 len;
	FILE	*f = fopen(path, "re");
	bool	 good = true;

	*is_one = false;
	if (f == NULL)
		return errno == ENOENT;
	while (good && (len = getline(&line, &size, f)) > 0) {
		*is_one = *is_one || strncmp(line, HELD_MARK, strlen(HELD_MARK)) == 0;
		if (!*is_one)
			break;
		good = fwrite(line, 1, (size_t)len, out) == (size_t)len;
	}
	good = good && !ferror(f);
	free(line);
	fclose(f);
	return good;
}

/* Copies the lines of a file that are held, or those that are not. */
static bool
copy_lines(const struct weigh *w, const char *path, bool held, FILE *out)
{
	char	*line = NULL, why[256];
	size_t	 size = 0;
	ssize_t	 len;
	json_t	*rec;
	FILE	*f = fopen(path, "re");
	bool	 good = true;

	if (f == NULL)
		return false;
	while (good && (len = getline(&line, &size, f)) > 0) {
		rec = record_parse(line, (size_t)len, why, sizeof(why));
		if (rec != NULL && weigh_is_held(&w->held, rec) == held)
			good = fwrite(line, 1, (size_t)len, out) == (size_t)len;
		json_decref(rec);
	}
	good = good && !ferror(f);
	free(line);
	fclose(f);
	return good;
}

/* The first line says whose file it is, and why; with --append it stays that of
 * the first who held something. */
static bool
write_held(const struct weigh *w, const char *changes, FILE *out)
{
	char	*head;
	bool	 is_one = false, good;

	if (w->c->append && !copy_held(w->c->hold, out, &is_one))
		return false;
	if (!is_one) {
		head = held_head(w->c, w->g.of[SCALE_OWN], w->now, w->why);
		good = fprintf(out, "%s\n", head) > 0;
		free(head);
		if (!good)
			return false;
	}
	return copy_lines(w, changes, true, out);
}

/* Replaces path by what one of these writes: too large for memory. */
static bool
replace(struct weigh *w, const char *path, const char *from, bool held)
{
	char	*tmp;
	FILE	*out = NULL;
	bool	 good = false;
	int	 fd, saved;

	if (asprintf(&tmp, "%s.XXXXXX", path) == -1)
		err(EX_OSERR, NULL);
	if ((fd = mkostemp(tmp, O_CLOEXEC)) != -1 && (out = fdopen(fd, "w")) != NULL) {
		good = held ? write_held(w, from, out) : copy_lines(w, from, false, out);
		good = good && fflush(out) == 0 && fsync(fd) == 0;
		saved = errno;
		good = fclose(out) == 0 && good;
		errno = good ? errno : saved;
		good = good && rename(tmp, path) == 0;
	}
	if (!good) {
		warn("%s", path);
		if (fd != -1)
			unlink(tmp);
		w->status = EX_IOERR;
	}
	free(tmp);
	return good;
}

/* With a wrong clock nothing is to pass. */
static bool
empty(struct weigh *w, const char *path)
{
	if (file_replace(path, "", 0, 0600) == 0)
		return true;
	warn("%s", path);
	w->status = EX_IOERR;
	return false;
}

static bool
hold(struct weigh *w, enum guard_verdict verdict, const char *answers, const char *changes)
{
	if (w->c->pass != NULL && !(verdict == GUARD_HOLD_ALL ? empty(w, w->c->pass) :
	    replace(w, w->c->pass, answers, false)))
		return false;
	/* Who was ahead asks again at once, and by the right time. */
	if (w->c->hold == NULL || guard_was_ahead(w->g.of[SCALE_OWN]) ||
	    (verdict != GUARD_PASS && guard_count_changed(w->g.of[SCALE_OWN]) == 0))
		return true;
	return w->written = replace(w, w->c->hold, changes, true);
}

static void
report(const struct weigh *w)
{
	json_t	*o = json_pack("{sI sI sI sI}", "answers", (json_int_t)w->answers, "weighed",
		    (json_int_t)guard_count_asked(w->g.of[SCALE_OWN]), "changed",
		    (json_int_t)guard_count_changed(w->g.of[SCALE_OWN]), "first", (json_int_t)w->first);

	if (o == NULL || (w->why[0] != '\0' &&
	    json_object_set_new(o, "held", json_string(w->why)) == -1) || (w->written &&
	    json_object_set_new(o, "file", json_string(w->c->hold)) == -1))
		err(EX_OSERR, NULL);
	record_print(o, stdout);
	json_decref(o);
}

static void
judge(struct weigh *w, const char *answers, const char *changes)
{
	enum guard_verdict	 verdict;
	uint64_t		 n = guard_count_changed(w->g.of[SCALE_OWN]);

	if (!w->incomplete || n == 0)
		share_window_exchange(&w->others, &w->g);
	verdict = scales_judge(&w->g, w->why);
	/* Of a list that was cut short nothing is true but what it says. */
	if (verdict == GUARD_PASS && w->incomplete && n > 0) {
		verdict = GUARD_HOLD_ALL;
		snprintf(w->why, sizeof(w->why), "the list is not complete, and %llu clients "
		    "would change", (unsigned long long)n);
	}
	if (w->c->window != NULL && verdict != GUARD_HOLD_ALL && !w->c->dry_run &&
	    !guard_save(w->g.of[SCALE_OWN], w->c->window)) {
		warn("%s", w->c->window);
		w->status = EX_IOERR;
	}
	if (verdict == GUARD_HOLD_ALL && w->c->stamp != NULL && !w->c->dry_run &&
	    guard_was_ahead(w->g.of[SCALE_OWN]) && unlink(w->c->stamp) == -1) {
		warn("%s", w->c->stamp);
		w->status = EX_IOERR;
	}
	if (verdict == GUARD_PASS && w->kept == 0)
		return;
	if (verdict != GUARD_PASS)
		w->status = cli_worst(w->status, STATUS_NO);
	if (!w->c->dry_run && (verdict == GUARD_PASS || each(w, changes, mark)))
		hold(w, verdict, answers, changes);
}

int
cache_weigh(struct cache *c, const char *answers, const char *changes)
{
	struct weigh		 w = { .c = c, .now = c->now != 0 ? c->now : when_now() };
	struct store_size	 size;

	if (store_sizes(c->store, &size) == STORE_ERROR)
		return cache_fault(c);
	c->guard.clients = size.clients;
	c->guard.window = c->poll_interval;
	share_window_begin(&w.others, c, w.now);
	if (!scales_open(&w.g, c, w.now))
		w.status = EX_IOERR;
	else if (c->append && c->hold != NULL && !weigh_load(&w.held, c->hold)) {
		warn("%s", c->hold);
		w.status = EX_IOERR;
	} else {
		if (c->stamp != NULL)
			read_stamp(&w);
		if (each(&w, changes, change) && each(&w, answers, answer)) {
			judge(&w, answers, changes);
			report(&w);
		}
	}
	scales_close(&w.g);
	share_window_close(&w.others);
	clientset_free(&w.held);
	return w.status;
}

int
cache_weigh_forget(struct cache *c)
{
	const char	*path[] = { c->window, c->beside };
	size_t		 i;
	int		 status = STATUS_OK;

	for (i = 0; i < sizeof(path) / sizeof(path[0]); i++)
		if (path[i] != NULL && unlink(path[i]) == -1 && errno != ENOENT) {
			warn("%s", path[i]);
			status = EX_IOERR;
		}
	return cli_worst(status, share_window_forget(c));
}
