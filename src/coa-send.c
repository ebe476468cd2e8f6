/*
 * coa-send: sends a Change of Authorization or a Disconnect for each record's
 * session, and adds the answer to the record as `coa'.
 */
#include <sys/random.h>

#include <err.h>
#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/cli.h"
#include "base/conf.h"
#include "base/file.h"
#include "base/num.h"
#include "base/text.h"
#include "base/when.h"
#include "device/record.h"
#include "radius/coa.h"
#include "radius/dict.h"
#include "radius/nas.h"
#include "radius/profile.h"

#define JOBS		16	/* exchanges under way, unless --jobs says else */
#define JOBS_MAX	256
#define WHERE		TEXT_SHOWN

/* Where Intune tells a user what is wrong with the device, and looks at it again. */
#define REDIRECT	"https://portal.manage.microsoft.com/networkaccesscontrol/index"

static const char	 usage[] =
    "usage: coa-send [options] [record ...]\n"
    "Sends a CoA or Disconnect (RFC 5176) for the session of each record on\n"
    "standard input, and prints the record with the answer as `coa'.\n"
    "  -a, --action ACTION   reauth, disconnect, bounce, vlan, role or redirect, whatever\n"
    "                        the record's decision.coa says (without it: reauth)\n"
    "  -n, --dry-run         say what would be sent, send nothing\n"
    "  -v, --verbose         say on stderr what goes out and what comes in\n"
    "  -c, --config FILE     nac.conf(5)\n"
    "      --nas FILE        the NAS file, nac-nas(5)\n"
    "      --profiles DIR    where the profiles are\n"
    "      --dictionary FILE the RADIUS dictionary\n"
    "      --timeout SECONDS before the second copy, doubled for each other (2)\n"
    "      --tries N         copies sent before giving up (3)\n"
    "      --jobs N          exchanges under way at a time (16); 1 keeps the order\n"
    "      --require-message-authenticator\n"
    "                        take no answer without Message-Authenticator\n"
    "      --help, --version\n"
    "Exit: 0 all ACK, 1 some NAK, 75 some silence, 65 bad records, 77 secret\n"
    "file's mode, 78 configuration; the largest of them.\n";

/* A record whose exchange is under way. */
struct job {
	json_t			*rec;
	enum action		 action;
	char			 where[WHERE];
	char			 nas[NAS_ADDRESS];
	const struct profile	*profile;
	int64_t			 time;
	struct coa		 coa;
};

struct app {
	enum action		 action;
	bool			 action_given;	/* on the command line */
	const char		*redirect;	/* the remediation page */
	bool			 dry_run;
	struct coa_options	 options;
	struct dict		*dict;
	struct nas_file		*nas;
	size_t			 jobs;
	struct job		*job[JOBS_MAX];	/* the first njob of them */
	size_t			 njob;
	int			 status;
};

/* What goes into `coa'; NULL and 0 are left out. */
struct outcome {
	const char		*result;
	const char		*nas;
	const struct profile	*profile;
	const enum action	*action;
	int64_t			 time;
	const struct coa	*coa;
	const struct filled	*filled;
	size_t			 nfilled;
	const char		*why;
};

static const char *
code_name(uint8_t code)
{
	return code == COA_REQUEST ? "coa" : "disconnect";
}

static void
write_answer(struct jsonw *w, const struct coa *coa)
{
	uint32_t	 cause = coa->reply.error_cause;

	jw_int(w, "tries", coa->tries);
	if (coa->result != COA_SILENT && cause != 0) {
		jw_int(w, "error_cause", cause);
		jw_opt(w, "error_text", packet_error_cause(cause));
	}
	jw_int(w, "ms", coa->ms);
}

/* The filled attributes as radclient(1) would take them. */
static void
write_attributes(struct jsonw *w, const struct filled *filled, size_t n)
{
	char	 line[DICT_NAME + SESSION_TEXT + 8];
	size_t	 i;

	jw_array(w, "attributes");
	for (i = 0; i < n; i++) {
		snprintf(line, sizeof(line), "%s = %s", filled[i].name, filled[i].text);
		jw_str(w, NULL, line);
	}
	jw_end_array(w);
}

