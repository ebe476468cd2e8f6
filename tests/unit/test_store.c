/* The device store: what is found under which identifier after which answers. */
#include <sys/stat.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <lmdb.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/when.h"
#include "store/client.h"
#include "store/db.h"
#include "store/pack.h"
#include "asked.h"
#include "check.h"

#define NOW	1700000000

static char		 dir[] = "/tmp/test_store.XXXXXX";
static const struct match_order order = MATCH_ORDER_DEFAULT;

/* Device n: GUIDs, name and MACs are made from the number. */
static struct answer
device(int n, enum compliance state, int64_t checked)
{
	struct answer	 a = { .state = state, .source = SOURCE_GRAPH, .checked = checked };
	struct device	*d = &a.device;

	a.has_device = d->has_id = d->has_entra_id = d->has_wifi_mac = d->has_ethernet_mac = true;
	memset(d->id.b, 0x10, GUID_LEN);
	memset(d->entra_id.b, 0xe0, GUID_LEN);
	memcpy(d->id.b, &n, sizeof(n));
	memcpy(d->entra_id.b, &n, sizeof(n));
	memcpy(d->wifi_mac + 2, &n, sizeof(n));
	memcpy(d->ethernet_mac + 2, &n, sizeof(n));
	d->wifi_mac[1] = 1;
	d->ethernet_mac[1] = 2;
	snprintf(d->name, sizeof(d->name), "LAPTOP-%d", n);
	snprintf(d->os, sizeof(d->os), "Windows");
	snprintf(d->owner, sizeof(d->owner), "company");
	d->last_sync = checked - 100;
	d->grace_until = INT64_MAX;
	d->encrypted = true;
	return a;
}

static struct identity
by_guid(const struct guid *g)
{
	struct identity	 id;

	memset(&id, 0, sizeof(id));
	id.guid[0].guid = *g;
	id.nguid = 1;
	return id;
}

static struct identity
by_name(const char *name)
{
	struct identity	 id;

	memset(&id, 0, sizeof(id));
	snprintf(id.name[0].text, sizeof(id.name[0].text), "%s", name);
	id.nname = 1;
	return id;
}

static struct identity
by_mac(const uint8_t mac[MAC_LEN])
{
	struct identity	 id;

	memset(&id, 0, sizeof(id));
	id.has_mac = true;
	memcpy(id.mac, mac, MAC_LEN);
	return id;
}

static struct answer
state_answer(enum compliance state, int64_t checked)
{
	struct answer	 a = { .state = state, .source = SOURCE_GRAPH, .checked = checked };

	return a;
}

/* Finds by liblmdb and without it, which must be the same, faults too. */
static enum store_rc
find_both(struct store *s, const struct identity *id, const struct match_order *by,
    struct answer *out)
{
	static struct answer	 other;
	char			 why[STORE_WHY];
	enum store_rc		 rc = store_find(s, id, by, out);

	CHECK(store_find_once(s->dir, id, by, &other, why) == rc);
	CHECK(rc == STORE_ERROR ? strcmp(why, store_why(s)) == 0 :
	    memcmp(&other, out, sizeof(other)) == 0);
	return rc;
}

static enum compliance
look(struct store *s, struct identity id)
{
	struct answer	 a;

	if (find_both(s, &id, &order, &a) == STORE_ERROR) {
		printf("# %s\n", store_why(s));
		return COMPLIANCE_COUNT;
	}
	return a.state;
}

static void
ignore_fault(const char *what, void *arg)
{
	(void)arg;
	printf("# %s\n", what);
}

/* A store in a folder of its own. */
static struct store *
fresh(void)
{
	static int	 n;
	char		 path[64], why[STORE_WHY] = "";
	struct store	*s;

	snprintf(path, sizeof(path), "%s/%d", dir, n++);
	s = store_open(path, STORE_WRITE, why);
	if (s == NULL)
		printf("# %s\n", why);
	return s;
}

static void
test_pack(void)
{
	struct answer	 a = device(7, COMPLIANCE_GRACE, NOW), b;
	unsigned char	 buf[PACK_MAX], bad[PACK_MAX];
	const char	*why = NULL;
	size_t		 n, i, refused = 0;

	memset(a.device.name, 'n', 255);
	memset(a.device.user, 'u', 255);
	memset(a.device.model, 'm', 127);
	n = pack_answer(buf, &a);
	CHECK(n < PACK_MAX && unpack_answer(buf, n, &b, &why));
	CHECK(memcmp(&a.device, &b.device, sizeof(a.device)) == 0);
	CHECK(b.state == COMPLIANCE_GRACE && b.checked == NOW && b.source == SOURCE_GRAPH);
	for (i = 0; i < n; i++)
		refused += !unpack_answer(buf, i, &b, &why);
	CHECK(refused == n);
	CHECK(b.state == COMPLIANCE_PENDING && !b.has_device);
	memcpy(bad, buf, n);
	bad[n] = 0;
	CHECK(!unpack_answer(bad, n + 1, &b, &why));
	CHECK_STR(why, "has bytes left over");
	bad[0] = PACK_VERSION + 1;
	CHECK(!unpack_answer(bad, n, &b, &why));
	CHECK_STR(why, "is of another version");
	memcpy(bad, buf, n);
	bad[1] = COMPLIANCE_COUNT;
	CHECK(!unpack_answer(bad, n, &b, &why));
	bad[1] = 0;
	bad[5] = 2;		/* an id without a device */
	CHECK(!unpack_answer(bad, 14, &b, &why));
	/* What the first version wrote: the same without a tenant. */
	memcpy(bad, buf, n);
	bad[0] = 1;
	CHECK(bad[n - 1] == 0 && unpack_answer(bad, n - 1, &b, &why));
	CHECK(memcmp(&a.device, &b.device, sizeof(a.device)) == 0);
	CHECK(!unpack_answer(bad, n, &b, &why));
	snprintf(a.tenant, sizeof(a.tenant), "north");
	n = pack_answer(buf, &a);
	CHECK(unpack_answer(buf, n, &b, &why));
	CHECK_STR(b.tenant, "north");
	CHECK(unpack_int((const unsigned char *)"\xff\xff\xff\xff\xff\xff\xff\xff") == -1);
}

