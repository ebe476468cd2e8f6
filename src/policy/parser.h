/*
 * What the parts of the parser share.  For src/policy only.
 *
 * Recursive descent over nac-rules(5).  A slip that leaves the grammar clear (an
 * unknown label, a bad value) is reported and parsing goes on; one that does not
 * makes a function return false or NULL, and the rest of the statement is
 * passed over.  Every false or NULL has been reported.
 */
#ifndef POLICY_PARSER_H
#define POLICY_PARSER_H

#include <string.h>

#include "policy/lexer.h"
#include "policy/rules.h"

/* The settings that may be given once. */
enum once {
	ONCE_ORDER, ONCE_NO_MATCH, ONCE_BROKEN, ONCE_AMBIGUOUS, ONCE_TIMEZONE, ONCE_HINT,
	ONCE_SHADOW, ONCE_STALE, ONCE_COUNT = ONCE_STALE + 1 + COMPLIANCE_COUNT
};

struct parser {
	const char	*name;		/* of the file, for messages */
	policy_report	 report;
	void		*arg;
	int		 errors;
	struct lexer	 lx;
	struct token	 t;		/* the current token */
	struct policy	*pol;
	struct rule	**tail;
	struct rules_file	*source;
	bool		 full;		/* POLICY_MEMORY is used up: nothing more is read */
	bool		 in_word;	/* $role is the value of the word, no variable */
	bool		 word_used[WORD_COUNT];	/* by a reply above */
	bool		 files;		/* lists and further files may be read */
	const struct policy_text *texts;	/* NULL: from the disk */
	size_t		 ntexts;
	int		 depth;		/* of includes */
	struct { uint64_t dev, ino; } open[POLICY_DEPTH];
	size_t		 bytes, nsources, nlists, nzones, nvariables;
	bool		 once[ONCE_COUNT];
};

/* Zeroed memory that lives as long as the policy; no memory ends the program. */
void	*policy_alloc(struct policy *p, size_t size);

/* Adds a file to the end of a list of the policy's: of its sources, the first of which
 * is the rules file itself, or of its secrets.  state is file_state() before it is read. */
struct rules_file *policy_file(struct policy *p, struct rules_file **list, const char *path,
	    uint64_t state);

/* A copy in the arena of what a token says. */
const char *parser_text(struct parser *p, const struct token *t);

void	 parser_next(struct parser *p);

/* Whether the current token is this word, not quoted.  Inline, because with a
 * literal the compiler then needs neither strlen nor memcmp, and the hook parses
 * the rules for every authentication. */
static inline bool
parser_at(const struct parser *p, const char *word)
{
	return p->t.kind == TOKEN_WORD && strlen(word) == p->t.len &&
	    memcmp(word, p->t.text, p->t.len) == 0;
}

/* Reports `what "token"`; the second with a suggestion when near is not NULL. */
void	 parser_fault(struct parser *p, const struct token *t, const char *what);
void	 parser_near(struct parser *p, const struct token *t, const char *what,
	    const char *near);

/* Reports that the current token is not what was expected; returns false. */
bool	 parser_expected(struct parser *p, const char *what);

/* For the end of a statement: returns true, or reports what was expected. */
bool	 parser_end(struct parser *p, const char *expected);

/* Whether the policy has grown beyond POLICY_MEMORY; reported once, at t.  To be asked
 * wherever one token makes many things. */
bool	 parser_full(struct parser *p, const struct token *t);

/* For a setting: reports the second time. */
void	 parser_once(struct parser *p, const struct token *t, int which);

/* Where a token stands. */
struct place parser_place(const struct parser *p, const struct token *t);

/* Whether the current token is a name as labels have them; reports if not. */
bool	 parser_name(struct parser *p, const char *what);

/* The word nearest to a token, out of words and, unless words alone are wanted,
 * the names of the labels; NULL when none is near. */
const char *parser_guess(struct parser *p, const struct token *t,
	    const char *const *words, size_t n, bool labels);

/* The label a token names; NULL when there is none. */
struct label *parser_label(const struct parser *p, const char *text, size_t len);

/* The line further down that defines the label t names; 0 when there is none. */
int	 parser_defined_later(const struct parser *p, const struct token *t);

/* Reports a label that is not there, or not of the kind that is wanted. */
void	 parser_no_label(struct parser *p, const struct token *t, const struct label *l);

/* `deny` or `allow [with ...]` of no-match and when-broken. */
bool	 parser_answer(struct parser *p, enum action *action, struct gift **gives);

/* Parses the whole file, statement by statement; behind an error it goes on with
 * the next one. */
void	 parser_file(struct parser *p);

/* Parses another file in the middle of this one. */
void	 parser_include(struct parser *p, const char *path, const char *text, size_t len);

/* Parse a condition, and what stands behind `with` or `gives`. */
struct node *condition_parse(struct parser *p);
struct gift *reply_parse(struct parser *p);

/* The same behind the `gives` of a word: $NAME in a value is the word's. */
struct gift *reply_parse_word(struct parser *p);

#endif
