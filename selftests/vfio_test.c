// SPDX-License-Identifier: GPL-2.0
/*
 * VFIO type 1 in sequences that a matrix cannot express: mappings beside and
 * over each other, parts unmapped, groups that come and go. Every step is
 * exact, in pins and in VmLck.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/vfio.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "consumers/vfio.h"
#include "helper.h"
#include "page_view.h"
#include "pin_helper_vfio.h"
#include "proc.h"
#include "scratch.h"
#include "suite.h"

#define PAGES		16
#define RUN		4	/* pages, see lay_out() */
#define ROUNDS		40
#define STUCK_MS	10000
#define ENTRY_LIMIT	"/sys/module/vfio_iommu_type1/parameters/dma_entry_limit"
#define MAX_PAGES	"/sys/module/pin_helper_vfio/parameters/max_pages"
#define INTERRUPTS	0xfee00000ull	/* of x86: no memory of a device's */
#define READ_WRITE	(VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE)

static char unable[PIN_WHY_LEN];	/* to have a device: why */
static char unable_mdev[PIN_WHY_LEN];	/* the same of one without hardware */

/* One sequence while it runs. */
struct seq {
	const struct test *t;
	struct pin_audit *au;
	const struct pin_kernel *k;
	size_t page;
	struct pin_vfio v;
	struct pin_mem mem;
	char *there;		/* the same memory once more, or NULL */
	uint64_t held;		/* pages, by prediction */
	uint64_t given;		/* of these: do not count in this process's VmLck */
	long locked_kib;	/* VmLck at the beginning */
};

/* A sequence, and what it is to have before it begins. */
struct test {
	const char *name;
	void (*run)(struct seq *s);
	const char *kind;	/* of memory */
	bool v1;		/* version 1 of the interface, else 2 */
	bool mdev;		/* a device without hardware */
	pin_test_fn around;	/* NULL: run_seq() alone */
};

static bool locks(struct seq *s, const char *what, const char *whose, uint64_t pages, long kib)
{
	const long want = pages * s->page / 1024;

	if (kib == want)
		return true;
	pin_audit_fail(s->au, "%s: %sVmLck is %+ld kB, predicted %+ld kB", what, whose, kib, want);
	return false;
}

/* Takes @pins pages (or lets go of them: < 0), and the call returns @result. */
static bool step(struct seq *s, const char *what, int64_t pins, long want, long result)
{
	const struct pin_predict p = {
		.acquired = pins > 0 ? pins : 0,
		.released = pins < 0 ? -pins : 0,
		.migrated = pins > 0 ? pin_vfio_again(s->k, pins) : 0,
		.result = want,
		.or_result = want,
	};

	s->held += pins;
	return pin_audit_step(s->au, what, &p, result, 0) &&
	       locks(s, what, "", s->held - s->given,
		     pin_vfio_locked_kib(getpid()) - s->locked_kib);
}

static bool begin(struct seq *s, struct pin_audit *au, const struct test *t)
{
	const unsigned long type = t->v1 ? VFIO_TYPE1_IOMMU : VFIO_TYPE1v2_IOMMU;
	const char *lacks = t->mdev ? unable_mdev : unable;
	char why[PIN_WHY_LEN];

	memset(s, 0, sizeof(*s));
	s->t = t;
	s->au = au;
	s->k = pin_audit_kernel(au);
	s->page = s->k->page_size;
	if (*lacks || (t->mdev ? pin_vfio_mdev_open(&s->v, PIN_VFIO, type, why) :
				 pin_vfio_open(&s->v, type, why))) {
		pin_audit_skip(au, "%s", *lacks ? lacks : why);
		return false;
	}
	if (pin_mem_alloc(&s->mem, pin_memkind_find(t->kind), s->k, PAGES)) {
		pin_audit_skip(au, "%s", s->mem.why);
		pin_vfio_close(&s->v);
		return false;
	}
	s->locked_kib = pin_vfio_locked_kib(getpid());
	return step(s, "open", 0, 0, 0);
}

/* Whatever is still mapped goes with the container. */
static void end(struct seq *s)
{
	pin_vfio_close(&s->v);
	s->given = 0;
	step(s, "close", -s->held, 0, 0);
	pin_mem_free(&s->mem);
	if (s->there)
		munmap(s->there, s->mem.len);
}

static enum pin_verdict run_seq(struct pin_audit *au, const void *arg)
{
	const struct test *t = arg;
	struct seq s;

	if (begin(&s, au, t)) {
		t->run(&s);
		end(&s);
	}
	return PIN_PASS;
}

static uint64_t iova_of(const struct seq *s, unsigned int first)
{
	return PIN_VFIO_IOVA + first * s->page;
}

/* @pages of the memory from page @first on, at the address for the device that @at says. */
static int map_at(const struct seq *s, unsigned int first, unsigned int pages, unsigned int at)
{
	return pin_vfio_map(&s->v, (char *)s->mem.addr + first * s->page, pages * s->page,
			    iova_of(s, at), READ_WRITE);
}

static bool map(struct seq *s, unsigned int first, unsigned int pages)
{
	return step(s, "map", pages, 0, map_at(s, first, pages, first));
}

static bool refused(struct seq *s, const char *what, long want, long result)
{
	return step(s, what, 0, want, result);
}

/*
 * Unmap [@first, @first + @pages): the call returns @want, and @gone pages, by
 * what it says and by the counters.
 */
static bool unmap(struct seq *s, const char *what, unsigned int first, unsigned int pages,
		  unsigned int gone, long want)
{
	uint64_t done;
	long err = pin_vfio_unmap(&s->v, iova_of(s, first), pages * s->page, 0, &done);

	if (!step(s, what, -(int64_t)gone, want, err))
		return false;
	if (done == gone * s->page)
		return true;
	pin_audit_fail(s->au, "%s: says that it unmapped %llu bytes, predicted %llu", what,
		       (unsigned long long)done, (unsigned long long)gone * s->page);
	return false;
}

/* --- maps that are refused: no pin stays --- */

static void overlap(struct seq *s)
{
	if (map(s, 4, 8) &&
	    refused(s, "the same again", -EEXIST, map_at(s, 4, 8, 4)) &&
	    refused(s, "over its first page", -EEXIST, map_at(s, 0, 5, 0)) &&
	    refused(s, "over its last page", -EEXIST, map_at(s, 11, 5, 11)) &&
	    refused(s, "inside", -EEXIST, map_at(s, 6, 2, 6)) &&
	    refused(s, "around", -EEXIST, map_at(s, 0, PAGES, 0)) &&
	    map(s, 0, 4) && map(s, 12, 4))
		unmap(s, "unmap all three", 0, PAGES, PAGES, 0);
}

static void bad_map(struct seq *s)
{
	long err;

	refused(s, "neither read nor write", -EINVAL,
		pin_vfio_map(&s->v, s->mem.addr, s->mem.len, PIN_VFIO_IOVA, 0));
	refused(s, "no length", -EINVAL,
		pin_vfio_map(&s->v, s->mem.addr, 0, PIN_VFIO_IOVA, READ_WRITE));
	refused(s, "address inside a page", -EINVAL,
		pin_vfio_map(&s->v, (char *)s->mem.addr + 512, s->page, PIN_VFIO_IOVA, READ_WRITE));
	refused(s, "device's address inside a page", -EINVAL,
		pin_vfio_map(&s->v, s->mem.addr, s->page, PIN_VFIO_IOVA + 512, READ_WRITE));
	/* EOVERFLOW in 7.3 */
	err = pin_vfio_map(&s->v, s->mem.addr, s->mem.len, -s->page, READ_WRITE);
	refused(s, "beyond the last address", err == -EOVERFLOW ? err : -EINVAL, err);
#ifdef __x86_64__
	refused(s, "where interrupts are", -EINVAL,
		pin_vfio_map(&s->v, s->mem.addr, s->mem.len, INTERRUPTS - s->page, READ_WRITE));
#endif
}

