// SPDX-License-Identifier: GPL-2.0
/*
 * fork() while pages are pinned: the pin belongs to the parent. The device,
 * here an io_uring fixed buffer written to and read from a pipe, must go on
 * seeing the parent's memory and never the child's.
 *
 * Private memory is copied for the child when it is pinned (since 5.9, huge
 * pages 5.12), so that the parent's later writes stay in the pinned page.
 * Guards 70e806e4e645, d042035eaf5f and 57efa1fe5957.
 */
#include <errno.h>
#include <linux/capability.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"
#include "consumers/uring.h"
#include "proc.h"
#include "scratch.h"
#include "suite.h"

#define PAGES	16
#define MOST_NS		(10 * 1000000000ull)
#define FREE_NS		(2 * 1000000000ull)	/* late releases, of the child and of others */
#define RACE_PAGES	128	/* the more, the more often fork and pin meet on one */
#define RACE_HUGE	(4u << 20)	/* bytes */
#define REFUSED_NS	20000000ull

struct subject {
	const char *kind;	/* memory kind */
	bool shared;		/* parent and child see the same pages */
	bool dontfork;		/* MADV_DONTFORK: the child has nothing there */
};

static const struct subject subjects[] = {
	{ "anon", false, false },
	{ "thp", false, false },
	{ "thp_part", false, false },
	{ "thp_pte", false, false },
	{ "mthp", false, false },
	{ "hugetlb", false, false },
	{ "file_private", false, false },
	{ "memfd", true, false },
	{ "shmem", true, false },
	{ "anon", false, true },
};

/* What the child says about the first byte of its memory. */
struct child {
	pid_t pid;
	int fd;
};

static int start_child(struct child *c, volatile char *p)
{
	char order, answer;
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return -errno;
	c->pid = fork();
	if (c->pid < 0) {
		close(pair[0]);
		close(pair[1]);
		return -errno;
	}
	if (!c->pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		pin_scratch_disown();
		close(pair[0]);
		/* 'r': read the byte; anything else: write it there. */
		while (recv(pair[1], &order, 1, 0) == 1) {
			if (order != 'r')
				*p = order;
			answer = *p;
			send(pair[1], &answer, 1, MSG_NOSIGNAL);
		}
		_exit(0);
	}
	close(pair[1]);
	c->fd = pair[0];
	return 0;
}

static int ask_child(const struct child *c, char order)
{
	char answer;

	if (send(c->fd, &order, 1, MSG_NOSIGNAL) != 1 ||
	    recv(c->fd, &answer, 1, 0) != 1)
		return -1;
	return answer;
}

static void end_child(struct child *c)
{
	close(c->fd);
	kill(c->pid, SIGKILL);
	waitpid(c->pid, NULL, 0);
}

/* The byte that the device finds in the pinned page, or -errno. */
static int device_reads(struct io_uring *ring, char *p)
{
	int pipe_fd[2];
	char byte;
	long n;

	if (pipe2(pipe_fd, O_CLOEXEC))
		return -errno;
	io_uring_prep_write_fixed(io_uring_get_sqe(ring), pipe_fd[1], p, 1, 0, 0);
	n = pin_uring_submit_one(ring);
	if (n == 1 && read(pipe_fd[0], &byte, 1) != 1)
		n = -EIO;
	close(pipe_fd[0]);
	close(pipe_fd[1]);
	return n == 1 ? byte : n < 0 ? n : -EIO;
}

/* The device puts @byte into the pinned page: 0 or -errno. */
static int device_writes(struct io_uring *ring, char *p, char byte)
{
	int pipe_fd[2];
	long n;

	if (pipe2(pipe_fd, O_CLOEXEC))
		return -errno;
	n = write(pipe_fd[1], &byte, 1);
	if (n == 1) {
		io_uring_prep_read_fixed(io_uring_get_sqe(ring), pipe_fd[0], p, 1, 0, 0);
		n = pin_uring_submit_one(ring);
	}
	close(pipe_fd[0]);
	close(pipe_fd[1]);
	return n == 1 ? 0 : n < 0 ? n : -EIO;
}

static void expect_byte(struct pin_audit *au, const struct subject *sub,
			const char *what, int got, char want)
{
	if (got != want && !pin_audit_excuse(au, "fork_data", sub->kind))
		pin_audit_fail(au, "%s: found %d, must be %d", what, got, want);
}

