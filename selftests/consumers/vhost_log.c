// SPDX-License-Identifier: GPL-2.0
/*
 * vhost's log of dirty pages, which is the memory under test here: for each write
 * to a ring a page of the log is pinned and a bit set in it. No guest is needed, a
 * vsock device that is started writes the flags of both its rings, by us, and
 * twice those of the one that it receives by, by its worker. A page of the log
 * that is not to be had is passed over without a word.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/vhost.h>
#include <linux/virtio_ring.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "consumer.h"
#include "scratch.h"

#define NEEDS		"module vhost_vsock"
#define NODE		"/dev/vhost-vsock"
#define RINGS		2
#define ENTRIES		4
#define WRITES		4ull	/* of a device that is started */
#define MOST_PAGES	8	/* a wait for each */
#define LOG_PAGE	4096ull	/* what a bit stands for, whatever a page is */

struct log {
	int fd;
	char *ring;		/* a page: both are there, and empty */
};

/* Nobody else has to do with it: any number of processes may open the device. */
static int probe(const struct pin_kernel *k, char *why)
{
	int err = pin_scratch_module("vhost_vsock", "VHOST_VSOCK", NULL, why);
	int fd;

	(void)k;
	if (err < 0)
		return err;
	fd = open(NODE, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return pin_why(why, -errno, NODE ": %s", strerror(errno));
	close(fd);
	return 0;
}

static void log_close(struct pin_op *op)
{
	struct log *l = op->priv;

	if (!l)
		return;
	if (l->fd >= 0)
		close(l->fd);
	if (l->ring != MAP_FAILED)
		munmap(l->ring, op->kernel->page_size);
	free(l);
	op->priv = NULL;
}

/* All memory that the guest would have is our page. */
static int set_up(const struct log *l, size_t size)
{
	union {
		struct vhost_memory table;
		char room[sizeof(struct vhost_memory) + sizeof(struct vhost_memory_region)];
	} memory = { .table.nregions = 1 };
	const uint64_t features = 1ull << VHOST_F_LOG_ALL;
	struct vhost_vring_state entries = { .num = ENTRIES }, base = { .num = 0 };

	memory.table.regions[0].memory_size = size;
	memory.table.regions[0].userspace_addr = (uintptr_t)l->ring;
	if (ioctl(l->fd, VHOST_SET_OWNER) || ioctl(l->fd, VHOST_SET_MEM_TABLE, &memory) ||
	    ioctl(l->fd, VHOST_SET_FEATURES, &features))
		return -errno;
	for (unsigned int i = 0; i < RINGS; i++) {
		entries.index = i;
		base.index = i;
		if (ioctl(l->fd, VHOST_SET_VRING_NUM, &entries) ||
		    ioctl(l->fd, VHOST_SET_VRING_BASE, &base))
			return -errno;
	}
	return 0;
}

static int log_open(struct pin_op *op)
{
	const size_t size = op->kernel->page_size;
	struct log *l = calloc(1, sizeof(*l));
	int err;

	if (!l)
		return pin_why(op->why, -ENOMEM, "out of memory");
	op->priv = l;
	l->ring = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	l->fd = l->ring == MAP_FAILED ? -1 : open(NODE, O_RDWR | O_CLOEXEC);
	err = l->fd < 0 ? -errno : set_up(l, size);
	if (err) {
		pin_why(op->why, err, NODE ": %s", strerror(-err));
		log_close(op);
	}
	return err;
}

/* Small pages are all written to: what is left out of a private file would change, too. */
static unsigned int most_pages(const struct pin_kernel *k)
{
	(void)k;
	return MOST_PAGES;
}

/* How many pages are written to: all, or the first and odd ones all over the memory. */
static unsigned int nr_written(const struct pin_mem *m)
{
	return m->pages < MOST_PAGES ? m->pages : MOST_PAGES;
}

static unsigned int written(const struct pin_mem *m, unsigned int i)
{
	const unsigned int page = (size_t)m->pages * i / nr_written(m);

	return i && m->pages > MOST_PAGES ? page | 1 : page;
}

/* Each page is asked for by itself. */
static void predict(const struct pin_op *op, struct pin_predict *p)
{
	const struct pin_access access = { .write = true, .fast = true };
	const struct pin_mem *m = op->mem;
	struct pin_gup g;

	pin_mem_gup(m, &access, &g);
	for (unsigned int i = 0; i < nr_written(m); i++) {
		if (!g.err || (m->hole < m->pages && written(m, i) != m->hole))
			p->acquired += WRITES;
		else
			p->acquired += WRITES * g.undone;
	}
	p->released = p->acquired;
}

/* Start with the log of both rings at @offset of the whole, and stop. */
static int write_to(const struct pin_op *op, size_t offset)
{
	const uint64_t base = (uintptr_t)op->mem->addr;
	const int off = 0, on = 1;
	const struct log *l = op->priv;
	struct vhost_vring_addr addr = {
		.flags = 1u << VHOST_VRING_F_LOG,
		.log_guest_addr = offset * 8 * LOG_PAGE,
	};
	const size_t each = op->kernel->page_size / RINGS;
	int err = 0;

	if (ioctl(l->fd, VHOST_SET_LOG_BASE, &base))
		return -errno;
	for (unsigned int i = 0; i < RINGS; i++) {
		struct vring ring;

		vring_init(&ring, ENTRIES, l->ring + i * each, 64);
		addr.index = i;
		addr.desc_user_addr = (uintptr_t)ring.desc;
		addr.avail_user_addr = (uintptr_t)ring.avail;
		addr.used_user_addr = (uintptr_t)ring.used;
		if (ioctl(l->fd, VHOST_SET_VRING_ADDR, &addr))
			return -errno;
	}
	/* What was set already is set once more to wait for the worker. */
	if (ioctl(l->fd, VHOST_VSOCK_SET_RUNNING, &on) ||
	    ioctl(l->fd, VHOST_SET_LOG_BASE, &base))
		err = -errno;
	if (ioctl(l->fd, VHOST_VSOCK_SET_RUNNING, &off) && !err)
		err = -errno;
	return err;
}

static long pin(struct pin_op *op)
{
	const struct pin_mem *m = op->mem;
	const size_t ps = op->kernel->page_size;
	int err = 0;

	for (unsigned int i = 0; i < nr_written(m) && !err; i++) {
		size_t page = written(m, i);

		/* Of the first there may be only the end. */
		err = write_to(op, page ? page * ps - ((uintptr_t)m->addr & (ps - 1)) : 0);
	}
	return err;
}

const struct pin_consumer pin_consumer_vhost_log = {
	.name = "vhost_log",
	.help = "the log of the pages that a virtio device wrote to",
	.path = "vhost_vq_init_access > vhost_update_used_flags > log_write > pin_user_pages_fast",
	.since = "5.8",
	.doc_case = 5,
	.needs = NEEDS,
	.any_byte = true,
	.pages = most_pages,
	.dirties = true,
	.probe = probe,
	.open = log_open,
	.predict = predict,
	.pin = pin,
	.close = log_close,
};
