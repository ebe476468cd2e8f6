#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <lmdb.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/text.h"
#include "store/db.h"
#include "store/find.h"
#include "store/lmdb_read.h"
#include "store/pack.h"

#define DB_MODE_DATA	0640	/* the group reads */
#define DB_MODE_LOCK	0660	/* a reader, too, enters itself in the lock file */
#define DB_MODE_DIR	02770	/* setgid: new files get the folder's group */

/* Less free space than LMDB writes at once is none. */
#define DISK_LEAST	(512 * 1024)

/* How often the head of the file may be found half written. */
#define HEAD_TRIES	1000

size_t	 db_map = DB_MAP;

/* In the order of enum db; rare: the first byte of keys that are few (answers that
 * name no device, refuted claims), yet asked for with each device that is filed. */
static const struct {
	const char	*name;
	unsigned int	 flags;
	char		 rare;
} dbs[DB_COUNT] = {
	{ "meta", 0, '\0' }, { "dev", 0, 'x' }, { "key", MDB_DUPSORT, 'v' }, { "client", 0, '\0' },
	{ "out", 0, '\0' },
};

enum store_rc
db_fault(struct store *s, int err, const char *fmt, ...)
{
	char	 what[STORE_WHY], dir[TEXT_SHOWN];
	va_list	 ap;

	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	text_safe(dir, sizeof(dir), s->dir, strlen(s->dir));
	/* Cut rather than fail: the folder's name and the start say enough. */
	snprintf(s->why, sizeof(s->why), "%s: %.*s", dir, STORE_WHY - TEXT_SHOWN - 3, what);
	s->err = err;
	return STORE_ERROR;
}

/* Is the disk full?  LMDB calls a write that was cut short EIO. */
static bool
is_full(const struct store *s)
{
	struct statvfs	 st;

	return statvfs(s->dir, &st) == 0 && st.f_bavail * st.f_frsize < DISK_LEAST;
}

/* An error of LMDB's, as a sentence and an errno. */
static enum store_rc
lmdb_fault(struct store *s, const char *doing, int rc)
{
	if (rc == EIO && is_full(s))
		rc = ENOSPC;
	if (rc > 0)
		return db_fault(s, rc, "%s: %s", doing, strerror(rc));
	switch (rc) {
	case MDB_READERS_FULL:
		return db_fault(s, EAGAIN, "%s: all %d reader slots are taken", doing, DB_READERS);
	case MDB_INVALID:
		return db_fault(s, EINVAL, "data.mdb is no LMDB file");
	case MDB_VERSION_MISMATCH:
		return db_fault(s, EINVAL, "data.mdb was made by another LMDB version");
	case MDB_MAP_FULL:
		s->full = true;
		return db_fault(s, ENOSPC, "%s: the map is full", doing);
	default:
		return db_fault(s, EBADMSG, "%s: the store is damaged: %s", doing,
		    mdb_strerror(rc));
	}
}

static char *
path_of(const struct store *s, const char *name)
{
	char	*path;

	return asprintf(&path, "%s/%s", s->dir, name) == -1 ? NULL : path;
}

/*
 * Makes one file of the environment with exactly this mode, whatever the umask,
 * and with the group of the folder, so that the hook's user gets in.  LMDB takes
 * an empty file for a new one.
 */
static enum store_rc
make_file(struct store *s, const char *name, mode_t mode, gid_t group)
{
	struct stat	 st;
	char		*path = path_of(s, name);
	int		 fd;
	enum store_rc	 rc = STORE_FOUND;

	if (path == NULL)
		return db_fault(s, ENOMEM, "%s", strerror(ENOMEM));
	fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
	if (fd == -1 && errno != EEXIST)
		rc = db_fault(s, errno, "%s: %s", name, strerror(errno));
	else if (fd == -1) {
		/* The folder's group may write there: no link of its making leads
		 * us to another file. */
		if (lstat(path, &st) == 0 && !S_ISREG(st.st_mode))
			rc = db_fault(s, EINVAL, "%s is no regular file", name);
	} else {
		/* A group we are not in stays as the kernel chose it. */
		if (fchown(fd, (uid_t)-1, group) == -1 && errno != EPERM)
			rc = db_fault(s, errno, "%s: %s", name, strerror(errno));
		else if (fchmod(fd, mode) == -1)
			rc = db_fault(s, errno, "%s: %s", name, strerror(errno));
		close(fd);
	}
	free(path);
	return rc;
}

