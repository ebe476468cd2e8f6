/*
 * The signed client assertion by which an application proves that it holds its
 * certificate's key (RFC 7523; Microsoft identity platform, "Application
 * authentication with a certificate"), and a look into a token for people.
 */
#ifndef INTUNE_JWT_H
#define INTUNE_JWT_H

#include <stddef.h>
#include <stdint.h>

#include "intune/appkey.h"

/* An assertion is used at once; Microsoft advises 5 to 10 minutes. */
#define JWT_LIFE	300

/*
 * Makes the assertion of client_id for the token endpoint aud, signed with app's
 * key.  alg is PS256 (with x5t#S256) or RS256 (with x5t).  Returns the text, which
 * the caller wipes and frees; or NULL when this key cannot sign so.
 */
char	*jwt_assertion(const struct appkey *app, const char *alg, const char *aud,
	    const char *client_id, int64_t now);

/*
 * Decodes the claims of a token without verifying anything: for display only.
 * Returns JSON text that the caller frees, *len bytes and a NUL; or NULL when
 * token is no JWT (RFC 7519).
 */
char	*jwt_claims(const char *token, size_t *len);

#endif
