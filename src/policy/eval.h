/*
 * Asking the facts: the one place where a condition meets a record.  What decides
 * and what explains a decision use the same functions, so that an explanation
 * cannot differ from the decision.  For src/policy only.
 */
#ifndef POLICY_EVAL_H
#define POLICY_EVAL_H

#include "policy/rules.h"

#define EVAL_NONE	INT64_MIN	/* a number that is not known */

/* A line of a list.  Without an entry: none. */
struct listed {
	const struct list	*list;
	const struct entry	*entry;
};

/* One evaluation: what is worked out once is kept. */
struct eval {
	const struct policy	*p;
	const struct facts	*f;
	int64_t			 age;		/* of the answer; INT64_MAX not known */
	int			 family;	/* of the NAS address; -1 not looked at, 0 none */
	uint8_t			 nas[16];
	uint8_t			 trust;		/* enum truth */
	struct listed		 found;		/* by the last test, whatever became of it */
	/* The truth of each label.  Without it a label of labels of labels would
	 * be worked out twice at every level. */
	uint8_t			 label[POLICY_LABELS];
};

void	 eval_start(struct eval *e, const struct policy *p, const struct facts *f);

/* Whether a condition holds (NULL: always), and a NODE_TEST alone. */
bool	 eval_holds(struct eval *e, const struct node *n);
bool	 eval_test(struct eval *e, const struct node *n);

/* Whether a condition holds because a list names the client: an entry that was only
 * looked up on the way, in a part that did not decide, is none.  Of several, the last. */
bool	 eval_listed(struct eval *e, const struct node *n, struct listed *out);

/*
 * What a field is, by its kind.  KIND_SET: its bits, 0 when it is not known.
 * KIND_TEXT and KIND_VERSION: the i-th of its texts, "" when that one is not
 * known, NULL behind the last.  KIND_SPAN: seconds, INT64_MAX when not known;
 * KIND_NUMBER and KIND_CLOCK: EVAL_NONE when not known.
 */
uint32_t eval_set(struct eval *e, enum field field);
const char *eval_text(const struct eval *e, enum field field, size_t i);
int64_t	 eval_number(const struct eval *e, enum field field);
bool	 eval_flag(struct eval *e, enum field field);

/* Whether one piece of evidence for `trust` holds. */
bool	 eval_evidence(struct eval *e, const struct evidence *v);

/* Whether the managed app's hint was good, and whether there was one. */
enum hint eval_hint(const struct policy *p, const struct session *s);

/* The stale limit that goes for this answer. */
int64_t	 eval_stale_after(const struct policy *p, enum compliance state);

/* Whether a version text is below (-1), at (0) or above (1) another, dotted
 * component by component; false when it begins with no digit. */
bool	 eval_version(const char *seen, const char *wanted, int *order);

/* `*` any text, `?` any character, ASCII letters without regard to case. */
bool	 eval_glob(const char *glob, const char *text);

#endif
