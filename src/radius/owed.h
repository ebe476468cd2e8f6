/*
 * The journal of coa-send: what was sent and what became of it, so that nothing
 * is sent twice after a crash and nothing that was sent is forgotten.  It is
 * NDJSON; each event is one line, written by one write(2).  Several processes may
 * share it: each looks at the others' lines, under a lock, before it sends.
 *
 *	{"coa_journal":1,"time":…,"event":"sent","key":…,"want":…,"nas":…,"record":{…}}
 *	{"coa_journal":1,"time":…,"event":"ack","key":…,"want":…}
 *
 * key names the client on its NAS, want the change: the same client may need
 * another change at any time, and gets it.
 */
#ifndef RADIUS_OWED_H
#define RADIUS_OWED_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/conf.h"
#include "base/file.h"

#define OWED_WINDOW	300		/* seconds: RFC 5176's own window (6.3) */
#define OWED_KEEP	(7 * 86400)	/* what nobody has answered is owed so long */
#define OWED_LARGE	(8 * 1024 * 1024)	/* a journal of this size is made small */

struct owed;

enum owed_state {
	OWED_NEW,		/* send it */
	OWED_DONE,		/* the NAS has acknowledged the same within the window */
	OWED_SENT		/* the same was sent within the window, and has no end yet */
};

/* What the end of an exchange is called in the journal: there is nothing more to
 * do; it was not answered; anything else has been answered. */
#define OWED_ACK	"ack"
#define OWED_SILENT	"silent"

/*
 * Opens a journal, makes it if there is none (mode 0600; one that others may
 * write is refused), reads it, and makes a large one small.  window is in seconds;
 * 0: send whatever it says.  Lines that are no lines of a journal are reported and
 * passed over.  Returns NULL after a report when the file is not to be had.
 */
struct owed *owed_open(const char *path, int64_t window, conf_report report, void *arg);

/*
 * Looks whether this change of this client is to be sent and, if so, writes that
 * it is being sent.  *when is the time of what speaks against it.  Returns false,
 * with a reason in why, when it cannot be written: it must not be sent then.
 */
bool	 owed_send(struct owed *o, const char *key, const char *want, const char *nas,
	    const json_t *rec, enum owed_state *state, int64_t *when, char why[FILE_WHY]);

/* Writes how it ended.  Returns false with a reason in why. */
bool	 owed_end(struct owed *o, const char *key, const char *want, const char *event,
	    char why[FILE_WHY]);

/* Calls fn for each client with a request that nobody has answered: its record,
 * the change, the NAS, the time.  Returns the largest status. */
typedef int (*owed_fn)(json_t *rec, const char *want, const char *nas, int64_t time, void *arg);
int	 owed_each(struct owed *o, owed_fn fn, void *arg);

void	 owed_close(struct owed *o);

#endif
