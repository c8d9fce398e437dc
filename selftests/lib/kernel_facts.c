// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <liburing.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "kernel_facts.h"
#include "memory.h"
#include "proc.h"

#define TRIAL_PAGES	16

#define NOT_COUNTED	"folio_add_pin() in fs/direct-io.c takes pins that are not counted as acquired"

#define HOLE_CLEAN	"a direct read of a hole clears pages by the kernel's own mapping, in fs/direct-io.c, and does not mark them dirty: if they are of a file, what was read can be lost"

#define CHUNK_LEAK	"vhost_vdpa_pa_map() forgets the run of pages that it could not map if it mapped one before: these stay pinned for ever"

#define UNMAP_DEADLOCK	"vfio_notify_dma_unmap() has a device let go, which takes iommu->lock, under a lock that is taken inside of that elsewhere: two that unmap what is pinned wait for each other for ever"

/* Who still uses fs/direct-io.c: ext* and xfs do not, exfat and ntfs3 no more. */
static const struct pin_known_issue known_issues[] = {
#define LEGACY_DIO(fs, fixed)	{					\
		.id = "folio-add-pin-not-counted",			\
		.consumer = "dio_*", .target = fs,			\
		.from = PIN_KVER(6, 5), .until = fixed,			\
		.reason = NOT_COUNTED,					\
	}
	LEGACY_DIO("vfat*", 0),
	LEGACY_DIO("exfat", PIN_KVER(7, 0)),
	LEGACY_DIO("udf", 0),
	LEGACY_DIO("ntfs3", PIN_KVER(7, 0)),
	LEGACY_DIO("jfs", 0),
	LEGACY_DIO("nilfs2", 0),
	LEGACY_DIO("hfs*", 0),
	LEGACY_DIO("affs", 0),
	LEGACY_DIO("ocfs2", 0),
