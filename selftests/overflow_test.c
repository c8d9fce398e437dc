// SPDX-License-Identifier: GPL-2.0
/*
 * Too many pins: where the reference count of a page has no room for another,
 * the kernel says so, and gives back what the call had taken until then; where
 * the helper module's limits are reached, it does.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench.h"
#include "proc.h"
#include "scratch.h"

#define ALIASES		16384	/* pins of one page by one call */
#define PAGES		64
#define ROOM		"8388608"	/* limits that are out of the way */

static bool limit(struct pin_bench *b, const char *name, const char *value)
{
	char path[128], why[PIN_WHY_LEN];

	snprintf(path, sizeof(path), "/sys/module/pin_helper/parameters/%s", name);
	if (!pin_scratch_setting(path, value, why))
		return true;
	pin_audit_skip(b->au, "%s", why);
	return false;
}

static bool limits(struct pin_bench *b, const char *file, const char *all)
{
	return limit(b, "max_pages_file", file) && limit(b, "max_pages_all", all);
}

/* --- the reference count of a page --- */

/*
 * One page at many addresses, pinned again and again: how often until the
 * kernel refused, and what it said then. The last pins are taken in @way.
 */
static uint64_t pin_until_refused(struct pin_bench *b, unsigned int way, uint64_t most,
				  int *error)
{
	uint64_t pins = 0;

	*error = 0;
	while (!*error && pins <= most) {
		struct pin_helper_take take = {
			.way = most - pins > b->m.pages ? PIN_HELPER_PIN_FAST : way,
			.flags = PIN_HELPER_WRITE,
			.addr = (uintptr_t)b->m.addr, .length = b->m.len,
		};
		int err = pin_helper_take(b->fd, &take);

		*error = err ?: take.error;
		pins += err ? 0 : take.pages;
	}
	return pins;
}

/* The page of the buffer, by its frame: that takes no reference like a pin. */
static bool look(struct pin_bench *b, const char *when, struct pin_helper_page *page)
{
	int err = pin_helper_look_again(b->fd, 1, page);

	if (err)
		pin_audit_fail(b->au, "%s: the page cannot be looked at: %s", when,
			       strerror(-err));
	return !err;
}

static enum pin_verdict fills_up(struct pin_audit *au, const void *arg)
{
	const unsigned int *way = arg;
	struct pin_helper_page *pages, page;
	struct pin_helper_take first;
	uint64_t pins, want;
	struct pin_bench b;
	int refs, error;

	/* The kernel warns, once: not where that is the end. */
	if (pin_read_number("/proc/sys/kernel/panic_on_warn", 0) > 0)
		return pin_audit_skip(au, "the kernel warns of an overflow, and /proc/sys/kernel/panic_on_warn is set");
	if (!pin_bench_open(&b, au, "alias", ALIASES))
		return PIN_SKIP;
	pin_audit_expect_warning(au, "mm/gup.c");
	pin_view_drain_lru();
	if (!limits(&b, ROOM, ROOM))
		goto out;
	/* The first pin keeps it where it is, whatever moves pages. */
	first = (struct pin_helper_take){
		.way = *way, .flags = PIN_HELPER_WRITE,
		.addr = (uintptr_t)b.m.addr, .length = b.k->page_size,
	};
	if (!pin_bench_step(&b, "pin once", 1, 0, pin_helper_take(b.fd, &first)))
		goto out;
	pages = pin_bench_look(&b);
	if (!pages)
		goto out;
	page = pages[0];
	free(pages);
	refs = page.refcount;
	/* The one that goes beyond still finds a count above zero. */
	want = (INT_MAX - refs) / PIN_BIAS + 1;
	pins = pin_until_refused(&b, *way, want, &error);
	pin_bench_step(&b, "pin until it is refused", pins, 0, 0);
	if (error != -ENOMEM)
		pin_audit_fail(au, "the pin too many: %s, must be ENOMEM",
			       error ? strerror(-error) : "done");
	if (pins != want)
		pin_audit_fail(au, "%llu pins fitted on a page with %d references, must be %llu",
			       (unsigned long long)pins, refs, (unsigned long long)want);
	if (look(&b, "full", &page) && !(page.flags & PIN_HELPER_PAGE_MAYBE_PINNED))
		pin_audit_fail(au, "a page full of pins is not maybe_dma_pinned (refcount %d)",
			       page.refcount);
	/* All that was taken goes with the file. */
	close(b.fd);
	b.fd = -1;
	pin_bench_step(&b, "unpin", 0, pins + 1, 0);
	if (pin_bench_reopen(&b)) {
		pin_view_drain_lru();
		pages = pin_bench_look(&b);
		if (pages && pages[0].refcount != refs - PIN_BIAS)
			pin_audit_fail(au, "the page has %d references afterwards, before %d",
				       pages[0].refcount, refs - PIN_BIAS);
		free(pages);
		if (pin_bench_take(&b, *way, PIN_HELPER_WRITE))
			pin_bench_give(&b, PIN_HELPER_GIVE_PAGES, 0);
	}
out:
	pin_bench_close(&b);
	return PIN_PASS;
}

/* --- the limits of the helper module --- */

static uint64_t held(struct pin_bench *b, bool all)
{
	struct pin_helper_info info = { .abi = 0 };

	if (pin_helper_info(b->fd, &info))
		return UINT64_MAX;
	return all ? info.pages_all : info.pages_file;
}

