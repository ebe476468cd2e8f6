#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/num.h"
#include "base/text.h"
#include "serve/listen.h"

#define BACKLOG		1024
#define FIRST_FD	3	/* SD_LISTEN_FDS_START */

static int
status_of(int e)
{
	return e == EACCES || e == EPERM ? EX_NOPERM : EX_UNAVAILABLE;
}

static int
fault(char why[LISTEN_WHY], const char *where, int e)
{
	char	 shown[TEXT_SHOWN];

	snprintf(why, LISTEN_WHY, "%s: %s",
	    text_safe(shown, sizeof(shown), where, strlen(where)), strerror(e));
	return status_of(e);
}

/* Writes the name and whether the address is this machine's own. */
static bool
describe(struct listener *l)
{
	union {
		struct sockaddr		 any;
		struct sockaddr_in	 in;
		struct sockaddr_in6	 in6;
		struct sockaddr_un	 un;
		struct sockaddr_storage	 room;
	} a;
	socklen_t	 len = sizeof(a);
	char		 host[INET6_ADDRSTRLEN];

	memset(&a, 0, sizeof(a));
	if (getsockname(l->fd, &a.any, &len) == -1)
		return false;
	switch (a.any.sa_family) {
	case AF_UNIX:
		l->local = true;
		snprintf(l->name, sizeof(l->name), "unix:%.*s", (int)sizeof(a.un.sun_path),
		    a.un.sun_path);
		return true;
	case AF_INET:
		l->local = ntohl(a.in.sin_addr.s_addr) >> 24 == 127;
		snprintf(l->name, sizeof(l->name), "%s:%d",
		    inet_ntop(AF_INET, &a.in.sin_addr, host, sizeof(host)),
		    ntohs(a.in.sin_port));
		return true;
	case AF_INET6:
		l->local = IN6_IS_ADDR_LOOPBACK(&a.in6.sin6_addr) ||
		    (IN6_IS_ADDR_V4MAPPED(&a.in6.sin6_addr) && a.in6.sin6_addr.s6_addr[12] == 127);
		snprintf(l->name, sizeof(l->name), "[%s]:%d",
		    inet_ntop(AF_INET6, &a.in6.sin6_addr, host, sizeof(host)),
		    ntohs(a.in6.sin6_port));
		return true;
	}
	return false;
}

/* Removes a socket file that a killed server left.  One on which somebody
 * listens stays, and bind() then says that it is in use. */
static void
remove_stale(const struct sockaddr_un *un)
{
	struct stat	 st;
	int		 fd;

	if (lstat(un->sun_path, &st) == -1 || !S_ISSOCK(st.st_mode) ||
	    (fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) == -1)
		return;
	if (connect(fd, (const struct sockaddr *)un, sizeof(*un)) == -1 && errno == ECONNREFUSED)
		unlink(un->sun_path);
	close(fd);
}

static int
open_unix(const char *path, struct listener *l, char why[LISTEN_WHY])
{
	struct sockaddr_un	 un = { .sun_family = AF_UNIX };
	mode_t			 old;
	int			 rc;

	if (*path != '/' || !text_copy(un.sun_path, sizeof(un.sun_path), path)) {
		snprintf(why, LISTEN_WHY, "unix: wants an absolute path of at most %zu bytes",
		    sizeof(un.sun_path) - 1);
		return EX_USAGE;
	}
	remove_stale(&un);
	if ((l->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) == -1)
		return fault(why, path, errno);
	old = umask(0117);
	rc = bind(l->fd, (const struct sockaddr *)&un, sizeof(un));
	umask(old);
	if (rc == -1)
		return fault(why, path, errno);
	text_copy(l->path, sizeof(l->path), path);
	return listen(l->fd, BACKLOG) == -1 ? fault(why, path, errno) : 0;
}

