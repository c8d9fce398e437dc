// SPDX-License-Identifier: GPL-2.0
/*
 * Bad addresses and lengths: the error paths, where pins are forgotten. Each
 * call says what it must return and how many pages it pins and gives back on
 * the way; nothing may stay.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "consumers/af_alg.h"
#include "consumers/dio.h"
#include "consumers/uring.h"
#include "consumers/xdp.h"
#include "suite.h"

#define PAGES	32	/* of good memory; the page behind is not mapped */

struct bench {
	const struct pin_kernel *k;
	long page;
	char *good;		/* PAGES pages, written */
	char *spare;		/* PAGES pages more, for the other side */
	char *readonly;		/* PAGES pages mapped PROT_READ */
	char *none;		/* PAGES pages mapped PROT_NONE */
};

/* What it took: fill in the prediction, do it, return what came back. */
struct bad {
	const char *name;
	long (*call)(const struct bench *b, struct pin_predict *want);
};

static char *kernel_address(void)
{
	return (char *)(UINTPTR_MAX - (1ul << 20) + 1);
}

static void want(struct pin_predict *p, uint64_t pinned, long result)
{
	p->acquired = pinned;
	p->released = pinned;
	p->result = result;
	p->or_result = result;
}

static long result_of(long n)
{
	return n < 0 ? -errno : n;
}

static long vm(bool write, struct iovec *local, int nl, struct iovec *remote, int nr)
{
	return result_of(write ? process_vm_writev(getpid(), local, nl, remote, nr, 0) :
				 process_vm_readv(getpid(), local, nl, remote, nr, 0));
}

/* --- process_vm_readv and process_vm_writev --- */

static long vm_remote_unmapped(const struct bench *b, struct pin_predict *p)
{
	struct iovec local = { b->spare, b->page };
	struct iovec remote = { b->good + PAGES * b->page, b->page };

	want(p, 0, -EFAULT);
	return vm(false, &local, 1, &remote, 1);
}

static long vm_remote_ends(const struct bench *b, struct pin_predict *p)
{
	struct iovec local = { b->spare, 4 * b->page };
	struct iovec remote = { b->good + (PAGES - 2) * b->page, 4 * b->page };

	want(p, 2, 2 * b->page);
	return vm(false, &local, 1, &remote, 1);
}

static long vm_second_remote_bad(const struct bench *b, struct pin_predict *p)
{
	struct iovec local = { b->spare, 6 * b->page };
	struct iovec remote[] = {
		{ b->good, 3 * b->page },
		{ b->good + PAGES * b->page, b->page },
		{ b->good, b->page },
	};

	want(p, 3, 3 * b->page);
	return vm(false, &local, 1, remote, 3);
}

/* The pages are pinned before the copy finds its own side missing. */
static long vm_local_unmapped(const struct bench *b, struct pin_predict *p)
{
	struct iovec local = { b->good + PAGES * b->page, 8 * b->page };
	struct iovec remote = { b->spare, 8 * b->page };

	want(p, 8, -EFAULT);
	return vm(false, &local, 1, &remote, 1);
}

static long vm_local_ends(const struct bench *b, struct pin_predict *p)
{
	struct iovec local = { b->good + (PAGES - 3) * b->page, 8 * b->page };
	struct iovec remote = { b->spare, 8 * b->page };

	want(p, 8, 3 * b->page);
	return vm(false, &local, 1, &remote, 1);
}

static long vm_write_local_ends(const struct bench *b, struct pin_predict *p)
{
	struct iovec local = { b->good + (PAGES - 3) * b->page, 8 * b->page };
	struct iovec remote = { b->spare, 8 * b->page };

	want(p, 8, 3 * b->page);
	return vm(true, &local, 1, &remote, 1);
}

static long vm_write_readonly(const struct bench *b, struct pin_predict *p)
{
	struct iovec local = { b->spare, 8 * b->page };
	struct iovec remote = { b->readonly, 8 * b->page };

	want(p, 0, -EFAULT);
	return vm(true, &local, 1, &remote, 1);
}

