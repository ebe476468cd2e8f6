#include <err.h>
#include <expat.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sysexits.h>

#include "base/num.h"
#include "base/text.h"
#include "intune/nac2_xml.h"
#include "intune/wire.h"

#define BLANKS	" \t\r\n"

/* Where in the document we are: the elements that hold others. */
enum place { AT_TOP, AT_ROOT, AT_LIST, AT_DEVICE, AT_ATTRIBUTES, AT_COMPLIANCE, AT_TEXT, AT_OTHER };

enum field {
	F_NONE, F_NAME, F_VERSION, F_PAGING, F_BUSY, F_PATH, F_REDIRECT, F_MAX, F_MESSAGING,
	F_VENDOR, F_PRODUCT, F_PRODUCT_VERSION, F_GUID, F_REGISTERED, F_STATUS, F_MACS
};

/* What means something, and inside of what; the rest is passed over. */
static const struct element {
	enum place	 in;
	const char	*name;
	enum place	 at;
	enum field	 field;		/* for AT_TEXT */
} elements[] = {
	{ AT_TOP, "ise_api", AT_ROOT, F_NONE },
	{ AT_ROOT, "name", AT_TEXT, F_NAME },
	{ AT_ROOT, "api_version", AT_TEXT, F_VERSION },
	{ AT_ROOT, "paging_info", AT_TEXT, F_PAGING },
	{ AT_ROOT, "api_path", AT_TEXT, F_PATH },
	{ AT_ROOT, "redirect_url", AT_TEXT, F_REDIRECT },
	{ AT_ROOT, "query_max_size", AT_TEXT, F_MAX },
	{ AT_ROOT, "messaging_support", AT_TEXT, F_MESSAGING },
	{ AT_ROOT, "vendor", AT_TEXT, F_VENDOR },
	{ AT_ROOT, "product_name", AT_TEXT, F_PRODUCT },
	{ AT_ROOT, "product_version", AT_TEXT, F_PRODUCT_VERSION },
	{ AT_ROOT, "devicelist", AT_LIST, F_NONE },
	{ AT_LIST, "device", AT_DEVICE, F_NONE },
	{ AT_DEVICE, "guid", AT_TEXT, F_GUID },
	{ AT_DEVICE, "macaddress", AT_TEXT, F_MACS },
	{ AT_DEVICE, "macaddresses", AT_TEXT, F_MACS },
	{ AT_DEVICE, "attributes", AT_ATTRIBUTES, F_NONE },
	{ AT_ATTRIBUTES, "guid", AT_TEXT, F_GUID },
	{ AT_ATTRIBUTES, "macaddress", AT_TEXT, F_MACS },
	{ AT_ATTRIBUTES, "macaddresses", AT_TEXT, F_MACS },
	{ AT_ATTRIBUTES, "register_status", AT_TEXT, F_REGISTERED },
	{ AT_ATTRIBUTES, "compliance", AT_COMPLIANCE, F_NONE },
	{ AT_COMPLIANCE, "status", AT_TEXT, F_STATUS },
	/* "Optional in device answers" is all that is said of its place. */
	{ AT_ROOT, "server_busy_wait_seconds", AT_TEXT, F_BUSY },
	{ AT_LIST, "server_busy_wait_seconds", AT_TEXT, F_BUSY },
	{ AT_DEVICE, "server_busy_wait_seconds", AT_TEXT, F_BUSY },
	{ AT_ATTRIBUTES, "server_busy_wait_seconds", AT_TEXT, F_BUSY },
};

struct parse {
	XML_Parser		 parser;
	struct nac2_document	*doc;
	size_t			 room;		/* devices that doc->device has room for */
	enum place		 place[NAC2_DEPTH + 1];
	size_t			 depth;
	enum field		 field;		/* while in AT_TEXT */
	char			 text[NAC2_TEXT];
	size_t			 len;
	const char		*fault;		/* the first one; NULL = none */
};

static void
fault(struct parse *p, const char *what)
{
	if (p->fault == NULL)
		p->fault = what;
	XML_StopParser(p->parser, XML_FALSE);
}

