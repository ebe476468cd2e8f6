/*
 * TLS for the connection to Redis; the only part of the store that uses OpenSSL.
 * The server's name is checked against its certificate.
 */
#ifndef STORE_SHARE_TLS_H
#define STORE_SHARE_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct tls;

/*
 * Shakes hands on a connected, non-blocking descriptor, which stays the caller's.
 * The files may be NULL: the system's CAs, no certificate of our own.  Returns
 * it; or NULL with a sentence in why and *conf true when a file is at fault.
 */
struct tls *tls_open(int fd, const char *name, const char *ca_file, const char *cert_file,
	    const char *key_file, int wait_ms, char *why, size_t size, bool *conf);
void	 tls_close(struct tls *t);

/* As read(2) and write(2); -1 with EAGAIN: try again when *events are there. */
ssize_t	 tls_read(struct tls *t, void *buf, size_t n, short *events);
ssize_t	 tls_write(struct tls *t, const void *buf, size_t n, short *events);

/* Bytes that were taken from the descriptor but not yet read. */
bool	 tls_has(const struct tls *t);

#endif
