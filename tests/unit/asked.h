/* What was asked for, in the answers of the tests of the store. */
#ifndef UNIT_ASKED_H
#define UNIT_ASKED_H

#include <stdio.h>

#include "device/answer.h"

static void
ask(struct answer *a, enum match by, const char *value)
{
	a->asked[a->nasked].by = by;
	snprintf(a->asked[a->nasked++].value, sizeof(a->asked[0].value), "%s", value);
}

static void
ask_guid(struct answer *a, const struct guid *g)
{
	char	 text[GUID_TEXT];

	ask(a, MATCH_GUID, guid_format(text, g));
}

#endif