/* As many mappings as the module allows. */
static void fill_up(struct seq *s)
{
	if (map(s, 0, 4) && map(s, 4, 4) &&
	    refused(s, "a third", -ENOSPC, map_at(s, 8, 4, 8)) &&
	    unmap(s, "unmap the first", 0, 4, 4, 0))
		map(s, 8, 4);
}

static enum pin_verdict entry_limit(struct pin_audit *au, const void *arg)
{
	char why[PIN_WHY_LEN], before[24];

	if (*unable)
		return pin_audit_skip(au, "%s", unable);
	snprintf(before, sizeof(before), "%lld", pin_read_number(ENTRY_LIMIT, 0));
	if (pin_scratch_setting(ENTRY_LIMIT, "2", why))
		return pin_audit_skip(au, "%s", why);
	run_seq(au, arg);
	pin_write_file(ENTRY_LIMIT, before);
	return PIN_PASS;
}

/* Pages before the hole were pinned and mapped already. */
static void over_hole(struct seq *s)
{
	munmap((char *)s->mem.addr + 8 * s->page, s->page);
	if (map(s, 0, 8)) {
		const struct pin_predict p = {
			.acquired = 3, .released = 3, .result = -EFAULT, .or_result = -EFAULT,
			.migrated = pin_vfio_again(s->k, 3),
		};

		pin_audit_step(s->au, "map over the hole", &p, map_at(s, 5, 6, 32), 0);
		unmap(s, "unmap", 0, 8, 8, 0);
	}
}

/*
 * Pages 4 to 7 become the device's own memory. That is mapped like any other,
 * for devices that talk to each other, but has no pages to pin: whoever walks
 * from one kind to the other, or back from an error, must tell them apart.
 */
static int mix_in(struct seq *s)
{
	struct vfio_region_info bar = { .argsz = sizeof(bar), .index = VFIO_PCI_BAR0_REGION_INDEX };
	int device = ioctl(s->v.group, VFIO_GROUP_GET_DEVICE_FD, s->v.device), err = 0;

	if (device < 0)
		return -errno;
	if (ioctl(device, VFIO_DEVICE_GET_REGION_INFO, &bar) ||
	    mmap((char *)s->mem.addr + 4 * s->page, 4 * s->page, PROT_READ | PROT_WRITE,
		 MAP_SHARED | MAP_FIXED, device, bar.offset) == MAP_FAILED)
		err = -errno;
	close(device);
	return err;
}

static void device_memory(struct seq *s)
{
	uint64_t done;
	long err;

	if (step(s, "mix in the device's memory", 0, 0, mix_in(s)) &&
	    step(s, "map what the device has", 0, 0, map_at(s, 4, 4, 4 + PAGES)) &&
	    step(s, "map all", PAGES - 4, 0, map_at(s, 0, PAGES, 0))) {
		err = pin_vfio_unmap(&s->v, iova_of(s, 0), s->mem.len, 0, &done);
		if (step(s, "unmap", 4 - PAGES, 0, err) && done != s->mem.len)
			pin_audit_fail(s->au, "unmap: says that it unmapped %llu bytes",
				       (unsigned long long)done);
		/* No page remains behind the device's memory. */
		munmap((char *)s->mem.addr + 8 * s->page, 8 * s->page);
		pin_audit_step(s->au, "map over the hole", &(struct pin_predict){
			       .acquired = 4, .released = 4, .result = -EFAULT,
			       .or_result = -EFAULT, .migrated = pin_vfio_again(s->k, 4),
			       }, map_at(s, 0, PAGES, 0), 0);
	}
	/* The group is in use for as long as that is mapped. */
	munmap((char *)s->mem.addr + 4 * s->page, 4 * s->page);
}

/* --- what can be unmapped --- */

static void part(struct seq *s)
{
	if (map(s, 0, PAGES) &&
	    unmap(s, "the first half", 0, PAGES / 2, 0, -EINVAL) &&
	    unmap(s, "the last half", PAGES / 2, PAGES / 2, 0, -EINVAL) &&
	    unmap(s, "the middle", 4, 8, 0, -EINVAL) &&
	    unmap(s, "one page more", 0, PAGES + 1, PAGES, 0))
		unmap(s, "what is unmapped already", 0, PAGES, 0, 0);
}

/* Version 1 of the interface: whole mappings, or nothing and no error. */
static void part_v1(struct seq *s)
{
	if (map(s, 0, 8) && map(s, 8, 8) &&
	    unmap(s, "the middle", 2, 4, 0, 0) &&
	    unmap(s, "from the middle into the second", 4, 8, 0, 0) &&
	    unmap(s, "the second by its first page", 8, 1, 8, 0))
		unmap(s, "the first by its first half", 0, 4, 8, 0);
}

/* The same where the IOMMU has large pages. */
static void part_huge(struct seq *s)
{
	const unsigned int all = s->mem.pages;

	if (map(s, 0, all)) {
		if (s->t->v1)
			unmap(s, "its last page", all - 1, 1, 0, 0);
		else
			unmap(s, "its first page", 0, 1, 0, -EINVAL);
		unmap(s, "all", 0, s->t->v1 ? 1 : all, all, 0);
	}
}

static void several(struct seq *s)
{
	/* A gap of two pages between the second and the third. */
	if (map(s, 0, 4) && map(s, 4, 4) && map(s, 10, 2) && map(s, 12, 4) &&
	    unmap(s, "the first and half of the second", 0, 6, 0, -EINVAL) &&
	    unmap(s, "half of the first and the second", 2, 6, 0, -EINVAL) &&
	    unmap(s, "the gap", 8, 2, 0, 0) &&
	    unmap(s, "the second, the gap and the third", 4, 8, 6, 0) &&
	    refused(s, "over the first", -EEXIST, map_at(s, 0, 8, 0)))
		map(s, 4, 8);
}

static void twice(struct seq *s)
{
	if (map(s, 0, PAGES) &&
	    step(s, "map the same elsewhere", PAGES, 0, map_at(s, 0, PAGES, 2 * PAGES)))
		unmap(s, "the first", 0, PAGES, PAGES, 0);
}

static bool has_extension(struct seq *s, int extension, const char *what)
{
	if (ioctl(s->v.container, VFIO_CHECK_EXTENSION, extension) > 0)
		return true;
	pin_audit_skip(s->au, "VFIO cannot %s here: Linux 5.12 or later", what);
	return false;
}

static void unmap_all(struct seq *s)
{
	uint64_t done;

	if (has_extension(s, VFIO_UNMAP_ALL, "unmap all") &&
	    map(s, 0, 4) && map(s, 8, 8) &&
	    refused(s, "all, of a part", -EINVAL,
		    pin_vfio_unmap(&s->v, PIN_VFIO_IOVA, s->page, VFIO_DMA_UNMAP_FLAG_ALL,
				   &done)) &&
	    step(s, "all", -12, 0,
		 pin_vfio_unmap(&s->v, 0, 0, VFIO_DMA_UNMAP_FLAG_ALL, &done))) {
		if (done != 12 * s->page)
			pin_audit_fail(s->au, "all: says that it unmapped %llu bytes",
				       (unsigned long long)done);
		map(s, 0, PAGES);
	}
}

