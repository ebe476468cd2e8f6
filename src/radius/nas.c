#include <arpa/inet.h>
#include <sys/socket.h>

#include <err.h>
#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "base/num.h"
#include "base/text.h"
#include "radius/lines.h"
#include "radius/nas.h"
#include "radius/vendor.h"

/* "192.0.2.0/24", "2001:db8::/32", one address, or * for any. */
static const char *
read_prefix(struct nas *nas, char *text)
{
	const char	*why;
	char		*slash;
	int64_t		 bits;
	unsigned	 i;
	bool		 good;

	if (strcmp(text, "*") == 0)
		return NULL;
	nas->family = strchr(text, ':') != NULL ? AF_INET6 : AF_INET;
	nas->bits = nas->family == AF_INET6 ? 128 : 32;
	if ((slash = strchr(text, '/')) != NULL)
		*slash = '\0';
	good = inet_pton(nas->family, text, nas->prefix) == 1;
	if (slash != NULL)
		*slash = '/';		/* messages show the whole word */
	if (!good)
		return "is no address, network or *:";
	if (slash == NULL)
		return NULL;
	if (!num_parse(slash + 1, 0, nas->bits, &bits, &why))
		return "has a wrong length of prefix:";
	for (i = (unsigned)bits; i < nas->bits; i++)
		if (nas->prefix[i / 8] & 0x80 >> i % 8)
			return "has bits set behind its prefix:";
	nas->bits = (unsigned)bits;
	return NULL;
}

static char *
copy(const char *s)
{
	char	*p = strdup(s);

	if (p == NULL)
		err(EX_OSERR, NULL);
	return p;
}

/* One `keyword value' of a line.  Returns what is wrong with the value. */
static const char *
read_option(struct nas *nas, const char *key, const struct word *w, bool *known)
{
	const char	*why;
	uint8_t		 any[16];
	int64_t		 port;
	char		**slot = NULL;

	*known = true;
	if (strcmp(key, "profile") == 0) {
		if (nas->profile_name[0] != '\0')
			return "given twice: profile";
		nas->column = w->column;
		/* It becomes part of a path. */
		if (w->text[0] == '.' || w->text[0] == '\0' ||
		    strchr(w->text, '/') != NULL ||
		    !text_copy(nas->profile_name, sizeof(nas->profile_name), w->text))
			return "is no name of a profile:";
	} else if (strcmp(key, "secret-file") == 0) {
		slot = &nas->secret_file;
		if (w->text[0] != '/')
			return "secret-file is no absolute path:";
	} else if (strcmp(key, "address") == 0) {
		slot = &nas->address;
		if (inet_pton(AF_INET, w->text, any) != 1 &&
		    inet_pton(AF_INET6, w->text, any) != 1)
			return "is no numeric address:";
	} else if (strcmp(key, "id") == 0) {
		slot = &nas->id;
		if (w->text[0] == '\0')
			return "id is empty:";
	} else if (strcmp(key, "vendor") == 0) {
		if (nas->vendor[0] != '\0')
			return "given twice: vendor";
		if (!vendor_known(w->text))
			return "expected " VENDOR_WORDS ", not";
		text_copy(nas->vendor, sizeof(nas->vendor), w->text);
	} else if (strcmp(key, "port") == 0) {
		if (nas->port != 0)
			return "given twice: port";
		if (!num_parse(w->text, 1, 65535, &port, &why))
			return "no port number:";
		nas->port = (uint16_t)port;
	} else
		*known = false;
	if (slot != NULL && *slot != NULL)
		return "given twice:";
	if (slot != NULL)
		*slot = copy(w->text);
	return NULL;
}

