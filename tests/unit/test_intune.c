/* What needs no server of src/intune: small parsers and their limits. */
#include <jansson.h>
#include <stdlib.h>
#include <sysexits.h>

#include "base/when.h"
#include "check.h"
#include "intune/aadsts.h"
#include "intune/entra.h"
#include "intune/graph.h"
#include "intune/ids.h"
#include "intune/jwt.h"
#include "intune/managed.h"
#include "intune/msi.h"
#include "intune/section.h"
#include "intune/settings.h"
#include "intune/tokencache.h"
#include "intune/wire.h"

#define NOW	INT64_C(1795000000)	/* 2026-11-18T11:06:40Z */

static void
test_wire(void)
{
	struct guid	 g;
	char		*s, text[GUID_TEXT], again[GUID_TEXT];

	s = wire_escape("deviceName eq 'O''Brien & Söhne/1+%'");
	CHECK_STR(s, "deviceName%20eq%20%27O%27%27Brien%20%26%20S%C3%B6hne%2F1%2B%25%27");
	free(s);
	CHECK(guid_parse(wire_guid(text), &g) && text[14] == '4');
	CHECK(strchr("89ab", text[19]) != NULL);
	CHECK(strcmp(text, wire_guid(again)) != 0);
	CHECK(wire_retry_after("17", NOW) == 17);
	CHECK(wire_retry_after("0", NOW) == 0);
	CHECK(wire_retry_after("99999999999999999999", NOW) == WIRE_WAIT_MAX);
	CHECK(wire_retry_after("Wed, 18 Nov 2026 11:07:10 GMT", NOW) == 30);
	CHECK(wire_retry_after("Wed, 18 Nov 2026 11:06:00 GMT", NOW) == 0);
	CHECK(wire_retry_after("Wed, 18 Nov 2099 11:06:00 GMT", NOW) == WIRE_WAIT_MAX);
	CHECK(wire_retry_after("Wednesday, 18-Nov-26 11:07:10 GMT", NOW) == 30);
	CHECK(wire_retry_after("Wed Nov 18 11:07:10 2026", NOW) == 30);
	CHECK(wire_retry_after("Mon Nov  2 11:07:10 2026", NOW) == 0);
	CHECK(wire_retry_after("Wed Nov 18 11:07:10 2026 GMT", NOW) == -1);
	CHECK(wire_retry_after("Wednesday, 18-Nov-26 11:07:10", NOW) == -1);
	CHECK(wire_retry_after("", NOW) == -1);
	CHECK(wire_retry_after("-5", NOW) == -1);
	CHECK(wire_retry_after("5 seconds", NOW) == -1);
	CHECK(wire_retry_after("Wed, 18 Nov 2026 11:07:10 GMT and more", NOW) == -1);
}

/* Full jitter: each attempt's wait lies anywhere from nothing to twice the maximum of
 * the one before, up to a ceiling.  A chance of 1 in 10^180 says that it does not. */
static void
test_backoff(void)
{
	enum { DRAWS = 4000 };
	int64_t	 max = 500, ms, least, most, sum;
	int	 attempt, i;

	for (attempt = 1; attempt <= 12; attempt++) {
		least = INT64_MAX;
		most = sum = 0;
		for (i = 0; i < DRAWS; i++) {
			ms = wire_backoff(attempt);
			least = ms < least ? ms : least;
			most = ms > most ? ms : most;
			sum += ms;
		}
		CHECK(least >= 0 && least < max / 10);
		CHECK(most <= max && most > max - max / 10);
		CHECK(sum / DRAWS > max * 4 / 10 && sum / DRAWS < max * 6 / 10);
		max = max * 2 < 20000 ? max * 2 : 20000;
	}
	CHECK(wire_backoff(INT32_MAX) <= 20000);
}

