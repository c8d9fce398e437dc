// SPDX-License-Identifier: GPL-2.0
/*
 * VFIO type 1: memory mapped for DMA by a device that user space drives, as
 * for a virtual machine. It counts in VmLck, not in VmPin. The devices are
 * QEMU's "edu", which nothing else uses; one for each process at a time.
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
#include "proc.h"
#include "scratch.h"
#include "vfio.h"

#define NEEDS		"devices that nobody uses behind an IOMMU, modules vfio_pci, vfio_iommu_type1"
#define DEVICES		"/sys/bus/pci/devices/"
#define DRIVER		"vfio-pci"
#define EDU_VENDOR	0x1234
#define EDU_DEVICE	0x11e8
#define MAX_DEVICES	16

static char groups[MAX_DEVICES][PIN_NODE_LEN];	/* nodes of the groups that are ours */
static char devices[MAX_DEVICES][PIN_NODE_LEN];	/* what is in them, as sysfs has it */
static int nr_groups;

struct vfio {
	bool write_memory;
	struct pin_vfio at;
	long locked_kib;	/* what the mapping added to VmLck */
};

/* --- the devices --- */

static int write_to(const char *path, const char *value)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC), err = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, value, strlen(value)) < 0)
		err = -errno;
	close(fd);
	return err;
}

static int driver_of(const char *device, const char *driver)
{
	char path[256];
	int err;

	snprintf(path, sizeof(path), DEVICES "%s/driver_override", device);
	err = write_to(path, *driver ? driver : "\n");
	snprintf(path, sizeof(path), DEVICES "%s/driver/unbind", device);
	if (!err && !access(path, F_OK))
		err = write_to(path, device);
	return !err && *driver ? write_to("/sys/bus/pci/drivers_probe", device) : err;
}

static int give_back(const char *device)
{
	return driver_of(device, "");
}

static bool is_edu(const char *device)
{
	char path[256];
	FILE *f;
	unsigned int id[2] = { 0, 0 };

	for (int i = 0; i < 2; i++) {
		snprintf(path, sizeof(path), DEVICES "%s/%s", device, i ? "device" : "vendor");
		f = fopen(path, "re");
		if (f && fscanf(f, "%x", &id[i]) != 1)
			id[i] = 0;
		if (f)
			fclose(f);
	}
	return id[0] == EDU_VENDOR && id[1] == EDU_DEVICE;
}

static int take_device(const char *device, char *why)
{
	char path[256], group[256];
	ssize_t len;
	int err;

	err = pin_scratch_undo(give_back, device, why);
	if (err)
		return err;
	err = driver_of(device, DRIVER);
	/* Where a device tree tells of the IOMMU, only a driver's device has a group. */
	snprintf(path, sizeof(path), DEVICES "%s/iommu_group", device);
	len = readlink(path, group, sizeof(group) - 1);
	if (len < 0)
		return pin_why(why, -ENODEV, "no IOMMU: boot with intel_iommu=on or the like (pinvm run --iommu)");
	group[len] = '\0';
	if (err)
		return pin_why(why, err, "%s to " DRIVER ": %s", device, strerror(-err));
	snprintf(groups[nr_groups], sizeof(groups[0]), "/dev/vfio/%s",
		 strrchr(group, '/') + 1);
	snprintf(devices[nr_groups], sizeof(devices[0]), "%s", device);
	for (int tries = 0; tries < 100 && access(groups[nr_groups], F_OK); tries++)
		usleep(10000);
	nr_groups++;
	return 0;
}

