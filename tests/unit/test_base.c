#include <stdint.h>
#include <string.h>

#include "base/conf.h"
#include "base/digest.h"
#include "base/guid.h"
#include "base/jsonw.h"
#include "base/mac.h"
#include "base/num.h"
#include "base/text.h"
#include "base/when.h"
#include "check.h"

static void
test_mac(void)
{
	static const char *const good[] = {
		"0a:1b:2c:3d:4e:5f", "0A-1B-2C-3D-4E-5F", "0a1b2c3d4e5f", "0A1B.2C3D.4E5F",
		"0a1b-2c3d-4e5f", "0a1b2c-3d4e5f", "0a 1b 2c 3d 4e 5f",
	};
	static const char *const bad[] = {
		"", "0a:1b:2c:3d:4e", "0a:1b:2c:3d:4e:5f:60", "0a:1b-2c:3d:4e:5f", "0a1:b2c3d:4e5f",
		"0a:1b:2c:3d:4e:5g", "0a:1b:2c:3d:4e:5", "-0a1b2c3d4e5f", "0a1b2c3d4e5f6", "0a1b2c:3d4e:5f",
	};
	uint8_t	 mac[MAC_LEN];
	char	 text[MAC_TEXT];
	size_t	 i;

	for (i = 0; i < sizeof(good) / sizeof(*good); i++) {
		CHECK(mac_parse(good[i], mac));
		CHECK_STR(mac_format(text, mac, MAC_COLON), "0a:1b:2c:3d:4e:5f");
	}
	for (i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		CHECK(!mac_parse(bad[i], mac));
	CHECK(mac_scan("0A-1B-2C-3D-4E-5F:corp", mac) == 17);
	CHECK_STR(mac_format(text, mac, MAC_HYPHEN), "0A-1B-2C-3D-4E-5F");
	CHECK_STR(mac_format(text, mac, MAC_BARE_UPPER), "0A1B2C3D4E5F");
	CHECK_STR(mac_format(text, mac, MAC_DOTTED), "0a1b.2c3d.4e5f");
	CHECK(mac_is_random(mac) && mac_is_station(mac));
	CHECK(mac_parse("00:00:00:00:00:00", mac) && !mac_is_station(mac));
	CHECK(mac_parse("ff:ff:ff:ff:ff:ff", mac) && !mac_is_station(mac));
}

static void
test_guid(void)
{
	struct guid	 g;
	char		 text[GUID_TEXT];

	CHECK(guid_parse("AAAAAAAA-bbbb-4ccc-8ddd-0123456789AB", &g));
	CHECK_STR(guid_format(text, &g), "aaaaaaaa-bbbb-4ccc-8ddd-0123456789ab");
	CHECK(guid_parse("{aaaaaaaa-bbbb-4ccc-8ddd-0123456789ab}", &g));
	CHECK(!guid_parse("aaaaaaaa-bbbb-4ccc-8ddd-0123456789abc", &g));
	CHECK(!guid_parse("aaaaaaaa-bbbb-4ccc-8ddd-0123456789a", &g));
	CHECK(!guid_parse("aaaaaaaabbbb-4ccc-8ddd--0123456789ab", &g));
	CHECK(guid_scan("aaaaaaaa-bbbb-4ccc-8ddd-0123456789ab,x", 38, &g));
	CHECK(!guid_scan("aaaaaaaa-bbbb-4ccc-8ddd-0123456789ab-x", 38, &g));
	CHECK(guid_parse("00000000-0000-0000-0000-000000000000", &g) && guid_is_zero(&g));
}

/* Every byte at every place of a GUID. */
static void
test_guid_bytes(void)
{
	static const char	 digits[] = "0123456789abcdefABCDEF";
	static const char	 good[] = "01234567-89ab-cdef-0123-456789abcdef";
	char			 text[GUID_TEXT], back[GUID_TEXT];
	struct guid		 g;
	size_t			 i, wrong = 0;
	int			 c;
	bool			 hyphen, fits;

	for (i = 0; i < GUID_TEXT - 1; i++)
		for (c = 0; c < 256; c++) {
			memcpy(text, good, sizeof(text));
			text[i] = (char)c;
			hyphen = good[i] == '-';
			fits = hyphen ? c == '-' : c != 0 && strchr(digits, c) != NULL;
			if (guid_scan(text, GUID_TEXT - 1, &g) != fits) {
				wrong++;
				continue;
			}
			if (c >= 'A' && c <= 'F')
				text[i] = (char)(c + 'a' - 'A');
			wrong += fits && strcmp(guid_format(back, &g), text) != 0;
		}
	CHECK(wrong == 0);
}

static void
test_when(void)
{
	int64_t	 t;
	char	 text[WHEN_TEXT], ago[24];

	CHECK(when_parse("1970-01-01T00:00:00Z", &t) && t == 0);
	CHECK(when_parse("2026-11-21T08:30:00Z", &t) && t == 1795249800);
	CHECK_STR(when_format(text, t), "2026-11-21T08:30:00Z");
	CHECK(when_parse("2026-11-21T08:30:00.1234567Z", &t) && t == 1795249800);
	CHECK(when_parse("2026-11-21T00:30:00-08:00", &t) && t == 1795249800);
	CHECK(when_parse("0001-01-01T00:00:00Z", &t) && t == WHEN_NEVER);
	CHECK(when_parse("9999-12-31T23:59:59.9999999Z", &t) && t == WHEN_ALWAYS);
	CHECK_STR(when_format(text, WHEN_ALWAYS), "9999-12-31T23:59:59Z");
	CHECK_STR(when_format(text, WHEN_NEVER), "0001-01-01T00:00:00Z");
	CHECK_STR(when_format(text, 0), "1970-01-01T00:00:00Z");
	CHECK_STR(when_format(text, -1), "1969-12-31T23:59:59Z");
	CHECK_STR(when_format(text, 951782400), "2000-02-29T00:00:00Z");
	CHECK_STR(when_format(text, 4107542399), "2100-02-28T23:59:59Z");
	CHECK_STR(when_format(text, -62103897202), "0002-01-02T21:26:38Z");
	CHECK_STR(when_format(text, INT64_MIN), "0001-01-01T00:00:00Z");
	CHECK_STR(when_format(text, INT64_MAX), "9999-12-31T23:59:59Z");
	CHECK(when_parse("2024-02-29T00:00:00Z", &t) && t == 1709164800);
	CHECK(!when_parse("2023-02-29T00:00:00Z", &t));
	CHECK(!when_parse("2026-11-21", &t) && !when_parse("2026-11-21T08:30:00", &t));
	CHECK(!when_parse("2026-11-21T08:30:00.Z", &t) && !when_parse("", &t));
	CHECK(when_scan("2026-11-21T08:30:00Z\"", 20, &t) && t == 1795249800);
	CHECK(!when_scan("2026-11-21T08:30:00Z\"", 21, &t) && !when_scan("\"", 0, &t));
	CHECK(when_span("2h", &t) && t == 7200);
	CHECK(when_span("1h30m", &t) && t == 5400);
	CHECK(when_span("90", &t) && t == 90);
	CHECK(!when_span("", &t) && !when_span("2x", &t) && !when_span("-1s", &t));
	CHECK(!when_span("99999999999999999999", &t) && !when_span("9999999w", &t));
	CHECK_STR(when_ago(ago, sizeof(ago), 119), "119 s");
	CHECK_STR(when_ago(ago, sizeof(ago), 200000), "2 d");
}

static void
test_text(void)
{
	static const char *const	 words[] = { "compliant", "vlan", "allow" };
	char				 out[32], tiny[8];
	int64_t				 n;
	const char			*why = "";

	CHECK_STR(text_safe(out, sizeof(out), "a\n\x1b[1m\\", 7), "a\\x0a\\x1b[1m\\x5c");
	CHECK_STR(text_safe(out, sizeof(out), "\xc3\xa4\xff", 3), "\xc3\xa4\\xff");
	CHECK_STR(text_safe(out, sizeof(out), "\xc2\x9b", 2), "\\xc2\\x9b");
	CHECK_STR(text_safe(tiny, sizeof(tiny), "abcdefgh", 8), "abcd...");
	CHECK(text_utf8_len((const unsigned char *)"\xc0\x80", 2) == 0);
	CHECK(text_utf8_len((const unsigned char *)"\xed\xa0\x80", 3) == 0);
	CHECK(text_utf8_len((const unsigned char *)"\xf0\x9f\x98\x80", 4) == 4);
	CHECK_STR(text_nearest("complaint", words, 3), "compliant");
	CHECK(text_nearest("zebra", words, 3) == NULL);
	CHECK(num_parse("4094", 1, 4094, &n, &why) && n == 4094);
	CHECK(!num_parse("4095", 1, 4094, &n, &why));
	CHECK_STR(why, "is too large");
	CHECK(!num_parse("0", 1, 4094, &n, &why));
	CHECK_STR(why, "is too small");
	CHECK(!num_parse(" 7", 1, 9, &n, &why) && !num_parse("7x", 1, 9, &n, &why));
	CHECK(!num_parse("99999999999999999999", 1, INT64_MAX, &n, &why));
}

/* What is written in fewer steps is what jw_str() writes, of every length, whatever is in
 * it, and as far as there is room. */
static void
test_jsonw_short(void)
{
	static const char	 inside[] = { 'x', '"', '\\', '\n', 0x7f, (char)0xc3, 0 };
	struct jsonw		 w, v;
	char			 text[32], a[96], b[96];
	size_t			 len, at, i, size, wrong = 0;

	for (len = 0; len < sizeof(text); len++)
		for (at = 0; at < len; at++)
			for (i = 0; inside[i] != '\0'; i++) {
				memset(text, 'y', sizeof(text));
				text[len] = '\0';
				text[at] = inside[i];
				size = i == 0 ? len + 16 - at % 16 : sizeof(a);
				jw_init(&w, a, size);
				jw_init(&v, b, size);
				jw_array(&w, "l");
				jw_array(&v, "l");
				jw_text(&w, "key", text);
				jw_opt(&v, "key", text);
				wrong += w.full != v.full || w.len != v.len ||
				    (!w.full && memcmp(a, b, w.len) != 0);
			}
	CHECK(wrong == 0);
}

static void
test_jsonw_words(void)
{
	static const char	 all[] = "{\"g\":\"01234567-89ab-cdef-0123-456789abcdef\","
	    "\"mac\":\"0a:1b:2c:3d:4e:5f\",\"when\":\"2026-11-21T08:30:00Z\",\"no\":false}";
	struct guid		 g;
	struct jsonw		 w;
	uint8_t			 mac[MAC_LEN];
	char			 buf[sizeof(all)];
	const char		*text;
	size_t			 size;

	CHECK(guid_parse("01234567-89AB-CDEF-0123-456789ABCDEF", &g));
	CHECK(mac_parse("0A1B2C3D4E5F", mac));
	/* Exactly as much room as is needed, and each that is less. */
	for (size = 1; size <= sizeof(buf); size++) {
		memset(buf, '#', sizeof(buf));
		jw_init(&w, buf, size);
		jw_object(&w, NULL);
		jw_guid(&w, "g", &g);
		jw_mac(&w, "mac", mac);
		jw_time(&w, "when", 1795249800);
		jw_bool(&w, "no", false);
		jw_end_object(&w);
		text = jw_done(&w);
		if (size < sizeof(buf))
			CHECK(text == NULL && buf[size] == '#');
		else
			CHECK_STR(text, all);
	}
}

static void
test_jsonw(void)
{
	struct jsonw	 w;
	char		 buf[128], small[10];

	jw_init(&w, buf, sizeof(buf));
	jw_object(&w, NULL);
	jw_str(&w, "a", "x\"\\\n\xff");
	jw_int(&w, "n", -5);
	jw_array(&w, "l");
	jw_bool(&w, NULL, true);
	jw_str(&w, NULL, "y");
	jw_end_array(&w);
	jw_opt(&w, "none", "");
	jw_end_object(&w);
	CHECK_STR(jw_done(&w), "{\"a\":\"x\\\"\\\\\\u000a\xef\xbf\xbd\",\"n\":-5,\"l\":[true,\"y\"]}");
	jw_init(&w, small, sizeof(small));
	jw_str(&w, NULL, "too long for it");
	CHECK(jw_done(&w) == NULL);
}

static void
keep(void *arg, const char *message)
{
	snprintf(arg, 256, "%s", message);
}

static struct conf *
parse(const char *text, char *msg)
{
	*msg = '\0';
	return conf_parse("nac.conf", text, strlen(text), keep, msg);
}

static void
test_conf(void)
{
	char		 msg[256], hex[DIGEST_TEXT];
	struct conf	*c;

	c = parse("# x\ntenant = contoso.example\r\npoll_interval=2h\n\nquarantine_vlan = 7", msg);
	CHECK(c != NULL);
	CHECK_STR(conf_get(c, "tenant", NULL), "contoso.example");
	CHECK(conf_int(c, "poll_interval", 1) == 7200 && conf_int(c, "quarantine_vlan", 1) == 7);
	CHECK(conf_int(c, "timeout", 30) == 30 && conf_get(c, "graph", NULL) == NULL);
	conf_free(c);
	CHECK(parse("tennant = x\n", msg) == NULL);
	CHECK_STR(msg, "nac.conf:1:1: unknown key (did you mean tenant?) \"tennant\"");
	CHECK(parse("\n rules = site.rules\n", msg) == NULL);
	CHECK_STR(msg, "nac.conf:2:10: rules is no absolute path: \"site.rules\"");
	CHECK(parse("tenant\n", msg) == NULL && strstr(msg, "1:1: expected key = value") != NULL);
	CHECK(parse("tenant =\n", msg) == NULL && strstr(msg, "no value") != NULL);
	CHECK(parse("tenant = a\ntenant = b\n", msg) == NULL && strstr(msg, ":2:1: given twice") != NULL);
	CHECK(parse("fallback = allow\n", msg) == NULL);
	c = parse("fallback = deny\n", msg);
	CHECK(c != NULL);
	conf_free(c);
	CHECK(parse("quarantine_vlan = 4095\n", msg) == NULL);
	CHECK(parse("authority = https://login.example/\n", msg) == NULL);
	CHECK_STR(digest_format(hex, digest_add(DIGEST_START, "a", 1)), "af63dc4c8601ec8c");
}

static void
test_conf_sections(void)
{
	static const char	 good[] =
	    "client_id = 1\ncertificate_file = pkcs11:token=a;object=b\n"
	    "[tenant north]\ntenant = north.example\nrealm = a.example\nrealm = b.example\n"
	    "  [tenant  South-2.x]  \nclient_secret_file = credential:south\n"
	    "client_secret_expires = 2027-01-31\ntimeout = 5s\n";
	char			 msg[256], many[CONF_SECTIONS * 16 + 64];
	struct conf		*c;
	size_t			 i, n = 0;

	c = parse(good, msg);
	CHECK(c != NULL && conf_sections(c) == 2);
	CHECK_STR(conf_section_name(c, 1), "South-2.x");
	CHECK(conf_section_find(c, "north") == 0 && conf_section_find(c, "South-2.x") == 1);
	CHECK(conf_section_find(c, "south-2.x") == CONF_TOP);
	CHECK_STR(conf_get(c, "client_id", NULL), "1");
	CHECK(conf_get(c, "tenant", NULL) == NULL);
	CHECK_STR(conf_section_get(c, 0, "tenant", NULL), "north.example");
	CHECK(conf_section_get(c, 0, "client_id", NULL) == NULL);
	CHECK_STR(conf_section_get(c, 0, "realm", NULL), "a.example\nb.example");
	CHECK(conf_section_int(c, 1, "timeout", 30) == 5 && conf_int(c, "timeout", 30) == 30);
	CHECK(conf_section_int(c, 1, "client_secret_expires", 0) == 1801353600);
	conf_free(c);

	CHECK(parse("[tenant a]\ntenant = x\n[tenant a]\ntenant = y\n", msg) == NULL);
	CHECK_STR(msg, "nac.conf:3:1: given twice: tenant \"a\"");
	CHECK(parse("[tenant a]\nrules = /x\n", msg) == NULL);
	CHECK_STR(msg, "nac.conf:2:1: belongs above the first section: \"rules\"");
	CHECK(parse("realm = x\n", msg) == NULL);
	CHECK_STR(msg, "nac.conf:1:1: belongs into a section [tenant NAME]: \"realm\"");
	CHECK(parse("[tenant a]\n tenant = x\n tenant = y\n", msg) == NULL);
	CHECK_STR(msg, "nac.conf:3:2: given twice: \"tenant\"");
	for (i = 0; i < 8; i++) {
		static const char *const	 heads[] = { "[tenant]", "[tenant ]", "[tenant a",
		    "[tenants a]", "[a]", "[]", "[", "[tenant a b]" };

		/* One message: what follows a head that is wrong is not judged. */
		snprintf(many, sizeof(many), "%s\ntenant = a\ntenant = b\nrules = /x\n", heads[i]);
		if (!CHECK(parse(many, msg) == NULL && strstr(msg, ":1:1: ") != NULL))
			printf("# %s: %s\n", heads[i], msg);
	}
	for (i = 0; i <= CONF_SECTIONS; i++)
		n += (size_t)snprintf(many + n, sizeof(many) - n, "[tenant %zu]\n", i);
	CHECK(parse(many, msg) == NULL && strstr(msg, ":257:1: too many sections") != NULL);
	CHECK(parse("key_file = key.pem\n", msg) == NULL);
	CHECK(parse("key_file = credential:../x\n", msg) == NULL);
	CHECK(parse("client_secret_file = pkcs11:x\n", msg) == NULL);
	CHECK(parse("client_secret_expires = soon\n", msg) == NULL);
	CHECK(parse("cloud = usgov dod\n", msg) == NULL);
}

/* Each byte counts, and so does the length. */
static void
test_digest(void)
{
	char		 text[40];
	uint64_t	 h;
	size_t		 n, i;
	bool		 differ = true;

	memset(text, 'x', sizeof(text));
	for (n = 1; n < sizeof(text); n++) {
		h = digest_file(DIGEST_START, text, n);
		differ &= h != digest_file(DIGEST_START, text, n - 1);
		for (i = 0; i < n; i++) {
			text[i] ^= 0x20;
			differ &= h != digest_file(DIGEST_START, text, n);
			text[i] ^= 0x20;
		}
		differ &= h == digest_file(DIGEST_START, text, n);
	}
	CHECK(differ);
	memset(text, 0, sizeof(text));
	CHECK(digest_file(DIGEST_START, text, 8) != digest_file(DIGEST_START, text, 16));
	CHECK(digest_file(DIGEST_START, text, 0) != digest_file(DIGEST_START, text, 1));
}

int
main(void)
{
	test_mac();
	test_guid();
	test_guid_bytes();
	test_when();
	test_text();
	test_jsonw();
	test_jsonw_short();
	test_jsonw_words();
	test_conf();
	test_conf_sections();
	test_digest();
	return check_done();
}
