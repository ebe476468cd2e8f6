#include <sys/file.h>
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/num.h"
#include "base/when.h"
#include "policy/good.h"
#include "policy/list.h"

#define MARK	"nac-rules-good 1"
#define SOURCES	(1 + POLICY_SOURCES + LIST_MAX)

/*
 * The file: the mark, the lines `rules PATH`, `digest DIGEST`, `kept TIME`,
 * `changed NANOSECONDS`, then for each file `file LENGTH PATH`, its bytes and a
 * newline, the rules themselves first, and at last `end`.
 */
struct head {
	char	 rules[PATH_MAX], digest[DIGEST_TEXT];
	int64_t	 kept, changed;		/* the latest change of a file, in ns */
};

struct reader {
	const char	*p, *end;
};

static int
failed(char why[GOOD_WHY], const char *path, const char *what)
{
	snprintf(why, GOOD_WHY, "%.*s: %s", GOOD_WHY - 256, path, what);
	return -1;
}

/* Paths are compared as they are written; one of the working folder by where that is. */
static bool
whole_path(const char *path, char out[PATH_MAX])
{
	char	 here[PATH_MAX];
	int	 n;

	if (path[0] == '/')
		n = snprintf(out, PATH_MAX, "%s", path);
	else if (getcwd(here, sizeof(here)) != NULL)
		n = snprintf(out, PATH_MAX, "%s/%s", here, path);
	else
		return false;
	return n > 0 && n < PATH_MAX && strchr(out, '\n') == NULL;
}

static bool
copy_path(const char *rules, const char *dir, char out[PATH_MAX])
{
	const char	*slash = strrchr(rules, '/');
	int		 n = snprintf(out, PATH_MAX, "%s/%s.good", dir, slash != NULL ? slash + 1 : rules);

	return n > 0 && n < PATH_MAX;
}

/* A line `WORD REST`: the rest, which the caller frees; NULL when it is none. */
static char *
line(struct reader *r, const char *word)
{
	const char	*nl = memchr(r->p, '\n', (size_t)(r->end - r->p));
	size_t		 n = strlen(word);
	char		*rest = NULL;

	if (nl != NULL && (size_t)(nl - r->p) > n && memcmp(r->p, word, n) == 0 &&
	    r->p[n] == ' ' && memchr(r->p, '\0', (size_t)(nl - r->p)) == NULL) {
		rest = strndup(r->p + n + 1, (size_t)(nl - r->p) - n - 1);
		r->p = nl + 1;
	}
	return rest;
}

static bool
text_line(struct reader *r, const char *word, char *out, size_t size)
{
	char	*s = line(r, word);
	bool	 good = s != NULL && (size_t)snprintf(out, size, "%s", s) < size;

	free(s);
	return good;
}

static bool
head(struct reader *r, struct head *h)
{
	char		 kept[WHEN_TEXT], changed[32];
	const char	*why;
	size_t		 n = sizeof(MARK) - 1;

	if ((size_t)(r->end - r->p) <= n || memcmp(r->p, MARK "\n", n + 1) != 0)
		return false;
	r->p += n + 1;
	return text_line(r, "rules", h->rules, sizeof(h->rules)) &&
	    text_line(r, "digest", h->digest, sizeof(h->digest)) &&
	    text_line(r, "kept", kept, sizeof(kept)) && when_parse(kept, &h->kept) &&
	    text_line(r, "changed", changed, sizeof(changed)) &&
	    num_parse(changed, 0, INT64_MAX, &h->changed, &why);
}

/* One file of the copy.  Its path is to be freed. */
static bool
one_file(struct reader *r, struct policy_text *t)
{
	const char	*why;
	char		*s = line(r, "file"), *blank;
	int64_t		 len;

	t->path = NULL;
	if (s == NULL || (blank = strchr(s, ' ')) == NULL || blank[1] == '\0')
		goto out;
	*blank = '\0';
	if (!num_parse(s, 0, GOOD_FILE, &len, &why) || len >= r->end - r->p || r->p[len] != '\n')
		goto out;
	t->text = r->p;
	t->len = (size_t)len;
	r->p += len + 1;
	t->path = strdup(blank + 1);
out:
	free(s);
	return t->path != NULL;
}

static void
silent(void *arg, const char *message)
{
	(void)arg;
	(void)message;
}

static struct policy *
parse_files(struct reader *r, const struct head *h)
{
	struct policy_text	 t[SOURCES];
	struct policy		*p = NULL;
	size_t			 n = 0, i;

	while (n < SOURCES && one_file(r, &t[n]))
		n++;
	if (n > 0 && r->end - r->p == 4 && memcmp(r->p, "end\n", 4) == 0)
		p = policy_parse_texts(t, n, silent, NULL);
	for (i = 0; i < n; i++)
		free((char *)(uintptr_t)t[i].path);
	/* What was cut or edited must not decide. */
	if (p != NULL && strcmp(p->digest, h->digest) != 0) {
		policy_free(p);
		p = NULL;
	}
	return p;
}

