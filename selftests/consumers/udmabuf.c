// SPDX-License-Identifier: GPL-2.0
/*
 * udmabuf: a dma-buf made of pieces of a memfd, pinned by file and offset,
 * each folio once for each piece. Everything but a memfd that cannot shrink
 * any more is refused.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/dma-buf.h>
#include <linux/udmabuf.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "consumer.h"
#include "proc.h"
#include "scratch.h"

#define NEEDS		"module udmabuf"
#define DEVICE		"/dev/udmabuf"
#define SIZE_LIMIT	"/sys/module/udmabuf/parameters/size_limit_mb"
#define PATTERN		0xa5

/* How the memory is handed over. */
enum pieces {
	WHOLE,		/* UDMABUF_CREATE */
	TWO,		/* UDMABUF_CREATE_LIST of two parts */
	ONE_BAD,	/* the same, and a third one that is no memfd */
};

struct dmabuf {
	enum pieces pieces;
	int dev;
	int fd;		/* of the dma-buf */
};

static int probe(const struct pin_kernel *k, char *why)
{
	int fd = access(DEVICE, F_OK) ? pin_scratch_module("udmabuf", "UDMABUF", NULL, why) : 0;

	(void)k;
	if (fd < 0)
		return fd;
	fd = open(DEVICE, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return pin_why(why, -errno, DEVICE ": %s: kernel option UDMABUF (modprobe udmabuf), and root",
			       strerror(errno));
	close(fd);
	return 0;
}

static int dmabuf_open(struct pin_op *op, enum pieces pieces)
{
	struct dmabuf *d = calloc(1, sizeof(*d));

	if (!d)
		return pin_why(op->why, -ENOMEM, "out of memory");
	d->pieces = pieces;
	d->fd = -1;
	d->dev = open(DEVICE, O_RDWR | O_CLOEXEC);
	if (d->dev < 0) {
		pin_why(op->why, 0, DEVICE ": %s", strerror(errno));
		free(d);
		return -EACCES;
	}
	/* Nothing to seal: the kernel will say so. */
	fcntl(op->mem->fd, F_ADD_SEALS, F_SEAL_SHRINK);
	op->priv = d;
	return 0;
}

static int open_whole(struct pin_op *op)
{
	return dmabuf_open(op, WHOLE);
}

static int open_list(struct pin_op *op)
{
	return dmabuf_open(op, TWO);
}

static int open_list_bad(struct pin_op *op)
{
	return dmabuf_open(op, ONE_BAD);
}

/* Where in the file the buffer starts: whole pages only. */
static size_t offset(const struct pin_op *op)
{
	const size_t at = pin_mem_offset(op->mem);

	return at / op->kernel->page_size * op->kernel->page_size;
}

/* Folios of which some of @pages pages are, the first of them at @index. */
static unsigned int folios(const struct pin_mem *m, size_t index, size_t pages)
{
	return (index + pages - 1) / m->folio_pages - index / m->folio_pages + 1;
}

static void refuse(struct pin_predict *p, int err)
{
	p->released = p->acquired;
	p->result = err;
	p->or_result = err;
}

static void predict(const struct pin_op *op, struct pin_predict *p)
{
	const struct dmabuf *d = op->priv;
	const struct pin_mem *m = op->mem;
	const long ps = op->kernel->page_size;
	size_t limit = (size_t)pin_read_number(SIZE_LIMIT, 64) << 20;
	int seals = fcntl(m->fd, F_GET_SEALS);
	const size_t pages = m->len / ps, first = pages / 2, index = m->folio_index;

	if (pages * ps > limit || !pages)
		return refuse(p, -EINVAL);
	if (seals < 0)
		return refuse(p, -EBADFD);
	/* Nor may a list's first part be empty. */
	if (!(seals & F_SEAL_SHRINK) || (d->pieces != WHOLE && !first))
		return refuse(p, -EINVAL);
	if (op->kernel->udmabuf_pins) {
		if (d->pieces == WHOLE)
			p->acquired = folios(m, index, pages);
		else	/* A folio on the border belongs to both. */
			p->acquired = folios(m, index, first) +
				      folios(m, index + first, pages - first);
	}
	p->per_folio = true;
	p->second = d->pieces == WHOLE ? 0 : first;
	if (op->kernel->movable_memory)
		p->migrated = p->acquired;
	if (d->pieces == ONE_BAD)
		refuse(p, -EBADFD);
}

/* The descriptor of a dma-buf of @nr pieces, or -1. */
static int create_list(const struct pin_op *op, size_t len, unsigned int nr)
{
	const struct dmabuf *d = op->priv;
	size_t first = len / op->kernel->page_size / 2 * op->kernel->page_size;
	struct udmabuf_create_list *list;
	int fd;

	list = calloc(1, sizeof(*list) + nr * sizeof(list->list[0]));
	if (!list) {
		errno = ENOMEM;
		return -1;
	}
	list->flags = UDMABUF_FLAGS_CLOEXEC;
	list->count = nr;
	list->list[0].memfd = op->mem->fd;
	list->list[0].offset = offset(op);
	list->list[0].size = first;
	list->list[1].memfd = op->mem->fd;
	list->list[1].offset = offset(op) + first;
	list->list[1].size = len - first;
	if (nr > 2) {
		list->list[2].memfd = d->dev;
		list->list[2].size = op->kernel->page_size;
	}
	fd = ioctl(d->dev, UDMABUF_CREATE_LIST, list);
	free(list);
	return fd;
}

static long pin(struct pin_op *op)
{
	struct dmabuf *d = op->priv;
	const long ps = op->kernel->page_size;
	struct udmabuf_create create = {
		.memfd = op->mem->fd,
		.flags = UDMABUF_FLAGS_CLOEXEC,
		.offset = offset(op),
		.size = op->mem->len / ps * ps,
	};
	int fd;

	if (d->pieces == WHOLE)
		fd = ioctl(d->dev, UDMABUF_CREATE, &create);
	else
		fd = create_list(op, create.size, d->pieces == ONE_BAD ? 3 : 2);
	if (fd < 0)
		return -errno;
	d->fd = fd;
	return 0;
}

/* A device may not use it meanwhile: the buffer gets a list of its pages for that. */
static int sync_with_device(const struct dmabuf *d, uint64_t flags)
{
	struct dma_buf_sync sync = { .flags = flags | DMA_BUF_SYNC_RW };

	return d->pieces == WHOLE ? 0 : ioctl(d->fd, DMA_BUF_IOCTL_SYNC, &sync);
}

/* What is written to the dma-buf is in the memory. */
static long use(struct pin_op *op)
{
	const struct dmabuf *d = op->priv;
	const unsigned char *data = op->mem->addr;
	size_t len = op->mem->len / op->kernel->page_size * op->kernel->page_size;
	long err = 0;
	void *map = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, d->fd, 0);

	if (map == MAP_FAILED)
		return -errno;
	if (sync_with_device(d, DMA_BUF_SYNC_START))
		err = -errno;
	memset(map, PATTERN, len);
	if (!err && sync_with_device(d, DMA_BUF_SYNC_END))
		err = -errno;
	for (size_t i = 0; !err && i < len; i += op->kernel->page_size) {
		if (data[i] != PATTERN)
			err = -EIO;
	}
	munmap(map, len);
	return err;
}

