// SPDX-License-Identifier: GPL-2.0
/*
 * O_DIRECT on devices and file systems of our own: every operation on every
 * target, each compared to the page with what was predicted, and the data with
 * what was written.
 *
 * The prediction follows the code that the target goes through:
 *
 * - block devices (block/fops.c) and file systems on fs/iomap pin each piece
 *   of the vector once for each page it touches, and each piece again where
 *   the border of two extents cuts a page;
 * - file systems still on fs/direct-io.c do the same, in rounds of 64 pages;
 *   see walk_legacy() for the pins that kernel code loses count of;
 * - fs/netfs pins the whole vector before it asks the server for anything;
 * - btrfs and f2fs leave to the page cache what is not aligned to a block,
 *   btrfs also every write of data with checksums: no pins.
 */
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <linux/aio_abi.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "consumer.h"
#include "consumers/dio.h"
#include "page_view.h"
#include "scratch.h"
#include "suite.h"
#include "transfer.h"

#define SPAN		(3u << 20)	/* bytes of each target that are used, at least */
#define PAGES		16
#define FIRST		16		/* page of a target where most transfers begin */
#define MANY		300		/* more than BIO_MAX_VECS, 256 */
#define BIO_VECS	256
#define LEGACY_BATCH	64		/* DIO_PAGES in fs/direct-io.c */
#define FRAGMENTS	160		/* twice as many bios as it lets lie, and more */
#define HUGEPAGES	1
#define MAX_EXTENTS	256
#define MAX_VEC		1024
#define DM_KEY		"00112233445566778899aabbccddeeff0f1e2d3c4b5a69788796a5b4c3d2e1f0"

enum engine {
	BLOCK,		/* block/fops.c */
	IOMAP,		/* fs/iomap/direct-io.c */
	LEGACY,		/* fs/direct-io.c */
	NETFS,		/* fs/netfs/direct_*.c: no alignment, no end of file */
};

enum where {
	AT_HAND,	/* the file system of the working directory */
	ZRAM,
	LOOP,
	LOOP_DIRECT,
	MAPPED,		/* by device mapper, over a loop device */
	FILESYSTEM,	/* on its own loop device */
	SHARED,		/* with the host of a guest, by the name in PIN_SCRATCH_9P */
};

struct target {
	const char *name;
	enum where where;
	enum engine engine;
	unsigned int iomap_since;	/* PIN_KVER(): on fs/iomap from then on */
	unsigned int image_mib;
	bool sparse;		/* has holes in files */
	bool aligned_only;	/* unaligned to a block: page cache */
	bool write_cached;	/* writes go through the page cache */
	bool extend_cached;	/* writes past the end do */
	bool hole_cached;	/* writes into a hole do */
	bool partial;		/* transfers what comes before bad memory ... */
	unsigned int partial_since;	/* ... from this PIN_KVER() on */
	bool no_cow;		/* FS_NOCOW_FL on every file */
	bool gap_fails;		/* a write that meets bad memory fails whole */
	/* On fs/iomap: what was never written is not read, and unaligned: page cache. */
	bool valid_size;
	bool nowait_one_page;	/* RWF_NOWAIT reads that, or -EAGAIN */
	bool stable;		/* what is written may not change meanwhile: it is copied */
	union {
		struct pin_scratch_fs fs;
		struct pin_scratch_dm dm;
	};
};

static const struct target targets[] = {
	{
		.name = "here", .where = AT_HAND, .engine = IOMAP, .sparse = true,
	}, {
		.name = "zram", .where = ZRAM, .engine = BLOCK, .partial = true,
	}, {
		.name = "loop", .where = LOOP, .engine = BLOCK, .partial = true,
	}, {
		.name = "loop_direct", .where = LOOP_DIRECT, .engine = BLOCK,
		.partial = true,
	}, {
		.name = "dm_linear", .where = MAPPED, .engine = BLOCK, .partial = true,
		.dm = PIN_SCRATCH_DM_LINEAR,
	}, {
		.name = "dm_crypt", .where = MAPPED, .engine = BLOCK, .partial = true,
		.dm = {
			.type = "crypt", .before = "aes-xts-plain64 " DM_KEY " 0 ",
			.config = "DM_CRYPT",
		},
	}, {
		.name = "ext4", .where = FILESYSTEM, .engine = IOMAP,
		.image_mib = 32, .sparse = true,
		.fs = {
			.type = "ext4", .mkfs = "mkfs.ext4",
			.args = { "-Fq", "-b", "4096" }, .package = "e2fsprogs",
			.config = "EXT4_FS",
		},
	}, {
		.name = "ext4_1k", .where = FILESYSTEM, .engine = IOMAP,
		.image_mib = 32, .sparse = true,
		.fs = {
			.type = "ext4", .mkfs = "mkfs.ext4",
			.args = { "-Fq", "-b", "1024" }, .package = "e2fsprogs",
			.config = "EXT4_FS",
		},
	}, {
		.name = "ext3", .where = FILESYSTEM, .engine = IOMAP,
		.image_mib = 32, .sparse = true, .hole_cached = true,
		.fs = {
			.type = "ext3", .mkfs = "mkfs.ext3",
			.args = { "-Fq", "-b", "4096" }, .package = "e2fsprogs",
			.config = "EXT4_FS",
		},
	}, {
		.name = "ext2", .where = FILESYSTEM, .engine = IOMAP,
		.image_mib = 16, .sparse = true, .hole_cached = true,
		.fs = {
			.type = "ext2", .mkfs = "mkfs.ext2",
			.args = { "-Fq", "-b", "4096" }, .package = "e2fsprogs",
			.config = "EXT4_FS (with EXT4_USE_FOR_EXT2) or EXT2_FS",
		},
	}, {
		.name = "xfs", .where = FILESYSTEM, .engine = IOMAP,
		.image_mib = 320, .sparse = true,
		.fs = {
			.type = "xfs", .mkfs = "mkfs.xfs",
			.args = { "-fq" }, .package = "xfsprogs",
			.config = "XFS_FS",
		},
	}, {
		.name = "xfs_stable", .where = FILESYSTEM, .engine = IOMAP,
		.image_mib = 320, .sparse = true, .stable = true,
		.fs = {
			.type = "xfs", .mkfs = "mkfs.xfs",
			.args = { "-fq" }, .package = "xfsprogs",
			.config = "XFS_FS",
		},
	}, {
		.name = "btrfs", .where = FILESYSTEM, .engine = IOMAP,
		.image_mib = 160, .sparse = true, .aligned_only = true,
		.write_cached = true, .partial = true, .partial_since = PIN_KVER(5, 15),
		.nowait_one_page = true,
		.fs = {
			.type = "btrfs", .mkfs = "mkfs.btrfs",
			.args = { "-fq", "-m", "single", "-d", "single" }, .package = "btrfs-progs",
			.config = "BTRFS_FS",
		},
	}, {
		.name = "btrfs_nocow", .where = FILESYSTEM, .engine = IOMAP,
		.image_mib = 160, .sparse = true, .aligned_only = true,
		.partial = true, .partial_since = PIN_KVER(5, 15), .no_cow = true,
		.nowait_one_page = true,
		.fs = {
			.type = "btrfs", .mkfs = "mkfs.btrfs",
			.args = { "-fq", "-m", "single", "-d", "single" }, .package = "btrfs-progs",
			.config = "BTRFS_FS",
		},
	}, {
		.name = "f2fs", .where = FILESYSTEM, .engine = IOMAP,
		.image_mib = 128, .sparse = true, .aligned_only = true,
		.fs = {
			.type = "f2fs", .mkfs = "mkfs.f2fs",
			.args = { "-fq" }, .package = "f2fs-tools",
			.config = "F2FS_FS",
		},
	}, {
		.name = "vfat", .where = FILESYSTEM, .engine = LEGACY,
		.image_mib = 16, .extend_cached = true,
		.fs = {
			.type = "vfat", .mkfs = "mkfs.vfat",
			.args = { "-s", "8" }, .package = "dosfstools",
			.config = "VFAT_FS",
		},
	}, {
		.name = "vfat_512", .where = FILESYSTEM, .engine = LEGACY,
		.image_mib = 16, .extend_cached = true,
		.fs = {
			.type = "vfat", .mkfs = "mkfs.vfat",
			.args = { "-F", "16", "-s", "1" }, .package = "dosfstools",
			.config = "VFAT_FS",
		},
	}, {
		.name = "exfat", .where = FILESYSTEM, .engine = LEGACY,
		.iomap_since = PIN_KVER(7, 0), .image_mib = 16,
		.fs = {
			.type = "exfat", .mkfs = "mkfs.exfat",
			.package = "exfatprogs",
			.config = "EXFAT_FS",
		},
	}, {
		.name = "udf", .where = FILESYSTEM, .engine = LEGACY,
		.image_mib = 16, .sparse = true, .hole_cached = true,
		.fs = {
			.type = "udf", .mkfs = "mkudffs",
			.args = { "-b", "2048", "--media-type=hd" }, .package = "udftools",
			.config = "UDF_FS",
		},
	}, {
		.name = "ntfs3", .where = FILESYSTEM, .engine = LEGACY,
		.iomap_since = PIN_KVER(7, 0), .image_mib = 16, .sparse = true, .gap_fails = true,
		.valid_size = true,
		.fs = {
			.type = "ntfs3", .mkfs = "mkfs.ntfs",
			.args = { "-FqQ" }, .package = "ntfs-3g",
			.config = "NTFS3_FS",
		},
	}, {
		.name = "jfs", .where = FILESYSTEM, .engine = LEGACY,
		.image_mib = 24, .sparse = true, .hole_cached = true, .gap_fails = true,
		.fs = {
			.type = "jfs", .mkfs = "mkfs.jfs",
			.args = { "-q" }, .package = "jfsutils",
			.config = "JFS_FS",
		},
	}, {
		.name = "nilfs2", .where = FILESYSTEM, .engine = LEGACY,
		.image_mib = 160, .sparse = true, .write_cached = true,
		.fs = {
			.type = "nilfs2", .mkfs = "mkfs.nilfs2",
			.args = { "-q" }, .package = "nilfs-tools",
			.config = "NILFS2_FS",
		},
	}, {
		.name = "hfsplus", .where = FILESYSTEM, .engine = LEGACY,
		.image_mib = 24,
		.fs = {
			.type = "hfsplus", .mkfs = "mkfs.hfsplus",
			.args = { NULL }, .package = "hfsprogs",
			.config = "HFSPLUS_FS",
		},
	}, {
		.name = "9p", .where = SHARED, .engine = NETFS, .sparse = true, .partial = true,
		.fs = PIN_SCRATCH_9P,
	},
};

