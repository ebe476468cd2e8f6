/*
 * nac-cache: the local store of what Intune has said, and the clients seen.
 */
#include <err.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "base/cli.h"
#include "base/conf.h"
#include "base/num.h"
#include "base/text.h"
#include "base/when.h"
#include "device/record.h"
#include "store/cache.h"
#include "store/share_link.h"
#include "store/weigh.h"

#define DAY		86400
#define POLL_INTERVAL	(2 * 3600)
#define SEEN_WITHIN	(7 * DAY)
#define PRUNE_AFTER	(90 * DAY)

static const char	 usage[] =
    "usage: nac-cache [options] COMMAND [arguments]\n"
    "  put [--changed] [--quiet] [--dry-run]\n"
    "                                 store the answers of records; pass them on\n"
    "  get [KEY ...]                  add the stored answer to each record\n"
    "  list [--clients [--only FILE] [--seen-within SPAN]]\n"
    "                                 every stored device, or client seen, as a record\n"
    "  due [--older-than SPAN] [--seen-within SPAN] [--spread] [--summary] ...\n"
    "                                 clients seen whose answer has grown old\n"
    "  weigh ANSWERS CHANGES | --stream | --forget\n"
    "                                 are these changes too many to be true?\n"
    "  follow [--older-than SPAN] [--from-start]\n"
    "                                 stay, and print clients to look up as they come\n"
    "  share [--once]                 stay, and share the store with other servers\n"
    "  renew                          keep the work taken until standard input ends\n"
    "  prune [--older-than SPAN] [--clients-older-than SPAN]\n"
    "                                 remove what was not refreshed for long\n"
    "  stats                          the store in numbers, as JSON\n"
    "  check                          does everything in it fit together?\n"
    "  export                         all of it as text; import takes that in again\n"
    "  import [--quiet]               the newest answer wins\n"
    "  diff A B                       two exports: what has changed, with what it was\n"
    "  backup DIR                     a copy, while others use the store\n"
    "  settings                       what of nac.conf is in force for the poll\n"
    "options: -c, --config FILE   -d, --state-dir DIR   -j, --journal FILE\n"
    "         -m, --match-order WORDS   -h, --help   -V, --version\n"
    "KEY or line: a record, GUID, MAC, serial:NUMBER or name.  Exit: 0 done; 1 get:\n"
    "not found, check: faults, diff: differences; 64 usage, 65 bad record, 74 store or\n"
    "journal, 75 try again, 77 not permitted, 78 no store or a wrong one.\n";

enum { OPT_CHANGED = 256, OPT_CLIENTS, OPT_OLDER, OPT_SEEN, OPT_FROM_START, OPT_CLIENTS_OLDER,
	OPT_DRY_RUN, OPT_EXCEPT, OPT_ONLY, OPT_SPREAD, OPT_SUMMARY, OPT_STALE, OPT_NEXT,
	OPT_NOW, OPT_SHARE, OPT_WINDOW, OPT_STAMP, OPT_HOLD, OPT_PASS, OPT_APPEND, OPT_UNLESS,
	OPT_ONCE, OPT_STREAM, OPT_BESIDE, OPT_FORGET };

static const struct option	 options[] = {
	{ "config", required_argument, NULL, 'c' },
	{ "state-dir", required_argument, NULL, 'd' },
	{ "journal", required_argument, NULL, 'j' },
	{ "match-order", required_argument, NULL, 'm' },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, 'V' },
	{ "quiet", no_argument, NULL, 'q' },
	{ "changed", no_argument, NULL, OPT_CHANGED },
	{ "clients", no_argument, NULL, OPT_CLIENTS },
	{ "older-than", required_argument, NULL, OPT_OLDER },
	{ "seen-within", required_argument, NULL, OPT_SEEN },
	{ "from-start", no_argument, NULL, OPT_FROM_START },
	{ "once", no_argument, NULL, OPT_ONCE },
	{ "clients-older-than", required_argument, NULL, OPT_CLIENTS_OLDER },
	{ "dry-run", no_argument, NULL, OPT_DRY_RUN },
	{ "except", required_argument, NULL, OPT_EXCEPT },
	{ "only", required_argument, NULL, OPT_ONLY },
	{ "spread", no_argument, NULL, OPT_SPREAD },
	{ "summary", no_argument, NULL, OPT_SUMMARY },
	{ "stale-after", required_argument, NULL, OPT_STALE },
	{ "next", required_argument, NULL, OPT_NEXT },
	{ "now", required_argument, NULL, OPT_NOW },
	{ "share", required_argument, NULL, OPT_SHARE },
	{ "window", required_argument, NULL, OPT_WINDOW },
	{ "stamp", required_argument, NULL, OPT_STAMP },
	{ "hold", required_argument, NULL, OPT_HOLD },
	{ "pass", required_argument, NULL, OPT_PASS },
	{ "unless", required_argument, NULL, OPT_UNLESS },
	{ "append", no_argument, NULL, OPT_APPEND },
	{ "stream", no_argument, NULL, OPT_STREAM },
	{ "beside", required_argument, NULL, OPT_BESIDE },
	{ "forget", no_argument, NULL, OPT_FORGET },
	{ NULL, 0, NULL, 0 }
};

