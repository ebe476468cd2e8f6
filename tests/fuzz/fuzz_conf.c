/* The configuration parser on arbitrary bytes. */
#include <stdint.h>
#include <string.h>

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
	static const char *const	 key[] = { "tenant", "client_secret_file", "realm" };
	struct conf			*c;
	size_t				 k;
	int				 i;

	c = conf_parse("fuzz", (const char *)data, len, ignore, NULL);
	for (i = CONF_TOP; c != NULL && i < conf_sections(c); i++) {
		if (i != CONF_TOP && conf_section_find(c, conf_section_name(c, i)) != i)
			__builtin_trap();
		for (k = 0; k < 3; k++)
			if (strlen(conf_section_get(c, i, key[k], "x")) == 0)
				__builtin_trap();
	}
	conf_free(c);
	return 0;
}
