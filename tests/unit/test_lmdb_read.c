/*
 * The reader of LMDB's file beside liblmdb itself: the same keys, the same values,
 * whole snapshots while a writer works, and no crash on a damaged file.
 */
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <lmdb.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "store/lmdb_read.h"
#include "check.h"

#define STRESS_MS	2500
#define RECORDS		200

static char		 dir[] = "/tmp/test_lmdb_read.XXXXXX";
static char		 path[64];
static struct lr	 l;
static uint64_t		 seed = 1;

static unsigned int
rnd(unsigned int below)
{
	seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (unsigned int)(seed >> 33) % below;
}

static void
lm(int rc)
{
	if (rc != 0) {
		printf("not ok - liblmdb: %s\n", mdb_strerror(rc));
		exit(1);
	}
}

static MDB_env *
open_env(unsigned int flags)
{
	MDB_env	*env;

	lm(mdb_env_create(&env));
	lm(mdb_env_set_maxdbs(env, 4));
	lm(mdb_env_set_mapsize(env, 256 << 20));
	lm(mdb_env_open(env, dir, MDB_NOTLS | flags, 0600));
	return env;
}

static void
remove_store(void)
{
	char	 lock[64];

	snprintf(lock, sizeof(lock), "%s/lock.mdb", dir);
	unlink(path);
	unlink(lock);
}

/* A key out of few, so that it is met again; of all lengths. */
static MDB_val
make_key(unsigned char *b, unsigned int n)
{
	uint64_t	 keep = seed;
	size_t		 len, i;

	seed = n * 7919 + 1;
	len = rnd(4) == 0 ? 1 + rnd(LR_KEY_MAX) : 4 + rnd(20);
	for (i = 0; i < len; i++)
		b[i] = (unsigned char)(rnd(3) == 0 ? rnd(256) : rnd(2));
	if (len >= 4)
		memcpy(b + len - 4, &n, 4);
	seed = keep;
	return (MDB_val){ len, b };
}

/* Puts and deletes at random, in a few commits. */
static void
fill(MDB_env *env, unsigned int keys, unsigned int steps, unsigned int longest)
{
	static unsigned char	 kb[LR_KEY_MAX], vb[40000], db[LR_KEY_MAX];
	MDB_txn			*t = NULL;
	MDB_dbi			 one, many;
	MDB_val			 k, v, d;
	unsigned int		 i;
	int			 rc;

	for (i = 0; i < steps; i++) {
		if (t == NULL) {
			lm(mdb_txn_begin(env, NULL, 0, &t));
			lm(mdb_dbi_open(t, "one", MDB_CREATE, &one));
			lm(mdb_dbi_open(t, "many", MDB_CREATE | MDB_DUPSORT, &many));
		}
		k = make_key(kb, rnd(keys));
		v = (MDB_val){ rnd(rnd(8) == 0 ? longest : 200), vb };
		memset(vb, (int)rnd(256), v.mv_size);
		/* Few of the keys have very many values. */
		d = make_key(db, rnd(rnd(3) == 0 ? 2000 : 6));
		if (rnd(4) == 0) {
			rc = mdb_del(t, one, &k, NULL);
			lm(rc == MDB_NOTFOUND ? 0 : rc);
			rc = mdb_del(t, many, &k, rnd(8) == 0 ? NULL : &d);
			lm(rc == MDB_NOTFOUND ? 0 : rc);
		} else {
			lm(mdb_put(t, one, &k, &v, 0));
			if (rnd(5) == 0)
				k = make_key(kb, rnd(3));
			lm(mdb_put(t, many, &k, &d, 0));
		}
		if (rnd(500) == 0 || i + 1 == steps) {
			lm(mdb_txn_commit(t));
			t = NULL;
		}
	}
}

static const char *const	 names[] = { "one", "many" };

