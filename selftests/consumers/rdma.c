// SPDX-License-Identifier: GPL-2.0
/*
 * RDMA memory regions, registered with soft-RoCE or soft-iWARP over the loopback
 * device: no hardware, no library, the kernel's own write() interface. The RDMA
 * device is made for it and removed at the end.
 */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <linux/capability.h>
#include <rdma/ib_user_verbs.h>
#include <rdma/ib_user_ioctl_verbs.h>
#include <rdma/rdma_netlink.h>
#include <rdma/rdma_user_rxe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "consumer.h"
#include "netlink.h"
#include "proc.h"
#include "rdma.h"
#include "scratch.h"

#define NEEDS		"modules rdma_rxe, ib_uverbs, crc32_generic"
#define NEEDS_SIW	"modules siw, ib_uverbs"
#define DEVICE		"pinrxe0"
#define DEVICE_SIW	"pinsiw0"
#define ON_DEMAND	(1u << 6)
#define QUEUE_LEN	16
#define GIDS		16
#define PATIENCE_NS	10000000000ull	/* an address is known, a request done by then */

/* Of a queue pair: the kernel's numbers, that are in no header of user space's. */
#define STATE_INIT	1
#define STATE_RTR	2
#define STATE_RTS	3
#define HAS_STATE	(1u << 0)
#define HAS_ACCESS	(1u << 3)
#define HAS_PKEY	(1u << 4)
#define HAS_PORT	(1u << 5)
#define HAS_PEER	(1u << 7)
#define HAS_MTU		(1u << 8)
#define HAS_RECV_PSN	(1u << 12)
#define HAS_SEND_PSN	(1u << 16)
#define HAS_PEER_NUMBER	(1u << 20)
#define MTU_1024	3

static struct pin_rdma_device rxe, siw;

struct region {
	unsigned int access;
	struct pin_rdma at;
	unsigned int mr;
};

/* --- the device --- */

static void begin(struct pin_nl *m, unsigned int cmd, unsigned int flags)
{
	pin_nl_begin(m, RDMA_NL_GET_TYPE(RDMA_NL_NLDEV, cmd), flags, NULL, 0);
}

/* Is this message about device @name? Then its index, else -1. */
static int index_of(const struct nlmsghdr *h, const char *name)
{
	const char *attrs = (const char *)h + NLMSG_HDRLEN;
	const char *end = (const char *)h + h->nlmsg_len;
	const char *its = pin_nl_find(attrs, end, RDMA_NLDEV_ATTR_DEV_NAME);
	const void *at = pin_nl_find(attrs, end, RDMA_NLDEV_ATTR_DEV_INDEX);
	int index = -1;

	if (its && at && !strcmp(its, name))
		memcpy(&index, at, sizeof(index));
	return index;
}

int pin_rdma_remove(const char *name)
{
	static char answer[32768];
	struct pin_nl m;
	int index = -1;
	ssize_t left;

	begin(&m, RDMA_NLDEV_CMD_GET, NLM_F_DUMP);
	left = pin_nl_ask(NETLINK_RDMA, &m, answer, sizeof(answer));
	if (left < 0)
		return left;
	for (struct nlmsghdr *h = (void *)answer; index < 0 && NLMSG_OK(h, left);
	     h = NLMSG_NEXT(h, left))
		index = index_of(h, name);
	if (index < 0)
		return -ENOENT;
	begin(&m, RDMA_NLDEV_CMD_DELLINK, 0);
	pin_nl_attr(&m, RDMA_NLDEV_ATTR_DEV_INDEX, &index, sizeof(index));
	return pin_nl_order(NETLINK_RDMA, &m);
}

