/*
 * Who a device says it is: every identifier found in its certificate or in the
 * RADIUS attributes, each with the place where it was found.  Nothing here is
 * on the heap; the strings are NUL-terminated and cut to fit, which no
 * identifier in use needs.
 */
#ifndef DEVICE_IDENTITY_H
#define DEVICE_IDENTITY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/guid.h"
#include "base/jsonw.h"
#include "base/mac.h"
#include "device/answer.h"

#define IDENTITY_GUIDS	8	/* more different ones in one certificate is an attack */
#define IDENTITY_NAMES	8
#define IDENTITY_SANS	4	/* of each kind; more are left out */
#define IDENTITY_TEXT	256	/* RFC 5280: a CN has at most 64, a DNS name 255 */

enum found {
	FOUND_SAN_URI,
	FOUND_SAN_DNS,
	FOUND_CN,
	FOUND_ATTRIBUTE,	/* a RADIUS attribute: Calling-Station-Id, User-Name */
	FOUND_ARGUMENT		/* typed by a person */
};

enum eap {
	EAP_NONE,		/* no EAP: MAB, PAP */
	EAP_TLS,
	EAP_TTLS,
	EAP_PEAP,
	EAP_OTHER
};

struct identity_guid {
	struct guid	 guid;
	enum found	 found;
	unsigned int	 places;	/* bit 1 << found for each place it was met */
	char		 form[48];	/* the prefix it stood behind; "" for a bare one */
};

struct identity_name {
	char		 text[IDENTITY_TEXT];
	enum found	 found;
};

struct identity {
	struct identity_guid	 guid[IDENTITY_GUIDS];	/* in the order of enum found */
	size_t			 nguid;
	struct identity_name	 name[IDENTITY_NAMES];	/* the CN's first; short name, then its FQDN */
	size_t			 nname;
	bool			 ambiguous;	/* the certificate names two different devices */
	bool			 has_mac;
	uint8_t			 mac[MAC_LEN];
	char			 device_serial[DEVICE_SERIAL];	/* the hardware's; "" unknown */
	/* The entries of the subjectAltName as they stand, for rules about them. */
	char			 san_uri[IDENTITY_SANS][IDENTITY_TEXT];
	char			 san_dns[IDENTITY_SANS][IDENTITY_TEXT];
	size_t			 nsan_uri, nsan_dns;
	char			 template[128];	/* certificate template: its name or its OID */
	char			 upn[IDENTITY_TEXT];
	char			 sid[IDENTITY_TEXT];	/* never identity: see identity of strong mapping */
	char			 subject[1024];
	char			 issuer[1024];
	char			 serial[64];		/* of the certificate: lower-case hex */
	char			 sha256[65];		/* of the DER, lower-case hex; "" unknown */
	int64_t			 not_before;		/* 0 unknown */
	int64_t			 not_after;
	enum eap		 eap;
};

/*
 * Adds a GUID; the same one twice is kept once, at its most trusted place; the
 * zero GUID is left out.  They are listed in the order of enum found, in
 * whatever order they come.  A second, different one sets ambiguous when both
 * come from the same kind of place (found), and so does one too many.  form
 * may be "".
 */
void	 identity_add_guid(struct identity *id, const struct guid *g, enum found found,
	    const char *form);

/*
 * Adds a device name; a name twice (without regard to ASCII case) is kept once.
 * Names of the CN are listed first, where convention puts them, the others in
 * the order of enum found.  Left out is what no device is called: the empty
 * name, a GUID, control bytes, IDENTITY_TEXT bytes or more.
 */
void	 identity_add_name(struct identity *id, const char *name, enum found found);

/*
 * Takes a CN or a SAN DNS entry apart: a GUID, or a device name, or name.fqdn
 * (which adds both the first label and the whole).  Text with blanks or other
 * bytes that no host name has, and an IPv4 address, is taken as a name as it
 * stands.
 */
void	 identity_add_cn(struct identity *id, const char *cn, enum found found);

/*
 * Takes the value of one SAN URI apart, of len bytes: alone or comma-joined:
 * IntuneDeviceId://GUID (scheme without regard to case), ID:Microsoft Endpoint
 * Manager:GUID:GUID, ID:Intune:GUID:GUID, PREFIX:entra-device-id:GUID, a bare
 * GUID; the tag:microsoft.com,2022-09-14:sid: URI (KB5014754) is one token.
 * Bytes after a NUL are never looked at, and a value with one is no identity.
 */
void	 identity_add_uri(struct identity *id, const char *uri, size_t len);

/*
 * Keeps the whole of a SAN entry (found is FOUND_SAN_URI or FOUND_SAN_DNS) of
 * len bytes as it stands.  One that does not fit, has a control byte, is not
 * UTF-8 or comes a second time is left out.  Only entries that nobody can have
 * faked are for this: identity_add_san_text() has none.
 */
void	 identity_add_san(struct identity *id, enum found found, const char *text, size_t len);

/* Keeps a SID of len bytes that is one by its form, unless there is one already:
 * from the extension 1.3.6.1.4.1.311.25.2, which goes before the URI. */
void	 identity_add_sid(struct identity *id, const char *sid, size_t len);

/*
 * Takes OpenSSL's one-line text of a whole subjectAltName apart ("DNS:…, URI:…,
 * othername: UPN::…").  The text is not escaped, so somebody who chooses one
 * entry could fake another: any two different GUIDs in it make the identity
 * ambiguous, even one behind URI: and one behind DNS:, and of two UPNs none is
 * taken.  Host names behind DNS: are left out for the same reason: use the
 * attribute that holds the DNS entry itself.
 */
void	 identity_add_san_text(struct identity *id, const char *text);

/*
 * Whether nobody can have faked an entry of that text: dns, email and upn are the
 * last entries of their kinds as an attribute holds them ("" when there is none).
 * Every DNS, email and UPN entry must be the only one of its kind and equal to
 * its attribute, every URI one that we know, and no other kind may hold text.
 */
bool	 identity_san_text_is_vouched(const char *text, const char *dns, const char *email,
	    const char *upn);

const char *found_name(enum found found);
const char *eap_name(enum eap eap);

/* From "tls", "TLS", "EAP-TLS", "13"; EAP_OTHER for other words, EAP_NONE for "". */
enum eap eap_parse(const char *text);

/* Writes the `identity` member of nac-record(5); or its fields alone, for who
 * has more to put into it. */
void	 identity_write(struct jsonw *w, const struct identity *id);
void	 identity_write_fields(struct jsonw *w, const struct identity *id);

#endif