#undef LEGACY_DIO
	{
		.id = "dio-hole-not-dirtied",
		.consumer = "hole_dio", .target = "@(udf|jfs|nilfs2|affs|ocfs2)",
		.from = PIN_KVER(6, 5),
		.reason = HOLE_CLEAN,
	},
	{
		.id = "dio-hole-not-dirtied",
		.consumer = "hole_dio", .target = "ntfs3",
		.from = PIN_KVER(6, 5), .until = PIN_KVER(7, 0),
		.reason = HOLE_CLEAN,
	},
	{
		.id = "fork-shares-pinned-hugetlb",
		.consumer = "fork_data", .target = "hugetlb",
		.until = PIN_KVER(5, 12),
		.reason = "fork() shares pinned hugetlb pages with the child: the first to write gets a copy, and the device keeps the page",
	},
	{
		.id = "metadata-wrong-direction",
		.consumer = "nvme_meta_*", .target = "*",
		.from = PIN_KVER(6, 8), .until = PIN_KVER(6, 16),
		.reason = "blk_rq_integrity_map_user() takes the directions for each other: metadata is read from the device into pages that were pinned for reading only, be they the zero page, shared with another process or read-only",
	},
	{
		.id = "metadata-not-dirtied",
		.consumer = "dirty_@(nvme|uring)_meta_read", .target = "*",
		.from = PIN_KVER(6, 9),
		.reason = "bio_integrity_unmap_user() does not mark the pages dirty that the device has written metadata to: if they were cleaned meanwhile, it is lost",
	},
	{
		.id = "iova-bitmap-not-dirtied",
		.consumer = "dirty_iommufd_bitmap", .target = "*",
		.from = PIN_KVER(6, 2),
		.reason = "iova_bitmap_put() does not mark the pages of a bitmap dirty in which it has set bits: if they were cleaned meanwhile, the bits are lost",
	},
	{
		.id = "uring-folio-charged-again",
		.consumer = "uring_account", .target = "*",
		.from = PIN_KVER(6, 13), .until = PIN_KVER(7, 3),
		.reason = "headpage_already_acct() does not see the buffers of the registration that is under way: a large folio is charged again if buffers in it have one in another large folio between them",
	},
	{
		.id = "uring-folio-uncharged",
		.consumer = "uring_first", .target = "thp",
		.until = PIN_KVER(7, 3),
		.reason = "of the buffers in a huge page the first is charged for it: when that goes the others stay pinned, and nobody is charged",
	},
	{
		.id = "uring-clone-refunded-twice",
		.consumer = "uring_clone", .target = "thp",
		.from = PIN_KVER(7, 3), .untried = true,
		.reason = "a huge page that is in the buffers of two rings is charged once, and given back by each of them: what the user has locked goes below zero; not tried",
	},
	{
		.id = "uring-exec-unkillable",
		.consumer = "uring_exec", .target = "*",
		.from = PIN_KVER(6, 0),
		.reason = "execve() waits for the notification of a zero-copy send, for as long as the peer does not read, and no signal ends it: what the process has pinned stays so",
	},
	{
		.id = "uffd-move-loops",
		.consumer = "uffd_move", .target = "thp_pte",
		.from = PIN_KVER(6, 8), .until = PIN_KVER(7, 3),
		.reason = "UFFDIO_MOVE of pages in a huge page that is mapped page by page tries again for ever when that cannot be split, as it is pinned: only what kills the process ends it",
	},
	{
		.id = "nvme-poll-overwritten",
		.consumer = "uring_nvme_polled", .target = "closed",
		.from = PIN_KVER(6, 1), .until = PIN_KVER(6, 5), .untried = true,
		.reason = "a ring that is closed polls for its NVMe commands, and what it polls by is overwritten when one has ended and is to be completed by its process: bio_poll() follows an address that is none, and the kernel stops; not tried",
	},
	{
		.id = "zram-whole-pages",
		.consumer = "dio_unaligned", .target = "zram",
		.reason = "where pages are of 4096 bytes is_partial_io() is always false: zram copies whole pages, wherever in a page the memory begins, so that data is wrong and memory beside the buffer is written to",
	},
	{
		.id = "rxe-page-table-warns",
		.consumer = "limits_many", .target = "rdma_rxe_mr*", .untried = true,
		.from = PIN_KVER(6, 12),
		.reason = "soft-RoCE asks the page allocator for more than it has in one piece: a WARNING, after which panic_on_warn panics; not tried",
	},
	{
		.id = "xdp-refused-charge-leak",
		.consumer = "limits_memlock_hole", .target = "xdp_*",
		.reason = "xdp_umem_reg() gives back the charge of those pages only that it could pin before the first bad one: the user can lock less from then on",
	},
	{
		.id = "udmabuf-size-warns",
		.consumer = "limits_beyond", .target = "udmabuf*", .untried = true,
		.from = PIN_KVER(7, 3),
		.reason = "udmabuf has no limit any more, and asks for a table of more than 2 GiB: a WARNING, after which panic_on_warn panics; not tried",
	},
	{
		.id = "siw-umem-size-warns",
		.consumer = "limits_beyond", .target = "rdma_siw_mr*", .untried = true,
		.from = PIN_KVER(7, 3),
		.reason = "soft-iWARP asks the page allocator for more than it has in one piece: a WARNING, after which panic_on_warn panics; not tried",
	},
	{
		.id = "rds-mr-never-unpinned",
		.consumer = "@(rds_mr|rds_mr_lost|rds_ib_*)", .target = "*", .untried = true,
		.from = PIN_KVER(5, 10), .until = PIN_KVER(6, 2),
		.reason = "what RDS_CMSG_RDMA_MAP pins over soft-RoCE stays pinned for ever; not tried",
	},
	{
		.id = "blk-map-same-page-leak",
		.consumer = "sg_io_@(readv|writev)", .target = "*", .untried = true,
		.until = PIN_KVER(6, 6),
		.reason = "bio_map_user_iov() takes two references on a page in which two pieces of a vector meet, and drops one: the page is lost for ever; not tried",
	},
	{
		.id = "bio-align-down-leak",
		.consumer = "dio_cut_sector", .target = "*",
		.from = PIN_KVER(6, 18),
		.reason = "bio_iov_iter_align_down() shortens the last segment of a bio and forgets the pin of the page it no longer reaches: that page stays pinned for ever",
	},
	{
		.id = "vhost-vdpa-chunk-leak",
		.consumer = "fail_nth_vhost_vdpa*", .target = "@(anon|hole)",
		.from = PIN_KVER(5, 10),
		.reason = CHUNK_LEAK,
	},
	{
		.id = "vhost-vdpa-chunk-leak",
		.consumer = "geometry_second_list", .target = "vhost_vdpa?(_read)",
		.from = PIN_KVER(5, 10), .untried = true,
		.reason = CHUNK_LEAK,
	},
	{
		.id = "vhost-killed-worker-waits",
		.consumer = "userfault_killed", .target = "vhost_log",
		.from = PIN_KVER(5, 10),
		.reason = "vhost's worker does what is left to do for a process that was killed: it waits for a page of user memory, unkillable by then, and the process waits for it",
	},
	{
		.id = "iommufd-account-gone",
		.consumer = "warns_iommufd_account", .target = "*",
		.from = PIN_KVER(6, 2),
		.reason = "what was charged in VmLck to a process that has ended is not taken back: pfn_reader_destroy() warns when the next device or driver comes",
	},
	{
		.id = "rds-mr-flushed-early",
		.consumer = "race", .target = "@(rds_mr|rds).*",
		.from = PIN_KVER(6, 12),
		.reason = "a socket of RDS that goes flushes its memory regions at once: one that a message under way still holds is let go later, and stays pinned until another socket goes",
	},
	{
		.id = "rds-device-freed-late",
		.consumer = "warns_rxe_removed", .target = "*",
		.from = PIN_KVER(6, 12),
		.reason = "RDS gives back what it has of an RDMA device in a worker, and does not wait for it when the device is removed: that is freed with a protection domain in it, which is given back after that",
	},
	{
		.id = "iommufd-xarray-warns",
		.consumer = "warns_iommufd_*_twice", .target = "*",
		.from = PIN_KVER(6, 2),
		.reason = "an xarray that got a node and then no memory for the next keeps the empty one: iopt_release_pages(), or that of the test's devices, warns that it is not empty, and frees it",
	},
	{
		.id = "iommufd-take-over-uncounted",
		.consumer = "iommufd_taken_over", .target = "privileged",
		.from = PIN_KVER(6, 14),
		.reason = "a process takes over what a privileged one has mapped: that stays in the VmPin of the first, and when it is unmapped is taken off the VmPin of the second, which goes below zero",
	},
	{
		.id = "vfio-unmap-deadlock",
		.consumer = "warns_vfio_mdev_unmap", .target = "*",
		.from = PIN_KVER(6, 0), .reason = UNMAP_DEADLOCK,
	},
	{
		.id = "vfio-unmap-deadlock",
		.consumer = "vfio_mdev_two", .target = "*", .untried = true,
		.from = PIN_KVER(6, 0), .reason = UNMAP_DEADLOCK,
	},
	{
		.id = "vfio-replay-wrong-mm",
		.consumer = "vfio_replay", .target = "*",
		.reason = "vfio_pin_pages_remote() pins memory of whoever has a group with an IOMMU join, and goes by his limit, although another process has mapped that of its own, and is charged for it",
	},
	{
		.id = "rds-map-leak",
		.consumer = "fail_nth_rds_@(mr|ib)*", .target = "*",
		.from = PIN_KVER(5, 7),
		.reason = "__rds_rdma_map() forgets the pages it has pinned if there is no memory for their scatterlist: they stay pinned for ever",
	},
	{
		.id = "siw-reg-mr-leak",
		.consumer = "fail_nth_rdma_siw_mr", .target = "*",
		.from = PIN_KVER(5, 6),
		.reason = "siw_reg_user_mr() forgets the memory it has pinned if siw_mr_add_mem() has no memory of its own: it stays pinned, and in VmPin, for ever",
	},
	{
		.id = "netfs-write-error-lost",
		.consumer = "netfs_write_error", .target = "9p*",
		.from = PIN_KVER(6, 10), .until = PIN_KVER(6, 17),
		.reason = "netfs_write_subrequest_terminated() keeps the error of a direct write from its request: that returns 0, as if there was nothing to write",
	},
	{
		.id = "vmalloc-clip-warns",
		.consumer = "log", .target = "WARNING:* alloc_vmap_area+*",
		.from = PIN_KVER(5, 10),
		.reason = "mm/vmalloc.c warns if it has no memory to note that a free range became two: the call that wanted it fails as it should",
	},
	{
		.id = "gup-dirties-file",
		.consumer = "log", .target = "WARNING:* ext4_dirty_folio+*",
		.from = PIN_KVER(5, 18),
		.reason = "pages of a file are made dirty when their pins are dropped, and the file system has written them back and given up their buffers meanwhile: ext4 warns, and does not write them",
	},
	{
		.id = "hugetlb-movable-warns",
		.consumer = "log", .target = "WARNING:* follow_hugetlb_page+*",
		.from = PIN_KVER(6, 1), .until = PIN_KVER(6, 2),
		.reason = "the lockless walk refuses a long-term pin of a hugetlb page in ZONE_MOVABLE, and follow_hugetlb_page() takes that for a broken reference count",
	},
	{
		.id = "iommu-release-warns",
		.consumer = "warns_vfio*", .target = "*",
		.from = PIN_KVER(6, 12),
		.reason = "a device leaves VFIO for a domain that must be had and needs memory: a WARNING in __iommu_release_dma_ownership()",
	},
	{
		.id = "blk-map-array-leak",
		.consumer = "kernel_memory_@(sg_*|bsg_*|nvme_passthru_*|uring_nvme_*)",
		.target = "past_end",
		.from = PIN_KVER(6, 5), .until = PIN_KVER(6, 16),
		.reason = "bio_map_user_iov() forgets the array of pages that was allocated for it when no page can be had: kernel memory, not pins",
	},
	{
		.id = "uring-pbuf-ring-mapped",
		.consumer = "kernel_memory_uring_pbuf_ring", .target = "anon",
		.from = PIN_KVER(6, 10), .until = PIN_KVER(6, 14),
		.reason = "a ring of provided buffers in user memory is mapped into the kernel, and stays so for ever when it is unregistered and its pages are unpinned",
	},
	{
		.id = "uring-pbuf-ring-lost",
		.consumer = "fail_nth_uring_pbuf_ring", .target = "@(anon|thp|hugetlb)",
		.from = PIN_KVER(6, 10), .until = PIN_KVER(6, 14),
		.reason = "io_register_pbuf_ring() does not ask whether its ring of buffers could be noted: it says that all is well, and the pages stay pinned for ever",
	},
	{
		.id = "hugetlb-unreserved-taken",
		.consumer = "kernel_memory_*", .target = "memfd_hugetlb_unreserved",
		.from = PIN_KVER(6, 11), .until = PIN_KVER(6, 16), .untried = true,
		.reason = "memfd_pin_folios() takes huge pages that nobody has reserved out of what is reserved: a count goes below zero, and the kernel stops if it has DEBUG_VM; not tried",
	},
	{
		.id = "iommufd-file-unpins-unknown",
		.consumer = "fail_nth_iommufd_file*", .target = "memfd_hugetlb_border",
		.from = PIN_KVER(6, 13), .untried = true,
		.reason = "iommufd has pinned folios of a file that it has not entered yet when it fails: it unpins as many as its list has room for, and what the list has behind them is no folio; the kernel stops; not tried",
	},
	{
		.id = "udmabuf-unpin-list-leak",
		.consumer = "fail_nth_udmabuf*", .target = "memfd*",
		.from = PIN_KVER(6, 11), .until = PIN_KVER(6, 13),
		.reason = "udmabuf_create() pins all folios, then notes each in a list to unpin them: where the memory for a note is not to be had, the pins of this folio and of those behind it stay for ever",
	},
};

