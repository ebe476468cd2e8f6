/* From the store to Redis: what was noted in `out` since it was last told. */
#include <err.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "base/text.h"
#include "device/record.h"
#include "store/db.h"
#include "store/share.h"
#include "store/share_entry.h"
#include "store/share_join.h"

#define BATCH		10000	/* that share one commit */
#define PER_SCRIPT	100	/* Redis answers nobody else while a script runs */
#define BATCH_BYTES	(16 << 20)
#define DAY		86400

/* One noted change on its way. */
struct item {
	unsigned char	 key[DB_KEY_MAX];
	size_t		 klen;
	unsigned char	 stamp[8];
	char		 op[2];		/* "d", "c": tell; "D", "C": it was removed */
	char		*value;		/* or the order that was removed at most */
	size_t		 vlen;
	char		*text;		/* a client's, now with our name in it, or NULL */
};

struct batch {
	struct share	*sh;
	struct item	*item;
	size_t		 n, bytes;
	bool		 stale;		/* Redis has another epoch by now */
	char		 name[LINK_NAME];
};

static void
keep_value(struct item *it, const void *p, size_t n)
{
	if ((it->value = malloc(n + 1)) == NULL)
		err(EX_OSERR, NULL);
	memcpy(it->value, p, n);
	it->vlen = n;
}

/*
 * It is not stored any more.  An answer without a device goes because a newer one
 * has taken its place; all else was pruned, and a version that is younger than a
 * day is another server's.
 */
static void
removed(struct item *it)
{
	int64_t	 at = unpack_int(it->stamp) / 1000000000;
	char	 order[SHARE_ORDER_C];

	if (it->op[0] == 'd') {
		share_digits(order, it->key[1] == 'x' ? at : at - DAY);
		keep_value(it, order, SHARE_ORDER_D);
	} else {
		memset(order, '0', sizeof(order));
		share_digits(order, at - DAY);
		keep_value(it, order, SHARE_ORDER_C);
	}
	it->op[0] = it->op[0] == 'd' ? 'D' : 'C';
}

static enum store_rc
take_answer(struct store *s, struct item *it)
{
	enum store_claim	 claim[STORE_CLAIMS];
	unsigned char		 buf[SHARE_ANSWER_MAX];
	struct answer		 a;
	struct bytes		 v;
	const char		*why;
	unsigned int		 voids = 0;
	enum store_rc		 rc;
	size_t			 i;

	if ((rc = db_get(s, DB_DEV, it->key + 1, it->klen - 1, &v)) == STORE_ERROR)
		return rc;
	if (rc == STORE_NOTFOUND) {
		removed(it);
		return STORE_FOUND;
	}
	/* Damage is for nac-cache check to tell; others are not told of it. */
	if (!unpack_answer(v.p, v.n, &a, &why))
		return STORE_NOTFOUND;
	key_asked(&a, it->key + 1, it->klen - 1);
	if (a.nasked == 0 && store_claims(s, &a.device, claim) == STORE_ERROR)
		return STORE_ERROR;
	for (i = 0; a.nasked == 0 && i < STORE_CLAIMS; i++)
		if (claim[i] == CLAIM_VOID)
			voids |= 1U << i;
	keep_value(it, buf, share_pack_answer(buf, &a, voids));
	return STORE_FOUND;
}

/* Signs and packs; false: that is no record. */
static bool
pack_client(struct item *it, struct client *cl, const char *name)
{
	struct share_order	 o;
	unsigned char		*buf = NULL;
	json_t			*rec;
	char			 why[256];
	size_t			 n = 0;

	if ((rec = record_parse(cl->text, cl->len, why, sizeof(why))) == NULL)
		return false;
	if (json_object_get(rec, "server") == NULL) {
		share_sign(rec, name);
		if ((it->text = json_dumps(rec, JSON_COMPACT)) == NULL)
			err(EX_OSERR, NULL);
		cl->text = it->text;
		cl->len = strlen(it->text);
	}
	if (share_order_of(&o, cl, rec, why, sizeof(why))) {
		if ((buf = malloc(SHARE_CLIENT_MAX)) == NULL)
			err(EX_OSERR, NULL);
		if ((n = share_pack_client(buf, cl, &o)) > 0)
			keep_value(it, buf, n);
		free(buf);
	}
	json_decref(rec);
	return n > 0;
}

