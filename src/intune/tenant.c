#include <err.h>
#include <errno.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/cli.h"
#include "base/digest.h"
#include "base/file.h"
#include "base/jsonw.h"
#include "base/progress.h"
#include "base/text.h"
#include "base/when.h"
#include "device/record.h"
#include "intune/crew.h"
#include "intune/directory.h"
#include "intune/ids.h"
#include "intune/tenant.h"
#include "intune/wire.h"

#define STATE_MAX	4096	/* bytes of the state file; it has 150 */
#define OVERLAP		900	/* seconds that --since last goes further back: a device's
				 * sync shows up in lists a little late */

/* What a whole run leaves to the next one. */
struct state {
	int64_t		 count;		/* devices of the last whole list; 0 = not known */
	int64_t		 full;		/* when it began */
	int64_t		 since;		/* when the last run began that missed nothing */
};

/* Records on their way out, in whole lines. */
#define OUT_FULL	(1 << 16)
#define OUT_SIZE	(OUT_FULL + RECORD_TEXT)

/* A run. */
struct run {
	struct tenant	*t;
	struct state	 last;
	struct ids	 ids;
	struct progress	 progress;
	char		*out;		/* OUT_SIZE bytes, full at OUT_FULL */
	size_t		 used;
	bool		 cut;		/* standard output takes no more */
	int64_t		 began, since;
	uint64_t	 count, foreign, twice, left_out;
	int64_t		 announced;	/* the largest @odata.count of any page */
	int		 status;
	char		*path;		/* of the state */
	char		 why[640];	/* that the list is not whole; "" = it is */
	/* The page at hand, when more is asked for than the list shows. */
	struct managed	*page;
	size_t		 n, room;
	size_t		*with_entra;	/* those of the page that the directory can know */
};

static void __attribute__((format(printf, 3, 4)))
not_whole(struct run *r, int status, const char *fmt, ...)
{
	va_list	 ap;

	r->status = cli_worst(r->status, status);
	if (r->why[0] != '\0')
		return;
	va_start(ap, fmt);
	vsnprintf(r->why, sizeof(r->why), fmt, ap);
	va_end(ap);
}

/* The state file */

static char *
state_path(const struct settings *set)
{
	const char	*part[] = { set->graph, set->tenant, set->client_id };
	char		 text[DIGEST_TEXT], *path = NULL;
	uint64_t	 h = DIGEST_START;
	size_t		 i;

	for (i = 0; i < sizeof(part) / sizeof(part[0]); i++)
		h = digest_add(h, part[i], strlen(part[i]) + 1);
	if (asprintf(&path, "%s/%s.list", set->token_dir, digest_format(text, h)) == -1)
		err(EX_OSERR, NULL);
	return path;
}

/* A file that is absent or damaged knows nothing: then it is a full run. */
static void
read_state(struct run *r)
{
	char	 why[FILE_WHY], *text = NULL;
	json_t	*o = NULL;
	size_t	 len;
	int	 fd;

	if ((fd = file_open_checked(r->path, 1, why)) == -1) {
		if (errno != ENOENT)
			warnx("%s: not trusted", why);
		return;
	}
	if (file_read_all(fd, STATE_MAX, &text, &len) == 0)
		o = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);
	r->last.count = json_integer_value(json_object_get(o, "count"));
	r->last.full = json_integer_value(json_object_get(o, "full"));
	r->last.since = json_integer_value(json_object_get(o, "since"));
	if (o == NULL || r->last.count < 0 || r->last.full > r->began ||
	    r->last.since > r->began) {
		warnx("%s: not trusted: a full run follows", r->path);
		memset(&r->last, 0, sizeof(r->last));
	}
	json_decref(o);
	free(text);
	close(fd);
}

