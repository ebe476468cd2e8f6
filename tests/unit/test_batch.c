/* store_put_all() does what store_put() does for one answer after the other. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/when.h"
#include "store/db.h"
#include "asked.h"
#include "check.h"

#define NOW	1700000000
#define BATCH	300
#define DEVICES	40

static char		 dir[] = "/tmp/test_batch.XXXXXX";

/* What was answered to one store_put(). */
struct filed {
	enum store_rc	 rc;
	struct answer	 before;
};

static struct answer		 some[BATCH];
static struct store_item	 item[BATCH];
static struct filed		 one_by_one[BATCH], together[BATCH];

static int
any(int n)
{
	return (int)(random() % n);
}

static struct store *
fresh(const char *name)
{
	char		 path[64], why[STORE_WHY] = "";
	struct store	*s;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	if ((s = store_open(path, STORE_WRITE, why)) == NULL)
		printf("# %s\n", why);
	return s;
}

/* One of a few devices, which share names, addresses and serial numbers, and change them. */
static struct answer
any_device(void)
{
	struct answer	 a = { .state = COMPLIANCE_COMPLIANT, .source = SOURCE_GRAPH };
	struct device	*d = &a.device;
	int		 n = any(DEVICES);

	a.checked = NOW + any(50);
	a.source = any(8) == 0 ? SOURCE_NAC2 : SOURCE_GRAPH;
	a.has_device = d->has_id = d->has_entra_id = true;
	memset(d->id.b, 0x10, GUID_LEN);
	memset(d->entra_id.b, 0xe0, GUID_LEN);
	/* Some differ in the last byte alone. */
	d->id.b[n % 2 == 0 ? 0 : GUID_LEN - 1] = d->entra_id.b[0] = (uint8_t)n;
	d->has_wifi_mac = any(4) != 0;
	d->has_ethernet_mac = any(4) != 0;
	memcpy(d->wifi_mac, (uint8_t[]){ 0, 1, 0, 0, 0, (uint8_t)any(60) }, MAC_LEN);
	memcpy(d->ethernet_mac, (uint8_t[]){ 0, 2, 0, 0, 0, (uint8_t)n }, MAC_LEN);
	snprintf(d->name, sizeof(d->name), "LAPTOP-%d", any(3) == 0 ? any(DEVICES) : n);
	snprintf(d->serial, sizeof(d->serial), "SER2%dX", any(3) == 0 ? any(DEVICES) : n);
	d->last_sync = any(3);
	if (any(4) == 0)
		ask_guid(&a, any(2) == 0 ? &d->id : &d->entra_id);
	return a;
}

/* An answer that takes something from other devices, or names none. */
static struct answer
strange(void)
{
	struct answer	 a = any_device(), other = any_device();
	char		 mac[MAC_TEXT];

	a.nasked = 0;
	switch (any(5)) {
	case 0:
		ask(&a, MATCH_NAME, other.device.name);
		a.state = any(2) == 0 ? COMPLIANCE_AMBIGUOUS : COMPLIANCE_UNREGISTERED;
		break;
	case 1:
		ask_guid(&a, any(2) == 0 ? &other.device.id : &other.device.entra_id);
		a.state = COMPLIANCE_UNREGISTERED;
		break;
	case 2:
		ask(&a, MATCH_NAME, a.device.name);
		a.matched_by = MATCH_NAME;
		return a;
	case 3:
		ask(&a, MATCH_MAC, mac_format(mac, other.device.wifi_mac, MAC_COLON));
		a.matched_by = MATCH_MAC;
		return a;
	default:
		ask_guid(&a, &other.device.id);
		return a;
	}
	a.has_device = false;
	memset(&a.device, 0, sizeof(a.device));
	return a;
}

static enum store_rc
put_each(struct store *s, void *arg)
{
	struct filed	*f = arg;
	size_t		 i;

	for (i = 0; i < BATCH; i++)
		if ((f[i].rc = store_put(s, &some[i], &f[i].before)) == STORE_ERROR)
			return STORE_ERROR;
	return STORE_FOUND;
}

static void
note(const struct store_item *it, enum store_rc rc, const struct answer *before, void *arg)
{
	struct filed	*f = it->of;

	f->rc = rc;
	f->before = *before;
	*(size_t *)arg += 1;
}

struct dump {
	FILE	*out;
	bool	 values;
};

