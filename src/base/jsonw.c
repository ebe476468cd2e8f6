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

#ifdef __SSE2__
/* Copies the text in an array of size bytes, as far as it is plain, to where there is
 * room for as many.  Its length; SIZE_MAX when it is not plain or has no end. */
static inline size_t
copy_array(char *to, const char *s, size_t size)
{
	unsigned	 odd;
	size_t		 i;

	for (i = 0; size - i >= 16; i += 16) {
		memcpy(to + i, s + i, 16);
		if ((odd = scan_odd16(s + i)) != 0) {
			i += (size_t)__builtin_ctz(odd);
			return s[i] == '\0' ? i : SIZE_MAX;
		}
	}
	return SIZE_MAX;
}
#endif

static inline void
put(struct jsonw *w, const char *s, size_t n)
{
	char	*to = room(w, n);

	if (to != NULL)
		memcpy(to, s, n);
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

/* Room for a comma, a name and so many bytes more. */
static inline __attribute__((always_inline)) bool
fits(const struct jsonw *w, const char *key, size_t n, size_t more)
{
	return !w->full && w->comma + (key != NULL ? n + 3 : 0) + more < w->size - w->len;
}

/* Writes the comma and the name (the caller's own word, which needs no escape), where
 * there is room; where the value goes. */
static inline __attribute__((always_inline)) char *
name(struct jsonw *w, const char *key, size_t n)
{
	char	*to = w->buf + w->len;

	if (w->comma)
		*to++ = ',';
	w->comma = true;
	if (key != NULL) {
		to[0] = '"';
		scan_copy(to + 1, key, n);
		to[n + 1] = '"';
		to[n + 2] = ':';
		to += n + 3;
	}
	return to;
}

/* The same, if there is room for a value of so many bytes; else NULL. */
static inline __attribute__((always_inline)) char *
begin(struct jsonw *w, const char *key, size_t n, size_t more)
{
	if (fits(w, key, n, more))
		return name(w, key, n);
	w->full = true;
	return NULL;
}

/* What ends before to is written. */
static inline void
end(struct jsonw *w, const char *to)
{
	w->len = (size_t)(to - w->buf);
}

static inline void
open_bracket(struct jsonw *w, const char *key, size_t n, char bracket)
{
	char	*to = begin(w, key, n, 1);

	if (to == NULL)
		return;
	*to++ = bracket;
	w->comma = false;
	end(w, to);
}

void
jw_object_n(struct jsonw *w, const char *key, size_t n)
{
	open_bracket(w, key, n, '{');
}

void
jw_array_n(struct jsonw *w, const char *key, size_t n)
{
	open_bracket(w, key, n, '[');
}

void
jw_end_object(struct jsonw *w)
{
	put(w, "}", 1);
	w->comma = true;
}

void
jw_end_array(struct jsonw *w)
{
	put(w, "]", 1);
	w->comma = true;
}

/* A text of len bytes that holds what does not stand for itself. */
static void
odd(struct jsonw *w, const char *key, size_t n, const char *s, size_t len)
{
	const char	*plain, *stop = s + len;
	char		*to = begin(w, key, n, 0);

	if (to == NULL)
		return;
	end(w, to);
	put(w, "\"", 1);
	for (;;) {
		plain = scan_plain(s, stop);
		put(w, s, (size_t)(plain - s));
		if (plain == stop)
			break;
		s = plain + put_odd(w, plain, (size_t)(stop - plain));
	}
	put(w, "\"", 1);
}

void
jw_str_n(struct jsonw *w, const char *key, size_t n, const char *val)
{
	size_t	 len = strlen(val);
	bool	 comma = w->comma;
	char	*to = begin(w, key, n, len + 2);

	if (to == NULL)
		return;
	if (!copy_plain(to + 1, val, len)) {
		w->comma = comma;
		odd(w, key, n, val, len);
		return;
	}
	to[0] = to[len + 1] = '"';
	end(w, to + len + 2);
}

void
jw_text_n(struct jsonw *w, const char *key, size_t n, const char *val, size_t size)
{
	if (*val == '\0')
		return;
#ifdef __SSE2__
	/* One way through the text, which need not be measured first. */
	if (fits(w, key, n, size + 2)) {
		bool	 comma = w->comma;
		char	*to = name(w, key, n);
		size_t	 len = copy_array(to + 1, val, size);

		if (len != SIZE_MAX) {
			to[0] = to[len + 1] = '"';
			end(w, to + len + 2);
			return;
		}
		w->comma = comma;
	}
#else
	(void)size;
#endif
	jw_str_n(w, key, n, val);
}

/* Where a word that needs no escape goes, behind its first quote, with size bytes for it
 * and its NUL; NULL when there is no room. */
static inline char *
begin_word(struct jsonw *w, const char *key, size_t n, size_t size)
{
	char	*to = begin(w, key, n, size + 1);

	if (to == NULL)
		return NULL;
	*to = '"';
	end(w, to + size + 1);
	return to + 1;
}

/* The second quote takes the place of the NUL. */
static inline void
end_word(struct jsonw *w)
{
	w->buf[w->len - 1] = '"';
}

void
jw_guid_n(struct jsonw *w, const char *key, size_t n, const struct guid *val)
{
	char	*to = begin_word(w, key, n, GUID_TEXT);

	if (to == NULL)
		return;
	guid_format(to, val);
	end_word(w);
}

void
jw_mac_n(struct jsonw *w, const char *key, size_t n, const uint8_t val[MAC_LEN])
{
	char	*to = begin_word(w, key, n, MAC_TEXT);

	if (to == NULL)
		return;
	mac_format(to, val, MAC_COLON);
	end_word(w);
}

void
jw_time_n(struct jsonw *w, const char *key, size_t n, int64_t val)
{
	char	*to = begin_word(w, key, n, WHEN_TEXT);

	if (to == NULL)
		return;
	when_format(to, val);
	end_word(w);
}

void
jw_int_n(struct jsonw *w, const char *key, size_t n, int64_t val)
{
	char		 num[24], *p = num + sizeof(num), *to;
	uint64_t	 v = val < 0 ? -(uint64_t)val : (uint64_t)val;
	size_t		 len;

	do
		*--p = (char)('0' + v % 10);
	while ((v /= 10) > 0);
	if (val < 0)
		*--p = '-';
	len = (size_t)(num + sizeof(num) - p);
	if ((to = begin(w, key, n, len)) == NULL)
		return;
	memcpy(to, p, len);
	end(w, to + len);
}

void
jw_bool_n(struct jsonw *w, const char *key, size_t n, bool val)
{
	size_t	 len = val ? 4 : 5;
	char	*to = begin(w, key, n, len);

	if (to == NULL)
		return;
	memcpy(to, val ? "true" : "fals", 4);
	to[len - 1] = 'e';
	end(w, to + len);
}

const char *
jw_done(struct jsonw *w)
{
	if (w->full)
		return NULL;
	w->buf[w->len] = '\0';
	return w->buf;
}
