/*
 * Dynamic Authorization: packets byte for byte, replies good and bad, and the
 * files that describe a NAS.
 */
#include <netinet/in.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "radius/dict.h"
#include "radius/fleet.h"
#include "radius/lines.h"
#include "radius/nas.h"
#include "radius/packet.h"
#include "radius/profile.h"
#include "radius/vendor.h"

#define SECRET	"testing123"
#define NOW	1795249800	/* 2026-11-21T08:30:00Z */
#define ID	7

static struct dict	*dict;
static char		 said[2048];	/* what was reported last */
static int		 reports;

static void
keep(void *arg, const char *message)
{
	(void)arg;
	reports++;
	snprintf(said, sizeof(said), "%s", message);
}

/* A copy that a parser may cut up. */
static char *
copy(const char *text)
{
	char	*p = strdup(text);

	if (p == NULL)
		abort();
	said[0] = '\0';
	reports = 0;
	return p;
}

static void
hex(char *out, const uint8_t *b, size_t len)
{
	size_t	 i;

	*out = '\0';
	for (i = 0; i < len; i++)
		sprintf(out + 2 * i, "%02x", b[i]);
}

static size_t
unhex(uint8_t *out, const char *text)
{
	unsigned	 b;
	size_t		 n;

	for (n = 0; sscanf(text + 2 * n, "%2x", &b) == 1; n++)
		out[n] = (uint8_t)b;
	return n;
}

static void
a_session(struct session *s)
{
	memset(s, 0, sizeof(*s));
	strcpy(s->nas_ip, "192.0.2.1");
	strcpy(s->nas_id, "sw-1");
	strcpy(s->nas_port, "50101");
	strcpy(s->user, "host/lap1");
	strcpy(s->calling, "0a1b2c3d4e5f");
	strcpy(s->acct_session_id, "5A00001F");
	strcpy(s->audit_session_id, "0A010203000000");
}

/* hostapd's disconnect in tests/golden/coa, for a_session(). */
#define REQUEST	\
	"2807003f33f7654ebbe034950ad1ec9aec602ccf5012b8005b0f85a759728ecf" \
	"145fbed661d21f1330412d31422d32432d33442d34452d354637066b015688"

/* The session and the change of every line in tests/golden/coa. */
static void
a_golden_session(struct session *s, struct change *change)
{
	a_session(s);
	strcpy(s->nas_port_id, "ge-0/0/1");
	strcpy(s->framed_ip, "198.51.100.7");
	strcpy(change->vlan, "750");
	strcpy(change->role, "quarantine");
	strcpy(change->redirect,
	    "https://portal.manage.microsoft.com/networkaccesscontrol/index");
}

/* The packet that a profile makes of it, in hex. */
static void
golden_packet(const struct profile *p, enum action action, char *out)
{
	struct filled	 f[PROFILE_FILLED];
	struct session	 s;
	struct change	 change;
	struct packet	 packet;
	char		 why[PROFILE_WHY] = "", again[2 * PACKET_MAX + 1];
	size_t		 n;

	a_golden_session(&s, &change);
	if (!CHECK(profile_fill(p, action, &s, &change, dict, f, &n, why)))
		printf("# %s\n", why);
	CHECK(profile_packet(p, action, f, n, ID, NOW, &packet));
	CHECK(packet_sign(&packet, SECRET));
	hex(out, packet.b, packet.len);
	/* Signing again changes nothing. */
	CHECK(packet_sign(&packet, SECRET));
	hex(again, packet.b, packet.len);
	CHECK_STR(again, out);
}

/*
 * One packet of each profile and action.  The bytes were not made here but by
 * tests/lib/coa-golden, out of the text beside them and FreeRADIUS's dictionary.
 */
static void
test_golden(void)
{
	char		 line[4096], got[2 * PACKET_MAX + 1], name[PROFILE_NAME], word[32];
	const char	*bytes;
	struct profile	*p = NULL;
	enum action	 action;
	size_t		 n = 0;
	FILE		*f;

	if (!CHECK((f = fopen("tests/golden/coa", "r")) != NULL))
		return;
	while (fgets(line, sizeof(line), f) != NULL) {
		line[strcspn(line, "\n")] = '\0';
		if (line[0] == '#')
			continue;
		bytes = strrchr(line, '\t') + 1;
		if (!CHECK(sscanf(line, "%63s %31s", name, word) == 2) ||
		    !CHECK(action_parse(word, &action)))
			break;
		if (p == NULL || strcmp(p->name, name) != 0) {
			free(p);
			p = profile_load("share/profiles", name, dict, keep, NULL);
		}
		if (!CHECK(p != NULL))
			break;
		golden_packet(p, action, got);
		if (!CHECK_STR(got, bytes))
			printf("# %s %s\n", name, word);
		n++;
	}
	CHECK(n > 100);
	free(p);
	fclose(f);
}

