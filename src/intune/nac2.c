#include <err.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sysexits.h>

#include "base/text.h"
#include "base/when.h"
#include "intune/crew.h"
#include "intune/discovery.h"
#include "intune/keeper.h"
#include "intune/nac2.h"
#include "intune/window.h"
#include "intune/wire.h"

#define TRIES_MAX	6	/* of one request, should no deadline end it */
#define PAGES_MAX	5000	/* of a list: 100 devices each, by what the service says */
#define WHY		1400

/* After so many failures in a row the service is taken to be away, for so long: the
 * requests of that time fail at once, and the next one finds out. */
#define AWAY_AFTER	5
#define AWAY		10000	/* ms */

#define DEVICES		"/cisco/devices/?paging=%s&querycriteria=%s&value=%s%s&filter=all"

enum probe { PROBE_NOT_YET, PROBE_UNDER_WAY, PROBE_GOOD, PROBE_BAD };

struct nac2 {
	const struct settings	*set;
	struct settings		 intune;	/* the same, with Intune's scope */
	struct http		*http;
	struct graph		*graph;
	struct discovery	 where;
	struct keeper		 keeper;
	unsigned		 failures;	/* in a row, of whole requests */
	int64_t			 away_until;	/* wire_clock() */
	int64_t			 deadline;	/* ms that one request may take */
	int64_t			 not_before;	/* wire_clock(): the service wants a rest */
	enum probe		 probe;		/* whether it looks at the address asked for */
};

/* What went wrong last, for each thread by itself. */
static _Thread_local struct {
	int	 status;
	char	 why[WHY];
} last;

/* A request on its way. */
struct call {
	const char	*path;		/* behind the discovered address */
	bool		 list;		/* a 503 is the window's, and not tried again */
	int64_t		 end;		/* wire_clock() */
	int		 attempt;
	bool		 renewed, moved;	/* a new token, a new address were tried */
	bool		 reached;	/* the service itself may have seen one of the tries */
	long		 http;		/* status of the last answer; 0 = there was none */
	enum http_end	 last;
	int64_t		 wait;		/* Retry-After of it, in seconds; -1 = not given */
	unsigned	 generation;	/* of the token it bore */
	char		 uri[DISCOVERY_URI];	/* where it went */
};

struct nac2 *
nac2_new(const struct settings *set, struct http *http, struct graph *graph, int64_t deadline)
{
	struct nac2	*n;

	if ((n = calloc(1, sizeof(*n))) == NULL)
		err(EX_OSERR, NULL);
	n->set = set;
	n->http = http;
	n->graph = graph;
	n->where.set = set;
	n->where.graph = graph;
	n->deadline = deadline * 1000;
	n->intune = *set;
	/* The resource's id ends in a slash of its own. */
	if (asprintf(&n->intune.scope, "https://%s//.default", set->intune) == -1)
		err(EX_OSERR, NULL);
	keeper_init(&n->keeper, &n->intune, http);
	return n;
}

void
nac2_free(struct nac2 *n)
{
	if (n == NULL)
		return;
	keeper_wipe(&n->keeper);
	free(n->intune.scope);
	free(n);
}

const char *
nac2_why(const struct nac2 *n)
{
	(void)n;
	return last.why;
}

int
nac2_status(const struct nac2 *n)
{
	(void)n;
	return last.status;
}

static enum graph_end
	 fail(struct nac2 *, int, const char *, ...) __attribute__((format(printf, 3, 4)));

static enum graph_end
fail(struct nac2 *n, int status, const char *fmt, ...)
{
	va_list	 ap;

	(void)n;
	last.status = status;
	va_start(ap, fmt);
	vsnprintf(last.why, sizeof(last.why), fmt, ap);
	va_end(ap);
	return GRAPH_FAILED;
}

static bool
have_token(struct nac2 *n, unsigned refused, int64_t end)
{
	struct token_error	 e;

	if (keeper_have(&n->keeper, refused, end, &e)) {
		graph_learn(n->graph, n->keeper.token.text);
		return true;
	}
	fail(n, e.status, "%s", e.text);
	return false;
}

