/*
 * What a test of rules may say of a fact, and what it is to say instead.  For the
 * reader of tests.
 */
#ifndef POLICY_RULETEST_FACT_H
#define POLICY_RULETEST_FACT_H

#include <stdbool.h>
#include <stddef.h>

#include "policy/lexer.h"

/* What a test says instead of a word of the rules that is found out of other facts;
 * NULL when it is none of them. */
const char *ruletest_instead(const char *word);

/* Whether a field of the rules can have this value.  False with a sentence in what that
 * the value in quotes belongs behind; *near is a better word or NULL. */
bool	 ruletest_value(const char *field, const struct token *t, char *what, size_t size,
	    const char **near);

#endif
