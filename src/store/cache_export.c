/*
 * nac-cache export, import and diff: the whole store as text.  A line that says
 * what it is, the answers in the order of their keys, the clients in that of
 * theirs, and a line with the counts, without which it is cut short.  What a
 * time of day would change is not in it, so that two exports can be compared.
 */
#include <err.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "base/cli.h"
#include "base/text.h"
#include "base/when.h"
#include "device/record.h"
#include "store/cache.h"
#include "store/pack.h"

#define EXPORT_VERSION	1
#define BATCH		1000	/* lines that share one commit */

void
cache_identity_of(struct identity *id, const struct answer *a)
{
	const struct device	*d = &a->device;
	struct guid		 g;

	memset(id, 0, sizeof(*id));
	if (d->has_id)
		identity_add_guid(id, &d->id, FOUND_ARGUMENT, "");
	if (d->name[0] != '\0')
		identity_add_name(id, d->name, FOUND_ARGUMENT);
	if (d->has_wifi_mac || d->has_ethernet_mac) {
		memcpy(id->mac, d->has_wifi_mac ? d->wifi_mac : d->ethernet_mac, MAC_LEN);
		id->has_mac = true;
	}
	if (a->nasked == 0)
		return;
	if (a->asked[0].by == MATCH_GUID && guid_parse(a->asked[0].value, &g))
		identity_add_guid(id, &g, FOUND_ARGUMENT, "");
	else if (a->asked[0].by == MATCH_NAME)
		identity_add_name(id, a->asked[0].value, FOUND_ARGUMENT);
	else if (a->asked[0].by == MATCH_MAC)
		id->has_mac = mac_parse(a->asked[0].value, id->mac);
	else if (a->asked[0].by == MATCH_SERIAL)
		text_copy(id->device_serial, sizeof(id->device_serial), a->asked[0].value);
}

struct export {
	struct cache	*c;
	int		 status;
	size_t		 answers, clients;
};

/* Is the answer what its text says?  Not one whose name was cut inside a letter. */
static bool
survives(const char *text, size_t len, const struct answer *a)
{
	unsigned char	 was[PACK_MAX], is[PACK_MAX];
	struct answer	 b;
	char		 why[256];
	json_t		*rec = record_parse(text, len, why, sizeof(why));
	bool		 same;

	if (rec == NULL || !record_answer(rec, &b, why, sizeof(why))) {
		json_decref(rec);
		return false;
	}
	json_decref(rec);
	len = pack_answer(was, a);
	same = pack_answer(is, &b) == len && memcmp(was, is, len) == 0;
	return same;
}

/* The answer as packed bytes, for what its text cannot say. */
static void
put_packed(struct jsonw *w, const struct answer *a)
{
	unsigned char	 packed[PACK_MAX];
	char		 hex[2 * PACK_MAX + 1];
	size_t		 i, n = pack_answer(packed, a);

	for (i = 0; i < n; i++)
		snprintf(hex + 2 * i, 3, "%02x", packed[i]);
	jw_str(w, "packed", hex);
}

static const char *
answer_line(char *buf, size_t size, const struct answer *a, unsigned int voids, bool packed)
{
	struct jsonw	 w;

	jw_init(&w, buf, size);
	jw_object(&w, NULL);
	answer_write(&w, a, 0);
	if (voids != 0)
		jw_int(&w, "void", voids);
	if (packed)
		put_packed(&w, a);
	jw_end_object(&w);
	return jw_done(&w);
}

