/* FreeRADIUS' environment, in both of its styles, and hostile values in it. */
#include <stdlib.h>

#include "base/when.h"
#include "check.h"
#include "radius/env.h"

static struct identity	 id;
static struct session	 s;
static char		 note[ENV_NOTE];

#define READ(...)	read_env((const char *const[]){ __VA_ARGS__, NULL })

static void
read_env(const char *const *entries)
{
	char	*envp[64];
	size_t	 i, n;

	for (n = 0; entries[n] != NULL; n++)
		envp[n] = strdup(entries[n]);
	envp[n] = NULL;
	env_read(envp, 1700000000, &id, &s, note);
	for (i = 0; i < n; i++)
		free(envp[i]);
}

static const char *
guid(size_t i)
{
	static char	 text[GUID_TEXT];

	return i < id.nguid ? guid_format(text, &id.guid[i].guid) : "";
}

static const char *
mac(void)
{
	static char	 text[MAC_TEXT];

	return id.has_mac ? mac_format(text, id.mac, MAC_COLON) : "";
}

static void
check_whole(void)
{
	CHECK_STR(s.user, "host/laptop-1.example.test");
	CHECK_STR(s.nas_ip, "192.0.2.7");
	CHECK_STR(s.nas_id, "ap-1");
	CHECK_STR(s.nas_port, "7");
	CHECK_STR(s.nas_port_id, "Gi1/0/7");
	CHECK_STR(s.nas_port_type, "Wireless-802.11");
	CHECK(s.medium == MEDIUM_WIRELESS);
	CHECK_STR(s.acct_session_id, "5F0C1D2E00000001");
	CHECK_STR(s.acct_multi_session_id, "5F0C1D2E000000AA");
	CHECK_STR(s.calling, "00-11-22-33-44-55");
	CHECK_STR(s.called, "02-00-00-AA-BB-CC:corp wifi:2");
	CHECK_STR(s.ssid, "corp wifi:2");
	CHECK_STR(s.framed_ip, "198.51.100.9");
	CHECK_STR(s.cui, "c-u-i");
	CHECK_STR(s.audit_session_id, "0A98FF");
	CHECK(s.seen == 1700000000);
	CHECK_STR(mac(), "00:11:22:33:44:55");
	CHECK(id.eap == EAP_TLS);
	CHECK_STR(guid(0), "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee");
	CHECK(id.nguid == 1 && id.guid[0].found == FOUND_SAN_URI);
	CHECK(id.nname == 2);
	CHECK_STR(id.name[0].text, "LAPTOP-1");
	CHECK_STR(id.name[1].text, "LAPTOP-1.example.test");
	CHECK_STR(id.upn, "alice@upn.example.test");
	CHECK_STR(id.serial, "0d021c0220e5db70");
	CHECK_STR(id.subject, "/C=DE/O=Example/OU=Fleet, \"EU\"/CN=LAPTOP-1.example.test");
	CHECK_STR(id.issuer, "/O=Example\\, CA");
	CHECK(id.not_before == 1795215473 && id.not_after == 2550919073);
	CHECK_STR(note, "");
}

