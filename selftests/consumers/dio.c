// SPDX-License-Identifier: GPL-2.0
/*
 * read(2) and write(2) with O_DIRECT on the file system at hand: pinned from
 * submission to completion, that is, inside the call.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "dio.h"
#include "proc.h"

struct pin_access pin_dio_access(bool write)
{
	return (struct pin_access){ .write = write, .fast = true, .file_io = true };
}

/* True unless the file system says that @fd has more than one extent. */
static bool in_one_extent(int fd)
{
	struct fiemap map = {
		.fm_length = FIEMAP_MAX_OFFSET,
		.fm_flags = FIEMAP_FLAG_SYNC,
	};

	return ioctl(fd, FS_IOC_FIEMAP, &map) || map.fm_mapped_extents <= 1;
}

#define EXT_MAGIC	0xef53
#define XFS_MAGIC	0x58465342

int pin_dio_plain(const char *dir, char *why)
{
	struct statfs fs;

	if (statfs(dir, &fs))
		return pin_why(why, -errno, "%s: %s", dir, strerror(errno));
	if (fs.f_type == EXT_MAGIC || fs.f_type == XFS_MAGIC)
		return 0;
	return pin_why(why, -EOPNOTSUPP, "O_DIRECT in %s (file system %#lx) may go through the page cache: set TMPDIR to a directory on ext4 or xfs; dio_target_test has the others",
		       dir, (unsigned long)fs.f_type);
}

static int written_file(const char *dir, size_t len, char *why)
{
	char path[512];
	void *block;
	int fd, err = 0;

	snprintf(path, sizeof(path), "%s/pin-dio-XXXXXX", dir);
	fd = mkostemp(path, O_CLOEXEC);
	if (fd < 0)
		return pin_why(why, -errno, "%s: %s", path, strerror(errno));
	unlink(path);
	/* Only a wish, to get one extent. */
	if (fallocate(fd, 0, 0, len))
		errno = 0;
	block = calloc(1, len);
	if (!block || write(fd, block, len) != (ssize_t)len || fsync(fd))
		err = pin_why(why, errno ? -errno : -ENOSPC, "writing %zu bytes in %s: %s",
			      len, dir, strerror(errno ? errno : ENOSPC));
	free(block);
	/* Before 5.14 RWF_NOWAIT is turned away by any page in the cache. */
	posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	if (err)
		close(fd);
	return err ? err : fd;
}

int pin_dio_file(size_t len, char *why)
{
	const char *dir = pin_file_dir();
	int fd, again;

	if (!dir)
		return pin_why(why, -ENOENT, "no file system at hand that keeps files on a device: set TMPDIR");
	fd = pin_dio_plain(dir, why);
	if (fd)
		return fd;
	fd = written_file(dir, len, why);
	/* The border of two extents may cut a page, which is then pinned twice. */
	for (int tries = 0; fd >= 0 && !in_one_extent(fd); tries++) {
		again = tries < 8 ? written_file(dir, len, why) :
			pin_why(why, -ENOSPC, "%s: no %zu bytes in one piece: the file system is fragmented, set TMPDIR to another",
				dir, len);
		close(fd);
		fd = again;
	}
	if (fd >= 0 && fcntl(fd, F_SETFL, O_DIRECT)) {
		pin_why(why, 0, "no O_DIRECT in %s: %s; set TMPDIR to another file system",
			dir, strerror(errno));
		close(fd);
		return -EINVAL;
	}
	return fd;
}

size_t pin_dio_block(int fd)
{
#ifdef STATX_DIOALIGN
	struct statx st;
	size_t block;

	if (!statx(fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &st) &&
	    st.stx_mask & STATX_DIOALIGN && st.stx_dio_offset_align) {
		block = st.stx_dio_offset_align;
		return st.stx_dio_mem_align > block ? st.stx_dio_mem_align : block;
	}
#endif
	(void)fd;
	return 512;
}

long long pin_dio_queue(int fd, const char *attribute)
{
	char path[128];
	struct stat st;
	dev_t dev;

	if (fstat(fd, &st))
		return 0;
	dev = S_ISBLK(st.st_mode) ? st.st_rdev : st.st_dev;
	snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/partition", major(dev), minor(dev));
	snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/%squeue/%s", major(dev), minor(dev),
		 access(path, F_OK) ? "" : "../", attribute);
	return pin_read_number(path, 0);
}

