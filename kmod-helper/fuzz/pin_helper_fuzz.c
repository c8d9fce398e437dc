// SPDX-License-Identifier: GPL-2.0
/*
 * Random ioctls on /dev/pin_helper from several processes, two threads each,
 * which are killed now and then. Afterwards nothing may be held, and the
 * counters must balance. What the kernel log says is the caller's to look at.
 */
#define _GNU_SOURCE
#include <argp.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "pin_helper.h"

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))
#define MAX_PROCESSES	64
#define FILES		2
#define REGIONS		6
/* What one ioctl is about, at most. */
#define MOST_PAGES	64
/* Little, so that it is soon there and all meet on the same pages ... */
#define SMALL_REGION	(2 * MOST_PAGES)
/* ... or with room for huge pages. */
#define LARGE_REGION	(4ul << 20)
/* A process lives for so many ioctls, more or less. */
#define LIFE		800
#define RECENT		16
#define SETTLE_S	20
#define NR_COMMANDS	(_IOC_NR(PIN_HELPER_IOC_REPAIR) + 1)
#define BUFFER_SIZE	(MOST_PAGES * sizeof(struct pin_helper_page))

enum { EXIT_OK, EXIT_FAILED, EXIT_USAGE, EXIT_CANNOT = 4 };

/* What all processes share. */
struct shared {
	atomic_ulong done;
	atomic_ulong succeeded[NR_COMMANDS];
	atomic_ulong failed[NR_COMMANDS];
	atomic_ulong alloc_failures;
	atomic_ulong kills;
	atomic_int pids[MAX_PROCESSES];
};

static struct shared *shared;

static struct options {
	unsigned long count;
	unsigned int processes;
	uint64_t seed;
	bool fail_nth;
	bool json;
} options = { 1000000, 4, 1, false, false };

static volatile sig_atomic_t stopped;

/* --- a worker's world ------------------------------------------------------ */

/* splitmix64: one for each thread, so that a seed says what it does. */
struct rng {
	uint64_t state;
};

static uint64_t next(struct rng *rng)
{
	uint64_t z = (rng->state += 0x9e3779b97f4a7c15ull);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return z ^ (z >> 31);
}

static uint64_t below(struct rng *rng, uint64_t n)
{
	return next(rng) % n;
}

static bool once_in(struct rng *rng, uint64_t n)
{
	return !below(rng, n);
}

static long page_size;
static int files[FILES];
static int memfds[2];

static struct region {
	char *place;
	char *at;
	size_t size;
} regions[REGIONS];

/* What a thread was given last, to have something that fits to work on. */
struct recent {
	unsigned int file;
	uint32_t handle;	/* 0: none */
	uint32_t way;
	bool mirror;
	bool write;
	uint64_t units;		/* GIVE counts in them */
	uint64_t bytes;
};

struct thread {
	struct rng rng;
	unsigned int file;	/* the next ioctl's */
	struct recent *about;	/* that it works on, or NULL */
	struct recent recent[RECENT];
	unsigned int recents;
	int fail_nth;		/* /proc/thread-self/fail-nth, or -1 */
	char buffer[BUFFER_SIZE];
};

/*
 * At the place that it keeps, behind which there is nothing: the device writes to
 * what is behind the end, too.
 */
