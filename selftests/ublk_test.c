// SPDX-License-Identifier: GPL-2.0
/*
 * Memory that a block device in user space (ublk) shares with those who do I/O
 * on it, for requests without a copy. Its pins belong to the device, not to
 * the process: they are there until somebody unregisters the memory or deletes
 * the device. The device is not started, so there is no disk.
 *
 * But for the requests that are copied: the disk's server is a process of its own,
 * whose buffer the kernel may take references on, which only the page view sees.
 */
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "consumers/uring.h"
#include "page_view.h"
#include "scratch.h"
#include "suite.h"

#define PAGES		64
#define CONTROL		"/dev/ublk-control"
#define READ_ONLY	(1u << 0)	/* UBLK_SHMEM_BUF_READ_ONLY */
#define SHARED_MEMORY	(1ull << 19)	/* UBLK_F_SHMEM_ZC */
#define ANY_DEVICE	UINT32_MAX
#define NO_QUEUE	UINT16_MAX
#define BUFFER		(1u << 16)	/* bytes: what a request may have */
#define DISK_SECTORS	(8u << 11)
#define BASIC		(1u << 0)	/* UBLK_PARAM_TYPE_BASIC */
#define ANSWER_MS	10000
#define OP_MASK		0xffu
#define OP_WRITE	1		/* UBLK_IO_OP_WRITE */
#define IN_SHARED	(1u << 19)	/* UBLK_IO_F_SHMEM_ZC: addr says where in which memory */
#define SHARED_OFFSET	0xffffffffu

/* As in <linux/ublk_cmd.h> of 7.3, which few systems have. */
struct ctrl_cmd {
	uint32_t dev_id;
	uint16_t queue_id, len;
	uint64_t addr, data;
	uint16_t dev_path_len, pad;
	uint32_t reserved;
};

struct dev_info {
	uint16_t nr_hw_queues, queue_depth, state, io_desc_size;
	uint32_t max_io_buf_bytes, dev_id;
	int32_t pid;
	uint32_t pad;
	uint64_t flags, server_flags;
	uint32_t uid, gid;
	uint64_t reserved[2];
};

struct memory {
	uint64_t addr, len;
	uint32_t flags, reserved;
};

struct params {
	uint32_t len, types;
	uint32_t attrs;
	uint8_t logical_bs_shift, physical_bs_shift, io_opt_shift, io_min_shift;
	uint32_t max_sectors, chunk_sectors;
	uint64_t dev_sectors, virt_boundary_mask;
};

struct io_cmd {
	uint16_t q_id, tag;
	int32_t result;
	uint64_t addr;
};

struct io_desc {
	uint32_t op_flags, nr_sectors;
	uint64_t start_sector, addr;
};

enum command {
	ADD_DEV = _IOWR('u', 0x04, struct ctrl_cmd),
	DEL_DEV = _IOWR('u', 0x05, struct ctrl_cmd),
	START_DEV = _IOWR('u', 0x06, struct ctrl_cmd),
	STOP_DEV = _IOWR('u', 0x07, struct ctrl_cmd),
	SET_PARAMS = _IOWR('u', 0x08, struct ctrl_cmd),
	REG_BUF = _IOWR('u', 0x18, struct ctrl_cmd),
	UNREG_BUF = _IOWR('u', 0x19, struct ctrl_cmd),
	FETCH_REQ = _IOWR('u', 0x20, struct io_cmd),
	COMMIT_AND_FETCH_REQ = _IOWR('u', 0x21, struct io_cmd),
};

static char unable[PIN_WHY_LEN];	/* to have such a device: why */
static char unable_to_share[PIN_WHY_LEN];
static uint32_t device = ANY_DEVICE;

