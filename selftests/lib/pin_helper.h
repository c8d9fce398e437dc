/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * /dev/pin_helper: user pages are pinned, or only referenced, as a driver would
 * do it, worked on and let go, and pages are looked at from inside the kernel.
 * This header is shared by the module (kmod-helper/) and by user space.
 *
 * Conventions
 *  - Every ioctl takes a pointer to a structure whose first member is its size
 *    as the caller knows it. A kernel that knows less of it refuses a structure
 *    whose unknown tail is not zero (E2BIG); one that knows more takes what is
 *    missing for zero. Reserved members and unknown flags: EINVAL if not zero.
 *  - Flags are our own. The kernel's FOLL_ values differ by version.
 *  - Lengths and offsets are in bytes, counts in base pages (PAGE_SIZE), unless
 *    the name says otherwise. Times are in microseconds.
 *  - A handle names what one ioctl has taken. Handles belong to the open file;
 *    its last close lets go of everything that is still held.
 *  - All need CAP_SYS_ADMIN (EPERM). All can be interrupted by a fatal signal
 *    (EINTR). Limits: EDQUOT, see struct pin_helper_info. An operation that this
 *    kernel lacks: EOPNOTSUPP. No such handle: ENOENT.
 */
#ifndef PIN_HELPER_H
#define PIN_HELPER_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define PIN_HELPER_DEVICE	"/dev/pin_helper"
#define PIN_HELPER_ABI		1

/* --- INFO ----------------------------------------------------------------- */

/* Bits of pin_helper_info.ways: enum pin_helper_way; .gives: enum pin_helper_give_way. */
struct pin_helper_info {
	__u32 size;
	__u32 abi;		/* PIN_HELPER_ABI of the module */
	__u32 page_size;
	__u32 ways;		/* bit PIN_HELPER_x: TAKE can do it here */
	__u32 gives;		/* bit PIN_HELPER_GIVE_x: GIVE can do it here */
	__u32 mirrors;		/* bit PIN_HELPER_MIRROR_x */
	__u32 faults_allowed;	/* the module parameter allow_faults */
	__u32 max_handles;	/* per open file */
	__u64 max_pages_file;	/* module parameters: pages per open file ... */
	__u64 max_pages_all;	/* ... and in all */
	__u64 pages_file;	/* held now by this open file */
	__u64 pages_all;	/* held now by all */
	__u64 pages_leaked;	/* by FAULT, not yet given back by REPAIR */
	__u64 acquired;		/* nr_foll_pin_acquired as the kernel has it, */
	__u64 released;		/* per-CPU deltas not folded */
};

/* --- TAKE and GIVE -------------------------------------------------------- */

enum pin_helper_way {
	PIN_HELPER_PIN,		/* pin_user_pages(), mmap lock held */
	PIN_HELPER_PIN_FAST,	/* pin_user_pages_fast() */
	PIN_HELPER_PIN_UNLOCKED,	/* pin_user_pages_unlocked() */
	PIN_HELPER_PIN_REMOTE,	/* pin_user_pages_remote() on the process @target */
	PIN_HELPER_PIN_MEMFD,	/* memfd_pin_folios() on the file @target, 6.11 */
	PIN_HELPER_GET,		/* get_user_pages(): for contrast */
	PIN_HELPER_GET_FAST,	/* get_user_pages_fast() */
	PIN_HELPER_WAYS,
};

#define PIN_HELPER_WRITE	(1u << 0)	/* FOLL_WRITE */
#define PIN_HELPER_LONGTERM	(1u << 1)	/* FOLL_LONGTERM; GET: EINVAL */

