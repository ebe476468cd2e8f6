#include <dirent.h>
#include <err.h>
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/file.h"
#include "base/jsonw.h"
#include "base/text.h"
#include "base/when.h"
#include "intune/tokencache.h"
#include "intune/wire.h"

#define CACHE_MAX	(TOKEN_TEXT_MAX + 4096)	/* bytes of a token file */
#define CLOCK_SLACK	60	/* seconds by which the clock may be set back */

/* The files are of no use: it is said, and they are left alone. */
static void
no_cache(struct tokencache *cache, const char *why)
{
	warnx("%s; going on without the token cache", why);
	cache->token.usable = false;
}

void
tokencache_open(struct tokencache *cache, const struct settings *set)
{
	/* Should two names collide nonetheless: the file itself says whose it is. */
	const char	*part[] = { set->authority, set->tenant, set->client_id, set->scope };

	cache->set = set;
	shared_open(&cache->token, set, part, sizeof(part) / sizeof(part[0]), "token");
	shared_open(&cache->quiet, set, part, sizeof(part) / sizeof(part[0]), "quiet");
	shared_open(&cache->failed, set, part, sizeof(part) / sizeof(part[0]), "failed");
	if (!cache->token.usable)
		no_cache(cache, cache->token.why);
}

void
tokencache_close(struct tokencache *cache)
{
	shared_close(&cache->token);
	shared_close(&cache->quiet);
	shared_close(&cache->failed);
}

bool
tokencache_lock(struct tokencache *cache, int64_t wait_ms)
{
	if (!cache->token.usable || shared_lock(&cache->token, wait_ms))
		return true;
	if (cache->token.usable)
		return false;
	no_cache(cache, cache->token.why);
	return true;
}

static bool
text_is(const json_t *o, const char *key, const char *want)
{
	const char	*s = json_string_value(json_object_get(o, key));

	return s != NULL && strcmp(s, want) == 0;
}

/* Whose token it is and whether its times can be true; NULL when all is well. */
static const char *
check_token(const struct settings *set, const json_t *o, int64_t now, struct token *out)
{
	const char	*text = json_string_value(json_object_get(o, "access_token"));
	const json_t	*obtained = json_object_get(o, "obtained");
	const json_t	*expires = json_object_get(o, "expires");

	if (!json_is_object(o) || text == NULL || !token_text_ok(text) ||
	    !json_is_integer(obtained) || !json_is_integer(expires))
		return "is no token file of ours";
	if (!text_is(o, "authority", set->authority) || !text_is(o, "tenant", set->tenant) ||
	    !text_is(o, "client_id", set->client_id) || !text_is(o, "scope", set->scope))
		return "is of another tenant, client or scope";
	out->obtained = json_integer_value(obtained);
	out->expires = json_integer_value(expires);
	if (out->obtained < 0 || out->expires < out->obtained ||
	    out->expires - out->obtained > TOKEN_LIFE_MAX)
		return "has impossible times";
	if (out->obtained > now + CLOCK_SLACK)
		return "is from the future";
	if ((out->text = strdup(text)) == NULL)
		err(EX_OSERR, NULL);
	return NULL;
}

const char *
tokencache_parse(const struct settings *set, const char *text, size_t len, int64_t now,
    struct token *out)
{
	const char	*fault, *token;
	json_error_t	 je;
	json_t		*o;

	memset(out, 0, sizeof(*out));
	o = json_loadb(text, len, JSON_REJECT_DUPLICATES, &je);
	fault = check_token(set, o, now, out);
	if ((token = json_string_value(json_object_get(o, "access_token"))) != NULL)
		explicit_bzero((void *)(uintptr_t)token, strlen(token));
	json_decref(o);
	return fault;
}

/* Reads one of our files whole.  False after a warning, or when it is absent. */
static bool
read_private(const char *path, char **text, size_t *len)
{
	char	 why[FILE_WHY];
	int	 fd;

	if ((fd = file_open_checked(path, 1, why)) == -1) {
		if (errno != ENOENT)
			warnx("%s: not trusted", why);
		return false;
	}
	if (file_read_all(fd, CACHE_MAX, text, len) == -1) {
		warnx("%s: %s: not trusted", path, strerror(errno));
		close(fd);
		return false;
	}
	close(fd);
	return true;
}

bool
tokencache_read(const struct tokencache *cache, struct token *out)
{
	const char	*fault;
	size_t		 len;
	char		*text;

	memset(out, 0, sizeof(*out));
	if (!cache->token.usable || !read_private(cache->token.path, &text, &len))
		return false;
	fault = tokencache_parse(cache->set, text, len, when_now(), out);
	explicit_bzero(text, len);
	free(text);
	if (fault != NULL)
		warnx("%s: %s: not trusted", cache->token.path, fault);
	return fault == NULL;
}

