#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sysexits.h>

#include "base/cli.h"
#include "base/text.h"
#include "device/record.h"
#include "policy/decision_json.h"
#include "policy/rules.h"
#include "policy/ruletest.h"

/* Prints a line of TAP that tells why a test failed; v may hold foreign text. */
static void
differs(const char *what, const json_t *want, const json_t *got)
{
	char	*a = json_dumps(want, JSON_ENCODE_ANY | JSON_COMPACT);
	char	*b = got != NULL ? json_dumps(got, JSON_ENCODE_ANY | JSON_COMPACT) : NULL;
	char	 key[TEXT_SHOWN];

	printf("#   %s: expected %s, not %s\n", text_safe(key, sizeof(key), what, strlen(what)),
	    a != NULL ? a : "?", got == NULL ? "none" : b != NULL ? b : "?");
	free(a);
	free(b);
}

/* The member that a word stands for, where a member of the decision is an object. */
static const struct {
	const char	*name, *of;
} word_of[] = { { "mfa", "every" }, { "listed", "list" }, { "shadow", "action" } };

/* A member of the decision by its path: mfa.due. */
static json_t *
member(const json_t *decision, const char *path)
{
	const char	*dot;
	char		 key[64];

	while ((dot = strchr(path, '.')) != NULL && (size_t)(dot - path) < sizeof(key)) {
		snprintf(key, sizeof(key), "%.*s", (int)(dot - path), path);
		decision = json_object_get(decision, key);
		path = dot + 1;
	}
	return json_object_get(decision, path);
}

/* A member of the decision is what was expected: "750" stands for 750 too, "true"
 * for true, and of an array one element is enough, of an object its word. */
static bool
is(const char *key, const json_t *got, const json_t *want)
{
	const char	*w = json_string_value(want);
	char		 number[32];
	size_t		 i;

	if (got == NULL || json_equal(got, want))
		return got != NULL;
	if (w == NULL)
		return false;
	for (i = 0; json_is_object(got) && i < sizeof(word_of) / sizeof(*word_of); i++)
		if (strcmp(word_of[i].name, key) == 0)
			return json_equal(json_object_get(got, word_of[i].of), want);
	if (json_is_integer(got)) {
		snprintf(number, sizeof(number), "%" JSON_INTEGER_FORMAT, json_integer_value(got));
		return strcmp(w, number) == 0;
	}
	if (json_is_boolean(got))
		return strcmp(w, json_is_true(got) ? "true" : "false") == 0;
	for (i = 0; i < json_array_size(got); i++)
		if (is("", json_array_get(got, i), want))
			return true;
	return false;
}

/* Names of attributes, in any letters; tag 0 is no tag. */
static bool
same_name(const json_t *a, const json_t *b)
{
	const char	*x = json_string_value(a), *y = json_string_value(b);
	size_t		 n, m;

	if (x == NULL || y == NULL)
		return false;
	n = strlen(x);
	m = strlen(y);
	n -= n > 2 && strcmp(x + n - 2, ":0") == 0 ? 2 : 0;
	m -= m > 2 && strcmp(y + m - 2, ":0") == 0 ? 2 : 0;
	return n == m && strncasecmp(x, y, n) == 0;
}

/* Whether the reply has [name, op, value]; [name, value]: whatever the operator. */
static bool
replies(const json_t *decision, const json_t *want)
{
	const json_t	*reply = json_object_get(decision, "reply"), *one;
	size_t		 n = json_array_size(want), i;

	for (i = 0; i < json_array_size(reply); i++) {
		one = json_array_get(reply, i);
		if (same_name(json_array_get(one, 0), json_array_get(want, 0)) &&
		    (n == 2 || json_equal(json_array_get(one, 1), json_array_get(want, 1))) &&
		    json_equal(json_array_get(one, 2), json_array_get(want, n - 1)))
			return true;
	}
	return false;
}

static bool
has_attribute(const json_t *decision, const json_t *name)
{
	const json_t	*reply = json_object_get(decision, "reply");
	size_t		 i;

	for (i = 0; i < json_array_size(reply); i++)
		if (same_name(json_array_get(json_array_get(reply, i), 0), name))
			return true;
	return false;
}

