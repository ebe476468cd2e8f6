/* What needs no server of NAC 2.0: its XML, its window, which host may be it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "intune/discovery.h"
#include "intune/nac2_xml.h"
#include "intune/window.h"

#define ID	"7a1d0c52-3b4e-4f60-9a71-82b3c4d5e6f7"
#define OTHER	"1f2e3d4c-5b6a-4798-8a9b-acbdcedff001"
#define NS	" xmlns=\"http://schemas.datacontract.org/2004/07/Microsoft.Intune." \
		"ResourceAccess.ComplianceRetrievalService.Model\"" \
		" xmlns:i=\"http://www.w3.org/2001/XMLSchema-instance\""

static char	 why[128];

static bool
parse(const char *text, struct nac2_document *doc)
{
	why[0] = '\0';
	return nac2_parse(text, strlen(text), doc, why, sizeof(why));
}

static bool
refused(const char *text, const char *reason)
{
	struct nac2_document	 doc;

	if (parse(text, &doc)) {
		nac2_document_free(&doc);
		return false;
	}
	return doc.device == NULL && strstr(why, reason) != NULL;
}

static void
test_forms(void)
{
	static const char *const	 forms[] = {
		"<ise_api" NS "><name>attributes</name><deviceList><device><guid>" ID "</guid>"
		"<Attributes><guid>" ID "</guid><register_status>true</register_status>"
		"<Compliance><status>false</status></Compliance></Attributes></device>"
		"</deviceList></ise_api>",
		"<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<ise_api>\n <name> attributes\n</name>\n"
		" <paging_info>0</paging_info>\n <deviceList>\n  <device>\n   <attributes>\n"
		"    <guid>{" ID "}</guid>\n    <unknown><status>true</status></unknown>\n"
		"    <register_status>1</register_status>\n    <compliance reason=\"x\">\n"
		"     <status>FALSE</status>\n    </compliance>\n    <model/>\n   </attributes>\n"
		"  </device>\n </deviceList>\n</ise_api>\n",
		"<q:ISE_API xmlns:q=\"urn:q\"><q:Name>ATTRIBUTES</q:Name><q:DEVICELIST><q:Device>"
		"<q:GUID>" ID "</q:GUID><q:ATTRIBUTES><q:Register_Status>True</q:Register_Status>"
		"<q:COMPLIANCE><q:STATUS>0</q:STATUS></q:COMPLIANCE></q:ATTRIBUTES></q:Device>"
		"</q:DEVICELIST></q:ISE_API>",
	};
	struct nac2_document		 doc;
	struct guid			 id;
	size_t				 i;

	CHECK(guid_parse(ID, &id));
	for (i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		if (!CHECK(parse(forms[i], &doc)))
			continue;
		CHECK(doc.has_list && doc.ndevice == 1 && doc.paging[0] == '\0');
		CHECK(doc.device[0].has_id && guid_equal(&doc.device[0].id, &id));
		CHECK(doc.device[0].registered == NAC2_TRUE);
		CHECK(doc.device[0].compliant == NAC2_FALSE);
		nac2_document_free(&doc);
	}
}

/* An answer in the form of one that the service has given: tests/golden/nac2/NAME. */
static bool
parse_golden(const char *name, struct nac2_document *doc)
{
	char	 path[128], text[4096];
	size_t	 n;
	FILE	*f;

	snprintf(path, sizeof(path), "tests/golden/nac2/%s", name);
	if (!CHECK((f = fopen(path, "r")) != NULL))
		return false;
	n = fread(text, 1, sizeof(text) - 1, f);
	fclose(f);
	text[n] = '\0';
	return CHECK(parse(text, doc));
}

