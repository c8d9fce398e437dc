// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/memfd.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "memory.h"
#include "proc.h"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_READ	22
#define MADV_POPULATE_WRITE	23
#endif
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE		25
#endif
#ifndef __NR_memfd_secret
#define __NR_memfd_secret	447
#endif
#ifndef TMPFS_MAGIC
#define TMPFS_MAGIC		0x01021994
#endif
#ifndef RAMFS_MAGIC
#define RAMFS_MAGIC		0x858458f6
#endif

#define UNALIGNED_BY	512	/* what every O_DIRECT target here accepts */

static int fail(struct pin_mem *m, int err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(m->why, sizeof(m->why), fmt, ap);
	va_end(ap);
	return err;
}

unsigned int pin_pages_touched(const void *addr, size_t len, long page_size)
{
	uintptr_t start = (uintptr_t)addr & ~(page_size - 1);

	if (!len)
		return 0;
	return ((uintptr_t)addr + len - start + page_size - 1) / page_size;
}

static void touch_write(void *addr, size_t len, long page_size)
{
	volatile char *p = addr;

	for (size_t i = 0; i < len; i += page_size)
		p[i] = (char)(i / page_size + 1);
}

static void touch_read(void *addr, size_t len, long page_size)
{
	volatile const char *p = addr;

	for (size_t i = 0; i < len; i += page_size)
		(void)p[i];
}

/* Map @len bytes and make them the whole range; small pages unless asked. */
static int map_pages(struct pin_mem *m, size_t len, int prot, int flags, int fd)
{
	void *p = mmap(NULL, len, prot, flags, fd, 0);

	if (p == MAP_FAILED)
		return fail(m, -errno, "mmap of %zu bytes: %s", len, strerror(errno));
	m->map = p;
	m->map_len = len;
	m->addr = p;
	m->len = len;
	if (!m->kind->huge)
		madvise(p, len, MADV_NOHUGEPAGE);
	return 0;
}

static int map_anon(struct pin_mem *m, unsigned int pages)
{
	return map_pages(m, pages * m->kernel->page_size, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1);
}

static int alloc_anon(struct pin_mem *m, unsigned int pages)
{
	int err = map_anon(m, pages);

	if (!err)
		touch_write(m->addr, m->len, m->kernel->page_size);
	return err;
}

static int alloc_unaligned(struct pin_mem *m, unsigned int pages)
{
	int err = pages < 2 ? fail(m, -EINVAL, "takes two pages or more") :
			      alloc_anon(m, pages);

	if (err)
		return err;
	m->addr = (char *)m->addr + UNALIGNED_BY;
	m->len -= m->kernel->page_size;
	return 0;
}

static int alloc_readonly(struct pin_mem *m, unsigned int pages)
{
	int err = alloc_anon(m, pages);

	if (!err && mprotect(m->map, m->map_len, PROT_READ))
		err = fail(m, -errno, "mprotect: %s", strerror(errno));
	return err;
}

static void gup_readonly(const struct pin_mem *m, const struct pin_access *a,
			 struct pin_gup *g)
{
	(void)m;
	if (a->write) {
		g->pinned = 0;
		g->err = -EFAULT;
	}
}

static int alloc_hole(struct pin_mem *m, unsigned int pages)
{
	long ps = m->kernel->page_size;
	int err = pages < 2 ? fail(m, -EINVAL, "takes two pages or more") :
			      alloc_anon(m, pages);

	if (err)
		return err;
	/* An odd page: what is done in pieces then pins some of the piece. */
	m->hole = pages > 1 ? (pages / 2) | 1 : 0;
	if (mprotect((char *)m->map + m->hole * ps, ps, PROT_NONE))
		return fail(m, -errno, "mprotect: %s", strerror(errno));
	return 0;
}

/* Earlier, some mapping of the consumer's could fall into the hole. */
static void arm_hole(struct pin_mem *m)
{
	const uintptr_t ps = m->kernel->page_size;

	if (m->hole < m->pages)
		munmap((void *)(((uintptr_t)m->addr & ~(ps - 1)) + m->hole * ps), ps);
}

static void gup_hole(const struct pin_mem *m, const struct pin_access *a,
		     struct pin_gup *g)
{
	(void)a;
	if (m->hole == m->pages)
		return;		/* a part of it that ends before the hole */
	g->pinned = m->hole;
	g->err = -EFAULT;
}

/* Read first: every page table entry points to the shared zero page. */
static int alloc_zero(struct pin_mem *m, unsigned int pages)
{
	int err = map_anon(m, pages);

	if (!err)
		touch_read(m->addr, m->len, m->kernel->page_size);
	return err;
}

/* Also for memory that was never touched: a read fault finds the zero page. */
static void gup_zero(const struct pin_mem *m, const struct pin_access *a,
		     struct pin_gup *g)
{
	/* A long-term pin that only reads gets pages of its own since 6.2. */
	bool own = a->write || (a->longterm && m->kernel->version >= PIN_KVER(6, 2));

	g->zero = own ? 0 : g->pinned;
	if (!m->kernel->zero_page_counted)
		g->uncounted = g->zero;
}

/* Another process has the same pages, and lives as long as we do. */
static int fork_sharer(struct pin_mem *m)
{
	const pid_t parent = getpid();
	int ready[2], err = 0;
	char byte;

	if (pipe2(ready, O_CLOEXEC))
		return fail(m, -errno, "pipe: %s", strerror(errno));
	m->sharer = fork();
	if (m->sharer < 0) {
		err = fail(m, -errno, "fork: %s", strerror(errno));
	} else if (!m->sharer) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		/* A parent that died before that sends no signal. */
		if (getppid() == parent && write(ready[1], "", 1) == 1)
			for (;;)
				pause();
		_exit(1);
	}
	close(ready[1]);
	if (!err && read(ready[0], &byte, 1) != 1)
		err = fail(m, -ECHILD, "the process to share pages with died");
	close(ready[0]);
	return err;
}

static int alloc_cow(struct pin_mem *m, unsigned int pages)
{
	return alloc_anon(m, pages) ?: fork_sharer(m);
}

