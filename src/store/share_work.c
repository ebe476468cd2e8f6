#include <err.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "base/cli.h"
#include "base/text.h"
#include "base/when.h"
#include "store/share.h"
#include "store/share_work.h"

#define GROUP		WORK_GROUP
#define PER_SCRIPT	500
#define RETRY_MS	10000	/* between two tries of work_link() to connect */

/* An offer whose entry is gone, since Redis has evicted that key, is none.  Who is being
 * looked up is none either, but by this server: whether its --follow still lives, which
 * has claimed it, it does not know, and if not no other would ask.
 * KEYS: work, offered.  ARGV: prefix of asked, server, clients. */
static const char	 offer_script[] =
    "for i=3,#ARGV do local c=ARGV[i] local by=redis.call('GET',ARGV[1]..c) "
    " local e=redis.call('HGET',KEYS[2],c) "
    " if e and #redis.call('XRANGE',KEYS[1],e,e)==0 then e=nil end "
    " if not e and (not by or by==ARGV[2]) then "
    "  redis.call('HSET',KEYS[2],c,redis.call('XADD',KEYS[1],'*','c',c)) end "
    "end return 1";

/* KEYS: work, offered.  ARGV: entry and client of each that is done. */
static const char	 done_script[] =
    "for i=1,#ARGV,2 do local e,c=ARGV[i],ARGV[i+1] "
    " redis.call('XACK',KEYS[1],'" GROUP "',e) redis.call('XDEL',KEYS[1],e) "
    " if redis.call('HGET',KEYS[2],c)==e then redis.call('HDEL',KEYS[2],c) end "
    "end return 1";

/*
 * How much of what nobody has taken is ours: as much as makes all that we have an
 * equal part, with all pollers that have come of late.  What has lain for as long as
 * the lease is anybody's.
 * KEYS: work, pollers.  ARGV: server, lease in ms.
 */
static const char	 part_script[] =
    "local t=redis.call('TIME') local now=t[1]*1000+math.floor(t[2]/1000) "
    "local lease=tonumber(ARGV[2]) "
    "redis.call('HSET',KEYS[2],ARGV[1],now) "
    "local all,n=redis.call('HGETALL',KEYS[2]),0 "
    "for i=1,#all,2 do "
    " if now-tonumber(all[i+1])<=2*lease then n=n+1 "
    " else redis.call('HDEL',KEYS[2],all[i]) end end "
    "local g=redis.call('XINFO','GROUPS',KEYS[1])[1] local last='0-0' "
    "for i=1,#g,2 do if g[i]=='last-delivered-id' then last=g[i+1] end end "
    "local first=redis.call('XRANGE',KEYS[1],'('..last,'+','COUNT',1)[1] "
    "if not first then return 0 end "
    "local len,p=redis.call('XLEN',KEYS[1]),redis.call('XPENDING',KEYS[1],'" GROUP "') "
    "local left,mine=len-p[1],0 "
    "for _,c in ipairs(p[4] or {}) do if c[1]==ARGV[1] then mine=tonumber(c[2]) end end "
    "local age=now-tonumber(string.match(first[1],'^%d+')) "
    "if age>lease then return left end "
    "return math.max(0,math.min(left,math.ceil(len/n)-mine))";

/*
 * A client is to be looked up by ARGV[1], which takes up to ARGV[2] seconds, unless
 * another server does so, or has it of its poll: as long as that runs, it is renewed
 * each third of the lease (ARGV[3], ms).  KEYS: asked, offered, work.  ARGV[4]: client.
 */
static const char	 claim_script[] =
    "local a=redis.call('GET',KEYS[1]) "
    "if a and a~=ARGV[1] then return 0 end "
    "local e=redis.call('HGET',KEYS[2],ARGV[4]) "
    "if e then local p=redis.pcall('XPENDING',KEYS[3],'" GROUP "',e,e,1) "
    " if not p.err and p[1] and p[1][2]~=ARGV[1] and p[1][3]<ARGV[3]/2 then return 0 end end "
    "if not a then redis.call('SET',KEYS[1],ARGV[1],'EX',ARGV[2]) end "
    "return 1";

