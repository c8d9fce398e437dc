/* SPDX-License-Identifier: GPL-2.0 */
/* NVMe namespaces that may be overwritten. */
#ifndef PIN_NVME_H
#define PIN_NVME_H

#include <stddef.h>
#include <stdint.h>

#include "consumer.h"

#define PIN_NVME_BEYOND	(1ull << 48)	/* block: no namespace is that large */

/*
 * The block device that environment variable @variable names, and its character
 * device: "nvme0n1" has "ng0n1". 0, or -errno and in @why how to get one, with
 * QEMU's options @qemu.
 */
int pin_nvme_scratch(const char *variable, const char *qemu, char *disk, char *chr,
		     size_t len, char *why);

/* Is it there, and not in use? */
int pin_nvme_probe(const char *variable, const char *qemu, char *why);

/*
 * Read into @m, by ioctl or by io_uring, from behind the end of that namespace: what
 * comes of it in *@result. -errno and @why if it cannot be tried here.
 */
int pin_nvme_read_beyond(const struct pin_mem *m, bool uring, long *result, char *why);

/* So many pages that lie apart a command there may have; or -errno and @why. */
int pin_nvme_segments(const struct pin_kernel *k, char *why);

/*
 * The same of the metadata, into @m, with as much data as belongs to it, which has
 * *@data_pages of its own. After the probe of nvme_meta_read. Until the program's end the
 * disk has @scheduler.
 */
int pin_nvme_meta_read_beyond(const struct pin_mem *m, const char *scheduler,
			      unsigned int *data_pages, long *result, char *why);

enum pin_nvme_transfer {
	PIN_NVME_READ,
	PIN_NVME_WRITE,
	PIN_NVME_FAILS,		/* a read that the disk answers with an error */
};

/*
 * Read or write the metadata @m of the block device by io_uring, in one request, with as
 * much data as belongs to it: *@pins pages are pinned for that, and *@result is 0 or what
 * the request came to. After the probe of uring_meta_read. -errno and @why if it cannot be
 * tried here.
 */
int pin_nvme_meta_uring(const struct pin_mem *m, enum pin_nvme_transfer what, uint64_t *pins,
			long *result, char *why);

/*
 * Make @op one whose op->mem is read by io_uring, from block @first on, on a ring that
 * asks for completions itself: what it has read is not done before it is waited for.
 * 0, or -errno and op->why.
 */
int pin_nvme_open_polled(struct pin_op *op, uint64_t first);
void pin_nvme_close(struct pin_op *op);

/*
 * With such an op, or one of uring_nvme_fixed that is pinned: read into the buffer's end,
 * without waiting; is that done? and wait for it. 0 or -errno.
 */
long pin_nvme_start(struct pin_op *op);
bool pin_nvme_done(const struct pin_op *op);
long pin_nvme_wait(struct pin_op *op);

#endif