static bool
same_one(MDB_txn *t, MDB_dbi dbi, const struct lr_db *db, MDB_val *k)
{
	struct bytes	 out;
	MDB_val		 v;
	int		 rc = mdb_get(t, dbi, k, &v);
	enum lr_rc	 got = lr_get(&l, db, k->mv_data, k->mv_size, &out);

	if (rc == MDB_NOTFOUND)
		return got == LR_NOTFOUND;
	return rc == 0 && got == LR_FOUND && out.n == v.mv_size &&
	    memcmp(out.p, v.mv_data, out.n) == 0;
}

static bool
same_many(MDB_txn *t, MDB_dbi dbi, const struct lr_db *db, MDB_val *k, size_t *n)
{
	struct lr_dup	 d = { .n = 0 };
	MDB_cursor	*c;
	MDB_val		 v;
	enum lr_rc	 got = LR_FOUND;
	int		 rc;
	bool		 same = true;

	lm(mdb_cursor_open(t, dbi, &c));
	for (rc = mdb_cursor_get(c, k, &v, MDB_SET_KEY); rc == 0 && same;
	    rc = mdb_cursor_get(c, k, &v, MDB_NEXT_DUP)) {
		got = lr_dup(&l, db, k->mv_data, k->mv_size, &d);
		same = got == LR_FOUND && d.n == v.mv_size && memcmp(d.b, v.mv_data, d.n) == 0;
		++*n;
	}
	same = same && lr_dup(&l, db, k->mv_data, k->mv_size, &d) == LR_NOTFOUND;
	mdb_cursor_close(c);
	return same;
}

/* Every key that is or is not there, both ways. */
static void
compare_store(MDB_env *env, unsigned int keys)
{
	unsigned char	 kb[LR_KEY_MAX];
	struct lr_db	 one, many;
	MDB_dbi		 d1, d2;
	MDB_txn		*t;
	MDB_val		 k;
	unsigned int	 i, bad = 0;
	size_t		 n = 0;

	lm(mdb_txn_begin(env, NULL, MDB_RDONLY, &t));
	lm(mdb_dbi_open(t, "one", 0, &d1));
	lm(mdb_dbi_open(t, "many", MDB_DUPSORT, &d2));
	CHECK(lr_open(&l, path) == LR_FOUND && lr_begin(&l) == LR_FOUND);
	CHECK(lr_db(&l, "one", &one) == LR_FOUND && lr_db(&l, "many", &many) == LR_FOUND);
	CHECK(lr_db(&l, "none", &one) == LR_NOTFOUND && lr_db(&l, "one", &one) == LR_FOUND);
	for (i = 0; i < keys + 500; i++) {
		k = make_key(kb, i);
		bad += !same_one(t, d1, &one, &k);
		bad += !same_many(t, d2, &many, &k, &n);
	}
	CHECK(bad == 0 && n > 0);
	if (!CHECK(lr_walk(&l, names, 2) == LR_FOUND))
		printf("# %s\n", l.why);
	CHECK(lr_whole(&l) == LR_FOUND);
	lr_close(&l);
	mdb_txn_abort(t);
}

static void
test_differential(void)
{
	static const struct { unsigned int keys, steps, longest; } size[] = {
		{ 10, 40, 100 }, { 300, 2000, 5000 }, { 3000, 20000, 30000 }, { 20000, 60000, 900 },
	};
	MDB_env		*env;
	size_t		 i;

	for (i = 0; i < sizeof(size) / sizeof(size[0]); i++) {
		env = open_env(MDB_NOSYNC);
		fill(env, size[i].keys, size[i].steps, size[i].longest);
		compare_store(env, size[i].keys);
		mdb_env_close(env);
		remove_store();
	}
}

