// SPDX-License-Identifier: GPL-2.0
/*
 * What is said about a run: lines for people, JSON Lines for machines, such as
 * pinreport. Each record has a type and a time:
 *
 *   start       kernel, machine, job and what it comes to, the counters; again
 *               when the run is resumed
 *   checkpoint  its verdict, what was predicted and measured in the interval,
 *               the counters as they stand, operations and chaos in it
 *   event       a text; elapsed_s as a checkpoint has it, once the run goes
 *   reproducer  the smallest job that still fails
 *   end         the verdict and the sums
 */
#include <errno.h>
#include <jansson.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "chaos.h"
#include "pinstress.h"

const char *const verdict_names[] = {
	[V_EXACT] = "exact", [V_BOUNDED] = "bounded", [V_EXCUSED] = "excused",
	[V_INCONCLUSIVE] = "inconclusive", [V_FAIL] = "fail",
};

/* More of them than one in so many, and the run has no verdict. */
#define INCONCLUSIVE_SHARE	4

static bool terminal;
static bool progress_shown;

static void clear_progress(void)
{
	if (progress_shown)
		fputs("\r\033[K", stdout);
	progress_shown = false;
}

/* One object to the standard output and to the folder, whoever is wanted. */
static void put(struct run *r, json_t *o)
{
	char *text;
	int err;

	if (!r->opt->json && !r->opt->results) {
		json_decref(o);
		return;
	}
	text = json_dumps(o, JSON_COMPACT | JSON_REAL_PRECISION(9));
	json_decref(o);
	if (!text)
		abort();
	if (r->opt->json)
		puts(text);
	err = r->opt->results ? soak_write(text) : 0;
	free(text);
	if (err && !r->output_failed) {
		clear_progress();
		fprintf(stderr, "pinstress: %s: %s: what is recorded stays, and the run ends here; --resume goes on with it\n",
			r->opt->results, strerror(-err));
		r->output_failed = true;
		interrupted = SIGTERM;
	}
}

static json_t *object(const char *type)
{
	json_t *o = json_object();
	struct timespec now;
	char text[64];
	struct tm tm;

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &tm);
	strftime(text, sizeof(text), "%FT%TZ", &tm);
	json_object_set_new(o, "type", json_string(type));
	json_object_set_new(o, "time", json_string(text));
	return o;
}

static void number(json_t *o, const char *key, int64_t n)
{
	json_object_set_new(o, key, json_integer(n));
}

static void string(json_t *o, const char *key, const char *s)
{
	json_object_set_new(o, key, json_string(s));
}

static void real(json_t *o, const char *key, double x)
{
	json_object_set_new(o, key, json_real(x));
}

static json_t *count(int64_t acquired, int64_t released)
{
	json_t *o = json_object();

	number(o, "acquired", acquired);
	number(o, "released", released);
	return o;
}

int report_open(struct run *r)
{
	terminal = isatty(STDOUT_FILENO) && !r->opt->json;
	setvbuf(stdout, NULL, _IOLBF, 0);
	return 0;
}

static void names(char *text, size_t len, const unsigned char *which, unsigned int nr,
		  const char *(*name)(unsigned int i))
{
	size_t used = 0;

	*text = '\0';
	for (unsigned int i = 0; i < nr && used < len; i++)
		used += snprintf(text + used, len - used, "%s%s", i ? "," : "", name(which[i]));
}

static const char *consumer_name(unsigned int i)
{
	return pin_consumers[i]->name;
}

static const char *kind_name(unsigned int i)
{
	return pin_memkinds[i]->name;
}

static void chaos_names(char *text, size_t len)
{
	size_t used = snprintf(text, len, "none");

	for (unsigned int i = 0, n = 0; i < pin_nr_chaos && used < len; i++) {
		if (chaos_selected(i)) {
			if (!n)
				used = 0;
			used += snprintf(text + used, len - used, "%s%s", n++ ? "," : "",
					 pin_chaos[i]->name);
		}
	}
}