static const struct pin_known_issue *find_issue(const struct pin_kernel *k, bool untried,
						const char *consumer, const char *target)
{
	for (size_t i = 0; i < sizeof(known_issues) / sizeof(known_issues[0]); i++) {
		const struct pin_known_issue *issue = &known_issues[i];

		if (k->version >= issue->from &&
		    (!issue->until || k->version < issue->until) &&
		    issue->untried == untried &&
		    !fnmatch(issue->consumer, consumer, FNM_EXTMATCH) &&
		    !fnmatch(issue->target, target, FNM_EXTMATCH))
			return issue;
	}
	return NULL;
}

const struct pin_known_issue *pin_known_issue(const struct pin_kernel *k, const char *consumer,
					      const char *target)
{
	return find_issue(k, false, consumer, target);
}

const struct pin_known_issue *pin_known_untried(const struct pin_kernel *k, const char *consumer,
						const char *target)
{
	return find_issue(k, true, consumer, target);
}

/*
 * Pages that @op acquires and still holds, or -1 if it could not be tried.
 * Three rounds that agree: other programs pin too.
 */
struct trial {
	int64_t acquired;
	int64_t held;
};

static int try_out(const struct pin_counters *c, int (*op)(void *), void *arg,
		   int (*undo)(void *), struct trial *t)
{
	struct trial seen[3];
	struct pin_snapshot before, after;

	for (int i = 0; i < 3; i++) {
		if (pin_counters_settle(c, &before, 10000000000ull))
			return -EBUSY;
		if (op(arg))
			return -EIO;
		if (pin_counters_settle(c, &after, 10000000000ull))
			return -EBUSY;
		if (undo)
			undo(arg);
		seen[i].acquired = after.total.acquired - before.total.acquired;
		seen[i].held = pin_outstanding(&after.total) -
			       pin_outstanding(&before.total);
		if (i && memcmp(&seen[i], &seen[0], sizeof(*t)))
			return -EBUSY;
	}
	*t = seen[0];
	return 0;
}

