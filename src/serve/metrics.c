#include <err.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "base/cli.h"
#include "base/text.h"
#include "serve/metrics.h"

typedef _Atomic uint64_t	counter;

/* Upper bounds in microseconds; an answer takes some 50, a frozen disk seconds. */
static const uint64_t	 bounds[] = { 50, 100, 250, 500, 1000, 2500, 10000, 100000, 1000000 };
#define BOUNDS		(sizeof(bounds) / sizeof(bounds[0]))

/* HTTP statuses that we give. */
static const int	 statuses[] = { 200, 400, 401, 403, 405, 413, 415, 500, 503 };
#define STATUSES	(sizeof(statuses) / sizeof(statuses[0]))

static const struct {
	const char	*name;
	int64_t		 below;		/* seconds */
} ages[] = {
	{ "15m", 900 }, { "2h", 7200 }, { "1d", 86400 }, { "1w", 604800 },
	{ "older", INT64_MAX }, { "never", 0 },
};
#define AGES		(sizeof(ages) / sizeof(ages[0]))

/* Rules files have a few dozen rules; each reload may bring other ones. */
#define RULES_MAX	2048

struct rule_count {
	char		*file;		/* NULL: no rule matched */
	char		*name;
	int		 line;
	bool		 accept;
	uint64_t	 n;
};

struct metrics {
	counter		 requests[ENDPOINT_COUNT][STATUSES];
	counter		 duration[ENDPOINT_COUNT][BOUNDS + 1];
	counter		 duration_us[ENDPOINT_COUNT];
	counter		 state[COMPLIANCE_COUNT][2];
	counter		 age[AGES];
	counter		 found, missed, failed;	/* look-ups */
	counter		 fallback[2];
	counter		 journal[2];
	counter		 acct[ACCT_OFF + 1];

	pthread_mutex_t	 lock;
	size_t		 nrules;
	struct rule_count rules[RULES_MAX];
};

static const char *const	 endpoint_names[ENDPOINT_COUNT] = {
	[ENDPOINT_AUTHORIZE] = "/freeradius/authorize",
	[ENDPOINT_POST_AUTH] = "/freeradius/post-auth",
	[ENDPOINT_ACCOUNTING] = "/freeradius/accounting",
	[ENDPOINT_DECIDE] = "/decide",
	[ENDPOINT_SMALLSTEP] = "/smallstep",
	[ENDPOINT_HEALTHZ] = "/healthz",
	[ENDPOINT_METRICS] = "/metrics",
	[ENDPOINT_OTHER] = "other",
};

const char *
endpoint_name(enum endpoint e)
{
	return endpoint_names[e];
}

struct metrics *
metrics_new(void)
{
	struct metrics	*m;

	if ((m = calloc(1, sizeof(*m))) == NULL)
		err(EX_OSERR, NULL);
	pthread_mutex_init(&m->lock, NULL);
	return m;
}

void
metrics_free(struct metrics *m)
{
	while (m->nrules > 0) {
		free(m->rules[--m->nrules].file);
		free(m->rules[m->nrules].name);
	}
	pthread_mutex_destroy(&m->lock);
	free(m);
}

static void
count(counter *c)
{
	atomic_fetch_add_explicit(c, 1, memory_order_relaxed);
}

static uint64_t
read_of(counter *c)
{
	return atomic_load_explicit(c, memory_order_relaxed);
}

void
metrics_request(struct metrics *m, enum endpoint e, int status, uint64_t us)
{
	size_t	 i;

	for (i = 0; i < STATUSES - 1 && statuses[i] != status; i++)
		;
	count(&m->requests[e][i]);
	for (i = 0; i < BOUNDS && us > bounds[i]; i++)
		;
	count(&m->duration[e][i]);
	atomic_fetch_add_explicit(&m->duration_us[e], us, memory_order_relaxed);
}

