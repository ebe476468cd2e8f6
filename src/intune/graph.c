#include <err.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sysexits.h>

#include "base/text.h"
#include "base/when.h"
#include "intune/budget.h"
#include "intune/crew.h"
#include "intune/graph.h"
#include "intune/keeper.h"
#include "intune/tenantid.h"
#include "intune/wire.h"

#define ANSWER_MAX	(16 * 1024 * 1024)	/* bytes; a page of 1000 devices has 1.2 MB */
#define TRIES_MAX	8			/* of one request, should no deadline end it */
#define WHY		1400

/* After so many failures in a row Graph is taken to be away. */
#define AWAY_AFTER	5
#define AWAY_FIRST	1000	/* ms until it is tried again, then twice as long each time, */
#define AWAY_CEILING	300000	/* ms; who runs for days is back five minutes after it is */

struct graph {
	const struct settings	*set;
	struct http		*http;
	struct keeper		 keeper;
	struct budget		 budget;
	bool			 learned;	/* whose budget it is */
	unsigned		 taken;		/* generation of the last token that Graph took */
	unsigned		 jobs;		/* most requests in flight */
	unsigned		 window;	/* and as many as go well: 1 to jobs */
	unsigned		 flying;
	unsigned		 failures;	/* in a row, of whole requests */
	int64_t			 away_until;	/* wire_clock(): nobody is asked before */
	int64_t			 away_for;	/* ms */
	int64_t			 deadline;	/* ms that one request may take */
	int64_t			 not_before;	/* wire_clock(): Graph has asked for silence */
};

/* What went wrong last, for each thread by itself. */
static _Thread_local struct {
	int	 status;
	char	 why[WHY];
} last;

struct graph *
graph_new(const struct settings *set, struct http *http, int64_t deadline)
{
	struct graph	*g;

	if ((g = calloc(1, sizeof(*g))) == NULL)
		err(EX_OSERR, NULL);
	g->set = set;
	g->http = http;
	keeper_init(&g->keeper, set, http);
	g->deadline = deadline * 1000;
	g->jobs = g->window = 1;
	budget_open(&g->budget, set, BUDGET_DEFAULT);
	return g;
}

void
graph_free(struct graph *g)
{
	if (g == NULL)
		return;
	keeper_wipe(&g->keeper);
	budget_close(&g->budget);
	free(g);
}

const char *
graph_why(const struct graph *g)
{
	(void)g;
	return last.why;
}

int
graph_status(const struct graph *g)
{
	(void)g;
	return last.status;
}

enum graph_end
graph_fail(struct graph *g, int status, const char *fmt, ...)
{
	va_list	 ap;

	(void)g;
	last.status = status;
	va_start(ap, fmt);
	vsnprintf(last.why, sizeof(last.why), fmt, ap);
	va_end(ap);
	return GRAPH_FAILED;
}

static bool
have_token(struct graph *g, unsigned refused, int64_t end)
{
	struct token_error	 e;

	if (keeper_have(&g->keeper, refused, end, &e))
		return true;
	graph_fail(g, e.status, "%s", e.text);
	return false;
}

/* Graph's error object in an answer; NULL when the answer is not Graph's own. */
static const json_t *
error_of(const json_t *o)
{
	const json_t	*e = json_object_get(o, "error");

	return json_is_string(json_object_get(e, "code")) ? e : NULL;
}

static const char *
string_of(const json_t *o, const char *key)
{
	const char	*s = json_string_value(json_object_get(o, key));

	return s != NULL ? s : "";
}

/* Whether the same request may go better in a while. */
static bool
passing(long status)
{
	return status == 408 || status == 429 || status == 500 || status == 502 ||
	    status == 503 || status == 504 || status == 509;
}

/*
 * Whether a 404 is Graph's word that there is no such thing.  For a managed device
 * that is ResourceNotFound, for the directory Request_ResourceNotFound; what a gateway
 * on the way or a service that has lost its way says with a 404 is no answer.
 */
static bool
is_absent(long status, const json_t *o)
{
	static const char	 word[] = "NotFound";
	const char		*code = string_of(error_of(o), "code");
	size_t			 n = strlen(code);

	return status == 404 && n >= sizeof(word) - 1 &&
	    strcasecmp(code + n - (sizeof(word) - 1), word) == 0;
}

/* Puts a refusal into words and a status: an answer that is not Graph's own (a
 * proxy's page, a cut one) says nothing for good and can be tried again. */
