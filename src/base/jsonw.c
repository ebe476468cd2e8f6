#include <stdio.h>
#include <string.h>

#include "base/jsonw.h"
#include "base/scan.h"
#include "base/text.h"
#include "base/when.h"

void
jw_init(struct jsonw *w, char *buf, size_t size)
{
	w->buf = buf;
	w->size = size;
	w->len = 0;
	w->full = false;
	w->comma = false;
}

/* Where n bytes may be written; NULL, from then on, when they do not fit.  One byte
 * stays free for the NUL. */
static inline char *
room(struct jsonw *w, size_t n)
{
	char	*to = w->buf + w->len;

	if (w->full || n >= w->size - w->len) {
		w->full = true;
		return NULL;
	}
	w->len += n;
	return to;
}

/* Copies n bytes as far as they are plain, all at once: false when they are not, and
 * what is at to is of no use. */
static inline bool
copy_plain(char *to, const char *s, size_t n)
{
#ifdef SCAN_EIGHT
	uint64_t	 w, odd = 0;
	uint32_t	 low, high;
	size_t		 i;

	if (n >= 8) {
#ifdef __SSE2__
		for (i = 0; n - i >= 16; i += 16) {
			odd |= scan_odd16(s + i);
			memcpy(to + i, s + i, 16);
		}
#else
		i = 0;
#endif
		for (; n - i >= 8; i += 8) {
			memcpy(&w, s + i, 8);
			odd |= scan_odd8(w);
			memcpy(to + i, &w, 8);
		}
		/* The rest, with some of what has been. */
		memcpy(&w, s + n - 8, 8);
		memcpy(to + n - 8, &w, 8);
		return (odd | scan_odd8(w)) == 0;
	}
	if (n >= 4) {
		memcpy(&low, s, 4);
		memcpy(&high, s + n - 4, 4);
		memcpy(to, &low, 4);
		memcpy(to + n - 4, &high, 4);
		return scan_odd8(low | (uint64_t)high << 32) == 0;
	}
#endif
	for (; n > 0; n--) {
		if (!scan_is_plain(*s))
			return false;
		*to++ = *s++;
	}
	return true;
}

/* Names are shorter than the way into memcpy(). */
static inline void
copy(char *to, const char *s, size_t n)
{
	if (n > 16)
		memcpy(to, s, n);
	else if (n >= 8) {
		memcpy(to, s, 8);
		memcpy(to + n - 8, s + n - 8, 8);
	} else
		while (n-- > 0)
			*to++ = *s++;
}

static inline void
put(struct jsonw *w, const char *s, size_t n)
{
	char	*to = room(w, n);

	if (to != NULL)
		memcpy(to, s, n);
}

static inline void
put_char(struct jsonw *w, char c)
{
	char	*to = room(w, 1);

	if (to != NULL)
		*to = c;
}

/* One character that does not stand for itself. */
static size_t
put_odd(struct jsonw *w, const char *p, size_t left)
{
	char	 esc[8];
	size_t	 n = text_utf8_len((const unsigned char *)p, left);

	if (n == 0) {
		put(w, "\xef\xbf\xbd", 3);
		return 1;
	}
	if (*p == '"' || *p == '\\') {
		esc[0] = '\\';
		esc[1] = *p;
		put(w, esc, 2);
	} else if (n == 1) {
		snprintf(esc, sizeof(esc), "\\u%04x", (unsigned char)*p);
		put(w, esc, 6);
	} else
		put(w, p, n);
	return n;
}

/* One that holds what does not stand for itself, between its quotes. */
static void
quoted_odd(struct jsonw *w, const char *s, const char *end)
{
	const char	*plain;

	put_char(w, '"');
	for (;;) {
		plain = scan_plain(s, end);
		put(w, s, (size_t)(plain - s));
		if (plain == end)
			break;
		s = plain + put_odd(w, plain, (size_t)(end - plain));
	}
	put_char(w, '"');
}

static inline void
quoted(struct jsonw *w, const char *s, size_t n)
{
	size_t	 before = w->len;
	char	*to = room(w, n + 2);

	if (to == NULL)
		return;
	to[0] = '"';
	if (!copy_plain(to + 1, s, n)) {
		w->len = before;
		quoted_odd(w, s, s + n);
		return;
	}
	to[n + 1] = '"';
}

/* Names are the caller's own words, which need no escape. */
static inline void
member_n(struct jsonw *w, const char *key, size_t n)
{
	char	*to;

	if (w->comma)
		put_char(w, ',');
	w->comma = true;
	if (key == NULL || (to = room(w, n + 3)) == NULL)
		return;
	to[0] = '"';
	copy(to + 1, key, n);
	to[n + 1] = '"';
	to[n + 2] = ':';
}

static void
member(struct jsonw *w, const char *key)
{
	member_n(w, key, key != NULL ? strlen(key) : 0);
}

void
jw_object(struct jsonw *w, const char *key)
{
	member(w, key);
	put_char(w, '{');
	w->comma = false;
}

void
jw_array(struct jsonw *w, const char *key)
{
	member(w, key);
	put_char(w, '[');
	w->comma = false;
}

void
jw_end_object(struct jsonw *w)
{
	put_char(w, '}');
	w->comma = true;
}

void
jw_end_array(struct jsonw *w)
{
	put_char(w, ']');
	w->comma = true;
}

void
jw_str_n(struct jsonw *w, const char *key, size_t n, const char *val)
{
	member_n(w, key, n);
	quoted(w, val, strlen(val));
}

void
jw_int(struct jsonw *w, const char *key, int64_t val)
{
	char		 num[24], *p = num + sizeof(num);
	uint64_t	 v = val < 0 ? -(uint64_t)val : (uint64_t)val;

	do
		*--p = (char)('0' + v % 10);
	while ((v /= 10) > 0);
	if (val < 0)
		*--p = '-';
	member(w, key);
	put(w, p, (size_t)(num + sizeof(num) - p));
}

void
jw_bool(struct jsonw *w, const char *key, bool val)
{
	member(w, key);
	put(w, val ? "true" : "false", val ? 4 : 5);
}

void
jw_time(struct jsonw *w, const char *key, int64_t val)
{
	char	 text[WHEN_TEXT];

	jw_str(w, key, when_format(text, val));
}

const char *
jw_done(struct jsonw *w)
{
	if (w->full)
		return NULL;
	w->buf[w->len] = '\0';
	return w->buf;
}
