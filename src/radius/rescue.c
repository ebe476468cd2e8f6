/*
 * All of this may run in a signal handler, on top of a broken heap: it calls
 * what signal-safety(7) allows and touches only memory prepared before.
 */
#include <sys/time.h>

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "radius/rescue.h"
#include "radius/safe_exit.h"
#include "store/journal.h"

static struct {
	const char	*text;
	size_t		 len;
	int		 code;
	const char	*journal;
	const char	*line;
	size_t		 line_len;
} prepared;

static volatile sig_atomic_t	 armed;

/* What can end a program that reads files which somebody else writes: a map
 * that has become shorter (SIGBUS) and an assertion of the store among them. */
static const int	 fatal[] = { SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL };

static size_t
append(char *dst, size_t at, const char *src, size_t len)
{
	if (len > JOURNAL_LINE - at)
		len = JOURNAL_LINE - at;
	memcpy(dst + at, src, len);
	return at + len;
}

/* Writes the journal line, with why in it, and the answer. */
static void __attribute__((noreturn))
rescue(const char *why)
{
	static const char	 head[] = ",\"error\":\"", tail[] = "\"}";
	static char		 line[JOURNAL_LINE];
	size_t			 n;

	armed = 0;
	if (prepared.journal != NULL &&
	    prepared.line_len + sizeof(head) + strlen(why) + sizeof(tail) < sizeof(line)) {
		n = append(line, 0, prepared.line, prepared.line_len);
		n = append(line, n, head, sizeof(head) - 1);
		n = append(line, n, why, strlen(why));
		n = append(line, n, tail, sizeof(tail) - 1);
		journal_append(prepared.journal, line, n);
	}
	plain_exit(prepared.text, prepared.len, prepared.code);
}

static void
on_signal(int sig)
{
	if (!armed)
		return;
	switch (sig) {
	case SIGALRM:
		rescue("took too long (a disk or a lock hangs); the fallback was answered");
	case SIGBUS:
		rescue("a file was cut short while it was read (SIGBUS); the fallback was answered");
	case SIGABRT:
		rescue("stopped by a failed assertion (SIGABRT); the fallback was answered");
	default:
		rescue("crashed (SIGSEGV, SIGFPE or SIGILL); the fallback was answered");
	}
}

static void
on_exit_call(void)
{
	if (armed)
		rescue("ended early, out of memory most likely; the fallback was answered");
}

void
rescue_answer(const char *text, size_t len, int code)
{
	const struct itimerval	 limit = { .it_value = { .tv_sec = RESCUE_MS / 1000,
				    .tv_usec = RESCUE_MS % 1000 * 1000 } };
	struct sigaction	 sa = { .sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND };
	size_t			 i;

	prepared.text = text;
	prepared.len = len;
	prepared.code = code;
	if (armed)
		return;
	armed = 1;
	/* SA_RESETHAND: a crash inside the handler ends the program. */
	for (i = 0; i < sizeof(fatal) / sizeof(fatal[0]); i++)
		sigaction(fatal[i], &sa, NULL);
	sigaction(SIGALRM, &sa, NULL);
	setitimer(ITIMER_REAL, &limit, NULL);
	atexit(on_exit_call);
}

void
rescue_log(const char *journal, const char *line, size_t len)
{
	prepared.journal = journal;
	prepared.line = line;
	prepared.line_len = len;
}

void
rescue_stop(void)
{
	const struct itimerval	 never = { .it_value = { 0 } };

	armed = 0;
	setitimer(ITIMER_REAL, &never, NULL);
}
