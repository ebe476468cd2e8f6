/* From Redis to the store: the whole state at first, then the stream. */
#include <err.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "base/text.h"
#include "base/when.h"
#include "store/db.h"
#include "store/share.h"
#include "store/share_entry.h"
#include "store/share_join.h"

#define READ_COUNT	"5000"	/* that share one commit */
#define SAVE_MS		5000	/* how long the place in the stream may be ahead */

/* What came in one answer, to be stored in one transaction. */
struct intake {
	struct share			*sh;
	const struct redisReply		*list;	/* of entries, or of fields and values */
	bool				 stream;
	size_t				 n, bad, foreign;
	char				 why[256];	/* of the first bad one */
};

static enum store_rc
join(struct store *s, struct intake *in, const void *p, size_t len)
{
	struct share_entry	 e;
	const char		*fault;
	char			 why[256] = "";
	enum store_rc		 rc;

	if (!share_unpack(p, len, &e, &fault)) {
		rc = STORE_NOTFOUND;
		snprintf(why, sizeof(why), "%s", fault);
	} else if ((e.kind == 'd' ? e.a.checked : e.cl.seen) > when_now() + ANSWER_AHEAD) {
		rc = STORE_NOTFOUND;
		snprintf(why, sizeof(why), "lies in the future");
	} else if (e.kind == 'd')
		rc = share_join_answer(s, &e.a, e.voids);
	else
		rc = share_join_client(s, &e.cl, why, sizeof(why));
	if (why[0] != '\0' && in->bad++ == 0)
		text_safe(in->why, sizeof(in->why), why, strlen(why));
	return rc;
}

/* One entry of the stream: its id, and o and v. */
static enum store_rc
join_entry(struct store *s, struct intake *in, const struct redisReply *e)
{
	const struct redisReply	*f = link_at(e, 1);
	const char		*origin = "", *value = NULL, *name;
	size_t			 i, len = 0;

	for (i = 0; i + 1 < link_count(f); i += 2) {
		name = link_str(link_at(f, i), NULL);
		if (strcmp(name, "o") == 0)
			origin = link_str(link_at(f, i + 1), NULL);
		else if (strcmp(name, "v") == 0)
			value = link_str(link_at(f, i + 1), &len);
	}
	/* Our own come back; without a server it is a mark and tells nothing. */
	if (origin[0] == '\0' || strcmp(origin, in->sh->conf->name) == 0)
		return STORE_NOTFOUND;
	in->foreign++;
	return join(s, in, value != NULL ? value : "", len);
}

static enum store_rc
join_all(struct store *s, void *arg)
{
	struct intake	*in = arg;
	const char	*p;
	size_t		 i, len;
	enum store_rc	 rc = STORE_FOUND;

	in->bad = in->foreign = 0;
	for (i = 0; i < in->n && rc != STORE_ERROR; i++) {
		if (in->stream)
			rc = join_entry(s, in, link_at(in->list, i));
		else {
			p = link_str(link_at(in->list, 2 * i + 1), &len);
			rc = join(s, in, p, len);
			in->foreign++;
		}
	}
	if (rc != STORE_ERROR && in->stream)
		rc = share_put(s, "share.pos", in->sh->pos);
	return rc == STORE_ERROR ? rc : STORE_FOUND;
}

/* Is there an entry of somebody else? */
static bool
has_foreign(const struct intake *in)
{
	const struct redisReply	*f;
	size_t			 i;

	for (i = 0; i < in->n; i++) {
		f = link_at(link_at(in->list, i), 1);
		if (strcmp(link_str(link_at(f, 0), NULL), "o") != 0 ||
		    strcmp(link_str(link_at(f, 1), NULL), in->sh->conf->name) != 0)
			return true;
	}
	return false;
}

static enum share_step
take_in(struct share *sh, struct intake *in)
{
	struct store	*s = sh->c->store;
	enum store_rc	 rc;

	s->exact = true;
	rc = store_transact(s, join_all, in);
	s->exact = false;
	if (rc == STORE_ERROR)
		return SHARE_FAULT;
	if (in->bad > 0)
		warnx("%s: %zu entr%s passed over: %s", sh->conf->url, in->bad,
		    in->bad == 1 ? "y was" : "ies were", in->why);
	return SHARE_MORE;
}

