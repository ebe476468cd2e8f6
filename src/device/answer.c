#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "base/text.h"
#include "base/when.h"
#include "device/answer.h"

/* Names of nac-record(5), and what Graph calls the same state where it differs. */
static const struct {
	const char	*name;
	const char	*graph;
} states[COMPLIANCE_COUNT] = {
	[COMPLIANCE_PENDING] = { "pending", NULL },
	[COMPLIANCE_COMPLIANT] = { "compliant", NULL },
	[COMPLIANCE_NONCOMPLIANT] = { "noncompliant", NULL },
	[COMPLIANCE_GRACE] = { "grace", "inGracePeriod" },
	[COMPLIANCE_UNKNOWN] = { "unknown", NULL },
	[COMPLIANCE_CONFLICT] = { "conflict", NULL },
	[COMPLIANCE_ERROR] = { "error", NULL },
	[COMPLIANCE_CONFIGMANAGER] = { "configmanager", "configManager" },
	[COMPLIANCE_UNREGISTERED] = { "unregistered", NULL },
	[COMPLIANCE_AMBIGUOUS] = { "ambiguous", NULL },
};

static const char *const matches[] = { "none", "guid", "name", "mac", "serial" };
static const char *const spaces[] = { "", "intune", "entra" };
static const char *const sources[] = { "", "graph", "nac2", "cache" };

const char *
compliance_name(enum compliance state)
{
	return states[state].name;
}

bool
compliance_parse(const char *text, enum compliance *out)
{
	int	 i;

	for (i = 0; i < COMPLIANCE_COUNT; i++)
		if (strcasecmp(text, states[i].name) == 0 ||
		    (states[i].graph != NULL && strcasecmp(text, states[i].graph) == 0)) {
			*out = (enum compliance)i;
			return true;
		}
	return false;
}

bool
compliance_is_managed(enum compliance state)
{
	return state != COMPLIANCE_PENDING && state != COMPLIANCE_UNREGISTERED &&
	    state != COMPLIANCE_AMBIGUOUS;
}

const char *
match_name(enum match match)
{
	return matches[match];
}

bool
match_parse(const char *text, enum match *out)
{
	int	 i;

	for (i = MATCH_NONE; i < MATCH_COUNT; i++)
		if (strcasecmp(text, matches[i]) == 0) {
			*out = (enum match)i;
			return true;
		}
	return false;
}

const char *
id_space_name(enum id_space space)
{
	return spaces[space];
}

const char *
source_name(enum source source)
{
	return sources[source];
}

bool
match_order_parse(const char *text, struct match_order *out)
{
	struct match_order	 order = { { MATCH_NONE }, false };
	char			 word[8];
	size_t			 n = 0, len, i;

	for (;;) {
		text += strspn(text, " ,\t");
		if (*text == '\0')
			break;
		len = strcspn(text, " ,\t");
		if (len >= sizeof(word))
			return false;
		memcpy(word, text, len);
		word[len] = '\0';
		text += len;
		if (n > 0 && !order.newest && strcmp(word, "newest") == 0) {
			order.newest = true;
			continue;
		}
		if (n == MATCH_KINDS || order.newest)
			return false;
		if (!match_parse(word, &order.by[n]) || order.by[n] == MATCH_NONE)
			return false;
		for (i = 0; i < n; i++)
			if (order.by[i] == order.by[n])
				return false;
		n++;
	}
	if (n == 0)
		return false;
	*out = order;
	return true;
}

bool
device_is_retiring(const struct device *d)
{
	static const char *const	 words[] = {
		"retirePending", "retireFailed", "retireIssued", "deletePending",
	};
	size_t				 i;

	for (i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strcasecmp(d->management_state, words[i]) == 0)
			return true;
	return false;
}

bool
device_is_wiping(const struct device *d)
{
	static const char *const	 words[] = {
		"wipePending", "wipeFailed", "wipeIssued",
	};
	size_t				 i;

	for (i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strcasecmp(d->management_state, words[i]) == 0)
			return true;
	return false;
}

char *
device_fold_name(char *dst, size_t size, const char *name)
{
	char	*p;

	text_copy(dst, size, name);
	for (p = dst; *p != '\0'; p++)
		if (*p >= 'A' && *p <= 'Z')
			*p = (char)(*p - 'A' + 'a');
	return dst;
}

/* What DMI tables hold when nobody has filled them in, without what is neither
 * letter nor digit. */
static bool
is_placeholder(const char *s)
{
	static const char *const	 words[] = {
		"none", "null", "unknown", "undefined", "default", "defaultstring", "empty",
		"invalid", "test", "tobefilled", "tobefilledbyoem", "filledbyoem",
		"serialnumber", "noserialnumber", "systemserialnumber", "chassisserialnumber",
		"baseboardserialnumber", "notspecified", "notavailable", "notapplicable",
		"notdefined", "notprovided", "notset",
	};
	size_t				 i;

	for (i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strcmp(s, words[i]) == 0)
			return true;
	return false;
}

