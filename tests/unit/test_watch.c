/* Rules that change while they are read: each change must be noticed at the next look. */
#include <sys/stat.h>
#include <sys/syscall.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "policy/watch.h"
#include "radius/hook.h"
#include "serve/live.h"
#include "check.h"

int	 close(int fd);

static const char	*changed;	/* the file that changes */
static int		 closes;	/* when so many have been read */
static char		 said[4096];
static char		 dir[] = "/tmp/test_watch.XXXXXX";

/* In the C library's place: what policy_load() has read it closes before it goes on. */
int
close(int fd)
{
	const char	*path = changed != NULL && --closes == 0 ? changed : NULL;
	FILE		*f;

	if (path != NULL)
		changed = NULL;
	if (path != NULL && (f = fopen(path, "a")) != NULL) {
		fputs(strcmp(path, "hint") == 0 ? "more\n" : strcmp(path, "list") == 0 ?
		    "HOST-2\n" : "allow\n", f);
		fclose(f);
	}
	return (int)syscall(SYS_close, fd);
}

static void
put(const char *path, const char *text)
{
	unlink(path);
	CHECK(file_replace(path, text, strlen(text), 0600) == 0);
}

static void
say(const char *line)
{
	size_t	 n = strlen(said);

	snprintf(said + n, sizeof(said) - n, "%s\n", line);
}

static void
report(void *arg, const char *line)
{
	(void)arg;
	say(line);
}

static void
files(void)
{
	put("rules", "include \"a\"\nlist L names \"list\"\napp-hint \"hint\"\n"
	    "trusted by app-hint\nallow if name in L or trust is trusted\n");
	put("a", "deny if compliance is error\n");
	put("list", "HOST-1\n");
	put("hint", "a-secret-of-enough\n");
}

/* Each file in turn changes while the rules are read for the first time, and again
 * while they are read for another reason. */
static void
test_watch(void)
{
	static const char *const	 path[] = { "rules", "a", "list", "hint" };
	struct watch			*w;
	struct policy			*p;
	static const int		 read[] = { 1, 1, 2, 3 };
	size_t				 i;

	for (i = 0; i < sizeof(path) / sizeof(*path); i++) {
		files();
		changed = path[i];
		closes = read[i];
		CHECK((p = policy_load("rules", report, NULL)) != NULL);
		CHECK(changed == NULL);
		w = watch_new("rules", p, false, report, NULL);
		said[0] = '\0';
		watch_policy(w);
		CHECK(said[0] != '\0');
		said[0] = '\0';
		watch_policy(w);
		CHECK_STR(said, "");

		files();
		changed = path[i];
		closes = read[i];
		watch_policy(w);
		CHECK(changed == NULL);
		said[0] = '\0';
		watch_policy(w);
		CHECK(said[0] != '\0');
		said[0] = '\0';
		watch_policy(w);
		CHECK_STR(said, "");
		watch_free(w);
	}
}

static void
test_live(void)
{
	struct hook_options	 o = { .conf = "nac.conf" };
	struct live		*l;
	char			 conf[512];

	snprintf(conf, sizeof(conf), "rules = %s/rules\nstate_dir = %s\n", dir, dir);
	put("nac.conf", conf);
	files();
	said[0] = '\0';
	if (!CHECK((l = live_new(&o, say)) != NULL)) {
		puts(said);
		return;
	}
	said[0] = '\0';
	live_reload(l, false);
	CHECK_STR(said, "");
	files();
	changed = "a";
	closes = 1;
	live_reload(l, false);
	CHECK(strstr(said, "/rules: 2 rules in force\n") != NULL);
	said[0] = '\0';
	live_reload(l, false);
	CHECK(strstr(said, "/rules: 3 rules in force\n") != NULL);
	/* A new secret takes hold as well. */
	put("hint", "another-one-now\n");
	said[0] = '\0';
	live_reload(l, false);
	CHECK(strstr(said, "/rules: 3 rules in force\n") != NULL);
	live_free(l);
}

int
main(void)
{
	if (mkdtemp(dir) == NULL || chdir(dir) == -1)
		return 1;
	test_watch();
	test_live();
	unlink("rules");
	unlink("a");
	unlink("list");
	unlink("hint");
	unlink("nac.conf");
	if (rmdir(dir) == -1)
		perror(dir);
	return check_done();
}