static void
test_bare(void)
{
	READ("User-Name=host/laptop-1.example.test", "NAS-IP-Address=192.0.2.7",
	    "NAS-Identifier=ap-1", "NAS-Port=7", "NAS-Port-Id=Gi1/0/7",
	    "NAS-Port-Type=Wireless-802.11", "Acct-Session-Id=5F0C1D2E00000001",
	    "Acct-Multi-Session-Id=5F0C1D2E000000AA", "Calling-Station-Id=00-11-22-33-44-55",
	    "Called-Station-Id=02-00-00-AA-BB-CC:corp wifi:2", "Framed-IP-Address=198.51.100.9",
	    "Chargeable-User-Identity=0x632d752d69", "Cisco-AVPair=service-type=Framed",
	    "Cisco-AVPair=audit-session-id=0A98FF", "EAP-Message=0x027000060d00", "EAP-Type=TLS",
	    "TLS-Cert-Common-Name=Example CA", "TLS-Client-Cert-Serial=0d021c0220e5DB70",
	    "TLS-Client-Cert-Expiration=20501101123753Z",
	    "TLS-Client-Cert-Valid-Since=261120225753Z",
	    "TLS-Client-Cert-Subject=/C=DE/O=Example/OU=Fleet, \"EU\"/CN=LAPTOP-1.example.test",
	    "TLS-Client-Cert-Issuer=/O=Example\\, CA",
	    "TLS-Client-Cert-Common-Name=LAPTOP-1.example.test",
	    "TLS-Client-Cert-Subject-Alt-Name-Upn=alice@upn.example.test",
	    "TLS-Client-Cert-X509v3-Subject-Alternative-Name=URI:IntuneDeviceId://"
	    "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee, URI:tag:microsoft.com,2022-09-14:sid:S-1-5-21-1");
	check_whole();
	CHECK_STR(id.sid, "S-1-5-21-1");
}

static void
test_quoted(void)
{
	READ("USER_NAME=\"host/laptop-1.example.test\"", "NAS_IP_ADDRESS=192.0.2.7",
	    "NAS_IDENTIFIER=\"ap-1\"", "NAS_PORT=7", "NAS_PORT_ID=\"Gi1/0/7\"",
	    "NAS_PORT_TYPE=Wireless-802.11", "ACCT_SESSION_ID=\"5F0C1D2E00000001\"",
	    "ACCT_MULTI_SESSION_ID=\"5F0C1D2E000000AA\"",
	    "CALLING_STATION_ID=\"00-11-22-33-44-55\"",
	    "CALLED_STATION_ID=\"02-00-00-AA-BB-CC:corp wifi:2\"",
	    "FRAMED_IP_ADDRESS=198.51.100.9", "CHARGEABLE_USER_IDENTITY=0x632d752d69",
	    "CISCO_AVPAIR=\"service-type=Framed\"", "CISCO_AVPAIR=\"audit-session-id=0A98FF\"",
	    "EAP_TYPE=TLS", "TLS_CERT_COMMON_NAME=\"Example CA\"",
	    "TLS_CLIENT_CERT_SERIAL=\"0d021c0220e5db70\"",
	    "TLS_CLIENT_CERT_EXPIRATION=\"20501101123753Z\"",
	    "TLS_CLIENT_CERT_VALID_SINCE=\"261120225753Z\"",
	    "TLS_CLIENT_CERT_SUBJECT=\"/C=DE/O=Example/OU=Fleet, \\\"EU\\\"/CN=LAPTOP-1.example.test\"",
	    "TLS_CLIENT_CERT_ISSUER=\"/O=Example\\\\, CA\"",
	    "TLS_CLIENT_CERT_COMMON_NAME=\"LAPTOP-1.example.test\"",
	    "TLS_CLIENT_CERT_SUBJECT_ALT_NAME_UPN=\"alice@upn.example.test\"",
	    "TLS_CLIENT_CERT_X509V3_SUBJECT_ALTERNATIVE_NAME=\"URI:IntuneDeviceId://"
	    "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee, URI:tag:microsoft.com,2022-09-14:sid:S-1-5-21-1\"");
	check_whole();
}

static void
test_escapes(void)
{
	READ("USER_NAME=\"a\\\"b\\\\c\\r\\n\\t\\001\\303\\274\"");
	CHECK(strcmp(s.user, "a\"b\\c\r\n\t\001\303\274") == 0);
	READ("USER_NAME=\"open");
	CHECK_STR(s.user, "");
	CHECK_STR(note, "User-Name is badly quoted and not used");
	READ("USER_NAME=\"a\" \"b\"");
	CHECK_STR(s.user, "");
	READ("USER_NAME=\"a\\\"");
	CHECK_STR(s.user, "");
	READ("USER_NAME=\"a\\x41\"", "NAS_IDENTIFIER=\"x\\000y\"");
	CHECK_STR(s.user, "");
	CHECK_STR(s.nas_id, "");
	CHECK(strstr(note, "NAS-Identifier holds a NUL byte") != NULL);
	READ("USER_NAME=\"\\777\"");
	CHECK_STR(s.user, "");
	/* Without shell_escape quotes and backslashes are the client's own. */
	READ("User-Name=\"a\\nb\"");
	CHECK_STR(s.user, "\"a\\nb\"");
	READ("User-Name=", "USER_NAME", "=x", "");
	CHECK_STR(s.user, "");
	CHECK_STR(note, "");
}

