// SPDX-License-Identifier: GPL-2.0
/*
 * Every way for a holder of pins to end: all is released, once, and the helper
 * module's own books say so too. That includes being killed inside each of its
 * calls.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
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

#include "bench.h"
#include "proc.h"
#include "scratch.h"

#define PAGES		64
#define MANY		1024	/* pages of a call that takes a while */
#define ROUNDS		8	/* kills inside each call */
#define KILL_MAX_US	3000

/* Balanced, however many: what a killed process did is not known. */
static const struct pin_predict balanced = { .migrated = UINT64_MAX / 4 };

static uint64_t held_by_all(struct pin_bench *b)
{
	struct pin_helper_info info = { .abi = 0 };

	if (pin_helper_info(b->fd, &info))
		return UINT64_MAX;
	return info.pages_all;
}

/* The module's own books, closed late like the counters. */
static void check_books(struct pin_bench *b, uint64_t before)
{
	const uint64_t deadline = pin_now_ns() + 2000000000ull;
	uint64_t now;

	do {
		now = held_by_all(b);
		if (now == before)
			return;
		pin_sleep_ns(1000000);
	} while (pin_now_ns() < deadline);
	pin_audit_fail(b->au, "the helper module counts %llu pages held, before it were %llu",
		       (unsigned long long)now, (unsigned long long)before);
}

/* --- in an orderly way, or not --- */

/* What the holder does once it has its pins. */
enum ending {
	CLOSES, EXITS, ABORTS, EXECS, UNMAPS_AND_EXITS, THREAD_EXITS, IS_KILLED,
};

struct subject {
	const char *name;
	const char *kind;
	enum ending ending;
};

static void *just_exit(void *arg)
{
	_exit(0);
}

static void __attribute__((noreturn)) hold_and_end(const struct subject *sub,
						   const struct pin_kernel *k, int ready)
{
	unsigned int handle;
	char why[PIN_WHY_LEN];
	pthread_t thread;
	struct pin_mem m;
	int fd;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_SET_DUMPABLE, 0);
	pin_scratch_disown();
	fd = pin_helper_open(why);
	if (fd < 0 || pin_mem_alloc(&m, pin_memkind_find(sub->kind), k, PAGES) ||
	    pin_helper_take_all(fd, PIN_HELPER_PIN_FAST, PIN_HELPER_WRITE, m.addr, m.len,
				&handle))
		_exit(4);
	if (write(ready, &m.pages, sizeof(m.pages)) != sizeof(m.pages))
		_exit(1);
	switch (sub->ending) {
	case CLOSES:
		close(fd);
		pause();
		break;
	case EXITS:
		_exit(0);
	case ABORTS:
		abort();
	case EXECS:
		dup2(ready, STDOUT_FILENO);	/* where the new program says it is there */
		execl("/proc/self/exe", "pin-actor", "--pin-actor-waits", NULL);
		break;
	case UNMAPS_AND_EXITS:
		pin_mem_unmap(&m);
		_exit(0);
	case THREAD_EXITS:
		pthread_create(&thread, NULL, just_exit, NULL);
		pause();
		break;
	case IS_KILLED:
		pause();
		break;
	}
	_exit(1);
}

static enum pin_verdict orderly(struct pin_audit *au, const void *arg)
{
	const struct subject *sub = arg;
	struct pin_predict want = { .acquired = 0 };
	unsigned int pages = 0;
	struct pin_bench b;
	uint64_t before;
	int ready[2];
	pid_t pid;

	if (!pin_bench_open_helper(&b, au))
		return PIN_SKIP;
	before = held_by_all(&b);
	if (pipe(ready)) {
		close(b.fd);
		return pin_audit_fail(au, "pipe: %s", strerror(errno));
	}
	pid = fork();
	if (!pid) {
		close(ready[0]);
		hold_and_end(sub, b.k, ready[1]);
	}
	close(ready[1]);
	if (read(ready[0], &pages, sizeof(pages)) != sizeof(pages)) {
		pin_audit_skip(au, "no %s to be had here", sub->kind);
	} else {
		if (sub->ending == IS_KILLED)
			kill(pid, SIGKILL);
		want.acquired = pages;
		want.released = pages;
		pin_audit_step(au, sub->name, &want, 0, 0);
		check_books(&b, before);
	}
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	close(ready[0]);
	close(b.fd);
	return PIN_PASS;
}

