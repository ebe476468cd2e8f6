#include <err.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/cli.h"
#include "base/digest.h"
#include "base/progress.h"
#include "base/text.h"
#include "base/when.h"
#include "device/record.h"
#include "policy/decision_json.h"
#include "policy/replay.h"

/* Each line of the journal starts so, nac-record(5); what stands before it in a
 * line was cut off when its writer was killed. */
static const char	 mark[] = "{\"journal\":1,";

#define GUESS		1000		/* lines between two guesses at how many there are */
#define COMPLAINTS	10		/* bad lines that are named */
#define ROW_TEXT	(2 * TEXT_SHOWN + 8)

/* How often something changed, of how many. */
struct row {
	char		*key;
	uint64_t	 changed, all;
};

struct table {
	const char	*title;
	struct row	*row;		/* an open hash, then the row of all others */
	size_t		 n, size;
};

enum { BY_VLAN, BY_RULE, BY_SITE, BY_STATE, TABLES };

/* What a CoA would be for: the client's last decision counts. */
enum owed { OWED_NOTHING, OWED_REAUTH, OWED_DISCONNECT };

/* A client: the hash of its name, and enum owed in the two lowest bits.  A free
 * slot is 0. */
#define OWED	UINT64_C(3)

struct replay {
	const struct policy	*policy;
	bool			 json;
	struct progress		 progress;
	uint64_t		 lines, decisions, changed, bad, stumps, skipped;
	struct table		 table[TABLES];
	uint64_t		*client;
	size_t			 nclients, size;
	bool			 full;
	int			 rc;
};

static void *
must(void *p)
{
	if (p == NULL)
		err(EX_OSERR, NULL);
	return p;
}

static uint64_t
hash(const char *s)
{
	return digest_add(DIGEST_START, s, strlen(s));
}

/* The row of a key, made if there is room; else that of all others. */
static struct row *
row(struct table *t, const char *key)
{
	size_t	 i;

	if (t->row == NULL) {
		t->size = 2 * REPLAY_ROWS;
		t->row = must(calloc(t->size + 1, sizeof(*t->row)));
		t->row[t->size].key = must(strdup("(others)"));
	}
	for (i = hash(key) % t->size; t->row[i].key != NULL; i = (i + 1) % t->size)
		if (strcmp(t->row[i].key, key) == 0)
			return &t->row[i];
	if (t->n == REPLAY_ROWS)
		return &t->row[t->size];
	t->n++;
	t->row[i].key = must(strdup(key));
	return &t->row[i];
}

static void
count(struct table *t, const char *key, bool changed)
{
	struct row	*r = row(t, key);

	r->all++;
	r->changed += changed;
}

static void
grow(struct replay *r)
{
	uint64_t	*old = r->client;
	size_t		 n = r->size, i, k;

	r->size = n > 0 ? n * 2 : 4096;
	r->client = must(calloc(r->size, sizeof(*r->client)));
	for (i = 0; i < n; i++) {
		if (old[i] == 0)
			continue;
		for (k = (old[i] >> 2) % r->size; r->client[k] != 0; k = (k + 1) % r->size)
			;
		r->client[k] = old[i];
	}
	free(old);
}

/* Remembers what a client's last decision would ask for. */
static void
owe(struct replay *r, const char *who, enum owed what)
{
	uint64_t	 key = (hash(who) | (OWED + 1)) & ~OWED;
	size_t		 i;

	if (r->nclients * 4 >= r->size * 3)
		grow(r);
	for (i = (key >> 2) % r->size; r->client[i] != 0 && (r->client[i] & ~OWED) != key;
	    i = (i + 1) % r->size)
		;
	if (r->client[i] == 0) {
		if (r->nclients == REPLAY_CLIENTS) {
			r->full = true;
			return;
		}
		r->nclients++;
	}
	r->client[i] = key | (uint64_t)what;
}

static const char *
at(const json_t *o, const char *key)
{
	const char	*s = json_string_value(json_object_get(o, key));

	return s != NULL ? s : "";
}

