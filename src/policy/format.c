#include <err.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "base/file.h"
#include "base/text.h"
#include "policy/format.h"
#include "policy/lexer.h"

#define TAB	8

/* One statement as it stands in the file: tokens of one logical line, and the
 * comment behind them. */
struct statement {
	struct token	*t;
	size_t		 n, room;
	const char	*comment;	/* NULL: none */
	size_t		 comment_len;
};

struct format {
	FILE			*out;
	const char		*name;
	policy_report		 report;
	void			*arg;
	int			 errors;
	bool			 any;		/* something was written */
	bool			 gap;		/* an empty line goes before the next */
	struct statement	 s;
};

static bool
is_word(const struct token *t, const char *word)
{
	return t->kind == TOKEN_WORD && t->len == strlen(word) && memcmp(t->text, word, t->len) == 0;
}

/* How wide a token is; one character is one column, which is near enough. */
static size_t
width(const struct token *t)
{
	size_t	 i, n = t->kind == TOKEN_STRING ? 2 : 0;

	for (i = 0; i < t->len; i++)
		n += (t->text[i] & 0xc0) != 0x80;
	return n;
}

static bool
blank_between(const struct token *a, const struct token *b)
{
	return b->kind != TOKEN_COMMA && a->kind != TOKEN_OPEN && b->kind != TOKEN_CLOSE;
}

/* Whether a line may be broken between two tokens. */
static bool
break_between(const struct token *a, const struct token *b)
{
	return a->kind == TOKEN_COMMA || is_word(b, "with") || is_word(b, "if") ||
	    is_word(b, "and") || is_word(b, "or") || is_word(b, "expect") || is_word(b, "given");
}

static void
put_token(FILE *out, const struct token *t)
{
	const char	*quote = t->kind == TOKEN_STRING ? "\"" : "";

	fputs(quote, out);
	fwrite(t->text, 1, t->len, out);
	fputs(quote, out);
}

/* The token behind the last one that still fits on a line which begins with t[i]
 * and has `column` columns already. */
static size_t
line_end(const struct statement *s, size_t i, size_t column)
{
	size_t	 k, good = s->n;
	bool	 fits = true;

	for (k = i; k < s->n; k++) {
		if (k > i && break_between(&s->t[k - 1], &s->t[k])) {
			if (!fits)
				return k;
			good = k;
		}
		column += width(&s->t[k]) + (k > i && blank_between(&s->t[k - 1], &s->t[k]));
		/* Two more for the backslash, unless it is the end. */
		if (column > FORMAT_WIDTH - (k + 1 < s->n ? 2 : 0)) {
			if (good < s->n)
				return good;
			fits = false;
		}
	}
	return s->n;
}

/* Such a word at the end of a line would join the next one to it; joined to an empty
 * line it does not. */
static bool
ends_in_backslash(const struct token *t)
{
	return t->kind == TOKEN_WORD && t->text[t->len - 1] == '\\';
}

static void
put_statement(const struct format *f)
{
	const struct statement	*s = &f->s;
	size_t			 i = 0, end, column = 0;

	while (i < s->n) {
		end = line_end(s, i, column);
		for (; i < end; i++) {
			put_token(f->out, &s->t[i]);
			if (i + 1 < end && blank_between(&s->t[i], &s->t[i + 1]))
				putc(' ', f->out);
		}
		if (i < s->n) {
			fputs(" \\\n\t", f->out);
			column = TAB;
		}
	}
	if (s->comment != NULL) {
		fputs(s->n > 0 ? "  " : "", f->out);
		fwrite(s->comment, 1, s->comment_len, f->out);
	} else if (s->n > 0 && ends_in_backslash(&s->t[s->n - 1]))
		fputs("\\\n", f->out);
	putc('\n', f->out);
}

/* The end of a logical line. */
static void
flush(struct format *f)
{
	struct statement	*s = &f->s;

	if (s->n == 0 && s->comment == NULL) {
		f->gap = f->any;
		return;
	}
	if (f->gap)
		putc('\n', f->out);
	f->gap = false;
	f->any = true;
	put_statement(f);
	s->n = 0;
	s->comment = NULL;
}

static void
add(struct statement *s, const struct token *t)
{
	if (s->n == s->room) {
		s->room = s->room == 0 ? 64 : s->room * 2;
		if ((s->t = reallocarray(s->t, s->room, sizeof(*s->t))) == NULL)
			err(EX_OSERR, NULL);
	}
	s->t[s->n++] = *t;
}

/* A comment in what the lexer has passed over before a token: blanks, joined lines
 * and at last that. */
static void
take_comment(struct statement *s, const char *from, const char *to)
{
	const char	*hash = memchr(from, '#', (size_t)(to - from));

	if (hash == NULL)
		return;
	while (to > hash && (to[-1] == ' ' || to[-1] == '\t' || to[-1] == '\r'))
		to--;
	s->comment = hash;
	s->comment_len = (size_t)(to - hash);
}

/* A test as a line of JSON has words of its own: such a line stays as it is.  At
 * the beginning of a statement; true when one was passed over. */
static bool
json_line(struct format *f, struct lexer *lx)
{
	const char	*s = lx->p, *nl, *to;

	while (s < lx->end && (*s == ' ' || *s == '\t'))
		s++;
	if (s == lx->end || *s != '{')
		return false;
	if ((nl = memchr(s, '\n', (size_t)(lx->end - s))) == NULL)
		nl = lx->end;
	for (to = nl; to > s && (to[-1] == ' ' || to[-1] == '\t' || to[-1] == '\r'); to--)
		;
	f->s.comment = s;
	f->s.comment_len = (size_t)(to - s);
	flush(f);
	lx->p = nl;
	if (nl < lx->end) {
		lx->p = lx->line_start = nl + 1;
		lx->line++;
	}
	return true;
}

static void
fault(struct format *f, const struct token *t)
{
	char	 shown[TEXT_SHOWN], msg[2 * FILE_WHY];

	if (++f->errors > POLICY_ERRORS)
		return;
	snprintf(msg, sizeof(msg), "%.400s:%d:%zu: %s \"%s\"", f->name, t->line, t->column,
	    t->fault, text_safe(shown, sizeof(shown), t->text, t->len));
	f->report(f->arg, msg);
}

int
rules_format(const char *name, const char *text, size_t len, FILE *out, policy_report report,
    void *arg)
{
	struct format	 f = { .out = out, .name = name, .report = report, .arg = arg };
	struct lexer	 lx;
	struct token	 t;
	const char	*from;

	lexer_init(&lx, text, len);
	do {
		while (f.s.n == 0 && json_line(&f, &lx))
			;
		from = lx.p;
		lexer_next(&lx, &t);
		if (t.kind == TOKEN_BAD)
			fault(&f, &t);
		else if (t.kind == TOKEN_END || t.kind == TOKEN_EOF) {
			take_comment(&f.s, from, t.text);
			flush(&f);
		} else
			add(&f.s, &t);
	} while (t.kind != TOKEN_EOF);
	free(f.s.t);
	return f.errors == 0 ? 0 : -1;
}
