// SPDX-License-Identifier: GPL-2.0
/*
 * Which pinned pages are there, and where? The helper module's scan of all
 * memory finds the pages of a buffer while they are pinned, and not before nor
 * afterwards; it tells nodes, zones and kinds apart, and answers which pages
 * keep a memory block from going offline.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"

#define PAGES		16
#define HUGEPAGES	2
#define COUNTS		256
#define LIST		65536

/* Theirs are found as well, and come and go. */
#define OTHERS		"pages of others, which a scan counts"

struct subject {
	const char *kind;
	unsigned int counted;	/* enum pin_helper_kind */
};

static const struct subject subjects[] = {
	{ "anon", PIN_HELPER_KIND_ANON },
	{ "thp", PIN_HELPER_KIND_ANON_LARGE },
	{ "thp_part", PIN_HELPER_KIND_ANON_LARGE },
	{ "hugetlb", PIN_HELPER_KIND_HUGETLB },
	{ "memfd", PIN_HELPER_KIND_SHMEM },
	{ "file_shared", PIN_HELPER_KIND_FILE },
};

/* What a scan, in as many calls as it takes, has found. */
struct found {
	struct pin_helper_scan_count counts[COUNTS];
	struct pin_helper_page *list;
	unsigned int nr_counts, nr_list, calls;
};

static bool scan(struct pin_bench *b, struct found *f, uint64_t first, uint64_t end,
		 uint64_t budget, unsigned int flags)
{
	struct pin_helper_scan arg;
	int err;

	memset(f->counts, 0, sizeof(f->counts));
	f->nr_counts = 0;
	f->nr_list = 0;
	f->calls = 0;
	if (!f->list)
		f->list = calloc(LIST, sizeof(*f->list));
	do {
		arg = (struct pin_helper_scan){
			.flags = flags | PIN_HELPER_SCAN_LIST,
			.first_pfn = first, .end_pfn = end, .budget = budget,
			.counts = (uintptr_t)f->counts, .counts_room = COUNTS,
			.counts_used = f->nr_counts,
			.list = (uintptr_t)(f->list + f->nr_list),
			.list_room = LIST - f->nr_list,
		};
		err = pin_helper_scan(b->fd, &arg);
		if (err || arg.list_used == arg.list_room) {
			pin_audit_fail(b->au, "SCAN: %s", err ? strerror(-err) :
				       "more pages are pinned than the test has room for");
			return false;
		}
		f->nr_counts = arg.counts_used;
		f->nr_list += arg.list_used;
		f->calls++;
		first = arg.next_pfn;
	} while (!arg.done);
	return true;
}

/* Of @page's folio in the list. */
static unsigned int listed(const struct found *f, const struct pin_helper_page *page)
{
	const uint64_t head = page->pfn - page->index;
	unsigned int n = 0;

	for (unsigned int i = 0; i < f->nr_list; i++)
		n += f->list[i].pfn - f->list[i].index == head;
	return n;
}

static uint64_t counted(const struct found *f, const struct pin_helper_page *page,
			unsigned int kind, bool folios)
{
	for (unsigned int i = 0; i < f->nr_counts; i++) {
		const struct pin_helper_scan_count *c = &f->counts[i];

		if (c->node == page->node && c->zone == page->zone && c->kind == kind)
			return folios ? c->folios : c->pages;
	}
	return 0;
}

/* The counts are those of the pages that are listed. */
static void check_sums(struct pin_bench *b, const struct found *f)
{
	uint64_t folios = 0;

	for (unsigned int i = 0; i < f->nr_counts; i++)
		folios += f->counts[i].folios;
	if (folios != f->nr_list)
		pin_audit_fail(b->au, "%llu folios are counted, %u listed",
			       (unsigned long long)folios, f->nr_list);
}