static bool find_node(struct pin_rdma_device *d)
{
	char name[PIN_NODE_LEN + 1], *slash;
	glob_t found;

	snprintf(name, sizeof(name), "%s\n", d->name);
	if (glob("/sys/class/infiniband_verbs/uverbs*/ibdev", 0, NULL, &found))
		return false;
	for (size_t i = 0; i < found.gl_pathc && !*d->node; i++) {
		if (!pin_file_begins(found.gl_pathv[i], name))
			continue;
		slash = strrchr(found.gl_pathv[i], '/');
		*slash = '\0';
		snprintf(d->node, sizeof(d->node), "/dev/infiniband/%s",
			 strrchr(found.gl_pathv[i], '/') + 1);
	}
	globfree(&found);
	return *d->node && !access(d->node, F_OK);
}

static int add_link(const char *name, const char *type, const char *netdev, char *why)
{
	struct pin_nl m;
	int err = pin_scratch_undo(pin_rdma_remove, name, why);

	if (err)
		return err;
	begin(&m, RDMA_NLDEV_CMD_NEWLINK, 0);
	pin_nl_string(&m, RDMA_NLDEV_ATTR_DEV_NAME, name);
	pin_nl_string(&m, RDMA_NLDEV_ATTR_LINK_TYPE, type);
	pin_nl_string(&m, RDMA_NLDEV_ATTR_NDEV_NAME, netdev);
	err = pin_nl_order(NETLINK_RDMA, &m);
	if (err)
		return pin_why(why, err, err != -ENOENT ?
			       "rdma link add %s type %s netdev %s: %s" :
			       "rdma link add %s type %s netdev %s: %s: kernel option CRYPTO_CRC32 (modprobe crc32_generic)",
			       name, type, netdev, strerror(-err));
	return 0;
}

int pin_rdma_soft_roce(const char *name, const char *netdev, char *why)
{
	int err = pin_scratch_module("rdma_rxe", "RDMA_RXE", NULL, why);

	return err < 0 ? err : add_link(name, "rxe", netdev, why);
}

int pin_rdma_soft_iwarp(const char *name, const char *netdev, char *why)
{
	int err = pin_scratch_module("siw", "RDMA_SIW", NULL, why);

	return err < 0 ? err : add_link(name, "siw", netdev, why);
}

int pin_rdma_find(struct pin_rdma_device *d, const char *name, char *why)
{
	char ignored[PIN_WHY_LEN];

	snprintf(d->name, sizeof(d->name), "%s", name);
	*d->node = '\0';
	pin_scratch_module("ib_uverbs", "INFINIBAND_USER_ACCESS", NULL, ignored);
	for (int tries = 0; tries < 500 && !find_node(d); tries++)
		usleep(10000);
	if (*d->node)
		return 0;
	return pin_why(why, -ENODEV,
		       "no node for %s: modprobe ib_uverbs (kernel option INFINIBAND_USER_ACCESS)",
		       name);
}

static int make_rxe(const struct pin_kernel *k, char *why)
{
	int err = pin_rdma_soft_roce(DEVICE, "lo", why);

	(void)k;
	return err ? err : pin_rdma_find(&rxe, DEVICE, why);
}

static int make_siw(const struct pin_kernel *k, char *why)
{
	int err = pin_rdma_soft_iwarp(DEVICE_SIW, "lo", why);

	(void)k;
	return err ? err : pin_rdma_find(&siw, DEVICE_SIW, why);
}

static int probe(const struct pin_kernel *k, char *why)
{
	static struct pin_once device;

	return pin_scratch_once(&device, k, make_rxe, why);
}

static int probe_siw(const struct pin_kernel *k, char *why)
{
	static struct pin_once device;

	return pin_scratch_once(&device, k, make_siw, why);
}

/* --- verbs --- */

/* @cmd of @len bytes begins with a header to be filled in: 0 or -errno. */
static int verb(int fd, unsigned int command, void *cmd, size_t len, size_t answer)
{
	const struct ib_uverbs_cmd_hdr hdr = {
		.command = command,
		.in_words = len / 4,
		.out_words = answer / 4,
	};

	memcpy(cmd, &hdr, sizeof(hdr));
	return write(fd, cmd, len) == (ssize_t)len ? 0 : -errno;
}

