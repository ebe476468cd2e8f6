/*
 * Can these conditions hold together?  For lint: a careful guess, which says "no"
 * only when that is certain, and "yes" when it is not or when its allowance of
 * work is used up.  For src/policy only.
 */
#ifndef POLICY_SAT_H
#define POLICY_SAT_H

#include "policy/rules.h"

/* A world that a condition is asked in.  Two worlds share every fact but
 * Intune's answer, so "pending now, compliant then" can be asked. */
enum world {
	WORLD_ANY,		/* nothing is known */
	WORLD_PENDING,		/* not looked up: no device, no age */
	WORLD_STALE,		/* an answer, and it is stale */
	WORLD_FRESH		/* + a state: a fresh answer with it */
};

/* One condition of those that are to hold: n (NULL: true), or its opposite; and
 * the others in next. */
struct claim {
	const struct node	*n;
	bool			 opposite;
	int			 world;	/* WORLD_FRESH + enum compliance, or another */
	const struct claim	*next;
	/* Set by sat_possible() for its own use. */
	uint8_t			 mode;
};

struct sat {
	const struct policy	*p;
	int64_t			 left;		/* of all work that lint may do */
};

bool	 sat_possible(struct sat *s, const struct claim *claims);

#endif
