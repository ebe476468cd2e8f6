#include <string.h>

#include "store/pack.h"

enum flag {
	HAS_DEVICE = 1, HAS_ID = 2, HAS_ENTRA = 4, HAS_WIFI = 8, HAS_ETHERNET = 16,
	ENCRYPTED = 32,
	HAS_ACCOUNT = 64, ACCOUNT_ENABLED = 128,	/* not in what 0.1 wrote at first */
	FLAGS_ALL = 255,
	LISTED = 128		/* without a device: only a list has said so */
};

/* The strings of a device in packed order.  Room for them is at most 256, so
 * that one byte holds the length. */
#define TEXT(f)	{ offsetof(struct device, f), sizeof(((struct device *)0)->f) }
static const struct text_field {
	size_t	 at, size;
} texts[] = {
	TEXT(name), TEXT(serial), TEXT(os), TEXT(os_version), TEXT(owner), TEXT(user),
	TEXT(model), TEXT(manufacturer), TEXT(management_state), TEXT(jailbroken),
};
#define NTEXTS	(sizeof(texts) / sizeof(texts[0]))

struct cursor {
	const unsigned char	*p;
	size_t			 left;
	const char		*why;
};

void
pack_int(unsigned char out[8], int64_t v)
{
	uint64_t	 u = (uint64_t)v;
	int		 i;

	for (i = 0; i < 8; i++, u >>= 8)
		out[i] = (unsigned char)u;
}

int64_t
unpack_int(const unsigned char in[8])
{
	uint64_t	 u = 0;
	int		 i;

	for (i = 7; i >= 0; i--)
		u = u << 8 | in[i];
	return (int64_t)u;
}

static unsigned char *
add(unsigned char *p, const void *data, size_t n)
{
	memcpy(p, data, n);
	return p + n;
}

static unsigned char *
add_int(unsigned char *p, int64_t v)
{
	pack_int(p, v);
	return p + 8;
}

static unsigned char *
add_text(unsigned char *p, const char *s, size_t size)
{
	size_t	 n = strnlen(s, size - 1);

	*p++ = (unsigned char)n;
	return add(p, s, n);
}

static unsigned char *
add_device(unsigned char *p, const struct device *d)
{
	size_t	 i;

	p = add_int(p, d->last_sync);
	p = add_int(p, d->enrolled);
	p = add_int(p, d->grace_until);
	if (d->has_id)
		p = add(p, d->id.b, GUID_LEN);
	if (d->has_entra_id)
		p = add(p, d->entra_id.b, GUID_LEN);
	if (d->has_wifi_mac)
		p = add(p, d->wifi_mac, MAC_LEN);
	if (d->has_ethernet_mac)
		p = add(p, d->ethernet_mac, MAC_LEN);
	for (i = 0; i < NTEXTS; i++)
		p = add_text(p, (const char *)d + texts[i].at, texts[i].size);
	return p;
}

size_t
pack_answer(unsigned char out[PACK_MAX], const struct answer *a)
{
	const struct device	*d = &a->device;
	unsigned char		*p = out, flags = 0;

	if (a->has_device)
		flags = (unsigned char)(HAS_DEVICE | (d->has_id ? HAS_ID : 0) |
		    (d->has_entra_id ? HAS_ENTRA : 0) | (d->has_wifi_mac ? HAS_WIFI : 0) |
		    (d->has_ethernet_mac ? HAS_ETHERNET : 0) | (d->encrypted ? ENCRYPTED : 0) |
		    (d->has_account ? HAS_ACCOUNT : 0) |
		    (d->has_account && d->account_enabled ? ACCOUNT_ENABLED : 0));
	else if (a->asked[0].listed)
		flags = LISTED;
	*p++ = PACK_VERSION;
	*p++ = (unsigned char)a->state;
	*p++ = (unsigned char)a->matched_by;
	*p++ = (unsigned char)a->id_space;
	*p++ = (unsigned char)a->source;
	*p++ = flags;
	p = add_int(p, a->checked);
	if (a->has_device)
		p = add_device(p, d);
	p = add_text(p, a->tenant, sizeof(a->tenant));
	return (size_t)(p - out);
}