#define SERIAL_MIN	4	/* letters and digits; the shortest in use have five */

bool
device_fold_serial(char *dst, size_t size, const char *serial)
{
	char	 core[DEVICE_SERIAL];
	size_t	 len, i, n = 0;
	bool	 same = true, counts = true;

	serial += strspn(serial, " \t");
	len = strlen(serial);
	while (len > 0 && (serial[len - 1] == ' ' || serial[len - 1] == '\t'))
		len--;
	if (len >= size || len >= sizeof(core))
		return false;
	for (i = 0; i < len; i++) {
		dst[i] = serial[i];
		if (dst[i] >= 'A' && dst[i] <= 'Z')
			dst[i] = (char)(dst[i] - 'A' + 'a');
		if (!isalnum((unsigned char)dst[i]) && (unsigned char)dst[i] < 0x80)
			continue;
		core[n] = dst[i];
		same = same && core[n] == core[0];
		/* 0123456789012 and the like. */
		counts = counts && isdigit((unsigned char)core[n]) &&
		    (n == 0 || core[n] == (core[n - 1] == '9' ? '0' : core[n - 1] + 1));
		n++;
	}
	dst[len] = core[n] = '\0';
	return n >= SERIAL_MIN && !same && !counts && !is_placeholder(core);
}

static void
device_write(struct jsonw *w, const struct device *d, enum source source)
{
	jw_object(w, "device");
	if (d->has_id)
		jw_guid(w, "id", &d->id);
	if (d->has_entra_id)
		jw_guid(w, "entra_id", &d->entra_id);
	jw_text(w, "name", d->name);
	jw_text(w, "serial", d->serial);
	if (d->has_wifi_mac)
		jw_mac(w, "wifi_mac", d->wifi_mac);
	if (d->has_ethernet_mac)
		jw_mac(w, "ethernet_mac", d->ethernet_mac);
	jw_text(w, "os", d->os);
	jw_text(w, "os_version", d->os_version);
	jw_text(w, "owner", d->owner);
	jw_text(w, "user", d->user);
	jw_text(w, "model", d->model);
	jw_text(w, "manufacturer", d->manufacturer);
	jw_text(w, "management_state", d->management_state);
	jw_text(w, "jailbroken", d->jailbroken);
	/* NAC 2.0 does not say. */
	if (source != SOURCE_NAC2)
		jw_bool(w, "encrypted", d->encrypted);
	if (d->has_account)
		jw_bool(w, "account_enabled", d->account_enabled);
	if (d->last_sync != 0)
		jw_time(w, "last_sync", d->last_sync);
	if (d->enrolled != 0)
		jw_time(w, "enrolled", d->enrolled);
	if (d->grace_until != 0)
		jw_time(w, "grace_until", d->grace_until);
	jw_end_object(w);
}

void
answer_write(struct jsonw *w, const struct answer *a, int64_t now)
{
	answer_write_of(w, a, a->has_device ? &a->device : NULL, now);
}

void
answer_write_of(struct jsonw *w, const struct answer *a, const struct device *d, int64_t now)
{
	size_t	 i;

	jw_object(w, "compliance");
	jw_str(w, "state", compliance_name(a->state));
	jw_bool(w, "managed", compliance_is_managed(a->state));
	jw_str(w, "matched_by", match_name(a->matched_by));
	jw_opt(w, "id_space", id_space_name(a->id_space));
	jw_opt(w, "source", source_name(a->source));
	jw_text(w, "tenant", a->tenant);
	if (a->checked != 0) {
		jw_time(w, "checked", a->checked);
		/* A clock that was set back must not make an answer look new. */
		if (now != 0 && !answer_is_ahead(a, now))
			jw_int(w, "age", now > a->checked ? now - a->checked : 0);
	}
	if (a->nasked > 0) {
		jw_array(w, "asked");
		for (i = 0; i < a->nasked; i++) {
			jw_object(w, NULL);
			jw_str(w, "by", match_name(a->asked[i].by));
			jw_str(w, "value", a->asked[i].value);
			if (a->asked[i].listed)
				jw_bool(w, "listed", true);
			jw_end_object(w);
		}
		jw_end_array(w);
	}
	if (a->ncandidate > 0) {
		jw_array(w, "candidates");
		for (i = 0; i < a->ncandidate; i++)
			jw_guid(w, NULL, &a->candidate[i]);
		jw_end_array(w);
	}
	if (d != NULL)
		device_write(w, d, a->source);
	jw_end_object(w);
}
