#include <err.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/store.h>
#include <openssl/ui.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "base/text.h"
#include "intune/appkey.h"

#define RSA_BITS_MIN	2048	/* Entra takes no smaller key */
#define CERTS_MAX	16	/* a chain has 3 or 4 */
#define OBJECTS_MAX	64	/* in one file, with what is neither key nor certificate */

/* One place that is read, and what was met there. */
struct source {
	const char	*name;		/* a path or a URI */
	const char	*path;		/* NULL when no file is meant */
	char		*passphrase;	/* or NULL */
	bool		 asked;		/* there was something to decrypt */
	const char	*want;		/* "certificate" or "private key" */
	char		*why;		/* FILE_WHY bytes */
	int		*status;
};

static bool
fail(const struct source *s, int status, const char *what)
{
	char	 shown[TEXT_SHOWN];

	snprintf(s->why, FILE_WHY, "%s: %s",
	    text_safe(shown, sizeof(shown), s->name, strlen(s->name)), what);
	*s->status = status;
	return false;
}

/* Gives the passphrase, if there is one; nobody is ever asked at a terminal. */
static int
on_passphrase(char *buf, int size, int writing, void *arg)
{
	struct source	*s = arg;
	size_t		 n = s->passphrase != NULL ? strlen(s->passphrase) : 0;

	(void)writing;
	s->asked = true;
	if (s->passphrase == NULL || n > (size_t)size)
		return -1;
	memcpy(buf, s->passphrase, n);
	return (int)n;
}

/* Opens a file by its checked descriptor, or a URI by its scheme.  NULL with why
 * filled; but for a scheme that nobody serves why is left empty. */
static OSSL_STORE_CTX *
open_store(struct source *s, const UI_METHOD *ui, bool private, BIO **bio)
{
	OSSL_STORE_CTX	*ctx;
	int		 fd;

	s->why[0] = '\0';
	if (s->path == NULL)
		return OSSL_STORE_open(s->name, ui, s, NULL, NULL);
	if ((fd = file_open_checked(s->path, private, s->why)) == -1) {
		*s->status = errno == EPERM || errno == EACCES ? EX_NOPERM : EX_CONFIG;
		return NULL;
	}
	if ((*bio = BIO_new_fd(fd, BIO_CLOSE)) == NULL)
		err(EX_OSERR, NULL);
	ctx = OSSL_STORE_attach(*bio, "file", NULL, NULL, ui, s, NULL, NULL, NULL);
	if (ctx == NULL)
		fail(s, EX_CONFIG, "cannot be read");
	return ctx;
}

/* Takes the next object if it is of the type that is wanted. */
static bool
take(OSSL_STORE_INFO *info, int type, struct appkey *out, STACK_OF(X509) *certs)
{
	X509	*cert;

	if (info == NULL || OSSL_STORE_INFO_get_type(info) != type)
		return false;
	if (type == OSSL_STORE_INFO_PKEY) {
		out->key = OSSL_STORE_INFO_get1_PKEY(info);
		return out->key != NULL;
	}
	if (sk_X509_num(certs) < CERTS_MAX && (cert = OSSL_STORE_INFO_get1_CERT(info)) != NULL &&
	    sk_X509_push(certs, cert) == 0)
		X509_free(cert);
	return false;
}

/* The engine's turn: OpenSSL 3.0 itself knows no pkcs11: scheme. */
static void
take_pkcs11(struct source *s, int type, struct appkey *out, STACK_OF(X509) *certs, bool *found)
{
	X509	*cert;

	if (type == OSSL_STORE_INFO_PKEY)
		out->key = pkcs11_key(s->name, s->passphrase, found);
	else if ((cert = pkcs11_certificate(s->name, s->passphrase, found)) != NULL &&
	    sk_X509_push(certs, cert) == 0)
		X509_free(cert);
}

/* Why nothing was found, in words. */
static bool
nothing(const struct source *s, bool served)
{
	char	 what[TEXT_SHOWN];

	if (!served)
		return fail(s, EX_CONFIG, "OpenSSL has no loader for this scheme; for pkcs11: "
		    "install libengine-pkcs11-openssl or pkcs11-provider");
	if (s->asked && s->passphrase == NULL)
		return fail(s, EX_CONFIG, "the key is encrypted, and key_passphrase_file is "
		    "not set");
	if (s->asked)
		return fail(s, EX_CONFIG, "cannot be decrypted with the passphrase in "
		    "key_passphrase_file");
	snprintf(what, sizeof(what), s->path != NULL ? "holds no %s" : s->passphrase != NULL ?
	    "there is no %s that can be used with the PIN in key_passphrase_file" :
	    "there is no %s that can be used without a PIN (key_passphrase_file)", s->want);
	return fail(s, EX_CONFIG, what);
}