/* Replies to REQUEST, made with python3's hashlib and hmac. */
static const struct {
	enum reply_verdict	 verdict;
	bool			 require_ma;
	bool			 ack;
	uint32_t		 cause;
	const char		*bytes;
} replies[] = {
	{ REPLY_GOOD, false, true, 0, "2907001424dec7e9909635274fce182e12d4e48f" },
	{ REPLY_NO_MA, true, true, 0, "2907001424dec7e9909635274fce182e12d4e48f" },
	{ REPLY_GOOD, true, true, 0, "2907002637d255b5e5479a5238ef0a82a5f9da78"
	    "5012758a8e155d08bc1c8ea3f908eca96b18" },
	{ REPLY_GOOD, true, false, 503, "2a07002c768768e055108c9452d764804505dc8b"
	    "6506000001f750123d7da92035d74fe9c84dfff043f7fca1" },
	/* An Error-Cause of two bytes says nothing, but the NAK is one. */
	{ REPLY_GOOD, false, false, 0, "2a07001826431584ddc451d073a134a1967102e565040102" },
	/* Event-Timestamp: of this second, and as old as it may be. */
	{ REPLY_GOOD, false, true, 0, "2907001ac611e8b5c3171f3384cd4b9b740f7e8f37066b015688" },
	{ REPLY_GOOD, false, false, 0, "2a07001ae721641aa5fcb4a2c6fb03aac8a21eed37066b01555c" },
	/* One second too old, too new; an hour; the second of two; none at all; short. */
	{ REPLY_TIME, false, false, 0, "2907001a52e89a8cdc91a16c49c61039f203de2e37066b01555b" },
	{ REPLY_TIME, false, false, 0, "2907001a4275b775514e1ef3c092e7450ef8ceef37066b0157b5" },
	{ REPLY_TIME, false, false, 0, "2907001a9cc6155e49c16362f19c9291af69c20e37066b014878" },
	{ REPLY_TIME, false, false, 0, "290700209d65f84fb8c6a6da9abbda03cec4761037066b01568837066b014878" },
	{ REPLY_TIME, false, false, 0, "2907001a9a5cc93a208f5d5c4b92b6750b62d73e370600000000" },
	{ REPLY_ATTRIBUTES, false, false, 0, "29070019048d95c27b9c15cdc38b654b7b6f2bc03705616263" },
	/* Bytes behind the length are padding. */
	{ REPLY_GOOD, false, true, 0, "2907001424dec7e9909635274fce182e12d4e48fffff" },
	/* The ACK of a CoA, rightly signed, and a Proxy-State. */
	{ REPLY_CODE, false, false, 0, "2c07001428698bbf28a19d4172e4d20ca6dbed30" },
	{ REPLY_PROXY_STATE, false, false, 0, "29070017bc5e548cf45278160976d06c4bbdd5d7210370" },
	/* A byte left over; an attribute of length 0. */
	{ REPLY_ATTRIBUTES, false, false, 0, "29070015705f55fdac1935a410bc78e0f2b919ba12" },
	{ REPLY_ATTRIBUTES, false, false, 0, "290700166ed1a887bb3c469206be249d21275dbf1200" },
	/* Message-Authenticator wrong by one bit, the other digest right. */
	{ REPLY_BAD_MA, false, false, 0, "29070026a45beade991a60504fd9a49deb17fd1b"
	    "5012758a8e155d08bc1c8ea3f908eca96b19" },
	/* The same made with the reply's own authenticator in the header. */
	{ REPLY_BAD_MA, false, false, 0, "290700266eb4c3ff3bae88366e403111c13e059d"
	    "50126f5186639168991fa298914b95521a45" },
	{ REPLY_ID, false, false, 0, "2908001424dec7e9909635274fce182e12d4e48f" },
	{ REPLY_AUTHENTICATOR, false, false, 0, "2907001424dec7e9909635274fce182e12d4e48e" },
	{ REPLY_AUTHENTICATOR, false, false, 0, "2907001400000000000000000000000000000000" },
	{ REPLY_LENGTH, false, false, 0, "2907001524dec7e9909635274fce182e12d4e48f" },
	{ REPLY_LENGTH, false, false, 0, "2907001324dec7e9909635274fce182e12d4e48f" },
	{ REPLY_LENGTH, false, false, 0, "2907ffff24dec7e9909635274fce182e12d4e48f" },
	{ REPLY_LENGTH, false, false, 0, "29070014" },
	{ REPLY_LENGTH, false, false, 0, "" },
};

