/*
 * Small things of HTTP that need no library: escaping, waiting, comparing hosts.
 */
#ifndef INTUNE_WIRE_H
#define INTUNE_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/guid.h"

/* Longest Retry-After that is believed; a longer one counts as this. */
#define WIRE_WAIT_MAX	86400

/* Milliseconds at most that are waited behind a moment somebody has asked us to wait
 * for: others wait for it, too. */
#define WIRE_JITTER	250

/* Deepest nesting of JSON that is given to a parser, whose stack has an end: what
 * Microsoft answers has six levels. */
#define WIRE_DEPTH	64

/* Whether len bytes of JSON are nested no deeper than that. */
bool	 wire_depth_ok(const char *json, size_t len);

/* Percent-encodes everything but the unreserved bytes of RFC 3986 section 2.3.
 * The caller frees the result; without memory the program ends. */
char	*wire_escape(const char *text);

/* Writes a random GUID (RFC 9562, version 4) and returns out. */
char	*wire_guid(char out[GUID_TEXT]);

/* Reads a date of HTTP (RFC 9110 section 5.6.7), all three forms of it, into seconds
 * since 1970.  False for anything else. */
bool	 wire_date(const char *value, int64_t *out);

/* Reads Retry-After (RFC 9110 section 10.2.3): seconds, or a date seen from
 * now.  Returns seconds, 0 to WIRE_WAIT_MAX; -1 when it is neither. */
int64_t	 wire_retry_after(const char *value, int64_t now);

/* How long to wait, in milliseconds, before try number attempt (1 = the first
 * repetition): full jitter under an exponential ceiling. */
int64_t	 wire_backoff(int attempt);

/* True when url is https and names exactly host (host or host:port, compared
 * without case, 443 being the default): only then may it see our token. */
bool	 wire_same_host(const char *url, const char *host);

/* A monotonic clock in milliseconds, and sleeping by it through signals, while
 * others of the crew work. */
int64_t	 wire_clock(void);
void	 wire_sleep(int64_t ms);

/* Sleeps until when if that is not behind the end; false if it is, or if this thread is
 * to stop. */
bool	 wire_sleep_until(int64_t when, int64_t end);

#endif