static void
test_find(void)
{
	struct store	*s = fresh();
	struct answer	 a = device(1, COMPLIANCE_COMPLIANT, NOW), out, before;
	struct identity	 id;
	struct guid	 zero;
	uint8_t		 random[MAC_LEN] = { 2, 0, 0, 0, 0, 1 };

	CHECK(look(s, by_guid(&a.device.id)) == COMPLIANCE_PENDING);
	CHECK(store_put(s, &a, &before) == STORE_FOUND && before.state == COMPLIANCE_PENDING);
	id = by_guid(&a.device.id);
	CHECK(find_both(s, &id, &order, &out) == STORE_FOUND);
	CHECK(out.matched_by == MATCH_GUID && out.id_space == ID_SPACE_INTUNE);
	CHECK(out.source == SOURCE_CACHE && out.checked == NOW);
	CHECK(memcmp(&out.device, &a.device, sizeof(a.device)) == 0);
	id = by_guid(&a.device.entra_id);
	CHECK(find_both(s, &id, &order, &out) == STORE_FOUND && out.id_space == ID_SPACE_ENTRA);
	id = by_name("laptop-1");
	CHECK(find_both(s, &id, &order, &out) == STORE_FOUND && out.matched_by == MATCH_NAME);
	id = by_mac(a.device.ethernet_mac);
	CHECK(find_both(s, &id, &order, &out) == STORE_FOUND && out.matched_by == MATCH_MAC);
	CHECK(look(s, by_mac(a.device.wifi_mac)) == COMPLIANCE_COMPLIANT);
	CHECK(look(s, by_name("laptop-10")) == COMPLIANCE_PENDING);

	/* What must match nothing. */
	memset(&zero, 0, sizeof(zero));
	a = device(2, COMPLIANCE_COMPLIANT, NOW);
	a.device.entra_id = zero;
	memcpy(a.device.wifi_mac, random, MAC_LEN);
	memset(a.device.ethernet_mac, 0, MAC_LEN);
	CHECK(store_put(s, &a, NULL) == STORE_FOUND);
	CHECK(look(s, by_guid(&zero)) == COMPLIANCE_PENDING);
	CHECK(look(s, by_mac(random)) == COMPLIANCE_PENDING);
	CHECK(look(s, by_mac(a.device.ethernet_mac)) == COMPLIANCE_PENDING);
	memset(&id, 0, sizeof(id));
	CHECK(look(s, id) == COMPLIANCE_PENDING);
	id.ambiguous = true;
	CHECK(look(s, id) == COMPLIANCE_AMBIGUOUS);
	store_close(s);
}

static struct identity
by_serial(const char *serial)
{
	struct identity	 id;

	memset(&id, 0, sizeof(id));
	snprintf(id.device_serial, sizeof(id.device_serial), "%s", serial);
	return id;
}

static void
test_serial(void)
{
	struct store		*s = fresh();
	struct answer		 a = device(1, COMPLIANCE_COMPLIANT, NOW), b, no, out;
	struct identity		 id = by_serial(" pf2abc01");
	struct store_checked	 n;

	snprintf(a.device.serial, sizeof(a.device.serial), "PF2ABC01");
	CHECK(store_put(s, &a, NULL) == STORE_FOUND);
	CHECK(find_both(s, &id, &order, &out) == STORE_FOUND && out.matched_by == MATCH_SERIAL);
	CHECK_STR(out.device.name, "LAPTOP-1");
	CHECK(look(s, by_serial("PF2ABC0")) == COMPLIANCE_PENDING);
	/* A serial number is no name, and a certificate's is no device's. */
	CHECK(look(s, by_name("PF2ABC01")) == COMPLIANCE_PENDING);
	memset(&id, 0, sizeof(id));
	snprintf(id.serial, sizeof(id.serial), "pf2abc01");
	CHECK(look(s, id) == COMPLIANCE_PENDING);
	/* A second device with it, until Intune names one of them. */
	b = device(2, COMPLIANCE_NONCOMPLIANT, NOW + 1);
	snprintf(b.device.serial, sizeof(b.device.serial), "pf2abc01");
	store_put(s, &b, NULL);
	CHECK(look(s, by_serial("PF2ABC01")) == COMPLIANCE_AMBIGUOUS);
	b.matched_by = MATCH_SERIAL;
	b.checked += 1;
	ask(&b, MATCH_SERIAL, "pf2abc01");
	store_put(s, &b, NULL);
	CHECK(look(s, by_serial("PF2ABC01")) == COMPLIANCE_NONCOMPLIANT);
	/* "No such device" is filed under it, and undone by a device that has it. */
	no = state_answer(COMPLIANCE_UNREGISTERED, NOW + 5);
	ask(&no, MATCH_SERIAL, "pf9zzz99");
	CHECK(store_put(s, &no, NULL) == STORE_FOUND);
	CHECK(look(s, by_serial("PF9ZZZ99")) == COMPLIANCE_UNREGISTERED);
	a = device(3, COMPLIANCE_COMPLIANT, NOW + 6);
	snprintf(a.device.serial, sizeof(a.device.serial), "PF9ZZZ99");
	store_put(s, &a, NULL);
	CHECK(look(s, by_serial("PF9ZZZ99")) == COMPLIANCE_COMPLIANT);
	/* What many devices have names none. */
	snprintf(a.device.serial, sizeof(a.device.serial), "Default string");
	a.checked++;
	store_put(s, &a, NULL);
	CHECK(look(s, by_serial("Default string")) == COMPLIANCE_PENDING);
	CHECK(look(s, by_serial("PF9ZZZ99")) == COMPLIANCE_PENDING);
	CHECK(store_check(s, ignore_fault, NULL, &n) == STORE_FOUND && n.faults == 0);
	store_close(s);
}

static void
test_order(void)
{
	struct store		*s = fresh();
	struct answer		 a = device(1, COMPLIANCE_COMPLIANT, NOW), out;
	struct answer		 b = device(2, COMPLIANCE_NONCOMPLIANT, NOW);
	struct identity		 id = by_guid(&a.device.id);
	const struct match_order mac_first = { { MATCH_MAC, MATCH_NAME, MATCH_GUID }, false };
	const struct match_order name_only = { { MATCH_NAME, MATCH_NONE, MATCH_GUID }, false };

	store_put(s, &a, NULL);
	store_put(s, &b, NULL);
	id.has_mac = true;
	memcpy(id.mac, b.device.wifi_mac, MAC_LEN);
	CHECK(find_both(s, &id, &order, &out) == STORE_FOUND && out.matched_by == MATCH_GUID &&
	    out.state == COMPLIANCE_COMPLIANT);
	CHECK(find_both(s, &id, &mac_first, &out) == STORE_FOUND && out.matched_by == MATCH_MAC &&
	    out.state == COMPLIANCE_NONCOMPLIANT);
	CHECK(find_both(s, &id, &name_only, &out) == STORE_NOTFOUND);
	store_close(s);
}

