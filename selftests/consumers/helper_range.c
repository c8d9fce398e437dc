// SPDX-License-Identifier: GPL-2.0
/*
 * The helper module as a driver that pins a range of user memory: each way in
 * with another way out. The first pages are kept if not all can be had.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "consumer.h"
#include "helper.h"

#define NEEDS		"pin_helper.ko"
#define PATTERN		0xa5

struct way {
	unsigned int way;	/* enum pin_helper_way */
	unsigned int flags;
	struct pin_access access;
};

struct held {
	const struct way *way;
	int fd;
	unsigned int handle;
	size_t pages;
};

static const struct way plain = {
	.way = PIN_HELPER_PIN, .flags = PIN_HELPER_WRITE,
	.access = { .write = true },
};

static const struct way fast = {
	.way = PIN_HELPER_PIN_FAST,
	.access = { .fast = true },
};

static const struct way longterm = {
	.way = PIN_HELPER_PIN_FAST, .flags = PIN_HELPER_WRITE | PIN_HELPER_LONGTERM,
	.access = { .write = true, .longterm = true, .fast = true },
};

static const struct way remote = {
	.way = PIN_HELPER_PIN_REMOTE, .flags = PIN_HELPER_WRITE,
	.access = { .write = true },
};

static int probe(const struct pin_kernel *k, char *why)
{
	int fd = pin_helper_open(why);

	(void)k;
	if (fd < 0)
		return fd;
	close(fd);
	return 0;
}

static int open_way(struct pin_op *op, const struct way *way)
{
	struct held *h = calloc(1, sizeof(*h));
	int fd = h ? pin_helper_open_for(way->way, op->why) : -ENOMEM;

	if (fd < 0) {
		free(h);
		return fd;
	}
	h->way = way;
	h->fd = fd;
	op->priv = h;
	return 0;
}

static int open_plain(struct pin_op *op)
{
	return open_way(op, &plain);
}

static int open_fast(struct pin_op *op)
{
	return open_way(op, &fast);
}

static int open_longterm(struct pin_op *op)
{
	return open_way(op, &longterm);
}

static int open_remote(struct pin_op *op)
{
	return open_way(op, &remote);
}

/* The result is the number of pages. */
static void predict(const struct pin_op *op, struct pin_predict *p)
{
	const struct held *h = op->priv;
	struct pin_gup g;

	pin_mem_gup(op->mem, &h->way->access, &g);
	p->acquired = g.pinned - g.uncounted + g.undone;
	p->released = g.undone;
	p->result = g.pinned ? (long)g.pinned : g.err;
	p->or_result = p->result;
	if (h->way->access.longterm && op->kernel->movable_memory)
		p->migrated = p->acquired;
}

static long pin(struct pin_op *op)
{
	struct held *h = op->priv;
	struct pin_helper_take take = {
		.way = h->way->way,
		.flags = h->way->flags,
		.target = h->way == &remote ? getpid() : 0,
		.addr = (uintptr_t)op->mem->addr,
		.length = op->mem->len,
	};
	int err = pin_helper_take(h->fd, &take);

	if (err)
		return err;
	h->handle = take.handle;
	h->pages = take.pages;
	return take.pages;
}

/* What the device sees at @offset is what the process has there. */
static long same_byte(const struct pin_op *op, size_t offset)
{
	const struct held *h = op->priv;
	const unsigned char *data = op->mem->addr;
	int seen = pin_helper_peek(h->fd, h->handle, offset);

	if (seen < 0)
		return seen;
	return seen == data[offset] ? 0 : -EIO;
}

static long use(struct pin_op *op)
{
	const struct held *h = op->priv;
	const unsigned char *data = op->mem->addr;
	const size_t ps = op->kernel->page_size, in_page = (uintptr_t)data & (ps - 1);
	size_t len = h->pages * ps - in_page;
	long err;

	if (len > op->mem->len)
		len = op->mem->len;
	err = same_byte(op, 0) ?: same_byte(op, len - 1);
	if (err || !h->way->access.write)
		return err;
	err = pin_helper_fill(h->fd, h->handle, 0, 0, len, PATTERN);
	for (size_t i = 0; !err && i < len; i += ps) {
		if (data[i] != PATTERN)
			err = -EIO;
	}
	return err ?: same_byte(op, len - 1);
}

