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
#include "store/cache.h"
#include "store/clientset.h"
#include "store/guard.h"

struct weigh {
	struct cache	*c;
	struct guard	*g;
	struct clientset held;		/* those that would change */
	uint64_t	 answers, first;
	int64_t		 now;
	bool		 incomplete;	/* of a whole list, as its last record says */
	char		 why[GUARD_WHY];
	int		 status;
};

typedef void (*weigh_fn)(struct weigh *w, json_t *rec, const struct session *s);

static const char *
word(const json_t *o, const char *key)
{
	const char	*s = json_string_value(json_object_get(o, key));

	return s != NULL ? s : "";
}

/*
 * Is this the first answer that a client has got?  It keeps no client on its old
 * access, since there is none to speak of; a thousand new devices are no disaster.
 */
static bool
is_first(const json_t *rec, const json_t *before)
{
	const char	*state = word(before, "state");

	return (state[0] == '\0' || strcmp(state, "pending") == 0) &&
	    strcmp(word(json_object_get(rec, "compliance"), "state"), "pending") != 0;
}

/* Has its session ended at our word?  Then its answer is in force already, and it
 * has only not come back since. */
static bool
is_told(const json_t *rec, const struct session *s)
{
	const char	*result = word(json_object_get(rec, "coa"), "result");

	return s->ended && (strcmp(result, "ack") == 0 || strcmp(result, "nak") == 0);
}

static void
change(struct weigh *w, json_t *rec, const struct session *s)
{
	if (record_is_list(rec) || is_told(rec, s))
		return;
	if (is_first(rec, json_object_get(json_object_get(rec, "decision"), "was"))) {
		w->first++;
		return;
	}
	guard_changed(w->g, s);
	clientset_add(&w->held, clientset_of(rec));
}

static void
answer(struct weigh *w, json_t *rec, const struct session *s)
{
	struct answer	 a;
	char		 why[256];

	if (record_is_list(rec)) {
		if (json_is_true(json_object_get(json_object_get(rec, "list"), "complete")))
			return;
		w->incomplete = true;
		return;
	}
	w->answers++;
	if (!is_told(rec, s) && !is_first(rec, json_object_get(rec, "decision")))
		guard_asked(w->g, s);
	if (record_answer(rec, &a, why, sizeof(why)) && a.has_device &&
	    a.source != SOURCE_CACHE)
		guard_synced(w->g, a.device.last_sync);
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
			guard_last(w->g, when);
	}
	fclose(f);
}

/* ---- what is held */

/* Copies the lines behind the first of an older file of what is held. */
static bool
copy_held(const char *path, FILE *out, uint64_t *n)
{
	char	*line = NULL;
	size_t	 size = 0;
	ssize_t	 len;
	FILE	*f = fopen(path, "re");
	bool	 good = true;

	if (f == NULL)
		return errno == ENOENT;
	if (getline(&line, &size, f) > 0 && strncmp(line, HELD_MARK, strlen(HELD_MARK)) == 0)
		while (good && (len = getline(&line, &size, f)) > 0) {
			good = fwrite(line, 1, (size_t)len, out) == (size_t)len;
			(*n)++;
		}
	good = good && !ferror(f);
	free(line);
	fclose(f);
	return good;
}

/* Copies the lines of a file whose client is in the set, or is not. */
static bool
copy_lines(const struct weigh *w, const char *path, bool in_set, FILE *out, uint64_t *n)
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
		if (rec != NULL && clientset_has(&w->held, clientset_of(rec)) == in_set) {
			good = fwrite(line, 1, (size_t)len, out) == (size_t)len;
			(*n)++;
		}
		json_decref(rec);
	}
	good = good && !ferror(f);
	free(line);
	fclose(f);
	return good;
}

/* The first line says whose file it is, and why; its counts are written last. */
static bool
write_held(struct weigh *w, const char *changes, FILE *out)
{
	char	 time[WHEN_TEXT], *text;
	json_t	*head = json_pack("{s{si ss ss ss sI sI}}", "held", "version", HELD_VERSION,
		    "time", when_format(time, w->now), "state_dir", w->c->dir, "cause", w->why,
		    "asked", (json_int_t)guard_count_asked(w->g), "changed",
		    (json_int_t)guard_count_changed(w->g));
	uint64_t n = 0;
	bool	 good;

	if (head == NULL || (text = json_dumps(head, JSON_COMPACT)) == NULL)
		err(EX_OSERR, NULL);
	good = fprintf(out, "%s\n", text) > 0 && copy_lines(w, changes, true, out, &n) &&
	    (!w->c->append || copy_held(w->c->hold, out, &n));
	free(text);
	json_decref(head);
	return good;
}

/* Replaces path by what one of these writes: too large for memory. */
static bool
replace(struct weigh *w, const char *path, const char *from, bool held)
{
	char	*tmp;
	FILE	*out = NULL;
	uint64_t n = 0;
	bool	 good = false;
	int	 fd, saved;

	if (asprintf(&tmp, "%s.XXXXXX", path) == -1)
		err(EX_OSERR, NULL);
	if ((fd = mkostemp(tmp, O_CLOEXEC)) != -1 && (out = fdopen(fd, "w")) != NULL) {
		good = held ? write_held(w, from, out) : copy_lines(w, from, false, out, &n);
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
	return w->c->hold == NULL || guard_count_changed(w->g) == 0 ||
	    replace(w, w->c->hold, changes, true);
}

static void
report(const struct weigh *w)
{
	json_t	*o = json_pack("{sI sI sI sI}", "answers", (json_int_t)w->answers, "weighed",
		    (json_int_t)guard_count_asked(w->g), "changed",
		    (json_int_t)guard_count_changed(w->g), "first", (json_int_t)w->first);

	if (o == NULL || (w->why[0] != '\0' &&
	    json_object_set_new(o, "held", json_string(w->why)) == -1))
		err(EX_OSERR, NULL);
	record_print(o, stdout);
	json_decref(o);
}

static void
judge(struct weigh *w, const char *answers, const char *changes)
{
	enum guard_verdict	 verdict = guard_judge(w->g, w->why);

	/* Of a list that was cut short nothing is true but what it says. */
	if (verdict == GUARD_PASS && w->incomplete && guard_count_changed(w->g) > 0) {
		verdict = GUARD_HOLD_ALL;
		snprintf(w->why, sizeof(w->why), "the list is not complete, and %llu clients "
		    "would change", (unsigned long long)guard_count_changed(w->g));
	}
	if (w->c->window != NULL && verdict != GUARD_HOLD_ALL && !w->c->dry_run &&
	    !guard_save(w->g, w->c->window)) {
		warn("%s", w->c->window);
		w->status = EX_IOERR;
	}
	if (verdict == GUARD_PASS)
		return;
	w->status = cli_worst(w->status, STATUS_NO);
	if (!w->c->dry_run)
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
	w.g = guard_new(&c->guard, w.now);
	if (c->stamp != NULL)
		read_stamp(&w);
	if (each(&w, changes, change) && each(&w, answers, answer)) {
		if (c->window != NULL && !guard_load(w.g, c->window)) {
			warn("%s", c->window);
			w.status = cli_worst(w.status, EX_IOERR);
		} else {
			judge(&w, answers, changes);
			report(&w);
		}
	}
	guard_free(w.g);
	clientset_free(&w.held);
	return w.status;
}
