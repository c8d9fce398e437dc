// SPDX-License-Identifier: GPL-2.0
/*
 * pintrace - who holds the pins: by process, thread, stack, kernel function.
 *
 * This file: options, and how a trace begins and ends.
 */
#include <argp.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "pintrace.h"

#define MAX_SECONDS 31536000.0 /* a year: far from any overflow */
#define POLL_NS (20 * NSEC_PER_MSEC)
#define LOOK_NS (100 * NSEC_PER_MSEC)
#define GOOD_STACK_DEPTH 24
#define MAX_STACK_DEPTH 127

enum {
	OPT_COMM = 0x100,
	OPT_CGROUP,
	OPT_TOP,
	OPT_STACKS,
	OPT_JSON,
	OPT_FOLDED,
	OPT_BY_CGROUP,
	OPT_DRAIN,
	OPT_FOLIOS,
	OPT_OWNERS,
	OPT_MAX_STACKS,
	OPT_DEPTH,
	OPT_WITHOUT,
	OPT_HELD,
};

static const char doc[] =
	"Trace who pins pages (pin_user_pages: direct I/O, io_uring fixed buffers, RDMA,\n"
	"VFIO, AF_XDP, ...), and report who holds how many of them, since when, and\n"
	"which kernel function took them.\n"
	"\vWithout CMD everything, or what --pid, --comm and --cgroup select, is traced\n"
	"until Ctrl-C or for --duration. With CMD, that and its descendants are traced\n"
	"until CMD ends and its late releases are over, and the last line is a verdict:\n"
	"\n"
	"  ALL RELEASED  every page that CMD pinned was released\n"
	"  LEAK          pins are outstanding, the processes that took them are gone\n"
	"  HELD          pins are outstanding, held by processes that live\n"
	"  INCOMPLETE    pins were lost to the trace, or not seen by it\n"
	"\n"
	"CMD can read its own part of the books while it runs, whatever others pin: the\n"
	"programs of the pin-accounting suite do, and so have an exact verdict on a\n"
	"machine where other programs pin all the time. PIN_TRACE_OWN in CMD's\n"
	"environment is the number of a descriptor to be mapped.\n"
	"\n"
	"A line is a thread at one place in the kernel. ELSEWHERE are pages released by\n"
	"another thread, process, worker or interrupt; they are credited to the thread\n"
	"that pinned them. TAKEN BY is the function that pinned and its callers.\n"
	"Below stands what the kernel counted meanwhile (nr_foll_pin_acquired and\n"
	"_released): \"unattributed\" is what the trace did not see. Pins taken before\n"
	"it began have no owner here; their release is shown as \"not booked\". If the\n"
	"module pin_helper is loaded, it is asked which pages these are: node, zone,\n"
	"kind, and the processes that map them.\n"
	"\n"
	"Nothing is lost in silence: pages that found no room in a map are counted,\n"
	"reported as LOST, and the option that makes room is named. Each folio takes\n"
	"130 to 170 bytes, for at most 1/16 of the memory's pages unless --folios says\n"
	"otherwise; each thread that pins takes 5 KiB.\n"
	"\n"
	"It needs root and a kernel with BTF and BPF trampolines, as Debian's are from\n"
	"6.1 on; no headers and no module.\n"
	"\n"
	"Exit status:\n"
	"  0    traced; with CMD: all released\n"
	"  1    leak\n"
	"  2    wrong usage, or the output cannot be written\n"
	"  4    cannot trace here; with CMD: held or incomplete\n"
	"  126  CMD cannot be executed\n"
	"  127  CMD not found\n"
	"\n"
	"Examples:\n"
	"  pintrace --duration 10 --top 10\n"
	"  pintrace --pid 4711 --stacks\n"
	"  pintrace --folded --duration 60 | flamegraph.pl > held.svg\n"
	"  pintrace -- build/selftests/pin_accounting/matrix_test\n"
	"  pintrace -- fio --name=x --filename=/tmp/x --size=64m --rw=randread \\\n"
	"      --direct=1 --ioengine=io_uring --fixedbufs=1\n";

