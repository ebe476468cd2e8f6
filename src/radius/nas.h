/*
 * The NAS file, nac-nas(5): which NAS has which profile and which shared secret.
 * The secrets stand in files of their own, are read when first needed and wiped
 * by nas_free().
 */
#ifndef RADIUS_NAS_H
#define RADIUS_NAS_H

#include <netinet/in.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/conf.h"
#include "base/file.h"
#include "device/session.h"
#include "radius/profile.h"

#define NAS_PATH	"/etc/intune-nac/nas"
#define NAS_ADDRESS	54	/* "[IPv6 address]:port" and its NUL */

/* One line. */
struct nas {
	size_t		 line;
	size_t		 column;		/* of the profile's name */
	int		 family;		/* AF_INET, AF_INET6; 0: any address */
	uint8_t		 prefix[16];
	unsigned	 bits;
	char		*id;			/* a glob for NAS-Identifier, or NULL */
	char		 vendor[SESSION_VENDOR];	/* "" for any */
	char		 profile_name[PROFILE_NAME];
	const struct profile *profile;		/* set by nas_profiles() */
	char		*secret_file;
	char		*address;		/* instead of the NAS's own, or NULL */
	uint16_t	 port;			/* 0: the profile's */
	char		*secret;		/* private: nas_secret() */
};

struct nas_file {
	char		 *name;
	struct nas	 *nas;
	size_t		  n;
	struct profile	**profile;
	size_t		  nprofile;
	unsigned	  held;			/* private: nas_hold() */
};

/*
 * Loads the NAS file; it must be ours or root's and writable by nobody else.
 * Returns NULL after every error was reported as file:line:column.
 */
struct nas_file *nas_load(const char *path, conf_report report, void *arg);

/* As nas_load(), from len bytes of memory and one more, all of which it changes. */
struct nas_file *nas_parse(const char *name, char *text, size_t len, conf_report report,
	    void *arg);

/* Loads each profile that a line names from dir.  Returns false after every
 * error was reported. */
bool	 nas_profiles(struct nas_file *file, const char *dir, const struct dict *dict,
	    conf_report report, void *arg);

/* The first line that matches a session, or NULL. */
struct nas *nas_find(struct nas_file *file, const struct session *s);

/* The line above line i of the file that takes every session which i would take;
 * NULL when there is none. */
struct nas *nas_hidden(struct nas_file *file, size_t i);

/*
 * Where requests for this session go: the line's address or else the NAS's own,
 * the line's port or else the profile's, as a socket address and as text.
 * Returns false when there is no address.
 */
bool	 nas_address(const struct nas *nas, const struct session *s,
	    struct sockaddr_storage *out, socklen_t *len, char text[NAS_ADDRESS]);

/*
 * The secret of a line, read at the first call.  Returns NULL with a sentence
 * in why when the file is not to be had; errno is EPERM for owner or mode.
 */
const char *nas_secret(struct nas *nas, char why[FILE_WHY]);

/* Keeps the file for one more nas_free(); returns it. */
struct nas_file *nas_hold(struct nas_file *file);

/* Wipes the secrets and frees everything once nobody else holds it; NULL is fine. */
void	 nas_free(struct nas_file *file);

#endif
