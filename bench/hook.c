/*
 * Starts several programs in turn, many times, and prints the median of each:
 *
 *	hook COUNT NAME FILE WORD ... [-- NAME FILE WORD ...] ...
 *
 * WORDs are the program's arguments.  In turn, so that other load on the machine
 * meets all of them alike.  They get this program's environment; standard output
 * is a pipe that is read, as FreeRADIUS does it.
 */
#include <sys/wait.h>

#include <err.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#define PROGRAMS	8
#define ROUNDS_WARM	20

struct program {
	char	*name;
	char	**argv;
	int64_t	*ns;
	char	 answer[1024];
};

static int64_t
now(void)
{
	struct timespec	 t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

/* From the start to the status; the answer of the program becomes p's. */
static int64_t
run(struct program *p)
{
	posix_spawn_file_actions_t	 fa;
	int64_t				 start = now();
	ssize_t				 n;
	size_t				 len = 0;
	pid_t				 pid;
	int				 fd[2], status;

	if (pipe2(fd, O_CLOEXEC) == -1)
		err(EX_OSERR, "pipe");
	posix_spawn_file_actions_init(&fa);
	posix_spawn_file_actions_adddup2(&fa, fd[1], STDOUT_FILENO);
	if (posix_spawn(&pid, p->argv[0], &fa, NULL, p->argv, environ) != 0)
		err(EX_OSERR, "%s", p->argv[0]);
	close(fd[1]);
	while ((n = read(fd[0], p->answer + len, sizeof(p->answer) - 1 - len)) > 0)
		len += (size_t)n;
	p->answer[len] = '\0';
	close(fd[0]);
	if (waitpid(pid, &status, 0) == -1 || !WIFEXITED(status) || WEXITSTATUS(status) != 0)
		errx(EX_SOFTWARE, "%s: ended with %#x", p->name, (unsigned int)status);
	posix_spawn_file_actions_destroy(&fa);
	return now() - start;
}

static int
compare(const void *a, const void *b)
{
	int64_t	 x, y;

	memcpy(&x, a, sizeof(x));
	memcpy(&y, b, sizeof(y));
	return x < y ? -1 : x > y;
}

int
main(int argc, char **argv)
{
	struct program	 p[PROGRAMS] = { { NULL, NULL, NULL, "" } };
	size_t		 i, j, n = 0, count;
	int		 a;

	if (argc < 4 || (count = strtoul(argv[1], NULL, 10)) == 0)
		errx(EX_USAGE, "usage: hook COUNT NAME FILE WORD ... [-- NAME FILE WORD ...] ...");
	for (a = 2; a + 1 < argc && n < PROGRAMS; n++) {
		p[n].name = argv[a];
		p[n].argv = &argv[a + 1];
		if ((p[n].ns = calloc(count, sizeof(*p[n].ns))) == NULL)
			err(EX_OSERR, NULL);
		while (a < argc && strcmp(argv[a], "--") != 0)
			a++;
		argv[a++] = NULL;
	}
	for (i = 0; i < ROUNDS_WARM; i++)
		for (j = 0; j < n; j++)
			run(&p[j]);
	for (i = 0; i < count; i++)
		for (j = 0; j < n; j++)
			p[j].ns[i] = run(&p[j]);
	for (j = 0; j < n; j++) {
		qsort(p[j].ns, count, sizeof(*p[j].ns), compare);
		printf("%s\t%.1f\t%.1f\t%s\n", p[j].name, (double)p[j].ns[count / 2] / 1000,
		    (double)p[j].ns[count / 10] / 1000,
		    strstr(p[j].answer, "Private-Group-Id:0 := \"750\"") != NULL ? "750" : "-");
	}
	return EX_OK;
}
