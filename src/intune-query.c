/*
 * intune-query: adds `compliance` to each record, as Intune says it now.
 */
#include <err.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "base/cli.h"
#include "base/file.h"
#include "base/num.h"
#include "base/text.h"
#include "base/when.h"
#include "device/record.h"
#include "intune/crew.h"
#include "intune/query.h"
#include "intune/stream.h"

#define DEADLINE_MAX	3600	/* seconds; who waits longer asks again later */

/* With 200 ms for an answer this is 80 a second, of the 100 that Intune allows. */
#define JOBS		16

static const char	 usage[] =
    "usage: intune-query [options] [ID ...]\n"
    "Adds `compliance` to each record; ID or line: a record, GUID, MAC or name.\n"
    "  -a, --all                  the whole tenant, a record for each device\n"
    "  -m, --match-order WORDS    which identifiers, in this order (guid name mac)\n"
    "  -n, --newest               of several matches the last to sync, not ambiguous\n"
    "      --inventory-age SPAN   list MAC addresses again after this (1h)\n"
    "      --no-wired             do not ask for Ethernet addresses: much quicker\n"
    "      --deadline SPAN        how long one request may be tried (60s)\n"
    "  -j, --jobs N               records asked for at the same time (16)\n"
    "  -u, --unordered            print as answered, not in the order of the input\n"
    SETTINGS_USAGE
    "      --help, --version\n"
    "Exit: 0 all answered, 65 bad record, 69 no connection, 75 try again, 77 refused,\n"
    "      78 configuration.  What has no answer is not passed on.\n";

enum { OPT_HELP = SETTING_LAST, OPT_VERSION, OPT_AGE, OPT_NO_WIRED, OPT_DEADLINE };

static const struct option	 options[] = {
	{ "all", no_argument, NULL, 'a' },
	{ "match-order", required_argument, NULL, 'm' },
	{ "newest", no_argument, NULL, 'n' },
	{ "inventory-age", required_argument, NULL, OPT_AGE },
	{ "no-wired", no_argument, NULL, OPT_NO_WIRED },
	{ "deadline", required_argument, NULL, OPT_DEADLINE },
	{ "jobs", required_argument, NULL, 'j' },
	{ "unordered", no_argument, NULL, 'u' },
	SETTINGS_OPTIONS,
	{ "help", no_argument, NULL, OPT_HELP },
	{ "version", no_argument, NULL, OPT_VERSION },
	{ NULL, 0, NULL, 0 }
};

/* The command line. */
struct request {
	struct settings		 set;
	struct match_order	 order;
	bool			 all, newest, no_wired, unordered;
	int64_t			 age, deadline, jobs;
};

static bool
wrong(const char *option, const char *value)
{
	char	 shown[TEXT_SHOWN];

	warnx("--%s: not so: \"%s\"", option, text_safe(shown, sizeof(shown), value,
	    strlen(value)));
	return false;
}

static bool
take_option(struct request *r, int c, char *value)
{
	const char	*why;
	int		 status = 0;

	switch (c) {
	case 'a':
		r->all = true;
		return true;
	case 'm':
		return match_order_parse(value, &r->order) || wrong("match-order", value);
	case 'n':
		r->newest = true;
		return true;
	case 'j':
		return num_parse(value, 1, CREW_MAX, &r->jobs, &why) || wrong("jobs", value);
	case 'u':
		r->unordered = true;
		return true;
	case OPT_AGE:
		return when_span(value, &r->age) || wrong("inventory-age", value);
	case OPT_NO_WIRED:
		r->no_wired = true;
		return true;
	case OPT_DEADLINE:
		return (when_span(value, &r->deadline) && r->deadline <= DEADLINE_MAX) ||
		    wrong("deadline", value);
	case OPT_HELP:
		cli_help(usage);
	case OPT_VERSION:
		cli_version();
	default:
		return settings_take(&r->set, c, value, &status) && status == 0;
	}
}

struct all {
	struct query	*q;
	int		 status;
};

/* One device of the whole tenant. */
static bool
on_listed(const json_t *item, void *arg)
{
	struct all	*all = arg;
	struct managed	 m;
	struct answer	 answer;
	json_t		*rec;
	char		 why[128];
	int64_t		 now = when_now();
	int		 status;

	if (!managed_parse(item, &m, why, sizeof(why))) {
		warnx("--all: %s: left out", why);
		all->status = cli_worst(all->status, EX_TEMPFAIL);
		return true;
	}
	query_listed(&m, now, &answer);
	if ((rec = json_object()) == NULL)
		err(EX_OSERR, NULL);
	record_put_answer(rec, &answer, now);
	status = record_print(rec, stdout);
	json_decref(rec);
	if (status == STATUS_OK)
		return true;
	graph_fail(all->q->graph, status, "the list is cut short");
	return false;
}

static int
list_all(struct query *q)
{
	struct all	 all = { q, STATUS_OK };

	if (graph_list(q->graph, "deviceManagement/managedDevices?$select=" MANAGED_SELECT,
	    on_listed, &all) == GRAPH_OK)
		return all.status;
	warnx("--all: not the whole tenant: %s", graph_why(q->graph));
	return cli_worst(all.status, graph_status(q->graph));
}

int
main(int argc, char **argv)
{
	struct request	 r = { .order = MATCH_ORDER_DEFAULT, .age = INVENTORY_AGE,
			    .deadline = GRAPH_DEADLINE, .jobs = JOBS };
	struct query	 q = { 0 };
	struct http	*http;
	int		 c, status;

	cli_start();
	file_no_core();
	while ((c = getopt_long(argc, argv, "ac:j:m:nuv", options, NULL)) != -1)
		if (!take_option(&r, c, optarg))
			cli_usage();
	if (r.all && optind < argc) {
		warnx("--all takes no identifiers");
		cli_usage();
	}
	if ((status = settings_load(&r.set)) != 0) {
		settings_free(&r.set);
		return status;
	}
	http = http_new(&r.set);
	q.graph = graph_new(&r.set, http, r.deadline);
	if (!r.all && r.jobs > 1 && argc - optind != 1) {
		crew_start();
		http_parallel(http);
		graph_jobs(q.graph, (unsigned)r.jobs);
	}
	q.inventory = inventory_new(q.graph, r.age, !r.no_wired, r.set.verbose > 0);
	q.order = r.order;
	q.newest = r.newest;
	q.verbose = r.set.verbose;
	if (r.all)
		status = list_all(&q);
	else
		status = stream_run(&q, argc - optind, argv + optind, stdin,
		    (unsigned)r.jobs, !r.unordered);
	status = cli_finish(status);
	inventory_free(q.inventory);
	graph_free(q.graph);
	http_free(http);
	settings_free(&r.set);
	return status;
}
