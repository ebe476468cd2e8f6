#include <err.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>

#include "base/digest.h"
#include "base/file.h"
#include "base/when.h"
#include "radius/nas_watch.h"

/* How often broken files are tried again where none that we know of has changed:
 * the fault may be in a profile that only the broken NAS file names. */
#define AGAIN	2	/* seconds */

/* How often files that change while they are read are read again at once.  The first
 * time it is not known yet which there are. */
#define SETTLE	3

struct nas_watch {
	const char		*path;
	const char		*dir;
	const struct dict	*dict;
	conf_report		 report;
	void			*arg;
	struct nas_file		*file;
	uint64_t		 version;
	bool			 broken;
	int64_t			 tried;
};

static void
silent(void *arg, const char *message)
{
	(void)arg;
	(void)message;
}

static uint64_t
add(uint64_t version, const char *path)
{
	uint64_t	 state = file_state_now(path);

	return digest_add(version, &state, sizeof(state));
}

/* What tells one state of all these files from another. */
static uint64_t
version(const struct nas_watch *w)
{
	char		 path[PATH_MAX];
	uint64_t	 v = add(DIGEST_START, w->path);
	size_t		 i;

	if (w->file == NULL)
		return v;
	for (i = 0; i < w->file->nprofile; i++) {
		snprintf(path, sizeof(path), "%s/%s.profile", w->dir, w->file->profile[i]->name);
		v = add(v, path);
	}
	for (i = 0; i < w->file->n; i++)
		v = add(v, w->file->nas[i].secret_file);
	return v;
}

/* Reads everything.  Returns whether it is good, and in force. */
static bool
take(struct nas_watch *w, conf_report report)
{
	struct nas_file	*file = nas_load(w->path, report, w->arg);

	if (file == NULL || !nas_profiles(file, w->dir, w->dict, report, w->arg)) {
		nas_free(file);
		return false;
	}
	nas_free(w->file);
	w->file = file;
	return true;
}

/* Reads until nothing has changed meanwhile: what did is not in what was read, and
 * would not be noticed later either.  Files that never rest are read again at the
 * next look. */
static bool
take_settled(struct nas_watch *w, conf_report report)
{
	uint64_t	 before;
	int		 i;

	for (i = 0; i < SETTLE; i++) {
		before = version(w);
		if (!take(w, i == 0 ? report : silent))
			return false;
		w->version = version(w);
		if (w->version == before)
			return true;
	}
	w->version = before;
	return true;
}

struct nas_watch *
nas_watch_new(const char *path, const char *dir, const struct dict *dict,
    conf_report report, void *arg)
{
	struct nas_watch	*w = calloc(1, sizeof(*w));

	if (w == NULL)
		err(EX_OSERR, NULL);
	*w = (struct nas_watch){ .path = path, .dir = dir, .dict = dict, .report = report,
	    .arg = arg };
	if (!take_settled(w, report)) {
		nas_watch_free(w);
		return NULL;
	}
	return w;
}

struct nas_file *
nas_watch_look(struct nas_watch *w, bool force)
{
	char		 line[PATH_MAX + 64];
	uint64_t	 v = version(w);
	bool		 changed = force || v != w->version;

	if (!changed && (!w->broken || when_now() - w->tried < AGAIN))
		return w->file;
	if (take_settled(w, changed ? w->report : silent)) {
		snprintf(line, sizeof(line), "%s: read anew, with its profiles", w->path);
		w->report(w->arg, line);
		w->broken = false;
	} else {
		if (changed)
			w->report(w->arg, "what was read before stays in force");
		w->broken = true;
		w->tried = when_now();
		w->version = v;
	}
	return w->file;
}

void
nas_watch_free(struct nas_watch *w)
{
	if (w == NULL)
		return;
	nas_free(w->file);
	free(w);
}
