#include <sys/stat.h>
#include <sys/uio.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/digest.h"
#include "base/text.h"
#include "store/journal.h"

#define JOURNAL_MODE	0640	/* the group reads: nac-cache may run as another user */

/* Makes the file; the group of its folder, so that who shares the folder shares
 * the journal, in a folder without setgid, too.  Returns the descriptor or -1. */
static int
make(const char *path, int flags)
{
	struct stat	 st;
	char		 copy[PATH_MAX];
	int		 fd, rc;

	if ((fd = open(path, flags | O_CREAT | O_EXCL, JOURNAL_MODE)) == -1)
		return -1;
	if (text_copy(copy, sizeof(copy), path)) {
		rc = stat(dirname(copy), &st);
		if (rc == 0 && fchown(fd, (uid_t)-1, st.st_gid) == -1)
			errno = 0;	/* a group we are not in: as the kernel chose */
	}
	if (fchmod(fd, JOURNAL_MODE) == -1) {
		rc = errno;
		close(fd);
		errno = rc;
		return -1;
	}
	return fd;
}

/* Non-blocking: a FIFO in the way must not stop an authentication. */
#define APPEND_FLAGS	(O_WRONLY | O_APPEND | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)

static int
open_append(const char *path)
{
	struct stat	 st;
	int		 fd;

	fd = open(path, APPEND_FLAGS);
	if (fd == -1 && errno == ENOENT && (fd = make(path, APPEND_FLAGS)) == -1 &&
	    errno == EEXIST)
		fd = open(path, APPEND_FLAGS);		/* another one has just made it */
	if (fd != -1 && fstat(fd, &st) == 0 && !S_ISREG(st.st_mode)) {
		close(fd);
		errno = EINVAL;
		fd = -1;
	}
	return fd;
}

static bool
may_append(const char *line, size_t len)
{
	if (len >= JOURNAL_LINE)
		errno = EMSGSIZE;
	else if (len < strlen(JOURNAL_MARK) ||
	    memcmp(line, JOURNAL_MARK, strlen(JOURNAL_MARK)) != 0 ||
	    memchr(line, '\n', len) != NULL)
		errno = EINVAL;
	else
		return true;
	return false;
}

static int
write_line(int fd, const char *line, size_t len)
{
	char		 newline[] = "\n";
	struct iovec	 iov[2];
	ssize_t		 n;

	memset(iov, 0, sizeof(iov));
	memcpy(&iov[0].iov_base, &line, sizeof(line));	/* it has no const */
	iov[0].iov_len = len;
	iov[1].iov_base = newline;
	iov[1].iov_len = 1;
	if ((n = writev(fd, iov, 2)) == -1)
		return -1;
	if ((size_t)n == len + 1)
		return 0;
	errno = ENOSPC;
	return -1;
}

int
journal_append(const char *path, const char *line, size_t len)
{
	int	 fd, rc, saved;

	if (!may_append(line, len) || (fd = open_append(path)) == -1)
		return -1;
	rc = write_line(fd, line, len);
	saved = errno;
	close(fd);
	errno = saved;
	return rc;
}

