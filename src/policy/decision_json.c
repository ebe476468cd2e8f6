#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "policy/decision_json.h"

/* One reply attribute of a record: name, operator, value. */
struct pair {
	const char	*part[3];
	size_t		 at;		/* where it stood */
};

json_t *
decision_json(const struct decision *d, int64_t now)
{
	struct jsonw	 w;
	json_error_t	 error;
	json_t		*outer, *v;
	/* 32 attributes within POLICY_REPLY bytes, and the names around them. */
	char		 buf[16384];
	const char	*text;

	jw_init(&w, buf, sizeof(buf));
	jw_object(&w, NULL);
	decision_write(&w, d, now);
	jw_end_object(&w);
	text = jw_done(&w);
	outer = text != NULL ? json_loads(text, JSON_REJECT_DUPLICATES, &error) : NULL;
	if (outer == NULL || (v = json_object_get(outer, "decision")) == NULL)
		errx(EX_SOFTWARE, "cannot write a decision: %s",
		    text == NULL ? "it is too large" : error.text);
	json_incref(v);
	json_decref(outer);
	return v;
}

static int
by_name(const void *a, const void *b)
{
	const struct pair	*x = a, *y = b;
	int			 c = strcmp(x->part[0], y->part[0]);

	return c != 0 ? c : x->at < y->at ? -1 : x->at > y->at;
}

/* The reply of a decision, sorted by name.  Returns false when it is none; else
 * *out is to be freed. */
static bool
read_reply(const json_t *decision, struct pair **out, size_t *n)
{
	const json_t	*reply = json_object_get(decision, "reply"), *one;
	struct pair	*pairs;
	size_t		 i, k;

	*out = NULL;
	*n = 0;
	if (reply == NULL || json_is_null(reply))
		return true;
	if (!json_is_array(reply))
		return false;
	if ((pairs = calloc(json_array_size(reply) + 1, sizeof(*pairs))) == NULL)
		err(EX_OSERR, NULL);
	for (i = 0; i < json_array_size(reply); i++) {
		one = json_array_get(reply, i);
		pairs[i].at = i;
		for (k = 0; k < 3; k++) {
			pairs[i].part[k] = json_string_value(json_array_get(one, k));
			if (pairs[i].part[k] == NULL || json_array_size(one) != 3) {
				free(pairs);
				return false;
			}
		}
	}
	*n = json_array_size(reply);
	qsort(pairs, *n, sizeof(*pairs), by_name);
	*out = pairs;
	return true;
}

static bool
same_reply(const struct pair *a, size_t na, const struct pair *b, size_t nb)
{
	size_t	 i, k;

	if (na != nb)
		return false;
	for (i = 0; i < na; i++)
		for (k = 0; k < 3; k++)
			if (strcmp(a[i].part[k], b[i].part[k]) != 0)
				return false;
	return true;
}

bool
decision_changed(const json_t *before, const json_t *now, bool *changed, char *why, size_t size)
{
	const char	*action;
	struct pair	*a, *b;
	size_t		 na, nb;

	*changed = true;
	if (before == NULL || json_is_null(before))
		return true;
	if (!json_is_object(before)) {
		snprintf(why, size, "decision: must be an object");
		return false;
	}
	action = json_string_value(json_object_get(before, "action"));
	if (action == NULL || (strcmp(action, "allow") != 0 && strcmp(action, "deny") != 0)) {
		snprintf(why, size, "decision.action: must be allow or deny");
		return false;
	}
	if (!read_reply(before, &a, &na)) {
		snprintf(why, size, "decision.reply: must be a list of name, operator, value");
		return false;
	}
	if (!read_reply(now, &b, &nb))
		errx(EX_SOFTWARE, "a decision of our own has no reply");
	*changed = strcmp(action, json_string_value(json_object_get(now, "action"))) != 0 ||
	    !same_reply(a, na, b, nb);
	free(a);
	free(b);
	return true;
}

json_t *
decision_was(json_t *before)
{
	json_t	*was = json_copy(before);

	if (was == NULL)
		err(EX_OSERR, NULL);
	json_object_del(was, "was");
	json_object_del(was, "explain");
	return was;
}

void
decision_settle_hint(const struct policy *p, json_t *rec, struct session *s)
{
	json_t	*obj = json_object_get(rec, "session");

	if (json_object_get(obj, "app_hint") == NULL)
		return;
	s->hint = policy_hint(p, s);
	explicit_bzero(s->app_hint, sizeof(s->app_hint));
	json_object_del(obj, "app_hint");
	if (s->hint != HINT_NONE &&
	    json_object_set_new(obj, "hint", json_string(hint_name(s->hint))) == -1)
		err(EX_OSERR, NULL);
}
