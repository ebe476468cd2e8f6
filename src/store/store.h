/*
 * The device store: a folder with an LMDB environment, read by radius-hook on
 * every authentication and written by nac-cache.  It knows no policy, no
 * RADIUS and no Intune.  Who opens a store closes it with store_close().
 */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "device/answer.h"
#include "device/identity.h"

#define STORE_DIR	"/var/lib/intune-nac"	/* state_dir of nac.conf(5) */
#define STORE_WHY	512

struct store;

enum store_mode {
	STORE_READ,		/* must exist */
	STORE_WRITE		/* made when it is not there */
};

enum store_rc {
	STORE_ERROR = -1,	/* store_why() tells */
	STORE_NOTFOUND = 0,
	STORE_FOUND = 1
};

/*
 * Opens the store in folder dir.  Returns it; or NULL with one sentence in why
 * (missing, no permission, not ours, other format, too many readers).
 */
struct store *store_open(const char *dir, enum store_mode mode, char why[STORE_WHY]);
void	 store_close(struct store *s);

/* The reason of the last STORE_ERROR. */
const char *store_why(const struct store *s);

/*
 * Looks a device up by the identifiers in id, in the given order; a GUID as
 * Intune id first, then as Entra id; a random MAC matches nothing.
 *
 * STORE_FOUND: *out is the last answer (which may be unregistered or
 * ambiguous), its source is SOURCE_CACHE.  STORE_NOTFOUND: *out has state
 * COMPLIANCE_PENDING, nothing is stored for any of them.  When two devices
 * match, or the identity itself is ambiguous, the state is COMPLIANCE_AMBIGUOUS.
 */
enum store_rc store_find(struct store *s, const struct identity *id,
	    const struct match_order *order, struct answer *out);

#endif
