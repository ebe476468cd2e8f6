/*
 * One way to write a rules file: blanks, breaks and empty lines as this has them, the
 * words and the comments as they were.
 */
#ifndef POLICY_FORMAT_H
#define POLICY_FORMAT_H

#include <stddef.h>
#include <stdio.h>

#include "policy/policy.h"

#define FORMAT_WIDTH	100	/* columns, where a line can be broken */

/*
 * Writes len bytes of a rules file, or of a list or of tests, to out: one blank between
 * words, none before a comma and inside parentheses, long statements broken before
 * with, if, and, or, expect and behind commas, no more than one empty line together; tests that are
 * lines of JSON as they are.  The
 * words of each statement, and so its meaning, stay.  What is no word at all (a NUL
 * byte, a quote without an end) is reported as "name:line:column: what", all of them.
 * Returns 0; or -1 after a report, and then what is in out is of no use.
 */
int	 rules_format(const char *name, const char *text, size_t len, FILE *out,
	    policy_report report, void *arg);

#endif
