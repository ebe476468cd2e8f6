/*
 * The test of the connection, from the name of the token service to one device: a line
 * for each step, with the cause of a failure and what to do about it.
 */
#ifndef INTUNE_CHECK_H
#define INTUNE_CHECK_H

#include "intune/http.h"
#include "intune/settings.h"

/*
 * Prints to standard output `ok STEP: ...`, `FAILED STEP: cause; what to do`,
 * `skipped STEP: why`, or `unused STEP: cause; ...` for a failure of NAC 2.0 where
 * `source` in nac.conf is graph.  Asks for a new token, whatever the cache holds.  Returns 0
 * when all went well, else the largest exit status.
 */
int	 check_run(const struct settings *set, struct http *http);

#endif
