// SPDX-License-Identifier: GPL-2.0
/*
 * BPF task storage with __uptr in sequences that a matrix cannot express: elements
 * that are replaced, updates that fail when all is pinned, tasks that end before
 * the map or the other way round, many of both. Every step is exact.
 */
#include <errno.h>
#include <linux/bpf.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "consumers/bpf_uptr.h"
#include "memory.h"
#include "probe.h"
#include "suite.h"

#define ALL		PIN_BPF_UPTRS
#define PAGES		(2 * ALL)
#define MAPS		3
#define TASKS		5
#define ROUNDS		100
#define DWELL_NS	100000000ull	/* a late release would come within that */
#define NO_TASK		(-1)

/* One sequence while it runs. */
struct seq {
	struct pin_audit *au;
	const struct pin_kernel *k;
	struct pin_mem m;
	int map[MAPS];
	int task;		/* pidfd of a process that only waits */
	uint64_t held;		/* pages, by prediction */
};

struct test {
	const char *name;
	void (*run)(struct seq *s);
};

static bool step(struct seq *s, const char *what, uint64_t acquired, uint64_t released,
		 long want, long result)
{
	const struct pin_predict p = pin_predict_longterm(s->k, acquired, released, want);

	s->held += acquired - released;
	return pin_audit_step(s->au, what, &p, result, getpid());
}

/* Nothing happens, and nothing comes late. */
static bool stays(struct seq *s, const char *what)
{
	pin_sleep_ns(DWELL_NS);
	return step(s, what, 0, 0, 0, 0);
}

static char *page(const struct seq *s, unsigned int i)
{
	return (char *)s->m.addr + i * s->k->page_size;
}

/* Fields that point to as many pages, from the page @first on. */
static struct pin_bpf_value value_of(const struct seq *s, unsigned int first, unsigned int fields)
{
	struct pin_bpf_value v = { .to = { 0 } };

	for (unsigned int i = 0; i < fields; i++)
		v.to[i] = (uintptr_t)page(s, first + i);
	return v;
}

static long update(const struct seq *s, int task, unsigned int first, unsigned int fields,
		   uint64_t flags)
{
	const struct pin_bpf_value v = value_of(s, first, fields);

	return pin_bpf_uptr_update(s->map[0], task, &v, flags);
}

static void close_map(struct seq *s, int i)
{
	if (s->map[i] >= 0)
		close(s->map[i]);
	s->map[i] = -1;
}

/* --- processes that have elements --- */

struct task {
	pid_t pid;
	int fd;
};

/* A process of ours that waits; it has the maps only if it is to @inherit them. */
static bool begin_task(struct seq *s, struct task *t, bool inherit)
{
	fflush(stdout);
	t->pid = fork();
	if (!t->pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (int i = 0; i < MAPS && !inherit; i++)
			close_map(s, i);
		for (;;)
			pause();
	}
	t->fd = t->pid < 0 ? -1 : pin_bpf_task(t->pid);
	if (t->fd < 0)
		pin_audit_fail(s->au, "a process and its pidfd: %s", strerror(errno));
	return t->fd >= 0;
}

static void reap(const struct task *t)
{
	waitpid(t->pid, NULL, 0);
	close(t->fd);
}

static void end_task(const struct task *t)
{
	kill(t->pid, SIGKILL);
	reap(t);
}

/* --- elements --- */

static void replace(struct seq *s)
{
	step(s, "update", ALL, 0, 0, update(s, s->task, 0, ALL, BPF_NOEXIST));
	step(s, "other pages", ALL, ALL, 0, update(s, s->task, ALL, ALL, BPF_EXIST));
	step(s, "the same pages", ALL, ALL, 0, update(s, s->task, ALL, ALL, BPF_ANY));
	step(s, "fewer", 1, ALL, 0, update(s, s->task, 0, 1, BPF_ANY));
	step(s, "none", 0, 1, 0, update(s, s->task, 0, 0, BPF_ANY));
	step(s, "delete", 0, 0, 0, pin_bpf_uptr_delete(s->map[0], s->task));
	step(s, "delete again", 0, 0, -ENOENT, pin_bpf_uptr_delete(s->map[0], s->task));
}