/* --- the open file goes to another process --- */

static int send_fd(int sock, int fd)
{
	char byte = 0, control[CMSG_SPACE(sizeof(fd))];
	struct iovec iov = { &byte, 1 };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = control, .msg_controllen = sizeof(control),
	};
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(fd));
	memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	return sendmsg(sock, &msg, 0) == 1 ? 0 : -errno;
}

/* Only the socket's queue holds the file when its sender is gone. */
static enum pin_verdict passed_on(struct pin_audit *au, const void *arg)
{
	struct pin_bench b;
	unsigned int handle;
	char why[PIN_WHY_LEN];
	int pair[2], fd;
	uint64_t before;
	pid_t pid;

	if (!pin_bench_open(&b, au, "anon", PAGES))
		return PIN_SKIP;
	before = held_by_all(&b);
	if (socketpair(AF_UNIX, SOCK_DGRAM, 0, pair)) {
		pin_bench_close(&b);
		return pin_audit_fail(au, "socketpair: %s", strerror(errno));
	}
	pid = fork();
	if (!pid) {
		pin_scratch_disown();
		fd = pin_helper_open(why);
		_exit(fd < 0 || pin_helper_take_all(fd, PIN_HELPER_PIN, PIN_HELPER_WRITE,
						    b.m.addr, b.m.len, &handle) ||
		      send_fd(pair[1], fd));
	}
	waitpid(pid, NULL, 0);
	close(pair[1]);
	pin_bench_step(&b, "sender exits", PAGES, 0, 0);
	close(pair[0]);
	pin_bench_step(&b, "queue is thrown away", 0, PAGES, 0);
	check_books(&b, before);
	pin_bench_close(&b);
	return PIN_PASS;
}

/* The process whose memory was pinned by another ends first. */
static enum pin_verdict target_dies(struct pin_audit *au, const void *arg)
{
	struct pin_helper_take take = {
		.way = PIN_HELPER_PIN_REMOTE, .flags = PIN_HELPER_WRITE,
	};
	struct pin_bench b;
	pid_t pid;
	int err;

	if (!pin_bench_open(&b, au, "anon", PAGES))
		return PIN_SKIP;
	pid = fork();
	if (!pid) {
		pin_scratch_disown();
		for (;;)
			pause();
	}
	take.target = pid;
	take.addr = (uintptr_t)b.m.addr;
	take.length = b.m.len;
	err = pin_helper_take(b.fd, &take);
	pin_bench_step(&b, "pin in another process", PAGES, 0, err);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	pin_bench_step(&b, "it is killed", 0, 0, 0);
	/* The memory is still there for the device, and no longer anybody's. */
	err = pin_helper_fill(b.fd, take.handle, 0, 0, b.m.len, 1);
	if (err)
		pin_audit_fail(au, "device write: %s", strerror(-err));
	pin_bench_step(&b, "unpin", 0, PAGES, pin_helper_release(b.fd, take.handle));
	pin_bench_close(&b);
	return PIN_PASS;
}

/* --- out of memory --- */

#define CGROUPS	"/sys/fs/cgroup"

static int write_text(const char *dir, const char *name, const char *text)
{
	char path[256];
	int fd, err = 0;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) < 0)
		err = -errno;
	close(fd);
	return err;
}

/* A group too small for who takes more than its pins. */
static int small_group(char *group, size_t len, char *why)
{
	int err;

	if (access(CGROUPS "/cgroup.controllers", F_OK))
		return pin_why(why, -ENOENT, "no control groups: mount -t cgroup2 none " CGROUPS);
	write_text(CGROUPS, "cgroup.subtree_control", "+memory");
	snprintf(group, len, CGROUPS "/pin-teardown-%d", getpid());
	err = pin_scratch_mkdir(group, why);
	if (!err && write_text(group, "memory.max", "16M"))
		err = pin_why(why, -ENOENT, "no memory controller in %s: kernel option MEMCG",
			      group);
	/* Only where there is swap. */
	write_text(group, "memory.swap.max", "0");
	return err;
}

static long oom_kills(const char *group)
{
	char path[256], line[128];
	long n = -1;
	FILE *f;

	snprintf(path, sizeof(path), "%s/memory.events", group);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f))
		sscanf(line, "oom_kill %ld", &n);
	if (f)
		fclose(f);
	return n;
}

