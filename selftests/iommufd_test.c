// SPDX-License-Identifier: GPL-2.0
/*
 * iommufd in sequences that a matrix cannot express: accounts that are full,
 * drivers and domains over the same pages, mappings cut in pieces, memory of a
 * process that ends. Pages are pinned once however many use them, by whoever
 * comes first, and stay for as long as there is anyone. Every step is exact, in
 * pins and in VmPin.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "consumers/iommufd.h"
#include "consumers/vfio.h"
#include "page_view.h"
#include "proc.h"
#include "scratch.h"
#include "suite.h"

#define PAGES		16
#define RLIMIT_MODE	0	/* IOMMU_OPTION_RLIMIT_MODE; 1: VmLck counts, too */
#define HUGE_PAGES	1	/* IOMMU_OPTION_HUGE_PAGES */
#define TWO_AT_A_TIME	16	/* bytes for lists of pages */

static char unable[PIN_WHY_LEN];	/* to have a device: why */

/* One sequence while it runs. */
struct seq {
	struct pin_audit *au;
	const struct pin_kernel *k;
	size_t page;
	int fd;
	struct pin_iommufd_space space;
	struct pin_mem mem;
	pid_t owner;		/* of the memory */
	int64_t held;		/* pages, by prediction */
};

struct test {
	const char *name;
	void (*run)(struct seq *s);
	const char *kind;	/* of memory */
};

/* Takes @pins pages (or lets go of them: < 0), and the call returns @want. */
static bool step(struct seq *s, const char *what, int64_t pins, long want, long result)
{
	const struct pin_predict p = pin_predict_counted(s->k, pins, want);

	s->held += pins;
	return pin_audit_step(s->au, what, &p, result, s->owner);
}

/* Pins @pins pages and gives them back, and the call returns @want. */
static bool momentary(struct seq *s, const char *what, uint64_t pins, long want, long result)
{
	const struct pin_predict p = pin_predict_longterm(s->k, pins, pins, want);

	return pin_audit_step(s->au, what, &p, result, s->owner);
}

static bool begin(struct seq *s, struct pin_audit *au, const struct test *t)
{
	int err;

	memset(s, 0, sizeof(*s));
	s->au = au;
	s->k = pin_audit_kernel(au);
	s->page = s->k->page_size;
	s->owner = getpid();
	if (*unable) {
		pin_audit_skip(au, "%s", unable);
		return false;
	}
	if (pin_mem_alloc(&s->mem, pin_memkind_find(t->kind), s->k, PAGES)) {
		pin_audit_skip(au, "%s", s->mem.why);
		return false;
	}
	s->fd = open(PIN_IOMMUFD, O_RDWR | O_CLOEXEC);
	err = s->fd < 0 ? -errno : pin_iommufd_limit(s->fd, PIN_IOMMUFD_LISTS);
	pin_audit_base_vmpin(au, s->owner);
	return step(s, "open", 0, 0, err);
}

static enum pin_verdict run_seq(struct pin_audit *au, const void *arg)
{
	const struct test *t = arg;
	struct seq s;

	if (begin(&s, au, t)) {
		t->run(&s);
		close(s.fd);
		step(&s, "close", -s.held, 0, 0);
		pin_mem_free(&s.mem);
	}
	return PIN_PASS;
}

static char *addr_of(const struct seq *s, unsigned int first)
{
	return (char *)s->mem.addr + first * s->page;
}

static uint64_t iova_of(const struct seq *s, unsigned int first)
{
	return PIN_IOMMUFD_IOVA + first * s->page;
}

static int map_part(const struct seq *s, unsigned int first, unsigned int pages)
{
	return pin_iommufd_map(s->fd, s->space.ioas, addr_of(s, first), pages * s->page,
			       iova_of(s, first), true);
}

static int unmap_all(const struct seq *s)
{
	return pin_iommufd_unmap_all(s->fd, s->space.ioas);
}

static bool new_space(struct seq *s)
{
	return step(s, "a space", 0, 0, pin_iommufd_space(s->fd, &s->space));
}

static bool attach(struct seq *s, int64_t pins)
{
	return step(s, "a device", pins, 0, pin_iommufd_attach(s->fd, &s->space));
}

/* The last domain has the pages. */
static bool seen(struct seq *s)
{
	return step(s, "the device sees the pages", 0, 0,
		    pin_iommufd_check(s->fd, s->space.hwpt, s->mem.addr, s->mem.len,
				      PIN_IOMMUFD_IOVA));
}

/* --- accounts --- */

static long locked_pages(const struct seq *s, pid_t pid)
{
	struct pin_statement st = { .vmlck_kib = 0 };

	pin_statement_read(pid, &st);
	return st.vmlck_kib * 1024 / (long)s->page;
}

