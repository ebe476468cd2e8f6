#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "device/record.h"
#include "check.h"

static json_t *
parse(const char *line)
{
	char	 why[256];

	return record_parse(line, strlen(line), why, sizeof(why));
}

/* Why a line, or the member read from it, is refused; "" when it is not. */
static const char *
refused(const char *line)
{
	static char		 why[256];
	static struct identity	 id;
	static struct session	 s;
	static struct answer	 a;
	json_t			*rec;

	*why = '\0';
	if ((rec = record_parse(line, strlen(line), why, sizeof(why))) == NULL)
		return why;
	(void)(record_identity(rec, &id, why, sizeof(why)) &&
	    record_session(rec, &s, why, sizeof(why)) &&
	    record_answer(rec, &a, why, sizeof(why)));
	json_decref(rec);
	return why;
}

static void
test_refused(void)
{
	CHECK_STR(refused("{\"identity\":3}"), "identity: must be an object");
	CHECK_STR(refused("{\"identity\":{\"mac\":\"zz\"}}"), "identity.mac: is no MAC address");
	CHECK_STR(refused("{\"identity\":{\"guid\":{}}}"), "identity.guid: must be an array");
	CHECK_STR(refused("{\"identity\":{\"guid\":[{\"value\":\"x\"}]}}"), "guid.value: is no GUID");
	CHECK_STR(refused("{\"session\":{\"user\":3}}"), "session.user: must be a string");
	CHECK_STR(refused("{\"session\":{\"seen\":\"noon\"}}"), "session.seen: is no RFC 3339 time");
	CHECK_STR(refused("{\"compliance\":{\"state\":\"fine\"}}"),
	    "compliance.state: is no compliance state");
	CHECK_STR(refused("{\"compliance\":{\"device\":[]}}"), "device: must be an object");
	CHECK_STR(refused("{\"compliance\":{\"asked\":[{\"by\":\"guid\"}]}}"),
	    "asked.by: must be guid, name, mac or serial, with a value");
	CHECK(strstr(refused("{\"a\":1,\"a\":2}"), "duplicate") != NULL);
	CHECK(strstr(refused("{\"a\":\"\\u0000\"}"), "column") != NULL);
	CHECK(strstr(refused("{\"a\":1}x"), "column") != NULL);
	CHECK(strstr(refused("[1]"), "not a JSON object") != NULL);
	CHECK(strstr(refused("two\twords\x01"), "neither a record nor") != NULL);
	CHECK_STR(refused("{\"identity\":null,\"session\":null}"), "");
	CHECK_STR(refused("{\"other\":{\"anything\":[]}}"), "");
}

static void
test_bare(void)
{
	struct identity	 id;
	char		 why[256];
	json_t		*rec;

	CHECK((rec = parse(" 5F1E0C1A-7A52-4F0E-9D43-2B6A51F5C001 \r\n")) != NULL);
	CHECK(record_identity(rec, &id, why, sizeof(why)) && id.nguid == 1 &&
	    id.guid[0].found == FOUND_ARGUMENT && !id.has_mac);
	json_decref(rec);
	CHECK((rec = parse("0A1B.2C3D.4E5F")) != NULL);
	CHECK(record_identity(rec, &id, why, sizeof(why)) && id.has_mac && id.mac[5] == 0x5f);
	json_decref(rec);
	CHECK((rec = parse("Anna's laptop")) != NULL);
	CHECK(record_identity(rec, &id, why, sizeof(why)) && id.nname == 1);
	CHECK_STR(id.name[0].text, "Anna's laptop");
	json_decref(rec);
}

/* What is written is read back the same, with every field set. */
static void
test_round_trip(void)
{
	static struct answer	 a, b;
	static struct session	 s, t;
	char			 why[256] = "";
	json_t			*rec = json_object();

	memset(&a, 0, sizeof(a));
	a.state = COMPLIANCE_GRACE;
	a.matched_by = MATCH_MAC;
	a.source = SOURCE_GRAPH;
	a.checked = 1795249800;
	a.nasked = 1;
	a.asked[0].by = MATCH_MAC;
	text_copy(a.asked[0].value, sizeof(a.asked[0].value), "0a:1b:2c:3d:4e:5f");
	text_copy(a.tenant, sizeof(a.tenant), "north.example");
	a.has_device = a.device.has_id = a.device.has_wifi_mac = true;
	a.device.wifi_mac[0] = 0x0a;
	text_copy(a.device.name, sizeof(a.device.name), "Anna \"the\\boss\"\n");
	a.device.grace_until = INT64_MAX;
	a.device.last_sync = INT64_MIN;
	record_put_answer(rec, &a, a.checked + 60);
	CHECK(json_integer_value(json_object_get(json_object_get(rec, "compliance"), "age")) == 60);
	CHECK(record_answer(rec, &b, why, sizeof(why)));
	CHECK_STR(why, "");
	CHECK(memcmp(&a, &b, sizeof(a)) == 0);

	memset(&s, 0, sizeof(s));
	s.seen = 1795249800;
	s.medium = MEDIUM_WIRED;
	s.ended = true;
	CHECK(session_add_group(&s, "Staff") && !session_add_group(&s, "a\tb"));
	s.mfa = 1795240000;
	s.hint = HINT_GOOD;
	text_copy(s.user, sizeof(s.user), "host/x");
	text_copy(s.inner_user, sizeof(s.inner_user), "alice");
	text_copy(s.ssid, sizeof(s.ssid), "\xc3\xa4 corp");
	record_put_session(rec, &s);
	CHECK(record_session(rec, &t, why, sizeof(why)) && memcmp(&s, &t, sizeof(s)) == 0);
	json_decref(rec);
}