/*
 * Take the pages of [addr, addr + length). If only the first pages can be had
 * the call succeeds, @pages says how many and @error why not more; if none can
 * be had it fails with that error and there is no handle.
 *
 * @target must be 0 for the ways that do not use it. PIN_UNLOCKED refuses LONGTERM
 * where the kernel does (up to 6.4). PIN_MEMFD with WRITE needs a file open for
 * writing (EACCES) and not sealed against it (EPERM).
 *
 * PIN_MEMFD pins folios: one reference per folio, and offsets of the handle
 * (GIVE, DMA, INSPECT) count from the first byte asked for; addr is an offset
 * in the file.
 */
struct pin_helper_take {
	__u32 size;
	__u32 way;		/* enum pin_helper_way */
	__u32 flags;
	__s32 target;		/* pid, memfd, or 0 */
	__u64 addr;
	__u64 length;
	__u32 handle;		/* out */
	__s32 error;		/* out: 0 or -errno */
	__u64 pages;		/* out: taken; with PIN_MEMFD covered */
	__u64 refs;		/* out: calls that count: pages, or folios with PIN_MEMFD */
};

enum pin_helper_give_way {
	PIN_HELPER_GIVE_PAGE,		/* unpin_user_page(), one by one */
	PIN_HELPER_GIVE_PAGES,		/* unpin_user_pages() */
	PIN_HELPER_GIVE_DIRTY_LOCK,	/* unpin_user_pages_dirty_lock() */
	PIN_HELPER_GIVE_RANGE_DIRTY_LOCK, /* unpin_user_page_range_dirty_lock(), 5.14 */
	PIN_HELPER_GIVE_FOLIO,		/* unpin_folio(), of PIN_MEMFD, 6.11 */
	PIN_HELPER_GIVE_FOLIOS,		/* unpin_folios(), of PIN_MEMFD, 6.11 */
	PIN_HELPER_GIVE_PUT,		/* put_page(), of GET only */
	PIN_HELPER_GIVES,
};

/* Mark dirty; the _DIRTY_LOCK ways, and GIVE_PUT by set_page_dirty_lock(). */
#define PIN_HELPER_DIRTY	(1u << 0)
#define PIN_HELPER_GIVE_REST	(1u << 1)	/* all that is left: first, count are 0 */

/*
 * Let go of @count pages (folios of PIN_MEMFD) from @first on. EINVAL if the way
 * does not fit the handle, or if one of them is not held any more: nothing is
 * done then. GIVE_RANGE_DIRTY_LOCK needs pages next to each other in memory
 * (ERANGE else). The handle is gone with its last page.
 */
struct pin_helper_give {
	__u32 size;
	__u32 handle;
	__u32 way;		/* enum pin_helper_give_way */
	__u32 flags;
	__u64 first;
	__u64 count;
	__u64 left;		/* out: still held by this handle */
};

/* Let go of a handle of any kind, mirrors too, in the plainest way. */
struct pin_helper_close {
	__u32 size;
	__u32 handle;
};

/* --- DMA: the stand-in for a device --------------------------------------- */

enum pin_helper_dma_op {
	PIN_HELPER_DMA_READ,	/* memory to @buffer */
	PIN_HELPER_DMA_WRITE,	/* @buffer to memory */
	PIN_HELPER_DMA_FILL,	/* byte @value to memory */
};

/*
 * Writing through a GET handle is the INCORRECT variant of case 5: refused
 * (EPERM) without this flag.
 */
#define PIN_HELPER_DMA_INCORRECT	(1u << 0)
/* Return at once; done after @delay by a kernel thread. FILL only. */
#define PIN_HELPER_DMA_LATER	(1u << 1)

/*
 * Work on the bytes [offset, offset + length) of a handle's memory, counted
 * from the address it was taken at. Pages given back already: EINVAL. A handle
 * that has work pending is not let go of before the work is done, nor is a page
 * of it (GIVE and CLOSE wait). One work at a time: EBUSY. Writing through a
 * handle that was taken without PIN_HELPER_WRITE: EACCES, for its pages may be
 * anybody's. At the last close pending work is done at once; a mirror's is
 * cancelled.
 *
 * On a mirror: GET, PIN: EAGAIN if the range is invalidated and must be set up
 * again by PIN_HELPER_MIRROR_MAP; HMM: pages that are absent from the device's
 * page table are faulted in. DMA_LATER on GET and PIN: what happens when the
 * range is invalidated meanwhile is the mirror's subject.
 */
