/*
 * What one decision costs without JSON, beside an empty loop: bench/policy runs
 * it.  usage: policy_eval RULES COUNT < RECORDS.  The NAS is in 10.N.0.0/16 and the
 * SSID net-N for N = 0 .. 59, as in the records of bench/policy.  And what reading a
 * record and writing a decision cost, with no rule asked.
 */
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "device/record_scan.h"
#include "policy/policy.h"

#define CLIENTS	60
#define RECORDS	10000	/* kept in memory for json() */
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

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* ns to scan a record and to write a decision, n times over the first records of
 * standard input. */
static void
json(const struct decision *d, long n, double *scan, double *print)
{
	static struct identity	 id;
	static struct session	 session;
	static struct answer	 answer;
	static char		*line[RECORDS];
	static ssize_t		 len[RECORDS];
	struct record_gap	 gap;
	struct jsonw		 w;
	char			 text[16384];
	size_t			 size;
	long			 i, lines = 0;
	double			 start;

	for (; lines < RECORDS; lines++) {
		size = 0;
		if ((len[lines] = getline(&line[lines], &size, stdin)) <= 0)
			break;
	}
	if (lines == 0)
		errx(65, "no records");
	start = seconds();
	for (i = 0; i < n; i++)
		if (!record_scan(line[i % lines], (size_t)len[i % lines] - 1, &id, &session, &answer,
		    &gap))
			errx(65, "a record that is not scanned");
	*scan = (seconds() - start) / (double)n * 1e9;
	start = seconds();
	for (i = 0; i < n; i++) {
		jw_init(&w, text, sizeof(text));
		jw_object(&w, NULL);
		decision_write(&w, d, NOW);
		if (jw_done(&w) == NULL)
			errx(70, "a decision that is too large");
	}
	*print = (seconds() - start) / (double)n * 1e9;
	for (i = 0; i < RECORDS; i++)
		free(line[i]);
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
	double			 start, empty, full, scan, print;
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
	json(&d, n, &scan, &print);
	printf("%.1f %.1f %.1f %.1f\n", full / (double)n * 1e9, empty / (double)n * 1e9, scan, print);
	policy_free(p);
	return 0;
}
