#include <err.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/file.h"
#include "base/text.h"
#include "base/when.h"
#include "device/record.h"
#include "policy/lexer.h"
#include "policy/ruletest.h"
#include "policy/ruletest_fact.h"

#define COUNT(a)	(sizeof(a) / sizeof((a)[0]))

/* How a fact gets into a record. */
enum kind {
	FACT_TEXT,
	FACT_LIST,		/* one more string of an array */
	FACT_NAMES,		/* one more object {value, found} of an array */
	FACT_SPAN,		/* the time that so long ago was */
	FACT_FLAG,		/* a word alone; the value is in the table */
	FACT_TRUE,
	FACT_SWITCH		/* enabled or disabled: true or false */
};

/* The fields of nac-rules(5), and where their facts are in a record.  Any other
 * place is named by its path. */
static const struct fact {
	const char	*name;
	enum kind	 kind;
	const char	*path, *value;
} facts[] = {
	{ "compliance", FACT_TEXT, "compliance.state", NULL },
	{ "matched", FACT_TEXT, "compliance.matched_by", NULL },
	{ "id-space", FACT_TEXT, "compliance.id_space", NULL },
	{ "source", FACT_TEXT, "compliance.source", NULL },
	{ "os", FACT_TEXT, "compliance.device.os", NULL },
	{ "os-version", FACT_TEXT, "compliance.device.os_version", NULL },
	{ "owner", FACT_TEXT, "compliance.device.owner", NULL },
	{ "serial", FACT_TEXT, "compliance.device.serial", NULL },
	{ "model", FACT_TEXT, "compliance.device.model", NULL },
	{ "manufacturer", FACT_TEXT, "compliance.device.manufacturer", NULL },
	{ "device-user", FACT_TEXT, "compliance.device.user", NULL },
	{ "account", FACT_SWITCH, "compliance.device.account_enabled", NULL },
	{ "age", FACT_SPAN, "compliance.checked", NULL },
	{ "sync-age", FACT_SPAN, "compliance.device.last_sync", NULL },
	{ "enrolment-age", FACT_SPAN, "compliance.device.enrolled", NULL },
	{ "mfa-age", FACT_SPAN, "session.mfa", NULL },
	{ "eap", FACT_TEXT, "identity.eap", NULL },
	{ "mac", FACT_TEXT, "identity.mac", NULL },
	{ "name", FACT_NAMES, "identity.name", NULL },
	{ "issuer", FACT_TEXT, "identity.issuer", NULL },
	{ "subject", FACT_TEXT, "identity.subject", NULL },
	{ "cert-serial", FACT_TEXT, "identity.serial", NULL },
	{ "template", FACT_TEXT, "identity.template", NULL },
	{ "san-uri", FACT_LIST, "identity.san_uri", NULL },
	{ "san-dns", FACT_LIST, "identity.san_dns", NULL },
	{ "san-upn", FACT_TEXT, "identity.upn", NULL },
	{ "medium", FACT_TEXT, "session.medium", NULL },
	{ "nas", FACT_TEXT, "session.nas_ip", NULL },
	{ "nas-id", FACT_TEXT, "session.nas_id", NULL },
	{ "nas-port", FACT_TEXT, "session.nas_port", NULL },
	{ "nas-port-id", FACT_TEXT, "session.nas_port_id", NULL },
	{ "ssid", FACT_TEXT, "session.ssid", NULL },
	{ "user", FACT_TEXT, "session.user", NULL },
	{ "realm", FACT_TEXT, "session.realm", NULL },
	{ "group", FACT_LIST, "session.groups", NULL },
	{ "ambiguous", FACT_TRUE, "identity.ambiguous", NULL },
	{ "encrypted", FACT_TRUE, "compliance.device.encrypted", NULL },
	{ "retiring", FACT_FLAG, "compliance.device.management_state", "retirePending" },
	{ "wiping", FACT_FLAG, "compliance.device.management_state", "wipePending" },
	{ "jailbroken", FACT_FLAG, "compliance.device.jailbroken", "True" },
	{ "app-hint", FACT_FLAG, "session.hint", "good" },
};

/* What is being read. */
struct reader {
	const char		*path;
	policy_report		 report;
	void			*arg;
	struct ruletests	*tests;
	struct lexer		 lx;
	struct token		 t;
	int64_t			 usual;		/* now, unless a statement says it */
	json_t			*base;		/* `given`: what holds for all below */
	int64_t			 base_now;	/* 0: not said */
};

static void
say(struct reader *r, int line, size_t column, const char *what)
{
	char	 msg[FILE_WHY + 512];

	snprintf(msg, sizeof(msg), "%s:%d:%zu: %s", r->path, line, column, what);
	r->report(r->arg, msg);
	r->tests->errors++;
}

