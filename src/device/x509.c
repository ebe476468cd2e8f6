#include <err.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/objects.h>
#include <openssl/pkcs12.h>
#include <openssl/pkcs7.h>
#include <openssl/x509.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

#include "base/text.h"
#include "base/when.h"
#include "device/x509.h"

/* Certificate templates, MS-WCCE 2.2.2.7.7: by OID, and by name in older ones. */
#define OID_TEMPLATE	"1.3.6.1.4.1.311.21.7"
#define OID_TEMPLATE_V1	"1.3.6.1.4.1.311.20.2"
/* Microsoft's SID security extension, MS-WCCE 2.2.2.7.7.4, and the type of the
 * otherName inside. */
#define OID_SID		"1.3.6.1.4.1.311.25.2"
#define OID_SID_NAME	"1.3.6.1.4.1.311.25.2.1"

#define BEGIN		"-----BEGIN "
#define END		"-----END "
#define DASHES		"-----"
#define LABEL_MAX	64

/* RFC 4514 text, in which what is beyond ASCII stays as it is. */
#define DN_FLAGS	(XN_FLAG_RFC2253 & ~(unsigned long)ASN1_STRFLGS_ESC_MSB)

struct certs {
	STACK_OF(X509)	*stack;
};

struct cert_trust {
	X509_STORE	*store;
};

static void	 fail(char why[CERT_WHY], const char *fmt, ...)
		    __attribute__((format(printf, 2, 3)));

static void
fail(char why[CERT_WHY], const char *fmt, ...)
{
	va_list	 ap;

	va_start(ap, fmt);
	vsnprintf(why, CERT_WHY, fmt, ap);
	va_end(ap);
}

/*
 * Finding the certificates in a file.
 */

static bool
append(struct certs *certs, X509 *cert, char why[CERT_WHY])
{
	if (sk_X509_num(certs->stack) >= CERT_MAX) {
		fail(why, "more than %d certificates in one file", CERT_MAX);
		return false;
	}
	if (i2d_X509(cert, NULL) > CERT_DER_MAX) {
		fail(why, "a certificate larger than %d bytes", CERT_DER_MAX);
		return false;
	}
	if (!X509_up_ref(cert) || !sk_X509_push(certs->stack, cert))
		errx(EX_OSERR, "out of memory");
	return true;
}

static bool
add_pkcs7(struct certs *certs, const unsigned char *der, size_t len, char why[CERT_WHY])
{
	const unsigned char	*p = der;
	STACK_OF(X509)		*in = NULL;
	PKCS7			*p7;
	bool			 good = false;
	int			 i;

	if ((p7 = d2i_PKCS7(NULL, &p, (long)len)) == NULL)
		return false;
	if (PKCS7_type_is_signed(p7) && p7->d.sign != NULL)
		in = p7->d.sign->cert;
	if (p != der + len)
		fail(why, "%zu bytes too many after the PKCS#7", (size_t)(der + len - p));
	else if (sk_X509_num(in) < 1)
		fail(why, "PKCS#7 without a certificate in it");
	else
		good = true;
	for (i = 0; good && i < sk_X509_num(in); i++)
		good = append(certs, sk_X509_value(in, i), why);
	PKCS7_free(p7);
	return good;
}

static bool
add_x509(struct certs *certs, const unsigned char *der, size_t len, bool aux,
    char why[CERT_WHY])
{
	const unsigned char	*p = der;
	X509			*cert;
	bool			 good = false;

	if ((cert = d2i_X509(NULL, &p, (long)len)) == NULL)
		return false;
	/* OpenSSL's own TRUSTED CERTIFICATE has its settings behind. */
	if (p != der + len && !aux)
		fail(why, "%zu bytes too many after the certificate",
		    (size_t)(der + len - p));
	else
		good = append(certs, cert, why);
	X509_free(cert);
	return good;
}