static void
test_replies(void)
{
	struct packet	 request;
	struct reply	 reply;
	uint8_t		 b[256];
	size_t		 i, len;

	memset(&request, 0, sizeof(request));
	request.len = unhex(request.b, REQUEST);
	for (i = 0; i < sizeof(replies) / sizeof(replies[0]); i++) {
		len = unhex(b, replies[i].bytes);
		memset(&reply, 0, sizeof(reply));
		if (!CHECK(packet_verify(request.b, b, len, SECRET, replies[i].require_ma,
		    NOW, &reply) == replies[i].verdict))
			printf("# reply %zu: %s\n", i, packet_verdict_text(packet_verify(
			    request.b, b, len, SECRET, replies[i].require_ma, NOW, &reply)));
		if (replies[i].verdict == REPLY_GOOD)
			CHECK(reply.ack == replies[i].ack &&
			    reply.error_cause == replies[i].cause);
	}
	len = unhex(b, replies[0].bytes);
	CHECK(packet_verify(request.b, b, len, "testing124", false, NOW, &reply) ==
	    REPLY_AUTHENTICATOR);
	/* A NAS that has no clock. */
	len = unhex(b, "2907001a9a5cc93a208f5d5c4b92b6750b62d73e370600000000");
	CHECK(packet_verify(request.b, b, len, SECRET, false, PACKET_NO_TIME, &reply) ==
	    REPLY_GOOD);
	CHECK_STR(packet_error_cause(503), "Session Context Not Found");
	CHECK(packet_error_cause(999) == NULL);
}

static void
test_packet_limits(void)
{
	struct packet	 p;
	uint8_t		 v[256] = { 1 };
	int		 i;

	packet_start(&p, COA_REQUEST, 1, true);
	CHECK(p.len == 38 && p.b[20] == 80 && p.b[21] == 18);
	CHECK(packet_add(&p, 0, 1, v, 253) && !packet_add(&p, 0, 1, v, 254) && p.full);
	CHECK(!packet_sign(&p, SECRET));
	packet_start(&p, COA_REQUEST, 1, false);
	CHECK(p.len == 20 && packet_add(&p, 9, 1, v, 247) && p.b[21] == 255 && p.b[27] == 249);
	CHECK(!packet_add(&p, 9, 1, v, 248));
	packet_start(&p, COA_REQUEST, 1, false);
	CHECK(!packet_add(&p, 0, 1, v, 0) && p.full);
	packet_start(&p, COA_REQUEST, 1, false);
	for (i = 0; i < 15; i++)
		CHECK(packet_add(&p, 0, 1, v, 253));
	CHECK(packet_add(&p, 0, 1, v, 249) && p.len == PACKET_MAX);
	CHECK(packet_sign(&p, SECRET) && p.b[2] == 0x10 && p.b[3] == 0);
	CHECK(!packet_add(&p, 0, 1, v, 1));
}

/* Returns the first report on a profile of this text; "" when it is good. */
static const char *
profile_fault(const char *text)
{
	char		*t = copy(text);
	struct profile	*p = profile_parse("x.profile", "x", t, strlen(t), dict, keep, NULL);

	if ((p == NULL) == (reports == 0))
		snprintf(said, sizeof(said), "result and reports disagree");
	free(p);
	free(t);
	return said;
}

#define GOOD	"code disconnect\nsession Calling-Station-Id\naction reauth\n"

