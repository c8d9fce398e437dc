// SPDX-License-Identifier: GPL-2.0
/*
 * After a failure: shorter runs of the same seed with halves of what was at
 * work, until no half fails any more. What is left is the reproducer.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "attribute.h"
#include "chaos.h"
#include "pinstress.h"
#include "scratch.h"

#define MAX_RUNS	60
#define MIN_NS		(2 * SEC)
#define MAX_NS		(60 * SEC)
#define BUDGET_NS	(600 * SEC)

struct set {
	const char *option;
	unsigned int nr;
	const char *name[LEDGER_CONSUMERS];
};

struct search {
	struct run *run;
	struct set consumers, memory, chaos;
	struct options job;	/* the smallest one that failed so far */
	uint64_t end_ns;
	unsigned int runs;
	char text[3][1200];	/* of the lists in @job */
};

static void list_text(const struct set *s, unsigned int first, unsigned int nr, char *text,
		      size_t len)
{
	size_t used = 0;

	snprintf(text, len, "none");
	for (unsigned int i = first; i < first + nr && used < len; i++)
		used += snprintf(text + used, len - used, "%s%s", used ? "," : "", s->name[i]);
}

struct command {
	char *argv[80];
	char line[8192];
	char drain[32];
};

/* @job as a command line that neither narrows down nor says much. */
static void make_command(struct command *c, const struct options *job)
{
	char *rest = c->line, *word;
	int argc = 0;

	job_line(job, c->line, sizeof(c->line));
	c->argv[argc++] = (char *)"pinstress";
	c->argv[argc++] = (char *)"--no-narrow";
	c->argv[argc++] = (char *)"--quiet";
	c->argv[argc++] = (char *)"--drain";
	snprintf(c->drain, sizeof(c->drain), "%gs", job->drain_ns / 1e9);
	c->argv[argc++] = c->drain;
	while ((word = strsep(&rest, " ")) && argc < 79)
		c->argv[argc++] = word;
	c->argv[argc] = NULL;
}

/* Run @job in a process that starts anew; true if it fails as well. */
static bool fails(struct search *se, const struct options *job)
{
	struct command c;
	int status = 0, null;
	pid_t pid;

	make_command(&c, job);
	se->runs++;
	fflush(NULL);
	pid = fork();
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGTERM);
		null = open("/dev/null", O_WRONLY);
		dup2(null, STDOUT_FILENO);
		dup2(null, STDERR_FILENO);
		/* The lock is ours. */
		setenv("PIN_LOCK", "/dev/null", 1);
		execv("/proc/self/exe", c.argv);
		_exit(127);
	}
	while (pid > 0 && waitpid(pid, &status, 0) < 0) {
		if (interrupted)
			kill(pid, SIGTERM);
	}
	return pid > 0 && WIFEXITED(status) && WEXITSTATUS(status) == EXIT_UNBALANCED;
}

static bool patience(const struct search *se)
{
	return !interrupted && se->runs < MAX_RUNS && pin_now_ns() < se->end_ns;
}

/* Try the job with @nr of @s from @first on; keep it if it fails. */
static bool try_part(struct search *se, struct set *s, char **list, char *text,
		     unsigned int first, unsigned int nr)
{
	struct options job = se->job;
	char part[1200], **slot = (char **)((char *)&job + ((char *)list - (char *)&se->job));

	if (!patience(se))
		return false;
	list_text(s, first, nr, part, sizeof(part));
	*slot = part;
	if (!fails(se, &job))
		return false;
	memmove(s->name, s->name + first, nr * sizeof(s->name[0]));
	s->nr = nr;
	memcpy(text, part, sizeof(part));
	*list = text;
	report_event(se->run, "still fails with --%s %s", s->option, text);
	return true;
}

static void halve(struct search *se, struct set *s, char **list, char *text)
{
	while (s->nr > 1) {
		unsigned int half = s->nr / 2, rest = s->nr - half;

		if (!try_part(se, s, list, text, 0, half) &&
		    !try_part(se, s, list, text, half, rest))
			break;
	}
}

/* @s without its number @i goes to the end: the others are a part of it. */
static void move_to_end(struct set *s, unsigned int i)
{
	const char *name = s->name[i];

	memmove(s->name + i, s->name + i + 1, (s->nr - 1 - i) * sizeof(s->name[0]));
	s->name[s->nr - 1] = name;
}