/* Record n of transaction t: all of a transaction carry its number. */
static void
put_round(MDB_env *env, uint64_t round, unsigned int n)
{
	unsigned char	 v[3000];
	char		 key[32];
	MDB_txn		*t;
	MDB_dbi		 dbi;
	MDB_val		 k, val;
	unsigned int	 i;

	lm(mdb_txn_begin(env, NULL, 0, &t));
	lm(mdb_dbi_open(t, "one", MDB_CREATE, &dbi));
	for (i = 0; i < n; i++) {
		k = (MDB_val){ (size_t)snprintf(key, sizeof(key), "record-%u", i), key };
		val = (MDB_val){ 100 + (round * 31 + i * 7) % (i % 10 == 0 ? 2900 : 400), v };
		memset(v, (int)((round + i) & 255), val.mv_size);
		memcpy(v, &round, sizeof(round));
		memcpy(v + 8, &i, sizeof(i));
		lm(mdb_put(t, dbi, &k, &val, 0));
	}
	/* Pages come and go: a few keys that are there now and then. */
	for (i = 0; i < 60; i++) {
		k = (MDB_val){ (size_t)snprintf(key, sizeof(key), "other-%u", i), key };
		val = (MDB_val){ 500, v };
		if ((round >> (i % 5) & 1) == 0)
			lm(mdb_put(t, dbi, &k, &val, 0));
		else if (mdb_del(t, dbi, &k, NULL) > 0)
			exit(1);
	}
	lm(mdb_txn_commit(t));
}

/* Reads some records; all must be of one transaction. */
static enum lr_rc
read_round(uint64_t *round)
{
	struct lr_db	 db;
	struct bytes	 v;
	char		 key[32];
	unsigned int	 i, n, j;
	uint64_t	 now;
	bool		 good = true;

	if (lr_begin(&l) != LR_FOUND || lr_db(&l, "one", &db) != LR_FOUND)
		return LR_ERROR;
	for (i = 0; i < 5 && good; i++) {
		n = rnd(RECORDS);
		snprintf(key, sizeof(key), "record-%u", n);
		good = lr_get(&l, &db, key, strlen(key), &v) == LR_FOUND && v.n >= 100;
		if (!good)
			break;
		memcpy(&now, v.p, sizeof(now));
		memcpy(&j, v.p + 8, sizeof(j));
		if (i == 0)
			*round = now;
		good = now == *round && j == n &&
		    v.n == 100 + (now * 31 + n * 7) % (n % 10 == 0 ? 2900 : 400);
		for (j = 12; good && j < v.n; j++)
			good = v.p[j] == ((now + n) & 255);
	}
	return good ? LR_FOUND : LR_ERROR;
}

static void
write_until_killed(void)
{
	MDB_env		*env = open_env(MDB_NOSYNC);
	uint64_t	 round;

	for (round = 2;; round++)
		put_round(env, round, round % 50 == 0 ? 4 * RECORDS : RECORDS);
}

static int64_t
now_ms(void)
{
	struct timespec	 t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * INT64_C(1000) + t.tv_nsec / 1000000;
}

/* A writer that commits as fast as it can, without liblmdb knowing of the reader. */
static void
test_stress(void)
{
	MDB_env		*env = open_env(MDB_NOSYNC);
	int64_t		 end;
	uint64_t	 round = 0, last = 0;
	unsigned long	 whole = 0, again = 0, torn = 0, broken = 0, back = 0;
	enum lr_rc	 got, rc;
	pid_t		 pid;

	put_round(env, 1, RECORDS);
	mdb_env_close(env);
	if ((pid = fork()) == 0)
		write_until_killed();
	CHECK(lr_open(&l, path) == LR_FOUND);
	for (end = now_ms() + STRESS_MS; now_ms() < end;) {
		got = read_round(&round);
		if ((rc = lr_whole(&l)) == LR_ERROR)
			broken++;
		else if (rc == LR_NOTFOUND)
			again++;
		else if (got == LR_ERROR)
			torn++;
		else {
			whole++;
			back += round < last;
			last = round;
		}
	}
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	printf("# %lu whole snapshots, %lu read again, up to transaction %llu\n", whole, again,
	    (unsigned long long)last);
	CHECK(torn == 0 && broken == 0 && back == 0);
	CHECK(whole > 100 && last > 5);
	lr_close(&l);
	remove_store();
}