static void
test_same_host(void)
{
	CHECK(wire_same_host("https://graph.microsoft.com/v1.0/x", "graph.microsoft.com"));
	CHECK(wire_same_host("HTTPS://Graph.Microsoft.Com/v1.0/x", "graph.microsoft.com"));
	CHECK(wire_same_host("https://graph.microsoft.com:443/x", "graph.microsoft.com"));
	CHECK(wire_same_host("https://graph.microsoft.com?x", "graph.microsoft.com:443"));
	CHECK(wire_same_host("https://127.0.0.1:4430/x", "127.0.0.1:4430"));
	CHECK(!wire_same_host("http://graph.microsoft.com/x", "graph.microsoft.com"));
	CHECK(!wire_same_host("https://graph.microsoft.com:444/x", "graph.microsoft.com"));
	CHECK(!wire_same_host("https://127.0.0.1:443/x", "127.0.0.1:4430"));
	CHECK(!wire_same_host("https://graph.microsoft.com@evil.example/x", "graph.microsoft.com"));
	CHECK(!wire_same_host("https://graph.microsoft.com:x@evil.example/", "graph.microsoft.com"));
	CHECK(!wire_same_host("https://graph.microsoft.com.evil.example/x", "graph.microsoft.com"));
	CHECK(!wire_same_host("https://evil.example/graph.microsoft.com", "graph.microsoft.com"));
	CHECK(!wire_same_host("https://graph.microsoft.com\\@evil.example/", "graph.microsoft.com"));
	CHECK(!wire_same_host("//graph.microsoft.com/x", "graph.microsoft.com"));
	CHECK(!wire_same_host("/v1.0/x", "graph.microsoft.com"));
	CHECK(!wire_same_host("", "graph.microsoft.com"));
}

/* Feeds an answer to entra_answer(); true when it gave a token. */
static bool
answer(long http, const char *body, const char *retry_after, struct token *t,
    struct token_error *e)
{
	memset(e, 0, sizeof(*e));
	return entra_answer(http, body, strlen(body), retry_after, NOW, t, e);
}

static void
test_token_good(void)
{
	struct token_error	 e;
	struct token		 t;

	CHECK(answer(200, "{\"token_type\":\"Bearer\",\"expires_in\":3599,"
	    "\"ext_expires_in\":3599,\"access_token\":\"aa.bb.cc\"}", "", &t, &e));
	CHECK_STR(t.text, "aa.bb.cc");
	CHECK(t.obtained == NOW && t.expires == NOW + 3599);
	token_wipe(&t);
	CHECK(t.text == NULL);
	CHECK(answer(200, "{\"token_type\":\"bearer\",\"expires_in\":\"3971\","
	    "\"access_token\":\"x\"}", "", &t, &e) && t.expires == NOW + 3971);
	token_wipe(&t);
}

static void
test_token_bad(void)
{
	static const char *const	 bad[] = {
		"", "<html>sign in</html>", "[]", "null", "{}", "{\"token_type\":\"Bearer\"",
		"{\"token_type\":\"Bearer\",\"expires_in\":3599}",
		"{\"token_type\":\"Bearer\",\"expires_in\":3599,\"access_token\":\"\"}",
		"{\"token_type\":\"Bearer\",\"expires_in\":3599,\"access_token\":12}",
		"{\"token_type\":\"Bearer\",\"expires_in\":3599,\"access_token\":\"a\\r\\nX: y\"}",
		"{\"token_type\":\"pop\",\"expires_in\":3599,\"access_token\":\"a\"}",
		"{\"token_type\":\"Bearer\",\"expires_in\":0,\"access_token\":\"a\"}",
		"{\"token_type\":\"Bearer\",\"expires_in\":-1,\"access_token\":\"a\"}",
		"{\"token_type\":\"Bearer\",\"expires_in\":1e9,\"access_token\":\"a\"}",
		"{\"token_type\":\"Bearer\",\"expires_in\":\"soon\",\"access_token\":\"a\"}",
		"{\"token_type\":\"Bearer\",\"access_token\":\"a\"}",
		"{\"access_token\":\"a\",\"token_type\":\"Bearer\",\"expires_in\":9,\"expires_in\":9}",
	};
	struct token_error	 e;
	struct token		 t;
	size_t			 i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (!CHECK(!answer(200, bad[i], "", &t, &e) && t.text == NULL &&
		    e.status == EX_TEMPFAIL && e.text[0] != '\0'))
			printf("# %s\n", bad[i]);
}

