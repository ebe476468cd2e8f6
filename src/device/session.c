#include <ctype.h>
#include <string.h>

#include "device/session.h"

const char *
medium_name(enum medium medium)
{
	static const char *const	 names[] = {
		[MEDIUM_UNKNOWN] = "",
		[MEDIUM_WIRED] = "wired",
		[MEDIUM_WIRELESS] = "wireless",
		[MEDIUM_VPN] = "vpn",
	};

	return names[medium];
}

const char *
hint_name(enum hint hint)
{
	static const char *const	 names[] = { "", "good", "bad" };

	return names[hint];
}

const char *
session_login(const struct session *s)
{
	return s->inner_user[0] != '\0' ? s->inner_user : s->user;
}

bool
session_add_group(struct session *s, const char *group)
{
	size_t	 i, n = strlen(group);

	for (i = 0; i < n; i++)
		if (iscntrl((unsigned char)group[i]))
			return false;
	for (i = 0; i < s->ngroup; i++)
		if (strcmp(s->group[i], group) == 0)
			return true;
	if (n == 0 || n >= SESSION_GROUP || s->ngroup == SESSION_GROUPS)
		return false;
	memcpy(s->group[s->ngroup++], group, n + 1);
	return true;
}

void
session_write(struct jsonw *w, const struct session *s)
{
	size_t	 i;

	jw_object(w, "session");
	if (s->seen != 0)
		jw_time(w, "seen", s->seen);
	jw_opt(w, "medium", medium_name(s->medium));
	jw_opt(w, "user", s->user);
	jw_opt(w, "inner_user", s->inner_user);
	jw_opt(w, "realm", s->realm);
	jw_opt(w, "nas_ip", s->nas_ip);
	jw_opt(w, "nas_id", s->nas_id);
	jw_opt(w, "nas_port", s->nas_port);
	jw_opt(w, "nas_port_id", s->nas_port_id);
	jw_opt(w, "nas_port_type", s->nas_port_type);
	jw_opt(w, "acct_session_id", s->acct_session_id);
	jw_opt(w, "acct_multi_session_id", s->acct_multi_session_id);
	jw_opt(w, "calling", s->calling);
	jw_opt(w, "called", s->called);
	jw_opt(w, "ssid", s->ssid);
	jw_opt(w, "framed_ip", s->framed_ip);
	jw_opt(w, "cui", s->cui);
	jw_opt(w, "audit_session_id", s->audit_session_id);
	jw_opt(w, "vendor", s->vendor);
	if (s->ngroup > 0) {
		jw_array(w, "groups");
		for (i = 0; i < s->ngroup; i++)
			jw_str(w, NULL, s->group[i]);
		jw_end_array(w);
	}
	if (s->start != 0)
		jw_time(w, "start", s->start);
	if (s->mfa != 0)
		jw_time(w, "mfa", s->mfa);
	jw_opt(w, "hint", hint_name(s->hint));
	if (s->ended)
		jw_bool(w, "ended", true);
	jw_end_object(w);
}
