/*
 * Decisions in records, for the programs that may carry jansson; radius-hook
 * writes its own with decision_write().
 */
#ifndef POLICY_DECISION_JSON_H
#define POLICY_DECISION_JSON_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "policy/policy.h"

/* The decision as a JSON object of its own: a new reference. */
json_t	*decision_json(const struct decision *d, int64_t now);

/*
 * Whether two decisions treat a client differently: another action, or other
 * reply attributes.  Attributes of different names may stand in any order, those
 * of one name (+=) may not.  Which rule decided and why does not count.  before
 * is foreign and may be NULL or null: no decision yet, which counts as changed.
 * Returns true with *changed set; false with a reason in why when before is no
 * decision as nac-record(5) has it.
 */
bool	 decision_changed(const json_t *before, const json_t *now, bool *changed, char *why,
	    size_t size);

/* A copy of a decision without its own `was` and `explain`, to become the `was` of the next
 * one: a new reference. */
json_t	*decision_was(json_t *before);

/* Compares the hint of a managed app that stands in a record, and lets nothing but the
 * result go on, in both: rec is printed later. */
void	 decision_settle_hint(const struct policy *p, json_t *rec, struct session *s);

#endif
