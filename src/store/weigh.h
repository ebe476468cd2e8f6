/*
 * What nac-cache weigh does to a whole run and to a stream alike: which records
 * count, the guards that count them, and the file of what is held.
 */
#ifndef STORE_WEIGH_H
#define STORE_WEIGH_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "device/answer.h"
#include "device/session.h"
#include "store/cache.h"
#include "store/clientset.h"
#include "store/guard.h"

/* The first line of a file of what is held begins so. */
#define HELD_MARK	"{\"held\":{"
#define HELD_VERSION	1

/* The string at o.key, or "". */
const char *weigh_word(const json_t *o, const char *key);

/*
 * Is this the first answer that a client has got, after this decision?  It keeps no
 * client on its old access, since there is none to speak of; a thousand new devices
 * are no disaster.
 */
bool	 weigh_is_first(const json_t *rec, const json_t *before);

/* Has its session ended at our word?  Then its answer is in force already, and it
 * has only not come back since. */
bool	 weigh_is_told(const json_t *rec, const struct session *s);

/*
 * A record is held with its client and with its answer: who stores the answer for
 * another network card of the device stores it for both.
 */
void	 weigh_mark(struct clientset *held, const json_t *rec);
bool	 weigh_is_held(const struct clientset *held, const json_t *rec);

/* Marks what a file of held changes has, which need not be there.  False with
 * errno set when it cannot be read. */
bool	 weigh_load(struct clientset *held, const char *path);

/*
 * The guards: one for this run with the earlier ones of its own kind, and one that
 * has those of the others (polls, or the look-ups between them), too; where servers
 * share, the same two once more, with the runs of all servers.  Each could hide what
 * another shows.
 */
enum { SCALE_OWN, SCALE_ALL, SCALE_SHARED_OWN, SCALE_SHARED_ALL, SCALES };

struct scales {
	struct guard	*of[SCALES];
	size_t		 n;		/* how many there are */
};

bool	 scales_open(struct scales *g, const struct cache *c, int64_t now);
void	 scales_close(struct scales *g);
void	 scales_asked(struct scales *g, const struct session *s);
void	 scales_changed(struct scales *g, const struct session *s);

/* Takes what the answer says of the time. */
void	 scales_answer(struct scales *g, const json_t *rec);
enum guard_verdict scales_judge(const struct scales *g, char why[GUARD_WHY]);

/* The first line of such a file, without its newline; the caller frees it. */
char	*held_head(const struct cache *c, const struct guard *g, int64_t now, const char *why);

int	 cache_weigh_stream(struct cache *c);

#endif