/* It is asked after the pages are pinned. What is given back leaves room again. */
static void account(struct seq *s, bool mm)
{
	const pid_t self = getpid();
	const long locked = locked_pages(s, self);
	rlim_t before;

	if ((mm && !step(s, "count in VmLck", 0, 0,
			 pin_iommufd_option(s->fd, RLIMIT_MODE, 0, 1))) ||
	    !new_space(s) || !attach(s, 0))
		return;
	if (!step(s, "a limit", 0, 0,
		  pin_limit_memlock(0, (locked + PAGES / 2) * s->page, &before) ?:
			  pin_set_cap(CAP_IPC_LOCK, false)))
		goto out;
	if (momentary(s, "map more than the limit", PAGES, -ENOMEM, map_part(s, 0, PAGES)) &&
	    step(s, "map as much", PAGES / 2, 0, map_part(s, 0, PAGES / 2)) &&
	    momentary(s, "map one page more", 1, -ENOMEM, map_part(s, PAGES / 2, 1))) {
		if (locked_pages(s, self) != locked + (mm ? PAGES / 2 : 0))
			pin_audit_fail(s->au, "VmLck is %+ld pages, predicted %+d",
				       locked_pages(s, self) - locked, mm ? PAGES / 2 : 0);
		if (step(s, "unmap", -PAGES / 2, 0, unmap_all(s)) &&
		    step(s, "map as much again", PAGES / 2, 0,
			 map_part(s, PAGES / 2, PAGES / 2)))
			step(s, "unmap again", -PAGES / 2, 0, unmap_all(s));
		if (locked_pages(s, self) != locked)
			pin_audit_fail(s->au, "VmLck is %+ld pages, predicted +0",
				       locked_pages(s, self) - locked);
	}
out:
	pin_set_cap(CAP_IPC_LOCK, true);
	pin_limit_memlock(0, before, NULL);
}

static void account_user(struct seq *s)
{
	account(s, false);
}

static void account_mm(struct seq *s)
{
	account(s, true);
}

/* What is mapped already must find room when a device comes, all of it. */
static void account_attach(struct seq *s)
{
	const long locked = locked_pages(s, getpid());
	rlim_t before;

	if (!new_space(s))
		return;
	if (step(s, "a limit", 0, 0,
		 pin_limit_memlock(0, (locked + PAGES / 2) * s->page, &before) ?:
			 pin_set_cap(CAP_IPC_LOCK, false)) &&
	    step(s, "map", 0, 0, map_part(s, 0, PAGES)) &&
	    momentary(s, "a device for more than the limit", PAGES, -ENOMEM,
		      pin_iommufd_attach(s->fd, &s->space)) &&
	    step(s, "another limit", 0, 0,
		 pin_limit_memlock(0, (locked + PAGES) * s->page, NULL)) &&
	    attach(s, PAGES) && seen(s))
		step(s, "unmap", -PAGES, 0, unmap_all(s));
	pin_set_cap(CAP_IPC_LOCK, true);
	pin_limit_memlock(0, before, NULL);
}

/* --- drivers and domains over the same pages --- */

static bool access_part(struct seq *s, int driver, unsigned int first, unsigned int nr,
			int64_t pins, uint32_t *id)
{
	return step(s, "a driver accesses pages", pins, 0,
		    pin_iommufd_access(s->fd, driver, addr_of(s, first), nr * s->page,
				       iova_of(s, first), id));
}

static bool unaccess(struct seq *s, int driver, int64_t pins, uint32_t id)
{
	return step(s, "it lets go of them", -pins, 0, pin_iommufd_unaccess(s->fd, driver, id));
}

/* A driver on what is mapped, without a device: its descriptor, or -errno. */
static int with_driver(struct seq *s)
{
	int driver;

	if (!new_space(s) || !step(s, "map", 0, 0, map_part(s, 0, PAGES)))
		return -EINVAL;
	driver = pin_iommufd_driver(s->fd, s->space.ioas, true);
	step(s, "a driver", 0, 0, driver < 0 ? driver : 0);
	return driver;
}

static void access_overlap(struct seq *s)
{
	int driver = with_driver(s);
	uint32_t first, same, second;

	if (driver < 0)
		return;
	if (access_part(s, driver, 0, 8, 8, &first) && access_part(s, driver, 0, 8, 0, &same) &&
	    access_part(s, driver, 4, 8, 4, &second) && unaccess(s, driver, 0, first) &&
	    unaccess(s, driver, 4, same))
		unaccess(s, driver, 8, second);
	close(driver);
}

/* What is not mapped any more is not to be accessed any more. */
static void access_unmap(struct seq *s)
{
	int driver = with_driver(s);
	uint32_t id;

	if (driver < 0)
		return;
	if (access_part(s, driver, 4, 8, 8, &id))
		step(s, "unmap", -8, 0, unmap_all(s));
	close(driver);
}

/* The device takes the pages over that are pinned already. */
static void access_device(struct seq *s)
{
	int driver = with_driver(s);
	uint32_t id;

	if (driver < 0)
		return;
	if (access_part(s, driver, 4, 8, 8, &id) && attach(s, PAGES - 8) && seen(s) &&
	    unaccess(s, driver, 0, id) && access_part(s, driver, 0, PAGES, 0, &id) &&
	    step(s, "the device goes", 0, 0, pin_iommufd_destroy(s->fd, s->space.device)))
		unaccess(s, driver, PAGES, id);
	close(driver);
}

