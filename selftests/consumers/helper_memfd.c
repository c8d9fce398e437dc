// SPDX-License-Identifier: GPL-2.0
/*
 * The helper module as udmabuf does it: the folios of a memfd are pinned by
 * file and offset, one pin for each folio, no mapping needed.
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "consumer.h"
#include "helper.h"

#define NEEDS		"pin_helper.ko"
#define PATTERN		0x5a

struct held {
	int fd;
	unsigned int handle;
	size_t folios;
};

static int probe(const struct pin_kernel *k, char *why)
{
	int fd = pin_helper_open_for(PIN_HELPER_PIN_MEMFD, why);

	(void)k;
	if (fd < 0)
		return fd;
	close(fd);
	return 0;
}

static int memfd_open(struct pin_op *op)
{
	struct held *h = calloc(1, sizeof(*h));
	int fd = h ? pin_helper_open(op->why) : -ENOMEM;

	if (fd < 0) {
		free(h);
		return fd;
	}
	h->fd = fd;
	op->priv = h;
	return 0;
}

/* The result is the number of pages, as for ranges. */
static void predict(const struct pin_op *op, struct pin_predict *p)
{
	const struct pin_mem *m = op->mem;

	if (!pin_mem_in_memfd(m)) {
		/* No file, a file that is no memfd, or one that is too short. */
		p->result = m->fd < 0 ? -EBADF : -EINVAL;
		p->or_result = p->result;
		return;
	}
	p->acquired = m->folio_pages == 1 ? m->pages : pin_mem_folios(m);
	p->per_folio = true;
	p->result = m->pages;
	p->or_result = p->result;
	if (op->kernel->movable_memory)
		p->migrated = p->acquired;
}

static long pin(struct pin_op *op)
{
	struct held *h = op->priv;
	struct pin_helper_take take = {
		.way = PIN_HELPER_PIN_MEMFD,
		.flags = PIN_HELPER_WRITE,
		.target = op->mem->fd,
		.addr = pin_mem_offset(op->mem),
		.length = op->mem->len,
	};
	int err = pin_helper_take(h->fd, &take);

	if (err)
		return err;
	h->handle = take.handle;
	h->folios = take.refs;
	return take.pages;
}

static long use(struct pin_op *op)
{
	const struct held *h = op->priv;
	const unsigned char *data = op->mem->addr;
	long err = pin_helper_fill(h->fd, h->handle, 0, 0, op->mem->len, PATTERN);

	for (size_t i = 0; !err && i < op->mem->len; i += op->kernel->page_size) {
		if (data[i] != PATTERN)
			err = -EIO;
	}
	return err;
}

/* The first one by itself, the others together. */
static long unpin(struct pin_op *op)
{
	const struct held *h = op->priv;
	long err = pin_helper_give_some(h->fd, h->handle, PIN_HELPER_GIVE_FOLIO, 0, 0, 1);

	if (!err && h->folios > 1)
		err = pin_helper_give_all(h->fd, h->handle, PIN_HELPER_GIVE_FOLIOS, 0);
	return err;
}

static void memfd_close(struct pin_op *op)
{
	struct held *h = op->priv;

	if (!h)
		return;
	close(h->fd);
	free(h);
	op->priv = NULL;
}

const struct pin_consumer pin_consumer_helper_memfd = {
	.name = "helper_memfd",
	.help = "helper module: the folios of a memfd, one pin for each",
	.path = "memfd_pin_folios; unpin_folio, unpin_folios",
	.since = "6.11",
	.doc_case = 2,
	.needs = NEEDS,
	.held = true,
	.by_file = true,
	.probe = probe,
	.open = memfd_open,
	.predict = predict,
	.pin = pin,
	.use = use,
	.unpin = unpin,
	.close = memfd_close,
};
