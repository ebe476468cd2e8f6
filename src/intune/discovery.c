#include <err.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sysexits.h>

#include "base/text.h"
#include "base/when.h"
#include "intune/crew.h"
#include "intune/discovery.h"
#include "intune/shared.h"
#include "intune/wire.h"

/* The application id of Intune is the same in every tenant and cloud. */
#define ENDPOINTS	"servicePrincipals/appId=0000000a-0000-0000-c000-000000000000/endpoints"
#define PROVIDER	"ComplianceRetrievalService"

#define DOMAIN_BYTES	"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-"

/* Where Intune's services are in a cloud; the last one also for a cloud we do not know. */
static const struct {
	const char	*cloud, *hosts;
} clouds[] = {
	{ "usgov", ".manage.microsoft.us" },
	{ "dod", ".manage.microsoft.us" },
	{ "china", ".manage.microsoft.cn" },
	{ NULL, ".manage.microsoft.com" },
};

const char *
discovery_hosts(const struct settings *set)
{
	size_t	 i;

	if (set->intune_hosts != NULL)
		return set->intune_hosts;
	for (i = 0; clouds[i].cloud != NULL; i++)
		if (strcmp(set->cloud, clouds[i].cloud) == 0)
			break;
	return clouds[i].hosts;
}

/* Whether the host that begins at host, of n bytes, is below a domain (".x.y"). */
static bool
is_below(const char *host, size_t n, const char *domain, size_t len)
{
	if (n > 4 && memcmp(host + n - 4, ":443", 4) == 0)
		n -= 4;
	return n > len && strspn(host, DOMAIN_BYTES) >= n && *host != '.' &&
	    strncasecmp(host + n - len, domain, len) == 0;
}

bool
discovery_uri_ok(const char *uri, const char *hosts)
{
	char	 word[256];
	size_t	 n, len, i;

	if (strncasecmp(uri, "https://", 8) != 0)
		return false;
	for (i = 8; uri[i] != '\0'; i++)
		if (uri[i] <= ' ' || uri[i] > '~' || strchr("?#@\\\"<>", uri[i]) != NULL)
			return false;
	n = strcspn(uri + 8, "/");
	for (;; hosts += len) {
		hosts += strspn(hosts, " \t,");
		if ((len = strcspn(hosts, " \t,")) == 0)
			return false;
		if (*hosts == '.' && is_below(uri + 8, n, hosts, len))
			return true;
		if (*hosts == '.' || len >= sizeof(word))
			continue;
		memcpy(word, hosts, len);
		word[len] = '\0';
		if (wire_same_host(uri, word))
			return true;
	}
}

struct found {
	struct discovery	*d;
	char			 uri[DISCOVERY_URI];	/* the first that is allowed */
	char			 foreign[TEXT_SHOWN];	/* the first that is not */
	size_t			 n;
};

static bool
on_endpoint(const json_t *item, void *arg)
{
	struct found	*f = arg;
	const char	*name = json_string_value(json_object_get(item, "providerName"));
	const char	*uri = json_string_value(json_object_get(item, "uri"));
	size_t		 n;

	if (name == NULL || strcasecmp(name, PROVIDER) != 0)
		return true;
	f->n++;
	if (uri == NULL || strlen(uri) >= sizeof(f->uri) ||
	    !discovery_uri_ok(uri, discovery_hosts(f->d->set))) {
		if (f->foreign[0] == '\0')
			text_safe(f->foreign, sizeof(f->foreign), uri != NULL ? uri : "(none)",
			    uri != NULL ? strlen(uri) : 6);
		return true;
	}
	if (f->uri[0] != '\0')
		return true;
	text_copy(f->uri, sizeof(f->uri), uri);
	for (n = strlen(f->uri); n > 8 && f->uri[n - 1] == '/';)
		f->uri[--n] = '\0';
	return true;
}

