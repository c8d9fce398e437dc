// SPDX-License-Identifier: GPL-2.0
/*
 * Direct I/O that is refused: memory is pinned, a request submitted, and answered
 * with an error, or found to be too long for the device before. What was pinned
 * must be released on that way, too.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include "actor.h"
#include "consumers/dio.h"
#include "consumers/fuse.h"
#include "consumers/nvme.h"
#include "consumers/p9.h"
#include "consumers/scsi.h"
#include "probe.h"
#include "scratch.h"
#include "suite.h"
#include "transfer.h"

#define PAGES		16
#define MANY		300	/* more than a bio holds */
#define BYTES		(32ul << 20)
#define XFS_BYTES	(320ul << 20)	/* the least mkfs.xfs takes is 300 MiB */
#define BATCH		64	/* pages that fs/direct-io.c pins at once, bios that it lets lie */
#define PIECES		(2 * BATCH)
#define ASKS_NS		(10 * 1000000000ull)
#define BIO_PAGES	256u	/* that are pinned at a time for a command */

static const struct pin_scratch_dm linear = PIN_SCRATCH_DM_LINEAR, failing = {
	.type = "error", .before = "", .config = "BLK_DEV_DM",
};

static const struct pin_scratch_fs ext4 = {
	.type = "ext4", .mkfs = "mkfs.ext4",
	/* The journal is not to be written while nothing can be. */
	.options = "commit=3600",
	.args = { "-Fq", "-b", "4096" }, .package = "e2fsprogs",
	.config = "EXT4_FS",
};

static const struct pin_scratch_fs vfat = {
	.type = "vfat", .mkfs = "mkfs.vfat",
	.args = { "-s", "8" }, .package = "dosfstools",
	.config = "VFAT_FS",
};

static const struct pin_scratch_fs xfs = {
	.type = "xfs", .mkfs = "mkfs.xfs",
	.args = { "-fq" }, .package = "xfsprogs",
	.config = "XFS_FS",
};

/* What refuses: a mapped device, a file system over one, or a server. */
struct site {
	const char *name;
	enum { NO_SERVER, FUSE, P9 } server;
	bool async;		/* all is pinned before the first answer comes */
	enum pin_answer answer;
	bool stable;		/* of the device: what is read comes by a copy, from 7.0 on */
	const struct pin_scratch_fs *fs;	/* or NULL */
	int err;
	char why[PIN_WHY_LEN];
	char mapped[64], below[64], dev[64];
	size_t bytes;
	int fd;
	int pieces;	/* a file that lies there page by page, or -1 */
};

static struct site sites[] = {
	{ .name = "device" },
	{ .name = "ext4", .fs = &ext4 },
	{ .name = "vfat", .fs = &vfat },
	{ .name = "xfs", .fs = &xfs },
	{ .name = "xfs_stable", .fs = &xfs, .stable = true },
	{ .name = "fuse", .server = FUSE, .answer = PIN_REFUSES },
	{ .name = "fuse_async", .server = FUSE, .async = true, .answer = PIN_REFUSES },
	{ .name = "fuse_half", .server = FUSE, .answer = PIN_HALVES },
	{ .name = "fuse_half_async", .server = FUSE, .async = true, .answer = PIN_HALVES },
	{ .name = "fuse_gone", .server = FUSE, .answer = PIN_ENDS },
	{ .name = "fuse_gone_async", .server = FUSE, .async = true, .answer = PIN_ENDS },
	{ .name = "9p", .server = P9, .answer = PIN_REFUSES },
	{ .name = "9p_later", .server = P9, .answer = PIN_REFUSES_LATER },
	{ .name = "9p_half", .server = P9, .answer = PIN_HALVES },
	{ .name = "9p_gone", .server = P9, .answer = PIN_ENDS },
};

struct cell {
	struct site *site;
	const char *name;
	pin_transfer_fn transfer;
	bool write;
	unsigned int pages;
};

static const struct cell ways[] = {
	{ .name = "read", .transfer = pin_transfer_sync, .pages = PAGES },
	{ .name = "write", .transfer = pin_transfer_sync, .pages = PAGES, .write = true },
	{ .name = "many_read", .transfer = pin_transfer_sync, .pages = MANY },
	{ .name = "many_write", .transfer = pin_transfer_sync, .pages = MANY, .write = true },
	{ .name = "aio_read", .transfer = pin_transfer_aio, .pages = PAGES },
	{ .name = "aio_write", .transfer = pin_transfer_aio, .pages = PAGES, .write = true },
	{ .name = "aio_many_read", .transfer = pin_transfer_aio, .pages = MANY },
	{ .name = "aio_many_write", .transfer = pin_transfer_aio, .pages = MANY, .write = true },
	{ .name = "uring_read", .transfer = pin_transfer_uring, .pages = PAGES },
	{ .name = "uring_write", .transfer = pin_transfer_uring, .pages = PAGES, .write = true },
};

