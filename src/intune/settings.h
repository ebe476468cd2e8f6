/*
 * How to reach a tenant: nac.conf(5), and the command line above it.  Every
 * host is a setting, which is how national clouds and the emulator are reached.
 */
#ifndef INTUNE_SETTINGS_H
#define INTUNE_SETTINGS_H

#include <getopt.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/conf.h"

#define SETTINGS_CLOUD		"public"
#define SETTINGS_TOKEN_DIR	"/var/cache/intune-nac"
#define SETTINGS_TIMEOUT	30	/* seconds for one request */
#define SETTINGS_TIMEOUT_MAX	600
#define SETTINGS_CONNECT	10	/* seconds; a host that is there answers in one */
#define SETTINGS_STALL		20	/* seconds without a byte: nothing alive pauses as long */
#define SETTINGS_FILES		5	/* that may be credential:NAME */

/* For a tenant or client that a managed identity leaves unsaid. */
#define SETTINGS_UNSAID		"-"

/* By what the application proves who it is. */
enum credential {
	CREDENTIAL_NONE,
	CREDENTIAL_SECRET,	/* client_secret_file */
	CREDENTIAL_CERTIFICATE,	/* certificate_file and key_file, which may be the same */
	CREDENTIAL_FEDERATED,	/* federated_token_file: another provider's token */
	CREDENTIAL_VM,		/* the managed identity of an Azure VM */
	CREDENTIAL_ARC		/* that of a machine connected by Azure Arc */
};

/* The strings belong to conf, to argv, or to owned[]. */
struct settings {
	struct conf	*conf;
	bool		 borrowed;		/* conf is freed by somebody else */
	int		 section;		/* of conf, or CONF_TOP */
	const char	*config;		/* --config, or NULL */
	const char	*chosen;		/* --tenant, or NULL */
	const char	*tenant;
	const char	*client_id;
	enum credential	 credential;
	const char	*client_secret_file;
	int64_t		 client_secret_expires;	/* 0 = not said */
	const char	*certificate_file;	/* a path or a URI */
	const char	*key_file;		/* likewise */
	const char	*key_passphrase_file;	/* NULL = the key has none */
	const char	*federated_token_file;
	const char	*managed_identity;	/* vm or arc */
	const char	*identity_host;		/* its endpoint on this machine */
	const char	*arc_key_dir;
	const char	*alg;			/* PS256 or RS256 */
	const char	*cloud;
	const char	*authority;		/* host or host:port */
	const char	*graph;
	const char	*intune;		/* of the resource id of Intune's own API */
	const char	*intune_hosts;		/* where NAC 2.0 may be; NULL = as the cloud says */
	const char	*source;		/* graph, nac2 or auto */
	const char	*ca_file;		/* NULL = the system's */
	const char	*proxy;			/* NULL = as the environment says */
	const char	*token_dir;
	const char	*scope_option;		/* --scope, or NULL */
	char		*scope;			/* what is asked for, never NULL once loaded */
	char		*owned[SETTINGS_FILES];
	int64_t		 timeout;		/* seconds; 0 = not given */
	int64_t		 connect_timeout, stall_timeout;	/* likewise; not above it */
	int		 verbose;
};

/* The options that every program with a tenant has. */
enum settings_option {
	SETTING_TENANT = 0x100, SETTING_CLIENT_ID, SETTING_SECRET_FILE, SETTING_CERTIFICATE,
	SETTING_KEY, SETTING_ALG, SETTING_CLOUD, SETTING_AUTHORITY, SETTING_GRAPH, SETTING_INTUNE,
	SETTING_CA_FILE, SETTING_PROXY, SETTING_TOKEN_DIR, SETTING_TIMEOUT, SETTING_SCOPE,
	SETTING_LAST		/* a program's own long options go on from here */
};

#define SETTINGS_OPTIONS \
	{ "config", required_argument, NULL, 'c' }, \
	{ "verbose", no_argument, NULL, 'v' }, \
	{ "tenant", required_argument, NULL, SETTING_TENANT }, \
	{ "client-id", required_argument, NULL, SETTING_CLIENT_ID }, \
	{ "client-secret-file", required_argument, NULL, SETTING_SECRET_FILE }, \
	{ "certificate", required_argument, NULL, SETTING_CERTIFICATE }, \
	{ "key", required_argument, NULL, SETTING_KEY }, \
	{ "alg", required_argument, NULL, SETTING_ALG }, \
	{ "cloud", required_argument, NULL, SETTING_CLOUD }, \
	{ "authority", required_argument, NULL, SETTING_AUTHORITY }, \
	{ "graph", required_argument, NULL, SETTING_GRAPH }, \
	{ "intune", required_argument, NULL, SETTING_INTUNE }, \
	{ "ca-file", required_argument, NULL, SETTING_CA_FILE }, \
	{ "proxy", required_argument, NULL, SETTING_PROXY }, \
	{ "token-dir", required_argument, NULL, SETTING_TOKEN_DIR }, \
	{ "timeout", required_argument, NULL, SETTING_TIMEOUT }, \
	{ "scope", required_argument, NULL, SETTING_SCOPE }

#define SETTINGS_USAGE \
	"  -c, --config FILE          instead of " CONF_PATH "\n" \
	"      --tenant NAME          a [tenant NAME] of the file, or a tenant's id or domain\n" \
	"      --client-id, --client-secret-file, --certificate, --key, --alg, --cloud,\n" \
	"      --authority, --graph, --intune, --ca-file, --proxy, --token-dir,\n" \
	"      --timeout              each over its key in nac.conf(5)\n" \
	"      --scope SCOPE          instead of https://GRAPH/.default\n" \
	"  -v, --verbose              say what is done; twice: also about the connection\n"

/*
 * Takes one option that getopt_long returned.  Returns true when it was one of
 * ours; *status is then EX_USAGE after a message when its value is wrong, and
 * otherwise left alone.
 */
bool	 settings_take(struct settings *set, int option, char *value, int *status);

/*
 * Loads the file, takes the tenant that --tenant names, or that of the keys above
 * the sections, or the only section, and checks that everything needed is there: a
 * setting that is missing is named.  Files are opened once to check them, not read.
 * Returns 0; or EX_CONFIG or (a file's owner or mode) EX_NOPERM after a message.
 */
int	 settings_load(struct settings *set);

/* The two halves of it, for who serves several tenants: the file, and then, in a
 * copy for each, one section (CONF_TOP: none).  The first owns the file. */
int	 settings_open(struct settings *set);

/* The section that --tenant names or that stands alone, as settings_load() has it. */
int	 settings_choose(struct settings *set, int *section);
int	 settings_fill(struct settings *set, const struct settings *options, int section);

/* True when the machine itself, and no file, is the credential. */
bool	 settings_managed(const struct settings *set);

void	 settings_free(struct settings *set);

#endif
