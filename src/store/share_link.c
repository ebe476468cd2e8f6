#include <sys/socket.h>
#include <sys/un.h>

#include <err.h>
#include <errno.h>
#include <hiredis/hiredis.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/file.h"
#include "base/num.h"
#include "base/text.h"
#include "base/when.h"
#include "store/share_link.h"
#include "store/share_tls.h"

#define CONNECT_MS	3000	/* for one address */
#define WORDS		32	/* of one link_text() */

struct link {
	int			 fd;
	struct tls		*tls;
	redisReader		*reader;
	struct redisReply	*early;		/* read already by link_has() */
	char			*out;		/* not yet sent */
	size_t			 len, room;
	int			 status;
	char			 why[LINK_WHY];
};

static bool
fail(struct link *l, int status, const char *what, const char *more)
{
	snprintf(l->why, sizeof(l->why), "%s%s%s", what, more != NULL ? ": " : "",
	    more != NULL ? more : "");
	l->status = status;
	return false;
}

/* Waits for the descriptor until end; false when that has come first. */
static bool
wait_for(struct link *l, short events, int64_t end)
{
	struct pollfd	 p = { l->fd, events, 0 };
	int64_t		 left;
	int		 rc;

	do {
		left = end - when_ms();
		rc = poll(&p, 1, left > 0 ? (int)left : 0);
	} while (rc == -1 && errno == EINTR && left > 0);
	return rc > 0 || fail(l, EX_UNAVAILABLE, "does not answer", NULL);
}