static enum store_rc
take_client(struct store *s, struct item *it, const char *name)
{
	struct client	 cl;
	char		 id[CLIENT_ID], *text;
	enum store_rc	 rc;

	memcpy(id, it->key + 1, it->klen - 1);
	id[it->klen - 1] = '\0';
	if ((rc = client_get(s, id, &cl, &text)) == STORE_NOTFOUND)
		removed(it);
	else if (rc == STORE_FOUND && !pack_client(it, &cl, name))
		rc = STORE_NOTFOUND;
	free(text);
	if (rc == STORE_ERROR && store_errno(s) == EBADMSG)
		return STORE_NOTFOUND;
	return rc == STORE_ERROR || it->value == NULL ? rc : STORE_FOUND;
}

/* The first changes there are; an item without a value is one to forget. */
static enum store_rc
collect(struct batch *b)
{
	struct store	*s = b->sh->c->store;
	struct item	*it;
	struct bytes	 k = { NULL, 0 }, v;
	enum store_rc	 rc = STORE_FOUND;

	while (b->n < BATCH && b->bytes < BATCH_BYTES) {
		it = b->n > 0 ? &b->item[b->n - 1] : NULL;
		rc = db_after(s, DB_OUT, it != NULL ? it->key : NULL, it != NULL ? it->klen : 0,
		    &k, &v);
		if (rc != STORE_FOUND)
			break;
		it = &b->item[b->n];
		memset(it, 0, sizeof(*it));
		if (k.n > sizeof(it->key) || k.n < 3 || v.n != sizeof(it->stamp))
			return db_fault(s, EBADMSG, "the store is damaged: a noted change");
		memcpy(it->key, k.p, k.n);
		it->klen = k.n;
		memcpy(it->stamp, v.p, v.n);
		it->op[0] = (char)it->key[0];
		b->n++;
		rc = it->op[0] == 'd' ? take_answer(s, it) : take_client(s, it, b->name);
		if (rc == STORE_ERROR)
			return rc;
		b->bytes += it->vlen;
	}
	return rc == STORE_ERROR ? rc : STORE_FOUND;
}

/* Adds one call of the script for the items from i on; returns the next i. */
static size_t
add_call(struct batch *b, size_t i, size_t *calls)
{
	const struct share_conf	*c = b->sh->conf;
	static const char	*const names[] = { "epoch", "log", "dev", "client", "sent",
				    "whole" };
	const size_t		 keys = sizeof(names) / sizeof(names[0]);
	const char		*word[13 + 3 * PER_SCRIPT];
	size_t			 len[13 + 3 * PER_SCRIPT], n = 0, k, from;
	char			 key[6][SHARE_KEY], number[24], max[24];

	word[n++] = "EVALSHA";
	word[n++] = b->sh->tell;
	word[n++] = "6";
	for (k = 0; k < keys; k++)
		word[n++] = share_key(key[k], c, names[k]);
	word[n++] = b->sh->epoch;
	word[n++] = c->name;
	snprintf(number, sizeof(number), "%lld", (long long)b->sh->sent + 1);
	snprintf(max, sizeof(max), "%lld", (long long)c->stream_max);
	word[n++] = number;
	word[n++] = max;
	for (k = 0; k < n; k++)
		len[k] = strlen(word[k]);
	from = n;
	for (; i < b->n && n < from + (size_t)3 * PER_SCRIPT; i++) {
		if (b->item[i].value == NULL)
			continue;
		word[n] = b->item[i].op;
		len[n++] = 1;
		word[n] = (const char *)b->item[i].key + 1;
		len[n++] = b->item[i].klen - 1;
		word[n] = b->item[i].value;
		len[n++] = b->item[i].vlen;
	}
	if (n > from) {
		link_add(b->sh->w, n, word, len);
		(*calls)++;
	}
	return i;
}

static bool
send_batch(struct batch *b)
{
	struct redisReply	*r;
	size_t			 i, calls = 0;
	bool			 good = true;

	for (i = 0; i < b->n;)
		i = add_call(b, i, &calls);
	if (!link_send(b->sh->w))
		return false;
	for (i = 0; i < calls && good; i++) {
		if ((r = link_next(b->sh->w, LINK_WAIT_MS)) == NULL)
			return false;
		/* That was lost meanwhile; the next look takes the new epoch. */
		if (link_kind(r) == LINK_WRONG && strncmp(link_str(r, NULL), "NACEPOCH", 8) == 0)
			b->stale = true;
		else if (link_kind(r) == LINK_WRONG) {
			link_blame(b->sh->w, r);
			good = false;
		}
		link_free(r);
	}
	return good;
}

