// SPDX-License-Identifier: GPL-2.0
#include <argp.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "choose.h"
#include "options.h"
#include "pinstress.h"

enum {
	OPT_FIRST = 256,
	OPT_CONSUMERS, OPT_MEMORY, OPT_CHAOS, OPT_JOBS, OPT_DURATION, OPT_OPERATIONS,
	OPT_CHECKPOINT, OPT_HOLD, OPT_PAGES, OPT_NUMA, OPT_SEED, OPT_RATE, OPT_RESULTS,
	OPT_RESUME, OPT_REPLAY, OPT_ON_FAIL, OPT_JSON, OPT_LIST, OPT_STRICT, OPT_DRAIN,
	OPT_NO_NARROW, OPT_ATTRIBUTE, OPT_LOG_SIZE, OPT_REPEAT,
};

static const char doc[] =
	"Loads the kernel with everything that pins pages, and checks that the books balance.\v"
	"Workers let consumers of pins work on memory of all kinds, as the seed has it, and\n"
	"write down in a ledger what each call must acquire and release. At each checkpoint\n"
	"all wait, keeping a known number of pages pinned, and the ledger is compared with\n"
	"nr_foll_pin_acquired and nr_foll_pin_released, in total and on each node, with VmPin\n"
	"of the workers, and with the kernel log.\n"
	"\n"
	"LIST is names or patterns with commas between, as in 'uring_*,dio_read'; --list has\n"
	"them. TIME is a number with ms, s, m, h or d.\n"
	"\n"
	"A checkpoint is\n"
	"  exact         to the page\n"
	"  bounded       in balance; as predicted or a little more was acquired (chaos, killed\n"
	"                workers, memory that is migrated before it is pinned)\n"
	"  excused       off by a known issue of this kernel\n"
	"  inconclusive  other programs pinned pages: cannot be judged\n"
	"  fail          anything else\n"
	"\n"
	"On a failure the run ends, and shorter runs by the same seed look for the smallest\n"
	"set of consumers, memory and chaos that still fails. It is saved as reproduce.job in\n"
	"DIR, $PINSTRESS_JOBS or the working directory. Ctrl-C and SIGTERM end a run with a\n"
	"last checkpoint and a verdict.\n"
	"\n"
	"Exit status: 0 balanced, 1 not, 2 wrong usage or output cannot be written, 4 more\n"
	"than a quarter of the checkpoints were inconclusive, or nothing can be run here.\n"
	"\n"
	"Examples:\n"
	"  pinstress --duration 10s\n"
	"  pinstress --consumers 'uring_*' --memory anon,thp --operations 100000 --seed 7\n"
	"  pinstress --duration 7d --chaos all --results /var/tmp/soak\n"
	"  pinstress --resume /var/tmp/soak\n";