/* Adds `coa' to the record and prints it.  Returns a status. */
static int
emit(const struct app *app, json_t *rec, const struct outcome *o)
{
	enum action	 action = o->action != NULL ? *o->action : app->action;
	struct jsonw	 w;
	char		 buf[RECORD_TEXT];

	jw_init(&w, buf, sizeof(buf));
	jw_object(&w, NULL);
	jw_str(&w, "result", o->result);
	if (o->profile != NULL) {
		jw_opt(&w, "code", o->profile->action[action].code == 0 ? NULL :
		    code_name(o->profile->action[action].code));
		jw_str(&w, "profile", o->profile->name);
	}
	jw_str(&w, "action", action_name(action));
	jw_opt(&w, "nas", o->nas);
	if (o->coa != NULL)
		write_answer(&w, o->coa);
	if (o->filled != NULL)
		write_attributes(&w, o->filled, o->nfilled);
	jw_time(&w, "time", o->time != 0 ? o->time : when_now());
	jw_opt(&w, "why", o->why);
	jw_end_object(&w);
	record_set(rec, "coa", jw_done(&w));
	return record_print(rec, stdout);
}

/* A record that cannot be acted on: one message, and it goes on with the reason. */
static int
refuse(const struct app *app, json_t *rec, const char *where, struct outcome *o,
    const char *why, int status)
{
	char	 shown[FILE_WHY];

	text_safe(shown, sizeof(shown), why, strlen(why));
	warnx("%s: %s", where, shown);
	o->result = "error";
	o->why = why;
	return cli_worst(status, emit(app, rec, o));
}

static void
note(const struct coa *coa, const char *what)
{
	warnx("%s: %s", coa->name, what);
}

/* One line for a person about a NAK; ACKs need none. */
static void
tell_nak(const struct job *job)
{
	uint32_t	 cause = job->coa.reply.error_cause;
	const char	*text = packet_error_cause(cause), *hint = coa_hint(cause);

	if (cause == 0)
		warnx("%s: %s: NAK without a cause", job->where, job->nas);
	else
		warnx("%s: %s: NAK %u %s%s%s", job->where, job->nas, cause,
		    text != NULL ? text : "(unknown)", hint != NULL ? ": " : "",
		    hint != NULL ? hint : "");
}

/* Ends a job: its record leaves, its memory goes. */
static void
job_end(struct app *app, size_t i)
{
	struct job	*job = app->job[i];
	struct outcome	 o = { .nas = job->nas, .profile = job->profile, .time = job->time,
			     .action = &job->action, .coa = &job->coa };
	int		 status = STATUS_OK;

	switch (job->coa.result) {
	case COA_WAS_ACK:
		o.result = "ack";
		break;
	case COA_WAS_NAK:
		o.result = "nak";
		tell_nak(job);
		status = STATUS_NO;
		break;
	case COA_SILENT:
	case COA_PENDING:
		o.result = "silent";
		o.why = job->coa.why;
		warnx("%s: %s: %s", job->where, job->nas, job->coa.why);
		status = EX_TEMPFAIL;
		break;
	}
	app->status = cli_worst(app->status, cli_worst(status, emit(app, job->rec, &o)));
	coa_close(&job->coa);
	json_decref(job->rec);
	free(job);
	app->job[i] = app->job[--app->njob];
}

/*
 * Waits until something happens, in descriptor `in' too unless it is -1, and
 * moves every job on.  Returns whether `in' can be read.
 */
