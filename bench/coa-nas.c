/*
 * A hundred NASes for bench/coa: answers each CoA- or Disconnect-Request by an
 * ACK, from the address that it was sent to, and keeps count of the sessions.
 *
 *	coa-nas SECRET DEAD FILE
 *
 * binds a free port of every address and writes its number to FILE.  Addresses
 * that end in 1 to DEAD are dead.  SIGUSR1 appends a line to FILE with what the
 * living ones saw, and starts over:
 *
 *	requests sessions double copies bad milliseconds
 *
 * double are sessions that a second request of other bytes came for, bad requests
 * whose authenticator is wrong, milliseconds those from the first to the last.
 */
#include <sys/socket.h>

#include <arpa/inet.h>
#include <netinet/in.h>

#include <openssl/evp.h>

#include <err.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SESSIONS	1000000
#define BATCH		64

static unsigned char	 seen[SESSIONS][16];	/* the authenticator of its request */
static volatile sig_atomic_t told;
static struct {
	unsigned long	 requests, sessions, twice, copies, bad;
	long long	 first, last;
} count;

static void
on_usr1(int sig)
{
	(void)sig;
	told = 1;
}

static long long
now_us(void)
{
	struct timespec	 ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (long long)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

static void
report(const char *path)
{
	FILE	*f = fopen(path, "a");

	if (f == NULL)
		err(1, "%s", path);
	fprintf(f, "%lu %lu %lu %lu %lu %lld\n", count.requests, count.sessions, count.twice,
	    count.copies, count.bad, (count.last - count.first) / 1000);
	fclose(f);
	memset(&count, 0, sizeof(count));
	memset(seen, 0, sizeof(seen));
}

static void
md5(EVP_MD_CTX *ctx, const unsigned char *b, size_t len, const char *secret,
    unsigned char out[16])
{
	EVP_DigestInit_ex(ctx, NULL, NULL);
	EVP_DigestUpdate(ctx, b, len);
	EVP_DigestUpdate(ctx, secret, strlen(secret));
	EVP_DigestFinal_ex(ctx, out, NULL);
}

/* The number in Acct-Session-Id "S123"; -1 without one. */
static long
session(const unsigned char *b, size_t len)
{
	char	 text[16] = "";
	size_t	 at;

	for (at = 20; at + 2 <= len && b[at + 1] >= 2; at += b[at + 1])
		if (b[at] == 44 && b[at + 1] > 3 && b[at + 1] < 14) {
			memcpy(text, b + at + 3, (size_t)b[at + 1] - 3);
			return strtol(text, NULL, 10) % SESSIONS;
		}
	return -1;
}

/* Counts a request and turns it into its ACK.  Returns the ACK's length, or 0. */
static size_t
answer(EVP_MD_CTX *ctx, unsigned char *b, size_t len, const char *secret)
{
	unsigned char	 auth[16], sum[16];
	static const unsigned char zero[16];
	long		 n;

	if (len < 20 || (size_t)(b[2] << 8 | b[3]) != len || (n = session(b, len)) == -1) {
		count.bad++;
		return 0;
	}
	memcpy(auth, b + 4, 16);
	memset(b + 4, 0, 16);
	md5(ctx, b, len, secret, sum);
	if (memcmp(sum, auth, 16) != 0) {
		count.bad++;
		return 0;
	}
	count.requests++;
	count.last = now_us();
	if (count.first == 0)
		count.first = count.last;
	if (memcmp(seen[n], zero, 16) == 0)
		count.sessions++;
	else if (memcmp(seen[n], auth, 16) == 0)
		count.copies++;
	else
		count.twice++;
	memcpy(seen[n], auth, 16);
	b[0]++;
	b[2] = 0;
	b[3] = 20;
	memcpy(b + 4, auth, 16);
	md5(ctx, b, 20, secret, sum);
	memcpy(b + 4, sum, 16);
	return 20;
}

/* The last number of the address that a datagram was sent to. */
static unsigned
sent_to(struct msghdr *m)
{
	struct cmsghdr		*c = CMSG_FIRSTHDR(m);
	struct in_pktinfo	 info;

	if (c == NULL || c->cmsg_type != IP_PKTINFO)
		return 0;
	memcpy(&info, CMSG_DATA(c), sizeof(info));
	/* The answer leaves from there; the interface is of no matter. */
	info.ipi_ifindex = 0;
	info.ipi_spec_dst = info.ipi_addr;
	memcpy(CMSG_DATA(c), &info, sizeof(info));
	return ntohl(info.ipi_addr.s_addr) & 255;
}

static void
serve(int fd, EVP_MD_CTX *ctx, const char *secret, unsigned dead, const char *path)
{
	static unsigned char	 data[BATCH][4096], control[BATCH][64];
	static struct sockaddr_in from[BATCH];
	struct mmsghdr		 in[BATCH], out[BATCH];
	struct iovec		 iov[BATCH];
	unsigned		 last;
	int			 i, n, k, sent;

	for (;;) {
		memset(in, 0, sizeof(in));
		for (i = 0; i < BATCH; i++) {
			iov[i].iov_base = data[i];
			iov[i].iov_len = sizeof(data[i]);
			in[i].msg_hdr.msg_name = &from[i];
			in[i].msg_hdr.msg_namelen = sizeof(from[i]);
			in[i].msg_hdr.msg_iov = &iov[i];
			in[i].msg_hdr.msg_iovlen = 1;
			in[i].msg_hdr.msg_control = control[i];
			in[i].msg_hdr.msg_controllen = sizeof(control[i]);
		}
		n = recvmmsg(fd, in, BATCH, MSG_WAITFORONE, NULL);
		if (told) {
			told = 0;
			report(path);
		}
		for (i = 0, k = 0; i < n; i++) {
			last = sent_to(&in[i].msg_hdr);
			if (last >= 1 && last <= dead)
				continue;
			iov[i].iov_len = answer(ctx, data[i], in[i].msg_len, secret);
			if (iov[i].iov_len > 0)
				out[k++] = in[i];
		}
		for (sent = 0; sent < k; sent += n)
			if ((n = sendmmsg(fd, out + sent, (unsigned)(k - sent), 0)) <= 0)
				break;
	}
}

int
main(int argc, char **argv)
{
	struct sockaddr_in	 sin = { .sin_family = AF_INET };
	struct sigaction	 sa = { .sa_handler = on_usr1 };
	socklen_t		 len = sizeof(sin);
	EVP_MD_CTX		*ctx = EVP_MD_CTX_new();
	FILE			*f;
	int			 fd, on = 1, size = 8 * 1024 * 1024;

	if (argc != 4)
		errx(64, "usage: coa-nas SECRET DEAD FILE");
	fd = socket(AF_INET, SOCK_DGRAM, 0);
	if (fd == -1 || bind(fd, (struct sockaddr *)&sin, len) == -1 ||
	    getsockname(fd, (struct sockaddr *)&sin, &len) == -1 ||
	    setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &on, sizeof(on)) == -1)
		err(1, "socket");
	/* As root more than the system's limit: the NASes have a buffer each. */
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) == -1)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	if (ctx == NULL || EVP_DigestInit_ex(ctx, EVP_md5(), NULL) != 1)
		errx(1, "no MD5");
	sigaction(SIGUSR1, &sa, NULL);
	if ((f = fopen(argv[3], "w")) == NULL)
		err(1, "%s", argv[3]);
	fprintf(f, "%d\n", ntohs(sin.sin_port));
	fclose(f);
	serve(fd, ctx, argv[1], (unsigned)atoi(argv[2]), argv[3]);
}
