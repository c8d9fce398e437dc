// SPDX-License-Identifier: GPL-2.0
/* The frame of a test program: options, order of things, KTAP. */
#include <argp.h>
#include <errno.h>
#include <fnmatch.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "kselftest.h"

#include "actor.h"
#include "attribute.h"
#include "helper.h"
#include "lock.h"
#include "proc.h"
#include "scratch.h"
#include "suite_internal.h"

#define MAX_ATTRIBUTED 16	/* tests that are run again */

volatile sig_atomic_t pin_interrupted;

static void on_signal(int sig)
{
	pin_interrupted = sig;
}

/* The line of a test's notes that stands in its result. */
static void find_reason(const struct pin_test *t, char *reason, size_t len)
{
	const char *text = t->text ?: "";
	const char *at = t->verdict == PIN_XFAIL ? strstr(text, "known issue") : NULL;

	while (at && at > text && at[-1] != '\n')
		at--;
	if (!at)
		at = text + strspn(text, "\n");
	snprintf(reason, len, "%.*s", (int)strcspn(at, "\n"), at);
}

static void print_result(struct pin_suite *s, const struct pin_test *t)
{
	char reason[256], *save = NULL, *copy = strdup(t->text ?: "");
	char *line = strtok_r(copy, "\n", &save);

	find_reason(t, reason, sizeof(reason));
	if (t->verdict == PIN_FAIL || t->verdict == PIN_INCONCLUSIVE || s->verbose)
		for (; line; line = strtok_r(NULL, "\n", &save))
			ksft_print_msg("%s: %s\n", t->name, line);
	free(copy);
	s->verdicts[t->verdict]++;
	switch (t->verdict) {
	case PIN_PASS:
		ksft_test_result_pass("%s\n", t->name);
		break;
	case PIN_FAIL:
		ksft_test_result_fail("%s\n", t->name);
		break;
	case PIN_XFAIL:
		ksft_test_result_code(KSFT_XFAIL, t->name, "%s", reason);
		break;
	case PIN_INCONCLUSIVE:
	case PIN_SKIP:
		ksft_test_result_code(KSFT_SKIP, t->name, "%s", reason);
		break;
	}
}

/* The account of the whole run: every pin of it, in one line. */
static enum pin_verdict account_total(struct pin_audit *au, const void *arg)
{
	struct pin_suite *s = au->suite;
	struct pin_snapshot whole;
	struct pin_count total, gap;

	(void)arg;
	if (!pin_counters_exact(&s->counters) &&
	    s->strayed.acquired == s->strayed.released)
		return pin_audit_skip(au, "needs root: /proc/sys/vm/stat_refresh; tests were judged in sum instead");
	total = moved_since(&s->start.total, &au->base.total);
	pin_audit_note(au, "%llu pages acquired and %llu released in all; %+lld and %+lld of them not by these tests",
		       (unsigned long long)total.acquired,
		       (unsigned long long)total.released,
		       (long long)s->strayed.acquired, (long long)s->strayed.released);
	/* Steps that move nothing do not look at the nodes. */
	if (pin_counters_exact(&s->counters) && s->counters.nr_nodes && !s->counters.own &&
	    !pin_counters_read_whole(&s->counters, &whole, 1000 * MS)) {
		gap = pin_node_gap(&s->counters, &whole);
		if (memcmp(&gap, &s->node_gap, sizeof(gap)))
			return pin_audit_fail(au, "the nodes add up to %+lld acquired and %+lld released against the total",
					      (long long)(s->node_gap.acquired - gap.acquired),
					      (long long)(s->node_gap.released - gap.released));
	}
	if (pin_counters_exact(&s->counters) &&
	    (total.acquired != s->explained.acquired + s->strayed.acquired ||
	     total.released != s->explained.released + s->strayed.released))
		return pin_audit_fail(au, "the steps of the tests and the gaps between them add up to %+lld %+lld",
				      (long long)(s->explained.acquired + s->strayed.acquired),
				      (long long)(s->explained.released + s->strayed.released));
	if (s->strayed.acquired == s->strayed.released)
		return PIN_PASS;
	snprintf(au->text, sizeof(au->text),
		 "inconclusive: %+lld pages acquired and %+lld released not by these tests: somebody else holds pins, or let go of some\n",
		 (long long)s->strayed.acquired, (long long)s->strayed.released);
	return PIN_INCONCLUSIVE;
}

