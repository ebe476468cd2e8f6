#include <sys/socket.h>
#include <sys/types.h>

#include <err.h>
#include <errno.h>
#include <fcntl.h>
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

/* A body of this size is kept room for from one request of a connection to the
 * next; one with a certificate in it has 3 to 5 KiB. */
#define BODY_KEPT	8192

/* One request: those of a connection come one after the other. */
struct request {
	bool		 seen;		/* its headers */
	bool		 too_large;
	struct work	*work;		/* the answer is in it, until it is sent */
	char		*body;
	size_t		 len, room;
};

/* A connection that was accepted as its daemon was retired is counted by then. */
#define RETIRING_US	2000000

/* One connection.  busy: since when it owes us the rest of a request, or we owe
 * it an answer (milliseconds of the monotonic clock); 0: neither. */
struct conn {
	struct conn	*next, *prev;
	int		 fd;
	bool		 may_idle;	/* since its first request */
	_Atomic int64_t	 busy;
	struct request	 request;
};

struct http {
	const struct routes	*routes;
	struct http_options	 options;
	struct MHD_Daemon	*daemon[LISTEN_MAX];
	int			 fd[LISTEN_MAX];	/* a copy of the listener's */
	size_t			 ndaemon;
	atomic_uint		 under_way;
	atomic_bool		 stopping;
	atomic_uint		 nconns;
	int64_t			 retired;	/* when that was, by now_us() */

	pthread_mutex_t		 lock;		/* of what follows */
	struct conn		*conns;
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
	free(conn->request.body);
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
	struct conn			*conn;

	(void)uri;
	info = MHD_get_connection_info(c, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
	if (info == NULL || (conn = info->socket_context) == NULL)
		return NULL;
	conn->busy = now_us() / 1000;
	atomic_fetch_add(&h->under_way, 1);
	return conn;
}

static void
on_completed(void *cls, struct MHD_Connection *c, void **con_cls,
    enum MHD_RequestTerminationCode code)
{
	struct http	*h = cls;
	struct conn	*conn = *con_cls;
	struct request	*q;

	(void)c;
	(void)code;
	if (conn == NULL)
		return;
	q = &conn->request;
	if (q->work != NULL)
		give_work(h, q->work);
	q->work = NULL;
	q->seen = q->too_large = false;
	q->len = 0;
	if (q->room > BODY_KEPT) {
		free(q->body);
		q->body = NULL;
		q->room = 0;
	}
	conn->busy = 0;
	atomic_fetch_sub(&h->under_way, 1);
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
		for (room = q->room != 0 ? q->room : BODY_KEPT; room <= q->len + n; room *= 2)
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

/* The body of t must stay until on_completed(). */
static enum MHD_Result
send_answer(struct http *h, struct MHD_Connection *c, const struct told *t)
{
	struct MHD_Response	*r;
	enum MHD_Result		 rc;
	void			*body;

	/* It is only read; the parameter has no const. */
	memcpy(&body, &t->body, sizeof(body));
	if ((r = MHD_create_response_from_buffer(t->len, body, MHD_RESPMEM_PERSISTENT)) == NULL)
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

static const char *
header(struct MHD_Connection *c, const char *name)
{
	return MHD_lookup_connection_value(c, MHD_HEADER_KIND, name);
}

/* Says so at once where the length is announced, before the body comes. */
static bool
announces_too_much(struct MHD_Connection *c)
{
	const char	*value, *why;
	int64_t		 n;

	value = header(c, "Content-Length");
	return value != NULL && !num_parse(value, 0, ROUTES_BODY, &n, &why);
}

static enum MHD_Result
answer(struct http *h, struct MHD_Connection *c, struct request *q, const char *url,
    const char *method)
{
	struct metrics_now	 now = { 0 };
	struct told		 t;
	struct ask		 a = { .method = method, .path = url, .body = q->body,
				    .len = q->len };
	int64_t			 start = now_us();
	static char		 nothing[1];

	if (a.body == NULL)
		a.body = nothing;
	q->work = take_work(h);
	a.content_type = header(c, "Content-Type");
	a.authorization = header(c, "Authorization");
	a.signature = header(c, "X-Smallstep-Signature");
	now.connections = h->nconns;
	routes_answer(h->routes, q->work, &a, &now, &t);
	metrics_request(h->routes->metrics, t.endpoint, t.status,
	    (uint64_t)(now_us() - start));
	return send_answer(h, c, &t);
}

static enum MHD_Result
on_request(void *cls, struct MHD_Connection *c, const char *url, const char *method,
    const char *version, const char *data, size_t *size, void **con_cls)
{
	struct http	*h = cls;
	struct conn	*conn = *con_cls;
	struct request	*q;

	(void)version;
	if (conn == NULL)
		return MHD_NO;
	q = &conn->request;
	if (!q->seen) {
		q->seen = true;
		if (!conn->may_idle)
			MHD_set_connection_option(c, MHD_CONNECTION_OPTION_TIMEOUT, HTTP_IDLE);
		conn->may_idle = true;
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
start_one(struct http *h, int fd, unsigned int share)
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
	    MHD_OPTION_LISTEN_SOCKET, fd,
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
		/* libmicrohttpd closes the one it has when it does not start. */
		if ((h->fd[i] = fcntl(l[i].fd, F_DUPFD_CLOEXEC, 0)) == -1 ||
		    (h->daemon[i] = start_one(h, h->fd[i], share)) == NULL) {
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
http_retire(struct http *h)
{
	size_t	 i;

	h->stopping = true;
	h->retired = now_us();
	for (i = 0; i < h->ndaemon; i++)
		MHD_quiesce_daemon(h->daemon[i]);
}

bool
http_retired(const struct http *h)
{
	return h->nconns == 0 && now_us() - h->retired > RETIRING_US;
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
	for (i = 0; i < h->ndaemon; i++) {
		MHD_stop_daemon(h->daemon[i]);
		close(h->fd[i]);
	}
	while (h->nwork > 0)
		work_free(h->work[--h->nwork]);
	pthread_mutex_destroy(&h->lock);
	free(h);
}
