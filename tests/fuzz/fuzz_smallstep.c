/* The body of smallstep's webhook, certificate included. */
#include <stdint.h>

#include "serve/smallstep.h"

int	 LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	const struct smallstep_key	 key = { "0123456789abcdef", 16 };
	struct identity			 id;
	char				 why[SMALLSTEP_WHY];

	/* 2024-01-15T10:30:00Z, the time in the corpus. */
	smallstep_read((const char *)data, len, 1705314600, &id, why);
	smallstep_signed(&key, "00", (const char *)data, len);
	return 0;
}
