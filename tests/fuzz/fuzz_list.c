/* Lists of every kind out of arbitrary bytes; what parses is asked for. */
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

static void
one_kind(const char *rules, const char *data, size_t len)
{
	static struct identity	 id = { .has_mac = true, .mac = { 0x02, 0, 0x5e, 0, 0x53, 1 } };
	static struct session	 session = { .user = "alice@corp.example" };
	static struct answer	 answer;
	struct facts		 f = { &id, &session, &answer, 1767614400 };
	struct policy_text	 t[] = { { "fuzz", rules, strlen(rules) }, { "list", data, len } };
	struct decision		 d;
	struct policy		*p;

	if ((p = policy_parse_texts(t, 2, ignore, NULL)) == NULL)
		return;
	policy_decide(p, &f, &d);
	/* Who is found is found in a line of it, and on a day that has not passed. */
	if (d.action == ACTION_DENY ? d.list == NULL || d.list_line < 1 ||
	    d.list_until <= f.now : d.list != NULL)
		abort();
	policy_free(p);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	one_kind("list L macs \"list\"\ndeny if mac in list L\nallow", (const char *)data, len);
	one_kind("timezone -11:30\nlist L users \"list\"\ndeny if user in list L\nallow",
	    (const char *)data, len);
	return 0;
}
