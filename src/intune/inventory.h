/*
 * Which device has which MAC address: Graph cannot filter on them, so the whole
 * tenant is listed once and kept in memory, as MAC and device id alone.  What it
 * finds is only a hint where to ask: the answer comes from a GET of that device.
 */
#ifndef INTUNE_INVENTORY_H
#define INTUNE_INVENTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/guid.h"
#include "base/mac.h"
#include "intune/graph.h"

#define INVENTORY_AGE	3600	/* seconds until it is listed again */
#define INVENTORY_MISS	300	/* seconds until a miss may make it be listed again */
#define INVENTORY_HITS	8	/* devices with the same MAC that are looked at */

struct inventory;

struct inventory_hit {
	struct guid	 id;		/* Intune device id */
	bool		 wired;		/* listed as its Ethernet address, not as its Wi-Fi one */
};

/* wired: also ask for Ethernet addresses, one request of a $batch a device. */
struct inventory *inventory_new(struct graph *graph, int64_t max_age, bool wired,
	    bool verbose);
void	 inventory_free(struct inventory *inv);

/*
 * Lists the tenant if that has not been done, or not for max_age; with missed
 * also if it was long enough ago for a device to be new.  GRAPH_OK when there is
 * a whole list, *again telling whether it is another than before.  GRAPH_FAILED
 * when it could not be had: a list that is old then still serves hits, but that
 * it lacks a device says nothing.
 */
enum graph_end inventory_refresh(struct inventory *inv, bool missed, bool *again);

/* The devices that have this MAC, at most INVENTORY_HITS; returns how many. */
size_t	 inventory_find(const struct inventory *inv, const uint8_t mac[MAC_LEN],
	    struct inventory_hit hits[INVENTORY_HITS]);

/* When the list was asked for, in seconds since 1970; 0 = there is none. */
int64_t	 inventory_when(const struct inventory *inv);

#endif