static bool
export_answer(const struct answer *a, const char *why, void *arg)
{
	struct export		*e = arg;
	enum store_claim	 claim[STORE_CLAIMS];
	char			 buf[RECORD_TEXT];
	const char		*line;
	unsigned int		 voids = 0;
	size_t			 i;

	if (a == NULL) {
		warnx("%s", why);
		e->status = cli_worst(e->status, EX_IOERR);
		return true;
	}
	if (a->has_device && a->nasked == 0) {
		if (store_claims(e->c->store, &a->device, claim) == STORE_ERROR) {
			e->status = cli_worst(e->status, cache_fault(e->c));
			return false;
		}
		for (i = 0; i < STORE_CLAIMS; i++)
			if (claim[i] == CLAIM_VOID)
				voids |= 1U << i;
	}
	line = answer_line(buf, sizeof(buf), a, voids, false);
	if (line != NULL && !survives(line, strlen(line), a))
		line = answer_line(buf, sizeof(buf), a, voids, true);
	if (line == NULL)
		errx(EX_SOFTWARE, "an answer does not fit into a line");
	puts(line);
	e->answers++;
	return !ferror(stdout);
}

static bool
export_client(const struct client *cl, const char *why, void *arg)
{
	struct export	*e = arg;
	json_t		*rec, *o;

	if (cl == NULL || (rec = cache_client_record(cl)) == NULL) {
		if (cl == NULL)
			warnx("%s", why);
		e->status = cli_worst(e->status, EX_IOERR);
		return true;
	}
	/* The place is the journal's: on the machine it came from a line that was
	 * folded once is not folded again. */
	o = json_pack("{s:s, s:I, s:I, s:I, s:o}", "client", cl->id, "seen", (json_int_t)cl->seen,
	    "ino", (json_int_t)cl->ino, "offset", (json_int_t)cl->offset, "record", rec);
	if (o == NULL)
		err(EX_OSERR, NULL);
	e->status = cli_worst(e->status, record_print(o, stdout));
	json_decref(o);
	e->clients++;
	return !ferror(stdout);
}

int
cache_export(struct cache *c)
{
	struct export	 e = { .c = c };

	setvbuf(stdout, NULL, _IOFBF, 1 << 16);
	printf("{\"intune-nac\":\"export\",\"version\":%d}\n", EXPORT_VERSION);
	if (store_each(c->store, export_answer, &e) == STORE_ERROR ||
	    client_each(c->store, export_client, &e) == STORE_ERROR)
		return cli_worst(e.status, cache_fault(c));
	/* What is not whole does not look so. */
	if (e.status == STATUS_OK)
		printf("{\"end\":{\"answers\":%zu,\"clients\":%zu}}\n", e.answers, e.clients);
	return e.status;
}

/* One line of an export, taken apart. */
struct line {
	enum { LINE_HEAD, LINE_ANSWER, LINE_CLIENT, LINE_END } kind;
	struct answer	 a;
	unsigned int	 voids;
	struct client	 cl;
	char		*text;		/* what cl.text is; to be freed */
	size_t		 answers, clients;
};

/* Packed bytes go before the text beside them, but for what was asked. */
static bool
take_packed(const char *hex, struct answer *a, char *why, size_t size)
{
	struct answer	 b;
	unsigned char	 packed[PACK_MAX];
	const char	*fault = "is no packed answer";
	size_t		 i, n = strlen(hex) / 2;
	unsigned int	 byte;

	for (i = 0; i < n && n <= PACK_MAX && sscanf(hex + 2 * i, "%2x", &byte) == 1; i++)
		packed[i] = (unsigned char)byte;
	if (i < n || n > PACK_MAX || !unpack_answer(packed, n, &b, &fault)) {
		snprintf(why, size, "packed: %s", fault);
		return false;
	}
	b.nasked = a->nasked;
	memcpy(b.asked, a->asked, sizeof(b.asked));
	*a = b;
	return true;
}

static bool
take_answer(json_t *rec, struct line *l, char *why, size_t size)
{
	const char	*hex = json_string_value(json_object_get(rec, "packed"));
	json_int_t	 voids = json_integer_value(json_object_get(rec, "void"));

	l->kind = LINE_ANSWER;
	if (!record_answer(rec, &l->a, why, size) ||
	    (hex != NULL && !take_packed(hex, &l->a, why, size)))
		return false;
	if (voids < 0 || voids >= 1 << STORE_CLAIMS)
		snprintf(why, size, "void: is no set of keys");
	else if (l->a.state == COMPLIANCE_PENDING || l->a.checked <= 0)
		snprintf(why, size, "compliance: holds no answer");
	else if (l->a.nasked > 1 || (l->a.nasked == 0 && !l->a.device.has_id))
		snprintf(why, size, "compliance: names neither a device nor one thing asked");
	else {
		l->voids = (unsigned int)voids;
		return true;
	}
	return false;
}

