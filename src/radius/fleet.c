#include <sys/random.h>

#include <netinet/in.h>

#include <linux/errqueue.h>

#include <err.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "base/when.h"
#include "radius/fleet.h"

#define TABLE		4096	/* buckets for NASes and for keys */
#define SOCKETS		64	/* 16,384 Identifiers for each NAS */
#define IDS		256
#define WINDOW		300000	/* ms in which an Identifier is not used again */
#define BURST		10000	/* us that a limited rate may be behind by */
#define LATE		250	/* ms after which a NAS that says nothing may be dead */
#define STEP		512	/* datagrams taken from one socket at a time */
#define NOTES		16	/* of ignored replies: a flood is counted, not told */
#define RCVBUF		(4 * 1024 * 1024)

/* The Identifiers of one NAS on one socket. */
struct ids {
	struct ask	*ask[IDS];	/* in flight under it */
	int64_t		 used[IDS];	/* when it was taken last; 0 never */
};

struct fleet_nas {
	struct sockaddr_storage	 addr;
	socklen_t		 addrlen;
	struct fleet_nas	*bucket;
	struct ask		*head, **tail;	/* the queue */
	struct ask		*flight;	/* the oldest first */
	size_t			 nflight;
	struct ids		*ids[SOCKETS];
	size_t			 cursor;	/* socket * IDS + Identifier to try next */
	bool			 ready;		/* is in fleet.ready[] */
	bool			 suspect;	/* was silent, and has said nothing since */
	int64_t			 heard;		/* when it answered last */
	int64_t			 silent_until;
	int64_t			 next_us;	/* by --nas-rate */
};

struct sock {
	int	 fd;
	int	 family;
};

struct fleet {
	const struct fleet_options *o;
	struct fleet_nas	*nas[TABLE];
	struct ask		*key[TABLE];
	uint64_t		 seed;
	struct sock		 sock[2][SOCKETS];	/* IPv4, IPv6 */
	size_t			 nsock[2];
	struct fleet_nas	**ready;	/* those with a queue */
	size_t			 nready, ready_room;
	struct ask		**heap;		/* timers, the next one first */
	size_t			 nheap, heap_room;
	size_t			 held, flying;
	size_t			 counted;	/* flying, and not to a NAS that may be dead */
	int64_t			 next_us;	/* by --rate */
};

