/*
 * HTTPS requests over libcurl, which is included nowhere else.  Always TLS 1.2
 * or later, always with the peer verified, never following a redirect, with
 * connections that are reused, by HTTP/2 for many requests at a time.  Only the
 * endpoint of a managed identity, on this machine, speaks plain HTTP.
 */
#ifndef INTUNE_HTTP_H
#define INTUNE_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "intune/settings.h"

#define HTTP_WHY	512

struct http;

struct http_request {
	const char	*url;
	const char	*post;		/* the body of a POST, or NULL for a GET */
	size_t		 post_len;
	const char	*type;		/* its Content-Type; of a GET what is accepted, NULL = JSON */
	const char	*bearer;	/* a token, or NULL */
	bool		 local;		/* plain HTTP on this machine, past any proxy */
	const char	*basic;		/* what follows "Authorization: Basic ", or NULL */
	size_t		 max;		/* bytes of body that are taken */
};

struct http_answer {
	long		 status;
	char		*body;		/* NUL-terminated beyond len; NULL when empty */
	size_t		 len;
	char		 challenge[512];	/* WWW-Authenticate; "" when not given */
	char		 retry_after[64];	/* in seconds if it can be read; "" when not given */
	char		 request_id[64];	/* Microsoft's request-id, for support cases */
};

enum http_end {
	HTTP_DONE,		/* there is an answer, of whatever status but 3xx */
	HTTP_UNREACHABLE,	/* no address, no connection, no TLS, or a redirect */
	HTTP_TIMEOUT,
	HTTP_BROKEN		/* cut off, garbled, or larger than allowed */
};

/* Returns a handle that http_free() frees; without memory the program ends.
 * The settings must outlive it. */
struct http *http_new(const struct settings *set);
void	 http_free(struct http *http);

/*
 * From now on threads of a crew (crew.h) may call http_do() at the same time: one
 * more thread moves all their bytes, over as few connections as will do.
 */
void	 http_parallel(struct http *http);

/*
 * Sends one request.  For HTTP_DONE the answer is filled and http_clear() frees
 * it; for the others *answer is empty and why says what happened, in one line.
 */
enum http_end http_do(struct http *http, const struct http_request *request,
	    struct http_answer *answer, char why[HTTP_WHY]);

/* How far a connection gets, for who has to find out why it gets no farther. */
enum http_stage {
	HTTP_AT_NAME,		/* the name of the host, */
	HTTP_AT_PROXY,		/* the proxy's name, its door, or its answer to CONNECT, */
	HTTP_AT_CONNECT,	/* the host's door, */
	HTTP_AT_TLS,		/* or its certificate did not do */
	HTTP_SECURE		/* all is well */
};

struct http_probe {
	enum http_stage	 stage;
	bool		 tunnel;	/* a proxy has opened one */
	char		 ip[64];	/* of the host, or of the proxy; "" before that */
	char		 proxy[64];	/* which setting names a proxy, or "" */
	char		 why[HTTP_WHY];	/* of a stage that failed */
};

/*
 * Connects to host (host or host:port) as a request would, and sends none.  tls is
 * called with libssl's SSL_CTX and arg before the handshake; it returns 0 to go on.
 */
enum http_end http_probe(struct http *http, const char *host, int (*tls)(void *ctx, void *arg),
	    void *arg, struct http_probe *out);

/* Wipes (a body may hold a token) and frees. */
void	 http_clear(struct http_answer *answer);

/* The exit status for what is not HTTP_DONE: EX_UNAVAILABLE or EX_TEMPFAIL. */
int	 http_status(enum http_end end);

#endif
