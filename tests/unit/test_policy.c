#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/fields.h"
#include "policy/lexer.h"
#include "policy/lint.h"
#include "policy/policy.h"
#include "check.h"

#define NOW	1795249800

/* One client about whom everything is known; tests change a copy of it. */
static struct identity	 id;
static struct session	 session;
static struct answer	 answer;
static struct facts	 facts = { &id, &session, &answer, NOW };

static char		 errors[65536];
static size_t		 nerrors;

static void
collect(void *arg, const char *message)
{
	size_t	 n = strlen(errors);

	(void)arg;
	nerrors++;
	snprintf(errors + n, sizeof(errors) - n, "%s\n", message);
}

static struct policy *
parse_n(const char *text, size_t len)
{
	errors[0] = '\0';
	nerrors = 0;
	return policy_parse("t", text, len, collect, NULL);
}

static struct policy *
parse(const char *text)
{
	return parse_n(text, strlen(text));
}

static void
know_everything(void)
{
	memset(&id, 0, sizeof(id));
	memset(&session, 0, sizeof(session));
	memset(&answer, 0, sizeof(answer));
	facts.now = NOW;
	id.has_mac = true;
	memcpy(id.mac, "\x00\x1b\x44\x11\x3a\xb7", 6);
	id.nname = 2;
	strcpy(id.name[0].text, "LAPTOP-1");
	strcpy(id.name[1].text, "laptop-1.corp.example");
	strcpy(id.issuer, "/C=DE/O=Example/CN=Example Issuing CA");
	id.eap = EAP_TLS;
	session.medium = MEDIUM_WIRELESS;
	strcpy(session.user, "CORP\\alice");
	strcpy(session.realm, "CORP");
	strcpy(session.nas_ip, "10.20.3.4");
	strcpy(session.nas_id, "ap-17");
	strcpy(session.ssid, "Corp WiFi");
	answer.state = COMPLIANCE_COMPLIANT;
	answer.matched_by = MATCH_GUID;
	answer.checked = NOW - 7200;
	answer.has_device = true;
	strcpy(answer.device.name, "Alices Mac");
	strcpy(answer.device.os, "macOS");
	strcpy(answer.device.os_version, "15.1.2");
	strcpy(answer.device.owner, "company");
	strcpy(answer.device.serial, "C02XK1ZZ");
	strcpy(answer.device.management_state, "managed");
	strcpy(answer.device.model, "Macbook Air");
	strcpy(answer.device.manufacturer, "Apple");
	strcpy(answer.device.user, "alice@corp.example");
	strcpy(answer.device.jailbroken, "False");
	answer.device.encrypted = true;
	answer.device.last_sync = NOW - 3600;
	answer.device.enrolled = NOW - 864000;
	answer.id_space = ID_SPACE_ENTRA;
	answer.source = SOURCE_CACHE;
	strcpy(id.serial, "4f0a");
	strcpy(id.subject, "/CN=LAPTOP-1");
	strcpy(id.template, "1.3.6.1.4.1.311.21.8.1.2.3");
	identity_add_san(&id, FOUND_SAN_URI, "urn:example:one", 15);
	identity_add_san(&id, FOUND_SAN_URI, "urn:example:two", 15);
	identity_add_san(&id, FOUND_SAN_DNS, "laptop-1.corp.example", 21);
	strcpy(id.upn, "alice@corp.example");
	strcpy(session.nas_port, "17");
	strcpy(session.nas_port_id, "Gi1/0/17");
	session_add_group(&session, "Staff");
	session_add_group(&session, "VPN Users");
	session.mfa = NOW - 100000;
}

/* For rules that are right: without them there is nothing to go on with. */
static struct policy *
good(const char *text)
{
	struct policy	*p = parse(text);

	if (p == NULL) {
		printf("Bail out! %s", errors);
		exit(1);
	}
	return p;
}

/* 1 when the condition holds, 0 when not, -1 when it does not parse. */
static int
holds(const char *condition)
{
	struct decision	 d;
	struct policy	*p;
	char		 text[4096];

	snprintf(text, sizeof(text), "allow if %s\n", condition);
	if ((p = parse(text)) == NULL) {
		printf("# %s", errors);
		return -1;
	}
	policy_decide(p, &facts, &d);
	policy_free(p);
	return d.action == ACTION_ALLOW;
}

struct claim {
	const char	*condition;
	int		 want;
};

static void
check_claims(const struct claim *c, size_t n)
{
	size_t	 i;
	int	 got;

	for (i = 0; i < n; i++)
		if (!check_one((got = holds(c[i].condition)) == c[i].want, c[i].condition,
		    __FILE__, __LINE__))
			printf("# got %d, want %d\n", got, c[i].want);
}

#define CLAIMS(c)	check_claims(c, sizeof(c) / sizeof(*(c)))

static void
test_known(void)
{
	static const struct claim	 claims[] = {
		{ "compliance is compliant", 1 }, { "compliance is grace", 0 },
		{ "compliance in grace, compliant", 1 }, { "compliance is not compliant", 0 },
		{ "compliance not in grace, unknown", 1 }, { "not compliance is grace", 1 },
		{ "not not compliance is grace", 0 },
		{ "eap is tls", 1 }, { "eap in ttls, peap, none, other", 0 },
		{ "medium is wireless", 1 }, { "medium in wired, vpn", 0 },
		{ "matched is guid", 1 }, { "matched in name, mac, none", 0 },
		{ "nas is 10.20.3.4", 1 }, { "nas is 10.20.3.5", 0 }, { "nas is 10.20.0.0/16", 1 },
		{ "nas in 192.0.2.1, 10.20.3.4/32", 1 }, { "nas is 0.0.0.0/0", 1 },
		{ "nas is 10.20.3.0/29", 1 }, { "nas is 10.20.3.8/29", 0 }, { "nas is ::/0", 0 },
		{ "nas-id is ap-17", 1 }, { "nas-id is AP-*", 1 }, { "nas-id is ap-1", 0 },
		{ "ssid is \"corp wifi\"", 1 }, { "ssid is corp?wifi", 1 }, { "ssid is corp", 0 },
		{ "user is corp\\alice", 1 }, { "user is \"CORP\\\\Alice\"", 1 },
		{ "user is *\\bob", 0 }, { "user is \\*", 0 }, { "not user is \\*", 1 }, { "realm is corp", 1 }, { "realm is cor", 0 },
		{ "name is laptop-1", 1 }, { "name is *.corp.example", 1 },
		{ "name is \"alices mac\"", 1 }, { "name is desktop-*", 0 },
		{ "issuer is \"*/CN=Example Issuing CA\"", 1 }, { "issuer is *other*", 0 },
		{ "os is MACOS", 1 }, { "os in windows, ios", 0 }, { "os-version is 15.*", 1 },
		{ "os-version is 14.*", 0 }, { "owner is company", 1 }, { "owner is personal", 0 },
		{ "serial is c02*", 1 }, { "serial is c03*", 0 },
		{ "mac is 00:1b:44:11:3a:b7", 1 }, { "mac is 001B.4411.3AB7", 1 },
		{ "mac is 00-1B-44-11-3A-B8", 0 }, { "mac is 00:1b:44:*", 1 },
		{ "mac is 001b44*", 1 }, { "mac is 001b.441*", 1 }, { "mac is 00-1b-45-*", 0 },
		{ "mac is 001b45*", 0 }, { "mac is *", 1 }, { "mac in 0a*, 00*", 1 },
		{ "age < 2h", 0 }, { "age <= 2h", 1 }, { "age > 2h", 0 }, { "age >= 2h", 1 },
		{ "age < 1d", 1 }, { "age > 7199s", 1 }, { "fresh", 1 }, { "stale", 0 },
		{ "managed", 1 }, { "retiring", 0 }, { "wiping", 0 }, { "random-mac", 0 },
		{ "ambiguous", 0 },
	};

	know_everything();
	CLAIMS(claims);
}

