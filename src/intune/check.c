#include <sys/socket.h>

#include <err.h>
#include <jansson.h>
#include <netdb.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sysexits.h>

#include "base/cli.h"
#include "base/text.h"
#include "base/when.h"
#include "intune/aadsts.h"
#include "intune/chain.h"
#include "intune/check.h"
#include "intune/discovery.h"
#include "intune/graph.h"
#include "intune/jwt.h"
#include "intune/nac2.h"
#include "intune/token.h"

#define DEADLINE	20	/* seconds for one request of Graph: somebody is waiting */
#define ADDRESSES	4	/* of a host that are shown */

/* The pages of the Microsoft Entra admin center where an application gets what it
 * lacks; a managed identity has no such page. */
#define GRANT	"Entra admin center > App registrations > the application > API permissions"
#define CONSENT	"then Grant admin consent"
#define INTUNE_API "APIs my organization uses > Intune"
#define NAC_ROLE "get_device_compliance"
#define GRANT_MSI \
	"give the role to the managed identity with New-MgServicePrincipalAppRoleAssignment"

struct check {
	const struct settings	*set;
	struct http		*http;
	int			 worst;
	bool			 optional;	/* what comes now nobody uses */
	struct token		 token;
	char			 device[GUID_TEXT];	/* one to read; "" = none is known */
	char			 nac[TEXT_SHOWN];	/* the address of NAC 2.0; "" = not found */
};

static void say(const char *word, const char *fmt, va_list ap)
	    __attribute__((format(printf, 2, 0)));
