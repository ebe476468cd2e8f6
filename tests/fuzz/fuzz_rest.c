/*
 * The JSON of rlm_rest.  Whatever comes in, a line for the journal can be written
 * of it, and it is valid JSON.
 */
#include <jansson.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/jsonw.h"
#include "radius/rest.h"

int	 LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static char		 out[65536];
	struct identity		 id;
	struct session		 s;
	struct rest_request	 q;
	struct jsonw		 w;
	json_t			*back;
	char			 note[ENV_NOTE], why[REST_WHY], *body;

	if ((body = malloc(len + 1)) == NULL)
		return 0;
	memcpy(body, data, len);
	q = (struct rest_request){ &id, &s, note, ACCT_NONE };
	if (rest_read(body, len, 1700000000, &q, why)) {
		jw_init(&w, out, sizeof(out));
		jw_object(&w, NULL);
		identity_write(&w, &id);
		session_write(&w, &s);
		jw_str(&w, "accounting", acct_name(q.acct));
		jw_opt(&w, "note", note);
		jw_end_object(&w);
		if (jw_done(&w) == NULL ||
		    (back = json_loads(out, JSON_REJECT_DUPLICATES, NULL)) == NULL)
			abort();
		json_decref(back);
	}
	free(body);
	return 0;
}
