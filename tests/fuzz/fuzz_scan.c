/* The reader without a JSON library: what it takes, jansson takes too, with the
 * same facts, and prints as the same bytes. */
#include <jansson.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "device/record.h"
#include "device/record_scan.h"

int	 LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct identity	 id, id2;
	static struct session	 s, s2;
	static struct answer	 a, a2;
	struct record_gap	 gap = { 0, 0, false };
	char			 why[512], *text;
	json_t			*rec;

	if (!record_scan((const char *)data, len, &id, &s, &a, &gap))
		return 0;
	if ((rec = record_parse((const char *)data, len, why, sizeof(why))) == NULL ||
	    !record_identity(rec, &id2, why, sizeof(why)) ||
	    !record_session(rec, &s2, why, sizeof(why)) ||
	    !record_answer(rec, &a2, why, sizeof(why)))
		abort();
	if (memcmp(&id, &id2, sizeof(id)) != 0 || memcmp(&s, &s2, sizeof(s)) != 0 ||
	    memcmp(&a, &a2, sizeof(a)) != 0)
		abort();
	if ((text = json_dumps(rec, JSON_COMPACT)) == NULL || strlen(text) != len ||
	    memcmp(text, data, len) != 0)
		abort();
	if (gap.begin > gap.end || gap.end > len ||
	    (gap.begin < gap.end) != (json_object_get(rec, "decision") != NULL))
		abort();
	free(text);
	json_decref(rec);
	return 0;
}