static long unpin_by_halves(struct pin_op *op)
{
	const struct held *h = op->priv;
	long err = pin_helper_give_some(h->fd, h->handle, PIN_HELPER_GIVE_PAGES, 0,
					h->pages / 2, h->pages - h->pages / 2);

	if (!err && h->pages > 1)
		err = pin_helper_give_all(h->fd, h->handle, PIN_HELPER_GIVE_PAGES, 0);
	return err;
}

static long unpin_by_page(struct pin_op *op)
{
	const struct held *h = op->priv;

	return pin_helper_give_all(h->fd, h->handle, PIN_HELPER_GIVE_PAGE, 0);
}

/* As one range where the pages are one, else as a list. */
static long unpin_range(struct pin_op *op)
{
	const struct held *h = op->priv;
	long err = pin_helper_give_all(h->fd, h->handle,
				       PIN_HELPER_GIVE_RANGE_DIRTY_LOCK, PIN_HELPER_DIRTY);

	if (err == -ERANGE || err == -EOPNOTSUPP)
		err = pin_helper_give_all(h->fd, h->handle, PIN_HELPER_GIVE_DIRTY_LOCK,
					  PIN_HELPER_DIRTY);
	return err;
}

static long unpin_dirty(struct pin_op *op)
{
	const struct held *h = op->priv;

	return pin_helper_give_all(h->fd, h->handle, PIN_HELPER_GIVE_DIRTY_LOCK,
				   PIN_HELPER_DIRTY);
}

static void helper_close(struct pin_op *op)
{
	struct held *h = op->priv;

	if (!h)
		return;
	close(h->fd);
	free(h);
	op->priv = NULL;
}

const struct pin_consumer pin_consumer_helper_pin = {
	.name = "helper_pin",
	.help = "helper module: short-term pin for writing, released in two parts",
	.path = "pin_user_pages; unpin_user_pages",
	.since = "5.6",
	.doc_case = 5,
	.needs = NEEDS,
	.held = true,
	.probe = probe,
	.open = open_plain,
	.predict = predict,
	.pin = pin,
	.use = use,
	.unpin = unpin_by_halves,
	.close = helper_close,
};

const struct pin_consumer pin_consumer_helper_pin_fast = {
	.name = "helper_pin_fast",
	.help = "helper module: lockless short-term pin for reading, released page by page",
	.path = "pin_user_pages_fast; unpin_user_page",
	.since = "5.6",
	.doc_case = 1,
	.only_read = true,
	.needs = NEEDS,
	.held = true,
	.probe = probe,
	.open = open_fast,
	.predict = predict,
	.pin = pin,
	.use = use,
	.unpin = unpin_by_page,
	.close = helper_close,
};

const struct pin_consumer pin_consumer_helper_longterm = {
	.name = "helper_longterm",
	.help = "helper module: long-term pin for writing, released as a range, dirty",
	.path = "pin_user_pages_fast; unpin_user_page_range_dirty_lock",
	.since = "5.6",
	.doc_case = 2,
	.needs = NEEDS,
	.held = true,
	.probe = probe,
	.open = open_longterm,
	.predict = predict,
	.pin = pin,
	.use = use,
	.unpin = unpin_range,
	.close = helper_close,
};

const struct pin_consumer pin_consumer_helper_remote = {
	.name = "helper_remote",
	.help = "helper module: pin in a process named by its pid, released dirty",
	.path = "pin_user_pages_remote; unpin_user_pages_dirty_lock",
	.since = "5.6",
	.doc_case = 5,
	.needs = NEEDS,
	.held = true,
	.probe = probe,
	.open = open_remote,
	.predict = predict,
	.pin = pin,
	.use = use,
	.unpin = unpin_dirty,
	.close = helper_close,
};
