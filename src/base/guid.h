/*
 * GUIDs as Intune and Entra write them: 36 characters, RFC 9562 layout.
 */
#ifndef BASE_GUID_H
#define BASE_GUID_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define GUID_LEN	16
#define GUID_TEXT	37	/* 8-4-4-4-12 and its NUL */

struct guid {
	uint8_t	 b[GUID_LEN];	/* in the order of the text */
};

/*
 * Reads the 36 characters of a GUID at the start of s, of which len may be
 * read.  Returns false when they are no GUID, or when more hex digits or a
 * hyphen follow (then it is something longer).  The zero GUID, which Graph
 * gives to a device that is not registered, is no identity: see guid_is_zero.
 */
bool	 guid_scan(const char *s, size_t len, struct guid *out);

/* The same, but the GUID must be the whole of s; braces around it are taken. */
bool	 guid_parse(const char *s, struct guid *out);

/* Writes the lower-case text and returns out. */
char	*guid_format(char out[GUID_TEXT], const struct guid *g);

static inline bool
guid_equal(const struct guid *a, const struct guid *b)
{
	return memcmp(a->b, b->b, GUID_LEN) == 0;
}

static inline bool
guid_is_zero(const struct guid *g)
{
	const struct guid	 zero = { { 0 } };

	return guid_equal(g, &zero);
}

#endif
