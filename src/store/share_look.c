/* What Redis holds beside what the store knows of it: whether it is as it was. */
#include <sys/random.h>

#include <err.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/text.h"
#include "base/when.h"
#include "store/db.h"
#include "store/share.h"
#include "store/share_join.h"

#define ALIVE		"60"	/* seconds for which a server's name is its own */

/*
 * Tells Redis.  KEYS: epoch, log, dev, client, sent.  ARGV: epoch, server, number
 * of the batch, length of the stream, then op, field and value of each change.
 * What is there counts as long as its order is greater, and not from the future
 * (share_digits() of ten minutes ahead is `far`); the same bytes once more are a
 * batch that was told before a crash.
 */
static const char	 tell_script[] =
    "if redis.call('GET',KEYS[1])~=ARGV[1] then "
    " return redis.error_reply('NACEPOCH what was shared is gone') end "
    "local far='8'..string.format('%015x',redis.call('TIME')[1]+600) "
    "for i=5,#ARGV,3 do "
    " local op,f,v=ARGV[i],ARGV[i+1],ARGV[i+2] "
    " local lo=string.lower(op) "
    " local h,n=KEYS[3],16 "
    " if lo=='c' then h,n=KEYS[4],96 end "
    " local old=redis.call('HGET',h,f) "
    " if old and string.sub(old,3,18)>far then old=nil end "
    " if op~=lo then "
    "  if old and string.sub(old,3,2+n)<=v then redis.call('HDEL',h,f) end "
    " elseif not old or (old~=v and string.sub(old,3,2+n)<=string.sub(v,3,2+n)) then "
    "  redis.call('HSET',h,f,v) "
    "  redis.call('XADD',KEYS[2],'MAXLEN','~',ARGV[4],'*','o',ARGV[2],'v',v) "
    " end "
    "end "
    "redis.call('HSET',KEYS[5],ARGV[2],ARGV[3]) "
    "return 1";

/*
 * Is all as it was?  KEYS: epoch, log, sent, alive, held.  ARGV: a new epoch, server,
 * id of the store, seconds, 1 when the poll holds changes back.  Answers with epoch, the stream's last entry, the number
 * of our last batch, and who has our name.
 */
static const char	 look_script[] =
    "local e=redis.call('GET',KEYS[1]) "
    "if not e then e=ARGV[1] redis.call('SET',KEYS[1],e) end "
    "local l=redis.call('XREVRANGE',KEYS[2],'+','-','COUNT',1) "
    "if #l==0 then redis.call('XADD',KEYS[2],'*','o','') "
    " l=redis.call('XREVRANGE',KEYS[2],'+','-','COUNT',1) end "
    "local a=redis.call('GET',KEYS[4]) "
    "if not a or a==ARGV[3] then a=ARGV[3] redis.call('SET',KEYS[4],a,'EX',ARGV[4]) "
    " if ARGV[5]=='1' then "
    "  redis.call('HSET',KEYS[5],ARGV[2],(redis.call('TIME')[1]+ARGV[4])*1000) "
    " else redis.call('HDEL',KEYS[5],ARGV[2]) end end "
    "return {e,l[1][1],redis.call('HGET',KEYS[3],ARGV[2]) or '0',a}";

static void
new_word(char out[SHARE_WORD])
{
	unsigned char	 b[16];
	size_t		 i;

	if (getrandom(b, sizeof(b), 0) != (ssize_t)sizeof(b))
		err(EX_OSERR, "getrandom");
	for (i = 0; i < sizeof(b); i++)
		snprintf(out + 2 * i, 3, "%02x", b[i]);
}

char *
share_key(char out[SHARE_KEY], const struct share_conf *c, const char *name)
{
	snprintf(out, SHARE_KEY, "%s:%s", c->prefix, name);
	return out;
}

enum store_rc
share_get(struct store *s, const char *key, char out[SHARE_WORD])
{
	struct bytes	 v;
	enum store_rc	 rc;

	out[0] = '\0';
	if (db_enter(s) == STORE_ERROR)
		return STORE_ERROR;
	if ((rc = db_get(s, DB_META, key, strlen(key), &v)) == STORE_FOUND && v.n < SHARE_WORD) {
		memcpy(out, v.p, v.n);
		out[v.n] = '\0';
	}
	db_leave(s);
	return rc;
}

struct put_word {
	const char	*key, *word;
};

static enum store_rc
put_word(struct store *s, void *arg)
{
	const struct put_word	*p = arg;
	enum store_rc		 rc;

	if (p->word[0] != '\0')
		return db_put(s, DB_META, p->key, strlen(p->key), p->word, strlen(p->word));
	rc = db_del(s, DB_META, p->key, strlen(p->key), NULL, 0);
	return rc == STORE_ERROR ? rc : STORE_FOUND;
}

enum store_rc
share_put(struct store *s, const char *key, const char *word)
{
	struct put_word	 p = { key, word };

	return store_transact(s, put_word, &p);
}

int64_t
share_away(const struct cache *c, int64_t now)
{
	char	 since[SHARE_WORD];

	if (share_get(c->store, "share.away", since) != STORE_FOUND)
		return 0;
	return now - strtoll(since, NULL, 10);
}

/* The store becomes one that is shared, under this name. */
static enum store_rc
adopt_name(struct store *s, void *arg)
{
	const struct share	*sh = arg;
	char			 id[SHARE_WORD], had[CLIENT_ID];
	enum store_rc		 rc;

	if ((rc = share_name(s, had)) == STORE_ERROR)
		return rc;
	if (rc == STORE_FOUND && strcmp(had, sh->conf->name) == 0)
		return STORE_NOTFOUND;
	new_word(id);
	/* Also a copy of another server's store, which has told nothing yet. */
	if (share_put(s, DB_SHARE_NAME, sh->conf->name) == STORE_ERROR ||
	    share_put(s, "share.id", id) == STORE_ERROR ||
	    share_put(s, "share.pos", "") == STORE_ERROR)
		return STORE_ERROR;
	return share_put(s, "share.epoch", "");
}