/* The process moves, as when it is updated: the same pages at another address. */
static void moved(struct seq *s)
{
	uint64_t done;
	char *there;
	long err;

	there = mmap(NULL, s->mem.len, PROT_READ | PROT_WRITE, MAP_SHARED, s->mem.fd, 0);
	if (there == MAP_FAILED) {
		pin_audit_fail(s->au, "mmap: %s", strerror(errno));
		return;
	}
	s->there = there;
	if (!has_extension(s, VFIO_UPDATE_VADDR, "change addresses") || !map(s, 0, PAGES))
		return;
	err = pin_vfio_unmap(&s->v, PIN_VFIO_IOVA, s->mem.len, VFIO_DMA_UNMAP_FLAG_VADDR, &done);
	if (step(s, "take the address away", 0, 0, err) &&
	    step(s, "another address", 0, 0,
		 pin_vfio_map(&s->v, there, s->mem.len, PIN_VFIO_IOVA, VFIO_DMA_MAP_FLAG_VADDR)))
		unmap(s, "unmap", 0, PAGES, PAGES, 0);
}

/* --- groups and devices --- */

/* The last group takes the mappings along. */
static void leave(struct seq *s)
{
	if (map(s, 0, 8) && map(s, 8, 8))
		step(s, "the group leaves", -PAGES, 0,
		     ioctl(s->v.group, VFIO_GROUP_UNSET_CONTAINER) ? -errno : 0);
}

/* A second group shares what is mapped, whenever it comes. */
static void second_group(struct seq *s)
{
	const char *device;
	char why[PIN_WHY_LEN];
	int group;

	group = pin_vfio_group(&device, why);
	if (group < 0) {
		pin_audit_skip(s->au, "%s", why);
		return;
	}
	if (map(s, 0, 8) &&
	    step(s, "a second group", 0, 0,
		 ioctl(group, VFIO_GROUP_SET_CONTAINER, &s->v.container) ? -errno : 0) &&
	    map(s, 8, 8) &&
	    step(s, "the first group leaves", 0, 0,
		 ioctl(s->v.group, VFIO_GROUP_UNSET_CONTAINER) ? -errno : 0) &&
	    unmap(s, "unmap the first", 0, 8, 8, 0))
		step(s, "the second group leaves", -8, 0,
		     ioctl(group, VFIO_GROUP_UNSET_CONTAINER) ? -errno : 0);
	close(group);
}

/* Group and container are closed; the device is open. */
static void device_last(struct seq *s)
{
	int device;

	device = ioctl(s->v.group, VFIO_GROUP_GET_DEVICE_FD, s->v.device);
	if (!step(s, "open the device", 0, 0, device < 0 ? -errno : 0) || !map(s, 0, PAGES))
		goto out;
	if (step(s, "the group cannot leave", 0, -EBUSY,
		 ioctl(s->v.group, VFIO_GROUP_UNSET_CONTAINER) ? -errno : 0)) {
		pin_vfio_close(&s->v);
		if (step(s, "close group and container", 0, 0, 0)) {
			close(device);
			device = -1;
		}
	}
out:
	if (device >= 0)
		close(device);
}

/* --- processes --- */

/* It maps and, if @leaves, takes its address away. */
static int run_child(struct seq *s, bool leaves)
{
	uint64_t done;
	int status, err;
	pid_t pid = fork();

	if (!pid) {
		pin_scratch_disown();
		err = map_at(s, 0, PAGES, 0);
		if (!err && leaves)
			err = pin_vfio_unmap(&s->v, PIN_VFIO_IOVA, s->mem.len,
					     VFIO_DMA_UNMAP_FLAG_VADDR, &done);
		_exit(-err);
	}
	while (pid > 0 && waitpid(pid, &status, 0) < 0) {
		if (errno != EINTR)
			return -errno;
	}
	return pid < 0 || !WIFEXITED(status) ? -ECHILD : -WEXITSTATUS(status);
}

/* What a child has mapped of its own memory stays pinned when it is gone. */
static void of_child(struct seq *s)
{
	struct pin_predict p = { .acquired = PAGES };
	uint64_t done, left = 0;
	long err;

	p.migrated = pin_vfio_again(s->k, PAGES);
	if (pin_audit_step(s->au, "a child maps and ends", &p, run_child(s, false), 0) &&
	    refused(s, "there is something already", -EEXIST, map_at(s, 0, PAGES, 0))) {
		err = pin_vfio_unmap(&s->v, PIN_VFIO_IOVA, s->mem.len, 0, &done);
		/* In 5.10 only who mapped it could: then it goes with the container. */
		left = s->k->version < PIN_KVER(6, 1) && !done ? PAGES : 0;
		p = (struct pin_predict){ .released = PAGES - left };
		pin_audit_step(s->au, "unmap", &p, err, 0);
		if (!left)
			map(s, 0, PAGES);
	}
	if (left) {
		pin_vfio_close(&s->v);
		p = (struct pin_predict){ .released = left };
		pin_audit_step(s->au, "close", &p, 0, 0);
	}
}

/* No address is needed to let go. */
static void address_gone(struct seq *s)
{
	const struct pin_vfio *v = &s->v;
	uint64_t done;

	if (!has_extension(s, VFIO_UPDATE_VADDR, "change addresses") || !map(s, 0, 8) ||
	    !map(s, 8, 8) ||
	    !step(s, "take the second address away", 0, 0,
		  pin_vfio_unmap(v, iova_of(s, 8), 8 * s->page, VFIO_DMA_UNMAP_FLAG_VADDR,
				 &done)) ||
	    !refused(s, "take both away", -EINVAL,
		     pin_vfio_unmap(v, iova_of(s, 0), s->mem.len, VFIO_DMA_UNMAP_FLAG_VADDR,
				    &done)) ||
	    !refused(s, "the first has one still", -EINVAL,
		     pin_vfio_map(v, s->mem.addr, 8 * s->page, iova_of(s, 0),
				  VFIO_DMA_MAP_FLAG_VADDR)) ||
	    !unmap(s, "unmap the second", 8, 8, 8, 0) || !map(s, 8, 8))
		return;
	/* And the container goes while the first has none. */
	step(s, "take the first address away", 0, 0,
	     pin_vfio_unmap(v, iova_of(s, 0), 8 * s->page, VFIO_DMA_UNMAP_FLAG_VADDR, &done));
}

/* Give the mapping the address it has in this process. Until @until is closed. */
static void take_over(struct seq *s, int answer, int until)
{
	int err = pin_vfio_map(&s->v, s->mem.addr, s->mem.len, PIN_VFIO_IOVA,
			       VFIO_DMA_MAP_FLAG_VADDR);
	char c;

	if (write(answer, &err, sizeof(err)) == sizeof(err))
		(void)!read(until, &c, sizeof(c));
}

