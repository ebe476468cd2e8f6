#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "base/when.h"
#include "store/batch.h"
#include "store/db.h"
#include "store/find.h"
#include "store/keys.h"
#include "store/pack.h"

static bool
is_no(const struct answer *a)
{
	return a->state == COMPLIANCE_UNREGISTERED;
}

/* Does the stored answer stay?  Not one from a future that a wrong clock has seen: it
 * would keep all others out until then. */
static bool
is_newer(const struct answer *old, int64_t checked)
{
	return old->checked > checked && !answer_is_ahead(old, when_now());
}

/* Reads the answer that is about to be replaced: a damaged one is as good as none,
 * and so is healed. */
static enum store_rc
get_old(struct store *s, const void *key, size_t klen, struct answer *out)
{
	struct bytes	 v;
	const char	*why;
	enum store_rc	 rc;

	if ((rc = db_get(s, DB_DEV, key, klen, &v)) == STORE_FOUND &&
	    !unpack_answer(v.p, v.n, out, &why))
		return STORE_NOTFOUND;
	return rc;
}

static enum store_rc
put_value(struct store *s, const struct key *k, const struct answer *a)
{
	unsigned char	 buf[PACK_MAX];

	return db_put(s, DB_DEV, k->b, k->n, buf, pack_answer(buf, a));
}

static enum store_rc
txn_get(void *arg, const void *key, size_t klen, struct bytes *out)
{
	return db_get(arg, DB_DEV, key, klen, out);
}

static enum store_rc
txn_dup(void *arg, const void *key, size_t klen, struct lr_dup *d)
{
	struct bytes	 v = { d->b, d->n };
	enum store_rc	 rc;

	if ((rc = db_dup(arg, key, klen, &v, &v)) != STORE_FOUND)
		return rc;
	if (v.n > sizeof(d->b))
		return db_fault(arg, EBADMSG, "the store is damaged: a key is too long");
	memcpy(d->b, v.p, v.n);
	d->n = v.n;
	return rc;
}

static enum store_rc
txn_damaged(void *arg, const char *what)
{
	return db_fault(arg, EBADMSG, "the store is damaged: %s", what);
}

enum store_rc
store_find(struct store *s, const struct identity *id, const struct match_order *order,
    struct answer *out)
{
	const struct find_source	 src = { txn_get, txn_dup, txn_damaged, s };
	enum store_rc			 rc;

	memset(out, 0, sizeof(*out));
	if (db_enter(s) == STORE_ERROR)
		return STORE_ERROR;
	rc = find_device(&src, id, order, out);
	db_leave(s);
	return rc;
}

/* Where the claim of a device to a key is kept that was refuted. */
static struct key
void_key(const struct key *k)
{
	return key_of("v", k->b, k->n);
}

enum store_rc
add_claim(struct store *s, const void *k, size_t klen, const void *primary, size_t n, bool known)
{
	struct key	 v;
	enum store_rc	 rc;

	/* To add it once more would write its page anew. */
	if (known && (rc = db_has(s, k, klen, primary, n)) != STORE_NOTFOUND)
		return rc;
	if ((rc = db_add(s, k, klen, primary, n)) != STORE_FOUND)
		return rc;
	v = key_of("v", k, klen);
	return db_del(s, DB_KEY, v.b, v.n, primary, n);
}

/* Drops the claim of a device to a key, whether it counts or not. */
static enum store_rc
drop_claim(struct store *s, const struct key *k, const struct key *primary)
{
	struct key	 v;
	enum store_rc	 rc;

	if ((rc = db_del(s, DB_KEY, k->b, k->n, primary->b, primary->n)) != STORE_NOTFOUND)
		return rc;
	v = void_key(k);
	return db_del(s, DB_KEY, v.b, v.n, primary->b, primary->n);
}

/* The device keeps the fact, but is not found by it: Intune has said otherwise
 * since.  Remembered, so that a key that was lost can be told from this. */
