/*
 * The tenants that one run asks: each with its settings, its connections and its own
 * view of the devices, opened when a record first needs it.
 */
#ifndef INTUNE_QUERIES_H
#define INTUNE_QUERIES_H

#include <jansson.h>

#include "intune/query.h"
#include "intune/settings.h"

struct queries;

/* How each of them is to be asked. */
struct queries_options {
	struct match_order	 order;
	enum query_source	 source;
	bool			 has_source;	/* else what nac.conf says */
	bool			 newest, no_wired, directory;
	int64_t			 age, deadline;	/* seconds */
	int64_t			 budget;	/* requests, or BUDGET_DEFAULT */
	unsigned		 jobs;		/* more than 1: crew_start() has been called */
};

/* Both must outlive the handle; options are the command line's with the file open. */
struct queries *queries_new(const struct settings *options, const struct queries_options *how);
void	 queries_free(struct queries *t);

/*
 * The query of one section (CONF_TOP: of none), for as long as the handle lives; or
 * NULL with the exit status, after a message the first time.
 */
struct query *queries_get(struct queries *t, int section, int *status);

/* The settings of one that has been opened. */
const struct settings *queries_settings(const struct queries *t, int section);

/* The query for a record, by section_choose(); or NULL with the exit status and a reason
 * in why (size bytes).  A stream_pick. */
struct query *queries_pick(void *arg, const json_t *rec, const struct identity *id, char *why,
	    size_t size, int *status);

#endif
