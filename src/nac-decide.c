/* nac-decide: adds `decision` to records, by the rules file. */
#include <err.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/cli.h"
#include "base/conf.h"
#include "base/file.h"
#include "base/text.h"
#include "base/when.h"
#include "policy/filter.h"
#include "policy/format.h"
#include "policy/good.h"
#include "policy/install.h"
#include "policy/lint.h"
#include "policy/list.h"
#include "policy/policy.h"
#include "policy/replay.h"
#include "policy/ruletest.h"
#include "store/store.h"

#define RULES_PATH	"/etc/intune-nac/site.rules"

enum { OPT_CHANGED = 256, OPT_NOW, OPT_PRINT, OPT_TEST, OPT_COVERAGE,
    OPT_STRICT, OPT_FORMAT, OPT_KEEP, OPT_INSTALL, OPT_REPLAY, OPT_WITH, OPT_JSON,
    OPT_EXPLAIN, OPT_DICTIONARY, OPT_ALL,
    OPT_HELP, OPT_VERSION };

static const char	 usage[] =
"usage: nac-decide [-r FILE] [--changed [--all]] [--explain] [--now TIME] [--keep]\n"
"                  [RECORD...]\n"
"       nac-decide -n [--strict] [--dictionary FILE] [-r FILE] | --format [-r FILE]\n"
"       nac-decide --install FILE [--strict] [--dictionary FILE] [-r FILE]\n"
"       nac-decide --test [--coverage [--strict]] [-r FILE] TESTS...\n"
"       nac-decide --replay [LOG...] --with FILE [--json]\n"
"Decides by a rules file and adds `decision` to each record.\n"
"  -r, --rules FILE   (default: `rules` in nac.conf, " RULES_PATH ")\n"
"  -n, --check        check the rules and decide nothing; --strict: warnings are 1\n"
"      --format       print the rules, or a list or tests, in the usual layout\n"
"      --dictionary FILE  warn of attributes that this does not have\n"
"      --install FILE check FILE, put it in the place of the rules, and --keep it\n"
"      --keep         keep a copy of good rules; take it while they are broken\n"
"      --test         run the tests in the files named; TAP on standard output\n"
"      --coverage     list the rules that no test reaches; --strict: that is 1\n"
"      --replay       decide the log's lines again by the rules --with FILE, and\n"
"                     show what changes (--json: as records)\n"
"      --print WORD   print a setting of the rules: match-order, stale-after, stale-least\n"
"      --changed      pass on only records that are now treated differently; with\n"
"                     --all the others as they are, too\n"
"      --now TIME     decide as if it were TIME (RFC 3339)\n"
"  -c, --config FILE  another nac.conf\n"
"      --explain      tell each rule tried, and the conditions that failed\n"
"  -v, --verbose      say on standard error which line decided, and why\n"
"      --help, --version\n"
"Exit status: 0 all allowed, 1 some denied (0 with --changed), 65 bad input,\n"
"78 the rules have an error (65 with -n and --install).\n";

struct job {
	const char	*rules;		/* as given with -r */
	const char	*conf;
	const char	*with;		/* --replay: the rules */
	const char	*print;		/* --print: the name of a setting */
	const char	*install;	/* --install: the new rules */
	const struct policy	*policy;
	const char	*dictionary;	/* --dictionary */
	struct filter_options	 filter;
	bool		 check, test, coverage, strict, replay, json, format;
};

/* The attributes of --dictionary, if that was given. */
static bool
dictionary(const struct job *job, struct attrnames **names)
{
	*names = NULL;
	return job->dictionary == NULL ||
	    (*names = attrnames_load(job->dictionary, conf_warn, NULL)) != NULL;
}

/* Says how many rules there are, and warns of what cannot be meant. */
static int
check(const struct job *job)
{
	struct attrnames	*names;
	size_t			 n;

	if (!dictionary(job, &names))
		return EX_DATAERR;
	n = policy_lint(job->policy, names, conf_warn, NULL);
	attrnames_free(names);
	printf("%s: %zu rules, %zu labels: ", job->filter.rules, policy_rules(job->policy),
	    policy_labels(job->policy));
	if (n > 0)
		printf("%zu warning%s\n", n, n == 1 ? "" : "s");
	else
		printf("ok\n");
	return n > 0 && job->strict ? STATUS_NO : STATUS_OK;
}

/* Puts new rules into force. */
static int
install(struct job *job)
{
	struct attrnames	*names;
	struct policy		*p;
	int			 rc;

	if (!dictionary(job, &names))
		return EX_DATAERR;
	rc = rules_install(job->install, job->filter.rules, names, job->strict, conf_warn, NULL);
	attrnames_free(names);
	if (rc != STATUS_OK)
		return rc;
	if ((p = policy_load(job->filter.rules, conf_warn, NULL)) == NULL)
		return EX_CONFIG;
	job->policy = p;
	filter_keep(p, job->filter.rules, job->filter.state_dir, true);
	printf("%s: %zu rules in force\n", job->filter.rules, policy_rules(p));
	policy_free(p);
	return STATUS_OK;
}

