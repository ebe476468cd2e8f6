/*
 * The statements that are neither rules nor labels: settings, zones, variables,
 * lists, evidence of trust, words.  Each parser is called behind its first word,
 * which is in t, and returns false when the rest of the line is to be passed
 * over (reported already).  For src/policy only.
 */
#ifndef POLICY_SETTING_H
#define POLICY_SETTING_H

#include "policy/parser.h"

bool	 setting_match_order(struct parser *p, const struct token *t);
bool	 setting_stale_after(struct parser *p, const struct token *t);
bool	 setting_no_match(struct parser *p, const struct token *t);
bool	 setting_when_broken(struct parser *p, const struct token *t);
bool	 setting_ambiguous(struct parser *p, const struct token *t);
bool	 setting_timezone(struct parser *p, const struct token *t);
bool	 setting_app_hint(struct parser *p, const struct token *t);
bool	 setting_trusted(struct parser *p, const struct token *t);
bool	 setting_zone(struct parser *p, const struct token *t);
bool	 setting_let(struct parser *p, const struct token *t);
bool	 setting_list(struct parser *p, const struct token *t);
bool	 setting_include(struct parser *p, const struct token *t);
bool	 setting_word(struct parser *p, const struct token *t);

struct zone *zone_named(const struct policy *p, const char *text, size_t len);

/* Whether the current token is a variable; the variable it names, or NULL after
 * having reported that there is none; and the i-th of its values, standing where
 * `at` stands. */
bool	 variable_here(const struct parser *p);
const struct variable *variable_use(struct parser *p);
struct token variable_token(const struct variable *v, size_t i, const struct token *at);

#endif
