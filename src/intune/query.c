#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "base/text.h"
#include "base/when.h"
#include "intune/directory.h"
#include "intune/query.h"
#include "intune/wire.h"

#define CANDIDATES	32	/* different devices that are told apart for one identifier */

/* The devices that match one identifier, or one kind of them. */
struct candidates {
	const char	*where;
	struct guid	 id[CANDIDATES];
	size_t		 n;
	struct managed	 best;		/* the last to sync */
	bool		 tie;		/* another one did so at the same time */
};

/* What a filtered list is checked against: the server may ignore the filter. */
struct filter {
	struct query		*q;
	struct candidates	*c;
	const struct guid	*entra;		/* one of these three */
	const char		*name;		/* folded */
	const char		*serial;	/* folded */
	size_t			 foreign;
};

/* Adds a device, once; the last to sync is kept whole. */
static void
candidate(struct candidates *c, const struct managed *m)
{
	size_t	 i;

	for (i = 0; i < c->n && i < CANDIDATES; i++)
		if (guid_equal(&c->id[i], &m->device.id))
			return;
	if (c->n < CANDIDATES)
		c->id[c->n] = m->device.id;
	if (c->n == 0 || m->device.last_sync > c->best.device.last_sync) {
		c->best = *m;
		c->tie = false;
	} else if (m->device.last_sync == c->best.device.last_sync)
		c->tie = true;
	c->n++;
}

/* Notes an identifier before it is asked for, so that "unregistered" can be filed
 * under it.  There is room for more than any honest certificate holds. */
static void
asked(struct answer *a, enum match by, const char *value)
{
	if (a->nasked == ANSWER_ASKED)
		return;
	a->asked[a->nasked].by = by;
	text_copy(a->asked[a->nasked].value, sizeof(a->asked[0].value), value);
	a->nasked++;
}

/* One device of a filtered list: kept only if it is what was asked for. */
static bool
on_filtered(const json_t *item, void *arg)
{
	struct filter	*f = arg;
	struct managed	 m;
	char		 why[128], text[sizeof(m.device.name)];
	bool		 same;

	if (!managed_parse(item, &m, why, sizeof(why))) {
		graph_fail(f->q->graph, EX_TEMPFAIL, "Graph answers with %s", why);
		return false;
	}
	if (f->entra != NULL)
		same = m.device.has_entra_id && guid_equal(&m.device.entra_id, f->entra);
	else if (f->serial != NULL)
		same = device_fold_serial(text, sizeof(text), m.device.serial) &&
		    strcmp(text, f->serial) == 0;
	else
		same = strcmp(device_fold_name(text, sizeof(text), m.device.name), f->name) == 0;
	if (same)
		candidate(f->c, &m);
	else
		f->foreign++;
	return true;
}

/* $filter=property eq 'value', and a look at everything that comes back. */
static enum graph_end
filtered(struct filter *f, const char *property, const char *value)
{
	enum graph_end	 end;
	char		*text = NULL, *escaped, *path = NULL, *doubled, *p;

	if ((doubled = malloc(strlen(value) * 2 + 1)) == NULL)
		err(EX_OSERR, NULL);
	for (p = doubled; *value != '\0'; value++) {
		if (*value == '\'')
			*p++ = '\'';
		*p++ = *value;
	}
	*p = '\0';
	if (asprintf(&text, "%s eq '%s'", property, doubled) == -1)
		err(EX_OSERR, NULL);
	escaped = wire_escape(text);
	if (asprintf(&path, "deviceManagement/managedDevices?$filter=%s&$select=%s", escaped,
	    MANAGED_SELECT) == -1)
		err(EX_OSERR, NULL);
	end = graph_list(f->q->graph, path, on_filtered, f);
	if (f->foreign > 0 && !f->q->warned) {
		warnx("Graph has ignored a filter on %s and sent %zu other devices: dropped",
		    property, f->foreign);
		f->q->warned = true;
	}
	free(path);
	free(escaped);
	free(text);
	free(doubled);
	return end;
}

