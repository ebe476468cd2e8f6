/*
 * Packets of RADIUS (RFC 2865) as far as Dynamic Authorization (RFC 5176) needs
 * them: building and signing a request, checking and reading its reply.  The
 * only file that speaks to libcrypto here; MD5 is no choice of ours but the
 * protocol's.
 */
#ifndef RADIUS_PACKET_H
#define RADIUS_PACKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PACKET_HEADER	20
#define PACKET_MAX	4096	/* RFC 2865, 3 */
#define PACKET_VALUE	253	/* one attribute's value; of a vendor's, six less */
#define PACKET_AUTH	16	/* an authenticator, and Message-Authenticator's value */
#define PACKET_WINDOW	300	/* seconds that two clocks may differ by: RFC 5176, 6.3 */
#define PACKET_NO_TIME	INT64_MIN

/* RFC 5176, 2.3 */
enum packet_code {
	DISCONNECT_REQUEST = 40,
	DISCONNECT_ACK = 41,
	DISCONNECT_NAK = 42,
	COA_REQUEST = 43,
	COA_ACK = 44,
	COA_NAK = 45
};

enum packet_type {
	ATTR_VENDOR_SPECIFIC = 26,
	ATTR_PROXY_STATE = 33,
	ATTR_EVENT_TIMESTAMP = 55,
	ATTR_MESSAGE_AUTHENTICATOR = 80,
	ATTR_ERROR_CAUSE = 101
};

struct packet {
	uint8_t	 b[PACKET_MAX];
	size_t	 len;
	bool	 full;		/* an attribute did not fit: of no use any more */
	bool	 has_ma;	/* Message-Authenticator is the first attribute */
};

/* What became of a datagram that came in.  Everything but REPLY_GOOD is to be
 * ignored while the right answer may still come. */
enum reply_verdict {
	REPLY_GOOD,
	REPLY_LENGTH,		/* too short, or its length field lies */
	REPLY_ID,		/* another request's Identifier */
	REPLY_AUTHENTICATOR,	/* wrong secret, or forged */
	REPLY_ATTRIBUTES,	/* attributes that do not add up */
	REPLY_BAD_MA,		/* Message-Authenticator wrong, or there twice */
	REPLY_NO_MA,		/* none, and one is required */
	REPLY_TIME,		/* its Event-Timestamp is not of now */
	REPLY_PROXY_STATE,	/* one that we did not send */
	REPLY_CODE		/* a code that does not answer this request */
};

struct reply {
	uint8_t	 code;
	bool	 ack;
	uint32_t error_cause;	/* 0 when it has none */
	bool	 has_ma;
	bool	 has_proxy_state;
	bool	 stale;		/* has an Event-Timestamp outside PACKET_WINDOW */
	size_t	 ma_at;		/* where Message-Authenticator's value starts */
	size_t	 ma_count;
};

/*
 * Makes MD5 and HMAC ready, from OpenSSL's default provider in a context of its
 * own, so that a system-wide FIPS configuration does not take them away.  Must
 * be called before packet_sign() and packet_verify().  Returns false when this
 * OpenSSL has no MD5.
 */
bool	 packet_crypto(void);

/* Starts a request; Message-Authenticator (RFC 5176, 3.4) comes first, if at all. */
void	 packet_start(struct packet *p, uint8_t code, uint8_t id, bool message_authenticator);

/*
 * Appends an attribute; vendor 0 is none, another makes it a Vendor-Specific
 * one in the form of RFC 2865, 5.26.  Returns false, and the packet stays
 * `full', when the value is empty, longer than PACKET_VALUE (six less for a
 * vendor's), or the packet would pass PACKET_MAX.
 */
bool	 packet_add(struct packet *p, uint32_t vendor, uint8_t type, const void *value,
	    size_t len);

/* The same for a number of 32 bits. */
bool	 packet_add_u32(struct packet *p, uint8_t type, uint32_t value);

/* Sets length, Message-Authenticator and then the Request Authenticator (RFC
 * 5176, 2.3 and 3.4).  Returns false when the packet is full or a digest fails. */
bool	 packet_sign(struct packet *p, const char *secret);

/*
 * Checks a datagram of len bytes as the answer to a signed request's bytes: lengths,
 * Identifier, Response Authenticator, attributes, Message-Authenticator,
 * Event-Timestamp, code, in this order.  now is seconds since 1970; PACKET_NO_TIME
 * does not look at the Event-Timestamp, for a NAS without a clock.  out is filled
 * for REPLY_GOOD only.
 */
enum reply_verdict packet_verify(const uint8_t request[PACKET_HEADER],
	    const uint8_t *data, size_t len, const char *secret, bool require_ma, int64_t now,
	    struct reply *out);

/* A few words for a verdict, and the name of an Error-Cause (RFC 5176, 3.5, and
 * IANA's list); NULL for a number that has none. */
const char *packet_verdict_text(enum reply_verdict verdict);
const char *packet_error_cause(uint32_t cause);

/* What an administrator should look at after a NAK with this Error-Cause; NULL
 * for one that says it all. */
const char *packet_error_hint(uint32_t cause);

#endif
