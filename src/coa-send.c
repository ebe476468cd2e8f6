/*
 * coa-send: sends a Change of Authorization or a Disconnect for each record's
 * session, and adds the answer to the record as `coa'.
 */
#include <sys/stat.h>

#include <err.h>
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/cli.h"
#include "base/conf.h"
#include "base/file.h"
#include "base/num.h"
#include "base/when.h"
#include "device/record.h"
#include "radius/lint.h"
#include "radius/nas_watch.h"
#include "radius/sender.h"

#define RATE_MAX	100000
#define JITTER_MAX	3600
#define SILENT_MAX	86400
#define PROGRESS_MS	250	/* between two states of the line on a terminal */
#define INPUT_BUFFER	65536	/* bytes taken from stdin between two looks at the net */

static const char	 usage[] =
    "usage: coa-send [options] [record ...]\n"
    "Sends a CoA or Disconnect (RFC 5176) for each record's session and prints the\n"
    "record with the answer as `coa'.\n"
    "  -a, --action ACTION   reauth, disconnect, bounce, vlan, role or redirect (what\n"
    "                        decision.coa says, or reauth)\n"
    "  -n, --dry-run         say what would be sent, send nothing\n"
    "  -v, --verbose         say on stderr what goes out and what comes in\n"
    "  -c, --config FILE     nac.conf(5); --nas FILE, --profiles DIR and\n"
    "                        --dictionary FILE go before what stands in it\n"
    "      --timeout SECONDS before the second copy, doubled for each other (2)\n"
    "      --tries N         copies sent before giving up (3)\n"
    "      --jobs N, --nas-jobs N      in flight in all (256; 1 keeps the order), a NAS (16)\n"
    "      --rate N, --nas-rate N      requests a second in all, a NAS (no limit)\n"
    "      --jitter SECONDS  wait a random part of this before each\n"
    "      --pause SECONDS   before trying again when a NAS is busy, doubled (5)\n"
    "      --silent SECONDS  leave a NAS alone that does not answer (60)\n"
    "      --journal FILE    send nothing twice (coa_journal); --window SPAN, 5m\n"
    "      --owed            print what was sent and never answered, send nothing\n"
    "      --lint            check NAS file, profiles and dictionary, send nothing\n"
    "      --require-message-authenticator   take no answer without one\n"
    "      --help, --version\n"
    "Exit: 0 all ACK or gone, 1 NAK, 75 silence, 65 bad record, 74, 77, 78; the worst.\n";

/* Everything that main() takes from the command line. */
struct arguments {
	const char	*conf;
	const char	*nas;
	const char	*profiles;
	const char	*dictionary;
	const char	*journal;
	int64_t		 window;
	bool		 owed;
	bool		 lint;
};

/* What the line of progress is made from. */
static struct {
	bool	 shown;
	int64_t	 start, next;		/* ms */
	uint64_t size, bytes, lines;	/* of the file that stdin is, 0: none that is shown; read so far */
	uint64_t arguments;
} progress;

static struct nas_watch	*watch;
static volatile sig_atomic_t		 hangup;

/* Empties the line of progress, so that a message can stand there. */
static void
clear_line(void)
{
	if (progress.shown)
		fputs("\r\033[K", stderr);
}

static void	 say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

static void
say(const char *fmt, ...)
{
	va_list	 ap;

	clear_line();
	va_start(ap, fmt);
	vwarnx(fmt, ap);
	va_end(ap);
}

static void
note(const struct ask *ask, const char *what)
{
	say("%s: %s", ask->name, what);
}

/* About how many records there will be; 0: nobody knows. */
static uint64_t
total(void)
{
	if (progress.arguments > 0 || progress.bytes == 0)
		return progress.arguments;
	return (uint64_t)((double)progress.lines * (double)progress.size / (double)progress.bytes);
}

static void
show(const struct sender *s)
{
	struct fleet_state	 f;
	int64_t			 now = fleet_clock();
	uint64_t		 all, done, rate;
	char			 left[32];

	if (!progress.shown || now < progress.next)
		return;
	all = total();
	progress.next = now + PROGRESS_MS;
	fleet_state(s->fleet, &f);
	done = s->count.ack + s->count.nak + s->count.silent + s->count.other;
	rate = done * 1000 / (uint64_t)(now - progress.start + 1);
	fprintf(stderr, "\r\033[K%llu", (unsigned long long)done);
	if (all >= done && all > 0)
		fprintf(stderr, " of %llu", (unsigned long long)all);
	fprintf(stderr, " done, %llu a second", (unsigned long long)rate);
	if (all > done && rate > 0)
		fprintf(stderr, ", %s left", when_ago(left, sizeof(left), (int64_t)((all - done) / rate)));
	fprintf(stderr, ": %llu ack, %llu nak, %llu silent, %llu other; %zu waiting, %zu in flight, "
	    "%zu NAS silent\r", (unsigned long long)s->count.ack, (unsigned long long)s->count.nak,
	    (unsigned long long)s->count.silent, (unsigned long long)s->count.other,
	    f.held - f.flying, f.flying, f.silent);
}