static void
test_moved_keys(void)
{
	struct store	*s = fresh();
	struct answer	 a = device(1, COMPLIANCE_COMPLIANT, NOW), b, c, before;
	uint8_t		 old[MAC_LEN];

	memcpy(old, a.device.wifi_mac, MAC_LEN);
	store_put(s, &a, NULL);
	b = a;
	b.checked = NOW + 10;
	b.state = COMPLIANCE_NONCOMPLIANT;
	snprintf(b.device.name, sizeof(b.device.name), "renamed");
	b.device.wifi_mac[5] ^= 0x55;
	b.device.has_entra_id = false;
	CHECK(store_put(s, &b, &before) == STORE_FOUND);
	CHECK(before.state == COMPLIANCE_COMPLIANT && before.checked == NOW);
	CHECK(look(s, by_name("LAPTOP-1")) == COMPLIANCE_PENDING);
	CHECK(look(s, by_mac(old)) == COMPLIANCE_PENDING);
	CHECK(look(s, by_guid(&a.device.entra_id)) == COMPLIANCE_PENDING);
	CHECK(look(s, by_name("Renamed")) == COMPLIANCE_NONCOMPLIANT);
	CHECK(look(s, by_mac(b.device.wifi_mac)) == COMPLIANCE_NONCOMPLIANT);
	/* Graph leaves a MAC out that it gave before. */
	b.checked++;
	b.device.has_wifi_mac = b.device.has_ethernet_mac = false;
	store_put(s, &b, NULL);
	CHECK(look(s, by_mac(b.device.wifi_mac)) == COMPLIANCE_NONCOMPLIANT);
	CHECK(look(s, by_mac(a.device.ethernet_mac)) == COMPLIANCE_NONCOMPLIANT);
	c = device(2, COMPLIANCE_COMPLIANT, NOW + 12);
	memcpy(c.device.wifi_mac, b.device.wifi_mac, MAC_LEN);
	c.matched_by = MATCH_MAC;
	store_put(s, &c, NULL);
	b.checked = NOW + 13;
	store_put(s, &b, NULL);
	CHECK(look(s, by_mac(b.device.wifi_mac)) == COMPLIANCE_COMPLIANT);
	/* An answer that was on its way for long changes nothing. */
	CHECK(store_put(s, &a, &before) == STORE_NOTFOUND && before.checked == NOW + 13);
	CHECK(look(s, by_guid(&a.device.id)) == COMPLIANCE_NONCOMPLIANT);
	CHECK(look(s, by_name("LAPTOP-1")) == COMPLIANCE_PENDING);
	a.state = COMPLIANCE_PENDING;
	a.checked = NOW + 20;
	CHECK(store_put(s, &a, NULL) == STORE_NOTFOUND);
	store_close(s);
}

static void
test_ambiguous(void)
{
	struct store	*s = fresh();
	struct answer	 a = device(1, COMPLIANCE_COMPLIANT, NOW);
	struct answer	 b = device(2, COMPLIANCE_NONCOMPLIANT, NOW + 1), c, out;
	struct identity	 id;

	snprintf(b.device.name, sizeof(b.device.name), "laptop-1");
	memcpy(b.device.ethernet_mac, a.device.wifi_mac, MAC_LEN);
	b.device.entra_id = a.device.entra_id;
	store_put(s, &a, NULL);
	store_put(s, &b, NULL);
	id = by_name("LAPTOP-1");
	CHECK(find_both(s, &id, &order, &out) == STORE_FOUND);
	CHECK(out.state == COMPLIANCE_AMBIGUOUS && !out.has_device && out.checked == NOW);
	CHECK(out.matched_by == MATCH_NAME);
	CHECK(look(s, by_mac(a.device.wifi_mac)) == COMPLIANCE_AMBIGUOUS);
	CHECK(look(s, by_guid(&a.device.entra_id)) == COMPLIANCE_AMBIGUOUS);
	CHECK(look(s, by_guid(&a.device.id)) == COMPLIANCE_COMPLIANT);
	/* The rules may say that the last to sync is meant, unless that is both. */
	{
		struct match_order	 newest = order;

		newest.newest = true;
		CHECK(find_both(s, &id, &newest, &out) == STORE_FOUND &&
		    out.state == (a.device.last_sync == b.device.last_sync ?
		    COMPLIANCE_AMBIGUOUS : COMPLIANCE_NONCOMPLIANT));
		b.device.last_sync = a.device.last_sync + 60;
		store_put(s, &b, NULL);
		CHECK(find_both(s, &id, &newest, &out) == STORE_FOUND &&
		    out.state == COMPLIANCE_NONCOMPLIANT);
		b.device.last_sync = a.device.last_sync - 60;
		b.checked++;
		store_put(s, &b, NULL);
		CHECK(find_both(s, &id, &newest, &out) == STORE_FOUND &&
		    out.state == COMPLIANCE_COMPLIANT && out.has_device);
		CHECK(look(s, by_name("LAPTOP-1")) == COMPLIANCE_AMBIGUOUS);
	}
	/* The ambiguous name is not got round by a MAC that matches one device. */
	id.has_mac = true;
	memcpy(id.mac, a.device.ethernet_mac, MAC_LEN);
	CHECK(find_both(s, &id, &order, &out) == STORE_FOUND && out.state == COMPLIANCE_AMBIGUOUS);

	/* One of them leaves Intune: the other is meant. */
	c = state_answer(COMPLIANCE_UNREGISTERED, NOW + 5);
	ask_guid(&c, &b.device.id);
	CHECK(store_put(s, &c, NULL) == STORE_FOUND);
	CHECK(look(s, by_name("laptop-1")) == COMPLIANCE_COMPLIANT);
	CHECK(look(s, by_guid(&b.device.entra_id)) == COMPLIANCE_COMPLIANT);
	CHECK(look(s, by_guid(&b.device.id)) == COMPLIANCE_UNREGISTERED);
	/* Intune names one device for the name: the other has lost it. */
	b.checked = NOW + 6;
	store_put(s, &b, NULL);
	CHECK(look(s, by_name("laptop-1")) == COMPLIANCE_AMBIGUOUS);
	b.checked = NOW + 7;
	b.matched_by = MATCH_NAME;
	store_put(s, &b, NULL);
	CHECK(look(s, by_name("laptop-1")) == COMPLIANCE_NONCOMPLIANT);
	CHECK(look(s, by_mac(a.device.wifi_mac)) == COMPLIANCE_AMBIGUOUS);
	CHECK(look(s, by_guid(&a.device.entra_id)) == COMPLIANCE_AMBIGUOUS);
	a.checked = NOW + 8;
	a.matched_by = MATCH_GUID;
	a.id_space = ID_SPACE_ENTRA;
	store_put(s, &a, NULL);
	CHECK(look(s, by_guid(&a.device.entra_id)) == COMPLIANCE_COMPLIANT);
	store_close(s);
}