/* By halves, and then one by one what it does not take. */
static void shrink(struct search *se, struct set *s, char **list, char *text)
{
	unsigned int needed = 0;

	halve(se, s, list, text);
	while (s->nr > 1 && needed < s->nr && patience(se)) {
		move_to_end(s, 0);
		if (!try_part(se, s, list, text, 0, s->nr - 1))
			needed++;
	}
}

static void set_from_run(struct search *se)
{
	const struct activity *done = &se->run->fail_done;

	se->consumers.option = "consumers";
	se->memory.option = "memory";
	se->chaos.option = "chaos";
	for (unsigned int i = 0; i < pin_nr_consumers; i++) {
		if (done->consumer_ops[i])
			se->consumers.name[se->consumers.nr++] = pin_consumers[i]->name;
	}
	for (unsigned int i = 0; i < pin_nr_memkinds; i++) {
		uint64_t ops = 0;

		for (unsigned int j = 0; j < pin_nr_consumers; j++)
			ops += done->cell[j][i];
		if (ops)
			se->memory.name[se->memory.nr++] = pin_memkinds[i]->name;
	}
	for (unsigned int i = 0; i < pin_nr_chaos; i++) {
		if (chaos_selected(i))
			se->chaos.name[se->chaos.nr++] = pin_chaos[i]->name;
	}
}

static void say_line(void *arg, const char *line)
{
	report_event(arg, "attribute: %s", line);
}

/* Once more under pintrace: who took the pins that stay? */
static void attribute_job(struct run *r, const struct options *job)
{
	struct command c;

	make_command(&c, job);
	report_event(r, "attribute: running it under pintrace");
	if (pin_attribute(c.argv, say_line, r))
		report_event(r, "attribute: no report");
}

static void say_what_is_left(struct search *se)
{
	struct run *r = se->run;
	char line[4096], path[512];
	int err;

	job_line(&se->job, line, sizeof(line));
	report_event(r, "smallest set that fails, after %u runs: --consumers %s --memory %s --chaos %s",
		     se->runs, se->job.consumers, se->job.memory, se->job.chaos);
	report_reproducer(r, line);
	snprintf(path, sizeof(path), "%s/reproduce.job", r->opt->results ? r->opt->results :
		 getenv("PINSTRESS_JOBS") ? getenv("PINSTRESS_JOBS") : ".");
	err = job_save(&se->job, path);
	if (err)
		report_event(r, "%s: %s", path, strerror(-err));
	else
		report_event(r, "or by: pinstress --replay %s", path);
	if (r->opt->attribute && !interrupted)
		attribute_job(r, &se->job);
}

void narrow_down(struct run *r)
{
	static struct search se;
	uint64_t interval = r->opt->checkpoint_ns;

	se.run = r;
	se.job = *r->opt;
	se.end_ns = pin_now_ns() + BUDGET_NS;
	se.job.results = NULL;
	/* Long enough for what happened once in an interval to happen again. */
	se.job.duration_ns = 2 * interval < MIN_NS ? MIN_NS :
			     2 * interval > MAX_NS ? MAX_NS : 2 * interval;
	se.job.checkpoint_ns = se.job.duration_ns / 4;
	set_from_run(&se);
	list_text(&se.consumers, 0, se.consumers.nr, se.text[0], sizeof(se.text[0]));
	list_text(&se.memory, 0, se.memory.nr, se.text[1], sizeof(se.text[1]));
	list_text(&se.chaos, 0, se.chaos.nr, se.text[2], sizeof(se.text[2]));
	se.job.consumers = se.text[0];
	se.job.memory = se.text[1];
	se.job.chaos = se.text[2];
	report_event(r, "looking for the smallest set that fails (Ctrl-C ends that)");
	if (!fails(&se, &se.job)) {
		report_event(r, "it did not fail again in %.0f s: a race, or rarer than that; the whole job stands",
			     se.job.duration_ns / 1e9);
		se.job = *r->opt;
		se.job.results = NULL;
		say_what_is_left(&se);
		return;
	}
	if (se.chaos.nr && patience(&se)) {
		struct options calm = se.job;

		calm.chaos = (char *)"none";
		if (fails(&se, &calm)) {
			se.job = calm;
			se.chaos.nr = 0;
			report_event(r, "still fails without chaos");
		}
	}
	shrink(&se, &se.consumers, &se.job.consumers, se.text[0]);
	shrink(&se, &se.memory, &se.job.memory, se.text[1]);
	shrink(&se, &se.chaos, &se.job.chaos, se.text[2]);
	say_what_is_left(&se);
}