static void
read_line(struct lines *l, struct nas *nas)
{
	const char	*fault;
	size_t		 i, before = l->errors;
	bool		 known;

	nas->line = l->line;
	if (strcmp(l->word[0].text, "nas") != 0) {
		lines_wrong(l, &l->word[0], "expected nas, not");
		return;
	}
	if (l->nword < 2) {
		lines_error(l, NULL, "expected: nas network profile name secret-file path");
		return;
	}
	if ((fault = read_prefix(nas, l->word[1].text)) != NULL)
		lines_wrong(l, &l->word[1], fault);
	for (i = 2; i + 1 < l->nword; i += 2) {
		fault = read_option(nas, l->word[i].text, &l->word[i + 1], &known);
		if (!known)
			lines_wrong(l, &l->word[i],
			    "expected profile, secret-file, id, vendor, address or port, not");
		else if (fault != NULL)
			lines_wrong(l, &l->word[i + 1], fault);
	}
	if (i < l->nword)
		lines_wrong(l, &l->word[i], "no value behind");
	if (l->errors != before)
		return;
	if (nas->profile_name[0] == '\0')
		lines_error(l, NULL, "this line has no profile");
	else if (nas->secret_file == NULL)
		lines_error(l, NULL, "this line has no secret-file");
}

struct nas_file *
nas_parse(const char *name, char *text, size_t len, conf_report report, void *arg)
{
	struct nas_file	*file;
	struct lines	 l;
	struct nas	*grown;

	if ((file = calloc(1, sizeof(*file))) == NULL)
		err(EX_OSERR, NULL);
	file->name = copy(name);
	lines_start(&l, name, text, len, report, arg);
	while (lines_next(&l)) {
		/* Doubles at each power of two. */
		if ((file->n & (file->n - 1)) == 0) {
			grown = reallocarray(file->nas, file->n == 0 ? 1 : 2 * file->n,
			    sizeof(*grown));
			if (grown == NULL)
				err(EX_OSERR, NULL);
			file->nas = grown;
		}
		memset(&file->nas[file->n], 0, sizeof(*file->nas));
		read_line(&l, &file->nas[file->n++]);
	}
	if (l.errors == 0)
		return file;
	nas_free(file);
	return NULL;
}

struct nas_file *
nas_load(const char *path, conf_report report, void *arg)
{
	struct nas_file	*file;
	char		*text;
	size_t		 len;

	if ((text = lines_read(path, true, &len, report, arg)) == NULL)
		return NULL;
	file = nas_parse(path, text, len, report, arg);
	free(text);
	return file;
}

/* The profile of this name if it is loaded already. */
static const struct profile *
loaded(const struct nas_file *file, const char *name)
{
	size_t	 i;

	for (i = 0; i < file->nprofile; i++)
		if (strcmp(file->profile[i]->name, name) == 0)
			return file->profile[i];
	return NULL;
}

bool
nas_profiles(struct nas_file *file, const char *dir, const struct dict *dict,
    conf_report report, void *arg)
{
	struct profile	**grown, *p;
	struct nas	*nas;
	char		 msg[FILE_WHY];
	size_t		 i;
	bool		 good = true;

	for (i = 0; i < file->n; i++) {
		nas = &file->nas[i];
		if ((nas->profile = loaded(file, nas->profile_name)) != NULL)
			continue;
		if ((p = profile_load(dir, nas->profile_name, dict, report, arg)) == NULL) {
			snprintf(msg, sizeof(msg), "%s:%zu:%zu: cannot use profile %s",
			    file->name, nas->line, nas->column, nas->profile_name);
			report(arg, msg);
			good = false;
			continue;
		}
		grown = reallocarray(file->profile, file->nprofile + 1, sizeof(*grown));
		if (grown == NULL)
			err(EX_OSERR, NULL);
		file->profile = grown;
		file->profile[file->nprofile++] = p;
		nas->profile = p;
	}
	return good;
}

