/*
 * The JSON reader beside jansson: both take the same texts, and see the same in
 * them.
 */
#include <jansson.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/jsonr.h"
#include "base/text.h"

int	 LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static json_t	*value(struct jsonr *r);

static bool
member(struct jsonr *r, const char *name, void *arg)
{
	json_t	*v = value(r);

	return v != NULL && json_object_set_new_nocheck(arg, name, v) == 0;
}

static bool
element(struct jsonr *r, void *arg)
{
	json_t	*v = value(r);

	return v != NULL && json_array_append_new(arg, v) == 0;
}

/* A tree of what is read; a fraction is null. */
static json_t *
value(struct jsonr *r)
{
	char	*text, number[JSONR_NUMBER], first = jr_peek(r);
	json_t	*v;
	size_t	 len;

	switch (first) {
	case '{':
	case '[':
		v = first == '{' ? json_object() : json_array();
		if (first == '{' ? jr_object(r, member, v) : jr_array(r, element, v))
			return v;
		json_decref(v);
		return NULL;
	case '"':
		return jr_text(r, &text, &len) ? json_stringn(text, len) : NULL;
	case 't':
	case 'f':
	case 'n':
		return !jr_skip(r) ? NULL : first == 'n' ? json_null() : json_boolean(first == 't');
	default:
		if (!jr_number(r, number))
			return NULL;
		return number[0] == '\0' ? json_null() : json_integer(strtoll(number, NULL, 10));
	}
}

/* The same tree with null for each fraction. */
static json_t *
without_fractions(json_t *v)
{
	json_t		*out, *one;
	const char	*name;
	size_t		 i;

	if (json_is_real(v))
		return json_null();
	if (json_is_object(v)) {
		out = json_object();
		json_object_foreach(v, name, one)
			json_object_set_new_nocheck(out, name, without_fractions(one));
		return out;
	}
	if (!json_is_array(v))
		return json_incref(v);
	out = json_array();
	json_array_foreach(v, i, one)
		json_array_append_new(out, without_fractions(one));
	return out;
}

/* What the two see differently on purpose: depth, names that come twice, fractions
 * beyond a double, and a NUL byte behind a number, which jansson passes over. */
static bool
differ_on_purpose(const uint8_t *data, size_t len, const char *why)
{
	size_t	 i, open = 0;

	for (i = 0; i < len; i++)
		open += data[i] == '{' || data[i] == '[';
	return open > JSONR_DEPTH || memchr(data, '\0', len) != NULL ||
	    strstr(why, "duplicate") != NULL || strstr(why, "real number") != NULL;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	json_error_t	 error = { .text = "" };
	json_t		*theirs, *ours = NULL, *plain;
	struct jsonr	 r;
	char		*a = malloc(len + 1), *b = malloc(len + 1);	/* not of size 0 */
	size_t		 i, n;

	memcpy(a, data, len);
	memcpy(b, data, len);
	for (i = 0; i < len; i += n)
		if ((n = text_utf8_len(data + i, len - i)) == 0) {
			b[i] = '?';
			n = 1;
		}
	theirs = json_loadb(b, len, JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES, &error);
	jr_init(&r, a, len);
	if (jr_peek(&r) == '{' || jr_peek(&r) == '[')
		ours = value(&r);
	if (ours != NULL && !jr_end(&r)) {
		json_decref(ours);
		ours = NULL;
	}
	if (!differ_on_purpose(data, len, error.text)) {
		if ((ours == NULL) != (theirs == NULL))
			abort();
		if (ours != NULL) {
			plain = without_fractions(theirs);
			if (!json_equal(ours, plain))
				abort();
			json_decref(plain);
		}
	}
	json_decref(ours);
	json_decref(theirs);
	free(a);
	free(b);
	return 0;
}
