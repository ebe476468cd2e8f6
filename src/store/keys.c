#include <string.h>

#include "store/db.h"
#include "store/keys.h"

struct key
key_of(const char *prefix, const void *data, size_t n)
{
	struct key	 k;
	size_t		 plen = strlen(prefix);

	if (n > sizeof(k.b) - plen)
		n = sizeof(k.b) - plen;
	memcpy(k.b, prefix, plen);
	memcpy(k.b + plen, data, n);
	k.n = plen + n;
	return k;
}

struct key
guid_key(const char *prefix, const struct guid *g)
{
	return key_of(prefix, g->b, GUID_LEN);
}

struct key
name_key(const char *prefix, const char *name)
{
	char	 folded[256];

	device_fold_name(folded, sizeof(folded), name);
	return key_of(prefix, folded, strlen(folded));
}

struct key
mac_key(const char *prefix, const uint8_t mac[MAC_LEN])
{
	return key_of(prefix, mac, MAC_LEN);
}

bool
serial_key(struct key *k, const char *prefix, const char *serial)
{
	char	 folded[DEVICE_SERIAL];

	if (!device_fold_serial(folded, sizeof(folded), serial))
		return false;
	*k = key_of(prefix, folded, strlen(folded));
	return true;
}

bool
mac_is_usable(const uint8_t mac[MAC_LEN])
{
	return mac_is_station(mac) && !mac_is_random(mac);
}

size_t
keys_of(const struct device *d, bool x, struct key keys[DEVICE_KEYS])
{
	size_t	 n = 0;

	if (d->has_entra_id && !guid_is_zero(&d->entra_id))
		keys[n++] = guid_key(x ? "x:g:" : "e:", &d->entra_id);
	if (d->name[0] != '\0')
		keys[n++] = name_key(x ? "x:n:" : "n:", d->name);
	if (d->has_wifi_mac && mac_is_usable(d->wifi_mac))
		keys[n++] = mac_key(x ? "x:m:" : "m:", d->wifi_mac);
	if (d->has_ethernet_mac && mac_is_usable(d->ethernet_mac))
		keys[n++] = mac_key(x ? "x:m:" : "m:", d->ethernet_mac);
	n += serial_key(&keys[n], x ? "x:s:" : "s:", d->serial);
	return n;
}

bool
same_key(const struct key *a, const struct key *b)
{
	return a->n == b->n && memcmp(a->b, b->b, a->n) == 0;
}

bool
has_key(const struct device *d, const struct key *k)
{
	struct key	 keys[DEVICE_KEYS];
	size_t		 i, n = keys_of(d, false, keys);

	for (i = 0; i < n; i++)
		if (same_key(&keys[i], k))
			return true;
	return false;
}

bool
key_is_of(const struct device *d, const void *key, size_t n)
{
	struct key	 k = key_of("", key, n);

	return has_key(d, &k);
}