static bool
in_prefix(const struct nas *nas, int family, const uint8_t addr[16])
{
	unsigned	 rest = nas->bits % 8, whole = nas->bits / 8;

	if (nas->family == 0)
		return true;
	if (nas->family != family || memcmp(nas->prefix, addr, whole) != 0)
		return false;
	return rest == 0 || ((nas->prefix[whole] ^ addr[whole]) & (0xff00 >> rest)) == 0;
}

struct nas *
nas_find(struct nas_file *file, const struct session *s)
{
	uint8_t		 addr[16] = { 0 };
	struct nas	*nas;
	int		 family = 0;
	size_t		 i;

	if (inet_pton(AF_INET, s->nas_ip, addr) == 1)
		family = AF_INET;
	else if (inet_pton(AF_INET6, s->nas_ip, addr) == 1)
		family = AF_INET6;
	for (i = 0; i < file->n; i++) {
		nas = &file->nas[i];
		if (in_prefix(nas, family, addr) &&
		    (nas->id == NULL || fnmatch(nas->id, s->nas_id, 0) == 0) &&
		    (nas->vendor[0] == '\0' || strcmp(nas->vendor, s->vendor) == 0))
			return nas;
	}
	return NULL;
}

struct nas *
nas_hidden(struct nas_file *file, size_t i)
{
	const struct nas	*nas = &file->nas[i];
	struct nas		*above;

	for (above = file->nas; above < nas; above++)
		if ((above->id == NULL || (nas->id != NULL && strcmp(above->id, nas->id) == 0)) &&
		    (above->vendor[0] == '\0' || strcmp(above->vendor, nas->vendor) == 0) &&
		    above->bits <= nas->bits && in_prefix(above, nas->family, nas->prefix))
			return above;
	return NULL;
}

bool
nas_address(const struct nas *nas, const struct session *s, struct sockaddr_storage *out,
    socklen_t *len, char text[NAS_ADDRESS])
{
	const char		*host = nas->address != NULL ? nas->address : s->nas_ip;
	uint16_t		 port = nas->port != 0 ? nas->port : nas->profile->port;
	struct sockaddr_in	*in4 = (struct sockaddr_in *)out;
	struct sockaddr_in6	*in6 = (struct sockaddr_in6 *)out;
	char			 shown[INET6_ADDRSTRLEN];

	memset(out, 0, sizeof(*out));
	if (inet_pton(AF_INET, host, &in4->sin_addr) == 1) {
		in4->sin_family = AF_INET;
		in4->sin_port = htons(port);
		*len = sizeof(*in4);
		inet_ntop(AF_INET, &in4->sin_addr, shown, sizeof(shown));
		snprintf(text, NAS_ADDRESS, "%s:%u", shown, port);
		return true;
	}
	if (inet_pton(AF_INET6, host, &in6->sin6_addr) != 1)
		return false;
	in6->sin6_family = AF_INET6;
	in6->sin6_port = htons(port);
	*len = sizeof(*in6);
	inet_ntop(AF_INET6, &in6->sin6_addr, shown, sizeof(shown));
	snprintf(text, NAS_ADDRESS, "[%s]:%u", shown, port);
	return true;
}

const char *
nas_secret(struct nas *nas, char why[FILE_WHY])
{
	if (nas->secret == NULL)
		file_secret(nas->secret_file, &nas->secret, why);
	return nas->secret;
}

struct nas_file *
nas_hold(struct nas_file *file)
{
	file->held++;
	return file;
}

void
nas_free(struct nas_file *file)
{
	struct nas	*nas;
	size_t		 i;

	if (file == NULL || file->held-- > 0)
		return;
	for (i = 0; i < file->n; i++) {
		nas = &file->nas[i];
		if (nas->secret != NULL)
			explicit_bzero(nas->secret, strlen(nas->secret));
		free(nas->secret);
		free(nas->secret_file);
		free(nas->address);
		free(nas->id);
	}
	for (i = 0; i < file->nprofile; i++)
		free(file->profile[i]);
	free(file->profile);
	free(file->nas);
	free(file->name);
	free(file);
}