/* --- a driver copies: what others hold is not to be unpinned --- */

static long copy_part(struct seq *s, int driver, unsigned int first, unsigned int nr, bool write)
{
	const size_t len = nr * s->page;
	char *data = malloc(len);
	long err = -ENOMEM;

	if (!data)
		return err;
	memset(data, write ? 0xc3 : 0, len);
	err = pin_iommufd_copy(s->fd, driver, iova_of(s, first), data, len, write);
	/* Of another process's memory there is a copy here, which is older. */
	if (!err && s->owner == getpid() && memcmp(data, addr_of(s, first), len))
		err = -EILSEQ;
	free(data);
	return err;
}

static void copy_read(struct seq *s)
{
	int driver = with_driver(s);

	if (driver < 0)
		return;
	memset(s->mem.addr, 0x5a, s->mem.len);
	if (momentary(s, "read a page", 1, 0, copy_part(s, driver, 3, 1, false)))
		momentary(s, "read all", PAGES, 0, copy_part(s, driver, 0, PAGES, false));
	close(driver);
}

static void copy_around(struct seq *s)
{
	const struct pin_predict front = { .acquired = 4 };
	struct pin_view *v = pin_audit_view(s->au, 0, s->mem.addr, PAGES);
	int driver = with_driver(s);
	uint32_t id;

	if (driver >= 0 && access_part(s, driver, 0, 4, 4, &id) &&
	    momentary(s, "write to all", PAGES - 4, 0, copy_part(s, driver, 0, PAGES, true)) &&
	    pin_audit_held(s->au, "write to all", v, &front) && unaccess(s, driver, 4, id) &&
	    pin_audit_back(s->au, "it lets go of them", v) &&
	    access_part(s, driver, 8, 4, 4, &id) &&
	    momentary(s, "read all", PAGES - 4, 0, copy_part(s, driver, 0, PAGES, false)) &&
	    unaccess(s, driver, 4, id))
		pin_audit_back(s->au, "it lets go of these", v);
	if (driver >= 0)
		close(driver);
	pin_view_close(v);
}

/*
 * Few pages at a time, none of them beside the one before (it is the same), so
 * that what comes before the hole has been worked on when it is found.
 */
static bool dig_hole(struct seq *s)
{
	return step(s, "two pages at a time", 0, 0, pin_iommufd_limit(s->fd, TWO_AT_A_TIME)) &&
	       step(s, "a hole", 0, 0, munmap(addr_of(s, PAGES / 2), s->page) ? -errno : 0);
}

static void copy_hole(struct seq *s)
{
	int driver = with_driver(s);

	if (driver < 0)
		return;
	if (dig_hole(s))
		momentary(s, "write over the hole", PAGES / 2, -EFAULT,
			  copy_part(s, driver, 0, PAGES, true));
	close(driver);
}

