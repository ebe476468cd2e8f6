/* store_check(): a store that only store_put() and store_prune() have touched has
 * no fault, whatever the order of the answers; each kind of damage is one. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "store/client.h"
#include "store/db.h"
#include "store/pack.h"
#include "check.h"

#define NOW	1700000000

static char	 dir[] = "/tmp/test_check.XXXXXX";
static char	 said[4096];

static struct store *
fresh(void)
{
	static int	 n;
	char		 path[64], why[STORE_WHY];
	struct store	*s;

	snprintf(path, sizeof(path), "%s/%d", dir, n++);
	if ((s = store_open(path, STORE_WRITE, why)) == NULL) {
		printf("# %s\n", why);
		exit(1);
	}
	return s;
}

static void
note(const char *what, void *arg)
{
	(void)arg;
	snprintf(said + strlen(said), sizeof(said) - strlen(said), "%s\n", what);
}

static size_t
faults(struct store *s)
{
	struct store_checked	 n;

	said[0] = '\0';
	if (store_check(s, note, NULL, &n) == STORE_ERROR) {
		printf("# %s\n", store_why(s));
		return 9999;
	}
	return n.faults;
}

static struct answer
device(int id, int name, int mac, int64_t checked)
{
	struct answer	 a = { .state = COMPLIANCE_COMPLIANT, .source = SOURCE_GRAPH,
			    .checked = checked, .has_device = true };
	struct device	*d = &a.device;

	d->has_id = d->has_entra_id = true;
	d->id.b[15] = (uint8_t)(id + 1);
	d->entra_id.b[0] = 0xe0;
	d->entra_id.b[15] = (uint8_t)(mac + 1);
	if (name > 0)
		snprintf(d->name, sizeof(d->name), "Laptop-%d", name);
	if ((d->has_wifi_mac = mac > 0))
		memcpy(d->wifi_mac, (uint8_t[]){ 0, 0x1b, 0x2c, 0, 0, (uint8_t)mac }, MAC_LEN);
	return a;
}

static void
ask_something(struct answer *a, int what)
{
	struct asked	*q = &a->asked[a->nasked++];
	struct guid	 g = { .b = { 0 } };

	g.b[15] = (uint8_t)(what % 5 + 1);
	if (what % 4 == 0)
		g.b[0] = 0xe0;
	q->by = (enum match)(what / 15 % MATCH_KINDS + 1);
	if (q->by == MATCH_GUID)
		guid_format(q->value, &g);
	else if (q->by == MATCH_NAME)
		snprintf(q->value, sizeof(q->value), "laptop-%d", what % 5);
	else if (q->by == MATCH_SERIAL)
		snprintf(q->value, sizeof(q->value), "pf2abc%d", what % 5);
	else
		snprintf(q->value, sizeof(q->value), "00:1b:2c:00:00:%02x", what % 5);
}

/* Few devices, few names and few points in time: all that can collide does. */
static struct answer
any_answer(int i)
{
	struct answer	 a = device((int)(random() % 5), (int)(random() % 5), (int)(random() % 5),
			    NOW + i / 4 + random() % 40);

	snprintf(a.device.serial, sizeof(a.device.serial), "PF2ABC%d", (int)(random() % 5));
	if (random() % 3 == 0) {
		memset(&a.device, 0, sizeof(a.device));
		a.has_device = false;
		a.state = random() % 3 == 0 ? COMPLIANCE_AMBIGUOUS : COMPLIANCE_UNREGISTERED;
		a.matched_by = a.state == COMPLIANCE_AMBIGUOUS ?
		    (enum match)(random() % MATCH_COUNT) : MATCH_NONE;
		ask_something(&a, (int)(random() % 60));
	}
	if (random() % 2 == 0)
		ask_something(&a, (int)(random() % 60));
	return a;
}

static void
test_random(void)
{
	struct store	*s = fresh();
	struct answer	 a;
	size_t		 n = 0, devices = 0, others = 0;
	int		 i;

	srandom(6);
	for (i = 0; i < 2000; i++) {
		a = any_answer(i);
		CHECK(store_put(s, &a, NULL) != STORE_ERROR);
		if (i % 97 == 0)
			CHECK(store_prune(s, NOW + i / 4 + 35, &devices, &others) == STORE_FOUND);
		if (faults(s) > 0 && n++ == 0)
			printf("# after %d: %s", i, said);
	}
	CHECK(n == 0);
	CHECK(devices > 0 && others > 0);
	store_close(s);
}

#define BATCH	40

static struct answer	 batch[BATCH];
static int		 batched;

static enum store_rc
put_batch(struct store *s, void *arg)
{
	int	 i;

	(void)arg;
	for (i = 0; i < batched; i++)
		if (store_put(s, &batch[i], NULL) == STORE_ERROR)
			return STORE_ERROR;
	return STORE_FOUND;
}

struct dump {
	unsigned char	*p;
	size_t		 n, room;
};

