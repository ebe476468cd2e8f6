#include <err.h>
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/file.h"
#include "base/text.h"
#include "base/when.h"
#include "intune/settings.h"

/* What a host name, an IPv4 address or a bracketed IPv6 address is made of, and
 * a port: this text goes into URLs and is compared with theirs. */
#define HOST_BYTES	"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-:[]"
#define NAME_BYTES	"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-"

/* Microsoft: "National clouds and Microsoft Graph", and what Microsoft's NAC
 * partners use as the resource of Intune's own API. */
static const struct cloud {
	const char	*name, *authority, *graph, *intune;
} clouds[] = {
	{ "public", "login.microsoftonline.com", "graph.microsoft.com",
	    "api.manage.microsoft.com" },
	{ "usgov", "login.microsoftonline.us", "graph.microsoft.us", "api.manage.microsoft.us" },
	{ "dod", "login.microsoftonline.us", "dod-graph.microsoft.us",
	    "api.manage.microsoft.us" },
	{ "china", "login.partner.microsoftonline.cn", "microsoftgraph.chinacloudapi.cn",
	    "api.manage.microsoft.cn" },
};

static const struct cloud *
find_cloud(const char *name)
{
	size_t	 i;

	for (i = 0; i < sizeof(clouds) / sizeof(clouds[0]); i++)
		if (strcmp(clouds[i].name, name) == 0)
			return &clouds[i];
	return NULL;
}

/* At least one byte, and none but these. */
static bool
made_of(const char *text, const char *bytes)
{
	return *text != '\0' && text[strspn(text, bytes)] == '\0';
}

static int
bad_option(const char *option, const char *what, const char *value)
{
	char	 shown[TEXT_SHOWN];

	text_safe(shown, sizeof(shown), value, strlen(value));
	warnx("--%s: %s: \"%s\"", option, what, shown);
	return EX_USAGE;
}

static int
take_host(const char *option, const char *value, const char **setting)
{
	if (!made_of(value, HOST_BYTES))
		return bad_option(option, "is no host or host:port", value);
	*setting = value;
	return 0;
}

static int
take_timeout(struct settings *set, const char *value)
{
	if (!when_span(value, &set->timeout) || set->timeout < 1 ||
	    set->timeout > SETTINGS_TIMEOUT_MAX)
		return bad_option("timeout", "is no span from 1s to 10m", value);
	return 0;
}

/* A password here is one that ps(1) or a readable nac.conf shows. */
static bool
proxy_ok(const char *proxy)
{
	return proxy == NULL || strchr(proxy, '@') == NULL;
}

static int
take_proxy(struct settings *set, char *value)
{
	if (!proxy_ok(value)) {
		warnx("--proxy: takes no user and password; set https_proxy for that");
		return EX_USAGE;
	}
	set->proxy = value;
	return 0;
}

bool
settings_take(struct settings *set, int option, char *value, int *status)
{
	int	 bad = 0;

	switch (option) {
	case 'c':
		set->config = value;
		break;
	case 'v':
		set->verbose++;
		break;
	case SETTING_TENANT:
		set->chosen = value;
		break;
	case SETTING_CLIENT_ID:
		set->client_id = value;
		break;
	case SETTING_SECRET_FILE:
		set->client_secret_file = value;
		break;
	case SETTING_CERTIFICATE:
		set->certificate_file = value;
		break;
	case SETTING_KEY:
		set->key_file = value;
		break;
	case SETTING_ALG:
		if (strcmp(value, "PS256") != 0 && strcmp(value, "RS256") != 0)
			bad = bad_option("alg", "is neither PS256 nor RS256", value);
		set->alg = value;
		break;
	case SETTING_CLOUD:
		if (find_cloud(value) == NULL)
			bad = bad_option("cloud", "is none of public, usgov, dod, china", value);
		set->cloud = value;
		break;
	case SETTING_AUTHORITY:
		bad = take_host("authority", value, &set->authority);
		break;
	case SETTING_GRAPH:
		bad = take_host("graph", value, &set->graph);
		break;
	case SETTING_INTUNE:
		bad = take_host("intune", value, &set->intune);
		break;
	case SETTING_CA_FILE:
		set->ca_file = value;
		break;
	case SETTING_PROXY:
		bad = take_proxy(set, value);
		break;
	case SETTING_TOKEN_DIR:
		set->token_dir = value;
		break;
	case SETTING_TIMEOUT:
		bad = take_timeout(set, value);
		break;
	case SETTING_SCOPE:
		set->scope_option = value;
		break;
	default:
		return false;
	}
	if (bad != 0)
		*status = bad;
	return true;
}

