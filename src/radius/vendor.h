/*
 * Whose NAS it is, by the names of the vendor-specific attributes (RFC 2865,
 * 5.26) that it puts into its requests.
 */
#ifndef RADIUS_VENDOR_H
#define RADIUS_VENDOR_H

#include <stdbool.h>
#include <stddef.h>

/* Every word, for messages. */
#define VENDOR_WORDS	"aerohive, alcatel, arista, aruba, avaya, cambium, cisco, dell, " \
			"extreme, fortinet, h3c, hp, huawei, icx, juniper, meraki, meru, " \
			"mikrotik, pica8, ruckus or zyxel"

/*
 * The vendor whose attribute has this name of len bytes, as FreeRADIUS'
 * dictionaries write it or in capitals with _ for -.  Returns a static word, or
 * NULL when the name is none of theirs.
 */
const char *vendor_of(const char *name, size_t len);

/*
 * Whether an attribute of vendor `word' says more than what is known already,
 * "" for nothing: many speak Cisco's beside their own.
 */
bool	 vendor_is_better(const char *known, const char *word);

/* Whether it is one of VENDOR_WORDS. */
bool	 vendor_known(const char *word);

#endif