static enum store_rc
dump_one(const struct bytes *k, const struct bytes *v, void *arg)
{
	struct dump	*d = arg;

	if (d->n + k->n + v->n + 2 > d->room)
		return STORE_ERROR;
	d->p[d->n++] = (unsigned char)k->n;
	memcpy(d->p + d->n, k->p, k->n);
	d->n += k->n;
	d->p[d->n++] = (unsigned char)v->n;
	memcpy(d->p + d->n, v->p, v->n);
	d->n += v->n;
	return STORE_FOUND;
}

static void
dump(struct store *s, struct dump *d)
{
	d->n = 0;
	CHECK(db_enter(s) == STORE_FOUND);
	CHECK(db_walk(s, DB_DEV, dump_one, d) == STORE_FOUND &&
	    db_walk(s, DB_KEY, dump_one, d) == STORE_FOUND);
	db_leave(s);
}

/* Answers that share a transaction leave what they leave one by one, byte for byte. */
static void
test_batches(void)
{
	static unsigned char	 text[2][65536];
	struct store		*s[2] = { fresh(), fresh() };
	struct dump		 d[2] = { { text[0], 0, 65536 }, { text[1], 0, 65536 } };
	size_t			 n = 0, pruned[2][2] = { { 0, 0 }, { 0, 0 } };
	int			 i, j;

	srandom(7);
	for (i = 0; i < 4000;) {
		batched = 1 + (int)(random() % BATCH);
		for (j = 0; j < batched; j++) {
			batch[j] = any_answer(i++);
			CHECK(store_put(s[0], &batch[j], NULL) != STORE_ERROR);
		}
		CHECK(store_transact(s[1], put_batch, NULL) == STORE_FOUND);
		/* So that there are at times none of the rarer kinds of keys. */
		if (random() % 8 == 0)
			for (j = 0; j < 2; j++)
				CHECK(store_prune(s[j], NOW + i / 4 + (i % 3 == 0 ? 100 : 20),
				    &pruned[j][0], &pruned[j][1]) == STORE_FOUND);
		dump(s[0], &d[0]);
		dump(s[1], &d[1]);
		if ((d[0].n != d[1].n || memcmp(text[0], text[1], d[0].n) != 0) && n++ == 0)
			printf("# different after %d\n", i);
		n += faults(s[1]);
	}
	CHECK(n == 0 && pruned[1][0] > 0 && memcmp(pruned[0], pruned[1], sizeof(pruned[0])) == 0);
	store_close(s[0]);
	store_close(s[1]);
}

/* Puts one entry into a database, behind the store's back. */
struct raw {
	enum db		 db;
	const void	*key, *val;
	size_t		 klen, vlen;
	bool		 del;
};

static enum store_rc
put_raw(struct store *s, void *arg)
{
	const struct raw	*r = arg;

	if (r->del)
		return db_del(s, r->db, r->key, r->klen, r->val, r->vlen);
	return db_put(s, r->db, r->key, r->klen, r->val, r->vlen);
}

static size_t
after(enum db db, const char *key, size_t klen, const char *val, size_t vlen, bool del)
{
	struct store	*s = fresh();
	struct answer	 a = device(1, 1, 1, NOW), b = device(2, 2, 2, NOW);
	struct raw	 r = { db, key, val, klen, vlen, del };
	size_t		 n;

	CHECK(store_put(s, &a, NULL) == STORE_FOUND && store_put(s, &b, NULL) == STORE_FOUND);
	CHECK(faults(s) == 0);
	CHECK(store_transact(s, put_raw, &r) == STORE_FOUND);
	n = faults(s);
	store_close(s);
	return n;
}

/* A device that the first version of the program has filed: without its serial
 * number for a key, which is no fault; later versions' is one. */
static void
test_first_version(void)
{
	struct store	*s = fresh();
	struct answer	 a = device(1, 1, 1, NOW);
	unsigned char	 packed[PACK_MAX];
	size_t		 n;
	struct raw	 key = { DB_KEY, "s:pf2abc01", NULL, 10, 0, true };
	struct raw	 dev = { DB_DEV, "i:\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\2", packed, 18, 0, false };

	snprintf(a.device.serial, sizeof(a.device.serial), "PF2ABC01");
	CHECK(store_put(s, &a, NULL) == STORE_FOUND && faults(s) == 0);
	CHECK(store_transact(s, put_raw, &key) == STORE_FOUND && faults(s) == 1);
	CHECK_STR(said, "\"i:00000000-0000-0000-0000-000000000002\" is not found by its keys: "
	    "the fourth is lost\n");
	n = pack_answer(packed, &a);
	packed[0] = 1;
	dev.vlen = n - 1;
	CHECK(store_transact(s, put_raw, &dev) == STORE_FOUND && faults(s) == 0);
	a.checked++;
	CHECK(store_put(s, &a, NULL) == STORE_FOUND && faults(s) == 0);
	CHECK(store_transact(s, put_raw, &key) == STORE_FOUND && faults(s) == 1);
	store_close(s);
}

#define ID(n)	"i:\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0" n

