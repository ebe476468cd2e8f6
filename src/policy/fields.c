#include <string.h>

#include "device/answer.h"
#include "device/identity.h"
#include "device/session.h"
#include "policy/fields.h"

#define BIT(n)	(UINT32_C(1) << (n))

static const struct field_word	 compliance_words[] = {
	{ "pending", BIT(COMPLIANCE_PENDING) },
	{ "compliant", BIT(COMPLIANCE_COMPLIANT) },
	{ "noncompliant", BIT(COMPLIANCE_NONCOMPLIANT) },
	{ "grace", BIT(COMPLIANCE_GRACE) },
	{ "unknown", BIT(COMPLIANCE_UNKNOWN) },
	{ "conflict", BIT(COMPLIANCE_CONFLICT) },
	{ "error", BIT(COMPLIANCE_ERROR) },
	{ "configmanager", BIT(COMPLIANCE_CONFIGMANAGER) },
	{ "unregistered", BIT(COMPLIANCE_UNREGISTERED) },
	{ "ambiguous", BIT(COMPLIANCE_AMBIGUOUS) },
	{ NULL, 0 }
};
static const struct field_word	 eap_words[] = {
	{ "none", BIT(EAP_NONE) }, { "tls", BIT(EAP_TLS) }, { "ttls", BIT(EAP_TTLS) },
	{ "peap", BIT(EAP_PEAP) }, { "other", BIT(EAP_OTHER) }, { NULL, 0 }
};
/* That the port type is not known is an absent fact, not a value; so it is with
 * the id space and the source. */
static const struct field_word	 medium_words[] = {
	{ "wired", BIT(MEDIUM_WIRED) }, { "wireless", BIT(MEDIUM_WIRELESS) },
	{ "vpn", BIT(MEDIUM_VPN) }, { NULL, 0 }
};
static const struct field_word	 matched_words[] = {
	{ "none", BIT(MATCH_NONE) }, { "guid", BIT(MATCH_GUID) }, { "name", BIT(MATCH_NAME) },
	{ "mac", BIT(MATCH_MAC) }, { "serial", BIT(MATCH_SERIAL) }, { NULL, 0 }
};
static const struct field_word	 space_words[] = {
	{ "intune", BIT(ID_SPACE_INTUNE) }, { "entra", BIT(ID_SPACE_ENTRA) }, { NULL, 0 }
};
static const struct field_word	 source_words[] = {
	{ "graph", BIT(SOURCE_GRAPH) }, { "nac2", BIT(SOURCE_NAC2) },
	{ "cache", BIT(SOURCE_CACHE) }, { NULL, 0 }
};
static const struct field_word	 client_words[] = {
	{ "ios", BIT(CLIENT_IOS) }, { "android", BIT(CLIENT_ANDROID) },
	{ "other-mobile", BIT(CLIENT_OTHER_MOBILE) }, { "windows", BIT(CLIENT_WINDOWS) },
	{ "macos", BIT(CLIENT_MACOS) }, { "linux", BIT(CLIENT_LINUX) },
	{ "other", BIT(CLIENT_OTHER) },
	{ "mobile", BIT(CLIENT_IOS) | BIT(CLIENT_ANDROID) | BIT(CLIENT_OTHER_MOBILE) },
	{ "desktop", BIT(CLIENT_WINDOWS) | BIT(CLIENT_MACOS) | BIT(CLIENT_LINUX) },
	{ NULL, 0 }
};
static const struct field_word	 jailbreak_words[] = {
	{ "yes", BIT(JAILBREAK_YES) }, { "no", BIT(JAILBREAK_NO) },
	{ "unknown", BIT(JAILBREAK_UNKNOWN) }, { NULL, 0 }
};
static const struct field_word	 account_words[] = {
	{ "enabled", BIT(ACCOUNT_ENABLED) }, { "disabled", BIT(ACCOUNT_DISABLED) },
	{ "unknown", BIT(ACCOUNT_UNKNOWN) }, { NULL, 0 }
};
static const struct field_word	 trust_words[] = {
	{ "trusted", BIT(TRUST_YES) }, { "any", BIT(TRUST_YES) | BIT(TRUST_NO) }, { NULL, 0 }
};
static const struct field_word	 weekday_words[] = {
	{ "monday", BIT(0) }, { "tuesday", BIT(1) }, { "wednesday", BIT(2) },
	{ "thursday", BIT(3) }, { "friday", BIT(4) }, { "saturday", BIT(5) },
	{ "sunday", BIT(6) }, { NULL, 0 }
};

