// SPDX-License-Identifier: GPL-2.0
/*
 * pinstat - watch the pin counters live, or audit the pins of one command.
 *
 * This file: options and the live table. audit.c: `pinstat -- CMD`.
 */
#include <argp.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "attribute.h"
#include "pinstat.h"

#define MAX_SECONDS 31536000.0 /* a year: far from any overflow */

enum {
	OPT_JSON = 0x100,
	OPT_QUIET_WAIT,
	OPT_STATUS,
	OPT_BY_PROCESS,
};

static const char doc[] =
	"Show the kernel's pin counters nr_foll_pin_acquired and nr_foll_pin_released\n"
	"live, or run CMD and tell whether every page it pinned (pin_user_pages: direct\n"
	"I/O, io_uring fixed buffers, RDMA, VFIO, AF_XDP, ...) was released again.\n"
	"\vWithout CMD, one line an interval: pages acquired and released per\n"
	"second, pages outstanding (acquired - released, a sum since boot) and its\n"
	"change in the interval. Ctrl-C ends it with a summary line.\n"
	"\n"
	"With CMD, pinstat waits for a quiet machine, takes a baseline, runs CMD, and\n"
	"polls until all its pins are released: the kernel drops many of them only some\n"
	"10 ms after the process is gone. The last line of the report is the verdict:\n"
	"\n"
	"  BALANCED         all released; says so if CMD pinned nothing\n"
	"  LEAK             acquired and not released within the deadline\n"
	"  OVER-RELEASE     more released than acquired\n"
	"  NODE-IMBALANCE   balanced in total, but not on each NUMA node\n"
	"  INCONCLUSIVE     pins were taken or released by others before or after the\n"
	"                   run, or pins are outstanding and descendants of CMD alive\n"
	"\n"
	"The text report goes to standard error, which leaves standard output to CMD;\n"
	"JSON goes to standard output; -o overrides both. Ctrl-C reaches CMD as usual\n"
	"and the verdict still follows; once CMD has ended, another Ctrl-C ends the\n"
	"wait for late releases. SIGTERM, and SIGINT, SIGQUIT and SIGHUP sent by a\n"
	"process, are passed on to CMD.\n"
	"\n"
	"Limits:\n"
	"  The counters belong to the whole machine. Foreign pins are noticed in looks\n"
	"  of 0.2 s before and after the run, not during it: what another process pins\n"
	"  or unpins only while CMD runs is booked on CMD. Repeat a finding on an idle\n"
	"  machine before you believe it, or use --by-process (root and BPF), which\n"
	"  tells them apart. A process that a daemon starts for CMD\n"
	"  (docker, systemd-run) is no descendant of CMD. The peak is sampled about\n"
	"  every 20 ms; pins that live shorter are counted, but their peak may be\n"
	"  missed.\n"
	"\n"
	"  Only root may make the kernel fold its per-CPU counts (by\n"
	"  /proc/sys/vm/stat_refresh). Others wait 2 x vm.stat_interval for an exact\n"
	"  answer, and live values and the lag may be late by as much.\n"
	"\n"
	"  Kernels miscount some pins: O_DIRECT on vfat, for one, releases more than it\n"
	"  acquires on 6.12 and 7.3.\n"
	"\n"
	"Exit status:\n"
	"  0    balanced (--status: CMD's own status)\n"
	"  1    leak, over-release or node imbalance\n"
	"  2    wrong usage, or the output cannot be written\n"
	"  4    inconclusive; or no counters: Linux before 5.7, no /proc\n"
	"  126  CMD cannot be executed\n"
	"  127  CMD not found\n"
	"\n"
	"Examples:\n"
	"  pinstat -n -i 0.5\n"
	"  pinstat --json -c 60 > pins.jsonl\n"
	"  pinstat -- fio --name=x --filename=/tmp/x --size=64m --rw=randread \\\n"
	"      --direct=1 --ioengine=io_uring --fixedbufs=1 --iodepth=32\n"
	"  pinstat --status -- make -C liburing runtests\n"
	"  pinstat --json -o pins.json -- ./my_test --verbose\n";

