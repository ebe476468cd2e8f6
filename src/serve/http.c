#include <sys/socket.h>
#include <sys/types.h>

#include <err.h>
#include <errno.h>
#include <microhttpd.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "base/num.h"
#include "serve/http.h"

/* Request line and headers; those of FreeRADIUS have 300 bytes. */
#define HEADERS_MAX	16384

/* Works that are kept for the next request; more are made when they are needed. */
#define WORKS_KEPT	16

/* One connection.  busy: since when it owes us the rest of a request, or we owe
 * it an answer (milliseconds of the monotonic clock); 0: neither. */
struct conn {
	struct conn	*next, *prev;
	int		 fd;
	_Atomic int64_t	 busy;
};

/* One request. */
struct request {
	struct conn	*conn;
	bool		 seen;		/* its headers */
	bool		 too_large;
	char		*body;
	size_t		 len, room;
};

struct http {
	const struct routes	*routes;
	struct http_options	 options;
	struct MHD_Daemon	*daemon[LISTEN_MAX];
	size_t			 ndaemon;
	atomic_uint		 under_way;
	atomic_bool		 stopping;

	pthread_mutex_t		 lock;		/* of what follows */
	struct conn		*conns;
	unsigned int		 nconns;
	struct work		*work[WORKS_KEPT];
	size_t			 nwork;
};

