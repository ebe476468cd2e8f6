#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/provider.h>

#include <string.h>

#include "radius/packet.h"

#define AUTH_AT		4	/* the authenticator in the header */
#define MA_AT		22	/* our Message-Authenticator's value: the first attribute's */

/* Kept to the end of the program. */
static struct {
	OSSL_LIB_CTX	*ctx;
	OSSL_PROVIDER	*provider;
	EVP_MD		*md5;
	EVP_MAC		*hmac;
} crypto;

bool
packet_crypto(void)
{
	if (crypto.hmac != NULL)
		return true;
	/* A new context has not read openssl.cnf, so its properties do not matter. */
	if (crypto.ctx == NULL && (crypto.ctx = OSSL_LIB_CTX_new()) == NULL)
		return false;
	if (crypto.provider == NULL)
		crypto.provider = OSSL_PROVIDER_load(crypto.ctx, "default");
	if (crypto.provider == NULL ||
	    (crypto.md5 == NULL &&
	    (crypto.md5 = EVP_MD_fetch(crypto.ctx, "MD5", NULL)) == NULL))
		return false;
	crypto.hmac = EVP_MAC_fetch(crypto.ctx, "HMAC", NULL);
	return crypto.hmac != NULL;
}

/* MD5 over the packet and then the secret (RFC 2865, 3). */
static bool
md5(const uint8_t *data, size_t len, const char *secret, uint8_t out[PACKET_AUTH])
{
	EVP_MD_CTX	*ctx;
	bool		 good;

	if (crypto.md5 == NULL || (ctx = EVP_MD_CTX_new()) == NULL)
		return false;
	good = EVP_DigestInit_ex2(ctx, crypto.md5, NULL) == 1 &&
	    EVP_DigestUpdate(ctx, data, len) == 1 &&
	    EVP_DigestUpdate(ctx, secret, strlen(secret)) == 1 &&
	    EVP_DigestFinal_ex(ctx, out, NULL) == 1;
	EVP_MD_CTX_free(ctx);
	return good;
}

/* HMAC-MD5 under the secret (RFC 3579, 3.2). */
static bool
hmac(const uint8_t *data, size_t len, const char *secret, uint8_t out[PACKET_AUTH])
{
	char		 name[] = "MD5";
	OSSL_PARAM	 params[] = {
		OSSL_PARAM_construct_utf8_string("digest", name, 0),
		OSSL_PARAM_construct_end()
	};
	EVP_MAC_CTX	*ctx;
	size_t		 n = 0;
	bool		 good;

	if (crypto.hmac == NULL || (ctx = EVP_MAC_CTX_new(crypto.hmac)) == NULL)
		return false;
	good = EVP_MAC_init(ctx, (const unsigned char *)secret, strlen(secret), params) == 1 &&
	    EVP_MAC_update(ctx, data, len) == 1 &&
	    EVP_MAC_final(ctx, out, &n, PACKET_AUTH) == 1 && n == PACKET_AUTH;
	EVP_MAC_CTX_free(ctx);
	return good;
}

void
packet_start(struct packet *p, uint8_t code, uint8_t id, bool message_authenticator)
{
	static const uint8_t	 zero[PACKET_AUTH];

	memset(p, 0, sizeof(*p));
	p->b[0] = code;
	p->b[1] = id;
	p->len = PACKET_HEADER;
	p->has_ma = message_authenticator;
	if (message_authenticator)
		packet_add(p, 0, ATTR_MESSAGE_AUTHENTICATOR, zero, sizeof(zero));
}