static int64_t
clock_ms(void)
{
	struct timespec	 t;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

int
journal_append_kept(const char *path, const char *line, size_t len, struct journal_kept *kept)
{
	struct stat	 st;
	int64_t		 now = clock_ms();

	if (!may_append(line, len))
		return -1;
	if (kept->fd != -1 && now - kept->looked >= JOURNAL_LOOK_MS) {
		kept->looked = now;
		if (lstat(path, &st) == -1 || st.st_dev != kept->dev || st.st_ino != kept->ino) {
			close(kept->fd);
			kept->fd = -1;
		}
	}
	if (kept->fd == -1) {
		if ((kept->fd = open_append(path)) == -1)
			return -1;
		if (fstat(kept->fd, &st) == -1)
			return -1;
		kept->dev = st.st_dev;
		kept->ino = st.st_ino;
		kept->looked = now;
	}
	return write_line(kept->fd, line, len);
}

/* How much is read at once: a line of the largest size, stumps before it. */
#define READ_SIZE	(4 * JOURNAL_LINE)

/* The head of a file: time and client of its first line tell it from any other. */
#define HEAD_SIZE	256

#define MARK_LEN	(sizeof(JOURNAL_MARK) - 1)
#define NONE		SIZE_MAX

struct journal {
	char			*path;
	struct journal_place	 at;	/* of the next byte to give out */
	int			 fd;	/* -1: none is open */
	bool			 known;	/* `at` names a file */
	bool			 lost;
	bool			 rotated;	/* the open file does not have the name any more */
	bool			 skipping;	/* inside a line that is too long */
	size_t			 len, pos;	/* bytes in buf, and given out of it */
	char			 buf[READ_SIZE];
};

/* A file that may be an older part of the journal. */
struct part {
	char		*path;
	struct stat	 st;
};

struct journal *
journal_start(const char *path, const struct journal_place *place)
{
	struct journal	*j;

	if ((j = malloc(sizeof(*j))) == NULL)
		return NULL;
	memset(j, 0, offsetof(struct journal, buf));
	j->fd = -1;
	if ((j->path = strdup(path)) == NULL) {
		free(j);
		return NULL;
	}
	if (place != NULL && place->ino != 0) {
		j->at = *place;
		j->known = true;
	}
	return j;
}

void
journal_close(struct journal *j)
{
	if (j == NULL)
		return;
	if (j->fd != -1)
		close(j->fd);
	free(j->path);
	free(j);
}

void
journal_place(const struct journal *j, struct journal_place *out)
{
	*out = j->at;
}

static ssize_t
read_at(int fd, void *buf, size_t n, off_t at)
{
	ssize_t	 got;

	while ((got = pread(fd, buf, n, at)) == -1 && errno == EINTR)
		;
	return got;
}

/* Digest of the file's head as far as it lies before offset; 0 when it is shorter. */
static uint64_t
head_of(int fd, int64_t offset)
{
	char	 head[HEAD_SIZE];
	size_t	 n = offset < HEAD_SIZE ? (size_t)offset : HEAD_SIZE;

	if (read_at(fd, head, n, 0) != (ssize_t)n)
		return 0;
	return digest_add(DIGEST_START, head, n);
}

static int
open_part(const char *path, struct stat *st)
{
	int	 fd;

	if ((fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)) == -1)
		return -1;
	if (fstat(fd, st) == 0 && S_ISREG(st->st_mode))
		return fd;
	close(fd);
	errno = EINVAL;
	return -1;
}

/* Goes on with an open file at its start. */
static void
enter(struct journal *j, int fd, const struct stat *st)
{
	if (j->fd != -1)
		close(j->fd);
	j->fd = fd;
	j->at = (struct journal_place){ st->st_dev, st->st_ino, 0, head_of(fd, 0) };
	j->known = true;
	j->rotated = false;
	j->skipping = false;
	j->len = j->pos = 0;
}

/* Is it the file of the place, or (after copytruncate) a copy of it? */
static bool
is_place(int fd, const struct stat *st, const struct journal_place *at, bool copy)
{
	if (!copy && (st->st_dev != at->dev || st->st_ino != at->ino))
		return false;
	/* Nothing was read of it: nothing tells a copy. */
	if (copy && at->offset == 0)
		return false;
	return st->st_size >= at->offset && head_of(fd, at->offset) == at->head;
}