static int64_t
clock_us(void)
{
	struct timespec	 ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

int64_t
fleet_clock(void)
{
	return clock_us() / 1000;
}

static void *
grown(void *p, size_t n, size_t *room, size_t size)
{
	if (n < *room)
		return p;
	*room = *room == 0 ? 64 : 2 * *room;
	if ((p = reallocarray(p, *room, size)) == NULL)
		err(EX_OSERR, NULL);
	return p;
}

/* FNV-1a from a random start, so that nobody can choose who shares a bucket. */
static size_t
hash(const struct fleet *f, const void *data, size_t len)
{
	const uint8_t	*p = data;
	uint64_t	 h = f->seed;
	size_t		 i;

	for (i = 0; i < len; i++)
		h = (h ^ p[i]) * 0x100000001b3;
	return (size_t)(h ^ h >> 32) % TABLE;
}

struct fleet *
fleet_new(const struct fleet_options *options)
{
	struct fleet	*f = calloc(1, sizeof(*f));

	if (f == NULL)
		err(EX_OSERR, NULL);
	f->o = options;
	if (getrandom(&f->seed, sizeof(f->seed), 0) != sizeof(f->seed))
		err(EX_OSERR, "getrandom");
	return f;
}

/* ---- timers: a binary heap by ask->due; ask->heap is its place and one */

static void
heap_put(struct fleet *f, size_t i, struct ask *ask)
{
	f->heap[i] = ask;
	ask->heap = i + 1;
}

static void
heap_up(struct fleet *f, size_t i)
{
	struct ask	*ask = f->heap[i];

	for (; i > 0 && f->heap[(i - 1) / 2]->due > ask->due; i = (i - 1) / 2)
		heap_put(f, i, f->heap[(i - 1) / 2]);
	heap_put(f, i, ask);
}

static void
heap_down(struct fleet *f, size_t i)
{
	struct ask	*ask = f->heap[i];
	size_t		 child;

	while ((child = 2 * i + 1) < f->nheap) {
		if (child + 1 < f->nheap && f->heap[child + 1]->due < f->heap[child]->due)
			child++;
		if (f->heap[child]->due >= ask->due)
			break;
		heap_put(f, i, f->heap[child]);
		i = child;
	}
	heap_put(f, i, ask);
}

static void
timer_stop(struct fleet *f, struct ask *ask)
{
	struct ask	*last;
	size_t		 i = ask->heap;

	if (i-- == 0)
		return;
	ask->heap = 0;
	last = f->heap[--f->nheap];
	if (last == ask)
		return;
	heap_put(f, i, last);
	heap_up(f, i);
	heap_down(f, last->heap - 1);
}

static void
timer_set(struct fleet *f, struct ask *ask, int64_t due)
{
	timer_stop(f, ask);
	f->heap = grown(f->heap, f->nheap, &f->heap_room, sizeof(struct ask *));
	ask->due = due;
	heap_put(f, f->nheap++, ask);
	heap_up(f, f->nheap - 1);
}

/* ---- sessions by key */

static struct ask *
key_find(const struct fleet *f, const char *key)
{
	struct ask	*ask = f->key[hash(f, key, strlen(key))];

	while (ask != NULL && strcmp(ask->key, key) != 0)
		ask = ask->bucket;
	return ask;
}

static void
key_add(struct fleet *f, struct ask *ask)
{
	struct ask	**at = &f->key[hash(f, ask->key, strlen(ask->key))];

	ask->bucket = *at;
	*at = ask;
}

static void
key_remove(struct fleet *f, struct ask *ask)
{
	struct ask	**at = &f->key[hash(f, ask->key, strlen(ask->key))];

	while (*at != ask)
		at = &(*at)->bucket;
	*at = ask->bucket;
}

/* ---- the NASes and their queues */

/* Same address and port; the rest of a sockaddr is of no matter. */
static size_t
address_bytes(const struct sockaddr_storage *ss, uint8_t out[19])
{
	const struct sockaddr_in	*in4 = (const struct sockaddr_in *)ss;
	const struct sockaddr_in6	*in6 = (const struct sockaddr_in6 *)ss;

	memset(out, 0, 19);
	if (ss->ss_family == AF_INET6) {
		memcpy(out, &in6->sin6_port, 2);
		memcpy(out + 2, &in6->sin6_addr, 16);
	} else {
		memcpy(out, &in4->sin_port, 2);
		memcpy(out + 2, &in4->sin_addr, 4);
	}
	out[18] = (uint8_t)ss->ss_family;
	return 19;
}

static struct fleet_nas *
nas_lookup(const struct fleet *f, const struct sockaddr_storage *addr, size_t *bucket)
{
	struct fleet_nas	*nas;
	uint8_t			 a[19], b[19];
	size_t			 n = address_bytes(addr, a);

	*bucket = hash(f, a, n);
	for (nas = f->nas[*bucket]; nas != NULL; nas = nas->bucket) {
		address_bytes(&nas->addr, b);
		if (memcmp(a, b, n) == 0)
			return nas;
	}
	return NULL;
}

static struct fleet_nas *
nas_get(struct fleet *f, const struct sockaddr_storage *addr, socklen_t len)
{
	struct fleet_nas	*nas;
	size_t			 bucket;

	if ((nas = nas_lookup(f, addr, &bucket)) != NULL)
		return nas;
	if ((nas = calloc(1, sizeof(*nas))) == NULL)
		err(EX_OSERR, NULL);
	nas->addr = *addr;
	nas->addrlen = len;
	nas->tail = &nas->head;
	nas->bucket = f->nas[bucket];
	f->nas[bucket] = nas;
	return nas;
}

void
fleet_leave_alone(struct fleet *f, const struct sockaddr_storage *addr, socklen_t len,
    int seconds)
{
	struct fleet_nas	*nas = nas_get(f, addr, len);

	nas->suspect = true;
	nas->silent_until = fleet_clock() + (int64_t)seconds * 1000;
}

static void
enqueue(struct fleet *f, struct ask *ask, bool first)
{
	struct fleet_nas	*nas = ask->nas;

	ask->state = ASK_WAITING;
	if (first) {
		if ((ask->next = nas->head) == NULL)
			nas->tail = &ask->next;
		nas->head = ask;
	} else {
		ask->next = NULL;
		*nas->tail = ask;
		nas->tail = &ask->next;
	}
	if (nas->ready)
		return;
	f->ready = grown(f->ready, f->nready, &f->ready_room, sizeof(struct fleet_nas *));
	f->ready[f->nready++] = nas;
	nas->ready = true;
}

static void
delay(struct fleet *f, struct ask *ask, int64_t ms)
{
	ask->state = ASK_DELAYED;
	timer_set(f, ask, fleet_clock() + ms);
}

/* Puts an ask where it waits for its turn. */
static void
start_waiting(struct fleet *f, struct ask *ask)
{
	uint32_t	 random;

	key_add(f, ask);
	if (f->o->jitter == 0) {
		enqueue(f, ask, false);
		return;
	}
	if (getrandom(&random, sizeof(random), 0) != sizeof(random))
		err(EX_OSERR, "getrandom");
	delay(f, ask, random % ((int64_t)f->o->jitter * 1000 + 1));
}

/* Puts the newer ask into the place of an older one of the same session. */
static void
replace(struct fleet *f, struct ask *old, struct ask *ask)
{
	struct ask	**at;

	ask->state = old->state;
	key_remove(f, old);
	key_add(f, ask);
	if (old->state == ASK_DELAYED) {
		timer_set(f, ask, old->due);
		timer_stop(f, old);
	} else {
		for (at = &old->nas->head; *at != old; at = &(*at)->next)
			;
		*at = ask;
		if ((ask->next = old->next) == NULL)
			old->nas->tail = &ask->next;
	}
	ask->merged = old->merged + 1;
	f->held--;
	f->o->dropped(old, f->o->arg);
}

void
fleet_add(struct fleet *f, struct ask *ask)
{
	struct ask	*old = key_find(f, ask->key);

	ask->nas = nas_get(f, &ask->addr, ask->addrlen);
	f->held++;
	/* The session may have moved to another port of the NAS: then both are sent. */
	if (old == NULL || old->nas != ask->nas)
		start_waiting(f, ask);
	else if (old->tries == 0 && old->state != ASK_FLYING)
		replace(f, old, ask);
	else {
		/* What is on its way cannot be called back; this one goes next. */
		if (old->later != NULL) {
			ask->merged = old->later->merged + 1;
			f->held--;
			f->o->dropped(old->later, f->o->arg);
		}
		old->later = ask;
	}
}

bool
fleet_full(const struct fleet *f)
{
	return f->held >= FLEET_HELD;
}

bool
fleet_idle(const struct fleet *f)
{
	return f->held == 0;
}

void
fleet_state(const struct fleet *f, struct fleet_state *out)
{
	const struct fleet_nas	*nas;
	int64_t			 now = fleet_clock();
	size_t			 i;

	out->held = f->held;
	out->flying = f->flying;
	out->silent = 0;
	for (i = 0; i < TABLE; i++)
		for (nas = f->nas[i]; nas != NULL; nas = nas->bucket)
			out->silent += nas->silent_until > now;
}

/* ---- sockets */

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
static bool
id_take(struct fleet *f, struct ask *ask, uint8_t *id)
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

static void
note(const struct fleet *f, const struct ask *ask, const char *what)
{
	if (f->o->note != NULL)
		f->o->note(ask, what);
}

/* What ICMP says about packets of ours: the original comes back with its address,
 * and so finds its ask. */
static void
take_errors(struct fleet *f, size_t fam, size_t sock)
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
		nas = nas_lookup(f, &from, &bucket);
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
static int
transmit(struct fleet *f, const struct ask *ask)
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
			take_errors(f, fam, ask->sock);
		else
			break;
	}
	return errno;
}

