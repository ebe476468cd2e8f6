/*
 * Two races in the threaded FreeRADIUS 3.0 and 3.2 (src/main/threads.c,
 * rad_waitpid, rad_fork and reap_children) meet everyone who runs a program:
 *
 * A. On end of file the server looks once whether the child is a zombie yet,
 *    and if not, sleeps 100 ms.  A process closes its descriptors before it
 *    becomes one, so most programs cost a thread those 100 ms.
 * B. The server stores the child's pid only after fork() has returned.  Until
 *    then any other thread may collect the child and throw its status away.
 *    The thread that waits for it gives up after 10 s and rejects the client.
 *
 * Both are the server's, and both can be avoided by the program alone.
 */
#include <sys/ioctl.h>
#include <sys/syscall.h>

#include <errno.h>
#include <poll.h>
#include <time.h>
#include <unistd.h>

#include "radius/safe_exit.h"

#ifndef SYS_pidfd_open
#define SYS_pidfd_open	434	/* the same number on every architecture */
#endif

/* If its parent does not end by then, something is very wrong: let go. */
#define KEEPER_MS	2000

/*
 * The server reads within a millisecond, unless other work keeps its thread from
 * the processor: at five times the load that the machine has cores for, one login
 * in 14,000 was not read within 60 ms, and was lost.  All of it together stays
 * below the time-out of mods-available/nac.
 */
#define READ_QUICK	400
#define READ_TURNS	1500
#define READ_QUICK_NS	100000
#define READ_SLOW_NS	1000000

int
safe_exit_prepare(void)
{
	/* glibc has had a wrapper since 2.36 only. */
	return (int)syscall(SYS_pidfd_open, getpid(), 0);
}

/* Writes all in one call; standard output is a pipe with room for it (a write
 * of up to PIPE_BUF bytes is whole or not at all). */
static int
put(const char *text, size_t len)
{
	ssize_t	 n;

	while ((n = write(STDOUT_FILENO, text, len)) == -1 && errno == EINTR)
		;
	return n >= 0 && (size_t)n == len ? 0 : -1;
}

/*
 * The keeper holds standard output open until its parent is a zombie, so that
 * the server's end of file comes after that and its first look finds the child
 * (race A).  Forked from a program that may hold locks, it does nothing else.
 *
 * It stays in the server's process group on purpose.  Orphaned, it goes to
 * process 1; where that is FreeRADIUS itself, as in many containers, the
 * server's waitpid(0) collects it and forgets a pid it does not know.  Out of
 * the group it would never be collected, one zombie for each login.
 */
static void __attribute__((noreturn))
keep(int self)
{
	struct pollfd	 p = { .fd = self, .events = POLLIN };

	/* A pidfd is readable when the process has died. */
	poll(&p, 1, KEEPER_MS);
	_exit(0);
}

/*
 * Waits until the answer has been read.  The server reads only after fork() has
 * returned to it and the pid is stored: from then on we may die (race B).  Where
 * standard output is no pipe (wait = no, a terminal, a file) this ends at once; at
 * a pipe that nobody reads after some 1.2 s.
 */
static void
await_reader(void)
{
	struct timespec	 nap = { .tv_nsec = READ_QUICK_NS };
	int		 left, i;

	for (i = 0; i < READ_TURNS; i++) {
		if (ioctl(STDOUT_FILENO, FIONREAD, &left) == -1 || left <= 0)
			return;
		if (i == READ_QUICK)
			nap.tv_nsec = READ_SLOW_NS;
		nanosleep(&nap, NULL);
	}
}

void
safe_exit(int self, const char *text, size_t len, int code)
{
	if (put(text, len) == -1)
		_exit(SAFE_EXIT_REJECT);
	/* No keeper when fork() fails: race A costs 100 ms and nothing else. */
	if (self != -1 && fork() == 0)
		keep(self);
	await_reader();
	_exit(code);
}

void
plain_exit(const char *text, size_t len, int code)
{
	_exit(put(text, len) == -1 ? SAFE_EXIT_REJECT : code);
}
