#include <err.h>
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sysexits.h>

#include "base/file.h"
#include "base/text.h"
#include "base/when.h"
#include "intune/entra.h"
#include "intune/aadsts.h"
#include "intune/appkey.h"
#include "intune/jwt.h"
#include "intune/msi.h"
#include "intune/wire.h"

#define ANSWER_MAX	65536	/* bytes; a token answer has 4 KB */

/* Seconds to keep quiet after a 429 that does not say: what MSAL does, too. */
#define QUIET		60

bool
token_text_ok(const char *text)
{
	size_t	 n = strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
		    "0123456789-._~+/=");

	return n > 0 && text[n] == '\0' && n <= TOKEN_TEXT_MAX;
}

void
token_wipe(struct token *token)
{
	if (token->text != NULL)
		explicit_bzero(token->text, strlen(token->text));
	free(token->text);
	memset(token, 0, sizeof(*token));
}

static bool
fail(struct token_error *e, int status, const char *what)
{
	e->status = status;
	e->code = 0;
	e->wait = -1;
	text_copy(e->text, sizeof(e->text), what);
	return false;
}

static const char *
string_of(const json_t *answer, const char *key)
{
	const char	*s = json_string_value(json_object_get(answer, key));

	return s != NULL ? s : "";
}

/* The number behind "AADSTS" in the description; 0 when there is none. */
static int
aadsts_code(const char *description)
{
	const char	*p = strstr(description, "AADSTS");
	int		 code = 0, i;

	if (p == NULL)
		return 0;
	for (p += 6, i = 0; *p >= '0' && *p <= '9' && i < 9; p++, i++)
		code = code * 10 + (*p - '0');
	return code;
}

/* error, AADSTS code with what it means (or the server's own first line), and
 * the two ids that Microsoft's support asks for. */
static void
describe(const json_t *answer, int code, char *out, size_t size)
{
	const char	*description = string_of(answer, "error_description");
	const char	*meaning = aadsts_meaning(code);
	char		 error[64], said[256], trace[64], correlation[64], number[32] = "";

	text_safe(error, sizeof(error), string_of(answer, "error"),
	    strlen(string_of(answer, "error")));
	if (meaning != NULL)
		snprintf(number, sizeof(number), "AADSTS%d: ", code);
	else
		meaning = text_safe(said, sizeof(said), description,
		    strcspn(description, "\r\n"));
	text_safe(trace, sizeof(trace), string_of(answer, "trace_id"),
	    strlen(string_of(answer, "trace_id")));
	text_safe(correlation, sizeof(correlation), string_of(answer, "correlation_id"),
	    strlen(string_of(answer, "correlation_id")));
	snprintf(out, size, "%s, %s%s (trace %s, correlation %s)", error, number, meaning,
	    *trace != '\0' ? trace : "none", *correlation != '\0' ? correlation : "none");
}

/* A status other than 200: what it is, for how long, and in plain words. */
static bool
refusal(long http, const json_t *answer, const char *retry_after, int64_t now,
    struct token_error *e)
{
	const char	*error = string_of(answer, "error");
	int		 code = aadsts_code(string_of(answer, "error_description"));
	char		 text[640];

	if (*error == '\0') {
		snprintf(e->text, sizeof(e->text), "HTTP %ld, and no answer of Entra's", http);
	} else {
		describe(answer, code, text, sizeof(text));
		snprintf(e->text, sizeof(e->text), "HTTP %ld: %s", http, text);
	}
	e->code = code;
	e->wait = wire_retry_after(retry_after, now);
	if (http == 429 || code == 50196) {
		e->status = EX_TEMPFAIL;
		if (e->wait == -1)
			e->wait = QUIET;
	} else if (http == 408 || http >= 500 || strcmp(error, "temporarily_unavailable") == 0)
		e->status = EX_TEMPFAIL;
	else if ((http == 400 || http == 401 || http == 403) && *error != '\0')
		e->status = EX_NOPERM;
	else
		e->status = EX_UNAVAILABLE;
	return false;
}