static void attach_hole(struct seq *s)
{
	if (!new_space(s) || !step(s, "map", 0, 0, map_part(s, 0, PAGES)) || !dig_hole(s) ||
	    !momentary(s, "a device over the hole", PAGES / 2, -EFAULT,
		       pin_iommufd_attach(s->fd, &s->space)))
		return;
	if (step(s, "fill it", 0, 0,
		 mmap(addr_of(s, PAGES / 2), s->page, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED ? -errno : 0) &&
	    attach(s, PAGES))
		seen(s);
}

/* Two mappings side by side, and a hole in the second. */
static bool map_two(struct seq *s)
{
	return new_space(s) && step(s, "map", 0, 0, map_part(s, 0, 8)) &&
	       step(s, "map beside it", 0, 0, map_part(s, 8, 8)) &&
	       step(s, "a hole", 0, 0, munmap(addr_of(s, 12), s->page) ? -errno : 0);
}

/* What is pinned of the first goes when the second cannot be. */
static void attach_second(struct seq *s)
{
	if (map_two(s))
		momentary(s, "a device over the hole", 12, -EFAULT,
			  pin_iommufd_attach(s->fd, &s->space));
}

static void access_second(struct seq *s)
{
	uint32_t id;
	int driver;

	if (!map_two(s))
		return;
	driver = pin_iommufd_driver(s->fd, s->space.ioas, true);
	if (step(s, "a driver", 0, 0, driver < 0 ? driver : 0) &&
	    momentary(s, "it accesses both", 12, -EFAULT,
		      pin_iommufd_access(s->fd, driver, addr_of(s, 0), s->mem.len, iova_of(s, 0),
					 &id)) &&
	    access_part(s, driver, 4, 8, 8, &id))
		unaccess(s, driver, 8, id);
	if (driver >= 0)
		close(driver);
}

/* A driver that is given another space lets go of what it has of the first. */
static void access_replaced(struct seq *s)
{
	struct pin_iommufd_space other;
	uint32_t id;
	int driver;

	if (s->k->version < PIN_KVER(6, 6)) {
		pin_audit_skip(s->au, "a driver's space can be replaced since Linux 6.6");
		return;
	}
	driver = with_driver(s);
	if (driver < 0)
		return;
	if (access_part(s, driver, 4, 8, 8, &id) &&
	    step(s, "another space", 0, 0, pin_iommufd_space(s->fd, &other)) &&
	    step(s, "it is given that", -8, 0, pin_iommufd_give(s->fd, driver, other.ioas)) &&
	    step(s, "the first goes", 0, 0, unmap_all(s)))
		step(s, "with all", 0, 0, pin_iommufd_destroy(s->fd, s->space.ioas));
	close(driver);
}

static void two_domains(struct seq *s)
{
	uint32_t second;

	if (!new_space(s) || !step(s, "map", 0, 0, map_part(s, 0, 8)) || !attach(s, 8) ||
	    !step(s, "a second domain", 0, 0, pin_iommufd_domain(s->fd, &s->space, 0)))
		return;
	second = s->space.hwpt;
	if (step(s, "map for both", 8, 0, map_part(s, 8, 8)) && seen(s) &&
	    step(s, "the first goes with its device", 0, 0,
		 pin_iommufd_destroy(s->fd, s->space.device)) && seen(s))
		step(s, "the second goes", -PAGES, 0, pin_iommufd_destroy(s->fd, second));
}

/*
 * What a device has written to is noted in a bitmap that is pinned in parts: what it wrote
 * to first is in the first of them, and what it wrote to last in another, which begins
 * with the page of that bit.
 */
static void bitmap_in_parts(struct seq *s)
{
	const size_t part = s->page / sizeof(void *), behind = 32, rest = 7;
	const size_t bytes = (part + behind + rest) * s->page, len = bytes * 8;
	const uint64_t last = PIN_IOMMUFD_IOVA + (part + behind) * s->page * 8;
	const uint64_t mapped = len / s->page;
	unsigned char *bitmap;
	void *memory;
	bool noted;

	if (s->k->version < PIN_KVER(6, 7)) {
		pin_audit_skip(s->au, "what devices write to is noted since Linux 6.7");
		return;
	}
	if (s->page > 4096) {
		pin_audit_skip(s->au, "%zu MiB would have to be pinned: pages of 4 KiB", len >> 20);
		return;
	}
	memory = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	bitmap = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (!step(s, "memory", 0, 0, memory == MAP_FAILED || bitmap == MAP_FAILED ? -ENOMEM : 0))
		return;
	if (new_space(s) && attach(s, 0) &&
	    step(s, "a domain that notes", 0, 0, pin_iommufd_tracking(s->fd, &s->space)) &&
	    step(s, "map", mapped, 0,
		 pin_iommufd_map(s->fd, s->space.ioas, memory, len, PIN_IOMMUFD_IOVA, true)) &&
	    step(s, "the first is written to", 0, 0,
		 pin_iommufd_written(s->k, s->fd, s->space.hwpt, PIN_IOMMUFD_IOVA)) &&
	    step(s, "and the last", 0, 0,
		 pin_iommufd_written(s->k, s->fd, s->space.hwpt, last)) &&
	    momentary(s, "which is noted", part + rest, 0,
		      pin_iommufd_bitmap(s->fd, s->space.hwpt, PIN_IOMMUFD_IOVA, bitmap, bytes))) {
		noted = bitmap[0] == 0xff && bitmap[(part + behind) * s->page] == 0xff;
		step(s, "in the right place", 0, 0, noted ? 0 : -EIO);
		step(s, "unmap", -(int64_t)mapped, 0, unmap_all(s));
	}
	munmap(memory, len);
	munmap(bitmap, bytes);
}

/* --- a mapping in pieces, as VFIO's first interface has it --- */

static bool cut(struct seq *s, const char *what, unsigned int first, unsigned int pages,
		int64_t gone, long want)
{
	const struct pin_vfio v = { .container = s->fd };
	uint64_t done;
	long err = pin_vfio_unmap(&v, iova_of(s, first), pages * s->page, 0, &done);

	if (!step(s, what, -gone, want, err))
		return false;
	if (done == gone * s->page)
		return true;
	pin_audit_fail(s->au, "%s: says that it unmapped %llu bytes", what,
		       (unsigned long long)done);
	return false;
}

static void pieces(struct seq *s)
{
	uint32_t id;
	int driver;

	if (!new_space(s) ||
	    !step(s, "no huge pages", 0, 0,
		  pin_iommufd_option(s->fd, HUGE_PAGES, s->space.ioas, 0)) ||
	    !step(s, "by VFIO", 0, 0, pin_iommufd_for_vfio(s->fd, s->space.ioas)) ||
	    !attach(s, 0) || !step(s, "map", PAGES, 0, map_part(s, 0, PAGES)))
		return;
	driver = pin_iommufd_driver(s->fd, s->space.ioas, true);
	if (step(s, "a driver", 0, 0, driver < 0 ? driver : 0) &&
	    access_part(s, driver, 4, 4, 0, &id) &&
	    cut(s, "a piece, while it is accessed", 4, 2, 0, -EINVAL) &&
	    unaccess(s, driver, 0, id) &&
	    cut(s, "the middle", 4, 4, 4, 0) && cut(s, "the front", 0, 4, 4, 0) &&
	    access_part(s, driver, 8, 8, 0, &id) &&
	    step(s, "the device goes", 0, 0, pin_iommufd_destroy(s->fd, s->space.device)))
		unaccess(s, driver, 8, id);
	if (driver >= 0)
		close(driver);
}

/* --- memory of another process --- */

#define BALLAST		(32 << 20)	/* bytes that go with it, to be seen in Shmem */
#define FREED_NS	(2 * 1000000000ull)

static pid_t map_in_child(const struct seq *s, bool charged)
{
	int ready[2], err;
	pid_t pid;

	if (pipe(ready))
		return -errno;
	pid = fork();
	if (!pid) {
		pin_scratch_disown();
		err = charged ? pin_limit_memlock(0, PAGES * s->page, NULL) ?:
				pin_set_cap(CAP_IPC_LOCK, false) : 0;
		err = err ?: map_part(s, 0, PAGES);
		if (!err && mmap(NULL, BALLAST, PROT_READ | PROT_WRITE,
				 MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0) == MAP_FAILED)
			err = -errno;
		if (write(ready[1], &err, sizeof(err)) == sizeof(err))
			pause();
		_exit(1);
	}
	close(ready[1]);
	if (pid < 0 || read(ready[0], &err, sizeof(err)) != sizeof(err))
		err = -ECHILD;
	close(ready[0]);
	if (err && pid > 0) {
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
	}
	return err ?: pid;
}

static bool end_of(struct seq *s, pid_t pid)
{
	struct pin_predict p = { .acquired = 0 };

	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	s->owner = 0;		/* there is no VmPin to look at any more */
	return pin_audit_step(s->au, "the process ends", &p, 0, 0);
}

/* All that it had mapped goes with it: nobody keeps its address space. */
static bool end_of_owner(struct seq *s, pid_t pid)
{
	const long most = pin_meminfo("Shmem") - BALLAST / 1024 / 2;
	const uint64_t deadline = pin_now_ns() + FREED_NS;
	const bool right = end_of(s, pid);

	while (pin_meminfo("Shmem") > most && pin_now_ns() < deadline)
		pin_sleep_ns(1000000);
	if (pin_meminfo("Shmem") > most)
		pin_audit_differs(s->au, "the memory of a process that has ended stays");
	return right;
}

/*
 * Another process has mapped the memory. @mm: its VmLck is what counts, @charged: it has
 * to have room there. Returns it, or 0.
 */
static pid_t owned_by_child(struct seq *s, bool mm, bool charged)
{
	pid_t pid;

	if ((mm && !step(s, "count in VmLck", 0, 0,
			 pin_iommufd_option(s->fd, RLIMIT_MODE, 0, 1))) ||
	    !new_space(s))
		return 0;
	pid = map_in_child(s, charged);
	if (!step(s, "another process maps", 0, 0, pid < 0 ? pid : 0))
		return 0;
	s->owner = pid;
	pin_audit_base_vmpin(s->au, pid);
	return pid;
}

/* It maps, and another one lets a driver and a device use it: before it ends, and after. */
static void other_process(struct seq *s)
{
	uint32_t id, device;
	int driver = -1;
	pid_t pid = owned_by_child(s, false, false);

	if (!pid)
		return;
	driver = pin_iommufd_driver(s->fd, s->space.ioas, true);
	if (!step(s, "a driver", 0, 0, driver < 0 ? driver : 0) ||
	    !access_part(s, driver, 4, 4, 4, &id) || !unaccess(s, driver, 4, id) ||
	    /* Once more, when its page tables have them: nothing to wait for. */
	    !access_part(s, driver, 4, 4, 4, &id) || !unaccess(s, driver, 4, id) ||
	    !attach(s, PAGES) || !seen(s) || !end_of_owner(s, pid))
		goto out;
	pid = -1;
	device = s->space.device;
	if (step(s, "the driver reads what the device has", 0, 0,
		 copy_part(s, driver, 5, 1, false)) &&
	    step(s, "a second domain", 0, 0, pin_iommufd_domain(s->fd, &s->space, 0)) &&
	    seen(s) &&
	    step(s, "the first goes with its device", 0, 0, pin_iommufd_destroy(s->fd, device)) &&
	    step(s, "the second goes", -PAGES, 0, pin_iommufd_destroy(s->fd, s->space.hwpt)) &&
	    momentary(s, "the driver reads what is gone", 0, -EFAULT,
		      copy_part(s, driver, 5, 1, false)))
		momentary(s, "a device for what is gone", 0, -EFAULT,
			  pin_iommufd_attach(s->fd, &s->space));
out:
	if (pid > 0)
		end_of_owner(s, pid);
	if (driver >= 0)
		close(driver);
}

static bool owner_locks(struct seq *s, const char *what, long want)
{
	long pages = locked_pages(s, s->owner);

	if (pages == want)
		return true;
	pin_audit_fail(s->au, "%s: VmLck of the process is %ld pages, predicted %ld", what, pages,
		       want);
	return false;
}

/* The same where its VmLck counts, which takes the lock that the pins were taken under. */
static void other_account(struct seq *s)
{
	pid_t pid = owned_by_child(s, true, true);

	if (!pid)
		return;
	if (attach(s, PAGES) && owner_locks(s, "a device", PAGES) && seen(s) &&
	    step(s, "it goes", -PAGES, 0, pin_iommufd_destroy(s->fd, s->space.device)) &&
	    owner_locks(s, "it goes", 0) && attach(s, PAGES) && owner_locks(s, "another", PAGES) &&
	    step(s, "that goes", -PAGES, 0, pin_iommufd_destroy(s->fd, s->space.device)))
		owner_locks(s, "that goes", 0);
	end_of_owner(s, pid);
}

/* Nothing is charged to who asks for it. */
static bool caller_locks(struct seq *s, const char *what, long want)
{
	const long pages = locked_pages(s, getpid());

	if (pages != want)
		pin_audit_fail(s->au, "%s: VmLck of who asked is %ld pages, predicted %ld", what,
			       pages, want);
	return pages == want;
}

/*
 * Whoever asks for it, pages are charged to who has mapped them: it is his limit that
 * they must not exceed. What the other one has, or may, is of no account.
 */
static void limit_of_owner(struct seq *s, bool mm)
{
	const long own = locked_pages(s, getpid());
	pid_t pid = owned_by_child(s, mm, true);
	int driver = -1;
	rlim_t before;
	uint32_t id;

	if (!pid)
		return;
	if (!step(s, "no limit for who asks", 0, 0, pin_limit_memlock(0, RLIM_INFINITY, &before)))
		goto out;
	driver = pin_iommufd_driver(s->fd, s->space.ioas, true);
	if (step(s, "a driver", 0, 0, driver < 0 ? driver : 0) &&
	    step(s, "but for who has mapped", 0, 0, pin_limit_memlock(pid, 4 * s->page, NULL)) &&
	    momentary(s, "a device for more than that", PAGES, -ENOMEM,
		      pin_iommufd_attach(s->fd, &s->space)) &&
	    momentary(s, "a driver for more than that", 5, -ENOMEM,
		      pin_iommufd_access(s->fd, driver, addr_of(s, 4), 5 * s->page, iova_of(s, 4),
					 &id)) &&
	    owner_locks(s, "a limit", 0) && access_part(s, driver, 4, 4, 4, &id) &&
	    owner_locks(s, "as much as may be", mm ? 4 : 0) && unaccess(s, driver, 4, id) &&
	    step(s, "room for all", 0, 0, pin_limit_memlock(pid, PAGES * s->page, NULL)) &&
	    step(s, "none for who asks", 0, 0, pin_limit_memlock(0, 0, NULL)) &&
	    attach(s, PAGES) && owner_locks(s, "a device", mm ? PAGES : 0) &&
	    caller_locks(s, "a device", own) &&
	    step(s, "it goes", -PAGES, 0, pin_iommufd_destroy(s->fd, s->space.device)) &&
	    access_part(s, driver, 4, 8, 8, &id) && unaccess(s, driver, 8, id))
		owner_locks(s, "the driver lets go", 0);
	pin_limit_memlock(0, before, NULL);
	if (driver >= 0)
		close(driver);
out:
	end_of_owner(s, pid);
}

/* Unless that one might exceed it when he mapped them. */
static void privileged_owner(struct seq *s)
{
	const pid_t pid = owned_by_child(s, true, false);
	rlim_t before;

	if (!pid)
		return;
	if (step(s, "no room for who asks", 0, 0, pin_limit_memlock(0, 0, &before))) {
		pin_set_cap(CAP_IPC_LOCK, false);
		if (step(s, "nor for who has mapped", 0, 0, pin_limit_memlock(pid, 0, NULL)) &&
		    attach(s, PAGES) && owner_locks(s, "a device", 0) &&
		    step(s, "it goes", -PAGES, 0, pin_iommufd_destroy(s->fd, s->space.device)))
			owner_locks(s, "it goes", 0);
		pin_set_cap(CAP_IPC_LOCK, true);
		pin_limit_memlock(0, before, NULL);
	}
	end_of_owner(s, pid);
}

static void limit_of_owner_user(struct seq *s)
{
	limit_of_owner(s, false);
}

static void limit_of_owner_mm(struct seq *s)
{
	limit_of_owner(s, true);
}

/* There is no account any more when the device lets go. */
static void account_ends(struct seq *s)
{
	pid_t pid = owned_by_child(s, true, true);

	if (!pid)
		return;
	pin_audit_excuse_warning(s->au, "warns_iommufd_account", "*", "pfn_reader_destroy");
	if (attach(s, PAGES) && end_of_owner(s, pid) &&
	    step(s, "the device goes", -PAGES, 0, pin_iommufd_destroy(s->fd, s->space.device)))
		momentary(s, "a device for what is gone", 0, -EFAULT,
			  pin_iommufd_attach(s->fd, &s->space));
}

/* --- mappings of files that another process takes over --- */

static int64_t vmpin_pages(const struct seq *s, pid_t pid)
{
	struct pin_statement st = { .vmpin_kib = 0 };

	pin_statement_read(pid, &st);
	return st.vmpin_kib * 1024 / (int64_t)s->page;
}

/* It takes over what is mapped each time that it is told to, and answers what came of it. */
static pid_t start_heir(const struct seq *s, int *line)
{
	int ends[2], err;
	pid_t pid;
	char told;

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends))
		return -errno;
	pid = fork();
	if (!pid) {
		pin_scratch_disown();
		close(ends[0]);
		do {
			if (read(ends[1], &told, 1) != 1)
				break;
			err = pin_iommufd_take_over(s->fd);
		} while (write(ends[1], &err, sizeof(err)) == sizeof(err));
		_exit(0);
	}
	close(ends[1]);
	*line = ends[0];
	return pid;
}

