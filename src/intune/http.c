#include <curl/curl.h>
#include <err.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sysexits.h>

#include "base/cli.h"
#include "base/text.h"
#include "base/when.h"
#include "intune/crew.h"
#include "intune/http.h"
#include "intune/wire.h"

#define ROOM_FIRST	16384	/* bytes, for a body of which nothing is known */
#define ROOM_BELIEVED	(4 * 1024 * 1024)	/* bytes that a Content-Length alone may claim */
#define HEADERS_MAX	65536	/* bytes; Microsoft's answers have 2 KB */

/* One request on its way. */
struct transfer {
	CURL			*easy;
	struct transfer		*next;		/* in a list of those that wait, or rest */
	CURLcode		 code;
	bool			 done;
	pthread_cond_t		 news;
	char			 error[CURL_ERROR_SIZE];
	int			 (*tls)(void *ctx, void *arg);	/* of http_probe() */
	void			*tls_arg;
};

struct http {
	const struct settings	*set;
	struct transfer		*rest;		/* those that nobody uses now */
	/* When http_parallel(): what follows belongs to that thread, but for the
	 * list of new transfers and the wish to end, under the lock. */
	bool			 parallel, stop;
	CURLM			*multi;
	pthread_t		 mover;
	pthread_mutex_t		 lock;
	struct transfer		*fresh;
};

/* An answer on its way in. */
struct incoming {
	struct http_answer	*answer;
	CURL			*easy;
	size_t			 room, max, headers;
	bool			 too_large;	/* the body, or the headers */
	char			 date[64];	/* the server's clock, "" when not given */
};

static void
wipe(char *p, size_t len)
{
	if (p != NULL)
		explicit_bzero(p, len);
	free(p);
}

/* Room for so much more: at first what the answer says of its length, as far as that
 * is believed, then twice as much each time. */
static size_t
more_room(const struct incoming *in, size_t n)
{
	curl_off_t	 said = -1;
	size_t		 room = in->room == 0 ? ROOM_FIRST : in->room;

	if (in->room == 0)
		curl_easy_getinfo(in->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &said);
	if (said > 0 && said < ROOM_BELIEVED && (size_t)said >= n)
		return (size_t)said + 1;
	while (room <= in->answer->len + n)
		room *= 2;
	return room;
}

/* Grows the body without leaving old copies of it about, as realloc would. */
static size_t
on_body(char *data, size_t size, size_t n, void *arg)
{
	struct incoming		*in = arg;
	struct http_answer	*a = in->answer;
	char			*grown;
	size_t			 room;

	n *= size;
	if (n > in->max || a->len > in->max - n) {
		in->too_large = true;
		return 0;
	}
	if (a->len + n >= in->room) {
		room = more_room(in, n);
		if ((grown = malloc(room)) == NULL)
			err(EX_OSERR, NULL);
		if (a->len > 0)
			memcpy(grown, a->body, a->len);
		wipe(a->body, a->len);
		a->body = grown;
		in->room = room;
	}
	memcpy(a->body + a->len, data, n);
	a->len += n;
	a->body[a->len] = '\0';
	return n;
}

/* Copies a header's value when line has that name. */
static void
pick(const char *line, size_t len, const char *name, char *out, size_t size)
{
	size_t	 n = strlen(name);

	if (len <= n || strncasecmp(line, name, n) != 0 || line[n] != ':')
		return;
	for (line += n + 1, len -= n + 1; len > 0 && (*line == ' ' || *line == '\t'); len--)
		line++;
	while (len > 0 && strchr(" \t\r\n", line[len - 1]) != NULL)
		len--;
	text_safe(out, size, line, len);
}