static enum store_rc
make_files(struct store *s)
{
	struct stat	 st;
	bool		 made = mkdir(s->dir, DB_MODE_DIR) == 0;

	if (!made && errno != EEXIST)
		return db_fault(s, errno, "%s", strerror(errno));
	/* mkdir() obeys the umask. */
	if (made && chmod(s->dir, DB_MODE_DIR) == -1)
		return db_fault(s, errno, "%s", strerror(errno));
	if (stat(s->dir, &st) == -1)
		return db_fault(s, errno, "%s", strerror(errno));
	if (!S_ISDIR(st.st_mode))
		return db_fault(s, ENOTDIR, "is no folder");
	if (make_file(s, "lock.mdb", DB_MODE_LOCK, st.st_gid) == STORE_ERROR)
		return STORE_ERROR;
	return make_file(s, "data.mdb", DB_MODE_DATA, st.st_gid);
}

/* A reader's store must be there; says which of its parts is in the way. */
static enum store_rc
look_at_files(struct store *s)
{
	struct stat	 st;
	char		*path = path_of(s, "data.mdb");
	enum store_rc	 rc = STORE_FOUND;

	if (path == NULL)
		return db_fault(s, ENOMEM, "%s", strerror(ENOMEM));
	if (lstat(path, &st) == -1)
		rc = errno == ENOENT || errno == ENOTDIR ?
		    db_fault(s, ENOENT, "there is no store here (nac-cache put makes it)") :
		    db_fault(s, errno, "data.mdb: %s", strerror(errno));
	else if (!S_ISREG(st.st_mode))
		rc = db_fault(s, EINVAL, "data.mdb is no regular file");
	else if (st.st_size == 0)
		rc = db_fault(s, ENOENT, "the store is empty (nac-cache put fills it)");
	free(path);
	return rc;
}

/* Which file refused us: a reader needs to write the lock file. */
static enum store_rc
permission_fault(struct store *s, enum store_mode mode)
{
	static const struct { const char *name; int read, write; } want[] = {
		{ "data.mdb", R_OK, R_OK | W_OK }, { "lock.mdb", R_OK | W_OK, R_OK | W_OK },
	};
	size_t	 i;
	char	*path;
	int	 no;

	for (i = 0; i < 2; i++) {
		if ((path = path_of(s, want[i].name)) == NULL)
			break;
		no = eaccess(path, mode == STORE_WRITE ? want[i].write : want[i].read);
		free(path);
		if (no == -1)
			return db_fault(s, EACCES, "%s: Permission denied (it belongs to a user "
			    "or group that this program does not run as)", want[i].name);
	}
	return db_fault(s, EACCES, "%s", strerror(EACCES));
}

/* The bytes that the newest transaction says the file has, and those it has. */
static int
sizes(struct store *s, off_t *want, off_t *got)
{
	MDB_envinfo	 info;
	MDB_stat	 stat;
	struct stat	 st;
	int		 fd;

	mdb_env_info(s->env, &info);
	mdb_env_stat(s->env, &stat);
	if (mdb_env_get_fd(s->env, &fd) != 0 || fstat(fd, &st) == -1)
		return -1;
	*want = (off_t)(info.me_last_pgno + 1) * (off_t)stat.ms_psize;
	*got = st.st_size;
	return 0;
}

/* LMDB may leave pages at the end that it never wrote; the file gets its whole
 * length all the same, so that a reader can tell a truncated one. */
static enum store_rc
stretch(struct store *s)
{
	off_t	 want, got;
	int	 fd;

	if (sizes(s, &want, &got) == -1 || mdb_env_get_fd(s->env, &fd) != 0 ||
	    (got < want && ftruncate(fd, want) == -1))
		return db_fault(s, errno, "data.mdb: %s", strerror(errno));
	return STORE_FOUND;
}

/* Touching a page behind the end of a file kills with SIGBUS. */
static enum store_rc
check_length(struct store *s)
{
	struct timespec	 pause = { 0, 5000000 };
	off_t		 want, got;
	int		 tries;

	/* A writer may be between its commit and its stretch(). */
	for (tries = 0; tries < 5; tries++) {
		if (sizes(s, &want, &got) == -1)
			return db_fault(s, errno, "data.mdb: %s", strerror(errno));
		if (got >= want)
			return STORE_FOUND;
		nanosleep(&pause, NULL);
	}
	return db_fault(s, EBADMSG, "the store is damaged: data.mdb is cut short "
	    "(%lld bytes of %lld)", (long long)got, (long long)want);
}

