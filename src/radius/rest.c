#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/jsonr.h"
#include "base/jsonw.h"
#include "base/text.h"
#include "radius/rest.h"

/* A value, alone or in a list.  Only texts and whole numbers say anything. */
static bool
one_value(struct jsonr *r, const char *name, struct env_reader *e)
{
	char	*text, number[JSONR_NUMBER];
	size_t	 len;

	switch (jr_peek(r)) {
	case '"':
		if (!jr_text(r, &text, &len))
			return false;
		env_attribute(e, name, text, len);
		return true;
	case '[':
	case '{':
	case 't':
	case 'f':
	case 'n':
		return jr_skip(r);
	default:
		if (!jr_number(r, number))
			return false;
		if (number[0] != '\0')
			env_attribute(e, name, number, strlen(number));
		return true;
	}
}

/* The attribute whose value is being read. */
struct attribute {
	const char		*name;
	struct env_reader	*env;
};

static bool
one_element(struct jsonr *r, void *arg)
{
	struct attribute	*a = arg;

	return one_value(r, a->name, a->env);
}

static bool
one_or_list(struct jsonr *r, struct attribute *a)
{
	return jr_peek(r) == '[' ? jr_array(r, one_element, a) : one_value(r, a->name, a->env);
}

/* "type" says nothing that "value" does not. */
static bool
in_attribute(struct jsonr *r, const char *name, void *arg)
{
	return strcmp(name, "value") == 0 ? one_or_list(r, arg) : jr_skip(r);
}

static bool
one_attribute(struct jsonr *r, const char *name, void *arg)
{
	struct attribute	 a = { name, arg };

	return jr_peek(r) == '{' ? jr_object(r, in_attribute, &a) : one_or_list(r, &a);
}

bool
rest_read(char *body, size_t len, int64_t now, struct rest_request *out, char why[REST_WHY])
{
	struct env_reader	 e;
	struct jsonr		 r;

	env_start(&e, now, out->id, out->session, out->note);
	out->acct = ACCT_NONE;
	jr_init(&r, body, len);
	if (!jr_object(&r, one_attribute, &e) || !jr_end(&r)) {
		snprintf(why, REST_WHY, "is no JSON object: byte %zu", (size_t)(r.p - body));
		return false;
	}
	env_end(&e);
	out->acct = acct_parse(e.acct_status);
	return true;
}

static bool
came_before(const struct decision *d, size_t i)
{
	size_t	 j;

	for (j = 0; j < i; j++)
		if (strcasecmp(d->attr[j].name, d->attr[i].name) == 0)
			return true;
	return false;
}

static void
put_attribute(struct jsonw *w, const struct decision *d, size_t i)
{
	char	 key[160] = "reply:";
	size_t	 j, n = strlen(key);

	text_copy(key + n, sizeof(key) - n, d->attr[i].name);
	jw_object(w, key);
	jw_str(w, "op", d->attr[i].op);
	jw_array(w, "value");
	jw_str(w, NULL, d->attr[i].value);
	for (j = i + 1; j < d->nattr; j++)
		if (strcasecmp(d->attr[j].name, d->attr[i].name) == 0)
			jw_str(w, NULL, d->attr[j].value);
	jw_end_array(w);
	jw_bool(w, "do_xlat", false);
	jw_end_object(w);
}

size_t
rest_reply(const struct decision *d, char *out, size_t size)
{
	struct jsonw	 w;
	size_t		 i;

	jw_init(&w, out, size);
	jw_object(&w, NULL);
	for (i = 0; i < d->nattr; i++)
		if (!came_before(d, i))
			put_attribute(&w, d, i);
	jw_end_object(&w);
	return jw_done(&w) != NULL ? w.len : 0;
}