static void follow_data(struct pin_audit *au, const struct subject *sub,
			struct io_uring *ring, char *p)
{
	struct child c = { .fd = -1 };
	int err;

	*p = 'a';
	err = start_child(&c, p);
	if (err == -ENOMEM && !strcmp(sub->kind, "hugetlb")) {
		pin_audit_skip(au, "no hugetlb page for the copy at fork, %lld in the pool: root, or sysctl vm.nr_hugepages=8",
			       pin_read_number("/proc/sys/vm/nr_hugepages", -1));
		return;
	}
	if (err) {
		pin_audit_fail(au, "fork: %s; %lld hugetlb pages in the pool", strerror(-err),
			       pin_read_number("/proc/sys/vm/nr_hugepages", -1));
		return;
	}
	*p = 'b';
	expect_byte(au, sub, "device after the parent wrote", device_reads(ring, p), 'b');
	if (!sub->dontfork) {
		expect_byte(au, sub, "child after the parent wrote", ask_child(&c, 'r'),
			    sub->shared ? 'b' : 'a');
		expect_byte(au, sub, "child's own write", ask_child(&c, 'c'), 'c');
		expect_byte(au, sub, "device after the child wrote", device_reads(ring, p),
			    sub->shared ? 'c' : 'b');
	}
	err = device_writes(ring, p, 'd');
	if (err)
		pin_audit_fail(au, "device write: %s", strerror(-err));
	expect_byte(au, sub, "parent after the device wrote", *p, 'd');
	if (!sub->dontfork)
		expect_byte(au, sub, "child after the device wrote", ask_child(&c, 'r'),
			    sub->shared ? 'd' : 'c');
	end_child(&c);
	*p = 'e';
	expect_byte(au, sub, "device after the child's end", device_reads(ring, p), 'e');
}

/* What nobody maps any more is free, if nobody has kept a reference for himself. */
static void expect_free(struct pin_audit *au, const uint64_t *frames, unsigned int nr)
{
	const uint64_t deadline = pin_now_ns() + FREE_NS;
	unsigned int lost;

	do {
		pin_view_drain_lru();
		lost = pin_frames_lost(frames, nr);
	} while (lost && pin_now_ns() < deadline);
	if (lost)
		pin_audit_fail(au, "%u of %u pages were never freed", lost, nr);
}

static enum pin_verdict run_subject(struct pin_audit *au, const void *arg)
{
	static const struct pin_predict nothing;
	const struct subject *sub = arg;
	struct pin_predict pin = { .acquired = 0 }, unpin = { .released = 0 };
	struct io_uring ring;
	struct pin_mem m;
	struct pin_op op = { .kernel = pin_audit_kernel(au), .mem = &m, .priv = &ring };
	uint64_t frames[PAGES] = { 0 };
	struct iovec iov;
	int err;

	err = pin_mem_alloc(&m, pin_memkind_find(sub->kind), op.kernel, PAGES);
	if (err)
		return pin_audit_skip(au, "%s", m.why);
	if (sub->dontfork && madvise(m.map, m.map_len, MADV_DONTFORK))
		pin_audit_fail(au, "madvise(MADV_DONTFORK): %s", strerror(errno));
	err = io_uring_queue_init(4, &ring, 0);
	if (err) {
		pin_mem_free(&m);
		return pin_audit_skip(au, "io_uring_setup: %s", strerror(-err));
	}
	pin_uring_predict(&op, &pin);
	unpin.released = pin.acquired - pin.released;
	iov = (struct iovec){ m.addr, m.len };
	err = io_uring_register_buffers(&ring, &iov, 1);
	pin_audit_step(au, "register", &pin, err, 0);
	for (unsigned int i = 0; i < PAGES; i++)
		frames[i] = pin_frame_of((char *)m.addr + i * op.kernel->page_size,
					 op.kernel->page_size);
	if (!err) {
		follow_data(au, sub, &ring, m.addr);
		pin_audit_step(au, "fork", &nothing, 0, 0);
		pin_audit_step(au, "unregister", &unpin,
			       io_uring_unregister_buffers(&ring), 0);
	}
	io_uring_queue_exit(&ring);
	pin_mem_free(&m);
	expect_free(au, frames, PAGES);
	return PIN_PASS;
}

