/* nac-cache due and list: the clients seen, all of them or those to be asked about. */
#include <err.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "base/cli.h"
#include "base/when.h"
#include "device/record.h"
#include "store/cache.h"
#include "store/clientset.h"
#include "store/share_link.h"
#include "store/share_work.h"

#define CURSOR	"fold"

#define DAY	86400

/* A CoA that failed is tried again after this long, not only when the answer has
 * grown old. */
#define COA_AGAIN	600

/*
 * Back-off, with --spread.  Who has not been heard of for longer than this may be
 * gone: many a session of a wired computer lasts for days without a word.  Who has
 * gone for certain, or has no device in Intune, is asked about less at once.  Each
 * day doubles the interval, up to a day.
 */
#define GONE_AFTER	(2 * DAY)
#define BACKOFF_MAX	DAY

/* ---- list */

struct listing {
	struct cache	*c;
	struct clientset only;
	struct progress	 progress;
	int64_t		 now;
	int		 status;
};

static bool
list_answer(const struct answer *stored, const char *why, void *arg)
{
	struct listing	*l = arg;
	struct answer	 a;
	struct identity	 id;
	json_t		*rec;

	progress_add(&l->progress, 1);
	if (stored == NULL) {
		progress_clear(&l->progress);
		warnx("%s", why);
		l->status = cli_worst(l->status, EX_IOERR);
		return true;
	}
	a = *stored;
	a.source = SOURCE_CACHE;
	cache_identity_of(&id, &a);
	if ((rec = json_object()) == NULL)
		err(EX_OSERR, NULL);
	record_put_identity(rec, &id);
	record_put_answer(rec, &a, l->now);
	l->status = cli_worst(l->status, record_print(rec, stdout));
	json_decref(rec);
	return !ferror(stdout);
}

/* The client's record with what an authentication would find now: a new
 * reference.  NULL after a message. */
static json_t *
current(struct cache *c, const struct client *cl, struct identity *id, struct answer *a,
    int *status)
{
	json_t	*rec;
	char	 why[256];

	if ((rec = cache_client_record(cl)) == NULL) {
		*status = cli_worst(*status, EX_IOERR);
		return NULL;
	}
	if (!record_identity(rec, id, why, sizeof(why))) {
		warnx("client \"%s\": %s", cl->id, why);
		*status = cli_worst(*status, EX_DATAERR);
	} else if (store_find(c->store, id, &c->order, a) == STORE_ERROR)
		*status = cli_worst(*status, cache_fault(c));
	else
		return rec;
	json_decref(rec);
	return NULL;
}

static bool
list_client(const struct client *cl, const char *why, void *arg)
{
	struct listing	*l = arg;
	struct identity	 id;
	struct answer	 a;
	json_t		*rec;

	progress_add(&l->progress, 1);
	if (cl == NULL) {
		progress_clear(&l->progress);
		warnx("%s", why);
		l->status = cli_worst(l->status, EX_IOERR);
		return true;
	}
	if (l->now - cl->seen > l->c->seen_within || (l->c->only != NULL &&
	    !clientset_has(&l->only, clientset_hash(cl->id))))
		return true;
	if ((rec = current(l->c, cl, &id, &a, &l->status)) == NULL)
		return true;
	record_put_answer(rec, &a, l->now);
	l->status = cli_worst(l->status, record_print(rec, stdout));
	json_decref(rec);
	return !ferror(stdout);
}

int
cache_list(struct cache *c)
{
	struct listing	 l = { .c = c, .now = when_now() };
	enum store_rc	 rc;

	if (c->only != NULL && (l.status = clientset_load(&l.only, c->only)) != STATUS_OK) {
		clientset_free(&l.only);
		return l.status;
	}
	cache_progress_all(c, &l.progress, c->clients);
	rc = c->clients ? client_each(c->store, list_client, &l) :
	    store_each(c->store, list_answer, &l);
	progress_clear(&l.progress);
	clientset_free(&l.only);
	return rc == STORE_ERROR ? cli_worst(l.status, cache_fault(c)) : l.status;
}

/* ---- due */

struct due {
	struct cache	*c;
	struct clientset except;
	struct progress	 progress;
	struct work	*work;		/* where several pollers share it */
	enum work_mode	 mode;
	int64_t		 now;
	int		 status;
	/* for --summary: */
	uint64_t	 clients, n;
	int64_t		 next;		/* when another becomes due; INT64_MAX never */
};