static void
test_said_ambiguous(void)
{
	struct store	*s = fresh();
	struct answer	 a = state_answer(COMPLIANCE_AMBIGUOUS, NOW), before;
	struct answer	 d = device(1, COMPLIANCE_COMPLIANT, NOW + 1);

	a.matched_by = MATCH_NAME;
	ask_guid(&a, &d.device.entra_id);
	ask(&a, MATCH_NAME, "laptop-1");
	CHECK(store_put(s, &a, &before) == STORE_FOUND && before.state == COMPLIANCE_PENDING);
	CHECK(look(s, by_name("laptop-1")) == COMPLIANCE_AMBIGUOUS);
	CHECK(look(s, by_guid(&d.device.entra_id)) == COMPLIANCE_UNREGISTERED);
	/* A device with that name, found by its id, does not make the name unique; */
	d.matched_by = MATCH_GUID;
	store_put(s, &d, NULL);
	CHECK(look(s, by_name("laptop-1")) == COMPLIANCE_AMBIGUOUS);
	CHECK(look(s, by_guid(&d.device.entra_id)) == COMPLIANCE_COMPLIANT);
	/* found by that name it does. */
	d.matched_by = MATCH_NAME;
	d.checked++;
	store_put(s, &d, NULL);
	CHECK(look(s, by_name("laptop-1")) == COMPLIANCE_COMPLIANT);
	CHECK(store_put(s, &a, &before) == STORE_FOUND);
	store_close(s);
}

static void
test_unregistered(void)
{
	struct store	*s = fresh();
	struct answer	 a = device(1, COMPLIANCE_COMPLIANT, NOW), no, before, out;
	struct identity	 id;

	store_put(s, &a, NULL);
	/* Too old to count. */
	no = state_answer(COMPLIANCE_UNREGISTERED, NOW - 1);
	ask_guid(&no, &a.device.id);
	ask(&no, MATCH_NAME, "laptop-1");
	CHECK(store_put(s, &no, &before) == STORE_NOTFOUND);
	CHECK(look(s, by_guid(&a.device.id)) == COMPLIANCE_COMPLIANT);
	CHECK(look(s, by_name("laptop-1")) == COMPLIANCE_COMPLIANT);
	/* By id: marked, and the facts stay. */
	no = state_answer(COMPLIANCE_UNREGISTERED, NOW + 1);
	ask_guid(&no, &a.device.id);
	CHECK(store_put(s, &no, &before) == STORE_FOUND);
	CHECK(before.state == COMPLIANCE_COMPLIANT);
	id = by_guid(&a.device.entra_id);
	CHECK(find_both(s, &id, &order, &out) == STORE_FOUND && strcmp(out.device.name, "LAPTOP-1") == 0);
	CHECK(out.state == COMPLIANCE_UNREGISTERED && out.checked == NOW + 1);
	/* Back again. */
	a.checked = NOW + 2;
	CHECK(store_put(s, &a, &before) == STORE_FOUND && before.state == COMPLIANCE_UNREGISTERED);
	CHECK(look(s, by_guid(&a.device.id)) == COMPLIANCE_COMPLIANT);
	/* By Entra id. */
	no = state_answer(COMPLIANCE_UNREGISTERED, NOW + 3);
	ask_guid(&no, &a.device.entra_id);
	CHECK(store_put(s, &no, NULL) == STORE_FOUND);
	CHECK(look(s, by_guid(&a.device.id)) == COMPLIANCE_UNREGISTERED);
	/* By name and MAC: only these keys. */
	a.checked = NOW + 4;
	store_put(s, &a, NULL);
	no = state_answer(COMPLIANCE_UNREGISTERED, NOW + 5);
	ask(&no, MATCH_NAME, "Laptop-1");
	ask(&no, MATCH_MAC, "00:01:01:00:00:00");
	CHECK(store_put(s, &no, NULL) == STORE_FOUND);
	CHECK(look(s, by_name("laptop-1")) == COMPLIANCE_UNREGISTERED);
	CHECK(look(s, by_mac(a.device.wifi_mac)) == COMPLIANCE_UNREGISTERED);
	CHECK(look(s, by_mac(a.device.ethernet_mac)) == COMPLIANCE_COMPLIANT);
	CHECK(look(s, by_guid(&a.device.id)) == COMPLIANCE_COMPLIANT);
	/* An answer from before does not bring the name back, a later one does. */
	a.checked = NOW + 4;
	store_put(s, &a, NULL);
	CHECK(look(s, by_name("laptop-1")) == COMPLIANCE_UNREGISTERED);
	a.checked = NOW + 6;
	store_put(s, &a, NULL);
	CHECK(look(s, by_name("laptop-1")) == COMPLIANCE_COMPLIANT);
	CHECK(look(s, by_mac(a.device.wifi_mac)) == COMPLIANCE_COMPLIANT);
	store_close(s);
}

/* A list that lacks a MAC address is no proof, unless nobody is known to have it. */
static void
test_listed(void)
{
	struct store	*s = fresh();
	struct answer	 a = device(1, COMPLIANCE_COMPLIANT, NOW);
	struct answer	 no = state_answer(COMPLIANCE_UNREGISTERED, NOW + 10), out;
	unsigned char	 buf[PACK_MAX];
	char		 text[MAC_TEXT];
	const char	*why;

	CHECK(pack_answer(buf, &no) == 15);
	no.asked[0].listed = true;
	CHECK(unpack_answer(buf, pack_answer(buf, &no), &out, &why) && out.asked[0].listed);
	buf[0] = 1;
	CHECK(!unpack_answer(buf, 14, &out, &why));
	store_put(s, &a, NULL);
	ask(&no, MATCH_MAC, mac_format(text, a.device.wifi_mac, MAC_COLON));
	CHECK(store_put(s, &no, NULL) == STORE_NOTFOUND);
	CHECK(look(s, by_mac(a.device.wifi_mac)) == COMPLIANCE_COMPLIANT);
	no.asked[0].listed = false;
	CHECK(store_put(s, &no, NULL) == STORE_FOUND);
	CHECK(look(s, by_mac(a.device.wifi_mac)) == COMPLIANCE_UNREGISTERED);
	CHECK(look(s, by_mac(a.device.ethernet_mac)) == COMPLIANCE_COMPLIANT);
	a = device(2, COMPLIANCE_COMPLIANT, NOW);
	no = state_answer(COMPLIANCE_UNREGISTERED, NOW + 10);
	ask(&no, MATCH_MAC, mac_format(text, a.device.wifi_mac, MAC_COLON));
	no.asked[0].listed = true;
	CHECK(store_put(s, &no, NULL) == STORE_FOUND);
	CHECK(look(s, by_mac(a.device.wifi_mac)) == COMPLIANCE_UNREGISTERED);
	/* Nor does it count against what is filed later, of an earlier moment. */
	CHECK(store_put(s, &a, NULL) == STORE_FOUND);
	CHECK(look(s, by_mac(a.device.wifi_mac)) == COMPLIANCE_COMPLIANT);
	store_close(s);
}

