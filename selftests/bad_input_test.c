// SPDX-License-Identifier: GPL-2.0
/*
 * Bad addresses and lengths: the error paths, where pins are forgotten. Each
 * call says what it must return and how many pages it pins and gives back on
 * the way; nothing may stay.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/bpf.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "consumers/af_alg.h"
#include "consumers/bpf_uptr.h"
#include "consumers/dio.h"
#include "consumers/xdp.h"
#include "consumers/zcrx.h"
#include "probe.h"
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
	const char *name;	/* begins with that of a consumer, if that is what it takes */
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

/* The same, long-term: pages that must move first are pinned twice. */
static void want_long(const struct bench *b, struct pin_predict *p, uint64_t pinned, long result)
{
	want(p, pinned, result);
	p->migrated = b->k->movable_memory ? pinned : 0;
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
	want_long(b, p, 4, -EBUSY);
	err = setsockopt(fd, SOL_XDP, XDP_UMEM_REG, &reg, sizeof(reg)) ||
	      setsockopt(fd, SOL_XDP, XDP_UMEM_REG, &reg, sizeof(reg)) ? -errno : 0;
	close(fd);
	return err;
}

/* --- AF_ALG --- */

/* The result is pinned before the cipher finds that the data was tampered with. */
static long wrong_tag(const struct bench *b, struct pin_predict *p, bool queued)
{
	char why[PIN_WHY_LEN];
	long result;

	want(p, dio_pins(b, 4), -EBADMSG);
	return pin_alg_wrong_tag(b->good, 4 * b->page, queued, &result, why) ? -ENOTBLK : result;
}

static long aead_wrong_tag(const struct bench *b, struct pin_predict *p)
{
	return wrong_tag(b, p, false);
}

/* And when the call has long returned. */
static long aead_aio_wrong_tag(const struct bench *b, struct pin_predict *p)
{
	return wrong_tag(b, p, true);
}

/* Less room than a block of the cipher's takes. */
static long skcipher_short(const struct bench *b, struct pin_predict *p)
{
	char why[PIN_WHY_LEN];
	long result;

	/* Once that was no error, but nothing. */
	want(p, dio_pins(b, 1), b->k->version < PIN_KVER(6, 1) ? 0 : -EINVAL);
	return pin_alg_short(b->good, &result, why) ? -ENOTBLK : result;
}

/* --- io_uring zero-copy receive --- */

static long zcrx(struct pin_zcrx *z, unsigned int flags)
{
	struct io_uring ring;
	char why[PIN_WHY_LEN];
	long err = pin_uring_new(&ring, flags, why);

	if (err)
		return -ENOTBLK;
	err = pin_zcrx_register(&ring, z);
	io_uring_queue_exit(&ring);
	return err;
}

static long zcrx_area(const struct bench *b, void *addr, size_t len)
{
	struct pin_zcrx z;

	pin_zcrx_fill(&z, addr, len, b->page);
	return zcrx(&z, PIN_ZCRX_RING);
}

static long zcrx_unmapped(const struct bench *b, struct pin_predict *p)
{
	want(p, 0, -EFAULT);
	return zcrx_area(b, b->good + PAGES * b->page, b->page);
}

static long zcrx_ends(const struct bench *b, struct pin_predict *p)
{
	want_long(b, p, 5, -EFAULT);
	return zcrx_area(b, b->good + (PAGES - 5) * b->page, 8 * b->page);
}

static long zcrx_readonly(const struct bench *b, struct pin_predict *p)
{
	want(p, 0, -EFAULT);
	return zcrx_area(b, b->readonly, 4 * b->page);
}

static long zcrx_none(const struct bench *b, struct pin_predict *p)
{
	want(p, 0, -EFAULT);
	return zcrx_area(b, b->none, 4 * b->page);
}

static long zcrx_kernel(const struct bench *b, struct pin_predict *p)
{
	want(p, 0, -EFAULT);
	return zcrx_area(b, kernel_address(), b->page);
}

static long zcrx_wraps(const struct bench *b, struct pin_predict *p)
{
	want(p, 0, -EOVERFLOW);
	return zcrx_area(b, (char *)-b->page, 2 * b->page);
}

