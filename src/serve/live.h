/*
 * What nac-serve keeps between requests: settings, rules and the store.  They
 * are looked at again while requests go on; a new file that is broken changes
 * nothing, the last good one stays in force.
 */
#ifndef SERVE_LIVE_H
#define SERVE_LIVE_H

#include <stdbool.h>

#include "radius/hook.h"
#include "store/tally.h"

struct live;

/* One line for a person: a reload, or why there was none. */
typedef void (*live_say)(const char *line);

/*
 * Loads the configuration that o names, then its rules.  o stays the caller's
 * and must stay as it is.  Returns NULL, after a line, when the configuration
 * is broken; rules or a store that are broken are said, and the fallback
 * answers until they are better.  No memory ends the program.
 */
struct live *live_new(const struct hook_options *o, live_say say);
void	 live_free(struct live *l);

/* Reads configuration and rules again if their files have changed; with force
 * in any case.  For one thread only. */
void	 live_reload(struct live *l, bool force);

/* Prepares h for one decision: settings, rules, the kept store.  live_put() must
 * follow when the answer has been written.  Any thread. */
void	 live_get(struct live *l, struct hook *h);
void	 live_put(struct live *l, struct hook *h);

/* How often rules were taken, and refused, since the start. */
void	 live_counts(struct live *l, unsigned long *taken, unsigned long *refused);

/*
 * What the store knows: how many bytes of the journal `nac-cache follow` has not
 * read yet, -1 when it never ran or that cannot be known; and how the changes of
 * authorization ended.  False: the store cannot be read, and *coa is of no use.
 */
bool	 live_scrape(struct live *l, const char *state_dir, const char *journal, int64_t *lag,
	    struct tally *coa);

/* Whether decisions come from rules and not from the fallback. */
bool	 live_ready(struct live *l);

#endif