static long vm_none(const struct bench *b, struct pin_predict *p)
{
	struct iovec local = { b->spare, 8 * b->page };
	struct iovec remote = { b->none, 8 * b->page };

	want(p, 0, -EFAULT);
	return vm(false, &local, 1, &remote, 1);
}

static long vm_kernel(const struct bench *b, struct pin_predict *p)
{
	struct iovec local = { b->spare, b->page };
	struct iovec remote = { kernel_address(), b->page };

	want(p, 0, -EFAULT);
	return vm(false, &local, 1, &remote, 1);
}

static long vm_lengths_differ(const struct bench *b, struct pin_predict *p)
{
	struct iovec local = { b->spare, 10 };
	struct iovec remote = { b->good, 8 * b->page };

	/* The whole remote vector is pinned, however little is wanted of it. */
	want(p, 8, 10);
	return vm(false, &local, 1, &remote, 1);
}

static long vm_too_many(const struct bench *b, struct pin_predict *p)
{
	struct iovec local = { b->spare, 1 };
	static struct iovec remote[IOV_MAX + 1];

	want(p, 0, -EINVAL);
	return vm(false, &local, 1, remote, IOV_MAX + 1);
}

/* --- O_DIRECT on the file system at hand --- */

static long dio(const struct bench *b, bool write, struct iovec *iov, int n, off_t at)
{
	char why[PIN_WHY_LEN];
	int fd = pin_dio_file(PAGES * b->page, why);
	long got;

	if (fd < 0)
		return -ENOTBLK;
	got = result_of(write ? pwritev(fd, iov, n, at) : preadv(fd, iov, n, at));
	close(fd);
	return got;
}

static unsigned int dio_pins(const struct bench *b, unsigned int pages)
{
	return b->k->dio_pins ? pages : 0;
}

static long dio_unmapped(const struct bench *b, struct pin_predict *p)
{
	struct iovec iov = { b->good + PAGES * b->page, b->page };

	want(p, 0, -EFAULT);
	return dio(b, false, &iov, 1, 0);
}

static long dio_second_unmapped(const struct bench *b, struct pin_predict *p)
{
	struct iovec iov[] = {
		{ b->good, 3 * b->page },
		{ b->good + PAGES * b->page, b->page },
	};

	want(p, dio_pins(b, 3), -EFAULT);
	p->or_result = 3 * b->page;
	return dio(b, true, iov, 2, 0);
}

static long dio_readonly(const struct bench *b, struct pin_predict *p)
{
	struct iovec iov = { b->readonly, 4 * b->page };

	want(p, 0, -EFAULT);
	return dio(b, false, &iov, 1, 0);
}

static long dio_none(const struct bench *b, struct pin_predict *p)
{
	struct iovec iov = { b->none, 4 * b->page };

	want(p, 0, -EFAULT);
	return dio(b, true, &iov, 1, 0);
}

static long dio_kernel(const struct bench *b, struct pin_predict *p)
{
	struct iovec iov = { kernel_address(), b->page };

	want(p, 0, -EFAULT);
	return dio(b, false, &iov, 1, 0);
}

static long dio_zero_length(const struct bench *b, struct pin_predict *p)
{
	struct iovec iov = { b->good, 0 };

	want(p, 0, 0);
	return dio(b, false, &iov, 1, 0);
}

/* --- io_uring fixed buffers; sequences of them are in uring_test --- */

static long reg(void *addr, size_t len)
{
	struct iovec iov = { addr, len };
	struct io_uring ring;
	long err = io_uring_queue_init(4, &ring, 0);

	if (err)
		return -ENOTBLK;
	err = io_uring_register_buffers(&ring, &iov, 1);
	io_uring_queue_exit(&ring);
	return err;
}

static long uring_unmapped(const struct bench *b, struct pin_predict *p)
{
	want(p, 0, -EFAULT);
	return reg(b->good + PAGES * b->page, b->page);
}

static long uring_ends(const struct bench *b, struct pin_predict *p)
{
	want(p, 5, -EFAULT);
	return reg(b->good + (PAGES - 5) * b->page, 8 * b->page);
}

