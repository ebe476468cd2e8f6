#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/digest.h"
#include "base/file.h"

/* systemd.exec(5): what is in this directory belongs to root, and where an ACL
 * lets the service read it, stat shows that as a bit of the group. */
static int
is_credential(const char *path)
{
	const char	*dir = getenv(FILE_CREDENTIALS);
	size_t		 n = dir != NULL ? strlen(dir) : 0;

	return n > 0 && dir[0] == '/' && strncmp(path, dir, n) == 0 && path[n] == '/' &&
	    strchr(path + n + 1, '/') == NULL;
}

int
file_open_checked(const char *path, int private, char why[FILE_WHY])
{
	struct stat	 st;
	const char	*fault = NULL;
	int		 fd;

	/* Non-blocking, so that a FIFO in the way is refused and not waited for. */
	if ((fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)) == -1 ||
	    fstat(fd, &st) == -1) {
		int saved = errno;

		snprintf(why, FILE_WHY, "%s: %s", path, strerror(errno));
		if (fd != -1)
			close(fd);
		errno = saved;
		return -1;
	}
	if (!S_ISREG(st.st_mode))
		fault = "is no regular file";
	else if (st.st_uid != geteuid() && st.st_uid != 0)
		fault = "belongs to another user";
	else if (private && (st.st_mode & (is_credential(path) ? 037 : 077)) != 0)
		fault = "may be read by others; chmod it to 0600";
	else if ((st.st_mode & 022) != 0)
		fault = "may be written by others; chmod it to 0644 or less";
	if (fault == NULL)
		return fd;
	snprintf(why, FILE_WHY, "%s: %s", path, fault);
	close(fd);
	errno = EPERM;
	return -1;
}

int
file_read_all(int fd, size_t max, char **out, size_t *len)
{
	char	*buf = NULL, *grown;
	size_t	 room = 0, n = 0;
	ssize_t	 got;

	*out = NULL;
	*len = 0;
	for (;;) {
		if (n == room) {
			room = room == 0 ? 4096 : room * 2;
			if ((grown = realloc(buf, room + 1)) == NULL)
				goto fail;
			buf = grown;
		}
		if ((got = read(fd, buf + n, room - n)) == -1) {
			if (errno == EINTR)
				continue;
			goto fail;
		}
		if (got == 0)
			break;
		n += (size_t)got;
		if (n > max) {
			errno = EFBIG;
			goto fail;
		}
	}
	buf[n] = '\0';
	*out = buf;
	*len = n;
	return 0;
fail:
	free(buf);
	return -1;
}

static int
read_line(const char *path, int private, char **out, char why[FILE_WHY])
{
	char	*buf = NULL;
	size_t	 len = 0;
	ssize_t	 got;
	int	 fd, rc = -1;

	*out = NULL;
	if ((fd = file_open_checked(path, private, why)) == -1)
		return -1;
	if ((buf = calloc(1, FILE_SECRET_MAX + 1)) == NULL) {
		snprintf(why, FILE_WHY, "%s: %s", path, strerror(errno));
		goto out;
	}
	while (len <= FILE_SECRET_MAX &&
	    (got = read(fd, buf + len, FILE_SECRET_MAX + 1 - len)) != 0) {
		if (got == -1) {
			if (errno == EINTR)
				continue;
			snprintf(why, FILE_WHY, "%s: %s", path, strerror(errno));
			goto out;
		}
		len += (size_t)got;
	}
	errno = EINVAL;
	if (len > FILE_SECRET_MAX) {
		snprintf(why, FILE_WHY, "%s: is longer than a secret", path);
		goto out;
	}
	while (len > 0 && (buf[len - 1] == '\n' || buf[len - 1] == '\r'))
		buf[--len] = '\0';
	if (len == 0 || strlen(buf) != len || strpbrk(buf, "\r\n") != NULL) {
		snprintf(why, FILE_WHY, "%s: must hold one line of text", path);
		goto out;
	}
	*out = buf;
	buf = NULL;
	rc = 0;
out:
	if (buf != NULL)
		explicit_bzero(buf, FILE_SECRET_MAX + 1);
	free(buf);
	close(fd);
	return rc;
}

int
file_secret(const char *path, char **out, char why[FILE_WHY])
{
	return read_line(path, 1, out, why);
}

int
file_line(const char *path, char **out, char why[FILE_WHY])
{
	return read_line(path, 0, out, why);
}

int
file_replace(const char *path, const void *data, size_t len, mode_t mode)
{
	const char	*p = data;
	char		*tmp = NULL;
	ssize_t		 n;
	int		 fd = -1, saved, rc = -1;

	if (asprintf(&tmp, "%s.XXXXXX", path) == -1)
		return -1;
	if ((fd = mkostemp(tmp, O_CLOEXEC)) == -1) {
		free(tmp);
		return -1;
	}
	while (len > 0) {
		if ((n = write(fd, p, len)) == -1) {
			if (errno == EINTR)
				continue;
			goto out;
		}
		p += n;
		len -= (size_t)n;
	}
	if (fchmod(fd, mode) == -1 || fsync(fd) == -1 || rename(tmp, path) == -1)
		goto out;
	rc = 0;
out:
	saved = errno;
	if (rc != 0)
		unlink(tmp);
	close(fd);
	free(tmp);
	errno = saved;
	return rc;
}

void
file_no_core(void)
{
	struct rlimit	 none = {0, 0};

	prctl(PR_SET_DUMPABLE, 0);
	setrlimit(RLIMIT_CORE, &none);
}

uint64_t
file_state(const struct stat *st)
{
	const int64_t	 v[] = { (int64_t)st->st_dev, (int64_t)st->st_ino, st->st_size,
			     st->st_mtim.tv_sec, st->st_mtim.tv_nsec, st->st_ctim.tv_sec,
			     st->st_ctim.tv_nsec };

	return digest_add(DIGEST_START, v, sizeof(v));
}

uint64_t
file_state_now(const char *path)
{
	struct stat	 st;

	return stat(path, &st) == 0 ? file_state(&st) : 0;
}