static void
test_token_refused(void)
{
	static const char	 wrong[] = "{\"error\":\"invalid_client\",\"error_description\":"
	    "\"AADSTS7000215: Invalid client secret.\\r\\nTrace ID: t\\r\\nTimestamp: x\","
	    "\"error_codes\":[7000215],\"trace_id\":\"11-22\",\"correlation_id\":\"33-44\"}";
	struct token_error	 e;
	struct token		 t;

	CHECK(!answer(401, wrong, "", &t, &e) && e.status == EX_NOPERM && e.wait == -1);
	CHECK_STR(e.text, "HTTP 401: invalid_client, AADSTS7000215: the client secret is wrong"
	    " (trace 11-22, correlation 33-44)");
	CHECK(!answer(400, "{\"error\":\"invalid_x\",\"error_description\":"
	    "\"AADSTS1: Something\\u001b[31m new.\\r\\nTrace ID: t\"}", "", &t, &e));
	CHECK(strstr(e.text, "AADSTS1: Something\\x1b[31m new. (") != NULL);
	CHECK(strpbrk(e.text, "\r\n\033") == NULL && e.status == EX_NOPERM);
	CHECK(!answer(429, "{\"error\":\"invalid_grant\",\"error_description\":\"AADSTS50196: x\"}",
	    "", &t, &e) && e.status == EX_TEMPFAIL && e.wait == 60);
	CHECK(!answer(429, "slow down", "7", &t, &e) && e.status == EX_TEMPFAIL && e.wait == 7);
	CHECK(!answer(503, "{\"error\":\"temporarily_unavailable\"}", "3", &t, &e) &&
	    e.status == EX_TEMPFAIL && e.wait == 3);
	CHECK(!answer(500, "", "", &t, &e) && e.status == EX_TEMPFAIL && e.wait == -1);
	CHECK(!answer(302, "", "", &t, &e) && e.status == EX_UNAVAILABLE);
	CHECK(!answer(403, "<html>proxy</html>", "", &t, &e) && e.status == EX_UNAVAILABLE);
}

static void
test_cache_text(void)
{
#define WHOSE	"\"authority\":\"a\",\"tenant\":\"t\",\"client_id\":\"c\",\"scope\":\"s\","
	static const struct {
		const char	*text;
		bool		 good;
	} cases[] = {
		{ "{" WHOSE "\"obtained\":1794999000,\"expires\":1795002600,"
		    "\"access_token\":\"x.y\"}", true },
		{ "{" WHOSE "\"obtained\":1795009000,\"expires\":1795012600,"
		    "\"access_token\":\"x.y\"}", false },		/* from the future */
		{ "{" WHOSE "\"obtained\":1794999000,\"expires\":1794990000,"
		    "\"access_token\":\"x.y\"}", false },		/* ends before it starts */
		{ "{" WHOSE "\"obtained\":0,\"expires\":9223372036854775807,"
		    "\"access_token\":\"x.y\"}", false },		/* lives for ever */
		{ "{" WHOSE "\"obtained\":\"1\",\"expires\":2,\"access_token\":\"x\"}", false },
		{ "{" WHOSE "\"obtained\":1,\"expires\":2,\"access_token\":\"x y\"}", false },
		{ "{\"authority\":\"a\",\"tenant\":\"t\",\"client_id\":\"c\",\"scope\":\"z\","
		    "\"obtained\":1794999000,\"expires\":1795002600,\"access_token\":\"x\"}", false },
		{ "", false }, { "{", false }, { "[]", false }, { "\"x\"", false }, { "{}", false },
	};
	struct settings	 set = { .authority = "a", .tenant = "t", .client_id = "c" };
	char		 scope[] = "s";
	struct token	 t;
	const char	*fault;
	size_t		 i;

	set.scope = scope;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		fault = tokencache_parse(&set, cases[i].text, strlen(cases[i].text), NOW, &t);
		CHECK((fault == NULL) == cases[i].good && (t.text != NULL) == cases[i].good);
		token_wipe(&t);
	}
}

static void
test_claims(void)
{
	size_t	 len;
	char	*s;

	s = jwt_claims("e30.eyJyb2xlcyI6WyJhIl19.sig", &len);
	CHECK(s != NULL && len == 15);
	CHECK_STR(s != NULL ? s : "", "{\"roles\":[\"a\"]}");
	free(s);
	CHECK(jwt_claims("opaque", &len) == NULL);
	CHECK(jwt_claims("a.b", &len) == NULL);
	CHECK(jwt_claims("a.b+c=.d", &len) == NULL);
	s = jwt_claims("..", &len);
	CHECK(s != NULL && len == 0);
	free(s);
	CHECK(token_text_ok("abc.DEF-_~+/=") && !token_text_ok("") && !token_text_ok("a b"));
	CHECK(!token_text_ok("a\nb") && !token_text_ok("\xc3\xa4"));
}

static bool
parse(const char *text, struct managed *m, char why[128])
{
	json_t	*o = json_loads(text, JSON_DECODE_ANY, NULL);
	bool	 good = managed_parse(o, m, why, 128);

	json_decref(o);
	return good;
}