/* Names the current token and what is wrong with it, and a word that is near or NULL;
 * returns false. */
static bool
fault_near(struct reader *r, const char *what, const char *near)
{
	char	 shown[TEXT_SHOWN], msg[TEXT_SHOWN + 256];
	size_t	 n;

	if (r->t.kind == TOKEN_BAD)
		what = r->t.fault;
	if (r->t.kind == TOKEN_END || r->t.kind == TOKEN_EOF)
		snprintf(msg, sizeof(msg), "%s, not the end of the line", what);
	else
		snprintf(msg, sizeof(msg), "%s \"%s\"", what,
		    text_safe(shown, sizeof(shown), r->t.text, r->t.len));
	n = strlen(msg);
	if (near != NULL)
		snprintf(msg + n, sizeof(msg) - n, " (did you mean \"%s\"?)", near);
	say(r, r->t.line, r->t.column, msg);
	return false;
}

static bool
fault(struct reader *r, const char *what)
{
	return fault_near(r, what, NULL);
}

static void
next(struct reader *r)
{
	lexer_next(&r->lx, &r->t);
}

static bool
at(const struct reader *r, const char *word)
{
	return r->t.kind == TOKEN_WORD && r->t.len == strlen(word) &&
	    memcmp(r->t.text, word, r->t.len) == 0;
}

static bool
at_value(const struct reader *r)
{
	return r->t.kind == TOKEN_WORD || r->t.kind == TOKEN_STRING;
}

static void *
must(void *p)
{
	if (p == NULL)
		err(EX_OSERR, NULL);
	return p;
}

static void
set(json_t *object, const char *key, json_t *value)
{
	if (json_object_set_new(object, key, must(value)) == -1)
		err(EX_OSERR, NULL);
}

/* The text of the current token, to be freed. */
static char *
text(const struct reader *r)
{
	char	*s = must(malloc(lexer_len(&r->t) + 1));

	s[lexer_copy(s, &r->t)] = '\0';
	return s;
}

/* The current token as a JSON string, and on to the next; NULL after a message
 * when it is no UTF-8. */
static json_t *
string(struct reader *r)
{
	char	*s = text(r);
	json_t	*v = json_string(s);

	free(s);
	if (v == NULL)
		fault(r, "is no UTF-8:");
	next(r);
	return v;
}

/* The object that holds the last part of a path, made where it is not there. */
static json_t *
parent(json_t *rec, const char *path, const char **last)
{
	const char	*dot;
	char		 key[64];
	json_t		*in;

	while ((dot = strchr(path, '.')) != NULL) {
		snprintf(key, sizeof(key), "%.*s", (int)(dot - path), path);
		if (!json_is_object(in = json_object_get(rec, key))) {
			set(rec, key, json_object());
			in = json_object_get(rec, key);
		}
		rec = in;
		path = dot + 1;
	}
	*last = path;
	return rec;
}

static void
put(json_t *rec, const struct fact *f, json_t *value)
{
	const char	*key;
	json_t		*in = parent(rec, f->path, &key), *list;

	if (f->kind != FACT_LIST && f->kind != FACT_NAMES) {
		set(in, key, value);
		return;
	}
	if (!json_is_array(list = json_object_get(in, key))) {
		set(in, key, json_array());
		list = json_object_get(in, key);
	}
	if (f->kind == FACT_NAMES)
		value = must(json_pack("{s:o, s:s}", "value", value, "found", "argument"));
	if (json_array_append_new(list, value) == -1)
		err(EX_OSERR, NULL);
}

static void
put_time(json_t *rec, const struct fact *f, int64_t t)
{
	char	 when[WHEN_TEXT];

	put(rec, f, json_string(when_format(when, t)));
}

/* Whether a word can be the path of a member of a record. */
static bool
is_path(const struct token *t)
{
	size_t	 i;
	char	 c;

	for (i = 0; i < t->len; i++) {
		c = t->text[i];
		if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '.'))
			return false;
	}
	return t->kind == TOKEN_WORD && t->len < 64 && memchr(t->text, '.', t->len) != NULL &&
	    t->text[0] != '.' && t->text[t->len - 1] != '.';
}

/* Takes back what put() has put last. */
static void
take_back(json_t *rec, const struct fact *f)
{
	const char	*key;
	json_t		*in = parent(rec, f->path, &key), *list = json_object_get(in, key);

	if (json_is_array(list))
		json_array_remove(list, json_array_size(list) - 1);
	else
		json_object_del(in, key);
}

