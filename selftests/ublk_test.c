// SPDX-License-Identifier: GPL-2.0
/*
 * Memory that a block device in user space (ublk) shares with those who do I/O
 * on it, for requests without a copy. Its pins belong to the device, not to
 * the process: they are there until somebody unregisters the memory or deletes
 * the device. The device is never started, so there is no disk.
 */
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "consumers/uring.h"
#include "scratch.h"
#include "suite.h"

#define PAGES		64
#define CONTROL		"/dev/ublk-control"
#define READ_ONLY	(1u << 0)	/* UBLK_SHMEM_BUF_READ_ONLY */
#define SHARED_MEMORY	(1ull << 19)	/* UBLK_F_SHMEM_ZC */
#define ANY_DEVICE	UINT32_MAX
#define NO_QUEUE	UINT16_MAX

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

enum command {
	ADD_DEV = _IOWR('u', 0x04, struct ctrl_cmd),
	DEL_DEV = _IOWR('u', 0x05, struct ctrl_cmd),
	REG_BUF = _IOWR('u', 0x18, struct ctrl_cmd),
	UNREG_BUF = _IOWR('u', 0x19, struct ctrl_cmd),
};

static char unable[PIN_WHY_LEN];	/* to have such a device: why */
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

static long add_device(struct dev_info *info)
{
	const struct ctrl_cmd cmd = {
		.dev_id = ANY_DEVICE, .queue_id = NO_QUEUE,
		.addr = (uintptr_t)info, .len = sizeof(*info),
	};

	*info = (struct dev_info){
		.nr_hw_queues = 1, .queue_depth = 1, .max_io_buf_bytes = 1 << 16,
		.dev_id = ANY_DEVICE, .flags = SHARED_MEMORY,
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
	const struct pin_predict p = {
		.acquired = acquired, .released = released,
		.migrated = s->k->movable_memory ? acquired : 0,
		.result = want, .or_result = want,
	};

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
	err = *unable ? 0 : add_device(&info);
	if (*unable || err) {
		pin_audit_skip(au, "%s%s", unable, err ? strerror(-err) : "");
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

static void add_tests(struct pin_suite *s)
{
	static const char *const kinds[] = { "anon", "thp", "hugetlb", "memfd" };

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		pin_suite_add(s, simple, kinds[i], "register.%s", kinds[i]);
	pin_suite_add(s, overlap, NULL, "register.overlap");
	pin_suite_add(s, hole, NULL, "register.hole");
	pin_suite_add(s, outlives, NULL, "register.outlives_process");
}

static int try_device(char *why)
{
	struct dev_info info;
	long err = pin_scratch_module("ublk_drv", "BLK_DEV_UBLK", NULL, why);

	if (err < 0)
		return err;
	err = add_device(&info);
	if (err)
		return pin_why(why, err, CONTROL ": %s (kernel option BLK_DEV_UBLK, and root)",
			       strerror(-err));
	device = info.dev_id;
	delete_device();
	if (!(info.flags & SHARED_MEMORY))
		return pin_why(why, -EOPNOTSUPP, "ublk shares no memory here (UBLK_F_SHMEM_ZC): Linux 7.3 does");
	return 0;
}

static void setup(struct pin_suite *s)
{
	char why[PIN_WHY_LEN];

	if (try_device(why))
		pin_why(unable, 0, "%s", why);
	pin_scratch_pool(pin_suite_kernel(s), 1);
}

int main(int argc, char **argv)
{
	static const struct pin_program program = {
		.name = "ublk_test",
		.doc = "Memory shared with a block device in user space: registered, refused, unregistered, left behind by a process that ends, deleted with the device. Each step must move the counters by exactly what is predicted.",
		.add_tests = add_tests,
		.setup = setup,
	};

	return pin_suite_main(&program, argc, argv);
}