bool
packet_add(struct packet *p, uint32_t vendor, uint8_t type, const void *value, size_t len)
{
	size_t	 head = vendor != 0 ? 8 : 2;
	uint8_t	*b = p->b + p->len;

	if (p->full || len == 0 || len + head > PACKET_VALUE + 2 ||
	    p->len + head + len > PACKET_MAX) {
		p->full = true;
		return false;
	}
	if (vendor != 0) {
		b[0] = ATTR_VENDOR_SPECIFIC;
		b[1] = (uint8_t)(head + len);
		b[2] = (uint8_t)(vendor >> 24);
		b[3] = (uint8_t)(vendor >> 16);
		b[4] = (uint8_t)(vendor >> 8);
		b[5] = (uint8_t)vendor;
		b += 6;
	}
	b[0] = type;
	b[1] = (uint8_t)(2 + len);
	memcpy(b + 2, value, len);
	p->len += head + len;
	return true;
}

bool
packet_add_u32(struct packet *p, uint8_t type, uint32_t value)
{
	uint8_t	 b[4] = { (uint8_t)(value >> 24), (uint8_t)(value >> 16),
	    (uint8_t)(value >> 8), (uint8_t)value };

	return packet_add(p, 0, type, b, sizeof(b));
}

bool
packet_sign(struct packet *p, const char *secret)
{
	if (p->full)
		return false;
	p->b[2] = (uint8_t)(p->len >> 8);
	p->b[3] = (uint8_t)p->len;
	memset(p->b + AUTH_AT, 0, PACKET_AUTH);
	/* First the inner one: the Request Authenticator covers it. */
	if (p->has_ma) {
		memset(p->b + MA_AT, 0, PACKET_AUTH);
		if (!hmac(p->b, p->len, secret, p->b + MA_AT))
			return false;
	}
	return md5(p->b, p->len, secret, p->b + AUTH_AT);
}