/* Whether the current token is a value that this fact can have; a path is judged as the
 * field that is there. */
static bool
is_good(struct reader *r, const struct fact *f)
{
	const char	*name = f->name, *near;
	char		 what[128];
	size_t		 i;

	for (i = 0; name == NULL && i < COUNT(facts); i++)
		if (facts[i].kind == FACT_TEXT && strcmp(facts[i].path, f->path) == 0)
			name = facts[i].name;
	if (name == NULL || ruletest_value(name, &r->t, what, sizeof(what), &near))
		return true;
	return fault_near(r, what, near);
}

/* Whether the record can be read with what was put last; t is where that stands. */
static bool
can_be_read(struct reader *r, json_t *rec, const struct fact *f, const struct token *t)
{
	struct identity	 id;
	struct session	 session;
	struct answer	 answer;
	char		 why[TEXT_SHOWN * 2];

	if (record_identity(rec, &id, why, sizeof(why)) &&
	    record_session(rec, &session, why, sizeof(why)) &&
	    record_answer(rec, &answer, why, sizeof(why)))
		return true;
	say(r, t->line, t->column, why);
	take_back(rec, f);
	return false;
}

/* `FACT is VALUE`, or a word alone; the name was read, f says what it is. */
static bool
value(struct reader *r, json_t *rec, const struct fact *f, int64_t now)
{
	char	*s;
	json_t	*v;
	int64_t	 span;
	bool	 bare;
	struct token t;

	if (f->kind == FACT_FLAG || f->kind == FACT_TRUE) {
		put(rec, f, f->kind == FACT_TRUE ? json_true() : json_string(f->value));
		return true;
	}
	if (!at(r, "is"))
		return fault(r, "expected is");
	next(r);
	if (!at_value(r))
		return fault(r, "expected a value");
	if (f->kind == FACT_SPAN) {
		s = text(r);
		if (!when_span(s, &span)) {
			free(s);
			return fault(r, "is no span of time (try 12h):");
		}
		free(s);
		next(r);
		put_time(rec, f, now - span);
		return true;
	}
	if (f->kind == FACT_SWITCH) {
		if (!at(r, "enabled") && !at(r, "disabled"))
			return fault(r, "is neither enabled nor disabled:");
		put(rec, f, json_boolean(at(r, "enabled")));
		next(r);
		return true;
	}
	if (!is_good(r, f))
		return false;
	t = r->t;
	bare = t.kind == TOKEN_WORD && f->name == NULL;
	if ((v = string(r)) == NULL)
		return false;
	if (bare && strcmp(json_string_value(v), "true") == 0) {
		json_decref(v);
		v = json_true();
	} else if (bare && strcmp(json_string_value(v), "false") == 0) {
		json_decref(v);
		v = json_false();
	}
	put(rec, f, v);
	return can_be_read(r, rec, f, &t);
}

static bool
read_now(struct reader *r, int64_t *now)
{
	char	*s;
	bool	 ok;

	next(r);
	if (!at(r, "is"))
		return fault(r, "expected is");
	next(r);
	if (!at_value(r))
		return fault(r, "expected a time");
	s = text(r);
	ok = when_parse(s, now) && *now > 0 && *now != WHEN_ALWAYS;
	free(s);
	if (!ok)
		return fault(r, "is no RFC 3339 time after 1970:");
	next(r);
	return true;
}

static bool
fact(struct reader *r, json_t *rec, int64_t *now)
{
	const char	*names[COUNT(facts)], *near;
	struct fact	 f = { NULL, FACT_TEXT, NULL, NULL };
	char		 path[64], msg[256];
	size_t		 i;

	if (at(r, "now"))
		return read_now(r, now);
	for (i = 0; i < COUNT(facts) && !at(r, facts[i].name); i++)
		names[i] = facts[i].name;
	if (i < COUNT(facts)) {
		next(r);
		return value(r, rec, &facts[i], *now != 0 ? *now : r->usual);
	}
	if (r->t.kind != TOKEN_WORD)
		return fault(r, "expected a fact");
	if (!is_path(&r->t)) {
		snprintf(path, sizeof(path), "%.*s", (int)(r->t.len < 63 ? r->t.len : 63), r->t.text);
		if ((near = ruletest_instead(path)) != NULL) {
			snprintf(msg, sizeof(msg), "is found out of other facts; say %s:", near);
			return fault(r, msg);
		}
		return fault_near(r, "unknown fact", text_nearest(path, names, COUNT(facts)));
	}
	path[lexer_copy(path, &r->t)] = '\0';
	f.path = path;
	next(r);
	return value(r, rec, &f, 0);
}