static const struct argp_option argp_options[] = {
	{ NULL, 0, NULL, 0, "Live table:", 1 },
	{ "interval", 'i', "SECONDS", 0, "Time between lines (default 1)", 1 },
	{ "count", 'c', "COUNT", 0, "Stop after COUNT lines (default: never)",
	  1 },
	{ NULL, 0, NULL, 0, "Audit of a command:", 2 },
	{ "drain", 't', "SECONDS", 0,
	  "Wait this long for late releases (default 5)", 2 },
	{ "quiet-wait", OPT_QUIET_WAIT, "SECONDS", 0,
	  "Wait this long for a quiet machine before CMD is started (default 1)",
	  2 },
	{ "status", OPT_STATUS, NULL, 0,
	  "Exit with CMD's own status (128 + N: killed by signal N) unless pins leaked;\n"
	  "4 if CMD succeeded but the verdict is inconclusive",
	  2 },
	{ "output", 'o', "FILE", 0, "Write the report to FILE (-: stdout)", 2 },
	{ NULL, 0, NULL, 0, "Both:", 3 },
	{ "nodes", 'n', NULL, 0, "Per NUMA node as well", 3 },
	{ "json", OPT_JSON, NULL, 0, "JSON Lines: one object a line", 3 },
	{ "by-process", OPT_BY_PROCESS, NULL, 0,
	  "Who takes and holds the pins: by pintrace, for -i times -c seconds or until Ctrl-C, or while CMD runs",
	  3 },
	{ NULL, 0, NULL, 0, NULL, -1 },
	{ 0 }
};

static uint64_t parse_seconds(struct argp_state *state, const char *name,
			      const char *arg, double min)
{
	char *end;
	double v;

	errno = 0;
	v = strtod(arg, &end);
	if (end == arg || *end || errno || !(v >= min && v <= MAX_SECONDS))
		argp_error(state, "%s: '%s' is not %g to %.0f seconds", name,
			   arg, min, MAX_SECONDS);
	return v * NSEC_PER_SEC;
}

static uint64_t parse_count(struct argp_state *state, const char *arg)
{
	unsigned long long v;
	char *end;

	errno = 0;
	v = strtoull(arg, &end, 10);
	if (*arg < '0' || *arg > '9' || *end || errno || !v)
		argp_error(state, "--count: '%s' is not a number from 1", arg);
	return v;
}