/* What else people hand over.  Returns a reason. */
static const char *
other_der(const unsigned char *der, size_t len)
{
	const unsigned char	*p;
	const char		*what = "damaged: no certificate that can be decoded";
	X509_REQ		*req;
	X509_CRL		*crl;
	EVP_PKEY		*key;
	PKCS12			*p12;

	p = der;
	if ((req = d2i_X509_REQ(NULL, &p, (long)len)) != NULL)
		what = "a certificate request, no certificate";
	p = der;
	if ((crl = d2i_X509_CRL(NULL, &p, (long)len)) != NULL)
		what = "a revocation list, no certificate";
	p = der;
	if ((p12 = d2i_PKCS12(NULL, &p, (long)len)) != NULL)
		what = "PKCS#12, which is locked; take the certificate out with "
		    "openssl pkcs12 -nokeys";
	p = der;
	if ((key = d2i_AutoPrivateKey(NULL, &p, (long)len)) != NULL)
		what = "a private key, no certificate";
	X509_REQ_free(req);
	X509_CRL_free(crl);
	PKCS12_free(p12);
	EVP_PKEY_free(key);
	return what;
}

/* How long the value says that it is, with its head (X.690, 8.1.3); 0 when it does
 * not say.  OpenSSL's releases differ in what they tell of a length that is too large. */
static uint64_t
der_size(const unsigned char *der, size_t len)
{
	size_t		 i, n;
	uint64_t	 size = 0;

	if (len < 2)
		return 0;
	if (der[1] < 0x80)
		return 2 + (size_t)der[1];
	n = der[1] & 0x7f;
	if (n == 0 || n > 4 || len < 2 + n)
		return 0;
	for (i = 0; i < n; i++)
		size = size << 8 | der[2 + i];
	return 2 + n + size;
}

/* One DER value of any kind that we know. */
static bool
add_der(struct certs *certs, const unsigned char *der, size_t len, char why[CERT_WHY])
{
	uint64_t	 size = der_size(der, len);

	why[0] = '\0';
	if (size > len) {
		fail(why, "cut short: %zu of %" PRIu64 " bytes", len, size);
		return false;
	}
	if (add_x509(certs, der, len, false, why) || (why[0] == '\0' &&
	    add_pkcs7(certs, der, len, why)))
		return true;
	if (why[0] == '\0')
		fail(why, "%s", other_der(der, len));
	return false;
}

static size_t
line_of(const char *text, const char *at)
{
	size_t	 n = 1;

	for (; text < at; text++)
		n += *text == '\n';
	return n;
}

/* Decodes what stands between two armour lines; the caller frees.  NULL when it
 * is no base64. */
static unsigned char *
armour(const char *text, size_t len, size_t *out)
{
	EVP_ENCODE_CTX	*ctx = EVP_ENCODE_CTX_new();
	unsigned char	*der = malloc(len + 4);
	int		 n = 0, last = 0, rc;

	if (ctx == NULL || der == NULL)
		errx(EX_OSERR, "out of memory");
	EVP_DecodeInit(ctx);
	/* OpenSSL takes a hyphen for the end and does not look behind it. */
	rc = memchr(text, '-', len) != NULL ? -1 : EVP_DecodeUpdate(ctx, der, &n, (const unsigned char *)text, (int)len);
	if (rc == -1 || EVP_DecodeFinal(ctx, der + n, &last) != 1 || n + last == 0) {
		free(der);
		der = NULL;
	}
	*out = (size_t)(n + last);
	EVP_ENCODE_CTX_free(ctx);
	return der;
}

/* One block of PEM that holds certificates. */
static bool
add_block(struct certs *certs, const char *label, const char *text, size_t len,
    char why[CERT_WHY])
{
	unsigned char	*der;
	size_t		 n;
	bool		 good;

	why[0] = '\0';
	if ((der = armour(text, len, &n)) == NULL) {
		fail(why, "damaged: what follows is no base64");
		return false;
	}
	if (strcmp(label, "TRUSTED CERTIFICATE") == 0)
		good = add_x509(certs, der, n, true, why);
	else
		good = add_der(certs, der, n, why);
	if (!good && why[0] == '\0')
		fail(why, "damaged: no certificate that can be decoded");
	free(der);
	return good;
}

static bool
holds_certificates(const char *label)
{
	static const char *const labels[] = {
		"CERTIFICATE", "X509 CERTIFICATE", "TRUSTED CERTIFICATE", "PKCS7", "CMS",
	};
	size_t	 i;

	for (i = 0; i < sizeof(labels) / sizeof(*labels); i++)
		if (strcmp(label, labels[i]) == 0)
			return true;
	return false;
}

