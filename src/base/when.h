/*
 * Points in time and spans of it, as text.
 */
#ifndef BASE_WHEN_H
#define BASE_WHEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WHEN_TEXT	21	/* "2026-11-21T08:30:00Z" and its NUL */

/* Graph's sentinels: 0001-01-01 means never, 9999-12-31 means no end. */
#define WHEN_NEVER	INT64_MIN
#define WHEN_ALWAYS	INT64_MAX

/*
 * Reads an RFC 3339 time: 0 to 9 fractional digits (dropped), Z or an offset;
 * the years 0001 and 9999 become WHEN_NEVER and WHEN_ALWAYS.  Returns true and
 * seconds since 1970-01-01T00:00:00Z in *out.
 */
bool	 when_parse(const char *s, int64_t *out);

/* The same for the first len bytes of s, behind which stands a byte that no time has
 * (a quote): *out is set only for true. */
bool	 when_scan(const char *s, size_t len, int64_t *out);

/* Writes t as RFC 3339 in UTC and returns out; the sentinels as Graph does. */
char	*when_format(char out[WHEN_TEXT], int64_t t);

/*
 * Reads a span such as 90s, 15m, 2h, 1d, 1w, or several joined (1h30m); a bare
 * number is seconds.  Returns true and the seconds in *out; false when it is no
 * span or longer than 100 years.
 */
bool	 when_span(const char *s, int64_t *out);

/* Writes an age for people: "42 s", "17 min", "5 h", "3 d".  Returns out. */
char	*when_ago(char *out, size_t size, int64_t seconds);

/* Now, in whole seconds. */
int64_t	 when_now(void);

/* Milliseconds of a clock that nobody puts forward or back, for waits: not a time. */
int64_t	 when_ms(void);

#endif