/* What stands behind `given`. */
static bool
given(struct reader *r, json_t *rec, int64_t *now)
{
	static const struct fact	 checked = { NULL, FACT_TEXT, "compliance.checked", NULL };
	const char			*state;
	json_t				*c;

	for (;;) {
		if (!fact(r, rec, now))
			return false;
		if (r->t.kind != TOKEN_COMMA)
			break;
		next(r);
	}
	/* Intune has just said so, unless a test says when. */
	c = json_object_get(rec, "compliance");
	state = json_string_value(json_object_get(c, "state"));
	if (state != NULL && strcmp(state, "pending") != 0 && json_object_get(c, "checked") == NULL)
		put_time(rec, &checked, *now != 0 ? *now : r->usual);
	return true;
}

static void
append(json_t *expect, const char *key, json_t *v)
{
	if (json_object_get(expect, key) == NULL)
		set(expect, key, json_array());
	if (json_array_append_new(json_object_get(expect, key), must(v)) == -1)
		err(EX_OSERR, NULL);
}

/* One part behind `expect`: `no NAME`, `member VALUE` or `Attribute [op] VALUE`. */
static bool
expected(struct reader *r, json_t *expect)
{
	const char	*op = NULL;
	json_t		*name, *v;
	bool		 no = at(r, "no"), member;

	if (no)
		next(r);
	if (r->t.kind != TOKEN_WORD)
		return fault(r, "expected an attribute or a member of the decision");
	member = r->t.text[0] >= 'a' && r->t.text[0] <= 'z';
	if ((name = string(r)) == NULL)
		return false;
	if (no) {
		append(expect, "absent", name);
		return true;
	}
	if (r->t.kind == TOKEN_EQ || r->t.kind == TOKEN_SET || r->t.kind == TOKEN_ADD) {
		op = r->t.kind == TOKEN_EQ ? "=" : r->t.kind == TOKEN_SET ? ":=" : "+=";
		next(r);
	}
	if (!at_value(r) || (v = string(r)) == NULL) {
		json_decref(name);
		return fault(r, "expected a value");
	}
	if (member)
		set(expect, json_string_value(name), v);
	else
		append(expect, "reply", op != NULL ?
		    json_pack("[O, s, O]", name, op, v) : json_pack("[O, O]", name, v));
	if (!member)
		json_decref(v);
	json_decref(name);
	return true;
}

static bool
expectation(struct reader *r, json_t *expect)
{
	json_t	*v;

	if (!at(r, "expect"))
		return fault(r, "expected a comma or expect");
	next(r);
	if (!at(r, "allow") && !at(r, "deny"))
		return fault(r, "expected allow or deny");
	set(expect, "action", string(r));
	if (r->t.kind == TOKEN_STRING) {
		if ((v = string(r)) == NULL)
			return false;
		set(expect, "name", v);
	} else if (at(r, "no-match")) {
		append(expect, "absent", must(json_string("rule")));
		next(r);
	}
	while (r->t.kind == TOKEN_COMMA) {
		next(r);
		if (!expected(r, expect))
			return false;
	}
	return true;
}

/* Takes over name, given and expect. */
static void
add(struct reader *r, int line, json_t *name, json_t *rec, json_t *expect, int64_t now)
{
	struct ruletests	*t = r->tests;
	size_t			 n = strlen(r->path) + 16;
	struct ruletest		*one;

	if (t->n == t->size) {
		t->size = t->size != 0 ? t->size * 2 : 64;
		t->test = must(reallocarray(t->test, t->size, sizeof(*t->test)));
	}
	one = &t->test[t->n++];
	*one = (struct ruletest){ must(malloc(n)), name, rec, expect, now };
	snprintf(one->where, n, "%s:%d", r->path, line);
}

static bool
at_end(struct reader *r)
{
	return r->t.kind == TOKEN_END || r->t.kind == TOKEN_EOF ||
	    fault(r, "expected a comma or the end of the line, not");
}

static void
statement(struct reader *r)
{
	json_t	*name, *rec, *expect;
	int64_t	 now;
	int	 line = r->t.line;

	if (at(r, "given")) {
		json_decref(r->base);
		r->base = must(json_object());
		r->base_now = 0;
		/* `given` alone: nothing holds any more. */
		next(r);
		if (r->t.kind == TOKEN_END || r->t.kind == TOKEN_EOF)
			return;
		if (given(r, r->base, &r->base_now))
			at_end(r);
		return;
	}
	if (!at(r, "test")) {
		fault(r, "expected test or given, not");
		return;
	}
	next(r);
	name = r->t.kind == TOKEN_STRING ? string(r) : NULL;
	rec = must(json_deep_copy(r->base));
	expect = must(json_object());
	now = r->base_now;
	if ((!at(r, "given") || (next(r), given(r, rec, &now))) && expectation(r, expect) &&
	    at_end(r)) {
		add(r, line, name, rec, expect, now);
		return;
	}
	json_decref(name);
	json_decref(rec);
	json_decref(expect);
}

