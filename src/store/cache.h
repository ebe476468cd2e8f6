/*
 * The commands of nac-cache(1), and what they share.  Only this part of the
 * store knows records; radius-hook uses none of it.
 */
#ifndef STORE_CACHE_H
#define STORE_CACHE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/progress.h"
#include "device/answer.h"
#include "store/client.h"
#include "store/guard.h"
#include "store/journal.h"
#include "store/store.h"

struct share_conf;

/* Everything that the command line and nac.conf(5) say; the caller's. */
struct cache {
	struct store		*store;
	const char		*journal;
	const char		*dir;			/* of the store */
	const char		*coa_journal;		/* of nac.conf; NULL: not there */
	struct match_order	 order;
	int64_t			 poll_interval;		/* seconds, as the rest */
	int64_t			 older_than;
	int64_t			 seen_within;
	int64_t			 clients_older_than;
	bool			 changed, quiet, clients, from_start;
	bool			 dry_run, append;
	int64_t			 now;			/* 0: the clock's */
	/* of due and list: */
	const char		*except, *only;		/* files of records */
	bool			 spread, summary;
	int64_t			 stale_after;		/* 0: never */
	int64_t			 next;			/* until the next run */
	const char		*unless;		/* of follow: a file */
	/* of weigh: */
	struct guard_limits	 guard;
	const char		*window, *beside, *stamp, *hold, *pass;
	bool			 stream, forget;
	bool			 once;
	const struct share_conf	*share;			/* NULL: nothing is shared */
};

/* Each runs one command and returns its exit status, after its messages. */
int	 cache_put(struct cache *c, int argc, char **argv);
int	 cache_due(struct cache *c);
int	 cache_list(struct cache *c);
int	 cache_follow(struct cache *c);
int	 cache_share(struct cache *c);
int	 cache_renew(struct cache *c);
/* For how many seconds Redis has been away, as far as the store knows. */
int64_t	 share_away(const struct cache *c, int64_t now);
int	 cache_check(struct cache *c);
int	 cache_export(struct cache *c);
int	 cache_import(struct cache *c);
int	 cache_diff(const char *a, const char *b);
int	 cache_backup(struct cache *c, const char *dir);

/* Weighs the records that would change against all those asked about.  Returns
 * STATUS_NO when they are held. */
int	 cache_weigh(struct cache *c, const char *answers, const char *changes);

/* Forgets what was counted so far: the files of the windows, and what all servers have
 * told each other. */
int	 cache_weigh_forget(struct cache *c);

/* Behind what says that the store is damaged. */
#define CACHE_DAMAGED	"restore a backup, or move data.mdb away and fill a new store"

/* The exit status for an errno of the store's. */
int	 cache_status(int err);

/* Says what the last STORE_ERROR was and returns the exit status for it. */
int	 cache_fault(const struct cache *c);

/* As cli_finish(), but says nothing of an output that record_print() has told of. */
int	 cache_finish(int status);

/* Starts to draw how far it is, where standard error is a terminal and what is
 * printed does not go there, too.  total 0: not known. */
void	 cache_progress(struct progress *p, const char *what, uint64_t total);

/* The same for all clients, or all devices. */
void	 cache_progress_all(const struct cache *c, struct progress *p, bool clients);

/* The disk is full, for who stays until it is not: zeroed at first. */
struct room {
	int64_t	 last;		/* ms, when it was so */
	int64_t	 pause;
};

/* Says so, once for as long as it lasts.  Returns for how many ms to wait then. */
int64_t	 room_pause(struct room *r, const struct store *s);

/* Is there anything in id, of what the order allows, that a device could be found by? */
bool	 cache_can_ask(const struct match_order *order, const struct identity *id);

/* By what the device of a stored answer can be asked for again. */
void	 cache_identity_of(struct identity *id, const struct answer *a);

/* A stored client's record: a new reference; NULL after a message. */
json_t	*cache_client_record(const struct client *c);

/* Lines of the journal, read but not yet folded. */
#define FOLD_LINES	512
#define FOLD_BYTES	(4 << 20)	/* no more than this at a time */

struct fold_line {
	struct client	 client;	/* id "": all clients of a NAS */
	bool		 accounting;	/* not a login, but what a NAS says of a session */
	json_t		*rec;		/* without `journal` */
	char		*text;		/* the same as text, which client.text is */
};

struct fold {
	struct store		*store;
	char			 server[CLIENT_ID];	/* our name, where others know it */
	struct journal		*journal;
	const char		*path;		/* for messages */
	struct journal_place	 place;		/* behind the lines */
	size_t			 n;
	size_t			 stumps;	/* since they were last reported */
	int			 status;	/* the worst so far */
	struct fold_line	 line[FOLD_LINES];
};

/* Starts at the cursor's place, or without one, or with from_start, at the start
 * of the journal.  Returns NULL after a message, with *status set. */
struct fold *fold_start(const struct cache *c, const char *cursor, bool from_start,
	    int *status);
void	 fold_free(struct fold *f);

/* Reads lines until there are enough or no more.  Returns false when the journal
 * cannot be read, after a message.  f->n is 0 at the end. */
bool	 fold_read(struct fold *f);

/* Keeps what was read as the clients' newest, and with cursor not NULL the place,
 * all in one transaction. */
enum store_rc fold_keep(const struct cache *c, struct fold *f, const char *cursor);

/* Folds all that the journal has behind the cursor.  Returns a status. */
int	 fold_all(const struct cache *c, const char *cursor);

/* Does this line of accounting say that a NAS has started or stops? */
bool	 acct_of_nas(const json_t *rec);

/* Brings the session of the client, or of all clients of the NAS, up to what a
 * line of accounting says.  In a write transaction. */
enum store_rc acct_fold(struct store *s, const struct fold_line *l);

#endif