static bool
connect_one(struct link *l, const struct sockaddr *sa, socklen_t len, int64_t end)
{
	socklen_t	 n = sizeof(int);
	int		 fault = 0;

	l->fd = socket(sa->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (l->fd == -1)
		return fail(l, EX_UNAVAILABLE, "cannot connect", strerror(errno));
	if (connect(l->fd, sa, len) == -1) {
		fault = errno;
		if (fault == EINPROGRESS && wait_for(l, POLLOUT, end))
			getsockopt(l->fd, SOL_SOCKET, SO_ERROR, &fault, &n);
	}
	if (fault == 0)
		return true;
	if (fault != EINPROGRESS)
		fail(l, fault == EACCES ? EX_NOPERM : EX_UNAVAILABLE, "cannot connect",
		    strerror(fault));
	close(l->fd);
	l->fd = -1;
	return false;
}

static bool
connect_unix(struct link *l, const char *path)
{
	struct sockaddr_un	 sa = { .sun_family = AF_UNIX };

	if (!text_copy(sa.sun_path, sizeof(sa.sun_path), path))
		return fail(l, EX_CONFIG, "the socket's name is too long", NULL);
	return connect_one(l, (const struct sockaddr *)&sa, sizeof(sa), when_ms() + CONNECT_MS);
}

static bool
connect_tcp(struct link *l, const struct link_host *h)
{
	const struct addrinfo	 hints = { .ai_socktype = SOCK_STREAM };
	struct addrinfo		*all, *a;
	char			 port[16];
	int			 rc, one = 1;

	snprintf(port, sizeof(port), "%d", h->port);
	if ((rc = getaddrinfo(h->name, port, &hints, &all)) != 0)
		return fail(l, EX_UNAVAILABLE, h->name, gai_strerror(rc));
	for (a = all; a != NULL && l->fd == -1; a = a->ai_next)
		connect_one(l, a->ai_addr, a->ai_addrlen, when_ms() + CONNECT_MS);
	freeaddrinfo(all);
	if (l->fd == -1)
		return false;
	setsockopt(l->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	setsockopt(l->fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one));
	return true;
}

static struct link *
new_link(void)
{
	struct link	*l;

	if ((l = calloc(1, sizeof(*l))) == NULL ||
	    (l->reader = redisReaderCreate()) == NULL)
		err(EX_OSERR, NULL);
	l->fd = -1;
	return l;
}

void
link_close(struct link *l)
{
	if (l == NULL)
		return;
	tls_close(l->tls);
	if (l->fd != -1)
		close(l->fd);
	link_free(l->early);
	redisReaderFree(l->reader);
	if (l->out != NULL)
		explicit_bzero(l->out, l->room);
	free(l->out);
	free(l);
}

/* AUTH (ACL since Redis 6), with the password from its file, read each time:
 * it may have been changed since the last. */
static bool
login(struct link *l, const char *user, const char *file)
{
	struct redisReply	*r;
	char			*password = NULL, why[FILE_WHY];

	if (file[0] == '\0')
		return true;
	if (file_secret(file, &password, why) == -1)
		return fail(l, errno == EPERM || errno == EACCES ? EX_NOPERM : EX_CONFIG, why, NULL);
	if (user != NULL)
		link_text(l, "AUTH", user, password, LINK_END);
	else
		link_text(l, "AUTH", password, LINK_END);
	explicit_bzero(password, strlen(password));
	free(password);
	if (!link_send(l) || (r = link_next(l, LINK_WAIT_MS)) == NULL)
		return false;
	if (r->type == REDIS_REPLY_ERROR) {
		link_blame(l, r);
		link_free(r);
		return false;
	}
	link_free(r);
	return true;
}

static bool
greet(struct link *l, const struct share_conf *c, const char *name, const char *user,
    const char *file)
{
	char	 why[LINK_WHY];
	bool	 conf;

	if (c->tls && (l->tls = tls_open(l->fd, name, c->ca_file, c->certificate_file,
	    c->key_file, CONNECT_MS, why, sizeof(why), &conf)) == NULL)
		return fail(l, conf ? EX_CONFIG : EX_UNAVAILABLE, why, NULL);
	return login(l, user, file);
}

/* Asks one Sentinel who the master is. */
static bool
ask_sentinel(const struct share_conf *c, const struct link_host *h, struct link_host *out,
    struct link *said)
{
	struct link		*l = new_link();
	struct redisReply	*r = NULL;
	const char		*why;
	int64_t			 port = 0;
	bool			 good = false;

	if (connect_tcp(l, h) && greet(l, c, h->name, NULL, c->sentinel_password_file) &&
	    (r = link_ask(l, "SENTINEL", "get-master-addr-by-name", c->master, LINK_END)) != NULL) {
		good = link_count(r) == 2 &&
		    text_copy(out->name, sizeof(out->name), link_str(link_at(r, 0), NULL)) &&
		    num_parse(link_str(link_at(r, 1), NULL), 1, 65535, &port, &why);
		out->port = (int)port;
		if (!good)
			fail(l, EX_UNAVAILABLE, "Sentinel knows no master of this name", c->master);
	}
	if (!good)
		fail(said, l->status, l->why, NULL);
	link_free(r);
	link_close(l);
	return good;
}

/* Sentinel may name one that is not the master any more, or not yet. */
static bool
is_master(struct link *l)
{
	struct redisReply	*r = link_ask(l, "ROLE", LINK_END);
	bool			 good;

	if (r == NULL)
		return false;
	good = strcmp(link_str(link_at(r, 0), NULL), "master") == 0;
	link_free(r);
	return good || fail(l, EX_TEMPFAIL, "Sentinel names a server that is no master", NULL);
}

static bool
reach(struct link *l, const struct share_conf *c)
{
	struct link_host	 master;
	size_t			 i;

	if (c->kind == LINK_UNIX)
		return connect_unix(l, c->path) && greet(l, c, "", c->user, c->password_file);
	if (c->kind == LINK_TCP)
		return connect_tcp(l, &c->host[0]) &&
		    greet(l, c, c->host[0].name, c->user, c->password_file);
	for (i = 0; i < c->nhost; i++)
		if (ask_sentinel(c, &c->host[i], &master, l))
			return connect_tcp(l, &master) &&
			    greet(l, c, master.name, c->user, c->password_file) && is_master(l);
	return false;
}

struct link *
link_open(const struct share_conf *c, char why[LINK_WHY], int *status)
{
	struct link	*l = new_link();

	if (reach(l, c))
		return l;
	snprintf(why, LINK_WHY, "%.200s: %.300s", c->url, l->why);
	*status = l->status;
	link_close(l);
	return NULL;
}

int
link_fd(const struct link *l)
{
	return l->fd;
}

/* Room for n more bytes to send. */
static void
make_room(struct link *l, size_t n)
{
	char	*more;

	if (l->len + n <= l->room)
		return;
	if ((more = malloc(2 * (l->len + n))) == NULL)
		err(EX_OSERR, NULL);
	if (l->out != NULL) {
		memcpy(more, l->out, l->len);
		explicit_bzero(l->out, l->len);	/* a password, at first */
		free(l->out);
	}
	l->out = more;
	l->room = 2 * (l->len + n);
}

void
link_add(struct link *l, size_t n, const char *const word[], const size_t len[])
{
	const char	**argv;
	char		 *text = NULL;
	int		  size;

	/* hiredis' own type of it lacks a const. */
	if ((argv = malloc(n * sizeof(*argv))) == NULL)
		err(EX_OSERR, NULL);
	memcpy(argv, word, n * sizeof(*argv));
	if ((size = redisFormatCommandArgv(&text, (int)n, argv, len)) < 0)
		err(EX_OSERR, NULL);
	make_room(l, (size_t)size);
	memcpy(l->out + l->len, text, (size_t)size);
	l->len += (size_t)size;
	explicit_bzero(text, (size_t)size);
	redisFreeCommand(text);
	free(argv);
}

static void
add_words(struct link *l, va_list ap)
{
	const char	*word[WORDS];
	size_t		 len[WORDS], n;

	for (n = 0; n < WORDS && (word[n] = va_arg(ap, const char *)) != NULL; n++)
		len[n] = strlen(word[n]);
	link_add(l, n, word, len);
}

void
link_text(struct link *l, ...)
{
	va_list	 ap;

	va_start(ap, l);
	add_words(l, ap);
	va_end(ap);
}

bool
link_send(struct link *l)
{
	int64_t	 end = when_ms() + LINK_WAIT_MS;
	size_t	 at = 0;
	ssize_t	 n;
	short	 events;

	while (at < l->len) {
		events = POLLOUT;
		n = l->tls != NULL ? tls_write(l->tls, l->out + at, l->len - at, &events) :
		    send(l->fd, l->out + at, l->len - at, MSG_NOSIGNAL);
		if (n > 0) {
			at += (size_t)n;
			end = when_ms() + LINK_WAIT_MS;
		} else if (n == -1 && errno == EINTR)
			continue;
		else if (n == 0 || errno != EAGAIN)
			return fail(l, EX_UNAVAILABLE, "the connection is lost",
			    strerror(n == 0 ? EPIPE : errno));
		else if (!wait_for(l, events, end))
			return false;
	}
	l->len = 0;
	return true;
}

/* Feeds the reader with what has come.  1: something; 0: nothing yet; -1: lost. */
static int
feed(struct link *l, short *events)
{
	char	 buf[65536];
	ssize_t	 n;

	*events = POLLIN;
	do {
		n = l->tls != NULL ? tls_read(l->tls, buf, sizeof(buf), events) :
		    recv(l->fd, buf, sizeof(buf), 0);
	} while (n == -1 && errno == EINTR);
	if (n == -1 && errno == EAGAIN)
		return 0;
	if (n <= 0) {
		fail(l, EX_UNAVAILABLE, "the connection is lost",
		    n == 0 ? "closed by the server" : strerror(errno));
		return -1;
	}
	if (redisReaderFeed(l->reader, buf, (size_t)n) != REDIS_OK) {
		fail(l, EX_UNAVAILABLE, "is not Redis", l->reader->errstr);
		return -1;
	}
	return 1;
}

/* An answer from what was read; NULL: not yet whole, or *bad. */
static struct redisReply *
parse(struct link *l, bool *bad)
{
	void	*r = NULL;

	*bad = redisReaderGetReply(l->reader, &r) != REDIS_OK;
	if (*bad)
		fail(l, EX_UNAVAILABLE, "is not Redis", l->reader->errstr);
	return r;
}

struct redisReply *
link_next(struct link *l, int ms)
{
	struct redisReply	*r = l->early;
	int64_t			 end = when_ms() + ms;
	short			 events;
	bool			 bad;
	int			 rc;

	l->early = NULL;
	while (r == NULL) {
		if ((r = parse(l, &bad)) != NULL || bad)
			return r;
		if ((rc = feed(l, &events)) == -1)
			return NULL;
		if (rc == 0 && !wait_for(l, events, end))
			return NULL;
	}
	return r;
}

bool
link_has(struct link *l)
{
	bool	 bad;
	short	 events;
	int	 rc = 1;

	/* What is wrong shows at link_next(). */
	while (l->early == NULL && rc == 1) {
		l->early = parse(l, &bad);
		if (bad)
			return true;
		if (l->early == NULL)
			rc = feed(l, &events);
	}
	return rc == -1 || l->early != NULL;
}

void
link_free(struct redisReply *r)
{
	if (r != NULL)
		freeReplyObject(r);
}

enum link_kind
link_kind(const struct redisReply *r)
{
	switch (r->type) {
	case REDIS_REPLY_STRING:
	case REDIS_REPLY_STATUS:
		return LINK_STRING;
	case REDIS_REPLY_INTEGER:
		return LINK_INT;
	case REDIS_REPLY_ARRAY:
		return LINK_LIST;
	case REDIS_REPLY_ERROR:
		return LINK_WRONG;
	default:
		return LINK_NIL;
	}
}

const char *
link_str(const struct redisReply *r, size_t *len)
{
	bool	 is = r != NULL && (link_kind(r) == LINK_STRING || link_kind(r) == LINK_WRONG);

	if (len != NULL)
		*len = is ? r->len : 0;
	return is ? r->str : "";
}

int64_t
link_int(const struct redisReply *r)
{
	return r != NULL && r->type == REDIS_REPLY_INTEGER ? r->integer : 0;
}

size_t
link_count(const struct redisReply *r)
{
	return r != NULL && r->type == REDIS_REPLY_ARRAY ? r->elements : 0;
}

const struct redisReply *
link_at(const struct redisReply *r, size_t i)
{
	return i < link_count(r) ? r->element[i] : NULL;
}

struct redisReply *
link_ask(struct link *l, ...)
{
	struct redisReply	*r;
	va_list			 ap;

	va_start(ap, l);
	add_words(l, ap);
	va_end(ap);
	if (!link_send(l) || (r = link_next(l, LINK_WAIT_MS)) == NULL)
		return NULL;
	if (r->type != REDIS_REPLY_ERROR)
		return r;
	link_blame(l, r);
	link_free(r);
	return NULL;
}

void
link_blame(struct link *l, const struct redisReply *r)
{
	static const struct { const char *word; int status; } known[] = {
		{ "WRONGPASS", EX_NOPERM }, { "NOAUTH", EX_NOPERM }, { "NOPERM", EX_NOPERM },
		{ "ERR invalid password", EX_NOPERM }, { "ERR AUTH", EX_NOPERM },
		{ "LOADING", EX_TEMPFAIL }, { "READONLY", EX_TEMPFAIL },
		{ "MASTERDOWN", EX_TEMPFAIL }, { "BUSY", EX_TEMPFAIL }, { "OOM", EX_TEMPFAIL },
		{ "MISCONF", EX_TEMPFAIL }, { "NOREPLICAS", EX_TEMPFAIL },
		{ "NACEPOCH", EX_TEMPFAIL },
	};
	char	 shown[TEXT_SHOWN];
	size_t	 i, n = sizeof(known) / sizeof(known[0]);

	for (i = 0; i < n && strncmp(r->str, known[i].word, strlen(known[i].word)) != 0; i++)
		;
	fail(l, i < n ? known[i].status : EX_UNAVAILABLE, "Redis says",
	    text_safe(shown, sizeof(shown), r->str, r->len));
}

const char *
link_why(const struct link *l)
{
	return l->why;
}

int
link_status(const struct link *l)
{
	return l->status;
}