/* What a look-up says of a file, whatever is in it. */
static enum lr_rc
look(void)
{
	struct lr_dup	 d = { .n = 0 };
	unsigned char	 kb[LR_KEY_MAX];
	struct lr_db	 one, many;
	struct bytes	 v;
	MDB_val		 k;
	enum lr_rc	 rc = LR_FOUND;
	unsigned int	 i;

	/* A damaged name is not found, which is no error and has no reason. */
	if ((rc = lr_begin(&l)) != LR_FOUND || (rc = lr_db(&l, "one", &one)) != LR_FOUND ||
	    (rc = lr_db(&l, "many", &many)) != LR_FOUND)
		return rc;
	for (i = 0; i < 40 && rc != LR_ERROR; i++) {
		k = make_key(kb, i);
		if ((rc = lr_get(&l, &one, k.mv_data, k.mv_size, &v)) == LR_ERROR)
			break;
		for (d.n = 0, d.last = false;
		    (rc = lr_dup(&l, &many, k.mv_data, k.mv_size, &d)) == LR_FOUND;)
			;
	}
	return rc;
}

static void
test_damage(void)
{
	MDB_env		*env = open_env(MDB_NOSYNC);
	unsigned char	*map, *copy;
	struct stat	 st;
	size_t		 i, j, at, faults = 0, size;
	int		 fd;

	fill(env, 60, 1500, 6000);
	mdb_env_close(env);
	fd = open(path, O_RDWR);
	if (!CHECK(fd != -1 && fstat(fd, &st) == 0))
		return;
	size = (size_t)st.st_size;
	map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	copy = malloc(size);
	if (!CHECK(map != MAP_FAILED && copy != NULL)) {
		free(copy);
		return;
	}
	memcpy(copy, map, size);
	memset(&l, 0, sizeof(l));
	l.fd = fd;
	CHECK(look() == LR_NOTFOUND);
	for (i = 0; i < 10000; i++) {
		at = rnd(4) == 0 ? rnd(512) : rnd((unsigned int)size / 4096) * 4096 + rnd(48);
		at = at > size - 24 ? size - 24 : at;
		for (j = 0; j < 1 + rnd(3); j++)
			map[at + rnd(24)] = (unsigned char)(rnd(2) ? rnd(256) : 255 * rnd(2));
		if (look() == LR_ERROR) {
			faults++;
			if (l.why[0] == '\0' || l.err == 0)
				CHECK(!"an error without a reason");
		}
		memcpy(map + at, copy + at, 24);
	}
	CHECK(faults > 200);
	/* Cut at every place behind the meta pages. */
	for (i = size / 4096 - 1; i > 1; i--) {
		if (ftruncate(fd, (off_t)(i * 4096 + rnd(4096))) == -1)
			break;
		look();
	}
	CHECK(ftruncate(fd, 8192) == 0 && lr_begin(&l) == LR_FOUND && look() == LR_ERROR &&
	    l.err == EBADMSG && strstr(l.why, "cut short") != NULL);
	CHECK(ftruncate(fd, 4000) == 0 && lr_begin(&l) == LR_ERROR && l.err == EBADMSG);
	CHECK(ftruncate(fd, 10) == 0 && lr_begin(&l) == LR_ERROR && l.err == EINVAL);
	CHECK(ftruncate(fd, 0) == 0 && lr_begin(&l) == LR_NOTFOUND);
	munmap(map, size);
	free(copy);
	lr_close(&l);
	remove_store();
}

/* liblmdb reads and writes what was found to be whole: it may be wrong, but no page
 * makes it crash or loop.  It works on the file itself. */
static void
use(void)
{
	MDB_env		*env = open_env(MDB_NOSYNC);
	MDB_txn		*t;
	MDB_cursor	*c;
	MDB_dbi		 dbi;
	MDB_val		 k, v;
	size_t		 i, n, bytes = 0;
	const char	*p;

	alarm(60);
	for (i = 0; i < 2; i++) {
		lm(mdb_txn_begin(env, NULL, MDB_RDONLY, &t));
		if (mdb_dbi_open(t, names[i], 0, &dbi) == 0) {
			lm(mdb_cursor_open(t, dbi, &c));
			while (mdb_cursor_get(c, &k, &v, MDB_NEXT) == 0)
				for (p = v.mv_data, n = 0; n < v.mv_size; n++)
					bytes += p[n] == 'x';
			mdb_cursor_close(c);
		}
		mdb_txn_abort(t);
	}
	/* An error is a fair answer. */
	seed += bytes;
	fill(env, 60, 300, 6000);
	mdb_env_close(env);
}

