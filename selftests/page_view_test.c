// SPDX-License-Identifier: GPL-2.0
/*
 * The two views, tried on errors made on purpose by the helper module
 * (allow_faults=1): which of them sees what. Each error is undone, and then
 * neither may see anything. And pages that the page view cannot know before.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "attempt.h"
#include "bench.h"

#define PAGES		16
#define SETTLED_NS	200000000ull	/* what is on its way to the LRU is there by then */
#define BAD		3	/* pages with which it goes wrong */
#define HUGEPAGES	2

/* What pintrace cannot make sense of: a leak it can. */
#define UNTRACED	"pins that the helper module miscounts on purpose"

struct error {
	const char *name;
	unsigned int op;	/* enum pin_helper_fault_op */
	bool get;		/* done to plain references, not to pins */
	int outstanding;	/* what the counters show, per page */
	/* The page view sees it, and maybe_dma_pinned alone does (small, large). */
	bool seen, flag_small, flag_large;
};

static const struct error errors[] = {
	{ "leak", PIN_HELPER_FAULT_LEAK, false, 1, true, true, true },
	{ "unpin_of_reference", PIN_HELPER_FAULT_UNPIN_GET, true, -1, true, false, false },
	/* 1023 references are left on a small page: with that of its mapping, a pin. */
	{ "put_of_pin", PIN_HELPER_FAULT_PUT_PIN, false, 1, true, true, true },
	{ "extra_pin", PIN_HELPER_FAULT_EXTRA_PIN, false, 1, true, true, true },
};

/* Memory that comes into being when it is pinned. */
static const struct fresh {
	const char *consumer, *kind;
	const char *like;	/* the same, but that it was there before */
} freshes[] = {
	{ "helper_memfd", "memfd_fresh", "memfd" },
	{ "helper_memfd", "memfd_hugetlb_fresh", "memfd_hugetlb" },
	{ "udmabuf", "memfd_fresh", "memfd" },
	{ "udmabuf", "memfd_hugetlb_fresh", "memfd_hugetlb" },
	{ "udmabuf_list", "memfd_fresh", "memfd" },
};

struct subject {
	const struct error *error;
	const char *kind;
};

static int do_fault(struct pin_bench *b, unsigned int op, unsigned int handle,
		    size_t first, size_t count)
{
	struct pin_helper_fault fault = {
		.op = op, .handle = handle, .first = first, .count = count,
	};

	return pin_helper_fault(b->fd, &fault);
}

static bool faults_allowed(struct pin_bench *b)
{
	struct pin_helper_info info = { .abi = 0 };

	if (!pin_helper_info(b->fd, &info) && info.faults_allowed)
		return true;
	pin_audit_skip(b->au, "the helper module makes no errors on purpose: load it with allow_faults=1");
	return false;
}

/* Pages outstanding since @before, as the counters have it. */
static int64_t outstanding_since(struct pin_bench *b, const struct pin_snapshot *before)
{
	struct pin_snapshot now;

	if (pin_counters_settle(pin_audit_counters(b->au), &now, 1000000000))
		return INT64_MIN;
	return pin_outstanding(&now.total) - pin_outstanding(&before->total);
}

/* Does maybe_dma_pinned alone show that something stayed? */
static bool flagged(struct pin_bench *b)
{
	struct pin_helper_page *pages = pin_bench_look(b);
	bool found = false;

	for (unsigned int i = 0; pages && i < b->m.pages; i++)
		found |= pages[i].flags & PIN_HELPER_PAGE_MAYBE_PINNED;
	free(pages);
	return found;
}

static void expect(struct pin_bench *b, const char *what, int64_t found, int64_t want)
{
	if (found != want)
		pin_audit_fail(b->au, "%s: %lld, must be %lld", what,
			       (long long)found, (long long)want);
}

/* Undo all errors: both views must be as before. */
static void undo_all(struct pin_bench *b, struct pin_view *v,
		     const struct pin_snapshot *before, unsigned int pages)
{
	struct pin_helper_repair arg = { .pages = 0 };
	char text[1024];
	int err = pin_helper_repair(b->fd, &arg);

	if (err)
		pin_audit_fail(b->au, "repair: %s", strerror(-err));
	expect(b, "pages repaired", arg.pages, pages);
	expect(b, "counters after the repair", outstanding_since(b, before), 0);
	if (pin_view_back(v, text, sizeof(text)))
		pin_audit_fail(b->au, "page view after the repair: %s", text);
	pin_audit_restart(b->au);
}

static bool take_buffer(struct pin_bench *b, bool get, unsigned int *handle)
{
	int err = pin_helper_take_all(b->fd, get ? PIN_HELPER_GET : PIN_HELPER_PIN,
				      PIN_HELPER_WRITE, b->m.addr, b->m.len, handle);

	if (err)
		pin_audit_fail(b->au, "take: %s", strerror(-err));
	return !err;
}