static int op_read_memory(void *arg)
{
	const struct iovec *remote = arg;
	char buf[TRIAL_PAGES];
	struct iovec local = { buf, sizeof(buf) }, parts[TRIAL_PAGES];
	size_t page = remote->iov_len / TRIAL_PAGES;

	for (int i = 0; i < TRIAL_PAGES; i++) {
		parts[i].iov_base = (char *)remote->iov_base + i * page;
		parts[i].iov_len = 1;
	}
	return process_vm_readv(getpid(), &local, 1, parts, TRIAL_PAGES, 0) !=
	       sizeof(buf);
}

static void try_zero_page(struct pin_kernel *k, const struct pin_counters *c)
{
	struct iovec mem = { .iov_len = TRIAL_PAGES * k->page_size };
	struct trial t;

	k->zero_page_counted = k->version < PIN_KVER(6, 5);
	if (!k->zero_page_counted || !c)
		return;
	mem.iov_base = mmap(NULL, mem.iov_len, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (mem.iov_base == MAP_FAILED)
		return;
	madvise(mem.iov_base, mem.iov_len, MADV_NOHUGEPAGE);
	if (!try_out(c, op_read_memory, &mem, NULL, &t))
		k->zero_page_counted = t.acquired != 0;
	munmap(mem.iov_base, mem.iov_len);
}

struct dio_trial {
	int fd;
	void *buf;
	size_t len;
};

static int op_read_file(void *arg)
{
	struct dio_trial *d = arg;

	return pread(d->fd, d->buf, d->len, 0) != (ssize_t)d->len;
}

static void try_dio(struct pin_kernel *k, const struct pin_counters *c)
{
	struct dio_trial d = { .fd = -1, .len = TRIAL_PAGES * k->page_size };
	const char *dir = pin_file_dir();
	char path[512];
	struct trial t;

	k->dio_pins = k->version >= PIN_KVER(6, 5);
	if (k->dio_pins || !dir || !c)
		return;
	snprintf(path, sizeof(path), "%s/pin-trial-XXXXXX", dir);
	d.fd = mkostemp(path, O_DIRECT | O_CLOEXEC);
	if (d.fd < 0)
		return;
	unlink(path);
	if (!posix_memalign(&d.buf, k->page_size, d.len)) {
		memset(d.buf, 1, d.len);
		if (pwrite(d.fd, d.buf, d.len, 0) == (ssize_t)d.len &&
		    !try_out(c, op_read_file, &d, NULL, &t))
			k->dio_pins = t.acquired != 0;
		free(d.buf);
	}
	close(d.fd);
}

struct uring_trial {
	struct io_uring ring;
	struct iovec iov;
	long vmpin_kib;
};

static int op_register(void *arg)
{
	struct uring_trial *u = arg;
	struct pin_statement before, after;

	pin_statement_read(getpid(), &before);
	if (io_uring_register_buffers(&u->ring, &u->iov, 1))
		return -1;
	pin_statement_read(getpid(), &after);
	u->vmpin_kib = after.vmpin_kib - before.vmpin_kib;
	return 0;
}

static int undo_register(void *arg)
{
	struct uring_trial *u = arg;

	return io_uring_unregister_buffers(&u->ring);
}

static void try_uring(struct pin_kernel *k, const struct pin_counters *c)
{
	struct uring_trial u = { .vmpin_kib = 0 };
	size_t map_len = 4 * k->pmd_size;
	char *map, *huge;
	struct trial t;
	bool dropped;
	int err;

	k->uring_file_refused = !k->longterm_file_refused;
	if (k->version >= PIN_KVER(6, 12))
		k->uring_coalesce = PIN_COALESCE_MULTI;
	else if (k->version >= PIN_KVER(6, 4))
		k->uring_coalesce = PIN_COALESCE_SINGLE;
	k->uring_vmpin = true;
	if (!c)
		return;
	dropped = pin_drop_ipc_lock();
	err = io_uring_queue_init(8, &u.ring, 0);
	if (dropped)
		pin_set_cap(CAP_IPC_LOCK, true);
	if (err)
		return;
	/*
	 * At some point after 6.18 rings that a holder of CAP_IPC_LOCK makes stopped
	 * being accounted; before, all are. This one is if it could be given up.
	 */
	if (k->version > PIN_KVER(6, 18) && pin_have_cap(CAP_IPC_LOCK)) {
		u.iov.iov_base = &u;
		u.iov.iov_len = 1;
		if (!op_register(&u)) {
			k->uring_vmpin = u.vmpin_kib != 0;
			undo_register(&u);
		}
	}
	if (k->uring_coalesce == PIN_COALESCE_MULTI || !k->pmd_size)
		goto out;
	map = mmap(NULL, map_len, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (map == MAP_FAILED)
		goto out;
	/* From one huge page into the next: what "single" leaves alone. */
	huge = (char *)(((uintptr_t)map + k->pmd_size - 1) & ~(k->pmd_size - 1));
	madvise(huge, 2 * k->pmd_size, MADV_HUGEPAGE);
	memset(huge, 1, 2 * k->pmd_size);
	u.iov.iov_base = huge;
	u.iov.iov_len = 2 * k->pmd_size;
	if (!try_out(c, op_register, &u, undo_register, &t) && t.held == 2) {
		k->uring_coalesce = PIN_COALESCE_MULTI;
	} else if (k->uring_coalesce == PIN_COALESCE_NONE) {
		u.iov.iov_len = k->pmd_size;
		if (!try_out(c, op_register, &u, undo_register, &t) && t.held == 1)
			k->uring_coalesce = PIN_COALESCE_SINGLE;
	}
	munmap(map, map_len);
out:
	io_uring_queue_exit(&u.ring);
}

static bool zone_movable_has_memory(void)
{
	bool movable = false, found = false;
	unsigned long managed;
	char line[256], zone[32];
	FILE *f = fopen("/proc/zoneinfo", "re");

	if (!f)
		return false;
	while (!found && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "Node %*d, zone %31s", zone) == 1)
			movable = !strcmp(zone, "Movable");
		else if (movable && sscanf(line, " managed %lu", &managed) == 1)
			found = managed != 0;
	}
	fclose(f);
	return found;
}

