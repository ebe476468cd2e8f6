/*
 * Numbers typed by people: the one place where text becomes an integer.
 */
#ifndef BASE_NUM_H
#define BASE_NUM_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Reads a decimal integer that is the whole of s and lies in [min, max].
 * Returns true with *out set; or false with *why one of "is no number",
 * "is too small", "is too large" (static text).
 */
bool	 num_parse(const char *s, int64_t min, int64_t max, int64_t *out,
	    const char **why);

#endif