static const struct argp_option argp_options[] = {
	{ NULL, 0, NULL, 0, "What is traced:", 1 },
	{ "pid", 'p', "PID", 0, "This process, all its threads", 1 },
	{ "comm", OPT_COMM, "NAME", 0, "Threads of this name", 1 },
	{ "cgroup", OPT_CGROUP, "PATH", 0,
	  "Processes in this directory of cgroup2, or below it", 1 },
	{ "duration", 'd', "SECONDS", 0, "For so long (default: until Ctrl-C)",
	  1 },
	{ "drain", OPT_DRAIN, "SECONDS", 0,
	  "Wait this long for releases after CMD, or the process of --pid, has ended (default 5)",
	  1 },
	{ NULL, 0, NULL, 0, "Output:", 2 },
	{ "top", OPT_TOP, "N", 0, "At most N lines (default 20)", 2 },
	{ "stacks", OPT_STACKS, NULL, 0, "Whole kernel stacks, one line each",
	  2 },
	{ "held", OPT_HELD, NULL, 0, "Only lines with outstanding pins", 2 },
	{ "by-cgroup", OPT_BY_CGROUP, NULL, 0, "A line is a cgroup", 2 },
	{ "json", OPT_JSON, NULL, 0, "One JSON object", 2 },
	{ "folded", OPT_FOLDED, "WHAT", OPTION_ARG_OPTIONAL,
	  "Folded stacks for flame graphs; of what is outstanding (default) or acquired",
	  2 },
	{ "output", 'o', "FILE", 0,
	  "Write the report to FILE (default: stdout, text about a CMD to stderr)",
	  2 },
	{ "verbose", 'v', NULL, 0, "Show what libbpf says", 2 },
	{ NULL, 0, NULL, 0, "Size of the maps:", 3 },
	{ "folios", OPT_FOLIOS, "N", 0, "Folios pinned at a time", 3 },
	{ "owners", OPT_OWNERS, "N", 0,
	  "Threads times places in the kernel (default 16384)", 3 },
	{ "max-stacks", OPT_MAX_STACKS, "N", 0,
	  "Different stacks (default 16384)", 3 },
	{ "depth", OPT_DEPTH, "N", 0,
	  "Frames of a stack (default 24); fewer are faster", 3 },
	{ NULL, 0, NULL, 0, "For tests:", 4 },
	{ "without", OPT_WITHOUT, "FUNCTION", 0,
	  "Do not hook this kernel function", 4 },
	{ NULL, 0, NULL, 0, NULL, -1 },
	{ 0 }
};

static uint64_t parse_seconds(struct argp_state *state, const char *name,
			      const char *arg)
{
	char *end;
	double v;

	errno = 0;
	v = strtod(arg, &end);
	if (end == arg || *end || errno || !(v >= 0 && v <= MAX_SECONDS))
		argp_error(state, "%s: '%s' is not 0 to %.0f seconds", name,
			   arg, MAX_SECONDS);
	return v * NSEC_PER_SEC;
}

static uint32_t parse_number(struct argp_state *state, const char *name,
			     const char *arg, uint32_t min, uint32_t max)
{
	unsigned long long v;
	char *end;

	errno = 0;
	v = strtoull(arg, &end, 10);
	if (*arg < '0' || *arg > '9' || *end || errno || v < min || v > max)
		argp_error(state, "%s: '%s' is not a number from %u to %u",
			   name, arg, min, max);
	return v;
}

static void parse_folded(struct argp_state *state, struct options *opt,
			 const char *arg)
{
	opt->format = FORMAT_FOLDED;
	opt->stacks = true;
	if (!arg || !strcmp(arg, "outstanding"))
		return;
	if (strcmp(arg, "acquired"))
		argp_error(state, "--folded: '%s' is not outstanding or acquired",
			   arg);
	opt->folded_acquired = true;
}

static void check_options(struct argp_state *state, const struct options *opt)
{
	if (opt->cmd && (opt->pid || opt->comm || opt->cgroup))
		argp_error(state,
			   "--pid, --comm and --cgroup go without a command");
	if (opt->cmd && opt->duration_ns)
		argp_error(state, "--duration goes without a command");
	if (opt->by_cgroup && opt->stacks)
		argp_error(state, "--by-cgroup goes without --stacks, --folded");
}

