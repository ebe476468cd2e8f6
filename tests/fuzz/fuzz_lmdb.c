/* A data file of arbitrary bytes: looked up in without a crash, and to an end. */
#include <sys/mman.h>

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store/lmdb_read.h"

#define DUPS	100000		/* no file of the corpus has as many */

int	 LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static struct lr	 l;

static void
look_up(const char *name, const char *key, size_t klen)
{
	struct lr_dup	 d = { .n = 0 };
	struct lr_db	 db;
	struct bytes	 v;
	size_t		 n = 0;

	if (lr_db(&l, name, &db) != LR_FOUND)
		return;
	/* All of it is read: memchr() of what is hardly there. */
	if (lr_get(&l, &db, key, klen, &v) == LR_FOUND && v.n != 0 &&
	    memchr(v.p, 0xa7, v.n) == v.p)
		n = 1;
	while (lr_dup(&l, &db, key, klen, &d) == LR_FOUND)
		if (d.n == 0 || d.n > LR_KEY_MAX || n++ > DUPS)
			abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const char *const names[] = { "meta", "dev", "key", "client", "out" };
	static const char *const keys[] = { "format", "i:\020\020\020\020", "n:laptop-1", "n:laptop-7",
	    "zz" };
	size_t			 i, j;
	int			 fd = memfd_create("fuzz", MFD_CLOEXEC);

	if (fd == -1 || write(fd, data, len) != (ssize_t)len)
		abort();
	memset(&l, 0, offsetof(struct lr, page));
	l.fd = fd;
	if (lr_begin(&l) == LR_FOUND) {
		for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
			for (j = 0; j < sizeof(keys) / sizeof(keys[0]); j++)
				look_up(names[i], keys[j], strlen(keys[j]));
		/* A file is not as long as its numbers may say. */
		if (l.meta.last_page <= len)
			(void)lr_walk(&l, names, sizeof(names) / sizeof(names[0]));
		if (lr_whole(&l) != LR_FOUND)
			abort();
	}
	lr_close(&l);
	return 0;
}