/* @cmd by a ring of its own: what it returns, or -errno. */
static long control(enum command op, const struct ctrl_cmd *cmd)
{
	int fd = open(CONTROL, O_RDWR | O_CLOEXEC);
	struct io_uring_sqe *sqe;
	struct io_uring ring;
	long err;

	if (fd < 0)
		return -errno;
	err = io_uring_queue_init(2, &ring, IORING_SETUP_SQE128);
	sqe = err ? NULL : io_uring_get_sqe(&ring);
	if (sqe) {
		memset(sqe, 0, 2 * sizeof(*sqe));
		sqe->opcode = IORING_OP_URING_CMD;
		sqe->fd = fd;
		sqe->cmd_op = op;
		memcpy(sqe->cmd, cmd, sizeof(*cmd));
		err = pin_uring_submit_one(&ring);
	}
	if (!err || sqe)
		io_uring_queue_exit(&ring);
	close(fd);
	return err;
}

static long add_device(struct dev_info *info, uint64_t flags)
{
	const struct ctrl_cmd cmd = {
		.dev_id = ANY_DEVICE, .queue_id = NO_QUEUE,
		.addr = (uintptr_t)info, .len = sizeof(*info),
	};

	*info = (struct dev_info){
		.nr_hw_queues = 1, .queue_depth = 1, .max_io_buf_bytes = BUFFER,
		.dev_id = ANY_DEVICE, .flags = flags,
	};
	return control(ADD_DEV, &cmd);
}

static long delete_device(void)
{
	const struct ctrl_cmd cmd = { .dev_id = device, .queue_id = NO_QUEUE };

	return control(DEL_DEV, &cmd);
}

/* The index of the memory, or -errno. */
static long reg(const void *addr, size_t len, unsigned int flags)
{
	const struct memory m = { .addr = (uintptr_t)addr, .len = len, .flags = flags };
	const struct ctrl_cmd cmd = {
		.dev_id = device, .queue_id = NO_QUEUE,
		.addr = (uintptr_t)&m, .len = sizeof(m),
	};

	return control(REG_BUF, &cmd);
}

static long unreg(unsigned int index)
{
	const struct ctrl_cmd cmd = {
		.dev_id = device, .queue_id = NO_QUEUE, .data = index,
	};

	return control(UNREG_BUF, &cmd);
}

/* One sequence while it runs. */
struct seq {
	struct pin_audit *au;
	const struct pin_kernel *k;
	struct pin_mem mem;
	uint64_t held;		/* pages, by prediction */
};

static bool step(struct seq *s, const char *what, uint64_t acquired, uint64_t released,
		 long want, long result)
{
	const struct pin_predict p = pin_predict_longterm(s->k, acquired, released, want);

	s->held += acquired - released;
	return pin_audit_step(s->au, what, &p, result, getpid());
}

static bool begin(struct seq *s, struct pin_audit *au, const char *kind)
{
	struct dev_info info;
	long err;

	memset(s, 0, sizeof(*s));
	s->au = au;
	s->k = pin_audit_kernel(au);
	err = *unable_to_share ? 0 : add_device(&info, SHARED_MEMORY);
	if (*unable_to_share || err) {
		pin_audit_skip(au, "%s%s", unable_to_share, err ? strerror(-err) : "");
		return false;
	}
	device = info.dev_id;
	if (pin_mem_alloc(&s->mem, pin_memkind_find(kind), s->k, PAGES)) {
		pin_audit_skip(au, "%s", s->mem.why);
		delete_device();
		return false;
	}
	pin_audit_base_vmpin(au, getpid());
	return step(s, "open", 0, 0, 0, 0);
}

/* What is still registered goes with the device. */
static enum pin_verdict end(struct seq *s)
{
	step(s, "delete the device", 0, s->held, 0, delete_device());
	pin_mem_free(&s->mem);
	return PIN_PASS;
}

static enum pin_verdict simple(struct pin_audit *au, const void *arg)
{
	struct seq s;

