#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "base/num.h"
#include "base/text.h"
#include "radius/lines.h"
#include "radius/profile.h"
#include "radius/profile_field.h"

static const char *const actions[ACTION_COUNT] = {
	"reauth", "disconnect", "bounce", "vlan", "role", "redirect"
};

static const char *const mac_forms[] = {
	[MAC_COLON] = "colon",
	[MAC_HYPHEN] = "hyphen",
	[MAC_HYPHEN_LOWER] = "hyphen-lower",
	[MAC_COLON_UPPER] = "colon-upper",
	[MAC_BARE] = "bare",
	[MAC_BARE_UPPER] = "bare-upper",
	[MAC_DOTTED] = "dotted",
};

#define NFORMS	(sizeof(mac_forms) / sizeof(mac_forms[0]))

/* What is known while a profile is being read. */
struct reading {
	struct lines		 l;
	const struct dict	*dict;
	struct profile		*p;
	uint8_t			 code;		/* of actions that do not say */
	int			 action;	/* whose attributes follow, or -1 */
	unsigned		 seen;		/* keywords, one bit each */
};

const char *
action_name(enum action action)
{
	return actions[action];
}

bool
action_parse(const char *text, enum action *out)
{
	int	 i;

	for (i = 0; i < ACTION_COUNT; i++)
		if (strcmp(actions[i], text) == 0) {
			*out = (enum action)i;
			return true;
		}
	return false;
}

/* Reads the value of an item and reports what is wrong with it. */
static void
read_value(struct reading *r, struct item *it, const struct word *w)
{
	const char	*why;
	struct attr	 attr;

	if (!text_copy(it->value, sizeof(it->value), w->text))
		lines_error(&r->l, w, "this value is too long");
	else if (!profile_template_good(it->value))
		lines_wrong(&r->l, w, "a session has no such field:");
	else if (!profile_is_template(it->value) &&
	    !dict_encode(r->dict, it->name, it->value, &attr, &why))
		lines_error(&r->l, w, "%s %s", it->name, why);
}

static bool
read_code(struct reading *r, const struct word *w, uint8_t *out)
{
	if (strcmp(w->text, "coa") == 0)
		*out = COA_REQUEST;
	else if (strcmp(w->text, "disconnect") == 0)
		*out = DISCONNECT_REQUEST;
	else {
		lines_wrong(&r->l, w, "expected coa or disconnect, not");
		return false;
	}
	return true;
}

static bool
is_word(const struct word *w, const char *text)
{
	return !w->quoted && strcmp(w->text, text) == 0;
}

/* What ends the line of an attribute; returns how many words stand before it. */
static size_t
read_ending(struct reading *r, struct item *it, size_t first, bool session)
{
	const struct word *w = r->l.word;
	size_t		 n = r->l.nword;

	/* An action has one code; the session's attributes are for all of them. */
	if (session && n > first + 2 && is_word(&w[n - 2], "code")) {
		read_code(r, &w[n - 1], &it->code);
		n -= 2;
	}
	if (n > first + 1 && is_word(&w[n - 1], "required")) {
		it->required = true;
		n--;
	}
	return n;
}

/* Adds `NAME [VALUE] [required] [code CODE]', words first.. of the line, to a list. */
static void
read_item(struct reading *r, struct items *list, size_t first)
{
	struct lines	*l = &r->l;
	const struct word *w = &l->word[first];
	struct item	*it = &list->item[list->n];
	const struct profile_field *own;
	size_t		 n = l->nword, before = l->errors;

	if (first >= n) {
		lines_error(l, NULL, "the name of an attribute is missing");
		return;
	}
	if (list->n == PROFILE_ITEMS) {
		lines_error(l, w, "more than %d attributes", PROFILE_ITEMS);
		return;
	}
	memset(it, 0, sizeof(*it));
	if (!dict_has(r->dict, w->text) || !text_copy(it->name, sizeof(it->name), w->text)) {
		lines_wrong(l, w, "the dictionary has no attribute");
		return;
	}
	n = read_ending(r, it, first, list == &r->p->session);
	if (n > first + 2) {
		lines_wrong(l, &l->word[first + 2], "unexpected");
		return;
	}
	if (n > first + 1)
		read_value(r, it, &l->word[first + 1]);
	else if ((own = profile_own_field(it->name)) != NULL)
		snprintf(it->value, sizeof(it->value), "%%{%s}", own->name);
	else
		lines_wrong(l, w, "a session has no such value; give one for");
	if (l->errors == before)
		list->n++;
}

