// SPDX-License-Identifier: GPL-2.0
/*
 * iommufd: memory mapped into an I/O address space. It is pinned when a device
 * is attached, or when a driver in the kernel accesses it, once however many
 * do so. Devices and drivers are those of the kernel's own test. It counts in
 * VmPin.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "consumer.h"
#include "scratch.h"

#define NEEDS		"module iommufd with IOMMUFD_TEST"
#define DEVICE		"/dev/iommu"
#define IOVA		(1ull << 24)	/* where the test's domains begin */
#define EVERYTHING	(~0ull)

/* What <linux/iommufd.h> of 6.2 and the kernel's iommufd_test.h have. */
#define COMMAND(nr)	_IO(';', 0x80 + (nr))
#define DESTROY		COMMAND(0)
#define IOAS_ALLOC	COMMAND(1)
#define IOAS_COPY	COMMAND(3)
#define IOAS_MAP	COMMAND(5)
#define IOAS_UNMAP	COMMAND(6)
#define TEST		COMMAND(32)

#define MAP_FIXED_IOVA	(1u << 0)
#define MAP_WRITEABLE	(1u << 1)
#define MAP_READABLE	(1u << 2)

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

struct ioas_copy {
	uint32_t size, flags, to, from;
	uint64_t length, to_iova, from_iova;
};

struct ioas_unmap {
	uint32_t size, ioas;
	uint64_t iova, length;
};

enum {
	TEST_MOCK_DOMAIN = 2,
	TEST_MD_CHECK_MAP,
	TEST_MD_CHECK_REFS,
	TEST_CREATE_ACCESS,
	TEST_DESTROY_ACCESS_PAGES,
	TEST_ACCESS_PAGES,
};

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
			uint32_t flags, id;
			uint64_t iova, length, addr;
		} pages;
		char room[112];		/* it grows; zeros are no harm */
	};
};

/* What pins, and what is done about it. */
enum way {
	MAPPED,		/* a device is attached */
	MAPPED_READ,
	COPIED,		/* another device's space gets it, the first gives it up */
	ACCESSED,	/* no device, but a driver */
	DETACHED,	/* both, and the device goes first */
};

struct space {
	uint32_t ioas, device, hwpt;
};

struct iommu {
	enum way way;
	int fd;
	struct space first, second;
	int access;		/* -1, or the driver */
	uint32_t pages;		/* that it has accessed */
};

static int test(const struct iommu *i, unsigned int op, uint32_t id, struct test *t)
{
	t->size = sizeof(*t);
	t->op = op;
	t->id = id;
	return ioctl(i->fd, TEST, t) ? -errno : 0;
}

static int destroy(const struct iommu *i, uint32_t id)
{
	struct destroy d = { sizeof(d), id };

	return ioctl(i->fd, DESTROY, &d) ? -errno : 0;
}

static int attach(const struct iommu *i, struct space *s)
{
	struct test t = { .size = 0 };
	int err = test(i, TEST_MOCK_DOMAIN, s->ioas, &t);

	s->device = t.domain.device;
	s->hwpt = t.domain.hwpt;
	return err;
}

static int new_space(const struct iommu *i, struct space *s, bool device)
{
	struct ioas_alloc a = { .size = sizeof(a) };

	if (ioctl(i->fd, IOAS_ALLOC, &a))
		return -errno;
	s->ioas = a.id;
	return device ? attach(i, s) : 0;
}

static int probe(const struct pin_kernel *k, char *why)
{
	struct iommu i = { .way = MAPPED };
	int err = access(DEVICE, F_OK) ? pin_scratch_module("iommufd", "IOMMUFD", NULL, why) : 0;

	(void)k;
	if (err < 0)
		return err;
	i.fd = open(DEVICE, O_RDWR | O_CLOEXEC);
	if (i.fd < 0)
		return pin_why(why, -errno, DEVICE ": %s: kernel option IOMMUFD, and root",
			       strerror(errno));
	err = new_space(&i, &i.first, true);
	close(i.fd);
	return err ? pin_why(why, err, "no device of iommufd's own test: kernel option IOMMUFD_TEST (%s)",
			     strerror(-err)) : 0;
}

