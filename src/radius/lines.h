/*
 * Small text files of ours, line by line: words between blanks, "quoted words"
 * with \" and \\, # comments.  The NAS file, the profiles and the dictionary
 * are read with this; each error says file:line:column.
 */
#ifndef RADIUS_LINES_H
#define RADIUS_LINES_H

#include <stdbool.h>
#include <stddef.h>

#include "base/conf.h"

#define LINES_MAX	(4 * 1024 * 1024)	/* a NAS file of 40,000 lines */
#define LINES_WORDS	24			/* words in one line; ours have 12 */

struct word {
	char	*text;		/* NUL-terminated, quotes and backslashes taken off */
	size_t	 column;	/* of its first byte, from 1 */
	bool	 quoted;
};

struct lines {
	const char	*name;
	size_t		 line;		/* number of the line that is in word[] */
	size_t		 errors;
	struct word	 word[LINES_WORDS];
	size_t		 nword;
	/* private */
	char		*next;
	size_t		 left;
	conf_report	 report;
	void		*arg;
};

/*
 * Reads path whole, up to LINES_MAX bytes and a NUL beyond them.  With checked
 * it must be ours or root's and writable by nobody else.  Returns the text,
 * which the caller frees, and its length; or NULL after one report.
 */
char	*lines_read(const char *path, bool checked, size_t *len, conf_report report,
	    void *arg);

/* Starts on text, which is cut up in place: it has len bytes and a byte more. */
void	 lines_start(struct lines *l, const char *name, char *text, size_t len,
	    conf_report report, void *arg);

/*
 * Moves on to the next line that has words.  Lines that cannot be cut into
 * words (a control byte, an open quote, more than LINES_WORDS) are reported and
 * passed over.  Returns false at the end; l->errors then says whether the file
 * is good.
 */
bool	 lines_next(struct lines *l);

/* Reports "name:line:column: what" for a word, or for the whole line at NULL. */
void	 lines_error(struct lines *l, const struct word *at, const char *fmt, ...)
	    __attribute__((format(printf, 3, 4)));

/* The same, with the word itself behind it in quotes, made fit to be shown. */
void	 lines_wrong(struct lines *l, const struct word *at, const char *what);

#endif