static bool
is_packed(const char *name)
{
	static const char *const	 ends[] = { ".gz", ".bz2", ".xz", ".zst", ".lz4", ".Z" };
	size_t				 i, n = strlen(name), e;

	for (i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
		if (n > (e = strlen(ends[i])) && strcmp(name + n - e, ends[i]) == 0)
			return true;
	return false;
}

static int
by_time(const void *a, const void *b)
{
	const struct timespec	*x = &((const struct part *)a)->st.st_mtim;
	const struct timespec	*y = &((const struct part *)b)->st.st_mtim;

	if (x->tv_sec != y->tv_sec)
		return x->tv_sec < y->tv_sec ? -1 : 1;
	return x->tv_nsec < y->tv_nsec ? -1 : x->tv_nsec > y->tv_nsec;
}

static void
free_parts(struct part *parts, size_t n)
{
	while (n > 0)
		free(parts[--n].path);
	free(parts);
}

/* Adds one file of the folder if it is a renamed journal. */
static int
add_part(const char *dir, const char *base, const char *name, struct part **parts, size_t *n)
{
	size_t		 len = strlen(base);
	struct part	*more, p = { NULL, { 0 } };

	if (strncmp(name, base, len) != 0 || (name[len] != '.' && name[len] != '-') ||
	    is_packed(name))
		return 0;
	if (asprintf(&p.path, "%s/%s", dir, name) == -1)
		return -1;
	if (lstat(p.path, &p.st) == -1 || !S_ISREG(p.st.st_mode)) {
		free(p.path);
		return 0;
	}
	if ((more = realloc(*parts, (*n + 1) * sizeof(p))) == NULL) {
		free(p.path);
		return -1;
	}
	*parts = more;
	more[(*n)++] = p;
	return 0;
}

/* The renamed journals in the folder, the oldest first.  Returns -1 with errno. */
static int
list_parts(const char *path, struct part **out, size_t *n)
{
	struct dirent	*e;
	char		*copy = NULL, *slash;
	const char	*base, *dirname;
	DIR		*dir = NULL;
	int		 rc = -1;

	*out = NULL;
	*n = 0;
	if ((copy = strdup(path)) == NULL)
		goto out;
	slash = strrchr(copy, '/');
	base = slash != NULL ? slash + 1 : copy;
	dirname = slash == NULL ? "." : slash == copy ? "/" : copy;
	if (slash != NULL)
		*slash = '\0';
	if ((dir = opendir(slash == copy ? "/" : dirname)) == NULL)
		goto out;
	while ((e = readdir(dir)) != NULL)
		if (add_part(slash == copy ? "" : dirname, base, e->d_name, out, n) == -1)
			goto out;
	if (*n > 1)
		qsort(*out, *n, sizeof(**out), by_time);
	rc = 0;
out:
	if (dir != NULL)
		closedir(dir);
	free(copy);
	if (rc == -1) {
		free_parts(*out, *n);
		*out = NULL;
	}
	return rc;
}

/* Opens the file of the place, under whatever name it has now.  Returns 1 when
 * found, 0 when not, -1 with errno set. */
static int
find_place(struct journal *j)
{
	struct journal_place	 at = j->at;
	struct part		*parts;
	struct stat		 st;
	size_t			 i, n, pass;
	int			 fd, rc = 0;

	if ((fd = open_part(j->path, &st)) != -1) {
		if (is_place(fd, &st, &at, false)) {
			enter(j, fd, &st);
			j->at = at;
			return 1;
		}
		close(fd);
	} else if (errno != ENOENT)
		return -1;
	if (list_parts(j->path, &parts, &n) == -1)
		return errno == ENOENT ? 0 : -1;
	for (pass = 0; pass < 2 && rc == 0; pass++)
		for (i = n; i-- > 0 && rc == 0;) {
			if ((fd = open_part(parts[i].path, &st)) == -1)
				continue;
			if (!is_place(fd, &st, &at, pass == 1)) {
				close(fd);
				continue;
			}
			enter(j, fd, &st);
			j->at.offset = at.offset;
			j->at.head = at.head;
			j->rotated = true;
			rc = 1;
		}
	free_parts(parts, n);
	return rc;
}

/* Opens what comes after the file that is open (if one is): the renamed journal
 * that was written next, or the one with the name.  Returns 1, 0 when there is
 * none yet, or -1 with errno set. */
static int
open_after(struct journal *j)
{
	struct part	*parts = NULL, this = { NULL, { 0 } };
	struct stat	 st;
	size_t		 i, n = 0;
	int		 fd = -1;

	if (j->fd != -1) {
		if (fstat(j->fd, &this.st) == -1 || list_parts(j->path, &parts, &n) == -1)
			return -1;
		for (i = 0; i < n && fd == -1; i++)
			if (by_time(&parts[i], &this) > 0 && (parts[i].st.st_ino != this.st.st_ino ||
			    parts[i].st.st_dev != this.st.st_dev))
				fd = open_part(parts[i].path, &st);
		free_parts(parts, n);
	}
	if (fd != -1) {
		enter(j, fd, &st);
		j->rotated = true;
		return 1;
	}
	if ((fd = open_part(j->path, &st)) == -1)
		return errno == ENOENT ? 0 : -1;
	enter(j, fd, &st);
	return 1;
}

/* Makes sure that a file is open.  Returns as open_after(). */
static int
ready(struct journal *j)
{
	int	 rc;

	if (j->fd != -1)
		return 1;
	if (j->known) {
		if ((rc = find_place(j)) != 0)
			return rc;
		memset(&j->at, 0, sizeof(j->at));
		j->known = false;
		j->lost = true;
	}
	return open_after(j);
}

/* Reads on.  Returns the bytes read, 0 at the end of the file, -1 with errno set. */
static ssize_t
fill(struct journal *j)
{
	ssize_t	 got;

	if (j->pos > 0) {
		memmove(j->buf, j->buf + j->pos, j->len - j->pos);
		j->len -= j->pos;
		j->pos = 0;
	}
	got = read_at(j->fd, j->buf + j->len, sizeof(j->buf) - j->len,
	    j->at.offset + (off_t)j->len);
	if (got > 0)
		j->len += (size_t)got;
	return got;
}

/* Gives n bytes out. */
static enum journal_rc
give(struct journal *j, size_t n, size_t newline, enum journal_rc rc, const char **line,
    size_t *len)
{
	*line = j->buf + j->pos;
	*len = n;
	j->pos += n + newline;
	/* The head grows with the place until it has its whole size. */
	if (j->at.offset < HEAD_SIZE)
		j->at.head = head_of(j->fd, j->at.offset + (int64_t)(n + newline));
	j->at.offset += (int64_t)(n + newline);
	return rc;
}

/* Where the last mark starts; NONE: there is none. */
static size_t
last_mark(const char *p, size_t len)
{
	const char	*at, *from = p;
	size_t		 found = NONE;

	while ((at = memmem(from, len - (size_t)(from - p), JOURNAL_MARK, MARK_LEN)) != NULL) {
		found = (size_t)(at - p);
		from = at + 1;
	}
	return found;
}

/* What is in the buffer up to a newline, or with the buffer full of one line.
 * JOURNAL_END: more must be read first. */
static enum journal_rc
from_buffer(struct journal *j, const char **line, size_t *len)
{
	const char	*p = j->buf + j->pos, *nl;
	size_t		 left = j->len - j->pos, n, mark;

	nl = memchr(p, '\n', left);
	if (nl == NULL && left < sizeof(j->buf))
		return JOURNAL_END;
	n = nl != NULL ? (size_t)(nl - p) : left;
	mark = last_mark(p, n);
	if (mark == 0 && nl != NULL) {
		j->skipping = false;
		return give(j, n, 1, JOURNAL_TEXT, line, len);
	}
	if (mark != NONE && mark > 0) {
		/* What stands before the mark is what is left of other lines. */
		give(j, mark, 0, JOURNAL_STUMP, line, len);
	} else if (nl != NULL)
		give(j, n, 1, JOURNAL_STUMP, line, len);
	else
		give(j, n - MARK_LEN + 1, 0, JOURNAL_STUMP, line, len);
	if (j->skipping) {
		/* Said already, with the start of this line. */
		j->skipping = nl == NULL && (mark == NONE || mark == 0);
		return from_buffer(j, line, len);
	}
	j->skipping = nl == NULL && (mark == NONE || mark == 0);
	return JOURNAL_STUMP;
}

/* At the end of the open file: was it renamed, or truncated?  Returns 1 when
 * reading can go on, 2 when the next file is due, 0 when there is nothing more,
 * -1 with errno set. */
static int
look_around(struct journal *j)
{
	struct timespec	 pause = { 0, 5 * JOURNAL_LOOK_MS * 1000000L };
	struct stat	 st, named;

	if (fstat(j->fd, &st) == -1)
		return -1;
	if (st.st_size < j->at.offset || head_of(j->fd, j->at.offset) != j->at.head) {
		close(j->fd);
		j->fd = -1;
		return ready(j);
	}
	if (stat(j->path, &named) == -1)
		return errno == ENOENT ? 0 : -1;
	if (named.st_dev == st.st_dev && named.st_ino == st.st_ino) {
		j->rotated = false;
		return 0;
	}
	if (j->rotated)
		return 2;
	/* Renamed.  Who had it open may be about to write its line. */
	j->rotated = true;
	nanosleep(&pause, NULL);
	return 1;
}

enum journal_rc
journal_next(struct journal *j, const char **line, size_t *len)
{
	enum journal_rc	 rc;
	ssize_t		 got;
	int		 more;

	*line = "";
	*len = 0;
	for (;;) {
		if ((more = ready(j)) == -1)
			return JOURNAL_ERROR;
		if (j->lost) {
			j->lost = false;
			return JOURNAL_LOST;
		}
		if (more == 0)
			return JOURNAL_END;
		if ((rc = from_buffer(j, line, len)) != JOURNAL_END)
			return rc;
		if ((got = fill(j)) > 0)
			continue;
		if (got == -1 || (more = look_around(j)) == -1)
			return JOURNAL_ERROR;
		if (more == 0)
			return JOURNAL_END;
		if (more == 1)
			continue;
		/* Read to its end; what has no newline here will never have one. */
		if (j->len > j->pos && !j->skipping)
			return give(j, j->len - j->pos, 0, JOURNAL_STUMP, line, len);
		if ((more = open_after(j)) != 1)
			return more == 0 ? JOURNAL_END : JOURNAL_ERROR;
	}
}

int64_t
journal_lag(struct journal *j)
{
	struct part	*parts, this = { NULL, { 0 } };
	struct stat	 st;
	int64_t		 lag = 0;
	size_t		 i, n;

	if (ready(j) != 1 || fstat(j->fd, &this.st) == -1)
		return 0;
	if (this.st.st_size > j->at.offset)
		lag = this.st.st_size - j->at.offset;
	if (!j->rotated)
		return lag;
	if (stat(j->path, &st) == 0)
		lag += st.st_size;
	if (list_parts(j->path, &parts, &n) == -1)
		return lag;
	for (i = 0; i < n; i++)
		if (by_time(&parts[i], &this) > 0 && parts[i].st.st_ino != this.st.st_ino)
			lag += parts[i].st.st_size;
	free_parts(parts, n);
	return lag;
}
