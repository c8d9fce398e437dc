// SPDX-License-Identifier: GPL-2.0
/*
 * Pins PAGES pages in one of several ways, says "pinned PID", and then sleeps.
 *
 *   pin_by uring PAGES SECONDS        a fixed buffer, held
 *   pin_by orphan PAGES SECONDS       the same, by a child that is gone at once
 *   pin_by two_ways PAGES SECONDS     16 fixed buffers, in turns with as many by another call
 *   pin_by xdp PAGES SECONDS          an AF_XDP umem, held
 *   pin_by udmabuf PAGES SECONDS      a udmabuf on a memfd, held
 *   pin_by process_vm PAGES SECONDS   for a moment, before it sleeps
 *   pin_by read PAGES SECONDS FILE    the same, by a direct read
 *   pin_by aio PAGES SECONDS FILE     a direct read, not waited for
 *   pin_by loop_uring PAGES CALLS     fixed buffers; says what CPU time a call takes
 *   pin_by loop_read PAGES CALLS FILE the same, direct reads
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <linux/if_xdp.h>
#include <linux/io_uring.h>
#include <linux/udmabuf.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SKIP 77

static char *new_buffer(size_t size)
{
	char *buf = mmap(NULL, size, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (buf == MAP_FAILED)
		return NULL;
	/* One pin a page, whatever the THP setting. */
	madvise(buf, size, MADV_NOHUGEPAGE);
	memset(buf, 1, size);
	return buf;
}

static int new_ring(void)
{
	struct io_uring_params p = { 0 };

	return syscall(__NR_io_uring_setup, 1, &p);
}

static int pin_uring(int fd, char *buf, size_t size)
{
	struct iovec iov = { buf, size };

	if (fd < 0)
		return -1;
	return syscall(__NR_io_uring_register, fd, IORING_REGISTER_BUFFERS,
		       &iov, 1);
}

#define TURNS 16

/* Both by pin_user_pages_fast(), but not from the same function. */
static int pin_two_ways(char *buf, size_t size)
{
	struct io_uring_rsrc_register slots = {
		.nr = TURNS,
		.flags = IORING_RSRC_REGISTER_SPARSE,
	};
	struct iovec iov = { buf, size };
	struct io_uring_rsrc_update2 update = {
		.data = (uintptr_t)&iov,
		.nr = 1,
	};
	int fd = new_ring();

	if (syscall(__NR_io_uring_register, fd, IORING_REGISTER_BUFFERS2,
		    &slots, sizeof(slots)))
		return -1;
	for (; update.offset < TURNS; update.offset++) {
		if (pin_uring(new_ring(), buf, size) ||
		    syscall(__NR_io_uring_register, fd,
			    IORING_REGISTER_BUFFERS_UPDATE, &update,
			    sizeof(update)) != 1)
			return -1;
	}
	return 0;
}

static int pin_orphan(char *buf, size_t size)
{
	int fd = new_ring(), status;
	pid_t pid = fork();

	if (!pid)
		_exit(pin_uring(fd, buf, size) ? 1 : 0);
	return waitpid(pid, &status, 0) == pid && !status ? 0 : -1;
}

static int pin_xdp(char *buf, size_t size)
{
	struct xdp_umem_reg umem = {
		.addr = (uintptr_t)buf,
		.len = size,
		.chunk_size = 2048,
	};
	int fd = socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -1;
	return setsockopt(fd, SOL_XDP, XDP_UMEM_REG, &umem, sizeof(umem));
}

static int pin_udmabuf(size_t size)
{
	struct udmabuf_create create = { .size = size };
	int dev = open("/dev/udmabuf", O_RDWR | O_CLOEXEC);

	create.memfd = memfd_create("pin_by", MFD_ALLOW_SEALING);
	if (dev < 0 || ftruncate(create.memfd, size) ||
	    fcntl(create.memfd, F_ADD_SEALS, F_SEAL_SHRINK))
		return -1;
	return ioctl(dev, UDMABUF_CREATE, &create) < 0 ? -1 : 0;
}

static int pin_process_vm(char *buf, size_t size)
{
	struct iovec from = { buf, size }, to = { malloc(size), size };

	if (!to.iov_base)
		return -1;
	return process_vm_readv(getpid(), &to, 1, &from, 1, 0) == (ssize_t)size ?
		       0 :
		       -1;
}