/* All is pinned by then, and what was there stays. */
static void exists(struct seq *s)
{
	step(s, "update", ALL, 0, 0, update(s, s->task, 0, ALL, BPF_NOEXIST));
	step(s, "update, if there is none", ALL, ALL, -EEXIST,
	     update(s, s->task, ALL, ALL, BPF_NOEXIST));
	step(s, "the same pages", ALL, ALL, -EEXIST, update(s, s->task, 0, ALL, BPF_NOEXIST));
	stays(s, "afterwards");
	step(s, "delete", 0, ALL, 0, pin_bpf_uptr_delete(s->map[0], s->task));
}

/* The task has no storage at all; then it has some, of another map. */
static void exists_not(struct seq *s)
{
	const struct pin_bpf_value v = value_of(s, 0, 1);

	step(s, "update, if there is one", ALL, ALL, -ENOENT,
	     update(s, s->task, 0, ALL, BPF_EXIST));
	step(s, "of another map", 1, 0, 0,
	     pin_bpf_uptr_update(s->map[1], s->task, &v, BPF_ANY));
	step(s, "again", ALL, ALL, -ENOENT, update(s, s->task, 0, ALL, BPF_EXIST));
	stays(s, "afterwards");
}

static void bad_update(struct seq *s)
{
	struct pin_bpf_value hole = value_of(s, 0, ALL);

	step(s, "update", ALL, 0, 0, update(s, s->task, 0, ALL, BPF_ANY));
	munmap(page(s, PAGES - 1), s->k->page_size);
	hole.to[ALL - 1] = (uintptr_t)page(s, PAGES - 1);
	step(s, "the last field is bad", ALL - 1, ALL - 1, -EFAULT,
	     pin_bpf_uptr_update(s->map[0], s->task, &hole, BPF_ANY));
	step(s, "no task", ALL, ALL, -EBADF, update(s, NO_TASK, 0, ALL, BPF_ANY));
	step(s, "the map for a task", ALL, ALL, -EBADF, update(s, s->map[0], 0, ALL, BPF_ANY));
	/* There is no lock in the value: seen at once. */
	step(s, "locked", 0, 0, -EINVAL, update(s, s->task, 0, ALL, BPF_F_LOCK));
	stays(s, "afterwards");
}

/* Some fields point nowhere, two to the same page. */
static void some_fields(struct seq *s)
{
	struct pin_bpf_value v = { .to = { 0 } };

	step(s, "none", 0, 0, 0, pin_bpf_uptr_update(s->map[0], s->task, &v, BPF_ANY));
	v.to[2] = (uintptr_t)page(s, 0);
	v.to[4] = (uintptr_t)page(s, 0) + 1;
	v.to[ALL - 1] = (uintptr_t)page(s, 1);
	step(s, "three", 3, 0, 0, pin_bpf_uptr_update(s->map[0], s->task, &v, BPF_ANY));
	step(s, "delete", 0, 3, 0, pin_bpf_uptr_delete(s->map[0], s->task));
}

/* Structures up to a page, which must be all of it then. */
static void whole_pages(struct seq *s)
{
	const int map = pin_bpf_uptr_map(s->k->page_size);
	struct pin_bpf_value v = value_of(s, 0, ALL);

	step(s, "update", ALL, 0, 0, pin_bpf_uptr_update(map, s->task, &v, BPF_ANY));
	v.to[0]++;
	step(s, "into the next", 0, 0, -EOPNOTSUPP,
	     pin_bpf_uptr_update(map, s->task, &v, BPF_ANY));
	close(map);
	step(s, "close", 0, ALL, 0, 0);
}

/* --- tasks that end --- */