static bool
take_client(json_t *rec, struct line *l, char *why, size_t size)
{
	const char	*id = json_string_value(json_object_get(rec, "client"));
	json_t		*client = json_object_get(rec, "record");

	l->kind = LINE_CLIENT;
	if (id == NULL || *id == '\0' || !text_copy(l->cl.id, sizeof(l->cl.id), id))
		snprintf(why, size, "client: is no name of a client");
	else if (!json_is_object(client))
		snprintf(why, size, "record: is missing");
	else if (!json_is_integer(json_object_get(rec, "seen")))
		snprintf(why, size, "seen: is missing");
	else {
		l->cl.seen = json_integer_value(json_object_get(rec, "seen"));
		l->cl.ino = (uint64_t)json_integer_value(json_object_get(rec, "ino"));
		l->cl.offset = json_integer_value(json_object_get(rec, "offset"));
		if ((l->text = json_dumps(client, JSON_COMPACT)) == NULL)
			err(EX_OSERR, NULL);
		l->cl.text = l->text;
		l->cl.len = strlen(l->text);
		return true;
	}
	return false;
}

/* Fills in l; the caller frees l->text.  False with a reason in why. */
static bool
take_line(json_t *rec, struct line *l, char *why, size_t size)
{
	json_t		*head = json_object_get(rec, "intune-nac"), *end;
	json_int_t	 version;

	memset(l, 0, sizeof(*l));
	if (head != NULL) {
		l->kind = LINE_HEAD;
		version = json_integer_value(json_object_get(rec, "version"));
		if (json_is_string(head) && strcmp(json_string_value(head), "export") == 0 &&
		    version == EXPORT_VERSION)
			return true;
		snprintf(why, size, "is an export of version %" JSON_INTEGER_FORMAT ", and this "
		    "program knows only %d", version, EXPORT_VERSION);
		return false;
	}
	if ((end = json_object_get(rec, "end")) != NULL) {
		l->kind = LINE_END;
		l->answers = (size_t)json_integer_value(json_object_get(end, "answers"));
		l->clients = (size_t)json_integer_value(json_object_get(end, "clients"));
		return true;
	}
	if (json_object_get(rec, "client") != NULL)
		return take_client(rec, l, why, size);
	if (json_object_get(rec, "compliance") != NULL)
		return take_answer(rec, l, why, size);
	snprintf(why, size, "is no line of an export");
	return false;
}

/* An export being read, line by line. */
struct reading {
	struct record_source	*in;
	const char		*name;		/* NULL: standard input */
	FILE			*file;
	char			 where[TEXT_SHOWN];
	bool			 head, ended;
	size_t			 answers, clients;
	int			 status;
};

static int
say_bad(struct reading *r, const char *what)
{
	const char	*colon = strrchr(r->where, ':');

	if (r->name == NULL)
		warnx("%s: %s", r->where, what);
	else
		warnx("%s%s: %s", r->name, colon != NULL ? colon : "", what);
	return r->status = cli_worst(r->status, EX_DATAERR);
}

/* The next answer or client; bad lines are told of and passed over, but without
 * the first line it is no export at all. */
