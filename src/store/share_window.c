#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/cli.h"
#include "base/when.h"
#include "store/share_window.h"

#define BYTES_MAX	"33554432"	/* of others' runs, in one answer */
#define AHEAD_MS	"300000"	/* told later than this: Redis' clock was ahead */

/*
 * KEYS: window, when.  ARGV: server, name of the run, its counts or "", window in ms,
 * until when the others' are known, most runs.  Answers with the time, the age of the
 * last word to forget or -1, and of each run of another server, the newest first, its
 * name, age and counts.
 *
 * Others may have a longer window than ours: ours is not yet time to remove.
 */
static const char	 exchange_script[] =
    "local t=redis.call('TIME') local now=t[1]*1000+math.floor(t[2]/1000) "
    "local span,last=tonumber(ARGV[4]),tonumber(ARGV[5]) "
    "local all=redis.call('ZREVRANGEBYSCORE',KEYS[2],now+" AHEAD_MS ",math.max(now-span,last),"
    " 'WITHSCORES','LIMIT',0,ARGV[6]) "
    "local out,n,own={now,-1},0,ARGV[1]..'/' "
    "for i=1,#all,2 do local f,age=all[i],now-tonumber(all[i+1]) "
    " if f=='' then out[2]=math.max(0,age) break end "
    " if string.sub(f,1,#own)~=own then age=math.max(0,age) local v=redis.call('HGET',KEYS[1],f) "
    "  if v then n=n+#v if n>" BYTES_MAX " then break end "
    "   out[#out+1]=f out[#out+1]=age out[#out+1]=v end end end "
    "if ARGV[3]=='' or (last>0 and out[2]>=0) then return out end "
    "for _,r in ipairs({{'-inf','('..(now-2*span)},{'('..(now+" AHEAD_MS "),'+inf'}}) do "
    " for _,f in ipairs(redis.call('ZRANGEBYSCORE',KEYS[2],r[1],r[2],'LIMIT',0,ARGV[6])) do "
    "  redis.call('HDEL',KEYS[1],f) redis.call('ZREM',KEYS[2],f) end end "
    "redis.call('HSET',KEYS[1],ARGV[2],ARGV[3]) redis.call('ZADD',KEYS[2],now,ARGV[2]) "
    "for i=1,2 do redis.call('PEXPIRE',KEYS[i],2*span) end "
    "return out";

/* KEYS: window, when.  ARGV: window in ms. */
static const char	 forget_script[] =
    "local t=redis.call('TIME') redis.call('DEL',KEYS[1],KEYS[2]) "
    "redis.call('ZADD',KEYS[2],t[1]*1000+math.floor(t[2]/1000),'') "
    "redis.call('PEXPIRE',KEYS[2],2*ARGV[1]) return 1";

static const char *
kind(const struct cache *c)
{
	return c->stream ? "follow" : "poll";
}

void
share_window_begin(struct share_window *w, struct cache *c, int64_t now)
{
	w->c = c;
	w->last = 0;
	if (c->share != NULL)
		snprintf(w->name, sizeof(w->name), "%s/%s/%lld.%d", c->share->name, kind(c),
		    (long long)now, (int)getpid());
}

void
share_window_close(struct share_window *w)
{
	work_close(w->work);
}

/* Once an outage, unless `due` or `share` has said so already. */
static void
say_away(struct share_window *w, const char *why)
{
	char	 since[SHARE_WORD];

	if (!w->away && (share_get(w->c->store, "share.away", since) != STORE_FOUND ||
	    since[0] == '\0'))
		warnx("%s: changes are weighed with those of this server alone", why);
	w->away = true;
}

static struct redisReply *
ask(struct share_window *w, struct link *l, const char *counts)
{
	const struct share_conf	*conf = w->c->share;
	char			 key[2][SHARE_KEY], span[24], last[24], most[24];

	snprintf(span, sizeof(span), "%lld", (long long)w->c->poll_interval * 1000);
	snprintf(last, sizeof(last), "%lld", (long long)w->last);
	snprintf(most, sizeof(most), "%d", GUARD_RUNS);
	return link_ask(l, "EVAL", exchange_script, "2", share_key(key[0], conf, "window"),
	    share_key(key[1], conf, "window:when"), conf->name, w->name, counts, span, last, most,
	    LINK_END);
}

/* A run of another server: its name says of which kind. */
static void
take(const struct share_window *w, struct scales *g, const struct redisReply *r, size_t i, int64_t now)
{
	const char	*name = link_str(link_at(r, i), NULL), *slash = strchr(name, '/'), *line;
	size_t		 len, n = strlen(kind(w->c));
	int64_t		 age = link_int(link_at(r, i + 1)) / 1000;

	line = link_str(link_at(r, i + 2), &len);
	if (slash == NULL || age < 0)
		return;
	if (strncmp(slash + 1, kind(w->c), n) == 0 && slash[1 + n] == '/')
		guard_take(g->of[SCALE_SHARED_OWN], name, line, len, now - age);
	guard_take(g->of[SCALE_SHARED_ALL], name, line, len, now - age);
}

static bool
take_all(struct share_window *w, struct scales *g, const struct redisReply *r)
{
	int64_t	 now = w->c->now != 0 ? w->c->now : when_now();
	int64_t	 forgot = link_kind(r) == LINK_LIST && link_count(r) >= 2 ?
		    link_int(link_at(r, 1)) : -1;
	size_t	 i;

	if (forgot >= 0 && w->last > 0)
		return false;
	for (i = 0; forgot >= 0 && i < g->n; i++)
		guard_forget(g->of[i], now - forgot / 1000);
	for (i = link_count(r); i >= 5; i -= 3)
		take(w, g, r, i - 3, now);
	w->last = link_int(link_at(r, 0));
	return true;
}

bool
share_window_exchange(struct share_window *w, struct scales *g)
{
	const struct guard	*own = g->of[SCALE_OWN];
	struct redisReply	*r;
	struct link		*l;
	char			 why[LINK_WHY + GUARD_WHY] = "", *counts = NULL;
	bool			 good;

	if (g->n < SCALES || guard_clock_is_wrong(own, why))
		return true;
	if ((l = work_link(w->c, &w->work, why)) == NULL) {
		if (why[0] != '\0')
			say_away(w, why);
		return true;
	}
	if (!w->c->dry_run && guard_count_asked(own) > 0)
		counts = guard_line(own);
	r = ask(w, l, counts != NULL ? counts : "");
	free(counts);
	if (r == NULL) {
		snprintf(why, sizeof(why), "%.200s: %.300s", w->c->share->url, link_why(l));
		work_lost(w->work);
		say_away(w, why);
		return true;
	}
	w->away = false;
	good = take_all(w, g, r);
	link_free(r);
	return good;
}

int
share_window_forget(struct cache *c)
{
	char			 key[2][SHARE_KEY], span[24], why[LINK_WHY];
	struct redisReply	*r = NULL;
	struct link		*l;
	int			 status = STATUS_OK;

	if (c->share == NULL)
		return STATUS_OK;
	snprintf(span, sizeof(span), "%lld", (long long)c->poll_interval * 1000);
	if ((l = link_open(c->share, why, &status)) != NULL && (r = link_ask(l, "EVAL",
	    forget_script, "2", share_key(key[0], c->share, "window"),
	    share_key(key[1], c->share, "window:when"), span, LINK_END)) == NULL) {
		snprintf(why, sizeof(why), "%.200s: %.300s", c->share->url, link_why(l));
		status = link_status(l);
	}
	if (r == NULL)
		warnx("%s: the other servers still count what was before", why);
	link_free(r);
	link_close(l);
	return status;
}