static int take_devices(const struct pin_kernel *k, char *why)
{
	char ignored[PIN_WHY_LEN];
	glob_t found;
	int err = 0;

	(void)k;
	if (glob(DEVICES "*", 0, NULL, &found))
		return pin_why(why, -ENODEV, "no PCI");
	for (size_t i = 0; i < found.gl_pathc && nr_groups < MAX_DEVICES && !err; i++) {
		const char *device = strrchr(found.gl_pathv[i], '/') + 1;

		if (!is_edu(device))
			continue;
		if (!nr_groups) {
			err = pin_scratch_module("vfio_pci", "VFIO_PCI", NULL, why);
			if (err >= 0)
				err = pin_scratch_module("vfio_iommu_type1", "VFIO_IOMMU_TYPE1",
							 NULL, why);
			if (err < 0)
				break;
			/* Without interrupt remapping; no interrupt is used here. */
			pin_scratch_setting("/sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts",
					    "1", ignored);
		}
		err = take_device(device, why);
	}
	globfree(&found);
	if (!err && !nr_groups)
		err = pin_why(why, -ENODEV, "no device that may be used: in a guest, QEMU's -device edu behind an IOMMU");
	return err;
}

int pin_vfio_probe(const struct pin_kernel *k, char *why)
{
	static struct pin_once once;

	return pin_scratch_once(&once, k, take_devices, why);
}

/* --- containers --- */

int pin_vfio_group(const char **device, char *why)
{
	int which, group = pin_scratch_open_unused(groups[0], nr_groups, O_RDWR, &which);

	if (group < 0)
		return pin_why(why, -errno, errno == EBUSY ?
			       "VFIO: %s: more of these devices are needed, 8 for the matrix" :
			       "VFIO: %s", strerror(errno));
	*device = devices[which];
	return group;
}

void pin_vfio_close(struct pin_vfio *v)
{
	if (v->opened >= 0)
		close(v->opened);
	if (v->group >= 0)
		close(v->group);
	if (v->container >= 0)
		close(v->container);
	v->opened = -1;
	v->group = -1;
	v->container = -1;
}

int pin_vfio_join(struct pin_vfio *v, const char *container, int group, unsigned long type,
		  char *why)
{
	int err = 0;

	v->opened = -1;
	v->group = group;
	v->container = open(container, O_RDWR | O_CLOEXEC);
	if (v->container < 0)
		err = pin_why(why, -errno, "%s: %s", container, strerror(errno));
	else if (ioctl(v->group, VFIO_GROUP_SET_CONTAINER, &v->container) ||
		 ioctl(v->container, VFIO_SET_IOMMU, type))
		err = pin_why(why, -errno, "VFIO_SET_IOMMU: %s", strerror(errno));
	if (err)
		pin_vfio_close(v);
	return err;
}

int pin_vfio_open(struct pin_vfio *v, unsigned long type, char *why)
{
	int group = pin_vfio_group(&v->device, why);

	return group < 0 ? group : pin_vfio_join(v, PIN_VFIO, group, type, why);
}

int pin_vfio_map(const struct pin_vfio *v, const void *addr, size_t len, uint64_t iova,
		 unsigned int flags)
{
	struct vfio_iommu_type1_dma_map map = {
		.argsz = sizeof(map),
		.flags = flags,
		.vaddr = (uintptr_t)addr,
		.iova = iova,
		.size = len,
	};

	return ioctl(v->container, VFIO_IOMMU_MAP_DMA, &map) ? -errno : 0;
}

int pin_vfio_unmap(const struct pin_vfio *v, uint64_t iova, uint64_t len, unsigned int flags,
		   uint64_t *done)
{
	struct vfio_iommu_type1_dma_unmap unmap = {
		.argsz = sizeof(unmap),
		.flags = flags,
		.iova = iova,
		.size = len,
	};

	*done = 0;
	if (ioctl(v->container, VFIO_IOMMU_UNMAP_DMA, &unmap))
		return -errno;
	*done = unmap.size;
	return 0;
}

/* --- the consumers --- */

static void vfio_close(struct pin_op *op)
{
	struct vfio *v = op->priv;

	if (!v)
		return;
	pin_vfio_close(&v->at);
	free(v);
	op->priv = NULL;
}

static int vfio_open(struct pin_op *op, bool write_memory)
{
	struct vfio *v = calloc(1, sizeof(*v));
	int err;

	if (!v)
		return pin_why(op->why, -ENOMEM, "out of memory");
	v->write_memory = write_memory;
	err = pin_vfio_open(&v->at, VFIO_TYPE1v2_IOMMU, op->why);
	if (err)
		free(v);
	else
		op->priv = v;
	return err;
}

