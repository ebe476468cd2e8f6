#include <errno.h>
#include <stdlib.h>

#include "base/num.h"

bool
num_parse(const char *s, int64_t min, int64_t max, int64_t *out, const char **why)
{
	const char	*digits = *s == '-' ? s + 1 : s;
	char		*end;
	long long	 v;

	/* strtoll takes blanks and a plus sign; people who type those meant
	 * something else. */
	if (*digits < '0' || *digits > '9') {
		*why = "is no number";
		return false;
	}
	errno = 0;
	v = strtoll(s, &end, 10);
	if (*end != '\0')
		*why = "is no number";
	else if (v < min || (errno == ERANGE && v < 0))
		*why = "is too small";
	else if (v > max || errno == ERANGE)
		*why = "is too large";
	else {
		*out = v;
		return true;
	}
	return false;
}