static void
test_mac_forms(void)
{
	static const char *const	 good[] = {
		"00-11-22-33-44-AA", "00:11:22:33:44:aa", "0011.2233.44aa", "0011-2233-44AA",
		"0011223344AA", "00 11 22 33 44 aa", "001122-3344aa", "001122.3344aa",
	};
	static const char *const	 bad[] = {
		"", "00-11-22-33-44", "00-11-22-33-44-AA-BB", "00-11:22-33-44-AA", "192.0.2.1",
		"+4930123456", "00-11-22-33-44-AG", "00-00-00-00-00-00", "ff-ff-ff-ff-ff-ff",
		"01-00-5e-00-00-01", "00-11-22-33-44-AA\nx", "00112233-44AA", " 00-11-22-33-44-AA",
	};
	char	 entry[64];
	size_t	 i;

	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		snprintf(entry, sizeof(entry), "Calling-Station-Id=%s", good[i]);
		READ(entry);
		CHECK_STR(mac(), "00:11:22:33:44:aa");
		CHECK_STR(s.calling, good[i]);
	}
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		snprintf(entry, sizeof(entry), "Calling-Station-Id=%s", bad[i]);
		READ(entry);
		CHECK_STR(mac(), "");
		CHECK(strcmp(s.calling, bad[i]) == 0);
	}
	READ("Calling-Station-Id=da-a1-19-00-00-01");
	CHECK(id.has_mac && mac_is_random(id.mac));
	READ("Calling-Station-Id=00-11-22-33-44-55", "Calling-Station-Id=00-11-22-33-44-55");
	CHECK_STR(mac(), "00:11:22:33:44:55");
	READ("Calling-Station-Id=00-11-22-33-44-55", "Calling-Station-Id=00-11-22-33-44-66");
	CHECK_STR(mac(), "");
	CHECK_STR(s.calling, "00-11-22-33-44-55");
	CHECK(strstr(note, "names two devices") != NULL);
}

static void
test_cut(void)
{
	static const char	 name[] = "TLS-Client-Cert-Common-Name=";
	char			 entry[ENV_CUT + 2];

	memset(entry, 'a', sizeof(entry));
	memcpy(entry, name, sizeof(name) - 1);
	entry[ENV_CUT] = '\0';
	READ(entry);
	CHECK(id.nname == 0);
	CHECK(strstr(note, "TLS-Client-Cert-Common-Name is too long") != NULL);
	memcpy(entry, "TLS-Client-Cert-Subject=/CN=", sizeof(name) - 1);
	entry[ENV_CUT - 1] = '\0';
	READ(entry);
	CHECK(strlen(id.subject) == ENV_CUT - 1 - strlen("TLS-Client-Cert-Subject="));
	/* What no attribute can hold is left out, not cut. */
	memcpy(entry, "NAS-Identifier=aaaaaaaaaaaaaaaaaaaa", 30);
	READ(entry);
	CHECK_STR(s.nas_id, "");
	CHECK_STR(note, "NAS-Identifier is too long and not used");
}

