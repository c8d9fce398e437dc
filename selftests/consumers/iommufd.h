/* SPDX-License-Identifier: GPL-2.0 */
/* I/O address spaces of iommufd, with devices and drivers of the kernel's own test. */
#ifndef PIN_IOMMUFD_H
#define PIN_IOMMUFD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "consumer.h"

#define PIN_IOMMUFD		"/dev/iommu"
#define PIN_IOMMUFD_IOVA	(1ull << 24)	/* where the test's domains begin */
#define PIN_IOMMUFD_LISTS	65536	/* more than needed, see pin_iommufd_limit() */

struct pin_iommufd_space {
	uint32_t ioas, device, hwpt;
	uint32_t bound;		/* the device, as iommufd knows it */
};

/* 0, or a negative errno and the reason with its cure in @why. */
int pin_iommufd_probe(const struct pin_kernel *k, char *why);

/* Can files be mapped? The same. */
int pin_iommufd_probe_file(char *why);

/* What pinning op->mem, mapped by its file, does: in units of @grain bytes. */
void pin_iommufd_predict_file(const struct pin_op *op, size_t grain, struct pin_predict *p);

/* All of these return 0 or -errno; @fd is /dev/iommu. */

/*
 * What iommufd may allocate at once for its lists of pages: little, and it pins
 * two, and enters one of them, or a run of them that are contiguous. It is the
 * same for all, and whoever begins sets it.
 */
int pin_iommufd_limit(int fd, unsigned int bytes);

/* <linux/iommufd.h> has the options; @object: what it is for, or 0. */
int pin_iommufd_option(int fd, uint32_t option, uint32_t object, uint64_t value);

/* The space that VFIO's ioctls are for, which /dev/iommu knows, too. */
int pin_iommufd_for_vfio(int fd, uint32_t ioas);
int pin_iommufd_of_vfio(int fd, uint32_t *ioas);

int pin_iommufd_space(int fd, struct pin_iommufd_space *s);

/* One more device for a space; *@s tells of the last one. */
int pin_iommufd_attach(int fd, struct pin_iommufd_space *s);

/* A domain apart from that of the last device, which remains. */
int pin_iommufd_domain(int fd, struct pin_iommufd_space *s, uint32_t flags);

/* The same, that notes what its device writes to (6.7), and what it has noted. */
int pin_iommufd_tracking(int fd, struct pin_iommufd_space *s);

/* The device writes to one of its own pages, of half the size of a page, at @iova. */
int pin_iommufd_written(const struct pin_kernel *k, int fd, uint32_t hwpt, uint64_t iova);

/* Sets bits for what was written to from @iova on: a bit of @bitmap for each byte. */
int pin_iommufd_bitmap(int fd, uint32_t hwpt, uint64_t iova, void *bitmap, size_t bytes);

/* A device, a domain or a space. */
int pin_iommufd_destroy(int fd, uint32_t id);

int pin_iommufd_map(int fd, uint32_t ioas, const void *addr, size_t len, uint64_t iova,
		    bool write);

/* The same of a memfd, from byte @start on (6.13). */
int pin_iommufd_map_file(int fd, uint32_t ioas, int memfd, uint64_t start, size_t len,
			 uint64_t iova, bool write);

/* What is mapped from @from_iova on in the space @from, in the space @to as well. */
int pin_iommufd_map_copy(int fd, uint32_t from, uint64_t from_iova, size_t len, uint32_t to,
			 uint64_t to_iova, bool write);

/* What is mapped of files, in all spaces, is the caller's from now on (6.14). */
int pin_iommufd_take_over(int fd);

/* A guest's IOMMU for the last device, over a domain of its own. */
int pin_iommufd_guest(int fd, struct pin_iommufd_space *s, uint32_t *guest);

/* A queue of the guest's, in what is mapped for it from @iova on (6.17). */
int pin_iommufd_queue(int fd, uint32_t guest, uint32_t index, uint64_t iova, size_t len,
		      uint32_t *queue);

int pin_iommufd_unmap(int fd, uint32_t ioas, uint64_t iova, uint64_t len);
int pin_iommufd_unmap_all(int fd, uint32_t ioas);

/* Does a device see at @iova the pages that are at @addr? */
int pin_iommufd_check(int fd, uint32_t hwpt, const void *addr, size_t len, uint64_t iova);

/* A driver: its descriptor. One that holds no pages takes any address. */
int pin_iommufd_driver(int fd, uint32_t ioas, bool holds);

/* It gets another space, and lets go of what it has of its own (6.6). */
int pin_iommufd_give(int fd, int driver, uint32_t ioas);

/* It pins what is at @addr for user space and at @iova for it; *@pages is for the way back. */
int pin_iommufd_access(int fd, int driver, const void *addr, size_t len, uint64_t iova,
		       uint32_t *pages);
int pin_iommufd_unaccess(int fd, int driver, uint32_t pages);

/*
 * It copies @len bytes from @data to @iova, or the other way round, as if the
 * memory there were another process's: through pins.
 */
int pin_iommufd_copy(int fd, int driver, uint64_t iova, void *data, size_t len, bool write);

#endif
