/* A run of bytes that belongs to somebody else. */
#ifndef STORE_BYTES_H
#define STORE_BYTES_H

#include <stddef.h>

struct bytes {
	const unsigned char	*p;	/* valid as long as its giver says */
	size_t			 n;
};

#endif
