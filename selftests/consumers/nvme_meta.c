// SPDX-License-Identifier: GPL-2.0
/*
 * NVMe commands with metadata in a buffer of its own: that is the memory under
 * test here, some pages of it a command; the data that goes with it is ours.
 * Both are pinned, the metadata last. They go to the namespace that
 * PIN_SCRATCH_NVME_META names, and to no other: its first blocks are overwritten.
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

#define NEEDS		"an NVMe namespace whose blocks have metadata, module nvme"
#define VARIABLE	"PIN_SCRATCH_NVME_META"
#define QEMU		"-device nvme-ns,ms=64"
#define CMD_WRITE	1
#define CMD_READ	2
#define ADMIN_IDENTIFY	6
#define TIMEOUT_MS	20000

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
	unsigned int pages;	/* of metadata in a command */
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
	if (n->fd >= 0)
		close(n->fd);
	if (n->data != MAP_FAILED)
		munmap(n->data, format.most_data);
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
	n->data = mmap(NULL, format.most_data, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	n->fd = open(disk, O_RDWR | O_CLOEXEC);
	n->nsid = n->fd < 0 ? -1 : ioctl(n->fd, NVME_IOCTL_ID);
	if (n->data == MAP_FAILED || n->nsid < 0) {
		err = pin_why(op->why, -errno, "%s: %s", disk, strerror(errno));
		meta_close(op);
		return err;
	}
	madvise(n->data, format.most_data, MADV_NOHUGEPAGE);
	memset(n->data, 1, format.most_data);
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

/* The data of @bytes of metadata. */
static size_t data_of(size_t bytes)
{
	return bytes / format.meta * format.block;
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

static long command(struct pin_op *op, size_t done, size_t len)
{
	const struct nvme_meta *n = op->priv;
	/* Behind what is read. */
	unsigned int first = n->write_memory ? 0 : format.most_data / format.block;

	return transfer(n->fd, n->nsid, n->write_memory ? CMD_READ : CMD_WRITE, first,
			len / format.meta, n->data, (char *)op->mem->addr + done);
}

static long pin(struct pin_op *op)
{
	const struct nvme_meta *n = op->priv;

	return pin_pieces_transfer(op, n->pages, command);
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