static void
write_state(struct run *r, const struct state *s)
{
	struct jsonw	 w;
	char		 buf[STATE_MAX];
	const char	*text;

	jw_init(&w, buf, sizeof(buf));
	jw_object(&w, NULL);
	jw_int(&w, "count", s->count);
	jw_int(&w, "full", s->full);
	jw_int(&w, "since", s->since);
	jw_end_object(&w);
	text = jw_done(&w);
	if (text == NULL || file_replace(r->path, text, strlen(text), 0600) == -1)
		warn("%s", r->path);
}

/* The records */

static bool
write_out(struct run *r)
{
	size_t	 done = 0;
	ssize_t	 n;

	progress_yield(&r->progress);
	while (done < r->used && !r->cut) {
		if ((n = write(STDOUT_FILENO, r->out + done, r->used - done)) >= 0)
			done += (size_t)n;
		else if (errno != EINTR) {
			progress_clear(&r->progress);
			warn("standard output");
			r->cut = true;
		}
	}
	r->used = 0;
	return !r->cut;
}

/* Writes the record behind those that wait, where there is always room for one;
 * returns its length.  It counts only when print_record() is told. */
static size_t
make_record(struct run *r, const struct managed *m)
{
	struct jsonw	 w;
	struct answer	 answer;
	int64_t		 now = when_now();

	query_listed(r->t->q, m, now, &answer);
	jw_init(&w, r->out + r->used, OUT_SIZE - r->used);
	jw_object(&w, NULL);
	answer_write_of(&w, &answer, &m->device, now);
	jw_end_object(&w);
	if (jw_done(&w) == NULL)
		errx(EX_SOFTWARE, "cannot write a record: it is too large");
	r->out[r->used + w.len] = '\n';
	return w.len + 1;
}

static bool
print_record(struct run *r, size_t len)
{
	r->used += len;
	r->count++;
	progress_add(&r->progress, 1);
	return r->used < OUT_FULL || write_out(r);
}

/* One device of a page: what is to be printed is printed, or kept for its
 * Ethernet address. */
static bool
take_device(struct run *r, const struct managed *m)
{
	bool	 later = r->t->wired || r->t->directory;
	size_t	 len = 0;

	ids_expect(&r->ids, &m->device.id);
	if (!later)
		len = make_record(r, m);
	if (!ids_add(&r->ids, &m->device.id)) {
		r->twice++;
		return true;
	}
	/* Graph answers a filter that it does not take with everybody. */
	if (r->since != 0 && m->device.last_sync < r->since) {
		r->foreign++;
		return true;
	}
	if (!later)
		return print_record(r, len);
	if (r->n == r->room) {
		r->room = r->room == 0 ? 1024 : r->room * 2;
		if ((r->page = reallocarray(r->page, r->room, sizeof(*r->page))) == NULL)
			err(EX_OSERR, NULL);
	}
	r->page[r->n++] = *m;
	return true;
}

static char *
wired_path(size_t i, void *arg)
{
	struct run	*r = arg;
	char		 text[GUID_TEXT], *path = NULL;

	if (asprintf(&path, "/deviceManagement/managedDevices/%s?$select=id,ethernetMacAddress",
	    guid_format(text, &r->page[i].device.id)) == -1)
		err(EX_OSERR, NULL);
	return path;
}

static bool
on_wired(size_t i, const json_t *body, void *arg)
{
	struct run	*r = arg;
	struct device	*d = &r->page[i].device;
	struct guid	 id;
	char		 why[128];

	if (body == NULL)
		return true;
	if (!managed_mac(body, "ethernetMacAddress", &id, &d->has_ethernet_mac, d->ethernet_mac,
	    why, sizeof(why)) || !guid_equal(&id, &d->id)) {
		graph_fail(r->t->q->graph, EX_TEMPFAIL, "%s: a $batch answers with another "
		    "device", graph_host(r->t->q->graph));
		return false;
	}
	return true;
}

static char *
account_path(size_t i, void *arg)
{
	struct run	*r = arg;
	char		*rest = directory_path(&r->page[r->with_entra[i]].device), *path = NULL;

	if (asprintf(&path, "/%s", rest) == -1)
		err(EX_OSERR, NULL);
	free(rest);
	return path;
}

