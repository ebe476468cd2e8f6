/*
 * A line of a guard's window, which may be another server's: whatever is taken is a
 * run's count, and what is not changes nothing.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/when.h"
#include "store/guard.h"

#define NOW	1767312000
#define MINE	"{\"time\":\"2026-01-02T00:00:00Z\",\"asked\":1,\"changed\":1," \
		"\"site\":{\"a\":[1,1]},\"nas\":{\"b\":[1,1]}}"

int	 LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static enum guard_verdict
judge(struct guard *g, char why[GUARD_WHY])
{
	enum guard_verdict	 verdict = guard_judge(g, why);

	if (verdict == GUARD_HOLD_ALL || (verdict == GUARD_PASS) != (why[0] == '\0'))
		abort();
	return verdict;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const struct guard_limits	 limits = { .share = 30, .site_share = 50,
		    .nas_share = 50, .least = 2, .clock = 86400, .window = 7200, .clients = 1000 };
	static const struct session		 s = { .nas_id = "a", .nas_ip = "b" };
	struct guard	*g = guard_new(&limits, NOW);
	char		 why[GUARD_WHY], *line;
	bool		 good;

	guard_asked(g, &s);
	guard_changed(g, &s);
	line = guard_line(g);
	if (strcmp(line, MINE) != 0 || judge(g, why) != GUARD_PASS)
		abort();
	good = guard_take(g, "x/poll/1", (const char *)data, len, NOW - 1);
	if (judge(g, why) != GUARD_PASS && !good)
		abort();
	/* In its place is our own: two changes, as many as it takes. */
	if (!guard_take(g, "x/poll/1", line, strlen(line), NOW - 1) || judge(g, why) != GUARD_HOLD ||
	    strncmp(why, "2 of 2 ", 7) != 0)
		abort();
	guard_forget(g, NOW);
	if (judge(g, why) != GUARD_PASS)
		abort();
	free(line);
	guard_free(g);
	return 0;
}
