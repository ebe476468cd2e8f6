#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "base/digest.h"
#include "base/when.h"
#include "device/record.h"
#include "store/cache.h"
#include "store/db.h"
#include "store/share_join.h"

/* The claims that are void now. */
static enum store_rc
voids_of(struct store *s, const struct device *d, unsigned int *out)
{
	enum store_claim	 claim[STORE_CLAIMS];
	size_t			 i;

	*out = 0;
	if (store_claims(s, d, claim) == STORE_ERROR)
		return STORE_ERROR;
	for (i = 0; i < STORE_CLAIMS; i++)
		if (claim[i] == CLAIM_VOID)
			*out |= 1U << i;
	return STORE_FOUND;
}

static enum store_rc
tell_again(struct store *s, const struct answer *a)
{
	unsigned char	 key[DB_KEY_MAX];
	size_t		 n;

	return key_of_answer(a, key, &n) ? db_mark(s, DB_DEV, key, n) : STORE_FOUND;
}

/* The same moment, from two servers: the greater bytes count.  Who has these says
 * so again, since the other may have been the last to speak. */
static enum store_rc
join_same_time(struct store *s, const struct answer *a, const struct answer *old,
    unsigned int voids, bool *done)
{
	unsigned char	 x[PACK_MAX], y[PACK_MAX];
	unsigned int	 had = 0;
	size_t		 n = pack_answer(x, a), m = pack_answer(y, old);
	int		 order = memcmp(x, y, n < m ? n : m);

	if (order == 0)
		order = n < m ? -1 : n > m;
	*done = order <= 0;
	if (order < 0)
		return tell_again(s, a);
	if (order > 0)
		return STORE_FOUND;
	if (a->nasked > 0)
		return STORE_NOTFOUND;
	if (voids_of(s, &a->device, &had) == STORE_ERROR)
		return STORE_ERROR;
	if ((had & ~voids) != 0 && tell_again(s, a) == STORE_ERROR)
		return STORE_ERROR;
	return (voids & ~had) == 0 ? STORE_NOTFOUND : store_void(s, &a->device, voids & ~had);
}

/*
 * Files it as it is.  What else that changes (other devices lose a key, one becomes
 * unregistered) is noted: another server may not have had them to change.
 */
static enum store_rc
file_exact(struct store *s, const struct answer *a, unsigned int voids)
{
	bool		 exact = s->exact, marking = s->marking;
	unsigned int	 now = 0;
	enum store_rc	 rc;

	if (!key_of_answer(a, s->told, &s->told_n))
		return STORE_NOTFOUND;
	s->exact = s->marking = true;
	if ((rc = store_put_entry(s, a)) == STORE_FOUND && a->nasked == 0)
		rc = store_void(s, &a->device, voids);
	if (rc == STORE_FOUND && a->nasked == 0 &&
	    ((rc = voids_of(s, &a->device, &now)) == STORE_ERROR ||
	    (now != voids && tell_again(s, a) == STORE_ERROR)))
		rc = STORE_ERROR;
	s->exact = exact;
	s->marking = marking;
	s->told_n = 0;
	return rc;
}

enum store_rc
share_join_answer(struct store *s, const struct answer *a, unsigned int voids)
{
	struct answer	 old;
	enum store_rc	 rc;
	bool		 done = false;

	if ((rc = store_same(s, a, &old)) == STORE_ERROR)
		return rc;
	if (rc == STORE_FOUND && old.checked > a->checked && !answer_is_ahead(&old, when_now()))
		return STORE_NOTFOUND;
	if (rc == STORE_FOUND && old.checked == a->checked) {
		rc = join_same_time(s, a, &old, voids, &done);
		if (done || rc == STORE_ERROR)
			return rc;
	}
	return file_exact(s, a, voids);
}

enum store_rc
share_name(struct store *s, char out[CLIENT_ID])
{
	struct bytes	 v;
	enum store_rc	 rc;

	out[0] = '\0';
	if (db_enter(s) == STORE_ERROR)
		return STORE_ERROR;
	rc = db_get(s, DB_META, DB_SHARE_NAME, strlen(DB_SHARE_NAME), &v);
	if (rc == STORE_FOUND && v.n < CLIENT_ID) {
		memcpy(out, v.p, v.n);
		out[v.n] = '\0';
	}
	db_leave(s);
	return rc;
}

void
share_sign(json_t *rec, const char *server)
{
	if (server[0] != '\0' && json_object_get(rec, "server") == NULL &&
	    json_object_set_new(rec, "server", json_string(server)) == -1)
		err(EX_OSERR, NULL);
}

static int64_t
time_in(const json_t *rec, const char *key)
{
	const char	*text = json_string_value(json_object_get(json_object_get(rec, key),
			    "time"));
	int64_t		 t;

	return text != NULL && when_parse(text, &t) ? t : 0;
}

