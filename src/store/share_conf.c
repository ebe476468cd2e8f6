/* What nac.conf(5) says of sharing, taken apart. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/num.h"
#include "base/text.h"
#include "store/share_link.h"

#define PREFIX_MAX	64

/* With fewer a server that is a moment late would read the whole state again. */
#define STREAM_LEAST	1000

static bool
wrong(char why[LINK_WHY], const char *key, const char *value, const char *what)
{
	char	 shown[TEXT_SHOWN];

	snprintf(why, LINK_WHY, "%s: \"%s\" %s", key,
	    text_safe(shown, sizeof(shown), value, strlen(value)), what);
	return false;
}

/* host, host:port, [v6] or [v6]:port; len bytes. */
static bool
take_host(const char *s, size_t len, int port, struct link_host *out)
{
	const char	*end = s + len, *colon, *why;
	char		 digits[8];
	int64_t		 n = port;
	size_t		 hlen;

	if (len > 0 && *s == '[') {
		s++;
		if ((colon = memchr(s, ']', (size_t)(end - s))) == NULL)
			return false;
		hlen = (size_t)(colon++ - s);
		if (colon != end && *colon != ':')
			return false;
	} else {
		colon = memchr(s, ':', len);
		hlen = colon != NULL ? (size_t)(colon - s) : len;
	}
	if (hlen == 0 || hlen >= sizeof(out->name) || memchr(s, '@', hlen) != NULL)
		return false;
	memcpy(out->name, s, hlen);
	out->name[hlen] = '\0';
	if (colon != NULL && colon != end) {
		len = (size_t)(end - colon) - 1;
		if (len == 0 || len >= sizeof(digits))
			return false;
		memcpy(digits, colon + 1, len);
		digits[len] = '\0';
		if (!num_parse(digits, 1, 65535, &n, &why))
			return false;
	}
	out->port = (int)n;
	return true;
}

/* host,host,.../master */
static bool
take_sentinels(const char *s, struct share_conf *c)
{
	const char	*slash = strchr(s, '/'), *end;

	if (slash == NULL || slash[1] == '\0' || strchr(slash + 1, '/') != NULL ||
	    !text_copy(c->master, sizeof(c->master), slash + 1))
		return false;
	for (; s <= slash; s = end + 1) {
		if ((end = memchr(s, ',', (size_t)(slash - s))) == NULL)
			end = slash;
		if (c->nhost == LINK_HOSTS ||
		    !take_host(s, (size_t)(end - s), 26379, &c->host[c->nhost]))
			return false;
		c->nhost++;
		if (end == slash)
			break;
	}
	return true;
}

static bool
starts(const char *s, const char *with, const char **rest)
{
	size_t	 n = strlen(with);

	*rest = s + n;
	return strncmp(s, with, n) == 0;
}

static bool
take_url(const char *url, struct share_conf *c)
{
	const char	*rest;

	c->url = url;
	if (starts(url, "unix://", &rest)) {
		c->kind = LINK_UNIX;
		c->path = rest;
		return *rest == '/';
	}
	c->tls = starts(url, "rediss://", &rest) || starts(url, "sentinels://", &rest);
	if (c->tls ? *url == 's' : starts(url, "sentinel://", &rest)) {
		c->kind = LINK_SENTINEL;
		return take_sentinels(rest, c);
	}
	if (!c->tls && !starts(url, "redis://", &rest))
		return false;
	c->kind = LINK_TCP;
	c->nhost = 1;
	return take_host(rest, strlen(rest), 6379, &c->host[0]);
}

static bool
take_names(const struct conf *conf, struct share_conf *c, char why[LINK_WHY])
{
	static const char	 bytes[] = "abcdefghijklmnopqrstuvwxyz"
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-:{}";
	const char		*name = conf_get(conf, "share_name", NULL);

	c->prefix = conf_get(conf, "share_prefix", "nac");
	if (c->prefix[strspn(c->prefix, bytes)] != '\0' || strlen(c->prefix) > PREFIX_MAX)
		return wrong(why, "share_prefix", c->prefix, "is no short word");
	if (name == NULL) {
		if (gethostname(c->name, sizeof(c->name)) == -1 || c->name[0] == '\0')
			return wrong(why, "share_name", "", "is needed: this host has no name");
		c->name[sizeof(c->name) - 1] = '\0';
		name = c->name;
	} else if (!text_copy(c->name, sizeof(c->name), name))
		return wrong(why, "share_name", name, "is too long");
	if (name[strspn(name, bytes)] != '\0')
		return wrong(why, "share_name", name, "is no name of a server");
	return true;
}

/* The path of a secret; credential:NAME is one of systemd's. */
static bool
take_secret(const struct conf *conf, const char *key, char out[PATH_MAX], char why[LINK_WHY])
{
	const char	*file = conf_get(conf, key, ""), *dir = getenv(FILE_CREDENTIALS);
	int		 n;

	if (strncmp(file, CONF_CREDENTIAL, strlen(CONF_CREDENTIAL)) != 0)
		return text_copy(out, PATH_MAX, file) || wrong(why, key, file, "is too long");
	if (dir == NULL)
		return wrong(why, key, file, "needs " FILE_CREDENTIALS ", which systemd sets");
	n = snprintf(out, PATH_MAX, "%s/%s", dir, file + strlen(CONF_CREDENTIAL));
	return n < PATH_MAX || wrong(why, key, file, "is too long");
}

int
share_configure(const struct conf *conf, struct share_conf *out, char why[LINK_WHY])
{
	const char	*url = conf_get(conf, "share_url", NULL);

	memset(out, 0, sizeof(*out));
	if (url == NULL)
		return 0;
	if (!take_url(url, out)) {
		wrong(why, "share_url", strchr(url, '@') != NULL ? "..." : url, "is none of "
		    "redis://HOST:PORT, rediss://HOST:PORT, unix:///PATH, "
		    "sentinel://HOST:PORT,.../MASTER (a password belongs into share_password_file)");
		return -1;
	}
	out->user = conf_get(conf, "share_user", NULL);
	if (!take_secret(conf, "share_password_file", out->password_file, why) ||
	    !take_secret(conf, "share_sentinel_password_file", out->sentinel_password_file, why))
		return -1;
	out->ca_file = conf_get(conf, "share_ca_file", NULL);
	out->certificate_file = conf_get(conf, "share_certificate_file", NULL);
	out->key_file = conf_get(conf, "share_key_file", NULL);
	out->stream_max = conf_int(conf, "share_stream_max", 1000000);
	if (out->stream_max < STREAM_LEAST) {
		wrong(why, "share_stream_max", conf_get(conf, "share_stream_max", ""),
		    "is too small: 1000 at least");
		return -1;
	}
	out->lease = conf_int(conf, "share_lease", 600);
	/* intune-query tries for a minute, and waits for the last request. */
	out->look_up = 90 + conf_int(conf, "timeout", 30);
	out->patience = conf_int(conf, "share_patience", 300);
	return take_names(conf, out, why) ? 1 : -1;
}
