// SPDX-License-Identifier: GPL-2.0
/* The loop itself: pin and unpin, and nothing but. */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "pinpeak.h"
#include "scratch.h"

#define LOOK_NS	(500000)	/* about so often the clock is looked at */

static uint64_t clock_ns(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return ts.tv_sec * SEC + ts.tv_nsec;
}

static int open_anew(struct pin_op *op)
{
	const struct pin_consumer *c = op->consumer;

	return c->open ? c->open(op) : 0;
}

/* Returns how many of @n came out as the first one did. */
static uint64_t loop(struct pin_op *op, uint64_t n, long pinned, long unpinned)
{
	const struct pin_consumer c = *op->consumer;
	uint64_t i;

	if (!c.held) {
		for (i = 0; i < n && c.pin(op) == pinned; i++)
			;
	} else if (c.unpin) {
		for (i = 0; i < n && c.pin(op) == pinned && c.unpin(op) == unpinned; i++)
			;
	} else {
		for (i = 0; i < n && c.pin(op) == pinned; i++) {
			c.close(op);
			if (open_anew(op))
				break;
		}
	}
	return i;
}

static int fail(struct cell *c, int err, const char *what)
{
	return pin_why(c->why, err ?: -EIO, "%s: %s", what, strerror(err ? -err : EIO));
}

static bool as_foretold(long result, const struct pin_predict *p)
{
	return result == p->result || result == p->or_result;
}

static void foretell(const struct pin_op *op, struct cell *c)
{
	memset(&c->pin, 0, sizeof(c->pin));
	memset(&c->unpin, 0, sizeof(c->unpin));
	op->consumer->predict(op, &c->pin);
	if (op->consumer->predict_unpin)
		op->consumer->predict_unpin(op, &c->pin, &c->unpin);
	else
		c->unpin.released = c->pin.acquired - c->pin.released;
}

static int measure(const struct options *opt, struct cell *c, struct pin_op *op,
		   struct share *s)
{
	const uint64_t slice = opt->ns / opt->rounds;
	uint64_t n = 1, done, start, cpu, before, now;
	long pinned, unpinned = 0;

	foretell(op, c);
	if (c->pin.result < 0)
		return pin_why(c->why, c->pin.result, "%s refuses that memory: %s",
			       c->consumer->name, strerror(-c->pin.result));
	/* Pages are there afterwards, and the way is warm. */
	pinned = op->consumer->pin(op);
	if (!as_foretold(pinned, &c->pin))
		return fail(c, pinned < 0 ? pinned : 0, "pin");
	s->extra++;
	if (op->consumer->unpin) {
		unpinned = op->consumer->unpin(op);
		if (!as_foretold(unpinned, &c->unpin))
			return fail(c, unpinned < 0 ? unpinned : 0, "unpin");
	} else if (c->reopens) {
		op->consumer->close(op);
		if (open_anew(op))
			return fail(c, 0, "open again");
	}
	__atomic_add_fetch(&c->ready, 1, __ATOMIC_ACQ_REL);
	while (__atomic_load_n(&c->ready, __ATOMIC_ACQUIRE) < opt->jobs)
		sched_yield();

	start = pin_now_ns();
	cpu = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
	now = start;
	do {
		before = now;
		done = loop(op, n, pinned, unpinned);
		s->operations += done;
		now = pin_now_ns();
		if (done < n)
			return pin_why(c->why, -EIO, "pin or unpin number %llu did not end as the first one: %s",
				       (unsigned long long)s->operations, strerror(errno));
		if (now - before < LOOK_NS / 2)
			n *= 2;
		else if (now - before > 2 * LOOK_NS && n > 1)
			n /= 2;
	} while (now - start < slice);
	s->wall_ns = now - start;
	s->cpu_ns = clock_ns(CLOCK_PROCESS_CPUTIME_ID) - cpu;
	return 0;
}

static int work(const struct options *opt, const struct pin_kernel *k, struct cell *c,
		struct share *s)
{
	struct pin_mem m;
	struct pin_op op = { .consumer = c->consumer, .kernel = k, .mem = &m };
	int err = pin_mem_alloc(&m, opt->kind, k, c->wanted);

	if (err)
		return pin_why(c->why, err, "%s", m.why);
	err = open_anew(&op);
	if (err) {
		pin_why(c->why, err, "%s", *op.why ? op.why : strerror(-err));
	} else {
		if (opt->kind->arm)
			opt->kind->arm(&m);
		c->pages = m.pages;
		err = measure(opt, c, &op, s);
		if (c->consumer->close)
			c->consumer->close(&op);
	}
	pin_mem_free(&m);
	return err;
}

static void __attribute__((noreturn)) child(const struct options *opt,
					    const struct pin_kernel *k, struct cell *c,
					    struct share *s)
{
	int err;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGINT, SIG_DFL);
	signal(SIGTERM, SIG_DFL);
	pin_scratch_disown();
	err = work(opt, k, c, s);
	if (err)
		__atomic_store_n(&c->err, err, __ATOMIC_RELEASE);
	/* The others are not to wait for this one. */
	if (err)
		__atomic_add_fetch(&c->ready, opt->jobs, __ATOMIC_ACQ_REL);
	_exit(0);
}

/* In this process: a probe keeps in variables what it found. Sizes of a consumer adjoin. */
void probe_all(const struct pin_kernel *k, struct cell *cells, unsigned int nr)
{
	for (unsigned int i = 0; i < nr; i++) {
		if (i && cells[i].consumer == cells[i - 1].consumer) {
			cells[i].err = cells[i - 1].err;
			memcpy(cells[i].why, cells[i - 1].why, sizeof(cells[i].why));
		} else if (cells[i].consumer->probe) {
			cells[i].err = cells[i].consumer->probe(k, cells[i].why);
		}
	}
}

void run_round(const struct options *opt, const struct pin_kernel *k, struct cell *c)
{
	pid_t pid[MAX_JOBS];
	int status;

	c->ready = 0;
	c->reopens = c->consumer->held && !c->consumer->unpin;
	for (unsigned int i = 0; i < opt->jobs; i++) {
		pid[i] = fork();
		if (!pid[i])
			child(opt, k, c, &c->share[c->rounds][i]);
		if (pid[i] < 0) {
			c->err = fail(c, -errno, "cannot start a process");
			c->ready = opt->jobs;
		}
	}
	for (unsigned int i = 0; i < opt->jobs; i++) {
		if (pid[i] <= 0)
			continue;
		while (waitpid(pid[i], &status, 0) < 0 && errno == EINTR) {
			if (interrupted)
				kill(pid[i], SIGKILL);
		}
		if (!interrupted && !c->err && (!WIFEXITED(status) || WEXITSTATUS(status)))
			c->err = pin_why(c->why, -EIO, "a process died: status %#x", status);
	}
	if (!c->err && !interrupted)
		c->rounds++;
}