static bool
next_line(struct reading *r, struct line *l)
{
	char	 why[256];
	json_t	*rec;
	bool	 ok;

	while (record_next(r->in, &rec, r->where, why, sizeof(why))) {
		l->text = NULL;
		ok = rec != NULL && take_line(rec, l, why, sizeof(why));
		json_decref(rec);
		if (!r->head && (!ok || l->kind != LINE_HEAD)) {
			say_bad(r, ok || rec == NULL ? "is no export of nac-cache" : why);
			r->ended = true;
			return false;
		}
		r->head = true;
		if (!ok) {
			say_bad(r, why);
			continue;
		}
		if (l->kind == LINE_END) {
			r->ended = true;
			if (l->answers != r->answers || l->clients != r->clients)
				say_bad(r, "the counts are others: lines are missing");
		} else if (l->kind != LINE_HEAD) {
			*(l->kind == LINE_ANSWER ? &r->answers : &r->clients) += 1;
			return true;
		}
	}
	if (!r->ended)
		say_bad(r, "the export is cut short: its last line is missing");
	r->ended = true;
	return false;
}

struct import {
	struct line	*line;
	size_t		 n;
	struct store	*s;
	size_t		 answers, clients, older;
};

static enum store_rc
import_line(struct store *s, struct line *l)
{
	enum store_rc	 rc;

	if (l->kind == LINE_CLIENT)
		return client_fold(s, &l->cl);
	if ((rc = store_put_entry(s, &l->a)) == STORE_FOUND)
		rc = store_void(s, &l->a.device, l->voids);
	return rc;
}

static enum store_rc
import_lines(struct store *s, void *arg)
{
	struct import	*im = arg;
	size_t		 i, answers = 0, clients = 0;
	enum store_rc	 rc;

	for (i = 0; i < im->n; i++) {
		if ((rc = import_line(s, &im->line[i])) == STORE_ERROR)
			return rc;
		if (rc == STORE_FOUND)
			*(im->line[i].kind == LINE_ANSWER ? &answers : &clients) += 1;
	}
	/* Only now: when the store grows this is run again. */
	im->answers += answers;
	im->clients += clients;
	im->older += im->n - answers - clients;
	return STORE_FOUND;
}

static int
flush_import(struct cache *c, struct import *im)
{
	enum store_rc	 rc = STORE_FOUND;

	if (im->n > 0)
		rc = store_transact(c->store, import_lines, im);
	while (im->n > 0)
		free(im->line[--im->n].text);
	return rc == STORE_ERROR ? cache_fault(c) : STATUS_OK;
}

int
cache_import(struct cache *c)
{
	struct import	 im = { .s = c->store };
	struct reading	 r = { .where = "<stdin>" };
	struct progress	 progress;
	int		 status = STATUS_OK;

	if ((im.line = calloc(BATCH, sizeof(*im.line))) == NULL)
		err(EX_OSERR, NULL);
	r.in = record_open(0, NULL, stdin);
	cache_progress(&progress, "lines", 0);
	while (status == STATUS_OK && next_line(&r, &im.line[im.n])) {
		progress_add(&progress, 1);
		if (++im.n == BATCH) {
			status = flush_import(c, &im);
			progress.total = record_guess(r.in);
		}
	}
	progress_clear(&progress);
	if (status == STATUS_OK)
		status = flush_import(c, &im);
	status = cli_worst(status, record_close(r.in));
	if (!c->quiet)
		printf("{\"imported\":{\"answers\":%zu,\"clients\":%zu,\"not_newer\":%zu}}\n",
		    im.answers, im.clients, im.older);
	free(im.line);
	return cli_worst(status, r.status);
}

/* The place of an answer in an export, as text that sorts alike. */
static void
sort_key(char out[300], const struct answer *a)
{
	static const char	 kinds[] = { '?', 'g', 'n', 'm', 's' };	/* by enum match */
	char			 guid[GUID_TEXT];

	if (a->nasked == 0)
		snprintf(out, 300, "i:%s", guid_format(guid, &a->device.id));
	else
		snprintf(out, 300, "x:%c:%s", kinds[a->asked[0].by], a->asked[0].value);
}

