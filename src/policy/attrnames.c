#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/file.h"
#include "policy/attrnames.h"

#define DICT_BYTES	(4 * 1024 * 1024)	/* FreeRADIUS' largest file has 200 KiB */
#define DICT_DEPTH	16
#define NAME_MAX_LEN	128

struct attrnames {
	char	**name;
	size_t	 n, room;
};

struct reading {
	struct attrnames	*names;
	policy_report		 report;
	void			*arg;
	int			 depth;
};

static void
add(struct attrnames *a, const char *name, size_t len)
{
	if (a->n == a->room) {
		a->room = a->room == 0 ? 1024 : a->room * 2;
		if ((a->name = realloc(a->name, a->room * sizeof(*a->name))) == NULL)
			err(EX_OSERR, NULL);
	}
	if ((a->name[a->n++] = strndup(name, len)) == NULL)
		err(EX_OSERR, NULL);
}

/* The next word of a line; its length, 0 at the end. */
static size_t
word(const char **s)
{
	*s += strspn(*s, " \t\r");
	return strcspn(*s, " \t\r");
}

static bool	read_file(struct reading *, const char *);

/* $INCLUDE of a path that is seen from its own file; $INCLUDE- may be missing. */
static bool
include(struct reading *r, const char *from, const char *s, size_t n, bool optional)
{
	char		 path[PATH_MAX];
	const char	*slash = strrchr(from, '/');
	int		 len;

	if (s[0] == '/' || slash == NULL)
		len = snprintf(path, sizeof(path), "%.*s", (int)n, s);
	else
		len = snprintf(path, sizeof(path), "%.*s/%.*s", (int)(slash - from), from,
		    (int)n, s);
	if (len < 0 || (size_t)len >= sizeof(path))
		return true;
	if (optional && access(path, R_OK) == -1)
		return true;
	return read_file(r, path);
}

static bool
read_line(struct reading *r, const char *path, const char *s)
{
	size_t	 n = word(&s);
	bool	 optional;

	if (n == 9 && strncasecmp(s, "ATTRIBUTE", 9) == 0) {
		s += n;
		if ((n = word(&s)) > 0 && n < NAME_MAX_LEN)
			add(r->names, s, n);
		return true;
	}
	if (n < 8 || n > 9 || strncasecmp(s, "$INCLUDE", 8) != 0)
		return true;
	optional = s[8] == '-';
	s += n;
	return (n = word(&s)) == 0 || include(r, path, s, n, optional);
}

static bool
fail(const struct reading *r, const char *path, const char *what)
{
	char	 msg[FILE_WHY];

	snprintf(msg, sizeof(msg), "%.400s: %s", path, what);
	r->report(r->arg, msg);
	return false;
}

static bool
read_file(struct reading *r, const char *path)
{
	char	*text = NULL, *line, *next;
	size_t	 len;
	int	 fd;
	bool	 good = true;

	if (r->depth == DICT_DEPTH)
		return fail(r, path, "dictionaries are included too deeply");
	if ((fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)) == -1)
		return fail(r, path, strerror(errno));
	if (file_read_all(fd, DICT_BYTES, &text, &len) == -1)
		good = fail(r, path, strerror(errno));
	close(fd);
	r->depth++;
	for (line = text; good && line != NULL; line = next) {
		if ((next = strchr(line, '\n')) != NULL)
			*next++ = '\0';
		good = read_line(r, path, line);
	}
	r->depth--;
	free(text);
	return good;
}

static int
by_name(const void *a, const void *b)
{
	return strcasecmp(*(char *const *)a, *(char *const *)b);
}

struct attrnames *
attrnames_load(const char *path, policy_report report, void *arg)
{
	struct attrnames	*a = calloc(1, sizeof(*a));
	struct reading		 r = { a, report, arg, 0 };
	bool			 good;

	if (a == NULL)
		err(EX_OSERR, NULL);
	if ((good = read_file(&r, path)) && a->n == 0)
		good = fail(&r, path, "is no dictionary: there is no ATTRIBUTE in it");
	if (good) {
		qsort(a->name, a->n, sizeof(*a->name), by_name);
		return a;
	}
	attrnames_free(a);
	return NULL;
}

void
attrnames_free(struct attrnames *a)
{
	size_t	 i;

	if (a == NULL)
		return;
	for (i = 0; i < a->n; i++)
		free(a->name[i]);
	free(a->name);
	free(a);
}

bool
attrnames_has(const struct attrnames *a, const char *name)
{
	char	 bare[NAME_MAX_LEN], *key = bare;

	snprintf(bare, sizeof(bare), "%.*s", (int)strcspn(name, ":"), name);
	return bsearch(&key, a->name, a->n, sizeof(*a->name), by_name) != NULL;
}
