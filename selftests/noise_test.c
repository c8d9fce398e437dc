// SPDX-License-Identifier: GPL-2.0
/*
 * The noise gate: other programs pin pages while a test runs. A right kernel
 * must never be called wrong because of them, and a wrong one never right.
 *
 * The wrong kernel is a test that predicts one page more than is pinned.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "suite.h"

#define PAGES		16
#define MS		1000000ull

#define UNLIKE		-1	/* off by another number each time */

static char *memory;	/* PAGES pages, written */

static long read_pages(unsigned int pages)
{
	static char copy[PAGES];
	struct iovec local = { copy, pages }, remote[PAGES];
	long page = sysconf(_SC_PAGESIZE), n;

	for (unsigned int i = 0; i < pages; i++)
		remote[i] = (struct iovec){ memory + i * page, 1 };
	n = process_vm_readv(getpid(), &local, 1, remote, pages, 0);
	return n < 0 ? -errno : n;
}

/* @arg: pages that the prediction is off by. */
static enum pin_verdict inner(struct pin_audit *au, const void *arg)
{
	static int tries;
	const int off = *(const int *)arg == UNLIKE ? ++tries : *(const int *)arg;
	const struct pin_predict want = {
		.acquired = PAGES + off, .released = PAGES + off,
		.result = PAGES, .or_result = PAGES,
	};

	pin_audit_step(au, "read", &want, read_pages(PAGES), 0);
	return PIN_PASS;
}

struct noise {
	const char *name;
	unsigned int pages;		/* per operation, 0: none at all */
	unsigned int pause_us;		/* between operations */
	unsigned int total_ms;		/* 0: as long as the test */
	unsigned int patience_ms;
};

static const struct noise none = { "quiet", 0, 0, 0, 500 };
static const struct noise heavy = { "heavy", PAGES, 0, 0, 300 };
/* Exactly what the wrong test lacks, as often as possible. */
static const struct noise tempting = { "tempting", 1, 0, 0, 300 };
static const struct noise sparse = { "sparse", 1, 3000, 0, 300 };
static const struct noise burst = { "burst", PAGES, 0, 200, 5000 };

static pid_t start_noise(const struct noise *n)
{
	uint64_t end = pin_now_ns() + n->total_ms * MS;
	pid_t pid = n->pages ? fork() : 0;

	if (pid || !n->pages)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (!n->total_ms || pin_now_ns() < end) {
		read_pages(n->pages);
		if (n->pause_us)
			usleep(n->pause_us);
	}
	_exit(0);
}

/* Others than the noise of this test, which is over. */
static bool others_pin(struct pin_audit *au)
{
	struct pin_snapshot before, after;

	if (pin_counters_settle(pin_audit_counters(au), &before, 10000 * MS))
		return true;
	usleep(50000);
	if (pin_counters_settle(pin_audit_counters(au), &after, 10000 * MS))
		return true;
	return memcmp(&before.total, &after.total, sizeof(before.total));
}

static enum pin_verdict beside(struct pin_audit *au, const struct noise *n, int off,
			       char *text, size_t len)
{
	enum pin_verdict v;
	pid_t pid = start_noise(n);

	if (pid < 0)
		return pin_audit_fail(au, "fork: %s", strerror(errno));
	if (pid)
		usleep(20000);		/* let it get going */
	v = pin_suite_try(au, inner, &off, n->patience_ms * MS, text, len);
	if (pid) {
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
	}
	pin_audit_restart(au);
	pin_audit_note(au, "%s", text);
	return v;
}

/* Between these noises there is time enough, unless others leave none. */
static enum pin_verdict must_say(struct pin_audit *au, const struct noise *n, int off,
				 enum pin_verdict wanted, const char *otherwise)
{
	char text[1024];
	enum pin_verdict v = beside(au, n, off, text, sizeof(text));

	if (v == wanted)
		return PIN_PASS;
	if (v == PIN_INCONCLUSIVE && others_pin(au))
		return PIN_INCONCLUSIVE;
	return pin_audit_fail(au, "%s", otherwise);
}

static enum pin_verdict must_pass(struct pin_audit *au, const void *arg)
{
	return must_say(au, arg, 0, PIN_PASS, "a right test was not passed");
}

static enum pin_verdict must_fail(struct pin_audit *au, const void *arg)
{
	return must_say(au, arg, 1, PIN_FAIL, "a wrong test was not failed");
}

static enum pin_verdict must_fail_unlike(struct pin_audit *au, const void *arg)
{
	return must_say(au, arg, UNLIKE, PIN_FAIL, "a test that is wrong each time was not failed");
}

static enum pin_verdict must_not_fail(struct pin_audit *au, const void *arg)
{
	char text[1024];

	enum pin_verdict v = beside(au, arg, 0, text, sizeof(text));

	if (v == PIN_FAIL)
		return pin_audit_fail(au, "a right test was failed");
	if (v == PIN_INCONCLUSIVE && strncmp(text, "inconclusive: ", 14))
		return pin_audit_fail(au, "the reason is not said");
	return PIN_PASS;
}

static enum pin_verdict must_not_pass(struct pin_audit *au, const void *arg)
{
	char text[1024];

	if (beside(au, arg, 1, text, sizeof(text)) == PIN_PASS)
		return pin_audit_fail(au, "a wrong test was passed");
	return PIN_PASS;
}

static enum pin_verdict not_root(struct pin_audit *au, const void *arg)
{
	(void)arg;
	return pin_audit_skip(au, "needs root: without a flush there is no verdict per test");
}

static void add_tests(struct pin_suite *s)
{
	static const struct {
		const char *name;
		pin_test_fn fn;
		const struct noise *noise;
	} tests[] = {
		{ "quiet.right", must_pass, &none },
		{ "quiet.wrong", must_fail, &none },
		{ "quiet.unlike", must_fail_unlike, &none },
		{ "heavy.right", must_not_fail, &heavy },
		{ "heavy.wrong", must_not_pass, &heavy },
		{ "tempting.right", must_not_fail, &tempting },
		{ "tempting.wrong", must_not_pass, &tempting },
		{ "sparse.right", must_not_fail, &sparse },
		{ "sparse.wrong", must_not_pass, &sparse },
		{ "burst.right", must_pass, &burst },
		{ "burst.wrong", must_fail, &burst },
	};
	const struct pin_counters *c = pin_suite_counters(s);

	for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++)
		pin_suite_add(s, pin_counters_exact(c) ? tests[i].fn : not_root,
			      tests[i].noise, "%s", tests[i].name);
}

static void setup(struct pin_suite *s)
{
	size_t len = PAGES * pin_suite_kernel(s)->page_size;

	memory = mmap(NULL, len, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED)
		abort();
	madvise(memory, len, MADV_NOHUGEPAGE);
	memset(memory, 1, len);
}

int main(int argc, char **argv)
{
	static const struct pin_program program = {
		.name = "noise_test",
		.doc = "The suite's own judgement while other programs pin pages: never a false failure, never a blind pass.",
		.add_tests = add_tests,
		.setup = setup,
	};

	return pin_suite_main(&program, argc, argv);
}
