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
 * Where orphans come to the server (it is process 1 of a container) its
 * waitpid(0), which collects its own process group, must find the keepers too,
 * or one zombie stays for each login.
 */
static void
test_keeper_is_collected(void)
{
	pid_t		 pid;
	char		 buf[256];
	int		 fd, i, status, keepers = 0;

	prctl(PR_SET_CHILD_SUBREAPER, 1);
	for (i = 0; i < ROUNDS; i++) {
		pid = start(accepts, &fd);
		drain(fd, buf, sizeof(buf));
		if (waitpid(pid, &status, 0) == pid && waitpid(0, &status, 0) > 0 &&
		    WIFEXITED(status) && WEXITSTATUS(status) == 0)
			keepers++;
	}
	CHECK(keepers == ROUNDS);
	CHECK(waitpid(-1, &status, WNOHANG) == -1);
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
	test_keeper_is_collected();
	return check_done();
}
