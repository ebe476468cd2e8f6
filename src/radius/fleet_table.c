#include <netinet/in.h>

#include <err.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "radius/fleet_parts.h"

/* FNV-1a from a random start, so that nobody can choose who shares a bucket. */
static size_t
hash(const struct fleet *f, const void *data, size_t len)
{
	const uint8_t	*p = data;
	uint64_t	 h = f->seed;
	size_t		 i;

	for (i = 0; i < len; i++)
		h = (h ^ p[i]) * 0x100000001b3;
	return (size_t)(h ^ h >> 32) % TABLE;
}

struct ask *
fleet_key_find(const struct fleet *f, const char *key, const struct fleet_nas *nas)
{
	struct ask	*ask = f->key[hash(f, key, strlen(key))];

	while (ask != NULL && (ask->nas != nas || strcmp(ask->key, key) != 0))
		ask = ask->bucket;
	return ask;
}

void
fleet_key_add(struct fleet *f, struct ask *ask)
{
	struct ask	**at = &f->key[hash(f, ask->key, strlen(ask->key))];

	ask->bucket = *at;
	*at = ask;
}

void
fleet_key_remove(struct fleet *f, struct ask *ask)
{
	struct ask	**at = &f->key[hash(f, ask->key, strlen(ask->key))];

	while (*at != ask)
		at = &(*at)->bucket;
	*at = ask->bucket;
}

/* Same address and port; the rest of a sockaddr is of no matter. */
static size_t
address_bytes(const struct sockaddr_storage *ss, uint8_t out[19])
{
	const struct sockaddr_in	*in4 = (const struct sockaddr_in *)ss;
	const struct sockaddr_in6	*in6 = (const struct sockaddr_in6 *)ss;

	memset(out, 0, 19);
	if (ss->ss_family == AF_INET6) {
		memcpy(out, &in6->sin6_port, 2);
		memcpy(out + 2, &in6->sin6_addr, 16);
	} else {
		memcpy(out, &in4->sin_port, 2);
		memcpy(out + 2, &in4->sin_addr, 4);
	}
	out[18] = (uint8_t)ss->ss_family;
	return 19;
}

struct fleet_nas *
fleet_nas_lookup(const struct fleet *f, const struct sockaddr_storage *addr, size_t *bucket)
{
	struct fleet_nas	*nas;
	uint8_t			 a[19], b[19];
	size_t			 n = address_bytes(addr, a);

	*bucket = hash(f, a, n);
	for (nas = f->nas[*bucket]; nas != NULL; nas = nas->bucket) {
		address_bytes(&nas->addr, b);
		if (memcmp(a, b, n) == 0)
			return nas;
	}
	return NULL;
}

struct fleet_nas *
fleet_nas_get(struct fleet *f, const struct sockaddr_storage *addr, socklen_t len)
{
	struct fleet_nas	*nas;
	size_t			 bucket;

	if ((nas = fleet_nas_lookup(f, addr, &bucket)) != NULL)
		return nas;
	if ((nas = calloc(1, sizeof(*nas))) == NULL)
		err(EX_OSERR, NULL);
	nas->addr = *addr;
	nas->addrlen = len;
	nas->tail = &nas->head;
	nas->bucket = f->nas[bucket];
	f->nas[bucket] = nas;
	return nas;
}

void
fleet_leave_alone(struct fleet *f, const struct sockaddr_storage *addr, socklen_t len,
    int seconds)
{
	struct fleet_nas	*nas = fleet_nas_get(f, addr, len);

	nas->suspect = true;
	nas->silent_until = fleet_clock() + (int64_t)seconds * 1000;
}

void
fleet_state(const struct fleet *f, struct fleet_state *out)
{
	const struct fleet_nas	*nas;
	int64_t			 now = fleet_clock();
	size_t			 i;

	out->held = f->held;
	out->flying = f->flying;
	out->silent = 0;
	for (i = 0; i < TABLE; i++)
		for (nas = f->nas[i]; nas != NULL; nas = nas->bucket)
			out->silent += nas->silent_until > now;
}