static size_t
on_header(char *line, size_t size, size_t n, void *arg)
{
	struct incoming		*in = arg;
	struct http_answer	*a = in->answer;

	n *= size;
	in->headers += n;
	if (in->headers > HEADERS_MAX) {
		in->too_large = true;
		return 0;
	}
	/* A status line starts a new answer, behind "100 Continue" or a proxy's. */
	if (n > 5 && memcmp(line, "HTTP/", 5) == 0)
		a->retry_after[0] = a->request_id[0] = a->challenge[0] = in->date[0] = '\0';
	pick(line, n, "www-authenticate", a->challenge, sizeof(a->challenge));
	pick(line, n, "date", in->date, sizeof(in->date));
	pick(line, n, "retry-after", a->retry_after, sizeof(a->retry_after));
	pick(line, n, "request-id", a->request_id, sizeof(a->request_id));
	return n;
}

/* curl quotes a proxy's URL from the environment, user and password included:
 * whatever stands before an @ is put out. */
static void
hide_password(char *text)
{
	char	*at = strrchr(text, '@'), *from = strstr(text, "://");

	if (at == NULL)
		return;
	if (from != NULL && from < at)
		from += 3;
	else
		from = memchr(text, '\'', (size_t)(at - text));
	memset(from != NULL ? from : text, '*', (size_t)(at - (from != NULL ? from : text)));
}

/* curl's own account of the connection, for -vv.  Headers and bodies hold the
 * secret and the token: of what is sent only the request line is shown, of what
 * comes in only the status line. */
static int
on_debug(CURL *easy, curl_infotype type, char *data, size_t len, void *arg)
{
	char	 shown[512];
	size_t	 n;

	(void)easy;
	(void)arg;
	if (type != CURLINFO_TEXT && type != CURLINFO_HEADER_OUT && type != CURLINFO_HEADER_IN)
		return 0;
	if (type == CURLINFO_HEADER_IN && (len < 5 || memcmp(data, "HTTP/", 5) != 0))
		return 0;
	for (n = 0; n < len && data[n] != '\r' && data[n] != '\n';)
		n++;
	text_safe(shown, sizeof(shown), data, n);
	if (type == CURLINFO_TEXT)
		hide_password(shown);
	warnx("%s %s", type == CURLINFO_TEXT ? "*" : type == CURLINFO_HEADER_OUT ? ">" : "<",
	    shown);
	return 0;
}

struct http *
http_new(const struct settings *set)
{
	struct http	*http;

	if (curl_global_init(CURL_GLOBAL_DEFAULT) != 0 ||
	    (http = calloc(1, sizeof(*http))) == NULL)
		errx(EX_OSERR, "libcurl cannot be set up");
	http->set = set;
	return http;
}

void
http_free(struct http *http)
{
	struct transfer	*t;

	if (http == NULL)
		return;
	if (http->parallel) {
		pthread_mutex_lock(&http->lock);
		http->stop = true;
		pthread_mutex_unlock(&http->lock);
		curl_multi_wakeup(http->multi);
		pthread_join(http->mover, NULL);
		pthread_mutex_destroy(&http->lock);
	}
	while ((t = http->rest) != NULL) {
		http->rest = t->next;
		curl_easy_cleanup(t->easy);
		pthread_cond_destroy(&t->news);
		free(t);
	}
	curl_multi_cleanup(http->multi);
	curl_global_cleanup();
	free(http);
}

/* How long the mover waits, in milliseconds.  libcurl 7.88 at times has a stream's data
 * in its memory and waits for more on the connection, which HTTP/2 streams share: under
 * way nobody is to wait long for being looked at again. */
#define WAIT_IDLE	1000
#define WAIT_UNDER_WAY	10

/* Takes in what is new and tells whose transfer has ended.  *running: how many are
 * under way.  False: nobody wants anything any more. */