/* What soft-iWARP tells besides; nobody else minds the room. */
struct extra {
	uint32_t word[2];
};

static int get_context(int fd)
{
	struct {
		struct ib_uverbs_get_context_resp body;
		struct extra extra;
	} answer;
	struct {
		struct ib_uverbs_cmd_hdr hdr;
		struct ib_uverbs_get_context body;
	} cmd = { .body.response = (uintptr_t)&answer };
	int err = verb(fd, IB_USER_VERBS_CMD_GET_CONTEXT, &cmd, sizeof(cmd),
		       sizeof(answer));

	if (!err)
		close(answer.body.async_fd);
	return err;
}

int pin_rdma_alloc_pd(const struct pin_rdma *r, unsigned int *pd)
{
	struct ib_uverbs_alloc_pd_resp answer;
	struct {
		struct ib_uverbs_cmd_hdr hdr;
		struct ib_uverbs_alloc_pd body;
	} cmd = { .body.response = (uintptr_t)&answer };
	int err = verb(r->fd, IB_USER_VERBS_CMD_ALLOC_PD, &cmd, sizeof(cmd),
		       sizeof(answer));

	if (!err)
		*pd = answer.pd_handle;
	return err;
}

int pin_rdma_open(struct pin_rdma *r, const struct pin_rdma_device *d, char *why)
{
	int err;

	r->fd = open(d->node, O_RDWR | O_CLOEXEC);
	err = r->fd < 0 ? -errno : get_context(r->fd);
	if (!err)
		err = pin_rdma_alloc_pd(r, &r->pd);
	if (!err)
		return 0;
	pin_rdma_close(r);
	return pin_why(why, err, "%s: %s", d->node, strerror(-err));
}

void pin_rdma_close(struct pin_rdma *r)
{
	if (r->fd >= 0)
		close(r->fd);
	r->fd = -1;
}

static int reg_mr(const struct pin_rdma *r, const void *addr, size_t len, unsigned int access,
		  size_t room, unsigned int *mr, uint32_t *key)
{
	struct {
		struct ib_uverbs_reg_mr_resp body;
		struct extra extra;
	} answer;
	struct {
		struct ib_uverbs_cmd_hdr hdr;
		struct ib_uverbs_reg_mr body;
		struct extra extra;	/* the low byte of the key */
	} cmd = {
		.body = {
			.response = (uintptr_t)&answer,
			.start = (uintptr_t)addr,
			.length = len,
			.hca_va = (uintptr_t)addr,
			.pd_handle = r->pd,
			.access_flags = access,
		},
	};
	int err = verb(r->fd, IB_USER_VERBS_CMD_REG_MR, &cmd, sizeof(cmd),
		       sizeof(answer.body) + room);

	if (!err) {
		*mr = answer.body.mr_handle;
		*key = answer.body.lkey;
	}
	return err;
}

int pin_rdma_reg_mr_key(const struct pin_rdma *r, const void *addr, size_t len,
			unsigned int access, unsigned int *mr, uint32_t *key)
{
	return reg_mr(r, addr, len, access, sizeof(struct extra), mr, key);
}

int pin_rdma_reg_mr(const struct pin_rdma *r, const void *addr, size_t len,
		    unsigned int access, unsigned int *mr)
{
	uint32_t key;

	return pin_rdma_reg_mr_key(r, addr, len, access, mr, &key);
}

int pin_rdma_reg_mr_untold(const struct pin_rdma *r, const void *addr, size_t len,
			   unsigned int access, unsigned int *mr)
{
	uint32_t key;

	return reg_mr(r, addr, len, access, 0, mr, &key);
}

