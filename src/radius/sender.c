#include <err.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "base/cli.h"
#include "base/text.h"
#include "base/when.h"
#include "device/record.h"
#include "radius/sender_job.h"

/* ---- what the fleet asks for */

static void
job_free(struct job *job)
{
	if (job == NULL)
		return;
	json_decref(job->rec);
	json_decref(job->left_out);
	nas_free(job->file);
	free(job->ask.key);
	free(job->where);
	free(job->want);
	free(job->bytes);
	free(job);
}

/* Looks into the journal.  Returns whether the request is to leave. */
static bool
journal_send(struct sender *s, struct job *job)
{
	char		 when[WHEN_TEXT];
	enum owed_state	 state;
	int64_t		 time;

	if (s->owed == NULL || job->journalled)
		return true;
	if (!owed_send(s->owed, job->ask.key, job->want, job->nas, job->rec, &state, &time,
	    job->why)) {
		/* What cannot be remembered is not sent. */
		s->say("%s: %s", job->where, job->why);
		job->result = "error";
		job->status = EX_IOERR;
		return false;
	}
	job->journalled = state == OWED_NEW;
	if (state == OWED_NEW)
		return true;
	job->time = time;
	when_format(when, time);
	if (state == OWED_DONE) {
		/* Whoever reads us may not have heard of it. */
		job->result = "ack";
		snprintf(job->why, sizeof(job->why), "acknowledged at %s already; "
		    "not sent again", when);
		return false;
	}
	job->result = "owed";
	job->status = EX_TEMPFAIL;
	snprintf(job->why, sizeof(job->why), "sent at %s, and nobody knows the answer; "
	    "not sent again", when);
	return false;
}

static bool
build(struct ask *ask, uint8_t id, struct packet *out, void *arg)
{
	struct sender	*s = arg;
	struct job	*job = (struct job *)ask;
	uint32_t	 now = (uint32_t)when_now();
	uint8_t		*time;

	if (!journal_send(s, job))
		return false;
	job->time = now;
	memcpy(out->b, job->bytes, job->len);
	out->len = job->len;
	out->full = false;
	out->has_ma = job->profile->message_authenticator;
	out->b[1] = id;
	/* Event-Timestamp is the last attribute: profile_packet(). */
	if (job->profile->event_timestamp) {
		time = out->b + out->len - 4;
		time[0] = (uint8_t)(now >> 24);
		time[1] = (uint8_t)(now >> 16);
		time[2] = (uint8_t)(now >> 8);
		time[3] = (uint8_t)now;
	}
	if (!packet_sign(out, ask->secret))
		errx(EX_SOFTWARE, "cannot sign a packet");
	return true;
}

/* The decision's values, for a push. */
static void
read_change(const json_t *rec, struct change *out)
{
	const json_t	*decision = json_object_get(rec, "decision");
	const json_t	*vlan = json_object_get(decision, "vlan");
	const char	*role = json_string_value(json_object_get(decision, "role"));
	const char	*page = json_string_value(json_object_get(decision, "redirect"));

	memset(out, 0, sizeof(*out));
	if (json_is_integer(vlan))
		snprintf(out->vlan, sizeof(out->vlan), "%" JSON_INTEGER_FORMAT,
		    json_integer_value(vlan));
	else if (json_is_string(vlan))
		text_copy(out->vlan, sizeof(out->vlan), json_string_value(vlan));
	if (role != NULL)
		text_copy(out->role, sizeof(out->role), role);
	text_copy(out->redirect, sizeof(out->redirect), page != NULL ? page : SENDER_REDIRECT);
}

/* Keeps the packet of filled attributes in the job.  Returns false when it is too
 * large, or the one that the job has already. */
static bool
keep_packet(struct job *job, const struct filled *filled, size_t n)
{
	struct packet	 packet;

	if (!profile_packet(job->profile, job->action, filled, n, 0, 0, &packet) ||
	    (packet.len == job->len && memcmp(packet.b, job->bytes, packet.len) == 0))
		return false;
	free(job->bytes);
	if ((job->bytes = malloc(packet.len)) == NULL)
		err(EX_OSERR, NULL);
	memcpy(job->bytes, packet.b, packet.len);
	job->len = packet.len;
	return true;
}