/* The label of a block that begins at s; returns what follows it, or NULL. */
static const char *
block_label(const char *s, const char *end, char label[LABEL_MAX])
{
	const char	*e;
	size_t		 n;

	s += strlen(BEGIN);
	e = memmem(s, (size_t)(end - s), DASHES, strlen(DASHES));
	if (e == NULL || (n = (size_t)(e - s)) == 0 || n >= LABEL_MAX ||
	    memchr(s, '\n', n) != NULL)
		return NULL;
	memcpy(label, s, n);
	label[n] = '\0';
	return e + strlen(DASHES);
}

static bool
add_pem(struct certs *certs, const char *text, size_t len, char why[CERT_WHY])
{
	const char	*end = text + len, *s = text, *body, *stop;
	char		 label[LABEL_MAX], mark[2 * LABEL_MAX], last[TEXT_SHOWN] = "";
	char		 reason[CERT_WHY];

	while ((s = memmem(s, (size_t)(end - s), BEGIN, strlen(BEGIN))) != NULL) {
		if ((body = block_label(s, end, label)) == NULL) {
			s += strlen(BEGIN);
			continue;
		}
		if (!holds_certificates(label)) {
			text_safe(last, sizeof(last), label, strlen(label));
			s = body;
			continue;
		}
		snprintf(mark, sizeof(mark), END "%s" DASHES, label);
		stop = memmem(body, (size_t)(end - body), mark, strlen(mark));
		if (stop == NULL)
			fail(reason, "cut short: the %s has no END line", label);
		if (stop == NULL ||
		    !add_block(certs, label, body, (size_t)(stop - body), reason)) {
			fail(why, "line %zu: %.1200s", line_of(text, s), reason);
			return false;
		}
		s = stop + strlen(mark);
	}
	if (sk_X509_num(certs->stack) == 0 && last[0] != '\0')
		fail(why, "no certificate in it; it holds: %s", last);
	else if (sk_X509_num(certs->stack) == 0)
		fail(why, "no certificate in it");
	return sk_X509_num(certs->stack) > 0;
}

struct certs *
cert_load(const void *data, size_t len, char why[CERT_WHY])
{
	struct certs		*certs;
	const unsigned char	*b = data;
	bool			 good = false;

	why[0] = '\0';
	if ((certs = calloc(1, sizeof(*certs))) == NULL ||
	    (certs->stack = sk_X509_new_null()) == NULL)
		errx(EX_OSERR, "out of memory");
	if (len > CERT_FILE_MAX)
		fail(why, "larger than %d bytes: no certificate file is", CERT_FILE_MAX);
	else if (len == 0)
		fail(why, "empty");
	else if (memmem(data, len, BEGIN, strlen(BEGIN)) != NULL)
		good = add_pem(certs, data, len, why);
	else if (b[0] == 0x30)		/* every SEQUENCE of DER */
		good = add_der(certs, b, len, why);
	else if (len > 1 && ((b[0] == 0xff && b[1] == 0xfe) || (b[0] == 0xfe && b[1] == 0xff)))
		fail(why, "UTF-16 text: save it as plain text or DER");
	else
		fail(why, "no certificate in it");
	ERR_clear_error();
	if (!good) {
		cert_free(certs);
		return NULL;
	}
	return certs;
}

void
cert_free(struct certs *certs)
{
	if (certs == NULL)
		return;
	sk_X509_pop_free(certs->stack, X509_free);
	free(certs);
}

size_t
cert_count(const struct certs *certs)
{
	return (size_t)sk_X509_num(certs->stack);
}

size_t
cert_leaf(const struct certs *certs)
{
	int	 i;

	for (i = 0; i < sk_X509_num(certs->stack); i++)
		if (X509_check_ca(sk_X509_value(certs->stack, i)) == 0)
			return (size_t)i;
	return 0;
}

/*
 * Taking one certificate apart.
 */

/* What cert_identity() carries through the functions below. */
struct work {
	X509		*cert;
	struct identity	*id;
	cert_note	 note;
	void		*arg;
	char		*why;
};

static void
note(const struct work *w, const char *what, const void *text, size_t len)
{
	char	 shown[TEXT_SHOWN], line[2 * TEXT_SHOWN];

	if (w->note == NULL)
		return;
	snprintf(line, sizeof(line), "%s%s", what, text_safe(shown, sizeof(shown), text, len));
	w->note(w->arg, line);
}

/* Puts the text of an ASN.1 string, whatever its alphabet, into out as UTF-8.
 * Returns NULL, or why it is none. */