static void gup_cow(const struct pin_mem *m, const struct pin_access *a,
		    struct pin_gup *g)
{
	/*
	 * A pin that only reads must unshare the page first. The lockless walk
	 * finds that out after it has taken the first page, drops it, and
	 * leaves the rest to the slow walk (since 5.19). A write pin finds the
	 * page table entry write-protected and takes nothing.
	 */
	if (a->fast && !a->write && m->kernel->version >= PIN_KVER(5, 19))
		g->undone = 1;
}

/* One page of a memfd mapped at every address of the range. */
static int alloc_alias(struct pin_mem *m, unsigned int pages)
{
	long ps = m->kernel->page_size;
	int err = map_anon(m, pages);

	if (err)
		return err;
	m->fd = memfd_create("pin-alias", MFD_CLOEXEC);
	if (m->fd < 0 || ftruncate(m->fd, ps))
		return fail(m, -errno, "memfd: %s", strerror(errno));
	for (unsigned int i = 0; i < pages; i++) {
		if (mmap((char *)m->map + i * ps, ps, PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_FIXED, m->fd, 0) == MAP_FAILED)
			return fail(m, -errno, "mmap: %s", strerror(errno));
	}
	touch_write(m->addr, m->len, ps);
	return 0;
}

static long smaps_kib(const void *addr, const char *field)
{
	unsigned long start, end;
	char line[512];
	bool inside = false;
	long kib = -1;
	size_t len = strlen(field);
	FILE *f = fopen("/proc/self/smaps", "re");

	if (!f)
		return -1;
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%lx-%lx ", &start, &end) == 2 &&
		    strchr(line, '-') < strchr(line, ' '))
			inside = (unsigned long)addr >= start &&
				 (unsigned long)addr < end;
		else if (inside && !strncmp(line, field, len) && line[len] == ':')
			kib = strtol(line + len + 1, NULL, 10);
	}
	fclose(f);
	return kib;
}

uint64_t pin_frame_of(const void *addr, long ps)
{
	int pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	uint64_t entry = 0;

	if (pagemap >= 0) {
		if (pread(pagemap, &entry, 8, (uintptr_t)addr / ps * 8) != 8)
			entry = 0;
		close(pagemap);
	}
	return entry & ((1ull << 55) - 1);
}

unsigned int pin_frames_lost(const uint64_t *frames, unsigned int nr)
{
	const uint64_t anonymous = 1ull << 12, swap_cache = 1ull << 13;
	int kpageflags = open("/proc/kpageflags", O_RDONLY | O_CLOEXEC);
	int kpagecount = open("/proc/kpagecount", O_RDONLY | O_CLOEXEC);
	unsigned int lost = 0;
	uint64_t flags, maps;

	for (unsigned int i = 0; i < nr; i++) {
		if (!frames[i] || pread(kpageflags, &flags, 8, frames[i] * 8) != 8 ||
		    pread(kpagecount, &maps, 8, frames[i] * 8) != 8)
			continue;
		lost += flags & anonymous && !(flags & swap_cache) && !maps;
	}
	if (kpageflags >= 0)
		close(kpageflags);
	if (kpagecount >= 0)
		close(kpagecount);
	return lost;
}

/*
 * Is every @step-th page of the range the head of a folio where it is a
 * multiple of @pages, and a tail elsewhere?
 */
static bool made_of_folios(const struct pin_mem *m, size_t pages, size_t step)
{
	const uint64_t head = 1ull << 15, tail = 1ull << 16;
	int kpageflags = open("/proc/kpageflags", O_RDONLY | O_CLOEXEC);
	long ps = m->kernel->page_size;
	bool right = kpageflags >= 0;
	uint64_t flags;

	for (size_t i = 0; right && i < m->len / ps; i += step) {
		const uint64_t frame = pin_frame_of((char *)m->addr + i * ps, ps);

		right = pread(kpageflags, &flags, 8, frame * 8) == 8 &&
			flags & (i % pages ? tail : head);
	}
	if (kpageflags >= 0)
		close(kpageflags);
	return right;
}

/* Anonymous memory where a huge page could be. */
static int map_huge_place(struct pin_mem *m)
{
	const size_t size = m->kernel->pmd_size;
	int err;

	if (!size)
		return fail(m, -EOPNOTSUPP, "no transparent huge pages: kernel option TRANSPARENT_HUGEPAGE, and not 'never' in /sys/kernel/mm/transparent_hugepage/enabled");
	err = map_pages(m, 2 * size, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1);
	if (err)
		return err;
	m->addr = (void *)(((uintptr_t)m->map + size - 1) & ~(size - 1));
	m->len = size;
	return 0;
}

/* All of it is one; @field of smaps says so, too, which takes longer. */
static bool is_huge_page(struct pin_mem *m, const char *field)
{
	m->folio_pages = m->len / m->kernel->page_size;
	/* Smaller folios would have a head in the middle. */
	return made_of_folios(m, m->folio_pages, m->folio_pages / 2) ||
	       smaps_kib(m->addr, field) * 1024 >= (long)m->len;
}

/* One PMD-sized, PMD-aligned anonymous huge page, written or only read. */
static int alloc_huge_anon(struct pin_mem *m, bool write)
{
	const long ps = m->kernel->page_size;
	int err = map_huge_place(m);

	if (err)
		return err;
	if (madvise(m->addr, m->len, MADV_HUGEPAGE))
		return fail(m, -errno, "madvise(MADV_HUGEPAGE): %s", strerror(errno));
	if (!write) {
		touch_read(m->addr, m->len, ps);
		return 0;
	}
	touch_write(m->addr, m->len, ps);
	if (!is_huge_page(m, "AnonHugePages"))
		return fail(m, -ENOMEM, "the kernel gave no transparent huge page: set /sys/kernel/mm/transparent_hugepage/enabled to madvise, or memory is fragmented");
	return 0;
}

static int alloc_thp(struct pin_mem *m, unsigned int pages)
{
	(void)pages;
	return alloc_huge_anon(m, true);
}

