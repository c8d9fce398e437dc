/* SPDX-License-Identifier: GPL-2.0 */
/* What the io_uring consumers share. */
#ifndef PIN_URING_H
#define PIN_URING_H

#include <liburing.h>
#include <stdint.h>

#include "consumer.h"

/*
 * What the installed headers may be too old for; the kernel's numbers and
 * layouts, names of our own.
 */
#define PIN_IORING_SETUP_NO_MMAP		(1u << 14)	/* 6.5 */
#define PIN_IORING_REGISTER_CLONE_BUFFERS	30		/* 6.12 */
#define PIN_IORING_REGISTER_MEM_REGION		34		/* 6.13 */
#define PIN_IORING_CLONE_REPLACE		(1u << 1)	/* 6.13 */
#define PIN_IORING_REGION_WAIT_ARG		1
#define PIN_IORING_REGION_USER			1

struct pin_uring_params {
	uint32_t sq_entries, cq_entries, flags, sq_thread_cpu, sq_thread_idle;
	uint32_t features, wq_fd, resv[3];
	struct {
		uint32_t head, tail, ring_mask, ring_entries, flags, dropped;
		uint32_t array, resv;
		uint64_t sqes;		/* with NO_MMAP: where they go */
	} sq;
	struct {
		uint32_t head, tail, ring_mask, ring_entries, overflow, cqes;
		uint32_t flags, resv;
		uint64_t rings;		/* with NO_MMAP: where they go */
	} cq;
};

struct pin_uring_clone {
	uint32_t src_fd, flags;
	uint32_t src_off, dst_off, nr;	/* 6.13; 0 before */
	uint32_t pad[3];
};

struct pin_uring_region {
	uint64_t addr, size;
	uint32_t flags, id;
	uint64_t mmap_offset, resv[4];
};

struct pin_uring_region_reg {
	uint64_t region, flags, resv[2];
};

/* How every io_uring pin is asked for: io_pin_pages(). */
struct pin_access pin_uring_access(const struct pin_kernel *k);

/* 0, or why there is no io_uring here. */
int pin_uring_probe(const struct pin_kernel *k, char *why);

/* The same and, besides, whether requests of type @opcode (IORING_OP_...) are known. */
int pin_uring_probe_op(int opcode, const char *name, const char *since, char *why);

/* Open: a ring in op->priv, with IORING_SETUP_ @flags; close: io_uring_queue_exit() and free. */
int pin_uring_open(struct pin_op *op);
int pin_uring_open_as(struct pin_op *op, unsigned int flags);
void pin_uring_close(struct pin_op *op);

/*
 * A new ring in *@ring: 0, or -errno and @why. What it pins is charged to this
 * process even if that is privileged; RLIMIT_MEMLOCK is lifted for it.
 */
int pin_uring_new(struct io_uring *ring, unsigned int flags, char *why);

/* io_uring_register(2): its result or -errno. */
int pin_uring_register(int ring_fd, unsigned int opcode, const void *arg, unsigned int nr);

/* @m as if it ended after @len bytes. */
struct pin_mem pin_uring_head(const struct pin_mem *m, size_t len);

/* Foretell that the first @len bytes of op->mem are pinned page by page, unaccounted. */
void pin_uring_predict_pages(const struct pin_op *op, size_t len, struct pin_predict *p);

/* Foretell the registration of op->mem as one fixed buffer. */
void pin_uring_predict(const struct pin_op *op, struct pin_predict *p);

/*
 * The two ends of a TCP connection over the loopback device, which leaves no
 * TIME_WAIT; @in does not block. 0 or -errno.
 */
int pin_uring_tcp_pair(int *out, int *in);

/* Submit the one prepared request and wait: its result. */
long pin_uring_submit_one(struct io_uring *ring);

/* Wait for the next completion: its result, or -errno. */
long pin_uring_wait_one(struct io_uring *ring);

/* Bytes of a fixed buffer that are used: no request moves 2 GiB, buffers may be larger (7.2). */
size_t pin_uring_use_len(const struct pin_mem *m);

/* READ_FIXED into and WRITE_FIXED from fixed buffer @index: no new pins. 0 or -errno. */
long pin_uring_use_fixed(struct io_uring *ring, const struct pin_mem *m, int index);

#endif
