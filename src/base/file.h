/*
 * Files: read whole with a limit, secrets with checked owner and mode, and
 * replaced in one step.
 */
#ifndef BASE_FILE_H
#define BASE_FILE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* A secret is a password or a token; a private key in PEM is larger and is
 * read by its own library from a descriptor. */
#define FILE_SECRET_MAX	65536

/* Room for the reason that these functions leave: a path and a sentence. */
#define FILE_WHY	512

/* Names the directory in which systemd puts a service's credentials. */
#define FILE_CREDENTIALS	"CREDENTIALS_DIRECTORY"

/*
 * Opens path for reading and makes sure, on the open descriptor, that it is a
 * regular file of ours (or root's) that nobody else may write; with private
 * also that group and others may not read it (of a file in systemd's directory of
 * credentials: that others may not, and root is its owner or we).  Returns the descriptor; or -1
 * with errno set (EPERM for owner or mode) and a whole sentence in why.
 */
int	 file_open_checked(const char *path, int private, char why[FILE_WHY]);

/*
 * Reads everything from fd up to max bytes.  *out is NUL-terminated beyond
 * *len and the caller frees it.  Returns 0; or -1 with errno set (EFBIG when
 * there is more than max, ENOMEM) and *out NULL.
 */
int	 file_read_all(int fd, size_t max, char **out, size_t *len);

/*
 * Reads a secret: one line of text, its newline cut off.  The caller wipes
 * (explicit_bzero) and frees *out.  Returns 0; or -1 with errno set, a sentence
 * in why and *out NULL: wrong owner or mode, empty, too long, a NUL byte in it.
 */
int	 file_secret(const char *path, char **out, char why[FILE_WHY]);

/* As file_secret(), but others may read the file: of what is worth something for
 * minutes only, or to nobody else. */
int	 file_line(const char *path, char **out, char why[FILE_WHY]);

/*
 * Replaces path by len bytes: a temporary in the same directory with the given
 * mode, fsync, rename.  Returns 0; or -1 with errno set, and path is as it was.
 */
int	 file_replace(const char *path, const void *data, size_t len, mode_t mode);

/* What tells one state of a file from another, by its stat.  Where that was taken before
 * the file was read, a change meanwhile shows as another state later. */
struct stat;
uint64_t file_state(const struct stat *st);

/* The same of a name, now; 0 when there is no such file. */
uint64_t file_state_now(const char *path);

/* No core dumps and no ptrace by others: for programs that hold a secret. */
void	 file_no_core(void);

#endif
