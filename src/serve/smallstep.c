#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <err.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/when.h"
#include "device/x509.h"
#include "serve/smallstep.h"

#define DIGEST	32	/* SHA-256 */

/* Decodes base64 (RFC 4648 section 4, with its padding) of len characters into
 * size bytes.  Returns how many there are, or -1. */
static int
base64(const char *s, size_t len, unsigned char *out, size_t size)
{
	int	 n;

	if (len == 0 || len % 4 != 0 || len / 4 * 3 > size)
		return -1;
	if ((n = EVP_DecodeBlock(out, (const unsigned char *)s, (int)len)) == -1)
		return -1;
	/* It counts the padding as bytes of zero. */
	if (s[len - 1] == '=')
		n--;
	if (s[len - 2] == '=')
		n--;
	return n;
}

bool
smallstep_load(const char *path, struct smallstep_key *out)
{
	char	*text, why[FILE_WHY];
	int	 n;

	if (file_secret(path, &text, why) == -1) {
		warnx("%s", why);
		return false;
	}
	n = base64(text, strlen(text), out->key, sizeof(out->key));
	explicit_bzero(text, strlen(text));
	free(text);
	if (n < 16) {
		warnx("%s: is no base64 of 16 to %d bytes", path, SMALLSTEP_KEY);
		return false;
	}
	out->len = (size_t)n;
	return true;
}

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

bool
smallstep_signed(const struct smallstep_key *k, const char *signature, const char *body,
    size_t len)
{
	unsigned char	 given[DIGEST], made[EVP_MAX_MD_SIZE];
	unsigned int	 n = 0;
	int		 i, hi, lo;

	if (signature == NULL || strlen(signature) != 2 * DIGEST)
		return false;
	for (i = 0; i < DIGEST; i++) {
		hi = hex_digit(signature[2 * i]);
		lo = hex_digit(signature[2 * i + 1]);
		if (hi < 0 || lo < 0)
			return false;
		given[i] = (unsigned char)(hi << 4 | lo);
	}
	if (HMAC(EVP_sha256(), k->key, (int)k->len, (const unsigned char *)body, len, made,
	    &n) == NULL || n != DIGEST)
		return false;
	return CRYPTO_memcmp(given, made, DIGEST) == 0;
}

static bool
read_certificate(const char *raw, struct identity *out, char why[SMALLSTEP_WHY])
{
	struct certs	*certs = NULL;
	unsigned char	*der;
	char		 reason[CERT_WHY];
	size_t		 len = strlen(raw);
	bool		 good = false;
	int		 n;

	if (len > CERT_DER_MAX / 3 * 4 || (der = malloc(len + 1)) == NULL) {
		snprintf(why, SMALLSTEP_WHY, "x509Certificate.raw is too long");
		return false;
	}
	if ((n = base64(raw, len, der, len)) <= 0)
		snprintf(why, SMALLSTEP_WHY, "x509Certificate.raw is no base64");
	else if ((certs = cert_load(der, (size_t)n, reason)) == NULL ||
	    !cert_identity(certs, cert_leaf(certs), out, NULL, NULL, reason))
		snprintf(why, SMALLSTEP_WHY, "x509Certificate.raw: %.200s", reason);
	else
		good = true;
	cert_free(certs);
	free(der);
	return good;
}

bool
smallstep_read(const char *body, size_t len, int64_t now, struct identity *out,
    char why[SMALLSTEP_WHY])
{
	const char	*when, *raw;
	json_error_t	 error;
	json_t		*root;
	int64_t		 t;
	bool		 good = false;

	memset(out, 0, sizeof(*out));
	if ((root = json_loadb(body, len, JSON_REJECT_DUPLICATES, &error)) == NULL) {
		snprintf(why, SMALLSTEP_WHY, "is no JSON: byte %d", error.position);
		return false;
	}
	when = json_string_value(json_object_get(root, "timestamp"));
	raw = json_string_value(json_object_get(json_object_get(root, "x509Certificate"), "raw"));
	if (when == NULL || !when_parse(when, &t))
		snprintf(why, SMALLSTEP_WHY, "timestamp is no RFC 3339 time");
	else if (t < now - SMALLSTEP_SKEW || t > now + SMALLSTEP_SKEW)
		snprintf(why, SMALLSTEP_WHY, "timestamp is more than %d seconds off",
		    SMALLSTEP_SKEW);
	else if (raw == NULL)
		snprintf(why, SMALLSTEP_WHY, "x509Certificate.raw is missing");
	else if ((good = read_certificate(raw, out, why)))
		out->eap = EAP_TLS;
	json_decref(root);
	return good;
}