static enum store_rc
refute_claim(struct store *s, const struct key *k, const void *primary, size_t n)
{
	struct key	 v = void_key(k);

	if (db_del(s, DB_KEY, k->b, k->n, primary, n) == STORE_ERROR)
		return STORE_ERROR;
	return db_put(s, DB_KEY, v.b, v.n, primary, n);
}

/* Deletes the keys of old that the device does not have any more (now NULL: all). */
static enum store_rc
drop_keys(struct store *s, const struct key *primary, const struct device *old,
    const struct device *now)
{
	struct key	 had[DEVICE_KEYS], has[DEVICE_KEYS];
	size_t		 nhad = keys_of(old, false, had), i, j;
	size_t		 nhas = now != NULL ? keys_of(now, false, has) : 0;

	for (i = 0; i < nhad; i++) {
		for (j = 0; j < nhas && !same_key(&had[i], &has[j]); j++)
			;
		if (j == nhas && drop_claim(s, &had[i], primary) == STORE_ERROR)
			return STORE_ERROR;
	}
	return STORE_FOUND;
}

/* Intune has said at `checked` that the devices under this key, but for keep
 * (NULL: without exception), are not found by it. */
static enum store_rc
drop_devices(struct store *s, const struct key *k, const struct key *keep, int64_t checked)
{
	unsigned char	 last[DB_KEY_MAX];
	struct bytes	 dup = { last, 0 };
	struct answer	 a;
	enum store_rc	 rc;

	while ((rc = db_dup(s, k->b, k->n, &dup, &dup)) == STORE_FOUND) {
		/* A deletion moves the page that dup points into. */
		memcpy(last, dup.p, dup.n);
		dup.p = last;
		if (keep != NULL && keep->n == dup.n && memcmp(keep->b, last, dup.n) == 0)
			continue;
		if ((rc = get_old(s, last, dup.n, &a)) == STORE_ERROR)
			return rc;
		if (rc == STORE_FOUND && is_newer(&a, checked))
			continue;
		if (refute_claim(s, k, last, dup.n) == STORE_ERROR)
			return STORE_ERROR;
	}
	return rc == STORE_ERROR ? rc : STORE_FOUND;
}

/* Marks one stored device, unless Intune has seen it since. */
static enum store_rc
mark_no(struct store *s, const struct key *k, const struct answer *a, struct answer *before)
{
	struct answer	 old;
	enum store_rc	 rc;

	if ((rc = get_old(s, k->b, k->n, &old)) != STORE_FOUND)
		return rc;
	if (before != NULL && before->state == COMPLIANCE_PENDING)
		*before = old;
	if (is_newer(&old, a->checked))
		return STORE_NOTFOUND;
	old.state = COMPLIANCE_UNREGISTERED;
	old.checked = a->checked;
	old.source = a->source;
	return put_value(s, k, &old);
}

/* Intune has no device of this GUID in either space.  STORE_FOUND: one was stored. */
static enum store_rc
unregister_guid(struct store *s, const struct guid *g, const struct answer *a,
    struct answer *before)
{
	struct key	 k = guid_key("i:", g), e = guid_key("e:", g), dev;
	struct bytes	 dup = { dev.b, 0 };
	enum store_rc	 rc, any;

	if ((any = mark_no(s, &k, a, before)) == STORE_ERROR)
		return any;
	while ((rc = db_dup(s, e.b, e.n, &dup, &dup)) == STORE_FOUND) {
		if (dup.n > sizeof(dev.b))
			return db_fault(s, EBADMSG, "the store is damaged: a key is too long");
		memcpy(dev.b, dup.p, dup.n);
		dev.n = dup.n;
		dup.p = dev.b;
		if (mark_no(s, &dev, a, before) == STORE_ERROR)
			return STORE_ERROR;
		any = STORE_FOUND;
	}
	return rc == STORE_ERROR ? rc : any;
}

