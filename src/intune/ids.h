/*
 * A set of GUIDs, for whoever must know which of a hundred thousand devices have been
 * seen.  The zero GUID is no member.
 */
#ifndef INTUNE_IDS_H
#define INTUNE_IDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/guid.h"

struct ids {
	struct guid	*slot;
	size_t		 size, n;
};

/* An empty set, with room for so many (as far as that is sensible) without growing.
 * ids_close() frees it; without memory the program ends. */
void	 ids_open(struct ids *ids, uint64_t expected);
void	 ids_close(struct ids *ids);

/* Adds it; false when it was there. */
bool	 ids_add(struct ids *ids, const struct guid *id);

/* Says that ids_add() of this one comes soon: its place is far away in memory, and can
 * be fetched while something else is done. */
void	 ids_expect(const struct ids *ids, const struct guid *id);

#endif
