#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "base/scan.h"
#include "base/text.h"
#include "intune/page.h"

static inline size_t
blanks(const char *s, size_t at, size_t len)
{
	while (at < len && scan_is_blank(s[at]))
		at++;
	return at;
}

/* On the way through a text that is only looked at for its brackets. */
struct skip {
	const char	*s;
	size_t		 at, len;
	int		 depth;
	bool		 in;		/* in a string */
};

/* One byte; true behind the last bracket, or where it goes too deep. */
static inline bool
skip_one(struct skip *k)
{
	char	 c = k->s[k->at++];

	if (k->in) {
		if (c == '\\')
			k->at++;
		k->in = c != '"';
	} else if (c == '"')
		k->in = true;
	else if (c == '{' || c == '[') {
		if (++k->depth > PAGE_DEPTH) {
			k->at = k->len;
			return true;
		}
	} else if (c == '}' || c == ']')
		return --k->depth == 0;
	return false;
}

#ifdef __SSE2__
/* A bit for each of 64 bytes: quotes, backslashes, brackets. */
struct marks {
	uint64_t	 quote, slash, open, close;
};

static inline void
mark(struct marks *m, const char *s)
{
	__m128i	 v, folded;
	int	 i;

	memset(m, 0, sizeof(*m));
	for (i = 0; i < 64; i += 16) {
		v = _mm_loadu_si128((const __m128i *)(const void *)(s + i));
		/* '[' and '{', ']' and '}' differ in this bit, and nothing else does. */
		folded = _mm_or_si128(v, _mm_set1_epi8(0x20));
#define BITS(x, c)	((uint64_t)(unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(x, _mm_set1_epi8(c))) << i)
		m->quote |= BITS(v, '"');
		m->slash |= BITS(v, '\\');
		m->open |= BITS(folded, '{');
		m->close |= BITS(folded, '}');
#undef BITS
	}
}

/* The same as skip_one() for 64 bytes at a time, as long as no backslash comes: then
 * every other quote ends a string. */
static bool
skip_blocks(struct skip *k)
{
	struct marks	 m;
	uint64_t	 in, brackets, one;
	int		 i;

	for (; k->at < k->len && k->len - k->at >= 64; k->at += 64) {
		mark(&m, k->s + k->at);
		if (m.slash != 0)
			return false;
		in = m.quote;
		for (i = 1; i < 64; i *= 2)
			in ^= in << i;
		in ^= k->in ? UINT64_MAX : 0;
		for (brackets = (m.open | m.close) & ~in; brackets != 0; brackets &= ~one) {
			one = brackets & -brackets;
			if ((m.open & one) != 0 && ++k->depth > PAGE_DEPTH) {
				k->at = k->len;
				return true;
			}
			if ((m.close & one) != 0 && --k->depth == 0) {
				k->at += (size_t)__builtin_ctzll(one) + 1;
				return true;
			}
		}
		k->in = in >> 63 != 0;
	}
	return false;
}
#else
static bool
skip_blocks(struct skip *k)
{
	(void)k;
	return false;
}
#endif

/* Behind the object or array that begins here; len when it does not end or is
 * nested too deeply.  Which bracket closes which is the real parser's to see. */
static size_t
skip_nested(const char *s, size_t at, size_t len)
{
	struct skip	 k = { s, at, len, 0, false };
	size_t		 until;

	while (k.at < len) {
		if (skip_blocks(&k))
			return k.at;
		for (until = k.at + 64; k.at < until && k.at < len;)
			if (skip_one(&k))
				return k.at;
	}
	return len;
}

/* Behind the string that begins at its quote; len when it does not end. */
static size_t
skip_string(const char *s, size_t at, size_t len)
{
	for (at++; at < len; at++) {
		if (s[at] == '"')
			return at + 1;
		if (s[at] == '\\')
			at++;
	}
	return len;
}

/* Finds the array of the outermost "value": *from behind its bracket.  False when
 * there is none. */
static bool
find_items(const char *s, size_t len, size_t *from)
{
	size_t	 at = blanks(s, 0, len), key, n, i;

	if (at == len || s[at] != '{')
		return false;
	for (at++; at < len;) {
		if (s[at] == '{' || s[at] == '[') {
			at = skip_nested(s, at, len);
			continue;
		}
		if (s[at] != '"') {
			at++;
			continue;
		}
		key = at + 1;
		at = skip_string(s, at, len);
		n = at - key;
		i = blanks(s, at, len);
		if (n != 6 || memcmp(s + key, "value\"", 6) != 0 || i == len || s[i] != ':')
			continue;
		i = blanks(s, i + 1, len);
		*from = i + 1;
		return i < len && s[i] == '[';
	}
	return false;
}

/* Where the items end, by their brackets. */
static bool
find_end(struct page *p)
{
	p->end = skip_nested(p->text, p->from - 1, p->len) - 1;
	return p->text[p->end] == ']' && p->end >= p->from;
}

/* Where they end if nothing stands behind them, as Graph has it: at the last bracket. */
static bool
guess_end(struct page *p)
{
	static const char	 wanted[] = "}]";
	size_t			 at = p->len, i;

	for (i = 0; i < 2; i++) {
		while (at > p->from && scan_is_blank(p->text[at - 1]))
			at--;
		if (at == p->from || p->text[--at] != wanted[i])
			return false;
	}
	p->end = at;
	return true;
}

static bool
bad(struct page *p, const char *what)
{
	char	 shown[96];

	snprintf(p->why, sizeof(p->why), "%s", text_safe(shown, sizeof(shown), what,
	    strlen(what)));
	return false;
}