static const char *
word(const json_t *rec, const char *object, const char *key)
{
	const char	*s = json_string_value(json_object_get(json_object_get(rec, object), key));

	return s != NULL ? s : "";
}

/* When to try again, as the last CoA of this session did not reach it. */
static int64_t
coa_again(const struct due *d, const json_t *rec)
{
	const char	*result = word(rec, "coa", "result");
	int64_t		 when;

	if (*result == '\0' || strcmp(result, "ack") == 0 ||
	    json_is_true(json_object_get(json_object_get(rec, "session"), "ended")) ||
	    !when_parse(word(rec, "coa", "time"), &when))
		return INT64_MAX;
	return when > d->now + ANSWER_AHEAD ? 0 : when + COA_AGAIN;
}

/* How often this client is asked about, in seconds. */
static int64_t
interval(const struct due *d, const json_t *rec, const struct client *cl, const struct answer *a)
{
	const char	*accounting = word(rec, "accounting", "type");
	int64_t		 gone, heard, seen = cl->seen, n = d->c->older_than, most;
	bool		 ended;

	ended = json_is_true(json_object_get(json_object_get(rec, "session"), "ended"));
	if (strcmp(accounting, "interim") == 0 &&
	    when_parse(word(rec, "accounting", "time"), &heard) && heard > seen)
		seen = heard;
	gone = d->now - seen;
	if (a->state == COMPLIANCE_UNREGISTERED)
		gone += DAY;
	else if (!ended)
		gone -= GONE_AFTER - DAY;
	/* No answer grows stale for our own laziness. */
	most = d->c->stale_after > 0 && d->c->stale_after < BACKOFF_MAX ? d->c->stale_after :
	    BACKOFF_MAX;
	for (; gone >= DAY && n < most; gone -= DAY)
		n *= 2;
	return n > most && most > d->c->older_than ? most : n > d->c->older_than ? n :
	    d->c->older_than;
}

/*
 * The first moment behind `checked` that is this client's own: they come once in
 * each interval, and lie where the client's name says.  So clients that were all
 * asked at once are asked again one by one, and each of them, from then on, when
 * its answer is just one interval old.
 */
static int64_t
own_moment(const struct client *cl, int64_t checked, int64_t every)
{
	int64_t	 phase, n;

	if (every <= 0)
		return checked;
	phase = (int64_t)(clientset_hash(cl->id) % (uint64_t)every);
	n = (checked - phase) / every;
	if (checked < phase)
		n--;
	return phase + (n + 1) * every;
}

/* When the client is to be asked about. */
static int64_t
due_at(const struct due *d, const json_t *rec, const struct client *cl, const struct answer *a)
{
	int64_t	 at = coa_again(d, rec), t;

	if (a->checked == 0 || answer_is_ahead(a, d->now))
		return 0;
	t = !d->c->spread ? a->checked + d->c->older_than :
	    own_moment(cl, a->checked, interval(d, rec, cl, a));
	if (t < at)
		at = t;
	/* Its grace has run out since: it is compliant now, or not. */
	t = a->device.grace_until;
	if (a->state == COMPLIANCE_GRACE && t != WHEN_ALWAYS && t != WHEN_NEVER &&
	    a->checked < t && t < at)
		at = t;
	t = a->checked + d->c->stale_after - d->c->next;
	return d->c->stale_after > 0 && t < at ? t : at;
}

static void
take(struct due *d, json_t *rec, const struct client *cl, const struct identity *id,
    const struct answer *a)
{
	int64_t	 at;

	/* What nobody can answer is never due. */
	if (!cache_can_ask(&d->c->order, id))
		return;
	d->clients++;
	at = due_at(d, rec, cl, a);
	if (at > d->now) {
		if (at < d->next)
			d->next = at;
		return;
	}
	d->n++;
	if (d->c->summary)
		return;
	if (d->mode == WORK_SHARED) {
		work_offer(d->work, cl->id);
		return;
	}
	record_put_answer(rec, a, d->now);
	d->status = cli_worst(d->status, record_print(rec, stdout));
}

/* Did it authenticate at this server? */
static bool
is_own(const struct due *d, const json_t *rec)
{
	const char	*server = json_string_value(json_object_get(rec, "server"));

	return server == NULL || strcmp(server, d->c->share->name) == 0;
}