static void
test_certificate(void)
{
	static const char	 san[] = "TLS-Client-Cert-X509v3-Subject-Alternative-Name=";
	char			 entry[512];

	/* From 3.2.7 on: one variable for each URI, its commas kept. */
	READ("TLS-Client-Cert-Subject-Alt-Name-Uri=tag:microsoft.com,2022-09-14:sid:S-1-5-21-7",
	    "TLS-Client-Cert-Subject-Alt-Name-Uri=intunedeviceid://"
	    "11111111-2222-4333-8444-555555555555");
	CHECK_STR(guid(0), "11111111-2222-4333-8444-555555555555");
	CHECK_STR(id.sid, "S-1-5-21-7");
	CHECK(!id.ambiguous && id.eap == EAP_TLS);
	/* Two devices in one certificate. */
	snprintf(entry, sizeof(entry), "%sDNS:x, URI:IntuneDeviceId://"
	    "11111111-2222-4333-8444-555555555555, URI:IntuneDeviceId://"
	    "22222222-2222-4333-8444-555555555555", san);
	READ(entry, "TLS-Client-Cert-Subject-Alt-Name-Dns=x");
	CHECK(id.ambiguous);
	/* Text that somebody chose for a DNS entry fakes a URI, alone or before
	 * another entry that hides it: the attribute gives it away. */
	snprintf(entry, sizeof(entry), "%sDNS:x, URI:IntuneDeviceId://"
	    "11111111-2222-4333-8444-555555555555", san);
	READ(entry, "TLS-Client-Cert-Subject-Alt-Name-Dns=x, URI:IntuneDeviceId://"
	    "11111111-2222-4333-8444-555555555555");
	CHECK(id.nguid == 0);
	CHECK(strstr(note, "may hold a forged entry") != NULL);
	READ(entry);
	CHECK(id.nguid == 0);
	READ(entry, "TLS-Client-Cert-Subject-Alt-Name-Dns=x");
	CHECK(id.nguid == 1);
	strcat(entry, ", DNS:y");
	READ(entry, "TLS-Client-Cert-Subject-Alt-Name-Dns=y");
	CHECK(id.nguid == 0);
	/* The same by a URI, an email address or a directory name. */
	snprintf(entry, sizeof(entry), "%sURI:http://x/a, URI:IntuneDeviceId://"
	    "11111111-2222-4333-8444-555555555555", san);
	READ(entry);
	CHECK(id.nguid == 0);
	snprintf(entry, sizeof(entry), "%semail:a, URI:IntuneDeviceId://"
	    "11111111-2222-4333-8444-555555555555", san);
	READ(entry);
	CHECK(id.nguid == 0);
	READ(entry, "TLS-Client-Cert-Subject-Alt-Name-Email=a");
	CHECK(id.nguid == 1);
	snprintf(entry, sizeof(entry), "%sDirName:CN = a, URI:IntuneDeviceId://"
	    "11111111-2222-4333-8444-555555555555", san);
	READ(entry);
	CHECK(id.nguid == 0);
	/* What holds no text does no harm. */
	snprintf(entry, sizeof(entry), "%sIP Address:192.0.2.1, othername: <unsupported>, "
	    "othername: UPN::a@b, URI:IntuneDeviceId://"
	    "11111111-2222-4333-8444-555555555555", san);
	READ(entry, "TLS-Client-Cert-Subject-Alt-Name-Upn=a@b");
	CHECK(id.nguid == 1);
	/* The same one twice is one; a GUID that goes on is none. */
	snprintf(entry, sizeof(entry), "%sURI:IntuneDeviceId://"
	    "11111111-2222-4333-8444-555555555555, URI:IntuneDeviceId://"
	    "11111111-2222-4333-8444-555555555555", san);
	READ(entry);
	CHECK(!id.ambiguous && id.nguid == 1);
	snprintf(entry, sizeof(entry), "%sURI:IntuneDeviceId://"
	    "11111111-2222-4333-8444-555555555555-x, URI:IntuneDeviceId://1111", san);
	READ(entry);
	CHECK(id.nguid == 0);
	/* A CN inside the subject is never cut out of it. */
	READ("TLS-Client-Cert-Subject=/O=x/CN=OTHER/CN=LAPTOP-1");
	CHECK(id.nname == 0 && id.nguid == 0);
	/* The issuing CA's fields are not the client's. */
	READ("TLS-Cert-Common-Name=11111111-2222-4333-8444-555555555555");
	CHECK(id.nguid == 0 && id.eap == EAP_NONE);
	READ("TLS-Client-Cert-Serial=0d:02", "TLS-Client-Cert-Expiration=garbage");
	CHECK_STR(id.serial, "");
	CHECK(id.not_after == 0);
}

