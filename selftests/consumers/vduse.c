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
#include <linux/vhost.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "consumer.h"
#include "netlink.h"
#include "scratch.h"
#include "vdpa.h"

#define NEEDS		"modules vduse, virtio_vdpa, virtio_net"
#define CONTROL		"/dev/vduse/control"
#define MAX_DEVICES	9	/* as many cells may be at work at a time */
#define RINGS		2
#define DISCARD		9	/* the port */
#define ENTRIES		64
#define ANSWER_MS	10
#define LEAST_BYTES	(1u << 20)	/* VDUSE_MIN_BOUNCE_SIZE */
#define MOST_BYTES	(4u << 20)

/* Since Linux 7.0; later than the headers of some. */
#define VERSION_OF_SPACES	1	/* VDUSE_API_VERSION_1 */

struct umem {
	__u64 uaddr;
	__u64 iova;
	__u64 size;
	__u32 asid;
	__u32 reserved[5];
};

/* With a second address space each has half of the device's bytes, and a ring. */
struct devices {
	const char *name;
	unsigned int spaces;
	char nodes[MAX_DEVICES][PIN_NODE_LEN];	/* /dev/vduse/NAME */
	int nr;
	struct pin_once once;
};

static struct devices ordinary = { .name = "pinvduse", .spaces = 1 };
static struct devices with_spaces = { .name = "pinvduseas", .spaces = 2 };

struct vduse {
	unsigned int spaces;
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

/* Returns a descriptor or -errno. */
static int open_control(uint64_t version)
{
	int fd = open(CONTROL, O_RDWR | O_CLOEXEC), err;

	if (fd < 0 || !ioctl(fd, VDUSE_SET_API_VERSION, &version))
		return fd < 0 ? -errno : fd;
	err = -errno;
	close(fd);
	return err;
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

static int send_packet(int index)
{
	const struct sockaddr_in all = {
		.sin_family = AF_INET,
		.sin_port = htons(DISCARD),
		.sin_addr.s_addr = htonl(INADDR_BROADCAST),
	};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), yes = 1, err = 0;

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_BROADCAST, &yes, sizeof(yes)) ||
	    setsockopt(fd, SOL_SOCKET, SO_BINDTOIFINDEX, &index, sizeof(index)) ||
	    sendto(fd, "", 1, 0, (const struct sockaddr *)&all, sizeof(all)) != 1)
		err = -errno;
	if (fd >= 0)
		close(fd);
	return err;
}

/* Only vhost_vdpa moves a ring to another space, but it is others that bounce there. */
static int add_with_spaces(const char *name)
{
	const struct vhost_vring_state group = { .index = 1, .num = 1 };
	char node[PIN_NODE_LEN];
	int fd, err = pin_vdpa_add(name, "vduse", "vhost_vdpa");

	err = err ?: pin_vdpa_node(name, node);
	if (err)
		return err;
	fd = open(node, O_RDWR | O_CLOEXEC);
	err = fd < 0 || ioctl(fd, VHOST_SET_OWNER) ||
	      ioctl(fd, VHOST_VDPA_SET_GROUP_ASID, &group) ? -errno : 0;
	if (fd >= 0)
		close(fd);
	err = err ?: pin_vdpa_take(name);
	return err ?: pin_vdpa_give(name, "virtio_vdpa");
}

/*
 * When the card comes up the driver gives it buffers, that is what it takes; and a packet,
 * for the ring that these are not in.
 */
static int put_to_work(const char *name, bool sends)
{
	char pattern[128];
	int index, err;
	glob_t found;

	snprintf(pattern, sizeof(pattern), "/sys/bus/vdpa/devices/%s/virtio*/net/*", name);
	if (glob(pattern, 0, NULL, &found))
		return -ENODEV;
	index = if_nametoindex(strrchr(found.gl_pathv[0], '/') + 1);
	globfree(&found);
	err = set_up_or_down(index, IFF_UP);
	if (!err && sends)
		err = send_packet(index);
	return err ? err : set_up_or_down(index, 0);
}

static int give_to_driver(const char *name)
{
	int err = pin_vdpa_add(name, "vduse", "virtio_vdpa");

	return err ? err : put_to_work(name, false);
}

static int give_with_spaces(const char *name)
{
	int err = add_with_spaces(name);

	return err ? err : put_to_work(name, true);
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
		control = open_control(VDUSE_API_VERSION);
		err = control < 0 ? control :
		      ioctl(control, VDUSE_DESTROY_DEV, whole_name) ? -errno : 0;
	}
	if (control >= 0)
		close(control);
	return err;
}

