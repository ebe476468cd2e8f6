/*
 * The journal: one NDJSON line for each authentication, with identity, session,
 * compliance and decision.  radius-hook appends; nac-cache reads.  It is the
 * decision log too.
 */
#ifndef STORE_JOURNAL_H
#define STORE_JOURNAL_H

#include <stddef.h>
#include <stdint.h>

/* Every line starts with this.  Inside a JSON string the quotes are escaped, so
 * the bytes occur nowhere else, and a reader finds the next whole line behind
 * the stump that a killed writer or a full disk left. */
#define JOURNAL_MARK	"{\"journal\":1,"

/* A longer line is not written: one write() of this size is not torn. */
#define JOURNAL_LINE	65536

/*
 * Appends one line (without its newline; it starts with JOURNAL_MARK) with one
 * write().  A file that is not there is made with mode 0640, whatever the umask,
 * and with its folder's group where the caller may give it that.  Returns 0; or
 * -1 with errno set (EMSGSIZE: longer than JOURNAL_LINE; EINVAL: no regular
 * file, a newline within, no JOURNAL_MARK; ENOSPC also for a short write), and
 * at most a stump is in the file.
 */
int	 journal_append(const char *path, const char *line, size_t len);

/*
 * The same for who writes many: the file stays open as long as it is the one of
 * that name.  A rename is noticed JOURNAL_LOOK_MS later at the most, and readers
 * wait longer than that before they leave a file that was renamed.  fd is -1 at
 * first; who has it closes it at the end.
 */
#define JOURNAL_LOOK_MS	10

struct journal_kept {
	int		 fd;
	uint64_t	 dev, ino;
	int64_t		 looked;	/* when, in ms of the monotonic clock */
};

int	 journal_append_kept(const char *path, const char *line, size_t len,
	    struct journal_kept *kept);

/* A place in the journal: the file, the byte where the next line starts, and a
 * digest of the file's head, which tells a new file with an old inode number. */
struct journal_place {
	uint64_t	 dev, ino;
	int64_t		 offset;
	uint64_t	 head;
};

struct journal;

enum journal_rc {
	JOURNAL_ERROR = -1,	/* errno is set */
	JOURNAL_END = 0,	/* nothing more at the moment */
	JOURNAL_TEXT = 1,	/* a line */
	JOURNAL_STUMP = 2,	/* bytes that are no whole line were passed over */
	JOURNAL_LOST = 3	/* the file of the place is gone, and lines with it */
};

/*
 * Starts reading the journal at path; nothing is opened yet, and the file need
 * not exist.  place says where to go on, as journal_place() gave it; NULL: at the
 * start of the file that has the name now.  A journal that was renamed (by
 * logrotate or by hand, in the same folder, to the same name with something
 * behind it) is found again by its inode and read to its end, then the files
 * that came after it, then the one that has the name now.  A journal that was
 * truncated is read from its start.  Returns NULL with errno set when memory is
 * short; journal_close() frees.
 */
struct journal *journal_start(const char *path, const struct journal_place *place);
void	 journal_close(struct journal *j);

/*
 * Goes to the next line.  JOURNAL_TEXT: it is at *line, len bytes without its
 * newline, starts with JOURNAL_MARK and is valid until the next call.
 * JOURNAL_STUMP: *line is the part that is no line, perhaps only its start.
 * A line without a newline at the end of the file is left for later.  After
 * JOURNAL_END the call may be repeated: it finds what was appended meanwhile.
 */
enum journal_rc	 journal_next(struct journal *j, const char **line, size_t *len);

/* The place behind the last line or stump that journal_next() gave. */
void	 journal_place(const struct journal *j, struct journal_place *out);

/* How many bytes there are behind the place, in the file that has the name now
 * and in those before it. */
int64_t	 journal_lag(struct journal *j);

#endif