static int tell_heir(int line)
{
	int err;

	if (write(line, "", 1) != 1 || read(line, &err, sizeof(err)) != sizeof(err))
		return -ECHILD;
	return err;
}

/* A file in two spaces: its pages are pinned once. */
static bool map_file_twice(struct seq *s, uint32_t *first)
{
	if (!new_space(s) || !attach(s, 0) ||
	    !step(s, "map a file", PAGES, 0,
		  pin_iommufd_map_file(s->fd, s->space.ioas, s->mem.fd, pin_mem_offset(&s->mem),
				       s->mem.len, PIN_IOMMUFD_IOVA, true)))
		return false;
	*first = s->space.ioas;
	return new_space(s) && attach(s, 0) &&
	       step(s, "in another space, too", 0, 0,
		    pin_iommufd_map_copy(s->fd, *first, PIN_IOMMUFD_IOVA, s->mem.len,
					 s->space.ioas, PIN_IOMMUFD_IOVA, true));
}

/* It is charged before the other is not any more, which may be the same user. */
static bool needs_room(struct seq *s, pid_t heir, int line, bool mm)
{
	const rlim_t room = (mm ? PAGES : 2 * PAGES) * s->page;

	return step(s, "too little room for another process", 0, 0,
		    pin_limit_memlock(heir, room - s->page, NULL)) &&
	       step(s, "it takes that over", 0, -ENOMEM, tell_heir(line)) &&
	       owner_locks(s, "it takes that over", mm ? PAGES : 0) &&
	       step(s, "room for it", 0, 0, pin_limit_memlock(heir, room, NULL));
}

