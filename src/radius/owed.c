#include <sys/file.h>
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
#include "base/when.h"
#include "radius/owed.h"

#define BUCKETS		16384
#define JOURNAL_MAX	((size_t)1024 * 1024 * 1024)

/* The last event of a client. */
struct entry {
	struct entry	*next;
	char		*key;
	char		*want;
	char		*nas;		/* of what is open; NULL when it is answered */
	char		*record;
	int64_t		 time;
	bool		 acked;
	bool		 silent;	/* it has ended, without an answer */
};

struct owed {
	char		*path;
	int		 fd;
	int64_t		 window;
	off_t		 read;		/* bytes of the file that are in the table */
	conf_report	 report;
	void		*arg;
	struct entry	*table[BUCKETS];
};

static char *
copy(const char *s)
{
	char	*p = strdup(s);

	if (p == NULL)
		err(EX_OSERR, NULL);
	return p;
}

static struct entry *
entry(struct owed *o, const char *key, bool make)
{
	struct entry	**at, *e;
	uint32_t	 h = 5381;
	size_t		 i;

	for (i = 0; key[i] != '\0'; i++)
		h = h * 33 ^ (uint8_t)key[i];
	for (at = &o->table[h % BUCKETS]; *at != NULL; at = &(*at)->next)
		if (strcmp((*at)->key, key) == 0)
			return *at;
	if (!make)
		return NULL;
	if ((e = calloc(1, sizeof(*e))) == NULL)
		err(EX_OSERR, NULL);
	e->key = copy(key);
	e->want = copy("");
	return *at = e;
}

/* Takes one event into the table. */
static void
apply(struct owed *o, const char *key, const char *want, const char *event,
    const char *nas, const char *record, int64_t time)
{
	struct entry	*e = entry(o, key, true);
	bool		 sent = strcmp(event, "sent") == 0;

	/* The end of another change than the last: it came too late to count. */
	if (!sent && e->want[0] != '\0' && strcmp(e->want, want) != 0)
		return;
	free(e->want);
	e->want = copy(want);
	e->time = time;
	e->acked = strcmp(event, OWED_ACK) == 0;
	e->silent = strcmp(event, OWED_SILENT) == 0;
	/* Silence leaves it owed, with its record. */
	if (e->silent)
		return;
	free(e->nas);
	free(e->record);
	e->nas = sent && nas != NULL ? copy(nas) : NULL;
	e->record = sent && record != NULL ? copy(record) : NULL;
}

/* One line of the file, which may be cut short by a crash or a full disk. */
static bool
read_line(struct owed *o, const char *line, size_t len)
{
	const char	*key, *want, *event, *nas = "", *time;
	json_t		*j, *rec;
	char		*record = NULL;
	int64_t		 when;
	bool		 good = false;

	if ((j = json_loadb(line, len, JSON_REJECT_DUPLICATES, NULL)) == NULL)
		return false;
	key = json_string_value(json_object_get(j, "key"));
	want = json_string_value(json_object_get(j, "want"));
	event = json_string_value(json_object_get(j, "event"));
	time = json_string_value(json_object_get(j, "time"));
	rec = json_object_get(j, "record");
	if (json_integer_value(json_object_get(j, "coa_journal")) != 1 || key == NULL ||
	    want == NULL || event == NULL || time == NULL || !when_parse(time, &when))
		goto out;
	if (strcmp(event, "sent") == 0) {
		nas = json_string_value(json_object_get(j, "nas"));
		if (nas == NULL || !json_is_object(rec) ||
		    (record = json_dumps(rec, JSON_COMPACT)) == NULL)
			goto out;
	}
	apply(o, key, want, event, nas, record != NULL ? record : "", when);
	good = true;
out:
	free(record);
	json_decref(j);
	return good;
}

/* Reads what the file has more than we know.  The last line may lack its end only
 * when a crash has cut it; then it gets one, so that ours does not stick to it. */