/* Files an answer that names no device under one thing that was asked. */
static enum store_rc
put_asked(struct store *s, const struct key *k, const struct answer *a, struct answer *before)
{
	struct answer	 old;
	enum store_rc	 rc;

	if ((rc = get_old(s, k->b, k->n, &old)) == STORE_ERROR)
		return rc;
	if (rc == STORE_FOUND) {
		if (before != NULL && before->state == COMPLIANCE_PENDING)
			*before = old;
		if (is_newer(&old, a->checked))
			return STORE_NOTFOUND;
	}
	return put_value(s, k, a);
}

/* The keys of one asked identifier; false when it is none that is ever found. */
static bool
asked_keys(const struct asked *q, struct key *x, struct key *devices, struct guid *g)
{
	uint8_t	 mac[MAC_LEN];

	switch (q->by) {
	case MATCH_GUID:
		if (!guid_parse(q->value, g) || guid_is_zero(g))
			return false;
		*x = guid_key("x:g:", g);
		*devices = guid_key("e:", g);
		return true;
	case MATCH_NAME:
		*x = name_key("x:n:", q->value);
		*devices = name_key("n:", q->value);
		return q->value[0] != '\0';
	case MATCH_MAC:
		if (!mac_parse(q->value, mac) || !mac_is_usable(mac))
			return false;
		*x = mac_key("x:m:", mac);
		*devices = mac_key("m:", mac);
		return true;
	case MATCH_SERIAL:
		return serial_key(x, "x:s:", q->value) && serial_key(devices, "s:", q->value);
	case MATCH_NONE:
	case MATCH_COUNT:
		break;
	}
	return false;
}

/* "No such device" for one asked identifier. */
static enum store_rc
put_no(struct store *s, const struct asked *q, const struct answer *a, struct answer *before)
{
	struct bytes	 none = { NULL, 0 }, dup;
	struct key	 x, devices;
	struct guid	 g;
	enum store_rc	 rc;

	if (!asked_keys(q, &x, &devices, &g))
		return STORE_NOTFOUND;
	if (q->by == MATCH_GUID) {
		if ((rc = unregister_guid(s, &g, a, before)) != STORE_NOTFOUND)
			return rc;
		/* Stored, but Intune has seen it since. */
		devices = guid_key("i:", &g);
		if ((rc = db_get(s, DB_DEV, devices.b, devices.n, &dup)) != STORE_NOTFOUND)
			return rc == STORE_ERROR ? rc : STORE_NOTFOUND;
		return put_asked(s, &x, a, before);
	}
	/* A list that lacks a device takes nothing from it. */
	if (!q->listed && drop_devices(s, &devices, NULL, a->checked) == STORE_ERROR)
		return STORE_ERROR;
	if ((rc = db_dup(s, devices.b, devices.n, &none, &dup)) != STORE_NOTFOUND)
		return rc == STORE_ERROR ? rc : STORE_NOTFOUND;
	return put_asked(s, &x, a, before);
}

/* Of an ambiguous answer: has this identifier found nothing?  All of one kind are
 * tried before the next kind, and GUIDs one after the other. */
static bool
found_nothing(const struct answer *a, size_t i)
{
	if (is_no(a))
		return true;
	if (a->matched_by == MATCH_NONE)
		return false;
	return a->asked[i].by != a->matched_by ||
	    (a->matched_by == MATCH_GUID && i + 1 < a->nasked);
}

/* The same said of an identifier that has led nowhere. */
static struct answer
no_such(const struct answer *a)
{
	struct answer	 no = { .state = COMPLIANCE_UNREGISTERED, .source = a->source,
			    .checked = a->checked };

	text_copy(no.tenant, sizeof(no.tenant), a->tenant);
	return no;
}

/*
 * Unregistered, ambiguous, or the rare answer whose device has no id: filed under
 * what was asked.
 */
