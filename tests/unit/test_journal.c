/* The journal: lines written, and read through stumps, rotation and truncation. */
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store/journal.h"
#include "check.h"

#define LINE	329	/* what append() adds */

static char	 dir[] = "/tmp/test_journal.XXXXXX";
static char	 path[64], older[64], oldest[64];

static int
append(int n)
{
	char	 line[400];

	/* The heads of two files must differ within their first 256 bytes. */
	snprintf(line, sizeof(line), JOURNAL_MARK "\"n\":%d,\"pad\":\"%0300d\"}", n, n);
	return journal_append(path, line, strlen(line));
}

static void
raw(const char *bytes, size_t len)
{
	int	 fd = open(path, O_WRONLY | O_APPEND | O_CREAT, 0600);

	if (fd == -1 || write(fd, bytes, len) != (ssize_t)len)
		abort();
	close(fd);
}

/* What the reader gives up to the end, a word each: the number of a line, S for a
 * stump, L for lost, E for an error. */
static const char *
all(struct journal *j)
{
	static char	 out[4096];
	const char	*line, *at;
	enum journal_rc	 rc;
	size_t		 len, o = 0;

	out[0] = '\0';
	while ((rc = journal_next(j, &line, &len)) != JOURNAL_END && o < sizeof(out) - 32) {
		if (rc == JOURNAL_ERROR) {
			o += (size_t)sprintf(out + o, "E ");
			break;
		}
		at = memmem(line, len, "\"n\":", 4);
		if (rc == JOURNAL_TEXT)
			o += (size_t)sprintf(out + o, "%d ", at != NULL ? atoi(at + 4) : -1);
		else
			o += (size_t)sprintf(out + o, "%c ", rc == JOURNAL_STUMP ? 'S' : 'L');
	}
	if (o > 0)
		out[o - 1] = '\0';
	return out;
}

static void
clear(void)
{
	unlink(path);
	unlink(older);
	unlink(oldest);
}

/* Ends one reader and starts another at the same place, as two runs do. */
static struct journal *
again(struct journal *j)
{
	struct journal_place	 place;

	journal_place(j, &place);
	journal_close(j);
	return journal_start(path, &place);
}

static void
test_append(void)
{
	struct stat	 st;
	char		 big[JOURNAL_LINE + 1], link[80];
	mode_t		 old = umask(077);

	clear();
	CHECK(append(1) == 0);
	umask(old);
	CHECK(stat(path, &st) == 0 && (st.st_mode & 07777) == 0640);
	memset(big, 'x', sizeof(big));
	memcpy(big, JOURNAL_MARK, strlen(JOURNAL_MARK));
	CHECK(journal_append(path, big, JOURNAL_LINE) == -1 && errno == EMSGSIZE);
	CHECK(journal_append(path, big, JOURNAL_LINE - 1) == 0);
	CHECK(journal_append(path, "{}", 2) == -1 && errno == EINVAL);
	CHECK(journal_append(path, JOURNAL_MARK "\n}", 15) == -1 && errno == EINVAL);
	CHECK(stat(path, &st) == 0 && st.st_size == JOURNAL_LINE + LINE);
	CHECK(journal_append(dir, JOURNAL_MARK "}", 14) == -1 && errno == EISDIR);
	snprintf(link, sizeof(link), "%s/link", dir);
	CHECK(symlink(path, link) == 0);
	CHECK(journal_append(link, JOURNAL_MARK "}", 14) == -1 && errno == ELOOP);
	unlink(link);
	/* A FIFO must not stop the hook, with a reader or without. */
	CHECK(mkfifo(link, 0600) == 0);
	CHECK(journal_append(link, JOURNAL_MARK "}", 14) == -1 && errno == ENXIO);
	unlink(link);
	CHECK(journal_append("/nonexistent/j", JOURNAL_MARK "}", 14) == -1 && errno == ENOENT);
	CHECK(journal_append("/dev/full", JOURNAL_MARK "}", 14) == -1 && errno == EINVAL);
}

static void
test_read(void)
{
	struct journal	*j;
	const char	*line;
	size_t		 len;

	clear();
	j = journal_start(path, NULL);
	CHECK_STR(all(j), "");
	append(1);
	append(2);
	CHECK(journal_lag(j) > 600);
	CHECK(journal_next(j, &line, &len) == JOURNAL_TEXT);
	CHECK(len == LINE - 1 && line[len - 1] == '}');
	CHECK_STR(all(j), "2");
	CHECK_STR(all(j), "");
	CHECK(journal_lag(j) == 0);
	append(3);
	CHECK_STR(all(j), "3");
	j = again(j);
	CHECK_STR(all(j), "");
	append(4);
	j = again(j);
	CHECK_STR(all(j), "4");
	append(5);
	raw("{\"jour", 6);
	CHECK_STR(all(j), "5");
	j = again(j);
	append(6);
	CHECK_STR(all(j), "S 6");
	journal_close(j);
	j = journal_start(path, NULL);
	CHECK_STR(all(j), "1 2 3 4 5 S 6");
	journal_close(j);
}