/* KEYS: held. */
static const char	 held_script[] =
    "local t=redis.call('TIME') local now=t[1]*1000+math.floor(t[2]/1000) "
    "for _,v in ipairs(redis.call('HVALS',KEYS[1])) do "
    " if tonumber(v)>now then return 1 end end return 0";

struct work {
	const struct share_conf	*conf;
	struct link		*l;
	int64_t			 retry;		/* ms; of work_link() */
	char			**offer;
	size_t			 n, room;
	char			 work[SHARE_KEY], offered[SHARE_KEY];
	/* done, not yet told: entry and client in turn */
	char			*done[2 * PER_SCRIPT];
	size_t			 ndone;
	work_fn			 fn;
	void			*arg;
};

static struct work *
new_work(const struct share_conf *conf)
{
	struct work	*w = calloc(1, sizeof(*w));

	if (w == NULL)
		err(EX_OSERR, NULL);
	w->conf = conf;
	share_key(w->work, conf, "work");
	share_key(w->offered, conf, "offered");
	return w;
}

void
work_close(struct work *w)
{
	if (w == NULL)
		return;
	link_close(w->l);
	while (w->n > 0)
		free(w->offer[--w->n]);
	while (w->ndone > 0)
		free(w->done[--w->ndone]);
	free(w->offer);
	free(w);
}

/* Since when Redis is away, as share has written it down, or we do now. */
static int64_t
away_since(struct cache *c)
{
	char	 text[SHARE_WORD];
	int64_t	 now = when_now();

	if (share_get(c->store, "share.away", text) == STORE_FOUND && text[0] != '\0')
		return strtoll(text, NULL, 10);
	snprintf(text, sizeof(text), "%lld", (long long)now);
	share_put(c->store, "share.away", text);
	return now;
}

enum work_mode
work_open(struct cache *c, struct work **out, int *status)
{
	char	 why[LINK_WHY], text[SHARE_WORD], ago[32];
	int64_t	 away;

	*out = NULL;
	if (c->share == NULL)
		return WORK_ALL;
	*out = new_work(c->share);
	if (((*out)->l = link_open(c->share, why, status)) != NULL) {
		if (share_get(c->store, "share.away", text) == STORE_FOUND)
			share_put(c->store, "share.away", "");
		return WORK_SHARED;
	}
	work_close(*out);
	*out = NULL;
	away = when_now() - away_since(c);
	when_ago(ago, sizeof(ago), away);
	if (away >= c->share->patience) {
		warnx("%s (for %s): only the clients of this server are asked about and weighed", why, ago);
		return WORK_OWN;
	}
	warnx("%s (for %s): no work is taken yet (share_patience)", why, ago);
	if (*status == EX_UNAVAILABLE)
		*status = EX_TEMPFAIL;
	return WORK_NONE;
}

void
work_offer(struct work *w, const char *client)
{
	if (w->n == w->room) {
		w->room = w->room > 0 ? 2 * w->room : 1024;
		w->offer = reallocarray(w->offer, w->room, sizeof(*w->offer));
	}
	if (w->offer == NULL || (w->offer[w->n++] = strdup(client)) == NULL)
		err(EX_OSERR, NULL);
}

/* One script over n words, with first before them (NULL: none). */
static bool
run_script(struct work *w, const char *script, const char *asked, char *const arg[], size_t n)
{
	const char		*word[7 + 2 * PER_SCRIPT] = { "EVAL", script, "2", w->work,
				    w->offered, asked, w->conf->name };
	size_t			 len[7 + 2 * PER_SCRIPT], i, k = asked != NULL ? 7 : 5;
	struct redisReply	*r;
	bool			 good;

	for (i = 0; i < n; i++)
		word[k++] = arg[i];
	for (i = 0; i < k; i++)
		len[i] = strlen(word[i]);
	link_add(w->l, k, word, len);
	if (!link_send(w->l) || (r = link_next(w->l, LINK_WAIT_MS)) == NULL)
		return false;
	if (!(good = link_kind(r) != LINK_WRONG))
		link_blame(w->l, r);
	link_free(r);
	return good;
}