static void __attribute__((noreturn)) eat_memory(const struct pin_kernel *k,
						 const char *group, int ready)
{
	const size_t len = 256ul << 20;
	unsigned int handle;
	char why[PIN_WHY_LEN], pid[16];
	struct pin_mem m;
	char *p;
	int fd;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	pin_scratch_disown();
	snprintf(pid, sizeof(pid), "%d", getpid());
	fd = pin_helper_open(why);
	if (write_text(group, "cgroup.procs", pid) || fd < 0 ||
	    pin_mem_alloc(&m, pin_memkind_find("anon"), k, PAGES) ||
	    pin_helper_take_all(fd, PIN_HELPER_PIN_FAST, PIN_HELPER_WRITE, m.addr, m.len,
				&handle))
		_exit(4);
	if (write(ready, &m.pages, sizeof(m.pages)) != sizeof(m.pages))
		_exit(1);
	p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	for (size_t i = 0; p != MAP_FAILED && i < len; i += k->page_size)
		p[i] = 1;
	_exit(0);
}

static enum pin_verdict out_of_memory(struct pin_audit *au, const void *arg)
{
	struct pin_predict want = { .acquired = PAGES, .released = PAGES };
	char group[128], why[PIN_WHY_LEN];
	int ready[2], status = 0;
	unsigned int pages = 0;
	struct pin_bench b;
	uint64_t before;
	pid_t pid;

	if (!pin_bench_open_helper(&b, au))
		return PIN_SKIP;
	before = held_by_all(&b);
	if (small_group(group, sizeof(group), why) || pipe(ready)) {
		close(b.fd);
		return pin_audit_skip(au, "%s", why);
	}
	pid = fork();
	if (!pid) {
		close(ready[0]);
		eat_memory(b.k, group, ready[1]);
	}
	close(ready[1]);
	if (read(ready[0], &pages, sizeof(pages)) != sizeof(pages) || pages != PAGES)
		pin_audit_fail(au, "the process that was to run out of memory did not begin");
	waitpid(pid, &status, 0);
	if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL || oom_kills(group) < 1)
		pin_audit_fail(au, "the OOM killer did not come: status %#x, %ld kills", status,
			       oom_kills(group));
	pin_audit_step(au, "OOM kill", &want, 0, 0);
	check_books(&b, before);
	close(ready[0]);
	close(b.fd);
	return PIN_PASS;
}

/* --- the module itself --- */

#define REFS	"/sys/module/pin_helper/refcnt"

static void expect_module_refs(struct pin_bench *b, const char *when, long long want)
{
	const long long found = pin_read_number(REFS, -1);

	if (found != want)
		pin_audit_fail(b->au, "%s: the module is used %lld times, must be %lld", when,
			       found, want);
	if (syscall(SYS_delete_module, "pin_helper", O_NONBLOCK) != -1 || errno != EAGAIN)
		pin_audit_fail(b->au, "%s: the module can be removed (%s)", when,
			       strerror(errno));
}

/* Pins hold the module, if only by their open file, and leaks without one. */
static enum pin_verdict module_stays(struct pin_audit *au, const void *arg)
{
	struct pin_helper_fault leak = { .op = PIN_HELPER_FAULT_LEAK, .count = 1 };
	struct pin_helper_repair repair = { .pages = 0 };
	char why[PIN_WHY_LEN];
	struct pin_bench b;
	long long refs;
	int other, err;

	if (!pin_bench_open(&b, au, "anon", PAGES))
		return PIN_SKIP;
	refs = pin_read_number(REFS, -1);
	if (refs < 0) {
		pin_audit_skip(au, "no " REFS ": kernel option MODULE_UNLOAD");
		goto out;
	}
	other = pin_helper_open(why);
	expect_module_refs(&b, "open", refs + 1);
	err = pin_helper_take_all(other, PIN_HELPER_PIN, PIN_HELPER_WRITE, b.m.addr, b.m.len,
				  &leak.handle);
	pin_bench_step(&b, "pin", PAGES, 0, err);
	expect_module_refs(&b, "pinned", refs + 1);
	err = pin_helper_fault(other, &leak);
	close(other);
	if (err) {
		/* allow_faults=0: the rest goes untested. */
		pin_bench_step(&b, "close", 0, PAGES, 0);
		expect_module_refs(&b, "closed", refs);
		goto out;
	}
	pin_bench_step(&b, "close", 0, PAGES - 1, 0);
	expect_module_refs(&b, "leaked", refs + 1);
	pin_bench_step(&b, "repair", 0, 1, pin_helper_repair(b.fd, &repair));
	expect_module_refs(&b, "repaired", refs);
out:
	pin_bench_close(&b);
	return PIN_PASS;
}

