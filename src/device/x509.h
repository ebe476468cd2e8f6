/*
 * Certificates: from the bytes of a file to a struct identity, and whether a
 * chain verifies (RFC 5280).  The only file of the device floor with OpenSSL.
 * A certificate is foreign bytes: what is cut short, too large or made to
 * deceive is refused with a reason, never half read.
 */
#ifndef DEVICE_X509_H
#define DEVICE_X509_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "device/identity.h"

/* A device's certificate has 1 to 3 KiB; Debian's bundle of every public root
 * has 220 KiB and 150 of them. */
#define CERT_FILE_MAX	(1024 * 1024)	/* bytes in one file */
#define CERT_DER_MAX	65536		/* bytes in one certificate */
#define CERT_MAX	512		/* certificates in one file */
#define CERT_SAN_MAX	256		/* entries of one subjectAltName */

/* Room for a reason: a sentence with a distinguished name in it. */
#define CERT_WHY	1280

struct certs;		/* the certificates of one file, in its order */
struct cert_trust;	/* those that a chain may end in */

/* Called with remarks for a person, one sentence each; text is safe to show. */
typedef void (*cert_note)(void *arg, const char *text);

/*
 * Takes the certificates out of len bytes: DER, PEM (one or a chain, with any
 * text around), PKCS#7 in either form (RFC 2315, 7468).  Returns a list that
 * cert_free() frees and that has at least one; or NULL with a sentence in why
 * when there is none or when a single one of them is not whole.
 */
struct certs *cert_load(const void *data, size_t len, char why[CERT_WHY]);
void	 cert_free(struct certs *certs);

size_t	 cert_count(const struct certs *certs);

/* Which one is the device's: the first that is no CA, else the first. */
size_t	 cert_leaf(const struct certs *certs);

/*
 * Fills out (all of it) from certificate i.  note may be NULL; it is told of
 * what was left out and of the extended key usage.  Returns true; or false with
 * a sentence in why when the certificate is hostile: a NUL byte in a CN or in an
 * entry of its subjectAltName, text that is no text, one of the limits above.
 */
bool	 cert_identity(const struct certs *certs, size_t i, struct identity *out,
	    cert_note note, void *arg, char why[CERT_WHY]);

/* Makes the certificates of a list trusted.  The list may be freed after.  No
 * memory ends the program. */
struct cert_trust *cert_trust_new(const struct certs *certs);
void	 cert_trust_free(struct cert_trust *trust);

/*
 * Whether certificate i is good for a TLS client at the time `at`: a chain from
 * it over others of its list to a self-signed one in trust, every signature,
 * validity and purpose right.  Revocation is not asked about.  Returns true; or
 * false with the reason in why.
 */
bool	 cert_verify(const struct certs *certs, size_t i, const struct cert_trust *trust,
	    int64_t at, char why[CERT_WHY]);

#endif
