/*
 * The signed client assertion by which an application proves that it holds its
 * certificate's key (RFC 7523; Microsoft identity platform, "Application
 * authentication with a certificate"), and a look into a token for people.
 */
#ifndef INTUNE_JWT_H
#define INTUNE_JWT_H

#include <stddef.h>
#include <stdint.h>

#include "base/file.h"

/* An assertion is used at once; Microsoft advises 5 to 10 minutes. */
#define JWT_LIFE	300

/*
 * Makes the assertion of client_id for the token endpoint aud.  The certificate
 * (PEM, the first one in the file) and the key (PEM, may be the same file) are
 * read now, the key with its owner and mode checked.  alg is PS256 (with
 * x5t#S256) or RS256 (with x5t).  Returns the text, which the caller wipes and
 * frees; or NULL with a sentence in why and *status EX_CONFIG or EX_NOPERM.
 */
char	*jwt_assertion(const char *certificate_file, const char *key_file, const char *alg,
	    const char *aud, const char *client_id, int64_t now, char why[FILE_WHY],
	    int *status);

/*
 * Decodes the claims of a token without verifying anything: for display only.
 * Returns JSON text that the caller frees, *len bytes and a NUL; or NULL when
 * token is no JWT (RFC 7519).
 */
char	*jwt_claims(const char *token, size_t *len);

#endif
