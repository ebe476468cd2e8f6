/*
 * Whose device is it?  A record says by its certificate's issuer, its realm and its
 * NAS; nac.conf's sections say which of these are theirs.
 */
#ifndef INTUNE_SECTION_H
#define INTUNE_SECTION_H

#include <stdbool.h>
#include <stddef.h>

#include "base/conf.h"
#include "device/identity.h"
#include "device/session.h"

/*
 * Chooses the section of conf for a record; either may be NULL.  A section is out as
 * soon as one of its keys contradicts what the record says, and in when one fits.  Of
 * several the issuer counts more than the realm, and that more than the NAS.  When none
 * is in: CONF_TOP if a tenant stands there, or the only section if it has none of
 * these keys; but before that the section of this name, or the top if its tenant has
 * it, where was (or NULL) says who answered the last time.  Returns true with *section set; or false with a reason in why (size
 * bytes): nobody's, or that of two.
 */
bool	 section_choose(const struct conf *conf, const struct identity *id,
	    const struct session *s, const char *was, int *section, char *why, size_t size);

/*
 * True when each part of want, such as "CN=Device CA, O=Contoso", is a part of the
 * name dn as OpenSSL writes it: "CN=...,O=..." (RFC 2253) or "/O=.../CN=...".  Types
 * and values are compared without case.
 */
bool	 section_issuer(const char *dn, const char *want);

/* True when an address or a NAS-Identifier fits one word of words: an address, a
 * network as 10.1.0.0/16, or an identifier. */
bool	 section_nas(const char *ip, const char *name, const char *words);

/* True when realm is one of words; ".example.com" is every realm below that. */
bool	 section_realm(const char *realm, const char *words);

#endif