/* Begins a transaction; a full table of readers is swept once, and a map that
 * another process has made larger is followed. */
static int
begin(struct store *s, unsigned int flags)
{
	int	 rc, tries, dead;

	/* LMDB closed those of the last one as that ended. */
	memset(s->cursor, 0, sizeof(s->cursor));
	for (tries = 0; tries < 4; tries++) {
		rc = mdb_txn_begin(s->env, NULL, flags, &s->txn);
		if (rc == MDB_READERS_FULL && tries == 0)
			mdb_reader_check(s->env, &dead);
		else if (rc != MDB_MAP_RESIZED || mdb_env_set_mapsize(s->env, 0) != 0)
			break;
	}
	if (rc != 0)
		s->txn = NULL;
	return rc;
}

static enum store_rc
check_format(struct store *s, bool fresh)
{
	static const char	 key[] = DB_FORMAT_KEY;
	struct bytes		 v = { NULL, 0 };
	char			 why[FIND_WHY];

	if (fresh)
		return db_put(s, DB_META, key, sizeof(key) - 1, DB_FORMAT, strlen(DB_FORMAT));
	if (db_get(s, DB_META, key, sizeof(key) - 1, &v) == STORE_ERROR)
		return STORE_ERROR;
	return find_format(&v, why) ? STORE_FOUND : db_fault(s, EINVAL, "%s", why);
}

/*
 * Are the pages of these databases what liblmdb will take them for?  Inside a
 * transaction, which keeps the pages of this moment, and of all that are newer, from
 * being used again.
 */
static enum store_rc
doubt(struct store *s, size_t first, size_t n)
{
	const char	*name[DB_COUNT];
	struct lr	*l;
	enum store_rc	 rc;
	enum lr_rc	 whole;
	size_t		 i;
	int		 tries = 0;

	for (i = 0; i < n; i++)
		name[i] = dbs[first + i].name;
	if ((l = calloc(1, sizeof(*l))) == NULL)
		return db_fault(s, ENOMEM, "%s", strerror(ENOMEM));
	/* A head may be half written when we see it. */
	if (mdb_env_get_fd(s->env, &l->fd) != 0)
		whole = LR_ERROR;
	else
		do
			whole = lr_begin(l) == LR_FOUND ? lr_whole(l) : LR_ERROR;
		while (whole == LR_NOTFOUND && ++tries < HEAD_TRIES);
	if (whole == LR_FOUND && lr_walk(l, name, n) == LR_FOUND)
		rc = STORE_FOUND;
	else if (l->err == EINVAL)
		rc = db_fault(s, EINVAL, "data.mdb is no store of intune-nac");
	else
		rc = db_fault(s, l->err == 0 ? EAGAIN : l->err, "%s%s", l->err == EBADMSG ?
		    "the store is damaged: " : "", l->err == 0 ? "data.mdb changes faster than "
		    "it can be read" : l->why);
	free(l);
	return rc;
}

enum store_rc
store_verify(struct store *s)
{
	enum store_rc	 rc;

	if (db_enter(s) == STORE_ERROR)
		return STORE_ERROR;
	rc = doubt(s, 0, DB_COUNT);
	db_leave(s);
	return rc;
}

/* Opens (a writer: makes) the databases and checks the format. */
static enum store_rc
open_dbs(struct store *s, enum store_mode mode)
{
	unsigned int	 make = mode == STORE_WRITE ? MDB_CREATE : 0;
	MDB_stat	 st;
	bool		 fresh;
	int		 i, rc;

	if ((rc = begin(s, make ? 0 : MDB_RDONLY)) != 0)
		return lmdb_fault(s, "opening", rc);
	/* Only the names and the first database, which takes no time: see store_verify(). */
	if (doubt(s, DB_META, 1) == STORE_ERROR) {
		mdb_txn_abort(s->txn);
		s->txn = NULL;
		return STORE_ERROR;
	}
	/* Only an environment without any database is made ours. */
	fresh = false;
	if (make != 0 && (rc = mdb_dbi_open(s->txn, NULL, 0, &s->dbi[0])) == 0 &&
	    (rc = mdb_stat(s->txn, s->dbi[0], &st)) == 0)
		fresh = st.ms_entries == 0;
	for (i = 0; rc == 0 && i < DB_COUNT; i++) {
		rc = mdb_dbi_open(s->txn, dbs[i].name,
		    dbs[i].flags | (fresh || i == DB_OUT ? make : 0), &s->dbi[i]);
		/* A writer adds it to an older store. */
		if (rc == MDB_NOTFOUND && i == DB_OUT)
			rc = 0;
		else if (rc == MDB_NOTFOUND || rc == MDB_INCOMPATIBLE)
			db_fault(s, EINVAL, "data.mdb is no store of intune-nac");
		else if (rc != 0)
			lmdb_fault(s, "opening", rc);
		else if (i == DB_META && check_format(s, fresh) == STORE_ERROR)
			rc = -1;
	}
	if (rc != 0) {
		mdb_txn_abort(s->txn);
		s->txn = NULL;
		return STORE_ERROR;
	}
	rc = mdb_txn_commit(s->txn);
	s->txn = NULL;
	return rc == 0 ? STORE_FOUND : lmdb_fault(s, "opening", rc);
}

