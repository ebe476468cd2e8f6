/* The journal reader behind arbitrary bytes: every byte is given out once, and a
 * whole line that follows is never lost. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store/journal.h"

#define GOOD	JOURNAL_MARK "\"good\":true}"

int	 LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	char			 path[] = "/tmp/fuzz_journal.XXXXXX";
	struct journal		*j;
	struct journal_place	 place;
	enum journal_rc		 rc;
	const char		*line;
	size_t			 n;
	int			 fd = mkstemp(path), good = 0;

	if (fd == -1 || write(fd, data, len) != (ssize_t)len ||
	    write(fd, GOOD "\n", sizeof(GOOD)) != sizeof(GOOD) ||
	    (j = journal_start(path, NULL)) == NULL)
		abort();
	while ((rc = journal_next(j, &line, &n)) != JOURNAL_END) {
		if (rc != JOURNAL_TEXT && rc != JOURNAL_STUMP)
			abort();
		if (rc == JOURNAL_TEXT && memcmp(line, JOURNAL_MARK, strlen(JOURNAL_MARK)) != 0)
			abort();
		good = rc == JOURNAL_TEXT && n == strlen(GOOD) && memcmp(line, GOOD, n) == 0;
	}
	journal_place(j, &place);
	if (!good || place.offset != (int64_t)(len + sizeof(GOOD)))
		abort();
	journal_close(j);
	close(fd);
	unlink(path);
	return 0;
}
