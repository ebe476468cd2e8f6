#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "radius/reply.h"

#define ATTR_NAME_MAX	128	/* FreeRADIUS: DICT_ATTR_MAX_NAME_LEN */

/* What FreeRADIUS has in the names of attributes, and in bare values: names of
 * VALUEs, numbers, addresses and prefixes.  Nothing of it starts a comment, an
 * expansion or another pair. */
static bool
is_word_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	    c == '.' || c == '-' || c == '_' || c == ':' || c == '/';
}

static bool
is_word(const char *s, size_t max)
{
	size_t	 i;

	for (i = 0; s[i] != '\0'; i++)
		if (i == max || !is_word_char(s[i]))
			return false;
	return i > 0;
}

static bool
is_operator(const char *op)
{
	return strcmp(op, "=") == 0 || strcmp(op, ":=") == 0 || strcmp(op, "+=") == 0;
}

/* Printable UTF-8 without a backquote, and without "%{": the server would take
 * that for an expansion and then drop the pair without a word. */
static bool
is_text(const char *s)
{
	size_t	 i, n, len = strlen(s);

	if (len > REPLY_VALUE_MAX || strstr(s, "%{") != NULL ||
	    strchr(s, '`') != NULL)
		return false;
	for (i = 0; i < len; i += n) {
		n = text_utf8_len((const unsigned char *)s + i, len - i);
		if (n == 0 || (n == 1 && (s[i] < 0x20 || s[i] == 0x7f)))
			return false;
		/* U+0080 to U+009F are control characters. */
		if (n == 2 && (unsigned char)s[i] == 0xc2 && (unsigned char)s[i + 1] < 0xa0)
			return false;
	}
	return true;
}

static const char *
fault_of(const struct reply_attr *a)
{
	if (!isalnum((unsigned char)a->name[0]) || !is_word(a->name, ATTR_NAME_MAX))
		return "its name is none";
	if (!is_operator(a->op))
		return "its operator is none";
	if (!(a->quoted ? is_text(a->value) : is_word(a->value, REPLY_VALUE_MAX)))
		return "its value is not printable, too long or an expansion";
	return NULL;
}

/* The reply as far as it is written; it must stay shorter than REPLY_MAX. */
struct text {
	char	*buf;
	size_t	 len;
};

static bool
put(struct text *t, const char *s, size_t n)
{
	if (n >= REPLY_MAX - t->len)
		return false;
	memcpy(t->buf + t->len, s, n);
	t->len += n;
	return true;
}

/* In quotes, with quotes and backslashes escaped. */
static bool
put_quoted(struct text *t, const char *s)
{
	size_t	 n;

	if (!put(t, "\"", 1))
		return false;
	for (; *s != '\0'; s += n) {
		n = strcspn(s, "\"\\");
		if (n > 0 ? !put(t, s, n) : !put(t, "\\", 1) || !put(t, s, 1))
			return false;
		n += n == 0;
	}
	return put(t, "\"", 1);
}

static bool
put_pair(struct text *t, const struct reply_attr *a)
{
	return put(t, a->name, strlen(a->name)) && put(t, " ", 1) && put(t, a->op, strlen(a->op)) &&
	    put(t, " ", 1) &&
	    (a->quoted ? put_quoted(t, a->value) : put(t, a->value, strlen(a->value))) &&
	    put(t, ",\n", 2);
}

size_t
reply_format(char out[REPLY_MAX], const struct decision *d, char why[REPLY_WHY])
{
	struct text	 t = { out, 0 };
	const char	*fault, *name;
	char		 shown[TEXT_SHOWN];
	size_t		 i;

	for (i = 0; i < d->nattr; i++) {
		if ((fault = fault_of(&d->attr[i])) != NULL) {
			name = d->attr[i].name;
			text_safe(shown, sizeof(shown), name, strlen(name));
			snprintf(why, REPLY_WHY, "the reply attribute \"%s\" cannot be sent: %s",
			    shown, fault);
			return 0;
		}
		if (!put_pair(&t, &d->attr[i])) {
			snprintf(why, REPLY_WHY, "the reply is longer than %d bytes", REPLY_MAX - 1);
			return 0;
		}
	}
	if (t.len == 0)
		put(&t, "\n", 1);
	out[t.len] = '\0';
	return t.len;
}

void
reply_fallback(struct decision *d, int vlan, const char *why)
{
	/* A server answers in several threads. */
	static _Thread_local char	 number[8];

	memset(d, 0, sizeof(*d));
	text_copy(d->reason, sizeof(d->reason), why);
	if (vlan == 0) {
		d->action = ACTION_DENY;
		return;
	}
	d->action = ACTION_ALLOW;
	snprintf(number, sizeof(number), "%d", vlan);
	d->vlan = number;
	/* ":=" so that a VLAN which the site has set before does not win. */
	d->attr[0] = (struct reply_attr){ "Tunnel-Type:0", ":=", "VLAN", false };
	d->attr[1] = (struct reply_attr){ "Tunnel-Medium-Type:0", ":=", "IEEE-802", false };
	d->attr[2] = (struct reply_attr){ "Tunnel-Private-Group-Id:0", ":=", number, true };
	d->nattr = 3;
}
