// SPDX-License-Identifier: GPL-2.0
/*
 * Pins of direct I/O while it is in flight.
 *
 * Without a slow device. Writes: a loop device lies over a file of a file system
 * of our own, which is frozen. A write to the loop device is accepted, pins its
 * memory, and waits below, in the loop driver's worker, until the file system
 * is thawed. Reads: a mapped device is suspended. It takes what is read from it,
 * the memory is pinned, and waits for it to be resumed.
 *
 * The submitter is a process of its own, because several tests end it.
 */
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <linux/aio_abi.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "consumer.h"
#include "consumers/fuse.h"
#include "consumers/nvme.h"
#include "consumers/scsi.h"
#include "scratch.h"
#include "suite.h"

#define PAGES		16
#define IMAGE_MIB	320	/* the least mkfs.xfs takes is 300 */
#define DISK_MIB	4
#define ANSWER_MS	10000
#define PINS_NS		2000000000ull
#define DWELL_NS	20000000ull	/* a wrong release would come within that */
#define COMMAND_NS	500000000ul	/* that a slow disk takes for one */
#define KPF_DIRTY	(1ull << 4)	/* in /proc/kpageflags */
#define PFN_MASK	((1ull << 55) - 1)
#define OLD		'o'	/* in memory that is read into; nowhere on the disks */

static const struct pin_scratch_fs file_systems[] = {
	{
		/* Small as it is, its blocks would be no pages. */
		.type = "ext4", .mkfs = "mkfs.ext4", .args = { "-Fq", "-b", "4096" },
		.package = "e2fsprogs", .config = "EXT4_FS",
	}, {
		.type = "xfs", .mkfs = "mkfs.xfs", .args = { "-fq" },
		.package = "xfsprogs", .config = "XFS_FS",
	},
};

#define NR_FS	(sizeof(file_systems) / sizeof(file_systems[0]))

/*
 * A loop device over a file on a file system that can be frozen; or a mapped one
 * over such a loop device, or a file of a file system on a mapped one.
 */
static struct site {
	const char *name;
	int err;
	char why[PIN_WHY_LEN];
	char dir[300];
	char disk[600];
	char mapped[64];	/* its name for the device mapper, or empty */
} sites[] = {
	{ .name = "ext4" }, { .name = "xfs" },
	{ .name = "dm" }, { .name = "dm_ext4" },
};

#define NR_SITES	(sizeof(sites) / sizeof(sites[0]))
#define MAPPED		(&sites[NR_FS])
#define MAPPED_FS	(&sites[NR_FS + 1])

enum order {
	ALLOCATE,
	SUBMIT,
	REAP,		/* wait for the end of it */
	UNMAP,
	CLEAN,		/* write the memory back to its file */
	LOOK,		/* has what was read come to the file? */
	FORK,		/* leave a child that inherits everything */
	CANCEL,
	LEAVE,		/* _exit without waiting */
};

struct engine {
	const char *name;
	long (*submit)(int fd, void *addr, size_t len, bool read);
	long (*reap)(void);
	long (*cancel)(void);
};

/* --- in the submitter --- */

static aio_context_t ctx;
static struct io_uring ring;
static struct iocb cb;

static long aio_submit(int fd, void *addr, size_t len, bool read)
{
	struct iocb *list = &cb;

	cb.aio_lio_opcode = read ? IOCB_CMD_PREAD : IOCB_CMD_PWRITE;
	cb.aio_fildes = fd;
	cb.aio_buf = (uintptr_t)addr;
	cb.aio_nbytes = len;
	if (syscall(__NR_io_setup, 1, &ctx) ||
	    syscall(__NR_io_submit, ctx, 1, &list) != 1)
		return -errno;
	return 0;
}

static long aio_reap(void)
{
	struct io_event event;

	while (syscall(__NR_io_getevents, ctx, 1, 1, &event, NULL) != 1) {
		if (errno != EINTR)
			return -errno;
	}
	return event.res;
}

static long aio_cancel(void)
{
	struct io_event event;

	return syscall(__NR_io_cancel, ctx, &cb, &event) ? -errno : 0;
}

static long uring_submit(int fd, void *addr, size_t len, bool read)
{
	struct io_uring_sqe *sqe;
	long n = io_uring_queue_init(4, &ring, 0);

	if (n)
		return n;
	sqe = io_uring_get_sqe(&ring);
	if (read) {
		io_uring_prep_read(sqe, fd, addr, len, 0);
		/* A suspended device turns away who does not want to wait. */
		sqe->flags |= IOSQE_ASYNC;
	} else {
		io_uring_prep_write(sqe, fd, addr, len, 0);
	}
	sqe->user_data = 1;
	n = io_uring_submit(&ring);
	return n == 1 ? 0 : n < 0 ? n : -EIO;
}

/* The result of request @id. */
static long uring_wait(uint64_t id)
{
	struct io_uring_cqe *cqe;
	uint64_t whose;
	long n;

	do {
		n = io_uring_wait_cqe(&ring, &cqe);
		if (n == -EINTR)
			continue;
		if (n)
			return n;
		whose = cqe->user_data;
		n = cqe->res;
		io_uring_cqe_seen(&ring, cqe);
	} while (n == -EINTR || whose != id);
	return n;
}

