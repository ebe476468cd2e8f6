/* Certificate files as a client may hand them over: every certificate taken
 * apart, and verified against the whole file. */
#include <stdint.h>
#include <stdlib.h>

#include "device/record.h"
#include "device/x509.h"

int	 LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void
ignore(void *arg, const char *text)
{
	(void)arg;
	(void)text;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct identity	 id;
	static char		 buf[RECORD_TEXT];
	struct cert_trust	*trust;
	struct certs		*certs;
	struct jsonw		 w;
	char			 why[CERT_WHY];
	size_t			 i;

	if ((certs = cert_load(data, len, why)) == NULL) {
		if (why[0] == '\0')
			abort();
		return 0;
	}
	trust = cert_trust_new(certs);
	for (i = 0; i < cert_count(certs); i++) {
		if (!cert_identity(certs, i, &id, ignore, NULL, why) && why[0] == '\0')
			abort();
		if (!cert_verify(certs, i, trust, 1795250000, why) && why[0] == '\0')
			abort();
		jw_init(&w, buf, sizeof(buf));
		jw_object(&w, NULL);
		identity_write(&w, &id);
		jw_end_object(&w);
		if (jw_done(&w) == NULL)
			abort();
	}
	if (cert_leaf(certs) >= cert_count(certs))
		abort();
	cert_trust_free(trust);
	cert_free(certs);
	return 0;
}