/* It does not count any more among those in flight in all. */
static void
uncount(struct fleet *f, struct ask *ask)
{
	f->counted -= ask->counts;
	ask->counts = false;
}

/* Sends one copy and sets when the next is due: 2, 4, 8 seconds later.  Behind the
 * first one there is a look at how it stands. */
static void
send_copy(struct fleet *f, struct ask *ask)
{
	char	 what[FLEET_WHY];
	int	 rc;

	timer_set(f, ask, fleet_clock() + (ask->copies == 0 ? LATE :
	    (int64_t)f->o->timeout * 1000 << ask->copies));
	ask->copies++;
	ask->tries++;
	if ((rc = transmit(f, ask)) != 0)
		ask->refused = rc;
	if (f->o->note == NULL)
		return;
	if (rc != 0)
		snprintf(what, sizeof(what), "try %u of %d: %s", ask->copies, f->o->tries,
		    strerror(rc));
	else
		snprintf(what, sizeof(what), "try %u of %d: code %u, Id %u, %zu bytes",
		    ask->copies, f->o->tries, ask->bytes[0], ask->bytes[1], ask->len);
	note(f, ask, what);
}

/* ---- the life of an ask */

/* It has left the queue and the air for good; what its session wants next follows. */
static void
finish(struct fleet *f, struct ask *ask)
{
	struct ask	*later = ask->later;

	key_remove(f, ask);
	ask->later = NULL;
	f->held--;
	f->o->done(ask, f->o->arg);
	if (later != NULL)
		start_waiting(f, later);
}

