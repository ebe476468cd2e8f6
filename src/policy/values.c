#include <arpa/inet.h>
#include <sys/socket.h>

#include <stdio.h>
#include <string.h>

#include "base/mac.h"
#include "base/num.h"
#include "base/when.h"
#include "policy/eval.h"
#include "policy/values.h"

/* A word that means something else: a value of this name needs quotes. */
bool
value_here(const struct parser *p)
{
	return p->t.kind == TOKEN_STRING || (p->t.kind == TOKEN_WORD &&
	    !(parser_at(p, "and") || parser_at(p, "or") || parser_at(p, "not") ||
	    parser_at(p, "if") || parser_at(p, "with") || parser_at(p, "is") ||
	    parser_at(p, "in") || parser_at(p, "when") || parser_at(p, "gives")));
}

const char *
value_glob(struct parser *p, const struct token *t, struct value *v)
{
	if (t->len == 0)
		return "an empty text matches nothing:";
	if (lexer_len(t) > POLICY_VALUE)
		return "is too long a text:";
	v->text = parser_text(p, t);
	return NULL;
}

const char *
value_net(const struct token *t, struct value *v)
{
	char		 text[INET6_ADDRSTRLEN + 8], *slash;
	const char	*why;
	int64_t		 bits;
	unsigned	 most, i;

	if (t->len >= sizeof(text))
		return "is no IP address:";
	lexer_copy(text, t);
	if ((slash = strchr(text, '/')) != NULL)
		*slash = '\0';
	v->family = strchr(text, ':') != NULL ? AF_INET6 : AF_INET;
	bits = most = v->family == AF_INET6 ? 128 : 32;
	if (inet_pton(v->family, text, v->bytes) != 1)
		return "is no IP address:";
	if (slash != NULL && !num_parse(slash + 1, 0, most, &bits, &why))
		return "is no network (address/bits):";
	v->bits = (uint8_t)bits;
	for (i = v->bits; i < most; i++)
		if ((v->bytes[i / 8] & (0x80 >> i % 8)) != 0)
			return "has address bits behind its prefix:";
	return NULL;
}

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

const char *
value_mac(const struct token *t, struct value *v)
{
	char	 text[32];
	size_t	 i, n, digits = 0;
	bool	 blank = true;	/* no digit since the last separator */
	int	 d;

	if (t->len >= sizeof(text))
		return "is no MAC address:";
	n = lexer_copy(text, t);
	if (n == 0 || text[n - 1] != '*') {
		v->bits = 8 * MAC_LEN;
		return mac_parse(text, v->bytes) ? NULL : "is no MAC address:";
	}
	for (i = 0; i < n - 1; i++) {
		if ((d = hex_digit(text[i])) >= 0) {
			if (digits == 2 * MAC_LEN)
				return "is too long for a MAC address:";
			v->bytes[digits / 2] |= (uint8_t)(digits % 2 ? d : d << 4);
			digits++;
			blank = false;
		} else if (strchr(":-.", text[i]) == NULL || blank)
			return "is no beginning of a MAC address:";
		else
			blank = true;
	}
	v->bits = (uint8_t)(digits * 4);
	return NULL;
}

const char *
value_version(struct parser *p, const struct token *t, const char **out)
{
	size_t	 i;
	bool	 digit = false;

	for (i = 0; i < t->len; i++) {
		if (t->text[i] >= '0' && t->text[i] <= '9')
			digit = true;
		else if (t->text[i] != '.' || !digit)
			break;
		else
			digit = false;
	}
	if (i < t->len || !digit || t->len > 63)
		return "is no version (digits and dots, as 14.2):";
	*out = parser_text(p, t);
	return NULL;
}

/* "08:30", up to "24:00". */
static bool
clock_text(const char *s, int64_t *out)
{
	int	 h, m, i;

	for (i = 0; i < 5; i++)
		if (i == 2 ? s[i] != ':' : s[i] < '0' || s[i] > '9')
			return false;
	h = (s[0] - '0') * 10 + s[1] - '0';
	m = (s[3] - '0') * 10 + s[4] - '0';
	*out = h * 60 + m;
	return s[5] == '\0' && h <= 24 && m < 60 && *out <= 24 * 60;
}

