#include <sys/file.h>
#include <sys/stat.h>

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/digest.h"
#include "intune/crew.h"
#include "intune/shared.h"
#include "intune/wire.h"

#define LOCK_STEP	20	/* ms between two looks at the lock */

/* Ours, and nobody else may put files into it. */
static const char *
directory_fault(const char *path)
{
	struct stat	 st;

	if (mkdir(path, 0700) == -1 && errno != EEXIST)
		return strerror(errno);
	if (stat(path, &st) == -1 || !S_ISDIR(st.st_mode))
		return "is no directory";
	if (st.st_uid != geteuid() || (st.st_mode & 022) != 0)
		return "must be ours, and others may not write it";
	return access(path, W_OK | X_OK) == -1 ? strerror(errno) : NULL;
}

static void
useless(struct shared *s, const char *path, const char *what)
{
	s->usable = false;
	snprintf(s->why, sizeof(s->why), "%s: %s", path, what);
}

void
shared_open(struct shared *s, const struct settings *set, const char *const *part, size_t n,
    const char *suffix)
{
	const char	*fault;
	char		 text[DIGEST_TEXT];
	uint64_t	 h = DIGEST_START;
	size_t		 i;

	/* The NUL goes in too, so that no two lists run together alike. */
	for (i = 0; i < n; i++)
		h = digest_add(h, part[i], strlen(part[i]) + 1);
	digest_format(text, h);
	s->fd = -1;
	s->usable = true;
	s->why[0] = '\0';
	if (asprintf(&s->path, "%s/%s.%s", set->token_dir, text, suffix) == -1 ||
	    asprintf(&s->lock, "%s/%s.%s-lock", set->token_dir, text, suffix) == -1)
		err(EX_OSERR, NULL);
	if ((fault = directory_fault(set->token_dir)) != NULL)
		useless(s, set->token_dir, fault);
}

void
shared_close(struct shared *s)
{
	shared_unlock(s);
	free(s->path);
	free(s->lock);
}

bool
shared_lock(struct shared *s, int64_t wait_ms)
{
	int64_t	 end = wire_clock() + wait_ms;

	if (!s->usable || s->fd != -1)
		return s->usable;
	s->fd = open(s->lock, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (s->fd == -1) {
		useless(s, s->lock, strerror(errno));
		return false;
	}
	/* Not a blocking flock: its holder may be stopped and never let go. */
	while (flock(s->fd, LOCK_EX | LOCK_NB) == -1) {
		if ((errno != EWOULDBLOCK && errno != EINTR) || wire_clock() >= end ||
		    crew_stopped()) {
			snprintf(s->why, sizeof(s->why), "%s: another process keeps the lock",
			    s->lock);
			shared_unlock(s);
			return false;
		}
		wire_sleep(LOCK_STEP);
	}
	return true;
}

void
shared_unlock(struct shared *s)
{
	if (s->fd != -1)
		close(s->fd);
	s->fd = -1;
}

enum shared_end
shared_read(const struct shared *s, json_t **out, int64_t *changed)
{
	struct stat	 st;
	json_error_t	 je;
	size_t		 len;
	char		*text = NULL, why[FILE_WHY];
	int		 fd;

	*out = NULL;
	*changed = 0;
	if ((fd = file_open_checked(s->path, 1, why)) == -1) {
		if (errno == ENOENT)
			return SHARED_ABSENT;
		warnx("%s: not trusted", why);
		if (stat(s->path, &st) == 0)
			*changed = st.st_mtime;
		return SHARED_BAD;
	}
	if (fstat(fd, &st) == 0)
		*changed = st.st_mtime;
	if (file_read_all(fd, SHARED_MAX, &text, &len) == -1)
		warn("%s", s->path);
	else {
		*out = json_loadb(text, len, JSON_REJECT_DUPLICATES, &je);
		if (!json_is_object(*out)) {
			warnx("%s: is no file of ours: not trusted", s->path);
			json_decref(*out);
			*out = NULL;
		}
	}
	free(text);
	close(fd);
	return *out != NULL ? SHARED_GOOD : SHARED_BAD;
}

bool
shared_write(struct shared *s, const json_t *o)
{
	char	*text;
	bool	 good;

	if (!s->usable)
		return false;
	if (o == NULL || (text = json_dumps(o, JSON_COMPACT)) == NULL)
		err(EX_OSERR, NULL);
	good = file_replace(s->path, text, strlen(text), 0600) == 0;
	if (!good)
		snprintf(s->why, sizeof(s->why), "%s: %s", s->path, strerror(errno));
	free(text);
	return good;
}

void
shared_remove(struct shared *s)
{
	unlink(s->path);
}