int pin_rdma_rereg_mr(const struct pin_rdma *r, unsigned int mr, unsigned int what,
		      const void *addr, size_t len, unsigned int access)
{
	struct ib_uverbs_rereg_mr_resp answer;
	struct {
		struct ib_uverbs_cmd_hdr hdr;
		struct ib_uverbs_rereg_mr body;
	} cmd = {
		.body = {
			.response = (uintptr_t)&answer,
			.mr_handle = mr,
			.flags = what,
			.start = (uintptr_t)addr,
			.length = len,
			.hca_va = (uintptr_t)addr,
			.pd_handle = r->pd,
			.access_flags = access,
		},
	};

	return verb(r->fd, IB_USER_VERBS_CMD_REREG_MR, &cmd, sizeof(cmd),
		    sizeof(answer));
}

int pin_rdma_dereg_mr(const struct pin_rdma *r, unsigned int mr)
{
	struct {
		struct ib_uverbs_cmd_hdr hdr;
		struct ib_uverbs_dereg_mr body;
	} cmd = { .body.mr_handle = mr };

	return verb(r->fd, IB_USER_VERBS_CMD_DEREG_MR, &cmd, sizeof(cmd), 0);
}

int pin_rdma_dealloc_pd(const struct pin_rdma *r, unsigned int pd)
{
	struct {
		struct ib_uverbs_cmd_hdr hdr;
		struct ib_uverbs_dealloc_pd body;
	} cmd = { .body.pd_handle = pd };

	return verb(r->fd, IB_USER_VERBS_CMD_DEALLOC_PD, &cmd, sizeof(cmd), 0);
}

int pin_rdma_alloc_mw(const struct pin_rdma *r, unsigned int type, unsigned int *mw,
		      uint32_t *key)
{
	struct ib_uverbs_alloc_mw_resp answer;
	struct {
		struct ib_uverbs_cmd_hdr hdr;
		struct ib_uverbs_alloc_mw body;
	} cmd = {
		.body = {
			.response = (uintptr_t)&answer,
			.pd_handle = r->pd,
			.mw_type = type,
		},
	};
	int err = verb(r->fd, IB_USER_VERBS_CMD_ALLOC_MW, &cmd, sizeof(cmd),
		       sizeof(answer));

	if (!err) {
		*mw = answer.mw_handle;
		*key = answer.rkey;
	}
	return err;
}

int pin_rdma_dealloc_mw(const struct pin_rdma *r, unsigned int mw)
{
	struct {
		struct ib_uverbs_cmd_hdr hdr;
		struct ib_uverbs_dealloc_mw body;
	} cmd = { .body.mw_handle = mw };

	return verb(r->fd, IB_USER_VERBS_CMD_DEALLOC_MW, &cmd, sizeof(cmd), 0);
}

/* --- a queue pair, which windows are bound by --- */

static int map_queue(const struct pin_rdma *r, const struct mminfo *where,
		     struct rxe_queue_buf **queue)
{
	void *map = mmap(NULL, where->size, PROT_READ | PROT_WRITE, MAP_SHARED, r->fd,
			 where->offset);

	if (map == MAP_FAILED)
		return -errno;
	*queue = map;
	return 0;
}

static int create_cq(const struct pin_rdma *r, struct pin_rdma_qp *qp, unsigned int *cq)
{
	struct {
		struct ib_uverbs_create_cq_resp body;
		struct rxe_create_cq_resp rxe;
	} answer;
	struct {
		struct ib_uverbs_cmd_hdr hdr;
		struct ib_uverbs_create_cq body;
	} cmd = {
		.body = {
			.response = (uintptr_t)&answer,
			.cqe = QUEUE_LEN,
			.comp_channel = -1,
		},
	};
	int err = verb(r->fd, IB_USER_VERBS_CMD_CREATE_CQ, &cmd, sizeof(cmd), sizeof(answer));

	if (err)
		return err;
	*cq = answer.body.cq_handle;
	qp->done_len = answer.rxe.mi.size;
	return map_queue(r, &answer.rxe.mi, &qp->done);
}

