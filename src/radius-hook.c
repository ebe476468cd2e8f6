/*
 * radius-hook: what FreeRADIUS' rlm_exec runs for each authentication.
 * Environment in, reply pairs and exit status 0 or 1 out.  With --accounting for
 * each word of a NAS about a session, which goes into the journal.
 */
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include "base/cli.h"
#include "base/num.h"
#include "base/text.h"
#include "base/when.h"
#include "radius/env.h"
#include "radius/hook_args.h"
#include "radius/rescue.h"
#include "radius/safe_exit.h"
#include "store/journal.h"
#include "store/store.h"

static const char usage[] =
"usage: radius-hook [-c file] [--rules file] [--state-dir dir] [--journal file]\n"
"                   [--fallback quarantine|deny] [--quarantine-vlan n]\n"
"                   [--accounting | --record | --explain]\n"
"The exec hook for FreeRADIUS: reads its environment, looks the device up in the\n"
"local store, applies the rules, prints reply pairs.  Exit 0 accepts, 1 rejects.\n"
"  -c, --config FILE      nac.conf(5) (default /etc/intune-nac/nac.conf)\n"
"      --rules FILE       nac-rules(5) (default /etc/intune-nac/site.rules)\n"
"      --state-dir DIR    the device store (default /var/lib/intune-nac)\n"
"      --journal FILE     one line each (default journal.ndjson in that folder)\n"
"      --fallback WORD    quarantine (default) or deny, when something is broken\n"
"      --quarantine-vlan N  VLAN of that answer (default 1)\n"
"      --accounting       write into the journal what the NAS says of a session\n"
"      --record           print the record instead, and write no journal\n"
"      --explain          read NAME=value lines in place of the environment, print\n"
"                         the reply and why, and write no journal\n"
"      --no-safe-exit     end at once: FreeRADIUS loses 100 ms and some answers\n"
"  -h, --help             this text\n"
"      --version          print the version\n";

/* What --explain reads: the server gives no more than that. */
#define EXPLAIN_MAX	65536
#define EXPLAIN_VARS	1023

enum { OPT_ACCOUNTING = 256, OPT_RECORD, OPT_EXPLAIN, OPT_NO_SAFE_EXIT, OPT_VERSION };

static const struct option options[] = {
	HOOK_ARGS,
	{ "accounting", no_argument, NULL, OPT_ACCOUNTING },
	{ "record", no_argument, NULL, OPT_RECORD },
	{ "explain", no_argument, NULL, OPT_EXPLAIN },
	{ "no-safe-exit", no_argument, NULL, OPT_NO_SAFE_EXIT },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, OPT_VERSION },
	{ NULL, 0, NULL, 0 }
};

struct settings {
	struct hook_options	 hook;
	bool			 accounting;
	bool			 record;
	bool			 explain;
	bool			 safe;
	char			 fault[TEXT_SHOWN + 64];	/* in the command line, or "" */
};

/* Large: not on the stack. */
static struct hook	 hook;

static void
wrong(struct settings *set, const char *what, const char *word)
{
	char	 shown[TEXT_SHOWN];

	if (set->fault[0] == '\0')
		snprintf(set->fault, sizeof(set->fault), "command line: %s \"%s\"", what,
		    text_safe(shown, sizeof(shown), word, strlen(word)));
}

/* A mistake in the command line is noted, and the fallback answers: a usage
 * message as the answer would reject everybody. */
static void
parse(struct settings *set, int argc, char **argv)
{
	enum hook_arg	 taken;
	const char	*why;
	int		 c;

	opterr = 0;
	while ((c = getopt_long(argc, argv, "c:h", options, NULL)) != -1) {
		if ((taken = hook_arg(&set->hook, c, optarg, &why)) == HOOK_ARG_WRONG)
			wrong(set, why, optarg);
		if (taken != HOOK_ARG_OTHER)
			continue;
		switch (c) {
		case OPT_ACCOUNTING:
			set->accounting = true;
			break;
		case OPT_RECORD:
			set->record = true;
			break;
		case OPT_EXPLAIN:
			set->explain = true;
			break;
		case OPT_NO_SAFE_EXIT:
			set->safe = false;
			break;
		case OPT_VERSION:
			cli_version();
		case 'h':
			cli_help(usage);
		default:
			if (optopt == HOOK_ARG_FALLBACK)
				hook_arg(&set->hook, optopt, "", &why);
			wrong(set, "no such option, or its argument is missing:",
			    argv[optind - 1]);
		}
	}
	if (optind < argc)
		wrong(set, "takes no argument:", argv[optind]);
}

