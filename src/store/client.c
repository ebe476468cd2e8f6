#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/when.h"
#include "device/answer.h"
#include "store/client.h"
#include "store/db.h"
#include "store/pack.h"

#define VALUE_VERSION	1
#define VALUE_HEAD	25	/* version, seen, ino, offset */
#define CHUNK		64	/* clients copied in one transaction */
#define RELAX		16	/* chunks between two times that pages are let go */
#define PLACE_LEN	32	/* dev, ino, offset, head */

bool
client_id(char out[CLIENT_ID], const struct session *s, const struct identity *id)
{
	const char	*nas = s->nas_id[0] != '\0' ? s->nas_id : s->nas_ip;
	uint8_t		 mac[MAC_LEN];

	if (mac_scan(s->calling, mac) != 0)
		mac_format(out, mac, MAC_COLON);
	else if (id->has_mac)
		mac_format(out, id->mac, MAC_COLON);
	else if (session_login(s)[0] != '\0')
		snprintf(out, CLIENT_ID, "u:%s@%s", session_login(s), nas);
	else
		return false;
	return true;
}

static bool
parse_value(const struct bytes *k, const struct bytes *v, struct client *c)
{
	if (k->n >= CLIENT_ID || v->n < VALUE_HEAD || v->p[0] != VALUE_VERSION)
		return false;
	memcpy(c->id, k->p, k->n);
	c->id[k->n] = '\0';
	c->seen = unpack_int(v->p + 1);
	c->ino = (uint64_t)unpack_int(v->p + 9);
	c->offset = unpack_int(v->p + 17);
	c->text = (const char *)v->p + VALUE_HEAD;
	c->len = v->n - VALUE_HEAD;
	return true;
}

static enum store_rc
put_value(struct store *s, void *arg)
{
	const struct client	*c = arg;
	unsigned char		*v;
	enum store_rc		 rc;

	if ((v = malloc(VALUE_HEAD + c->len)) == NULL)
		return db_fault(s, ENOMEM, "%s", strerror(ENOMEM));
	v[0] = VALUE_VERSION;
	pack_int(v + 1, c->seen);
	pack_int(v + 9, (int64_t)c->ino);
	pack_int(v + 17, c->offset);
	memcpy(v + VALUE_HEAD, c->text, c->len);
	rc = db_put(s, DB_CLIENT, c->id, strlen(c->id), v, VALUE_HEAD + c->len);
	free(v);
	return rc;
}

static enum store_rc
fold_value(struct store *s, void *arg)
{
	const struct client	*c = arg;
	struct client		 old;
	struct bytes		 v, k = { (const unsigned char *)c->id, strlen(c->id) };
	enum store_rc		 rc;

	if ((rc = db_get(s, DB_CLIENT, k.p, k.n, &v)) == STORE_ERROR)
		return rc;
	/* One of a time when the clock was ahead must not keep the others out. */
	if (rc == STORE_FOUND && parse_value(&k, &v, &old) &&
	    old.seen <= when_now() + ANSWER_AHEAD && (old.seen > c->seen ||
	    (old.seen == c->seen && old.ino == c->ino && old.offset >= c->offset)))
		return STORE_NOTFOUND;
	return put_value(s, arg);
}

enum store_rc
client_put(struct store *s, const struct client *c)
{
	struct client	 copy = *c;

	return store_transact(s, put_value, &copy);
}

enum store_rc
client_fold(struct store *s, const struct client *c)
{
	struct client	 copy = *c;

	return store_transact(s, fold_value, &copy);
}

enum store_rc
client_get(struct store *s, const char *id, struct client *c, char **text)
{
	struct bytes	 v, k = { (const unsigned char *)id, strlen(id) };
	enum store_rc	 rc;

	*text = NULL;
	if (db_enter(s) == STORE_ERROR)
		return STORE_ERROR;
	if ((rc = db_get(s, DB_CLIENT, k.p, k.n, &v)) == STORE_FOUND) {
		if (!parse_value(&k, &v, c))
			rc = db_fault(s, EBADMSG, "the store is damaged: a client's value");
		else if ((*text = strndup(c->text, c->len)) == NULL)
			rc = db_fault(s, ENOMEM, "%s", strerror(ENOMEM));
		else {
			c->text = *text;
			c->len = strlen(*text);
		}
	}
	db_leave(s);
	return rc;
}

/* Copies up to CHUNK clients behind the one with id `last`, which is moved on. */
static enum store_rc
copy_chunk(struct store *s, char last[CLIENT_ID], struct client *out, size_t *n)
{
	struct bytes	 k, v;
	enum store_rc	 rc = STORE_FOUND;
	char		*text;

	*n = 0;
	if (db_enter(s) == STORE_ERROR)
		return STORE_ERROR;
	while (*n < CHUNK && (rc = db_after(s, DB_CLIENT, last, strlen(last), &k, &v)) ==
	    STORE_FOUND) {
		if (k.n >= CLIENT_ID || memchr(k.p, '\0', k.n) != NULL) {
			rc = db_fault(s, EBADMSG, "the store is damaged: a client's key");
			break;
		}
		memcpy(last, k.p, k.n);
		last[k.n] = '\0';
		memset(&out[*n], 0, sizeof(out[*n]));
		if (parse_value(&k, &v, &out[*n])) {
			if ((text = strndup(out[*n].text, out[*n].len)) == NULL) {
				rc = db_fault(s, ENOMEM, "%s", strerror(ENOMEM));
				break;
			}
			out[*n].text = text;
		} else
			memcpy(out[*n].id, last, CLIENT_ID);
		(*n)++;
	}
	db_leave(s);
	return *n == CHUNK ? STORE_FOUND : rc;
}

