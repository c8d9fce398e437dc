// SPDX-License-Identifier: GPL-2.0
/*
 * V4L2 with memory of the user's (USERPTR), on vivid, a camera in software. The
 * pins stay when the buffer has been used, and even when the queue stops: only
 * giving up the queue's buffers ends them. A queue has one owner, so there is
 * a device for each process at a time, and as many that give each plane of a
 * picture memory of its own.
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
#define DEVICES		16
#define PLANES		3
#define WIDTH		320	/* vivid's smallest picture, 2 bytes a pixel */
#define HEIGHT		180
#define SINGLE		V4L2_BUF_TYPE_VIDEO_CAPTURE
#define PLANAR		V4L2_BUF_TYPE_VIDEO_CAPTURE_MPLANE
#define FRAME_MS	5000	/* it makes some 30 of them in a second */

static char nodes[DEVICES][32];
static int nr_nodes;

/* Of Linus's kernels that is 5.12, but 5.10.223 does as well. */
#define PINS_SINCE	PIN_KVER(5, 10)

struct queue {
	int fd;
	int type;		/* SINGLE, or PLANAR: several planes */
	unsigned int planes;
	size_t picture[PLANES];	/* bytes of each */
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
	/* Of each, only what captures pictures; of the second half, plane by plane. */
	static const char *const options[] = {
		"n_devs=16", "node_types=1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1",
		"multiplanar=1,1,1,1,1,1,1,1,2,2,2,2,2,2,2,2", NULL
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

static int request_buffers(int fd, int type, unsigned int count)
{
	struct v4l2_requestbuffers req = {
		.count = count,
		.type = type,
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

/* One of this type whose queue nobody owns: it is ours from now on. Or -errno. */
static int free_device(int type)
{
	int fd, one, err = -ENODEV;

	for (int i = 0; i < nr_nodes; i++) {
		fd = open(nodes[i], O_RDWR | O_CLOEXEC);
		if (fd < 0) {
			err = -errno;
			continue;
		}
		one = request_buffers(fd, type, 2);
		if (!one)
			return fd;
		/* It knows no such type. */
		if (one != -EINVAL)
			err = one;
		close(fd);
	}
	return err;
}

static int set_format(struct queue *q)
{
	struct v4l2_format format = { .type = q->type };
	struct v4l2_pix_format_mplane *planes = &format.fmt.pix_mp;

	if (q->type == SINGLE)
		format.fmt.pix = (struct v4l2_pix_format){
			.width = WIDTH, .height = HEIGHT,
			.pixelformat = V4L2_PIX_FMT_YUYV, .field = V4L2_FIELD_NONE,
		};
	else
		*planes = (struct v4l2_pix_format_mplane){
			.width = WIDTH, .height = HEIGHT, .num_planes = PLANES,
			.pixelformat = V4L2_PIX_FMT_YUV420M, .field = V4L2_FIELD_NONE,
		};
	if (ioctl(q->fd, VIDIOC_S_FMT, &format))
		return -errno;
	q->planes = 1;
	q->picture[0] = format.fmt.pix.sizeimage;
	if (q->type == SINGLE)
		return 0;
	if (planes->num_planes != PLANES || planes->pixelformat != V4L2_PIX_FMT_YUV420M)
		return -EPROTO;
	q->planes = PLANES;
	for (unsigned int i = 0; i < PLANES; i++)
		q->picture[i] = planes->plane_fmt[i].sizeimage;
	return 0;
}

/*
 * Where in @len bytes from @addr on the memory of each plane begins, and behind the last
 * one where it ends. They meet between pages: the first has half of these, the next two
 * a quarter.
 */
static void lay_out(const struct queue *q, const void *addr, size_t len, size_t *from)
{
	const size_t ps = getpagesize();
	const size_t before = (uintptr_t)addr & (ps - 1), pages = (before + len) / ps;

	from[0] = 0;
	for (unsigned int i = 1; i < q->planes; i++) {
		const size_t end = (i + 1) * pages / 4 * ps;

		from[i] = end > before ? end - before : 0;
	}
	from[q->planes] = len;
}

static int vivid_open(struct pin_op *op, int type)
{
	struct queue *q = calloc(1, sizeof(*q));
	size_t from[PLANES + 1];
	int err;

	if (!q)
		return pin_why(op->why, -ENOMEM, "out of memory");
	op->priv = q;
	q->type = type;
	q->fd = free_device(type);
	err = q->fd < 0 ? q->fd : 0;
	err = err ?: request_buffers(q->fd, type, 0);
	err = err ?: set_format(q);
	err = err ?: request_buffers(q->fd, type, 2);
	if (err)
		pin_why(op->why, err, "vivid: %s", strerror(-err));
	else
		lay_out(q, op->mem->addr, op->mem->len, from);
	for (unsigned int i = 0; !err && i < q->planes; i++) {
		if (q->picture[i] > from[i + 1] - from[i])
			err = pin_why(op->why, -EINVAL, "a picture needs %zu bytes%s",
				      q->picture[i], type == SINGLE ? "" : " for a plane");
	}
	if (err) {
		vivid_close(op);
		return err;
	}
	q->buffers = true;
	return 0;
}

static int open_single(struct pin_op *op)
{
	return vivid_open(op, SINGLE);
}

static int open_planes(struct pin_op *op)
{
	return vivid_open(op, PLANAR);
}

/* Plane by plane; if one is not to be had those before it are given back. */
static void predict(const struct pin_op *op, struct pin_predict *p)
{
	const struct queue *q = op->priv;
	struct pin_access access = { .write = true, .longterm = true, .fast = true };
	size_t from[PLANES + 1];

	/* By FOLL_FORCE where the mapping forbids it. */
	if (op->kernel->version < PIN_KVER(6, 2) &&
	    !strcmp(op->mem->kind->name, "anon_readonly"))
		access.write = false;
	lay_out(q, op->mem->addr, op->mem->len, from);
	for (unsigned int i = 0; i < q->planes && !p->result; i++) {
		struct pin_predict one = { .acquired = 0 };
		struct pin_mem mem = *op->mem;
		struct pin_op part = *op;

		pin_mem_cut(&mem, from[i], from[i + 1] - from[i]);
		part.mem = &mem;
		pin_predict_all_or_nothing(&part, &access, &one);
		p->acquired += one.acquired;
		p->released += one.released;
		p->migrated += one.migrated;
		p->result = one.result;
	}
	p->or_result = p->result;
	if (p->result)
		p->released = p->acquired;
	if (op->kernel->version < PINS_SINCE) {
		p->acquired = 0;	/* plain references */
		p->released = 0;
	}
}

static long enqueue(const struct queue *q, const void *addr, size_t len)
{
	struct v4l2_plane planes[PLANES] = { 0 };
	struct v4l2_buffer buffer = {
		.type = q->type,
		.memory = V4L2_MEMORY_USERPTR,
	};
	size_t from[PLANES + 1];

	if (q->type == SINGLE) {
		buffer.m.userptr = (uintptr_t)addr;
		buffer.length = len;
	} else {
		lay_out(q, addr, len, from);
		buffer.m.planes = planes;
		buffer.length = q->planes;
	}
	for (unsigned int i = 0; q->type == PLANAR && i < q->planes; i++) {
		planes[i].m.userptr = (uintptr_t)addr + from[i];
		planes[i].length = from[i + 1] - from[i];
	}
	return ioctl(q->fd, VIDIOC_QBUF, &buffer) ? -errno : 0;
}

static long need_buffers(struct queue *q)
{
	long err = q->buffers ? 0 : request_buffers(q->fd, q->type, 2);

	if (!err)
		q->buffers = true;
	return err;
}

static long pin(struct pin_op *op)
{
	struct queue *q = op->priv;

	return need_buffers(q) ?: enqueue(q, op->mem->addr, op->mem->len);
}

/* --- a buffer that is queued again with other memory --- */

static int open_again(struct pin_op *op)
{
	const size_t ps = op->kernel->page_size;
	int err = open_single(op);
	struct queue *q = op->priv;

	if (err)
		return err;
	q->other_len = 2 * ((q->picture[0] + ps - 1) & ~(ps - 1));
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
	if (op->kernel->version < PINS_SINCE)
		return;
	p->acquired += other;
	p->released += other;
	if (op->kernel->movable_memory)
		p->migrated += other;
}

/* It stays pinned when the queue stops, until the buffer is queued again. */
static long stop(const struct queue *q)
{
	return ioctl(q->fd, VIDIOC_STREAMOFF, &q->type) ? -errno : 0;
}

static long pin_again(struct pin_op *op)
{
	struct queue *q = op->priv;
	long err = need_buffers(q);

	err = err ?: enqueue(q, q->other, q->other_len / 2) ?: stop(q);
	err = err ?: enqueue(q, q->other, q->other_len) ?: stop(q);
	return err ?: enqueue(q, op->mem->addr, op->mem->len);
}

/* Take the buffer back: is a whole picture in it? */
static long dequeue(const struct queue *q)
{
	struct v4l2_plane planes[PLANES] = { 0 };
	struct v4l2_buffer buffer = {
		.type = q->type,
		.memory = V4L2_MEMORY_USERPTR,
	};

	if (q->type == PLANAR) {
		buffer.m.planes = planes;
		buffer.length = q->planes;
	}
	if (ioctl(q->fd, VIDIOC_DQBUF, &buffer))
		return -errno;
	if (q->type == SINGLE)
		planes[0].bytesused = buffer.bytesused;
	for (unsigned int i = 0; i < q->planes; i++) {
		if (planes[i].bytesused != q->picture[i])
			return -EIO;
	}
	return 0;
}

/* One picture into it. */
static long use(struct pin_op *op)
{
	const struct queue *q = op->priv;
	struct pollfd ready = { .fd = q->fd, .events = POLLIN };
	long err;
	int n;

	if (ioctl(q->fd, VIDIOC_STREAMON, &q->type))
		return -errno;
	n = poll(&ready, 1, FRAME_MS);
	if (n != 1)
		err = n ? -errno : -ETIMEDOUT;
	else
		err = dequeue(q);
	return stop(q) ?: err;
}

static long unpin(struct pin_op *op)
{
	struct queue *q = op->priv;

	q->buffers = false;
	return request_buffers(q->fd, q->type, 0);
}

#define PINS	" > get_vaddr_frames > pin_user_pages_fast"

#define VIVID_CONSUMER(_name, _help, _way, _open, _predict, _pin)			\
	const struct pin_consumer pin_consumer_##_name = {				\
		.name = #_name,								\
		.help = _help,								\
		.path = "vb2_core_qbuf > " _way "vb2_create_framevec" PINS,		\
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

VIVID_CONSUMER(vivid_userptr, "V4L2 buffer in the user's memory", "", open_single, predict, pin);
VIVID_CONSUMER(vivid_planes, "V4L2 buffer whose planes are each a part of the user's memory",
	       "__prepare_userptr > ", open_planes, predict, pin);
VIVID_CONSUMER(vivid_again, "V4L2 buffer in the user's memory, after it was in other memory",
	       "__prepare_userptr > ", open_again, predict_again, pin_again);
