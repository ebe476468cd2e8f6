/*
 * The dictionary of RADIUS attributes, over libradcli: names to numbers, and
 * text to the bytes of a value.  Owns the loaded dictionary; dict_free() ends it.
 */
#ifndef RADIUS_DICT_H
#define RADIUS_DICT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/conf.h"
#include "radius/packet.h"

#define DICT_NAME	33	/* libradcli's limit, and its NUL */

struct dict;

/* An attribute and its value as it goes into a packet. */
struct attr {
	uint32_t	 vendor;	/* 0: none */
	uint8_t		 type;
	uint8_t		 len;
	uint8_t		 value[PACKET_VALUE];
};

/*
 * Loads a dictionary file: lines of VENDOR, ATTRIBUTE and VALUE in libradcli's
 * own form, with the types string, integer, ipaddr, ipv6addr, ipv6prefix and
 * date.  Every faulty line is reported, and then NULL is returned.
 */
struct dict *dict_load(const char *path, conf_report report, void *arg);

/* As dict_load(), from len bytes of memory and one more, all of which it changes. */
struct dict *dict_parse(const char *name, char *text, size_t len, conf_report report,
	    void *arg);

void	 dict_free(struct dict *dict);

/* Whether there is an attribute of this name (without regard to case). */
bool	 dict_has(const struct dict *dict, const char *name);

/*
 * Turns text into the value of the attribute `name': an integer is a number or
 * the name of a VALUE, an address is numeric, a string is taken as it stands.
 * Returns false with a few words in *why (static text): no such attribute, no
 * such value, too long.
 */
bool	 dict_encode(const struct dict *dict, const char *name, const char *text,
	    struct attr *out, const char **why);

#endif