static bool
find_service(struct nac2 *n, const char *broken, int64_t end)
{
	switch (discovery_find(&n->where, broken, end)) {
	case GRAPH_OK:
		return true;
	case GRAPH_ABSENT:
		return false;		/* why still tells what happened */
	default:
		fail(n, graph_status(n->graph), "%s", graph_why(n->graph));
		return false;
	}
}

static enum graph_end
refuse(struct nac2 *n, long status)
{
	if (status == 401 || status == 403)
		return fail(n, EX_NOPERM, "%s: HTTP %ld; has the application Intune's "
		    "permission get_device_compliance, with an administrator's consent?",
		    n->where.uri, status);
	return fail(n, status == 408 || status == 429 || status >= 500 ? EX_TEMPFAIL : EX_UNAVAILABLE,
	    "%s: HTTP %ld", n->where.uri, status);
}

/* The service wants to be left alone, by all of us. */
static void
keep_quiet(struct nac2 *n, int64_t seconds)
{
	n->not_before = wire_clock() + seconds * 1000 + arc4random_uniform(WIRE_JITTER + 1);
	budget_set_quiet(graph_shared(n->graph), BUDGET_NAC2, seconds * 1000);
}

/* Reads an answer of status 200.  GRAPH_ABSENT: it only asks to wait. */
static enum graph_end
read_answer(struct nac2 *n, const struct http_answer *a, struct nac2_document *out)
{
	char	 why[160], text[320];

	if (!nac2_parse(a->body != NULL ? a->body : "", a->len, out, why, sizeof(why)))
		return fail(n, EX_TEMPFAIL, "%s: the answer %s", n->where.uri,
		    text_safe(text, sizeof(text), why, strlen(why)));
	if (out->busy_wait == 0)
		return GRAPH_OK;
	keep_quiet(n, out->busy_wait);
	if (out->ndevice > 0)
		return GRAPH_OK;
	fail(n, EX_TEMPFAIL, "%s: is busy and wants to be asked again in %lld s",
	    n->where.uri, (long long)out->busy_wait);
	nac2_document_free(out);
	return GRAPH_ABSENT;
}

static bool
passing(const struct call *c)
{
	if (c->last != HTTP_DONE)
		return c->last != HTTP_UNREACHABLE;
	return c->http == 408 || c->http == 429 || c->http == 500 || c->http == 502 ||
	    c->http == 503 || c->http == 504 || c->http == 509;
}

/* What says that the tenant may have been moved to another scale unit. */
static bool
may_have_moved(const struct call *c)
{
	return c->last == HTTP_UNREACHABLE ||
	    (c->last == HTTP_DONE && (c->http == 404 || c->http >= 500));
}

/* One try.  GRAPH_ABSENT: go on trying, if c allows it. */
static enum graph_end
try_once(struct nac2 *n, struct call *c, struct nac2_document *out)
{
	struct http_request	 rq = { .type = "application/xml", .max = NAC2_XML_MAX };
	struct http_answer	 a;
	enum graph_end		 end = GRAPH_ABSENT;
	char			*url = NULL, why[HTTP_WHY];

	/* The one place where Intune's token leaves us: nobody else gets to see it. */
	if (!discovery_uri_ok(n->where.uri, discovery_hosts(n->set)))
		return fail(n, EX_SOFTWARE, "%s: is no address to be asked", n->where.uri);
	text_copy(c->uri, sizeof(c->uri), n->where.uri);
	c->generation = n->keeper.generation;
	if (asprintf(&url, "%s%s", c->uri, c->path) == -1)
		err(EX_OSERR, NULL);
	rq.url = url;
	rq.bearer = n->keeper.token.text;
	c->last = http_do(n->http, &rq, &a, why);
	free(url);
	c->http = c->last == HTTP_DONE ? a.status : 0;
	if (c->last != HTTP_UNREACHABLE && c->http != 401 && c->http != 403 && c->http != 404)
		c->reached = true;
	c->wait = c->last == HTTP_DONE ? wire_retry_after(a.retry_after, when_now()) : -1;
	if (c->last != HTTP_DONE)
		fail(n, http_status(c->last), "%s", why);
	else if (a.status == 200)
		end = read_answer(n, &a, out);
	else
		refuse(n, a.status);
	if (c->last == HTTP_DONE)
		http_clear(&a);
	return end;
}

