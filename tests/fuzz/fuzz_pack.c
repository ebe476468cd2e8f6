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
	size_t		 n;

	if (!unpack_answer(data, len, &a, &why)) {
		if (why == NULL || a.has_device)
			abort();
		return 0;
	}
	n = pack_answer(buf, &a);
	/* Version 1 is written again as the present one, with no tenant behind it. */
	if (data[0] == 1 && (n != len + 1 || a.tenant[0] != '\0'))
		abort();
	else if (data[0] != 1 && (data[0] != PACK_VERSION || n != len))
		abort();
	if (memcmp(buf + 1, data + 1, len - 1) != 0)
		abort();
	return 0;
}