	if (!begin(&s, au, arg))
		return PIN_PASS;
	if (step(&s, "register", s.mem.pages, 0, 0, reg(s.mem.addr, s.mem.len, 0)) &&
	    step(&s, "unregister", 0, s.mem.pages, 0, unreg(0)) &&
	    step(&s, "unregister again", 0, 0, -ENOENT, unreg(0)))
		step(&s, "register for reading", s.mem.pages, 0, 0,
		     reg(s.mem.addr, s.mem.len, READ_ONLY));
	return end(&s);
}

/* Which memory a page is in must be clear: pinned, then refused. */
static enum pin_verdict overlap(struct pin_audit *au, const void *arg)
{
	const size_t half = PAGES / 2;
	struct seq s;
	char *middle;

	(void)arg;
	if (!begin(&s, au, "anon"))
		return PIN_PASS;
	middle = (char *)s.mem.addr + s.mem.len / 2;
	if (step(&s, "register half", half, 0, 0, reg(s.mem.addr, s.mem.len / 2, 0)) &&
	    step(&s, "register the same", half, half, -EEXIST,
		 reg(s.mem.addr, s.mem.len / 2, 0)) &&
	    step(&s, "register all", PAGES, PAGES, -EEXIST, reg(s.mem.addr, s.mem.len, 0)) &&
	    step(&s, "register the other half", half, 0, 1, reg(middle, s.mem.len / 2, 0)))
		step(&s, "unregister the first", 0, half, 0, unreg(0));
	return end(&s);
}

static enum pin_verdict hole(struct pin_audit *au, const void *arg)
{
	const size_t page = sysconf(_SC_PAGESIZE);
	struct seq s;

	(void)arg;
	if (!begin(&s, au, "anon"))
		return PIN_PASS;
	/* Not unmapped: a ring would be mapped there. */
	mprotect((char *)s.mem.addr + 40 * page, page, PROT_NONE);
	if (step(&s, "register what must not be touched", 40, 40, -EFAULT,
		 reg(s.mem.addr, s.mem.len, 0)) &&
	    step(&s, "register inside a page", 0, 0, -EINVAL,
		 reg((char *)s.mem.addr + 512, page, 0)) &&
	    step(&s, "register nothing", 0, 0, -EINVAL, reg(s.mem.addr, 0, 0)))
		step(&s, "register what comes before it", 40, 0, 0,
		     reg(s.mem.addr, 40 * page, 0));
	return end(&s);
}

/* A process registers its memory and ends: nothing is released. */
static enum pin_verdict outlives(struct pin_audit *au, const void *arg)
{
	struct seq s;
	int status;
	pid_t pid;

	(void)arg;
	if (!begin(&s, au, "anon"))
		return PIN_PASS;
	pid = fork();
	if (!pid) {
		pin_scratch_disown();
		memset(s.mem.addr, 1, s.mem.len);
		_exit(reg(s.mem.addr, s.mem.len, 0) ? EXIT_FAILURE : EXIT_SUCCESS);
	}
	waitpid(pid, &status, 0);
	if (step(&s, "a child registers and ends", PAGES, 0, EXIT_SUCCESS,
		 WEXITSTATUS(status)) &&
	    step(&s, "register our own", PAGES, 0, 1, reg(s.mem.addr, s.mem.len, 0)))
		step(&s, "unregister the child's", 0, PAGES, 0, unreg(0));
	return end(&s);
}

/*
 * Pages 0, 2, 4, ... of a huge page mapped side by side, and then its other ones: none of
 * these follows its neighbour in the machine's memory. @runs pages of both, or NULL.
 */
