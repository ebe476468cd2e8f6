/* $batch of Graph: twenty GETs in one request, each with a status of its own. */
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sysexits.h>

#include "intune/crew.h"
#include "intune/graph.h"
#include "intune/wire.h"

#define TRIES_MAX	8	/* of one batch, should no deadline end it */

/* All of the batches, and where the next one begins. */
struct batches {
	struct graph	*g;
	size_t		 n, next;
	batch_path	 path;
	batch_item	 item;
	void		*arg;
	bool		 failed;	/* one has: the others are not begun */
	int		 status;
	char		 why[512];
};

/* One of them: the items from first on. */
struct batch {
	struct batches	*all;
	size_t		 first, n;
	bool		 open[GRAPH_BATCH];
	int		 attempt;
	int64_t		 again;		/* when the throttled ones may be asked */
};

/* The text of a request for those that are still open. */
static char *
batch_text(const struct batch *b)
{
	json_t	*requests = json_array(), *o;
	char	 number[24], *url, *out;
	size_t	 i;

	for (i = 0; i < b->n; i++) {
		if (!b->open[i])
			continue;
		snprintf(number, sizeof(number), "%zu", i);
		url = b->all->path(b->first + i, b->all->arg);
		json_array_append_new(requests, json_pack("{s:s, s:s, s:s}", "id", number,
		    "method", "GET", "url", url));
		free(url);
	}
	if ((o = json_pack("{s:o}", "requests", requests)) == NULL ||
	    (out = json_dumps(o, JSON_COMPACT)) == NULL)
		err(EX_OSERR, NULL);
	json_decref(o);
	return out;
}

/* Retry-After of one item; header names have no case. */
static const char *
item_retry_after(const json_t *response)
{
	const char	*key;
	json_t		*headers = json_object_get(response, "headers"), *v;

	json_object_foreach(headers, key, v)
		if (strcasecmp(key, "Retry-After") == 0 && json_is_string(v))
			return json_string_value(v);
	return "";
}

/* Index of the request that response answers; -1 when it answers none. */
static int
batch_index(const struct batch *b, const json_t *response)
{
	const char	*id = json_string_value(json_object_get(response, "id"));
	char		 number[24];
	size_t		 i;

	for (i = 0; id != NULL && i < b->n; i++) {
		snprintf(number, sizeof(number), "%zu", i);
		if (b->open[i] && strcmp(id, number) == 0)
			return (int)i;
	}
	return -1;
}

/* One response of a $batch.  A throttled one stays open, to be asked again. */
static enum graph_end
take_item(struct batch *b, const json_t *response)
{
	const json_t	*body = json_object_get(response, "body");
	enum graph_end	 end;
	int64_t		 again;
	int		 i = batch_index(b, response);

	if (i == -1)
		return graph_fail(b->all->g, EX_TEMPFAIL,
		    "%s: a $batch answers what was not asked", graph_host(b->all->g));
	end = graph_judge(b->all->g,
	    (long)json_integer_value(json_object_get(response, "status")), body,
	    item_retry_after(response), b->attempt, &again);
	if (again != 0) {
		if (again > b->again)
			b->again = again;
		return GRAPH_OK;
	}
	if (end == GRAPH_FAILED)
		return end;
	b->open[i] = false;
	return b->all->item(b->first + (size_t)i, end == GRAPH_OK ? body : NULL, b->all->arg) ?
	    GRAPH_OK : GRAPH_FAILED;
}

/* One round; what is still open after it needs another. */
static enum graph_end
batch_once(struct batch *b)
{
	struct graph	*g = b->all->g;
	json_t		*answer, *responses, *o;
	enum graph_end	 end;
	size_t		 i;
	unsigned	 cost = 0;
	char		*text = batch_text(b);

	for (i = 0; i < b->n; i++)
		cost += b->open[i];
	end = graph_call_many(g, "$batch", text, cost, &answer);
	free(text);
	if (end != GRAPH_OK)
		return end == GRAPH_ABSENT ? graph_fail(g, EX_UNAVAILABLE,
		    "%s: has no $batch", graph_host(g)) : end;
	responses = json_object_get(answer, "responses");
	/* The reason for giving up, unless an item gives a better one. */
	graph_fail(g, EX_TEMPFAIL, "%s: a $batch does not answer all that was asked",
	    graph_host(g));
	if (!json_is_array(responses))
		end = graph_fail(g, EX_TEMPFAIL, "%s: a $batch without responses",
		    graph_host(g));
	else
		json_array_foreach(responses, i, o)
			if ((end = take_item(b, o)) != GRAPH_OK)
				break;
	json_decref(answer);
	return end;
}

static enum graph_end
batch_whole(struct batches *all, size_t first)
{
	struct batch	 b = { .all = all, .first = first };
	int64_t		 end = wire_clock() + graph_deadline(all->g);
	enum graph_end	 ge;
	size_t		 i, left;

	left = b.n = all->n - first < GRAPH_BATCH ? all->n - first : GRAPH_BATCH;
	for (i = 0; i < b.n; i++)
		b.open[i] = true;
	for (b.attempt = 1; left > 0; b.attempt++) {
		b.again = wire_clock() + (b.attempt > 1 ? wire_backoff(b.attempt) : 0);
		if ((ge = batch_once(&b)) != GRAPH_OK)
			return ge;
		for (i = left = 0; i < b.n; i++)
			left += b.open[i];
		if (left == 0)
			break;
		if (b.attempt == TRIES_MAX || b.again > end)
			return GRAPH_FAILED;
		if (b.again > wire_clock())
			wire_sleep(b.again - wire_clock());
	}
	return GRAPH_OK;
}

/* Takes one batch after the other; the first failure of any ends them all. */
static void *
run(void *arg)
{
	struct batches	*all = arg;
	size_t		 first;

	while (!all->failed && all->next < all->n) {
		first = all->next;
		all->next += GRAPH_BATCH;
		if (batch_whole(all, first) == GRAPH_OK || all->failed)
			continue;
		all->failed = true;
		all->status = graph_status(all->g);
		snprintf(all->why, sizeof(all->why), "%s", graph_why(all->g));
	}
	return NULL;
}

enum graph_end
graph_batch(struct graph *g, size_t n, batch_path path, batch_item item, void *arg)
{
	struct batches	 all = { .g = g, .n = n, .path = path, .item = item, .arg = arg };
	struct crew	 crew = { .n = 0 };
	size_t		 i, wide = (n + GRAPH_BATCH - 1) / GRAPH_BATCH;

	if (wide > graph_width(g))
		wide = graph_width(g);
	for (i = 1; crew_started() && i < wide; i++)
		if (!crew_spawn(&crew, run, &all))
			break;
	run(&all);
	crew_join(&crew);
	return all.failed ? graph_fail(g, all.status, "%s", all.why) : GRAPH_OK;
}
