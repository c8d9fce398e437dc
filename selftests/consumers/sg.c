// SPDX-License-Identifier: GPL-2.0
/*
 * SCSI commands from user space, by the block device, by /dev/sgN with direct
 * I/O, and by bsg: pinned for the time of the command. The disk is one of
 * scsi_debug's, in memory, that is made for it and removed at the end.
 *
 * The block device takes a vector, too. Its pieces are pinned each for itself,
 * and a page in which two of them meet is merged and loses a pin at once.
 */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <linux/bsg.h>
#include <scsi/sg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <unistd.h>

#include "dio.h"
#include "pieces.h"
#include "scratch.h"
#include "scsi.h"

#define NEEDS		"modules scsi_debug, sd_mod, sg"
#define DISKS		"/sys/class/scsi_device/*/device/"
#define ALLOW_DIO	"/sys/module/sg/parameters/allow_dio"
#define DELAY_NS	"/sys/bus/pseudo/drivers/scsi_debug/ndelay"
#define PIECE		(96 << 10)	/* bytes: any SCSI host takes that */
#define BIO_PAGES	256
#define WHOLE		8192	/* pages: more than any test has */
#define BLOCK		512
#define READ_10		0x28
#define WRITE_10	0x2a
#define TIMEOUT_MS	20000
#define CDB_LEN		10
#define SENSE_LEN	32

enum way {
	BY_BLOCK,
	BY_SG,
	BY_BSG,
	WAYS
};

static char nodes[WAYS][64];	/* device nodes, empty: none */
static bool sg_dio;

struct sg {
	enum way way;
	bool write_memory;
	bool vectored;
	bool both;		/* says that it goes both ways */
	bool no_sense;		/* has no room for what the device says of an error */
	int fd;
	unsigned int pages;
};

/* The name of the first entry below the disk's folder @what: 0 or -ENOENT. */
static int first_entry(const char *disk, const char *what, char *node, size_t len)
{
	char pattern[256];
	glob_t found;
	int err = -ENOENT;

	snprintf(pattern, sizeof(pattern), "%s%s/*", disk, what);
	if (!glob(pattern, 0, NULL, &found)) {
		snprintf(node, len, "/dev/%s%s", !strcmp(what, "bsg") ? "bsg/" : "",
			 strrchr(found.gl_pathv[0], '/') + 1);
		err = 0;
	}
	globfree(&found);
	return err;
}

bool pin_scsi_is_debug(const char *dir)
{
	char path[256], model[32] = "";
	FILE *f;

	snprintf(path, sizeof(path), "%s/model", dir);
	f = fopen(path, "re");
	if (!f)
		return false;
	if (!fgets(model, sizeof(model), f))
		*model = '\0';
	fclose(f);
	return !strncmp(model, "scsi_debug", 10);
}

/* Its nodes, once the kernel has made them all. */
static bool find_disk(void)
{
	bool found = false;
	glob_t disks;

	if (glob(DISKS, 0, NULL, &disks))
		return false;
	for (size_t i = 0; !found && i < disks.gl_pathc; i++) {
		const char *disk = disks.gl_pathv[i];

		found = pin_scsi_is_debug(disk) &&
			!first_entry(disk, "block", nodes[BY_BLOCK], sizeof(nodes[0])) &&
			!access(nodes[BY_BLOCK], F_OK);
		if (!found)
			continue;
		first_entry(disk, "scsi_generic", nodes[BY_SG], sizeof(nodes[0]));
		first_entry(disk, "bsg", nodes[BY_BSG], sizeof(nodes[0]));
	}
	globfree(&disks);
	return found;
}

/* Has more addresses than memory: the tape is far behind. */
static int make_disk(const struct pin_kernel *k, char *why)
{
	static const char *const options[] = {
		"dev_size_mb=8", "virtual_gb=1", "delay=0", NULL
	};
	char ignored[PIN_WHY_LEN];
	int err = pin_scratch_module("scsi_debug", "SCSI_DEBUG", options, why);

	(void)k;
	if (err > 0)
		err = pin_why(why, -EBUSY, "scsi_debug is loaded, and may be somebody else's: rmmod scsi_debug");
	if (!err) {
		/* Where udev does not see to them. */
		pin_scratch_module("sd_mod", "BLK_DEV_SD", NULL, ignored);
		pin_scratch_module("sg", "CHR_DEV_SG", NULL, ignored);
		sg_dio = !pin_scratch_setting(ALLOW_DIO, "1", ignored);
		for (int tries = 0; tries < 500 && !find_disk(); tries++)
			usleep(10000);
		if (!*nodes[BY_BLOCK])
			err = pin_why(why, -ENODEV, "scsi_debug makes no disk: modprobe sd_mod (kernel option BLK_DEV_SD)");
	}
	return err;
}

