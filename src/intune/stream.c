#include <err.h>
#include <pthread.h>
#include <stdlib.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/cli.h"
#include "base/progress.h"
#include "base/text.h"
#include "base/when.h"
#include "device/record.h"
#include "intune/crew.h"
#include "intune/stream.h"

struct stream {
	stream_pick		 pick;
	void			*arg;
	struct record_source	*source;
	pthread_mutex_t		 reader;	/* whoever reads holds it, and draws a ticket */
	struct turn		 turn;
	struct crew		 crew;
	unsigned		 jobs, running, reading;
	_Atomic bool		 end;		/* of the input, or nobody takes our output */
	int			 status;
	unsigned long		 silent;	/* failures in a row, */
	unsigned long		 untold;	/* and how many of them nobody was told */
	struct progress		 progress;
};

/* One record on its way through. */
struct work {
	json_t		*rec;
	unsigned long	 ticket;
	char		 where[TEXT_SHOWN];
	char		 why[256];
};

/* Says how many failures were passed over. */
static void
tell_untold(struct stream *s)
{
	if (s->untold > 0)
		warnx("%lu records more were not answered", s->untold);
	s->untold = 0;
}

/* One message for each record would fill a log for as long as Intune is away. */
static int
failed(struct stream *s, const struct query *q, const char *where)
{
	if (++s->silent <= STREAM_TOLD)
		warnx("%s: %s", where, graph_why(q->graph));
	else if (s->untold++ == 0)
		warnx("%s: not answered either: from here on failures are only counted, until "
		    "a record is answered", where);
	return graph_status(q->graph);
}

/* What was known of the device until now; nothing if that cannot be read. */
static bool
known(const json_t *rec, struct answer *was)
{
	char	 why[256];

	return record_answer(rec, was, why, sizeof(why)) && was->has_device;
}

/* Asks for it, waits for its turn, and prints the answer or the reason why not. */
static int
answer_one(struct stream *s, struct work *w)
{
	struct identity	 id;
	struct answer	 answer, was;
	struct query	*q = NULL;
	enum graph_end	 end = GRAPH_OK;
	int		 status = EX_DATAERR;
	bool		 bad = w->rec == NULL ||
			    !record_identity(w->rec, &id, w->why, sizeof(w->why));

	if (!bad && id.nguid == 0 && id.nname == 0 && !id.has_mac &&
	    id.device_serial[0] == '\0' && !id.ambiguous) {
		text_copy(w->why, sizeof(w->why),
		    "identity: holds no GUID, name or MAC to ask for");
		bad = true;
	}
	if (!bad && (q = s->pick(s->arg, w->rec, &id, w->why, sizeof(w->why), &status)) == NULL)
		bad = true;
	if (!bad)
		end = query_answer(q, &id, known(w->rec, &was) ? &was.device : NULL, w->where,
		    &answer);
	turn_wait(&s->turn, w->ticket);
	if (bad || end != GRAPH_OK || s->untold > 0)
		progress_clear(&s->progress);
	if (bad) {
		warnx("%s: %s", w->where, w->why);
		return status;
	}
	if (end != GRAPH_OK)
		return failed(s, q, w->where);
	s->silent = 0;
	tell_untold(s);
	record_put_answer(w->rec, &answer, when_now());
	progress_yield(&s->progress);
	return record_print(w->rec, stdout);
}

/* Reads the next record and draws its ticket; one thread at a time, while the
 * others work. */
static bool
next(struct stream *s, struct work *w)
{
	uint64_t	 total = 0;
	bool		 got = false;

	s->reading++;
	crew_leave();
	pthread_mutex_lock(&s->reader);
	if (!s->end && (got = record_next(s->source, &w->rec, w->where, w->why,
	    sizeof(w->why))))
		w->ticket = s->turn.drawn++;
	else
		s->end = true;
	if (s->progress.shown)
		total = record_guess(s->source);
	pthread_mutex_unlock(&s->reader);
	crew_enter();
	s->reading--;
	if (total > 0)
		s->progress.total = total;
	return got;
}

static void *
run(void *arg)
{
	struct stream	*s = arg;
	struct work	 w;

	while (next(s, &w)) {
		/* Somebody should be waiting for the next one meanwhile. */
		if (s->reading == 0 && s->running < s->jobs && crew_spawn(&s->crew, run, s))
			s->running++;
		s->status = cli_worst(s->status, answer_one(s, &w));
		progress_add(&s->progress, 1);
		if (ferror(stdout))
			s->end = true;
		json_decref(w.rec);
		turn_done(&s->turn);
	}
	return NULL;
}

int
stream_run(stream_pick pick, void *arg, int argc, char **argv, FILE *in, unsigned jobs,
    bool ordered)
{
	struct stream	*s;
	int		 status;

	if ((s = calloc(1, sizeof(*s))) == NULL)
		err(EX_OSERR, NULL);
	s->pick = pick;
	s->arg = arg;
	s->source = record_open(argc, argv, in);
	progress_start(&s->progress, "records", (uint64_t)argc);
	/* Whoever types the records sees how far he is. */
	if (argc == 0 && isatty(fileno(in)))
		s->progress.shown = false;
	/* Without a crew there is no lock for a second one. */
	s->jobs = crew_started() ? jobs : 1;
	s->running = 1;
	pthread_mutex_init(&s->reader, NULL);
	turn_init(&s->turn, ordered);
	run(s);
	crew_join(&s->crew);
	progress_clear(&s->progress);
	tell_untold(s);
	status = cli_worst(s->status, record_close(s->source));
	pthread_mutex_destroy(&s->reader);
	free(s);
	return status;
}