/* What was stored while the clock was two days ahead keeps nothing out. */
static void
test_ahead(void)
{
	struct store	*s = fresh();
	int64_t		 now = when_now();
	struct answer	 a = device(1, COMPLIANCE_COMPLIANT, now + 2 * 86400), before;
	struct answer	 no = state_answer(COMPLIANCE_UNREGISTERED, now + 2 * 86400);
	char		 text[MAC_TEXT];
	uint8_t		 other[MAC_LEN] = { 0, 0x1b, 0x2c, 9, 9, 9 };

	CHECK(store_put(s, &a, NULL) == STORE_FOUND);
	a = device(1, COMPLIANCE_NONCOMPLIANT, now);
	CHECK(store_put(s, &a, &before) == STORE_FOUND && before.checked == now + 2 * 86400);
	CHECK(look(s, by_name(a.device.name)) == COMPLIANCE_NONCOMPLIANT);
	/* By an hour or by a minute it is a newer one. */
	a.checked = now - 60;
	CHECK(store_put(s, &a, NULL) == STORE_NOTFOUND);
	a = device(1, COMPLIANCE_COMPLIANT, now + 300);
	CHECK(store_put(s, &a, NULL) == STORE_FOUND);
	a.checked = now;
	CHECK(store_put(s, &a, NULL) == STORE_NOTFOUND);
	/* The same of what was asked, and of a device that is gone. */
	ask(&no, MATCH_MAC, mac_format(text, other, MAC_COLON));
	CHECK(store_put(s, &no, NULL) == STORE_FOUND);
	no.checked = now;
	CHECK(store_put(s, &no, &before) == STORE_FOUND && before.checked == now + 2 * 86400);
	a = device(2, COMPLIANCE_COMPLIANT, now + 2 * 86400);
	CHECK(store_put(s, &a, NULL) == STORE_FOUND);
	no = state_answer(COMPLIANCE_UNREGISTERED, now);
	ask_guid(&no, &a.device.id);
	CHECK(store_put(s, &no, NULL) == STORE_FOUND);
	CHECK(look(s, by_name(a.device.name)) == COMPLIANCE_UNREGISTERED);
	store_close(s);
}

static void
test_no_trust(void)
{
	struct store	*s = fresh();
	struct answer	 a = device(1, COMPLIANCE_COMPLIANT, NOW), b = device(2, COMPLIANCE_ERROR, NOW);
	struct answer	 no = state_answer(COMPLIANCE_UNREGISTERED, NOW), out;
	struct identity	 id = by_guid(&a.device.id);

	/* The MAC was asked before the device was enrolled; its certificate was not. */
	id.has_mac = true;
	memcpy(id.mac, a.device.wifi_mac, MAC_LEN);
	ask(&no, MATCH_MAC, "00:01:01:00:00:00");
	CHECK(store_put(s, &no, NULL) == STORE_FOUND);
	CHECK(find_both(s, &id, &order, &out) == STORE_NOTFOUND);
	CHECK(out.state == COMPLIANCE_PENDING && !out.has_device);
	/* The GUID was asked, the name was not: unregistered all the same. */
	no = state_answer(COMPLIANCE_UNREGISTERED, NOW);
	ask_guid(&no, &a.device.id);
	CHECK(store_put(s, &no, NULL) == STORE_FOUND);
	snprintf(id.name[0].text, sizeof(id.name[0].text), "laptop-2");
	id.nname = 1;
	CHECK(find_both(s, &id, &order, &out) == STORE_FOUND && out.state == COMPLIANCE_UNREGISTERED);
	/* Enrolled anew under the same name: the answer says so of the old GUID, too. */
	b.matched_by = MATCH_NAME;
	b.checked++;
	ask_guid(&b, &a.device.id);
	ask(&b, MATCH_NAME, "laptop-2");
	CHECK(store_put(s, &b, NULL) == STORE_FOUND);
	CHECK(find_both(s, &id, &order, &out) == STORE_FOUND && out.state == COMPLIANCE_ERROR);
	CHECK(out.matched_by == MATCH_NAME);
	a.checked = NOW + 2;
	store_put(s, &a, NULL);
	CHECK(look(s, by_guid(&a.device.id)) == COMPLIANCE_COMPLIANT);
	b.checked = NOW + 3;
	store_put(s, &b, NULL);
	CHECK(look(s, by_guid(&a.device.id)) == COMPLIANCE_UNREGISTERED);
	/* Nothing to file it under. */
	no = state_answer(COMPLIANCE_UNREGISTERED, NOW);
	ask(&no, MATCH_MAC, "02:00:00:00:00:01");
	ask(&no, MATCH_MAC, "rubbish");
	ask(&no, MATCH_GUID, "rubbish");
	CHECK(store_put(s, &no, NULL) == STORE_NOTFOUND);
	store_close(s);
}

static enum store_rc
fill(struct store *s, void *arg)
{
	struct answer	 a;
	int		 i, *n = arg;

	for (i = 0; i < *n; i++) {
		a = device(i + 1, COMPLIANCE_COMPLIANT, NOW);
		memset(a.device.user, 'u', 200);
		if (store_put(s, &a, NULL) == STORE_ERROR)
			return STORE_ERROR;
	}
	return STORE_FOUND;
}

static enum store_rc
fill_and_fail(struct store *s, void *arg)
{
	fill(s, arg);
	return STORE_ERROR;
}

/* Another process: LMDB must not be opened twice in one.  Opens the store, waits
 * for the end of its input, and exits with the state it then finds. */
static pid_t
fork_reader(const char *path, const struct identity *id, int wait_for[2])
{
	int		 ready[2];
	char		 c, why[STORE_WHY];
	struct store	*s;
	pid_t		 pid;

	fflush(stdout);
	if (pipe(ready) == -1 || pipe(wait_for) == -1 || (pid = fork()) == -1)
		abort();
	if (pid == 0) {
		close(wait_for[1]);
		s = store_open(path, STORE_READ, why);
		if (s == NULL || look(s, *id) != COMPLIANCE_PENDING)
			_exit(99);
		close(ready[1]);
		if (read(wait_for[0], &c, 1) != 0)
			_exit(98);
		_exit((int)look(s, *id));
	}
	close(ready[1]);
	close(wait_for[0]);
	CHECK(read(ready[0], &c, 1) == 0);
	close(ready[0]);
	return pid;
}

static void
test_growth(void)
{
	struct store	*s;
	struct answer	 a = device(1, COMPLIANCE_COMPLIANT, NOW);
	struct identity	 id = by_name("laptop-3000");
	char		 path[64], why[STORE_WHY];
	int		 n = 3000, pipefd[2], status;
	pid_t		 reader;

	db_map = 256 * 1024;
	s = fresh();
	snprintf(path, sizeof(path), "%s", s->dir);
	CHECK(store_transact(s, fill_and_fail, &n) == STORE_ERROR);
	CHECK(look(s, by_guid(&a.device.id)) == COMPLIANCE_PENDING);
	store_close(s);
	reader = fork_reader(path, &id, pipefd);
	s = store_open(path, STORE_WRITE, why);
	db_map = DB_MAP;
	CHECK(s != NULL && store_transact(s, fill, &n) == STORE_FOUND);
	CHECK(look(s, by_guid(&a.device.id)) == COMPLIANCE_COMPLIANT);
	/* A reader that was there before the map grew follows. */
	close(pipefd[1]);
	CHECK(waitpid(reader, &status, 0) == reader && WIFEXITED(status));
	CHECK(WEXITSTATUS(status) == COMPLIANCE_COMPLIANT);
	store_close(s);
}