static enum store_rc
open_env(struct store *s, enum store_mode mode)
{
	/* A reader starts with a map as small as the data: it then also opens
	 * where address space is limited.  begin() follows when it grows. */
	size_t		 map = mode == STORE_WRITE ? db_map : 1;
	unsigned int	 flags = MDB_NOTLS | MDB_NORDAHEAD;
	int		 rc, dead;

	if (mode == STORE_READ)
		flags |= MDB_RDONLY;
	if ((rc = mdb_env_create(&s->env)) != 0) {
		s->env = NULL;
		return lmdb_fault(s, "opening", rc);
	}
	if ((rc = mdb_env_set_mapsize(s->env, map)) != 0 ||
	    (rc = mdb_env_set_maxreaders(s->env, DB_READERS)) != 0 ||
	    (rc = mdb_env_set_maxdbs(s->env, DB_COUNT)) != 0 ||
	    (rc = mdb_env_open(s->env, s->dir, flags, DB_MODE_DATA)) != 0)
		return rc == EACCES ? permission_fault(s, mode) : lmdb_fault(s, "opening", rc);
	if (mode == STORE_READ)
		return check_length(s);
	/* Readers that were killed pin old pages and hold slots. */
	if ((rc = mdb_reader_check(s->env, &dead)) != 0)
		return lmdb_fault(s, "looking for dead readers", rc);
	return stretch(s);
}

struct store *
store_open(const char *dir, enum store_mode mode, char why[STORE_WHY])
{
	struct store	*s;
	int		 err;

	if ((s = calloc(1, sizeof(*s))) == NULL || (s->dir = strdup(dir)) == NULL) {
		snprintf(why, STORE_WHY, "%s", strerror(ENOMEM));
		free(s);
		errno = ENOMEM;
		return NULL;
	}
	if ((mode == STORE_WRITE ? make_files(s) : look_at_files(s)) != STORE_ERROR &&
	    open_env(s, mode) != STORE_ERROR && open_dbs(s, mode) != STORE_ERROR)
		return s;
	memcpy(why, s->why, STORE_WHY);
	err = s->err;
	store_close(s);
	errno = err;
	return NULL;
}

void
store_close(struct store *s)
{
	if (s == NULL)
		return;
	if (s->txn != NULL)
		mdb_txn_abort(s->txn);
	if (s->env != NULL)
		mdb_env_close(s->env);
	free(s->dir);
	free(s);
}

const char *
store_why(const struct store *s)
{
	return s->why;
}

int
store_errno(const struct store *s)
{
	return s->err;
}

enum store_rc
db_enter(struct store *s)
{
	int	 rc;

	if (s->txn == NULL && (rc = begin(s, MDB_RDONLY)) != 0)
		return lmdb_fault(s, "reading", rc);
	s->depth++;
	return STORE_FOUND;
}

void
db_leave(struct store *s)
{
	if (--s->depth > 0 || s->writing)
		return;
	mdb_txn_abort(s->txn);
	s->txn = NULL;
}

/* Doubles the map, which nothing may be using. */
static enum store_rc
grow(struct store *s)
{
	MDB_envinfo	 info;
	int		 rc;

	mdb_env_info(s->env, &info);
	if ((rc = mdb_env_set_mapsize(s->env, info.me_mapsize * 2)) != 0)
		return lmdb_fault(s, "making the map larger", rc);
	return STORE_FOUND;
}

/* Are changes noted for other servers?  Asked anew each time: who has the store
 * open for long must not miss that sharing has begun. */
static bool
is_shared(struct store *s)
{
	struct bytes	 v;

	return !s->exact &&
	    db_get(s, DB_META, DB_SHARE_NAME, strlen(DB_SHARE_NAME), &v) == STORE_FOUND;
}