/* expires_in is a number at v2.0 and a string of digits at v1 and elsewhere. */
static int64_t
life_of(const json_t *answer)
{
	const json_t	*life = json_object_get(answer, "expires_in");
	const char	*s = json_string_value(life);
	int64_t		 n;

	if (json_is_integer(life))
		n = json_integer_value(life);
	else if (s == NULL || s[strspn(s, "0123456789")] != '\0' || !when_span(s, &n))
		return 0;
	return n > 0 && n <= TOKEN_LIFE_MAX ? n : 0;
}

/* A status of 200 is believed only with a token in it that can be used. */
static bool
accept_token(const json_t *answer, int64_t now, struct token *out, struct token_error *e)
{
	const char	*text = string_of(answer, "access_token");
	int64_t		 life = life_of(answer);

	if (!token_text_ok(text) || strcasecmp(string_of(answer, "token_type"), "Bearer") != 0)
		return fail(e, EX_TEMPFAIL, "the answer holds no bearer token");
	if (life == 0)
		return fail(e, EX_TEMPFAIL, "the answer does not say how long its token lives");
	if ((out->text = strdup(text)) == NULL)
		err(EX_OSERR, NULL);
	out->obtained = now;
	out->expires = now + life;
	return true;
}

/* jansson frees without wiping. */
static void
drop_answer(json_t *answer)
{
	const json_t	*token = json_object_get(answer, "access_token");
	const char	*text = json_string_value(token);

	if (text != NULL)
		explicit_bzero((void *)(uintptr_t)text, json_string_length(token));
	json_decref(answer);
}

bool
entra_answer(long http, const char *body, size_t len, const char *retry_after, int64_t now,
    struct token *out, struct token_error *e)
{
	json_error_t	 je;
	json_t		*answer;
	bool		 good;

	memset(out, 0, sizeof(*out));
	answer = body != NULL && wire_depth_ok(body, len) ?
	    json_loadb(body, len, JSON_REJECT_DUPLICATES, &je) : NULL;
	if (http == 200 && !json_is_object(answer))
		good = fail(e, EX_TEMPFAIL, "the answer is no JSON object: "
		    "is a proxy or a portal in between?");
	else if (http == 200)
		good = accept_token(answer, now, out, e);
	else
		good = refusal(http, answer, retry_after, now, e);
	drop_answer(answer);
	return good;
}

/* From 30 days ahead: who has to renew it may be on holiday. */
static void
warn_expiry(const char *file, const char *what, int64_t expires, int64_t now)
{
	static bool	 told;
	char		 text[WHEN_TEXT], left[32];

	if (told || expires == 0 || expires - now > ENTRA_WARN)
		return;
	told = true;
	if (expires <= now)
		warnx("%s: the %s has expired, by client_secret_expires, on %.10s", file, what,
		    when_format(text, expires));
	else
		warnx("%s: the %s expires in %s, on %.10s: register a new one on the "
		    "application in time", file, what, when_ago(left, sizeof(left),
		    expires - now), when_format(text, expires));
}

/* What proves who we are: a secret, or an assertion; the caller wipes it. */
static char *
proof(const struct settings *set, const char *url, char why[FILE_WHY], int *status)
{
	const char	*file = set->credential == CREDENTIAL_SECRET ? set->client_secret_file :
			    set->federated_token_file;
	struct appkey	 app;
	int64_t		 now = when_now();
	char		*raw;

	*status = EX_CONFIG;
	if (set->credential == CREDENTIAL_CERTIFICATE) {
		if (!appkey_load(set, &app, why, status))
			return NULL;
		warn_expiry(set->certificate_file, "certificate", appkey_expires(&app), now);
		raw = jwt_assertion(&app, set->alg, url, set->client_id, now);
		appkey_free(&app);
		if (raw == NULL)
			snprintf(why, FILE_WHY, "%s: cannot sign with this key",
			    set->key_file);
		return raw;
	}
	if ((set->credential == CREDENTIAL_SECRET ? file_secret(file, &raw, why) :
	    file_line(file, &raw, why)) == -1) {
		*status = errno == EPERM || errno == EACCES ? EX_NOPERM : EX_CONFIG;
		return NULL;
	}
	if (set->credential == CREDENTIAL_SECRET)
		warn_expiry(file, "secret", set->client_secret_expires, now);
	return raw;
}