/* store_find_once() fails as well, with these words. */
static bool
fails_once(const char *path, const char *word)
{
	struct identity	 id = by_name("laptop-1");
	struct answer	 a;
	char		 why[STORE_WHY] = "";

	return store_find_once(path, &id, &order, &a, why) == STORE_ERROR &&
	    strstr(why, word) != NULL;
}

static void
test_damage(void)
{
	struct store	*s = fresh();
	struct answer	 a = device(1, COMPLIANCE_COMPLIANT, NOW);
	struct identity	 id = by_guid(&a.device.id);
	char		 path[64], file[96], why[STORE_WHY];
	MDB_txn		*txn;
	MDB_val		 k = { 0, NULL }, v = { 0, NULL };
	char		 key[18] = "i:", junk[] = "junk";
	int		 fd, n = 300;

	store_put(s, &a, NULL);
	memcpy(key + 2, a.device.id.b, GUID_LEN);
	k.mv_data = key;
	k.mv_size = sizeof(key);
	v.mv_data = junk;
	v.mv_size = 4;
	mdb_txn_begin(s->env, NULL, 0, &txn);
	mdb_put(txn, s->dbi[DB_DEV], &k, &v, 0);
	mdb_txn_commit(txn);
	CHECK(find_both(s, &id, &order, &a) == STORE_ERROR && a.state == COMPLIANCE_PENDING);
	CHECK(strstr(store_why(s), "the store is damaged") != NULL);
	CHECK(store_errno(s) == EBADMSG);
	CHECK(look(s, by_name("laptop-1")) == COMPLIANCE_COUNT);

	/* Another format. */
	k.mv_data = strcpy(key, "format");
	k.mv_size = 6;
	v.mv_data = strcpy(file, "intune-nac 2");
	v.mv_size = 12;
	mdb_txn_begin(s->env, NULL, 0, &txn);
	mdb_put(txn, s->dbi[DB_META], &k, &v, 0);
	mdb_txn_commit(txn);
	snprintf(path, sizeof(path), "%s", s->dir);
	store_close(s);
	CHECK(store_open(path, STORE_READ, why) == NULL && errno == EINVAL);
	CHECK(strstr(why, "has format 2, and this program knows only 1") != NULL);
	CHECK(fails_once(path, "has format 2, and this program knows only 1"));
	CHECK(store_open(path, STORE_WRITE, why) == NULL && errno == EINVAL);

	/* No LMDB file, an empty one, a truncated one. */
	snprintf(file, sizeof(file), "%s/data.mdb", path);
	fd = open(file, O_WRONLY | O_TRUNC);
	CHECK(store_open(path, STORE_READ, why) == NULL && errno == ENOENT);
	CHECK(fails_once(path, "the store is empty"));
	CHECK(write(fd, path, sizeof(path)) == sizeof(path));
	CHECK(fails_once(path, "is no LMDB file"));
	CHECK(store_open(path, STORE_READ, why) == NULL && errno == EINVAL);
	CHECK(store_open(path, STORE_WRITE, why) == NULL && errno == EINVAL);
	close(fd);
	CHECK((s = fresh()) != NULL && store_transact(s, fill, &n) == STORE_FOUND);
	snprintf(path, sizeof(path), "%s", s->dir);
	snprintf(file, sizeof(file), "%s/data.mdb", path);
	store_close(s);
	CHECK((s = store_open(path, STORE_READ, why)) != NULL);
	store_close(s);
	CHECK(truncate(file, 3 * 4096) == 0);
	CHECK(store_open(path, STORE_READ, why) == NULL && errno == EBADMSG);
	CHECK(strstr(why, "cut short") != NULL);
	CHECK(fails_once(path, "the store is damaged: data.mdb is cut short"));
	CHECK(fails_once("/nonexistent/nac", "there is no store here"));
	CHECK(store_open("/nonexistent/nac", STORE_READ, why) == NULL && errno == ENOENT);
	CHECK(store_open("/nonexistent/nac", STORE_WRITE, why) == NULL && errno == ENOENT);
}

static void
test_modes(void)
{
	struct stat	 st;
	char		 path[64], file[96], why[STORE_WHY];
	mode_t		 old = umask(077);

	snprintf(path, sizeof(path), "%s/modes", dir);
	store_close(store_open(path, STORE_WRITE, why));
	umask(old);
	CHECK(stat(path, &st) == 0 && (st.st_mode & 07777) == 02770);
	snprintf(file, sizeof(file), "%s/data.mdb", path);
	CHECK(stat(file, &st) == 0 && (st.st_mode & 07777) == 0640);
	snprintf(file, sizeof(file), "%s/lock.mdb", path);
	CHECK(stat(file, &st) == 0 && (st.st_mode & 07777) == 0660);
}

/* Readers that are killed in the middle of a look-up keep their slots; when all
 * are taken the next reader sweeps them, and so does every writer. */
static void
test_killed_readers(void)
{
	struct store		*s;
	struct answer		 a = device(1, COMPLIANCE_COMPLIANT, NOW);
	struct store_size	 size;
	char			 path[64], why[STORE_WHY];
	int			 i, status, dead, died = 0, hold[2], ready[2];
	pid_t			 holder;

	s = fresh();
	store_put(s, &a, NULL);
	snprintf(path, sizeof(path), "%s", s->dir);
	store_close(s);
	fflush(stdout);
	/* The first opener starts with an empty table of slots, so there must be one
	 * all the time, as `nac-cache follow' is. */
	if (pipe(hold) == -1 || pipe(ready) == -1 || (holder = fork()) == -1)
		abort();
	if (holder == 0) {
		close(hold[1]);
		s = store_open(path, STORE_READ, why);
		close(ready[1]);
		_exit(s == NULL || read(hold[0], &i, 1) != 0);
	}
	close(hold[0]);
	close(ready[1]);
	CHECK(read(ready[0], &i, 1) == 0);
	close(ready[0]);
	for (i = 0; i < DB_READERS + 100; i++) {
		if (fork() == 0) {
			close(hold[1]);
			if ((s = store_open(path, STORE_READ, why)) != NULL &&
			    db_enter(s) != STORE_ERROR)
				raise(SIGKILL);
			_exit(1);
		}
		do {} while (wait(&status) == holder);
		died += WIFSIGNALED(status);
	}
	/* All of them got in. */
	CHECK(died == DB_READERS + 100);
	if (!CHECK((s = store_open(path, STORE_READ, why)) != NULL))
		return;
	CHECK(look(s, by_guid(&a.device.id)) == COMPLIANCE_COMPLIANT);
	CHECK(store_sizes(s, &size) == STORE_FOUND);
	CHECK(size.readers == DB_READERS && size.readers_max == DB_READERS);
	store_close(s);
	CHECK((s = store_open(path, STORE_WRITE, why)) != NULL);
	CHECK(mdb_reader_check(s->env, &dead) == 0 && dead == 0);
	CHECK(store_put(s, &a, NULL) == STORE_FOUND);
	store_close(s);
	close(hold[1]);
	CHECK(waitpid(holder, &status, 0) == holder && status == 0);
}

