#include <string.h>
#include <sysexits.h>

#include "base/text.h"
#include "base/when.h"
#include "intune/crew.h"
#include "intune/keeper.h"
#include "intune/token.h"
#include "intune/wire.h"

#define REFUSED		60000	/* ms for which a refused credential is not tried again */

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

void
keeper_refuse(struct keeper *k, int status, const char *why)
{
	k->refused = (struct token_error){ .status = status, .wait = -1 };
	text_copy(k->refused.text, sizeof(k->refused.text), why);
	k->refused_until = wire_clock() + REFUSED;
}

/* A new token from wherever token_get() has it. */
static bool
renew(struct keeper *k, const char *refused, int64_t end, struct token_error *e)
{
	struct token	 next;

	/* A wrong secret in a stream of records must not become a hail of requests. */
	if (wire_clock() < k->refused_until) {
		*e = k->refused;
		return false;
	}
	while (!token_get(k->set, k->http, refused, &next, e)) {
		if (e->wait > 0 &&
		    wire_sleep_until(wire_clock() + e->wait * 1000 + WIRE_JITTER, end))
			continue;
		if (e->status == EX_NOPERM || e->status == EX_CONFIG)
			keeper_refuse(k, e->status, e->text);
		return false;
	}
	token_wipe(&k->token);
	k->token = next;
	k->generation++;
	k->forced = refused != NULL;
	return true;
}

bool
keeper_have(struct keeper *k, unsigned refused, int64_t end, struct token_error *e)
{
	bool	 good;

	while (k->renewing)
		crew_wait();
	if ((refused == 0 || refused != k->generation) && token_fresh(&k->token, when_now()))
		return true;
	k->renewing = true;
	good = renew(k, refused != 0 && refused == k->generation ? k->token.text : NULL, end, e);
	k->renewing = false;
	crew_wake();
	return good;
}