/* NOW is a Saturday, 08:30 UTC. */
static void
test_more_known(void)
{
	static const struct claim	 claims[] = {
		{ "id-space is entra", 1 }, { "id-space is intune", 0 }, { "source in graph, cache", 1 },
		{ "source is nac2", 0 }, { "client is macos", 1 }, { "client is desktop", 1 },
		{ "client is mobile", 0 }, { "client in ios, android, other-mobile", 0 },
		{ "jailbreak is no", 1 }, { "jailbreak is unknown", 0 }, { "jailbroken", 0 },
		{ "account is unknown", 1 }, { "account in enabled, disabled", 0 },
		{ "encrypted", 1 }, { "certificate", 1 }, { "app-hint", 0 },
		{ "trust is trusted", 0 }, { "trust is not trusted", 1 }, { "trust is any", 1 },
		{ "weekday is saturday", 1 }, { "weekday in monday..friday", 0 },
		{ "weekday in friday..monday", 1 }, { "weekday in saturday..saturday", 1 },
		{ "hour is 8", 1 }, { "hour in 8..17", 1 }, { "hour in 9..17", 0 }, { "hour < 9", 1 },
		{ "hour in 22..8", 1 }, { "hour in 22..7", 0 }, { "hour not in 0..5, 20..23", 1 },
		{ "time in 08:30..18:00", 1 }, { "time in 08:31..18:00", 0 },
		{ "time in 07:00..08:30", 0 }, { "time in 22:00..08:31", 1 }, { "time >= 08:30", 1 },
		{ "time in 00:00..24:00", 1 }, { "time is 08:30", 1 },
		{ "os-version >= 15.1.2", 1 }, { "os-version > 15.1.2", 0 }, { "os-version < 15.1.10", 1 },
		{ "os-version > 9", 1 }, { "os-version < 15.2", 1 }, { "os-version <= 15.1", 0 },
		{ "os-version >= 15.1.2.0", 1 }, { "os-version in 14.*, 15.*", 1 },
		/* 15.1.2 is a 15 and a 15.1; ranges are of versions. */
		{ "os-version is 15", 1 }, { "os-version is 15.1", 1 }, { "os-version is 15.1.2.0", 1 },
		{ "os-version is 1", 0 }, { "os-version is 15.1.20", 0 }, { "os-version is 15.1.2.1", 0 },
		{ "os-version in 14..17", 1 }, { "os-version in 14..15", 1 }, { "os-version in 14..15.1", 1 },
		{ "os-version in 15.1.2..15.1.2", 1 }, { "os-version in 9..14", 0 },
		{ "os-version in 15.1.3..16", 0 }, { "os-version in 1..14, 15", 1 },
		{ "os-version not in 14..17", 0 }, { "owner in comp*, personal", 1 }, { "age > 0", 1 },
		{ "time in 00:00..24:00", 1 }, { "time in 22:00..00:00", 0 }, { "time < 24:00", 1 },
		{ "ssid is \"a..b\"", 0 }, { "ssid is ..a", 0 },
		{ "nas-port is 17", 1 }, { "nas-port in 1..16, 18..24", 0 }, { "nas-port > 16", 1 },
		{ "nas-port-id is gi1/0/*", 1 }, { "group is staff", 1 }, { "group in x, \"vpn users\"", 1 },
		{ "group is *admin*", 0 }, { "subject is \"*/cn=laptop-1\"", 1 }, { "cert-serial is 4F0A", 1 },
		{ "template is *.1.2.3", 1 }, { "san-uri is urn:example:two", 1 },
		{ "san-uri is urn:example:three", 0 }, { "san-dns is *.corp.example", 1 },
		{ "san-upn is alice@*", 1 }, { "model is macbook*", 1 }, { "manufacturer is apple", 1 },
		{ "device-user is alice@corp.example", 1 },
		{ "sync-age < 2h", 1 }, { "sync-age < 1h", 0 }, { "sync-age <= 1h", 1 },
		{ "sync-age in 30m..2h", 1 }, { "sync-age not in 2h..3h", 1 },
		{ "enrolment-age > 1w", 1 }, { "enrolment-age < 15m", 0 },
		{ "mfa-age < 1d", 0 }, { "mfa-age < 2d", 1 }, { "age in 1h..3h", 1 },
	};
	static const struct { const char *os; enum client client; } clients[] = {
		{ "iOS", CLIENT_IOS }, { "iPadOS", CLIENT_IOS }, { "Android", CLIENT_ANDROID },
		{ "AndroidEnterprise", CLIENT_ANDROID }, { "Windows", CLIENT_WINDOWS },
		{ "windows 10", CLIENT_WINDOWS }, { "Windows Phone", CLIENT_OTHER_MOBILE },
		{ "macOS", CLIENT_MACOS }, { "Linux (ubuntu)", CLIENT_LINUX }, { "ChromeOS", CLIENT_OTHER },
	};
	static const char *const	 words[] = { "ios", "android", "other-mobile", "windows",
	    "macos", "linux", "other" };
	char				 text[64];
	size_t				 i, k;

	know_everything();
	CLAIMS(claims);
	for (i = 0; i < sizeof(clients) / sizeof(clients[0]); i++) {
		strcpy(answer.device.os, clients[i].os);
		for (k = 0; k < sizeof(words) / sizeof(words[0]); k++) {
			snprintf(text, sizeof(text), "client is %s", words[k]);
			CHECK(holds(text) == (k == (size_t)clients[i].client));
		}
		CHECK(holds("client is mobile") == (clients[i].client <= CLIENT_OTHER_MOBILE));
		CHECK(holds("client is desktop") == (clients[i].client >= CLIENT_WINDOWS &&
		    clients[i].client <= CLIENT_LINUX));
	}
	/* Inside a tunnel the client has another name than the NAS knows. */
	strcpy(session.inner_user, "bob@corp.example");
	CHECK(holds("user is bob@corp.example") == 1 && holds("user is corp\\alice") == 0);
	session.inner_user[0] = '\0';
	strcpy(answer.device.jailbroken, "True");
	CHECK(holds("jailbroken") == 1 && holds("jailbreak is yes") == 1);
	strcpy(answer.device.jailbroken, "Unknown");
	CHECK(holds("jailbroken") == 0 && holds("jailbreak is unknown") == 1);
	answer.device.has_account = true;
	CHECK(holds("account is disabled") == 1 && holds("account is not enabled") == 1);
	answer.device.account_enabled = true;
	CHECK(holds("account is enabled") == 1 && holds("account is disabled") == 0);
	strcpy(answer.device.os_version, "beta");
	CHECK(holds("os-version < 99") == 0 && holds("os-version >= 0") == 0);
	strcpy(answer.device.os_version, "10.0.19045.3803");
	CHECK(holds("os-version < 10.0.22000") == 1 && holds("os-version < 10.0.9999") == 0);
}

static void
test_unknown(void)
{
	static const struct claim	 claims[] = {
		{ "compliance is pending", 1 }, { "compliance is compliant", 0 },
		{ "eap is none", 1 }, { "matched is none", 1 },
		{ "medium in wired, wireless, vpn", 0 }, { "medium is not wired", 1 },
		{ "nas is 0.0.0.0/0", 0 }, { "nas is ::/0", 0 }, { "nas not in 10.0.0.0/8", 1 },
		{ "nas-id is *", 0 }, { "ssid is *", 0 }, { "user is *", 0 }, { "realm is *", 0 },
		{ "name is *", 0 }, { "issuer is *", 0 }, { "os is *", 0 }, { "os-version is *", 0 },
		{ "owner is *", 0 }, { "serial is *", 0 }, { "mac is *", 0 },
		{ "os is not windows", 1 }, { "not os is windows", 1 }, { "mac not in 00*", 1 },
		{ "age > 52w", 1 }, { "age < 52w", 0 }, { "stale", 1 }, { "fresh", 0 },
		{ "managed", 0 }, { "random-mac", 0 }, { "retiring", 0 }, { "ambiguous", 0 },
		{ "id-space in intune, entra", 0 }, { "source in graph, nac2, cache", 0 },
		{ "client in mobile, desktop, other", 0 }, { "client is not mobile", 1 },
		{ "jailbreak is unknown", 1 }, { "account is unknown", 1 }, { "encrypted", 0 }, { "jailbroken", 0 },
		{ "certificate", 0 }, { "app-hint", 0 }, { "trust is trusted", 0 },
		{ "sync-age > 100d", 1 }, { "sync-age < 100d", 0 }, { "enrolment-age < 1d", 0 },
		{ "mfa-age < 52w", 0 }, { "mfa-age > 52w", 1 }, { "sync-age in 0s..52w", 0 },
		{ "nas-port in 0..99999", 0 }, { "nas-port < 5", 0 }, { "nas-port >= 0", 0 },
		{ "os-version < 5", 0 }, { "os-version >= 0", 0 }, { "group is *", 0 },
		{ "san-uri is *", 0 }, { "san-dns is *", 0 }, { "san-upn is *", 0 },
		{ "template is *", 0 }, { "subject is *", 0 }, { "cert-serial is *", 0 },
		{ "model is *", 0 }, { "manufacturer is *", 0 }, { "device-user is *", 0 },
		{ "nas-port-id is *", 0 },
	};

	know_everything();
	memset(&id, 0, sizeof(id));
	memset(&session, 0, sizeof(session));
	memset(&answer, 0, sizeof(answer));
	CLAIMS(claims);
}

static void
test_precedence(void)
{
	static const struct claim	 claims[] = {
		{ "managed or retiring and wiping", 1 }, { "(managed or retiring) and wiping", 0 },
		{ "retiring and wiping or managed", 1 }, { "not retiring and managed", 1 },
		{ "not (retiring and managed)", 1 }, { "not (managed or retiring)", 0 },
		{ "not managed or not wiping", 1 }, { "managed and managed and managed and wiping", 0 },
		{ "wiping or wiping or wiping or managed", 1 }, { "((((managed))))", 1 },
		{ "not (not (not managed))", 0 }, { "managed and \\\n  not retiring", 1 },
		{ "os in a, macos and managed", 1 }, { "(os in a, macos) and wiping", 0 },
	};

	know_everything();
	CLAIMS(claims);
}

/* The words of the language are the words of the records. */
static void
test_words(void)
{
	char	 text[64];
	int	 i;

	know_everything();
	for (i = 0; i < COMPLIANCE_COUNT; i++) {
		answer.state = (enum compliance)i;
		snprintf(text, sizeof(text), "compliance is %s", compliance_name(answer.state));
		CHECK(holds(text) == 1);
		CHECK(holds("managed") == (i != COMPLIANCE_PENDING &&
		    i != COMPLIANCE_UNREGISTERED && i != COMPLIANCE_AMBIGUOUS));
		CHECK(holds("ambiguous") == (i == COMPLIANCE_AMBIGUOUS));
	}
	for (i = EAP_NONE; i <= EAP_OTHER; i++) {
		id.eap = (enum eap)i;
		snprintf(text, sizeof(text), "eap is %s", eap_name(id.eap));
		CHECK(holds(text) == 1);
	}
	for (i = MEDIUM_WIRED; i <= MEDIUM_VPN; i++) {
		session.medium = (enum medium)i;
		snprintf(text, sizeof(text), "medium is %s", medium_name(session.medium));
		CHECK(holds(text) == 1);
	}
	for (i = MATCH_NONE; i < MATCH_COUNT; i++) {
		answer.matched_by = (enum match)i;
		snprintf(text, sizeof(text), "matched is %s", match_name(answer.matched_by));
		CHECK(holds(text) == 1);
	}
}

static void
test_single_facts(void)
{
	know_everything();
	strcpy(answer.device.management_state, "retirePending");
	CHECK(holds("retiring") == 1 && holds("wiping") == 0);
	strcpy(answer.device.management_state, "wipeIssued");
	CHECK(holds("wiping") == 1 && holds("retiring") == 0);
	answer.has_device = false;
	CHECK(holds("wiping") == 0 && holds("os is macos") == 0 && holds("managed") == 1);
	id.mac[0] = 0x02;
	CHECK(holds("random-mac") == 1);
	id.ambiguous = true;
	CHECK(holds("ambiguous") == 1);
	strcpy(session.nas_ip, "2001:db8:20::7");
	CHECK(holds("nas is 2001:db8:20::/48") == 1 && holds("nas is 2001:db8:20::7") == 1);
	CHECK(holds("nas is 2001:db8:21::/48") == 0 && holds("nas is 0.0.0.0/0") == 0);
	strcpy(session.nas_ip, "::ffff:10.20.3.4");
	CHECK(holds("nas is 10.20.0.0/16") == 1);
	strcpy(session.nas_ip, "not an address");
	CHECK(holds("nas is 0.0.0.0/0") == 0 && holds("nas is ::/0") == 0);
	strcpy(session.ssid, "Caf\xc3\xa9");
	CHECK(holds("ssid is caf?") == 1 && holds("ssid is caf??") == 0);
	CHECK(holds("ssid is \"caf\xc3\xa9\"") == 1);
	strcpy(session.ssid, "ab\xff");
	CHECK(holds("ssid is ab?") == 1);
}

static void
test_age(void)
{
	know_everything();
	answer.checked = NOW - 86400;
	CHECK(holds("stale") == 1 && holds("fresh") == 0);
	answer.checked = NOW - 86399;
	CHECK(holds("stale") == 0);
	answer.checked = NOW + POLICY_SKEW;	/* two clocks that differ a little */
	CHECK(holds("age <= 0s") == 1);
	answer.checked = NOW + POLICY_SKEW + 1;
	CHECK(holds("age > 52w") == 1 && holds("stale") == 1);
	answer.checked = INT64_MAX;
	CHECK(holds("stale") == 1);
	answer.checked = INT64_MIN;
	CHECK(holds("stale") == 1);
	answer.checked = NOW;
	facts.now = INT64_MIN;
	CHECK(holds("stale") == 1);
}

