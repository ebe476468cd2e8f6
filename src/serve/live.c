#include <sys/stat.h>

#include <err.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>

#include "base/text.h"
#include "base/when.h"
#include "policy/good.h"
#include "policy/watch.h"
#include "serve/live.h"
#include "store/client.h"
#include "store/journal.h"
#include "store/store.h"

/* Rules in use; freed when nobody refers to them any more. */
struct rules {
	struct policy	*policy;
	unsigned int	 users;
};

/* What tells one version of a file from another. */
struct version {
	bool	 there;
	dev_t	 dev;
	ino_t	 ino;
	off_t	 size;
	int64_t	 mtime, mtime_ns, ctime, ctime_ns;
};

struct settings {
	char	 rules[PATH_MAX], state_dir[PATH_MAX], journal[PATH_MAX];
	int	 fallback_vlan, quarantine_vlan;
};

struct live {
	const struct hook_options	*options;
	live_say			 say;
	/* The main thread's. */
	struct version			 conf_version;
	uint64_t			 rules_version;	/* of the rules and their lists */
	bool				 broken;	/* the rules, when last read */

	pthread_mutex_t	 lock;		/* of what follows */
	struct settings	 settings;
	struct rules	*rules;		/* NULL: there were never good ones */
	char		 why[HOOK_WHY];	/* why not */
	unsigned long	 taken, refused;

	/* A reader is for one thread, and LMDB wants an environment opened once in
	 * a process: one look-up at a time.  It takes microseconds. */
	pthread_mutex_t	 store_lock;
	struct store_reader *store;
	char		 store_dir[PATH_MAX];
	struct version	 store_version;
	int64_t		 store_looked;	/* ns of the monotonic clock */
};

/* A store that was replaced is noticed after this time at the latest. */
#define STORE_LOOK_NS	50000000

/* Several errors: the first of them and how many there were. */
struct complaint {
	char	 first[HOOK_WHY];
	int	 count;
};

static void
complain(void *arg, const char *message)
{
	struct complaint	*c = arg;

	if (c->count++ == 0)
		text_copy(c->first, sizeof(c->first), message);
}

static void
version_of(const char *path, struct version *v)
{
	struct stat	 st;

	memset(v, 0, sizeof(*v));
	if (stat(path, &st) == -1)
		return;
	*v = (struct version){ true, st.st_dev, st.st_ino, st.st_size, st.st_mtim.tv_sec,
	    st.st_mtim.tv_nsec, st.st_ctim.tv_sec, st.st_ctim.tv_nsec };
}

static bool
same_version(const struct version *a, const struct version *b)
{
	return a->there == b->there && a->dev == b->dev && a->ino == b->ino &&
	    a->size == b->size && a->mtime == b->mtime && a->mtime_ns == b->mtime_ns &&
	    a->ctime == b->ctime && a->ctime_ns == b->ctime_ns;
}

/* As conf_load() chooses. */
static const char *
conf_path(const struct live *l)
{
	const char	*path = l->options->conf;

	if (path == NULL)
		path = getenv(CONF_ENV);
	return path != NULL ? path : CONF_PATH;
}

static bool
load_settings(struct live *l)
{
	struct hook	*h;
	char		 line[HOOK_WHY + 128];
	bool		 good;

	version_of(conf_path(l), &l->conf_version);
	if ((h = calloc(1, sizeof(*h))) == NULL)
		err(EX_OSERR, NULL);
	hook_settings(h, l->options);
	if (!(good = h->error[0] == '\0')) {
		snprintf(line, sizeof(line), "%s; %s", h->error, l->settings.rules[0] != '\0' ?
		    "the settings read before stay in force" : "not started");
		l->say(line);
	} else {
		pthread_mutex_lock(&l->lock);
		memcpy(l->settings.rules, h->rules, sizeof(h->rules));
		memcpy(l->settings.state_dir, h->state_dir, sizeof(h->state_dir));
		memcpy(l->settings.journal, h->journal, sizeof(h->journal));
		l->settings.fallback_vlan = h->fallback_vlan;
		l->settings.quarantine_vlan = h->quarantine_vlan;
		pthread_mutex_unlock(&l->lock);
	}
	free(h);
	return good;
}