/* One process follows another, as in a live update: it takes what is locked over, too. */
static void given_away(struct seq *s)
{
	int answer[2], until[2], result = -ECHILD;
	uint64_t done;
	bool right;
	pid_t pid;
	long err;

	if (!has_extension(s, VFIO_UPDATE_VADDR, "change addresses") || !map(s, 0, PAGES))
		return;
	err = pin_vfio_unmap(&s->v, PIN_VFIO_IOVA, s->mem.len, VFIO_DMA_UNMAP_FLAG_VADDR, &done);
	if (!step(s, "take the address away", 0, 0, err) ||
	    !refused(s, "once more", -EINVAL,
		     pin_vfio_unmap(&s->v, PIN_VFIO_IOVA, s->mem.len, VFIO_DMA_UNMAP_FLAG_VADDR,
				    &done)) ||
	    !refused(s, "of a part", -EINVAL,
		     pin_vfio_map(&s->v, s->mem.addr, s->page, PIN_VFIO_IOVA,
				  VFIO_DMA_MAP_FLAG_VADDR)) ||
	    pipe(answer) || pipe(until))
		return;
	pid = fork();
	if (!pid) {
		close(until[1]);
		pin_scratch_disown();
		take_over(s, answer[1], until[0]);
		_exit(0);
	}
	close(answer[1]);
	close(until[0]);
	if (pid > 0 && read(answer[0], &result, sizeof(result)) != sizeof(result))
		result = -ECHILD;
	s->given = PAGES;
	right = step(s, "a child takes it over", 0, 0, result) &&
		locks(s, "a child takes it over", "its ", PAGES, pin_vfio_locked_kib(pid));
	s->given = 0;
	if (right && unmap(s, "unmap", 0, PAGES, PAGES, 0))
		locks(s, "unmap", "the child's ", 0, pin_vfio_locked_kib(pid));
	close(answer[0]);
	close(until[1]);
	while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}

/* The same after the one before has ended: only the new one has what is locked. */
static void inherited(struct seq *s)
{
	if (!has_extension(s, VFIO_UPDATE_VADDR, "change addresses"))
		return;
	s->given = PAGES;
	if (!step(s, "a child maps, and ends", PAGES, 0, run_child(s, true)))
		return;
	s->given = 0;
	if (step(s, "take it over", 0, 0,
		 pin_vfio_map(&s->v, s->mem.addr, s->mem.len, PIN_VFIO_IOVA,
			      VFIO_DMA_MAP_FLAG_VADDR)))
		unmap(s, "unmap", 0, PAGES, PAGES, 0);
}

/* --- devices without hardware: what they pin of what is mapped for them --- */

#define PIN	PIN_HELPER_VFIO_IOC_PIN
#define UNPIN	PIN_HELPER_VFIO_IOC_UNPIN
#define COPY	PIN_HELPER_VFIO_IOC_COPY
#define READ	PIN_HELPER_VFIO_READ
#define WRITE	PIN_HELPER_VFIO_WRITE

static long ask(const struct seq *s, unsigned long number, unsigned int first, unsigned int pages,
		unsigned int flags)
{
	return pin_vfio_mdev(s->v.opened, number, iova_of(s, first), pages * s->page, flags, NULL);
}

/* Mapped: nothing is pinned by that. */
static bool offer(struct seq *s, unsigned int first, unsigned int pages)
{
	return step(s, "map", 0, 0, map_at(s, first, pages, first));
}

/* The device asks for [@first, @first + @pages): @more pages were not pinned yet. */
static bool take(struct seq *s, const char *what, unsigned int first, unsigned int pages,
		 unsigned int more)
{
	return step(s, what, more, 0, ask(s, PIN, first, pages, READ | WRITE));
}

static bool give(struct seq *s, const char *what, unsigned int first, unsigned int pages,
		 unsigned int gone)
{
	return step(s, what, -(int64_t)gone, 0, ask(s, UNPIN, first, pages, 0));
}

/* It is refused, and what was pinned until then is let go of. */
static bool undone(struct seq *s, const char *what, unsigned int pages, long want, long result)
{
	const struct pin_predict p = {
		.acquired = pages, .released = pages, .result = want, .or_result = want,
		.migrated = pin_vfio_again(s->k, pages),
	};

	return pin_audit_step(s->au, what, &p, result, 0) && refused(s, what, 0, 0);
}

/*
 * All of this is unmapped, and @gone pages were pinned: with lockdep, the kernel tells
 * once that it takes its locks in either order.
 */
static bool withdraw(struct seq *s, const char *what, unsigned int first, unsigned int pages,
		     unsigned int gone)
{
	uint64_t done;
	long err;

	pin_audit_excuse_warning(s->au, "warns_vfio_mdev_unmap", "*", "circular locking");
	err = pin_vfio_unmap(&s->v, iova_of(s, first), pages * s->page, 0, &done);
	if (!step(s, what, -(int64_t)gone, 0, err))
		return false;
	if (done != pages * s->page)
		pin_audit_fail(s->au, "%s: says that it unmapped %llu bytes", what,
			       (unsigned long long)done);
	return done == pages * s->page;
}

/* The first @pages pages of those that @v looks at are pinned once. */
static bool seen(struct seq *s, const char *what, struct pin_view *v, unsigned int pages)
{
	const struct pin_predict p = {
		.acquired = pages, .migrated = pin_vfio_again(s->k, pages),
	};

	return pages ? pin_audit_held(s->au, what, v, &p) : pin_audit_back(s->au, what, v);
}

static void mdev_twice(struct seq *s)
{
	struct pin_view *v = pin_audit_view(s->au, 0, s->mem.addr, PAGES);

	if (offer(s, 0, PAGES) && take(s, "pin", 0, 8, 8) && take(s, "the same again", 0, 8, 0) &&
	    take(s, "half of it and more", 4, 8, 4) && seen(s, "pinned", v, 12) &&
	    give(s, "unpin", 0, 8, 0) && seen(s, "unpin", v, 12) &&
	    give(s, "unpin a second time", 0, 8, 4) &&
	    give(s, "unpin what remains", 4, 8, 8) && seen(s, "unpin what remains", v, 0))
		refused(s, "unpin what is not pinned", -ENOENT, ask(s, UNPIN, 0, 8, 0));
	pin_view_close(v);
}

/* User space takes memory back: the device has to let go first. */
static void mdev_unmap(struct seq *s)
{
	struct pin_view *v = pin_audit_view(s->au, 0, s->mem.addr, 8);

	if (offer(s, 0, 8) && offer(s, 8, 8) && take(s, "pin the first", 0, 8, 8) &&
	    take(s, "a part again", 2, 4, 0) && take(s, "pin of the second", 12, 4, 4) &&
	    seen(s, "pinned", v, 8) && withdraw(s, "unmap the first", 0, 8, 8) &&
	    seen(s, "unmap the first", v, 0) &&
	    refused(s, "it is not pinned", -ENOENT, ask(s, UNPIN, 0, 8, 0)) &&
	    refused(s, "it cannot be pinned", -EINVAL, ask(s, PIN, 0, 8, READ)) &&
	    offer(s, 0, 8) && take(s, "pin of both", 4, 6, 6) &&
	    refused(s, "unmap a part", -EINVAL,
		    pin_vfio_unmap(&s->v, iova_of(s, 0), s->page, 0, &(uint64_t){ 0 })))
		withdraw(s, "unmap both", 0, PAGES, 10);
	pin_view_close(v);
}

/* A range that is not mapped up to its end, or has no memory there. */
static void mdev_half(struct seq *s)
{
	struct pin_view *v = pin_audit_view(s->au, 0, s->mem.addr, 8);

	if (offer(s, 0, 8) &&
	    undone(s, "beyond the mapping", 4, -EINVAL, ask(s, PIN, 4, 8, READ)) &&
	    seen(s, "beyond the mapping", v, 0) && take(s, "pin", 0, 6, 6) &&
	    undone(s, "beyond it, and partly pinned", 2, -EINVAL, ask(s, PIN, 4, 8, READ)) &&
	    seen(s, "beyond it, and partly pinned", v, 6) && offer(s, 8, 8) &&
	    step(s, "munmap", 0, 0, munmap((char *)s->mem.addr + 12 * s->page, s->page)) &&
	    undone(s, "over a hole", 6, -EFAULT, ask(s, PIN, 4, 12, READ)) &&
	    give(s, "unpin", 0, 6, 6))
		seen(s, "unpin", v, 0);
	pin_view_close(v);
}

