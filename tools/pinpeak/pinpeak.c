// SPDX-License-Identifier: GPL-2.0
/*
 * pinpeak - the tightest loop around each way to pin pages: the ceiling that
 * everything which keeps books is measured against.
 */
#include <argp.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "choose.h"
#include "lock.h"
#include "pinpeak.h"
#include "scratch.h"

#define MAX_PAGES	65536
#define DRAIN_NS	(5 * SEC)
#define SETTLE_NS	(20 * SEC)
#define REST_NS		(2 * SEC)
#define LOOK_NS		(100 * MSEC)
#define POOL		4	/* hugetlb pages for each process, on each node */

volatile sig_atomic_t interrupted;

enum {
	OPT_FIRST = 256,
	OPT_CONSUMERS, OPT_PAGES, OPT_MEMORY, OPT_SECONDS, OPT_DURATION, OPT_ROUNDS,
	OPT_JOBS, OPT_JSON, OPT_LIST,
};

static const char doc[] =
	"Pins and unpins in the tightest loop, as fast as this kernel can: the ceiling.\v"
	"The loop has no books: only at the end the counters are compared with how often it\n"
	"went round. Pins that only the end of their owner releases have opening and closing\n"
	"in the loop. Rounds of all loops alternate, so that what else the machine does hits\n"
	"all of them alike.\n"
	"\n"
	"pins/s are calls that pin, pages/s what they pin, and the two say different things: a\n"
	"call that pins a huge page costs little more than one that pins a small one. Both are\n"
	"of the wall clock, and fall when others use the CPUs. CPU ns do not: user and system\n"
	"time of the process with all its threads, those of io_uring too. Not in it: interrupts\n"
	"and what kernel threads (of a loop device, of RCU, work items) do for it meanwhile.\n"
	"\n"
	"O_DIRECT reads and writes files in $TMPDIR.\n"
	"\n"
	"LIST is names or patterns with commas between, as in 'uring_*,dio_read'; --list has\n"
	"them. TIME is a number with ms, s, m or h.\n"
	"\n"
	"Exit status: 0 balanced, 1 not, 2 wrong usage or output cannot be written, 4 other\n"
	"programs pinned pages, or nothing can be run here; 128 + N after signal N.\n"
	"\n"
	"Examples:\n"
	"  pinpeak --consumers uring_buffers,dio_read\n"
	"  pinpeak --consumers 'uring_*' --memory thp --pages 512 --jobs 2 --json\n";

static const struct argp_option argp_options[] = {
	{ "consumers", OPT_CONSUMERS, "LIST", 0, "Ways to pin (default all)", 1 },
	{ "memory", OPT_MEMORY, "KIND", 0, "Kind of memory (default anon)", 1 },
	{ "pages", OPT_PAGES, "N[,N...]", 0,
	  "Sizes of the buffer, if its kind has none of its own (default 1,16,256)", 1 },
	{ "seconds", OPT_SECONDS, "TIME", 0,
	  "How long each loop runs, in all rounds together (default 1s)", 1 },
	{ "duration", OPT_DURATION, NULL, OPTION_ALIAS, NULL, 1 },
	{ "rounds", OPT_ROUNDS, "N", 0, "Rounds (default 5)", 1 },
	{ "jobs", OPT_JOBS, "N", 0, "Processes that do so at a time (default 1)", 1 },
	{ "json", OPT_JSON, NULL, 0, "JSON Lines", 2 },
	{ "list", OPT_LIST, NULL, 0, "List consumers and memory, and end", 2 },
	{ NULL, 0, NULL, 0, NULL, -1 },
	{ 0 }
};

static unsigned int parse_number(struct argp_state *state, const char *name, const char *arg,
				 unsigned int max)
{
	unsigned long n;
	char *end;

	errno = 0;
	n = strtoul(arg, &end, 10);
	if (errno || end == arg || *end || *arg == '-' || !n || n > max)
		argp_error(state, "%s: '%s' is not a number from 1 to %u", name, arg, max);
	return n;
}

static void parse_sizes(struct argp_state *state, struct options *opt, char *arg)
{
	char *size;

	opt->nr_sizes = 0;
	while ((size = strsep(&arg, ","))) {
		if (opt->nr_sizes == MAX_SIZES)
			argp_error(state, "--pages: no more than %d sizes", MAX_SIZES);
		opt->size[opt->nr_sizes++] = parse_number(state, "--pages", size, MAX_PAGES);
	}
}

