// SPDX-License-Identifier: GPL-2.0
/*
 * VFIO devices without hardware, as mediated ones are. Mapped memory is not
 * pinned, but what the device asks for, page by page, and each page once however
 * often it does. It counts in VmLck. The devices are those of pin_helper_vfio.ko;
 * one for each process at a time.
 */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <linux/vfio.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "consumer.h"
#include "iommufd.h"
#include "pin_helper_vfio.h"
#include "scratch.h"
#include "vfio.h"

#define NEEDS		"pin_helper_vfio.ko, module vfio_iommu_type1"
#define NEEDS_IOMMUFD	"pin_helper_vfio.ko, modules iommufd, vfio_iommu_type1"
#define MAX_DEVICES	64

static char groups[MAX_DEVICES][PIN_NODE_LEN];
static char devices[MAX_DEVICES][PIN_NODE_LEN];
static int nr_groups;

struct mdev {
	bool write_memory;
	bool iommufd;
	struct pin_vfio at;
	pid_t owner;		/* of the memory */
	long locked_kib;	/* what the pins added to its VmLck */
};

/* --- the devices --- */

static int find_devices(const struct pin_kernel *k, char *why)
{
	char path[256], group[256];
	ssize_t len;
	glob_t found;

	(void)k;
	if (glob(PIN_HELPER_VFIO_DEVICES PIN_HELPER_VFIO_NAME ".*", 0, NULL, &found))
		return pin_why(why, -ENODEV, "the module " PIN_HELPER_VFIO_NAME " is not loaded: build it with \"make kmod\", for Linux 6.1 or later with VFIO, and insmod it");
	for (size_t i = 0; i < found.gl_pathc && nr_groups < MAX_DEVICES; i++) {
		snprintf(path, sizeof(path), "%s/iommu_group", found.gl_pathv[i]);
		len = readlink(path, group, sizeof(group) - 1);
		if (len < 0)
			continue;
		group[len] = '\0';
		snprintf(groups[nr_groups], sizeof(groups[0]), "/dev/vfio/%s",
			 strrchr(group, '/') + 1);
		snprintf(devices[nr_groups++], sizeof(devices[0]), "%s",
			 strrchr(found.gl_pathv[i], '/') + 1);
	}
	globfree(&found);
	if (!nr_groups)
		return pin_why(why, -ENODEV, "the devices of " PIN_HELPER_VFIO_NAME " have no group");
	return 0;
}

int pin_vfio_mdev_probe(const struct pin_kernel *k, char *why)
{
	static struct pin_once once;
	int err = pin_scratch_once(&once, k, find_devices, why);

	if (!err)
		err = pin_scratch_module("vfio_iommu_type1", "VFIO_IOMMU_TYPE1", NULL, why);
	return err < 0 ? err : 0;
}

int pin_vfio_mdev_group(const char **device, char *why)
{
	int which, group = pin_scratch_open_unused(groups[0], nr_groups, O_RDWR, &which);

	if (group < 0)
		return pin_why(why, -errno, PIN_HELPER_VFIO_NAME ": %s%s", strerror(errno),
			       errno == EBUSY ? ": it has a parameter devices=" : "");
	*device = devices[which];
	return group;
}

int pin_vfio_device(int group, const char *device)
{
	int fd = ioctl(group, VFIO_GROUP_GET_DEVICE_FD, device);

	return fd < 0 ? -errno : fd;
}

int pin_vfio_mdev(int device, unsigned long number, uint64_t iova, uint64_t len,
		  unsigned int flags, void *addr)
{
	struct pin_helper_vfio arg = {
		.size = sizeof(arg),
		.flags = flags,
		.iova = iova,
		.length = len,
		.addr = (uintptr_t)addr,
	};

	return ioctl(device, number, &arg) ? -errno : 0;
}

