/*
 * The requests that nac-serve answers, without the HTTP around them: method,
 * path, headers and body in, status and body out.
 *
 * A path, a method or a body that is not known is never answered by 2xx, 204 or
 * 404: in FreeRADIUS' check-eap-tls a 404 means that everybody gets in.
 */
#ifndef SERVE_ROUTES_H
#define SERVE_ROUTES_H

#include <stdbool.h>
#include <stddef.h>

#include "serve/live.h"
#include "serve/metrics.h"
#include "serve/smallstep.h"

/* A request of FreeRADIUS has 1 to 10 KiB, a record of ours up to 30. */
#define ROUTES_BODY	(128 * 1024)

struct routes {
	struct live			*live;
	struct metrics			*metrics;
	const char			*token;		/* or NULL: none is asked for */
	const struct smallstep_key	*smallstep;	/* or NULL: no such path */
	live_say			 say;
};

/* Header values are NULL where there is none. */
struct ask {
	const char	*method, *path;
	const char	*content_type, *authorization, *signature;
	char		*body;		/* may be written to */
	size_t		 len;
};

struct told {
	enum endpoint	 endpoint;
	int		 status;
	const char	*type;
	const char	*body;		/* valid until the work is used again */
	size_t		 len;
};

/* What one request at a time needs: too large for a stack, and reused.
 * No memory ends the program. */
struct work;
struct work *work_new(void);
void	 work_free(struct work *w);

/* Answers.  now: what only the caller knows, for /metrics. */
void	 routes_answer(const struct routes *r, struct work *w, const struct ask *a,
	    struct metrics_now *now, struct told *out);

enum endpoint routes_endpoint(const char *path);

#endif
