// SPDX-License-Identifier: GPL-2.0
/*
 * vhost-vdpa: memory mapped for a virtio device that user space drives, here
 * the kernel's own simulator without use of virtual addresses, so that it pins.
 * It counts in VmPin. One process at a time has one device.
 */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <linux/genetlink.h>
#include <linux/vdpa.h>
#include <linux/vhost.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "consumer.h"
#include "netlink.h"
#include "scratch.h"
#include "vdpa.h"

#define NEEDS		"modules vdpa_sim, vdpa_sim_net, vhost_vdpa"
#define VDPA_BUS	"/sys/bus/vdpa/"
#define MGMT_DEVICE	"vdpasim_net"
#define MAX_DEVICES	8	/* as many cells may be at work at a time */
#define IOVA		0x10000000ull

static char nodes[MAX_DEVICES][PIN_NODE_LEN];	/* /dev/vhost-vdpa-N */
static int nr_nodes;

struct vdpa {
	unsigned int perm;	/* VHOST_ACCESS_... */
	bool spaces;		/* the second half is in an address space of its own */
	int fd;
};

/* --- the devices --- */

static int order(int cmd, const char *name, const char *mgmt)
{
	const struct genlmsghdr genl = { .cmd = cmd, .version = VDPA_GENL_VERSION };
	int family = pin_nl_family(VDPA_GENL_NAME);
	struct pin_nl m;

	if (family < 0)
		return family;
	pin_nl_begin(&m, family, 0, &genl, sizeof(genl));
	if (mgmt)
		pin_nl_string(&m, VDPA_ATTR_MGMTDEV_DEV_NAME, mgmt);
	pin_nl_string(&m, VDPA_ATTR_DEV_NAME, name);
	return pin_nl_order(NETLINK_GENERIC, &m);
}

int pin_vdpa_remove(const char *name)
{
	int err = order(VDPA_CMD_DEV_DEL, name, NULL);

	return err == -ENODEV ? -ENOENT : err;
}

int pin_vdpa_prepare(char *why)
{
	return pin_scratch_setting(VDPA_BUS "drivers_autoprobe", "0", why);
}

int pin_vdpa_add(const char *name, const char *mgmt, const char *driver)
{
	int err = order(VDPA_CMD_DEV_NEW, name, mgmt);

	return err ? err : pin_vdpa_give(name, driver);
}

int pin_vdpa_give(const char *name, const char *driver)
{
	char path[128];
	int err;

	/* Before 5.17 a driver cannot be chosen. */
	snprintf(path, sizeof(path), VDPA_BUS "devices/%s/driver_override", name);
	err = pin_write_file(path, driver);
	if (!err || err == -ENOENT)
		err = pin_write_file(VDPA_BUS "drivers_probe", name);
	return err;
}

int pin_vdpa_take(const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), VDPA_BUS "devices/%s/driver/unbind", name);
	return pin_write_file(path, name);
}

/* The node of device @name appears below it when vhost_vdpa takes it. */
static bool find_node(const char *name, char *node)
{
	char pattern[128];
	glob_t found;

	snprintf(pattern, sizeof(pattern), VDPA_BUS "devices/%s/vhost-vdpa-*", name);
	if (glob(pattern, 0, NULL, &found))
		return false;
	snprintf(node, PIN_NODE_LEN, "/dev/%s", strrchr(found.gl_pathv[0], '/') + 1);
	globfree(&found);
	return !access(node, R_OK | W_OK);
}

int pin_vdpa_node(const char *name, char *node)
{
	for (int tries = 0; tries < 500; tries++) {
		if (find_node(name, node))
			return 0;
		usleep(10000);
	}
	return -ENODEV;
}

static int make_device(const char *name, char *why)
{
	int err = pin_scratch_undo(pin_vdpa_remove, name, why);

	if (err)
		return err;
	err = pin_vdpa_add(name, MGMT_DEVICE, "vhost_vdpa");
	if (err)
		return pin_why(why, err, "vdpa dev add name %s mgmtdev " MGMT_DEVICE ": %s",
			       name, strerror(-err));
	err = pin_vdpa_node(name, nodes[nr_nodes]);
	if (!err) {
		nr_nodes++;
		return 0;
	}
	return pin_why(why, err, "no /dev/vhost-vdpa-N for %s: kernel option VHOST_VDPA", name);
}

static int make_devices(const struct pin_kernel *k, char *why)
{
	static const char *const pins[] = { "use_va=0", NULL };
	char name[32];
	int err = pin_scratch_module("vdpa_sim", "VDPA_SIM", pins, why);

	(void)k;
	if (err == 1)
		return pin_why(why, -EBUSY, "module vdpa_sim is in use by others (modprobe vdpa_sim use_va=0)");
	if (!err)
		err = pin_scratch_module("vdpa_sim_net", "VDPA_SIM_NET", NULL, why);
	if (err >= 0)
		err = pin_scratch_module("vhost_vdpa", "VHOST_VDPA", NULL, why);
	if (err >= 0)
		err = pin_vdpa_prepare(why);
	for (int i = 0; i < MAX_DEVICES && err >= 0; i++) {
		snprintf(name, sizeof(name), "pinvdpa%d", i);
		err = make_device(name, why);
	}
	return err < 0 ? err : 0;
}

static int probe(const struct pin_kernel *k, char *why)
{
	static struct pin_once devices;

	return pin_scratch_once(&devices, k, make_devices, why);
}