static long zcrx_no_length(const struct bench *b, struct pin_predict *p)
{
	want(p, 0, -EFAULT);
	return zcrx_area(b, b->good, 0);
}

static long zcrx_unaligned(const struct bench *b, struct pin_predict *p)
{
	want(p, 0, -EINVAL);
	return zcrx_area(b, b->good + 512, 4 * b->page);
}

static long zcrx_odd_length(const struct bench *b, struct pin_predict *p)
{
	want(p, 0, -EINVAL);
	return zcrx_area(b, b->good, 4 * b->page - 512);
}

/* What is wrong with the rest of it is found before a page is pinned. */
static long zcrx_arguments(const struct bench *b, struct pin_predict *p)
{
	struct pin_zcrx z[9];
	long err = -EINVAL;

	want(p, 0, -EINVAL);
	for (size_t i = 0; i < sizeof(z) / sizeof(z[0]); i++)
		pin_zcrx_fill(&z[i], b->good, 4 * b->page, b->page);
	z[0].area.flags = PIN_ZCRX_AREA_DMABUF;
	z[1].area.flags = 1u << 31;
	z[2].area.dmabuf_fd = 1;
	z[3].area.token = 1;
	z[4].area.resv[1] = 1;
	z[5].reg.if_idx = 1;
	z[6].reg.rq_entries = 0;
	z[7].reg.flags |= 1u << 31;
	z[8].region.size = 0;
	for (size_t i = 0; i < sizeof(z) / sizeof(z[0]) && err == -EINVAL; i++)
		err = zcrx(&z[i], PIN_ZCRX_RING);
	return err;
}

static long zcrx_large_buffers(const struct bench *b, struct pin_predict *p)
{
	struct pin_zcrx z;

	want(p, 0, -EOPNOTSUPP);
	pin_zcrx_fill(&z, b->good, 4 * b->page, b->page);
	z.reg.rx_buf_len = 2 * b->page;
	return zcrx(&z, PIN_ZCRX_RING);
}

static long zcrx_ring(const struct bench *b, struct pin_predict *p)
{
	struct pin_zcrx z;

	want(p, 0, -EINVAL);
	pin_zcrx_fill(&z, b->good, 4 * b->page, b->page);
	return zcrx(&z, 0);
}

/* The queue, of ours, is pinned before the area turns out to be bad. */
static long zcrx_second_bad(const struct bench *b, struct pin_predict *p)
{
	struct pin_zcrx z;

	want_long(b, p, 2 + 3, -EFAULT);
	pin_zcrx_fill(&z, b->good + (PAGES - 3) * b->page, 4 * b->page, 2 * b->page);
	z.region.addr = (uintptr_t)b->spare;
	z.region.flags = PIN_IORING_REGION_USER;
	return zcrx(&z, PIN_ZCRX_RING);
}

static long zcrx_queue_ends(const struct bench *b, struct pin_predict *p)
{
	struct pin_zcrx z;

	want_long(b, p, 1, -EFAULT);
	pin_zcrx_fill(&z, b->good, 4 * b->page, 2 * b->page);
	z.region.addr = (uintptr_t)b->spare + (PAGES - 1) * b->page;
	z.region.flags = PIN_IORING_REGION_USER;
	return zcrx(&z, PIN_ZCRX_RING);
}

/* All is done, and cannot be told. */
static long zcrx_unanswered(const struct bench *b, struct pin_predict *p)
{
	struct pin_zcrx z;

	want_long(b, p, 4, -EFAULT);
	if (mprotect(b->readonly, b->page, PROT_READ | PROT_WRITE))
		return -errno;
	pin_zcrx_fill(&z, b->good, 4 * b->page, b->page);
	memcpy(b->readonly, &z.area, sizeof(z.area));
	z.reg.area = (uintptr_t)b->readonly;
	if (mprotect(b->readonly, b->page, PROT_READ))
		return -errno;
	return zcrx(&z, PIN_ZCRX_RING);
}

/* --- io_uring's memory region --- */

