/* What the Compliance Retrieval service may send: XML to devices. */
#include <stdint.h>
#include <string.h>

#include "intune/nac2_xml.h"

int	 LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct nac2_document	 doc;
	char			 why[128];
	size_t			 i;

	if (!nac2_parse((const char *)data, len, &doc, why, sizeof(why))) {
		if (doc.device != NULL || *why == '\0')
			__builtin_trap();
		return 0;
	}
	for (i = 0; i < doc.ndevice; i++)
		if (doc.device[i].nmac > NAC2_MACS ||
		    (doc.device[i].has_id && guid_is_zero(&doc.device[i].id)))
			__builtin_trap();
	if ((doc.ndevice > 0 && !doc.has_list) || strcmp(doc.paging, "0") == 0)
		__builtin_trap();
	nac2_document_free(&doc);
	return 0;
}