static long uring_reap(void)
{
	return uring_wait(1);
}

static long uring_cancel(void)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);
	long n;

	io_uring_prep_cancel64(sqe, 1, 0);
	sqe->user_data = 2;
	n = io_uring_submit(&ring);
	return n == 1 ? uring_wait(2) : n;
}

static const struct engine engines[] = {
	{
		.name = "aio", .submit = aio_submit, .reap = aio_reap,
		.cancel = aio_cancel,
	}, {
		.name = "uring", .submit = uring_submit, .reap = uring_reap,
		.cancel = uring_cancel,
	},
};

struct reply {
	long result;
	pid_t child;
	size_t len;		/* of the memory */
	struct pin_gup gup;	/* what pinning it does */
	char why[PIN_WHY_LEN];
};

static pid_t leave_child(int fd)
{
	struct pollfd auditor = { .fd = fd };
	pid_t pid = fork();

	if (!pid) {
		/* Until the auditor is gone, or kills us. */
		while (poll(&auditor, 1, -1) < 0 && errno == EINTR)
			;
		_exit(0);
	}
	return pid;
}

struct run;

struct ending {
	const char *name;
	void (*end)(struct run *r);
	bool any_memory;	/* worth a run on each kind */
	const char *only;	/* on that kind, read into */
	unsigned int dirty;	/* pages that are not cleaned */
	unsigned int pages;	/* 0: PAGES */
};

struct cell {
	struct site *site;
	const struct engine *engine;
	const struct ending *ending;
	const char *kind;
};

/* Its own memory: what a fork has shared would have to be unshared first. */
static void allocate(struct pin_mem *m, const struct cell *cell, const struct pin_kernel *k,
		     struct reply *r)
{
	const struct pin_access access = {
		.write = *cell->site->mapped, .fast = true, .file_io = true,
	};

	/* A file of the memory is to be on a file system that is known. */
	if (chdir(cell->site->dir))
		r->result = pin_why(r->why, -errno, "%s: %s", cell->site->dir, strerror(errno));
	else
		r->result = pin_mem_alloc(m, pin_memkind_find(cell->kind), k,
					  cell->ending->pages ?: PAGES);
	if (r->result) {
		if (!*r->why)
			memcpy(r->why, m->why, sizeof(r->why));
		return;
	}
	r->len = m->len;
	pin_mem_gup(m, &access, &r->gup);
	if (access.write)
		memset(m->addr, OLD, m->len);
}

/* Write the memory back, or all of it but the first pages. */
static long clean(const struct pin_mem *m, size_t dirty)
{
	return msync((char *)m->addr + dirty, m->len - dirty, MS_SYNC) ? -errno : 0;
}

/*
 * What was read is in the memory; is it in the file, too, once the cache is gone? Of
 * pages that nobody has marked dirty it is lost. Returns how many of them.
 */
static long lost_pages(struct pin_mem *m, long page)
{
	char *now = malloc(m->len), *seen = malloc(m->len);
	const int fd = m->fd;
	long lost = 0;

	if (!now || !seen)
		return -ENOMEM;
	memcpy(seen, m->addr, m->len);
	pin_mem_unmap(m);
	if (fsync(fd) || posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED) ||
	    pread(fd, now, m->len, 0) != (ssize_t)m->len)
		lost = -EIO;
	for (size_t at = 0; lost >= 0 && at < m->len; at += page)
		lost += seen[at] == OLD || memcmp(seen + at, now + at, page);
	free(now);
	free(seen);
	return lost;
}

static void __attribute__((noreturn)) submitter(const struct cell *cell, int disk,
						const struct pin_kernel *k, int fd)
{
	const struct engine *e = cell->engine;
	struct pin_mem mem;
	enum order order;

	while (recv(fd, &order, sizeof(order), 0) == sizeof(order)) {
		struct reply r = { .result = 0 };

		switch (order) {
		case ALLOCATE:
			allocate(&mem, cell, k, &r);
			break;
		case SUBMIT:
			r.result = e->submit(disk, mem.addr, mem.len, *cell->site->mapped);
			break;
		case REAP:
			r.result = e->reap();
			break;
		case UNMAP:
			pin_mem_unmap(&mem);
			break;
		case CLEAN:
			r.result = clean(&mem, cell->ending->dirty * k->page_size);
			break;
		case LOOK:
			r.result = lost_pages(&mem, k->page_size);
			break;
		case FORK:
			r.child = leave_child(fd);
			break;
		case CANCEL:
			r.result = e->cancel();
			break;
		case LEAVE:
			_exit(0);
		}
		if (send(fd, &r, sizeof(r), MSG_NOSIGNAL) != sizeof(r))
			break;
	}
	_exit(1);
}

/* --- in the auditor --- */

struct run {
	struct pin_audit *au;
	struct site *site;
	const struct engine *engine;
	size_t len;
	pid_t pid, child;
	int fd;
	bool held;
	struct pin_predict submit, done;
};

