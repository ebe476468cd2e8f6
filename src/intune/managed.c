#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "base/when.h"
#include "intune/managed.h"

struct reader {
	const json_t	*o;
	char		*why;
	size_t		 size;
	bool		 ok;
};

static void
fault(struct reader *r, const char *property, const char *what)
{
	if (r->ok)
		snprintf(r->why, r->size, "a managedDevice whose %s %s", property, what);
	r->ok = false;
}

/* "" for what is absent or null. */
static const char *
text_of(struct reader *r, const char *property)
{
	const json_t	*v = json_object_get(r->o, property);

	if (v == NULL || json_is_null(v))
		return "";
	if (!json_is_string(v)) {
		fault(r, property, "is no string");
		return "";
	}
	return json_string_value(v);
}

/* Text that does not fit is left out: half a name is another name. */
static void
get_text(struct reader *r, const char *property, char *dst, size_t size)
{
	if (!text_copy(dst, size, text_of(r, property)))
		dst[0] = '\0';
}

static bool
get_guid(struct reader *r, const char *property, struct guid *out)
{
	const char	*s = text_of(r, property);

	if (*s == '\0')
		return false;
	if (!guid_parse(s, out)) {
		fault(r, property, "is no GUID");
		return false;
	}
	return !guid_is_zero(out);
}

static bool
get_mac(struct reader *r, const char *property, uint8_t mac[MAC_LEN])
{
	return mac_parse(text_of(r, property), mac) && mac_is_station(mac);
}

static void
get_time(struct reader *r, const char *property, int64_t *out)
{
	const char	*s = text_of(r, property);

	if (*s == '\0' || !when_parse(s, out))
		*out = 0;
}

static void
get_state(struct reader *r, struct managed *out)
{
	const char	*s = text_of(r, "complianceState");

	if (*s == '\0')
		fault(r, "complianceState", "is missing");
	/* The three states of our own are no words of Graph's. */
	else if (!compliance_parse(s, &out->state) || out->state == COMPLIANCE_PENDING ||
	    out->state > COMPLIANCE_CONFIGMANAGER) {
		text_safe(out->odd_state, sizeof(out->odd_state), s, strlen(s));
		out->state = COMPLIANCE_ERROR;
	}
}

bool
managed_parse(const json_t *o, struct managed *out, char *why, size_t size)
{
	struct reader	 r = { o, why, size, true };
	struct device	*d = &out->device;
	const json_t	*encrypted = json_object_get(o, "isEncrypted");

	memset(out, 0, sizeof(*out));
	if (!json_is_object(o)) {
		snprintf(why, size, "a managedDevice that is no object");
		return false;
	}
	d->has_id = get_guid(&r, "id", &d->id);
	if (!d->has_id)
		fault(&r, "id", "is missing");
	d->has_entra_id = get_guid(&r, "azureADDeviceId", &d->entra_id);
	d->has_wifi_mac = get_mac(&r, "wiFiMacAddress", d->wifi_mac);
	d->has_ethernet_mac = get_mac(&r, "ethernetMacAddress", d->ethernet_mac);
	get_text(&r, "deviceName", d->name, sizeof(d->name));
	get_text(&r, "serialNumber", d->serial, sizeof(d->serial));
	get_text(&r, "operatingSystem", d->os, sizeof(d->os));
	get_text(&r, "osVersion", d->os_version, sizeof(d->os_version));
	get_text(&r, "managedDeviceOwnerType", d->owner, sizeof(d->owner));
	get_text(&r, "userPrincipalName", d->user, sizeof(d->user));
	get_text(&r, "model", d->model, sizeof(d->model));
	get_text(&r, "manufacturer", d->manufacturer, sizeof(d->manufacturer));
	get_text(&r, "managementState", d->management_state, sizeof(d->management_state));
	get_text(&r, "jailBroken", d->jailbroken, sizeof(d->jailbroken));
	get_time(&r, "lastSyncDateTime", &d->last_sync);
	get_time(&r, "enrolledDateTime", &d->enrolled);
	get_time(&r, "complianceGracePeriodExpirationDateTime", &d->grace_until);
	get_state(&r, out);
	if (encrypted != NULL && !json_is_null(encrypted) && !json_is_boolean(encrypted))
		fault(&r, "isEncrypted", "is neither true nor false");
	d->encrypted = json_is_true(encrypted);
	return r.ok;
}

bool
managed_mac(const json_t *o, const char *property, struct guid *id, bool *has,
    uint8_t mac[MAC_LEN], char *why, size_t size)
{
	struct reader	 r = { o, why, size, true };

	if (!json_is_object(o) || !get_guid(&r, "id", id))
		fault(&r, "id", "is missing");
	*has = json_is_object(o) && get_mac(&r, property, mac);
	return r.ok;
}
