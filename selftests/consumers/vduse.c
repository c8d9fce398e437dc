// SPDX-License-Identifier: GPL-2.0
/*
 * VDUSE: memory that a process which is a virtio device in user space gives the
 * kernel to copy all data through. A driver must have taken the device before:
 * here it is a network card of the kernel's, up for a moment, and we answer what
 * the driver asks of it. Takes exactly the bytes that the device says, and counts
 * in VmPin.
 */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <linux/rtnetlink.h>
#include <linux/vduse.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "consumer.h"
#include "netlink.h"
#include "scratch.h"
#include "vdpa.h"

#define NEEDS		"modules vduse, virtio_vdpa, virtio_net"
#define CONTROL		"/dev/vduse/control"
#define MAX_DEVICES	8	/* as many processes may be at work at a time */
#define RINGS		2
#define ENTRIES		64
#define ANSWER_MS	10
#define LEAST_BYTES	(1u << 20)	/* VDUSE_MIN_BOUNCE_SIZE */
#define MOST_BYTES	(4u << 20)

static char nodes[MAX_DEVICES][PIN_NODE_LEN];	/* /dev/vduse/NAME */
static int nr_nodes;

struct vduse {
	int fd;
};

/* A huge page, where that is not too much. */
static size_t device_bytes(const struct pin_kernel *k)
{
	return k->pmd_size && k->pmd_size <= MOST_BYTES ? k->pmd_size : LEAST_BYTES;
}

static unsigned int device_pages(const struct pin_kernel *k)
{
	return device_bytes(k) / k->page_size;
}

/* --- the devices --- */

static int open_control(void)
{
	uint64_t version = VDUSE_API_VERSION;
	int fd = open(CONTROL, O_RDWR | O_CLOEXEC);

	if (fd >= 0 && ioctl(fd, VDUSE_SET_API_VERSION, &version)) {
		close(fd);
		fd = -1;
	}
	return fd;
}

static void answer(int fd)
{
	struct vduse_dev_request request;
	struct vduse_dev_response response = { .result = VDUSE_REQ_RESULT_OK };

	if (read(fd, &request, sizeof(request)) != sizeof(request))
		return;
	response.request_id = request.request_id;
	/* Fails if the driver has given up. */
	if (write(fd, &response, sizeof(response)) < 0)
		return;
}

/* Have @work(@name) done by somebody else while we are device @fd: 0 or -errno. */
static int while_answering(int fd, int (*work)(const char *name), const char *name)
{
	struct pollfd poll_fd = { .fd = fd, .events = POLLIN };
	int status;
	pid_t pid, gone;

	pid = fork();
	if (pid < 0)
		return -errno;
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		pin_scratch_disown();
		_exit(-work(name));
	}
	while (!(gone = waitpid(pid, &status, WNOHANG))) {
		if (poll(&poll_fd, 1, ANSWER_MS) > 0)
			answer(fd);
	}
	return gone == pid && WIFEXITED(status) ? -WEXITSTATUS(status) : -EINTR;
}

static int set_up_or_down(int index, unsigned int up)
{
	const struct ifinfomsg info = {
		.ifi_index = index, .ifi_flags = up, .ifi_change = IFF_UP,
	};
	struct pin_nl m;

	pin_nl_begin(&m, RTM_NEWLINK, 0, &info, sizeof(info));
	return pin_nl_order(NETLINK_ROUTE, &m);
}

/* When the card comes up the driver gives it buffers, that is what it takes. */
static int give_to_driver(const char *name)
{
	int index, err = pin_vdpa_add(name, "vduse", "virtio_vdpa");
	char pattern[128];
	glob_t found;

	if (err)
		return err;
	snprintf(pattern, sizeof(pattern), "/sys/bus/vdpa/devices/%s/virtio*/net/*", name);
	if (glob(pattern, 0, NULL, &found))
		return -ENODEV;
	index = if_nametoindex(strrchr(found.gl_pathv[0], '/') + 1);
	globfree(&found);
	err = set_up_or_down(index, IFF_UP);
	return err ? err : set_up_or_down(index, 0);
}

static int open_node(const char *name)
{
	char path[64];

	snprintf(path, sizeof(path), "/dev/vduse/%s", name);
	return open(path, O_RDWR | O_CLOEXEC);
}

static int destroy_device(const char *name)
{
	char whole_name[VDUSE_NAME_MAX] = "";
	int control = -1, fd = open_node(name), err;

	if (fd < 0)
		return -errno;
	err = while_answering(fd, pin_vdpa_remove, name);
	close(fd);
	if (!err || err == -ENOENT) {
		snprintf(whole_name, sizeof(whole_name), "%s", name);
		control = open_control();
		err = control < 0 || ioctl(control, VDUSE_DESTROY_DEV, whole_name) ? -errno : 0;
	}
	if (control >= 0)
		close(control);
	return err;
}

static int create_device(const char *name)
{
	union {
		struct vduse_dev_config config;
		char room[sizeof(struct vduse_dev_config) + sizeof(struct virtio_net_config)];
	} device = {
		.config = {
			.device_id = VIRTIO_ID_NET,
			.features = 1ull << VIRTIO_F_VERSION_1 | 1ull << VIRTIO_F_ACCESS_PLATFORM,
			.vq_num = RINGS,
			.vq_align = 64,
			.config_size = sizeof(struct virtio_net_config),
		},
	};
	int control = open_control(), err = 0;

	snprintf(device.config.name, sizeof(device.config.name), "%s", name);
	if (control < 0 || ioctl(control, VDUSE_CREATE_DEV, &device))
		err = -errno;
	if (control >= 0)
		close(control);
	return err;
}

