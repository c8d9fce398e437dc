// SPDX-License-Identifier: GPL-2.0
/*
 * Cases 4 and 5 of Documentation/core-api/pin_user_pages.rst.
 *
 * 4: who only looks at struct page needs a reference, no pin.
 * 5: who writes to the data of the page must pin it, and mark it dirty before
 *    the unpin. The variants the document calls INCORRECT are tried as well:
 *    their data must get lost here, or the test shows nothing.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"
#include "scratch.h"

#define PAGES		16
#define LATER_US	60000
#define HUGEPAGES	3	/* the child's copy, too */

/* --- case 4 --- */

static const char *const touched[] = {
	"anon", "thp", "hugetlb", "memfd", "shmem", "file_private", "file_shared",
};

static enum pin_verdict touch(struct pin_audit *au, const void *kind)
{
	static const struct pin_predict nothing;
	struct pin_helper_touch arg = { .flags = 0 };
	struct pin_view *v;
	struct pin_bench b;
	int err;

	if (!pin_bench_open(&b, au, kind, PAGES))
		return PIN_SKIP;
	v = pin_audit_view(au, 0, b.m.addr, b.m.pages);
	arg.addr = (uintptr_t)b.m.addr;
	arg.length = b.m.len;
	err = pin_helper_touch(b.fd, &arg);
	pin_bench_step(&b, "touch", 0, 0, err);
	if (arg.pages != b.m.pages)
		pin_audit_fail(au, "%llu pages touched, must be %u",
			       (unsigned long long)arg.pages, b.m.pages);
	/* No reference stays either. */
	pin_audit_held(au, "touch", v, &nothing);
	pin_view_close(v);
	pin_bench_close(&b);
	return PIN_PASS;
}

/* Pages of a file that are only read, however they are pinned, stay clean. */
static const struct {
	const char *name;
	unsigned int way;
} read_ways[] = {
	{ "pin", PIN_HELPER_PIN },
	{ "fast", PIN_HELPER_PIN_FAST },
	{ "unlocked", PIN_HELPER_PIN_UNLOCKED },
};

static void expect_clean(struct pin_bench *b, const char *when)
{
	struct pin_helper_page *pages = pin_bench_look(b);
	unsigned int dirty = 0;

	for (unsigned int i = 0; pages && i < b->m.pages; i++)
		dirty += !!(pages[i].flags & PIN_HELPER_PAGE_DIRTY);
	free(pages);
	if (dirty)
		pin_audit_fail(b->au, "%s: %u of %u pages are dirty, and were only read", when,
			       dirty, b->m.pages);
}

static enum pin_verdict read_clean(struct pin_audit *au, const void *arg)
{
	const unsigned int *way = arg;
	struct pin_bench b;

	if (!pin_bench_open(&b, au, "file_shared", PAGES))
		return PIN_SKIP;
	expect_clean(&b, "before");
	if (pin_bench_take(&b, *way, 0)) {
		expect_clean(&b, "pinned");
		pin_bench_give(&b, PIN_HELPER_GIVE_PAGES, 0);
		expect_clean(&b, "unpinned");
	}
	pin_bench_close(&b);
	return PIN_PASS;
}

/* --- case 5: fork() while the device is at work --- */

struct variant {
	const char *kind;
	bool correct;
	bool copies;		/* private memory: each its own after a write */
};

/* A child that has the memory as it was at the fork, until it is killed. */
static pid_t start_child(void)
{
	pid_t pid = fork();

	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		pin_scratch_disown();
		for (;;)
			pause();
	}
	return pid;
}