static const struct pin_predict nothing;

static bool order(struct run *r, enum order what, struct reply *reply)
{
	struct pollfd p = { .fd = r->fd, .events = POLLIN };

	if (send(r->fd, &what, sizeof(what), MSG_NOSIGNAL) != sizeof(what)) {
		pin_audit_fail(r->au, "the submitter is gone");
		return false;
	}
	if (what == LEAVE)
		return true;
	if (poll(&p, 1, ANSWER_MS) != 1 ||
	    recv(r->fd, reply, sizeof(*reply), 0) != sizeof(*reply)) {
		pin_audit_fail(r->au, "the submitter gave no answer within %d s",
			       ANSWER_MS / 1000);
		return false;
	}
	return true;
}

static bool step(struct run *r, enum order what, const char *name,
		 const struct pin_predict *want)
{
	struct reply reply;

	if (!order(r, what, &reply))
		return false;
	if (what == FORK)
		r->child = reply.child;
	return pin_audit_step(r->au, name, want, reply.result, 0);
}

static bool hold(struct run *r)
{
	struct site *st = r->site;
	int err = *st->mapped ? pin_scratch_dm_suspend(st->mapped, st->why) :
				pin_scratch_freeze(st->dir, st->why);

	if (err)
		pin_audit_fail(r->au, "%s", st->why);
	r->held = !err;
	return !err;
}

static bool let_go(struct run *r)
{
	struct site *st = r->site;
	int err;

	if (*st->mapped) {
		err = pin_scratch_dm_resume(st->mapped, st->why);
	} else {
		err = pin_scratch_thaw(st->dir);
		if (err)
			pin_why(st->why, err, "FITHAW: %s", strerror(-err));
	}
	r->held = false;
	if (err)
		pin_audit_fail(r->au, "%s", st->why);
	return !err;
}

/* Only time can show that nothing is released. */
static bool still_held(struct run *r, const char *name)
{
	pin_sleep_ns(DWELL_NS);
	return pin_audit_step(r->au, name, &nothing, 0, 0);
}

static bool ended(pid_t pid, unsigned int ms)
{
	for (unsigned int i = 0; i <= ms; i++) {
		if (waitpid(pid, NULL, WNOHANG) == pid)
			return true;
		pin_sleep_ns(1000000);
	}
	return false;
}

static void go_and_reap(struct run *r)
{
	struct pin_predict done = r->done;
	struct reply reply;

	done.result = r->len;
	done.or_result = done.result;
	if (let_go(r) && order(r, REAP, &reply))
		pin_audit_step(r->au, "go on", &done, reply.result, 0);
}

static void end_complete(struct run *r)
{
	if (still_held(r, "in flight"))
		go_and_reap(r);
}

static void end_munmap(struct run *r)
{
	if (step(r, UNMAP, "munmap", &nothing) && still_held(r, "unmapped"))
		go_and_reap(r);
}

/*
 * Cancelling finds the request and does not help: it is beyond recall. What
 * cancelling says: aio has no way for block devices, io_uring says that it is
 * running already, or that it found no such request to cancel.
 */
static void end_cancel(struct run *r)
{
	struct pin_predict told = { .result = -EALREADY, .or_result = -ENOENT };

	if (!strcmp(r->engine->name, "aio")) {
		told.result = -EINVAL;
		told.or_result = -EINVAL;
	}
	if (step(r, CANCEL, "cancel", &told) && still_held(r, "cancelled"))
		go_and_reap(r);
}

/* The parent must not end before its I/O; let that go on, and it does. */
static void outlive(struct run *r, const char *how)
{
	/* io_uring may let it go before that: then only the pins must stay. */
	if (ended(r->pid, DWELL_NS / 1000000))
		r->pid = 0;
	if (!pin_audit_step(r->au, how, &nothing, 0, 0) || !let_go(r))
		return;
	pin_audit_step(r->au, "go on", &r->done, 0, 0);
	if (r->pid && !ended(r->pid, ANSWER_MS))
		pin_audit_fail(r->au, "the submitter does not end after the I/O has");
	else
		r->pid = 0;
}

static void report_lost(struct pin_audit *au, long lost, size_t pages)
{
	if (lost < 0)
		pin_audit_fail(au, "the file cannot be looked at: %s", strerror(-lost));
	else if (lost)
		pin_audit_fail(au, "%ld of %zu pages of the file lack what was read into them",
			       lost, pages);
}

/*
 * Pages were marked dirty when the read began. They are no longer when it ends,
 * which is where nobody may mark them: a worker has to, and unpins them.
 */
static void end_cleaned(struct run *r)
{
	struct reply reply;

	if (!step(r, CLEAN, "msync", &nothing))
		return;
	go_and_reap(r);
	if (!order(r, LOOK, &reply))
		return;
	report_lost(r->au, reply.result, r->len / pin_audit_kernel(r->au)->page_size);
}

static void end_exit(struct run *r)
{
	if (order(r, LEAVE, NULL))
		outlive(r, "exit");
}

