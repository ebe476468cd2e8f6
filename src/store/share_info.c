#include <err.h>
#include <stdio.h>
#include <string.h>

#include "base/num.h"
#include "base/text.h"
#include "base/when.h"
#include "store/share.h"
#include "store/share_info.h"

static bool
take_number(const char *p, size_t n, int64_t *out, const char **why)
{
	char	 number[24];

	*why = "a number is there twice";
	if (*out != -1)
		return false;
	*why = "is no number";
	if (n == 0 || n >= sizeof(number) || memchr(p, '\0', n) != NULL)
		return false;
	memcpy(number, p, n);
	number[n] = '\0';
	return num_parse(number, 0, INT64_MAX, out, why);
}

static bool
take_policy(const char *p, size_t n, char out[INFO_POLICY], const char **why)
{
	size_t	 i;

	*why = "the policy is there twice";
	if (out[0] != '\0')
		return false;
	*why = "the policy is no word";
	if (n == 0 || n >= INFO_POLICY)
		return false;
	for (i = 0; i < n; i++)
		if ((p[i] < 'a' || p[i] > 'z') && p[i] != '-')
			return false;
	memcpy(out, p, n);
	out[n] = '\0';
	return true;
}

static bool
take_line(const char *p, size_t n, struct share_info *io, const char **why)
{
	const char	*colon = memchr(p, ':', n);
	size_t		 name = colon != NULL ? (size_t)(colon - p) : n, len;

	if (colon == NULL)
		return true;
	len = n - name - 1;
#define IS(s)	(name == sizeof(s) - 1 && memcmp(p, s, name) == 0)
	if (IS("maxmemory"))
		return take_number(colon + 1, len, &io->maxmemory, why);
	if (IS("evicted_keys"))
		return take_number(colon + 1, len, &io->evicted, why);
	return !IS("maxmemory_policy") || take_policy(colon + 1, len, io->policy, why);
#undef IS
}

bool
share_info_parse(const char *text, size_t len, struct share_info *io, const char **why)
{
	const char	*end;
	size_t		 n;

	*why = "is too long";
	if (len > INFO_MAX)
		return false;
	for (; len > 0; text += n, len -= n) {
		end = memchr(text, '\n', len);
		n = end != NULL ? (size_t)(end - text) : len;
		if (!take_line(text, n > 0 && text[n - 1] == '\r' ? n - 1 : n, io, why))
			return false;
		if (end != NULL)
			n++;
	}
	return true;
}

bool
share_info_evicts(const struct share_info *info)
{
	return info->maxmemory > 0 && info->policy[0] != '\0' &&
	    strcmp(info->policy, "noeviction") != 0;
}

static void
say_once(struct share *sh, const char *why, size_t len)
{
	char	 shown[TEXT_SHOWN];

	if (!sh->mute)
		warnx("%s: INFO: %s; whether Redis evicts keys is not known", sh->conf->url,
		    text_safe(shown, sizeof(shown), why, len));
	sh->mute = true;
}

/* One section's answer; false: nothing is known from it. */
static bool
take_answer(struct share *sh, const struct redisReply *r, struct share_info *info)
{
	const char	*why, *text;
	size_t		 len;

	text = link_str(r, &len);
	if (link_kind(r) == LINK_WRONG) {
		say_once(sh, text, len);
		return false;
	}
	if (share_info_parse(text, len, info, &why))
		return true;
	say_once(sh, why, strlen(why));
	return false;
}

bool
share_inform(struct share *sh)
{
	static const char *const section[] = { "memory", "stats" };
	struct share_info	 info = SHARE_INFO_NONE;
	struct redisReply	*r;
	bool			 good = true;
	size_t			 i;

	for (i = 0; i < 2; i++)
		link_text(sh->w, "INFO", section[i], LINK_END);
	if (!link_send(sh->w))
		return false;
	for (i = 0; i < 2; i++) {
		if ((r = link_next(sh->w, LINK_WAIT_MS)) == NULL)
			return false;
		good = take_answer(sh, r, &info) && good;
		link_free(r);
	}
	sh->informed = when_ms();
	if (!good)
		return true;
	sh->evicted = info.evicted;
	if (!share_info_evicts(&info))
		sh->policy[0] = '\0';
	else if (strcmp(sh->policy, info.policy) != 0) {
		warnx("%s: maxmemory-policy %s lets Redis evict what is shared: "
		    "set maxmemory-policy noeviction", sh->conf->url, info.policy);
		memcpy(sh->policy, info.policy, sizeof(sh->policy));
	}
	return true;
}