/*
 * Who was killed while he replaced the token has left a copy beside it.  With the lock
 * held nobody else is at it: what there is of that name is of no use to anybody.
 */
static void
remove_copies(const struct tokencache *cache)
{
	const char	*path = cache->token.path, *name = strrchr(path, '/') + 1;
	size_t		 n = strlen(name);
	struct dirent	*e;
	DIR		*dir = opendir(cache->set->token_dir);

	while (dir != NULL && (e = readdir(dir)) != NULL)
		if (strncmp(e->d_name, name, n) == 0 && e->d_name[n] == '.' &&
		    strlen(e->d_name) == n + sizeof(".XXXXXX") - 1)
			(void)unlinkat(dirfd(dir), e->d_name, 0);
	if (dir != NULL)
		closedir(dir);
}

void
tokencache_write(struct tokencache *cache, const struct token *token)
{
	const struct settings	*set = cache->set;
	struct jsonw		 w;
	const char		*text;
	char			*buf, why[FILE_WHY];

	if (!cache->token.usable)
		return;
	remove_copies(cache);
	if ((buf = malloc(CACHE_MAX)) == NULL)
		err(EX_OSERR, NULL);
	jw_init(&w, buf, CACHE_MAX);
	jw_object(&w, NULL);
	jw_str(&w, "authority", set->authority);
	jw_str(&w, "tenant", set->tenant);
	jw_str(&w, "client_id", set->client_id);
	jw_str(&w, "scope", set->scope);
	jw_int(&w, "obtained", token->obtained);
	jw_int(&w, "expires", token->expires);
	jw_str(&w, "access_token", token->text);
	jw_end_object(&w);
	text = jw_done(&w);
	if (text == NULL || file_replace(cache->token.path, text, strlen(text), 0600) == -1) {
		snprintf(why, sizeof(why), "%s: %s", cache->token.path, text == NULL ?
		    "too long" : strerror(errno));
		no_cache(cache, why);
	}
	explicit_bzero(buf, CACHE_MAX);
	free(buf);
}

int64_t
tokencache_quiet(const struct tokencache *cache)
{
	int64_t	 until = 0, now = when_now();
	size_t	 len;
	char	*text;

	if (!cache->token.usable || !read_private(cache->quiet.path, &text, &len))
		return 0;
	/* A time too far ahead is damage, and must not stop us for ever. */
	text[strcspn(text, "\n")] = '\0';
	if (!when_parse(text, &until) || until > now + WIRE_WAIT_MAX)
		until = 0;
	free(text);
	return until > now ? until : 0;
}

void
tokencache_set_quiet(struct tokencache *cache, int64_t until)
{
	char	 text[WHEN_TEXT + 1];

	if (!cache->token.usable)
		return;
	when_format(text, until);
	strcat(text, "\n");
	if (file_replace(cache->quiet.path, text, strlen(text), 0600) == -1)
		warn("%s", cache->quiet.path);
}

/* By the clock that all processes of a machine share, and that nobody sets. */
void
tokencache_set_failed(struct tokencache *cache, const struct token_error *e)
{
	json_t	*o;

	if (!cache->token.usable)
		return;
	o = json_pack("{s:I, s:i, s:i, s:s}", "at", (json_int_t)wire_clock(), "status",
	    e->status, "code", e->code, "why", e->text);
	if (!shared_write(&cache->failed, o))
		warnx("%s", cache->failed.why);
	json_decref(o);
}

bool
tokencache_failed(const struct tokencache *cache, int64_t since, struct token_error *e)
{
	json_t		*o;
	const char	*why;
	int64_t		 at, changed, status;

	if (!cache->token.usable || shared_read(&cache->failed, &o, &changed) != SHARED_GOOD)
		return false;
	at = json_integer_value(json_object_get(o, "at"));
	status = json_integer_value(json_object_get(o, "status"));
	why = json_string_value(json_object_get(o, "why"));
	memset(e, 0, sizeof(*e));
	e->status = status >= EX__BASE && status <= EX__MAX ? (int)status : EX_TEMPFAIL;
	e->code = (int)json_integer_value(json_object_get(o, "code"));
	e->wait = -1;
	if (why != NULL)
		text_safe(e->text, sizeof(e->text), why, strlen(why));
	json_decref(o);
	return why != NULL && at >= since && at <= wire_clock();
}
