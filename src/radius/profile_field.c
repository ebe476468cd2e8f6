#include <string.h>
#include <strings.h>

#include "radius/profile.h"
#include "radius/profile_field.h"

/* The fields of a session, and of a change, that an attribute can be made of. */
static const struct profile_field fields[] = {
#define FIELD(f, attribute, names) { #f, attribute, offsetof(struct session, f), names, false }
#define CHANGE(f) { #f, NULL, offsetof(struct change, f), NAMES_NOTHING, true }
	FIELD(user, "User-Name", NAMES_NOTHING),
	FIELD(nas_ip, "NAS-IP-Address", NAMES_NAS),
	FIELD(nas_ip, "NAS-IPv6-Address", NAMES_NAS),
	FIELD(nas_id, "NAS-Identifier", NAMES_NAS),
	FIELD(nas_port, "NAS-Port", NAMES_NOTHING),
	/* On Wi-Fi this is the radio or the SSID: shared by many. */
	FIELD(nas_port_id, "NAS-Port-Id", NAMES_NOTHING),
	FIELD(acct_session_id, "Acct-Session-Id", NAMES_SESSION),
	FIELD(acct_multi_session_id, "Acct-Multi-Session-Id", NAMES_SESSION),
	FIELD(calling, "Calling-Station-Id", NAMES_CLIENT),
	FIELD(called, "Called-Station-Id", NAMES_NOTHING),
	FIELD(framed_ip, "Framed-IP-Address", NAMES_ADDRESS),
	FIELD(cui, "Chargeable-User-Identity", NAMES_NOTHING),
	FIELD(audit_session_id, NULL, NAMES_SESSION),
	FIELD(ssid, NULL, NAMES_NOTHING),
	CHANGE(vlan),
	CHANGE(role),
	CHANGE(redirect),
#undef FIELD
#undef CHANGE
};

#define NFIELDS	(sizeof(fields) / sizeof(fields[0]))

static const struct profile_field *
find_field(const char *name, size_t len)
{
	size_t	 i;

	for (i = 0; i < NFIELDS; i++)
		if (strlen(fields[i].name) == len && memcmp(fields[i].name, name, len) == 0)
			return &fields[i];
	return NULL;
}

int
profile_piece(const char **s, const char **start, const struct profile_field **f)
{
	const char	*end;

	*start = *s;
	*f = NULL;
	if (strncmp(*s, "%{", 2) == 0) {
		if ((end = strchr(*s, '}')) == NULL ||
		    (*f = find_field(*s + 2, (size_t)(end - *s) - 2)) == NULL)
			return -1;
		*s = end + 1;
	} else {
		end = strstr(*s, "%{");
		*s = end != NULL ? end : *s + strlen(*s);
	}
	return (int)(*s - *start);
}

bool
profile_is_template(const char *text)
{
	return strstr(text, "%{") != NULL;
}

bool
profile_template_good(const char *s)
{
	const struct profile_field	*f;
	const char		*start;
	int			 n;

	while ((n = profile_piece(&s, &start, &f)) > 0)
		;
	return n == 0;
}

const struct profile_field *
profile_own_field(const char *attribute)
{
	size_t	 i;

	for (i = 0; i < NFIELDS; i++)
		if (fields[i].attribute != NULL && strcasecmp(fields[i].attribute, attribute) == 0)
			return &fields[i];
	return NULL;
}
