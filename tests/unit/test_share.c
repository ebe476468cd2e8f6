/*
 * Servers that tell each other what was noted end with the same store, whatever was
 * put where and whenever it came: three stores and a log, without Redis.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/digest.h"
#include "base/when.h"
#include "store/db.h"
#include "store/share.h"
#include "store/share_entry.h"
#include "store/share_join.h"
#include "check.h"

#define NOW	1700000000
#define SERVERS	3
#define LOG	20000

static char	 dir[] = "/tmp/test_share.XXXXXX";

static struct entry {
	int		 origin;
	size_t		 len;
	unsigned char	*p;
} entries[LOG];
static size_t	 nlog, at[SERVERS];

static struct store	*stores[SERVERS];

static uint64_t	 seed;

static unsigned int
roll(unsigned int n)
{
	seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (unsigned int)(seed >> 33) % n;
}

static struct store *
fresh(const char *name)
{
	static int	 n;
	char		 path[64], why[STORE_WHY];
	struct store	*s;

	snprintf(path, sizeof(path), "%s/%d", dir, n++);
	if ((s = store_open(path, STORE_WRITE, why)) == NULL) {
		printf("# %s\n", why);
		exit(1);
	}
	store_lazy(s);
	share_put(s, DB_SHARE_NAME, name);
	return s;
}

static void
tell(int origin, const unsigned char *p, size_t len)
{
	struct entry	*e = &entries[nlog++];

	if (nlog == LOG || (e->p = malloc(len)) == NULL) {
		printf("# it never ends\n");
		exit(1);
	}
	memcpy(e->p, p, len);
	e->len = len;
	e->origin = origin;
}

/* As share_tell() does. */
static enum store_rc
tell_noted(struct store *s, void *arg)
{
	static unsigned char	 buf[SHARE_CLIENT_MAX];
	enum store_claim	 claim[STORE_CLAIMS];
	struct share_order	 o;
	struct client		 cl;
	struct answer		 a;
	struct bytes		 k, v;
	unsigned char		 key[DB_KEY_MAX];
	const char		*why;
	char			*text, id[CLIENT_ID], fault[256];
	unsigned int		 voids;
	json_t			*rec;
	size_t			 n, i;

	while (db_after(s, DB_OUT, NULL, 0, &k, &v) == STORE_FOUND) {
		memcpy(key, k.p, n = k.n);
		db_del(s, DB_OUT, key, n, NULL, 0);
		if (key[0] == 'd' && db_get(s, DB_DEV, key + 1, n - 1, &v) == STORE_FOUND &&
		    unpack_answer(v.p, v.n, &a, &why)) {
			key_asked(&a, key + 1, n - 1);
			voids = 0;
			if (a.nasked == 0 && store_claims(s, &a.device, claim) != STORE_ERROR)
				for (i = 0; i < STORE_CLAIMS; i++)
					voids |= claim[i] == CLAIM_VOID ? 1U << i : 0;
			tell(*(int *)arg, buf, share_pack_answer(buf, &a, voids));
		} else if (key[0] == 'c') {
			memcpy(id, key + 1, n - 1);
			id[n - 1] = '\0';
			if (client_get(s, id, &cl, &text) != STORE_FOUND)
				return STORE_ERROR;
			rec = json_loads(text, 0, NULL);
			share_order_of(&o, &cl, rec, fault, sizeof(fault));
			tell(*(int *)arg, buf, share_pack_client(buf, &cl, &o));
			json_decref(rec);
			free(text);
		}
	}
	return STORE_FOUND;
}

/* As share_read() does, up to n entries. */
static enum store_rc
hear(struct store *s, void *arg)
{
	int			 me = *(int *)arg;
	struct share_entry	 e;
	const char		*fault;
	char			 why[256];
	size_t			 n = at[me] + 1 + roll(8);

	for (; at[me] < n && at[me] < nlog; at[me]++) {
		if (entries[at[me]].origin == me)
			continue;
		if (!share_unpack(entries[at[me]].p, entries[at[me]].len, &e, &fault))
			return STORE_ERROR;
		if ((e.kind == 'd' ? share_join_answer(s, &e.a, e.voids) :
		    share_join_client(s, &e.cl, why, sizeof(why))) == STORE_ERROR)
			return STORE_ERROR;
	}
	return STORE_FOUND;
}

static bool
exchange(int me, bool speak)
{
	struct store	*s = stores[me];
	enum store_rc	 rc;

	s->exact = true;
	rc = store_transact(s, speak ? tell_noted : hear, &me);
	s->exact = false;
	return rc != STORE_ERROR;
}

/*
 * Everything, as one number, but for what was said of a name alone, "no such device"
 * or "ambiguous": whether such an answer stands beside devices that had the name at
 * other times hangs on the order in which they were filed, until it is asked again.
 */
static enum store_rc
add_entry(const struct bytes *k, const struct bytes *v, void *arg)
{
	uint64_t	*sum = arg;

	if (k->n > 4 && memcmp(k->p, "x:n:", 4) == 0)
		return STORE_FOUND;
	*sum = digest_add(*sum, k->p, k->n);
	*sum = digest_add(*sum, v->p, v->n);
	return STORE_FOUND;
}

static uint64_t
sum_of(struct store *s)
{
	uint64_t	 sum = DIGEST_START;

	if (db_enter(s) == STORE_ERROR)
		return 0;
	db_walk(s, DB_DEV, add_entry, &sum);
	db_walk(s, DB_KEY, add_entry, &sum);
	db_walk(s, DB_CLIENT, add_entry, &sum);
	db_leave(s);
	return sum;
}

/* What Intune could have said at this moment, of few devices and names.  It says
 * the same to everybody at one moment. */
