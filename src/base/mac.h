/*
 * MAC addresses (EUI-48) in every form that a NAS, Intune or a person writes.
 */
#ifndef BASE_MAC_H
#define BASE_MAC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MAC_LEN		6
#define MAC_TEXT	18	/* "aa:bb:cc:dd:ee:ff" and its NUL */

/* How a NAS wants a MAC written (RFC 3580 section 3.21 asks for hyphens). */
enum mac_form {
	MAC_COLON,		/* aa:bb:cc:dd:ee:ff, our own canonical form */
	MAC_HYPHEN,		/* AA-BB-CC-DD-EE-FF, RFC 3580 */
	MAC_HYPHEN_LOWER,	/* aa-bb-cc-dd-ee-ff */
	MAC_COLON_UPPER,	/* AA:BB:CC:DD:EE:FF */
	MAC_BARE,		/* aabbccddeeff */
	MAC_BARE_UPPER,		/* AABBCCDDEEFF, Intune */
	MAC_DOTTED		/* aabb.ccdd.eeff, Cisco */
};

/*
 * Reads one MAC at the start of s: 12 hex digits in groups of 2, 4, 6 or 12
 * with one kind of separator (: - . or blank) between the groups.  Returns how
 * many bytes it took, which may be less than all (Called-Station-Id goes on
 * with ":ssid"), or 0 when s does not start with a MAC.
 */
size_t	 mac_scan(const char *s, uint8_t mac[MAC_LEN]);

/* The same, but the MAC must be the whole of s. */
bool	 mac_parse(const char *s, uint8_t mac[MAC_LEN]);

/* Writes mac into out in the given form and returns out. */
char	*mac_format(char out[MAC_TEXT], const uint8_t mac[MAC_LEN], enum mac_form form);

/* True for a locally administered address (bit 0x02 of the first octet): what
 * phones and laptops make up when they randomise.  IEEE 802-2014, 8.4. */
bool	 mac_is_random(const uint8_t mac[MAC_LEN]);

/* False for what names no station: all zero, broadcast and group addresses. */
bool	 mac_is_station(const uint8_t mac[MAC_LEN]);

#endif
