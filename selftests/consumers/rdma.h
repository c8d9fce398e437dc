/* SPDX-License-Identifier: GPL-2.0 */
/* Software RDMA devices, for whoever needs one, and memory regions on them. */
#ifndef PIN_RDMA_H
#define PIN_RDMA_H

#include <stddef.h>
#include <stdint.h>

#include "scratch.h"

#define PIN_RDMA_LOCAL_WRITE	(1u << 0)
#define PIN_RDMA_REMOTE_WRITE	(1u << 1)
#define PIN_RDMA_REMOTE_READ	(1u << 2)
#define PIN_RDMA_MW_BIND	(1u << 4)
#define PIN_RDMA_FLUSH_PERSISTENT	(1u << 9)	/* 6.2 */
#define PIN_RDMA_REREG_TRANS	(1u << 0)
#define PIN_RDMA_REREG_PD	(1u << 1)
#define PIN_RDMA_REREG_ACCESS	(1u << 2)

struct pin_rdma_device {
	char name[PIN_NODE_LEN];
	char node[PIN_NODE_LEN];	/* /dev/infiniband/uverbsN */
};

/* A soft-RoCE device @name over network device @netdev, removed at the end. */
int pin_rdma_soft_roce(const char *name, const char *netdev, char *why);

/* The same with soft-iWARP. */
int pin_rdma_soft_iwarp(const char *name, const char *netdev, char *why);

/* The node of device @name goes to @d: 0, or a negative errno and why. */
int pin_rdma_find(struct pin_rdma_device *d, const char *name, char *why);

/* 0, -ENOENT if there is none, or -errno. */
int pin_rdma_remove(const char *name);

/* A context with a protection domain. */
struct pin_rdma {
	int fd;			/* -1: closed */
	unsigned int pd;
};

int pin_rdma_open(struct pin_rdma *r, const struct pin_rdma_device *d, char *why);
void pin_rdma_close(struct pin_rdma *r);

/* These return 0 or -errno. */
int pin_rdma_reg_mr(const struct pin_rdma *r, const void *addr, size_t len,
		    unsigned int access, unsigned int *mr);
/* The same, and the key by which a queue pair knows it. */
int pin_rdma_reg_mr_key(const struct pin_rdma *r, const void *addr, size_t len,
			unsigned int access, unsigned int *mr, uint32_t *key);
/* The same, with no room for what the driver has to say of it. */
int pin_rdma_reg_mr_untold(const struct pin_rdma *r, const void *addr, size_t len,
			   unsigned int access, unsigned int *mr);
int pin_rdma_rereg_mr(const struct pin_rdma *r, unsigned int mr, unsigned int what,
		      const void *addr, size_t len, unsigned int access);
int pin_rdma_dereg_mr(const struct pin_rdma *r, unsigned int mr);
int pin_rdma_alloc_pd(const struct pin_rdma *r, unsigned int *pd);
int pin_rdma_dealloc_pd(const struct pin_rdma *r, unsigned int pd);
int pin_rdma_alloc_mw(const struct pin_rdma *r, unsigned int type, unsigned int *mw,
		      uint32_t *key);
int pin_rdma_dealloc_mw(const struct pin_rdma *r, unsigned int mw);

/* A queue pair of soft-RoCE that is connected to itself; it ends with its context. */
struct pin_rdma_qp {
	unsigned int handle;
	uint32_t number;
	struct rxe_queue_buf *work, *done;	/* mapped: requests, and what became of them */
	size_t work_len, done_len;
};

/* It takes an address of IPv4 on @d's network device. Close it before its context. */
int pin_rdma_open_qp(const struct pin_rdma *r, const struct pin_rdma_device *d,
		     struct pin_rdma_qp *qp);
void pin_rdma_close_qp(struct pin_rdma_qp *qp);
/* Bind window @mw to this part of region @mr, both by their keys; @len 0: to none. */
int pin_rdma_bind_mw(const struct pin_rdma *r, const struct pin_rdma_qp *qp, uint32_t mw,
		     uint32_t mr, const void *addr, size_t len);
/*
 * Send @len bytes at @from, of the region with key @local, to @to, of that with key
 * @remote. They have left then; that they have come nobody is told.
 */
int pin_rdma_write(const struct pin_rdma *r, const struct pin_rdma_qp *qp, uint32_t local,
		   const void *from, size_t len, uint32_t remote, const void *to);

#endif
