/*
 * Looks at everything coa-send(8) would need one day: each profile there is, each
 * line of the NAS file, each secret.
 */
#ifndef RADIUS_LINT_H
#define RADIUS_LINT_H

#include <stdbool.h>

#include "base/conf.h"
#include "radius/dict.h"

/*
 * Checks the NAS file, every profile in dir and every secret's file.  Reports
 * each error, and each line of the NAS file that no session can reach because of
 * one above it.  Returns whether all is well.
 */
bool	 lint_all(const char *nas, const char *dir, const struct dict *dict,
	    conf_report report, void *arg);

#endif