/* Who it is, for people and for telling clients apart. */
static void
client_name(const struct identity *id, const struct session *s, char out[TEXT_SHOWN])
{
	char		 mac[MAC_TEXT];
	const char	*name;

	name = id->has_mac ? mac_format(mac, id->mac, MAC_COLON) : s->calling[0] != '\0' ? s->calling :
	    id->nname > 0 ? id->name[0].text : session_login(s)[0] != '\0' ? session_login(s) : "?";
	text_safe(out, TEXT_SHOWN, name, strlen(name));
}

/* A decision in one word or two: deny, allow, vlan 750, vlan 1 role x. */
static void
access_text(const json_t *d, char out[TEXT_SHOWN])
{
	char		 text[TEXT_SHOWN];
	const char	*vlan = at(d, "vlan"), *role = at(d, "role");

	snprintf(text, sizeof(text), "%s%s%.64s%s%.64s", at(d, "action"),
	    *vlan != '\0' ? " vlan " : "", vlan, *role != '\0' ? " role " : "", role);
	text_safe(out, TEXT_SHOWN, text, strlen(text));
}

static void
rule_text(const json_t *d, char out[TEXT_SHOWN])
{
	char		 text[TEXT_SHOWN];
	const char	*rule = at(d, "rule"), *name = at(d, "name"), *cut = "";
	size_t		 n = strlen(rule);

	/* The end of a long path tells rules apart. */
	if (n > 64) {
		rule += n - 61;
		cut = "...";
	}
	snprintf(text, sizeof(text), *name != '\0' ? "%s%s \"%.72s\"" : "%s%s%s",
	    cut, n > 0 ? rule : "no-match", name);
	text_safe(out, TEXT_SHOWN, text, strlen(text));
}

static void
count_all(struct replay *r, const struct session *s, const json_t *before, const json_t *now,
    bool changed)
{
	char		 a[TEXT_SHOWN], b[TEXT_SHOWN], key[ROW_TEXT];
	const char	*site = s->nas_id[0] != '\0' ? s->nas_id : s->nas_ip;

	if (changed) {
		access_text(before, a);
		access_text(now, b);
		snprintf(key, sizeof(key), "%s -> %s", a, b);
		count(&r->table[BY_VLAN], key, true);
		rule_text(before, a);
		rule_text(now, b);
		snprintf(key, sizeof(key), "%s -> %s", a, b);
		count(&r->table[BY_RULE], key, true);
	}
	text_safe(a, sizeof(a), site, strlen(site));
	count(&r->table[BY_SITE], *a != '\0' ? a : "?", changed);
	count(&r->table[BY_STATE], at(now, "state"), changed);
}

static void
tell(const char *who, int64_t then, const json_t *before, const json_t *now)
{
	char	 a[TEXT_SHOWN], b[TEXT_SHOWN], x[TEXT_SHOWN], y[TEXT_SHOWN], when[WHEN_TEXT];

	access_text(before, a);
	rule_text(before, x);
	access_text(now, b);
	rule_text(now, y);
	printf("%s %s: %s (%s) -> %s (%s): %s\n", when_format(when, then), who, a, x, b, y,
	    at(now, "reason"));
}

static void
complain(struct replay *r, const char *where, const char *why)
{
	char	 shown[TEXT_SHOWN * 2];

	if (++r->bad <= COMPLAINTS)
		warnx("%s: %s", where, text_safe(shown, sizeof(shown), why, strlen(why)));
	r->rc = cli_worst(r->rc, EX_DATAERR);
}

/* When it was decided. */
static bool
decided_at(const json_t *before, const struct session *s, int64_t *then)
{
	const char	*time = at(before, "time");

	if (*time != '\0')
		return when_parse(time, then) && *then > 0 && *then != WHEN_ALWAYS;
	*then = s->seen;
	return s->seen > 0;
}

/* What a CoA would do: one who was let in is asked again or put out; one who was
 * not has no session to change. */
