// SPDX-License-Identifier: GPL-2.0
/*
 * Direct I/O on a FUSE file: the memory is pinned while the server copies to it
 * or from it, up to 32 pages in one request.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <linux/fuse.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fuse.h"
#include "pieces.h"
#include "scratch.h"
#include "server.h"
#include "transfer.h"

#define NEEDS		"module fuse"

#define DEVICE		"/dev/fuse"
#define FILE_NODE	2	/* the one file; 1 is the root */
#define HEADER_ROOM	4096	/* bytes before the data of a request */

struct server {
	pid_t pid;
	int dev;		/* its connection to the kernel */
	int file;		/* what the consumer works on */
	bool write_memory;
	bool async;		/* several requests at a time, for those who do not wait */
	aio_context_t ctx;	/* or 0 */
	enum pin_answer does;	/* what transfers ask for, or less */
	void *clean;		/* before it answers a read; or NULL */
	size_t clean_len;
	char *data;		/* of the file, as much as is transferred; or NULL */
	size_t data_len;
	size_t max_write;
	size_t room;
	char *request;		/* as it came in */
	char *answer;
};

/* --- the server --- */

static void reply(struct server *s, uint64_t unique, int error, size_t len)
{
	struct fuse_out_header *out = (void *)s->answer;

	out->unique = unique;
	out->error = error;
	out->len = sizeof(*out) + (error ? 0 : len);
	/* Fails if the request was given up meanwhile. */
	if (write(s->dev, s->answer, out->len) < 0)
		return;
}

static void set_attr(struct fuse_attr *attr, uint64_t node)
{
	memset(attr, 0, sizeof(*attr));
	attr->ino = node;
	attr->size = node == FILE_NODE ? 1u << 30 : 0;
	attr->mode = node == FILE_NODE ? S_IFREG | 0600 : S_IFDIR | 0700;
	attr->nlink = 1;
}

/* What the file has at @offset, of @len bytes or less, and *@has of how many. */
static char *data_at(const struct server *s, uint64_t offset, size_t len, size_t *has)
{
	if (!s->data || offset >= s->data_len)
		*has = 0;
	else
		*has = len < s->data_len - offset ? len : s->data_len - offset;
	return *has ? s->data + offset : NULL;
}

static void serve(struct server *s)
{
	const struct fuse_in_header *in = (void *)s->request;
	const void *arg = in + 1;
	void *out = s->answer + sizeof(struct fuse_out_header);
	struct fuse_init_out *init = out;
	struct fuse_entry_out *entry = out;
	struct fuse_attr_out *attr = out;
	struct fuse_open_out *opened = out;
	struct fuse_write_out *written = out;
	const bool transfer = in->opcode == FUSE_READ || in->opcode == FUSE_WRITE;
	const struct fuse_read_in *to_read = arg;
	const struct fuse_write_in *to_write = arg;
	const unsigned int part = s->does == PIN_HALVES ? 2 : 1;
	size_t len = 0, has;
	char *data;

	memset(out, 0, 256);
	if (transfer && s->does == PIN_ENDS)
		_exit(0);
	if (transfer && s->does == PIN_REFUSES) {
		reply(s, in->unique, -EIO, 0);
		return;
	}
	switch (in->opcode) {
	case FUSE_INIT:
		init->major = FUSE_KERNEL_VERSION;
		init->minor = 31;
		init->max_write = s->max_write;
		init->flags = s->async ? FUSE_ASYNC_DIO : 0;
		len = sizeof(*init);
		break;
	case FUSE_LOOKUP:
		entry->nodeid = FILE_NODE;
		set_attr(&entry->attr, FILE_NODE);
		len = sizeof(*entry);
		break;
	case FUSE_GETATTR:
		set_attr(&attr->attr, in->nodeid);
		len = sizeof(*attr);
		break;
	case FUSE_OPEN:
		opened->open_flags = FOPEN_DIRECT_IO;
		len = sizeof(*opened);
		break;
	case FUSE_READ:
		if (s->clean && msync(s->clean, s->clean_len, MS_SYNC)) {
			reply(s, in->unique, -errno, 0);
			return;
		}
		len = to_read->size / part;
		data = data_at(s, to_read->offset, len, &has);
		if (data)
			memcpy(out, data, has);
		break;
	case FUSE_WRITE:
		written->size = to_write->size / part;
		data = data_at(s, to_write->offset, written->size, &has);
		if (data)
			memcpy(data, to_write + 1, has);
		len = sizeof(*written);
		break;
	case FUSE_RELEASE:
	case FUSE_FLUSH:
		break;
	case FUSE_FORGET:
	case FUSE_BATCH_FORGET:
	case FUSE_INTERRUPT:
		return;		/* wants no answer */
	default:
		reply(s, in->unique, -ENOSYS, 0);
		return;
	}
	reply(s, in->unique, 0, len);
}