static void ok(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static void skipped(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static bool failed(struct check *c, int status, const char *fmt, ...)
	    __attribute__((format(printf, 3, 4)));

static void
say(const char *word, const char *fmt, va_list ap)
{
	printf("%-7s ", word);
	vprintf(fmt, ap);
	putchar('\n');
}

static void
ok(const char *fmt, ...)
{
	va_list	 ap;

	va_start(ap, fmt);
	say("ok", fmt, ap);
	va_end(ap);
}

static void
skipped(const char *fmt, ...)
{
	va_list	 ap;

	va_start(ap, fmt);
	say("skipped", fmt, ap);
	va_end(ap);
}

/* Always false.  What is not used cannot fail, but its cause is of interest. */
static bool
failed(struct check *c, int status, const char *fmt, ...)
{
	va_list	 ap;

	va_start(ap, fmt);
	say(c->optional ? "unused" : "FAILED", fmt, ap);
	va_end(ap);
	if (c->optional)
		return false;
	c->worst = cli_worst(c->worst, status);
	return false;
}

/* What to do about a missing permission. */
static const char *
grant(const struct check *c, const char *api, const char *role, char *out, size_t size)
{
	if (settings_managed(c->set))
		snprintf(out, size, GRANT_MSI " (%s, role %s)", api, role);
	else
		snprintf(out, size, GRANT " > Add a permission > %s > Application "
		    "permissions > %s, " CONSENT, api, role);
	return out;
}

static bool
check_credential(struct check *c)
{
	struct token_error	 e = { 0 };
	char			 what[FILE_WHY], when[WHEN_TEXT], left[32];
	int64_t			 expires, now = when_now();

	if (!entra_credential(c->set, what, sizeof(what), &expires, &e))
		return failed(c, e.status, "credential: %s", e.text);
	if (expires != 0 && expires <= now)
		return failed(c, EX_CONFIG, "credential: %s: expired on %.10s; %s", what,
		    when_format(when, expires), aadsts_remedy(7000222));
	if (expires == 0)
		ok("credential: %s", what);
	else
		ok("credential: %s, expires on %.10s, in %s%s", what,
		    when_format(when, expires), when_ago(left, sizeof(left), expires - now),
		    expires - now < ENTRA_WARN ? ": time to register the next one" : "");
	return true;
}

/* The addresses of a name, as this machine resolves it. */
static bool
check_name(struct check *c, const char *host)
{
	struct addrinfo	 hints = { .ai_socktype = SOCK_STREAM }, *list, *a;
	char		 name[TEXT_SHOWN], text[ADDRESSES * 48] = "", ip[48];
	const char	*colon = strrchr(host, ':');
	size_t		 n = colon != NULL && strchr(colon, ']') == NULL ?
			    (size_t)(colon - host) : strlen(host);
	int		 error, i = 0;

	if (n > 1 && host[0] == '[' && host[n - 1] == ']') {
		host++;
		n -= 2;
	}
	snprintf(name, sizeof(name), "%.*s", (int)n, host);
	if ((error = getaddrinfo(name, NULL, &hints, &list)) != 0)
		return failed(c, EX_UNAVAILABLE, "name: %s: %s; see /etc/resolv.conf, or set "
		    "proxy in nac.conf(5) where only a proxy knows names", name,
		    gai_strerror(error));
	for (a = list; a != NULL && i < ADDRESSES; a = a->ai_next, i++)
		if (getnameinfo(a->ai_addr, a->ai_addrlen, ip, sizeof(ip), NULL, 0,
		    NI_NUMERICHOST) == 0)
			snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%s",
			    i > 0 ? " " : "", ip);
	freeaddrinfo(list);
	ok("name: %s is %s", name, text);
	return true;
}

/* What the server has sent, a line for each certificate. */
static void
print_chain(const struct chain *chain)
{
	char	 when[WHEN_TEXT];
	int	 i;

	for (i = 0; i < chain->n; i++) {
		printf("        sent %d: subject %s\n", i + 1, chain->cert[i].subject);
		printf("                issuer  %s\n", chain->cert[i].issuer);
		if (i == 0 && chain->cert[i].names[0] != '\0')
			printf("                names   %s\n", chain->cert[i].names);
		printf("                sha256  %s\n", chain->cert[i].sha256);
		printf("                expires %s\n", when_format(when, chain->cert[i].expires));
	}
}

static bool
tls_failed(struct check *c, const char *host, const struct http_probe *p,
    const struct chain *chain)
{
	const char	*roots = c->set->ca_file != NULL ? c->set->ca_file :
			    "this system's certificates (package ca-certificates)";

	if (chain->missing[0] != '\0' && chain->lacks == CHAIN_INTERMEDIATE)
		failed(c, EX_UNAVAILABLE, "TLS: %s: the server does not send the intermediate "
		    "%s, which leads to a root; whoever runs it, or the proxy in between, has "
		    "to add that certificate to its chain", host, chain->missing);
	else if (chain->missing[0] != '\0' && chain->lacks == CHAIN_EITHER)
		failed(c, EX_UNAVAILABLE, "TLS: %s: the certificate of %s is neither sent by the "
		    "server nor in %s; if it is an intermediate, the server has to send it, if "
		    "it is your own TLS inspection's root, add it to the file that ca_file "
		    "names", host, chain->missing, roots);
	else if (chain->missing[0] != '\0')
		failed(c, EX_UNAVAILABLE, "TLS: %s: the certificate of %s is not in %s; if this "
		    "chain is Microsoft's, add that root, if it is your own TLS inspection's, "
		    "add its root to the file that ca_file names", host, chain->missing, roots);
	else if (chain->fault[0] != '\0')
		failed(c, EX_UNAVAILABLE, "TLS: %s: %s; is the clock of this machine right, and "
		    "is this Microsoft's server?", host, chain->fault);
	else if (chain->n > 0)
		failed(c, EX_UNAVAILABLE, "TLS: %s; is the name right, and does a proxy or a "
		    "DNS entry lead elsewhere?", p->why);
	else
		failed(c, EX_UNAVAILABLE, "TLS: %s; something in between ends the connection: "
		    "see firewall and proxy", p->why);
	print_chain(chain);
	return false;
}

/* Name, proxy and TLS of one host. */
static bool
check_host(struct check *c, const char *host)
{
	struct http_probe	 p;
	struct chain		 chain = { .n = 0 };
	int			 status;

	status = http_probe(c->http, host, chain_watch, &chain, &p) == HTTP_TIMEOUT ?
	    EX_TEMPFAIL : EX_UNAVAILABLE;
	if (p.stage == HTTP_AT_PROXY)
		return failed(c, status, "proxy: %s: set by %s; is it there, and may this "
		    "machine go to %s through it?", p.why, p.proxy, host);
	if (p.tunnel)
		ok("proxy: %s, by %s, leads to %s", p.ip, p.proxy, host);
	else if (!check_name(c, host))
		return false;
	else if (p.stage == HTTP_AT_NAME)
		return failed(c, EX_UNAVAILABLE, "name: %s", p.why);
	else
		ok("proxy: none for %s", host);
	if (p.stage == HTTP_AT_CONNECT)
		return failed(c, status, "connection: %s; does the firewall let this "
		    "machine out to %s, port 443?", p.why, host);
	if (p.stage == HTTP_AT_TLS)
		return tls_failed(c, host, &p, &chain);
	ok("TLS: %s (%s) is trusted, by %s, until %.10s", host, p.ip, chain.cert[0].issuer,
	    when_format((char [WHEN_TEXT]){ 0 }, chain.cert[0].expires));
	return true;
}

static bool
check_token(struct check *c, const struct settings *set, const char *step, struct token *out)
{
	struct token_error	 e = { 0 };
	const char		*remedy;
	char			 when[WHEN_TEXT];

	if (!token_get(set, c->http, "", token_patience(set), out, &e)) {
		remedy = aadsts_remedy(e.code);
		return failed(c, e.status, "%s: %s%s%s", step, e.text,
		    remedy != NULL ? "; " : "", remedy != NULL ? remedy : "");
	}
	ok("%s: for %s, until %s", step, set->scope, when_format(when, out->expires));
	return true;
}

/* The roles in a token, as a JSON array that the caller releases; NULL when it is
 * opaque. */
static json_t *
token_roles(const struct token *token)
{
	json_error_t	 je;
	json_t		*claims, *roles;
	size_t		 len;
	char		*text = jwt_claims(token->text, &len);

	if (text == NULL)
		return NULL;
	claims = json_loadb(text, len, 0, &je);
	free(text);
	roles = json_object_get(claims, "roles");
	if (!json_is_object(claims))
		roles = NULL;
	else
		roles = json_is_array(roles) ? json_incref(roles) : json_array();
	json_decref(claims);
	return roles;
}

static bool
has_role(const json_t *roles, const char *const *any)
{
	const json_t	*role;
	size_t		 i;

	for (; *any != NULL; any++)
		json_array_foreach(roles, i, role)
			if (json_is_string(role) && strcmp(json_string_value(role), *any) == 0)
				return true;
	return false;
}

/* One line of them. */
static void
roles_text(const json_t *roles, char *out, size_t size)
{
	const json_t	*role;
	size_t		 i, n = 0;

	out[0] = '\0';
	json_array_foreach(roles, i, role) {
		if (!json_is_string(role) || n + 16 > size)
			continue;
		if (n > 0)
			out[n++] = ' ';
		text_safe(out + n, size - n, json_string_value(role), json_string_length(role));
		n += strlen(out + n);
	}
}

/* Whether the token has one of the roles that will do. */
static bool
check_roles(struct check *c, const struct token *token, const char *step, const char *api,
    const char *const *any)
{
	json_t	*roles = token_roles(token);
	char	 text[512], todo[512];
	bool	 good = false;

	grant(c, api, any[0], todo, sizeof(todo));
	if (roles == NULL) {
		skipped("%s: the token cannot be looked into", step);
		return true;
	}
	roles_text(roles, text, sizeof(text));
	if (json_array_size(roles) == 0)
		failed(c, EX_NOPERM, "%s: the token has none: no administrator has given "
		    "consent; %s", step, todo);
	else if (!has_role(roles, any))
		failed(c, EX_NOPERM, "%s: %s is not among %s; %s", step, any[0], text, todo);
	else {
		ok("%s: %s", step, text);
		good = true;
	}
	json_decref(roles);
	return good;
}

/* Graph's refusal, and what to do about it in the words of this step. */
static bool
graph_failed(struct check *c, const struct graph *graph, const char *step, const char *role)
{
	static const char	 hint[] = "; has the application";
	char			 said[1024], todo[512], *end;

	text_copy(said, sizeof(said), graph_why(graph));
	if (graph_status(graph) != EX_NOPERM)
		return failed(c, graph_status(graph), "%s: %s", step, said);
	/* graph_why() guesses at one permission; here it is known which. */
	if ((end = strstr(said, hint)) != NULL)
		*end = '\0';
	return failed(c, EX_NOPERM, "%s: %s; %s", step, said,
	    grant(c, "Microsoft Graph", role, todo, sizeof(todo)));
}

static void
check_list(struct check *c, struct graph *graph)
{
	json_t		*page, *first;
	const char	*id;
	struct guid	 guid;

	if (graph_call(graph, "deviceManagement/managedDevices?$top=1&$select=id", NULL,
	    &page) != GRAPH_OK) {
		graph_failed(c, graph, "Graph", "DeviceManagementManagedDevices.Read.All");
		return;
	}
	first = json_array_get(json_object_get(page, "value"), 0);
	id = json_string_value(json_object_get(first, "id"));
	if (id != NULL && guid_parse(id, &guid))
		guid_format(c->device, &guid);
	if (json_is_array(json_object_get(page, "value")))
		ok("Graph: the managed devices may be listed");
	else
		failed(c, EX_TEMPFAIL, "Graph: the answer is no list");
	json_decref(page);
}

static void
check_device(struct check *c, struct graph *graph)
{
	struct managed	 m;
	struct guid	 guid;
	char		 name[TEXT_SHOWN];

	if (c->device[0] == '\0') {
		skipped("device: none was listed");
		return;
	}
	guid_parse(c->device, &guid);
	switch (graph_device(graph, &guid, &m)) {
	case GRAPH_OK:
		ok("device: %s, \"%s\", is %s", c->device, text_safe(name, sizeof(name),
		    m.device.name, strlen(m.device.name)), compliance_name(m.state));
		break;
	case GRAPH_ABSENT:
		failed(c, EX_TEMPFAIL, "device: %s: is in the list and cannot be read; try again",
		    c->device);
		break;
	case GRAPH_FAILED:
		failed(c, graph_status(graph), "device: %s", graph_why(graph));
	}
}

/* The entry of the Compliance Retrieval service, if one is in the list: the first
 * that may be asked, as discovery takes it. */
static bool
on_endpoint(const json_t *item, void *arg)
{
	const char	*name = json_string_value(json_object_get(item, "providerName"));
	const char	*uri = json_string_value(json_object_get(item, "uri"));
	struct check	*c = arg;

	if (name != NULL && uri != NULL && strcasecmp(name, "ComplianceRetrievalService") == 0 &&
	    !discovery_uri_ok(c->nac, discovery_hosts(c->set)))
		text_safe(c->nac, sizeof(c->nac), uri, strlen(uri));
	return true;
}

static bool
check_discovery(struct check *c, struct graph *graph)
{
	if (graph_list(graph, "servicePrincipals/appId=0000000a-0000-0000-c000-000000000000/"
	    "endpoints", on_endpoint, c) != GRAPH_OK)
		return graph_failed(c, graph, "discovery", "ServicePrincipalEndpoint.Read.All");
	if (c->nac[0] == '\0')
		return failed(c, EX_CONFIG, "discovery: Graph names no "
		    "ComplianceRetrievalService; has this tenant Intune?");
	if (!discovery_uri_ok(c->nac, discovery_hosts(c->set)))
		return failed(c, EX_CONFIG, "discovery: NAC 2.0 is at %s, a host that is not in "
		    "intune_hosts (%s) and gets no token; is it the right cloud?", c->nac,
		    discovery_hosts(c->set));
	ok("discovery: NAC 2.0 is at %s", c->nac);
	return true;
}

/* Name, proxy and TLS of the host that discovery has named. */
static bool
check_nac_host(struct check *c)
{
	char	 host[TEXT_SHOWN];

	snprintf(host, sizeof(host), "%.*s", (int)strcspn(c->nac + 8, "/"), c->nac + 8);
	if (strcasecmp(host, c->set->graph) == 0 || (!settings_managed(c->set) &&
	    strcasecmp(host, c->set->authority) == 0))
		return true;
	return check_host(c, host);
}

/* The one call that needs no device and opens no window: what the service is. */
static void
check_nac_info(struct check *c, struct graph *graph)
{
	struct nac2		*nac2 = nac2_new(c->set, c->http, graph, DEADLINE);
	struct nac2_document	 info;
	char			 todo[512], name[TEXT_SHOWN], help[TEXT_SHOWN];

	if (nac2_info(nac2, &info) == GRAPH_OK) {
		ok("NAC: %s answers, help for users is at %s",
		    text_safe(name, sizeof(name), info.product_name, strlen(info.product_name)),
		    text_safe(help, sizeof(help), info.redirect_url, strlen(info.redirect_url)));
		nac2_document_free(&info);
	} else
		failed(c, nac2_status(nac2), "NAC: %s%s%s", nac2_why(nac2),
		    nac2_status(nac2) == EX_NOPERM ? "; " : "",
		    nac2_status(nac2) == EX_NOPERM ? grant(c, INTUNE_API, NAC_ROLE, todo,
		    sizeof(todo)) : "");
	nac2_free(nac2);
}

/* A token for Intune's own API, with the role of a NAC product. */
static bool
check_nac(struct check *c)
{
	static const char *const	 any[] = { NAC_ROLE, NULL };
	struct settings			 set = *c->set;
	struct token			 token = { 0 };
	char				*scope = NULL;
	bool				 good;

	/* The two slashes are right: the resource's own id ends in one. */
	if (asprintf(&scope, "https://%s//.default", set.intune) == -1)
		err(EX_OSERR, NULL);
	set.scope = scope;
	good = check_token(c, &set, "NAC token", &token) &&
	    check_roles(c, &token, "NAC roles", INTUNE_API, any);
	token_wipe(&token);
	free(scope);
	return good;
}

int
check_run(const struct settings *set, struct http *http)
{
	static const char *const	 any[] = { "DeviceManagementManagedDevices.Read.All",
	    "DeviceManagementManagedDevices.ReadWrite.All", NULL };
	struct check			 c = { .set = set, .http = http };
	struct graph			*graph;
	bool				 near, far = true, found;

	ok("configuration: %s%s%s%s, tenant %s, cloud %s", conf_name(set->conf),
	    set->section != CONF_TOP ? " [tenant " : "",
	    set->section != CONF_TOP ? conf_section_name(set->conf, set->section) : "",
	    set->section != CONF_TOP ? "]" : "", set->tenant, set->cloud);
	/* Every step that can be taken is: one visit should find all that is wrong. */
	near = check_credential(&c);
	if (!settings_managed(set))
		near = check_host(&c, set->authority) && near;
	if (settings_managed(set) || strcasecmp(set->authority, set->graph) != 0)
		far = check_host(&c, set->graph);
	near = near && check_token(&c, set, "token", &c.token);
	if (near)
		check_roles(&c, &c.token, "roles", "Microsoft Graph", any);
	if (near && far) {
		graph = graph_new(set, http, DEADLINE);
		check_list(&c, graph);
		check_device(&c, graph);
		/* A site that only asks Graph needs no more permissions than that. */
		c.optional = set->source == NULL || strcmp(set->source, "graph") == 0;
		found = check_discovery(&c, graph) && check_nac_host(&c);
		if (check_nac(&c) && found)
			check_nac_info(&c, graph);
		else
			skipped("NAC: needs what failed above");
		graph_free(graph);
	} else
		skipped("Graph, device, discovery, NAC: need what failed above");
	token_wipe(&c.token);
	return c.worst;
}