static void
put_random(struct store *s, int64_t checked)
{
	struct answer	 a = { .source = SOURCE_GRAPH, .checked = checked };
	struct device	*d = &a.device;

	a.nasked = 1;
	if (roll(4) == 0) {
		a.state = COMPLIANCE_UNREGISTERED;
		a.asked[0].by = MATCH_GUID;
		snprintf(a.asked[0].value, sizeof(a.asked[0].value),
		    "00000000-0000-0000-0000-00000000000%u", roll(4) + 1);
	} else if (roll(5) == 0) {
		a.state = roll(2) ? COMPLIANCE_UNREGISTERED : COMPLIANCE_AMBIGUOUS;
		a.matched_by = a.state == COMPLIANCE_AMBIGUOUS ? MATCH_NAME : MATCH_NONE;
		a.asked[0].by = MATCH_NAME;
		snprintf(a.asked[0].value, sizeof(a.asked[0].value), "l%u", roll(6));
	} else {
		a.state = roll(2) ? COMPLIANCE_COMPLIANT : COMPLIANCE_NONCOMPLIANT;
		a.has_device = d->has_id = true;
		d->id.b[15] = (uint8_t)(roll(4) + 1);
		snprintf(d->name, sizeof(d->name), "L%u", roll(6));
		a.matched_by = roll(3) ? MATCH_GUID : MATCH_NAME;
		a.id_space = a.matched_by == MATCH_GUID ? ID_SPACE_INTUNE : ID_SPACE_NONE;
		a.nasked = 0;
	}
	store_put(s, &a, NULL);
}

/* One of two clients comes, its NAS speaks of it, or a CoA has a result. */
static void
client_random(struct store *s, int me, int64_t t)
{
	struct client	 cl = { .ino = 7, .offset = t };
	char		 text[1024], why[256], time[WHEN_TEXT], *old;
	json_t		*rec;

	snprintf(cl.id, sizeof(cl.id), "00:1b:2c:3d:4e:0%u", roll(2));
	if (roll(2) == 0 && client_get(s, cl.id, &cl, &old) == STORE_FOUND) {
		rec = json_loads(old, 0, NULL);
		json_object_set_new(rec, roll(2) ? "coa" : "accounting", json_pack("{s:s,s:s}",
		    "result", roll(2) ? "ack" : "nak", "time", when_format(time, t)));
		free(old);
		old = json_dumps(rec, JSON_COMPACT);
		cl.text = old;
		cl.len = strlen(old);
		client_put(s, &cl);
		json_decref(rec);
		free(old);
		return;
	}
	cl.seen = t;
	cl.ino = 7;
	cl.offset = t;
	snprintf(text, sizeof(text), "{\"session\":{\"seen\":\"%s\",\"calling_station_id\":\"%s\","
	    "\"nas_ip\":\"192.0.2.1\"},\"server\":\"radius%d\"}", when_format(time, t), cl.id, me);
	cl.text = text;
	cl.len = strlen(text);
	share_join_client(s, &cl, why, sizeof(why));
}

struct step {
	int	 me;
	int64_t	 t;
	bool	 client;
};

static enum store_rc
one_step(struct store *s, void *arg)
{
	struct step	*p = arg;

	if (p->client)
		client_random(s, p->me, p->t);
	else
		put_random(s, p->t);
	return STORE_FOUND;
}

/* All have heard and told everything. */
static bool
settled(void)
{
	size_t	 n = 0, i;

	for (i = 0; i < SERVERS; i++) {
		db_enter(stores[i]);
		db_count(stores[i], DB_OUT, &n);
		db_leave(stores[i]);
		if (n > 0 || at[i] < nlog)
			return false;
	}
	return true;
}

static bool
run(uint64_t which, int clients)
{
	static const char *const	 names[] = { "radius0", "radius1", "radius2" };
	struct step			 p;
	int				 i, steps;
	bool				 same;

	seed = which * 7919 + 1;
	for (i = 0; i < SERVERS; i++) {
		stores[i] = fresh(names[i]);
		at[i] = 0;
	}
	for (steps = 0; steps < 60; steps++) {
		p = (struct step){ (int)roll(SERVERS), NOW + (int64_t)roll(20) * 10, clients > 0 };
		switch (roll(3)) {
		case 0: store_transact(stores[p.me], one_step, &p); break;
		case 1: exchange(p.me, true); break;
		case 2: exchange(p.me, false); break;
		}
	}
	while (!settled())
		for (i = 0; i < SERVERS; i++) {
			exchange(i, true);
			exchange(i, false);
		}
	same = sum_of(stores[0]) == sum_of(stores[1]) && sum_of(stores[0]) == sum_of(stores[2]);
	for (i = 0; i < SERVERS; i++)
		store_close(stores[i]);
	while (nlog > 0)
		free(entries[--nlog].p);
	return same;
}

int
main(void)
{
	char	 cmd[128];
	uint64_t rounds = getenv("ROUNDS") != NULL ? strtoull(getenv("ROUNDS"), NULL, 10) : 40;
	uint64_t n, bad[2] = { 0, 0 };

	if (mkdtemp(dir) == NULL)
		return 1;
	for (n = 1; n <= rounds; n++) {
		if (!run(n, 1) && bad[1]++ < 5)
			printf("# clients: seed %" PRIu64 " ends with different stores\n", n);
		if (!run(n, 0) && bad[0]++ < 5)
			printf("# answers: seed %" PRIu64 " ends with different stores\n", n);
	}
	CHECK(bad[1] == 0);
	CHECK(bad[0] == 0);
	snprintf(cmd, sizeof(cmd), "rm -rf %s", dir);
	CHECK(system(cmd) == 0);
	return check_done();
}
