#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/text.h"

size_t
text_utf8_len(const unsigned char *s, size_t len)
{
	size_t	 n, i;

	if (len == 0)
		return 0;
	if (s[0] < 0x80)
		return 1;
	if (s[0] >= 0xc2 && s[0] <= 0xdf)
		n = 2;
	else if (s[0] >= 0xe0 && s[0] <= 0xef)
		n = 3;
	else if (s[0] >= 0xf0 && s[0] <= 0xf4)
		n = 4;
	else
		return 0;
	if (len < n)
		return 0;
	for (i = 1; i < n; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	/* Over-long forms, surrogates and what lies beyond U+10FFFF. */
	if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) ||
	    (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f))
		return 0;
	return n;
}

char *
text_safe(char *dst, size_t size, const char *src, size_t len)
{
	const unsigned char	*s = (const unsigned char *)src;
	size_t			 i = 0, o = 0, n;

	while (i < len) {
		n = text_utf8_len(s + i, len - i);
		if (n == 1 && (s[i] < 0x20 || s[i] == 0x7f || s[i] == '\\'))
			n = 0;
		/* U+0080 to U+009F are control characters for a terminal. */
		if (n == 2 && s[i] == 0xc2 && s[i + 1] < 0xa0)
			n = 0;
		/* Keep four bytes for "..." and the NUL. */
		if (o + (n ? n : 4) + 4 > size) {
			memcpy(dst + o, "...", 3);
			o += 3;
			break;
		}
		if (n == 0) {
			snprintf(dst + o, 5, "\\x%02x", s[i]);
			o += 4;
			i++;
		} else {
			memcpy(dst + o, s + i, n);
			o += n;
			i += n;
		}
	}
	dst[o] = '\0';
	return dst;
}

bool
text_copy(char *dst, size_t size, const char *src)
{
	size_t	 n = strlen(src);
	bool	 fits = n < size;

	if (!fits)
		n = size - 1;
	memcpy(dst, src, n);
	dst[n] = '\0';
	return fits;
}

/* Levenshtein distance of two short words, case folded; a long word is simply far. */
static size_t
distance(const char *a, const char *b)
{
	size_t	 row[33], la = strlen(a), lb = strlen(b), i, j, diag, up;
	int	 same;

	if (la > 32 || lb > 32)
		return 99;
	for (j = 0; j <= lb; j++)
		row[j] = j;
	for (i = 1; i <= la; i++) {
		diag = row[0];
		row[0] = i;
		for (j = 1; j <= lb; j++) {
			up = row[j];
			same = strncasecmp(a + i - 1, b + j - 1, 1) == 0;
			row[j] = diag + (same ? 0 : 1);
			if (up + 1 < row[j])
				row[j] = up + 1;
			if (row[j - 1] + 1 < row[j])
				row[j] = row[j - 1] + 1;
			diag = up;
		}
	}
	return row[lb];
}

const char *
text_nearest(const char *typed, const char *const *words, size_t n)
{
	const char	*best = NULL;
	size_t		 i, d, least = strlen(typed) / 3 + 1;

	for (i = 0; i < n; i++)
		if ((d = distance(typed, words[i])) <= least) {
			best = words[i];
			if (d == 0)
				break;
			least = d - 1;
		}
	return best;
}
