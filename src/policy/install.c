#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/cli.h"
#include "base/file.h"
#include "policy/install.h"
#include "policy/lint.h"

struct install {
	const char	*from;
	char		 tmp[PATH_MAX];		/* the copy beside the rules in force; "": none */
	policy_report	 report;
	void		*arg;
};

/* Messages speak of the file that was given, not of its copy. */
static void
rename_report(void *arg, const char *message)
{
	struct install	*in = arg;
	char		 text[4 * FILE_WHY];
	size_t		 n = strlen(in->tmp);

	if (strncmp(message, in->tmp, n) == 0 && message[n] == ':') {
		snprintf(text, sizeof(text), "%.400s%s", in->from, message + n);
		message = text;
	}
	in->report(in->arg, message);
}

static int
failed(struct install *in, const char *path)
{
	char	 text[2 * FILE_WHY];
	int	 rc = errno == EACCES || errno == EPERM || errno == EROFS ? EX_NOPERM : EX_IOERR;

	snprintf(text, sizeof(text), "%.400s: %s", path, errno == EFBIG ? "is larger than 1 MiB" :
	    strerror(errno));
	in->report(in->arg, text);
	return rc;
}

static int
read_from(struct install *in, char **text, size_t *len)
{
	int	 fd, rc = 0;

	*text = NULL;
	if ((fd = open(in->from, O_RDONLY | O_CLOEXEC)) == -1)
		return failed(in, in->from);
	if (file_read_all(fd, POLICY_FILE, text, len) == -1)
		rc = failed(in, in->from);
	close(fd);
	return rc;
}

/* Its own folder, so that paths in it mean what they will mean. */
static int
copy_beside(struct install *in, const char *to, const char *text, size_t len)
{
	struct stat	 st;
	mode_t		 mode = stat(to, &st) == 0 ? st.st_mode & 0755 : 0644;
	int		 fd, n;

	n = snprintf(in->tmp, sizeof(in->tmp), "%s.new.XXXXXX", to);
	if (n < 0 || n >= (int)sizeof(in->tmp) || (fd = mkostemp(in->tmp, O_CLOEXEC)) == -1) {
		in->tmp[0] = '\0';
		return failed(in, to);
	}
	while (len > 0) {
		ssize_t	 w = write(fd, text, len);

		if (w == -1 && errno == EINTR)
			continue;
		if (w == -1)
			break;
		text += w;
		len -= (size_t)w;
	}
	if (len > 0 || fchmod(fd, mode) == -1 || fsync(fd) == -1) {
		n = failed(in, to);
		close(fd);
		return n;
	}
	close(fd);
	return 0;
}

int
rules_install(const char *from, const char *to, const struct attrnames *names, bool strict,
    policy_report report, void *arg)
{
	struct install	 in = { .from = from, .report = report, .arg = arg };
	struct policy	*p = NULL;
	char		*text;
	size_t		 len = 0;
	int		 rc;

	if ((rc = read_from(&in, &text, &len)) != 0 ||
	    (rc = copy_beside(&in, to, text, len)) != 0)
		goto out;
	if ((p = policy_load(in.tmp, rename_report, &in)) == NULL)
		rc = EX_DATAERR;
	else if (policy_lint(p, names, rename_report, &in) > 0 && strict)
		rc = STATUS_NO;
	else if (rename(in.tmp, to) == -1)
		rc = failed(&in, to);
	else
		in.tmp[0] = '\0';
out:
	if (in.tmp[0] != '\0')
		unlink(in.tmp);
	policy_free(p);
	free(text);
	return rc;
}
