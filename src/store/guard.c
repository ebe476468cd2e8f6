#include <err.h>
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/digest.h"
#include "base/file.h"
#include "base/text.h"
#include "base/when.h"
#include "store/guard.h"

#define GROUPS_MAX	65536	/* sites and NAS together; more are not weighed alone */
#define GROUPS_FIRST	256
#define WINDOW_MAX	((size_t)64 * 1024 * 1024)	/* bytes of the file */
#define COUNT_MAX	0xffffffff	/* clients: sums of GUARD_RUNS, and % of them, fit */

/* A member that a run in memory has in addition: the name that it was taken under. */
#define FROM	"from"

enum { SITE, NAS, KINDS };

static const char *const	 kind_name[KINDS] = { "site", "nas" };

struct tally {
	uint64_t	 asked, changed;
};

struct group {
	char		*name;
	int		 kind;
	struct tally	 run, late;	/* late: of earlier runs */
};

struct guard {
	struct guard_limits	 limits;
	int64_t			 now, last;
	int64_t			 newest_sync;
	uint64_t		 syncs;
	struct tally		 run, late;
	json_t			*runs;		/* earlier lines worth keeping, the oldest first */
	bool			 others;	/* some of them are other servers' */
	struct group		*group;		/* an open hash */
	size_t			 n, size;
};

static void *
must(void *p)
{
	if (p == NULL)
		err(EX_OSERR, NULL);
	return p;
}

struct guard *
guard_new(const struct guard_limits *limits, int64_t now)
{
	struct guard	*g = must(calloc(1, sizeof(*g)));

	g->limits = *limits;
	g->now = now;
	g->runs = must(json_array());
	return g;
}

void
guard_free(struct guard *g)
{
	size_t	 i;

	if (g == NULL)
		return;
	for (i = 0; i < g->size; i++)
		free(g->group[i].name);
	free(g->group);
	json_decref(g->runs);
	free(g);
}

static size_t
find(const struct guard *g, int kind, const char *name)
{
	uint64_t	 h = digest_add(DIGEST_START + (uint64_t)kind, name, strlen(name));
	size_t		 i;

	for (i = h % g->size; g->group[i].name != NULL; i = (i + 1) % g->size)
		if (g->group[i].kind == kind && strcmp(g->group[i].name, name) == 0)
			break;
	return i;
}

static void
grow(struct guard *g)
{
	struct group	*old = g->group;
	size_t		 i, size = g->size;

	g->size = size > 0 ? 2 * size : GROUPS_FIRST;
	g->group = must(calloc(g->size, sizeof(*g->group)));
	for (i = 0; i < size; i++)
		if (old[i].name != NULL)
			g->group[find(g, old[i].kind, old[i].name)] = old[i];
	free(old);
}

/* NULL when there are too many. */
static struct group *
group(struct guard *g, int kind, const char *name)
{
	size_t	 i;

	if (g->n * 2 >= g->size)
		grow(g);
	if (g->group[i = find(g, kind, name)].name == NULL) {
		if (g->n == GROUPS_MAX)
			return NULL;
		g->group[i].name = must(strdup(name));
		g->group[i].kind = kind;
		g->n++;
	}
	return &g->group[i];
}

static void
count(struct guard *g, const struct session *s, uint64_t asked, uint64_t changed)
{
	const char	*names[KINDS] = {
		[SITE] = s->nas_id[0] != '\0' ? s->nas_id : s->nas_ip,
		[NAS] = s->nas_ip[0] != '\0' ? s->nas_ip : s->nas_id
	};
	struct group	*of;
	int		 kind;

	g->run.asked += asked;
	g->run.changed += changed;
	for (kind = 0; kind < KINDS; kind++) {
		if (names[kind][0] == '\0' || (of = group(g, kind, names[kind])) == NULL)
			continue;
		of->run.asked += asked;
		of->run.changed += changed;
	}
}

void
guard_asked(struct guard *g, const struct session *s)
{
	count(g, s, 1, 0);
}

