/*
 * A set of clients, eight bytes for each: those of a file of records.
 */
#ifndef STORE_CLIENTSET_H
#define STORE_CLIENTSET_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct clientset {
	uint64_t	*slot;		/* an open hash; 0 is free */
	size_t		 n, size;
};

/* The fingerprint of a client's name (client_id()); never 0. */
uint64_t clientset_hash(const char *id);

/* That of a record's client; 0 when the record names none. */
uint64_t clientset_of(const json_t *rec);

void	 clientset_add(struct clientset *set, uint64_t client);
bool	 clientset_has(const struct clientset *set, uint64_t client);

/*
 * Adds the clients of a file of records, of which the lines that name none are
 * passed over; a file that is not there is empty.  Returns a status, after a
 * message when it is not 0: the file cannot be read, or holds a line that is no
 * record.
 */
int	 clientset_load(struct clientset *set, const char *path);

void	 clientset_free(struct clientset *set);

#endif