/* They were told: forgets those that have not changed again. */
static enum store_rc
settle(struct store *s, void *arg)
{
	struct batch	*b = arg;
	struct item	*it;
	struct client	 cl;
	struct bytes	 v;
	char		 number[24], id[CLIENT_ID], *old;
	enum store_rc	 rc;
	size_t		 i;

	for (i = 0; i < b->n; i++) {
		it = &b->item[i];
		rc = db_get(s, DB_OUT, it->key, it->klen, &v);
		if (rc == STORE_ERROR)
			return rc;
		if (rc == STORE_NOTFOUND || v.n != 8 || memcmp(v.p, it->stamp, 8) != 0)
			continue;
		if (db_del(s, DB_OUT, it->key, it->klen, NULL, 0) == STORE_ERROR)
			return STORE_ERROR;
		if (it->text == NULL)
			continue;
		memcpy(id, it->key + 1, it->klen - 1);
		id[it->klen - 1] = '\0';
		if ((rc = client_get(s, id, &cl, &old)) == STORE_FOUND) {
			cl.text = it->text;
			cl.len = strlen(it->text);
			rc = client_put(s, &cl);
		}
		free(old);
		if (rc == STORE_ERROR)
			return rc;
	}
	snprintf(number, sizeof(number), "%lld", (long long)b->sh->sent + 1);
	return share_put(s, "share.sent", number);
}

enum share_step
share_tell(struct share *sh)
{
	struct store	*s = sh->c->store;
	struct batch	 b = { .sh = sh };
	enum share_step	 step = SHARE_FAULT;
	enum store_rc	 rc;

	if (db_enter(s) == STORE_ERROR)
		return SHARE_FAULT;
	if ((rc = db_count(s, DB_OUT, &b.n)) != STORE_FOUND || b.n == 0) {
		db_leave(s);
		return rc == STORE_ERROR ? SHARE_FAULT : SHARE_IDLE;
	}
	b.n = 0;
	if ((b.item = calloc(BATCH, sizeof(*b.item))) == NULL)
		err(EX_OSERR, NULL);
	memcpy(b.name, sh->conf->name, sizeof(b.name));
	rc = collect(&b);
	db_leave(s);
	if (rc == STORE_ERROR)
		goto out;
	step = SHARE_LOST;
	if (!send_batch(&b))
		goto out;
	if (b.stale) {
		step = share_look(sh);
		goto out;
	}
	s->exact = true;
	rc = store_transact(s, settle, &b);
	s->exact = false;
	step = rc == STORE_ERROR ? SHARE_FAULT : SHARE_MORE;
	if (rc != STORE_ERROR)
		sh->sent++;
out:
	while (b.n > 0) {
		b.n--;
		free(b.item[b.n].value);
		free(b.item[b.n].text);
	}
	free(b.item);
	return step;
}

/* Notes the keys behind *last, a chunk in each transaction. */
struct marking {
	enum db		 db;
	unsigned char	 last[DB_KEY_MAX + 1];
	size_t		 len;
	bool		 end;
};

static enum store_rc
mark_chunk(struct store *s, void *arg)
{
	struct marking	*m = arg, copy = *m;
	struct bytes	 k, v;
	enum store_rc	 rc;
	int		 i;

	for (i = 0; i < 10000; i++) {
		rc = db_after(s, copy.db, copy.last, copy.len, &k, &v);
		if (rc == STORE_ERROR)
			return rc;
		if (rc == STORE_NOTFOUND)
			break;
		memcpy(copy.last, k.p, k.n);
		copy.len = k.n;
		if (db_mark(s, copy.db, copy.last, copy.len) == STORE_ERROR)
			return STORE_ERROR;
	}
	copy.end = i < 10000;
	/* Only now: when the store grows this is run again. */
	*m = copy;
	return STORE_FOUND;
}

enum store_rc
share_mark_all(struct store *s)
{
	struct marking	 m = { .db = DB_DEV };

	for (;;) {
		if (store_transact(s, mark_chunk, &m) == STORE_ERROR)
			return STORE_ERROR;
		if (!m.end)
			continue;
		if (m.db == DB_CLIENT)
			return STORE_FOUND;
		m = (struct marking){ .db = DB_CLIENT };
	}
}