static void
read_bool(struct reading *r, const struct word *w, bool *out)
{
	*out = strcmp(w->text, "yes") == 0;
	if (!*out && strcmp(w->text, "no") != 0)
		lines_wrong(&r->l, w, "expected yes or no, not");
}

static void
read_mac(struct reading *r, const struct word *w)
{
	size_t	 i;

	r->p->as_received = strcmp(w->text, "as-received") == 0;
	for (i = 0; i < NFORMS && !r->p->as_received; i++)
		if (strcmp(w->text, mac_forms[i]) == 0) {
			r->p->mac = (enum mac_form)i;
			return;
		}
	if (!r->p->as_received)
		lines_wrong(&r->l, w, "no form of MAC address:");
}

/* What stands behind `action NAME': nothing, `code CODE' or `as ACTION'. */
static bool
read_how(struct reading *r, enum action action)
{
	struct lines	*l = &r->l;
	const struct word *w = &l->word[3];
	uint8_t		 code = r->code;
	enum action	 other;

	if (l->nword == 4 && strcmp(l->word[2].text, "as") == 0) {
		if (!action_parse(w->text, &other) || r->p->action[other].code == 0) {
			lines_wrong(l, w, "no action above has the name");
			return false;
		}
		r->p->action[action] = r->p->action[other];
		return true;
	}
	if (l->nword == 4 && !read_code(r, w, &code))
		return false;
	if (code == 0) {
		lines_error(l, NULL, "no code: write one here, or a code line above");
		return false;
	}
	r->p->action[action].code = code;
	return true;
}

/* action NAME [code CODE | as ACTION] */
static void
read_action(struct reading *r)
{
	struct lines	*l = &r->l;
	enum action	 action;

	r->action = -1;
	if (l->nword != 2 && (l->nword != 4 || (strcmp(l->word[2].text, "code") != 0 &&
	    strcmp(l->word[2].text, "as") != 0)))
		lines_error(l, NULL, "expected: action name [code coa|disconnect | as action]");
	else if (!action_parse(l->word[1].text, &action))
		lines_wrong(l, &l->word[1], "expected " ACTION_WORDS ", not");
	else if (r->p->action[action].code != 0)
		lines_wrong(l, &l->word[1], "given twice: action");
	/* What is as another action is as it is: nothing is added to it. */
	else if (read_how(r, action) && (l->nword == 2 || strcmp(l->word[2].text, "as") != 0))
		r->action = (int)action;
}

/* fallback ACTION, which may stand further down in the file */
static void
read_fallback(struct reading *r)
{
	struct lines	*l = &r->l;
	enum action	 other;

	if (r->action == -1)
		lines_error(l, NULL, "a fallback line belongs behind an action line");
	else if (l->nword != 2)
		lines_error(l, NULL, "expected: fallback action");
	else if (!action_parse(l->word[1].text, &other))
		lines_wrong(l, &l->word[1], "expected " ACTION_WORDS ", not");
	else if ((int)other == r->action)
		lines_wrong(l, &l->word[1], "an action is no fallback for itself:");
	else if (r->p->action[r->action].fallback != -1)
		lines_wrong(l, &l->word[1], "given twice: fallback");
	else
		r->p->action[r->action].fallback = (int)other;
}

