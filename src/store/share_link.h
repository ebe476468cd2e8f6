/*
 * A connection to Redis (or Valkey): over TCP, TLS or a Unix socket, directly or
 * to the master that Sentinel names.  Commands are collected and sent together;
 * the answers are read in their order.  hiredis speaks the protocol, here alone.
 *
 * Nothing waits for longer than LINK_WAIT_MS: a server that hangs is one that is
 * not there.
 */
#ifndef STORE_SHARE_LINK_H
#define STORE_SHARE_LINK_H

#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/conf.h"

#define LINK_WAIT_MS	5000
#define LINK_WHY	512
#define LINK_HOSTS	16	/* of Sentinel */
#define LINK_NAME	254	/* a host's name has at most 253 bytes */

struct link_host {
	char	 name[LINK_NAME];
	int	 port;
};

/* What nac.conf(5) says; the strings are the configuration's. */
struct share_conf {
	enum { LINK_TCP, LINK_UNIX, LINK_SENTINEL } kind;
	bool			 tls;
	struct link_host	 host[LINK_HOSTS];
	size_t			 nhost;
	const char		*path;		/* of the socket */
	char			 master[LINK_NAME];	/* its name among Sentinels */
	const char		*url;		/* for messages */
	const char		*user;
	char			 password_file[PATH_MAX];	/* "": none */
	char			 sentinel_password_file[PATH_MAX];
	const char		*ca_file, *certificate_file, *key_file;
	const char		*prefix;	/* of all keys in Redis */
	char			 name[LINK_NAME];	/* of this server */
	int64_t			 stream_max;	/* entries */
	int64_t			 lease, patience;	/* seconds */
	int64_t			 look_up;	/* the longest that one may take */
};

/* Reads share_url and the rest.  1: done; 0: there is no share_url; -1 with a
 * sentence in why: it is wrong. */
int	 share_configure(const struct conf *conf, struct share_conf *out, char why[LINK_WHY]);

struct link;

/*
 * Connects, greets and logs in; with Sentinel, to the master.  Returns it; or NULL
 * with a sentence in why and an exit status in *status: 69 nobody there, 75 it
 * is not ready, 77 wrong password or not allowed, 78 the configuration.
 */
struct link *link_open(const struct share_conf *c, char why[LINK_WHY], int *status);
void	 link_close(struct link *l);

/* The descriptor to wait on, and whether something was read from it already. */
int	 link_fd(const struct link *l);
bool	 link_has(struct link *l);

/* One command of n words, each with its length; link_text() of NUL-terminated
 * words, ended by LINK_END. */
#define LINK_END	((const char *)NULL)
void	 link_add(struct link *l, size_t n, const char *const word[], const size_t len[]);
void	 link_text(struct link *l, ...) __attribute__((sentinel));

/* Sends what was collected.  False: the connection is of no use any more. */
bool	 link_send(struct link *l);

enum link_kind { LINK_NIL, LINK_STRING, LINK_INT, LINK_LIST, LINK_WRONG };

/*
 * The next answer, which link_free() frees; waits at most ms for it.  NULL: the
 * connection is of no use any more.  An error of Redis' is an answer, LINK_WRONG.
 */
struct redisReply;
struct redisReply *link_next(struct link *l, int ms);
void	 link_free(struct redisReply *r);

/* The parts of an answer; of another kind than asked for: "", 0, NULL. */
enum link_kind	 link_kind(const struct redisReply *r);
const char	*link_str(const struct redisReply *r, size_t *len);
int64_t		 link_int(const struct redisReply *r);
size_t		 link_count(const struct redisReply *r);
const struct redisReply *link_at(const struct redisReply *r, size_t i);

/* One command by itself: link_text(), sent, answered; LINK_WRONG is NULL, too. */
struct redisReply *link_ask(struct link *l, ...) __attribute__((sentinel));

/* Keeps an error of Redis' as the reason; its first word tells the status. */
void	 link_blame(struct link *l, const struct redisReply *r);

/* Why the connection is of no use, and the exit status for that. */
const char	*link_why(const struct link *l);
int		 link_status(const struct link *l);

#endif