#define NR_TARGETS	(sizeof(targets) / sizeof(targets[0]))

/* A target, once it is set up. */
struct site {
	const struct target *target;
	bool wanted;
	int err;
	char why[PIN_WHY_LEN];
	char dir[300];		/* of a file system */
	int direct, cached;	/* descriptors */
	size_t sector;		/* smallest unit of a transfer */
	size_t dma;		/* memory begins at a multiple of it; 512 or more */
	size_t block;		/* of the file system */
	bool nowait;		/* RWF_NOWAIT is not refused */
	char *shadow;		/* what it must contain */
};

static struct site sites[NR_TARGETS];
static size_t span;		/* bytes of each target that are used */
static char scratch[256];	/* directory, "": not made yet */

/* One run of one operation. */
struct run {
	struct pin_audit *au;
	const struct pin_kernel *kernel;
	struct site *site;
	enum engine engine;
	long ps;
	struct pin_mem mem;
	bool zero;		/* memory is the zero page */
	bool alias;		/* one page at every address */
	/* the transfer */
	int fd, cached;
	char *shadow;		/* what the file contains */
	bool write;
	off_t pos, size;	/* size: of the file, before */
	struct iovec iov[MAX_VEC];
	unsigned int nr;
	size_t len;		/* of all pieces */
	int flags;		/* RWF_ */
	pin_transfer_fn transfer;
	bool insist;		/* ask again when told so: it costs no pins */
	bool shortens;		/* a segment loses its end, and with it a page */
	bool unwritten;		/* reads what no file system has written */
	bool one_bio;		/* memory is in one piece, however many pages it has */
};

struct op {
	const char *name;
	void (*run)(struct run *r);
	bool file_only;		/* not on a device */
	bool large_sector;	/* only where a sector is larger than 512 bytes */
	bool device_only;
	bool needs_holes;
	bool legacy;		/* only on fs/direct-io.c */
};

/* --- how to submit --- */

static long submit(const struct run *r)
{
	int tries = r->insist ? 50 : 1;
	long n;

	while (tries--) {
		n = r->transfer(r->fd, r->write, r->iov, r->nr, r->pos, r->flags);
		if (n != -EAGAIN || !tries)
			break;
		usleep(1000);
	}
	return n;
}

/* --- what it should do --- */

struct extents {
	unsigned int nr;
	bool known;
	struct {
		off_t start, end;
		off_t disk;	/* where it starts there */
	} at[MAX_EXTENTS];
};

/* File systems that know no FIEMAP tell of each block. */
static void ask_blocks(const struct run *r, struct extents *e)
{
	int block;

	/* Where a page is a block no border of extents cuts it. */
	if (ioctl(r->cached, FIGETBSZ, &block) || block >= r->ps)
		return;
	for (off_t pos = 0; pos < r->size; pos += block) {
		int nr = pos / block;
		off_t disk;

		if (ioctl(r->cached, FIBMAP, &nr) || e->nr == MAX_EXTENTS) {
			e->nr = 0;
			return;
		}
		disk = (off_t)nr * block;
		if (!nr)
			continue;
		if (e->nr && e->at[e->nr - 1].end == pos &&
		    e->at[e->nr - 1].disk + pos - e->at[e->nr - 1].start == disk) {
			e->at[e->nr - 1].end += block;
			continue;
		}
		e->at[e->nr].start = pos;
		e->at[e->nr].end = pos + block;
		e->at[e->nr++].disk = disk;
	}
	e->known = true;
}

/* Where the file has data. A device, and a file that does not tell: everywhere. */
static void find_extents(const struct run *r, struct extents *e)
{
	static union {
		struct fiemap map;
		char room[sizeof(struct fiemap) +
			  MAX_EXTENTS * sizeof(struct fiemap_extent)];
	} u;

	memset(&u, 0, sizeof(u));
	u.map.fm_length = FIEMAP_MAX_OFFSET;
	u.map.fm_flags = FIEMAP_FLAG_SYNC;
	u.map.fm_extent_count = MAX_EXTENTS;
	memset(e, 0, sizeof(*e));
	if (r->engine == BLOCK)
		return;
	if (ioctl(r->cached, FS_IOC_FIEMAP, &u.map)) {
		ask_blocks(r, e);
		return;
	}
	e->known = true;
	e->nr = u.map.fm_mapped_extents;
	for (unsigned int i = 0; i < e->nr; i++) {
		e->at[i].start = u.map.fm_extents[i].fe_logical;
		e->at[i].end = e->at[i].start + u.map.fm_extents[i].fe_length;
		e->at[i].disk = u.map.fm_extents[i].fe_physical;
	}
}

/* Where on the disk @pos of the file is; @otherwise, if that is not known. */
static off_t on_disk(const struct extents *e, off_t pos, off_t otherwise)
{
	for (unsigned int i = 0; i < e->nr; i++) {
		if (pos >= e->at[i].start && pos < e->at[i].end)
			return e->at[i].disk + pos - e->at[i].start;
	}
	return otherwise;
}

/* How far from @pos on the file is alike; @data: it has blocks there. */
static off_t alike_until(const struct extents *e, off_t pos, bool *data)
{
	off_t next = INT64_MAX;

	*data = !e->known;
	for (unsigned int i = 0; i < e->nr; i++) {
		if (pos >= e->at[i].start && pos < e->at[i].end) {
			*data = true;
			return e->at[i].end;
		}
		if (e->at[i].start > pos && e->at[i].start < next)
			next = e->at[i].start;
	}
	return next;
}

struct forecast {
	struct pin_predict p;
	uint64_t sections;	/* of pages, as fs/direct-io.c cuts them */
};

static uintptr_t gap_of(const struct run *r)
{
	const struct pin_mem *m = &r->mem;

	return m->hole < m->pages ? (uintptr_t)m->addr + m->hole * r->ps : UINTPTR_MAX;
}