/* One page more than there is room for: refused, and nothing is moved. */
static void one_too_many(struct pin_bench *b, int fd)
{
	unsigned int handle;
	int err = pin_helper_take_all(fd, PIN_HELPER_PIN_FAST, PIN_HELPER_WRITE, b->m.addr,
				      b->k->page_size, &handle);

	if (err != -EDQUOT)
		pin_audit_fail(b->au, "a page more than the limit: %s, must be EDQUOT",
			       err ? strerror(-err) : "done");
	pin_bench_step(b, "a page too many", 0, 0, 0);
}

static enum pin_verdict per_file(struct pin_audit *au, const void *arg)
{
	struct pin_bench b;

	if (!pin_bench_open(&b, au, "anon", PAGES))
		return PIN_SKIP;
	if (limits(&b, "64", ROOM)) {
		for (int i = 0; i < 2; i++) {
			if (!pin_bench_take(&b, PIN_HELPER_PIN, PIN_HELPER_WRITE))
				break;
			one_too_many(&b, b.fd);
			pin_bench_give(&b, PIN_HELPER_GIVE_PAGES, 0);
		}
		if (held(&b, false))
			pin_audit_fail(au, "the file still holds %llu pages",
				       (unsigned long long)held(&b, false));
	}
	pin_bench_close(&b);
	return PIN_PASS;
}

static enum pin_verdict of_all(struct pin_audit *au, const void *arg)
{
	char text[32], why[PIN_WHY_LEN];
	struct pin_bench b;
	uint64_t before;
	int other;

	if (!pin_bench_open(&b, au, "anon", PAGES))
		return PIN_SKIP;
	other = pin_helper_open(why);
	before = held(&b, true);
	snprintf(text, sizeof(text), "%llu", (unsigned long long)before + PAGES);
	if (other >= 0 && limits(&b, ROOM, text) &&
	    pin_bench_take(&b, PIN_HELPER_PIN, PIN_HELPER_WRITE)) {
		one_too_many(&b, other);
		pin_bench_give(&b, PIN_HELPER_GIVE_PAGES, 0);
		/* What one file gave back the other may have. */
		if (!pin_helper_take_all(other, PIN_HELPER_PIN, PIN_HELPER_WRITE, b.m.addr,
					 b.m.len, &b.handle))
			pin_bench_step(&b, "pin by another file", PAGES, 0, 0);
		one_too_many(&b, b.fd);
		close(other);
		other = -1;
		pin_bench_step(&b, "close", 0, PAGES, 0);
		if (held(&b, true) != before)
			pin_audit_fail(au, "%llu pages are held, before it were %llu",
				       (unsigned long long)held(&b, true),
				       (unsigned long long)before);
	}
	if (other >= 0)
		close(other);
	pin_bench_close(&b);
	return PIN_PASS;
}

/* The page is pinned before there turns out to be no handle for it. */
static enum pin_verdict runs_out(struct pin_audit *au, const void *arg)
{
	struct pin_helper_info info = { .abi = 0 };
	unsigned int handle, n = 0;
	struct pin_bench b;
	int err;

	if (!pin_bench_open(&b, au, "anon", 1))
		return PIN_SKIP;
	if (limits(&b, ROOM, ROOM) && !pin_helper_info(b.fd, &info)) {
		do {
			err = pin_helper_take_all(b.fd, PIN_HELPER_PIN_FAST, PIN_HELPER_WRITE,
						  b.m.addr, b.k->page_size, &handle);
			n += !err;
		} while (!err && n <= info.max_handles);
		if (err != -EDQUOT || n != info.max_handles)
			pin_audit_fail(au, "after %u handles: %s, must be EDQUOT after %u", n,
				       err ? strerror(-err) : "done", info.max_handles);
		pin_bench_step(&b, "pin", n + 1, 1, 0);
		pin_bench_step(&b, "unpin one", 0, 1, pin_helper_release(b.fd, handle));
		err = pin_helper_take_all(b.fd, PIN_HELPER_PIN_FAST, PIN_HELPER_WRITE,
					  b.m.addr, b.k->page_size, &handle);
		pin_bench_step(&b, "there is a handle again", 1, 0, err);
		close(b.fd);
		b.fd = -1;
		pin_bench_step(&b, "close", 0, n, 0);
	}
	pin_bench_close(&b);
	return PIN_PASS;
}

static void add_tests(struct pin_suite *s)
{
	static const unsigned int ways[] = { PIN_HELPER_PIN_FAST, PIN_HELPER_PIN };

	pin_suite_add(s, fills_up, &ways[0], "refcount.fast");
	pin_suite_add(s, fills_up, &ways[1], "refcount.slow");
	pin_suite_add(s, per_file, NULL, "limit.file");
	pin_suite_add(s, of_all, NULL, "limit.all");
	pin_suite_add(s, runs_out, NULL, "limit.handles");
}

int main(int argc, char **argv)
{
	static const struct pin_program program = {
		.name = "overflow_test",
		.doc = "More pins than a page's reference count has room for, or than the helper module allows: refused in clear words, and nothing leaks.",
		.add_tests = add_tests,
	};

	return pin_suite_main(&program, argc, argv);
}
