/*
 * Small files in token_dir that all processes share, beside the tokens: read with
 * owner and mode checked, changed under a lock, replaced whole.
 */
#ifndef INTUNE_SHARED_H
#define INTUNE_SHARED_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/file.h"
#include "intune/settings.h"

#define SHARED_MAX	16384	/* bytes in such a file; ours have 500 */

enum shared_end {
	SHARED_GOOD,
	SHARED_ABSENT,
	SHARED_BAD		/* there is one that cannot be trusted: it was warned of */
};

struct shared {
	char	*path, *lock;
	int	 fd;		/* of the lock, -1 when not held */
	bool	 usable;
	char	 why[FILE_WHY];	/* when it is not: one sentence */
};

/* Makes the directory if need be; the name is made from n parts and the suffix.
 * Never fails: see usable.  shared_close() frees, and lets the lock go. */
void	 shared_open(struct shared *s, const struct settings *set, const char *const *part,
	    size_t n, const char *suffix);
void	 shared_close(struct shared *s);

/* Takes the lock, waiting at most wait_ms.  False when the directory is of no use
 * or somebody else held it all the time; why says which. */
bool	 shared_lock(struct shared *s, int64_t wait_ms);
void	 shared_unlock(struct shared *s);

/* Reads the JSON object in the file into *out, for the caller to release; *out is
 * NULL unless SHARED_GOOD.  *changed is when the file was written, 0 if absent. */
enum shared_end shared_read(const struct shared *s, json_t **out, int64_t *changed);

/* Replaces the file by o.  False with why filled when that fails. */
bool	 shared_write(struct shared *s, const json_t *o);

/* Removes the file. */
void	 shared_remove(struct shared *s);

#endif
