/* Does everything in the store fit together? */
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "store/db.h"
#include "store/pack.h"

/* What is wrong with one entry of `key`; NULL: nothing. */
static enum store_rc
check_key(struct store *s, const struct bytes *k, const struct bytes *v, const char **what)
{
	size_t		 skip = k->n > 0 && k->p[0] == 'v';
	struct bytes	 own = { k->p + skip, k->n - skip }, dev;
	struct answer	 a;
	const char	*why;
	enum store_rc	 rc;

	*what = NULL;
	if (own.n < 3 || own.p[1] != ':' || strchr("enms", own.p[0]) == NULL ||
	    v->n != 2 + GUID_LEN || memcmp(v->p, "i:", 2) != 0) {
		*what = "is no key of a device";
		return STORE_FOUND;
	}
	if ((rc = db_get(s, DB_DEV, v->p, v->n, &dev)) == STORE_ERROR)
		return rc;
	/* A value that cannot be read has been told of already. */
	if (rc == STORE_NOTFOUND)
		*what = "leads to no device";
	else if (unpack_answer(dev.p, dev.n, &a, &why) && !key_is_of(&a.device, own.p, own.n))
		*what = "leads to a device that does not have it";
	return STORE_FOUND;
}

/* The same for one entry of `dev`. */
static enum store_rc
check_answer(struct store *s, const struct bytes *k, const struct bytes *v, const char **what)
{
	static const char *const	 lost[] = {
		"is not found by its keys: the first is lost",
		"is not found by its keys: the second is lost",
		"is not found by its keys: the third is lost",
		"is not found by its keys: the fourth is lost",
		"is not found by its keys: the fifth is lost",
	};
	enum store_claim		 claim[STORE_CLAIMS];
	struct answer			 a;
	char				 serial[DEVICE_SERIAL];
	size_t				 i;

	if (!unpack_answer(v->p, v->n, &a, what))
		return STORE_FOUND;
	*what = NULL;
	if (k->n >= 5 && k->p[0] == 'x' && k->p[1] == ':' && k->p[3] == ':' &&
	    (k->p[2] == 'n' || k->p[2] == 's' || (k->p[2] == 'g' && k->n == 4 + GUID_LEN) ||
	    (k->p[2] == 'm' && k->n == 4 + MAC_LEN)))
		return STORE_FOUND;
	if (!a.has_device || !a.device.has_id || k->n != 2 + GUID_LEN ||
	    memcmp(k->p, "i:", 2) != 0 || memcmp(k->p + 2, a.device.id.b, GUID_LEN) != 0) {
		*what = "is filed under a key that is not its own";
		return STORE_FOUND;
	}
	if (store_claims(s, &a.device, claim) == STORE_ERROR)
		return STORE_ERROR;
	for (i = 0; i < STORE_CLAIMS && claim[i] != CLAIM_NONE; i++)
		;
	/* Who wrote version 1 filed no device under its serial number, the last claim. */
	if (v->p[0] == 1 && i > 0 && device_fold_serial(serial, sizeof(serial), a.device.serial))
		claim[i - 1] = CLAIM_FOUND;
	for (i = 0; i < STORE_CLAIMS && *what == NULL; i++)
		if (claim[i] == CLAIM_LOST)
			*what = lost[i];
	return STORE_FOUND;
}

struct check {
	struct store		*s;
	store_fault_fn		 fn;
	void			*arg;
	struct store_checked	*n;
	enum db			 db;
};

/* A key for a message: the prefix as it is, GUIDs and MACs as such. */
static void
show_key(char out[TEXT_SHOWN], const struct bytes *k)
{
	const unsigned char	*colon = k->n > 2 ? memrchr(k->p, ':', k->n < 4 ? k->n : 4) : NULL;
	size_t			 plen = colon == NULL ? 0 : (size_t)(colon - k->p) + 1;
	struct guid		 g;
	char			 rest[TEXT_SHOWN - 8];

	if (plen > 1 && k->n - plen == GUID_LEN && strchr("ieg", k->p[plen - 2]) != NULL) {
		memcpy(g.b, k->p + plen, GUID_LEN);
		guid_format(rest, &g);
	} else if (plen > 1 && k->n - plen == MAC_LEN && k->p[plen - 2] == 'm')
		mac_format(rest, k->p + plen, MAC_COLON);
	else
		text_safe(rest, sizeof(rest), (const char *)k->p + plen, k->n - plen);
	snprintf(out, TEXT_SHOWN, "%.*s%s", (int)plen, (const char *)k->p, rest);
}

static enum store_rc
check_entry(const struct bytes *k, const struct bytes *v, void *arg)
{
	struct check	*c = arg;
	const char	*what = NULL;
	char		 shown[TEXT_SHOWN], why[TEXT_SHOWN + 128];
	enum store_rc	 rc = STORE_FOUND;

	if (c->db == DB_DEV) {
		rc = check_answer(c->s, k, v, &what);
		*(k->n > 0 && k->p[0] == 'i' ? &c->n->devices : &c->n->others) += 1;
	} else if (c->db == DB_KEY) {
		rc = check_key(c->s, k, v, &what);
		c->n->keys++;
	} else if (k->n > 7 && memcmp(k->p, "cursor.", 7) == 0) {
		/* As client.c files them: dev, ino, offset, head. */
		what = v->n != 32 || unpack_int(v->p + 16) < 0 ? "is no place in a journal" : NULL;
		c->n->cursors++;
	} else if (k->n > 4 && memcmp(k->p, "coa.", 4) == 0)
		/* tally.c's. */
		what = v->n != 8 ? "is no count" : NULL;
	if (what == NULL || rc == STORE_ERROR)
		return rc;
	c->n->faults++;
	show_key(shown, k);
	snprintf(why, sizeof(why), "\"%s\" %s", shown, what);
	c->fn(why, c->arg);
	return rc;
}

enum store_rc
store_check(struct store *s, store_fault_fn fn, void *arg, struct store_checked *n)
{
	static const enum db	 order[] = { DB_META, DB_DEV, DB_KEY };
	struct check		 c = { s, fn, arg, n, DB_META };
	enum store_rc		 rc = STORE_FOUND;
	size_t			 i;

	memset(n, 0, sizeof(*n));
	if (db_enter(s) == STORE_ERROR)
		return STORE_ERROR;
	for (i = 0; i < sizeof(order) / sizeof(order[0]) && rc != STORE_ERROR; i++) {
		c.db = order[i];
		rc = db_walk(s, c.db, check_entry, &c);
	}
	db_leave(s);
	return rc;
}