static int open_write(struct pin_op *op)
{
	return vfio_open(op, true);
}

static int open_read(struct pin_op *op)
{
	return vfio_open(op, false);
}

uint64_t pin_vfio_again(const struct pin_kernel *k, uint64_t pins)
{
	return k->movable_memory || k->version < PIN_KVER(5, 12) ? pins : 0;
}

void pin_vfio_predict(const struct pin_op *op, bool write, struct pin_predict *p)
{
	const struct pin_access access = { .write = write, .longterm = true };
	struct pin_gup g;

	if (pin_predict_unaligned(op, op->kernel->page_size, p))
		return;
	pin_predict_all_or_nothing(op, &access, p);
	pin_mem_gup(op->mem, &access, &g);
	if (g.zero && op->kernel->version < PIN_KVER(5, 12)) {
		/*
		 * Its pins are dropped at once. Pages are pinned one by one, and
		 * twice if they do not follow upon each other in memory.
		 */
		p->acquired += g.zero - 1;
		p->released = p->acquired;
		return;
	}
	p->migrated = pin_vfio_again(op->kernel, p->acquired);
}

static void predict(const struct pin_op *op, struct pin_predict *p)
{
	pin_vfio_predict(op, ((const struct vfio *)op->priv)->write_memory, p);
}

long pin_vfio_locked_kib(pid_t pid)
{
	struct pin_statement s = { .vmlck_kib = 0 };

	pin_statement_read(pid, &s);
	return s.vmlck_kib;
}

static long pin(struct pin_op *op)
{
	struct vfio *v = op->priv;
	const unsigned int flags = VFIO_DMA_MAP_FLAG_READ |
				   (v->write_memory ? VFIO_DMA_MAP_FLAG_WRITE : 0);
	struct pin_predict want = { .acquired = 0 };
	long before = pin_vfio_locked_kib(getpid()), err;

	predict(op, &want);
	err = pin_vfio_map(&v->at, op->mem->addr, op->mem->len, PIN_VFIO_IOVA, flags);
	v->locked_kib = pin_vfio_locked_kib(getpid()) - before;
	/* What is pinned is locked: nothing if refused. */
	if (v->locked_kib != (err ? 0 : (long)(want.acquired - want.released)) *
			     (op->kernel->page_size / 1024))
		return -EUCLEAN;
	return err;
}

static long unpin(struct pin_op *op)
{
	struct vfio *v = op->priv;
	long before = pin_vfio_locked_kib(getpid()), err;
	uint64_t done;

	err = pin_vfio_unmap(&v->at, PIN_VFIO_IOVA, op->mem->len, 0, &done);
	if (err)
		return err;
	if (done != op->mem->len)
		return -EIO;
	return before - pin_vfio_locked_kib(getpid()) == v->locked_kib ? 0 : -EUCLEAN;
}

#define VFIO_PATH	"vfio_dma_do_map > vfio_pin_pages_remote > pin_user_pages_remote"

const struct pin_consumer pin_consumer_vfio_type1 = {
	.name = "vfio_type1",
	.help = "VFIO: mapped for a device that may write to it",
	.path = VFIO_PATH,
	.since = "5.6",
	.doc_case = 2,
	.needs = NEEDS,
	.held = true,
	.charged = true,
	.dirties = true,
	.probe = pin_vfio_probe,
	.open = open_write,
	.predict = predict,
	.pin = pin,
	.unpin = unpin,
	.close = vfio_close,
};

const struct pin_consumer pin_consumer_vfio_type1_read = {
	.name = "vfio_type1_read",
	.help = "VFIO: mapped for a device that only reads",
	.path = VFIO_PATH,
	.since = "5.6",
	.doc_case = 2,
	.only_read = true,
	.needs = NEEDS,
	.held = true,
	.charged = true,
	.probe = pin_vfio_probe,
	.open = open_read,
	.predict = predict,
	.pin = pin,
	.unpin = unpin,
	.close = vfio_close,
};
