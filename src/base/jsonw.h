/*
 * A JSON writer into a buffer of the caller's: no allocation, no library, so
 * that radius-hook can use it too.  RFC 8259; the output is always valid UTF-8:
 * bytes that are not become U+FFFD.
 */
#ifndef BASE_JSONW_H
#define BASE_JSONW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct jsonw {
	char	*buf;
	size_t	 size;
	size_t	 len;
	bool	 full;		/* something did not fit: buf is of no use */
	bool	 comma;		/* the next member needs one before it */
};

/* Starts writing into buf, which has room for size bytes, at least 1. */
void	 jw_init(struct jsonw *w, char *buf, size_t size);

/* In each of these key is the member's name, or NULL in an array and at the top.
 * It is written as it stands: ASCII without control bytes, quote or backslash. */
void	 jw_object(struct jsonw *w, const char *key);
void	 jw_array(struct jsonw *w, const char *key);
void	 jw_end_object(struct jsonw *w);
void	 jw_end_array(struct jsonw *w);
void	 jw_int(struct jsonw *w, const char *key, int64_t val);
void	 jw_bool(struct jsonw *w, const char *key, bool val);

/* The key has n bytes. */
void	 jw_str_n(struct jsonw *w, const char *key, size_t n, const char *val);

/* Inline, for the compiler knows the length of a word. */
static inline void
jw_str(struct jsonw *w, const char *key, const char *val)
{
	jw_str_n(w, key, key != NULL ? strlen(key) : 0, val);
}

/* The same, but nothing at all is written for NULL or "". */
static inline void
jw_opt(struct jsonw *w, const char *key, const char *val)
{
	if (val != NULL && *val != '\0')
		jw_str(w, key, val);
}

/* An RFC 3339 time. */
void	 jw_time(struct jsonw *w, const char *key, int64_t val);

/* Ends the text with a NUL and returns it; NULL when it did not fit. */
const char *jw_done(struct jsonw *w);

#endif
