/*
 * The certificate that is registered on the application and its private key, from
 * wherever OpenSSL can take them: PEM, encrypted PEM, PKCS#12, or any URI of
 * ossl_store(7), a PKCS#11 token (RFC 7512) among them.
 */
#ifndef INTUNE_APPKEY_H
#define INTUNE_APPKEY_H

#include <openssl/evp.h>
#include <openssl/x509.h>
#include <stdbool.h>

#include "base/file.h"
#include "intune/settings.h"

struct appkey {
	X509		*cert;
	EVP_PKEY	*key;
};

/*
 * Loads what set->certificate_file and set->key_file name, decrypted with the
 * passphrase (of a token: the PIN) in set->key_passphrase_file.  A key in a file
 * has its owner and mode checked.  Of several certificates the one that fits the
 * key is taken; it must be an RSA key of 2048 bits or more, and the certificate must
 * not have run out.  Returns true and *out, which appkey_free() frees; or false with
 * a sentence in why and *status EX_CONFIG or EX_NOPERM.
 */
bool	 appkey_load(const struct settings *set, struct appkey *out, char why[FILE_WHY],
	    int *status);

/* When the certificate runs out, in seconds since 1970. */
int64_t	 appkey_expires(const struct appkey *app);

void	 appkey_free(struct appkey *app);

/*
 * A key (private) or certificate of a PKCS#11 URI by the engine `pkcs11`, which is
 * what Debian 12 has; later OpenSSL comes with a provider, and ossl_store(7) does it.
 * NULL when there is no such engine (*found false) or no such object.
 */
EVP_PKEY *pkcs11_key(const char *uri, const char *pin, bool *found);
X509	*pkcs11_certificate(const char *uri, const char *pin, bool *found);

#endif