void
store_on_full(struct store *s, store_full_fn fn, void *arg)
{
	s->on_full = fn;
	s->on_full_arg = arg;
}

/* After an error: is there room for another try? */
static bool
has_room(struct store *s)
{
	if (s->full)
		return grow(s) != STORE_ERROR;
	return (s->err == ENOSPC || s->err == EDQUOT) && s->on_full != NULL &&
	    s->on_full(s, s->on_full_arg);
}

enum store_rc
store_transact(struct store *s, store_fn fn, void *arg)
{
	enum store_rc	 rc;
	int		 err;

	if (s->writing)
		return fn(s, arg);
	do {
		s->full = false;
		if ((err = begin(s, 0)) != 0)
			return lmdb_fault(s, "writing", err);
		s->writing = true;
		s->marking = is_shared(s);
		memset(s->rare, 0, sizeof(s->rare));
		rc = fn(s, arg);
		s->writing = s->marking = false;
		if (rc == STORE_ERROR)
			mdb_txn_abort(s->txn);
		else if ((err = mdb_txn_commit(s->txn)) != 0)
			rc = lmdb_fault(s, "writing", err);
		s->txn = NULL;
	} while (rc == STORE_ERROR && has_room(s));
	if (rc != STORE_ERROR && stretch(s) == STORE_ERROR)
		rc = STORE_ERROR;
	return rc;
}

/* For a handler of signals. */
static struct {
	char			 line[STORE_WHY + 256];
	size_t			 n;
	int			 status;
	uintptr_t		 low, high;	/* around the map */
	struct sigaction	 before[2];	/* SIGBUS, SIGSEGV */
} guard;

static void
give_up(void)
{
	/* There is nothing to do where that fails. */
	if (write(STDERR_FILENO, guard.line, guard.n) == -1)
		_exit(guard.status);
	_exit(guard.status);
}

static void
on_assert(MDB_env *env, const char *what)
{
	(void)env;
	(void)what;
	give_up();
}

/* A page that cannot be read, or a step from a damaged page out of the map.  All else
 * is our own fault, and shows as that. */
static void
on_fault(int sig, siginfo_t *info, void *context)
{
	uintptr_t	 at = (uintptr_t)info->si_addr;

	(void)context;
	if (at >= guard.low && at < guard.high)
		give_up();
	sigaction(sig, &guard.before[sig == SIGSEGV], NULL);
}

void
store_guard(struct store *s, const char *what, int status)
{
	struct sigaction	 sa = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO };
	struct bytes		 v = { NULL, 0 };
	MDB_envinfo		 info;

	guard.n = (size_t)snprintf(guard.line, sizeof(guard.line), "%s\n", what);
	if (guard.n >= sizeof(guard.line))
		guard.n = sizeof(guard.line) - 1;
	guard.status = status;
	mdb_env_info(s->env, &info);
	/* LMDB does not say where its map is; a value is in it. */
	if (db_enter(s) != STORE_ERROR) {
		if (db_get(s, DB_META, DB_FORMAT_KEY, strlen(DB_FORMAT_KEY), &v) == STORE_FOUND) {
			guard.low = (uintptr_t)v.p - info.me_mapsize;
			guard.high = (uintptr_t)v.p + 2 * info.me_mapsize;
		}
		db_leave(s);
	}
	mdb_env_set_assert(s->env, on_assert);
	sigaction(SIGBUS, &sa, &guard.before[0]);
	sigaction(SIGSEGV, &sa, &guard.before[1]);
}

static MDB_val
val_of(const void *p, size_t n)
{
	MDB_val	 v;

	/* LMDB's type has no const, but it does not write here. */
	memset(&v, 0, sizeof(v));
	v.mv_size = n;
	memcpy(&v.mv_data, &p, sizeof(p));
	return v;
}

static enum store_rc
result(struct store *s, const char *doing, int rc, const MDB_val *v, struct bytes *out)
{
	if (rc == MDB_NOTFOUND)
		return STORE_NOTFOUND;
	if (rc != 0)
		return lmdb_fault(s, doing, rc);
	if (out != NULL) {
		out->p = v->mv_data;
		out->n = v->mv_size;
	}
	return STORE_FOUND;
}

static bool
is_rare(enum db db, const void *key, size_t klen)
{
	return klen > 0 && dbs[db].rare != '\0' && *(const char *)key == dbs[db].rare;
}

