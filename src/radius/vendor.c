#include <ctype.h>
#include <string.h>

#include "radius/vendor.h"

#define CISCO	"cisco"

/* How the names of a vendor's attributes begin. */
static const struct {
	const char	*prefix;
	const char	*word;
} vendors[] = {
	{ "AH-", "aerohive" },
	{ "Airespace-", CISCO },	/* of its wireless controllers */
	{ "Arista-", "arista" },
	{ "Aruba-", "aruba" },
	{ "Avaya-", "avaya" },
	{ "Brocade-", "icx" },
	{ "Cambium-", "cambium" },
	{ "Cisco-", CISCO },
	{ "DellEMC-", "dell" },
	{ "Extreme-", "extreme" },
	{ "Fabric-Attach-", "avaya" },
	{ "Force10-", "dell" },
	{ "Fortinet-", "fortinet" },
	{ "Foundry-", "icx" },
	{ "H3C-", "h3c" },
	{ "HP-", "hp" },
	{ "Huawei-", "huawei" },
	{ "Juniper-", "juniper" },
	{ "Meraki-", "meraki" },
	{ "Meru-", "meru" },
	{ "Mikrotik-", "mikrotik" },
	{ "Nortel-", "avaya" },
	{ "Pica8-", "pica8" },
	{ "Ruckus-", "ruckus" },
	{ "Xylan-", "alcatel" },	/* OmniSwitch */
	{ "Zyxel-", "zyxel" },
};

static bool
begins(const char *name, size_t len, const char *prefix)
{
	size_t	 i;
	char	 c;

	for (i = 0; prefix[i] != '\0'; i++) {
		if (i == len)
			return false;
		c = name[i] == '_' ? '-' : name[i];
		if (tolower((unsigned char)c) != tolower((unsigned char)prefix[i]))
			return false;
	}
	return true;
}

const char *
vendor_of(const char *name, size_t len)
{
	size_t	 i;

	for (i = 0; i < sizeof(vendors) / sizeof(vendors[0]); i++)
		if (begins(name, len, vendors[i].prefix))
			return vendors[i].word;
	return NULL;
}

bool
vendor_is_better(const char *known, const char *word)
{
	return known[0] == '\0' || (strcmp(known, CISCO) == 0 && strcmp(word, CISCO) != 0);
}

bool
vendor_known(const char *word)
{
	size_t	 i;

	for (i = 0; i < sizeof(vendors) / sizeof(vendors[0]); i++)
		if (strcmp(word, vendors[i].word) == 0)
			return true;
	return false;
}