static int pin_read(char *buf, size_t size, const char *file)
{
	int fd = open(file, O_RDONLY | O_DIRECT | O_CLOEXEC);

	if (fd < 0)
		return -1;
	return pread(fd, buf, size, 0) == (ssize_t)size ? 0 : -1;
}

static int pin_aio(char *buf, size_t size, const char *file)
{
	static struct iocb cb;
	struct iocb *list = &cb;
	aio_context_t ctx = 0;

	cb.aio_fildes = open(file, O_RDONLY | O_DIRECT | O_CLOEXEC);
	if ((int)cb.aio_fildes < 0)
		return -1;
	cb.aio_lio_opcode = IOCB_CMD_PREAD;
	cb.aio_buf = (uintptr_t)buf;
	cb.aio_nbytes = size;
	if (syscall(__NR_io_setup, 1, &ctx))
		return -1;
	return syscall(__NR_io_submit, ctx, 1, &list) == 1 ? 0 : -1;
}

static int again_uring(int fd, char *buf, size_t size)
{
	return pin_uring(fd, buf, size) ||
	       syscall(__NR_io_uring_register, fd, IORING_UNREGISTER_BUFFERS,
		       NULL, 0);
}

static int again_read(int fd, char *buf, size_t size)
{
	return pread(fd, buf, size, 0) != (ssize_t)size;
}

static int loop(int (*again)(int fd, char *buf, size_t size), int fd, char *buf,
		size_t size, unsigned long calls)
{
	struct timespec from, to;
	unsigned long i;

	if (fd < 0 || again(fd, buf, size))
		return -1;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &from);
	for (i = 0; i < calls; i++) {
		if (again(fd, buf, size))
			return -1;
	}
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &to);
	printf("%.0f ns a call\n",
	       ((to.tv_sec - from.tv_sec) * 1e9 + to.tv_nsec - from.tv_nsec) /
		       calls);
	return 0;
}

static int loop_uring(char *buf, size_t size, unsigned long calls)
{
	return loop(again_uring, new_ring(), buf, size, calls);
}

static int loop_read(char *buf, size_t size, unsigned long calls,
		     const char *file)
{
	return loop(again_read, open(file, O_RDONLY | O_DIRECT | O_CLOEXEC),
		    buf, size, calls);
}

static int pin(const char *way, char *buf, size_t size, const char *file)
{
	if (!strcmp(way, "uring"))
		return pin_uring(new_ring(), buf, size);
	if (!strcmp(way, "two_ways"))
		return pin_two_ways(buf, size);
	if (!strcmp(way, "orphan"))
		return pin_orphan(buf, size);
	if (!strcmp(way, "xdp"))
		return pin_xdp(buf, size);
	if (!strcmp(way, "udmabuf"))
		return pin_udmabuf(size);
	if (!strcmp(way, "process_vm"))
		return pin_process_vm(buf, size);
	if (!strcmp(way, "read") && file)
		return pin_read(buf, size, file);
	if (!strcmp(way, "aio") && file)
		return pin_aio(buf, size, file);
	errno = EINVAL;
	return -1;
}

int main(int argc, char **argv)
{
	unsigned long n;
	size_t size;
	char *buf;
	int err;

	if (argc < 4)
		return 2;
	size = strtoul(argv[2], NULL, 10) * sysconf(_SC_PAGESIZE);
	n = strtoul(argv[3], NULL, 10);
	buf = new_buffer(size);
	if (!buf)
		err = -1;
	else if (!strcmp(argv[1], "loop_uring"))
		err = loop_uring(buf, size, n);
	else if (!strcmp(argv[1], "loop_read") && argv[4])
		err = loop_read(buf, size, n, argv[4]);
	else
		err = pin(argv[1], buf, size, argv[4]);
	if (err) {
		fprintf(stderr, "%s: %s\n", argv[1], strerror(errno));
		return SKIP;
	}
	if (!strncmp(argv[1], "loop", 4))
		return 0;
	printf("pinned %d\n", getpid());
	fflush(stdout);
	sleep(n);
	return 0;
}
