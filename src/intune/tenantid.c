#include <err.h>
#include <jansson.h>
#include <stdlib.h>

#include "device/answer.h"
#include "intune/jwt.h"
#include "intune/shared.h"
#include "intune/tenantid.h"

/* The file that says which id the tenant of this name has. */
static void
id_file(struct shared *s, const struct settings *set, const char *folded)
{
	const char	*part[] = { set->authority, folded };

	shared_open(s, set, part, sizeof(part) / sizeof(part[0]), "tenant");
}

void
tenant_key(const struct settings *set, char key[TENANT_NAME])
{
	struct guid	 g;
	struct shared	 s;
	json_t		*o = NULL;
	const char	*id;
	int64_t		 changed;

	device_fold_name(key, TENANT_NAME, set->tenant);
	if (guid_parse(key, &g)) {
		guid_format(key, &g);
		return;
	}
	id_file(&s, set, key);
	if (s.usable && shared_read(&s, &o, &changed) == SHARED_GOOD &&
	    (id = json_string_value(json_object_get(o, "id"))) != NULL && guid_parse(id, &g))
		guid_format(key, &g);
	json_decref(o);
	shared_close(&s);
}

bool
tenant_of_token(const char *token, struct guid *out)
{
	size_t		 len;
	char		*text = jwt_claims(token, &len);
	json_t		*o = text != NULL ? json_loadb(text, len, 0, NULL) : NULL;
	const char	*tid = json_string_value(json_object_get(o, "tid"));
	bool		 good = tid != NULL && guid_parse(tid, out) && !guid_is_zero(out);

	json_decref(o);
	free(text);
	return good;
}

void
tenant_learn(const struct settings *set, const char *token)
{
	struct shared	 s;
	struct guid	 g, is;
	json_t		*o;
	char		 key[TENANT_NAME], text[GUID_TEXT];

	tenant_key(set, key);
	if (guid_parse(key, &is) || !tenant_of_token(token, &g))
		return;
	id_file(&s, set, key);
	o = json_pack("{s:s, s:s}", "tenant", set->tenant, "id", guid_format(text, &g));
	if (s.usable && !shared_write(&s, o))
		warnx("%s", s.why);
	json_decref(o);
	shared_close(&s);
}