/* The command line. */
struct request {
	struct cache	 c;
	const char	*conf, *state_dir, *journal;
	char		*in_state;	/* the journal's default path */
	int64_t		 share;		/* % ; -1: as nac.conf says */
	struct share_conf	 sharing;
};

static void
wrong(const char *option, const char *value, const char *what)
{
	char	 shown[TEXT_SHOWN];

	warnx("--%s: \"%s\" %s", option, text_safe(shown, sizeof(shown), value,
	    strlen(value)), what);
	cli_usage();
}

static void
take_span(const char *option, const char *value, int64_t *out)
{
	if (!when_span(value, out))
		wrong(option, value, "is no span of time (try 2h)");
}

static int
bad_record(const char *where, const char *why)
{
	warnx("%s: %s", where, why);
	return EX_DATAERR;
}

/* A look-up, by its own reader: it doubts what it meets, and need not read all. */
struct getting {
	struct cache		*c;
	struct store_reader	*reader;
};

static int
get_one(json_t *rec, const char *where, void *arg)
{
	struct getting	*g = arg;
	struct identity	 id;
	struct answer	 a;
	char		 why[STORE_WHY];
	enum store_rc	 rc;
	int		 status;

	if (!record_identity(rec, &id, why, sizeof(why)))
		return bad_record(where, why);
	if (id.nguid == 0 && id.nname == 0 && !id.has_mac &&
	    id.device_serial[0] == '\0' && !id.ambiguous)
		return bad_record(where, "identity: holds no GUID, name or MAC to look up");
	rc = store_reader_find(g->reader, &id, &g->c->order, &a, why);
	if (rc == STORE_ERROR) {
		warnx("%s", why);
		return EX_IOERR;
	}
	a.source = SOURCE_CACHE;
	record_put_answer(rec, &a, when_now());
	status = record_print(rec, stdout);
	return cli_worst(status, rc == STORE_FOUND ? STATUS_OK : STATUS_NO);
}

static int
run_get(struct cache *c, int argc, char **argv)
{
	struct getting	 g = { .c = c };
	char		 why[STORE_WHY];
	int		 status;

	if ((g.reader = store_reader_open(c->dir, why)) == NULL) {
		warnx("%s", why);
		return EX_IOERR;
	}
	status = record_each(argc, argv, stdin, get_one, &g);
	store_reader_close(g.reader);
	return status;
}

/* For stats. */
struct listing {
	int64_t		 now;
	json_int_t	 states[COMPLIANCE_COUNT];
	json_int_t	 devices, others, damaged;
	int64_t		 oldest, newest;
};

static json_t *
new_object(void)
{
	json_t	*o = json_object();

	if (o == NULL)
		err(EX_OSERR, NULL);
	return o;
}

static int
run_list(struct cache *c, int argc, char **argv)
{
	(void)argc;
	(void)argv;
	return cache_list(c);
}

static int
run_due(struct cache *c, int argc, char **argv)
{
	(void)argc;
	(void)argv;
	return cache_due(c);
}

static int
run_follow(struct cache *c, int argc, char **argv)
{
	(void)argc;
	(void)argv;
	return cache_follow(c);
}

static int
run_share(struct cache *c, int argc, char **argv)
{
	(void)argc;
	(void)argv;
	return cache_share(c);
}

