/* nac-cache check and backup: is the store whole, and a copy of it. */
#include <sys/stat.h>

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/cli.h"
#include "base/text.h"
#include "device/record.h"
#include "store/cache.h"

static void
tell_fault(const char *what, void *arg)
{
	(void)arg;
	warnx("%s", what);
}

struct clients {
	size_t	 n, faults;
};

static bool
check_client(const struct client *cl, const char *why, void *arg)
{
	struct clients	*c = arg;
	struct session	 session;
	struct identity	 id;
	json_t		*rec;
	char		 fault[256], name[CLIENT_ID], shown[TEXT_SHOWN];

	c->n++;
	if (cl == NULL) {
		warnx("%s", why);
		c->faults++;
		return true;
	}
	if ((rec = cache_client_record(cl)) == NULL) {
		c->faults++;
		return true;
	}
	text_safe(shown, sizeof(shown), cl->id, strlen(cl->id));
	if (!record_session(rec, &session, fault, sizeof(fault)) ||
	    !record_identity(rec, &id, fault, sizeof(fault))) {
		warnx("client \"%s\": %s", shown, fault);
		c->faults++;
	} else if (!client_id(name, &session, &id) || strcmp(name, cl->id) != 0) {
		warnx("client \"%s\" is filed under a key that is not its own", shown);
		c->faults++;
	}
	json_decref(rec);
	return true;
}

int
cache_check(struct cache *c)
{
	struct store_checked	 n = { 0 };
	struct clients		 clients = { 0, 0 };

	if (store_check(c->store, tell_fault, NULL, &n) == STORE_ERROR ||
	    client_each(c->store, check_client, &clients) == STORE_ERROR)
		return cache_fault(c);
	printf("{\"checked\":{\"devices\":%zu,\"others\":%zu,\"keys\":%zu,\"clients\":%zu,"
	    "\"cursors\":%zu},\"faults\":%zu}\n", n.devices, n.others, n.keys, clients.n,
	    n.cursors, n.faults + clients.faults);
	return n.faults + clients.faults > 0 ? STATUS_NO : STATUS_OK;
}

/* A folder that is synced keeps a name that was just given. */
static int
sync_folder(int dir)
{
	return fsync(dir) == -1 && errno != EINVAL ? -1 : 0;
}

int
cache_backup(struct cache *c, const char *dir)
{
	static const char	 name[] = "data.mdb.new";
	char			 shown[TEXT_SHOWN];
	struct stat		 st, own;
	int			 at = -1, fd = -1, status = EX_IOERR;

	text_safe(shown, sizeof(shown), dir, strlen(dir));
	/* The store knows devices and users: nobody else's business. */
	if ((mkdir(dir, 0750) == -1 && errno != EEXIST) ||
	    (at = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) == -1) {
		warn("%s", shown);
		return cache_status(errno) == EX_NOPERM ? EX_NOPERM : EX_IOERR;
	}
	/* Onto the store itself it would be a trap for those who have it open. */
	if (fstat(at, &st) == 0 && stat(c->dir, &own) == 0 && st.st_dev == own.st_dev &&
	    st.st_ino == own.st_ino) {
		warnx("%s: the store itself is there: name another folder", shown);
		close(at);
		return EX_USAGE;
	}
	if (unlinkat(at, name, 0) == -1 && errno != ENOENT)
		warn("%s/%s", shown, name);
	else if ((fd = openat(at, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
	    0640)) == -1)
		warn("%s/%s", shown, name);
	else if (store_copy(c->store, fd) == STORE_ERROR)
		status = cache_fault(c);
	else if (fsync(fd) == -1 || renameat(at, name, at, "data.mdb") == -1 ||
	    sync_folder(at) == -1)
		warn("%s/data.mdb", shown);
	else
		status = STATUS_OK;
	if (fd != -1)
		close(fd);
	if (status != STATUS_OK && fd != -1)
		unlinkat(at, name, 0);
	close(at);
	return status;
}