/* The journal cannot be written: tell the system log and whoever looks. */
static void
tell(const char *what)
{
	char	 safe[HOOK_WHY];

	text_safe(safe, sizeof(safe), what, strlen(what));
	fprintf(stderr, "radius-hook: %s\n", safe);
	openlog("radius-hook", LOG_PID | LOG_NDELAY, LOG_DAEMON);
	syslog(LOG_ERR, "%s", safe);
}

static int
exit_code(const struct hook *h)
{
	return h->accept ? SAFE_EXIT_ACCEPT : SAFE_EXIT_REJECT;
}

/*
 * Prepares what goes out when the program cannot go on: first by the command
 * line alone, then with settings, identity and session.
 */
static void
prepare_early(const struct hook_options *o)
{
	static char		 answer[REPLY_MAX];
	static const char	 line[] = "{\"journal\":1";

	hook.fallback_vlan = o->fallback == FALLBACK_DENY ? 0 :
	    o->quarantine_vlan != 0 ? o->quarantine_vlan : HOOK_VLAN;
	hook_fallback(&hook, "");
	memcpy(answer, hook.reply, hook.reply_len);
	rescue_answer(answer, hook.reply_len, exit_code(&hook));
	rescue_log(o->journal != NULL ? o->journal : STORE_DIR "/" HOOK_JOURNAL, line,
	    sizeof(line) - 1);
}

static void
prepare_late(int64_t now)
{
	/* What is prepared must stay as it is, so the second time has its own. */
	static char	 answers[2][REPLY_MAX], lines[2][JOURNAL_LINE];
	static int	 turn;
	char		*answer = answers[turn & 1], *line = lines[turn & 1];
	size_t		 len;

	turn++;
	hook_fallback(&hook, "ended early");
	memcpy(answer, hook.reply, hook.reply_len);
	rescue_answer(answer, hook.reply_len, exit_code(&hook));
	if ((len = hook_record(&hook, now, HOOK_JOURNAL_OPEN, line, JOURNAL_LINE)) > 0)
		rescue_log(hook.journal, line, len);
}

/* For people and tests: the record on standard output.  Returns the status. */
static int
print_record(int64_t now)
{
	static char	 text[JOURNAL_LINE];
	size_t		 len;

	hook_decide(&hook, now);
	len = hook_record(&hook, now, HOOK_RECORD, text, sizeof(text));
	if (len == 0 || printf("%.*s\n", (int)len, text) < 0 || fflush(stdout) == EOF) {
		fprintf(stderr, "radius-hook: standard output: %s\n", strerror(errno));
		return SAFE_EXIT_REJECT;
	}
	return exit_code(&hook);
}

/* An environment out of lines, for --explain: as env_read() takes it. */
static char **
read_lines(void)
{
	static char	 text[EXPLAIN_MAX], *vars[EXPLAIN_VARS + 1];
	size_t		 len = fread(text, 1, sizeof(text) - 1, stdin), n = 0;
	unsigned int	 number = 0;
	char		*line, *next;

	text[len] = '\0';
	if (ferror(stdin) || !feof(stdin))
		fprintf(stderr, "radius-hook: <stdin>: cannot be read, or is longer than %d bytes\n",
		    EXPLAIN_MAX);
	for (line = text; line < text + len; line = next) {
		next = line + strcspn(line, "\n");
		*next++ = '\0';
		number++;
		if (*line == '\0' || *line == '#')
			continue;
		if (strchr(line, '=') == NULL || *line == '=' || n == EXPLAIN_VARS)
			fprintf(stderr, "radius-hook: <stdin>:%u: %s\n", number,
			    n == EXPLAIN_VARS ? "too many lines" : "is no NAME=value");
		else
			vars[n++] = line;
	}
	return vars;
}