/* @charged: a privileged one is not, but has it in VmPin. */
static void hand_over(struct seq *s, uint32_t first, bool mm, bool charged)
{
	struct pin_predict p = { .vmpin = -PAGES };
	const int64_t before = vmpin_pages(s, s->owner);
	int64_t has = PAGES;
	int line = -1, err;
	pid_t heir = start_heir(s, &line);

	if (!step(s, "another process", 0, 0, heir < 0 ? heir : 0))
		return;
	if (charged && !needs_room(s, heir, line, mm))
		goto out;
	err = tell_heir(line);
	if (!charged && vmpin_pages(s, s->owner) == before &&
	    pin_audit_excuse(s->au, "iommufd_taken_over", "privileged")) {
		p.vmpin = 0;
		has = 0;
	}
	if (!pin_audit_step(s->au, "it takes all over", &p, err, s->owner))
		goto out;
	if (vmpin_pages(s, heir) != has)
		pin_audit_fail(s->au, "it takes all over: its VmPin is %lld pages, predicted %lld",
			       (long long)vmpin_pages(s, heir), (long long)has);
	s->owner = heir;
	pin_audit_base_vmpin(s->au, heir);
	owner_locks(s, "it takes all over", mm && charged ? PAGES : 0);
	/* What it does not have goes below zero. */
	if (!has && !end_of(s, heir))
		goto out;
	if (step(s, "the first space is emptied", 0, 0, pin_iommufd_unmap_all(s->fd, first)) &&
	    step(s, "the second is", -PAGES, 0, unmap_all(s)) && has)
		owner_locks(s, "the second is", 0);
out:
	close(line);
	if (s->owner || !has)
		end_of(s, heir);
}

