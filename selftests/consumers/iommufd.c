// SPDX-License-Identifier: GPL-2.0
/*
 * iommufd: memory mapped into an I/O address space. It is pinned when a device
 * is attached, or when a driver in the kernel accesses it, once however many
 * do so, or for as long as a driver copies from or to it. Devices and drivers
 * are those of the kernel's own test. What is held counts in VmPin. And the
 * bitmap in which a domain tells what its device has written to.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/vfio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "consumer.h"
#include "iommufd.h"
#include "scratch.h"

#define NEEDS		"module iommufd with IOMMUFD_TEST"
#define IO_PAGE(k)	((k)->page_size / 2)	/* bytes, of the test's devices */
#define BITMAP_PAGES(k)	((k)->page_size / sizeof(void *))	/* pinned at a time */

/* What <linux/iommufd.h> of 6.17 and the kernel's iommufd_test.h have. */
#define COMMAND(nr)	_IO(';', 0x80 + (nr))
#define DESTROY		COMMAND(0)
#define IOAS_ALLOC	COMMAND(1)
#define IOAS_COPY	COMMAND(3)
#define IOAS_MAP	COMMAND(5)
#define IOAS_UNMAP	COMMAND(6)
#define OPTION		COMMAND(7)
#define VFIO_IOAS	COMMAND(8)
#define HWPT_ALLOC	COMMAND(9)
#define SET_TRACKING	COMMAND(11)
#define GET_BITMAP	COMMAND(12)
#define IOAS_MAP_FILE	COMMAND(15)
#define VIOMMU_ALLOC	COMMAND(16)
#define CHANGE_PROCESS	COMMAND(18)
#define HW_QUEUE_ALLOC	COMMAND(20)
#define TEST		COMMAND(32)

#define HUGE_PAGES	1	/* IOMMU_OPTION_HUGE_PAGES */
#define MAP_FIXED_IOVA	(1u << 0)
#define MAP_WRITEABLE	(1u << 1)
#define MAP_READABLE	(1u << 2)
#define HWPT_PARENT	(1u << 0)
#define HWPT_TRACKING	(1u << 1)
#define TRACKING_ON	(1u << 0)
#define OPTION_SET	0
#define VFIO_IOAS_GET	0
#define VFIO_IOAS_SET	1
#define MOCK_TYPE	0xdeadbeef	/* of the test's guests and their queues */

struct destroy {
	uint32_t size, id;
};

struct ioas_alloc {
	uint32_t size, flags, id;
};

struct ioas_map {
	uint32_t size, flags, ioas, reserved;
	uint64_t addr, length, iova;
};

struct ioas_map_file {
	uint32_t size, flags, ioas;
	int32_t fd;
	uint64_t start, length, iova;
};

struct ioas_copy {
	uint32_t size, flags, to, from;
	uint64_t length, to_iova, from_iova;
};

struct ioas_unmap {
	uint32_t size, ioas;
	uint64_t iova, length;
};

struct option {
	uint32_t size, option;
	uint16_t op, reserved;
	uint32_t object;
	uint64_t value;
};

struct vfio_ioas {
	uint32_t size, ioas;
	uint16_t op, reserved;
};

struct hwpt_alloc {
	uint32_t size, flags, device, ioas, hwpt, reserved, type, length;
	uint64_t data;
};

struct set_tracking {
	uint32_t size, flags, hwpt, reserved;
};

struct get_bitmap {
	uint32_t size, hwpt, flags, reserved;
	uint64_t iova, length, page, data;
};

struct viommu_alloc {
	uint32_t size, flags, type, device, hwpt, id, length, reserved;
	uint64_t data;
};

struct change_process {
	uint32_t size, reserved;
};

struct hw_queue_alloc {
	uint32_t size, flags, viommu, type, index, id;
	uint64_t iova, length;
};

enum {
	TEST_MOCK_DOMAIN = 2,
	TEST_MD_CHECK_MAP,
	TEST_MD_CHECK_REFS,
	TEST_CREATE_ACCESS,
	TEST_DESTROY_ACCESS_PAGES,
	TEST_ACCESS_PAGES,
	TEST_ACCESS_RW,
	TEST_SET_MEMORY_LIMIT,
	TEST_ACCESS_REPLACE_IOAS = 11,
	TEST_DIRTY = 13,
};

#define RW_WRITE	(1u << 0)
#define RW_SLOW		(1u << 2)	/* as another process, which copies page by page */
#define ACCESS_WRITE	(1u << 0)
#define ACCESS_PINS	(1u << 0)

