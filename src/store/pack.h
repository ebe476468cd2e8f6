/*
 * An answer as bytes, the value that the store keeps: a version byte, fixed
 * fields in little-endian order, then strings with a length byte each.  It does
 * not depend on the machine, and so can be copied to another one.
 */
#ifndef STORE_PACK_H
#define STORE_PACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "device/answer.h"

/* Version 1 has no tenant at its end; it is read, too.  Its devices are not filed
 * under their serial number. */
#define PACK_VERSION	2

/* The longest packed answer: 96 bytes of fixed fields and eleven strings. */
#define PACK_MAX	4096

/* Packs a, without its `asked` but for whether the first was only listed, into out.  Returns the length. */
size_t	 pack_answer(unsigned char out[PACK_MAX], const struct answer *a);

/*
 * Unpacks len bytes.  Returns true; or false with *why (static text) and *out
 * empty when they are no packed answer: another version, a length that does not
 * fit, a value that does not exist, bytes left over.
 */
bool	 unpack_answer(const void *data, size_t len, struct answer *out, const char **why);

/* Writes and reads 8 bytes, little-endian. */
void	 pack_int(unsigned char out[8], int64_t v);
int64_t	 unpack_int(const unsigned char in[8]);

#endif
