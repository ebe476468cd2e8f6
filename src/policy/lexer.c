#include <string.h>

#include "base/text.h"
#include "policy/lexer.h"

#define BOM	"\xef\xbb\xbf"
#define BLANKS	"blanks behind the backslash that continues the line:"

void
lexer_init(struct lexer *lx, const char *text, size_t len)
{
	lx->p = lx->line_start = text;
	lx->end = text + len;
	lx->line = 1;
	if (len >= 3 && memcmp(text, BOM, 3) == 0)
		lx->p = lx->line_start = text + 3;
}

static void
start(const struct lexer *lx, struct token *t, enum token_kind kind, size_t len)
{
	t->kind = kind;
	t->line = lx->line;
	t->column = (size_t)(lx->p - lx->line_start) + 1;
	t->text = lx->p;
	t->len = len;
	t->fault = NULL;
	t->escaped = false;
}

static void
bad(struct lexer *lx, struct token *t, const char *fault, size_t len)
{
	start(lx, t, TOKEN_BAD, len);
	t->fault = fault;
	lx->p += len;
}

/* Length of the line end at s: "\n", "\r\n", a last "\r"; 0 when there is none. */
static size_t
line_end(const struct lexer *lx, const char *s)
{
	if (s < lx->end && *s == '\n')
		return 1;
	if (s < lx->end && *s == '\r')
		return s + 1 == lx->end ? 1 : s[1] == '\n' ? 2 : 0;
	return 0;
}

static void
new_line(struct lexer *lx, const char *at)
{
	lx->p = lx->line_start = at;
	lx->line++;
}

/* Whether nothing but blanks stands from s to the end of its line. */
static bool
blanks_only(const struct lexer *lx, const char *s)
{
	while (s < lx->end && (*s == ' ' || *s == '\t'))
		s++;
	return s == lx->end || line_end(lx, s) > 0;
}

/* Handles a backslash outside of quotes.  Returns 1 when it joined the next
 * line, 0 when it is part of a word, -1 with *t filled when blanks hide behind it. */
static int
continuation(struct lexer *lx, struct token *t)
{
	const char	*s = lx->p + 1;
	size_t		 n = 0;

	if (s == lx->end || (n = line_end(lx, s)) > 0) {
		new_line(lx, s == lx->end ? s : s + n);
		return 1;
	}
	if (!blanks_only(lx, s))
		return 0;
	bad(lx, t, BLANKS, 1);
	return -1;
}

/* Passes over blanks, comments and joined lines.  Returns false with *t filled
 * when something is wrong there. */
static bool
skip(struct lexer *lx, struct token *t)
{
	const char	*nl, *nul;
	int		 c;

	while (lx->p < lx->end) {
		switch (*lx->p) {
		case ' ':
		case '\t':
			lx->p++;
			break;
		case '#':
			nl = memchr(lx->p, '\n', (size_t)(lx->end - lx->p));
			if (nl == NULL)
				nl = lx->end;
			if ((nul = memchr(lx->p, '\0', (size_t)(nl - lx->p))) != NULL) {
				lx->p = nul;
				bad(lx, t, "a NUL byte:", 1);
				lx->p = nl;
				return false;
			}
			lx->p = nl;
			break;
		case '\\':
			if ((c = continuation(lx, t)) != 1)
				return c == 0;
			break;
		default:
			return true;
		}
	}
	return true;
}

static void
string(struct lexer *lx, struct token *t)
{
	const char	*s;
	size_t		 n;

	start(lx, t, TOKEN_STRING, 0);
	for (s = lx->p + 1; s < lx->end && *s != '"'; s += n) {
		n = text_utf8_len((const unsigned char *)s, (size_t)(lx->end - s));
		if (*s == '\n' || line_end(lx, s) > 0)
			break;
		if (n == 0 || (unsigned char)*s < ' ' || *s == 0x7f) {
			lx->p = s;
			bad(lx, t, n == 0 ? "not UTF-8:" : *s == '\0' ? "a NUL byte:" :
			    "a control byte:", 1);
			return;
		}
		if (*s == '\\') {
			if (s + 1 == lx->end || line_end(lx, s + 1) > 0)
				break;
			if (s[1] != '"' && s[1] != '\\') {
				lx->p = s;
				bad(lx, t, "in quotes a backslash stands before \" or \\ only, not before",
				    1);
				t->text++;
				return;
			}
			t->escaped = true;
			n = 2;
		}
	}
	if (s >= lx->end || *s != '"') {
		bad(lx, t, "no closing quote:", (size_t)(s - lx->p));
		return;
	}
	t->text++;
	t->len = (size_t)(s - t->text);
	lx->p = s + 1;
}