struct pin_helper_dma {
	__u32 size;
	__u32 handle;
	__u32 op;		/* enum pin_helper_dma_op */
	__u32 flags;
	__u64 offset;
	__u64 length;
	__u64 buffer;		/* user address; 0 for FILL */
	__u32 value;		/* FILL: low 8 bits */
	__u32 delay;		/* with DMA_LATER, at most PIN_HELPER_MAX_DELAY */
};

#define PIN_HELPER_MAX_DELAY	10000000u	/* 10 s */

/* Wait until no delayed work of @handle is pending; ETIMEDOUT. */
struct pin_helper_wait {
	__u32 size;
	__u32 handle;
	__u32 timeout;
	__s32 error;		/* out: of the work, 0 or -errno (ECANCELED: device stopped) */
};

/* --- TOUCH: case 4, struct page only -------------------------------------- */

/* Get the pages, mark them accessed (struct page only), put them. */
struct pin_helper_touch {
	__u32 size;
	__u32 flags;		/* 0 */
	__u64 addr;
	__u64 length;
	__u64 pages;		/* out */
};

/* --- INSPECT and SCAN: the page view --------------------------------------- */

#define PIN_HELPER_PAGE_PRESENT		(1u << 0)	/* all else is 0 if not set */
#define PIN_HELPER_PAGE_MAYBE_PINNED	(1u << 1)	/* folio/page_maybe_dma_pinned() */
#define PIN_HELPER_PAGE_DIRTY		(1u << 2)
#define PIN_HELPER_PAGE_WRITEBACK	(1u << 3)
#define PIN_HELPER_PAGE_MAPPED		(1u << 4)
#define PIN_HELPER_PAGE_ANON		(1u << 5)
#define PIN_HELPER_PAGE_SWAPBACKED	(1u << 6)
#define PIN_HELPER_PAGE_LARGE		(1u << 7)	/* part of a large folio */
#define PIN_HELPER_PAGE_HUGETLB		(1u << 8)
#define PIN_HELPER_PAGE_ZERO		(1u << 9)	/* the zero page, small or huge */
#define PIN_HELPER_PAGE_KSM		(1u << 10)
#define PIN_HELPER_PAGE_RESERVED	(1u << 11)
#define PIN_HELPER_PAGE_LRU		(1u << 12)
#define PIN_HELPER_PAGE_BUDDY		(1u << 13)	/* free */
#define PIN_HELPER_PAGE_MOVABLE_ZONE	(1u << 14)
#define PIN_HELPER_PAGE_MLOCKED		(1u << 15)
#define PIN_HELPER_PAGE_EXCLUSIVE	(1u << 16)	/* PageAnonExclusive, 5.19 */

/* Pins of a page without a pin count cannot be told from references. */
#define PIN_HELPER_NO_PINCOUNT		(-1)

struct pin_helper_page {
	__u64 pfn;
	__u32 flags;
	__s32 refcount;		/* of the folio, ours left out */
	__s32 pincount;		/* of the folio, or PIN_HELPER_NO_PINCOUNT */
	__s32 mapcount;		/* of the page, or (6.12 and later) of its folio */
	__s16 node;
	__u8 zone;		/* zone_idx */
	__u8 order;		/* of the folio */
	__u32 index;		/* of the page in its folio, in base pages */
};

#define PIN_HELPER_ZONE_NAME	16

enum pin_helper_subject {
	/*
	 * Of @target (0: own process) at [addr, +count pages). Nothing is faulted
	 * in: absent pages have flags 0.
	 */
	PIN_HELPER_OF_RANGE,
	PIN_HELPER_OF_HANDLE,	/* pages @first.. of handle @target */
	PIN_HELPER_OF_PFNS,	/* those whose pfn the caller put into pages[] */
};