struct policy *
good_parse(const char *name, const char *text, size_t len, const char *rules, int64_t *kept,
    char why[GOOD_WHY])
{
	struct reader	 r = { text, text + len };
	struct head	 h;
	struct policy	*p = NULL;
	char		 path[PATH_MAX];

	h.kept = 0;
	if (!head(&r, &h))
		failed(why, name, "is no copy of rules, or damaged");
	else if (!whole_path(rules, path) || strcmp(path, h.rules) != 0)
		failed(why, name, "is a copy of other rules");
	else if ((p = parse_files(&r, &h)) == NULL)
		failed(why, name, "is damaged");
	*kept = h.kept;
	return p;
}

/* Opens the copy, of which somebody trusted must be the owner.  -1 with errno. */
static int
open_copy(const char *path, const char *dir, char why[GOOD_WHY])
{
	struct stat	 st, folder;
	int		 fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), saved;

	if (fd == -1 || fstat(fd, &st) == -1 || stat(dir, &folder) == -1)
		failed(why, path, strerror(errno));
	else if (!S_ISREG(st.st_mode) || (st.st_mode & 022) != 0 || (st.st_uid != 0 &&
	    st.st_uid != geteuid() && st.st_uid != folder.st_uid)) {
		failed(why, path, "is no regular file of root or of its folder's owner alone");
		errno = EPERM;
	} else
		return fd;
	saved = errno;
	if (fd != -1)
		close(fd);
	errno = saved;
	return -1;
}

static int
read_copy(const char *path, const char *dir, char **text, size_t *len, char why[GOOD_WHY])
{
	int	 fd, rc;

	if ((fd = open_copy(path, dir, why)) == -1)
		return -1;
	if ((rc = file_read_all(fd, GOOD_FILE, text, len)) == -1)
		failed(why, path, errno == EFBIG ? "is too large" : strerror(errno));
	close(fd);
	return rc;
}

struct policy *
good_load(const char *rules, const char *dir, int64_t *kept, char why[GOOD_WHY])
{
	struct policy	*p;
	char		 path[PATH_MAX], *text;
	size_t		 len;

	if (!copy_path(rules, dir, path)) {
		failed(why, dir, "is too long a path");
		return NULL;
	}
	if (read_copy(path, dir, &text, &len, why) == -1) {
		if (errno == ENOENT)
			why[0] = '\0';
		return NULL;
	}
	p = good_parse(path, text, len, rules, kept, why);
	free(text);
	return p;
}

/* Adds one file of the rules as it is now. */
static int
add_file(FILE *out, const char *path, uint64_t *hash, int64_t *changed, char why[GOOD_WHY])
{
	struct stat	 st;
	char		 fault[FILE_WHY], *text = NULL;
	size_t		 len;
	int64_t		 t;
	int		 fd, rc = -1;

	if ((fd = file_open_checked(path, 0, fault)) == -1) {
		snprintf(why, GOOD_WHY, "%s", fault);
		return -1;
	}
	if (fstat(fd, &st) == -1 || file_read_all(fd, GOOD_FILE, &text, &len) == -1)
		failed(why, path, strerror(errno));
	else if (strchr(path, '\n') != NULL)
		failed(why, path, "cannot be kept: its name has a newline");
	else {
		*hash = digest_file(*hash, text, len);
		t = (int64_t)st.st_ctim.tv_sec * 1000000000 + st.st_ctim.tv_nsec;
		if (t > *changed)
			*changed = t;
		fprintf(out, "file %zu %s\n", len, path);
		fwrite(text, 1, len, out);
		putc('\n', out);
		rc = 0;
	}
	free(text);
	close(fd);
	return rc;
}