static void describe_machine(const struct run *r, char *text, size_t len)
{
	struct utsname u = {};

	uname(&u);
	snprintf(text, len, "%s, CPUs: %ld, memory nodes: %d, %lld MiB in pages of %ld KiB",
		 u.machine, sysconf(_SC_NPROCESSORS_ONLN), r->counters.nr_nodes,
		 (long long)sysconf(_SC_PHYS_PAGES) * r->kernel.page_size >> 20,
		 r->kernel.page_size / 1024);
}

void report_start(struct run *r)
{
	const struct options *opt = r->opt;
	char job[4096], consumers[4096], kinds[1024], chaos[512], boot[64], machine[256];
	json_t *o = object("start");

	job_line(opt, job, sizeof(job));
	names(consumers, sizeof(consumers), r->choice.consumer, r->choice.nr_consumers,
	      consumer_name);
	names(kinds, sizeof(kinds), r->choice.kind, r->choice.nr_kinds, kind_name);
	chaos_names(chaos, sizeof(chaos));
	read_boot_id(boot, sizeof(boot));
	describe_machine(r, machine, sizeof(machine));
	string(o, "kernel", r->kernel.release);
	string(o, "machine", machine);
	string(o, "boot_id", boot);
	string(o, "job", job);
	string(o, "consumers", consumers);
	string(o, "memory", kinds);
	string(o, "chaos", chaos);
	number(o, "workers", opt->jobs);
	json_object_set_new(o, "seed", json_integer((json_int_t)opt->seed));
	json_object_set_new(o, "flushed", json_boolean(pin_counters_exact(&r->counters)));
	json_object_set_new(o, "counters", count(r->start.total.acquired,
						 r->start.total.released));
	put(r, o);
	if (opt->json)
		return;
	printf("pinstress on %s: %u workers, %u consumers on %u kinds of memory, chaos: %s\n",
	       r->kernel.release, opt->jobs, r->choice.nr_consumers, r->choice.nr_kinds, chaos);
	printf("again: pinstress %s\n", job);
	if (!pin_counters_exact(&r->counters))
		printf("not root: the counters cannot be flushed, so each checkpoint takes %.0f s and more\n",
		       r->counters.settle_ns / 1e9);
}

static void span(char *text, size_t len, double seconds)
{
	if (seconds < 600)
		snprintf(text, len, "%.1f s", seconds);
	else if (seconds < 36000)
		snprintf(text, len, "%.1f min", seconds / 60);
	else
		snprintf(text, len, "%.1f h", seconds / 3600);
}

void report_progress(struct run *r)
{
	static uint64_t next, last_ns, last_ops, last_pages;
	uint64_t now = pin_now_ns(), ops = 0, pages = 0, kept = 0;
	char eta[48] = "", left[32];
	double seconds;

	if (!terminal || now < next)
		return;
	for (unsigned int i = 0; i < r->ledger->nr_lines; i++) {
		const struct line *l = &r->ledger->line[i];

		ops += l->done.operations;
		pages += l->books.all.acquired;
		kept += l->kept;
	}
	seconds = (now - last_ns) / 1e9;
	if (r->opt->duration_ns && now < r->deadline_ns) {
		span(left, sizeof(left), (r->deadline_ns - now) / 1e9);
		snprintf(eta, sizeof(eta), ", %s left", left);
	}
	if (last_ns)
		printf("\r\033[K%.0f s: %.0f ops/s, %.0f pages/s pinned, %llu pages kept, checkpoints %llu right%s",
		       (now - r->start_ns) / 1e9, (ops - last_ops) / seconds,
		       (pages - last_pages) / seconds, (unsigned long long)kept,
		       (unsigned long long)(r->verdicts[V_EXACT] + r->verdicts[V_BOUNDED] +
					    r->verdicts[V_EXCUSED]), eta);
	fflush(stdout);
	progress_shown = true;
	last_ns = now;
	last_ops = ops;
	last_pages = pages;
	next = now + SEC;
}

