/*
 * The window of the list of all non-compliant devices.  The Compliance Retrieval
 * service serves repeats of it for 60 minutes from the first call, and then answers
 * 503 until four hours have passed (Microsoft Learn, "Network access control
 * integration with Intune").  All our processes keep one file about it, so that
 * none calls into the 503.
 */
#ifndef INTUNE_WINDOW_H
#define INTUNE_WINDOW_H

#include <stdbool.h>
#include <stdint.h>

#include "base/file.h"
#include "base/guid.h"
#include "intune/settings.h"

#define WINDOW_FREE	3600		/* seconds in which the list may be asked for again */
#define WINDOW_WHOLE	(4 * 3600)	/* seconds from the first call to the next window */
#define WINDOW_MARGIN	120	/* seconds: nothing is begun so close to the end of the free
				 * ones, nor so soon after the four hours */
#define WINDOW_REACH	7200	/* seconds: longest that a call is on its way, tries included */
#define WINDOW_PAGE	10	/* seconds: a list that is under way asks for no page so close */

enum window {
	WINDOW_NEW,		/* the next call opens a window */
	WINDOW_OPEN,
	WINDOW_CLOSED
};

struct window_state {
	int64_t	 first;		/* the call that opened it was sent then; 0 = none was */
	int64_t	 last;		/* and had reached the service by then */
	int64_t	 calls;		/* how often the list was begun */
	int64_t	 until;		/* the service itself said 503, until then; 0 = it did not */
};

struct window_call {
	struct window_state	 before;	/* what cancelling goes back to */
	struct window_state	 now;
};

/* What may be done at `now` (seconds since 1970) and until when, which for
 * WINDOW_NEW is 0.  Nothing of the file's clock is believed that cannot be. */
enum window window_at(const struct window_state *state, int64_t now, int64_t *until);

/*
 * The window is the tenant's, by whatever name a configuration calls it: this learns
 * the tenant's id from the token's claim tid, for all processes that only have the
 * name.  Before the first window_begin() with a token.
 */
void	 window_learn(const struct settings *set, const char *token);

/* What the file says; an empty state when there is none.  One that cannot be read
 * is taken as a 503 that began when it was written.  False, with a sentence in
 * why, when the directory is of no use. */
bool	 window_read(const struct settings *set, struct window_state *out, char why[FILE_WHY]);

/*
 * Before the list is asked for: notes the call, unless it has to wait.  reach is for
 * how many seconds from now it may still arrive (at most WINDOW_REACH).  *until as
 * window_at(); *call is for the others.  False, with why, when this cannot be
 * noted: then the list must not be asked for.
 */
bool	 window_begin(const struct settings *set, int64_t reach, enum window *out,
	    int64_t *until, struct window_call *call, char why[FILE_WHY]);

/* After it: the service has answered; never had it, so that no window was opened; or
 * has answered 503 and wants to be left alone for wait seconds (-1 = not said), which
 * changes nothing of a window that is known.  Returns until when, in seconds since
 * 1970, for the last; trouble is warned of. */
void	 window_answered(const struct settings *set, const struct window_call *call);
void	 window_cancel(const struct settings *set, const struct window_call *call);
int64_t	 window_refused(const struct settings *set, int64_t wait);

#endif