/* Takes it out of the air. */
static void
land(struct fleet *f, struct ask *ask)
{
	struct ask	**at;

	timer_stop(f, ask);
	for (at = &ask->nas->flight; *at != ask; at = &(*at)->next)
		;
	*at = ask->next;
	ask->nas->nflight--;
	ask->nas->ids[ask->sock]->ask[ask->bytes[1]] = NULL;
	f->flying--;
	uncount(f, ask);
	explicit_bzero(ask->bytes, ask->len);
	free(ask->bytes);
	ask->bytes = NULL;
}

/* An exchange has ended in some way. */
static void
conclude(struct fleet *f, struct ask *ask, enum ask_result result)
{
	int64_t	 pause = 0;

	ask->result = result;
	ask->ms = (int)(fleet_clock() - ask->started);
	switch (f->o->answered(ask, &pause, f->o->arg)) {
	case FLEET_AGAIN:
		enqueue(f, ask, true);
		break;
	case FLEET_LATER:
		delay(f, ask, pause);
		break;
	case FLEET_END:
		finish(f, ask);
		break;
	}
}

/* Ends everything that waits for a NAS which does not answer. */
static void
spare(struct fleet *f, struct fleet_nas *nas)
{
	struct ask	*ask;

	while ((ask = nas->head) != NULL) {
		if ((nas->head = ask->next) == NULL)
			nas->tail = &nas->head;
		ask->result = ASK_SILENT;
		snprintf(ask->why, sizeof(ask->why), "%s: this NAS did not answer a moment ago",
		    ask->tries == 0 ? "not tried" : "not tried again");
		finish(f, ask);
	}
}

static void
give_up(struct fleet *f, struct ask *ask)
{
	struct fleet_nas	*nas = ask->nas;

	if (ask->ignored > 0)
		snprintf(ask->why, sizeof(ask->why), "ignored %u answer%s, the last because %s",
		    ask->ignored, ask->ignored == 1 ? "" : "s",
		    packet_verdict_text(ask->verdict));
	else if (ask->refused == ECONNREFUSED)
		snprintf(ask->why, sizeof(ask->why), "nothing listens on that port");
	else if (ask->refused != 0)
		snprintf(ask->why, sizeof(ask->why), "%s", strerror(ask->refused));
	else
		snprintf(ask->why, sizeof(ask->why), "no answer: a wrong secret or clock, "
		    "another port, or a NAS that does not take us for its client");
	land(f, ask);
	/* One request may be lost on a NAS that lives; but this one says nothing. */
	if (nas->heard < ask->first && f->o->silent > 0) {
		nas->suspect = true;
		nas->silent_until = fleet_clock() + (int64_t)f->o->silent * 1000;
	}
	conclude(f, ask, ASK_SILENT);
}

/* Sends the first copy of an ask that has left the queue. */
static void
take_off(struct fleet *f, struct ask *ask, uint8_t id)
{
	struct fleet_nas	*nas = ask->nas;
	struct packet		 packet;
	struct ask		**at;

	ask->next = NULL;
	if (!f->o->build(ask, id, &packet, f->o->arg)) {
		nas->ids[ask->sock]->ask[id] = NULL;
		finish(f, ask);
		return;
	}
	if ((ask->bytes = malloc(packet.len)) == NULL)
		err(EX_OSERR, NULL);
	memcpy(ask->bytes, packet.b, packet.len);
	explicit_bzero(packet.b, packet.len);
	ask->len = packet.len;
	for (at = &nas->flight; *at != NULL; at = &(*at)->next)
		;
	*at = ask;
	nas->nflight++;
	f->flying++;
	f->counted++;
	ask->counts = true;
	ask->state = ASK_FLYING;
	ask->result = ASK_PENDING;
	ask->copies = 0;
	ask->refused = 0;
	ask->ignored = 0;
	ask->first = fleet_clock();
	if (ask->started == 0)
		ask->started = ask->first;
	send_copy(f, ask);
}

