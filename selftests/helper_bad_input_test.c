// SPDX-License-Identifier: GPL-2.0
/*
 * The helper module refuses what makes no sense: each call of it with each kind
 * of wrong argument, the exact error, and no pin moved on the way.
 */
#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"
#include "scratch.h"

#define PAGES	8
#define NOBODY	65534

struct bad_bench {
	struct pin_bench b;
	unsigned int pin, get, readonly;	/* handles, each on all pages */
	unsigned int mirror;			/* 0: none here */
	char *none;				/* PAGES pages that are not mapped */
	char *kernel;				/* an address of the kernel's */
};

struct bad {
	const char *name;
	int want;
	int (*call)(struct bad_bench *b);
	uint64_t moved;		/* acquired, and released again */
};

/* --- any call --- */

static int call_unknown(struct bad_bench *b)
{
	__u32 arg[16] = { sizeof(arg) };

	return ioctl(b->b.fd, _IO(0xb7, 0x7f), arg) < 0 ? -errno : 0;
}

static int call_other_type(struct bad_bench *b)
{
	__u32 arg[16] = { sizeof(arg) };

	return ioctl(b->b.fd, _IO(0xb8, 0x00), arg) < 0 ? -errno : 0;
}

static int sized(struct bad_bench *b, unsigned int size)
{
	static char arg[65536];

	memset(arg, 0, sizeof(arg));
	return pin_helper_call(b->b.fd, PIN_HELPER_IOC_INFO, arg, size);
}

static int call_size_0(struct bad_bench *b)
{
	return sized(b, 0);
}

static int call_size_only(struct bad_bench *b)
{
	return sized(b, 4);
}

static int call_size_huge(struct bad_bench *b)
{
	return sized(b, UINT_MAX);
}

/* A later version of the structure, with nothing in what is new. */
static int call_size_longer(struct bad_bench *b)
{
	return sized(b, sizeof(struct pin_helper_info) + 64);
}

/* The same, with something in it that this module cannot know. */
static int call_tail(struct bad_bench *b)
{
	char arg[sizeof(struct pin_helper_info) + 64] = "";

	arg[sizeof(arg) - 1] = 1;
	return pin_helper_call(b->b.fd, PIN_HELPER_IOC_INFO, arg, sizeof(arg));
}

static int call_null(struct bad_bench *b)
{
	return ioctl(b->b.fd, PIN_HELPER_IOC_INFO, NULL) < 0 ? -errno : 0;
}

static int call_kernel(struct bad_bench *b)
{
	return ioctl(b->b.fd, PIN_HELPER_IOC_INFO, b->kernel) < 0 ? -errno : 0;
}

/* In a process without privilege, by a descriptor from one that has it. */
static int call_unprivileged(struct bad_bench *b)
{
	struct pin_helper_info info;
	int status;
	pid_t pid = fork();

	if (!pid) {
		pin_scratch_disown();
		if (setgid(NOBODY) || setuid(NOBODY))
			_exit(255);
		_exit(-pin_helper_info(b->b.fd, &info));
	}
	waitpid(pid, &status, 0);
	return -WEXITSTATUS(status);
}

static int open_unprivileged(struct bad_bench *b)
{
	char why[PIN_WHY_LEN];
	int status, fd;
	pid_t pid = fork();

	if (!pid) {
		pin_scratch_disown();
		if (setgid(NOBODY) || setuid(NOBODY))
			_exit(255);
		fd = pin_helper_open(why);
		_exit(fd < 0 ? -fd : 0);
	}
	waitpid(pid, &status, 0);
	return -WEXITSTATUS(status);
}

/* --- TAKE --- */

static struct pin_helper_take good_take(struct bad_bench *b)
{
	return (struct pin_helper_take){
		.way = PIN_HELPER_PIN,
		.flags = PIN_HELPER_WRITE,
		.addr = (uintptr_t)b->b.m.addr,
		.length = b->b.m.len,
	};
}

static int take(struct bad_bench *b, struct pin_helper_take t)
{
	return pin_helper_take(b->b.fd, &t);
}

static int take_way(struct bad_bench *b)
{
	struct pin_helper_take t = good_take(b);

	t.way = PIN_HELPER_WAYS;
	return take(b, t);
}

static int take_flags(struct bad_bench *b)
{
	struct pin_helper_take t = good_take(b);

	t.flags = 1u << 31;
	return take(b, t);
}

