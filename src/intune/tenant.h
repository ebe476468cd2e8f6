/*
 * The whole tenant, page by page in flat memory, and at the end whether it was
 * the whole.
 */
#ifndef INTUNE_TENANT_H
#define INTUNE_TENANT_H

#include <stdbool.h>
#include <stdint.h>

#include "intune/query.h"

/* How many devices fewer than the last time are noticed: more than one in this
 * many, and more than TENANT_FEW; also when none is left. */
#define TENANT_SHRINK	20
#define TENANT_FEW	5

struct tenant {
	struct query		*q;
	const struct settings	*set;
	bool			 wired;		/* also Ethernet addresses */
	bool			 directory;	/* also whether the account is enabled */
	int64_t			 since;		/* only what synced from then on; 0 = all */
	bool			 since_last;	/* since the last whole run began */
	int64_t			 full_every;	/* seconds after which it is all nonetheless */
};

/*
 * Prints a record for each device and a last one that says whether the list is
 * complete:
 *	{"list":{"complete":false,"why":"…","count":N,…}}
 * Returns STATUS_OK only when it is; EX_TEMPFAIL or why not.  What the next run
 * compares with is kept in a file in token_dir, replaced as a whole.
 */
int	 tenant_list(struct tenant *t);

#endif