/*
 * Threads: while one forks, another pins, writes, lets the device read and
 * unpins. GUP-fast must notice a fork and start over; pins it drops doing so
 * are counted twice. fork() asks for pins before it takes the right to write
 * away: of small pages for one at a time, of a large folio that is mapped by
 * page table entries for all at once. What is pinned in between is shared with
 * the child if nobody notices.
 */
struct race {
	const char *kind;
	bool huge;		/* large folios, for each round anew: the first copies them */
	unsigned int ms, rounds;	/* so much of both */
};

static const struct race races[] = {
	{ "anon", false, 300, 8 },
	{ "thp_pte", true, 300, 128 },
};

static int alloc_race(struct pin_mem *m, const struct race *race, const struct pin_kernel *k,
		      bool limited)
{
	struct pin_row row = { .by_ptes = true, .huge = 1 };

	/* A folio of which some pages are copied counts as whole, and these besides. */
	if (!race->huge || limited)
		return pin_mem_alloc(m, pin_memkind_find(race->kind), k, RACE_PAGES);
	/* Most of what fork() does is then between the two. */
	if (k->pmd_size && k->pmd_size < RACE_HUGE)
		row.huge = RACE_HUGE / k->pmd_size;
	return pin_mem_alloc_row(m, k, &row);
}

static struct {
	atomic_uint ordered, done;	/* forks */
	atomic_bool over;
	atomic_ullong ns;		/* that the last one took */
} forks;

static void *fork_as_ordered(void *arg)
{
	uint64_t start;
	pid_t pid;

	while (!atomic_load(&forks.over)) {
		if (atomic_load(&forks.ordered) == atomic_load(&forks.done))
			continue;
		start = pin_now_ns();
		pid = fork();
		if (!pid)
			_exit(0);
		atomic_store(&forks.ns, pin_now_ns() - start);
		if (pid > 0)
			waitpid(pid, NULL, 0);
		atomic_fetch_add(&forks.done, 1);
	}
	return arg;
}

/*
 * When to pin, after fork() was ordered: such that it would meet it at the
 * memory. Each round says whether that was too late.
 */
static struct {
	int64_t ns, step;
} delay;

static void order_fork(void)
{
	const int64_t until = pin_now_ns() + delay.ns;

	atomic_fetch_add(&forks.ordered, 1);
	while ((int64_t)pin_now_ns() < until)
		;
}

/* By ever smaller steps, and in the end back and forth. */
static void learn_delay(bool late)
{
	const int64_t took = atomic_load(&forks.ns);

	if (!delay.step)
		delay.step = took / 4;
	delay.ns += late ? -delay.step : delay.step;
	if (delay.ns < 0)
		delay.ns = 0;
	if (delay.ns > took)
		delay.ns = took;
	if (delay.step > took / 64)
		delay.step = delay.step * 3 / 4;
}

static void await_fork(void)
{
	while (atomic_load(&forks.done) != atomic_load(&forks.ordered))
		sched_yield();
}

/* The device finds @value at the start of each page? Else which it does not. */
static long page_not_seen(struct io_uring *ring, const struct pin_mem *m, int sink,
			  const char *seen, char value)
{
	const size_t ps = m->kernel->page_size;
	long n;

	io_uring_prep_write_fixed(io_uring_get_sqe(ring), sink, m->addr, m->len, 0, 0);
	n = pin_uring_submit_one(ring);
	if (n != (long)m->len)
		return n < 0 ? n : -EIO;
	for (unsigned int i = 0; i < m->pages; i++) {
		if (seen[i * ps] != value)
			return i + 1;
	}
	return 0;
}

