/* Going through the whole store: listing, pruning, sizes. */
#include <sys/stat.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "store/db.h"
#include "store/pack.h"

#define CHUNK	64	/* answers copied in one transaction */
#define RELAX	64	/* chunks between two times that pages are let go */

struct entry {
	struct answer	 a;
	const char	*why;		/* damaged */
	char		 key[TEXT_SHOWN];
};

void
key_asked(struct answer *a, const unsigned char *key, size_t n)
{
	struct asked	*q = &a->asked[0];
	struct guid	 g;

	if (n < 5 || memcmp(key, "x:", 2) != 0)
		return;
	a->nasked = 1;
	if (key[2] == 'g' && n == 4 + GUID_LEN) {
		q->by = MATCH_GUID;
		memcpy(g.b, key + 4, GUID_LEN);
		guid_format(q->value, &g);
	} else if (key[2] == 'm' && n == 4 + MAC_LEN) {
		q->by = MATCH_MAC;
		mac_format(q->value, key + 4, MAC_COLON);
	} else if (key[2] == 'n' && n - 4 < sizeof(q->value)) {
		q->by = MATCH_NAME;
		memcpy(q->value, key + 4, n - 4);
		q->value[n - 4] = '\0';
	} else if (key[2] == 's' && n - 4 < DEVICE_SERIAL) {
		q->by = MATCH_SERIAL;
		memcpy(q->value, key + 4, n - 4);
		q->value[n - 4] = '\0';
	} else
		a->nasked = 0;
}

/* Copies up to CHUNK answers behind *last, which is moved on. */
static enum store_rc
copy_chunk(struct store *s, unsigned char last[DB_KEY_MAX], size_t *len, struct entry *out,
    size_t *n)
{
	struct bytes	 k, v;
	enum store_rc	 rc = STORE_FOUND;

	*n = 0;
	if (db_enter(s) == STORE_ERROR)
		return STORE_ERROR;
	while (*n < CHUNK && (rc = db_after(s, DB_DEV, last, *len, &k, &v)) == STORE_FOUND) {
		memcpy(last, k.p, k.n);
		*len = k.n;
		out[*n].why = NULL;
		if (unpack_answer(v.p, v.n, &out[*n].a, &out[*n].why))
			key_asked(&out[*n].a, last, *len);
		else
			text_safe(out[*n].key, sizeof(out[*n].key), (const char *)last, *len);
		(*n)++;
	}
	db_leave(s);
	return rc;
}

enum store_rc
store_each(struct store *s, store_answer_fn fn, void *arg)
{
	struct entry	*chunk;
	unsigned char	 last[DB_KEY_MAX];
	char		 why[TEXT_SHOWN + 128];
	size_t		 i, n, len = 0, chunks = 0;
	enum store_rc	 rc;
	bool		 go = true;

	if ((chunk = calloc(CHUNK, sizeof(*chunk))) == NULL)
		return db_fault(s, ENOMEM, "%s", strerror(ENOMEM));
	do {
		rc = copy_chunk(s, last, &len, chunk, &n);
		if (++chunks % RELAX == 0)
			store_relax(s);
		for (i = 0; i < n && go; i++) {
			if (chunk[i].why == NULL) {
				go = fn(&chunk[i].a, NULL, arg);
				continue;
			}
			snprintf(why, sizeof(why), "the store is damaged: the value of \"%s\" %s",
			    chunk[i].key, chunk[i].why);
			go = fn(NULL, why, arg);
		}
	} while (rc == STORE_FOUND && go);
	free(chunk);
	if (rc == STORE_ERROR)
		return rc;
	return go ? STORE_FOUND : STORE_NOTFOUND;
}

enum store_rc
store_sizes(struct store *s, struct store_size *out)
{
	enum store_rc	 rc;

	memset(out, 0, sizeof(*out));
	if (db_enter(s) == STORE_ERROR)
		return STORE_ERROR;
	if ((rc = db_count(s, DB_DEV, &out->entries)) != STORE_ERROR &&
	    (rc = db_count(s, DB_CLIENT, &out->clients)) != STORE_ERROR &&
	    (rc = db_count(s, DB_OUT, &out->untold)) != STORE_ERROR)
		rc = db_sizes(s, out);
	db_leave(s);
	return rc;
}