static int64_t
now_us(void)
{
	struct timespec	 t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static struct work *
take_work(struct http *h)
{
	struct work	*w = NULL;

	pthread_mutex_lock(&h->lock);
	if (h->nwork > 0)
		w = h->work[--h->nwork];
	pthread_mutex_unlock(&h->lock);
	return w != NULL ? w : work_new();
}

static void
give_work(struct http *h, struct work *w)
{
	pthread_mutex_lock(&h->lock);
	if (h->nwork < WORKS_KEPT) {
		h->work[h->nwork++] = w;
		w = NULL;
	}
	pthread_mutex_unlock(&h->lock);
	if (w != NULL)
		work_free(w);
}

/* A new connection owes its first request. */
static void
conn_open(struct http *h, struct MHD_Connection *c, void **ctx)
{
	const union MHD_ConnectionInfo	*info;
	struct conn			*conn;

	info = MHD_get_connection_info(c, MHD_CONNECTION_INFO_CONNECTION_FD);
	if (info == NULL || (conn = calloc(1, sizeof(*conn))) == NULL)
		return;
	conn->fd = info->connect_fd;
	conn->busy = now_us() / 1000;
	*ctx = conn;
	pthread_mutex_lock(&h->lock);
	conn->next = h->conns;
	if (h->conns != NULL)
		h->conns->prev = conn;
	h->conns = conn;
	h->nconns++;
	pthread_mutex_unlock(&h->lock);
}

/* Called before the descriptor is closed: http_sweep() never meets one that is
 * somebody else's by now. */
static void
conn_close(struct http *h, struct conn *conn)
{
	pthread_mutex_lock(&h->lock);
	if (conn->prev != NULL)
		conn->prev->next = conn->next;
	else
		h->conns = conn->next;
	if (conn->next != NULL)
		conn->next->prev = conn->prev;
	h->nconns--;
	pthread_mutex_unlock(&h->lock);
	free(conn);
}

static void
on_connection(void *cls, struct MHD_Connection *c, void **ctx,
    enum MHD_ConnectionNotificationCode code)
{
	if (code == MHD_CONNECTION_NOTIFY_STARTED)
		conn_open(cls, c, ctx);
	else if (*ctx != NULL)
		conn_close(cls, *ctx);
}

/* The request line has come.  What this returns is the request's *con_cls. */
static void *
on_uri(void *cls, const char *uri, struct MHD_Connection *c)
{
	const union MHD_ConnectionInfo	*info;
	struct http			*h = cls;
	struct request			*q;

	(void)uri;
	if ((q = calloc(1, sizeof(*q))) == NULL)
		return NULL;
	info = MHD_get_connection_info(c, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
	if (info != NULL && (q->conn = info->socket_context) != NULL)
		q->conn->busy = now_us() / 1000;
	atomic_fetch_add(&h->under_way, 1);
	return q;
}

static void
on_completed(void *cls, struct MHD_Connection *c, void **con_cls,
    enum MHD_RequestTerminationCode code)
{
	struct http	*h = cls;
	struct request	*q = *con_cls;

	(void)c;
	(void)code;
	if (q == NULL)
		return;
	if (q->conn != NULL)
		q->conn->busy = 0;
	atomic_fetch_sub(&h->under_way, 1);
	free(q->body);
	free(q);
	*con_cls = NULL;
}

/* Keeps what has come of the body, up to the limit. */
static void
add_body(struct request *q, const char *data, size_t n)
{
	char	*more;
	size_t	 room;

	if (q->too_large || n > ROUTES_BODY - q->len) {
		q->too_large = true;
		return;
	}
	if (q->len + n >= q->room) {
		for (room = q->room != 0 ? q->room : 4096; room <= q->len + n; room *= 2)
			;
		if ((more = realloc(q->body, room)) == NULL) {
			q->too_large = true;
			return;
		}
		q->body = more;
		q->room = room;
	}
	memcpy(q->body + q->len, data, n);
	q->len += n;
}

static enum MHD_Result
send_answer(struct http *h, struct MHD_Connection *c, const struct told *t)
{
	struct MHD_Response	*r;
	enum MHD_Result		 rc;
	void			*body;

	/* Copied, so it is only read; the parameter has no const. */
	memcpy(&body, &t->body, sizeof(body));
	if ((r = MHD_create_response_from_buffer(t->len, body, MHD_RESPMEM_MUST_COPY)) == NULL)
		return MHD_NO;
	MHD_add_response_header(r, MHD_HTTP_HEADER_CONTENT_TYPE, t->type);
	if (t->status == 401)
		MHD_add_response_header(r, MHD_HTTP_HEADER_WWW_AUTHENTICATE, "Bearer");
	if (h->stopping)
		MHD_add_response_header(r, MHD_HTTP_HEADER_CONNECTION, "close");
	rc = MHD_queue_response(c, (unsigned int)t->status, r);
	MHD_destroy_response(r);
	return rc;
}

static enum MHD_Result
too_large(struct http *h, struct MHD_Connection *c, const char *url)
{
	static const char	 text[] = "the body is too large\n";
	struct told		 t = { routes_endpoint(url), 413, "text/plain", text,
				    sizeof(text) - 1 };

	metrics_request(h->routes->metrics, t.endpoint, t.status, 0);
	return send_answer(h, c, &t);
}

/* Says so at once where the length is announced, before the body comes. */
static bool
announces_too_much(struct MHD_Connection *c)
{
	const char	*value, *why;
	int64_t		 n;

	value = MHD_lookup_connection_value(c, MHD_HEADER_KIND, MHD_HTTP_HEADER_CONTENT_LENGTH);
	return value != NULL && !num_parse(value, 0, ROUTES_BODY, &n, &why);
}

static enum MHD_Result
answer(struct http *h, struct MHD_Connection *c, struct request *q, const char *url,
    const char *method)
{
	struct metrics_now	 now = { 0 };
	struct work		*w = take_work(h);
	struct told		 t;
	struct ask		 a = { .method = method, .path = url, .body = q->body,
				    .len = q->len };
	enum MHD_Result		 rc;
	int64_t			 start = now_us();
	static char		 nothing[1];

	if (a.body == NULL)
		a.body = nothing;
	a.content_type = MHD_lookup_connection_value(c, MHD_HEADER_KIND, "Content-Type");
	a.authorization = MHD_lookup_connection_value(c, MHD_HEADER_KIND, "Authorization");
	a.signature = MHD_lookup_connection_value(c, MHD_HEADER_KIND, "X-Smallstep-Signature");
	pthread_mutex_lock(&h->lock);
	now.connections = h->nconns;
	pthread_mutex_unlock(&h->lock);
	routes_answer(h->routes, w, &a, &now, &t);
	metrics_request(h->routes->metrics, t.endpoint, t.status,
	    (uint64_t)(now_us() - start));
	rc = send_answer(h, c, &t);
	give_work(h, w);
	return rc;
}

static enum MHD_Result
on_request(void *cls, struct MHD_Connection *c, const char *url, const char *method,
    const char *version, const char *data, size_t *size, void **con_cls)
{
	struct http	*h = cls;
	struct request	*q = *con_cls;

	(void)version;
	if (q == NULL)
		return MHD_NO;
	if (!q->seen) {
		q->seen = true;
		/* From its first request on the connection may idle. */
		MHD_set_connection_option(c, MHD_CONNECTION_OPTION_TIMEOUT, HTTP_IDLE);
		return announces_too_much(c) ? too_large(h, c, url) : MHD_YES;
	}
	if (*size > 0) {
		add_body(q, data, *size);
		*size = 0;
		return MHD_YES;
	}
	return q->too_large ? too_large(h, c, url) : answer(h, c, q, url, method);
}

/* What libmicrohttpd has to say is about peers that break off: no news. */
static void __attribute__((format(printf, 2, 0)))
on_log(void *cls, const char *fmt, va_list ap)
{
	(void)cls;
	(void)fmt;
	(void)ap;
}

static struct MHD_Daemon *
start_one(struct http *h, const struct listener *l, unsigned int share)
{
	const struct http_options	*o = &h->options;
	unsigned int			 flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_TURBO |
					    MHD_USE_ITC | MHD_USE_ERROR_LOG;
	struct MHD_OptionItem		 tls[] = {
		{ MHD_OPTION_END, 0, NULL }, { MHD_OPTION_END, 0, NULL },
		{ MHD_OPTION_END, 0, NULL }, { MHD_OPTION_END, 0, NULL },
	};
	static char			 priorities[] = "SECURE128:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2";

	if (o->cert != NULL) {
		flags |= MHD_USE_TLS;
		tls[0].option = MHD_OPTION_HTTPS_MEM_CERT;
		memcpy(&tls[0].ptr_value, &o->cert, sizeof(o->cert));
		tls[1].option = MHD_OPTION_HTTPS_MEM_KEY;
		memcpy(&tls[1].ptr_value, &o->key, sizeof(o->key));
		tls[2].option = MHD_OPTION_HTTPS_PRIORITIES;
		tls[2].ptr_value = priorities;
	}
	return MHD_start_daemon(flags, 0, NULL, NULL, on_request, h,
	    MHD_OPTION_EXTERNAL_LOGGER, on_log, NULL,
	    MHD_OPTION_LISTEN_SOCKET, l->fd,
	    MHD_OPTION_THREAD_POOL_SIZE, o->threads,
	    MHD_OPTION_CONNECTION_LIMIT, share,
	    MHD_OPTION_CONNECTION_TIMEOUT, o->timeout,
	    MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)HEADERS_MAX,
	    MHD_OPTION_URI_LOG_CALLBACK, on_uri, h,
	    MHD_OPTION_NOTIFY_COMPLETED, on_completed, h,
	    MHD_OPTION_NOTIFY_CONNECTION, on_connection, h,
	    MHD_OPTION_ARRAY, tls,
	    MHD_OPTION_END);
}

struct http *
http_start(const struct listener *l, size_t n, const struct http_options *o,
    const struct routes *r)
{
	struct http	*h;
	unsigned int	 share = o->connections / (unsigned int)n;
	size_t		 i;

	if ((h = calloc(1, sizeof(*h))) == NULL)
		err(EX_OSERR, NULL);
	h->routes = r;
	h->options = *o;
	pthread_mutex_init(&h->lock, NULL);
	if (h->options.threads > share)
		h->options.threads = share;
	/* libmicrohttpd takes a pool of one for a mistake. */
	if (h->options.threads == 1)
		h->options.threads = 0;
	for (i = 0; i < n; i++) {
		if ((h->daemon[i] = start_one(h, &l[i], share)) == NULL) {
			warnx("%s: libmicrohttpd does not start (%s)", l[i].name,
			    o->cert != NULL ? "certificate or key?" : "out of threads?");
			http_stop(h);
			return NULL;
		}
		h->ndaemon++;
	}
	return h;
}

void
http_sweep(struct http *h)
{
	struct conn	*c;
	int64_t		 now = now_us() / 1000, since;

	pthread_mutex_lock(&h->lock);
	for (c = h->conns; c != NULL; c = c->next) {
		since = c->busy;
		if (since != 0 && now - since > (int64_t)h->options.timeout * 1000)
			shutdown(c->fd, SHUT_RDWR);
	}
	pthread_mutex_unlock(&h->lock);
}

void
http_stop(struct http *h)
{
	const struct timespec	 pause = { 0, 10000000 };
	int64_t			 end = now_us() + (int64_t)h->options.timeout * 1000000;
	size_t			 i;

	h->stopping = true;
	for (i = 0; i < h->ndaemon; i++)
		MHD_quiesce_daemon(h->daemon[i]);
	while (h->under_way > 0 && now_us() < end)
		nanosleep(&pause, NULL);
	for (i = 0; i < h->ndaemon; i++)
		MHD_stop_daemon(h->daemon[i]);
	while (h->nwork > 0)
		work_free(h->work[--h->nwork]);
	pthread_mutex_destroy(&h->lock);
	free(h);
}
