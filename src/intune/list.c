/* Lists of Graph: page after page, and nothing but the whole counts. */
#include <err.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "base/digest.h"
#include "intune/crew.h"
#include "intune/graph.h"

#define PAGES_MAX	10000	/* 10 million devices */
#define EMPTY_MAX	3	/* pages without a device in a row: Graph gives such to $skip */

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

/* A page that has been asked for, in a crew by a thread of its own. */
struct fetch {
	struct graph	*g;
	char		*url;
	struct page	 page;
	bool		 whole;		/* page can be gone through */
	bool		 empty;
	enum graph_end	 end;
	int		 status;	/* of a failure, which that thread has met */
	char		 why[512];
};

static void __attribute__((format(printf, 3, 4)))
bad_list(struct fetch *f, int status, const char *fmt, ...)
{
	va_list	 ap;

	f->end = GRAPH_FAILED;
	f->status = status;
	va_start(ap, fmt);
	vsnprintf(f->why, sizeof(f->why), fmt, ap);
	va_end(ap);
}

static struct fetch *
new_fetch(struct graph *g, const char *url)
{
	struct fetch	*f;

	if ((f = calloc(1, sizeof(*f))) == NULL || (f->url = strdup(url)) == NULL)
		err(EX_OSERR, NULL);
	f->g = g;
	return f;
}

static void
drop_fetch(struct fetch *f)
{
	if (f == NULL)
		return;
	page_close(&f->page);
	free(f->url);
	free(f);
}

static void *
fetch(void *arg)
{
	struct fetch	*f = arg;
	const char	*host = graph_host(f->g);
	size_t		 len;
	char		*text;

	f->end = graph_link(f->g, f->url, &text, &len);
	if (f->end == GRAPH_FAILED)
		bad_list(f, graph_status(f->g), "%s", graph_why(f->g));
	else if (f->end == GRAPH_ABSENT)
		bad_list(f, EX_TEMPFAIL, "%s: a page of the list is not found", host);
	else if (!(f->whole = page_open(&f->page, text, len)))
		bad_list(f, EX_TEMPFAIL, "%s: the answer %s", host, f->page.why);
	f->empty = f->page.at == f->page.end;
	return NULL;
}

/* Whether there is a page behind this one to be asked for. */
static bool
goes_on(struct fetch *f, struct seen *seen, unsigned *empty)
{
	const char	*host = graph_host(f->g);

	if (f->end != GRAPH_OK || f->page.next == NULL)
		return false;
	*empty = f->empty ? *empty + 1 : 0;
	if (*empty == EMPTY_MAX)
		bad_list(f, EX_TEMPFAIL, "%s: the list goes on with empty pages", host);
	else if (seen_before(seen, f->page.next) || seen->n > PAGES_MAX)
		bad_list(f, EX_TEMPFAIL, "%s: the list goes round in circles", host);
	return f->end == GRAPH_OK;
}

enum graph_end
graph_pages(struct graph *g, const char *path, graph_page_fn fn, void *arg)
{
	struct fetch	*now, *then;
	struct seen	 seen = { NULL, 0 };
	struct crew	 crew = { .n = 0 };
	enum graph_end	 end = GRAPH_OK;
	unsigned	 empty = 0;
	bool		 ahead, taken;
	char		*url = NULL;

	if (asprintf(&url, "https://%s/v1.0/%s", graph_host(g), path) == -1)
		err(EX_OSERR, NULL);
	seen_before(&seen, url);
	now = new_fetch(g, url);
	free(url);
	fetch(now);
	for (;;) {
		then = goes_on(now, &seen, &empty) ? new_fetch(g, now->page.next) : NULL;
		ahead = then != NULL && crew_started() && crew_spawn(&crew, fetch, then);
		/* This page is whole, whatever may come behind it. */
		taken = !now->whole || fn(&now->page, arg);
		crew_join(&crew);
		if (then == NULL || !taken)
			break;
		drop_fetch(now);
		now = then;
		if (!ahead)
			fetch(now);
	}
	if (!taken)
		end = GRAPH_FAILED;
	else if (now->end != GRAPH_OK)
		end = graph_fail(g, now->status, "%s", now->why);
	drop_fetch(now);
	drop_fetch(then);
	free(seen.digest);
	return end;
}

int
graph_next(struct graph *g, struct page *page, json_t **item)
{
	enum page_end	 end = page_item(page, item);

	if (end == PAGE_BAD)
		graph_fail(g, EX_TEMPFAIL, "%s: a page %s", graph_host(g), page->why);
	return end == PAGE_ITEM ? 1 : end == PAGE_LAST ? 0 : -1;
}

/* What graph_list() hands to each page. */
struct each {
	struct graph	*g;
	graph_item	 item;
	void		*arg;
};

static bool
each_item(struct page *page, void *arg)
{
	struct each	*e = arg;
	json_t		*o;
	int		 got;
	bool		 good = true;

	while (good && (got = graph_next(e->g, page, &o)) != 0) {
		good = got == 1 && e->item(o, e->arg);
		if (got == 1)
			json_decref(o);
	}
	return good;
}

enum graph_end
graph_list(struct graph *g, const char *path, graph_item item, void *arg)
{
	struct each	 e = { g, item, arg };

	return graph_pages(g, path, each_item, &e);
}
