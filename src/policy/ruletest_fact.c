#include <stdio.h>
#include <string.h>

#include "base/mac.h"
#include "base/num.h"
#include "base/text.h"
#include "policy/ruletest_fact.h"
#include "policy/values.h"

#define WORDS	16	/* of one field */

static const struct {
	const char	*word, *instead;
} found_out[] = {
	{ "client", "os is Windows" },
	{ "trust", "what it rests on, as issuer is ..., app-hint, or compliance is compliant" },
	{ "zone", "nas is 10.0.0.1, or nas-id" },
	{ "weekday", "now is 2026-01-05T12:00:00Z, which is a Monday" },
	{ "hour", "now is 2026-01-05T12:00:00Z" },
	{ "time", "now is 2026-01-05T12:00:00Z" },
	{ "fresh", "age is 1h" },
	{ "stale", "age is 3d" },
	{ "managed", "compliance is compliant, or another of its words" },
	{ "random-mac", "mac is 02:00:00:00:00:01" },
	{ "certificate", "issuer is /CN=..., or cert-serial" },
	{ "jailbreak", "jailbroken, or compliance.device.jailbroken is False" },
};

const char *
ruletest_instead(const char *word)
{
	size_t	 i;

	for (i = 0; i < sizeof(found_out) / sizeof(*found_out); i++)
		if (strcmp(found_out[i].word, word) == 0)
			return found_out[i].instead;
	return NULL;
}

/* One of the words of a field, but for those that stand for several. */
static bool
is_word(enum field field, const char *text, char *what, size_t size, const char **near)
{
	const struct field_word	*w = field_table[field].words;
	const char		*names[WORDS];
	size_t			 n;

	for (n = 0; n < WORDS && w[n].name != NULL; n++) {
		if (strcmp(w[n].name, text) == 0)
			return true;
		names[n] = w[n].name;
	}
	snprintf(what, size, "%s is never", field_table[field].name);
	*near = text_nearest(text, names, n);
	return false;
}

bool
ruletest_value(const char *name, const struct token *t, char *what, size_t size,
    const char **near)
{
	struct value	 v = { 0 };
	char		 text[64];
	const char	*fault = NULL, *why;
	uint8_t		 mac[MAC_LEN];
	enum field	 field;
	int64_t		 n;

	*near = NULL;
	if (!field_find(name, strlen(name), &field))
		return true;
	if (lexer_len(t) >= sizeof(text))
		text[0] = '\0';
	else
		text[lexer_copy(text, t)] = '\0';
	switch (field_table[field].kind) {
	case KIND_SET:
		return is_word(field, text, what, size, near);
	case KIND_MAC:
		fault = mac_parse(text, mac) ? NULL : "is no MAC address:";
		break;
	case KIND_NET:
		if ((fault = value_net(t, &v)) == NULL && strchr(text, '/') != NULL)
			fault = "is no IP address:";
		break;
	case KIND_NUMBER:
		fault = num_parse(text, 0, UINT32_MAX, &n, &why) ? NULL : "is no number:";
		break;
	default:
		break;
	}
	if (fault == NULL)
		return true;
	snprintf(what, size, "%s", fault);
	return false;
}