/* Where a setting comes from, the nearest first. */
enum rank { OPTION, SECTION, FILE_TOP, NOWHERE };

/* What key says at one rank below the command line; NULL when nothing. */
static const char *
at_rank(const struct settings *set, enum rank rank, const char *key)
{
	if (rank == SECTION && set->section != CONF_TOP)
		return conf_section_get(set->conf, set->section, key, NULL);
	return rank == FILE_TOP ? conf_get(set->conf, key, NULL) : NULL;
}

/* Takes a setting from the nearest place that has it, but no farther than last.
 * Returns that place. */
static enum rank
nearest(const struct settings *set, const char **setting, const char *key, enum rank last)
{
	enum rank	 rank;

	if (*setting != NULL)
		return OPTION;
	for (rank = SECTION; rank <= last; rank++)
		if ((*setting = at_rank(set, rank, key)) != NULL)
			return rank;
	return NOWHERE;
}

static void
default_to(const struct settings *set, const char **setting, const char *key,
    const char *fallback)
{
	if (nearest(set, setting, key, FILE_TOP) == NOWHERE)
		*setting = fallback;
}

static int
complain(const struct settings *set, const char *what)
{
	if (set->section != CONF_TOP)
		warnx("%s: [tenant %s]: %s", conf_name(set->conf),
		    conf_section_name(set->conf, set->section), what);
	else
		warnx("%s: %s", conf_name(set->conf), what);
	return EX_CONFIG;
}

/* The hosts go with the cloud: one that stands farther away than the choice of the
 * cloud belongs to another cloud. */
static void
find_hosts(struct settings *set)
{
	enum rank		 rank = nearest(set, &set->cloud, "cloud", FILE_TOP);
	const struct cloud	*cloud;

	if (rank == NOWHERE) {
		set->cloud = SETTINGS_CLOUD;
		rank = FILE_TOP;
	}
	cloud = find_cloud(set->cloud);		/* the loader knows the same words */
	if (nearest(set, &set->authority, "authority", rank) == NOWHERE)
		set->authority = cloud->authority;
	if (nearest(set, &set->graph, "graph", rank) == NOWHERE)
		set->graph = cloud->graph;
	if (nearest(set, &set->intune, "intune", rank) == NOWHERE)
		set->intune = cloud->intune;
	nearest(set, &set->intune_hosts, "intune_hosts", rank);
}

/* The keys that name a credential, and what each is. */
static const struct kind {
	const char	*key;
	size_t		 setting;
	enum credential	 credential;
} kinds[] = {
	{ "client_secret_file", offsetof(struct settings, client_secret_file),
	    CREDENTIAL_SECRET },
	{ "certificate_file", offsetof(struct settings, certificate_file),
	    CREDENTIAL_CERTIFICATE },
	{ "federated_token_file", offsetof(struct settings, federated_token_file),
	    CREDENTIAL_FEDERATED },
	{ "managed_identity", offsetof(struct settings, managed_identity), CREDENTIAL_VM },
};

/* Takes the credential that one place names, if it names one.  Two are a question,
 * and not ours to answer. */