static void
run(struct sender *s)
{
	fleet_run(s->fleet, -1, progress.shown ? PROGRESS_MS : -1);
	show(s);
}

static void
on_hangup(int sig)
{
	(void)sig;
	hangup = 1;
}

/* As conf_warn(), beside the line of progress. */
static void
report(void *arg, const char *message)
{
	(void)arg;
	say("%s", message);
}

/* The NAS file and the profiles may be others by now. */
static void
look(struct sender *s)
{
	bool	 force = hangup != 0;

	hangup = 0;
	s->nas = nas_watch_look(watch, force);
}

/* Standard input for record_each(): the exchanges go on while it waits. */
static ssize_t
read_input(void *cookie, char *buf, size_t size)
{
	struct sender	*s = cookie;
	ssize_t		 n, i;

	while (!fleet_run(s->fleet, STDIN_FILENO, progress.shown ? PROGRESS_MS : -1)) {
		show(s);
		if (hangup)
			look(s);
	}
	while ((n = read(STDIN_FILENO, buf, size)) == -1 && errno == EINTR)
		;
	if (n > 0)
		look(s);
	if (progress.size > 0 && n > 0) {
		progress.bytes += (uint64_t)n;
		for (i = 0; i < n; i++)
			progress.lines += buf[i] == '\n';
	}
	return n;
}

static int
number(const char *name, const char *text, int max)
{
	const char	*why;
	int64_t		 n;

	if (num_parse(text, 1, max, &n, &why))
		return (int)n;
	warnx("--%s %s (1 to %d)", name, why, max);
	cli_usage();
}

enum { NAS = 256, PROFILES, DICTIONARY, TIMEOUT, TRIES, REQUIRE, JOBS, NAS_JOBS, RATE,
	NAS_RATE, JITTER, PAUSE, SILENT, JOURNAL, WINDOW, OWED, LINT, HELP, VERSION };

static const struct option	 long_options[] = {
	{ "action", required_argument, NULL, 'a' },
	{ "dry-run", no_argument, NULL, 'n' },
	{ "verbose", no_argument, NULL, 'v' },
	{ "config", required_argument, NULL, 'c' },
	{ "nas", required_argument, NULL, NAS },
	{ "profiles", required_argument, NULL, PROFILES },
	{ "dictionary", required_argument, NULL, DICTIONARY },
	{ "timeout", required_argument, NULL, TIMEOUT },
	{ "tries", required_argument, NULL, TRIES },
	{ "jobs", required_argument, NULL, JOBS },
	{ "nas-jobs", required_argument, NULL, NAS_JOBS },
	{ "rate", required_argument, NULL, RATE },
	{ "nas-rate", required_argument, NULL, NAS_RATE },
	{ "jitter", required_argument, NULL, JITTER },
	{ "pause", required_argument, NULL, PAUSE },
	{ "silent", required_argument, NULL, SILENT },
	{ "journal", required_argument, NULL, JOURNAL },
	{ "window", required_argument, NULL, WINDOW },
	{ "owed", no_argument, NULL, OWED },
	{ "lint", no_argument, NULL, LINT },
	{ "require-message-authenticator", no_argument, NULL, REQUIRE },
	{ "help", no_argument, NULL, HELP },
	{ "version", no_argument, NULL, VERSION },
	{ NULL, 0, NULL, 0 }
};

/* The options that are a number, and where each goes; false for another option. */
static bool
number_option(struct sender *s, int c, const char *text)
{
	struct fleet_options	*o = &s->options;

	switch (c) {
	case TIMEOUT: o->timeout = number("timeout", text, FLEET_TIMEOUT_MAX); break;
	case TRIES: o->tries = number("tries", text, FLEET_TRIES_MAX); break;
	case JOBS: o->jobs = (size_t)number("jobs", text, FLEET_JOBS_MAX); break;
	case NAS_JOBS: o->nas_jobs = (size_t)number("nas-jobs", text, FLEET_JOBS_MAX); break;
	case RATE: o->rate = number("rate", text, RATE_MAX); break;
	case NAS_RATE: o->nas_rate = number("nas-rate", text, RATE_MAX); break;
	case JITTER: o->jitter = number("jitter", text, JITTER_MAX); break;
	case PAUSE: s->pause = number("pause", text, SENDER_PAUSE_MAX); break;
	case SILENT: o->silent = number("silent", text, SILENT_MAX); break;
	default: return false;
	}
	return true;
}

