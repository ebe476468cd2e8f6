/*
 * The certificates that a server really sends, and where the trust in them ends: what
 * else would have to be cut out of a packet capture.  This is the one file that uses
 * libssl.
 */
#ifndef INTUNE_CHAIN_H
#define INTUNE_CHAIN_H

#include <stdint.h>

#define CHAIN_MAX	10	/* certificates; an honest chain has 2 to 4 */
#define CHAIN_NAME	256	/* bytes of a name, cut */

/* Which certificate it is that nobody knows. */
enum chain_lacks {
	CHAIN_ROOT,		/* the last one, which no server has to send */
	CHAIN_INTERMEDIATE,	/* one that the server should have sent */
	CHAIN_EITHER		/* it has sent its own alone, without a word of the issuer's */
};

struct chain {
	struct {
		char	 subject[CHAIN_NAME];
		char	 issuer[CHAIN_NAME];
		char	 names[CHAIN_NAME];	/* SAN DNS entries, blanks between */
		char	 sha256[65];		/* of the DER, lower-case hex */
		int64_t	 expires;		/* seconds since 1970 */
	} cert[CHAIN_MAX];
	int	 n;		/* as sent; 0 = the handshake did not get that far */
	char	 fault[128];	/* "" = the chain is trusted */
	char	 missing[CHAIN_NAME];	/* the issuer that nobody knows; "" = that is not it */
	enum chain_lacks lacks;	/* what that one is */
};

/*
 * Makes an SSL_CTX note the chain in arg, a struct chain, and verify as before: for
 * http_probe().  Returns 0.
 */
int	 chain_watch(void *ssl_ctx, void *arg);

#endif
