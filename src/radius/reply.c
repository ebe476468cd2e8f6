#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "radius/reply.h"

#define ATTR_NAME_MAX	128	/* FreeRADIUS: DICT_ATTR_MAX_NAME_LEN */

/* What FreeRADIUS has in the names of attributes, and in bare values: names of
 * VALUEs, numbers, addresses and prefixes.  Nothing of it starts a comment, an
 * expansion or another pair. */
#define WORD_CHARS	".-_:/"

static bool
is_word(const char *s, size_t max)
{
	size_t	 i;

	for (i = 0; s[i] != '\0'; i++)
		if (i == max || (!isalnum((unsigned char)s[i]) && strchr(WORD_CHARS, s[i]) == NULL))
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

/* Returns the text with quotes and backslashes escaped, as room for twice its
 * length allows. */
static const char *
escape(char out[2 * REPLY_VALUE_MAX + 1], const char *s)
{
	size_t	 o = 0;

	for (; *s != '\0'; s++) {
		if (*s == '"' || *s == '\\')
			out[o++] = '\\';
		out[o++] = *s;
	}
	out[o] = '\0';
	return out;
}

size_t
reply_format(char out[REPLY_MAX], const struct decision *d, char why[REPLY_WHY])
{
	const struct reply_attr	*a;
	const char		*fault, *quote;
	char			 escaped[2 * REPLY_VALUE_MAX + 1], shown[TEXT_SHOWN];
	size_t			 i, len = 0;
	int			 n;

	for (i = 0; i < d->nattr; i++) {
		a = &d->attr[i];
		if ((fault = fault_of(a)) != NULL) {
			text_safe(shown, sizeof(shown), a->name, strlen(a->name));
			snprintf(why, REPLY_WHY, "the reply attribute \"%s\" cannot be sent: %s",
			    shown, fault);
			return 0;
		}
		quote = a->quoted ? "\"" : "";
		n = snprintf(out + len, REPLY_MAX - len, "%s %s %s%s%s,\n", a->name, a->op, quote,
		    a->quoted ? escape(escaped, a->value) : a->value, quote);
		if (n < 0 || (size_t)n >= REPLY_MAX - len) {
			snprintf(why, REPLY_WHY, "the reply is longer than %d bytes", REPLY_MAX - 1);
			return 0;
		}
		len += (size_t)n;
	}
	if (len == 0) {
		memcpy(out, "\n", 2);
		len = 1;
	}
	return len;
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