/* A value that is no link, object or array. */
static bool
pass_over(struct scan *c)
{
	struct str	 s;

	if (c->p < c->end && *c->p == '"')
		return scan_string(c, &s);
	return scan_literal(c, "true") || scan_literal(c, "false") ||
	    scan_literal(c, "null") || scan_number(c);
}

bool
page_peek(const char *text, size_t len, char **next, bool *empty)
{
	struct scan	 c = { text, text, 0 };
	struct str	 key, link = { NULL, 0 };

	if (text == NULL)
		return false;
	c.end += len;
	scan_blanks(&c);
	if (!scan_eat(&c, '{'))
		return false;
	do {
		scan_blanks(&c);
		if (!scan_string(&c, &key))
			return false;
		scan_blanks(&c);
		if (!scan_eat(&c, ':'))
			return false;
		scan_blanks(&c);
		if (scan_is(&key, "value"))
			break;
		if (!(scan_is(&key, "@odata.nextLink") ? scan_string(&c, &link) : pass_over(&c)))
			return false;
		scan_blanks(&c);
	} while (scan_eat(&c, ','));
	if (link.s == NULL || !scan_eat(&c, '['))
		return false;
	scan_blanks(&c);
	*empty = scan_eat(&c, ']');
	if ((*next = strndup(link.s, link.len)) == NULL)
		err(EX_OSERR, NULL);
	return true;
}

/* The page without its items, for the real parser. */
static json_t *
parse_head(const struct page *p, json_error_t *je)
{
	size_t	 tail = p->len - p->end;
	char	*text;
	json_t	*o;

	if ((text = malloc(p->from + tail + 1)) == NULL)
		err(EX_OSERR, NULL);
	memcpy(text, p->text, p->from);
	memcpy(text + p->from, p->text + p->end, tail);
	o = json_loadb(text, p->from + tail, JSON_REJECT_DUPLICATES, je);
	free(text);
	return o;
}

static bool
read_head(struct page *p)
{
	const json_t	*link;
	json_error_t	 je = { .text = "" };

	json_decref(p->head);
	if ((p->head = parse_head(p, &je)) == NULL)
		return bad(p, je.text);
	link = json_object_get(p->head, "@odata.nextLink");
	p->next = json_string_value(link);
	if (!json_is_object(p->head) || json_is_object(json_object_get(p->head, "error")) ||
	    !json_is_array(json_object_get(p->head, "value")) || p->from == p->len)
		return bad(p, "is no list");
	if (link != NULL && !json_is_null(link) && !json_is_string(link))
		return bad(p, "has a nextLink that is no string");
	return true;
}

bool
page_open(struct page *p, char *text, size_t len)
{
	bool	 list;

	memset(p, 0, sizeof(*p));
	p->text = text;
	p->len = len;
	p->first = true;
	if (text == NULL)
		return bad(p, "is empty");
	list = find_items(text, len, &p->from);
	p->at = p->from;
	/* With a link in front nothing that matters is expected behind; next() sees
	 * when the guess was wrong. */
	if (list && guess_end(p) && read_head(p) && p->next != NULL) {
		p->guessed = true;
		return true;
	}
	/* Without items this is the whole: an error object, or no JSON at all. */
	if (!list || !find_end(p))
		p->from = p->at = p->end = len;
	return read_head(p);
}

void
page_close(struct page *p)
{
	json_decref(p->head);
	free(p->text);
	memset(p, 0, sizeof(*p));
}

/* Goes to the next item: PAGE_ITEM with p->at where it begins. */
static enum page_end
next(struct page *p)
{
	p->at = blanks(p->text, p->at, p->end);
	if (p->guessed && p->at < p->end && p->text[p->at] == ']') {
		p->guessed = false;
		p->end = p->at;
		if (!read_head(p))
			return PAGE_BAD;
	}
	if (p->at == p->end)
		return PAGE_LAST;
	if (!p->first) {
		if (p->text[p->at] != ',') {
			bad(p, "holds items without a comma between");
			return PAGE_BAD;
		}
		p->at = blanks(p->text, p->at + 1, p->end);
	}
	p->first = false;
	if (p->at < p->end && p->text[p->at] == '{')
		return PAGE_ITEM;
	bad(p, "holds an item that is no object");
	return PAGE_BAD;
}

/* The item at p->at by jansson. */
static enum page_end
parse_item(struct page *p, json_t **out)
{
	json_error_t	 je;
	size_t		 from = p->at;

	p->at = skip_nested(p->text, from, p->end);
	*out = json_loadb(p->text + from, p->at - from, JSON_REJECT_DUPLICATES, &je);
	if (*out != NULL)
		return PAGE_ITEM;
	bad(p, je.text);
	return PAGE_BAD;
}

enum page_end
page_item(struct page *p, json_t **out)
{
	enum page_end	 end = next(p);

	return end == PAGE_ITEM ? parse_item(p, out) : end;
}

enum page_end
page_device(struct page *p, struct managed *out)
{
	enum page_end	 end = next(p);
	json_t		*o;
	size_t		 n;

	if (end != PAGE_ITEM)
		return end;
	if ((n = managed_scan(p->text + p->at, p->end - p->at, &p->guess, out)) > 0) {
		p->at += n;
		return PAGE_ITEM;
	}
	if (parse_item(p, &o) == PAGE_BAD)
		return PAGE_BAD;
	if (!managed_parse(o, out, p->why, sizeof(p->why)))
		end = PAGE_ODD;
	json_decref(o);
	return end;
}
