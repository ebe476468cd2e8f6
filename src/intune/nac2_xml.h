/*
 * The XML of the Compliance Retrieval service (NAC 2.0), which answers in the
 * vocabulary of Cisco's MDM API, version 3, written in its own way: other letter
 * case, a namespace, most attributes left out.  So names are compared without case
 * and without prefix, what is not known is passed over, and what is known has to
 * make sense.  libexpat is included nowhere else.
 */
#ifndef INTUNE_NAC2_XML_H
#define INTUNE_NAC2_XML_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/guid.h"
#include "base/mac.h"

/* Limits of one document.  Intune says that it sends 100 devices at once and
 * Cisco's API allows 5000, of about 300 bytes each; they nest six deep. */
#define NAC2_XML_MAX	(4 * 1024 * 1024)
#define NAC2_DEVICES	5000
#define NAC2_DEPTH	16
#define NAC2_TEXT	1024	/* bytes in an element that we read */
#define NAC2_MACS	16	/* of one device; Cisco's text says at most 5 */

enum nac2_bool { NAC2_ABSENT, NAC2_FALSE, NAC2_TRUE };

struct nac2_device {
	bool		 has_id;
	struct guid	 id;		/* Intune device id */
	enum nac2_bool	 registered;	/* register_status: enrolled */
	enum nac2_bool	 compliant;	/* compliance/status */
	size_t		 nmac;
	uint8_t		 mac[NAC2_MACS][MAC_LEN];
};

/* One answer; "" and 0 for what it does not have. */
struct nac2_document {
	char			 name[64];	/* attributes, mdminfo */
	int64_t			 api_version;
	bool			 has_list;	/* there was a deviceList, perhaps empty */
	struct nac2_device	*device;
	size_t			 ndevice;
	char			 paging[NAC2_TEXT];	/* of the next page; "" = there is none */
	int64_t			 busy_wait;	/* server_busy_wait_seconds */
	/* Of mdminfo alone. */
	char			 api_path[NAC2_TEXT];
	char			 redirect_url[NAC2_TEXT];	/* where a user is helped */
	int64_t			 query_max_size;
	enum nac2_bool		 messaging;
	char			 vendor[128];
	char			 product_name[128];
	char			 product_version[64];
};

/*
 * Reads a whole document of len bytes.  Returns true with *out filled, which
 * nac2_document_free() frees; or false with a reason in why (size bytes) and
 * nothing to free: no XML, no ise_api, a document type (and with it every entity
 * of somebody's own), a limit passed, a truth value that is neither, an id that
 * is no GUID, or one thing said twice and differently.  An element that is empty
 * is as one that is not there.
 */
bool	 nac2_parse(const char *text, size_t len, struct nac2_document *out, char *why,
	    size_t size);

void	 nac2_document_free(struct nac2_document *doc);

#endif
