/*
 * A tenant goes by its id (a GUID) or by any of its domains, and what is counted is
 * counted for the tenant.  The token tells which id a domain has; that is kept in
 * token_dir for all processes.
 */
#ifndef INTUNE_TENANTID_H
#define INTUNE_TENANTID_H

#include <stdbool.h>

#include "base/guid.h"
#include "intune/settings.h"

#define TENANT_NAME	256	/* bytes of a tenant's name */

/* By what the tenant is filed: its id if that is known, else its name, folded. */
void	 tenant_key(const struct settings *set, char key[TENANT_NAME]);

/* Learns the tenant's id from the token's claim tid; trouble is warned of. */
void	 tenant_learn(const struct settings *set, const char *token);

/* The claim tid of a token; false when it is opaque. */
bool	 tenant_of_token(const char *token, struct guid *out);

#endif
