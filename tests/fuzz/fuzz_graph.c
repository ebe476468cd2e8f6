/* What Graph may send: a page of devices, or one device.  A page taken apart item by
 * item must hold what the whole text holds for a parser that takes it at once, and
 * what is seen of its link at a glance must be so. */
#include <jansson.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

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

static void
glance(const uint8_t *data, size_t len)
{
	struct page	 p;
	json_t		*item = NULL;
	char		*text, *next = NULL;
	bool		 empty = false;
	enum page_end	 end;

	if ((text = malloc(len + 1)) == NULL)
		return;
	memcpy(text, data, len);
	if (page_peek(text, len, &next, &empty) != (next != NULL))
		__builtin_trap();
	if (page_open(&p, text, len) && next != NULL) {
		if (p.next == NULL || strcmp(p.next, next) != 0)
			__builtin_trap();
		/* What is behind the items may be wrong. */
		end = page_item(&p, &item);
		if (end != PAGE_BAD && (end == PAGE_LAST) != empty)
			__builtin_trap();
	}
	json_decref(item);
	page_close(&p);
	free(next);
}

static void
pages(const json_t *whole, const uint8_t *data, size_t len)
{
	struct page	 p;
	enum page_end	 end = PAGE_BAD;
	json_t		*item;
	size_t		 n;
	char		*text;

	if ((text = malloc(len + 1)) == NULL)
		return;
	memcpy(text, data, len);
	if (page_open(&p, text, len)) {
		for (n = 0; (end = page_item(&p, &item)) == PAGE_ITEM; n++) {
			one(item);
			/* A whole that jansson does not take may go bad only later. */
			if (whole != NULL && !json_equal(item,
			    json_array_get(json_object_get(whole, "value"), n)))
				__builtin_trap();
			json_decref(item);
		}
		if (end == PAGE_LAST && (whole == NULL ||
		    json_array_size(json_object_get(whole, "value")) != n))
			__builtin_trap();
	}
	page_close(&p);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	json_t	*o = json_loadb((const char *)data, len, JSON_REJECT_DUPLICATES, NULL);

	one(o);
	glance(data, len);
	pages(o, data, len);
	json_decref(o);
	return 0;
}