static void taken_over(struct seq *s, bool mm, bool charged)
{
	char why[PIN_WHY_LEN];
	uint32_t first;
	rlim_t before;

	if (pin_iommufd_probe_file(why)) {
		pin_audit_skip(s->au, "%s", why);
		return;
	}
	if (pin_iommufd_take_over(s->fd) == -ENOTTY) {
		pin_audit_skip(s->au, "a process can take mappings over since Linux 6.14");
		return;
	}
	if (mm && !step(s, "count in VmLck", 0, 0,
			pin_iommufd_option(s->fd, RLIMIT_MODE, 0, 1)))
		return;
	if (!charged) {
		if (map_file_twice(s, &first))
			hand_over(s, first, mm, charged);
		return;
	}
	if (step(s, "room for all", 0, 0, pin_limit_memlock(0, 2 * PAGES * s->page, &before))) {
		pin_set_cap(CAP_IPC_LOCK, false);
		if (map_file_twice(s, &first))
			hand_over(s, first, mm, charged);
		pin_set_cap(CAP_IPC_LOCK, true);
		pin_limit_memlock(0, before, NULL);
	}
}

static void taken_over_user(struct seq *s)
{
	taken_over(s, false, true);
}

static void taken_over_mm(struct seq *s)
{
	taken_over(s, true, true);
}

