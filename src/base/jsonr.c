#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/jsonr.h"
#include "base/scan.h"
#include "base/text.h"

static void
blanks(struct jsonr *r)
{
	while (r->p < r->end && (*r->p == ' ' || *r->p == '\n' || *r->p == '\t' || *r->p == '\r'))
		r->p++;
}

/* One byte of punctuation and the blanks behind it. */
static bool
eat(struct jsonr *r, char wanted)
{
	if (r->p == r->end || *r->p != wanted)
		return false;
	r->p++;
	blanks(r);
	return true;
}

void
jr_init(struct jsonr *r, char *buf, size_t len)
{
	r->p = buf;
	r->end = buf + len;
	r->depth = 0;
	blanks(r);
}

char
jr_peek(const struct jsonr *r)
{
	return r->p < r->end ? *r->p : '\0';
}

bool
jr_end(const struct jsonr *r)
{
	return r->p == r->end;
}

/* Four hex digits; -1 when they are none. */
static int
hex4(const char *p, const char *end)
{
	int	 i, v = 0;

	if (end - p < 4)
		return -1;
	for (i = 0; i < 4; i++)
		if (p[i] >= '0' && p[i] <= '9')
			v = v * 16 + (p[i] - '0');
		else if ((p[i] | 0x20) >= 'a' && (p[i] | 0x20) <= 'f')
			v = v * 16 + ((p[i] | 0x20) - 'a' + 10);
		else
			return -1;
	return v;
}

static size_t
put_utf8(char *o, uint32_t c)
{
	if (c < 0x80) {
		o[0] = (char)c;
		return 1;
	}
	if (c < 0x800) {
		o[0] = (char)(0xc0 | c >> 6);
		o[1] = (char)(0x80 | (c & 0x3f));
		return 2;
	}
	if (c < 0x10000) {
		o[0] = (char)(0xe0 | c >> 12);
		o[1] = (char)(0x80 | (c >> 6 & 0x3f));
		o[2] = (char)(0x80 | (c & 0x3f));
		return 3;
	}
	o[0] = (char)(0xf0 | c >> 18);
	o[1] = (char)(0x80 | (c >> 12 & 0x3f));
	o[2] = (char)(0x80 | (c >> 6 & 0x3f));
	o[3] = (char)(0x80 | (c & 0x3f));
	return 4;
}

/* \uXXXX at r->p, behind the u; a half of a surrogate pair alone is no text. */
static bool
unicode(struct jsonr *r, char **out)
{
	int	 c = hex4(r->p, r->end), low;

	if (c == -1 || (c >= 0xdc00 && c <= 0xdfff))
		return false;
	r->p += 4;
	if (c >= 0xd800 && c <= 0xdbff) {
		if (r->end - r->p < 6 || r->p[0] != '\\' || r->p[1] != 'u' ||
		    (low = hex4(r->p + 2, r->end)) < 0xdc00 || low > 0xdfff)
			return false;
		r->p += 6;
		c = 0x10000 + ((c & 0x3ff) << 10 | (low & 0x3ff));
	}
	*out += put_utf8(*out, (uint32_t)c);
	return true;
}

/* Behind the backslash.  No escape is shorter than what it stands for, so out
 * stays behind r->p. */
static bool
escape(struct jsonr *r, char **out)
{
	static const char	 from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
	const char		*which;

	if (r->p == r->end)
		return false;
	if (*r->p == 'u') {
		r->p++;
		return unicode(r, out);
	}
	if (*r->p == '\0' || (which = strchr(from, *r->p)) == NULL)
		return false;
	*(*out)++ = to[which - from];
	r->p++;
	return true;
}

/* A string without the blanks behind it: its closing quote becomes the NUL. */
static bool
string(struct jsonr *r, char **text, size_t *len)
{
	char	*out, *plain;
	size_t	 n;

	if (r->p == r->end || *r->p != '"')
		return false;
	*text = out = ++r->p;
	for (;;) {
		plain = r->p + (scan_plain(r->p, r->end) - r->p);
		n = (size_t)(plain - r->p);
		if (out != r->p)
			memmove(out, r->p, n);
		out += n;
		r->p = plain;
		if (plain == r->end || (unsigned char)*plain < ' ')
			return false;
		if (*plain == '"')
			break;
		if (*plain == '\\') {
			r->p++;
			if (!escape(r, &out))
				return false;
			continue;
		}
		n = text_utf8_len((unsigned char *)plain, (size_t)(r->end - plain));
		if (n == 0)
			*out = '?';
		else
			memmove(out, plain, n);
		n = n == 0 ? 1 : n;
		out += n;
		r->p += n;
	}
	r->p++;
	*out = '\0';
	*len = (size_t)(out - *text);
	return true;
}

