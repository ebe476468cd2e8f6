/* The issuer, realm and NAS of a record against what a section asks for: the input is
 * split at its first newlines. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "intune/msi.h"
#include "intune/section.h"

int	 LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	char	*text, *want, *path;

	if ((text = strndup((const char *)data, len)) == NULL)
		return 0;
	if ((want = strchr(text, '\n')) != NULL)
		*want++ = '\0';
	else
		want = text + strlen(text);
	section_issuer(text, want);
	/* No name has a part that an empty one asks for. */
	if (section_issuer(text, ""))
		__builtin_trap();
	section_realm(text, want);
	section_nas(text, want, want);
	if ((path = msi_key_path(text, "/k")) != NULL &&
	    (strncmp(path, "/k/", 3) != 0 || strchr(path + 3, '/') != NULL))
		__builtin_trap();
	free(path);
	free(text);
	return 0;
}
