#include <sys/stat.h>

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/text.h"
#include "policy/lint.h"
#include "policy/sat.h"

/* Some seconds of one core at most, for the largest files. */
#define WORK		INT64_C(60000000)
#define TRAP_RULES	400	/* more are not looked at for traps: it is rules squared */

struct linter {
	const struct policy	*p;
	const struct attrnames	*names;
	policy_report		 report;
	void			*arg;
	struct sat		 sat;
	size_t			 n;
	struct claim		*not;	/* the opposite of each rule up to now, newest first */
	size_t			 nnot;
	/* Per label, whether it speaks of a world; 0: not asked yet.  Labels of labels
	 * of labels would be walked through again for each use. */
	uint8_t			 speaks[2][POLICY_LABELS];
};

enum { SPEAKS_NOT = 1, SPEAKS };

__attribute__((format(printf, 3, 4)))
static void
warning(struct linter *l, const struct place *at, const char *format, ...)
{
	char	 what[FILE_WHY], msg[2 * FILE_WHY];
	va_list	 ap;

	va_start(ap, format);
	vsnprintf(what, sizeof(what), format, ap);
	va_end(ap);
	snprintf(msg, sizeof(msg), "%.400s:%d:%zu: warning: %s", at->source->path, at->line,
	    at->column, what);
	l->report(l->arg, msg);
	l->n++;
}

static bool
possible(struct linter *l, const struct node *n, bool opposite)
{
	struct claim	 c = { n, opposite, WORLD_ANY, NULL, 0 };

	return sat_possible(&l->sat, &c);
}

/* Conditions and parts of them that can never hold.  at is the statement's. */
static void
never(struct linter *l, const struct node *n, const struct place *at)
{
	const struct node	*c;
	struct place		 here = *at;

	if (n == NULL || n->kind == NODE_LABEL || n->kind == NODE_TEST)
		return;
	if (n->kind == NODE_AND && !possible(l, n, false)) {
		here.line = n->line;
		here.column = n->column > 0 ? n->column : 1;
		warning(l, &here, "this can never hold: its parts contradict each other");
		return;
	}
	for (c = n->child; c != NULL; c = c->next)
		never(l, c, at);
}

static void
condition(struct linter *l, const struct node *n, const struct place *at)
{
	size_t	 before = l->n;

	never(l, n, at);
	if (n != NULL && l->n == before && !possible(l, n, true))
		warning(l, at, "its condition always holds");
}

static void
attributes(struct linter *l, const struct reply_attr *a, size_t n, const struct place *at)
{
	size_t	 i, k;

	for (i = 0; l->names != NULL && i < n; i++) {
		for (k = 0; k < i && strcmp(a[k].name, a[i].name) != 0; k++)
			;
		if (k == i && !attrnames_has(l->names, a[i].name))
			warning(l, at, "the dictionary has no attribute \"%s\": FreeRADIUS "
			    "would reject the client", a[i].name);
	}
}

static void
gift(struct linter *l, const struct gift *g, const struct place *at)
{
	const struct choice	*c;

	if (g == NULL)
		return;
	attributes(l, g->attr, g->nattr, at);
	/* The meanings of the site's own are looked at where they stand. */
	for (c = g->choices; c != NULL; c = c->next)
		if (c->n > 0 && c->of[c->n - 1].when == NULL)
			attributes(l, c->of[c->n - 1].attr, c->of[c->n - 1].nattr, at);
}

/* Whether a rule's gift is a label's, whose attributes are looked at there. */
static bool
is_labels(const struct policy *p, const struct gift *g)
{
	const struct label	*label;
	size_t			 i;

	for (i = 0; i < POLICY_BUCKETS; i++)
		for (label = p->labels[i]; label != NULL; label = label->chain)
			if (label->gives == g)
				return true;
	return false;
}

/* The rule that alone leaves nothing to r; NULL when it takes several. */
static const struct rule *
culprit(struct linter *l, const struct rule *r)
{
	const struct rule	*q;

	for (q = l->p->rules; q != r; q = q->next) {
		struct claim	 not = { q->when, true, WORLD_ANY, NULL, 0 };
		struct claim	 c = { r->when, false, WORLD_ANY, &not, 0 };

		if ((!q->shadow || r->shadow) && !sat_possible(&l->sat, &c))
			return q;
	}
	return NULL;
}

