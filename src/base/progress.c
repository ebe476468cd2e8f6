#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/progress.h"
#include "base/when.h"

#define STEP	200	/* ms between two drawings */
#define BAR	20	/* characters */

/* There is one line, whoever of several has drawn on it last. */
static bool	 on_screen;

void
progress_start(struct progress *p, const char *what, uint64_t total)
{
	const char	*term = getenv("TERM");

	memset(p, 0, sizeof(*p));
	p->what = what;
	p->total = total;
	p->shown = isatty(STDERR_FILENO) && (term == NULL || strcmp(term, "dumb") != 0);
	p->yields = p->shown && isatty(STDOUT_FILENO);
	p->start = p->last = when_ms();
}

static void
draw(const struct progress *p, int64_t now)
{
	uint64_t	 rate = p->done * 1000 / (uint64_t)(now - p->start + 1);
	size_t		 full, i;
	char		 bar[BAR + 1], left[32];

	fprintf(stderr, "\r\033[K%llu", (unsigned long long)p->done);
	if (p->total > p->done) {
		full = (size_t)(p->done * BAR / p->total);
		for (i = 0; i < BAR; i++)
			bar[i] = i < full ? '#' : '.';
		bar[BAR] = '\0';
		fprintf(stderr, " of %llu %s [%s]", (unsigned long long)p->total, p->what, bar);
	} else
		fprintf(stderr, " %s", p->what);
	fprintf(stderr, ", %llu a second", (unsigned long long)rate);
	if (p->total > p->done && rate > 0)
		fprintf(stderr, ", %s left", when_ago(left, sizeof(left),
		    (int64_t)((p->total - p->done) / rate)));
	fflush(stderr);
	on_screen = true;
}

void
progress_add(struct progress *p, uint64_t n)
{
	int64_t	 now;

	p->done += n;
	if (!p->shown || (now = when_ms()) - p->last < STEP)
		return;
	p->last = now;
	draw(p, now);
}

void
progress_clear(struct progress *p)
{
	if (p->shown && on_screen)
		fputs("\r\033[K", stderr);
	on_screen = false;
}

void
progress_yield(struct progress *p)
{
	if (p->yields)
		progress_clear(p);
}