static const struct argp_option argp_options[] = {
	{ NULL, 0, NULL, 0, "What:", 1 },
	{ "consumers", OPT_CONSUMERS, "LIST", 0, "Ways to pin (default all)", 1 },
	{ "memory", OPT_MEMORY, "LIST", 0, "Kinds of memory (default all)", 1 },
	{ "chaos", OPT_CHAOS, "LIST", 0, "Disturbances (default none)", 1 },
	{ "pages", OPT_PAGES, "MIN-MAX", 0,
	  "Size of buffers that have no size of their own (default 2-256)", 1 },
	{ "repeat", OPT_REPEAT, "N", 0,
	  "Calls at most on one buffer before the next step (default 64)", 1 },
	{ "hold", OPT_HOLD, "PAGES", 0, "Pages each worker keeps pinned (default 64)", 1 },
	{ "numa", OPT_NUMA, "spread|NODE", 0, "Where memory comes from (default spread)", 1 },
	{ "seed", OPT_SEED, "N", 0, "Where the sequences start (default 1)", 1 },
	{ "replay", OPT_REPLAY, "FILE", 0, "Run the job that FILE has", 1 },
	{ "list", OPT_LIST, NULL, 0,
	  "List consumers, memory and chaos, and end; with --json, all about the consumers", 1 },
	{ NULL, 0, NULL, 0, "How much:", 2 },
	{ "jobs", OPT_JOBS, "N", 0, "Worker processes (default: one per CPU, two at least)", 2 },
	{ "duration", OPT_DURATION, "TIME", 0, "Run so long (default 1m)", 2 },
	{ "operations", OPT_OPERATIONS, "N", 0, "Or so many calls that pin", 2 },
	{ "rate", OPT_RATE, "N", 0, "At most so many calls a second and worker", 2 },
	{ NULL, 0, NULL, 0, "Judging:", 3 },
	{ "checkpoint", OPT_CHECKPOINT, "TIME", 0, "Between two checkpoints (default 10s)", 3 },
	{ "drain", OPT_DRAIN, "TIME", 0, "Wait so long for late releases (default 5s)", 3 },
	{ "strict", OPT_STRICT, NULL, 0, "Known kernel issues fail, too", 3 },
	{ "on-fail", OPT_ON_FAIL, "stop|continue|exec:CMD|panic", 0,
	  "What to do when a checkpoint fails (default stop)", 3 },
	{ "no-narrow", OPT_NO_NARROW, NULL, 0, "Do not look for the smallest set that fails", 3 },
	{ "attribute", OPT_ATTRIBUTE, NULL, 0,
	  "Run what failed once more under pintrace, and print who took pins that stay", 3 },
	{ NULL, 0, NULL, 0, "Output:", 4 },
	{ "results", OPT_RESULTS, "DIR", 0, "Record every checkpoint in DIR", 4 },
	{ "resume", OPT_RESUME, "DIR", 0, "Go on with the run that DIR has", 4 },
	{ "log-size", OPT_LOG_SIZE, "KB", 0,
	  "Begin a new file in DIR when one has so much (default 16384)", 4 },
	{ "json", OPT_JSON, NULL, 0, "JSON Lines on the standard output", 4 },
	{ "quiet", 'q', NULL, 0, "Say only what is wrong, and the verdict", 4 },
	{ NULL, 0, NULL, 0, NULL, -1 },
	{ 0 }
};

static uint64_t parse_number(struct argp_state *state, const char *name, const char *arg,
			     uint64_t min, uint64_t max)
{
	unsigned long long n;
	char *end;

	errno = 0;
	n = strtoull(arg, &end, 0);
	if (errno || end == arg || *end || *arg == '-' || n < min || n > max)
		argp_error(state, "%s: '%s' is not a number from %llu to %llu", name, arg,
			   (unsigned long long)min, (unsigned long long)max);
	return n;
}

static uint64_t parse_span(struct argp_state *state, const char *name, const char *arg,
			   uint64_t min)
{
	uint64_t ns = 0;

	if (!pin_parse_time(arg, &ns) || ns < min)
		argp_error(state, "%s: '%s' is not a time of %g s or more, such as 500ms, 10s, 30m, 12h, 7d",
			   name, arg, min / 1e9);
	return ns;
}

static void parse_pages(struct argp_state *state, struct options *opt, const char *arg)
{
	char end;
	int n = sscanf(arg, "%u-%u%c", &opt->min_pages, &opt->max_pages, &end);

	if (n == 1 && arg[strspn(arg, "0123456789")] == '\0')
		opt->max_pages = opt->min_pages;
	else if (n != 2)
		opt->min_pages = 0;
	if (!opt->min_pages || opt->min_pages > opt->max_pages || opt->max_pages > 65536)
		argp_error(state, "--pages: '%s' is not MIN-MAX from 1 to 65536", arg);
}

static void parse_on_fail(struct argp_state *state, struct options *opt, char *arg)
{
	if (!strcmp(arg, "stop")) {
		opt->on_fail = ON_FAIL_STOP;
	} else if (!strcmp(arg, "continue")) {
		opt->on_fail = ON_FAIL_CONTINUE;
	} else if (!strcmp(arg, "panic")) {
		opt->on_fail = ON_FAIL_PANIC;
	} else if (!strncmp(arg, "exec:", 5) && arg[5]) {
		opt->on_fail = ON_FAIL_EXEC;
		opt->command = arg + 5;
	} else {
		argp_error(state, "--on-fail: '%s' is not stop, continue, exec:CMD or panic", arg);
	}
}