static bool
count(const struct answer *a, const char *why, void *arg)
{
	int	*n = arg;

	if (a == NULL)
		printf("# %s\n", why);
	n[a == NULL ? 0 : a->has_device ? 1 : 2]++;
	return n[1] < 100000;
}

static bool
first_only(const struct answer *a, const char *why, void *arg)
{
	(void)a;
	(void)why;
	++*(int *)arg;
	return false;
}

static void
test_each(void)
{
	struct store	*s = fresh();
	struct answer	 no = state_answer(COMPLIANCE_UNREGISTERED, NOW - 10), a;
	int		 n = 300, seen[3] = { 0 };
	size_t		 devices = 0, others = 0;

	store_transact(s, fill, &n);
	ask(&no, MATCH_NAME, "ghost");
	ask(&no, MATCH_MAC, "00:aa:bb:cc:dd:ee");
	store_put(s, &no, NULL);
	CHECK(store_each(s, count, seen) == STORE_FOUND);
	CHECK(seen[0] == 0 && seen[1] == 300 && seen[2] == 2);
	n = 0;
	CHECK(store_each(s, first_only, &n) == STORE_NOTFOUND && n == 1);
	a = device(7, COMPLIANCE_GRACE, NOW + 50);
	store_put(s, &a, NULL);
	CHECK(store_prune(s, NOW, &devices, &others) == STORE_FOUND && devices == 0 && others == 2);
	CHECK(store_prune(s, NOW + 1, &devices, &others) == STORE_FOUND && devices == 299);
	CHECK(look(s, by_name("laptop-8")) == COMPLIANCE_PENDING);
	CHECK(look(s, by_name("laptop-7")) == COMPLIANCE_GRACE);
	memset(seen, 0, sizeof(seen));
	CHECK(store_each(s, count, seen) == STORE_FOUND && seen[1] == 1 && seen[2] == 0);
	store_close(s);
}

static bool
collect(const struct client *c, const char *why, void *arg)
{
	(void)why;
	*(int *)arg += c == NULL ? 1000 : 1;
	return true;
}

static bool
stay(const struct answer *a, const char *why, void *arg)
{
	(void)a;
	(void)why;
	if (write(*(int *)arg, "", 1) == 1)
		pause();
	return true;
}

static bool
stay_client(const struct client *c, const char *why, void *arg)
{
	(void)c;
	return stay(NULL, why, arg);
}

enum reader { READER_LIST, READER_CLIENTS, READER_PINS };

/* By how many bytes the file grows in 1,000 commits beside a reader that stands
 * still, as one does whose output nobody takes, or that was stopped. */
static off_t
growth(const char *path, enum reader kind)
{
	struct answer	 a;
	struct stat	 before, after;
	struct store	*s;
	char		 why[STORE_WHY], file[PATH_MAX], byte;
	int		 i, p[2];
	pid_t		 pid;

	snprintf(file, sizeof(file), "%s/data.mdb", path);
	if (pipe(p) == -1 || (pid = fork()) == -1)
		exit(1);
	if (pid == 0) {
		if ((s = store_open(path, STORE_READ, why)) == NULL)
			_exit(1);
		if (kind == READER_PINS && db_enter(s) == STORE_FOUND)
			stay(NULL, NULL, &p[1]);
		else if (kind == READER_CLIENTS)
			client_each(s, stay_client, &p[1]);
		else
			store_each(s, stay, &p[1]);
		_exit(0);
	}
	close(p[1]);
	CHECK(read(p[0], &byte, 1) == 1 && kill(pid, SIGSTOP) == 0 && stat(file, &before) == 0);
	if ((s = store_open(path, STORE_WRITE, why)) == NULL)
		exit(1);
	/* The disk has nothing to do with it. */
	mdb_env_set_flags(s->env, MDB_NOSYNC, 1);
	for (i = 0; i < 1000; i++) {
		a = device(1 + i % 200, COMPLIANCE_COMPLIANT, NOW + 10 + i);
		if (store_put(s, &a, NULL) != STORE_FOUND)
			exit(1);
	}
	store_close(s);
	CHECK(stat(file, &after) == 0 && kill(pid, SIGKILL) == 0 && waitpid(pid, NULL, 0) == pid);
	close(p[0]);
	return after.st_size - before.st_size;
}

static void
test_stopped_readers(void)
{
	static const enum reader	 kinds[] = { READER_LIST, READER_CLIENTS, READER_PINS };
	struct client			 c = { .seen = NOW, .text = "{}", .len = 2 };
	struct answer			 a;
	char				 path[64], why[STORE_WHY];
	struct store			*s;
	off_t				 grown;
	size_t				 i;
	int				 n;

	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		snprintf(path, sizeof(path), "%s/stopped%zu", dir, i);
		if (!CHECK((s = store_open(path, STORE_WRITE, why)) != NULL))
			return;
		mdb_env_set_flags(s->env, MDB_NOSYNC, 1);
		for (n = 1; n <= 200; n++) {
			a = device(n, COMPLIANCE_COMPLIANT, NOW);
			snprintf(c.id, sizeof(c.id), "u:%d@here", n);
			CHECK(store_put(s, &a, NULL) == STORE_FOUND && client_put(s, &c) == STORE_FOUND);
		}
		store_close(s);
		grown = growth(path, kinds[i]);
		printf("# reader %d: %lld bytes more\n", kinds[i], (long long)grown);
		/* The last kind, which none of ours is, shows what would become of it. */
		CHECK(kinds[i] == READER_PINS ? grown > 4 << 20 : grown < 1 << 20);
	}
}