static void mdev_protection(struct seq *s)
{
	char *addr = s->mem.addr;

	if (!offer(s, 0, 8) ||
	    !step(s, "map for reading", 0, 0,
		  pin_vfio_map(&s->v, addr + 8 * s->page, 8 * s->page, iova_of(s, 8),
			       VFIO_DMA_MAP_FLAG_READ)))
		return;
	refused(s, "neither read nor write", -EINVAL, ask(s, PIN, 0, 8, 0));
	refused(s, "pin to write", -EPERM, ask(s, PIN, 8, 8, WRITE));
	undone(s, "pin both to write", 4, -EPERM, ask(s, PIN, 4, 8, READ | WRITE));
	refused(s, "write", -EPERM,
		pin_vfio_mdev(s->v.opened, COPY, iova_of(s, 8), 8, WRITE, addr));
	if (step(s, "pin both to read", 12, 0, ask(s, PIN, 4, 12, READ)))
		give(s, "unpin", 4, 12, 12);
}

/* What the module itself refuses. */
static void mdev_bad(struct seq *s)
{
	const uint64_t at = iova_of(s, 0), most = pin_read_number(MAX_PAGES, 0);
	const int device = s->v.opened;

	if (!offer(s, 0, PAGES))
		return;
	refused(s, "an unknown flag", -EINVAL, ask(s, PIN, 0, 8, READ | 4));
	refused(s, "a part of a page", -EINVAL,
		pin_vfio_mdev(device, PIN, at, s->page / 2, READ, NULL));
	refused(s, "from inside a page on", -EINVAL,
		pin_vfio_mdev(device, PIN, at + 512, s->page, READ, NULL));
	refused(s, "nothing", -EINVAL, ask(s, PIN, 0, 0, READ));
	refused(s, "beyond the last address", -EINVAL,
		pin_vfio_mdev(device, PIN, -s->page, 2 * s->page, READ, NULL));
	refused(s, "more than it may", -EDQUOT,
		pin_vfio_mdev(device, PIN, at, (most + 1) * s->page, READ, NULL));
	refused(s, "copy more than a page", -EINVAL,
		pin_vfio_mdev(device, COPY, at, s->page + 1, READ, s->mem.addr));
	refused(s, "copy both ways", -EINVAL,
		pin_vfio_mdev(device, COPY, at, 8, READ | WRITE, s->mem.addr));
	pin_set_cap(CAP_SYS_ADMIN, false);
	refused(s, "without CAP_SYS_ADMIN", -EPERM, ask(s, PIN, 0, 8, READ));
	pin_set_cap(CAP_SYS_ADMIN, true);
	if (take(s, "pin", 0, 8, 8)) {
		refused(s, "unpin with a flag", -EINVAL, ask(s, UNPIN, 0, 8, READ));
		refused(s, "unpin a part", -ENOENT, ask(s, UNPIN, 0, 4, 0));
	}
}

/* Copied without pins, also from page to page. */
static void mdev_copy(struct seq *s)
{
	char *addr = s->mem.addr, to[64] = "", from[64] = "what the device has written";
	const uint64_t at = iova_of(s, 4) - sizeof(from) / 2;

	if (offer(s, 0, 8) &&
	    step(s, "write", 0, 0,
		 pin_vfio_mdev(s->v.opened, COPY, at, sizeof(from), WRITE, from)) &&
	    step(s, "read", 0, 0, pin_vfio_mdev(s->v.opened, COPY, at, sizeof(to), READ, to)) &&
	    (memcmp(from, to, sizeof(to)) ||
	     memcmp(from, addr + (at - iova_of(s, 0)), sizeof(from))))
		pin_audit_fail(s->au, "copy: the memory has other data");
	refused(s, "beyond the mapping", -EINVAL,
		pin_vfio_mdev(s->v.opened, COPY, iova_of(s, 8), sizeof(to), READ, to));
}

/* Each page is pinned first and counted then. */
static void mdev_limit(struct seq *s)
{
	const rlim_t room = s->locked_kib * 1024 + 6 * s->page;
	struct rlimit before, limit;

	if (getrlimit(RLIMIT_MEMLOCK, &before) || before.rlim_max < room) {
		pin_audit_skip(s->au, "RLIMIT_MEMLOCK cannot be set to %llu bytes",
			       (unsigned long long)room);
		return;
	}
	limit = (struct rlimit){ room, before.rlim_max };
	/* Whoever may lock memory when it is mapped has no limit. */
	pin_set_cap(CAP_IPC_LOCK, false);
	setrlimit(RLIMIT_MEMLOCK, &limit);
	if (offer(s, 0, PAGES) &&
	    undone(s, "pin too much", 7, -ENOMEM, ask(s, PIN, 0, 8, READ)) &&
	    take(s, "pin as much as may be", 0, 6, 6) &&
	    undone(s, "one page more", 1, -ENOMEM, ask(s, PIN, 0, 7, READ)) &&
	    take(s, "the same again", 0, 6, 0) && give(s, "unpin", 0, 6, 0) &&
	    give(s, "unpin again", 0, 6, 6))
		take(s, "others", 8, 6, 6);
	setrlimit(RLIMIT_MEMLOCK, &before);
	pin_set_cap(CAP_IPC_LOCK, true);
}

/* Another process, which has mapped the memory, until it is told to end. */
struct owner {
	pid_t pid;
	int until;
};

/* It has CAP_IPC_LOCK as it maps, and not later, or the other way round. */
static bool map_by_owner(struct seq *s, struct owner *o, bool privileged)
{
	int answer[2], until[2], result = -ECHILD;
	char c;

	if (pipe(answer) || pipe(until))
		abort();
	o->pid = fork();
	if (!o->pid) {
		close(until[1]);
		pin_scratch_disown();
		/* It has pages of its own then, which we have not. */
		memset(s->mem.addr, 1, s->mem.len);
		pin_set_cap(CAP_IPC_LOCK, privileged);
		result = map_at(s, 0, PAGES, 0);
		pin_set_cap(CAP_IPC_LOCK, !privileged);
		if (write(answer[1], &result, sizeof(result)) == sizeof(result))
			(void)!read(until[0], &c, sizeof(c));
		_exit(0);
	}
	close(answer[1]);
	close(until[0]);
	o->until = until[1];
	if (o->pid > 0 && read(answer[0], &result, sizeof(result)) != sizeof(result))
		result = -ECHILD;
	close(answer[0]);
	return step(s, "another process maps", 0, 0, result);
}

static void end_owner(struct seq *s, const struct owner *o)
{
	close(o->until);
	while (o->pid > 0 && waitpid(o->pid, NULL, 0) < 0 && errno == EINTR)
		;
	step(s, "it ends", 0, 0, 0);
}

static bool set_limit(struct seq *s, const char *what, pid_t pid, uint64_t pages)
{
	return step(s, what, 0, 0, pin_limit_memlock(pid, pages * s->page, NULL));
}

/* The device pins for the other process, whose VmLck has it then: @all pages. */
static bool take_for(struct seq *s, const struct owner *o, const char *what, unsigned int first,
		     unsigned int pages, unsigned int all)
{
	s->given = all;
	return take(s, what, first, pages, pages) &&
	       locks(s, what, "its ", all, pin_vfio_locked_kib(o->pid));
}

static bool give_for(struct seq *s, const struct owner *o, const char *what, unsigned int first,
		     unsigned int pages, unsigned int all)
{
	s->given = all;
	return give(s, what, first, pages, pages) &&
	       locks(s, what, "its ", all, pin_vfio_locked_kib(o->pid));
}

