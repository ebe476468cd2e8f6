#include <netinet/in.h>

#include <linux/errqueue.h>

#include <err.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>

#include "radius/fleet_parts.h"

#define WINDOW	300000	/* ms in which an Identifier is not used again */
#define RCVBUF	(4 * 1024 * 1024)

static size_t
family_index(const struct fleet_nas *nas)
{
	return nas->addr.ss_family == AF_INET6;
}

/* Opens one more socket of a family.  Returns false without a descriptor left. */
static bool
sock_open(struct fleet *f, size_t fam)
{
	struct sock	*s = &f->sock[fam][f->nsock[fam]];
	int		 on = 1, size = RCVBUF;

	s->family = fam ? AF_INET6 : AF_INET;
	s->fd = socket(s->family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (s->fd == -1)
		return false;
	/* Not connected, so that it serves all; ICMP errors come all the same. */
	if (fam)
		setsockopt(s->fd, IPPROTO_IPV6, IPV6_RECVERR, &on, sizeof(on));
	else
		setsockopt(s->fd, IPPROTO_IP, IP_RECVERR, &on, sizeof(on));
	setsockopt(s->fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	f->nsock[fam]++;
	return true;
}

/*
 * Takes an Identifier that this NAS has not seen from us for a while; when there
 * is none, the one that was used longest ago.  Returns false when all are in
 * flight, or no socket is to be had.
 */
bool
fleet_id_take(struct fleet *f, struct ask *ask, uint8_t *id)
{
	struct fleet_nas	*nas = ask->nas;
	size_t			 fam = family_index(nas), i, at, best = SIZE_MAX;
	int64_t			 now = fleet_clock(), oldest = INT64_MAX;
	struct ids		*ids;

	for (i = 0; i < SOCKETS * IDS; i++) {
		at = (nas->cursor + i) % (SOCKETS * IDS);
		if (at / IDS >= f->nsock[fam] && !sock_open(f, fam)) {
			/* Make do with those that are open. */
			if (f->nsock[fam] == 0)
				err(EX_OSERR, "socket");
			i += SOCKETS * IDS - at - 1;
			continue;
		}
		if ((ids = nas->ids[at / IDS]) == NULL &&
		    (ids = nas->ids[at / IDS] = calloc(1, sizeof(*ids))) == NULL)
			err(EX_OSERR, NULL);
		if (ids->ask[at % IDS] != NULL || ids->used[at % IDS] >= oldest)
			continue;
		best = at;
		oldest = ids->used[at % IDS];
		if (oldest == 0 || oldest <= now - WINDOW)
			break;
	}
	if (best == SIZE_MAX)
		return false;
	nas->cursor = (best + 1) % (SOCKETS * IDS);
	nas->ids[best / IDS]->ask[best % IDS] = ask;
	nas->ids[best / IDS]->used[best % IDS] = now + (now == 0);
	ask->sock = best / IDS;
	*id = (uint8_t)(best % IDS);
	return true;
}

/* What ICMP says about packets of ours: the original comes back with its address,
 * and so finds its ask. */
void
fleet_take_errors(struct fleet *f, size_t fam, size_t sock)
{
	struct sockaddr_storage	 from;
	struct sock_extended_err *e;
	struct fleet_nas	*nas;
	struct cmsghdr		*c;
	uint8_t			 data[PACKET_HEADER], control[512];
	struct iovec		 iov = { data, sizeof(data) };
	struct msghdr		 m;
	size_t			 bucket;
	int			 i;

	for (i = 0; i < STEP; i++) {
		memset(&m, 0, sizeof(m));
		memset(&from, 0, sizeof(from));
		m.msg_name = &from;
		m.msg_namelen = sizeof(from);
		m.msg_iov = &iov;
		m.msg_iovlen = 1;
		m.msg_control = control;
		m.msg_controllen = sizeof(control);
		if (recvmsg(f->sock[fam][sock].fd, &m, MSG_ERRQUEUE | MSG_DONTWAIT) < 2)
			return;
		nas = fleet_nas_lookup(f, &from, &bucket);
		for (c = CMSG_FIRSTHDR(&m); c != NULL; c = CMSG_NXTHDR(&m, c)) {
			if ((c->cmsg_level != IPPROTO_IP || c->cmsg_type != IP_RECVERR) &&
			    (c->cmsg_level != IPPROTO_IPV6 || c->cmsg_type != IPV6_RECVERR))
				continue;
			e = (struct sock_extended_err *)(void *)CMSG_DATA(c);
			if (nas != NULL && nas->ids[sock] != NULL &&
			    nas->ids[sock]->ask[data[1]] != NULL)
				nas->ids[sock]->ask[data[1]]->refused = (int)e->ee_errno;
		}
	}
}

/* One copy into the socket.  Returns 0 or an errno. */
int
fleet_transmit(struct fleet *f, const struct ask *ask)
{
	size_t		 fam = family_index(ask->nas);
	struct pollfd	 p = { .fd = f->sock[fam][ask->sock].fd, .events = POLLOUT };
	int		 i;

	for (i = 0; i < 3; i++) {
		if (sendto(p.fd, ask->bytes, ask->len, 0,
		    (const struct sockaddr *)&ask->nas->addr, ask->nas->addrlen) != -1)
			return 0;
		if (errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS)
			poll(&p, 1, 10);
		else if (errno == ECONNREFUSED || errno == EHOSTUNREACH || errno == EINTR)
			/* The answer to an earlier packet, maybe to another NAS. */
			fleet_take_errors(f, fam, ask->sock);
		else
			break;
	}
	return errno;
}

void
fleet_receive(struct fleet *f, size_t fam, size_t sock)
{
	struct sockaddr_storage	 from;
	uint8_t			 data[PACKET_MAX];
	socklen_t		 len;
	ssize_t			 n;
	int			 i;

	for (i = 0; i < STEP; i++) {
		len = sizeof(from);
		memset(&from, 0, sizeof(struct sockaddr_in6));
		n = recvfrom(f->sock[fam][sock].fd, data, sizeof(data), 0,
		    (struct sockaddr *)&from, &len);
		if (n >= 0)
			fleet_take(f, sock, &from, data, (size_t)n);
		else if (errno == EAGAIN || errno == EWOULDBLOCK)
			return;
		else if (errno != EINTR)
			fleet_take_errors(f, fam, sock);
	}
}