/* Compares; with tell it says each difference. */
static bool
compare(json_t *expect, const json_t *decision, bool tell)
{
	json_t		*want, *one, *found, *reply = json_object_get(decision, "reply");
	const char	*key, *name;
	bool		 ok = true, same;
	size_t		 i;

	json_object_foreach(expect, key, want) {
		if (strcmp(key, "reply") == 0) {
			json_array_foreach(want, i, one)
				if (!replies(decision, one)) {
					ok = false;
					if (tell)
						differs("reply", one, reply);
				}
			continue;
		}
		if (strcmp(key, "absent") == 0) {
			json_array_foreach(want, i, one) {
				name = json_string_value(one);
				found = name != NULL ? member(decision, name) : NULL;
				if (name != NULL && !has_attribute(decision, one) && found == NULL)
					continue;
				ok = false;
				if (tell)
					differs("absent", one, found != NULL ? found : reply);
			}
			continue;
		}
		found = member(decision, key);
		same = is(key, found, want);
		ok = ok && same;
		if (!same && tell)
			differs(key, want, found);
	}
	return ok;
}

static void
reach(const struct policy *p, const struct rule *by, bool *reached)
{
	const struct rule	*r;
	size_t			 i = 0;

	for (r = p->rules; r != NULL && r != by; r = r->next)
		i++;
	if (r != NULL)
		reached[i] = true;
}

/* The rule that decided, and the one that would without shadow. */
static void
mark(const struct policy *p, const struct decision *d, bool *reached)
{
	reach(p, d->by, reached);
	if (d->shadow.any)
		reach(p, d->shadow.by, reached);
}

static bool
run_one(const struct ruletest *t, const struct policy *p, int64_t now, size_t number,
    bool *reached)
{
	struct identity	 id;
	struct session	 session;
	struct answer	 answer;
	struct facts	 f = { &id, &session, &answer, t->now != 0 ? t->now : now };
	struct decision	 d;
	json_t		*got;
	const char	*name = json_string_value(t->name);
	char		 why[TEXT_SHOWN * 2], shown[TEXT_SHOWN];
	bool		 ok;

	text_safe(shown, sizeof(shown), name != NULL ? name : "", name != NULL ? strlen(name) : 0);
	if (!record_identity(t->given, &id, why, sizeof(why)) ||
	    !record_session(t->given, &session, why, sizeof(why)) ||
	    !record_answer(t->given, &answer, why, sizeof(why))) {
		printf("not ok %zu - %s %s\n#   given: %s\n", number, t->where, shown, why);
		return false;
	}
	policy_decide(p, &f, &d);
	mark(p, &d, reached);
	got = decision_json(&d, f.now);
	ok = compare(t->expect, got, false);
	printf("%s %zu - %s %s\n", ok ? "ok" : "not ok", number, t->where, shown);
	if (!ok) {
		compare(t->expect, got, true);
		printf("#   decided by %s: %s\n", json_object_get(got, "rule") != NULL ?
		    json_string_value(json_object_get(got, "rule")) : "no-match", d.reason);
	}
	json_decref(got);
	return ok;
}

/* Lists what was not reached; returns whether there is any. */
static bool
uncovered(const struct policy *p, const bool *reached)
{
	const struct rule	*r;
	size_t			 i = 0, n = 0;
	char			 name[TEXT_SHOWN];

	for (r = p->rules; r != NULL; r = r->next, i++) {
		n += reached[i];
		if (reached[i])
			continue;
		printf("# not reached: %s:%d", r->at.source->name, r->at.line);
		if (r->name != NULL)
			printf(" \"%s\"", text_safe(name, sizeof(name), r->name, strlen(r->name)));
		putchar('\n');
	}
	printf("# coverage: %zu of %zu rules\n", n, i);
	return n < i;
}

int
ruletests_run(const struct ruletests *t, const struct policy *p, int64_t now, bool coverage,
    bool strict)
{
	bool	*reached = calloc(policy_rules(p) + 1, sizeof(*reached)), failed = false;
	size_t	 i;

	if (reached == NULL)
		err(EX_OSERR, NULL);
	printf("1..%zu\n", t->n);
	for (i = 0; i < t->n; i++)
		if (!run_one(&t->test[i], p, now, i + 1, reached))
			failed = true;
	if (coverage && uncovered(p, reached) && strict)
		failed = true;
	free(reached);
	return failed ? STATUS_NO : STATUS_OK;
}
