#include <string.h>

#include "base/num.h"
#include "radius/hook_args.h"

static enum hook_arg
fallback(struct hook_options *o, const char *word, const char **why)
{
	o->fallback = strcmp(word, "quarantine") == 0 ? FALLBACK_QUARANTINE : FALLBACK_DENY;
	if (o->fallback == FALLBACK_QUARANTINE || strcmp(word, "deny") == 0)
		return HOOK_ARG_TAKEN;
	*why = "--fallback is quarantine or deny, not";
	return HOOK_ARG_WRONG;
}

static enum hook_arg
vlan(struct hook_options *o, const char *word, const char **why)
{
	const char	*fault;
	int64_t		 n;

	if (!num_parse(word, 1, 4094, &n, &fault)) {
		*why = "--quarantine-vlan is 1 to 4094, not";
		return HOOK_ARG_WRONG;
	}
	o->quarantine_vlan = (int)n;
	return HOOK_ARG_TAKEN;
}

enum hook_arg
hook_arg(struct hook_options *o, int c, const char *value, const char **why)
{
	switch (c) {
	case 'c':
		o->conf = value;
		break;
	case HOOK_ARG_RULES:
		o->rules = value;
		break;
	case HOOK_ARG_STATE:
		o->state_dir = value;
		break;
	case HOOK_ARG_JOURNAL:
		o->journal = value;
		break;
	case HOOK_ARG_FALLBACK:
		return fallback(o, value, why);
	case HOOK_ARG_VLAN:
		return vlan(o, value, why);
	default:
		return HOOK_ARG_OTHER;
	}
	return HOOK_ARG_TAKEN;
}