static void end_sigkill(struct run *r)
{
	kill(r->pid, SIGKILL);
	outlive(r, "sigkill");
}

static void end_fork(struct run *r)
{
	if (step(r, FORK, "fork", &nothing))
		go_and_reap(r);
}

/* The child has a copy of the memory, and io_uring's ring, but not the I/O. */
static void end_fork_sigkill(struct run *r)
{
	if (!step(r, FORK, "fork", &nothing))
		return;
	kill(r->pid, SIGKILL);
	outlive(r, "sigkill of the parent");
}

static const struct ending endings[] = {
	{ .name = "complete", .end = end_complete, .any_memory = true },
	{ .name = "munmap", .end = end_munmap, .any_memory = true },
	{ .name = "cancel", .end = end_cancel },
	{ .name = "exit", .end = end_exit },
	{ .name = "sigkill", .end = end_sigkill, .any_memory = true },
	{ .name = "fork", .end = end_fork },
	{ .name = "fork_sigkill", .end = end_fork_sigkill },
	{ .name = "cleaned", .end = end_cleaned, .only = "file_shared" },
	{ .name = "cleaned_part", .end = end_cleaned, .only = "file_shared", .dirty = 1 },
	/* What is no more than a block of a file may be read in a way of its own (7.3). */
	{ .name = "cleaned_block", .end = end_cleaned, .only = "file_shared", .pages = 1 },
	{ .name = "complete_block", .end = end_complete, .pages = 1 },
	{ .name = "sigkill_block", .end = end_sigkill, .pages = 1 },
};

/*
 * The first with every ending. None so long that its bio would be split:
 * io_uring would be told to come again and pin at a time of its own.
 */
static const char *const kinds[] = {
	"anon", "anon_unaligned", "thp_part", "memfd", "file_shared",
};

#define NR_KINDS	(sizeof(kinds) / sizeof(kinds[0]))
#define NR_ENDINGS	(sizeof(endings) / sizeof(endings[0]))
#define NR_ENGINES	(sizeof(engines) / sizeof(engines[0]))

static int start(struct run *r, const struct cell *cell)
{
	int pair[2], disk;

	disk = open(cell->site->disk, O_RDWR | O_DIRECT | O_CLOEXEC);
	if (disk < 0)
		return -errno;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair)) {
		close(disk);
		return -errno;
	}
	r->pid = fork();
	if (!r->pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		signal(SIGINT, SIG_IGN);
		signal(SIGTERM, SIG_DFL);
		pin_scratch_disown();
		close(pair[0]);
		submitter(cell, disk, pin_audit_kernel(r->au), pair[1]);
	}
	close(disk);
	close(pair[1]);
	r->fd = pair[0];
	return r->pid < 0 ? -errno : 0;
}

/* Where others pin, that is in their own time. */
static void await_pins(struct pin_audit *au, const struct pin_snapshot *before, uint64_t pages)
{
	const struct pin_counters *c = pin_audit_counters(au);
	const uint64_t deadline = pin_now_ns() + PINS_NS;
	struct pin_snapshot now = { .ns = 0 };

	do {
		pin_counters_read_total(c, &now);
	} while (now.total.acquired - before->total.acquired < pages &&
		 pin_now_ns() < deadline);
}

static bool in_flight(struct run *r, const struct cell *cell)
{
	struct pin_snapshot before = { .ns = 0 };
	struct reply reply;
	int err = start(r, cell);

	if (err) {
		pin_audit_fail(r->au, "cannot start the submitter: %s", strerror(-err));
		return false;
	}
	if (!order(r, ALLOCATE, &reply))
		return false;
	if (reply.result) {
		pin_audit_skip(r->au, "%s", reply.why);
		return false;
	}
	r->len = reply.len;
	r->submit.acquired = reply.gup.pinned;
	r->done.released = reply.gup.pinned;
	if (!hold(r))
		return false;
	pin_counters_read_total(pin_audit_counters(r->au), &before);
	if (!order(r, SUBMIT, &reply))
		return false;
	if (!reply.result)
		await_pins(r->au, &before, r->submit.acquired);
	return pin_audit_step(r->au, "submit", &r->submit, reply.result, 0);
}

static enum pin_verdict run_cell(struct pin_audit *au, const void *arg)
{
	const struct cell *cell = arg;
	struct run r = {
		.au = au, .site = cell->site, .engine = cell->engine, .fd = -1,
	};

	if (cell->site->err)
		return pin_audit_skip(au, "%s", cell->site->why);
	if (in_flight(&r, cell))
		cell->ending->end(&r);
	if (r.held)
		let_go(&r);
	if (r.fd >= 0)
		close(r.fd);
	if (r.child > 0) {
		kill(r.child, SIGKILL);
		ended(r.child, ANSWER_MS);
	}
	if (r.pid > 0) {
		kill(r.pid, SIGKILL);
		if (!ended(r.pid, ANSWER_MS))
			pin_audit_fail(au, "the submitter cannot be killed");
	}
	return PIN_PASS;
}

