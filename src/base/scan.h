/*
 * The plain part of JSON (RFC 8259), for readers that take what is plainly right
 * straight out of the text and leave all else to a JSON library: strings without
 * escapes, short whole numbers, the three literals.  Inline, for they are the inner
 * loop of whoever reads a hundred thousand records.
 */
#ifndef BASE_SCAN_H
#define BASE_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct scan {
	const char	*p, *end;
	int		 depth;		/* the caller's to count */
};

/* A string, without its quotes. */
struct str {
	const char	*s;
	size_t		 len;
};

/* Whether a byte stands for itself in a JSON string, for readers and writers both:
 * printable ASCII but for the quote and the backslash. */
static inline bool
scan_is_plain(char c)
{
	return c >= ' ' && c < 0x7f && c != '"' && c != '\\';
}

/* The first byte from p on that is not plain; end when all are. */
static inline const char *
scan_plain(const char *p, const char *end)
{
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	const uint64_t	 one = UINT64_C(0x0101010101010101), top = one << 7;
	uint64_t	 w, quote, slash, odd;

	/* Eight at a time.  A borrow or a carry may mark bytes behind the first odd
	 * one, never before it. */
	for (; end - p >= 8; p += 8) {
		memcpy(&w, p, 8);
		quote = w ^ (one * '"');
		slash = w ^ (one * '\\');
		odd = ((w - one * ' ') | (w + one) | (quote - one) | (slash - one) | w) & top;
		if (odd != 0)
			return p + __builtin_ctzll(odd) / 8;
	}
#endif
	while (p < end && scan_is_plain(*p))
		p++;
	return p;
}

static inline bool
scan_eat(struct scan *c, char wanted)
{
	if (c->p == c->end || *c->p != wanted)
		return false;
	c->p++;
	return true;
}

static inline void
scan_blanks(struct scan *c)
{
	while (c->p < c->end && (*c->p == ' ' || *c->p == '\n' || *c->p == '\t' || *c->p == '\r'))
		c->p++;
}

/* A string of plain bytes. */
static inline bool
scan_string(struct scan *c, struct str *out)
{
	const char	*p;

	if (!scan_eat(c, '"'))
		return false;
	p = scan_plain(c->p, c->end);
	if (p == c->end || *p != '"')
		return false;
	out->s = c->p;
	out->len = (size_t)(p - c->p);
	c->p = p + 1;
	return true;
}

static inline bool
scan_literal(struct scan *c, const char *word)
{
	size_t	 n = strlen(word);

	if ((size_t)(c->end - c->p) < n || memcmp(c->p, word, n) != 0)
		return false;
	c->p += n;
	return true;
}

/* A whole number of at most 15 digits: it comes out of jansson as it went in. */
static inline bool
scan_number(struct scan *c)
{
	const char	*digits;

	if (c->p < c->end && *c->p == '-')
		c->p++;
	for (digits = c->p; c->p < c->end && *c->p >= '0' && *c->p <= '9'; c->p++)
		;
	if (c->p == digits || c->p - digits > 15 ||
	    (*digits == '0' && (c->p - digits > 1 || digits[-1] == '-')))
		return false;
	return c->p < c->end && strchr(",]} \t\r\n", *c->p) != NULL && *c->p != '\0';
}

static inline bool
scan_is(const struct str *s, const char *text)
{
	return strlen(text) == s->len && memcmp(text, s->s, s->len) == 0;
}

#endif