/* Each GUID as Intune device id, then as Entra device id. */
static enum graph_end
by_guid(struct query *q, const struct identity *id, struct candidates *c, struct answer *a)
{
	struct filter	 f = { .q = q, .c = c };
	struct managed	 m;
	enum graph_end	 end;
	char		 text[GUID_TEXT];
	size_t		 i;

	for (i = 0; i < id->nguid && c->n == 0 && a->nasked < ANSWER_ASKED; i++) {
		asked(a, MATCH_GUID, guid_format(text, &id->guid[i].guid));
		end = graph_device(q->graph, &id->guid[i].guid, &m);
		if (end == GRAPH_OK) {
			candidate(c, &m);
			a->id_space = ID_SPACE_INTUNE;
		} else if (end == GRAPH_ABSENT) {
			f.entra = &id->guid[i].guid;
			end = filtered(&f, "azureADDeviceId", text);
			a->id_space = c->n > 0 ? ID_SPACE_ENTRA : ID_SPACE_NONE;
		}
		if (end != GRAPH_OK)
			return end;
	}
	return GRAPH_OK;
}

/* All names together: a short name that is one device and a full name that is
 * another are two devices. */
static enum graph_end
by_name(struct query *q, const struct identity *id, struct candidates *c, struct answer *a)
{
	struct filter	 f = { .q = q, .c = c };
	enum graph_end	 end;
	char		 name[IDENTITY_TEXT];
	size_t		 i;

	for (i = 0; i < id->nname && a->nasked < ANSWER_ASKED; i++) {
		f.name = device_fold_name(name, sizeof(name), id->name[i].text);
		asked(a, MATCH_NAME, name);
		if ((end = filtered(&f, "deviceName", id->name[i].text)) != GRAPH_OK)
			return end;
	}
	return GRAPH_OK;
}

/* As it is written; and, should Graph tell small letters from capitals, in those,
 * which nearly all makers use. */
static enum graph_end
by_serial(struct query *q, const struct identity *id, struct candidates *c, struct answer *a)
{
	struct filter	 f = { .q = q, .c = c };
	enum graph_end	 end;
	const char	*given = id->device_serial + strspn(id->device_serial, " \t");
	char		 folded[DEVICE_SERIAL], text[DEVICE_SERIAL], shown[TEXT_SHOWN], *p;

	if (*given == '\0' || a->nasked == ANSWER_ASKED)
		return GRAPH_OK;
	if (!device_fold_serial(folded, sizeof(folded), given)) {
		warnx("%s: \"%s\" is no device's own serial number: not asked", c->where,
		    text_safe(shown, sizeof(shown), given, strlen(given)));
		return GRAPH_OK;
	}
	asked(a, MATCH_SERIAL, folded);
	f.serial = folded;
	snprintf(text, sizeof(text), "%.*s", (int)strlen(folded), given);
	end = filtered(&f, "serialNumber", text);
	if (end != GRAPH_OK || c->n > 0)
		return end;
	for (p = text; *p != '\0'; p++)
		if (*p >= 'a' && *p <= 'z')
			*p = (char)(*p - 'a' + 'A');
	return strncmp(text, given, strlen(text)) == 0 ? GRAPH_OK :
	    filtered(&f, "serialNumber", text);
}

static bool
same_mac(bool has, const uint8_t a[MAC_LEN], const uint8_t b[MAC_LEN])
{
	return has && memcmp(a, b, MAC_LEN) == 0;
}

/* Gets the devices that the inventory names, and sees whether they still have
 * that address.  wiFiMacAddress has been seen null in the answer to a GET. */