struct test {
	uint32_t size, op, id, reserved;
	union {
		struct {
			uint32_t device, hwpt, idev;
		} domain;
		struct {
			uint64_t iova, length, addr;
		} check;
		struct {
			uint32_t fd, flags;
		} access;
		struct {
			uint32_t id;
		} unaccess;
		struct {
			uint32_t ioas;
		} replace;
		struct {
			uint32_t flags, id;
			uint64_t iova, length, addr;
		} pages;
		struct {
			uint64_t iova, length, addr;
			uint32_t flags;
		} rw;
		struct {
			uint32_t bytes;
		} limit;
		struct {
			uint32_t flags;
			uint64_t iova, length, page, addr;
		} dirty;
		char room[112];		/* it grows; zeros are no harm */
	};
};

/* What pins, and what is done about it. */
enum way {
	MAPPED,		/* a device is attached */
	MAPPED_READ,
	VFIO_MAPPED,	/* the same by the ioctls of VFIO's containers */
	VFIO_MAPPED_READ,
	MAPPED_BITS,	/* few pages at a time, and each by itself */
	COPIED,		/* another device's space gets it, the first gives it up */
	ACCESSED,	/* no device, but a driver */
	DETACHED,	/* both, and the device goes first */
	COPIED_TO,	/* a driver writes to all of it */
	COPIED_TO_PAGES,	/* page by page */
	BITMAP,		/* what a device has written to is noted there */
	ATTACHED,	/* mapped already when its device comes */
};

struct iommu {
	enum way way;
	int fd;
	struct pin_iommufd_space first, second;
	int access;		/* -1, or the driver */
	void *other;		/* a page that a device writes to */
	uint32_t pages;		/* that it has accessed */
};

static int test(int fd, unsigned int op, uint32_t id, struct test *t)
{
	t->size = sizeof(*t);
	t->op = op;
	t->id = id;
	return ioctl(fd, TEST, t) ? -errno : 0;
}

int pin_iommufd_limit(int fd, unsigned int bytes)
{
	struct test t = { .limit.bytes = bytes };

	return test(fd, TEST_SET_MEMORY_LIMIT, 0, &t);
}

int pin_iommufd_option(int fd, uint32_t option, uint32_t object, uint64_t value)
{
	struct option o = {
		.size = sizeof(o), .option = option, .op = OPTION_SET, .object = object,
		.value = value,
	};

	return ioctl(fd, OPTION, &o) ? -errno : 0;
}

int pin_iommufd_for_vfio(int fd, uint32_t ioas)
{
	struct vfio_ioas v = { .size = sizeof(v), .ioas = ioas, .op = VFIO_IOAS_SET };

	return ioctl(fd, VFIO_IOAS, &v) ? -errno : 0;
}

int pin_iommufd_of_vfio(int fd, uint32_t *ioas)
{
	struct vfio_ioas v = { .size = sizeof(v), .op = VFIO_IOAS_GET };
	int err = ioctl(fd, VFIO_IOAS, &v) ? -errno : 0;

	*ioas = v.ioas;
	return err;
}

int pin_iommufd_space(int fd, struct pin_iommufd_space *s)
{
	struct ioas_alloc a = { .size = sizeof(a) };

	if (ioctl(fd, IOAS_ALLOC, &a))
		return -errno;
	s->ioas = a.id;
	return 0;
}

int pin_iommufd_attach(int fd, struct pin_iommufd_space *s)
{
	struct test t = { .size = 0 };
	int err = test(fd, TEST_MOCK_DOMAIN, s->ioas, &t);

	s->device = t.domain.device;
	s->hwpt = t.domain.hwpt;
	s->bound = t.domain.idev;
	return err;
}

int pin_iommufd_domain(int fd, struct pin_iommufd_space *s, uint32_t flags)
{
	struct hwpt_alloc a = {
		.size = sizeof(a), .flags = flags, .device = s->bound, .ioas = s->ioas,
	};

	if (ioctl(fd, HWPT_ALLOC, &a))
		return -errno;
	s->hwpt = a.hwpt;
	return 0;
}

int pin_iommufd_tracking(int fd, struct pin_iommufd_space *s)
{
	struct set_tracking on = { .size = sizeof(on), .flags = TRACKING_ON };
	int err = pin_iommufd_domain(fd, s, HWPT_TRACKING);

	if (err)
		return err;
	on.hwpt = s->hwpt;
	return ioctl(fd, SET_TRACKING, &on) ? -errno : 0;
}

int pin_iommufd_written(const struct pin_kernel *k, int fd, uint32_t hwpt, uint64_t iova)
{
	const size_t io_page = IO_PAGE(k);
	const uint64_t first = 1;
	struct test t = { .dirty = { 0, iova, io_page, io_page, (uintptr_t)&first } };

	return test(fd, TEST_DIRTY, hwpt, &t);
}