bool
share_load(struct share *sh)
{
	struct store	*s = sh->c->store;
	char		 sent[SHARE_WORD];

	if (store_transact(s, adopt_name, sh) == STORE_ERROR ||
	    share_get(s, "share.id", sh->id) == STORE_ERROR ||
	    share_get(s, "share.epoch", sh->epoch) == STORE_ERROR ||
	    share_get(s, "share.pos", sh->pos) == STORE_ERROR ||
	    share_get(s, "share.sent", sent) == STORE_ERROR)
		return false;
	sh->sent = strtoll(sent, NULL, 10);
	return true;
}

struct renewal {
	struct share	*sh;
	const char	*epoch;
};

static enum store_rc
put_epoch(struct store *s, void *arg)
{
	const struct renewal	*n = arg;

	if (share_put(s, "share.epoch", n->epoch) == STORE_ERROR ||
	    share_put(s, "share.pos", "") == STORE_ERROR)
		return STORE_ERROR;
	return share_put(s, "share.sent", "0");
}

/* Compares two ids of a stream: ms-seq. */
static int
compare_ids(const char *a, const char *b)
{
	char			*x, *y;
	unsigned long long	 m = strtoull(a, &x, 10), n = strtoull(b, &y, 10);

	if (m != n)
		return m < n ? -1 : 1;
	m = *x == '-' ? strtoull(x + 1, NULL, 10) : 0;
	n = *y == '-' ? strtoull(y + 1, NULL, 10) : 0;
	return m < n ? -1 : m > n;
}

/* Redis has another epoch than we know, or less, or more, than we have told. */
static enum share_step
compare(struct share *sh, const char *epoch, int64_t sent)
{
	struct store	*s = sh->c->store;
	struct renewal	 renewal = { sh, epoch };
	char		 number[24];

	if (strcmp(epoch, sh->epoch) != 0) {
		/* First the marks: a crash in between does it once more. */
		if (share_mark_all(s) == STORE_ERROR ||
		    store_transact(s, put_epoch, &renewal) == STORE_ERROR)
			return SHARE_FAULT;
		if (sh->epoch[0] != '\0')
			warnx("%s: what was shared is gone: everything is told again",
			    sh->conf->url);
		text_copy(sh->epoch, sizeof(sh->epoch), epoch);
		sh->pos[0] = '\0';
		sh->sent = sent;
	} else if (sent < sh->sent) {
		warnx("%s: has lost what it was told last: everything is told again",
		    sh->conf->url);
		/* All is marked: said once, also where there is nothing to tell, and where
		 * the whole state is read first. */
		snprintf(number, sizeof(number), "%lld", (long long)sent);
		if (share_mark_all(s) == STORE_ERROR ||
		    share_put(s, "share.sent", number) == STORE_ERROR)
			return SHARE_FAULT;
		sh->sent = sent;
	} else if (sent > sh->sent + 1) {
		/* The store is an older copy of itself. */
		sh->pos[0] = '\0';
		sh->sent = sent;
	} else
		sh->sent = sent;
	if (sh->pos[0] != '\0' && compare_ids(sh->pos, sh->end) > 0)
		sh->pos[0] = '\0';
	return SHARE_MORE;
}

bool
share_held(const struct share *sh)
{
	char	 path[PATH_MAX];

	return (size_t)snprintf(path, sizeof(path), "%s/poll.held", sh->c->dir) < sizeof(path) &&
	    access(path, F_OK) == 0;
}

enum share_step
share_look(struct share *sh)
{
	struct redisReply	*r;
	char			 key[5][SHARE_KEY], alive[LINK_NAME + 16], fresh[SHARE_WORD];
	const char		*who;
	enum share_step		 step = SHARE_LOST;

	new_word(fresh);
	snprintf(alive, sizeof(alive), "alive:%s", sh->conf->name);
	sh->held = share_held(sh);
	r = link_ask(sh->w, "EVALSHA", sh->look, "5", share_key(key[0], sh->conf, "epoch"),
	    share_key(key[1], sh->conf, "log"), share_key(key[2], sh->conf, "sent"),
	    share_key(key[3], sh->conf, alive), share_key(key[4], sh->conf, "held"), fresh,
	    sh->conf->name, sh->id, ALIVE, sh->held ? "1" : "0", LINK_END);
	if (r == NULL)
		return SHARE_LOST;
	who = link_str(link_at(r, 3), NULL);
	if (link_count(r) == 4 && strcmp(who, sh->id) != 0) {
		warnx("%s: another store calls itself \"%s\", or did within a minute (share_name)",
		    sh->conf->url, sh->conf->name);
		sh->status = EX_TEMPFAIL;
	} else if (text_copy(sh->end, sizeof(sh->end), link_str(link_at(r, 1), NULL)) &&
	    sh->end[0] != '\0')
		step = compare(sh, link_str(link_at(r, 0), NULL),
		    strtoll(link_str(link_at(r, 2), NULL), NULL, 10));
	link_free(r);
	sh->looked = when_ms();
	return step;
}

static bool
load_script(struct share *sh, const char *script, char out[SHARE_WORD])
{
	struct redisReply	*r = link_ask(sh->w, "SCRIPT", "LOAD", script, LINK_END);
	bool			 good = r != NULL &&
				    text_copy(out, SHARE_WORD, link_str(r, NULL));

	link_free(r);
	return good;
}

bool
share_scripts(struct share *sh)
{
	return load_script(sh, tell_script, sh->tell) && load_script(sh, look_script, sh->look);
}