static int
run_renew(struct cache *c, int argc, char **argv)
{
	(void)argc;
	(void)argv;
	return cache_renew(c);
}

static int
run_prune(struct cache *c, int argc, char **argv)
{
	size_t	 devices = 0, others = 0, clients = 0;
	int64_t	 now = when_now();

	(void)argc;
	(void)argv;
	if (store_prune(c->store, now - c->older_than, &devices, &others) == STORE_ERROR ||
	    client_prune(c->store, now - c->clients_older_than, &clients) == STORE_ERROR)
		return cache_fault(c);
	if (!c->quiet)
		printf("{\"pruned\":{\"devices\":%zu,\"others\":%zu,\"clients\":%zu}}\n", devices,
		    others, clients);
	return STATUS_OK;
}

static bool
count_answer(const struct answer *a, const char *why, void *arg)
{
	struct listing	*l = arg;

	(void)why;
	if (a == NULL) {
		l->damaged++;
		return true;
	}
	l->states[a->state]++;
	*(a->has_device ? &l->devices : &l->others) += 1;
	if (l->oldest == 0 || a->checked < l->oldest)
		l->oldest = a->checked;
	if (a->checked > l->newest)
		l->newest = a->checked;
	return true;
}

/* Bytes of the journal that `due` has not read yet. */
static json_int_t
journal_behind(const struct cache *c)
{
	struct journal_place	 place;
	struct journal		*j;
	enum store_rc		 rc = cursor_get(c->store, "fold", &place);
	json_int_t		 lag;

	if (rc == STORE_ERROR)
		return -1;
	if ((j = journal_start(c->journal, rc == STORE_FOUND ? &place : NULL)) == NULL)
		err(EX_OSERR, NULL);
	lag = journal_lag(j);
	journal_close(j);
	return lag;
}

static void
set_int(json_t *o, const char *key, json_int_t v)
{
	if (json_object_set_new(o, key, json_integer(v)) == -1)
		err(EX_OSERR, NULL);
}

static int
run_stats(struct cache *c, int argc, char **argv)
{
	struct listing		 l = { .now = when_now() };
	struct store_size	 size;
	json_t			*o, *states;
	int			 i, status;

	(void)argc;
	(void)argv;
	if (store_sizes(c->store, &size) == STORE_ERROR ||
	    store_each(c->store, count_answer, &l) == STORE_ERROR)
		return cache_fault(c);
	o = new_object();
	states = new_object();
	set_int(o, "devices", l.devices);
	set_int(o, "others", l.others);
	set_int(o, "damaged", l.damaged);
	set_int(o, "clients", (json_int_t)size.clients);
	for (i = 0; i < COMPLIANCE_COUNT; i++)
		if (l.states[i] > 0)
			set_int(states, compliance_name((enum compliance)i), l.states[i]);
	if (json_object_set_new(o, "states", states) == -1)
		err(EX_OSERR, NULL);
	if (l.newest > 0) {
		set_int(o, "newest_age", l.now > l.newest ? l.now - l.newest : 0);
		set_int(o, "oldest_age", l.now > l.oldest ? l.now - l.oldest : 0);
	}
	set_int(o, "bytes", (json_int_t)size.file);
	set_int(o, "map_bytes", (json_int_t)size.map);
	set_int(o, "reader_slots_used", size.readers);
	set_int(o, "reader_slots", size.readers_max);
	if (c->share != NULL) {
		set_int(o, "untold", (json_int_t)size.untold);
		set_int(o, "redis_away", share_away(c, l.now));
	}
	set_int(o, "journal_behind_bytes", journal_behind(c));
	status = record_print(o, stdout);
	json_decref(o);
	if (l.damaged == 0)
		return status;
	warnx("the store is damaged: %lld values cannot be read (nac-cache check names them)",
	    (long long)l.damaged);
	return cli_worst(status, EX_IOERR);
}

static int
run_check(struct cache *c, int argc, char **argv)
{
	(void)argc;
	(void)argv;
	return cache_check(c);
}

static int
run_export(struct cache *c, int argc, char **argv)
{
	(void)argc;
	(void)argv;
	return cache_export(c);
}

static int
run_import(struct cache *c, int argc, char **argv)
{
	(void)argc;
	(void)argv;
	return cache_import(c);
}