static enum store_rc
put_without_device(struct store *s, const struct answer *a, struct answer *before)
{
	struct answer	 bare = *a, no = no_such(a);
	struct key	 x, devices;
	struct guid	 g;
	enum store_rc	 rc, any = STORE_NOTFOUND;
	size_t		 i;

	if (a->state == COMPLIANCE_UNREGISTERED)
		bare = no;
	for (i = 0; i < a->nasked; i++) {
		no.asked[0].listed = a->asked[i].listed;
		if (found_nothing(a, i))
			rc = put_no(s, &a->asked[i], &no, before);
		else if (asked_keys(&a->asked[i], &x, &devices, &g))
			rc = put_asked(s, &x, &bare, before);
		else
			rc = STORE_NOTFOUND;
		if (rc == STORE_ERROR)
			return rc;
		if (rc == STORE_FOUND)
			any = rc;
	}
	return any;
}

/* The kind of key, by its first byte, that Intune was asked for and named just
 * this device; 0: its own id. */
static char
asked_by(const struct answer *a)
{
	switch (a->matched_by) {
	case MATCH_GUID:
		return a->id_space == ID_SPACE_ENTRA ? 'e' : '\0';
	case MATCH_NAME:
		return 'n';
	case MATCH_MAC:
		return 'm';
	case MATCH_SERIAL:
		return 's';
	case MATCH_NONE:
	case MATCH_COUNT:
		break;
	}
	return '\0';
}

/*
 * Files the device under one of its keys, and drops what the answer refutes:
 * "no such device" always; "ambiguous" when Intune was asked for this very key
 * and named one device; then other devices' claims to the key are void, too.
 * known: the device was there before, and most likely had the key.
 */
static enum store_rc
put_key(struct store *s, const struct key *primary, const struct key *k, const struct key *x,
    const struct answer *a, bool known)
{
	bool		 sole = k->b[0] == asked_by(a);
	struct answer	 old;
	enum store_rc	 rc;

	if ((rc = get_old(s, x->b, x->n, &old)) == STORE_ERROR)
		return rc;
	if (rc == STORE_FOUND && is_newer(&old, a->checked) && is_no(&old) && !old.asked[0].listed)
		return refute_claim(s, k, primary->b, primary->n);
	if (rc == STORE_FOUND && (!is_newer(&old, a->checked) || old.asked[0].listed) &&
	    (sole || old.state != COMPLIANCE_AMBIGUOUS) &&
	    db_del(s, DB_DEV, x->b, x->n, NULL, 0) == STORE_ERROR)
		return STORE_ERROR;
	if (sole && drop_devices(s, k, primary, a->checked) == STORE_ERROR)
		return STORE_ERROR;
	return add_claim(s, k->b, k->n, primary->b, primary->n, known);
}

/* Is the i-th thing asked the GUID of something else than this device? */
static bool
is_other_guid(const struct answer *a, size_t i)
{
	const struct device	*d = &a->device;
	struct guid		 g;

	return a->asked[i].by == MATCH_GUID && guid_parse(a->asked[i].value, &g) &&
	    !guid_equal(&g, &d->id) && !(d->has_entra_id && guid_equal(&g, &d->entra_id));
}

/* GUIDs that were asked for and are not the device's own led nowhere. */
static enum store_rc
put_other_guids(struct store *s, const struct answer *a)
{
	struct answer	 no;
	size_t		 i;

	for (i = 0; i < a->nasked; i++) {
		if (!is_other_guid(a, i))
			continue;
		no = no_such(a);
		if (put_no(s, &a->asked[i], &no, NULL) == STORE_ERROR)
			return STORE_ERROR;
	}
	return STORE_FOUND;
}

/* Graph leaves a MAC out at times that it gave before: then the old one stays, as
 * long as nothing has taken it from the device. */
static enum store_rc
keep_mac(struct store *s, const struct key *primary, bool *has, uint8_t mac[MAC_LEN],
    bool had, const uint8_t old[MAC_LEN])
{
	struct key	 k = mac_key("m:", old);
	enum store_rc	 rc;

	if (*has || !had)
		return STORE_NOTFOUND;
	if ((rc = db_has(s, k.b, k.n, primary->b, primary->n)) == STORE_FOUND) {
		memcpy(mac, old, MAC_LEN);
		*has = true;
	}
	return rc;
}

