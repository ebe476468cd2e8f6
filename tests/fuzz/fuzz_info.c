/* What INFO says, from whatever calls itself Redis: what is taken says the same when
 * it is written again, and stays within its bounds. */
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/share_info.h"

int	 LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct share_info	 a = SHARE_INFO_NONE, b = SHARE_INFO_NONE;
	const char		*why = NULL;
	char			 text[256];
	size_t			 n = 0;

	if (!share_info_parse((const char *)data, len, &a, &why)) {
		if (why == NULL)
			abort();
		return 0;
	}
	if (len > INFO_MAX || a.maxmemory < -1 || a.evicted < -1 ||
	    memchr(a.policy, '\0', sizeof(a.policy)) == NULL)
		abort();
	if (a.maxmemory != -1)
		n += (size_t)snprintf(text, sizeof(text), "maxmemory:%" PRId64 "\r\n", a.maxmemory);
	if (a.evicted != -1)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "evicted_keys:%" PRId64 "\n",
		    a.evicted);
	if (a.policy[0] != '\0')
		n += (size_t)snprintf(text + n, sizeof(text) - n, "maxmemory_policy:%s", a.policy);
	if (!share_info_parse(text, n, &b, &why) || a.maxmemory != b.maxmemory ||
	    a.evicted != b.evicted || strcmp(a.policy, b.policy) != 0)
		abort();
	if (share_info_evicts(&a) && (a.maxmemory < 1 || strcmp(a.policy, "noeviction") == 0))
		abort();
	/* Each at most once: the same text behind itself is refused, if it had any. */
	if (share_info_parse((const char *)data, len, &a, &why) != (n == 0))
		abort();
	return 0;
}