static long region_described(struct pin_uring_region *region, uint64_t flags)
{
	const struct pin_uring_region_reg reg = { (uintptr_t)region, flags, { 0 } };
	struct io_uring ring;
	char why[PIN_WHY_LEN];
	long err;

	if (pin_uring_new(&ring, IORING_SETUP_R_DISABLED, why))
		return -ENOTBLK;
	err = pin_uring_register(ring.ring_fd, PIN_IORING_REGISTER_MEM_REGION, &reg, 1);
	io_uring_queue_exit(&ring);
	return err;
}

static long region(void *addr, size_t len)
{
	struct pin_uring_region at = { (uintptr_t)addr, len, PIN_IORING_REGION_USER, 0, 0, { 0 } };

	return region_described(&at, PIN_IORING_REGION_WAIT_ARG);
}

static long region_unmapped(const struct bench *b, struct pin_predict *p)
{
	want(p, 0, -EFAULT);
	return region(b->good + PAGES * b->page, b->page);
}

static long region_ends(const struct bench *b, struct pin_predict *p)
{
	want_long(b, p, 5, -EFAULT);
	return region(b->good + (PAGES - 5) * b->page, 8 * b->page);
}

static long region_readonly(const struct bench *b, struct pin_predict *p)
{
	want(p, 0, -EFAULT);
	return region(b->readonly, 4 * b->page);
}

static long region_none(const struct bench *b, struct pin_predict *p)
{
	want(p, 0, -EFAULT);
	return region(b->none, 4 * b->page);
}

static long region_kernel(const struct bench *b, struct pin_predict *p)
{
	want(p, 0, -EFAULT);
	return region(kernel_address(), b->page);
}

static long region_wraps(const struct bench *b, struct pin_predict *p)
{
	want(p, 0, -EOVERFLOW);
	return region((char *)-b->page, 2 * b->page);
}

static long region_no_length(const struct bench *b, struct pin_predict *p)
{
	want(p, 0, -EINVAL);
	return region(b->good, 0);
}

static long region_unaligned(const struct bench *b, struct pin_predict *p)
{
	want(p, 0, -EINVAL);
	return region(b->good + 512, 4 * b->page);
}

/* What is wrong with the rest of it is found before a page is pinned. */
static long region_arguments(const struct bench *b, struct pin_predict *p)
{
	const struct pin_uring_region good = {
		(uintptr_t)b->good, b->page, PIN_IORING_REGION_USER, 0, 0, { 0 },
	};
	struct pin_uring_region bad[] = { good, good, good, good, good };
	long err = -EINVAL;

	want(p, 0, -EINVAL);
	bad[0].flags |= 1u << 31;
	bad[1].id = 1;
	bad[2].mmap_offset = b->page;
	bad[3].resv[1] = 1;
	for (size_t i = 0; i < 4 && err == -EINVAL; i++)
		err = region_described(&bad[i], PIN_IORING_REGION_WAIT_ARG);
	if (err == -EINVAL)
		err = region_described(&bad[4], 1ull << 63);
	return err;
}

/* All is done, and cannot be told. */
static long region_unanswered(const struct bench *b, struct pin_predict *p)
{
	const struct pin_uring_region at = {
		(uintptr_t)b->good, 4 * b->page, PIN_IORING_REGION_USER, 0, 0, { 0 },
	};

	want_long(b, p, 4, -EFAULT);
	if (mprotect(b->readonly, b->page, PROT_READ | PROT_WRITE))
		return -errno;
	memcpy(b->readonly, &at, sizeof(at));
	if (mprotect(b->readonly, b->page, PROT_READ))
		return -errno;
	return region_described((void *)b->readonly, PIN_IORING_REGION_WAIT_ARG);
}

/* --- BPF task storage; sequences are in bpf_test --- */

/* Fields that point to structures of @size bytes, for the task of @pid; closed in the end. */
static long uptr(uint32_t size, const struct pin_bpf_value *value, int pid, uint64_t flags)
{
	int map = pin_bpf_uptr_map(size), task = pid ? pin_bpf_task(pid) : -1;
	long err = map < 0 ? -ENOTBLK : pin_bpf_uptr_update(map, task, value, flags);

	if (map >= 0)
		close(map);
	if (task >= 0)
		close(task);
	return err;
}