static uint32_t
number(const uint8_t b[4])
{
	return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

/* RFC 5176, 6.3: what is not current is silently discarded.  32 bits go round. */
static bool
is_stale(uint32_t time, int64_t now)
{
	int32_t	 off = (int32_t)(time - (uint32_t)now);

	return off > PACKET_WINDOW || off < -PACKET_WINDOW;
}

/* Reads the attributes of a reply whose length field has been checked.  Returns
 * false when they do not add up. */
static bool
read_attributes(const uint8_t *data, size_t len, int64_t now, struct reply *out)
{
	const uint8_t	*a;
	size_t		 at, n;

	memset(out, 0, sizeof(*out));
	for (at = PACKET_HEADER; at < len; at += n) {
		a = data + at;
		if (len - at < 2 || (n = a[1]) < 2 || n > len - at)
			return false;
		switch (a[0]) {
		case ATTR_MESSAGE_AUTHENTICATOR:
			if (n != PACKET_AUTH + 2)
				return false;
			out->has_ma = true;
			out->ma_at = at + 2;
			out->ma_count++;
			break;
		case ATTR_EVENT_TIMESTAMP:
			if (n != 6)
				return false;
			if (now != PACKET_NO_TIME && is_stale(number(a + 2), now))
				out->stale = true;
			break;
		case ATTR_PROXY_STATE:
			out->has_proxy_state = true;
			break;
		case ATTR_ERROR_CAUSE:
			/* The first counts; one of another size says nothing. */
			if (n == 6 && out->error_cause == 0)
				out->error_cause = number(a + 2);
			break;
		}
	}
	return true;
}

/* Whether a reply's code answers the request, and how. */
static bool
answers(uint8_t request, uint8_t reply, bool *ack)
{
	*ack = reply == request + 1;
	return *ack || reply == request + 2;
}

enum reply_verdict
packet_verify(const uint8_t request[PACKET_HEADER], const uint8_t *data, size_t len,
    const char *secret, bool require_ma, int64_t now, struct reply *out)
{
	uint8_t		 copy[PACKET_MAX], want[PACKET_AUTH];
	struct reply	 r;
	size_t		 n;

	if (len < PACKET_HEADER)
		return REPLY_LENGTH;
	n = (size_t)data[2] << 8 | data[3];
	if (n < PACKET_HEADER || n > len || n > PACKET_MAX)
		return REPLY_LENGTH;
	if (data[1] != request[1])
		return REPLY_ID;
	/* Both digests are over the reply with the Request Authenticator in its
	 * header.  Message-Authenticator stands there for the first of them and
	 * is zero for the second: RFC 2865, 3 and RFC 5176, 3.4. */
	memcpy(copy, data, n);
	memcpy(copy + AUTH_AT, request + AUTH_AT, PACKET_AUTH);
	if (!md5(copy, n, secret, want) ||
	    CRYPTO_memcmp(want, data + AUTH_AT, PACKET_AUTH) != 0)
		return REPLY_AUTHENTICATOR;
	if (!read_attributes(data, n, now, &r))
		return REPLY_ATTRIBUTES;
	if (r.ma_count > 1)
		return REPLY_BAD_MA;
	if (r.has_ma) {
		memset(copy + r.ma_at, 0, PACKET_AUTH);
		if (!hmac(copy, n, secret, want) ||
		    CRYPTO_memcmp(want, data + r.ma_at, PACKET_AUTH) != 0)
			return REPLY_BAD_MA;
	} else if (require_ma)
		return REPLY_NO_MA;
	if (r.stale)
		return REPLY_TIME;
	if (r.has_proxy_state)
		return REPLY_PROXY_STATE;
	if (!answers(request[0], data[0], &r.ack))
		return REPLY_CODE;
	r.code = data[0];
	*out = r;
	return REPLY_GOOD;
}

const char *
packet_verdict_text(enum reply_verdict verdict)
{
	static const char *const text[] = {
		"good",
		"its length is wrong",
		"it has another Identifier",
		"its authenticator is wrong (another secret, or forged)",
		"its attributes do not add up",
		"its Message-Authenticator is wrong",
		"it has no Message-Authenticator",
		"its Event-Timestamp is not of now: one of the two clocks is wrong",
		"it has a Proxy-State that we did not send",
		"its code does not answer this request",
	};

	return text[verdict];
}

const char *
packet_error_cause(uint32_t cause)
{
	static const struct { uint32_t n; const char *text; } list[] = {
		{ 201, "Residual Session Context Removed" },
		{ 202, "Invalid EAP Packet" },
		{ 401, "Unsupported Attribute" },
		{ 402, "Missing Attribute" },
		{ 403, "NAS Identification Mismatch" },
		{ 404, "Invalid Request" },
		{ 405, "Unsupported Service" },
		{ 406, "Unsupported Extension" },
		{ 407, "Invalid Attribute Value" },
		{ 501, "Administratively Prohibited" },
		{ 502, "Request Not Routable" },
		{ 503, "Session Context Not Found" },
		{ 504, "Session Context Not Removable" },
		{ 505, "Other Proxy Processing Error" },
		{ 506, "Resources Unavailable" },
		{ 507, "Request Initiated" },
		{ 508, "Multiple Session Selection Unsupported" },
		{ 509, "Location-Info-Required" },
		{ 601, "Response Too Big" },
	};
	size_t	 i;

	for (i = 0; i < sizeof(list) / sizeof(list[0]); i++)
		if (list[i].n == cause)
			return list[i].text;
	return NULL;
}

const char *
packet_error_hint(uint32_t cause)
{
	switch (cause) {
	case 401:
	case 404:
		return "its profile is not the right one for this NAS";
	case 402:
		return "its profile sends too little, or the wrong kind of packet";
	case 403:
		return "NAS-IP-Address or NAS-Identifier is not what it calls itself";
	case 405:
	case 406:
		return "this NAS cannot do that; try another --action or profile";
	case 407:
		return "a value it cannot read, mostly the form of the MAC address";
	case 501:
		return "Dynamic Authorization is not enabled for us on this NAS";
	case 502:
		return "the proxy on the way does not know this NAS";
	case 508:
		return "several sessions match; the profile must send Acct-Session-Id";
	default:
		return NULL;
	}
}
