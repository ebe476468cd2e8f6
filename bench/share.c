/*
 * What bench/share needs of the store:
 *
 *	share fill DIR N		puts N devices
 *	share update DIR N RATE		N updates, RATE a second, in batches of 10 ms; each
 *					batch ends with a mark that says when it began
 *	share watch DIR MARKS		waits for each mark, and prints its delay in us
 *	share commands N ORIGIN		what redis-cli --pipe takes: N entries of the same size
 */
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>

#include "store/share_entry.h"
#include "store/store.h"

#define BATCH	10000
#define MARK	0xffff		/* first bytes of a mark's id */

static int64_t
now_ns(void)
{
	struct timespec	 t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void
pause_until(int64_t at)
{
	int64_t		 left = at - now_ns();
	struct timespec	 t = { left / 1000000000, left % 1000000000 };

	if (left > 0)
		nanosleep(&t, NULL);
}

/* A permutation: real ids come in no order. */
static void
make(struct answer *a, unsigned int kind, size_t n, int64_t checked)
{
	struct device	*d = &a->device;
	uint64_t	 x = (uint64_t)n * UINT64_C(0x9e3779b97f4a7c15);

	memset(a, 0, sizeof(*a));
	a->state = checked % 2 == 0 ? COMPLIANCE_COMPLIANT : COMPLIANCE_NONCOMPLIANT;
	a->checked = checked;
	a->source = SOURCE_GRAPH;
	a->matched_by = MATCH_GUID;
	a->id_space = ID_SPACE_INTUNE;
	a->has_device = d->has_id = d->has_entra_id = d->has_wifi_mac = true;
	memcpy(d->id.b, &x, 8);
	memcpy(d->id.b + 8, &n, 6);
	memcpy(d->id.b + 14, &kind, 2);
	d->entra_id = d->id;
	d->entra_id.b[15] ^= 0x55;
	memcpy(d->wifi_mac + 1, &n, 5);
	snprintf(d->name, sizeof(d->name), "%s-%07zu", kind == MARK ? "MARK" : "LAPTOP", n);
	snprintf(d->os, sizeof(d->os), "Windows");
	snprintf(d->os_version, sizeof(d->os_version), "10.0.22631.4317");
	snprintf(d->model, sizeof(d->model), "Latitude 5440");
	snprintf(d->user, sizeof(d->user), "user%zu@contoso.example", n);
}

struct puts {
	size_t	 from, n;
	int64_t	 checked;
	size_t	 mark;		/* 0: none */
	int64_t	 began;
	size_t	 of;
};

static enum store_rc
put_some(struct store *s, void *arg)
{
	const struct puts	*p = arg;
	struct answer		 a;
	size_t			 i;

	for (i = 0; i < p->n; i++) {
		make(&a, 0, (p->from + i) % p->of, p->checked);
		if (store_put(s, &a, NULL) == STORE_ERROR)
			return STORE_ERROR;
	}
	if (p->mark == 0)
		return STORE_FOUND;
	make(&a, MARK, p->mark, p->checked);
	snprintf(a.device.user, sizeof(a.device.user), "%lld", (long long)p->began);
	return store_put(s, &a, NULL);
}

static struct store *
open_store(const char *dir)
{
	char		 why[STORE_WHY];
	struct store	*s = store_open(dir, STORE_WRITE, why);

	if (s == NULL)
		errx(EX_IOERR, "%s", why);
	return s;
}

static void
put(struct store *s, struct puts *p)
{
	if (store_transact(s, put_some, p) == STORE_ERROR)
		errx(EX_IOERR, "%s", store_why(s));
}

static void
fill(const char *dir, size_t n)
{
	struct store	*s = open_store(dir);
	struct puts	 p = { .checked = 1700000000, .of = n };

	for (; p.from < n; p.from += p.n) {
		p.n = n - p.from < BATCH ? n - p.from : BATCH;
		put(s, &p);
	}
	store_close(s);
}

static void
update(const char *dir, size_t n, size_t rate, size_t of)
{
	struct store	*s = open_store(dir);
	struct puts	 p = { .checked = 1700000001, .of = of, .n = rate / 100 - 1 };
	int64_t		 at = now_ns(), late = 0;

	for (p.mark = 1; p.from < n; p.mark++, at += 10000000) {
		pause_until(at);
		if (now_ns() - at > late)
			late = now_ns() - at;
		p.began = now_ns();
		/* Each comes again with a newer answer. */
		p.checked = 1700000001 + (int64_t)(p.from / of);
		put(s, &p);
		p.from += p.n + 1;
	}
	fprintf(stderr, "%zu marks, %.0f ms late at most\n", p.mark - 1, (double)late / 1e6);
	store_close(s);
}

static void
watch(const char *dir, size_t marks)
{
	struct store	*s = open_store(dir);
	struct answer	 want, got;
	int64_t		 end = now_ns() + 60000000000, t;
	size_t		 i;

	for (i = 1; i <= marks; i++) {
		make(&want, MARK, i, 1700000001);
		while (store_same(s, &want, &got) != STORE_FOUND) {
			pause_until(now_ns() + 200000);
			if (now_ns() > end)
				errx(EX_DATAERR, "%s: mark %zu has not come", dir, i);
		}
		t = now_ns() - strtoll(got.device.user, NULL, 10);
		printf("%lld\n", (long long)t / 1000);
	}
	store_close(s);
}

static void
commands(size_t n)
{
	unsigned char	 buf[SHARE_ANSWER_MAX];
	struct answer	 a;
	size_t		 i, len;

	for (i = 0; i < n; i++) {
		make(&a, 0, i, 1700000000);
		len = share_pack_answer(buf, &a, 0);
		printf("*7\r\n$4\r\nXADD\r\n$4\r\npeer\r\n$1\r\n*\r\n$1\r\no\r\n$7\r\nradius1\r\n$1\r\nv\r\n"
		    "$%zu\r\n", len);
		fwrite(buf, 1, len, stdout);
		fputs("\r\n", stdout);
	}
}

int
main(int argc, char **argv)
{
	size_t	 n = argc > 3 ? strtoul(argv[3], NULL, 10) : 0;

	if (argc == 4 && strcmp(argv[1], "fill") == 0)
		fill(argv[2], n);
	else if (argc == 6 && strcmp(argv[1], "update") == 0)
		update(argv[2], n, strtoul(argv[4], NULL, 10), strtoul(argv[5], NULL, 10));
	else if (argc == 4 && strcmp(argv[1], "watch") == 0)
		watch(argv[2], n);
	else if (argc == 3 && strcmp(argv[1], "commands") == 0)
		commands(strtoul(argv[2], NULL, 10));
	else
		errx(EX_USAGE, "see bench/share");
	return 0;
}