static int
credential_at(struct settings *set, enum rank rank)
{
	const struct kind	*k, *found = NULL;
	const char		*value, **setting;
	char			 what[TEXT_SHOWN];

	for (k = kinds; k < kinds + sizeof(kinds) / sizeof(kinds[0]); k++) {
		setting = (const char **)(void *)((char *)set + k->setting);
		value = rank == OPTION ? *setting : at_rank(set, rank, k->key);
		if (value == NULL)
			continue;
		if (found != NULL) {
			snprintf(what, sizeof(what), "both %s and %s are set: "
			    "which one is meant?", found->key, k->key);
			return complain(set, what);
		}
		found = k;
		*setting = value;
		set->credential = k->credential;
	}
	return 0;
}

/* A file of systemd's, by its name, becomes a path. */
static int
resolve(struct settings *set, const char **file, char **owned)
{
	const char	*dir = getenv(FILE_CREDENTIALS);
	char		 what[TEXT_SHOWN * 2], shown[TEXT_SHOWN];

	if (*file == NULL || strncmp(*file, CONF_CREDENTIAL, strlen(CONF_CREDENTIAL)) != 0)
		return 0;
	if (dir == NULL || *dir != '/') {
		snprintf(what, sizeof(what), "%s is a systemd credential, and $"
		    FILE_CREDENTIALS " is not set: is LoadCredential= in the unit?",
		    text_safe(shown, sizeof(shown), *file, strlen(*file)));
		return complain(set, what);
	}
	if (asprintf(owned, "%s/%s", dir, *file + strlen(CONF_CREDENTIAL)) == -1)
		err(EX_OSERR, NULL);
	*file = *owned;
	return 0;
}

static int
resolve_files(struct settings *set)
{
	const char	**file[SETTINGS_FILES] = { &set->client_secret_file,
			    &set->certificate_file, &set->key_file, &set->key_passphrase_file,
			    &set->federated_token_file };
	size_t		  i;
	int		  status = 0;

	for (i = 0; i < SETTINGS_FILES && status == 0; i++)
		status = resolve(set, file[i], &set->owned[i]);
	return status;
}

/* A token in the clear goes no farther than this machine or its hypervisor. */
static bool
is_near(const char *host)
{
	size_t	 n = strspn(host, "0123456789.");

	/* Digits to the end: 127.example.com is far away. */
	if (strncmp(host, "127.", 4) != 0 && strncmp(host, "169.254.", 8) != 0)
		n = strncmp(host, "[::1]", 5) == 0 ? 5 :
		    strncmp(host, "localhost", 9) == 0 ? 9 : 0;
	return n > 0 && (host[n] == '\0' || host[n] == ':');
}

/* Microsoft: "How to use managed identities on an Azure VM to acquire an access
 * token", and for Arc "Authenticate against Azure resources with Azure
 * Arc-enabled servers". */
static int
find_identity(struct settings *set, enum rank rank)
{
	bool	 arc = strcmp(set->managed_identity, "arc") == 0;

	set->credential = arc ? CREDENTIAL_ARC : CREDENTIAL_VM;
	if (nearest(set, &set->identity_host, "identity_host", rank) == NOWHERE)
		set->identity_host = arc ? "127.0.0.1:40342" : "169.254.169.254";
	if (nearest(set, &set->arc_key_dir, "arc_key_dir", rank) == NOWHERE)
		set->arc_key_dir = "/var/opt/azcmagent/tokens";
	if (!made_of(set->identity_host, HOST_BYTES) || !is_near(set->identity_host))
		return complain(set, "identity_host must be a loopback or link-local address");
	if (set->tenant == NULL)
		set->tenant = SETTINGS_UNSAID;
	/* Beside it, client_id is that of a user-assigned identity; without, it is the
	 * machine's own.  One farther away is another application's. */
	if (nearest(set, &set->client_id, "client_id", rank) == NOWHERE)
		set->client_id = SETTINGS_UNSAID;
	/* Who gives the token: it has a place of its own in the cache. */
	set->authority = set->identity_host;
	return 0;
}