/* Asks Graph. */
static enum graph_end
ask(struct discovery *d)
{
	struct found	 f = { .d = d };
	char		 why[640];

	if (graph_list(d->graph, ENDPOINTS, on_endpoint, &f) != GRAPH_OK) {
		text_copy(why, sizeof(why), graph_why(d->graph));
		return graph_fail(d->graph, graph_status(d->graph),
		    "discovery of the Compliance Retrieval service: %s%s", why,
		    graph_status(d->graph) == EX_NOPERM ? "; discovery takes Graph's "
		    "ServicePrincipalEndpoint.Read.All or Application.Read.All" : "");
	}
	if (f.n == 0)
		return graph_fail(d->graph, EX_CONFIG, "discovery: Intune's endpoints do not "
		    "name a %s in this tenant", PROVIDER);
	if (f.uri[0] == '\0')
		return graph_fail(d->graph, EX_CONFIG, "discovery: the %s is said to be at %s, "
		    "which is no https address of a host in intune_hosts (%s)", PROVIDER,
		    f.foreign, discovery_hosts(d->set));
	if (f.n > 1)
		warnx("discovery: %zu endpoints are called %s: taking the first one allowed, %s",
		    f.n, PROVIDER, f.uri);
	text_copy(d->uri, sizeof(d->uri), f.uri);
	d->asked = when_now();
	return GRAPH_OK;
}

static bool
text_is(const json_t *o, const char *key, const char *want)
{
	const char	*s = json_string_value(json_object_get(o, key));

	return s != NULL && strcmp(s, want) == 0;
}

/* What is on disk, if it is of this tenant and would be taken today. */
static bool
read_disk(const struct discovery *d, const struct shared *s, char uri[DISCOVERY_URI],
    int64_t *asked)
{
	json_t		*o;
	const char	*text;
	int64_t		 changed, now = when_now();
	bool		 good = false;

	if (!s->usable || shared_read(s, &o, &changed) != SHARED_GOOD)
		return false;
	text = json_string_value(json_object_get(o, "uri"));
	*asked = json_integer_value(json_object_get(o, "asked"));
	if (text != NULL && text_is(o, "graph", d->set->graph) &&
	    text_is(o, "tenant", d->set->tenant) && *asked <= now &&
	    now - *asked < DISCOVERY_AGE && discovery_uri_ok(text, discovery_hosts(d->set)))
		good = text_copy(uri, DISCOVERY_URI, text);
	json_decref(o);
	return good;
}

static void
write_disk(const struct discovery *d, struct shared *s)
{
	json_t	*o = json_pack("{s:s, s:s, s:s, s:I}", "graph", d->set->graph, "tenant",
		    d->set->tenant, "uri", d->uri, "asked", (json_int_t)d->asked);

	if (s->usable && !shared_write(s, o))
		warnx("%s; going on without it", s->why);
	json_decref(o);
}

/* With the lock, or without if there is none to be had: the worst is one request
 * too many. */
static enum graph_end
find(struct discovery *d, struct shared *s, const char *broken)
{
	char		 uri[DISCOVERY_URI];
	int64_t		 asked;
	enum graph_end	 end;

	if (read_disk(d, s, uri, &asked)) {
		if (broken == NULL || strcmp(uri, broken) != 0) {
			text_copy(d->uri, sizeof(d->uri), uri);
			d->asked = asked;
			return GRAPH_OK;
		}
		d->asked = asked;
	}
	if (broken != NULL && when_now() - d->asked < DISCOVERY_AGAIN)
		return GRAPH_ABSENT;
	if ((end = ask(d)) == GRAPH_OK)
		write_disk(d, s);
	return end == GRAPH_ABSENT ? GRAPH_FAILED : end;
}

/* Each record of a stream would otherwise ask in vain. */
static void
remember_failure(struct discovery *d)
{
	d->status = graph_status(d->graph);
	text_copy(d->why, sizeof(d->why), graph_why(d->graph));
	d->failed_until = wire_clock() + 1000 *
	    (d->status == EX_TEMPFAIL ? DISCOVERY_PASSING : DISCOVERY_FAILED);
}

enum graph_end
discovery_find(struct discovery *d, const char *broken, int64_t until)
{
	const char	*part[] = { d->set->authority, d->set->graph, d->set->tenant };
	struct shared	 s;
	enum graph_end	 end;
	int64_t		 age;

	while (d->busy)
		crew_wait();
	age = when_now() - d->asked;
	if (d->uri[0] != '\0' && age >= 0 && age < DISCOVERY_AGE &&
	    (broken == NULL || strcmp(d->uri, broken) != 0))
		return GRAPH_OK;
	if (wire_clock() < d->failed_until)
		return graph_fail(d->graph, d->status, "%s", d->why);
	d->busy = true;
	shared_open(&s, d->set, part, sizeof(part) / sizeof(part[0]), "endpoint");
	if (!shared_lock(&s, until > wire_clock() ? until - wire_clock() : 0))
		warnx("%s; going on without it", s.why);
	end = find(d, &s, broken);
	shared_close(&s);
	if (end == GRAPH_FAILED)
		remember_failure(d);
	d->busy = false;
	crew_wake();
	return end;
}