/* Each folio of the buffer @times in the list: none, or once. */
static void expect_listed(struct pin_bench *b, const struct found *f,
			  const struct pin_helper_page *pages, const char *when,
			  unsigned int times)
{
	unsigned int wrong = 0;

	for (unsigned int i = 0; i < b->m.pages; i++)
		wrong += listed(f, &pages[i]) != times;
	if (wrong)
		pin_audit_fail(b->au, "%s: %u of %u pages are not %s", when, wrong,
			       b->m.pages, times ? "found once" : "left alone");
}

/* Those of the buffer that are on @node and @zone: pages, or folios. */
static uint64_t own(const struct pin_bench *b, const struct pin_helper_page *pages,
		    const struct pin_helper_page *like, bool folios)
{
	uint64_t n = 0;

	for (unsigned int i = 0; i < b->m.pages; i++) {
		const struct pin_helper_page *p = &pages[i];

		if (p->node != like->node || p->zone != like->zone ||
		    (i && p->pfn - p->index == p[-1].pfn - p[-1].index))
			continue;
		n += folios ? 1 : 1ull << p->order;
	}
	return n;
}

static enum pin_verdict finds(struct pin_audit *au, const void *arg)
{
	const struct subject *sub = arg;
	struct found before = { .list = NULL }, now = { .list = NULL };
	struct pin_helper_page *pages = NULL;
	struct pin_bench b;

	if (pin_audit_not_in_own(au, OTHERS) || !pin_bench_open(&b, au, sub->kind, PAGES))
		return PIN_SKIP;
	pin_bench_write(&b, 1);
	if (!scan(&b, &before, 0, 0, 0, 0) ||
	    !pin_bench_take(&b, PIN_HELPER_PIN_FAST, PIN_HELPER_WRITE))
		goto out;
	pages = pin_bench_look(&b);
	if (!pages || !scan(&b, &now, 0, 0, 0, 0))
		goto out;
	expect_listed(&b, &before, pages, "before", 0);
	expect_listed(&b, &now, pages, "pinned", 1);
	check_sums(&b, &now);
	for (int folios = 0; folios < 2; folios++) {
		uint64_t more = counted(&now, pages, sub->counted, folios) -
				counted(&before, pages, sub->counted, folios);

		if (more != own(&b, pages, pages, folios))
			pin_audit_differs(au, "%lld more %s are counted on node %d in zone %u as kind %u, must be %llu",
					  (long long)more, folios ? "folios" : "pages",
					  pages[0].node, pages[0].zone, sub->counted,
					  (unsigned long long)own(&b, pages, pages, folios));
	}
	/* In small portions it finds the same. */
	if (scan(&b, &now, 0, 0, 50000, 0)) {
		expect_listed(&b, &now, pages, "in portions", 1);
		check_sums(&b, &now);
		if (now.calls < 2)
			pin_audit_fail(au, "a budget of 50000 frames was enough for all");
	}
	pin_bench_step(&b, "scan", 0, 0, 0);
	pin_bench_give(&b, PIN_HELPER_GIVE_PAGES, 0);
	if (scan(&b, &now, 0, 0, 0, 0))
		expect_listed(&b, &now, pages, "unpinned", 0);
out:
	free(pages);
	free(before.list);
	free(now.list);
	pin_bench_close(&b);
	return PIN_PASS;
}

/* The frames that a memory block has, or so many as would be one. */
static uint64_t block_frames(const struct pin_bench *b)
{
	char text[32] = "";
	FILE *f = fopen("/sys/devices/system/memory/block_size_bytes", "re");

	if (f) {
		if (!fgets(text, sizeof(text), f))
			*text = '\0';
		fclose(f);
	}
	return (strtoull(text, NULL, 16) ?: 128ull << 20) / b->k->page_size;
}

/* Which pages keep the block of the first page from going offline? */
static enum pin_verdict keeps_block(struct pin_audit *au, const void *arg)
{
	struct found now = { .list = NULL };
	struct pin_helper_page *pages = NULL;
	unsigned int ours = 0, theirs;
	struct pin_bench b;
	uint64_t frames, first;

