/* The end of a program that FreeRADIUS runs, seen from the server's side. */
#include <sys/prctl.h>
#include <sys/wait.h>

#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "check.h"
#include "radius/rescue.h"
#include "radius/safe_exit.h"

#define ROUNDS	50

static const char	 answer[] = "Class = \"x\",\n";

/* What the child does with standard output being the pipe. */
typedef void (*child_fn)(void);

static pid_t
start(child_fn child, int *fd)
{
	pid_t	 pid;
	int	 p[2];

	fflush(stdout);
	if (pipe(p) == -1 || (pid = fork()) == -1)
		abort();
	if (pid == 0) {
		dup2(p[1], STDOUT_FILENO);
		close(p[0]);
		close(p[1]);
		signal(SIGPIPE, SIG_IGN);
		child();
		_exit(99);
	}
	close(p[1]);
	*fd = p[0];
	return pid;
}

/* Reads to the end of file.  Returns how many bytes came. */
static size_t
drain(int fd, char *buf, size_t size)
{
	size_t	 n = 0;
	ssize_t	 got;

	while ((got = read(fd, buf + n, size - n)) > 0)
		n += (size_t)got;
	close(fd);
	return n;
}

static void
accepts(void)
{
	safe_exit(safe_exit_prepare(), answer, sizeof(answer) - 1, 0);
}

static void
rejects(void)
{
	safe_exit(safe_exit_prepare(), "\n", 1, 1);
}

static void
has_no_pidfd(void)
{
	safe_exit(-1, answer, sizeof(answer) - 1, 1);
}

static void
cannot_write(void)
{
	close(STDOUT_FILENO);
	safe_exit(safe_exit_prepare(), answer, sizeof(answer) - 1, 0);
}

static void
is_plain(void)
{
	plain_exit(answer, sizeof(answer) - 1, 1);
}

static void
crashes(void)
{
	rescue_answer(answer, sizeof(answer) - 1, 1);
	raise(SIGSEGV);
}

static void
asserts(void)
{
	rescue_answer("wrong\n", 6, 0);
	rescue_answer(answer, sizeof(answer) - 1, 1);
	abort();
}

static void
leaves(void)
{
	rescue_answer(answer, sizeof(answer) - 1, 1);
	exit(71);
}

static void
hangs(void)
{
	rescue_answer(answer, sizeof(answer) - 1, 1);
	for (;;)
		pause();
}

static void
is_past_rescue(void)
{
	rescue_answer("wrong\n", 6, 0);
	rescue_stop();
	plain_exit(answer, sizeof(answer) - 1, 1);
}

/* The answer comes whole, and the status is the one that was asked for. */
static void
expect(const char *what, child_fn child, const char *text, int code)
{
	char	 buf[256];
	size_t	 n;
	pid_t	 pid;
	int	 fd, status;

	pid = start(child, &fd);
	n = drain(fd, buf, sizeof(buf) - 1);
	buf[n] = '\0';
	check_one(waitpid(pid, &status, 0) == pid && WIFEXITED(status) &&
	    WEXITSTATUS(status) == code && strcmp(buf, text) == 0, what, __FILE__, __LINE__);
}

/*
 * At the end of file the child is a zombie already: the server's first look, a
 * waitpid() that does not wait, finds it every time.
 */
static void
test_no_nap(void)
{
	char	 buf[256];
	pid_t	 pid;
	int	 fd, i, status, found = 0;

	for (i = 0; i < ROUNDS; i++) {
		pid = start(accepts, &fd);
		drain(fd, buf, sizeof(buf));
		if (waitpid(pid, &status, WNOHANG) == pid)
			found++;
		else
			waitpid(pid, &status, 0);
	}
	CHECK(found == ROUNDS);
}

/*
 * The server collects children of its own process group, and throws away those
 * it does not know.  Where orphans come to it (it is process 1 of a container)
 * it must not meet a keeper: keepers have left the group.
 */
static void
test_keeper_is_no_child(void)
{
	siginfo_t	 si;
	pid_t		 pid;
	char		 buf[256];
	int		 fd, i, status, met = 0, keepers = 0;

	prctl(PR_SET_CHILD_SUBREAPER, 1);
	for (i = 0; i < ROUNDS; i++) {
		pid = start(accepts, &fd);
		drain(fd, buf, sizeof(buf));
		waitpid(pid, &status, 0);
		/* What ends next is the keeper; look without collecting it. */
		if (waitid(P_ALL, 0, &si, WEXITED | WNOWAIT) == -1)
			continue;
		if (waitpid(0, &status, WNOHANG) > 0)
			met++;
		else if (waitpid(-1, &status, 0) > 0)
			keepers++;
	}
	CHECK(met == 0);
	CHECK(keepers == ROUNDS);
}

int
main(void)
{
	expect("accept", accepts, answer, 0);
	expect("reject", rejects, "\n", 1);
	expect("no pidfd", has_no_pidfd, answer, 1);
	expect("an answer that cannot be written rejects", cannot_write, "", 1);
	expect("plain", is_plain, answer, 1);
	expect("a crash answers", crashes, answer, 1);
	expect("an assertion answers, with the last text", asserts, answer, 1);
	expect("exit() answers", leaves, answer, 1);
	expect("a hang answers", hangs, answer, 1);
	expect("nothing is rescued twice", is_past_rescue, answer, 1);
	test_no_nap();
	test_keeper_is_no_child();
	return check_done();
}
