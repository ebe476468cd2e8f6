/*
 * Bearer tokens, kept on disk for all processes: Microsoft blocks an application
 * that asks for a token per call (AADSTS50196).
 */
#ifndef INTUNE_TOKEN_H
#define INTUNE_TOKEN_H

#include <stdbool.h>

#include "intune/entra.h"
#include "intune/http.h"
#include "intune/settings.h"

/*
 * Gets a token for set->scope: from the cache when there is a good one, else a
 * new one, of which all processes that want one at the same moment share a
 * single request.  refused is the text of a token that the server would not
 * take (401), or "" to force a new one, or NULL.  Returns true with *out filled
 * (token_wipe() frees it); or false with *e filled.  Trouble with the cache
 * itself is warned of, once, and is no failure.
 */
bool	 token_get(const struct settings *set, struct http *http, const char *refused,
	    struct token *out, struct token_error *e);

/* True while the token is good to be used without asking for the next. */
bool	 token_fresh(const struct token *token, int64_t now);

#endif