/* What is kept for it goes with it, but not before it is reaped. */
static void task_ends(struct seq *s)
{
	siginfo_t info;
	struct task t;

	if (!begin_task(s, &t, false))
		return;
	step(s, "update", ALL, 0, 0, update(s, t.fd, 0, ALL, BPF_ANY));
	kill(t.pid, SIGKILL);
	waitid(P_PID, t.pid, &info, WEXITED | WNOWAIT);
	stays(s, "a zombie");
	waitpid(t.pid, NULL, 0);
	step(s, "reaped", 0, ALL, 0, 0);
	step(s, "update", ALL, ALL, -ENOENT, update(s, t.fd, 0, ALL, BPF_ANY));
	close(t.fd);
	close_map(s, 0);
	stays(s, "the map closed");
}

static void map_goes_first(struct seq *s)
{
	struct task t;

	if (!begin_task(s, &t, false))
		return;
	step(s, "update", ALL, 0, 0, update(s, t.fd, 0, ALL, BPF_ANY));
	close_map(s, 0);
	step(s, "the map closed", 0, ALL, 0, 0);
	end_task(&t);
	stays(s, "reaped");
}

/* Both at a time, as often as it takes to meet: each page is let go of once. */
static void both_go(struct seq *s)
{
	const struct pin_bpf_value v = value_of(s, 0, ALL);

	for (int i = 0; i < ROUNDS; i++) {
		struct task t;
		int map;

		if (!begin_task(s, &t, false))
			return;
		map = pin_bpf_uptr_map(1);
		if (pin_bpf_uptr_update(map, t.fd, &v, BPF_ANY))
			pin_audit_fail(s->au, "update %d failed", i);
		kill(t.pid, SIGKILL);
		close(map);
		reap(&t);
	}
	step(s, "all gone", ROUNDS * ALL, ROUNDS * ALL, 0, 0);
}

/* Each has its own of the map: deleted, gone with its task, or with the map. */
static void many_tasks(struct seq *s)
{
	struct task t[TASKS];
	int nr = 0;

	while (nr < TASKS && begin_task(s, &t[nr], false))
		nr++;
	for (int i = 0; i < nr; i++)
		step(s, "update", ALL, 0, 0, update(s, t[i].fd, i, ALL, BPF_NOEXIST));
	if (nr == TASKS) {
		step(s, "delete", 0, ALL, 0, pin_bpf_uptr_delete(s->map[0], t[--nr].fd));
		end_task(&t[nr]);
		end_task(&t[--nr]);
		step(s, "one ends", 0, ALL, 0, 0);
	}
	close_map(s, 0);
	step(s, "the map closed", 0, nr * ALL, 0, 0);
	while (nr)
		end_task(&t[--nr]);
}

static void many_maps(struct seq *s)
{
	const struct pin_bpf_value v = value_of(s, 0, ALL);
	struct task t;

	if (!begin_task(s, &t, false))
		return;
	for (int i = 0; i < MAPS; i++)
		step(s, "update", ALL, 0, 0,
		     pin_bpf_uptr_update(s->map[i], t.fd, &v, BPF_NOEXIST));
	close_map(s, 1);
	step(s, "a map closed", 0, ALL, 0, 0);
	end_task(&t);
	step(s, "reaped", 0, (MAPS - 1) * ALL, 0, 0);
}

/* Whose memory it is does not matter: not when he ends, and not to whom it is kept for. */
static void memory_goes(struct seq *s)
{
	int status = -1;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (!pid) {
		memset(s->m.addr, 2, s->m.len);
		_exit(-update(s, s->task, 0, ALL, BPF_ANY));
	}
	if (pid > 0)
		waitpid(pid, &status, 0);
	step(s, "update, by a child of its own memory", ALL, 0, 0, status);
	stays(s, "it is gone");
	step(s, "delete", 0, ALL, 0, pin_bpf_uptr_delete(s->map[0], s->task));
}

/* A map that is inherited lives as long as the child, which is the task besides. */
static void inherited(struct seq *s)
{
	struct task t;

	if (!begin_task(s, &t, true))
		return;
	step(s, "update", ALL, 0, 0, update(s, t.fd, 0, ALL, BPF_ANY));
	close_map(s, 0);
	stays(s, "the map closed here");
	end_task(&t);
	step(s, "reaped", 0, ALL, 0, 0);
}

