#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>

#include "device/record.h"
#include "intune/budget.h"
#include "intune/section.h"
#include "intune/queries.h"

struct tenant_query {
	bool		 tried;
	int		 status;	/* of the settings: 0 = good */
	struct settings	 set;
	struct http	*http;
	struct query	 q;
};

struct queries {
	const struct settings		*options;
	const struct queries_options	*how;
	struct tenant_query			*one;	/* the top first, then each section */
	int				 n;
};

struct queries *
queries_new(const struct settings *options, const struct queries_options *how)
{
	struct queries	*t;

	if ((t = calloc(1, sizeof(*t))) == NULL)
		err(EX_OSERR, NULL);
	t->options = options;
	t->how = how;
	t->n = conf_sections(options->conf) + 1;
	if ((t->one = calloc((size_t)t->n, sizeof(*t->one))) == NULL)
		err(EX_OSERR, NULL);
	return t;
}

/* Whether the file has more than one tenant, and an answer should say whose it is. */
static bool
several(const struct conf *conf)
{
	return conf_sections(conf) + (conf_get(conf, "tenant", NULL) != NULL) > 1;
}

static void
open_one(struct queries *t, struct tenant_query *one, int section)
{
	const struct queries_options	*how = t->how;
	struct query			*q = &one->q;

	one->tried = true;
	if ((one->status = settings_fill(&one->set, t->options, section)) != 0)
		return;
	q->source = how->source;
	if (!how->has_source)
		(void)query_source_parse(one->set.source, &q->source);
	q->tenant = several(t->options->conf) ? section != CONF_TOP ?
	    conf_section_name(t->options->conf, section) : one->set.tenant : NULL;
	one->http = http_new(&one->set);
	q->graph = graph_new(&one->set, one->http, how->deadline);
	if (how->budget != BUDGET_DEFAULT)
		graph_budget(q->graph, how->budget);
	if (how->jobs > 1) {
		http_parallel(one->http);
		graph_jobs(q->graph, how->jobs);
	}
	q->nac2 = nac2_new(&one->set, one->http, q->graph, how->deadline);
	q->inventory = inventory_new(q->graph, how->age, !how->no_wired, one->set.verbose > 0);
	q->order = how->order;
	q->directory = how->directory;
	q->newest = how->newest || how->order.newest;
	q->verbose = one->set.verbose;
}

struct query *
queries_get(struct queries *t, int section, int *status)
{
	struct tenant_query	*one = &t->one[section + 1];

	if (!one->tried)
		open_one(t, one, section);
	*status = one->status;
	return one->status == 0 ? &one->q : NULL;
}

const struct settings *
queries_settings(const struct queries *t, int section)
{
	return &t->one[section + 1].set;
}

struct query *
queries_pick(void *arg, const json_t *rec, const struct identity *id, char *why, size_t size,
    int *status)
{
	struct queries	*t = arg;
	struct session	 session;
	struct query	*q;
	const char	*was;
	int		 section;

	*status = EX_DATAERR;
	if (!record_session(rec, &session, why, size))
		return NULL;
	*status = EX_CONFIG;
	was = json_string_value(json_object_get(json_object_get(rec, "compliance"), "tenant"));
	if (!section_choose(t->options->conf, id, &session, was, &section, why, size))
		return NULL;
	if ((q = queries_get(t, section, status)) == NULL)
		snprintf(why, size, "tenant %s: cannot be asked: see the message about its "
		    "settings", section == CONF_TOP ? "of the file" :
		    conf_section_name(t->options->conf, section));
	return q;
}

void
queries_free(struct queries *t)
{
	struct tenant_query	*one;
	int		 i;

	for (i = 0; t != NULL && i < t->n; i++) {
		one = &t->one[i];
		if (one->http != NULL) {
			inventory_free(one->q.inventory);
			nac2_free(one->q.nac2);
			graph_free(one->q.graph);
			http_free(one->http);
		}
		if (one->tried)
			settings_free(&one->set);
	}
	if (t != NULL)
		free(t->one);
	free(t);
}
