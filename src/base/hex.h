/*
 * A hexadecimal digit, for the inner loops of guid.c and mac.c: their digits come in no
 * order that a branch could learn.
 */
#ifndef BASE_HEX_H
#define BASE_HEX_H

/* 0 to 15, or -1 for what is no digit. */
static inline int
hex_value(char c)
{
	static const unsigned char	 one_more[256] = {
		['0'] = 1, ['1'] = 2, ['2'] = 3, ['3'] = 4, ['4'] = 5, ['5'] = 6, ['6'] = 7,
		['7'] = 8, ['8'] = 9, ['9'] = 10, ['a'] = 11, ['b'] = 12, ['c'] = 13,
		['d'] = 14, ['e'] = 15, ['f'] = 16, ['A'] = 11, ['B'] = 12, ['C'] = 13,
		['D'] = 14, ['E'] = 15, ['F'] = 16,
	};

	return one_more[(unsigned char)c] - 1;
}

#endif
