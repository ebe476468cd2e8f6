/*
 * Records: one JSON object a line (NDJSON), nac-record(5).  A program adds or
 * replaces one top-level member and passes all others on untouched.  This is
 * for the programs that may carry jansson; radius-hook only writes, with jsonw.
 */
#ifndef DEVICE_RECORD_H
#define DEVICE_RECORD_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/types.h>

#include "device/answer.h"
#include "device/identity.h"
#include "device/session.h"

/* A record of ours has 1 to 8 KiB; what is longer than this is no record. */
#define RECORD_MAX	(1024 * 1024)

/* Room for one written member: identity with every field full is 14 KiB. */
#define RECORD_TEXT	32768

/*
 * Called for each record.  `where` names it for messages ("<stdin>:12" or the
 * argument).  The function may change rec, which stays the caller's.  It
 * returns STATUS_OK, STATUS_NO or a status of sysexits.h after a message.
 */
typedef int (*record_fn)(json_t *rec, const char *where, void *arg);

/*
 * Runs fn over argv[0..argc-1]; each is an identifier (GUID, MAC, serial:
 * and a device's serial number, or device name) or a record.  Without arguments, over the lines of in.  Empty lines are
 * passed over; a bad line gives one message and EX_DATAERR, and the others go
 * on.  Returns the largest status.
 */
int	 record_each(int argc, char **argv, FILE *in, record_fn fn, void *arg);

/* Where records come from, one by one, for who does not take them in turn. */
struct record_source;

/* As the input of record_each(); record_close() frees. */
struct record_source *record_open(int argc, char **argv, FILE *in);

/*
 * The next record: true with *rec and what to call it in where (TEXT_SHOWN bytes).
 * *rec is NULL for a bad one, with the reason in why, fit to be shown.  False at
 * the end.  May wait for input.
 */
bool	 record_next(struct record_source *s, json_t **rec, char *where, char *why,
	    size_t size);

/* Returns EX_IOERR after a message when the input could not be read to its end. */
int	 record_close(struct record_source *s);

/*
 * About how many lines a file has, from the bytes of the n that were read from it so
 * far; 0 where that cannot be known: a pipe, a terminal, or nothing was read yet.
 */
uint64_t record_guess_lines(FILE *in, uint64_t n);

/* The same of a source; of arguments it is exact.  For who shows how far he is. */
uint64_t record_guess(const struct record_source *s);

/*
 * Called for each line as it stands, len bytes without its newline; more says
 * that a whole line behind it has been read already, so that nobody waits for
 * what this one prints.  Returns a status as a record_fn does, or RECORD_PARSE to
 * have the line parsed and given to the record_fn.
 */
typedef int (*record_raw_fn)(const char *line, size_t len, bool more, const char *where,
	    void *arg);
#define RECORD_PARSE	(-1)

/* As record_each() for the lines of a descriptor, with raw asked first. */
int	 record_each_raw(int fd, record_raw_fn raw, record_fn fn, void *arg);

/*
 * Reads one line into buf, which has room for RECORD_MAX + 2 bytes, without its
 * newline but with a NUL; the rest of a line longer than RECORD_MAX is passed
 * over.  Returns its length (RECORD_MAX + 1 for such a one); -1 at the end.
 */
ssize_t	 record_line(FILE *in, char *buf);

/*
 * Parses one line of len bytes: a JSON object, or a bare identifier, which
 * becomes {"identity":{…}}.  Returns a new reference, or NULL with a reason in
 * why (size bytes).
 */
json_t	*record_parse(const char *line, size_t len, char *why, size_t size);

/* Prints rec as one line on out.  Returns 0, or EX_IOERR after a message. */
int	 record_print(const json_t *rec, FILE *out);

/*
 * Sets rec[key] from JSON text as jsonw wrote it.  Text that jansson does not
 * take (it is ours, so that is a bug) or no memory ends the program with 70.
 */
void	 record_set(json_t *rec, const char *key, const char *text);

/*
 * Read a member of nac-record(5) into its struct.  A missing member gives an
 * empty struct and true; so does a missing field.  A field of the wrong type or
 * an impossible value gives false with why filled: "compliance.state: …".
 */
bool	 record_identity(const json_t *rec, struct identity *out, char *why, size_t size);
bool	 record_session(const json_t *rec, struct session *out, char *why, size_t size);
bool	 record_answer(const json_t *rec, struct answer *out, char *why, size_t size);

/* True for the last record of a whole list, which describes no device: it is passed
 * on as it is, and is no reason to remove anything. */
bool	 record_is_list(const json_t *rec);

/* Put a struct into rec as its member. */
void	 record_put_identity(json_t *rec, const struct identity *id);
void	 record_put_session(json_t *rec, const struct session *s);
void	 record_put_answer(json_t *rec, const struct answer *a, int64_t now);

#endif