static void
test_profile_errors(void)
{
	CHECK_STR(profile_fault(GOOD), "");
	CHECK_STR(profile_fault(GOOD "prot 1\n"),
	    "x.profile:4:1: unknown keyword (did you mean port?)");
	CHECK_STR(profile_fault(GOOD "port 0\n"), "x.profile:4:6: no port number: \"0\"");
	CHECK_STR(profile_fault(GOOD "port 1\nport 2\n"), "x.profile:5:1: given twice: \"port\"");
	CHECK_STR(profile_fault(GOOD "port\n"), "x.profile:4:1: port takes one word");
	CHECK_STR(profile_fault(GOOD "session User-Name required code disconnect\n"), "");
	CHECK_STR(profile_fault(GOOD "session User-Name code access\n"),
	    "x.profile:4:24: expected coa or disconnect, not \"access\"");
	CHECK_STR(profile_fault(GOOD "session User-Name x code\n"),
	    "x.profile:4:21: unexpected \"code\"");
	CHECK_STR(profile_fault(GOOD "action role\nattribute Filter-Id x code coa\n"),
	    "x.profile:5:23: unexpected \"code\"");
	CHECK_STR(profile_fault(GOOD "mac ieee\n"),
	    "x.profile:4:5: no form of MAC address: \"ieee\"");
	CHECK_STR(profile_fault(GOOD "event-timestamp maybe\n"),
	    "x.profile:4:17: expected yes or no, not \"maybe\"");
	CHECK_STR(profile_fault(GOOD "session Callling-Station-Id\n"),
	    "x.profile:4:9: the dictionary has no attribute \"Callling-Station-Id\"");
	CHECK_STR(profile_fault(GOOD "session Filter-Id\n"),
	    "x.profile:4:9: a session has no such value; give one for \"Filter-Id\"");
	CHECK_STR(profile_fault(GOOD "session Filter-Id %{rule}\n"),
	    "x.profile:4:19: a session has no such field: \"%{rule}\"");
	CHECK_STR(profile_fault(GOOD "session Filter-Id %{user\n"),
	    "x.profile:4:19: a session has no such field: \"%{user\"");
	CHECK_STR(profile_fault(GOOD "attribute NAS-Port x\n"),
	    "x.profile:4:20: NAS-Port is no number and no known name");
	CHECK_STR(profile_fault(GOOD "action bounce code coa\nattribute Service-Type Authorize-Only\n"), "");
	CHECK_STR(profile_fault(GOOD "attribute Service-Type VLAN\n"),
	    "x.profile:4:24: Service-Type is no number and no known name");
	CHECK_STR(profile_fault(GOOD "attribute NAS-IP-Address 1.2.3\n"),
	    "x.profile:4:26: NAS-IP-Address is no IPv4 address");
	CHECK_STR(profile_fault(GOOD "attribute Filter-Id a b\n"),
	    "x.profile:4:23: unexpected \"b\"");
	CHECK_STR(profile_fault(GOOD "attribute\n"),
	    "x.profile:4:1: the name of an attribute is missing");
	CHECK_STR(profile_fault(GOOD "action reauth\n"),
	    "x.profile:4:8: given twice: action \"reauth\"");
	CHECK_STR(profile_fault(GOOD "action kick\n"),
	    "x.profile:4:8: expected reauth, disconnect, bounce, vlan, role or redirect, "
	    "not \"kick\"");
	CHECK_STR(profile_fault(GOOD "action bounce with coa\n"),
	    "x.profile:4:1: expected: action name [code coa|disconnect | as action]");
	CHECK_STR(profile_fault("session User-Name\naction reauth\n"),
	    "x.profile:2:1: no code: write one here, or a code line above");
	CHECK_STR(profile_fault("attribute Filter-Id x\n" GOOD),
	    "x.profile:1:1: an attribute line belongs behind an action line");
	CHECK_STR(profile_fault("code coa\nsession User-Name\n"), "x.profile:2:1: no action reauth");
	CHECK_STR(profile_fault("code coa\naction reauth\n"),
	    "x.profile:2:1: no session line: the packet would name nobody");
	CHECK_STR(profile_fault(GOOD "attribute Filter-Id \"open\n"),
	    "x.profile:4:21: this quote is never closed");
	CHECK_STR(profile_fault(GOOD "attribute Filter-Id \"a\"b\n"),
	    "x.profile:4:24: expected a blank behind the quote");
	CHECK_STR(profile_fault(GOOD "port 1 \x01\n"), "x.profile:4:8: a control byte");
	CHECK_STR(profile_fault(GOOD "attribute Filter-Id \"\"\n"),
	    "x.profile:4:21: Filter-Id is empty");
	CHECK_STR(profile_fault(GOOD "action bounce code coa\nattribute Filter-Id \"a \\\"b\\\" \\\\\" # c\n"), "");
	CHECK_STR(profile_fault(GOOD "attribute Service-Type Authorize-Only\n"), "x.profile:4:1: "
	    "action reauth is a disconnect, which takes no attribute of its own");
	CHECK_STR(profile_fault(GOOD "action bounce as reauth\nfallback reauth\n"),
	    "x.profile:5:1: a fallback line belongs behind an action line");
	CHECK_STR(profile_fault(GOOD "action vlan as role\n"),
	    "x.profile:4:16: no action above has the name \"role\"");
	CHECK_STR(profile_fault(GOOD "fallback reauth\n"),
	    "x.profile:4:10: an action is no fallback for itself: \"reauth\"");
	CHECK_STR(profile_fault(GOOD "fallback bounce\n"),
	    "x.profile:4:1: action reauth falls back to bounce, which is not there");
	CHECK_STR(profile_fault(GOOD "fallback bounce\nfallback bounce\n"),
	    "x.profile:5:10: given twice: fallback \"bounce\"");
	CHECK_STR(profile_fault(GOOD "fallback\n"), "x.profile:4:1: expected: fallback action");
	CHECK(profile_load("share/profiles", "nosuch", dict, keep, NULL) == NULL);
	CHECK_STR(said, "share/profiles/nosuch.profile: No such file or directory");
	CHECK(profile_load("share", "profiles/../profiles", dict, keep, NULL) == NULL);
}