static int
run_diff(struct cache *c, int argc, char **argv)
{
	(void)c;
	(void)argc;
	return cache_diff(argv[0], argv[1]);
}

static int
run_weigh(struct cache *c, int argc, char **argv)
{
	if (argc != (c->stream || c->forget ? 0 : 2)) {
		warnx("weigh: takes %s", c->forget ? "no arguments with --forget" : c->stream ?
		    "no arguments with --stream" : "2 arguments");
		cli_usage();
	}
	if (c->forget)
		return cache_weigh_forget(c);
	return c->stream ? cache_weigh_stream(c) : cache_weigh(c, argv[0], argv[1]);
}

/* One parser of nac.conf, for nac-poll, too. */
static int
run_settings(struct cache *c, int argc, char **argv)
{
	(void)argc;
	(void)argv;
	printf("state_dir = %s\njournal = %s\npoll_interval = %llds\n", c->dir, c->journal,
	    (long long)c->poll_interval);
	if (c->coa_journal != NULL)
		printf("coa_journal = %s\n", c->coa_journal);
	if (c->share != NULL)
		printf("share_lease = %llds\n", (long long)c->share->lease);
	return STATUS_OK;
}

static int
run_backup(struct cache *c, int argc, char **argv)
{
	(void)argc;
	return cache_backup(c, argv[0]);
}

/* Each command, its own options, how it needs the store, and how many arguments
 * it takes. */
#define ANY_ARGS	-1
#define OWN		11	/* options that one command may have */

static const struct command {
	const char	*name;
	int		(*run)(struct cache *, int, char **);
	enum store_mode	 mode;
	int		 nargs;
	int		 own[OWN];
} commands[] = {
	{ "put", cache_put, STORE_WRITE, ANY_ARGS, { OPT_CHANGED, 'q', OPT_DRY_RUN } },
	{ "get", run_get, STORE_READ, ANY_ARGS, { 0 } },
	{ "list", run_list, STORE_READ, 0, { OPT_CLIENTS, OPT_ONLY, OPT_SEEN } },
	{ "due", run_due, STORE_WRITE, 0, { OPT_OLDER, OPT_SEEN, OPT_EXCEPT, OPT_SPREAD,
	    OPT_SUMMARY, OPT_STALE, OPT_NEXT, OPT_NOW, OPT_DRY_RUN } },
	{ "weigh", run_weigh, STORE_READ, ANY_ARGS, { OPT_SHARE, OPT_WINDOW, OPT_BESIDE, OPT_STAMP,
	    OPT_HOLD, OPT_PASS, OPT_APPEND, OPT_DRY_RUN, OPT_NOW, OPT_STREAM,
	    OPT_FORGET } },
	{ "follow", run_follow, STORE_WRITE, 0, { OPT_OLDER, OPT_FROM_START, OPT_UNLESS } },
	{ "share", run_share, STORE_WRITE, 0, { OPT_ONCE } },
	{ "renew", run_renew, STORE_READ, 0, { 0 } },
	{ "prune", run_prune, STORE_WRITE, 0, { OPT_OLDER, OPT_CLIENTS_OLDER, 'q' } },
	{ "stats", run_stats, STORE_READ, 0, { 0 } },
	{ "check", run_check, STORE_READ, 0, { 0 } },
	{ "export", run_export, STORE_READ, 0, { 0 } },
	{ "import", run_import, STORE_WRITE, 0, { 'q' } },
	{ "diff", run_diff, STORE_READ, 2, { 0 } },
	{ "backup", run_backup, STORE_READ, 1, { 0 } },
	{ "settings", run_settings, STORE_READ, 0, { 0 } },
};

#define NCOMMANDS	(sizeof(commands) / sizeof(commands[0]))