static bool
catch_up(struct owed *o, char why[FILE_WHY])
{
	char	*text = NULL, *line, *nl, msg[FILE_WHY + 64];
	size_t	 len;
	bool	 good = false;

	if (lseek(o->fd, o->read, SEEK_SET) == -1 ||
	    file_read_all(o->fd, JOURNAL_MAX, &text, &len) == -1) {
		snprintf(why, FILE_WHY, "%s: %s", o->path, strerror(errno));
		return false;
	}
	for (line = text; line < text + len; line = nl + 1) {
		if ((nl = memchr(line, '\n', (size_t)(text + len - line))) == NULL)
			nl = text + len;
		if (nl > line && !read_line(o, line, (size_t)(nl - line))) {
			snprintf(msg, sizeof(msg), "%s: byte %lld: no line of this journal; "
			    "passed over", o->path, (long long)(o->read + (line - text)));
			o->report(o->arg, msg);
		}
	}
	o->read += (off_t)len;
	if (len > 0 && text[len - 1] != '\n') {
		if (write(o->fd, "\n", 1) != 1) {
			snprintf(why, FILE_WHY, "%s: %s", o->path, strerror(errno));
			goto out;
		}
		o->read++;
	}
	good = true;
out:
	free(text);
	return good;
}

static void
forget(struct owed *o)
{
	struct entry	*e, *next;
	size_t		 i;

	for (i = 0; i < BUCKETS; i++) {
		for (e = o->table[i]; e != NULL; e = next) {
			next = e->next;
			free(e->key);
			free(e->want);
			free(e->nas);
			free(e->record);
			free(e);
		}
		o->table[i] = NULL;
	}
	o->read = 0;
}

/* Opens the file that now has the name and locks it. */
static bool
open_locked(struct owed *o, char why[FILE_WHY])
{
	struct stat	 mine, named;

	for (;;) {
		if (o->fd == -1) {
			o->fd = open(o->path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC |
			    O_NOFOLLOW, 0600);
			forget(o);
		}
		if (o->fd == -1 || flock(o->fd, LOCK_EX) == -1 || fstat(o->fd, &mine) == -1)
			break;
		if (!S_ISREG(mine.st_mode) || (mine.st_mode & 022) != 0 ||
		    (mine.st_uid != geteuid() && mine.st_uid != 0)) {
			flock(o->fd, LOCK_UN);
			errno = EPERM;
			break;
		}
		/* Another process may have put a smaller one into its place. */
		if (stat(o->path, &named) == 0 && named.st_ino == mine.st_ino &&
		    named.st_dev == mine.st_dev)
			return mine.st_size == o->read || catch_up(o, why);
		close(o->fd);
		o->fd = -1;
	}
	snprintf(why, FILE_WHY, "%s: %s", o->path, errno == EPERM ?
	    "must be a file of ours that nobody else may write" : strerror(errno));
	return false;
}

/* The text of one event, which the caller frees.  record may be NULL. */
static char *
event_text(const char *key, const char *want, const char *event, const char *nas,
    const char *record, int64_t time, size_t *len)
{
	char	 when[WHEN_TEXT], *rest = NULL, *out;
	json_t	*j;

	j = json_pack("{si ss ss ss ss}", "coa_journal", 1, "time", when_format(when, time),
	    "event", event, "key", key, "want", want);
	if (j != NULL && nas != NULL)
		json_object_set_new(j, "nas", json_string(nas));
	if (j == NULL || (rest = json_dumps(j, JSON_COMPACT)) == NULL)
		err(EX_OSERR, NULL);
	/* The record is text already: it goes before the closing brace. */
	if (record != NULL) {
		rest[strlen(rest) - 1] = '\0';
		if (asprintf(&out, "%s,\"record\":%s}\n", rest, record) == -1)
			err(EX_OSERR, NULL);
	} else if (asprintf(&out, "%s\n", rest) == -1)
		err(EX_OSERR, NULL);
	*len = strlen(out);
	free(rest);
	json_decref(j);
	return out;
}

/* Appends one event by one write, and takes it into the table. */
static bool
append(struct owed *o, const char *key, const char *want, const char *event,
    const char *nas, const char *record, char why[FILE_WHY])
{
	size_t	 len;
	int64_t	 now = when_now();
	char	*line = event_text(key, want, event, nas, record, now, &len);
	ssize_t	 n = write(o->fd, line, len);

	free(line);
	if (n != (ssize_t)len) {
		snprintf(why, FILE_WHY, "%s: %s", o->path,
		    n == -1 ? strerror(errno) : "no room left");
		return false;
	}
	o->read += (off_t)len;
	apply(o, key, want, event, nas, record, now);
	return true;
}