static int take_longterm_get(struct bad_bench *b)
{
	struct pin_helper_take t = good_take(b);

	t.way = PIN_HELPER_GET;
	t.flags = PIN_HELPER_LONGTERM;
	return take(b, t);
}

static int take_no_length(struct bad_bench *b)
{
	struct pin_helper_take t = good_take(b);

	t.length = 0;
	return take(b, t);
}

static int take_wraps(struct bad_bench *b)
{
	struct pin_helper_take t = good_take(b);

	t.length = -t.addr + 1;
	return take(b, t);
}

static int take_all_of_it(struct bad_bench *b)
{
	struct pin_helper_take t = good_take(b);

	t.addr = 0;
	t.length = UINT64_MAX;
	return take(b, t);
}

static int take_too_many(struct bad_bench *b)
{
	struct pin_helper_take t = good_take(b);
	struct pin_helper_info info = { .abi = 0 };

	pin_helper_info(b->b.fd, &info);
	t.length = (info.max_pages_file + 1) * b->b.k->page_size;
	return take(b, t);
}

static int take_target(struct bad_bench *b)
{
	struct pin_helper_take t = good_take(b);

	t.target = getpid();
	return take(b, t);
}

static int take_unmapped(struct bad_bench *b)
{
	struct pin_helper_take t = good_take(b);

	t.addr = (uintptr_t)b->none;
	return take(b, t);
}

static int take_fast_unmapped(struct bad_bench *b)
{
	struct pin_helper_take t = good_take(b);

	t.way = PIN_HELPER_PIN_FAST;
	t.addr = (uintptr_t)b->none;
	return take(b, t);
}

static int take_kernel(struct bad_bench *b)
{
	struct pin_helper_take t = good_take(b);

	t.addr = (uintptr_t)b->kernel;
	t.length = b->b.k->page_size;
	return take(b, t);
}

static int take_fast_kernel(struct bad_bench *b)
{
	struct pin_helper_take t = good_take(b);

	t.way = PIN_HELPER_PIN_FAST;
	t.addr = (uintptr_t)b->kernel;
	t.length = b->b.k->page_size;
	return take(b, t);
}

static int take_nobody(struct bad_bench *b)
{
	struct pin_helper_take t = good_take(b);

	t.way = PIN_HELPER_PIN_REMOTE;
	t.target = INT_MAX;
	return take(b, t);
}

static int take_memfd(struct bad_bench *b, int target)
{
	struct pin_helper_take t = good_take(b);

	t.way = PIN_HELPER_PIN_MEMFD;
	t.target = target;
	t.addr = 0;
	return take(b, t);
}

static int take_no_file(struct bad_bench *b)
{
	return take_memfd(b, -1);
}

static int take_no_memfd(struct bad_bench *b)
{
	return take_memfd(b, b->b.fd);
}

