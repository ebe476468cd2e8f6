#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "base/progress.h"
#include "base/when.h"
#include "intune/crew.h"
#include "intune/inventory.h"
#include "intune/wire.h"

#define WIFI		"wiFiMacAddress"
#define WIRED		"ethernetMacAddress"
#define RETRY		60000	/* ms after a failed listing until the next attempt */
#define SHARE		10	/* a miss lists again at most a tenth of the time */

struct entry {
	uint8_t		 mac[MAC_LEN];
	bool		 wired;
	struct guid	 id;
};

struct inventory {
	struct graph	*graph;
	int64_t		 max_age;	/* ms */
	bool		 wired, verbose;
	bool		 busy;		/* somebody is listing */
	struct entry	*entry;		/* sorted by MAC */
	size_t		 n;
	int64_t		 when;		/* seconds since 1970 */
	int64_t		 listed, took;	/* wire_clock(), ms; 0 = never */
	int64_t		 failed;	/* wire_clock() of the last failure; 0 = none since */
	int		 status;	/* of that failure, and its reason */
	char		 why[512];
};

/* A list in the making. */
struct listing {
	struct graph	*graph;
	struct entry	*entry;
	struct guid	*id;
	size_t		 n, room, nid, idroom;
	bool		 wired;		/* which of the two is being listed */
	struct progress	 progress;
};

struct inventory *
inventory_new(struct graph *graph, int64_t max_age, bool wired, bool verbose)
{
	struct inventory	*inv;

	if ((inv = calloc(1, sizeof(*inv))) == NULL)
		err(EX_OSERR, NULL);
	inv->graph = graph;
	inv->max_age = max_age * 1000;
	inv->wired = wired;
	inv->verbose = verbose;
	return inv;
}

void
inventory_free(struct inventory *inv)
{
	if (inv == NULL)
		return;
	free(inv->entry);
	free(inv);
}

static void *
grow(void *array, size_t n, size_t *room, size_t size)
{
	if (n < *room)
		return array;
	*room = *room == 0 ? 1024 : *room * 2;
	if ((array = reallocarray(array, *room, size)) == NULL)
		err(EX_OSERR, NULL);
	return array;
}

/* Files one device's address.  A device that cannot be read makes the list one
 * that nothing can be missing from. */
static bool
add_mac(struct listing *l, const json_t *item, struct guid *id)
{
	uint8_t	 mac[MAC_LEN];
	char	 why[128];
	bool	 has;

	if (!managed_mac(item, l->wired ? WIRED : WIFI, id, &has, mac, why, sizeof(why))) {
		graph_fail(l->graph, EX_TEMPFAIL, "the list of all devices holds %s", why);
		return false;
	}
	if (has) {
		l->entry = grow(l->entry, l->n, &l->room, sizeof(*l->entry));
		memcpy(l->entry[l->n].mac, mac, MAC_LEN);
		l->entry[l->n].wired = l->wired;
		l->entry[l->n++].id = *id;
	}
	return true;
}

static bool
on_listed(const json_t *item, void *arg)
{
	struct listing	*l = arg;
	struct guid	 id;

	if (!add_mac(l, item, &id))
		return false;
	l->id = grow(l->id, l->nid, &l->idroom, sizeof(*l->id));
	l->id[l->nid++] = id;
	progress_add(&l->progress, 1);
	return true;
}

static char *
wired_path(size_t i, void *arg)
{
	struct listing	*l = arg;
	char		 text[GUID_TEXT], *path = NULL;

	if (asprintf(&path, "/deviceManagement/managedDevices/%s?$select=id," WIRED,
	    guid_format(text, &l->id[i])) == -1)
		err(EX_OSERR, NULL);
	return path;
}

static bool
on_wired(size_t i, const json_t *item, void *arg)
{
	struct listing	*l = arg;
	struct guid	 id;

	progress_add(&l->progress, 1);
	/* It may have gone since it was listed. */
	if (item == NULL)
		return true;
	if (!add_mac(l, item, &id))
		return false;
	if (guid_equal(&id, &l->id[i]))
		return true;
	graph_fail(l->graph, EX_TEMPFAIL, "%s: a $batch answers with another device",
	    graph_host(l->graph));
	return false;
}

