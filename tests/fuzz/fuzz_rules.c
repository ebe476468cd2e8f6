/* The rules parser on arbitrary bytes; what parses also decides. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "policy/policy.h"

int	 LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void
ignore(void *arg, const char *message)
{
	(void)arg;
	if (strlen(message) < 8)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct identity	 id = { .has_mac = true, .nname = 1, .issuer = "CN=Example" };
	static struct session	 session = { .nas_ip = "2001:db8::1", .ssid = "corp", .user = "a" };
	static struct answer	 answer = { .has_device = true, .checked = 1000 };
	struct facts		 f = { &id, &session, &answer, 5000 };
	struct decision		 d;
	struct jsonw		 w;
	char			 text[32768];
	struct policy		*p;
	int			 i;

	strcpy(id.name[0].text, "laptop-1");
	strcpy(answer.device.os, "Windows");
	if ((p = policy_parse("fuzz", (const char *)data, len, ignore, NULL)) == NULL)
		return 0;
	for (i = 0; i < COMPLIANCE_COUNT; i++) {
		answer.state = (enum compliance)i;
		policy_decide(p, &f, &d);
		jw_init(&w, text, sizeof(text));
		decision_write(&w, &d, f.now);
		if (jw_done(&w) == NULL)
			abort();
	}
	policy_free(p);
	return 0;
}