static void
test_globs(void)
{
	static const struct { const char *glob, *text; int want; } cases[] = {
		{ "*", "x", 1 }, { "**", "x", 1 }, { "?", "x", 1 }, { "?", "xy", 0 },
		{ "a*b", "ab", 1 }, { "a*b", "axxb", 1 }, { "a*b", "axxbc", 0 },
		{ "*a*b*c*", "xxaxxbxxcxx", 1 }, { "*a*b*c*", "xxaxxcxxbxx", 0 },
		{ "a*a*a*a*b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", 0 },
		{ "*.example", "host.example", 1 }, { "*.example", "example", 0 },
		{ "[ab]", "a", 0 }, { "[ab]", "[ab]", 1 },
	};
	char	 text[128];
	size_t	 i;

	know_everything();
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		strcpy(session.nas_id, cases[i].text);
		snprintf(text, sizeof(text), "nas-id is \"%s\"", cases[i].glob);
		CHECK(holds(text) == cases[i].want);
	}
}

/* The reply of the only rule, as "Name op value" joined by " | ". */
static const char *
reply(const char *text, struct decision *d, struct policy **p)
{
	static char	 out[8192];
	size_t		 i, n = 0;

	if ((*p = parse(text)) == NULL)
		return errors;
	policy_decide(*p, &facts, d);
	out[0] = '\0';
	for (i = 0; i < d->nattr; i++)
		n += (size_t)snprintf(out + n, sizeof(out) - n, "%s%s %s %s%s%s", i ? " | " : "",
		    d->attr[i].name, d->attr[i].op, d->attr[i].quoted ? "\"" : "",
		    d->attr[i].value, d->attr[i].quoted ? "\"" : "");
	return out;
}

static void
test_reply(void)
{
	static const struct { const char *rules, *want, *vlan, *role; } cases[] = {
		{ "allow", "", NULL, NULL },
		{ "allow with vlan 750", "Tunnel-Type:0 := VLAN | Tunnel-Medium-Type:0 := IEEE-802 | "
		  "Tunnel-Private-Group-Id:0 := \"750\"", "750", NULL },
		{ "allow with vlan 0007", "Tunnel-Type:0 := VLAN | Tunnel-Medium-Type:0 := IEEE-802 | "
		  "Tunnel-Private-Group-Id:0 := \"7\"", "7", NULL },
		{ "allow with vlan \"Corp LAN\"", "Tunnel-Type:0 := VLAN | Tunnel-Medium-Type:0 := "
		  "IEEE-802 | Tunnel-Private-Group-Id:0 := \"Corp LAN\"", "Corp LAN", NULL },
		{ "allow with role staff", "Filter-Id := \"staff\"", NULL, "staff" },
		{ "allow with session-timeout 8h", "Session-Timeout := 28800 | "
		  "Termination-Action := RADIUS-Request", NULL, NULL },
		{ "allow with Reply-Message \"a, b \\\"q\\\" \\\\ x\"",
		  "Reply-Message := \"a, b \"q\" \\ x\"", NULL, NULL },
		{ "allow with Class = 0xdeadbeef, Framed-IP-Address=10.0.0.1",
		  "Class = 0xdeadbeef | Framed-IP-Address = 10.0.0.1", NULL, NULL },
		{ "allow with Cisco-AVPair+=\"a=b\",Cisco-AVPair += c@d",
		  "Cisco-AVPair += \"a=b\" | Cisco-AVPair += \"c@d\"", NULL, NULL },
		{ "allow with Tunnel-Password:1 := \"x\", Tunnel-Password:2 := y",
		  "Tunnel-Password:1 := \"x\" | Tunnel-Password:2 := y", NULL, NULL },
		{ "label A gives vlan 5\nlabel B gives A, role r\nallow with B",
		  "Tunnel-Type:0 := VLAN | Tunnel-Medium-Type:0 := IEEE-802 | "
		  "Tunnel-Private-Group-Id:0 := \"5\" | Filter-Id := \"r\"", "5", "r" },
		{ "label Filter-Id gives role label\nallow with Filter-Id attribute",
		  "Filter-Id := attribute", NULL, NULL },
		{ "label Filter-Id gives role label\nallow with Filter-Id",
		  "Filter-Id := \"label\"", NULL, "label" },
		{ "allow with vlan 10, vlan 20 tagged, vlan Voice tagged",
		  "Tunnel-Type:0 := VLAN | Tunnel-Medium-Type:0 := IEEE-802 | "
		  "Tunnel-Private-Group-Id:0 := \"10\" | Egress-VLANID += 822083604 | "
		  "Egress-VLAN-Name += \"1Voice\"", "10", NULL },
		{ "allow with vlan 10 untagged, filter f", "Tunnel-Type:0 := VLAN | "
		  "Tunnel-Medium-Type:0 := IEEE-802 | Tunnel-Private-Group-Id:0 := \"10\" | "
		  "Filter-Id := \"f\"", "10", NULL },
		{ "allow with acl \"deny in ip from any to 10.0.0.0/8\", acl \"permit in ip from any to any\"",
		  "NAS-Filter-Rule += \"deny in ip from any to 10.0.0.0/8\" | "
		  "NAS-Filter-Rule += \"permit in ip from any to any\"", NULL, NULL },
		{ "allow with redirect", "Cisco-AVPair += "
		  "\"url-redirect=https://portal.manage.microsoft.com\" | "
		  "Cisco-AVPair += \"url-redirect-acl=REDIRECT\"", NULL, NULL },
		{ "allow with disconnect-after 1h, idle-timeout 5m", "Session-Timeout := 3600 | "
		  "Termination-Action := Default | Idle-Timeout := 300", NULL, NULL },
		{ "word redirect gives Aruba-Captive-Portal-URL := \"$redirect?x=$y\" if nas-id is ap-*\n"
		  "word redirect gives X $redirect\nallow with redirect \"https://a.example\", role r",
		  "Aruba-Captive-Portal-URL := \"https://a.example?x=$y\" | Filter-Id := \"r\"", NULL, "r" },
		{ "word redirect gives Aruba-Captive-Portal-URL := $redirect if nas-id is sw-*\n"
		  "word redirect gives X $redirect\nlabel P gives redirect \"https://a.example\"\nallow with P",
		  "X := \"https://a.example\"", NULL, NULL },
		{ "word role gives Aruba-User-Role := $role if nas-id is sw-*\nallow with role r",
		  "Filter-Id := \"r\"", NULL, "r" },
		/* A switch reads an access list from the top. */
		{ "word acl gives Cisco-AVPair += \"ip:inacl=$acl\" if nas-id is sw-*\n"
		  "allow with acl deny1, acl permit2, acl permit3",
		  "NAS-Filter-Rule += \"deny1\" | NAS-Filter-Rule += \"permit2\" | "
		  "NAS-Filter-Rule += \"permit3\"", NULL, NULL },
		{ "word acl gives Cisco-AVPair += \"ip:inacl=$acl\" if nas-id is ap-*\n"
		  "label A gives acl deny1, acl permit2\nlabel B gives Class 1, A, acl permit3\n"
		  "allow with Cisco-AVPair += first, B, Cisco-AVPair += last, acl end",
		  "Cisco-AVPair += first | Class := 1 | Cisco-AVPair += \"ip:inacl=deny1\" | "
		  "Cisco-AVPair += \"ip:inacl=permit2\" | Cisco-AVPair += \"ip:inacl=permit3\" | "
		  "Cisco-AVPair += last | Cisco-AVPair += \"ip:inacl=end\"", NULL, NULL },
		{ "word role gives X \"$roles $role $role-x $role_x $role.$role\"\nallow with role r",
		  "X := \"$roles r r-x $role_x r.r\"", NULL, "r" },
		{ "let $corp = 750\nlet $note = \"a b\"\nallow with vlan $corp, Reply-Message $note",
		  "Tunnel-Type:0 := VLAN | Tunnel-Medium-Type:0 := IEEE-802 | "
		  "Tunnel-Private-Group-Id:0 := \"750\" | Reply-Message := \"a b\"", "750", NULL },
		{ "allow with Reply-Message \"$corp\"", "Reply-Message := \"$corp\"", NULL, NULL },
		{ "no-match allow with Class 1\ndeny if wiping", "Class := 1", NULL, NULL },
		{ "deny with Reply-Message \"no\"", "Reply-Message := \"no\"", NULL, NULL },
		{ "allow with Reply-Message \"50% \xc3\xa4\"", "Reply-Message := \"50% \xc3\xa4\"",
		  NULL, NULL },
	};
	struct policy	*p;
	struct decision	 d;
	size_t		 i;

	know_everything();
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		CHECK_STR(reply(cases[i].rules, &d, &p), cases[i].want);
		if (p == NULL)
			continue;
		CHECK_STR(d.vlan != NULL ? d.vlan : "-", cases[i].vlan != NULL ? cases[i].vlan : "-");
		CHECK_STR(d.role != NULL ? d.role : "-", cases[i].role != NULL ? cases[i].role : "-");
		policy_free(p);
	}
}

static void
test_order(void)
{
	struct policy	*p;
	struct decision	 d;

	know_everything();
	p = good("label Ok when managed\ndeny \"first\" if wiping\nallow \"second\" if Ok\n"
	    "allow \"third\"");
	policy_decide(p, &facts, &d);
	CHECK(d.line == 3 && d.action == ACTION_ALLOW && d.state == COMPLIANCE_COMPLIANT);
	CHECK_STR(d.name, "second");
	CHECK_STR(d.file, "t");
	CHECK_STR(d.reason, "compliance is compliant (by guid, 2 h old)");
	CHECK(policy_rules(p) == 3 && policy_labels(p) == 1);
	policy_free(p);

	/* The line of a rule is where it begins, joined lines and CRLF or not. */
	p = good("# one\r\n\r\nallow \"x\" \\\r\n  if managed \\\r\n  and not wiping\r\n");
	policy_decide(p, &facts, &d);
	CHECK(d.line == 3 && policy_rules(p) == 1);
	policy_free(p);

	p = good("deny if wiping");	/* no final newline */
	memset(&answer, 0, sizeof(answer));
	policy_decide(p, &facts, &d);
	CHECK(d.action == ACTION_DENY && d.file == NULL && d.name == NULL && d.nattr == 0);
	CHECK_STR(d.reason, "no rule matched: compliance is pending (never looked up)");
	policy_free(p);
}