static enum owed
owed(const json_t *before, const json_t *now, bool changed)
{
	if (!changed || strcmp(at(before, "action"), "allow") != 0 ||
	    strcmp(at(now, "coa"), "none") == 0)
		return OWED_NOTHING;
	return strcmp(at(now, "action"), "allow") == 0 &&
	    strcmp(at(now, "coa"), "disconnect") != 0 ? OWED_REAUTH : OWED_DISCONNECT;
}

static void
one(struct replay *r, json_t *rec, const char *where)
{
	static struct identity	 id;
	static struct session	 session;
	static struct answer	 answer;
	struct facts		 f = { &id, &session, &answer, 0 };
	struct decision		 d;
	json_t			*before = json_object_get(rec, "decision"), *now = NULL;
	char			 why[TEXT_SHOWN * 2], who[TEXT_SHOWN];
	const char		*end = at(rec, "accounting");
	bool			 changed;

	if (!record_identity(rec, &id, why, sizeof(why)) ||
	    !record_session(rec, &session, why, sizeof(why)) ||
	    !record_answer(rec, &answer, why, sizeof(why))) {
		complain(r, where, why);
		return;
	}
	client_name(&id, &session, who);
	if (!json_is_object(before)) {
		/* Accounting; who has gone needs no CoA. */
		if (strcmp(end, "stop") == 0)
			owe(r, who, OWED_NOTHING);
		r->skipped++;
		return;
	}
	if (!decided_at(before, &session, &f.now)) {
		complain(r, where, "decision.time: is no RFC 3339 time");
		return;
	}
	decision_settle_hint(r->policy, rec, &session);
	policy_decide(r->policy, &f, &d);
	now = decision_json(&d, f.now);
	if (!decision_changed(before, now, &changed, why, sizeof(why)))
		complain(r, where, why);
	else {
		r->decisions++;
		r->changed += changed;
		owe(r, who, owed(before, now, changed));
		count_all(r, &session, before, now, changed);
		if (changed && !r->json)
			tell(who, f.now, before, now);
		else if (changed) {
			if (json_object_set_new(now, "was", decision_was(before)) == -1 ||
			    json_object_set(rec, "decision", now) == -1)
				err(EX_OSERR, NULL);
			r->rc = cli_worst(r->rc, record_print(rec, stdout));
		}
	}
	json_decref(now);
}

/* How many lines there will be, from the bytes of the lines of this file so far. */
static void
guess_total(struct replay *r, FILE *in, uint64_t number)
{
	uint64_t	 lines = record_guess_lines(in, number);

	r->progress.total = lines == 0 ? 0 : r->progress.done - number + lines;
}

static void
line(struct replay *r, const char *name, uint64_t number, char *buf, size_t len)
{
	char	 why[256], where[TEXT_SHOWN + 24], shown[TEXT_SHOWN], *p, *begin = buf;
	json_t	*rec;

	for (p = buf; (p = strstr(p, mark)) != NULL; p++)
		begin = p;
	if (begin != buf)
		r->stumps++;
	len -= (size_t)(begin - buf);
	snprintf(where, sizeof(where), "%s:%llu", text_safe(shown, sizeof(shown), name,
	    strlen(name)), (unsigned long long)number);
	if ((rec = record_parse(begin, len, why, sizeof(why))) == NULL) {
		/* The last line of a file whose writer was killed. */
		if (strncmp(begin, mark, strlen(mark)) == 0 && len <= RECORD_MAX)
			r->stumps++;
		else
			complain(r, where, why);
		return;
	}
	one(r, rec, where);
	json_decref(rec);
}

static void
file(struct replay *r, FILE *in, const char *name)
{
	uint64_t	 number = 0;
	ssize_t		 len;
	char		*buf = must(malloc(RECORD_MAX + 2));

	while ((len = record_line(in, buf)) != -1 && !ferror(stdout)) {
		number++;
		r->lines++;
		if (r->progress.shown && number % GUESS == 0)
			guess_total(r, in, number);
		progress_add(&r->progress, 1);
		if ((size_t)len != strspn(buf, " \t\r"))
			line(r, name, number, buf, (size_t)len);
	}
	if (ferror(in)) {
		warn("%s", name);
		r->rc = cli_worst(r->rc, EX_IOERR);
	}
	free(buf);
}

