/* What is read of Redis' INFO, and what is not; and how often all is told again. */
#include <stdio.h>
#include <string.h>

#include "store/share.h"
#include "store/share_info.h"
#include "check.h"

static struct share_info	 info;
static const char		*why;

static bool
parse(const char *text)
{
	info = SHARE_INFO_NONE;
	why = "";
	return share_info_parse(text, strlen(text), &info, &why);
}

/* Redis loses all at each look, for a day: how often it is told again. */
static int
mends(void)
{
	struct mending	 m = { 0, 0 };
	int64_t		 now;
	int		 n = 0;

	for (now = 1000; now < 86400000; now += LOOK_MS)
		n += share_may_mend(&m, now);
	return n;
}

int
main(void)
{
	struct mending	 m = { 0, 0 };
	static char	 text[INFO_MAX + 2];

	CHECK(parse("# Memory\r\nmaxmemory:100\r\nmaxmemory_human:x\r\nmaxmemory_policy:allkeys-lru\r\n"));
	CHECK(info.maxmemory == 100 && info.evicted == -1);
	CHECK(strcmp(info.policy, "allkeys-lru") == 0 && share_info_evicts(&info));
	/* The other section adds to that. */
	CHECK(share_info_parse("evicted_keys:7", 14, &info, &why) && info.evicted == 7);
	CHECK(!share_info_parse("evicted_keys:7", 14, &info, &why));
	CHECK(strcmp(why, "a number is there twice") == 0);
	CHECK(parse("maxmemory:100\nmaxmemory_policy:noeviction\n") && !share_info_evicts(&info));
	CHECK(parse("maxmemory:0\nmaxmemory_policy:allkeys-lru\n") && !share_info_evicts(&info));
	CHECK(parse("maxmemory:100\n") && !share_info_evicts(&info));
	CHECK(parse("") && parse("maxmemory") && parse("xmaxmemory:x\n") && info.maxmemory == -1);
	CHECK(!parse("maxmemory:-1") && !parse("maxmemory:") && !parse("maxmemory:1x"));
	CHECK(!parse("maxmemory: 1") && !parse("evicted_keys:9223372036854775808"));
	CHECK(!parse("maxmemory_policy:\n") && !parse("maxmemory_policy:no eviction"));
	CHECK(!parse("maxmemory_policy:abcdefghijklmnopqrstuvwxyzabcdef"));
	memset(text, 'x', INFO_MAX + 1);
	CHECK(!parse(text));
	text[INFO_MAX] = '\0';
	CHECK(parse(text));
	CHECK(share_may_mend(&m, 100) && !share_may_mend(&m, 100 + MEND_MS - 1));
	CHECK(share_may_mend(&m, 100 + MEND_MS) && !share_may_mend(&m, 100 + 2 * MEND_MS));
	/* A long time later it is another loss. */
	CHECK(share_may_mend(&m, MEND_MAX_MS) && share_may_mend(&m, MEND_MAX_MS + MEND_MS));
	CHECK(mends() < 24 + 12);
	return check_done();
}