static const char *
to_utf8(const ASN1_STRING *s, char out[IDENTITY_TEXT])
{
	unsigned char	*utf8 = NULL;
	const char	*bad = NULL;
	int		 n;

	out[0] = '\0';
	/* Of Windows' UTF-16 this knows what UCS-2 has; a certificate with more
	 * in a name OpenSSL has not even decoded. */
	if ((n = ASN1_STRING_to_UTF8(&utf8, s)) < 0)
		return "is no valid text";
	if (n >= IDENTITY_TEXT)
		bad = "is longer than 255 bytes";
	else if (n > 0 && memchr(utf8, '\0', (size_t)n) != NULL)
		bad = "has a NUL byte in it";
	else {
		memcpy(out, utf8, (size_t)n);
		out[n] = '\0';
	}
	OPENSSL_free(utf8);
	return bad;
}

static bool
name_text(const X509_NAME *name, char *out, size_t size)
{
	BIO	*bio = BIO_new(BIO_s_mem());
	char	*text;
	long	 n;
	bool	 good = false;

	if (bio == NULL)
		errx(EX_OSERR, "out of memory");
	if (X509_NAME_print_ex(bio, name, 0, DN_FLAGS) >= 0 &&
	    (n = BIO_get_mem_data(bio, &text)) < (long)size) {
		memcpy(out, text, (size_t)n);
		out[n] = '\0';
		good = true;
	}
	BIO_free(bio);
	return good;
}

/* The names of subject and issuer in messages; a bad one is shown as such. */
static const char *
name_shown(const X509_NAME *name, char *out, size_t size)
{
	char	 text[sizeof(((struct identity *)0)->subject)];

	if (!name_text(name, text, sizeof(text)))
		text_copy(text, sizeof(text), "(a name that cannot be shown)");
	return text_safe(out, size, text[0] != '\0' ? text : "(nobody)",
	    strlen(text[0] != '\0' ? text : "(nobody)"));
}

static bool
take_names(struct work *w)
{
	struct identity		*id = w->id;
	const X509_NAME		*subject = X509_get_subject_name(w->cert);
	const char		*bad;
	char			 cn[IDENTITY_TEXT];
	int			 i, nid;

	if (!name_text(subject, id->subject, sizeof(id->subject)) ||
	    !name_text(X509_get_issuer_name(w->cert), id->issuer, sizeof(id->issuer))) {
		fail(w->why, "its subject or issuer is no valid text or longer than %zu bytes",
		    sizeof(id->subject) - 1);
		return false;
	}
	/* From the end: behind CN=Computers of a directory comes the device's. */
	for (i = X509_NAME_entry_count(subject) - 1; i >= 0; i--) {
		X509_NAME_ENTRY	*e = X509_NAME_get_entry(subject, i);

		nid = OBJ_obj2nid(X509_NAME_ENTRY_get_object(e));
		if (nid != NID_commonName)
			continue;
		if ((bad = to_utf8(X509_NAME_ENTRY_get_data(e), cn)) != NULL) {
			fail(w->why, "its CN %s", bad);
			return false;
		}
		identity_add_cn(id, cn, FOUND_CN);
	}
	return true;
}

static bool
to_time(const ASN1_TIME *t, int64_t *out)
{
	struct tm	 tm;

	if (!ASN1_TIME_to_tm(t, &tm))
		return false;
	/* RFC 5280 4.1.2.5: 99991231235959Z is no end. */
	*out = tm.tm_year + 1900 >= 9999 ? WHEN_ALWAYS : (int64_t)timegm(&tm);
	return true;
}

static bool
take_numbers(struct work *w)
{
	static const char	 hex[] = "0123456789abcdef";
	struct identity		*id = w->id;
	const ASN1_INTEGER	*serial = X509_get0_serialNumber(w->cert);
	const unsigned char	*b = ASN1_STRING_get0_data(serial);
	unsigned char		 md[EVP_MAX_MD_SIZE];
	unsigned int		 i, n = (unsigned int)ASN1_STRING_length(serial);

	/* RFC 5280 4.1.2.2 allows 20. */
	if (2 * n >= sizeof(id->serial)) {
		fail(w->why, "its serial number has %u bytes, and 20 are allowed", n);
		return false;
	}
	for (i = 0; i < n; i++) {
		id->serial[2 * i] = hex[b[i] >> 4];
		id->serial[2 * i + 1] = hex[b[i] & 15];
	}
	if (!X509_digest(w->cert, EVP_sha256(), md, &n) || 2 * n >= sizeof(id->sha256)) {
		fail(w->why, "it has no SHA-256 fingerprint");
		return false;
	}
	for (i = 0; i < n; i++) {
		id->sha256[2 * i] = hex[md[i] >> 4];
		id->sha256[2 * i + 1] = hex[md[i] & 15];
	}
	if (!to_time(X509_get0_notBefore(w->cert), &id->not_before) ||
	    !to_time(X509_get0_notAfter(w->cert), &id->not_after)) {
		fail(w->why, "its validity is no pair of times");
		return false;
	}
	return true;
}

