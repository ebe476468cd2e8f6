/* The search for a device, wherever the answers are read from. */
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "store/db.h"
#include "store/find.h"
#include "store/keys.h"
#include "store/pack.h"

/* One search through the identifiers of an identity. */
struct search {
	const struct find_source *src;
	struct answer	*out;
	struct answer	 no;		/* the newest "no such device" so far */
	bool		 newest;	/* of several devices take the last to sync */
	bool		 has_no;
};

static bool
is_no(const struct answer *a)
{
	return a->state == COMPLIANCE_UNREGISTERED;
}

/* Reads the answer under a key of `dev`. */
static enum store_rc
get_answer(const struct find_source *src, const void *key, size_t klen, struct answer *out)
{
	struct bytes	 v;
	const char	*why;
	char		 shown[TEXT_SHOWN], what[TEXT_SHOWN + 128];
	enum store_rc	 rc;

	if ((rc = src->get(src->arg, key, klen, &v)) != STORE_FOUND)
		return rc;
	if (unpack_answer(v.p, v.n, out, &why))
		return STORE_FOUND;
	snprintf(what, sizeof(what), "the value of \"%s\" %s",
	    text_safe(shown, sizeof(shown), key, klen), why);
	return src->damaged(src->arg, what);
}

static void
note_no(struct search *q, const struct answer *a)
{
	if (!q->has_no || a->checked > q->no.checked)
		q->no = *a;
	q->has_no = true;
}

/* The registered device under one key; several are ambiguous. */
static enum store_rc
search_devices(struct search *q, const struct key *k)
{
	struct lr_dup	 dup = { .n = 0 };
	struct answer	 a;
	bool		 live = false;
	enum store_rc	 rc;

	while ((rc = q->src->dup(q->src->arg, k->b, k->n, &dup)) == STORE_FOUND) {
		if ((rc = get_answer(q->src, dup.b, dup.n, &a)) == STORE_ERROR)
			return rc;
		/* A key that its device knows nothing of: damage, but no wrong answer. */
		if (rc == STORE_NOTFOUND || !has_key(&a.device, k))
			continue;
		if (is_no(&a)) {
			note_no(q, &a);
			continue;
		}
		if (!live) {
			*q->out = a;
			live = true;
			continue;
		}
		/* Two that were in touch at the same time are not told apart. */
		if (q->newest && a.device.last_sync != q->out->device.last_sync) {
			if (a.device.last_sync > q->out->device.last_sync)
				*q->out = a;
			continue;
		}
		/* As old as the older of the two. */
		if (q->out->checked < a.checked)
			a.checked = q->out->checked;
		memset(q->out, 0, sizeof(*q->out));
		q->out->state = COMPLIANCE_AMBIGUOUS;
		q->out->checked = a.checked;
		return STORE_FOUND;
	}
	if (rc == STORE_ERROR)
		return rc;
	return live ? STORE_FOUND : STORE_NOTFOUND;
}

/* The answer that is filed under what was asked: ambiguous, none such, or a device
 * whose facts do not show what it was found by; of that there may be newer ones. */
static enum store_rc
search_asked(struct search *q, const struct key *k)
{
	struct answer	 a, newer;
	struct key	 i;
	enum store_rc	 rc;

	if ((rc = get_answer(q->src, k->b, k->n, &a)) != STORE_FOUND)
		return rc;
	if (a.has_device && a.device.has_id) {
		i = guid_key("i:", &a.device.id);
		if ((rc = get_answer(q->src, i.b, i.n, &newer)) == STORE_ERROR)
			return rc;
		if (rc == STORE_FOUND && newer.checked >= a.checked)
			a = newer;
	}
	if (is_no(&a)) {
		note_no(q, &a);
		return STORE_NOTFOUND;
	}
	*q->out = a;
	return STORE_FOUND;
}

static enum store_rc
search_key(struct search *q, struct key asked, struct key devices, enum match by,
    enum id_space space)
{
	enum store_rc	 rc;

	if ((rc = search_asked(q, &asked)) == STORE_NOTFOUND &&
	    (rc = search_devices(q, &devices)) == STORE_FOUND)
		q->out->id_space = space;
	if (rc == STORE_FOUND)
		q->out->matched_by = by;
	return rc;
}