static void taken_over_privileged(struct seq *s)
{
	taken_over(s, false, false);
}

/* --- queues of a guest --- */

/* While there is one in it, memory cannot be unmapped. */
static bool queue_over(struct seq *s, const char *what, uint32_t guest, size_t len)
{
	uint32_t queue;

	return step(s, what, 0, 0,
		    pin_iommufd_queue(s->fd, guest, 0, PIN_IOMMUFD_IOVA, len, &queue)) &&
	       step(s, "unmap what it is in", 0, -EBUSY, unmap_all(s)) &&
	       step(s, "the queue goes", 0, 0, pin_iommufd_destroy(s->fd, queue));
}

/* A queue takes memory that is in one piece. What is refused must not be in the way. */
static void guest_queues(struct seq *s, bool scattered)
{
	const int64_t pages = s->mem.pages;
	uint32_t guest, queue;
	int err;

	if (!new_space(s) || !attach(s, 0))
		return;
	err = pin_iommufd_guest(s->fd, &s->space, &guest) ?:
	      pin_iommufd_queue(s->fd, guest, 0, PIN_IOMMUFD_IOVA, 0, &queue);
	if (err != -EINVAL) {
		pin_audit_skip(s->au, "guests have no queues here (%s): Linux 6.17 or later",
			       strerror(-err));
		return;
	}
	if (!step(s, "map", pages, 0,
		  pin_iommufd_map(s->fd, s->space.ioas, s->mem.addr, s->mem.len,
				  PIN_IOMMUFD_IOVA, true)) ||
	    !queue_over(s, "a queue in a page", guest, s->page))
		return;
	if (scattered ? step(s, "a queue in all of them", 0, -EFAULT,
			     pin_iommufd_queue(s->fd, guest, 0, PIN_IOMMUFD_IOVA, s->mem.len,
					       &queue)) :
			queue_over(s, "a queue in all of them", guest, s->mem.len)) {
		step(s, "a second without a first", 0, -EIO,
		     pin_iommufd_queue(s->fd, guest, 1, PIN_IOMMUFD_IOVA, s->page, &queue));
		step(s, "unmap", -pages, 0, unmap_all(s));
	}
}

static void queue_scattered(struct seq *s)
{
	guest_queues(s, true);
}

static void queue_contiguous(struct seq *s)
{
	guest_queues(s, false);
}

static const struct test tests[] = {
	{ "account.attach", account_attach, "anon" },
	{ "account.user", account_user, "anon" },
	{ "account.mm", account_mm, "anon" },
	{ "access.overlap", access_overlap, "anon" },
	{ "access.unmap", access_unmap, "anon" },
	{ "access.device", access_device, "anon" },
	{ "access.replaced", access_replaced, "anon" },
	{ "access.second_fails", access_second, "anon" },
	{ "bitmap.in_parts", bitmap_in_parts, "anon" },
	{ "attach.hole", attach_hole, "alias" },
	{ "attach.second_fails", attach_second, "anon" },
	{ "copy.around", copy_around, "anon" },
	{ "copy.hole", copy_hole, "alias" },
	{ "copy.read", copy_read, "anon" },
	{ "domains.two", two_domains, "anon" },
	{ "pieces.by_vfio", pieces, "anon" },
	{ "process.account", other_account, "shmem" },
	{ "process.account_ends", account_ends, "shmem" },
	{ "process.limit_mm", limit_of_owner_mm, "shmem" },
	{ "process.limit_user", limit_of_owner_user, "shmem" },
	{ "process.privileged", privileged_owner, "shmem" },
	{ "process.ends", other_process, "shmem" },
	{ "process.taken_over_mm", taken_over_mm, "memfd" },
	{ "process.taken_over_privileged", taken_over_privileged, "memfd" },
	{ "process.taken_over_user", taken_over_user, "memfd" },
	{ "queue.contiguous", queue_contiguous, "thp" },
	{ "queue.scattered", queue_scattered, "alias" },
};

static void add_tests(struct pin_suite *s)
{
	for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++)
		pin_suite_add(s, run_seq, &tests[i], "%s", tests[i].name);
}

static void setup(struct pin_suite *s)
{
	pin_iommufd_probe(pin_suite_kernel(s), unable);
}

int main(int argc, char **argv)
{
	static const struct pin_program program = {
		.name = "iommufd_test",
		.doc = "Sequences on iommufd: accounts that are full, drivers and domains over the same pages, mappings cut in pieces, memory of a process that ends. Each step must move the counters, and VmPin, by exactly what is predicted.",
		.add_tests = add_tests,
		.setup = setup,
	};

	return pin_suite_main(&program, argc, argv);
}