static bool
move_once(struct http *http, int *running)
{
	struct transfer	*t, *list;
	CURLMsg		*m;
	bool		 stop;
	int		 n;

	pthread_mutex_lock(&http->lock);
	list = http->fresh;
	http->fresh = NULL;
	stop = http->stop;
	pthread_mutex_unlock(&http->lock);
	while ((t = list) != NULL) {
		list = t->next;
		if (curl_multi_add_handle(http->multi, t->easy) != CURLM_OK)
			errx(EX_SOFTWARE, "libcurl does not take a transfer");
	}
	curl_multi_perform(http->multi, running);
	while ((m = curl_multi_info_read(http->multi, &n)) != NULL) {
		CURLcode	 code = m->data.result;

		curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, (char **)&t);
		curl_multi_remove_handle(http->multi, t->easy);
		pthread_mutex_lock(&http->lock);
		t->code = code;
		t->done = true;
		pthread_cond_signal(&t->news);
		pthread_mutex_unlock(&http->lock);
	}
	return !stop;
}

static void *
mover(void *arg)
{
	struct http	*http = arg;
	int		 running;

	while (move_once(http, &running))
		curl_multi_poll(http->multi, NULL, 0, running > 0 ? WAIT_UNDER_WAY : WAIT_IDLE, NULL);
	return NULL;
}

void
http_parallel(struct http *http)
{
	if (http->parallel)
		return;
	if ((http->multi = curl_multi_init()) == NULL ||
	    pthread_mutex_init(&http->lock, NULL) != 0 ||
	    pthread_create(&http->mover, NULL, mover, http) != 0)
		errx(EX_OSERR, "libcurl cannot be set up");
	http->parallel = true;
}

/* Has the mover do it, while others of the crew work. */
static CURLcode
perform(struct http *http, struct transfer *t)
{
	bool	 first;

	if (!http->parallel) {
		crew_leave();
		t->code = curl_easy_perform(t->easy);
		crew_enter();
		return t->code;
	}
	t->done = false;
	crew_leave();
	pthread_mutex_lock(&http->lock);
	first = http->fresh == NULL;
	t->next = http->fresh;
	http->fresh = t;
	if (first)
		curl_multi_wakeup(http->multi);
	while (!t->done)
		pthread_cond_wait(&t->news, &http->lock);
	pthread_mutex_unlock(&http->lock);
	crew_enter();
	return t->code;
}

static struct transfer *
take_transfer(struct http *http)
{
	struct transfer	*t = http->rest;

	if (t != NULL) {
		http->rest = t->next;
		return t;
	}
	if ((t = calloc(1, sizeof(*t))) == NULL || (t->easy = curl_easy_init()) == NULL ||
	    pthread_cond_init(&t->news, NULL) != 0)
		errx(EX_OSERR, "libcurl cannot be set up");
	return t;
}

#define SET(option, value) do { \
	if (curl_easy_setopt(t->easy, (option), (value)) != CURLE_OK) \
		errx(EX_SOFTWARE, "libcurl does not take " #option); \
} while (0)

