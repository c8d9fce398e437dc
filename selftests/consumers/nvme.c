// SPDX-License-Identifier: GPL-2.0
/*
 * NVMe commands from user space: by ioctl and by io_uring, each with a vector, too,
 * and by io_uring with a fixed buffer. They go to the namespace that PIN_SCRATCH_NVME
 * names, as /dev/nvme0n1, and to no other: its first blocks are overwritten.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/nvme_ioctl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "dio.h"
#include "nvme.h"
#include "pieces.h"
#include "uring.h"

#define NEEDS		"an NVMe disk, module nvme"
#define VARIABLE	"PIN_SCRATCH_NVME"
#define QEMU		"-device nvme"
#define PIECE		(96 << 10)	/* bytes: less than controllers' limits */
#define BIO_PAGES	256u	/* that the kernel pins at a time, for a bio */
#define LONG_PAGES	160
#define CMD_WRITE	1
#define CMD_READ	2
#define TIMEOUT_MS	20000
#define RING_FLAGS	(IORING_SETUP_SQE128 | IORING_SETUP_CQE32)
#define URING_CMD_FIXED	1	/* IORING_URING_CMD_FIXED */

struct nvme {
	bool write_memory;
	int fd;
	int nsid;
	unsigned int block;	/* bytes */
	uint64_t first;		/* block of a command */
	unsigned int pages;
	unsigned int most;	/* pages that a command may have */
	bool in_segments;	/* it is so many only if some lie side by side */
	bool fixed;
	bool vectored;
	struct iovec iov[PIN_PIECE_VECTOR];	/* of the command at work */
	struct io_uring ring;
	bool have_ring;
};

int pin_nvme_scratch(const char *variable, const char *qemu, char *disk, char *chr,
		     size_t len, char *why)
{
	const char *path = getenv(variable), *name;
	struct stat st;

	if (!path)
		return pin_why(why, -ENODEV, "no NVMe namespace that may be overwritten: %s=/dev/nvmeXnY (in a guest: QEMU's %s)",
			       variable, qemu);
	name = strrchr(path, '/');
	if (stat(path, &st) || !S_ISBLK(st.st_mode) || !name || strncmp(name, "/nvme", 5))
		return pin_why(why, -ENODEV, "%s=%s is no NVMe block device", variable, path);
	snprintf(disk, len, "%s", path);
	snprintf(chr, len, "/dev/ng%s", name + 5);
	return 0;
}

int pin_nvme_probe(const char *variable, const char *qemu, char *why)
{
	char disk[64], chr[64];
	int fd, err = pin_nvme_scratch(variable, qemu, disk, chr, sizeof(disk), why);

	if (err)
		return err;
	/* Exclusive: not one that is mounted or otherwise in use. */
	fd = open(disk, O_RDWR | O_EXCL | O_CLOEXEC);
	if (fd < 0)
		return pin_why(why, -errno, "%s: %s", disk, strerror(errno));
	if (ioctl(fd, NVME_IOCTL_ID) < 0)
		err = pin_why(why, -errno, "%s: NVME_IOCTL_ID: %s", disk, strerror(errno));
	close(fd);
	return err;
}

static int scratch_disk(char *disk, char *chr, size_t len, char *why)
{
	return pin_nvme_scratch(VARIABLE, QEMU, disk, chr, len, why);
}

static int probe(const struct pin_kernel *k, char *why)
{
	(void)k;
	return pin_nvme_probe(VARIABLE, QEMU, why);
}

static int new_ring(struct io_uring *ring, char *why)
{
	return pin_uring_new(ring, RING_FLAGS, why);
}

static int probe_uring(const struct pin_kernel *k, char *why)
{
	char disk[64], chr[64];
	struct io_uring ring;
	int err = probe(k, why);

	if (!err)
		err = pin_uring_probe_op(IORING_OP_URING_CMD, "IORING_OP_URING_CMD", "5.19", why);
	if (!err && !scratch_disk(disk, chr, sizeof(disk), why) && access(chr, R_OK | W_OK))
		err = pin_why(why, -errno, "%s: %s", chr, strerror(errno));
	if (err)
		return err;
	err = new_ring(&ring, why);
	if (!err)
		io_uring_queue_exit(&ring);
	return err;
}

