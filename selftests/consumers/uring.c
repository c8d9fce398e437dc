// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "proc.h"
#include "uring.h"

#define USE_MAX		(64 << 20)	/* bytes */

struct pin_access pin_uring_access(const struct pin_kernel *k)
{
	return (struct pin_access){
		.write = true, .longterm = true,
		.fast = k->version >= PIN_KVER(6, 10),
	};
}

int pin_uring_probe(const struct pin_kernel *k, char *why)
{
	struct io_uring ring;
	int err = pin_uring_new(&ring, 0, why);

	(void)k;
	if (!err)
		io_uring_queue_exit(&ring);
	return err;
}

int pin_uring_probe_op(int opcode, const char *name, const char *since, char *why)
{
	struct io_uring ring;
	struct io_uring_probe *probe;
	int err = pin_uring_new(&ring, 0, why);

	if (err)
		return err;
	probe = io_uring_get_probe_ring(&ring);
	if (!probe || !io_uring_opcode_supported(probe, opcode))
		err = pin_why(why, -EOPNOTSUPP, "io_uring has no %s here: Linux %s or later",
			      name, since);
	io_uring_free_probe(probe);
	io_uring_queue_exit(&ring);
	return err;
}

int pin_uring_new(struct io_uring *ring, unsigned int flags, char *why)
{
	const bool dropped = pin_drop_ipc_lock();
	int err = io_uring_queue_init(8, ring, flags);

	if (dropped)
		pin_set_cap(CAP_IPC_LOCK, true);
	if (err == -ENOSYS)
		return pin_why(why, err, "no io_uring: kernel option IO_URING");
	if (err == -EPERM)
		return pin_why(why, err, "io_uring is not permitted: sysctl kernel.io_uring_disabled=0");
	if (err)
		return pin_why(why, err, "io_uring_setup: %s", strerror(-err));
	return 0;
}

int pin_uring_register(int ring_fd, unsigned int opcode, const void *arg, unsigned int nr)
{
	int ret = syscall(__NR_io_uring_register, ring_fd, opcode, arg, nr);

	return ret < 0 ? -errno : ret;
}

int pin_uring_open_as(struct pin_op *op, unsigned int flags)
{
	struct io_uring *ring = calloc(1, sizeof(*ring));
	int err = ring ? pin_uring_new(ring, flags, op->why) : -ENOMEM;

	if (err) {
		free(ring);
		return err;
	}
	op->priv = ring;
	return 0;
}

int pin_uring_open(struct pin_op *op)
{
	return pin_uring_open_as(op, 0);
}

void pin_uring_close(struct pin_op *op)
{
	if (!op->priv)
		return;
	io_uring_queue_exit(op->priv);
	free(op->priv);
	op->priv = NULL;
}

struct pin_mem pin_uring_head(const struct pin_mem *m, size_t len)
{
	struct pin_mem head = *m;

	head.len = len;
	head.pages = pin_pages_touched(head.addr, len, m->kernel->page_size);
	if (head.hole > head.pages)
		head.hole = head.pages;
	return head;
}

void pin_uring_predict_pages(const struct pin_op *op, size_t len, struct pin_predict *p)
{
	const struct pin_access access = pin_uring_access(op->kernel);
	struct pin_mem head = pin_uring_head(op->mem, len);
	struct pin_op head_op = *op;

	head_op.mem = &head;
	pin_predict_all_or_nothing(&head_op, &access, p);
	if (!p->result && op->kernel->uring_file_refused && head.kind->on_file) {
		/* Looked at after pinning, then given back. */
		p->released = p->acquired;
		p->result = -EOPNOTSUPP;
		p->or_result = -EOPNOTSUPP;
	}
}

void pin_uring_predict(const struct pin_op *op, struct pin_predict *p)
{
	pin_uring_predict_pages(op, op->mem->len, p);
	if (p->result < 0)
		return;
	p->released += pin_uring_coalesced(op->mem);
	p->per_folio = pin_uring_coalesced(op->mem) != 0;
	if (op->kernel->uring_vmpin)
		p->vmpin = pin_uring_accounted(op->mem);
}

long pin_uring_submit_one(struct io_uring *ring)
{
	int err = io_uring_submit(ring);

	return err < 0 ? err : pin_uring_wait_one(ring);
}

long pin_uring_wait_one(struct io_uring *ring)
{
	struct io_uring_cqe *cqe;
	long result;
	int err;

	do {
		err = io_uring_wait_cqe(ring, &cqe);
	} while (err == -EINTR);
	if (err)
		return err;
	result = cqe->res;
	io_uring_cqe_seen(ring, cqe);
	return result;
}

size_t pin_uring_use_len(const struct pin_mem *m)
{
	return m->len < USE_MAX ? m->len : USE_MAX;
}

long pin_uring_use_fixed(struct io_uring *ring, const struct pin_mem *m, int index)
{
	const size_t len = pin_uring_use_len(m);
	int zero = open("/dev/zero", O_RDONLY | O_CLOEXEC);
	int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	long got = -EBADF;

	if (zero >= 0 && null >= 0) {
		io_uring_prep_read_fixed(io_uring_get_sqe(ring), zero, m->addr, len,
					 0, index);
		got = pin_uring_submit_one(ring);
	}
	/* Short is fine: /dev/zero stops when task work is pending. */
	if (got > 0) {
		io_uring_prep_write_fixed(io_uring_get_sqe(ring), null, m->addr, len,
					  0, index);
		got = pin_uring_submit_one(ring);
	}
	if (zero >= 0)
		close(zero);
	if (null >= 0)
		close(null);
	if (got < 0)
		return got;
	return got ? 0 : -EIO;
}
