/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Client of /dev/pin_helper, the test module in kmod-helper/. What its calls
 * take and give stands in pin_helper.h; here each returns 0 or -errno.
 */
#ifndef PIN_HELPER_CLIENT_H
#define PIN_HELPER_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "pin_helper.h"

/* A descriptor, or -errno and in @why the reason and the cure. */
int pin_helper_open(char *why);

/* The same, if this kernel can take pages in @way (enum pin_helper_way). */
int pin_helper_open_for(unsigned int way, char *why);

/* Set the size, the first member of all of them, and call. */
int pin_helper_call(int fd, unsigned long number, void *arg, unsigned int size);

#define PIN_HELPER_CALL(name, number)						\
static inline int pin_helper_##name(int fd, struct pin_helper_##name *arg)	\
{										\
	return pin_helper_call(fd, number, arg, sizeof(*arg));			\
}

PIN_HELPER_CALL(info, PIN_HELPER_IOC_INFO)
PIN_HELPER_CALL(take, PIN_HELPER_IOC_TAKE)
PIN_HELPER_CALL(give, PIN_HELPER_IOC_GIVE)
PIN_HELPER_CALL(close, PIN_HELPER_IOC_CLOSE)
PIN_HELPER_CALL(dma, PIN_HELPER_IOC_DMA)
PIN_HELPER_CALL(wait, PIN_HELPER_IOC_WAIT)
PIN_HELPER_CALL(touch, PIN_HELPER_IOC_TOUCH)
PIN_HELPER_CALL(inspect, PIN_HELPER_IOC_INSPECT)
PIN_HELPER_CALL(scan, PIN_HELPER_IOC_SCAN)
PIN_HELPER_CALL(mirror, PIN_HELPER_IOC_MIRROR)
PIN_HELPER_CALL(mirror_map, PIN_HELPER_IOC_MIRROR_MAP)
PIN_HELPER_CALL(mirror_busy, PIN_HELPER_IOC_MIRROR_BUSY)
PIN_HELPER_CALL(mirror_stat, PIN_HELPER_IOC_MIRROR_STAT)
PIN_HELPER_CALL(fault, PIN_HELPER_IOC_FAULT)
PIN_HELPER_CALL(repair, PIN_HELPER_IOC_REPAIR)

#undef PIN_HELPER_CALL

/* Take the pages of [addr, addr + len) of this process, all of them or none. */
int pin_helper_take_all(int fd, unsigned int way, unsigned int flags,
			const void *addr, size_t len, unsigned int *handle);

/* Let go of all that @handle still holds. */
int pin_helper_give_all(int fd, unsigned int handle, unsigned int way,
			unsigned int flags);

/* Let go of @count pages, or folios, from @first on. */
int pin_helper_give_some(int fd, unsigned int handle, unsigned int way,
			 unsigned int flags, size_t first, size_t count);

int pin_helper_release(int fd, unsigned int handle);

/* The device puts @value into every byte of that part of the memory. */
int pin_helper_fill(int fd, unsigned int handle, unsigned int flags,
		    size_t offset, size_t len, int value);

/* The byte at @offset as the device sees it, or -errno. */
int pin_helper_peek(int fd, unsigned int handle, size_t offset);

/* Look at @nr pages of process @pid (0: this one), the first has @addr in it. */
int pin_helper_look(int fd, pid_t pid, const void *addr, size_t nr,
		    struct pin_helper_page *pages);

/* Look again at the pages whose pfn stands in @pages. */
int pin_helper_look_again(int fd, size_t nr, struct pin_helper_page *pages);

#endif
