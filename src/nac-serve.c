/*
 * nac-serve: radius-hook's decision over HTTP, for FreeRADIUS' rlm_rest and
 * others.
 */
#include <sys/signalfd.h>

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/cli.h"
#include "base/file.h"
#include "base/num.h"
#include "base/text.h"
#include "radius/hook_args.h"
#include "serve/http.h"

static const char usage[] =
"usage: nac-serve [-c file] [--listen address]... [--rules file] [options]\n"
"Answers radius-hook's decision over HTTP: POST /freeradius/authorize, post-auth\n"
"and accounting (rlm_rest), /decide (records), /smallstep; GET /healthz, /metrics.\n"
"  -c, --config FILE      nac.conf(5) (default /etc/intune-nac/nac.conf)\n"
"  -l, --listen ADDRESS   127.0.0.1:8043 (the default), [::1]:8043, unix:/path\n"
"      --rules FILE, --state-dir DIR, --journal FILE   in place of nac.conf's\n"
"      --fallback WORD    quarantine (default) or deny, when something is broken\n"
"      --quarantine-vlan N  VLAN of that answer (default 1)\n"
"      --token-file FILE  asked for in every request but /healthz\n"
"      --tls-cert FILE, --tls-key FILE   PEM; with a token needed beyond loopback\n"
"      --smallstep-secret FILE   signing secret of smallstep's RADIUS webhook\n"
"      --threads N        for each address (default: half the processors)\n"
"      --connections N    open at most at one time (default 512)\n"
"      --timeout SECONDS  for one request (default 10)\n"
"  -n, --check            read configuration, rules and secrets, and end\n"
"  -h, --help             this text\n"
"      --version          print the version\n";

#define OLDER_MAX	4	/* certificates whose connections are kept, beside the newest */
#define LISTEN_DEFAULT	"127.0.0.1:8043"
#define TOKEN_MIN	16	/* characters; shorter ones are guessed */
#define PEM_MAX		(1024 * 1024)
#define THREADS_DEFAULT_MAX 8
#define LOOK_MS		500	/* how often files are looked at for changes */

enum { OPT_TOKEN = 256, OPT_CERT, OPT_KEY, OPT_SMALLSTEP, OPT_THREADS, OPT_CONNECTIONS,
    OPT_TIMEOUT, OPT_VERSION };

static const struct option options[] = {
	HOOK_ARGS,
	{ "listen", required_argument, NULL, 'l' },
	{ "token-file", required_argument, NULL, OPT_TOKEN },
	{ "tls-cert", required_argument, NULL, OPT_CERT },
	{ "tls-key", required_argument, NULL, OPT_KEY },
	{ "smallstep-secret", required_argument, NULL, OPT_SMALLSTEP },
	{ "threads", required_argument, NULL, OPT_THREADS },
	{ "connections", required_argument, NULL, OPT_CONNECTIONS },
	{ "timeout", required_argument, NULL, OPT_TIMEOUT },
	{ "check", no_argument, NULL, 'n' },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, OPT_VERSION },
	{ NULL, 0, NULL, 0 }
};

struct settings {
	struct hook_options	 hook;
	struct http_options	 http;
	const char		*where[LISTEN_MAX];
	size_t			 nwhere;
	const char		*token_file, *cert_file, *key_file, *smallstep_file;
	bool			 check;
};

/* The secrets, for as long as the program runs. */
struct secrets {
	char			*token, *cert, *key;
	size_t			 key_len;
	struct smallstep_key	 smallstep;
};

static void
say(const char *line)
{
	char	 safe[HOOK_WHY + 256];

	warnx("%s", text_safe(safe, sizeof(safe), line, strlen(line)));
}

static int64_t
number(const char *option, const char *word, int64_t min, int64_t max)
{
	const char	*why;
	int64_t		 n;

	if (!num_parse(word, min, max, &n, &why)) {
		warnx("%s: %s", option, why);
		cli_usage();
	}
	return n;
}

static void
add_listen(struct settings *set, const char *where)
{
	if (set->nwhere == LISTEN_MAX)
		errx(EX_USAGE, "--listen: at most %d times", LISTEN_MAX);
	set->where[set->nwhere++] = where;
}

static void
parse_one(struct settings *set, int c)
{
	char		 shown[TEXT_SHOWN];
	const char	*why;

	switch (hook_arg(&set->hook, c, optarg, &why)) {
	case HOOK_ARG_TAKEN:
		return;
	case HOOK_ARG_WRONG:
		warnx("%s \"%s\"", why, text_safe(shown, sizeof(shown), optarg, strlen(optarg)));
		cli_usage();
	case HOOK_ARG_OTHER:
		break;
	}
	switch (c) {
	case 'l':
		add_listen(set, optarg);
		break;
	case 'n':
		set->check = true;
		break;
	case OPT_TOKEN:
		set->token_file = optarg;
		break;
	case OPT_CERT:
		set->cert_file = optarg;
		break;
	case OPT_KEY:
		set->key_file = optarg;
		break;
	case OPT_SMALLSTEP:
		set->smallstep_file = optarg;
		break;
	case OPT_THREADS:
		set->http.threads = (unsigned int)number("--threads", optarg, 1, 64);
		break;
	case OPT_CONNECTIONS:
		set->http.connections = (unsigned int)number("--connections", optarg, 8, 16384);
		break;
	case OPT_TIMEOUT:
		set->http.timeout = (unsigned int)number("--timeout", optarg, 1, 600);
		break;
	case OPT_VERSION:
		cli_version();
	case 'h':
		cli_help(usage);
	default:
		cli_usage();
	}
}