static long uring_none(const struct bench *b, struct pin_predict *p)
{
	want(p, 0, -EFAULT);
	return reg(b->none, 4 * b->page);
}

static long uring_kernel(const struct bench *b, struct pin_predict *p)
{
	want(p, 0, -EFAULT);
	return reg(kernel_address(), b->page);
}

static long uring_wraps(const struct bench *b, struct pin_predict *p)
{
	want(p, 0, -EOVERFLOW);
	return reg((char *)UINTPTR_MAX - b->page, 2 * b->page);
}

static long uring_no_length(const struct bench *b, struct pin_predict *p)
{
	want(p, 0, -EFAULT);
	return reg(b->good, 0);
}

/* --- AF_XDP --- */

static long xdp(const struct xdp_umem_reg *reg)
{
	int fd = socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0);
	long err;

	if (fd < 0)
		return -ENOTBLK;
	err = setsockopt(fd, SOL_XDP, XDP_UMEM_REG, reg, sizeof(*reg)) ? -errno : 0;
	close(fd);
	return err;
}

static long xdp_ends(const struct bench *b, struct pin_predict *p)
{
	const struct xdp_umem_reg reg = {
		.addr = (uintptr_t)(b->good + (PAGES - 5) * b->page),
		.len = 8 * b->page, .chunk_size = 2048,
	};

	want(p, 5, -ENOMEM);
	return xdp(&reg);
}

static long xdp_unmapped(const struct bench *b, struct pin_predict *p)
{
	const struct xdp_umem_reg reg = {
		.addr = (uintptr_t)(b->good + PAGES * b->page),
		.len = b->page, .chunk_size = 2048,
	};

	want(p, 0, -EFAULT);
	return xdp(&reg);
}

static long xdp_no_length(const struct bench *b, struct pin_predict *p)
{
	const struct xdp_umem_reg reg = {
		.addr = (uintptr_t)b->good, .chunk_size = 2048,
	};

	want(p, 0, -EINVAL);
	return xdp(&reg);
}

static long xdp_wraps(const struct bench *b, struct pin_predict *p)
{
	const struct xdp_umem_reg reg = {
		.addr = -(uint64_t)b->page, .len = 4 * b->page, .chunk_size = 2048,
	};

	want(p, 0, -EINVAL);
	return xdp(&reg);
}

static long xdp_chunk(const struct bench *b, struct pin_predict *p)
{
	const struct xdp_umem_reg reg = {
		.addr = (uintptr_t)b->good, .len = 4 * b->page, .chunk_size = 100,
	};

	want(p, 0, -EINVAL);
	return xdp(&reg);
}

static long xdp_headroom(const struct bench *b, struct pin_predict *p)
{
	const struct xdp_umem_reg reg = {
		.addr = (uintptr_t)b->good, .len = 4 * b->page, .chunk_size = 2048,
		.headroom = 2048,
	};

	want(p, 0, -EINVAL);
	return xdp(&reg);
}

/* A socket has one umem. */
static long xdp_again(const struct bench *b, struct pin_predict *p)
{
	const struct xdp_umem_reg reg = {
		.addr = (uintptr_t)b->good, .len = 4 * b->page, .chunk_size = 2048,
	};
	int fd = socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0);
	long err;

	if (fd < 0)
		return -ENOTBLK;
	want(p, 4, -EBUSY);
	p->migrated = b->k->movable_memory ? 4 : 0;
	err = setsockopt(fd, SOL_XDP, XDP_UMEM_REG, &reg, sizeof(reg)) ||
	      setsockopt(fd, SOL_XDP, XDP_UMEM_REG, &reg, sizeof(reg)) ? -errno : 0;
	close(fd);
	return err;
}

/* --- AF_ALG --- */

/* The result is pinned before the cipher finds that the data was tampered with. */
static long aead_wrong_tag(const struct bench *b, struct pin_predict *p)
{
	char why[PIN_WHY_LEN];
	long result;

	want(p, dio_pins(b, 4), -EBADMSG);
	return pin_alg_wrong_tag(b->good, 4 * b->page, &result, why) ? -ENOTBLK : result;
}