static void
add_device(struct parse *p)
{
	struct nac2_document	*doc = p->doc;

	if (doc->ndevice == NAC2_DEVICES) {
		fault(p, "has more devices than one answer may have");
		return;
	}
	if (doc->ndevice == p->room) {
		p->room = p->room == 0 ? 16 : p->room * 2;
		doc->device = reallocarray(doc->device, p->room, sizeof(*doc->device));
		if (doc->device == NULL)
			err(EX_OSERR, NULL);
	}
	memset(&doc->device[doc->ndevice++], 0, sizeof(*doc->device));
}

static void XMLCALL
on_start(void *arg, const XML_Char *name, const XML_Char **attributes)
{
	struct parse	*p = arg;
	const char	*colon = strrchr(name, ':');
	enum place	 in = p->place[p->depth], at = AT_OTHER;
	size_t		 i;

	(void)attributes;
	if (p->fault != NULL)
		return;
	if (colon != NULL)
		name = colon + 1;
	if (p->depth == NAC2_DEPTH) {
		fault(p, "is nested too deep");
		return;
	}
	if (in == AT_TEXT) {
		fault(p, "has an element where text should be");
		return;
	}
	for (i = 0; i < sizeof(elements) / sizeof(elements[0]); i++)
		if (elements[i].in == in && strcasecmp(elements[i].name, name) == 0) {
			at = elements[i].at;
			p->field = elements[i].field;
			break;
		}
	if (in == AT_TOP && at != AT_ROOT) {
		fault(p, "is no ise_api");
		return;
	}
	if (at == AT_LIST)
		p->doc->has_list = true;
	if (at == AT_DEVICE)
		add_device(p);
	p->len = 0;
	p->place[++p->depth] = at;
}

static void XMLCALL
on_text(void *arg, const XML_Char *text, int len)
{
	struct parse	*p = arg;

	if (p->fault != NULL || p->place[p->depth] != AT_TEXT)
		return;
	if ((size_t)len >= sizeof(p->text) - p->len) {
		fault(p, "has an element that is too long");
		return;
	}
	memcpy(p->text + p->len, text, (size_t)len);
	p->len += (size_t)len;
}

static void
take_text(struct parse *p, char *dst, size_t size, const char *text)
{
	if (*dst != '\0' && strcmp(dst, text) != 0)
		fault(p, "says one thing twice, and differently");
	else if (!text_copy(dst, size, text))
		fault(p, "has an element that is too long");
}

static void
take_bool(struct parse *p, enum nac2_bool *dst, const char *text)
{
	enum nac2_bool	 value;

	if (strcasecmp(text, "true") == 0 || strcmp(text, "1") == 0)
		value = NAC2_TRUE;
	else if (strcasecmp(text, "false") == 0 || strcmp(text, "0") == 0)
		value = NAC2_FALSE;
	else {
		fault(p, "has a truth value that is neither true nor false");
		return;
	}
	if (*dst != NAC2_ABSENT && *dst != value)
		fault(p, "says one thing twice, and differently");
	*dst = value;
}

/* A number that only advises: what is none is as if it were not there. */
static void
take_number(int64_t *dst, const char *text, int64_t max)
{
	const char	*why;

	if (*text != '\0' && text[strspn(text, "0123456789")] == '\0' &&
	    !num_parse(text, 0, max, dst, &why))
		*dst = max;
}

static void
take_guid(struct parse *p, struct nac2_device *d, const char *text)
{
	struct guid	 g;

	if (!guid_parse(text, &g) || guid_is_zero(&g))
		fault(p, "has a device whose guid is none");
	else if (d->has_id && !guid_equal(&g, &d->id))
		fault(p, "has a device with two different guids");
	else {
		d->id = g;
		d->has_id = true;
	}
}

static void
add_mac(struct parse *p, struct nac2_device *d, const char *text)
{
	uint8_t	 mac[MAC_LEN];
	size_t	 i;

	/* "n/a", zeros: what the operating system keeps to itself. */
	if (!mac_parse(text, mac) || !mac_is_station(mac))
		return;
	for (i = 0; i < d->nmac; i++)
		if (memcmp(d->mac[i], mac, MAC_LEN) == 0)
			return;
	if (d->nmac == NAC2_MACS)
		fault(p, "has a device with too many MAC addresses");
	else
		memcpy(d->mac[d->nmac++], mac, MAC_LEN);
}

/* The comma-separated list of macaddresses, or the one of macaddress. */
static void
take_macs(struct parse *p, struct nac2_device *d, char *text)
{
	char	*one;

	while ((one = strsep(&text, ",;" BLANKS)) != NULL && p->fault == NULL)
		if (*one != '\0')
			add_mac(p, d, one);
}