/* What the page view makes of the buffer: folios that are not as before. */
static unsigned int wrong_pages(struct pin_view *v, uint64_t pins)
{
	const struct pin_view_pins want = { .pins = pins };

	return pin_view_held(v, &want, NULL, 0);
}

static enum pin_verdict make_error(struct pin_audit *au, const void *arg)
{
	const struct subject *sub = arg;
	const struct error *e = sub->error;
	struct pin_snapshot before;
	struct pin_bench b;
	struct pin_view *v;
	unsigned int handle;
	bool large;
	int err;

	if (e->op != PIN_HELPER_FAULT_LEAK && pin_audit_not_in_own(au, UNTRACED))
		return PIN_SKIP;
	if (!pin_bench_open(&b, au, sub->kind, PAGES))
		return PIN_SKIP;
	large = b.m.folio_pages > 1;
	before = *pin_audit_base(au);
	v = pin_view_open(b.fd, 0, b.m.addr, b.m.pages);
	if (!v || !faults_allowed(&b) || !take_buffer(&b, e->get, &handle))
		goto out;
	/* In order, nothing is to be seen but the pins. */
	if (!e->get)
		expect(&b, "page view of good pins", wrong_pages(v, b.m.pages), 0);
	err = do_fault(&b, e->op, handle, 1, BAD);
	if (err) {
		pin_audit_fail(au, "fault: %s", strerror(-err));
		goto out;
	}
	err = pin_helper_release(b.fd, handle);
	if (err)
		pin_audit_fail(au, "release of the rest: %s", strerror(-err));
	expect(&b, "counters", outstanding_since(&b, &before), e->outstanding * BAD);
	expect(&b, "page view: folios wrong", wrong_pages(v, 0),
	       !e->seen ? 0 : large ? 1 : BAD);
	expect(&b, "maybe_dma_pinned", flagged(&b), large ? e->flag_large : e->flag_small);
	undo_all(&b, v, &before, BAD);
out:
	pin_view_close(v);
	pin_bench_close(&b);
	return PIN_PASS;
}

/*
 * The error that the counters cannot see: as many pins dropped too many on some
 * pages as are forgotten on others.
 */
static enum pin_verdict cancel_out(struct pin_audit *au, const void *kind)
{
	unsigned int pinned, gotten;
	struct pin_snapshot before;
	struct pin_bench b;
	struct pin_view *v;
	int err;

	if (pin_audit_not_in_own(au, UNTRACED) || !pin_bench_open(&b, au, kind, PAGES))
		return PIN_SKIP;
	before = *pin_audit_base(au);
	v = pin_view_open(b.fd, 0, b.m.addr, b.m.pages);
	if (!v || !faults_allowed(&b) || !take_buffer(&b, false, &pinned) ||
	    !take_buffer(&b, true, &gotten))
		goto out;
	err = do_fault(&b, PIN_HELPER_FAULT_LEAK, pinned, 0, BAD);
	if (!err)
		err = do_fault(&b, PIN_HELPER_FAULT_UNPIN_GET, gotten, BAD, BAD);
	if (err)
		pin_audit_fail(au, "fault: %s", strerror(-err));
	pin_helper_release(b.fd, pinned);
	pin_helper_release(b.fd, gotten);
	expect(&b, "counters", outstanding_since(&b, &before), 0);
	expect(&b, "page view: pages wrong", wrong_pages(v, 0), 2 * BAD);
	undo_all(&b, v, &before, 2 * BAD);
out:
	pin_view_close(v);
	pin_bench_close(&b);
	return PIN_PASS;
}

/*
 * What is pinned of a file that has no pages yet cannot be looked at before. When all
 * is let go of, and mapped, the file and the mapping alone have it. @refs: what the
 * file makes of that, if not 0; else it is asked for.
 */
static unsigned int referenced_by_others(struct pin_bench *b, int *refs)
{
	const uint64_t deadline = pin_now_ns() + SETTLED_NS;
	struct pin_helper_page *pages;
	unsigned int wrong;

	do {
		pin_view_drain_lru();
		pages = pin_bench_look(b);
		wrong = !pages;
		if (pages && !*refs)
			*refs = pages->refcount - pages->mapcount;
		for (unsigned int i = 0; pages && i < b->m.pages; i++)
			wrong += !pages[i].index && pages[i].refcount - pages[i].mapcount != *refs;
		free(pages);
	} while (wrong && pin_now_ns() < deadline);
	return wrong;
}

/* Of such a file that has pages. */
static int file_references(struct pin_audit *au, const char *kind)
{
	struct pin_bench b;
	int refs = 0;

	if (!pin_bench_open(&b, au, kind, PAGES))
		return 0;
	pin_view_drain_lru();
	if (referenced_by_others(&b, &refs))
		pin_audit_fail(au, "pages of %s are not alike", kind);
	pin_bench_close(&b);
	return refs;
}