void report_event(struct run *r, const char *fmt, ...)
{
	char text[1024];
	json_t *o;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	clear_progress();
	o = object("event");
	if (r->start_ns)
		real(o, "elapsed_s", (pin_now_ns() - r->start_ns) / 1e9);
	string(o, "text", text);
	put(r, o);
	if (!r->opt->json)
		printf("# %s\n", text);
}

void report_reproducer(struct run *r, const char *job)
{
	json_t *o = object("reproducer");

	string(o, "job", job);
	put(r, o);
	if (!r->opt->json)
		printf("# reproduce by: pinstress %s\n", job);
}

void describe_activity(const struct activity *a, char *text, size_t len)
{
	size_t used = snprintf(text, len, "nobody");
	bool any = false;

	for (unsigned int i = 0; i < pin_nr_consumers; i++) {
		if (!a->consumer_ops[i])
			continue;
		if (!any)
			used = 0;
		if (used < len)
			used += snprintf(text + used, len - used, "%s%s %llu", any ? ", " : "",
					 pin_consumers[i]->name,
					 (unsigned long long)a->consumer_ops[i]);
		any = true;
	}
}

static json_t *activity_json(const struct activity *a)
{
	json_t *list = json_object(), *o;

	for (unsigned int i = 0; i < pin_nr_consumers; i++) {
		if (!a->consumer_ops[i])
			continue;
		o = json_object();
		number(o, "operations", a->consumer_ops[i]);
		number(o, "pages", a->consumer_pages[i]);
		json_object_set_new(list, pin_consumers[i]->name, o);
	}
	return list;
}

static json_t *chaos_json(const struct activity *a)
{
	json_t *list = json_object();

	for (unsigned int i = 0; i < pin_nr_chaos; i++) {
		if (a->chaos[i])
			number(list, pin_chaos[i]->name, a->chaos[i]);
	}
	return list;
}

static const char *kind_of_acquired(const struct checkpoint *cp)
{
	return cp->predicted.slack || cp->mm ? "bounded" : "exact";
}

static uint64_t step_of(const struct line *l)
{
	return l->step;
}

static uint64_t pins_of(const struct line *l)
{
	return l->pins_done;
}

static json_t *per_worker(const struct run *r, uint64_t (*value)(const struct line *l))
{
	json_t *list = json_array();

	for (unsigned int i = 0; i < r->ledger->nr_lines; i++)
		json_array_append_new(list, json_integer(value(&r->ledger->line[i])));
	return list;
}

static void checkpoint_json(struct run *r, const struct checkpoint *cp)
{
	json_t *o = object("checkpoint");
	double seconds = cp->interval_ns / 1e9;

	number(o, "n", cp->n);
	string(o, "verdict", verdict_names[cp->verdict]);
	real(o, "elapsed_s", cp->at_ns / 1e9);
	real(o, "interval_s", seconds);
	number(o, "operations", cp->done.operations);
	json_object_set_new(o, "predicted", count(cp->predicted.all.acquired,
						  cp->predicted.all.released));
	json_object_set_new(o, "measured", count(cp->moved.acquired, cp->moved.released));
	json_object_set_new(o, "excess", count(cp->off_acquired, cp->off_released));
	number(o, "acquired_may_exceed_by", cp->predicted.slack);
	string(o, "acquired_is", kind_of_acquired(cp));
	string(o, "balance_is", cp->flushed ? "exact" : "exact, settled");
	string(o, "nodes_are", nodes_are_judged(r) ? "exact" : "judged in sum");
	number(o, "disturbed", cp->predicted.disturbed);
	number(o, "held", cp->held);
	json_object_set_new(o, "counters", count(cp->counters.acquired, cp->counters.released));
	json_object_set_new(o, "steps", per_worker(r, step_of));
	json_object_set_new(o, "pins", per_worker(r, pins_of));
	number(o, "foreign", cp->foreign);
	number(o, "vmpin_kib", cp->vmpin_kib);
	real(o, "barrier_ms", cp->barrier_ns / 1e6);
	real(o, "drain_ms", cp->drain_ns / 1e6);
	real(o, "work_ms", cp->work_ns / 1e6);
	if (cp->done.unfit)
		number(o, "unfit", cp->done.unfit);
	if (cp->done.refused)
		number(o, "refused", cp->done.refused);
	if (cp->done.viewed)
		number(o, "pages_viewed", cp->done.viewed);
	json_object_set_new(o, "consumers", activity_json(&cp->done));
	json_object_set_new(o, "chaos", chaos_json(&cp->done));
	if (cp->mm)
		string(o, "explained", cp->mm);
	if (*cp->reason)
		string(o, "reason", cp->reason);
	put(r, o);
}

