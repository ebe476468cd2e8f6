/*
 * The webhook of smallstep's RADIUS service ("Wi-Fi Authentication Webhooks",
 * smallstep.com/docs): a certificate that its server has verified comes in,
 * signed; yes or no goes out.
 */
#ifndef SERVE_SMALLSTEP_H
#define SERVE_SMALLSTEP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "device/identity.h"

#define SMALLSTEP_WHY	256
#define SMALLSTEP_KEY	256	/* bytes of a signing secret; theirs has 64 */

/* A request whose timestamp is further from our clock than this is taken for a
 * recorded one. */
#define SMALLSTEP_SKEW	300

/* The role by which a rule lets in a device that is not compliant. */
#define SMALLSTEP_ROLE	"smallstep"

struct smallstep_key {
	unsigned char	 key[SMALLSTEP_KEY];
	size_t		 len;
};

/* Reads the signing secret, base64 as smallstep gives it out, from a private
 * file.  Returns false after a message. */
bool	 smallstep_load(const char *path, struct smallstep_key *out);

/* Whether signature (hex, of any case) is the HMAC-SHA256 of the body.  Takes
 * the same time wherever they differ. */
bool	 smallstep_signed(const struct smallstep_key *k, const char *signature,
	    const char *body, size_t len);

/*
 * Reads a body whose signature is good: the identity is that of the DER in
 * x509Certificate.raw.  Returns false with a reason in why.
 */
bool	 smallstep_read(const char *body, size_t len, int64_t now, struct identity *out,
	    char why[SMALLSTEP_WHY]);

#endif