static void
test_settings(void)
{
	const struct match_order	*o;
	struct policy			*p, *q;
	struct decision			 d, e;

	p = good("allow");
	o = policy_match_order(p);
	CHECK(o->by[0] == MATCH_GUID && o->by[1] == MATCH_NAME &&
	    o->by[2] == MATCH_SERIAL && o->by[3] == MATCH_MAC);
	CHECK(policy_stale_after(p) == 86400);
	policy_free(p);
	p = good("\xef\xbb\xbfmatch-order mac, name\nstale-after 1h30m\nno-match allow\n");
	o = policy_match_order(p);
	CHECK(o->by[0] == MATCH_MAC && o->by[1] == MATCH_NAME && o->by[2] == MATCH_NONE);
	CHECK(policy_stale_after(p) == 5400);
	know_everything();
	policy_decide(p, &facts, &d);
	CHECK(d.action == ACTION_ALLOW && d.file == NULL);
	CHECK_STR(d.reason, "no rule matched: compliance is compliant (by guid, 2 h old, stale)");
	q = good("match-order mac, name\nstale-after 1h30m\nno-match allow\n# other bytes");
	policy_decide(q, &facts, &e);
	CHECK(strlen(d.rules) == DIGEST_TEXT - 1 && strcmp(d.rules, e.rules) != 0);
	policy_free(p);
	policy_free(q);
}

/* Settings that change what conditions see. */
static void
test_statements(void)
{
	static const struct { const char *rules; int want; } cases[] = {
		{ "zone Hq is 10.20.0.0/16, branch-*\nallow if zone is Hq", 1 },
		{ "zone Hq is 10.21.0.0/16, AP-1?\nallow if zone in Hq", 1 },
		{ "zone Hq is 10.21.0.0/16, 2001:db8::/32, ap-2\nallow if zone is Hq", 0 },
		{ "zone A is 10.21.0.0/16\nzone B is ap-17\nallow if zone in A, B", 1 },
		{ "zone A is 10.21.0.0/16\nallow if zone is not A", 1 },
		{ "let $nets = 10.0.0.0/9, 192.0.2.1\nallow if nas in $nets", 1 },
		{ "let $nets = 10.0.0.0/9, 192.0.2.1\nzone Z is $nets\nallow if zone is Z", 1 },
		{ "let $s = \"Corp WiFi\", x\nallow if ssid in $s, y", 1 },
		{ "let $v = 15.1\nallow if os-version >= $v", 1 },
		{ "let $v = 3h\nallow if age > $v", 0 },
		{ "timezone +01:00\nallow if hour is 9", 1 },
		{ "timezone -09:00\nallow if weekday is friday and time is 23:30", 1 },
		{ "timezone UTC\nallow if hour is 8", 1 },
		{ "stale-after 1h\nallow if stale", 1 },
		{ "stale-after 1h\nstale-after 3h for compliant, grace\nallow if fresh", 1 },
		{ "stale-after 1h for noncompliant\nallow if fresh", 1 },
		{ "stale-after 1h for compliant\nallow if stale", 1 },
		{ "trusted by compliance\nallow if trust is trusted", 1 },
		{ "trusted by compliance if fresh and compliance in compliant, grace\nlabel T when trust is trusted\nallow if T", 1 },
		{ "trusted by certificate if issuer is \"*CN=Other*\"\nallow if trust is trusted", 0 },
		{ "trusted by certificate if issuer is \"*CN=Other*\"\n"
		  "trusted by certificate if issuer is \"*CN=Example*\"\nallow if trust is trusted", 1 },
		{ "label I when issuer is \"*Example*\"\ntrusted by certificate if not (not I or wiping)\n"
		  "allow if trust is trusted", 1 },
		{ "trusted by certificate if (issuer is a or issuer in b, \"*Example*\") and managed or "
		  "issuer is c\nallow if trust is trusted", 1 },
		{ "trusted by app-hint\nallow if trust is trusted", 0 },
	};
	struct policy	*p;
	struct decision	 d;
	size_t		 i;

	know_everything();
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		p = good(cases[i].rules);
		policy_decide(p, &facts, &d);
		if (!check_one((d.action == ACTION_ALLOW) == cases[i].want, cases[i].rules,
		    __FILE__, __LINE__))
			printf("# got %d\n", d.action);
		policy_free(p);
	}
	p = good("ambiguous newest\nmatch-order mac\nallow");
	CHECK(policy_match_order(p)->newest && policy_match_order(p)->by[0] == MATCH_MAC);
	policy_free(p);
	p = good("ambiguous refuse\nallow");
	CHECK(!policy_match_order(p)->newest && !policy_when_broken(p, &facts, "x", &d));
	policy_free(p);
	p = good("when-broken allow with vlan 9\nallow");
	CHECK(policy_when_broken(p, &facts, "no store", &d) && d.action == ACTION_ALLOW);
	CHECK_STR(d.vlan, "9");
	CHECK_STR(d.reason, "no store");
	policy_free(p);
	p = good("when-broken deny\nallow");
	CHECK(policy_when_broken(p, &facts, "no store", &d) && d.action == ACTION_DENY &&
	    d.nattr == 0);
	policy_free(p);
}

static const char *
decided(const struct policy *p)
{
	static char	 buf[16384];
	struct decision	 d;
	struct jsonw	 w;
	char		*end;

	policy_decide(p, &facts, &d);
	jw_init(&w, buf, sizeof(buf));
	decision_write(&w, &d, NOW);
	jw_done(&w);
	if ((end = strstr(buf, ",\"rules\":")) != NULL)
		*end = '\0';
	return strstr(buf, "\"reply\":");
}

/* What a decision says beside its reply. */
static void
test_more_decided(void)
{
	static const struct { const char *rules, *want; } cases[] = {
		{ "allow with coa none, log audit, log \"b c\"",
		  "\"reply\":[],\"coa\":\"none\",\"log\":[\"audit\",\"b c\"]" },
		{ "deny with coa disconnect, log stolen, Reply-Message no",
		  "\"reply\":[[\"Reply-Message\",\":=\",\"no\"]],\"coa\":\"disconnect\",\"log\":[\"stolen\"]" },
		{ "label M gives mfa daily, log m\nallow with M, coa bounce",
		  "\"reply\":[],\"mfa\":{\"every\":\"daily\",\"due\":true},\"coa\":\"bounce\",\"log\":[\"m\"],"
		  "\"events\":[\"Authentication of user via MFA required\"]" },
		{ "allow with mfa weekly", "\"reply\":[],\"mfa\":{\"every\":\"weekly\",\"due\":false},"
		  "\"events\":[\"Authentication of user via MFA success\"]" },
		{ "shadow deny \"new\" if managed\nallow with vlan 5",
		  "\"reply\":[[\"Tunnel-Type:0\",\":=\",\"VLAN\"],[\"Tunnel-Medium-Type:0\",\":=\",\"IEEE-802\"],"
		  "[\"Tunnel-Private-Group-Id:0\",\":=\",\"5\"]],"
		  "\"shadow\":{\"action\":\"deny\",\"rule\":\"t:1\",\"name\":\"new\",\"reply\":[]}" },
		{ "shadow deny if wiping\nallow", "\"reply\":[]" },
		{ "allow\nshadow deny", "\"reply\":[]" },
		{ "shadow allow with role x\nshadow deny\ndeny",
		  "\"reply\":[],\"shadow\":{\"action\":\"allow\",\"role\":\"x\",\"rule\":\"t:1\","
		  "\"reply\":[[\"Filter-Id\",\":=\",\"x\"]]}" },
		{ "shadow all with Class 1\ndeny \"all\"",
		  "\"reply\":[[\"Class\",\":=\",\"1\"]],\"shadow\":{\"action\":\"deny\",\"rule\":\"t:2\",\"name\":\"all\",\"reply\":[]}" },
		{ "shadow all if ssid is lab\ndeny", "\"reply\":[]" },
		{ "shadow all\nallow if wiping", "\"reply\":[],\"shadow\":{\"action\":\"deny\",\"reply\":[]}" },
		{ "trusted by certificate if issuer is \"*other*\"\ntrusted by compliance\nallow",
		  "\"reply\":[],\"trust\":\"trusted\",\"events\":["
		  "\"Authentication of device via certificate failure: NOT_ACCEPTED\","
		  "\"Authentication of device via compliance success\"]" },
		{ "trusted by app-hint\nallow", "\"reply\":[],\"trust\":\"not trusted\",\"events\":["
		  "\"Authentication of device via managed app failure: NO_HINT\"]" },
	};
	struct policy	*p;
	size_t		 i;

	know_everything();
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		p = good(cases[i].rules);
		CHECK_STR(decided(p), cases[i].want);
		policy_free(p);
	}
	/* Okta's example: a desktop without a certificate, a phone with the app. */
	p = good("trusted by certificate if issuer is \"*Example*\"\ntrusted by app-hint\n"
	    "allow with mfa sign-on if trust is not trusted\nallow");
	id.issuer[0] = id.serial[0] = '\0';
	CHECK_STR(decided(p), "\"reply\":[],\"mfa\":{\"every\":\"sign-on\",\"due\":true},\"trust\":\"not trusted\","
	    "\"events\":[\"Authentication of device via certificate failure: NO_CERTIFICATE\","
	    "\"Authentication of device via managed app failure: NO_HINT\","
	    "\"Authentication of user via MFA required\"]");
	session.hint = HINT_GOOD;
	CHECK_STR(decided(p), "\"reply\":[],\"trust\":\"trusted\",\"events\":["
	    "\"Authentication of device via certificate failure: NO_CERTIFICATE\","
	    "\"Authentication of device via managed app success\"]");
	session.hint = HINT_BAD;
	CHECK(strstr(decided(p), "managed app failure: WRONG_HINT") != NULL);
	/* A hint that nobody has a secret for is a wrong one. */
	session.hint = HINT_GOOD;
	strcpy(session.app_hint, "not-a-real-hint");
	CHECK(policy_hint(p, &session) == HINT_BAD);
	policy_free(p);
}

/* How long a second factor lasts. */
static void
test_mfa(void)
{
	static const struct { const char *how; int64_t age; int due; } cases[] = {
		{ "sign-on", 0, 1 }, { "daily", 86399, 0 }, { "daily", 86400, 1 },
		{ "weekly", 604799, 0 }, { "weekly", 604800, 1 }, { "monthly", 2591999, 0 },
		{ "monthly", 2592000, 1 }, { "six-months", 15724799, 0 },
		{ "six-months", 15724800, 1 }, { "once", 400000000, 0 }, { "once", -1, 1 },
		{ "daily", -1, 1 }, { "session", -1, 1 }, { "session", 50, 0 }, { "session", 101, 1 },
	};
	char		 text[64];
	struct policy	*p;
	struct decision	 d;
	size_t		 i;

	know_everything();
	session.seen = NOW - 100;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		session.mfa = cases[i].age < 0 ? 0 : NOW - cases[i].age;
		snprintf(text, sizeof(text), "allow with mfa %s", cases[i].how);
		p = good(text);
		policy_decide(p, &facts, &d);
		CHECK_STR(d.mfa, cases[i].how);
		CHECK(d.mfa_due == cases[i].due);
		policy_free(p);
	}
	/* A session that began before this authentication. */
	p = good("allow with mfa session");
	session.start = NOW - 5000;
	for (i = 0; i < 4; i++) {
		static const struct { int64_t age; bool due; } in[] = {
			{ 4000, false }, { 5300, false }, { 5301, true }, { NOW, true },
		};

		session.mfa = NOW - in[i].age;
		policy_decide(p, &facts, &d);
		CHECK(d.mfa_due == in[i].due);
	}
	policy_free(p);
}

