/*
 * The fields of a session, and of a change, that an attribute of a profile can be
 * made of: %{field} in a template.  For profile.c, which reads profiles, and
 * profile_fill.c, which fills them in.
 */
#ifndef RADIUS_PROFILE_FIELD_H
#define RADIUS_PROFILE_FIELD_H

#include <stdbool.h>
#include <stddef.h>

/* What a field tells apart, the vaguest first. */
enum field_names {
	NAMES_NOTHING,		/* many clients may share it */
	NAMES_NAS,
	NAMES_ADDRESS,		/* a client, by the address that it has been given */
	NAMES_CLIENT,
	NAMES_SESSION
};

struct profile_field {
	const char	*name;		/* as in nac-record(5) */
	const char	*attribute;	/* the one that it is, or NULL */
	size_t		 offset;
	enum field_names names;
	bool		 change;	/* of struct change */
};

/*
 * The next piece of a template at *s: a %{field} (then *f is set) or plain text
 * (then it is NULL).  Returns its length and moves *s behind it; 0 at the end;
 * -1 when a %{...} names no field.
 */
int	 profile_piece(const char **s, const char **start, const struct profile_field **f);

/* Whether a template has fields at all, and whether it has those that it names. */
bool	 profile_is_template(const char *text);
bool	 profile_template_good(const char *text);

/* The field that an attribute of this name is, or NULL. */
const struct profile_field *profile_own_field(const char *attribute);

#endif
