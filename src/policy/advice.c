#include <stdio.h>
#include <string.h>

#include "policy/advice.h"

/* What is written, and of which word it is meant.  Where the meaning is longer than the
 * word, the last is what is said. */
static const struct {
	const char	*written, *word, *say;
} meant[] = {
	{ "permit", "allow", NULL }, { "accept", "allow", NULL }, { "pass", "allow", NULL },
	{ "reject", "deny", NULL }, { "block", "deny", NULL }, { "drop", "deny", NULL },
	{ "refuse", "deny", NULL }, { "set", "let", NULL }, { "default", "no-match", NULL },
	{ "default-action", "no-match", NULL },
	{ "device-trust", "trust", NULL }, { "platform", "os", NULL }, { "vlan-id", "vlan", NULL },
	{ "device-name", "name", NULL }, { "hostname", "name", NULL }, { "wifi", "ssid", NULL },
	{ "untrusted", "trusted", "trust is not trusted" },
	{ "not-trusted", "trusted", "trust is not trusted" },
	{ "nottrusted", "trusted", "trust is not trusted" },
	{ "6months", "six-months", NULL }, { "6-months", "six-months", NULL },
	{ "sixmonths", "six-months", NULL }, { "half-yearly", "six-months", NULL },
	{ "always", "sign-on", NULL }, { "every-sign-on", "sign-on", NULL },
	{ "non-compliant", "noncompliant", NULL }, { "not-compliant", "noncompliant", NULL },
	{ "ingraceperiod", "grace", NULL },
	{ "mon", "monday", NULL }, { "tue", "tuesday", NULL }, { "tues", "tuesday", NULL },
	{ "wed", "wednesday", NULL }, { "thu", "thursday", NULL }, { "thur", "thursday", NULL },
	{ "thurs", "thursday", NULL }, { "fri", "friday", NULL }, { "sat", "saturday", NULL },
	{ "sun", "sunday", NULL },
};

static bool
is_lower(const char *text, size_t len, const char *word)
{
	size_t	 i;
	char	 c;

	for (i = 0; i < len && word[i] != '\0'; i++) {
		c = text[i] >= 'A' && text[i] <= 'Z' ? (char)(text[i] | 0x20) : text[i];
		if (c != word[i])
			return false;
	}
	return i == len && word[i] == '\0';
}

static const char *
one(const char *text, size_t len, const char *const *words, size_t n)
{
	size_t	 i, k;

	for (k = 0; k < n; k++)
		if (is_lower(text, len, words[k]))
			return words[k];
	for (i = 0; i < sizeof(meant) / sizeof(*meant); i++) {
		if (!is_lower(text, len, meant[i].written))
			continue;
		for (k = 0; k < n; k++)
			if (strcmp(words[k], meant[i].word) == 0)
				return meant[i].say != NULL ? meant[i].say : words[k];
	}
	return NULL;
}

const char *
advice_word(struct parser *p, const struct token *t, const char *const *words, size_t n)
{
	const char	*dots, *from, *to;
	char		*s;
	size_t		 len;

	if (t->len > 2 && (dots = memmem(t->text, t->len, "..", 2)) != NULL) {
		from = one(t->text, (size_t)(dots - t->text), words, n);
		to = one(dots + 2, t->len - (size_t)(dots - t->text) - 2, words, n);
		if (from == NULL || to == NULL)
			return NULL;
		len = strlen(from) + strlen(to) + 3;
		s = policy_alloc(p->pol, len);
		snprintf(s, len, "%s..%s", from, to);
		/* Both are words: what is wrong is that they do not follow one another. */
		return strlen(s) == t->len && memcmp(s, t->text, t->len) == 0 ? NULL : s;
	}
	return one(t->text, t->len, words, n);
}

bool
advice_operator(struct parser *p, bool is, const char *expected, bool *negated)
{
	struct token	 t = p->t, next;
	char		 what[128];
	bool		 bang = parser_at(p, "!");

	if (!bang && t.kind != TOKEN_EQ && !parser_at(p, "equals") && !parser_at(p, "eq") &&
	    !parser_at(p, "matches") && !parser_at(p, "like") && !parser_at(p, "ne"))
		return false;
	*negated = bang || parser_at(p, "ne");
	parser_next(p);
	next = p->t;
	/* != and == are two tokens. */
	if ((bang || t.kind == TOKEN_EQ) && next.kind == TOKEN_EQ && next.text == t.text + t.len) {
		t.len += next.len;
		parser_next(p);
	} else if (bang)
		return false;
	snprintf(what, sizeof(what), "write %s instead of", !is ? expected : *negated ? "is not" :
	    "is");
	parser_fault(p, &t, what);
	return true;
}

const char *
advice_instead(const struct parser *p)
{
	return parser_at(p, "&&") || parser_at(p, "&") ? "and" :
	    parser_at(p, "||") || parser_at(p, "|") ? "or" : NULL;
}