int pin_dio_probe(const struct pin_kernel *k, char *why)
{
	int fd = pin_dio_file(k->page_size, why);

	if (fd < 0)
		return fd;
	close(fd);
	return 0;
}

void pin_dio_predict_pieces(const struct pin_op *op, bool write,
			    const struct iovec *iov, unsigned int nr,
			    struct pin_predict *p)
{
	const struct pin_access access = pin_dio_access(write);
	static const struct pin_memkind whole = { .name = "whole" };
	const struct pin_mem *m = op->mem;
	const uintptr_t ps = op->kernel->page_size;
	const uintptr_t first = (uintptr_t)m->addr / ps;
	uintptr_t seen = first, start, end;
	struct pin_mem piece = *m;
	struct pin_gup g = { .err = 0 };

	for (unsigned int i = 0; i < nr && !g.err; i++) {
		start = (uintptr_t)iov[i].iov_base / ps;
		piece.addr = iov[i].iov_base;
		piece.len = iov[i].iov_len;
		piece.pages = pin_pages_touched(piece.addr, piece.len, ps);
		piece.kind = m->kind;
		end = start + piece.pages;
		if (m->hole < m->pages) {
			piece.hole = first + m->hole - start;
			if (first + m->hole >= end)
				piece.kind = &whole;
		} else {
			piece.hole = piece.pages;
		}
		pin_mem_gup(&piece, &access, &g);
		p->acquired += g.pinned - g.uncounted;
		/* What one piece has put right, or split, is so for the next one. */
		if (end > seen)
			p->acquired += i ? !!g.undone : g.undone;
		seen = end;
	}
	p->released = p->acquired;
	p->result = g.err ? g.err : (long)m->len;
	p->or_result = p->result;
	/* A block device, or a file system that says so, transfers the start. */
	if (g.err && m->hole && m->hole < m->pages)
		p->or_result = (long)m->hole * ps - ((uintptr_t)m->addr & (ps - 1));
}

void pin_dio_predict(const struct pin_op *op, bool write, struct pin_predict *p)
{
	const struct iovec iov = { op->mem->addr, op->mem->len };

	pin_dio_predict_pieces(op, write, &iov, 1, p);
}

int pin_dio_open(struct pin_op *op)
{
	int fd = pin_dio_file(op->mem->len, op->why);

	op->priv = (void *)(intptr_t)fd;
	return fd < 0 ? fd : 0;
}

void pin_dio_close(struct pin_op *op)
{
	close((intptr_t)op->priv);
}

static void predict_read(const struct pin_op *op, struct pin_predict *p)
{
	pin_dio_predict(op, true, p);
}

static void predict_write(const struct pin_op *op, struct pin_predict *p)
{
	pin_dio_predict(op, false, p);
}

static long dio_read(struct pin_op *op)
{
	long n = pread((intptr_t)op->priv, op->mem->addr, op->mem->len, 0);

	return n < 0 ? -errno : n;
}

static long dio_write(struct pin_op *op)
{
	long n = pwrite((intptr_t)op->priv, op->mem->addr, op->mem->len, 0);

	return n < 0 ? -errno : n;
}

const struct pin_consumer pin_consumer_dio_read = {
	.name = "dio_read",
	.help = "pread with O_DIRECT: the device writes to memory",
	.path = "bio_iov_iter_get_pages > iov_iter_extract_pages > pin_user_pages_fast",
	.since = "6.5",
	.doc_case = 1,
	.dirties = true,
	.probe = pin_dio_probe,
	.open = pin_dio_open,
	.predict = predict_read,
	.pin = dio_read,
	.close = pin_dio_close,
};

const struct pin_consumer pin_consumer_dio_write = {
	.name = "dio_write",
	.help = "pwrite with O_DIRECT: the device reads memory",
	.path = "bio_iov_iter_get_pages > iov_iter_extract_pages > pin_user_pages_fast",
	.since = "6.5",
	.doc_case = 1,
	.only_read = true,
	.probe = pin_dio_probe,
	.open = pin_dio_open,
	.predict = predict_write,
	.pin = dio_write,
	.close = pin_dio_close,
};