static void
reachable(struct linter *l, const struct rule *r)
{
	struct claim		 c = { r->when, false, WORLD_ANY,
				     l->nnot > 0 ? &l->not[l->nnot - 1] : NULL, 0 };
	const struct rule	*q;
	char			 name[TEXT_SHOWN];

	if (sat_possible(&l->sat, &c) || (r->when != NULL && !possible(l, r->when, false)))
		return;
	if ((q = culprit(l, r)) == NULL)
		warning(l, &r->at, "this rule is never reached: the rules above it leave "
		    "nothing for it");
	else if (q->when == NULL)
		warning(l, &r->at, "this rule is never reached: %s:%d matches always",
		    q->at.source->name, q->at.line);
	else
		warning(l, &r->at, "this rule is never reached: %s:%d%s%s%s takes all that it "
		    "could match", q->at.source->name, q->at.line, q->name != NULL ? " (" : "",
		    q->name != NULL ? text_safe(name, sizeof(name), q->name, strlen(q->name)) :
		    "", q->name != NULL ? ")" : "");
}

/* Whether a condition speaks of a world: of pending devices, or of old answers.
 * A rule that does not lets them in for another reason, and means it. */
static bool
speaks_of(struct linter *l, const struct node *n, int world)
{
	const struct node	*c;
	uint8_t			*known;

	if (n == NULL)
		return world == WORLD_PENDING;
	if (n->kind == NODE_LABEL) {
		known = &l->speaks[world == WORLD_STALE][n->label->index];
		if (*known == 0)
			*known = n->label->when != NULL && speaks_of(l, n->label->when, world) ?
			    SPEAKS : SPEAKS_NOT;
		return *known == SPEAKS;
	}
	if (n->kind == NODE_TEST)
		return world == WORLD_PENDING ? n->field == FIELD_COMPLIANCE &&
		    (n->set >> COMPLIANCE_PENDING & 1) != 0 :
		    n->field == FIELD_STALE || n->field == FIELD_FRESH || n->field == FIELD_AGE;
	for (c = n->child; c != NULL; c = c->next)
		if (speaks_of(l, c, world))
			return true;
	return false;
}

/* Whether the client that r decides about in one world would be another rule's
 * business with a fresh answer of this state. */
static bool
leaves(struct linter *l, const struct rule *r, const struct claim *here,
    enum compliance state)
{
	const struct rule	*q;
	struct claim		 then = { r->when, true, WORLD_FRESH + (int)state, here, 0 };

	if (r->when != NULL && sat_possible(&l->sat, &then))
		return true;
	for (q = l->p->rules; q != r; q = q->next) {
		if (q->shadow)
			continue;
		then = (struct claim){ q->when, false, WORLD_FRESH + (int)state, here, 0 };
		if (sat_possible(&l->sat, &then))
			return true;
	}
	return false;
}

/* A rule that a device gets into before Intune has answered (or because its
 * answer is old), and that no answer gets it out of. */
static void
trap(struct linter *l, const struct rule *r, int world)
{
	struct claim		*here;
	const struct rule	*q;
	size_t			 n = 0;
	int			 state;

	if (r->shadow || l->p->nrules > TRAP_RULES || !speaks_of(l, r->when, world))
		return;
	if ((here = calloc(l->p->nrules + 1, sizeof(*here))) == NULL)
		return;
	for (q = l->p->rules; q != r; q = q->next)
		if (!q->shadow) {
			here[n] = (struct claim){ q->when, true, world, n > 0 ? &here[n - 1] :
			    NULL, 0 };
			n++;
		}
	here[n] = (struct claim){ r->when, false, world, n > 0 ? &here[n - 1] : NULL, 0 };
	if (!sat_possible(&l->sat, &here[n]))
		goto out;
	for (state = COMPLIANCE_COMPLIANT; state <= COMPLIANCE_UNREGISTERED; state++)
		if (leaves(l, r, &here[n], (enum compliance)state))
			goto out;
	if (l->sat.left > 0)
		warning(l, &r->at, "a device that is %s can never leave this rule: no answer "
		    "of Intune leads to another one", world == WORLD_PENDING ? "pending" : "stale");
out:
	free(here);
}

static void
rules(struct linter *l)
{
	const struct rule	*r, *last = NULL;

	if ((l->not = calloc(l->p->nrules + 1, sizeof(*l->not))) == NULL)
		return;
	for (r = l->p->rules; r != NULL; r = r->next) {
		condition(l, r->when, &r->at);
		reachable(l, r);
		trap(l, r, WORLD_PENDING);
		trap(l, r, WORLD_STALE);
		if (r->gives != NULL && !is_labels(l->p, r->gives))
			gift(l, r->gives, &r->at);
		if (r->shadow)
			continue;
		last = r;
		l->not[l->nnot] = (struct claim){ r->when, true, WORLD_ANY,
		    l->nnot > 0 ? &l->not[l->nnot - 1] : NULL, 0 };
		l->nnot++;
	}
	if (!l->p->has_no_match && last != NULL && last->when != NULL)
		warning(l, &last->at, "this is the last rule, and nothing says what becomes of "
		    "all others: they are denied (write no-match deny)");
	free(l->not);
}