static enum store_rc
keep_macs(struct store *s, const struct key *primary, struct device *d, const struct device *old)
{
	if (keep_mac(s, primary, &d->has_wifi_mac, d->wifi_mac, old->has_wifi_mac,
	    old->wifi_mac) == STORE_ERROR)
		return STORE_ERROR;
	return keep_mac(s, primary, &d->has_ethernet_mac, d->ethernet_mac,
	    old->has_ethernet_mac, old->ethernet_mac);
}

/*
 * NAC 2.0 says whether a device is compliant and nothing else of it: the facts stay.
 * The address it was asked for comes as the Wi-Fi one, which it need not be: one that
 * is new beside a known Wi-Fi address is that of a cable.  The other addresses are
 * left to keep_macs().
 */
static void
keep_facts(struct device *now, const struct device *old)
{
	struct device	 d = *old;

	d.has_wifi_mac = d.has_ethernet_mac = false;
	if (now->has_wifi_mac && old->has_wifi_mac &&
	    memcmp(now->wifi_mac, old->wifi_mac, MAC_LEN) != 0) {
		memcpy(d.ethernet_mac, now->wifi_mac, MAC_LEN);
		d.has_ethernet_mac = true;
	} else if (now->has_wifi_mac && old->has_ethernet_mac &&
	    memcmp(now->wifi_mac, old->ethernet_mac, MAC_LEN) == 0) {
		d.has_ethernet_mac = true;
	} else if (now->has_wifi_mac) {
		memcpy(d.wifi_mac, now->wifi_mac, MAC_LEN);
		d.has_wifi_mac = true;
	}
	*now = d;
}

/* Files the device under each of its keys. */
static enum store_rc
put_keys(struct store *s, const struct key *primary, const struct answer *a, bool known,
    struct claims *later)
{
	struct key	 keys[DEVICE_KEYS], xs[DEVICE_KEYS];
	size_t		 i, n = keys_of(&a->device, false, keys);
	enum store_rc	 rc = STORE_FOUND;

	if (later == NULL)
		keys_of(&a->device, true, xs);
	for (i = 0; i < n && rc != STORE_ERROR; i++)
		rc = later != NULL ? claims_add(s, later, &keys[i], primary, known) :
		    put_key(s, primary, &keys[i], &xs[i], a, known);
	return rc;
}

/* Does a stored device have facts that this answer lacks and that stay? */
static bool
lacks_facts(const struct answer *a, const struct device *old)
{
	return a->source == SOURCE_NAC2 || (old->has_wifi_mac && !a->device.has_wifi_mac) ||
	    (old->has_ethernet_mac && !a->device.has_ethernet_mac);
}

static enum store_rc
put_device(struct store *s, const struct answer *a, struct answer *before, struct claims *later)
{
	struct key	 primary = guid_key("i:", &a->device.id);
	struct key	 x = guid_key("x:g:", &a->device.id);
	struct answer	 old, full;
	enum store_rc	 rc;
	bool		 known;

	if ((rc = get_old(s, primary.b, primary.n, &old)) == STORE_ERROR)
		return rc;
	known = rc == STORE_FOUND;
	if (rc == STORE_NOTFOUND &&
	    (rc = get_old(s, x.b, x.n, &old)) == STORE_ERROR)
		return rc;
	if (rc == STORE_FOUND) {
		if (before != NULL)
			*before = old;
		if (is_newer(&old, a->checked))
			return STORE_NOTFOUND;
		/* Another server has kept them already. */
		if (!s->exact && lacks_facts(a, &old.device)) {
			full = *a;
			a = &full;
			if (a->source == SOURCE_NAC2)
				keep_facts(&full.device, &old.device);
			if (keep_macs(s, &primary, &full.device, &old.device) == STORE_ERROR)
				return STORE_ERROR;
		}
		if (drop_keys(s, &primary, &old.device, &a->device) == STORE_ERROR)
			return STORE_ERROR;
	}
	if (db_del(s, DB_DEV, x.b, x.n, NULL, 0) == STORE_ERROR ||
	    put_value(s, &primary, a) == STORE_ERROR ||
	    put_keys(s, &primary, a, known, later) == STORE_ERROR)
		return STORE_ERROR;
	return put_other_guids(s, a);
}

