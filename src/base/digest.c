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

uint64_t
digest_file(uint64_t h, const void *data, size_t len)
{
	const unsigned char	*p = data;
	size_t			 rest = len;
	uint64_t		 w;

	for (; rest >= 8; p += 8, rest -= 8) {
		w = (uint64_t)p[0] | (uint64_t)p[1] << 8 | (uint64_t)p[2] << 16 |
		    (uint64_t)p[3] << 24 | (uint64_t)p[4] << 32 | (uint64_t)p[5] << 40 |
		    (uint64_t)p[6] << 48 | (uint64_t)p[7] << 56;
		h = (h ^ w) * UINT64_C(0x9e3779b97f4a7c15);
		h ^= h >> 32;
	}
	h = digest_add(h, p, rest);
	/* So that a file and the same with zero bytes behind it differ. */
	h = (h ^ len) * UINT64_C(0x9e3779b97f4a7c15);
	return h ^ h >> 29;
}

char *
digest_format(char out[DIGEST_TEXT], uint64_t h)
{
	snprintf(out, DIGEST_TEXT, "%016" PRIx64, h);
	return out;
}