static void *scatter(const struct pin_mem *m, size_t runs)
{
	const size_t page = m->kernel->page_size;
	const int how = MREMAP_MAYMOVE | MREMAP_FIXED;
	char *to = mmap(NULL, 2 * runs * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	for (size_t i = 0; i < 2 * runs && to != MAP_FAILED; i++) {
		const char *from = (char *)m->addr + (2 * (i % runs) + i / runs) * page;

		if (mremap((void *)from, page, page, how, to + i * page) == MAP_FAILED) {
			munmap(to, 2 * runs * page);
			return NULL;
		}
	}
	return to == MAP_FAILED ? NULL : to;
}

/* The driver has a record for each run of pages, and takes out so many at a time. */
static enum pin_verdict scattered(struct pin_audit *au, const void *arg)
{
	const size_t runs = *(const unsigned int *)arg;
	struct seq s;
	size_t len;
	char *at;

	if (!begin(&s, au, "thp"))
		return PIN_PASS;
	len = runs * s.k->page_size;
	at = scatter(&s.mem, runs);
	if (!at) {
		pin_audit_skip(au, "pages cannot be moved: %s", strerror(errno));
		return end(&s);
	}
	if (step(&s, "register", runs, 0, 0, reg(at, len, 0)) &&
	    step(&s, "register those between", runs, 0, 1, reg(at + len, len, READ_ONLY)) &&
	    step(&s, "unregister", 0, runs, 0, unreg(0)) &&
	    step(&s, "unregister again", 0, 0, -ENOENT, unreg(0)))
		step(&s, "register again", runs, 0, 0, reg(at, len, 0));
	/* Both go with the device. */
	end(&s);
	munmap(at, 2 * len);
	return PIN_PASS;
}

/* --- requests that are copied --- */

/* What the server says of its buffer, and that it is ready. */
struct ready {
	long err;
	const void *addr;
	unsigned int pages;
	char why[PIN_WHY_LEN];
};

static long order_server(enum command op, const struct ctrl_cmd *more)
{
	struct ctrl_cmd cmd = more ? *more : (struct ctrl_cmd){ .data = 0 };

	cmd.dev_id = device;
	cmd.queue_id = NO_QUEUE;
	return control(op, &cmd);
}

static long set_params(void)
{
	const struct params p = {
		.len = sizeof(p), .types = BASIC,
		.logical_bs_shift = 9, .physical_bs_shift = 12, .io_opt_shift = 12,
		.io_min_shift = 9, .max_sectors = BUFFER >> 9, .dev_sectors = DISK_SECTORS,
	};
	const struct ctrl_cmd cmd = { .addr = (uintptr_t)&p, .len = sizeof(p) };

	return order_server(SET_PARAMS, &cmd);
}

static int submit_io(struct io_uring *ring, int fd, enum command op, long result, void *buffer)
{
	const struct io_cmd cmd = { .result = result, .addr = (uintptr_t)buffer };
	struct io_uring_sqe *sqe = io_uring_get_sqe(ring);

	if (!sqe)
		return -EBUSY;
	memset(sqe, 0, sizeof(*sqe));
	sqe->opcode = IORING_OP_URING_CMD;
	sqe->fd = fd;
	sqe->cmd_op = op;
	memcpy(sqe->cmd, &cmd, sizeof(cmd));
	return io_uring_submit(ring);
}

static int open_node(const char *format, int flags)
{
	char path[64];
	int fd = -1;

	snprintf(path, sizeof(path), format, device);
	for (int tries = 0; tries < 500 && fd < 0; tries++) {
		if (tries)
			usleep(10000);
		fd = open(path, flags | O_CLOEXEC);
	}
	return fd;
}

/* What the disk's user and its server share, both mapped before the server was forked. */
static struct {
	char *addr;		/* NULL: nothing */
	unsigned int *requests;	/* that were there */
} shared;

/* Take the data from where they are, or put them there: the kernel does not. */
static void copy_shared(const struct io_desc *desc, char *disk)
{
	char *at = shared.addr + (desc->addr & SHARED_OFFSET);
	const size_t len = (size_t)desc->nr_sectors << 9;

	if (!(desc->op_flags & IN_SHARED))
		return;
	++*shared.requests;
	if ((desc->op_flags & OP_MASK) == OP_WRITE)
		memcpy(disk, at, len);
	else
		memcpy(at, disk, len);
}

/* All of the disk is this one buffer: what was written last can be read, if as much. */
static void __attribute__((noreturn)) serve(const struct pin_kernel *k, const char *kind, int fd)
{
	struct io_uring_cqe *cqe;
	struct ready r = { .err = 0 };
	const struct io_desc *desc;
	struct io_uring ring;
	struct pin_mem mem;
	int dev = open_node("/dev/ublkc%u", O_RDWR);

	r.err = dev < 0 ? -errno : io_uring_queue_init(2, &ring, 0);
	desc = mmap(NULL, k->page_size, PROT_READ, MAP_SHARED | MAP_POPULATE, dev, 0);
	if (!r.err && desc == MAP_FAILED)
		r.err = -errno;
	/* It may begin inside a page. */
	if (!r.err && pin_mem_alloc(&mem, pin_memkind_find(kind), k, BUFFER / k->page_size + 1))
		r.err = pin_why(r.why, -ENOMEM, "%s", mem.why);
	if (!r.err) {
		r.addr = mem.addr;
		r.pages = mem.pages;
		r.err = submit_io(&ring, dev, FETCH_REQ, 0, mem.addr) == 1 ? 0 : -EIO;
	}
	if (send(fd, &r, sizeof(r), MSG_NOSIGNAL) != sizeof(r) || r.err)
		_exit(EXIT_FAILURE);
	while (!io_uring_wait_cqe(&ring, &cqe) && !cqe->res) {
		io_uring_cqe_seen(&ring, cqe);
		copy_shared(desc, mem.addr);
		submit_io(&ring, dev, COMMIT_AND_FETCH_REQ, (long)desc->nr_sectors << 9, mem.addr);
	}
	_exit(EXIT_SUCCESS);
}

static pid_t start_server(const struct pin_kernel *k, const char *kind, struct ready *r)
{
	struct pollfd p = { .events = POLLIN };
	int pair[2];
	pid_t pid;

	*r = (struct ready){ .err = -EPIPE };
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return -1;
	pid = fork();
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		pin_scratch_disown();
		close(pair[0]);
		serve(k, kind, pair[1]);
	}
	close(pair[1]);
	p.fd = pair[0];
	if (poll(&p, 1, ANSWER_MS) == 1 && recv(pair[0], r, sizeof(*r), 0) != sizeof(*r))
		r->err = -EPIPE;
	close(pair[0]);
	return pid;
}