static int race_round(struct pin_audit *au, struct io_uring *ring, const struct pin_mem *m,
		      int sink, const char *seen, unsigned int round)
{
	const char value = round % 100 + 1;
	const struct iovec iov = { m->addr, m->len };
	long page, before = pin_faults();
	int err;

	order_fork();
	err = io_uring_register_buffers(ring, &iov, 1);
	/* Pages that fork() has been at are copied; some others, too, such as the stack's. */
	learn_delay(pin_faults() - before > m->pages / 2);
	if (err) {
		await_fork();
		return err;
	}
	for (size_t i = 0; i < m->len; i += m->kernel->page_size)
		*((volatile char *)m->addr + i) = value;
	page = page_not_seen(ring, m, sink, seen, value);
	if (page > 0)
		pin_audit_fail(au, "the device found %d in the pinned page %ld, the process had written %d",
			       seen[(page - 1) * m->kernel->page_size], page - 1, value);
	err = io_uring_unregister_buffers(ring);
	await_fork();
	return page < 0 ? page : page > 0 ? -EUCLEAN : err;
}

static enum pin_verdict race(struct pin_audit *au, const void *arg)
{
	const struct race *race = arg;
	struct pin_predict want = { .acquired = 0 };
	struct pin_mem m, sink;
	struct io_uring ring;
	const bool limited = !pin_have_cap(CAP_IPC_LOCK);
	unsigned int rounds = 0, refused = 0, pages;
	pthread_t forker;
	uint64_t start;
	int err;

	err = alloc_race(&m, race, pin_audit_kernel(au), limited);
	if (err)
		return pin_audit_skip(au, "%s", m.why);
	pages = m.pages;
	err = pin_mem_alloc(&sink, pin_memkind_find("memfd"), m.kernel, pages);
	if (err) {
		pin_mem_free(&m);
		return pin_audit_skip(au, "%s", sink.why);
	}
	err = io_uring_queue_init(4, &ring, 0);
	if (err) {
		pin_mem_free(&m);
		pin_mem_free(&sink);
		return pin_audit_skip(au, "io_uring_setup: %s", strerror(-err));
	}
	atomic_store(&forks.over, false);
	delay.ns = 0;
	delay.step = 0;
	err = pthread_create(&forker, NULL, fork_as_ordered, NULL);
	start = pin_now_ns();
	while (!err && pin_now_ns() - start < MOST_NS &&
	       (rounds < race->rounds || pin_now_ns() - start < race->ms * 1000000ull)) {
		if (race->huge && rounds) {
			pin_mem_free(&m);
			/* No huge pages left, for the moment: the rounds so far must do. */
			if (alloc_race(&m, race, sink.kernel, limited))
				break;
		}
		rounds++;
		err = race_round(au, &ring, &m, sink.fd, sink.addr, rounds);
		/* Rounds before may still count against RLIMIT_MEMLOCK. */
		if (err == -ENOMEM && limited) {
			refused++;
			pin_sleep_ns(REFUSED_NS);
			err = 0;
		}
	}
	atomic_store(&forks.over, true);
	pthread_join(forker, NULL);
	io_uring_queue_exit(&ring);
	want.acquired = (uint64_t)(rounds - refused) * pages;
	want.released = want.acquired;
	want.migrated = (uint64_t)rounds * pages;	/* at most: each pin taken twice */
	pin_audit_step(au, "race", &want, err, 0);
	pin_audit_note(au, "%u rounds, %u of them refused by RLIMIT_MEMLOCK", rounds, refused);
	if (rounds == refused && !err)
		pin_audit_skip(au, "RLIMIT_MEMLOCK leaves no room for %u pages: ulimit -l unlimited",
			       pages);
	pin_mem_free(&m);
	pin_mem_free(&sink);
	return PIN_PASS;
}

static void add_tests(struct pin_suite *s)
{
	for (size_t i = 0; i < sizeof(subjects) / sizeof(subjects[0]); i++)
		pin_suite_add(s, run_subject, &subjects[i], "data.%s%s",
			      subjects[i].kind, subjects[i].dontfork ? ".dontfork" : "");
	for (size_t i = 0; i < sizeof(races) / sizeof(races[0]); i++)
		pin_suite_add(s, race, &races[i], "race.fork_against_pin.%s", races[i].kind);
}

static void setup(struct pin_suite *s)
{
	/* One to pin, one for the copy that the child gets. */
	pin_bench_setup(s, 2);
}

int main(int argc, char **argv)
{
	static const struct pin_program program = {
		.name = "fork_test",
		.doc = "fork() while pages are pinned: data goes to the process that pinned, the account stays right, and the memory is free in the end.",
		.add_tests = add_tests,
		.setup = setup,
	};

	return pin_suite_main(&program, argc, argv);
}