/* The next n bytes, or NULL with c->why. */
static const unsigned char *
take(struct cursor *c, size_t n)
{
	const unsigned char	*p = c->p;

	if (c->why != NULL)
		return NULL;
	if (c->left < n) {
		c->why = "is cut short";
		return NULL;
	}
	c->p += n;
	c->left -= n;
	return p;
}

static void
take_bytes(struct cursor *c, void *out, size_t n)
{
	const unsigned char	*p = take(c, n);

	if (p != NULL)
		memcpy(out, p, n);
}

static int64_t
take_int(struct cursor *c)
{
	const unsigned char	*p = take(c, 8);

	return p != NULL ? unpack_int(p) : 0;
}

/* One byte that must be less than count: an enumeration. */
static int
take_small(struct cursor *c, int count)
{
	const unsigned char	*p = take(c, 1);

	if (p == NULL)
		return 0;
	if (*p >= count) {
		c->why = "has a value that does not exist";
		return 0;
	}
	return *p;
}

static void
take_text(struct cursor *c, char *out, size_t size)
{
	const unsigned char	*p = take(c, 1);
	size_t			 n;

	if (p == NULL)
		return;
	n = *p;
	if (n >= size) {
		c->why = "has a text that is too long";
		return;
	}
	if ((p = take(c, n)) == NULL)
		return;
	if (memchr(p, '\0', n) != NULL) {
		c->why = "has a text with a NUL byte";
		return;
	}
	memcpy(out, p, n);
	out[n] = '\0';
}

static void
take_device(struct cursor *c, struct device *d, int flags)
{
	size_t	 i;

	d->encrypted = flags & ENCRYPTED;
	d->has_account = flags & HAS_ACCOUNT;
	d->account_enabled = flags & ACCOUNT_ENABLED;
	if (d->account_enabled && !d->has_account && c->why == NULL)
		c->why = "has a value that does not exist";
	d->last_sync = take_int(c);
	d->enrolled = take_int(c);
	d->grace_until = take_int(c);
	if ((d->has_id = flags & HAS_ID))
		take_bytes(c, d->id.b, GUID_LEN);
	if ((d->has_entra_id = flags & HAS_ENTRA))
		take_bytes(c, d->entra_id.b, GUID_LEN);
	if ((d->has_wifi_mac = flags & HAS_WIFI))
		take_bytes(c, d->wifi_mac, MAC_LEN);
	if ((d->has_ethernet_mac = flags & HAS_ETHERNET))
		take_bytes(c, d->ethernet_mac, MAC_LEN);
	for (i = 0; i < NTEXTS; i++)
		take_text(c, (char *)d + texts[i].at, texts[i].size);
}

bool
unpack_answer(const void *data, size_t len, struct answer *out, const char **why)
{
	struct cursor		 c = { data, len, NULL };
	const unsigned char	*version;
	int			 flags;

	memset(out, 0, sizeof(*out));
	if ((version = take(&c, 1)) != NULL && (*version < 1 || *version > PACK_VERSION))
		c.why = "is of another version";
	out->state = (enum compliance)take_small(&c, COMPLIANCE_COUNT);
	out->matched_by = (enum match)take_small(&c, MATCH_COUNT);
	out->id_space = (enum id_space)take_small(&c, ID_SPACE_ENTRA + 1);
	out->source = (enum source)take_small(&c, SOURCE_CACHE + 1);
	flags = take_small(&c, FLAGS_ALL + 1);
	out->checked = take_int(&c);
	if ((out->has_device = flags & HAS_DEVICE))
		take_device(&c, &out->device, flags);
	else if (flags == LISTED && c.why == NULL && *version > 1)
		out->asked[0].listed = true;
	else if (flags != 0 && c.why == NULL)
		c.why = "has a value that does not exist";
	if (c.why == NULL && *version > 1)
		take_text(&c, out->tenant, sizeof(out->tenant));
	if (c.why == NULL && c.left != 0)
		c.why = "has bytes left over";
	if (c.why == NULL)
		return true;
	memset(out, 0, sizeof(*out));
	*why = c.why;
	return false;
}