/* Which credential: the nearest place that names one, with what belongs to it
 * there. */
static int
find_credential(struct settings *set)
{
	enum rank	 rank;
	const char	*expires = NULL;
	int		 status;

	for (rank = OPTION; rank < NOWHERE; rank++)
		if ((status = credential_at(set, rank)) != 0)
			return status;
		else if (set->credential != CREDENTIAL_NONE)
			break;
	switch (set->credential) {
	case CREDENTIAL_NONE:
		return complain(set, set->tenant == NULL ? "tenant is not set" :
		    "client_secret_file (or certificate_file, federated_token_file, "
		    "managed_identity) is not set");
	case CREDENTIAL_SECRET:
		if (nearest(set, &expires, "client_secret_expires", rank) != NOWHERE)
			set->client_secret_expires = conf_section_int(set->conf,
			    rank == SECTION ? set->section : CONF_TOP,
			    "client_secret_expires", 0);
		break;
	case CREDENTIAL_CERTIFICATE:
		if (nearest(set, &set->key_file, "key_file", rank) == NOWHERE)
			set->key_file = set->certificate_file;
		/* The command line has no option for it, so the file's is meant. */
		nearest(set, &set->key_passphrase_file, "key_passphrase_file",
		    rank == OPTION ? FILE_TOP : rank);
		break;
	case CREDENTIAL_VM:
		return find_identity(set, rank);
	default:
		break;
	}
	default_to(set, &set->client_id, "client_id", NULL);
	return resolve_files(set);
}

/* That a file is there and private enough is said at the start, not hours later
 * when a token runs out; it is read when it is needed, so that it can be changed. */
static int
check_file(const char *path, int private)
{
	char	 why[FILE_WHY];
	int	 fd;

	if ((fd = file_open_checked(path, private, why)) == -1) {
		warnx("%s", why);
		return errno == EPERM || errno == EACCES ? EX_NOPERM : EX_CONFIG;
	}
	close(fd);
	return 0;
}

/* What goes into URLs may hold only bytes that mean nothing there. */
static int
check_names(const struct settings *set)
{
	if (set->tenant == NULL)
		return complain(set, "tenant is not set");
	if (!made_of(set->tenant, NAME_BYTES))
		return complain(set, "tenant is neither a GUID nor a domain name");
	/* Entra refuses these with AADSTS9001023, in many more words. */
	if (strcasecmp(set->tenant, "common") == 0 ||
	    strcasecmp(set->tenant, "organizations") == 0 ||
	    strcasecmp(set->tenant, "consumers") == 0)
		return complain(set, "tenant must name one tenant: its GUID or domain");
	if (set->client_id == NULL)
		return complain(set, "client_id is not set");
	if (!made_of(set->client_id, NAME_BYTES))
		return complain(set, "client_id is no application (client) id");
	if (!made_of(set->authority, HOST_BYTES))
		return complain(set, "authority is no host or host:port");
	if (!made_of(set->graph, HOST_BYTES))
		return complain(set, "graph is no host or host:port");
	if (!made_of(set->intune, HOST_BYTES))
		return complain(set, "intune is no host or host:port");
	if (!proxy_ok(set->proxy))
		return complain(set, "proxy takes no user and password; set https_proxy for "
		    "that in the environment");
	if (set->timeout < 1 || set->timeout > SETTINGS_TIMEOUT_MAX)
		return complain(set, "timeout must be between 1s and 10m");
	if (set->connect_timeout < 1 || set->stall_timeout < 1)
		return complain(set, "connect_timeout and stall_timeout must be at least 1s");
	return 0;
}

int
settings_open(struct settings *set)
{
	set->section = CONF_TOP;
	set->conf = conf_load(set->config, conf_warn, NULL);
	return set->conf != NULL ? 0 : EX_CONFIG;
}