/* A test as a line of JSON, for what the short form cannot say. */
static void
json_line(struct reader *r, const char *line, size_t len, int number)
{
	json_error_t	 error;
	json_t		*o = json_loadb(line, len, JSON_REJECT_DUPLICATES, &error);
	json_t		*rec, *expect, *when, *name;
	char		 shown[TEXT_SHOWN];
	const char	*key, *what = NULL;
	int64_t		 now = 0;

	if (o == NULL) {
		say(r, number, (size_t)(error.column > 0 ? error.column : 1),
		    text_safe(shown, sizeof(shown), error.text, strlen(error.text)));
		return;
	}
	rec = json_object_get(o, "given");
	expect = json_object_get(o, "expect");
	when = json_object_get(o, "now");
	name = json_object_get(o, "name");
	json_object_foreach(o, key, rec)
		if (strcmp(key, "given") != 0 && strcmp(key, "expect") != 0 &&
		    strcmp(key, "now") != 0 && strcmp(key, "name") != 0)
			what = "a test has given, expect, name and now, and nothing else";
	rec = json_object_get(o, "given");
	if (what == NULL && (!json_is_object(rec) || !json_is_object(expect)))
		what = "given and expect must be objects";
	else if (what == NULL && name != NULL && !json_is_string(name))
		what = "name must be a string";
	else if (what == NULL && when != NULL && (!json_is_string(when) ||
	    !when_parse(json_string_value(when), &now) || now <= 0 || now == WHEN_ALWAYS))
		what = "now must be an RFC 3339 time after 1970";
	if (what != NULL)
		say(r, number, 1, what);
	else
		add(r, number, json_incref(name), json_incref(rec), json_incref(expect), now);
	json_decref(o);
}

void
ruletests_parse(struct ruletests *t, const char *path, const char *body, size_t len,
    int64_t now, policy_report report, void *arg)
{
	struct reader	 r = { .path = path, .report = report, .arg = arg, .tests = t,
	    .usual = now };
	const char	*end = body + len, *nl;

	r.base = must(json_object());
	lexer_init(&r.lx, body, len);
	while (r.lx.p < end) {
		/* Whole lines of JSON are no business of the lexer. */
		if (*r.lx.p == '{') {
			if ((nl = memchr(r.lx.p, '\n', (size_t)(end - r.lx.p))) == NULL)
				nl = end;
			json_line(&r, r.lx.p, (size_t)(nl - r.lx.p), r.lx.line);
			r.lx.p = nl < end ? nl + 1 : end;
			r.lx.line++;
			r.lx.line_start = r.lx.p;
			continue;
		}
		next(&r);
		if (r.t.kind != TOKEN_END && r.t.kind != TOKEN_EOF)
			statement(&r);
		while (r.t.kind != TOKEN_END && r.t.kind != TOKEN_EOF)
			next(&r);
	}
	json_decref(r.base);
}

void
ruletests_read(struct ruletests *t, const char *path, int64_t now, policy_report report,
    void *arg)
{
	char	 why[FILE_WHY], *body = NULL;
	size_t	 len = 0, n = t->n;
	int	 fd, errors = t->errors;

	if ((fd = file_open_checked(path, 0, why)) == -1) {
		report(arg, why);
		t->errors++;
		return;
	}
	if (file_read_all(fd, RULETEST_FILE, &body, &len) == -1) {
		snprintf(why, sizeof(why), "%s: %s", path, errno == EFBIG ?
		    "is larger than 4 MiB" : strerror(errno));
		report(arg, why);
		t->errors++;
	} else
		ruletests_parse(t, path, body, len, now, report, arg);
	/* What was cut off by a full disk must not pass. */
	if (t->n == n && t->errors == errors) {
		snprintf(why, sizeof(why), "%.400s:1:1: no test in the whole file", path);
		report(arg, why);
		t->errors++;
	}
	free(body);
	close(fd);
}

void
ruletests_free(struct ruletests *t)
{
	size_t	 i;

	for (i = 0; i < t->n; i++) {
		free(t->test[i].where);
		json_decref(t->test[i].name);
		json_decref(t->test[i].given);
		json_decref(t->test[i].expect);
	}
	free(t->test);
	memset(t, 0, sizeof(*t));
}