static error_t parse_opt(int key, char *arg, struct argp_state *state)
{
	struct options *opt = state->input;

	switch (key) {
	case 'i':
		opt->interval_ns =
			parse_seconds(state, "--interval", arg, 0.01);
		opt->live_given = true;
		break;
	case 'c':
		opt->count = parse_count(state, arg);
		opt->live_given = true;
		break;
	case 'n':
		opt->nodes = true;
		break;
	case 't':
		opt->drain_ns = parse_seconds(state, "--drain", arg, 0);
		opt->audit_given = true;
		break;
	case 'o':
		opt->output = arg;
		opt->audit_given = true;
		break;
	case OPT_JSON:
		opt->json = true;
		break;
	case OPT_BY_PROCESS:
		opt->by_process = true;
		break;
	case OPT_QUIET_WAIT:
		opt->quiet_wait_ns =
			parse_seconds(state, "--quiet-wait", arg, 0);
		opt->audit_given = true;
		break;
	case OPT_STATUS:
		opt->child_status = true;
		opt->audit_given = true;
		break;
	case ARGP_KEY_ARGS:
		opt->cmd = state->argv + state->next;
		break;
	case ARGP_KEY_NO_ARGS:
		if (!strcmp(state->argv[state->argc - 1], "--"))
			argp_error(state, "no command after --");
		break;
	case ARGP_KEY_END:
		if (opt->cmd && opt->live_given)
			argp_error(state, "-i and -c go without a command");
		if (!opt->cmd && opt->audit_given)
			argp_error(state, "%s need a command",
				   "-t, -o, --quiet-wait and --status");
		if (opt->by_process && opt->nodes)
			argp_error(state, "--by-process goes without --nodes");
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

/*
 * A closed standard descriptor would be given to the next file opened, and a
 * report written to stat_refresh looks like success: make such writes fail.
 */
static void occupy_std_fds(void)
{
	int fd;

	for (fd = 0; fd <= 2; fd++)
		if (fcntl(fd, F_GETFD) < 0 &&
		    open("/dev/null", (fd ? O_RDONLY : O_WRONLY) | O_CLOEXEC) <
			    0)
			_exit(EXIT_USAGE);
}

/* --help and --usage go through exit(). */
static void check_stdout(void)
{
	if (fflush(stdout) || ferror(stdout))
		_exit(EXIT_USAGE);
}

int finish_output(FILE *out)
{
	if (!fflush(out) && !ferror(out))
		return 0;
	fprintf(stderr, "pinstat: cannot write the output: %s\n",
		strerror(errno));
	return EXIT_USAGE;
}

void put_json(FILE *out, json_t *obj)
{
	/* A write error is left in @out, for finish_output(). */
	json_dumpf(obj, out, JSON_COMPACT | JSON_REAL_PRECISION(12));
	fputc('\n', out);
	json_decref(obj);
}

void put_string(json_t *obj, const char *key, const char *value)
{
	json_object_set_new(obj, key, json_string(value));
}

void put_int(json_t *obj, const char *key, int64_t value)
{
	json_object_set_new(obj, key, json_integer(value));
}

void put_real(json_t *obj, const char *key, double value)
{
	json_object_set_new(obj, key, json_real(value));
}

json_t *json_nodes(const struct pin_counters *c,
		   const struct pin_snapshot *from,
		   const struct pin_snapshot *to)
{
	json_t *list = json_array(), *node;
	struct pin_count d;
	int i;

	for (i = 0; i < c->nr_nodes; i++) {
		d = count_delta(&from->node[i], &to->node[i]);
		node = json_object();
		put_int(node, "node", c->node_id[i]);
		put_int(node, "acquired", d.acquired);
		put_int(node, "released", d.released);
		put_int(node, "outstanding", pin_outstanding(&to->node[i]));
		put_int(node, "change", pin_outstanding(&d));
		json_array_append_new(list, node);
	}
	return list;
}

static void format_time(char *buf, size_t size, const char *format, bool msec)
{
	struct timespec now;
	struct tm tm;
	size_t n;

	clock_gettime(CLOCK_REALTIME, &now);
	localtime_r(&now.tv_sec, &tm);
	n = strftime(buf, size, format, &tm);
	if (msec)
		snprintf(buf + n, size - n, ".%03ld", now.tv_nsec / 1000000);
}

struct live {
	const struct options *opt;
	const struct pin_counters *c;
	bool tty;
	unsigned long lines; /* since the header */
};

static unsigned int screen_lines(void)
{
	struct winsize ws;

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &ws) || ws.ws_row < 4)
		return 24;
	return ws.ws_row;
}

static void live_header(struct live *l, unsigned int rows)
{
	if (l->lines && (!l->tty || l->lines + rows < screen_lines()))
		return;
	printf("%-23s %6s %14s %14s %16s %14s\n", "time", "node", "acquired/s",
	       "released/s", "outstanding", "change");
	l->lines = 1;
}

static void live_line(const char *time, const char *node,
		      const struct pin_count *from, const struct pin_count *to,
		      double seconds)
{
	struct pin_count d = count_delta(from, to);

	printf("%-23s %6s %14.0f %14.0f %16lld %+14lld\n", time, node,
	       (int64_t)d.acquired / seconds, (int64_t)d.released / seconds,
	       (long long)pin_outstanding(to), (long long)pin_outstanding(&d));
}

