/*
 * The device store beside SQLite (WAL) and plain calls of LMDB, the same devices
 * and the same questions in one run:
 *
 *	store DIR DEVICES GETS
 *
 * Each peer keeps what ours does: a packed answer under 16 bytes of id, and four
 * more keys (Entra id, name, MAC, serial number) that lead to it; batches of 10,000 share a
 * commit.  A get opens the store and looks one device up by its id.
 */
#include <sys/stat.h>

#include <err.h>
#include <lmdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>
#ifdef WITH_SQLITE
#include <sqlite3.h>
#endif

#include "store/pack.h"
#include "store/store.h"

#define BATCH	10000
#define CHECKED	1700000000

static size_t	 devices, gets;

static double
now(void)
{
	struct timespec	 t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Of this process alone: what others do on the machine is not in it. */
static double
cpu(void)
{
	struct timespec	 t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* When the look-up had its answer; closing is not part of it. */
static double	 got;

/* Ids of real devices come in no order: a permutation of the numbers. */
static void
make(size_t n, int64_t checked, struct answer *a)
{
	struct device	*d = &a->device;
	uint64_t	 x = (uint64_t)n * UINT64_C(0x9e3779b97f4a7c15);

	memset(a, 0, sizeof(*a));
	a->state = n % 10 == 0 ? COMPLIANCE_NONCOMPLIANT : COMPLIANCE_COMPLIANT;
	a->matched_by = MATCH_GUID;
	a->id_space = ID_SPACE_INTUNE;
	a->source = SOURCE_GRAPH;
	a->checked = checked;
	a->has_device = d->has_id = d->has_entra_id = d->has_wifi_mac = true;
	memcpy(d->id.b, &x, 8);
	memcpy(d->id.b + 8, "\x83\x33intun", 8);
	x = ~x;
	memcpy(d->entra_id.b, &x, 8);
	memcpy(d->entra_id.b + 8, "\x9d\x43" "entra", 8);
	memcpy(d->wifi_mac, (uint8_t[]){ 0, 0x1b, (uint8_t)(x >> 8), (uint8_t)(n >> 16),
	    (uint8_t)(n >> 8), (uint8_t)n }, MAC_LEN);
	snprintf(d->name, sizeof(d->name), "laptop-%zu", n);
	snprintf(d->serial, sizeof(d->serial), "SN%08zu", n);
	snprintf(d->os, sizeof(d->os), "Windows");
	snprintf(d->os_version, sizeof(d->os_version), "10.0.22631.4317");
	snprintf(d->owner, sizeof(d->owner), "company");
	snprintf(d->user, sizeof(d->user), "user%zu@example.com", n);
	snprintf(d->model, sizeof(d->model), "Latitude 5440");
	snprintf(d->manufacturer, sizeof(d->manufacturer), "Dell Inc.");
	snprintf(d->management_state, sizeof(d->management_state), "managed");
	d->last_sync = checked - 3600;
	d->encrypted = true;
}

/* The i-th device to be asked for. */
static size_t
pick(size_t i)
{
	return (size_t)(((uint64_t)i * UINT64_C(2654435761)) % devices) + 1;
}

static int
compare(const void *a, const void *b)
{
	double	 x, y;

	memcpy(&x, a, sizeof(x));
	memcpy(&y, b, sizeof(y));
	return x < y ? -1 : x > y;
}

static double
file_bytes(const char *dir, const char *name)
{
	char		 path[4096];
	struct stat	 st;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return stat(path, &st) == 0 ? (double)st.st_size : 0;
}

/* The last answer of the right device? */
static bool
is_right(const struct answer *got_it, const struct answer *want)
{
	return got_it->state == want->state && got_it->checked == want->checked &&
	    guid_equal(&got_it->device.id, &want->device.id);
}

/* One peer: put() stores all devices with this time; get() opens, looks up, and
 * returns whether the answer was the right one. */
struct peer {
	const char	*name;
	void		(*put)(const char *dir, int64_t checked);
	bool		(*get)(const char *dir, const struct answer *a);
	const char	*file;
};

static struct answer	 batch[BATCH];
static struct store_item	 item[BATCH];

static void
ours_put(const char *dir, int64_t checked)
{
	char		 why[STORE_WHY];
	struct store	*s = store_open(dir, STORE_WRITE, why);
	size_t		 n, batched = 0;

	if (s == NULL)
		errx(EX_SOFTWARE, "%s", why);
	for (n = 1; n <= devices; n++) {
		make(n, checked, &batch[batched]);
		item[batched].a = &batch[batched];
		if (++batched < BATCH && n < devices)
			continue;
		if (store_put_all(s, item, batched, NULL, NULL) == STORE_ERROR)
			errx(EX_SOFTWARE, "%s", store_why(s));
		batched = 0;
	}
	store_close(s);
}

/* As radius-hook looks up; it has no store open, so there is nothing to close. */
static bool
ours_get(const char *dir, const struct answer *a)
{
	static const struct match_order	 order = MATCH_ORDER_DEFAULT;
	char				 why[STORE_WHY];
	struct identity			 id = { .nguid = 1 };
	struct answer			 out;
	enum store_rc			 rc;

	id.guid[0].guid = a->device.id;
	if ((rc = store_find_once(dir, &id, &order, &out, why)) == STORE_ERROR)
		errx(EX_SOFTWARE, "%s", why);
	got = now();
	return rc == STORE_FOUND && is_right(&out, a);
}

static void
lm(int rc)
{
	if (rc != 0)
		errx(EX_SOFTWARE, "lmdb: %s", mdb_strerror(rc));
}

static MDB_env *
lmdb_open(const char *dir, unsigned int flags)
{
	MDB_env	*env;

	lm(mdb_env_create(&env));
	lm(mdb_env_set_mapsize(env, 8UL << 30));
	lm(mdb_env_set_maxdbs(env, 4));
	lm(mdb_env_open(env, dir, flags | MDB_NORDAHEAD, 0600));
	return env;
}

static void
lmdb_key(MDB_txn *t, MDB_dbi dbi, const void *p, size_t n, const struct answer *a)
{
	struct answer	 copy = *a;
	unsigned char	 key[300];
	MDB_val		 k = { n, key }, v = { GUID_LEN, copy.device.id.b };

	memcpy(key, p, n);
	lm(mdb_put(t, dbi, &k, &v, 0));
}

static void
lmdb_put(const char *dir, int64_t checked)
{
	MDB_env		*env = lmdb_open(dir, 0);
	MDB_txn		*t = NULL;
	MDB_dbi		 dev, key;
	unsigned char	 packed[PACK_MAX];
	struct answer	 a;
	MDB_val		 k, v;
	size_t		 n;

	for (n = 1; n <= devices; n++) {
		if (t == NULL) {
			lm(mdb_txn_begin(env, NULL, 0, &t));
			lm(mdb_dbi_open(t, "dev", MDB_CREATE, &dev));
			lm(mdb_dbi_open(t, "key", MDB_CREATE | MDB_DUPSORT, &key));
		}
		make(n, checked, &a);
		k = (MDB_val){ GUID_LEN, a.device.id.b };
		v = (MDB_val){ pack_answer(packed, &a), packed };
		lm(mdb_put(t, dev, &k, &v, 0));
		lmdb_key(t, key, a.device.entra_id.b, GUID_LEN, &a);
		lmdb_key(t, key, a.device.name, strlen(a.device.name), &a);
		lmdb_key(t, key, a.device.wifi_mac, MAC_LEN, &a);
		lmdb_key(t, key, a.device.serial, strlen(a.device.serial), &a);
		if (n % BATCH == 0 || n == devices) {
			lm(mdb_txn_commit(t));
			t = NULL;
		}
	}
	mdb_env_close(env);
}

static bool
lmdb_get(const char *dir, const struct answer *a)
{
	struct answer	 copy = *a, out;
	MDB_env		*env = lmdb_open(dir, MDB_RDONLY);
	MDB_txn		*t;
	MDB_dbi		 dev;
	MDB_val		 k = { GUID_LEN, copy.device.id.b }, v;
	const char	*why;
	bool		 ok;

	lm(mdb_txn_begin(env, NULL, MDB_RDONLY, &t));
	lm(mdb_dbi_open(t, "dev", 0, &dev));
	ok = mdb_get(t, dev, &k, &v) == 0 && unpack_answer(v.mv_data, v.mv_size, &out, &why) &&
	    is_right(&out, a);
	got = now();
	mdb_txn_abort(t);
	mdb_env_close(env);
	return ok;
}

#ifdef WITH_SQLITE
static sqlite3 *
lite_open(const char *dir, int flags)
{
	char	 path[4096];
	sqlite3	*db;

	snprintf(path, sizeof(path), "%s/db", dir);
	if (sqlite3_open_v2(path, &db, flags, NULL) != SQLITE_OK)
		errx(EX_SOFTWARE, "sqlite: %s", sqlite3_errmsg(db));
	return db;
}

static void
lite_do(sqlite3 *db, const char *sql)
{
	char	*why;

	if (sqlite3_exec(db, sql, NULL, NULL, &why) != SQLITE_OK)
		errx(EX_SOFTWARE, "sqlite: %s", why);
}

static sqlite3_stmt *
lite_prepare(sqlite3 *db, const char *sql)
{
	sqlite3_stmt	*st;

	if (sqlite3_prepare_v2(db, sql, -1, &st, NULL) != SQLITE_OK)
		errx(EX_SOFTWARE, "sqlite: %s", sqlite3_errmsg(db));
	return st;
}

static void
lite_put(const char *dir, int64_t checked)
{
	sqlite3		*db = lite_open(dir, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE);
	sqlite3_stmt	*st;
	unsigned char	 packed[PACK_MAX];
	struct answer	 a;
	size_t		 n;

	/* As durable as LMDB: each commit is synced. */
	lite_do(db, "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
	    "CREATE TABLE IF NOT EXISTS dev (id BLOB PRIMARY KEY, entra BLOB, name TEXT, mac BLOB,"
	    " serial TEXT, v BLOB) WITHOUT ROWID; CREATE INDEX IF NOT EXISTS e ON dev (entra);"
	    "CREATE INDEX IF NOT EXISTS n ON dev (name); CREATE INDEX IF NOT EXISTS m ON dev (mac);"
	    "CREATE INDEX IF NOT EXISTS s ON dev (serial);");
	st = lite_prepare(db, "INSERT INTO dev VALUES (?,?,?,?,?,?) ON CONFLICT (id) DO UPDATE SET "
	    "entra=excluded.entra, name=excluded.name, mac=excluded.mac, serial=excluded.serial, "
	    "v=excluded.v");
	for (n = 1; n <= devices; n++) {
		if (n % BATCH == 1)
			lite_do(db, "BEGIN");
		make(n, checked, &a);
		sqlite3_bind_blob(st, 1, a.device.id.b, GUID_LEN, SQLITE_STATIC);
		sqlite3_bind_blob(st, 2, a.device.entra_id.b, GUID_LEN, SQLITE_STATIC);
		sqlite3_bind_text(st, 3, a.device.name, -1, SQLITE_STATIC);
		sqlite3_bind_blob(st, 4, a.device.wifi_mac, MAC_LEN, SQLITE_STATIC);
		sqlite3_bind_text(st, 5, a.device.serial, -1, SQLITE_STATIC);
		sqlite3_bind_blob(st, 6, packed, (int)pack_answer(packed, &a), SQLITE_STATIC);
		if (sqlite3_step(st) != SQLITE_DONE)
			errx(EX_SOFTWARE, "sqlite: %s", sqlite3_errmsg(db));
		sqlite3_reset(st);
		if (n % BATCH == 0 || n == devices)
			lite_do(db, "COMMIT");
	}
	sqlite3_finalize(st);
	sqlite3_close(db);
}

static bool
lite_get(const char *dir, const struct answer *a)
{
	sqlite3		*db = lite_open(dir, SQLITE_OPEN_READONLY);
	sqlite3_stmt	*st = lite_prepare(db, "SELECT v FROM dev WHERE id = ?");
	struct answer	 out;
	const char	*why;
	bool		 ok;

	sqlite3_bind_blob(st, 1, a->device.id.b, GUID_LEN, SQLITE_STATIC);
	ok = sqlite3_step(st) == SQLITE_ROW && unpack_answer(sqlite3_column_blob(st, 0),
	    (size_t)sqlite3_column_bytes(st, 0), &out, &why) && is_right(&out, a);
	got = now();
	sqlite3_finalize(st);
	sqlite3_close(db);
	return ok;
}
#endif

static const struct peer peers[] = {
	{ "intune-nac", ours_put, ours_get, "data.mdb" },
	{ "plain LMDB", lmdb_put, lmdb_get, "data.mdb" },
#ifdef WITH_SQLITE
	{ "SQLite WAL", lite_put, lite_get, "db" },
#endif
};
#define NPEERS	(sizeof(peers) / sizeof(peers[0]))

int
main(int argc, char **argv)
{
	char		 dir[NPEERS][4096];
	double		 t, u, first, again, busy[2], *us[NPEERS];
	struct answer	 a;
	size_t		 i, j;

	if (argc != 4 || (devices = strtoul(argv[2], NULL, 10)) == 0 ||
	    (gets = strtoul(argv[3], NULL, 10)) == 0)
		errx(EX_USAGE, "usage: store DIR DEVICES GETS");
	for (j = 0; j < NPEERS; j++) {
		snprintf(dir[j], sizeof(dir[j]), "%s/%zu", argv[1], j);
		if (mkdir(dir[j], 0700) == -1 || (us[j] = calloc(gets, sizeof(double))) == NULL)
			err(EX_OSERR, "%s", dir[j]);
		t = now();
		u = cpu();
		peers[j].put(dir[j], CHECKED);
		first = now() - t;
		busy[0] = (cpu() - u) * 1e6 / (double)devices;
		t = now();
		u = cpu();
		peers[j].put(dir[j], CHECKED + 7200);
		again = now() - t;
		busy[1] = (cpu() - u) * 1e6 / (double)devices;
		printf("put\t%s\t%.0f\t%.0f\t%.0f\t%.1f\t%.1f\n", peers[j].name,
		    (double)devices / first, (double)devices / again,
		    file_bytes(dir[j], peers[j].file) / (double)devices, busy[0], busy[1]);
		fflush(stdout);
	}
	for (i = 0; i < gets; i++) {
		make(pick(i), CHECKED + 7200, &a);
		for (j = 0; j < NPEERS; j++) {
			t = now();
			if (!peers[j].get(dir[j], &a))
				errx(EX_DATAERR, "%s: a wrong answer", peers[j].name);
			us[j][i] = (got - t) * 1e6;
		}
	}
	for (j = 0; j < NPEERS; j++) {
		qsort(us[j], gets, sizeof(double), compare);
		printf("get\t%s\t%.1f\t%.1f\n", peers[j].name, us[j][gets / 2], us[j][gets * 99 / 100]);
		free(us[j]);
	}
	return EX_OK;
}