static enum graph_end
look_up_hits(struct query *q, const uint8_t mac[MAC_LEN], struct candidates *c)
{
	struct inventory_hit	 hit[INVENTORY_HITS];
	struct managed		 m;
	struct device		*d = &m.device;
	enum graph_end		 end;
	size_t			 i, n = inventory_find(q->inventory, mac, hit);

	for (i = 0; i < n; i++) {
		end = graph_device(q->graph, &hit[i].id, &m);
		if (end == GRAPH_FAILED)
			return end;
		if (end == GRAPH_ABSENT)
			continue;
		if (!hit[i].wired && !d->has_wifi_mac) {
			memcpy(d->wifi_mac, mac, MAC_LEN);
			d->has_wifi_mac = true;
		}
		if (same_mac(d->has_wifi_mac, d->wifi_mac, mac) ||
		    same_mac(d->has_ethernet_mac, d->ethernet_mac, mac))
			candidate(c, &m);
	}
	return GRAPH_OK;
}

/* NAC 2.0 has failed, and with it the answer. */
static enum graph_end
nac2_failed(struct query *q)
{
	return graph_fail(q->graph, nac2_status(q->nac2), "%s", nac2_why(q->nac2));
}

/* NAC 2.0 calls no address wired or wireless: the one that was asked for stands as
 * the Wi-Fi address, so that the answer is found by it. */
static void
from_nac2(const struct nac2_device *d, const uint8_t *mac, struct managed *out)
{
	memset(out, 0, sizeof(*out));
	out->state = d->compliant == NAC2_TRUE ? COMPLIANCE_COMPLIANT :
	    COMPLIANCE_NONCOMPLIANT;
	out->device.has_id = d->has_id;
	out->device.id = d->id;
	if (mac != NULL) {
		memcpy(out->device.wifi_mac, mac, MAC_LEN);
		out->device.has_wifi_mac = true;
	}
}

/* Each GUID as Intune device id: NAC 2.0 knows no other. */
static enum graph_end
nac2_by_guid(struct query *q, const struct identity *id, struct candidates *c,
    struct answer *a)
{
	struct nac2_device	 d;
	struct managed		 m;
	enum graph_end		 end;
	char			 text[GUID_TEXT];
	size_t			 i;

	for (i = 0; i < id->nguid && c->n == 0 && a->nasked < ANSWER_ASKED; i++) {
		asked(a, MATCH_GUID, guid_format(text, &id->guid[i].guid));
		end = nac2_guid(q->nac2, &id->guid[i].guid, &d);
		if (end == GRAPH_FAILED)
			return nac2_failed(q);
		if (end == GRAPH_ABSENT)
			continue;
		from_nac2(&d, NULL, &m);
		candidate(c, &m);
		a->id_space = ID_SPACE_INTUNE;
	}
	return GRAPH_OK;
}

/* The device that NAC 2.0 has named, as Graph knows it. */
static enum graph_end
graph_of_nac2(struct query *q, const struct guid *id, const uint8_t mac[MAC_LEN],
    struct candidates *c)
{
	struct managed	 m;
	enum graph_end	 end = graph_device(q->graph, id, &m);
	char		 text[GUID_TEXT];

	if (end == GRAPH_ABSENT)
		return graph_fail(q->graph, EX_TEMPFAIL, "NAC 2.0 names device %s, which Graph "
		    "does not know", guid_format(text, id));
	if (end != GRAPH_OK)
		return end;
	if (!m.device.has_wifi_mac && !same_mac(m.device.has_ethernet_mac,
	    m.device.ethernet_mac, mac)) {
		memcpy(m.device.wifi_mac, mac, MAC_LEN);
		m.device.has_wifi_mac = true;
	}
	candidate(c, &m);
	return GRAPH_OK;
}

/* Asks NAC 2.0 who has this address.  With QUERY_AUTO only the id is taken from its
 * answer, and Graph, which knows more, is asked for that. */
static enum graph_end
nac2_by_mac(struct query *q, const uint8_t mac[MAC_LEN], struct candidates *c,
    struct answer *a)
{
	struct nac2_device	 d;
	struct managed		 m;
	enum graph_end		 end;
	size_t			 n;