static int
most(const void *a, const void *b)
{
	const struct row	*x = a, *y = b;

	if (x->changed != y->changed)
		return x->changed < y->changed ? 1 : -1;
	if (x->key == NULL || y->key == NULL)
		return (x->key == NULL) - (y->key == NULL);
	return strcmp(x->key, y->key);
}

static void
show(struct table *t, FILE *out)
{
	size_t	 i;
	bool	 all = strstr(t->title, "->") == NULL;

	if (t->row == NULL)
		return;
	qsort(t->row, t->size + 1, sizeof(*t->row), most);
	for (i = 0; i <= t->size && t->row[i].changed > 0; i++) {
		if (i == 0)
			fprintf(out, "\n%s\n", t->title);
		fprintf(out, "%9llu", (unsigned long long)t->row[i].changed);
		if (all)
			fprintf(out, " of %9llu", (unsigned long long)t->row[i].all);
		fprintf(out, "  %s\n", t->row[i].key);
	}
}

static void
sums(struct replay *r, FILE *out)
{
	unsigned long long	 owe_count[OWED_DISCONNECT + 1] = { 0 };
	size_t			 i;

	for (i = 0; i < r->size; i++)
		if (r->client[i] != 0)
			owe_count[r->client[i] & OWED]++;
	fprintf(out, "%s%llu decisions, %llu change; %zu%s clients; CoAs: %llu"
	    " (%llu reauth, %llu disconnect)\n", r->changed > 0 ? "\n" : "",
	    (unsigned long long)r->decisions, (unsigned long long)r->changed, r->nclients,
	    r->full ? " and more" : "", owe_count[OWED_REAUTH] + owe_count[OWED_DISCONNECT],
	    owe_count[OWED_REAUTH], owe_count[OWED_DISCONNECT]);
	if (r->skipped + r->stumps + r->bad > 0)
		fprintf(out, "passed over: %llu lines without a decision, %llu cut off, %llu bad\n",
		    (unsigned long long)r->skipped, (unsigned long long)r->stumps,
		    (unsigned long long)r->bad);
	for (i = 0; i < TABLES; i++)
		show(&r->table[i], out);
}

static void
finish(struct replay *r)
{
	size_t	 i, k;

	for (i = 0; i < TABLES; i++) {
		for (k = 0; r->table[i].row != NULL && k <= r->table[i].size; k++)
			free(r->table[i].row[k].key);
		free(r->table[i].row);
	}
	free(r->client);
}

int
replay_run(const struct policy *p, int argc, char **argv, bool json)
{
	struct replay	 r = { .policy = p, .json = json };
	FILE		*in;
	int		 i;

	r.table[BY_VLAN].title = "by access: before -> after";
	r.table[BY_RULE].title = "by rule: before -> after";
	r.table[BY_SITE].title = "by site";
	r.table[BY_STATE].title = "by state";
	progress_start(&r.progress, "lines", 0);
	r.progress.shown = r.progress.shown && !isatty(STDOUT_FILENO);
	if (argc == 0)
		file(&r, stdin, "<stdin>");
	for (i = 0; i < argc; i++) {
		if (strcmp(argv[i], "-") == 0)
			file(&r, stdin, "<stdin>");
		else if ((in = fopen(argv[i], "re")) == NULL) {
			warn("%s", argv[i]);
			r.rc = cli_worst(r.rc, EX_DATAERR);
		} else {
			file(&r, in, argv[i]);
			fclose(in);
		}
	}
	progress_clear(&r.progress);
	if (r.bad > COMPLAINTS)
		warnx("and %llu more bad lines", (unsigned long long)(r.bad - COMPLAINTS));
	sums(&r, json ? stderr : stdout);
	if (r.changed > 0)
		r.rc = cli_worst(r.rc, STATUS_NO);
	finish(&r);
	return r.rc;
}
