/*
 * The options that every program has which runs the hook: radius-hook, nac-serve.
 */
#ifndef RADIUS_HOOK_ARGS_H
#define RADIUS_HOOK_ARGS_H

#include <getopt.h>

#include "radius/hook.h"

enum { HOOK_ARG_RULES = 1024, HOOK_ARG_STATE, HOOK_ARG_JOURNAL, HOOK_ARG_FALLBACK,
    HOOK_ARG_VLAN };

/* For the program's table of getopt_long(); its short options have "c:". */
#define HOOK_ARGS \
	{ "config", required_argument, NULL, 'c' }, \
	{ "rules", required_argument, NULL, HOOK_ARG_RULES }, \
	{ "state-dir", required_argument, NULL, HOOK_ARG_STATE }, \
	{ "journal", required_argument, NULL, HOOK_ARG_JOURNAL }, \
	{ "fallback", required_argument, NULL, HOOK_ARG_FALLBACK }, \
	{ "quarantine-vlan", required_argument, NULL, HOOK_ARG_VLAN }

enum hook_arg {
	HOOK_ARG_OTHER,		/* c is none of them */
	HOOK_ARG_TAKEN,
	HOOK_ARG_WRONG
};

/*
 * Takes what getopt_long() gave, c and value, which must stay.  On HOOK_ARG_WRONG
 * *why is a sentence that the value ends ("--fallback is quarantine or deny, not"),
 * and a fallback that nobody understands is deny, the narrower of the two.
 */
enum hook_arg	 hook_arg(struct hook_options *o, int c, const char *value, const char **why);

#endif
