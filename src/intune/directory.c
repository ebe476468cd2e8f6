#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>

#include "intune/directory.h"

char *
directory_path(const struct device *d)
{
	char	 text[GUID_TEXT], *path = NULL;

	if (asprintf(&path, "devices?$filter=deviceId%%20eq%%20'%s'&$select=deviceId,"
	    "accountEnabled", guid_format(text, &d->entra_id)) == -1)
		err(EX_OSERR, NULL);
	return path;
}

bool
directory_read(struct graph *g, const json_t *list, struct device *d)
{
	const json_t	*value = json_object_get(list, "value"), *o, *enabled;
	const char	*s;
	struct guid	 id;
	size_t		 i;

	d->has_account = d->account_enabled = false;
	if (!json_is_array(value)) {
		graph_fail(g, EX_TEMPFAIL, "%s: the directory answers with no list",
		    graph_host(g));
		return false;
	}
	json_array_foreach(value, i, o) {
		s = json_string_value(json_object_get(o, "deviceId"));
		enabled = json_object_get(o, "accountEnabled");
		if (s == NULL || !guid_parse(s, &id) || !guid_equal(&id, &d->entra_id)) {
			d->has_account = false;
			graph_fail(g, EX_TEMPFAIL, "%s: the directory answers with another "
			    "device", graph_host(g));
			return false;
		}
		if (!json_is_boolean(enabled))
			continue;
		d->account_enabled = json_is_true(enabled) &&
		    (!d->has_account || d->account_enabled);
		d->has_account = true;
	}
	return true;
}

enum graph_end
directory_ask(struct graph *g, struct device *d)
{
	enum graph_end	 end;
	json_t		*list;
	char		*path;

	if (!d->has_entra_id)
		return GRAPH_OK;
	path = directory_path(d);
	end = graph_call(g, path, NULL, &list);
	free(path);
	if (end == GRAPH_ABSENT)
		return graph_fail(g, EX_TEMPFAIL, "%s: has no directory of devices",
		    graph_host(g));
	if (end != GRAPH_OK)
		return end;
	if (!directory_read(g, list, d))
		end = GRAPH_FAILED;
	json_decref(list);
	return end;
}