static void
take_field(struct parse *p, char *text)
{
	struct nac2_document	*doc = p->doc;
	struct nac2_device	*d = doc->ndevice > 0 ? &doc->device[doc->ndevice - 1] : NULL;

	switch (p->field) {
	case F_NAME:
		take_text(p, doc->name, sizeof(doc->name), text);
		break;
	case F_VERSION:
		take_number(&doc->api_version, text, INT32_MAX);
		break;
	case F_PAGING:
		if (strcmp(text, "0") != 0)
			take_text(p, doc->paging, sizeof(doc->paging), text);
		break;
	case F_BUSY:
		take_number(&doc->busy_wait, text, WIRE_WAIT_MAX);
		break;
	case F_PATH:
		take_text(p, doc->api_path, sizeof(doc->api_path), text);
		break;
	case F_REDIRECT:
		take_text(p, doc->redirect_url, sizeof(doc->redirect_url), text);
		break;
	case F_MAX:
		take_number(&doc->query_max_size, text, INT32_MAX);
		break;
	case F_MESSAGING:
		take_bool(p, &doc->messaging, text);
		break;
	case F_VENDOR:
		take_text(p, doc->vendor, sizeof(doc->vendor), text);
		break;
	case F_PRODUCT:
		take_text(p, doc->product_name, sizeof(doc->product_name), text);
		break;
	case F_PRODUCT_VERSION:
		take_text(p, doc->product_version, sizeof(doc->product_version), text);
		break;
	case F_GUID:
		take_guid(p, d, text);
		break;
	case F_REGISTERED:
		take_bool(p, &d->registered, text);
		break;
	case F_STATUS:
		take_bool(p, &d->compliant, text);
		break;
	case F_MACS:
		take_macs(p, d, text);
		break;
	case F_NONE:
		break;
	}
}

static void XMLCALL
on_end(void *arg, const XML_Char *name)
{
	struct parse	*p = arg;
	char		*text = p->text;

	(void)name;
	if (p->fault != NULL)
		return;
	if (p->place[p->depth--] != AT_TEXT)
		return;
	while (p->len > 0 && strchr(BLANKS, text[p->len - 1]) != NULL)
		p->len--;
	text[p->len] = '\0';
	text += strspn(text, BLANKS);
	if (*text != '\0')
		take_field(p, text);
	p->len = 0;
}

/* No answer needs one, and every trick with entities does. */
static void XMLCALL
on_doctype(void *arg, const XML_Char *name, const XML_Char *system, const XML_Char *public,
    int internal)
{
	(void)name;
	(void)system;
	(void)public;
	(void)internal;
	fault(arg, "has a document type, which is refused");
}

bool
nac2_parse(const char *text, size_t len, struct nac2_document *out, char *why, size_t size)
{
	struct parse	*p;
	bool		 good = false;

	memset(out, 0, sizeof(*out));
	if ((p = calloc(1, sizeof(*p))) == NULL ||
	    (p->parser = XML_ParserCreate(NULL)) == NULL)
		err(EX_OSERR, NULL);
	p->doc = out;
	p->place[0] = AT_TOP;
	XML_SetUserData(p->parser, p);
	XML_SetElementHandler(p->parser, on_start, on_end);
	XML_SetCharacterDataHandler(p->parser, on_text);
	XML_SetStartDoctypeDeclHandler(p->parser, on_doctype);
	if (len > NAC2_XML_MAX)
		p->fault = "is too large";
	else
		good = XML_Parse(p->parser, text, (int)len, 1) == XML_STATUS_OK &&
		    p->fault == NULL;
	if (!good && p->fault != NULL)
		snprintf(why, size, "%s", p->fault);
	else if (!good)
		snprintf(why, size, "is no XML: %s (line %lu)",
		    XML_ErrorString(XML_GetErrorCode(p->parser)),
		    (unsigned long)XML_GetCurrentLineNumber(p->parser));
	XML_ParserFree(p->parser);
	free(p);
	if (!good)
		nac2_document_free(out);
	return good;
}

void
nac2_document_free(struct nac2_document *doc)
{
	free(doc->device);
	memset(doc, 0, sizeof(*doc));
}
