#include <stdint.h>
#include <string.h>

#include "check.h"
#include "device/identity.h"
#include "device/record.h"

#define A	"0f1e2d3c-1111-4222-8333-444455556666"
#define B	"a0b1c2d3-7777-4888-9999-aaaabbbbcccc"
#define ZERO	"00000000-0000-0000-0000-000000000000"
#define SID	"S-1-5-21-1-2-3-1104"
#define TAG	"tag:microsoft.com,2022-09-14:sid:"

static struct identity	 id;
static char		 text[GUID_TEXT];

static const char *
guid(size_t i)
{
	return i < id.nguid ? guid_format(text, &id.guid[i].guid) : "(none)";
}

static void
uri(const char *s)
{
	memset(&id, 0, sizeof(id));
	identity_add_uri(&id, s, strlen(s));
}

static void
san(const char *s)
{
	memset(&id, 0, sizeof(id));
	identity_add_san_text(&id, s);
}

static void
cn(const char *s)
{
	memset(&id, 0, sizeof(id));
	identity_add_cn(&id, s, FOUND_CN);
}

static void
test_uri(void)
{
	static const char *const one[][2] = {
		{ "IntuneDeviceId://" A, "IntuneDeviceId://" },
		{ "intunedeviceID://0F1E2D3C-1111-4222-8333-444455556666", "intunedeviceID://" },
		{ "ID:Microsoft Endpoint Manager:GUID:" A, "ID:Microsoft Endpoint Manager:GUID:" },
		{ "ID:Intune:GUID:" A, "ID:Intune:GUID:" },
		{ "corp:entra-device-id:" A, "corp:entra-device-id:" },
		{ A, "" },
		{ "IntuneDeviceId://" A "," TAG SID, "IntuneDeviceId://" },
		{ TAG SID ",IntuneDeviceId://" A, "IntuneDeviceId://" },
		{ "IntuneDeviceId://" A ",ID:Intune:GUID:" A, "IntuneDeviceId://" },
		{ "http://x.example/?a=1,2,," A, "" },
		{ "IntuneDeviceId://" ZERO "," A ",", "" },
	};
	static const char *const none[] = {
		"", ",", "IntuneDeviceId://", "IntuneDeviceId://" A "0", "IntuneDeviceId://" A " ",
		"IntuneDeviceId://" A "/x", "IntuneDeviceId://0f1e2d3c-1111-4222-8333-44445555666",
		"IntuneDeviceId:/" A, "xIntuneDeviceId://" A, "IntuneDeviceId://{" A "}",
		"IntuneDeviceId://" ZERO, TAG A, TAG "IntuneDeviceId://" A, "corp:entra-user-id:" A,
		"https://x.example/" A, "{" A "}", " " A, "ID:Other:GUID:" A,
	};
	size_t	 i;

	for (i = 0; i < sizeof(one) / sizeof(*one); i++) {
		uri(one[i][0]);
		CHECK(id.nguid == 1 && !id.ambiguous);
		CHECK_STR(guid(0), A);
		CHECK_STR(id.nguid ? id.guid[0].form : "(none)", one[i][1]);
	}
	for (i = 0; i < sizeof(none) / sizeof(*none); i++) {
		uri(none[i]);
		if (!CHECK(id.nguid == 0 && !id.ambiguous))
			printf("# %s\n", none[i]);
	}
	uri("IntuneDeviceId://" A "," TAG SID);
	CHECK_STR(id.sid, SID);
	uri(TAG "S-1-5-21;x");
	CHECK_STR(id.sid, "");
	uri("IntuneDeviceId://" A ",IntuneDeviceId://" B);
	CHECK(id.nguid == 2 && id.ambiguous);
	memset(&id, 0, sizeof(id));
	identity_add_uri(&id, "IntuneDeviceId://" A "\0,x", 17 + 36 + 3);
	CHECK(id.nguid == 0);
	/* Two URIs of one certificate are as good as one that is joined. */
	uri(A);
	identity_add_uri(&id, B, strlen(B));
	CHECK(id.nguid == 2 && id.ambiguous);
}

