/* What is printed for FreeRADIUS, and what never is. */
#include <stdlib.h>

#include "check.h"
#include "radius/reply.h"

static char	 out[REPLY_MAX], why[REPLY_WHY];

/* The output has newlines, which have no place in TAP. */
#define CHECK_OUT(want)	CHECK(strcmp(out, want) == 0)

static size_t
one(const char *name, const char *op, const char *value, bool quoted)
{
	struct decision	 d = { .nattr = 1 };

	d.attr[0] = (struct reply_attr){ name, op, value, quoted };
	why[0] = '\0';
	return reply_format(out, &d, why);
}

static void
test_good(void)
{
	struct decision	 d = { .nattr = 0 };

	CHECK(reply_format(out, &d, why) == 1);
	CHECK_OUT("\n");
	CHECK(one("Filter-Id", "+=", "a, b \"q\" \\ x", true) > 0);
	CHECK_OUT("Filter-Id += \"a, b \\\"q\\\" \\\\ x\",\n");
	CHECK(one("Reply-Message", "=", "Quarant\xc3\xa4ne # 100 %", true) > 0);
	CHECK_OUT("Reply-Message = \"Quarant\xc3\xa4ne # 100 %\",\n");
	CHECK(one("Framed-IPv6-Prefix", ":=", "2001:db8::/64", false) > 0);
	CHECK(one("Class", "=", "0xdeadbeef", false) > 0);
	CHECK(one("Tunnel-Type:1", "=", "VLAN", false) > 0);
	CHECK(one("Filter-Id", "=", "", true) > 0);
	d.attr[0] = (struct reply_attr){ "Tunnel-Type:0", ":=", "VLAN", false };
	d.attr[1] = (struct reply_attr){ "Tunnel-Private-Group-Id:0", ":=", "120", true };
	d.nattr = 2;
	CHECK(reply_format(out, &d, why) == strlen(out));
	CHECK_OUT("Tunnel-Type:0 := VLAN,\nTunnel-Private-Group-Id:0 := \"120\",\n");
}

static void
test_bad(void)
{
	static const char *const	 names[] = { "", "#x", "-x", "a b", "a,b", "a=b", "a\"",
	    "a\n", "a%{x}", "a`", "\xc3\xa4" };
	static const char *const	 bare[] = { "", "#1", "a b", "1,", "1\n", "\"1\"", "%{x}", "`a`",
	    "a;b", "1=2" };
	static const char *const	 quoted[] = { "a\nb", "a\rb", "%{User-Name}", "x%{", "\x01",
	    "\x7f", "\xff", "\xc2\x85", "`id`", "\xed\xa0\x80" };
	static const char *const	 ops[] = { "", "==", "-=", "=\n", " =", "!*" };
	char				 lengthy[REPLY_VALUE_MAX + 2];
	size_t				 i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		CHECK(one(names[i], "=", "x", true) == 0 && strstr(why, "its name") != NULL);
	for (i = 0; i < sizeof(bare) / sizeof(bare[0]); i++)
		CHECK(one("Class", "=", bare[i], false) == 0);
	for (i = 0; i < sizeof(quoted) / sizeof(quoted[0]); i++)
		CHECK(one("Class", "=", quoted[i], true) == 0 && strstr(why, "\"Class\"") != NULL);
	for (i = 0; i < sizeof(ops) / sizeof(ops[0]); i++)
		CHECK(one("Class", ops[i], "x", true) == 0);
	memset(lengthy, 'a', sizeof(lengthy));
	lengthy[REPLY_VALUE_MAX + 1] = '\0';
	CHECK(one("Class", "=", lengthy, true) == 0);
	CHECK(one("Class", "=", lengthy, false) == 0);
	CHECK(one(lengthy, "=", "x", true) == 0);
	lengthy[REPLY_VALUE_MAX] = '\0';
	CHECK(one("Class", "=", lengthy, true) > 0);
	/* Nothing of a bad name gets into the reason as it stands. */
	one("x\nUser-Name = \"y", "=", "x", true);
	CHECK(strchr(why, '\n') == NULL);
}

/* Exactly 999 bytes go out, 1,000 do not. */
static void
test_limit(void)
{
	struct decision	 d = { .nattr = 4 };
	char		 value[4][REPLY_VALUE_MAX + 1];
	size_t		 i, len, want;

	for (want = REPLY_MAX - 1; want <= REPLY_MAX; want++) {
		/* Filter-Id = "...",\n is 16 bytes and the value. */
		for (i = 0, len = 0; i < 4; i++) {
			size_t n = i < 3 ? REPLY_VALUE_MAX : want - len - 16;

			memset(value[i], 'v', n);
			value[i][n] = '\0';
			d.attr[i] = (struct reply_attr){ "Filter-Id", "=", value[i], true };
			len += n + 16;
		}
		len = reply_format(out, &d, why);
		CHECK(want < REPLY_MAX ? len == want : len == 0);
	}
	CHECK_STR(why, "the reply is longer than 999 bytes");
	/* Only quotes: each takes two bytes. */
	memset(value[0], '"', REPLY_VALUE_MAX);
	value[0][REPLY_VALUE_MAX] = '\0';
	d.attr[1] = d.attr[0];
	d.nattr = 2;
	CHECK(reply_format(out, &d, why) == 0);
	d.nattr = 1;
	CHECK(reply_format(out, &d, why) == 16 + 2 * REPLY_VALUE_MAX);
}

static void
test_fallback(void)
{
	struct decision	 d;

	reply_fallback(&d, 4094, "fallback: x");
	CHECK(d.action == ACTION_ALLOW);
	CHECK_STR(d.reason, "fallback: x");
	CHECK(reply_format(out, &d, why) > 0);
	CHECK_OUT("Tunnel-Type:0 := VLAN,\nTunnel-Medium-Type:0 := IEEE-802,\n"
	    "Tunnel-Private-Group-Id:0 := \"4094\",\n");
	reply_fallback(&d, 0, "fallback: y");
	CHECK(d.action == ACTION_DENY && d.nattr == 0 && d.vlan == NULL);
	CHECK(reply_format(out, &d, why) == 1);
}

int
main(void)
{
	test_good();
	test_bad();
	test_limit();
	test_fallback();
	return check_done();
}
