/* A line of NDJSON into a record and its members, and back. */
#include <stdint.h>
#include <string.h>

#include "device/record.h"

int	 LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct identity	 id;
	static struct session	 session;
	static struct answer	 answer;
	char			 why[256];
	json_t			*rec;

	rec = record_parse((const char *)data, len, why, sizeof(why));
	if (rec == NULL)
		return 0;
	if (record_identity(rec, &id, why, sizeof(why)))
		record_put_identity(rec, &id);
	if (record_session(rec, &session, why, sizeof(why)))
		record_put_session(rec, &session);
	if (record_answer(rec, &answer, why, sizeof(why)))
		record_put_answer(rec, &answer, 1795249800);
	json_decref(rec);
	return 0;
}