#define ID	"\"id\":\"0A1B2C3D-0000-4000-8000-00000000000a\""

static void
test_managed_good(void)
{
	struct managed	 m;
	char		 why[128], text[GUID_TEXT];

	CHECK(parse("{" ID ",\"azureADDeviceId\":\"1A1B2C3D-0000-4000-8000-00000000000a\","
	    "\"deviceName\":\"LAPTOP-1\",\"complianceState\":\"inGracePeriod\","
	    "\"wiFiMacAddress\":\"0045E25EAB1B\",\"ethernetMacAddress\":\"\",\"isEncrypted\":true,"
	    "\"lastSyncDateTime\":\"2026-11-18T11:06:40.1234567Z\",\"model\":null,"
	    "\"enrolledDateTime\":\"0001-01-01T00:00:00Z\",\"jailBroken\":\"Unknown\","
	    "\"complianceGracePeriodExpirationDateTime\":\"9999-12-31T23:59:59.9999999Z\","
	    "\"tomorrow\":{\"x\":[]}}", &m, why));
	CHECK_STR(guid_format(text, &m.device.id), "0a1b2c3d-0000-4000-8000-00000000000a");
	CHECK(m.device.has_entra_id && m.device.has_wifi_mac && !m.device.has_ethernet_mac);
	CHECK(m.state == COMPLIANCE_GRACE && m.device.encrypted && m.odd_state[0] == '\0');
	CHECK(m.device.last_sync == NOW && m.device.enrolled == WHEN_NEVER &&
	    m.device.grace_until == WHEN_ALWAYS);
	CHECK_STR(m.device.model, "");
	CHECK(parse("{" ID ",\"complianceState\":\"quantum\\u001b\"}", &m, why));
	CHECK(m.state == COMPLIANCE_ERROR);
	CHECK_STR(m.odd_state, "quantum\\x1b");
	/* Words of our own are no words of Graph's. */
	CHECK(parse("{" ID ",\"complianceState\":\"unregistered\"}", &m, why));
	CHECK(m.state == COMPLIANCE_ERROR && m.odd_state[0] != '\0');
	CHECK(parse("{" ID ",\"complianceState\":\"pending\"}", &m, why));
	CHECK(m.state == COMPLIANCE_ERROR);
	CHECK(parse("{" ID ",\"complianceState\":\"compliant\",\"azureADDeviceId\":"
	    "\"00000000-0000-0000-0000-000000000000\",\"wiFiMacAddress\":\"000000000000\","
	    "\"lastSyncDateTime\":\"yesterday\"}", &m, why));
	CHECK(!m.device.has_entra_id && !m.device.has_wifi_mac && m.device.last_sync == 0);
}

static void
test_managed_bad(void)
{
	static const char *const	 bad[] = {
		"null", "[]", "{}", "{" ID "}", "{\"complianceState\":\"compliant\"}",
		"{\"id\":5,\"complianceState\":\"compliant\"}",
		"{\"id\":\"x\",\"complianceState\":\"compliant\"}",
		"{" ID ",\"complianceState\":2}", "{" ID ",\"complianceState\":null}",
		"{" ID ",\"complianceState\":\"\"}",
		"{" ID ",\"complianceState\":\"compliant\",\"deviceName\":{\"a\":1}}",
		"{" ID ",\"complianceState\":\"compliant\",\"azureADDeviceId\":[\"x\"]}",
		"{" ID ",\"complianceState\":\"compliant\",\"wiFiMacAddress\":true}",
		"{" ID ",\"complianceState\":\"compliant\",\"lastSyncDateTime\":0}",
		"{" ID ",\"complianceState\":\"compliant\",\"isEncrypted\":\"yes\"}",
	};
	struct managed	 m;
	char		 why[128], text[512], name[300];
	size_t		 i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		why[0] = '\0';
		if (!CHECK(!parse(bad[i], &m, why) && why[0] != '\0'))
			printf("# %s\n", bad[i]);
	}
	/* Half a name would be another device's name. */
	memset(name, 'a', sizeof(name));
	name[sizeof(name) - 1] = '\0';
	snprintf(text, sizeof(text), "{" ID ",\"complianceState\":\"compliant\","
	    "\"deviceName\":\"%s\"}", name);
	CHECK(parse(text, &m, why) && m.device.name[0] == '\0');
}