static int create_device(const struct devices *d, const char *name)
{
	union {
		struct vduse_dev_config config;
		__u32 words[sizeof(struct vduse_dev_config) / sizeof(__u32)];
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
	const size_t behind = offsetof(struct vduse_dev_config, vq_align) / sizeof(__u32) + 1;
	int control = open_control(d->spaces > 1 ? VERSION_OF_SPACES : VDUSE_API_VERSION);
	int err = 0;

	if (control < 0)
		return control;
	snprintf(device.config.name, sizeof(device.config.name), "%s", name);
	if (d->spaces > 1) {
		device.words[behind] = RINGS;		/* groups of rings */
		device.words[behind + 1] = d->spaces;
	}
	if (ioctl(control, VDUSE_CREATE_DEV, &device))
		err = -errno;
	close(control);
	return err;
}

static int set_up_ring(const struct devices *d, int fd, unsigned int index)
{
	union {
		struct vduse_vq_config config;
		__u32 words[sizeof(struct vduse_vq_config) / sizeof(__u32)];
	} ring = { .config = { .index = index, .max_size = ENTRIES } };

	/* Its group. */
	if (d->spaces > 1)
		ring.words[2] = index;
	return ioctl(fd, VDUSE_VQ_SETUP, &ring) ? -errno : 0;
}

static int set_bytes(const char *name, size_t bytes)
{
	char path[128], number[32];

	snprintf(path, sizeof(path), "/sys/class/vduse/%s/bounce_size", name);
	snprintf(number, sizeof(number), "%zu", bytes);
	return pin_write_file(path, number);
}

static int make_device(const struct devices *d, const char *name, size_t bytes, char *why)
{
	int fd, err = pin_scratch_undo(destroy_device, name, why);

	if (err)
		return err;
	err = create_device(d, name);
	if (err == -EINVAL && d->spaces > 1)
		return pin_why(why, -EOPNOTSUPP, "VDUSE has no second address space: Linux 7.0");
	if (err)
		return pin_why(why, err, CONTROL ": %s", strerror(-err));
	fd = open_node(name);
	if (fd < 0)
		return pin_why(why, -errno, "/dev/vduse/%s: %s", name, strerror(errno));
	for (unsigned int i = 0; !err && i < RINGS; i++)
		err = set_up_ring(d, fd, i);
	if (!err)
		err = set_bytes(name, bytes);
	if (err) {
		pin_why(why, err, "VDUSE device of %zu bytes (Linux 6.8): %s", bytes,
			strerror(-err));
	} else {
		err = while_answering(fd, d->spaces > 1 ? give_with_spaces : give_to_driver, name);
		if (err)
			pin_why(why, err, "vdpa dev add name %s mgmtdev vduse, for virtio_vdpa and virtio_net: %s (kernel options VIRTIO_VDPA, VIRTIO_NET)",
				name, strerror(-err));
	}
	close(fd);
	return err;
}

static int make_devices(struct devices *d, const struct pin_kernel *k, char *why)
{
	int err = pin_scratch_module("vduse", "VDPA_USER", NULL, why);
	char name[32];

	if (err >= 0)
		err = pin_vdpa_prepare(why);
	if (err >= 0)
		err = pin_scratch_module("virtio_vdpa", "VIRTIO_VDPA", NULL, why);
	if (err >= 0)
		err = pin_scratch_module("virtio_net", "VIRTIO_NET", NULL, why);
	if (err >= 0 && d->spaces > 1)
		err = pin_scratch_module("vhost_vdpa", "VHOST_VDPA", NULL, why);
	for (; err >= 0 && d->nr < MAX_DEVICES; d->nr++) {
		snprintf(name, sizeof(name), "%s%d", d->name, d->nr);
		snprintf(d->nodes[d->nr], sizeof(d->nodes[0]), "/dev/vduse/%s", name);
		err = make_device(d, name, device_bytes(k), why);
	}
	return err < 0 ? err : 0;
}

static int make_ordinary(const struct pin_kernel *k, char *why)
{
	return make_devices(&ordinary, k, why);
}

static int make_with_spaces(const struct pin_kernel *k, char *why)
{
	return make_devices(&with_spaces, k, why);
}

static int probe(const struct pin_kernel *k, char *why)
{
	return pin_scratch_once(&ordinary.once, k, make_ordinary, why);
}

static int probe_spaces(const struct pin_kernel *k, char *why)
{
	return pin_scratch_once(&with_spaces.once, k, make_with_spaces, why);
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

static int vduse_open(struct pin_op *op, const struct devices *d)
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
	v->spaces = d->spaces;
	v->fd = pin_scratch_open_unused(d->nodes[0], d->nr, O_RDWR, NULL);
	if (v->fd < 0) {
		err = pin_why(op->why, -errno, "/dev/vduse: %s", strerror(errno));
		vduse_close(op);
	}
	return err;
}

static int open_ordinary(struct pin_op *op)
{
	return vduse_open(op, &ordinary);
}

static int open_spaces(struct pin_op *op)
{
	return vduse_open(op, &with_spaces);
}

static void predict(const struct pin_op *op, struct pin_predict *p)
{
	const struct pin_access access = { .write = true, .longterm = true };
	const struct vduse *v = op->priv;
	struct pin_mem part = *op->mem;

	part.pages /= v->spaces;
	if (pin_vdpa_too_much(op->mem)) {
		p->result = -ENOMEM;
		p->or_result = -ENOMEM;
		/* It is the second one that is too much. */
		if (!pin_vdpa_too_much(&part)) {
			p->acquired = part.pages;
			p->released = part.pages;
		}
		return;
	}
	pin_predict_all_or_nothing(op, &access, p);
	if (p->result && p->acquired % part.pages) {
		p->result = -ENOMEM;
		p->or_result = -ENOMEM;
	} else if (!p->result) {
		p->vmpin = op->mem->pages;
		p->referenced = true;
	}
}

static void predict_unpin_first(const struct pin_op *op, const struct pin_predict *pin,
				struct pin_predict *p)
{
	p->released = op->mem->pages / 2;
	p->vmpin = -(int64_t)p->released;
}

static long tell(const struct pin_op *op, unsigned long what, unsigned int space)
{
	const struct vduse *v = op->priv;
	const size_t bytes = op->mem->len / v->spaces;
	const struct umem umem = {
		.uaddr = (uintptr_t)op->mem->addr + space * bytes,
		.size = bytes,
		.asid = space,
	};

	return ioctl(v->fd, what, &umem) ? -errno : 0;
}

static long pin(struct pin_op *op)
{
	const struct vduse *v = op->priv;
	long err = tell(op, VDUSE_IOTLB_REG_UMEM, 0);

	if (err || v->spaces < 2)
		return err;
	err = tell(op, VDUSE_IOTLB_REG_UMEM, 1);
	if (err)
		tell(op, VDUSE_IOTLB_DEREG_UMEM, 0);
	return err;
}

static long unpin(struct pin_op *op)
{
	const struct vduse *v = op->priv;
	long err = v->spaces < 2 ? 0 : tell(op, VDUSE_IOTLB_DEREG_UMEM, 1);

	return err ? err : tell(op, VDUSE_IOTLB_DEREG_UMEM, 0);
}

static long unpin_first(struct pin_op *op)
{
	return tell(op, VDUSE_IOTLB_DEREG_UMEM, 0);
}

#define VDUSE_CONSUMER(_name, _help, _since, _needs, _probe, _open, _unpin, ...)	\
	const struct pin_consumer pin_consumer_##_name = {				\
		.name = #_name,								\
		.help = _help,								\
		.path = "vduse_dev_ioctl > vduse_dev_reg_umem > pin_user_pages",	\
		.since = _since,							\
		.doc_case = 2,								\
		.needs = _needs,							\
		.held = true,								\
		.charged = true,							\
		.by_anyone = true,							\
		.pages = device_pages,							\
		.dirties = true,							\
		.probe = _probe,							\
		.open = _open,								\
		.predict = predict,							\
		.pin = pin,								\
		.unpin = _unpin,							\
		.close = vduse_close,							\
		__VA_ARGS__								\
	}

VDUSE_CONSUMER(vduse_umem, "memory through which a virtio device in user space gets its data",
	       "6.0", NEEDS, probe, open_ordinary, unpin);
VDUSE_CONSUMER(vduse_umem_spaces, "the same, the second half in an address space of its own",
	       "7.0", NEEDS ", vhost_vdpa", probe_spaces, open_spaces, unpin);
VDUSE_CONSUMER(vduse_umem_second, "the same in two address spaces, the first given back before",
	       "7.0", NEEDS ", vhost_vdpa", probe_spaces, open_spaces, unpin_first,
	       .predict_unpin = predict_unpin_first);
