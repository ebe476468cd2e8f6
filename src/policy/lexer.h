/*
 * Splits a rules file into words.  It allocates nothing and reports nothing: a
 * token points into the text, and what is wrong comes back as TOKEN_BAD.
 */
#ifndef POLICY_LEXER_H
#define POLICY_LEXER_H

#include <stdbool.h>
#include <stddef.h>

enum token_kind {
	TOKEN_EOF,
	TOKEN_END,		/* end of a statement */
	TOKEN_WORD,
	TOKEN_STRING,		/* text is what stands between the quotes */
	TOKEN_COMMA,
	TOKEN_OPEN,
	TOKEN_CLOSE,
	TOKEN_EQ,		/* =  */
	TOKEN_SET,		/* := */
	TOKEN_ADD,		/* += */
	TOKEN_LT,
	TOKEN_LE,
	TOKEN_GT,
	TOKEN_GE,
	TOKEN_BAD
};

struct token {
	enum token_kind	 kind;
	int		 line;		/* from 1 */
	size_t		 column;	/* from 1, in bytes */
	const char	*text;
	size_t		 len;
	const char	*fault;		/* of TOKEN_BAD: what is wrong (static text) */
	bool		 escaped;	/* a TOKEN_STRING has \" or \\ in it */
};

struct lexer {
	const char	*p, *end;
	const char	*line_start;
	int		 line;
};

/* Starts at the first byte of text; a byte order mark of UTF-8 is passed over. */
void	 lexer_init(struct lexer *lx, const char *text, size_t len);

/* Reads the next token.  After TOKEN_EOF it is TOKEN_EOF for ever. */
void	 lexer_next(struct lexer *lx, struct token *t);

/* The length of the text of a token when its escapes are undone. */
size_t	 lexer_len(const struct token *t);

/* Copies the text of a token to dst (lexer_len() + 1 bytes), its escapes undone.
 * Returns the length. */
size_t	 lexer_copy(char *dst, const struct token *t);

#endif