/* The SID extension is written as one otherName: 30 { A0 { OID, A0 { 04 … } } }. */
static void
take_sid(struct work *w)
{
	ASN1_OBJECT		*oid = OBJ_txt2obj(OID_SID, 1);
	GENERAL_NAMES		*names = NULL;
	const ASN1_OCTET_STRING	*data;
	const unsigned char	*p, *end;
	GENERAL_NAME		*name;
	ASN1_TYPE		*v;
	char			 type[64];
	int			 at = X509_get_ext_by_OBJ(w->cert, oid, -1);

	if (at >= 0) {
		data = X509_EXTENSION_get_data(X509_get_ext(w->cert, at));
		p = ASN1_STRING_get0_data(data);
		end = p + ASN1_STRING_length(data);
		names = d2i_GENERAL_NAMES(NULL, &p, (long)(end - p));
		name = names != NULL && p == end && sk_GENERAL_NAME_num(names) == 1 ?
		    sk_GENERAL_NAME_value(names, 0) : NULL;
		if (name != NULL && name->type == GEN_OTHERNAME &&
		    OBJ_obj2txt(type, sizeof(type), name->d.otherName->type_id, 1) > 0 &&
		    strcmp(type, OID_SID_NAME) == 0) {
			v = name->d.otherName->value;
			if (v->type == V_ASN1_OCTET_STRING)
				identity_add_sid(w->id,
				    (const char *)ASN1_STRING_get0_data(v->value.octet_string),
				    (size_t)ASN1_STRING_length(v->value.octet_string));
		}
		if (w->id->sid[0] == '\0')
			note(w, "extension " OID_SID " is left out: it holds no SID", "", 0);
	}
	GENERAL_NAMES_free(names);
	ASN1_OBJECT_free(oid);
}

static const ASN1_OCTET_STRING *
extension(X509 *cert, const char *oid)
{
	ASN1_OBJECT	*o = OBJ_txt2obj(oid, 1);
	int		 at = X509_get_ext_by_OBJ(cert, o, -1);

	ASN1_OBJECT_free(o);
	return at >= 0 ? X509_EXTENSION_get_data(X509_get_ext(cert, at)) : NULL;
}

/* The template is told to people and rules; one that cannot be read is none. */
static void
take_template(struct work *w)
{
	const ASN1_OCTET_STRING	*data;
	const unsigned char	*p;
	STACK_OF(ASN1_TYPE)	*list = NULL;
	ASN1_TYPE		*name = NULL;
	const ASN1_TYPE		*first;
	char			 text[IDENTITY_TEXT];

	if ((data = extension(w->cert, OID_TEMPLATE)) != NULL) {
		p = ASN1_STRING_get0_data(data);
		list = d2i_ASN1_SEQUENCE_ANY(NULL, &p, ASN1_STRING_length(data));
		first = list != NULL && sk_ASN1_TYPE_num(list) > 0 ?
		    sk_ASN1_TYPE_value(list, 0) : NULL;
		if (first == NULL || first->type != V_ASN1_OBJECT ||
		    OBJ_obj2txt(w->id->template, sizeof(w->id->template),
		    first->value.object, 1) >= (int)sizeof(w->id->template))
			w->id->template[0] = '\0';
	} else if ((data = extension(w->cert, OID_TEMPLATE_V1)) != NULL) {
		p = ASN1_STRING_get0_data(data);
		name = d2i_ASN1_TYPE(NULL, &p, ASN1_STRING_length(data));
		if (name != NULL && (name->type == V_ASN1_BMPSTRING ||
		    name->type == V_ASN1_UTF8STRING) &&
		    (to_utf8(name->value.asn1_string, text) != NULL ||
		    !text_copy(w->id->template, sizeof(w->id->template), text)))
			w->id->template[0] = '\0';
	}
	sk_ASN1_TYPE_pop_free(list, ASN1_TYPE_free);
	ASN1_TYPE_free(name);
}