/* Is the key one of the rare ones, and none of them there?  That is looked up once
 * in a transaction that writes, and saves it a search for most of what it asks. */
static bool
none_such(struct store *s, enum db db, const void *key, size_t klen)
{
	struct bytes	 k, v;
	enum store_rc	 rc;

	if (!s->writing || !is_rare(db, key, klen))
		return false;
	if (s->rare[db] == RARE_UNKNOWN) {
		rc = db_after(s, db, &dbs[db].rare, 1, &k, &v);
		if (rc == STORE_NOTFOUND || (rc == STORE_FOUND && !is_rare(db, k.p, k.n)))
			s->rare[db] = RARE_NONE;
		else
			s->rare[db] = RARE_SOME;
	}
	return s->rare[db] == RARE_NONE;
}

/*
 * The cursor that a write transaction keeps: who comes with keys in their order mostly
 * finds the next on the page that is at hand, without a search from the root.
 */
static int
keep_cursor(struct store *s, enum db db)
{
	return s->cursor[db] != NULL ? 0 : mdb_cursor_open(s->txn, s->dbi[db], &s->cursor[db]);
}

/* Nothing else changes a database while its cursor is kept. */
static void
drop_cursor(struct store *s, enum db db)
{
	if (s->cursor[db] != NULL)
		mdb_cursor_close(s->cursor[db]);
	s->cursor[db] = NULL;
}

bool
db_none_rare(struct store *s)
{
	return none_such(s, DB_DEV, &dbs[DB_DEV].rare, 1) &&
	    none_such(s, DB_KEY, &dbs[DB_KEY].rare, 1);
}

enum store_rc
db_get(struct store *s, enum db db, const void *key, size_t klen, struct bytes *out)
{
	MDB_val	 k = val_of(key, klen), v = { 0, NULL };
	int	 rc;

	if (none_such(s, db, key, klen))
		return STORE_NOTFOUND;
	if (!s->writing)
		rc = mdb_get(s->txn, s->dbi[db], &k, &v);
	else if ((rc = keep_cursor(s, db)) == 0)
		rc = mdb_cursor_get(s->cursor[db], &k, &v, MDB_SET);
	return result(s, "reading", rc, &v, out);
}

