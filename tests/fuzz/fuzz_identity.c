/* SAN URIs, SAN text and CNs as a client may choose them. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "device/identity.h"
#include "device/record.h"

int	 LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct identity	 id;
	static char		 buf[RECORD_TEXT];
	struct jsonw		 w;
	char			*text;
	size_t			 i;

	/* On the heap and exactly as long, so that one byte too far is seen. */
	if ((text = malloc(len + 1)) == NULL)
		return 0;
	memcpy(text, data, len);
	text[len] = '\0';
	memset(&id, 0, sizeof(id));
	identity_add_cn(&id, text, FOUND_CN);
	identity_add_san_text(&id, text);
	free(text);
	if ((text = malloc(len)) != NULL && len > 0) {
		memcpy(text, data, len);
		identity_add_uri(&id, text, len);
	}
	free(text);
	for (i = 1; i < id.nguid; i++)
		if (id.guid[i - 1].found > id.guid[i].found)
			abort();
	jw_init(&w, buf, sizeof(buf));
	jw_object(&w, NULL);
	identity_write(&w, &id);
	jw_end_object(&w);
	if (jw_done(&w) == NULL)
		abort();
	return 0;
}