static int create_qp(const struct pin_rdma *r, struct pin_rdma_qp *qp, unsigned int cq)
{
	struct {
		struct ib_uverbs_create_qp_resp body;
		struct rxe_create_qp_resp rxe;
	} answer;
	struct {
		struct ib_uverbs_cmd_hdr hdr;
		struct ib_uverbs_create_qp body;
	} cmd = {
		.body = {
			.response = (uintptr_t)&answer,
			.pd_handle = r->pd,
			.send_cq_handle = cq,
			.recv_cq_handle = cq,
			.max_send_wr = QUEUE_LEN,
			.max_recv_wr = 1,
			.max_send_sge = 1,
			.max_recv_sge = 1,
			.sq_sig_all = 1,
			.qp_type = IB_UVERBS_QPT_UC,
		},
	};
	int err = verb(r->fd, IB_USER_VERBS_CMD_CREATE_QP, &cmd, sizeof(cmd), sizeof(answer));

	if (err)
		return err;
	qp->handle = answer.body.qp_handle;
	qp->number = answer.body.qpn;
	qp->work_len = answer.rxe.sq_mi.size;
	return map_queue(r, &answer.rxe.sq_mi, &qp->work);
}

/* Where in the table the address of IPv4 is, which goes to @gid: or -ENOENT. */
static int find_gid(const char *device, unsigned char *gid)
{
	char path[160], text[64];
	unsigned int part[8];
	FILE *f;

	for (int i = 0; i < GIDS; i++) {
		snprintf(path, sizeof(path), "/sys/class/infiniband/%s/ports/1/gids/%d", device, i);
		f = fopen(path, "re");
		if (!f)
			break;
		if (!fgets(text, sizeof(text), f))
			*text = '\0';
		fclose(f);
		if (strncmp(text, "0000:0000:0000:0000:0000:ffff:", 30) ||
		    sscanf(text, "%x:%x:%x:%x:%x:%x:%x:%x", &part[0], &part[1], &part[2], &part[3],
			   &part[4], &part[5], &part[6], &part[7]) != 8)
			continue;
		for (int j = 0; j < 8; j++) {
			gid[2 * j] = part[j] >> 8;
			gid[2 * j + 1] = part[j];
		}
		return i;
	}
	return -ENOENT;
}

/* It is entered there by a worker. */
static int wait_gid(const char *device, unsigned char *gid)
{
	const uint64_t deadline = pin_now_ns() + PATIENCE_NS;
	int index;

	do {
		index = find_gid(device, gid);
		if (index < 0)
			usleep(10000);
	} while (index < 0 && pin_now_ns() < deadline);
	return index;
}

static int modify_qp(const struct pin_rdma *r, const struct ib_uverbs_modify_qp *what)
{
	struct {
		struct ib_uverbs_cmd_hdr hdr;
		struct ib_uverbs_modify_qp body;
	} cmd = { .body = *what };

	return verb(r->fd, IB_USER_VERBS_CMD_MODIFY_QP, &cmd, sizeof(cmd), 0);
}

static int connect_qp(const struct pin_rdma *r, const struct pin_rdma_device *d,
		      const struct pin_rdma_qp *qp)
{
	struct ib_uverbs_modify_qp to = {
		.qp_handle = qp->handle,
		.attr_mask = HAS_STATE | HAS_ACCESS | HAS_PKEY | HAS_PORT,
		.qp_state = STATE_INIT,
		.qp_access_flags = PIN_RDMA_REMOTE_READ | PIN_RDMA_REMOTE_WRITE,
		.port_num = 1,
		.dest_qp_num = qp->number,
		.path_mtu = MTU_1024,
		.dest = { .is_global = 1, .port_num = 1, .hop_limit = 1 },
	};
	int err, index = wait_gid(d->name, to.dest.dgid);

	if (index < 0)
		return index;
	to.dest.sgid_index = index;
	err = modify_qp(r, &to);
	if (err)
		return err;
	to.attr_mask = HAS_STATE | HAS_PEER | HAS_MTU | HAS_PEER_NUMBER | HAS_RECV_PSN;
	to.qp_state = STATE_RTR;
	err = modify_qp(r, &to);
	if (err)
		return err;
	to.attr_mask = HAS_STATE | HAS_SEND_PSN;
	to.qp_state = STATE_RTS;
	return modify_qp(r, &to);
}