/* Of a client that a dead poller had: was it judged by another state than it has,
 * and nobody has sent the CoA? */
static bool
is_left(const json_t *rec, const struct answer *a)
{
	const char	*judged = word(rec, "decision", "state");
	int64_t		 sent;

	if (*judged == '\0' || strcmp(judged, compliance_name(a->state)) == 0 ||
	    json_is_true(json_object_get(json_object_get(rec, "session"), "ended")))
		return false;
	return !when_parse(word(rec, "coa", "time"), &sent) || sent < a->checked;
}

/* A client that is ours to ask about: prints it, or it is done. */
static bool
take_shared(const char *client, bool taken_over, void *arg)
{
	struct due	*d = arg;
	struct client	 cl;
	struct identity	 id;
	struct answer	 a;
	json_t		*rec = NULL;
	char		*text = NULL;
	bool		 due = false;

	/* What is held back stays with us. */
	if (ferror(stdout) || clientset_has(&d->except, clientset_hash(client)))
		return true;
	if (client_get(d->c->store, client, &cl, &text) != STORE_FOUND)
		/* Known to another server only; share is on its way with it. */
		due = taken_over ? false : true;
	else if (d->now - cl.seen <= d->c->seen_within &&
	    (rec = current(d->c, &cl, &id, &a, &d->status)) != NULL &&
	    (due_at(d, rec, &cl, &a) <= d->now || (taken_over && is_left(rec, &a)))) {
		due = true;
		record_put_answer(rec, &a, d->now);
		d->status = cli_worst(d->status, record_print(rec, stdout));
	}
	json_decref(rec);
	free(text);
	return due;
}

static bool
due_client(const struct client *cl, const char *why, void *arg)
{
	struct due	*d = arg;
	struct identity	 id;
	struct answer	 a;
	json_t		*rec;

	progress_add(&d->progress, 1);
	if (cl == NULL) {
		progress_clear(&d->progress);
		warnx("%s", why);
		d->status = cli_worst(d->status, EX_IOERR);
		return true;
	}
	if (d->now - cl->seen > d->c->seen_within ||
	    clientset_has(&d->except, clientset_hash(cl->id)))
		return true;
	if ((rec = current(d->c, cl, &id, &a, &d->status)) == NULL)
		return true;
	/* Each server knows all clients. */
	if (d->mode != WORK_OWN || is_own(d, rec))
		take(d, rec, cl, &id, &a);
	json_decref(rec);
	return !ferror(stdout);
}

static void
summary(struct due *d)
{
	char	 time[WHEN_TEXT];
	json_t	*o = json_pack("{sI sI}", "clients", (json_int_t)d->clients, "due",
		    (json_int_t)d->n);

	if (o == NULL || (d->next != INT64_MAX && json_object_set_new(o, "next",
	    json_string(when_format(time, d->next))) == -1))
		err(EX_OSERR, NULL);
	d->status = cli_worst(d->status, record_print(o, stdout));
	json_decref(o);
}

int
cache_due(struct cache *c)
{
	struct due	 d = { .c = c, .now = c->now != 0 ? c->now : when_now(),
			    .next = INT64_MAX };
	enum store_rc	 rc;
	int		 status;

	/* A journal that cannot be read does not keep the known clients from
	 * being asked about. */
	d.status = fold_all(c, CURSOR);
	if (c->except != NULL && (status = clientset_load(&d.except, c->except)) != STATUS_OK) {
		clientset_free(&d.except);
		return cli_worst(d.status, status);
	}
	status = STATUS_OK;
	/* Who only looks takes no work from others, and shows all that is due. */
	if (!c->summary && !c->dry_run && (d.mode = work_open(c, &d.work, &status)) == WORK_NONE) {
		clientset_free(&d.except);
		return cli_worst(d.status, status);
	}
	cache_progress_all(c, &d.progress, true);
	rc = client_each(c->store, due_client, &d);
	progress_clear(&d.progress);
	if (rc == STORE_ERROR)
		d.status = cli_worst(d.status, cache_fault(c));
	else if (c->summary)
		summary(&d);
	else if (d.mode == WORK_SHARED)
		d.status = cli_worst(d.status, work_take(d.work, take_shared, &d));
	work_close(d.work);
	clientset_free(&d.except);
	return d.status;
}