static error_t parse_opt(int key, char *arg, struct argp_state *state)
{
	struct options *opt = state->input;

	switch (key) {
	case 'p':
		opt->pid = parse_number(state, "--pid", arg, 1, INT32_MAX);
		break;
	case 'd':
		opt->duration_ns = parse_seconds(state, "--duration", arg) ?: 1;
		break;
	case 'o':
		opt->output = arg;
		break;
	case 'v':
		opt->verbose = true;
		break;
	case OPT_COMM:
		if (!*arg || strlen(arg) >= COMM_LEN)
			argp_error(state, "--comm: a name has 1 to %d bytes",
				   COMM_LEN - 1);
		opt->comm = arg;
		break;
	case OPT_CGROUP:
		opt->cgroup = arg;
		break;
	case OPT_DRAIN:
		opt->drain_ns = parse_seconds(state, "--drain", arg);
		break;
	case OPT_TOP:
		opt->top = parse_number(state, "--top", arg, 1, INT32_MAX);
		break;
	case OPT_STACKS:
		opt->stacks = true;
		break;
	case OPT_BY_CGROUP:
		opt->by_cgroup = true;
		break;
	case OPT_JSON:
		opt->format = FORMAT_JSON;
		break;
	case OPT_FOLDED:
		parse_folded(state, opt, arg);
		break;
	case OPT_HELD:
		opt->held = true;
		break;
	case OPT_FOLIOS:
		opt->max_folios =
			parse_number(state, "--folios", arg, 1, 1 << 28);
		break;
	case OPT_OWNERS:
		opt->max_owners = parse_number(state, "--owners", arg,
					       OWNER_FIRST + 1, 1 << 24);
		break;
	case OPT_MAX_STACKS:
		opt->max_stacks =
			parse_number(state, "--max-stacks", arg, 1, 1 << 24);
		break;
	case OPT_DEPTH:
		opt->depth = parse_number(state, "--depth", arg, 4,
					  MAX_STACK_DEPTH);
		break;
	case OPT_WITHOUT:
		opt->without = arg;
		break;
	case ARGP_KEY_ARGS:
		opt->cmd = state->argv + state->next;
		break;
	case ARGP_KEY_NO_ARGS:
		if (!strcmp(state->argv[state->argc - 1], "--"))
			argp_error(state, "no command after --");
		break;
	case ARGP_KEY_END:
		check_options(state, opt);
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

struct session {
	struct options *opt;
	struct pin_counters counters;
	struct trace *trace;
	struct symbols *symbols;
	sigset_t signals; /* blocked, taken by take_signal() */
	sigset_t old_mask;
	pid_t cmd; /* 0: none, or ended */
	int own_fd; /* CMD's own books, or negative */
	int go; /* writing here lets CMD start */
	int failed; /* reading here gives the errno of its exec */
	bool interrupted;
};

static void block_signals(struct session *s)
{
	sigemptyset(&s->signals);
	sigaddset(&s->signals, SIGINT);
	sigaddset(&s->signals, SIGTERM);
	sigaddset(&s->signals, SIGHUP);
	sigaddset(&s->signals, SIGQUIT);
	sigaddset(&s->signals, SIGCHLD);
	sigprocmask(SIG_BLOCK, &s->signals, &s->old_mask);
}

/* Sleep @ns, or less if a signal arrives. */
static void take_signal(struct session *s, uint64_t ns)
{
	struct timespec ts = {
		.tv_sec = ns / NSEC_PER_SEC,
		.tv_nsec = ns % NSEC_PER_SEC,
	};
	siginfo_t info;
	int sig;

	sig = sigtimedwait(&s->signals, &info, &ts);
	if (sig < 0)
		return;
	if (sig == SIGCHLD) {
		if (s->cmd && waitpid(s->cmd, NULL, WNOHANG) == s->cmd)
			s->cmd = 0;
		return;
	}
	/* What the terminal sends has reached CMD already: it is in our group. */
	if (s->cmd && info.si_code <= 0)
		kill(s->cmd, sig);
	if (!s->cmd)
		s->interrupted = true;
}

static void __attribute__((noreturn)) be_command(struct session *s, int go,
						 int failed)
{
	char c, own[16];
	int err;

	sigprocmask(SIG_SETMASK, &s->old_mask, NULL);
	if (s->own_fd >= 0) {
		snprintf(own, sizeof(own), "%d", s->own_fd);
		setenv(PIN_OWN_ENV, own, 1);
		fcntl(s->own_fd, F_SETFD, 0);
	}
	if (read(go, &c, 1) != 1)
		_exit(EXIT_CANNOT_SAY);
	execvp(s->opt->cmd[0], s->opt->cmd);
	err = errno;
	if (write(failed, &err, sizeof(err)) < 0)
		_exit(EXIT_NOEXEC);
	_exit(err == ENOENT ? EXIT_NOTFOUND : EXIT_NOEXEC);
}

/* The command waits until its pins are traced. */
static int prepare_command(struct session *s)
{
	int go[2], failed[2];

	if (pipe2(go, O_CLOEXEC) || pipe2(failed, O_CLOEXEC))
		return -errno;
	s->cmd = fork();
	if (s->cmd < 0)
		return -errno;
	if (!s->cmd) {
		close(go[1]);
		be_command(s, go[0], failed[1]);
	}
	close(go[0]);
	close(failed[1]);
	s->go = go[1];
	s->failed = failed[0];
	return 0;
}

static int start_command(struct session *s)
{
	int err;

	if (write(s->go, "", 1) != 1 ||
	    read(s->failed, &err, sizeof(err)) != sizeof(err))
		return 0;
	fprintf(stderr, "pintrace: %s: %s\n", s->opt->cmd[0], strerror(err));
	return err == ENOENT ? EXIT_NOTFOUND : EXIT_NOEXEC;
}

static void wait_for_end(struct session *s)
{
	uint64_t start = pin_now_ns();
	pid_t pid = s->opt->pid;

	while (!s->interrupted) {
		if (s->opt->cmd && !s->cmd)
			return;
		if (s->opt->duration_ns &&
		    pin_now_ns() - start >= s->opt->duration_ns)
			return;
		if (pid && kill(pid, 0) && errno == ESRCH) {
			fprintf(stderr, "pintrace: process %d has ended\n",
				pid);
			return;
		}
		symbols_look(s->symbols, LOOK_NS);
		take_signal(s, POLL_NS);
	}
}

/* The kernel gives back many pins only when the process is gone. */
static void drain(struct session *s)
{
	uint64_t end = pin_now_ns() + s->opt->drain_ns;
	bool ended = s->opt->cmd ||
		     (s->opt->pid && kill(s->opt->pid, 0) && errno == ESRCH);

	while (ended && !s->interrupted && trace_outstanding(s->trace) &&
	       pin_now_ns() < end)
		take_signal(s, POLL_NS);
}

static void judge(const struct session *s, const struct books *b,
		  struct verdict *v)
{
	const struct totals *base = trace_base(s->trace), *now = &b->totals;
	uint64_t lost = lost_events(base, now), acquired = 0;
	int64_t held = 0, leaked = 0, missed[2];
	size_t i;

	for (i = 0; i < b->nr_rows; i++) {
		acquired += b->row[i].o.acquired + b->row[i].o.uncounted;
		if (b->row[i].gone)
			leaked += b->row[i].outstanding;
		else
			held += b->row[i].outstanding;
	}
	unattributed(base, now, &missed[0], &missed[1]);
	if (lost || missed[0] || missed[1] || now->trouble.unfollowed) {
		v->word = "INCOMPLETE";
		v->code = EXIT_CANNOT_SAY;
		snprintf(v->text, sizeof(v->text),
			 "%llu pages lost, %lld acquired and %lld released unattributed",
			 (unsigned long long)lost, (long long)missed[0],
			 (long long)missed[1]);
	} else if (held) {
		v->word = "HELD";
		v->code = EXIT_CANNOT_SAY;
		snprintf(v->text, sizeof(v->text),
			 "%lld pages outstanding, %lld of them taken by processes that live",
			 (long long)(held + leaked), (long long)held);
	} else if (leaked) {
		v->word = "LEAK";
		v->code = EXIT_FINDING;
		snprintf(v->text, sizeof(v->text),
			 "%lld pages outstanding, the processes that took them are gone",
			 (long long)leaked);
	} else {
		v->word = "ALL RELEASED";
		v->code = EXIT_OK;
		snprintf(v->text, sizeof(v->text), "%llu pages acquired",
			 (unsigned long long)acquired);
	}
}

static FILE *open_output(const struct options *opt)
{
	FILE *out;

	if (!opt->output)
		return opt->cmd && opt->format == FORMAT_TEXT ? stderr : stdout;
	if (!strcmp(opt->output, "-"))
		return stdout;
	out = fopen(opt->output, "we");
	if (!out)
		fprintf(stderr, "pintrace: %s: %s\n", opt->output,
			strerror(errno));
	return out;
}

static int finish_output(FILE *out)
{
	if (!fflush(out) && !ferror(out))
		return 0;
	fprintf(stderr, "pintrace: cannot write the output: %s\n",
		strerror(errno));
	return EXIT_USAGE;
}

static int trace_and_report(struct session *s, FILE *out)
{
	struct verdict v;
	struct books b;
	int err;

	if (s->opt->cmd) {
		err = start_command(s);
		if (err)
			return err;
	} else {
		fprintf(stderr, "pintrace: tracing%s\n",
			s->opt->duration_ns ? "" : ", Ctrl-C ends it");
	}
	wait_for_end(s);
	drain(s);
	err = trace_books(s->trace, &b);
	if (err) {
		fprintf(stderr, "pintrace: cannot read the books: %s\n",
			strerror(-err));
		books_free(&b);
		return EXIT_CANNOT_SAY;
	}
	judge(s, &b, &v);
	symbols_look(s->symbols, 0);
	report(out, s->opt, s->trace, s->symbols, &b, s->opt->cmd ? &v : NULL);
	books_free(&b);
	err = finish_output(out);
	if (err || !s->opt->cmd)
		return err;
	return v.code;
}

static int open_counters(struct pin_counters *c)
{
	int err = pin_counters_open(c);

	if (!err)
		return 0;
	fprintf(stderr, "pintrace: /proc/vmstat: %s\n",
		err == -EOPNOTSUPP ?
			"no nr_foll_pin_acquired: needs Linux 5.7 or later" :
			strerror(-err));
	return EXIT_CANNOT_SAY;
}

static int run(struct session *s)
{
	FILE *out = open_output(s->opt);
	int ret;

	if (!out)
		return EXIT_USAGE;
	if (s->opt->pid && kill(s->opt->pid, 0) && errno == ESRCH) {
		fprintf(stderr, "pintrace: --pid: no process %d\n",
			s->opt->pid);
		return EXIT_USAGE;
	}
	block_signals(s);
	/* If it cannot be made, nor can what comes after, which says why. */
	s->own_fd = s->opt->cmd ? trace_own_books() : -1;
	if (s->opt->cmd && prepare_command(s)) {
		fprintf(stderr, "pintrace: cannot start a process: %s\n",
			strerror(errno));
		return EXIT_CANNOT_SAY;
	}
	s->trace = trace_start(s->opt, &s->counters, s->cmd, s->own_fd, &ret);
	if (!s->trace)
		return ret;
	s->symbols = symbols_load();
	if (s->symbols) {
		ret = trace_and_report(s, out);
	} else {
		fprintf(stderr, "pintrace: out of memory\n");
		ret = EXIT_CANNOT_SAY;
	}
	symbols_free(s->symbols);
	trace_stop(s->trace);
	return ret;
}

int main(int argc, char **argv)
{
	static const struct argp argp = {
		.options = argp_options,
		.parser = parse_opt,
		.args_doc = "[-- CMD [ARG...]]",
		.doc = doc,
	};
	struct options opt = {
		.drain_ns = 5 * NSEC_PER_SEC,
		.top = 20,
		.max_owners = 16384,
		.max_stacks = 16384,
		.depth = GOOD_STACK_DEPTH,
	};
	struct session s = { .opt = &opt };
	int ret;

	argp_err_exit_status = EXIT_USAGE;
	/* In order: what follows CMD belongs to CMD. */
	argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, &opt);
	ret = open_counters(&s.counters);
	if (ret)
		return ret;
	ret = run(&s);
	pin_counters_close(&s.counters);
	return ret;
}
