#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/text.h"
#include "intune/chain.h"

/* A name as RFC 2253 writes it, fit to be shown: it comes from a stranger. */
static void
name_text(const X509_NAME *name, char out[CHAIN_NAME])
{
	BIO	*bio = BIO_new(BIO_s_mem());
	char	*text;
	long	 n;

	out[0] = '\0';
	if (bio == NULL)
		return;
	if (X509_NAME_print_ex(bio, name, 0, XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB) >= 0 &&
	    (n = BIO_get_mem_data(bio, &text)) > 0)
		text_safe(out, CHAIN_NAME, text, (size_t)n);
	BIO_free(bio);
}

static void
alt_names(const X509 *cert, char out[CHAIN_NAME])
{
	GENERAL_NAMES		*names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
	const GENERAL_NAME	*name;
	size_t			 n = 0;
	int			 i;

	out[0] = '\0';
	for (i = 0; i < sk_GENERAL_NAME_num(names) && n + 12 < CHAIN_NAME; i++) {
		name = sk_GENERAL_NAME_value(names, i);
		if (name->type != GEN_DNS)
			continue;
		if (n > 0)
			out[n++] = ' ';
		text_safe(out + n, CHAIN_NAME - n,
		    (const char *)ASN1_STRING_get0_data(name->d.dNSName),
		    (size_t)ASN1_STRING_length(name->d.dNSName));
		n += strlen(out + n);
	}
	GENERAL_NAMES_free(names);
}

static void
note(struct chain *chain, const X509 *cert)
{
	unsigned char	 digest[EVP_MAX_MD_SIZE];
	struct tm	 tm;
	unsigned int	 len = 0, i;

	if (chain->n == CHAIN_MAX)
		return;
	name_text(X509_get_subject_name(cert), chain->cert[chain->n].subject);
	name_text(X509_get_issuer_name(cert), chain->cert[chain->n].issuer);
	alt_names(cert, chain->cert[chain->n].names);
	if (X509_digest(cert, EVP_sha256(), digest, &len) == 1)
		for (i = 0; i < 32 && i < len; i++)
			snprintf(chain->cert[chain->n].sha256 + 2 * i, 3, "%02x", digest[i]);
	if (ASN1_TIME_to_tm(X509_get0_notAfter(cert), &tm) == 1)
		chain->cert[chain->n].expires = (int64_t)timegm(&tm);
	chain->n++;
}

/* Whether a certificate says where its issuer's is to be had, as those of public
 * authorities do and those of a TLS inspection do not. */
static bool
names_issuer(const X509 *cert)
{
	AUTHORITY_INFO_ACCESS	*aia = X509_get_ext_d2i(cert, NID_info_access, NULL, NULL);
	bool			 found = false;
	int			 i;

	for (i = 0; i < sk_ACCESS_DESCRIPTION_num(aia); i++)
		found = found || OBJ_obj2nid(sk_ACCESS_DESCRIPTION_value(aia, i)->method) ==
		    NID_ad_ca_issuers;
	AUTHORITY_INFO_ACCESS_free(aia);
	return found;
}

/* What is missing above cert, at that depth, of the chain that was sent.  Where others
 * were sent that did not fit, there is a gap; an authority's own certificate that is
 * signed by nobody we know ends at the root. */
static enum chain_lacks
judge_gap(const X509 *cert, int depth, int sent)
{
	if (X509_NAME_cmp(X509_get_subject_name(cert), X509_get_issuer_name(cert)) == 0)
		return CHAIN_ROOT;
	if (sent > depth + 1 || (depth == 0 && names_issuer(cert)))
		return CHAIN_INTERMEDIATE;
	return depth == 0 ? CHAIN_EITHER : CHAIN_ROOT;
}

/* OpenSSL's own judgement, unchanged; and what it was made from. */
static int
on_verify(X509_STORE_CTX *ctx, void *arg)
{
	struct chain		*chain = arg;
	const STACK_OF(X509)	*sent = X509_STORE_CTX_get0_untrusted(ctx);
	const X509		*at;
	int			 verdict = X509_verify_cert(ctx), error, i;

	memset(chain, 0, sizeof(*chain));
	for (i = 0; i < sk_X509_num(sent); i++)
		note(chain, sk_X509_value(sent, i));
	error = X509_STORE_CTX_get_error(ctx);
	if (verdict == 1 && error == X509_V_OK)
		return verdict;
	text_copy(chain->fault, sizeof(chain->fault), X509_verify_cert_error_string(error));
	at = X509_STORE_CTX_get_current_cert(ctx);
	switch (error) {
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
	case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
	case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
	case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
		if (at == NULL)
			break;
		name_text(X509_get_issuer_name(at), chain->missing);
		chain->lacks = judge_gap(at, X509_STORE_CTX_get_error_depth(ctx), chain->n);
	}
	return verdict;
}

int
chain_watch(void *ssl_ctx, void *arg)
{
	SSL_CTX_set_cert_verify_callback(ssl_ctx, on_verify, arg);
	return 0;
}
