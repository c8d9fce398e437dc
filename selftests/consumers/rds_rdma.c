// SPDX-License-Identifier: GPL-2.0
/*
 * RDS: memory for RDMA and atomic operations, named in control messages of
 * sendmsg(). The kernel pins first and then finds out what the transport can
 * do: loopback can do neither, so that all is given back. Soft-RoCE reads and
 * writes remote memory: what is pinned for that is let go in softirq, or
 * later by a worker. Memory regions without a connection are refused after the
 * pin, with one they hold it until RDS_FREE_MR.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/rds.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "pieces.h"
#include "rdma.h"
#include "rds.h"
#include "scratch.h"

#define NEEDS		"modules rds, rds_rdma, rdma_rxe, crc32_generic, dummy"
#define LINK		"pinrds0"	/* over lo there is no RDMA by address */
#define ADDRESS		0xc0000201u	/* 192.0.2.1, for documentation only */
#define VECTOR_PAGES	24u		/* of one local vector */
#define MAX_VECTORS	1024u		/* UIO_MAXIOV; two huge pages of 64 KiB pages need 685 */
#define MOST_BYTES	(1u << 20)	/* RDS_MAX_MSG_SIZE */
#define CONNECT_S	10
#define REMOTE		0x5a
#define MOST_UNACKED	16	/* more than net.rds.max_unacked_packets, which is 8 */

/* What is asked of the kernel. */
enum wish {
	ATOMIC,		/* fetch-and-add into each page, one a message */
	RDMA_READ,	/* from remote memory into ours */
	RDMA_WRITE,	/* from our memory to remote memory */
	IB_READ,	/* as RDMA_READ and RDMA_WRITE, over soft-RoCE */
	IB_WRITE,
	IB_ONCE,	/* as IB_WRITE, and then the remote memory is a region no more */
	LONE_REGION,	/* a memory region without a connection */
	LONE_DEST,	/* the same for a named destination */
	REGION,
	LOST_REGION,	/* nobody gets to know its name */
};

struct rds {
	enum wish wish;
	int fd;
	struct sockaddr_in self;
	uint64_t cookie;	/* of the region, 0: none */
	void *remote;		/* memory at the other end, which is ourselves, or NULL */
	size_t remote_len;	/* bytes */
};

static bool over_wire(const struct rds *r)
{
	return r->wish == IB_READ || r->wish == IB_WRITE || r->wish == IB_ONCE;
}

static bool only_reads(const struct rds *r)
{
	return r->wish == RDMA_WRITE || r->wish == IB_WRITE || r->wish == IB_ONCE;
}

/* Bytes that an operation on all of @m moves: or as many as it may say. */
static size_t moved_bytes(const struct pin_mem *m)
{
	return m->len < MOST_BYTES ? m->len : MOST_BYTES;
}