static int
by_mac(const void *a, const void *b)
{
	const struct entry	*x = a, *y = b;
	int			 c = memcmp(x->mac, y->mac, MAC_LEN);

	if (c == 0)
		c = memcmp(&x->id, &y->id, sizeof(x->id));
	return c != 0 ? c : x->wired - y->wired;
}

static enum graph_end
list(struct inventory *inv, struct listing *l)
{
	enum graph_end	 end;

	l->graph = inv->graph;
	progress_start(&l->progress, "devices listed", 0);
	end = graph_list(inv->graph, "deviceManagement/managedDevices?$select=id," WIFI,
	    on_listed, l);
	/* No list ever shows an Ethernet address: each device has to be asked. */
	l->wired = true;
	progress_clear(&l->progress);
	if (inv->wired && end == GRAPH_OK) {
		progress_start(&l->progress, "Ethernet addresses", l->nid);
		end = graph_batch(inv->graph, l->nid, wired_path, on_wired, l);
		progress_clear(&l->progress);
	}
	return end;
}

/* Replaces the list by a new one, or leaves it when that cannot be had whole. */
static enum graph_end
list_again(struct inventory *inv)
{
	struct listing	 l = { 0 };
	int64_t		 start = wire_clock(), when = when_now();
	enum graph_end	 end;

	/* Each MAC of a stream would otherwise list the tenant in vain. */
	if (inv->failed != 0 && start - inv->failed < RETRY)
		return graph_fail(inv->graph, inv->status, "%s", inv->why);
	if ((end = list(inv, &l)) != GRAPH_OK) {
		inv->failed = wire_clock();
		inv->status = graph_status(inv->graph);
		strncpy(inv->why, graph_why(inv->graph), sizeof(inv->why) - 1);
		free(l.entry);
		free(l.id);
		return end;
	}
	free(l.id);
	free(inv->entry);
	if (l.n > 0)
		qsort(l.entry, l.n, sizeof(*l.entry), by_mac);
	inv->entry = l.entry;
	inv->n = l.n;
	inv->when = when;
	inv->listed = wire_clock();
	inv->took = inv->listed - start;
	inv->failed = 0;
	if (inv->verbose)
		warnx("listed %zu devices with %zu MAC addresses in %lld ms", l.nid, l.n,
		    (long long)inv->took);
	return GRAPH_OK;
}

enum graph_end
inventory_refresh(struct inventory *inv, bool missed, bool *again)
{
	int64_t		 age, miss = INVENTORY_MISS * 1000, before = inv->when;
	enum graph_end	 end;

	/* Who comes while it is being listed takes that list. */
	while (inv->busy)
		crew_wait();
	*again = inv->when != before;
	age = wire_clock() - inv->listed;
	if (miss < SHARE * inv->took)
		miss = SHARE * inv->took;
	if (inv->when != 0 && age < inv->max_age && (!missed || *again || age < miss))
		return GRAPH_OK;
	inv->busy = true;
	if ((end = list_again(inv)) == GRAPH_OK)
		*again = true;
	inv->busy = false;
	crew_wake();
	return end;
}

size_t
inventory_find(const struct inventory *inv, const uint8_t mac[MAC_LEN],
    struct inventory_hit hits[INVENTORY_HITS])
{
	size_t	 low = 0, high = inv->n, mid, n = 0;

	while (low < high) {
		mid = low + (high - low) / 2;
		if (memcmp(inv->entry[mid].mac, mac, MAC_LEN) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	for (; low < inv->n && memcmp(inv->entry[low].mac, mac, MAC_LEN) == 0 &&
	    n < INVENTORY_HITS; low++) {
		/* A Mac without Ethernet shows its Wi-Fi address as the wired one too. */
		if (n > 0 && guid_equal(&hits[n - 1].id, &inv->entry[low].id))
			continue;
		hits[n].id = inv->entry[low].id;
		hits[n++].wired = inv->entry[low].wired;
	}
	return n;
}

int64_t
inventory_when(const struct inventory *inv)
{
	return inv->when;
}