int pin_vfio_mdev_open(struct pin_vfio *v, const char *container, unsigned long type, char *why)
{
	int group = pin_vfio_mdev_group(&v->device, why);
	int err = group < 0 ? group : pin_vfio_join(v, container, group, type, why);

	if (err)
		return err;
	v->opened = pin_vfio_device(v->group, v->device);
	if (v->opened >= 0)
		return 0;
	err = pin_why(why, v->opened, "%s: %s", v->device, strerror(-v->opened));
	pin_vfio_close(v);
	return err;
}

/* --- the consumers --- */

static int probe_iommufd(const struct pin_kernel *k, char *why)
{
	struct pin_vfio v;
	int err = 0;

	if (access(PIN_IOMMUFD, F_OK))
		err = pin_scratch_module("iommufd", "IOMMUFD", NULL, why);
	if (err >= 0)
		err = pin_vfio_mdev_probe(k, why);
	if (!err)
		err = pin_vfio_mdev_open(&v, PIN_IOMMUFD, VFIO_TYPE1v2_IOMMU, why);
	if (!err)
		pin_vfio_close(&v);
	return err;
}

static int probe_iommufd_file(const struct pin_kernel *k, char *why)
{
	return probe_iommufd(k, why) ?: pin_iommufd_probe_file(why);
}

static int mdev_open(struct pin_op *op, const char *container, bool write_memory)
{
	struct mdev *m = calloc(1, sizeof(*m));
	int err;

	if (!m)
		return pin_why(op->why, -ENOMEM, "out of memory");
	m->write_memory = write_memory;
	m->iommufd = !strcmp(container, PIN_IOMMUFD);
	err = pin_vfio_mdev_open(&m->at, container, VFIO_TYPE1v2_IOMMU, op->why);
	if (err)
		free(m);
	else
		op->priv = m;
	return err;
}

static void mdev_close(struct pin_op *op)
{
	struct mdev *m = op->priv;

	if (!m)
		return;
	pin_vfio_close(&m->at);
	free(m);
	op->priv = NULL;
}

static int open_write(struct pin_op *op)
{
	return mdev_open(op, PIN_VFIO, true);
}

static int open_read(struct pin_op *op)
{
	return mdev_open(op, PIN_VFIO, false);
}

static int open_iommufd(struct pin_op *op)
{
	return mdev_open(op, PIN_IOMMUFD, true);
}

static void predict(const struct pin_op *op, struct pin_predict *p)
{
	const struct mdev *m = op->priv;
	const struct pin_access access = { .write = true, .longterm = true, .fast = true };

	if (op->consumer->by_file) {
		pin_iommufd_predict_file(op, op->kernel->page_size, p);
	} else if (!m->iommufd) {
		pin_vfio_predict(op, m->write_memory, p);
	} else if (!pin_predict_unaligned(op, op->kernel->page_size, p)) {
		pin_predict_all_or_nothing(op, &access, p);
		p->vmpin = p->acquired - p->released;
	}
}

static int map_file(const struct pin_op *op)
{
	const struct mdev *m = op->priv;
	uint32_t ioas;

	return pin_iommufd_of_vfio(m->at.container, &ioas) ?:
	       pin_iommufd_map_file(m->at.container, ioas, op->mem->fd, pin_mem_offset(op->mem),
				    op->mem->len, PIN_VFIO_IOVA, true);
}

static long pin(struct pin_op *op)
{
	struct mdev *m = op->priv;
	/* Of both interfaces the same. */
	const unsigned int flags = PIN_HELPER_VFIO_READ |
				   (m->write_memory ? PIN_HELPER_VFIO_WRITE : 0);
	long before = pin_vfio_locked_kib(getpid()), err;
	struct pin_predict want = { .acquired = 0 };
	uint64_t done;

	m->owner = getpid();
	predict(op, &want);
	err = op->consumer->by_file ? map_file(op) :
	      pin_vfio_map(&m->at, op->mem->addr, op->mem->len, PIN_VFIO_IOVA, flags);
	if (!err) {
		err = pin_vfio_mdev(m->at.opened, PIN_HELPER_VFIO_IOC_PIN, PIN_VFIO_IOVA,
				    op->mem->len, flags, NULL);
		if (err)
			pin_vfio_unmap(&m->at, PIN_VFIO_IOVA, op->mem->len, 0, &done);
	}
	/* What is pinned is locked: nothing if refused. */
	m->locked_kib = pin_vfio_locked_kib(getpid()) - before;
	if (!m->iommufd && m->locked_kib != (err ? 0 : (long)(want.acquired - want.released)) *
					    (op->kernel->page_size / 1024))
		return -EUCLEAN;
	return err;
}

