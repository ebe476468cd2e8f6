#include <sys/mman.h>
#include <sys/stat.h>

#include <err.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "base/digest.h"
#include "intune/budget.h"

#define WINDOW_US	(BUDGET_WINDOW * INT64_C(1000000))

/* This part of the budget may be spent at once, the rest flows evenly: together
 * never more than the limit in any window, wherever it begins. */
#define BURST		10

static char *
file_name(const struct settings *set)
{
	char		 text[DIGEST_TEXT], *name = NULL;
	uint64_t	 h = DIGEST_START;

	h = digest_add(h, set->graph, strlen(set->graph) + 1);
	h = digest_add(h, set->tenant, strlen(set->tenant) + 1);
	if (asprintf(&name, "%s/%s.budget", set->token_dir, digest_format(text, h)) == -1)
		err(EX_OSERR, NULL);
	return name;
}

void
budget_open(struct budget *b, const struct settings *set, int64_t limit)
{
	struct stat	 st;
	char		*name = file_name(set);
	void		*map = MAP_FAILED;
	int		 fd;

	b->limit = limit;
	b->spent = &b->own;
	atomic_init(&b->own, 0);
	/* The token cache says so when the directory is of no use. */
	(void)mkdir(set->token_dir, 0700);
	fd = limit == 0 ? -1 : open(name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	free(name);
	if (fd == -1)
		return;
	/* Only ever made longer: a mapping must not lose its page. */
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_uid == geteuid() &&
	    (st.st_mode & 022) == 0 && (st.st_size >= (off_t)sizeof(b->own) ||
	    ftruncate(fd, sizeof(b->own)) == 0))
		map = mmap(NULL, sizeof(b->own), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (map != MAP_FAILED)
		b->spent = map;
}

void
budget_close(struct budget *b)
{
	if (b->spent != NULL && b->spent != &b->own)
		munmap(b->spent, sizeof(b->own));
	b->spent = NULL;
}

/* A leaky bucket that holds one number, changed in one step: whoever is killed
 * leaves nothing half done. */
int64_t
budget_take(struct budget *b, unsigned n)
{
	struct timespec	 ts;
	int64_t		 now, before, from, until, wait, burst, each;

	if (b->limit == 0)
		return 0;
	burst = b->limit / BURST > 0 ? b->limit / BURST : 1;
	each = WINDOW_US / (b->limit > burst ? b->limit - burst : 1);
	clock_gettime(CLOCK_MONOTONIC, &ts);
	now = (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
	before = atomic_load(b->spent);
	do {
		/* Nobody promises that far ahead: it is damage, or of an earlier boot. */
		from = before < now || before > now + 3 * WINDOW_US ? now : before;
		until = from + each * (int64_t)n;
		wait = until - burst * each - now;
		if (wait > WINDOW_US)
			return -1;
	} while (!atomic_compare_exchange_weak(b->spent, &before, until));
	return wait > 0 ? (wait + 999) / 1000 : 0;
}