bool
share_order_of(struct share_order *o, const struct client *c, const json_t *rec, char *why,
    size_t size)
{
	const char	*server = json_string_value(json_object_get(rec, "server"));
	struct session	 s;
	struct identity	 id;
	char		 name[CLIENT_ID];

	if (!record_session(rec, &s, why, size) || !record_identity(rec, &id, why, size))
		return false;
	if (!client_id(name, &s, &id) || strcmp(name, c->id) != 0) {
		snprintf(why, size, "is not the record of this client");
		return false;
	}
	if (server == NULL)
		server = "";
	o->login = s.seen;
	o->server = digest_add(DIGEST_START, server, strlen(server));
	o->ino = c->ino;
	o->offset = c->offset;
	o->accounting = time_in(rec, "accounting");
	o->coa = time_in(rec, "coa");
	why[0] = '\0';
	return true;
}

#define CMP(x, y)	((x) < (y) ? -1 : (x) > (y))

/* Which of two logins is the later one? */
static int
later(const struct share_order *a, const struct share_order *b)
{
	int	 r;

	if ((r = CMP(a->login, b->login)) != 0 || (r = CMP(a->server, b->server)) != 0 ||
	    (r = CMP(a->ino, b->ino)) != 0)
		return r;
	return CMP(a->offset, b->offset);
}

struct side {
	const struct client	*c;
	json_t			*rec;
	struct share_order	 o;
};

static bool
is_over(const json_t *coa)
{
	const char	*result = json_string_value(json_object_get(coa, "result"));

	return result != NULL && (strcmp(result, "ack") == 0 || (strcmp(result, "nak") == 0 &&
	    json_integer_value(json_object_get(coa, "error_cause")) == 503));
}

/* Of the same login: the session as the later accounting has left it, with the
 * result of the later CoA.  Returns the text, which the caller frees. */
static char *
merge(const struct side *x, const struct side *y)
{
	const struct side	*base, *coa;
	json_t			*rec, *session, *v;
	char			*text;
	int			 order = strcmp(x->c->text, y->c->text);

	base = x->o.accounting != y->o.accounting ?
	    (x->o.accounting > y->o.accounting ? x : y) : order >= 0 ? x : y;
	coa = x->o.coa != y->o.coa ? (x->o.coa > y->o.coa ? x : y) : order >= 0 ? x : y;
	if ((rec = json_deep_copy(base->rec)) == NULL)
		err(EX_OSERR, NULL);
	if ((v = json_object_get(coa->rec, "coa")) != NULL && base != coa) {
		session = json_object_get(rec, "session");
		if (json_object_set(rec, "coa", v) == -1 ||
		    (is_over(v) && coa->o.coa >= base->o.accounting &&
		    json_object_set_new(session, "ended", json_true()) == -1))
			err(EX_OSERR, NULL);
	}
	if ((text = json_dumps(rec, JSON_COMPACT)) == NULL)
		err(EX_OSERR, NULL);
	json_decref(rec);
	return text;
}

/* Both are readable. */
static enum store_rc
join_sides(struct store *s, const struct side *new, const struct side *old)
{
	struct client	 cl = *new->c;
	int		 order = later(&new->o, &old->o);
	char		*text = NULL;
	enum store_rc	 rc = STORE_NOTFOUND;

	if (order < 0)
		return STORE_NOTFOUND;
	if (order > 0)
		return client_put(s, new->c);
	text = merge(new, old);
	cl.text = text;
	cl.len = strlen(text);
	if (old->c->seen > cl.seen)
		cl.seen = old->c->seen;
	if (cl.seen != old->c->seen || strcmp(text, old->c->text) != 0)
		rc = client_put(s, &cl);
	/* Neither server had both halves: the others are told of the whole. */
	if (rc != STORE_ERROR && s->exact &&
	    (cl.seen != new->c->seen || strcmp(text, new->c->text) != 0) &&
	    db_mark(s, DB_CLIENT, cl.id, strlen(cl.id)) == STORE_ERROR)
		rc = STORE_ERROR;
	free(text);
	return rc;
}

enum store_rc
share_join_client(struct store *s, const struct client *c, char *why, size_t size)
{
	struct client	 mine = *c, stored;
	struct side	 new = { &mine, NULL, { 0 } }, old = { &stored, NULL, { 0 } };
	char		*text = NULL, *copy, fault[256];
	enum store_rc	 rc;

	if ((copy = strndup(c->text, c->len)) == NULL)
		err(EX_OSERR, NULL);
	mine.text = copy;
	if ((new.rec = record_parse(copy, c->len, why, size)) == NULL ||
	    !share_order_of(&new.o, &mine, new.rec, why, size)) {
		rc = STORE_NOTFOUND;
		goto out;
	}
	if ((rc = client_get(s, c->id, &stored, &text)) == STORE_ERROR)
		goto out;
	if (rc == STORE_FOUND)
		old.rec = record_parse(text, strlen(text), fault, sizeof(fault));
	/* What is damaged is replaced. */
	if (old.rec == NULL || !share_order_of(&old.o, &stored, old.rec, fault, sizeof(fault)))
		rc = client_put(s, &mine);
	else
		rc = join_sides(s, &new, &old);
out:
	json_decref(new.rec);
	json_decref(old.rec);
	free(text);
	free(copy);
	return rc;
}