	end = nac2_mac(q->nac2, mac, &d, &n);
	if (end == GRAPH_FAILED)
		return nac2_failed(q);
	if (end == GRAPH_OK && n == 1 && q->source == QUERY_AUTO && d.has_id)
		return graph_of_nac2(q, &d.id, mac, c);
	a->source = SOURCE_NAC2;
	if (end == GRAPH_ABSENT)
		return GRAPH_OK;
	from_nac2(&d, mac, &m);
	candidate(c, &m);
	/* Of several there is no telling which was the last to check in. */
	if (n > 1) {
		memset(c->id, 0, sizeof(c->id));
		c->n = n;
		c->tie = true;
	}
	return GRAPH_OK;
}

/* Whether NAC 2.0 is the one to ask for a MAC. */
static bool
mac_to_nac2(const struct query *q)
{
	return q->source == QUERY_NAC2 || (q->source == QUERY_AUTO && !q->nac2_off &&
	    inventory_when(q->inventory) == 0 && q->nac2_macs < QUERY_NAC2_MACS);
}

/* A device by its own id, from whoever is asked.  Where NAC 2.0 does not say what its
 * addresses are, nothing speaks against this one. */
static enum graph_end
device_itself(struct query *q, const struct guid *id, const uint8_t mac[MAC_LEN],
    struct managed *m)
{
	struct nac2_device	 d = { 0 };
	const uint8_t		*shown = mac;
	enum graph_end		 end;
	size_t			 i;

	if (q->source != QUERY_NAC2)
		return graph_device(q->graph, id, m);
	if ((end = nac2_guid(q->nac2, id, &d)) == GRAPH_FAILED)
		return nac2_failed(q);
	for (i = 0; i < d.nmac && (i == 0 || shown != mac); i++)
		shown = memcmp(d.mac[i], mac, MAC_LEN) == 0 ? mac : d.mac[0];
	from_nac2(&d, shown, m);
	return end;
}

/*
 * Lists of big tenants have been seen without some of their devices, and NAC 2.0 need
 * not know every address that Graph does.  So the one that had this address before is
 * asked for by its id: it may be there, be there with another address, or be gone.
 * Only without one what they lack is all there is.
 */
static enum graph_end
not_listed(struct query *q, const uint8_t mac[MAC_LEN], const struct device *was,
    const char *who, struct candidates *c, struct answer *a)
{
	struct managed	 m;
	struct device	*d = &m.device;
	enum graph_end	 end;
	char		 text[GUID_TEXT];
	bool		 wifi;

	a->asked[a->nasked - 1].listed = true;
	if (was == NULL || !was->has_id)
		return GRAPH_OK;
	wifi = same_mac(was->has_wifi_mac, was->wifi_mac, mac);
	if (!wifi && !same_mac(was->has_ethernet_mac, was->ethernet_mac, mac))
		return GRAPH_OK;
	if ((end = device_itself(q, &was->id, mac, &m)) == GRAPH_FAILED)
		return end;
	if (q->source != QUERY_NAC2)
		a->source = SOURCE_GRAPH;
	a->asked[a->nasked - 1].listed = false;
	if (end == GRAPH_ABSENT) {
		asked(a, MATCH_GUID, guid_format(text, &was->id));
		return GRAPH_OK;
	}
	if (wifi && !d->has_wifi_mac) {
		memcpy(d->wifi_mac, mac, MAC_LEN);
		d->has_wifi_mac = true;
	}
	if (!same_mac(d->has_wifi_mac, d->wifi_mac, mac) &&
	    !same_mac(d->has_ethernet_mac, d->ethernet_mac, mac))
		return GRAPH_OK;
	if (!q->warned_list)
		warnx("%s: %s %s, which %s has when asked for it", c->where, who,
		    guid_format(text, &was->id), q->source == QUERY_NAC2 ? "it" : "Graph");
	q->warned_list = true;
	candidate(c, &m);
	return GRAPH_OK;
}

static enum graph_end
by_mac(struct query *q, const struct identity *id, const struct device *was,
    struct candidates *c, struct answer *a)
{
	enum graph_end	 end, listed;
	char		 text[MAC_TEXT];
	int64_t		 when;
	bool		 again;