static void
take_option(struct request *r, int c)
{
	const char	*why;

	switch (c) {
	case 'c': r->conf = optarg; break;
	case 'd': r->state_dir = optarg; break;
	case 'j': r->journal = optarg; break;
	case 'q': r->c.quiet = true; break;
	case OPT_CHANGED: r->c.changed = true; break;
	case OPT_CLIENTS: r->c.clients = true; break;
	case OPT_ONCE: r->c.once = true; break;
	case OPT_FROM_START: r->c.from_start = true; break;
	case OPT_OLDER: take_span("older-than", optarg, &r->c.older_than); break;
	case OPT_SEEN: take_span("seen-within", optarg, &r->c.seen_within); break;
	case OPT_CLIENTS_OLDER:
		take_span("clients-older-than", optarg, &r->c.clients_older_than);
		break;
	case OPT_DRY_RUN: r->c.dry_run = true; break;
	case OPT_EXCEPT: r->c.except = optarg; break;
	case OPT_ONLY: r->c.only = optarg; break;
	case OPT_SPREAD: r->c.spread = true; break;
	case OPT_SUMMARY: r->c.summary = true; break;
	case OPT_STALE: take_span("stale-after", optarg, &r->c.stale_after); break;
	case OPT_NEXT: take_span("next", optarg, &r->c.next); break;
	case OPT_NOW:
		if (!when_parse(optarg, &r->c.now) || r->c.now <= 0 || r->c.now == WHEN_ALWAYS)
			wrong("now", optarg, "is no RFC 3339 time after 1970");
		break;
	case OPT_SHARE:
		if (!num_parse(optarg, 1, 100, &r->share, &why))
			wrong("share", optarg, "is no percentage (1 to 100)");
		break;
	case OPT_WINDOW: r->c.window = optarg; break;
	case OPT_STAMP: r->c.stamp = optarg; break;
	case OPT_HOLD: r->c.hold = optarg; break;
	case OPT_PASS: r->c.pass = optarg; break;
	case OPT_UNLESS: r->c.unless = optarg; break;
	case OPT_APPEND: r->c.append = true; break;
	case OPT_STREAM: r->c.stream = true; break;
	case OPT_BESIDE: r->c.beside = optarg; break;
	case OPT_FORGET: r->c.forget = true; break;
	case 'm':
		if (!match_order_parse(optarg, &r->c.order))
			wrong("match-order", optarg, "is not some of: guid name serial mac");
		break;
	case 'h': cli_help(usage);
	case 'V': cli_version();
	default: cli_usage();
	}
}

static const struct command *
find_command(const char *name)
{
	const char	*names[NCOMMANDS], *near;
	char		 shown[TEXT_SHOWN];
	size_t		 i;

	for (i = 0; i < NCOMMANDS; i++) {
		if (strcmp(commands[i].name, name) == 0)
			return &commands[i];
		names[i] = commands[i].name;
	}
	near = text_nearest(name, names, NCOMMANDS);
	text_safe(shown, sizeof(shown), name, strlen(name));
	if (near != NULL)
		warnx("%s: is no command (did you mean %s?)", shown, near);
	else
		warnx("%s: is no command", shown);
	cli_usage();
}

/* Was an option given that this command does not have? */
static void
check_options(const struct command *cmd, int given)
{
	size_t	 i;

	if (given < 256 && given != 'q')
		return;
	for (i = 0; i < OWN; i++)
		if (cmd->own[i] == given)
			return;
	for (i = 0; options[i].val != given; i++)
		;
	warnx("%s: has no option --%s", cmd->name, options[i].name);
	cli_usage();
}

/* Options may stand before the command and behind it. */
static const struct command *
parse(struct request *r, int argc, char **argv)
{
	const struct command	*cmd;
	int			 c, given[64], n = 0;

	while ((c = getopt_long(argc, argv, "c:d:j:m:qhV", options, NULL)) != -1) {
		take_option(r, c);
		if (n < 64)
			given[n++] = c;
	}
	if (optind == argc) {
		warnx("no command");
		cli_usage();
	}
	cmd = find_command(argv[optind++]);
	while (n > 0)
		check_options(cmd, given[--n]);
	if (cmd->nargs == 0 && optind < argc) {
		warnx("%s: takes no arguments", cmd->name);
		cli_usage();
	}
	if (cmd->nargs > 0 && argc - optind != cmd->nargs) {
		warnx("%s: takes %d argument%s", cmd->name, cmd->nargs, cmd->nargs > 1 ? "s" : "");
		cli_usage();
	}
	return cmd;
}