/* Everything of one hash. */
static enum share_step
scan(struct share *sh, const char *name)
{
	struct intake		 in = { .sh = sh };
	struct redisReply	*r;
	char			 key[SHARE_KEY], cursor[32] = "0";
	enum share_step		 step = SHARE_MORE;

	share_key(key, sh->conf, name);
	do {
		r = link_ask(sh->w, "HSCAN", key, cursor, "COUNT", READ_COUNT, LINK_END);
		if (r == NULL)
			return SHARE_LOST;
		in.list = link_at(r, 1);
		in.n = link_count(in.list) / 2;
		if (!text_copy(cursor, sizeof(cursor), link_str(link_at(r, 0), NULL)) ||
		    cursor[0] == '\0')
			step = SHARE_LOST;
		else if (in.n > 0)
			step = take_in(sh, &in);
		link_free(r);
		/* What is ours does not wait until then, nor does it become another's. */
		if (step >= SHARE_IDLE && when_ms() - sh->looked >= LOOK_MS)
			step = share_look(sh);
		if (step >= SHARE_IDLE && (step = share_tell(sh)) >= SHARE_IDLE && share_stopping(sh))
			return SHARE_LOST;
	} while (step >= SHARE_IDLE && strcmp(cursor, "0") != 0);
	return step;
}

enum share_step
share_snapshot(struct share *sh)
{
	enum share_step	 step;
	char		 end[SHARE_WORD], epoch[SHARE_WORD];

	memcpy(end, sh->end, sizeof(end));
	memcpy(epoch, sh->epoch, sizeof(epoch));
	if ((step = scan(sh, "dev")) < SHARE_IDLE || (step = scan(sh, "client")) < SHARE_IDLE)
		return step;
	/* Another Redis by now: from the start. */
	if (strcmp(epoch, sh->epoch) != 0)
		return SHARE_MORE;
	/* As the stream was before: what came since stands behind this place. */
	memcpy(sh->pos, end, sizeof(sh->pos));
	if (share_put(sh->c->store, "share.pos", sh->pos) == STORE_ERROR)
		return SHARE_FAULT;
	sh->unsaved = false;
	return SHARE_MORE;
}

static bool
ask(struct share *sh, int block_ms)
{
	char	 key[SHARE_KEY], ms[16];

	snprintf(ms, sizeof(ms), "%d", block_ms);
	share_key(key, sh->conf, "log");
	if (block_ms > 0)
		link_text(sh->r, "XREAD", "COUNT", READ_COUNT, "BLOCK", ms, "STREAMS", key,
		    sh->pos, LINK_END);
	else
		link_text(sh->r, "XREAD", "COUNT", READ_COUNT, "STREAMS", key, sh->pos, LINK_END);
	/* As long as the last entry that was read is there, none behind it is gone. */
	link_text(sh->r, "XRANGE", key, sh->pos, sh->pos, "COUNT", "1", LINK_END);
	sh->asked = when_ms();
	return link_send(sh->r);
}

/* Stores the entries of an answer, and moves the place on. */
static enum share_step
take_entries(struct share *sh, const struct redisReply *r)
{
	struct intake	 in = { .sh = sh, .stream = true };
	const char	*last;

	in.list = link_at(link_at(r, 0), 1);
	if ((in.n = link_count(in.list)) == 0) {
		if (!sh->unsaved || when_ms() - sh->saved < SAVE_MS)
			return SHARE_IDLE;
	} else {
		last = link_str(link_at(link_at(in.list, in.n - 1), 0), NULL);
		if (!text_copy(sh->pos, sizeof(sh->pos), last))
			return SHARE_LOST;
		/* Only our own: no hurry to write down that we have seen them. */
		if (!has_foreign(&in) && when_ms() - sh->saved < SAVE_MS) {
			sh->unsaved = true;
			return SHARE_MORE;
		}
	}
	sh->unsaved = false;
	sh->saved = when_ms();
	return take_in(sh, &in);
}

enum share_step
share_read(struct share *sh, int block_ms)
{
	struct redisReply	*r, *there = NULL;
	enum share_step		 step = SHARE_LOST;

	if (sh->asked == 0)
		return ask(sh, block_ms) ? SHARE_IDLE : SHARE_LOST;
	if (block_ms > 0 && !link_has(sh->r))
		return when_ms() - sh->asked > block_ms + LINK_WAIT_MS ? SHARE_LOST : SHARE_IDLE;
	sh->asked = 0;
	if ((r = link_next(sh->r, LINK_WAIT_MS)) == NULL ||
	    (there = link_next(sh->r, LINK_WAIT_MS)) == NULL)
		goto out;
	if (link_kind(r) == LINK_WRONG || link_kind(there) == LINK_WRONG) {
		link_blame(sh->r, link_kind(r) == LINK_WRONG ? r : there);
		goto out;
	}
	if (sh->pos[0] == '\0')
		step = SHARE_MORE;	/* the whole state is to be read first */
	else if (link_count(there) == 0)
		step = share_passed(sh);
	else
		step = take_entries(sh, r);
out:
	link_free(r);
	link_free(there);
	return step;
}
