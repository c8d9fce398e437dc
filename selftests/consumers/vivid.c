// SPDX-License-Identifier: GPL-2.0
/*
 * V4L2 with memory of the user's (USERPTR), on vivid, a camera in software. The
 * pins stay when the buffer has been used, and even when the queue stops: only
 * giving up the queue's buffers ends them. A queue has one owner, so there is
 * a device for each process at a time.
 */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <linux/videodev2.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "consumer.h"
#include "scratch.h"

#define NEEDS		"module vivid"
#define DEVICES		8
#define WIDTH		320	/* vivid's smallest picture, 2 bytes a pixel */
#define HEIGHT		180
#define FRAME_MS	5000	/* it makes some 30 of them in a second */

static char nodes[DEVICES][32];
static int nr_nodes;

struct queue {
	int fd;
	size_t picture;		/* bytes */
	bool buffers;
	char *other;		/* memory for two pictures, queued before; or NULL */
	size_t other_len;
};

static bool is_vivid(const char *name_file)
{
	char name[64] = "";
	FILE *f = fopen(name_file, "re");

	if (!f)
		return false;
	if (!fgets(name, sizeof(name), f))
		*name = '\0';
	fclose(f);
	return !strncmp(name, "vivid-", 6) && strstr(name, "vid-cap");
}

static void find_nodes(void)
{
	glob_t found;

	nr_nodes = 0;
	if (glob("/sys/class/video4linux/video*/name", 0, NULL, &found))
		return;
	for (size_t i = 0; i < found.gl_pathc && nr_nodes < DEVICES; i++) {
		char *path = found.gl_pathv[i];

		if (!is_vivid(path))
			continue;
		*strrchr(path, '/') = '\0';
		snprintf(nodes[nr_nodes], sizeof(nodes[0]), "/dev/%s",
			 strrchr(path, '/') + 1);
		nr_nodes += !access(nodes[nr_nodes], F_OK);
	}
	globfree(&found);
}

static int make_devices(const struct pin_kernel *k, char *why)
{
	/* Of each, only what captures pictures. */
	static const char *const options[] = {
		"n_devs=8", "node_types=1,1,1,1,1,1,1,1", NULL
	};
	int err = pin_scratch_module("vivid", "VIDEO_VIVID", options, why);

	(void)k;
	if (err > 0)
		return pin_why(why, -EBUSY, "vivid is loaded, and may be somebody else's: rmmod vivid");
	for (int tries = 0; !err && tries < 300 && nr_nodes < DEVICES; tries++) {
		usleep(10000);
		find_nodes();
	}
	if (!err && !nr_nodes)
		err = pin_why(why, -ENODEV, "vivid makes no video device");
	return err;
}

static int probe(const struct pin_kernel *k, char *why)
{
	static struct pin_once devices;

	return pin_scratch_once(&devices, k, make_devices, why);
}

static int request_buffers(int fd, unsigned int count)
{
	struct v4l2_requestbuffers req = {
		.count = count,
		.type = V4L2_BUF_TYPE_VIDEO_CAPTURE,
		.memory = V4L2_MEMORY_USERPTR,
	};

	return ioctl(fd, VIDIOC_REQBUFS, &req) ? -errno : 0;
}

static void vivid_close(struct pin_op *op)
{
	struct queue *q = op->priv;

	if (!q)
		return;
	if (q->fd >= 0)
		close(q->fd);
	if (q->other)
		munmap(q->other, q->other_len);
	free(q);
	op->priv = NULL;
}

/* One whose queue nobody owns: it is ours from now on. Or -errno. */
static int free_device(void)
{
	int fd, err = -ENODEV;

	for (int i = 0; i < nr_nodes; i++) {
		fd = open(nodes[i], O_RDWR | O_CLOEXEC);
		if (fd < 0) {
			err = -errno;
			continue;
		}
		err = request_buffers(fd, 2);
		if (!err)
			return fd;
		close(fd);
	}
	return err;
}

static int vivid_open(struct pin_op *op)
{
	struct v4l2_format format = {
		.type = V4L2_BUF_TYPE_VIDEO_CAPTURE,
		.fmt.pix = {
			.width = WIDTH,
			.height = HEIGHT,
			.pixelformat = V4L2_PIX_FMT_YUYV,
			.field = V4L2_FIELD_NONE,
		},
	};
	struct queue *q = calloc(1, sizeof(*q));
	int err = 0;

	if (!q)
		return pin_why(op->why, -ENOMEM, "out of memory");
	op->priv = q;
	q->fd = free_device();
	if (q->fd < 0) {
		err = pin_why(op->why, q->fd, "vivid: %s", strerror(-q->fd));
	} else if (request_buffers(q->fd, 0) || ioctl(q->fd, VIDIOC_S_FMT, &format) ||
		   request_buffers(q->fd, 2)) {
		err = pin_why(op->why, -errno, "vivid: %s", strerror(errno));
	} else if (format.fmt.pix.sizeimage > op->mem->len) {
		err = pin_why(op->why, -EINVAL, "a picture needs %u bytes",
			      format.fmt.pix.sizeimage);
	}
	if (err) {
		vivid_close(op);
		return err;
	}
	q->picture = format.fmt.pix.sizeimage;
	q->buffers = true;
	return 0;
}