static int set_bytes(const char *name, size_t bytes)
{
	char path[128], number[32];

	snprintf(path, sizeof(path), "/sys/class/vduse/%s/bounce_size", name);
	snprintf(number, sizeof(number), "%zu", bytes);
	return pin_write_file(path, number);
}

static int make_device(const char *name, size_t bytes, char *why)
{
	int fd, err = pin_scratch_undo(destroy_device, name, why);

	if (err)
		return err;
	err = create_device(name);
	if (err)
		return pin_why(why, err, CONTROL ": %s", strerror(-err));
	fd = open_node(name);
	if (fd < 0)
		return pin_why(why, -errno, "/dev/vduse/%s: %s", name, strerror(errno));
	for (unsigned int i = 0; !err && i < RINGS; i++) {
		struct vduse_vq_config ring = { .index = i, .max_size = ENTRIES };

		err = ioctl(fd, VDUSE_VQ_SETUP, &ring) ? -errno : 0;
	}
	if (!err)
		err = set_bytes(name, bytes);
	if (err) {
		pin_why(why, err, "VDUSE device of %zu bytes (Linux 6.8): %s", bytes,
			strerror(-err));
	} else {
		err = while_answering(fd, give_to_driver, name);
		if (err)
			pin_why(why, err, "vdpa dev add name %s mgmtdev vduse, for virtio_vdpa and virtio_net: %s (kernel options VIRTIO_VDPA, VIRTIO_NET)",
				name, strerror(-err));
	}
	close(fd);
	return err;
}

static int make_devices(const struct pin_kernel *k, char *why)
{
	int err = pin_scratch_module("vduse", "VDPA_USER", NULL, why);
	char name[32];

	if (err >= 0)
		err = pin_vdpa_prepare(why);
	if (err >= 0)
		err = pin_scratch_module("virtio_vdpa", "VIRTIO_VDPA", NULL, why);
	if (err >= 0)
		err = pin_scratch_module("virtio_net", "VIRTIO_NET", NULL, why);
	for (; err >= 0 && nr_nodes < MAX_DEVICES; nr_nodes++) {
		snprintf(name, sizeof(name), "pinvduse%d", nr_nodes);
		snprintf(nodes[nr_nodes], sizeof(nodes[0]), "/dev/vduse/%s", name);
		err = make_device(name, device_bytes(k), why);
	}
	return err < 0 ? err : 0;
}

static int probe(const struct pin_kernel *k, char *why)
{
	static struct pin_once devices;

	return pin_scratch_once(&devices, k, make_devices, why);
}

/* --- the consumer --- */

static void vduse_close(struct pin_op *op)
{
	struct vduse *v = op->priv;

	if (!v)
		return;
	if (v->fd >= 0)
		close(v->fd);
	free(v);
	op->priv = NULL;
}

static int vduse_open(struct pin_op *op)
{
	const size_t bytes = device_bytes(op->kernel);
	struct vduse *v;
	int err = 0;

	if (op->mem->len != bytes || (uintptr_t)op->mem->addr & (op->kernel->page_size - 1))
		return pin_why(op->why, -EINVAL, "the device takes whole pages, %zu bytes of them",
			       bytes);
	v = calloc(1, sizeof(*v));
	if (!v)
		return pin_why(op->why, -ENOMEM, "out of memory");
	op->priv = v;
	v->fd = pin_scratch_open_unused(nodes[0], nr_nodes, O_RDWR, NULL);
	if (v->fd < 0) {
		err = pin_why(op->why, -errno, "/dev/vduse: %s", strerror(errno));
		vduse_close(op);
	}
	return err;
}

static void predict(const struct pin_op *op, struct pin_predict *p)
{
	const struct pin_access access = { .write = true, .longterm = true };

	if (pin_vdpa_too_much(op->mem)) {
		p->result = -ENOMEM;
		p->or_result = -ENOMEM;
		return;
	}
	pin_predict_all_or_nothing(op, &access, p);
	if (p->result && p->acquired) {
		p->result = -ENOMEM;
		p->or_result = -ENOMEM;
	} else if (!p->result) {
		p->vmpin = op->mem->pages;
		p->referenced = true;
	}
}

static long tell(const struct pin_op *op, unsigned long what)
{
	const struct vduse *v = op->priv;
	const struct vduse_iova_umem umem = {
		.uaddr = (uintptr_t)op->mem->addr,
		.size = op->mem->len,
	};

	return ioctl(v->fd, what, &umem) ? -errno : 0;
}

static long pin(struct pin_op *op)
{
	return tell(op, VDUSE_IOTLB_REG_UMEM);
}

static long unpin(struct pin_op *op)
{
	return tell(op, VDUSE_IOTLB_DEREG_UMEM);
}

const struct pin_consumer pin_consumer_vduse_umem = {
	.name = "vduse_umem",
	.help = "memory through which a virtio device in user space gets its data",
	.path = "vduse_dev_ioctl > vduse_dev_reg_umem > pin_user_pages",
	.since = "6.0",
	.doc_case = 2,
	.needs = NEEDS,
	.held = true,
	.charged = true,
	.by_anyone = true,
	.pages = device_pages,
	.dirties = true,
	.probe = probe,
	.open = vduse_open,
	.predict = predict,
	.pin = pin,
	.unpin = unpin,
	.close = vduse_close,
};
