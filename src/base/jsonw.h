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

#include "base/guid.h"
#include "base/mac.h"

struct jsonw {
	char	*buf;
	size_t	 size;
	size_t	 len;
	bool	 full;		/* something did not fit: buf is of no use */
	bool	 comma;		/* the next member needs one before it */
};

/* Starts writing into buf, which has room for size bytes, at least 1. */
void	 jw_init(struct jsonw *w, char *buf, size_t size);

void	 jw_end_object(struct jsonw *w);
void	 jw_end_array(struct jsonw *w);

/* What those below are made of: the key has n bytes. */
void	 jw_object_n(struct jsonw *w, const char *key, size_t n);
void	 jw_array_n(struct jsonw *w, const char *key, size_t n);
void	 jw_int_n(struct jsonw *w, const char *key, size_t n, int64_t val);
void	 jw_bool_n(struct jsonw *w, const char *key, size_t n, bool val);
void	 jw_str_n(struct jsonw *w, const char *key, size_t n, const char *val);
void	 jw_text_n(struct jsonw *w, const char *key, size_t n, const char *val, size_t size);
void	 jw_guid_n(struct jsonw *w, const char *key, size_t n, const struct guid *val);
void	 jw_mac_n(struct jsonw *w, const char *key, size_t n, const uint8_t val[MAC_LEN]);
void	 jw_time_n(struct jsonw *w, const char *key, size_t n, int64_t val);

/* In each of these key is the member's name, or NULL in an array and at the top.
 * It is written as it stands: ASCII without control bytes, quote or backslash.
 * Inline, for the compiler knows the length of a word. */
static inline size_t
jw_len(const char *key)
{
	return key != NULL ? strlen(key) : 0;
}

static inline void
jw_object(struct jsonw *w, const char *key)
{
	jw_object_n(w, key, jw_len(key));
}

static inline void
jw_array(struct jsonw *w, const char *key)
{
	jw_array_n(w, key, jw_len(key));
}

static inline void
jw_int(struct jsonw *w, const char *key, int64_t val)
{
	jw_int_n(w, key, jw_len(key), val);
}

static inline void
jw_bool(struct jsonw *w, const char *key, bool val)
{
	jw_bool_n(w, key, jw_len(key), val);
}

static inline void
jw_str(struct jsonw *w, const char *key, const char *val)
{
	jw_str_n(w, key, jw_len(key), val);
}

/* The same, but nothing at all is written for NULL or "". */
static inline void
jw_opt(struct jsonw *w, const char *key, const char *val)
{
	if (val != NULL && *val != '\0')
		jw_str(w, key, val);
}

/* The same as jw_opt() for the text in an array, which is looked through only once. */
#define jw_text(w, key, array)	jw_text_n((w), (key), jw_len(key), (array), sizeof(array))

/* In lower case. */
static inline void
jw_guid(struct jsonw *w, const char *key, const struct guid *val)
{
	jw_guid_n(w, key, jw_len(key), val);
}

/* As MAC_COLON. */
static inline void
jw_mac(struct jsonw *w, const char *key, const uint8_t val[MAC_LEN])
{
	jw_mac_n(w, key, jw_len(key), val);
}

/* An RFC 3339 time. */
static inline void
jw_time(struct jsonw *w, const char *key, int64_t val)
{
	jw_time_n(w, key, jw_len(key), val);
}

/* Ends the text with a NUL and returns it; NULL when it did not fit. */
const char *jw_done(struct jsonw *w);

#endif