/* --- FUSE: its server does to the memory what is to be done in flight --- */

struct fuse_cell {
	const char *name;
	unsigned int dirty;	/* pages that are not cleaned */
};

static const struct fuse_cell fuse_cells[] = {
	{ "cleaned", 0 }, { "cleaned_part", 1 },
};

#define NR_FUSE_CELLS	(sizeof(fuse_cells) / sizeof(fuse_cells[0]))

/* Memory of a file on the file system that is known. */
static int allocate_at(struct pin_mem *m, const struct site *st, const struct pin_kernel *k)
{
	int here = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), err = -ENOENT;

	if (here >= 0 && !chdir(st->dir))
		err = pin_mem_alloc(m, pin_memkind_find("file_shared"), k, PAGES);
	else
		pin_why(m->why, err, "%s: %s", st->dir, strerror(errno));
	if (here >= 0 && fchdir(here) && !err)
		err = pin_why(m->why, -errno, "fchdir: %s", strerror(errno));
	if (here >= 0)
		close(here);
	return err;
}

static enum pin_verdict run_fuse(struct pin_audit *au, const void *arg)
{
	const struct fuse_cell *cell = arg;
	const struct pin_kernel *k = pin_audit_kernel(au);
	struct pin_predict want = { .acquired = k->fuse_pins ? PAGES : 0 };
	struct site *st = &sites[0];
	char why[PIN_WHY_LEN];
	struct pin_mem m;
	ssize_t got;
	int fd;

	if (st->err)
		return pin_audit_skip(au, "%s", st->why);
	if (allocate_at(&m, st, k))
		return pin_audit_skip(au, "%s", m.why);
	fd = pin_fuse_cleaning_file(&m, cell->dirty * k->page_size, why);
	if (fd < 0) {
		pin_mem_free(&m);
		return pin_audit_skip(au, "%s", why);
	}
	memset(m.addr, OLD, m.len);
	pin_audit_restart(au);
	want.released = want.acquired;
	want.result = m.len;
	want.or_result = m.len;
	got = pread(fd, m.addr, m.len, 0);
	close(fd);
	if (pin_audit_step(au, "read", &want, got < 0 ? -errno : got, 0))
		report_lost(au, lost_pages(&m, k->page_size), m.pages);
	pin_mem_free(&m);
	return PIN_PASS;
}

/* --- NVMe: a command whose buffer is given up meanwhile --- */

#define NVME_PAGES	512	/* so many at once that the counters show it without a flush */
#define NVME_ROUNDS	50

/* Looks at the pins first, at the command then: whose pins are gone must be over. */
static long give_up_in_flight(struct pin_audit *au, struct pin_op *op, unsigned int *early)
{
	const struct pin_counters *c = pin_audit_counters(au);
	struct pin_snapshot before, after;
	long err = op->consumer->pin(op), result;

	if (err)
		return err;
	err = pin_nvme_start(op);
	if (!err && pin_counters_read_stale(c, &before))
		err = -EIO;
	if (err)
		return err;
	err = op->consumer->unpin(op);
	if (!err && !pin_counters_read_stale(c, &after) && !pin_nvme_done(op))
		*early += after.total.released - before.total.released >= NVME_PAGES / 2;
	result = pin_nvme_wait(op);
	return err ?: result;
}

static enum pin_verdict run_nvme(struct pin_audit *au, const void *arg)
{
	const struct pin_consumer *c = pin_consumer_find("uring_nvme_fixed");
	struct pin_predict want = { .acquired = NVME_ROUNDS * NVME_PAGES };
	unsigned int early = 0;
	char why[PIN_WHY_LEN];
	struct pin_mem m;
	struct pin_op op = { .consumer = c, .kernel = pin_audit_kernel(au), .mem = &m };
	long err = 0;

	if (c->probe(op.kernel, why))
		return pin_audit_skip(au, "%s", why);
	if (pin_mem_alloc(&m, pin_memkind_find("anon"), op.kernel, NVME_PAGES))
		return pin_audit_skip(au, "%s", m.why);
	if (c->open(&op)) {
		pin_mem_free(&m);
		return pin_audit_skip(au, "%s", op.why);
	}
	pin_audit_restart(au);
	for (int i = 0; !err && i < NVME_ROUNDS; i++)
		err = give_up_in_flight(au, &op, &early);
	want.released = want.acquired;
	want.migrated = op.kernel->movable_memory ? want.acquired : 0;
	if (pin_audit_step(au, "read, and give the buffer up", &want, err, 0) && early)
		pin_audit_differs(au, "%u of %d commands were still to come when their pages were unpinned",
				  early, NVME_ROUNDS);
	c->close(&op);
	pin_mem_free(&m);
	return PIN_PASS;
}

/* --- SCSI: a disk that takes its time --- */

struct sg_cell {
	const char *name;
	bool killed;		/* else cleaned, */
	unsigned int dirty;	/* but for that many pages */
};

static const struct sg_cell sg_cells[] = {
	{ "cleaned", false, 0 }, { "cleaned_part", false, 1 }, { "sigkill", true, 0 },
};