/*
 * @count entries of @stride bytes (sizeof(struct pin_helper_page)) are written
 * to @pages. At most PIN_HELPER_MAX_INSPECT a call (EINVAL). A snapshot: pages
 * that are not held may change meanwhile.
 */
struct pin_helper_inspect {
	__u32 size;
	__u32 subject;		/* enum pin_helper_subject */
	__u32 target;
	__u32 stride;
	__u64 addr;
	__u64 first;
	__u64 count;
	__u64 pages;		/* user address */
};

#define PIN_HELPER_MAX_INSPECT	65536u

/* Kinds that SCAN tells apart, a page is counted in the first that fits. */
enum pin_helper_kind {
	PIN_HELPER_KIND_HUGETLB,
	PIN_HELPER_KIND_ANON_LARGE,
	PIN_HELPER_KIND_ANON,
	PIN_HELPER_KIND_SHMEM,	/* swap-backed file pages: shmem, memfd */
	PIN_HELPER_KIND_FILE,
	PIN_HELPER_KIND_OTHER,
	PIN_HELPER_KINDS,
};

struct pin_helper_scan_count {
	__s16 node;
	__u8 zone;
	__u8 kind;		/* enum pin_helper_kind */
	__u32 reserved;
	__u64 pages;		/* base pages of maybe-pinned folios */
	__u64 folios;
};

#define PIN_HELPER_SCAN_MOVABLE	(1u << 0)	/* only ZONE_MOVABLE */
#define PIN_HELPER_SCAN_LIST	(1u << 1)	/* fill @list too */

/*
 * Look at every online page frame in [first_pfn, end_pfn) (end_pfn 0: to the
 * end of memory) for maybe-pinned folios. Scans at most @budget frames (0: the
 * module's own bound) and says in @next_pfn where to go on; next_pfn >= end
 * of memory or end_pfn: done (@done is 1). Counts are added to what
 * @counts holds; entries are used in order, unused ones have folios == 0.
 * A full @counts or @list ends the call early, with @next_pfn set to go on.
 */
struct pin_helper_scan {
	__u32 size;
	__u32 flags;
	__u64 first_pfn;
	__u64 end_pfn;
	__u64 budget;
	__u64 counts;		/* user address: struct pin_helper_scan_count[] */
	__u64 list;		/* user address: struct pin_helper_page[] */
	__u32 counts_room;
	__u32 list_room;
	__u32 counts_used;	/* in and out */
	__u32 list_used;	/* out */
	__u64 next_pfn;		/* out */
	__u32 done;		/* out */
	__u32 reserved;
	__u64 scanned;		/* out: frames looked at in this call */
};

/* --- MIRROR: case 3 -------------------------------------------------------- */

enum pin_helper_mirror_way {
	/* Hardware without replayable faults: mmu_interval_notifier and ... */
	PIN_HELPER_MIRROR_GET,	/* get_user_pages(): neither flag is set */
	PIN_HELPER_MIRROR_PIN,	/* pin_user_pages(): allowed, and counted */
	/* Replayable faults: hmm_range_fault(), no reference is kept. */
	PIN_HELPER_MIRROR_HMM,
	PIN_HELPER_MIRRORS,
};

/*
 * On invalidate wait for the I/O that is pending instead of stopping the
 * device: the documented alternative. GET and PIN only.
 */
#define PIN_HELPER_MIRROR_SYNC	(1u << 1)
/* PIN_HELPER_WRITE (1u << 0) as above. */

/*
 * Watch [addr, addr + length), page aligned, of the calling process. The pages
 * are taken by PIN_HELPER_MIRROR_MAP or, HMM, by the first access.
 */
struct pin_helper_mirror {
	__u32 size;
	__u32 way;		/* enum pin_helper_mirror_way */
	__u32 flags;
	__u32 handle;		/* out */
	__u64 addr;
	__u64 length;
};

