/* SPDX-License-Identifier: GPL-2.0 */
/*
 * io_uring's zero-copy receive, as far as it goes without a network card: later
 * than the installed headers. The kernel's numbers and layouts, names of our own.
 */
#ifndef PIN_ZCRX_H
#define PIN_ZCRX_H

#include "uring.h"

#define PIN_IORING_REGISTER_ZCRX_IFQ	32		/* 6.15 */
#define PIN_IORING_REGISTER_ZCRX_CTRL	36		/* 6.19 */
#define PIN_ZCRX_REG_IMPORT		(1u << 0)	/* 6.19 */
#define PIN_ZCRX_REG_NODEV		(1u << 1)	/* 7.1 */
#define PIN_ZCRX_AREA_DMABUF		(1u << 0)

enum pin_zcrx_ctrl_op {
	PIN_ZCRX_CTRL_EXPORT = 1,	/* 6.19 */
	PIN_ZCRX_CTRL_ADD_AREA = 3,	/* 7.3 */
};

struct pin_zcrx_area {
	uint64_t addr, len, token;
	uint32_t flags, dmabuf_fd;
	uint64_t resv[2];
};

struct pin_zcrx_reg {
	uint32_t if_idx, if_rxq, rq_entries, flags;
	uint64_t area, region;		/* addresses of the structures */
	struct {
		uint32_t head, tail, rqes, resv;
		uint64_t resv2[2];
	} offsets;
	uint32_t id, rx_buf_len;
	uint64_t event, resv[2];
};

struct pin_zcrx_ctrl {
	uint32_t id, op;
	uint64_t resv[2];
	union {
		uint32_t fd;		/* EXPORT says */
		uint64_t area;		/* of ADD_AREA: its address */
		uint64_t room[6];
	};
};

/* What a ring must have been made with. */
#define PIN_ZCRX_RING	(IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | \
			 IORING_SETUP_CQE32)

/* 0, or why there is none of it here. */
int pin_zcrx_probe(const struct pin_kernel *k, char *why);

/* The least that registers: an area at @addr, no device, a queue in the kernel's memory. */
struct pin_zcrx {
	struct pin_zcrx_area area;
	struct pin_uring_region region;
	struct pin_zcrx_reg reg;
};

void pin_zcrx_fill(struct pin_zcrx *z, const void *addr, size_t len, size_t page);

/* Register it: 0 or -errno. Not to be moved in between, it points to itself. */
int pin_zcrx_register(struct io_uring *ring, struct pin_zcrx *z);

int pin_zcrx_ctrl(struct io_uring *ring, struct pin_zcrx_ctrl *ctrl);

/* Pages of @m that are charged as an area: whole folios, one that is alone but once. */
unsigned int pin_zcrx_accounted(const struct pin_mem *m);

#endif