/* --- the consumers --- */

static void vdpa_close(struct pin_op *op)
{
	struct vdpa *v = op->priv;

	if (!v)
		return;
	if (v->fd >= 0)
		close(v->fd);
	free(v);
	op->priv = NULL;
}

static int vdpa_open(struct pin_op *op, unsigned int perm, bool spaces)
{
	const uint64_t features = 1ull << VHOST_BACKEND_F_IOTLB_MSG_V2 |
				  (uint64_t)spaces << VHOST_BACKEND_F_IOTLB_ASID;
	struct vdpa *v = calloc(1, sizeof(*v));
	int err = 0;

	if (!v)
		return pin_why(op->why, -ENOMEM, "out of memory");
	op->priv = v;
	v->perm = perm;
	v->spaces = spaces;
	v->fd = pin_scratch_open_unused(nodes[0], nr_nodes, O_RDWR, NULL);
	if (v->fd < 0 || ioctl(v->fd, VHOST_SET_OWNER) ||
	    ioctl(v->fd, VHOST_SET_BACKEND_FEATURES, &features)) {
		err = pin_why(op->why, -errno, "vhost-vdpa: %s", strerror(errno));
		vdpa_close(op);
	}
	return err;
}

static int open_write(struct pin_op *op)
{
	return vdpa_open(op, VHOST_ACCESS_RW, false);
}

static int open_read(struct pin_op *op)
{
	return vdpa_open(op, VHOST_ACCESS_RO, false);
}

static int open_spaces(struct pin_op *op)
{
	return vdpa_open(op, VHOST_ACCESS_RW, true);
}

bool pin_vdpa_too_much(const struct pin_mem *m)
{
	struct rlimit limit;

	return !getrlimit(RLIMIT_MEMLOCK, &limit) &&
	       m->pages > limit.rlim_cur / m->kernel->page_size;
}

static void predict(const struct pin_op *op, struct pin_predict *p)
{
	const struct vdpa *v = op->priv;
	const struct pin_access access = {
		.write = v->perm != VHOST_ACCESS_RO, .longterm = true,
	};

	/* Whatever the reason, write() says EFAULT. */
	if (pin_vdpa_too_much(op->mem))
		p->result = -EFAULT;
	else
		pin_predict_all_or_nothing(op, &access, p);
	if (p->result) {
		p->result = -EFAULT;
		p->or_result = -EFAULT;
	} else {
		p->vmpin = op->mem->pages;
	}
}

static long tell(const struct pin_op *op, unsigned int type, unsigned int space, size_t skip,
		 size_t len)
{
	const struct vdpa *v = op->priv;
	const long ps = op->kernel->page_size;
	struct vhost_msg_v2 msg = {
		.type = VHOST_IOTLB_MSG_V2,
		.asid = space,
		.iotlb = {
			.iova = IOVA + ((uintptr_t)op->mem->addr & (ps - 1)) + skip,
			.size = len,
			.uaddr = (uintptr_t)op->mem->addr + skip,
			.perm = v->perm,
			.type = type,
		},
	};

	return write(v->fd, &msg, sizeof(msg)) == sizeof(msg) ? 0 : -errno;
}

/* Bytes of the first half, up to a page's end, or all. */
static size_t first_half(const struct pin_op *op)
{
	const struct vdpa *v = op->priv;
	const size_t ps = op->kernel->page_size;

	return !v->spaces || op->mem->pages < 2 ? op->mem->len :
	       op->mem->pages / 2 * ps - ((uintptr_t)op->mem->addr & (ps - 1));
}

static long unpin(struct pin_op *op)
{
	const size_t first = first_half(op);
	long err = tell(op, VHOST_IOTLB_INVALIDATE, 0, 0, first);

	return err || first == op->mem->len ? err :
	       tell(op, VHOST_IOTLB_INVALIDATE, 1, first, op->mem->len - first);
}

static long pin(struct pin_op *op)
{
	const size_t first = first_half(op);
	long err = tell(op, VHOST_IOTLB_UPDATE, 0, 0, first);

	if (err || first == op->mem->len)
		return err;
	err = tell(op, VHOST_IOTLB_UPDATE, 1, first, op->mem->len - first);
	if (err)
		tell(op, VHOST_IOTLB_INVALIDATE, 0, 0, first);
	return err;
}

#define VDPA_CONSUMER(_name, _help, _since, _open, ...)					\
	const struct pin_consumer pin_consumer_##_name = {				\
		.name = #_name,								\
		.help = _help,								\
		.path = "vhost_vdpa_process_iotlb_update > vhost_vdpa_pa_map > pin_user_pages",	\
		.since = _since,							\
		.doc_case = 2,								\
		.needs = NEEDS,								\
		.held = true,								\
		.charged = true,							\
		.probe = probe,								\
		.open = _open,								\
		.predict = predict,							\
		.pin = pin,								\
		.unpin = unpin,								\
		.close = vdpa_close,							\
		__VA_ARGS__								\
	}

VDPA_CONSUMER(vhost_vdpa, "memory of a virtio device in user space", "5.7", open_write,
	      .dirties = true);
VDPA_CONSUMER(vhost_vdpa_read, "the same, of which the device only reads", "5.7", open_read,
	      .only_read = true);
VDPA_CONSUMER(vhost_vdpa_spaces,
	      "memory of a virtio device, half of it in an address space of its own", "5.19",
	      open_spaces, .dirties = true);