static void map(struct region *region, size_t size, int prot, int flags, int fd)
{
	if (!region->place)
		region->place = mmap(NULL, LARGE_REGION + MOST_PAGES * page_size, PROT_NONE,
				     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	region->at = mmap(region->place, size, prot, flags | MAP_FIXED, fd, 0);
	region->size = size;
	if (region->place == MAP_FAILED || region->at == MAP_FAILED)
		region->at = NULL;
}

static void make_region(unsigned int i)
{
	const int both = PROT_READ | PROT_WRITE, anon = MAP_PRIVATE | MAP_ANONYMOUS;
	const size_t small = SMALL_REGION * page_size;
	struct region *region = &regions[i];

	switch (i) {
	case 0:
		map(region, small, both, anon, -1);
		break;
	case 1:
		map(region, LARGE_REGION, both, anon, -1);
		if (region->at)
			madvise(region->at, region->size, MADV_HUGEPAGE);
		break;
	case 2:
		map(region, small, PROT_READ, anon, -1);
		break;
	case 3:
		map(region, small, both, MAP_SHARED, memfds[0]);
		break;
	case 4:
		map(region, LARGE_REGION, both, MAP_SHARED, memfds[1]);
		break;
	default:
		map(region, small, both, MAP_PRIVATE, memfds[0]);
		break;
	}
}

static bool make_world(void)
{
	unsigned int i;

	page_size = sysconf(_SC_PAGESIZE);
	memfds[0] = memfd_create("fuzz", MFD_ALLOW_SEALING);
	memfds[1] = memfd_create("fuzz", MFD_HUGETLB);
	for (i = 0; i < ARRAY_SIZE(memfds); i++)
		if (memfds[i] >= 0 && ftruncate(memfds[i], LARGE_REGION))
			return false;
	for (i = 0; i < REGIONS; i++)
		make_region(i);
	for (i = 0; i < FILES; i++) {
		files[i] = open(PIN_HELPER_DEVICE, O_RDWR | O_CLOEXEC);
		if (files[i] < 0)
			return false;
	}
	return true;
}

/* --- arguments ------------------------------------------------------------- */

static uint64_t odd_number(struct rng *rng)
{
	static const uint64_t odd[] = {
		0, 1, 7, INT32_MAX, UINT32_MAX, 1ull << 32, INT64_MAX, 1ull << 63,
		UINT64_MAX, UINT64_MAX - 4095, 0xffff888000000000ull, 1ull << 47,
	};

	return once_in(rng, 4) ? next(rng) : odd[below(rng, ARRAY_SIZE(odd))];
}

static uint64_t some_address(struct rng *rng, bool aligned)
{
	struct region *region = &regions[below(rng, REGIONS)];
	uint64_t page = below(rng, region->size / page_size);

	if (once_in(rng, 50))
		return odd_number(rng);
	return (uintptr_t)region->at + page * page_size +
	       (aligned ? 0 : below(rng, 3) * below(rng, page_size));
}

/* Few pages, as a rule. */
static uint64_t some_length(struct rng *rng, bool aligned)
{
	uint64_t pages = once_in(rng, 4) ? MOST_PAGES : 3;

	if (once_in(rng, 50))
		return odd_number(rng);
	if (aligned)
		return (1 + below(rng, pages)) * page_size;
	return 1 + below(rng, pages * page_size);
}

enum { PINS = 1, MIRRORS = 2, ANY = 3 };

/* One that was given, as a rule, or one that may be: most are small. */
static uint32_t some_handle(struct thread *thread, int kinds)
{
	struct rng *rng = &thread->rng;
	struct recent *recent;
	unsigned int i;

	for (i = 0; i < RECENT && !once_in(rng, 30); i++) {
		recent = &thread->recent[below(rng, RECENT)];
		if (!recent->handle || !(kinds & (recent->mirror ? MIRRORS : PINS)))
			continue;
		thread->file = recent->file;
		thread->about = recent;
		return recent->handle;
	}
	return once_in(rng, 50) ? odd_number(rng) : 1 + below(rng, 12);
}

static void remember(struct thread *thread, const struct recent *recent)
{
	thread->recent[thread->recents++ % RECENT] = *recent;
}

static void forget_file(struct thread *thread, unsigned int file)
{
	unsigned int i;

	for (i = 0; i < RECENT; i++)
		if (thread->recent[i].file == file)
			thread->recent[i].handle = 0;
}

/* [*first, *first + *count) out of @all, as a rule. */
static void some_range(struct rng *rng, uint64_t all, uint64_t *first, uint64_t *count)
{
	if (once_in(rng, 10) || !all) {
		*first = once_in(rng, 3) ? odd_number(rng) : below(rng, 8);
		*count = once_in(rng, 3) ? odd_number(rng) : 1 + below(rng, 8);
		return;
	}
	*first = once_in(rng, 2) ? 0 : below(rng, all);
	*count = 1 + below(rng, all - *first);
}

/* One that fits, as a rule. */
static uint32_t some_give_way(struct thread *thread)
{
	struct rng *rng = &thread->rng;

	if (once_in(rng, 10) || !thread->about || thread->about->mirror)
		return below(rng, PIN_HELPER_GIVES + once_in(rng, 20));
	switch (thread->about->way) {
	case PIN_HELPER_GET:
	case PIN_HELPER_GET_FAST:
		return PIN_HELPER_GIVE_PUT;
	case PIN_HELPER_PIN_MEMFD:
		return PIN_HELPER_GIVE_FOLIO + below(rng, 2);
	default:
		return below(rng, PIN_HELPER_GIVE_RANGE_DIRTY_LOCK + 1);
	}
}

static bool dirties(uint32_t way)
{
	return way == PIN_HELPER_GIVE_DIRTY_LOCK || way == PIN_HELPER_GIVE_PUT ||
	       way == PIN_HELPER_GIVE_RANGE_DIRTY_LOCK;
}

static uint32_t some_flags(struct rng *rng, uint32_t mask)
{
	return once_in(rng, 40) ? next(rng) : next(rng) & mask;
}

static int some_pid(struct rng *rng)
{
	if (once_in(rng, 3))
		return 0;
	return once_in(rng, 10) ? (int)odd_number(rng) :
				  shared->pids[below(rng, options.processes)];
}

static void make_take(struct thread *thread, struct pin_helper_take *take)
{
	struct rng *rng = &thread->rng;

	take->way = below(rng, PIN_HELPER_WAYS + once_in(rng, 20));
	take->flags = some_flags(rng, PIN_HELPER_WRITE | PIN_HELPER_LONGTERM);
	/* Refused with these. */
	if ((take->way == PIN_HELPER_GET || take->way == PIN_HELPER_GET_FAST) &&
	    !once_in(rng, 10))
		take->flags &= ~PIN_HELPER_LONGTERM;
	take->addr = some_address(rng, false);
	take->length = some_length(rng, false);
	if (take->way == PIN_HELPER_PIN_REMOTE)
		take->target = some_pid(rng);
	if (take->way == PIN_HELPER_PIN_MEMFD) {
		take->target = memfds[below(rng, ARRAY_SIZE(memfds))];
		take->addr = below(rng, regions[take->target == memfds[0] ? 3 : 4].size +
					page_size);
	}
}

static void make_give(struct thread *thread, struct pin_helper_give *give)
{
	struct rng *rng = &thread->rng;
	uint64_t first = 0, count = 0;

	give->handle = some_handle(thread, PINS);
	give->way = some_give_way(thread);
	give->flags = some_flags(rng, PIN_HELPER_GIVE_REST);
	if (dirties(give->way) ? once_in(rng, 2) : once_in(rng, 20))
		give->flags |= PIN_HELPER_DIRTY;
	if (!(give->flags & PIN_HELPER_GIVE_REST))
		some_range(rng, thread->about ? thread->about->units : 0, &first, &count);
	give->first = first;
	give->count = count;
}

static void make_dma(struct thread *thread, struct pin_helper_dma *dma)
{
	struct rng *rng = &thread->rng;
	const struct recent *about;
	uint64_t offset, length;

	dma->handle = some_handle(thread, ANY);
	about = thread->about;
	dma->op = below(rng, 3 + once_in(rng, 20));
	if (about && !about->write && !once_in(rng, 4))
		dma->op = PIN_HELPER_DMA_READ;
	dma->flags = some_flags(rng, PIN_HELPER_DMA_INCORRECT);
	some_range(rng, about ? about->bytes : 0, &offset, &length);
	dma->offset = offset;
	dma->length = length;
	if (dma->op != PIN_HELPER_DMA_FILL && dma->length > BUFFER_SIZE && !once_in(rng, 20))
		dma->length = BUFFER_SIZE;
	if (dma->op == PIN_HELPER_DMA_FILL)
		dma->value = below(rng, 256);
	else
		dma->buffer = (uintptr_t)thread->buffer;
	if (once_in(rng, 20))
		dma->buffer = some_address(rng, false);
	if (dma->op == PIN_HELPER_DMA_FILL && once_in(rng, 2)) {
		dma->flags |= PIN_HELPER_DMA_LATER;
		dma->delay = below(rng, once_in(rng, 200) ? 500000 : 3000);
	}
}

static void make_inspect(struct thread *thread, struct pin_helper_inspect *inspect)
{
	struct rng *rng = &thread->rng;
	uint64_t *words = (uint64_t *)thread->buffer;
	uint64_t first, count;
	unsigned int i;

	inspect->subject = below(rng, 3 + once_in(rng, 20));
	inspect->stride = once_in(rng, 10) ? 8 * (1 + below(rng, 8)) :
					     sizeof(struct pin_helper_page);
	inspect->count = 1 + below(rng, MOST_PAGES / 2);
	inspect->pages = (uintptr_t)thread->buffer;
	if (once_in(rng, 20))
		inspect->pages = some_address(rng, false);
	switch (inspect->subject) {
	case PIN_HELPER_OF_RANGE:
		inspect->target = some_pid(rng);
		inspect->addr = some_address(rng, true);
		break;
	case PIN_HELPER_OF_HANDLE:
		inspect->target = some_handle(thread, ANY);
		some_range(rng, thread->about ? thread->about->bytes / page_size : 0,
			   &first, &count);
		inspect->first = first;
		inspect->count = count;
		break;
	default:
		for (i = 0; i < BUFFER_SIZE / sizeof(*words); i += inspect->stride / 8)
			words[i] = once_in(rng, 10) ? odd_number(rng) :
						      below(rng, 1 << 20);
	}
}

static void make_scan(struct thread *thread, struct pin_helper_scan *scan)
{
	struct rng *rng = &thread->rng;

	scan->flags = some_flags(rng, PIN_HELPER_SCAN_MOVABLE | PIN_HELPER_SCAN_LIST);
	scan->first_pfn = once_in(rng, 20) ? odd_number(rng) : below(rng, 1 << 19);
	scan->budget = 1 + below(rng, once_in(rng, 16) ? 8192 : 512);
	scan->counts = (uintptr_t)thread->buffer;
	scan->counts_room = 1 + below(rng, 16);
	if (scan->flags & PIN_HELPER_SCAN_LIST) {
		scan->list = (uintptr_t)thread->buffer + BUFFER_SIZE / 2;
		scan->list_room = 1 + below(rng, 16);
	}
	if (once_in(rng, 20))
		scan->counts = some_address(rng, false);
}

static void make_mirror(struct thread *thread, struct pin_helper_mirror *mirror)
{
	struct rng *rng = &thread->rng;

	mirror->way = below(rng, PIN_HELPER_MIRRORS + once_in(rng, 20));
	mirror->flags = some_flags(rng, PIN_HELPER_WRITE | PIN_HELPER_MIRROR_SYNC);
	if (!once_in(rng, 4))
		mirror->flags |= PIN_HELPER_WRITE;
	mirror->addr = some_address(rng, true);
	mirror->length = some_length(rng, true);
}

union argument {
	uint32_t words[64];
	struct pin_helper_info info;
	struct pin_helper_take take;
	struct pin_helper_give give;
	struct pin_helper_close close;
	struct pin_helper_dma dma;
	struct pin_helper_wait wait;
	struct pin_helper_touch touch;
	struct pin_helper_inspect inspect;
	struct pin_helper_scan scan;
	struct pin_helper_mirror mirror;
	struct pin_helper_mirror_map mirror_map;
	struct pin_helper_mirror_busy mirror_busy;
	struct pin_helper_mirror_stat mirror_stat;
	struct pin_helper_fault fault;
	struct pin_helper_repair repair;
};

static const uint32_t sizes[NR_COMMANDS] = {
	[_IOC_NR(PIN_HELPER_IOC_INFO)] = sizeof(struct pin_helper_info),
	[_IOC_NR(PIN_HELPER_IOC_TAKE)] = sizeof(struct pin_helper_take),
	[_IOC_NR(PIN_HELPER_IOC_GIVE)] = sizeof(struct pin_helper_give),
	[_IOC_NR(PIN_HELPER_IOC_CLOSE)] = sizeof(struct pin_helper_close),
	[_IOC_NR(PIN_HELPER_IOC_DMA)] = sizeof(struct pin_helper_dma),
	[_IOC_NR(PIN_HELPER_IOC_WAIT)] = sizeof(struct pin_helper_wait),
	[_IOC_NR(PIN_HELPER_IOC_TOUCH)] = sizeof(struct pin_helper_touch),
	[_IOC_NR(PIN_HELPER_IOC_INSPECT)] = sizeof(struct pin_helper_inspect),
	[_IOC_NR(PIN_HELPER_IOC_SCAN)] = sizeof(struct pin_helper_scan),
	[_IOC_NR(PIN_HELPER_IOC_MIRROR)] = sizeof(struct pin_helper_mirror),
	[_IOC_NR(PIN_HELPER_IOC_MIRROR_MAP)] = sizeof(struct pin_helper_mirror_map),
	[_IOC_NR(PIN_HELPER_IOC_MIRROR_BUSY)] = sizeof(struct pin_helper_mirror_busy),
	[_IOC_NR(PIN_HELPER_IOC_MIRROR_STAT)] = sizeof(struct pin_helper_mirror_stat),
	[_IOC_NR(PIN_HELPER_IOC_FAULT)] = sizeof(struct pin_helper_fault),
	[_IOC_NR(PIN_HELPER_IOC_REPAIR)] = sizeof(struct pin_helper_repair),
};

static bool is_mirrors(unsigned int number)
{
	return number == PIN_HELPER_IOC_MIRROR_MAP ||
	       number == PIN_HELPER_IOC_MIRROR_BUSY ||
	       number == PIN_HELPER_IOC_MIRROR_STAT;
}

/* Those whose argument is little more than a handle, second in each of them. */
static void make_rest(struct thread *thread, unsigned int number, union argument *a)
{
	struct rng *rng = &thread->rng;
	uint64_t first, count;

	switch (number) {
	case PIN_HELPER_IOC_WAIT:
		a->wait.timeout = below(rng, 2000);
		break;
	case PIN_HELPER_IOC_MIRROR_BUSY:
		a->mirror_busy.on = below(rng, 2);
		break;
	case PIN_HELPER_IOC_FAULT:
		a->fault.op = below(rng, PIN_HELPER_FAULT_OPS + once_in(rng, 20));
		a->fault.handle = some_handle(thread, PINS);
		some_range(rng, thread->about ? thread->about->units : 0, &first, &count);
		a->fault.first = first;
		a->fault.count = count;
		return;
	case PIN_HELPER_IOC_TOUCH:
		a->touch.addr = some_address(rng, false);
		a->touch.length = some_length(rng, false);
		return;
	case PIN_HELPER_IOC_INFO:
	case PIN_HELPER_IOC_REPAIR:
		return;
	}
	a->close.handle = some_handle(thread, is_mirrors(number) ? MIRRORS : ANY);
}

static void make_argument(struct thread *thread, unsigned int number, union argument *a)
{
	struct rng *rng = &thread->rng;

	memset(a, 0, sizeof(*a));
	thread->about = NULL;
	switch (number) {
	case PIN_HELPER_IOC_TAKE:
		make_take(thread, &a->take);
		break;
	case PIN_HELPER_IOC_GIVE:
		make_give(thread, &a->give);
		break;
	case PIN_HELPER_IOC_DMA:
		make_dma(thread, &a->dma);
		break;
	case PIN_HELPER_IOC_INSPECT:
		make_inspect(thread, &a->inspect);
		break;
	case PIN_HELPER_IOC_SCAN:
		make_scan(thread, &a->scan);
		break;
	case PIN_HELPER_IOC_MIRROR:
		make_mirror(thread, &a->mirror);
		break;
	default:
		make_rest(thread, number, a);
	}
	a->words[0] = sizes[_IOC_NR(number)];
	if (once_in(rng, 30))
		a->words[0] = once_in(rng, 2) ? below(rng, sizeof(*a)) : odd_number(rng);
	if (once_in(rng, 30))
		a->words[below(rng, sizes[_IOC_NR(number)] / 4)] = odd_number(rng);
}

/* --- a worker -------------------------------------------------------------- */

static unsigned int some_command(struct rng *rng)
{
	/* As often as it takes for there to be something to work on. */
	static const unsigned char often[] = {
		_IOC_NR(PIN_HELPER_IOC_TAKE), _IOC_NR(PIN_HELPER_IOC_TAKE),
		_IOC_NR(PIN_HELPER_IOC_TAKE), _IOC_NR(PIN_HELPER_IOC_GIVE),
		_IOC_NR(PIN_HELPER_IOC_GIVE), _IOC_NR(PIN_HELPER_IOC_CLOSE),
		_IOC_NR(PIN_HELPER_IOC_DMA), _IOC_NR(PIN_HELPER_IOC_DMA),
		_IOC_NR(PIN_HELPER_IOC_MIRROR), _IOC_NR(PIN_HELPER_IOC_MIRROR_MAP),
		_IOC_NR(PIN_HELPER_IOC_MIRROR_MAP), _IOC_NR(PIN_HELPER_IOC_MIRROR_BUSY),
	};

	if (once_in(rng, 2))
		return often[below(rng, sizeof(often))];
	return below(rng, NR_COMMANDS + once_in(rng, 100));
}

/* A process changes its memory while the device works on it. */
static void disturb(struct thread *thread)
{
	struct rng *rng = &thread->rng;
	static const int advice[] = {
		MADV_DONTNEED, MADV_PAGEOUT, MADV_COLD, MADV_HUGEPAGE, MADV_NOHUGEPAGE,
		MADV_FREE,
	};
	unsigned int i = below(rng, REGIONS), file;
	struct region *region = &regions[i];
	char *at = region->at + below(rng, region->size / page_size) * page_size;
	size_t left = region->at + region->size - at;
	size_t length = some_length(rng, true);
	pid_t child;

	if (!region->at)
		return;
	length = length < left ? length : left;
	switch (below(rng, 6)) {
	case 0:
		madvise(at, length, advice[below(rng, ARRAY_SIZE(advice))]);
		break;
	case 1:
		mprotect(at, length, once_in(rng, 4) ? PROT_READ : PROT_READ | PROT_WRITE);
		break;
	case 2:
		/* MADV_POPULATE_WRITE, of Linux 5.14: touching could be SIGSEGV. */
		madvise(at, length, 23);
		break;
	case 3:
		if (once_in(rng, 20)) {
			munmap(region->at, region->size);
			make_region(i);
		}
		break;
	case 4:
		if (!once_in(rng, 10))
			break;
		child = fork();
		if (!child)
			_exit(0);
		if (child > 0)
			waitpid(child, NULL, 0);
		break;
	default:
		if (once_in(rng, 10)) {
			int fd = open(PIN_HELPER_DEVICE, O_RDWR | O_CLOEXEC);

			if (fd >= 0) {
				file = below(rng, FILES);
				dup3(fd, files[file], O_CLOEXEC);
				close(fd);
				forget_file(thread, file);
			}
		}
	}
}

/* The n-th allocation of the next system call fails. */
static bool arm(struct thread *thread)
{
	char text[16];

	if (thread->fail_nth < 0 || !once_in(&thread->rng, 4))
		return false;
	/* Most ioctls make few. */
	snprintf(text, sizeof(text), "%d",
		 (int)(1 + below(&thread->rng, once_in(&thread->rng, 4) ? 12 : 3)));
	return pwrite(thread->fail_nth, text, strlen(text), 0) > 0;
}

static void disarm(struct thread *thread)
{
	char text[16] = "";

	/* 0: it came to pass. */
	if (pread(thread->fail_nth, text, sizeof(text) - 1, 0) > 0 && !atoi(text))
		shared->alloc_failures++;
	/* It may be this one's own copying that fails. */
	while (pwrite(thread->fail_nth, "0", 1, 0) != 1)
		;
}

/* What is held after an ioctl that went well. */
static void learn(struct thread *thread, unsigned int number, const union argument *a)
{
	struct recent fresh = { .file = thread->file };
	struct recent *about = thread->about;

	switch (number) {
	case PIN_HELPER_IOC_TAKE:
		fresh.handle = a->take.handle;
		fresh.way = a->take.way;
		fresh.write = a->take.flags & PIN_HELPER_WRITE;
		fresh.units = a->take.refs;
		fresh.bytes = a->take.pages * page_size - a->take.addr % page_size;
		remember(thread, &fresh);
		break;
	case PIN_HELPER_IOC_MIRROR:
		fresh.handle = a->mirror.handle;
		fresh.mirror = true;
		fresh.write = a->mirror.flags & PIN_HELPER_WRITE;
		fresh.bytes = a->mirror.length;
		remember(thread, &fresh);
		break;
	case PIN_HELPER_IOC_GIVE:
		if (about && about->handle == a->give.handle && !a->give.left)
			about->handle = 0;
		break;
	case PIN_HELPER_IOC_CLOSE:
		if (about && about->handle == a->close.handle)
			about->handle = 0;
		break;
	}
}

static void one(struct thread *thread)
{
	unsigned int nr = some_command(&thread->rng);
	unsigned int number = _IO(_IOC_TYPE(PIN_HELPER_IOC_INFO), nr);
	union argument argument;
	bool armed;
	int result;

	thread->file = below(&thread->rng, FILES);
	if (nr < NR_COMMANDS)
		make_argument(thread, number, &argument);
	armed = arm(thread);
	result = ioctl(files[thread->file], number, &argument);
	if (armed)
		disarm(thread);
	if (!result)
		learn(thread, number, &argument);
	if (nr < NR_COMMANDS)
		(result ? shared->failed : shared->succeeded)[nr]++;
	shared->done++;
}

static void *work(void *arg)
{
	struct thread *thread = arg;

	thread->fail_nth = options.fail_nth ?
				   open("/proc/thread-self/fail-nth", O_RDWR | O_CLOEXEC) :
				   -1;
	while (shared->done < options.count) {
		one(thread);
		if (once_in(&thread->rng, 16))
			disturb(thread);
	}
	return NULL;
}

static void worker(uint64_t seed)
{
	static struct thread threads[2];
	pthread_t other;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (!make_world())
		_exit(EXIT_CANNOT);
	threads[0].rng.state = seed;
	threads[1].rng.state = ~seed;
	if (pthread_create(&other, NULL, work, &threads[1]))
		_exit(EXIT_CANNOT);
	work(&threads[0]);
	pthread_join(other, NULL);
	_exit(0);
}

/* --- the processes --------------------------------------------------------- */

static void start(unsigned int i, uint64_t seed)
{
	pid_t pid = fork();

	if (!pid)
		worker(seed);
	shared->pids[i] = pid;
}

/* Those that ended; at most @most are still dying then. False: one could not begin. */
static bool reap(unsigned int *dying, unsigned int most)
{
	int status;
	pid_t pid;

	while (*dying) {
		pid = waitpid(-1, &status, *dying > most ? 0 : WNOHANG);
		if (pid <= 0)
			break;
		--*dying;
		if (WIFEXITED(status) && WEXITSTATUS(status))
			return false;
	}
	return true;
}

/* Ends when it has been told to or enough is done. False: a worker could not. */
static bool run(void)
{
	struct rng rng = { options.seed };
	unsigned long next_kill = 0;
	unsigned int i, dying = 0;
	bool good = true;

	for (i = 0; i < options.processes; i++)
		start(i, next(&rng));
	while (good && !stopped && shared->done < options.count) {
		next_kill += 1 + below(&rng, 2 * LIFE / options.processes);
		while (!stopped && shared->done < next_kill && shared->done < options.count)
			usleep(1 + below(&rng, 2000));
		i = below(&rng, options.processes);
		kill(shared->pids[i], SIGKILL);
		shared->kills++;
		dying++;
		start(i, next(&rng));
		/* The others go on while it dies, but not for ever. */
		good = reap(&dying, options.processes);
	}
	for (i = 0; i < options.processes; i++)
		kill(shared->pids[i], SIGKILL);
	while (wait(NULL) > 0)
		;
	return stopped || shared->done >= options.count;
}

/* --- the verdict ----------------------------------------------------------- */

/* Acquired less released; a flush first. */
static bool outstanding(long *value)
{
	FILE *file = fopen("/proc/sys/vm/stat_refresh", "w");
	char name[64];
	long number, acquired = 0, released = 0;

	if (!file)
		return false;
	fputs("1", file);
	fclose(file);
	file = fopen("/proc/vmstat", "r");
	if (!file)
		return false;
	while (fscanf(file, "%63s %ld", name, &number) == 2) {
		if (!strcmp(name, "nr_foll_pin_acquired"))
			acquired = number;
		if (!strcmp(name, "nr_foll_pin_released"))
			released = number;
	}
	fclose(file);
	*value = acquired - released;
	return true;
}

/* Nothing is held any more, or the time is over. */
static bool settle(int file, long before, long *after, struct pin_helper_info *info)
{
	struct pin_helper_repair repair = { .size = sizeof(repair) };
	time_t end = time(NULL) + SETTLE_S;

	do {
		usleep(20000);
		if (ioctl(file, PIN_HELPER_IOC_REPAIR, &repair) && errno != EPERM)
			return false;
		memset(info, 0, sizeof(*info));
		info->size = sizeof(*info);
		if (ioctl(file, PIN_HELPER_IOC_INFO, info) || !outstanding(after))
			return false;
		if (!info->pages_all && !info->pages_leaked && *after == before)
			return true;
	} while (time(NULL) < end);
	return false;
}

static const char *const names[NR_COMMANDS] = {
	"INFO", "TAKE", "GIVE", "CLOSE", "DMA", "WAIT", "TOUCH", "INSPECT", "SCAN",
	"MIRROR", "MIRROR_MAP", "MIRROR_BUSY", "MIRROR_STAT", "FAULT", "REPAIR",
};

static void say_json(bool good, long before, long after, struct pin_helper_info *info)
{
	unsigned int i;

	printf("{\"verdict\": \"%s\", \"seed\": %llu, \"ioctls\": %lu, ",
	       good ? "pass" : "fail", (unsigned long long)options.seed, shared->done);
	printf("\"kills\": %lu, ", shared->kills);
	printf("\"alloc_failures\": %lu, \"held\": %llu, \"leaked\": %llu, ",
	       shared->alloc_failures, (unsigned long long)info->pages_all,
	       (unsigned long long)info->pages_leaked);
	printf("\"outstanding\": %ld, \"by_ioctl\": {", after - before);
	for (i = 0; i < NR_COMMANDS; i++)
		printf("%s\"%s\": [%lu, %lu]", i ? ", " : "", names[i],
		       shared->succeeded[i], shared->failed[i]);
	puts("}}");
}

static void say(bool good, long before, long after, struct pin_helper_info *info)
{
	unsigned int i;

	for (i = 0; i < NR_COMMANDS; i++)
		printf("%-12s %9lu succeeded %9lu failed\n", names[i],
		       shared->succeeded[i], shared->failed[i]);
	printf("%lu ioctls, %lu kills, %lu failed allocations, seed %llu: ", shared->done,
	       shared->kills, shared->alloc_failures, (unsigned long long)options.seed);
	printf("%llu pages held, %llu leaked, %ld pins outstanding: %s\n",
	       (unsigned long long)info->pages_all,
	       (unsigned long long)info->pages_leaked, after - before,
	       good ? "PASS" : "FAIL");
}

/* What never succeeded was not tried. */
static bool all_tried(struct pin_helper_info *info)
{
	bool all = true;
	unsigned int i;

	for (i = 0; i < NR_COMMANDS; i++) {
		if (shared->succeeded[i])
			continue;
		if (!info->faults_allowed && (i == _IOC_NR(PIN_HELPER_IOC_FAULT) ||
					      i == _IOC_NR(PIN_HELPER_IOC_REPAIR)))
			continue;
		fprintf(stderr, "%s never succeeded\n", names[i]);
		all = false;
	}
	return all;
}

/* --- the program ----------------------------------------------------------- */

static void stop(int number)
{
	(void)number;
	stopped = 1;
}

static const struct argp_option argp_options[] = {
	{ "count", 'n', "N", 0, "ioctls in all (1000000)", 0 },
	{ "processes", 'p', "N", 0, "processes, of two threads each (4)", 0 },
	{ "seed", 's', "N", 0, "of the random numbers (1)", 0 },
	{ "fail-nth", 'f', NULL, 0, "let allocations fail (CONFIG_FAULT_INJECTION)", 0 },
	{ "json", 'j', NULL, 0, "print the result as JSON", 0 },
	{ 0 },
};

static uint64_t parse_number(const char *text, uint64_t least, uint64_t most,
			     struct argp_state *state)
{
	char *end;
	uint64_t value;

	errno = 0;
	value = strtoull(text, &end, 0);
	if (errno || *end || end == text || *text == '-' || value < least || value > most)
		argp_error(state, "%s: not a number from %llu to %llu", text,
			   (unsigned long long)least, (unsigned long long)most);
	return value;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	switch (key) {
	case 'n':
		options.count = parse_number(arg, 1, 1ul << 31, state);
		break;
	case 'p':
		options.processes = parse_number(arg, 1, MAX_PROCESSES, state);
		break;
	case 's':
		options.seed = parse_number(arg, 0, UINT64_MAX, state);
		break;
	case 'f':
		options.fail_nth = true;
		break;
	case 'j':
		options.json = true;
		break;
	case ARGP_KEY_ARG:
		argp_error(state, "%s: no arguments are expected", arg);
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

static const struct argp argp = {
	.options = argp_options,
	.parser = parse,
	.doc = "Random ioctls on " PIN_HELPER_DEVICE " from processes that are killed now "
	       "and then, while their memory changes. Passes if nothing is held afterwards "
	       "and as many pins were released as acquired. Run it in a virtual machine, "
	       "and look at its kernel log.\v"
	       "Exit status: 0 passed, 1 failed, 2 usage, 4 cannot be run.",
};

static int cannot(const char *what)
{
	fprintf(stderr, "pin_helper_fuzz: %s: %s\n", what, strerror(errno));
	return EXIT_CANNOT;
}

/*
 * The kernel reports each failure that it was told to make, with a stack: most of
 * the time would go into that. True if it can be stopped, or never starts.
 */
static bool silence(void)
{
	static const char *const kinds[] = { "failslab", "fail_page_alloc", "fail_usercopy" };
	char path[64];
	unsigned int i;
	bool good = true;
	int fd;

	for (i = 0; i < ARRAY_SIZE(kinds); i++) {
		snprintf(path, sizeof(path), "/sys/kernel/debug/%s/verbose", kinds[i]);
		fd = open(path, O_WRONLY | O_CLOEXEC);
		if (fd < 0)
			continue;
		good &= write(fd, "0", 1) == 1;
		close(fd);
	}
	return good;
}

static int fuzz(void)
{
	struct sigaction action = { .sa_handler = stop };
	struct pin_helper_info info;
	long before, after = 0;
	bool enough, good;
	int file;

	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		return cannot("mmap");
	file = open(PIN_HELPER_DEVICE, O_RDWR | O_CLOEXEC);
	if (file < 0)
		return cannot(PIN_HELPER_DEVICE);
	if (options.fail_nth && access("/proc/self/fail-nth", W_OK))
		return cannot("/proc/self/fail-nth");
	if (options.fail_nth && !silence())
		return cannot("/sys/kernel/debug");
	if (!outstanding(&before))
		return cannot("/proc/sys/vm/stat_refresh");
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);

	enough = run();
	good = settle(file, before, &after, &info);
	if (options.json)
		say_json(good, before, after, &info);
	else
		say(good, before, after, &info);
	if (!enough) {
		fprintf(stderr, "pin_helper_fuzz: a worker could not set up its memory\n");
		return EXIT_CANNOT;
	}
	if (stopped)
		fprintf(stderr, "pin_helper_fuzz: interrupted, %lu of %lu ioctls\n",
			shared->done, options.count);
	else if (!all_tried(&info))
		return EXIT_FAILED;
	return good ? EXIT_OK : EXIT_FAILED;
}

int main(int argc, char **argv)
{
	argp_err_exit_status = EXIT_USAGE;
	argp_parse(&argp, argc, argv, 0, NULL, NULL);
	return fuzz();
}