static void
find_span(const struct settings *set, int64_t *span, const char *key, int64_t usual)
{
	if (*span == 0 && set->section != CONF_TOP)
		*span = conf_section_int(set->conf, set->section, key, 0);
	if (*span == 0)
		*span = conf_int(set->conf, key, usual);
}

/* What no rank of the file may leave out, and the rest of it. */
static void
find_others(struct settings *set)
{
	/* A section that forgets to name its tenant does not mean another one. */
	nearest(set, &set->tenant, "tenant", set->section == CONF_TOP ? FILE_TOP : SECTION);
	default_to(set, &set->alg, "assertion_alg", "PS256");
	default_to(set, &set->source, "source", "graph");
	default_to(set, &set->ca_file, "ca_file", NULL);
	default_to(set, &set->proxy, "proxy", NULL);
	default_to(set, &set->token_dir, "token_dir", SETTINGS_TOKEN_DIR);
	find_span(set, &set->timeout, "timeout", SETTINGS_TIMEOUT);
	find_span(set, &set->connect_timeout, "connect_timeout", SETTINGS_CONNECT);
	find_span(set, &set->stall_timeout, "stall_timeout", SETTINGS_STALL);
}

/* A URI is no file: its key is asked for when it is needed. */
static int
check_path(const char *path, int private)
{
	return path == NULL || conf_is_uri(path) ? 0 : check_file(path, private);
}

static int
check_files(const struct settings *set)
{
	int	 status;

	if ((status = check_path(set->client_secret_file, 1)) != 0 ||
	    (status = check_path(set->certificate_file, 0)) != 0 ||
	    (status = check_path(set->key_file, 1)) != 0 ||
	    (status = check_path(set->key_passphrase_file, 1)) != 0)
		return status;
	/* Kubernetes mounts it with mode 0644; it lives for an hour at most. */
	if ((status = check_path(set->federated_token_file, 0)) != 0)
		return status;
	return set->ca_file != NULL ? check_file(set->ca_file, 0) : 0;
}

bool
settings_managed(const struct settings *set)
{
	return set->credential == CREDENTIAL_VM || set->credential == CREDENTIAL_ARC;
}

int
settings_fill(struct settings *set, const struct settings *options, int section)
{
	int	 status;

	if (set != options) {
		*set = *options;
		set->borrowed = true;
	}
	set->section = section;
	find_others(set);
	find_hosts(set);
	if ((status = find_credential(set)) != 0 || (status = check_names(set)) != 0 ||
	    (status = check_files(set)) != 0)
		return status;
	/* Microsoft's identifier of Graph in each cloud is its own host name. */
	if ((set->scope_option != NULL ? asprintf(&set->scope, "%s", set->scope_option) :
	    asprintf(&set->scope, "https://%s/.default", set->graph)) == -1)
		err(EX_OSERR, NULL);
	return 0;
}

/* The tenant that is meant when there is only one question: a section by its name,
 * a tenant by its own; else what stands above the sections; else the only one. */
int
settings_choose(struct settings *set, int *section)
{
	int	 n = conf_sections(set->conf);

	*section = CONF_TOP;
	if (set->chosen != NULL) {
		if ((*section = conf_section_find(set->conf, set->chosen)) == CONF_TOP)
			set->tenant = set->chosen;
		return 0;
	}
	if (n == 0 || conf_get(set->conf, "tenant", NULL) != NULL)
		return 0;
	if (n > 1)
		return complain(set, "which tenant? Choose a section with --tenant");
	*section = 0;
	return 0;
}

int
settings_load(struct settings *set)
{
	int	 section, status;

	if ((status = settings_open(set)) != 0 || (status = settings_choose(set, &section)) != 0)
		return status;
	return settings_fill(set, set, section);
}

void
settings_free(struct settings *set)
{
	size_t	 i;

	free(set->scope);
	for (i = 0; i < sizeof(set->owned) / sizeof(set->owned[0]); i++)
		free(set->owned[i]);
	if (!set->borrowed)
		conf_free(set->conf);
}
