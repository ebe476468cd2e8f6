/*
 * Managed identities: the machine itself is the credential.  A token comes from an
 * endpoint that only it can reach, over plain HTTP and never through a proxy
 * (Microsoft: "How to use managed identities for Azure resources on an Azure VM to
 * acquire an access token"; for Azure Arc: "Authenticate against Azure resources
 * with Azure Arc-enabled servers").
 */
#ifndef INTUNE_MSI_H
#define INTUNE_MSI_H

#include "intune/entra.h"

#define MSI_KEY_MAX	4096	/* bytes of Arc's key file, as Microsoft's libraries have it */

/* Asks for a new token; as entra_request(). */
bool	 msi_request(const struct settings *set, struct http *http, struct token *out,
	    struct token_error *e);

/*
 * The key file that a challenge of Arc's names: "Basic realm=PATH".  It must lie
 * directly in dir and end in .key, whatever the challenge says.  Returns the path,
 * which the caller frees, or NULL.
 */
char	*msi_key_path(const char *challenge, const char *dir);

#endif
