#include <err.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sysexits.h>
#include <time.h>

#include "base/num.h"
#include "base/scan.h"
#include "base/when.h"
#include "intune/crew.h"
#include "intune/wire.h"

#define BACKOFF_FIRST	500	/* ms: the ceiling of the first wait */
#define BACKOFF_CEILING	20000	/* ms: the window of Graph's Intune limits */

bool
wire_depth_ok(const char *json, size_t len)
{
	const char	*p = json, *end = json + len;
	int		 depth = 0;
	bool		 quoted = false;

	for (; p < end && depth <= WIRE_DEPTH; p++) {
		if (quoted && (p = scan_plain(p, end)) == end)
			break;
		if (*p == '"')
			quoted = !quoted;
		else if (quoted)
			p += *p == '\\';
		else if (*p == '[' || *p == '{')
			depth++;
		else if (*p == ']' || *p == '}')
			depth--;
	}
	return depth <= WIRE_DEPTH;
}

char *
wire_escape(const char *text)
{
	static const char	 hex[] = "0123456789ABCDEF";
	unsigned char		 c;
	char			*out, *p;

	if ((out = malloc(strlen(text) * 3 + 1)) == NULL)
		err(EX_OSERR, NULL);
	for (p = out; (c = (unsigned char)*text) != '\0'; text++) {
		if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
		    (c >= '0' && c <= '9') || strchr("-._~", c) != NULL)
			*p++ = (char)c;
		else {
			*p++ = '%';
			*p++ = hex[c >> 4];
			*p++ = hex[c & 15];
		}
	}
	*p = '\0';
	return out;
}

char *
wire_guid(char out[GUID_TEXT])
{
	struct guid	 g;

	arc4random_buf(g.b, sizeof(g.b));
	g.b[6] = (uint8_t)((g.b[6] & 0x0f) | 0x40);
	g.b[8] = (uint8_t)((g.b[8] & 0x3f) | 0x80);
	return guid_format(out, &g);
}

/* What is sent today, and the two that a server of old may send. */
bool
wire_date(const char *value, int64_t *out)
{
	static const char *const	 formats[] = { "%a, %d %b %Y %H:%M:%S GMT",
	    "%A, %d-%b-%y %H:%M:%S GMT", "%a %b %e %H:%M:%S %Y" };
	const char			*end;
	struct tm			 tm;
	size_t				 i;

	for (i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
		memset(&tm, 0, sizeof(tm));
		end = strptime(value, formats[i], &tm);
		if (end != NULL && *end == '\0') {
			*out = (int64_t)timegm(&tm);
			return true;
		}
	}
	return false;
}

int64_t
wire_retry_after(const char *value, int64_t now)
{
	const char	*why;
	int64_t		 n;

	if (*value != '\0' && value[strspn(value, "0123456789")] == '\0')
		return num_parse(value, 0, WIRE_WAIT_MAX, &n, &why) ? n : WIRE_WAIT_MAX;
	if (!wire_date(value, &n))
		return -1;
	n -= now;
	return n < 0 ? 0 : n > WIRE_WAIT_MAX ? WIRE_WAIT_MAX : n;
}

int64_t
wire_backoff(int attempt)
{
	int64_t	 ceiling = BACKOFF_FIRST;

	while (--attempt > 0 && ceiling < BACKOFF_CEILING)
		ceiling *= 2;
	if (ceiling > BACKOFF_CEILING)
		ceiling = BACKOFF_CEILING;
	return (int64_t)arc4random_uniform((uint32_t)ceiling + 1);
}

/* Length of the host without a final :443. */
static size_t
bare_length(const char *host, size_t len)
{
	return len > 4 && memcmp(host + len - 4, ":443", 4) == 0 ? len - 4 : len;
}

bool
wire_same_host(const char *url, const char *host)
{
	size_t	 n, want = bare_length(host, strlen(host));

	if (strncasecmp(url, "https://", 8) != 0)
		return false;
	url += 8;
	/* Everything up to the path is the authority: a "user@" makes it another
	 * host, and so does anything else that is not literally ours. */
	n = bare_length(url, strcspn(url, "/?#"));
	return n == want && strncasecmp(url, host, n) == 0;
}

int64_t
wire_clock(void)
{
	return when_ms();
}

void
wire_sleep(int64_t ms)
{
	crew_sleep(ms);
}

bool
wire_sleep_until(int64_t when, int64_t end)
{
	int64_t	 now = wire_clock();

	if (when > now && when <= end)
		wire_sleep(when - now);
	if (crew_stopped())
		return false;
	return when <= end || when <= now;
}
