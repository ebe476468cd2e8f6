#include <arpa/inet.h>
#include <sys/socket.h>

#include <err.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "base/text.h"
#include "base/when.h"
#include "policy/eval.h"
#include "policy/explain.h"

#define SHOWN_VALUES	4	/* of a test with many */

struct text {
	char	 s[512];
	size_t	 len;
};

/* What is being looked for: the tests that made a condition come out false. */
struct search {
	struct eval	*e;
	const struct rules_file	*file;	/* where the condition stands */
	const struct label	*label;	/* the innermost label above it, or NULL */
	json_t		*failed;
};

static json_t *
must(json_t *v)
{
	if (v == NULL)
		err(EX_OSERR, NULL);
	return v;
}

static void	 add(struct text *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* What does not fit is cut off, never in the middle of a character. */
static void
add(struct text *t, const char *fmt, ...)
{
	va_list	 ap;
	int	 n;

	va_start(ap, fmt);
	n = vsnprintf(t->s + t->len, sizeof(t->s) - t->len, fmt, ap);
	va_end(ap);
	if (n >= 0 && (size_t)n < sizeof(t->s) - t->len) {
		t->len += (size_t)n;
		return;
	}
	t->len = sizeof(t->s) - 1;
	while (t->len > 0 && (t->s[t->len - 1] & 0xc0) == 0x80)
		t->len--;
	if (t->len > 0 && (t->s[t->len - 1] & 0x80) != 0)
		t->len--;
	t->s[t->len] = '\0';
}

/* The words whose bits are all in set; mobile and the like only where no smaller
 * word said it already. */
static void
set_text(struct text *t, const struct field_word *w, uint32_t set)
{
	const char	*comma = "";

	for (; w->name != NULL; w++)
		if ((w->mask & set) == w->mask) {
			add(t, "%s%s", comma, w->name);
			set &= ~w->mask;
			comma = ", ";
		}
}

/* As it is written in rules: quoted where it has to be. */
static void
word_text(struct text *t, const char *s)
{
	if (*s != '\0' && strpbrk(s, " \t,()=<>\"\\#") == NULL) {
		add(t, "%s", s);
		return;
	}
	add(t, "\"");
	for (; *s != '\0'; s++)
		add(t, *s == '"' || *s == '\\' ? "\\%c" : "%c", *s);
	add(t, "\"");
}

/* An address, or a network as address/bits. */
static void
net_text(struct text *t, const struct value *v)
{
	char	 buf[INET6_ADDRSTRLEN];

	add(t, "%s", inet_ntop(v->family, v->bytes, buf, sizeof(buf)));
	if (v->bits < (v->family == AF_INET6 ? 128 : 32))
		add(t, "/%d", v->bits);
}

static void
mac_text(struct text *t, const struct value *v)
{
	char	 buf[MAC_TEXT];
	size_t	 digits = v->bits / 4;

	mac_format(buf, v->bytes, MAC_COLON);
	/* The digits, and the colons between their pairs. */
	if (v->bits < 8 * MAC_LEN)
		add(t, "%.*s*", (int)(digits + digits / 2), buf);
	else
		add(t, "%s", buf);
}

static void
span_text(struct text *t, int64_t n)
{
	static const struct { int seconds; char unit; } units[] = {
		{ 86400, 'd' }, { 3600, 'h' }, { 60, 'm' }, { 1, 's' },
	};
	size_t	 i = 0;

	while (i < 3 && (n == 0 || n % units[i].seconds != 0))
		i++;
	add(t, "%lld%c", (long long)(n / units[i].seconds), units[i].unit);
}

static void
number_text(struct text *t, enum kind kind, int64_t n)
{
	if (kind == KIND_SPAN)
		span_text(t, n);
	else if (kind == KIND_CLOCK)
		add(t, "%02d:%02d", (int)(n / 60), (int)(n % 60));
	else
		add(t, "%lld", (long long)n);
}

static void
range_text(struct text *t, enum kind kind, const struct value *v)
{
	number_text(t, kind, v->range.from);
	if (v->range.to == v->range.from)
		return;
	add(t, "..");
	/* The end of a time of day is no more in it. */
	number_text(t, kind, v->range.to + (kind == KIND_CLOCK && v->range.to < 24 * 60));
}

static void
value_text(struct text *t, const struct node *n, const struct value *v)
{
	if (v->is_list) {
		add(t, "list %s", v->list->name);
		return;
	}
	switch (field_table[n->field].kind) {
	case KIND_TEXT:
	case KIND_VERSION:
		word_text(t, v->text);
		break;
	case KIND_ZONE:
		add(t, "%s", v->zone->name);
		break;
	case KIND_NET:
		net_text(t, v);
		break;
	case KIND_MAC:
		mac_text(t, v);
		break;
	default:
		range_text(t, field_table[n->field].kind, v);
		break;
	}
}

/* The words behind a field, the smallest that say it all. */
static void
words_text(struct text *t, enum field field, uint32_t set)
{
	const struct field_word	*w;

	for (w = field_table[field].words; w->name != NULL; w++)
		if (w->mask == set) {
			add(t, " is %s", w->name);
			return;
		}
	add(t, " in ");
	set_text(t, field_table[field].words, set);
}

/* A test as it could stand in a rules file, but for many values. */
static void
test_text(struct text *t, const struct node *n)
{
	static const char *const	 compare[] = { "", "<", "<=", ">", ">=" };
	const struct field_info		*f = &field_table[n->field];
	const struct value		*v;
	int				 i = 0, more = 0;

	add(t, "%s", f->name);
	if (f->kind == KIND_FLAG)
		return;
	if (f->kind == KIND_SET) {
		words_text(t, n->field, n->set);
		return;
	}
	if (n->compare != COMPARE_IN) {
		add(t, " %s ", compare[n->compare]);
		if (f->kind == KIND_VERSION)
			add(t, "%s", n->version);
		else
			number_text(t, f->kind, n->number);
		return;
	}
	/* A span is never asked for with is. */
	add(t, f->kind == KIND_SPAN || (n->values != NULL && n->values->next != NULL) ?
	    " in " : " is ");
	for (v = n->values; v != NULL && i < SHOWN_VALUES; v = v->next, i++) {
		add(t, "%s", i > 0 ? ", " : "");
		value_text(t, n, v);
	}
	for (; v != NULL; v = v->next)
		more++;
	if (more > 0)
		add(t, " and %d more", more);
}

/* What the flags, which have no value of their own, looked at. */
static void
flag_seen(struct text *t, struct eval *e, enum field field)
{
	const struct answer	*a = e->f->answer;
	char			 buf[64];

	switch (field) {
	case FIELD_RETIRING:
	case FIELD_WIPING:
		add(t, "%s", a->has_device ? a->device.management_state : "");
		break;
	case FIELD_JAILBROKEN:
		add(t, "%s", a->has_device ? a->device.jailbroken : "");
		break;
	case FIELD_ENCRYPTED:
		add(t, "%s", !a->has_device ? "" : a->device.encrypted ? "true" : "false");
		break;
	case FIELD_RANDOM_MAC:
		add(t, "%s", e->f->id->has_mac ? mac_format(buf, e->f->id->mac, MAC_COLON) : "");
		break;
	case FIELD_FRESH:
	case FIELD_STALE:
		if (e->age != INT64_MAX)
			add(t, "%s", when_ago(buf, sizeof(buf), e->age));
		break;
	case FIELD_AMBIGUOUS:
		add(t, "%s%s", compliance_name(a->state), e->f->id->ambiguous ?
		    ", a certificate of two devices" : "");
		break;
	case FIELD_CERTIFICATE:
		add(t, "%s", e->f->id->issuer[0] != '\0' ? e->f->id->issuer : e->f->id->serial);
		break;
	case FIELD_APP_HINT:
		add(t, "%s", hint_name(eval_hint(e->p, e->f->session)));
		break;
	default:
		add(t, "%s", compliance_name(a->state));
		break;
	}
}

/* The value that a test saw; "" when it is not known. */
static void
seen_text(struct text *t, struct eval *e, enum field field)
{
	const struct session	*s = e->f->session;
	const char		*one, *comma = "";
	char			 buf[64];
	int64_t			 n;
	size_t			 i;

	switch (field_table[field].kind) {
	case KIND_SET:
		if (field == FIELD_TRUST)
			add(t, "%s", eval_set(e, field) >> TRUST_YES & 1 ? "trusted" : "not trusted");
		else
			set_text(t, field_table[field].words, eval_set(e, field));
		break;
	case KIND_TEXT:
	case KIND_VERSION:
		for (i = 0; (one = eval_text(e, field, i)) != NULL; i++)
			if (*one != '\0') {
				add(t, "%s%s", comma, one);
				comma = ", ";
			}
		break;
	case KIND_NET:
		add(t, "%s", s->nas_ip);
		break;
	case KIND_ZONE:
		add(t, "%s%s%s", s->nas_ip, s->nas_ip[0] != '\0' && s->nas_id[0] != '\0' ?
		    ", " : "", s->nas_id);
		break;
	case KIND_MAC:
		if (e->f->id->has_mac)
			add(t, "%s", mac_format(buf, e->f->id->mac, MAC_COLON));
		break;
	case KIND_SPAN:
		if ((n = eval_number(e, field)) != INT64_MAX)
			add(t, "%s", when_ago(buf, sizeof(buf), n));
		break;
	case KIND_NUMBER:
		if ((n = eval_number(e, field)) != EVAL_NONE)
			add(t, "%lld", (long long)n);
		break;
	case KIND_CLOCK:
		if ((n = eval_number(e, field)) != EVAL_NONE)
			add(t, "%02d:%02d", (int)(n / 60), (int)(n % 60));
		break;
	default:
		flag_seen(t, e, field);
		break;
	}
}

static void
set(json_t *o, const char *key, json_t *v)
{
	if (json_object_set_new(o, key, must(v)) == -1)
		err(EX_OSERR, NULL);
}

/* Names are the certificate's, the request's and Intune's; the first that has one is
 * the origin of what was seen. */
static enum origin
name_origin(json_t *o, const struct eval *e)
{
	const struct identity	*id = e->f->id;
	bool			 intune = e->f->answer->has_device &&
				     e->f->answer->device.name[0] != '\0';

	set(o, "from", json_string(id->nname == 0 && intune ? "compliance.device.name" : intune ?
	    "identity.name, compliance.device.name" : "identity.name"));
	if (id->nname == 0)
		return intune ? ORIGIN_INTUNE : ORIGIN_REQUEST;
	return id->name[0].found <= FOUND_CN ? ORIGIN_CERTIFICATE : ORIGIN_REQUEST;
}

/* Where the value came from, and how old it is where that is known. */
static void
provenance(json_t *o, const struct eval *e, enum field field)
{
	static const char *const	 origins[] = { "request", "certificate", "intune",
	    "clock", "rules" };
	const struct answer		*a = e->f->answer;
	char				 when[WHEN_TEXT];
	int64_t				 then = 0;

	enum origin			 origin = field_table[field].origin;

	if (field == FIELD_NAME)
		origin = name_origin(o, e);
	else
		set(o, "from", json_string(field_table[field].path));
	set(o, "origin", json_string(origins[origin]));
	if (origin == ORIGIN_INTUNE) {
		if (a->source != SOURCE_NONE)
			set(o, "source", json_string(source_name(a->source)));
		then = a->checked;
	} else if (origin == ORIGIN_REQUEST)
		then = e->f->session->seen;
	if (then <= 0 || then == WHEN_ALWAYS)
		return;
	set(o, "time", json_string(when_format(when, then)));
	if (e->f->now >= then)
		set(o, "age", json_integer(e->f->now - then));
}

static void	 find(struct search *, const struct node *, bool);
static void	 test_failed(struct search *, const struct node *, bool);

/* Why one kind of evidence does not hold: the client lacks it, or its condition. */
static json_t *
evidence_failed(struct eval *e, const struct evidence *v)
{
	struct search	 q = { .e = e, .file = v->at.source, .failed = must(json_array()) };
	struct node	 n = { .kind = NODE_TEST, .line = v->at.line,
			     .column = (uint16_t)v->at.column };
	bool		 has;

	switch (v->kind) {
	case EVIDENCE_CERTIFICATE:
		n.field = FIELD_CERTIFICATE;
		break;
	case EVIDENCE_APP_HINT:
		n.field = FIELD_APP_HINT;
		break;
	default:
		n.field = v->when != NULL ? FIELD_MANAGED : FIELD_COMPLIANCE;
		n.set = UINT32_C(1) << COMPLIANCE_COMPLIANT;
		break;
	}
	has = n.field == FIELD_COMPLIANCE ? false : eval_flag(e, (enum field)n.field);
	if (has && v->when != NULL)
		find(&q, v->when, true);
	else
		test_failed(&q, &n, true);
	return q.failed;
}

/* What trust rests on, each with the tests that failed. */
static json_t *
evidence(struct eval *e)
{
	static const char *const	 kinds[] = { "certificate", "app-hint", "compliance" };
	const struct evidence		*v;
	json_t				*list = must(json_array()), *o;
	size_t				 i;
	bool				 holds;

	for (i = 0; i < e->p->nevidence; i++) {
		v = &e->p->evidence[i];
		o = must(json_object());
		holds = eval_evidence(e, v);
		set(o, "by", json_string(kinds[v->kind]));
		set(o, "at", json_sprintf("%s:%d", v->at.source->name, v->at.line));
		set(o, "holds", json_boolean(holds));
		if (!holds)
			set(o, "failed", evidence_failed(e, v));
		if (json_array_append_new(list, o) == -1)
			err(EX_OSERR, NULL);
	}
	return list;
}

static void
test_failed(struct search *q, const struct node *n, bool wanted)
{
	struct text	 t = { .len = 0 }, seen = { .len = 0 };
	json_t		*o = must(json_object());
	char		 at[64];

	if (!wanted)
		add(&t, "not ");
	test_text(&t, n);
	seen_text(&seen, q->e, n->field);
	set(o, "test", json_string(t.s));
	if (q->label != NULL)
		set(o, "label", json_string(q->label->name));
	snprintf(at, sizeof(at), ":%d:%d", n->line, n->column);
	set(o, "at", json_sprintf("%s%s", q->file->name, at));
	set(o, "saw", seen.len > 0 ? json_string(seen.s) : json_null());
	provenance(o, q->e, n->field);
	if (n->field == FIELD_TRUST && q->e->p->nevidence > 0)
		set(o, "evidence", evidence(q->e));
	if (json_array_append_new(q->failed, o) == -1)
		err(EX_OSERR, NULL);
}

/* Finds why n is not what was wanted.  Recursion as deep as the rules nest. */
static void
find(struct search *q, const struct node *n, bool wanted)
{
	const struct node		*c;
	const struct rules_file		*file = q->file;
	const struct label		*label = q->label;
	bool				 all = (n->kind == NODE_OR) == wanted;

	if (json_array_size(q->failed) == EXPLAIN_FAILED)
		return;
	switch (n->kind) {
	case NODE_AND:
	case NODE_OR:
		for (c = n->child; c != NULL; c = c->next)
			if (eval_holds(q->e, c) != wanted) {
				find(q, c, wanted);
				if (!all)
					return;
			}
		return;
	case NODE_NOT:
		find(q, n->child, !wanted);
		return;
	case NODE_LABEL:
		q->file = n->label->at.source;
		q->label = n->label;
		find(q, n->label->when, wanted);
		q->file = file;
		q->label = label;
		return;
	default:
		test_failed(q, n, wanted);
		return;
	}
}

static json_t *
explain_rule(struct eval *e, const struct rule *r, bool matched)
{
	struct search	 q = { e, r->at.source, NULL, NULL };
	json_t		*o = must(json_object());

	set(o, "rule", json_sprintf("%s:%d", r->at.source->name, r->at.line));
	if (r->name != NULL)
		set(o, "name", json_string(r->name));
	set(o, "action", json_string(r->action == ACTION_ALLOW ? "allow" : "deny"));
	if (r->shadow)
		set(o, "shadow", json_true());
	set(o, "matched", json_boolean(matched));
	if (!matched) {
		q.failed = must(json_array());
		find(&q, r->when, true);
		set(o, "failed", q.failed);
	}
	return o;
}

static void
append(json_t *list, json_t *o)
{
	if (json_array_append_new(list, o) == -1)
		err(EX_OSERR, NULL);
}

/* `shadow all', which goes before all rules and stops none of them. */
static json_t *
explain_all(struct eval *e, const struct policy *p)
{
	struct rule	 all = { .action = ACTION_ALLOW, .at = p->shadow_at, .name = NULL,
			     .when = p->shadow_when, .gives = NULL, .shadow = false, .next = NULL };
	json_t		*o = explain_rule(e, &all, eval_holds(e, p->shadow_when));

	set(o, "all", json_true());
	return o;
}

static json_t *
explain_no_match(const struct policy *p)
{
	json_t	*o = must(json_object());

	set(o, "rule", json_string("no-match"));
	set(o, "action", json_string(p->no_match == ACTION_ALLOW ? "allow" : "deny"));
	set(o, "matched", json_true());
	return o;
}

json_t *
policy_explain(const struct policy *p, const struct facts *f)
{
	const struct rule	*r;
	struct eval		 e;
	json_t			*list = must(json_array());
	bool			 matched = false;

	eval_start(&e, p, f);
	if (p->shadow_all)
		append(list, explain_all(&e, p));
	for (r = p->rules; r != NULL && !matched; r = r->next) {
		matched = eval_holds(&e, r->when);
		append(list, explain_rule(&e, r, matched));
		/* One in the shadow decides nothing. */
		if (r->shadow)
			matched = false;
	}
	if (!matched)
		append(list, explain_no_match(p));
	return list;
}

static const char *
member(const json_t *o, const char *key)
{
	const char	*s = json_string_value(json_object_get(o, key));

	return s != NULL ? s : "";
}

static void
print_failed(const json_t *o, FILE *out)
{
	const char	*saw = json_string_value(json_object_get(o, "saw"));
	const json_t	*age = json_object_get(o, "age");
	char		 shown[TEXT_SHOWN], ago[32], test[TEXT_SHOWN];

	text_safe(test, sizeof(test), member(o, "test"), strlen(member(o, "test")));
	fprintf(out, "%s: %s is ", test, member(o, "from"));
	if (saw == NULL)
		fputs("not known", out);
	else
		fprintf(out, "\"%s\"", text_safe(shown, sizeof(shown), saw, strlen(saw)));
	if (strcmp(member(o, "origin"), "intune") == 0 && *member(o, "source") != '\0')
		fprintf(out, ", by %s", member(o, "source"));
	if (age != NULL)
		fprintf(out, ", %s old", when_ago(ago, sizeof(ago), json_integer_value(age)));
}

/* (certificate, r:1: its tests that failed; compliance, r:2: holds) */
static void
print_evidence(const json_t *list, FILE *out)
{
	const json_t	*one, *failed;
	size_t		 i, k;

	for (i = 0; i < json_array_size(list); i++) {
		one = json_array_get(list, i);
		failed = json_object_get(one, "failed");
		fprintf(out, "%s%s, %s: ", i == 0 ? " (" : "; ", member(one, "by"), member(one, "at"));
		if (failed == NULL)
			fputs("holds", out);
		for (k = 0; k < json_array_size(failed); k++) {
			if (k > 0)
				fputs(" and ", out);
			print_failed(json_array_get(failed, k), out);
		}
	}
	if (i > 0)
		putc(')', out);
}

void
explain_print(const json_t *explain, const char *where, FILE *out)
{
	const json_t	*r, *failed;
	const char	*name;
	char		 shown[TEXT_SHOWN];
	size_t		 i, k;

	for (i = 0; i < json_array_size(explain); i++) {
		r = json_array_get(explain, i);
		name = member(r, "name");
		fprintf(out, "%s: %s %s%s", where, member(r, "rule"),
		    json_is_true(json_object_get(r, "shadow")) ? "shadow " : "",
		    json_is_true(json_object_get(r, "all")) ? "shadow all" : member(r, "action"));
		if (*name != '\0')
			fprintf(out, " \"%s\"", text_safe(shown, sizeof(shown), name, strlen(name)));
		fputs(json_is_true(json_object_get(r, "matched")) ? ": matches" : ": no: ", out);
		failed = json_object_get(r, "failed");
		for (k = 0; k < json_array_size(failed); k++) {
			if (k > 0)
				fputs("; ", out);
			print_failed(json_array_get(failed, k), out);
			print_evidence(json_object_get(json_array_get(failed, k), "evidence"), out);
		}
		putc('\n', out);
	}
}
