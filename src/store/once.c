/* Look-ups without liblmdb: see lmdb_read.h. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "store/db.h"
#include "store/find.h"
#include "store/lmdb_read.h"

/* How often a writer may overtake us.  A look-up takes a few microseconds and a
 * commit, which is synced, hundreds. */
#define TRIES	50

struct store_reader {
	struct lr	 l;
	struct lr_meta	 opened;	/* dev and key are of this snapshot */
	struct lr_db	 dev, key;
	char		*why;		/* of the call at work */
	char		 dir[PATH_MAX];
};

/* Says what is wrong; returns STORE_ERROR. */
static enum store_rc
no(const struct store_reader *o, const char *what, const char *more)
{
	char	 dir[TEXT_SHOWN];

	text_safe(dir, sizeof(dir), o->dir, strlen(o->dir));
	snprintf(o->why, STORE_WHY, "%s: %s%s", dir, what, more);
	return STORE_ERROR;
}

/* As a store's return code, with the reason of an error. */
static enum store_rc
result(const struct store_reader *o, enum lr_rc rc)
{
	if (rc != LR_ERROR)
		return rc == LR_FOUND ? STORE_FOUND : STORE_NOTFOUND;
	return no(o, o->l.err == EBADMSG ? "the store is damaged: " : "", o->l.why);
}

static enum store_rc
once_get(void *arg, const void *key, size_t klen, struct bytes *out)
{
	struct store_reader	*o = arg;

	return result(o, lr_get(&o->l, &o->dev, key, klen, out));
}

static enum store_rc
once_dup(void *arg, const void *key, size_t klen, struct lr_dup *d)
{
	struct store_reader	*o = arg;

	return result(o, lr_dup(&o->l, &o->key, key, klen, d));
}

static enum store_rc
once_damaged(void *arg, const char *what)
{
	return no(arg, "the store is damaged: ", what);
}

static enum store_rc
open_file(struct store_reader *o, const char *dir, char *why)
{
	char	 path[PATH_MAX];

	o->why = why;
	memset(&o->opened, 0, sizeof(o->opened));
	if (!text_copy(o->dir, sizeof(o->dir), dir) ||
	    (size_t)snprintf(path, sizeof(path), "%s/data.mdb", dir) >= sizeof(path)) {
		errno = ENAMETOOLONG;
		return no(o, "data.mdb: ", strerror(errno));
	}
	if (lr_open(&o->l, path) != LR_ERROR)
		return STORE_FOUND;
	switch (errno) {
	case ENOENT:
	case ENOTDIR:
		return no(o, "there is no store here (nac-cache put makes it)", "");
	case ELOOP:
		return no(o, "data.mdb is no regular file", "");
	case EACCES:
		return no(o, "data.mdb: Permission denied (it belongs to a user or group "
		    "that this program does not run as)", "");
	default:
		return no(o, "data.mdb: ", strerror(errno));
	}
}

/* Finds the databases of the snapshot; is it a store of ours? */
static enum store_rc
open_dbs(struct store_reader *o)
{
	struct lr_db	 meta;
	struct bytes	 v;
	char		 what[FIND_WHY];
	enum store_rc	 rc;

	if (memcmp(&o->opened, &o->l.meta, sizeof(o->opened)) == 0)
		return STORE_FOUND;
	memset(&o->opened, 0, sizeof(o->opened));
	if ((rc = result(o, lr_db(&o->l, "meta", &meta))) == STORE_FOUND &&
	    (rc = result(o, lr_db(&o->l, "dev", &o->dev))) == STORE_FOUND &&
	    (rc = result(o, lr_db(&o->l, "key", &o->key))) == STORE_FOUND)
		rc = result(o, lr_get(&o->l, &meta, DB_FORMAT_KEY, sizeof(DB_FORMAT_KEY) - 1, &v));
	if (rc == STORE_ERROR)
		return rc;
	if (rc == STORE_NOTFOUND)
		v = (struct bytes){ NULL, 0 };
	if (!find_format(&v, what))
		return no(o, what, "");
	o->opened = o->l.meta;
	return STORE_FOUND;
}

/* One try; *whole: was it one snapshot? */
static enum store_rc
look_up(struct store_reader *o, const struct identity *id, const struct match_order *order,
    struct answer *out, enum lr_rc *whole)
{
	const struct find_source	 src = { once_get, once_dup, once_damaged, o };
	enum store_rc			 rc;

	*whole = LR_FOUND;
	if ((rc = result(o, lr_begin(&o->l))) == STORE_NOTFOUND)
		return no(o, "the store is empty (nac-cache put fills it)", "");
	if (rc == STORE_ERROR)
		return rc;
	if ((rc = open_dbs(o)) != STORE_ERROR)
		rc = find_device(&src, id, order, out);
	*whole = lr_whole(&o->l);
	if (*whole != LR_FOUND)
		memset(&o->opened, 0, sizeof(o->opened));
	if (*whole == LR_ERROR && rc != STORE_ERROR)
		rc = result(o, *whole);
	return rc;
}

enum store_rc
store_reader_find(struct store_reader *o, const struct identity *id,
    const struct match_order *order, struct answer *out, char why[STORE_WHY])
{
	enum store_rc	 rc;
	enum lr_rc	 whole;
	int		 tries = 0;

	o->why = why;
	do
		rc = look_up(o, id, order, out, &whole);
	while (whole == LR_NOTFOUND && ++tries < TRIES);
	if (whole == LR_NOTFOUND)
		rc = no(o, "the store changes faster than it can be read", "");
	if (rc == STORE_ERROR)
		memset(out, 0, sizeof(*out));
	return rc;
}

struct store_reader *
store_reader_open(const char *dir, char why[STORE_WHY])
{
	struct store_reader	*o;

	if ((o = calloc(1, sizeof(*o))) == NULL)
		snprintf(why, STORE_WHY, "%s", strerror(errno));
	else if (open_file(o, dir, why) == STORE_ERROR) {
		free(o);
		o = NULL;
	}
	return o;
}

void
store_reader_close(struct store_reader *o)
{
	if (o == NULL)
		return;
	lr_close(&o->l);
	free(o);
}

enum store_rc
store_find_once(const char *dir, const struct identity *id, const struct match_order *order,
    struct answer *out, char why[STORE_WHY])
{
	static struct store_reader	 o;
	enum store_rc			 rc;

	memset(out, 0, sizeof(*out));
	if (open_file(&o, dir, why) == STORE_ERROR)
		return STORE_ERROR;
	rc = store_reader_find(&o, id, order, out, why);
	lr_close(&o.l);
	return rc;
}
