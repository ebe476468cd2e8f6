#include <arpa/inet.h>

#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <sysexits.h>

#include <radcli/radcli.h>

#include "base/num.h"
#include "radius/dict.h"
#include "radius/lines.h"

struct dict {
	rc_handle	*rh;
};

/*
 * libradcli takes what it does not know for a comment, and a number of any size
 * for an attribute's.  Returns what is wrong with the line, and at which word.
 */
static const char *
check_line(const struct lines *l, const struct word **at)
{
	const char	*kind = l->word[0].text, *why;
	int64_t		 n, most;

	*at = &l->word[0];
	if (strcmp(kind, "VENDOR") == 0) {
		if (l->nword != 3)
			return "expected VENDOR name number, at";
		*at = &l->word[2];
		most = 65535;		/* libradcli keeps 16 bits for it */
	} else if (strcmp(kind, "ATTRIBUTE") == 0) {
		if (l->nword < 4 || l->nword > 5)
			return "expected ATTRIBUTE name number type [vendor], at";
		*at = &l->word[2];
		most = 255;
	} else if (strcmp(kind, "VALUE") == 0) {
		if (l->nword != 4)
			return "expected VALUE attribute name number, at";
		*at = &l->word[3];
		most = INT32_MAX;
	} else
		return "expected VENDOR, ATTRIBUTE or VALUE, not";
	if (!num_parse((*at)->text, strcmp(kind, "VALUE") != 0, most, &n, &why))
		return "is no number that can stand here:";
	return NULL;
}

/* Gives one line to libradcli, which would otherwise say only to syslog what it
 * does not like, and where. */
static bool
feed(rc_handle *rh, const struct lines *l)
{
	char	 line[512];
	size_t	 i, n = 0;
	int	 len;

	for (i = 0; i < l->nword; i++) {
		len = snprintf(line + n, sizeof(line) - n, "%s%c", l->word[i].text,
		    i + 1 < l->nword ? ' ' : '\n');
		if (len < 0 || (size_t)len >= sizeof(line) - n)
			return false;
		n += (size_t)len;
	}
	return rc_read_dictionary_from_buffer(rh, line, n) == 0;
}

struct dict *
dict_parse(const char *name, char *text, size_t len, conf_report report, void *arg)
{
	const struct word	*at;
	const char		*fault;
	struct lines		 l;
	struct dict		*dict;
	int			 mask;

	if ((dict = calloc(1, sizeof(*dict))) == NULL || (dict->rh = rc_new()) == NULL)
		err(EX_OSERR, NULL);
	/* rc_config_init() frees the handle itself when it fails. */
	if ((dict->rh = rc_config_init(dict->rh)) == NULL)
		errx(EX_SOFTWARE, "libradcli does not start");
	mask = setlogmask(LOG_MASK(LOG_EMERG));
	lines_start(&l, name, text, len, report, arg);
	while (lines_next(&l)) {
		if ((fault = check_line(&l, &at)) != NULL)
			lines_wrong(&l, at, fault);
		else if (!feed(dict->rh, &l))
			lines_wrong(&l, &l.word[1], "libradcli refuses this line, for");
	}
	setlogmask(mask);
	if (l.errors == 0)
		return dict;
	dict_free(dict);
	return NULL;
}

struct dict *
dict_load(const char *path, conf_report report, void *arg)
{
	struct dict	*dict;
	char		*text;
	size_t		 len;

	if ((text = lines_read(path, false, &len, report, arg)) == NULL)
		return NULL;
	dict = dict_parse(path, text, len, report, arg);
	free(text);
	return dict;
}

void
dict_free(struct dict *dict)
{
	if (dict == NULL)
		return;
	rc_destroy(dict->rh);
	free(dict);
}

bool
dict_has(const struct dict *dict, const char *name)
{
	return rc_dict_findattr(dict->rh, name) != NULL;
}

/* The number that text stands for: itself, or the attribute's VALUE of that name. */
static bool
number(const struct dict *dict, const DICT_ATTR *a, const char *text, uint32_t *out)
{
	const DICT_VALUE	*v;
	const char		*why;
	int64_t			 n;

	if (num_parse(text, 0, UINT32_MAX, &n, &why)) {
		*out = (uint32_t)n;
		return true;
	}
	/* The list holds the values of all attributes. */
	for (v = rc_dict_findval(dict->rh, text); v != NULL; v = v->next)
		if (strcasecmp(v->name, text) == 0 && strcasecmp(v->attrname, a->name) == 0) {
			*out = (uint32_t)v->value;
			return true;
		}
	return false;
}

/* The bytes of a pair as they go over the wire. */
static bool
wire(VALUE_PAIR *vp, struct attr *out)
{
	struct in6_addr	 in6;
	uint32_t	 n;
	unsigned	 len;
	char		*raw;

	if (rc_avpair_get_uint32(vp, &n) == 0) {
		n = htonl(n);
		out->len = sizeof(n);
		memcpy(out->value, &n, sizeof(n));
	} else if (vp->type == PW_TYPE_IPV6ADDR && rc_avpair_get_in6(vp, &in6, NULL) == 0) {
		out->len = sizeof(in6);
		memcpy(out->value, &in6, sizeof(in6));
	} else if (vp->type == PW_TYPE_STRING && rc_avpair_get_raw(vp, &raw, &len) == 0 &&
	    len <= PACKET_VALUE) {
		out->len = (uint8_t)len;
		memcpy(out->value, raw, len);
	} else
		return false;
	return true;
}

bool
dict_encode(const struct dict *dict, const char *name, const char *text,
    struct attr *out, const char **why)
{
	const DICT_ATTR	*a = rc_dict_findattr(dict->rh, name);
	const void	*p = text;
	struct in6_addr	 in6;
	struct in_addr	 in4;
	VALUE_PAIR	*vp;
	uint32_t	 n, id;
	size_t		 len = strlen(text);
	bool		 good;

	*why = a == NULL ? "is not in the dictionary" : NULL;
	if (a == NULL)
		return false;
	id = (uint32_t)a->value;
	out->vendor = VENDOR(id);
	out->type = (uint8_t)id;
	switch (a->type) {
	case PW_TYPE_INTEGER:
	case PW_TYPE_DATE:
		*why = number(dict, a, text, &n) ? NULL : "is no number and no known name";
		p = &n;
		len = sizeof(n);
		break;
	case PW_TYPE_IPADDR:
		*why = inet_pton(AF_INET, text, &in4) == 1 ? NULL : "is no IPv4 address";
		n = ntohl(in4.s_addr);
		p = &n;
		len = sizeof(n);
		break;
	case PW_TYPE_IPV6ADDR:
		*why = inet_pton(AF_INET6, text, &in6) == 1 ? NULL : "is no IPv6 address";
		p = &in6;
		len = sizeof(in6);
		break;
	case PW_TYPE_STRING:
		if (len == 0 || len > PACKET_VALUE - (out->vendor != 0 ? 6 : 0))
			*why = len == 0 ? "is empty" : "is too long for an attribute";
		break;
	default:
		*why = "is of a type that cannot be sent";
	}
	if (*why != NULL)
		return false;
	vp = rc_avpair_new(dict->rh, out->type, p, (int)len, (int)out->vendor);
	good = vp != NULL && wire(vp, out);
	rc_avpair_free(vp);
	if (!good)
		*why = "is refused by libradcli";
	return good;
}