static void serve_all(void *arg)
{
	struct server *s = arg;

	s->dev = 0;
	/* ENODEV when nobody has the file system any more. */
	for (;;) {
		if (read(s->dev, s->request, s->room) >= (ssize_t)sizeof(struct fuse_in_header))
			serve(s);
		else if (errno != EINTR && errno != ENOENT && errno != EAGAIN)
			return;
	}
}

/* The buffer is not shared with it: that would make it copy-on-write. */
static int start_server(struct server *s, const struct pin_mem *m)
{
	int err = 0;

	if (m && madvise(m->map, m->map_len, MADV_DONTFORK))
		return -errno;
	s->pid = pin_server_start(s->dev, serve_all, s);
	if (s->pid < 0) {
		err = s->pid;
		s->pid = 0;
	}
	if (m)
		madvise(m->map, m->map_len, MADV_DOFORK);
	close(s->dev);
	s->dev = -1;
	return err;
}

/* A descriptor of the file system's root, or -errno. */
static int make_fs(int dev)
{
	char fd[16], uid[16], gid[16];
	const char *const options[][2] = {
		{ "source", "pin" }, { "fd", fd }, { "rootmode", "40700" },
		{ "user_id", uid }, { "group_id", gid },
	};

	snprintf(fd, sizeof(fd), "%d", dev);
	snprintf(uid, sizeof(uid), "%d", (int)getuid());
	snprintf(gid, sizeof(gid), "%d", (int)getgid());
	return pin_server_fs("fuse", options, sizeof(options) / sizeof(options[0]));
}

static int probe(const struct pin_kernel *k, char *why)
{
	int root, dev = access(DEVICE, F_OK) ? pin_scratch_module("fuse", "FUSE_FS", NULL, why) : 0;

	(void)k;
	if (dev < 0)
		return dev;
	dev = open(DEVICE, O_RDWR | O_CLOEXEC);
	if (dev < 0)
		return pin_why(why, -errno, DEVICE ": %s: kernel option FUSE_FS (modprobe fuse)",
			       strerror(errno));
	root = make_fs(dev);
	if (root >= 0)
		close(root);
	close(dev);
	return root < 0 ? pin_why(why, root, "fsmount of fuse: %s: root, and Linux 5.2",
				  strerror(-root)) : 0;
}

static void fuse_close(struct pin_op *op)
{
	struct server *s = op->priv;

	if (!s)
		return;
	if (s->ctx)
		syscall(SYS_io_destroy, s->ctx);
	if (s->file >= 0)
		close(s->file);
	if (s->dev >= 0)
		close(s->dev);
	/* That was the last of the file system: the server ends. */
	if (s->pid)
		waitpid(s->pid, NULL, 0);
	if (s->data)
		munmap(s->data, s->data_len);
	free(s->request);
	free(s->answer);
	free(s);
	op->priv = NULL;
}

static int start(struct server *s, const struct pin_mem *m)
{
	int root = make_fs(s->dev), err;

	if (root < 0)
		return root;
	err = start_server(s, m);
	if (!err) {
		s->file = openat(root, "file", O_RDWR | O_CLOEXEC | (s->async ? O_DIRECT : 0));
		err = s->file < 0 ? -errno : 0;
	}
	close(root);
	return err;
}

/* Shared with the server. */
static int make_data(struct server *s, size_t len)
{
	s->data = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (s->data == MAP_FAILED) {
		s->data = NULL;
		return -errno;
	}
	s->data_len = len;
	return 0;
}

static int open_server(struct pin_op *op, const struct server *like)
{
	const long ps = op->kernel->page_size;
	struct server *s = calloc(1, sizeof(*s));
	int err;

	if (!s)
		return pin_why(op->why, -ENOMEM, "out of memory");
	*s = *like;
	op->priv = s;
	s->file = -1;
	s->max_write = PIN_FUSE_REQUEST_PAGES * ps;
	s->room = s->max_write + HEADER_ROOM;
	s->request = calloc(1, s->room);
	s->answer = calloc(1, s->room);
	s->dev = open(DEVICE, O_RDWR | O_CLOEXEC);
	err = s->request && s->answer ? 0 : -ENOMEM;
	if (!err && op->compares)
		err = make_data(s, op->mem->len);
	if (!err)
		err = s->dev < 0 ? -errno : start(s, op->mem);
	if (err) {
		pin_why(op->why, err, "FUSE: %s", strerror(-err));
		fuse_close(op);
	}
	return err;
}

/* --- the consumers --- */