static bool
on_account(size_t i, const json_t *body, void *arg)
{
	struct run	*r = arg;

	return directory_read(r->t->q->graph, body,
	    &r->page[r->with_entra[i]].device);
}

/* Asks for what no list shows of the devices of a page.  Those for which it cannot be
 * had are printed without; the list is not whole then. */
static void
complete_page(struct run *r)
{
	struct graph	*g = r->t->q->graph;
	size_t		 i, n = 0;

	if (r->t->wired && graph_batch(g, r->n, wired_path, on_wired, r) != GRAPH_OK)
		not_whole(r, graph_status(g), "Ethernet addresses are missing: %s",
		    graph_why(g));
	if (!r->t->directory)
		return;
	if ((r->with_entra = calloc(r->n, sizeof(*r->with_entra))) == NULL)
		err(EX_OSERR, NULL);
	for (i = 0; i < r->n; i++)
		if (r->page[i].device.has_entra_id)
			r->with_entra[n++] = i;
	if (graph_batch(g, n, account_path, on_account, r) != GRAPH_OK)
		not_whole(r, graph_status(g), "what the directory knows is missing: %s",
		    graph_why(g));
	free(r->with_entra);
}

/* The devices of a page: PAGE_LAST after all of them, PAGE_BAD, or PAGE_ITEM when there
 * is no going on. */
static enum page_end
take_page(struct run *r, struct page *page)
{
	struct managed	 m;
	enum page_end	 end;

	while ((end = page_device(page, &m)) == PAGE_ITEM || end == PAGE_ODD) {
		if (end == PAGE_ODD) {
			progress_clear(&r->progress);
			warnx("--all: %s: left out", page->why);
			r->left_out++;
		} else if (!take_device(r, &m))
			break;
	}
	return end;
}

static bool
on_page(struct page *page, void *arg)
{
	struct run	*r = arg;
	enum page_end	 end;
	size_t		 i;

	/* Seen as the number in the page, by OData the number in the list: at the end
	 * there must be no fewer than any page has said. */
	i = (size_t)json_integer_value(json_object_get(page->head, "@odata.count"));
	if ((int64_t)i > r->announced)
		r->announced = (int64_t)i;
	r->n = 0;
	/* What follows can be fetched meanwhile: nobody else has a hand in this. */
	crew_leave();
	end = take_page(r, page);
	crew_enter();
	if (end == PAGE_BAD) {
		graph_fail(r->t->q->graph, EX_TEMPFAIL, "%s: a page %s",
		    graph_host(r->t->q->graph), page->why);
		return false;
	}
	if (r->n > 0)
		complete_page(r);
	for (i = 0; i < r->n; i++)
		if (!print_record(r, make_record(r, &r->page[i])))
			break;
	/* Who reads us waits no longer than for a page. */
	if (end == PAGE_LAST && write_out(r))
		return true;
	graph_fail(r->t->q->graph, EX_IOERR, "the list is cut short");
	return false;
}

static char *
list_path(const struct run *r)
{
	char	 text[WHEN_TEXT], *filter = NULL, *escaped, *path = NULL;

	if (r->since == 0) {
		if ((path = strdup("deviceManagement/managedDevices?$select="
		    MANAGED_SELECT)) == NULL)
			err(EX_OSERR, NULL);
		return path;
	}
	/* The property takes gt and lt, not ge. */
	if (asprintf(&filter, "lastSyncDateTime gt %s", when_format(text, r->since - 1)) == -1)
		err(EX_OSERR, NULL);
	escaped = wire_escape(filter);
	if (asprintf(&path, "deviceManagement/managedDevices?$filter=%s&$select="
	    MANAGED_SELECT, escaped) == -1)
		err(EX_OSERR, NULL);
	free(escaped);
	free(filter);
	return path;
}

/* From when on: what was asked for, unless a full run is due. */
static void
choose_since(struct run *r)
{
	struct tenant	*t = r->t;

	r->since = t->since;
	if (t->since_last && r->last.since > OVERLAP)
		r->since = r->last.since - OVERLAP;
	if (t->full_every != 0 && (r->last.full == 0 ||
	    r->began - r->last.full >= t->full_every))
		r->since = 0;
}