void
guard_changed(struct guard *g, const struct session *s)
{
	count(g, s, 0, 1);
}

void
guard_synced(struct guard *g, int64_t last_sync)
{
	if (last_sync <= 0 || last_sync == WHEN_ALWAYS)
		return;
	g->syncs++;
	if (last_sync > g->newest_sync)
		g->newest_sync = last_sync;
}

void
guard_last(struct guard *g, int64_t when)
{
	g->last = when;
}

uint64_t
guard_count_asked(const struct guard *g)
{
	return g->run.asked;
}

uint64_t
guard_count_changed(const struct guard *g)
{
	return g->run.changed;
}

/* ---- earlier runs */

static uint64_t
number(const json_t *n)
{
	return (uint64_t)json_integer_value(n);
}

static bool
is_count(const json_t *n)
{
	return json_is_integer(n) && json_integer_value(n) >= 0 &&
	    json_integer_value(n) <= COUNT_MAX;
}

static void
add_pair(struct tally *t, const json_t *pair)
{
	t->asked += number(json_array_get(pair, 0));
	t->changed += number(json_array_get(pair, 1));
}

/* The newest run first, until every client was asked about once; of the sites and NAS
 * those that are judged. */
static void
add_up(struct guard *g)
{
	struct group	*of;
	size_t		 i, run, n = json_array_size(g->runs), first = n;
	json_t		*r;

	memset(&g->late, 0, sizeof(g->late));
	while (first > 0 && g->run.asked + g->late.asked < g->limits.clients) {
		r = json_array_get(g->runs, --first);
		g->late.asked += number(json_object_get(r, "asked"));
		g->late.changed += number(json_object_get(r, "changed"));
	}
	for (i = 0; i < g->size; i++) {
		of = &g->group[i];
		memset(&of->late, 0, sizeof(of->late));
		for (run = first; of->run.changed > 0 && run < n; run++)
			add_pair(&of->late, json_object_get(json_object_get(json_array_get(g->runs,
			    run), kind_name[of->kind]), of->name));
	}
}

static const char *
time_of(const json_t *run)
{
	return json_string_value(json_object_get(run, "time"));
}

/* Behind those that were before it: two files are taken in one after the other. */
static void
insert(struct guard *g, json_t *run)
{
	size_t	 i = json_array_size(g->runs);

	while (i > 0 && strcmp(time_of(json_array_get(g->runs, i - 1)), time_of(run)) > 0)
		i--;
	if (json_array_insert(g->runs, i, run) == -1)
		err(EX_OSERR, NULL);
	if (json_array_size(g->runs) > GUARD_RUNS)
		json_array_remove(g->runs, 0);
}

/* Is it name: [asked, changed], ...? */
static bool
are_groups(json_t *groups)
{
	const char	*name;
	json_t		*pair;

	if (!json_is_object(groups) || json_object_size(groups) > GROUPS_MAX)
		return false;
	json_object_foreach(groups, name, pair)
		if (json_array_size(pair) != 2 || !is_count(json_array_get(pair, 0)) ||
		    !is_count(json_array_get(pair, 1)))
			return false;
	return true;
}

/* A line of a window, which may be anybody's: exactly what this_run() makes, or NULL. */
static json_t *
parse(const char *line, size_t len, int64_t *when)
{
	json_t		*run, *asked, *changed, *site, *nas;
	const char	*time;

	run = json_loadb(line, len, JSON_REJECT_DUPLICATES, NULL);
	if (run != NULL && json_unpack(run, "{ss so so so so !}", "time", &time, "asked", &asked,
	    "changed", &changed, kind_name[SITE], &site, kind_name[NAS], &nas) == 0 &&
	    when_parse(time, when) && is_count(asked) && is_count(changed) && are_groups(site) &&
	    are_groups(nas))
		return run;
	json_decref(run);
	return NULL;
}

static bool
is_recent(const struct guard *g, int64_t when)
{
	return when <= g->now && when > g->now - g->limits.window;
}