static bool
pump(struct app *app, int in)
{
	struct pollfd	 p[JOBS_MAX + 1];
	int64_t		 now = coa_clock(), wait, least = -1;
	size_t		 i, n = app->njob;

	for (i = 0; i < n; i++) {
		p[i].fd = app->job[i]->coa.fd;
		p[i].events = POLLIN;
		wait = app->job[i]->coa.deadline - now;
		if (least == -1 || wait < least)
			least = wait > 0 ? wait : 0;
	}
	p[n].fd = in;
	p[n].events = POLLIN;
	p[n].revents = 0;
	if (poll(p, n + 1, (int)least) == -1) {
		if (errno != EINTR)
			err(EX_OSERR, "poll");
		p[n].revents = 0;
	}
	/* From the end, since a job that ends gives its place to the last. */
	for (i = n; i-- > 0;)
		if (coa_step(&app->job[i]->coa, &app->options))
			job_end(app, i);
	return p[n].revents != 0;
}

/* Standard input for record_each(): the exchanges go on while it waits. */
static ssize_t
read_input(void *cookie, char *buf, size_t size)
{
	ssize_t	 n;

	while (!pump(cookie, STDIN_FILENO))
		;
	while ((n = read(STDIN_FILENO, buf, size)) == -1 && errno == EINTR)
		;
	return n;
}

/* Starts the exchange; its record is printed when it ends. */
static int
launch(struct app *app, json_t *rec, const char *where, const struct job *made)
{
	struct outcome	 o = { .nas = made->nas, .profile = made->profile,
			     .action = &made->action };
	struct job	*job;

	while (app->njob >= app->jobs)
		pump(app, -1);
	if ((job = malloc(sizeof(*job))) == NULL)
		err(EX_OSERR, NULL);
	*job = *made;
	job->rec = json_incref(rec);
	text_copy(job->where, sizeof(job->where), where);
	job->coa.name = job->nas;
	job->time = when_now();
	if (coa_start(&job->coa, &app->options) == -1) {
		refuse(app, rec, where, &o, strerror(errno), EX_OSERR);
		coa_close(&job->coa);
		json_decref(job->rec);
		free(job);
		return EX_OSERR;
	}
	app->job[app->njob++] = job;
	/* One at a time: not even a faulty record behind it may overtake it. */
	while (app->jobs == 1 && app->njob > 0)
		pump(app, -1);
	return STATUS_OK;
}

/* What is to be done: the command line says, or the record, or else it is a reauth.
 * Returns false, with a reason in why if it is an error, when that is nothing. */
static bool
wanted(const struct app *app, const json_t *rec, enum action *out, char *why, size_t size)
{
	const json_t	*coa = json_object_get(json_object_get(rec, "decision"), "coa");
	const char	*word = json_string_value(coa);

	why[0] = '\0';
	*out = app->action;
	if (app->action_given || coa == NULL || json_is_null(coa) ||
	    (word != NULL && action_parse(word, out)))
		return true;
	if (word == NULL || strcmp(word, "none") != 0)
		snprintf(why, size, "decision.coa: is not none, " ACTION_WORDS);
	return false;
}

/* What the decision gives the client. */
static void
read_change(const struct app *app, const json_t *rec, struct change *out)
{
	const json_t	*decision = json_object_get(rec, "decision");
	const json_t	*vlan = json_object_get(decision, "vlan");
	const char	*role = json_string_value(json_object_get(decision, "role"));
	const char	*page = json_string_value(json_object_get(decision, "redirect"));

	memset(out, 0, sizeof(*out));
	if (json_is_integer(vlan))
		snprintf(out->vlan, sizeof(out->vlan), "%" JSON_INTEGER_FORMAT,
		    json_integer_value(vlan));
	else if (json_is_string(vlan))
		text_copy(out->vlan, sizeof(out->vlan), json_string_value(vlan));
	if (role != NULL)
		text_copy(out->role, sizeof(out->role), role);
	text_copy(out->redirect, sizeof(out->redirect), page != NULL ? page : app->redirect);
}

