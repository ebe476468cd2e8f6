/* Lists of Graph: page after page, and nothing but the whole counts. */
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "base/digest.h"
#include "intune/graph.h"

#define PAGES_MAX	10000	/* 10 million devices */

bool
graph_page(const json_t *page, const json_t **items, const char **next)
{
	const json_t	*link = json_object_get(page, "@odata.nextLink");

	*items = json_object_get(page, "value");
	*next = json_string_value(link);
	return json_is_array(*items) &&
	    (link == NULL || json_is_null(link) || json_is_string(link));
}

/* The pages seen of one list, by digest: a link that comes back is a loop. */
struct seen {
	uint64_t	*digest;
	size_t		 n;
};

static bool
seen_before(struct seen *seen, const char *url)
{
	uint64_t	 h = digest_add(DIGEST_START, url, strlen(url));
	size_t		 i;

	for (i = 0; i < seen->n; i++)
		if (seen->digest[i] == h)
			return true;
	seen->digest = reallocarray(seen->digest, seen->n + 1, sizeof(h));
	if (seen->digest == NULL)
		err(EX_OSERR, NULL);
	seen->digest[seen->n++] = h;
	return false;
}

/* One page; *next is the following one's URL, for the caller to free, or NULL. */
static enum graph_end
one_page(struct graph *g, const char *url, graph_item item, void *arg, char **next)
{
	const json_t	*items, *o;
	const char	*link;
	enum graph_end	 end;
	json_t		*page;
	size_t		 i;

	*next = NULL;
	if ((end = graph_link(g, url, &page)) != GRAPH_OK)
		return end == GRAPH_ABSENT ? graph_fail(g, EX_TEMPFAIL,
		    "%s: a page of the list is not found", graph_host(g)) : end;
	if (!graph_page(page, &items, &link))
		end = graph_fail(g, EX_TEMPFAIL, "%s: the answer is no list", graph_host(g));
	else
		json_array_foreach(items, i, o)
			if (!item(o, arg)) {
				end = GRAPH_FAILED;
				break;
			}
	if (end == GRAPH_OK && link != NULL && (*next = strdup(link)) == NULL)
		err(EX_OSERR, NULL);
	json_decref(page);
	return end;
}

enum graph_end
graph_list(struct graph *g, const char *path, graph_item item, void *arg)
{
	struct seen	 seen = { NULL, 0 };
	enum graph_end	 end = GRAPH_OK;
	char		*url = NULL, *next;

	if (asprintf(&url, "https://%s/v1.0/%s", graph_host(g), path) == -1)
		err(EX_OSERR, NULL);
	while (url != NULL && end == GRAPH_OK) {
		next = NULL;
		if (seen_before(&seen, url) || seen.n > PAGES_MAX)
			end = graph_fail(g, EX_TEMPFAIL, "%s: the list goes round in circles",
			    graph_host(g));
		else
			end = one_page(g, url, item, arg, &next);
		free(url);
		url = next;
	}
	free(url);
	free(seen.digest);
	return end;
}
