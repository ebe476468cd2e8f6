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

static inline void
put(struct jsonw *w, const char *s, size_t n)
{
	/* One byte stays free for the NUL. */
	if (w->full || n >= w->size - w->len) {
		w->full = true;
		return;
	}
	memcpy(w->buf + w->len, s, n);
	w->len += n;
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

static void
quoted(struct jsonw *w, const char *s)
{
	const char	*end = s + strlen(s), *plain;

	put(w, "\"", 1);
	for (;;) {
		plain = scan_plain(s, end);
		put(w, s, (size_t)(plain - s));
		if (plain == end)
			break;
		s = plain + put_odd(w, plain, (size_t)(end - plain));
	}
	put(w, "\"", 1);
}

/* Names are the caller's own words, which need no escape. */
static void
member(struct jsonw *w, const char *key)
{
	if (w->comma)
		put(w, ",", 1);
	if (key != NULL) {
		put(w, "\"", 1);
		put(w, key, strlen(key));
		put(w, "\":", 2);
	}
	w->comma = true;
}

void
jw_object(struct jsonw *w, const char *key)
{
	member(w, key);
	put(w, "{", 1);
	w->comma = false;
}

void
jw_array(struct jsonw *w, const char *key)
{
	member(w, key);
	put(w, "[", 1);
	w->comma = false;
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

void
jw_str(struct jsonw *w, const char *key, const char *val)
{
	member(w, key);
	quoted(w, val);
}

void
jw_opt(struct jsonw *w, const char *key, const char *val)
{
	if (val != NULL && *val != '\0')
		jw_str(w, key, val);
}

void
jw_int(struct jsonw *w, const char *key, int64_t val)
{
	char		 num[24], *p = num + sizeof(num);
	uint64_t	 left = val < 0 ? -(uint64_t)val : (uint64_t)val;

	member(w, key);
	do
		*--p = (char)('0' + left % 10);
	while ((left /= 10) > 0);
	if (val < 0)
		*--p = '-';
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