static bool
is_rule(const struct rule_count *r, const struct decision *d, bool accept)
{
	if (r->line != d->line || r->accept != accept || (r->file == NULL) != (d->file == NULL))
		return false;
	return r->file == NULL || (strcmp(r->file, d->file) == 0 &&
	    strcmp(r->name, d->name != NULL ? d->name : "") == 0);
}

/* A new one behind the others; NULL when there is no room. */
static struct rule_count *
add_rule(struct metrics *m, const struct decision *d, bool accept)
{
	struct rule_count	*r = &m->rules[m->nrules];

	if (m->nrules == RULES_MAX)
		return NULL;
	*r = (struct rule_count){ .line = d->line, .accept = accept };
	if (d->file != NULL && ((r->file = strdup(d->file)) == NULL ||
	    (r->name = strdup(d->name != NULL ? d->name : "")) == NULL)) {
		free(r->file);
		return NULL;
	}
	m->nrules++;
	return r;
}

static void
count_rule(struct metrics *m, const struct hook *h)
{
	struct rule_count	*r = NULL;
	size_t			 i;

	pthread_mutex_lock(&m->lock);
	for (i = 0; i < m->nrules && r == NULL; i++)
		if (is_rule(&m->rules[i], &h->decision, h->accept))
			r = &m->rules[i];
	if (r != NULL || (r = add_rule(m, &h->decision, h->accept)) != NULL)
		r->n++;
	pthread_mutex_unlock(&m->lock);
}

static size_t
age_of(const struct answer *a, int64_t now)
{
	size_t	 i;

	if (a->checked <= 0)
		return AGES - 1;
	for (i = 0; i < AGES - 2 && now - a->checked >= ages[i].below; i++)
		;
	return i;
}

void
metrics_decision(struct metrics *m, const struct hook *h, int64_t now)
{
	if (h->error[0] != '\0')
		count(&m->fallback[h->accept]);
	else
		count_rule(m, h);
	if (!h->looked_up) {
		count(&m->failed);
		return;
	}
	count(h->answer.state == COMPLIANCE_PENDING ? &m->missed : &m->found);
	count(&m->state[h->answer.state][h->accept]);
	count(&m->age[age_of(&h->answer, now)]);
}

void
metrics_accounting(struct metrics *m, enum acct acct)
{
	count(&m->acct[acct]);
}

void
metrics_journal(struct metrics *m, bool written)
{
	count(&m->journal[written]);
}