static int new_access(struct iommu *i)
{
	struct test t = { .access.flags = ACCESS_PINS };
	int err = test(i, TEST_CREATE_ACCESS, i->first.ioas, &t);

	if (!err)
		i->access = t.access.fd;
	return err;
}

static void iommu_close(struct pin_op *op)
{
	struct iommu *i = op->priv;

	if (!i)
		return;
	if (i->access >= 0)
		close(i->access);
	if (i->fd >= 0)
		close(i->fd);
	free(i);
	op->priv = NULL;
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
	i->fd = open(DEVICE, O_RDWR | O_CLOEXEC);
	err = i->fd < 0 ? -errno : new_space(i, &i->first, way != ACCESSED);
	if (!err && way == COPIED)
		err = new_space(i, &i->second, true);
	if (!err && (way == ACCESSED || way == DETACHED))
		err = new_access(i);
	if (err) {
		pin_why(op->why, err, DEVICE ": %s", strerror(-err));
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

static void predict(const struct pin_op *op, struct pin_predict *p)
{
	const struct iommu *i = op->priv;
	const struct pin_access access = {
		.write = i->way != MAPPED_READ, .longterm = true, .fast = true,
	};
	/* The pages of the test's devices are half as large, those of a driver are not. */
	const long grain = op->kernel->page_size / (i->access < 0 ? 2 : 1);

	if (((uintptr_t)op->mem->addr | op->mem->len) & (grain - 1)) {
		p->result = -EINVAL;
		p->or_result = -EINVAL;
		return;
	}
	pin_predict_all_or_nothing(op, &access, p);
	if (!p->result)
		p->vmpin = op->mem->pages;
}

static int map(const struct pin_op *op)
{
	const struct iommu *i = op->priv;
	struct ioas_map m = {
		.size = sizeof(m),
		.flags = MAP_FIXED_IOVA | MAP_READABLE |
			 (i->way == MAPPED_READ ? 0 : MAP_WRITEABLE),
		.ioas = i->first.ioas,
		.addr = (uintptr_t)op->mem->addr,
		.length = op->mem->len,
		.iova = IOVA,
	};

	return ioctl(i->fd, IOAS_MAP, &m) ? -errno : 0;
}

static int copy(const struct pin_op *op, const struct space *to, uint64_t iova)
{
	const struct iommu *i = op->priv;
	struct ioas_copy c = {
		.size = sizeof(c),
		.flags = MAP_FIXED_IOVA | MAP_READABLE |
			 (i->way == MAPPED_READ ? 0 : MAP_WRITEABLE),
		.to = to->ioas,
		.from = i->first.ioas,
		.length = op->mem->len,
		.to_iova = iova,
		.from_iova = IOVA,
	};

	return ioctl(i->fd, IOAS_COPY, &c) ? -errno : 0;
}

static int unmap(const struct iommu *i, const struct space *s, uint64_t iova, uint64_t length)
{
	struct ioas_unmap u = { sizeof(u), s->ioas, iova, length };

	return ioctl(i->fd, IOAS_UNMAP, &u) ? -errno : 0;
}

/* Does the device see at @iova the pages that are at @addr? */
static int check(const struct pin_op *op, const struct space *s, uint64_t iova)
{
	struct test t = { .check = { iova, op->mem->len, (uintptr_t)op->mem->addr } };

	return test(op->priv, TEST_MD_CHECK_MAP, s->hwpt, &t);
}

/* @nr pages from page @first on. */
static int access_pages(const struct pin_op *op, unsigned int first, unsigned int nr)
{
	const long ps = op->kernel->page_size;
	struct iommu *i = op->priv;
	struct test t = {
		.pages = {
			.flags = ACCESS_WRITE,
			.iova = IOVA + first * ps,
			.length = nr * ps,
			.addr = (uintptr_t)op->mem->addr + first * ps,
		},
	};
	int err = test(i, TEST_ACCESS_PAGES, i->access, &t);

	i->pages = t.pages.id;
	return err;
}

static long pin(struct pin_op *op)
{
	const unsigned int nr = op->mem->pages;
	const struct iommu *i = op->priv;
	int err = map(op);

	if (!err && i->way == ACCESSED)
		err = access_pages(op, 0, nr);
	/* In the middle: what is to stay lies between what is to go. */
	if (!err && i->way == DETACHED)
		err = access_pages(op, nr / 3, (nr + 2) / 3);
	return err;
}

/* The same memory a second time in the same space. */
static long use(struct pin_op *op)
{
	const uint64_t further = IOVA + 2 * op->mem->len;
	const struct iommu *i = op->priv;
	int err = check(op, &i->first, IOVA);

	if (!err)
		err = copy(op, &i->first, further);
	if (!err)
		err = check(op, &i->first, further);
	if (!err)
		err = unmap(i, &i->first, further, op->mem->len);
	return err;
}

/* What is pinned passes from the first to the second. */
static long use_copy(struct pin_op *op)
{
	const struct iommu *i = op->priv;
	int err = copy(op, &i->second, IOVA);

	if (!err)
		err = unmap(i, &i->first, 0, EVERYTHING);
	if (!err)
		err = check(op, &i->second, IOVA);
	return err;
}

static long unpin(struct pin_op *op)
{
	const struct iommu *i = op->priv;

	return unmap(i, i->way == COPIED ? &i->second : &i->first, 0, EVERYTHING);
}

static long unpin_access(struct pin_op *op)
{
	const struct iommu *i = op->priv;
	struct test t = { .unaccess.id = i->pages };

	return test(i, TEST_DESTROY_ACCESS_PAGES, i->access, &t);
}

/* The device goes, and the driver keeps its part. */
static long unpin_detach(struct pin_op *op)
{
	const struct iommu *i = op->priv;
	int err = destroy(i, i->first.device);

	return err ? err : unpin_access(op);
}

#define IOMMUFD_CONSUMER(_name, _help, _path, _open, _use, _unpin)	\
	const struct pin_consumer pin_consumer_##_name = {				\
		.name = #_name,								\
		.help = _help,								\
		.path = _path " > pfn_reader_user_pin > pin_user_pages_fast",		\
		.since = "6.2",								\
		.doc_case = 2,								\
		.needs = NEEDS,								\
		.held = true,								\
		.probe = probe,								\
		.open = _open,								\
		.predict = predict,							\
		.pin = pin,								\
		.use = _use,								\
		.unpin = _unpin,							\
		.close = iommu_close,							\
	}

IOMMUFD_CONSUMER(iommufd_access, "iommufd: accessed by a driver in the kernel, without a device",
		 "iommufd_access_pin_pages > iopt_pages_fill_xarray",
		 open_access, NULL, unpin_access);
IOMMUFD_CONSUMER(iommufd_copy, "iommufd: copied to another device's space, and the first unmapped",
		 "iommufd_ioas_map > iopt_map_pages > iopt_area_fill_domains",
		 open_copy, use_copy, unpin);
IOMMUFD_CONSUMER(iommufd_detach, "iommufd: its device is detached while a driver accesses a part",
		 "iommufd_ioas_map > iopt_map_pages > iopt_area_fill_domains",
		 open_detach, NULL, unpin_detach);
IOMMUFD_CONSUMER(iommufd_map, "iommufd: mapped for a device that may write to it",
		 "iommufd_ioas_map > iopt_map_pages > iopt_area_fill_domains",
		 open_map, use, unpin);
IOMMUFD_CONSUMER(iommufd_map_read, "iommufd: mapped for a device that only reads",
		 "iommufd_ioas_map > iopt_map_pages > iopt_area_fill_domains",
		 open_map_read, use, unpin);
