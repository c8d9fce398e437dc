// SPDX-License-Identifier: GPL-2.0
/*
 * NVMe commands, and reads and writes of the block device by io_uring, with
 * metadata in a buffer of its own: that is the memory under test here, some
 * pages of it a command; the data that goes with it is ours. Both are pinned,
 * the metadata last. They go to the namespace that PIN_SCRATCH_NVME_META names,
 * and to no other: its first blocks are overwritten.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/nvme_ioctl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "dio.h"
#include "nvme.h"
#include "pieces.h"
#include "scratch.h"
#include "uring.h"

#define NEEDS		"an NVMe namespace whose blocks have metadata, module nvme"
#define VARIABLE	"PIN_SCRATCH_NVME_META"
#define QEMU		"-device nvme-ns,ms=64"
#define CMD_WRITE	1
#define CMD_READ	2
#define ADMIN_IDENTIFY	6
#define ADMIN_SET_FEATURES	9
#define FEATURE_ERROR_RECOVERY	5
#define DULBE		(1u << 16)	/* reads of blocks that were never written fail */
#define BIO_PAGES	256u		/* of data, that do not lie side by side */
#define TIMEOUT_MS	20000

/* Since Linux 6.14, later than the headers of many. */
#define FEAT_RW_ATTR	(1u << 16)
#define ATTR_PI		(1u << 0)

struct attr_pi {
	uint16_t flags, app_tag;
	uint32_t len;
	uint64_t addr, seed, rsvd;
};

static struct {
	unsigned int block;	/* bytes of data */
	unsigned int meta;	/* bytes of metadata with each */
	size_t most_data;	/* bytes of a command, with whole pages of metadata */
} format;

/* If it shows: pinned as if the transfer went in the other direction. */
static const struct pin_known_issue *reversed;

struct nvme_meta {
	bool write_memory;
	int fd;
	int nsid;
	void *data;
	size_t data_len;
	unsigned int pages;	/* of metadata in a command */
	struct io_uring ring;
	bool have_ring;
};

/* Metadata of a block, in bytes: what Identify Namespace says. Pins. */
static int metadata_bytes(int fd, int nsid)
{
	static unsigned char id[4096] __attribute__((aligned(4096)));
	struct nvme_admin_cmd cmd = {
		.opcode = ADMIN_IDENTIFY,
		.nsid = nsid,
		.addr = (uintptr_t)id,
		.data_len = sizeof(id),
	};
	unsigned int now;

	if (ioctl(fd, NVME_IOCTL_ADMIN_CMD, &cmd))
		return -EIO;
	now = (id[26] & 0xf) | (id[26] & 0x60) >> 1;	/* FLBAS */
	if (id[26] & 0x10)
		return 0;		/* a part of the data */
	return id[128 + 4 * now] | id[129 + 4 * now] << 8;
}

/* Each page of the data may be a segment of its own. An IOMMU lowers the limit. */
static size_t most_data(const struct pin_kernel *k, int fd)
{
	const size_t bytes = pin_dio_queue(fd, "max_hw_sectors_kb") * 1024;
	const size_t segments = pin_dio_queue(fd, "max_segments") * k->page_size;

	return bytes < segments ? bytes : segments;
}

/* The data of @bytes of metadata. */
static size_t data_of(size_t bytes)
{
	return bytes / format.meta * format.block;
}

/* @blocks from @first on, with their metadata. 0 or -errno. */
static long transfer(int fd, int nsid, unsigned int opcode, uint64_t first,
		     unsigned int blocks, void *data, void *meta)
{
	struct nvme_passthru_cmd cmd = {
		.opcode = opcode,
		.nsid = nsid,
		.addr = (uintptr_t)data,
		.data_len = blocks * format.block,
		.metadata = (uintptr_t)meta,
		.metadata_len = blocks * format.meta,
		.cdw10 = first,
		.cdw11 = first >> 32,
		.cdw12 = blocks - 1,
		.timeout_ms = TIMEOUT_MS,
	};
	int err = ioctl(fd, NVME_IOCTL_IO_CMD, &cmd);

	return err < 0 ? -errno : err ? -EIO : 0;
}