static int new_socket(struct rds *r, bool rdma)
{
	socklen_t len = sizeof(r->self);
	int transport = RDS_TRANS_IB;

	r->fd = socket(AF_RDS, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	r->self.sin_family = AF_INET;
	r->self.sin_addr.s_addr = htonl(rdma ? ADDRESS : INADDR_LOOPBACK);
	if (r->fd < 0 ||
	    (rdma && setsockopt(r->fd, SOL_RDS, SO_RDS_TRANSPORT, &transport,
				sizeof(transport))) ||
	    bind(r->fd, (void *)&r->self, sizeof(r->self)) ||
	    getsockname(r->fd, (void *)&r->self, &len))
		return -errno;
	return 0;
}

static int make_rdma(const struct pin_kernel *k, char *why)
{
	struct rds r = { .fd = -1 };
	int err = pin_rds_probe(k, why);

	if (!err)
		err = pin_scratch_link(LINK, ADDRESS, why);
	if (!err)
		err = pin_rdma_soft_roce("pinrxe1", LINK, why);
	if (!err)
		err = pin_scratch_module("rds_rdma", "RDS_RDMA", NULL, why);
	if (err < 0)
		return err;
	/* Addresses come to the RDMA device by and by. */
	for (int tries = 0; tries < 500; tries++) {
		err = new_socket(&r, true);
		if (r.fd >= 0)
			close(r.fd);
		if (err != -ENOPROTOOPT)
			break;
		usleep(10000);
	}
	return err ? pin_why(why, err, "RDS over soft-RoCE: %s", strerror(-err)) : 0;
}

static int probe_rdma(const struct pin_kernel *k, char *why)
{
	static struct pin_once devices;

	return pin_scratch_once(&devices, k, make_rdma, why);
}

static void rds_close(struct pin_op *op)
{
	struct rds *r = op->priv;

	if (!r)
		return;
	if (r->fd >= 0)
		close(r->fd);
	if (r->remote)
		munmap(r->remote, r->remote_len);
	free(r);
	op->priv = NULL;
}

/* A message to ourselves with one control message. 0 or -errno. */
static long tell(const struct rds *r, int type, const void *data, size_t len)
{
	char control[CMSG_SPACE(sizeof(struct rds_atomic_args))] = { 0 };
	struct sockaddr_in to = r->self;
	char byte = 0;
	struct iovec iov = { &byte, sizeof(byte) };
	struct msghdr msg = {
		.msg_name = &to, .msg_namelen = sizeof(to),
		.msg_iov = &iov, .msg_iovlen = 1,
	};

	if (data) {
		msg.msg_control = control;
		msg.msg_controllen = CMSG_SPACE(len);
		CMSG_FIRSTHDR(&msg)->cmsg_level = SOL_RDS;
		CMSG_FIRSTHDR(&msg)->cmsg_type = type;
		CMSG_FIRSTHDR(&msg)->cmsg_len = CMSG_LEN(len);
		memcpy(CMSG_DATA(CMSG_FIRSTHDR(&msg)), data, len);
	}
	return sendmsg(r->fd, &msg, 0) == sizeof(byte) ? 0 : -errno;
}

/* The next message to ourselves. */
static int receive(const struct rds *r)
{
	char byte;

	return recv(r->fd, &byte, sizeof(byte), 0) == sizeof(byte) ? 0 : -errno;
}

/* What has arrived here has gone over a connection. */
static int connect_to_self(const struct rds *r)
{
	const struct timeval limit = { .tv_sec = CONNECT_S };
	int err = tell(r, 0, NULL, 0);

	if (err)
		return err;
	/* poll() would tell of changes in congestion, too. */
	if (setsockopt(r->fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)))
		return -errno;
	return receive(r);
}

