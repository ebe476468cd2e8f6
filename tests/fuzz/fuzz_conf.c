/* The configuration parser on arbitrary bytes. */
#include <stdint.h>

#include "base/conf.h"

int	 LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void
ignore(void *arg, const char *message)
{
	(void)arg;
	(void)message;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	conf_free(conf_parse("fuzz", (const char *)data, len, ignore, NULL));
	return 0;
}
