/*
 * nac-cache renew: keeps the work that this server has taken its own for as long as
 * the poll takes, which holds the other end of our standard input.  A poll that dies
 * lets go of that, and what it had is another's a lease later.
 */
#include <err.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/cli.h"
#include "base/when.h"
#include "store/share.h"
#include "store/share_work.h"

/*
 * Renews some of what is pending with a server.  KEYS: work.  ARGV: server, where to
 * begin.  Answers with where to go on, or "".
 */
static const char	 renew_script[] =
    "local p=redis.pcall('XPENDING',KEYS[1],'" WORK_GROUP "',ARGV[2],'+',500,ARGV[1]) "
    "if p.err or #p==0 then return '' end "
    "local a={'XCLAIM',KEYS[1],'" WORK_GROUP "',ARGV[1],0} "
    "for i=1,#p do a[#a+1]=p[i][1] end a[#a+1]='JUSTID' "
    "redis.call(unpack(a)) "
    "return '('..p[#p][1]";

static bool
renew(struct link *l, const struct share_conf *conf)
{
	struct redisReply	*r;
	char			 work[SHARE_KEY], from[SHARE_WORD] = "-";

	share_key(work, conf, "work");
	while (from[0] != '\0') {
		r = link_ask(l, "EVAL", renew_script, "1", work, conf->name, from, LINK_END);
		if (r == NULL)
			return false;
		snprintf(from, sizeof(from), "%.60s", link_str(r, NULL));
		link_free(r);
	}
	return true;
}

/* Waits until then; false: the other end is gone. */
static bool
wait_until(int64_t then)
{
	struct pollfd	 p = { STDIN_FILENO, POLLIN, 0 };
	char		 buf[512];
	int64_t		 left;

	while ((left = then - when_ms()) > 0) {
		if (poll(&p, 1, left < 60000 ? (int)left : 60000) == -1 && errno != EINTR)
			return false;
		if (p.revents != 0 && read(STDIN_FILENO, buf, sizeof(buf)) <= 0)
			return false;
		p.revents = 0;
	}
	return true;
}

int
cache_renew(struct cache *c)
{
	char		 why[LINK_WHY];
	struct link	*l = NULL;
	int64_t		 every;
	int		 status;

	if (c->share == NULL) {
		warnx("there is no share_url in nac.conf(5)");
		return EX_CONFIG;
	}
	every = c->share->lease * 1000 / 3;
	while (wait_until(when_ms() + every)) {
		/* share tells of an outage; here the next time is another try. */
		if (l == NULL)
			l = link_open(c->share, why, &status);
		if (l != NULL && !renew(l, c->share)) {
			link_close(l);
			l = NULL;
		}
	}
	link_close(l);
	return STATUS_OK;
}