/* Notes the names of what was in a request and is not any more. */
static void
note_left_out(struct job *job, const struct filled *was, size_t nwas,
    const struct filled *is, size_t n)
{
	size_t	 i, j;

	json_decref(job->left_out);
	if ((job->left_out = json_array()) == NULL)
		err(EX_OSERR, NULL);
	for (i = 0; i < nwas; i++) {
		for (j = 0; j < n && (strcmp(was[i].name, is[j].name) != 0 ||
		    strcmp(was[i].text, is[j].text) != 0); j++)
			;
		if (j == n)
			json_array_append_new(job->left_out, json_string(was[i].name));
	}
}

/* Makes the packet of a job that goes out once more in another form.  Returns
 * false when there is no other form. */
static bool
remake(struct sender *s, struct job *job, enum action action)
{
	struct filled	 filled[PROFILE_FILLED], all[PROFILE_FILLED];
	struct session	 session;
	struct change	 change;
	enum action	 before = job->action;
	char		 why[FILE_WHY];
	size_t		 n, nall;

	read_change(job->rec, &change);
	if (!record_session(job->rec, &session, why, sizeof(why)) ||
	    !profile_fill(job->profile, action, &session, &change, s->dict, filled, &n, why))
		return false;
	nall = n;
	memcpy(all, filled, n * sizeof(*all));
	if (job->narrow)
		profile_narrow(filled, &n);
	if (job->with_id)
		profile_add_session_id(&session, s->dict, filled, &n);
	job->action = action;
	if (!keep_packet(job, filled, n)) {
		job->action = before;
		return false;
	}
	note_left_out(job, all, nall, filled, n);
	return true;
}

/* What a NAK calls for; RFC 5176, 3.5 says what its causes mean. */
static enum fleet_next
after_nak(struct sender *s, struct job *job, int64_t *pause)
{
	uint32_t	 cause = job->ask.reply.error_cause;
	int		 other = job->profile->action[job->action].fallback;
	enum action	 before = job->action;

	switch (cause) {
	case 505:
	case 506:
		if (job->pauses == SENDER_PAUSES)
			return FLEET_END;
		*pause = (int64_t)s->pause * 1000 << job->pauses++;
		return FLEET_LATER;
	case 503:
		/* Gone, or it has one of our names for it otherwise: that of a user
		 * inside a tunnel it has never seen. */
		if (job->narrow)
			return FLEET_END;
		job->narrow = true;
		return remake(s, job, before) ? FLEET_AGAIN : FLEET_END;
	case 508:
		if (job->with_id)
			return FLEET_END;
		job->with_id = true;
		return remake(s, job, before) ? FLEET_AGAIN : FLEET_END;
	case 401:
	case 402:
	case 405:
	case 406:
	case 407:
		if (other == -1 || job->instead_of != -1 ||
		    !remake(s, job, (enum action)other))
			return FLEET_END;
		job->instead_of = (int)before;
		job->refused = cause;
		return FLEET_AGAIN;
	default:
		return FLEET_END;
	}
}

static enum fleet_next
answered(struct ask *ask, int64_t *pause, void *arg)
{
	return ask->result == ASK_NAK ? after_nak(arg, (struct job *)ask, pause) : FLEET_END;
}

/* One line for a person about a NAK; ACKs need none. */
static void
tell_nak(struct sender *s, const struct job *job)
{
	uint32_t	 cause = job->ask.reply.error_cause;
	const char	*text = packet_error_cause(cause), *hint = packet_error_hint(cause);

	if (cause == 0)
		s->say("%s: %s: NAK without a cause", job->where, job->nas);
	else
		s->say("%s: %s: NAK %u %s%s%s", job->where, job->nas, cause,
		    text != NULL ? text : "(unknown)", hint != NULL ? ": " : "",
		    hint != NULL ? hint : "");
}

/* What the end is called in the journal; a session that is gone needs no more. */
static void
journal_end(struct sender *s, struct job *job, const char *result)
{
	char	 why[FILE_WHY];

	if (!job->journalled)
		return;
	if (job->ask.result == ASK_NAK && job->ask.reply.error_cause == 503)
		result = OWED_ACK;
	if (owed_end(s->owed, job->ask.key, job->want, result, why))
		return;
	s->say("%s: %s", job->where, why);
	job->status = cli_worst(job->status, EX_IOERR);
}

/* What silence may also come from, when this NAS has never said anything: some
 * discard what has an attribute more than they know, or one less. */
