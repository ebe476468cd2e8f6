/* nac-cache put: records with `compliance` into the store, many at a time. */
#include <err.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/cli.h"
#include "base/when.h"
#include "device/record.h"
#include "store/cache.h"
#include "store/tally.h"

/* One commit waits for the disk once; this many records share it, fewer when the
 * input pauses. */
#define BATCH		1000

/* Clocks of two machines may differ; an answer from further ahead would keep
 * every later one out. */
#define CLOCK_SKEW	300

struct item {
	json_t		*rec;
	bool		 store;		/* holds an answer */
	bool		 coa;		/* holds what coa-send has got */
	bool		 has_id;
	bool		 decided;	/* the last decision names its state: */
	enum compliance	 judged;
	struct answer	 answer;
	struct identity	 id;
	bool		 changed;
};

struct put {
	struct cache	*c;
	struct item	*item;
	struct store_item *list;	/* those of them that name no client */
	size_t		 n;
	int		 status;
	bool		 looked;	/* a dry run has come to its end */
};

/* Everything of a device that a rule can judge; not when it last synced. */
static bool
same_facts(const struct answer *a, const struct answer *b)
{
	const struct device	*d = &a->device, *e = &b->device;

	return a->state == b->state && a->has_device == b->has_device &&
	    d->has_id == e->has_id && guid_equal(&d->id, &e->id) &&
	    d->encrypted == e->encrypted && d->has_account == e->has_account &&
	    d->account_enabled == e->account_enabled && d->grace_until == e->grace_until &&
	    strcmp(d->name, e->name) == 0 && strcmp(d->serial, e->serial) == 0 &&
	    strcmp(d->os, e->os) == 0 && strcmp(d->os_version, e->os_version) == 0 &&
	    strcmp(d->owner, e->owner) == 0 && strcmp(d->user, e->user) == 0 &&
	    strcmp(d->model, e->model) == 0 &&
	    strcmp(d->manufacturer, e->manufacturer) == 0 &&
	    strcmp(d->management_state, e->management_state) == 0 &&
	    strcmp(d->jailbroken, e->jailbroken) == 0;
}

/*
 * May the client's access change?  The answers are those that an authentication
 * would have found before and will find now: were it Intune's own where that is
 * not found by this identity, each CoA would bring the client back to the old
 * decision, and to another CoA.
 */
static bool
is_changed(const struct put *p, const struct item *it, const struct answer *before,
    const struct answer *now)
{
	if (now->state == COMPLIANCE_PENDING)
		return false;
	if (it->decided && it->judged != now->state)
		return true;
	if (before->state == COMPLIANCE_PENDING)
		return !it->decided || now->has_device;
	/* A rule may have judged the last answer as too old. */
	if (now->checked - before->checked > 2 * p->c->poll_interval ||
	    answer_is_ahead(before, now->checked))
		return true;
	return !same_facts(before, now);
}

/* The session object without the mark that we put there. */
static json_t *
bare_session(const json_t *rec)
{
	json_t	*s = json_copy(json_object_get(rec, "session"));

	if (s != NULL)
		json_object_del(s, "ended");
	return s;
}

/* Has the NAS said that the session is over? */
static bool
is_over(const json_t *coa)
{
	const char	*result = json_string_value(json_object_get(coa, "result"));

	return strcmp(result, "ack") == 0 || (strcmp(result, "nak") == 0 &&
	    json_integer_value(json_object_get(coa, "error_cause")) == 503);
}

/*
 * Whether a result is only that somebody else waits for the answer, and that one
 * has got it since: both are of the request that left at the same time.
 */
static bool
is_answered(const json_t *old, const json_t *coa)
{
	const char	*before = json_string_value(json_object_get(old, "time"));
	const char	*time = json_string_value(json_object_get(coa, "time"));
	int64_t		 a, b;

	return strcmp(json_string_value(json_object_get(coa, "result")), "owed") == 0 &&
	    before != NULL && time != NULL && when_parse(before, &a) && when_parse(time, &b) &&
	    a >= b;
}

static enum store_rc
tally(struct store *s, const json_t *coa)
{
	return tally_add(s, json_string_value(json_object_get(coa, "result")),
	    json_integer_value(json_object_get(coa, "error_cause")));
}

/* Counts the result of a CoA, and keeps it with the client if it is still in that
 * session.  One that is kept already comes by again with the client's record. */
