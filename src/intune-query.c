/*
 * intune-query: adds `compliance` to each record, as Intune says it now.
 */
#include <err.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sysexits.h>

#include "base/cli.h"
#include "base/file.h"
#include "base/num.h"
#include "base/text.h"
#include "base/when.h"
#include "device/record.h"
#include "intune/budget.h"
#include "intune/crew.h"
#include "intune/nac2.h"
#include "intune/queries.h"
#include "intune/query.h"
#include "intune/stream.h"
#include "intune/tenant.h"
#include "intune/window.h"

#define DEADLINE_MAX	3600	/* seconds; who waits longer asks again later */

/* Seconds after which --since last lists all: compliance may change without a sync. */
#define FULL_EVERY	86400

/* With 200 ms for an answer this is 80 a second, of the 100 that Intune allows. */
#define JOBS		16

static const char	 usage[] =
    "usage: intune-query [options] [ID ...]\n"
    "Adds `compliance` to each record; ID or line: record, GUID, MAC, serial:NO or name.\n"
    "  -a, --all                  the whole tenant, a record for each device\n"
    "      --wired                with --all: ask for Ethernet addresses, too\n"
    "      --since TIME|last      only what synced since; --full-every SPAN all (last: 1d)\n"
    "  -m, --match-order WORDS    which identifiers, in this order (guid name serial mac)\n"
    "  -n, --newest               of several matches the last to sync, not ambiguous\n"
    "  -s, --source WORD          who is asked: graph, nac2 (GUID and MAC), or auto\n"
    "      --noncompliant         a record for each device NAC 2.0 lists as such\n"
    "      --window, --mdminfo    when it may be listed; NAC 2.0 about itself; as JSON\n"
    "      --no-wired             no Ethernet addresses; --inventory-age SPAN: list again\n"
    "      --deadline SPAN        how long one request may be tried (60s)\n"
    "      --directory            ask the directory, too: device.account_enabled\n"
    "  -j, --jobs N, --budget N   records at once (16); all processes' requests in 20 s\n"
    "  -u, --unordered            print as answered, not in the order of the input\n"
    SETTINGS_USAGE
    "      --help, --version\n"
    "Exit: 0 all answered, 65 bad record, 69 no connection, 75 try again, 77 refused,\n"
    "      78 configuration.  What has no answer is not passed on.\n";

enum { OPT_HELP = SETTING_LAST, OPT_VERSION, OPT_AGE, OPT_NO_WIRED, OPT_DEADLINE,
	OPT_NONCOMPLIANT, OPT_WINDOW, OPT_MDMINFO, OPT_WIRED, OPT_SINCE, OPT_FULL,
	OPT_BUDGET, OPT_DIRECTORY };

static const struct option	 options[] = {
	{ "all", no_argument, NULL, 'a' },
	{ "wired", no_argument, NULL, OPT_WIRED },
	{ "since", required_argument, NULL, OPT_SINCE },
	{ "full-every", required_argument, NULL, OPT_FULL },
	{ "match-order", required_argument, NULL, 'm' },
	{ "newest", no_argument, NULL, 'n' },
	{ "source", required_argument, NULL, 's' },
	{ "noncompliant", no_argument, NULL, OPT_NONCOMPLIANT },
	{ "window", no_argument, NULL, OPT_WINDOW },
	{ "mdminfo", no_argument, NULL, OPT_MDMINFO },
	{ "inventory-age", required_argument, NULL, OPT_AGE },
	{ "no-wired", no_argument, NULL, OPT_NO_WIRED },
	{ "deadline", required_argument, NULL, OPT_DEADLINE },
	{ "directory", no_argument, NULL, OPT_DIRECTORY },
	{ "budget", required_argument, NULL, OPT_BUDGET },
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
	struct queries_options	 how;
	struct tenant		 tenant;
	bool			 unordered;
	int			 whole;	/* the option that stands instead of identifiers;
					 * -1 = two of them */
	int64_t			 jobs;
	int			 section;	/* the one tenant that is asked, */
	bool			 each;		/* or whichever is a record's own */
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
	case OPT_NONCOMPLIANT:
	case OPT_WINDOW:
	case OPT_MDMINFO:
		r->whole = r->whole == 0 || r->whole == c ? c : -1;
		return true;
	case 's':
		r->how.has_source = query_source_parse(value, &r->how.source);
		return r->how.has_source || wrong("source", value);
	case 'm':
		return match_order_parse(value, &r->how.order) || wrong("match-order", value);
	case 'n':
		r->how.newest = true;
		return true;
	case 'j':
		return num_parse(value, 1, CREW_MAX, &r->jobs, &why) || wrong("jobs", value);
	case OPT_DIRECTORY:
		r->how.directory = r->tenant.directory = true;
		return true;
	case OPT_BUDGET:
		return num_parse(value, 0, BUDGET_MAX, &r->how.budget, &why) || wrong("budget", value);
	case 'u':
		r->unordered = true;
		return true;
	case OPT_AGE:
		return when_span(value, &r->how.age) || wrong("inventory-age", value);
	case OPT_WIRED:
		r->tenant.wired = true;
		return true;
	case OPT_SINCE:
		r->tenant.since_last = strcmp(value, "last") == 0;
		return r->tenant.since_last || (when_parse(value, &r->tenant.since) &&
		    r->tenant.since > 0 && r->tenant.since != WHEN_ALWAYS) ||
		    wrong("since", value);
	case OPT_FULL:
		return (when_span(value, &r->tenant.full_every) && r->tenant.full_every > 0) ||
		    wrong("full-every", value);
	case OPT_NO_WIRED:
		r->how.no_wired = true;
		return true;
	case OPT_DEADLINE:
		return (when_span(value, &r->how.deadline) && r->how.deadline <= DEADLINE_MAX) ||
		    wrong("deadline", value);
	case OPT_HELP:
		cli_help(usage);
	case OPT_VERSION:
		cli_version();
	default:
		return settings_take(&r->set, c, value, &status) && status == 0;
	}
}

