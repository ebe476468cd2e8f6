#include <sys/stat.h>

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/file.h"
#include "base/text.h"
#include "base/when.h"
#include "intune/msi.h"
#include "intune/tenantid.h"
#include "intune/wire.h"

#define ANSWER_MAX	65536	/* bytes; a token answer has 4 KB */
#define VM_VERSION	"2018-02-01"
#define ARC_VERSION	"2020-06-01"
#define DEFAULT_SCOPE	"/.default"

static bool
fail(struct token_error *e, int status, const struct settings *set, const char *what)
{
	e->status = status;
	e->wait = -1;
	snprintf(e->text, sizeof(e->text), "%s: %.900s", set->identity_host, what);
	return false;
}

char *
msi_key_path(const char *challenge, const char *dir)
{
	static const char	 head[] = "Basic realm=", end[] = ".key";
	const char		*path = challenge + strlen(head), *name;
	size_t			 n, dirlen = strlen(dir);

	if (strncasecmp(challenge, head, strlen(head)) != 0)
		return NULL;
	n = strlen(path);
	if (n > 1 && path[0] == '"' && path[n - 1] == '"') {
		path++;
		n -= 2;
	}
	name = path + dirlen + 1;
	/* One component right in the directory: no "..", no folder below it. */
	if (n <= dirlen + 1 + strlen(end) || strncmp(path, dir, dirlen) != 0 ||
	    path[dirlen] != '/' || memchr(name, '/', n - dirlen - 1) != NULL ||
	    *name == '.' || memcmp(path + n - strlen(end), end, strlen(end)) != 0)
		return NULL;
	return strndup(path, n);
}

/* Reads the key.  It belongs to Arc's agent and lets its group read it; who may
 * write into its directory is root's affair. */
static char *
read_key(const char *path, char why[FILE_WHY])
{
	struct stat	 st;
	char		*key = NULL;
	size_t		 len;
	int		 fd;

	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd == -1 || fstat(fd, &st) == -1)
		snprintf(why, FILE_WHY, "%s: %s; is this user in the group himds?", path,
		    strerror(errno));
	else if (!S_ISREG(st.st_mode) || (st.st_mode & 02) != 0)
		snprintf(why, FILE_WHY, "%s: is no regular file, or open to everybody", path);
	else if (file_read_all(fd, MSI_KEY_MAX, &key, &len) == -1)
		snprintf(why, FILE_WHY, "%s: %s", path, strerror(errno));
	else if (!token_text_ok(key)) {
		snprintf(why, FILE_WHY, "%s: holds no key", path);
		explicit_bzero(key, len);
		free(key);
		key = NULL;
	}
	if (fd != -1)
		close(fd);
	return key;
}

/* The address with what is asked for. */
static char *
request_url(const struct settings *set)
{
	size_t	 n = strlen(set->scope), end = strlen(DEFAULT_SCOPE);
	char	*resource, *escaped, *url = NULL;

	/* The resource is what the scope of v2.0 is made from. */
	if (n > end && strcmp(set->scope + n - end, DEFAULT_SCOPE) == 0)
		n -= end;
	if ((resource = strndup(set->scope, n)) == NULL)
		err(EX_OSERR, NULL);
	escaped = wire_escape(resource);
	if (asprintf(&url, "http://%s/metadata/identity/oauth2/token?api-version=%s&resource=%s"
	    "%s%s", set->identity_host,
	    set->credential == CREDENTIAL_ARC ? ARC_VERSION : VM_VERSION, escaped,
	    strcmp(set->client_id, SETTINGS_UNSAID) != 0 ? "&client_id=" : "",
	    strcmp(set->client_id, SETTINGS_UNSAID) != 0 ? set->client_id : "") == -1)
		err(EX_OSERR, NULL);
	free(escaped);
	free(resource);
	return url;
}

static bool
ask(const struct settings *set, struct http *http, const char *url, const char *key,
    struct http_answer *answer, struct token_error *e)
{
	struct http_request	 request = { .url = url, .max = ANSWER_MAX, .local = true,
				    .basic = key };
	enum http_end		 end;
	char			 why[HTTP_WHY], said[HTTP_WHY + 128];

	if ((end = http_do(http, &request, answer, why)) == HTTP_DONE)
		return true;
	fail(e, http_status(end), set, why);
	snprintf(said, sizeof(said), "%s; is this %s?", why,
	    set->credential == CREDENTIAL_ARC ? "machine connected by Azure Arc" : "an Azure VM");
	if (end == HTTP_UNREACHABLE)
		text_copy(e->text, sizeof(e->text), said);
	return false;
}

/* Arc's proof that we are on this machine: we can read what only its root and its
 * agent can write. */
static bool
answer_challenge(const struct settings *set, struct http *http, const char *url,
    struct http_answer *answer, struct token_error *e)
{
	char	 why[FILE_WHY], shown[TEXT_SHOWN], what[FILE_WHY + TEXT_SHOWN], *path, *key;
	bool	 good;

	path = msi_key_path(answer->challenge, set->arc_key_dir);
	if (path == NULL) {
		snprintf(what, sizeof(what), "its challenge names no key file in %s: \"%s\"",
		    set->arc_key_dir, text_safe(shown, sizeof(shown), answer->challenge,
		    strlen(answer->challenge)));
		return fail(e, EX_UNAVAILABLE, set, what);
	}
	http_clear(answer);
	key = read_key(path, why);
	free(path);
	if (key == NULL)
		return fail(e, EX_NOPERM, set, why);
	good = ask(set, http, url, key, answer, e);
	explicit_bzero(key, strlen(key));
	free(key);
	return good;
}

/* A managed identity has one tenant, and does not hear which one is wanted: answers of
 * another would be filed as those of the one that is configured. */
static bool
same_tenant(const struct settings *set, const struct token *token, struct token_error *e)
{
	struct guid	 want, is;
	char		 text[GUID_TEXT];

	if (!guid_parse(set->tenant, &want) || !tenant_of_token(token->text, &is) ||
	    guid_equal(&want, &is))
		return true;
	memset(e, 0, sizeof(*e));
	e->status = EX_CONFIG;
	e->wait = -1;
	snprintf(e->text, sizeof(e->text), "the managed identity belongs to tenant %s, and the "
	    "configuration names tenant %s", guid_format(text, &is), set->tenant);
	return false;
}

bool
msi_request(const struct settings *set, struct http *http, struct token *out,
    struct token_error *e)
{
	struct http_answer	 answer = { 0 };
	char			 said[sizeof(e->text)], *url = request_url(set);
	bool			 good = false;

	if (!ask(set, http, url, NULL, &answer, e))
		goto out;
	if (set->credential == CREDENTIAL_ARC && answer.status == 401 &&
	    answer.challenge[0] != '\0' &&
	    !answer_challenge(set, http, url, &answer, e))
		goto out;
	good = entra_answer(answer.status, answer.body, answer.len, answer.retry_after,
	    when_now(), out, e);
	if (!good) {
		/* Microsoft: these come and go while the endpoint is being updated. */
		if (answer.status == 404 || answer.status == 410)
			e->status = EX_TEMPFAIL;
		text_copy(said, sizeof(said), e->text);
		snprintf(e->text, sizeof(e->text), "%s: %.900s", set->identity_host, said);
	}
	if (good && !same_tenant(set, out, e)) {
		token_wipe(out);
		good = false;
	}
out:
	http_clear(&answer);
	free(url);
	return good;
}
