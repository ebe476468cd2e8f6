/*
 * A page of a Graph list as text: {…,"value":[{…},{…}],…}.  The devices in it are
 * taken out one by one, so that a thousand of them are never in memory as a tree.
 */
#ifndef INTUNE_PAGE_H
#define INTUNE_PAGE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "intune/managed.h"

/* Levels of nesting that are followed; a page of devices has four. */
#define PAGE_DEPTH	64

struct page {
	char		*text;		/* owned */
	size_t		 len;
	json_t		*head;		/* everything but the items, "value" being [] */
	const char	*next;		/* @odata.nextLink in head, NULL on the last one */
	size_t		 from;		/* behind the bracket of "value" */
	size_t		 at, end;	/* where the next item may begin; the bracket behind them */
	bool		 first;
	bool		 guessed;	/* end is the last bracket, by which nobody has come yet */
	struct managed_guess guess;
	char		 why[128];	/* of the last failure */
};

enum page_end { PAGE_ITEM, PAGE_ODD, PAGE_LAST, PAGE_BAD };

/*
 * Takes over text, which page_close() frees also after a failure.  Returns true
 * when it is the page of a list as far as can be seen without the items: one JSON
 * object (RFC 8259, no name twice), "value" an array of objects, the link a string
 * or nothing, no error object.  Else false with why.  Where the link stands in front
 * of "value" and no other member behind it, what is wrong at its end is told by
 * the items' PAGE_BAD only.
 */
bool	 page_open(struct page *page, char *text, size_t len);
void	 page_close(struct page *page);

/*
 * What follows a page, from its beginning alone, where Graph writes it: true with a
 * link in front of "value", which the caller frees, and whether there are no items.
 * False when only page_open() can tell.  What is no page is not noticed here.
 */
bool	 page_peek(const char *text, size_t len, char **next, bool *empty);

/* The next item in *out, for the caller to release; PAGE_LAST behind the last one;
 * PAGE_BAD with why for one that is no JSON object. */
enum page_end page_item(struct page *page, json_t **out);

/* The same for a list of devices, without a tree where that can be.  PAGE_ODD for an
 * object that managed_parse() does not take, with its reason in page->why. */
enum page_end page_device(struct page *page, struct managed *out);

#endif
