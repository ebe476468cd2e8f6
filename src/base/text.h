/*
 * Text from outside: making it fit to be shown, and asking whether it is UTF-8.
 */
#ifndef BASE_TEXT_H
#define BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>

/* Room for one shown value in a message: enough for any name we meet, short
 * enough that a hostile one cannot fill a terminal. */
#define TEXT_SHOWN	160

/*
 * Copies at most len bytes of src into dst so that it can be shown in a message
 * or a log line: control bytes, quotes' backslash and bytes that are no valid
 * UTF-8 become \xNN, and what does not fit ends in "...".  size is the room in
 * dst and at least 8.  Returns dst, always NUL-terminated.
 */
char	*text_safe(char *dst, size_t size, const char *src, size_t len);

/* Length in bytes of the valid UTF-8 sequence (RFC 3629) at s, of which len
 * bytes may be read; 0 when there is none.  A NUL byte is a sequence of 1. */
size_t	 text_utf8_len(const unsigned char *s, size_t len);

/* Copies a NUL-terminated string into an array.  Returns false, with dst cut
 * but terminated, when it did not fit. */
bool	 text_copy(char *dst, size_t size, const char *src);

/* The word of words[] (n of them) nearest to what a person typed, for "did you
 * mean"; NULL when none is near. */
const char *text_nearest(const char *typed, const char *const *words, size_t n);

#endif