static void
configure_guard(struct request *r, const struct conf *conf)
{
	struct guard_limits	*g = &r->c.guard;

	g->share = r->share != -1 ? r->share : conf_int(conf, "guard_share", GUARD_SHARE);
	g->site_share = r->share != -1 ? r->share :
	    conf_int(conf, "guard_site_share", GUARD_SITE);
	g->nas_share = r->share != -1 ? r->share : conf_int(conf, "guard_nas_share", GUARD_SITE);
	g->least = conf_int(conf, "guard_least", GUARD_LEAST);
	g->clock = conf_int(conf, "guard_clock", GUARD_CLOCK);
}

/* Fills in what the command line has left open. */
static struct conf *
configure(struct request *r)
{
	struct conf	*conf;
	char		 why[LINK_WHY];
	int		 shared;

	if ((conf = conf_load(r->conf, conf_warn, NULL)) == NULL)
		return NULL;
	if ((shared = share_configure(conf, &r->sharing, why)) == -1) {
		warnx("%s: %s", conf_name(conf), why);
		conf_free(conf);
		return NULL;
	}
	if (shared == 1)
		r->c.share = &r->sharing;
	r->c.poll_interval = conf_int(conf, "poll_interval", POLL_INTERVAL);
	configure_guard(r, conf);
	if (r->state_dir == NULL)
		r->state_dir = conf_get(conf, "state_dir", STORE_DIR);
	if (r->journal == NULL)
		r->journal = conf_get(conf, "journal", NULL);
	if (r->journal == NULL) {
		if (asprintf(&r->in_state, "%s/journal.ndjson", r->state_dir) == -1)
			err(EX_OSERR, NULL);
		r->journal = r->in_state;
	}
	r->c.journal = r->journal;
	r->c.dir = r->state_dir;
	r->c.coa_journal = conf_get(conf, "coa_journal", NULL);
	return conf;
}

/* Opens the store.  What goes through it, or writes, does so only when all of it can
 * be read.  NULL: *status says why, after a message. */
static struct store *
open_store(const struct command *cmd, const char *dir, int *status)
{
	char		 why[STORE_WHY], line[STORE_WHY + 256], shown[TEXT_SHOWN];
	struct store	*s = store_open(dir, cmd->mode, why);
	int		 err = errno;

	if (s != NULL && cmd->run != run_get && cmd->run != run_weigh && cmd->run != run_renew &&
	    store_verify(s) == STORE_ERROR) {
		snprintf(why, sizeof(why), "%s", store_why(s));
		err = store_errno(s);
		store_close(s);
		s = NULL;
	}
	if (s == NULL) {
		*status = cache_status(err);
		warnx("%s%s%s", why, err == EBADMSG ? ": " : "", err == EBADMSG ? CACHE_DAMAGED : "");
		return NULL;
	}
	snprintf(line, sizeof(line), "%s: %s: the store is damaged: %s",
	    program_invocation_short_name, text_safe(shown, sizeof(shown), dir, strlen(dir)),
	    CACHE_DAMAGED);
	store_guard(s, line, EX_IOERR);
	return s;
}

int
main(int argc, char **argv)
{
	struct request		 r = { .share = -1, .c = { .order = MATCH_ORDER_DEFAULT, .older_than = -1,
				    .seen_within = -1, .clients_older_than = -1 } };
	const struct command	*cmd;
	struct conf		*conf;
	int			 status;

	cli_start();
	cmd = parse(&r, argc, argv);
	if ((conf = configure(&r)) == NULL)
		return EX_CONFIG;
	if (r.c.older_than == -1)
		r.c.older_than = cmd->run == run_prune ? PRUNE_AFTER : r.c.poll_interval;
	if (r.c.seen_within == -1)
		r.c.seen_within = cmd->run == run_list ? INT64_MAX : SEEN_WITHIN;
	if (r.c.clients_older_than == -1)
		r.c.clients_older_than = r.c.older_than;
	/* Two exports may come from another machine; the store may not be there yet. */
	if (cmd->run == run_diff || cmd->run == run_settings)
		status = cmd->run(&r.c, argc - optind, argv + optind);
	else if ((r.c.store = open_store(cmd, r.state_dir, &status)) != NULL)
		status = cmd->run(&r.c, argc - optind, argv + optind);
	store_close(r.c.store);
	conf_free(conf);
	free(r.in_state);
	return cache_finish(status);
}
