/*
 * A 64-bit fingerprint (FNV-1a, IETF draft-eastlake-fnv) that says whether two
 * texts are the same one: which rules made a decision.  It is no protection
 * against somebody who wants two texts to look alike.
 */
#ifndef BASE_DIGEST_H
#define BASE_DIGEST_H

#include <stddef.h>
#include <stdint.h>

#define DIGEST_START	UINT64_C(0xcbf29ce484222325)
#define DIGEST_TEXT	17	/* 16 hex digits and the NUL */

/* Goes on from h (DIGEST_START at first) over len bytes. */
uint64_t digest_add(uint64_t h, const void *data, size_t len);

/* The same purpose for whole files, eight bytes in one step: the hook does it for
 * each authentication.  Another text of the same length never has the same value
 * if they differ within eight bytes.  The same on every machine. */
uint64_t digest_file(uint64_t h, const void *data, size_t len);

/* Writes 16 hex digits and returns out. */
char	*digest_format(char out[DIGEST_TEXT], uint64_t h);

#endif
