/*
 * What every command line has in common: --version, usage errors, exit status.
 */
#ifndef BASE_CLI_H
#define BASE_CLI_H

#define NAC_VERSION	"0.1.0"

/*
 * Exit status of every program (see intune-nac(7)): 0 yes or done, 1 no, then
 * those of sysexits.h.  When several lines fail in different ways the program
 * ends with the largest.
 */
#define STATUS_OK	0
#define STATUS_NO	1

/* Standard output line-buffered, SIGPIPE ignored so that a closed pipe is a
 * write error with a message: the first call of every filter's main(). */
void	 cli_start(void);

/* Prints `program version` and exits 0. */
void	 cli_version(void) __attribute__((noreturn));

/* Prints the usage text and exits 0 (--help). */
void	 cli_help(const char *usage) __attribute__((noreturn));

/* For a wrong option (getopt has said which): says how to get help, exits 64. */
void	 cli_usage(void) __attribute__((noreturn));

/* The larger of two exit statuses. */
int	 cli_worst(int a, int b);

/* Flushes standard output; returns status, or 74 with a message if that fails. */
int	 cli_finish(int status);

#endif