static enum graph_end
refuse(struct graph *g, const struct http_answer *a, const json_t *o)
{
	const json_t	*e = error_of(o);
	const char	*hint = "", *code, *message;
	char		 shown[64], text[320];
	int		 status = EX_UNAVAILABLE;

	if (a->status == 401 || a->status == 403) {
		status = EX_NOPERM;
		hint = "; has the application DeviceManagementManagedDevices.Read.All, with "
		    "an administrator's consent (intune-token --info)?";
	} else if (passing(a->status) || a->status >= 500 || a->status == 404 || e == NULL)
		status = EX_TEMPFAIL;
	if (e == NULL)
		return graph_fail(g, status, "%s: HTTP %ld, and no answer of Graph's",
		    g->set->graph, a->status);
	code = string_of(e, "code");
	/* The directory's word for it, not Intune's: another permission is missing. */
	if (strcmp(code, "Authorization_RequestDenied") == 0)
		hint = "";
	message = string_of(e, "message");
	return graph_fail(g, status, "%s: HTTP %ld %s: %s (request-id %s)%s", g->set->graph,
	    a->status, text_safe(shown, sizeof(shown), code, strlen(code)),
	    text_safe(text, sizeof(text), message, strlen(message)),
	    a->request_id[0] != '\0' ? a->request_id : "none", hint);
}

/* Remembers what Retry-After asks for, or plans the backoff; when to try again. */
static int64_t
next_try(struct graph *g, const struct http_answer *a, int attempt)
{
	int64_t	 wait = wire_retry_after(a->retry_after, when_now());

	if (wait <= 0)
		return wire_clock() + wire_backoff(attempt);
	g->not_before = wire_clock() + wait * 1000 + arc4random_uniform(WIRE_JITTER + 1);
	budget_set_quiet(&g->budget, BUDGET_GRAPH, wait * 1000);
	return g->not_before;
}

static json_t *
load(const struct http_answer *a, json_error_t *je)
{
	if (a->body != NULL && !wire_depth_ok(a->body, a->len)) {
		snprintf(je->text, sizeof(je->text), "its depth is above %d", WIRE_DEPTH);
		return NULL;
	}
	return json_loadb(a->body != NULL ? a->body : "", a->len, JSON_REJECT_DUPLICATES, je);
}

/* What the answer is: an end, or GRAPH_OK with *out.  Takes 200 and the final
 * failures; 401 and the passing ones have been seen to. */
static enum graph_end
conclude(struct graph *g, const struct http_answer *a, json_t **out)
{
	enum graph_end	 end = GRAPH_OK;
	json_error_t	 je;
	json_t		*o;
	char		 text[160];

	o = load(a, &je);
	if (a->status == 200 && json_is_object(o) && error_of(o) == NULL) {
		*out = o;
		return GRAPH_OK;
	}
	if (a->status == 200)
		end = graph_fail(g, EX_TEMPFAIL, "%s: the answer is no JSON object: %s",
		    g->set->graph, o == NULL ?
		    text_safe(text, sizeof(text), je.text, strlen(je.text)) : "it is an error");
	else if (is_absent(a->status, o))
		end = GRAPH_ABSENT;
	else
		end = refuse(g, a, o);
	json_decref(o);
	return end;
}

/* The last try failed like the others: what the answer said, or why already
 * says it, and how often it was tried. */
static enum graph_end
give_up(struct graph *g, const struct http_answer *a, int attempt)
{
	json_error_t	 je;
	json_t		*o;
	size_t		 n;

	if (a->status != 0) {
		o = load(a, &je);
		refuse(g, a, o);
		json_decref(o);
	}
	n = strlen(last.why);
	snprintf(last.why + n, sizeof(last.why) - n, "; gave up after %d %s", attempt,
	    attempt == 1 ? "try" : "tries");
	return GRAPH_FAILED;
}

/* While Graph is away one request at a time, the probe, finds out whether it is
 * back, at growing intervals; the others fail at once. */
static bool
is_away(struct graph *g)
{
	int64_t	 now = wire_clock();

	if (g->failures < AWAY_AFTER || now >= g->away_until)
		return false;
	graph_fail(g, EX_TEMPFAIL, "%s: not asked: the last %u requests failed, next try in "
	    "%lld s", g->set->graph, g->failures, (long long)(g->away_until - now) / 1000 + 1);
	return true;
}

static bool
is_probe(struct graph *g)
{
	if (g->failures < AWAY_AFTER)
		return false;
	g->away_until = wire_clock() + g->away_for / 2 +
	    arc4random_uniform((uint32_t)g->away_for / 2 + 1);
	g->away_for = g->away_for * 2 < AWAY_CEILING ? g->away_for * 2 : AWAY_CEILING;
	return true;
}

/* Waits until one more request may go out: there is a token, Graph has not asked
 * for silence, and not too many are under way.  Waiting for others before the
 * first try is no part of the time that the request has. */