/* Once more, and a part of it: pages that are pinned already. */
static long use(struct pin_op *op)
{
	const size_t len = (op->mem->pages + 1) / 2 * op->kernel->page_size;
	const struct mdev *m = op->priv;
	long err;

	err = pin_vfio_mdev(m->at.opened, PIN_HELPER_VFIO_IOC_PIN, PIN_VFIO_IOVA, len,
			    PIN_HELPER_VFIO_READ, NULL);
	return err ?: pin_vfio_mdev(m->at.opened, PIN_HELPER_VFIO_IOC_UNPIN, PIN_VFIO_IOVA, len, 0,
				    NULL);
}

static long unpin(struct pin_op *op)
{
	struct mdev *m = op->priv;
	long before = pin_vfio_locked_kib(m->owner), err;
	uint64_t done;

	err = pin_vfio_mdev(m->at.opened, PIN_HELPER_VFIO_IOC_UNPIN, PIN_VFIO_IOVA, op->mem->len,
			    0, NULL);
	if (err)
		return err;
	if (before - pin_vfio_locked_kib(m->owner) != m->locked_kib)
		return -EUCLEAN;
	err = pin_vfio_unmap(&m->at, PIN_VFIO_IOVA, op->mem->len, 0, &done);
	return err ? err : done == op->mem->len ? 0 : -EIO;
}

#define TYPE1	"vfio_iommu_type1_pin_pages > vfio_pin_page_external > vaddr_get_pfns > pin_user_pages_remote"
#define IOMMUFD	"vfio_pin_pages > iommufd_access_pin_pages > iopt_pages_fill_xarray > pin_user_pages_fast"

#define IOMMUFD_FILE	"vfio_pin_pages > iommufd_access_pin_pages > iopt_pages_fill_xarray > pin_memfd_pages > memfd_pin_folios, folio_add_pins"

#define MDEV_CONSUMER(_name, _help, _path, _since, _needs, _probe, _open, ...)		\
	const struct pin_consumer pin_consumer_##_name = {				\
		.name = #_name,								\
		.help = _help,								\
		.path = _path,								\
		.since = _since,							\
		.doc_case = 2,								\
		.needs = _needs,							\
		.held = true,								\
		.by_anyone = true,							\
		.probe = _probe,							\
		.open = _open,								\
		.predict = predict,							\
		.pin = pin,								\
		.use = use,								\
		.unpin = unpin,								\
		.close = mdev_close,							\
		__VA_ARGS__								\
	}

MDEV_CONSUMER(iommufd_mdev, "iommufd as VFIO: pinned for a device without hardware",
	      IOMMUFD, "6.2", NEEDS_IOMMUFD, probe_iommufd, open_iommufd, .dirties = true);
MDEV_CONSUMER(iommufd_mdev_file, "iommufd as VFIO: a memfd, pinned for a device without hardware",
	      IOMMUFD_FILE, "6.13", NEEDS_IOMMUFD, probe_iommufd_file, open_iommufd,
	      .by_file = true, .dirties = true);
MDEV_CONSUMER(vfio_mdev, "VFIO: pinned for a device without hardware that may write to it",
	      TYPE1, "5.6", NEEDS, pin_vfio_mdev_probe, open_write, .dirties = true);
MDEV_CONSUMER(vfio_mdev_read, "VFIO: pinned for a device without hardware that only reads",
	      TYPE1, "5.6", NEEDS, pin_vfio_mdev_probe, open_read, .only_read = true);