static void
check_golden_info(const char *name, int64_t version, const char *api_path)
{
	struct nac2_document	 doc;

	if (!parse_golden(name, &doc))
		return;
	CHECK_STR(doc.name, "mdminfo");
	CHECK(doc.api_version == version && !doc.has_list && doc.ndevice == 0);
	CHECK_STR(doc.api_path, api_path);
	CHECK_STR(doc.redirect_url, "https://portal.example/nac/index");
	CHECK(doc.query_max_size == 100 && doc.messaging == NAC2_FALSE);
	CHECK_STR(doc.vendor, "Example");
	CHECK_STR(doc.product_name, "Example Devices");
	CHECK_STR(doc.product_version, "7.1");
	nac2_document_free(&doc);
}

static void
test_golden(void)
{
	static const char *const	 ids[] = { ID, OTHER, "c0ffee00-1234-4abc-9def-0123456789ab" };
	struct nac2_document		 doc;
	char				 text[GUID_TEXT];
	size_t				 i;

	if (parse_golden("guid-v3.xml", &doc)) {
		CHECK_STR(doc.name, "attributes");
		CHECK(doc.api_version == 3 && doc.has_list && doc.ndevice == 1);
		CHECK(doc.paging[0] == '\0' && doc.busy_wait == 0);
		CHECK_STR(guid_format(text, &doc.device[0].id), ID);
		CHECK(doc.device[0].registered == NAC2_TRUE &&
		    doc.device[0].compliant == NAC2_TRUE && doc.device[0].nmac == 0);
		nac2_document_free(&doc);
	}
	if (parse_golden("noncompliant-v3.xml", &doc)) {
		CHECK(doc.has_list && doc.ndevice == 3 && doc.paging[0] == '\0');
		for (i = 0; i < doc.ndevice && i < 3; i++) {
			CHECK_STR(guid_format(text, &doc.device[i].id), ids[i]);
			CHECK(doc.device[i].compliant == NAC2_FALSE);
		}
		nac2_document_free(&doc);
	}
	/* Of the older service: no namespace, lower case, no guid, more attributes. */
	if (parse_golden("mac-v2.xml", &doc)) {
		CHECK(doc.api_version == 2 && doc.ndevice == 1 && !doc.device[0].has_id);
		CHECK(doc.device[0].registered == NAC2_TRUE &&
		    doc.device[0].compliant == NAC2_FALSE);
		nac2_document_free(&doc);
	}
	check_golden_info("mdminfo-v3.xml", 3, "/Gateway/Service/cisco");
	check_golden_info("mdminfo-v2.xml", 2, "/Service/info/mdm/api");
}

static void
test_lists(void)
{
	struct nac2_document	 doc;

	CHECK(parse("<ise_api><deviceList/></ise_api>", &doc) && doc.has_list &&
	    doc.ndevice == 0);
	CHECK(parse("<ise_api><deviceList></deviceList></ise_api>", &doc) && doc.has_list &&
	    doc.ndevice == 0);
	CHECK(parse("<ise_api><name>attributes</name></ise_api>", &doc) && !doc.has_list);
	CHECK(parse("<ise_api><paging_info>eyJ+/=&amp;x</paging_info>"
	    "<server_busy_wait_seconds>30</server_busy_wait_seconds><deviceList>"
	    "<device><macaddress>0C1D2E3F4A5B</macaddress></device>"
	    "<device><attributes><macaddresses>0c:1d:2e:3f:4a:5b,0C-1D-2E-3F-4A-5C, n/a,"
	    "0C1D2E3F4A5B,000000000000</macaddresses><register_status/></attributes></device>"
	    "</deviceList></ise_api>", &doc));
	CHECK_STR(doc.paging, "eyJ+/=&x");
	CHECK(doc.busy_wait == 30 && doc.ndevice == 2);
	CHECK(doc.device[0].nmac == 1 && doc.device[1].nmac == 2);
	CHECK(doc.device[1].mac[1][5] == 0x5c && !doc.device[1].has_id);
	CHECK(doc.device[1].registered == NAC2_ABSENT);
	nac2_document_free(&doc);
	CHECK(parse("<ise_api><name>mdminfo</name><api_version>3</api_version><redirect_url>"
	    "https://portal.example/a?b=1&amp;c=2</redirect_url><query_max_size>99999999999999999999"
	    "</query_max_size><messaging_support>false</messaging_support></ise_api>", &doc));
	CHECK_STR(doc.redirect_url, "https://portal.example/a?b=1&c=2");
	CHECK(doc.api_version == 3 && doc.query_max_size == INT32_MAX &&
	    doc.messaging == NAC2_FALSE);
	nac2_document_free(&doc);
}