static void predict(const struct pin_op *op, struct pin_predict *p)
{
	struct pin_access access = { .write = true, .longterm = true, .fast = true };

	/* By FOLL_FORCE where the mapping forbids it. */
	if (op->kernel->version < PIN_KVER(6, 2) &&
	    !strcmp(op->mem->kind->name, "anon_readonly"))
		access.write = false;
	pin_predict_all_or_nothing(op, &access, p);
	if (op->kernel->version < PIN_KVER(5, 12)) {
		p->acquired = 0;	/* plain references */
		p->released = 0;
	}
}

static long enqueue(const struct queue *q, const void *addr, size_t len)
{
	struct v4l2_buffer buffer = {
		.type = V4L2_BUF_TYPE_VIDEO_CAPTURE,
		.memory = V4L2_MEMORY_USERPTR,
		.m.userptr = (uintptr_t)addr,
		.length = len,
	};

	return ioctl(q->fd, VIDIOC_QBUF, &buffer) ? -errno : 0;
}

static long pin(struct pin_op *op)
{
	struct queue *q = op->priv;

	if (!q->buffers && request_buffers(q->fd, 2))
		return -errno;
	q->buffers = true;
	return enqueue(q, op->mem->addr, op->mem->len);
}

/* --- a buffer that is queued again with other memory --- */

static int open_again(struct pin_op *op)
{
	const size_t ps = op->kernel->page_size;
	int err = vivid_open(op);
	struct queue *q = op->priv;

	if (err)
		return err;
	q->other_len = 2 * ((q->picture + ps - 1) & ~(ps - 1));
	q->other = mmap(NULL, q->other_len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			-1, 0);
	if (q->other == MAP_FAILED) {
		q->other = NULL;
		err = pin_why(op->why, -errno, "mmap: %s", strerror(errno));
		vivid_close(op);
		return err;
	}
	madvise(q->other, q->other_len, MADV_NOHUGEPAGE);
	memset(q->other, 1, q->other_len);
	return 0;
}

/* With one picture's worth, which is let go of for two, and these for op->mem. */
static void predict_again(const struct pin_op *op, struct pin_predict *p)
{
	const struct queue *q = op->priv;
	const uint64_t other = q->other_len / op->kernel->page_size * 3 / 2;

	predict(op, p);
	if (op->kernel->version < PIN_KVER(5, 12))
		return;
	p->acquired += other;
	p->released += other;
	if (op->kernel->movable_memory)
		p->migrated += other;
}

/* It stays pinned when the queue stops, until the buffer is queued again. */
static long stop(const struct queue *q)
{
	int type = V4L2_BUF_TYPE_VIDEO_CAPTURE;

	return ioctl(q->fd, VIDIOC_STREAMOFF, &type) ? -errno : 0;
}

static long pin_again(struct pin_op *op)
{
	struct queue *q = op->priv;
	long err;

	if (!q->buffers && request_buffers(q->fd, 2))
		return -errno;
	q->buffers = true;
	err = enqueue(q, q->other, q->other_len / 2) ?: stop(q);
	err = err ?: enqueue(q, q->other, q->other_len) ?: stop(q);
	return err ?: enqueue(q, op->mem->addr, op->mem->len);
}

/* One picture into it. */
static long use(struct pin_op *op)
{
	const struct queue *q = op->priv;
	struct v4l2_buffer buffer = {
		.type = V4L2_BUF_TYPE_VIDEO_CAPTURE,
		.memory = V4L2_MEMORY_USERPTR,
	};
	struct pollfd ready = { .fd = q->fd, .events = POLLIN };
	int n, type = V4L2_BUF_TYPE_VIDEO_CAPTURE;
	long err = 0;

	if (ioctl(q->fd, VIDIOC_STREAMON, &type))
		return -errno;
	n = poll(&ready, 1, FRAME_MS);
	if (n != 1)
		err = n ? -errno : -ETIMEDOUT;
	else if (ioctl(q->fd, VIDIOC_DQBUF, &buffer))
		err = -errno;
	else if (buffer.bytesused != q->picture)
		err = -EIO;
	if (ioctl(q->fd, VIDIOC_STREAMOFF, &type) && !err)
		err = -errno;
	return err;
}

static long unpin(struct pin_op *op)
{
	struct queue *q = op->priv;

	q->buffers = false;
	return request_buffers(q->fd, 0);
}

#define PINS	" > get_vaddr_frames > pin_user_pages_fast"

#define VIVID_CONSUMER(_name, _help, _way, _open, _predict, _pin)			\
	const struct pin_consumer pin_consumer_##_name = {				\
		.name = #_name,								\
		.help = _help,								\
		.path = "vb2_ioctl_qbuf > " _way "vb2_create_framevec" PINS,		\
		.since = "5.12",							\
		.doc_case = 2,								\
		.needs = NEEDS,								\
		.held = true,								\
		.dirties = true,							\
		.probe = probe,								\
		.open = _open,								\
		.predict = _predict,							\
		.pin = _pin,								\
		.use = use,								\
		.unpin = unpin,								\
		.close = vivid_close,							\
	}

VIVID_CONSUMER(vivid_userptr, "V4L2 buffer in the user's memory", "", vivid_open, predict, pin);
VIVID_CONSUMER(vivid_again, "V4L2 buffer in the user's memory, after it was in other memory",
	       "__prepare_userptr > ", open_again, predict_again, pin_again);
