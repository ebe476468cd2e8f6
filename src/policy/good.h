/*
 * A copy of the last good rules, with all that they include, in the state folder:
 * what decides while the rules themselves are broken.  Hints, which are secrets,
 * are never in it.  The reader writes nothing and needs no more than to read.
 */
#ifndef POLICY_GOOD_H
#define POLICY_GOOD_H

#include <stddef.h>
#include <stdint.h>

#include "policy/policy.h"

#define GOOD_FILE	(64 * 1024 * 1024)	/* bytes of a copy: some lists of the largest size */
#define GOOD_WHY	2048

enum good_rc {
	GOOD_KEPT,	/* written */
	GOOD_SAME,	/* the copy there is of these very rules */
	GOOD_NEWER,	/* there is a copy of rules that were changed later; it stays */
	GOOD_CHANGED,	/* the files are no longer those that were read; nothing is written */
	GOOD_FAILED	/* nothing is written */
};

/*
 * Keeps p, which policy_load() has read from the path rules, in the folder dir: as
 * rules' own name and ".good", mode 0640, of the folder's group, replaced in one
 * step.  With force a copy of rules that were changed later is replaced too.  why
 * has a sentence unless GOOD_KEPT or GOOD_SAME is returned.
 */
enum good_rc good_keep(const struct policy *p, const char *rules, const char *dir, bool force,
	    char why[GOOD_WHY]);

/*
 * The copy of the rules at this path: the policy, which policy_free() frees, and in
 * *kept when it was made.  NULL with a sentence in why: it is damaged, somebody else
 * might have written it; or with why "": there is none.  It must belong to root, to us, or to the
 * owner of dir, in whose hands the device store is as well.
 */
struct policy *good_load(const char *rules, const char *dir, int64_t *kept, char why[GOOD_WHY]);

/* The same from len bytes of memory, which must stay; name stands in why. */
struct policy *good_parse(const char *name, const char *text, size_t len, const char *rules,
	    int64_t *kept, char why[GOOD_WHY]);

#endif
