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
 * Counts the entries.  Redis evicts a key whole, and others delete what they like: fewer
 * than there were, and nobody would tell them again, so all servers are let know by
 * another word.  Text, so that both scripts begin with it.
 */
#define COUNT \
    "local function count(whole,dev,client,check) " \
    " local had=redis.call('HMGET',whole,'d','c','lost','n','missing') " \
    " local d,c=redis.call('HLEN',dev),redis.call('HLEN',client) " \
    " local hd,hc=tonumber(had[1]) or 0,tonumber(had[2]) or 0 " \
    " local gone=check and math.max(0,hd-d)+math.max(0,hc-c) or 0 " \
    " if not had[3] or gone>0 then " \
    "  local t=redis.call('TIME') had[3],had[4]=t[1]..'.'..t[2],tostring(gone) " \
    "  redis.call('HSET',whole,'lost',had[3],'n',had[4]) end " \
    " local miss=(tonumber(had[5]) or 0)+gone " \
    " if had[1] then miss=math.max(0,miss-math.max(0,d-hd)-math.max(0,c-hc)) end " \
    " if not had[1] or d~=hd or c~=hc then " \
    "  redis.call('HSET',whole,'d',d,'c',c,'missing',miss) end " \
    " return had[3],had[4] or '0',tostring(miss) end "

/*
 * Tells Redis.  KEYS: epoch, log, dev, client, sent, whole.  ARGV: epoch, server, number
 * of the batch, length of the stream, then op, field and value of each change.
 * What is there counts as long as its order is greater, and not from the future
 * (share_digits() of ten minutes ahead is `far`); the same bytes once more are a
 * batch that was told before a crash.
 */
static const char	 tell_script[] = COUNT
    "if redis.call('GET',KEYS[1])~=ARGV[1] then "
    " return redis.error_reply('NACEPOCH what was shared is gone') end "
    "local far='8'..string.format('%015x',redis.call('TIME')[1]+600) "
    "count(KEYS[6],KEYS[3],KEYS[4],true) "
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
    "count(KEYS[6],KEYS[3],KEYS[4],false) "
    "redis.call('HSET',KEYS[5],ARGV[2],ARGV[3]) "
    "return 1";

/*
 * Is all as it was?  KEYS: epoch, log, sent, alive, held, dev, client, whole.  ARGV: a
 * new epoch, server, id of the store, seconds, 1 when the poll holds changes back.
 * Answers with epoch, the stream's last entry, the number of our last batch, who has our
 * name, of the last loss the word and how much it was, and how much of all is missing.
 */
static const char	 look_script[] = COUNT
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
    "return {e,l[1][1],redis.call('HGET',KEYS[3],ARGV[2]) or '0',a,"
    " count(KEYS[8],KEYS[6],KEYS[7],true)}";

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
	    share_put(s, "share.pos", "") == STORE_ERROR ||
	    share_put(s, "share.whole", "") == STORE_ERROR)
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
	    share_get(s, "share.whole", sh->whole) == STORE_ERROR ||
	    share_get(s, "share.sent", sent) == STORE_ERROR)
		return false;
	sh->sent = strtoll(sent, NULL, 10);
	return true;
}

/* What Redis has said of itself. */
struct state {
	const char	*epoch, *lost;
	int64_t		 sent, gone, missing;
};