/* It is written and read directly: here what pins is the one who does so. */
static void use_disk(struct pin_audit *au, struct pin_view *view)
{
	const struct pin_kernel *k = pin_audit_kernel(au);
	struct pin_predict want = { .result = BUFFER, .or_result = BUFFER };
	static const char *const what[] = { "write", "read" };
	struct pin_mem mem;
	int fd = open_node("/dev/ublkb%u", O_RDWR | O_DIRECT);
	bool right = true;
	ssize_t n;

	if (fd < 0 || pin_mem_alloc(&mem, pin_memkind_find("anon"), k, BUFFER / k->page_size)) {
		pin_audit_fail(au, "/dev/ublkb%u: %s", device, fd < 0 ? strerror(errno) : mem.why);
		goto out;
	}
	want.acquired = k->dio_pins ? mem.pages : 0;
	want.released = want.acquired;
	for (int read = 0; read < 2 && right; read++) {
		memset(mem.addr, read ? 0 : 0x5a, mem.len);
		n = read ? pread(fd, mem.addr, BUFFER, 0) : pwrite(fd, mem.addr, BUFFER, 0);
		right = pin_audit_step(au, what[read], &want, n < 0 ? -errno : n, 0) &&
			pin_audit_back(au, what[read], view);
	}
	if (right && *((char *)mem.addr + mem.len - 1) != 0x5a)
		pin_audit_fail(au, "what was written last is not what is read");
	pin_mem_free(&mem);
out:
	if (fd >= 0)
		close(fd);
}