static void
test_user_is_no_identity(void)
{
	READ("User-Name=host/LAPTOP-9.example.test", "EAP-Type=TTLS");
	CHECK(id.nname == 0 && id.nguid == 0 && id.eap == EAP_TTLS);
	READ("User-Name=host/LAPTOP-9", "EAP-Type=TLS", "TLS-Client-Cert-Serial=01");
	CHECK(id.nname == 0);
	READ("User-Name=11111111-2222-4333-8444-555555555555");
	CHECK(id.nguid == 0);
	READ("User-Name=alice@a@example.test");
	CHECK_STR(s.realm, "example.test");
	READ("User-Name=EXAMPLE\\alice");
	CHECK_STR(s.realm, "EXAMPLE");
	/* In a tunnel: the NAS knows the one, the client is the other. */
	READ("User-Name=anonymous@roam.test", "NAC-Inner-User=alice@example.test");
	CHECK_STR(s.user, "anonymous@roam.test");
	CHECK_STR(s.inner_user, "alice@example.test");
	CHECK_STR(session_login(&s), "alice@example.test");
	CHECK_STR(s.realm, "example.test");
	READ("NAC-Inner-User=alice", "User-Name=anonymous@roam.test");
	CHECK_STR(s.realm, "");
	READ("NAC-Inner-User=alice@a.test", "User-Name=alice@a.test");
	CHECK_STR(s.inner_user, "");
	CHECK_STR(s.realm, "a.test");
	CHECK(id.nname == 0);
}

static void
test_rest(void)
{
	READ("EAP-Message=0x0201");
	CHECK(id.eap == EAP_OTHER);
	READ("EAP-Type=PEAP", "EAP-Message=0x02");
	CHECK(id.eap == EAP_PEAP);
	READ("FreeRADIUS-Proxied-To=127.0.0.1");
	CHECK(id.eap == EAP_TTLS);
	READ("NAS-Port-Type=Ethernet");
	CHECK(s.medium == MEDIUM_WIRED);
	READ("NAS-Port-Type=Virtual");
	CHECK(s.medium == MEDIUM_VPN);
	READ("NAS-Port-Type=19");
	CHECK(s.medium == MEDIUM_WIRELESS);
	READ("NAS-Port-Type=Async");
	CHECK(s.medium == MEDIUM_UNKNOWN);
	READ("NAS-IPv6-Address=2001:db8::1", "NAS-IP-Address=192.0.2.1");
	CHECK_STR(s.nas_ip, "192.0.2.1");
	READ("NAS-IP-Address=192.0.2.1", "NAS-IPv6-Address=2001:db8::1");
	CHECK_STR(s.nas_ip, "192.0.2.1");
	READ("NAS-IPv6-Address=2001:db8::1");
	CHECK_STR(s.nas_ip, "2001:db8::1");
	READ("NAS-Identifier=a", "NAS-Identifier=b");
	CHECK_STR(s.nas_id, "a");
	CHECK_STR(note, "NAS-Identifier is given twice, the first one is used");
	READ("Called-Station-Id=02-00-00-AA-BB-CC");
	CHECK_STR(s.ssid, "");
	READ("Called-Station-Id=020000AABBCC", "Called-Station-SSID=corp");
	CHECK_STR(s.ssid, "corp");
	READ("Called-Station-Id=no mac:corp");
	CHECK_STR(s.ssid, "");
	READ("Chargeable-User-Identity=0x00ff");
	CHECK_STR(s.cui, "0x00ff");
	READ("Chargeable-User-Identity=0x4");
	CHECK_STR(s.cui, "0x4");
	READ("CISCO-AVPAIR=audit-session-id=XY", "nas-port=1");
	CHECK_STR(s.audit_session_id, "XY");
	CHECK_STR(s.nas_port, "1");
}