/* Fills a profile of this text with s; returns the reason, or how many. */
static const char *
filled(const char *text, enum action action, const struct session *s, struct filled *out)
{
	static char	 why[PROFILE_WHY];
	char		*t = copy(text);
	struct profile	*p = profile_parse("x", "x", t, strlen(t), dict, keep, NULL);
	static char	 keepname[PROFILE_FILLED][DICT_NAME];
	size_t		 i, n = 0;

	free(t);
	if (p == NULL)
		return said;
	if (profile_fill(p, action, s, NULL, dict, out, &n, why))
		snprintf(why, sizeof(why), "%zu", n);
	/* The names belong to the profile. */
	for (i = 0; i < n; i++) {
		snprintf(keepname[i], sizeof(keepname[i]), "%s", out[i].name);
		out[i].name = keepname[i];
	}
	free(p);
	return why;
}

static void
test_fill(void)
{
	static const char	 all[] = "code coa\nmac dotted\nsession NAS-IP-Address\n"
	    "session NAS-IPv6-Address\nsession NAS-Port\nsession Calling-Station-Id\n"
	    "session Framed-IP-Address\nsession User-Name \"<%{calling}>%{nas_id}\"\n"
	    "session Cisco-AVPair \"audit-session-id=%{audit_session_id}\"\naction reauth\n"
	    "attribute HP-Port-Bounce-Host 12\n";
	static const char	 one_code[] = "code coa\nsession Calling-Station-Id\n"
	    "session Acct-Session-Id required code coa\naction reauth\n"
	    "action disconnect code disconnect\n";
	struct filled	 f[PROFILE_FILLED];
	struct session	 s;

	a_session(&s);
	CHECK_STR(filled(all, ACTION_REAUTH, &s, f), "6");
	CHECK_STR(f[1].name, "NAS-Port");
	CHECK(f[1].attr.len == 4 && memcmp(f[1].attr.value, "\0\0\xc3\xb5", 4) == 0);
	CHECK_STR(f[2].text, "0a1b.2c3d.4e5f");
	CHECK_STR(f[3].text, "<0a1b.2c3d.4e5f>sw-1");
	CHECK(f[5].attr.vendor == 11 && f[5].attr.type == 23 &&
	    memcmp(f[5].attr.value, "\0\0\0\x0c", 4) == 0);
	strcpy(s.nas_ip, "2001:db8::1");
	CHECK_STR(filled(all, ACTION_REAUTH, &s, f), "6");
	CHECK_STR(f[0].name, "NAS-IPv6-Address");
	CHECK(f[0].attr.len == 16 && f[0].attr.type == 95);
	strcpy(s.nas_port, "slot1");
	CHECK_STR(filled(all, ACTION_REAUTH, &s, f),
	    "the session's value for NAS-Port is no number and no known name");
	CHECK_STR(filled(all, ACTION_BOUNCE, &s, f), "profile x has no action bounce");
	a_session(&s);
	/* What is no MAC stays as it came, in any form. */
	strcpy(s.calling, "10.1.1.1");
	CHECK_STR(filled(all, ACTION_REAUTH, &s, f), "6");
	CHECK_STR(f[2].text, "10.1.1.1");
	memset(s.audit_session_id, 'x', SESSION_TEXT - 1);
	CHECK_STR(filled(all, ACTION_REAUTH, &s, f),
	    "the session's value for Cisco-AVPair is too long for an attribute");
	/* 247 bytes fit into a vendor's attribute, and 253 into another. */
	s.audit_session_id[247 - 17] = '\0';
	CHECK_STR(filled(all, ACTION_REAUTH, &s, f), "6");
	s.audit_session_id[247 - 17] = 'x';
	s.audit_session_id[248 - 17] = '\0';
	CHECK_STR(filled(all, ACTION_REAUTH, &s, f),
	    "the session's value for Cisco-AVPair is too long for an attribute");
	a_session(&s);
	s.calling[0] = s.audit_session_id[0] = s.acct_session_id[0] = '\0';
	/* The NAS and a port are not enough: they could be everybody's. */
	CHECK_STR(filled(all, ACTION_REAUTH, &s, f), "nothing in the session that profile x "
	    "sends tells this client from others");
	CHECK_STR(filled("code coa\nsession Acct-Session-Id required\naction reauth\n",
	    ACTION_REAUTH, &s, f),
	    "the session has nothing for Acct-Session-Id, which profile x requires");
	/* An attribute for one kind of packet, required there and nowhere else. */
	a_session(&s);
	CHECK_STR(filled(one_code, ACTION_REAUTH, &s, f), "2");
	CHECK_STR(filled(one_code, ACTION_DISCONNECT, &s, f), "1");
	s.acct_session_id[0] = '\0';
	CHECK_STR(filled(one_code, ACTION_DISCONNECT, &s, f), "1");
	CHECK_STR(filled(one_code, ACTION_REAUTH, &s, f),
	    "the session has nothing for Acct-Session-Id, which profile x requires");
}

