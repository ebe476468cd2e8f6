#include <sys/stat.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include <err.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/text.h"
#include "base/when.h"
#include "device/record.h"
#include "radius/rest.h"
#include "serve/routes.h"

#define ANSWER	32768		/* the replies of one decision stay far below */

static const char	 json[] = "application/json";
static const char	 plain[] = "text/plain; charset=utf-8";

struct work {
	struct hook	 hook;
	struct journal_kept journal;
	char		 line[JOURNAL_LINE];
	char		 answer[ANSWER];
	char		*text;		/* of malloc(), when answer is not enough */
};

struct work *
work_new(void)
{
	struct work	*w;

	if ((w = calloc(1, sizeof(*w))) == NULL)
		err(EX_OSERR, NULL);
	w->journal.fd = -1;
	w->hook.kept = &w->journal;
	return w;
}

void
work_free(struct work *w)
{
	if (w->journal.fd != -1)
		close(w->journal.fd);
	free(w->text);
	free(w);
}

static void
tell(struct told *out, int status, const char *type, const char *body, size_t len)
{
	out->status = status;
	out->type = type;
	out->body = body;
	out->len = len;
}

/* Plain text: FreeRADIUS reads the body of 2xx and 401 alone, and a person all. */
static void
refuse(struct work *w, struct told *out, int status, const char *what, const char *why)
{
	char	 shown[TEXT_SHOWN];
	int	 n;

	n = snprintf(w->answer, sizeof(w->answer), "%s%s%s\n", what, *why != '\0' ? ": " : "",
	    text_safe(shown, sizeof(shown), why, strlen(why)));
	tell(out, status, plain, w->answer, (size_t)n);
}

enum endpoint
routes_endpoint(const char *path)
{
	int	 e;

	for (e = 0; e < ENDPOINT_OTHER; e++)
		if (strcmp(path, endpoint_name((enum endpoint)e)) == 0)
			return (enum endpoint)e;
	return ENDPOINT_OTHER;
}

/* Compares secrets in a time that tells nothing but their lengths. */
static bool
same_secret(const char *a, const char *b, size_t len)
{
	return strlen(a) == len && CRYPTO_memcmp(a, b, len) == 0;
}

/* "Bearer TOKEN", or Basic with any user and the token as password: that is what
 * rlm_rest can send (RFC 6750, RFC 7617). */
static bool
is_let_in(const struct routes *r, const char *header)
{
	unsigned char	 text[1024];
	const char	*colon;
	size_t		 len;
	int		 n;
	bool		 good;

	if (r->token == NULL)
		return true;
	if (header == NULL)
		return false;
	if (strncasecmp(header, "Bearer ", 7) == 0)
		return same_secret(r->token, header + 7, strlen(header + 7));
	if (strncasecmp(header, "Basic ", 6) != 0)
		return false;
	header += 6;
	len = strlen(header);
	if (len == 0 || len % 4 != 0 || len / 4 * 3 >= sizeof(text) ||
	    (n = EVP_DecodeBlock(text, (const unsigned char *)header, (int)len)) <= 2)
		return false;
	/* EVP_DecodeBlock() counts the padding as bytes of zero. */
	n -= (header[len - 1] == '=') + (header[len - 2] == '=');
	text[n] = '\0';
	colon = strchr((char *)text, ':');
	good = colon != NULL && strlen((char *)text) == (size_t)n &&
	    same_secret(r->token, colon + 1, strlen(colon + 1));
	OPENSSL_cleanse(text, sizeof(text));
	return good;
}

static bool
is_json(const char *type)
{
	size_t	 n = strlen(json);

	return type != NULL && strncasecmp(type, json, n) == 0 &&
	    (type[n] == '\0' || type[n] == ';' || type[n] == ' ');
}

/* Into the journal; a journal that is full or not ours changes no decision. */
static void
log_decision(const struct routes *r, struct work *w, int64_t now)
{
	char	 why[HOOK_WHY];
	bool	 good = hook_journal(&w->hook, now, w->line, why) == 0;

	metrics_journal(r->metrics, good);
	if (!good)
		r->say(why);
}

static void
decide(const struct routes *r, struct work *w, int64_t now)
{
	hook_decide(&w->hook, now);
	metrics_decision(r->metrics, &w->hook, now);
	log_decision(r, w, now);
}