static enum store_rc
search_guid(struct search *q, const struct guid *g)
{
	struct key	 k = guid_key("i:", g);
	struct answer	 a;
	enum store_rc	 rc;

	if ((rc = get_answer(q->src, k.b, k.n, &a)) == STORE_ERROR)
		return rc;
	if (rc == STORE_FOUND) {
		a.matched_by = MATCH_GUID;
		a.id_space = ID_SPACE_INTUNE;
		if (!is_no(&a)) {
			*q->out = a;
			return rc;
		}
		note_no(q, &a);
	}
	return search_key(q, guid_key("x:g:", g), guid_key("e:", g), MATCH_GUID, ID_SPACE_ENTRA);
}

/* Tries all identifiers of one kind; *any tells whether there is one. */
static enum store_rc
search_kind(struct search *q, const struct identity *id, enum match by, bool *any)
{
	struct key	 x, k;
	enum store_rc	 rc = STORE_NOTFOUND;
	size_t		 i;

	*any = false;
	if (by == MATCH_GUID)
		for (i = 0; i < id->nguid && rc == STORE_NOTFOUND; i++) {
			*any = true;
			rc = search_guid(q, &id->guid[i].guid);
		}
	else if (by == MATCH_NAME)
		for (i = 0; i < id->nname && rc == STORE_NOTFOUND; i++) {
			*any = true;
			rc = search_key(q, name_key("x:n:", id->name[i].text),
			    name_key("n:", id->name[i].text), by, ID_SPACE_NONE);
		}
	else if (by == MATCH_MAC && id->has_mac && mac_is_usable(id->mac)) {
		*any = true;
		rc = search_key(q, mac_key("x:m:", id->mac), mac_key("m:", id->mac), by,
		    ID_SPACE_NONE);
	} else if (by == MATCH_SERIAL && serial_key(&k, "s:", id->device_serial) &&
	    serial_key(&x, "x:s:", id->device_serial)) {
		*any = true;
		rc = search_key(q, x, k, by, ID_SPACE_NONE);
	}
	return rc;
}

/*
 * The first registered device in the given order is the answer.  When there is
 * none, "no such device" counts only if it was said of the most trusted kind of
 * identifier that the identity has: a MAC that was asked about before its device
 * was enrolled says nothing about the certificate it shows now.
 */
static enum store_rc
search_all(struct search *q, const struct identity *id, const struct match_order *order)
{
	struct answer	 no;
	bool		 any, decided = false, has_no = false;
	enum store_rc	 rc;
	size_t		 i;

	for (i = 0; i < MATCH_KINDS && order->by[i] != MATCH_NONE; i++) {
		if ((rc = search_kind(q, id, order->by[i], &any)) != STORE_NOTFOUND)
			return rc;
		if (any && !decided) {
			decided = true;
			if ((has_no = q->has_no))
				no = q->no;
		}
	}
	memset(q->out, 0, sizeof(*q->out));
	if (!has_no)
		return STORE_NOTFOUND;
	*q->out = no;
	return STORE_FOUND;
}

bool
find_format(const struct bytes *v, char why[FIND_WHY])
{
	static const size_t	 skip = sizeof(DB_FORMAT_NAME) - 1;

	if (v->n == strlen(DB_FORMAT) && memcmp(v->p, DB_FORMAT, v->n) == 0)
		return true;
	if (v->n > skip && memcmp(v->p, DB_FORMAT, skip) == 0)
		snprintf(why, FIND_WHY, "the store has format %.*s, and this program knows "
		    "only %s: move it away and fill a new one",
		    (int)(v->n - skip < 20 ? v->n - skip : 20), (const char *)v->p + skip,
		    &DB_FORMAT[skip]);
	else
		snprintf(why, FIND_WHY, "data.mdb is no store of intune-nac");
	return false;
}

enum store_rc
find_device(const struct find_source *src, const struct identity *id,
    const struct match_order *order, struct answer *out)
{
	struct search	 q = { .src = src, .out = out, .newest = order->newest };
	enum store_rc	 rc;

	memset(out, 0, sizeof(*out));
	if (id->ambiguous) {
		out->state = COMPLIANCE_AMBIGUOUS;
		rc = STORE_FOUND;
	} else
		rc = search_all(&q, id, order);
	if (rc == STORE_FOUND)
		out->source = SOURCE_CACHE;
	else
		memset(out, 0, sizeof(*out));
	return rc;
}
