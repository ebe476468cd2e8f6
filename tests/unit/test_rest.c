/* rlm_rest's JSON, both ways. */
#include <stdlib.h>

#include "check.h"
#include "policy/policy.h"
#include "radius/rest.h"

static struct identity	 id;
static struct session	 s;
static char		 note[ENV_NOTE], why[REST_WHY];

static struct rest_request
read_body(const char *text, bool good)
{
	struct rest_request	 q = { &id, &s, note, ACCT_NONE };
	char			*body = strdup(text);

	why[0] = '\0';
	CHECK(rest_read(body, strlen(body), 1700000000, &q, why) == good);
	free(body);
	return q;
}

static void
check_read(void)
{
	struct rest_request	 q;
	char			 mac[MAC_TEXT];

	q = read_body("{\"User-Name\":{\"type\":\"string\",\"value\":[\"host\\/a\"]},"
	    "\"NAS-Port\":{\"type\":\"integer\",\"value\":[7]},\"NAS-Identifier\":\"ap-1\","
	    "\"Acct-Session-Id\":[\"A\",\"B\"],\"Calling-Station-Id\":"
	    "{\"type\":\"string\",\"value\":[\"00-1B-2C-3D-4E-01\"]}}", true);
	CHECK_STR(s.user, "host/a");
	CHECK_STR(s.nas_port, "7");
	CHECK_STR(s.nas_id, "ap-1");
	CHECK_STR(s.acct_session_id, "A");
	CHECK_STR(note, "Acct-Session-Id is given twice, the first one is used");
	CHECK(id.has_mac);
	CHECK_STR(mac_format(mac, id.mac, MAC_COLON), "00:1b:2c:3d:4e:01");
	CHECK(s.seen == 1700000000);
	CHECK(q.acct == ACCT_NONE);
	CHECK_STR(s.vendor, "");

	read_body("{\"Aruba-Essid-Name\":{\"type\":\"string\",\"value\":[\"corp\"]},"
	    "\"Cisco-AVPair\":[\"audit-session-id=1\"]}", true);
	CHECK_STR(s.vendor, "aruba");

	/* Two devices are none, and what was there before is gone. */
	read_body("{\"Calling-Station-Id\":[\"00-1B-2C-3D-4E-01\",\"00-1B-2C-3D-4E-02\"]}", true);
	CHECK(!id.has_mac);
	CHECK_STR(s.user, "");

	read_body("{\"User-Name\":\"a\\u0000b\",\"NAS-Identifier\":\"\xff\"}", true);
	CHECK_STR(s.user, "");
	CHECK_STR(s.nas_id, "?");
	CHECK_STR(note, "User-Name holds a NUL byte and is not used");

	read_body("[]", false);
	CHECK_STR(why, "is no JSON object: byte 0");
	read_body("", false);
	read_body("{\"a\":1} x", false);
}

static void
check_acct(void)
{
	static const struct {
		const char	*word;
		enum acct	 acct;
	} words[] = {
		{ "\"Start\"", ACCT_START }, { "1", ACCT_START },
		{ "\"Stop\"", ACCT_STOP }, { "2", ACCT_STOP },
		{ "\"Interim-Update\"", ACCT_INTERIM }, { "\"Alive\"", ACCT_INTERIM },
		{ "\"Accounting-On\"", ACCT_ON }, { "8", ACCT_OFF },
		{ "\"Tunnel-Start\"", ACCT_NONE }, { "null", ACCT_NONE },
	};
	char	 body[128];
	size_t	 i;

	for (i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		snprintf(body, sizeof(body), "{\"Acct-Status-Type\":{\"value\":[%s]}}", words[i].word);
		CHECK(read_body(body, true).acct == words[i].acct);
	}
}

static void
check_reply(void)
{
	struct decision	 d = { .nattr = 4 };
	char		 out[512], small[64];

	d.attr[0] = (struct reply_attr){ "Tunnel-Type:0", ":=", "VLAN", false };
	d.attr[1] = (struct reply_attr){ "Filter-Id", "=", "a \"b\" \\ %{c}", true };
	d.attr[2] = (struct reply_attr){ "Class", ":=", "0x00", false };
	d.attr[3] = (struct reply_attr){ "filter-id", "+=", "d", true };
	CHECK(rest_reply(&d, out, sizeof(out)) == strlen(out));
	CHECK_STR(out, "{\"reply:Tunnel-Type:0\":{\"op\":\":=\",\"value\":[\"VLAN\"],\"do_xlat\":false},"
	    "\"reply:Filter-Id\":{\"op\":\"=\",\"value\":[\"a \\\"b\\\" \\\\ %{c}\",\"d\"],\"do_xlat\":false},"
	    "\"reply:Class\":{\"op\":\":=\",\"value\":[\"0x00\"],\"do_xlat\":false}}");
	CHECK(rest_reply(&d, small, sizeof(small)) == 0);
	d.nattr = 0;
	CHECK(rest_reply(&d, small, sizeof(small)) == 2);
	CHECK_STR(small, "{}");
}

int
main(void)
{
	check_read();
	check_acct();
	check_reply();
	return check_done();
}
