#include <dirent.h>
#include <err.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "radius/lint.h"
#include "radius/nas.h"
#include "radius/profile.h"

#define SUFFIX	".profile"

/* Files of that kind only: editors leave others behind. */
static int
is_profile(const struct dirent *d)
{
	size_t	 n = strlen(d->d_name), m = strlen(SUFFIX);

	return d->d_name[0] != '.' && n > m && strcmp(d->d_name + n - m, SUFFIX) == 0;
}

static bool
lint_profiles(const char *dir, const struct dict *dict, conf_report report, void *arg)
{
	struct dirent	**entry = NULL;
	struct profile	*p;
	char		 msg[FILE_WHY];
	bool		 good;
	int		 i, n = scandir(dir, &entry, is_profile, alphasort);

	good = n > 0;
	if (n <= 0) {
		snprintf(msg, sizeof(msg), "%s: %s", dir, n == -1 ? strerror(errno) :
		    "has no profile");
		report(arg, msg);
	}
	for (i = 0; i < n; i++) {
		entry[i]->d_name[strlen(entry[i]->d_name) - strlen(SUFFIX)] = '\0';
		p = profile_load(dir, entry[i]->d_name, dict, report, arg);
		good = p != NULL && good;
		free(p);
		free(entry[i]);
	}
	free(entry);
	return good;
}

bool
lint_all(const char *nas, const char *dir, const struct dict *dict, conf_report report,
    void *arg)
{
	struct nas_file	*file;
	struct nas	*above;
	char		 why[FILE_WHY], msg[2 * FILE_WHY];
	size_t		 i;
	bool		 good = lint_profiles(dir, dict, report, arg);

	if ((file = nas_load(nas, report, arg)) == NULL)
		return false;
	/* A faulty profile has been told once; here the missing ones are. */
	good = good && nas_profiles(file, dir, dict, report, arg);
	for (i = 0; i < file->n; i++) {
		if (nas_secret(&file->nas[i], why) == NULL) {
			snprintf(msg, sizeof(msg), "%s:%zu: %s", nas, file->nas[i].line, why);
			report(arg, msg);
			good = false;
		}
		if ((above = nas_hidden(file, i)) != NULL) {
			snprintf(msg, sizeof(msg), "%s:%zu: never used: line %zu takes all of it",
			    nas, file->nas[i].line, above->line);
			report(arg, msg);
			good = false;
		}
	}
	nas_free(file);
	return good;
}