int pin_rdma_open_qp(const struct pin_rdma *r, const struct pin_rdma_device *d,
		     struct pin_rdma_qp *qp)
{
	unsigned int cq;
	int err;

	*qp = (struct pin_rdma_qp){ .work = NULL };
	err = create_cq(r, qp, &cq);
	err = err ?: create_qp(r, qp, cq);
	err = err ?: connect_qp(r, d, qp);
	if (err)
		pin_rdma_close_qp(qp);
	return err;
}

void pin_rdma_close_qp(struct pin_rdma_qp *qp)
{
	if (qp->work)
		munmap(qp->work, qp->work_len);
	if (qp->done)
		munmap(qp->done, qp->done_len);
	*qp = (struct pin_rdma_qp){ .work = NULL };
}

static void *element(struct rxe_queue_buf *queue, uint32_t index)
{
	return queue->data + ((size_t)(index & queue->index_mask) << queue->log2_elem_size);
}

/* What became of the next request: 0 or -errno. */
static int complete(const struct pin_rdma_qp *qp)
{
	const uint64_t deadline = pin_now_ns() + PATIENCE_NS;
	struct rxe_queue_buf *done = qp->done;
	const uint32_t next = done->consumer_index;
	const struct ib_uverbs_wc *wc = element(done, next);

	while (__atomic_load_n(&done->producer_index, __ATOMIC_ACQUIRE) == next) {
		if (pin_now_ns() > deadline)
			return -ETIMEDOUT;
		usleep(1000);
	}
	__atomic_store_n(&done->consumer_index, (next + 1) & done->index_mask, __ATOMIC_RELEASE);
	return wc->status ? -EIO : 0;
}

/* Put a request, of the memory @sge or none, into the queue and wait for its end. */
static int post(const struct pin_rdma *r, const struct pin_rdma_qp *qp,
		const struct rxe_send_wqe *what, const struct rxe_sge *sge)
{
	struct ib_uverbs_post_send_resp answer;
	struct {
		struct ib_uverbs_cmd_hdr hdr;
		struct ib_uverbs_post_send body;	/* just that there is something */
	} cmd = {
		.body = {
			.response = (uintptr_t)&answer,
			.qp_handle = qp->handle,
			.wqe_size = sizeof(struct ib_uverbs_send_wr),
		},
	};
	struct rxe_queue_buf *work = qp->work;
	const uint32_t next = work->producer_index;
	struct rxe_send_wqe *wqe = element(work, next);
	int err;

	*wqe = *what;
	if (sge)
		wqe->dma.sge[0] = *sge;
	__atomic_store_n(&work->producer_index, (next + 1) & work->index_mask, __ATOMIC_RELEASE);
	err = verb(r->fd, IB_USER_VERBS_CMD_POST_SEND, &cmd, sizeof(cmd), sizeof(answer));
	return err ?: complete(qp);
}

int pin_rdma_bind_mw(const struct pin_rdma *r, const struct pin_rdma_qp *qp, uint32_t mw,
		     uint32_t mr, const void *addr, size_t len)
{
	const struct rxe_send_wqe wqe = {
		.wr = {
			.opcode = IB_UVERBS_WR_BIND_MW,
			.wr.mw = {
				.addr = (uintptr_t)addr,
				.length = len,
				.mr_lkey = mr,
				.mw_rkey = mw,
				.rkey = mw,
				.access = PIN_RDMA_REMOTE_READ,
			},
		},
	};

	return post(r, qp, &wqe, NULL);
}