static bool
may_ask(struct graph *g, unsigned cost, bool probe, bool first, int64_t *end)
{
	bool	 paid = false;
	int64_t	 wait;

	for (;;) {
		if (!probe && is_away(g))
			return false;
		if (crew_stopped()) {
			graph_fail(g, EX_TEMPFAIL, "%s: not asked: nobody wants the answer",
			    g->set->graph);
			return false;
		}
		if ((wait = budget_quiet(&g->budget, BUDGET_GRAPH)) > 0 &&
		    wire_clock() + wait > g->not_before)
			g->not_before = wire_clock() + wait + arc4random_uniform(WIRE_JITTER + 1);
		if (!wire_sleep_until(g->not_before, *end)) {
			graph_fail(g, EX_TEMPFAIL, "%s: has asked to be left alone for %lld s "
			    "more", g->set->graph,
			    (long long)(g->not_before - wire_clock()) / 1000 + 1);
			return false;
		}
		if (!have_token(g, 0, *end))
			return false;
		/* In the file of the tenant's own there may be another word of silence. */
		if (graph_learn(g, g->keeper.token.text))
			continue;
		if (g->flying < g->window && g->not_before <= wire_clock()) {
			if (paid || (wait = budget_take(&g->budget, cost)) == 0)
				return true;
			paid = wait > 0;
			/* The budget is ours, not Graph's: a first try waits for it. */
			wire_sleep(paid ? wait : 1000);
		}
		if (!first && wire_clock() > *end) {
			graph_fail(g, EX_TEMPFAIL, "%s: no turn for another try before the "
			    "deadline", g->set->graph);
			return false;
		}
		if (g->flying >= g->window)
			crew_wait();
		if (first)
			*end = wire_clock() + g->deadline;
	}
}

/* One more in flight for each that goes well, half as many when Graph is busy. */
static enum http_end
ask(struct graph *g, struct http_request *rq, struct http_answer *a, char why[HTTP_WHY])
{
	enum http_end	 he;

	rq->bearer = g->keeper.token.text;
	g->flying++;
	he = http_do(g->http, rq, a, why);
	g->flying--;
	if (he == HTTP_DONE && !passing(a->status))
		g->window += g->window < g->jobs;
	else
		g->window = g->window > 1 ? g->window / 2 : 1;
	crew_wake();
	return he;
}

/* Tries until there is an answer that counts or the time is up.  *away: it was
 * Graph that failed, and not what it said. */
static enum graph_end
try_request(struct graph *g, struct http_request *rq, unsigned cost, bool probe, json_t **out,
    struct http_answer *raw, bool *away)
{
	int64_t			 end = wire_clock() + g->deadline, again;
	const struct keeper	*k = &g->keeper;
	struct http_answer	 a = { 0 };
	enum http_end		 he;
	enum graph_end		 ge;
	unsigned		 generation;
	bool			 renewed = false;
	char			 why[HTTP_WHY];
	int			 attempt;

	for (attempt = 1;; attempt++) {
		*away = true;
		if (!may_ask(g, cost, probe, attempt == 1, &end))
			return GRAPH_FAILED;
		generation = k->generation;
		he = ask(g, rq, &a, why);
		if (he == HTTP_DONE && a.status != 401 && generation == k->generation)
			g->taken = generation;
		/* A new one that is refused like the last: so would the next be. */
		if (he == HTTP_DONE && a.status == 401 && !renewed && (!k->forced ||
		    g->taken == k->generation || generation != k->generation)) {
			/* Somebody else may have renewed it already: then that one. */
			http_clear(&a);
			renewed = true;
			if (!have_token(g, generation, end))
				return GRAPH_FAILED;
			continue;
		}
		if (he == HTTP_DONE && !passing(a.status)) {
			*away = false;
			if (raw != NULL && a.status == 200) {
				*raw = a;
				return GRAPH_OK;
			}
			ge = conclude(g, &a, out);
			if (a.status == 401)
				keeper_refuse(&g->keeper, last.status, last.why);
			http_clear(&a);
			return ge;
		}
		if (he != HTTP_DONE)
			graph_fail(g, http_status(he), "%s", why);
		/* No address, no route, no trust: seconds will not mend that. */
		if (he == HTTP_UNREACHABLE)
			return GRAPH_FAILED;
		again = next_try(g, &a, attempt);
		if (attempt == TRIES_MAX || again > end) {
			ge = give_up(g, &a, attempt);
			http_clear(&a);
			return ge;
		}
		http_clear(&a);
		wire_sleep_until(again, end);
	}
}