/* The result cannot be told to the caller: the pins must not stay. */
static int take_no_answer(struct bad_bench *b)
{
	size_t page = b->b.k->page_size;
	struct pin_helper_take *t = mmap(NULL, page, PROT_READ | PROT_WRITE,
					 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int err;

	*t = good_take(b);
	t->size = sizeof(*t);
	mprotect(t, page, PROT_READ);
	err = ioctl(b->b.fd, PIN_HELPER_IOC_TAKE, t) < 0 ? -errno : 0;
	munmap(t, page);
	return err;
}

/* Some pages, then none: the call succeeds and says so. */
static int take_ends(struct bad_bench *b)
{
	struct pin_helper_take t = good_take(b);
	int err;

	t.addr = (uintptr_t)b->none - 3 * b->b.k->page_size;
	t.length = 5 * b->b.k->page_size;
	err = pin_helper_take(b->b.fd, &t);
	if (err)
		return err;
	pin_helper_release(b->b.fd, t.handle);
	return t.pages == 3 ? t.error : -EIO;
}

/* --- GIVE and CLOSE --- */

static int give(struct bad_bench *b, unsigned int handle, unsigned int way,
		unsigned int flags, uint64_t first, uint64_t count)
{
	struct pin_helper_give g = {
		.handle = handle, .way = way, .flags = flags, .first = first, .count = count,
	};

	return pin_helper_give(b->b.fd, &g);
}

static int give_nothing(struct bad_bench *b)
{
	return give(b, 12345, PIN_HELPER_GIVE_PAGES, PIN_HELPER_GIVE_REST, 0, 0);
}

static int give_handle_0(struct bad_bench *b)
{
	return give(b, 0, PIN_HELPER_GIVE_PAGES, PIN_HELPER_GIVE_REST, 0, 0);
}

static int give_way(struct bad_bench *b)
{
	return give(b, b->pin, PIN_HELPER_GIVES, PIN_HELPER_GIVE_REST, 0, 0);
}

static int give_flags(struct bad_bench *b)
{
	return give(b, b->pin, PIN_HELPER_GIVE_PAGES, 1u << 30, 0, 1);
}

static int give_put_of_pin(struct bad_bench *b)
{
	return give(b, b->pin, PIN_HELPER_GIVE_PUT, PIN_HELPER_GIVE_REST, 0, 0);
}

static int give_unpin_of_get(struct bad_bench *b)
{
	return give(b, b->get, PIN_HELPER_GIVE_PAGES, PIN_HELPER_GIVE_REST, 0, 0);
}

static int give_dirty_get(struct bad_bench *b)
{
	return give(b, b->get, PIN_HELPER_GIVE_DIRTY_LOCK, PIN_HELPER_GIVE_REST, 0, 0);
}

static int give_dirty(struct bad_bench *b)
{
	return give(b, b->pin, PIN_HELPER_GIVE_PAGES,
		    PIN_HELPER_DIRTY | PIN_HELPER_GIVE_REST, 0, 0);
}

static int give_beyond(struct bad_bench *b)
{
	return give(b, b->pin, PIN_HELPER_GIVE_PAGES, 0, PAGES - 1, 2);
}

static int give_far_beyond(struct bad_bench *b)
{
	return give(b, b->pin, PIN_HELPER_GIVE_PAGES, 0, UINT64_MAX, 1);
}

static int give_wraps(struct bad_bench *b)
{
	return give(b, b->pin, PIN_HELPER_GIVE_PAGES, 0, 1, UINT64_MAX);
}

static int give_none(struct bad_bench *b)
{
	return give(b, b->pin, PIN_HELPER_GIVE_PAGES, 0, 0, 0);
}

static int give_rest_of_some(struct bad_bench *b)
{
	return give(b, b->pin, PIN_HELPER_GIVE_PAGES, PIN_HELPER_GIVE_REST, 1, 1);
}

static int give_twice(struct bad_bench *b)
{
	int err = give(b, b->pin, PIN_HELPER_GIVE_PAGES, 0, 2, 1);

	pin_audit_restart(b->b.au);
	return err ? -EIO : give(b, b->pin, PIN_HELPER_GIVE_PAGES, 0, 2, 1);
}

static int give_around_hole(struct bad_bench *b)
{
	int err = give(b, b->pin, PIN_HELPER_GIVE_PAGES, 0, 2, 1);

	pin_audit_restart(b->b.au);
	return err ? -EIO : give(b, b->pin, PIN_HELPER_GIVE_PAGES, 0, 0, PAGES);
}

static int give_mirror(struct bad_bench *b)
{
	if (!b->mirror)
		return -ENODEV;
	return give(b, b->mirror, PIN_HELPER_GIVE_PAGES, PIN_HELPER_GIVE_REST, 0, 0);
}

static int close_nothing(struct bad_bench *b)
{
	return pin_helper_release(b->b.fd, 12345);
}

static int close_twice(struct bad_bench *b)
{
	int err = pin_helper_release(b->b.fd, b->pin);

	pin_audit_restart(b->b.au);
	return err ? -EIO : pin_helper_release(b->b.fd, b->pin);
}

/* Handles are of one open file only. */
static int close_of_other(struct bad_bench *b)
{
	char why[PIN_WHY_LEN];
	int err, fd = pin_helper_open(why);

	err = pin_helper_release(fd, b->pin);
	close(fd);
	return err;
}

/* --- DMA and WAIT --- */

static int dma(struct bad_bench *b, struct pin_helper_dma d)
{
	return pin_helper_dma(b->b.fd, &d);
}

static struct pin_helper_dma good_fill(struct bad_bench *b)
{
	return (struct pin_helper_dma){
		.handle = b->pin, .op = PIN_HELPER_DMA_FILL, .length = b->b.m.len,
	};
}

#define BAD_FILL(name, change)					\
static int dma_##name(struct bad_bench *b)			\
{								\
	struct pin_helper_dma d = good_fill(b);			\
								\
	change;							\
	return dma(b, d);					\
}

BAD_FILL(nothing, d.handle = 12345)
BAD_FILL(op, d.op = PIN_HELPER_DMA_FILL + 1)
BAD_FILL(flags, d.flags = 1u << 31)
BAD_FILL(no_length, d.length = 0)
BAD_FILL(beyond, d.offset = 1)
BAD_FILL(far_beyond, d.offset = UINT64_MAX)
BAD_FILL(wraps, (d.offset = 2, d.length = UINT64_MAX))
BAD_FILL(value, d.value = 256)
BAD_FILL(fill_from, d.buffer = (uintptr_t)b->b.m.addr)
BAD_FILL(delay_now, d.delay = 1)
BAD_FILL(delay, (d.flags = PIN_HELPER_DMA_LATER, d.delay = PIN_HELPER_MAX_DELAY + 1))
BAD_FILL(by_reference, d.handle = b->get)
BAD_FILL(readonly, d.handle = b->readonly)
BAD_FILL(later_read, (d.op = PIN_HELPER_DMA_READ, d.flags = PIN_HELPER_DMA_LATER))
BAD_FILL(to_unmapped, (d.op = PIN_HELPER_DMA_READ, d.buffer = (uintptr_t)b->none))
BAD_FILL(from_unmapped, (d.op = PIN_HELPER_DMA_WRITE, d.buffer = (uintptr_t)b->none))
BAD_FILL(from_kernel, (d.op = PIN_HELPER_DMA_WRITE, d.buffer = (uintptr_t)b->kernel))

static int dma_given_back(struct bad_bench *b)
{
	int err = give(b, b->pin, PIN_HELPER_GIVE_PAGES, 0, 2, 1);

	pin_audit_restart(b->b.au);
	return err ? -EIO : dma(b, good_fill(b));
}

static int dma_busy(struct bad_bench *b)
{
	struct pin_helper_dma d = good_fill(b);
	int err;

	d.flags = PIN_HELPER_DMA_LATER;
	d.delay = 20000;
	err = dma(b, d);
	return err ? -EIO : dma(b, d);
}

static int wait_nothing(struct bad_bench *b)
{
	struct pin_helper_wait w = { .handle = 12345 };

	return pin_helper_wait(b->b.fd, &w);
}

static int wait_too_short(struct bad_bench *b)
{
	struct pin_helper_wait w = { .handle = b->pin, .timeout = 1000 };
	struct pin_helper_dma d = good_fill(b);
	int err;

	d.flags = PIN_HELPER_DMA_LATER;
	d.delay = 100000;
	err = dma(b, d);
	return err ? -EIO : pin_helper_wait(b->b.fd, &w);
}

/* --- TOUCH --- */

static int touch(struct bad_bench *b, unsigned int flags, const void *addr, uint64_t len)
{
	struct pin_helper_touch t = {
		.flags = flags, .addr = (uintptr_t)addr, .length = len,
	};

	return pin_helper_touch(b->b.fd, &t);
}

static int touch_flags(struct bad_bench *b)
{
	return touch(b, 1, b->b.m.addr, b->b.m.len);
}

static int touch_no_length(struct bad_bench *b)
{
	return touch(b, 0, b->b.m.addr, 0);
}

static int touch_wraps(struct bad_bench *b)
{
	return touch(b, 0, b->b.m.addr, UINT64_MAX);
}

static int touch_unmapped(struct bad_bench *b)
{
	return touch(b, 0, b->none, b->b.k->page_size);
}

/* --- INSPECT and SCAN --- */

static struct pin_helper_page seen[PAGES];

static struct pin_helper_inspect good_inspect(struct bad_bench *b)
{
	return (struct pin_helper_inspect){
		.subject = PIN_HELPER_OF_RANGE,
		.stride = sizeof(seen[0]),
		.addr = (uintptr_t)b->b.m.addr,
		.count = PAGES,
		.pages = (uintptr_t)seen,
	};
}

#define BAD_INSPECT(name, change)				\
static int inspect_##name(struct bad_bench *b)			\
{								\
	struct pin_helper_inspect i = good_inspect(b);		\
								\
	change;							\
	return pin_helper_inspect(b->b.fd, &i);			\
}

BAD_INSPECT(subject, i.subject = PIN_HELPER_OF_PFNS + 1)
BAD_INSPECT(stride, i.stride = 4)
BAD_INSPECT(too_many, i.count = PIN_HELPER_MAX_INSPECT + 1)
BAD_INSPECT(far_too_many, i.count = UINT64_MAX)
BAD_INSPECT(to_unmapped, i.pages = (uintptr_t)b->none)
BAD_INSPECT(to_kernel, i.pages = (uintptr_t)b->kernel)
BAD_INSPECT(nobody, i.target = INT_MAX)
BAD_INSPECT(no_handle, (i.subject = PIN_HELPER_OF_HANDLE, i.target = 12345, i.addr = 0))
BAD_INSPECT(beyond, (i.subject = PIN_HELPER_OF_HANDLE, i.target = b->pin,
		     i.addr = 0, i.first = 1))
BAD_INSPECT(wraps, (i.subject = PIN_HELPER_OF_HANDLE, i.target = b->pin,
		    i.addr = 0, i.first = UINT64_MAX))

/* Frames that are not there are not present: no error. */
static int inspect_no_frame(struct bad_bench *b)
{
	struct pin_helper_inspect i = good_inspect(b);
	int err;

	for (int n = 0; n < PAGES; n++)
		seen[n].pfn = UINT64_MAX - n;
	i.subject = PIN_HELPER_OF_PFNS;
	i.addr = 0;
	err = pin_helper_inspect(b->b.fd, &i);
	for (int n = 0; n < PAGES && !err; n++)
		err = seen[n].flags ? -EIO : 0;
	return err;
}

static int inspect_unmapped(struct bad_bench *b)
{
	struct pin_helper_inspect i = good_inspect(b);
	int err;

	i.addr = (uintptr_t)b->none;
	err = pin_helper_inspect(b->b.fd, &i);
	for (int n = 0; n < PAGES && !err; n++)
		err = seen[n].flags ? -EIO : 0;
	return err;
}

static int scan_flags(struct bad_bench *b)
{
	struct pin_helper_scan s = { .flags = 1u << 31 };

	return pin_helper_scan(b->b.fd, &s);
}

static int scan_reserved(struct bad_bench *b)
{
	struct pin_helper_scan s = { .reserved = 1 };

	return pin_helper_scan(b->b.fd, &s);
}

/* --- MIRROR --- */

static int mirror(struct bad_bench *b, unsigned int way, unsigned int flags,
		  const void *addr, uint64_t len)
{
	struct pin_helper_mirror m = {
		.way = way, .flags = flags, .addr = (uintptr_t)addr, .length = len,
	};

	if (!b->mirror)
		return -ENODEV;
	return pin_helper_mirror(b->b.fd, &m);
}

static int mirror_way(struct bad_bench *b)
{
	return mirror(b, PIN_HELPER_MIRRORS, 0, b->b.m.addr, b->b.m.len);
}

static int mirror_flags(struct bad_bench *b)
{
	return mirror(b, PIN_HELPER_MIRROR_PIN, 1u << 31, b->b.m.addr, b->b.m.len);
}

static int mirror_unaligned(struct bad_bench *b)
{
	return mirror(b, PIN_HELPER_MIRROR_PIN, 0, (char *)b->b.m.addr + 1, b->b.k->page_size);
}

static int mirror_odd_length(struct bad_bench *b)
{
	return mirror(b, PIN_HELPER_MIRROR_PIN, 0, b->b.m.addr, b->b.k->page_size + 1);
}

static int mirror_no_length(struct bad_bench *b)
{
	return mirror(b, PIN_HELPER_MIRROR_PIN, 0, b->b.m.addr, 0);
}

static int mirror_wraps(struct bad_bench *b)
{
	return mirror(b, PIN_HELPER_MIRROR_PIN, 0, b->b.m.addr,
		      -(uint64_t)b->b.k->page_size);
}

static int mirror_hmm_sync(struct bad_bench *b)
{
	return mirror(b, PIN_HELPER_MIRROR_HMM, PIN_HELPER_WRITE | PIN_HELPER_MIRROR_SYNC,
		      b->b.m.addr, b->b.m.len);
}

static int map(struct bad_bench *b, unsigned int handle)
{
	struct pin_helper_mirror_map m = { .handle = handle };

	return b->mirror ? pin_helper_mirror_map(b->b.fd, &m) : -ENODEV;
}

static int map_nothing(struct bad_bench *b)
{
	return map(b, 12345);
}

static int map_of_pins(struct bad_bench *b)
{
	return map(b, b->pin);
}

static int busy_reserved(struct bad_bench *b)
{
	struct pin_helper_mirror_busy m = { .handle = b->mirror, .on = 1, .reserved = 1 };

	return b->mirror ? pin_helper_mirror_busy(b->b.fd, &m) : -ENODEV;
}

static int busy_of_pins(struct bad_bench *b)
{
	struct pin_helper_mirror_busy m = { .handle = b->pin, .on = 1 };

	return b->mirror ? pin_helper_mirror_busy(b->b.fd, &m) : -ENODEV;
}

static int stat_nothing(struct bad_bench *b)
{
	struct pin_helper_mirror_stat m = { .handle = 12345 };

	return b->mirror ? pin_helper_mirror_stat(b->b.fd, &m) : -ENODEV;
}

/* --- FAULT --- */

static bool faults_allowed(struct bad_bench *b)
{
	struct pin_helper_info info = { .abi = 0 };

	return !pin_helper_info(b->b.fd, &info) && info.faults_allowed;
}

static int fault(struct bad_bench *b, unsigned int op, unsigned int handle,
		 uint64_t first, uint64_t count)
{
	struct pin_helper_fault f = {
		.op = op, .handle = handle, .first = first, .count = count,
	};

	return pin_helper_fault(b->b.fd, &f);
}

static int fault_not_allowed(struct bad_bench *b)
{
	return faults_allowed(b) ? -EPERM : fault(b, PIN_HELPER_FAULT_LEAK, b->pin, 0, 1);
}

static int fault_op(struct bad_bench *b)
{
	return faults_allowed(b) ? fault(b, PIN_HELPER_FAULT_OPS, b->pin, 0, 1) : -EINVAL;
}

static int fault_unpin_of_pin(struct bad_bench *b)
{
	return faults_allowed(b) ? fault(b, PIN_HELPER_FAULT_UNPIN_GET, b->pin, 0, 1) :
				   -EINVAL;
}

static int fault_put_of_get(struct bad_bench *b)
{
	return faults_allowed(b) ? fault(b, PIN_HELPER_FAULT_PUT_PIN, b->get, 0, 1) : -EINVAL;
}

static int fault_beyond(struct bad_bench *b)
{
	return faults_allowed(b) ? fault(b, PIN_HELPER_FAULT_LEAK, b->pin, PAGES, 1) : -EINVAL;
}

static const struct bad list[] = {
	{ "call.unknown", -ENOTTY, call_unknown, 0 },
	{ "call.other_type", -ENOTTY, call_other_type, 0 },
	{ "call.size_0", -EINVAL, call_size_0, 0 },
	{ "call.size_only", -EINVAL, call_size_only, 0 },
	{ "call.size_huge", -E2BIG, call_size_huge, 0 },
	{ "call.size_longer", 0, call_size_longer, 0 },
	{ "call.tail", -E2BIG, call_tail, 0 },
	{ "call.null", -EFAULT, call_null, 0 },
	{ "call.kernel_address", -EFAULT, call_kernel, 0 },
	{ "call.unprivileged", -EPERM, call_unprivileged, 0 },
	{ "open.unprivileged", -EACCES, open_unprivileged, 0 },
	{ "take.way", -EINVAL, take_way, 0 },
	{ "take.flags", -EINVAL, take_flags, 0 },
	{ "take.longterm_get", -EINVAL, take_longterm_get, 0 },
	{ "take.zero_length", -EINVAL, take_no_length, 0 },
	{ "take.wraps", -EINVAL, take_wraps, 0 },
	{ "take.everything", -EINVAL, take_all_of_it, 0 },
	{ "take.too_many", -EDQUOT, take_too_many, 0 },
	{ "take.target", -EINVAL, take_target, 0 },
	{ "take.unmapped", -EFAULT, take_unmapped, 0 },
	{ "take.fast_unmapped", -EFAULT, take_fast_unmapped, 0 },
	{ "take.kernel_address", -EFAULT, take_kernel, 0 },
	{ "take.fast_kernel_address", -EFAULT, take_fast_kernel, 0 },
	{ "take.nobody", -ESRCH, take_nobody, 0 },
	{ "take.no_file", -EBADF, take_no_file, 0 },
	{ "take.no_memfd", -EINVAL, take_no_memfd, 0 },
	{ "take.no_answer", -EFAULT, take_no_answer, PAGES },
	{ "take.ends", -EFAULT, take_ends, 3 },
	{ "give.nothing", -ENOENT, give_nothing, 0 },
	{ "give.handle_0", -ENOENT, give_handle_0, 0 },
	{ "give.way", -EINVAL, give_way, 0 },
	{ "give.flags", -EINVAL, give_flags, 0 },
	{ "give.put_of_pin", -EINVAL, give_put_of_pin, 0 },
	{ "give.unpin_of_get", -EINVAL, give_unpin_of_get, 0 },
	{ "give.dirty_lock_of_get", -EINVAL, give_dirty_get, 0 },
	{ "give.dirty", -EINVAL, give_dirty, 0 },
	{ "give.beyond", -EINVAL, give_beyond, 0 },
	{ "give.far_beyond", -EINVAL, give_far_beyond, 0 },
	{ "give.wraps", -EINVAL, give_wraps, 0 },
	{ "give.none", -EINVAL, give_none, 0 },
	{ "give.rest_of_some", -EINVAL, give_rest_of_some, 0 },
	{ "give.twice", -EINVAL, give_twice, 0 },
	{ "give.around_hole", -EINVAL, give_around_hole, 0 },
	{ "give.mirror", -EINVAL, give_mirror, 0 },
	{ "close.nothing", -ENOENT, close_nothing, 0 },
	{ "close.twice", -ENOENT, close_twice, 0 },
	{ "close.of_other", -ENOENT, close_of_other, 0 },
	{ "dma.nothing", -ENOENT, dma_nothing, 0 },
	{ "dma.op", -EINVAL, dma_op, 0 },
	{ "dma.flags", -EINVAL, dma_flags, 0 },
	{ "dma.zero_length", -EINVAL, dma_no_length, 0 },
	{ "dma.beyond", -EINVAL, dma_beyond, 0 },
	{ "dma.far_beyond", -EINVAL, dma_far_beyond, 0 },
	{ "dma.wraps", -EINVAL, dma_wraps, 0 },
	{ "dma.value", -EINVAL, dma_value, 0 },
	{ "dma.fill_from", -EINVAL, dma_fill_from, 0 },
	{ "dma.delay_now", -EINVAL, dma_delay_now, 0 },
	{ "dma.delay", -EINVAL, dma_delay, 0 },
	{ "dma.by_reference", -EPERM, dma_by_reference, 0 },
	{ "dma.readonly", -EACCES, dma_readonly, 0 },
	{ "dma.later_read", -EINVAL, dma_later_read, 0 },
	{ "dma.to_unmapped", -EFAULT, dma_to_unmapped, 0 },
	{ "dma.from_unmapped", -EFAULT, dma_from_unmapped, 0 },
	{ "dma.from_kernel", -EFAULT, dma_from_kernel, 0 },
	{ "dma.given_back", -EINVAL, dma_given_back, 0 },
	{ "dma.busy", -EBUSY, dma_busy, 0 },
	{ "wait.nothing", -ENOENT, wait_nothing, 0 },
	{ "wait.too_short", -ETIMEDOUT, wait_too_short, 0 },
	{ "touch.flags", -EINVAL, touch_flags, 0 },
	{ "touch.zero_length", -EINVAL, touch_no_length, 0 },
	{ "touch.wraps", -EINVAL, touch_wraps, 0 },
	{ "touch.unmapped", -EFAULT, touch_unmapped, 0 },
	{ "inspect.subject", -EINVAL, inspect_subject, 0 },
	{ "inspect.stride", -EINVAL, inspect_stride, 0 },
	{ "inspect.too_many", -EINVAL, inspect_too_many, 0 },
	{ "inspect.far_too_many", -EINVAL, inspect_far_too_many, 0 },
	{ "inspect.to_unmapped", -EFAULT, inspect_to_unmapped, 0 },
	{ "inspect.to_kernel", -EFAULT, inspect_to_kernel, 0 },
	{ "inspect.nobody", -ESRCH, inspect_nobody, 0 },
	{ "inspect.no_handle", -ENOENT, inspect_no_handle, 0 },
	{ "inspect.beyond", -EINVAL, inspect_beyond, 0 },
	{ "inspect.wraps", -EINVAL, inspect_wraps, 0 },
	{ "inspect.no_frame", 0, inspect_no_frame, 0 },
	{ "inspect.unmapped", 0, inspect_unmapped, 0 },
	{ "scan.flags", -EINVAL, scan_flags, 0 },
	{ "scan.reserved", -EINVAL, scan_reserved, 0 },
	{ "mirror.way", -EINVAL, mirror_way, 0 },
	{ "mirror.flags", -EINVAL, mirror_flags, 0 },
	{ "mirror.unaligned", -EINVAL, mirror_unaligned, 0 },
	{ "mirror.odd_length", -EINVAL, mirror_odd_length, 0 },
	{ "mirror.zero_length", -EINVAL, mirror_no_length, 0 },
	{ "mirror.wraps", -EINVAL, mirror_wraps, 0 },
	{ "mirror.hmm_sync", -EINVAL, mirror_hmm_sync, 0 },
	{ "mirror_map.nothing", -ENOENT, map_nothing, 0 },
	{ "mirror_map.of_pins", -EINVAL, map_of_pins, 0 },
	{ "mirror_busy.reserved", -EINVAL, busy_reserved, 0 },
	{ "mirror_busy.of_pins", -EINVAL, busy_of_pins, 0 },
	{ "mirror_stat.nothing", -ENOENT, stat_nothing, 0 },
	{ "fault.not_allowed", -EPERM, fault_not_allowed, 0 },
	{ "fault.op", -EINVAL, fault_op, 0 },
	{ "fault.unpin_of_pin", -EINVAL, fault_unpin_of_pin, 0 },
	{ "fault.put_of_get", -EINVAL, fault_put_of_get, 0 },
	{ "fault.beyond", -EINVAL, fault_beyond, 0 },
};

/* The handles that are to be used in the wrong way. */
static bool take_handles(struct bad_bench *b)
{
	struct pin_helper_mirror m = {
		.way = PIN_HELPER_MIRROR_PIN, .flags = PIN_HELPER_WRITE,
		.addr = (uintptr_t)b->b.m.addr, .length = b->b.m.len,
	};

	if (pin_helper_take_all(b->b.fd, PIN_HELPER_PIN, PIN_HELPER_WRITE, b->b.m.addr,
				b->b.m.len, &b->pin) ||
	    pin_helper_take_all(b->b.fd, PIN_HELPER_GET, PIN_HELPER_WRITE, b->b.m.addr,
				b->b.m.len, &b->get) ||
	    pin_helper_take_all(b->b.fd, PIN_HELPER_PIN_FAST, 0, b->b.m.addr, b->b.m.len,
				&b->readonly))
		return false;
	if (!pin_helper_mirror(b->b.fd, &m))
		b->mirror = m.handle;
	return true;
}

static enum pin_verdict run_bad(struct pin_audit *au, const void *arg)
{
	const struct bad *bad = arg;
	struct pin_predict want = {
		.acquired = bad->moved, .released = bad->moved,
		.result = bad->want, .or_result = bad->want,
	};
	struct bad_bench b = { .pin = 0 };
	int result;

	/* Twice as long: the second half is unmapped. */
	if (!pin_bench_open(&b.b, au, "anon", 2 * PAGES))
		return PIN_SKIP;
	b.b.m.len /= 2;
	b.b.m.pages /= 2;
	b.none = (char *)b.b.m.addr + b.b.m.len;
	b.kernel = (char *)(UINTPTR_MAX - (1ul << 20) + 1);
	munmap(b.none, b.b.m.len);
	if (take_handles(&b)) {
		pin_audit_restart(au);
		result = bad->call(&b);
		if (result == -ENODEV || result == -EOPNOTSUPP)
			pin_audit_skip(au, "this kernel cannot do it at all: %s",
				       strerror(-result));
		else
			pin_audit_step(au, bad->name, &want, result, 0);
	} else {
		pin_audit_fail(au, "cannot take pages to begin with");
	}
	pin_bench_close(&b.b);
	pin_audit_restart(au);
	return PIN_PASS;
}

static void add_tests(struct pin_suite *s)
{
	for (size_t i = 0; i < sizeof(list) / sizeof(list[0]); i++)
		pin_suite_add(s, run_bad, &list[i], "%s", list[i].name);
}

int main(int argc, char **argv)
{
	static const struct pin_program program = {
		.name = "helper_bad_input_test",
		.doc = "What the helper module must refuse: each call with each kind of wrong argument, the exact error, and no pin moved.",
		.add_tests = add_tests,
	};

	return pin_suite_main(&program, argc, argv);
}
