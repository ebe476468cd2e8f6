/*
 * Where in this tenant's scale unit the Compliance Retrieval service is: Graph
 * says so (servicePrincipal, list endpoints).  The answer is kept in token_dir for
 * all processes.  An address is only taken when the host in it is one that may see
 * our token.
 */
#ifndef INTUNE_DISCOVERY_H
#define INTUNE_DISCOVERY_H

#include <stdbool.h>
#include <stdint.h>

#include "intune/graph.h"
#include "intune/settings.h"

#define DISCOVERY_AGE	(6 * 3600)	/* seconds until Graph is asked again */
#define DISCOVERY_AGAIN	10	/* seconds in which all processes together ask only once
				 * more, when the address they have does not work */
#define DISCOVERY_URI	1024	/* bytes; real ones have 130 */
#define DISCOVERY_WHY	1024	/* bytes of the reason for a failure */

/* Seconds for which a process remembers that Graph did not say where, and for which
 * when that was a passing failure. */
#define DISCOVERY_FAILED	60
#define DISCOVERY_PASSING	5

struct discovery {
	const struct settings	*set;
	struct graph		*graph;
	bool			 busy;	/* a thread is at it */
	int64_t			 asked;	/* seconds since 1970 */
	char			 uri[DISCOVERY_URI];	/* without a slash at its end; "" at first */
	int64_t			 failed_until;	/* wire_clock(): Graph is not asked before, */
	int			 status;	/* because of this */
	char			 why[DISCOVERY_WHY];
};

/*
 * Sees to it that d->uri is filled: from memory, from disk, or from Graph.  broken:
 * NULL, or an address that does not work; then another thread's or process's newer
 * one, or a new one.  GRAPH_ABSENT, with broken only: Graph was asked a moment ago,
 * and that is what it said.  GRAPH_FAILED: see graph_why(); EX_CONFIG when the service
 * is not in the list or at a host that is not allowed.  Another process that is at it
 * is waited for until end (wire_clock) at the latest.
 */
enum graph_end discovery_find(struct discovery *d, const char *broken, int64_t end);

/*
 * True when uri is an https address, without user, query or fragment, whose host is
 * in hosts: words with blanks or commas between, ".example.com" for every host
 * below that domain at port 443, others for exactly that host or host:port.
 */
bool	 discovery_uri_ok(const char *uri, const char *hosts);

/* The hosts that may be: intune_hosts of nac.conf(5), else those of the cloud. */
const char *discovery_hosts(const struct settings *set);

#endif