static void live_table(struct live *l, const struct pin_snapshot *from,
		       const struct pin_snapshot *to)
{
	bool msec = l->opt->interval_ns % NSEC_PER_SEC;
	double seconds = (double)(to->ns - from->ns) / NSEC_PER_SEC;
	int i, nodes = l->opt->nodes ? l->c->nr_nodes : 0;
	char time[40], id[16];

	live_header(l, 1 + nodes);
	format_time(time, sizeof(time), l->tty ? "%T" : "%FT%T", msec);
	live_line(time, "all", &from->total, &to->total, seconds);
	for (i = 0; i < nodes; i++) {
		snprintf(id, sizeof(id), "%d", l->c->node_id[i]);
		live_line(time, id, &from->node[i], &to->node[i], seconds);
	}
	l->lines += 1 + nodes;
}

static void live_json(struct live *l, const char *type,
		      const struct pin_snapshot *from,
		      const struct pin_snapshot *to)
{
	struct pin_count d = count_delta(&from->total, &to->total);
	double seconds = (double)(to->ns - from->ns) / NSEC_PER_SEC;
	json_t *obj = json_object();
	char time[48];

	format_time(time, sizeof(time), "%FT%T", true);
	put_string(obj, "type", type);
	put_string(obj, "time", time);
	put_real(obj, "seconds", seconds);
	json_object_set_new(obj, "flushed",
			    json_boolean(pin_counters_exact(l->c)));
	put_int(obj, "acquired", d.acquired);
	put_int(obj, "released", d.released);
	put_real(obj, "acquired_per_s", (int64_t)d.acquired / seconds);
	put_real(obj, "released_per_s", (int64_t)d.released / seconds);
	put_int(obj, "outstanding", pin_outstanding(&to->total));
	put_int(obj, "change", pin_outstanding(&d));
	if (l->opt->nodes)
		json_object_set_new(obj, "nodes", json_nodes(l->c, from, to));
	put_json(stdout, obj);
}

static void live_summary(struct live *l, const struct pin_snapshot *from,
			 const struct pin_snapshot *to)
{
	struct pin_count d = count_delta(&from->total, &to->total);

	if (l->opt->json) {
		live_json(l, "summary", from, to);
		return;
	}
	printf("%s# %.1f s: acquired %llu, released %llu, outstanding %lld (%+lld)\n",
	       l->tty ? "\n" : "", (double)(to->ns - from->ns) / NSEC_PER_SEC,
	       (unsigned long long)d.acquired, (unsigned long long)d.released,
	       (long long)pin_outstanding(&to->total),
	       (long long)pin_outstanding(&d));
}

/* Returns true when a signal asks to stop before @deadline. */
static bool wait_until(const sigset_t *stop, uint64_t deadline)
{
	struct timespec ts;
	uint64_t now;
	int sig;

	do {
		now = pin_now_ns();
		if (now >= deadline)
			return false;
		ts.tv_sec = (deadline - now) / NSEC_PER_SEC;
		ts.tv_nsec = (deadline - now) % NSEC_PER_SEC;
		sig = sigtimedwait(stop, NULL, &ts);
	} while (sig < 0 && errno == EINTR);
	return sig > 0;
}