static void
parse_options(int argc, char **argv, struct sender *s, struct arguments *a)
{
	int	 c;

	while ((c = getopt_long(argc, argv, "a:nvc:", long_options, NULL)) != -1) {
		if (number_option(s, c, optarg))
			continue;
		switch (c) {
		case 'a':
			if (!action_parse(optarg, &s->action)) {
				warnx("--action must be " ACTION_WORDS);
				cli_usage();
			}
			s->action_given = true;
			break;
		case 'n': s->dry_run = true; break;
		case 'v': s->options.note = note; break;
		case 'c': a->conf = optarg; break;
		case NAS: a->nas = optarg; break;
		case PROFILES: a->profiles = optarg; break;
		case DICTIONARY: a->dictionary = optarg; break;
		case JOURNAL: a->journal = optarg; break;
		case WINDOW:
			if (!when_span(optarg, &a->window)) {
				warnx("--window is no span of time (try 5m)");
				cli_usage();
			}
			break;
		case OWED: a->owed = true; break;
		case LINT: a->lint = true; break;
		case REQUIRE: s->options.require_ma = true; break;
		case HELP: cli_help(usage);
		case VERSION: cli_version();
		default: cli_usage();
		}
	}
	s->in_order = s->options.jobs == 1;
}

/* Loads all that must be good before the first packet.  Returns whether it is. */
static bool
set_up(struct sender *s, const struct arguments *a, const struct conf *conf)
{
	const char	*profiles, *dictionary, *nas;

	dictionary = a->dictionary != NULL ? a->dictionary :
	    conf_get(conf, "dictionary", NAC_SHARE "/dictionary");
	profiles = a->profiles != NULL ? a->profiles :
	    conf_get(conf, "profiles_dir", NAC_SHARE "/profiles");
	nas = a->nas != NULL ? a->nas : conf_get(conf, "nas_file", NAS_PATH);
	if ((s->dict = dict_load(dictionary, conf_warn, NULL)) == NULL)
		return false;
	if (a->lint)
		return lint_all(nas, profiles, s->dict, conf_warn, NULL);
	if ((watch = nas_watch_new(nas, profiles, s->dict, report, NULL)) == NULL)
		return false;
	s->nas = nas_watch_look(watch, false);
	return true;
}

/* Opens the journal, if there is to be one.  Returns whether all is well. */
static bool
open_journal(struct sender *s, const struct arguments *a, const struct conf *conf)
{
	const char	*path = a->journal != NULL ? a->journal :
			     conf_get(conf, "coa_journal", NULL);

	if (path == NULL && a->owed)
		warnx("--owed needs a journal: --journal, or coa_journal in nac.conf");
	if (path == NULL)
		return !a->owed;
	/* A dry run leaves no trace. */
	if (s->dry_run)
		return true;
	s->owed = owed_open(path, a->window, conf_warn, NULL);
	return s->owed != NULL;
}

/* From here on it is shown how far it is, if anybody can see that. */
static void
show_from(int argc)
{
	struct stat	 st;

	progress.shown = isatty(STDERR_FILENO) != 0;
	progress.start = fleet_clock();
	progress.arguments = (uint64_t)argc;
	if (progress.shown && fstat(STDIN_FILENO, &st) == 0 && S_ISREG(st.st_mode))
		progress.size = (uint64_t)st.st_size;
}

static int
send_all(struct sender *s, int argc, char **argv)
{
	static const cookie_io_functions_t	 input = { .read = read_input };
	static char				 buffer[INPUT_BUFFER];
	FILE					*in;
	int					 status;

	/* Whoever reads a stream is told to look at its files again so. */
	if (argc == 0)
		signal(SIGHUP, on_hangup);
	sender_start(s);
	if ((in = fopencookie(s, "r", input)) == NULL)
		err(EX_OSERR, NULL);
	setvbuf(in, buffer, _IOFBF, sizeof(buffer));
	show_from(argc);
	status = record_each(argc, argv, in, sender_take, s);
	while (!fleet_idle(s->fleet))
		run(s);
	clear_line();
	fclose(in);
	sender_stop(s);
	return cli_worst(status, s->status);
}

int
main(int argc, char **argv)
{
	static struct sender	 s = { .pause = SENDER_PAUSE, .say = say, .run = run };
	struct arguments	 a = { .window = OWED_WINDOW };
	struct conf		*conf;
	int			 status = EX_CONFIG;

	cli_start();
	s.options.timeout = FLEET_TIMEOUT;
	s.options.tries = FLEET_TRIES;
	s.options.jobs = FLEET_JOBS;
	s.options.nas_jobs = FLEET_NAS_JOBS;
	s.options.silent = FLEET_SILENT;
	parse_options(argc, argv, &s, &a);
	file_no_core();
	if (!packet_crypto())
		errx(EX_SOFTWARE, "this OpenSSL has no MD5, and RADIUS has nothing else");
	if ((conf = conf_load(a.conf, conf_warn, NULL)) == NULL)
		goto out;
	if (a.owed) {
		if (open_journal(&s, &a, conf))
			status = owed_each(s.owed, sender_print_owed, &s);
		goto out;
	}
	if (!set_up(&s, &a, conf))
		goto out;
	if (a.lint)
		status = STATUS_OK;
	else if (open_journal(&s, &a, conf))
		status = send_all(&s, argc - optind, argv + optind);
out:
	owed_close(s.owed);
	nas_watch_free(watch);
	dict_free(s.dict);
	conf_free(conf);
	return cli_finish(status);
}
