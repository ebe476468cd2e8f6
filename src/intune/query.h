/*
 * From who a device says it is to what Intune says of it.
 */
#ifndef INTUNE_QUERY_H
#define INTUNE_QUERY_H

#include <stdbool.h>

#include "device/answer.h"
#include "device/identity.h"
#include "intune/graph.h"
#include "intune/inventory.h"

struct query {
	struct graph		*graph;
	struct inventory	*inventory;
	struct match_order	 order;
	bool			 newest;	/* of several matches take the last to sync */
	int			 verbose;
	bool			 warned;	/* that Graph ignored a filter */
};

/*
 * Asks for each identifier in turn until one matches; where names messages.
 * GRAPH_OK with *out whole: a device, or COMPLIANCE_UNREGISTERED when Intune knows
 * none of them, or COMPLIANCE_AMBIGUOUS.  GRAPH_FAILED: there is no answer, see
 * graph_why().
 */
enum graph_end query_answer(struct query *q, const struct identity *id, const char *where,
	    struct answer *out);

/* The answer that a device's own record gives, unasked: --all. */
void	 query_listed(const struct managed *m, int64_t now, struct answer *out);

#endif