/* --- killed inside a call --- */

struct victim {
	int fd;
	char *p;
	size_t len, page;
	unsigned int handle;	/* PIN of it all */
};

struct call {
	const char *name;
	void (*again)(struct victim *v);
};

static void call_take(struct victim *v)
{
	unsigned int handle;

	if (!pin_helper_take_all(v->fd, PIN_HELPER_PIN, PIN_HELPER_WRITE, v->p, v->len,
				 &handle))
		pin_helper_release(v->fd, handle);
	/* What is absent must be faulted in, which takes longest. */
	madvise(v->p, v->len, MADV_DONTNEED);
}

static void call_take_longterm(struct victim *v)
{
	unsigned int handle;

	if (!pin_helper_take_all(v->fd, PIN_HELPER_PIN_FAST,
				 PIN_HELPER_WRITE | PIN_HELPER_LONGTERM, v->p, v->len,
				 &handle))
		pin_helper_give_all(v->fd, handle, PIN_HELPER_GIVE_DIRTY_LOCK,
				    PIN_HELPER_DIRTY);
	madvise(v->p, v->len, MADV_DONTNEED);
}

static void call_give(struct victim *v)
{
	static const unsigned int ways[] = {
		PIN_HELPER_GIVE_PAGE, PIN_HELPER_GIVE_PAGES, PIN_HELPER_GIVE_DIRTY_LOCK,
	};
	unsigned int handle;

	for (int i = 0; i < 3; i++) {
		if (!pin_helper_take_all(v->fd, PIN_HELPER_PIN_FAST, PIN_HELPER_WRITE,
					 v->p, v->len, &handle))
			pin_helper_give_all(v->fd, handle, ways[i], 0);
	}
}

static void call_dma(struct victim *v)
{
	pin_helper_fill(v->fd, v->handle, 0, 0, v->len, 1);
}

static void call_dma_later(struct victim *v)
{
	struct pin_helper_dma dma = {
		.handle = v->handle, .op = PIN_HELPER_DMA_FILL,
		.flags = PIN_HELPER_DMA_LATER, .length = v->page, .delay = 20000,
	};
	struct pin_helper_wait wait = { .handle = v->handle, .timeout = 1000000 };

	pin_helper_dma(v->fd, &dma);
	pin_helper_wait(v->fd, &wait);
}

static void call_touch(struct victim *v)
{
	struct pin_helper_touch touch = {
		.addr = (uintptr_t)v->p, .length = v->len,
	};

	pin_helper_touch(v->fd, &touch);
}

static void call_inspect(struct victim *v)
{
	static struct pin_helper_page pages[MANY];

	pin_helper_look(v->fd, 0, v->p, v->len / v->page, pages);
}

static void call_scan(struct victim *v)
{
	struct pin_helper_scan_count counts[64];
	struct pin_helper_scan scan = {
		.counts = (uintptr_t)counts, .counts_room = 64,
	};

	memset(counts, 0, sizeof(counts));
	pin_helper_scan(v->fd, &scan);
}

static void mirror(struct victim *v, unsigned int way)
{
	struct pin_helper_mirror arg = {
		.way = way, .flags = PIN_HELPER_WRITE,
		.addr = (uintptr_t)v->p, .length = v->len,
	};
	struct pin_helper_mirror_map map = { .handle = 0 };
	struct pin_helper_mirror_busy busy = { .on = 1 };

	if (pin_helper_mirror(v->fd, &arg))
		return;
	map.handle = arg.handle;
	busy.handle = arg.handle;
	pin_helper_mirror_map(v->fd, &map);
	pin_helper_mirror_busy(v->fd, &busy);
	madvise(v->p, v->len, MADV_DONTNEED);
	pin_helper_mirror_map(v->fd, &map);
	pin_helper_release(v->fd, arg.handle);
}

static void call_mirror_pin(struct victim *v)
{
	mirror(v, PIN_HELPER_MIRROR_PIN);
}

