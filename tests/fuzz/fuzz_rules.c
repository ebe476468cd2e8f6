/* The rules parser on arbitrary bytes; what parses also decides, and no rule
 * decides of which lint says that it is never reached. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "policy/lint.h"
#include "policy/policy.h"

int	 LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void
ignore(void *arg, const char *message)
{
	(void)arg;
	if (strlen(message) < 8)
		abort();
}

static bool	never[2048];

/* "fuzz:LINE:..." of a warning. */
static void
warned(void *arg, const char *message)
{
	long	 line = strtol(message + sizeof("fuzz:") - 1, NULL, 10);

	(void)arg;
	if (strstr(message, "warning: this rule is never reached") != NULL && line > 0 &&
	    line < (long)(sizeof(never) / sizeof(never[0])))
		never[line] = true;
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
	static char		 text[32768];
	struct policy		*p;
	int			 i;

	strcpy(id.name[0].text, "laptop-1");
	strcpy(answer.device.os, "Windows");
	if ((p = policy_parse("fuzz", (const char *)data, len, ignore, NULL)) == NULL)
		return 0;
	memset(never, 0, sizeof(never));
	/* Lint is slow by design; a short file shows all that it does. */
	if (len < 1024)
		policy_lint(p, NULL, warned, NULL);
	for (i = 0; i < COMPLIANCE_COUNT; i++) {
		answer.state = (enum compliance)i;
		policy_decide(p, &f, &d);
		if (d.file != NULL && d.line < 2048 && never[d.line])
			abort();
		jw_init(&w, text, sizeof(text));
		decision_write(&w, &d, f.now);
		if (jw_done(&w) == NULL)
			abort();
	}
	policy_free(p);
	return 0;
}
