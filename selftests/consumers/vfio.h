/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Containers of VFIO type 1 over devices that nobody else uses: behind an IOMMU, or
 * without hardware, as mediated devices are, of pin_helper_vfio.ko.
 */
#ifndef PIN_VFIO_H
#define PIN_VFIO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "consumer.h"

#define PIN_VFIO		"/dev/vfio/vfio"
#define PIN_VFIO_IOVA	0x10000000ull	/* a device may use memory from here on */

struct pin_vfio {
	int container, group;	/* -1: closed */
	int opened;		/* the device, if it has been opened: else -1 */
	const char *device;	/* of the group, as sysfs has it */
};

/* Take the devices: 0, or a negative errno and the reason with its cure in @why. */
int pin_vfio_probe(const struct pin_kernel *k, char *why);

/* A group of its own in a container with IOMMU @type, VFIO_TYPE1_IOMMU or the like. */
int pin_vfio_open(struct pin_vfio *v, unsigned long type, char *why);

/* The same of @group, which is closed if it fails, by @container: PIN_VFIO, or /dev/iommu. */
int pin_vfio_join(struct pin_vfio *v, const char *container, int group, unsigned long type,
		  char *why);

/* One more group that nobody has, in no container yet: a descriptor, or -errno. */
int pin_vfio_group(const char **device, char *why);

void pin_vfio_close(struct pin_vfio *v);

/*
 * The same for devices without hardware. Those that have a container of their own
 * are opened, too.
 */
int pin_vfio_mdev_probe(const struct pin_kernel *k, char *why);
int pin_vfio_mdev_open(struct pin_vfio *v, const char *container, unsigned long type, char *why);
int pin_vfio_mdev_group(const char **device, char *why);

/* The device in such a group, that has a container: a descriptor, or -errno. */
int pin_vfio_device(int group, const char *device);

/* PIN_HELPER_VFIO_IOC_... of such a device: 0 or -errno. @addr: of COPY. */
int pin_vfio_mdev(int device, unsigned long number, uint64_t iova, uint64_t len,
		  unsigned int flags, void *addr);

/* What mapping op->mem, or pinning it for such a device, does. @write: device to memory. */
void pin_vfio_predict(const struct pin_op *op, bool write, struct pin_predict *p);

/* VmLck of the process. */
long pin_vfio_locked_kib(pid_t pid);

/*
 * Up to so many of @pins pages are pinned twice: before 5.12 a page that does not
 * continue the run of those before it is given back first; and what must not stay
 * movable is migrated.
 */
uint64_t pin_vfio_again(const struct pin_kernel *k, uint64_t pins);

/* These return 0 or -errno. */
int pin_vfio_map(const struct pin_vfio *v, const void *addr, size_t len, uint64_t iova,
		 unsigned int flags);

/* *@done: bytes that were unmapped. */
int pin_vfio_unmap(const struct pin_vfio *v, uint64_t iova, uint64_t len, unsigned int flags,
		   uint64_t *done);

#endif
