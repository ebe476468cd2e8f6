/*
 * HTTP/1.1 around the routes, by libmicrohttpd: connections kept alive, limits
 * on their number, on bodies and on time.  The only file that knows
 * libmicrohttpd is http.c.
 */
#ifndef SERVE_HTTP_H
#define SERVE_HTTP_H

#include <stdbool.h>

#include "serve/listen.h"
#include "serve/routes.h"

/* How long a connection without a request is kept: a RADIUS server's pool is
 * left alone through a quiet night's hour and one that died is not kept for ever. */
#define HTTP_IDLE	3600	/* seconds */

struct http_options {
	unsigned int	 threads;	/* for each listener */
	unsigned int	 connections;	/* in all */
	unsigned int	 timeout;	/* seconds for one request, answer included */
	const char	*cert, *key;	/* PEM text, or NULL: no TLS */
};

struct http;

/* Starts answering on n listeners, whose descriptors stay the caller's.  Returns
 * NULL after a message. */
struct http *http_start(const struct listener *l, size_t n, const struct http_options *o,
	    const struct routes *r);

/* Ends connections whose request takes too long; to be called every second or
 * so. */
void	 http_sweep(struct http *h);

/* Takes no more connections, and closes each after its next answer; another http may
 * have the listeners from now on. */
void	 http_retire(struct http *h);

/* Whether http_stop() of what was retired would cut nobody off. */
bool	 http_retired(const struct http *h);

/* Takes no more connections, lets requests under way be answered for as long as
 * one may take, and ends. */
void	 http_stop(struct http *h);

#endif