static void print_lines(const char *text)
{
	const char *end;

	for (; *text; text = *end ? end + 1 : end) {
		end = strchrnul(text, '\n');
		printf("#   %.*s\n", (int)(end - text), text);
	}
}

void report_checkpoint(struct run *r, const struct checkpoint *cp)
{
	double seconds = cp->interval_ns / 1e9;

	checkpoint_json(r, cp);
	clear_progress();
	if (r->opt->json || (r->opt->quiet && cp->verdict <= V_EXCUSED))
		return;
	printf("checkpoint %llu at %.1f s: %s: %.0f ops/s, %.0f pages/s, %lld held, late %.1f ms",
	       (unsigned long long)cp->n, cp->at_ns / 1e9, verdict_names[cp->verdict],
	       cp->done.operations / seconds, cp->moved.acquired / seconds,
	       (long long)cp->held, cp->drain_ns / 1e6);
	if (cp->done.viewed)
		printf(", %llu looked at", (unsigned long long)cp->done.viewed);
	if (cp->predicted.disturbed)
		printf(", %llu disturbed", (unsigned long long)cp->predicted.disturbed);
	if (cp->verdict == V_BOUNDED)
		printf(", %lld pages more, both ways", (long long)cp->off_acquired);
	putchar('\n');
	print_lines(cp->reason);
}

/* The sequence of each worker, to compare two runs by. */
static json_t *sequences(const struct run *r)
{
	json_t *list = json_array(), *o;
	char hash[20];

	for (unsigned int i = 0; i < r->ledger->nr_lines; i++) {
		const struct line *l = &r->ledger->line[i];

		snprintf(hash, sizeof(hash), "%016llx", (unsigned long long)l->hash);
		o = json_object();
		number(o, "worker", i);
		number(o, "steps", l->step);
		string(o, "hash", hash);
		json_array_append_new(list, o);
	}
	return list;
}

static enum exit_code final_verdict(const struct run *r, char *why, size_t len)
{
	uint64_t right = r->verdicts[V_EXACT] + r->verdicts[V_BOUNDED] + r->verdicts[V_EXCUSED];
	uint64_t unknown = r->verdicts[V_INCONCLUSIVE];
	uint64_t all = right + unknown + r->verdicts[V_FAIL];

	if (r->verdicts[V_FAIL]) {
		snprintf(why, len, "%llu of %llu checkpoints failed, the first was number %llu",
			 (unsigned long long)r->verdicts[V_FAIL], (unsigned long long)all,
			 (unsigned long long)r->first_fail);
		return EXIT_UNBALANCED;
	}
	if (unknown * INCONCLUSIVE_SHARE > all) {
		snprintf(why, len, "%llu of %llu checkpoints could not be judged",
			 (unsigned long long)unknown, (unsigned long long)all);
		return EXIT_INCONCLUSIVE;
	}
	snprintf(why, len, "%llu checkpoints: %llu exact, %llu bounded (%llu pages more, both ways), %llu excused, %llu inconclusive",
		 (unsigned long long)all, (unsigned long long)r->verdicts[V_EXACT],
		 (unsigned long long)r->verdicts[V_BOUNDED], (unsigned long long)r->excess,
		 (unsigned long long)r->verdicts[V_EXCUSED], (unsigned long long)unknown);
	return EXIT_BALANCED;
}

