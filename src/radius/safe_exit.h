/*
 * How a program that FreeRADIUS' rlm_exec started (wait = yes) answers and
 * ends, so that the threaded server loses neither 100 ms nor the answer.
 */
#ifndef RADIUS_SAFE_EXIT_H
#define RADIUS_SAFE_EXIT_H

#include <stddef.h>

/* FreeRADIUS' rlm_exec: 0 is ok, 1 is reject.  Others are not for us. */
#define SAFE_EXIT_ACCEPT	0
#define SAFE_EXIT_REJECT	1

/*
 * To be called early: returns a descriptor for this process itself, for
 * safe_exit(); or -1 where the kernel (before Linux 5.3) has none.
 */
int	 safe_exit_prepare(void);

/*
 * Writes the len bytes (1 at least) of text to standard output in one write()
 * and ends the process with code, by _exit(): nothing registered with atexit()
 * runs and no buffer is flushed.  With self == -1 there is no keeper, and the
 * server may nap 100 ms; the answer is right all the same.
 *
 * An answer that could not be written ends with SAFE_EXIT_REJECT: to accept
 * without its attributes would put the client into the port's own VLAN.
 */
void	 safe_exit(int self, const char *text, size_t len, int code)
	    __attribute__((noreturn));

/* The same without keeper and without waiting: for tests and measurements, and
 * all that a signal handler may do. */
void	 plain_exit(const char *text, size_t len, int code) __attribute__((noreturn));

#endif