/* "host:port" or "[host]:port" into its two halves. */
static bool
split(const char *where, char *host, size_t size, char *port, size_t port_size)
{
	const char	*colon = strrchr(where, ':'), *why;
	int64_t		 number;
	size_t		 n;

	if (colon == NULL || !num_parse(colon + 1, 0, 65535, &number, &why))
		return false;
	n = (size_t)(colon - where);
	if (*where == '[' && n >= 2 && where[n - 1] == ']') {
		where++;
		n -= 2;
	} else if (memchr(where, ':', n) != NULL)
		return false;
	if (n == 0 || n >= size)
		return false;
	memcpy(host, where, n);
	host[n] = '\0';
	return text_copy(port, port_size, colon + 1);
}

static int
open_inet(const char *where, struct listener *l, char why[LISTEN_WHY])
{
	struct addrinfo	 hints = { .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE,
			    .ai_socktype = SOCK_STREAM }, *ai;
	char		 host[INET6_ADDRSTRLEN + 20], port[8], shown[TEXT_SHOWN];
	int		 on = 1, rc = 0;

	if (!split(where, host, sizeof(host), port, sizeof(port)) ||
	    getaddrinfo(host, port, &hints, &ai) != 0) {
		snprintf(why, LISTEN_WHY, "%s: is no address (127.0.0.1:8043, [::1]:8043 or "
		    "unix:/path)", text_safe(shown, sizeof(shown), where, strlen(where)));
		return EX_USAGE;
	}
	l->fd = socket(ai->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (l->fd == -1 ||
	    setsockopt(l->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == -1 ||
	    (ai->ai_family == AF_INET6 &&
	    setsockopt(l->fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) == -1) ||
	    bind(l->fd, ai->ai_addr, ai->ai_addrlen) == -1 || listen(l->fd, BACKLOG) == -1)
		rc = fault(why, where, errno);
	freeaddrinfo(ai);
	return rc;
}

int
listen_open(const char *where, struct listener *out, char why[LISTEN_WHY])
{
	int	 rc;

	memset(out, 0, sizeof(*out));
	out->fd = -1;
	if (strncmp(where, "unix:", 5) == 0)
		rc = open_unix(where + 5, out, why);
	else
		rc = open_inet(where, out, why);
	if (rc == 0 && !describe(out))
		rc = fault(why, where, errno);
	if (rc != 0)
		listen_close(out);
	return rc;
}

static bool
take(int fd, struct listener *l, char why[LISTEN_WHY])
{
	int		 listening = 0, type = 0;
	socklen_t	 len = sizeof(int);

	memset(l, 0, sizeof(*l));
	l->fd = fd;
	if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &len) == -1 || !listening ||
	    getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == -1 || type != SOCK_STREAM ||
	    !describe(l)) {
		snprintf(why, LISTEN_WHY, "descriptor %d of systemd is no listening stream socket",
		    fd);
		return false;
	}
	if (fcntl(fd, F_SETFD, FD_CLOEXEC) == -1 || fcntl(fd, F_SETFL, O_NONBLOCK) == -1) {
		snprintf(why, LISTEN_WHY, "descriptor %d of systemd: %s", fd, strerror(errno));
		return false;
	}
	return true;
}

int
listen_inherited(struct listener *out, size_t max, char why[LISTEN_WHY])
{
	const char	*pid = getenv("LISTEN_PID"), *fds = getenv("LISTEN_FDS"), *bad;
	int64_t		 n, i, ours = 0;

	if (pid == NULL || fds == NULL || !num_parse(pid, 1, INT32_MAX, &ours, &bad) ||
	    ours != getpid())
		return 0;
	if (!num_parse(fds, 1, (int64_t)max, &n, &bad)) {
		snprintf(why, LISTEN_WHY, "LISTEN_FDS %s (1 to %zu sockets)", bad, max);
		return -1;
	}
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_FDNAMES");
	for (i = 0; i < n; i++)
		if (!take(FIRST_FD + (int)i, &out[i], why))
			return -1;
	return (int)n;
}

void
listen_close(struct listener *l)
{
	if (l->fd != -1)
		close(l->fd);
	l->fd = -1;
	if (l->path[0] != '\0')
		unlink(l->path);
	l->path[0] = '\0';
}
