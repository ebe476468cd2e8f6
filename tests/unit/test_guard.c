/* What other servers have counted, as the guard takes it in. */
#include <stdlib.h>
#include <string.h>

#include "store/guard.h"
#include "check.h"

#define NOW	1767312000
#define RUN	"{\"time\":\"2020-01-01T00:00:00Z\",\"asked\":15,\"changed\":15," \
		"\"site\":{\"a\":[15,15]},\"nas\":{}}"

static const struct guard_limits	 limits = { .share = 30, .site_share = 50,
	    .nas_share = 50, .least = 20, .clock = 86400, .window = 7200, .clients = 1000 };

/* A guard whose run has changed n clients of site a, of as many or of many. */
static struct guard *
fresh(int n, int asked)
{
	static const struct session	 s = { .nas_id = "a" };
	struct guard			*g = guard_new(&limits, NOW);

	for (; asked > 0; asked--)
		guard_asked(g, &s);
	for (; n > 0; n--)
		guard_changed(g, &s);
	return g;
}

static int
take(struct guard *g, const char *name, const char *line, int64_t when)
{
	return guard_take(g, name, line, strlen(line), when);
}

static void
test_lines(void)
{
	static const char	*const wrong[] = { "", "[]", "{}", RUN ",", RUN RUN,
	    "{\"time\":\"2020-01-01T00:00:00Z\",\"asked\":15,\"changed\":15,\"site\":{}}",
	    "{\"time\":\"2020-01-01T00:00:00Z\",\"asked\":15,\"changed\":15,\"site\":{},\"nas\":[]}",
	    "{\"time\":\"yesterday\",\"asked\":15,\"changed\":15,\"site\":{},\"nas\":{}}",
	    "{\"time\":\"2020-01-01T00:00:00Z\",\"asked\":-1,\"changed\":15,\"site\":{},\"nas\":{}}",
	    "{\"time\":\"2020-01-01T00:00:00Z\",\"asked\":1.5,\"changed\":15,\"site\":{},\"nas\":{}}",
	    "{\"time\":\"2020-01-01T00:00:00Z\",\"asked\":15,\"changed\":4294967296,\"site\":{},\"nas\":{}}",
	    "{\"time\":\"2020-01-01T00:00:00Z\",\"asked\":15,\"changed\":15,\"site\":{\"a\":15},\"nas\":{}}",
	    "{\"time\":\"2020-01-01T00:00:00Z\",\"asked\":15,\"changed\":15,\"site\":{\"a\":[15]},\"nas\":{}}",
	    "{\"time\":\"2020-01-01T00:00:00Z\",\"asked\":15,\"changed\":15,\"site\":{},\"nas\":{},\"x\":1}",
	    "{\"time\":\"2020-01-01T00:00:00Z\",\"asked\":1,\"asked\":1,\"changed\":1,\"site\":{},\"nas\":{}}" };
	struct guard	*g = fresh(5, 5);
	char		 why[GUARD_WHY], *line = guard_line(g);
	size_t		 i;

	for (i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		CHECK(!take(g, "b/poll/1", wrong[i], NOW));
	CHECK(guard_judge(g, why) == GUARD_PASS);
	CHECK(take(g, "b/poll/1", line, NOW));
	CHECK(!take(g, "b/poll/\xff", line, NOW));
	free(line);
	guard_free(g);
}

static void
test_times(void)
{
	struct guard	*g = fresh(5, 5);
	char		 why[GUARD_WHY];

	/* Their own time says nothing. */
	CHECK(!take(g, "b/poll/1", RUN, NOW - limits.window));
	CHECK(guard_judge(g, why) == GUARD_PASS);
	CHECK(take(g, "b/poll/1", RUN, NOW - limits.window + 1));
	CHECK(guard_judge(g, why) == GUARD_HOLD);
	CHECK_STR(why, "20 of 20 clients would change, more than guard_share 30 %, with those of the "
	    "polls before and of other servers");
	guard_forget(g, NOW - limits.window);
	CHECK(guard_judge(g, why) == GUARD_HOLD);
	guard_forget(g, NOW - limits.window + 1);
	CHECK(guard_judge(g, why) == GUARD_PASS);
	/* A part that a stream has begun an hour ago may be told of now. */
	CHECK(take(g, "b/follow/1", RUN, NOW + 3600));
	CHECK(guard_judge(g, why) == GUARD_HOLD);
	guard_free(g);
}

static void
test_names(void)
{
	struct guard	*g = fresh(4, 4);
	char		 why[GUARD_WHY];

	CHECK(take(g, "b/follow/1", RUN, NOW - 2));
	CHECK(take(g, "b/follow/1", RUN, NOW - 1));
	CHECK(guard_judge(g, why) == GUARD_PASS);
	CHECK(take(g, "b/follow/2", RUN, NOW - 1));
	CHECK(guard_judge(g, why) == GUARD_HOLD);
	CHECK(strncmp(why, "34 of 34 ", 9) == 0);
	guard_free(g);

	/* Of all there are too few; of the site there are not. */
	g = fresh(5, 10);
	CHECK(take(g, "b/poll/1", "{\"time\":\"2020-01-01T00:00:00Z\",\"asked\":900,\"changed\":15,"
	    "\"site\":{\"a\":[15,15],\"b\":[885,0]},\"nas\":{}}", NOW));
	CHECK(guard_judge(g, why) == GUARD_HOLD);
	CHECK(strncmp(why, "site a: 20 of 25 ", 17) == 0);
	guard_free(g);
}

int
main(void)
{
	test_lines();
	test_times();
	test_names();
	return check_done();
}