/*
 * What a device pins is charged to who has mapped it, whoever makes the device do so:
 * it is his limit that counts, and not what we may.
 */
static void mdev_limit_of_owner(struct seq *s)
{
	struct owner o;
	rlim_t before;

	if (map_by_owner(s, &o, false) &&
	    step(s, "no limit for us", 0, 0, pin_limit_memlock(0, RLIM_INFINITY, &before))) {
		if (set_limit(s, "but for it", o.pid, 6) &&
		    undone(s, "pin too much", 7, -ENOMEM, ask(s, PIN, 0, 8, READ)) &&
		    locks(s, "pin too much", "its ", 0, pin_vfio_locked_kib(o.pid)) &&
		    take_for(s, &o, "pin as much as may be", 0, 6, 6) &&
		    undone(s, "one page more", 1, -ENOMEM, ask(s, PIN, 6, 1, READ)) &&
		    set_limit(s, "room for more", o.pid, 8) &&
		    set_limit(s, "none for us", 0, 0)) {
			pin_set_cap(CAP_IPC_LOCK, false);
			if (take_for(s, &o, "pin more", 6, 2, 8) &&
			    undone(s, "pin yet more", 1, -ENOMEM, ask(s, PIN, 8, 1, READ)) &&
			    give_for(s, &o, "unpin that", 6, 2, 6))
				give_for(s, &o, "unpin", 0, 6, 0);
			pin_set_cap(CAP_IPC_LOCK, true);
		}
		pin_limit_memlock(0, before, NULL);
	}
	end_owner(s, &o);
}

/* If he might exceed it when he mapped, it may be exceeded. */
static void mdev_privileged_owner(struct seq *s)
{
	struct owner o;
	rlim_t before;

	if (map_by_owner(s, &o, true) &&
	    step(s, "no room for us", 0, 0, pin_limit_memlock(0, 0, &before))) {
		pin_set_cap(CAP_IPC_LOCK, false);
		if (set_limit(s, "nor for it", o.pid, 0) && take_for(s, &o, "pin", 0, 8, 8))
			give_for(s, &o, "unpin", 0, 8, 0);
		pin_set_cap(CAP_IPC_LOCK, true);
		pin_limit_memlock(0, before, NULL);
	}
	end_owner(s, &o);
}

static void mdev_close(struct seq *s)
{
	struct pin_vfio *v = &s->v;

	if (!offer(s, 0, PAGES) || !take(s, "pin", 0, 8, 8) || !take(s, "pin more", 4, 8, 4))
		return;
	close(v->opened);
	v->opened = -1;
	if (!step(s, "close the device", -12, 0, 0))
		return;
	v->opened = pin_vfio_device(v->group, v->device);
	if (!step(s, "open it again", 0, 0, v->opened < 0 ? v->opened : 0) ||
	    !refused(s, "nothing is pinned", -ENOENT, ask(s, UNPIN, 0, 8, 0)) ||
	    !take(s, "pin", 0, 8, 8))
		return;
	close(v->group);
	close(v->container);
	v->group = -1;
	v->container = -1;
	step(s, "close group and container", 0, 0, 0);
}

static void mdev_killed(struct seq *s)
{
	struct pin_predict p = { .acquired = PAGES, .migrated = pin_vfio_again(s->k, PAGES) };
	int ready[2], result = -ECHILD;
	pid_t pid;

	if (pipe(ready))
		return;
	pid = fork();
	if (!pid) {
		char why[PIN_WHY_LEN];

		pin_scratch_disown();
		result = pin_vfio_mdev_open(&s->v, PIN_VFIO, VFIO_TYPE1v2_IOMMU, why) ?:
			 map_at(s, 0, PAGES, 0) ?: ask(s, PIN, 0, PAGES, READ | WRITE);
		(void)!write(ready[1], &result, sizeof(result));
		for (;;)
			pause();
	}
	close(ready[1]);
	if (pid > 0 && read(ready[0], &result, sizeof(result)) != sizeof(result))
		result = -ECHILD;
	close(ready[0]);
	if (pin_audit_step(s->au, "a child pins", &p, result, 0) && pid > 0)
		locks(s, "a child pins", "its ", PAGES, pin_vfio_locked_kib(pid));
	if (pid > 0)
		kill(pid, SIGKILL);
	while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	p = (struct pin_predict){ .released = PAGES };
	pin_audit_step(s->au, "it is killed", &p, 0, 0);
}

/* Where such a device is, addresses stay. */
static void mdev_moved(struct seq *s)
{
	uint64_t done;

	if (refused(s, "it cannot change addresses", 0,
		    ioctl(s->v.container, VFIO_CHECK_EXTENSION, VFIO_UPDATE_VADDR)) &&
	    offer(s, 0, PAGES) && take(s, "pin", 0, 8, 8) &&
	    refused(s, "take the address away", -EBUSY,
		    pin_vfio_unmap(&s->v, PIN_VFIO_IOVA, s->mem.len, VFIO_DMA_UNMAP_FLAG_VADDR,
				   &done)))
		give(s, "unpin", 0, 8, 8);
}

static void mdev_v1(struct seq *s)
{
	if (offer(s, 0, PAGES))
		refused(s, "pin", -EACCES, ask(s, PIN, 0, 8, READ));
}

/* In a child: the @number-th part of the memory is mapped, pinned and unmapped, often. */
static void again_and_again(struct seq *s, unsigned int number)
{
	const unsigned int first = 8 * number;
	uint64_t done;

	pin_scratch_disown();
	for (int i = 0; i < ROUNDS; i++) {
		if (map_at(s, first, 8, first) || ask(s, PIN, first, 8, READ) ||
		    pin_vfio_unmap(&s->v, iova_of(s, first), 8 * s->page, 0, &done))
			_exit(1);
	}
	_exit(0);
}

/* Two at a time: each has to let go while the other wants to be unmapped. */
static void mdev_two(struct seq *s)
{
	const uint64_t all = 2 * 8 * ROUNDS;
	const struct pin_predict p = {
		.acquired = all, .released = all, .migrated = pin_vfio_again(s->k, all),
	};
	int left = 2, status, result = 0;
	pid_t pids[2];

	for (int i = 0; i < 2; i++) {
		pids[i] = fork();
		if (!pids[i])
			again_and_again(s, i);
	}
	for (int ms = 0; left && ms < STUCK_MS; ms += 10) {
		for (int i = 0; i < 2; i++) {
			if (pids[i] > 0 && waitpid(pids[i], &status, WNOHANG) == pids[i]) {
				result |= status;
				pids[i] = 0;
				left--;
			}
		}
		usleep(10000);
	}
	if (left)
		pin_audit_fail(s->au, "two that unmap wait for each other for ever");
	else
		pin_audit_step(s->au, "two that unmap", &p, result ? -EIO : 0, 0);
}

static enum pin_verdict unless_stuck(struct pin_audit *au, const void *arg)
{
	return pin_audit_avoid(au, "vfio_mdev_two", "*") ? PIN_XFAIL : run_seq(au, arg);
}

/* --- and beside one that has an IOMMU: pinned once for each, counted once --- */

static long join(const struct seq *s, int group)
{
	return ioctl(group, VFIO_GROUP_SET_CONTAINER, &s->v.container) ? -errno : 0;
}

static bool group_comes(struct seq *s, const char *what, int group, int64_t pins)
{
	return step(s, what, pins, 0, join(s, group));
}