/* A session and its line in the NAS file become a packet, which leaves. */
static int
act(struct app *app, json_t *rec, const char *where, const struct session *s,
    struct nas *nas, enum action action)
{
	struct filled	 filled[PROFILE_FILLED];
	struct job	 job = { .profile = nas->profile, .action = action };
	struct outcome	 o = { .profile = nas->profile, .nas = job.nas, .filled = filled,
			     .action = &job.action };
	struct change	 change;
	char		 why[FILE_WHY];
	const char	*secret;
	uint8_t		 id;

	if (!nas_address(nas, s, &job.coa.addr, &job.coa.addrlen, job.nas)) {
		o.filled = NULL;
		return refuse(app, rec, where, &o, "neither the session nor the NAS file "
		    "has an address of this NAS", EX_DATAERR);
	}
	read_change(app, rec, &change);
	if (!profile_fill(nas->profile, action, s, &change, app->dict, filled, &o.nfilled,
	    why)) {
		o.filled = NULL;
		return refuse(app, rec, where, &o, why,
		    nas->profile->action[action].code == 0 ? EX_CONFIG : EX_DATAERR);
	}
	if ((secret = nas_secret(nas, why)) == NULL) {
		o.filled = NULL;
		return refuse(app, rec, where, &o, why,
		    errno == EPERM || errno == EACCES ? EX_NOPERM : EX_CONFIG);
	}
	if (app->dry_run) {
		o.result = "dry-run";
		return emit(app, rec, &o);
	}
	if (getrandom(&id, sizeof(id), 0) != sizeof(id))
		err(EX_OSERR, "getrandom");
	if (!profile_packet(nas->profile, action, filled, o.nfilled, id, when_now(),
	    &job.coa.request)) {
		o.filled = NULL;
		return refuse(app, rec, where, &o, "its packet would be too large", EX_DATAERR);
	}
	if (!packet_sign(&job.coa.request, secret))
		errx(EX_SOFTWARE, "cannot sign a packet");
	job.coa.secret = secret;
	return launch(app, rec, where, &job);
}

/* record_each()'s function: one record. */
static int
one(json_t *rec, const char *where, void *arg)
{
	struct app	*app = arg;
	struct outcome	 o = { 0 };
	struct session	 s;
	enum action	 action;
	struct nas	*nas;
	char		 why[FILE_WHY];

	if (json_object_get(rec, "session") == NULL)
		return refuse(app, rec, where, &o, "this record has no session", EX_DATAERR);
	if (!record_session(rec, &s, why, sizeof(why)))
		return refuse(app, rec, where, &o, why, EX_DATAERR);
	if (s.ended) {
		o.result = "skipped";
		o.why = "the session has ended";
		return emit(app, rec, &o);
	}
	if (!wanted(app, rec, &action, why, sizeof(why))) {
		if (why[0] != '\0')
			return refuse(app, rec, where, &o, why, EX_DATAERR);
		o.result = "skipped";
		o.why = "decision.coa is none";
		return emit(app, rec, &o);
	}
	o.action = &action;
	if ((nas = nas_find(app->nas, &s)) == NULL) {
		snprintf(why, sizeof(why), "the NAS %.64s is not in %.300s",
		    s.nas_ip[0] != '\0' ? s.nas_ip : s.nas_id[0] != '\0' ? s.nas_id :
		    "(without a name)", app->nas->name);
		return refuse(app, rec, where, &o, why, EX_CONFIG);
	}
	return act(app, rec, where, &s, nas, action);
}

/* Everything that main() takes from the command line. */
struct arguments {
	const char	*conf;
	const char	*nas;
	const char	*profiles;
	const char	*dictionary;
};

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