bool
guard_load(struct guard *g, const char *path)
{
	char	*line = NULL;
	size_t	 size = 0, bytes = 0;
	ssize_t	 len;
	json_t	*run;
	int64_t	 when;
	FILE	*f;
	bool	 good;

	if ((f = fopen(path, "re")) == NULL)
		return errno == ENOENT;
	while ((len = getline(&line, &size, f)) > 0 && (bytes += (size_t)len) < WINDOW_MAX) {
		run = parse(line, (size_t)len, &when);
		if (run != NULL && is_recent(g, when))
			insert(g, run);
		json_decref(run);
	}
	good = !ferror(f);
	free(line);
	fclose(f);
	return good;
}

/* Takes out the run that was taken in under this name. */
static void
take_out(struct guard *g, const char *name)
{
	const char	*from;
	size_t		 i;

	for (i = json_array_size(g->runs); i > 0; i--) {
		from = json_string_value(json_object_get(json_array_get(g->runs, i - 1), FROM));
		if (from != NULL && strcmp(from, name) == 0) {
			json_array_remove(g->runs, i - 1);
			break;
		}
	}
}

bool
guard_take(struct guard *g, const char *name, const char *line, size_t len, int64_t when)
{
	char	 time[WHEN_TEXT];
	int64_t	 said;
	json_t	*run = len <= GUARD_LINE ? parse(line, len, &said) : NULL;
	bool	 good;

	/* A name may be no UTF-8. */
	good = run != NULL && when > g->now - g->limits.window &&
	    json_object_set_new(run, "time", json_string(when_format(time, when))) == 0 &&
	    json_object_set_new(run, FROM, json_string(name)) == 0;
	if (good) {
		take_out(g, name);
		insert(g, run);
		g->others = true;
	}
	json_decref(run);
	return good;
}

void
guard_forget(struct guard *g, int64_t until)
{
	int64_t	 when;
	size_t	 i;

	for (i = json_array_size(g->runs); i > 0; i--)
		if (when_parse(time_of(json_array_get(g->runs, i - 1)), &when) && when <= until)
			json_array_remove(g->runs, i - 1);
}

/* This run, as a line of that file. */
static json_t *
this_run(const struct guard *g)
{
	char	 time[WHEN_TEXT];
	json_t	*run, *of[KINDS];
	size_t	 i;
	int	 kind;

	run = json_pack("{ss sI sI}", "time", when_format(time, g->now), "asked",
	    (json_int_t)g->run.asked, "changed", (json_int_t)g->run.changed);
	for (kind = 0; kind < KINDS; kind++)
		of[kind] = must(json_object());
	for (i = 0; i < g->size; i++)
		if (g->group[i].run.asked + g->group[i].run.changed > 0)
			json_object_set_new(of[g->group[i].kind], g->group[i].name,
			    json_pack("[II]", (json_int_t)g->group[i].run.asked,
			    (json_int_t)g->group[i].run.changed));
	for (kind = 0; kind < KINDS; kind++)
		if (json_object_set_new(must(run), kind_name[kind], of[kind]) == -1)
			err(EX_OSERR, NULL);
	return run;
}

char *
guard_line(const struct guard *g)
{
	json_t	*run = this_run(g);
	char	*line = must(json_dumps(run, JSON_COMPACT));

	json_decref(run);
	return line;
}

bool
guard_save(const struct guard *g, const char *path)
{
	char	*text = NULL;
	size_t	 i, size = 0;
	char	*line = guard_line(g);
	FILE	*f = must(open_memstream(&text, &size));
	bool	 good;

	for (i = 0; i < json_array_size(g->runs); i++) {
		json_dumpf(json_array_get(g->runs, i), f, JSON_COMPACT);
		putc('\n', f);
	}
	fprintf(f, "%s\n", line);
	free(line);
	if (fclose(f) == EOF)
		err(EX_OSERR, NULL);
	good = file_replace(path, text, size, 0600) == 0;
	free(text);
	return good;
}

/* ---- the verdict */