static bool group_leaves(struct seq *s, const char *what, int group, int64_t pins)
{
	return step(s, what, -pins, 0, ioctl(group, VFIO_GROUP_UNSET_CONTAINER) ? -errno : 0);
}

static void beside(struct seq *s, int group, const char *name)
{
	uint64_t done;

	if (!map(s, 0, PAGES) ||
	    !step(s, "take the address away", 0, 0,
		  pin_vfio_unmap(&s->v, PIN_VFIO_IOVA, s->mem.len, VFIO_DMA_UNMAP_FLAG_VADDR,
				 &done)) ||
	    !refused(s, "the other comes meanwhile", -EBUSY, join(s, group)) ||
	    !step(s, "the address again", 0, 0,
		  pin_vfio_map(&s->v, s->mem.addr, s->mem.len, PIN_VFIO_IOVA,
			       VFIO_DMA_MAP_FLAG_VADDR)) ||
	    !group_comes(s, "a second group", group, 0))
		return;
	s->v.opened = pin_vfio_device(group, name);
	if (!step(s, "its device", 0, 0, s->v.opened < 0 ? s->v.opened : 0))
		return;
	s->given = 8;
	if (!take(s, "pin", 0, 8, 8))
		return;
	s->given = 0;
	if (!give(s, "unpin", 0, 8, 8))
		return;
	s->given = 8;
	if (!take(s, "pin again", 0, 8, 8))
		return;
	s->given = 0;
	if (!withdraw(s, "unmap", 0, PAGES, PAGES + 8) || !map(s, 0, PAGES))
		return;
	s->given = 8;
	if (!take(s, "pin for the third time", 0, 8, 8))
		return;
	/* What is pinned now is what the second has asked for. */
	s->given = 0;
	if (!group_leaves(s, "the first group leaves", s->v.group, PAGES))
		return;
	s->given = 8;
	if (!group_comes(s, "it comes back", s->v.group, PAGES))
		return;
	close(s->v.opened);
	s->v.opened = -1;
	s->given = 0;
	step(s, "close the second device", -8, 0, 0);
}

static void mdev_beside(struct seq *s)
{
	const char *name;
	char why[PIN_WHY_LEN];
	int group = -1;

	if (!*unable_mdev)
		group = pin_vfio_mdev_group(&name, why);
	if (group < 0) {
		pin_audit_skip(s->au, "%s", *unable_mdev ? unable_mdev : why);
		return;
	}
	beside(s, group, name);
	close(group);
}

/* --- the other way round: when one with an IOMMU comes, all that is mapped is pinned --- */

/* What @run is given: a group that has an IOMMU, and no container yet. */
static void with_group(struct seq *s, void (*run)(struct seq *s, int group))
{
	const char *device;
	char why[PIN_WHY_LEN];
	int group = -1;

	if (!*unable)
		group = pin_vfio_group(&device, why);
	if (group < 0) {
		pin_audit_skip(s->au, "%s", *unable ? unable : why);
		return;
	}
	run(s, group);
	close(group);
}

/*
 * The first pages of a huge page, in runs that do not continue each other: VFIO pins and
 * charges by the run, and looks for what is charged already in each.
 */
