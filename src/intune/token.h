/*
 * Bearer tokens, kept on disk for all processes: Microsoft blocks an application
 * that asks for a token per call (AADSTS50196).
 */
#ifndef INTUNE_TOKEN_H
#define INTUNE_TOKEN_H

#include <stdbool.h>
#include <stdint.h>

#include "intune/entra.h"
#include "intune/http.h"
#include "intune/settings.h"

/*
 * Gets a token for set->scope: from the cache when there is a good one, else a
 * new one, of which all processes that want one at the same moment share a
 * single request.  refused is the text of a token that the server would not
 * take (401), or "" to force a new one, or NULL.  Returns true with *out filled
 * (token_wipe() frees it); or false with *e filled.  Trouble with the cache
 * itself is warned of, once, and is no failure.  end (wire_clock) is until when another
 * process's request is waited for and one of our own is repeated: one that is under
 * way ends by itself.  Who has waited for another's that failed takes its error.
 */
bool	 token_get(const struct settings *set, struct http *http, const char *refused,
	    int64_t end, struct token *out, struct token_error *e);

/* The end for who has no deadline. */
int64_t	 token_patience(const struct settings *set);

/* True while the token is good to be used without asking for the next. */
bool	 token_fresh(const struct token *token, int64_t now);

#endif
