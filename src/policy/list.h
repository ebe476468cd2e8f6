/*
 * Lists out of files: MAC addresses, names or users, one in each line, some with
 * a date until which they hold and a reason.  nac-rules(5), section "Lists".  For
 * src/policy only.
 */
#ifndef POLICY_LIST_H
#define POLICY_LIST_H

#include "policy/parser.h"

#define LIST_BYTES	(8 * 1024 * 1024)
#define LIST_ENTRIES	200000
#define LIST_MAX	256	/* lists of one policy */

/* macs, names, ... up to a NULL. */
extern const char *const	 list_types[LIST_TYPES + 1];

/*
 * Reads len bytes of a list into l, whose type is set; path stands in messages.
 * Every bad line is reported through the parser; the others are read.
 */
void	 list_parse(struct parser *p, struct list *l, const char *path, const char *text,
	    size_t len);

/* The first entry that holds now; NULL when there is none. */
const struct entry *list_find_mac(const struct list *l, const uint8_t mac[6], int64_t now,
	    int timezone);
const struct entry *list_find_text(const struct list *l, const char *text, int64_t now,
	    int timezone);

/* Whether an entry holds at a time. */
bool	 list_holds(const struct entry *entry, int64_t now, int timezone);

/* The list of this name; NULL when there is none. */
struct list *list_named(const struct policy *p, const char *text, size_t len);

#endif