static enum store_rc
put_coa(struct store *s, const json_t *rec)
{
	struct session	 session;
	struct identity	 id;
	struct client	 cl;
	json_t		*old = NULL, *a = NULL, *b = NULL, *coa = json_object_get(rec, "coa");
	char		 why[256], name[CLIENT_ID], *text = NULL, *out = NULL;
	enum store_rc	 rc;

	if (!record_session(rec, &session, why, sizeof(why)) ||
	    !record_identity(rec, &id, why, sizeof(why)) || !client_id(name, &session, &id))
		return tally(s, coa);
	if ((rc = client_get(s, name, &cl, &text)) != STORE_FOUND)
		return rc == STORE_ERROR ? rc : tally(s, coa);
	rc = STORE_NOTFOUND;
	if ((old = cache_client_record(&cl)) != NULL &&
	    json_equal(json_object_get(old, "coa"), coa))
		goto out;
	if ((rc = tally(s, coa)) == STORE_ERROR || old == NULL)
		goto out;
	a = bare_session(old);
	b = bare_session(rec);
	if (a == NULL || b == NULL || !json_equal(a, b) ||
	    is_answered(json_object_get(old, "coa"), coa))
		goto out;
	if (json_object_set(old, "coa", coa) == -1 || (is_over(coa) &&
	    json_object_set_new(json_object_get(old, "session"), "ended", json_true()) == -1) ||
	    (out = json_dumps(old, JSON_COMPACT)) == NULL)
		err(EX_OSERR, NULL);
	cl.text = out;
	cl.len = strlen(out);
	rc = client_put(s, &cl);
out:
	json_decref(a);
	json_decref(b);
	json_decref(old);
	free(out);
	free(text);
	return rc;
}

/* What an authentication would have found before, beside what has changed. */
static void
put_was(json_t *rec, const struct answer *before)
{
	json_t	*old = json_object(), *was = NULL;

	if (old == NULL)
		err(EX_OSERR, NULL);
	if (before->state != COMPLIANCE_PENDING) {
		record_put_answer(old, before, 0);
		was = json_incref(json_object_get(old, "compliance"));
	}
	if (json_object_set_new(rec, "was", was != NULL ? was : json_null()) == -1)
		err(EX_OSERR, NULL);
	json_decref(old);
}

static enum store_rc
put_item(struct store *s, const struct put *p, struct item *it)
{
	struct answer	 before = { 0 }, now;

	if (it->store) {
		if (store_find(s, &it->id, &p->c->order, &before) == STORE_ERROR)
			/* A damaged value is about to be replaced. */
			memset(&before, 0, sizeof(before));
		if (store_put(s, &it->answer, NULL) == STORE_ERROR ||
		    store_find(s, &it->id, &p->c->order, &now) == STORE_ERROR)
			return STORE_ERROR;
		it->changed = is_changed(p, it, &before, &now);
		if (it->changed && p->c->changed && now.state != it->answer.state)
			record_put_answer(it->rec, &now, when_now());
	}
	if (it->changed && p->c->changed && !p->c->quiet)
		put_was(it->rec, &before);
	return it->coa ? put_coa(s, it->rec) : STORE_FOUND;
}

/* An answer that goes with no client: of a list. */
static bool
is_listed(const struct item *it)
{
	return it->store && !it->has_id;
}

static void
after_put(const struct store_item *item, enum store_rc rc, const struct answer *before, void *arg)
{
	const struct put	*p = arg;
	struct item		*it = item->of;

	(void)rc;
	it->changed = is_changed(p, it, before, &it->answer);
	if (it->changed && p->c->changed && !p->c->quiet)
		put_was(it->rec, before);
}

/* As many as come one after the other of a list, from the i-th; adds to *i. */
static enum store_rc
put_list(struct store *s, struct put *p, size_t *i)
{
	size_t	 n = 0, j;

	for (; *i + n < p->n && is_listed(&p->item[*i + n]); n++)
		p->list[n] = (struct store_item){ &p->item[*i + n].answer, &p->item[*i + n] };
	if (store_put_all(s, p->list, n, after_put, p) == STORE_ERROR)
		return STORE_ERROR;
	for (j = 0; j < n; j++, *i += 1)
		if (p->item[*i].coa && put_coa(s, p->item[*i].rec) == STORE_ERROR)
			return STORE_ERROR;
	return STORE_FOUND;
}

static enum store_rc
put_items(struct store *s, void *arg)
{
	struct put	*p = arg;
	size_t		 i = 0;
	enum store_rc	 rc;

	p->looked = false;
	while (i < p->n) {
		if (is_listed(&p->item[i]))
			rc = put_list(s, p, &i);
		else
			rc = put_item(s, p, &p->item[i++]);
		if (rc == STORE_ERROR)
			return rc;
	}
	/* A dry run has seen what it wanted, and takes it all back. */
	p->looked = p->c->dry_run;
	return p->looked ? STORE_ERROR : STORE_FOUND;
}