/* Prints the rules file in one layout, for editors and for diffs. */
static int
format(const struct job *job)
{
	char	*text = NULL, *out = NULL;
	size_t	 len, size;
	FILE	*to = open_memstream(&out, &size);
	int	 fd, rc = STATUS_OK;

	if (to == NULL)
		err(EX_OSERR, NULL);
	if ((fd = open(job->filter.rules, O_RDONLY | O_CLOEXEC)) == -1 ||
	    file_read_all(fd, LIST_BYTES, &text, &len) == -1) {
		warn("%s", job->filter.rules);
		rc = EX_DATAERR;
	} else if (rules_format(job->filter.rules, text, len, to, conf_warn, NULL) == -1)
		rc = EX_DATAERR;
	if (fclose(to) == EOF)
		err(EX_OSERR, NULL);
	/* All or nothing: who writes it over the file must not lose the rest of it. */
	if (rc == STATUS_OK && fwrite(out, 1, size, stdout) != size) {
		warn("standard output");
		rc = EX_IOERR;
	}
	if (fd != -1)
		close(fd);
	free(text);
	free(out);
	return rc;
}

/* For shell programs that must look devices up as the rules want it. */
static int
print_setting(const struct job *job)
{
	const struct match_order	*order = policy_match_order(job->policy);
	size_t				 i;

	if (strcmp(job->print, "stale-after") == 0)
		printf("%llds", (long long)policy_stale_after(job->policy));
	else if (strcmp(job->print, "stale-least") == 0)
		printf("%llds", (long long)policy_stale_least(job->policy));
	else
		for (i = 0; i < MATCH_KINDS && order->by[i] != MATCH_NONE; i++)
			printf("%s%s", i > 0 ? " " : "", match_name(order->by[i]));
	if (order->newest && strcmp(job->print, "match-order") == 0)
		fputs(" newest", stdout);
	putchar('\n');
	return STATUS_OK;
}

static int
run_tests(const struct job *job, int argc, char **argv)
{
	struct ruletests	 tests = { .n = 0 };
	int64_t			 now = job->filter.now != 0 ? job->filter.now : RULETEST_NOW;
	int			 i, rc = EX_DATAERR;

	for (i = 0; i < argc; i++)
		ruletests_read(&tests, argv[i], now, conf_warn, NULL);
	if (tests.errors == 0)
		rc = ruletests_run(&tests, job->policy, now, job->coverage, job->strict);
	ruletests_free(&tests);
	return rc;
}

/* What does not go together, or has nothing to work on. */
static void
check_usage(const struct job *job, int operands)
{
	if (job->check + job->test + job->replay + (job->print != NULL) + job->filter.changed +
	    (job->install != NULL) + job->format > 1)
		warnx("-n, --format, --test, --replay, --print, --install and --changed do not go together");
	else if (job->replay ? job->with == NULL || job->rules != NULL || job->filter.now != 0 :
	    job->with != NULL || job->json)
		warnx("--replay goes with --with FILE, without -r and --now");
	else if ((job->check || job->print != NULL || job->install != NULL || job->format) &&
	    operands > 0)
		warnx("%s decides nothing: give the rules with -r, and no records", job->check ? "-n" :
		    job->print != NULL ? "--print" : job->format ? "--format" : "--install");
	else if (job->filter.all && !job->filter.changed)
		warnx("--all is for --changed");
	else if (job->filter.keep && (job->check || job->test || job->replay || job->format))
		warnx("--keep is for deciding and --print");
	else if ((job->filter.explain || job->filter.verbose) && (job->check || job->test ||
	    job->replay || job->format || job->print != NULL || job->install != NULL))
		warnx("--explain and -v are for deciding");
	else if (job->test && operands == 0)
		warnx("--test: which files?");
	else if (job->coverage && !job->test)
		warnx("--coverage is for --test");
	else if (job->dictionary != NULL && !job->check && job->install == NULL)
		warnx("--dictionary is for -n and --install");
	else if (job->strict && !job->test && !job->check && job->install == NULL)
		warnx("--strict is for -n, --install and --test");
	else
		return;
	cli_usage();
}