static bool
send_offers(struct work *w)
{
	char	 asked[SHARE_KEY];
	size_t	 i, n;

	share_key(asked, w->conf, "asked:");
	for (i = 0; i < w->n; i += n) {
		n = w->n - i < PER_SCRIPT ? w->n - i : PER_SCRIPT;
		if (!run_script(w, offer_script, asked, w->offer + i, n))
			return false;
	}
	return true;
}

static bool
send_done(struct work *w)
{
	bool	 good = w->ndone == 0 || run_script(w, done_script, NULL, w->done, w->ndone);

	while (w->ndone > 0)
		free(w->done[--w->ndone]);
	return good;
}

/* One entry is ours: it is passed on, or done. */
static bool
handle(struct work *w, const struct redisReply *e, bool taken_over)
{
	const char	*id = link_str(link_at(e, 0), NULL);
	const char	*client = link_str(link_at(link_at(e, 1), 1), NULL);

	/* Redis 6.2 gives those that were deleted as nothing. */
	if (id[0] == '\0')
		return true;
	if (client[0] != '\0' && w->fn(client, taken_over, w->arg))
		return true;
	if ((w->done[w->ndone++] = strdup(id)) == NULL ||
	    (w->done[w->ndone++] = strdup(client)) == NULL)
		err(EX_OSERR, NULL);
	return w->ndone < (size_t)2 * PER_SCRIPT || send_done(w);
}

static bool
handle_all(struct work *w, const struct redisReply *list, bool taken_over, char last[SHARE_WORD])
{
	size_t	 i, n = link_count(list);
	bool	 good = true;

	for (i = 0; i < n && good; i++)
		good = handle(w, link_at(list, i), taken_over);
	if (n > 0)
		text_copy(last, SHARE_WORD, link_str(link_at(link_at(list, n - 1), 0), NULL));
	return good;
}

/* What we have taken before: the run that did has ended, whole or not. */
static bool
take_own(struct work *w)
{
	struct redisReply	*r;
	const struct redisReply	*list;
	char			 last[SHARE_WORD] = "0";
	size_t			 n;
	bool			 good;

	do {
		r = link_ask(w->l, "XREADGROUP", "GROUP", GROUP, w->conf->name, "COUNT", "500",
		    "STREAMS", w->work, last, LINK_END);
		if (r == NULL)
			return false;
		list = link_at(link_at(r, 0), 1);
		n = link_count(list);
		good = handle_all(w, list, false, last);
		link_free(r);
	} while (good && n > 0);
	return good;
}

/* What others took and have not done within the lease. */
static bool
take_over(struct work *w)
{
	struct redisReply	*r;
	char			 lease[24], next[SHARE_WORD] = "0-0", last[SHARE_WORD];
	bool			 good;

	snprintf(lease, sizeof(lease), "%lld", (long long)w->conf->lease * 1000);
	do {
		r = link_ask(w->l, "XAUTOCLAIM", w->work, GROUP, w->conf->name, lease, next,
		    "COUNT", "500", LINK_END);
		if (r == NULL)
			return false;
		good = handle_all(w, link_at(r, 1), true, last) &&
		    text_copy(next, sizeof(next), link_str(link_at(r, 0), NULL));
		link_free(r);
	} while (good && next[0] != '\0' && strcmp(next, "0-0") != 0);
	return good;
}

