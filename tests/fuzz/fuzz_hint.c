/* The file of a managed app's secret: only the very text of its one line is a good
 * hint, and a file that is none makes no hint good. */
#include <sys/mman.h>
#include <sys/stat.h>

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "policy/policy.h"

int	 LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void
ignore(void *arg, const char *message)
{
	(void)arg;
	if (strlen(message) < 8)
		abort();
}

/* Whether the session's hint should be good by the rules of nac-rules(5). */
static bool
expected(const uint8_t *data, size_t len, const char *shown)
{
	while (len > 0 && (data[len - 1] == '\n' || data[len - 1] == '\r'))
		len--;
	return len >= 8 && len < SESSION_HINT && memchr(data, '\n', len) == NULL &&
	    memchr(data, '\r', len) == NULL && memchr(data, '\0', len) == NULL &&
	    strlen(shown) == len && memcmp(shown, data, len) == 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static int		 fd = -1;
	static struct session	 s;
	char			 rules[128];
	struct policy_text	 t = { "fuzz", rules, 0 };
	struct policy		*p;
	size_t			 n = len < SESSION_HINT ? len : SESSION_HINT - 1, cut;

	if (fd == -1 && ((fd = memfd_create("hint", MFD_CLOEXEC)) == -1 ||
	    fchmod(fd, 0600) == -1))
		abort();
	if (ftruncate(fd, 0) == -1 || pwrite(fd, data, len, 0) != (ssize_t)len)
		abort();
	t.len = (size_t)snprintf(rules, sizeof(rules), "app-hint \"/proc/self/fd/%d\"\n"
	    "trusted by app-hint\nallow if trust is trusted\nno-match deny\n", fd);
	if ((p = policy_parse_texts(&t, 1, ignore, NULL)) == NULL)
		abort();
	/* The whole, and all but one byte of it. */
	for (cut = 0; cut < 2 && cut <= n; cut++) {
		memset(s.app_hint, 0, sizeof(s.app_hint));
		memcpy(s.app_hint, data, n - cut);
		if (s.app_hint[0] != '\0' &&
		    (policy_hint(p, &s) == HINT_GOOD) != expected(data, len, s.app_hint))
			abort();
	}
	policy_free(p);
	return 0;
}
