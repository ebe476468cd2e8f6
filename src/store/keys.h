/*
 * The keys of the databases `dev` and `key`, as db.h lists them.  This header is
 * for the files of src/store/.
 */
#ifndef STORE_KEYS_H
#define STORE_KEYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "device/answer.h"
#include "store/store.h"

/* Secondary keys of one device: Entra id, name, two MACs, serial number. */
#define DEVICE_KEYS	STORE_CLAIMS

/* A prefix of two or four bytes and what it is about. */
struct key {
	unsigned char	 b[4 + 256];
	size_t		 n;
};

struct key	 key_of(const char *prefix, const void *data, size_t n);
struct key	 guid_key(const char *prefix, const struct guid *g);
struct key	 name_key(const char *prefix, const char *name);	/* folded */
struct key	 mac_key(const char *prefix, const uint8_t mac[MAC_LEN]);

/* False when the serial number is none that a device is found by. */
bool		 serial_key(struct key *k, const char *prefix, const char *serial);

/* Is a device found by this address?  Not by a random one. */
bool		 mac_is_usable(const uint8_t mac[MAC_LEN]);

/*
 * The keys, beside its id, under which a device is found; x says which prefixes:
 * those of `key`, or those of answers without a device.  Returns how many.
 */
size_t		 keys_of(const struct device *d, bool x, struct key keys[DEVICE_KEYS]);

bool		 same_key(const struct key *a, const struct key *b);

/* Does the device say of itself what the key of `key` says of it? */
bool		 has_key(const struct device *d, const struct key *k);

#endif
