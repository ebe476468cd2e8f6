#include <err.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "base/cli.h"
#include "base/digest.h"
#include "base/text.h"
#include "device/record.h"
#include "store/client.h"
#include "store/clientset.h"

#define FIRST	1024	/* slots */

uint64_t
clientset_hash(const char *id)
{
	uint64_t	 h = digest_add(DIGEST_START, id, strlen(id));

	return h != 0 ? h : 1;
}

uint64_t
clientset_of(const json_t *rec)
{
	struct session	 s;
	struct identity	 id;
	char		 name[CLIENT_ID], why[256];

	if (!record_session(rec, &s, why, sizeof(why)) ||
	    !record_identity(rec, &id, why, sizeof(why)) || !client_id(name, &s, &id))
		return 0;
	return clientset_hash(name);
}

static void
insert(struct clientset *set, uint64_t client)
{
	size_t	 i = client % set->size;

	while (set->slot[i] != 0 && set->slot[i] != client)
		i = (i + 1) % set->size;
	if (set->slot[i] == 0)
		set->n++;
	set->slot[i] = client;
}

void
clientset_add(struct clientset *set, uint64_t client)
{
	uint64_t	*old = set->slot;
	size_t		 i, size = set->size;

	if (client == 0)
		return;
	if (set->n * 4 >= size * 3) {
		set->size = size > 0 ? 2 * size : FIRST;
		set->n = 0;
		if ((set->slot = calloc(set->size, sizeof(*set->slot))) == NULL)
			err(EX_OSERR, NULL);
		for (i = 0; i < size; i++)
			if (old[i] != 0)
				insert(set, old[i]);
		free(old);
	}
	insert(set, client);
}

bool
clientset_has(const struct clientset *set, uint64_t client)
{
	size_t	 i;

	if (set->n == 0 || client == 0)
		return false;
	for (i = client % set->size; set->slot[i] != 0; i = (i + 1) % set->size)
		if (set->slot[i] == client)
			return true;
	return false;
}

int
clientset_load(struct clientset *set, const char *path)
{
	struct record_source	*in;
	char			 where[TEXT_SHOWN], why[256];
	json_t			*rec;
	FILE			*f;
	int			 status = STATUS_OK;

	if ((f = fopen(path, "re")) == NULL) {
		if (errno == ENOENT)
			return STATUS_OK;
		warn("%s", path);
		return EX_IOERR;
	}
	in = record_open(0, NULL, f);
	while (record_next(in, &rec, where, why, sizeof(why))) {
		if (rec == NULL) {
			warnx("%s: %s", path, why);
			status = EX_DATAERR;
		} else
			clientset_add(set, clientset_of(rec));
		json_decref(rec);
	}
	status = cli_worst(status, record_close(in));
	fclose(f);
	return status;
}

void
clientset_free(struct clientset *set)
{
	free(set->slot);
	memset(set, 0, sizeof(*set));
}