static long uptr_at(const void *first, const void *second, const void *third, uint32_t size)
{
	const struct pin_bpf_value value = {
		.to = { (uintptr_t)first, (uintptr_t)second, (uintptr_t)third },
	};

	return uptr(size, &value, getpid(), 0);
}

static long uptr_unmapped(const struct bench *b, struct pin_predict *p)
{
	want(p, 0, -EFAULT);
	return uptr_at(b->good + PAGES * b->page, b->good, b->spare, 1);
}

static long uptr_third_unmapped(const struct bench *b, struct pin_predict *p)
{
	want_long(b, p, 2, -EFAULT);
	return uptr_at(b->good, b->spare, b->good + PAGES * b->page, 1);
}

/* A field that points nowhere is no field: it is not unpinned, either. */
static long uptr_third_unmapped_second_null(const struct bench *b, struct pin_predict *p)
{
	want_long(b, p, 1, -EFAULT);
	return uptr_at(b->good, NULL, b->good + PAGES * b->page, 1);
}

static long uptr_readonly(const struct bench *b, struct pin_predict *p)
{
	want_long(b, p, 1, -EFAULT);
	return uptr_at(b->good, b->readonly, NULL, 1);
}

static long uptr_none(const struct bench *b, struct pin_predict *p)
{
	want_long(b, p, 1, -EFAULT);
	return uptr_at(b->good, b->none, NULL, 1);
}

static long uptr_kernel(const struct bench *b, struct pin_predict *p)
{
	want_long(b, p, 1, -EFAULT);
	return uptr_at(b->good, kernel_address(), NULL, 1);
}

static long uptr_wraps(const struct bench *b, struct pin_predict *p)
{
	want_long(b, p, 1, -EFAULT);
	return uptr_at(b->good, (void *)(UINTPTR_MAX - 6), NULL, 8);
}

static long uptr_straddles(const struct bench *b, struct pin_predict *p)
{
	want(p, 0, -EOPNOTSUPP);
	return uptr_at(b->good + b->page - 7, b->spare, NULL, 8);
}

/* Up to the last byte of their pages, and one beyond. */
static long uptr_third_straddles(const struct bench *b, struct pin_predict *p)
{
	want_long(b, p, 2, -EOPNOTSUPP);
	return uptr_at(b->good + b->page - 8, b->spare + b->page - 8, b->good + b->page - 7, 8);
}

static long uptr_page_unaligned(const struct bench *b, struct pin_predict *p)
{
	want_long(b, p, 1, -EOPNOTSUPP);
	return uptr_at(b->good, b->spare + 1, NULL, b->page);
}

/* Whose it is to be is looked at when all is pinned. */
static long uptr_no_task(const struct bench *b, struct pin_predict *p)
{
	const struct pin_bpf_value value = { .to = { (uintptr_t)b->good, (uintptr_t)b->spare } };

	want_long(b, p, 2, -EBADF);
	return uptr(1, &value, 0, 0);
}

static long uptr_flags(const struct bench *b, struct pin_predict *p)
{
	const struct pin_bpf_value value = { .to = { (uintptr_t)b->good, (uintptr_t)b->spare } };

	want_long(b, p, 2, -EINVAL);
	return uptr(1, &value, getpid(), BPF_NOEXIST | BPF_EXIST);
}

