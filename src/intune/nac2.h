/*
 * The Compliance Retrieval service (NAC 2.0): is the device with this Intune id, or
 * with this MAC address, enrolled and compliant?  It knows no more than that.  Its
 * address is discovered, its token is one of its own, and every answer is compared
 * with what was asked.  As with Graph, only a whole, well-formed answer can say "no
 * such device".
 */
#ifndef INTUNE_NAC2_H
#define INTUNE_NAC2_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/guid.h"
#include "base/mac.h"
#include "intune/graph.h"
#include "intune/http.h"
#include "intune/nac2_xml.h"
#include "intune/settings.h"

#define NAC2_LIST_MAX	500000	/* devices in the list of the non-compliant ones */

struct nac2;

/* graph is used for discovery alone; all three must outlive the handle.  deadline is
 * in seconds, for one request. */
struct nac2 *nac2_new(const struct settings *set, struct http *http, struct graph *graph,
	    int64_t deadline);
void	 nac2_free(struct nac2 *n);

/* One line, and the exit status, of the last GRAPH_FAILED. */
const char *nac2_why(const struct nac2 *n);
int	 nac2_status(const struct nac2 *n);

/*
 * The device with this Intune id.  GRAPH_OK: it is enrolled, and *out says whether
 * compliant.  GRAPH_ABSENT: there is none, or it is not enrolled.
 */
enum graph_end nac2_guid(struct nac2 *n, const struct guid *id, struct nac2_device *out);

/*
 * The device with this MAC address, likewise.  *devices is how many have it, of which
 * *out is one.  An answer without any address is only believed after the service has
 * shown, once, that it does look at the address it is asked for.
 */
enum graph_end nac2_mac(struct nac2 *n, const uint8_t mac[MAC_LEN], struct nac2_device *out,
	    size_t *devices);

/* What the service says of itself; nac2_document_free() frees *out. */
enum graph_end nac2_info(struct nac2 *n, struct nac2_document *out);

/*
 * All devices that are not compliant, whole, each once, sorted by id; the caller
 * frees *out.  The service's window is kept to: when the list has to wait this is
 * GRAPH_FAILED with EX_TEMPFAIL, and it is not asked.
 */
enum graph_end nac2_noncompliant(struct nac2 *n, struct nac2_device **out, size_t *count);

#endif