	if (!id->has_mac || a->nasked == ANSWER_ASKED)
		return GRAPH_OK;
	mac_format(text, id->mac, MAC_COLON);
	if (mac_is_random(id->mac) || !mac_is_station(id->mac)) {
		if (q->verbose > 0)
			warnx("%s: %s is %s: not asked", c->where, text, mac_is_random(id->mac) ?
			    "a random address" : "no station's address");
		return GRAPH_OK;
	}
	asked(a, MATCH_MAC, text);
	if (mac_to_nac2(q)) {
		q->nac2_macs++;
		end = nac2_by_mac(q, id->mac, c, a);
		if (end == GRAPH_OK && c->n == 0)
			return not_listed(q, id->mac, was, "NAC 2.0 does not know the address "
			    "of", c, a);
		if (end == GRAPH_OK || q->source == QUERY_NAC2)
			return end;
		if (!q->nac2_off)
			warnx("%s: %s; listing the tenant instead", c->where,
			    graph_why(q->graph));
		q->nac2_off = true;
	}
	listed = inventory_refresh(q->inventory, false, &again);
	when = inventory_when(q->inventory);
	if ((end = look_up_hits(q, id->mac, c)) != GRAPH_OK || c->n > 0)
		return end;
	/* Not among them.  The device may be newer than the list. */
	if (listed == GRAPH_OK && !again) {
		listed = inventory_refresh(q->inventory, true, &again);
		if (listed == GRAPH_OK && inventory_when(q->inventory) != when) {
			when = inventory_when(q->inventory);
			end = look_up_hits(q, id->mac, c);
		}
	}
	if (listed != GRAPH_OK || end != GRAPH_OK || c->n > 0)
		return listed == GRAPH_OK ? end : listed;
	/* Nothing is as old as the list it is not in. */
	a->checked = when;
	return not_listed(q, id->mac, was, "the list of all devices lacks", c, a);
}

static void
take_state(struct answer *a, const struct managed *m, const char *where)
{
	char	 text[GUID_TEXT];

	a->state = m->state;
	if (m->odd_state[0] != '\0')
		warnx("%s: %s: Graph says complianceState \"%s\", which is new: taken as "
		    "error", where, guid_format(text, &m->device.id), m->odd_state);
}

static void
take(struct answer *a, const struct managed *m, const char *where)
{
	a->has_device = true;
	a->device = m->device;
	a->checked = when_now();
	take_state(a, m, where);
}

/* One device is the answer; of several only --newest can choose, and not between
 * two that were in sync at the same second. */
static void
decide(const struct query *q, const struct candidates *c, enum match by, struct answer *a)
{
	char	 text[GUID_TEXT];
	size_t	 i;

	a->matched_by = by;
	if (c->n == 1 || (q->newest && !c->tie)) {
		take(a, &c->best, c->where);
		if (c->n > 1)
			warnx("%s: %zu devices match by %s: taking the newest, %s", c->where,
			    c->n, match_name(by), guid_format(text, &c->best.device.id));
		return;
	}
	a->state = COMPLIANCE_AMBIGUOUS;
	a->checked = when_now();
	for (i = 0; i < c->n && i < CANDIDATES && a->ncandidate < ANSWER_CANDIDATES; i++)
		if (!guid_is_zero(&c->id[i]))
			a->candidate[a->ncandidate++] = c->id[i];
	if (q->verbose > 0)
		warnx("%s: %zu devices match by %s", c->where, c->n, match_name(by));
}

/* An empty answer; whose it is stands in it only where that says something. */
static void
begin(const struct query *q, struct answer *a)
{
	memset(a, 0, sizeof(*a));
	if (q->tenant != NULL)
		text_copy(a->tenant, sizeof(a->tenant), q->tenant);
}

/* Of an identity that nobody was asked about: is there something that could have been?
 * A random address and a serial number that many have match nothing in any case. */
static bool
passed_over(const struct identity *id)
{
	char	 folded[DEVICE_SERIAL];

	return id->nguid > 0 || id->nname > 0 ||
	    (id->has_mac && !mac_is_random(id->mac) && mac_is_station(id->mac)) ||
	    device_fold_serial(folded, sizeof(folded), id->device_serial);
}

