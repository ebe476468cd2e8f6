#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "base/text.h"
#include "intune/page.h"

static size_t
blanks(const char *s, size_t at, size_t len)
{
	while (at < len && (s[at] == ' ' || s[at] == '\t' || s[at] == '\n' || s[at] == '\r'))
		at++;
	return at;
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

/* Behind the object or array that begins here; len when it does not end or is
 * nested too deeply.  Which bracket closes which is the real parser's to see. */
static size_t
skip_nested(const char *s, size_t at, size_t len)
{
	int	 depth = 0;

	while (at < len) {
		if (s[at] == '"') {
			at = skip_string(s, at, len);
			continue;
		}
		if (s[at] == '{' || s[at] == '[') {
			if (++depth > PAGE_DEPTH)
				return len;
		} else if ((s[at] == '}' || s[at] == ']') && --depth == 0)
			return at + 1;
		at++;
	}
	return len;
}

/* Finds the array of the outermost "value": *from behind its bracket, *to at the
 * closing one.  False when there is none. */
static bool
find_items(const char *s, size_t len, size_t *from, size_t *to)
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
		if (i == len || s[i] != '[')
			return false;
		*from = i + 1;
		at = skip_nested(s, i, len);
		*to = at - 1;
		return s[*to] == ']' && *to >= *from;
	}
	return false;
}

static bool
bad(struct page *p, const char *what)
{
	char	 shown[96];

	snprintf(p->why, sizeof(p->why), "%s", text_safe(shown, sizeof(shown), what,
	    strlen(what)));
	return false;
}

/* The page without its items, for the real parser. */
static json_t *
parse_head(const struct page *p, json_error_t *je)
{
	size_t	 tail = p->len - p->end;
	char	*text;
	json_t	*o;

	if ((text = malloc(p->at + tail + 1)) == NULL)
		err(EX_OSERR, NULL);
	memcpy(text, p->text, p->at);
	memcpy(text + p->at, p->text + p->end, tail);
	o = json_loadb(text, p->at + tail, JSON_REJECT_DUPLICATES, je);
	free(text);
	return o;
}

bool
page_open(struct page *p, char *text, size_t len)
{
	const json_t	*link;
	json_error_t	 je = { .text = "" };

	memset(p, 0, sizeof(*p));
	p->text = text;
	p->len = len;
	p->first = true;
	if (text == NULL)
		return bad(p, "is empty");
	/* Without items this is the whole: an error object, or no JSON at all. */
	if (!find_items(text, len, &p->at, &p->end))
		p->at = p->end = len;
	if ((p->head = parse_head(p, &je)) == NULL)
		return bad(p, je.text);
	link = json_object_get(p->head, "@odata.nextLink");
	p->next = json_string_value(link);
	if (!json_is_object(p->head) || json_is_object(json_object_get(p->head, "error")) ||
	    !json_is_array(json_object_get(p->head, "value")) || p->at == len)
		return bad(p, "is no list");
	if (link != NULL && !json_is_null(link) && !json_is_string(link))
		return bad(p, "has a nextLink that is no string");
	return true;
}

void
page_close(struct page *p)
{
	json_decref(p->head);
	free(p->text);
	memset(p, 0, sizeof(*p));
}

enum page_end
page_item(struct page *p, json_t **out)
{
	json_error_t	 je;
	size_t		 from, to;

	from = blanks(p->text, p->at, p->end);
	if (from == p->end && p->first)
		return PAGE_LAST;
	if (!p->first) {
		if (from == p->end)
			return PAGE_LAST;
		if (p->text[from] != ',') {
			bad(p, "holds items without a comma between");
			return PAGE_BAD;
		}
		from = blanks(p->text, from + 1, p->end);
	}
	p->first = false;
	if (from == p->end || p->text[from] != '{') {
		bad(p, "holds an item that is no object");
		return PAGE_BAD;
	}
	to = skip_nested(p->text, from, p->end);
	p->at = to;
	if ((*out = json_loadb(p->text + from, to - from, JSON_REJECT_DUPLICATES, &je)) != NULL)
		return PAGE_ITEM;
	bad(p, je.text);
	return PAGE_BAD;
}
