/* The NAS file, and a session looked up in what came of it. */
#include <sys/socket.h>

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "radius/nas.h"

int	 LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void
ignore(void *arg, const char *message)
{
	(void)arg;
	(void)message;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const char *const	 ips[] = { "192.0.2.1", "2001:db8::1", "" };
	static struct profile		 profile = { .port = PROFILE_PORT };
	struct sockaddr_storage		 ss;
	struct session			 s = { .nas_id = "ap-1" };
	struct nas_file			*file;
	struct nas			*nas;
	char				*text, where[NAS_ADDRESS];
	socklen_t			 sslen;
	size_t				 i;

	if ((text = malloc(len + 1)) == NULL)
		abort();
	memcpy(text, data, len);
	text[len] = '\0';
	if ((file = nas_parse("fuzz", text, len, ignore, NULL)) != NULL)
		for (i = 0; i < 3; i++) {
			strcpy(s.nas_ip, ips[i]);
			if ((nas = nas_find(file, &s)) == NULL)
				continue;
			nas->profile = &profile;
			nas_address(nas, &s, &ss, &sslen, where);
		}
	nas_free(file);
	free(text);
	return 0;
}