/* What the quick reader must take for --all to be quick, and what it must leave to
 * the careful one; that both say the same is fuzz_managed's to see. */
static void
test_managed_scan(void)
{
	static const char *const	 plain[] = {
		"{" ID ",\"complianceState\":\"compliant\"}",
		"{" ID ",\"complianceState\":\"inGracePeriod\",\"model\":null,\"isEncrypted\":false,"
		"\"deviceName\":\"J\xc3\xb6rg\",\"wiFiMacAddress\":\"\",\"osVersion\":\"10.0\","
		"\"lastSyncDateTime\":\"2026-11-18T11:06:40.1234567Z\",\"list\":[],\"n\":7}",
		"{ " ID " ,\n\"complianceState\" : \"error\" }",
	};
	static const char *const	 careful[] = {
		"", "{", "{}", "[]", "{" ID "}", "{\"complianceState\":\"compliant\"}",
		"{" ID ",\"complianceState\":\"compliant\"", "{" ID ",\"complianceState\":\"new\"}",
		"{" ID ",\"complianceState\":\"compliant\",}",
		"{" ID ",\"complianceState\":\"compliant\"," ID "}",
		"{" ID ",\"complianceState\":\"compliant\",\"x\":1,\"x\":2}",
		"{" ID ",\"complianceState\":\"compliant\",\"deviceName\":\"\\u0041\"}",
		"{" ID ",\"complianceState\":\"compliant\",\"deviceName\":\"\xc3\"}",
		"{" ID ",\"complianceState\":\"compliant\",\"x\":{\"y\":1}}",
		"{" ID ",\"complianceState\":\"compliant\",\"model\":7}",
		"{" ID ",\"complianceState\":\"compliant\",\"lastSyncDateTime\":\"today\"}",
	};
	struct managed_guess		 guess = { { 0 } };
	struct managed			 m;
	size_t				 i;
	char				 behind[512];

	for (i = 0; i < sizeof(plain) / sizeof(plain[0]); i++) {
		snprintf(behind, sizeof(behind), "%s,{", plain[i]);
		if (!CHECK(managed_scan(behind, strlen(behind), &guess, &m) == strlen(plain[i])))
			printf("# %s\n", plain[i]);
	}
	CHECK_STR(m.device.name, "");
	CHECK(m.state == COMPLIANCE_ERROR && m.device.has_id);
	for (i = 0; i < sizeof(careful) / sizeof(careful[0]); i++)
		if (!CHECK(managed_scan(careful[i], strlen(careful[i]), &guess, &m) == 0))
			printf("# %s\n", careful[i]);
}

/* How many items a page has; -1 for what is no page, -2 for one that goes bad. */
static int
page(const char *text, bool *last)
{
	struct page	 p;
	enum page_end	 end;
	json_t		*o;
	int		 n = 0;

	if (page_open(&p, strdup(text), strlen(text))) {
		*last = p.next == NULL;
		while ((end = page_item(&p, &o)) == PAGE_ITEM) {
			json_decref(o);
			n++;
		}
		if (end == PAGE_BAD)
			n = -2;
	} else
		n = -1;
	if (n < 0 && p.why[0] == '\0')
		n = -3;
	page_close(&p);
	return n;
}

static void
test_ids(void)
{
	struct ids	 ids;
	struct guid	 id = { { 0 } };
	uint32_t	 i, twice = 0;

	/* More than expected, so that it grows, and all of them once more. */
	ids_open(&ids, 10);
	for (i = 1; i <= 200000; i++) {
		memcpy(id.b + 12, &i, sizeof(i));
		ids_expect(&ids, &id);
		twice += !ids_add(&ids, &id);
	}
	CHECK(twice == 0 && ids.n == 200000);
	for (i = 1; i <= 200000; i++) {
		memcpy(id.b + 12, &i, sizeof(i));
		twice += !ids_add(&ids, &id);
	}
	CHECK(twice == 200000 && ids.n == 200000);
	ids_close(&ids);
	ids_open(&ids, UINT64_MAX / 4);
	CHECK(ids.size * sizeof(*ids.slot) <= 4 << 20 && ids_add(&ids, &id) && !ids_add(&ids, &id));
	ids_close(&ids);
}

