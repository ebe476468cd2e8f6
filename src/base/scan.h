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
#ifdef __SSE2__
#include <emmintrin.h>
#endif

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

#ifdef __SSE2__
/* A bit for each of the sixteen bytes at p that is not plain.  Bytes beyond ASCII are
 * negative there. */
static inline unsigned
scan_odd16(const char *p)
{
	const __m128i	 v = _mm_loadu_si128((const __m128i *)(const void *)p);

	return (unsigned)_mm_movemask_epi8(_mm_or_si128(
	    _mm_or_si128(_mm_cmplt_epi8(v, _mm_set1_epi8(' ')),
	    _mm_cmpeq_epi8(v, _mm_set1_epi8(0x7f))),
	    _mm_or_si128(_mm_cmpeq_epi8(v, _mm_set1_epi8('"')),
	    _mm_cmpeq_epi8(v, _mm_set1_epi8('\\')))));
}
#endif

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define SCAN_EIGHT	1	/* scan_odd8() is there */
/* The top bit of each of the eight bytes in w that is not plain.  A borrow or a carry
 * may mark bytes behind the first one, never before it. */
static inline uint64_t
scan_odd8(uint64_t w)
{
	const uint64_t	 one = UINT64_C(0x0101010101010101);
	const uint64_t	 quote = w ^ (one * '"'), slash = w ^ (one * '\\');

	return ((w - one * ' ') | (w + one) | (quote - one) | (slash - one) | w) & one << 7;
}
#endif

/* The same as scan_plain(), for what is long. */
static inline const char *
scan_plain_on(const char *p, const char *end)
{
#ifdef SCAN_EIGHT
	const char	*from = p;
	uint64_t	 w, odd8;
#endif
#ifdef __SSE2__
	unsigned	 odd16;

	for (; end - p >= 16; p += 16)
		if ((odd16 = scan_odd16(p)) != 0)
			return p + __builtin_ctz(odd16);
#endif
#ifdef SCAN_EIGHT
	for (; end - p >= 8; p += 8) {
		memcpy(&w, p, 8);
		if ((odd8 = scan_odd8(w)) != 0)
			return p + __builtin_ctzll(odd8) / 8;
	}
	/* What is left, with some that have been seen before it. */
	if (p < end && end - from >= 8) {
		memcpy(&w, end - 8, 8);
		odd8 = scan_odd8(w);
		return odd8 != 0 ? end - 8 + __builtin_ctzll(odd8) / 8 : end;
	}
#endif
	while (p < end && scan_is_plain(*p))
		p++;
	return p;
}

/* The first byte from p on that is not plain; end when all are. */
static inline __attribute__((always_inline)) const char *
scan_plain(const char *p, const char *end)
{
#ifdef __SSE2__
	unsigned	 odd;

	/* Most words are short. */
	if (end - p >= 16 && (odd = scan_odd16(p)) != 0)
		return p + __builtin_ctz(odd);
#endif
	return scan_plain_on(p, end);
}

static inline bool
scan_eat(struct scan *c, char wanted)
{
	if (c->p == c->end || *c->p != wanted)
		return false;
	c->p++;
	return true;
}

/* Most often it is none, which one look tells. */
static inline bool
scan_is_blank(char c)
{
	return (unsigned char)c <= ' ' && (c == ' ' || c == '\n' || c == '\t' || c == '\r');
}

static inline void
scan_blanks(struct scan *c)
{
	while (c->p < c->end && scan_is_blank(*c->p))
		c->p++;
}

/* Whether the n bytes of two words are the same, n from 4 on: names are shorter than the
 * way into memcmp(). */
static inline bool
scan_same(const char *a, const char *b, size_t n)
{
	uint64_t	 x, y, differ = 0;
	uint32_t	 v, w;
	size_t		 i;

	if (n < 8) {
		memcpy(&v, a, 4);
		memcpy(&w, b, 4);
		differ = v ^ w;
		memcpy(&v, a + n - 4, 4);
		memcpy(&w, b + n - 4, 4);
		return (differ | (v ^ w)) == 0;
	}
	for (i = 0; i + 8 < n; i += 8) {
		memcpy(&x, a + i, 8);
		memcpy(&y, b + i, 8);
		differ |= x ^ y;
	}
	memcpy(&x, a + n - 8, 8);
	memcpy(&y, b + n - 8, 8);
	return (differ | (x ^ y)) == 0;
}

/* Copies a word, for the same reason. */
static inline void
scan_copy(char *to, const char *s, size_t n)
{
	if (n > 16)
		memcpy(to, s, n);
	else if (n >= 8) {
		memcpy(to, s, 8);
		memcpy(to + n - 8, s + n - 8, 8);
	} else if (n >= 4) {
		memcpy(to, s, 4);
		memcpy(to + n - 4, s + n - 4, 4);
	} else
		while (n-- > 0)
			*to++ = *s++;
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
