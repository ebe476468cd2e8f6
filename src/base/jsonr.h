/*
 * A JSON reader (RFC 8259) over a buffer of the caller's: no allocation, no tree.
 * The caller's functions see each member and each element as it comes; strings
 * are unescaped where they stand, so the buffer is used up by reading.
 *
 * All of the grammar is checked, in what is passed over too.  Bytes in a string
 * that are no UTF-8 become question marks: whoever chose one name must not cost
 * the whole text.
 */
#ifndef BASE_JSONR_H
#define BASE_JSONR_H

#include <stdbool.h>
#include <stddef.h>

/* Objects and arrays within each other; what we read has 3 or 4. */
#define JSONR_DEPTH	32

struct jsonr {
	char	*p, *end;
	int	 depth;
};

/* A reader of one value takes exactly it, or returns false: the text is then
 * wrong, or of no use to the caller, where r->p points. */
typedef bool (*jr_member)(struct jsonr *r, const char *name, void *arg);
typedef bool (*jr_element)(struct jsonr *r, void *arg);

/* Starts at the first value of the len bytes of buf. */
void	 jr_init(struct jsonr *r, char *buf, size_t len);

/* The byte the value begins with: { [ " t f n - or a digit, if it is one at all;
 * 0 at the end. */
char	 jr_peek(const struct jsonr *r);

/*
 * Each of these reads one value of its kind and the blanks behind it.  Names and
 * texts are NUL-terminated in the buffer and valid as long as it is; a text may
 * hold NUL bytes (\u0000), a name may not.  Two members of one name are two calls.
 */
bool	 jr_object(struct jsonr *r, jr_member one, void *arg);
bool	 jr_array(struct jsonr *r, jr_element one, void *arg);
bool	 jr_text(struct jsonr *r, char **text, size_t *len);

/* A number that fits an int64_t goes into out as JSON writes it; a fraction or
 * one with an exponent is read as well, and out is "". */
#define JSONR_NUMBER	24
bool	 jr_number(struct jsonr *r, char out[JSONR_NUMBER]);

/* Any value. */
bool	 jr_skip(struct jsonr *r);

/* Whether nothing is left. */
bool	 jr_end(const struct jsonr *r);

#endif
