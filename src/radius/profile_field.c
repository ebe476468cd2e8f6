#include <string.h>
#include <strings.h>

#include "radius/profile.h"
#include "radius/profile_field.h"

/* The fields of a session, and of a change, that an attribute can be made of. */
static const struct profile_field fields[] = {
#define FIELD(f, attribute, client) { #f, attribute, offsetof(struct session, f), client, false }
#define CHANGE(f) { #f, NULL, offsetof(struct change, f), false, true }
	FIELD(user, "User-Name", false),
	FIELD(nas_ip, "NAS-IP-Address", false),
	FIELD(nas_ip, "NAS-IPv6-Address", false),
	FIELD(nas_id, "NAS-Identifier", false),
	FIELD(nas_port, "NAS-Port", false),
	/* On Wi-Fi this is the radio or the SSID: shared by many. */
	FIELD(nas_port_id, "NAS-Port-Id", false),
	FIELD(acct_session_id, "Acct-Session-Id", true),
	FIELD(acct_multi_session_id, "Acct-Multi-Session-Id", true),
	FIELD(calling, "Calling-Station-Id", true),
	FIELD(called, "Called-Station-Id", false),
	FIELD(framed_ip, "Framed-IP-Address", true),
	FIELD(cui, "Chargeable-User-Identity", false),
	FIELD(audit_session_id, NULL, true),
	FIELD(ssid, NULL, false),
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
