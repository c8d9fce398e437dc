// SPDX-License-Identifier: GPL-2.0
/*
 * How fast the helper module pins and unpins, beside the kernel's own benchmark
 * (CONFIG_GUP_TEST): the same memory, pages and functions, turn by turn.
 *
 * The kernel's times are those that it takes inside of the call, without the
 * allocation of its array; the module's are those of the whole ioctls.
 */
#define _GNU_SOURCE
#include <argp.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "pin_helper.h"

#define GUP_TEST	"/sys/kernel/debug/gup_test"
#define MAX_ROUNDS	1001

enum { EXIT_OK, EXIT_FAILED, EXIT_USAGE, EXIT_CANNOT = 4 };

/* What mm/gup_test.c takes. */
struct gup_test {
	uint64_t get_us;
	uint64_t put_us;
	uint64_t addr;
	uint64_t size;
	uint32_t pages_per_call;
	uint32_t gup_flags;
	uint32_t test_flags;
	uint32_t dump[8];
};

#define PIN_FAST	_IOWR('g', 2, struct gup_test)
#define PIN_LONGTERM	_IOWR('g', 3, struct gup_test)
#define FOLL_WRITE	1u	/* on every kernel so far */

static struct options {
	unsigned long pages;
	unsigned long rounds;
} options = { 16384, 11 };

static const struct test {
	const char *name;
	unsigned long request;	/* of the kernel's benchmark */
	uint32_t way, flags;	/* of ours, the same */
	bool huge;
	unsigned int calls;	/* that the pages are pinned by */
} tests[] = {
	{ "fast", PIN_FAST, PIN_HELPER_PIN_FAST, PIN_HELPER_WRITE, false, 1 },
	{ "longterm", PIN_LONGTERM, PIN_HELPER_PIN, PIN_HELPER_WRITE | PIN_HELPER_LONGTERM,
	  false, 1 },
	{ "fast, 32 calls", PIN_FAST, PIN_HELPER_PIN_FAST, PIN_HELPER_WRITE, false, 32 },
	{ "fast, huge pages", PIN_FAST, PIN_HELPER_PIN_FAST, PIN_HELPER_WRITE, true, 1 },
	{ "longterm, huge pages", PIN_LONGTERM, PIN_HELPER_PIN,
	  PIN_HELPER_WRITE | PIN_HELPER_LONGTERM, true, 1 },
};

#define MAX_CALLS	32

/* Nanoseconds for all pages. */
struct times {
	double get[MAX_ROUNDS], put[MAX_ROUNDS];
};

static int helper, kernel;
static size_t page_size;

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1e9 + t.tv_nsec;
}

static bool run_kernel(const struct test *test, void *memory, struct times *times,
		       unsigned int round)
{
	struct gup_test arg = {
		.addr = (uintptr_t)memory, .size = options.pages * page_size,
		.pages_per_call = options.pages / test->calls, .gup_flags = FOLL_WRITE,
	};

	if (ioctl(kernel, test->request, &arg) || arg.size != options.pages * page_size) {
		fprintf(stderr, "pin_helper_bench: gup_test: %s\n", strerror(errno));
		return false;
	}
	times->get[round] = arg.get_us * 1e3;
	times->put[round] = arg.put_us * 1e3;
	return true;
}

static bool run_helper(const struct test *test, void *memory, struct times *times,
		       unsigned int round)
{
	struct pin_helper_take take[MAX_CALLS];
	struct pin_helper_give give[MAX_CALLS];
	const size_t length = options.pages / test->calls * page_size;
	double start, taken, given;
	bool good = true;
	unsigned int i;

	for (i = 0; i < test->calls; i++)
		take[i] = (struct pin_helper_take){
			.size = sizeof(take[i]), .way = test->way, .flags = test->flags,
			.addr = (uintptr_t)memory + i * length, .length = length,
		};
	start = now();
	for (i = 0; i < test->calls; i++)
		good &= !ioctl(helper, PIN_HELPER_IOC_TAKE, &take[i]) &&
			take[i].pages == options.pages / test->calls;
	taken = now() - start;
	for (i = 0; i < test->calls; i++)
		give[i] = (struct pin_helper_give){
			.size = sizeof(give[i]), .handle = take[i].handle,
			.way = PIN_HELPER_GIVE_PAGES, .flags = PIN_HELPER_GIVE_REST,
		};
	start = now();
	for (i = 0; i < test->calls; i++)
		good &= !ioctl(helper, PIN_HELPER_IOC_GIVE, &give[i]);
	given = now() - start;
	times->get[round] = taken;
	times->put[round] = given;
	if (!good)
		fprintf(stderr, "pin_helper_bench: TAKE, GIVE: %s\n", strerror(errno));
	return good;
}

