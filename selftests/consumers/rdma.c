// SPDX-License-Identifier: GPL-2.0
/*
 * RDMA memory regions, registered with soft-RoCE over the loopback device: no
 * hardware, no library, the kernel's own write() interface. The RDMA device is
 * made for it and removed at the end.
 */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <linux/capability.h>
#include <rdma/ib_user_verbs.h>
#include <rdma/rdma_netlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "consumer.h"
#include "netlink.h"
#include "rdma.h"
#include "scratch.h"

#define NEEDS		"modules rdma_rxe, ib_uverbs, crc32_generic"
#define DEVICE		"pinrxe0"
#define LOCAL_WRITE	(1u << 0)
#define ON_DEMAND	(1u << 6)
#define REREG_ACCESS	(1u << 2)

static char node[64];		/* /dev/infiniband/uverbsN */

struct region {
	unsigned int access;
	int fd;
	unsigned int pd;
	unsigned int mr;
	bool registered;
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

static int remove_device(const char *name)
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

static bool find_node(void)
{
	char name[64] = "", *slash;
	glob_t found;
	FILE *f;

	if (glob("/sys/class/infiniband_verbs/uverbs*/ibdev", 0, NULL, &found))
		return false;
	for (size_t i = 0; i < found.gl_pathc && !*node; i++) {
		f = fopen(found.gl_pathv[i], "re");
		if (f && fgets(name, sizeof(name), f) && !strcmp(name, DEVICE "\n")) {
			slash = strrchr(found.gl_pathv[i], '/');
			*slash = '\0';
			snprintf(node, sizeof(node), "/dev/infiniband/%s",
				 strrchr(found.gl_pathv[i], '/') + 1);
		}
		if (f)
			fclose(f);
	}
	globfree(&found);
	return *node && !access(node, F_OK);
}

int pin_rdma_soft_roce(const char *name, const char *netdev, char *why)
{
	struct pin_nl m;
	int err = pin_scratch_module("rdma_rxe", "RDMA_RXE", NULL, why);

	if (err >= 0)
		err = pin_scratch_undo(remove_device, name, why);
	if (err)
		return err;
	begin(&m, RDMA_NLDEV_CMD_NEWLINK, 0);
	pin_nl_string(&m, RDMA_NLDEV_ATTR_DEV_NAME, name);
	pin_nl_string(&m, RDMA_NLDEV_ATTR_LINK_TYPE, "rxe");
	pin_nl_string(&m, RDMA_NLDEV_ATTR_NDEV_NAME, netdev);
	err = pin_nl_order(NETLINK_RDMA, &m);
	if (err)
		return pin_why(why, err, err != -ENOENT ?
			       "rdma link add %s type rxe netdev %s: %s" :
			       "rdma link add %s type rxe netdev %s: %s: kernel option CRYPTO_CRC32 (modprobe crc32_generic)",
			       name, netdev, strerror(-err));
	return 0;
}

static int make_device(const struct pin_kernel *k, char *why)
{
	char ignored[PIN_WHY_LEN];
	int err = pin_rdma_soft_roce(DEVICE, "lo", why);

	(void)k;
	if (err)
		return err;
	pin_scratch_module("ib_uverbs", "INFINIBAND_USER_ACCESS", NULL, ignored);
	for (int tries = 0; tries < 500 && !find_node(); tries++)
		usleep(10000);
	if (*node)
		return 0;
	return pin_why(why, -ENODEV,
		       "no node for " DEVICE ": modprobe ib_uverbs (kernel option INFINIBAND_USER_ACCESS)");
}

static int probe(const struct pin_kernel *k, char *why)
{
	static struct pin_once devices;

	return pin_scratch_once(&devices, k, make_device, why);
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

static int get_context(int fd)
{
	struct ib_uverbs_get_context_resp answer;
	struct {
		struct ib_uverbs_cmd_hdr hdr;
		struct ib_uverbs_get_context body;
	} cmd = { .body.response = (uintptr_t)&answer };
	int err = verb(fd, IB_USER_VERBS_CMD_GET_CONTEXT, &cmd, sizeof(cmd),
		       sizeof(answer));

	if (!err)
		close(answer.async_fd);
	return err;
}

static int alloc_pd(int fd, unsigned int *pd)
{
	struct ib_uverbs_alloc_pd_resp answer;
	struct {
		struct ib_uverbs_cmd_hdr hdr;
		struct ib_uverbs_alloc_pd body;
	} cmd = { .body.response = (uintptr_t)&answer };
	int err = verb(fd, IB_USER_VERBS_CMD_ALLOC_PD, &cmd, sizeof(cmd),
		       sizeof(answer));

	if (!err)
		*pd = answer.pd_handle;
	return err;
}

static int reg_mr(struct region *r, const void *addr, size_t len)
{
	struct ib_uverbs_reg_mr_resp answer;
	struct {
		struct ib_uverbs_cmd_hdr hdr;
		struct ib_uverbs_reg_mr body;
	} cmd = {
		.body = {
			.response = (uintptr_t)&answer,
			.start = (uintptr_t)addr,
			.length = len,
			.hca_va = (uintptr_t)addr,
			.pd_handle = r->pd,
			.access_flags = r->access,
		},
	};
	int err = verb(r->fd, IB_USER_VERBS_CMD_REG_MR, &cmd, sizeof(cmd),
		       sizeof(answer));

	if (!err) {
		r->mr = answer.mr_handle;
		r->registered = true;
	}
	return err;
}

static int rereg_access(struct region *r)
{
	struct ib_uverbs_rereg_mr_resp answer;
	struct {
		struct ib_uverbs_cmd_hdr hdr;
		struct ib_uverbs_rereg_mr body;
	} cmd = {
		.body = {
			.response = (uintptr_t)&answer,
			.mr_handle = r->mr,
			.flags = REREG_ACCESS,
			.pd_handle = r->pd,
			.access_flags = r->access,
		},
	};

	return verb(r->fd, IB_USER_VERBS_CMD_REREG_MR, &cmd, sizeof(cmd),
		    sizeof(answer));
}

static int dereg_mr(struct region *r)
{
	struct {
		struct ib_uverbs_cmd_hdr hdr;
		struct ib_uverbs_dereg_mr body;
	} cmd = { .body.mr_handle = r->mr };
	int err = verb(r->fd, IB_USER_VERBS_CMD_DEREG_MR, &cmd, sizeof(cmd), 0);

	if (!err)
		r->registered = false;
	return err;
}

/* --- the consumers --- */

static void mr_close(struct pin_op *op)
{
	struct region *r = op->priv;

	if (!r)
		return;
	if (r->fd >= 0)
		close(r->fd);
	free(r);
	op->priv = NULL;
}

static int mr_open(struct pin_op *op, unsigned int access)
{
	struct region *r = calloc(1, sizeof(*r));
	int err;

	if (!r)
		return pin_why(op->why, -ENOMEM, "out of memory");
	op->priv = r;
	r->access = access;
	r->fd = open(node, O_RDWR | O_CLOEXEC);
	err = r->fd < 0 ? -errno : get_context(r->fd);
	if (!err)
		err = alloc_pd(r->fd, &r->pd);
	if (err) {
		pin_why(op->why, err, "%s: %s", node, strerror(-err));
		mr_close(op);
	}
	return err;
}

static int open_write(struct pin_op *op)
{
	return mr_open(op, LOCAL_WRITE);
}

static int open_read(struct pin_op *op)
{
	return mr_open(op, 0);
}

static int open_odp(struct pin_op *op)
{
	return mr_open(op, LOCAL_WRITE | ON_DEMAND);
}

/* As somebody who may lock one page. First: uverbs refuses a change of credentials. */
static int open_limited(struct pin_op *op)
{
	struct rlimit limit = { op->kernel->page_size, op->kernel->page_size };
	struct __user_cap_header_struct hdr = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct caps[2];
	unsigned int word = CAP_IPC_LOCK / 32, bit = 1u << (CAP_IPC_LOCK % 32);

	if (syscall(SYS_capget, &hdr, caps))
		return pin_why(op->why, -errno, "capget: %s", strerror(errno));
	caps[word].effective &= ~bit;
	if (syscall(SYS_capset, &hdr, caps) || setrlimit(RLIMIT_MEMLOCK, &limit))
		return pin_why(op->why, -errno, "RLIMIT_MEMLOCK: %s", strerror(errno));
	return mr_open(op, LOCAL_WRITE);
}

static void predict(const struct pin_op *op, struct pin_predict *p)
{
	const struct region *r = op->priv;
	struct pin_access access = {
		.write = r->access & LOCAL_WRITE, .longterm = true, .fast = true,
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
	return reg_mr(op->priv, op->mem->addr, op->mem->len);
}

/* Registered anew with the same rights: it keeps its pins. */
static long use(struct pin_op *op)
{
	int err = rereg_access(op->priv);

	return err == -EOPNOTSUPP ? 0 : err;
}

static long unpin(struct pin_op *op)
{
	return dereg_mr(op->priv);
}

/* Does the device do without pins? */
static int probe_odp(const struct pin_kernel *k, char *why)
{
	struct pin_mem mem = { .kernel = k };
	struct pin_op op = { .kernel = k, .mem = &mem };
	int err = probe(k, why);

	if (!err)
		err = open_odp(&op);
	if (err)
		return err;
	err = reg_mr(op.priv, why, 1);
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
	.needs = NEEDS,
	.held = true,
	.probe = probe,
	.open = open_read,
	.predict = predict,
	.pin = pin,
	.use = use,
	.unpin = unpin,
	.close = mr_close,
};