static bool
take_uri(struct work *w, const ASN1_STRING *s)
{
	struct identity	 alone;
	const char	*uri = (const char *)ASN1_STRING_get0_data(s);
	size_t		 len = (size_t)ASN1_STRING_length(s);

	if (len > 0 && memchr(uri, '\0', len) != NULL) {
		fail(w->why, "a URI of its subjectAltName has a NUL byte in it");
		return false;
	}
	identity_add_uri(w->id, uri, len);
	identity_add_san(w->id, FOUND_SAN_URI, uri, len);
	memset(&alone, 0, sizeof(alone));
	identity_add_uri(&alone, uri, len);
	if (alone.nguid == 0 && alone.sid[0] == '\0')
		note(w, "no device id in the URI ", uri, len);
	return true;
}

static bool
take_upn(struct work *w, const OTHERNAME *other)
{
	const char	*bad;
	char		 upn[IDENTITY_TEXT];

	if (OBJ_obj2nid(other->type_id) != NID_ms_upn ||
	    other->value->type != V_ASN1_UTF8STRING)
		return true;
	if ((bad = to_utf8(other->value->value.utf8string, upn)) != NULL) {
		fail(w->why, "the UPN of its subjectAltName %s", bad);
		return false;
	}
	if (w->id->upn[0] == '\0')
		text_copy(w->id->upn, sizeof(w->id->upn), upn);
	else
		note(w, "a second UPN is left out: ", upn, strlen(upn));
	return true;
}

static bool
take_general_name(struct work *w, const GENERAL_NAME *name)
{
	const char	*bad;
	char		 text[IDENTITY_TEXT];

	switch (name->type) {
	case GEN_URI:
		return take_uri(w, name->d.uniformResourceIdentifier);
	case GEN_OTHERNAME:
		return take_upn(w, name->d.otherName);
	case GEN_DNS:
	case GEN_EMAIL:
		/* A mail address is nobody's device, but a NUL in it is a lie too. */
		if ((bad = to_utf8(name->d.ia5, text)) != NULL) {
			fail(w->why, "a %s of its subjectAltName %s",
			    name->type == GEN_DNS ? "DNS name" : "mail address", bad);
			return false;
		}
		if (name->type == GEN_DNS) {
			identity_add_cn(w->id, text, FOUND_SAN_DNS);
			identity_add_san(w->id, FOUND_SAN_DNS, text, strlen(text));
		}
		return true;
	default:
		return true;
	}
}

static bool
take_san(struct work *w)
{
	GENERAL_NAMES	*names;
	int		 i, n, critical;
	bool		 good = true;

	names = X509_get_ext_d2i(w->cert, NID_subject_alt_name, &critical, NULL);
	if (names == NULL) {
		if (critical == -1)
			return true;	/* there is none */
		fail(w->why, critical == -2 ? "it has more than one subjectAltName" :
		    "its subjectAltName cannot be decoded");
		return false;
	}
	if ((n = sk_GENERAL_NAME_num(names)) > CERT_SAN_MAX) {
		fail(w->why, "its subjectAltName has %d entries, more than %d", n, CERT_SAN_MAX);
		good = false;
	}
	for (i = 0; good && i < n; i++)
		good = take_general_name(w, sk_GENERAL_NAME_value(names, i));
	GENERAL_NAMES_free(names);
	return good;
}

/* "TLS Web Client Authentication, …" of the extended key usage, or "any". */
static char *
usage_text(X509 *cert, char *out, size_t size)
{
	EXTENDED_KEY_USAGE	*eku;
	char			 one[80];
	size_t			 n = 0;
	int			 i;

	eku = X509_get_ext_d2i(cert, NID_ext_key_usage, NULL, NULL);
	snprintf(out, size, "any");
	for (i = 0; i < sk_ASN1_OBJECT_num(eku) && n < size; i++) {
		OBJ_obj2txt(one, sizeof(one), sk_ASN1_OBJECT_value(eku, i), 0);
		n += (size_t)snprintf(out + n, size - n, "%s%s", i > 0 ? ", " : "", one);
	}
	EXTENDED_KEY_USAGE_free(eku);
	return out;
}