/* The other half is for the RADIUS server on the same machine, which has more to
 * do for each request; a thread answers some 30,000 a second. */
static unsigned int
default_threads(void)
{
	long	 n = sysconf(_SC_NPROCESSORS_ONLN) / 2;

	return n < 1 ? 1 : n > THREADS_DEFAULT_MAX ? THREADS_DEFAULT_MAX : (unsigned int)n;
}

static void
parse(struct settings *set, int argc, char **argv)
{
	int	 c;

	while ((c = getopt_long(argc, argv, "c:l:nh", options, NULL)) != -1)
		parse_one(set, c);
	if (optind < argc) {
		warnx("%s: takes no argument", argv[optind]);
		cli_usage();
	}
	if ((set->cert_file == NULL) != (set->key_file == NULL)) {
		warnx("--tls-cert and --tls-key go together");
		cli_usage();
	}
	if (set->nwhere == 0)
		add_listen(set, LISTEN_DEFAULT);
}

/* A PEM file, whole.  Returns NULL after a message, with a status in *rc. */
static char *
read_pem(const char *path, int private, size_t *len, int *rc)
{
	char	*text, why[FILE_WHY];
	int	 fd, got;

	*rc = EX_CONFIG;
	if ((fd = file_open_checked(path, private, why)) == -1) {
		if (errno == EPERM || errno == EACCES)
			*rc = EX_NOPERM;
		warnx("%s", why);
		return NULL;
	}
	got = file_read_all(fd, PEM_MAX, &text, len);
	if (got == -1)
		warn("%s", path);
	close(fd);
	return got == -1 ? NULL : text;
}

static void
wipe_tls(struct secrets *s)
{
	if (s->key != NULL)
		explicit_bzero(s->key, s->key_len);
	free(s->key);
	free(s->cert);
	s->key = s->cert = NULL;
}

/* Certificate and key, if there are to be any.  Returns 0 or a status. */
static int
read_tls(const struct settings *set, struct secrets *s)
{
	size_t	 len;
	int	 rc = 0;

	if (set->cert_file != NULL &&
	    ((s->cert = read_pem(set->cert_file, 0, &len, &rc)) == NULL ||
	    (s->key = read_pem(set->key_file, 1, &s->key_len, &rc)) == NULL)) {
		wipe_tls(s);
		return rc;
	}
	return 0;
}

static void
read_secrets(const struct settings *set, struct secrets *s)
{
	char	 why[FILE_WHY];
	int	 rc;

	if (set->token_file != NULL) {
		if (file_secret(set->token_file, &s->token, why) == -1)
			errx(errno == EPERM || errno == EACCES ? EX_NOPERM : EX_CONFIG, "%s", why);
		if (strlen(s->token) < TOKEN_MIN)
			errx(EX_CONFIG, "%s: a token has at least %d characters",
			    set->token_file, TOKEN_MIN);
	}
	if (set->smallstep_file != NULL && !smallstep_load(set->smallstep_file, &s->smallstep))
		exit(EX_CONFIG);
	if ((rc = read_tls(set, s)) != 0)
		exit(rc);
}

static void
wipe_secrets(struct secrets *s)
{
	if (s->token != NULL)
		explicit_bzero(s->token, strlen(s->token));
	explicit_bzero(&s->smallstep, sizeof(s->smallstep));
	free(s->token);
	wipe_tls(s);
}

static void
close_listeners(struct listener *l, size_t n)
{
	while (n > 0)
		listen_close(&l[--n]);
}

/* Opens what is to be listened on, and refuses what would let the network in
 * without TLS and a token.  Returns how many there are. */
static size_t
open_listeners(const struct settings *set, struct listener *l)
{
	char	 why[LISTEN_WHY];
	size_t	 n, i;
	int	 given, rc;

	if ((given = listen_inherited(l, LISTEN_MAX, why)) == -1)
		errx(EX_CONFIG, "%s", why);
	n = (size_t)given;
	for (i = 0; given == 0 && i < set->nwhere; i++, n++)
		if ((rc = listen_open(set->where[i], &l[i], why)) != 0) {
			warnx("--listen: %s", why);
			close_listeners(l, n);
			exit(rc);
		}
	for (i = 0; i < n; i++)
		if (!l[i].local && (set->cert_file == NULL || set->token_file == NULL)) {
			warnx("%s: is beyond loopback: needs --tls-cert, --tls-key and "
			    "--token-file", l[i].name);
			close_listeners(l, n);
			exit(EX_CONFIG);
		}
	return n;
}