/*
 * What is read here is always zeros: kernels that take the wrong direction
 * let the device write to the zero page, which is everybody's.
 */
static int probe_direction(const struct pin_kernel *k, int fd, int nsid)
{
	const unsigned int blocks = format.most_data / format.block;
	const size_t len = blocks * format.meta;
	void *data = mmap(NULL, format.most_data, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	void *meta = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	long err = -ENOMEM;

	if (data != MAP_FAILED && meta != MAP_FAILED) {
		memset(data, 0, format.most_data);
		memset(meta, 0, len);
		err = transfer(fd, nsid, CMD_WRITE, 0, blocks, data, meta);
	}
	reversed = err ? NULL : pin_known_issue(k, "nvme_meta_read", "*");
	if (reversed && (mprotect(meta, len, PROT_READ) ||
			 transfer(fd, nsid, CMD_READ, 0, 1, data, meta)))
		reversed = NULL;
	munmap(data, format.most_data);
	munmap(meta, len);
	return err;
}

static int probe(const struct pin_kernel *k, char *why)
{
	int fd, nsid, meta, block, err = pin_nvme_probe(VARIABLE, QEMU, why);
	char disk[64], chr[64];
	size_t most;

	if (!err)
		err = pin_nvme_scratch(VARIABLE, QEMU, disk, chr, sizeof(disk), why);
	if (err)
		return err;
	fd = open(disk, O_RDWR | O_CLOEXEC);
	nsid = fd < 0 ? -1 : ioctl(fd, NVME_IOCTL_ID);
	if (nsid < 0 || ioctl(fd, BLKSSZGET, &block))
		return pin_why(why, -errno, "%s: %s", disk, strerror(errno));
	meta = metadata_bytes(fd, nsid);
	most = most_data(k, fd);
	if (meta <= 0 || k->page_size % meta)
		err = pin_why(why, -EINVAL, "%s has %d bytes of metadata with a block, in a buffer of their own",
			      disk, meta > 0 ? meta : 0);
	else if ((size_t)k->page_size / meta * block > most)
		err = pin_why(why, -EINVAL, "%s has too little metadata for so large pages: %d bytes",
			      disk, meta);
	if (!err) {
		format.block = block;
		format.meta = meta;
		format.most_data = most - most % (k->page_size / meta * block);
		err = probe_direction(k, fd, nsid);
		if (err)
			pin_why(why, err, "%s: a write with metadata: %s", disk, strerror(-err));
	}
	close(fd);
	return err;
}

static void meta_close(struct pin_op *op)
{
	struct nvme_meta *n = op->priv;

	if (!n)
		return;
	if (n->have_ring)
		io_uring_queue_exit(&n->ring);
	if (n->fd >= 0)
		close(n->fd);
	if (n->data != MAP_FAILED)
		munmap(n->data, n->data_len);
	free(n);
	op->priv = NULL;
}

static int meta_open(struct pin_op *op, bool write_memory)
{
	struct nvme_meta *n = calloc(1, sizeof(*n));
	char disk[64], chr[64];
	int err = pin_nvme_scratch(VARIABLE, QEMU, disk, chr, sizeof(disk), op->why);

	if (err || !n) {
		free(n);
		return err ? err : pin_why(op->why, -ENOMEM, "out of memory");
	}
	op->priv = n;
	n->write_memory = write_memory;
	n->pages = format.most_data / format.block * format.meta / op->kernel->page_size;
	n->data_len = format.most_data;
	n->data = mmap(NULL, n->data_len, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	n->fd = open(disk, O_RDWR | O_CLOEXEC);
	n->nsid = n->fd < 0 ? -1 : ioctl(n->fd, NVME_IOCTL_ID);
	if (n->data == MAP_FAILED || n->nsid < 0) {
		err = pin_why(op->why, -errno, "%s: %s", disk, strerror(errno));
		meta_close(op);
		return err;
	}
	madvise(n->data, n->data_len, MADV_NOHUGEPAGE);
	memset(n->data, 1, n->data_len);
	return 0;
}

static int open_read(struct pin_op *op)
{
	return meta_open(op, true);
}

static int open_write(struct pin_op *op)
{
	return meta_open(op, false);
}

static int uring_open(struct pin_op *op, bool write_memory)
{
	int err = meta_open(op, write_memory);
	struct nvme_meta *n = op->priv;

	if (err)
		return err;
	err = fcntl(n->fd, F_SETFL, O_DIRECT) ? pin_why(op->why, -errno, "O_DIRECT: %s",
							strerror(errno)) : 0;
	if (!err) {
		err = pin_uring_new(&n->ring, 0, op->why);
		n->have_ring = !err;
	}
	if (err)
		meta_close(op);
	return err;
}

static int uring_open_read(struct pin_op *op)
{
	return uring_open(op, true);
}

static int uring_open_write(struct pin_op *op)
{
	return uring_open(op, false);
}

/* As transfer(), of @len bytes of metadata. */
static long uring_transfer(struct nvme_meta *n, uint64_t first, void *meta, size_t len)
{
	const struct attr_pi attr = { .addr = (uintptr_t)meta, .len = len };
	struct io_uring_sqe *sqe = io_uring_get_sqe(&n->ring);
	long res;

	io_uring_prep_rw(n->write_memory ? IORING_OP_READ : IORING_OP_WRITE, sqe, n->fd, n->data,
			 data_of(len), first * format.block);
	sqe->addr3 = (uintptr_t)&attr;		/* attr_ptr */
	sqe->__pad2[0] = ATTR_PI;		/* attr_type_mask */
	res = pin_uring_submit_one(&n->ring);
	return res < 0 ? res : res == (long)data_of(len) ? 0 : -EIO;
}

static int uring_probe(const struct pin_kernel *k, char *why)
{
	struct pin_op op = { .kernel = k };
	int err = pin_uring_probe(k, why) ?: probe(k, why);
	struct nvme_meta *n;

	if (err)
		return err;
	err = uring_open(&op, false);
	if (err)
		return pin_why(why, err, "%s", op.why);
	n = op.priv;
	if (!(n->ring.features & FEAT_RW_ATTR)) {
		err = pin_why(why, -EOPNOTSUPP, "io_uring takes metadata with reads and writes since Linux 6.14");
	} else {
		/* All that is in there will do. */
		err = uring_transfer(n, 0, n->data, k->page_size);
		if (err)
			pin_why(why, err, "%s: a write with metadata by io_uring, which needs kernel option BLK_DEV_INTEGRITY: %s",
				getenv(VARIABLE), strerror(-err));
	}
	meta_close(&op);
	return err;
}

static void predict_direction(const struct pin_op *op, bool write, struct pin_predict *p)
{
	const struct nvme_meta *n = op->priv;
	const struct pin_access access = { .write = write, .fast = true, .file_io = true };
	const long ps = op->kernel->page_size;
	const struct pin_mem *m = op->mem;
	size_t done = 0, len, data = 0;
	bool failed = false;

	pin_pieces_predict(op, &access, n->pages, p);
	if (!op->kernel->integrity_pins) {
		/* The metadata is copied: from and to secret memory, too. */
		p->acquired = 0;
		if (!strcmp(m->kind->name, "secretmem")) {
			p->result = m->len;
			p->or_result = m->len;
		}
	}
	/* The data, pinned first, also of the command that fails. */
	for (; done < m->len && !failed; done += len) {
		len = pin_piece(op, done, n->pages);
		failed = p->result < 0 || done >= (size_t)p->result;
		data += (data_of(len) + ps - 1) / ps;
	}
	p->acquired += op->kernel->dio_pins ? data : 0;
	p->released = p->acquired;
}

static void predict(const struct pin_op *op, struct pin_predict *p)
{
	const struct nvme_meta *n = op->priv;
	struct pin_predict other = { .acquired = 0 };

	predict_direction(op, n->write_memory, p);
	if (!reversed)
		return;
	predict_direction(op, !n->write_memory, &other);
	if (other.acquired == p->acquired && other.result == p->result)
		return;
	*p = other;
	p->issue = reversed;
	p->issue_foretold = true;
}

static void uring_predict(const struct pin_op *op, struct pin_predict *p)
{
	const struct nvme_meta *n = op->priv;

	predict_direction(op, n->write_memory, p);
	/* Whatever it is that the bio fails of. */
	if (p->result < 0 && op->kernel->version >= PIN_KVER(7, 3)) {
		p->result = -EIO;
		p->or_result = -EIO;
	}
}

/* Writes go behind what is read. */
static uint64_t first_block(const struct nvme_meta *n)
{
	return n->write_memory ? 0 : format.most_data / format.block;
}

static long command(struct pin_op *op, size_t done, size_t len)
{
	const struct nvme_meta *n = op->priv;

	return transfer(n->fd, n->nsid, n->write_memory ? CMD_READ : CMD_WRITE, first_block(n),
			len / format.meta, n->data, (char *)op->mem->addr + done);
}

static long uring_command(struct pin_op *op, size_t done, size_t len)
{
	struct nvme_meta *n = op->priv;

	return uring_transfer(n, first_block(n), (char *)op->mem->addr + done, len);
}

static long pin(struct pin_op *op)
{
	const struct nvme_meta *n = op->priv;

	return pin_pieces_transfer(op, n->pages, command);
}

static long uring_pin(struct pin_op *op)
{
	const struct nvme_meta *n = op->priv;

	return pin_pieces_transfer(op, n->pages, uring_command);
}

static int set_scheduler(const char *name, char *why)
{
	char disk[64], chr[64], path[128];
	int err = pin_nvme_scratch(VARIABLE, QEMU, disk, chr, sizeof(disk), why);

	if (err)
		return err;
	snprintf(path, sizeof(path), "/sys/class/block/%s/queue/scheduler",
		 strrchr(disk, '/') + 1);
	return pin_scratch_setting(path, name, why);
}

int pin_nvme_meta_read_beyond(const struct pin_mem *m, const char *scheduler,
			      unsigned int *data_pages, long *result, char *why)
{
	struct pin_op op = { .kernel = m->kernel };
	const size_t data = data_of(m->len), ps = m->kernel->page_size;
	const struct nvme_meta *n;
	int err;

	if (data > format.most_data)
		return pin_why(why, -E2BIG, "the disk takes %zu bytes of data at once",
			       format.most_data);
	err = set_scheduler(scheduler, why);
	if (err)
		return err;
	err = meta_open(&op, true);
	if (err)
		return pin_why(why, err, "%s", op.why);
	n = op.priv;
	*data_pages = (data + ps - 1) / ps;
	*result = transfer(n->fd, n->nsid, CMD_READ, PIN_NVME_BEYOND, m->len / format.meta,
			   n->data, m->addr);
	meta_close(&op);
	return 0;
}

/* For data: one page, again and again, so that no two lie side by side. */
static void *map_apart(size_t len, size_t page_size)
{
	char *at = mmap(NULL, len, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int fd = memfd_create("pin-data", MFD_CLOEXEC);
	bool good = at != MAP_FAILED && fd >= 0 && !ftruncate(fd, page_size);

	for (size_t i = 0; good && i < len; i += page_size)
		good = mmap(at + i, page_size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd,
			    0) == at + i;
	if (fd >= 0)
		close(fd);
	if (good)
		return at;
	if (at != MAP_FAILED)
		munmap(at, len);
	return MAP_FAILED;
}

static int fail_unwritten(const struct nvme_meta *n, bool fail)
{
	struct nvme_admin_cmd cmd = {
		.opcode = ADMIN_SET_FEATURES,
		.nsid = n->nsid,
		.cdw10 = FEATURE_ERROR_RECOVERY,
		.cdw11 = fail ? DULBE : 0,
	};

	return ioctl(n->fd, NVME_IOCTL_ADMIN_CMD, &cmd) ? -EOPNOTSUPP : 0;
}

/*
 * Pages that are pinned for @m, bio by bio, with their data. It is tried without waiting
 * first, which gives up after the first bio's data if there is to be another one.
 */
static uint64_t pins_of_bios(const struct pin_mem *m)
{
	const size_t ps = m->kernel->page_size;
	const size_t most = BIO_PAGES * ps / format.block * format.meta;
	uint64_t pins = m->len > most ? BIO_PAGES : 0;
	size_t len;

	for (size_t done = 0; done < m->len; done += len) {
		const size_t offset = ((uintptr_t)m->addr + done) & (ps - 1);

		len = m->len - done < most ? m->len - done : most;
		pins += (offset + len + ps - 1) / ps + (data_of(len) + ps - 1) / ps;
	}
	return pins;
}

int pin_nvme_meta_uring(const struct pin_mem *m, enum pin_nvme_transfer what, uint64_t *pins,
			long *result, char *why)
{
	struct pin_op op = { .kernel = m->kernel };
	int err = uring_open(&op, what != PIN_NVME_WRITE);
	struct nvme_meta *n = op.priv;
	uint64_t blocks = 0, first;

	if (err)
		return pin_why(why, err, "%s", op.why);
	munmap(n->data, n->data_len);
	n->data_len = data_of(m->len);
	n->data = map_apart(n->data_len, m->kernel->page_size);
	if (n->data == MAP_FAILED || ioctl(n->fd, BLKGETSIZE64, &blocks))
		err = pin_why(why, -errno, "data for metadata: %s", strerror(errno));
	/* Nothing writes to the second half. */
	first = what == PIN_NVME_FAILS ? blocks / format.block / 2 : 0;
	if (!err && what == PIN_NVME_FAILS && fail_unwritten(n, true))
		err = pin_why(why, -EOPNOTSUPP, "the disk cannot be told to fail reads of blocks that were never written (DULBE)");
	if (!err) {
		*pins = pins_of_bios(m);
		*result = uring_transfer(n, first, m->addr, m->len);
		if (what == PIN_NVME_FAILS)
			fail_unwritten(n, false);
	}
	meta_close(&op);
	return err;
}

#define META_PATH	"nvme_map_user_request > blk_rq_integrity_map_user > bio_integrity_map_user > iov_iter_extract_pages"

const struct pin_consumer pin_consumer_nvme_meta_read = {
	.name = "nvme_meta_read",
	.help = "an NVMe read by ioctl, its metadata",
	.path = META_PATH,
	.since = "6.8",
	.doc_case = 1,
	.needs = NEEDS,
	.dirties = true,
	.probe = probe,
	.open = open_read,
	.predict = predict,
	.pin = pin,
	.close = meta_close,
};

const struct pin_consumer pin_consumer_nvme_meta_write = {
	.name = "nvme_meta_write",
	.help = "an NVMe write by ioctl, its metadata",
	.path = META_PATH,
	.since = "6.8",
	.doc_case = 1,
	.only_read = true,
	.needs = NEEDS,
	.probe = probe,
	.open = open_write,
	.predict = predict,
	.pin = pin,
	.close = meta_close,
};

#define URING_PATH	"blkdev_direct_IO > bio_integrity_map_iter > bio_integrity_map_user > iov_iter_extract_pages"

const struct pin_consumer pin_consumer_uring_meta_read = {
	.name = "uring_meta_read",
	.help = "an io_uring read of a block device, its metadata",
	.path = URING_PATH,
	.since = "6.14",
	.doc_case = 1,
	.retries = true,
	.needs = NEEDS,
	.dirties = true,
	.probe = uring_probe,
	.open = uring_open_read,
	.predict = uring_predict,
	.pin = uring_pin,
	.close = meta_close,
};

const struct pin_consumer pin_consumer_uring_meta_write = {
	.name = "uring_meta_write",
	.help = "an io_uring write of a block device, its metadata",
	.path = URING_PATH,
	.since = "6.14",
	.doc_case = 1,
	.only_read = true,
	.retries = true,
	.needs = NEEDS,
	.probe = uring_probe,
	.open = uring_open_write,
	.predict = uring_predict,
	.pin = uring_pin,
	.close = meta_close,
};
