#include <err.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>

#include "base/cli.h"

void
cli_start(void)
{
	signal(SIGPIPE, SIG_IGN);
	setvbuf(stdout, NULL, _IOLBF, 0);
}

void
cli_version(void)
{
	printf("%s %s\n", program_invocation_short_name, NAC_VERSION);
	exit(cli_finish(STATUS_OK));
}

void
cli_help(const char *usage)
{
	fputs(usage, stdout);
	exit(cli_finish(STATUS_OK));
}

void
cli_usage(void)
{
	fprintf(stderr, "Try '%s --help'.\n", program_invocation_short_name);
	exit(EX_USAGE);
}

int
cli_worst(int a, int b)
{
	return a > b ? a : b;
}

int
cli_finish(int status)
{
	if (fflush(stdout) == EOF || ferror(stdout)) {
		warn("standard output");
		return EX_IOERR;
	}
	return status;
}