static void
print_json(json_t *o)
{
	char	*text;

	if (o == NULL || (text = json_dumps(o, JSON_COMPACT)) == NULL)
		err(EX_OSERR, NULL);
	puts(text);
	free(text);
	json_decref(o);
}

/* Prints the list of all non-compliant devices, when it is whole. */
static int
list_noncompliant(const struct query *q)
{
	struct nac2_device	*device;
	struct answer		 answer;
	json_t			*rec;
	char			 began[WHEN_TEXT], ended[WHEN_TEXT];
	size_t			 n, i;
	int64_t			 now = when_now();
	int			 status = STATUS_OK;

	if (nac2_noncompliant(q->nac2, &device, &n) != GRAPH_OK) {
		warnx("--noncompliant: %s", nac2_why(q->nac2));
		return nac2_status(q->nac2);
	}
	for (i = 0; i < n && status == STATUS_OK; i++) {
		query_noncompliant(q, &device[i], now, &answer);
		if ((rec = json_object()) == NULL)
			err(EX_OSERR, NULL);
		record_put_answer(rec, &answer, now);
		status = record_print(rec, stdout);
		json_decref(rec);
	}
	free(device);
	/* As that of --all: without it the list was cut off. */
	if (status == STATUS_OK)
		print_json(json_pack("{s:{s:b, s:s, s:I, s:s, s:s}}", "list", "complete", 1,
		    "of", "noncompliant", "count", (json_int_t)n, "began",
		    when_format(began, now), "ended", when_format(ended, when_now())));
	return status;
}

/* What the file about the list's window says; nothing is asked. */
static int
print_window(const struct settings *set)
{
	static const char *const	 words[] = { "new", "open", "closed" };
	struct window_state		 state;
	enum window			 window;
	int64_t				 now = when_now(), until;
	char				 why[FILE_WHY], text[WHEN_TEXT];
	json_t				*o;

	if (!window_read(set, &state, why)) {
		warnx("%s", why);
		return EX_NOPERM;
	}
	window = window_at(&state, now, &until);
	if ((o = json_pack("{s:s}", "window", words[window])) == NULL)
		err(EX_OSERR, NULL);
	if (state.first != 0)
		json_object_set_new(o, "opened", json_string(when_format(text, state.first)));
	if (until != 0) {
		json_object_set_new(o, "until", json_string(when_format(text, until)));
		json_object_set_new(o, "seconds", json_integer(until - now));
	}
	print_json(o);
	return STATUS_OK;
}