static error_t parse_opt(int key, char *arg, struct argp_state *state)
{
	struct options *opt = state->input;

	switch (key) {
	case OPT_CONSUMERS:
		opt->consumers = arg;
		break;
	case OPT_MEMORY:
		opt->kind = pin_memkind_find(arg);
		if (!opt->kind)
			argp_error(state, "--memory: nothing is called '%s'; --list shows what there is",
				   arg);
		break;
	case OPT_PAGES:
		parse_sizes(state, opt, arg);
		break;
	case OPT_SECONDS:
		if (!pin_parse_time(arg, &opt->ns) || opt->ns < MSEC || opt->ns > 86400 * SEC)
			argp_error(state, "--seconds: '%s' is not a time from 1ms to 1d, such as 500ms or 10s",
				   arg);
		break;
	case OPT_ROUNDS:
		opt->rounds = parse_number(state, "--rounds", arg, MAX_ROUNDS);
		break;
	case OPT_JOBS:
		opt->jobs = parse_number(state, "--jobs", arg, MAX_JOBS);
		break;
	case OPT_JSON:
		opt->json = true;
		break;
	case OPT_LIST:
		opt->list = true;
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

static void on_signal(int sig)
{
	interrupted = sig;
}

static void catch_signals(void)
{
	/* No SA_RESTART: who waits is to notice. */
	const struct sigaction sa = { .sa_handler = on_signal };

	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
	sigaction(SIGHUP, &sa, NULL);
}

static const char *consumer_name(unsigned int i)
{
	return pin_consumers[i]->name;
}

/* In a process of its own, as some probes pin. */
static int list(const struct pin_kernel *k)
{
	char why[PIN_WHY_LEN];
	struct pin_mem m;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid) {
		while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
			;
		return EXIT_BALANCED;
	}
	for (unsigned int i = 0; i < pin_nr_consumers; i++) {
		const struct pin_consumer *c = pin_consumers[i];

		printf("consumer  %-20s %s", c->name, c->help);
		if (c->probe && c->probe(k, why))
			printf(" (not here: %s)", why);
		putchar('\n');
	}
	for (unsigned int i = 0; i < pin_nr_memkinds; i++) {
		printf("memory    %-20s %s", pin_memkinds[i]->name, pin_memkinds[i]->help);
		if (pin_mem_alloc(&m, pin_memkinds[i], k, 1))
			printf(" (not here: %s)", m.why);
		else
			pin_mem_free(&m);
		putchar('\n');
	}
	fflush(stdout);
	_exit(0);
}

/* What all loops must have moved the counters by. */
static void add_up(const struct options *opt, const struct cell *c, struct pin_predict *sum)
{
	uint64_t n = 0;

	for (unsigned int r = 0; r < MAX_ROUNDS; r++) {
		for (unsigned int j = 0; j < opt->jobs; j++)
			n += c->share[r][j].operations + c->share[r][j].extra;
	}
	sum->acquired += n * (c->pin.acquired + c->unpin.acquired);
	sum->released += n * (c->pin.released + c->unpin.released);
	if (c->pin.issue)
		sum->released += n * c->pin.issue_released;
	sum->migrated += n * (c->pin.migrated + c->pin.or_more);
}

/* Wait for releases that come late; then it is as it is. */
static int drain(const struct pin_counters *counters, const struct pin_snapshot *start,
		 const struct pin_predict *foretold, struct pin_count *moved)
{
	const uint64_t deadline = pin_now_ns() + DRAIN_NS;
	struct pin_snapshot now;
	int err;

	for (;;) {
		err = pin_counters_settle(counters, &now, SETTLE_NS);
		if (err)
			return err;
		moved->acquired = now.total.acquired - start->total.acquired;
		moved->released = now.total.released - start->total.released;
		if (pin_outstanding(moved) <= (int64_t)(foretold->acquired - foretold->released) ||
		    pin_now_ns() > deadline)
			return 0;
		pin_sleep_ns(5 * MSEC);
	}
}

/* Wait until they move no more, or not that long. */
static int at_rest(const struct pin_counters *counters, struct pin_snapshot *now,
		   uint64_t patience, bool *moves)
{
	const uint64_t deadline = pin_now_ns() + patience;
	struct pin_snapshot before;
	int err;

	do {
		err = pin_counters_settle(counters, &before, SETTLE_NS);
		pin_sleep_ns(LOOK_NS);
		if (!err)
			err = pin_counters_settle(counters, now, SETTLE_NS);
		*moves = err || memcmp(&before.total, &now->total, sizeof(before.total));
	} while (!err && *moves && pin_now_ns() < deadline && !interrupted);
	return err;
}

static int complain(const char *what, int err)
{
	fprintf(stderr, "pinpeak: %s: %s\n", what, strerror(-err));
	return EXIT_INCONCLUSIVE;
}

static int measure_all(const struct options *opt, const struct pin_kernel *k,
		       const struct pin_counters *counters, struct cell *cells, unsigned int nr)
{
	struct pin_predict foretold = { .acquired = 0 };
	struct pin_snapshot start, end;
	struct pin_count moved;
	bool others;
	unsigned int any = 0;
	int err, code;

	probe_all(k, cells, nr);
	/* What the probes have pinned may be late to go. */
	err = at_rest(counters, &start, REST_NS, &others);
	if (err)
		return complain("the counters do not come to rest", err);
	report_start(opt, k);
	for (unsigned int r = 0; r < opt->rounds; r++) {
		for (unsigned int i = 0; i < nr && !interrupted; i++) {
			if (!cells[i].err)
				run_round(opt, k, &cells[i]);
		}
	}
	for (unsigned int i = 0; i < nr; i++) {
		report_cell(opt, &cells[i]);
		any += !cells[i].err;
		add_up(opt, &cells[i], &foretold);
	}
	if (interrupted)
		return 128 + interrupted;
	err = drain(counters, &start, &foretold, &moved) ?:
	      at_rest(counters, &end, 0, &others);
	if (err)
		return complain("the counters do not come to rest", err);
	code = report_end(opt, &foretold, &moved, others);
	if (any || code != EXIT_BALANCED)
		return code;
	fprintf(stderr, "pinpeak: nothing of what was asked for can be had here\n");
	return EXIT_INCONCLUSIVE;
}

static int prepare(const struct options *opt, struct pin_kernel *k,
		   const struct pin_counters *counters)
{
	static char dir[256];
	char why[PIN_WHY_LEN];
	int err = pin_scratch_start();

	if (err)
		return complain("cannot start a process", err);
	while (pin_lock_machine(true) == -EINTR && !interrupted)
		;
	err = pin_kernel_init(k, counters);
	if (err)
		return complain("cannot tell which kernel this is", err);
	if (!pin_scratch_dir(dir, sizeof(dir), why))
		setenv("TMPDIR", dir, 1);
	if (k->pmd_size)
		pin_scratch_hugepages(k->pmd_size, POOL * opt->jobs, why);
	return 0;
}

static int run(const struct options *opt, const bool *chosen)
{
	struct pin_counters counters;
	struct pin_kernel kernel;
	struct cell *cells;
	unsigned int nr = 0;
	int ret;

	ret = pin_counters_open(&counters);
	if (ret == -EOPNOTSUPP) {
		fprintf(stderr, "pinpeak: this kernel does not count pins: Linux 5.7 and later do\n");
		return EXIT_INCONCLUSIVE;
	}
	if (ret)
		return complain("/proc/vmstat", ret);
	ret = prepare(opt, &kernel, &counters);
	if (ret)
		return ret;
	if (opt->list)
		return list(&kernel);
	cells = mmap(NULL, pin_nr_consumers * opt->nr_sizes * sizeof(*cells),
		     PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (cells == MAP_FAILED)
		return complain("the table of results", -errno);
	for (unsigned int i = 0; i < pin_nr_consumers; i++) {
		for (unsigned int s = 0; s < opt->nr_sizes && chosen[i]; s++) {
			cells[nr].consumer = pin_consumers[i];
			cells[nr++].wanted = opt->size[s];
		}
	}
	return measure_all(opt, &kernel, &counters, cells, nr);
}

int main(int argc, char **argv)
{
	static struct options opt = {
		.consumers = "all", .size = { 1, 16, 256 }, .nr_sizes = 3,
		.ns = SEC, .rounds = 5, .jobs = 1,
	};
	const struct argp argp = { .options = argp_options, .parser = parse_opt, .doc = doc };
	char why[PIN_WHY_LEN];
	bool *chosen = calloc(pin_nr_consumers, sizeof(*chosen));
	int ret;

	if (!chosen)
		return EXIT_INCONCLUSIVE;
	opt.kind = pin_memkind_find("anon");
	argp_err_exit_status = EXIT_USAGE;
	argp_parse(&argp, argc, argv, 0, NULL, &opt);
	if (pin_choose(opt.consumers, consumer_name, pin_nr_consumers, chosen, why)) {
		fprintf(stderr, "pinpeak: --consumers: %s\n", why);
		return EXIT_USAGE;
	}
	catch_signals();
	ret = run(&opt, chosen);
	pin_scratch_end();
	free(chosen);
	return ret;
}