static void
test_stumps(void)
{
	struct journal	*j;
	char		*big = malloc(1 << 20);

	clear();
	memset(big, 'x', 1 << 20);
	memcpy(big, JOURNAL_MARK, strlen(JOURNAL_MARK));
	j = journal_start(path, NULL);
	append(1);
	raw(JOURNAL_MARK "\"n\":9,\"cut", 22);		/* killed in its write */
	CHECK_STR(all(j), "1");
	append(2);
	raw(JOURNAL_MARK, strlen(JOURNAL_MARK));
	raw("{\"journal\":1", 12);
	raw("\0\0\0", 3);
	append(3);
	CHECK_STR(all(j), "S 2 S 3");
	raw("\n\nno line\n", 10);
	append(4);
	CHECK_STR(all(j), "S S S 4");
	/* A line that is too long, and one more behind it. */
	raw(big, 1 << 20);
	CHECK_STR(all(j), "S");
	raw(big, 1 << 20);
	append(5);
	append(6);
	CHECK_STR(all(j), "S 5 6");
	raw(big + 20, 1 << 19);
	raw("\n", 1);
	append(7);
	CHECK_STR(all(j), "S 7");
	journal_close(j);
	free(big);
}

static void
test_rotation(void)
{
	struct journal	*j;

	clear();
	j = journal_start(path, NULL);
	append(1);
	CHECK_STR(all(j), "1");
	append(2);
	raw(JOURNAL_MARK, strlen(JOURNAL_MARK));
	CHECK(rename(path, older) == 0);
	CHECK_STR(all(j), "2");
	append(3);
	CHECK_STR(all(j), "S 3");
	/* While nobody reads, twice. */
	j = again(j);
	append(4);
	CHECK(rename(older, oldest) == 0 && rename(path, older) == 0);
	append(5);
	CHECK_STR(all(j), "4 5");
	journal_close(j);
	clear();
	append(1);
	j = journal_start(path, NULL);
	CHECK_STR(all(j), "1");
	append(2);
	CHECK(rename(path, oldest) == 0);
	append(3);
	CHECK(rename(path, older) == 0);
	append(4);
	j = again(j);
	CHECK(journal_lag(j) == 3 * LINE);
	CHECK_STR(all(j), "2 3 4");
	/* The old file is gone. */
	append(5);
	j = again(j);
	unlink(older);
	unlink(oldest);
	unlink(path);
	append(6);
	CHECK_STR(all(j), "L 6");
	CHECK_STR(all(j), "");
	j = again(j);
	append(7);
	CHECK_STR(all(j), "7");
	journal_close(j);
}

static void
test_truncation(void)
{
	struct journal	*j;
	char		 cmd[160];

	clear();
	j = journal_start(path, NULL);
	append(1);
	append(2);
	CHECK_STR(all(j), "1 2");
	CHECK(truncate(path, 0) == 0);
	append(3);
	CHECK_STR(all(j), "L 3");
	/* Grown again to where the reader was: the head tells. */
	j = again(j);
	CHECK(truncate(path, 0) == 0);
	append(4);
	append(5);
	CHECK_STR(all(j), "L 4 5");
	/* logrotate's copytruncate: what was not read yet is in the copy. */
	append(6);
	snprintf(cmd, sizeof(cmd), "cp %s %s", path, older);
	CHECK(system(cmd) == 0 && truncate(path, 0) == 0);
	append(7);
	CHECK_STR(all(j), "6 7");
	journal_close(j);
}

int
main(void)
{
	char	 cmd[64];

	if (mkdtemp(dir) == NULL)
		return 1;
	snprintf(path, sizeof(path), "%s/journal", dir);
	snprintf(older, sizeof(older), "%s/journal.1", dir);
	snprintf(oldest, sizeof(oldest), "%s/journal-20261121", dir);
	test_append();
	test_read();
	test_stumps();
	test_rotation();
	test_truncation();
	snprintf(cmd, sizeof(cmd), "rm -rf %s", dir);
	CHECK(system(cmd) == 0);
	return check_done();
}
