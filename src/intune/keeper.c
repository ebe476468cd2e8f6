#include <string.h>
#include <sysexits.h>

#include "base/text.h"
#include "base/when.h"
#include "intune/crew.h"
#include "intune/keeper.h"
#include "intune/token.h"
#include "intune/wire.h"

#define REFUSED		60000	/* ms for which a refused credential is not tried again */
#define FAILED_FIRST	2000	/* ms for which an authority that failed is left alone, at first */

void
keeper_init(struct keeper *k, const struct settings *set, struct http *http)
{
	memset(k, 0, sizeof(*k));
	k->set = set;
	k->http = http;
}

void
keeper_wipe(struct keeper *k)
{
	token_wipe(&k->token);
}

/* For so long nobody asks for a token, because of this. */
static void
hold(struct keeper *k, const struct token_error *e, int64_t ms)
{
	k->refused = *e;
	k->refused_until = wire_clock() + ms;
}

/* The first time a moment, then twice as long each time. */
static int64_t
failed_for(struct keeper *k)
{
	int64_t		 ms = FAILED_FIRST;
	unsigned	 i;

	for (i = 0; i < k->failures && ms < REFUSED; i++)
		ms *= 2;
	k->failures++;
	return ms < REFUSED ? ms : REFUSED;
}

void
keeper_refuse(struct keeper *k, int status, const char *why)
{
	struct token_error	 e = { .status = status, .wait = -1 };

	text_copy(e.text, sizeof(e.text), why);
	hold(k, &e, REFUSED);
}

/* A new token from wherever token_get() has it. */
static bool
renew(struct keeper *k, const char *refused, int64_t end, struct token_error *e)
{
	struct token	 next;

	for (;;) {
		/* A wrong secret or an outage in a stream of records must not become a
		 * hail of requests.  What the authority has asked for can be waited for. */
		if (wire_clock() < k->refused_until && (k->refused.wait <= 0 ||
		    !wire_sleep_until(k->refused_until + WIRE_JITTER, end))) {
			*e = k->refused;
			return false;
		}
		if (token_get(k->set, k->http, refused, end, &next, e))
			break;
		if (e->status == EX_NOPERM || e->status == EX_CONFIG)
			hold(k, e, REFUSED);
		else
			hold(k, e, e->wait > 0 ? e->wait * 1000 : failed_for(k));
	}
	token_wipe(&k->token);
	k->token = next;
	k->generation++;
	k->forced = refused != NULL;
	/* An old one that still works: the next cannot be had, and not for a while. */
	if (token_fresh(&k->token, when_now()))
		k->failures = 0;
	else
		k->stale_until = wire_clock() + failed_for(k);
	return true;
}

/* Whether the token will do, without a look for the next. */
static bool
good_enough(const struct keeper *k, unsigned refused)
{
	if (refused != 0 && refused == k->generation)
		return false;
	return token_fresh(&k->token, when_now()) || (k->token.text != NULL &&
	    wire_clock() < k->stale_until && when_now() < k->token.expires);
}

bool
keeper_have(struct keeper *k, unsigned refused, int64_t end, struct token_error *e)
{
	unsigned	 before = k->failed;
	bool		 good;

	while (k->renewing)
		crew_wait();
	if (good_enough(k, refused))
		return true;
	if (k->failed != before) {
		*e = k->refused;
		return false;
	}
	k->renewing = true;
	good = renew(k, refused != 0 && refused == k->generation ? k->token.text : NULL, end, e);
	k->failed += !good;
	k->renewing = false;
	crew_wake();
	return good;
}