static void call_mirror_hmm(struct victim *v)
{
	mirror(v, PIN_HELPER_MIRROR_HMM);
}

static const struct call calls[] = {
	{ "take", call_take },
	{ "take_longterm", call_take_longterm },
	{ "give", call_give },
	{ "dma", call_dma },
	{ "dma_later", call_dma_later },
	{ "touch", call_touch },
	{ "inspect", call_inspect },
	{ "scan", call_scan },
	{ "mirror_pin", call_mirror_pin },
	{ "mirror_hmm", call_mirror_hmm },
};

static void __attribute__((noreturn)) be_killed(const struct call *call, size_t page, int ready)
{
	char why[PIN_WHY_LEN];
	struct victim v = { .page = page, .len = MANY * page };

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	pin_scratch_disown();
	v.fd = pin_helper_open(why);
	v.p = mmap(NULL, v.len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (v.fd < 0 || v.p == MAP_FAILED)
		_exit(1);
	madvise(v.p, v.len, MADV_NOHUGEPAGE);
	if (pin_helper_take_all(v.fd, PIN_HELPER_PIN, PIN_HELPER_WRITE, v.p, v.len, &v.handle))
		_exit(1);
	/* Only those that work on a handle keep one. */
	if (call->again != call_dma && call->again != call_dma_later)
		pin_helper_release(v.fd, v.handle);
	if (write(ready, "", 1) != 1)
		_exit(1);
	for (;;)
		call->again(&v);
}

static enum pin_verdict killed_inside(struct pin_audit *au, const void *arg)
{
	const struct call *call = arg;
	const struct pin_kernel *k = pin_audit_kernel(au);
	unsigned int seed = 1;
	struct pin_bench b;
	uint64_t before;
	int ready[2], status;
	char byte;
	pid_t pid;

	if (!pin_bench_open_helper(&b, au))
		return PIN_SKIP;
	before = held_by_all(&b);
	for (int i = 0; i < ROUNDS; i++) {
		if (pipe(ready))
			break;
		pid = fork();
		if (!pid) {
			close(ready[0]);
			be_killed(call, k->page_size, ready[1]);
		}
		close(ready[1]);
		if (read(ready[0], &byte, 1) != 1)
			pin_audit_fail(au, "round %d: the process to be killed did not begin", i);
		usleep(rand_r(&seed) % KILL_MAX_US);
		kill(pid, SIGKILL);
		waitpid(pid, &status, 0);
		close(ready[0]);
	}
	pin_audit_step(au, "kills", &balanced, 0, 0);
	check_books(&b, before);
	close(b.fd);
	return PIN_PASS;
}

static void add_tests(struct pin_suite *s)
{
	static const struct subject subjects[] = {
		{ "close", "anon", CLOSES },
		{ "exit", "anon", EXITS },
		{ "exit", "thp", EXITS },
		{ "exit", "memfd", EXITS },
		{ "exit", "hugetlb", EXITS },
		{ "abort", "anon", ABORTS },
		{ "exec", "anon", EXECS },
		{ "munmap_exit", "anon", UNMAPS_AND_EXITS },
		{ "thread_exit", "anon", THREAD_EXITS },
		{ "sigkill", "anon", IS_KILLED },
		{ "sigkill", "thp", IS_KILLED },
	};

	for (size_t i = 0; i < sizeof(subjects) / sizeof(subjects[0]); i++)
		pin_suite_add(s, orderly, &subjects[i], "%s.%s", subjects[i].name,
			      subjects[i].kind);
	pin_suite_add(s, passed_on, NULL, "passed_on");
	pin_suite_add(s, target_dies, NULL, "target_dies");
	pin_suite_add(s, out_of_memory, NULL, "oom_kill.anon");
	pin_suite_add(s, module_stays, NULL, "module_stays");
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
		pin_suite_add(s, killed_inside, &calls[i], "killed_inside.%s", calls[i].name);
}

static void setup(struct pin_suite *s)
{
	pin_bench_setup(s, 2);
}

int main(int argc, char **argv)
{
	static const struct pin_program program = {
		.name = "teardown_test",
		.doc = "Every way for a holder of pins to end, being killed inside a call of the helper module included: all is released, once.",
		.add_tests = add_tests,
		.setup = setup,
	};

	return pin_suite_main(&program, argc, argv);
}