static void
test_walk(void)
{
	MDB_env		*env = open_env(MDB_NOSYNC);
	unsigned char	*copy = NULL;
	struct stat	 st;
	size_t		 i, j, at, size, faults = 0, whole = 0;
	int		 fd, status;
	pid_t		 pid;

	fill(env, 60, 1500, 6000);
	mdb_env_close(env);
	memset(&l, 0, sizeof(l));
	fd = l.fd = open(path, O_RDWR);
	if (!CHECK(fd != -1 && fstat(fd, &st) == 0 && (copy = malloc((size_t)st.st_size)) != NULL))
		return;
	size = (size_t)st.st_size;
	CHECK(pread(fd, copy, size, 0) == (ssize_t)size);
	CHECK(lr_begin(&l) == LR_FOUND && lr_walk(&l, names, 2) == LR_FOUND);
	for (i = 0; i < 4000 && (whole < 80 || faults < 80); i++) {
		for (j = 0; j < 1 + rnd(3); j++) {
			unsigned char	 b = (unsigned char)(rnd(2) ? rnd(256) : 255 * rnd(2));

			at = 8192 + rnd((unsigned int)size / 4096 - 2) * 4096 + rnd(rnd(4) ? 48 : 4096);
			CHECK(pwrite(fd, &b, 1, (off_t)at) == 1);
		}
		if (lr_begin(&l) == LR_FOUND && lr_walk(&l, names, 2) == LR_FOUND) {
			whole++;
			fflush(stdout);
			if ((pid = fork()) == 0) {
				use();
				_exit(0);
			}
			CHECK(waitpid(pid, &status, 0) == pid && WIFEXITED(status));
		} else {
			faults++;
			CHECK(l.err == EBADMSG && l.why[0] != '\0');
		}
		CHECK(pwrite(fd, copy, size, 0) == (ssize_t)size && ftruncate(fd, (off_t)size) == 0);
	}
	CHECK(faults >= 80 && whole >= 80);
	printf("# of %zu damaged files %zu were refused\n", faults + whole, faults);
	free(copy);
	lr_close(&l);
	remove_store();
}

/* What is no file of LMDB's. */
static void
test_others(void)
{
	unsigned char	 head[8192] = { 0 };
	uint32_t	 word[2] = { 0xBEEFC0DE, 2 };
	int		 fd;

	CHECK(lr_open(&l, path) == LR_ERROR && errno == ENOENT);
	CHECK(lr_open(&l, dir) == LR_FOUND && lr_begin(&l) == LR_ERROR && l.err == EINVAL);
	lr_close(&l);
	CHECK(mkfifo(path, 0600) == 0 && lr_open(&l, path) == LR_FOUND && lr_begin(&l) == LR_ERROR &&
	    l.err == EINVAL);
	lr_close(&l);
	unlink(path);
	CHECK(symlink("/dev/null", path) == 0 && lr_open(&l, path) == LR_ERROR && errno == ELOOP);
	unlink(path);
	memcpy(head + 16, word, sizeof(word));
	fd = open(path, O_RDWR | O_CREAT, 0600);
	CHECK(fd != -1 && write(fd, head, sizeof(head)) == (ssize_t)sizeof(head));
	CHECK(lr_open(&l, path) == LR_FOUND && lr_begin(&l) == LR_ERROR && l.err == EINVAL &&
	    strstr(l.why, "version") != NULL);
	lr_close(&l);
	close(fd);
	unlink(path);
}

int
main(void)
{
	if (mkdtemp(dir) == NULL)
		return 1;
	snprintf(path, sizeof(path), "%s/data.mdb", dir);
	test_differential();
	test_stress();
	test_damage();
	test_walk();
	test_others();
	rmdir(dir);
	return check_done();
}