static void print_consumers(const struct activity *a, double seconds)
{
	printf("%-20s %14s %12s %16s\n", "consumer", "operations", "per s", "pages/s");
	for (unsigned int i = 0; i < pin_nr_consumers; i++) {
		if (a->consumer_ops[i])
			printf("%-20s %14llu %12.0f %16.0f\n", pin_consumers[i]->name,
			       (unsigned long long)a->consumer_ops[i],
			       a->consumer_ops[i] / seconds, a->consumer_pages[i] / seconds);
	}
}

/* Chosen, and yet of these nothing can be said. */
static json_t *idle_consumers(const struct run *r, const struct activity *a)
{
	json_t *names = json_array();

	for (unsigned int i = 0; i < r->choice.nr_consumers; i++) {
		const unsigned int c = r->choice.consumer[i];

		if (!a->consumer_ops[c])
			json_array_append_new(names, json_string(pin_consumers[c]->name));
	}
	return names;
}

static void print_idle(const json_t *names)
{
	const json_t *name;
	size_t i;

	if (!json_array_size(names))
		return;
	printf("never at work, and not judged:");
	json_array_foreach(names, i, name)
		printf(" %s", json_string_value(name));
	putchar('\n');
}

static void print_unfit(const struct run *r, const struct activity *a)
{
	if (!a->unfit)
		return;
	printf("%llu steps could not be set up, such as:\n", (unsigned long long)a->unfit);
	for (unsigned int i = 0; i < r->ledger->nr_lines; i++) {
		if (*r->ledger->line[i].unfit_text) {
			printf("#   %s\n", r->ledger->line[i].unfit_text);
			break;
		}
	}
}

int report_end(struct run *r)
{
	static const char *const words[] = {
		[EXIT_BALANCED] = "BALANCED", [EXIT_UNBALANCED] = "NOT BALANCED",
		[EXIT_INCONCLUSIVE] = "INCONCLUSIVE",
	};
	static struct activity all;
	double seconds = (r->end_ns - r->start_ns) / 1e9 + r->elapsed_before;
	enum exit_code code;
	json_t *o = object("end");
	const double cpu = r->cpu_s;
	json_t *idle;
	char why[256];

	ledger_activity(r->ledger, &all);
	activity_add(&all, &r->before_start);
	idle = idle_consumers(r, &all);
	code = final_verdict(r, why, sizeof(why));
	string(o, "verdict", words[code]);
	number(o, "exit_code", code);
	string(o, "why", why);
	real(o, "elapsed_s", seconds);
	if (interrupted)
		number(o, "signal", interrupted);
	number(o, "operations", all.operations);
	for (int v = V_EXACT; v <= V_FAIL; v++)
		number(o, verdict_names[v], r->verdicts[v]);
	number(o, "workers_lost", r->deaths);
	real(o, "cpu_s", cpu);
	real(o, "cpu_coordinator_s", r->coordinator_s);
	number(o, "unfit", all.unfit);
	json_object_set_new(o, "consumers", activity_json(&all));
	json_object_set(o, "idle", idle);
	json_object_set_new(o, "chaos", chaos_json(&all));
	json_object_set_new(o, "sequences", sequences(r));
	put(r, o);
	clear_progress();
	if (!r->opt->json) {
		if (!r->opt->quiet) {
			print_consumers(&all, seconds);
			print_idle(idle);
			if (all.operations && !r->opt->resume)
				printf("CPU: %.1f s, %.0f ns for each call that pins\n", cpu,
				       cpu * 1e9 / all.operations);
			print_unfit(r, &all);
		}
		if (r->deaths)
			printf("%llu workers were killed and replaced\n",
			       (unsigned long long)r->deaths);
		printf("%s: %s%s\n", words[code], why, interrupted ? " (interrupted)" : "");
	}
	json_decref(idle);
	if (fflush(stdout) || ferror(stdout)) {
		fprintf(stderr, "pinstress: the standard output cannot be written\n");
		r->output_failed = true;
	}
	/* A difference is worth more than a full disk. */
	return r->output_failed && code != EXIT_UNBALANCED ? EXIT_USAGE : code;
}