static void
test_page_peek(void)
{
	static const struct {
		const char	*text, *next;
		bool		 empty;
	} pages[] = {
		{ "{\"@odata.count\":2,\"x\":null,\"@odata.nextLink\":\"https://x/2\",\"value\":[{}",
		    "https://x/2", false },
		{ " { \"@odata.nextLink\" : \"https://x/2\" , \"value\" : [ ] }", "https://x/2", true },
		{ "{\"value\":[],\"@odata.nextLink\":\"https://x/2\"}", NULL, false },
		{ "{\"@odata.nextLink\":\"https:\\/\\/x/2\",\"value\":[]}", NULL, false },
		{ "{\"a\":{\"@odata.nextLink\":\"https://x/2\"},\"value\":[]}", NULL, false },
		{ "{\"@odata.nextLink\":7,\"value\":[]}", NULL, false },
		{ "{\"@odata.nextLink\":\"https://x/2\",\"value\":{}}", NULL, false },
		{ "{\"@odata.nextLink\":\"https://x/2\"}", NULL, false }, { "", NULL, false },
	};
	char	*next;
	bool	 empty;
	size_t	 i;

	for (i = 0; i < sizeof(pages) / sizeof(pages[0]); i++) {
		next = NULL;
		empty = false;
		if (!CHECK(page_peek(pages[i].text, strlen(pages[i].text), &next, &empty) ==
		    (pages[i].next != NULL) && empty == pages[i].empty &&
		    (next == NULL || strcmp(next, pages[i].next) == 0)))
			printf("# %s\n", pages[i].text);
		free(next);
	}
}

#define FRONT	"{\"@odata.nextLink\":\"https://x/2\",\"value\":"

static void
test_page(void)
{
	static const char *const	 none[] = {
		"", "{", "[]", "{}", "7", "null", "{\"value\":{}}", "{\"value\":[}", "{\"value\":[[]",
		"{\"value\":[],\"@odata.nextLink\":7}", "{\"value\":[],\"value\":[]}",
		"{\"value\":[],\"\\u0076alue\":[]}", "{\"value\":[]} x", "{\"value\":[],}",
		"{\"value\":[{}]", "{\"a\":{\"value\":[]}}", "{\"value\":[],\"error\":{}}",
		"{\"value\":[\"", "{\"value\":[{\"a\":\"\\", "{\"x\" \"value\":[]}",
	};
	static const char *const	 broken[] = {
		"{\"value\":[7]}", "{\"value\":[{} {}]}", "{\"value\":[,{}]}", "{\"value\":[{},]}",
		"{\"value\":[{}7]}", "{\"value\":[{\"a\":1,\"a\":2}]}", "{\"value\":[{\"a\":}]}",
		"{\"value\":[{\"a\":\"x\\u0000y\"}]}", "{\"value\":[{},[]]}",
		/* Whose end is not looked for before it is reached. */
		FRONT "[{}]x]}", FRONT "[{}],\"value\":[]}", FRONT "[{}],\"x\":]}", FRONT "[{]}",
		FRONT "[{}],\"@odata.nextLink\":\"https://x/3\",\"x\":[]}", FRONT "[]]}",
		FRONT "[{}],\"error\":{\"x\":[]}]}",
	};
	bool				 last;
	size_t				 i;
	char				 deep[2 * PAGE_DEPTH + 64] = "{\"value\":[{\"a\":";

	CHECK(page("{\"value\":[]}", &last) == 0 && last);
	CHECK(page("{\"value\":[],\"@odata.nextLink\":null}", &last) == 0 && last);
	CHECK(page(" { \"x\" : [ {\"value\":[1]} ], \"value\" : [ {} , {\"a\":\"}]\"} ] , "
	    "\"@odata.nextLink\":\"https://x/\"} ", &last) == 2 && !last);
	CHECK(page(FRONT "[{}] } \n", &last) == 1 && !last);
	CHECK(page(FRONT "[ ] }", &last) == 0 && !last);
	CHECK(page(FRONT "[{\"a\":[]}],\"x\":[1,[2]]}", &last) == 1 && !last);
	CHECK(page(FRONT "[{\"a\":[]}],\"x\":{\"y\":[{}]}}", &last) == 1 && !last);
	CHECK(page(FRONT "[{}],\"x\":[]} ]}", &last) == -2);
	for (i = 0; i < sizeof(none) / sizeof(none[0]); i++)
		if (!CHECK(page(none[i], &last) == -1))
			printf("# %s\n", none[i]);
	for (i = 0; i < sizeof(broken) / sizeof(broken[0]); i++)
		if (!CHECK(page(broken[i], &last) == -2))
			printf("# %s\n", broken[i]);
	for (i = 0; i < PAGE_DEPTH; i++)
		strcat(deep, "[");
	CHECK(page(deep, &last) == -1);
}

