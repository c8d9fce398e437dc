// SPDX-License-Identifier: GPL-2.0
/*
 * SCSI tape: read and written directly, a piece in each call, and pinned for the
 * time of the command. What cannot be pinned as a whole goes through a buffer of
 * the driver's. The tapes are scsi_debug's; before 6.15 it answers as a disk would.
 */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <linux/mtio.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "pieces.h"
#include "proc.h"
#include "scratch.h"
#include "scsi.h"

#define NEEDS		"modules scsi_debug, st"
#define DRIVER		"/sys/bus/pseudo/drivers/scsi_debug/"
#define DIRECT		"/sys/bus/scsi/drivers/st/try_direct_io"
#define NODES		"/sys/class/scsi_tape/nst*[0-9]"	/* without the other modes */
#define MAX_TAPES	8	/* as many processes may be at work at a time */
#define ERRORS		"/sys/kernel/debug/scsi_debug"
/* Each WRITE(6): a medium error, by "CHECK CONDITION"; and no more of it. */
#define FAIL_WRITES	"2 -1 0xa 0 0 2 3 0x11 0"
#define FAIL_NO_WRITES	"- 2 0xa"
#define TEXT(n)		TEXT_(n)
#define TEXT_(n)	#n
#define TYPE_TAPE	"1"
#define TYPE_DISK	"0"
#define PIECE		(96 << 10)	/* bytes: fits into any command of a disk, too */

static char tapes[MAX_TAPES][PIN_NODE_LEN];	/* /dev/nstN */
static int nr_tapes;

struct tape {
	bool write_memory;
	bool fixed;		/* blocks of one size */
	bool rewinds;		/* a disk can be read anywhere; to rewind may stop it */
	bool failed;		/* the last time */
	int fd;
	unsigned int pages;	/* of a piece */
};

/* --- the devices --- */

static void find_tapes(void)
{
	char dir[128];
	glob_t found;

	nr_tapes = 0;
	if (glob(NODES, 0, NULL, &found))
		return;
	for (size_t i = 0; i < found.gl_pathc && nr_tapes < MAX_TAPES; i++) {
		char *node = tapes[nr_tapes];

		snprintf(dir, sizeof(dir), "%s/device", found.gl_pathv[i]);
		snprintf(node, sizeof(tapes[0]), "/dev/%s",
			 strrchr(found.gl_pathv[i], '/') + 1);
		if (pin_scsi_is_debug(dir) && !access(node, R_OK | W_OK))
			nr_tapes++;
	}
	globfree(&found);
}

/* Hosts get what type there is at the time; they go with the module. */
static int make_tapes(const struct pin_kernel *k, char *why)
{
	int err = pin_scsi_debug(why);

	(void)k;
	if (!err)
		err = pin_scratch_module("st", "CHR_DEV_ST", NULL, why);
	if (err >= 0 && pin_read_number(DIRECT, 1) != 1)
		err = pin_why(why, -EACCES, "no direct I/O by st: modprobe st try_direct_io=1");
	if (err < 0)
		return err;
	err = pin_write_file(DRIVER "ptype", TYPE_TAPE);
	if (!err)
		err = pin_write_file(DRIVER "add_host", TEXT(MAX_TAPES));
	for (int tries = 0; !err && tries < 500 && nr_tapes < MAX_TAPES; tries++) {
		usleep(10000);
		find_tapes();
	}
	pin_write_file(DRIVER "ptype", TYPE_DISK);
	if (!err && nr_tapes < MAX_TAPES)
		err = -ENODEV;
	return err ? pin_why(why, err, "scsi_debug makes no tapes for st, %d of %d: %s",
			     nr_tapes, MAX_TAPES, strerror(-err)) : 0;
}

static int probe(const struct pin_kernel *k, char *why)
{
	static struct pin_once devices;

	return pin_scratch_once(&devices, k, make_tapes, why);
}

/* --- the consumers --- */

static void st_close(struct pin_op *op)
{
	struct tape *t = op->priv;

	if (!t)
		return;
	if (t->fd >= 0)
		close(t->fd);
	free(t);
	op->priv = NULL;
}

static int order(int fd, short op, int count)
{
	struct mtop order = { op, count };

	return ioctl(fd, MTIOCTOP, &order);
}

/*
 * A block to be read, larger than any piece, of which less may be read. From an
 * odd address: not directly, so that it pins nothing.
 */
static int write_block(int fd, size_t len)
{
	unsigned char *data = malloc(len + 1);
	int err = 0;

	if (!data)
		return -1;
	for (size_t i = 0; i <= len; i++)
		data[i] = i / 64 % 251;
	if (order(fd, MTSETDRVBUFFER, MT_ST_SETBOOLEANS | MT_ST_SILI) ||
	    write(fd, data + 1, len) != (ssize_t)len || order(fd, MTREW, 1))
		err = -1;
	free(data);
	return err;
}

/* A tape of our own, at its beginning; a negative errno value. */
static int get_tape(const struct pin_op *op)
{
	struct tape *t = op->priv;
	struct mtget status;

	t->fd = pin_scratch_open_unused(tapes[0], nr_tapes, O_RDWR | O_NONBLOCK, NULL);
	if (t->fd < 0 || ioctl(t->fd, MTIOCGET, &status))
		return -errno;
	t->fixed = status.mt_dsreg & MT_ST_BLKSIZE_MASK;
	/* A disk knows no marks. */
	errno = 0;
	t->rewinds = !order(t->fd, MTWEOF, 1);
	if (t->rewinds &&
	    (order(t->fd, MTREW, 1) ||
	     (t->write_memory && write_block(t->fd, (t->pages + 1) * op->kernel->page_size))))
		return errno ? -errno : -EIO;
	return 0;
}

