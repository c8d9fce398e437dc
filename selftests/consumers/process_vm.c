// SPDX-License-Identifier: GPL-2.0
/*
 * process_vm_readv(2) and process_vm_writev(2): the remote side is pinned for
 * the time of the copy, up to some hundred pages at a time.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "consumer.h"

static int probe(const struct pin_kernel *k, char *why)
{
	char a = 0, b;
	struct iovec local = { &b, 1 }, remote = { &a, 1 };

	(void)k;
	if (process_vm_readv(getpid(), &local, 1, &remote, 1, 0) == 1)
		return 0;
	return pin_why(why, -errno, "no process_vm_readv: kernel option CROSS_MEMORY_ATTACH, and no seccomp filter against it");
}

/* The local side. */
struct copy {
	pid_t pid;	/* ours: no system call to ask for it each time */
	void *data;
};

static int vm_open(struct pin_op *op)
{
	struct copy *copy = calloc(1, sizeof(*copy));

	if (!copy || posix_memalign(&copy->data, op->kernel->page_size, op->mem->len)) {
		free(copy);
		return pin_why(op->why, -ENOMEM, "out of memory");
	}
	memset(copy->data, 0, op->mem->len);
	copy->pid = getpid();
	op->priv = copy;
	return 0;
}

static void predict(const struct pin_op *op, bool write, struct pin_predict *p)
{
	const struct pin_access access = { .write = write };
	const struct pin_mem *m = op->mem;
	struct pin_gup g;

	pin_mem_gup(m, &access, &g);
	p->acquired = g.pinned - g.uncounted;
	p->released = p->acquired;
	/* What came before the bad page is copied and reported. */
	if (!g.err)
		p->result = m->len;
	else if (g.pinned)
		p->result = (uintptr_t)g.pinned * op->kernel->page_size -
			    ((uintptr_t)m->addr & (op->kernel->page_size - 1));
	else
		p->result = g.err;
	p->or_result = p->result;
}

static void predict_read(const struct pin_op *op, struct pin_predict *p)
{
	predict(op, false, p);
}

static void predict_write(const struct pin_op *op, struct pin_predict *p)
{
	predict(op, true, p);
}

static long vm_read(struct pin_op *op)
{
	const struct copy *copy = op->priv;
	struct iovec local = { copy->data, op->mem->len };
	struct iovec remote = { op->mem->addr, op->mem->len };
	long n = process_vm_readv(copy->pid, &local, 1, &remote, 1, 0);

	return n < 0 ? -errno : n;
}

static long vm_write(struct pin_op *op)
{
	const struct copy *copy = op->priv;
	struct iovec local = { copy->data, op->mem->len };
	struct iovec remote = { op->mem->addr, op->mem->len };
	long n = process_vm_writev(copy->pid, &local, 1, &remote, 1, 0);

	return n < 0 ? -errno : n;
}

static void *vm_other_side(struct pin_op *op)
{
	const struct copy *copy = op->priv;

	return copy->data;
}

static void vm_close(struct pin_op *op)
{
	struct copy *copy = op->priv;

	free(copy->data);
	free(copy);
}

const struct pin_consumer pin_consumer_process_vm_readv = {
	.name = "process_vm_readv",
	.help = "copy from another address space",
	.path = "process_vm_rw_core > process_vm_rw_single_vec > pin_user_pages_remote",
	.since = "5.6",
	.any_byte = true,
	.doc_case = 1,
	.only_read = true,
	.probe = probe,
	.open = vm_open,
	.predict = predict_read,
	.pin = vm_read,
	.other_side = vm_other_side,
	.close = vm_close,
};

const struct pin_consumer pin_consumer_process_vm_writev = {
	.name = "process_vm_writev",
	.help = "copy into another address space",
	.path = "process_vm_rw_core > process_vm_rw_single_vec > pin_user_pages_remote",
	.since = "5.6",
	.any_byte = true,
	.doc_case = 5,
	.dirties = true,
	.probe = probe,
	.open = vm_open,
	.predict = predict_write,
	.pin = vm_write,
	.other_side = vm_other_side,
	.close = vm_close,
};
