/*
 * The configuration file all programs share, nac.conf(5): lines of
 * `key = value`, # comments, and behind them sections `[tenant NAME]` with keys
 * of their own.  The keys are a closed list, so that a slip of the keyboard is an
 * error and not a silent default.
 */
#ifndef BASE_CONF_H
#define BASE_CONF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CONF_PATH	"/etc/intune-nac/nac.conf"
#define CONF_ENV	"INTUNE_NAC_CONF"	/* names another file */
#define CONF_MAX	65536		/* bytes in the file; real ones have 1,000 */
#define CONF_SECTIONS	256		/* tenants: more do not fit one service */
#define CONF_TOP	(-1)		/* the keys above the first section */

/* Behind it, in place of a path: a file in $CREDENTIALS_DIRECTORY (systemd.exec(5)). */
#define CONF_CREDENTIAL	"credential:"

struct conf;

/* Called with one whole message, "file:line:column: what", for each error. */
typedef void (*conf_report)(void *arg, const char *message);

/*
 * Loads path; when path is NULL the file that CONF_ENV names, else CONF_PATH if
 * it exists, else an empty configuration.  A file that others may write is
 * refused.  Returns the configuration, which conf_free() frees; or NULL after
 * having reported every error.
 */
struct conf *conf_load(const char *path, conf_report report, void *arg);

/* As conf_load(), from len bytes of memory; name stands in messages. */
struct conf *conf_parse(const char *name, const char *text, size_t len,
	    conf_report report, void *arg);

/* Reports to standard error as `program: message`: the report of most programs. */
void	 conf_warn(void *arg, const char *message);

/* The value of a key, or fallback (may be NULL) when the file does not have it.
 * A key that is not in the closed list is a bug and aborts. */
const char *conf_get(const struct conf *conf, const char *key, const char *fallback);

/* Values of keys whose type the loader has checked: a span in seconds, a number,
 * a date in seconds since 1970. */
int64_t	 conf_int(const struct conf *conf, const char *key, int64_t fallback);

/*
 * The sections, in the order of the file: how many there are, the name of one
 * (0 to n-1), and which has a name (CONF_TOP when none has it).
 */
int	 conf_sections(const struct conf *conf);
const char *conf_section_name(const struct conf *conf, int section);
int	 conf_section_find(const struct conf *conf, const char *name);

/*
 * What stands in one section itself; nothing is inherited from above it, that
 * is for the caller to decide.  The values of a key that may be given several
 * times are joined by newlines.
 */
const char *conf_section_get(const struct conf *conf, int section, const char *key,
	    const char *fallback);
int64_t	 conf_section_int(const struct conf *conf, int section, const char *key,
	    int64_t fallback);

/* True for "scheme:..." (RFC 3986 section 3.1), which is no file; credential: is
 * one.  The scheme has two letters at least. */
bool	 conf_is_uri(const char *value);

/* The file's name as it was opened; "(none)" for an empty configuration. */
const char *conf_name(const struct conf *conf);

void	 conf_free(struct conf *conf);

#endif