#define TAINT_WARN	(1 << 9)

static long long taint_at_start;

static enum pin_verdict account_taint(struct pin_audit *au, const void *arg)
{
	long long now = pin_read_number("/proc/sys/kernel/tainted", -1);

	(void)arg;
	if (now < 0)
		return pin_audit_skip(au, "/proc/sys/kernel/tainted cannot be read");
	/* What lockdep warns of does not taint. */
	if (au->suite->warned)
		taint_at_start = (taint_at_start & ~TAINT_WARN) | (now & TAINT_WARN);
	if (now != taint_at_start)
		return pin_audit_fail(au, "the kernel became tainted: %lld, was %lld",
				      now, taint_at_start);
	return PIN_PASS;
}

static bool wanted(const struct pin_suite *s, const char *name)
{
	if (!s->patterns || !s->patterns[0])
		return true;
	for (const char **p = s->patterns; *p; p++) {
		if (!fnmatch(*p, name, 0))
			return true;
	}
	return false;
}

/*
 * Tests whose names are the same up to the first dot go to the same part: what
 * they need is set up once then.
 */
static bool in_part(const struct pin_suite *s, const char *name)
{
	unsigned int hash = 0;

	for (; *name && *name != '.'; name++)
		hash = hash * 31 + (unsigned char)*name;
	return !s->parts || hash % s->parts == s->part - 1;
}

static struct pin_test *add_test(struct pin_suite *s, const char *name, va_list ap)
{
	struct pin_test *t;

	if (s->nr_tests == s->room) {
		s->room = s->room ? 2 * s->room : 64;
		s->tests = realloc(s->tests, s->room * sizeof(*s->tests));
		if (!s->tests)
			ksft_exit_fail_msg("out of memory\n");
	}
	t = &s->tests[s->nr_tests];
	memset(t, 0, sizeof(*t));
	vsnprintf(t->name, sizeof(t->name), name, ap);
	if (wanted(s, t->name) && in_part(s, t->name))
		s->nr_tests++;
	return t;
}

bool pin_suite_add(struct pin_suite *s, pin_test_fn fn, const void *arg,
		   const char *name, ...)
{
	const unsigned int nr = s->nr_tests;
	struct pin_test *t;
	va_list ap;

	va_start(ap, name);
	t = add_test(s, name, ap);
	va_end(ap);
	t->fn = fn;
	t->arg = arg;
	return s->nr_tests > nr;
}

bool pin_suite_add_staged(struct pin_suite *s, const struct pin_stages *stages,
			  const void *arg, const void *batch, const char *name, ...)
{
	unsigned int nr = s->nr_tests;
	struct pin_test *t;
	va_list ap;

	va_start(ap, name);
	t = add_test(s, name, ap);
	va_end(ap);
	t->stages = stages;
	t->arg = arg;
	t->batch = s->one_by_one ? NULL : batch;
	return s->nr_tests > nr;
}

