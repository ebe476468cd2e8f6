/*
 * The NAS file, its profiles and its secrets, looked at again while a program goes
 * on.  What is broken changes nothing: what was read before stays in force.
 */
#ifndef RADIUS_NAS_WATCH_H
#define RADIUS_NAS_WATCH_H

#include <stdbool.h>

#include "radius/nas.h"

struct nas_watch;

/*
 * Loads the NAS file at path and its profiles from dir.  Returns NULL after every
 * error was reported.  path, dir and dict must last.  No memory ends the program.
 */
struct nas_watch *nas_watch_new(const char *path, const char *dir, const struct dict *dict,
	    conf_report report, void *arg);

/*
 * What is in force, after a look at the files (a stat for each), or after reading
 * them in any case when `force'.  A change is reported by one line, a broken one by
 * a line for each error and one that says so, once.  The file stays the watch's;
 * whoever keeps anything of it over the next call holds it: nas_hold().
 */
struct nas_file *nas_watch_look(struct nas_watch *w, bool force);

/* NULL is fine. */
void	 nas_watch_free(struct nas_watch *w);

#endif