static int
by_place(const void *a, const void *b)
{
	const struct label	*x = *(const struct label *const *)a;
	const struct label	*y = *(const struct label *const *)b;

	return x->at.line != y->at.line ? (x->at.line < y->at.line ? -1 : 1) :
	    x->index < y->index ? -1 : x->index > y->index;
}

static void
labels(struct linter *l)
{
	const struct label	**all, *label;
	size_t			 i, n = 0;

	if ((all = calloc(l->p->nlabels + 1, sizeof(*all))) == NULL)
		return;
	for (i = 0; i < POLICY_BUCKETS; i++)
		for (label = l->p->labels[i]; label != NULL; label = label->chain)
			all[n++] = label;
	qsort(all, n, sizeof(*all), by_place);
	for (i = 0; i < n; i++) {
		if (!all[i]->used)
			warning(l, &all[i]->at, "nothing uses the label %s", all[i]->name);
		condition(l, all[i]->when, &all[i]->at);
		gift(l, all[i]->gives, &all[i]->at);
	}
	free(all);
}

static void
names(struct linter *l)
{
	const struct zone	*z;
	const struct list	*list;
	const struct variable	*v;
	const struct variant	*w;
	size_t			 i;

	for (z = l->p->zones; z != NULL; z = z->next)
		if (!z->used)
			warning(l, &z->at, "nothing uses the zone %s", z->name);
	for (list = l->p->lists; list != NULL; list = list->next)
		if (!list->used)
			warning(l, &list->at, "nothing uses the list %s", list->name);
	for (v = l->p->variables; v != NULL; v = v->next) {
		if (!v->used)
			warning(l, &v->at, "nothing uses the variable %s", v->name);
		if (v->quoted.line != 0)
			warning(l, &v->quoted, "in quotes %s is no variable and stays as it is",
			    v->name);
	}
	for (i = 0; i < WORD_COUNT; i++)
		for (w = l->p->variants[i]; w != NULL; w = w->next) {
			condition(l, w->when, &w->at);
			gift(l, w->gives, &w->at);
			if (w->when == NULL && w->next != NULL)
				warning(l, &w->next->at, "this word is never reached: the one in "
				    "line %d is taken always", w->at.line);
		}
}

static void
settings(struct linter *l)
{
	const struct policy	*p = l->p;
	struct place		 top = { p->sources, 1, 1 };
	size_t			 i;

	if (p->hint_unread != NULL)
		warning(l, &top, "%s: to this user no hint is good", p->hint_unread);
	if (p->asks_trust && p->nevidence == 0)
		warning(l, &top, "trust is asked for, and no `trusted by' says what it rests on: "
		    "no device is trusted");
	for (i = 0; i < p->nevidence; i++)
		condition(l, p->evidence[i].when, &p->evidence[i].at);
	if (p->shadow_all) {
		condition(l, p->shadow_when, &p->shadow_at);
		gift(l, p->shadow_gives, &p->shadow_at);
	}
	gift(l, p->no_match_gives, &top);
	gift(l, p->broken_gives, &top);
}

/* Who may write a folder can put another file into the place of this one. */
static void
folders(struct linter *l)
{
	const struct rules_file	*f;
	struct place		 at = { NULL, 1, 1 };
	const char		*slash;
	struct stat		 st;
	char			 folder[PATH_MAX];

	for (f = l->p->sources; f != NULL; f = f->next) {
		slash = strrchr(f->path, '/');
		snprintf(folder, sizeof(folder), "%.*s", slash == NULL ? 1 : slash == f->path ? 1 :
		    (int)(slash - f->path), slash == NULL ? "." : f->path);
		at.source = f;
		if (stat(folder, &st) == 0 && (st.st_mode & 022) != 0 &&
		    (st.st_mode & S_ISVTX) == 0)
			warning(l, &at, "others may write its folder, and so replace the file");
	}
}

size_t
policy_lint(const struct policy *p, const struct attrnames *attrs, policy_report report,
    void *arg)
{
	struct linter	 l = { .p = p, .names = attrs, .report = report, .arg = arg,
			     .sat = { p, WORK } };

	folders(&l);
	settings(&l);
	names(&l);
	labels(&l);
	rules(&l);
	return l.n;
}
