/* The copy of the last good rules: arbitrary bytes decide nothing unless they are
 * one, whole. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "policy/good.h"

int	 LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct identity	 id;
	static struct session	 session;
	static struct answer	 answer;
	struct facts		 f = { &id, &session, &answer, 5000 };
	struct decision		 d;
	char			 why[GOOD_WHY] = "";
	int64_t			 kept;
	struct policy		*p;

	p = good_parse("fuzz", (const char *)data, len, "/etc/site.rules", &kept, why);
	if ((p == NULL) != (why[0] != '\0'))
		abort();
	if (p != NULL)
		policy_decide(p, &f, &d);
	policy_free(p);
	return 0;
}
