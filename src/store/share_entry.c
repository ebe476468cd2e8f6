#include <string.h>

#include "base/text.h"
#include "store/share_entry.h"

char *
share_digits(char *p, int64_t n)
{
	static const char	 hex[] = "0123456789abcdef";
	uint64_t		 u = (uint64_t)n ^ UINT64_C(1) << 63;
	int			 i;

	for (i = 60; i >= 0; i -= 4)
		*p++ = hex[u >> i & 15];
	return p;
}

/* As share_digits(), of a number without a sign. */
static char *
digits(char *p, uint64_t n)
{
	return share_digits(p, (int64_t)(n ^ UINT64_C(1) << 63));
}

size_t
share_pack_answer(unsigned char out[SHARE_ANSWER_MAX], const struct answer *a,
    unsigned int voids)
{
	unsigned char	*p = out;
	size_t		 n = a->nasked > 0 ? strnlen(a->asked[0].value, 255) : 0;

	*p++ = SHARE_VERSION;
	*p++ = 'd';
	p = (unsigned char *)share_digits((char *)p, a->checked);
	*p++ = (unsigned char)voids;
	*p++ = a->nasked > 0 ? (unsigned char)a->asked[0].by : 0;
	*p++ = (unsigned char)n;
	memcpy(p, a->asked[0].value, n);
	p += n;
	return (size_t)(p - out) + pack_answer(p, a);
}

size_t
share_pack_client(unsigned char out[SHARE_CLIENT_MAX], const struct client *c,
    const struct share_order *o)
{
	unsigned char	*p = out;
	size_t		 n = strlen(c->id);
	char		*at;

	if (c->len > SHARE_TEXT_MAX)
		return 0;
	*p++ = SHARE_VERSION;
	*p++ = 'c';
	at = share_digits((char *)p, o->login);
	at = digits(at, o->server);
	at = digits(at, o->ino);
	at = share_digits(at, o->offset);
	at = share_digits(at, o->accounting);
	p = (unsigned char *)share_digits(at, o->coa);
	*p++ = (unsigned char)n;
	*p++ = (unsigned char)(n >> 8);
	memcpy(p, c->id, n);
	p += n;
	pack_int(p, c->seen);
	pack_int(p + 8, (int64_t)c->ino);
	pack_int(p + 16, c->offset);
	memcpy(p + 24, c->text, c->len);
	return (size_t)(p - out) + 24 + c->len;
}

static bool
unpack_device(const unsigned char *p, size_t len, struct share_entry *out, const char **why)
{
	const unsigned char	*order = p;
	unsigned char		 by;
	char			 want[SHARE_ORDER_D];
	size_t			 n;

	*why = "is cut short";
	if (len < SHARE_ORDER_D + 3)
		return false;
	p += SHARE_ORDER_D;
	len -= SHARE_ORDER_D + 3;
	out->voids = *p++;
	by = *p++;
	n = *p++;
	if (len < n)
		return false;
	*why = "has a value that does not exist";
	if (out->voids >= 1U << STORE_CLAIMS || by >= MATCH_COUNT || (by == 0) != (n == 0) ||
	    memchr(p, '\0', n) != NULL)
		return false;
	if (!unpack_answer(p + n, len - n, &out->a, why))
		return false;
	if (by != 0) {
		out->a.nasked = 1;
		out->a.asked[0].by = (enum match)by;
		memcpy(out->a.asked[0].value, p, n);
		out->a.asked[0].value[n] = '\0';
	} else if (!out->a.device.has_id) {
		*why = "names no device";
		return false;
	}
	share_digits(want, out->a.checked);
	*why = "has an order that is not its own";
	return out->a.checked > 0 && out->a.state != COMPLIANCE_PENDING &&
	    memcmp(want, order, SHARE_ORDER_D) == 0;
}

static bool
unpack_client(const unsigned char *p, size_t len, struct share_entry *out, const char **why)
{
	size_t	 n;

	*why = "is cut short";
	if (len < SHARE_ORDER_C + 2)
		return false;
	p += SHARE_ORDER_C;
	len -= SHARE_ORDER_C + 2;
	n = p[0] | (size_t)p[1] << 8;
	p += 2;
	if (len < n + 24)
		return false;
	*why = "has no name of a client";
	if (n == 0 || n >= CLIENT_ID || memchr(p, '\0', n) != NULL)
		return false;
	memcpy(out->cl.id, p, n);
	out->cl.id[n] = '\0';
	p += n;
	out->cl.seen = unpack_int(p);
	out->cl.ino = (uint64_t)unpack_int(p + 8);
	out->cl.offset = unpack_int(p + 16);
	out->cl.text = (const char *)p + 24;
	out->cl.len = len - n - 24;
	*why = "has a text that is too long";
	return out->cl.len <= SHARE_TEXT_MAX && memchr(out->cl.text, '\0', out->cl.len) == NULL;
}

bool
share_unpack(const void *data, size_t len, struct share_entry *out, const char **why)
{
	const unsigned char	*p = data;

	memset(out, 0, sizeof(*out));
	*why = "is cut short";
	if (len < SHARE_HEAD)
		return false;
	*why = "is of another version";
	if (p[0] != SHARE_VERSION)
		return false;
	out->kind = (char)p[1];
	if (p[1] == 'd')
		return unpack_device(p + SHARE_HEAD, len - SHARE_HEAD, out, why);
	if (p[1] == 'c')
		return unpack_client(p + SHARE_HEAD, len - SHARE_HEAD, out, why);
	*why = "is of a kind that does not exist";
	return false;
}