/* Whether there is anything to be done about a try that failed, and does it. */
static bool
try_again(struct nac2 *n, struct call *c)
{
	int64_t	 again;

	if (c->list && c->http == 503)
		return false;
	if (c->http == 401 && !c->renewed) {
		c->renewed = true;
		return have_token(n, c->generation, c->end);
	}
	if (c->http == 401 || c->http == 403) {
		/* The next request would end like this one. */
		keeper_refuse(&n->keeper, last.status, last.why);
		keeper_wipe(&n->keeper);
		return false;
	}
	if (may_have_moved(c) && !c->moved) {
		c->moved = true;
		if (find_service(n, c->uri, c->end))
			return true;
		if (!passing(c) || last.status == EX_CONFIG || last.status == EX_NOPERM)
			return false;
	}
	if (c->http != 200 && !passing(c))
		return false;
	again = wire_clock() + wire_backoff(c->attempt);
	if (c->http != 200 && c->wait > 0) {
		keep_quiet(n, c->wait);
		again = n->not_before;
	} else if (c->http == 200)
		again = n->not_before;
	return ++c->attempt <= TRIES_MAX && wire_sleep_until(again, c->end);
}

/* Waits for as long as any of our processes was told to; fails if the end is before. */
static bool
wait_quiet(struct nac2 *n, int64_t end)
{
	int64_t	 left = budget_quiet(graph_shared(n->graph), BUDGET_NAC2);

	if (left > 0 && wire_clock() + left > n->not_before)
		n->not_before = wire_clock() + left + arc4random_uniform(WIRE_JITTER + 1);
	if (wire_sleep_until(n->not_before, end))
		return true;
	fail(n, EX_TEMPFAIL, "%s: has asked to be left alone for %lld s more",
	    n->where.uri[0] != '\0' ? n->where.uri : "NAC 2.0",
	    (long long)(n->not_before - wire_clock()) / 1000 + 1);
	return false;
}

/* Asks for path.  c is for who has to know how it ended. */
static enum graph_end
ask(struct nac2 *n, const char *path, bool list, struct call *c, struct nac2_document *out)
{
	enum graph_end	 end;

	*c = (struct call){ .path = path, .list = list, .attempt = 1, .wait = -1,
	    .end = wire_clock() + n->deadline, .last = HTTP_UNREACHABLE };
	if (!wait_quiet(n, c->end))
		return GRAPH_FAILED;
	if (n->failures >= AWAY_AFTER && wire_clock() < n->away_until)
		return fail(n, EX_TEMPFAIL, "%s: not asked: the last %u requests failed",
		    n->where.uri, n->failures);
	/* The token tells whose word of silence it is that counts. */
	if (!find_service(n, NULL, c->end) || !have_token(n, 0, c->end) ||
	    !wait_quiet(n, c->end))
		return GRAPH_FAILED;
	while ((end = try_once(n, c, out)) == GRAPH_ABSENT)
		if (!try_again(n, c)) {
			n->failures++;
			n->away_until = wire_clock() + AWAY;
			return GRAPH_FAILED;
		}
	n->failures = 0;
	return end;
}

/* The answer to a question about devices. */
static enum graph_end
ask_devices(struct nac2 *n, const char *criterion, const char *value,
    struct nac2_document *out)
{
	struct call	 c;
	enum graph_end	 end;
	char		 path[256];

	snprintf(path, sizeof(path), DEVICES, "0", criterion, value, "");
	if ((end = ask(n, path, false, &c, out)) != GRAPH_OK)
		return end;
	if (strcasecmp(out->name, "attributes") == 0 && out->paging[0] == '\0')
		return GRAPH_OK;
	nac2_document_free(out);
	return fail(n, EX_TEMPFAIL, "%s: the answer is none to a question for one device",
	    n->where.uri);
}