int pin_iommufd_bitmap(int fd, uint32_t hwpt, uint64_t iova, void *bitmap, size_t bytes)
{
	/* A bit for each byte: as large a bitmap of as small a space as can be. */
	struct get_bitmap g = {
		.size = sizeof(g), .hwpt = hwpt, .iova = iova, .length = bytes * 8, .page = 1,
		.data = (uintptr_t)bitmap,
	};

	return ioctl(fd, GET_BITMAP, &g) ? -errno : 0;
}

int pin_iommufd_destroy(int fd, uint32_t id)
{
	struct destroy d = { sizeof(d), id };

	return ioctl(fd, DESTROY, &d) ? -errno : 0;
}

int pin_iommufd_map(int fd, uint32_t ioas, const void *addr, size_t len, uint64_t iova,
		    bool write)
{
	struct ioas_map m = {
		.size = sizeof(m),
		.flags = MAP_FIXED_IOVA | MAP_READABLE | (write ? MAP_WRITEABLE : 0),
		.ioas = ioas,
		.addr = (uintptr_t)addr,
		.length = len,
		.iova = iova,
	};

	return ioctl(fd, IOAS_MAP, &m) ? -errno : 0;
}

int pin_iommufd_map_file(int fd, uint32_t ioas, int memfd, uint64_t start, size_t len,
			 uint64_t iova, bool write)
{
	struct ioas_map_file m = {
		.size = sizeof(m),
		.flags = MAP_FIXED_IOVA | MAP_READABLE | (write ? MAP_WRITEABLE : 0),
		.ioas = ioas,
		.fd = memfd,
		.start = start,
		.length = len,
		.iova = iova,
	};

	return ioctl(fd, IOAS_MAP_FILE, &m) ? -errno : 0;
}

int pin_iommufd_map_copy(int fd, uint32_t from, uint64_t from_iova, size_t len, uint32_t to,
			 uint64_t to_iova, bool write)
{
	struct ioas_copy c = {
		.size = sizeof(c),
		.flags = MAP_FIXED_IOVA | MAP_READABLE | (write ? MAP_WRITEABLE : 0),
		.to = to,
		.from = from,
		.length = len,
		.to_iova = to_iova,
		.from_iova = from_iova,
	};

	return ioctl(fd, IOAS_COPY, &c) ? -errno : 0;
}

int pin_iommufd_take_over(int fd)
{
	struct change_process c = { .size = sizeof(c) };

	return ioctl(fd, CHANGE_PROCESS, &c) ? -errno : 0;
}

int pin_iommufd_guest(int fd, struct pin_iommufd_space *s, uint32_t *guest)
{
	struct viommu_alloc v = { .size = sizeof(v), .type = MOCK_TYPE, .device = s->bound };
	int err = pin_iommufd_domain(fd, s, HWPT_PARENT);

	if (err)
		return err;
	v.hwpt = s->hwpt;
	if (ioctl(fd, VIOMMU_ALLOC, &v))
		return -errno;
	*guest = v.id;
	return 0;
}

int pin_iommufd_queue(int fd, uint32_t guest, uint32_t index, uint64_t iova, size_t len,
		      uint32_t *queue)
{
	struct hw_queue_alloc q = {
		.size = sizeof(q), .viommu = guest, .type = MOCK_TYPE, .index = index,
		.iova = iova, .length = len,
	};

	if (ioctl(fd, HW_QUEUE_ALLOC, &q))
		return -errno;
	*queue = q.id;
	return 0;
}

int pin_iommufd_unmap(int fd, uint32_t ioas, uint64_t iova, uint64_t len)
{
	struct ioas_unmap u = { sizeof(u), ioas, iova, len };

	return ioctl(fd, IOAS_UNMAP, &u) ? -errno : 0;
}

int pin_iommufd_unmap_all(int fd, uint32_t ioas)
{
	return pin_iommufd_unmap(fd, ioas, 0, ~0ull);
}

int pin_iommufd_check(int fd, uint32_t hwpt, const void *addr, size_t len, uint64_t iova)
{
	struct test t = { .check = { iova, len, (uintptr_t)addr } };

	return test(fd, TEST_MD_CHECK_MAP, hwpt, &t);
}

int pin_iommufd_driver(int fd, uint32_t ioas, bool holds)
{
	struct test t = { .access.flags = holds ? ACCESS_PINS : 0 };

	return test(fd, TEST_CREATE_ACCESS, ioas, &t) ?: (int)t.access.fd;
}

int pin_iommufd_give(int fd, int driver, uint32_t ioas)
{
	struct test t = { .replace.ioas = ioas };

	return test(fd, TEST_ACCESS_REPLACE_IOAS, driver, &t);
}

int pin_iommufd_access(int fd, int driver, const void *addr, size_t len, uint64_t iova,
		       uint32_t *pages)
{
	struct test t = { .pages = { ACCESS_WRITE, 0, iova, len, (uintptr_t)addr } };
	int err = test(fd, TEST_ACCESS_PAGES, driver, &t);

	*pages = t.pages.id;
	return err;
}