static void end_child(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static bool take(struct pin_bench *b, bool correct)
{
	return pin_bench_take(b, correct ? PIN_HELPER_PIN : PIN_HELPER_GET,
			      PIN_HELPER_WRITE);
}

static void device_writes(struct pin_bench *b, bool correct, int value)
{
	int err = pin_helper_fill(b->fd, b->handle, correct ? 0 : PIN_HELPER_DMA_INCORRECT,
				  0, b->m.len, value);

	if (err)
		pin_audit_fail(b->au, "device write: %s", strerror(-err));
}

static void give(struct pin_bench *b, bool correct, bool dirty)
{
	pin_bench_give(b, correct ? PIN_HELPER_GIVE_DIRTY_LOCK : PIN_HELPER_GIVE_PUT,
		       dirty ? PIN_HELPER_DIRTY : 0);
}

/*
 * A reference does not keep fork() from sharing the page: the process then
 * writes to it and gets a copy, and what the device brings goes to the page
 * that it has no longer.
 */
static enum pin_verdict write_across_fork(struct pin_audit *au, const void *arg)
{
	const struct variant *v = arg;
	struct pin_bench b;
	unsigned int lost;
	pid_t child;

	if (!pin_bench_open(&b, au, v->kind, PAGES))
		return PIN_SKIP;
	if (!take(&b, v->correct))
		goto out;
	pin_bench_write(&b, 1);
	child = start_child();
	if (child < 0) {
		pin_audit_fail(au, "fork: %s", strerror(errno));
		goto out;
	}
	pin_bench_write(&b, 2);
	device_writes(&b, v->correct, 3);
	lost = pin_bench_differ(&b, 3);
	end_child(child);
	give(&b, v->correct, true);
	if (v->correct || !v->copies) {
		if (lost && !pin_audit_excuse(au, "fork_data", v->kind))
			pin_audit_fail(au, "%u of %u pages lack what the device wrote",
				       lost, b.m.pages);
	} else if (lost != b.m.pages) {
		pin_audit_fail(au, "a plain reference was enough for %u of %u pages: the document says it is not",
			       b.m.pages - lost, b.m.pages);
	}
out:
	pin_bench_close(&b);
	return PIN_PASS;
}

/* The same without a fork: what is written is there, whoever looks. */
static enum pin_verdict write_and_read(struct pin_audit *au, const void *arg)
{
	const struct variant *v = arg;
	struct pin_bench b;

	if (!pin_bench_open(&b, au, v->kind, PAGES))
		return PIN_SKIP;
	if (take(&b, v->correct)) {
		pin_bench_write(&b, 1);
		device_writes(&b, v->correct, 4);
		if (pin_bench_differ(&b, 4))
			pin_audit_fail(au, "the process does not see what the device wrote");
		pin_bench_write(&b, 5);
		if (pin_helper_peek(b.fd, b.handle, b.m.len - b.k->page_size) != 5)
			pin_audit_fail(au, "the device does not see what the process wrote");
		give(&b, v->correct, true);
	}
	pin_bench_close(&b);
	return PIN_PASS;
}

/*
 * The device takes its time, and the process unmaps the memory meanwhile: it is
 * there for the device, and what of it others still have shows what was written.
 */
static enum pin_verdict write_after_unmap(struct pin_audit *au, const void *kind)
{
	struct pin_helper_dma dma = {
		.op = PIN_HELPER_DMA_FILL, .flags = PIN_HELPER_DMA_LATER, .value = 'l',
		.delay = LATER_US,
	};
	struct pin_helper_wait wait = { .timeout = 100 * LATER_US };
	struct pin_view *v = NULL;
	struct pin_bench b;
	unsigned int lost = 0;
	uint64_t due;
	int err, seen;
	char byte;

	if (!pin_bench_open(&b, au, kind, PAGES))
		return PIN_SKIP;
	pin_bench_write(&b, 1);
	v = pin_view_open(b.fd, 0, b.m.addr, b.m.pages);
	if (!take(&b, true))
		goto out;
	dma.handle = b.handle;
	dma.length = b.m.len;
	wait.handle = b.handle;
	due = pin_now_ns() + LATER_US * 1000ull;
	err = pin_helper_dma(b.fd, &dma);
	pin_mem_unmap(&b.m);
	pin_bench_step(&b, "munmap", 0, 0, err);
	seen = pin_helper_peek(b.fd, b.handle, 0);
	/* On a busy machine it may be too late to tell. */
	if (seen != 1 && pin_now_ns() < due)
		pin_audit_fail(au, "the device finds %d before it has written, must be 1", seen);
	err = pin_helper_wait(b.fd, &wait);
	if (err || wait.error)
		pin_audit_fail(au, "the late write: %s", strerror(err ? -err : -wait.error));
	seen = pin_helper_peek(b.fd, b.handle, b.m.len - 1);
	if (seen != 'l')
		pin_audit_fail(au, "the device finds %d in the last page, had written 'l'", seen);
	for (unsigned int i = 0; b.m.fd >= 0 && i < b.m.pages; i++)
		lost += pread(b.m.fd, &byte, 1, i * b.k->page_size) != 1 || byte != 'l';
	if (lost)
		pin_audit_fail(au, "%u pages of the file lack what was written", lost);
	pin_bench_give(&b, PIN_HELPER_GIVE_DIRTY_LOCK, PIN_HELPER_DIRTY);
	pin_audit_gone(au, "unpin", v);
out:
	pin_view_close(v);
	pin_bench_close(&b);
	return PIN_PASS;
}

/* --- case 5: file memory --- */

static unsigned int dirty_pages(struct pin_bench *b)
{
	struct pin_helper_page *pages = pin_bench_look(b);
	unsigned int n = 0;

	for (unsigned int i = 0; pages && i < b->m.pages; i++)
		n += !!(pages[i].flags & PIN_HELPER_PAGE_DIRTY);
	free(pages);
	return n;
}

/* Pages of the file that do not begin with @value once the cache is gone. */
static unsigned int lost_on_disk(struct pin_bench *b, char value)
{
	unsigned int lost = 0;
	char byte;

	munmap(b->m.map, b->m.map_len);
	b->m.map = NULL;
	fsync(b->m.fd);
	posix_fadvise(b->m.fd, 0, 0, POSIX_FADV_DONTNEED);
	for (unsigned int i = 0; i < b->m.pages; i++)
		lost += pread(b->m.fd, &byte, 1, i * b->k->page_size) != 1 || byte != value;
	return lost;
}

struct file_variant {
	bool correct;		/* pin */
	bool dirty;		/* tell the kernel that it was written to */
	bool range;		/* by another of its functions */
};

/* A range is of pages that lie side by side: one is. */
static void give_ranges(struct pin_bench *b)
{
	int err = 0;

	for (unsigned int i = 0; i < b->m.pages && !err; i++)
		err = pin_helper_give_some(b->fd, b->handle, PIN_HELPER_GIVE_RANGE_DIRTY_LOCK,
					   PIN_HELPER_DIRTY, i, 1);
	pin_bench_step(b, "unpin", 0, b->m.pages, err);
}

/*
 * The pages are written back while the device holds them, and so are clean
 * when it writes. If nobody says that they are dirty again it is all lost with
 * the next reclaim.
 */
static enum pin_verdict file_data(struct pin_audit *au, const void *arg)
{
	const struct file_variant *v = arg;
	unsigned int dirty, lost;
	struct pin_bench b;

	if (v->range && pin_audit_kernel(au)->version < PIN_KVER(5, 14))
		return pin_audit_skip(au, "unpin_user_page_range_dirty_lock() came with Linux 5.14");
	if (!pin_bench_open(&b, au, "file_shared", PAGES))
		return PIN_SKIP;
	if (!take(&b, v->correct))
		goto out;
	if (fsync(b.m.fd))
		pin_audit_fail(au, "fsync: %s", strerror(errno));
	dirty = dirty_pages(&b);
	if (dirty)
		pin_audit_fail(au, "%u pages are dirty after fsync", dirty);
	device_writes(&b, v->correct, 'd');
	if (v->range)
		give_ranges(&b);
	else
		give(&b, v->correct, v->dirty);
	dirty = dirty_pages(&b);
	if (dirty != (v->dirty ? b.m.pages : 0))
		pin_audit_fail(au, "%u of %u pages are dirty", dirty, b.m.pages);
	lost = lost_on_disk(&b, 'd');
	if (v->dirty && lost)
		pin_audit_fail(au, "%u of %u pages of the file lack what the device wrote",
			       lost, b.m.pages);
	if (!v->dirty && lost != b.m.pages)
		pin_audit_fail(au, "%u of %u pages reached the file, though nobody marked them dirty",
			       b.m.pages - lost, b.m.pages);
out:
	pin_bench_close(&b);
	return PIN_PASS;
}

/* Without the flag for it the helper does not do what is wrong. */
static enum pin_verdict needs_flag(struct pin_audit *au, const void *arg)
{
	struct pin_bench b;

	if (!pin_bench_open(&b, au, "anon", PAGES))
		return PIN_SKIP;
	pin_bench_write(&b, 1);
	if (pin_bench_take(&b, PIN_HELPER_GET, PIN_HELPER_WRITE)) {
		pin_bench_step(&b, "write by reference", 0, 0,
			       pin_helper_fill(b.fd, b.handle, 0, 0, b.m.len, 2) == -EPERM ?
			       0 : -EINVAL);
		if (pin_bench_differ(&b, 1))
			pin_audit_fail(au, "it was refused, but done");
		pin_bench_give(&b, PIN_HELPER_GIVE_PUT, 0);
	}
	pin_bench_close(&b);
	return PIN_PASS;
}

static void add_tests(struct pin_suite *s)
{
	static const struct variant variants[] = {
		{ "anon", true, true }, { "anon", false, true },
		{ "thp", true, true }, { "thp_part", true, true },
		{ "hugetlb", true, true }, { "file_private", true, true },
		{ "file_private", false, true },
		{ "memfd", true, false }, { "shmem", true, false },
		{ "memfd", false, false },
	};
	static const struct file_variant files[] = {
		{ true, true, false }, { true, true, true }, { true, false, false },
		{ false, false, false },
	};
	static const char *const late[] = { "anon", "thp", "memfd", "file_shared" };
	static const char *const file_names[] = {
		"correct", "correct_range", "not_dirtied", "incorrect",
	};

	for (size_t i = 0; i < sizeof(touched) / sizeof(touched[0]); i++)
		pin_suite_add(s, touch, touched[i], "case4.touch.%s", touched[i]);
	for (size_t i = 0; i < sizeof(read_ways) / sizeof(read_ways[0]); i++)
		pin_suite_add(s, read_clean, &read_ways[i].way, "clean.%s", read_ways[i].name);
	for (size_t i = 0; i < sizeof(variants) / sizeof(variants[0]); i++) {
		const char *how = variants[i].correct ? "correct" : "incorrect";

		pin_suite_add(s, write_and_read, &variants[i], "case5.data.%s.%s",
			      variants[i].kind, how);
		pin_suite_add(s, write_across_fork, &variants[i], "case5.fork.%s.%s",
			      variants[i].kind, how);
	}
	for (size_t i = 0; i < sizeof(late) / sizeof(late[0]); i++)
		pin_suite_add(s, write_after_unmap, late[i], "case5.after_unmap.%s", late[i]);
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		pin_suite_add(s, file_data, &files[i], "case5.file.%s", file_names[i]);
	pin_suite_add(s, needs_flag, NULL, "case5.refused");
}

static void setup(struct pin_suite *s)
{
	pin_bench_setup(s, HUGEPAGES);
}

int main(int argc, char **argv)
{
	static const struct pin_program program = {
		.name = "case45_test",
		.doc = "Work on struct page only, and work on the data: what needs a pin and what does not, and how data gets lost without one.",
		.add_tests = add_tests,
		.setup = setup,
	};

	return pin_suite_main(&program, argc, argv);
}