static const struct argp_option options[] = {
	{ "list", 'l', NULL, 0,
	  "List the tests and end", 0 },
	{ "json", 'j', "FILE", 0,
	  "Append one JSON object per test to FILE ($PIN_RESULTS/PROGRAM.jsonl if set)", 0 },
	{ "strict", 's', NULL, 0,
	  "Known kernel issues fail instead of being excused", 0 },
	{ "one-by-one", '1', NULL, 0,
	  "Wait for the late releases of each test by itself, not of a batch", 0 },
	{ "part", 'p', "K/N", 0,
	  "The K-th of N parts of the tests, to be run on another machine each", 0 },
	{ "max-failures", 'm', "N", 0,
	  "When N tests have failed, skip the others", 0 },
	{ "attribute", 'a', NULL, 0,
	  "Run what failed once more under pintrace, and print who took pins that stay", 0 },
	{ "verbose", 'v', NULL, 0,
	  "Print the notes of tests that pass, too", 0 },
	{ "drain", 'd', "MS", 0,
	  "Wait that long for late releases (default 5000)", 0 },
	{ "quiet-wait", 'q', "S", 0,
	  "Wait that long in all for other programs to stop pinning (default 10)", 0 },
	{ 0 }
};

static uint64_t parse_number(struct argp_state *state, const char *arg, const char *option)
{
	char *end;
	unsigned long long n;

	errno = 0;
	n = strtoull(arg, &end, 10);
	if (errno || end == arg || *end || *arg == '-' || n > 1000000000)
		argp_error(state, "%s: not a number: %s", option, arg);
	return n;
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct pin_suite *s = state->input;
	int len = 0;

	switch (key) {
	case 'l':
		s->list = true;
		return 0;
	case 'j':
		s->json = arg;
		return 0;
	case 's':
		s->strict = true;
		return 0;
	case '1':
		s->one_by_one = true;
		return 0;
	case 'p':
		if (sscanf(arg, "%u/%u%n", &s->part, &s->parts, &len) != 2 || arg[len] ||
		    !s->part || s->part > s->parts)
			argp_error(state, "--part: not K/N: %s", arg);
		return 0;
	case 'm':
		s->max_failures = parse_number(state, arg, "--max-failures");
		return 0;
	case 'a':
		s->attribute = true;
		return 0;
	case 'v':
		s->verbose = true;
		return 0;
	case 'd':
		s->drain_ns = parse_number(state, arg, "--drain") * MS;
		return 0;
	case 'q':
		s->quiet_wait_ns = parse_number(state, arg, "--quiet-wait") * 1000 * MS;
		return 0;
	case ARGP_KEY_ARGS:
		s->patterns = (const char **)state->argv + state->next;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static void lock_machine(void)
{
	int err = pin_lock_machine(false);

	if (err == -EAGAIN) {
		ksft_print_msg("waiting for another run of this suite to end (%s)\n",
			       pin_lock_path());
		while (pin_lock_machine(true) == -EINTR && !pin_interrupted)
			;
	} else if (err) {
		ksft_print_msg("%s: %s: running without a lock against other runs of this suite\n",
			       pin_lock_path(), strerror(-err));
	}
}

static void catch_signals(void)
{
	struct sigaction sa = { .sa_handler = on_signal };

	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
	sigaction(SIGHUP, &sa, NULL);
	signal(SIGPIPE, SIG_IGN);
}

static void open_record(struct pin_suite *s)
{
	const char *dir = getenv("PIN_RESULTS");
	char path[4096];
	int err;

	if (s->json)
		snprintf(path, sizeof(path), "%s", s->json);
	else if (dir)
		snprintf(path, sizeof(path), "%s/%s.jsonl", dir, s->program->name);
	else
		return;
	err = pin_record_open(path);
	if (err == -EOPNOTSUPP)
		ksft_print_msg("no JSON: built without jansson (Debian: libjansson-dev)\n");
	else if (err)
		ksft_exit_fail_msg("%s: %s\n", path, strerror(-err));
}

static void open_page_view(struct pin_suite *s)
{
	char why[PIN_WHY_LEN];

	s->helper_fd = pin_helper_open(why);
	if (s->helper_fd < 0)
		ksft_print_msg("counters only, pages are not looked at one by one: %s\n", why);
}

static void check_names(const struct pin_suite *s)
{
	for (unsigned int i = 0; i < s->nr_tests; i++) {
		const char *name = s->tests[i].name;

		if (name[strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_.-")])
			ksft_exit_fail_msg("test name '%s': only [a-z0-9_.-] are allowed\n", name);
		for (unsigned int j = 0; j < i; j++) {
			if (!strcmp(name, s->tests[j].name))
				ksft_exit_fail_msg("two tests are called %s\n", name);
		}
	}
}

/* Why the tests that are not judged yet are not to be, or NULL. */
static const char *stopped(const struct pin_suite *s)
{
	if (pin_interrupted)
		return "interrupted";
	if (s->max_failures && s->verdicts[PIN_FAIL] >= s->max_failures)
		return "not run: as many tests have failed as --max-failures allows";
	return NULL;
}

static void run_all(struct pin_suite *s, unsigned int nr)
{
	unsigned int judged = 0;

	if (!pin_counters_exact(&s->counters)) {
		ksft_print_msg("not root: the counters cannot be flushed, so tests are judged in sum and results come late\n");
		pin_judge_in_sum(s, 0, nr);
		judged = nr;
	}
	for (unsigned int i = 0; i < nr; i++) {
		struct pin_test *t = &s->tests[i];

		if (i >= judged && !stopped(s)) {
			judged = i + 1;
			while (judged < nr && t->batch && s->tests[judged].batch == t->batch)
				judged++;
			fflush(stdout);
			pin_judge_batch(s, i, judged);
		}
		/* What was judged while the signal came is in doubt, but for a failure. */
		if (i >= judged ||
		    (pin_interrupted && (!t->text || t->verdict != PIN_FAIL))) {
			free(t->text);
			t->text = strdup(stopped(s));
			t->verdict = PIN_SKIP;
		}
		print_result(s, t);
	}
	fflush(stdout);
}

static void say_line(void *arg, const char *line)
{
	ksft_print_msg("attribute: %s\n", line);
}

/* Those that failed, once more under pintrace; @nr without the account's. */
static void attribute_failed(struct pin_suite *s, unsigned int nr)
{
	char *argv[MAX_ATTRIBUTED + 3] = { (char *)s->program->name, (char *)"--one-by-one" };
	unsigned int n = 0;

	for (unsigned int i = 0; i < nr && n < MAX_ATTRIBUTED; i++) {
		if (s->tests[i].verdict == PIN_FAIL)
			argv[2 + n++] = (char *)s->tests[i].name;
	}
	if (!n)
		return;
	ksft_print_msg("attribute: %u failed tests are run again under pintrace\n", n);
	fflush(stdout);
	if (pin_attribute(argv, say_line, NULL))
		ksft_print_msg("attribute: no report\n");
}

static void begin_account(struct pin_suite *s)
{
	struct pin_snapshot whole;
	uint64_t foreign;

	taint_at_start = pin_read_number("/proc/sys/kernel/tainted", -1);
	pin_counters_settle(&s->counters, &s->last, 10000 * MS);
	foreign = pin_suite_ambient(s, QUIET_START_MS * MS);
	s->start = s->last;
	s->own_start = pin_own_count(s);
	/* Torn by traffic it would be held against the tests. */
	if (pin_counters_read_whole(&s->counters, &whole, 1000 * MS))
		whole = s->start;
	s->node_gap = pin_node_gap(&s->counters, &whole);
	pin_foreign_note(&s->holders);
	s->strayed = (struct pin_count){ 0, 0 };
	s->alert = foreign;
	s->foreign_traffic = foreign;
	pin_part_from_others(s);
	if (s->alert)
		ksft_print_msg("other programs pin pages: %llu acquired or released in %d ms; waiting for quiet moments\n",
			       (unsigned long long)foreign, QUIET_START_MS);
}

int pin_suite_main(const struct pin_program *program, int argc, char **argv)
{
	struct argp argp = {
		.options = options,
		.parser = parse_option,
		.args_doc = "[PATTERN...]",
		.doc = program->doc,
	};
	struct pin_suite s = {
		.program = program,
		.drain_ns = 5000 * MS,
		.quiet_wait_ns = 10000 * MS,
	};
	static char out[1 << 16];
	bool all_skipped, restored;
	unsigned int nr;
	int err;

	if (pin_actor_is_waiter(argc, argv))
		return 0;
	argp_err_exit_status = 2;
	if (argp_parse(&argp, argc, argv, 0, NULL, &s))
		return 2;
	setvbuf(stdout, NULL, _IOLBF, 0);

	err = pin_counters_open(&s.counters);
	if (s.list) {
		pin_kernel_init(&s.kernel, NULL);
		program->add_tests(&s);
		for (unsigned int i = 0; i < s.nr_tests; i++)
			puts(s.tests[i].name);
		return 0;
	}

	ksft_print_header();
	if (err == -ENOENT)
		ksft_exit_skip("/proc is not mounted: mount -t proc none /proc\n");
	if (err == -EOPNOTSUPP)
		ksft_exit_skip("this kernel does not count pins: no nr_foll_pin_acquired in /proc/vmstat (Linux 5.7 and later have it)\n");
	if (err)
		ksft_exit_fail_msg("/proc/vmstat: %s\n", strerror(-err));
	catch_signals();
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	err = pin_scratch_start();
	if (err)
		ksft_exit_fail_msg("cannot start a process: %s\n", strerror(-err));
	lock_machine();
	s.own = pin_own_map();
	pin_part_from_others(&s);
	err = pin_kernel_init(&s.kernel, &s.counters);
	if (err)
		ksft_exit_fail_msg("cannot tell which kernel this is: %s\n", strerror(-err));
	open_page_view(&s);
	if (pin_klog_open(&s.klog))
		ksft_print_msg("the kernel log cannot be watched: root reads /dev/kmsg\n");

	program->add_tests(&s);
	if (!s.nr_tests) {
		fprintf(stderr, "%s: no test matches; see --list\n", program->name);
		return 2;
	}
	nr = s.nr_tests;
	/* The last two close the books, whatever was asked for. */
	const char **patterns = s.patterns;

	s.patterns = NULL;
	s.parts = 0;
	pin_suite_add(&s, account_total, NULL, "account.total");
	pin_suite_add(&s, account_taint, NULL, "account.taint");
	s.patterns = patterns;
	check_names(&s);
	open_record(&s);
	ksft_set_plan(s.nr_tests);
	if (program->setup)
		program->setup(&s);
	begin_account(&s);
	/* A write per batch, not per line: run_all() flushes before each. */
	fflush(stdout);
	setvbuf(stdout, out, _IOFBF, sizeof(out));
	run_all(&s, nr);
	all_skipped = s.verdicts[PIN_SKIP] + s.verdicts[PIN_INCONCLUSIVE] == nr;
	for (unsigned int i = nr; i < s.nr_tests; i++) {
		struct pin_audit au;

		pin_run_once(&s, &s.tests[i], &au);
		pin_settle_verdict(&s, &s.tests[i], &au);
		print_result(&s, &s.tests[i]);
	}
	if (program->cleanup)
		program->cleanup(&s);
	fflush(stdout);
	restored = pin_scratch_end();
	if (pin_record_close())
		ksft_exit_fail_msg("the JSON results could not be written whole\n");
	if (s.verdicts[PIN_INCONCLUSIVE])
		ksft_print_msg("%u tests could not be judged\n", s.verdicts[PIN_INCONCLUSIVE]);
	if (pin_interrupted) {
		ksft_print_msg("interrupted by signal %d\n", (int)pin_interrupted);
		ksft_print_cnts();
		return 130;
	}
	if (s.attribute)
		attribute_failed(&s, nr);
	if (!restored)
		ksft_print_msg("the kernel does not let go of what the tests used\n");
	if (s.verdicts[PIN_FAIL] || !restored)
		ksft_exit_fail();
	if (all_skipped) {
		ksft_print_cnts();
		return KSFT_SKIP;
	}
	ksft_exit_pass();
}