static const struct bad list[] = {
	{ "process_vm.remote_unmapped", vm_remote_unmapped },
	{ "process_vm.remote_ends", vm_remote_ends },
	{ "process_vm.second_remote_bad", vm_second_remote_bad },
	{ "process_vm.local_unmapped", vm_local_unmapped },
	{ "process_vm.local_ends", vm_local_ends },
	{ "process_vm.write_local_ends", vm_write_local_ends },
	{ "process_vm.write_readonly", vm_write_readonly },
	{ "process_vm.prot_none", vm_none },
	{ "process_vm.kernel_address", vm_kernel },
	{ "process_vm.lengths_differ", vm_lengths_differ },
	{ "process_vm.too_many", vm_too_many },
	{ "dio.unmapped", dio_unmapped },
	{ "dio.second_unmapped", dio_second_unmapped },
	{ "dio.readonly", dio_readonly },
	{ "dio.prot_none", dio_none },
	{ "dio.kernel_address", dio_kernel },
	{ "dio.zero_length", dio_zero_length },
	{ "uring_buffers.unmapped", uring_unmapped },
	{ "uring_buffers.ends", uring_ends },
	{ "uring_buffers.prot_none", uring_none },
	{ "uring_buffers.kernel_address", uring_kernel },
	{ "uring_buffers.wraps", uring_wraps },
	{ "uring_buffers.zero_length", uring_no_length },
	{ "xdp_umem.unmapped", xdp_unmapped },
	{ "xdp_umem.ends", xdp_ends },
	{ "xdp_umem.zero_length", xdp_no_length },
	{ "xdp_umem.wraps", xdp_wraps },
	{ "xdp_umem.odd_chunk", xdp_chunk },
	{ "xdp_umem.all_headroom", xdp_headroom },
	{ "xdp_umem.again", xdp_again },
	{ "af_alg_aead.wrong_tag", aead_wrong_tag },
};

static char *map_block(const struct bench *b, int prot)
{
	/* One page more, unmapped again: nothing must come to lie behind. */
	size_t len = PAGES * b->page;
	char *p = mmap(NULL, len + b->page, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return NULL;
	madvise(p, len, MADV_NOHUGEPAGE);
	memset(p, 1, len);
	mprotect(p + len, b->page, PROT_NONE);
	mprotect(p, len, prot);
	return p;
}

static enum pin_verdict run_bad(struct pin_audit *au, const void *arg)
{
	const struct bad *bad = arg;
	struct bench b = { .k = pin_audit_kernel(au) };
	struct pin_predict p = { .acquired = 0 };
	long result;

	b.page = b.k->page_size;
	b.good = map_block(&b, PROT_READ | PROT_WRITE);
	b.spare = map_block(&b, PROT_READ | PROT_WRITE);
	b.readonly = map_block(&b, PROT_READ);
	b.none = map_block(&b, PROT_NONE);
	if (!b.good || !b.spare || !b.readonly || !b.none)
		return pin_audit_fail(au, "mmap: %s", strerror(errno));
	result = bad->call(&b, &p);
	if (result == -ENOTBLK)
		pin_audit_skip(au, "not to be had here: needs io_uring, AF_XDP as root, AF_ALG with ccm(aes), or O_DIRECT (set TMPDIR)");
	else
		pin_audit_step(au, "call", &p, result, 0);
	munmap(b.good, (PAGES + 1) * b.page);
	munmap(b.spare, (PAGES + 1) * b.page);
	munmap(b.readonly, (PAGES + 1) * b.page);
	munmap(b.none, (PAGES + 1) * b.page);
	return PIN_PASS;
}

static void add_tests(struct pin_suite *s)
{
	for (size_t i = 0; i < sizeof(list) / sizeof(list[0]); i++)
		pin_suite_add(s, run_bad, &list[i], "%s", list[i].name);
}

int main(int argc, char **argv)
{
	static const struct pin_program program = {
		.name = "bad_input_test",
		.doc = "Bad addresses and lengths: what each call returns, pins and gives back on its error path.",
		.add_tests = add_tests,
	};

	return pin_suite_main(&program, argc, argv);
}