static int open_read(struct pin_op *op)
{
	return open_server(op, &(struct server){ .write_memory = true });
}

static int open_write(struct pin_op *op)
{
	return open_server(op, &(struct server){ .write_memory = false });
}

static int open_aio(struct pin_op *op, bool write_memory)
{
	const struct server like = { .write_memory = write_memory, .async = true };
	int err = open_server(op, &like);
	struct server *s = op->priv;

	if (!err && syscall(SYS_io_setup, 1, &s->ctx)) {
		err = pin_why(op->why, -errno, "io_setup: %s: see /proc/sys/fs/aio-max-nr",
			      strerror(errno));
		fuse_close(op);
	}
	return err;
}

static int open_aio_read(struct pin_op *op)
{
	return open_aio(op, true);
}

static int open_aio_write(struct pin_op *op)
{
	return open_aio(op, false);
}

static int file_of(const struct pin_kernel *k, const struct server *like, char *why)
{
	struct pin_op op = { .kernel = k };
	struct server *s;
	int fd, err;

	*why = '\0';
	err = probe(k, why) ?: open_server(&op, like);
	if (err)
		return *why ? err : pin_why(why, err, "%s", op.why);
	s = op.priv;
	fd = s->file;
	free(s->request);
	free(s->answer);
	free(s);
	return fd;
}

int pin_fuse_failing_file(const struct pin_kernel *k, enum pin_answer answer, bool async,
			  char *why)
{
	return file_of(k, &(struct server){ .does = answer, .async = async }, why);
}

int pin_fuse_cleaning_file(const struct pin_mem *m, size_t dirty, char *why)
{
	const struct server cleaning = {
		.clean = (char *)m->addr + dirty, .clean_len = m->len - dirty,
	};

	return file_of(m->kernel, &cleaning, why);
}

static void predict(const struct pin_op *op, struct pin_predict *p)
{
	const struct server *s = op->priv;
	const struct pin_access access = { .write = s->write_memory, .fast = true };

	pin_pieces_predict(op, &access, PIN_FUSE_REQUEST_PAGES, p);
	if (!op->kernel->fuse_pins) {
		p->acquired = 0;
		p->released = 0;
	}
	/* A request may be smaller: all before the hole is done. */
	if (op->mem->hole && op->mem->hole < op->mem->pages) {
		p->result = pin_pieces_before(op, op->mem->hole, 1);
		p->or_result = p->result;
	}
}

static long fuse_read(struct pin_op *op)
{
	const struct server *s = op->priv;
	ssize_t n = pread(s->file, op->mem->addr, op->mem->len, 0);

	return n < 0 ? -errno : n;
}

static long fuse_write(struct pin_op *op)
{
	const struct server *s = op->priv;
	ssize_t n = pwrite(s->file, op->mem->addr, op->mem->len, 0);

	return n < 0 ? -errno : n;
}

static long fuse_aio(struct pin_op *op)
{
	const struct server *s = op->priv;
	const struct iovec iov = { op->mem->addr, op->mem->len };

	return pin_transfer_aio_by(s->ctx, s->file, !s->write_memory, &iov, 1, 0, 0);
}

static void *fuse_other_side(struct pin_op *op)
{
	const struct server *s = op->priv;

	return s->data;
}

#define FUSE_CONSUMER(_name, _help, _path, _open, _pin, ...)				\
	const struct pin_consumer pin_consumer_##_name = {				\
		.name = #_name,								\
		.help = _help,								\
		.path = _path,								\
		.since = "6.9",								\
		.doc_case = 1,								\
		.needs = NEEDS,								\
		.probe = probe,								\
		.open = _open,								\
		.predict = predict,							\
		.pin = _pin,								\
		.other_side = fuse_other_side,						\
		.close = fuse_close,							\
		__VA_ARGS__								\
	}
#define PINS	" > fuse_get_user_pages > iov_iter_extract_pages > pin_user_pages_fast"
#define AIO	"fuse_direct_IO" PINS "; fuse_aio_complete_req"

FUSE_CONSUMER(fuse_aio_read,
	      "direct read of a FUSE file by io_submit, several requests at a time",
	      AIO, open_aio_read, fuse_aio, .dirties = true);
FUSE_CONSUMER(fuse_aio_write,
	      "direct write to a FUSE file by io_submit, several requests at a time",
	      AIO, open_aio_write, fuse_aio, .only_read = true);
FUSE_CONSUMER(fuse_read, "direct read of a FUSE file: the server writes to memory",
	      "fuse_direct_io" PINS, open_read, fuse_read, .dirties = true);
FUSE_CONSUMER(fuse_write, "direct write to a FUSE file: the server reads memory",
	      "fuse_direct_io" PINS, open_write, fuse_write, .only_read = true);
