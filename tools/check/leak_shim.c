// SPDX-License-Identifier: GPL-2.0
/*
 * LD_PRELOAD shim: a consumer that really leaks pins, to prove that a run finds
 * that and says who it was. Each PIN_LEAK_EVERY-th call of process_vm_readv(2)
 * also pins a page, as a fixed buffer of a ring of its own; it is released
 * when the process ends, or with PIN_LEAK_FOR_GOOD=1 never, for the helper module
 * (allow_faults=1) forgets it. Without PIN_LEAK_EVERY it does nothing.
 *
 * PIN_LEAK_ONCE=FILE: once, a process that the program has forked pins a page more by the
 * helper module than it says; it makes the file. It is released as the process ends, before
 * that can be waited for.
 *
 *   cc -shared -fPIC -o leak_shim.so leak_shim.c -ldl
 *   LD_PRELOAD=./leak_shim.so PIN_LEAK_EVERY=100 ./program
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "../../selftests/lib/pin_helper.h"

static int (*real_ioctl)(int fd, unsigned long request, ...);
static pid_t program;

__attribute__((constructor)) static void start(void)
{
	real_ioctl = dlsym(RTLD_NEXT, "ioctl");
	program = getpid();
}

/* Returns the helper's file, which has the page. */
static int pin_by_helper(void *page, size_t size, __u32 *handle)
{
	struct pin_helper_take take = {
		.size = sizeof(take),
		.way = PIN_HELPER_PIN_FAST,
		.flags = PIN_HELPER_WRITE,
		.addr = (uintptr_t)page,
		.length = size,
	};
	int fd = open("/dev/pin_helper", O_RDWR | O_CLOEXEC);

	if (fd < 0 || real_ioctl(fd, PIN_HELPER_IOC_TAKE, &take))
		_exit(3);
	*handle = take.handle;
	return fd;
}

static void leak_for_good(void *page, size_t size)
{
	struct pin_helper_fault fault = {
		.size = sizeof(fault),
		.op = PIN_HELPER_FAULT_LEAK,
		.count = 1,
	};
	int fd = pin_by_helper(page, size, &fault.handle);

	if (real_ioctl(fd, PIN_HELPER_IOC_FAULT, &fault))
		_exit(3);
	close(fd);
}

static void leak_a_page(void)
{
	struct io_uring_params p = { 0 };
	struct iovec iov = { .iov_len = sysconf(_SC_PAGESIZE) };
	int fd = syscall(__NR_io_uring_setup, 1, &p);

	iov.iov_base = mmap(NULL, iov.iov_len, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (iov.iov_base != MAP_FAILED && getenv("PIN_LEAK_FOR_GOOD")) {
		leak_for_good(iov.iov_base, iov.iov_len);
		close(fd);
		return;
	}
	if (fd < 0 || iov.iov_base == MAP_FAILED ||
	    syscall(__NR_io_uring_register, fd, IORING_REGISTER_BUFFERS, &iov, 1))
		_exit(3);
}

ssize_t process_vm_readv(pid_t pid, const struct iovec *local, unsigned long nr_local,
			 const struct iovec *remote, unsigned long nr_remote,
			 unsigned long flags)
{
	static ssize_t (*real)(pid_t, const struct iovec *, unsigned long,
			       const struct iovec *, unsigned long, unsigned long);
	const char *every = getenv("PIN_LEAK_EVERY");
	static unsigned long calls;

	if (!real)
		real = dlsym(RTLD_NEXT, "process_vm_readv");
	if (every && atol(every) && ++calls % atol(every) == 0)
		leak_a_page();
	return real(pid, local, nr_local, remote, nr_remote, flags);
}

int ioctl(int fd, unsigned long request, ...)
{
	const char *once = getenv("PIN_LEAK_ONCE");
	__u32 handle;
	void *arg, *page;
	va_list ap;
	int file;

	va_start(ap, request);
	arg = va_arg(ap, void *);
	va_end(ap);
	if (request != PIN_HELPER_IOC_TAKE || !once || getpid() == program)
		return real_ioctl(fd, request, arg);
	file = open(once, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
	if (file >= 0) {
		close(file);
		page = mmap(NULL, sysconf(_SC_PAGESIZE), PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (page == MAP_FAILED)
			_exit(3);
		pin_by_helper(page, sysconf(_SC_PAGESIZE), &handle);
	}
	return real_ioctl(fd, request, arg);
}