/* --- at a time --- */

struct racer {
	const struct seq *s;
	pthread_t thread;
	unsigned int first;
	bool deletes;
	uint64_t pinned;	/* pages */
};

static void *race_on(void *arg)
{
	struct racer *r = arg;

	for (int i = 0; i < ROUNDS; i++) {
		/* Refused, as somebody else is at it, or not: it was pinned. */
		if (r->deletes) {
			pin_bpf_uptr_delete(r->s->map[0], r->s->task);
		} else {
			update(r->s, r->s->task, r->first, ALL, BPF_ANY);
			r->pinned += ALL;
		}
		/* What has been replaced is kept for a grace period. */
		if (i % 10 == 9)
			pin_sleep_ns(1000000);
	}
	return NULL;
}

/* Two replace what the other has put there, and a third deletes it. */
static void race(struct seq *s)
{
	struct racer racers[] = {
		{ .s = s }, { .s = s, .first = ALL }, { .s = s, .deletes = true },
	};
	const int nr = sizeof(racers) / sizeof(racers[0]);
	uint64_t pinned = 0;
	int begun = 0;
	long err;

	while (begun < nr && !pthread_create(&racers[begun].thread, NULL, race_on,
					     &racers[begun]))
		begun++;
	while (begun--) {
		pthread_join(racers[begun].thread, NULL);
		pinned += racers[begun].pinned;
	}
	err = pin_bpf_uptr_delete(s->map[0], s->task);
	step(s, "update and delete", pinned, pinned, 0, err == -ENOENT ? 0 : err);
}

static const struct test tests[] = {
	{ "update.replace", replace },
	{ "update.exists", exists },
	{ "update.exists_not", exists_not },
	{ "update.bad", bad_update },
	{ "update.race", race },
	{ "fields.some", some_fields },
	{ "fields.whole_pages", whole_pages },
	{ "task.ends", task_ends },
	{ "task.ends_after_map", map_goes_first },
	{ "task.ends_with_map", both_go },
	{ "task.many", many_tasks },
	{ "task.many_maps", many_maps },
	{ "task.inherits_map", inherited },
	{ "memory.of_process_that_ends", memory_goes },
};

/* A task of its own: what goes late of another's elements would be in the way, -EAGAIN. */
static enum pin_verdict run_seq(struct pin_audit *au, const void *arg)
{
	const struct test *t = arg;
	struct seq s = { .au = au, .k = pin_audit_kernel(au), .map = { -1, -1, -1 } };
	struct task task;

	if (!pin_probe_passed(au, pin_consumer_find("bpf_uptr")) ||
	    !begin_task(&s, &task, false))
		return PIN_SKIP;
	s.task = task.fd;
	for (int i = 0; i < MAPS; i++)
		s.map[i] = pin_bpf_uptr_map(1);
	if (pin_mem_alloc(&s.m, pin_memkind_find("anon"), s.k, PAGES)) {
		pin_audit_fail(au, "%s", s.m.why);
	} else {
		pin_audit_base_vmpin(au, getpid());
		t->run(&s);
		pin_mem_free(&s.m);
	}
	for (int i = 0; i < MAPS; i++)
		close_map(&s, i);
	step(&s, "close", 0, s.held, 0, 0);
	end_task(&task);
	return PIN_PASS;
}

static void add_tests(struct pin_suite *s)
{
	for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
		if (pin_suite_add(s, run_seq, &tests[i], "%s", tests[i].name))
			pin_probe_want(pin_consumer_find("bpf_uptr"));
	}
}

int main(int argc, char **argv)
{
	static const struct pin_program program = {
		.name = "bpf_test",
		.doc = "BPF task storage whose fields point into user space (__uptr), in sequences: elements that are replaced, updates that fail when all is pinned, tasks that end before the map and after it. Every step is compared to the page with what was predicted.",
		.add_tests = add_tests,
		.setup = pin_probe_all,
	};

	return pin_suite_main(&program, argc, argv);
}