static void
explain_word(const char *what, const char *value)
{
	char	 safe[HOOK_WHY];

	if (value != NULL && value[0] != '\0')
		printf("# %s: %s\n", what, text_safe(safe, sizeof(safe), value, strlen(value)));
}

/* For people: the reply as the server would get it, and why it is that one. */
static int
explain(int64_t now)
{
	const struct decision	*d = &hook.decision;
	char			 rule[PATH_MAX + 32] = "none matched";

	hook_decide(&hook, now);
	if (d->file != NULL)
		snprintf(rule, sizeof(rule), "%s:%d", d->file, d->line);
	printf("%.*s", (int)hook.reply_len, hook.reply);
	printf("# %s (exit %d)\n", hook.accept ? "accept" : "reject", exit_code(&hook));
	if (hook.looked_up) {
		explain_word("compliance", compliance_name(d->state));
		explain_word("rule", rule);
		explain_word("name", d->name);
	}
	explain_word("reason", d->reason);
	explain_word("note", hook.note);
	explain_word("error", hook.error);
	if (fflush(stdout) == EOF) {
		fprintf(stderr, "radius-hook: standard output: %s\n", strerror(errno));
		return SAFE_EXIT_REJECT;
	}
	return exit_code(&hook);
}

/*
 * What the NAS says of a session.  No answer goes to the NAS, which then sends it
 * again, unless it is in the journal.  Returns the status.
 */
static int
account(enum acct acct)
{
	static char	 line[JOURNAL_LINE];
	char		 why[HOOK_WHY];

	if (hook.error[0] != '\0') {
		tell(hook.error);
		return SAFE_EXIT_REJECT;
	}
	if (acct == ACCT_NONE)
		return SAFE_EXIT_ACCEPT;
	hook.session.ended = acct_ends(acct);
	if (hook_account(&hook, acct_name(acct), line, why) == 0)
		return SAFE_EXIT_ACCEPT;
	tell(why);
	return SAFE_EXIT_REJECT;
}

/* Nobody reads what is printed for accounting, but the server waits for it. */
static const char	 printed[] = "\n";

static void __attribute__((noreturn))
finish(const struct settings *set, int self, const char *text, size_t len, int code)
{
	rescue_stop();
	if (!set->safe)
		plain_exit(text, len, code);
	safe_exit(self, text, len, code);
}

int
main(int argc, char **argv)
{
	struct settings	 set = { .safe = true };
	static char	 line[JOURNAL_LINE];
	char		 why[HOOK_WHY];
	int64_t		 now = when_now();
	enum acct	 acct;
	int		 self;

	signal(SIGPIPE, SIG_IGN);
	parse(&set, argc, argv);
	self = set.safe ? safe_exit_prepare() : -1;
	if (set.accounting)
		rescue_answer(printed, 1, SAFE_EXIT_REJECT);
	else if (!set.record && !set.explain)
		prepare_early(&set.hook);
	hook_settings(&hook, &set.hook);
	if (set.fault[0] != '\0')
		hook_broken(&hook, set.fault);
	acct = env_read(set.explain ? read_lines() : environ, now, &hook.id, &hook.session,
	    hook.note);
	if (set.accounting)
		finish(&set, self, printed, 1, account(acct));
	if (set.record)
		return print_record(now);
	if (set.explain)
		return explain(now);

	prepare_late(now);
	/* The rules may have a word about it; reading them can hang, too. */
	if (hook_load(&hook) && policy_has_when_broken(hook.policy))
		prepare_late(now);
	hook_decide(&hook, now);
	/* A journal that is full or not ours changes no decision. */
	if (hook_journal(&hook, now, line, why) == -1) {
		tell(why);
		if (hook.error[0] != '\0')
			tell(hook.error);
	}
	finish(&set, self, hook.reply, hook.reply_len, exit_code(&hook));
}