enum store_rc
db_mark(struct store *s, enum db db, const void *key, size_t klen)
{
	unsigned char	 k[DB_KEY_MAX], v[8];
	struct timespec	 ts;

	if (klen >= sizeof(k))
		return STORE_FOUND;
	k[0] = db == DB_DEV ? 'd' : 'c';
	memcpy(k + 1, key, klen);
	clock_gettime(CLOCK_REALTIME, &ts);
	pack_int(v, (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec);
	return db_put(s, DB_OUT, k, klen + 1, v, sizeof(v));
}

/* Notes a change of a value; of a key only that a claim was refuted or came back,
 * as all else follows from the values. */
static enum store_rc
note(struct store *s, enum db db, const void *key, size_t klen, const void *val, size_t vlen)
{
	if (!s->marking || (db == DB_KEY && (val == NULL || klen == 0 ||
	    *(const char *)key != 'v')) || db == DB_META || db == DB_OUT)
		return STORE_FOUND;
	if (db == DB_KEY) {
		key = val;
		klen = vlen;
		db = DB_DEV;
	}
	if (db == DB_DEV && klen == s->told_n && memcmp(key, s->told, klen) == 0)
		return STORE_FOUND;
	return db_mark(s, db, key, klen);
}

enum store_rc
db_put(struct store *s, enum db db, const void *key, size_t klen, const void *val,
    size_t vlen)
{
	MDB_val		 k = val_of(key, klen), v = val_of(val, vlen);
	struct bytes	 old;
	enum store_rc	 rc;
	int		 err;

	if (is_rare(db, key, klen))
		s->rare[db] = RARE_SOME;
	if (s->marking && (db == DB_DEV || db == DB_CLIENT) &&
	    db_get(s, db, key, klen, &old) == STORE_FOUND && old.n == vlen &&
	    memcmp(old.p, val, vlen) == 0)
		return STORE_FOUND;
	if ((err = keep_cursor(s, db)) == 0)
		err = mdb_cursor_put(s->cursor[db], &k, &v, 0);
	rc = result(s, "writing", err, NULL, NULL);
	return rc == STORE_FOUND ? note(s, db, key, klen, val, vlen) : rc;
}

enum store_rc
db_add(struct store *s, const void *key, size_t klen, const void *val, size_t vlen)
{
	MDB_val	 k = val_of(key, klen), v = val_of(val, vlen);
	int	 rc;

	if ((rc = keep_cursor(s, DB_KEY)) == 0)
		rc = mdb_cursor_put(s->cursor[DB_KEY], &k, &v, MDB_NODUPDATA);
	return rc == MDB_KEYEXIST ? STORE_NOTFOUND : result(s, "writing", rc, NULL, NULL);
}

enum store_rc
db_del(struct store *s, enum db db, const void *key, size_t klen, const void *val,
    size_t vlen)
{
	MDB_val		 k = val_of(key, klen), v = val_of(val, vlen);
	enum store_rc	 rc;

	if (none_such(s, db, key, klen))
		return STORE_NOTFOUND;
	drop_cursor(s, db);
	rc = result(s, "writing", mdb_del(s->txn, s->dbi[db], &k, val != NULL ? &v : NULL), NULL,
	    NULL);
	return rc == STORE_FOUND ? note(s, db, key, klen, val, vlen) : rc;
}

/* Does an entry come behind the one it was looked for from?  Else a damaged page sends
 * its reader round and round, or makes it copy a key that none is as long as. */
static enum store_rc
behind(struct store *s, const void *last, size_t n, const struct bytes *now)
{
	int	 d;

	if (now->n == 0 || now->n > DB_KEY_MAX)
		return db_fault(s, EBADMSG, "the store is damaged: a key of %zu bytes", now->n);
	d = n == 0 ? -1 : memcmp(last, now->p, n < now->n ? n : now->n);
	if (d < 0 || (d == 0 && n < now->n))
		return STORE_FOUND;
	return db_fault(s, EBADMSG, "the store is damaged: keys in a wrong order");
}

enum store_rc
db_after(struct store *s, enum db db, const void *key, size_t klen, struct bytes *k,
    struct bytes *v)
{
	MDB_val		 kv = val_of(key, klen), vv = { 0, NULL };
	MDB_cursor	*c;
	enum store_rc	 rc;
	int		 err;

	if ((err = mdb_cursor_open(s->txn, s->dbi[db], &c)) != 0)
		return lmdb_fault(s, "reading", err);
	err = mdb_cursor_get(c, &kv, &vv, klen == 0 ? MDB_FIRST : MDB_SET_RANGE);
	if (err == 0 && klen != 0 && kv.mv_size == klen && memcmp(kv.mv_data, key, klen) == 0)
		err = mdb_cursor_get(c, &kv, &vv, MDB_NEXT_NODUP);
	if ((rc = result(s, "reading", err, &kv, k)) == STORE_FOUND)
		rc = result(s, "reading", err, &vv, v);
	mdb_cursor_close(c);
	return rc == STORE_FOUND ? behind(s, key, klen, k) : rc;
}

enum store_rc
db_dup(struct store *s, const void *key, size_t klen, const struct bytes *last,
    struct bytes *out)
{
	MDB_val		 k = val_of(key, klen), v = val_of(last->p, last->n);
	struct bytes	 next;
	MDB_cursor	*c;
	enum store_rc	 rc;
	int		 err;

	if ((err = mdb_cursor_open(s->txn, s->dbi[DB_KEY], &c)) != 0)
		return lmdb_fault(s, "reading", err);
	if (last->n == 0)
		err = mdb_cursor_get(c, &k, &v, MDB_SET_KEY);
	else {
		err = mdb_cursor_get(c, &k, &v, MDB_GET_BOTH_RANGE);
		if (err == 0 && v.mv_size == last->n &&
		    memcmp(v.mv_data, last->p, last->n) == 0)
			err = mdb_cursor_get(c, &k, &v, MDB_NEXT_DUP);
	}
	if ((rc = result(s, "reading", err, &v, &next)) == STORE_FOUND)
		rc = behind(s, last->p, last->n, &next);
	if (rc == STORE_FOUND)
		*out = next;
	mdb_cursor_close(c);
	return rc;
}

enum store_rc
db_has(struct store *s, const void *key, size_t klen, const void *val, size_t vlen)
{
	MDB_val		 k = val_of(key, klen), v = val_of(val, vlen);
	MDB_cursor	*c;
	enum store_rc	 rc;
	int		 err;

	err = s->writing ? keep_cursor(s, DB_KEY) : 0;
	if (s->writing && err == 0)
		return result(s, "reading", mdb_cursor_get(s->cursor[DB_KEY], &k, &v,
		    MDB_GET_BOTH), NULL, NULL);
	if (err != 0 || (err = mdb_cursor_open(s->txn, s->dbi[DB_KEY], &c)) != 0)
		return lmdb_fault(s, "reading", err);
	err = mdb_cursor_get(c, &k, &v, MDB_GET_BOTH);
	rc = result(s, "reading", err, NULL, NULL);
	mdb_cursor_close(c);
	return rc;
}

enum store_rc
db_walk(struct store *s, enum db db, db_fn fn, void *arg)
{
	unsigned char	 last[DB_KEY_MAX];
	MDB_val		 k, v;
	MDB_cursor	*c;
	struct bytes	 kb, vb;
	size_t		 n = 0;
	enum store_rc	 rc = STORE_FOUND;
	int		 err;

	if ((err = mdb_cursor_open(s->txn, s->dbi[db], &c)) != 0)
		return lmdb_fault(s, "reading", err);
	while (rc != STORE_ERROR && (err = mdb_cursor_get(c, &k, &v, MDB_NEXT)) == 0) {
		kb = (struct bytes){ k.mv_data, k.mv_size };
		vb = (struct bytes){ v.mv_data, v.mv_size };
		/* The next value of the same key of DB_KEY? */
		if ((kb.n != n || memcmp(kb.p, last, n) != 0) &&
		    (rc = behind(s, last, n, &kb)) == STORE_FOUND)
			memcpy(last, kb.p, n = kb.n);
		if (rc != STORE_ERROR)
			rc = fn(&kb, &vb, arg);
	}
	mdb_cursor_close(c);
	if (rc == STORE_ERROR || err == MDB_NOTFOUND)
		return rc;
	return lmdb_fault(s, "reading", err);
}

void
store_lazy(struct store *s)
{
	mdb_env_set_flags(s->env, MDB_NOMETASYNC, 1);
}

enum store_rc
store_copy(struct store *s, int fd)
{
	int	 rc, tries;

	/* It begins a transaction of its own: a writer may have made the store
	 * larger than our map since we opened it. */
	for (tries = 0; tries < 4; tries++) {
		rc = mdb_env_copyfd2(s->env, fd, MDB_CP_COMPACT);
		if (rc != MDB_MAP_RESIZED || mdb_env_set_mapsize(s->env, 0) != 0 ||
		    lseek(fd, 0, SEEK_SET) == -1 || ftruncate(fd, 0) == -1)
			break;
	}
	return rc == 0 ? STORE_FOUND : lmdb_fault(s, "copying", rc);
}

enum store_rc
db_count(struct store *s, enum db db, size_t *out)
{
	MDB_stat	 st;
	int		 rc;

	*out = 0;
	if (db == DB_OUT && s->dbi[db] == 0)
		return STORE_FOUND;
	if ((rc = mdb_stat(s->txn, s->dbi[db], &st)) != 0)
		return lmdb_fault(s, "reading", rc);
	*out = st.ms_entries;
	return STORE_FOUND;
}

void
store_relax(struct store *s)
{
	static const char	 name[] = "/data.mdb\n";
	unsigned long		 begin, end, inode;
	char			 line[PATH_MAX + 128];
	struct stat		 st;
	FILE			*maps;
	size_t			 n;
	int			 fd;

	/* LMDB does not say where its map is. */
	if (mdb_env_get_fd(s->env, &fd) != 0 || fstat(fd, &st) == -1 ||
	    (maps = fopen("/proc/self/maps", "re")) == NULL)
		return;
	while (fgets(line, sizeof(line), maps) != NULL) {
		n = strlen(line);
		/* Read-only, as it is for a writer, too: nothing can be lost. */
		if (n < sizeof(name) || strcmp(line + n - strlen(name), name) != 0 ||
		    sscanf(line, "%lx-%lx r--s %*s %*s %lu", &begin, &end, &inode) != 3 ||
		    inode != (unsigned long)st.st_ino)
			continue;
		madvise((void *)begin, end - begin, MADV_DONTNEED);
	}
	fclose(maps);
}

enum store_rc
db_sizes(struct store *s, struct store_size *out)
{
	MDB_envinfo	 info;
	off_t		 want, got;

	if (sizes(s, &want, &got) == -1)
		return db_fault(s, errno, "data.mdb: %s", strerror(errno));
	mdb_env_info(s->env, &info);
	out->file = (uint64_t)got;
	out->map = info.me_mapsize;
	out->readers = info.me_numreaders;
	out->readers_max = info.me_maxreaders;
	return STORE_FOUND;
}