#define DEVICE(x)	"<ise_api><deviceList><device>" x "</device></deviceList></ise_api>"

static void
test_refused(void)
{
	char	*big;
	size_t	 i, n;

	CHECK(refused("", "no XML"));
	CHECK(refused("<ise_api><deviceList>", "no XML"));
	CHECK(refused("<ise_api/>trailing", "no XML"));
	CHECK(refused("<ise_api><name>&nbsp;</name></ise_api>", "no XML"));
	CHECK(refused("<html><body/></html>", "no ise_api"));
	CHECK(refused("<!DOCTYPE ise_api><ise_api/>", "document type"));
	CHECK(refused("<!DOCTYPE x [<!ENTITY e SYSTEM \"file:///etc/passwd\">]>"
	    "<ise_api><name>&e;</name></ise_api>", "document type"));
	CHECK(refused(DEVICE("<guid>7</guid>"), "guid is none"));
	CHECK(refused(DEVICE("<guid>00000000-0000-0000-0000-000000000000</guid>"), "guid is none"));
	CHECK(refused(DEVICE("<guid>" ID "</guid><attributes><guid>" OTHER "</guid></attributes>"),
	    "two different guids"));
	CHECK(refused(DEVICE("<attributes><register_status>yes</register_status></attributes>"),
	    "neither true nor false"));
	CHECK(refused(DEVICE("<attributes><compliance><status>true</status></compliance>"
	    "<compliance><status>false</status></compliance></attributes>"), "differently"));
	CHECK(refused(DEVICE("<guid><b>" ID "</b></guid>"), "where text should be"));
	CHECK(refused(DEVICE("<macaddresses>0C0000000001,0C0000000002,0C0000000003,0C0000000004,"
	    "0C0000000005,0C0000000006,0C0000000007,0C0000000008,0C0000000009,0C000000000A,"
	    "0C000000000B,0C000000000C,0C000000000D,0C000000000E,0C000000000F,0C0000000010,"
	    "0C0000000011</macaddresses>"), "too many MAC"));
	n = NAC2_XML_MAX + 1;
	if ((big = malloc(n + 1)) == NULL)
		abort();
	memset(big, ' ', n);
	big[n] = '\0';
	CHECK(refused(big, "too large"));
	memset(big, 'x', NAC2_TEXT);
	memcpy(big, "<ise_api><name>", 15);
	memcpy(big + NAC2_TEXT + 20, "</name></ise_api>", 18);
	memset(big + NAC2_TEXT, 'x', 20);
	CHECK(refused(big, "too long"));
	big[0] = '\0';
	for (i = n = 0; i < NAC2_DEPTH + 1; i++)
		n += (size_t)sprintf(big + n, i == 0 ? "<ise_api>" : "<a>");
	CHECK(refused(big, "too deep"));
	n = (size_t)sprintf(big, "<ise_api><deviceList>");
	for (i = 0; i <= NAC2_DEVICES; i++)
		n += (size_t)sprintf(big + n, "<device/>");
	CHECK(refused(big, "more devices"));
	free(big);
}

#define NOW	INT64_C(1795000000)

static enum window
at(int64_t first, int64_t last, int64_t closed, int64_t now, int64_t *until)
{
	struct window_state	 w = { .first = first, .last = last, .calls = 1,
				    .until = closed };

	return window_at(&w, now, until);
}

