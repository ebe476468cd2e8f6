/*
 * The directory's device beside Intune's: accountEnabled, which managedDevices does
 * not have.  It takes the permission Device.Read.All.
 */
#ifndef INTUNE_DIRECTORY_H
#define INTUNE_DIRECTORY_H

#include <stdbool.h>

#include "device/answer.h"
#include "intune/graph.h"

/* What to ask for a device with an Entra id, after /v1.0/; the caller frees it. */
char	*directory_path(const struct device *d);

/*
 * Reads the list that comes back into d: has_account, and account_enabled unless any
 * object of that id is disabled.  One that is not there leaves has_account false.
 * False after graph_fail() when an object is not what was asked for.
 */
bool	 directory_read(struct graph *graph, const json_t *list, struct device *d);

/* Both, for one device; GRAPH_OK also when it has no Entra id. */
enum graph_end directory_ask(struct graph *graph, struct device *d);

#endif
