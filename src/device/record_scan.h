/*
 * Records read without a JSON library: the form in which our own programs write
 * them (no blanks, no escapes, ASCII, whole numbers), straight into structs.
 * What is not plainly so, or not plainly right, is left to record_parse() and
 * record_identity() and the like, which also have the words for what is wrong.
 */
#ifndef DEVICE_RECORD_SCAN_H
#define DEVICE_RECORD_SCAN_H

#include <stdbool.h>
#include <stddef.h>

#include "device/answer.h"
#include "device/identity.h"
#include "device/session.h"

/* Where `"decision":{...}` stands in the line, or could: begin == end. */
struct record_gap {
	size_t	 begin, end;
	bool	 comma;		/* one must be written before it */
};

/*
 * Reads a line of len bytes.  Returns true with the structs as record_identity(),
 * record_session() and record_answer() would fill them, and those would have no
 * complaint; printed again with jansson the record would be the same bytes.
 * Returns false when it cannot vouch for that; the structs are then of no use.
 */
bool	 record_scan(const char *line, size_t len, struct identity *id, struct session *s,
	    struct answer *a, struct record_gap *decision);

#endif