/* Whether the service knows enough of a device: GRAPH_ABSENT = not enrolled. */
static enum graph_end
judge(struct nac2 *n, const struct nac2_device *d)
{
	if (d->registered == NAC2_FALSE)
		return GRAPH_ABSENT;
	if (d->registered == NAC2_TRUE && d->compliant != NAC2_ABSENT)
		return GRAPH_OK;
	return fail(n, EX_TEMPFAIL, "%s: the answer does not say whether the device is %s",
	    n->where.uri, d->registered == NAC2_ABSENT ? "enrolled" : "compliant");
}

static enum graph_end
another(struct nac2 *n, const char *asked)
{
	return fail(n, EX_TEMPFAIL, "%s: answers with another device than %s", n->where.uri,
	    asked);
}

static enum graph_end
pick_guid(struct nac2 *n, const struct nac2_document *doc, const struct guid *id,
    const char *text, struct nac2_device *out)
{
	const struct nac2_device	*d = doc->device;

	if (doc->ndevice == 0)
		return GRAPH_ABSENT;
	if (doc->ndevice > 1)
		return fail(n, EX_TEMPFAIL, "%s: answers with %zu devices for %s", n->where.uri,
		    doc->ndevice, text);
	/* A device that is not enrolled yields nothing but that. */
	if (d->has_id ? !guid_equal(&d->id, id) : d->registered != NAC2_FALSE)
		return another(n, text);
	*out = *d;
	return judge(n, d);
}

enum graph_end
nac2_guid(struct nac2 *n, const struct guid *id, struct nac2_device *out)
{
	struct nac2_document	 doc;
	enum graph_end		 end;
	char			 text[GUID_TEXT];

	guid_format(text, id);
	if ((end = ask_devices(n, "guid", text, &doc)) != GRAPH_OK)
		return end;
	end = pick_guid(n, &doc, id, text, out);
	nac2_document_free(&doc);
	return end;
}

/*
 * Asks for an address that no device can have, a locally administered one made up
 * now.  A service that names a device for it does not look at the address.
 */
static enum graph_end
probe(struct nac2 *n)
{
	struct nac2_document	 doc;
	uint8_t			 mac[MAC_LEN];
	enum graph_end		 end;
	char			 text[MAC_TEXT];
	size_t			 i;

	while (n->probe == PROBE_UNDER_WAY)
		crew_wait();
	if (n->probe == PROBE_NOT_YET) {
		n->probe = PROBE_UNDER_WAY;
		arc4random_buf(mac, sizeof(mac));
		mac[0] = (uint8_t)((mac[0] & 0xfc) | 0x02);
		end = ask_devices(n, "macaddress", mac_format(text, mac, MAC_BARE_UPPER), &doc);
		n->probe = end == GRAPH_OK ? PROBE_GOOD : PROBE_NOT_YET;
		crew_wake();
		if (end != GRAPH_OK)
			return end;
		for (i = 0; i < doc.ndevice; i++)
			if (doc.device[i].registered != NAC2_FALSE)
				n->probe = PROBE_BAD;
		nac2_document_free(&doc);
	}
	return n->probe == PROBE_GOOD ? GRAPH_OK : fail(n, EX_TEMPFAIL, "%s: names a device "
	    "for any MAC address: its answers are not believed", n->where.uri);
}

static bool
has_mac(const struct nac2_device *d, const uint8_t mac[MAC_LEN])
{
	size_t	 i;

	for (i = 0; i < d->nmac; i++)
		if (memcmp(d->mac[i], mac, MAC_LEN) == 0)
			return true;
	return false;
}

