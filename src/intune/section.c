#include <arpa/inet.h>

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/num.h"
#include "base/text.h"
#include "intune/section.h"

#define PART_MAX	512	/* one part of a name, or one word */

/* Each kind of evidence counts more than all of those below it together. */
enum { NAS_FITS = 1, REALM_FITS = 2, ISSUER_FITS = 4, CONTRADICTS = -1 };

/* Takes the next part of a name into out, "type=value" without blanks around either
 * and without escapes.  *dn moves on; false at the end. */
static bool
next_part(const char **dn, char separator, char out[PART_MAX])
{
	const char	*p = *dn;
	size_t		 n = 0, kept = 0;
	bool		 at_start = true;

	while (*p == separator || *p == ' ')
		p++;
	if (*p == '\0')
		return false;
	for (; *p != '\0' && *p != separator; p++) {
		if (at_start && *p == ' ')
			continue;
		at_start = false;
		if (*p == '\\' && p[1] != '\0')
			p++;
		else if (*p == ' ') {		/* kept if something follows it */
			if (n + 1 < PART_MAX)
				out[n++] = ' ';
			continue;
		} else if (*p == '=') {
			n = kept;
			at_start = true;
		}
		if (n + 1 < PART_MAX)
			out[n++] = *p;
		kept = n;
	}
	out[kept] = '\0';
	*dn = p;
	return true;
}

bool
section_issuer(const char *dn, const char *want)
{
	char		 mine[PART_MAX], theirs[PART_MAX];
	const char	*p;
	bool		 any = false, found;

	while (next_part(&want, *want == '/' ? '/' : ',', mine)) {
		any = true;
		found = false;
		for (p = dn; !found && next_part(&p, *dn == '/' ? '/' : ',', theirs);)
			found = strcasecmp(mine, theirs) == 0;
		if (!found)
			return false;
	}
	return any;
}

/* The next word of words, which blanks, commas and newlines part. */
static bool
next_word(const char **words, char out[PART_MAX])
{
	const char	*p = *words + strspn(*words, " \t,\n");
	size_t		 n = strcspn(p, " \t,\n");

	*words = p + n;
	snprintf(out, PART_MAX, "%.*s", (int)(n < PART_MAX ? n : PART_MAX - 1), p);
	return n > 0;
}

/* Whether ip is in network/length, of either family. */
static bool
in_network(const char *ip, const char *network)
{
	unsigned char	 a[16], b[16];
	char		 address[PART_MAX];
	const char	*slash = strchr(network, '/'), *why;
	int64_t		 bits;
	size_t		 whole;
	int		 family = strchr(ip, ':') != NULL ? AF_INET6 : AF_INET;

	if (slash == NULL)
		slash = network + strlen(network);
	snprintf(address, sizeof(address), "%.*s", (int)(slash - network), network);
	bits = family == AF_INET6 ? 128 : 32;
	if (inet_pton(family, ip, a) != 1 || inet_pton(family, address, b) != 1 ||
	    (*slash == '/' && !num_parse(slash + 1, 0, bits, &bits, &why)))
		return false;
	whole = (size_t)bits / 8;
	return memcmp(a, b, whole) == 0 && (bits % 8 == 0 ||
	    (a[whole] ^ b[whole]) >> (8 - bits % 8) == 0);
}

bool
section_nas(const char *ip, const char *name, const char *words)
{
	char	 word[PART_MAX];

	while (next_word(&words, word))
		if ((*ip != '\0' && in_network(ip, word)) ||
		    (*name != '\0' && strcmp(name, word) == 0))
			return true;
	return false;
}

bool
section_realm(const char *realm, const char *words)
{
	char	 word[PART_MAX];
	size_t	 n = strlen(realm), len;

	while (next_word(&words, word)) {
		len = strlen(word);
		if (strcasecmp(realm, word) == 0 ||
		    (*word == '.' && n > len && strcasecmp(realm + n - len, word) == 0))
			return true;
	}
	return false;
}

/* Several issuers stand on a line each, since a name has commas. */
static bool
one_issuer(const char *dn, const char *lines)
{
	char	 line[2 * PART_MAX];
	size_t	 n;

	for (; *lines != '\0'; lines += n + (lines[n] == '\n')) {
		n = strcspn(lines, "\n");
		snprintf(line, sizeof(line), "%.*s", (int)n, lines);
		if (section_issuer(dn, line))
			return true;
	}
	return false;
}

/* How well a section fits a record; what the record does not say counts for nothing. */
static int
fit(const struct conf *conf, int section, const struct identity *id, const struct session *s)
{
	const char	*issuer = conf_section_get(conf, section, "issuer", NULL);
	const char	*realm = conf_section_get(conf, section, "realm", NULL);
	const char	*nas = conf_section_get(conf, section, "nas", NULL);
	int		 score = 0;

	if (issuer != NULL && id != NULL && id->issuer[0] != '\0') {
		if (!one_issuer(id->issuer, issuer))
			return CONTRADICTS;
		score += ISSUER_FITS;
	}
	if (realm != NULL && s != NULL && s->realm[0] != '\0') {
		if (!section_realm(s->realm, realm))
			return CONTRADICTS;
		score += REALM_FITS;
	}
	if (nas != NULL && s != NULL && (s->nas_ip[0] != '\0' || s->nas_id[0] != '\0')) {
		if (!section_nas(s->nas_ip, s->nas_id, nas))
			return CONTRADICTS;
		score += NAS_FITS;
	}
	return score;
}

/* Where a record goes that no section claims. */
static bool
by_default(const struct conf *conf, const char *was, int *section, char *why, size_t size)
{
	const char	*top = conf_get(conf, "tenant", NULL);

	if (was != NULL && (top == NULL || strcmp(was, top) != 0) &&
	    (*section = conf_section_find(conf, was)) != CONF_TOP)
		return true;
	*section = CONF_TOP;
	if (top != NULL || conf_sections(conf) == 0)
		return true;
	*section = 0;
	if (conf_sections(conf) == 1 && conf_section_get(conf, 0, "issuer", NULL) == NULL &&
	    conf_section_get(conf, 0, "realm", NULL) == NULL &&
	    conf_section_get(conf, 0, "nas", NULL) == NULL)
		return true;
	snprintf(why, size, "%.200s: no [tenant] has its issuer, realm or NAS; --tenant chooses "
	    "one", conf_name(conf));
	return false;
}

bool
section_choose(const struct conf *conf, const struct identity *id, const struct session *s,
    const char *was, int *section, char *why, size_t size)
{
	int	 i, score, best = 0, other = 0;

	for (i = 0; i < conf_sections(conf); i++) {
		score = fit(conf, i, id, s);
		if (score > best) {
			best = score;
			*section = other = i;
		} else if (score == best && best > 0)
			other = i;
	}
	if (best == 0)
		return by_default(conf, was, section, why, size);
	if (other == *section)
		return true;
	snprintf(why, size, "%.200s: both [tenant %s] and [tenant %s] have its issuer, realm or "
	    "NAS", conf_name(conf), conf_section_name(conf, *section),
	    conf_section_name(conf, other));
	return false;
}
