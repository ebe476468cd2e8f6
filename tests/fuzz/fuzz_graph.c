/* What Graph may send: a page of devices, or one device. */
#include <jansson.h>
#include <stdint.h>

#include "intune/graph.h"

int	 LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void
one(const json_t *o)
{
	struct managed	 m;
	struct guid	 id;
	uint8_t		 mac[MAC_LEN];
	char		 why[128];
	bool		 has;

	if (managed_parse(o, &m, why, sizeof(why)) && !m.device.has_id)
		__builtin_trap();
	(void)managed_mac(o, "ethernetMacAddress", &id, &has, mac, why, sizeof(why));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	const json_t	*items, *item;
	const char	*next;
	json_t		*o = json_loadb((const char *)data, len, JSON_REJECT_DUPLICATES, NULL);
	size_t		 i;

	one(o);
	if (graph_page(o, &items, &next))
		json_array_foreach(items, i, item)
			one(item);
	json_decref(o);
	return 0;
}