#define NR_SG_CELLS	(sizeof(sg_cells) / sizeof(sg_cells[0]))

/* Pages that are not marked dirty; -errno. */
static long clean_pages(const struct pin_mem *m, long page)
{
	int pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	int kpageflags = open("/proc/kpageflags", O_RDONLY | O_CLOEXEC);
	uint64_t entry, flags;
	long n = 0;

	for (unsigned int i = 0; n >= 0 && i < m->pages; i++) {
		if (pread(pagemap, &entry, 8, ((uintptr_t)m->addr / page + i) * 8) != 8 ||
		    pread(kpageflags, &flags, 8, (entry & PFN_MASK) * 8) != 8)
			n = errno ? -errno : -EIO;
		else
			n += !(flags & KPF_DIRTY);
	}
	if (pagemap >= 0)
		close(pagemap);
	if (kpageflags >= 0)
		close(kpageflags);
	return n;
}

/* Of the SCSI disk, directly, into all of @m: by @fd, or by /dev/sgN if that is -1. */
static long read_disk(int fd, struct pin_mem *m)
{
	ssize_t n;

	if (fd < 0)
		return pin_scsi_sg_read(m->addr, m->len);
	n = pread(fd, m->addr, m->len, 0);
	return n < 0 ? -errno : n == (ssize_t)m->len ? 0 : -EIO;
}

/* A process that does and waits for it, with its pages pinned: its pid, or < 0. */
static pid_t start_waiting(struct pin_audit *au, int fd, struct pin_mem *m)
{
	const unsigned int pins = pin_audit_kernel(au)->dio_pins ? PAGES : 0;
	const struct pin_predict taken = { .acquired = pins };
	struct pin_snapshot before = { .ns = 0 };
	pid_t pid;

	memset(m->addr, OLD, m->len);
	pin_audit_restart(au);
	pin_counters_read_total(pin_audit_counters(au), &before);
	pid = fork();
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		pin_scratch_disown();
		_exit(read_disk(fd, m) ? 1 : 0);
	}
	await_pins(au, &before, pins);
	pin_audit_step(au, "submit", &taken, pid < 0 ? -errno : 0, 0);
	return pid;
}

static void read_by_sg(struct pin_audit *au, const struct sg_cell *cell, struct pin_mem *m)
{
	const struct pin_kernel *k = pin_audit_kernel(au);
	const struct pin_predict gone = { .released = k->dio_pins ? PAGES : 0 };
	pid_t pid = start_waiting(au, -1, m);
	int status = 0;
	long lost;

	if (pid < 0)
		return;
	if (cell->killed)
		kill(pid, SIGKILL);
	else if (clean(m, cell->dirty * k->page_size))
		pin_audit_fail(au, "msync: %s", strerror(errno));
	if (waitpid(pid, &status, 0) != pid || (status && !cell->killed))
		pin_audit_fail(au, "the command failed");
	/* With nobody to wait for it the command goes on all the same. */
	if (!pin_audit_step(au, cell->name, &gone, 0, 0) || cell->killed)
		return;
	/* The disk is memory: the data was there at once, and is in the file. */
	lost = clean_pages(m, k->page_size);
	if (lost < 0)
		pin_audit_skip(au, "pages cannot be looked at: %s: kernel option PROC_PAGE_MONITOR, and root",
			       strerror(-lost));
	else if (lost)
		pin_audit_fail(au, "%ld of %u pages are not dirty after they were read into",
			       lost, m->pages);
}

static enum pin_verdict run_sg(struct pin_audit *au, const void *arg)
{
	static char why[PIN_WHY_LEN];
	static int err = 1;
	struct site *st = &sites[0];
	struct pin_mem m;

	if (st->err)
		return pin_audit_skip(au, "%s", st->why);
	if (err > 0)
		err = pin_scsi_slow_sg(COMMAND_NS, why);
	if (err)
		return pin_audit_skip(au, "%s", why);
	if (allocate_at(&m, st, pin_audit_kernel(au)))
		return pin_audit_skip(au, "%s", m.why);
	read_by_sg(au, arg, &m);
	pin_mem_free(&m);
	return PIN_PASS;
}

/* Requests that the disk takes at a time. */
#define REQUESTS	4
#define ROOMY		64

/* That disk, slow, and so many requests wide, and memory for it: a descriptor, or skipped. */
static int slow_disk(struct pin_audit *au, unsigned int requests, struct pin_mem *m)
{
	char why[PIN_WHY_LEN];
	int fd = pin_scsi_slow_sg(COMMAND_NS, why) ?: pin_scsi_narrow_disk(requests, why);

	if (fd < 0) {
		pin_audit_skip(au, "%s", why);
		return fd;
	}
	if (!pin_mem_alloc(m, pin_memkind_find("anon"), pin_audit_kernel(au), PAGES))
		return fd;
	pin_audit_skip(au, "%s", m->why);
	close(fd);
	return -ENOMEM;
}

