/*
 * What people write who know other languages, and what it is here.  For the parser.
 */
#ifndef POLICY_ADVICE_H
#define POLICY_ADVICE_H

#include "policy/parser.h"

/*
 * A word that is written for one of these words, n of them, and too far from it to be
 * found by its letters, or nearer to another; ranges of days too.  NULL when there is
 * none.
 */
const char *advice_word(struct parser *p, const struct token *t, const char *const *words,
	    size_t n);

/*
 * Where is or in is wanted and the current token is =, ==, != or a word for them: says
 * so, goes on behind it and returns true, with *negated set.  is: whether the field has
 * is at all.
 */
bool	 advice_operator(struct parser *p, bool is, const char *expected, bool *negated);

/* What the current token stands for where something else was expected, such as and for
 * &&; NULL when nothing is known. */
const char *advice_instead(const struct parser *p);

#endif
