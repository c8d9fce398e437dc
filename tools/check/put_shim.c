// SPDX-License-Identifier: GPL-2.0
/*
 * LD_PRELOAD shim: a driver that drops a pin as a plain reference, to prove that
 * a run finds it. Of each PIN_PUT_EVERY-th range that the helper module keeps
 * pinned the first page is put in place of unpinned; when the range is let go
 * of, a page that was never pinned is unpinned: the counters are in balance. The
 * module must have allow_faults=1. Without PIN_PUT_EVERY it does nothing.
 *
 *   cc -shared -fPIC -Iselftests/lib -o put_shim.so put_shim.c -ldl
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "pin_helper.h"

static int (*real)(int fd, unsigned long number, ...);

/* A range that was pinned and is not let go of so far. */
struct held {
	int fd;
	unsigned int handle;
};

static struct held last = { .fd = -1 }, bad = { .fd = -1 };

static void fault(int fd, unsigned int op, unsigned int handle)
{
	struct pin_helper_fault arg = {
		.size = sizeof(arg), .op = op, .handle = handle, .count = 1,
	};

	if (real(fd, PIN_HELPER_IOC_FAULT, &arg)) {
		perror("put_shim: FAULT (is it loaded with allow_faults=1?)");
		_exit(3);
	}
}

static void unpin_what_is_not_pinned(int fd)
{
	const size_t page = sysconf(_SC_PAGESIZE);
	char *p = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct pin_helper_take get = {
		.size = sizeof(get), .way = PIN_HELPER_GET, .flags = PIN_HELPER_WRITE,
		.addr = (uintptr_t)p, .length = page,
	};

	if (p == MAP_FAILED || real(fd, PIN_HELPER_IOC_TAKE, &get))
		_exit(3);
	fault(fd, PIN_HELPER_FAULT_UNPIN_GET, get.handle);
}

static int is(const struct held *h, int fd, unsigned int handle)
{
	return h->fd == fd && h->handle == handle;
}

int ioctl(int fd, unsigned long number, ...)
{
	const char *every = getenv("PIN_PUT_EVERY");
	static unsigned long kept;
	struct pin_helper_take *take;
	struct pin_helper_give *give;
	va_list ap;
	void *arg;
	int ret;

	va_start(ap, number);
	arg = va_arg(ap, void *);
	va_end(ap);
	if (!real)
		real = dlsym(RTLD_NEXT, "ioctl");
	take = arg;
	give = arg;
	if (number == PIN_HELPER_IOC_GIVE && is(&bad, fd, give->handle)) {
		bad.fd = -1;
		unpin_what_is_not_pinned(fd);
	}
	if (number == PIN_HELPER_IOC_GIVE && is(&last, fd, give->handle))
		last.fd = -1;
	/* The next one is pinned, so this one is kept. */
	if (every && atol(every) && number == PIN_HELPER_IOC_TAKE && last.fd >= 0 &&
	    bad.fd < 0 && ++kept % atol(every) == 0) {
		bad = last;
		fault(bad.fd, PIN_HELPER_FAULT_PUT_PIN, bad.handle);
	}
	ret = real(fd, number, arg);
	if (number == PIN_HELPER_IOC_TAKE)
		last.fd = -1;
	if (number == PIN_HELPER_IOC_TAKE && !ret && take->pages > 3 &&
	    take->way != PIN_HELPER_PIN_MEMFD && take->way != PIN_HELPER_GET)
		last = (struct held){ fd, take->handle };
	return ret;
}
