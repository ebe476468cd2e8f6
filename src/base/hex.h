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
	unsigned	 digit = (unsigned char)c - (unsigned)'0';
	unsigned	 letter = ((unsigned char)c | 0x20U) - (unsigned)'a';

	return digit < 10 ? (int)digit : letter < 6 ? (int)letter + 10 : -1;
}

#endif