static void
test_san(void)
{
	san("DNS:laptop.example.test, URI:IntuneDeviceId://" A ", URI:" TAG SID
	    ", email:a@example.test, othername: UPN::alice@example.test");
	CHECK(id.nguid == 1 && id.nname == 0 && !id.ambiguous);
	CHECK_STR(guid(0), A);
	CHECK_STR(id.sid, SID);
	CHECK_STR(id.upn, "alice@example.test");
	san("URI:IntuneDeviceId://" A "," TAG SID);
	CHECK_STR(guid(0), A);
	san("DNS:" A);
	CHECK(id.nguid == 1 && id.guid[0].found == FOUND_SAN_DNS);
	san("URI:IntuneDeviceId://" A ", URI:IntuneDeviceId://" A);
	CHECK(id.nguid == 1 && !id.ambiguous);
	/* A second entry faked by text of the client's choosing. */
	san("email:x, URI:IntuneDeviceId://" B ", URI:IntuneDeviceId://" A);
	CHECK(id.ambiguous);
	san("email:x, URI:IntuneDeviceId://" B ", DNS:" A);
	CHECK(id.ambiguous);
	san("othername: UPN::a@x.test, othername: UPN::b@x.test");
	CHECK_STR(id.upn, "");
	san("URI:IntuneDeviceId://" A "x, email:URI:IntuneDeviceId://" A ", DNS:IntuneDeviceId://" A);
	CHECK(id.nguid == 0);
	san("URI:http://x/,IntuneDeviceId://" A "\n");
	CHECK(id.nguid == 0);
	san("URI:IntuneDeviceId://0f1e2d3c-1111-4222");
	CHECK(id.nguid == 0);
	san(", , URI:");
	CHECK(id.nguid == 0);
}

static void
test_cn(void)
{
	static const char *const whole[] = {
		"LAPTOP-1", "Ann's MacBook, \"new\"/old", "10.1.2.3", "a..b", ".a.b",
		"alice@corp.example", "*.corp.example", A ".corp.example",
	};
	char	 big[IDENTITY_TEXT + 1];
	size_t	 i;

	for (i = 0; i < sizeof(whole) / sizeof(*whole); i++) {
		cn(whole[i]);
		CHECK(id.nname == 1 && id.nguid == 0);
		CHECK_STR(id.name[0].text, whole[i]);
	}
	cn("LAPTOP-1.corp.example.");
	CHECK(id.nname == 2);
	CHECK_STR(id.name[0].text, "LAPTOP-1");
	CHECK_STR(id.name[1].text, "LAPTOP-1.corp.example");
	cn("{" A "}");
	CHECK(id.nname == 0 && id.nguid == 1 && id.guid[0].found == FOUND_CN);
	cn("");
	CHECK(id.nname == 0);
	cn("lap\ntop");
	CHECK(id.nname == 0);
	memset(big, 'a', sizeof(big));
	big[IDENTITY_TEXT] = '\0';
	cn(big);
	CHECK(id.nname == 0);
	big[IDENTITY_TEXT - 1] = '\0';
	cn(big);
	CHECK(id.nname == 1);
}

/* The order in which they come must not matter. */
static void
test_order(void)
{
	struct guid	 a, b;
	uint8_t		 i;

	guid_parse(A, &a);
	guid_parse(B, &b);
	cn(B);
	identity_add_guid(&id, &a, FOUND_SAN_DNS, "");
	identity_add_uri(&id, "ID:Intune:GUID:" B, 15 + 36);
	CHECK(id.nguid == 2 && !id.ambiguous);
	CHECK(guid_equal(&id.guid[0].guid, &b) && id.guid[0].found == FOUND_SAN_URI);
	CHECK_STR(id.guid[0].form, "ID:Intune:GUID:");
	CHECK(guid_equal(&id.guid[1].guid, &a));
	/* B was in the CN too, so another one there is one too many. */
	identity_add_guid(&id, &a, FOUND_CN, "");
	CHECK(id.ambiguous && id.nguid == 2);
	uri(B);
	identity_add_guid(&id, &b, FOUND_CN, "");
	identity_add_guid(&id, &a, FOUND_CN, "");
	CHECK(id.ambiguous);
	memset(&id, 0, sizeof(id));
	for (i = 0; i < IDENTITY_GUIDS + 2; i++) {
		a.b[15] = i;
		identity_add_guid(&id, &a, FOUND_CN, "");
	}
	CHECK(id.nguid == IDENTITY_GUIDS && id.ambiguous);
	identity_add_uri(&id, B, 36);
	CHECK(id.nguid == IDENTITY_GUIDS && guid_equal(&id.guid[0].guid, &b));

	memset(&id, 0, sizeof(id));
	identity_add_cn(&id, "pc.example.test", FOUND_SAN_DNS);
	identity_add_cn(&id, "PC", FOUND_CN);
	CHECK(id.nname == 2);
	CHECK_STR(id.name[0].text, "PC");
	CHECK_STR(id.name[1].text, "pc.example.test");
	identity_add_cn(&id, "pc", FOUND_SAN_DNS);
	CHECK(id.nname == 2 && id.name[0].found == FOUND_CN);
}