/*
 * NAC 2.0 knows up to five addresses of a device, those of docks among them, and Graph
 * two.  An address that was asked for and is not one of the two is filed by itself,
 * with the device that has it.
 */
static enum store_rc
put_asked_mac(struct store *s, const struct answer *a)
{
	struct key	 primary = guid_key("i:", &a->device.id), x, k;
	struct guid	 g;
	size_t		 i;

	for (i = 0; a->matched_by == MATCH_MAC && i < a->nasked; i++) {
		if (a->asked[i].by != MATCH_MAC || !asked_keys(&a->asked[i], &x, &k, &g) ||
		    has_key(&a->device, &k))
			continue;
		if (drop_devices(s, &k, &primary, a->checked) == STORE_ERROR ||
		    put_asked(s, &x, a, NULL) == STORE_ERROR)
			return STORE_ERROR;
	}
	return STORE_FOUND;
}

static bool
is_device(const struct answer *a)
{
	return a->has_device && a->device.has_id && !guid_is_zero(&a->device.id);
}

bool
is_of_its_own(const struct answer *a)
{
	size_t	 i;

	/* A key that was asked for and has led to one device is taken from others. */
	if (a->state == COMPLIANCE_PENDING || !is_device(a) || asked_by(a) != '\0')
		return false;
	for (i = 0; i < a->nasked; i++)
		if (is_other_guid(a, i))
			return false;
	return true;
}

enum store_rc
put_answer(struct store *s, const struct answer *a, struct answer *before, struct claims *later)
{
	/* Run again after the store has grown, it must start afresh. */
	if (before != NULL)
		memset(before, 0, sizeof(*before));
	if (a->state == COMPLIANCE_PENDING)
		return STORE_NOTFOUND;
	if (is_device(a))
		return put_asked_mac(s, a) == STORE_ERROR ? STORE_ERROR :
		    put_device(s, a, before, later);
	return put_without_device(s, a, before);
}

struct put_args {
	const struct answer	*a;
	struct answer		*before;
};

static enum store_rc
put_one(struct store *s, void *arg)
{
	const struct put_args	*p = arg;

	return put_answer(s, p->a, p->before, NULL);
}

enum store_rc
store_put(struct store *s, const struct answer *a, struct answer *before)
{
	struct put_args	 p = { a, before };

	return store_transact(s, put_one, &p);
}

static enum store_rc
put_entry(struct store *s, void *arg)
{
	struct put_args	*p = arg;

	if (p->a->has_device && p->a->nasked > 0)
		return put_asked_mac(s, p->a);
	return put_one(s, p);
}

enum store_rc
store_put_entry(struct store *s, const struct answer *a)
{
	struct put_args	 p = { a, NULL };

	return store_transact(s, put_entry, &p);
}

enum store_rc
store_claims(struct store *s, const struct device *d, enum store_claim claim[STORE_CLAIMS])
{
	struct key	 primary = guid_key("i:", &d->id), keys[DEVICE_KEYS], v;
	enum store_rc	 has = STORE_NOTFOUND, no = STORE_NOTFOUND;
	size_t		 i, n = keys_of(d, false, keys);

	if (db_enter(s) == STORE_ERROR)
		return STORE_ERROR;
	for (i = 0; i < STORE_CLAIMS; i++) {
		claim[i] = CLAIM_NONE;
		if (i >= n)
			continue;
		v = void_key(&keys[i]);
		has = db_has(s, keys[i].b, keys[i].n, primary.b, primary.n);
		no = db_has(s, v.b, v.n, primary.b, primary.n);
		if (has == STORE_ERROR || no == STORE_ERROR)
			break;
		claim[i] = has == no ? CLAIM_LOST : has ? CLAIM_FOUND : CLAIM_VOID;
	}
	db_leave(s);
	return has == STORE_ERROR || no == STORE_ERROR ? STORE_ERROR : STORE_FOUND;
}