int pin_rdma_write(const struct pin_rdma *r, const struct pin_rdma_qp *qp, uint32_t local,
		   const void *from, size_t len, uint32_t remote, const void *to)
{
	const struct rxe_sge sge = {
		.addr = (uintptr_t)from, .length = len, .lkey = local,
	};
	const struct rxe_send_wqe wqe = {
		.wr = {
			.opcode = IB_UVERBS_WR_RDMA_WRITE,
			.wr.rdma = { .remote_addr = (uintptr_t)to, .rkey = remote },
		},
		.iova = (uintptr_t)to,
		.dma = { .length = len, .resid = len, .num_sge = 1 },
	};

	return post(r, qp, &wqe, &sge);
}

/* --- the consumers --- */

static void mr_close(struct pin_op *op)
{
	struct region *r = op->priv;

	if (!r)
		return;
	pin_rdma_close(&r->at);
	free(r);
	op->priv = NULL;
}

static int mr_open(struct pin_op *op, const struct pin_rdma_device *d, unsigned int access)
{
	struct region *r = calloc(1, sizeof(*r));
	int err;

	if (!r)
		return pin_why(op->why, -ENOMEM, "out of memory");
	r->access = access;
	err = pin_rdma_open(&r->at, d, op->why);
	if (err)
		free(r);
	else
		op->priv = r;
	return err;
}

static int open_write(struct pin_op *op)
{
	return mr_open(op, &rxe, PIN_RDMA_LOCAL_WRITE);
}

static int open_read(struct pin_op *op)
{
	return mr_open(op, &rxe, 0);
}

static int open_siw(struct pin_op *op)
{
	return mr_open(op, &siw, PIN_RDMA_LOCAL_WRITE);
}

static int open_odp(struct pin_op *op)
{
	return mr_open(op, &rxe, PIN_RDMA_LOCAL_WRITE | ON_DEMAND);
}

/* As somebody who may lock one page. First: uverbs refuses a change of credentials. */
static int open_limited(struct pin_op *op)
{
	const struct rlimit limit = { op->kernel->page_size, op->kernel->page_size };
	int err = pin_set_cap(CAP_IPC_LOCK, false);

	if (!err && setrlimit(RLIMIT_MEMLOCK, &limit))
		err = -errno;
	if (err)
		return pin_why(op->why, err, "RLIMIT_MEMLOCK: %s", strerror(-err));
	return mr_open(op, &rxe, PIN_RDMA_LOCAL_WRITE);
}

static void predict(const struct pin_op *op, struct pin_predict *p)
{
	const struct region *r = op->priv;
	struct pin_access access = {
		.write = r->access & PIN_RDMA_LOCAL_WRITE, .longterm = true, .fast = true,
	};

	/* Always for writing, by FOLL_FORCE where the mapping forbids it. */
	if (op->kernel->version < PIN_KVER(6, 2) &&
	    strcmp(op->mem->kind->name, "anon_readonly"))
		access.write = true;

	pin_predict_all_or_nothing(op, &access, p);
	if (!p->result)
		p->vmpin = op->mem->pages;
}

/* The device will fault pages in as it needs them. */
static void predict_odp(const struct pin_op *op, struct pin_predict *p)
{
	(void)op;
	p->result = 0;
	p->or_result = 0;
}

/* More than one page is refused before a page is touched. */
static void predict_limited(const struct pin_op *op, struct pin_predict *p)
{
	if (op->mem->pages == 1) {
		predict(op, p);
		return;
	}
	p->result = -ENOMEM;
	p->or_result = -ENOMEM;
}

static long pin(struct pin_op *op)
{
	struct region *r = op->priv;

	return pin_rdma_reg_mr(&r->at, op->mem->addr, op->mem->len, r->access, &r->mr);
}

/* Registered anew with the same rights: it keeps its pins. */
static long use(struct pin_op *op)
{
	const struct region *r = op->priv;
	int err = pin_rdma_rereg_mr(&r->at, r->mr, PIN_RDMA_REREG_ACCESS, NULL, 0, r->access);

	return err == -EOPNOTSUPP ? 0 : err;
}