/* Those that make up the job: a job file may have them. */
static error_t parse_job_opt(int key, char *arg, struct argp_state *state)
{
	struct options *opt = state->input;

	switch (key) {
	case OPT_CONSUMERS:
		opt->consumers = arg;
		break;
	case OPT_MEMORY:
		opt->memory = arg;
		break;
	case OPT_CHAOS:
		opt->chaos = arg;
		break;
	case OPT_PAGES:
		parse_pages(state, opt, arg);
		break;
	case OPT_REPEAT:
		opt->repeat = parse_number(state, "--repeat", arg, 1, 1u << 24);
		break;
	case OPT_HOLD:
		opt->hold = parse_number(state, "--hold", arg, 0, 1u << 30);
		break;
	case OPT_NUMA:
		opt->node = !strcmp(arg, "spread") ? NODE_SPREAD :
			    (int)parse_number(state, "--numa", arg, 0, 1023);
		break;
	case OPT_SEED:
		opt->seed = parse_number(state, "--seed", arg, 0, INT64_MAX);
		break;
	case OPT_JOBS:
		opt->jobs = parse_number(state, "--jobs", arg, 1, MAX_JOBS);
		break;
	case OPT_DURATION:
		opt->duration_ns = parse_span(state, "--duration", arg, MSEC);
		break;
	case OPT_OPERATIONS:
		opt->operations = parse_number(state, "--operations", arg, 1, INT64_MAX);
		break;
	case OPT_RATE:
		opt->rate = parse_number(state, "--rate", arg, 1, 1000000000);
		break;
	case OPT_CHECKPOINT:
		opt->checkpoint_ns = parse_span(state, "--checkpoint", arg, 10 * MSEC);
		break;
	case OPT_STRICT:
		opt->strict = true;
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

static bool job_given;	/* on the command line */

static error_t parse_opt(int key, char *arg, struct argp_state *state)
{
	struct options *opt = state->input;

	switch (key) {
	case OPT_REPLAY:
		opt->replay = arg;
		break;
	case OPT_LIST:
		opt->list = true;
		break;
	case OPT_DRAIN:
		opt->drain_ns = parse_span(state, "--drain", arg, MSEC);
		break;
	case OPT_ON_FAIL:
		parse_on_fail(state, opt, arg);
		break;
	case OPT_ATTRIBUTE:
		opt->attribute = true;
		break;
	case OPT_NO_NARROW:
		opt->narrow = false;
		break;
	case OPT_RESULTS:
		opt->results = arg;
		break;
	case OPT_RESUME:
		opt->resume = arg;
		break;
	case OPT_LOG_SIZE:
		opt->log_bytes = parse_number(state, "--log-size", arg, 1, 1u << 30) << 10;
		break;
	case OPT_JSON:
		opt->json = true;
		break;
	case 'q':
		opt->quiet = true;
		break;
	case ARGP_KEY_END:
		if (opt->replay && (job_given || opt->resume))
			argp_error(state, "--replay goes without what its file says, and without --resume");
		if (opt->resume && (job_given || opt->results))
			argp_error(state, "--resume takes the job and the folder from DIR: leave out --results and all of \"What\" and \"How much\"");
		break;
	default:
		if (parse_job_opt(key, arg, state))
			return ARGP_ERR_UNKNOWN;
		job_given = true;
	}
	return 0;
}

static void set_defaults(struct options *opt)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);

	*opt = (struct options){
		.consumers = (char *)"all", .memory = (char *)"all", .chaos = (char *)"none",
		.seed = 1,
		.checkpoint_ns = 10 * SEC,
		.jobs = cpus < 2 ? 2 : cpus > MAX_JOBS ? MAX_JOBS : cpus,
		.hold = 64,
		.min_pages = 2, .max_pages = 256,
		.repeat = 64,
		.node = NODE_SPREAD,
		.drain_ns = 5 * SEC,
		.log_bytes = 16u << 20,
		.narrow = true,
	};
}

static void check(struct options *opt)
{
	if (!opt->duration_ns && !opt->operations)
		opt->duration_ns = 60 * SEC;
}

int parse_job(struct options *opt, int argc, char **argv)
{
	const struct argp argp = { .options = argp_options, .parser = parse_job_opt };

	if (argp_parse(&argp, argc, argv, ARGP_NO_EXIT | ARGP_NO_HELP, NULL, opt))
		return -EINVAL;
	check(opt);
	return 0;
}

void parse_options(struct options *opt, int argc, char **argv)
{
	const struct argp argp = {
		.options = argp_options, .parser = parse_opt, .doc = doc,
	};

	set_defaults(opt);
	argp_err_exit_status = EXIT_USAGE;
	argp_parse(&argp, argc, argv, 0, NULL, opt);
	check(opt);
}
