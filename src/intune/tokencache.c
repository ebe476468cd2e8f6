#include <sys/file.h>
#include <sys/stat.h>

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/digest.h"
#include "base/file.h"
#include "base/jsonw.h"
#include "base/when.h"
#include "intune/tokencache.h"
#include "intune/wire.h"

#define CACHE_MAX	(TOKEN_TEXT_MAX + 4096)	/* bytes of a token file */
#define LOCK_STEP	20			/* ms between two looks at the lock */
#define CLOCK_SLACK	60	/* seconds by which the clock may be set back */

static void
warn_cache(const char *path, const char *what)
{
	warnx("%s: %s; going on without the token cache", path, what);
}

/* Ours, and nobody else may put files into it. */
static bool
directory_ok(const char *path)
{
	struct stat	 st;

	if (mkdir(path, 0700) == -1 && errno != EEXIST) {
		warn_cache(path, strerror(errno));
		return false;
	}
	if (stat(path, &st) == -1 || !S_ISDIR(st.st_mode)) {
		warn_cache(path, "is no directory");
		return false;
	}
	if (st.st_uid != geteuid() || (st.st_mode & 022) != 0) {
		warn_cache(path, "must be ours, and others may not write it");
		return false;
	}
	if (access(path, W_OK | X_OK) == -1) {
		warn_cache(path, strerror(errno));
		return false;
	}
	return true;
}

static char *
file_name(const struct settings *set, const char *suffix)
{
	const char	*part[] = { set->authority, set->tenant, set->client_id, set->scope };
	char		 text[DIGEST_TEXT], *name = NULL;
	uint64_t	 h = DIGEST_START;
	size_t		 i;

	/* The NUL goes in too, so that no two lists run together alike.  Should
	 * two collide nonetheless: the file itself says whose it is. */
	for (i = 0; i < sizeof(part) / sizeof(part[0]); i++)
		h = digest_add(h, part[i], strlen(part[i]) + 1);
	if (asprintf(&name, "%s/%s.%s", set->token_dir, digest_format(text, h), suffix) == -1)
		err(EX_OSERR, NULL);
	return name;
}

void
tokencache_open(struct tokencache *cache, const struct settings *set)
{
	cache->set = set;
	cache->fd = -1;
	cache->token = file_name(set, "token");
	cache->lock = file_name(set, "lock");
	cache->quiet = file_name(set, "quiet");
	cache->usable = directory_ok(set->token_dir);
}

void
tokencache_close(struct tokencache *cache)
{
	if (cache->fd != -1)
		close(cache->fd);
	free(cache->token);
	free(cache->lock);
	free(cache->quiet);
}

bool
tokencache_lock(struct tokencache *cache, int64_t wait_ms)
{
	int64_t	 end = wire_clock() + wait_ms;

	if (!cache->usable || cache->fd != -1)
		return true;
	cache->fd = open(cache->lock, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (cache->fd == -1) {
		warn_cache(cache->lock, strerror(errno));
		cache->usable = false;
		return true;
	}
	/* Not a blocking flock: its holder may be stopped and never let go. */
	while (flock(cache->fd, LOCK_EX | LOCK_NB) == -1) {
		if ((errno != EWOULDBLOCK && errno != EINTR) || wire_clock() >= end) {
			close(cache->fd);
			cache->fd = -1;
			return false;
		}
		wire_sleep(LOCK_STEP);
	}
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
	if (!cache->usable || !read_private(cache->token, &text, &len))
		return false;
	fault = tokencache_parse(cache->set, text, len, when_now(), out);
	explicit_bzero(text, len);
	free(text);
	if (fault != NULL)
		warnx("%s: %s: not trusted", cache->token, fault);
	return fault == NULL;
}

void
tokencache_write(struct tokencache *cache, const struct token *token)
{
	const struct settings	*set = cache->set;
	struct jsonw		 w;
	const char		*text;
	char			*buf;

	if (!cache->usable)
		return;
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
	if (text == NULL || file_replace(cache->token, text, strlen(text), 0600) == -1) {
		warn_cache(cache->token, text == NULL ? "too long" : strerror(errno));
		cache->usable = false;
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

	if (!cache->usable || !read_private(cache->quiet, &text, &len))
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

	if (!cache->usable)
		return;
	when_format(text, until);
	strcat(text, "\n");
	if (file_replace(cache->quiet, text, strlen(text), 0600) == -1)
		warn_cache(cache->quiet, strerror(errno));
}
