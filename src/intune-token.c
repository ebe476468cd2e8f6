/*
 * intune-token: gets a bearer token for Microsoft Graph, from the cache that
 * all processes share or from Entra.
 */
#include <err.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "base/cli.h"
#include "base/file.h"
#include "base/when.h"
#include "intune/check.h"
#include "intune/jwt.h"
#include "intune/token.h"

static const char	 usage[] =
    "usage: intune-token [options]\n"
    "Prints a bearer token for Microsoft Graph, out of the cache if it can.\n"
    "      --check                test the whole connection, step by step\n"
    "  -f, --force                a new one, whatever the cache has\n"
    "  -H, --header               as a header line: intune-token -H | curl -H @- URL\n"
    "  -i, --info                 what the token says, without the token, as JSON\n"
    SETTINGS_USAGE
    "      --help, --version\n"
    "Exit: 0 done, 69 no connection, 75 try again, 77 refused, 78 configuration.\n";

enum { OPT_HELP = SETTING_LAST, OPT_VERSION, OPT_CHECK };

static const struct option	 options[] = {
	{ "check", no_argument, NULL, OPT_CHECK },
	{ "force", no_argument, NULL, 'f' },
	{ "header", no_argument, NULL, 'H' },
	{ "info", no_argument, NULL, 'i' },
	SETTINGS_OPTIONS,
	{ "help", no_argument, NULL, OPT_HELP },
	{ "version", no_argument, NULL, OPT_VERSION },
	{ NULL, 0, NULL, 0 }
};

/* The claims that explain a refusal, as they stand in the token. */
static void
add_claims(json_t *info, const char *token)
{
	static const char *const	 names[] = { "aud", "tid", "appid" };
	json_error_t			 je;
	json_t				*claims, *roles;
	size_t				 len, i;
	char				*text;

	if ((text = jwt_claims(token, &len)) == NULL)
		return;
	claims = json_loadb(text, len, 0, &je);
	free(text);
	if (!json_is_object(claims)) {
		json_decref(claims);
		return;
	}
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (json_object_get(claims, names[i]) != NULL)
			json_object_set(info, names[i], json_object_get(claims, names[i]));
	roles = json_object_get(claims, "roles");
	if (roles == NULL)
		warnx("the token has no roles: has an administrator given consent to the "
		    "application's permissions?");
	json_object_set_new(info, "roles", roles != NULL ? json_incref(roles) : json_array());
	json_decref(claims);
}

static void
print_info(const struct settings *set, const struct token *token)
{
	char	 obtained[WHEN_TEXT], expires[WHEN_TEXT], *text;
	json_t	*info;

	info = json_pack("{s:s, s:s, s:I, s:s}", "obtained",
	    when_format(obtained, token->obtained), "expires",
	    when_format(expires, token->expires), "expires_in",
	    (json_int_t)(token->expires - when_now()), "scope", set->scope);
	if (info == NULL)
		err(EX_OSERR, NULL);
	add_claims(info, token->text);
	if ((text = json_dumps(info, JSON_COMPACT)) == NULL)
		err(EX_OSERR, NULL);
	puts(text);
	free(text);
	json_decref(info);
}

int
main(int argc, char **argv)
{
	struct settings		 set = { 0 };
	struct token		 token = { 0 };
	struct token_error	 e;
	struct http		*http = NULL;
	bool			 force = false, header = false, info = false, check = false;
	int			 c, status = 0;

	cli_start();
	file_no_core();
	while ((c = getopt_long(argc, argv, "c:fHiv", options, NULL)) != -1) {
		switch (c) {
		case 'f':
			force = true;
			break;
		case 'H':
			header = true;
			break;
		case 'i':
			info = true;
			break;
		case OPT_CHECK:
			check = true;
			break;
		case OPT_HELP:
			cli_help(usage);
		case OPT_VERSION:
			cli_version();
		default:
			if (!settings_take(&set, c, optarg, &status) || status != 0)
				cli_usage();
		}
	}
	if (optind < argc || header + info + check > 1) {
		warnx(optind < argc ? "takes no arguments" :
		    "--header, --info and --check exclude one another");
		cli_usage();
	}
	if ((status = settings_load(&set)) != 0)
		goto out;
	http = http_new(&set);
	if (check) {
		status = cli_finish(check_run(&set, http));
		goto out;
	}
	if (!token_get(&set, http, force ? "" : NULL, token_patience(&set), &token, &e)) {
		warnx("%s", e.text);
		status = e.status;
		goto out;
	}
	if (info)
		print_info(&set, &token);
	else
		printf("%s%s\n", header ? "Authorization: Bearer " : "", token.text);
	status = cli_finish(STATUS_OK);
out:
	token_wipe(&token);
	http_free(http);
	settings_free(&set);
	return status;
}
