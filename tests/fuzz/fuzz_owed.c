/*
 * The journal of coa-send: whatever a crash, a full disk or another hand has left
 * in it, what is written behind that must be read back.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cli.h"
#include "radius/owed.h"

#define KEY	"[\"192.0.2.1\",\"\",\"02-00-00-00-00-01\"]"
#define WANT	"[\"reauth\",\"A\",\"\",null,null,null,null,null]"

int	 LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void
ignore(void *arg, const char *message)
{
	(void)arg;
	(void)message;
}

static int
look(json_t *rec, const char *want, const char *nas, int64_t time, void *arg)
{
	(void)time;
	if (!json_is_object(rec) || strlen(want) + strlen(nas) == SIZE_MAX)
		abort();
	++*(int *)arg;
	return STATUS_OK;
}

/* Opens it anew: what it says of our change must be this. */
static void
expect(const char *path, enum owed_state wanted)
{
	struct owed	*o = owed_open(path, OWED_WINDOW, ignore, NULL);
	json_t		*rec = json_object();
	enum owed_state	 state;
	char		 why[FILE_WHY];
	int64_t		 when;
	int		 n = 0;

	if (o == NULL || !owed_send(o, KEY, WANT, "192.0.2.1:3799", rec, &state, &when, why))
		abort();
	if (state != wanted)
		abort();
	owed_each(o, look, &n);
	if (wanted == OWED_SENT && n == 0)
		abort();
	if (wanted == OWED_SENT && !owed_end(o, KEY, WANT, OWED_ACK, why))
		abort();
	owed_close(o);
	json_decref(rec);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static char	 path[64];
	FILE		*f;
	struct owed	*o;
	json_t		*rec = json_object();
	enum owed_state	 state;
	char		 why[FILE_WHY];
	int64_t		 when;

	if (path[0] == '\0')
		snprintf(path, sizeof(path), "/tmp/fuzz_owed.%ld", (long)getpid());
	unlink(path);
	if ((f = fopen(path, "wx")) == NULL || fwrite(data, 1, len, f) != len ||
	    fclose(f) != 0)
		abort();
	/* Another change has come to its end, so that ours is new whatever it says. */
	if ((o = owed_open(path, OWED_WINDOW, ignore, NULL)) == NULL ||
	    !owed_send(o, KEY, "[]", "192.0.2.1:3799", rec, &state, &when, why) ||
	    !owed_end(o, KEY, "[]", "nak", why))
		abort();
	owed_close(o);
	json_decref(rec);
	expect(path, OWED_NEW);
	expect(path, OWED_SENT);
	expect(path, OWED_DONE);
	unlink(path);
	return 0;
}
