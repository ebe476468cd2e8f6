/* The tests of rules: any bytes give tests or errors with a place, never a crash. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "policy/ruletest.h"

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void
report(void *arg, const char *message)
{
	(void)arg;
	if (message[0] == '\0')
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ruletests	 t = { .n = 0 };

	ruletests_parse(&t, "f", (const char *)data, size, RULETEST_NOW, report, NULL);
	ruletests_free(&t);
	return 0;
}
