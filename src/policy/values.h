/*
 * The values of tests, from tokens.  Each returns NULL, or what is wrong (static
 * text that goes before the token in a message).  For src/policy only.
 */
#ifndef POLICY_VALUES_H
#define POLICY_VALUES_H

#include "policy/parser.h"

const char *value_glob(struct parser *p, const struct token *t, struct value *v);

/* An address, alone or with /bits. */
const char *value_net(const struct token *t, struct value *v);

/* A whole MAC in any usual form, or its first digits and `*`. */
const char *value_mac(const struct token *t, struct value *v);

/* Text is no range: one that has `..` in it, and something on both sides, is quoted. */
const char *value_text(struct parser *p, const struct token *t, struct value *v);

/* company, personal, unknown: Intune says nothing else.  A glob must match one. */
const char *value_owner(struct parser *p, const struct token *t, struct value *v);

/* What os-version is: a glob, a version, or two of them with `..` between. */
const char *value_versions(struct parser *p, const struct token *t, struct value *v);

/* Whether a span is a number alone.  That it is in seconds is not what somebody means
 * who writes `age < 24`; 0 is the same in any unit. */
bool	 value_lacks_unit(const char *span);

/* Digits and dots, as 14.2. */
const char *value_version(struct parser *p, const struct token *t, const char **out);

/* A number of a KIND_SPAN, KIND_NUMBER or KIND_CLOCK field, and A..B of them. */
const char *value_number(enum field field, const struct token *t, int64_t *out);
const char *value_range(enum field field, const struct token *t, struct value *v);

/* A word of a KIND_SET, or FIRST..LAST of them: adds its bits to *set.  Returns
 * false when it is none. */
bool	 value_set(enum field field, const struct token *t, uint32_t *set);

/* Whether a token stands where a value can: not for and, or, not, if, ... */
bool	 value_here(const struct parser *p);

#endif
