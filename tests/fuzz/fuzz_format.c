/* The layout of a rules file: it is found in one step, and what the file says is
 * not touched: the same words, and where it is a rules file the same decisions. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "policy/format.h"
#include "policy/lexer.h"

int	 LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void
ignore(void *arg, const char *message)
{
	(void)arg;
	if (strlen(message) < 8)
		abort();
}

static int
format(const char *text, size_t len, char **out, size_t *size)
{
	FILE	*f = open_memstream(out, size);
	int	 rc;

	if (f == NULL)
		abort();
	rc = rules_format("fuzz", text, len, f, ignore, NULL);
	fclose(f);
	return rc;
}

/* The next token that says something: of several ends one. */
static void
next(struct lexer *lx, struct token *t, enum token_kind before)
{
	do
		lexer_next(lx, t);
	while (t->kind == TOKEN_END && before == TOKEN_END);
}

static void
same_words(const char *a, size_t alen, const char *b, size_t blen)
{
	struct lexer	 x, y;
	struct token	 s = { .kind = TOKEN_END }, t = { .kind = TOKEN_END };

	lexer_init(&x, a, alen);
	lexer_init(&y, b, blen);
	do {
		next(&x, &s, s.kind);
		next(&y, &t, t.kind);
		/* The last line may have had no end. */
		if (s.kind == TOKEN_EOF && t.kind == TOKEN_END)
			next(&y, &t, t.kind);
		if (s.kind != t.kind || (s.kind != TOKEN_END && (s.len != t.len ||
		    memcmp(s.text, t.text, s.len) != 0)))
			abort();
	} while (s.kind != TOKEN_EOF);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	const char	*text = (const char *)data;
	struct policy	*p, *q;
	char		*once = NULL, *twice = NULL;
	size_t		 n = 0, m = 0;

	if (format(text, len, &once, &n) == 0) {
		if (format(once, n, &twice, &m) != 0 || n != m || memcmp(once, twice, n) != 0)
			abort();
		if (memchr(text, '{', len) == NULL)
			same_words(text, len, once, n);
		/* Longer, but never past the limit by much: only shorter files are compared. */
		if (len < POLICY_FILE / 4) {
			p = policy_parse("fuzz", text, len, ignore, NULL);
			q = policy_parse("fuzz", once, n, ignore, NULL);
			if ((p == NULL) != (q == NULL))
				abort();
			policy_free(p);
			policy_free(q);
		}
	}
	free(once);
	free(twice);
	return 0;
}