static void
parse_options(int argc, char **argv, struct app *app, struct arguments *a)
{
	enum { NAS = 256, PROFILES, DICTIONARY, TIMEOUT, TRIES, REQUIRE, MANY, HELP, VERSION };
	static const struct option	 options[] = {
		{ "action", required_argument, NULL, 'a' },
		{ "dry-run", no_argument, NULL, 'n' },
		{ "verbose", no_argument, NULL, 'v' },
		{ "config", required_argument, NULL, 'c' },
		{ "nas", required_argument, NULL, NAS },
		{ "profiles", required_argument, NULL, PROFILES },
		{ "dictionary", required_argument, NULL, DICTIONARY },
		{ "timeout", required_argument, NULL, TIMEOUT },
		{ "tries", required_argument, NULL, TRIES },
		{ "jobs", required_argument, NULL, MANY },
		{ "require-message-authenticator", no_argument, NULL, REQUIRE },
		{ "help", no_argument, NULL, HELP },
		{ "version", no_argument, NULL, VERSION },
		{ NULL, 0, NULL, 0 }
	};
	int	 c;

	while ((c = getopt_long(argc, argv, "a:nvc:", options, NULL)) != -1)
		switch (c) {
		case 'a':
			if (!action_parse(optarg, &app->action)) {
				warnx("--action must be " ACTION_WORDS);
				cli_usage();
			}
			app->action_given = true;
			break;
		case 'n': app->dry_run = true; break;
		case 'v': app->options.note = note; break;
		case 'c': a->conf = optarg; break;
		case NAS: a->nas = optarg; break;
		case PROFILES: a->profiles = optarg; break;
		case DICTIONARY: a->dictionary = optarg; break;
		case TIMEOUT:
			app->options.timeout = number("timeout", optarg, COA_TIMEOUT_MAX);
			break;
		case TRIES: app->options.tries = number("tries", optarg, COA_TRIES_MAX); break;
		case MANY: app->jobs = (size_t)number("jobs", optarg, JOBS_MAX); break;
		case REQUIRE: app->options.require_ma = true; break;
		case HELP: cli_help(usage);
		case VERSION: cli_version();
		default: cli_usage();
		}
}

/* Loads all that must be good before the first packet.  Returns whether it is. */
static bool
set_up(struct app *app, const struct arguments *a)
{
	struct conf	*conf;
	const char	*profiles, *dictionary, *nas;
	bool		 good = false;

	if ((conf = conf_load(a->conf, conf_warn, NULL)) == NULL)
		return false;
	dictionary = a->dictionary != NULL ? a->dictionary :
	    conf_get(conf, "dictionary", NAC_SHARE "/dictionary");
	profiles = a->profiles != NULL ? a->profiles :
	    conf_get(conf, "profiles_dir", NAC_SHARE "/profiles");
	nas = a->nas != NULL ? a->nas : conf_get(conf, "nas_file", NAS_PATH);
	if ((app->dict = dict_load(dictionary, conf_warn, NULL)) != NULL &&
	    (app->nas = nas_load(nas, conf_warn, NULL)) != NULL)
		good = nas_profiles(app->nas, profiles, app->dict, conf_warn, NULL);
	conf_free(conf);
	return good;
}

int
main(int argc, char **argv)
{
	static const cookie_io_functions_t	 input = { .read = read_input };
	static struct app			 app;
	struct arguments			 a = { 0 };
	FILE					*in = NULL;
	int					 status = EX_CONFIG;

	cli_start();
	app.options.timeout = COA_TIMEOUT;
	app.options.tries = COA_TRIES;
	app.jobs = JOBS;
	app.redirect = REDIRECT;
	parse_options(argc, argv, &app, &a);
	file_no_core();
	if (!packet_crypto())
		errx(EX_SOFTWARE, "this OpenSSL has no MD5, and RADIUS has nothing else");
	if (!set_up(&app, &a))
		goto out;
	if ((in = fopencookie(&app, "r", input)) == NULL)
		err(EX_OSERR, NULL);
	status = record_each(argc - optind, argv + optind, in, one, &app);
	while (app.njob > 0)
		pump(&app, -1);
	status = cli_worst(status, app.status);
	fclose(in);
out:
	nas_free(app.nas);
	dict_free(app.dict);
	return cli_finish(status);
}
