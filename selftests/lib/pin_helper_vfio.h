/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * pin_helper_vfio.ko: devices of VFIO without hardware, as mediated devices are.
 * They pin what user space has mapped for them in the container of their group.
 * This header is shared by the module (kmod-helper/vfio/) and by user space.
 *
 * Conventions are those of pin_helper.h. These are ioctls of the device, which
 * VFIO_GROUP_GET_DEVICE_FD or VFIO_DEVICE_BIND_IOMMUFD opens by the name that it
 * has in sysfs, and all need CAP_SYS_ADMIN (EPERM).
 *
 * What VFIO answers is handed on: EINVAL: not mapped, or no container that pins;
 * EPERM: mapped for less; ENOMEM: RLIMIT_MEMLOCK of the process that mapped it;
 * EFAULT: no memory there.
 */
#ifndef PIN_HELPER_VFIO_H
#define PIN_HELPER_VFIO_H

#include <linux/ioctl.h>
#include <linux/types.h>

/* The devices, from 0 on, in sysfs; each is in a group of its own. */
#define PIN_HELPER_VFIO_DEVICES	"/sys/bus/platform/devices/"
#define PIN_HELPER_VFIO_NAME	"pin_helper_vfio"

#define PIN_HELPER_VFIO_READ	(1u << 0)	/* the device reads memory */
#define PIN_HELPER_VFIO_WRITE	(1u << 1)	/* the device writes to it */

struct pin_helper_vfio {
	__u32 size;
	__u32 flags;
	__u64 iova;
	__u64 length;
	__u64 addr;		/* of COPY: the caller's memory; else 0 */
	__u64 held;		/* out: pages that the device has pinned, each as often as it has */
};

/*
 * Pin the whole pages [iova, iova + length), all or none, with one flag or both.
 * Ranges may overlap, and be pinned again: each is one to let go of. EDQUOT: more
 * pages than the module's parameter max_pages allows.
 */
#define PIN_HELPER_VFIO_IOC_PIN		_IO(0xb7, 0x20)

/*
 * Let go of a range that was pinned, exactly as it was. No flags. When user space
 * unmaps memory, the device lets go of all ranges that touch it; when the last
 * descriptor of the device is closed, of everything.
 */
#define PIN_HELPER_VFIO_IOC_UNPIN	_IO(0xb7, 0x21)

/* Copy up to a page from iova to addr (READ), or the other way (WRITE): no pins. */
#define PIN_HELPER_VFIO_IOC_COPY	_IO(0xb7, 0x22)

#endif
