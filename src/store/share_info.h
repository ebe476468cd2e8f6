/*
 * Redis' own word about itself, the text of INFO: whether it may throw away what the
 * servers share.  It is read as foreign bytes.
 */
#ifndef STORE_SHARE_INFO_H
#define STORE_SHARE_INFO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define INFO_POLICY	32	/* the longest there is has 15 bytes */
#define INFO_MAX	(64 * 1024)	/* of one section, which has some 3 KB */

struct share_info {
	int64_t	 maxmemory;		/* bytes; 0: no limit; -1: not said */
	int64_t	 evicted;		/* keys since it was started; -1: not said */
	char	 policy[INFO_POLICY];	/* maxmemory_policy; "": not said */
};

#define SHARE_INFO_NONE	((struct share_info){ -1, -1, "" })

/*
 * Adds what len bytes of INFO say to *io, SHARE_INFO_NONE at first.  Other fields are
 * passed over.  False with *why (static text): too long, or one of ours is there twice,
 * is no number or no word.
 */
bool	 share_info_parse(const char *text, size_t len, struct share_info *io, const char **why);

/* Does that let Redis evict keys? */
bool	 share_info_evicts(const struct share_info *info);

#endif