static enum store_rc
dump_entry(const struct bytes *k, const struct bytes *v, void *arg)
{
	const struct dump	*d = arg;

	fprintf(d->out, "%zu %zu ", k->n, v->n);
	fwrite(k->p, 1, k->n, d->out);
	if (d->values)
		fwrite(v->p, 1, v->n, d->out);
	return STORE_FOUND;
}

/* All that is in the store; of what others have not been told the keys, as the values
 * are times. */
static char *
dump(struct store *s, size_t *n)
{
	char		*text;
	struct dump	 d = { open_memstream(&text, n), true };

	if (d.out == NULL)
		abort();
	CHECK(db_enter(s) == STORE_FOUND);
	CHECK(db_walk(s, DB_DEV, dump_entry, &d) == STORE_FOUND);
	CHECK(db_walk(s, DB_KEY, dump_entry, &d) == STORE_FOUND);
	d.values = false;
	CHECK(db_walk(s, DB_OUT, dump_entry, &d) == STORE_FOUND);
	db_leave(s);
	fclose(d.out);
	return text;
}

/* Files them in both stores, and compares what comes of it. */
static void
file_both(struct store *s, struct store *t)
{
	size_t	 i, n, m, calls = 0;
	char	*p, *q;

	memset(together, 0, sizeof(together));
	for (i = 0; i < BATCH; i++)
		item[i] = (struct store_item){ &some[i], &together[i] };
	CHECK(store_transact(s, put_each, one_by_one) == STORE_FOUND);
	CHECK(store_put_all(t, item, BATCH, note, &calls) == STORE_FOUND);
	CHECK(calls == BATCH);
	CHECK(memcmp(one_by_one, together, sizeof(together)) == 0);
	p = dump(s, &n);
	q = dump(t, &m);
	CHECK(n > 0 && n == m && memcmp(p, q, n) == 0);
	free(p);
	free(q);
}

static enum store_rc
set_shared(struct store *s, void *arg)
{
	(void)arg;
	return db_put(s, DB_META, DB_SHARE_NAME, strlen(DB_SHARE_NAME), "a", 1);
}

static void
no_fault(const char *what, void *arg)
{
	(void)arg;
	printf("# %s\n", what);
}

static void
test_same(void)
{
	struct store		*s = fresh("s"), *t = fresh("t");
	struct store_checked	 n;
	int			 round;
	size_t			 i;

	CHECK(store_transact(s, set_shared, NULL) == STORE_FOUND);
	CHECK(store_transact(t, set_shared, NULL) == STORE_FOUND);
	/* At first each device is filed for itself; then more and more are not. */
	for (round = 0; round < 24; round++) {
		for (i = 0; i < BATCH; i++) {
			some[i] = any(30) < round - 12 ? strange() : any_device();
			some[i].asked[0].listed = some[i].nasked > 0 && any(2) == 0;
			some[i].checked += round * 20;
		}
		file_both(s, t);
	}
	CHECK(store_check(t, no_fault, NULL, &n) == STORE_FOUND && n.faults == 0);
	store_close(s);
	store_close(t);
}

/* A map that is too small for the batch. */
static void
test_growth(void)
{
	struct store		*s;
	struct store_size	 size;
	size_t			 i, calls = 0, fresh_ones = 0;

	db_map = 128 * 1024;
	s = fresh("grow");
	db_map = DB_MAP;
	for (i = 0; i < BATCH; i++) {
		some[i] = any_device();
		some[i].nasked = 0;
		memcpy(some[i].device.id.b + 4, &i, sizeof(i));
		memset(some[i].device.user, 'u', 250);
		item[i] = (struct store_item){ &some[i], &together[i] };
	}
	CHECK(store_put_all(s, item, BATCH, note, &calls) == STORE_FOUND && calls > BATCH);
	for (i = 0; i < BATCH; i++)
		fresh_ones += together[i].rc == STORE_FOUND &&
		    together[i].before.state == COMPLIANCE_PENDING;
	CHECK(fresh_ones == BATCH);
	CHECK(store_sizes(s, &size) == STORE_FOUND && size.entries == BATCH);
	CHECK(store_put_all(s, item, 0, note, &calls) == STORE_FOUND);
	store_close(s);
}

int
main(void)
{
	char	 cmd[64];

	if (mkdtemp(dir) == NULL)
		return 1;
	test_same();
	test_growth();
	snprintf(cmd, sizeof(cmd), "rm -rf %s", dir);
	CHECK(system(cmd) == 0);
	return check_done();
}