enum store_rc
client_each(struct store *s, client_fn fn, void *arg)
{
	struct client	*chunk;
	char		 last[CLIENT_ID] = "", why[CLIENT_ID + 64];
	size_t		 i, n, chunks = 0;
	enum store_rc	 rc;
	bool		 go = true;

	if ((chunk = calloc(CHUNK, sizeof(*chunk))) == NULL)
		return db_fault(s, ENOMEM, "%s", strerror(ENOMEM));
	do {
		rc = copy_chunk(s, last, chunk, &n);
		if (++chunks % RELAX == 0)
			store_relax(s);
		for (i = 0; i < n; i++) {
			snprintf(why, sizeof(why), "the store is damaged: the value of client \"%s\"",
			    chunk[i].id);
			if (go)
				go = fn(chunk[i].text != NULL ? &chunk[i] : NULL, why, arg);
			free((void *)(uintptr_t)chunk[i].text);
		}
	} while (rc == STORE_FOUND && go);
	free(chunk);
	if (rc == STORE_ERROR)
		return rc;
	return go ? STORE_FOUND : STORE_NOTFOUND;
}

struct prune {
	int64_t	 limit;
	char	 from[CLIENT_ID], last[CLIENT_ID];	/* this step begins and ends behind these */
	size_t	 n;
	bool	 more;
};

static enum store_rc
prune_some(struct store *s, void *arg)
{
	struct prune	*p = arg;
	struct client	 c;
	struct bytes	 k, v;
	size_t		 seen;
	enum store_rc	 rc = STORE_FOUND;
	bool		 gone;

	memcpy(p->last, p->from, sizeof(p->last));
	p->n = 0;
	for (seen = 0; seen < DB_STEP_SEEN && p->n < DB_STEP; seen++) {
		if ((rc = db_after(s, DB_CLIENT, p->last, strlen(p->last), &k, &v)) != STORE_FOUND)
			break;
		if (k.n >= CLIENT_ID || memchr(k.p, '\0', k.n) != NULL)
			return db_fault(s, EBADMSG, "the store is damaged: a client's key");
		memcpy(p->last, k.p, k.n);
		p->last[k.n] = '\0';
		gone = !parse_value(&k, &v, &c) || c.seen < p->limit;
		if ((seen + 1) % (CHUNK * RELAX) == 0)
			store_relax(s);
		if (!gone)
			continue;
		if (db_del(s, DB_CLIENT, p->last, strlen(p->last), NULL, 0) == STORE_ERROR)
			return STORE_ERROR;
		p->n++;
	}
	p->more = rc == STORE_FOUND;
	return rc == STORE_ERROR ? rc : STORE_FOUND;
}

enum store_rc
client_prune(struct store *s, int64_t limit, size_t *n)
{
	struct prune	 p = { .limit = limit };

	do {
		if (store_transact(s, prune_some, &p) == STORE_ERROR)
			return STORE_ERROR;
		memcpy(p.from, p.last, sizeof(p.from));
		*n += p.n;
	} while (p.more);
	return STORE_FOUND;
}

static size_t
cursor_key(char key[64], const char *name)
{
	return (size_t)snprintf(key, 64, "cursor.%.40s", name);
}

enum store_rc
cursor_get(struct store *s, const char *name, struct journal_place *out)
{
	struct bytes	 v;
	char		 key[64];
	size_t		 n = cursor_key(key, name);
	enum store_rc	 rc;

	memset(out, 0, sizeof(*out));
	if (db_enter(s) == STORE_ERROR)
		return STORE_ERROR;
	rc = db_get(s, DB_META, key, n, &v);
	if (rc == STORE_FOUND && v.n != PLACE_LEN)
		rc = db_fault(s, EBADMSG, "the store is damaged: %s", key);
	else if (rc == STORE_FOUND) {
		out->dev = (uint64_t)unpack_int(v.p);
		out->ino = (uint64_t)unpack_int(v.p + 8);
		out->offset = unpack_int(v.p + 16);
		out->head = (uint64_t)unpack_int(v.p + 24);
	}
	db_leave(s);
	return rc;
}

struct cursor_args {
	const char			*name;
	const struct journal_place	*place;
};

static enum store_rc
put_cursor(struct store *s, void *arg)
{
	const struct cursor_args	*c = arg;
	unsigned char			 v[PLACE_LEN];
	char				 key[64];
	size_t				 n = cursor_key(key, c->name);

	pack_int(v, (int64_t)c->place->dev);
	pack_int(v + 8, (int64_t)c->place->ino);
	pack_int(v + 16, c->place->offset);
	pack_int(v + 24, (int64_t)c->place->head);
	return db_put(s, DB_META, key, n, v, sizeof(v));
}

enum store_rc
cursor_put(struct store *s, const char *name, const struct journal_place *place)
{
	struct cursor_args	 c = { name, place };

	return store_transact(s, put_cursor, &c);
}