/* Pages of [addr, addr + len) that can be had; @len becomes what they hold. */
static uint64_t pages_up_to_gap(const struct run *r, uintptr_t addr, size_t *len)
{
	uintptr_t gap = gap_of(r);

	if (gap < addr + *len)
		*len = gap > addr ? gap - addr : 0;
	return pin_pages_touched((void *)addr, *len, r->ps);
}

/* Bytes that there are to transfer. */
static size_t there_is(const struct run *r)
{
	if (r->write)
		return r->len;
	if (r->pos >= r->size)
		return 0;
	return r->size - r->pos < (off_t)r->len ? (size_t)(r->size - r->pos) : r->len;
}

/* block/fops.c and fs/iomap: returns the bytes transferred. */
static size_t walk_bio(const struct run *r, const struct extents *e, uint64_t *pins)
{
	size_t left = there_is(r), done = 0;

	for (unsigned int i = 0; i < r->nr && left; i++) {
		uintptr_t addr = (uintptr_t)r->iov[i].iov_base;
		size_t piece = r->iov[i].iov_len, n, got;
		bool data;

		for (; piece && left; piece -= n, left -= n, addr += n) {
			off_t alike = alike_until(e, r->pos + done, &data) - (r->pos + done);
			uint64_t pages;

			n = piece < left ? piece : left;
			if (alike < (off_t)n)
				n = alike;
			got = n;
			pages = pages_up_to_gap(r, addr, &got);
			/* A hole is filled with zeroes by the processor. */
			if (data || r->write)
				*pins += pages;
			done += got;
			if (got < n)
				return done;
		}
	}
	return done;
}

/*
 * fs/direct-io.c. folio_add_pin() takes two pins for each section of a page
 * that goes into a bio, one for the section and one for the bio, which are not
 * counted as acquired; all are counted when they are released.
 */
static size_t walk_legacy(const struct run *r, const struct extents *e,
			  uint64_t *pins, uint64_t *sections)
{
	/* Of the section that may still grow: its page, its end in memory and on disk. */
	uintptr_t page = 0, cur_end = 0;
	off_t disk_end = 0;
	size_t left = r->len, done = 0;

	for (unsigned int i = 0; i < r->nr && left; i++) {
		uintptr_t addr = (uintptr_t)r->iov[i].iov_base;
		uintptr_t end = addr + r->iov[i].iov_len;

		while (addr < end && left) {
			/* One round of pages. */
			uintptr_t stop = (addr / r->ps + LEGACY_BATCH) * r->ps;
			size_t got = (stop < end ? stop : end) - addr, n;

			*pins += pages_up_to_gap(r, addr, &got);
			if (!got)
				return done;
			for (stop = addr + got; addr < stop && left; addr += n, left -= n) {
				off_t pos = r->pos + done, alike, disk;
				bool data;

				n = (addr / r->ps + 1) * r->ps - addr;
				if (n > stop - addr)
					n = stop - addr;
				if (!r->write && pos >= r->size)
					return done;
				alike = alike_until(e, pos, &data) - pos;
				if (alike < (off_t)n)
					n = alike;
				if (!r->write && pos + (off_t)n > r->size)
					n = r->size - pos;
				/* Within the file blocks are not made here. */
				if (r->write && pos >= r->size)
					data = true;
				if (!data && r->write)
					return done;
				disk = on_disk(e, pos, disk_end);
				if (data && (r->alias || page != addr / r->ps ||
					     cur_end != addr || disk_end != disk))
					++*sections;
				if (data) {
					page = addr / r->ps;
					cur_end = addr + n;
					disk_end = disk + n;
				}
				done += n;
			}
		}
	}
	return done;
}

/* fs/netfs: what bad memory leaves of the vector, pinned at once. */
static size_t walk_netfs(const struct run *r, uint64_t *pins)
{
	size_t done = 0, got;

	for (unsigned int i = 0; i < r->nr; i++) {
		got = r->iov[i].iov_len;
		*pins += pages_up_to_gap(r, (uintptr_t)r->iov[i].iov_base, &got);
		done += got;
		if (got < r->iov[i].iov_len)
			break;
	}
	return done < there_is(r) ? done : there_is(r);
}

static bool aligned(const struct run *r, size_t to)
{
	if (r->pos & (to - 1))
		return false;
	for (unsigned int i = 0; i < r->nr; i++) {
		if (((uintptr_t)r->iov[i].iov_base | r->iov[i].iov_len) & (to - 1))
			return false;
	}
	return true;
}

/* A copy goes to the device; what comes from it is copied to memory that is pinned. */
static bool copied(const struct run *r)
{
	return r->site->target->stable && r->kernel->version >= PIN_KVER(7, 0);
}

/*
 * Since 6.18 only the sum of the pieces must be whole sectors; before 6.0 memory
 * must be aligned like sectors.
 */
static bool refused(const struct run *r)
{
	const size_t start = r->kernel->version < PIN_KVER(6, 0) ? r->site->sector : r->site->dma;
	size_t mem = r->site->sector;

	if (r->kernel->version >= PIN_KVER(6, 18) && r->engine != LEGACY &&
	    r->engine != NETFS) {
		if ((r->pos | r->len) & (r->site->sector - 1))
			return true;
		mem = r->site->dma > 512 ? r->site->dma : 512;
	}
	if (copied(r))
		return (r->pos | r->len) & (r->site->sector - 1);
	if (r->engine == LEGACY)
		return !aligned(r, mem);
	if (r->engine == NETFS)
		return false;
	for (unsigned int i = 0; i < r->nr; i++) {
		if ((uintptr_t)r->iov[i].iov_base & (start - 1) ||
		    r->iov[i].iov_len & (mem - 1))
			return true;
	}
	return r->pos & (r->site->sector - 1);
}

/*
 * Since 6.18 a vector of whole sectors whose memory is misaligned is pinned
 * first, and turned away when the bio is submitted; 7.2 looks first again.
 */
static bool seen_late(const struct run *r)
{
	return r->kernel->version >= PIN_KVER(6, 18) &&
	       r->kernel->version < PIN_KVER(7, 2) && r->engine != LEGACY &&
	       !((r->pos | r->len) & (r->site->sector - 1));
}

/* Since 7.2 a piece is looked at when its turn comes: those before it are pinned by then. */
static uint64_t before_misaligned(const struct run *r, const struct extents *e)
{
	struct run part = *r;
	uint64_t pins = 0;

	if (r->kernel->version < PIN_KVER(7, 2) || r->engine == LEGACY ||
	    (r->pos | r->len) & (r->site->sector - 1))
		return 0;
	for (part.nr = 0; part.nr < r->nr; part.nr++) {
		if (((uintptr_t)r->iov[part.nr].iov_base | r->iov[part.nr].iov_len) &
		    (r->site->dma - 1))
			break;
	}
	walk_bio(&part, e, &pins);
	return pins;
}

static bool through_cache(const struct run *r, const struct extents *e)
{
	const struct target *t = r->site->target;
	bool data;

	if (t->aligned_only && !aligned(r, r->site->block))
		return !strncmp(t->name, "btrfs", 5) || aligned(r, r->site->sector);
	if (t->valid_size && r->engine == IOMAP && (!aligned(r, r->site->sector) || r->unwritten))
		return true;
	if (!r->write)
		return false;
	if (t->write_cached)
		return true;
	if (r->pos + (off_t)r->len > r->size)
		return t->extend_cached;
	alike_until(e, r->pos, &data);
	return t->hole_cached && !data && r->engine != LEGACY;
}