/* A range inside a large folio that begins at a page of its tail. */
static void take_part(struct pin_mem *m, unsigned int first, unsigned int pages)
{
	long ps = m->kernel->page_size;
	unsigned int room = m->len / ps - first - 1;

	m->addr = (char *)m->addr + first * ps;
	m->len = (pages < room ? pages : room) * ps;
	m->folio_index = first;
}

static int alloc_thp_part(struct pin_mem *m, unsigned int pages)
{
	int err = alloc_huge_anon(m, true);

	if (!err)
		take_part(m, 3, pages);
	return err;
}

/* A write or the unsharing splits the mapping, and copies page by page. */
static int alloc_thp_cow(struct pin_mem *m, unsigned int pages)
{
	int err = alloc_thp_part(m, pages) ?: fork_sharer(m);

	m->folio_pages = 1;
	m->folio_index = 0;
	return err;
}

/* As gup_cow(), but the lockless walk takes all of the huge page at once. */
static void gup_thp_cow(const struct pin_mem *m, const struct pin_access *a,
			struct pin_gup *g)
{
	gup_cow(m, a, g);
	g->undone *= m->pages;
}

/* A page amidst those of the folio is another one, to which it does not belong. */
static int alloc_thp_patched(struct pin_mem *m, unsigned int pages)
{
	const long ps = m->kernel->page_size;
	int err = alloc_thp_part(m, pages);
	char *patch;

	if (err)
		return err;
	patch = (char *)m->addr + m->len / 2 / ps * ps;
	if (madvise(patch, ps, MADV_DONTNEED))
		return fail(m, -errno, "madvise: %s", strerror(errno));
	*patch = 1;
	m->folio_pages = 1;
	m->folio_index = 0;
	return 0;
}

