/* What comes out: the record with its `coa'. */
#include <stdio.h>
#include <string.h>

#include "base/cli.h"
#include "base/text.h"
#include "base/when.h"
#include "device/record.h"
#include "radius/sender_job.h"

static const char *
code_name(uint8_t code)
{
	return code == COA_REQUEST ? "coa" : "disconnect";
}

/* How the exchange went. */
static void
write_exchange(struct jsonw *w, const struct job *job)
{
	uint32_t	 cause = job->ask.reply.error_cause;
	size_t		 i;

	jw_int(w, "tries", job->ask.tries);
	if (job->ask.result == ASK_NAK && cause != 0) {
		jw_int(w, "error_cause", cause);
		jw_opt(w, "error_text", packet_error_cause(cause));
	}
	if (job->instead_of != -1) {
		jw_str(w, "instead_of", action_name((enum action)job->instead_of));
		jw_int(w, "refused", job->refused);
	}
	if (json_array_size(job->left_out) > 0) {
		jw_array(w, "left_out");
		for (i = 0; i < json_array_size(job->left_out); i++)
			jw_str(w, NULL, json_string_value(json_array_get(job->left_out, i)));
		jw_end_array(w);
	}
	if (job->ask.merged > 0)
		jw_int(w, "merged", job->ask.merged);
	jw_int(w, "ms", job->ask.ms);
}

/* The filled attributes as radclient(1) would take them. */
static void
write_attributes(struct jsonw *w, const struct filled *filled, size_t n)
{
	char	 line[DICT_NAME + SESSION_TEXT + 8];
	size_t	 i;

	jw_array(w, "attributes");
	for (i = 0; i < n; i++) {
		snprintf(line, sizeof(line), "%s = %s", filled[i].name, filled[i].text);
		jw_str(w, NULL, line);
	}
	jw_end_array(w);
}

int
sender_emit(struct sender *s, json_t *rec, const struct outcome *o)
{
	struct jsonw	 w;
	char		 buf[RECORD_TEXT];
	uint8_t		 code;

	jw_init(&w, buf, sizeof(buf));
	jw_object(&w, NULL);
	jw_str(&w, "result", o->result);
	if (o->profile != NULL) {
		code = o->profile->action[o->action].code;
		jw_opt(&w, "code", code == 0 ? NULL : code_name(code));
		jw_str(&w, "profile", o->profile->name);
	}
	jw_str(&w, "action", action_name(o->action));
	jw_opt(&w, "nas", o->nas);
	if (o->job != NULL)
		write_exchange(&w, o->job);
	if (o->filled != NULL)
		write_attributes(&w, o->filled, o->nfilled);
	jw_time(&w, "time", o->time != 0 ? o->time : when_now());
	jw_opt(&w, "why", o->why);
	jw_end_object(&w);
	record_set(rec, "coa", jw_done(&w));
	if (strcmp(o->result, "ack") == 0)
		s->count.ack++;
	else if (strcmp(o->result, "nak") == 0)
		s->count.nak++;
	else if (strcmp(o->result, "silent") == 0)
		s->count.silent++;
	else
		s->count.other++;
	return record_print(rec, stdout);
}

int
sender_refuse(struct sender *s, json_t *rec, const char *where, struct outcome *o,
    const char *why, int status)
{
	char	 shown[FILE_WHY];

	text_safe(shown, sizeof(shown), why, strlen(why));
	s->say("%s: %s", where, shown);
	o->result = "error";
	o->why = why;
	return cli_worst(status, sender_emit(s, rec, o));
}

int
sender_print_owed(json_t *rec, const char *want, const char *nas, int64_t time, void *arg)
{
	struct jsonw	 w;
	char		 buf[RECORD_TEXT];
	json_t		*list = json_loads(want, 0, NULL);

	(void)arg;
	jw_init(&w, buf, sizeof(buf));
	jw_object(&w, NULL);
	jw_str(&w, "result", "owed");
	/* change_key() puts it first. */
	jw_opt(&w, "repeat", json_string_value(json_array_get(list, 0)));
	jw_str(&w, "nas", nas);
	jw_time(&w, "time", time);
	jw_end_object(&w);
	record_set(rec, "coa", jw_done(&w));
	json_decref(list);
	return record_print(rec, stdout);
}