static void forecast(const struct run *r, struct forecast *f)
{
	const struct target *t = r->site->target;
	struct extents e;
	uint64_t pins = 0;
	size_t done;
	bool gap, partial;

	memset(f, 0, sizeof(*f));
	find_extents(r, &e);
	gap = gap_of(r) != UINTPTR_MAX;
	if (through_cache(r, &e)) {
		done = walk_bio(r, &e, &pins);
		f->p.result = done;
		f->p.or_result = gap && r->write ? -EFAULT : (long)done;
		return;
	}
	if (there_is(r) && refused(r)) {
		f->p.result = -EINVAL;
		f->p.or_result = -EINVAL;
		if (!seen_late(r)) {
			f->p.acquired = before_misaligned(r, &e);
			f->p.released = f->p.acquired;
			return;
		}
		walk_bio(r, &e, &pins);
		if (r->kernel->version >= PIN_KVER(7, 0)) {
			/* One or the other; which of them changed it is not known. */
			f->p.migrated = pins;
			return;
		}
		f->p.acquired = pins;
		f->p.released = pins;
		/* Not even the split of the bio looks at it: it has none. */
		if (t->where == ZRAM)
			f->p.or_result = r->len;
		return;
	}
	/* btrfs: 79d3d1d12e6f */
	if (r->flags & RWF_NOWAIT && t->nowait_one_page && r->len > (size_t)r->ps &&
	    r->kernel->version >= PIN_KVER(6, 0)) {
		f->p.result = -EAGAIN;
		f->p.or_result = -EAGAIN;
		return;
	}
	if (r->engine == NETFS)
		done = walk_netfs(r, &pins);
	else if (r->engine == LEGACY)
		done = there_is(r) ? walk_legacy(r, &e, &pins, &f->sections) : 0;
	else
		done = walk_bio(r, &e, &pins);
	/* Pinned, but nothing that a device takes. */
	if (gap && done < r->site->sector)
		done = 0;
	f->p.result = done;
	partial = t->partial && r->kernel->version >= t->partial_since;
	if (gap && done < there_is(r) && !(partial && done) &&
	    !(r->engine == LEGACY && done))
		f->p.result = -EFAULT;
	/* Of several bios the first ones are sent when the next one cannot be made. */
	if (r->engine == BLOCK && gap && pins > BIO_VECS)
		f->p.result = r->transfer == pin_transfer_sync ? -EFAULT : -EIO;
	/* The rest of a write that was cut short goes through the cache. */
	if (!gap && r->write && done < r->len)
		f->p.result = r->len;
	/* One bio at most, where nobody may wait: 67d59247d4b5, and stable kernels. */
	if (r->engine == BLOCK && pins > BIO_VECS && r->site->nowait && !r->one_bio &&
	    r->kernel->version >= PIN_KVER(5, 15)) {
		if (r->flags & RWF_NOWAIT) {
			pins = BIO_VECS;
			f->p.result = -EAGAIN;
		} else if (r->transfer == pin_transfer_uring) {
			pins += BIO_VECS;
		}
	}
	if (copied(r) && r->write)
		pins = 0;
	if (!r->kernel->dio_pins || (r->zero && !r->kernel->zero_page_counted)) {
		pins = 0;
		f->sections = 0;
	}
	f->p.or_result = f->p.result;
	f->p.acquired = pins;
	f->p.released = pins;
	/* 7.x: up to a block at first by a short way, which leaves a gap to the long one. */
	if (r->engine == IOMAP && gap && !r->write && r->len <= r->site->block &&
	    r->kernel->version >= PIN_KVER(7, 0))
		f->p.or_more = pins;
	/* That is more than some devices take without a split, which may have to wait. */
	if (r->one_bio && r->flags & RWF_NOWAIT)
		f->p.or_result = -EAGAIN;
	/* Nobody polls a device that knows its own mind. */
	if (r->transfer == pin_transfer_polled)
		f->p.or_result = -EOPNOTSUPP;
	/* How much of the rest the cache takes before it sees the gap. */
	if (gap && r->write && (t->aligned_only || t->gap_fails) && f->p.result > 0)
		f->p.or_result = -EFAULT;
}

/* --- the operations --- */

static bool take(struct run *r, const char *kind, unsigned int pages)
{
	int err = pin_mem_alloc(&r->mem, pin_memkind_find(kind), r->kernel, pages);

	if (err)
		pin_audit_skip(r->au, "%s", r->mem.why);
	r->zero = !strcmp(kind, "zero") || !strcmp(kind, "anon_untouched");
	r->alias = !strcmp(kind, "alias");
	return !err;
}

/* As much as there is room for: large pages are 32 MiB where small ones are 16 KiB. */
static void whole(struct run *r)
{
	const size_t room = span - FIRST * r->ps;

	r->iov[0] = (struct iovec){ r->mem.addr, r->mem.len < room ? r->mem.len : room };
	r->nr = 1;
}

static void piece(struct run *r, size_t at, size_t len)
{
	r->iov[r->nr++] = (struct iovec){ (char *)r->mem.addr + at, len };
}

/* Different for every byte of the file and every time. */
static void fill_pattern(char *p, size_t len, unsigned int seed)
{
	uint64_t x = 0x9e3779b97f4a7c15ull * (seed + 1), *to = (uint64_t *)p;

	for (size_t i = 0; i < len / sizeof(x); i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		to[i] = x;
	}
}

static void fill_pieces(const struct run *r)
{
	static unsigned int seed = 1;
	uintptr_t gap = gap_of(r);

	for (unsigned int i = 0; i < r->nr; i++) {
		uintptr_t addr = (uintptr_t)r->iov[i].iov_base, end = addr + r->iov[i].iov_len;
		char *from = (char *)((addr + 7) & ~7ul);

		if (gap < end && gap >= addr) {
			fill_pattern(from, gap - (uintptr_t)from, seed++);
			from = (char *)gap + r->ps;
		}
		if ((uintptr_t)from < end)
			fill_pattern(from, end - (uintptr_t)from, seed++);
	}
}

/* The first piece, from 1 on, in which @n bytes differ from @at; or (@store) put them there. */
static long pieces_differ(const struct run *r, char *at, size_t n, bool store)
{
	for (unsigned int i = 0; i < r->nr && n; i++) {
		size_t len = r->iov[i].iov_len < n ? r->iov[i].iov_len : n;

		if (store)
			memcpy(at, r->iov[i].iov_base, len);
		else if (memcmp(at, r->iov[i].iov_base, len))
			return i + 1;
		at += len;
		n -= len;
	}
	return 0;
}

/* The known issue is of pages of 4096 bytes. */
static void wrong_data(struct run *r, const char *what)
{
	if (r->ps == 4096 && !aligned(r, r->ps) &&
	    pin_audit_excuse(r->au, "dio_unaligned", r->site->target->name))
		pin_audit_note(r->au, "%s", what);
	else
		pin_audit_fail(r->au, "%s", what);
}

/* The bytes beside a buffer in one piece, on the pages that it begins and ends on. */
struct edges {
	char *start, *end;	/* of the buffer */
	size_t before, after;	/* bytes */
	char *kept;		/* NULL: not judged */
};

static void keep_edges(const struct run *r, struct edges *e)
{
	memset(e, 0, sizeof(*e));
	if (r->nr != 1 || r->alias || gap_of(r) != UINTPTR_MAX)
		return;
	e->start = r->iov[0].iov_base;
	e->end = e->start + r->iov[0].iov_len;
	e->before = (uintptr_t)e->start & (r->ps - 1);
	e->after = -(uintptr_t)e->end & (r->ps - 1);
	e->kept = malloc(e->before + e->after + 1);
	if (!e->kept)
		return;
	memcpy(e->kept, e->start - e->before, e->before);
	memcpy(e->kept + e->before, e->end, e->after);
}

static void check_edges(struct run *r, struct edges *e)
{
	if (e->kept && (memcmp(e->kept, e->start - e->before, e->before) ||
			memcmp(e->kept + e->before, e->end, e->after)))
		wrong_data(r, "memory beside the buffer was written to");
	free(e->kept);
}

static void check_data(struct run *r, long n)
{
	char *at = r->shadow + r->pos, *back;
	long bad;

	/* What an unsuccessful write has left is learned, not judged. */
	if (!r->write) {
		bad = n > 0 && !r->alias ? pieces_differ(r, at, n, false) : 0;
		if (bad) {
			pin_audit_note(r->au, "in piece %ld of %u", bad, r->nr);
			wrong_data(r, "the data read is wrong");
		}
		return;
	}
	if (n > 0)
		pieces_differ(r, at, n, true);
	back = malloc(r->len);
	if (!back || pread(r->cached, back, r->len, r->pos) < n)
		pin_audit_fail(r->au, "what was written cannot be read back: %s",
			       strerror(errno));
	else if (n > 0 && memcmp(back, at, n))
		wrong_data(r, "the data written is wrong");
	if (back)
		memcpy(at, back, r->len);
	free(back);
}

/* If @issue applies here, @extra more pins than right are released. */
static void excuse(const struct run *r, struct forecast *f, const char *issue,
		   int64_t extra)
{
	if (!f->p.acquired)
		return;
	f->p.issue = pin_known_issue(r->kernel, issue, r->site->target->name);
	f->p.issue_released = extra;
}