static enum graph_end
pick_mac(struct nac2 *n, const struct nac2_document *doc, const uint8_t mac[MAC_LEN],
    const char *text, struct nac2_device *out, size_t *devices)
{
	const struct nac2_device	*d;
	enum graph_end			 end;
	bool				 bare = false;
	size_t				 i;

	for (i = 0; i < doc->ndevice; i++) {
		d = &doc->device[i];
		if (d->nmac > 0 && !has_mac(d, mac))
			return another(n, text);
		if ((end = judge(n, d)) == GRAPH_FAILED)
			return end;
		if (end == GRAPH_ABSENT)
			continue;
		/* The same one twice is one, if its id says so. */
		if (*devices > 0 && d->has_id && out->has_id && guid_equal(&d->id, &out->id) &&
		    d->compliant == out->compliant)
			continue;
		if (d->nmac == 0)
			bare = true;
		*out = *d;
		++*devices;
	}
	if (*devices == 0)
		return GRAPH_ABSENT;
	return bare ? probe(n) : GRAPH_OK;
}

enum graph_end
nac2_mac(struct nac2 *n, const uint8_t mac[MAC_LEN], struct nac2_device *out, size_t *devices)
{
	struct nac2_document	 doc;
	enum graph_end		 end;
	char			 text[MAC_TEXT];

	*devices = 0;
	mac_format(text, mac, MAC_BARE_UPPER);
	if ((end = ask_devices(n, "macaddress", text, &doc)) != GRAPH_OK)
		return end;
	end = pick_mac(n, &doc, mac, text, out, devices);
	nac2_document_free(&doc);
	return end;
}

enum graph_end
nac2_info(struct nac2 *n, struct nac2_document *out)
{
	struct call	 c;
	enum graph_end	 end;

	if ((end = ask(n, "/ciscoise/mdminfo/?ise_api_version=3", false, &c, out)) != GRAPH_OK)
		return end;
	if (strcasecmp(out->name, "mdminfo") == 0)
		return GRAPH_OK;
	nac2_document_free(out);
	return fail(n, EX_TEMPFAIL, "%s: the answer is no mdminfo", n->where.uri);
}

/* The list on its way in. */
struct list {
	struct nac2_device	*device;
	size_t			 n, room;
	char			**paging;	/* the pages seen: one that comes back is a loop */
	size_t			 npaging;
};

static enum graph_end
add_page(struct nac2 *n, struct list *l, const struct nac2_document *doc)
{
	const struct nac2_device	*d;
	size_t				 i;

	if (strcasecmp(doc->name, "attributes") != 0 || !doc->has_list)
		return fail(n, EX_TEMPFAIL, "%s: a page of the list is none", n->where.uri);
	for (i = 0; i < doc->ndevice; i++) {
		d = &doc->device[i];
		if (d->registered == NAC2_FALSE)
			continue;
		if (d->compliant != NAC2_FALSE || (!d->has_id && d->nmac == 0))
			return fail(n, EX_TEMPFAIL, "%s: the list of non-compliant devices "
			    "holds one %s", n->where.uri, d->compliant == NAC2_FALSE ?
			    "without id and address" : "that is not said to be so");
		if (l->n == NAC2_LIST_MAX)
			return fail(n, EX_TEMPFAIL, "%s: the list has no end", n->where.uri);
		if (l->n == l->room) {
			l->room = l->room == 0 ? 256 : l->room * 2;
			l->device = reallocarray(l->device, l->room, sizeof(*d));
			if (l->device == NULL)
				err(EX_OSERR, NULL);
		}
		l->device[l->n++] = *d;
	}
	return GRAPH_OK;
}

/* Notes the next page.  False when it has been seen. */
static bool
add_paging(struct list *l, const char *paging)
{
	size_t	 i;

	for (i = 0; i < l->npaging; i++)
		if (strcmp(l->paging[i], paging) == 0)
			return false;
	if (l->npaging == PAGES_MAX)
		return false;
	l->paging = reallocarray(l->paging, l->npaging + 1, sizeof(*l->paging));
	if (l->paging == NULL || (l->paging[l->npaging++] = strdup(paging)) == NULL)
		err(EX_OSERR, NULL);
	return true;
}

static enum graph_end
ask_page(struct nac2 *n, const char *paging, struct call *c, struct nac2_document *doc)
{
	char		*escaped = wire_escape(paging), *path = NULL;
	enum graph_end	 end;

	if (asprintf(&path, DEVICES, escaped, "compliance", "false",
	    "&deviceidentifier=macaddress") == -1)
		err(EX_OSERR, NULL);
	end = ask(n, path, true, c, doc);
	free(path);
	free(escaped);
	return end;
}