int pin_iommufd_unaccess(int fd, int driver, uint32_t pages)
{
	struct test t = { .unaccess.id = pages };

	return test(fd, TEST_DESTROY_ACCESS_PAGES, driver, &t);
}

int pin_iommufd_copy(int fd, int driver, uint64_t iova, void *data, size_t len, bool write)
{
	struct test t = {
		.rw = { iova, len, (uintptr_t)data, RW_SLOW | (write ? RW_WRITE : 0) },
	};

	return test(fd, TEST_ACCESS_RW, driver, &t);
}

static int new_space(int fd, struct pin_iommufd_space *s, bool device)
{
	return pin_iommufd_space(fd, s) ?: (device ? pin_iommufd_attach(fd, s) : 0);
}

int pin_iommufd_probe(const struct pin_kernel *k, char *why)
{
	struct pin_iommufd_space s;
	int fd, err = 0;

	(void)k;
	if (access(PIN_IOMMUFD, F_OK))
		err = pin_scratch_module("iommufd", "IOMMUFD", NULL, why);
	if (err < 0)
		return err;
	fd = open(PIN_IOMMUFD, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return pin_why(why, -errno, PIN_IOMMUFD ": %s: kernel option IOMMUFD, and root",
			       strerror(errno));
	err = new_space(fd, &s, true);
	close(fd);
	return err ? pin_why(why, err, "no device of iommufd's own test: kernel option IOMMUFD_TEST (%s)",
			     strerror(-err)) : 0;
}

int pin_iommufd_probe_file(char *why)
{
	struct pin_iommufd_space s = { .ioas = 0 };
	const int fd = open(PIN_IOMMUFD, O_RDWR | O_CLOEXEC);
	int err = pin_iommufd_space(fd, &s);

	if (!err)
		err = pin_iommufd_map_file(fd, s.ioas, -1, 0, 1, PIN_IOMMUFD_IOVA, true);
	close(fd);
	return err == -EBADF ? 0 :
		pin_why(why, err, "iommufd does not map files here (%s): Linux 6.13 or later",
			strerror(-err));
}

static int probe_file(const struct pin_kernel *k, char *why)
{
	return pin_iommufd_probe(k, why) ?: pin_iommufd_probe_file(why);
}

static int probe_tracking(const struct pin_kernel *k, char *why)
{
	struct iommu i = { .way = BITMAP };
	int err = pin_iommufd_probe(k, why);

	if (err)
		return err;
	i.fd = open(PIN_IOMMUFD, O_RDWR | O_CLOEXEC);
	err = i.fd < 0 ? -errno : new_space(i.fd, &i.first, true) ?:
				  pin_iommufd_tracking(i.fd, &i.first);
	close(i.fd);
	return err ? pin_why(why, err, "iommufd does not note what devices write to here (%s): Linux 6.7 or later",
			     strerror(-err)) : 0;
}

static void iommu_close(struct pin_op *op)
{
	struct iommu *i = op->priv;

	if (!i)
		return;
	if (i->other)
		munmap(i->other, op->kernel->page_size);
	if (i->access >= 0)
		close(i->access);
	if (i->fd >= 0)
		close(i->fd);
	free(i);
	op->priv = NULL;
}

static int new_page(struct pin_op *op)
{
	struct iommu *i = op->priv;
	void *page = mmap(NULL, op->kernel->page_size, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	if (page == MAP_FAILED)
		return -errno;
	i->other = page;
	return 0;
}

static bool has_device(enum way way)
{
	return way != ACCESSED && way != COPIED_TO && way != COPIED_TO_PAGES && way != ATTACHED;
}

static bool by_vfio(enum way way)
{
	return way == VFIO_MAPPED || way == VFIO_MAPPED_READ;
}

/* May the device write to it? */
static bool writable(enum way way)
{
	return way != MAPPED_READ && way != VFIO_MAPPED_READ;
}

static int iommu_open(struct pin_op *op, enum way way)
{
	struct iommu *i = calloc(1, sizeof(*i));
	int err;

	if (!i)
		return pin_why(op->why, -ENOMEM, "out of memory");
	op->priv = i;
	i->way = way;
	i->access = -1;
	i->fd = open(PIN_IOMMUFD, O_RDWR | O_CLOEXEC);
	err = i->fd < 0 ? -errno :
		pin_iommufd_limit(i->fd, way == MAPPED_BITS ? 16 : PIN_IOMMUFD_LISTS) ?:
		new_space(i->fd, &i->first, has_device(way) && way != MAPPED_BITS);
	if (!err && way == MAPPED_BITS)
		err = pin_iommufd_option(i->fd, HUGE_PAGES, i->first.ioas, 0) ?:
		      pin_iommufd_attach(i->fd, &i->first);
	if (!err && by_vfio(way))
		err = pin_iommufd_for_vfio(i->fd, i->first.ioas);
	if (!err && way == COPIED)
		err = new_space(i->fd, &i->second, true);
	if (!err && way >= ACCESSED && way <= COPIED_TO_PAGES) {
		i->access = pin_iommufd_driver(i->fd, i->first.ioas, way < COPIED_TO);
		err = i->access < 0 ? i->access : 0;
	}
	if (!err && way == BITMAP)
		err = pin_iommufd_tracking(i->fd, &i->first) ?: new_page(op);
	if (err) {
		pin_why(op->why, err, PIN_IOMMUFD ": %s", strerror(-err));
		iommu_close(op);
	}
	return err;
}

static int open_map(struct pin_op *op)
{
	return iommu_open(op, MAPPED);
}

static int open_map_read(struct pin_op *op)
{
	return iommu_open(op, MAPPED_READ);
}

static int open_vfio(struct pin_op *op)
{
	return iommu_open(op, VFIO_MAPPED);
}

static int open_vfio_read(struct pin_op *op)
{
	return iommu_open(op, VFIO_MAPPED_READ);
}

static int open_map_bits(struct pin_op *op)
{
	return iommu_open(op, MAPPED_BITS);
}

static int open_copy(struct pin_op *op)
{
	return iommu_open(op, COPIED);
}

static int open_access(struct pin_op *op)
{
	return iommu_open(op, ACCESSED);
}

static int open_detach(struct pin_op *op)
{
	return iommu_open(op, DETACHED);
}

static int open_rw(struct pin_op *op)
{
	return iommu_open(op, COPIED_TO);
}

static int open_rw_pages(struct pin_op *op)
{
	return iommu_open(op, COPIED_TO_PAGES);
}

static int open_bitmap(struct pin_op *op)
{
	return iommu_open(op, BITMAP);
}

static int open_attach(struct pin_op *op)
{
	return iommu_open(op, ATTACHED);
}

/*
 * The pages of the test's devices are half as large; those of a driver are not, nor
 * what is mapped without huge pages.
 */
static size_t grain(const struct pin_op *op)
{
	const struct iommu *i = op->priv;
	const bool whole = i->access >= 0 || i->way == MAPPED_BITS;

	return op->kernel->page_size / (whole ? 1 : 2);
}

static void predict(const struct pin_op *op, struct pin_predict *p)
{
	const struct iommu *i = op->priv;
	const struct pin_access access = {
		.write = writable(i->way), .longterm = true, .fast = true,
	};

	if (pin_predict_unaligned(op, grain(op), p)) {
		/* What is mapped is of no use to that device. */
		if (i->way == ATTACHED)
			p->result = -EADDRINUSE;
		p->or_result = p->result;
		return;
	}
	pin_predict_all_or_nothing(op, &access, p);
	if (!p->result)
		p->vmpin = op->mem->pages;
}

void pin_iommufd_predict_file(const struct pin_op *op, size_t grain, struct pin_predict *p)
{
	const struct pin_mem *m = op->mem;

	if (!pin_mem_in_memfd(m) || (pin_mem_offset(m) | m->len) & (grain - 1)) {
		p->result = m->fd < 0 ? -EBADF : -EINVAL;
		p->or_result = p->result;
		return;
	}
	p->acquired = m->pages;
	p->vmpin = m->pages;
	p->migrated = op->kernel->movable_memory ? m->pages : 0;
}

static void predict_file(const struct pin_op *op, struct pin_predict *p)
{
	pin_iommufd_predict_file(op, grain(op), p);
}

static void predict_rw(const struct pin_op *op, struct pin_predict *p)
{
	const struct iommu *i = op->priv;
	const bool whole = i->way == COPIED_TO && op->mem->pages > 1;
	const struct pin_access access = { .write = true, .longterm = whole, .fast = whole };

	pin_predict_all_or_nothing(op, &access, p);
	p->released = p->acquired;
}

/* The bytes of a bitmap that touches all of the memory, or of its first pages. */
static size_t bitmap_bytes(const struct pin_op *op)
{
	const size_t ps = op->kernel->page_size;
	const size_t most = BITMAP_PAGES(op->kernel), offset = (uintptr_t)op->mem->addr % ps;
	const size_t pages = op->mem->pages < most ? op->mem->pages : most;

	/*
	 * The kernel pins a page for the offset besides those for the length. 0:
	 * inside of one page, of which it would pin the next, too.
	 */
	return (offset ? pages - 1 : pages) * ps;
}

static void gup_bitmap(const struct pin_op *op, struct pin_gup *g)
{
	const struct pin_access access = { .write = true, .fast = true };
	struct pin_mem mem = *op->mem;

	pin_mem_cut(&mem, 0, bitmap_bytes(op));
	pin_mem_gup(&mem, &access, g);
}

/* What cannot be pinned is left out, and nobody is told. */
static void predict_bitmap(const struct pin_op *op, struct pin_predict *p)
{
	struct pin_gup g;

	if (!bitmap_bytes(op)) {
		p->result = -EINVAL;
		p->or_result = -EINVAL;
		return;
	}
	gup_bitmap(op, &g);
	/* And the page that the device writes to, which it pins for long. */
	p->acquired = g.pinned + g.undone + 1;
	p->released = p->acquired;
	p->migrated = op->kernel->movable_memory ? 1 : 0;
}

static int map_by_vfio(const struct pin_op *op)
{
	const struct iommu *i = op->priv;
	struct vfio_iommu_type1_dma_map m = {
		.argsz = sizeof(m),
		.flags = VFIO_DMA_MAP_FLAG_READ |
			 (writable(i->way) ? VFIO_DMA_MAP_FLAG_WRITE : 0),
		.vaddr = (uintptr_t)op->mem->addr,
		.iova = PIN_IOMMUFD_IOVA,
		.size = op->mem->len,
	};

	return ioctl(i->fd, VFIO_IOMMU_MAP_DMA, &m) ? -errno : 0;
}

static int map(const struct pin_op *op)
{
	const struct iommu *i = op->priv;

	if (by_vfio(i->way))
		return map_by_vfio(op);
	if (op->consumer->by_file)
		return pin_iommufd_map_file(i->fd, i->first.ioas, op->mem->fd,
					    pin_mem_offset(op->mem), op->mem->len,
					    PIN_IOMMUFD_IOVA, true);
	return pin_iommufd_map(i->fd, i->first.ioas, op->mem->addr, op->mem->len,
			       PIN_IOMMUFD_IOVA, writable(i->way));
}

static int copy(const struct pin_op *op, const struct pin_iommufd_space *to, uint64_t iova)
{
	const struct iommu *i = op->priv;

	return pin_iommufd_map_copy(i->fd, i->first.ioas, PIN_IOMMUFD_IOVA, op->mem->len,
				    to->ioas, iova, writable(i->way));
}

static int check(const struct pin_op *op, const struct pin_iommufd_space *s, uint64_t iova)
{
	const struct iommu *i = op->priv;

	return pin_iommufd_check(i->fd, s->hwpt, op->mem->addr, op->mem->len, iova);
}

/* @nr pages from page @first on. */
static int access_pages(const struct pin_op *op, unsigned int first, unsigned int nr)
{
	const size_t ps = op->kernel->page_size;
	struct iommu *i = op->priv;

	return pin_iommufd_access(i->fd, i->access, (char *)op->mem->addr + first * ps, nr * ps,
				  PIN_IOMMUFD_IOVA + first * ps, &i->pages);
}

static long pin(struct pin_op *op)
{
	const unsigned int nr = op->mem->pages;
	const struct iommu *i = op->priv;
	int err = map(op);

	if (!err && i->way == ACCESSED)
		err = access_pages(op, 0, nr);
	/*
	 * What is to stay lies between what is to go: so far in front that a large
	 * folio may begin before it and end behind it, and not be the last.
	 */
	if (!err && i->way == DETACHED)
		err = access_pages(op, nr / 8, (nr + 7) / 8);
	return err;
}

static long pin_attach(struct pin_op *op)
{
	struct iommu *i = op->priv;

	return map(op) ?: pin_iommufd_attach(i->fd, &i->first);
}

/* A driver writes what is at @from to @len bytes from @at on. */
static int write_to(const struct pin_op *op, char *from, size_t at, size_t len)
{
	const struct iommu *i = op->priv;

	return pin_iommufd_copy(i->fd, i->access, PIN_IOMMUFD_IOVA + at, from + at, len, true);
}

static long pin_rw(struct pin_op *op)
{
	const size_t ps = op->kernel->page_size, len = op->mem->len;
	const size_t head = ps - (uintptr_t)op->mem->addr % ps;
	const struct iommu *i = op->priv;
	char *from = malloc(len);
	int err = from ? map(op) : -ENOMEM;

	if (!err) {
		memset(from, 0x5a, len);
		if (i->way == COPIED_TO) {
			err = write_to(op, from, 0, len);
		} else {
			for (size_t at = 0, end = head; !err && at < len; at = end, end += ps)
				err = write_to(op, from, at, (end < len ? end : len) - at);
		}
		if (!err && memcmp(op->mem->addr, from, len))
			err = -EIO;
		pin_iommufd_unmap_all(i->fd, i->first.ioas);
	}
	free(from);
	return err;
}

static bool bits_are_set(const unsigned char *bitmap, size_t bytes)
{
	for (size_t n = 0; n < bytes; n++) {
		if (bitmap[n] != 0xff)
			return false;
	}
	return true;
}

static long pin_bitmap(struct pin_op *op)
{
	const struct iommu *i = op->priv;
	const size_t bytes = bitmap_bytes(op);
	struct pin_gup gup;
	int err = -EINVAL;

	if (bytes)
		err = pin_iommufd_map(i->fd, i->first.ioas, i->other, op->kernel->page_size,
				      PIN_IOMMUFD_IOVA, true);
	if (err)
		return err;
	gup_bitmap(op, &gup);
	err = pin_iommufd_written(op->kernel, i->fd, i->first.hwpt, PIN_IOMMUFD_IOVA);
	if (!err)
		err = pin_iommufd_bitmap(i->fd, i->first.hwpt, PIN_IOMMUFD_IOVA, op->mem->addr,
					 bytes);
	pin_iommufd_unmap_all(i->fd, i->first.ioas);
	if (!err && gup.pinned && !bits_are_set(op->mem->addr, IO_PAGE(op->kernel) / 8))
		err = -EIO;
	return err;
}

/* The same memory a second time in the same space. */
static long use(struct pin_op *op)
{
	const uint64_t further = PIN_IOMMUFD_IOVA + 2 * op->mem->len;
	const struct iommu *i = op->priv;
	int err = check(op, &i->first, PIN_IOMMUFD_IOVA);

	if (!err)
		err = copy(op, &i->first, further);
	if (!err)
		err = check(op, &i->first, further);
	if (!err)
		err = pin_iommufd_unmap(i->fd, i->first.ioas, further, op->mem->len);
	return err;
}

/* What is pinned passes from the first to the second. */
static long use_copy(struct pin_op *op)
{
	const struct iommu *i = op->priv;
	int err = copy(op, &i->second, PIN_IOMMUFD_IOVA);

	if (!err)
		err = pin_iommufd_unmap_all(i->fd, i->first.ioas);
	if (!err)
		err = check(op, &i->second, PIN_IOMMUFD_IOVA);
	return err;
}

static long unpin(struct pin_op *op)
{
	const struct iommu *i = op->priv;

	return pin_iommufd_unmap_all(i->fd, i->way == COPIED ? i->second.ioas : i->first.ioas);
}

static long unpin_vfio(struct pin_op *op)
{
	const struct iommu *i = op->priv;
	struct vfio_iommu_type1_dma_unmap u = {
		.argsz = sizeof(u), .iova = PIN_IOMMUFD_IOVA, .size = op->mem->len,
	};

	return ioctl(i->fd, VFIO_IOMMU_UNMAP_DMA, &u) ? -errno : 0;
}

static long unpin_access(struct pin_op *op)
{
	const struct iommu *i = op->priv;

	return pin_iommufd_unaccess(i->fd, i->access, i->pages);
}

/* The device goes, and the driver keeps its part. */
static long unpin_detach(struct pin_op *op)
{
	const struct iommu *i = op->priv;
	int err = pin_iommufd_destroy(i->fd, i->first.device);

	return err ? err : unpin_access(op);
}

static long unpin_attach(struct pin_op *op)
{
	const struct iommu *i = op->priv;

	return pin_iommufd_destroy(i->fd, i->first.device);
}

#define IOMMUFD_CONSUMER(_name, _help, _path, _open, ...)				\
	const struct pin_consumer pin_consumer_##_name = {				\
		.name = #_name,								\
		.help = _help,								\
		.path = _path,								\
		.needs = NEEDS,								\
		.open = _open,								\
		.close = iommu_close,							\
		__VA_ARGS__								\
	}
#define HELD_BY(_pin, _use, _unpin)							\
	.since = "6.2", .doc_case = 2, .held = true, .charged = true,			\
	.by_anyone = true, .probe = pin_iommufd_probe, .predict = predict, .pin = _pin,	\
	.use = _use, .unpin = _unpin
#define HELD(_use, _unpin)	HELD_BY(pin, _use, _unpin)
#define FILE_HELD(_use, _unpin)								\
	.since = "6.13", .doc_case = 2, .held = true, .charged = true, .by_file = true,	\
	.dirties = true, .by_anyone = true, .probe = probe_file,			\
	.predict = predict_file, .pin = pin,						\
	.use = _use, .unpin = _unpin
#define TRANSIENT(_since, _probe, _predict, _pin)					\
	.since = _since, .doc_case = 5, .any_byte = true, .probe = _probe,		\
	.predict = _predict, .pin = _pin

#define FILE_PINS	" > pin_memfd_pages > memfd_pin_folios, folio_add_pins"
#define PINS		" > pfn_reader_user_pin > pin_user_pages_fast"

IOMMUFD_CONSUMER(iommufd_access, "iommufd: accessed by a driver in the kernel, without a device",
		 "iommufd_access_pin_pages > iopt_pages_fill_xarray" PINS,
		 open_access, HELD(NULL, unpin_access),
		 .dirties = true);
IOMMUFD_CONSUMER(iommufd_attach, "iommufd: mapped first, then a device is attached",
		 "iommufd_device_attach > iopt_table_add_domain > iopt_area_fill_domain" PINS,
		 open_attach, HELD_BY(pin_attach, use, unpin_attach),
		 .dirties = true);
IOMMUFD_CONSUMER(iommufd_copy, "iommufd: copied to another device's space, and the first unmapped",
		 "iommufd_ioas_map > iopt_map_pages > iopt_area_fill_domains" PINS,
		 open_copy, HELD(use_copy, unpin),
		 .dirties = true);
IOMMUFD_CONSUMER(iommufd_detach, "iommufd: its device is detached while a driver accesses a part",
		 "iommufd_ioas_map > iopt_map_pages > iopt_area_fill_domains" PINS,
		 open_detach, HELD(NULL, unpin_detach),
		 .dirties = true);
IOMMUFD_CONSUMER(iommufd_map, "iommufd: mapped for a device that may write to it",
		 "iommufd_ioas_map > iopt_map_pages > iopt_area_fill_domains" PINS,
		 open_map, HELD(use, unpin),
		 .dirties = true);
IOMMUFD_CONSUMER(iommufd_map_bits, "iommufd: the same, pinned and entered in its tables bit by bit",
		 "iommufd_ioas_map > iopt_map_pages > iopt_area_fill_domains" PINS,
		 open_map_bits, HELD(use, unpin),
		 .dirties = true);
IOMMUFD_CONSUMER(iommufd_map_read, "iommufd: mapped for a device that only reads",
		 "iommufd_ioas_map > iopt_map_pages > iopt_area_fill_domains" PINS,
		 open_map_read, HELD(use, unpin),
		 .only_read = true);
IOMMUFD_CONSUMER(iommufd_vfio, "iommufd: mapped by the ioctls of VFIO, for a device that may write to it",
		 "iommufd_vfio_map_dma > iopt_map_pages > iopt_area_fill_domains" PINS,
		 open_vfio, HELD(use, unpin_vfio),
		 .dirties = true);
IOMMUFD_CONSUMER(iommufd_vfio_read, "iommufd: mapped by the ioctls of VFIO, for a device that only reads",
		 "iommufd_vfio_map_dma > iopt_map_pages > iopt_area_fill_domains" PINS,
		 open_vfio_read, HELD(use, unpin_vfio),
		 .only_read = true);
IOMMUFD_CONSUMER(iommufd_file, "iommufd: a memfd, mapped for a device that may write to it",
		 "iommufd_ioas_map_file > iopt_map_pages > iopt_area_fill_domains" FILE_PINS,
		 open_map, FILE_HELD(use, unpin));
IOMMUFD_CONSUMER(iommufd_file_access, "iommufd: a memfd, accessed by a driver in the kernel",
		 "iommufd_access_pin_pages > iopt_pages_fill_xarray" FILE_PINS,
		 open_access, FILE_HELD(NULL, unpin_access));
IOMMUFD_CONSUMER(iommufd_file_bits, "iommufd: a memfd, pinned and entered in the device's tables bit by bit",
		 "iommufd_ioas_map_file > iopt_map_pages > iopt_area_fill_domains" FILE_PINS,
		 open_map_bits, FILE_HELD(use, unpin));
IOMMUFD_CONSUMER(iommufd_bitmap, "iommufd: which pages a device has written to is noted there",
		 "iommufd_hwpt_get_dirty_bitmap > iova_bitmap_set > pin_user_pages_fast",
		 open_bitmap, TRANSIENT("6.7", probe_tracking, predict_bitmap, pin_bitmap),
		 .dirties = true);
IOMMUFD_CONSUMER(iommufd_rw, "iommufd: a driver in the kernel writes to all of it",
		 "iommufd_access_rw > iopt_pages_rw_slow" PINS,
		 open_rw, TRANSIENT("6.2", pin_iommufd_probe, predict_rw, pin_rw),
		 .dirties = true);
IOMMUFD_CONSUMER(iommufd_rw_pages, "iommufd: a driver in the kernel writes to it, page by page",
		 "iommufd_access_rw > iopt_pages_rw_page > pin_user_pages_remote",
		 open_rw_pages, TRANSIENT("6.2", pin_iommufd_probe, predict_rw, pin_rw),
		 .dirties = true);