static enum pin_verdict fresh(struct pin_audit *au, const void *arg)
{
	const struct fresh *f = arg;
	const struct pin_consumer *c = pin_consumer_find(f->consumer);
	struct pin_predict want = { .acquired = 0 };
	char why[PIN_WHY_LEN];
	struct pin_attempt a;
	struct pin_bench b;
	struct pin_op op = { .consumer = c, .mem = &b.m };
	int refs = file_references(au, f->like);
	unsigned int wrong;

	if (!refs)
		return PIN_SKIP;
	if (c->probe && c->probe(pin_audit_kernel(au), why))
		return pin_audit_skip(au, "%s", why);
	if (!pin_bench_open(&b, au, f->kind, PAGES))
		return PIN_SKIP;
	op.kernel = b.k;
	pin_audit_restart(au);
	if (pin_attempt(&op, NULL, &a)) {
		pin_audit_skip(au, "%s", op.why);
		goto out;
	}
	want.acquired = a.pin.acquired;
	want.released = want.acquired;
	want.migrated = a.pin.migrated;
	want.result = a.pin.result;
	want.or_result = a.pin.or_result;
	if (pin_audit_step(au, "pin and let go", &want, a.pinned, 0)) {
		pin_bench_write(&b, 1);
		wrong = referenced_by_others(&b, &refs);
		if (wrong)
			pin_audit_fail(au, "%u pages or folios have other references than file and mapping make",
				       wrong);
	}
out:
	pin_bench_close(&b);
	return PIN_PASS;
}

/* A leak must fail a test of the suite by the page view alone. */
static enum pin_verdict leaking_test(struct pin_audit *au, const void *arg)
{
	struct pin_bench *b = (struct pin_bench *)arg;
	struct pin_predict want = { .acquired = b->m.pages };
	struct pin_view *v = pin_audit_view(au, 0, b->m.addr, b->m.pages);
	unsigned int handle = 0;

	if (!v || pin_helper_take_all(b->fd, PIN_HELPER_PIN, PIN_HELPER_WRITE, b->m.addr,
				      b->m.len, &handle))
		return pin_audit_fail(au, "take");
	pin_audit_step(au, "pin", &want, 0, 0);
	pin_audit_held(au, "pin", v, &want);
	do_fault(b, PIN_HELPER_FAULT_LEAK, handle, 0, BAD);
	pin_helper_release(b->fd, handle);
	/* The counters are told what is coming: they are content. */
	want = (struct pin_predict){ .released = b->m.pages - BAD };
	pin_audit_step(au, "release", &want, 0, 0);
	pin_audit_back(au, "release", v);
	pin_view_close(v);
	return PIN_PASS;
}

static enum pin_verdict fails_a_test(struct pin_audit *au, const void *kind)
{
	struct pin_helper_repair arg = { .pages = 0 };
	enum pin_verdict verdict;
	char text[2048];
	struct pin_bench b;

	if (!pin_bench_open(&b, au, kind, PAGES))
		return PIN_SKIP;
	if (faults_allowed(&b)) {
		verdict = pin_suite_try(au, leaking_test, &b, 1000000000, text, sizeof(text));
		pin_helper_repair(b.fd, &arg);
		if (verdict != PIN_FAIL || !strstr(text, "page view: 3 of"))
			pin_audit_fail(au, "verdict %d: %s", verdict, text);
		pin_audit_restart(au);
	}
	pin_bench_close(&b);
	return PIN_PASS;
}

static void add_tests(struct pin_suite *s)
{
	static const char *const kinds[] = { "anon", "memfd", "thp", "hugetlb" };

	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		for (size_t j = 0; j < sizeof(kinds) / sizeof(kinds[0]); j++) {
			struct subject *sub = calloc(1, sizeof(*sub));

			if (!sub)
				abort();
			*sub = (struct subject){ &errors[i], kinds[j] };
			pin_suite_add(s, make_error, sub, "%s.%s", errors[i].name, kinds[j]);
		}
	}
	pin_suite_add(s, cancel_out, "anon", "cancel_out.anon");
	pin_suite_add(s, cancel_out, "memfd", "cancel_out.memfd");
	pin_suite_add(s, fails_a_test, "anon", "leak.fails_a_test");
	for (size_t i = 0; i < sizeof(freshes) / sizeof(freshes[0]); i++)
		pin_suite_add(s, fresh, &freshes[i], "fresh.%s.%s", freshes[i].consumer,
			      freshes[i].kind);
}

static void setup(struct pin_suite *s)
{
	pin_bench_setup(s, HUGEPAGES);
}

int main(int argc, char **argv)
{
	static const struct pin_program program = {
		.name = "page_view_test",
		.doc = "Errors made on purpose by the helper module: what the counters see of them, and what the pages show.",
		.add_tests = add_tests,
		.setup = setup,
	};

	return pin_suite_main(&program, argc, argv);
}