bool
jr_text(struct jsonr *r, char **text, size_t *len)
{
	if (!string(r, text, len))
		return false;
	blanks(r);
	return true;
}

static const char *
digits(const char *p, const char *end)
{
	while (p < end && *p >= '0' && *p <= '9')
		p++;
	return p;
}

/* The end of the number at p, and whether it is a whole one; NULL: it is none. */
static const char *
number_end(const char *p, const char *end, bool *whole)
{
	const char	*from;

	*whole = true;
	if (p < end && *p == '-')
		p++;
	from = p;
	p = digits(p, end);
	if (p == from || (*from == '0' && p - from > 1))
		return NULL;
	if (p < end && *p == '.') {
		*whole = false;
		from = ++p;
		if ((p = digits(p, end)) == from)
			return NULL;
	}
	if (p < end && (*p == 'e' || *p == 'E')) {
		*whole = false;
		p++;
		if (p < end && (*p == '+' || *p == '-'))
			p++;
		from = p;
		if ((p = digits(p, end)) == from)
			return NULL;
	}
	return p;
}

/* Whether n digits, without zeros before them, are more than an int64_t takes. */
static bool
too_big(const char *digit, size_t n, bool negative)
{
	static const char	 max[] = "9223372036854775807", min[] = "9223372036854775808";

	return n > sizeof(max) - 1 ||
	    (n == sizeof(max) - 1 && memcmp(digit, negative ? min : max, n) > 0);
}

bool
jr_number(struct jsonr *r, char out[JSONR_NUMBER])
{
	const char	*end;
	size_t		 n;
	bool		 whole, negative = jr_peek(r) == '-';

	if ((end = number_end(r->p, r->end, &whole)) == NULL)
		return false;
	n = (size_t)(end - r->p);
	out[0] = '\0';
	if (whole) {
		if (too_big(r->p + negative, n - negative, negative))
			return false;
		memcpy(out, r->p, n);
		out[n] = '\0';
		if (negative && out[1] == '0')
			memcpy(out, "0", 2);
	}
	r->p += n;
	blanks(r);
	return true;
}

bool
jr_object(struct jsonr *r, jr_member one, void *arg)
{
	char	*name;
	size_t	 len;
	bool	 more = false;

	if (!eat(r, '{') || ++r->depth > JSONR_DEPTH)
		return false;
	while (more || jr_peek(r) != '}') {
		if (!jr_text(r, &name, &len) || memchr(name, '\0', len) != NULL ||
		    !eat(r, ':') || !one(r, name, arg))
			return false;
		if (!(more = eat(r, ',')))
			break;
	}
	r->depth--;
	return eat(r, '}');
}

bool
jr_array(struct jsonr *r, jr_element one, void *arg)
{
	bool	 more = false;

	if (!eat(r, '[') || ++r->depth > JSONR_DEPTH)
		return false;
	while (more || jr_peek(r) != ']') {
		if (!one(r, arg))
			return false;
		if (!(more = eat(r, ',')))
			break;
	}
	r->depth--;
	return eat(r, ']');
}

static bool
skip_member(struct jsonr *r, const char *name, void *arg)
{
	(void)name;
	(void)arg;
	return jr_skip(r);
}

static bool
skip_element(struct jsonr *r, void *arg)
{
	(void)arg;
	return jr_skip(r);
}

static bool
literal(struct jsonr *r, const char *word)
{
	size_t	 n = strlen(word);

	if ((size_t)(r->end - r->p) < n || memcmp(r->p, word, n) != 0)
		return false;
	r->p += n;
	blanks(r);
	return true;
}

bool
jr_skip(struct jsonr *r)
{
	char	*text, number[JSONR_NUMBER];
	size_t	 len;

	switch (jr_peek(r)) {
	case '"':
		return jr_text(r, &text, &len);
	case '{':
		return jr_object(r, skip_member, NULL);
	case '[':
		return jr_array(r, skip_element, NULL);
	case 't':
		return literal(r, "true");
	case 'f':
		return literal(r, "false");
	case 'n':
		return literal(r, "null");
	default:
		return jr_number(r, number);
	}
}
