/*
 * FreeRADIUS' environment: NAME=value entries, each ended by a NUL.  Whatever
 * comes in, what is written of it is a record.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "radius/env.h"

#define ENTRIES	1023	/* the server's own limit */

int	 LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static char	 out[65536];
	struct identity	 id;
	struct session	 s;
	struct jsonw	 w;
	char		 note[ENV_NOTE], *envp[ENTRIES + 1], *text, *p;
	size_t		 n = 0;

	if ((text = malloc(len + 1)) == NULL)
		return 0;
	memcpy(text, data, len);
	text[len] = '\0';
	for (p = text; p < text + len && n < ENTRIES; p += strlen(p) + 1)
		envp[n++] = p;
	envp[n] = NULL;
	env_read(envp, 0, &id, &s, note);
	jw_init(&w, out, sizeof(out));
	jw_object(&w, NULL);
	identity_write(&w, &id);
	session_write(&w, &s);
	jw_opt(&w, "note", note);
	jw_end_object(&w);
	if (jw_done(&w) == NULL)
		abort();
	free(text);
	return 0;
}
