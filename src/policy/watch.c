#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "base/digest.h"
#include "base/file.h"
#include "base/when.h"
#include "policy/rules.h"
#include "policy/watch.h"

/* How often broken rules are tried again where no file that we know of has
 * changed: the fault may be in one that only they include. */
#define AGAIN	2	/* seconds */

struct watch {
	const char	*path;
	struct policy	*policy;
	policy_report	 report;
	void		*arg;
	uint64_t	 version;	/* of all files, as last seen */
	bool		 broken;
	int64_t		 tried;
};

static void
silent(void *arg, const char *message)
{
	(void)arg;
	(void)message;
}

static uint64_t
add(uint64_t version, uint64_t state)
{
	return digest_add(version, &state, sizeof(state));
}

uint64_t
watch_version(const char *path, const struct policy *p)
{
	const struct rules_file	*f;
	uint64_t		 v = add(DIGEST_START, file_state_now(path));

	/* The first is the rules file itself. */
	for (f = p != NULL ? p->sources->next : NULL; f != NULL; f = f->next)
		v = add(v, file_state_now(f->path));
	for (f = p != NULL ? p->secrets : NULL; f != NULL; f = f->next)
		v = add(v, file_state_now(f->path));
	return v;
}

uint64_t
watch_version_read(const struct policy *p)
{
	const struct rules_file	*f;
	uint64_t		 v = DIGEST_START;

	for (f = p->sources; f != NULL; f = f->next)
		v = add(v, f->state);
	for (f = p->secrets; f != NULL; f = f->next)
		v = add(v, f->state);
	return v;
}

static uint64_t
version(const struct watch *w)
{
	return watch_version(w->path, w->policy);
}

struct watch *
watch_new(const char *path, struct policy *first, bool broken, policy_report report,
    void *arg)
{
	struct watch	*w = calloc(1, sizeof(*w));

	if (w == NULL)
		err(EX_OSERR, NULL);
	w->path = path;
	w->policy = first;
	w->broken = broken;
	w->report = report;
	w->arg = arg;
	/* The copy of good rules was read from other files than these. */
	w->version = broken || first == NULL ? version(w) : watch_version_read(first);
	return w;
}

void
watch_free(struct watch *w)
{
	if (w == NULL)
		return;
	policy_free(w->policy);
	free(w);
}

const struct policy *
watch_policy(struct watch *w)
{
	struct policy	*p;
	uint64_t	 v = version(w);
	char		 msg[FILE_WHY + 128];
	bool		 changed = v != w->version;

	if (!changed && (!w->broken || when_now() - w->tried < AGAIN))
		return w->policy;
	w->version = v;
	w->tried = when_now();
	if ((p = policy_load(w->path, changed ? w->report : silent, w->arg)) == NULL) {
		w->broken = true;
		snprintf(msg, sizeof(msg), "%.*s: the last good rules stay in force",
		    FILE_WHY, w->path);
		if (changed)
			w->report(w->arg, msg);
		return w->policy;
	}
	w->broken = false;
	policy_free(w->policy);
	w->policy = p;
	w->version = watch_version_read(p);
	snprintf(msg, sizeof(msg), "%.*s: changed, %zu rules are in force", FILE_WHY,
	    w->path, policy_rules(p));
	w->report(w->arg, msg);
	return p;
}