/* Moves a pace on; it may not be further behind the clock than BURST. */
static void
pace(int64_t *next, int64_t now, int rate)
{
	if (rate == 0)
		return;
	if (*next < now - BURST)
		*next = now - BURST;
	*next += 1000000 / rate;
}

/* Whether a NAS may be sent one more now; lowers *wake to when it may. */
static bool
may_send(const struct fleet *f, const struct fleet_nas *nas, int64_t now_us, int64_t *wake)
{
	size_t	 most = f->o->nas_jobs;

	/* Dead ones must not take the places of the others. */
	if (nas->suspect)
		most = 1;
	else if (nas->heard == 0 && most > FLEET_FIRST_JOBS)
		most = FLEET_FIRST_JOBS;
	if (nas->nflight >= most)
		return false;
	if (nas->next_us > now_us) {
		if (nas->next_us < *wake)
			*wake = nas->next_us;
		return false;
	}
	return true;
}

/* Sends one of a NAS's queue.  Returns whether one left the queue. */
static bool
send_one(struct fleet *f, struct fleet_nas *nas, int64_t now_us, int64_t *wake)
{
	struct ask	*ask = nas->head;
	uint8_t		 id;

	if (nas->silent_until > now_us / 1000) {
		spare(f, nas);
		return false;
	}
	if (!may_send(f, nas, now_us, wake) || !id_take(f, ask, &id))
		return false;
	if ((nas->head = ask->next) == NULL)
		nas->tail = &nas->head;
	pace(&f->next_us, now_us, f->o->rate);
	pace(&nas->next_us, now_us, f->o->nas_rate);
	take_off(f, ask, id);
	return true;
}

/*
 * Sends what may be sent, one of each NAS in turn.  Returns when to come back at
 * the latest, in us, for a rate; INT64_MAX for no such reason.
 */
static int64_t
send_all(struct fleet *f)
{
	struct fleet_nas	*nas;
	int64_t			 now = clock_us(), wake = INT64_MAX;
	size_t			 i;
	bool			 more;

	do {
		more = false;
		for (i = 0; i < f->nready;) {
			nas = f->ready[i];
			if (f->counted >= f->o->jobs || f->flying >= 4 * FLEET_JOBS_MAX)
				return wake;
			if (f->next_us > now)
				return f->next_us < wake ? f->next_us : wake;
			if (nas->head != NULL)
				more = send_one(f, nas, now, &wake) || more;
			if (nas->head != NULL) {
				i++;
				continue;
			}
			nas->ready = false;
			f->ready[i] = f->ready[--f->nready];
		}
	} while (more);
	return wake;
}

/* What is due: another copy, the end of patience, or the end of a pause. */
static void
expire(struct fleet *f)
{
	struct ask	*ask;
	int64_t		 now = fleet_clock(), timeout = (int64_t)f->o->timeout * 1000;

	while (f->nheap > 0 && (ask = f->heap[0])->due <= now) {
		if (ask->state == ASK_DELAYED) {
			timer_stop(f, ask);
			enqueue(f, ask, false);
		} else if (ask->due < ask->first + timeout) {
			/* Its NAS may be dead: then others can have its place. */
			if (ask->nas->heard < ask->first)
				uncount(f, ask);
			timer_set(f, ask, ask->first + timeout);
		} else if (ask->copies < (unsigned)f->o->tries) {
			uncount(f, ask);
			send_copy(f, ask);
		} else
			give_up(f, ask);
	}
}

static void
ignore(struct fleet *f, struct ask *ask, enum reply_verdict verdict, size_t len)
{
	char	 what[FLEET_WHY];

	ask->verdict = verdict;
	if (ask->ignored++ >= NOTES)
		return;
	snprintf(what, sizeof(what), "ignored a reply of %zu bytes: %s", len,
	    packet_verdict_text(verdict));
	note(f, ask, what);
}

