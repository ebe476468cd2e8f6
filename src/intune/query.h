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
#include "intune/nac2.h"

/* Who is asked. */
enum query_source {
	QUERY_GRAPH,
	QUERY_NAC2,		/* the Compliance Retrieval service: Intune id and MAC alone */
	QUERY_AUTO		/* Graph, and NAC 2.0 for a MAC as long as no list is at hand */
};

/* With QUERY_AUTO, how many MAC addresses NAC 2.0 is asked for before the tenant is
 * listed after all: a request each, where a list serves thousands. */
#define QUERY_NAC2_MACS	50

struct query {
	struct graph		*graph;
	struct inventory	*inventory;
	struct nac2		*nac2;		/* NULL with QUERY_GRAPH */
	enum query_source	 source;
	size_t			 nac2_macs;	/* asked so far */
	bool			 nac2_off;	/* QUERY_AUTO: it does not answer; Graph does */
	const char		*tenant;	/* named in answers, where there are several */
	struct match_order	 order;
	bool			 newest;	/* of several matches take the last to sync */
	bool			 directory;	/* also ask it for accountEnabled */
	int			 verbose;
	bool			 warned;	/* that Graph ignored a filter */
	bool			 warned_list;	/* that a list lacked a device */
};

/*
 * Asks for each identifier in turn until one matches; where names messages.  was is
 * the device that was found by them before, or NULL: a list that lacks it proves
 * nothing, and then it is asked for by its id.
 * GRAPH_OK with *out whole: a device, or COMPLIANCE_UNREGISTERED when Intune knows
 * none of them, or COMPLIANCE_AMBIGUOUS.  GRAPH_FAILED: there is no answer, see
 * graph_why().
 */
enum graph_end query_answer(struct query *q, const struct identity *id,
	    const struct device *was, const char *where, struct answer *out);

/* "graph", "nac2" or "auto".  False for anything else. */
bool	 query_source_parse(const char *text, enum query_source *out);

/* The answer that a device in NAC 2.0's list of non-compliant ones gives. */
void	 query_noncompliant(const struct query *q, const struct nac2_device *d, int64_t now,
	    struct answer *out);

/* The answer that a device's own record gives, unasked: --all.  The device stays
 * where it is. */
void	 query_listed(const struct query *q, const struct managed *m, int64_t now,
	    struct answer *out);

#endif