	if (pin_audit_not_in_own(au, OTHERS) || !pin_bench_open(&b, au, "anon", PAGES))
		return PIN_SKIP;
	frames = block_frames(&b);
	if (!pin_bench_take(&b, PIN_HELPER_PIN_FAST, PIN_HELPER_WRITE))
		goto out;
	pages = pin_bench_look(&b);
	if (!pages)
		goto out;
	first = pages[0].pfn / frames * frames;
	for (unsigned int i = 0; i < b.m.pages; i++)
		ours += pages[i].pfn >= first && pages[i].pfn < first + frames;
	if (scan(&b, &now, first, first + frames, 0, 0)) {
		unsigned int outside = 0, found = 0;

		for (unsigned int i = 0; i < now.nr_list; i++)
			outside += now.list[i].pfn < first || now.list[i].pfn >= first + frames;
		for (unsigned int i = 0; i < b.m.pages; i++)
			found += listed(&now, &pages[i]);
		if (outside || found != ours)
			pin_audit_fail(au, "of %u pinned pages in the block %u are listed, and %u of elsewhere",
				       ours, found, outside);
	}
	pin_bench_give(&b, PIN_HELPER_GIVE_PAGES, 0);
	theirs = now.nr_list - ours;
	if (scan(&b, &now, first, first + frames, 0, 0) && now.nr_list != theirs)
		pin_audit_differs(au, "%u pages of the block are listed after the unpin, must be %u",
				  now.nr_list, theirs);
out:
	free(pages);
	free(now.list);
	pin_bench_close(&b);
	return PIN_PASS;
}

/* Only what ought to be movable: nothing of ours, unless it is there. */
static enum pin_verdict movable(struct pin_audit *au, const void *arg)
{
	struct found now = { .list = NULL };
	struct pin_helper_page *pages;
	struct pin_bench b;
	unsigned int wrong = 0;

	if (!pin_bench_open(&b, au, "anon", PAGES))
		return PIN_SKIP;
	if (pin_bench_take(&b, PIN_HELPER_PIN_FAST, PIN_HELPER_WRITE)) {
		pages = pin_bench_look(&b);
		if (pages && scan(&b, &now, 0, 0, 0, PIN_HELPER_SCAN_MOVABLE)) {
			for (unsigned int i = 0; i < b.m.pages; i++)
				wrong += listed(&now, &pages[i]) !=
					 !!(pages[i].flags & PIN_HELPER_PAGE_MOVABLE_ZONE);
			for (unsigned int i = 0; i < now.nr_list; i++)
				wrong += !(now.list[i].flags & PIN_HELPER_PAGE_MOVABLE_ZONE);
		}
		if (wrong)
			pin_audit_fail(au, "%u pages are listed, or not, against their zone",
				       wrong);
		free(pages);
		pin_bench_give(&b, PIN_HELPER_GIVE_PAGES, 0);
	}
	free(now.list);
	pin_bench_close(&b);
	return PIN_PASS;
}

static void add_tests(struct pin_suite *s)
{
	for (size_t i = 0; i < sizeof(subjects) / sizeof(subjects[0]); i++)
		pin_suite_add(s, finds, &subjects[i], "finds.%s", subjects[i].kind);
	pin_suite_add(s, keeps_block, NULL, "block.anon");
	pin_suite_add(s, movable, NULL, "movable.anon");
}

static void setup(struct pin_suite *s)
{
	pin_bench_setup(s, HUGEPAGES);
}

int main(int argc, char **argv)
{
	static const struct pin_program program = {
		.name = "scan_test",
		.doc = "The helper module's scan of all memory finds pinned pages, tells where they are, and which of them keep a memory block from going offline.",
		.add_tests = add_tests,
		.setup = setup,
	};

	return pin_suite_main(&program, argc, argv);
}