/* Reads one place: the first key, or all certificates. */
static bool
read_store(struct source *s, int type, struct appkey *out, STACK_OF(X509) *certs)
{
	UI_METHOD	*ui = UI_UTIL_wrap_read_pem_callback(on_passphrase, 0);
	OSSL_STORE_CTX	*ctx;
	OSSL_STORE_INFO	*info;
	BIO		*bio = NULL;
	bool		 done = false, served = true;
	int		 i;

	s->want = type == OSSL_STORE_INFO_PKEY ? "private key" : "certificate";
	if (ui == NULL)
		errx(EX_OSERR, "OpenSSL cannot be set up");
	ctx = open_store(s, ui, type == OSSL_STORE_INFO_PKEY, &bio);
	if (ctx == NULL && s->path == NULL && strncasecmp(s->name, "pkcs11:", 7) == 0)
		take_pkcs11(s, type, out, certs, &served);
	else if (ctx == NULL && s->path == NULL)
		served = false;
	if (ctx != NULL)
		OSSL_STORE_expect(ctx, type);
	for (i = 0; ctx != NULL && !done && !OSSL_STORE_eof(ctx) && i < OBJECTS_MAX; i++) {
		info = OSSL_STORE_load(ctx);
		done = take(info, type, out, certs);
		OSSL_STORE_INFO_free(info);
	}
	OSSL_STORE_close(ctx);
	BIO_free(bio);
	UI_destroy_method(ui);
	if (ctx == NULL && s->why[0] != '\0')
		return false;
	if (type == OSSL_STORE_INFO_PKEY ? out->key == NULL : sk_X509_num(certs) == 0)
		return nothing(s, served);
	return true;
}

/* Of a bundle, the certificate that is the key's. */
static bool
choose(const struct settings *set, struct appkey *out, const STACK_OF(X509) *certs,
    char why[FILE_WHY])
{
	X509	*cert;
	int	 i;

	for (i = 0; i < sk_X509_num(certs); i++) {
		cert = sk_X509_value(certs, i);
		if (X509_check_private_key(cert, out->key) == 1 && X509_up_ref(cert) == 1) {
			out->cert = cert;
			return true;
		}
	}
	snprintf(why, FILE_WHY, "%s: this key does not belong to the certificate in %s",
	    set->key_file, set->certificate_file);
	return false;
}

/* The file that is meant, with or without "file:" (RFC 8089) before it: OpenSSL's own
 * loader would check neither its owner nor its mode, and take a directory.  As there,
 * nothing is unescaped.  NULL for any other URI. */
static const char *
path_of(const char *name)
{
	if (!conf_is_uri(name))
		return name;
	if (strncasecmp(name, "file:", 5) != 0)
		return NULL;
	name += 5;
	if (strncmp(name, "//", 2) != 0)
		return name;
	name += 2;
	return strncasecmp(name, "localhost/", 10) == 0 ? name + 9 : name;
}

/* Sees what kind of place it is.  PIN and passphrase are in files of their own, not
 * where ps and less show them. */
static bool
place(struct source *s, const char *name)
{
	s->name = name;
	s->path = path_of(name);
	if (s->path == NULL && strstr(name, "pin-value=") != NULL)
		return fail(s, EX_CONFIG, "must not hold the PIN: put it into a file and name "
		    "that in key_passphrase_file");
	if (s->path != NULL && s->path != name && *s->path != '/')
		return fail(s, EX_CONFIG, "is no absolute path of this machine (file:/...)");
	return true;
}

/* What Entra would refuse in more words, and after a request. */
static bool
check_key(const struct settings *set, const EVP_PKEY *key, char why[FILE_WHY])
{
	if (EVP_PKEY_is_a(key, "RSA") && EVP_PKEY_get_bits(key) >= RSA_BITS_MIN)
		return true;
	snprintf(why, FILE_WHY, "%s: must be an RSA key of %d bits or more", set->key_file,
	    RSA_BITS_MIN);
	return false;
}

static bool
check_life(const struct settings *set, const X509 *cert, char why[FILE_WHY])
{
	if (X509_cmp_current_time(X509_get0_notAfter(cert)) > 0)
		return true;
	snprintf(why, FILE_WHY, "%s: the certificate has expired", set->certificate_file);
	return false;
}

bool
appkey_load(const struct settings *set, struct appkey *out, char why[FILE_WHY], int *status)
{
	struct source	 s = { .why = why, .status = status };
	STACK_OF(X509)	*certs = sk_X509_new_null();
	bool		 good = false;

	memset(out, 0, sizeof(*out));
	*status = EX_CONFIG;
	if (certs == NULL)
		err(EX_OSERR, NULL);
	if (set->key_passphrase_file != NULL &&
	    file_secret(set->key_passphrase_file, &s.passphrase, why) == -1) {
		*status = errno == EPERM || errno == EACCES ? EX_NOPERM : EX_CONFIG;
		goto out;
	}
	if (!place(&s, set->certificate_file) ||
	    !read_store(&s, OSSL_STORE_INFO_CERT, out, certs) || !place(&s, set->key_file) ||
	    !read_store(&s, OSSL_STORE_INFO_PKEY, out, certs))
		goto out;
	good = check_key(set, out->key, why) && choose(set, out, certs, why) &&
	    check_life(set, out->cert, why);
out:
	ERR_clear_error();
	sk_X509_pop_free(certs, X509_free);
	if (s.passphrase != NULL)
		explicit_bzero(s.passphrase, strlen(s.passphrase));
	free(s.passphrase);
	if (!good)
		appkey_free(out);
	return good;
}

int64_t
appkey_expires(const struct appkey *app)
{
	struct tm	 tm;

	if (ASN1_TIME_to_tm(X509_get0_notAfter(app->cert), &tm) != 1)
		return 0;
	return (int64_t)timegm(&tm);
}

void
appkey_free(struct appkey *app)
{
	EVP_PKEY_free(app->key);
	X509_free(app->cert);
	memset(app, 0, sizeof(*app));
}
