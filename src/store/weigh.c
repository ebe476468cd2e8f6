#include <err.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "base/digest.h"
#include "base/when.h"
#include "device/record.h"
#include "store/weigh.h"

const char *
weigh_word(const json_t *o, const char *key)
{
	const char	*s = json_string_value(json_object_get(o, key));

	return s != NULL ? s : "";
}

bool
weigh_is_first(const json_t *rec, const json_t *before)
{
	const char	*state = weigh_word(before, "state");

	return (state[0] == '\0' || strcmp(state, "pending") == 0) &&
	    strcmp(weigh_word(json_object_get(rec, "compliance"), "state"), "pending") != 0;
}

bool
weigh_is_told(const json_t *rec, const struct session *s)
{
	const char	*result = weigh_word(json_object_get(rec, "coa"), "result");

	return s->ended && (strcmp(result, "ack") == 0 || strcmp(result, "nak") == 0);
}

/* ---- what is held */

#define KEYS	(ANSWER_ASKED + 2)

static uint64_t
fingerprint(char kind, const void *data, size_t len)
{
	uint64_t	 h = digest_add(digest_add(DIGEST_START, &kind, 1), data, len);

	return h != 0 ? h : 1;
}

/* The client, the device, and what was asked to find it. */
static size_t
fingerprints(const json_t *rec, uint64_t out[KEYS])
{
	struct answer	 a;
	char		 why[256];
	uint64_t	 client = clientset_of(rec);
	size_t		 i, n = 0;

	if (client != 0)
		out[n++] = client;
	if (!record_answer(rec, &a, why, sizeof(why)))
		return n;
	if (a.has_device && a.device.has_id)
		out[n++] = fingerprint('i', a.device.id.b, GUID_LEN);
	for (i = 0; i < a.nasked; i++)
		out[n++] = fingerprint('a', a.asked[i].value, strlen(a.asked[i].value));
	return n;
}

void
weigh_mark(struct clientset *held, const json_t *rec)
{
	uint64_t	 key[KEYS];
	size_t		 n = fingerprints(rec, key);

	while (n > 0)
		clientset_add(held, key[--n]);
}

bool
weigh_is_held(const struct clientset *held, const json_t *rec)
{
	uint64_t	 key[KEYS];
	size_t		 n;

	if (held->n == 0)
		return false;
	for (n = fingerprints(rec, key); n > 0; n--)
		if (clientset_has(held, key[n - 1]))
			return true;
	return false;
}

bool
weigh_load(struct clientset *held, const char *path)
{
	char	*line = NULL, why[256];
	size_t	 size = 0;
	ssize_t	 len;
	json_t	*rec;
	FILE	*f = fopen(path, "re");
	bool	 good;

	if (f == NULL)
		return errno == ENOENT;
	while ((len = getline(&line, &size, f)) > 0) {
		if ((rec = record_parse(line, (size_t)len, why, sizeof(why))) != NULL)
			weigh_mark(held, rec);
		json_decref(rec);
	}
	good = !ferror(f);
	free(line);
	fclose(f);
	return good;
}

char *
held_head(const struct cache *c, const struct guard *g, int64_t now, const char *why)
{
	char	 time[WHEN_TEXT], *text;
	json_t	*head = json_pack("{s{si ss ss ss sI sI}}", "held", "version", HELD_VERSION,
		    "time", when_format(time, now), "state_dir", c->dir, "cause", why,
		    "asked", (json_int_t)guard_count_asked(g), "changed",
		    (json_int_t)guard_count_changed(g));

	if (head == NULL || (text = json_dumps(head, JSON_COMPACT)) == NULL)
		err(EX_OSERR, NULL);
	json_decref(head);
	return text;
}

/* ---- the guards */

/* Takes the window at path into all guards, or into those that have all kinds. */
static bool
load(struct scales *g, const char *path, bool own)
{
	size_t	 i;
	bool	 good = true;

	for (i = own ? SCALE_OWN : SCALE_ALL; path != NULL && i < g->n && good; i += own ? 1 : 2)
		good = guard_load(g->of[i], path);
	if (!good)
		warn("%s", path);
	return good;
}

bool
scales_open(struct scales *g, const struct cache *c, int64_t now)
{
	size_t	 i;

	g->n = c->share != NULL && c->window != NULL ? SCALES : SCALE_SHARED_OWN;
	for (i = 0; i < g->n; i++)
		g->of[i] = guard_new(&c->guard, now);
	return load(g, c->window, true) && load(g, c->beside, false);
}

void
scales_close(struct scales *g)
{
	while (g->n > 0)
		guard_free(g->of[--g->n]);
}

void
scales_asked(struct scales *g, const struct session *s)
{
	size_t	 i;

	for (i = 0; i < g->n; i++)
		guard_asked(g->of[i], s);
}

void
scales_changed(struct scales *g, const struct session *s)
{
	size_t	 i;

	for (i = 0; i < g->n; i++)
		guard_changed(g->of[i], s);
}

void
scales_answer(struct scales *g, const json_t *rec)
{
	struct answer	 a;
	char		 why[256];

	if (record_answer(rec, &a, why, sizeof(why)) && a.has_device && a.source != SOURCE_CACHE)
		guard_synced(g->of[SCALE_OWN], a.device.last_sync);
}

enum guard_verdict
scales_judge(const struct scales *g, char why[GUARD_WHY])
{
	enum guard_verdict	 verdict = GUARD_PASS;
	size_t			 i;

	for (i = 0; i < g->n && verdict == GUARD_PASS; i++)
		verdict = guard_judge(g->of[i], why);
	return verdict;
}
