/*
 * Yesterday's decisions again, by other rules: what would change.  For programs
 * that may carry jansson.
 */
#ifndef POLICY_REPLAY_H
#define POLICY_REPLAY_H

#include <stdbool.h>

#include "policy/policy.h"

/*
 * Reads the decision logs named (the journal of radius-hook(8), or any records
 * with a decision; without names, standard input) and decides each line again by
 * p, at the time of its own decision.  Prints each decision that differs, as
 * text or as records, and then the sums.  Memory does not grow with the log: a
 * client takes 8 to 24 bytes, and past REPLAY_CLIENTS they are no longer told apart.
 *
 * Returns 0 when nothing changed, 1 when something did; 65 when a file cannot be
 * read, or a line that is no stump of a killed writer (the others go on); 74.
 */
int	 replay_run(const struct policy *p, int argc, char **argv, bool json);

#define REPLAY_CLIENTS	1000000
#define REPLAY_ROWS	1000		/* of each table; the rest is one row more */

#endif
