#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "radius/coa.h"

/* Datagrams looked at in one step: a flood must not keep the others waiting. */
#define STEP_DATAGRAMS	16

int64_t
coa_clock(void)
{
	struct timespec	 ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static void
note(const struct coa *coa, const struct coa_options *o, const char *what)
{
	if (o->note != NULL)
		o->note(coa, what);
}

/* Sends one copy and sets when the next is due: 2, 4, 8 seconds later. */
static void
send_copy(struct coa *coa, const struct coa_options *o)
{
	char	 what[COA_WHY];
	ssize_t	 n;

	coa->deadline = coa_clock() + ((int64_t)o->timeout * 1000 << coa->tries);
	coa->tries++;
	/* Connected, so that the kernel drops what others send, and tells us of a
	 * port where nobody listens.  Without a route this fails; one may come. */
	if (!coa->connected)
		coa->connected = connect(coa->fd, (struct sockaddr *)&coa->addr,
		    coa->addrlen) == 0;
	n = coa->connected ? send(coa->fd, coa->request.b, coa->request.len, 0) : -1;
	/* The answer to an earlier copy is reported here, and this one did not go. */
	if (n == -1 && coa->connected && errno == ECONNREFUSED)
		n = send(coa->fd, coa->request.b, coa->request.len, 0);
	if (n == -1) {
		coa->refused = errno;
		snprintf(what, sizeof(what), "try %d of %d: %s", coa->tries, o->tries,
		    strerror(errno));
	} else
		snprintf(what, sizeof(what), "try %d of %d: code %u, Id %u, %zu bytes",
		    coa->tries, o->tries, coa->request.b[0], coa->request.b[1],
		    coa->request.len);
	note(coa, o, what);
}

int
coa_start(struct coa *coa, const struct coa_options *o)
{
	coa->tries = 0;
	coa->connected = false;
	coa->refused = 0;
	coa->ignored = 0;
	coa->result = COA_PENDING;
	coa->why[0] = '\0';
	coa->started = coa_clock();
	coa->fd = socket(coa->addr.ss_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (coa->fd == -1)
		return -1;
	send_copy(coa, o);
	return 0;
}

static void
finish(struct coa *coa, enum coa_result result)
{
	coa->result = result;
	coa->ms = (int)(coa_clock() - coa->started);
}

static void
give_up(struct coa *coa)
{
	if (coa->ignored > 0)
		snprintf(coa->why, sizeof(coa->why), "ignored %u answer%s, the last because %s",
		    coa->ignored, coa->ignored == 1 ? "" : "s",
		    packet_verdict_text(coa->verdict));
	else if (coa->refused == ECONNREFUSED)
		snprintf(coa->why, sizeof(coa->why), "nothing listens on that port");
	else if (coa->refused != 0)
		snprintf(coa->why, sizeof(coa->why), "%s", strerror(coa->refused));
	else
		snprintf(coa->why, sizeof(coa->why), "no answer: a wrong secret or clock, "
		    "another port, or a NAS that does not take us for its client");
	finish(coa, COA_SILENT);
}

/* Looks at one datagram. */
static void
take(struct coa *coa, const struct coa_options *o, const uint8_t *data, size_t len)
{
	char	 what[COA_WHY];

	coa->verdict = packet_verify(&coa->request, data, len, coa->secret, o->require_ma,
	    &coa->reply);
	if (coa->verdict == REPLY_GOOD) {
		finish(coa, coa->reply.ack ? COA_WAS_ACK : COA_WAS_NAK);
		return;
	}
	/* A flood of them is counted, not told. */
	if (coa->ignored++ < STEP_DATAGRAMS) {
		snprintf(what, sizeof(what), "ignored a reply of %zu bytes: %s", len,
		    packet_verdict_text(coa->verdict));
		note(coa, o, what);
	}
}

bool
coa_step(struct coa *coa, const struct coa_options *o)
{
	uint8_t	 data[PACKET_MAX];
	ssize_t	 n;
	int	 i;

	for (i = 0; i < STEP_DATAGRAMS && coa->result == COA_PENDING; i++) {
		if ((n = recv(coa->fd, data, sizeof(data), 0)) >= 0)
			take(coa, o, data, (size_t)n);
		else if (errno == EAGAIN || errno == EWOULDBLOCK)
			break;
		else if (errno != EINTR)
			coa->refused = errno;
	}
	if (coa->result == COA_PENDING && coa_clock() >= coa->deadline) {
		if (coa->tries < o->tries)
			send_copy(coa, o);
		else
			give_up(coa);
	}
	return coa->result != COA_PENDING;
}

void
coa_close(struct coa *coa)
{
	if (coa->fd != -1)
		close(coa->fd);
	coa->fd = -1;
	explicit_bzero(&coa->request, sizeof(coa->request));
}

const char *
coa_hint(uint32_t error_cause)
{
	switch (error_cause) {
	case 401:
	case 404:
		return "its profile is not the right one for this NAS";
	case 402:
		return "its profile sends too little, or the wrong kind of packet";
	case 403:
		return "NAS-IP-Address or NAS-Identifier is not what it calls itself";
	case 405:
	case 406:
		return "this NAS cannot do that; try another --action or profile";
	case 407:
		return "a value it cannot read, mostly the form of the MAC address";
	case 501:
		return "Dynamic Authorization is not enabled for us on this NAS";
	case 502:
		return "the proxy on the way does not know this NAS";
	case 508:
		return "several sessions match; the profile must send Acct-Session-Id";
	default:
		return NULL;
	}
}
