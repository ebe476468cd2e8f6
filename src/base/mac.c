#include <string.h>

#include "base/hex.h"
#include "base/mac.h"

#define LOWER	"0123456789abcdef"
#define UPPER	"0123456789ABCDEF"

size_t
mac_scan(const char *s, uint8_t mac[MAC_LEN])
{
	uint8_t	 out[MAC_LEN] = {0};
	size_t	 i = 0, digits = 0, group = 0, run = 0;
	char	 sep = '\0';
	int	 v;

	while (digits < 2 * MAC_LEN) {
		if ((v = hex_value(s[i])) >= 0) {
			out[digits / 2] = (uint8_t)(out[digits / 2] << 4 | v);
			digits++;
			run++;
			i++;
			continue;
		}
		if (s[i] == '\0' || strchr(":-. ", s[i]) == NULL || run == 0)
			return 0;
		/* The first separator fixes which one it is and the group size. */
		if (sep == '\0') {
			if (run != 2 && run != 4 && run != 6)
				return 0;
			sep = s[i];
			group = run;
		} else if (s[i] != sep || run != group)
			return 0;
		run = 0;
		i++;
	}
	if (sep != '\0' && run != group)
		return 0;
	if (hex_value(s[i]) >= 0)
		return 0;
	memcpy(mac, out, MAC_LEN);
	return i;
}

bool
mac_parse(const char *s, uint8_t mac[MAC_LEN])
{
	size_t	 n = mac_scan(s, mac);

	return n != 0 && s[n] == '\0';
}

char *
mac_format(char out[MAC_TEXT], const uint8_t mac[MAC_LEN], enum mac_form form)
{
	static const struct {
		const char	*hex;
		size_t		 group;	/* octets between separators, 0 = none */
		char		 sep;
	} forms[] = {
		[MAC_COLON] = { LOWER, 1, ':' },
		[MAC_HYPHEN] = { UPPER, 1, '-' },
		[MAC_HYPHEN_LOWER] = { LOWER, 1, '-' },
		[MAC_COLON_UPPER] = { UPPER, 1, ':' },
		[MAC_BARE] = { LOWER, 0, '\0' },
		[MAC_BARE_UPPER] = { UPPER, 0, '\0' },
		[MAC_DOTTED] = { LOWER, 2, '.' },
	};
	const char		*hex = forms[form].hex;
	char			*to = out;
	size_t			 i, left = forms[form].group;

	for (i = 0; i < MAC_LEN; i++) {
		*to++ = hex[mac[i] >> 4];
		*to++ = hex[mac[i] & 15];
		if (--left == 0) {
			*to++ = forms[form].sep;
			left = forms[form].group;
		}
	}
	/* In place of the last separator. */
	to[forms[form].group > 0 ? -1 : 0] = '\0';
	return out;
}

bool
mac_is_random(const uint8_t mac[MAC_LEN])
{
	return (mac[0] & 0x02) != 0;
}

bool
mac_is_station(const uint8_t mac[MAC_LEN])
{
	static const uint8_t	 zero[MAC_LEN];

	return (mac[0] & 0x01) == 0 && memcmp(mac, zero, MAC_LEN) != 0;
}