/* (Re)build the device's view of the whole range. All pages or none. */
struct pin_helper_mirror_map {
	__u32 size;
	__u32 handle;
	__u64 pages;		/* out: in the device's view now */
};

/*
 * The simulated device works by itself: while busy it increments the first
 * 64-bit word of every page of its view again and again (the range must be
 * WRITE), and stops when told or when the range is invalidated.
 */
struct pin_helper_mirror_busy {
	__u32 size;
	__u32 handle;
	__u32 on;
	__u32 reserved;
};

struct pin_helper_mirror_stat {
	__u32 size;
	__u32 handle;
	__u64 invalidations;	/* calls that hit the range */
	__u64 stopped;		/* of these, those that stopped a busy device */
	__u64 waited;		/* SYNC: those that waited for pending work */
	__u64 retries;		/* read_begin/read_retry had to start again */
	__u64 faults;		/* pages faulted in for the device */
	__u64 released;		/* pages let go of by invalidations */
	__u64 present;		/* pages in the device's view now */
	__u64 work;		/* words the busy device has written */
	__u32 busy;
	__u32 reserved;
};

/* --- FAULT and REPAIR: module parameter allow_faults=1 only (else EPERM) ---- */

enum pin_helper_fault_op {
	/* Forget pins of a handle: never released. */
	PIN_HELPER_FAULT_LEAK,
	/* unpin_user_page() on a page that is held by a plain reference (GET). */
	PIN_HELPER_FAULT_UNPIN_GET,
	/* put_page() where unpin_user_page() is due: the counters stay apart. */
	PIN_HELPER_FAULT_PUT_PIN,
	/* A pin is taken besides and forgotten, as if a get had been counted. */
	PIN_HELPER_FAULT_EXTRA_PIN,
	PIN_HELPER_FAULT_OPS,
};

/*
 * Do it to @count pages from @first on; they leave the handle. Every fault is
 * made so that memory stays valid (the references that keep it so are kept by
 * the module) and is remembered until REPAIR or module exit undoes it, page
 * counts and counters both.
 */
struct pin_helper_fault {
	__u32 size;
	__u32 op;		/* enum pin_helper_fault_op */
	__u32 handle;
	__u32 reserved;
	__u64 first;
	__u64 count;
};

struct pin_helper_repair {
	__u32 size;
	__u32 reserved;
	__u64 pages;		/* out: given back */
};

/* The size is a member of each structure, not part of the number. */
#define PIN_HELPER_IOC_INFO		_IO(0xb7, 0x00)
#define PIN_HELPER_IOC_TAKE		_IO(0xb7, 0x01)
#define PIN_HELPER_IOC_GIVE		_IO(0xb7, 0x02)
#define PIN_HELPER_IOC_CLOSE		_IO(0xb7, 0x03)
#define PIN_HELPER_IOC_DMA		_IO(0xb7, 0x04)
#define PIN_HELPER_IOC_WAIT		_IO(0xb7, 0x05)
#define PIN_HELPER_IOC_TOUCH		_IO(0xb7, 0x06)
#define PIN_HELPER_IOC_INSPECT		_IO(0xb7, 0x07)
#define PIN_HELPER_IOC_SCAN		_IO(0xb7, 0x08)
#define PIN_HELPER_IOC_MIRROR		_IO(0xb7, 0x09)
#define PIN_HELPER_IOC_MIRROR_MAP	_IO(0xb7, 0x0a)
#define PIN_HELPER_IOC_MIRROR_BUSY	_IO(0xb7, 0x0b)
#define PIN_HELPER_IOC_MIRROR_STAT	_IO(0xb7, 0x0c)
#define PIN_HELPER_IOC_FAULT		_IO(0xb7, 0x0d)
#define PIN_HELPER_IOC_REPAIR		_IO(0xb7, 0x0e)

#endif
