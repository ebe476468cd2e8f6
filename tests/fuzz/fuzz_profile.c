/* A profile, and the packets that come of it for a session. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "radius/dict.h"
#include "radius/profile.h"

int	 LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void
ignore(void *arg, const char *message)
{
	(void)arg;
	(void)message;
}

static struct dict *
dictionary(void)
{
	char	 text[] = "VENDOR Cisco 9\nATTRIBUTE User-Name 1 string\n"
		     "ATTRIBUTE NAS-IP-Address 4 ipaddr\nATTRIBUTE NAS-Port 5 integer\n"
		     "ATTRIBUTE NAS-IPv6-Address 95 ipv6addr\nATTRIBUTE Filter-Id 11 string\n"
		     "ATTRIBUTE Calling-Station-Id 31 string\n"
		     "ATTRIBUTE Acct-Session-Id 44 string\nVALUE NAS-Port one 1\n"
		     "ATTRIBUTE Cisco-AVPair 1 string Cisco\n";

	return dict_parse("fuzz", text, sizeof(text) - 1, ignore, NULL);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct dict	*dict;
	struct session		 s = { .nas_ip = "192.0.2.1", .user = "u", .nas_port = "1",
				     .calling = "0a1b2c3d4e5f", .acct_session_id = "a" };
	struct change		 change = { .vlan = "7", .role = "guest" };
	struct filled		 filled[PROFILE_FILLED];
	struct profile		*p;
	struct packet		 packet;
	char			*text, why[PROFILE_WHY];
	size_t			 i, n;

	if (dict == NULL && (dict = dictionary()) == NULL)
		abort();
	if ((text = malloc(len + 1)) == NULL)
		abort();
	memcpy(text, data, len);
	text[len] = '\0';
	p = profile_parse("fuzz", "fuzz", text, len, dict, ignore, NULL);
	for (i = 0; p != NULL && i < ACTION_COUNT; i++)
		if (profile_fill(p, (enum action)i, &s, &change, dict, filled, &n, why))
			profile_packet(p, (enum action)i, filled, n, 1, 1, &packet);
	free(p);
	free(text);
	return 0;
}