static int st_open(struct pin_op *op, bool write_memory)
{
	struct tape *t = calloc(1, sizeof(*t));
	int err;

	if (!t)
		return pin_why(op->why, -ENOMEM, "out of memory");
	op->priv = t;
	t->write_memory = write_memory;
	t->pages = pin_piece_pages(op->kernel, PIECE);
	err = get_tape(op);
	if (err) {
		pin_why(op->why, 0, "SCSI tape: %s", strerror(-err));
		st_close(op);
	}
	return err;
}

static int open_read(struct pin_op *op)
{
	return st_open(op, true);
}

static int open_write(struct pin_op *op)
{
	return st_open(op, false);
}

static void predict(const struct pin_op *op, struct pin_predict *p)
{
	const struct pin_mem *m = op->mem;
	const struct tape *t = op->priv;
	const struct pin_access access = { .write = t->write_memory, .fast = true };
	unsigned int first = m->hole / t->pages * t->pages, last = first + t->pages - 1;

	pin_pieces_predict(op, &access, t->pages, p);
	/* The driver's own buffer takes what the processor may touch. */
	if (!strcmp(m->kind->name, "secretmem")) {
		p->acquired *= (m->pages + t->pages - 1) / t->pages;
		p->released = p->acquired;
		p->result = m->len;
		p->or_result = m->len;
	}
	/* Whole blocks are written when both ends of them can be read. */
	if (last >= m->pages)
		last = m->pages - 1;
	if (m->hole == last && t->fixed && !t->write_memory) {
		p->acquired -= last - first;
		p->released = p->acquired;
	}
}

static long transfer(struct pin_op *op, size_t done, size_t len)
{
	const struct tape *t = op->priv;
	char *data = (char *)op->mem->addr + done;
	ssize_t got;

	if (t->write_memory && t->rewinds && order(t->fd, MTREW, 1))
		return -errno;
	got = t->write_memory ? read(t->fd, data, len) : write(t->fd, data, len);
	return got < 0 ? -errno : got == (ssize_t)len ? 0 : -EIO;
}

/* After an error the driver refuses whatever comes (EIO), until the tape is opened anew. */
static long pin(struct pin_op *op)
{
	struct tape *t = op->priv;
	long got, err = 0;

	if (t->failed) {
		if (t->fd >= 0)
			close(t->fd);
		err = get_tape(op);
	}
	got = err ? err : pin_pieces_transfer(op, t->pages, transfer);
	t->failed = got != (long)op->mem->len;
	return got;
}

/* The file by which scsi_debug is told what errors the tape that is open is to have. */
static int find_errors(int fd, char *path, size_t len)
{
	char node[64], device[256];
	const char *name;
	struct stat st;
	ssize_t n;

	if (access(ERRORS, F_OK))
		mount("none", "/sys/kernel/debug", "debugfs", 0, NULL);
	if (fstat(fd, &st))
		return -errno;
	snprintf(node, sizeof(node), "/sys/dev/char/%u:%u/device", major(st.st_rdev),
		 minor(st.st_rdev));
	n = readlink(node, device, sizeof(device) - 1);
	if (n < 0)
		return -errno;
	device[n] = '\0';
	name = strrchr(device, '/');
	snprintf(path, len, ERRORS "/%s/error", name ? name + 1 : device);
	return access(path, W_OK) ? -errno : 0;
}

int pin_scsi_tape_refuses(const struct pin_mem *m, long *result, char *why)
{
	struct pin_mem mem = *m;
	struct pin_op op = { .kernel = m->kernel, .mem = &mem };
	char errors[400];
	struct tape *t;
	int err = probe(m->kernel, why);

	if (err)
		return err;
	err = open_write(&op);
	if (err)
		return pin_why(why, err, "%s", op.why);
	t = op.priv;
	err = find_errors(t->fd, errors, sizeof(errors));
	if (!err)
		err = pin_write_file(errors, FAIL_WRITES);
	if (err) {
		pin_why(why, err, "scsi_debug makes no errors for a tape: %s: Linux 6.7, and debugfs",
			strerror(-err));
	} else {
		*result = transfer(&op, 0, mem.len);
		pin_write_file(errors, FAIL_NO_WRITES);
	}
	st_close(&op);
	return err;
}

const struct pin_consumer pin_consumer_st_read = {
	.name = "st_read",
	.help = "a SCSI tape, read directly",
	.path = "st_read > sgl_map_user_pages > pin_user_pages_fast",
	.since = "5.8",
	.doc_case = 1,
	.needs = NEEDS,
	.dirties = true,
	.probe = probe,
	.open = open_read,
	.predict = predict,
	.pin = pin,
	.close = st_close,
};

const struct pin_consumer pin_consumer_st_write = {
	.name = "st_write",
	.help = "a SCSI tape, written directly",
	.path = "st_write > sgl_map_user_pages > pin_user_pages_fast",
	.since = "5.8",
	.doc_case = 1,
	.only_read = true,
	.needs = NEEDS,
	.probe = probe,
	.open = open_write,
	.predict = predict,
	.pin = pin,
	.close = st_close,
};
