/*
 * The files in token_dir: per authority, tenant, client and scope one with the
 * token, one to lock, one that says until when the server wants to be left alone, and
 * one that says why the last request for a token failed.  What is read is checked; what cannot be trusted does not exist.
 */
#ifndef INTUNE_TOKENCACHE_H
#define INTUNE_TOKENCACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "intune/entra.h"
#include "intune/settings.h"
#include "intune/shared.h"

struct tokencache {
	const struct settings	*set;
	struct shared		 token, quiet, failed;	/* the lock of the first is for all */
};

/* Makes the directory if need be and the names of the files.  Never fails: a
 * directory that cannot be used is warned of, and then there is no cache. */
void	 tokencache_open(struct tokencache *cache, const struct settings *set);
void	 tokencache_close(struct tokencache *cache);

/*
 * Takes the lock: wait_ms 0 = only if it is free.  Returns false when somebody
 * else held it all the time.  True also when there is no cache to lock.
 */
bool	 tokencache_lock(struct tokencache *cache, int64_t wait_ms);

/* Reads the token.  False when there is none that can be believed, after a
 * warning if the file was not simply absent. */
bool	 tokencache_read(const struct tokencache *cache, struct token *out);

/* Writes it; a failure is warned of. */
void	 tokencache_write(struct tokencache *cache, const struct token *token);

/* Until when, in seconds since 1970, no request may be made; 0 = go ahead. */
int64_t	 tokencache_quiet(const struct tokencache *cache);
void	 tokencache_set_quiet(struct tokencache *cache, int64_t until);

/* Notes that a request for a token has failed just now, and why; and whether one has
 * since a moment (wire_clock), with *e then. */
void	 tokencache_set_failed(struct tokencache *cache, const struct token_error *e);
bool	 tokencache_failed(const struct tokencache *cache, int64_t since,
	    struct token_error *e);

/* Reads the text of a token file, which must be of these settings.  NULL when
 * good, else what is wrong with it. */
const char *tokencache_parse(const struct settings *set, const char *text, size_t len,
	    int64_t now, struct token *out);

#endif
