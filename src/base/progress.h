/*
 * How far a long run has got, on a terminal's standard error and nowhere else.
 */
#ifndef BASE_PROGRESS_H
#define BASE_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct progress {
	bool		 shown;		/* standard error is a terminal */
	bool		 yields;	/* and so is standard output */
	const char	*what;		/* "devices", "records" */
	uint64_t	 done, total;	/* total 0 = not known; may be set later */
	int64_t		 start, last;	/* ms of a clock that does not jump */
};

/* total as far as it is known, 0 = not at all.  what must be a literal. */
void	 progress_start(struct progress *p, const char *what, uint64_t total);

/* n more are done.  Draws at most five times a second. */
void	 progress_add(struct progress *p, uint64_t n);

/* Clears the line, whoever drew on it, also so that a message can be written. */
void	 progress_clear(struct progress *p);

/* The same before standard output is written, where that is a terminal too. */
void	 progress_yield(struct progress *p);

#endif