static void
test_faults(void)
{
	/* A key that is lost; one that is not its device's; one to nowhere. */
	CHECK(after(DB_KEY, "n:laptop-1", 10, NULL, 0, true) == 1);
	CHECK_STR(said, "\"i:00000000-0000-0000-0000-000000000002\" is not found by its keys: "
	    "the second is lost\n");
	CHECK(after(DB_KEY, "m:\0\x1b\x2c\0\0\1", 8, NULL, 0, true) == 1);
	CHECK(after(DB_KEY, "n:laptop-1", 10, ID("\3"), 18, false) == 1);
	CHECK_STR(said, "\"n:laptop-1\" leads to a device that does not have it\n");
	CHECK(after(DB_KEY, "n:laptop-9", 10, ID("\2"), 18, false) == 1);
	CHECK(after(DB_KEY, "vn:laptop-9", 11, ID("\2"), 18, false) == 1);
	CHECK(after(DB_KEY, "n:laptop-1", 10, ID("\7"), 18, false) == 1);
	CHECK_STR(said, "\"n:laptop-1\" leads to no device\n");
	CHECK(after(DB_KEY, "n:laptop-1", 10, "x", 1, false) == 1);
	CHECK(after(DB_KEY, "z", 1, ID("\2"), 18, false) == 1);
	/* Found and not to be found at once. */
	CHECK(after(DB_KEY, "vn:laptop-1", 11, ID("\2"), 18, false) == 1);
	/* A value that cannot be read; one filed elsewhere; a strange key. */
	CHECK(after(DB_DEV, ID("\2"), 18, "\1\1", 2, false) == 1);
	CHECK_STR(said, "\"i:00000000-0000-0000-0000-000000000002\" is cut short\n");
	CHECK(after(DB_DEV, "x:n:laptop-9", 12, "", 0, false) == 1);
	CHECK(after(DB_DEV, ID("\2"), 18, NULL, 0, true) == 3);	/* its three keys */
	CHECK(after(DB_DEV, "q", 1, "\1\1\0\0\0\0\0\0\0\0\0\0\0\0", 14, false) == 1);
	CHECK(after(DB_META, "cursor.x", 8, "abc", 3, false) == 1);
	CHECK_STR(said, "\"cursor.x\" is no place in a journal\n");
}

/* Writes n bytes over what stands `off` bytes from the start of a text in data.mdb,
 * wherever that is. */
static void
overwrite(const char *path, const char *text, long off, const void *p, size_t n)
{
	char	 file[128], *buf, *at;
	size_t	 size;
	FILE	*f;

	snprintf(file, sizeof(file), "%s/data.mdb", path);
	if ((f = fopen(file, "r+")) == NULL || (buf = malloc(1 << 20)) == NULL)
		exit(1);
	size = fread(buf, 1, 1 << 20, f);
	for (at = buf; (at = memmem(at, size - (size_t)(at - buf), text, strlen(text))) != NULL; at++) {
		fseek(f, at - buf + off, SEEK_SET);
		fwrite(p, 1, n, f);
	}
	free(buf);
	fclose(f);
}

static bool
pass(const struct client *c, const char *why, void *arg)
{
	(void)c;
	(void)why;
	return ++*(int *)arg < 100;
}

static bool
pass_answer(const struct answer *a, const char *why, void *arg)
{
	(void)a;
	return pass(NULL, why, arg);
}

/* What liblmdb gives back of a damaged page, had nobody looked at it before: keys of
 * no length, with which a walk began anew for ever, and longer than any. */
static void
test_damaged_keys(void)
{
	static const uint16_t	 size[] = { 0, 600, 0xffff };
	struct client		 c = { .seen = NOW, .text = "{}", .len = 2 };
	char			 path[64], why[STORE_WHY];
	struct answer		 a = device(1, 1, 1, NOW);
	struct store		*s;
	size_t			 i;
	int			 n;

	for (i = 0; i < sizeof(size) / sizeof(size[0]); i++) {
		snprintf(path, sizeof(path), "%s/damaged%zu", dir, i);
		if (!CHECK((s = store_open(path, STORE_WRITE, why)) != NULL))
			return;
		snprintf(c.id, sizeof(c.id), "u:somebody@here");
		CHECK(client_put(s, &c) == STORE_FOUND && store_put(s, &a, NULL) == STORE_FOUND);
		CHECK(store_verify(s) == STORE_FOUND);
		store_close(s);
		/* The last field of a node's head is the size of its key. */
		overwrite(path, "u:somebody@here", -2, &size[i], 2);
		overwrite(path, "i:\0\0\0", -2, &size[i], 2);
		if (!CHECK((s = store_open(path, STORE_READ, why)) != NULL))
			return;
		CHECK(store_verify(s) == STORE_ERROR && store_errno(s) == EBADMSG);
		n = 0;
		CHECK(client_each(s, pass, &n) == STORE_ERROR && store_errno(s) == EBADMSG);
		n = 0;
		CHECK(store_each(s, pass_answer, &n) == STORE_ERROR && store_errno(s) == EBADMSG);
		store_close(s);
	}
}

int
main(void)
{
	char	 cmd[64];

	if (mkdtemp(dir) == NULL)
		return 1;
	test_random();
	test_batches();
	test_first_version();
	test_faults();
	test_damaged_keys();
	snprintf(cmd, sizeof(cmd), "rm -rf %s", dir);
	CHECK(system(cmd) == 0);
	return check_done();
}