/* Looks at one datagram. */
static void
take(struct fleet *f, size_t sock, const struct sockaddr_storage *from,
    const uint8_t *data, size_t len)
{
	struct fleet_nas	*nas;
	enum reply_verdict	 verdict;
	struct ask		*ask = NULL;
	size_t			 bucket;

	/* What comes from elsewhere is no answer to anything. */
	if ((nas = nas_lookup(f, from, &bucket)) == NULL)
		return;
	if (len >= 2 && nas->ids[sock] != NULL && (ask = nas->ids[sock]->ask[data[1]]) == NULL &&
	    nas->ids[sock]->used[data[1]] != 0)
		return;		/* a second answer to what has ended */
	if (ask == NULL) {
		/* For nobody: the one that has waited longest may wonder about it. */
		for (ask = nas->flight; ask != NULL && ask->sock != sock; ask = ask->next)
			;
		if (ask != NULL)
			ignore(f, ask, len < PACKET_HEADER ? REPLY_LENGTH : REPLY_ID, len);
		return;
	}
	verdict = packet_verify(ask->bytes, data, len, ask->secret, f->o->require_ma,
	    ask->any_time ? PACKET_NO_TIME : when_now(), &ask->reply);
	if (verdict != REPLY_GOOD) {
		ignore(f, ask, verdict, len);
		return;
	}
	nas->heard = fleet_clock();
	nas->suspect = false;
	nas->silent_until = 0;
	land(f, ask);
	conclude(f, ask, ask->reply.ack ? ASK_ACK : ASK_NAK);
}

static void
receive(struct fleet *f, size_t fam, size_t sock)
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
			take(f, sock, &from, data, (size_t)n);
		else if (errno == EAGAIN || errno == EWOULDBLOCK)
			return;
		else if (errno != EINTR)
			take_errors(f, fam, sock);
	}
}

/* How long to wait, in ms; -1 for ever. */
static int
patience(const struct fleet *f, int64_t wake_us, int most)
{
	int64_t	 now = clock_us(), wait = most < 0 ? INT32_MAX : most, until;

	if (f->nheap > 0 && (until = f->heap[0]->due - now / 1000) < wait)
		wait = until;
	if (wake_us != INT64_MAX && (until = (wake_us - now + 999) / 1000) < wait)
		wait = until;
	if (wait == INT32_MAX)
		return -1;
	return wait > 0 ? (int)wait : 0;
}

bool
fleet_run(struct fleet *f, int in, int most)
{
	struct pollfd	 p[2 * SOCKETS + 1];
	int64_t		 wake;
	size_t		 fam, i, n = 1;

	expire(f);
	wake = send_all(f);
	p[0].fd = in;
	p[0].events = POLLIN;
	p[0].revents = 0;
	for (fam = 0; fam < 2; fam++)
		for (i = 0; i < f->nsock[fam]; i++, n++) {
			p[n].fd = f->sock[fam][i].fd;
			p[n].events = POLLIN;
			p[n].revents = 0;
		}
	/* Nothing in flight and nothing to read: there is nothing to wait for. */
	if (in == -1 && f->held == 0)
		return false;
	if (poll(p, n, patience(f, wake, most)) == -1) {
		if (errno != EINTR)
			err(EX_OSERR, "poll");
		return false;
	}
	for (fam = 0, n = 1; fam < 2; fam++)
		for (i = 0; i < f->nsock[fam] && n < sizeof(p) / sizeof(p[0]); i++, n++) {
			if (p[n].revents & POLLERR)
				take_errors(f, fam, i);
			if (p[n].revents & POLLIN)
				receive(f, fam, i);
		}
	return p[0].revents != 0;
}

void
fleet_free(struct fleet *f)
{
	struct fleet_nas	*nas, *next;
	size_t			 i, j;

	if (f == NULL)
		return;
	for (i = 0; i < TABLE; i++)
		for (nas = f->nas[i]; nas != NULL; nas = next) {
			next = nas->bucket;
			for (j = 0; j < SOCKETS; j++)
				free(nas->ids[j]);
			free(nas);
		}
	for (i = 0; i < 2; i++)
		for (j = 0; j < f->nsock[i]; j++)
			close(f->sock[i][j].fd);
	free(f->ready);
	free(f->heap);
	free(f);
}