static bool
ends_word(const struct lexer *lx, const char *s)
{
	switch (*s) {
	case ',': case '(': case ')': case '=': case '<': case '>': case '"':
		return true;
	case ':': case '+':
		return s + 1 < lx->end && s[1] == '=';
	case '\\':
		return s + 1 == lx->end || line_end(lx, s + 1) > 0;
	default:
		return (unsigned char)*s <= ' ' || *s == 0x7f;
	}
}

static void
word(struct lexer *lx, struct token *t)
{
	const char	*s = lx->p;
	size_t		 n;

	while (s < lx->end && !ends_word(lx, s)) {
		n = 1;
		if ((*s & 0x80) != 0 && (n = text_utf8_len((const unsigned char *)s,
		    (size_t)(lx->end - s))) == 0) {
			lx->p = s;
			bad(lx, t, "not UTF-8:", 1);
			return;
		}
		/* Nobody sees it, and where it came to stand first it would be gone. */
		if (n == 3 && memcmp(s, BOM, 3) == 0) {
			lx->p = s;
			bad(lx, t, "a byte order mark, which only begins a file:", n);
			return;
		}
		s += n;
	}
	/* Nothing else begins with such a byte, so it is no text at all. */
	if (s == lx->p) {
		bad(lx, t, *s == '\0' ? "a NUL byte:" : "a control byte:", 1);
		return;
	}
	/* The same slip as above, without a blank before the backslash. */
	if (s[-1] == '\\' && blanks_only(lx, s)) {
		lx->p = s - 1;
		bad(lx, t, BLANKS, 1);
		return;
	}
	start(lx, t, TOKEN_WORD, (size_t)(s - lx->p));
	lx->p = s;
}

static void
mark(struct lexer *lx, struct token *t, enum token_kind kind, size_t len)
{
	start(lx, t, kind, len);
	lx->p += len;
}

void
lexer_next(struct lexer *lx, struct token *t)
{
	bool	 eq;
	size_t	 n;

	if (!skip(lx, t))
		return;
	if (lx->p >= lx->end) {
		start(lx, t, TOKEN_EOF, 0);
		return;
	}
	if ((n = line_end(lx, lx->p)) > 0) {
		start(lx, t, TOKEN_END, 0);
		new_line(lx, lx->p + n);
		return;
	}
	eq = lx->p + 1 < lx->end && lx->p[1] == '=';
	switch (*lx->p) {
	case '"':
		string(lx, t);
		return;
	case ',':
		mark(lx, t, TOKEN_COMMA, 1);
		return;
	case '(':
		mark(lx, t, TOKEN_OPEN, 1);
		return;
	case ')':
		mark(lx, t, TOKEN_CLOSE, 1);
		return;
	case '=':
		mark(lx, t, TOKEN_EQ, 1);
		return;
	case '<':
		mark(lx, t, eq ? TOKEN_LE : TOKEN_LT, eq ? 2 : 1);
		return;
	case '>':
		mark(lx, t, eq ? TOKEN_GE : TOKEN_GT, eq ? 2 : 1);
		return;
	case ':':
	case '+':
		if (eq) {
			mark(lx, t, *lx->p == ':' ? TOKEN_SET : TOKEN_ADD, 2);
			return;
		}
		break;
	default:
		break;
	}
	word(lx, t);
}

size_t
lexer_len(const struct token *t)
{
	size_t	 i, n = 0;

	if (!t->escaped)
		return t->len;
	for (i = 0; i < t->len; i++, n++)
		if (t->text[i] == '\\')
			i++;
	return n;
}

size_t
lexer_copy(char *dst, const struct token *t)
{
	size_t	 i, o = 0;

	for (i = 0; i < t->len; i++) {
		if (t->escaped && t->text[i] == '\\')
			i++;
		dst[o++] = t->text[i];
	}
	dst[o] = '\0';
	return o;
}
