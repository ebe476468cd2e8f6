#include <stdio.h>

#include "policy/policy.h"

void
decision_write(struct jsonw *w, const struct decision *d, int64_t now)
{
	char	 rule[FILENAME_MAX + 16];
	size_t	 i;

	jw_object(w, "decision");
	jw_str(w, "action", d->action == ACTION_ALLOW ? "allow" : "deny");
	jw_opt(w, "vlan", d->vlan);
	jw_opt(w, "role", d->role);
	if (d->file != NULL) {
		snprintf(rule, sizeof(rule), "%s:%d", d->file, d->line);
		jw_str(w, "rule", rule);
	}
	jw_opt(w, "name", d->name);
	jw_str(w, "state", compliance_name(d->state));
	jw_str(w, "reason", d->reason);
	jw_array(w, "reply");
	for (i = 0; i < d->nattr; i++) {
		jw_array(w, NULL);
		jw_str(w, NULL, d->attr[i].name);
		jw_str(w, NULL, d->attr[i].op);
		jw_str(w, NULL, d->attr[i].value);
		jw_end_array(w);
	}
	jw_end_array(w);
	jw_str(w, "rules", d->rules);
	jw_time(w, "time", now);
	jw_end_object(w);
}
