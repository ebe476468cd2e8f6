/*
 * What the NAS says of sessions (RFC 2866) against the clients seen.  It says
 * nothing of who the device is, so it changes the session of a client that is
 * known, and makes none.
 */
#include <err.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "base/when.h"
#include "device/record.h"
#include "store/cache.h"

/* A session that goes on without a new login keeps its client among those seen;
 * not at each update, since the time of the login tells the newest one. */
#define REFRESH		3600

struct change {
	struct store		*s;
	const char		*what;		/* of the line: start, stop, ... */
	struct session		 said;
	enum store_rc		 rc;
};

static bool
same_text(const char *a, const char *b)
{
	return a[0] != '\0' && strcmp(a, b) == 0;
}

static bool
same_nas(const struct session *a, const struct session *b)
{
	return same_text(a->nas_ip, b->nas_ip) || same_text(a->nas_id, b->nas_id);
}

/* A login often has no Acct-Session-Id: then the NAS must do. */
static bool
same_session(const struct session *old, const struct session *said)
{
	if (old->acct_session_id[0] == '\0')
		return same_nas(old, said);
	return strcmp(old->acct_session_id, said->acct_session_id) == 0;
}

static void
take_text(char *dst, const char *src, size_t size)
{
	if (src[0] != '\0')
		memcpy(dst, src, size);
}

#define TAKE(field)	take_text(s->field, said->field, sizeof(s->field))

/* A start, or one that we have missed: the session is this one now. */
static void
begin(struct session *s, const struct session *said)
{
	s->ended = false;
	/* The Accept may have given the NAS another name (RFC 2865 section 5.1).
	 * The rules go on with the one of the login. */
	if (said->user[0] != '\0' && s->inner_user[0] == '\0' && strcmp(s->user, said->user) != 0)
		memcpy(s->inner_user, s->user, sizeof(s->inner_user));
	TAKE(user);
	TAKE(nas_ip);
	TAKE(nas_id);
	TAKE(nas_port);
	TAKE(nas_port_id);
	TAKE(acct_session_id);
	TAKE(acct_multi_session_id);
	TAKE(called);
	TAKE(ssid);
	TAKE(framed_ip);
	TAKE(audit_session_id);
	TAKE(vendor);
}

/* Whether what was kept of accounting is newer than this. */
static bool
is_late(const json_t *rec, int64_t seen)
{
	const char	*time = json_string_value(json_object_get(
			    json_object_get(rec, "accounting"), "time"));
	int64_t		 t;

	return time != NULL && when_parse(time, &t) && t > seen;
}

/* Changes the session in rec.  False: it is not about this one. */
static bool
apply(const struct change *c, json_t *rec)
{
	struct session	 s;
	char		 why[256], time[WHEN_TEXT];

	if (!record_session(rec, &s, why, sizeof(why)) || c->said.seen < s.seen ||
	    is_late(rec, c->said.seen))
		return false;
	if (strcmp(c->what, "start") == 0 || strcmp(c->what, "interim") == 0)
		begin(&s, &c->said);
	else if (strcmp(c->what, "stop") == 0 ? same_session(&s, &c->said) :
	    same_nas(&s, &c->said))
		s.ended = true;
	else
		return false;
	record_put_session(rec, &s);
	if (json_object_set_new(rec, "accounting", json_pack("{s:s, s:s}", "type", c->what,
	    "time", when_format(time, c->said.seen))) == -1)
		err(EX_OSERR, NULL);
	return true;
}

/* For one client as it is stored. */
static enum store_rc
change(struct change *c, const struct client *old)
{
	struct client	 new = *old;
	enum store_rc	 rc = STORE_FOUND;
	json_t		*rec;
	char		*text = NULL;

	if ((rec = cache_client_record(old)) == NULL)
		return STORE_FOUND;
	if (apply(c, rec)) {
		if ((text = json_dumps(rec, JSON_COMPACT)) == NULL)
			err(EX_OSERR, NULL);
		new.text = text;
		new.len = strlen(text);
		if (c->said.seen - old->seen > REFRESH)
			new.seen = c->said.seen;
		rc = client_put(c->s, &new);
	}
	free(text);
	json_decref(rec);
	return rc;
}

static bool
change_each(const struct client *cl, const char *why, void *arg)
{
	struct change	*c = arg;

	(void)why;
	if (cl != NULL)
		c->rc = change(c, cl);
	return c->rc != STORE_ERROR;
}

bool
acct_of_nas(const json_t *rec)
{
	const char	*what = json_string_value(json_object_get(rec, "accounting"));

	return what != NULL && (strcmp(what, "on") == 0 || strcmp(what, "off") == 0);
}

enum store_rc
acct_fold(struct store *s, const struct fold_line *l)
{
	struct change	 c = { .s = s, .rc = STORE_FOUND };
	struct client	 old;
	enum store_rc	 rc;
	char		*text, why[256];

	c.what = json_string_value(json_object_get(l->rec, "accounting"));
	if (!record_session(l->rec, &c.said, why, sizeof(why)))
		return STORE_FOUND;
	if (l->client.id[0] == '\0') {
		rc = client_each(s, change_each, &c);
		return rc == STORE_ERROR ? rc : c.rc;
	}
	if ((rc = client_get(s, l->client.id, &old, &text)) == STORE_FOUND)
		rc = change(&c, &old);
	free(text);
	return rc == STORE_ERROR ? rc : STORE_FOUND;
}