/* What it does not know it refuses without a look at the command. */
static int probe_vec(const struct pin_kernel *k, char *why)
{
	char disk[64], chr[64];
	int fd, err = probe(k, why) ?: scratch_disk(disk, chr, sizeof(disk), why);

	if (err)
		return err;
	fd = open(disk, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return pin_why(why, -errno, "%s: %s", disk, strerror(errno));
	if (ioctl(fd, NVME_IOCTL_IO64_CMD_VEC, NULL) && errno != EFAULT)
		err = pin_why(why, -errno, "NVME_IOCTL_IO64_CMD_VEC (5.18): %s", strerror(errno));
	close(fd);
	return err;
}

static void nvme_close(struct pin_op *op)
{
	struct nvme *n = op->priv;

	if (!n)
		return;
	if (n->have_ring)
		io_uring_queue_exit(&n->ring);
	if (n->fd >= 0)
		close(n->fd);
	free(n);
	op->priv = NULL;
}

static int open_disk(struct nvme *n, bool uring, char *why)
{
	char disk[64], chr[64];
	int block = 512, fd, err = scratch_disk(disk, chr, sizeof(disk), why);

	if (err)
		return err;
	fd = open(disk, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return pin_why(why, -errno, "%s: %s", disk, strerror(errno));
	n->fd = fd;
	n->nsid = ioctl(fd, NVME_IOCTL_ID);
	if (n->nsid < 0 || ioctl(fd, BLKSSZGET, &block))
		return pin_why(why, -errno, "%s: %s", disk, strerror(errno));
	n->block = block;
	if (!uring)
		return 0;
	n->fd = open(chr, O_RDWR | O_CLOEXEC);
	close(fd);
	return n->fd < 0 ? pin_why(why, -errno, "%s: %s", chr, strerror(errno)) : 0;
}

static int nvme_open(struct pin_op *op, bool write_memory, bool uring, bool fixed)
{
	struct nvme *n = calloc(1, sizeof(*n));
	int err;

	if (!n)
		return pin_why(op->why, -ENOMEM, "out of memory");
	op->priv = n;
	n->fd = -1;
	n->write_memory = write_memory;
	n->fixed = fixed;
	n->pages = pin_piece_pages(op->kernel, PIECE);
	err = open_disk(n, uring, op->why);
	if (!err && (op->mem->len % n->block || (uintptr_t)op->mem->addr % 4))
		err = pin_why(op->why, -EINVAL, "no whole number of the disk's blocks of %u bytes",
			      n->block);
	if (!err && uring) {
		err = new_ring(&n->ring, op->why);
		n->have_ring = !err;
	}
	if (err)
		nvme_close(op);
	return err;
}

static int open_read(struct pin_op *op)
{
	return nvme_open(op, true, false, false);
}

static int open_write(struct pin_op *op)
{
	return nvme_open(op, false, false, false);
}

static int open_long(struct pin_op *op)
{
	const long ps = op->kernel->page_size;
	int err = nvme_open(op, true, false, false);
	struct nvme *n = op->priv;

	if (err)
		return err;
	n->most = pin_dio_queue(n->fd, "max_hw_sectors_kb") * 1024 / ps;
	n->in_segments = pin_dio_queue(n->fd, "max_segments") < n->most;
	n->pages = op->mem->pages;
	return 0;
}

static int open_vectored(struct pin_op *op, bool uring)
{
	int err = nvme_open(op, true, uring, false);
	struct nvme *n = op->priv;

	if (!err)
		n->vectored = true;
	return err;
}

static int open_vec(struct pin_op *op)
{
	return open_vectored(op, false);
}

static unsigned int long_pages(const struct pin_kernel *k)
{
	(void)k;
	return LONG_PAGES;
}

static int open_uring_read(struct pin_op *op)
{
	return nvme_open(op, true, true, false);
}

static int open_uring_write(struct pin_op *op)
{
	return nvme_open(op, false, true, false);
}

static int open_uring_vec(struct pin_op *op)
{
	return open_vectored(op, true);
}

static int open_uring_fixed(struct pin_op *op)
{
	return nvme_open(op, true, true, true);
}

static void predict(const struct pin_op *op, struct pin_predict *p)
{
	const struct nvme *n = op->priv;
	const struct pin_access access = {
		.write = n->write_memory, .fast = true, .file_io = true,
	};

	pin_pieces_predict(op, &access, n->pages, p);
}

/* To the end of the first page, and the rest: what meets inside of one would be copied. */
static unsigned int cut(const struct pin_kernel *k, struct iovec *iov, void *data, size_t len)
{
	const size_t left = k->page_size - ((uintptr_t)data & (k->page_size - 1));
	const size_t first = len < left ? len : left;

	iov[0] = (struct iovec){ data, first };
	iov[1] = (struct iovec){ (char *)data + first, len - first };
	return len > first ? 2 : 1;
}

static void predict_vec(const struct pin_op *op, struct pin_predict *p)
{
	const struct nvme *n = op->priv;

	pin_pieces_predict_vectors(op, n->write_memory, n->pages, cut, p);
}

/* What is pinned of @nr pages at a time, from page @first on: of them the last is where? */
static unsigned int pin_some(const struct pin_op *op, unsigned int first, unsigned int nr,
			     struct pin_predict *p, int *err)
{
	const struct pin_access access = { .write = true, .fast = true };
	struct pin_mem part = *op->mem;
	struct pin_gup g;

	part.pages = nr;
	part.hole = part.hole < first || part.hole - first > nr ? nr : part.hole - first;
	pin_mem_gup(&part, &access, &g);
	/* A huge page that the first call splits is none for the second. */
	p->acquired += g.pinned - g.uncounted + (first && g.undone ? 1 : g.undone);
	*err = g.err;
	return first + g.pinned;
}

/*
 * Before 6.16 the first bio takes what a command may have, and the rest goes back: it is
 * the second that is too much. Since then the first has all that it has room for,
 * more than that if pages lie side by side. Either may come to a hole before.
 */
static void predict_long(const struct pin_op *op, struct pin_predict *p)
{
	const struct nvme *n = op->priv;
	const unsigned int pages = op->mem->pages, left = pages - n->most;
	const unsigned int first = pages < BIO_PAGES ? pages : BIO_PAGES;
	const bool as_is = op->kernel->version >= PIN_KVER(6, 16);
	unsigned int end;
	int err;

	if (pages <= n->most) {
		predict(op, p);
		return;
	}
	end = pin_some(op, 0, as_is && op->mem->folio_pages > 1 ? pages : first, p, &err);
	if (end > n->most && as_is) {
		err = -EINVAL;
		p->migrated = end == BIO_PAGES ? left : 0;
	} else if (end > n->most) {
		end = pin_some(op, n->most, left < BIO_PAGES ? left : BIO_PAGES, p, &err);
		if (end > 2 * n->most)
			err = -EINVAL;
		p->migrated = n->in_segments ? p->acquired : 0;
	}
	p->result = err ?: -EINVAL;
	p->or_result = p->result;
	if (!op->kernel->dio_pins)
		p->acquired = 0;
	p->released = p->acquired;
}

static long by_ioctl(struct pin_op *op, size_t done, size_t len)
{
	const struct nvme *n = op->priv;
	struct nvme_passthru_cmd cmd = {
		.opcode = n->write_memory ? CMD_READ : CMD_WRITE,
		.nsid = n->nsid,
		.addr = (uintptr_t)op->mem->addr + done,
		.data_len = len,
		.cdw10 = n->first,
		.cdw11 = n->first >> 32,
		.cdw12 = len / n->block - 1,
		.timeout_ms = TIMEOUT_MS,
	};
	int err = ioctl(n->fd, NVME_IOCTL_IO_CMD, &cmd);

	return err < 0 ? -errno : err ? -EIO : 0;
}

static long by_ioctl_vec(struct pin_op *op, size_t done, size_t len)
{
	struct nvme *n = op->priv;
	struct nvme_passthru_cmd64 cmd = {
		.opcode = CMD_READ,
		.nsid = n->nsid,
		.addr = (uintptr_t)n->iov,
		.vec_cnt = cut(op->kernel, n->iov, (char *)op->mem->addr + done, len),
		.cdw12 = len / n->block - 1,
		.timeout_ms = TIMEOUT_MS,
	};
	int err = ioctl(n->fd, NVME_IOCTL_IO64_CMD_VEC, &cmd);

	return err < 0 ? -errno : err ? -EIO : 0;
}

static int prepare(struct pin_op *op, size_t done, size_t len)
{
	struct nvme *n = op->priv;
	struct io_uring_sqe *sqe = io_uring_get_sqe(&n->ring);
	struct nvme_uring_cmd *cmd;

	if (!sqe)
		return -EBUSY;
	memset(sqe, 0, 2 * sizeof(*sqe));
	sqe->opcode = IORING_OP_URING_CMD;
	sqe->fd = n->fd;
	sqe->cmd_op = n->vectored ? NVME_URING_CMD_IO_VEC : NVME_URING_CMD_IO;
	if (n->fixed)
		sqe->rw_flags = URING_CMD_FIXED;	/* uring_cmd_flags; buffer 0 */
	cmd = (void *)sqe->cmd;
	cmd->opcode = n->write_memory ? CMD_READ : CMD_WRITE;
	cmd->nsid = n->nsid;
	cmd->addr = (uintptr_t)op->mem->addr + done;
	cmd->data_len = len;
	if (n->vectored) {
		cmd->data_len = cut(op->kernel, n->iov, (void *)(uintptr_t)cmd->addr, len);
		cmd->addr = (uintptr_t)n->iov;
	}
	cmd->cdw10 = n->first;
	cmd->cdw11 = n->first >> 32;
	cmd->cdw12 = len / n->block - 1;
	cmd->timeout_ms = TIMEOUT_MS;
	return 0;
}

static long by_uring(struct pin_op *op, size_t done, size_t len)
{
	struct nvme *n = op->priv;
	long err = prepare(op, done, len);

	if (!err)
		err = pin_uring_submit_one(&n->ring);
	return err > 0 ? -EIO : err;
}

static long pin_by_ioctl(struct pin_op *op)
{
	const struct nvme *n = op->priv;

	return pin_pieces_transfer(op, n->pages, n->vectored ? by_ioctl_vec : by_ioctl);
}

static long pin_by_uring(struct pin_op *op)
{
	const struct nvme *n = op->priv;

	return pin_pieces_transfer(op, n->pages, by_uring);
}

static long pin_fixed(struct pin_op *op)
{
	struct iovec iov = { op->mem->addr, op->mem->len };
	struct nvme *n = op->priv;

	return io_uring_register_buffers(&n->ring, &iov, 1);
}

/* The last piece of it: 6.1 counts what comes behind against the queue's limit. */
static size_t last_piece(const struct pin_op *op)
{
	const struct nvme *n = op->priv;
	size_t len = n->pages * op->kernel->page_size;

	return len < op->mem->len ? len : op->mem->len;
}

static long use_fixed(struct pin_op *op)
{
	const size_t len = last_piece(op);

	return by_uring(op, op->mem->len - len, len);
}

long pin_nvme_start(struct pin_op *op)
{
	struct nvme *n = op->priv;
	const size_t len = last_piece(op);
	const unsigned int flags = n->ring.flags;
	long err = prepare(op, op->mem->len - len, len);

	/* For a ring that is polled it would ask for completions, too. */
	n->ring.flags &= ~IORING_SETUP_IOPOLL;
	if (!err)
		err = io_uring_submit(&n->ring);
	n->ring.flags = flags;
	return err == 1 ? 0 : err ?: -EIO;
}

bool pin_nvme_done(const struct pin_op *op)
{
	struct nvme *n = op->priv;
	struct io_uring_cqe *cqe;

	return !io_uring_peek_cqe(&n->ring, &cqe);
}

long pin_nvme_wait(struct pin_op *op)
{
	struct nvme *n = op->priv;
	long err = pin_uring_wait_one(&n->ring);

	return err > 0 ? -EIO : err;
}

static long unpin_fixed(struct pin_op *op)
{
	struct nvme *n = op->priv;

	return io_uring_unregister_buffers(&n->ring);
}

int pin_nvme_read_beyond(const struct pin_mem *m, bool uring, long *result, char *why)
{
	struct pin_mem mem = *m;
	struct pin_op op = { .kernel = m->kernel, .mem = &mem };
	struct nvme *n;
	int err = uring ? probe_uring(m->kernel, why) : probe(m->kernel, why);

	if (err)
		return err;
	err = nvme_open(&op, true, uring, false);
	if (err)
		return pin_why(why, err, "%s", op.why);
	n = op.priv;
	n->first = PIN_NVME_BEYOND;
	*result = uring ? by_uring(&op, 0, mem.len) : by_ioctl(&op, 0, mem.len);
	nvme_close(&op);
	return 0;
}

int pin_nvme_segments(const struct pin_kernel *k, char *why)
{
	struct nvme n = { .fd = -1 };
	long long bytes, segments;
	int err = probe(k, why) ?: open_disk(&n, false, why);

	if (!err) {
		bytes = pin_dio_queue(n.fd, "max_hw_sectors_kb") * 1024;
		segments = pin_dio_queue(n.fd, "max_segments");
		err = segments * k->page_size < bytes ? segments : bytes / k->page_size;
	}
	if (n.fd >= 0)
		close(n.fd);
	return err;
}

int pin_nvme_open_polled(struct pin_op *op, uint64_t first)
{
	int err = probe_uring(op->kernel, op->why);
	char disk[64], chr[64];
	struct nvme *n;
	bool polled;
	int fd;

	err = err ?: scratch_disk(disk, chr, sizeof(disk), op->why);
	if (err)
		return err;
	fd = open(disk, O_RDONLY | O_CLOEXEC);
	polled = fd >= 0 && pin_dio_queue(fd, "io_poll") == 1;
	if (fd >= 0)
		close(fd);
	if (!polled)
		return pin_why(op->why, -EOPNOTSUPP, "%s has no queues to poll: boot with nvme.poll_queues=1",
			       disk);
	err = nvme_open(op, true, true, false);
	if (err)
		return err;
	n = op->priv;
	n->first = first;
	io_uring_queue_exit(&n->ring);
	err = pin_uring_new(&n->ring, RING_FLAGS | IORING_SETUP_IOPOLL, op->why);
	n->have_ring = !err;
	if (err)
		nvme_close(op);
	return err;
}

void pin_nvme_close(struct pin_op *op)
{
	nvme_close(op);
}

#define NVME_CONSUMER(_name, _help, _path, _probe, _open, _predict, _pin, ...)			\
	const struct pin_consumer pin_consumer_##_name = {			\
		.name = #_name,							\
		.help = _help,							\
		.path = _path " > blk_rq_map_user_iov > pin_user_pages_fast",	\
		.since = "6.5",							\
		.doc_case = 1,							\
		.needs = NEEDS,							\
		.probe = _probe,						\
		.open = _open,							\
		.predict = _predict,						\
		.pin = _pin,							\
		.close = nvme_close,						\
		__VA_ARGS__							\
	}

#define BY_IOCTL	"nvme_user_cmd > nvme_map_user_request"
#define BY_IOCTL_VEC	"nvme_user_cmd64 > nvme_map_user_request"
#define BY_URING	"nvme_uring_cmd_io > nvme_map_user_request"

NVME_CONSUMER(nvme_passthru_read, "an NVMe read by ioctl", BY_IOCTL, probe, open_read, predict,
	      pin_by_ioctl, .dirties = true);
NVME_CONSUMER(nvme_passthru_vec, "an NVMe read by ioctl, of a vector", BY_IOCTL_VEC, probe_vec,
	      open_vec, predict_vec, pin_by_ioctl, .dirties = true);
NVME_CONSUMER(nvme_passthru_write, "an NVMe write by ioctl", BY_IOCTL, probe, open_write, predict,
	      pin_by_ioctl, .only_read = true);
NVME_CONSUMER(uring_nvme_read, "an NVMe read by io_uring", BY_URING, probe_uring, open_uring_read,
	      predict, pin_by_uring, .dirties = true);
NVME_CONSUMER(uring_nvme_vec, "an NVMe read by io_uring, of a vector", BY_URING, probe_uring,
	      open_uring_vec, predict_vec, pin_by_uring, .dirties = true);
NVME_CONSUMER(uring_nvme_write, "an NVMe write by io_uring", BY_URING, probe_uring,
	      open_uring_write, predict, pin_by_uring, .only_read = true);

const struct pin_consumer pin_consumer_nvme_passthru_long = {
	.name = "nvme_passthru_long",
	.help = "an NVMe read by ioctl of more than the device takes",
	.path = BY_IOCTL " > blk_rq_map_user_iov > pin_user_pages_fast",
	.since = "6.5",
	.doc_case = 1,
	.needs = NEEDS,
	.pages = long_pages,
	.probe = probe,
	.open = open_long,
	.predict = predict_long,
	.pin = pin_by_ioctl,
	.close = nvme_close,
};

const struct pin_consumer pin_consumer_uring_nvme_fixed = {
	.name = "uring_nvme_fixed",
	.help = "an NVMe read by io_uring into a fixed buffer",
	.path = "io_sqe_buffer_register > io_pin_pages > pin_user_pages_fast; nvme_uring_cmd_io",
	.since = "6.1",
	.doc_case = 2,
	.needs = NEEDS,
	.held = true,
	.charged = true,
	.probe = probe_uring,
	.open = open_uring_fixed,
	.predict = pin_uring_predict,
	.pin = pin_fixed,
	.use = use_fixed,
	.unpin = unpin_fixed,
	.close = nvme_close,
};
