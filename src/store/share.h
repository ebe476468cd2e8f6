/*
 * nac-cache share: this server's changes into Redis, and those of the others out
 * of it.  In Redis, under share_prefix:
 *
 *	:epoch	a random word; another one means that all was lost
 *	:log	the stream: each entry is `o`, the server it comes from, and `v`,
 *		bytes as in share_entry.h.  Trimmed to share_stream_max
 *	:dev	hash: key of the answer -> the newest bytes
 *	:client	hash: client -> the newest bytes
 *	:sent	hash: server -> number of the last batch it has told
 *	:alive:NAME	which store uses this name now
 *	:held	hash: server -> ms, until when its poll holds changes back, unless said
 *		again: there is poll.held in its state folder
 *	:whole	hash: `d` and `c`, how many entries :dev and :client have had last;
 *		`lost`, a word that is another one since they had fewer, or this was
 *		gone; `n`, how many fewer; `missing`, how many of all that are not
 *		back
 *
 * In the store's meta: share.name, share.id (of this store), share.epoch,
 * share.pos (the last entry that was read; none: the whole state is read
 * first), share.sent, share.whole (the word `lost` up to which all was told again),
 * share.away (since when Redis is).
 */
#ifndef STORE_SHARE_H
#define STORE_SHARE_H

#include "store/cache.h"
#include "store/share_info.h"
#include "store/share_link.h"

#define SHARE_WORD	64
#define LOOK_MS		10000	/* between two looks at whether all is as it was */
#define INFO_MS		60000	/* between two at whether it will stay so */
#define MEND_MS		5000	/* the first pause between two times that all is told
				 * again; while they go on, doubled up to: */
#define MEND_MAX_MS	3600000

/* When all was told again; zeroed at first. */
struct mending {
	int64_t	 last, pause;	/* ms */
};

struct share {
	struct cache		*c;
	const struct share_conf	*conf;
	struct link		*w, *r;		/* for commands; for reading the stream */
	struct fold		*fold;
	char			 tell[SHARE_WORD], look[SHARE_WORD];	/* scripts */
	char			 id[SHARE_WORD], epoch[SHARE_WORD], pos[SHARE_WORD];
	char			 end[SHARE_WORD];	/* of the stream, when looked at */
	int64_t			 sent;
	int64_t			 asked;		/* ms, since when the reader waits; 0: it does not */
	int64_t			 looked, saved;	/* ms */
	bool			 unsaved;	/* pos is ahead of what the store has */
	bool			 held;		/* there was poll.held when looked at */
	char			 whole[SHARE_WORD];
	bool			 owed;		/* what was told last is to be told again */
	struct mending		 mending;
	int64_t			 informed;	/* ms, when INFO was asked; 0: not yet */
	int64_t			 evicted;	/* keys, by INFO; -1: not known */
	char			 policy[INFO_POLICY];	/* that was warned of */
	bool			 mute;		/* it was said that INFO is of no use */
	struct room		 room;
	int			 status;	/* != 0: the end */
	int			 lost;		/* the status of the last loss of Redis */
};

/* One word of meta: "" when it is not there.  put with "" removes it. */
enum store_rc	 share_get(struct store *s, const char *key, char out[SHARE_WORD]);
enum store_rc	 share_put(struct store *s, const char *key, const char *word);

/* A name in Redis; out is returned. */
#define SHARE_KEY	(LINK_NAME + 128)
char	*share_key(char out[SHARE_KEY], const struct share_conf *c, const char *name);

/* May all be told again now?  A Redis too small for what it is to hold loses it as fast
 * as it is told. */
bool	 share_may_mend(struct mending *m, int64_t now);

/* Everything in the store is to be told. */
enum store_rc	 share_mark_all(struct store *s);

enum share_step {
	SHARE_LOST = -2,	/* the connection: link_why() tells */
	SHARE_FAULT = -1,	/* the store: cache_fault() tells */
	SHARE_IDLE = 0,		/* there was nothing to do */
	SHARE_MORE = 1		/* something was done, there may be more */
};

/* Makes the store one that is shared, under its name, and reads what it knows. */
bool	 share_load(struct share *sh);

/* Gives Redis our scripts; false: SHARE_LOST. */
bool	 share_scripts(struct share *sh);

/* Looks whether Redis is as we know it, and says that we are there.  Notes what is to
 * be told or read once more. */
enum share_step	 share_look(struct share *sh);

/* In the middle of something else: says that we are there, where that is due, over a
 * connection of its own. */
void		 share_stay(struct share *sh);

/* The entry of the stream that was read last is not there: the whole state is to be
 * read, and if it was not trimmed away, all told again. */
enum share_step	 share_passed(struct share *sh);

/* Asks Redis itself whether it evicts keys, and says so.  False: SHARE_LOST. */
bool		 share_inform(struct share *sh);

/* Does the poll of this server hold changes back? */
bool		 share_held(const struct share *sh);

/* Is it time to end? */
bool	 share_stopping(const struct share *sh);

/* Tells the others one batch. */
enum share_step	 share_tell(struct share *sh);

/* Reads the whole state out of the two hashes, telling meanwhile. */
enum share_step	 share_snapshot(struct share *sh);

/* Asks the stream for what is new, or with the answer there, stores that. */
enum share_step	 share_read(struct share *sh, int block_ms);

#endif