/* Start a server with buffers of @kind, and its disk. False if that cannot be; stop it anyway. */
static bool start_disk(struct pin_audit *au, const char *kind, pid_t *pid, struct ready *server)
{
	struct ctrl_cmd start = { .data = 0 };
	long err = set_params();

	*pid = start_server(pin_audit_kernel(au), kind, server);
	start.data = *pid;
	if (err || server->err) {
		pin_audit_skip(au, "%s", *server->why ? server->why :
			       strerror(-(err ?: server->err)));
		return false;
	}
	err = order_server(START_DEV, &start);
	if (err)
		pin_audit_fail(au, "starting the disk: %s", strerror(-err));
	return !err;
}

/* The device is not deleted while a server has it. */
static void stop_disk(pid_t pid)
{
	order_server(STOP_DEV, NULL);
	if (pid > 0) {
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
	}
}

static enum pin_verdict copied(struct pin_audit *au, const void *arg)
{
	const struct pin_predict nothing = { .acquired = 0 };
	struct pin_view *view = NULL;
	struct dev_info info;
	struct ready server;
	pid_t pid;
	long err = *unable ? 0 : add_device(&info, 0);

	if (*unable || err)
		return pin_audit_skip(au, "%s%s", unable, err ? strerror(-err) : "");
	device = info.dev_id;
	if (start_disk(au, arg, &pid, &server)) {
		pin_audit_restart(au);
		view = pin_audit_view(au, pid, server.addr, server.pages);
		if (pin_audit_held(au, "the disk is there", view, &nothing))
			use_disk(au, view);
	}
	stop_disk(pid);
	pin_view_close(view);
	err = delete_device();
	return err ? pin_audit_fail(au, "deleting the device: %s", strerror(-err)) : PIN_PASS;
}

/* --- requests whose memory the server has registered --- */

/* Pages of it: from where, to where, how many. */
static const struct {
	unsigned int from, to, pages;
} moves[] = {
	{ 0, 16, 16 }, { 1, 17, 1 }, { 5, 40, 7 }, { 33, 2, 16 }, { 63, 0, 1 }, { 20, 21, 11 },
};

static char byte_of(size_t page)
{
	return 1 + page * 37 % 251;
}

static bool move(struct seq *s, int fd, unsigned int from, unsigned int to, unsigned int pages)
{
	const size_t ps = s->k->page_size, len = pages * ps;
	const uint64_t pins = s->k->dio_pins ? pages : 0;
	const struct pin_predict want = {
		.acquired = pins, .released = pins, .result = len, .or_result = len,
	};
	char *mem = s->mem.addr;
	unsigned int wrong = 0;
	ssize_t n;

	for (size_t i = 0; i < PAGES; i++)
		memset(mem + i * ps, byte_of(i), ps);
	*shared.requests = 0;
	n = pwrite(fd, mem + from * ps, len, 0);
	if (!pin_audit_step(s->au, "write", &want, n < 0 ? -errno : n, getpid()))
		return false;
	n = pread(fd, mem + to * ps, len, 0);
	if (!pin_audit_step(s->au, "read", &want, n < 0 ? -errno : n, getpid()))
		return false;
	for (size_t i = 0; i < PAGES; i++) {
		const char want = byte_of(i >= to && i - to < pages ? from + i - to : i);

		wrong += mem[i * ps] != want || memcmp(mem + i * ps, mem + i * ps + 1, ps - 1);
	}
	if (wrong)
		pin_audit_fail(s->au, "%u of %u pages are wrong after %u from page %u went to page %u",
			       wrong, PAGES, pages, from, to);
	if (*shared.requests != 2)
		pin_audit_fail(s->au, "%u of 2 requests were known to be in the memory",
			       *shared.requests);
	return !wrong;
}