/* The page view, where the same pages stay mapped. NULL: not judged. */
static struct pin_view *look(const struct run *r, const char *what)
{
	static const struct pin_predict nothing;
	void *start = (void *)((uintptr_t)r->mem.addr & ~(r->ps - 1));
	struct pin_view *v;

	if (r->mem.kind->once || gap_of(r) != UINTPTR_MAX)
		return NULL;
	v = pin_audit_view(r->au, 0, start, r->mem.pages);
	pin_audit_held(r->au, what, v, &nothing);
	return v;
}

/* Pages of those that @n bytes were read into that are not dirty. */
static unsigned int clean_pages(const struct run *r, const struct pin_view *v, size_t n)
{
	const uintptr_t start = (uintptr_t)r->mem.addr & ~(r->ps - 1);
	unsigned int clean = 0;

	for (unsigned int i = 0; i < r->nr && n; i++) {
		const size_t len = r->iov[i].iov_len < n ? r->iov[i].iov_len : n;
		const uintptr_t addr = (uintptr_t)r->iov[i].iov_base;

		for (uintptr_t at = addr & ~(r->ps - 1); at < addr + len; at += r->ps)
			clean += !(pin_view_page(v, (at - start) / r->ps)->flags &
				   PIN_HELPER_PAGE_DIRTY);
		n -= len;
	}
	return clean;
}

/* All is let go of, and dirty is what a device has written to: that alone. */
static void check_pages(struct run *r, const char *what, struct pin_view *v, unsigned int clean,
			const struct forecast *f, long n)
{
	unsigned int wrong = 0;

	if (!v || !pin_audit_back(r->au, what, v))
		return;
	if (r->write)
		wrong = clean - pin_view_clean(v, r->mem.pages);
	else if (n == (long)r->len && r->transfer != pin_transfer_fixed &&
		 f->p.acquired >= r->mem.pages)
		wrong = clean_pages(r, v, n);
	if (wrong && r->unwritten && !r->write &&
	    pin_audit_excuse(r->au, "hole_dio", r->site->target->name))
		pin_audit_note(r->au, "page view: %u pages were cleared and are not dirty", wrong);
	else if (wrong)
		pin_audit_differs(r->au, "page view: %u pages were %s", wrong,
				  r->write ? "only read and are dirty" :
					     "written to and are not dirty");
}

static void transfer(struct run *r, const char *what)
{
	struct edges edges;
	struct forecast f;
	struct pin_view *v;
	unsigned int clean;
	long n;

	r->len = 0;
	for (unsigned int i = 0; i < r->nr; i++)
		r->len += r->iov[i].iov_len;
	if (!r->zero)
		fill_pieces(r);
	/* The ring of AIO would come to lie in a hole: what cannot be read must do. */
	if (r->mem.kind->arm && r->transfer != pin_transfer_aio)
		r->mem.kind->arm(&r->mem);
	forecast(r, &f);
	if (r->transfer == pin_transfer_fixed) {
		/* Pinned before, and for long: whatever is done with it pins nothing. */
		f.p.acquired = r->mem.pages;
		f.p.released = r->mem.pages;
		f.p.migrated = r->kernel->movable_memory ? r->mem.pages : 0;
		f.sections = 0;
	}
	if (f.sections) {
		excuse(r, &f, "dio_legacy", 2 * f.sections);
		/* A kernel in which that is mended counts them when it takes them. */
		if (f.p.issue)
			f.p.or_more = 2 * f.sections;
	} else if (r->shortens && r->site->sector > 512 && f.p.acquired) {
		excuse(r, &f, "dio_cut_sector", -1);
	}
	r->insist = r->flags & RWF_NOWAIT && f.p.result != -EAGAIN && !r->one_bio;
	keep_edges(r, &edges);
	v = look(r, what);
	clean = v ? pin_view_clean(v, r->mem.pages) : 0;
	n = submit(r);
	/* What is written elsewhere each time may find room in parts, and end with one. */
	if (gap_of(r) != UINTPTR_MAX && r->write && r->site->target->aligned_only && n > 0 &&
	    n < f.p.result && !(n & (r->site->block - 1)))
		f.p.or_result = n;
	pin_audit_step(r->au, what, &f.p, n, 0);
	check_pages(r, what, v, clean, &f, n);
	pin_view_close(v);
	check_data(r, n);
	check_edges(r, &edges);
}

static void simple(struct run *r, bool write, const char *kind, unsigned int pages)
{
	r->write = write;
	if (!take(r, kind, pages))
		return;
	whole(r);
	transfer(r, write ? "write" : "read");
}

static void op_read(struct run *r)
{
	simple(r, false, "anon", PAGES);
}

static void op_write(struct run *r)
{
	simple(r, true, "anon", PAGES);
}

/* The second time nothing is allocated on the device. */
static void op_overwrite(struct run *r)
{
	simple(r, true, "anon", PAGES);
	transfer(r, "overwrite");
}

static void op_read_offset(struct run *r)
{
	simple(r, false, "anon_unaligned", PAGES);
}

static void op_write_offset(struct run *r)
{
	simple(r, true, "anon_unaligned", PAGES);
}

static void one_sector(struct run *r, bool write)
{
	r->write = write;
	if (!take(r, "anon", 1))
		return;
	piece(r, 1024, 512);
	transfer(r, write ? "write" : "read");
}

static void op_read_sector(struct run *r)
{
	one_sector(r, false);
}

static void op_write_sector(struct run *r)
{
	one_sector(r, true);
}

static void two_in_page(struct run *r, bool write, size_t second)
{
	r->write = write;
	if (!take(r, "anon", 1))
		return;
	piece(r, 512, 512);
	piece(r, second, 512);
	transfer(r, write ? "writev" : "readv");
}

static void op_adjacent_read(struct run *r)
{
	two_in_page(r, false, 1024);
}

static void op_adjacent_write(struct run *r)
{
	two_in_page(r, true, 1024);
}

static void op_apart_read(struct run *r)
{
	two_in_page(r, false, 2048);
}

static void op_apart_write(struct run *r)
{
	two_in_page(r, true, 2048);
}

static void vectored(struct run *r, bool write)
{
	r->write = write;
	if (!take(r, "anon", PAGES))
		return;
	for (int i = 0; i < PAGES - 1; i++) {
		piece(r, i * r->ps, 512);
		piece(r, i * r->ps + 512, 1024);
		piece(r, i * r->ps + 1536, r->ps - 1536);
	}
	/* And one that begins and ends inside a page. */
	r->nr--;
	piece(r, (PAGES - 2) * r->ps + 1536, r->ps - 1536 + r->ps);
	transfer(r, write ? "writev" : "readv");
}

static void op_readv(struct run *r)
{
	vectored(r, false);
}

static void op_writev(struct run *r)
{
	vectored(r, true);
}

/* Every other page: more pieces than a bio holds. */
static void many(struct run *r, bool write)
{
	r->write = write;
	if (!take(r, "anon", 2 * MANY))
		return;
	for (int i = 0; i < MANY; i++)
		piece(r, 2 * i * r->ps, r->ps);
	r->pos = 4 * r->ps;
	transfer(r, write ? "writev" : "readv");
}

static void op_many_read(struct run *r)
{
	many(r, false);
}

static void op_many_write(struct run *r)
{
	many(r, true);
}

static void op_thp_read(struct run *r)
{
	simple(r, false, "thp", 0);
}

static void op_thp_write(struct run *r)
{
	simple(r, true, "thp", 0);
}

/* From inside a page in the middle of a large folio to inside another. */
static void inside_huge(struct run *r, bool write, const char *kind)
{
	r->write = write;
	if (!take(r, kind, 0))
		return;
	piece(r, 3 * r->ps + 512, PAGES * r->ps);
	transfer(r, write ? "write" : "read");
}

static void op_thp_part_read(struct run *r)
{
	inside_huge(r, false, "thp");
}

static void op_thp_part_write(struct run *r)
{
	inside_huge(r, true, "thp");
}

static void op_thp_patched_read(struct run *r)
{
	simple(r, false, "thp_patched", PAGES);
}

static void op_thp_patched_write(struct run *r)
{
	simple(r, true, "thp_patched", PAGES);
}

static void op_hugetlb_read(struct run *r)
{
	simple(r, false, "hugetlb", 0);
}