/* Whose NAS it is: many speak Cisco's attributes beside their own. */
static void
test_vendor(void)
{
	READ("User-Name=x", "MS-RAS-Vendor=11", "Ciscoish=1", "HPish-x=1", "=1");
	CHECK_STR(s.vendor, "");
	READ("Cisco-AVPair=audit-session-id=1");
	CHECK_STR(s.vendor, "cisco");
	READ("CISCO_AVPAIR=\"service-type=Framed\"", "MERAKI_DEVICE_NAME=\"ap\"");
	CHECK_STR(s.vendor, "meraki");
	READ("Meraki-Device-Name=ap", "Cisco-AVPair=audit-session-id=1");
	CHECK_STR(s.vendor, "meraki");
	READ("Airespace-Wlan-Id=7");
	CHECK_STR(s.vendor, "cisco");
	READ("Ruckus-SSID=x", "Aruba-Essid-Name=y");
	CHECK_STR(s.vendor, "ruckus");
	READ("HP_CAPABILITY_ADVERT=0x01");
	CHECK_STR(s.vendor, "hp");
	READ("Fabric-Attach-VLAN-ISID=1");
	CHECK_STR(s.vendor, "avaya");
}

static void
test_asn1_time(void)
{
	CHECK(env_asn1_time("261120225753Z") == 1795215473);
	CHECK(env_asn1_time("20261120225753Z") == 1795215473);
	CHECK(env_asn1_time("491231235959Z") == 2524607999);
	CHECK(env_asn1_time("500101000000Z") == -631152000);
	CHECK(env_asn1_time("99991231235959Z") == WHEN_ALWAYS);
	CHECK(env_asn1_time("") == 0);
	CHECK(env_asn1_time("261320225753Z") == 0);
	CHECK(env_asn1_time("2611202257Z") == 0);
	CHECK(env_asn1_time("261120225753+0100") == 0);
}

/* What only the server can know: its own attributes. */
static void
test_local(void)
{
	READ("NAC-Group=Staff", "NAC-Group=CN=VPN Users,DC=example", "NAC-Group=Staff",
	    "NAC-MFA-Time=1699990000", "NAC-App-Hint=not-a-real-hint",
	    "TLS-Client-Cert-Subject-Alt-Name-Uri=urn:example:x",
	    "TLS-Client-Cert-Subject-Alt-Name-Dns=laptop-1.example.test");
	CHECK(s.ngroup == 2 && s.mfa == 1699990000 && s.hint == HINT_NONE);
	CHECK_STR(s.group[1], "CN=VPN Users,DC=example");
	CHECK_STR(s.app_hint, "not-a-real-hint");
	CHECK(id.nsan_uri == 1 && id.nsan_dns == 1);
	CHECK_STR(id.san_uri[0], "urn:example:x");
	CHECK_STR(id.san_dns[0], "laptop-1.example.test");
	READ("NAC_GROUP=\"a\\tb\"", "NAC_MFA_TIME=\"2023-11-14T22:13:20Z\"");
	CHECK(s.ngroup == 0 && s.mfa == 1700000000);
	CHECK_STR(note, "NAC-Group is no text, too long or one too many and not used");
	READ("NAC-MFA-Time=yesterday");
	CHECK(s.mfa == 0);
	CHECK_STR(note, "NAC-MFA-Time is no time and not used");
}

int
main(void)
{
	test_bare();
	test_quoted();
	test_escapes();
	test_mac_forms();
	test_cut();
	test_certificate();
	test_user_is_no_identity();
	test_rest();
	test_vendor();
	test_asn1_time();
	test_local();
	return check_done();
}
