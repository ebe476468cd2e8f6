#include <sys/stat.h>
#include <sys/types.h>

#include <err.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/file.h"
#include "policy/parser.h"

#define CHUNK		16384
#define STALE_AFTER	86400	/* 24 h: three of Intune's check-ins missed */

struct chunk {
	struct chunk	*next;
	size_t		 used, size;
	_Alignas(8) unsigned char data[];
};

void *
policy_alloc(struct policy *p, size_t size)
{
	struct chunk	*c = p->arena;
	size_t		 room;
	void		*at;

	size = (size + 7) & ~(size_t)7;
	p->memory += size;
	if (c == NULL || c->size - c->used < size) {
		room = size > CHUNK ? size : CHUNK;
		if ((c = malloc(sizeof(*c) + room)) == NULL)
			err(EX_OSERR, NULL);
		c->size = room;
		c->used = 0;
		c->next = p->arena;
		p->arena = c;
	}
	at = c->data + c->used;
	c->used += size;
	return memset(at, 0, size);
}

struct rules_file *
policy_file(struct policy *pol, struct rules_file **list, const char *path, uint64_t state)
{
	struct rules_file	*s = policy_alloc(pol, sizeof(*s)), **at;
	const char		*first = pol->sources != NULL ? pol->sources->path : path;
	const char		*slash = strrchr(first, '/');
	size_t			 n = strlen(path), folder = slash != NULL ? (size_t)(slash + 1 - first) : 0;
	char			*copy = policy_alloc(pol, n + 1);

	memcpy(copy, path, n);
	s->path = copy;
	s->name = copy;
	/* a/more and b/more must not be one. */
	if (folder < n && memcmp(path, first, folder) == 0)
		s->name += folder;
	s->state = state;
	for (at = list; *at != NULL; at = &(*at)->next)
		;
	*at = s;
	return s;
}

/* st is that of the file when the text is out of one, else NULL; others are the
 * texts that stand for further files. */
static struct policy *
parse(const char *name, const char *text, size_t len, const struct stat *st,
    const struct policy_text *others, size_t nothers, policy_report report, void *arg)
{
	static const struct match_order	 usual = MATCH_ORDER_DEFAULT;
	struct parser			 p = { .name = name, .report = report, .arg = arg,
					     .files = others != NULL, .texts = others,
					     .ntexts = nothers };
	struct policy			*pol;
	char				 msg[FILE_WHY + 64];

	if (len > POLICY_FILE || (len >= 2 && (memcmp(text, "\xff\xfe", 2) == 0 ||
	    memcmp(text, "\xfe\xff", 2) == 0))) {
		snprintf(msg, sizeof(msg), "%s:1:1: %s", name, len > POLICY_FILE ?
		    "the file is larger than 1 MiB" : "the file is UTF-16; save it as UTF-8");
		report(arg, msg);
		return NULL;
	}
	if ((pol = calloc(1, sizeof(*pol))) == NULL)
		err(EX_OSERR, NULL);
	pol->order = usual;
	pol->stale_after = STALE_AFTER;
	pol->no_match = ACTION_DENY;
	pol->hash = digest_file(DIGEST_START, text, len);
	p.source = policy_file(pol, &pol->sources, name, st != NULL ? file_state(st) : 0);
	p.nsources = 1;
	p.bytes = len;
	if (st != NULL) {
		p.files = true;
		p.open[0].dev = st->st_dev;
		p.open[0].ino = st->st_ino;
	}
	p.pol = pol;
	p.tail = &pol->rules;
	lexer_init(&p.lx, text, len);
	parser_file(&p);
	if (p.errors == 0) {
		digest_format(pol->digest, pol->hash);
		return pol;
	}
	policy_free(pol);
	return NULL;
}

struct policy *
policy_parse(const char *name, const char *text, size_t len, policy_report report, void *arg)
{
	return parse(name, text, len, NULL, NULL, 0, report, arg);
}

struct policy *
policy_parse_texts(const struct policy_text *texts, size_t n, policy_report report, void *arg)
{
	return parse(texts[0].path, texts[0].text, texts[0].len, NULL, texts, n, report, arg);
}

struct policy *
policy_load(const char *path, policy_report report, void *arg)
{
	struct policy	*pol = NULL;
	char		 why[FILE_WHY], *text = NULL;
	size_t		 len = 0;
	struct stat	 st;
	int		 fd;

	if ((fd = file_open_checked(path, 0, why)) == -1) {
		report(arg, why);
		return NULL;
	}
	if (fstat(fd, &st) == -1 || file_read_all(fd, POLICY_FILE, &text, &len) == -1) {
		snprintf(why, sizeof(why), "%s: %s", path, errno == EFBIG ?
		    "is larger than 1 MiB" : strerror(errno));
		report(arg, why);
	} else
		pol = parse(path, text, len, &st, NULL, 0, report, arg);
	free(text);
	close(fd);
	return pol;
}

/* The arena's memory is ours, however constant the policy finds it. */
static void
wipe(const char *secret)
{
	explicit_bzero((char *)(uintptr_t)secret, strlen(secret));
}

void
policy_free(struct policy *p)
{
	struct chunk	*c;

	size_t		 i;

	if (p == NULL)
		return;
	for (i = 0; i < p->nhints; i++)
		wipe(p->hint[i]);
	while ((c = p->arena) != NULL) {
		p->arena = c->next;
		free(c);
	}
	free(p);
}

const struct match_order *
policy_match_order(const struct policy *p)
{
	return &p->order;
}

int64_t
policy_stale_least(const struct policy *p)
{
	int64_t	 least = p->stale_after;
	int	 i;

	for (i = 0; i < COMPLIANCE_COUNT; i++)
		if (p->stale_state[i] != 0 && p->stale_state[i] < least)
			least = p->stale_state[i];
	return least;
}

int64_t
policy_stale_after(const struct policy *p)
{
	return p->stale_after;
}

const char *
policy_hint_unread(const struct policy *p)
{
	return p->hint_unread;
}

bool
policy_has_when_broken(const struct policy *p)
{
	return p->has_broken;
}

size_t
policy_rules(const struct policy *p)
{
	return p->nrules;
}

size_t
policy_labels(const struct policy *p)
{
	return p->nlabels;
}
