#include <stdio.h>
#include <string.h>

#include "store/db.h"
#include "store/pack.h"
#include "store/tally.h"

#define KEY	32
#define COUNT	8	/* bytes of a number */

const int	 tally_causes[TALLY_CAUSES] = {
	0, 201, 202, 401, 402, 403, 404, 405, 406, 407, 501, 502, 503, 504, 505, 506, 507, 508
};

static const char *const	 names[TALLY_RESULTS] = {
	[TALLY_ACK] = "ack",
	[TALLY_NAK] = "nak",
	[TALLY_SILENT] = "silent",
	[TALLY_OWED] = "owed",
	[TALLY_ERROR] = "error",
};

const char *
tally_name(enum tally_result r)
{
	return names[r];
}

/* "coa.ack"; "coa.nak.503". */
static size_t
key_of(char key[KEY], enum tally_result r, int cause)
{
	return (size_t)(r == TALLY_NAK ? snprintf(key, KEY, "coa.%s.%d", names[r], cause) :
	    snprintf(key, KEY, "coa.%s", names[r]));
}

/* One that is damaged counts from 0 again: it must not be in the way of answers. */
static enum store_rc
get(struct store *s, const char *key, size_t len, uint64_t *n)
{
	struct bytes	 v;
	enum store_rc	 rc;

	*n = 0;
	if ((rc = db_get(s, DB_META, key, len, &v)) != STORE_FOUND)
		return rc;
	if (v.n == COUNT)
		*n = (uint64_t)unpack_int(v.p);
	return STORE_FOUND;
}

enum store_rc
tally_add(struct store *s, const char *result, int64_t cause)
{
	unsigned char	 v[COUNT];
	char		 key[KEY];
	uint64_t	 n;
	size_t		 len, i, c;

	for (i = 0; i < TALLY_RESULTS && strcmp(result, names[i]) != 0; i++)
		;
	if (i == TALLY_RESULTS)
		return STORE_NOTFOUND;
	for (c = TALLY_CAUSES - 1; c > 0 && tally_causes[c] != cause; c--)
		;
	len = key_of(key, (enum tally_result)i, tally_causes[c]);
	if (get(s, key, len, &n) == STORE_ERROR)
		return STORE_ERROR;
	pack_int(v, (int64_t)(n + 1));
	return db_put(s, DB_META, key, len, v, sizeof(v));
}

enum store_rc
tally_get(struct store *s, struct tally *out)
{
	enum store_rc	 rc = STORE_FOUND;
	char		 key[KEY];
	size_t		 i, len;

	memset(out, 0, sizeof(*out));
	if (db_enter(s) == STORE_ERROR)
		return STORE_ERROR;
	for (i = 0; i < TALLY_RESULTS && rc != STORE_ERROR; i++)
		if (i != TALLY_NAK) {
			len = key_of(key, (enum tally_result)i, 0);
			rc = get(s, key, len, &out->n[i]);
		}
	for (i = 0; i < TALLY_CAUSES && rc != STORE_ERROR; i++) {
		len = key_of(key, TALLY_NAK, tally_causes[i]);
		rc = get(s, key, len, &out->nak[i]);
	}
	db_leave(s);
	return rc == STORE_ERROR ? rc : STORE_FOUND;
}