/* The lines of a keyword and one word, each at most once in a file. */
static void
read_setting(struct reading *r)
{
	static const char *const words[] = {
		"code", "port", "mac", "message-authenticator", "event-timestamp",
		"session", "action", "attribute", "fallback"
	};
	struct lines	*l = &r->l;
	const struct word *w = &l->word[1];
	const char	*key = l->word[0].text, *why, *near;
	int64_t		 port;
	size_t		 i;

	for (i = 0; i < 5 && strcmp(key, words[i]) != 0; i++)
		;
	if (i == 5) {
		near = text_nearest(key, words, sizeof(words) / sizeof(words[0]));
		if (near != NULL)
			lines_error(l, &l->word[0], "unknown keyword (did you mean %s?)", near);
		else
			lines_wrong(l, &l->word[0], "unknown keyword");
	} else if (r->seen & 1u << i)
		lines_wrong(l, &l->word[0], "given twice:");
	else if (l->nword != 2)
		lines_error(l, &l->word[0], "%s takes one word", key);
	else if (i == 0)
		read_code(r, w, &r->code);
	else if (i == 1) {
		if (num_parse(w->text, 1, 65535, &port, &why))
			r->p->port = (uint16_t)port;
		else
			lines_wrong(l, w, "no port number:");
	} else if (i == 2)
		read_mac(r, w);
	else
		read_bool(r, w, i == 3 ? &r->p->message_authenticator :
		    &r->p->event_timestamp);
	if (i < 5)
		r->seen |= 1u << i;
}

static void
read_line(struct reading *r)
{
	const char	*key = r->l.word[0].text;

	if (strcmp(key, "session") == 0)
		read_item(r, &r->p->session, 1);
	else if (strcmp(key, "action") == 0)
		read_action(r);
	else if (strcmp(key, "fallback") == 0)
		read_fallback(r);
	else if (strcmp(key, "attribute") != 0)
		read_setting(r);
	else if (r->action == -1)
		lines_error(&r->l, NULL, "an attribute line belongs behind an action line");
	else
		read_item(r, &r->p->action[r->action].items, 1);
}

/* What can only be said of the whole file. */
static void
check_whole(struct reading *r)
{
	struct profile	*p = r->p;
	int		 i, other;

	if (p->session.n == 0)
		lines_error(&r->l, NULL, "no session line: the packet would name nobody");
	if (p->action[ACTION_REAUTH].code == 0)
		lines_error(&r->l, NULL, "no action reauth");
	for (i = 0; i < ACTION_COUNT; i++) {
		other = p->action[i].fallback;
		if (p->action[i].code != 0 && other != -1 && p->action[other].code == 0)
			lines_error(&r->l, NULL, "action %s falls back to %s, which is not there",
			    actions[i], actions[other]);
		/* RFC 5176, 3.6: nothing but names of the NAS and the session. */
		if (p->action[i].code == DISCONNECT_REQUEST && p->action[i].items.n > 0)
			lines_error(&r->l, NULL, "action %s is a disconnect, which takes no "
			    "attribute of its own", actions[i]);
	}
}

struct profile *
profile_parse(const char *file, const char *name, char *text, size_t len,
    const struct dict *dict, conf_report report, void *arg)
{
	struct reading	 r;
	int		 i;

	memset(&r, 0, sizeof(r));
	r.dict = dict;
	r.action = -1;
	if ((r.p = calloc(1, sizeof(*r.p))) == NULL)
		err(EX_OSERR, NULL);
	text_copy(r.p->name, sizeof(r.p->name), name);
	r.p->port = PROFILE_PORT;
	r.p->mac = MAC_HYPHEN;
	r.p->message_authenticator = true;
	r.p->event_timestamp = true;
	for (i = 0; i < ACTION_COUNT; i++)
		r.p->action[i].fallback = -1;
	lines_start(&r.l, file, text, len, report, arg);
	while (lines_next(&r.l))
		read_line(&r);
	if (r.l.errors == 0)
		check_whole(&r);
	if (r.l.errors == 0)
		return r.p;
	free(r.p);
	return NULL;
}

struct profile *
profile_load(const char *dir, const char *name, const struct dict *dict,
    conf_report report, void *arg)
{
	struct profile	*p = NULL;
	char		*path, *text;
	size_t		 len;

	if (asprintf(&path, "%s/%s.profile", dir, name) == -1)
		err(EX_OSERR, NULL);
	if ((text = lines_read(path, false, &len, report, arg)) != NULL)
		p = profile_parse(path, name, text, len, dict, report, arg);
	free(text);
	free(path);
	return p;
}