static enum store_rc
put_epoch(struct store *s, void *arg)
{
	const struct state	*now = arg;

	if (share_put(s, "share.epoch", now->epoch) == STORE_ERROR ||
	    share_put(s, "share.pos", "") == STORE_ERROR ||
	    share_put(s, "share.whole", now->lost) == STORE_ERROR)
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

bool
share_may_mend(struct mending *m, int64_t now)
{
	if (m->pause != 0 && now - m->last < m->pause)
		return false;
	if (m->pause == 0 || now - m->last >= 4 * m->pause)
		m->pause = MEND_MS;
	else if ((m->pause *= 2) > MEND_MAX_MS)
		m->pause = MEND_MAX_MS;
	m->last = now;
	return true;
}

/* Another Redis, or an empty one. */
static enum share_step
begin(struct share *sh, const struct state *now)
{
	struct store	*s = sh->c->store;
	struct state	 copy = *now;
	bool		 again = sh->epoch[0] != '\0';

	/* In a pause it stays owed; the epoch is taken at once, as nothing can be told
	 * without. */
	sh->owed = again && !share_may_mend(&sh->mending, when_ms());
	if (sh->owed)
		copy.lost = "";
	/* First the marks: a crash in between does it once more. */
	if ((!sh->owed && share_mark_all(s) == STORE_ERROR) ||
	    store_transact(s, put_epoch, &copy) == STORE_ERROR)
		return SHARE_FAULT;
	if (again && !sh->owed)
		warnx("%s: what was shared is gone: everything is told again", sh->conf->url);
	text_copy(sh->epoch, sizeof(sh->epoch), now->epoch);
	text_copy(sh->whole, sizeof(sh->whole), copy.lost);
	sh->pos[0] = '\0';
	sh->sent = now->sent;
	if (!again && now->missing > 0)
		warnx("%s: lacks %lld entr%s that no server has told again yet", sh->conf->url,
		    (long long)now->missing, now->missing == 1 ? "y" : "ies");
	return SHARE_MORE;
}

static void
say_lost(const struct share *sh, int64_t gone)
{
	char	 what[64] = "its count of the entries", keys[64] = "";

	if (sh->owed)
		snprintf(what, sizeof(what), "what it was told last");
	else if (gone > 0)
		snprintf(what, sizeof(what), "%lld entr%s", (long long)gone,
		    gone == 1 ? "y" : "ies");
	if (sh->evicted > 0)
		snprintf(keys, sizeof(keys), " (Redis has evicted %lld key%s)",
		    (long long)sh->evicted, sh->evicted == 1 ? "" : "s");
	warnx("%s: has lost %s%s: everything is told again", sh->conf->url, what, keys);
}

/* Something is missing that no server would tell again by itself. */
static enum share_step
mend(struct share *sh, const struct state *now)
{
	struct store	*s = sh->c->store;

	if (!share_may_mend(&sh->mending, when_ms()))
		return SHARE_MORE;
	if (!share_inform(sh))
		return SHARE_LOST;
	/* Not known before: a store of a version that did not look at this. */
	if (sh->owed || sh->whole[0] != '\0')
		say_lost(sh, now->gone);
	if (share_mark_all(s) == STORE_ERROR || share_put(s, "share.whole", now->lost) == STORE_ERROR)
		return SHARE_FAULT;
	text_copy(sh->whole, sizeof(sh->whole), now->lost);
	sh->owed = false;
	return SHARE_MORE;
}

/* It is an older state of itself.  Not forgotten by a crash, nor in a pause. */
static bool
note_older(struct share *sh)
{
	sh->whole[0] = '\0';
	sh->owed = true;
	return share_put(sh->c->store, "share.whole", "") != STORE_ERROR;
}

enum share_step
share_passed(struct share *sh)
{
	struct redisReply	*r;
	char			 key[SHARE_KEY];
	const char		*first;
	bool			 older;

	r = link_ask(sh->w, "XRANGE", share_key(key, sh->conf, "log"), "-", "+", "COUNT", "1",
	    LINK_END);
	if (r == NULL)
		return SHARE_LOST;
	first = link_str(link_at(link_at(r, 0), 0), NULL);
	/* Trimmed is what comes first. */
	older = first[0] != '\0' && compare_ids(first, sh->pos) < 0;
	link_free(r);
	sh->pos[0] = '\0';
	if ((older && !note_older(sh)) ||
	    share_put(sh->c->store, "share.pos", "") == STORE_ERROR)
		return SHARE_FAULT;
	return SHARE_MORE;
}

/* Redis has another epoch than we know, or less, or more, than we have told. */
static enum share_step
compare(struct share *sh, const struct state *now)
{
	struct store	*s = sh->c->store;
	bool		 back = sh->pos[0] != '\0' && compare_ids(sh->pos, sh->end) > 0;
	char		 number[24];

	if (strcmp(now->epoch, sh->epoch) != 0)
		return begin(sh, now);
	/* It is an older state, and our place in it is of no use; or the store is an older
	 * copy of itself. */
	if (now->sent < sh->sent || back) {
		snprintf(number, sizeof(number), "%lld", (long long)now->sent);
		if (!note_older(sh) || share_put(s, "share.sent", number) == STORE_ERROR ||
		    share_put(s, "share.pos", "") == STORE_ERROR)
			return SHARE_FAULT;
		sh->pos[0] = '\0';
	} else if (now->sent > sh->sent + 1)
		sh->pos[0] = '\0';
	sh->sent = now->sent;
	return strcmp(sh->whole, now->lost) != 0 ? mend(sh, now) : SHARE_MORE;
}

bool
share_held(const struct share *sh)
{
	char	 path[PATH_MAX];

	return (size_t)snprintf(path, sizeof(path), "%s/poll.held", sh->c->dir) < sizeof(path) &&
	    access(path, F_OK) == 0;
}

static struct redisReply *
ask_look(struct share *sh, struct link *l)
{
	char	 key[8][SHARE_KEY], alive[LINK_NAME + 16], fresh[SHARE_WORD];

	new_word(fresh);
	snprintf(alive, sizeof(alive), "alive:%s", sh->conf->name);
	sh->held = share_held(sh);
	sh->looked = when_ms();
	return link_ask(l, "EVALSHA", sh->look, "8", share_key(key[0], sh->conf, "epoch"),
	    share_key(key[1], sh->conf, "log"), share_key(key[2], sh->conf, "sent"),
	    share_key(key[3], sh->conf, alive), share_key(key[4], sh->conf, "held"),
	    share_key(key[5], sh->conf, "dev"), share_key(key[6], sh->conf, "client"),
	    share_key(key[7], sh->conf, "whole"), fresh, sh->conf->name, sh->id, ALIVE,
	    sh->held ? "1" : "0", LINK_END);
}

void
share_stay(struct share *sh)
{
	char		 why[LINK_WHY];
	int		 status;
	struct link	*l;

	if (sh->w == NULL || when_ms() - sh->looked < LOOK_MS)
		return;
	sh->looked = when_ms();
	if ((l = link_open(sh->conf, why, &status)) != NULL)
		link_free(ask_look(sh, l));
	link_close(l);
}

enum share_step
share_look(struct share *sh)
{
	struct redisReply	*r = ask_look(sh, sh->w);
	struct state		 now;
	char			 lost[SHARE_WORD];
	const char		*who;
	enum share_step		 step = SHARE_LOST;

	if (r == NULL)
		return SHARE_LOST;
	who = link_str(link_at(r, 3), NULL);
	now.epoch = link_str(link_at(r, 0), NULL);
	now.sent = strtoll(link_str(link_at(r, 2), NULL), NULL, 10);
	/* Whatever stands there, it is another word than before, or not. */
	text_copy(lost, sizeof(lost), link_str(link_at(r, 4), NULL));
	now.lost = lost;
	now.gone = strtoll(link_str(link_at(r, 5), NULL), NULL, 10);
	now.missing = strtoll(link_str(link_at(r, 6), NULL), NULL, 10);
	if (link_count(r) == 7 && strcmp(who, sh->id) != 0) {
		warnx("%s: another store calls itself \"%s\", or did within a minute (share_name)",
		    sh->conf->url, sh->conf->name);
		sh->status = EX_TEMPFAIL;
	} else if (text_copy(sh->end, sizeof(sh->end), link_str(link_at(r, 1), NULL)) &&
	    sh->end[0] != '\0')
		step = compare(sh, &now);
	link_free(r);
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
