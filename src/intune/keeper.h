/*
 * A bearer token that is kept good: renewed ahead of its end or when a server has
 * refused it, by one thread of a crew at a time, and not at all for a minute after
 * the credential itself was refused, nor for some seconds, more each time, after the
 * authority did not answer.  Graph and NAC 2.0 have one each.
 */
#ifndef INTUNE_KEEPER_H
#define INTUNE_KEEPER_H

#include <stdbool.h>
#include <stdint.h>

#include "intune/entra.h"
#include "intune/http.h"
#include "intune/settings.h"

struct keeper {
	const struct settings	*set;		/* whose scope is asked for */
	struct http		*http;
	struct token		 token;
	unsigned		 generation;	/* how often there was a new one */
	bool			 renewing;	/* a thread is at it */
	bool			 forced;	/* it is there because the last one was refused */
	unsigned		 failures;	/* of the authority, in a row */
	unsigned		 failed;	/* how often there was none to be had */
	int64_t			 stale_until;	/* wire_clock(): the old one has to do */
	int64_t			 refused_until;	/* wire_clock(): nobody is asked before, */
	struct token_error	 refused;	/* because of this */
};

/* Both must outlive the keeper; keeper_wipe() forgets the token. */
void	 keeper_init(struct keeper *k, const struct settings *set, struct http *http);
void	 keeper_wipe(struct keeper *k);

/*
 * Sees to it that there is a token, waiting until end (wire_clock) at the latest
 * where the authority asks for it and for whoever is at it already, whose failure is
 * everybody's.  refused is the generation that a server did not
 * take, which another thread may have replaced by now; 0 = none.  False with *e.
 */
bool	 keeper_have(struct keeper *k, unsigned refused, int64_t end, struct token_error *e);

/* No token helps, for this reason: keeper_have() asks for no new one for a while. */
void	 keeper_refuse(struct keeper *k, int status, const char *why);

#endif
