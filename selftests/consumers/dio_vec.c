// SPDX-License-Identifier: GPL-2.0
/*
 * preadv(2) and pwritev(2) with O_DIRECT: pins are counted for each piece of
 * the vector, so a page that three pieces share is pinned three times. Pieces
 * that meet inside a page are merged in the bio, and all pins but one given
 * back at once (bvec_try_merge_page).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dio.h"

#define MAX_PIECES	1024	/* IOV_MAX */

struct vec {
	int fd;
	unsigned int nr;
	struct iovec iov[MAX_PIECES];
};

static void cut(struct vec *v, char **at, char *end, size_t len)
{
	struct iovec *iov = &v->iov[v->nr];

	if (*at >= end)
		return;
	iov->iov_base = *at;
	iov->iov_len = len < (size_t)(end - *at) ? len : (size_t)(end - *at);
	*at += iov->iov_len;
	v->nr++;
}

/*
 * Pieces of one block, of two, and of what is left up to the same place in the
 * next page, so that each page has a piece of its own and one it shares.
 */
static void cut_all(struct vec *v, const struct pin_mem *m, size_t ps, size_t block)
{
	char *at = m->addr, *end = at + m->len;
	/* One piece a page less where that would be more than a vector has. */
	bool few = 3 * (m->len / ps + 1) > MAX_PIECES;

	v->nr = 0;
	if (few)
		cut(v, &at, end, block);
	while (at < end && v->nr < MAX_PIECES - 3) {
		if (3 * block >= ps) {
			cut(v, &at, end, ps > block ? ps : block);
			cut(v, &at, end, 2 * (ps > block ? ps : block));
		} else if (few) {
			cut(v, &at, end, ps);
		} else {
			cut(v, &at, end, block);
			cut(v, &at, end, 2 * block);
			cut(v, &at, end, ps - 3 * block);
		}
	}
	cut(v, &at, end, end - at);
}

static int vec_open(struct pin_op *op)
{
	struct vec *v = calloc(1, sizeof(*v));

	if (!v)
		return pin_why(op->why, -ENOMEM, "out of memory");
	v->fd = pin_dio_file(op->mem->len, op->why);
	if (v->fd < 0) {
		int err = v->fd;

		free(v);
		return err;
	}
	cut_all(v, op->mem, op->kernel->page_size, pin_dio_block(v->fd));
	op->priv = v;
	return 0;
}

static void vec_close(struct pin_op *op)
{
	struct vec *v = op->priv;

	if (!v)
		return;
	close(v->fd);
	free(v);
	op->priv = NULL;
}

static void predict_readv(const struct pin_op *op, struct pin_predict *p)
{
	const struct vec *v = op->priv;

	pin_dio_predict_pieces(op, true, v->iov, v->nr, p);
}

static void predict_writev(const struct pin_op *op, struct pin_predict *p)
{
	const struct vec *v = op->priv;

	pin_dio_predict_pieces(op, false, v->iov, v->nr, p);
}

static long dio_readv(struct pin_op *op)
{
	struct vec *v = op->priv;
	long n = preadv(v->fd, v->iov, v->nr, 0);

	return n < 0 ? -errno : n;
}

static long dio_writev(struct pin_op *op)
{
	struct vec *v = op->priv;
	long n = pwritev(v->fd, v->iov, v->nr, 0);

	return n < 0 ? -errno : n;
}

const struct pin_consumer pin_consumer_dio_readv = {
	.name = "dio_readv",
	.help = "preadv with O_DIRECT: pieces that share pages",
	.path = "bio_iov_iter_get_pages > iov_iter_extract_pages > pin_user_pages_fast",
	.since = "6.5",
	.doc_case = 1,
	.dirties = true,
	.probe = pin_dio_probe,
	.open = vec_open,
	.predict = predict_readv,
	.pin = dio_readv,
	.close = vec_close,
};

const struct pin_consumer pin_consumer_dio_writev = {
	.name = "dio_writev",
	.help = "pwritev with O_DIRECT: pieces that share pages",
	.path = "bio_iov_iter_get_pages > iov_iter_extract_pages > pin_user_pages_fast",
	.since = "6.5",
	.doc_case = 1,
	.only_read = true,
	.probe = pin_dio_probe,
	.open = vec_open,
	.predict = predict_writev,
	.pin = dio_writev,
	.close = vec_close,
};