enum graph_end
query_answer(struct query *q, const struct identity *id, const struct device *was,
    const char *where, struct answer *a)
{
	struct candidates	 c = { .where = where };
	enum graph_end		 end = GRAPH_OK;
	size_t			 i;

	begin(q, a);
	a->source = q->source == QUERY_NAC2 ? SOURCE_NAC2 : SOURCE_GRAPH;
	a->state = COMPLIANCE_UNREGISTERED;
	/* Who could be two devices gets the access of neither. */
	if (id->ambiguous) {
		a->state = COMPLIANCE_AMBIGUOUS;
		a->checked = when_now();
		return GRAPH_OK;
	}
	for (i = 0; i < MATCH_KINDS && q->order.by[i] != MATCH_NONE; i++) {
		switch (q->order.by[i]) {
		case MATCH_GUID:
			end = q->source == QUERY_NAC2 ? nac2_by_guid(q, id, &c, a) :
			    by_guid(q, id, &c, a);
			break;
		case MATCH_NAME:
			/* NAC 2.0 takes no names, and no serial numbers. */
			if (q->source != QUERY_NAC2)
				end = by_name(q, id, &c, a);
			break;
		case MATCH_SERIAL:
			if (q->source != QUERY_NAC2)
				end = by_serial(q, id, &c, a);
			break;
		default:
			end = by_mac(q, id, was, &c, a);
		}
		if (end != GRAPH_OK)
			return end;
		if (c.n > 0) {
			decide(q, &c, q->order.by[i], a);
			return q->directory && a->has_device ?
			    directory_ask(q->graph, &a->device) : GRAPH_OK;
		}
	}
	/* "No such device" takes somebody who has been asked. */
	if (a->nasked == 0 && passed_over(id))
		return graph_fail(q->graph, EX_DATAERR, "%s", q->source == QUERY_NAC2 &&
		    id->nguid == 0 && !id->has_mac ? "NAC 2.0 takes no names or serial "
		    "numbers, and there is no GUID or MAC to ask it for" : "holds nothing "
		    "that the match order and the source let be asked for");
	if (a->checked == 0)
		a->checked = when_now();
	return GRAPH_OK;
}

bool
query_source_parse(const char *text, enum query_source *out)
{
	static const char *const	 names[] = { "graph", "nac2", "auto" };
	int				 i;

	for (i = QUERY_GRAPH; i <= QUERY_AUTO; i++)
		if (strcmp(text, names[i]) == 0) {
			*out = (enum query_source)i;
			return true;
		}
	return false;
}

void
query_noncompliant(const struct query *q, const struct nac2_device *d, int64_t now,
    struct answer *out)
{
	struct managed	 m;
	char		 text[GUID_TEXT], mac[MAC_TEXT];

	begin(q, out);
	out->source = SOURCE_NAC2;
	from_nac2(d, d->nmac > 0 ? d->mac[0] : NULL, &m);
	out->matched_by = d->has_id ? MATCH_GUID : MATCH_MAC;
	out->id_space = d->has_id ? ID_SPACE_INTUNE : ID_SPACE_NONE;
	if (d->has_id)
		asked(out, MATCH_GUID, guid_format(text, &d->id));
	else
		asked(out, MATCH_MAC, mac_format(mac, d->mac[0], MAC_COLON));
	take(out, &m, "--noncompliant");
	out->checked = now;
}

void
query_listed(const struct query *q, const struct managed *m, int64_t now, struct answer *out)
{
	/* Not all of it, for this is done a hundred thousand times. */
	out->has_device = false;
	out->matched_by = MATCH_NONE;
	out->id_space = ID_SPACE_NONE;
	out->nasked = out->ncandidate = 0;
	text_copy(out->tenant, sizeof(out->tenant), q->tenant != NULL ? q->tenant : "");
	out->source = SOURCE_GRAPH;
	out->checked = now;
	take_state(out, m, "--all");
}