static void
answer_radius(const struct routes *r, struct work *w, const struct ask *a, int64_t now,
    struct told *out)
{
	struct hook		*h = &w->hook;
	struct rest_request	 q = { &h->id, &h->session, h->note, ACCT_NONE };
	char			 why[REST_WHY];
	size_t			 len;

	if (!rest_read(a->body, a->len, now, &q, why)) {
		refuse(w, out, 400, "the body", why);
		return;
	}
	decide(r, w, now);
	if ((len = rest_reply(&h->decision, w->answer, sizeof(w->answer))) == 0) {
		refuse(w, out, 500, "the reply is too long", "");
		return;
	}
	/* 401 is a refusal in every section, and its body is read all the same. */
	tell(out, h->accept ? 200 : 401, json, w->answer, len);
}

static void
answer_accounting(const struct routes *r, struct work *w, const struct ask *a, int64_t now,
    struct told *out)
{
	struct hook		*h = &w->hook;
	struct rest_request	 q = { &h->id, &h->session, h->note, ACCT_NONE };
	char			 why[HOOK_WHY];
	bool			 good;

	if (!rest_read(a->body, a->len, now, &q, why)) {
		refuse(w, out, 400, "the body", why);
		return;
	}
	metrics_accounting(r->metrics, q.acct);
	if (q.acct == ACCT_NONE) {
		tell(out, 200, json, "{}", 2);
		return;
	}
	h->session.ended = acct_ends(q.acct);
	good = hook_account(h, acct_name(q.acct), w->line, why) == 0;
	metrics_journal(r->metrics, good);
	if (good)
		tell(out, 200, json, "{}", 2);
	else {
		/* No answer goes to the NAS, which then sends it again. */
		r->say(why);
		refuse(w, out, 503, "the journal cannot be written", "");
	}
}

/* Adds what a writer of ours writes as the member key. */
static void
put_decision(json_t *rec, const struct hook *h, int64_t now, struct work *w)
{
	struct jsonw	 jw;
	json_t		*v = NULL;
	const char	*text;

	jw_init(&jw, w->line, sizeof(w->line));
	jw_object(&jw, NULL);
	if (h->looked_up)
		answer_write(&jw, &h->answer, now);
	decision_write(&jw, &h->decision, now);
	jw_opt(&jw, "error", h->error);
	jw_end_object(&jw);
	if ((text = jw_done(&jw)) != NULL)
		v = json_loads(text, 0, NULL);
	/* A client's own compliance or error must not pass for ours. */
	json_object_del(rec, "compliance");
	json_object_del(rec, "error");
	json_object_update(rec, v);
	json_decref(v);
}

static void
answer_record(const struct routes *r, struct work *w, const struct ask *a, int64_t now,
    struct told *out)
{
	struct hook	*h = &w->hook;
	char		 why[256];
	json_t		*rec;

	if ((rec = record_parse(a->body, a->len, why, sizeof(why))) == NULL) {
		refuse(w, out, 400, "the body", why);
		return;
	}
	if (!record_identity(rec, &h->id, why, sizeof(why)) ||
	    !record_session(rec, &h->session, why, sizeof(why))) {
		refuse(w, out, 400, "the record", why);
		goto out;
	}
	if (h->session.seen == 0)
		h->session.seen = now;
	decide(r, w, now);
	put_decision(rec, h, now, w);
	free(w->text);
	if ((w->text = json_dumps(rec, JSON_COMPACT)) == NULL)
		refuse(w, out, 500, "the record cannot be written", "");
	else
		tell(out, 200, json, w->text, strlen(w->text));
out:
	json_decref(rec);
}

/*
 * Whether a decision is a yes where nothing else can be said: a VLAN of any number
 * may be one to mend devices in, so only a device that is fit gets it, or one
 * whose rule says so by the role; and neither in the quarantine.
 */
static bool
smallstep_yes(const struct hook *h)
{
	const struct decision	*d = &h->decision;
	char			 vlan[8];

	snprintf(vlan, sizeof(vlan), "%d", h->quarantine_vlan);
	if (!h->accept || h->error[0] != '\0' || (d->vlan != NULL && strcmp(d->vlan, vlan) == 0))
		return false;
	return d->state == COMPLIANCE_COMPLIANT || d->state == COMPLIANCE_GRACE ||
	    (d->role != NULL && strcmp(d->role, SMALLSTEP_ROLE) == 0);
}

/*
 * Yes or no is all that can be said there.  A quarantine VLAN cannot be, so what
 * would go into it, and the fallback, is a no.
 */
