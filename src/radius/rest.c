#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/jsonw.h"
#include "base/text.h"
#include "radius/rest.h"

static const char *const	 acct_names[] = {
	[REST_ACCT_NONE] = "",
	[REST_ACCT_START] = "start",
	[REST_ACCT_INTERIM] = "interim",
	[REST_ACCT_STOP] = "stop",
	[REST_ACCT_ON] = "on",
	[REST_ACCT_OFF] = "off",
};

const char *
rest_acct_name(enum rest_acct acct)
{
	return acct_names[acct];
}

/* VALUE names of FreeRADIUS' dictionary, and IANA's numbers. */
static enum rest_acct
acct_parse(const char *word)
{
	static const struct {
		const char	*word;
		enum rest_acct	 acct;
	} words[] = {
		{ "Start", REST_ACCT_START }, { "1", REST_ACCT_START },
		{ "Stop", REST_ACCT_STOP }, { "2", REST_ACCT_STOP },
		{ "Interim-Update", REST_ACCT_INTERIM }, { "Alive", REST_ACCT_INTERIM },
		{ "3", REST_ACCT_INTERIM },
		{ "Accounting-On", REST_ACCT_ON }, { "7", REST_ACCT_ON },
		{ "Accounting-Off", REST_ACCT_OFF }, { "8", REST_ACCT_OFF },
	};
	size_t	 i;

	for (i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strcasecmp(words[i].word, word) == 0)
			return words[i].acct;
	return REST_ACCT_NONE;
}

/* A client chooses its name and its SSID; one odd byte in them must not cost the
 * whole request.  A quote or a brace cannot come about this way. */
static void
make_utf8(char *s, size_t len)
{
	size_t	 i, n;

	for (i = 0; i < len; i += n)
		if ((s[i] & 0x80) == 0)
			n = 1;
		else if ((n = text_utf8_len((unsigned char *)s + i, len - i)) == 0) {
			s[i] = '?';
			n = 1;
		}
}

static void
one_value(struct env_reader *r, const char *name, const json_t *v)
{
	char	 number[32];

	if (json_is_string(v))
		env_attribute(r, name, json_string_value(v), json_string_length(v));
	else if (json_is_integer(v)) {
		snprintf(number, sizeof(number), "%" JSON_INTEGER_FORMAT, json_integer_value(v));
		env_attribute(r, name, number, strlen(number));
	}
}

static void
one_attribute(struct env_reader *r, const char *name, json_t *v)
{
	json_t	*element;
	size_t	 i;

	if (json_is_object(v))
		v = json_object_get(v, "value");
	if (!json_is_array(v)) {
		one_value(r, name, v);
		return;
	}
	json_array_foreach(v, i, element) {
		one_value(r, name, element);
	}
}

bool
rest_read(char *body, size_t len, int64_t now, struct rest_request *out, char why[REST_WHY])
{
	struct env_reader	 r;
	json_error_t		 error;
	json_t			*root, *v;
	const char		*name;

	env_start(&r, now, out->id, out->session, out->note);
	out->acct = REST_ACCT_NONE;
	make_utf8(body, len);
	/* The server groups the values of one name, so a name comes twice only with
	 * different tags, and none of ours has any. */
	if ((root = json_loadb(body, len, JSON_ALLOW_NUL, &error)) == NULL) {
		snprintf(why, REST_WHY, "is no JSON: byte %d", error.position);
		return false;
	}
	if (!json_is_object(root)) {
		snprintf(why, REST_WHY, "is no JSON object");
		json_decref(root);
		return false;
	}
	json_object_foreach(root, name, v) {
		one_attribute(&r, name, v);
	}
	json_decref(root);
	env_end(&r);
	out->acct = acct_parse(r.acct_status);
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

size_t
rest_reply(const struct decision *d, char *out, size_t size)
{
	struct jsonw	 w;
	char		 key[160];
	size_t		 i, j;

	jw_init(&w, out, size);
	jw_object(&w, NULL);
	for (i = 0; i < d->nattr; i++) {
		if (came_before(d, i))
			continue;
		snprintf(key, sizeof(key), "reply:%s", d->attr[i].name);
		jw_object(&w, key);
		jw_str(&w, "op", d->attr[i].op);
		jw_array(&w, "value");
		for (j = i; j < d->nattr; j++)
			if (strcasecmp(d->attr[j].name, d->attr[i].name) == 0)
				jw_str(&w, NULL, d->attr[j].value);
		jw_end_array(&w);
		jw_bool(&w, "do_xlat", false);
		jw_end_object(&w);
	}
	jw_end_object(&w);
	return jw_done(&w) != NULL ? w.len : 0;
}
