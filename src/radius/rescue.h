/*
 * The last resort of a program that must answer: when it crashes, hangs or is
 * ended by an error deep inside, a prepared answer and a prepared journal line
 * go out all the same.
 */
#ifndef RADIUS_RESCUE_H
#define RADIUS_RESCUE_H

#include <stddef.h>

/* Longer than this nothing may take, a frozen disk included.  FreeRADIUS' own
 * limit (`timeout`) should be 2 s or more. */
#define RESCUE_MS	1500

/*
 * From now on a fatal signal, exit() or the end of RESCUE_MS writes text to
 * standard output and ends the program with code.  text (len bytes) and
 * what rescue_log() gets stay the caller's and must stay as they are.  May be
 * called again to change the answer; the clock goes on from the first call.
 */
void	 rescue_answer(const char *text, size_t len, int code);

/*
 * The journal and the line for it: a JSON object that has at least one member
 * and lacks its closing brace, to which the reason is added.
 */
void	 rescue_log(const char *journal, const char *line, size_t len);

/* The real answer is about to go out: nothing is to be rescued any more. */
void	 rescue_stop(void);

#endif