/* Our part of what nobody has taken. */
static bool
take_new(struct work *w)
{
	struct redisReply	*r;
	char			 key[SHARE_KEY], lease[24], count[24], last[SHARE_WORD];
	int64_t			 part, n = 1;
	bool			 good = true;

	snprintf(lease, sizeof(lease), "%lld", (long long)w->conf->lease * 1000);
	r = link_ask(w->l, "EVAL", part_script, "2", w->work, share_key(key, w->conf, "pollers"),
	    w->conf->name, lease, LINK_END);
	if (r == NULL)
		return false;
	part = link_int(r);
	link_free(r);
	for (; good && part > 0 && n > 0; part -= n) {
		snprintf(count, sizeof(count), "%lld", (long long)(part < 500 ? part : 500));
		r = link_ask(w->l, "XREADGROUP", "GROUP", GROUP, w->conf->name, "COUNT", count,
		    "STREAMS", w->work, ">", LINK_END);
		if (r == NULL)
			return false;
		n = (int64_t)link_count(link_at(link_at(r, 0), 1));
		good = handle_all(w, link_at(link_at(r, 0), 1), false, last);
		link_free(r);
	}
	return good;
}

static bool
make_group(struct work *w)
{
	struct redisReply	*r;
	bool			 good = true;

	link_text(w->l, "XGROUP", "CREATE", w->work, GROUP, "0", "MKSTREAM", LINK_END);
	if (!link_send(w->l) || (r = link_next(w->l, LINK_WAIT_MS)) == NULL)
		return false;
	if (link_kind(r) == LINK_WRONG && strncmp(link_str(r, NULL), "BUSYGROUP", 9) != 0) {
		link_blame(w->l, r);
		good = false;
	}
	link_free(r);
	return good;
}

int
work_take(struct work *w, work_fn fn, void *arg)
{
	w->fn = fn;
	w->arg = arg;
	/* First what is old: what is done makes room for a new offer. */
	if (make_group(w) && take_own(w) && take_over(w) && send_done(w) && send_offers(w) &&
	    take_new(w) && send_done(w))
		return STATUS_OK;
	warnx("%s: %s", w->conf->url, link_why(w->l));
	return link_status(w->l) == EX_UNAVAILABLE ? EX_TEMPFAIL : link_status(w->l);
}

struct link *
work_link(struct cache *c, struct work **w, char why[LINK_WHY])
{
	int	 status;

	if (*w == NULL)
		*w = new_work(c->share);
	if ((*w)->l != NULL || when_ms() < (*w)->retry)
		return (*w)->l;
	if (((*w)->l = link_open(c->share, why, &status)) == NULL)
		(*w)->retry = when_ms() + RETRY_MS;
	return (*w)->l;
}

void
work_lost(struct work *w)
{
	link_close(w->l);
	w->l = NULL;
	w->retry = when_ms() + RETRY_MS;
}

/* The number that a script has answered with, or without an answer `none`.  Of an
 * outage share tells. */
static bool
claimed(struct work *w, struct redisReply *r, bool none)
{
	bool	 yes = r != NULL ? link_int(r) != 0 : none;

	link_free(r);
	if (r == NULL)
		work_lost(w);
	return yes;
}

bool
work_claim(struct cache *c, struct work **w, const char *client)
{
	char		 key[SHARE_KEY + CLIENT_ID], prefix[SHARE_KEY], ttl[24], lease[24];
	char		 why[LINK_WHY];
	struct link	*l;

	if (c->share == NULL || (l = work_link(c, w, why)) == NULL)
		return true;
	snprintf(key, sizeof(key), "%s%s", share_key(prefix, c->share, "asked:"), client);
	snprintf(ttl, sizeof(ttl), "%lld", (long long)c->share->look_up);
	snprintf(lease, sizeof(lease), "%lld", (long long)c->share->lease * 1000);
	return claimed(*w, link_ask(l, "EVAL", claim_script, "3", key, (*w)->offered, (*w)->work,
	    c->share->name, ttl, lease, client, LINK_END), true);
}

bool
work_held(struct cache *c, struct work **w)
{
	char		 key[SHARE_KEY], why[LINK_WHY];
	struct link	*l;

	if (c->share == NULL || (l = work_link(c, w, why)) == NULL)
		return false;
	return claimed(*w, link_ask(l, "EVAL", held_script, "1", share_key(key, c->share, "held"),
	    LINK_END), false);
}