static void
test_reasons(void)
{
	struct policy	*p = good("allow");
	struct decision	 d;

	know_everything();
	answer.state = COMPLIANCE_UNREGISTERED;
	answer.matched_by = MATCH_NONE;
	answer.checked = NOW - 60;
	policy_decide(p, &facts, &d);
	CHECK_STR(d.reason, "compliance is unregistered (60 s old)");
	answer.state = COMPLIANCE_GRACE;
	answer.checked = 0;
	strcpy(answer.device.management_state, "retirePending");
	policy_decide(p, &facts, &d);
	CHECK_STR(d.reason, "compliance is grace (of unknown age), a retire is under way");
	answer.checked = NOW + 9000;
	strcpy(answer.device.management_state, "wipePending");
	id.ambiguous = true;
	policy_decide(p, &facts, &d);
	CHECK_STR(d.reason, "compliance is grace (dated in the future), a wipe is under way, "
	    "the identity is ambiguous");
	/* Nothing that a client chose. */
	CHECK(strstr(d.reason, "alice") == NULL && strstr(d.reason, "LAPTOP") == NULL);
	policy_free(p);
}

static void
test_json(void)
{
	struct policy	*p;
	struct decision	 d;
	struct jsonw	 w;
	static const char	 rules[] = "allow \"a \\\"b\\\"\" with role x";
	static const char	 want[] = "{\"decision\":{\"action\":\"allow\",\"role\":\"x\","
	    "\"rule\":\"site.rules:1\",\"name\":\"a \\\"b\\\"\",\"state\":\"compliant\","
	    "\"reason\":\"compliance is compliant (by guid, 2 h old)\","
	    "\"reply\":[[\"Filter-Id\",\":=\",\"x\"]],\"rules\":\"";
	char		 buf[16384], big[2000], text[2100];
	size_t		 i;

	know_everything();
	p = policy_parse("/etc/intune-nac/site.rules", rules, strlen(rules), collect, NULL);
	policy_decide(p, &facts, &d);
	jw_init(&w, buf, sizeof(buf));
	jw_object(&w, NULL);
	decision_write(&w, &d, NOW);
	jw_end_object(&w);
	CHECK(strncmp(jw_done(&w), want, sizeof(want) - 1) == 0);
	CHECK(strstr(buf, "\",\"time\":\"2026-11-21T08:30:00Z\"}}") != NULL);
	policy_free(p);

	/* The largest reply there can be fits into what a record has room for. */
	for (i = 0; i < 400; i++)
		memcpy(big + i * 2, "\\\"", 2);
	big[800] = '\0';
	snprintf(text, sizeof(text), "allow with A \"%.400s\", B \"%.400s\"", big, big);
	p = good(text);
	policy_decide(p, &facts, &d);
	jw_init(&w, buf, sizeof(buf));
	decision_write(&w, &d, NOW);
	CHECK(jw_done(&w) != NULL);
	policy_free(p);
}