/* Signals are read from a descriptor; no thread is ever interrupted by one. */
static int
catch_signals(void)
{
	sigset_t	 set;
	int		 fd;

	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	if (sigprocmask(SIG_BLOCK, &set, NULL) == -1 ||
	    (fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK)) == -1)
		err(EX_OSERR, "signals");
	return fd;
}

/* What answers: one http, and those with an older certificate that still have
 * connections. */
struct serving {
	const struct settings	*set;
	struct secrets		*secrets;
	const struct routes	*routes;
	const struct listener	*listeners;
	size_t			 n;
	struct http		*http;
	struct http		*older[OLDER_MAX];
	size_t			 nolder;
};

/* Starts answering by the secrets there are.  NULL after a message. */
static struct http *
start(const struct serving *s, const struct secrets *secrets)
{
	struct http_options	 o = s->set->http;

	o.cert = secrets->cert;
	o.key = secrets->key;
	return http_start(s->listeners, s->n, &o, s->routes);
}

/* Ends what has no more connections, or the oldest when there are too many. */
static void
end_older(struct serving *s, bool one)
{
	size_t	 i, o = 0;

	for (i = 0; i < s->nolder; i++)
		if (http_retired(s->older[i]) || (one && i == 0))
			http_stop(s->older[i]);
		else
			s->older[o++] = s->older[i];
	s->nolder = o;
}

/* Another certificate: new connections get it, those that are open keep theirs until
 * their next answer.  Nobody is turned away meanwhile. */
static void
reload_tls(struct serving *s)
{
	struct secrets	 new = { NULL, NULL, NULL, 0, { { 0 }, 0 } };
	struct http	*http = NULL;

	if (s->set->cert_file == NULL)
		return;
	if (read_tls(s->set, &new) == 0 && strcmp(new.cert, s->secrets->cert) == 0 &&
	    strcmp(new.key, s->secrets->key) == 0) {
		wipe_tls(&new);
		return;
	}
	if (new.cert == NULL || (http = start(s, &new)) == NULL) {
		warnx("the certificate read before stays in force");
		wipe_tls(&new);
		return;
	}
	http_retire(s->http);
	end_older(s, s->nolder == OLDER_MAX);
	s->older[s->nolder++] = s->http;
	s->http = http;
	wipe_tls(s->secrets);
	s->secrets->cert = new.cert;
	s->secrets->key = new.key;
	s->secrets->key_len = new.key_len;
	warnx("%s: the new certificate is in force", s->set->cert_file);
}

/* Until SIGTERM or SIGINT. */
static void
run(struct serving *s, struct live *live, int signals)
{
	struct signalfd_siginfo	 info;
	struct pollfd		 p = { signals, POLLIN, 0 };
	size_t			 i;

	for (;;) {
		poll(&p, 1, LOOK_MS);
		while (read(signals, &info, sizeof(info)) == sizeof(info)) {
			if (info.ssi_signo != SIGHUP)
				return;
			live_reload(live, true);
			reload_tls(s);
		}
		live_reload(live, false);
		http_sweep(s->http);
		for (i = 0; i < s->nolder; i++)
			http_sweep(s->older[i]);
		end_older(s, false);
	}
}

static void
stop(struct serving *s)
{
	http_stop(s->http);
	while (s->nolder > 0)
		http_stop(s->older[--s->nolder]);
}

int
main(int argc, char **argv)
{
	struct settings	 set = { .http = { .connections = 512, .timeout = 10 } };
	struct secrets	 secrets = { NULL, NULL, NULL, 0, { { 0 }, 0 } };
	struct listener	 listeners[LISTEN_MAX];
	struct routes	 routes = { .say = say };
	struct serving	 serving = { &set, &secrets, &routes, listeners, 0, NULL, { NULL }, 0 };
	size_t		 n = 0, i;
	int		 status = STATUS_OK, signals;

	set.http.threads = default_threads();
	parse(&set, argc, argv);
	file_no_core();
	read_secrets(&set, &secrets);
	signals = catch_signals();
	if ((routes.live = live_new(&set.hook, say)) == NULL)
		return EX_CONFIG;
	if (set.check) {
		status = live_ready(routes.live) ? STATUS_OK : EX_CONFIG;
		goto out;
	}
	n = open_listeners(&set, listeners);
	routes.metrics = metrics_new();
	routes.token = secrets.token;
	routes.smallstep = set.smallstep_file != NULL ? &secrets.smallstep : NULL;
	serving.n = n;
	if ((serving.http = start(&serving, &secrets)) == NULL)
		status = EX_UNAVAILABLE;
	else {
		for (i = 0; i < n; i++)
			warnx("listening on %s", listeners[i].name);
		run(&serving, routes.live, signals);
		stop(&serving);
		warnx("stopped");
	}
	close_listeners(listeners, n);
	metrics_free(routes.metrics);
out:
	live_free(routes.live);
	wipe_secrets(&secrets);
	close(signals);
	return status;
}