static void
test_change(void)
{
	static const char	 text[] = "code coa\nsession Calling-Station-Id\naction reauth\n"
	    "action vlan\nattribute Tunnel-Private-Group-Id %{vlan}\nfallback reauth\n"
	    "action role as vlan\n";
	char			*t = copy(text), why[PROFILE_WHY];
	struct profile		*p = profile_parse("x", "x", t, strlen(t), dict, keep, NULL);
	struct filled		 f[PROFILE_FILLED];
	struct change		 change = { .vlan = "" };
	struct session		 s;
	size_t			 n;

	a_session(&s);
	free(t);
	if (!CHECK(p != NULL))
		return;
	CHECK(p->action[ACTION_VLAN].fallback == ACTION_REAUTH);
	CHECK(p->action[ACTION_ROLE].fallback == ACTION_REAUTH);
	CHECK(p->action[ACTION_REAUTH].fallback == -1);
	/* A push of nothing would be another request than the one asked for. */
	CHECK(!profile_fill(p, ACTION_VLAN, &s, &change, dict, f, &n, why));
	CHECK_STR(why, "the record has nothing for Tunnel-Private-Group-Id, "
	    "which profile x requires");
	CHECK(!profile_fill(p, ACTION_VLAN, &s, NULL, dict, f, &n, why));
	strcpy(change.vlan, "7");
	CHECK(profile_fill(p, ACTION_ROLE, &s, &change, dict, f, &n, why) && n == 2);
	CHECK_STR(f[1].text, "7");
	CHECK(profile_add_session_id(&s, dict, f, &n) && n == 3);
	CHECK_STR(f[2].text, "5A00001F");
	CHECK(f[2].attr.type == 44);
	CHECK(!profile_add_session_id(&s, dict, f, &n) && n == 3);
	s.acct_session_id[0] = '\0';
	n = 2;
	CHECK(!profile_add_session_id(&s, dict, f, &n) && n == 2);
	free(p);
}

static const char *
nas_fault(const char *text)
{
	char		*t = copy(text);
	struct nas_file	*f = nas_parse("nas", t, strlen(t), keep, NULL);

	if ((f == NULL) == (reports == 0))
		snprintf(said, sizeof(said), "result and reports disagree");
	nas_free(f);
	free(t);
	return said;
}

#define REST	" profile cisco secret-file /s"