/* Every class of error, with its exact place. */
static void
test_errors(void)
{
	static const struct { const char *text, *want; } cases[] = {
		/* statements */
		{ "alow if managed", "t:1:1: unknown statement \"alow\" (did you mean \"allow\"?)\n" },
		{ "allow \\\n if \\\r\n  xyzzy # \\\nxyzzy", "t:3:3: unknown condition \"xyzzy\"\n"
		  "t:4:1: unknown statement \"xyzzy\"\n" },
		{ "\n  xyzzy", "t:2:3: unknown statement \"xyzzy\"\n" },
		{ "\"allow\"", "t:1:1: expected allow, deny, label or a setting, not \"allow\"\n" },
		{ "= 3", "t:1:1: expected allow, deny, label or a setting, not \"=\"\n" },
		{ "allow managed",
		  "t:1:7: expected with, if or the end of the line, not \"managed\"\n" },
		{ "allow \"a\" \"b\"",
		  "t:1:11: expected with, if or the end of the line, not \"b\"\n" },
		{ "allow \"\"", "t:1:7: an empty name: \"\"\n" },
		{ "allow if managed with vlan 1",
		  "t:1:18: what is given stands before if, not behind it: \"with\"\n" },
		{ "allow if managed if wiping",
		  "t:1:18: expected and, or or the end of the line, not \"if\"\n" },
		{ "allow with vlan 1 vlan 2",
		  "t:1:19: expected a comma, if or the end of the line, not \"vlan\"\n" },
		{ "deny with vlan 1",
		  "t:1:6: deny gives no access, only attributes, log and coa: \"with\"\n" },
		{ "deny with role x",
		  "t:1:6: deny gives no access, only attributes, log and coa: \"with\"\n" },
		{ "", "t:1:1: no rule in the whole file\n" },
		{ "# nothing\nlabel A when managed\n", "t:3:1: no rule in the whole file\n" },
		/* settings */
		{ "match-order\nallow", "t:1:12: expected guid, name, serial or mac, not the end of the line\n" },
		{ "match-order guid guidd mac mac\nallow",
		  "t:1:18: is none of guid, name, serial and mac: \"guidd\" (did you mean \"guid\"?)\n"
		  "t:1:28: stands twice in match-order: \"mac\"\n" },
		{ "match-order mac\nmatch-order mac\nallow",
		  "t:2:1: this setting is given twice: \"match-order\"\n" },
		{ "match-order mac = 3\nallow",
		  "t:1:17: expected guid, name, serial, mac or the end of the line, not \"=\"\n" },
		{ "stale-after soon\nallow", "t:1:13: is no span of time (try 24h): \"soon\"\n" },
		{ "stale-after 0s\nallow", "t:1:13: is no span of time (try 24h): \"0s\"\n" },
		{ "stale-after\nallow",
		  "t:1:12: expected a span of time such as 24h, not the end of the line\n" },
		{ "stale-after 1h 2h\nstale-after 1h\nallow",
		  "t:1:16: expected the end of the line, not \"2h\"\n"
		  "t:2:1: this setting is given twice: \"stale-after\"\n" },
		{ "no-match quarantine", "t:1:10: expected allow or deny, not \"quarantine\"\n" },
		{ "no-match deny with vlan 1", "t:1:15: expected the end of the line, not \"with\"\n" },
		{ "no-match allow if managed",
		  "t:1:16: expected with or the end of the line, not \"if\"\n" },
		{ "no-match allow with vlan 1 if managed",
		  "t:1:28: expected a comma or the end of the line, not \"if\"\n" },
		{ "no-match deny\nno-match deny",
		  "t:2:1: this setting is given twice: \"no-match\"\n" },
		/* labels */
		{ "label corp gives vlan 1\nallow",
		  "t:1:7: the name of a label begins with a capital letter, not \"corp\"\n" },
		{ "label A.b gives vlan 1\nallow",
		  "t:1:7: the name of a label has letters, digits, - and _, not \"A.b\"\n" },
		{ "label\nallow", "t:1:6: expected the name of a label, not the end of the line\n" },
		{ "label \"A b\" when managed\nallow",
		  "t:1:7: expected the name of a label, not \"A b\"\n" },
		{ "label A is managed\nallow", "t:1:9: expected when or gives, not \"is\"\n" },
		{ "label A when managed\nlabel A when wiping\nallow",
		  "t:2:7: this label is defined in line 1 already: \"A\"\n" },
		{ "label Ok when managed\nallow if Okk",
		  "t:2:10: unknown label \"Okk\" (did you mean \"Ok\"?)\n" },
		{ "allow if Ok\nlabel Ok when managed",
		  "t:1:10: is used before its definition in line 2: \"Ok\"\n" },
		{ "label A when managed or A\nallow", "t:1:25: the label names itself: \"A\"\n" },
		{ "label A gives vlan 1, A\nallow", "t:1:23: the label names itself: \"A\"\n" },
		{ "label A when managed\nallow with A",
		  "t:2:12: is a condition label; it belongs behind if, not with: \"A\"\n" },
		{ "label A gives vlan 1\nallow if A",
		  "t:2:10: is an attribute label; give it with with, not if: \"A\"\n" },
		/* a broken definition does not blame those who use it */
		{ "label A when nonsense\nallow if A\nallow with A",
		  "t:1:14: unknown condition \"nonsense\"\n" },
		{ "label Corp gives vlan 1\nallow with corp if Crop",
		  "t:2:12: unknown word \"corp\" (did you mean \"Corp\"?)\n"
		  "t:2:20: unknown label \"Crop\" (did you mean \"Corp\"?)\n" },
		/* conditions */
		{ "allow if", "t:1:9: expected a condition, not the end of the line\n" },
		{ "allow if and", "t:1:10: expected a condition, not \"and\"\n" },
		{ "allow if managed and", "t:1:21: expected a condition, not the end of the line\n" },
		{ "allow if not", "t:1:13: expected a condition, not the end of the line\n" },
		{ "allow if (managed", "t:1:18: expected and, or or ), not the end of the line\n" },
		{ "allow if managed)",
		  "t:1:17: expected and, or or the end of the line, not \")\"\n" },
		{ "allow if ()", "t:1:11: expected a condition, not \")\"\n" },
		{ "allow if compliant", "t:1:10: unknown condition \"compliant\""
		  " (did you mean \"compliance is compliant\"?)\n" },
		{ "allow if complience is grace",
		  "t:1:10: unknown condition \"complience\" (did you mean \"compliance\"?)\n" },
		{ "allow if compliance = grace", "t:1:21: write is instead of \"=\"\n" },
		{ "allow if compliance", "t:1:20: expected is, in or not in, not the end of the line\n" },
		{ "allow if compliance not grace", "t:1:25: expected in, not \"grace\"\n" },
		{ "allow if compliance is", "t:1:23: expected a value, not the end of the line\n" },
		{ "allow if compliance is or managed", "t:1:24: expected a value, not \"or\"\n" },
		{ "allow if compliance in grace,", "t:1:30: expected a value, not the end of the line\n" },
		{ "allow if compliance is grace, unknown",
		  "t:1:29: for more than one value write in, not is: \",\"\n" },
		{ "allow if compliance in grace, fine, complient", "t:1:31: compliance is never \"fine\"\n"
		  "t:1:37: compliance is never \"complient\" (did you mean \"compliant\"?)\n" },
		{ "allow if eap is TLS", "t:1:17: eap is never \"TLS\" (did you mean \"tls\"?)\n" },
		{ "allow if medium is unknown", "t:1:20: medium is never \"unknown\"\n" },
		{ "allow if medium is wirelss",
		  "t:1:20: medium is never \"wirelss\" (did you mean \"wireless\"?)\n" },
		{ "allow if matched is ip", "t:1:21: matched is never \"ip\"\n" },
		{ "allow if nas is 10.0.0.256", "t:1:17: is no IP address: \"10.0.0.256\"\n" },
		{ "allow if nas is 10.0.0.0/33",
		  "t:1:17: is no network (address/bits): \"10.0.0.0/33\"\n" },
		{ "allow if nas is 2001:db8::/129",
		  "t:1:17: is no network (address/bits): \"2001:db8::/129\"\n" },
		{ "allow if nas is 10.0.0.0/", "t:1:17: is no network (address/bits): \"10.0.0.0/\"\n" },
		{ "allow if nas in 10.0.0.1/8, 2001:db8::1/32",
		  "t:1:17: has address bits behind its prefix: \"10.0.0.1/8\"\n"
		  "t:1:29: has address bits behind its prefix: \"2001:db8::1/32\"\n" },
		{ "allow if mac is 00:11", "t:1:17: is no MAC address: \"00:11\"\n" },
		{ "allow if mac in 0g*, 00::11*, :00*", "t:1:17: is no beginning of a MAC address: \"0g*\"\n"
		  "t:1:22: is no beginning of a MAC address: \"00::11*\"\n"
		  "t:1:31: is no beginning of a MAC address: \":00*\"\n" },
		{ "allow if mac is 0011223344556*",
		  "t:1:17: is too long for a MAC address: \"0011223344556*\"\n" },
		{ "allow if ssid is \"\"", "t:1:18: an empty text matches nothing: \"\"\n" },
		{ "allow if age is 3h", "t:1:14: expected <, <=, >, >= or in behind age, not \"is\"\n" },
		{ "allow if age < soon", "t:1:16: is no span of time (try 12h): \"soon\"\n" },
		{ "allow if age <", "t:1:15: expected a span of time such as 12h, not the end of the line\n" },
		{ "allow if managed is true",
		  "t:1:18: expected and, or or the end of the line, not \"is\"\n" },
		{ "allow if clientt is ios", "t:1:10: unknown condition \"clientt\" (did you mean \"client\"?)\n" },
		{ "allow if client is phone", "t:1:20: client is never \"phone\"\n" },
		{ "allow if weekday in monday..fridey", "t:1:21: weekday is never \"monday..fridey\"\n" },
		{ "allow if compliance in grace..error", "t:1:24: compliance is never \"grace..error\"\n" },
		{ "allow if hour is 24", "t:1:18: is no hour (0 to 23): \"24\"\n" },
		{ "allow if time in 8:30..9", "t:1:18: is no time of day (try 08:30): \"8:30..9\"\n" },
		{ "allow if time in 08:30..25:00", "t:1:18: is no time of day (try 08:30): \"08:30..25:00\"\n" },
		{ "allow if os-version > beta", "t:1:23: is no version (digits and dots, as 14.2): \"beta\"\n" },
		{ "allow if os-version >= 14.", "t:1:24: is no version (digits and dots, as 14.2): \"14.\"\n" },
		{ "allow if nas-port in 5..1", "t:1:22: the range runs backwards: \"5..1\"\n" },
		{ "allow if nas-port is up", "t:1:22: is no number: \"up\"\n" },
		{ "allow if ssid < 4", "t:1:15: expected is, in or not in, not \"<\"\n" },
		{ "allow if hour", "t:1:14: expected is, in, not in, <, <=, > or >=, not the end of the line\n" },
		{ "allow if mac in list Deny", "t:1:22: there is no list of this name above: \"Deny\"\n" },
		{ "allow if zone is Hq", "t:1:18: there is no zone of this name above: \"Hq\"\n" },
		{ "allow if ssid is $x", "t:1:18: no variable of this name is set above: \"$x\"\n" },
		{ "let $corp = 1\nallow with vlan $crop", "t:2:17: no variable of this name is set above: \"$crop\" (did you mean \"$corp\"?)\n" },
		{ "let $c = 1, 2\nallow with vlan $c", "t:2:17: has more than one value: \"$c\"\n" },
		{ "let $c = 1\nlet $c = 2\nallow", "t:2:5: this variable is set already: \"$c\"\n" },
		{ "let c = 1\nallow", "t:1:5: expected a variable such as $corp, not \"c\"\n" },
		{ "let $c 1\nallow", "t:1:8: expected =, not \"1\"\n" },
		{ "zone hq is 10.0.0.0/8\nallow", "t:1:6: the name of a zone begins with a capital letter, not \"hq\"\n" },
		{ "zone Hq is 10.0.0.300\nallow", "t:1:12: is no IP address: \"10.0.0.300\"\n" },
		{ "zone A is a\nzone A is b\nallow", "t:2:6: this zone is defined already: \"A\"\n" },
		{ "timezone CET\nallow", "t:1:10: is no offset from UTC (try +01:00): \"CET\"\n" },
		{ "timezone +15:00\nallow", "t:1:10: is no offset from UTC (try +01:00): \"+15:00\"\n" },
		{ "ambiguous first\nallow", "t:1:11: expected refuse or newest, not \"first\"\n" },
		{ "stale-after 1h for compliant\nstale-after 2h for compliant\nallow",
		  "t:2:20: this setting is given twice: \"compliant\"\n" },
		{ "stale-after 1h for good\nallow", "t:1:20: compliance is never \"good\"\n" },
		{ "when-broken maybe\nallow", "t:1:13: expected allow or deny, not \"maybe\"\n" },
		{ "trusted by certificate\nallow", "t:1:23: expected if and the issuer (a server takes many certificates), not the end of the line\n" },
#define NO_ISSUER(at, word)	"t:1:" at ": a certificate is trusted for its issuer, which this condition " \
		  "does not always ask for (issuer is ...), from \"" word "\"\n"
		{ "trusted by certificate if managed\nallow", NO_ISSUER("27", "managed") },
		{ "trusted by certificate if not issuer is \"*Evil*\"\nallow", NO_ISSUER("27", "not") },
		{ "trusted by certificate if issuer is not a\nallow", NO_ISSUER("27", "issuer") },
		{ "trusted by certificate if issuer is \"*\"\nallow", NO_ISSUER("27", "issuer") },
		{ "trusted by certificate if issuer in a, \"*?\"\nallow", NO_ISSUER("27", "issuer") },
		{ "trusted by certificate if issuer is a and managed or template is t\nallow",
		  NO_ISSUER("27", "issuer") },
		{ "trusted by certificate if not (issuer is not a and managed)\nallow", NO_ISSUER("27", "not") },
		{ "trusted by certificate if (managed)\nallow", NO_ISSUER("27", "(") },
		{ "label I when issuer is a or wiping\ntrusted by certificate if I\nallow",
		  "t:2:27: a certificate is trusted for its issuer, which this condition does not always "
		  "ask for (issuer is ...), from \"I\"\n" },
		{ "trusted by magic\nallow", "t:1:12: expected certificate, app-hint or compliance, not \"magic\"\n" },
		{ "label T when trust is trusted\ntrusted by compliance if T\nallow",
		  "t:2:1: trust cannot rest on trust: \"trusted\"\n" },
		{ "shadow label\nallow", "t:1:8: expected allow, deny or all, not \"label\"\n" },
		{ "shadow all\nshadow all\nallow", "t:2:1: this setting is given twice: \"shadow\"\n" },
		{ "word rolle gives A b\nallow", "t:1:6: expected role, filter, acl or redirect, not \"rolle\" (did you mean \"role\"?)\n" },
		{ "allow if os-version in 17..14", "t:1:24: the range runs backwards: \"17..14\"\n" },
		{ "allow if os-version in 17..x", "t:1:24: is no version (digits and dots, as 14.2): \"17..x\"\n" },
		{ "allow if ssid in a..b", "t:1:18: text has no ranges (in quotes it is a name): \"a..b\"\n" },
		{ "allow if owner is corporate",
		  "t:1:19: owner is company, personal or unknown, never \"corporate\"\n" },
		{ "allow if age < 24", "t:1:16: is a span without its unit (s, m, h, d or w): \"24\"\n" },
		{ "allow if mfa-age in 1..24h",
		  "t:1:21: is a span without its unit (s, m, h, d or w): \"1..24h\"\n" },
		{ "stale-after 24\nallow", "t:1:13: is a span without its unit (s, m, h, d or w): \"24\"\n" },
		{ "allow if time in 08:00..08:00", "t:1:18: the range is empty: \"08:00..08:00\"\n" },
		{ "allow if time in 24:00..08:00", "t:1:18: 24:00 only ends a range: \"24:00..08:00\"\n" },
		{ "allow if time is 24:00", "t:1:18: only ends a range, and no clock shows it: \"24:00\"\n" },
		{ "allow with role r\nword role gives X $role if managed",
		  "t:2:1: stands below a reply that has this word already, and would not change it: "
		  "\"word\"\n" },
		{ "allow with Tunnel-Private-Group-Id 5000",
		  "t:1:36: is no VLAN (1 to 4094): \"5000\"\n" },
		{ "allow with tunnel-private-group-id:1 := \"0\", Tunnel-Private-Group-Id:2 = Corp",
		  "t:1:12: unknown word \"tunnel-private-group-id:1\"\n" },
		{ "allow with Tunnel-Private-Group-ID:1 := \"0\", Tunnel-Private-Group-Id:2 = Corp",
		  "t:1:41: is no VLAN (1 to 4094): \"0\"\n" },
		{ "word role gives vlan 5\nallow", "t:1:1: a word gives attributes and nothing else: \"word\"\n" },
		{ "include \"x\"\nallow", "t:1:9: no file can be read from here: \"x\"\n" },
		{ "include x\nallow", "t:1:9: expected a path in quotes, not \"x\"\n" },
		{ "list Deny macs \"x\"\nallow", "t:1:16: no file can be read from here: \"x\"\n" },
		{ "list Deny mac \"x\"\nallow", "t:1:11: expected macs, names, users, groups, serials or values, not \"mac\" (did you mean \"macs\"?)\n" },
		{ "app-hint \"x\"\nallow", "t:1:10: no file can be read from here: \"x\"\n" },
		{ "allow with coa restart", "t:1:16: coa is never \"restart\"\n" },
		{ "allow with coa none, coa none", "t:1:22: is given already in this statement: \"coa\"\n" },
		{ "allow with mfa dayly", "t:1:16: mfa is never \"dayly\" (did you mean \"daily\"?)\n" },
		{ "deny with mfa daily", "t:1:6: deny gives no access, only attributes, log and coa: \"with\"\n" },
		{ "deny with redirect", "t:1:6: deny gives no access, only attributes, log and coa: \"with\"\n" },
		{ "allow with role a, filter b", "t:1:20: is set already in this statement (+= adds): \"filter\"\n" },
		{ "word role gives Class $role if managed\nallow with role a, Class b",
		  "t:2:12: a word's attribute is set already in this statement, from \"role\"\n" },
		{ "word role gives Class \"%$role\"\nallow with role \"{x}\"",
		  "t:2:12: a value must not have %{ (the server would expand it): \"role\"\n" },
		/* replies */
		{ "allow with", "t:1:11: expected a label, vlan, role or an attribute, not the end of the line\n" },
		{ "allow with if managed",
		  "t:1:12: expected a label, vlan, role or an attribute, not \"if\"\n" },
		{ "allow with vlan 1,",
		  "t:1:19: expected a label, vlan, role or an attribute, not the end of the line\n" },
		{ "allow with vlan", "t:1:16: expected a value behind vlan, not the end of the line\n" },
		{ "allow with vlan if managed", "t:1:17: expected a value behind vlan, not \"if\"\n" },
		{ "allow with vlan = 5", "t:1:17: expected a value behind vlan, not \"=\"\n" },
		{ "allow with vlan 0", "t:1:17: is no VLAN (1 to 4094): \"0\"\n" },
		{ "allow with vlan 4095", "t:1:17: is no VLAN (1 to 4094): \"4095\"\n" },
		{ "allow with vlan -1", "t:1:17: is no VLAN (1 to 4094): \"-1\"\n" },
		{ "allow with vlan 99999999999999999999",
		  "t:1:17: is no VLAN (1 to 4094): \"99999999999999999999\"\n" },
		{ "allow with vlan 1, vlan 2",
		  "t:1:20: is set already in this statement (+= adds): \"vlan\"\n" },
		{ "label A gives vlan 1\nallow with vlan 2, A",
		  "t:2:20: is set already in this statement (+= adds): \"A\"\n"
		  "t:2:20: is set already in this statement (+= adds): \"A\"\n"
		  "t:2:20: is set already in this statement (+= adds): \"A\"\n" },
		{ "allow with Filter-Id x, filter-id:0 = y",
		  "t:1:25: unknown word \"filter-id:0\"\n" },
		{ "allow with Filter-Id x, FILTER-ID:0 = y",
		  "t:1:25: is set already in this statement (+= adds): \"FILTER-ID:0\"\n" },
		{ "allow with session-timeout 0", "t:1:28: is no span of time (try 8h): \"0\"\n" },
		{ "allow with session-timeout never",
		  "t:1:28: is no span of time (try 8h): \"never\"\n" },
		{ "allow with vlann 5", "t:1:12: unknown word \"vlann\" (did you mean \"vlan\"?)\n" },
		{ "allow with Class =", "t:1:19: expected a value, not the end of the line\n" },
		{ "allow with \"Class\" = x",
		  "t:1:12: expected a label, vlan, role or an attribute, not \"Class\"\n" },
	};
	struct policy	*p;
	size_t		 i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		p = parse(cases[i].text);
		CHECK(p == NULL);
		CHECK_STR(errors, cases[i].want);
		policy_free(p);
	}
}

