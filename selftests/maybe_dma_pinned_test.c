// SPDX-License-Identifier: GPL-2.0
/*
 * folio_maybe_dma_pinned(), on which fork, reclaim and file systems rely: true
 * from the first pin to the last unpin, of whatever memory; false without
 * pins, but for small pages with 1024 references or more.
 */
#include <stdlib.h>
#include <string.h>

#include "bench.h"

#define PAGES		16
#define HUGEPAGES	2

static const char *const kinds[] = {
	"anon", "thp", "thp_part", "mthp", "hugetlb", "hugetlb_part",
	"memfd", "memfd_hugetlb", "shmem", "file_private", "file_shared",
};

/* Pages of the buffer that may be pinned, says the kernel. */
static unsigned int maybe_pinned(struct pin_bench *b)
{
	struct pin_helper_page *pages = pin_bench_look(b);
	unsigned int n = 0;

	for (unsigned int i = 0; pages && i < b->m.pages; i++)
		n += !!(pages[i].flags & PIN_HELPER_PAGE_MAYBE_PINNED);
	free(pages);
	return n;
}

static void expect(struct pin_bench *b, const char *when, unsigned int want)
{
	unsigned int found = maybe_pinned(b);

	if (found != want)
		pin_audit_fail(b->au, "%s: %u of %u pages are maybe_dma_pinned, must be %u",
			       when, found, b->m.pages, want);
}

static enum pin_verdict while_pinned(struct pin_audit *au, const void *kind)
{
	static const unsigned int ways[] = {
		PIN_HELPER_PIN, PIN_HELPER_PIN_FAST, PIN_HELPER_PIN_UNLOCKED,
	};
	struct pin_bench b;

	if (!pin_bench_open(&b, au, kind, PAGES))
		return PIN_SKIP;
	expect(&b, "before", 0);
	for (unsigned int i = 0; i < 3; i++) {
		if (!pin_bench_take(&b, ways[i], PIN_HELPER_WRITE))
			break;
		expect(&b, "while pinned", b.m.pages);
		pin_bench_give(&b, PIN_HELPER_GIVE_PAGES, 0);
		expect(&b, "after the unpin", 0);
	}
	pin_bench_close(&b);
	return PIN_PASS;
}

/* Two pins on each page: the first unpin must not make it false. */
static enum pin_verdict until_the_last(struct pin_audit *au, const void *kind)
{
	unsigned int first;
	struct pin_bench b;

	if (!pin_bench_open(&b, au, kind, PAGES))
		return PIN_SKIP;
	if (pin_bench_take(&b, PIN_HELPER_PIN_FAST, PIN_HELPER_WRITE)) {
		first = b.handle;
		pin_bench_take(&b, PIN_HELPER_PIN, PIN_HELPER_WRITE);
		pin_bench_give(&b, PIN_HELPER_GIVE_DIRTY_LOCK, PIN_HELPER_DIRTY);
		expect(&b, "one of two pins left", b.m.pages);
		b.handle = first;
		pin_bench_give(&b, PIN_HELPER_GIVE_PAGES, 0);
	}
	expect(&b, "after the last unpin", 0);
	pin_bench_close(&b);
	return PIN_PASS;
}

/* Plain references never make a large folio look pinned, however many. */
static enum pin_verdict large_is_exact(struct pin_audit *au, const void *kind)
{
	struct pin_helper_page *pages;
	unsigned int refs = 0, first;
	struct pin_bench b;

	if (!pin_bench_open(&b, au, kind, PAGES))
		return PIN_SKIP;
	/* As many as the first folio has in the buffer. */
	first = b.m.folio_pages < b.m.pages ? b.m.folio_pages : b.m.pages;
	while (refs <= PIN_BIAS && pin_bench_take(&b, PIN_HELPER_GET_FAST, 0))
		refs += first;
	pages = pin_bench_look(&b);
	if (pages && pages[0].refcount <= PIN_BIAS)
		pin_audit_fail(au, "refcount is %d after %u references were taken",
			       pages[0].refcount, refs);
	free(pages);
	expect(&b, "with references only", 0);
	pin_bench_close(&b);
	return PIN_PASS;
}

/* Take references on the one page of the buffer until it has @want. */
static bool references(struct pin_bench *b, int want)
{
	struct pin_helper_page *pages;
	unsigned int handle, more;
	int have;

	for (;;) {
		pages = pin_bench_look(b);
		if (!pages)
			return false;
		have = pages[0].refcount;
		free(pages);
		if (have >= want)
			return have == want;
		more = want - have;
		if (more > b->m.pages)
			more = b->m.pages;
		if (pin_helper_take_all(b->fd, PIN_HELPER_GET, 0, b->m.addr,
					more * b->k->page_size, &handle))
			return false;
	}
}

/*
 * The one false answer that is allowed: 1024 plain references look like a pin.
 * One less must not.
 */
static enum pin_verdict small_at_bias(struct pin_audit *au, const void *arg)
{
	struct pin_bench b;

	/* One page at many addresses: a call takes many references on it. */
	if (!pin_bench_open(&b, au, "alias", 64))
		return PIN_SKIP;
	pin_view_drain_lru();
	if (references(&b, PIN_BIAS - 1))
		expect(&b, "with 1023 references", 0);
	else
		pin_audit_fail(au, "cannot bring the page to 1023 references");
	if (references(&b, PIN_BIAS))
		expect(&b, "with 1024 references", b.m.pages);
	else
		pin_audit_fail(au, "cannot bring the page to 1024 references");
	pin_bench_step(&b, "get", 0, 0, 0);
	pin_bench_close(&b);
	return PIN_PASS;
}

static void add_tests(struct pin_suite *s)
{
	static const char *const large[] = { "thp", "mthp", "hugetlb" };

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		pin_suite_add(s, while_pinned, kinds[i], "while_pinned.%s", kinds[i]);
		pin_suite_add(s, until_the_last, kinds[i], "until_the_last.%s", kinds[i]);
	}
	pin_suite_add(s, small_at_bias, NULL, "references.small");
	for (size_t i = 0; i < 3; i++)
		pin_suite_add(s, large_is_exact, large[i], "references.%s", large[i]);
}

static void setup(struct pin_suite *s)
{
	pin_bench_setup(s, HUGEPAGES);
}

int main(int argc, char **argv)
{
	static const struct pin_program program = {
		.name = "maybe_dma_pinned_test",
		.doc = "folio_maybe_dma_pinned() as the helper module sees it: never false while a page is pinned, true without a pin only for small pages with 1024 references.",
		.add_tests = add_tests,
		.setup = setup,
	};

	return pin_suite_main(&program, argc, argv);
}