static void
test_nas_errors(void)
{
	CHECK_STR(nas_fault("# none\n\n"), "");
	CHECK_STR(nas_fault("nas *" REST "\nnas 2001:db8::/32" REST " address ::1 port 9 id \"a b*\"\n"),
	    "");
	CHECK_STR(nas_fault("\n nsa 1.2.3.4" REST), "nas:2:2: expected nas, not \"nsa\"");
	CHECK_STR(nas_fault("nas"), "nas:1:1: expected: nas network profile name secret-file path");
	CHECK_STR(nas_fault("nas 1.2.3" REST), "nas:1:5: is no address, network or *: \"1.2.3\"");
	CHECK_STR(nas_fault("nas switch.example" REST),
	    "nas:1:5: is no address, network or *: \"switch.example\"");
	CHECK_STR(nas_fault("nas 192.0.2.0/33" REST),
	    "nas:1:5: has a wrong length of prefix: \"192.0.2.0/33\"");
	CHECK_STR(nas_fault("nas 192.0.2.1/24" REST),
	    "nas:1:5: has bits set behind its prefix: \"192.0.2.1/24\"");
	CHECK_STR(nas_fault("nas 2001:db8::/129" REST),
	    "nas:1:5: has a wrong length of prefix: \"2001:db8::/129\"");
	CHECK_STR(nas_fault("nas * profile cisco"), "nas:1:1: this line has no secret-file");
	CHECK_STR(nas_fault("nas * secret-file /s"), "nas:1:1: this line has no profile");
	CHECK_STR(nas_fault("nas * profile ../etc secret-file /s"),
	    "nas:1:15: is no name of a profile: \"../etc\"");
	CHECK_STR(nas_fault("nas * profile a profile b secret-file /s"),
	    "nas:1:25: given twice: profile \"b\"");
	CHECK_STR(nas_fault("nas * profile a secret-file s"),
	    "nas:1:29: secret-file is no absolute path: \"s\"");
	CHECK_STR(nas_fault("nas * secret hush" REST), "nas:1:7: expected profile, "
	    "secret-file, id, vendor, address or port, not \"secret\"");
	CHECK_STR(nas_fault("nas *" REST " vendor Cisco"),
	    "nas:1:43: expected " VENDOR_WORDS ", not \"Cisco\"");
	CHECK_STR(nas_fault("nas *" REST " vendor hp vendor hp"),
	    "nas:1:53: given twice: vendor \"hp\"");
	CHECK_STR(nas_fault("nas *" REST " port 65536"), "nas:1:41: no port number: \"65536\"");
	CHECK_STR(nas_fault("nas *" REST " address example.com"),
	    "nas:1:44: is no numeric address: \"example.com\"");
	CHECK_STR(nas_fault("nas *" REST " id"), "nas:1:36: no value behind \"id\"");
	CHECK_STR(nas_fault("nas \x1b[2J" REST), "nas:1:5: a control byte");
	CHECK(nas_load("/nonexistent/nas", keep, NULL) == NULL);
	CHECK_STR(said, "/nonexistent/nas: No such file or directory");
}

