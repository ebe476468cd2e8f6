#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/when.h"

#define YEAR_2		-62104060800LL	/* 0002-01-01T00:00:00Z */
#define YEAR_9999	253370764800LL	/* 9999-01-01T00:00:00Z */
#define SPAN_MAX	(100LL * 366 * 86400)	/* longer is a slip of the keyboard */

/* Days from 1970-01-01 to a date of the proleptic Gregorian calendar.  timegm()
 * would do, but it also accepts the 31st of February. */
static int64_t
days(int64_t y, int m, int d)
{
	int64_t	 era, yoe, doy;

	y -= m <= 2;
	era = (y >= 0 ? y : y - 399) / 400;
	yoe = y - era * 400;
	doy = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;
	return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

/* Two digits at *s as a number, moving *s on; -1 when they are none. */
static inline int
two(const char **s)
{
	const char	*p = *s;

	if (p[0] < '0' || p[0] > '9' || p[1] < '0' || p[1] > '9')
		return -1;
	*s = p + 2;
	return (p[0] - '0') * 10 + p[1] - '0';
}

/* The same for a year. */
static inline int
four(const char **s)
{
	int	 high = two(s), low = high < 0 ? -1 : two(s);

	return low < 0 ? -1 : high * 100 + low;
}

static inline bool
expect(const char **s, char c)
{
	if (**s != c)
		return false;
	(*s)++;
	return true;
}

static int
month_days(int y, int m)
{
	static const int	 len[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

	return m == 2 && y % 4 == 0 && (y % 100 != 0 || y % 400 == 0) ? 29 : len[m - 1];
}

/* The offset at *s in seconds: Z, or +hh:mm. */
static bool
offset(const char **s, int *out)
{
	int	 h, m, sign;

	if (**s == 'Z' || **s == 'z') {
		(*s)++;
		*out = 0;
		return true;
	}
	if (**s != '+' && **s != '-')
		return false;
	sign = *(*s)++ == '-' ? -1 : 1;
	if ((h = two(s)) < 0 || h > 23 || !expect(s, ':') ||
	    (m = two(s)) < 0 || m > 59)
		return false;
	*out = sign * (h * 3600 + m * 60);
	return true;
}

/* Reads a time and returns what stands behind it; NULL when it is none. */
static const char *
parse(const char *s, int64_t *out)
{
	int	 y, mo, d, h, mi, sec, off, n;

	if ((y = four(&s)) < 0 || !expect(&s, '-') ||
	    (mo = two(&s)) < 1 || mo > 12 || !expect(&s, '-') ||
	    (d = two(&s)) < 1 || d > month_days(y, mo))
		return NULL;
	if (*s != 'T' && *s != 't' && *s != ' ')
		return NULL;
	s++;
	if ((h = two(&s)) < 0 || h > 23 || !expect(&s, ':') ||
	    (mi = two(&s)) < 0 || mi > 59 || !expect(&s, ':') ||
	    (sec = two(&s)) < 0 || sec > 60)
		return NULL;
	if (*s == '.') {
		for (s++, n = 0; *s >= '0' && *s <= '9'; s++)
			n++;
		if (n == 0 || n > 9)
			return NULL;
	}
	if (!offset(&s, &off))
		return NULL;
	if (y <= 1)
		*out = WHEN_NEVER;
	else if (y == 9999)
		*out = WHEN_ALWAYS;
	else
		*out = days(y, mo, d) * 86400 + h * 3600 + mi * 60 + sec - off;
	return s;
}

bool
when_parse(const char *s, int64_t *out)
{
	int64_t	 t;

	if ((s = parse(s, &t)) == NULL || *s != '\0')
		return false;
	*out = t;
	return true;
}

bool
when_scan(const char *s, size_t len, int64_t *out)
{
	int64_t	 t;

	if (len == 0 || parse(s, &t) != s + len)
		return false;
	*out = t;
	return true;
}

static inline char *
two_digits(char *out, uint32_t v, char end)
{
	static const char	 pairs[] =
	    "00010203040506070809101112131415161718192021222324"
	    "25262728293031323334353637383940414243444546474849"
	    "50515253545556575859606162636465666768697071727374"
	    "75767778798081828384858687888990919293949596979899";

	memcpy(out, pairs + 2 * v, 2);
	out[2] = end;
	return out + 3;
}

/* The other way round; gmtime_r() would read /etc/localtime first.  Days count from
 * 0000-03-01, and years from March, so that the leap day is the last of one. */
char *
when_format(char out[WHEN_TEXT], int64_t t)
{
	uint32_t	 day, sec, era, doe, yoe, doy, y, m;
	char		*p = out;

	if (t < YEAR_2 || t >= YEAR_9999)
		return memcpy(out, t < 0 ? "0001-01-01T00:00:00Z" : "9999-12-31T23:59:59Z",
		    WHEN_TEXT);
	day = (uint32_t)((uint64_t)(t + 719468LL * 86400) / 86400);
	sec = (uint32_t)((uint64_t)(t + 719468LL * 86400) % 86400);
	era = day / 146097;
	doe = day % 146097;
	yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	m = (5 * doy + 2) / 153;
	day = doy - (153 * m + 2) / 5 + 1;
	m = m < 10 ? m + 3 : m - 9;
	y = yoe + era * 400 + (m <= 2);
	p = two_digits(p, y / 100, '\0') - 1;
	p = two_digits(p, y % 100, '-');
	p = two_digits(p, m, '-');
	p = two_digits(p, day, 'T');
	p = two_digits(p, sec / 3600, ':');
	p = two_digits(p, sec / 60 % 60, ':');
	p = two_digits(p, sec % 60, 'Z');
	*p = '\0';
	return out;
}

bool
when_span(const char *s, int64_t *out)
{
	static const struct { char c; int64_t n; } unit[] = {
		{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}, {'w', 604800},
	};
	int64_t	 sum = 0, v;
	size_t	 i;

	if (*s == '\0')
		return false;
	while (*s != '\0') {
		if (!isdigit((unsigned char)*s))
			return false;
		for (v = 0; isdigit((unsigned char)*s); s++)
			if ((v = v * 10 + *s - '0') > SPAN_MAX)
				return false;
		if (*s != '\0') {
			for (i = 0; i < 5 && unit[i].c != *s; i++)
				;
			if (i == 5 || v > SPAN_MAX / unit[i].n)
				return false;
			v *= unit[i].n;
			s++;
		}
		if ((sum += v) > SPAN_MAX)
			return false;
	}
	*out = sum;
	return true;
}

char *
when_ago(char *out, size_t size, int64_t s)
{
	if (s < 120)
		snprintf(out, size, "%lld s", (long long)s);
	else if (s < 7200)
		snprintf(out, size, "%lld min", (long long)(s / 60));
	else if (s < 172800)
		snprintf(out, size, "%lld h", (long long)(s / 3600));
	else
		snprintf(out, size, "%lld d", (long long)(s / 86400));
	return out;
}

int64_t
when_now(void)
{
	return (int64_t)time(NULL);
}

int64_t
when_ms(void)
{
	struct timespec	 ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}
