#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/cli.h"
#include "base/conf.h"
#include "base/text.h"
#include "base/when.h"
#include "device/record.h"
#include "device/record_scan.h"
#include "policy/decision_json.h"
#include "policy/explain.h"
#include "policy/filter.h"
#include "policy/good.h"
#include "policy/watch.h"

#define KEEP	65536		/* output is printed in pieces of about this size */
#define MEMBER	16384		/* bytes of a decision */

struct job {
	const struct filter_options	*o;
	const struct policy		*policy;
	struct watch			*watch;
	char				*out;	/* what is kept back until more can be printed */
	size_t				 kept;
	bool				 look;	/* at the rules again */
};

/* Says to standard error which line decided. */
static void
tell(const char *where, const struct decision *d)
{
	char	 name[TEXT_SHOWN], rule[TEXT_SHOWN] = "no-match";

	if (d->file != NULL)
		snprintf(rule, sizeof(rule), "%s:%d", d->file, d->line);
	fprintf(stderr, "%s: %s by %s", where, d->action == ACTION_ALLOW ? "allow" : "deny",
	    rule);
	if (d->name != NULL)
		fprintf(stderr, " \"%s\"", text_safe(name, sizeof(name), d->name,
		    strlen(d->name)));
	fprintf(stderr, ": %s\n", d->reason);
}

/* That it cannot be kept changes no decision. */
void
filter_keep(const struct policy *p, const char *rules, const char *state_dir, bool force)
{
	char		 why[GOOD_WHY];
	enum good_rc	 rc = good_keep(p, rules, state_dir, force, why);

	if (rc != GOOD_KEPT && rc != GOOD_SAME)
		warnx("%s", why);
}

/* The rules now, which may have changed since the last record. */
static const struct policy *
current(struct job *job)
{
	const struct policy	*p = watch_policy(job->watch);

	if (p != job->policy) {
		job->policy = p;
		if (job->o->keep)
			filter_keep(p, job->o->rules, job->o->state_dir, false);
	}
	return p;
}

/* To standard error for people, and into the decision for programs. */
static void
explain(const struct policy *p, const struct facts *f, const char *where, json_t *decision)
{
	json_t	*list = policy_explain(p, f);

	explain_print(list, where, stderr);
	if (json_object_set_new(decision, "explain", list) == -1)
		err(EX_OSERR, NULL);
}

/* A record_fn: judges one record and prints it. */
static int
decide(json_t *rec, const char *where, void *arg)
{
	struct job		*job = arg;
	struct identity		 id;
	struct session		 session;
	struct answer		 answer;
	struct facts		 f = { &id, &session, &answer, job->o->now };
	struct decision		 d;
	json_t			*before = json_object_get(rec, "decision"), *now;
	char			 why[TEXT_SHOWN * 2];
	bool			 changed = true;
	int			 rc;

	if (record_is_list(rec))
		return record_print(rec, stdout);
	if (f.now == 0)
		f.now = when_now();
	if (!record_identity(rec, &id, why, sizeof(why)) ||
	    !record_session(rec, &session, why, sizeof(why)) ||
	    !record_answer(rec, &answer, why, sizeof(why))) {
		warnx("%s: %s", where, why);
		return EX_DATAERR;
	}
	decision_settle_hint(current(job), rec, &session);
	policy_decide(job->policy, &f, &d);
	now = decision_json(&d, f.now);
	if (job->o->changed && !decision_changed(before, now, &changed, why, sizeof(why))) {
		json_decref(now);
		warnx("%s: %s", where, why);
		return EX_DATAERR;
	}
	if (job->o->verbose)
		tell(where, &d);
	if (job->o->explain && changed)
		explain(job->policy, &f, where, now);
	if (!changed) {
		json_decref(now);
		return job->o->all ? record_print(rec, stdout) : STATUS_OK;
	}
	/* Where all are printed, `was` is what tells those that differ. */
	if ((job->o->changed && (json_is_object(before) || job->o->all) &&
	    json_object_set_new(now, "was", json_is_object(before) ? decision_was(before) :
	    json_null()) == -1) ||
	    json_object_set_new(rec, "decision", now) == -1)
		err(EX_OSERR, NULL);
	if ((rc = record_print(rec, stdout)) != 0)
		return rc;
	return job->o->changed || d.action == ACTION_ALLOW ? STATUS_OK : STATUS_NO;
}

/* Prints what was kept back; the same words and status as record_print()'s. */
static int
flush(struct job *job)
{
	size_t	 n = job->kept;

	job->kept = 0;
	if (n > 0 && (fwrite(job->out, 1, n, stdout) != n || fflush(stdout) == EOF)) {
		warn("standard output");
		return EX_IOERR;
	}
	return STATUS_OK;
}

static void
keep(struct job *job, const char *text, size_t len)
{
	memcpy(job->out + job->kept, text, len);
	job->kept += len;
}

/*
 * A record_raw_fn: what decide() does, without a JSON library and with the record
 * copied as it stands, for the lines that our own programs write.  As long as
 * more lines have been read already, output is kept back and the rules are not
 * looked at again.
 */
static int
decide_raw(const char *line, size_t len, bool more, const char *where, void *arg)
{
	struct job		*job = arg;
	struct identity		 id;
	struct session		 session;
	struct answer		 answer;
	struct facts		 f = { &id, &session, &answer, job->o->now };
	struct decision		 d;
	struct record_gap	 gap = { 0, 0, false };
	struct jsonw		 w;
	char			 text[MEMBER];
	const char		*member;
	int			 rc;

	if (job->o->changed || job->o->explain ||
	    !record_scan(line, len, &id, &session, &answer, &gap)) {
		rc = flush(job);
		job->look = true;
		return rc != STATUS_OK ? rc : RECORD_PARSE;
	}
	if (f.now == 0)
		f.now = when_now();
	if (job->look)
		current(job);
	job->look = !more;
	policy_decide(job->policy, &f, &d);
	jw_init(&w, text, sizeof(text));
	jw_object(&w, NULL);
	decision_write(&w, &d, f.now);
	if ((member = jw_done(&w)) == NULL)
		errx(EX_SOFTWARE, "cannot write a decision: it is too large");
	if (job->o->verbose)
		tell(where, &d);
	/* Behind its brace, which jw_object() has opened. */
	keep(job, line, gap.begin);
	keep(job, ",", gap.comma);
	keep(job, member + 1, strlen(member + 1));
	keep(job, line + gap.end, len - gap.end);
	keep(job, "\n", 1);
	if ((!more || job->kept > KEEP) && (rc = flush(job)) != STATUS_OK)
		return rc;
	return d.action == ACTION_ALLOW ? STATUS_OK : STATUS_NO;
}

int
filter_run(struct policy *p, bool broken, const struct filter_options *o, int argc, char **argv)
{
	struct job	 job = { .o = o, .policy = p, .look = true };
	int		 rc;

	job.watch = watch_new(o->rules, p, broken, conf_warn, NULL);
	if (argc > 0)
		rc = record_each(argc, argv, stdin, decide, &job);
	else {
		if ((job.out = malloc(KEEP + RECORD_MAX + MEMBER)) == NULL)
			err(EX_OSERR, NULL);
		rc = record_each_raw(STDIN_FILENO, decide_raw, decide, &job);
		rc = cli_worst(rc, flush(&job));
		free(job.out);
	}
	watch_free(job.watch);
	return rc;
}