static void
hint_silence(struct job *job)
{
	const struct profile	*p = job->profile;
	int			 n;

	n = snprintf(job->why, sizeof(job->why), "%s", job->ask.why);
	if (job->ask.unheard && n > 0 && (size_t)n < sizeof(job->why))
		snprintf(job->why + n, sizeof(job->why) - (size_t)n, "; it has never answered: "
		    "try message-authenticator %s or event-timestamp %s in profile %s",
		    p->message_authenticator ? "no" : "yes",
		    p->event_timestamp ? "no" : "yes", p->name);
}

static void
done(struct ask *ask, void *arg)
{
	struct sender	*s = arg;
	struct job	*job = (struct job *)ask;
	struct outcome	 o = { .nas = job->nas, .profile = job->profile,
			     .action = job->action, .time = job->time, .job = job };

	if (job->result != NULL) {
		o.result = job->result;
		o.why = job->why;
	} else if (ask->result == ASK_ACK)
		o.result = "ack";
	else if (ask->result == ASK_NAK) {
		o.result = "nak";
		/* The client has gone: nothing is left to be done about it. */
		if (ask->reply.error_cause != 503) {
			tell_nak(s, job);
			job->status = STATUS_NO;
		}
	} else {
		o.result = "silent";
		hint_silence(job);
		o.why = job->why;
		s->say("%s: %s: %s", job->where, job->nas, job->why);
		job->status = EX_TEMPFAIL;
	}
	journal_end(s, job, o.result);
	s->status = cli_worst(s->status, cli_worst(job->status, sender_emit(s, job->rec, &o)));
	job_free(job);
}

/* A newer change of the same session has taken its place, and speaks for it. */
static void
dropped(struct ask *ask, void *arg)
{
	(void)arg;
	job_free((struct job *)ask);
}

/* ---- from a record to an ask */

static char *
text_of(json_t *array)
{
	char	*text;

	if (array == NULL || (text = json_dumps(array, JSON_COMPACT | JSON_ENCODE_ANY)) == NULL)
		err(EX_OSERR, NULL);
	json_decref(array);
	return text;
}

/* Which client of which NAS it is; the session may be another by the next time. */
static char *
session_key(const struct session *s)
{
	if (s->calling[0] != '\0')
		return text_of(json_pack("[s,s,s]", s->nas_ip, s->nas_id, s->calling));
	return text_of(json_pack("[s,s,s,s,s]", s->nas_ip, s->nas_id, s->acct_session_id,
	    s->framed_ip, s->audit_session_id));
}

