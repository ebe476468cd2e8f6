/* The fleet's choices of what leaves when, with nothing sent. */
#include <arpa/inet.h>
#include <netinet/in.h>

#include <stdio.h>
#include <string.h>

#include "check.h"
#include "radius/fleet.h"

#define ASKS	200

static struct ask	 asks[ASKS];
static char		 keys[ASKS][16];
static char		 left[ASKS + 1];	/* the last digit of each one's NAS, in order */

/* The request does not leave, but it would have. */
static bool
build(struct ask *ask, uint8_t id, struct packet *out, void *arg)
{
	const struct sockaddr_in	*in = (const struct sockaddr_in *)&ask->addr;
	size_t				 n = strlen(left);

	(void)id;
	(void)out;
	(void)arg;
	left[n] = (char)('0' + (ntohl(in->sin_addr.s_addr) & 7));
	left[n + 1] = '\0';
	return false;
}

static void
done(struct ask *ask, void *arg)
{
	(void)ask;
	(void)arg;
}

/* One ask of each digit in nases, for NAS 127.0.0.DIGIT. */
static void
add(struct fleet *f, const char *nases)
{
	struct sockaddr_in	 in = { .sin_family = AF_INET, .sin_port = htons(1) };
	size_t			 i;

	memset(asks, 0, sizeof(asks));
	left[0] = '\0';
	for (i = 0; nases[i] != '\0'; i++) {
		in.sin_addr.s_addr = htonl(0x7f000000 + (uint32_t)(nases[i] - '0'));
		memcpy(&asks[i].addr, &in, sizeof(in));
		asks[i].addrlen = sizeof(in);
		snprintf(keys[i], sizeof(keys[i]), "%zu", i);
		asks[i].key = keys[i];
		asks[i].secret = "s";
		asks[i].name = "nas";
		fleet_add(f, &asks[i]);
	}
}

/* What leaves at the first look, at one moment of the clock. */
static const char *
at_once(struct fleet_options o, const char *nases)
{
	struct fleet	*f;

	o.jobs = FLEET_JOBS;
	o.nas_jobs = FLEET_NAS_JOBS;
	o.build = build;
	o.done = done;
	o.dropped = done;
	f = fleet_new(&o);
	add(f, nases);
	fleet_run(f, -1, 0);
	fleet_free(f);
	return left;
}

static void
test_rates(void)
{
	CHECK_STR(at_once((struct fleet_options){ 0 }, "111222"), "121212");
	/* Each NAS has a rate of its own ... */
	CHECK_STR(at_once((struct fleet_options){ .nas_rate = 1 }, "111222333"), "123");
	CHECK_STR(at_once((struct fleet_options){ .nas_rate = 1 }, "111"), "1");
	/* ... and all of them one. */
	CHECK_STR(at_once((struct fleet_options){ .rate = 1 }, "111222333"), "1");
	CHECK_STR(at_once((struct fleet_options){ .rate = 1, .nas_rate = 1 }, "123"), "1");
	/* What has not been used is kept for a hundredth of a second. */
	CHECK_STR(at_once((struct fleet_options){ .nas_rate = 200 }, "111112"), "1211");
}

/* Whose waiting time is it that falls into each quarter of the jitter? */
static void
test_jitter(void)
{
	struct fleet_options	 o = { .jitter = 3600, .jobs = FLEET_JOBS, .nas_jobs = 1,
				     .build = build, .done = done, .dropped = done };
	struct fleet		*f = fleet_new(&o);
	char			 nases[ASKS + 1];
	size_t			 quarter[4] = { 0 }, i, outside = 0;
	int64_t			 before, after;

	memset(nases, '1', ASKS);
	nases[ASKS] = '\0';
	before = fleet_clock();
	add(f, nases);
	after = fleet_clock();
	for (i = 0; i < ASKS; i++) {
		outside += asks[i].due < before || asks[i].due > after + 3600 * 1000;
		quarter[(asks[i].due - before) / (900 * 1000) & 3]++;
	}
	CHECK(outside == 0);
	/* Of 200, fewer than 10 in a quarter come up once in 10^15 times. */
	for (i = 0; i < 4; i++)
		CHECK(quarter[i] >= 10);
	fleet_free(f);
}

int
main(void)
{
	test_rates();
	test_jitter();
	return check_done();
}
