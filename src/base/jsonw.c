#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/jsonw.h"
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

static void
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

static void
quoted(struct jsonw *w, const char *s)
{
	const unsigned char	*p = (const unsigned char *)s;
	size_t			 left = strlen(s), n;
	char			 esc[8];

	put(w, "\"", 1);
	for (; left > 0; p += n, left -= n) {
		if ((n = text_utf8_len(p, left)) == 0) {
			put(w, "\xef\xbf\xbd", 3);
			n = 1;
		} else if (*p == '"' || *p == '\\') {
			esc[0] = '\\';
			esc[1] = (char)*p;
			put(w, esc, 2);
		} else if (*p < 0x20 || *p == 0x7f) {
			snprintf(esc, sizeof(esc), "\\u%04x", *p);
			put(w, esc, 6);
		} else
			put(w, (const char *)p, n);
	}
	put(w, "\"", 1);
}

static void
member(struct jsonw *w, const char *key)
{
	if (w->comma)
		put(w, ",", 1);
	if (key != NULL) {
		quoted(w, key);
		put(w, ":", 1);
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
	char	 num[24];
	int	 n;

	member(w, key);
	n = snprintf(num, sizeof(num), "%" PRId64, val);
	put(w, num, (size_t)n);
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
