#include <errno.h>
#include <limits.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/when.h"
#include "store/share_tls.h"

struct tls {
	SSL_CTX	*ctx;
	SSL	*ssl;
};

static void
say(char *why, size_t size, const char *what)
{
	unsigned long	 e = ERR_peek_last_error();
	const char	*reason = e != 0 ? ERR_reason_error_string(e) : NULL;

	snprintf(why, size, "%s%s%s", what, reason != NULL ? ": " : "",
	    reason != NULL ? reason : "");
	ERR_clear_error();
}

static bool
load_files(struct tls *t, const char *ca, const char *cert, const char *key, char *why,
    size_t size)
{
	char	 what[PATH_MAX + 64];

	if (ca != NULL ? SSL_CTX_load_verify_file(t->ctx, ca) != 1 :
	    SSL_CTX_set_default_verify_paths(t->ctx) != 1) {
		snprintf(what, sizeof(what), "%s: cannot be used as CA", ca != NULL ? ca :
		    "the system's certificates");
		say(why, size, what);
		return false;
	}
	if (cert == NULL)
		return true;
	if (SSL_CTX_use_certificate_chain_file(t->ctx, cert) != 1 ||
	    SSL_CTX_use_PrivateKey_file(t->ctx, key != NULL ? key : cert, SSL_FILETYPE_PEM) != 1 ||
	    SSL_CTX_check_private_key(t->ctx) != 1) {
		snprintf(what, sizeof(what), "%s: cannot be used as our certificate and key",
		    cert);
		say(why, size, what);
		return false;
	}
	return true;
}

/* The name, or the address, that the certificate must be for (RFC 6125). */
static bool
expect(struct tls *t, const char *name)
{
	X509_VERIFY_PARAM	*p = SSL_get0_param(t->ssl);

	SSL_set_verify(t->ssl, SSL_VERIFY_PEER, NULL);
	if (X509_VERIFY_PARAM_set1_ip_asc(p, name) == 1)
		return true;
	ERR_clear_error();
	X509_VERIFY_PARAM_set_hostflags(p, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	/* SSL_set_tlsext_host_name(), whose cast clang refuses. */
	return SSL_set1_host(t->ssl, name) == 1 && SSL_ctrl(t->ssl,
	    SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
	    (void *)(uintptr_t)name) == 1;
}

static short
wanted(struct tls *t, int rc)
{
	switch (SSL_get_error(t->ssl, rc)) {
	case SSL_ERROR_WANT_READ:
		return POLLIN;
	case SSL_ERROR_WANT_WRITE:
		return POLLOUT;
	default:
		return 0;
	}
}

static bool
shake(struct tls *t, int fd, int wait_ms, char *why, size_t size)
{
	struct pollfd	 p = { fd, 0, 0 };
	int64_t		 end = when_ms() + wait_ms, left;
	long		 fault;
	int		 rc;

	while ((rc = SSL_connect(t->ssl)) != 1) {
		p.events = wanted(t, rc);
		left = end - when_ms();
		if (p.events != 0 && left > 0 && poll(&p, 1, (int)left) != 0)
			continue;
		if (p.events != 0)
			snprintf(why, size, "TLS: no answer within %d s", wait_ms / 1000);
		else if ((fault = SSL_get_verify_result(t->ssl)) != X509_V_OK) {
			snprintf(why, size, "TLS: its certificate: %s",
			    X509_verify_cert_error_string(fault));
			ERR_clear_error();
		} else
			say(why, size, "TLS: no agreement");
		return false;
	}
	return true;
}

struct tls *
tls_open(int fd, const char *name, const char *ca_file, const char *cert_file,
    const char *key_file, int wait_ms, char *why, size_t size, bool *conf)
{
	struct tls	*t;

	*conf = false;
	ERR_clear_error();
	if ((t = calloc(1, sizeof(*t))) == NULL ||
	    (t->ctx = SSL_CTX_new(TLS_client_method())) == NULL) {
		say(why, size, "TLS");
		goto bad;
	}
	SSL_CTX_set_min_proto_version(t->ctx, TLS1_2_VERSION);
	SSL_CTX_set_mode(t->ctx, SSL_MODE_ENABLE_PARTIAL_WRITE |
	    SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	if (!load_files(t, ca_file, cert_file, key_file, why, size)) {
		*conf = true;
		goto bad;
	}
	if ((t->ssl = SSL_new(t->ctx)) == NULL || SSL_set_fd(t->ssl, fd) != 1 ||
	    !expect(t, name)) {
		say(why, size, "TLS");
		goto bad;
	}
	if (shake(t, fd, wait_ms, why, size))
		return t;
bad:
	tls_close(t);
	return NULL;
}

void
tls_close(struct tls *t)
{
	if (t == NULL)
		return;
	SSL_free(t->ssl);
	SSL_CTX_free(t->ctx);
	free(t);
}

static ssize_t
result(struct tls *t, int rc, short *events)
{
	if (rc > 0)
		return rc;
	*events = wanted(t, rc);
	if (*events != 0)
		errno = EAGAIN;
	else if (SSL_get_error(t->ssl, rc) == SSL_ERROR_ZERO_RETURN)
		return 0;
	else if (errno == 0 || errno == EAGAIN)
		errno = ECONNRESET;
	ERR_clear_error();
	return -1;
}

ssize_t
tls_read(struct tls *t, void *buf, size_t n, short *events)
{
	errno = 0;
	return result(t, SSL_read(t->ssl, buf, n > INT_MAX ? INT_MAX : (int)n), events);
}

ssize_t
tls_write(struct tls *t, const void *buf, size_t n, short *events)
{
	errno = 0;
	return result(t, SSL_write(t->ssl, buf, n > INT_MAX ? INT_MAX : (int)n), events);
}

bool
tls_has(const struct tls *t)
{
	return SSL_pending(t->ssl) > 0;
}
