/*
 * Microsoft Graph: requests with a token that is renewed as needed, throttling
 * honoured, pages followed.  Whatever is not a whole, well-formed answer is a
 * failure and never "no such device".  After some failures in a row Graph is taken
 * to be away: then requests fail at once, but for one now and then.
 */
#ifndef INTUNE_GRAPH_H
#define INTUNE_GRAPH_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/guid.h"
#include "intune/budget.h"
#include "intune/http.h"
#include "intune/managed.h"
#include "intune/page.h"
#include "intune/settings.h"

#define GRAPH_DEADLINE	60	/* seconds that one request may take, waiting included */
#define GRAPH_BATCH	20	/* requests in a $batch: Graph takes no more */

struct graph;

enum graph_end {
	GRAPH_OK,
	GRAPH_ABSENT,		/* 404 from Graph itself: no such thing */
	GRAPH_FAILED		/* see graph_why() and graph_status() */
};

/* One element of a list.  Returns false to stop, which is a failure of the list:
 * call graph_fail() first. */
typedef bool (*graph_item)(const json_t *item, void *arg);

/* Both must outlive the handle; deadline is in seconds. */
struct graph *graph_new(const struct settings *set, struct http *http, int64_t deadline);
void	 graph_free(struct graph *graph);

/*
 * How many requests may be in flight at once, by as many threads of a crew; 1
 * unless told.  It begins with one, and as long as all goes well gets there soon.
 */
void	 graph_jobs(struct graph *graph, unsigned jobs);

/* How many requests in 20 seconds all processes of the tenant may send; 0 = as many
 * as they like.  BUDGET_DEFAULT unless told. */
void	 graph_budget(struct graph *graph, int64_t limit);

/* That budget, which also has NAC 2.0's word for silence. */
struct budget *graph_shared(struct graph *graph);

/* Learns from a token, once, whose budget it is.  True: it is another than before. */
bool	 graph_learn(struct graph *graph, const char *token);

/* One line, and the exit status, of the last failure that this thread has met. */
const char *graph_why(const struct graph *graph);
int	 graph_status(const struct graph *graph);

/* Notes a failure found in the content of an answer.  Returns GRAPH_FAILED. */
enum graph_end graph_fail(struct graph *graph, int status, const char *fmt, ...)
	    __attribute__((format(printf, 3, 4)));

/* GET (post NULL) or POST of JSON text to path, which is what follows /v1.0/.
 * For GRAPH_OK *out is an object that the caller releases. */
enum graph_end graph_call(struct graph *graph, const char *path, const char *post,
	    json_t **out);

/* The same for a request that counts as several: a $batch. */
enum graph_end graph_call_many(struct graph *graph, const char *path, const char *post,
	    unsigned cost, json_t **out);

/* GET of an absolute URL that Graph has given us.  At any other host than the
 * configured one it is refused: the token must not go there.  For GRAPH_OK *text is
 * what came with status 200, not looked at, for the caller to free. */
enum graph_end graph_link(struct graph *graph, const char *url, char **text, size_t *len);

/* The configured host, to begin messages with. */
const char *graph_host(const struct graph *graph);

/* Gets one device by its Intune id and makes sure that it is the one.  *out is
 * set for GRAPH_OK only. */
enum graph_end graph_device(struct graph *graph, const struct guid *id, struct managed *out);

/*
 * Lists path page by page through item.  GRAPH_OK means that the list was whole:
 * every page came, no page twice, and none was to be had from another host.
 */
enum graph_end graph_list(struct graph *graph, const char *path, graph_item item, void *arg);

/* A page of a list, whose items are to be taken by graph_next().  As graph_item. */
typedef bool (*graph_page_fn)(struct page *page, void *arg);

/* The same by whole pages.  In a crew those behind a page are fetched meanwhile, at most
 * two, as far as page lets others work (crew_leave). */
enum graph_end graph_pages(struct graph *graph, const char *path, graph_page_fn page,
	    void *arg);

/* The next item of a page: 1 with *item, for the caller to release; 0 behind the last
 * one; -1 for what is none, which is a failure of the list: graph_fail() is done. */
int	 graph_next(struct graph *graph, struct page *page, json_t **item);

/* The path of item number i, after /v1.0, for the caller to free. */
typedef char *(*batch_path)(size_t i, void *arg);

/* The answer to it: the body, or NULL for what is not there (404).  As graph_item. */
typedef bool (*batch_item)(size_t i, const json_t *body, void *arg);

/*
 * GETs of n resources in $batches of GRAPH_BATCH; in a crew several at a time.
 * Items that are throttled are asked again by themselves.  item gets each answer,
 * in no order.
 */
enum graph_end graph_batch(struct graph *graph, size_t n, batch_path path,
	    batch_item item, void *arg);

/* What the status of one item of a $batch means.  For GRAPH_FAILED *again is when
 * (wire_clock) to ask once more, or 0 when that is of no use. */
enum graph_end graph_judge(struct graph *graph, long status, const json_t *body,
	    const char *retry_after, int attempt, int64_t *again);

/* Milliseconds that a request may take; requests that may be in flight. */
int64_t	 graph_deadline(const struct graph *graph);
unsigned graph_width(const struct graph *graph);

#endif