/* Reads it and lets go of it: that it can be read is what is asked. */
static bool
readable(const char *file, bool private, char why[FILE_WHY], int *status)
{
	char	*text;

	if ((private ? file_secret(file, &text, why) : file_line(file, &text, why)) == -1) {
		*status = errno == EPERM || errno == EACCES ? EX_NOPERM : EX_CONFIG;
		return false;
	}
	explicit_bzero(text, strlen(text));
	free(text);
	return true;
}

bool
entra_credential(const struct settings *set, char *what, size_t size, int64_t *expires,
    struct token_error *e)
{
	struct appkey	 app;
	char		 why[FILE_WHY];
	int		 status = EX_CONFIG;

	*expires = 0;
	switch (set->credential) {
	case CREDENTIAL_SECRET:
		snprintf(what, size, "client secret in %s", set->client_secret_file);
		*expires = set->client_secret_expires;
		return readable(set->client_secret_file, true, why, &status) ||
		    fail(e, status, why);
	case CREDENTIAL_FEDERATED:
		snprintf(what, size, "federated token in %s", set->federated_token_file);
		return readable(set->federated_token_file, false, why, &status) ||
		    fail(e, status, why);
	case CREDENTIAL_CERTIFICATE:
		snprintf(what, size, "certificate in %s", set->certificate_file);
		if (!appkey_load(set, &app, why, &status))
			return fail(e, status, why);
		*expires = appkey_expires(&app);
		appkey_free(&app);
		return true;
	default:
		snprintf(what, size, "managed identity (%s) at %s", set->managed_identity,
		    set->identity_host);
		return true;
	}
}

/* The part of the form that is the credential, escaped; the caller wipes it. */
static char *
credential(const struct settings *set, const char *url, struct token_error *e)
{
	char	 why[FILE_WHY], *raw, *escaped, *out = NULL;
	int	 status;

	if ((raw = proof(set, url, why, &status)) == NULL) {
		fail(e, status, why);
		return NULL;
	}
	escaped = wire_escape(raw);
	if (asprintf(&out, "%s=%s", set->credential == CREDENTIAL_SECRET ? "client_secret" :
	    "client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type"
	    "%3Ajwt-bearer&client_assertion", escaped) == -1)
		err(EX_OSERR, NULL);
	explicit_bzero(raw, strlen(raw));
	explicit_bzero(escaped, strlen(escaped));
	free(raw);
	free(escaped);
	return out;
}

bool
entra_request(const struct settings *set, struct http *http, struct token *out,
    struct token_error *e)
{
	struct http_request	 request = { 0 };
	struct http_answer	 answer;
	enum http_end		 end;
	char			*url = NULL, *form = NULL, *secret, *scope, why[HTTP_WHY];
	char			 said[sizeof(e->text)];
	bool			 good = false;

	if (settings_managed(set))
		return msi_request(set, http, out, e);
	if (asprintf(&url, "https://%s/%s/oauth2/v2.0/token", set->authority, set->tenant) == -1)
		err(EX_OSERR, NULL);
	if ((secret = credential(set, url, e)) == NULL) {
		free(url);
		return false;
	}
	scope = wire_escape(set->scope);
	if (asprintf(&form, "client_id=%s&grant_type=client_credentials&scope=%s&%s",
	    set->client_id, scope, secret) == -1)
		err(EX_OSERR, NULL);
	request.url = url;
	request.post = form;
	request.post_len = strlen(form);
	request.type = "application/x-www-form-urlencoded";
	request.max = ANSWER_MAX;
	if ((end = http_do(http, &request, &answer, why)) != HTTP_DONE)
		fail(e, http_status(end), why);
	else {
		good = entra_answer(answer.status, answer.body, answer.len, answer.retry_after,
		    when_now(), out, e);
		if (!good) {
			text_copy(said, sizeof(said), e->text);
			snprintf(e->text, sizeof(e->text), "%s: %.900s", set->authority, said);
		}
		http_clear(&answer);
	}
	explicit_bzero(form, strlen(form));
	explicit_bzero(secret, strlen(secret));
	free(form);
	free(secret);
	free(scope);
	free(url);
	return good;
}