static void
test_nas_match(void)
{
	static const char	 text[] =
	    "nas 192.0.2.16/28 profile cisco secret-file /1\n"
	    "nas 192.0.2.0/24 id \"ap-*\" profile mist secret-file /2 port 9\n"
	    "nas 2001:db8:8000::/33 profile juniper secret-file /3\n"
	    "nas 2001:db8::7 profile aruba secret-file /4 address 2001:db8::8\n"
	    "nas * id wlc profile hostapd secret-file /5 address 127.0.0.1\n"
	    "nas * vendor aruba id \"cx-*\" profile aruba-cx secret-file /6\n"
	    "nas * vendor aruba profile aruba secret-file /7\n"
	    "nas 0.0.0.0/0 profile rfc5176 secret-file /8\n";
	static const struct {
		const char *ip, *id; size_t line; const char *where, *vendor;
	} want[] = {
		{ "192.0.2.17", "ap-1", 1, "192.0.2.17:1700", "" },
		{ "192.0.2.32", "ap-1", 2, "192.0.2.32:9", "" },
		{ "192.0.2.15", "sw-1", 8, "192.0.2.15:3799", "" },
		{ "192.0.2.15", "sw-1", 7, "192.0.2.15:3799", "aruba" },
		{ "192.0.2.15", "cx-1", 6, "192.0.2.15:3799", "aruba" },
		{ "192.0.2.15", "cx-1", 8, "192.0.2.15:3799", "cisco" },
		{ "192.0.2.15", "wlc", 5, "127.0.0.1:3799", "aruba" },
		{ "192.0.2.17", "cx-1", 1, "192.0.2.17:1700", "aruba" },
		{ "2001:db8:8000::1", "", 3, "[2001:db8:8000::1]:3799", "" },
		{ "2001:0DB8:0::7", "", 4, "[2001:db8::8]:3799", "" },
		{ "2001:db8::9", "", 0, NULL, "" },
		{ "2001:db8::9", "wlc", 5, "127.0.0.1:3799", "" },
		{ "", "wlc", 5, "127.0.0.1:3799", "" },
		{ "", "", 0, NULL, "" },
		{ "nonsense", "", 0, NULL, "" },
	};
	struct sockaddr_storage	 ss;
	char			*t = copy(text), where[NAS_ADDRESS];
	struct nas_file		*f = nas_parse("nas", t, strlen(t), keep, NULL);
	struct session		 s;
	struct nas		*nas;
	socklen_t		 len;
	size_t			 i;

	free(t);
	if (!CHECK(f != NULL && nas_profiles(f, "share/profiles", dict, keep, NULL)))
		return;
	CHECK(f->nprofile == 7);
	for (i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
		memset(&s, 0, sizeof(s));
		strcpy(s.nas_ip, want[i].ip);
		strcpy(s.nas_id, want[i].id);
		strcpy(s.vendor, want[i].vendor);
		nas = nas_find(f, &s);
		if (!CHECK((nas == NULL ? 0 : nas->line) == want[i].line) || nas == NULL)
			continue;
		CHECK(nas_address(nas, &s, &ss, &len, where));
		CHECK_STR(where, want[i].where);
	}
	nas_free(f);
	t = copy("nas * profile cisco secret-file /1\nnas * profile nosuch secret-file /1\n");
	f = nas_parse("nas", t, strlen(t), keep, NULL);
	CHECK(f != NULL && !nas_profiles(f, "share/profiles", dict, keep, NULL));
	CHECK_STR(said, "nas:2:15: cannot use profile nosuch");
	nas_free(f);
	free(t);
}

static const char *
dict_fault(const char *text)
{
	char		*t = copy(text);
	struct dict	*d = dict_parse("dict", t, strlen(t), keep, NULL);

	dict_free(d);
	free(t);
	return said;
}

static void
test_dict(void)
{
	struct attr	 a;
	const char	*why;

	CHECK_STR(dict_fault("VENDOR V 9\nATTRIBUTE A 1 string V\nVALUE A x 1\n"), "");
	CHECK_STR(dict_fault("garbage\n"), "dict:1:1: expected VENDOR, ATTRIBUTE or VALUE, not \"garbage\"");
	CHECK_STR(dict_fault("ATTRIBUTE A 256 string\n"),
	    "dict:1:13: is no number that can stand here: \"256\"");
	CHECK_STR(dict_fault("ATTRIBUTE A 1 strnig\n"), "dict:1:11: libradcli refuses this line, for \"A\"");
	CHECK_STR(dict_fault("ATTRIBUTE A 1 string Nobody\n"),
	    "dict:1:11: libradcli refuses this line, for \"A\"");
	CHECK_STR(dict_fault("VENDOR V 70000\n"), "dict:1:10: is no number that can stand here: \"70000\"");
	CHECK_STR(dict_fault("VENDOR V\n"), "dict:1:1: expected VENDOR name number, at \"VENDOR\"");
	CHECK(dict_encode(dict, "pica8-avpair", "x", &a, &why) && a.vendor == 35098 && a.type == 1);
	CHECK(!dict_encode(dict, "No-Such", "x", &a, &why));
	CHECK_STR(why, "is not in the dictionary");
	CHECK(dict_encode(dict, "NAS-Port", "4294967295", &a, &why) && a.value[0] == 255);
	CHECK(!dict_encode(dict, "NAS-Port", "4294967296", &a, &why));
	CHECK(!dict_encode(dict, "NAS-IPv6-Address", "192.0.2.1", &a, &why));
}

static void
test_hints(void)
{
	CHECK(packet_error_hint(503) == NULL && packet_error_hint(401) != NULL && packet_error_hint(0) == NULL);
	CHECK(fleet_clock() <= fleet_clock());
}

int
main(void)
{
	dict = dict_load("share/dictionary", keep, NULL);
	if (!CHECK(packet_crypto()) || !CHECK(dict != NULL))
		return check_done();
	test_golden();
	test_replies();
	test_packet_limits();
	test_profile_errors();
	test_fill();
	test_change();
	test_nas_errors();
	test_nas_match();
	test_dict();
	test_hints();
	dict_free(dict);
	return check_done();
}
