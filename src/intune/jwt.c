#include <err.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "base/guid.h"
#include "base/jsonw.h"
#include "intune/jwt.h"
#include "intune/wire.h"

#define CLAIMS_MAX	4096	/* header and claims: names of ours, under 1 KB */

/* base64url without padding, RFC 4648 section 5.  Appends and returns the end. */
static char *
b64url(char *out, const unsigned char *in, size_t len)
{
	static const char	 set[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	size_t			 i;
	uint32_t		 bits = 0;
	int			 n = 0;

	for (i = 0; i < len; i++) {
		bits = bits << 8 | in[i];
		for (n += 8; n >= 6; n -= 6)
			*out++ = set[bits >> (n - 6) & 63];
	}
	if (n > 0)
		*out++ = set[bits << (6 - n) & 63];
	*out = '\0';
	return out;
}

static int
b64_value(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '-' ? 62 : c == '_' ? 63 : -1;
}

char *
jwt_claims(const char *token, size_t *len)
{
	const char	*part = strchr(token, '.');
	uint32_t	 bits = 0;
	size_t		 n;
	char		*out, *p;
	int		 have = 0, v;

	if (part == NULL || strchr(part + 1, '.') == NULL)
		return NULL;
	n = strcspn(++part, ".");
	if ((out = p = malloc(n + 1)) == NULL)
		err(EX_OSERR, NULL);
	for (; n > 0; n--, part++) {
		if ((v = b64_value(*part)) == -1) {
			free(out);
			return NULL;
		}
		bits = bits << 6 | (uint32_t)v;
		if ((have += 6) >= 8)
			*p++ = (char)(bits >> (have -= 8) & 0xff);
	}
	*p = '\0';
	*len = (size_t)(p - out);
	return out;
}

/* Header, dot, claims: what is signed. */
static char *
unsigned_part(X509 *cert, bool pss, const char *aud, const char *client_id, int64_t now)
{
	unsigned char	 digest[EVP_MAX_MD_SIZE];
	char		 thumb[128], guid[GUID_TEXT], head[256], claims[CLAIMS_MAX], *out, *p;
	unsigned int	 n;
	struct jsonw	 w;

	if (X509_digest(cert, pss ? EVP_sha256() : EVP_sha1(), digest, &n) != 1)
		errx(EX_SOFTWARE, "no digest of the certificate");
	b64url(thumb, digest, n);
	jw_init(&w, head, sizeof(head));
	jw_object(&w, NULL);
	jw_str(&w, "alg", pss ? "PS256" : "RS256");
	jw_str(&w, "typ", "JWT");
	jw_str(&w, pss ? "x5t#S256" : "x5t", thumb);
	jw_end_object(&w);
	if (jw_done(&w) == NULL)
		return NULL;
	jw_init(&w, claims, sizeof(claims));
	jw_object(&w, NULL);
	jw_str(&w, "aud", aud);
	jw_str(&w, "iss", client_id);
	jw_str(&w, "sub", client_id);
	jw_str(&w, "jti", wire_guid(guid));
	jw_int(&w, "nbf", now);
	jw_int(&w, "iat", now);
	jw_int(&w, "exp", now + JWT_LIFE);
	jw_end_object(&w);
	if (jw_done(&w) == NULL)
		return NULL;
	if ((out = malloc(2 * (sizeof(head) + sizeof(claims)))) == NULL)
		err(EX_OSERR, NULL);
	p = b64url(out, (const unsigned char *)head, strlen(head));
	*p++ = '.';
	b64url(p, (const unsigned char *)claims, strlen(claims));
	return out;
}

/* RFC 7518 sections 3.3 and 3.5: PKCS#1 v1.5, or PSS with a salt as long as the digest. */
static unsigned char *
sign(EVP_PKEY *key, bool pss, const char *text, size_t *len)
{
	EVP_MD_CTX	*ctx = EVP_MD_CTX_new();
	EVP_PKEY_CTX	*pctx = NULL;
	unsigned char	*sig = NULL;

	if (ctx == NULL || EVP_DigestSignInit(ctx, &pctx, EVP_sha256(), NULL, key) != 1)
		goto out;
	if (pss && (EVP_PKEY_CTX_set_rsa_padding(pctx, RSA_PKCS1_PSS_PADDING) != 1 ||
	    EVP_PKEY_CTX_set_rsa_pss_saltlen(pctx, RSA_PSS_SALTLEN_DIGEST) != 1))
		goto out;
	*len = (size_t)EVP_PKEY_size(key);
	if ((sig = malloc(*len)) == NULL)
		err(EX_OSERR, NULL);
	if (EVP_DigestSign(ctx, sig, len, (const unsigned char *)text, strlen(text)) != 1) {
		free(sig);
		sig = NULL;
	}
out:
	EVP_MD_CTX_free(ctx);
	return sig;
}

char *
jwt_assertion(const struct appkey *app, const char *alg, const char *aud, const char *client_id,
    int64_t now)
{
	unsigned char	*sig = NULL;
	char		*part, *out = NULL, *p;
	size_t		 len = 0;
	bool		 pss = strcmp(alg, "PS256") == 0;

	if ((part = unsigned_part(app->cert, pss, aud, client_id, now)) == NULL ||
	    (sig = sign(app->key, pss, part, &len)) == NULL)
		goto out;
	if ((out = malloc(strlen(part) + 1 + len * 4 / 3 + 4)) == NULL)
		err(EX_OSERR, NULL);
	p = stpcpy(out, part);
	*p++ = '.';
	b64url(p, sig, len);
out:
	ERR_clear_error();
	free(part);
	free(sig);
	return out;
}