/* Stores what has come so far, and passes it on once it is on disk. */
static void
flush(struct put *p)
{
	size_t	 i;

	if (p->n == 0)
		return;
	/* Without the store there is no point in asking Intune for more. */
	if (store_transact(p->c->store, put_items, p) == STORE_ERROR && !p->looked)
		exit(cache_finish(cli_worst(p->status, cache_fault(p->c))));
	store_relax(p->c->store);
	for (i = 0; i < p->n; i++) {
		if (!p->c->quiet && (!p->c->changed || p->item[i].changed) && !ferror(stdout))
			p->status = cli_worst(p->status, record_print(p->item[i].rec, stdout));
		json_decref(p->item[i].rec);
	}
	p->n = 0;
}

/* Takes the answer in; false with a reason when it is none. */
static bool
take_answer(struct item *it, char *why, size_t size)
{
	json_t		*state = json_object_get(json_object_get(it->rec, "compliance"), "state");
	int64_t		 now = when_now();

	if (!record_answer(it->rec, &it->answer, why, size) ||
	    !record_identity(it->rec, &it->id, why, size))
		return false;
	why[0] = '\0';
	if (state == NULL || json_is_null(state))
		snprintf(why, size, "compliance.state: is missing: not stored");
	else if (it->answer.state == COMPLIANCE_PENDING)
		snprintf(why, size, "compliance.state: pending is no answer: not stored");
	else if (it->answer.checked <= 0)
		snprintf(why, size, "compliance.checked: is missing: not stored");
	else if (it->answer.checked > now + CLOCK_SKEW)
		snprintf(why, size, "compliance.checked: lies in the future: not stored");
	if (why[0] != '\0')
		return false;
	if (it->answer.checked > now)
		it->answer.checked = now;
	/* Records of a whole-tenant list have none. */
	it->has_id = json_object_get(it->rec, "identity") != NULL;
	it->store = true;
	return true;
}

/* A `coa` whose result says something about the session. */
static bool
has_result(const json_t *rec)
{
	static const char *const	 words[] = { "ack", "nak", "silent", "owed", "error" };
	const char			*s;
	size_t				 i;

	s = json_string_value(json_object_get(json_object_get(rec, "coa"), "result"));
	for (i = 0; s != NULL && i < sizeof(words) / sizeof(words[0]); i++)
		if (strcmp(s, words[i]) == 0)
			return true;
	return false;
}

static int
put_record(json_t *rec, const char *where, void *arg)
{
	struct put	*p = arg;
	struct item	*it = &p->item[p->n];
	const char	*judged;
	char		 why[256];
	int		 status = STATUS_OK;

	memset(it, 0, sizeof(*it));
	it->rec = json_incref(rec);
	it->coa = has_result(rec);
	judged = json_string_value(json_object_get(json_object_get(rec, "decision"), "state"));
	it->decided = judged != NULL && compliance_parse(judged, &it->judged);
	if (!record_is_list(rec) && !take_answer(it, why, sizeof(why))) {
		warnx("%s: %s", where, why);
		status = EX_DATAERR;
	}
	if (++p->n == BATCH)
		flush(p);
	return status;
}

/* Reads for stdio, and stores what there is before it would have to wait. */
static ssize_t
read_input(void *cookie, char *buf, size_t size)
{
	struct pollfd	 in = { STDIN_FILENO, POLLIN, 0 };
	ssize_t		 n;

	if (poll(&in, 1, 0) == 0)
		flush(cookie);
	while ((n = read(STDIN_FILENO, buf, size)) == -1 && errno == EINTR)
		;
	return n;
}

int
cache_put(struct cache *c, int argc, char **argv)
{
	const cookie_io_functions_t	 io = { .read = read_input };
	struct put			 p = { .c = c };
	FILE				*in;
	int				 status;

	if ((p.item = calloc(BATCH, sizeof(*p.item))) == NULL ||
	    (p.list = calloc(BATCH, sizeof(*p.list))) == NULL ||
	    (in = fopencookie(&p, "r", io)) == NULL)
		err(EX_OSERR, NULL);
	status = record_each(argc, argv, in, put_record, &p);
	flush(&p);
	fclose(in);
	free(p.item);
	free(p.list);
	return cli_worst(status, p.status);
}