const char *
value_number(enum field field, const struct token *t, int64_t *out)
{
	const char	*why;
	char		 text[32];

	if (t->len >= sizeof(text))
		text[0] = '\0';
	else
		lexer_copy(text, t);
	switch (field_table[field].kind) {
	case KIND_SPAN:
		if (!when_span(text, out))
			return "is no span of time (try 12h):";
		return value_lacks_unit(text) ? "is a span without its unit (s, m, h, d or w):" : NULL;
	case KIND_CLOCK:
		return clock_text(text, out) ? NULL : "is no time of day (try 08:30):";
	default:
		if (field == FIELD_HOUR)
			return num_parse(text, 0, 23, out, &why) ? NULL : "is no hour (0 to 23):";
		return num_parse(text, 0, UINT32_MAX, out, &why) ? NULL : "is no number:";
	}
}

/* The two ends of a token with ".." in it; false when it has none. */
static bool
split(const struct token *t, struct token *a, struct token *b)
{
	size_t	 i;

	for (i = 0; i + 1 < t->len; i++)
		if (t->text[i] == '.' && t->text[i + 1] == '.')
			break;
	if (i + 1 >= t->len || t->kind != TOKEN_WORD)
		return false;
	*a = *b = *t;
	a->len = i;
	b->text += i + 2;
	b->len -= i + 2;
	return true;
}

const char *
value_range(enum field field, const struct token *t, struct value *v)
{
	struct token	 a, b;
	const char	*fault;

	if (!split(t, &a, &b)) {
		fault = value_number(field, t, &v->range.from);
		v->range.to = v->range.from;
		return fault == NULL && field_table[field].kind == KIND_CLOCK &&
		    v->range.from == 24 * 60 ? "only ends a range, and no clock shows it:" : fault;
	}
	if ((fault = value_number(field, &a, &v->range.from)) != NULL ||
	    (fault = value_number(field, &b, &v->range.to)) != NULL)
		return fault;
	if (field_table[field].kind == KIND_CLOCK) {
		if (v->range.from == 24 * 60)
			return "24:00 only ends a range:";
		if (v->range.from == v->range.to)
			return "the range is empty:";
		/* Until half past six is not at half past six. */
		v->range.to = v->range.to > 0 ? v->range.to - 1 : 24 * 60;
	} else if (v->range.from > v->range.to && field != FIELD_HOUR)
		return "the range runs backwards:";
	return NULL;
}

bool
value_lacks_unit(const char *span)
{
	return strspn(span, "0123456789") == strlen(span) && strspn(span, "0") != strlen(span);
}

const char *
value_text(struct parser *p, const struct token *t, struct value *v)
{
	struct token	 a, b;

	if (split(t, &a, &b) && a.len > 0 && b.len > 0)
		return "text has no ranges (in quotes it is a name):";
	return value_glob(p, t, v);
}

const char *
value_owner(struct parser *p, const struct token *t, struct value *v)
{
	const char	*fault = value_glob(p, t, v);

	if (fault == NULL && !eval_glob(v->text, "company") && !eval_glob(v->text, "personal") &&
	    !eval_glob(v->text, "unknown"))
		return "owner is company, personal or unknown, never";
	return fault;
}

const char *
value_versions(struct parser *p, const struct token *t, struct value *v)
{
	struct token	 a, b;
	const char	*fault, *from, *to;
	int		 order;

	if (split(t, &a, &b) && ((fault = value_version(p, &a, &from)) != NULL ||
	    (fault = value_version(p, &b, &to)) != NULL))
		return fault;
	if (split(t, &a, &b) && eval_version(from, to, &order) && order > 0)
		return "the range runs backwards:";
	return value_glob(p, t, v);
}

/* The place of a word in its list; -1 when it is none. */
static int
word_at(const struct field_word *w, const struct token *t)
{
	int	 i;

	for (i = 0; w[i].name != NULL; i++)
		if (*w[i].name == *t->text && strlen(w[i].name) == t->len &&
		    memcmp(w[i].name, t->text, t->len) == 0)
			return i;
	return -1;
}

bool
value_set(enum field field, const struct token *t, uint32_t *set)
{
	const struct field_word	*w = field_table[field].words;
	struct token		 a, b;
	int			 i, last;

	if (t->len > 0 && (i = word_at(w, t)) >= 0) {
		*set |= w[i].mask;
		return true;
	}
	/* Only days follow one another. */
	if (field != FIELD_WEEKDAY || !split(t, &a, &b) || a.len == 0 || b.len == 0 ||
	    (i = word_at(w, &a)) < 0 || (last = word_at(w, &b)) < 0)
		return false;
	for (; i != last; i = (i + 1) % 7)
		*set |= w[i].mask;
	*set |= w[last].mask;
	return true;
}
