#include <inttypes.h>
#include <stdio.h>

#include "base/digest.h"

uint64_t
digest_add(uint64_t h, const void *data, size_t len)
{
	const unsigned char	*p = data;

	while (len-- > 0) {
		h ^= *p++;
		h *= UINT64_C(0x100000001b3);
	}
	return h;
}

char *
digest_format(char out[DIGEST_TEXT], uint64_t h)
{
	snprintf(out, DIGEST_TEXT, "%016" PRIx64, h);
	return out;
}
