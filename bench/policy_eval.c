/*
 * What one decision costs without JSON, beside an empty loop: bench/policy runs
 * it.  usage: policy_eval RULES COUNT.  The NAS is in 10.N.0.0/16 and the SSID
 * net-N for N = 0 .. 59, as in the records of bench/policy.
 */
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "policy/policy.h"

#define CLIENTS	60
#define NOW	1795249800

static void
complain(void *arg, const char *message)
{
	(void)arg;
	warnx("%s", message);
}

static double
seconds(void)
{
	struct timespec	 t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

int
main(int argc, char **argv)
{
	static struct identity	 id = { .has_mac = true, .eap = EAP_TLS };
	static struct session	 session[CLIENTS];
	static struct answer	 answer = { .state = COMPLIANCE_COMPLIANT,
	    .matched_by = MATCH_GUID, .source = SOURCE_CACHE, .checked = NOW - 1800,
	    .has_device = true };
	static struct decision	 d;
	struct facts		 f = { &id, NULL, &answer, NOW };
	struct policy		*p;
	volatile long		 sum = 0;
	double			 start, empty, full;
	long			 n, i;

	if (argc != 3 || (n = atol(argv[2])) < 1)
		errx(64, "usage: policy_eval RULES COUNT");
	if ((p = policy_load(argv[1], complain, NULL)) == NULL)
		return 78;
	for (i = 0; i < CLIENTS; i++) {
		snprintf(session[i].nas_ip, sizeof(session[i].nas_ip), "10.%ld.3.4", i);
		snprintf(session[i].ssid, sizeof(session[i].ssid), "net-%ld", i);
	}
	start = seconds();
	for (i = 0; i < n; i++)
		sum += i;
	empty = seconds() - start;
	start = seconds();
	for (i = 0; i < n; i++) {
		f.session = &session[i % CLIENTS];
		policy_decide(p, &f, &d);
		sum += d.line;
	}
	full = seconds() - start;
	printf("%.1f %.1f\n", full / (double)n * 1e9, empty / (double)n * 1e9);
	policy_free(p);
	return 0;
}