/* Who waits for the data has it pinned for as long. */
static enum pin_verdict run_waiting(struct pin_audit *au, const void *arg)
{
	const struct pin_predict gone = {
		.released = pin_audit_kernel(au)->dio_pins ? PAGES : 0,
	};
	struct pin_mem m;
	int fd = slow_disk(au, ROOMY, &m), status = 0;
	pid_t pid;

	(void)arg;
	if (fd < 0)
		return PIN_SKIP;
	pid = start_waiting(au, fd, &m);
	if (pid > 0 && (waitpid(pid, &status, 0) != pid || status))
		pin_audit_fail(au, "the read failed");
	pin_audit_step(au, "done", &gone, 0, 0);
	close(fd);
	pin_mem_free(&m);
	return PIN_PASS;
}

/*
 * The disk has as much to do as it takes: who does not want to wait is sent away, by the
 * device, when his memory is pinned.
 */
static int read_while_busy(struct pin_audit *au, int fd, const struct pin_mem *m)
{
	const struct pin_kernel *k = pin_audit_kernel(au);
	const unsigned int pins = k->dio_pins ? 1 : 0, more = k->dio_pins ? PAGES - REQUESTS : 0;
	const struct pin_predict taken = { .acquired = REQUESTS * pins };
	const struct pin_predict away = {
		.acquired = more, .released = more, .result = -EAGAIN, .or_result = -EAGAIN,
	};
	const struct pin_predict gone = { .released = REQUESTS * pins };
	struct iocb cb[REQUESTS], *list[REQUESTS];
	struct io_event events[REQUESTS];
	struct timespec at_once = { 0 };
	struct iovec iov = {
		(char *)m->addr + REQUESTS * k->page_size, m->len - REQUESTS * k->page_size,
	};
	aio_context_t ctx = 0;
	long n;

	memset(cb, 0, sizeof(cb));
	for (int i = 0; i < REQUESTS; i++) {
		cb[i].aio_lio_opcode = IOCB_CMD_PREAD;
		cb[i].aio_fildes = fd;
		cb[i].aio_buf = (uintptr_t)m->addr + i * k->page_size;
		cb[i].aio_nbytes = k->page_size;
		cb[i].aio_offset = (off_t)i << 20;	/* apart: none joins another */
		list[i] = &cb[i];
	}
	if (syscall(SYS_io_setup, REQUESTS, &ctx))
		return -errno;
	n = syscall(SYS_io_submit, ctx, REQUESTS, list);
	if (n == REQUESTS && syscall(SYS_io_getevents, ctx, 1, 1, events, &at_once)) {
		syscall(SYS_io_destroy, ctx);
		pin_audit_restart(au);
		pin_audit_skip(au, "this kernel's scsi_debug does not take its time with several commands");
		return 0;
	}
	if (pin_audit_step(au, "keep it busy", &taken, n == REQUESTS ? 0 : -errno, 0)) {
		n = preadv2(fd, &iov, 1, 0, RWF_NOWAIT);
		pin_audit_step(au, "read, but not wait", &away, n < 0 ? -errno : n, 0);
	}
	n = syscall(SYS_io_getevents, ctx, REQUESTS, REQUESTS, events, NULL);
	pin_audit_step(au, "done", &gone, n == REQUESTS ? 0 : -errno, 0);
	syscall(SYS_io_destroy, ctx);
	return 0;
}

static enum pin_verdict run_busy(struct pin_audit *au, const void *arg)
{
	struct pin_mem m;
	int fd = slow_disk(au, REQUESTS, &m), err;

	(void)arg;
	if (fd < 0)
		return PIN_SKIP;
	pin_audit_restart(au);
	err = read_while_busy(au, fd, &m);
	if (err)
		pin_audit_skip(au, "AIO: %s", strerror(-err));
	pin_mem_free(&m);
	close(fd);
	return PIN_PASS;
}

/* All memory at one place for each direction, all endings everywhere. */
static bool wanted(const struct site *st, size_t kind, const struct ending *e)
{
	const bool reads = st >= MAPPED;

	if (e->only || !strcmp(kinds[kind], "file_shared"))
		return reads && e->only && !strcmp(kinds[kind], e->only);
	return !kind || (e->any_memory && (st == MAPPED || st == sites));
}

static void add_tests(struct pin_suite *s)
{
	static struct cell cells[NR_SITES * NR_ENGINES * NR_KINDS * NR_ENDINGS];
	struct cell *cell = cells;

	for (size_t f = 0; f < NR_SITES; f++) {
		for (size_t e = 0; e < NR_ENGINES; e++) {
			for (size_t k = 0; k < NR_KINDS; k++) {
				for (size_t i = 0; i < NR_ENDINGS; i++) {
					if (!wanted(&sites[f], k, &endings[i]))
						continue;
					cell->site = &sites[f];
					cell->engine = &engines[e];
					cell->kind = kinds[k];
					cell->ending = &endings[i];
					pin_suite_add(s, run_cell, cell++, "%s.%s.%s.%s",
						      sites[f].name, engines[e].name,
						      kinds[k], endings[i].name);
				}
			}
		}
	}
	for (size_t i = 0; i < NR_FUSE_CELLS; i++)
		pin_suite_add(s, run_fuse, &fuse_cells[i], "fuse.file_shared.%s",
			      fuse_cells[i].name);
	pin_suite_add(s, run_nvme, NULL, "nvme.anon.unregister");
	pin_suite_add(s, run_busy, NULL, "sd.anon.nowait");
	pin_suite_add(s, run_waiting, NULL, "sd.anon.wait");
	for (size_t i = 0; i < NR_SG_CELLS; i++)
		pin_suite_add(s, run_sg, &sg_cells[i], "sg.file_shared.%s", sg_cells[i].name);
}

