/*
 * The token endpoint of the Microsoft identity platform, v2.0, client
 * credentials grant (RFC 6749 section 4.4): one request, one answer.  Who wants
 * a token calls token_get(), which asks here only when the cache has none.
 */
#ifndef INTUNE_ENTRA_H
#define INTUNE_ENTRA_H

#include <stdbool.h>
#include <stdint.h>

#include "intune/http.h"
#include "intune/settings.h"

/* A token has 1.5 to 3 KB; this much fits into a header of any server. */
#define TOKEN_TEXT_MAX	16384

/* Longest life that is believed: with continuous access evaluation it is 28 h. */
#define TOKEN_LIFE_MAX	(7 * 86400)

/* Seconds before the end of a certificate or secret that it is warned of. */
#define ENTRA_WARN	(30 * 86400)

struct token {
	char	*text;
	int64_t	 obtained;	/* seconds since 1970 */
	int64_t	 expires;
};

struct token_error {
	int	 status;	/* 69, 75, 77, 78 */
	int	 code;		/* behind AADSTS; 0 = none */
	int64_t	 wait;		/* seconds that the server asked us to wait; -1 = nothing said */
	char	 text[1024];	/* one line, fit to be shown */
};

/* Asks for a new token.  Returns true with *out filled (token_wipe() frees it),
 * or false with *e filled. */
bool	 entra_request(const struct settings *set, struct http *http, struct token *out,
	    struct token_error *e);

/* Reads the answer to such a request, of any HTTP status.  As entra_request(). */
bool	 entra_answer(long http, const char *body, size_t len, const char *retry_after,
	    int64_t now, struct token *out, struct token_error *e);

/* When the credential runs out, in seconds since 1970, and in what (size bytes) how it
 * is to be named; 0 when nobody knows.  False after *e when it cannot be used at all. */
bool	 entra_credential(const struct settings *set, char *what, size_t size,
	    int64_t *expires, struct token_error *e);

/* True for the bytes that a bearer token may have (RFC 6750 section 2.1), and
 * not too many of them: it goes into a header. */
bool	 token_text_ok(const char *text);

void	 token_wipe(struct token *token);

#endif