bool
key_of_answer(const struct answer *a, unsigned char out[DB_KEY_MAX], size_t *n)
{
	struct key	 k, devices;
	struct guid	 g;

	if (a->nasked == 0)
		k = guid_key("i:", &a->device.id);
	else if (!asked_keys(&a->asked[0], &k, &devices, &g))
		return false;
	memcpy(out, k.b, k.n);
	*n = k.n;
	return true;
}

enum store_rc
store_same(struct store *s, const struct answer *a, struct answer *out)
{
	unsigned char	 key[DB_KEY_MAX];
	size_t		 n;
	enum store_rc	 rc;

	if (!key_of_answer(a, key, &n))
		return STORE_NOTFOUND;
	if (db_enter(s) == STORE_ERROR)
		return STORE_ERROR;
	rc = get_old(s, key, n, out);
	db_leave(s);
	return rc;
}

struct void_args {
	const struct device	*d;
	unsigned int		 voids;
};

static enum store_rc
void_claims(struct store *s, void *arg)
{
	const struct void_args	*p = arg;
	struct key		 primary = guid_key("i:", &p->d->id), keys[DEVICE_KEYS];
	size_t			 i, n = keys_of(p->d, false, keys);

	for (i = 0; i < n; i++)
		if ((p->voids & 1U << i) != 0 &&
		    refute_claim(s, &keys[i], primary.b, primary.n) == STORE_ERROR)
			return STORE_ERROR;
	return STORE_FOUND;
}

enum store_rc
store_void(struct store *s, const struct device *d, unsigned int voids)
{
	struct void_args	 p = { d, voids };

	return voids == 0 ? STORE_FOUND : store_transact(s, void_claims, &p);
}

struct prune_args {
	int64_t		 limit;
	struct key	 from, last;	/* this step begins and ends behind these */
	size_t		 devices, others;
	bool		 more;
};

static enum store_rc
prune_some(struct store *s, void *arg)
{
	struct prune_args	*p = arg;
	struct key		*last = &p->last;
	struct answer		 a;
	struct bytes		 k, v;
	enum store_rc		 rc = STORE_FOUND;
	const char		*why;
	size_t			 seen;

	*last = p->from;
	p->devices = p->others = 0;
	for (seen = 0; seen < DB_STEP_SEEN && p->devices + p->others < DB_STEP; seen++) {
		if ((rc = db_after(s, DB_DEV, last->b, last->n, &k, &v)) != STORE_FOUND)
			break;
		if (k.n > sizeof(last->b))
			return db_fault(s, EBADMSG, "the store is damaged: a key is too long");
		memcpy(last->b, k.p, k.n);
		last->n = k.n;
		/* What cannot be read is of no use to anybody. */
		if (unpack_answer(v.p, v.n, &a, &why) && a.checked >= p->limit)
			continue;
		if ((last->b[0] == 'i' &&
		    drop_keys(s, last, &a.device, NULL) == STORE_ERROR) ||
		    db_del(s, DB_DEV, last->b, last->n, NULL, 0) == STORE_ERROR)
			return STORE_ERROR;
		*(last->b[0] == 'i' ? &p->devices : &p->others) += 1;
	}
	p->more = rc == STORE_FOUND;
	return rc == STORE_ERROR ? rc : STORE_FOUND;
}

enum store_rc
store_prune(struct store *s, int64_t limit, size_t *devices, size_t *others)
{
	struct prune_args	 p = { .limit = limit };

	do {
		if (store_transact(s, prune_some, &p) == STORE_ERROR)
			return STORE_ERROR;
		p.from = p.last;
		*devices += p.devices;
		*others += p.others;
	} while (p.more);
	return STORE_FOUND;
}