static void
answer_smallstep(const struct routes *r, struct work *w, const struct ask *a, int64_t now,
    struct told *out)
{
	struct hook	*h = &w->hook;
	struct jsonw	 jw;
	char		 why[SMALLSTEP_WHY];
	bool		 yes;

	if (r->smallstep == NULL) {
		refuse(w, out, 403, "no signing secret is set", "");
		return;
	}
	if (!smallstep_signed(r->smallstep, a->signature, a->body, a->len)) {
		refuse(w, out, 403, "the signature is wrong", "");
		return;
	}
	memset(&h->session, 0, sizeof(h->session));
	h->session.seen = now;
	if (!smallstep_read(a->body, a->len, now, &h->id, why)) {
		refuse(w, out, 400, "the body", why);
		return;
	}
	decide(r, w, now);
	yes = smallstep_yes(h);
	jw_init(&jw, w->answer, sizeof(w->answer));
	jw_object(&jw, NULL);
	jw_bool(&jw, "allow", yes);
	if (!yes) {
		jw_object(&jw, "error");
		jw_str(&jw, "code", compliance_name(h->decision.state));
		jw_str(&jw, "message", h->accept && h->error[0] == '\0' ?
		    "what the rules give cannot be said here" : h->decision.reason);
		jw_end_object(&jw);
	}
	jw_end_object(&jw);
	jw_done(&jw);
	tell(out, 200, json, w->answer, jw.len);
}

static void
answer_metrics(const struct routes *r, struct work *w, struct metrics_now *now,
    struct told *out)
{
	struct stat	 st;

	live_counts(r->live, &now->rules_taken, &now->rules_refused);
	now->ready = live_ready(r->live);
	now->journal_size = stat(w->hook.journal, &st) == 0 ? (int64_t)st.st_size : -1;
	now->store = live_scrape(r->live, w->hook.state_dir, w->hook.journal, &now->journal_lag,
	    &now->coa);
	free(w->text);
	if ((w->text = metrics_text(r->metrics, now)) == NULL)
		refuse(w, out, 500, "no memory", "");
	else
		tell(out, 200, "text/plain; version=0.0.4; charset=utf-8", w->text,
		    strlen(w->text));
}

/* Alive, and whether decisions come from the rules: 503 says that an operator
 * should look, though the fallback is answered. */
static void
answer_health(const struct routes *r, struct told *out)
{
	if (live_ready(r->live))
		tell(out, 200, plain, "ok\n", 3);
	else
		tell(out, 503, plain, "no rules: the fallback answers\n", 31);
}

static void
answer_post(const struct routes *r, struct work *w, const struct ask *a, struct told *out)
{
	int64_t	 now = when_now();

	if (strcmp(a->method, "POST") != 0) {
		refuse(w, out, 405, "POST is the method here", "");
		return;
	}
	if (!is_json(a->content_type)) {
		refuse(w, out, 415, "Content-Type must be application/json", "");
		return;
	}
	if (out->endpoint == ENDPOINT_ACCOUNTING)
		answer_accounting(r, w, a, now, out);
	else if (out->endpoint == ENDPOINT_DECIDE)
		answer_record(r, w, a, now, out);
	else if (out->endpoint == ENDPOINT_SMALLSTEP)
		answer_smallstep(r, w, a, now, out);
	else
		answer_radius(r, w, a, now, out);
}

void
routes_answer(const struct routes *r, struct work *w, const struct ask *a,
    struct metrics_now *now, struct told *out)
{
	out->endpoint = routes_endpoint(a->path);
	if (out->endpoint == ENDPOINT_OTHER) {
		refuse(w, out, 403, "no such path", "");
		return;
	}
	if (out->endpoint != ENDPOINT_HEALTHZ && !is_let_in(r, a->authorization)) {
		tell(out, 401, json, "{}", 2);
		return;
	}
	if (out->endpoint == ENDPOINT_HEALTHZ || out->endpoint == ENDPOINT_METRICS) {
		if (strcmp(a->method, "GET") != 0) {
			refuse(w, out, 405, "GET is the method here", "");
			return;
		}
	}
	if (out->endpoint == ENDPOINT_HEALTHZ) {
		answer_health(r, out);
		return;
	}
	live_get(r->live, &w->hook);
	if (out->endpoint == ENDPOINT_METRICS)
		answer_metrics(r, w, now, out);
	else
		answer_post(r, w, a, out);
	live_put(r->live, &w->hook);
}