#define NR_SITES	(sizeof(sites) / sizeof(sites[0]))
#define NR_WAYS		(sizeof(ways) / sizeof(ways[0]))

static struct cell cells[NR_SITES * NR_WAYS];

/* In turn with another file: vfat takes the next cluster for whoever comes. */
static int make_pieces(struct site *st, const char *dir, char *content)
{
	const size_t ps = getpagesize();
	char path[400], between[400];
	int fd, other, err = 0;

	snprintf(path, sizeof(path), "%s/pieces", dir);
	snprintf(between, sizeof(between), "%s/between", dir);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	other = open(between, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	errno = ENOSPC;
	for (size_t i = 0; i < PIECES && !err; i++) {
		if (pwrite(fd, content, ps, i * ps) != (ssize_t)ps ||
		    pwrite(other, content, ps, i * ps) != (ssize_t)ps)
			err = -errno;
	}
	if (!err && fsync(fd))
		err = -errno;
	close(other);
	close(fd);
	st->pieces = open(path, O_RDWR | O_DIRECT | O_CLOEXEC);
	if (!err && st->pieces < 0)
		err = -errno;
	return err ? pin_why(st->why, err, "%s: %s", path, strerror(-err)) : 0;
}

/* XFS shuts itself down if its log cannot be written: it is to have none to write. */
static int make_read_only(struct site *st, const char *dir, const char *path)
{
	close(st->fd);
	st->fd = -1;
	if (mount(NULL, dir, NULL, MS_REMOUNT | MS_RDONLY | MS_NOATIME, NULL))
		return pin_why(st->why, -errno, "read-only %s: %s", dir, strerror(errno));
	st->fd = open(path, O_RDONLY | O_DIRECT | O_CLOEXEC);
	return st->fd < 0 ? pin_why(st->why, -errno, "%s: %s", path, strerror(errno)) : 0;
}

static int make_file(struct site *st)
{
	const size_t len = (size_t)MANY * getpagesize();
	char dir[300], path[400], *content;
	int err = pin_scratch_mount(st->fs, st->dev, dir, sizeof(dir), st->why);

	if (err)
		return err;
	content = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (content == MAP_FAILED)
		return pin_why(st->why, -errno, "mmap: %s", strerror(errno));
	snprintf(path, sizeof(path), "%s/file", dir);
	st->fd = open(path, O_RDWR | O_CREAT | O_DIRECT | O_CLOEXEC, 0600);
	/* Whatever is to be looked up is in memory before the device fails. */
	if (st->fd < 0 || pwrite(st->fd, content, len, 0) != (ssize_t)len || fsync(st->fd))
		err = pin_why(st->why, -errno, "%s: %s", path, strerror(errno));
	if (!err && st->fs == &vfat)
		err = make_pieces(st, dir, content);
	if (!err && st->fs == &xfs)
		err = make_read_only(st, dir, path);
	munmap(content, len);
	return err;
}

/* The mapped device above it is so, too, when it is made. */
static int make_stable(struct site *st)
{
	char path[128];
	int err;

	snprintf(path, sizeof(path), "/sys/block/%s/queue/stable_writes",
		 strrchr(st->below, '/') + 1);
	err = pin_write_file(path, "1");
	return err ? pin_why(st->why, err, "%s: %s: Linux 5.10 or later", path,
			     strerror(-err)) : 0;
}

static bool is_stable(const char *dev)
{
	int fd = open(dev, O_RDONLY | O_CLOEXEC);
	const bool stable = fd >= 0 && pin_dio_queue(fd, "stable_writes") == 1;

	if (fd >= 0)
		close(fd);
	return stable;
}

static int make_site(struct site *st)
{
	static char scratch[256];
	char file[300], name[64];
	int err = 0;

	st->fd = -1;
	if (!*scratch)
		err = pin_scratch_dir(scratch, sizeof(scratch), st->why);
	snprintf(name, sizeof(name), "%s.img", st->name);
	st->bytes = st->fs == &xfs ? XFS_BYTES : BYTES;
	if (!err)
		err = st->fs == &xfs ? pin_scratch_sparse_file(scratch, name, st->bytes, file,
							       sizeof(file), st->why) :
				       pin_scratch_file(scratch, name, st->bytes, file,
							sizeof(file), st->why);
	err = err ?: pin_scratch_loop(file, false, st->below, sizeof(st->below), st->why);
	if (!err && st->stable)
		err = make_stable(st);
	if (err)
		return err;
	snprintf(st->mapped, sizeof(st->mapped), "pin-error-%s-%d", st->name, getpid());
	err = pin_scratch_dm(st->mapped, st->fs ? &linear : &failing, st->below, st->bytes, st->dev,
			     sizeof(st->dev), st->why);
	if (!err && st->stable && !is_stable(st->dev))
		err = pin_why(st->why, -ENOTSUP, "%s has not inherited stable_writes", st->dev);
	if (err || st->fs)
		return err ?: make_file(st);
	st->fd = open(st->dev, O_RDWR | O_DIRECT | O_CLOEXEC);
	return st->fd < 0 ? pin_why(st->why, -errno, "%s: %s", st->dev, strerror(errno)) : 0;
}

static const struct pin_consumer *metadata, *uring_metadata;

static void make_served(struct site *st, const struct pin_kernel *k)
{
	char byte;

	st->fd = st->server == P9 ? pin_p9_file(st->answer, NULL, st->why) :
				    pin_fuse_failing_file(k, st->answer, st->async, st->why);
	/* Their server is gone after the first one; these are answered otherwise. */
	for (int i = 0; i < 2 && st->fd >= 0 && st->answer == PIN_ENDS; i++)
		(void)!pread(st->fd, &byte, 1, 0);
	st->err = st->fd < 0;
}

static void setup(struct pin_suite *s)
{
	pin_probe_all(s);
	for (size_t i = 0; i < NR_SITES; i++) {
		struct site *st = &sites[i];

		st->pieces = -1;
		if (st->server)
			make_served(st, pin_suite_kernel(s));
		else
			st->err = make_site(st);
	}
}

/* What is open cannot be unmounted. */
static void cleanup(struct pin_suite *s)
{
	(void)s;
	for (size_t i = 0; i < NR_SITES; i++) {
		if (!sites[i].err)
			close(sites[i].fd);
		if (sites[i].pieces >= 0)
			close(sites[i].pieces);
	}
}

/* Of a FUSE file, what the first request has. */
static uint64_t first_request(const struct cell *cell)
{
	return cell->pages < PIN_FUSE_REQUEST_PAGES ? cell->pages : PIN_FUSE_REQUEST_PAGES;
}

/* What is pinned before the first answer. */
static uint64_t pinned(const struct cell *cell, const struct pin_kernel *k)
{
	if (!cell->site->server)
		return k->dio_pins ? cell->pages : 0;
	if (cell->site->server == P9)
		return k->netfs_pins ? cell->pages : 0;
	if (!k->fuse_pins)
		return 0;
	return cell->site->async && cell->transfer != pin_transfer_sync ? cell->pages :
									  first_request(cell);
}

/* Of a 9P file, where fs/netfs asks for all that is to be read as one. */
static long result_of_9p(const struct cell *cell, const struct pin_kernel *k)
{
	switch (cell->site->answer) {
	case PIN_HALVES:
		return cell->pages * k->page_size;
	case PIN_REFUSES_LATER:
		return k->netfs_pins && !cell->write ? -EIO : (long)PIN_P9_REQUEST;
	default:
		return -EIO;
	}
}

static long result_of(const struct cell *cell, const struct pin_kernel *k)
{
	const struct site *st = cell->site;

	if (st->server == P9)
		return result_of_9p(cell, k);
	if (st->server && st->answer == PIN_ENDS)
		return -ENOTCONN;
	/* A write that was to be over when all its requests are is whole or not at all. */
	if (!st->server || st->answer == PIN_REFUSES ||
	    (st->async && cell->write && cell->transfer != pin_transfer_sync))
		return -EIO;
	return first_request(cell) * k->page_size / 2;
}

static bool all_there(const char *p, size_t len)
{
	return *p == (char)PIN_P9_BYTE && !memcmp(p, p + 1, len - 1);
}

/* Where that is known, fs/netfs has it that all went well and nothing was written. */
static void may_lose_error(struct pin_audit *au, const char *site, struct pin_predict *want,
			   long result)
{
	if (result || want->result >= 0 || !pin_audit_excuse(au, "netfs_write_error", site))
		return;
	want->result = 0;
	want->or_result = 0;
}

static enum pin_verdict run_cell(struct pin_audit *au, const void *arg)
{
	const struct cell *cell = arg;
	const struct pin_kernel *k = pin_audit_kernel(au);
	struct site *st = cell->site;
	struct pin_predict want = { .result = result_of(cell, k) };
	struct pin_mem mem;
	struct iovec iov;
	long result;

	if (st->err)
		return pin_audit_skip(au, "%s", st->why);
	if (pin_mem_alloc(&mem, pin_memkind_find("anon"), k, cell->pages))
		return pin_audit_skip(au, "%s", mem.why);
	iov = (struct iovec){ mem.addr, mem.len };
	/* What it is to be, to the last byte; else anything but that. */
	if (st->server == P9)
		memset(mem.addr, cell->write ? PIN_P9_BYTE : 0, mem.len);
	want.or_result = want.result;
	/* Request by request, since 6.17, and it may look whether it has a signal between these. */
	if (st->server == P9 && cell->write && st->answer == PIN_HALVES &&
	    k->version >= PIN_KVER(6, 17))
		want.or_result = PIN_P9_REQUEST;
	want.acquired = pinned(cell, k);
	/* A file system submits no more when it knows; a device all of them. */
	if (st->fs && cell->pages > PAGES) {
		want.migrated = want.acquired;
		want.acquired = 0;
	}
	want.released = want.acquired;
	/* Two for each page that is submitted: all of them, as they are not many. */
	want.issue = pin_known_issue(k, "dio_legacy", st->name);
	if (want.issue) {
		want.issue_released = 2 * cell->pages;
		want.or_more = 2 * cell->pages;
	}
	if (st->fs && pin_scratch_dm_replace(st->mapped, &failing, st->below, st->bytes, st->why)) {
		pin_mem_free(&mem);
		return pin_audit_fail(au, "%s", st->why);
	}
	/* The next write is refused for the error of the last one, unless that was told. */
	if (st->server == P9)
		(void)fdatasync(st->fd);
	result = cell->transfer(st->fd, cell->write, &iov, 1, 0, 0);
	if (st->fs && pin_scratch_dm_replace(st->mapped, &linear, st->below, st->bytes, st->why))
		pin_audit_fail(au, "%s", st->why);
	if (st->server == P9 && cell->write)
		may_lose_error(au, st->name, &want, result);
	pin_audit_step(au, cell->name, &want, result, 0);
	if (st->server == P9 && !cell->write && result > 0 && !all_there(mem.addr, result))
		pin_audit_fail(au, "what was read is not what the file has");
	pin_mem_free(&mem);
	return PIN_PASS;
}

/*
 * A server that does not answer: the memory stays pinned until who waits for it is
 * killed, or the server is. That is one request, of one part or of several: who was
 * killed waits for the answer to another one, and nothing can end that. For a signal
 * that does not kill nobody wakes up, but who is asked next may look whether there is one.
 */
static const struct wait {
	const char *name;
	bool write;
	enum { KILLED, GONE, SIGNALLED } end;	/* GONE: it is the server that is killed */
	unsigned int parts;	/* the second one is not answered, or the only one */
} waits[] = {
	{ "9p.waits.read.killed", false, KILLED, 1 },
	{ "9p.waits.write.killed", true, KILLED, 1 },
	{ "9p.waits.read.gone", false, GONE, 1 },
	{ "9p.waits.write.gone", true, GONE, 1 },
	{ "9p.waits.read.later_killed", false, KILLED, 3 },
	{ "9p.waits.write.later_killed", true, KILLED, 3 },
	{ "9p.waits.read.later_gone", false, GONE, 3 },
	{ "9p.waits.write.later_gone", true, GONE, 3 },
	{ "9p.waits.read.later_signalled", false, SIGNALLED, 3 },
	{ "9p.waits.write.later_signalled", true, SIGNALLED, 3 },
};

#define NR_WAITS	(sizeof(waits) / sizeof(waits[0]))

static struct {
	const struct wait *wait;
	int fd;
} waiting;

static unsigned int pages_of(const struct wait *w, const struct pin_kernel *k)
{
	return (w->parts * PIN_P9_REQUEST + k->page_size - 1) / k->page_size;
}

static void carry_on(int sig)
{
	(void)sig;
}

/* In the actor: get the memory, then (@arg 0) wait for ever. */
static long wait_for_server(const struct pin_actor *a, struct pin_op *op, long arg, char *why)
{
	const size_t len = waiting.wait->parts * PIN_P9_REQUEST;
	const struct sigaction seen = { .sa_handler = carry_on };
	static struct pin_mem mem;
	struct iovec iov;
	int err;

	(void)op;
	if (arg) {
		sigaction(SIGUSR1, &seen, NULL);
		err = pin_mem_alloc(&mem, pin_memkind_find("anon"), a->kernel,
				    pages_of(waiting.wait, a->kernel));
		if (err)
			memcpy(why, mem.why, PIN_WHY_LEN);
		else if (mem.len > len)
			pin_mem_cut(&mem, 0, len);
		if (!err)
			memset(mem.addr, waiting.wait->write ? PIN_P9_BYTE : 0, mem.len);
		return err;
	}
	iov = (struct iovec){ mem.addr, mem.len };
	err = pin_transfer_sync(waiting.fd, waiting.wait->write, &iov, 1, 0, 0);
	return err > 0 && !all_there(mem.addr, err) ? -EILSEQ : err;
}

static bool is_asked(const struct pin_p9_server *server)
{
	const uint64_t deadline = pin_now_ns() + ASKS_NS;

	while (!server->talk->asked && pin_now_ns() < deadline)
		pin_sleep_ns(1000000);
	return server->talk->asked;
}

/* What comes back to who has waited, and why: how the step is called. */
static const char *end_wait(const struct wait *w, const struct pin_actor *a,
			    const struct pin_p9_server *server, struct pin_predict *rest)
{
	if (w->end == GONE) {
		kill(server->pid, SIGKILL);
		/* The latter if there was something that it had not received. */
		rest->result = -EREMOTEIO;
		rest->or_result = -ECONNRESET;
		/* What was done before counts, but for fs/netfs what is read is one. */
		if (w->parts > 1 && (w->write || !a->kernel->netfs_pins)) {
			rest->result = PIN_P9_REQUEST;
			rest->or_result = PIN_P9_REQUEST;
		}
		return "sigkill of the server";
	}
	kill(a->pid, SIGUSR1);
	server->talk->go_on = true;
	rest->result = w->parts * PIN_P9_REQUEST;
	rest->or_result = rest->result;
	/* Request by request, since 6.17, see above. */
	if (w->write && a->kernel->version >= PIN_KVER(6, 17))
		rest->or_result = 2 * PIN_P9_REQUEST;
	return "signal";
}

static void run_wait_on(struct pin_audit *au, const struct wait *w, struct pin_actor *a,
			const struct pin_p9_server *server)
{
	const struct pin_kernel *k = a->kernel;
	struct pin_predict want = { .acquired = k->netfs_pins ? pages_of(w, k) : 0 };
	struct pin_predict rest = { .released = want.acquired };
	struct pin_actor_reply reply;
	const char *what;

	if (pin_actor_task(a, 1, &reply) || reply.result) {
		pin_audit_skip(au, "%s", reply.why);
		return;
	}
	pin_audit_restart(au);
	if (pin_actor_begin(a, PIN_ACTOR_TASK, &reply)) {
		pin_audit_fail(au, "%s", reply.why);
		return;
	}
	/* Who is killed before it has asked would wait for ever. */
	if (!is_asked(server)) {
		pin_audit_fail(au, "the server is not asked");
		return;
	}
	if (!pin_audit_step(au, "waits", &want, 0, 0))
		return;
	if (w->end == KILLED) {
		kill(a->pid, SIGKILL);
		if (pin_actor_wait(a) < 0)
			pin_audit_fail(au, "it cannot be killed as it waits");
		pin_audit_step(au, "sigkill", &rest, 0, 0);
		return;
	}
	what = end_wait(w, a, server, &rest);
	if (pin_actor_end(a, PIN_ACTOR_TASK, &reply)) {
		pin_audit_fail(au, "%s", reply.why);
		return;
	}
	if (w->write)
		may_lose_error(au, "9p", &rest, reply.result);
	pin_audit_step(au, what, &rest, reply.result, 0);
}

static enum pin_verdict run_wait(struct pin_audit *au, const void *arg)
{
	const struct pin_kernel *k = pin_audit_kernel(au);
	struct pin_actor a = { .task = wait_for_server, .kernel = k, .node = -1 };
	struct pin_actor end = { .fd = -1 };
	static struct pin_p9_server server;
	const struct wait *w = arg;
	char why[PIN_WHY_LEN];
	int err;

	if (!server.talk)
		server.talk = pin_actor_shared(sizeof(*server.talk));
	*server.talk = (struct pin_p9_talk){ false, false };
	waiting.wait = w;
	waiting.fd = pin_p9_file(w->parts > 1 ? PIN_KEEPS_ONE : PIN_IS_MUTE, &server, why);
	if (waiting.fd < 0)
		return pin_audit_skip(au, "%s", why);
	err = pin_actor_start(&a);
	close(waiting.fd);
	if (err) {
		pin_audit_fail(au, "cannot start a process: %s", strerror(-err));
	} else {
		run_wait_on(au, w, &a, &server);
		pin_actor_stop(au, &a);
	}
	/* It is over when nobody has the file any more. */
	end.pid = server.pid;
	if (pin_actor_wait(&end) < 0) {
		pin_audit_fail(au, "the file system does not go away");
		pin_actor_stop(au, &end);
	}
	return PIN_PASS;
}

/*
 * Page by page there is a bio for each, and fs/direct-io.c hears of an error while
 * there are more to come: as it looks what has become of so many, or because it
 * cannot find out where the next page lies.
 */
struct broken_off {
	const char *name;
	bool forgets;		/* where the pages lie is not in memory any more */
	unsigned int pinned;
	unsigned int extra;	/* released too many with the known issue */
};

static const struct broken_off broken_off[] = {
	/* Of the first 64 each is in a bio, the next is about to be. */
	{ "reaped_read", false, PIECES, 2 * BATCH + 1 },
	/* The first cluster is in the directory, for the next one it asks the device. */
	{ "lookup_read", true, BATCH, 2 },
};

#define NR_BROKEN_OFF	(sizeof(broken_off) / sizeof(broken_off[0]))

static int forget(struct site *st)
{
	int fd = open(st->dev, O_RDONLY | O_CLOEXEC), err;

	err = fd < 0 || ioctl(fd, BLKFLSBUF) ? -errno : 0;
	if (fd >= 0)
		close(fd);
	return err ? pin_why(st->why, err, "%s: BLKFLSBUF: %s", st->dev, strerror(-err)) : 0;
}

static enum pin_verdict run_broken_off(struct pin_audit *au, const void *arg)
{
	const struct broken_off *b = arg;
	const struct pin_kernel *k = pin_audit_kernel(au);
	struct pin_predict want = { .result = -EIO, .or_result = -EIO };
	struct site *st = sites;
	struct pin_mem mem;
	struct iovec iov;
	long result;

	while (st->fs != &vfat)
		st++;
	if (st->err)
		return pin_audit_skip(au, "%s", st->why);
	if (pin_mem_alloc(&mem, pin_memkind_find("anon"), k, PIECES))
		return pin_audit_skip(au, "%s", mem.why);
	iov = (struct iovec){ mem.addr, mem.len };
	want.acquired = k->dio_pins ? b->pinned : 0;
	want.released = want.acquired;
	want.issue = pin_known_issue(k, "dio_legacy", st->name);
	if (want.issue) {
		want.issue_released = b->extra;
		want.or_more = b->extra;
	}
	/* All is read once: what it is to know it knows. */
	if (preadv(st->pieces, &iov, 1, 0) != (ssize_t)mem.len)
		pin_audit_fail(au, "reading the file: %s", strerror(errno));
	pin_audit_restart(au);
	if ((b->forgets && forget(st)) ||
	    pin_scratch_dm_replace(st->mapped, &failing, st->below, st->bytes, st->why)) {
		pin_mem_free(&mem);
		return pin_audit_fail(au, "%s", st->why);
	}
	result = pin_transfer_sync(st->pieces, false, &iov, 1, 0, 0);
	if (pin_scratch_dm_replace(st->mapped, &linear, st->below, st->bytes, st->why))
		pin_audit_fail(au, "%s", st->why);
	pin_audit_step(au, b->name, &want, result, 0);
	pin_mem_free(&mem);
	return PIN_PASS;
}

/* --- commands that a device refuses, or its queue --- */

static int by_ioctl(const struct pin_mem *m, long *result, char *why)
{
	return pin_nvme_read_beyond(m, false, result, why);
}

static int by_uring(const struct pin_mem *m, long *result, char *why)
{
	return pin_nvme_read_beyond(m, true, result, why);
}

/*
 * Of as many segments as the queue allows, and of one more: as each page is one, it is the
 * last bio that is refused then.
 */
static const struct command {
	const char *name;
	const char *consumer;	/* of the same device */
	int (*call)(const struct pin_mem *m, long *result, char *why);
	long result;
	int (*segments)(const struct pin_kernel *k, char *why);
	unsigned int more;
} commands[] = {
	{ "nvme.read", "nvme_passthru_read", by_ioctl, -EIO, NULL, 0 },
	{ "nvme.uring_read", "uring_nvme_read", by_uring, -EIO, NULL, 0 },
	{ "sg.read", "sg_dio_read", pin_scsi_read_beyond, -EIO, NULL, 0 },
	{ "sd.no_sense", "sg_io_read", pin_scsi_no_sense, -EFAULT, NULL, 0 },
	{ "st.write", "st_write", pin_scsi_tape_refuses, -EIO, NULL, 0 },
	{ "nvme.segments", "nvme_passthru_read", by_ioctl, -EIO, pin_nvme_segments, 0 },
	{ "nvme.segments_more", "nvme_passthru_read", by_ioctl, -EINVAL, pin_nvme_segments, 1 },
	{ "nvme.uring_segments_more", "uring_nvme_read", by_uring, -EINVAL, pin_nvme_segments, 1 },
	{ "sg.segments", "sg_dio_read", pin_scsi_read_beyond, -EIO, pin_scsi_segments, 0 },
	{ "sg.segments_more", "sg_dio_read", pin_scsi_read_beyond, -EINVAL, pin_scsi_segments, 1 },
	{ "sd.segments_more", "sg_io_read", pin_scsi_no_sense, -EINVAL, pin_scsi_segments, 1 },
};

#define NR_COMMANDS	(sizeof(commands) / sizeof(commands[0]))

/*
 * Before 6.16 what does not fit into a bio any more is given back, to be pinned for the
 * next. Since then io_uring, which asks not to be made to wait first, is sent away as
 * if the device were busy, and a worker asks again.
 */
static uint64_t pinned_twice(const struct command *c, const struct pin_kernel *k,
			     unsigned int pages, unsigned int most)
{
	const unsigned int first = most < BIO_PAGES ? most : BIO_PAGES;

	if (k->version >= PIN_KVER(6, 16))
		return c->call == by_uring && pages > most ? pages : 0;
	return pages > first ? pages - first : 0;
}

static enum pin_verdict run_command(struct pin_audit *au, const void *arg)
{
	const struct command *c = arg;
	const struct pin_kernel *k = pin_audit_kernel(au);
	struct pin_predict want = { .result = c->result, .or_result = c->result };
	const char *kind = c->segments ? "alias" : "anon";
	char why[PIN_WHY_LEN];
	struct pin_mem mem;
	int most = PAGES;
	long result;

	if (!pin_probe_passed(au, pin_consumer_find(c->consumer)))
		return PIN_SKIP;
	if (c->segments)
		most = c->segments(k, why);
	if (most <= 0)
		return pin_audit_skip(au, "%s", most ? why : "the queue has no limit of segments");
	if (pin_mem_alloc(&mem, pin_memkind_find(kind), k, most + c->more))
		return pin_audit_skip(au, "%s", mem.why);
	want.acquired = k->dio_pins ? mem.pages + pinned_twice(c, k, mem.pages, most) : 0;
	want.released = want.acquired;
	if (c->call(&mem, &result, why))
		pin_audit_skip(au, "%s", why);
	else
		pin_audit_step(au, c->name, &want, result, 0);
	pin_mem_free(&mem);
	return PIN_PASS;
}

/*
 * A read with metadata, which goes to our memory as it is, or by a copy. Without a scheduler
 * commands end in batches, also those that failed, and their bios do not learn of that.
 */
static const struct meta_command {
	const char *name;
	unsigned int skip;	/* bytes: from there on it must be copied */
	unsigned int pages;	/* more than a piece or two: the same */
	const char *scheduler;	/* NULL: a read of the block device, by io_uring */
} meta_commands[] = {
	{ "nvme.meta_read", 0, 1, "none" },
	{ "nvme.meta_read_unaligned", 1, 1, "none" },
	{ "nvme.meta_read_many", 0, 3, "none" },
	{ "nvme.meta_read_many_unaligned", 1, 3, "none" },
	{ "nvme.meta_scheduled", 0, 1, "mq-deadline" },
	{ "nvme.meta_scheduled_unaligned", 1, 1, "mq-deadline" },
	{ "nvme.uring_meta_read", 0, 1, NULL },
	{ "nvme.uring_meta_read_unaligned", 1, 1, NULL },
	{ "nvme.uring_meta_read_many", 0, 3, NULL },
	{ "nvme.uring_meta_read_bios", 0, 2 * MANY, NULL },
};

#define NR_META_COMMANDS	(sizeof(meta_commands) / sizeof(meta_commands[0]))

static enum pin_verdict run_meta_command(struct pin_audit *au, const void *arg)
{
	const struct meta_command *c = arg;
	const struct pin_kernel *k = pin_audit_kernel(au);
	struct pin_predict want = { .result = -EIO };
	char why[PIN_WHY_LEN];
	unsigned int data = 0;
	struct pin_mem mem;
	long result;
	int err;

	if (!pin_probe_passed(au, c->scheduler ? metadata : uring_metadata))
		return PIN_SKIP;
	if (pin_mem_alloc(&mem, pin_memkind_find("anon"), k, c->pages + 1))
		return pin_audit_skip(au, "%s", mem.why);
	pin_mem_cut(&mem, c->skip, c->pages * k->page_size);
	if (c->scheduler) {
		err = pin_nvme_meta_read_beyond(&mem, c->scheduler, &data, &result, why);
		want.acquired = (k->integrity_pins ? mem.pages : 0) + (k->dio_pins ? data : 0);
	} else {
		err = pin_nvme_meta_uring(&mem, PIN_NVME_FAILS, &want.acquired, &result, why);
		want.result = -ENODATA;
	}
	want.released = want.acquired;
	want.or_result = want.result;
	if (err)
		pin_audit_skip(au, "%s", why);
	else
		pin_audit_step(au, c->name, &want, result, 0);
	pin_mem_free(&mem);
	return PIN_PASS;
}

static void add_tests(struct pin_suite *s)
{
	struct cell *cell = cells;

	for (size_t i = 0; i < NR_SITES; i++) {
		for (size_t w = 0; w < NR_WAYS; w++, cell++) {
			/* There a miscount and how many are tried do not go together. */
			if (sites[i].fs == &vfat && ways[w].pages == MANY)
				continue;
			if (sites[i].fs == &xfs && ways[w].write)
				continue;
			/* io_uring asks again for what it has not got, until that is a byte. */
			if (sites[i].server == FUSE && sites[i].answer == PIN_HALVES &&
			    !sites[i].async && !ways[w].write &&
			    ways[w].transfer == pin_transfer_uring)
				continue;
			*cell = ways[w];
			cell->site = &sites[i];
			pin_suite_add(s, run_cell, cell, "%s.%s", sites[i].name, ways[w].name);
		}
	}
	for (size_t i = 0; i < NR_WAITS; i++)
		pin_suite_add(s, run_wait, &waits[i], "%s", waits[i].name);
	for (size_t i = 0; i < NR_BROKEN_OFF; i++)
		pin_suite_add(s, run_broken_off, &broken_off[i], "vfat.%s", broken_off[i].name);
	for (size_t i = 0; i < NR_COMMANDS; i++) {
		/* Now: what there is to load takes a fork, and our memory would be shared. */
		if (pin_suite_add(s, run_command, &commands[i], "%s", commands[i].name))
			pin_probe_want(pin_consumer_find(commands[i].consumer));
	}
	metadata = pin_consumer_find("nvme_meta_read");
	uring_metadata = pin_consumer_find("uring_meta_read");
	for (size_t i = 0; i < NR_META_COMMANDS; i++) {
		const struct meta_command *c = &meta_commands[i];

		if (pin_suite_add(s, run_meta_command, c, "%s", c->name))
			pin_probe_want(c->scheduler ? metadata : uring_metadata);
	}
}

int main(int argc, char **argv)
{
	static const struct pin_program program = {
		.name = "io_error_test",
		.doc = "Direct I/O and commands that a device or a server of FUSE or 9P answers with an error, or only in part, or not at all, or that have more segments than its queue takes: what was pinned for it is released.",
		.setup = setup,
		.cleanup = cleanup,
		.add_tests = add_tests,
	};

	return pin_suite_main(&program, argc, argv);
}
