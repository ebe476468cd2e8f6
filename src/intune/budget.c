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
#include "intune/tenantid.h"

#define WINDOW_US	(BUDGET_WINDOW * INT64_C(1000000))

/* This part of the budget may be spent at once, the rest flows evenly: together
 * never more than the limit in any window, wherever it begins. */
#define BURST		10

static char *
file_name(const struct settings *set)
{
	char		 text[DIGEST_TEXT], *name = NULL;
	char		 key[TENANT_NAME];
	uint64_t	 h = DIGEST_START;

	tenant_key(set, key);
	h = digest_add(h, set->graph, strlen(set->graph) + 1);
	h = digest_add(h, key, strlen(key) + 1);
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
	int		 fd, i;

	b->limit = limit;
	b->file = &b->own;
	atomic_init(&b->own.spent, 0);
	for (i = 0; i < BUDGET_WHO; i++)
		atomic_init(&b->own.quiet[i], 0);
	/* The token cache says so when the directory is of no use. */
	(void)mkdir(set->token_dir, 0700);
	fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	free(name);
	if (fd == -1)
		return;
	/* Only ever made longer: a mapping must not lose its page.  And one over a hole
	 * is the end of us where the disk is full: there must be a block behind it, also
	 * of a file that has its length already. */
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_uid == geteuid() &&
	    (st.st_mode & 022) == 0 && posix_fallocate(fd, 0, sizeof(b->own)) == 0)
		map = mmap(NULL, sizeof(b->own), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (map != MAP_FAILED)
		b->file = map;
}

void
budget_close(struct budget *b)
{
	if (b->file != NULL && b->file != &b->own)
		munmap(b->file, sizeof(b->own));
	b->file = NULL;
}

static int64_t
clock_us(void)
{
	struct timespec	 ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

/* A leaky bucket that holds one number, changed in one step: whoever is killed
 * leaves nothing half done. */
int64_t
budget_take(struct budget *b, unsigned n)
{
	int64_t	 now, before, from, until, wait, burst, each;

	if (b->limit == 0)
		return 0;
	burst = b->limit / BURST > 0 ? b->limit / BURST : 1;
	each = WINDOW_US / (b->limit > burst ? b->limit - burst : 1);
	now = clock_us();
	before = atomic_load(&b->file->spent);
	do {
		/* Nobody promises that far ahead: it is damage, or of an earlier boot. */
		from = before < now || before > now + 3 * WINDOW_US ? now : before;
		until = from + each * (int64_t)n;
		wait = until - burst * each - now;
		if (wait > WINDOW_US)
			return -1;
	} while (!atomic_compare_exchange_weak(&b->file->spent, &before, until));
	return wait > 0 ? (wait + 999) / 1000 : 0;
}

void
budget_set_quiet(struct budget *b, enum budget_who who, int64_t ms)
{
	int64_t	 until = clock_us() + 1000 * (ms < BUDGET_QUIET ? ms : BUDGET_QUIET);
	int64_t	 before = atomic_load(&b->file->quiet[who]);

	while (before < until || before > until + 2000 * (int64_t)BUDGET_QUIET)
		if (atomic_compare_exchange_weak(&b->file->quiet[who], &before, until))
			break;
}

int64_t
budget_quiet(struct budget *b, enum budget_who who)
{
	int64_t	 left = atomic_load(&b->file->quiet[who]) - clock_us();

	return left <= 0 || left > 1000 * (int64_t)BUDGET_QUIET ? 0 : (left + 999) / 1000;
}