/* What was written while the clock was far ahead must not speak for years. */
static bool
within(int64_t window, int64_t time, int64_t now)
{
	return now - time < window && time - now < window;
}

/* Whether an entry still says something. */
static bool
alive(const struct owed *o, const struct entry *e, int64_t now)
{
	int64_t	 window = o->window > OWED_WINDOW ? o->window : OWED_WINDOW;

	return e->nas != NULL ? now - e->time < OWED_KEEP :
	    e->acked && within(window, e->time, now);
}

/* Writes the journal anew with what is alive, under the lock of the old one. */
static void
make_small(struct owed *o)
{
	struct entry	*e;
	char		*text = NULL, *line;
	size_t		 i, len, size = 0;
	int64_t		 now = when_now();
	FILE		*f = open_memstream(&text, &size);

	if (f == NULL)
		err(EX_OSERR, NULL);
	for (i = 0; i < BUCKETS; i++)
		for (e = o->table[i]; e != NULL; e = e->next) {
			if (!alive(o, e, now))
				continue;
			line = event_text(e->key, e->want, e->nas != NULL ? "sent" : OWED_ACK,
			    e->nas, e->record, e->time, &len);
			fwrite(line, 1, len, f);
			free(line);
			if (!e->silent)
				continue;
			line = event_text(e->key, e->want, OWED_SILENT, NULL, NULL, e->time,
			    &len);
			fwrite(line, 1, len, f);
			free(line);
		}
	/* When it fails the large one is as good as before. */
	if (fclose(f) == 0)
		file_replace(o->path, text, size, 0600);
	free(text);
}

struct owed *
owed_open(const char *path, int64_t window, conf_report report, void *arg)
{
	struct owed	*o = calloc(1, sizeof(*o));
	char		 why[FILE_WHY];

	if (o == NULL)
		err(EX_OSERR, NULL);
	o->path = copy(path);
	o->fd = -1;
	o->window = window;
	o->report = report;
	o->arg = arg;
	if (!open_locked(o, why)) {
		report(arg, why);
		owed_close(o);
		return NULL;
	}
	if (o->read > OWED_LARGE)
		make_small(o);
	flock(o->fd, LOCK_UN);
	return o;
}

bool
owed_send(struct owed *o, const char *key, const char *want, const char *nas,
    const json_t *rec, enum owed_state *state, int64_t *when, char why[FILE_WHY])
{
	struct entry	*e;
	char		*record;
	bool		 good = true;

	*state = OWED_NEW;
	if (!open_locked(o, why))
		return false;
	e = entry(o, key, false);
	if (e != NULL && strcmp(e->want, want) == 0 &&
	    within(o->window, e->time, when_now())) {
		*when = e->time;
		if (e->acked)
			*state = OWED_DONE;
		else if (e->nas != NULL && !e->silent)
			*state = OWED_SENT;
	}
	if (*state == OWED_NEW) {
		if ((record = json_dumps(rec, JSON_COMPACT)) == NULL)
			err(EX_OSERR, NULL);
		good = append(o, key, want, "sent", nas, record, why);
		free(record);
	}
	flock(o->fd, LOCK_UN);
	return good;
}

bool
owed_end(struct owed *o, const char *key, const char *want, const char *event,
    char why[FILE_WHY])
{
	bool	 good;

	if (!open_locked(o, why))
		return false;
	good = append(o, key, want, event, NULL, NULL, why);
	flock(o->fd, LOCK_UN);
	return good;
}

int
owed_each(struct owed *o, owed_fn fn, void *arg)
{
	struct entry	*e;
	json_t		*rec;
	int64_t		 now = when_now();
	size_t		 i;
	int		 status = STATUS_OK;

	for (i = 0; i < BUCKETS; i++)
		for (e = o->table[i]; e != NULL; e = e->next) {
			if (e->nas == NULL || !alive(o, e, now))
				continue;
			if ((rec = json_loads(e->record, 0, NULL)) == NULL)
				err(EX_OSERR, NULL);
			status = cli_worst(status, fn(rec, e->want, e->nas, e->time, arg));
			json_decref(rec);
		}
	return status;
}

void
owed_close(struct owed *o)
{
	if (o == NULL)
		return;
	if (o->fd != -1)
		close(o->fd);
	forget(o);
	free(o->path);
	free(o);
}