static void
test_key_path(void)
{
	static const char *const	 bad[] = {
		"", "Basic", "Basic realm=", "Bearer realm=/v/t/a.key", "Basic realm=/v/t/",
		"Basic realm=/v/t/.key", "Basic realm=/v/t/a.pem", "Basic realm=/v/t/a.key\"",
		"Basic realm=/v/t/../a.key", "Basic realm=/v/t/b/a.key", "Basic realm=/v/tt/a.key",
		"Basic realm=/v/a.key", "Basic realm=a.key", "Basic realm=\"", "Basic realm=\"\"",
	};
	char	*path;
	size_t	 i;

	path = msi_key_path("Basic realm=/v/t/0a-b.key", "/v/t");
	CHECK(path != NULL && strcmp(path, "/v/t/0a-b.key") == 0);
	free(path);
	path = msi_key_path("basic realm=\"/v/t/a.key\"", "/v/t");
	CHECK(path != NULL && strcmp(path, "/v/t/a.key") == 0);
	free(path);
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (!CHECK((path = msi_key_path(bad[i], "/v/t")) == NULL))
			printf("# %s\n", bad[i]);
}

static bool
depth_ok(int levels, const char *text)
{
	char	 buf[4096] = "";
	int	 i;

	for (i = 0; i < levels; i++)
		strcat(buf, i % 2 == 0 ? "[" : "{\"a\":");
	strcat(buf, text);
	for (i = levels - 1; i >= 0; i--)
		strcat(buf, i % 2 == 0 ? "]" : "}");
	return wire_depth_ok(buf, strlen(buf));
}

static void
test_depth(void)
{
	char	 many[1000];

	CHECK(wire_depth_ok("", 0) && wire_depth_ok("{", 1) && wire_depth_ok("]]]", 3));
	CHECK(depth_ok(WIRE_DEPTH, "1") && !depth_ok(WIRE_DEPTH + 1, "1"));
	/* Brackets in a string are none, whatever is escaped in it. */
	CHECK(depth_ok(WIRE_DEPTH, "\"[[[{{\\\"[[\\\\\"") && depth_ok(WIRE_DEPTH, "\"\xc3\xa4[\""));
	CHECK(!depth_ok(WIRE_DEPTH, "\"\\\\\",[1]"));
	memset(many, '[', sizeof(many));
	CHECK(!wire_depth_ok(many, sizeof(many)) && wire_depth_ok(many, WIRE_DEPTH));
	/* What never ends is for the parser to refuse. */
	CHECK(wire_depth_ok("\"abc", 4) && wire_depth_ok("\"abc\\", 5));
}

