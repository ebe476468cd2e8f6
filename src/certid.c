/*
 * certid: says who a certificate is.  Certificates in, one NDJSON record each
 * out, with the member `identity` of nac-record(5).
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/cli.h"
#include "base/file.h"
#include "base/text.h"
#include "base/when.h"
#include "device/x509.h"

/* An identity takes at most 25 KiB, a path that is all control bytes as much,
 * and a reason 8. */
#define RECORD_ROOM	(64 * 1024)

static const char usage[] =
    "usage: certid [--ca FILE [--at TIME]] [--all] [-v] [FILE ...]\n"
    "Prints a record with the identity in each certificate: PEM, DER, PKCS#7 or a\n"
    "chain, of which the device's own.  Reads standard input without FILE, or for -.\n"
    "\n"
    "  -C, --ca FILE    verify against the CA certificates in FILE\n"
    "  -t, --at TIME    verify as of TIME (2026-11-21T08:30:00Z), not now\n"
    "  -a, --all        every certificate of a file, not only the device's\n"
    "  -v, --verbose    say on standard error what else a certificate holds\n"
    "  -h, --help       show this\n"
    "  -V, --version    show the version\n"
    "\n"
    "Exit status: 0 done, 1 a certificate does not verify, 64 usage, 65 no\n"
    "certificate or one that is damaged or hostile, 74 cannot read, 77 not allowed to.\n";

struct options {
	struct cert_trust	*trust;		/* NULL: not asked to verify */
	int64_t			 at;
	bool			 all;
	bool			 verbose;
};

static void
tell(void *arg, const char *text)
{
	warnx("%s: %s", (const char *)arg, text);
}

/* Reads a file whole.  Returns its certificates, or NULL after a message, with
 * *status set. */
static struct certs *
load(const char *path, const char *where, int *status)
{
	struct certs	*certs = NULL;
	char		 why[CERT_WHY], *data = NULL;
	size_t		 len = 0;
	int		 fd = STDIN_FILENO;

	if (path != NULL)
		fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd != -1 && file_read_all(fd, CERT_FILE_MAX, &data, &len) == 0) {
		if ((certs = cert_load(data, len, why)) == NULL) {
			warnx("%s: %s", where, why);
			*status = EX_DATAERR;
		}
		/* People hand over files that hold the key as well. */
		explicit_bzero(data, len);
	} else if (errno == EFBIG) {
		warnx("%s: larger than %d bytes: no certificate file is", where,
		    CERT_FILE_MAX);
		*status = EX_DATAERR;
	} else {
		*status = errno == EACCES || errno == EPERM ? EX_NOPERM : EX_IOERR;
		warn("%s", where);
	}
	free(data);
	if (path != NULL && fd != -1)
		close(fd);
	return certs;
}

/* Prints the record of certificate i of a file and returns its status. */
static int
one(const struct certs *certs, size_t i, const char *file, const char *where,
    const struct options *opt)
{
	static struct identity	 id;
	static char		 text[RECORD_ROOM];
	struct jsonw		 w;
	char			 name[TEXT_SHOWN + 32], why[CERT_WHY];
	bool			 good = true;

	snprintf(name, sizeof(name), "%s", where);
	if (cert_count(certs) > 1)
		snprintf(name, sizeof(name), "%s: certificate %zu", where, i + 1);
	if (!cert_identity(certs, i, &id, opt->verbose ? tell : NULL, name, why)) {
		warnx("%s: refused: %s", name, why);
		return EX_DATAERR;
	}
	jw_init(&w, text, sizeof(text));
	jw_object(&w, NULL);
	jw_object(&w, "identity");
	jw_str(&w, "file", file);
	identity_write_fields(&w, &id);
	if (opt->trust != NULL) {
		good = cert_verify(certs, i, opt->trust, opt->at, why);
		jw_bool(&w, "verified", good);
		jw_opt(&w, "verify_error", why);
		if (!good && opt->verbose)
			warnx("%s: not verified: %s", name, why);
	}
	jw_end_object(&w);
	jw_end_object(&w);
	if (jw_done(&w) == NULL)
		errx(EX_SOFTWARE, "%s: the record is too large", name);
	puts(text);
	return good ? STATUS_OK : STATUS_NO;
}

static int
each(const char *path, const struct options *opt)
{
	struct certs	*certs;
	char		 where[TEXT_SHOWN] = "<stdin>";
	size_t		 i, leaf;
	int		 status = STATUS_OK;

	if (path != NULL && strcmp(path, "-") == 0)
		path = NULL;
	if (path != NULL)
		text_safe(where, sizeof(where), path, strlen(path));
	if ((certs = load(path, where, &status)) == NULL)
		return status;
	leaf = cert_leaf(certs);
	for (i = 0; i < cert_count(certs); i++)
		if (opt->all || i == leaf)
			status = cli_worst(status, one(certs, i,
			    path != NULL ? path : where, where, opt));
	cert_free(certs);
	return status;
}

static struct cert_trust *
trust(const char *path)
{
	struct cert_trust	*t;
	struct certs		*certs;
	char			 where[TEXT_SHOWN];
	int			 status;

	text_safe(where, sizeof(where), path, strlen(path));
	if ((certs = load(path, where, &status)) == NULL)
		exit(status);
	t = cert_trust_new(certs);
	cert_free(certs);
	return t;
}

int
main(int argc, char **argv)
{
	static const struct option	 longs[] = {
		{ "ca", required_argument, NULL, 'C' },
		{ "at", required_argument, NULL, 't' },
		{ "all", no_argument, NULL, 'a' },
		{ "verbose", no_argument, NULL, 'v' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ NULL, 0, NULL, 0 }
	};
	struct options	 opt = { .at = when_now() };
	const char	*ca = NULL, *at = NULL;
	int		 c, status = STATUS_OK;

	cli_start();
	while ((c = getopt_long(argc, argv, "C:t:avhV", longs, NULL)) != -1)
		switch (c) {
		case 'C':
			ca = optarg;
			break;
		case 't':
			at = optarg;
			break;
		case 'a':
			opt.all = true;
			break;
		case 'v':
			opt.verbose = true;
			break;
		case 'h':
			cli_help(usage);
		case 'V':
			cli_version();
		default:
			cli_usage();
		}
	if (at != NULL && ca == NULL) {
		warnx("--at says when to verify, but there is no --ca to verify against");
		cli_usage();
	}
	if (at != NULL && (!when_parse(at, &opt.at) || opt.at == WHEN_NEVER ||
	    opt.at == WHEN_ALWAYS)) {
		warnx("--at: no time like 2026-11-21T08:30:00Z");
		cli_usage();
	}
	if (ca != NULL)
		opt.trust = trust(ca);
	if (optind == argc)
		status = each(NULL, &opt);
	for (; optind < argc; optind++)
		status = cli_worst(status, each(argv[optind], &opt));
	cert_trust_free(opt.trust);
	return cli_finish(status);
}