/* What is the same for every request.  curl_easy_reset keeps connections. */
static void
prepare(const struct http *http, struct transfer *t, struct incoming *in)
{
	const struct settings	*set = http->set;

	in->easy = t->easy;
	curl_easy_reset(t->easy);
	t->error[0] = '\0';
	SET(CURLOPT_PROTOCOLS_STR, "https");
	SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	SET(CURLOPT_SSL_VERIFYPEER, 1L);
	SET(CURLOPT_SSL_VERIFYHOST, 2L);
	SET(CURLOPT_FOLLOWLOCATION, 0L);
	SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
	/* Rather wait for the connection there is than open one of its own. */
	SET(CURLOPT_PIPEWAIT, 1L);
	SET(CURLOPT_ACCEPT_ENCODING, "gzip");
	/* No password file of the user's. */
	SET(CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
	SET(CURLOPT_NOSIGNAL, 1L);
	SET(CURLOPT_TIMEOUT, (long)set->timeout);
	SET(CURLOPT_CONNECTTIMEOUT, (long)set->connect_timeout);
	SET(CURLOPT_LOW_SPEED_LIMIT, 1L);
	SET(CURLOPT_LOW_SPEED_TIME, (long)set->stall_timeout);
	SET(CURLOPT_USERAGENT, "intune-nac/" NAC_VERSION);
	SET(CURLOPT_ERRORBUFFER, t->error);
	SET(CURLOPT_PRIVATE, t);
	SET(CURLOPT_WRITEFUNCTION, on_body);
	SET(CURLOPT_WRITEDATA, in);
	SET(CURLOPT_HEADERFUNCTION, on_header);
	SET(CURLOPT_HEADERDATA, in);
	SET(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
	if (set->ca_file != NULL) {
		/* This file alone, not beside the system's directory. */
		SET(CURLOPT_CAINFO, set->ca_file);
		SET(CURLOPT_CAPATH, NULL);
	}
	if (set->proxy != NULL)
		SET(CURLOPT_PROXY, set->proxy);
	if (set->verbose > 1) {
		SET(CURLOPT_VERBOSE, 1L);
		SET(CURLOPT_DEBUGFUNCTION, on_debug);
	}
}

static struct curl_slist *
add_header(struct curl_slist *list, const char *name, const char *value)
{
	struct curl_slist	*grown;
	char			*line = NULL;

	if (asprintf(&line, "%s: %s", name, value) == -1 ||
	    (grown = curl_slist_append(list, line)) == NULL)
		err(EX_OSERR, NULL);
	wipe(line, strlen(line));
	return grown;
}

static struct curl_slist *
make_headers(const struct http_request *request)
{
	struct curl_slist	*list = NULL;
	char			*bearer = NULL, guid[GUID_TEXT];

	list = add_header(list, "Accept", request->post == NULL && request->type != NULL ?
	    request->type : "application/json");
	list = add_header(list, "client-request-id", wire_guid(guid));
	if (request->post != NULL) {
		list = add_header(list, "Content-Type", request->type);
		list = add_header(list, "Expect", "");
	}
	if (request->local)
		list = add_header(list, "Metadata", "true");
	if (request->bearer != NULL || request->basic != NULL) {
		if (asprintf(&bearer, "%s %s", request->bearer != NULL ? "Bearer" : "Basic",
		    request->bearer != NULL ? request->bearer : request->basic) == -1)
			err(EX_OSERR, NULL);
		list = add_header(list, "Authorization", bearer);
		wipe(bearer, strlen(bearer));
	}
	return list;
}

/* curl frees them without wiping, and one of them is the token. */
static void
free_headers(struct curl_slist *list)
{
	struct curl_slist	*h;

	for (h = list; h != NULL; h = h->next)
		explicit_bzero(h->data, strlen(h->data));
	curl_slist_free_all(list);
}

/* Whether it is a redirect: it is followed by nobody, as a token would go with it, and
 * the host that was asked is not where the answer is.  What follows the "?" of its
 * target may be a secret of a portal's. */
static bool
redirects(const struct transfer *t, long status, const char *url, char why[HTTP_WHY])
{
	char	 host[TEXT_SHOWN], target[TEXT_SHOWN] = "nowhere", *to = NULL;

	if (status < 300 || status > 399)
		return false;
	if (curl_easy_getinfo(t->easy, CURLINFO_REDIRECT_URL, &to) == CURLE_OK && to != NULL)
		text_safe(target, sizeof(target), to, strcspn(to, "?#"));
	text_safe(host, sizeof(host), url, 8 + strcspn(url + 8, "/?"));
	snprintf(why, HTTP_WHY, "%s: HTTP %ld, a redirect to %s, which is not followed; is a "
	    "proxy or a portal in between?", host, status, target);
	return true;
}

/* Retry-After in seconds, whichever way it is said: a date is one of the server's
 * clock, and ours may be off by hours. */
static void
count_wait(const struct incoming *in, struct http_answer *a)
{
	int64_t	 now, wait;

	if (a->retry_after[0] == '\0')
		return;
	if (!wire_date(in->date, &now))
		now = when_now();
	if ((wait = wire_retry_after(a->retry_after, now)) != -1)
		snprintf(a->retry_after, sizeof(a->retry_after), "%lld", (long long)wait);
}

/* What will not mend by itself in a moment, what may, and what took too long. */
static enum http_end
classify(CURLcode code)
{
	switch (code) {
	case CURLE_OK:
		return HTTP_DONE;
	case CURLE_OPERATION_TIMEDOUT:
		return HTTP_TIMEOUT;
	case CURLE_URL_MALFORMAT:
	case CURLE_COULDNT_RESOLVE_PROXY:
	case CURLE_COULDNT_RESOLVE_HOST:
	case CURLE_COULDNT_CONNECT:
	case CURLE_SSL_CONNECT_ERROR:
	case CURLE_SSL_CACERT_BADFILE:
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_PROXY:
		return HTTP_UNREACHABLE;
	default:
		return HTTP_BROKEN;
	}
}

static void
explain(const struct transfer *t, const struct incoming *in, CURLcode code, const char *url,
    char why[HTTP_WHY])
{
	const char	*text = t->error[0] != '\0' ? t->error : curl_easy_strerror(code);
	char		 host[TEXT_SHOWN], shown[HTTP_WHY - TEXT_SHOWN - 8];

	text_safe(host, sizeof(host), url, 8 + strcspn(url + 8, "/?"));
	if (in->headers > HEADERS_MAX)
		snprintf(why, HTTP_WHY, "%s: the headers of the answer are larger than %d bytes",
		    host, HEADERS_MAX);
	else if (in->too_large)
		snprintf(why, HTTP_WHY, "%s: the answer is larger than %zu bytes", host, in->max);
	else {
		text_safe(shown, sizeof(shown), text, strlen(text));
		hide_password(shown);
		snprintf(why, HTTP_WHY, "%s: %s", host, shown);
	}
}

enum http_end
http_do(struct http *http, const struct http_request *request, struct http_answer *answer,
    char why[HTTP_WHY])
{
	struct incoming		 in = { answer, NULL, 0, request->max, 0, false, "" };
	struct transfer		*t = take_transfer(http);
	struct curl_slist	*headers = NULL;
	char			 shown[TEXT_SHOWN];
	int64_t			 start = wire_clock();
	CURLcode		 code;
	bool			 elsewhere;

	memset(answer, 0, sizeof(*answer));
	prepare(http, t, &in);
	headers = make_headers(request);
	if (request->local) {
		SET(CURLOPT_PROTOCOLS_STR, "http");
		SET(CURLOPT_PROXY, "");
	}
	SET(CURLOPT_HTTPHEADER, headers);
	SET(CURLOPT_URL, request->url);
	if (request->post != NULL) {
		SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->post_len);
		SET(CURLOPT_POSTFIELDS, request->post);
	}
	code = perform(http, t);
	curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &answer->status);
	elsewhere = code == CURLE_OK && redirects(t, answer->status, request->url, why);
	curl_easy_reset(t->easy);
	count_wait(&in, answer);
	free_headers(headers);
	if (http->set->verbose > 0)
		warnx("%s %s: %ld, %zu bytes, %lld ms", request->post != NULL ? "POST" : "GET",
		    text_safe(shown, sizeof(shown), request->url, strlen(request->url)),
		    answer->status, answer->len, (long long)(wire_clock() - start));
	if (code != CURLE_OK)
		explain(t, &in, code, request->url, why);
	if (code != CURLE_OK || elsewhere)
		http_clear(answer);
	t->next = http->rest;
	http->rest = t;
	return elsewhere ? HTTP_UNREACHABLE : classify(code);
}

