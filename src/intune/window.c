#include <err.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/text.h"
#include "base/when.h"
#include "intune/shared.h"
#include "intune/tenantid.h"
#include "intune/window.h"
#include "intune/wire.h"

#define CLOSED		(WINDOW_WHOLE - WINDOW_FREE)
#define CLOCK_SLACK	60	/* seconds by which the clock may be set back */
#define LOCK_WAIT	10000	/* ms: it is held for a few file operations */

enum window
window_at(const struct window_state *w, int64_t now, int64_t *until)
{
	*until = w->until;
	if (w->until > now)
		return WINDOW_CLOSED;
	*until = 0;
	if (w->first == 0)
		return WINDOW_NEW;
	*until = w->first + WINDOW_FREE - WINDOW_MARGIN;
	if (now < *until)
		return WINDOW_OPEN;
	*until = w->last + WINDOW_WHOLE + WINDOW_MARGIN;
	if (now < *until)
		return WINDOW_CLOSED;
	*until = 0;
	return WINDOW_NEW;
}

/* When nothing can be known: as if the service had just begun to say 503. */
static void
assume_closed(struct window_state *w, int64_t now)
{
	memset(w, 0, sizeof(*w));
	w->until = now + CLOSED + WINDOW_MARGIN;
}

/* The times of a file that was written before the clock was set back, or by
 * somebody else. */
static bool
possible(const struct window_state *w, int64_t now)
{
	return w->first >= 0 && w->first <= now + CLOCK_SLACK && w->last >= w->first &&
	    w->last <= now + CLOCK_SLACK + WINDOW_REACH &&
	    (w->first != 0 || w->last == 0) && w->calls >= 0 && w->until >= 0 &&
	    w->until <= now + CLOCK_SLACK + WIRE_WAIT_MAX;
}

static void
name(struct shared *s, const struct settings *set)
{
	char		 key[TENANT_NAME];
	/* Not the client's id: it may be the tenant that is counted. */
	const char	*part[] = { set->authority, key };

	tenant_key(set, key);
	shared_open(s, set, part, sizeof(part) / sizeof(part[0]), "window");
}

void
window_learn(const struct settings *set, const char *token)
{
	const char	*written[] = { set->authority, set->tenant };
	struct shared	 s, before;

	tenant_learn(set, token);
	/* What was filed under the name as it is written, before that was known. */
	shared_open(&before, set, written, sizeof(written) / sizeof(written[0]), "window");
	name(&s, set);
	if (strcmp(s.path, before.path) != 0 && link(before.path, s.path) == 0)
		unlink(before.path);
	shared_close(&s);
	shared_close(&before);
}

static bool
number(const json_t *o, const char *key, int64_t *out)
{
	const json_t	*v = json_object_get(o, key);

	*out = json_integer_value(v);
	return json_is_integer(v);
}

static void
read_state(const struct shared *s, struct window_state *w)
{
	int64_t		 changed, now = when_now();
	json_t		*o;
	enum shared_end	 end = shared_read(s, &o, &changed);

	memset(w, 0, sizeof(*w));
	if (end == SHARED_ABSENT)
		return;
	if (end == SHARED_BAD || !number(o, "first", &w->first) ||
	    !number(o, "last", &w->last) || !number(o, "calls", &w->calls) ||
	    !number(o, "until", &w->until))
		assume_closed(w, changed != 0 && changed < now ? changed : now);
	else if (!possible(w, now)) {
		warnx("%s: its times cannot be: taken as closed from now on", s->path);
		assume_closed(w, now);
	}
	json_decref(o);
}

static bool
write_state(struct shared *s, const struct settings *set, const struct window_state *w)
{
	json_t	*o = json_pack("{s:s, s:I, s:I, s:I, s:I}", "tenant", set->tenant, "first",
		    (json_int_t)w->first, "last", (json_int_t)w->last, "calls",
		    (json_int_t)w->calls, "until", (json_int_t)w->until);
	bool	 good = shared_write(s, o);

	json_decref(o);
	return good;
}

bool
window_read(const struct settings *set, struct window_state *out, char why[FILE_WHY])
{
	struct shared	 s;
	bool		 good;

	name(&s, set);
	if ((good = s.usable))
		read_state(&s, out);
	else
		text_copy(why, FILE_WHY, s.why);
	shared_close(&s);
	return good;
}

static int64_t
reach_of(int64_t reach)
{
	return reach < WINDOW_REACH ? reach : WINDOW_REACH;
}

bool
window_begin(const struct settings *set, int64_t reach, enum window *out, int64_t *until,
    struct window_call *call, char why[FILE_WHY])
{
	int64_t		 now;
	struct shared	 s;
	bool		 good;

	name(&s, set);
	if ((good = shared_lock(&s, LOCK_WAIT))) {
		now = when_now();
		read_state(&s, &call->before);
		call->now = call->before;
		*out = window_at(&call->now, now, until);
		if (*out == WINDOW_NEW)
			call->now = (struct window_state){ now, now + reach_of(reach), 0, 0 };
		else if (*out == WINDOW_OPEN && call->now.until != 0 &&
		    call->now.last < now + reach_of(reach))
			/* What was refused has perhaps opened nothing: then this does. */
			call->now.last = now + reach_of(reach);
		if (*out != WINDOW_CLOSED) {
			call->now.until = 0;
			call->now.calls++;
		}
		/* Also when it is closed: what was assumed has to stay as it is. */
		good = write_state(&s, set, &call->now);
	}
	if (!good)
		text_copy(why, FILE_WHY, s.why);
	shared_close(&s);
	return good;
}

/* Changes the file, if it is still of this window. */
static void
change(const struct settings *set, const struct window_call *call, bool cancel)
{
	struct window_state	 w;
	struct shared		 s;
	int64_t			 now;
	bool			 good;

	name(&s, set);
	if ((good = shared_lock(&s, LOCK_WAIT))) {
		read_state(&s, &w);
		now = when_now();
		if (w.first != call->now.first || w.first == 0)
			;
		else if (!cancel) {
			/* Whoever opened it, it was before this answer. */
			if (now < w.last)
				w.last = now < w.first ? w.first : now;
			good = write_state(&s, set, &w);
		} else if (w.calls == 1)
			good = write_state(&s, set, &call->before);
	}
	if (!good)
		warnx("%s", s.why);
	shared_close(&s);
}

void
window_answered(const struct settings *set, const struct window_call *call)
{
	change(set, call, false);
}

void
window_cancel(const struct settings *set, const struct window_call *call)
{
	change(set, call, true);
}

int64_t
window_refused(const struct settings *set, int64_t wait)
{
	struct window_state	 w = { 0 };
	struct shared		 s;
	int64_t			 now;
	bool			 good;

	name(&s, set);
	if ((good = shared_lock(&s, LOCK_WAIT)))
		read_state(&s, &w);
	now = when_now();
	/* A window that we know of goes on: a passing 503 does not open it anew.  Else
	 * somebody else has opened it, at worst an hour ago this moment. */
	if (now >= w.last + WINDOW_WHOLE + WINDOW_MARGIN)
		memset(&w, 0, sizeof(w));
	w.until = now + (wait > 0 ? wait + 1 : CLOSED + WINDOW_MARGIN);
	if (!good || !write_state(&s, set, &w))
		warnx("%s", s.why);
	shared_close(&s);
	return w.until;
}
