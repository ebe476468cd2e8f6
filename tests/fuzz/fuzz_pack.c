/* A stored value of arbitrary bytes: refused, or packed again to the same bytes. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "store/pack.h"

int	 LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct answer	 a;
	unsigned char	 buf[PACK_MAX];
	const char	*why = NULL;

	if (!unpack_answer(data, len, &a, &why)) {
		if (why == NULL || a.has_device)
			abort();
	} else if (pack_answer(buf, &a) != len || memcmp(buf, data, len) != 0)
		abort();
	return 0;
}