/* Which change of which session it is: what an ACK in the journal stands for. */
static char *
change_key(const json_t *rec, const struct session *s, enum action action)
{
	static const char *const	 keys[] = {
		"action", "vlan", "role", "redirect", "reply"
	};
	const json_t	*decision = json_object_get(rec, "decision");
	json_t		*list = json_pack("[s,s,s]", action_name(action), s->acct_session_id,
			     s->audit_session_id);
	size_t		 i;

	for (i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (json_object_get(decision, keys[i]) != NULL)
			json_array_append(list, json_object_get(decision, keys[i]));
		else
			json_array_append_new(list, json_null());
	return text_of(list);
}

/* The action of a record that `coa-send --owed' has printed: the command line may
 * have named it then. */
static bool
owed_action(const json_t *rec, enum action *out)
{
	const json_t	*repeat = json_object_get(json_object_get(rec, "coa"), "repeat");

	return json_is_string(repeat) && action_parse(json_string_value(repeat), out);
}

/* What is to be done: the command line says, or the record, or else it is a reauth.
 * Returns false, with a reason in why if it is an error, when that is nothing. */
static bool
wanted(const struct sender *s, const json_t *rec, enum action *out, char *why, size_t size)
{
	const json_t	*coa = json_object_get(json_object_get(rec, "decision"), "coa");
	const char	*word = json_string_value(coa);

	why[0] = '\0';
	*out = s->action;
	if (s->action_given || owed_action(rec, out) || coa == NULL || json_is_null(coa) ||
	    (word != NULL && action_parse(word, out)))
		return true;
	if (word == NULL || strcmp(word, "none") != 0)
		snprintf(why, size, "decision.coa: is not none, " ACTION_WORDS);
	return false;
}

/* A job enters the fleet; its record is printed when it ends. */
static void
launch(struct sender *s, struct job *job, json_t *rec, const char *where,
    const struct session *session)
{
	job->rec = json_incref(rec);
	if ((job->where = strdup(where)) == NULL)
		err(EX_OSERR, NULL);
	job->ask.key = session_key(session);
	if (s->owed != NULL)
		job->want = change_key(rec, session, job->action);
	job->ask.name = job->nas;
	job->ask.any_time = !job->profile->event_timestamp;
	while (fleet_full(s->fleet))
		s->run(s);
	fleet_add(s->fleet, &job->ask);
	while (s->in_order && !fleet_idle(s->fleet))
		s->run(s);
}

/* A session and its line in the NAS file become a packet, which leaves. */
static int
act(struct sender *s, json_t *rec, const char *where, const struct session *session,
    struct nas *nas, enum action action)
{
	struct filled	 filled[PROFILE_FILLED];
	struct outcome	 o = { .profile = nas->profile, .action = action };
	struct change	 change;
	struct job	*job = calloc(1, sizeof(*job));
	char		 why[FILE_WHY];
	int		 status;

	if (job == NULL)
		err(EX_OSERR, NULL);
	job->file = nas_hold(s->nas);
	job->profile = nas->profile;
	job->action = action;
	job->instead_of = -1;
	o.nas = job->nas;
	read_change(rec, &change);
	if (!nas_address(nas, session, &job->ask.addr, &job->ask.addrlen, job->nas))
		status = sender_refuse(s, rec, where, &o, "neither the session nor the NAS file "
		    "has an address of this NAS", EX_DATAERR);
	else if (!profile_fill(nas->profile, action, session, &change, s->dict, filled,
	    &o.nfilled, why))
		status = sender_refuse(s, rec, where, &o, why,
		    nas->profile->action[action].code == 0 ? EX_CONFIG : EX_DATAERR);
	else if ((job->ask.secret = nas_secret(nas, why)) == NULL)
		status = sender_refuse(s, rec, where, &o, why,
		    errno == EPERM || errno == EACCES ? EX_NOPERM : EX_CONFIG);
	else if (!keep_packet(job, filled, o.nfilled))
		status = sender_refuse(s, rec, where, &o, "its packet would be too large",
		    EX_DATAERR);
	else if (s->dry_run) {
		o.filled = filled;
		o.result = "dry-run";
		status = sender_emit(s, rec, &o);
	} else {
		launch(s, job, rec, where, session);
		return STATUS_OK;
	}
	job_free(job);
	return status;
}

int
sender_take(json_t *rec, const char *where, void *arg)
{
	struct sender	*s = arg;
	struct outcome	 o = { .action = s->action };
	struct session	 session;
	enum action	 action;
	struct nas	*nas;
	char		 why[FILE_WHY];
	bool		 send;

	s->count.taken++;
	if (json_object_get(rec, "session") == NULL)
		return sender_refuse(s, rec, where, &o, "this record has no session", EX_DATAERR);
	if (!record_session(rec, &session, why, sizeof(why)))
		return sender_refuse(s, rec, where, &o, why, EX_DATAERR);
	send = wanted(s, rec, &action, why, sizeof(why));
	if (!send && why[0] != '\0')
		return sender_refuse(s, rec, where, &o, why, EX_DATAERR);
	o.action = action;
	if (session.ended || !send) {
		o.result = "skipped";
		o.why = session.ended ? "the session has ended" : "decision.coa is none";
		return sender_emit(s, rec, &o);
	}
	if ((nas = nas_find(s->nas, &session)) == NULL) {
		snprintf(why, sizeof(why), "the NAS %.64s is not in %.300s",
		    session.nas_ip[0] != '\0' ? session.nas_ip :
		    session.nas_id[0] != '\0' ? session.nas_id : "(without a name)",
		    s->nas->name);
		return sender_refuse(s, rec, where, &o, why, EX_CONFIG);
	}
	return act(s, rec, where, &session, nas, action);
}

void
sender_start(struct sender *s)
{
	s->options.build = build;
	s->options.answered = answered;
	s->options.done = done;
	s->options.dropped = dropped;
	s->options.arg = s;
	s->fleet = fleet_new(&s->options);
}

void
sender_stop(struct sender *s)
{
	fleet_free(s->fleet);
	s->fleet = NULL;
}