/* The boot messages are all that says so on every kernel. */
static void find_cma(struct pin_kernel *k)
{
	const size_t room = sizeof(k->cma) / sizeof(k->cma[0]);
	int fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	unsigned long long start, mib;
	char record[8192], *text;
	size_t n = 0;
	ssize_t got;

	if (fd < 0)
		return;
	do {
		got = read(fd, record, sizeof(record) - 1);
		if (got <= 0)
			continue;
		record[got] = '\0';
		text = strchr(record, ';');
		if (text && sscanf(text, ";cma: Reserved %llu MiB at %llx", &mib, &start) == 2) {
			k->cma[n].first_pfn = start / k->page_size;
			k->cma[n++].end_pfn = (start + (mib << 20)) / k->page_size;
		}
	} while (n < room && (got > 0 || (got < 0 && errno != EAGAIN)));
	close(fd);
}

bool pin_kernel_in_cma(const struct pin_kernel *k, uint64_t pfn)
{
	for (size_t i = 0; i < sizeof(k->cma) / sizeof(k->cma[0]); i++) {
		if (pfn >= k->cma[i].first_pfn && pfn < k->cma[i].end_pfn)
			return true;
	}
	return false;
}

int pin_kernel_init(struct pin_kernel *k, const struct pin_counters *c)
{
	unsigned int major, minor;
	struct utsname u;

	memset(k, 0, sizeof(*k));
	if (uname(&u) || sscanf(u.release, "%u.%u", &major, &minor) != 2)
		return -EINVAL;
	snprintf(k->release, sizeof(k->release), "%s", u.release);
	k->version = PIN_KVER(major, minor);
	k->page_size = sysconf(_SC_PAGESIZE);
	k->pmd_size = pin_read_number("/sys/kernel/mm/transparent_hugepage/hpage_pmd_size", 0);
	k->longterm_file_refused = k->version >= PIN_KVER(6, 5);
	k->integrity_pins = k->version >= PIN_KVER(6, 8);
	k->netfs_pins = k->version >= PIN_KVER(6, 8);
	k->fuse_pins = k->version >= PIN_KVER(6, 9);
	k->udmabuf_pins = k->version >= PIN_KVER(6, 11);
	k->movable_memory = zone_movable_has_memory();
	if (pin_meminfo("CmaTotal")) {
		k->movable_memory = true;
		find_cma(k);
	}
	try_zero_page(k, c);
	try_dio(k, c);
	try_uring(k, c);
	return 0;
}