/* One request, tried until it has an answer that counts or there is no point. */
static enum graph_end
request(struct graph *g, const char *url, const char *post, unsigned cost, json_t **out,
    struct http_answer *raw)
{
	struct http_request	 rq = { .url = url, .post = post,
				    .post_len = post != NULL ? strlen(post) : 0,
				    .type = "application/json", .max = ANSWER_MAX };
	enum graph_end		 ge;
	bool			 away;
	char			 shown[TEXT_SHOWN];

	/* The one place where the token leaves us: nobody else gets to see it. */
	if (!wire_same_host(url, g->set->graph))
		return graph_fail(g, EX_TEMPFAIL, "%s: the answer goes on at another host, "
		    "which is not asked: %s", g->set->graph,
		    text_safe(shown, sizeof(shown), url, strlen(url)));
	if (is_away(g))
		return GRAPH_FAILED;
	ge = try_request(g, &rq, cost, is_probe(g), out, raw, &away);
	if (!away || (ge == GRAPH_FAILED && last.status != EX_TEMPFAIL &&
	    last.status != EX_UNAVAILABLE))
		g->failures = 0;
	else if (++g->failures == AWAY_AFTER) {
		g->away_for = AWAY_FIRST;
		g->away_until = wire_clock() + AWAY_FIRST;
	}
	return ge;
}

struct budget *
graph_shared(struct graph *g)
{
	return &g->budget;
}

bool
graph_learn(struct graph *g, const char *token)
{
	char	 before[TENANT_NAME], now[TENANT_NAME];

	if (g->learned)
		return false;
	g->learned = true;
	tenant_key(g->set, before);
	tenant_learn(g->set, token);
	tenant_key(g->set, now);
	if (strcmp(before, now) == 0)
		return false;
	graph_budget(g, g->budget.limit);
	return true;
}

void
graph_budget(struct graph *g, int64_t limit)
{
	budget_close(&g->budget);
	budget_open(&g->budget, g->set, limit);
}

void
graph_jobs(struct graph *g, unsigned jobs)
{
	g->jobs = jobs > 0 ? jobs : 1;
}

enum graph_end
graph_call(struct graph *g, const char *path, const char *post, json_t **out)
{
	return graph_call_many(g, path, post, 1, out);
}

enum graph_end
graph_call_many(struct graph *g, const char *path, const char *post, unsigned cost,
    json_t **out)
{
	enum graph_end	 end;
	char		*url = NULL;

	if (asprintf(&url, "https://%s/v1.0/%s", g->set->graph, path) == -1)
		err(EX_OSERR, NULL);
	*out = NULL;
	end = request(g, url, post, cost, out, NULL);
	free(url);
	return end;
}

enum graph_end
graph_link(struct graph *g, const char *url, char **text, size_t *len)
{
	struct http_answer	 raw = { 0 };
	json_t			*none = NULL;
	enum graph_end		 end = request(g, url, NULL, 1, &none, &raw);

	*text = raw.body;
	*len = raw.len;
	return end;
}

const char *
graph_host(const struct graph *g)
{
	return g->set->graph;
}

enum graph_end
graph_device(struct graph *g, const struct guid *id, struct managed *out)
{
	enum graph_end	 end;
	json_t		*o;
	char		 path[sizeof(MANAGED_SELECT) + 128], text[GUID_TEXT], why[128];

	snprintf(path, sizeof(path), "deviceManagement/managedDevices/%s?$select=%s",
	    guid_format(text, id), MANAGED_SELECT);
	if ((end = graph_call(g, path, NULL, &o)) != GRAPH_OK)
		return end;
	if (!managed_parse(o, out, why, sizeof(why)))
		end = graph_fail(g, EX_TEMPFAIL, "%s: answers with %s", g->set->graph, why);
	else if (!guid_equal(&out->device.id, id))
		end = graph_fail(g, EX_TEMPFAIL, "%s: answers with another device than %s",
		    g->set->graph, text);
	json_decref(o);
	return end;
}

enum graph_end
graph_judge(struct graph *g, long status, const json_t *body, const char *retry_after,
    int attempt, int64_t *again)
{
	struct http_answer	 a = { .status = status };

	*again = 0;
	if (passing(status)) {
		text_copy(a.retry_after, sizeof(a.retry_after), retry_after);
		refuse(g, &a, body);
		*again = next_try(g, &a, attempt);
		return GRAPH_FAILED;
	}
	if (is_absent(status, body))
		return GRAPH_ABSENT;
	return status == 200 ? GRAPH_OK : refuse(g, &a, body);
}

int64_t
graph_deadline(const struct graph *g)
{
	return g->deadline;
}

unsigned
graph_width(const struct graph *g)
{
	return g->jobs;
}
