/*
 * Where nac-serve listens: sockets of its own, or those that systemd hands over
 * (sd_listen_fds(3)).
 */
#ifndef SERVE_LISTEN_H
#define SERVE_LISTEN_H

#include <stdbool.h>
#include <stddef.h>

#define LISTEN_MAX	8
#define LISTEN_NAME	160
#define LISTEN_WHY	256

struct listener {
	int	 fd;			/* -1: none */
	char	 name[LISTEN_NAME];	/* as it is bound: "127.0.0.1:8043", "unix:/run/…" */
	bool	 local;			/* nobody beyond this machine gets here */
	char	 path[LISTEN_NAME];	/* a Unix socket that we made and remove, or "" */
};

/*
 * Opens where: "127.0.0.1:8043", "[::1]:8043", "unix:/path"; port 0 is any free
 * one.  A Unix socket is made with mode 0660, over one that nobody listens on.
 * Returns 0; or a status of sysexits.h with a sentence in why: 64 no address,
 * 69 in use, 77 not permitted.
 */
int	 listen_open(const char *where, struct listener *out, char why[LISTEN_WHY]);

/* Takes what systemd hands over: up to max.  Returns how many, 0 without socket
 * activation; or -1 with a sentence in why. */
int	 listen_inherited(struct listener *out, size_t max, char why[LISTEN_WHY]);

/* Closes it, and removes the Unix socket that we made. */
void	 listen_close(struct listener *l);

#endif