/* What lint says of rules that are right: only the ends of its sentences. */
static void
test_lint(void)
{
#define NEVER	"this can never hold: its parts contradict each other\n"
#define DEFAULT	"\nno-match deny"
	static const struct { const char *rules, *want; } cases[] = {
		{ "allow", "t:1:1: warning: a device that is pending can never leave this rule: no "
		  "answer of Intune leads to another one\n" },
		{ "allow if managed", "t:1:1: warning: this is the last rule, and nothing says what "
		  "becomes of all others: they are denied (write no-match deny)\n" },
		{ "allow if managed\nno-match deny", "" },
		{ "allow if managed\nallow if managed and fresh\ndeny",
		  "t:2:1: warning: this rule is never reached: t:1 takes all that it could match\n" },
		{ "allow \"x\" if managed\nallow if compliance is grace\ndeny",
		  "t:2:1: warning: this rule is never reached: t:1 (x) takes all that it could match\n" },
		{ "deny if compliance is pending\nallow if not managed\nallow if managed\nallow if wiping",
		  "t:4:1: warning: this rule is never reached: the rules above it leave nothing for it\n"
		  "t:4:1: warning: this is the last rule, and nothing says what becomes of all others: "
		  "they are denied (write no-match deny)\n" },
		{ "deny if compliance is pending\nallow\ndeny",
		  "t:3:1: warning: this rule is never reached: t:2 matches always\n" },
		{ "shadow deny if managed\nallow if managed" DEFAULT, "" },
		{ "allow if ssid is x*\nallow if ssid in xa, xb" DEFAULT,
		  "t:2:1: warning: this rule is never reached: t:1 takes all that it could match\n" },
		{ "allow if ssid is x*\nallow if ssid in xa, yb" DEFAULT, "" },
		{ "allow if nas is 10.0.0.0/8\nallow if nas in 10.1.0.0/16, 10.2.3.4" DEFAULT,
		  "t:2:1: warning: this rule is never reached: t:1 takes all that it could match\n" },
		{ "allow if mac is 00:11:*\nallow if mac is 00:11:22:33:44:55" DEFAULT,
		  "t:2:1: warning: this rule is never reached: t:1 takes all that it could match\n" },
		{ "allow if age < 2h\nallow if age <= 1h" DEFAULT,
		  "t:2:1: warning: this rule is never reached: t:1 takes all that it could match\n" },
		{ "allow if age < 2h\nallow if age <= 2h" DEFAULT, "" },
		{ "allow if os-version >= 14\nallow if os-version >= 14.1" DEFAULT,
		  "t:2:1: warning: this rule is never reached: t:1 takes all that it could match\n" },
		{ "allow if os-version < 15 or os-version >= 15\nallow if ssid is x" DEFAULT, "" },
		{ "allow if name is a and name is b" DEFAULT, "" },
		{ "allow if ssid is a and ssid is b" DEFAULT, "t:1:10: warning: " NEVER },
		{ "allow if managed and (fresh and stale or wiping)" DEFAULT, "t:1:23: warning: " NEVER },
		{ "allow if age < 1h and age > 2h" DEFAULT, "t:1:10: warning: " NEVER },
		{ "allow if managed and compliance in pending, unregistered" DEFAULT, "t:1:10: warning: " NEVER },
		{ "allow if hour in 8..12 and hour in 14..16" DEFAULT, "t:1:10: warning: " NEVER },
		{ "allow if hour in 22..5 and hour is 3" DEFAULT, "" },
		{ "allow if nas is 10.1.2.3 and nas not in 10.0.0.0/8" DEFAULT, "t:1:10: warning: " NEVER },
		{ "allow if os-version < 14 and os-version >= 15" DEFAULT, "t:1:10: warning: " NEVER },
		{ "allow if os-version < 14 and not os-version < 15" DEFAULT, "t:1:10: warning: " NEVER },
		{ "allow if os-version > 14 and os-version < 15" DEFAULT, "" },
		{ "allow if client is mobile and client is windows" DEFAULT, "t:1:10: warning: " NEVER },
		{ "allow if wiping and not wiping" DEFAULT, "t:1:10: warning: " NEVER },
		{ "allow if managed or not managed" DEFAULT, "t:1:1: warning: its condition always holds\n" },
		{ "label A when wiping and not wiping\nlabel B gives vlan 1\nallow if managed" DEFAULT,
		  "t:1:7: warning: nothing uses the label A\nt:1:14: warning: " NEVER
		  "t:2:7: warning: nothing uses the label B\n" },
		{ "zone Z is 10.0.0.0/8\nlet $x = 1\nallow if managed" DEFAULT,
		  "t:1:6: warning: nothing uses the zone Z\nt:2:5: warning: nothing uses the variable $x\n" },
		{ "allow if trust is trusted" DEFAULT, "t:1:1: warning: trust is asked for, and no "
		  "`trusted by' says what it rests on: no device is trusted\n" },
		{ "allow if compliance is pending or managed or compliance is unregistered\ndeny",
		  "t:1:1: warning: a device that is pending can never leave this rule: no answer of "
		  "Intune leads to another one\n" },
		{ "allow if compliance is pending\nallow if compliance is unregistered" DEFAULT, "" },
		{ "allow if stale or fresh and ssid is x" DEFAULT, "" },
		{ "allow if ssid is x and (stale or fresh)\nallow if managed" DEFAULT,
		  "t:1:1: warning: a device that is stale can never leave this rule: no answer of "
		  "Intune leads to another one\n" },
		/* What an answer brings: the trust and the name that rest on it. */
		{ "trusted by compliance\nallow \"T\" if trust is trusted\nallow \"P\"", "" },
		{ "allow \"L\" if name is LAPTOP-*\nallow \"P\"", "" },
		/* An answer of two hours and a half is stale in one state. */
		{ "stale-after 2h for error\nallow if age < 3h or fresh\nallow if stale or ssid is x" DEFAULT,
		  "t:2:1: warning: a device that is stale can never leave this rule: no answer of "
		  "Intune leads to another one\n" },
		{ "word role gives X $role\nword role gives Y $role\nallow with role r if managed" DEFAULT,
		  "t:2:1: warning: this word is never reached: the one in line 1 is taken always\n" },
	};
	struct policy	*p;
	size_t		 i, n;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		p = good(cases[i].rules);
		errors[0] = '\0';
		n = policy_lint(p, NULL, collect, NULL);
		CHECK_STR(errors, cases[i].want);
		CHECK(n == nerrors);
		nerrors = 0;
		policy_free(p);
	}
}

/* Labels of labels of labels: lint walks each of them once.  If it did not, this
 * would take years. */
static void
test_lint_nested(void)
{
	static char	 text[16384];
	struct policy	*p;
	size_t		 n;
	int		 i, k;

	n = (size_t)sprintf(text, "label L0 when ssid is x\n");
	for (i = 1; i < 30; i++) {
		n += (size_t)sprintf(text + n, "label L%d when L%d", i, i - 1);
		for (k = 0; k < 15; k++)
			n += (size_t)sprintf(text + n, " or L%d", i - 1);
		n += (size_t)sprintf(text + n, "\n");
	}
	sprintf(text + n, "allow if L29\nno-match deny\n");
	p = good(text);
	errors[0] = '\0';
	CHECK(policy_lint(p, NULL, collect, NULL) == 0);
	CHECK_STR(errors, "");
	policy_free(p);
}