/* With the lock held. */
static void
drop_rules(struct rules *r)
{
	if (r != NULL && --r->users == 0) {
		policy_free(r->policy);
		free(r);
	}
}

static void
take_rules(struct live *l, struct policy *policy)
{
	struct rules	*r;

	if ((r = malloc(sizeof(*r))) == NULL)
		err(EX_OSERR, NULL);
	*r = (struct rules){ policy, 1 };
	pthread_mutex_lock(&l->lock);
	drop_rules(l->rules);
	l->rules = r;
	pthread_mutex_unlock(&l->lock);
}

/* Whatever decided before goes on; at the start that is the last good copy. */
static void
refuse_rules(struct live *l, const struct complaint *c)
{
	char		 line[HOOK_WHY + GOOD_WHY + 128], more[32] = "", why[GOOD_WHY], when[WHEN_TEXT];
	struct policy	*good;
	int64_t		 kept;
	bool		 any;

	if (c->count > 1)
		snprintf(more, sizeof(more), " (and %d more)", c->count - 1);
	pthread_mutex_lock(&l->lock);
	l->refused++;
	any = l->rules != NULL;
	snprintf(l->why, sizeof(l->why), "%.*s%s", (int)(sizeof(l->why) - sizeof(more)),
	    c->first, more);
	pthread_mutex_unlock(&l->lock);
	if (any)
		snprintf(line, sizeof(line), "%s%s; the rules read before stay in force", c->first, more);
	else if ((good = good_load(l->settings.rules, l->settings.state_dir, &kept, why)) != NULL) {
		take_rules(l, good);
		snprintf(line, sizeof(line), "%s%s; the last good rules (%s) decide", c->first, more,
		    when_format(when, kept));
	} else
		snprintf(line, sizeof(line), "%s%s%s%s; the fallback answers", c->first, more,
		    why[0] != '\0' ? "; " : "", why);
	l->say(line);
}

/* The main thread alone replaces them. */
static uint64_t
rules_version(const struct live *l)
{
	return watch_version(l->settings.rules, l->rules != NULL ? l->rules->policy : NULL);
}

/* again: they were broken and said to be so, and what made them so may be in a file
 * that only they include. */
static void
load_rules(struct live *l, bool again)
{
	struct complaint	 c = { .count = 0 };
	struct policy		*policy;
	char			 line[PATH_MAX + 64];
	uint64_t		 before = rules_version(l);
	bool			 any = l->rules != NULL;

	policy = policy_load(l->settings.rules, complain, &c);
	l->broken = policy == NULL;
	if (policy == NULL) {
		if (!again)
			refuse_rules(l, &c);
		/* The last good copy, taken at the start, has other files. */
		l->rules_version = any ? before : rules_version(l);
		return;
	}
	snprintf(line, sizeof(line), "%s: %zu rules in force", l->settings.rules,
	    policy_rules(policy));
	take_rules(l, policy);
	pthread_mutex_lock(&l->lock);
	l->taken++;
	pthread_mutex_unlock(&l->lock);
	l->rules_version = watch_version_read(policy);
	l->say(line);
	if (policy_hint_unread(policy) != NULL)
		l->say(policy_hint_unread(policy));
}

struct live *
live_new(const struct hook_options *o, live_say say)
{
	struct live	*l;

	if ((l = calloc(1, sizeof(*l))) == NULL)
		err(EX_OSERR, NULL);
	l->options = o;
	l->say = say;
	pthread_mutex_init(&l->lock, NULL);
	pthread_mutex_init(&l->store_lock, NULL);
	if (!load_settings(l)) {
		live_free(l);
		return NULL;
	}
	load_rules(l, false);
	return l;
}

void
live_free(struct live *l)
{
	store_reader_close(l->store);
	drop_rules(l->rules);
	pthread_mutex_destroy(&l->lock);
	pthread_mutex_destroy(&l->store_lock);
	free(l);
}