static CURLcode
on_ssl_ctx(CURL *easy, void *ctx, void *arg)
{
	struct transfer	*t = arg;

	(void)easy;
	return t->tls(ctx, t->tls_arg) == 0 ? CURLE_OK : CURLE_SSL_CONNECT_ERROR;
}

/* Which setting names a proxy for https, in curl's order; "" when none does. */
static const char *
proxy_setting(const struct settings *set)
{
	static const char *const	 names[] = { "https_proxy", "HTTPS_PROXY", "all_proxy",
	    "ALL_PROXY" };
	const char			*value;
	size_t				 i;

	if (set->proxy != NULL)
		return "proxy";
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if ((value = getenv(names[i])) != NULL && *value != '\0')
			return names[i];
	return "";
}

/* curl names the host that it could not reach: ours, or else the proxy. */
static enum http_stage
stage_of(const struct transfer *t, CURLcode code, const char *host, const struct http_probe *p)
{
	const char	*colon = strrchr(host, ':');
	bool		 port = colon != NULL && strchr(colon, ']') == NULL;
	char		 name[TEXT_SHOWN];
	long		 answer = 0;

	curl_easy_getinfo(t->easy, CURLINFO_HTTP_CONNECTCODE, &answer);
	snprintf(name, sizeof(name), " %.*s port %s ",
	    (int)(port ? (size_t)(colon - host) : strlen(host)), host, port ? colon + 1 : "443");
	if (answer != 0 && answer != 200)
		return HTTP_AT_PROXY;
	switch (code) {
	case CURLE_OK:
		return HTTP_SECURE;
	case CURLE_COULDNT_RESOLVE_PROXY:
	case CURLE_PROXY:
		return HTTP_AT_PROXY;
	case CURLE_COULDNT_RESOLVE_HOST:
		return HTTP_AT_NAME;
	case CURLE_COULDNT_CONNECT:
		return p->proxy[0] != '\0' && strstr(t->error, name) == NULL ? HTTP_AT_PROXY :
		    HTTP_AT_CONNECT;
	case CURLE_OPERATION_TIMEDOUT:
		if (strstr(t->error, "SSL") == NULL)
			return p->proxy[0] != '\0' ? HTTP_AT_PROXY : HTTP_AT_CONNECT;
		/* FALLTHROUGH */
	default:
		return HTTP_AT_TLS;
	}
}