static int
count(json_t *rec, const char *where, void *arg)
{
	(void)rec;
	(void)where;
	++*(int *)arg;
	return 0;
}

static void
test_lines(void)
{
	FILE	*in = tmpfile();
	int	 n = 0, i;

	fputs("\n  \nLAPTOP-1\n{\"a\":1}\n{bad\n", in);
	for (i = 0; i < RECORD_MAX + 10; i++)
		putc('x', in);
	fputs("\nLAPTOP-2", in);
	rewind(in);
	/* Two bad lines among three good ones: the good ones all get through. */
	CHECK(record_each(0, NULL, in, count, &n) == 65);
	CHECK(n == 3);
	fclose(in);
}

static void
test_words(void)
{
	struct match_order	 order = MATCH_ORDER_DEFAULT;
	struct device		 d = { .management_state = "wipeIssued" };
	enum compliance		 state;

	CHECK(match_order_parse("mac, name guid", &order));
	CHECK(order.by[0] == MATCH_MAC && order.by[1] == MATCH_NAME && order.by[2] == MATCH_GUID);
	CHECK(match_order_parse("guid", &order) && order.by[1] == MATCH_NONE);
	CHECK(!match_order_parse("", &order) && !match_order_parse("guid guid", &order));
	CHECK(!match_order_parse("none", &order) && !match_order_parse("serials", &order));
	CHECK(match_order_parse("serial mac name guid newest", &order) && order.newest &&
	    order.by[0] == MATCH_SERIAL && order.by[3] == MATCH_GUID);
	CHECK(!match_order_parse("serial mac name guid serial", &order));
	CHECK(compliance_parse("inGracePeriod", &state) && state == COMPLIANCE_GRACE);
	CHECK(compliance_parse("configManager", &state) && state == COMPLIANCE_CONFIGMANAGER);
	CHECK(!compliance_parse("", &state) && !compliance_parse("ok", &state));
	CHECK(device_is_wiping(&d) && !device_is_retiring(&d));
}

static void
test_serials(void)
{
	static const char *const	 none[] = {
		"", " ", "0", "00000000", "N/A", "None", "default string", "Default-String",
		"To be filled by O.E.M.", "TO BE FILLED BY O.E.M", "System Serial Number",
		"Not Specified", "XXXXXXXX", "........", "123456789", "1234567890",
		"01234567890123456789", "unknown", "ab1",
	};
	char				 text[DEVICE_SERIAL], long_one[DEVICE_SERIAL + 8];
	struct identity			 id;
	char				 why[256] = "";
	json_t				*rec;
	size_t				 i;

	for (i = 0; i < sizeof(none) / sizeof(none[0]); i++)
		if (!CHECK(!device_fold_serial(text, sizeof(text), none[i])))
			printf("# %s\n", none[i]);
	CHECK(device_fold_serial(text, sizeof(text), " C02XK1ZZJGH5\t"));
	CHECK_STR(text, "c02xk1zzjgh5");
	CHECK(device_fold_serial(text, sizeof(text), "VMware-56 4d 1c 22-ee"));
	CHECK(device_fold_serial(text, sizeof(text), "12346"));
	memset(long_one, 'x', sizeof(long_one));
	long_one[0] = 'y';
	long_one[DEVICE_SERIAL - 1] = '\0';
	CHECK(device_fold_serial(text, sizeof(text), long_one));
	CHECK(!device_fold_serial(text, sizeof(text) - 1, long_one));
	long_one[DEVICE_SERIAL - 1] = 'x';
	long_one[DEVICE_SERIAL] = '\0';
	CHECK(!device_fold_serial(text, sizeof(text), long_one));

	/* A word by itself is a name; the certificate's serial number is another thing. */
	rec = record_parse("Serial:PF2ABC01", 15, why, sizeof(why));
	CHECK(record_identity(rec, &id, why, sizeof(why)) && id.nname == 0 &&
	    id.serial[0] == '\0');
	CHECK_STR(id.device_serial, "PF2ABC01");
	json_decref(rec);
	rec = record_parse("PF2ABC01", 8, why, sizeof(why));
	CHECK(record_identity(rec, &id, why, sizeof(why)) && id.nname == 1 &&
	    id.device_serial[0] == '\0');
	json_decref(rec);
	CHECK(record_parse("serial:", 7, why, sizeof(why)) == NULL);
	CHECK(record_parse("serial:a\x01z", 10, why, sizeof(why)) == NULL);
}

int
main(void)
{
	test_serials();
	test_refused();
	test_bare();
	test_round_trip();
	test_lines();
	test_words();
	return check_done();
}