static void
options(int argc, char **argv, struct job *job)
{
	static const struct option	 longs[] = {
		{ "rules", required_argument, NULL, 'r' },
		{ "check", no_argument, NULL, 'n' },
		{ "changed", no_argument, NULL, OPT_CHANGED },
		{ "all", no_argument, NULL, OPT_ALL },
		{ "test", no_argument, NULL, OPT_TEST },
		{ "coverage", no_argument, NULL, OPT_COVERAGE },
		{ "strict", no_argument, NULL, OPT_STRICT },
		{ "format", no_argument, NULL, OPT_FORMAT },
		{ "keep", no_argument, NULL, OPT_KEEP },
		{ "install", required_argument, NULL, OPT_INSTALL },
		{ "replay", no_argument, NULL, OPT_REPLAY },
		{ "explain", no_argument, NULL, OPT_EXPLAIN },
		{ "with", required_argument, NULL, OPT_WITH },
		{ "json", no_argument, NULL, OPT_JSON },
		{ "dictionary", required_argument, NULL, OPT_DICTIONARY },
		{ "print", required_argument, NULL, OPT_PRINT },
		{ "now", required_argument, NULL, OPT_NOW },
		{ "config", required_argument, NULL, 'c' },
		{ "verbose", no_argument, NULL, 'v' },
		{ "help", no_argument, NULL, OPT_HELP },
		{ "version", no_argument, NULL, OPT_VERSION },
		{ NULL, 0, NULL, 0 },
	};
	char				 shown[TEXT_SHOWN];
	int				 c;

	while ((c = getopt_long(argc, argv, "r:nc:v", longs, NULL)) != -1)
		switch (c) {
		case 'r':
			job->rules = optarg;
			break;
		case 'n':
			job->check = true;
			break;
		case OPT_CHANGED:
			job->filter.changed = true;
			break;
		case OPT_ALL:
			job->filter.all = true;
			break;
		case OPT_TEST:
			job->test = true;
			break;
		case OPT_COVERAGE:
			job->coverage = true;
			break;
		case OPT_STRICT:
			job->strict = true;
			break;
		case OPT_FORMAT:
			job->format = true;
			break;
		case OPT_KEEP:
			job->filter.keep = true;
			break;
		case OPT_INSTALL:
			job->install = optarg;
			break;
		case OPT_EXPLAIN:
			job->filter.explain = true;
			break;
		case OPT_REPLAY:
			job->replay = true;
			break;
		case OPT_WITH:
			job->with = optarg;
			break;
		case OPT_JSON:
			job->json = true;
			break;
		case OPT_DICTIONARY:
			job->dictionary = optarg;
			break;
		case OPT_PRINT:
			if (strcmp(optarg, "match-order") != 0 &&
			    strcmp(optarg, "stale-after") != 0 &&
			    strcmp(optarg, "stale-least") != 0) {
				warnx("--print: \"%s\" is not match-order, stale-after or stale-least",
				    text_safe(shown, sizeof(shown), optarg, strlen(optarg)));
				cli_usage();
			}
			job->print = optarg;
			break;
		case OPT_NOW:
			if (when_parse(optarg, &job->filter.now) && job->filter.now > 0 &&
			    job->filter.now != WHEN_ALWAYS)
				break;
			warnx("--now: \"%s\" is no RFC 3339 time after 1970",
			    text_safe(shown, sizeof(shown), optarg, strlen(optarg)));
			cli_usage();
		case 'c':
			job->conf = optarg;
			break;
		case 'v':
			job->filter.verbose = true;
			break;
		case OPT_HELP:
			cli_help(usage);
		case OPT_VERSION:
			cli_version();
		default:
			cli_usage();
		}
}

/* The rules; while they are broken, with --keep, the copy of the last good ones. */
static struct policy *
load(struct job *job, bool *broken)
{
	struct policy	*p = policy_load(job->filter.rules, conf_warn, NULL);
	char		 why[GOOD_WHY], when[WHEN_TEXT];
	int64_t		 kept;

	job->policy = p;
	*broken = p == NULL;
	if (!job->filter.keep)
		return p;
	if (p != NULL)
		filter_keep(p, job->filter.rules, job->filter.state_dir, false);
	else if ((p = good_load(job->filter.rules, job->filter.state_dir, &kept, why)) != NULL)
		warnx("%s: the last good rules (%s) decide", job->filter.rules, when_format(when, kept));
	else if (why[0] != '\0')
		warnx("%s", why);
	job->policy = p;
	return p;
}

static int
run(struct job *job, int argc, char **argv)
{
	struct policy	*policy;
	bool		 broken;
	int		 rc;

	if (job->install != NULL)
		return install(job);
	if (job->format)
		return format(job);
	if ((policy = load(job, &broken)) == NULL)
		return job->check ? EX_DATAERR : EX_CONFIG;
	if (job->print != NULL)
		rc = print_setting(job);
	else if (job->test)
		rc = run_tests(job, argc, argv);
	else if (job->replay)
		rc = replay_run(job->policy, argc, argv, job->json);
	else if (job->check)
		rc = check(job);
	else {
		rc = filter_run(policy, broken, &job->filter, argc, argv);
		policy = NULL;
	}
	policy_free(policy);
	return rc;
}

int
main(int argc, char **argv)
{
	struct job	 job = { .rules = NULL };
	struct conf	*conf = NULL;
	int		 rc;

	cli_start();
	options(argc, argv, &job);
	check_usage(&job, argc - optind);
	if (((job.rules == NULL && !job.replay) || job.conf != NULL || job.filter.keep ||
	    job.install != NULL) && (conf = conf_load(job.conf, conf_warn, NULL)) == NULL)
		return EX_CONFIG;
	job.filter.rules = job.replay ? job.with : job.rules != NULL ? job.rules :
	    conf_get(conf, "rules", RULES_PATH);
	job.filter.state_dir = conf != NULL ? conf_get(conf, "state_dir", STORE_DIR) : STORE_DIR;
	rc = run(&job, argc - optind, argv + optind);
	conf_free(conf);
	return cli_finish(rc);
}
