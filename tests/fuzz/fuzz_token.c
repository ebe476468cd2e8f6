/* The token endpoint's answers, the cache file, and a token's claims. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "intune/jwt.h"
#include "intune/tokencache.h"

#define NOW	INT64_C(1795000000)

int	 LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const long	 status[] = { 200, 400, 401, 429, 503 };
	char			 scope[] = "s", *copy, *claims;
	struct settings		 set = { .authority = "a", .tenant = "t", .client_id = "c",
				    .scope = scope };
	struct token_error	 e;
	struct token		 t;
	size_t			 i, n;

	for (i = 0; i < sizeof(status) / sizeof(status[0]); i++) {
		if (entra_answer(status[i], (const char *)data, len, "5", NOW, &t, &e)) {
			if (!token_text_ok(t.text) || t.expires <= NOW)
				__builtin_trap();
		} else if (strpbrk(e.text, "\r\n\033") != NULL || e.status == 0)
			__builtin_trap();
		token_wipe(&t);
	}
	if (tokencache_parse(&set, (const char *)data, len, NOW, &t) == NULL &&
	    !token_text_ok(t.text))
		__builtin_trap();
	token_wipe(&t);
	if ((copy = strndup((const char *)data, len)) == NULL)
		return 0;
	if ((claims = jwt_claims(copy, &n)) != NULL && claims[n] != '\0')
		__builtin_trap();
	free(claims);
	free(copy);
	return 0;
}
