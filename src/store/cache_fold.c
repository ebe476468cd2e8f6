/* From the journal to the clients seen. */
#include <err.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/cli.h"
#include "base/text.h"
#include "base/when.h"
#include "device/record.h"
#include "store/cache.h"
#include "store/share_join.h"

int
cache_status(int err)
{
	switch (err) {
	case ENOENT:		/* no store here */
	case ENOTDIR:
	case EINVAL:		/* not ours, or another format */
		return EX_CONFIG;
	case EACCES:
	case EPERM:
		return EX_NOPERM;
	case EAGAIN:		/* too many readers */
		return EX_TEMPFAIL;
	case ENOMEM:
		return EX_OSERR;
	default:
		return EX_IOERR;
	}
}

int
cache_fault(const struct cache *c)
{
	warnx("%s", store_why(c->store));
	return cache_status(store_errno(c->store));
}

#define ROOM_MS		250	/* the first pause; doubled up to: */
#define ROOM_MAX_MS	5000
#define ROOM_QUIET_MS	60000	/* after this long without one it is another time */

int64_t
room_pause(struct room *r, const struct store *s)
{
	int64_t	 now = when_ms();

	if (r->last == 0 || now - r->last >= ROOM_QUIET_MS) {
		warnx("%s; it goes on when there is room", store_why(s));
		r->pause = ROOM_MS;
	} else if ((r->pause *= 2) > ROOM_MAX_MS)
		r->pause = ROOM_MAX_MS;
	r->last = now;
	return r->pause;
}

int
cache_finish(int status)
{
	return ferror(stdout) && status >= EX_IOERR ? status : cli_finish(status);
}

void
cache_progress(struct progress *p, const char *what, uint64_t total)
{
	progress_start(p, what, total);
	p->shown = p->shown && !isatty(STDOUT_FILENO);
}

void
cache_progress_all(const struct cache *c, struct progress *p, bool clients)
{
	struct store_size	 size;

	if (store_sizes(c->store, &size) == STORE_ERROR)
		memset(&size, 0, sizeof(size));
	cache_progress(p, clients ? "clients" : "devices", clients ? size.clients : size.entries);
}

bool
cache_can_ask(const struct match_order *order, const struct identity *id)
{
	char	 folded[DEVICE_SERIAL];
	bool	 can = false;
	size_t	 i;

	for (i = 0; i < MATCH_KINDS && order->by[i] != MATCH_NONE && !can; i++)
		switch (order->by[i]) {
		case MATCH_GUID:
			can = id->nguid > 0;
			break;
		case MATCH_NAME:
			can = id->nname > 0;
			break;
		case MATCH_SERIAL:
			can = device_fold_serial(folded, sizeof(folded), id->device_serial);
			break;
		default:
			can = id->has_mac && mac_is_station(id->mac) && !mac_is_random(id->mac);
		}
	return can;
}

json_t *
cache_client_record(const struct client *c)
{
	char	 why[256], shown[TEXT_SHOWN];
	json_t	*rec = record_parse(c->text, c->len, why, sizeof(why));

	if (rec == NULL)
		warnx("the store is damaged: client \"%s\" %s",
		    text_safe(shown, sizeof(shown), c->id, strlen(c->id)), why);
	return rec;
}

struct fold *
fold_start(const struct cache *c, const char *cursor, bool from_start, int *status)
{
	struct journal_place	 place;
	struct fold		*f;
	enum store_rc		 rc;

	if ((rc = cursor_get(c->store, cursor, &place)) == STORE_ERROR) {
		*status = cache_fault(c);
		return NULL;
	}
	if ((f = calloc(1, sizeof(*f))) == NULL)
		err(EX_OSERR, NULL);
	f->store = c->store;
	f->path = c->journal;
	if (from_start)
		rc = STORE_NOTFOUND;
	f->journal = journal_start(c->journal, rc == STORE_FOUND ? &place : NULL);
	if (f->journal == NULL)
		err(EX_OSERR, NULL);
	journal_place(f->journal, &f->place);
	return f;
}

static void
forget(struct fold *f)
{
	while (f->n > 0) {
		f->n--;
		json_decref(f->line[f->n].rec);
		free(f->line[f->n].text);
	}
}

void
fold_free(struct fold *f)
{
	if (f == NULL)
		return;
	forget(f);
	journal_close(f->journal);
	free(f);
}

