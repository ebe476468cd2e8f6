/* Open addressing, never more than half full. */
#include <err.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sysexits.h>

#include "base/digest.h"
#include "intune/ids.h"

#define HUGE_PAGE	(1 << 21)
#define FIRST		(1 << 18)	/* places at most that an expectation may ask for: 4 MiB */

/* A large table is jumped about in: pages of 2 MiB, where there are such, spare the
 * processor most of the way to each place. */
static struct guid *
new_slots(size_t n)
{
	size_t		 bytes = n * sizeof(struct guid);
	struct guid	*slot;

	if ((slot = aligned_alloc(bytes < HUGE_PAGE ? 64 : HUGE_PAGE, bytes)) == NULL)
		err(EX_OSERR, NULL);
	if (bytes >= HUGE_PAGE)
		madvise(slot, bytes, MADV_HUGEPAGE);
	return memset(slot, 0, bytes);
}

void
ids_open(struct ids *ids, uint64_t expected)
{
	/* Room for twice as many, in a power of two. */
	for (ids->size = 4096; ids->size < FIRST && ids->size < 2 * expected;)
		ids->size *= 2;
	ids->slot = new_slots(ids->size);
	ids->n = 0;
}

void
ids_close(struct ids *ids)
{
	free(ids->slot);
	memset(ids, 0, sizeof(*ids));
}

static size_t
hash_id(const struct guid *id)
{
	return (size_t)digest_file(DIGEST_START, id->b, sizeof(id->b));
}

void
ids_expect(const struct ids *ids, const struct guid *id)
{
	__builtin_prefetch(&ids->slot[hash_id(id) & (ids->size - 1)], 1);
}

bool
ids_add(struct ids *ids, const struct guid *id)
{
	struct ids	 old = *ids;
	size_t		 i;

	if (ids->n * 2 >= ids->size) {
		ids->size *= 2;
		ids->slot = new_slots(ids->size);
		ids->n = 0;
		for (i = 0; i < old.size; i++)
			if (!guid_is_zero(&old.slot[i]))
				ids_add(ids, &old.slot[i]);
		free(old.slot);
	}
	for (i = hash_id(id) & (ids->size - 1); !guid_is_zero(&ids->slot[i]);
	    i = (i + 1) & (ids->size - 1))
		if (guid_equal(&ids->slot[i], id))
			return false;
	ids->slot[i] = *id;
	ids->n++;
	return true;
}