/* Whatever could do something in the RADIUS server or in a log. */
static void
test_injection(void)
{
	static const struct { const char *text; size_t len; const char *want; } cases[] = {
#define CASE(text, want)	{ text, sizeof(text) - 1, want }
		CASE("allow with Reply-Message \"%{exec:/bin/id}\"",
		    "t:1:26: a value must not have %{ (the server would expand it): \"%{exec:/bin/id}\"\n"),
		CASE("allow with role \"a%{x}\"",
		    "t:1:17: a value must not have %{ (the server would expand it): \"a%{x}\"\n"),
		CASE("allow with vlan \"%{x}\"",
		    "t:1:17: a value must not have %{ (the server would expand it): \"%{x}\"\n"),
		CASE("allow with Class \"`id`\"", "t:1:18: a value must not have a backquote: \"`id`\"\n"),
		CASE("allow with Class \"#x\"", "t:1:18: a value must not begin with #: \"#x\"\n"),
		CASE("allow with Class \"\"", "t:1:18: an empty value: \"\"\n"),
		CASE("allow with Exec-Program \"/bin/id\"",
		    "t:1:12: would make the RADIUS server run a program: \"Exec-Program\"\n"),
		CASE("allow with EXEC-program-Wait:0 = x",
		    "t:1:12: would make the RADIUS server run a program: \"EXEC-program-Wait:0\"\n"),
		CASE("allow with Bad/Name x", "t:1:12: is no attribute name: \"Bad/Name\"\n"),
		CASE("allow with A%{b} x", "t:1:12: is no attribute name: \"A%{b}\"\n"),
		CASE("allow with A:32 x", "t:1:12: the tag must be a number from 0 to 31: \"A:32\"\n"),
		CASE("allow with A: x", "t:1:12: the tag must be a number from 0 to 31: \"A:\"\n"),
		CASE("allow with A:1:2 x", "t:1:12: the tag must be a number from 0 to 31: \"A:1:2\"\n"),
		CASE("allow with A:0000 x", "t:1:12: the tag must be a number from 0 to 31: \"A:0000\"\n"),
		CASE("allow with Class \"a\nb\"", "t:1:18: no closing quote: \"\"a\"\n"
		    "t:2:1: unknown statement \"b\"\n"),
		CASE("allow with Class \"a\\nb\"", "t:1:20: in quotes a backslash stands before \" or "
		    "\\ only, not before \"n\"\n"),
		CASE("allow with Class \"a\\\nallow", "t:1:18: no closing quote: \"\"a\"\n"),
		CASE("allow with Class \"a\tb\"", "t:1:20: a control byte: \"\\x09\"\n"),
		CASE("allow with Class \"a\x1b[1m\"", "t:1:20: a control byte: \"\\x1b\"\n"),
		CASE("allow with Class \"a\0b\"", "t:1:20: a NUL byte: \"\\x00\"\n"),
		CASE("allow\0", "t:1:6: a NUL byte: \"\\x00\"\n"),
		CASE("allow # a comment\0", "t:1:18: a NUL byte: \"\\x00\"\n"),
		CASE("allow \x01", "t:1:7: a control byte: \"\\x01\"\n"),
		CASE("allow \rif managed", "t:1:7: a control byte: \"\\x0d\"\n"),
		CASE("allow with Class \"a\xff\"", "t:1:20: not UTF-8: \"\\xff\"\n"),
		CASE(" \xef\xbb\xbf" "allow",
		    "t:1:2: a byte order mark, which only begins a file: \"\xef\xbb\xbf\"\n"),
		CASE("\xef\xbb\xbf\xef\xbb\xbf" "allow",
		    "t:1:1: a byte order mark, which only begins a file: \"\xef\xbb\xbf\"\n"),
		CASE("allow with Class a\xc0\x80", "t:1:19: not UTF-8: \"\\xc0\"\n"),
		CASE("allow \\ \nif managed",
		    "t:1:7: blanks behind the backslash that continues the line: \"\\x5c\"\n"
		    "t:2:1: unknown statement \"if\"\n"),
		CASE("allow if ssid is a\\\t\nor managed",
		    "t:1:19: blanks behind the backslash that continues the line: \"\\x5c\"\n"
		    "t:2:1: unknown statement \"or\"\n"),
		CASE("allow \"never closed", "t:1:7: no closing quote: \"\"never closed\"\n"),
		CASE("\xff\xfe" "a\0l\0", "t:1:1: the file is UTF-16; save it as UTF-8\n"),
#undef CASE
	};
	struct policy	*p;
	size_t		 i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		p = parse_n(cases[i].text, cases[i].len);
		CHECK(p == NULL);
		CHECK_STR(errors, cases[i].want);
		policy_free(p);
	}
}

/* text n times, then tail; to be freed. */
static char *
repeat(const char *text, size_t n, const char *tail)
{
	size_t	 len = strlen(text), i;
	char	*out = malloc(n * len + strlen(tail) + 1);

	if (out == NULL)
		abort();
	for (i = 0; i < n; i++)
		memcpy(out + i * len, text, len);
	strcpy(out + n * len, tail);
	return out;
}

/* What a text of n repetitions reports last; "" when it parses. */
static const char *
repeated(const char *head, const char *text, size_t n, const char *tail)
{
	char		*body = repeat(text, n, tail), *all = NULL;
	struct policy	*p;

	if (asprintf(&all, "%s%s", head, body) == -1)
		abort();
	p = parse(all);
	if (p != NULL) {
		struct decision	 d;

		policy_decide(p, &facts, &d);
	}
	policy_free(p);
	free(body);
	free(all);
	return errors;
}

static void
test_limits(void)
{
	char	*text, *head = NULL, *body = NULL;
	size_t	 i;

	know_everything();
	CHECK_STR(repeated("allow if ", "(", 64, "managed"),
	    "t:1:81: expected and, or or ), not the end of the line\n");
	CHECK_STR(repeated("allow if ", "(", 65, "managed"),
	    "t:1:74: parentheses are nested too deeply: \"(\"\n");
	CHECK_STR(repeated("allow if ", "not ", 200000, "managed"), "");
	CHECK_STR(repeated("allow if ", "managed and ", 80000, "managed"), "");
	CHECK_STR(repeated("allow if ", "wiping or ", 80000, "managed"), "");
	CHECK_STR(repeated("", "allow if ssid is x\n", POLICY_RULES, ""), "");
	CHECK_STR(repeated("", "allow if ssid is x\n", POLICY_RULES + 1, ""),
	    "t:20001:1: too many rules, from \"allow\"\n");
	CHECK_STR(repeated("allow if ssid is ", "x", 252, ""), "");
	CHECK(strstr(repeated("allow if ssid is ", "x", 253, ""),
	    "t:1:18: is too long a text: \"xxx") != NULL);
	CHECK(strstr(repeated("allow \"", "x", 129, "\""), "t:1:7: is too long a name:") != NULL);
	CHECK_STR(repeated("allow with Class 1", ", A +=1", 31, ""), "");
	CHECK(strstr(repeated("allow with Class 1", ", A +=1", 32, ""),
	    "are too many reply attributes, from \"A\"") != NULL);
	CHECK(strstr(repeated("allow with Class 1", ", A += \"\\\"\\\"\\\"\\\"\\\"\\\"\\\"\\\"\\\"\\\"\\\"\\\"\\\"\\\"\"", 31, ""),
	    "makes the reply longer than a RADIUS server takes safely") != NULL);
	CHECK(strstr(repeated("allow with Class \"", "x", 253, "\""),
	    "t:1:18: is longer than an attribute") != NULL);
	/* One line of a megabyte, and a file of more. */
	CHECK(strstr(repeated("allow if ", "x", 1024 * 1024 - 9, ""),
	    "t:1:10: unknown condition \"xxxxxx") != NULL);
	CHECK_STR(repeated("", "\n", 1024 * 1024 + 1, ""),
	    "t:1:1: the file is larger than 1 MiB\n");
	/* A variable of 64 KiB, used two thousand times; words of a few KiB likewise. */
	text = repeat("xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx,",
	    255, "last\n");
	CHECK(asprintf(&head, "let $x = %sallow if ssid in $x", text) > 0);
	CHECK(strstr(repeated(head, ",$x", 10000, "\nno-match deny\n"),
	    "with this the rules take too much memory (64 MiB): \"$x\"\n") != NULL);
	CHECK(nerrors == 1);
	CHECK_STR(repeated(head, ",$x", 50, "\nno-match deny\n"), "");
	CHECK(strstr(repeated(head, "\nallow if ssid in $x", 10000, "\nbad\n"),
	    "with this the rules take too much memory (64 MiB): \"$x\"\n") != NULL);
	free(head);
	CHECK(asprintf(&head, "let $x = %szone Z is $x", text) > 0);
	CHECK(strstr(repeated(head, ",$x", 10000, "\nallow if zone is Z\n"),
	    "with this the rules take too much memory (64 MiB): \"$x\"\n") != NULL);
	free(head);
	free(text);
	head = repeat("word acl gives Class += \"$acl\", Class += \"$acl\", Class += \"$acl\" "
	    "if nas-id is sw\n", 16, "let $x = ");
	text = repeat("x", 250, "\n");
	CHECK(asprintf(&body, "%s%s", head, text) > 0);
	CHECK(strstr(repeated(body, "allow with acl $x\n", 20000, "bad"),
	    ": with this the rules take too much memory (64 MiB): \"allow\"\n") != NULL);
	CHECK(nerrors == 1);
	CHECK_STR(repeated(body, "allow with acl $x\n", 500, ""), "");
	CHECK(strstr(repeated("word acl gives X += $acl if managed\nallow with acl a", ", acl b", 32,
	    ""), "are too many reply attributes, from \"acl\"\n") != NULL);
	free(head);
	free(text);
	free(body);
	/* A thousand errors are a thousand messages. */
	repeated("", "alow\n", 1000, "");
	CHECK(nerrors == 1000);
	CHECK(strstr(errors, "t:1000:1: unknown statement \"alow\"\n") != NULL);
	repeated("", "x\n", POLICY_ERRORS + 50, "");
	CHECK(nerrors == POLICY_ERRORS + 1);

	/* Labels of labels: 64 deep, each asked twice, and no deeper. */
	text = repeat("label L000 when L000 or L000\n", 70, "allow if L000\n");
	for (i = 0; i < 70; i++) {
		char	*at = text + i * 29, n[8], before[8];

		snprintf(n, sizeof(n), "L%03d", (int)i + 1);
		snprintf(before, sizeof(before), "L%03d", (int)i);
		memcpy(at + 6, n, 4);
		memcpy(at + 16, before, 4);
		memcpy(at + 24, before, 4);
	}
	memcpy(text, "label L001 when wiping      \n", 29);
	memcpy(text + 70 * 29 + 9, "L030", 4);
	CHECK(strstr(parse(text) == NULL ? errors : "none",
	    "the condition is nested too deeply (labels count), from \"L") != NULL);
	text[30 * 29] = '\0';
	strcat(text, "allow if L030\n");
	{
		struct policy	*p = good(text);
		struct decision	 d;

		policy_decide(p, &facts, &d);
		CHECK(d.action == ACTION_DENY);
		policy_free(p);
	}
	free(text);
}

int
main(void)
{
	test_known();
	test_more_known();
	test_unknown();
	test_precedence();
	test_words();
	test_single_facts();
	test_age();
	test_globs();
	test_reply();
	test_order();
	test_settings();
	test_statements();
	test_more_decided();
	test_mfa();
	test_reasons();
	test_json();
	test_errors();
	test_lint();
	test_lint_nested();
	test_injection();
	test_limits();
	return check_done();
}