static void
head(FILE *f, const char *name, const char *type, const char *help)
{
	fprintf(f, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void
print_requests(FILE *f, struct metrics *m)
{
	static const char	 name[] = "nac_request_duration_seconds";
	uint64_t		 n, sum;
	size_t			 e, i;

	head(f, "nac_requests_total", "counter", "HTTP requests answered.");
	for (e = 0; e < ENDPOINT_COUNT; e++)
		for (i = 0; i < STATUSES; i++)
			if ((n = read_of(&m->requests[e][i])) > 0)
				fprintf(f, "nac_requests_total{path=\"%s\",status=\"%d\"} %" PRIu64
				    "\n", endpoint_names[e], statuses[i], n);
	head(f, name, "histogram", "From the whole request to the answer.");
	for (e = 0; e < ENDPOINT_COUNT; e++) {
		for (sum = 0, i = 0; i <= BOUNDS; i++)
			sum += read_of(&m->duration[e][i]);
		if (sum == 0)
			continue;
		for (sum = 0, i = 0; i < BOUNDS; i++) {
			sum += read_of(&m->duration[e][i]);
			fprintf(f, "%s_bucket{path=\"%s\",le=\"%g\"} %" PRIu64 "\n", name,
			    endpoint_names[e], (double)bounds[i] / 1e6, sum);
		}
		sum += read_of(&m->duration[e][BOUNDS]);
		fprintf(f, "%s_bucket{path=\"%s\",le=\"+Inf\"} %" PRIu64 "\n", name,
		    endpoint_names[e], sum);
		fprintf(f, "%s_sum{path=\"%s\"} %.6f\n", name, endpoint_names[e],
		    (double)read_of(&m->duration_us[e]) / 1e6);
		fprintf(f, "%s_count{path=\"%s\"} %" PRIu64 "\n", name, endpoint_names[e], sum);
	}
}

/* A label's value: backslash, quote and newline escaped; cut, between characters,
 * rather than fail.  Prometheus refuses all of a page with one byte that is no
 * UTF-8, and the name of a file may have any: such a byte becomes `?'. */
static const char *
label(char *out, size_t size, const char *s)
{
	size_t	 o = 0, n, left = strlen(s);

	for (; left > 0; s += n, left -= n) {
		n = text_utf8_len((const unsigned char *)s, left);
		if (o + (n > 2 ? n : 2) >= size)
			break;
		if (*s == '\\' || *s == '"' || *s == '\n')
			out[o++] = '\\';
		if (n > 1)
			memcpy(out + o, s, n);
		else
			out[o] = n == 0 ? '?' : *s == '\n' ? 'n' : *s;
		n += n == 0;
		o += n;
	}
	out[o] = '\0';
	return out;
}

static void
print_rules(FILE *f, struct metrics *m)
{
	static const char *const	 actions[] = { "deny", "allow" };
	const struct rule_count		*r;
	char				 file[256], name[2 * POLICY_NAME + 8];
	uint64_t			 n;
	size_t				 i, a;

	head(f, "nac_decisions_total", "counter", "Decisions by the rule that made them.");
	for (a = 0; a < 2; a++)
		if ((n = read_of(&m->fallback[a])) > 0)
			fprintf(f, "nac_decisions_total{rule=\"fallback\",name=\"\",action=\"%s\"} %"
			    PRIu64 "\n", actions[a], n);
	pthread_mutex_lock(&m->lock);
	for (i = 0; i < m->nrules; i++) {
		r = &m->rules[i];
		if (r->file == NULL)
			fprintf(f, "nac_decisions_total{rule=\"no-match\",name=\"\"");
		else
			fprintf(f, "nac_decisions_total{rule=\"%s:%d\",name=\"%s\"",
			    label(file, sizeof(file), r->file), r->line,
			    label(name, sizeof(name), r->name));
		fprintf(f, ",action=\"%s\"} %" PRIu64 "\n", actions[r->accept], r->n);
	}
	pthread_mutex_unlock(&m->lock);
}

static void
print_decisions(FILE *f, struct metrics *m)
{
	static const char *const	 actions[] = { "deny", "allow" };
	size_t				 i, a;

	print_rules(f, m);
	head(f, "nac_decisions_by_state_total", "counter", "Decisions by state of compliance.");
	for (i = 0; i < COMPLIANCE_COUNT; i++)
		for (a = 0; a < 2; a++)
			fprintf(f, "nac_decisions_by_state_total{state=\"%s\",action=\"%s\"} %"
			    PRIu64 "\n", compliance_name((enum compliance)i), actions[a],
			    read_of(&m->state[i][a]));
	head(f, "nac_decisions_by_age_total", "counter",
	    "Decisions by age of Intune's answer; each bucket without those before it.");
	for (i = 0; i < AGES; i++)
		fprintf(f, "nac_decisions_by_age_total{below=\"%s\"} %" PRIu64 "\n", ages[i].name,
		    read_of(&m->age[i]));
	head(f, "nac_fallbacks_total", "counter", "Answers while something of our own was broken.");
	fprintf(f, "nac_fallbacks_total %" PRIu64 "\n",
	    read_of(&m->fallback[0]) + read_of(&m->fallback[1]));
	head(f, "nac_lookups_total", "counter", "Look-ups in the device store.");
	fprintf(f, "nac_lookups_total{result=\"found\"} %" PRIu64 "\n", read_of(&m->found));
	fprintf(f, "nac_lookups_total{result=\"missed\"} %" PRIu64 "\n", read_of(&m->missed));
	fprintf(f, "nac_lookups_total{result=\"failed\"} %" PRIu64 "\n", read_of(&m->failed));
}

static void
print_coa(FILE *f, const struct tally *t)
{
	static const char	 name[] = "nac_coa_results_total";
	char			 cause[16];
	size_t			 i;

	head(f, name, "counter", "Results of coa-send that nac-cache put has stored.");
	for (i = 0; i < TALLY_RESULTS; i++)
		if (i != TALLY_NAK)
			fprintf(f, "%s{result=\"%s\",error_cause=\"\"} %" PRIu64 "\n", name,
			    tally_name((enum tally_result)i), t->n[i]);
	for (i = 0; i < TALLY_CAUSES; i++) {
		snprintf(cause, sizeof(cause), "%d", tally_causes[i]);
		if (i == 0 || t->nak[i] > 0)
			fprintf(f, "%s{result=\"nak\",error_cause=\"%s\"} %" PRIu64 "\n", name,
			    i == 0 ? "other" : cause, t->nak[i]);
	}
}

static void
print_rest(FILE *f, struct metrics *m, const struct metrics_now *now)
{
	size_t	 i;

	head(f, "nac_accounting_total", "counter", "Accounting requests by Acct-Status-Type.");
	for (i = ACCT_START; i <= ACCT_OFF; i++)
		fprintf(f, "nac_accounting_total{type=\"%s\"} %" PRIu64 "\n",
		    acct_name((enum acct)i), read_of(&m->acct[i]));
	head(f, "nac_journal_lines_total", "counter", "Lines for the journal.");
	fprintf(f, "nac_journal_lines_total{result=\"written\"} %" PRIu64 "\n",
	    read_of(&m->journal[1]));
	fprintf(f, "nac_journal_lines_total{result=\"lost\"} %" PRIu64 "\n",
	    read_of(&m->journal[0]));
	if (now->journal_size >= 0) {
		head(f, "nac_journal_bytes", "gauge", "Size of the journal.");
		fprintf(f, "nac_journal_bytes %" PRId64 "\n", now->journal_size);
	}
	if (now->journal_lag >= 0) {
		head(f, "nac_journal_lag_bytes", "gauge",
		    "Bytes of the journal that nac-cache follow has not read.");
		fprintf(f, "nac_journal_lag_bytes %" PRId64 "\n", now->journal_lag);
	}
	head(f, "nac_store_ready", "gauge", "1 when the device store can be read.");
	fprintf(f, "nac_store_ready %d\n", now->store);
	if (now->store)
		print_coa(f, &now->coa);
	head(f, "nac_rules_reloads_total", "counter", "Rules files read.");
	fprintf(f, "nac_rules_reloads_total{result=\"taken\"} %lu\n", now->rules_taken);
	fprintf(f, "nac_rules_reloads_total{result=\"refused\"} %lu\n", now->rules_refused);
	head(f, "nac_rules_ready", "gauge", "1 when there are rules that decide.");
	fprintf(f, "nac_rules_ready %d\n", now->ready);
	head(f, "nac_connections", "gauge", "Open connections.");
	fprintf(f, "nac_connections %u\n", now->connections);
	head(f, "nac_build_info", "gauge", "The program's version.");
	fprintf(f, "nac_build_info{version=\"%s\"} 1\n", NAC_VERSION);
}

char *
metrics_text(struct metrics *m, const struct metrics_now *now)
{
	char	*text = NULL;
	size_t	 len;
	FILE	*f;

	if ((f = open_memstream(&text, &len)) == NULL)
		return NULL;
	print_requests(f, m);
	print_decisions(f, m);
	print_rest(f, m, now);
	if (fclose(f) == EOF) {
		free(text);
		return NULL;
	}
	return text;
}