static int set_up(struct site *st, const struct pin_scratch_fs *fs, const char *dir)
{
	char name[32], file[600], dev[64];
	int err;

	snprintf(name, sizeof(name), "%s.img", fs->type);
	err = pin_scratch_sparse_file(dir, name, (size_t)IMAGE_MIB << 20, file,
				      sizeof(file), st->why);
	if (!err)
		err = pin_scratch_loop(file, false, dev, sizeof(dev), st->why);
	if (!err)
		err = pin_scratch_mount(fs, dev, st->dir, sizeof(st->dir), st->why);
	if (!err)
		err = pin_scratch_file(st->dir, "disk", (size_t)DISK_MIB << 20, file,
				       sizeof(file), st->why);
	if (!err)
		err = pin_scratch_loop(file, false, st->disk, sizeof(st->disk), st->why);
	return err;
}

/* Over the disk of @below, whose file system has room for files of memory, too. */
static int set_up_mapped(struct site *st, const struct site *below)
{
	static const struct pin_scratch_dm linear = PIN_SCRATCH_DM_LINEAR;

	memcpy(st->dir, below->dir, sizeof(st->dir));
	snprintf(st->mapped, sizeof(st->mapped), "pin-inflight-%d", getpid());
	if (below->err) {
		memcpy(st->why, below->why, sizeof(st->why));
		return below->err;
	}
	return pin_scratch_dm(st->mapped, &linear, below->disk, (size_t)DISK_MIB << 20,
			      st->disk, sizeof(st->disk), st->why);
}

/* A file on a file system on it: its reads come from there. */
static int set_up_mapped_fs(struct site *st, const struct site *below, const char *dir)
{
	static const struct pin_scratch_dm linear = PIN_SCRATCH_DM_LINEAR;
	char file[600], loop[64], dev[64], mounted[300];
	int err, fd;

	memcpy(st->dir, below->dir, sizeof(st->dir));
	snprintf(st->mapped, sizeof(st->mapped), "pin-inflight-fs-%d", getpid());
	if (below->err) {
		memcpy(st->why, below->why, sizeof(st->why));
		return below->err;
	}
	err = pin_scratch_sparse_file(dir, "mapped.img", (size_t)IMAGE_MIB << 20, file,
				      sizeof(file), st->why);
	if (!err)
		err = pin_scratch_loop(file, false, loop, sizeof(loop), st->why);
	if (!err)
		err = pin_scratch_dm(st->mapped, &linear, loop, (size_t)IMAGE_MIB << 20, dev,
				     sizeof(dev), st->why);
	if (!err)
		err = pin_scratch_mount(&file_systems[0], dev, mounted, sizeof(mounted), st->why);
	if (!err)
		err = pin_scratch_file(mounted, "disk", (size_t)DISK_MIB << 20, st->disk,
				       sizeof(st->disk), st->why);
	if (err)
		return err;
	/* A direct read of what is still to be written would wait for that. */
	fd = open(st->disk, O_RDWR | O_CLOEXEC);
	if (fd < 0 || fsync(fd))
		err = pin_why(st->why, -errno, "%s: %s", st->disk, strerror(errno));
	if (fd >= 0)
		close(fd);
	return err;
}

static void setup(struct pin_suite *s)
{
	char dir[256], why[PIN_WHY_LEN];
	int err;

	(void)s;
	if (geteuid())
		err = pin_why(why, -EPERM, "needs root: makes and freezes a file system of its own");
	else
		err = pin_scratch_dir(dir, sizeof(dir), why);
	for (size_t i = 0; i < NR_FS; i++) {
		if (err)
			memcpy(sites[i].why, why, sizeof(why));
		sites[i].err = err ? err : set_up(&sites[i], &file_systems[i], dir);
	}
	MAPPED->err = set_up_mapped(MAPPED, &sites[0]);
	MAPPED_FS->err = set_up_mapped_fs(MAPPED_FS, &sites[0], dir);
}

int main(int argc, char **argv)
{
	static const struct pin_program program = {
		.name = "inflight_test",
		.doc = "Pins of direct I/O that is held up below: they stay until it is done, whatever the submitter does. Tests are called BELOW.ENGINE.MEMORY.ENDING; below is a file system that writes wait for, or dm, which reads wait for, or a file on dm.",
		.add_tests = add_tests,
		.setup = setup,
	};

	return pin_suite_main(&program, argc, argv);
}
