#include <stddef.h>
#include <strings.h>

#include "radius/acct.h"

enum acct
acct_parse(const char *word)
{
	static const struct {
		const char	*word;
		enum acct	 acct;
	} words[] = {
		{ "Start", ACCT_START }, { "1", ACCT_START },
		{ "Stop", ACCT_STOP }, { "2", ACCT_STOP },
		{ "Interim-Update", ACCT_INTERIM }, { "Alive", ACCT_INTERIM },
		{ "3", ACCT_INTERIM },
		{ "Accounting-On", ACCT_ON }, { "7", ACCT_ON },
		{ "Accounting-Off", ACCT_OFF }, { "8", ACCT_OFF },
	};
	size_t	 i;

	for (i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strcasecmp(words[i].word, word) == 0)
			return words[i].acct;
	return ACCT_NONE;
}

const char *
acct_name(enum acct acct)
{
	static const char *const	 names[] = {
		[ACCT_NONE] = "",
		[ACCT_START] = "start",
		[ACCT_INTERIM] = "interim",
		[ACCT_STOP] = "stop",
		[ACCT_ON] = "on",
		[ACCT_OFF] = "off",
	};

	return names[acct];
}

bool
acct_ends(enum acct acct)
{
	return acct == ACCT_STOP || acct == ACCT_ON || acct == ACCT_OFF;
}
