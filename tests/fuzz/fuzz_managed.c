/* The reader of devices without a JSON library against jansson and managed_parse():
 * what it takes they take too, with every byte of the result the same; and a page of
 * devices is the same list by either way. */
#include <jansson.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "intune/page.h"

int	 LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* One device at the start of the text, twice: the second time it knows the order. */
static void
one(const char *text, size_t len)
{
	static struct managed	 fast, slow;
	struct managed_guess	 guess = { { 0 } };
	char			 why[128];
	json_t			*o;
	size_t			 n, again;

	n = managed_scan(text, len, &guess, &fast);
	again = managed_scan(text, len, &guess, &fast);
	if (n != again || n > len)
		abort();
	if (n == 0)
		return;
	if ((o = json_loadb(text, n, JSON_REJECT_DUPLICATES, NULL)) == NULL ||
	    !managed_parse(o, &slow, why, sizeof(why)) ||
	    memcmp(&fast, &slow, sizeof(fast)) != 0)
		abort();
	json_decref(o);
}

static bool
open_copy(struct page *p, const uint8_t *data, size_t len)
{
	char	*text = malloc(len > 0 ? len : 1);

	if (text == NULL)
		abort();
	memcpy(text, data, len);
	return page_open(p, text, len);
}

static void
pages(const uint8_t *data, size_t len)
{
	static struct managed	 fast, slow;
	struct page		 p, q;
	enum page_end		 end, other;
	json_t			*o;
	char			 why[128];
	bool			 good;

	good = open_copy(&p, data, len);
	if (open_copy(&q, data, len) != good)
		abort();
	while (good) {
		end = page_device(&p, &fast);
		if ((other = page_item(&q, &o)) == PAGE_ITEM) {
			if (!managed_parse(o, &slow, why, sizeof(why)))
				other = PAGE_ODD;
			json_decref(o);
		}
		if (end != other || (end == PAGE_ODD && strcmp(p.why, why) != 0) ||
		    (end == PAGE_BAD && strcmp(p.why, q.why) != 0) ||
		    (end == PAGE_ITEM && memcmp(&fast, &slow, sizeof(fast)) != 0))
			abort();
		good = end == PAGE_ITEM || end == PAGE_ODD;
	}
	page_close(&p);
	page_close(&q);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	char	*text = malloc(len > 0 ? len : 1);

	if (text == NULL)
		abort();
	memcpy(text, data, len);
	one(text, len);
	free(text);
	pages(data, len);
	return 0;
}