#define SET(n, o, p, w)	{ n, KIND_SET, o, p, w }
#define ONE(n, k, o, p)	{ n, k, o, p, NULL }

const struct field_info	 field_table[FIELD_COUNT] = {
	[FIELD_COMPLIANCE] = SET("compliance", ORIGIN_INTUNE, "compliance.state", compliance_words),
	[FIELD_EAP] = SET("eap", ORIGIN_REQUEST, "identity.eap", eap_words),
	[FIELD_MEDIUM] = SET("medium", ORIGIN_REQUEST, "session.medium", medium_words),
	[FIELD_MATCHED] = SET("matched", ORIGIN_INTUNE, "compliance.matched_by", matched_words),
	[FIELD_ID_SPACE] = SET("id-space", ORIGIN_INTUNE, "compliance.id_space", space_words),
	[FIELD_SOURCE] = SET("source", ORIGIN_INTUNE, "compliance.source", source_words),
	[FIELD_CLIENT] = SET("client", ORIGIN_INTUNE, "compliance.device.os", client_words),
	[FIELD_JAILBREAK] = SET("jailbreak", ORIGIN_INTUNE, "compliance.device.jailbroken",
	    jailbreak_words),
	[FIELD_ACCOUNT] = SET("account", ORIGIN_INTUNE, "compliance.device.account_enabled",
	    account_words),
	[FIELD_TRUST] = SET("trust", ORIGIN_RULES, "trusted by", trust_words),
	[FIELD_WEEKDAY] = SET("weekday", ORIGIN_CLOCK, "now", weekday_words),
	[FIELD_NAS_ID] = ONE("nas-id", KIND_TEXT, ORIGIN_REQUEST, "session.nas_id"),
	[FIELD_NAS_PORT_ID] = ONE("nas-port-id", KIND_TEXT, ORIGIN_REQUEST, "session.nas_port_id"),
	[FIELD_SSID] = ONE("ssid", KIND_TEXT, ORIGIN_REQUEST, "session.ssid"),
	[FIELD_USER] = ONE("user", KIND_TEXT, ORIGIN_REQUEST, "session.inner_user, session.user"),
	[FIELD_REALM] = ONE("realm", KIND_TEXT, ORIGIN_REQUEST, "session.realm"),
	[FIELD_GROUP] = ONE("group", KIND_TEXT, ORIGIN_REQUEST, "session.groups"),
	[FIELD_NAME] = ONE("name", KIND_TEXT, ORIGIN_REQUEST, "identity.name"),
	[FIELD_ISSUER] = ONE("issuer", KIND_TEXT, ORIGIN_CERTIFICATE, "identity.issuer"),
	[FIELD_SUBJECT] = ONE("subject", KIND_TEXT, ORIGIN_CERTIFICATE, "identity.subject"),
	[FIELD_CERT_SERIAL] = ONE("cert-serial", KIND_TEXT, ORIGIN_CERTIFICATE, "identity.serial"),
	[FIELD_TEMPLATE] = ONE("template", KIND_TEXT, ORIGIN_CERTIFICATE, "identity.template"),
	[FIELD_SAN_URI] = ONE("san-uri", KIND_TEXT, ORIGIN_CERTIFICATE, "identity.san_uri"),
	[FIELD_SAN_DNS] = ONE("san-dns", KIND_TEXT, ORIGIN_CERTIFICATE, "identity.san_dns"),
	[FIELD_SAN_UPN] = ONE("san-upn", KIND_TEXT, ORIGIN_CERTIFICATE, "identity.upn"),
	[FIELD_OS] = ONE("os", KIND_TEXT, ORIGIN_INTUNE, "compliance.device.os"),
	[FIELD_OWNER] = ONE("owner", KIND_TEXT, ORIGIN_INTUNE, "compliance.device.owner"),
	[FIELD_SERIAL] = ONE("serial", KIND_TEXT, ORIGIN_INTUNE, "compliance.device.serial"),
	[FIELD_MODEL] = ONE("model", KIND_TEXT, ORIGIN_INTUNE, "compliance.device.model"),
	[FIELD_MANUFACTURER] = ONE("manufacturer", KIND_TEXT, ORIGIN_INTUNE,
	    "compliance.device.manufacturer"),
	[FIELD_DEVICE_USER] = ONE("device-user", KIND_TEXT, ORIGIN_INTUNE, "compliance.device.user"),
	[FIELD_OS_VERSION] = ONE("os-version", KIND_VERSION, ORIGIN_INTUNE,
	    "compliance.device.os_version"),
	[FIELD_NAS] = ONE("nas", KIND_NET, ORIGIN_REQUEST, "session.nas_ip"),
	[FIELD_MAC] = ONE("mac", KIND_MAC, ORIGIN_REQUEST, "identity.mac"),
	[FIELD_ZONE] = ONE("zone", KIND_ZONE, ORIGIN_REQUEST, "session.nas_ip, session.nas_id"),
	[FIELD_AGE] = ONE("age", KIND_SPAN, ORIGIN_INTUNE, "compliance.checked"),
	[FIELD_SYNC_AGE] = ONE("sync-age", KIND_SPAN, ORIGIN_INTUNE, "compliance.device.last_sync"),
	[FIELD_ENROLMENT_AGE] = ONE("enrolment-age", KIND_SPAN, ORIGIN_INTUNE,
	    "compliance.device.enrolled"),
	[FIELD_MFA_AGE] = ONE("mfa-age", KIND_SPAN, ORIGIN_REQUEST, "session.mfa"),
	[FIELD_NAS_PORT] = ONE("nas-port", KIND_NUMBER, ORIGIN_REQUEST, "session.nas_port"),
	[FIELD_HOUR] = ONE("hour", KIND_NUMBER, ORIGIN_CLOCK, "now"),
	[FIELD_TIME] = ONE("time", KIND_CLOCK, ORIGIN_CLOCK, "now"),
	[FIELD_MANAGED] = ONE("managed", KIND_FLAG, ORIGIN_INTUNE, "compliance.state"),
	[FIELD_RETIRING] = ONE("retiring", KIND_FLAG, ORIGIN_INTUNE,
	    "compliance.device.management_state"),
	[FIELD_WIPING] = ONE("wiping", KIND_FLAG, ORIGIN_INTUNE,
	    "compliance.device.management_state"),
	[FIELD_RANDOM_MAC] = ONE("random-mac", KIND_FLAG, ORIGIN_REQUEST, "identity.mac"),
	[FIELD_FRESH] = ONE("fresh", KIND_FLAG, ORIGIN_INTUNE, "compliance.checked"),
	[FIELD_STALE] = ONE("stale", KIND_FLAG, ORIGIN_INTUNE, "compliance.checked"),
	[FIELD_AMBIGUOUS] = ONE("ambiguous", KIND_FLAG, ORIGIN_INTUNE,
	    "identity.ambiguous, compliance.state"),
	[FIELD_ENCRYPTED] = ONE("encrypted", KIND_FLAG, ORIGIN_INTUNE, "compliance.device.encrypted"),
	[FIELD_JAILBROKEN] = ONE("jailbroken", KIND_FLAG, ORIGIN_INTUNE,
	    "compliance.device.jailbroken"),
	[FIELD_CERTIFICATE] = ONE("certificate", KIND_FLAG, ORIGIN_CERTIFICATE, "identity.issuer"),
	[FIELD_APP_HINT] = ONE("app-hint", KIND_FLAG, ORIGIN_REQUEST, "session.hint"),
};

/* Fields by first letter: where the search begins and how far it goes is found
 * by comparing one byte, which is quick enough for 50 names. */
bool
field_find(const char *name, size_t len, enum field *out)
{
	const char	*s;
	int		 i;

	for (i = 0; i < FIELD_COUNT; i++) {
		s = field_table[i].name;
		if (*s == *name && strlen(s) == len && memcmp(s, name, len) == 0) {
			*out = (enum field)i;
			return true;
		}
	}
	return false;
}
