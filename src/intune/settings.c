#include <err.h>
#include <errno.h>
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
		set->tenant = value;
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
	case SETTING_AUTHORITY:
		if (!made_of(value, HOST_BYTES))
			bad = bad_option("authority", "is no host or host:port", value);
		set->authority = value;
		break;
	case SETTING_GRAPH:
		if (!made_of(value, HOST_BYTES))
			bad = bad_option("graph", "is no host or host:port", value);
		set->graph = value;
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

static void
default_to(const struct conf *conf, const char **setting, const char *key, const char *fallback)
{
	if (*setting == NULL)
		*setting = conf_get(conf, key, fallback);
}

static int
complain(const struct settings *set, const char *what)
{
	warnx("%s: %s", conf_name(set->conf), what);
	return EX_CONFIG;
}

/* Which credential: what the command line names wins over the file. */
static int
check_credential(struct settings *set)
{
	bool	 both;

	if (set->client_secret_file == NULL && set->certificate_file == NULL) {
		default_to(set->conf, &set->client_secret_file, "client_secret_file", NULL);
		default_to(set->conf, &set->certificate_file, "certificate_file", NULL);
	}
	both = set->client_secret_file != NULL && set->certificate_file != NULL;
	if (both)
		return complain(set, "both client_secret_file and certificate_file are set:"
		    " which one is meant?");
	if (set->client_secret_file == NULL && set->certificate_file == NULL)
		return complain(set, "client_secret_file (or certificate_file) is not set");
	if (set->certificate_file != NULL)
		default_to(set->conf, &set->key_file, "key_file", set->certificate_file);
	return 0;
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
	if (!proxy_ok(set->proxy))
		return complain(set, "proxy takes no user and password; set https_proxy for "
		    "that in the environment");
	if (set->timeout < 1 || set->timeout > SETTINGS_TIMEOUT_MAX)
		return complain(set, "timeout must be between 1s and 10m");
	return 0;
}

int
settings_load(struct settings *set)
{
	int	 status;

	if ((set->conf = conf_load(set->config, conf_warn, NULL)) == NULL)
		return EX_CONFIG;
	default_to(set->conf, &set->tenant, "tenant", NULL);
	default_to(set->conf, &set->client_id, "client_id", NULL);
	default_to(set->conf, &set->alg, "assertion_alg", "PS256");
	default_to(set->conf, &set->authority, "authority", SETTINGS_AUTHORITY);
	default_to(set->conf, &set->graph, "graph", SETTINGS_GRAPH);
	default_to(set->conf, &set->ca_file, "ca_file", NULL);
	default_to(set->conf, &set->proxy, "proxy", NULL);
	default_to(set->conf, &set->token_dir, "token_dir", SETTINGS_TOKEN_DIR);
	if (set->timeout == 0)
		set->timeout = conf_int(set->conf, "timeout", SETTINGS_TIMEOUT);
	if ((status = check_names(set)) != 0 || (status = check_credential(set)) != 0)
		return status;
	if (set->client_secret_file != NULL)
		status = check_file(set->client_secret_file, 1);
	else if ((status = check_file(set->certificate_file, 0)) == 0)
		status = check_file(set->key_file, 1);
	if (status == 0 && set->ca_file != NULL)
		status = check_file(set->ca_file, 0);
	/* Microsoft's identifier of Graph in each cloud is its own host name. */
	if ((set->scope_option != NULL ? asprintf(&set->scope, "%s", set->scope_option) :
	    asprintf(&set->scope, "https://%s/.default", set->graph)) == -1)
		err(EX_OSERR, NULL);
	return status;
}

void
settings_free(struct settings *set)
{
	free(set->scope);
	conf_free(set->conf);
}