/* More than a page, or nothing: there is no such map. */
static long uptr_sizes(const struct bench *b, struct pin_predict *p)
{
	const int too_long = pin_bpf_uptr_map(b->page + 1);

	want(p, 0, -EINVAL);
	return too_long == -E2BIG ? pin_bpf_uptr_map(0) : too_long;
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
	{ "af_alg_aead_aio.wrong_tag", aead_aio_wrong_tag },
	{ "af_alg_skcipher.short", skcipher_short },
	{ "uring_zcrx.unmapped", zcrx_unmapped },
	{ "uring_zcrx.ends", zcrx_ends },
	{ "uring_zcrx.readonly", zcrx_readonly },
	{ "uring_zcrx.prot_none", zcrx_none },
	{ "uring_zcrx.kernel_address", zcrx_kernel },
	{ "uring_zcrx.wraps", zcrx_wraps },
	{ "uring_zcrx.zero_length", zcrx_no_length },
	{ "uring_zcrx.unaligned", zcrx_unaligned },
	{ "uring_zcrx.odd_length", zcrx_odd_length },
	{ "uring_zcrx.arguments", zcrx_arguments },
	{ "uring_zcrx.large_buffers", zcrx_large_buffers },
	{ "uring_zcrx.other_ring", zcrx_ring },
	{ "uring_zcrx.queue_ends", zcrx_queue_ends },
	{ "uring_zcrx.area_after_queue", zcrx_second_bad },
	{ "uring_zcrx.unanswered", zcrx_unanswered },
	{ "uring_region.unmapped", region_unmapped },
	{ "uring_region.ends", region_ends },
	{ "uring_region.readonly", region_readonly },
	{ "uring_region.prot_none", region_none },
	{ "uring_region.kernel_address", region_kernel },
	{ "uring_region.wraps", region_wraps },
	{ "uring_region.zero_length", region_no_length },
	{ "uring_region.unaligned", region_unaligned },
	{ "uring_region.arguments", region_arguments },
	{ "uring_region.unanswered", region_unanswered },
	{ "bpf_uptr.unmapped", uptr_unmapped },
	{ "bpf_uptr.third_unmapped", uptr_third_unmapped },
	{ "bpf_uptr.third_unmapped_second_null", uptr_third_unmapped_second_null },
	{ "bpf_uptr.readonly", uptr_readonly },
	{ "bpf_uptr.prot_none", uptr_none },
	{ "bpf_uptr.kernel_address", uptr_kernel },
	{ "bpf_uptr.wraps", uptr_wraps },
	{ "bpf_uptr.straddles", uptr_straddles },
	{ "bpf_uptr.third_straddles", uptr_third_straddles },
	{ "bpf_uptr.page_unaligned", uptr_page_unaligned },
	{ "bpf_uptr.no_task", uptr_no_task },
	{ "bpf_uptr.flags", uptr_flags },
	{ "bpf_uptr.sizes", uptr_sizes },
};

static const struct pin_consumer *consumer_of(const struct bad *bad)
{
	char name[32];

	snprintf(name, sizeof(name), "%.*s", (int)strcspn(bad->name, "."), bad->name);
	return pin_consumer_find(name);
}

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
	const struct pin_consumer *c = consumer_of(bad);
	struct bench b = { .k = pin_audit_kernel(au) };
	struct pin_predict p = { .acquired = 0 };
	long result;

	if (c && !pin_probe_passed(au, c))
		return PIN_SKIP;
	b.page = b.k->page_size;
	b.good = map_block(&b, PROT_READ | PROT_WRITE);
	b.spare = map_block(&b, PROT_READ | PROT_WRITE);
	b.readonly = map_block(&b, PROT_READ);
	b.none = map_block(&b, PROT_NONE);
	if (!b.good || !b.spare || !b.readonly || !b.none)
		return pin_audit_fail(au, "mmap: %s", strerror(errno));
	result = bad->call(&b, &p);
	if (result == -ENOTBLK)
		pin_audit_skip(au, "not to be had here: needs io_uring, AF_XDP as root, AF_ALG with ccm(aes) and cryptd, or O_DIRECT (set TMPDIR)");
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
	for (size_t i = 0; i < sizeof(list) / sizeof(list[0]); i++) {
		const struct pin_consumer *c = consumer_of(&list[i]);

		if (pin_suite_add(s, run_bad, &list[i], "%s", list[i].name) && c)
			pin_probe_want(c);
	}
}

int main(int argc, char **argv)
{
	static const struct pin_program program = {
		.name = "bad_input_test",
		.doc = "Bad addresses and lengths: what each call returns, pins and gives back on its error path.",
		.add_tests = add_tests,
		.setup = pin_probe_all,
	};

	return pin_suite_main(&program, argc, argv);
}