static void
test_names(void)
{
	enum found	 f;

	CHECK(eap_parse("TLS") == EAP_TLS && eap_parse("EAP-TLS") == EAP_TLS &&
	    eap_parse("13") == EAP_TLS && eap_parse("eap-ttls") == EAP_TTLS &&
	    eap_parse("21") == EAP_TTLS && eap_parse("PEAP") == EAP_PEAP &&
	    eap_parse("") == EAP_NONE && eap_parse("MD5-Challenge") == EAP_OTHER);
	CHECK(eap_parse(eap_name(EAP_TTLS)) == EAP_TTLS && eap_parse(eap_name(EAP_NONE)) == EAP_NONE);
	for (f = FOUND_SAN_URI; f <= FOUND_ARGUMENT; f++)
		CHECK(found_name(f)[0] != '\0');
}

/* What identity_write() makes of it, as one object. */
static const char *
written(char *buf, size_t size)
{
	struct jsonw	 w;

	jw_init(&w, buf, size);
	jw_object(&w, NULL);
	identity_write(&w, &id);
	jw_end_object(&w);
	return jw_done(&w);
}

static void
test_write(void)
{
	static char	 buf[RECORD_TEXT];
	struct guid	 g;
	uint8_t		 i;
	char		 name[IDENTITY_TEXT];

	memset(&id, 0, sizeof(id));
	CHECK_STR(written(buf, sizeof(buf)), "{\"identity\":{}}");
	cn("PC.x.test");
	identity_add_uri(&id, "ID:Intune:GUID:" A, 15 + 36);
	id.has_mac = mac_parse("02-00-00-AA-BB-CC", id.mac);
	id.not_before = 1;
	id.not_after = INT64_MAX;
	id.eap = EAP_TLS;
	CHECK_STR(written(buf, sizeof(buf)),
	    "{\"identity\":{\"guid\":[{\"value\":\"" A "\",\"found\":\"san-uri\",\"form\":\"ID:Intune:GUID:\"}],"
	    "\"name\":[{\"value\":\"PC\",\"found\":\"cn\"},{\"value\":\"PC.x.test\",\"found\":\"cn\"}],"
	    "\"mac\":\"02:00:00:aa:bb:cc\",\"mac_random\":true,"
	    "\"not_before\":\"1970-01-01T00:00:01Z\",\"not_after\":\"9999-12-31T23:59:59Z\",\"eap\":\"tls\"}}");
	/* The worst that can be put in still fits into a record's member. */
	guid_parse(A, &g);
	memset(name, 0xff, sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	for (i = 0; i < IDENTITY_GUIDS; i++) {
		name[i] = '"';
		identity_add_name(&id, name, FOUND_CN);
		g.b[0] = i;
		identity_add_guid(&id, &g, FOUND_ATTRIBUTE, "\001\001\001\001\001\001\001\001\001\001\001"
		    "\001\001\001\001\001\001\001\001\001\001\001\001\001\001\001\001\001\001\001\001\001\001");
	}
	memset(id.subject, 1, sizeof(id.subject) - 1);
	memset(id.issuer, 1, sizeof(id.issuer) - 1);
	memset(id.upn, 1, sizeof(id.upn) - 1);
	memset(id.sid, 1, sizeof(id.sid) - 1);
	memset(id.serial, 'f', sizeof(id.serial) - 1);
	memset(id.sha256, 'f', sizeof(id.sha256) - 1);
	CHECK(id.ambiguous && id.nname == IDENTITY_NAMES && id.nguid == IDENTITY_GUIDS);
	CHECK(written(buf, sizeof(buf)) != NULL);
	CHECK(written(buf, 100) == NULL);
}

int
main(void)
{
	test_uri();
	test_san();
	test_cn();
	test_order();
	test_names();
	test_write();
	return check_done();
}