static long unpin(struct pin_op *op)
{
	struct dmabuf *d = op->priv;
	int fd = d->fd;

	d->fd = -1;
	return close(fd) ? -errno : 0;
}

static void dmabuf_close(struct pin_op *op)
{
	struct dmabuf *d = op->priv;

	if (!d)
		return;
	if (d->fd >= 0)
		close(d->fd);
	close(d->dev);
	free(d);
	op->priv = NULL;
}

const struct pin_consumer pin_consumer_udmabuf = {
	.name = "udmabuf",
	.help = "a dma-buf made of a memfd",
	.path = "udmabuf_create > memfd_pin_folios; release_udmabuf > unpin_folio",
	.since = "6.11",
	.doc_case = 2,
	.needs = NEEDS,
	.held = true,
	.by_file = true,
	.probe = probe,
	.open = open_whole,
	.predict = predict,
	.pin = pin,
	.use = use,
	.unpin = unpin,
	.close = dmabuf_close,
};

const struct pin_consumer pin_consumer_udmabuf_list = {
	.name = "udmabuf_list",
	.help = "a dma-buf made of two parts of a memfd",
	.path = "udmabuf_create > memfd_pin_folios; release_udmabuf > unpin_folio",
	.since = "6.11",
	.doc_case = 2,
	.needs = NEEDS,
	.held = true,
	.by_file = true,
	.probe = probe,
	.open = open_list,
	.predict = predict,
	.pin = pin,
	.use = use,
	.unpin = unpin,
	.close = dmabuf_close,
};

const struct pin_consumer pin_consumer_udmabuf_list_bad = {
	.name = "udmabuf_list_bad",
	.help = "the same, refused because a third part is no memfd",
	.path = "udmabuf_create > memfd_pin_folios, unpin_folio",
	.since = "6.11",
	.doc_case = 2,
	.needs = NEEDS,
	.by_file = true,
	.probe = probe,
	.open = open_list_bad,
	.predict = predict,
	.pin = pin,
	.close = dmabuf_close,
};
