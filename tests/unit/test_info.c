/* What is read of Redis' INFO, and what is not. */
#include <stdio.h>
#include <string.h>

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

int
main(void)
{
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
	return check_done();
}
