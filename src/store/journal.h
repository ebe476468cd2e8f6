/*
 * The journal: one NDJSON line for each authentication, with identity, session,
 * compliance and decision.  radius-hook appends; nac-cache reads.  It is the
 * decision log too.
 */
#ifndef STORE_JOURNAL_H
#define STORE_JOURNAL_H

#include <stddef.h>

/* Every line starts with this.  Inside a JSON string the quotes are escaped, so
 * the bytes occur nowhere else, and a reader finds the next whole line behind
 * the stump that a killed writer or a full disk left. */
#define JOURNAL_MARK	"{\"journal\":1,"

/* A longer line is not written: one write() of this size is not torn. */
#define JOURNAL_LINE	65536

/*
 * Appends one line (without its newline; it starts with JOURNAL_MARK) with one
 * write(), made with mode 0640 if the file is not there.  Returns 0; or -1 with
 * errno set, and at most a stump is in the file.
 */
int	 journal_append(const char *path, const char *line, size_t len);

#endif