/* Takes one line in; false with the reason when it is of no use. */
static bool
take(struct fold *f, const char *line, size_t len, int64_t offset, char *why, size_t size)
{
	struct fold_line	*l = &f->line[f->n];
	struct session		 s;
	struct identity		 id;

	memset(l, 0, sizeof(*l));
	if ((l->rec = record_parse(line, len, why, size)) == NULL)
		return false;
	json_object_del(l->rec, "journal");
	share_sign(l->rec, f->server);
	if (!record_session(l->rec, &s, why, size) || !record_identity(l->rec, &id, why, size))
		goto bad;
	l->accounting = json_is_string(json_object_get(l->rec, "accounting"));
	if (s.seen == 0 || (!(l->accounting && acct_of_nas(l->rec)) &&
	    !client_id(l->client.id, &s, &id))) {
		snprintf(why, size, "%s", s.seen == 0 ? "session.seen: is missing" :
		    "names no client: neither MAC nor user");
		goto bad;
	}
	if ((l->text = json_dumps(l->rec, JSON_COMPACT)) == NULL)
		err(EX_OSERR, NULL);
	l->client.seen = s.seen;
	l->client.ino = f->place.ino;
	l->client.offset = offset;
	l->client.text = l->text;
	l->client.len = strlen(l->text);
	f->n++;
	return true;
bad:
	json_decref(l->rec);
	return false;
}

/* Says once how many lines are broken. */
static void
report_stumps(struct fold *f)
{
	if (f->stumps > 0)
		warnx("%s: %zu broken line%s passed over (cut short by a killed program or a full "
		    "disk)", f->path, f->stumps, f->stumps == 1 ? "" : "s");
	f->stumps = 0;
}

bool
fold_read(struct fold *f)
{
	enum journal_rc	 rc;
	const char	*line;
	char		 why[256], shown[512];
	size_t		 len, bytes = 0;

	forget(f);
	/* Asked each time: sharing may have begun since. */
	if (share_name(f->store, f->server) == STORE_ERROR) {
		f->status = cli_worst(f->status, cache_status(store_errno(f->store)));
		warnx("%s", store_why(f->store));
		return false;
	}
	while (f->n < FOLD_LINES && bytes < FOLD_BYTES) {
		if ((rc = journal_next(f->journal, &line, &len)) == JOURNAL_END)
			break;
		if (rc == JOURNAL_ERROR) {
			f->status = cli_worst(f->status, cache_status(errno));
			warn("%s", f->path);
			return false;
		}
		journal_place(f->journal, &f->place);
		bytes += len;
		if (rc == JOURNAL_STUMP)
			f->stumps++;
		else if (rc == JOURNAL_LOST)
			warnx("%s: was truncated or is gone; lines that were not read yet are lost",
			    f->path);
		else if (!take(f, line, len, f->place.offset, why, sizeof(why))) {
			f->status = cli_worst(f->status, EX_DATAERR);
			warnx("%s: line before byte %lld: %s", f->path, (long long)f->place.offset,
			    text_safe(shown, sizeof(shown), why, strlen(why)));
		}
	}
	report_stumps(f);
	return true;
}

struct keep {
	struct fold	*f;
	const char	*cursor;
};

static enum store_rc
keep_lines(struct store *s, void *arg)
{
	struct keep	*k = arg;
	char		 why[256];
	enum store_rc	 rc;
	size_t		 i;

	for (i = 0; i < k->f->n; i++) {
		if (k->f->line[i].accounting)
			rc = acct_fold(s, &k->f->line[i]);
		else if (k->f->server[0] == '\0')
			rc = client_fold(s, &k->f->line[i].client);
		else
			rc = share_join_client(s, &k->f->line[i].client, why, sizeof(why));
		if (rc == STORE_ERROR)
			return STORE_ERROR;
	}
	if (k->cursor == NULL)
		return STORE_FOUND;
	return cursor_put(s, k->cursor, &k->f->place);
}

enum store_rc
fold_keep(const struct cache *c, struct fold *f, const char *cursor)
{
	struct keep	 k = { f, cursor };

	return store_transact(c->store, keep_lines, &k);
}

int
fold_all(const struct cache *c, const char *cursor)
{
	struct journal_place	 before;
	struct fold		*f;
	int			 status = STATUS_OK;

	if ((f = fold_start(c, cursor, false, &status)) == NULL)
		return status;
	do {
		before = f->place;
		if (!fold_read(f))
			break;
		/* Also when all that was read is broken lines. */
		if (memcmp(&before, &f->place, sizeof(before)) != 0 &&
		    fold_keep(c, f, cursor) == STORE_ERROR) {
			f->status = cli_worst(f->status, cache_fault(c));
			break;
		}
		store_relax(c->store);
	} while (f->n > 0);
	status = f->status;
	fold_free(f);
	return status;
}