static int live(const struct options *opt, const struct pin_counters *c)
{
	struct live l = { .opt = opt, .c = c, .tty = isatty(STDOUT_FILENO) };
	struct pin_snapshot first, last, now;
	bool stop = false;
	sigset_t set;
	uint64_t next, n;
	int err, bad;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);

	if (!pin_counters_exact(c))
		fprintf(stderr,
			"pinstat: not permitted to flush: values may lag by up to %.1f s (2 x vm.stat_interval)\n",
			(double)c->settle_ns / NSEC_PER_SEC);
	if (!opt->json)
		puts("# outstanding = acquired - released since boot, in pages;\n"
		     "# it may be negative on kernels with a known miscount");

	err = pin_counters_read(c, &first);
	last = first;
	next = pin_now_ns();
	for (n = 0; !err && !stop && (!opt->count || n < opt->count); n++) {
		next += opt->interval_ns;
		if (next < pin_now_ns())
			next = pin_now_ns() + opt->interval_ns;
		stop = wait_until(&set, next);
		err = pin_counters_read(c, &now);
		if (err)
			break;
		if (stop)
			live_summary(&l, &first, &now);
		else if (opt->json)
			live_json(&l, "sample", &last, &now);
		else
			live_table(&l, &last, &now);
		last = now;
		bad = finish_output(stdout);
		if (bad)
			return bad;
	}
	if (err) {
		fprintf(stderr, "pinstat: cannot read the counters: %s\n",
			strerror(-err));
		return EXIT_INCONCLUSIVE;
	}
	return EXIT_OK;
}

/* Become pintrace, with what it knows of these options. */
static int by_process(const struct options *opt)
{
	char drain[32], duration[32];
	char **argv;
	int n = 0, words = 0, err;

	while (opt->cmd && opt->cmd[words])
		words++;
	argv = calloc(words + 16, sizeof(*argv));
	if (!argv)
		return EXIT_INCONCLUSIVE;
	argv[n++] = "pintrace";
	argv[n++] = "--drain";
	argv[n++] = drain;
	snprintf(drain, sizeof(drain), "%f",
		 (double)opt->drain_ns / NSEC_PER_SEC);
	snprintf(duration, sizeof(duration), "%f",
		 (double)opt->interval_ns * (opt->count ?: 1) / NSEC_PER_SEC);
	if (opt->live_given) {
		argv[n++] = "--duration";
		argv[n++] = duration;
	}
	if (opt->json)
		argv[n++] = "--json";
	if (opt->output) {
		argv[n++] = "--output";
		argv[n++] = (char *)opt->output;
	}
	if (words) {
		argv[n++] = "--";
		memcpy(argv + n, opt->cmd, words * sizeof(*argv));
	}
	err = pin_exec_pintrace(argv);
	fprintf(stderr,
		"pinstat: pintrace: %s: build it with make, or name it in $PINTRACE\n",
		strerror(-err));
	return EXIT_INCONCLUSIVE;
}

static const struct argp argp = {
	.options = argp_options,
	.parser = parse_opt,
	.args_doc = "\n[--] CMD [ARGS...]",
	.doc = doc,
};

int main(int argc, char **argv)
{
	struct options opt = {
		.interval_ns = NSEC_PER_SEC,
		.drain_ns = 5 * NSEC_PER_SEC,
		.quiet_wait_ns = NSEC_PER_SEC,
	};
	struct pin_counters c;
	int err, ret;

	occupy_std_fds();
	atexit(check_stdout);
	argp_err_exit_status = EXIT_USAGE;
	/* In order: what follows CMD belongs to CMD. */
	argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, &opt);
	if (opt.by_process)
		return by_process(&opt);

	err = pin_counters_open(&c);
	if (err) {
		if (err == -ENOENT)
			fprintf(stderr,
				"pinstat: no /proc/vmstat: /proc is not mounted\n");
		else if (err == -EOPNOTSUPP)
			fprintf(stderr,
				"pinstat: no nr_foll_pin_acquired in /proc/vmstat: needs Linux 5.7 or later\n");
		else
			fprintf(stderr, "pinstat: /proc/vmstat: %s\n",
				strerror(-err));
		return EXIT_INCONCLUSIVE;
	}
	ret = opt.cmd ? audit(&opt, &c) : live(&opt, &c);
	pin_counters_close(&c);
	return ret;
}