/* The folio stays large, but is mapped page by page. */
/* Two pages in each other's place. */
static int alloc_thp_shuffled(struct pin_mem *m, unsigned int pages)
{
	const long ps = m->kernel->page_size;
	const int how = MREMAP_MAYMOVE | MREMAP_FIXED;
	int err = alloc_thp_part(m, pages);
	char *place, *first = (char *)m->addr + 2 * ps, *second = first + ps;

	if (err)
		return err;
	place = mmap(NULL, ps, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (place == MAP_FAILED || mremap(first, ps, ps, how, place) == MAP_FAILED ||
	    mremap(second, ps, ps, how, first) == MAP_FAILED ||
	    mremap(place, ps, ps, how, second) == MAP_FAILED)
		return fail(m, -errno, "pages cannot be moved: %s", strerror(errno));
	return 0;
}

static int alloc_thp_pte(struct pin_mem *m, unsigned int pages)
{
	long ps = m->kernel->page_size;
	int err = alloc_huge_anon(m, true);

	if (err)
		return err;
	if (mprotect(m->addr, ps, PROT_READ) ||
	    mprotect(m->addr, ps, PROT_READ | PROT_WRITE))
		return fail(m, -errno, "mprotect: %s", strerror(errno));
	take_part(m, 3, pages);
	return 0;
}

static long huge_kib(void)
{
	char line[256];
	long kib = -1;
	FILE *f = fopen("/proc/self/smaps_rollup", "re");

	if (!f)
		return -1;
	while (fgets(line, sizeof(line), f))
		sscanf(line, "AnonHugePages: %ld", &kib);
	fclose(f);
	return kib;
}

static int alloc_row(struct pin_mem *m, const struct pin_row *r)
{
	const size_t pmd = m->kernel->pmd_size, len = r->huge * pmd;
	const long ps = m->kernel->page_size, kib = huge_kib();
	char *huge;
	int err;

	if (!pmd)
		return fail(m, -EOPNOTSUPP, "no transparent huge pages: kernel option TRANSPARENT_HUGEPAGE, and not 'never' in /sys/kernel/mm/transparent_hugepage/enabled");
	err = map_pages(m, len + 3 * pmd, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1);
	if (err)
		return err;
	huge = (char *)(((uintptr_t)m->map + 2 * pmd - 1) & ~(pmd - 1));
	madvise(m->map, m->map_len, MADV_NOHUGEPAGE);
	madvise(huge, len, MADV_HUGEPAGE);
	m->addr = huge - r->before * ps;
	m->len = (r->before + r->after) * ps + len;
	touch_write(m->addr, m->len, ps);
	m->before = r->before;
	m->after = r->after;
	m->folio_pages = pmd / ps;
	if (huge_kib() - kib != (long)(len / 1024))
		return fail(m, -ENOMEM, "the kernel gave no transparent huge pages: set /sys/kernel/mm/transparent_hugepage/enabled to madvise, or memory is fragmented");
	/* A mapping that ends inside, for a moment; page protections stay as they are. */
	for (size_t i = 0; r->by_ptes && i < r->huge; i++) {
		if (madvise(huge + i * pmd, ps, MADV_DONTDUMP) ||
		    madvise(huge + i * pmd, ps, MADV_DODUMP))
			return fail(m, -errno, "madvise: %s", strerror(errno));
	}
	if (r->by_ptes && huge_kib() != kib)
		return fail(m, -EIO, "the huge pages are still mapped as such");
	return 0;
}

/* Four folios of 16 pages, in a mapping too small for a PMD-sized one. */
static int alloc_mthp(struct pin_mem *m, unsigned int pages)
{
	const size_t size = 16 * m->kernel->page_size;
	int err = map_pages(m, 5 * size, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1);

	(void)pages;
	if (err)
		return err;
	m->addr = (void *)(((uintptr_t)m->map + size - 1) & ~(size - 1));
	m->len = 4 * size;
	madvise(m->addr, m->len, MADV_HUGEPAGE);
	touch_write(m->addr, m->len, m->kernel->page_size);
	m->folio_pages = 16;
	if (!made_of_folios(m, 16, 1))
		return fail(m, -ENOMEM, "no folios of 16 pages (root can see them): echo madvise > /sys/kernel/mm/transparent_hugepage/hugepages-%zukB/enabled (Linux 6.8)",
			    size / 1024);
	return 0;
}

static int alloc_huge_zero(struct pin_mem *m, unsigned int pages)
{
	int err = alloc_huge_anon(m, false);

	(void)pages;
	/* A write gets a huge page of its own since 6.13, small ones before. */
	if (!err && m->kernel->version >= PIN_KVER(6, 13))
		m->folio_pages = m->kernel->pmd_size / m->kernel->page_size;
	return err;
}

/* Bytes of as many whole huge pages as @pages small ones need. */
static size_t hugetlb_size(const struct pin_mem *m, unsigned int pages)
{
	const size_t size = m->kernel->pmd_size, want = (size_t)pages * m->kernel->page_size;

	return want <= size ? size : (want + size - 1) / size * size;
}

static int map_hugetlb(struct pin_mem *m, unsigned int pages, int flags, int fd)
{
	size_t size = m->kernel->pmd_size;
	int err;

	if (!size)
		return fail(m, -EOPNOTSUPP, "no PMD-sized pages on this kernel");
	err = map_pages(m, hugetlb_size(m, pages), PROT_READ | PROT_WRITE, flags, fd);
	if (err)
		return fail(m, err, "no free %zu kB page: echo 8 > /proc/sys/vm/nr_hugepages (kernel option HUGETLBFS)",
			    size / 1024);
	m->folio_pages = size / m->kernel->page_size;
	return 0;
}

/* What is reserved may be on another node than a process is bound to: SIGBUS. */
static int touch_hugetlb(struct pin_mem *m)
{
	if (madvise(m->addr, m->len, MADV_POPULATE_WRITE) && errno != EINVAL)
		return fail(m, -ENOMEM, "no free %zu kB page on the node that this process is bound to",
			    m->kernel->pmd_size / 1024);
	touch_write(m->addr, m->len, m->kernel->page_size);
	return 0;
}

static int alloc_hugetlb(struct pin_mem *m, unsigned int pages)
{
	int err = map_hugetlb(m, pages, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1);

	return err ?: touch_hugetlb(m);
}

static int alloc_hugetlb_part(struct pin_mem *m, unsigned int pages)
{
	int err = alloc_hugetlb(m, 1);

	if (!err)
		take_part(m, 5, pages);
	return err;
}

static int map_memfd_hugetlb(struct pin_mem *m, unsigned int pages, int flags)
{
	m->fd = memfd_create("pin-hugetlb", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_HUGETLB);
	if (m->fd < 0 || ftruncate(m->fd, hugetlb_size(m, pages)))
		return fail(m, -errno, "memfd_create(MFD_HUGETLB): %s", strerror(errno));
	return map_hugetlb(m, pages, MAP_SHARED | flags, m->fd);
}

/*
 * Reserved by the mapping, but not touched. A kernel that has lost a reservation on an
 * error path, as 6.12 does, may stop when it is to use one.
 */
/* Small pages of a memfd, where a huge one could be. */
static int alloc_memfd_aligned(struct pin_mem *m, unsigned int pages)
{
	int err = map_huge_place(m);

	if (err)
		return err;
	/* The map begins where the file does. */
	if (m->addr != m->map)
		munmap(m->map, (char *)m->addr - (char *)m->map);
	munmap((char *)m->addr + m->len, (char *)m->map + m->map_len - (char *)m->addr - m->len);
	m->map = m->addr;
	m->map_len = m->len;
	m->fd = memfd_create("pin-memfd", MFD_CLOEXEC);
	if (m->fd < 0 || ftruncate(m->fd, m->len))
		return fail(m, -errno, "memfd_create: %s", strerror(errno));
	if (mmap(m->addr, m->len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, m->fd, 0) ==
	    MAP_FAILED)
		return fail(m, -errno, "mmap of a memfd: %s", strerror(errno));
	madvise(m->addr, m->len, MADV_NOHUGEPAGE);
	touch_write(m->addr, m->len, m->kernel->page_size);
	return 0;
}

/* What the system wants of shared memory does not matter to MADV_COLLAPSE. */
static int alloc_memfd_thp(struct pin_mem *m, unsigned int pages)
{
	int err = alloc_memfd_aligned(m, pages);

	if (err)
		return err;
	madvise(m->addr, m->len, MADV_HUGEPAGE);
	if (madvise(m->addr, m->len, MADV_COLLAPSE))
		return fail(m, -errno, "MADV_COLLAPSE of a memfd: %s: Linux 6.1, or memory is fragmented",
			    strerror(errno));
	touch_write(m->addr, m->len, m->kernel->page_size);
	if (!is_huge_page(m, "ShmemPmdMapped"))
		return fail(m, -ENOMEM, "the kernel gave no transparent huge page for a memfd");
	return 0;
}

static int alloc_memfd_hugetlb_fresh(struct pin_mem *m, unsigned int pages)
{
	const size_t size = m->kernel->pmd_size;
	const long long reserved = pin_hugetlb_pool(size, "resv_hugepages");

	if (reserved < 0 || reserved > pin_hugetlb_pool(size, "nr_hugepages"))
		return fail(m, -EBUSY, "reservations of huge pages are below zero, for want of memory once: boot anew");
	return map_memfd_hugetlb(m, pages, 0);
}

static int alloc_memfd_hugetlb_unreserved(struct pin_mem *m, unsigned int pages)
{
	return map_memfd_hugetlb(m, pages, MAP_NORESERVE);
}

static int alloc_memfd_hugetlb(struct pin_mem *m, unsigned int pages)
{
	int err = map_memfd_hugetlb(m, pages, 0);

	return err ?: touch_hugetlb(m);
}

/*
 * Pages on either side of the border between two huge pages that are not next to each
 * other in memory: those that are may come the other way round when asked for again.
 */
static int alloc_memfd_hugetlb_border(struct pin_mem *m, unsigned int pages)
{
	const size_t size = m->kernel->pmd_size;
	const long ps = m->kernel->page_size;
	int err = map_memfd_hugetlb(m, 2 * size / ps, 0);

	for (int tries = 0; !err && tries < 4; tries++) {
		const char *first = m->addr;

		err = touch_hugetlb(m);
		if (!err && pin_frame_of(first + size, ps) != pin_frame_of(first, ps) + size / ps) {
			take_part(m, m->folio_pages - pages / 2, pages);
			return 0;
		}
		madvise(m->addr, m->len, MADV_REMOVE);
	}
	return err ?: fail(m, -ENOMEM, "all free huge pages are next to each other");
}

/*
 * Pages around the middle of a PUD-sized page, 1 GiB on most machines. One takes long
 * to clear: a process and its children keep theirs.
 */
static int alloc_gigantic_part(struct pin_mem *m, unsigned int pages)
{
	const size_t size = m->kernel->pmd_size * (m->kernel->page_size / sizeof(uint64_t));
	static int kept = -1;
	int err = 0;

	if (!size)
		return fail(m, -EOPNOTSUPP, "no PMD-sized pages on this kernel");
	if (kept < 0) {
		kept = memfd_create("pin-gigantic", MFD_CLOEXEC | MFD_HUGETLB |
				    (unsigned int)__builtin_ctzl(size) << MFD_HUGE_SHIFT);
		if (kept < 0 || ftruncate(kept, size))
			err = -errno;
	}
	err = err ?: map_pages(m, size, PROT_READ | PROT_WRITE, MAP_SHARED, kept);
	if (err)
		return fail(m, err, "no free page of %zu MiB: boot with hugepagesz=%zuM hugepages=1 (kernel option HUGETLBFS)",
			    size >> 20, size >> 20);
	if (madvise(m->addr, m->kernel->page_size, MADV_POPULATE_WRITE) && errno != EINVAL)
		return fail(m, -ENOMEM, "no free page of %zu MiB on the node that this process is bound to",
			    size >> 20);
	m->folio_pages = size / m->kernel->page_size;
	take_part(m, m->folio_pages / 2 - pages / 2, pages);
	touch_write(m->addr, m->len, m->kernel->page_size);
	return 0;
}

/* Nothing but a size: the pin itself must bring the pages into being. */
static int alloc_memfd_fresh(struct pin_mem *m, unsigned int pages)
{
	size_t len = pages * m->kernel->page_size;

	m->fd = memfd_create("pin-memfd", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (m->fd < 0 || ftruncate(m->fd, len))
		return fail(m, -errno, "memfd_create: %s", strerror(errno));
	return map_pages(m, len, PROT_READ | PROT_WRITE, MAP_SHARED, m->fd);
}

/* Nearly all of it is asked for in vain, by FOLL_FORCE, too. */
static int alloc_past_end(struct pin_mem *m, unsigned int pages)
{
	const long ps = m->kernel->page_size;
	int err = alloc_memfd_fresh(m, pages);

	if (err)
		return err;
	if (ftruncate(m->fd, ps))
		return fail(m, -errno, "memfd_create: %s", strerror(errno));
	m->hole = 1;
	touch_write(m->addr, ps, ps);
	return 0;
}

static int alloc_memfd(struct pin_mem *m, unsigned int pages)
{
	int err = alloc_memfd_fresh(m, pages);

	if (!err)
		touch_write(m->addr, m->len, m->kernel->page_size);
	return err;
}

static int alloc_shmem(struct pin_mem *m, unsigned int pages)
{
	/* Untouched: the pin itself must bring the pages into being. */
	return map_pages(m, pages * m->kernel->page_size, PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS, -1);
}

const char *pin_file_dir(void)
{
	const char *const candidate[] = { getenv("TMPDIR"), ".", "/var/tmp", "/tmp" };
	struct statvfs vfs;
	struct statfs fs;

	for (size_t i = 0; i < sizeof(candidate) / sizeof(candidate[0]); i++) {
		const char *dir = candidate[i];

		if (!dir || access(dir, W_OK) || statfs(dir, &fs) ||
		    statvfs(dir, &vfs) || vfs.f_flag & ST_RDONLY)
			continue;
		if (fs.f_type != TMPFS_MAGIC && fs.f_type != RAMFS_MAGIC)
			return dir;
	}
	return NULL;
}

/* A mapped file with its pages clean and in the page cache, but not touched. */
static int map_file(struct pin_mem *m, unsigned int pages, int map_flags)
{
	size_t len = pages * m->kernel->page_size;
	const char *dir = pin_file_dir();
	char path[512], *data;
	int err = 0;

	if (!dir)
		return fail(m, -ENOENT, "no file system at hand that keeps files on a device: set TMPDIR");
	snprintf(path, sizeof(path), "%s/pin-file-XXXXXX", dir);
	m->fd = mkostemp(path, O_CLOEXEC);
	if (m->fd < 0)
		return fail(m, -errno, "%s: %s", path, strerror(errno));
	unlink(path);
	data = calloc(1, len);
	if (!data || write(m->fd, data, len) != (ssize_t)len || fsync(m->fd))
		err = fail(m, -errno ?: -ENOSPC, "writing a test file in %s: %s",
			   dir, strerror(errno));
	free(data);
	return err ?: map_pages(m, len, PROT_READ | PROT_WRITE, map_flags, m->fd);
}

/* The same, and its pages mapped. */
static int alloc_file(struct pin_mem *m, unsigned int pages, int map_flags)
{
	int err = map_file(m, pages, map_flags);

	if (!err)
		touch_read(m->addr, m->len, m->kernel->page_size);
	return err;
}

/*
 * Since 6.2 a long-term pin that only reads must not take a page that the next
 * write would replace. The lockless walk cannot tell, and drops what it took.
 */
static bool dropped_by_fast_walk(const struct pin_mem *m, const struct pin_access *a)
{
	return a->fast && a->longterm && !a->write && m->kernel->version >= PIN_KVER(6, 2);
}

static void gup_huge_zero(const struct pin_mem *m, const struct pin_access *a,
			  struct pin_gup *g)
{
	/* Special, so that the walk leaves it alone, since 6.18. */
	if (dropped_by_fast_walk(m, a) && m->kernel->version < PIN_KVER(6, 18))
		g->undone = m->pages;
}

static void gup_file(const struct pin_mem *m, const struct pin_access *a,
		     struct pin_gup *g)
{
	if (dropped_by_fast_walk(m, a))
		g->undone = 1;
}

static int alloc_file_private(struct pin_mem *m, unsigned int pages)
{
	return alloc_file(m, pages, MAP_PRIVATE);
}

static int alloc_file_shared(struct pin_mem *m, unsigned int pages)
{
	return alloc_file(m, pages, MAP_SHARED);
}

/*
 * A file of which nothing is in memory: a pin must have each page read, and gives
 * the lock of the address space away for that.
 */
static int alloc_file_cold(struct pin_mem *m, unsigned int pages)
{
	unsigned char there[pages];
	int err = map_file(m, pages, MAP_PRIVATE);

	if (err)
		return err;
	/* No page is read but the one that is asked for. */
	if (madvise(m->addr, m->len, MADV_RANDOM) ||
	    posix_fadvise(m->fd, 0, 0, POSIX_FADV_DONTNEED) ||
	    mincore(m->addr, m->len, there))
		return fail(m, -errno ?: -EINVAL, "a file out of memory: %s", strerror(errno));
	for (unsigned int i = 0; i < pages; i++) {
		if (there[i] & 1)
			return fail(m, -EBUSY, "the kernel keeps the pages of a file in memory");
	}
	return 0;
}

/* Dirty tracking would be bypassed: refused since 6.5. */
static void gup_file_shared(const struct pin_mem *m, const struct pin_access *a,
			    struct pin_gup *g)
{
	gup_file(m, a, g);
	if (a->write && a->longterm && m->kernel->longterm_file_refused) {
		g->pinned = 0;
		g->err = -EFAULT;
	}
}

/*
 * Three mappings: two of memory never touched, so that all of it is left to the slow walk,
 * and one that may not be pinned for long.
 */
static int alloc_then_file(struct pin_mem *m, unsigned int pages)
{
	const long ps = m->kernel->page_size;
	size_t front;
	int err;

	if (!m->kernel->longterm_file_refused)
		return fail(m, -EOPNOTSUPP, "Linux 6.5 and later refuse files to long-term pins, this kernel does not");
	if (pages < 4)
		return fail(m, -EINVAL, "takes four pages or more");
	err = map_file(m, pages, MAP_SHARED);
	if (err)
		return err;
	m->hole = (pages / 2) | 1;
	front = m->hole * ps;
	if (mmap(m->map, front, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
		 -1, 0) == MAP_FAILED ||
	    madvise((char *)m->map + ps, front - ps, MADV_DONTDUMP))
		return fail(m, -errno, "memory before a file: %s", strerror(errno));
	madvise(m->map, front, MADV_NOHUGEPAGE);
	return 0;
}

static int alloc_secretmem(struct pin_mem *m, unsigned int pages)
{
	size_t len = pages * m->kernel->page_size;
	int err;

	m->fd = syscall(__NR_memfd_secret, 0);
	if (m->fd < 0)
		return fail(m, -errno, "memfd_secret: %s: kernel option SECRETMEM; before 6.5 boot with secretmem.enable=1",
			    strerror(errno));
	if (ftruncate(m->fd, len))
		return fail(m, -errno, "memfd_secret: %s", strerror(errno));
	err = map_pages(m, len, PROT_READ | PROT_WRITE, MAP_SHARED, m->fd);
	if (err)
		return fail(m, err, "secret memory: %s: it counts against RLIMIT_MEMLOCK",
			    strerror(-err));
	touch_write(m->addr, m->len, m->kernel->page_size);
	return 0;
}

static void gup_secretmem(const struct pin_mem *m, const struct pin_access *a,
			  struct pin_gup *g)
{
	(void)m;
	g->pinned = 0;
	g->err = -EFAULT;
	/* The lockless walk takes the page before it sees whose it is. */
	g->undone = a->fast ? 1 : 0;
}

static const struct pin_memkind anon = {
	.name = "anon", .help = "anonymous small pages, written",
	.alloc = alloc_anon,
};

static const struct pin_memkind anon_untouched = {
	.name = "anon_untouched", .help = "anonymous memory never touched",
	.any_node = true, .once = true,
	.alloc = map_anon, .gup = gup_zero,
};

static const struct pin_memkind anon_unaligned = {
	.name = "anon_unaligned", .help = "starts and ends inside a page",
	.alloc = alloc_unaligned,
};

static const struct pin_memkind anon_readonly = {
	.name = "anon_readonly", .help = "written, then mapped PROT_READ",
	.alloc = alloc_readonly, .gup = gup_readonly,
};

static const struct pin_memkind hole = {
	.name = "hole", .help = "an unmapped page in the middle",
	.alloc = alloc_hole, .arm = arm_hole, .gup = gup_hole,
};

static const struct pin_memkind zero = {
	.name = "zero", .help = "the shared zero page at every address",
	.any_node = true, .once = true,
	.alloc = alloc_zero, .gup = gup_zero,
};

static const struct pin_memkind cow = {
	.name = "cow", .help = "shared copy-on-write with a living child",
	.once = true,
	.alloc = alloc_cow, .gup = gup_cow,
};

static const struct pin_memkind alias = {
	.name = "alias", .help = "the same page at every address",
	.alloc = alloc_alias,
};

static const struct pin_memkind thp = {
	.name = "thp", .help = "one transparent huge page", .huge = true,
	.alloc = alloc_thp,
};

static const struct pin_memkind thp_part = {
	.name = "thp_part", .help = "pages in the middle of a transparent huge page",
	.huge = true, .alloc = alloc_thp_part,
};

static const struct pin_memkind thp_pte = {
	.name = "thp_pte", .help = "the same, mapped by page table entries",
	.huge = true, .alloc = alloc_thp_pte,
};

static const struct pin_memkind mthp = {
	.name = "mthp", .help = "transparent huge pages of 16 small ones",
	.huge = true, .alloc = alloc_mthp,
};

static const struct pin_memkind huge_zero = {
	.name = "huge_zero", .help = "the huge zero page", .huge = true,
	.any_node = true, .once = true,
	.alloc = alloc_huge_zero, .gup = gup_huge_zero,
};

static const struct pin_memkind hugetlb = {
	.name = "hugetlb", .help = "one hugetlb page", .huge = true,
	.alloc = alloc_hugetlb,
};

static const struct pin_memkind hugetlb_part = {
	.name = "hugetlb_part", .help = "pages in the middle of a hugetlb page",
	.huge = true, .alloc = alloc_hugetlb_part,
};

static const struct pin_memkind memfd_hugetlb = {
	.name = "memfd_hugetlb", .help = "one hugetlb page of a memfd",
	.huge = true, .alloc = alloc_memfd_hugetlb,
};

static const struct pin_memkind memfd = {
	.name = "memfd", .help = "a memfd, written",
	.alloc = alloc_memfd,
};

static const struct pin_memkind shmem = {
	.name = "shmem", .help = "shared anonymous memory never touched",
	.alloc = alloc_shmem,
};

static const struct pin_memkind file_private = {
	.name = "file_private", .help = "private mapping of a file, clean",
	.on_file = true,
	.alloc = alloc_file_private, .gup = gup_file,
};

static const struct pin_memkind file_shared = {
	.name = "file_shared", .help = "shared mapping of a file, clean",
	.on_file = true, .alloc = alloc_file_shared, .gup = gup_file_shared,
};

static const struct pin_memkind secretmem = {
	.name = "secretmem", .help = "memfd_secret(2): must be refused",
	.alloc = alloc_secretmem, .gup = gup_secretmem,
};

/* So many small pages on either side that a cut is likely to touch them. */
static int alloc_geometry_row(struct pin_mem *m, unsigned int pages, bool by_ptes)
{
	const struct pin_row row = { pages, 2, pages, by_ptes };

	return alloc_row(m, &row);
}

static int alloc_thp_row(struct pin_mem *m, unsigned int pages)
{
	return alloc_geometry_row(m, pages, false);
}

static int alloc_thp_row_pte(struct pin_mem *m, unsigned int pages)
{
	return alloc_geometry_row(m, pages, true);
}

static int alloc_thp_then_hole(struct pin_mem *m, unsigned int pages)
{
	const struct pin_row row = { .huge = 1, .after = pages };
	const long ps = m->kernel->page_size;
	int err = alloc_row(m, &row);

	if (err)
		return err;
	m->hole = m->folio_pages + pages / 2;
	if (mprotect((char *)m->addr + m->hole * ps, ps, PROT_NONE))
		return fail(m, -errno, "mprotect: %s", strerror(errno));
	return 0;
}

static const struct pin_memkind pin_memkind_thp_then_hole = {
	.name = "thp_then_hole", .help = "a transparent huge page, small pages, and a hole in these",
	.huge = true, .alloc = alloc_thp_then_hole, .arm = arm_hole, .gup = gup_hole,
};

static const struct pin_memkind pin_memkind_row = {
	.name = "thp_row", .help = "small pages, two transparent huge pages, small pages",
	.huge = true, .alloc = alloc_thp_row,
};

static const struct pin_memkind pin_memkind_row_pte = {
	.name = "thp_row_pte", .help = "the same, mapped by page table entries",
	.huge = true, .alloc = alloc_thp_row_pte,
};

static const struct pin_memkind pin_memkind_memfd_fresh = {
	.name = "memfd_fresh", .help = "pages of a memfd never touched",
	.any_node = true, .once = true, .unseen = true, .alloc = alloc_memfd_fresh,
};

static const struct pin_memkind pin_memkind_memfd_hugetlb_fresh = {
	.name = "memfd_hugetlb_fresh", .help = "hugetlb pages of a memfd never touched",
	.huge = true, .once = true, .unseen = true, .alloc = alloc_memfd_hugetlb_fresh,
};

static const struct pin_memkind pin_memkind_memfd_hugetlb_border = {
	.name = "memfd_hugetlb_border",
	.help = "pages of two hugetlb pages of a memfd, where these meet",
	.huge = true, .alloc = alloc_memfd_hugetlb_border,
};

static const struct pin_memkind pin_memkind_memfd_hugetlb_unreserved = {
	.name = "memfd_hugetlb_unreserved",
	.help = "the same, which nobody has reserved in the pool",
	.huge = true, .once = true, .unseen = true, .alloc = alloc_memfd_hugetlb_unreserved,
};

static const struct pin_memkind pin_memkind_past_end = {
	.name = "past_end", .help = "a memfd that ends after the first page",
	.alloc = alloc_past_end, .gup = gup_hole,
};

const struct pin_memkind *const pin_memkinds[] = {
	&anon, &anon_untouched, &anon_unaligned, &anon_readonly, &hole, &zero,
	&cow, &alias, &thp, &thp_part, &thp_pte, &mthp, &huge_zero, &hugetlb,
	&hugetlb_part, &memfd_hugetlb, &memfd, &shmem, &file_private,
	&file_shared, &secretmem,
};

const unsigned int pin_nr_memkinds = sizeof(pin_memkinds) / sizeof(pin_memkinds[0]);

static const struct pin_memkind pin_memkind_file_cold = {
	.name = "file_cold", .help = "private mapping of a file that must be read first",
	.on_file = true, .any_node = true, .once = true, .unseen = true,
	.alloc = alloc_file_cold,
};

static const struct pin_memkind pin_memkind_thp_cow = {
	.name = "thp_cow",
	.help = "pages of a transparent huge page shared copy-on-write with a living child",
	.huge = true, .once = true, .unseen = true,
	.alloc = alloc_thp_cow, .gup = gup_thp_cow,
};

static const struct pin_memkind pin_memkind_thp_patched = {
	.name = "thp_patched",
	.help = "pages of a transparent huge page, and amidst them one that is none of it",
	.huge = true, .alloc = alloc_thp_patched,
};

static const struct pin_memkind pin_memkind_thp_shuffled = {
	.name = "thp_shuffled",
	.help = "pages in the middle of a transparent huge page, two of them in each other's place",
	.huge = true, .alloc = alloc_thp_shuffled,
};

static const struct pin_memkind pin_memkind_memfd_aligned = {
	.name = "memfd_aligned", .help = "small pages of a memfd, where a huge one could be",
	.alloc = alloc_memfd_aligned,
};

static const struct pin_memkind pin_memkind_memfd_thp = {
	.name = "memfd_thp", .help = "a transparent huge page of a memfd",
	.huge = true, .alloc = alloc_memfd_thp,
};

static const struct pin_memkind pin_memkind_gigantic_part = {
	.name = "gigantic_part",
	.help = "pages in the middle of a hugetlb page of 1 GiB, which the process keeps",
	.huge = true, .alloc = alloc_gigantic_part,
};

static const struct pin_memkind pin_memkind_then_file = {
	.name = "then_file",
	.help = "anonymous memory never touched, then a shared mapping of a file",
	.any_node = true, .once = true, .unseen = true,
	.alloc = alloc_then_file, .gup = gup_hole,
};

static const struct pin_memkind *const shapes[] = {
	&pin_memkind_row, &pin_memkind_row_pte, &pin_memkind_memfd_fresh,
	&pin_memkind_memfd_hugetlb_fresh, &pin_memkind_thp_then_hole, &pin_memkind_thp_cow,
	&pin_memkind_thp_patched, &pin_memkind_file_cold, &pin_memkind_memfd_hugetlb_unreserved,
	&pin_memkind_past_end, &pin_memkind_gigantic_part,
	&pin_memkind_memfd_hugetlb_border, &pin_memkind_then_file,
	&pin_memkind_memfd_aligned, &pin_memkind_memfd_thp, &pin_memkind_thp_shuffled,
};

const struct pin_memkind *pin_memkind_find(const char *name)
{
	for (unsigned int i = 0; i < pin_nr_memkinds; i++) {
		if (!strcmp(pin_memkinds[i]->name, name))
			return pin_memkinds[i];
	}
	for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
		if (!strcmp(shapes[i]->name, name))
			return shapes[i];
	}
	return NULL;
}

static void blank(struct pin_mem *m, const struct pin_memkind *kind,
		  const struct pin_kernel *k)
{
	memset(m, 0, sizeof(*m));
	m->kind = kind;
	m->kernel = k;
	m->fd = -1;
	m->folio_pages = 1;
}

static int allocated(struct pin_mem *m, int err)
{
	if (err) {
		pin_mem_free(m);
		return err;
	}
	m->pages = pin_pages_touched(m->addr, m->len, m->kernel->page_size);
	if (!m->hole)
		m->hole = m->pages;
	return 0;
}

int pin_mem_alloc(struct pin_mem *m, const struct pin_memkind *kind,
		  const struct pin_kernel *k, unsigned int pages)
{
	blank(m, kind, k);
	return allocated(m, kind->alloc(m, pages));
}

int pin_mem_alloc_row(struct pin_mem *m, const struct pin_kernel *k,
		      const struct pin_row *row)
{
	blank(m, row->by_ptes ? &pin_memkind_row_pte : &pin_memkind_row, k);
	return allocated(m, alloc_row(m, row));
}

void pin_mem_cut(struct pin_mem *m, size_t skip, size_t len)
{
	const uintptr_t ps = m->kernel->page_size;
	const unsigned int first = (((uintptr_t)m->addr & (ps - 1)) + skip) / ps;
	const unsigned int large = m->pages - m->before - m->after;
	const bool holed = m->hole < m->pages;
	unsigned int end;

	m->addr = (char *)m->addr + skip;
	m->len = len;
	end = first + pin_pages_touched(m->addr, len, ps);
	if (holed && m->hole >= first && m->hole < end)
		m->hole -= first;
	else
		m->hole = end - first;
	if (first > m->before)
		m->folio_index += first - m->before;
	if (end <= m->before || first >= m->before + large) {
		m->folio_pages = 1;
		m->before = 0;
		m->after = 0;
	} else {
		m->after = end > m->before + large ? end - m->before - large : 0;
		m->before = first < m->before ? m->before - first : 0;
	}
	m->folio_index = m->folio_pages > 1 ? m->folio_index % m->folio_pages : 0;
	m->pages = end - first;
}

size_t pin_mem_offset(const struct pin_mem *m)
{
	return (char *)m->addr - (char *)m->map;
}

bool pin_mem_in_memfd(const struct pin_mem *m)
{
	return !strncmp(m->kind->name, "memfd", strlen("memfd"));
}

unsigned int pin_mem_folios(const struct pin_mem *m)
{
	unsigned int large = m->pages - m->before - m->after;

	return m->folio_pages == 1 ? 0 :
	       (m->folio_index + large + m->folio_pages - 1) / m->folio_pages;
}

void pin_mem_unmap(struct pin_mem *m)
{
	if (m->map)
		munmap(m->map, m->map_len);
	m->map = NULL;
}

void pin_mem_free(struct pin_mem *m)
{
	pin_mem_unmap(m);
	if (m->fd >= 0)
		close(m->fd);
	m->fd = -1;
	if (m->sharer > 0) {
		kill(m->sharer, SIGKILL);
		waitpid(m->sharer, NULL, 0);
	}
	m->sharer = 0;
}

void pin_mem_gup(const struct pin_mem *m, const struct pin_access *a,
		 struct pin_gup *g)
{
	memset(g, 0, sizeof(*g));
	if (a->file_io && !m->kernel->dio_pins) {
		/* Plain references; what can be had is the same. */
		struct pin_access plain = *a;

		plain.file_io = false;
		pin_mem_gup(m, &plain, g);
		g->pinned = 0;
		g->uncounted = 0;
		g->undone = 0;
		return;
	}
	g->pinned = m->pages;
	if (m->kind->gup)
		m->kind->gup(m, a, g);
	/* The lockless walk leaves what must move first alone: of what migrates it may be part. */
	if (a->longterm && m->kernel->movable_memory && g->pinned)
		g->undone = 0;
}