static void
test_clients(void)
{
	struct store		*s = fresh();
	struct client		 c = { .id = "00:11:22:33:44:55", .seen = NOW, .ino = 1, .offset = 10 }, d;
	struct journal_place	 place = { 1, 2, 3, 4 }, got;
	struct session		 session;
	struct identity		 id;
	char			*text;
	int			 i, n = 0;
	size_t			 pruned = 0;

	c.text = "{\"a\":1}";
	c.len = 7;
	CHECK(client_get(s, c.id, &d, &text) == STORE_NOTFOUND && text == NULL);
	CHECK(client_fold(s, &c) == STORE_FOUND);
	CHECK(client_fold(s, &c) == STORE_NOTFOUND);	/* the same line */
	c.offset = 9;
	CHECK(client_fold(s, &c) == STORE_NOTFOUND);	/* before it */
	c.offset = 20;
	CHECK(client_fold(s, &c) == STORE_FOUND);	/* behind it, in the same second */
	c.seen--;
	c.ino = 2;
	CHECK(client_fold(s, &c) == STORE_NOTFOUND);
	CHECK(client_get(s, c.id, &d, &text) == STORE_FOUND);
	CHECK(d.seen == NOW && d.ino == 1 && d.offset == 20 && d.len == 7 && memcmp(text, c.text, 7) == 0);
	free(text);
	for (i = 0; i < 200; i++) {
		snprintf(c.id, sizeof(c.id), "u:%d@nas", i);
		c.seen = NOW + i;
		client_put(s, &c);
	}
	CHECK(client_each(s, collect, &n) == STORE_FOUND && n == 201);
	CHECK(client_prune(s, NOW + 100, &pruned) == STORE_FOUND && pruned == 101);

	CHECK(cursor_get(s, "x", &got) == STORE_NOTFOUND);
	CHECK(cursor_put(s, "x", &place) == STORE_FOUND);
	CHECK(cursor_get(s, "x", &got) == STORE_FOUND && memcmp(&got, &place, sizeof(got)) == 0);
	store_close(s);

	memset(&session, 0, sizeof(session));
	memset(&id, 0, sizeof(id));
	CHECK(!client_id(c.id, &session, &id));
	memset(session.user, 'u', SESSION_TEXT - 1);
	memset(session.nas_id, 'n', SESSION_TEXT - 1);
	CHECK(client_id(c.id, &session, &id) && strlen(c.id) <= DB_KEY_MAX);
	snprintf(session.calling, sizeof(session.calling), "00-11-22-AA-BB-CC:x");
	CHECK(client_id(c.id, &session, &id));
	CHECK_STR(c.id, "00:11:22:aa:bb:cc");
}

/* More than one step: all go, and the file does not take twice its room for it. */
static void
test_prune_steps(void)
{
	struct store		*s = fresh();
	struct store_size	 before, after;
	size_t			 devices = 0, others = 0;
	int			 n = 5 * DB_STEP + 7;

	CHECK(store_transact(s, fill, &n) == STORE_FOUND);
	CHECK(store_sizes(s, &before) == STORE_FOUND && before.entries == (size_t)n);
	CHECK(store_prune(s, INT64_MAX, &devices, &others) == STORE_FOUND);
	CHECK(devices == (size_t)n && others == 0);
	CHECK(store_sizes(s, &after) == STORE_FOUND && after.entries == 0);
	CHECK(after.file < before.file * 3 / 2);
	store_close(s);
}

#define STRESS_MS	2000
#define STRESS_DEVICES	400

/* Device n as it is at this time; its parts tell on each other. */
static struct answer
at_time(int n, int64_t checked)
{
	struct answer	 a = device(n, COMPLIANCE_COMPLIANT, checked);

	memset(a.device.user, 'a' + (int)(checked % 26), (size_t)((checked * 7 + n) % 120));
	return a;
}

static enum store_rc
put_some(struct store *s, void *arg)
{
	const int64_t	*round = arg;
	struct answer	 a;
	int		 i, many = *round % 20 == 0;

	for (i = 1; i <= (many ? STRESS_DEVICES : 5); i++) {
		a = at_time(many ? i : (int)(random() % STRESS_DEVICES) + 1, NOW + *round);
		if (store_put(s, &a, NULL) == STORE_ERROR)
			return STORE_ERROR;
	}
	return STORE_FOUND;
}

/* Files, copies and lets the map grow, for as long as the pipe is open. */
static void
write_on(const char *path, int until)
{
	char		 why[STORE_WHY];
	struct store	*s;
	int64_t		 round;
	ssize_t		 n;
	char		 c;
	int		 fd;

	db_map = 512 * 1024;
	if ((s = store_open(path, STORE_WRITE, why)) == NULL)
		_exit(1);
	for (round = 0; (n = read(until, &c, 1)) == -1 && errno == EAGAIN; round++) {
		if (store_transact(s, put_some, &round) == STORE_ERROR)
			_exit(2);
		if (round % 100 == 50 && (fd = open(path, O_TMPFILE | O_RDWR, 0600)) != -1) {
			if (store_copy(s, fd) == STORE_ERROR)
				_exit(3);
			close(fd);
		}
	}
	store_close(s);
	_exit(0);
}

static int64_t
now_ms(void)
{
	struct timespec	 t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * INT64_C(1000) + t.tv_nsec / 1000000;
}

/* Look-ups without a lock while another process files, copies and grows the store. */
static void
test_lockless(void)
{
	struct store	*s = fresh();
	struct answer	 a, want;
	struct identity	 id;
	int64_t		 end, round = 0;
	char		 path[64], why[STORE_WHY] = "", name[32];
	unsigned int	 good = 0, bad = 0, seen = 0;
	int		 until[2], status, n;
	pid_t		 pid;

	snprintf(path, sizeof(path), "%s", s->dir);
	CHECK(store_transact(s, put_some, &round) == STORE_FOUND);
	store_close(s);
	fflush(stdout);
	if (pipe2(until, O_NONBLOCK) == -1 || (pid = fork()) == -1)
		abort();
	if (pid == 0) {
		close(until[1]);
		write_on(path, until[0]);
	}
	for (end = now_ms() + STRESS_MS; now_ms() < end;) {
		n = (int)(random() % STRESS_DEVICES) + 1;
		a = device(n, COMPLIANCE_COMPLIANT, NOW);
		snprintf(name, sizeof(name), "laptop-%d", n);
		id = n % 2 == 0 ? by_guid(&a.device.id) : by_name(name);
		if (store_find_once(path, &id, &order, &a, why) != STORE_FOUND) {
			bad++;
			continue;
		}
		want = at_time(n, a.checked);
		if (memcmp(&a.device, &want.device, sizeof(a.device)) == 0)
			good++;
		else
			bad++;
		seen += a.checked > NOW;
	}
	close(until[1]);
	close(until[0]);
	CHECK(waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0);
	printf("# %u look-ups, %u of what was filed meanwhile %s\n", good, seen, bad > 0 ? why : "");
	CHECK(bad == 0 && good > 100 && seen > 0);
}

int
main(void)
{
	char	 cmd[64];

	if (mkdtemp(dir) == NULL)
		return 1;
	test_pack();
	test_find();
	test_serial();
	test_order();
	test_moved_keys();
	test_ambiguous();
	test_said_ambiguous();
	test_unregistered();
	test_listed();
	test_ahead();
	test_no_trust();
	test_lockless();
	test_prune_steps();
	test_growth();
	test_damage();
	test_modes();
	test_each();
	test_stopped_readers();
	test_clients();
	test_killed_readers();
	snprintf(cmd, sizeof(cmd), "rm -rf %s", dir);
	CHECK(system(cmd) == 0);
	return check_done();
}