/* The body of a copy: the files behind the head.  To be freed. */
static enum good_rc
body(const struct policy *p, char **text, size_t *len, int64_t *changed, char why[GOOD_WHY])
{
	const struct rules_file	*f;
	uint64_t		 hash = DIGEST_START;
	char			 digest[DIGEST_TEXT];
	FILE			*out;
	enum good_rc		 rc = GOOD_KEPT;

	*changed = 0;
	*text = NULL;
	if ((out = open_memstream(text, len)) == NULL) {
		failed(why, "memory", strerror(errno));
		return GOOD_FAILED;
	}
	for (f = p->sources; f != NULL && rc == GOOD_KEPT; f = f->next)
		if (add_file(out, f->path, &hash, changed, why) == -1)
			rc = GOOD_FAILED;
		else if (ftello(out) > GOOD_FILE - 2 * PATH_MAX) {
			failed(why, p->sources->path, "with all its lists is too large to be kept");
			rc = GOOD_FAILED;
		}
	fputs("end\n", out);
	if (fclose(out) == EOF && rc == GOOD_KEPT) {
		failed(why, "memory", strerror(errno));
		rc = GOOD_FAILED;
	}
	if (rc == GOOD_KEPT && strcmp(digest_format(digest, hash), p->digest) != 0) {
		failed(why, p->sources->path, "was changed meanwhile, and is not kept");
		rc = GOOD_CHANGED;
	}
	return rc;
}

/* What the copy that is there says of itself; false when there is no good one. */
static bool
there(const char *path, const char *dir, const struct policy *p, struct head *h, bool *same)
{
	struct reader	 r;
	char		 why[GOOD_WHY], *text;
	size_t		 len;
	struct policy	*old;
	int64_t		 kept;
	bool		 good;

	if (read_copy(path, dir, &text, &len, why) == -1)
		return false;
	r = (struct reader){ text, text + len };
	if ((good = head(&r, h))) {
		*same = strcmp(h->digest, p->digest) == 0;
		/* One that is damaged behind its head is none. */
		good = (old = good_parse(path, text, len, h->rules, &kept, why)) != NULL;
		policy_free(old);
	}
	free(text);
	return good;
}

static enum good_rc
write_copy(const char *path, const char *dir, const struct head *h, const char *text, size_t len,
    char why[GOOD_WHY])
{
	struct stat	 folder;
	char		 kept[WHEN_TEXT], *top = NULL, *whole = NULL;
	int		 n;
	enum good_rc	 rc = GOOD_FAILED;

	n = asprintf(&top, MARK "\nrules %s\ndigest %s\nkept %s\nchanged %" PRId64 "\n",
	    h->rules, h->digest, when_format(kept, h->kept), h->changed);
	if (n == -1) {
		failed(why, path, strerror(errno));
		return GOOD_FAILED;
	}
	if ((whole = malloc((size_t)n + len)) == NULL)
		failed(why, path, strerror(errno));
	else {
		memcpy(whole, top, (size_t)n);
		memcpy(whole + n, text, len);
		if (file_replace(path, whole, (size_t)n + len, 0640) == -1)
			failed(why, path, strerror(errno));
		else
			rc = GOOD_KEPT;
	}
	/* Root's own group does not read it; the folder's does. */
	if (rc == GOOD_KEPT && stat(dir, &folder) == 0 &&
	    chown(path, (uid_t)-1, folder.st_gid) == -1 && geteuid() == 0) {
		failed(why, path, strerror(errno));
		rc = GOOD_FAILED;
	}
	free(top);
	free(whole);
	return rc;
}

/* With the folder locked: two that keep at once must not pass each other. */
static enum good_rc
keep(const struct policy *p, const char *rules, const char *dir, bool force, char why[GOOD_WHY])
{
	struct head	 old, h = { .kept = when_now() };
	char		 path[PATH_MAX], kept[WHEN_TEXT], *text = NULL;
	size_t		 len = 0;
	enum good_rc	 rc;
	bool		 same = false;

	if (!whole_path(rules, h.rules) || !copy_path(rules, dir, path)) {
		failed(why, rules, "is too long a path, or has a newline");
		return GOOD_FAILED;
	}
	snprintf(h.digest, sizeof(h.digest), "%s", p->digest);
	if ((rc = body(p, &text, &len, &h.changed, why)) == GOOD_KEPT) {
		if (!there(path, dir, p, &old, &same) || strcmp(old.rules, h.rules) != 0)
			rc = write_copy(path, dir, &h, text, len, why);
		else if (same)
			rc = GOOD_SAME;
		else if (old.changed > h.changed && !force) {
			snprintf(why, GOOD_WHY, "%.1024s: holds rules that were changed later (kept %s), "
			    "and stays", path, when_format(kept, old.kept));
			rc = GOOD_NEWER;
		} else
			rc = write_copy(path, dir, &h, text, len, why);
	}
	free(text);
	return rc;
}

enum good_rc
good_keep(const struct policy *p, const char *rules, const char *dir, bool force,
    char why[GOOD_WHY])
{
	enum good_rc	 rc = GOOD_FAILED;
	int		 fd;

	if ((fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) == -1 ||
	    flock(fd, LOCK_EX) == -1)
		failed(why, dir, strerror(errno));
	else
		rc = keep(p, rules, dir, force, why);
	if (fd != -1)
		close(fd);
	return rc;
}