enum http_end
http_probe(struct http *http, const char *host, int (*tls)(void *ctx, void *arg), void *arg,
    struct http_probe *out)
{
	struct http_answer	 answer = { 0 };
	struct incoming		 in = { &answer, NULL, 0, 0, 0, false, "" };
	struct transfer		*t = take_transfer(http);
	CURLcode		 code;
	char			*url = NULL, *ip = NULL;
	long			 tunnel = 0;

	memset(out, 0, sizeof(*out));
	text_copy(out->proxy, sizeof(out->proxy), proxy_setting(http->set));
	if (asprintf(&url, "https://%s/", host) == -1)
		err(EX_OSERR, NULL);
	prepare(http, t, &in);
	SET(CURLOPT_URL, url);
	SET(CURLOPT_CONNECT_ONLY, 1L);
	SET(CURLOPT_FRESH_CONNECT, 1L);
	SET(CURLOPT_SSL_CTX_FUNCTION, on_ssl_ctx);
	t->tls = tls;
	t->tls_arg = arg;
	SET(CURLOPT_SSL_CTX_DATA, t);
	code = perform(http, t);
	out->stage = stage_of(t, code, host, out);
	curl_easy_getinfo(t->easy, CURLINFO_HTTP_CONNECTCODE, &tunnel);
	out->tunnel = tunnel == 200;
	if (curl_easy_getinfo(t->easy, CURLINFO_PRIMARY_IP, &ip) == CURLE_OK && ip != NULL)
		text_copy(out->ip, sizeof(out->ip), ip);
	if (code != CURLE_OK)
		explain(t, &in, code, url, out->why);
	/* The connection is of no further use: nothing may be sent over it. */
	curl_easy_cleanup(t->easy);
	pthread_cond_destroy(&t->news);
	free(t);
	free(url);
	return classify(code);
}

void
http_clear(struct http_answer *answer)
{
	wipe(answer->body, answer->len);
	memset(answer, 0, sizeof(*answer));
}

int
http_status(enum http_end end)
{
	return end == HTTP_UNREACHABLE ? EX_UNAVAILABLE : EX_TEMPFAIL;
}
