#include <err.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "base/when.h"
#include "intune/token.h"
#include "intune/tokencache.h"
#include "intune/wire.h"

#define AHEAD_MAX	300	/* seconds before its end that a token is renewed at the latest */
#define TRIES		3	/* requests to get over a passing 5xx without Retry-After, */
#define TRIES_WITHIN	5000	/* ms: others wait for the lock meanwhile */

static int64_t
ahead(const struct token *token)
{
	int64_t	 tenth = (token->expires - token->obtained) / 10;

	return tenth < AHEAD_MAX ? tenth : AHEAD_MAX;
}

bool
token_fresh(const struct token *token, int64_t now)
{
	return token->text != NULL && now < token->expires - ahead(token);
}

/* Reads the cache; what has been refused or has run out is not there. */
static bool
cached(const struct tokencache *cache, const char *refused, struct token *out)
{
	if (!tokencache_read(cache, out))
		return false;
	if ((refused == NULL || (*refused != '\0' && strcmp(refused, out->text) != 0)) &&
	    when_now() < out->expires)
		return true;
	token_wipe(out);
	return false;
}

/* One new token, and what it leaves on disk.  The lock is held. */
static bool
renew(struct tokencache *cache, struct http *http, int64_t end, struct token *out,
    struct token_error *e)
{
	int64_t	 until = tokencache_quiet(cache);
	int64_t	 start = wire_clock();
	char	 text[WHEN_TEXT];
	int	 try;

	if (until != 0) {
		e->status = EX_TEMPFAIL;
		e->wait = until - when_now();
		snprintf(e->text, sizeof(e->text), "%s: has asked for no token request before %s",
		    cache->set->authority, when_format(text, until));
		return false;
	}
	for (try = 1; !entra_request(cache->set, http, out, e); try++) {
		/* One more, since when_now() has dropped a part of a second. */
		if (e->status == EX_TEMPFAIL && e->wait > 0)
			tokencache_set_quiet(cache, when_now() + e->wait + 1);
		if (e->status != EX_TEMPFAIL || e->wait > 0 || try == TRIES ||
		    wire_clock() - start > TRIES_WITHIN ||
		    !wire_sleep_until(wire_clock() + wire_backoff(try), end)) {
			tokencache_set_failed(cache, e);
			return false;
		}
	}
	tokencache_write(cache, out);
	return true;
}

/* With the lock or without: get past the cache.  old is a token that still
 * works but should be renewed, or an empty one. */
static bool
get(struct tokencache *cache, struct http *http, const char *refused, int64_t end,
    struct token *out, struct token_error *e)
{
	int64_t		 began = wire_clock(), wait = end > began ? end - began : 0;
	struct token	 old = { 0 };

	if (cached(cache, refused, &old) && token_fresh(&old, when_now()))
		goto old;
	/* Whoever holds the lock is renewing: wait only when there is no other way. */
	if (!tokencache_lock(cache, old.text != NULL ? 0 : wait)) {
		if (old.text != NULL)
			goto old;
		e->status = EX_TEMPFAIL;
		e->wait = -1;
		snprintf(e->text, sizeof(e->text), "%s", cache->token.why);
		return false;
	}
	/* Somebody may have renewed it while we waited. */
	token_wipe(&old);
	if (cached(cache, refused, &old) && token_fresh(&old, when_now()))
		goto old;
	/* Or failed to: fifty that have waited do not fail one after another. */
	if (old.text == NULL && tokencache_failed(cache, began, e))
		return false;
	if (renew(cache, http, end, out, e)) {
		token_wipe(&old);
		return true;
	}
	if (old.text == NULL || e->status == EX_NOPERM || e->status == EX_CONFIG) {
		token_wipe(&old);
		return false;
	}
	warnx("%s; the old token still works", e->text);
old:
	*out = old;
	return true;
}

int64_t
token_patience(const struct settings *set)
{
	return wire_clock() + 2000 * set->timeout;
}

bool
token_get(const struct settings *set, struct http *http, const char *refused, int64_t end,
    struct token *out, struct token_error *e)
{
	struct tokencache	 cache;
	bool			 good;

	memset(out, 0, sizeof(*out));
	tokencache_open(&cache, set);
	good = get(&cache, http, refused, end, out, e);
	tokencache_close(&cache);
	return good;
}