/* A page that failed: what that means for the window. */
static void
note_failure(struct nac2 *n, const struct window_call *call, const struct call *c, bool first)
{
	char	 text[WHEN_TEXT];

	if (c->http == 503)
		fail(n, EX_TEMPFAIL, "%s: HTTP 503: the list of non-compliant devices is "
		    "closed until %s", n->where.uri, when_format(text,
		    window_refused(n->set, c->wait)));
	/* Refused at the door, or never arrived: it has opened no window. */
	else if (first && !c->reached)
		window_cancel(n->set, call);
}

static enum graph_end
ask_list(struct nac2 *n, struct list *l, const struct window_call *call)
{
	struct nac2_document	 doc;
	struct call		 c;
	enum graph_end		 end;
	const char		*paging = "0";

	do {
		if (when_now() >= call->now.first + WINDOW_FREE - WINDOW_PAGE)
			return fail(n, EX_TEMPFAIL, "%s: the window ends before the list",
			    n->where.uri);
		if ((end = ask_page(n, paging, &c, &doc)) != GRAPH_OK) {
			note_failure(n, call, &c, l->npaging == 0);
			return end;
		}
		if (l->npaging == 0)
			window_answered(n->set, call);
		end = add_page(n, l, &doc);
		paging = "";
		if (end == GRAPH_OK && doc.paging[0] != '\0') {
			if (!add_paging(l, doc.paging))
				end = fail(n, EX_TEMPFAIL, "%s: the list goes round in circles",
				    n->where.uri);
			paging = l->paging[l->npaging - 1];
		}
		nac2_document_free(&doc);
	} while (end == GRAPH_OK && *paging != '\0');
	return end;
}

static int
by_id(const void *a, const void *b)
{
	const struct nac2_device	*x = a, *y = b;
	int				 c = x->has_id - y->has_id;

	if (c == 0)
		c = memcmp(&x->id, &y->id, sizeof(x->id));
	return c != 0 ? c : memcmp(x->mac, y->mac, sizeof(x->mac));
}

static size_t
sort_unique(struct nac2_device *d, size_t n)
{
	size_t	 i, kept = 0;

	if (n > 1)
		qsort(d, n, sizeof(*d), by_id);
	for (i = 0; i < n; i++)
		if (kept == 0 || by_id(&d[i], &d[kept - 1]) != 0)
			d[kept++] = d[i];
	return kept;
}

enum graph_end
nac2_noncompliant(struct nac2 *n, struct nac2_device **out, size_t *count)
{
	struct list		 l = { 0 };
	struct window_call	 call;
	enum window		 window;
	enum graph_end		 end;
	int64_t			 until, end_at = wire_clock() + n->deadline;
	char			 text[WHEN_TEXT], why[FILE_WHY];

	*out = NULL;
	*count = 0;
	/* Neither of these shall fail when the window has been opened for it. */
	if (!find_service(n, NULL, end_at) || !have_token(n, 0, end_at))
		return GRAPH_FAILED;
	window_learn(n->set, n->keeper.token.text);
	if (!window_begin(n->set, n->deadline / 1000 + n->set->timeout, &window, &until, &call,
	    why))
		return fail(n, EX_NOPERM, "%s: without it the list of non-compliant devices "
		    "is not asked for", why);
	if (window == WINDOW_CLOSED)
		return fail(n, EX_TEMPFAIL, "the list of non-compliant devices is closed until "
		    "%s: the service gives it for an hour and then not before four hours have "
		    "passed", when_format(text, until));
	if ((end = ask_list(n, &l, &call)) == GRAPH_OK) {
		*count = sort_unique(l.device, l.n);
		*out = l.device;
		l.device = NULL;
	}
	while (l.npaging > 0)
		free(l.paging[--l.npaging]);
	free(l.paging);
	free(l.device);
	return end;
}