static int get_remote(struct rds *r, const struct pin_mem *m)
{
	r->remote_len = moved_bytes(m);
	r->remote = mmap(NULL, r->remote_len, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (r->remote == MAP_FAILED) {
		r->remote = NULL;
		return -errno;
	}
	memset(r->remote, REMOTE, r->remote_len);
	return 0;
}

static int rds_open(struct pin_op *op, enum wish wish)
{
	struct rds *r = calloc(1, sizeof(*r));
	int err;

	if (!r)
		return pin_why(op->why, -ENOMEM, "out of memory");
	op->priv = r;
	r->wish = wish;
	err = new_socket(r, wish >= IB_READ);
	if (!err && wish >= IB_READ && wish != LONE_REGION && wish != LONE_DEST)
		err = connect_to_self(r);
	if (!err && over_wire(r))
		err = get_remote(r, op->mem);
	if (err) {
		pin_why(op->why, err, "RDS: %s", strerror(-err));
		rds_close(op);
	}
	return err;
}

static int open_atomic(struct pin_op *op)
{
	return rds_open(op, ATOMIC);
}

static int open_rdma_read(struct pin_op *op)
{
	return rds_open(op, RDMA_READ);
}

static int open_rdma_write(struct pin_op *op)
{
	return rds_open(op, RDMA_WRITE);
}

static int open_ib_read(struct pin_op *op)
{
	return rds_open(op, IB_READ);
}

static int open_ib_write(struct pin_op *op)
{
	return rds_open(op, IB_WRITE);
}

static int open_ib_once(struct pin_op *op)
{
	return rds_open(op, IB_ONCE);
}

static int open_lone_dest(struct pin_op *op)
{
	return rds_open(op, LONE_DEST);
}

static int open_lone_region(struct pin_op *op)
{
	return rds_open(op, LONE_REGION);
}

static int open_region(struct pin_op *op)
{
	return rds_open(op, REGION);
}

static int open_lost_region(struct pin_op *op)
{
	return rds_open(op, LOST_REGION);
}

/* --- what comes to nothing without RDMA --- */

static unsigned int pages_a_call(const struct pin_op *op)
{
	const struct rds *r = op->priv;

	return r->wish == ATOMIC ? 1 : VECTOR_PAGES;
}

/* Each call pins a part of the memory, and all is given back. */
static void predict(const struct pin_op *op, struct pin_predict *p)
{
	const struct rds *r = op->priv;
	const struct pin_access access = {
		.write = !only_reads(r), .longterm = true, .fast = true,
	};
	unsigned int first = 0, step = pages_a_call(op), end = op->mem->pages;
	struct pin_mem part = *op->mem;
	struct pin_gup g;

	p->result = over_wire(r) ? 0 : -EOPNOTSUPP;
	/* More than a message may say that it moves: noticed at last. */
	if (r->wish != ATOMIC && op->mem->len > MOST_BYTES)
		p->result = -EINVAL;
	if (r->wish != ATOMIC && end > MAX_VECTORS * VECTOR_PAGES)
		end = MAX_VECTORS * VECTOR_PAGES;
	for (; first < end; first += step) {
		part.pages = end - first < step ? end - first : step;
		part.hole = part.pages;
		if (op->mem->hole >= first && op->mem->hole < first + part.pages)
			part.hole = op->mem->hole - first;
		pin_mem_gup(&part, &access, &g);
		/* The first call leaves nothing of the huge zero page. */
		if (first && !strcmp(op->mem->kind->name, "huge_zero"))
			g.undone = 0;
		p->acquired += g.pinned - g.uncounted + g.undone;
		if (g.err) {
			/* Some of it is no better than none. */
			p->result = -EFAULT;
			break;
		}
	}
	if (over_wire(r))
		p->acquired += pin_pages_touched(r->remote, r->remote_len, op->kernel->page_size);
	p->released = p->acquired;
	p->or_result = p->result;
	if (op->kernel->movable_memory)
		p->migrated = p->acquired;
}

static long atomic(struct pin_op *op)
{
	const long ps = op->kernel->page_size;
	const struct rds *r = op->priv;
	long err = -EOPNOTSUPP;

	for (unsigned int i = 0; i < op->mem->pages && err == -EOPNOTSUPP; i++) {
		const struct rds_atomic_args args = {
			.local_addr = ((uintptr_t)op->mem->addr & -ps) + i * ps +
				      (i ? 0 : (uintptr_t)op->mem->addr & (ps - 1)),
			.fadd.add = 1,
			/* One more allocation that may fail, behind the pin. */
			.flags = RDS_RDMA_NOTIFY_ME,
		};

		err = tell(r, RDS_CMSG_ATOMIC_FADD, &args, sizeof(args));
	}
	return err;
}

static long rdma(struct pin_op *op)
{
	const struct rds *r = op->priv;
	struct rds_iovec vector[MAX_VECTORS];
	struct rds_rdma_args args = {
		.cookie = r->cookie,
		.remote_vec.bytes = moved_bytes(op->mem),
		.local_vec_addr = (uintptr_t)vector,
		/*
		 * Without a fence the acknowledgment of the message overtakes what
		 * is read, and RDS says that all is done.
		 */
		.flags = (only_reads(r) ? RDS_RDMA_READWRITE : RDS_RDMA_FENCE) |
			 (over_wire(r) ? RDS_RDMA_NOTIFY_ME : 0),
	};
	size_t done = 0;

	for (; done < op->mem->len && args.nr_local < MAX_VECTORS; args.nr_local++) {
		vector[args.nr_local].addr = (uintptr_t)op->mem->addr + done;
		vector[args.nr_local].bytes = pin_piece(op, done, VECTOR_PAGES);
		done += vector[args.nr_local].bytes;
	}
	return tell(r, RDS_CMSG_RDMA_ARGS, &args, sizeof(args));
}

/* --- memory regions --- */

static void predict_region(const struct pin_op *op, struct pin_predict *p)
{
	const struct pin_access access = { .write = true, .longterm = true, .fast = true };

	if (op->mem->pages - 1 > MOST_BYTES / op->kernel->page_size) {
		p->result = -EMSGSIZE;
		p->or_result = -EMSGSIZE;
		return;
	}
	pin_predict_all_or_nothing(op, &access, p);
	if (p->result) {
		p->result = -EFAULT;
		p->or_result = -EFAULT;
	}
}

/* Some other socket may have had a connection, but this one has none. */
static void predict_lone_region(const struct pin_op *op, struct pin_predict *p)
{
	predict_region(op, p);
	if (p->result)
		return;
	p->released = p->acquired;
	p->result = -ENODEV;
	p->or_result = -EOPNOTSUPP;
}

static void predict_lost_region(const struct pin_op *op, struct pin_predict *p)
{
	predict_region(op, p);
	if (p->result)
		return;
	p->released = p->acquired;
	p->result = -EFAULT;
	p->or_result = -EFAULT;
}

static struct rds_get_mr_args region(struct rds *r, const void *p, size_t len)
{
	return (struct rds_get_mr_args){
		.vec = { .addr = (uintptr_t)p, .bytes = len },
		.cookie_addr = (uintptr_t)&r->cookie,
		.flags = RDS_RDMA_READWRITE | RDS_RDMA_INVALIDATE |
			 (r->wish == IB_ONCE ? RDS_RDMA_USE_ONCE : 0),
	};
}

static long get_lone_region(struct pin_op *op)
{
	struct rds *r = op->priv;
	const struct rds_get_mr_args args = region(r, op->mem->addr, op->mem->len);

	return setsockopt(r->fd, SOL_RDS, RDS_GET_MR, &args, sizeof(args)) ? -errno : 0;
}

static long get_lone_dest(struct pin_op *op)
{
	struct rds *r = op->priv;
	const struct rds_get_mr_args same = region(r, op->mem->addr, op->mem->len);
	struct rds_get_mr_for_dest_args args = {
		.vec = same.vec, .cookie_addr = same.cookie_addr, .flags = same.flags,
	};

	memcpy(&args.dest_addr, &r->self, sizeof(r->self));
	return setsockopt(r->fd, SOL_RDS, RDS_GET_MR_FOR_DEST, &args, sizeof(args)) ? -errno : 0;
}

static long get_region(struct pin_op *op)
{
	struct rds *r = op->priv;
	const struct rds_get_mr_args args = region(r, op->mem->addr, op->mem->len);
	long err = tell(r, RDS_CMSG_RDMA_MAP, &args, sizeof(args));

	return !err && !r->cookie ? -EPROTO : err;
}

/* It is complete, with its pins and the device's keys, when that is noticed. */
static long get_lost_region(struct pin_op *op)
{
	struct rds_get_mr_args args = region(op->priv, op->mem->addr, op->mem->len);

	args.cookie_addr = sizeof(uint64_t);	/* not mapped */
	return tell(op->priv, RDS_CMSG_RDMA_MAP, &args, sizeof(args));
}

static long free_cookie(const struct rds *r)
{
	const struct rds_free_mr_args args = {
		.cookie = r->cookie, .flags = RDS_RDMA_INVALIDATE,
	};

	return setsockopt(r->fd, SOL_RDS, RDS_FREE_MR, &args, sizeof(args)) ? -errno : 0;
}

/* The message holds the region as well until it is acknowledged, some day. */
static long free_region(struct pin_op *op)
{
	const struct rds *r = op->priv;
	long err = free_cookie(r);

	if (setsockopt(r->fd, SOL_RDS, RDS_CANCEL_SENT_TO, &r->self, sizeof(r->self)) && !err)
		err = -errno;
	return err;
}

/* --- remote memory, over soft-RoCE --- */

/* The message of a transfer arrives, and so does the news that it is done. */
static long transferred(const struct rds *r)
{
	char control[CMSG_SPACE(sizeof(struct rds_rdma_notify))];
	bool arrived = false, told = false;
	struct rds_rdma_notify status;
	const struct cmsghdr *c;
	char byte;

	while (!arrived || !told) {
		struct iovec iov = { &byte, sizeof(byte) };
		struct msghdr msg = {
			.msg_iov = &iov, .msg_iovlen = 1,
			.msg_control = control, .msg_controllen = sizeof(control),
		};
		ssize_t got;

		/* The device is at work on the memory: it must be waited for. */
		do {
			got = recvmsg(r->fd, &msg, 0);
		} while (got < 0 && (errno == ENOMEM || errno == EINTR));
		if (got < 0)
			return -errno;
		arrived |= got == sizeof(byte);
		c = CMSG_FIRSTHDR(&msg);
		if (!c || c->cmsg_type != RDS_CMSG_RDMA_STATUS)
			continue;
		memcpy(&status, CMSG_DATA(c), sizeof(status));
		if (status.status != RDS_RDMA_SUCCESS)
			return -EREMOTEIO;
		told = true;
	}
	return 0;
}

/*
 * One of so many messages asks for an acknowledgment of all before it. When that
 * comes the messages go, and what they hold: in softirq.
 */
static long acknowledged(const struct rds *r)
{
	long err = 0;

	for (int i = 0; !err && i < MOST_UNACKED; i++)
		err = tell(r, 0, NULL, 0) ?: receive(r);
	return err;
}

long pin_rds_settle(struct pin_op *op)
{
	return acknowledged(op->priv);
}

static long transfer(struct pin_op *op)
{
	struct rds *r = op->priv;
	const struct rds_get_mr_args args = region(r, r->remote, r->remote_len);
	long err;

	r->cookie = 0;
	err = tell(r, RDS_CMSG_RDMA_MAP, &args, sizeof(args)) ?: receive(r) ?:
	      rdma(op) ?: transferred(r);
	if (!err && memcmp(op->mem->addr, r->remote, r->remote_len))
		err = -EILSEQ;
	if (!err)
		err = acknowledged(r);
	if (!err && r->wish == IB_ONCE) {
		/* The message of the transfer has told that it was used: it is forgotten. */
		err = free_cookie(r);
		return err == -EINVAL ? 0 : err ?: -EPROTO;
	}
	if (!err)
		return free_cookie(r);
	/* It is there if its name is, even if the message did not get off. */
	if (r->cookie)
		free_region(op);
	return err;
}

const struct pin_consumer pin_consumer_rds_atomic = {
	.name = "rds_atomic",
	.help = "RDS atomic operations, refused by the transport",
	.path = "rds_sendmsg > rds_cmsg_atomic > pin_user_pages_fast",
	.since = "5.7",
	.doc_case = 2,
	.needs = NEEDS,
	.probe = pin_rds_probe,
	.open = open_atomic,
	.predict = predict,
	.pin = atomic,
	.close = rds_close,
};

const struct pin_consumer pin_consumer_rds_ib_once = {
	.name = "rds_ib_once",
	.help = "RDS, written over soft-RoCE to remote memory that is a region until it was used",
	.path = "rds_sendmsg > rds_cmsg_rdma_args > pin_user_pages_fast; rds_rdma_unuse > rds_ib_free_mr",
	.since = "5.7",
	.doc_case = 2,
	.only_read = true,
	.needs = NEEDS,
	.probe = probe_rdma,
	.open = open_ib_once,
	.predict = predict,
	.pin = transfer,
	.close = rds_close,
};

const struct pin_consumer pin_consumer_rds_ib_read = {
	.name = "rds_ib_read",
	.help = "RDS, remote memory read into several vectors over soft-RoCE",
	.path = "rds_sendmsg > rds_cmsg_rdma_args > pin_user_pages_fast; rds_message_put",
	.since = "5.7",
	.doc_case = 2,
	.needs = NEEDS,
	.dirties = true,
	.probe = probe_rdma,
	.open = open_ib_read,
	.predict = predict,
	.pin = transfer,
	.close = rds_close,
};

const struct pin_consumer pin_consumer_rds_ib_write = {
	.name = "rds_ib_write",
	.help = "the same in the other direction: the memory is only read",
	.path = "rds_sendmsg > rds_cmsg_rdma_args > pin_user_pages_fast; rds_message_put",
	.since = "5.7",
	.doc_case = 2,
	.only_read = true,
	.needs = NEEDS,
	.probe = probe_rdma,
	.open = open_ib_write,
	.predict = predict,
	.pin = transfer,
	.close = rds_close,
};

const struct pin_consumer pin_consumer_rds_mr = {
	.name = "rds_mr",
	.help = "RDS memory region, the device may write to it",
	.path = "rds_sendmsg > __rds_rdma_map > pin_user_pages_fast; rds_ib_free_mr",
	.since = "5.7",
	.doc_case = 2,
	.needs = NEEDS,
	.held = true,
	.dirties = true,
	.probe = probe_rdma,
	.open = open_region,
	.predict = predict_region,
	.pin = get_region,
	.unpin = free_region,
	.close = rds_close,
};

const struct pin_consumer pin_consumer_rds_mr_dest = {
	.name = "rds_mr_dest",
	.help = "RDS memory region for a named destination, refused because there is no connection",
	.path = "rds_get_mr_for_dest > __rds_rdma_map > pin_user_pages_fast",
	.since = "5.7",
	.doc_case = 2,
	.needs = NEEDS,
	.probe = probe_rdma,
	.open = open_lone_dest,
	.predict = predict_lone_region,
	.pin = get_lone_dest,
	.close = rds_close,
};

const struct pin_consumer pin_consumer_rds_mr_lone = {
	.name = "rds_mr_lone",
	.help = "the same for whoever it may be",
	.path = "rds_get_mr > __rds_rdma_map > pin_user_pages_fast",
	.since = "5.7",
	.doc_case = 2,
	.needs = NEEDS,
	.probe = probe_rdma,
	.open = open_lone_region,
	.predict = predict_lone_region,
	.pin = get_lone_region,
	.close = rds_close,
};

const struct pin_consumer pin_consumer_rds_mr_lost = {
	.name = "rds_mr_lost",
	.help = "RDS memory region, given up because its cookie cannot be written",
	.path = "rds_sendmsg > __rds_rdma_map > pin_user_pages_fast; rds_ib_free_mr",
	.since = "5.7",
	.doc_case = 2,
	.needs = NEEDS,
	.probe = probe_rdma,
	.open = open_lost_region,
	.predict = predict_lost_region,
	.pin = get_lost_region,
	.close = rds_close,
};

const struct pin_consumer pin_consumer_rds_rdma_read = {
	.name = "rds_rdma_read",
	.help = "RDS, remote memory read into several vectors: refused by the transport",
	.path = "rds_sendmsg > rds_cmsg_rdma_args > pin_user_pages_fast",
	.since = "5.7",
	.doc_case = 2,
	.needs = NEEDS,
	.probe = pin_rds_probe,
	.open = open_rdma_read,
	.predict = predict,
	.pin = rdma,
	.close = rds_close,
};

const struct pin_consumer pin_consumer_rds_rdma_write = {
	.name = "rds_rdma_write",
	.help = "the same in the other direction: the memory is only read",
	.path = "rds_sendmsg > rds_cmsg_rdma_args > pin_user_pages_fast",
	.since = "5.7",
	.doc_case = 2,
	.only_read = true,
	.needs = NEEDS,
	.probe = pin_rds_probe,
	.open = open_rdma_write,
	.predict = predict,
	.pin = rdma,
	.close = rds_close,
};
