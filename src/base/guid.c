#include <ctype.h>
#include <string.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "base/guid.h"
#include "base/hex.h"

#define GUID_CHARS	(GUID_TEXT - 1)

#ifdef __SSE2__
/* Two halves of sixteen digits, without the hyphens. */
struct halves {
	__m128i	 high, low;
};

static inline uint64_t
load(const char *s, size_t n)
{
	uint64_t	 v = 0;

	memcpy(&v, s, n);
	return v;
}

static inline struct halves
without_hyphens(const char *s)
{
	return (struct halves){
		_mm_set_epi64x((long long)(load(s + 9, 4) | load(s + 14, 4) << 32),
		    (long long)load(s, 8)),
		_mm_set_epi64x((long long)load(s + 28, 8),
		    (long long)(load(s + 19, 4) | load(s + 24, 4) << 32)),
	};
}

/* The bytes that are above one limit and below another. */
static inline __m128i
between(__m128i v, char low, char high)
{
	return _mm_and_si128(_mm_cmpgt_epi8(v, _mm_set1_epi8((char)(low - 1))),
	    _mm_cmplt_epi8(v, _mm_set1_epi8((char)(high + 1))));
}

/* The values of sixteen digits, in *good whether they are all digits. */
static inline __m128i
values(__m128i v, bool *good)
{
	const __m128i	 letter = between(_mm_or_si128(v, _mm_set1_epi8(0x20)), 'a', 'f');
	const __m128i	 digit = between(v, '0', '9');

	*good = *good && _mm_movemask_epi8(_mm_or_si128(letter, digit)) == 0xffff;
	return _mm_add_epi8(_mm_and_si128(v, _mm_set1_epi8(0x0f)),
	    _mm_and_si128(letter, _mm_set1_epi8(9)));
}

/* Of two values the first is the high half of a byte. */
static inline __m128i
pairs(__m128i v)
{
	return _mm_and_si128(_mm_or_si128(_mm_slli_epi16(v, 4), _mm_srli_epi16(v, 8)),
	    _mm_set1_epi16(0xff));
}

static bool
read_digits(const char *s, struct guid *out)
{
	const struct halves	 h = without_hyphens(s);
	bool			 good = true;
	const __m128i		 high = values(h.high, &good), low = values(h.low, &good);

	_mm_storeu_si128((__m128i *)(void *)out->b, _mm_packus_epi16(pairs(high), pairs(low)));
	return good;
}

static inline __m128i
digits(__m128i v)
{
	return _mm_add_epi8(_mm_add_epi8(v, _mm_set1_epi8('0')),
	    _mm_and_si128(_mm_cmpgt_epi8(v, _mm_set1_epi8(9)), _mm_set1_epi8('a' - '9' - 1)));
}

static void
write_digits(char *out, const struct guid *g)
{
	const __m128i	 v = _mm_loadu_si128((const __m128i *)(const void *)g->b);
	const __m128i	 mask = _mm_set1_epi8(0x0f);
	const __m128i	 high = _mm_and_si128(_mm_srli_epi16(v, 4), mask);
	const __m128i	 low = _mm_and_si128(v, mask);
	char		 text[2 * GUID_LEN];

	_mm_storeu_si128((__m128i *)(void *)text, digits(_mm_unpacklo_epi8(high, low)));
	_mm_storeu_si128((__m128i *)(void *)(text + 16), digits(_mm_unpackhi_epi8(high, low)));
	memcpy(out, text, 8);
	memcpy(out + 9, text + 8, 4);
	memcpy(out + 14, text + 12, 4);
	memcpy(out + 19, text + 16, 4);
	memcpy(out + 24, text + 20, 4);
	memcpy(out + 28, text + 24, 8);
}
#else
/* Where each byte stands in the text. */
static const unsigned char	 place[GUID_LEN] = {
	0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34
};

static bool
read_digits(const char *s, struct guid *out)
{
	size_t	 i;
	int	 high, low, bad = 0;

	/* One look for all digits at the end: -1 has every bit. */
	for (i = 0; i < GUID_LEN; i++) {
		high = hex_value(s[place[i]]);
		low = hex_value(s[place[i] + 1]);
		bad |= high | low;
		out->b[i] = (uint8_t)((unsigned)high << 4 | (unsigned)low);
	}
	return bad >= 0;
}

static void
write_digits(char *out, const struct guid *g)
{
	static const char	 hex[] = "0123456789abcdef";
	size_t			 i;

	for (i = 0; i < GUID_LEN; i++) {
		out[place[i]] = hex[g->b[i] >> 4];
		out[place[i] + 1] = hex[g->b[i] & 15];
	}
}
#endif

bool
guid_scan(const char *s, size_t len, struct guid *out)
{
	struct guid	 g;

	if (len < GUID_CHARS || s[8] != '-' || s[13] != '-' || s[18] != '-' || s[23] != '-' ||
	    !read_digits(s, &g))
		return false;
	if (len > GUID_CHARS &&
	    (isalnum((unsigned char)s[GUID_CHARS]) || s[GUID_CHARS] == '-'))
		return false;
	*out = g;
	return true;
}

bool
guid_parse(const char *s, struct guid *out)
{
	size_t	 len = strlen(s);

	if (len == GUID_CHARS + 2 && s[0] == '{' && s[len - 1] == '}')
		return guid_scan(s + 1, GUID_CHARS, out);
	return len == GUID_CHARS && guid_scan(s, len, out);
}

char *
guid_format(char out[GUID_TEXT], const struct guid *g)
{
	write_digits(out, g);
	out[8] = out[13] = out[18] = out[23] = '-';
	out[GUID_CHARS] = '\0';
	return out;
}