/* The next answer of an export; clients are passed over.  False at its end. */
static bool
next_answer(struct reading *r, struct line *l, char key[300])
{
	char	 last[300];

	memcpy(last, key, sizeof(last));
	while (next_line(r, l)) {
		if (l->kind != LINE_ANSWER) {
			free(l->text);
			continue;
		}
		sort_key(key, &l->a);
		if (strcmp(last, key) < 0)
			return true;
		say_bad(r, "is not in order");
		memcpy(key, last, sizeof(last));
	}
	return false;
}

/* All that a rule can judge, or that a device is found by. */
static bool
same_answer(const struct line *x, const struct line *y)
{
	unsigned char		 packed[2][PACK_MAX];
	const struct line	*from[] = { x, y };
	struct answer		 a;
	size_t			 n[2], i;

	for (i = 0; i < 2; i++) {
		a = from[i]->a;
		a.matched_by = MATCH_NONE;
		a.id_space = ID_SPACE_NONE;
		a.source = SOURCE_NONE;
		a.checked = a.device.last_sync = 0;
		n[i] = pack_answer(packed[i], &a);
	}
	return x->voids == y->voids && n[0] == n[1] && memcmp(packed[0], packed[1], n[0]) == 0;
}

/* Prints now (NULL: gone) with what it was (NULL: not there). */
static int
print_change(const struct answer *was, const struct answer *now)
{
	const struct answer	 gone = { .state = COMPLIANCE_PENDING };
	struct identity		 id;
	json_t			*rec = json_object(), *old = json_object(), *v;
	int			 status;

	if (rec == NULL || old == NULL)
		err(EX_OSERR, NULL);
	cache_identity_of(&id, now != NULL ? now : was);
	record_put_identity(rec, &id);
	record_put_answer(rec, now != NULL ? now : &gone, 0);
	record_put_answer(old, was != NULL ? was : &gone, 0);
	v = json_object_get(old, "compliance");
	if (json_object_set_new(rec, "was", was != NULL ? json_incref(v) : json_null()) == -1)
		err(EX_OSERR, NULL);
	status = record_print(rec, stdout);
	json_decref(rec);
	json_decref(old);
	return cli_worst(status, STATUS_NO);
}

static bool
open_export(struct reading *r, const char *path)
{
	memset(r, 0, sizeof(*r));
	r->name = path;
	if ((r->file = fopen(path, "re")) == NULL) {
		warn("%s", path);
		return false;
	}
	r->in = record_open(0, NULL, r->file);
	return true;
}

static int
close_export(struct reading *r)
{
	int	 status = r->status;

	if (r->in != NULL)
		status = cli_worst(status, record_close(r->in));
	if (r->file != NULL)
		fclose(r->file);
	return status;
}

/* Both are in the order of their keys: one pass, and no memory. */
static int
merge(struct reading r[2], struct line l[2])
{
	char	 key[2][300] = { "", "" };
	bool	 more[2];
	int	 order, status = STATUS_OK;

	more[0] = next_answer(&r[0], &l[0], key[0]);
	more[1] = next_answer(&r[1], &l[1], key[1]);
	while ((more[0] || more[1]) && !ferror(stdout)) {
		order = !more[0] ? 1 : !more[1] ? -1 : strcmp(key[0], key[1]);
		if (order != 0 || !same_answer(&l[0], &l[1]))
			status = cli_worst(status, print_change(order <= 0 ? &l[0].a : NULL,
			    order >= 0 ? &l[1].a : NULL));
		if (order <= 0)
			more[0] = next_answer(&r[0], &l[0], key[0]);
		if (order >= 0)
			more[1] = next_answer(&r[1], &l[1], key[1]);
	}
	return status;
}

int
cache_diff(const char *a, const char *b)
{
	struct reading	 r[2] = { { .in = NULL } };
	struct line	*l;
	int		 status = EX_NOINPUT;

	if ((l = calloc(2, sizeof(*l))) == NULL)
		err(EX_OSERR, NULL);
	if (open_export(&r[0], a) && open_export(&r[1], b))
		status = merge(r, l);
	status = cli_worst(status, close_export(&r[0]));
	status = cli_worst(status, close_export(&r[1]));
	free(l);
	return status;
}