int pin_scsi_debug(char *why)
{
	static struct pin_once disk;

	return pin_scratch_once(&disk, NULL, make_disk, why);
}

static int probe(char *why, enum way way, const char *option)
{
	int fd, err = pin_scsi_debug(why);

	if (err)
		return err;
	/* They need not appear together. */
	for (int tries = 0; tries < 100 && !*nodes[way]; tries++) {
		usleep(10000);
		find_disk();
	}
	if (!*nodes[way])
		return pin_why(why, -ENODEV, "the disk has no such node: kernel option %s", option);
	fd = open(nodes[way], O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return pin_why(why, -errno, "%s: %s", nodes[way], strerror(errno));
	close(fd);
	return 0;
}

static int probe_block(const struct pin_kernel *k, char *why)
{
	(void)k;
	return probe(why, BY_BLOCK, "BLK_DEV_SD");
}

static int probe_sg(const struct pin_kernel *k, char *why)
{
	int err = probe(why, BY_SG, "CHR_DEV_SG (modprobe sg)");

	(void)k;
	if (!err && !sg_dio)
		err = pin_why(why, -EACCES, "no direct I/O by sg: echo 1 > " ALLOW_DIO);
	return err;
}

static int probe_bsg(const struct pin_kernel *k, char *why)
{
	(void)k;
	return probe(why, BY_BSG, "BLK_DEV_BSG");
}

static int sg_open(struct pin_op *op, enum way way, bool write_memory)
{
	struct sg *s = calloc(1, sizeof(*s));
	int err;

	if (!s)
		return pin_why(op->why, -ENOMEM, "out of memory");
	s->way = way;
	s->write_memory = write_memory;
	s->pages = pin_piece_pages(op->kernel, PIECE);
	s->fd = open(nodes[way], O_RDWR | O_CLOEXEC);
	if (s->fd < 0) {
		err = pin_why(op->why, -errno, "%s: %s", nodes[way], strerror(errno));
		free(s);
		return err;
	}
	op->priv = s;
	return 0;
}

static int open_block_read(struct pin_op *op)
{
	return sg_open(op, BY_BLOCK, true);
}

static int open_block_write(struct pin_op *op)
{
	return sg_open(op, BY_BLOCK, false);
}

static int open_vectored(struct pin_op *op, bool write_memory)
{
	int err = sg_open(op, BY_BLOCK, write_memory);
	struct sg *s = op->priv;

	if (!err)
		s->vectored = true;
	return err;
}

static int open_block_readv(struct pin_op *op)
{
	return open_vectored(op, true);
}

static int open_block_writev(struct pin_op *op)
{
	return open_vectored(op, false);
}

static int open_sg_read(struct pin_op *op)
{
	return sg_open(op, BY_SG, true);
}

static int open_sg_both(struct pin_op *op)
{
	int err = sg_open(op, BY_SG, true);
	struct sg *s = op->priv;

	if (!err)
		s->both = true;
	return err;
}

/* In one command: of several bios, if pages lie together. */
static int open_sg_whole(struct pin_op *op)
{
	int err = sg_open(op, BY_SG, true);
	struct sg *s = op->priv;

	if (!err)
		s->pages = WHOLE;
	return err;
}

static int open_sg_write(struct pin_op *op)
{
	return sg_open(op, BY_SG, false);
}

static int open_bsg_read(struct pin_op *op)
{
	return sg_open(op, BY_BSG, true);
}

static int open_bsg_write(struct pin_op *op)
{
	return sg_open(op, BY_BSG, false);
}

static void predict(const struct pin_op *op, struct pin_predict *p)
{
	const struct sg *s = op->priv;
	const struct pin_access access = {
		.write = s->write_memory, .fast = true, .file_io = true,
	};

	pin_pieces_predict(op, &access, s->pages, p);
}

/* One block, and the rest. */
static unsigned int cut(const struct pin_kernel *k, struct iovec *iov, void *data, size_t len)
{
	const size_t first = len < BLOCK ? len : BLOCK;

	(void)k;
	iov[0] = (struct iovec){ data, first };
	iov[1] = (struct iovec){ (char *)data + first, len - first };
	return len > first ? 2 : 1;
}

static void predict_vectored(const struct pin_op *op, struct pin_predict *p)
{
	const struct sg *s = op->priv;

	pin_pieces_predict_vectors(op, s->write_memory, s->pages, cut, p);
}

static long by_bsg(const struct sg *s, unsigned char *cdb, void *data, size_t len)
{
	unsigned char sense[SENSE_LEN];
	struct sg_io_v4 io = {
		.guard = 'Q',
		.protocol = BSG_PROTOCOL_SCSI,
		.subprotocol = BSG_SUB_PROTOCOL_SCSI_CMD,
		.request = (uintptr_t)cdb,
		.request_len = CDB_LEN,
		.response = (uintptr_t)sense,
		.max_response_len = sizeof(sense),
		.timeout = TIMEOUT_MS,
	};

	if (s->write_memory) {
		io.din_xferp = (uintptr_t)data;
		io.din_xfer_len = len;
	} else {
		io.dout_xferp = (uintptr_t)data;
		io.dout_xfer_len = len;
	}
	if (ioctl(s->fd, SG_IO, &io))
		return -errno;
	return io.device_status || io.transport_status || io.driver_status ? -EIO : 0;
}

static long by_sg(const struct sg *s, unsigned char *cdb, void *data, size_t len)
{
	unsigned char sense[SENSE_LEN];
	struct iovec iov[PIN_PIECE_VECTOR];
	struct sg_io_hdr io = {
		.interface_id = 'S',
		.dxfer_direction = s->both ? SG_DXFER_TO_FROM_DEV :
				   s->write_memory ? SG_DXFER_FROM_DEV : SG_DXFER_TO_DEV,
		.cmd_len = CDB_LEN,
		.cmdp = cdb,
		.mx_sb_len = sizeof(sense),
		.sbp = s->no_sense ? (unsigned char *)BLOCK : sense,
		.iovec_count = s->vectored ? cut(NULL, iov, data, len) : 0,
		.dxfer_len = len,
		.dxferp = s->vectored ? iov : data,
		.flags = SG_FLAG_DIRECT_IO,
		.timeout = TIMEOUT_MS,
	};

	if (ioctl(s->fd, SG_IO, &io))
		return -errno;
	return (io.info & SG_INFO_OK_MASK) != SG_INFO_OK || io.resid ? -EIO : 0;
}

static long transfer(struct pin_op *op, size_t done, size_t len)
{
	const struct sg *s = op->priv;
	const size_t blocks = len / BLOCK;
	unsigned char cdb[CDB_LEN] = {
		[0] = s->write_memory ? READ_10 : WRITE_10,
		[7] = blocks >> 8,
		[8] = blocks,
	};
	char *data = (char *)op->mem->addr + done;

	return s->way == BY_BSG ? by_bsg(s, cdb, data, len) : by_sg(s, cdb, data, len);
}

int pin_scsi_slow_sg(unsigned long ns, char *why)
{
	char value[32];

	snprintf(value, sizeof(value), "%lu", ns);
	return probe_sg(NULL, why) ?: pin_scratch_setting(DELAY_NS, value, why);
}

int pin_scsi_narrow_disk(unsigned int requests, char *why)
{
	char path[256], value[16];
	int fd, err = probe_block(NULL, why);

	snprintf(path, sizeof(path), "/sys/block/%s/queue/nr_requests",
		 nodes[BY_BLOCK] + strlen("/dev/"));
	snprintf(value, sizeof(value), "%u", requests);
	err = err ?: pin_scratch_setting(path, value, why);
	if (err)
		return err;
	fd = open(nodes[BY_BLOCK], O_RDWR | O_DIRECT | O_CLOEXEC);
	return fd < 0 ? pin_why(why, -errno, "%s: %s", nodes[BY_BLOCK], strerror(errno)) : fd;
}

/* @high: most significant byte of where on the disk. */
static long disk_read(const struct sg *like, unsigned char high, void *data, size_t len)
{
	struct sg s = *like;
	unsigned char cdb[CDB_LEN] = {
		READ_10, [2] = high, [7] = len / BLOCK >> 8, [8] = len / BLOCK,
	};
	long err;

	s.write_memory = true;
	s.fd = open(nodes[s.way], O_RDWR | O_CLOEXEC);
	err = s.fd < 0 ? -errno : by_sg(&s, cdb, data, len);
	if (s.fd >= 0)
		close(s.fd);
	return err;
}

long pin_scsi_sg_read(void *data, size_t len)
{
	return disk_read(&(struct sg){ .way = BY_SG }, 0, data, len);
}

int pin_scsi_read_beyond(const struct pin_mem *m, long *result, char *why)
{
	int err = probe_sg(m->kernel, why);

	if (!err)
		*result = disk_read(&(struct sg){ .way = BY_SG }, 0xff, m->addr, m->len);
	return err;
}

int pin_scsi_segments(const struct pin_kernel *k, char *why)
{
	int fd, most, err = probe_block(k, why);

	if (err)
		return err;
	fd = open(nodes[BY_BLOCK], O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return pin_why(why, -errno, "%s: %s", nodes[BY_BLOCK], strerror(errno));
	most = pin_dio_queue(fd, "max_segments");
	close(fd);
	return most;
}

int pin_scsi_no_sense(const struct pin_mem *m, long *result, char *why)
{
	int err = probe_block(m->kernel, why);

	if (!err)
		*result = disk_read(&(struct sg){ .way = BY_BLOCK, .no_sense = true }, 0xff,
				    m->addr, m->len);
	return err;
}

static long pin(struct pin_op *op)
{
	const struct sg *s = op->priv;

	return pin_pieces_transfer(op, s->pages, transfer);
}

static void sg_close(struct pin_op *op)
{
	struct sg *s = op->priv;

	if (!s)
		return;
	close(s->fd);
	free(s);
	op->priv = NULL;
}

/* What a bio has no room for is given back, and pinned again for the next one. */
static void predict_whole(const struct pin_op *op, struct pin_predict *p)
{
	predict(op, p);
	if (op->mem->pages > BIO_PAGES && p->acquired)
		p->migrated = op->mem->pages;
}

#define SG_CONSUMER(_name, _help, _path, _probe, _open, _predict, ...)			\
	const struct pin_consumer pin_consumer_##_name = {			\
		.name = #_name,							\
		.help = _help,							\
		.path = _path " > blk_rq_map_user_iov > pin_user_pages_fast",	\
		.since = "6.5",							\
		.doc_case = 1,							\
		.needs = NEEDS,							\
		.probe = _probe,						\
		.open = _open,							\
		.predict = _predict,						\
		.pin = pin,							\
		.close = sg_close,						\
		__VA_ARGS__							\
	}

SG_CONSUMER(bsg_read, "a SCSI read by bsg", "bsg_ioctl > scsi_bsg_sg_io_fn",
	    probe_bsg, open_bsg_read, predict, .dirties = true);
SG_CONSUMER(bsg_write, "a SCSI write by bsg", "bsg_ioctl > scsi_bsg_sg_io_fn",
	    probe_bsg, open_bsg_write, predict, .only_read = true);
SG_CONSUMER(sg_dio_both, "a SCSI read by /dev/sgN, direct, as a command that goes both ways",
	    "sg_ioctl > sg_start_req", probe_sg, open_sg_both, predict, .dirties = true);
SG_CONSUMER(sg_dio_read, "a SCSI read by /dev/sgN, direct", "sg_ioctl > sg_start_req",
	    probe_sg, open_sg_read, predict, .dirties = true);
SG_CONSUMER(sg_dio_whole, "a SCSI read by /dev/sgN, direct, all in one command",
	    "sg_ioctl > sg_start_req", probe_sg, open_sg_whole, predict_whole, .dirties = true);
SG_CONSUMER(sg_dio_write, "a SCSI write by /dev/sgN, direct", "sg_ioctl > sg_start_req",
	    probe_sg, open_sg_write, predict, .only_read = true);
SG_CONSUMER(sg_io_read, "a SCSI read by ioctl of a disk", "scsi_ioctl > sg_io",
	    probe_block, open_block_read, predict, .dirties = true);
SG_CONSUMER(sg_io_readv, "a SCSI read by ioctl of a disk, of two pieces in a page",
	    "scsi_ioctl > sg_io", probe_block, open_block_readv, predict_vectored, .dirties = true);
SG_CONSUMER(sg_io_write, "a SCSI write by ioctl of a disk", "scsi_ioctl > sg_io",
	    probe_block, open_block_write, predict, .only_read = true);
SG_CONSUMER(sg_io_writev, "a SCSI write by ioctl of a disk, of two pieces in a page",
	    "scsi_ioctl > sg_io", probe_block, open_block_writev, predict_vectored,
	    .only_read = true);
