/* Datagrams that come in as the answer to a Disconnect-Request. */
#include <openssl/evp.h>

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "radius/packet.h"

int	 LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

#define SECRET	"testing123"
#define NOW	1795249800

/* Gives the reply a true Response Authenticator: what lies behind that check is
 * to be met too. */
static void
resign(uint8_t *b, size_t len, const struct packet *request)
{
	uint8_t		 sum[16 + PACKET_MAX + sizeof(SECRET)];
	unsigned	 n = 16;

	memcpy(sum, b, 4);
	memcpy(sum + 4, request->b + 4, 16);
	memcpy(sum + 20, b + 20, len - 20);
	memcpy(sum + len, SECRET, strlen(SECRET));
	if (EVP_Digest(sum, len + strlen(SECRET), b + 4, &n, EVP_md5(), NULL) != 1)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct packet	 request;
	struct reply	 reply;
	uint8_t		 b[PACKET_MAX];
	size_t		 n;

	packet_start(&request, DISCONNECT_REQUEST, 7, true);
	if (!packet_crypto() || !packet_sign(&request, SECRET))
		abort();
	packet_verify(request.b, data, len, SECRET, false, NOW, &reply);
	if (len < PACKET_HEADER || len > PACKET_MAX)
		return 0;
	memcpy(b, data, len);
	b[1] = 7;
	n = (size_t)b[2] << 8 | b[3];
	if (n < PACKET_HEADER || n > len)
		return 0;
	resign(b, n, &request);
	if (packet_verify(request.b, b, len, SECRET, false, NOW, &reply) == REPLY_AUTHENTICATOR)
		abort();
	if (packet_verify(request.b, b, len, SECRET, false, PACKET_NO_TIME, &reply) == REPLY_TIME)
		abort();
	return 0;
}
