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
	char		*text;		/* until it is in page */
	size_t		 len;
	char		*next;		/* what follows it, NULL on the last one */
	struct page	 page;
	bool		 closed;	/* there is text that nobody has looked at whole */
	bool		 whole;		/* page can be gone through */
	bool		 empty;
	enum graph_end	 end;
	int		 status;	/* of a failure, which that thread has met */
	char		 why[512];
};

/*
 * The way through a list.  In a crew one thread fetches: it has the link to the next
 * page as soon as it has a page, and asks for it while that one is being gone
 * through.  It is never more than two pages ahead.
 */
struct walk {
	struct graph	*g;
	char		*url;		/* of the page to be asked for; NULL behind the last */
	struct seen	 seen;
	unsigned	 empty;		/* pages in a row */
	struct fetch	*ready;		/* the next page */
	bool		 ahead;		/* there is a thread, */
	bool		 stop, ended;	/* which should end, has ended */
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

static void
drop_fetch(struct fetch *f)
{
	if (f == NULL)
		return;
	page_close(&f->page);
	free(f->text);
	free(f->next);
	free(f);
}

/* Looks at the whole of a page, unless that has been done. */
static void
open_page(struct walk *w, struct fetch *f)
{
	if (!f->closed)
		return;
	f->closed = false;
	f->whole = page_open(&f->page, f->text, f->len);
	f->text = NULL;
	if (!f->whole)
		bad_list(f, EX_TEMPFAIL, "%s: the answer %s", graph_host(w->g), f->page.why);
	f->empty = f->page.at == f->page.end;
}

/* Finds what is to be asked for behind this page. */
static void
go_on(struct walk *w, struct fetch *f)
{
	const char	*host = graph_host(w->g);

	if (f->end == GRAPH_OK && !page_peek(f->text, f->len, &f->next, &f->empty)) {
		open_page(w, f);
		if (f->whole && f->page.next != NULL &&
		    (f->next = strdup(f->page.next)) == NULL)
			err(EX_OSERR, NULL);
	}
	free(w->url);
	w->url = NULL;
	if (f->end != GRAPH_OK || f->next == NULL)
		return;
	w->empty = f->empty ? w->empty + 1 : 0;
	if (w->empty == EMPTY_MAX)
		bad_list(f, EX_TEMPFAIL, "%s: the list goes on with empty pages", host);
	else if (seen_before(&w->seen, f->next) || w->seen.n > PAGES_MAX)
		bad_list(f, EX_TEMPFAIL, "%s: the list goes round in circles", host);
	else if ((w->url = strdup(f->next)) == NULL)
		err(EX_OSERR, NULL);
}

static struct fetch *
fetch(struct walk *w)
{
	struct fetch	*f;

	if ((f = calloc(1, sizeof(*f))) == NULL)
		err(EX_OSERR, NULL);
	f->end = graph_link(w->g, w->url, &f->text, &f->len);
	f->closed = f->end == GRAPH_OK;
	if (f->end == GRAPH_FAILED)
		bad_list(f, graph_status(w->g), "%s", graph_why(w->g));
	else if (f->end == GRAPH_ABSENT)
		bad_list(f, EX_TEMPFAIL, "%s: a page of the list is not found",
		    graph_host(w->g));
	go_on(w, f);
	return f;
}

static void *
run_ahead(void *arg)
{
	struct walk	*w = arg;
	struct fetch	*f;

	/* Who has read enough does not wait until Graph may be asked again. */
	crew_heed(&w->stop);
	while (w->url != NULL && !w->stop) {
		f = fetch(w);
		while (w->ready != NULL && !w->stop)
			crew_wait();
		if (w->stop)
			drop_fetch(f);
		else
			w->ready = f;
		crew_wake();
	}
	w->ended = true;
	crew_wake();
	return NULL;
}

/* The next page; NULL behind the last one. */
static struct fetch *
next_page(struct walk *w)
{
	struct fetch	*f;

	if (!w->ahead)
		return w->url != NULL ? fetch(w) : NULL;
	while (w->ready == NULL && !w->ended)
		crew_wait();
	f = w->ready;
	w->ready = NULL;
	crew_wake();
	return f;
}

enum graph_end
graph_pages(struct graph *g, const char *path, graph_page_fn fn, void *arg)
{
	struct walk	 w = { .g = g };
	struct crew	 crew = { .n = 0 };
	struct fetch	*f;
	enum graph_end	 end = GRAPH_OK;

	if (asprintf(&w.url, "https://%s/v1.0/%s", graph_host(g), path) == -1)
		err(EX_OSERR, NULL);
	seen_before(&w.seen, w.url);
	w.ahead = crew_started() && crew_spawn(&crew, run_ahead, &w);
	while (end == GRAPH_OK && (f = next_page(&w)) != NULL) {
		open_page(&w, f);
		/* If this page is whole it counts, whatever may come behind it. */
		if (f->whole && !fn(&f->page, arg))
			end = GRAPH_FAILED;
		else if (f->end != GRAPH_OK)
			end = graph_fail(g, f->status, "%s", f->why);
		drop_fetch(f);
	}
	w.stop = true;
	crew_wake();
	crew_join(&crew);
	drop_fetch(w.ready);
	free(w.seen.digest);
	free(w.url);
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