static int compare(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* Of a page, in nanoseconds. */
static double median(double *times)
{
	qsort(times, options.rounds, sizeof(*times), compare);
	return times[options.rounds / 2] / options.pages;
}

static bool run(const struct test *test)
{
	static struct times theirs, ours;
	const size_t length = options.pages * page_size;
	/* Whole huge pages are in it, wherever it begins. */
	const size_t huge = 2ul << 20;
	char *map = mmap(NULL, length + huge, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *memory = (char *)(((uintptr_t)map + huge - 1) & ~(huge - 1));
	double get, put, our_get, our_put;
	bool good = map != MAP_FAILED;
	unsigned int i;

	if (!good)
		return false;
	madvise(memory, length, test->huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
	memset(memory, 1, length);
	/* The first round is for the caches. */
	good = run_kernel(test, memory, &theirs, 0) && run_helper(test, memory, &ours, 0);
	for (i = 0; good && i < options.rounds; i++)
		good = run_kernel(test, memory, &theirs, i) &&
		       run_helper(test, memory, &ours, i);
	munmap(map, length + huge);
	if (!good)
		return false;
	get = median(theirs.get);
	put = median(theirs.put);
	our_get = median(ours.get);
	our_put = median(ours.put);
	printf("%-22s %9.1f %9.1f %6.2f %9.1f %9.1f %6.2f %6.2f\n", test->name, get, our_get,
	       our_get / get, put, our_put, our_put / put, (our_get + our_put) / (get + put));
	fflush(stdout);
	return true;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	unsigned long *number = key == 'n' ? &options.pages : &options.rounds;
	char *end;

	if (key == ARGP_KEY_ARG)
		argp_error(state, "%s: no arguments are expected", arg);
	if (key != 'n' && key != 'r')
		return ARGP_ERR_UNKNOWN;
	*number = strtoul(arg, &end, 0);
	if (*end || end == arg || !*number || options.rounds > MAX_ROUNDS ||
	    options.pages > 1ul << 24 || options.pages % MAX_CALLS)
		argp_error(state, "%s: not such a number", arg);
	return 0;
}

static const struct argp_option argp_options[] = {
	{ "pages", 'n', "N", 0, "that are pinned, a multiple of 32 (16384)", 0 },
	{ "rounds", 'r', "N", 0, "of which the median is taken, up to 1001 (11)", 0 },
	{ 0 },
};

static const struct argp argp = {
	.options = argp_options,
	.parser = parse,
	.doc = "Time of a page, in ns, to pin and to unpin it: by the kernel's benchmark ("
	       GUP_TEST ", kernel option GUP_TEST), by TAKE and GIVE of the helper module, "
	       "and the quotient of both.\v"
	       "Exit status: 0 done, 1 failed, 2 usage, 4 cannot be run.",
};

int main(int argc, char **argv)
{
	size_t i;

	argp_err_exit_status = EXIT_USAGE;
	argp_parse(&argp, argc, argv, 0, NULL, NULL);
	page_size = sysconf(_SC_PAGESIZE);
	helper = open(PIN_HELPER_DEVICE, O_RDWR | O_CLOEXEC);
	kernel = open(GUP_TEST, O_RDWR | O_CLOEXEC);
	if (helper < 0 || kernel < 0) {
		fprintf(stderr, "pin_helper_bench: %s: %s\n",
			helper < 0 ? PIN_HELPER_DEVICE : GUP_TEST, strerror(errno));
		return EXIT_CANNOT;
	}
	printf("%-22s %9s %9s %6s %9s %9s %6s %6s\n", "ns per page", "pin", "TAKE", "", "unpin",
	       "GIVE", "", "both");
	for (i = 0; i < sizeof(tests) / sizeof(tests[0]); i++)
		if (!run(&tests[i]))
			return EXIT_FAILED;
	return EXIT_OK;
}
