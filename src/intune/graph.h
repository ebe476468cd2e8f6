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
#include "intune/http.h"
#include "intune/managed.h"
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

/* GET of an absolute URL that Graph has given us.  At any other host than the
 * configured one it is refused: the token must not go there. */
enum graph_end graph_link(struct graph *graph, const char *url, json_t **out);

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

/*
 * Gets id and one more property of n <= GRAPH_BATCH devices in one $batch; items
 * that are throttled are asked again by themselves.  item gets each device; one
 * that has gone in the meantime is passed over.
 */
enum graph_end graph_batch(struct graph *graph, const struct guid *ids, size_t n,
	    const char *property, graph_item item, void *arg);

/* The link to the next page: *next is NULL on the last one.  Returns false when
 * page is no page. */
bool	 graph_page(const json_t *page, const json_t **items, const char **next);

#endif