/* After the last page: is that what there should be? */
static void
judge(struct run *r)
{
	int64_t	 count = (int64_t)(r->count + r->left_out), lost = r->last.count - count;

	if (r->left_out > 0)
		not_whole(r, EX_TEMPFAIL, "%llu devices could not be read",
		    (unsigned long long)r->left_out);
	if (r->announced > count + (int64_t)(r->foreign + r->twice))
		not_whole(r, EX_TEMPFAIL, "Graph speaks of %lld devices and has sent %lld",
		    (long long)r->announced, (long long)count);
	if (r->since == 0 && ((lost > TENANT_FEW && lost > r->last.count / TENANT_SHRINK) ||
	    (count == 0 && lost > 0)))
		not_whole(r, EX_TEMPFAIL, "the list has shrunk from %lld devices to %lld; if it "
		    "is as short the next time, that is believed",
		    (long long)r->last.count, (long long)count);
	if (r->foreign > 0)
		warnx("--all: Graph has ignored the filter on lastSyncDateTime and sent %llu "
		    "other devices: dropped", (unsigned long long)r->foreign);
	if (r->twice > 0)
		warnx("--all: %llu devices were listed more than once",
		    (unsigned long long)r->twice);
}

static void
print_end(const struct run *r)
{
	struct jsonw	 w;
	char		 buf[2048];
	const char	*text;

	jw_init(&w, buf, sizeof(buf));
	jw_object(&w, NULL);
	jw_object(&w, "list");
	jw_bool(&w, "complete", r->why[0] == '\0');
	jw_opt(&w, "why", r->why);
	jw_int(&w, "count", (int64_t)r->count);
	jw_bool(&w, "full", r->since == 0);
	if (r->since != 0)
		jw_time(&w, "since", r->since);
	jw_time(&w, "began", r->began);
	jw_time(&w, "ended", when_now());
	if (r->twice > 0)
		jw_int(&w, "repeated", (int64_t)r->twice);
	if (r->foreign > 0)
		jw_int(&w, "dropped", (int64_t)r->foreign);
	jw_end_object(&w);
	jw_end_object(&w);
	text = jw_done(&w);
	if (text != NULL && puts(text) != EOF)
		fflush(stdout);
}

int
tenant_list(struct tenant *t)
{
	struct run	 r = { .t = t, .began = when_now() };
	struct state	 next;
	char		*path;
	bool		 came;

	if ((r.out = malloc(OUT_SIZE)) == NULL)
		err(EX_OSERR, NULL);
	r.path = state_path(t->set);
	read_state(&r);
	choose_since(&r);
	ids_open(&r.ids, r.since == 0 ? (uint64_t)r.last.count : 0);
	progress_start(&r.progress, "devices", r.since == 0 ? (uint64_t)r.last.count : 0);
	path = list_path(&r);
	came = graph_pages(t->q->graph, path, on_page, &r) == GRAPH_OK;
	progress_clear(&r.progress);
	if (!came)
		not_whole(&r, graph_status(t->q->graph), "%s", graph_why(t->q->graph));
	else
		judge(&r);
	if (r.why[0] != '\0')
		warnx("--all: not the whole tenant: %s", r.why);
	/* A shorter list is remembered too: twice as short is believed. */
	next = r.last;
	if (came && r.since == 0)
		next.count = (int64_t)(r.count + r.left_out);
	if (r.status == STATUS_OK && r.since == 0)
		next.full = r.began;
	if (r.status == STATUS_OK)
		next.since = r.began;
	if (memcmp(&next, &r.last, sizeof(next)) != 0)
		write_state(&r, &next);
	/* What of a page that went bad came before that is as true as the rest. */
	if (write_out(&r))
		print_end(&r);
	free(path);
	free(r.path);
	free(r.page);
	ids_close(&r.ids);
	free(r.out);
	return r.status;
}