bool
guard_was_ahead(const struct guard *g)
{
	return g->last > g->now + GUARD_SKEW && g->syncs > 0 &&
	    g->newest_sync <= g->now + GUARD_SKEW &&
	    g->now - g->newest_sync <= g->limits.clock;
}

bool
guard_clock_is_wrong(const struct guard *g, char why[GUARD_WHY])
{
	char	 now[WHEN_TEXT], then[WHEN_TEXT];
	int64_t	 quiet = g->now - g->newest_sync;

	when_format(now, g->now);
	if (g->newest_sync > g->now + GUARD_SKEW)
		snprintf(why, GUARD_WHY, "the clock says %s, but a device was in touch with Intune "
		    "at %s: it is behind", now, when_format(then, g->newest_sync));
	else if (guard_was_ahead(g))
		snprintf(why, GUARD_WHY, "the clock says %s, as the devices do, but the last poll "
		    "was at %s: it was ahead then, and the next poll goes on", now,
		    when_format(then, g->last));
	else if (g->last > g->now + GUARD_SKEW)
		snprintf(why, GUARD_WHY, "the clock says %s, but the last poll was at %s: it has "
		    "jumped back", now, when_format(then, g->last));
	else if (g->syncs > 0 && quiet > g->limits.clock &&
	    (g->syncs >= (uint64_t)g->limits.least ||
	    (g->last > 0 && g->now - g->last > g->limits.clock)))
		snprintf(why, GUARD_WHY, "the clock says %s, but of %llu devices none was in touch "
		    "with Intune after %s: it may have jumped ahead", now,
		    (unsigned long long)g->syncs, when_format(then, g->newest_sync));
	else
		return false;
	return true;
}

static bool
is_too_much(const struct guard *g, const struct tally *t, int64_t share)
{
	return share < 100 && t->changed >= (uint64_t)g->limits.least &&
	    t->changed * 100 > t->asked * (uint64_t)share;
}

/* In this run, or with the runs before it; what stands still is never too much. */
static bool
is_held(const struct guard *g, const struct tally *run, const struct tally *late, int64_t share,
    const char *of, const char *key, char why[GUARD_WHY])
{
	struct tally	 sum = { run->asked + late->asked, run->changed + late->changed };
	bool		 now = is_too_much(g, run, share);
	const struct tally *t = now ? run : &sum;

	if (run->changed == 0 || (!now && (late->asked == 0 || !is_too_much(g, &sum, share))))
		return false;
	snprintf(why, GUARD_WHY, "%s%llu of %llu clients would change, more than %s %lld %%%s%s", of,
	    (unsigned long long)t->changed, (unsigned long long)t->asked, key, (long long)share,
	    now ? "" : ", with those of the polls before", now || !g->others ? "" :
	    " and of other servers");
	return true;
}

static bool
groups_held(const struct guard *g, int kind, const char *what, int64_t share, const char *key,
    char why[GUARD_WHY])
{
	const struct group	*of;
	char			 shown[TEXT_SHOWN], name[TEXT_SHOWN + 16];
	size_t			 i;

	for (i = 0; i < g->size; i++) {
		of = &g->group[i];
		if (of->name == NULL || of->kind != kind || of->run.changed == 0)
			continue;
		snprintf(name, sizeof(name), "%s %s: ", what,
		    text_safe(shown, sizeof(shown), of->name, strlen(of->name)));
		if (is_held(g, &of->run, &of->late, share, name, key, why))
			return true;
	}
	return false;
}

enum guard_verdict
guard_judge(struct guard *g, char why[GUARD_WHY])
{
	why[0] = '\0';
	/* Now that it is known how many this run has asked. */
	add_up(g);
	if (guard_clock_is_wrong(g, why))
		return GUARD_HOLD_ALL;
	if (is_held(g, &g->run, &g->late, g->limits.share, "", "guard_share", why))
		return GUARD_HOLD;
	return groups_held(g, SITE, "site", g->limits.site_share, "guard_site_share", why) ||
	    groups_held(g, NAS, "NAS", g->limits.nas_share, "guard_nas_share", why) ?
	    GUARD_HOLD : GUARD_PASS;
}