static enum pin_verdict in_shared(struct pin_audit *au, const void *kind)
{
	struct ready server;
	struct seq s;
	pid_t pid;
	int fd;

	if (!begin(&s, au, kind))
		return PIN_PASS;
	shared.addr = s.mem.addr;
	shared.requests = mmap(NULL, s.k->page_size, PROT_READ | PROT_WRITE,
			       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared.requests == MAP_FAILED)
		abort();
	if (start_disk(au, "anon", &pid, &server)) {
		pin_audit_restart(au);
		fd = open_node("/dev/ublkb%u", O_RDWR | O_DIRECT);
		if (fd < 0)
			pin_audit_fail(au, "/dev/ublkb%u: %s", device, strerror(errno));
		else if (step(&s, "register", s.mem.pages, 0, 0,
			      reg(s.mem.addr, s.mem.len, 0)))
			for (size_t i = 0; i < sizeof(moves) / sizeof(moves[0]) &&
			     move(&s, fd, moves[i].from, moves[i].to, moves[i].pages); i++)
				;
		close(fd);
	}
	stop_disk(pid);
	munmap(shared.requests, s.k->page_size);
	shared.addr = NULL;
	return end(&s);
}

static void add_tests(struct pin_suite *s)
{
	static const char *const buffers[] = { "anon", "anon_unaligned", "memfd", "thp_part" };

	static const char *const kinds[] = { "anon", "thp", "hugetlb", "memfd" };
	/* 64 of them go at a time. */
	static const unsigned int runs[] = { 64, 65, 129, 256 };

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		pin_suite_add(s, simple, kinds[i], "register.%s", kinds[i]);
	for (size_t i = 0; i < sizeof(runs) / sizeof(runs[0]); i++)
		pin_suite_add(s, scattered, &runs[i], "register.runs_%u", runs[i]);
	pin_suite_add(s, overlap, NULL, "register.overlap");
	pin_suite_add(s, hole, NULL, "register.hole");
	pin_suite_add(s, outlives, NULL, "register.outlives_process");
	for (size_t i = 0; i < sizeof(buffers) / sizeof(buffers[0]); i++)
		pin_suite_add(s, copied, buffers[i], "copy.%s", buffers[i]);
	pin_suite_add(s, in_shared, "memfd", "shared.memfd");
	pin_suite_add(s, in_shared, "memfd_thp", "shared.memfd_thp");
	pin_suite_add(s, in_shared, "memfd_hugetlb", "shared.memfd_hugetlb");
}

static int try_device(char *why)
{
	struct dev_info info;
	long err = pin_scratch_module("ublk_drv", "BLK_DEV_UBLK", NULL, why);

	if (err < 0)
		return err;
	err = add_device(&info, SHARED_MEMORY);
	if (err)
		return pin_why(why, err, CONTROL ": %s (kernel option BLK_DEV_UBLK, and root)",
			       strerror(-err));
	device = info.dev_id;
	delete_device();
	if (!(info.flags & SHARED_MEMORY))
		pin_why(unable_to_share, 0, "ublk shares no memory here (UBLK_F_SHMEM_ZC): Linux 7.3 does");
	return 0;
}

static void setup(struct pin_suite *s)
{
	char why[PIN_WHY_LEN];

	if (try_device(why)) {
		pin_why(unable, 0, "%s", why);
		pin_why(unable_to_share, 0, "%s", why);
	}
	pin_scratch_pool(pin_suite_kernel(s), 1);
}

int main(int argc, char **argv)
{
	static const struct pin_program program = {
		.name = "ublk_test",
		.doc = "Memory shared with a block device in user space: registered, refused, unregistered, left behind by a process that ends, deleted with the device; and the buffer of such a device's server, into which requests are copied. Each step must move the counters by exactly what is predicted.",
		.add_tests = add_tests,
		.setup = setup,
	};

	return pin_suite_main(&program, argc, argv);
}