bool
cert_identity(const struct certs *certs, size_t i, struct identity *out, cert_note tell,
    void *arg, char why[CERT_WHY])
{
	struct work	 w = { sk_X509_value(certs->stack, (int)i), out, tell, arg, why };
	char		 usage[TEXT_SHOWN];
	bool		 good;

	why[0] = '\0';
	memset(out, 0, sizeof(*out));
	good = take_names(&w) && take_numbers(&w);
	if (good) {
		take_sid(&w);
		take_template(&w);
		good = take_san(&w);
	}
	if (good && tell != NULL) {
		usage_text(w.cert, usage, sizeof(usage));
		note(&w, "extended key usage: ", usage, strlen(usage));
		if (out->nguid + out->nname == 0)
			note(&w, "it names no device", "", 0);
	}
	ERR_clear_error();
	return good;
}

/*
 * Verifying.
 */

struct cert_trust *
cert_trust_new(const struct certs *certs)
{
	struct cert_trust	*trust;
	int			 i;

	if ((trust = calloc(1, sizeof(*trust))) == NULL ||
	    (trust->store = X509_STORE_new()) == NULL)
		errx(EX_OSERR, "out of memory");
	for (i = 0; i < sk_X509_num(certs->stack); i++)
		if (!X509_STORE_add_cert(trust->store, sk_X509_value(certs->stack, i)))
			errx(EX_OSERR, "out of memory");
	return trust;
}

void
cert_trust_free(struct cert_trust *trust)
{
	if (trust == NULL)
		return;
	X509_STORE_free(trust->store);
	free(trust);
}

/* The reason in words, with what a person needs to mend it. */
static void
explain(X509_STORE_CTX *ctx, char why[CERT_WHY])
{
	X509		*cert = X509_STORE_CTX_get_current_cert(ctx);
	int		 error = X509_STORE_CTX_get_error(ctx);
	const char	*text = X509_verify_cert_error_string(error);
	char		 name[512], more[512], when[WHEN_TEXT];
	int64_t		 t = 0;

	if (cert == NULL) {
		fail(why, "%s", text);
		return;
	}
	name_shown(X509_get_subject_name(cert), name, sizeof(name));
	switch (error) {
	case X509_V_ERR_CERT_HAS_EXPIRED:
		to_time(X509_get0_notAfter(cert), &t);
		snprintf(more, sizeof(more), " on %s", when_format(when, t));
		break;
	case X509_V_ERR_CERT_NOT_YET_VALID:
		to_time(X509_get0_notBefore(cert), &t);
		snprintf(more, sizeof(more), ": it begins on %s", when_format(when, t));
		break;
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
	case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
		snprintf(more, sizeof(more), ": issuer is ");
		name_shown(X509_get_issuer_name(cert), more + strlen(more),
		    sizeof(more) - strlen(more));
		break;
	case X509_V_ERR_INVALID_PURPOSE:
		snprintf(more, sizeof(more), ": it is for ");
		usage_text(cert, more + strlen(more), TEXT_SHOWN);
		break;
	default:
		more[0] = '\0';
	}
	if (X509_STORE_CTX_get_error_depth(ctx) > 0)
		fail(why, "%s%s (%s)", text, more, name);
	else
		fail(why, "%s%s", text, more);
}

bool
cert_verify(const struct certs *certs, size_t i, const struct cert_trust *trust,
    int64_t at, char why[CERT_WHY])
{
	X509_STORE_CTX		*ctx = X509_STORE_CTX_new();
	X509_VERIFY_PARAM	*param;
	bool			 good;

	why[0] = '\0';
	if (ctx == NULL || !X509_STORE_CTX_init(ctx, trust->store,
	    sk_X509_value(certs->stack, (int)i), certs->stack))
		errx(EX_OSERR, "out of memory");
	param = X509_STORE_CTX_get0_param(ctx);
	X509_VERIFY_PARAM_set_purpose(param, X509_PURPOSE_SSL_CLIENT);
	X509_VERIFY_PARAM_set_time(param, (time_t)at);
	good = X509_verify_cert(ctx) == 1;
	if (!good)
		explain(ctx, why);
	X509_STORE_CTX_free(ctx);
	ERR_clear_error();
	return good;
}