static void
test_aadsts(void)
{
	static const int	 codes[] = { 7000215, 7000222, 7000218, 7000112, 700016, 700027,
		700024, 50012, 50013, 500133, 50027, 90002, 500011, 70011, 1002012, 700022, 900144,
		90014, 90038, 900382, 900432, 50196, 90006, 90012, 90024, 90033, 90090, 90055,
		530032, 53003, 70021, 700211, 700213, 9001023, 901002 };
	size_t			 i;

	for (i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
		if (!CHECK(aadsts_meaning(codes[i]) != NULL && aadsts_remedy(codes[i]) != NULL))
			printf("# %d\n", codes[i]);
	CHECK(aadsts_meaning(0) == NULL && aadsts_remedy(1) == NULL);
}

static void
test_section(void)
{
	static const char	 text[] = "[tenant a]\nissuer = CN=A\nrealm = a.example\n"
	    "[tenant b]\nrealm = b.example\nnas = 10.0.0.0/8\n[tenant c]\nnas = 10.1.0.0/16\n";
	struct identity		 id;
	struct session		 se;
	struct conf		*c;
	char			 why[256];
	int			 n;

	CHECK(section_issuer("CN=Device CA,O=Contoso,C=US", "CN=Device CA"));
	CHECK(section_issuer("CN=Device CA,O=Contoso,C=US", "o = contoso , cn=DEVICE CA"));
	CHECK(section_issuer("/C=US/O=Contoso/CN=Device CA", "CN=Device CA,O=Contoso"));
	CHECK(section_issuer("CN=A\\, Inc.,O=B", "CN=A\\, Inc."));
	CHECK(!section_issuer("CN=A\\,O=B", "O=B"));
	CHECK(!section_issuer("CN=Device CA 2", "CN=Device CA"));
	CHECK(!section_issuer("O=Device CA", "CN=Device CA"));
	CHECK(!section_issuer("CN=A", "CN=A,O=B") && !section_issuer("CN=A", "") &&
	    !section_issuer("", "CN=A") && !section_issuer("CN=A", " , ") &&
	    !section_issuer("CN=A", "A"));
	CHECK(section_nas("10.1.2.3", "", "10.1.2.3") && section_nas("10.1.2.3", "", "x 10.0.0.0/15"));
	CHECK(!section_nas("10.2.2.3", "", "10.0.0.0/15") && section_nas("10.2.2.3", "", "0.0.0.0/0"));
	CHECK(section_nas("2001:db8:8000::1", "", "2001:db8:8000::/33"));
	CHECK(!section_nas("2001:db8:7000::1", "", "2001:db8:8000::/33"));
	CHECK(!section_nas("10.1.2.3", "", "10.0.0.0/33 10.0.0.0/-1 10.0.0.0/ 2001:db8::/32 /8"));
	CHECK(section_nas("", "sw-1", "sw-2, sw-1") && !section_nas("", "sw-1", "SW-1") &&
	    !section_nas("", "", "sw-1"));
	CHECK(section_realm("a.example", "b.example A.EXAMPLE") && !section_realm("x", ""));
	CHECK(section_realm("x.a.example", ".a.example") && !section_realm("a.example", ".a.example"));
	CHECK(!section_realm("xa.example", "a.example"));

	c = conf_parse("t", text, strlen(text), conf_warn, NULL);
	memset(&id, 0, sizeof(id));
	memset(&se, 0, sizeof(se));
	CHECK(c != NULL && !section_choose(c, &id, &se, NULL, &n, why, sizeof(why)));
	CHECK(!section_choose(c, NULL, NULL, NULL, &n, why, sizeof(why)));
	strcpy(se.nas_ip, "10.1.0.1");
	CHECK(!section_choose(c, &id, &se, NULL, &n, why, sizeof(why)) && strstr(why, "both") != NULL);
	strcpy(se.realm, "b.example");
	CHECK(section_choose(c, &id, &se, NULL, &n, why, sizeof(why)) && n == 1);
	/* What contradicts one key is not saved by another that fits. */
	strcpy(se.realm, "a.example");
	CHECK(section_choose(c, &id, &se, NULL, &n, why, sizeof(why)) && n == 0);
	strcpy(id.issuer, "CN=Z");
	CHECK(section_choose(c, &id, &se, NULL, &n, why, sizeof(why)) && n == 2);
	strcpy(id.issuer, "CN=A");
	strcpy(se.realm, "");
	CHECK(section_choose(c, &id, &se, NULL, &n, why, sizeof(why)) && n == 0);
	conf_free(c);
	c = conf_parse("t", "[tenant a]\ntenant = x\n", 22, conf_warn, NULL);
	CHECK(c != NULL && section_choose(c, &id, &se, NULL, &n, why, sizeof(why)) && n == 0);
	conf_free(c);
	c = conf_parse("t", "tenant=y\n[tenant a]\nrealm=q\n", 29, conf_warn, NULL);
	CHECK(c != NULL && section_choose(c, &id, &se, NULL, &n, why, sizeof(why)) && n == CONF_TOP);
	/* Who answered the last time counts when nothing else does. */
	CHECK(section_choose(c, &id, &se, "a", &n, why, sizeof(why)) && n == 0);
	CHECK(section_choose(c, &id, &se, "y", &n, why, sizeof(why)) && n == CONF_TOP);
	CHECK(section_choose(c, &id, &se, "gone", &n, why, sizeof(why)) && n == CONF_TOP);
	strcpy(se.realm, "q");
	CHECK(section_choose(c, &id, &se, "y", &n, why, sizeof(why)) && n == 0);
	conf_free(c);
}

int
main(void)
{
	test_section();
	test_depth();
	test_aadsts();
	test_key_path();
	test_wire();
	test_backoff();
	test_same_host();
	test_token_good();
	test_token_bad();
	test_token_refused();
	test_cache_text();
	test_claims();
	test_managed_good();
	test_managed_bad();
	test_managed_scan();
	test_ids();
	test_page_peek();
	test_page();
	return check_done();
}