static void op_hugetlb_write(struct run *r)
{
	simple(r, true, "hugetlb", 0);
}

static void op_hugetlb_part_read(struct run *r)
{
	inside_huge(r, false, "hugetlb");
}

static void op_zero_write(struct run *r)
{
	simple(r, true, "zero", PAGES);
}

static void op_gap_read(struct run *r)
{
	simple(r, false, "hole", PAGES);
}

/* As much as a block, that begins in the last page before the gap. */
static void op_gap_block_read(struct run *r)
{
	if (!take(r, "hole", PAGES))
		return;
	piece(r, r->mem.hole * r->ps - r->ps / 2, r->ps);
	transfer(r, "read");
}

static void op_gap_write(struct run *r)
{
	simple(r, true, "hole", PAGES);
}

/*
 * A piece that ends inside the second page of a large folio, half a sector of
 * a device with sectors of a page, and then a gap: what exceeds whole sectors
 * is cut off the bio, and with it a page (bio_iov_iter_align_down, 6.18). The
 * folio is a small one, because kernels with the issue never give it back.
 */
static void op_cut_sector(struct run *r)
{
	const size_t folio = 4 * r->ps;
	char path[128], why[PIN_WHY_LEN];
	struct pin_mem *m = &r->mem;

	snprintf(path, sizeof(path),
		 "/sys/kernel/mm/transparent_hugepage/hugepages-%zukB/enabled", folio / 1024);
	if (r->site->sector > 512 && r->kernel->version >= PIN_KVER(6, 18) &&
	    pin_scratch_setting(path, "madvise", why)) {
		pin_audit_skip(r->au, "%s (kernel option TRANSPARENT_HUGEPAGE)", why);
		return;
	}
	m->kind = pin_memkind_find("hole");
	m->kernel = r->kernel;
	m->fd = -1;
	m->map_len = 4 * folio;
	m->map = mmap(NULL, m->map_len, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (m->map == MAP_FAILED) {
		m->map = NULL;
		pin_audit_skip(r->au, "mmap: %s", strerror(errno));
		return;
	}
	m->addr = (char *)(((uintptr_t)m->map + folio - 1) & ~(folio - 1));
	/* The hole is counted from the start of the mapping. */
	munmap(m->map, (char *)m->addr - (char *)m->map);
	m->map_len -= (char *)m->addr - (char *)m->map;
	m->map = m->addr;
	m->len = 2 * folio;
	m->pages = 8;
	m->hole = 6;
	madvise(m->addr, folio, MADV_HUGEPAGE);
	memset(m->addr, 1, m->len);
	piece(r, 0, r->ps + 512);
	piece(r, m->hole * r->ps, r->ps - 512);
	r->pos = 0;
	r->shortens = true;
	transfer(r, "readv");
}

/*
 * The end of a page, 512 bytes less than a sector of a device with large ones,
 * and then a gap. The page is pinned, nothing is left to transfer, and the page
 * goes back.
 */
static void cut_page(struct run *r, bool write)
{
	struct pin_mem *m = &r->mem;

	r->write = write;
	if (!take(r, "hole", 3))
		return;
	piece(r, m->hole * r->ps - r->site->sector + 512, r->site->sector);
	transfer(r, write ? "write" : "read");
}

static void op_cut_page_read(struct run *r)
{
	cut_page(r, false);
}

static void op_cut_page_write(struct run *r)
{
	cut_page(r, true);
}

static void op_cut_page_aio(struct run *r)
{
	r->transfer = pin_transfer_aio;
	cut_page(r, false);
}

/* As many(), and then a gap: there are bios on their way when it is met. */
static void gap_many(struct run *r)
{
	struct pin_mem *m = &r->mem;

	if (!take(r, "hole", 4 * MANY))
		return;
	for (unsigned int i = 0; i < MANY; i++)
		piece(r, 2 * i * r->ps, r->ps);
	piece(r, m->hole * r->ps, r->ps);
	r->pos = 4 * r->ps;
	transfer(r, "readv");
}

static void op_gap_many(struct run *r)
{
	gap_many(r);
}

static void op_gap_many_aio(struct run *r)
{
	r->transfer = pin_transfer_aio;
	gap_many(r);
}

static void op_aio_read(struct run *r)
{
	r->transfer = pin_transfer_aio;
	simple(r, false, "anon", PAGES);
}

static void op_aio_write(struct run *r)
{
	r->transfer = pin_transfer_aio;
	simple(r, true, "anon", PAGES);
}

static void op_uring_read(struct run *r)
{
	r->transfer = pin_transfer_uring;
	simple(r, false, "anon", PAGES);
}

static void op_uring_write(struct run *r)
{
	r->transfer = pin_transfer_uring;
	simple(r, true, "anon", PAGES);
}

static void op_fixed_read(struct run *r)
{
	r->transfer = pin_transfer_fixed;
	simple(r, false, "anon", PAGES);
}

static void op_fixed_write(struct run *r)
{
	r->transfer = pin_transfer_fixed;
	simple(r, true, "anon", PAGES);
}

static void op_polled_read(struct run *r)
{
	r->transfer = pin_transfer_polled;
	simple(r, false, "anon", PAGES);
}

static void drop_cache(struct run *r)
{
	posix_fadvise(r->cached, 0, 0, POSIX_FADV_DONTNEED);
}

/* A device turns it away at first, because it needs two bios: pinned twice. */
static void op_uring_many(struct run *r)
{
	r->transfer = pin_transfer_uring;
	/*
	 * Never read into it: a file system below may check what it read. Pages
	 * in the cache would turn the write away before it pins.
	 */
	drop_cache(r);
	if (r->engine == BLOCK)
		simple(r, true, "alias", MANY);
	else
		many(r, false);
}

static void nowait(struct run *r, const char *kind, unsigned int pages)
{
	if (!r->site->nowait) {
		pin_audit_skip(r->au, "no RWF_NOWAIT on %s", r->site->target->name);
		return;
	}
	/* Before 5.13 any page in the cache means EAGAIN, not only a dirty one. */
	drop_cache(r);
	r->flags = RWF_NOWAIT;
	simple(r, false, kind, pages);
}

static void op_nowait(struct run *r)
{
	nowait(r, "anon", PAGES);
}

static void op_nowait_many(struct run *r)
{
	/* See op_uring_many(). */
	nowait(r, r->engine == BLOCK ? "alias" : "anon", MANY);
}

/* More pages than a bio has room for, but they are one piece to it. */
static void op_nowait_thp(struct run *r)
{
	r->one_bio = true;
	nowait(r, "thp", 0);
}

/* On the disk before it returns, or completes: what is left to do is a worker's. */
static void op_dsync_write(struct run *r)
{
	r->flags = RWF_DSYNC;
	simple(r, true, "anon", PAGES);
}

static void op_dsync_aio_write(struct run *r)
{
	r->transfer = pin_transfer_aio;
	op_dsync_write(r);
}

static void op_misaligned(struct run *r)
{
	if (!take(r, "anon", PAGES))
		return;
	piece(r, 3, PAGES * r->ps / 2);
	transfer(r, "read at memory offset 3");
	r->nr = 0;
	piece(r, 0, 100);
	transfer(r, "read of 100 bytes");
}

/* What comes first is as it must be, and pinned before the second is looked at. */
static void op_misaligned_second(struct run *r)
{
	if (!take(r, "anon", PAGES))
		return;
	piece(r, 0, 2 * r->ps);
	piece(r, 2 * r->ps + 3, 2 * r->ps);
	transfer(r, "read");
}

static void op_past_end(struct run *r)
{
	r->pos = r->size;
	simple(r, false, "anon", PAGES);
}

static void op_over_end(struct run *r)
{
	r->pos = r->size - PAGES / 4 * r->ps;
	simple(r, false, "anon", PAGES);
}

/* A file of its own: @size bytes without blocks. */
static bool other_file(struct run *r, off_t size)
{
	char path[400];

	snprintf(path, sizeof(path), "%s/other", r->site->dir);
	unlink(path);
	r->cached = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (r->cached >= 0 && r->site->target->no_cow) {
		int flags = FS_NOCOW_FL;

		ioctl(r->cached, FS_IOC_SETFLAGS, &flags);
	}
	r->fd = open(path, O_RDWR | O_DIRECT | O_CLOEXEC);
	/* A 9p server may know files by their names only. */
	if (r->site->target->where != SHARED)
		unlink(path);
	if (r->cached < 0 || r->fd < 0 || ftruncate(r->fd, size)) {
		pin_audit_fail(r->au, "%s: %s", path, strerror(errno));
		return false;
	}
	r->size = size;
	r->pos = 0;
	r->shadow = calloc(1, span);
	return r->shadow;
}

static void op_extend(struct run *r)
{
	if (!other_file(r, 0))
		return;
	simple(r, true, "anon", PAGES);
	r->size = PAGES * r->ps;
	r->pos = r->size;
	transfer(r, "append");
}

/* Waited for, as nobody is to see a size before the data. */
static void op_extend_aio(struct run *r)
{
	r->transfer = pin_transfer_aio;
	op_extend(r);
}

/* Write @bytes to the file of its own, through the page cache. */
static bool fill_other(struct run *r, size_t bytes)
{
	fill_pattern(r->shadow, span, 54321);
	errno = ENOSPC;
	r->size = bytes;
	if (pwrite(r->cached, r->shadow, bytes, 0) == (ssize_t)bytes && !fsync(r->cached))
		return true;
	pin_audit_fail(r->au, "writing %zu bytes: %s", bytes, strerror(errno));
	return false;
}

/* The device reads all of the last sector, the file has only a part of it. */
static void op_ragged_end(struct run *r)
{
	if (other_file(r, 0) && fill_other(r, PAGES * r->ps + 100))
		simple(r, false, "anon", PAGES + 1);
}

/*
 * Page by page in turn with another file: in each a page is far from the next, as
 * far as the file system lets that happen, and for each there is a bio.
 */
static bool fragmented(struct run *r)
{
	char path[400], why[PIN_WHY_LEN];
	int between;
	bool done;

	if (!other_file(r, 0))
		return false;
	if (pin_scratch_file(r->site->dir, "between", r->ps, path, sizeof(path), why)) {
		pin_audit_fail(r->au, "%s", why);
		return false;
	}
	between = open(path, O_WRONLY | O_CLOEXEC);
	unlink(path);
	fill_pattern(r->shadow, span, 54321);
	errno = ENOSPC;
	for (off_t pos = 0; pos < FRAGMENTS * r->ps; pos += r->ps) {
		if (pwrite(r->cached, r->shadow + pos, r->ps, pos) != r->ps ||
		    pwrite(between, r->shadow, r->ps, pos) != r->ps)
			break;
		r->size = pos + r->ps;
	}
	done = r->size == FRAGMENTS * r->ps && !fsync(r->cached);
	if (!done)
		pin_audit_fail(r->au, "%s: %s", path, strerror(errno));
	close(between);
	return done;
}

static void op_fragmented_read(struct run *r)
{
	if (fragmented(r))
		simple(r, false, "anon", FRAGMENTS);
}

static void op_fragmented_write(struct run *r)
{
	if (fragmented(r))
		simple(r, true, "anon", FRAGMENTS);
}

/* Less than a block, and a new one: around it comes the zero page. */
static void op_extend_sector(struct run *r)
{
	const off_t before = PAGES * r->ps;

	if (!other_file(r, 0))
		return;
	/* What is smaller may be kept in the inode. */
	if (pwrite(r->cached, r->shadow, before, 0) != before || fsync(r->cached)) {
		pin_audit_fail(r->au, "writing %ld bytes: %s", (long)before, strerror(errno));
		return;
	}
	r->size = before;
	r->pos = before + 512;
	one_sector(r, true);
}

static void op_hole_read(struct run *r)
{
	r->unwritten = true;
	if (other_file(r, span))
		simple(r, false, "anon", PAGES);
}

static void op_hole_write(struct run *r)
{
	if (other_file(r, span))
		simple(r, true, "anon", PAGES);
}

static const struct op ops[] = {
	{ .name = "read", .run = op_read },
	{ .name = "write", .run = op_write },
	{ .name = "overwrite", .run = op_overwrite },
	{ .name = "read_offset", .run = op_read_offset },
	{ .name = "write_offset", .run = op_write_offset },
	{ .name = "read_sector", .run = op_read_sector },
	{ .name = "write_sector", .run = op_write_sector },
	{ .name = "adjacent_read", .run = op_adjacent_read },
	{ .name = "adjacent_write", .run = op_adjacent_write },
	{ .name = "apart_read", .run = op_apart_read },
	{ .name = "apart_write", .run = op_apart_write },
	{ .name = "readv", .run = op_readv },
	{ .name = "writev", .run = op_writev },
	{ .name = "many_read", .run = op_many_read },
	{ .name = "many_write", .run = op_many_write },
	{ .name = "thp_read", .run = op_thp_read },
	{ .name = "thp_write", .run = op_thp_write },
	{ .name = "thp_part_read", .run = op_thp_part_read },
	{ .name = "thp_part_write", .run = op_thp_part_write },
	{ .name = "thp_patched_read", .run = op_thp_patched_read },
	{ .name = "thp_patched_write", .run = op_thp_patched_write },
	{ .name = "hugetlb_read", .run = op_hugetlb_read },
	{ .name = "hugetlb_write", .run = op_hugetlb_write },
	{ .name = "hugetlb_part_read", .run = op_hugetlb_part_read },
	{ .name = "zero_write", .run = op_zero_write },
	{ .name = "gap_read", .run = op_gap_read },
	{ .name = "gap_block_read", .run = op_gap_block_read },
	{ .name = "gap_write", .run = op_gap_write },
	{ .name = "cut_sector", .run = op_cut_sector },
	{ .name = "cut_page_read", .run = op_cut_page_read, .large_sector = true },
	{ .name = "cut_page_write", .run = op_cut_page_write, .large_sector = true },
	{ .name = "cut_page_aio", .run = op_cut_page_aio, .large_sector = true },
	{ .name = "gap_many", .run = op_gap_many, .device_only = true },
	{ .name = "gap_many_aio", .run = op_gap_many_aio, .device_only = true },
	{ .name = "aio_read", .run = op_aio_read },
	{ .name = "aio_write", .run = op_aio_write },
	{ .name = "uring_read", .run = op_uring_read },
	{ .name = "uring_write", .run = op_uring_write },
	{ .name = "uring_many", .run = op_uring_many },
	{ .name = "fixed_read", .run = op_fixed_read },
	{ .name = "fixed_write", .run = op_fixed_write },
	{ .name = "polled_read", .run = op_polled_read, .device_only = true },
	{ .name = "nowait", .run = op_nowait },
	{ .name = "nowait_many", .run = op_nowait_many },
	{ .name = "nowait_thp", .run = op_nowait_thp, .device_only = true },
	{ .name = "dsync_write", .run = op_dsync_write },
	{ .name = "dsync_aio_write", .run = op_dsync_aio_write },
	{ .name = "misaligned", .run = op_misaligned },
	{ .name = "misaligned_second", .run = op_misaligned_second },
	{ .name = "past_end", .run = op_past_end },
	{ .name = "over_end", .run = op_over_end },
	{ .name = "extend", .run = op_extend, .file_only = true },
	{ .name = "extend_aio", .run = op_extend_aio, .file_only = true },
	{ .name = "ragged_end", .run = op_ragged_end, .file_only = true },
	{ .name = "fragmented_read", .run = op_fragmented_read, .legacy = true },
	{ .name = "fragmented_write", .run = op_fragmented_write, .legacy = true },
	{ .name = "extend_sector", .run = op_extend_sector, .file_only = true },
	{ .name = "hole_read", .run = op_hole_read, .needs_holes = true },
	{ .name = "hole_write", .run = op_hole_write, .needs_holes = true },
};

#define NR_OPS	(sizeof(ops) / sizeof(ops[0]))

/* --- the targets --- */

static int make_device(struct site *st, char *dev, size_t len)
{
	const struct target *t = st->target;
	char file[300], name[64];
	size_t bytes = t->image_mib ? ((size_t)t->image_mib << 20) + 4 * (span - SPAN) : span;
	int err;

	if (t->where == SHARED)
		return pin_scratch_share(dev, len, st->why);
	if (t->where == ZRAM)
		return pin_scratch_zram(bytes, dev, len, st->why);
	if (!*scratch) {
		err = pin_scratch_dir(scratch, sizeof(scratch), st->why);
		if (err) {
			*scratch = '\0';
			return err;
		}
	}
	snprintf(name, sizeof(name), "%s.img", t->name);
	err = t->where == FILESYSTEM ?
		pin_scratch_sparse_file(scratch, name, bytes, file, sizeof(file), st->why) :
		pin_scratch_file(scratch, name, bytes, file, sizeof(file), st->why);
	if (err)
		return err;
	err = pin_scratch_loop(file, t->where == LOOP_DIRECT, dev, len, st->why);
	if (!err && t->stable) {
		snprintf(file, sizeof(file), "/sys/block/%s/queue/stable_writes",
			 strrchr(dev, '/') + 1);
		err = pin_write_file(file, "1");
		if (err)
			pin_why(st->why, err, "%s: %s: Linux 5.10 or later", file, strerror(-err));
	}
	if (err || t->where != MAPPED)
		return err;
	snprintf(file, sizeof(file), "%s", dev);
	snprintf(name, sizeof(name), "pin-%s-%d", t->name, getpid());
	return pin_scratch_dm(name, &t->dm, file, bytes, dev, len, st->why);
}

/* Write all of what the target is to contain, through the page cache. */
static int write_shadow(struct site *st)
{
	st->shadow = malloc(span + PAGES * sysconf(_SC_PAGESIZE));
	if (!st->shadow)
		return pin_why(st->why, -ENOMEM, "out of memory");
	fill_pattern(st->shadow, span, 12345);
	errno = ENOSPC;
	if (pwrite(st->cached, st->shadow, span, 0) != (ssize_t)span || fsync(st->cached))
		return pin_why(st->why, -errno, "writing %zu bytes: %s", span, strerror(errno));
	posix_fadvise(st->cached, 0, 0, POSIX_FADV_DONTNEED);
	return 0;
}

static int open_file(struct site *st)
{
	struct stat info;
	char path[400];
	int err;

	snprintf(path, sizeof(path), "%s/data", st->dir);
	st->cached = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (st->cached >= 0 && st->target->no_cow) {
		int flags = FS_NOCOW_FL;

		if (ioctl(st->cached, FS_IOC_SETFLAGS, &flags))
			return pin_why(st->why, -errno, "chattr +C: %s", strerror(errno));
	}
	if (st->cached < 0)
		return pin_why(st->why, -errno, "%s: %s", path, strerror(errno));
	st->direct = open(path, O_RDWR | O_DIRECT | O_CLOEXEC);
	err = errno;
	if (st->target->where == AT_HAND)
		unlink(path);
	if (st->direct < 0)
		return pin_why(st->why, -err, "no O_DIRECT on %s: %s", st->target->name,
			       strerror(err));
	fstat(st->cached, &info);
	st->block = info.st_blksize;
	return 0;
}

static bool takes_nowait(const struct site *st)
{
	struct iovec iov = { NULL, sysconf(_SC_PAGESIZE) };
	bool takes = false;

	if (!posix_memalign(&iov.iov_base, iov.iov_len, iov.iov_len))
		takes = preadv2(st->direct, &iov, 1, 0, RWF_NOWAIT) >= 0 ||
			errno != EOPNOTSUPP;
	free(iov.iov_base);
	return takes;
}

static int set_up(struct site *st)
{
	const struct target *t = st->target;
	char dev[64];
	int err, fd, size;

	if (geteuid())
		return pin_why(st->why, -EPERM, "needs root: makes devices and file systems of its own");
	st->sector = 512;
	st->dma = 512;
	if (t->where == AT_HAND) {
		err = *scratch ? 0 : pin_scratch_dir(scratch, sizeof(scratch), st->why);
		if (!err)
			err = pin_dio_plain(scratch, st->why);
		if (err)
			return err;
		snprintf(st->dir, sizeof(st->dir), "%s", scratch);
	} else {
		err = make_device(st, dev, sizeof(dev));
		if (err)
			return err;
	}
	if (t->where != AT_HAND && t->where != SHARED) {
		fd = open(dev, O_RDONLY | O_CLOEXEC);
		if (fd < 0 || ioctl(fd, BLKSSZGET, &size))
			return pin_why(st->why, -errno, "%s: %s", dev, strerror(errno));
		st->sector = size;
		size = pin_dio_queue(fd, "dma_alignment") + 1;
		if (st->dma < (size_t)size)
			st->dma = size;
		close(fd);
	}
	if (t->where == FILESYSTEM || t->where == SHARED) {
		err = pin_scratch_mount(&t->fs, dev, st->dir, sizeof(st->dir), st->why);
		if (err)
			return err;
	}
	if (t->engine == BLOCK) {
		st->cached = open(dev, O_RDWR | O_CLOEXEC);
		st->direct = open(dev, O_RDWR | O_DIRECT | O_CLOEXEC);
		st->block = st->sector;
		if (st->cached < 0 || st->direct < 0)
			return pin_why(st->why, -errno, "%s: %s", dev, strerror(errno));
	} else {
		err = open_file(st);
		if (err)
			return err;
	}
	err = write_shadow(st);
	if (!err)
		st->nowait = takes_nowait(st);
	return err;
}

struct cell {
	struct site *site;
	const struct op *op;
};

static enum pin_verdict run_cell(struct pin_audit *au, const void *arg)
{
	const struct cell *cell = arg;
	const struct target *t = cell->site->target;
	struct run r = {
		.au = au,
		.kernel = pin_audit_kernel(au),
		.site = cell->site,
		.engine = t->engine,
		.fd = cell->site->direct,
		.cached = cell->site->cached,
		.shadow = cell->site->shadow,
		.size = span,
		.transfer = pin_transfer_sync,
	};

	if (cell->site->err)
		return pin_audit_skip(au, "%s", cell->site->why);
	if (t->iomap_since && r.kernel->version >= t->iomap_since)
		r.engine = IOMAP;
	r.ps = r.kernel->page_size;
	r.pos = FIRST * r.ps;
	cell->op->run(&r);
	pin_mem_free(&r.mem);
	if (r.fd != cell->site->direct)
		close(r.fd);
	if (r.cached != cell->site->cached)
		close(r.cached);
	if (r.shadow != cell->site->shadow)
		free(r.shadow);
	return PIN_PASS;
}

static void add_tests(struct pin_suite *s)
{
	static struct cell cells[NR_TARGETS * NR_OPS];
	struct cell *cell = cells;

	for (size_t i = 0; i < NR_TARGETS; i++) {
		const struct target *t = &targets[i];

		sites[i].target = t;
		for (size_t j = 0; j < NR_OPS; j++) {
			if ((ops[j].file_only && t->engine == BLOCK) ||
			    (ops[j].device_only && t->engine != BLOCK) ||
			    (ops[j].legacy && t->engine != LEGACY) ||
			    (ops[j].large_sector && t->where != ZRAM) ||
			    (ops[j].needs_holes && !t->sparse))
				continue;
			cell->site = &sites[i];
			cell->op = &ops[j];
			if (pin_suite_add(s, run_cell, cell++, "%s.%s", t->name, ops[j].name))
				sites[i].wanted = true;
		}
	}
}

/* Before the books open: making a file system may pin. */
static void setup(struct pin_suite *s)
{
	char why[PIN_WHY_LEN];
	size_t size = pin_suite_kernel(s)->pmd_size;

	for (size_t i = 0; i < NR_TARGETS; i++) {
		if (sites[i].wanted)
			sites[i].err = set_up(&sites[i]);
	}
	if (size)
		pin_scratch_hugepages(size, HUGEPAGES, why);
}

static void cleanup(struct pin_suite *s)
{
	(void)s;
	for (size_t i = 0; i < NR_TARGETS; i++) {
		if (sites[i].cached > 0)
			close(sites[i].cached);
		if (sites[i].direct > 0)
			close(sites[i].direct);
	}
}

int main(int argc, char **argv)
{
	static const struct pin_program program = {
		.name = "dio_target_test",
		.doc = "O_DIRECT on block devices and file systems that the test makes itself: pins compared with the prediction, data with what was written. Tests are called TARGET.OPERATION; PATTERNs select some of them, as in 'ext4.*'.",
		.add_tests = add_tests,
		.setup = setup,
		.cleanup = cleanup,
	};

	const size_t many = (FIRST + MANY + PAGES) * sysconf(_SC_PAGESIZE);

	span = many > SPAN ? many : SPAN;
	return pin_suite_main(&program, argc, argv);
}
