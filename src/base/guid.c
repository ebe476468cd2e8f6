#include <ctype.h>
#include <string.h>

#include "base/guid.h"
#include "base/hex.h"

#define GUID_CHARS	(GUID_TEXT - 1)

bool
guid_scan(const char *s, size_t len, struct guid *out)
{
	struct guid	 g = {{0}};
	size_t		 i, digits = 0;
	int		 v;

	if (len < GUID_CHARS)
		return false;
	for (i = 0; i < GUID_CHARS; i++) {
		if (i == 8 || i == 13 || i == 18 || i == 23) {
			if (s[i] != '-')
				return false;
			continue;
		}
		if ((v = hex_value(s[i])) < 0)
			return false;
		g.b[digits / 2] = (uint8_t)(g.b[digits / 2] << 4 | v);
		digits++;
	}
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
	size_t			 i, o = 0;

	for (i = 0; i < GUID_LEN; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			out[o++] = '-';
		out[o++] = hex[g->b[i] >> 4];
		out[o++] = hex[g->b[i] & 15];
	}
	out[o] = '\0';
	return out;
}
