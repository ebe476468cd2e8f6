/*
 * A managedDevice as Graph v1.0 writes it in JSON.
 */
#ifndef INTUNE_MANAGED_H
#define INTUNE_MANAGED_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "device/answer.h"

/* Every property that struct device keeps, for $select.  ethernetMacAddress is
 * filled only in the answer to a GET by id that names it. */
#define MANAGED_SELECT \
	"id,azureADDeviceId,deviceName,serialNumber,operatingSystem,osVersion," \
	"complianceState,complianceGracePeriodExpirationDateTime,managementState," \
	"managedDeviceOwnerType,userPrincipalName,model,manufacturer,jailBroken," \
	"isEncrypted,lastSyncDateTime,enrolledDateTime,wiFiMacAddress,ethernetMacAddress"

struct managed {
	struct device	 device;
	enum compliance	 state;
	char		 odd_state[64];	/* a state that we do not know, fit to be shown; else "" */
};

/*
 * Reads one managedDevice.  null and "" are the same: not given.  The zero GUID
 * and addresses that name no station are not given either; a time that cannot be
 * read is 0.  A complianceState we do not know is COMPLIANCE_ERROR, with odd_state.
 * Returns false with a reason in why (size bytes) when id or complianceState is
 * missing or a property has the wrong type: then nothing of it is believed.
 */
bool	 managed_parse(const json_t *o, struct managed *out, char *why, size_t size);

/* Which property stood where in the device before: all of a list are written alike.
 * Zero at first. */
#define MANAGED_GUESSES	32
struct managed_guess {
	unsigned char	 property[MANAGED_GUESSES];
};

/*
 * Reads one managedDevice straight out of text that begins with it, without a JSON
 * library.  Returns how many of the len bytes it took, with *out as jansson and
 * managed_parse() would have it; or 0 when it cannot vouch for that (an escape, a
 * nested value, a fault): then those two must be asked.
 */
size_t	 managed_scan(const char *json, size_t len, struct managed_guess *guess,
	    struct managed *out);

/* Reads only id and one MAC address property, which may be absent. */
bool	 managed_mac(const json_t *o, const char *property, struct guid *id, bool *has,
	    uint8_t mac[MAC_LEN], char *why, size_t size);

#endif