static void
test_window(void)
{
	int64_t	 until;

	CHECK(at(0, 0, 0, NOW, &until) == WINDOW_NEW && until == 0);
	/* Open for an hour from when the first call was sent, with a margin. */
	CHECK(at(NOW, NOW + 30, 0, NOW, &until) == WINDOW_OPEN && until == NOW + 3600 - 120);
	CHECK(at(NOW, NOW + 30, 0, NOW + 3479, &until) == WINDOW_OPEN);
	CHECK(at(NOW, NOW + 30, 0, NOW + 3480, &until) == WINDOW_CLOSED);
	/* Closed until four hours from when it had arrived at the latest, with a margin. */
	CHECK(until == NOW + 30 + 14400 + 120);
	CHECK(at(NOW, NOW + 30, 0, NOW + 14400, &until) == WINDOW_CLOSED);
	CHECK(at(NOW, NOW + 30, 0, NOW + 14549, &until) == WINDOW_CLOSED);
	CHECK(at(NOW, NOW + 30, 0, NOW + 14550, &until) == WINDOW_NEW && until == 0);
	/* What the service itself has said goes before. */
	CHECK(at(0, 0, NOW + 5, NOW, &until) == WINDOW_CLOSED && until == NOW + 5);
	CHECK(at(NOW, NOW, NOW + 5, NOW, &until) == WINDOW_CLOSED && until == NOW + 5);
	CHECK(at(0, 0, NOW + 5, NOW + 5, &until) == WINDOW_NEW && until == 0);
}

#define INTUNE	".manage.microsoft.com"

static void
test_hosts(void)
{
	static const char *const	 good[] = {
		"https://fef.amsua0101.manage.microsoft.com/TrafficGateway/x",
		"HTTPS://FEF.AMSUA0101.Manage.Microsoft.Com/x",
		"https://fef.manage.microsoft.com:443/x",
		"https://a.manage.microsoft.com",
	};
	static const char *const	 bad[] = {
		"http://fef.manage.microsoft.com/x", "https://manage.microsoft.com/x",
		"https://.manage.microsoft.com/x", "https://evilmanage.microsoft.com/x",
		"https://fef.manage.microsoft.com.evil.example/x",
		"https://evil.example/.manage.microsoft.com",
		"https://evil.example#.manage.microsoft.com",
		"https://evil.example?.manage.microsoft.com",
		"https://evil.example\\.manage.microsoft.com/x",
		"https://user@fef.manage.microsoft.com/x",
		"https://fef.manage.microsoft.com@evil.example/x",
		"https://fef.manage.microsoft.com:8443/x",
		"https://evil.example:443:443/.manage.microsoft.com:443",
		"https://evil.example:.manage.microsoft.com/x",
		"https://[::1].manage.microsoft.com/x", "https://a b.manage.microsoft.com/x",
		"https://fef.manage.microsoft.com/x?y", "https://fef.manage.microsoft.com/\n",
		"https://", "https:///x", "", "fef.manage.microsoft.com/x",
	};
	size_t				 i;

	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		if (!CHECK(discovery_uri_ok(good[i], INTUNE)))
			printf("# %s\n", good[i]);
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (!CHECK(!discovery_uri_ok(bad[i], INTUNE)))
			printf("# %s\n", bad[i]);
	CHECK(discovery_uri_ok("https://127.0.0.1:4430/x", INTUNE ", 127.0.0.1:4430"));
	CHECK(!discovery_uri_ok("https://127.0.0.1:4431/x", INTUNE ", 127.0.0.1:4430"));
	CHECK(!discovery_uri_ok("https://127.0.0.1:4430/x", ""));
	CHECK(!discovery_uri_ok("https://x.example/", "."));
	CHECK(discovery_uri_ok("https://nac.example/x", "a.example  nac.example"));
	CHECK(!discovery_uri_ok("https://x.nac.example/x", "nac.example"));
}

int
main(void)
{
	test_window();
	test_hosts();
	test_forms();
	test_golden();
	test_lists();
	test_refused();
	return check_done();
}