void
live_reload(struct live *l, bool force)
{
	struct version	 v;
	bool		 changed;

	version_of(conf_path(l), &v);
	if (force || !same_version(&v, &l->conf_version))
		load_settings(l);
	changed = rules_version(l) != l->rules_version;
	if (force || changed || l->broken)
		load_rules(l, !force && !changed);
}

static int64_t
clock_ns(void)
{
	struct timespec	 t;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* With the store's lock: makes sure that the open store is the one of the folder
 * now. */
static bool
store_ready(struct live *l, const char *dir, char why[STORE_WHY])
{
	struct version	 v;
	char		 path[PATH_MAX + sizeof("/data.mdb")];
	int64_t		 now = clock_ns();

	if (l->store != NULL && now - l->store_looked < STORE_LOOK_NS &&
	    strcmp(dir, l->store_dir) == 0)
		return true;
	l->store_looked = now;
	snprintf(path, sizeof(path), "%s/data.mdb", dir);
	version_of(path, &v);
	if (l->store != NULL && (strcmp(dir, l->store_dir) != 0 || !v.there ||
	    v.dev != l->store_version.dev || v.ino != l->store_version.ino)) {
		store_reader_close(l->store);
		l->store = NULL;
	}
	if (l->store == NULL) {
		text_copy(l->store_dir, sizeof(l->store_dir), dir);
		l->store = store_reader_open(dir, why);
	}
	l->store_version = v;
	return l->store != NULL;
}

static enum store_rc
find(struct hook *h, const struct match_order *order, char why[STORE_WHY])
{
	struct live	*l = h->find_arg;
	enum store_rc	 rc = STORE_ERROR;

	pthread_mutex_lock(&l->store_lock);
	if (store_ready(l, h->state_dir, why))
		rc = store_reader_find(l->store, &h->id, order, &h->answer, why);
	pthread_mutex_unlock(&l->store_lock);
	return rc;
}

void
live_get(struct live *l, struct hook *h)
{
	hook_again(h);
	h->find = find;
	h->find_arg = l;
	h->policy = NULL;
	pthread_mutex_lock(&l->lock);
	text_copy(h->state_dir, sizeof(h->state_dir), l->settings.state_dir);
	text_copy(h->journal, sizeof(h->journal), l->settings.journal);
	h->fallback_vlan = l->settings.fallback_vlan;
	h->quarantine_vlan = l->settings.quarantine_vlan;
	if (l->rules != NULL) {
		l->rules->users++;
		h->policy = l->rules->policy;
		h->policy_of = l->rules;
	} else
		hook_broken(h, l->why);
	pthread_mutex_unlock(&l->lock);
}

void
live_put(struct live *l, struct hook *h)
{
	if (h->policy == NULL)
		return;
	pthread_mutex_lock(&l->lock);
	drop_rules(h->policy_of);
	pthread_mutex_unlock(&l->lock);
	h->policy = NULL;
}

void
live_counts(struct live *l, unsigned long *taken, unsigned long *refused)
{
	pthread_mutex_lock(&l->lock);
	*taken = l->taken;
	*refused = l->refused;
	pthread_mutex_unlock(&l->lock);
}

bool
live_scrape(struct live *l, const char *state_dir, const char *journal, int64_t *lag,
    struct tally *coa)
{
	struct journal_place	 place;
	struct journal		*j;
	struct store		*store;
	enum store_rc		 rc = STORE_NOTFOUND;
	char			 why[STORE_WHY];
	bool			 good = false;

	*lag = -1;
	pthread_mutex_lock(&l->store_lock);
	if ((store = store_open(state_dir, STORE_READ, why)) != NULL) {
		rc = cursor_get(store, "follow", &place);
		good = tally_get(store, coa) != STORE_ERROR;
	}
	store_close(store);
	pthread_mutex_unlock(&l->store_lock);
	if (rc == STORE_FOUND && (j = journal_start(journal, &place)) != NULL) {
		*lag = journal_lag(j);
		journal_close(j);
	}
	return good;
}

bool
live_ready(struct live *l)
{
	bool	 ready;

	pthread_mutex_lock(&l->lock);
	ready = l->rules != NULL;
	pthread_mutex_unlock(&l->lock);
	return ready;
}
