#include <ctype.h>
#include <string.h>

#include "base/guid.h"
#include "base/hex.h"

#define GUID_CHARS	(GUID_TEXT - 1)

/* Where each byte stands in the text. */
static const unsigned char	 place[GUID_LEN] = {
	0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34
};

bool
guid_scan(const char *s, size_t len, struct guid *out)
{
	struct guid	 g;
	size_t		 i;
	int		 high, low, bad = 0;

	if (len < GUID_CHARS || s[8] != '-' || s[13] != '-' || s[18] != '-' || s[23] != '-')
		return false;
	/* One look for all digits at the end: -1 has every bit. */
	for (i = 0; i < GUID_LEN; i++) {
		high = hex_value(s[place[i]]);
		low = hex_value(s[place[i] + 1]);
		bad |= high | low;
		g.b[i] = (uint8_t)((unsigned)high << 4 | (unsigned)low);
	}
	if (bad < 0)
		return false;
	if (len > GUID_CHARS &&
	    (isalnum((unsigned char)s[GUID_CHARS]) || s[GUID_CHARS] == '-'))
		return false;
	*out = g;
	return true;
}

bool
guid_parse(const char *s, struct guid *out)
{
	size_t	 len = strlen(s);

	if (len == GUID_CHARS + 2 && s[0] == '{' && s[len - 1] == '}')
		return guid_scan(s + 1, GUID_CHARS, out);
	return len == GUID_CHARS && guid_scan(s, len, out);
}

char *
guid_format(char out[GUID_TEXT], const struct guid *g)
{
	static const char	 hex[] = "0123456789abcdef";
	size_t			 i;

	for (i = 0; i < GUID_LEN; i++) {
		out[place[i]] = hex[g->b[i] >> 4];
		out[place[i] + 1] = hex[g->b[i] & 15];
	}
	out[8] = out[13] = out[18] = out[23] = '-';
	out[GUID_CHARS] = '\0';
	return out;
}
