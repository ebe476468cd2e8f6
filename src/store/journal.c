#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

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

int
journal_append(const char *path, const char *line, size_t len)
{
	/* Non-blocking: a FIFO in the way must not stop an authentication. */
	const int	 flags = O_WRONLY | O_APPEND | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK;
	char		 newline[] = "\n";
	struct iovec	 iov[2];
	struct stat	 st;
	ssize_t		 n;
	int		 fd, saved;

	if (len >= JOURNAL_LINE) {
		errno = EMSGSIZE;
		return -1;
	}
	if (len < strlen(JOURNAL_MARK) || memcmp(line, JOURNAL_MARK, strlen(JOURNAL_MARK)) != 0 ||
	    memchr(line, '\n', len) != NULL) {
		errno = EINVAL;
		return -1;
	}
	fd = open(path, flags);
	if (fd == -1 && errno == ENOENT && (fd = make(path, flags)) == -1 && errno == EEXIST)
		fd = open(path, flags);		/* another one has just made it */
	if (fd == -1)
		return -1;
	memset(iov, 0, sizeof(iov));
	memcpy(&iov[0].iov_base, &line, sizeof(line));	/* it has no const */
	iov[0].iov_len = len;
	iov[1].iov_base = newline;
	iov[1].iov_len = 1;
	if (fstat(fd, &st) == 0 && !S_ISREG(st.st_mode)) {
		errno = EINVAL;
		n = -1;
	} else if ((n = writev(fd, iov, 2)) != -1 && (size_t)n != len + 1) {
		errno = ENOSPC;
		n = -1;
	}
	saved = errno;
	close(fd);
	errno = saved;
	return n == -1 ? -1 : 0;
}
