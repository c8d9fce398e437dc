// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "consumer.h"
#include "helper.h"

int pin_helper_call(int fd, unsigned long number, void *arg, unsigned int size)
{
	*(__u32 *)arg = size;
	return ioctl(fd, number, arg) < 0 ? -errno : 0;
}

static int open_device(char *why)
{
	int fd = open(PIN_HELPER_DEVICE, O_RDWR | O_CLOEXEC);

	if (fd >= 0)
		return fd;
	if (errno == ENOENT || errno == ENXIO || errno == ENODEV)
		return pin_why(why, -ENOENT, "no %s: load the helper module: make kmod && sudo insmod kmod-helper/pin_helper.ko",
			       PIN_HELPER_DEVICE);
	if (errno == EACCES || errno == EPERM)
		return pin_why(why, -errno, "%s is for root only", PIN_HELPER_DEVICE);
	return pin_why(why, -errno, "%s: %s", PIN_HELPER_DEVICE, strerror(errno));
}

static int open_info(struct pin_helper_info *info, char *why)
{
	int err, fd = open_device(why);

	if (fd < 0)
		return fd;
	memset(info, 0, sizeof(*info));
	err = pin_helper_info(fd, info);
	if (err)
		pin_why(why, err, "%s: %s", PIN_HELPER_DEVICE, strerror(-err));
	else if (info->abi != PIN_HELPER_ABI)
		err = pin_why(why, -EPROTO, "the helper module that is loaded has ABI %u, these tests have %u: load the one built from the same source",
			      info->abi, PIN_HELPER_ABI);
	if (!err)
		return fd;
	close(fd);
	return err;
}

int pin_helper_open(char *why)
{
	struct pin_helper_info info;

	return open_info(&info, why);
}

int pin_helper_open_for(unsigned int way, char *why)
{
	struct pin_helper_info info;
	int fd = open_info(&info, why);

	if (fd < 0 || info.ways & 1u << way)
		return fd;
	close(fd);
	return pin_why(why, -EOPNOTSUPP, "this kernel has no function for it%s",
		       way == PIN_HELPER_PIN_MEMFD ?
		       ": memfd_pin_folios() came with Linux 6.11" : "");
}

int pin_helper_take_all(int fd, unsigned int way, unsigned int flags,
			const void *addr, size_t len, unsigned int *handle)
{
	struct pin_helper_take take = {
		.way = way,
		.flags = flags,
		.addr = (uintptr_t)addr,
		.length = len,
	};
	int err = pin_helper_take(fd, &take);

	if (err)
		return err;
	*handle = take.handle;
	if (take.error)
		pin_helper_release(fd, take.handle);
	return take.error;
}

int pin_helper_give_all(int fd, unsigned int handle, unsigned int way,
			unsigned int flags)
{
	struct pin_helper_give give = {
		.handle = handle,
		.way = way,
		.flags = flags | PIN_HELPER_GIVE_REST,
	};

	return pin_helper_give(fd, &give);
}

int pin_helper_give_some(int fd, unsigned int handle, unsigned int way,
			 unsigned int flags, size_t first, size_t count)
{
	struct pin_helper_give give = {
		.handle = handle,
		.way = way,
		.flags = flags,
		.first = first,
		.count = count,
	};

	return pin_helper_give(fd, &give);
}

int pin_helper_release(int fd, unsigned int handle)
{
	struct pin_helper_close arg = { .handle = handle };

	return pin_helper_close(fd, &arg);
}

int pin_helper_fill(int fd, unsigned int handle, unsigned int flags,
		    size_t offset, size_t len, int value)
{
	struct pin_helper_dma dma = {
		.handle = handle,
		.op = PIN_HELPER_DMA_FILL,
		.flags = flags,
		.offset = offset,
		.length = len,
		.value = (unsigned char)value,
	};

	return pin_helper_dma(fd, &dma);
}

int pin_helper_peek(int fd, unsigned int handle, size_t offset)
{
	unsigned char byte = 0;
	struct pin_helper_dma dma = {
		.handle = handle,
		.op = PIN_HELPER_DMA_READ,
		.offset = offset,
		.length = 1,
		.buffer = (uintptr_t)&byte,
	};
	int err = pin_helper_dma(fd, &dma);

	return err ? err : byte;
}

static int inspect(int fd, unsigned int subject, unsigned int target,
		   uintptr_t addr, size_t nr, struct pin_helper_page *pages)
{
	struct pin_helper_inspect arg = {
		.subject = subject,
		.target = target,
		.stride = sizeof(*pages),
		.addr = addr,
		.count = nr,
		.pages = (uintptr_t)pages,
	};

	return pin_helper_inspect(fd, &arg);
}

int pin_helper_look(int fd, pid_t pid, const void *addr, size_t nr,
		    struct pin_helper_page *pages)
{
	const uintptr_t in_page = sysconf(_SC_PAGESIZE) - 1;

	return inspect(fd, PIN_HELPER_OF_RANGE, pid, (uintptr_t)addr & ~in_page, nr, pages);
}

int pin_helper_look_again(int fd, size_t nr, struct pin_helper_page *pages)
{
	return inspect(fd, PIN_HELPER_OF_PFNS, 0, 0, nr, pages);
}