static int
print_mdminfo(struct nac2 *nac2)
{
	struct nac2_document	 doc;
	char			 shown[TEXT_SHOWN];

	if (nac2_info(nac2, &doc) != GRAPH_OK) {
		warnx("--mdminfo: %s", nac2_why(nac2));
		return nac2_status(nac2);
	}
	/* Somebody is going to click on it. */
	if (doc.redirect_url[0] != '\0' && strncasecmp(doc.redirect_url, "https://", 8) != 0) {
		warnx("--mdminfo: redirect_url is no https address and left out: %s",
		    text_safe(shown, sizeof(shown), doc.redirect_url, strlen(doc.redirect_url)));
		doc.redirect_url[0] = '\0';
	}
	print_json(json_pack("{s:s, s:I, s:s, s:s, s:s, s:s, s:I, s:b}", "redirect_url",
	    doc.redirect_url, "api_version", (json_int_t)doc.api_version, "api_path",
	    doc.api_path, "vendor", doc.vendor, "product_name", doc.product_name,
	    "product_version", doc.product_version, "query_max_size",
	    (json_int_t)doc.query_max_size, "messaging_support", doc.messaging == NAC2_TRUE));
	nac2_document_free(&doc);
	return STATUS_OK;
}

/* Ends the program for options that do not go together. */
static void
check_request(const struct request *r, int identifiers)
{
	if (r->whole == -1)
		warnx("--all, --noncompliant, --window and --mdminfo exclude each other");
	else if (r->whole == 'a' && r->how.has_source && r->how.source == QUERY_NAC2)
		warnx("--all: NAC 2.0 lists no devices but those of --noncompliant");
	else if (r->whole == 'a' && identifiers > 0)
		warnx("--all takes no identifiers");
	else if (r->whole != 'a' && (r->tenant.wired || r->tenant.since_last ||
	    r->tenant.since != 0 || r->tenant.full_every != 0))
		warnx("--wired, --since and --full-every go with --all");
	else if (r->whole != 0 && identifiers > 0)
		warnx("--noncompliant, --window and --mdminfo take no identifiers");
	else
		return;
	cli_usage();
}

/* The one query there is, for every record. */
static struct query *
pick_one(void *arg, const json_t *rec, const struct identity *id, char *why, size_t size,
    int *status)
{
	(void)rec;
	(void)id;
	(void)why;
	(void)size;
	*status = STATUS_OK;
	return arg;
}

/* Which tenants: one for whole lists and with --tenant, else by the record where the
 * file has several. */
static int
choose_tenants(struct request *r)
{
	int	 status;

	if ((status = settings_open(&r->set)) != 0)
		return status;
	r->each = r->whole == 0 && r->set.chosen == NULL && conf_sections(r->set.conf) > 0;
	return r->each ? 0 : settings_choose(&r->set, &r->section);
}

static int
work(struct request *r, struct queries *queries, int argc, char **argv)
{
	struct query	*q = NULL;
	int		 status;

	if (!r->each && (q = queries_get(queries, r->section, &status)) == NULL)
		return status;
	switch (r->whole) {
	case 'a':
		r->tenant.q = q;
		r->tenant.set = queries_settings(queries, r->section);
		return tenant_list(&r->tenant);
	case OPT_NONCOMPLIANT:
		return list_noncompliant(q);
	case OPT_WINDOW:
		return print_window(queries_settings(queries, r->section));
	case OPT_MDMINFO:
		return print_mdminfo(q->nac2);
	default:
		return stream_run(r->each ? queries_pick : pick_one,
		    r->each ? (void *)queries : (void *)q, argc, argv, stdin,
		    r->how.jobs, !r->unordered);
	}
}

int
main(int argc, char **argv)
{
	struct request	 r = { .how = { .order = MATCH_ORDER_DEFAULT, .age = INVENTORY_AGE,
			    .deadline = GRAPH_DEADLINE, .budget = BUDGET_DEFAULT },
			    .jobs = JOBS };
	struct queries	*queries;
	int		 c, status;

	cli_start();
	file_no_core();
	while ((c = getopt_long(argc, argv, "ac:j:m:ns:uv", options, NULL)) != -1)
		if (!take_option(&r, c, optarg))
			cli_usage();
	check_request(&r, argc - optind);
	if (r.tenant.since_last && r.tenant.full_every == 0)
		r.tenant.full_every = FULL_EVERY;
	if ((status = choose_tenants(&r)) != 0) {
		settings_free(&r.set);
		return status;
	}
	r.how.jobs = (r.whole == 0 && argc - optind != 1) || r.whole == 'a' ? (unsigned)r.jobs : 1;
	if (r.how.jobs > 1)
		crew_start();
	/* A list is fetched page by page, by one thread while another reads. */
	if (r.whole == 'a' && !r.tenant.wired && !r.tenant.directory)
		r.how.jobs = 1;
	queries = queries_new(&r.set, &r.how);
	status = cli_finish(work(&r, queries, argc - optind, argv + optind));
	queries_free(queries);
	settings_free(&r.set);
	return status;
}