static long unpin(struct pin_op *op)
{
	const struct region *r = op->priv;

	return pin_rdma_dereg_mr(&r->at, r->mr);
}

/* Does the device do without pins? */
static int probe_odp(const struct pin_kernel *k, char *why)
{
	struct pin_mem mem = { .kernel = k };
	struct pin_op op = { .kernel = k, .mem = &mem };
	int err = probe(k, why);
	struct region *r;

	if (!err)
		err = open_odp(&op);
	if (err)
		return err;
	r = op.priv;
	err = pin_rdma_reg_mr(&r->at, why, 1, r->access, &r->mr);
	mr_close(&op);
	if (err)
		pin_why(why, err, "soft-RoCE has no on-demand paging (6.15, kernel option INFINIBAND_ON_DEMAND_PAGING): %s",
			strerror(-err));
	return err;
}

#define RDMA_PATH	"ib_uverbs_reg_mr > rxe_reg_user_mr > ib_umem_get > pin_user_pages_fast"

const struct pin_consumer pin_consumer_rdma_rxe_mr = {
	.name = "rdma_rxe_mr",
	.help = "RDMA memory region, the device may write to it",
	.path = RDMA_PATH,
	.since = "5.6",
	.doc_case = 2,
	.needs = NEEDS,
	.held = true,
	.charged = true,
	.dirties = true,
	.probe = probe,
	.open = open_write,
	.predict = predict,
	.pin = pin,
	.use = use,
	.unpin = unpin,
	.close = mr_close,
};

const struct pin_consumer pin_consumer_rdma_rxe_mr_limit = {
	.name = "rdma_rxe_mr_limit",
	.help = "RDMA memory region, refused by RLIMIT_MEMLOCK",
	.path = RDMA_PATH,
	.since = "5.6",
	.doc_case = 2,
	.needs = NEEDS,
	.confines = true,
	.probe = probe,
	.open = open_limited,
	.predict = predict_limited,
	.pin = pin,
	.close = mr_close,
};

const struct pin_consumer pin_consumer_rdma_rxe_mr_odp = {
	.name = "rdma_rxe_mr_odp",
	.help = "RDMA memory region with on-demand paging: no pins, never",
	.path = "ib_uverbs_reg_mr > rxe_reg_user_mr > rxe_odp_mr_init_user > hmm_range_fault",
	.since = "never",
	.doc_case = 3,
	.needs = NEEDS,
	.held = true,
	.probe = probe_odp,
	.open = open_odp,
	.predict = predict_odp,
	.pin = pin,
	.unpin = unpin,
	.close = mr_close,
};

const struct pin_consumer pin_consumer_rdma_rxe_mr_read = {
	.name = "rdma_rxe_mr_read",
	.help = "RDMA memory region that the device only reads",
	.path = RDMA_PATH,
	.since = "5.6",
	.doc_case = 2,
	.only_read = true,
	.needs = NEEDS,
	.held = true,
	.charged = true,
	.probe = probe,
	.open = open_read,
	.predict = predict,
	.pin = pin,
	.use = use,
	.unpin = unpin,
	.close = mr_close,
};

const struct pin_consumer pin_consumer_rdma_siw_mr = {
	.name = "rdma_siw_mr",
	.help = "RDMA memory region of soft-iWARP, the device may write to it",
	.path = "ib_uverbs_reg_mr > siw_reg_user_mr > siw_umem_get > ib_umem_get > pin_user_pages_fast",
	.since = "5.6",
	.doc_case = 2,
	.needs = NEEDS_SIW,
	.held = true,
	.charged = true,
	.dirties = true,
	.probe = probe_siw,
	.open = open_siw,
	.predict = predict,
	.pin = pin,
	.unpin = unpin,
	.close = mr_close,
};