static int lay_out(struct seq *s)
{
	const size_t run = RUN * s->page;
	char *from = s->mem.addr;

	s->there = mmap(NULL, s->mem.len, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (s->there == MAP_FAILED) {
		s->there = NULL;
		return -errno;
	}
	for (size_t to = PAGES * s->page; to; from += run) {
		to -= run;
		if (mremap(from, run, run, MREMAP_MAYMOVE | MREMAP_FIXED, s->there + to) ==
		    MAP_FAILED)
			return -errno;
	}
	return 0;
}

static bool offer_there(struct seq *s, unsigned int first, unsigned int pages)
{
	return step(s, "map", 0, 0,
		    pin_vfio_map(&s->v, s->there + first * s->page, pages * s->page,
				 iova_of(s, first), READ_WRITE));
}

/*
 * What the device has pinned is charged already, be it at the start of a run or at its
 * end, and that right behind a run is none of it.
 */
static void joined(struct seq *s, int group)
{
	if (!step(s, "lay out the memory", 0, 0, lay_out(s)) || !offer_there(s, 0, 12) ||
	    !offer_there(s, 12, 4) || !take(s, "pin from the second run on", 4, 2, 2) ||
	    !take(s, "pin of the third", 8, 2, 2) || !take(s, "pin of the other mapping", 15, 1, 1))
		return;
	s->given = 5;
	if (!group_comes(s, "a group with an IOMMU", group, PAGES))
		return;
	s->given = 3;
	if (!give(s, "unpin of the second run", 4, 2, 2))
		return;
	s->given = 5;
	if (!take(s, "pin of the first", 0, 2, 2))
		return;
	s->given = 0;
	if (!group_leaves(s, "the group leaves", group, PAGES) ||
	    !give(s, "unpin of the first run", 0, 2, 2) ||
	    !give(s, "unpin of the third", 8, 2, 2) ||
	    !give(s, "unpin of the other mapping", 15, 1, 1) ||
	    !group_comes(s, "it comes back", group, PAGES))
		return;
	unmap(s, "unmap", 0, PAGES, PAGES, 0);
}

static void mdev_joined(struct seq *s)
{
	with_group(s, joined);
}

/* The last of three mappings is beyond the limit: the others are not to stay pinned. */
static void joined_refused(struct seq *s, int group)
{
	const uint64_t base = s->locked_kib * 1024;
	struct pin_view *v = pin_audit_view(s->au, 0, s->mem.addr, PAGES);
	rlim_t before;

	if (!step(s, "a limit", 0, 0, pin_limit_memlock(0, base + 12 * s->page, &before))) {
		pin_view_close(v);
		return;
	}
	pin_set_cap(CAP_IPC_LOCK, false);
	if (offer(s, 0, 4) && offer(s, 4, 4) && offer(s, 8, 8) && take(s, "pin", 0, 2, 2) &&
	    undone(s, "a group with an IOMMU", PAGES, -ENOMEM, join(s, group)) &&
	    seen(s, "it is refused", v, 2) &&
	    step(s, "room for all", 0, 0, pin_limit_memlock(0, base + s->mem.len, NULL))) {
		s->given = 2;
		if (group_comes(s, "it comes", group, PAGES)) {
			s->given = 0;
			if (group_leaves(s, "it leaves", group, PAGES) &&
			    seen(s, "it leaves", v, 2) && give(s, "unpin", 0, 2, 2))
				seen(s, "unpin", v, 0);
		}
	}
	pin_limit_memlock(0, before, NULL);
	pin_set_cap(CAP_IPC_LOCK, true);
	pin_view_close(v);
}

static void mdev_joined_refused(struct seq *s)
{
	with_group(s, joined_refused);
}

/* Pages of the memory that are pinned, as the process has it. */
static unsigned int pinned_of(const struct seq *s, int helper, pid_t pid)
{
	struct pin_helper_page pages[PAGES];
	unsigned int pinned = 0;

	if (pin_helper_look(helper, pid, s->mem.addr, PAGES, pages))
		return 0;
	for (int i = 0; i < PAGES; i++)
		pinned += !!(pages[i].flags & PIN_HELPER_PAGE_MAYBE_PINNED);
	return pinned;
}

/* Another process has mapped the memory: what we, and it, have at that address. */
struct two {
	struct owner o;
	int group, helper;
	struct pin_view *mine, *its;
};

/* We have a group join: what is pinned is the other's (or ours, where that is known). */
static bool joins_for(struct seq *s, const struct two *t, long result)
{
	const char *what = "we have a group join";
	bool ours;

	s->given = PAGES;
	if (!step(s, what, PAGES, 0, result) ||
	    !locks(s, what, "its ", PAGES, pin_vfio_locked_kib(t->o.pid)))
		return false;
	ours = pinned_of(s, t->helper, 0) == PAGES && !pinned_of(s, t->helper, t->o.pid) &&
	       pin_audit_excuse(s->au, "vfio_replay", "*");
	return seen(s, what, ours ? t->mine : t->its, PAGES) &&
	       seen(s, what, ours ? t->its : t->mine, 0);
}

static bool leaves_for(struct seq *s, const struct two *t)
{
	s->given = 0;
	return group_leaves(s, "it leaves", t->group, PAGES) &&
	       locks(s, "it leaves", "its ", 0, pin_vfio_locked_kib(t->o.pid)) &&
	       seen(s, "it leaves", t->mine, 0) && seen(s, "it leaves", t->its, 0);
}

/* As it is charged, it is its limit that counts. */
static bool joined_for(struct seq *s, const struct two *t)
{
	const char *what = "no room for us, but for it";
	long err;

	if (!set_limit(s, "no room for it", t->o.pid, PAGES - 1) ||
	    !undone(s, "no room for it", PAGES, -ENOMEM, join(s, t->group)) ||
	    !locks(s, "no room for it", "its ", 0, pin_vfio_locked_kib(t->o.pid)) ||
	    !set_limit(s, "room for it", t->o.pid, PAGES) || !set_limit(s, what, 0, 0))
		return false;
	err = join(s, t->group);
	if (err == -ENOMEM && pin_audit_excuse(s->au, "vfio_replay", "*")) {
		if (!undone(s, what, PAGES, -ENOMEM, err) ||
		    !step(s, "room for us, too", 0, 0, pin_limit_memlock(0, RLIM_INFINITY, NULL)))
			return false;
		err = join(s, t->group);
	}
	return joins_for(s, t, err) && leaves_for(s, t) &&
	       step(s, "no limit for us", 0, 0, pin_limit_memlock(0, RLIM_INFINITY, NULL));
}

/* It has ended, and there is no memory of its own any more. */
static void joined_too_late(struct seq *s, const struct two *t)
{
	const char *what = "we have a group join when it has ended";
	long err = join(s, t->group);

	if (err || pinned_of(s, t->helper, 0) != PAGES ||
	    !pin_audit_excuse(s->au, "vfio_replay", "*")) {
		refused(s, what, -ENODEV, err);
		return;
	}
	s->given = PAGES;
	if (step(s, what, PAGES, 0, err)) {
		s->given = 0;
		group_leaves(s, "it leaves", t->group, PAGES);
	}
}

static void joined_by_other(struct seq *s, int group)
{
	struct two t = { .group = group };
	bool mapped, right = false;
	char why[PIN_WHY_LEN];
	rlim_t before = 0;

	t.helper = pin_helper_open(why);
	if (t.helper < 0) {
		pin_audit_skip(s->au, "%s", why);
		return;
	}
	mapped = map_by_owner(s, &t.o, false) &&
		 step(s, "no limit for us", 0, 0, pin_limit_memlock(0, RLIM_INFINITY, &before));
	memset(s->mem.addr, 2, s->mem.len);
	t.mine = pin_audit_view(s->au, 0, s->mem.addr, PAGES);
	t.its = pin_audit_view(s->au, t.o.pid, s->mem.addr, PAGES);
	if (mapped)
		right = joined_for(s, &t);
	end_owner(s, &t.o);
	if (right)
		joined_too_late(s, &t);
	if (mapped)
		pin_limit_memlock(0, before, NULL);
	pin_view_close(t.its);
	pin_view_close(t.mine);
	close(t.helper);
}

static void mdev_joined_by_other(struct seq *s)
{
	with_group(s, joined_by_other);
}

static const struct test tests[] = {
	{ "map.overlap", overlap, .kind = "anon" },
	{ "map.bad", bad_map, .kind = "anon" },
	{ "map.entry_limit", fill_up, .kind = "anon", .around = entry_limit },
	{ "map.hole", over_hole, .kind = "anon" },
	{ "map.device_memory", device_memory, .kind = "anon" },
	{ "map.twice", twice, .kind = "anon" },
	{ "map.child", of_child, .kind = "anon" },
	{ "map.moved", moved, .kind = "memfd" },
	{ "map.address_gone", address_gone, .kind = "anon" },
	{ "map.given_away", given_away, .kind = "anon" },
	{ "map.inherited", inherited, .kind = "memfd" },
	{ "unmap.part", part, .kind = "anon" },
	{ "unmap.part_v1", part_v1, .kind = "anon", .v1 = true },
	{ "unmap.part_huge", part_huge, .kind = "thp" },
	{ "unmap.part_huge_v1", part_huge, .kind = "thp", .v1 = true },
	{ "unmap.several", several, .kind = "anon" },
	{ "unmap.all", unmap_all, .kind = "anon" },
	{ "group.leaves", leave, .kind = "anon" },
	{ "group.second", second_group, .kind = "anon" },
	{ "group.device_last", device_last, .kind = "anon" },
	{ "mdev.twice", mdev_twice, .kind = "anon", .mdev = true },
	{ "mdev.unmap", mdev_unmap, .kind = "anon", .mdev = true },
	{ "mdev.half", mdev_half, .kind = "anon", .mdev = true },
	{ "mdev.protection", mdev_protection, .kind = "anon", .mdev = true },
	{ "mdev.bad", mdev_bad, .kind = "anon", .mdev = true },
	{ "mdev.copy", mdev_copy, .kind = "anon", .mdev = true },
	{ "mdev.limit", mdev_limit, .kind = "anon", .mdev = true },
	{ "mdev.limit_of_owner", mdev_limit_of_owner, .kind = "anon", .mdev = true },
	{ "mdev.privileged_owner", mdev_privileged_owner, .kind = "anon", .mdev = true },
	{ "mdev.close", mdev_close, .kind = "anon", .mdev = true },
	{ "mdev.killed", mdev_killed, .kind = "anon", .mdev = true },
	{ "mdev.moved", mdev_moved, .kind = "anon", .mdev = true },
	{ "mdev.v1", mdev_v1, .kind = "anon", .v1 = true, .mdev = true },
	{ "mdev.two", mdev_two, .kind = "anon", .mdev = true, .around = unless_stuck },
	{ "mdev.beside", mdev_beside, .kind = "anon" },
	{ "mdev.joined", mdev_joined, .kind = "thp", .mdev = true },
	{ "mdev.joined_by_other", mdev_joined_by_other, .kind = "anon", .mdev = true },
	{ "mdev.joined_refused", mdev_joined_refused, .kind = "anon", .mdev = true },
};

static void add_tests(struct pin_suite *s)
{
	for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++)
		pin_suite_add(s, tests[i].around ?: run_seq, &tests[i], "%s", tests[i].name);
}

static void setup(struct pin_suite *s)
{
	pin_vfio_probe(pin_suite_kernel(s), unable);
	pin_vfio_mdev_probe(pin_suite_kernel(s), unable_mdev);
}

int main(int argc, char **argv)
{
	static const struct pin_program program = {
		.name = "vfio_test",
		.doc = "Sequences on VFIO type 1: mappings refused and unmapped in parts, groups that leave, devices and processes that end last; what devices without hardware ask for. Each step must move the counters, and VmLck, by exactly what is predicted.",
		.add_tests = add_tests,
		.setup = setup,
	};

	return pin_suite_main(&program, argc, argv);
}
