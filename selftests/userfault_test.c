// SPDX-License-Identifier: GPL-2.0
/*
 * Half way through a buffer a pin has to wait for a page: userfaultfd gives it
 * when we say so. What is pinned by then is foretold, and so is what becomes of
 * it: the page comes, the process is killed instead, the page is gone or turns
 * out to be broken, those before it are dropped, or the process forks. Or the page
 * is there, but nobody may write to it, or touch it, until we allow it.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "actor.h"
#include "bench.h"
#include "page_view.h"
#include "probe.h"
#include "suite.h"

#define PAGES		64
#define WAIT_MS		10000	/* until it has reached the page, or is through */
#define DWELL_NS	10000000ull	/* more than there is between two late releases */

/* Since Linux 6.6; later than the headers of some. */
#ifndef UFFDIO_POISON
#define UFFD_FEATURE_POISON	(1 << 14)
struct uffdio_poison {
	struct uffdio_range range;
	__u64 mode;
	__s64 updated;
};

#define UFFDIO_POISON		_IOWR(UFFDIO, 0x08, struct uffdio_poison)
#endif

/* Of Linux 7.3. */
#ifndef UFFDIO_RWPROTECT
#define UFFD_FEATURE_RWP		(1 << 17)
#define UFFDIO_REGISTER_MODE_RWP	(1ull << 3)
#define UFFDIO_RWPROTECT_MODE_RWP	(1ull << 0)
struct uffdio_rwprotect {
	struct uffdio_range range;
	__u64 mode;
};

#define UFFDIO_RWPROTECT	_IOWR(UFFDIO, 0x09, struct uffdio_rwprotect)
#endif

/* What happens while it waits. */
enum event {
	COMES,
	KILLED,
	UNMAPPED,
	POISONED,
	DROPPED,
	FORKED,
	ALLOWED,	/* to be written to */
	RETURNED,	/* to be touched */
	NR_EVENTS,
};

static const char *const event_names[NR_EVENTS] = {
	[COMES] = "comes",
	[KILLED] = "killed",
	[UNMAPPED] = "unmapped",
	[POISONED] = "poisoned",
	[DROPPED] = "dropped",
	[FORKED] = "forked",
	[ALLOWED] = "allowed",
	[RETURNED] = "returned",
};

/* After these the page comes. */
static bool goes_on(enum event e)
{
	return e != KILLED && e != UNMAPPED && e != POISONED;
}

struct cell {
	const struct pin_consumer *consumer;
	enum event event;
};

/* --- between the actor's two threads and the auditor --- */

struct meanwhile {
	sem_t begin, done;
	enum event event;
	void *page;
	bool failed;
};

static struct meanwhile *shared;

/* --- the memory: anonymous, one page of it comes from us --- */

static __u64 features;	/* that userfaultfd has here, found out in setup() */

static const struct {
	__u64 feature;
	const char *what;
} needs[NR_EVENTS] = {
	[POISONED] = { UFFD_FEATURE_POISON, "UFFDIO_POISON came with Linux 6.6" },
	[ALLOWED] = { UFFD_FEATURE_PAGEFAULT_FLAG_WP, "UFFDIO_WRITEPROTECT came with Linux 5.7" },
	[RETURNED] = { UFFD_FEATURE_RWP, "no UFFDIO_RWPROTECT: Linux 7.3 has it" },
};

/* A kernel that does not know one of the features wants another try without. */
static int open_userfaultfd(char *why)
{
	static const __u64 tries[] = {
		UFFD_FEATURE_PAGEFAULT_FLAG_WP | UFFD_FEATURE_POISON | UFFD_FEATURE_RWP,
		UFFD_FEATURE_PAGEFAULT_FLAG_WP | UFFD_FEATURE_POISON,
		UFFD_FEATURE_PAGEFAULT_FLAG_WP,
		0,
	};
	int fd;

	for (size_t i = 0; i < sizeof(tries) / sizeof(tries[0]); i++) {
		struct uffdio_api api = { .api = UFFD_API, .features = tries[i] };

		fd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
		if (fd < 0)
			return pin_why(why, -errno, errno == ENOSYS ?
				       "no userfaultfd: kernel option USERFAULTFD" :
				       "userfaultfd: %s: run as root", strerror(errno));
		if (!ioctl(fd, UFFDIO_API, &api)) {
			features = tries[i];
			return fd;
		}
		close(fd);
	}
	return pin_why(why, -errno, "UFFDIO_API: %s", strerror(errno));
}

static int alloc_userfault(struct pin_mem *m, unsigned int pages)
{
	int err = pin_memkind_find("hole")->alloc(m, pages);

	if (err)
		return err;
	if (mprotect(m->map, m->map_len, PROT_READ | PROT_WRITE))
		return pin_why(m->why, -errno, "mprotect: %s", strerror(errno));
	m->fd = open_userfaultfd(m->why);
	return m->fd < 0 ? m->fd : 0;
}

static void *late_page(const struct pin_mem *m)
{
	const uintptr_t ps = m->kernel->page_size;

	return (void *)(((uintptr_t)m->addr & ~(ps - 1)) + m->hole * ps);
}

/* On: nobody may write to the page, or touch it, as the event wants it. 0 or -1. */
static int protect(int fd, size_t page_size, bool on)
{
	const struct uffdio_range page = { (uintptr_t)shared->page, page_size };
	struct uffdio_writeprotect write = {
		page, on ? UFFDIO_WRITEPROTECT_MODE_WP : 0
	};
	struct uffdio_rwprotect any = { page, on ? UFFDIO_RWPROTECT_MODE_RWP : 0 };

	return shared->event == ALLOWED ? ioctl(fd, UFFDIO_WRITEPROTECT, &write) :
					  ioctl(fd, UFFDIO_RWPROTECT, &any);
}

/* Whatever the consumer has done with the memory before: the page is not there. */
static void arm_userfault(struct pin_mem *m)
{
	const size_t page_size = m->kernel->page_size;
	const bool there = shared->event == ALLOWED || shared->event == RETURNED;
	struct uffdio_register reg = {
		.range = { (uintptr_t)late_page(m), page_size },
		.mode = !there ? UFFDIO_REGISTER_MODE_MISSING :
			shared->event == ALLOWED ? UFFDIO_REGISTER_MODE_WP :
						   UFFDIO_REGISTER_MODE_RWP,
	};

	if (m->hole == m->pages)
		return;
	shared->page = late_page(m);
	if (madvise(shared->page, page_size, MADV_DONTNEED))
		abort();
	if (there)
		*(volatile char *)shared->page = 0;
	if (ioctl(m->fd, UFFDIO_REGISTER, &reg) || (there && protect(m->fd, page_size, true)))
		abort();
}

/* As with a hole; where the page comes there is none. */
static void gup_userfault(const struct pin_mem *m, const struct pin_access *a,
			  struct pin_gup *g)
{
	pin_memkind_find("hole")->gup(m, a, g);
}

static const struct pin_memkind userfault = {
	.name = "hole", .help = "anonymous memory, one page by userfaultfd",
	.alloc = alloc_userfault, .arm = arm_userfault, .gup = gup_userfault,
};

/* --- in the actor --- */

/* Each page but that one is written to, with what is there. */
static void touch(const struct pin_mem *m)
{
	const long ps = m->kernel->page_size;

	for (char *p = m->map; p < (char *)m->map + m->map_len; p += ps) {
		if (p != shared->page)
			*(volatile char *)p = *(volatile char *)p;
	}
}

/* With files of its own the child could not end before the pin does, see fuse_flush(). */
static bool fork_once(void)
{
	pid_t pid = syscall(SYS_clone, CLONE_FILES | SIGCHLD, 0, 0, 0, 0);

	if (!pid)
		_exit(0);
	return pid > 0 && waitpid(pid, NULL, 0) == pid;
}

/* A second thread does it, as the first waits for the page. */
static void *do_meanwhile(void *arg)
{
	const struct pin_mem *m = arg;
	const long ps = m->kernel->page_size;

	while (sem_wait(&shared->begin))
		;
	switch (shared->event) {
	case UNMAPPED:
		shared->failed = munmap(shared->page, ps);
		break;
	case DROPPED:
		shared->failed = madvise(m->map, (char *)shared->page - (char *)m->map,
					 MADV_DONTNEED);
		break;
	case FORKED:
		shared->failed = !fork_once();
		/* The process gets other pages now, where they are not pinned. */
		touch(m);
		break;
	default:
		break;
	}
	sem_post(&shared->done);
	return NULL;
}

enum { START, PAGE_COMES };

static long task(const struct pin_actor *a, struct pin_op *op, long what, char *why)
{
	pthread_t thread;

	(void)a;
	if (what == PAGE_COMES) {
		op->mem->hole = op->mem->pages;
		return 0;
	}
	shared->page = late_page(op->mem);
	if (pthread_create(&thread, NULL, do_meanwhile, op->mem))
		return pin_why(why, -EAGAIN, "no second thread");
	return op->mem->fd;
}

/* --- in the auditor --- */

static const struct pin_predict nothing;

struct run {
	struct pin_audit *au;
	struct pin_actor actor;
	struct pin_actor_reply reply;
	struct pin_predict bad, good;	/* the page does not come, or does */
	struct pin_view *view;
	int fd;				/* userfaultfd of the actor */
	unsigned int late;		/* the page for which it waits */
};

static bool order(struct run *r, enum pin_actor_cmd cmd)
{
	return pin_actor_order(r->au, &r->actor, cmd, &r->reply);
}

static bool do_task(struct run *r, long what)
{
	if (!pin_actor_task(&r->actor, what, &r->reply) && r->reply.result >= 0)
		return true;
	pin_audit_fail(r->au, "%s", r->reply.why);
	return false;
}

static int take_fd(pid_t pid, int fd)
{
	int process = syscall(SYS_pidfd_open, pid, 0), copy, err;

	if (process < 0)
		return -errno;
	copy = syscall(SYS_pidfd_getfd, process, fd, 0);
	err = errno;
	close(process);
	return copy < 0 ? -err : copy;
}

static bool open_actor(struct run *r)
{
	if (!pin_actor_open(r->au, &r->actor, &r->reply) || !do_task(r, START))
		return false;
	r->fd = take_fd(r->actor.pid, r->reply.result);
	if (r->fd < 0) {
		pin_audit_fail(r->au, "pidfd_getfd: %s", strerror(-r->fd));
		return false;
	}
	return true;
}

static bool foretell(struct run *r)
{
	pin_audit_base_vmpin(r->au, r->actor.pid);
	if (!pin_audit_step(r->au, "open", &nothing, 0, r->actor.pid) ||
	    !order(r, PIN_ACTOR_PREDICT))
		return false;
	r->bad = r->reply.pin;
	r->late = ((uintptr_t)shared->page - (uintptr_t)r->reply.addr +
		   pin_audit_kernel(r->au)->page_size - 1) / pin_audit_kernel(r->au)->page_size;
	r->view = pin_audit_view(r->au, r->actor.pid, r->reply.addr, r->reply.pages);
	if (!do_task(r, PAGE_COMES) || !order(r, PIN_ACTOR_PREDICT))
		return false;
	r->good = r->reply.pin;
	return true;
}

/* 1: the pin waits for the page; 0: it has answered; -1: neither. */
static int await_fault(struct run *r)
{
	struct pollfd p[2] = {
		{ .fd = r->fd, .events = POLLIN },
		{ .fd = r->actor.fd, .events = POLLIN },
	};
	struct uffd_msg msg;
	int n;

	do {
		n = poll(p, 2, WAIT_MS);
	} while (n < 0 && errno == EINTR);
	if (n > 0 && (p[0].revents & POLLIN) && read(r->fd, &msg, sizeof(msg)) == sizeof(msg))
		return msg.event == UFFD_EVENT_PAGEFAULT;
	return n > 0 && p[1].revents ? 0 : -1;
}

static bool give_page(struct run *r)
{
	const long ps = pin_audit_kernel(r->au)->page_size;
	struct uffdio_copy copy = { .dst = (uintptr_t)shared->page, .len = ps };
	char *page = calloc(1, ps);
	int err;

	if (!page)
		return false;
	copy.src = (uintptr_t)page;
	err = ioctl(r->fd, UFFDIO_COPY, &copy);
	free(page);
	return !err;
}

static bool poison_page(struct run *r)
{
	const long ps = pin_audit_kernel(r->au)->page_size;
	struct uffdio_poison poison = { .range = { (uintptr_t)shared->page, ps } };

	if (!ioctl(r->fd, UFFDIO_POISON, &poison))
		return true;
	pin_audit_fail(r->au, "UFFDIO_POISON: %s", strerror(errno));
	return false;
}

static bool wake(struct run *r)
{
	struct uffdio_range range = {
		(uintptr_t)shared->page, pin_audit_kernel(r->au)->page_size
	};

	return !ioctl(r->fd, UFFDIO_WAKE, &range);
}

/* What it has pinned when it comes to the page; what it has let go of again by then. */
static bool look_midway(struct run *r, struct pin_predict *midway)
{
	const struct pin_snapshot *base = pin_audit_base(r->au);
	const uint64_t deadline = pin_now_ns() + WAIT_MS * 1000000ull;
	struct pin_snapshot now, before;
	uint64_t acquired, released;

	/* What is done behind our back is through when nothing comes any more. */
	now = *base;
	do {
		before = now;
		if (r->good.released)
			pin_sleep_ns(DWELL_NS);
		if (pin_counters_read_total(pin_audit_counters(r->au), &now)) {
			pin_audit_fail(r->au, "the counters cannot be read");
			return false;
		}
	} while (r->good.released && now.total.released != before.total.released &&
		 pin_now_ns() < deadline);
	acquired = now.total.acquired - base->total.acquired;
	released = now.total.released - base->total.released;
	*midway = (struct pin_predict){
		.acquired = r->bad.acquired, .migrated = r->bad.migrated,
		.or_more = r->bad.or_more,
	};
	/* It would go on behind a hole, or come to it again, and has not yet. */
	if (r->bad.released == r->bad.acquired && acquired >= r->late &&
	    acquired < r->bad.acquired)
		midway->acquired = acquired;
	/* In pieces: those before it are through. Who holds pins has let go of none. */
	if (r->good.released && released <= midway->acquired)
		midway->released = released;
	if (!pin_audit_step(r->au, "waits", midway, 0, 0))
		return false;
	/* One on each page before it, unless it is done in pieces that overlap. */
	return midway->released || midway->acquired != r->late ||
	       pin_audit_held(r->au, "waits", r->view, midway);
}

static bool await_done(void)
{
	struct timespec end;

	clock_gettime(CLOCK_REALTIME, &end);
	end.tv_sec += WAIT_MS / 1000;
	while (sem_timedwait(&shared->done, &end)) {
		if (errno != EINTR)
			return false;
	}
	return true;
}

static bool let_happen(struct run *r, enum event e)
{
	switch (e) {
	case COMES:
		break;
	case KILLED:
		kill(r->actor.pid, SIGKILL);
		return true;
	case POISONED:
		return poison_page(r);
	case ALLOWED:
	case RETURNED:
		if (!protect(r->fd, pin_audit_kernel(r->au)->page_size, false))
			return true;
		pin_audit_fail(r->au, "the page could not be %s: %s", event_names[e],
			       strerror(errno));
		return false;
	default:
		sem_post(&shared->begin);
		if (!await_done() || shared->failed)
			pin_audit_fail(r->au, "it could not be %s meanwhile", event_names[e]);
	}
	if (e == UNMAPPED)
		return wake(r);
	return give_page(r);
}

/* The call has ended; or false. */
static bool ended(struct run *r)
{
	if (!pin_actor_end(&r->actor, PIN_ACTOR_PIN, &r->reply))
		return true;
	pin_audit_fail(r->au, "%s", r->reply.why);
	return false;
}

/* @rest: what is still to come of the pin; then all that is held goes with the process. */
static void end_well(struct run *r, const struct pin_predict *all, struct pin_predict rest)
{
	struct pin_predict last = { .released = all->acquired - all->released };

	/* Some miss the data that was dropped, and let go at once. */
	if (shared->event == DROPPED && r->reply.result < 0) {
		rest.result = r->reply.result;
		rest.released += last.released;
		rest.vmpin = 0;
		last.released = 0;
	}
	if (!pin_audit_step(r->au, "pin", &rest, r->reply.result, r->actor.pid) ||
	    !order(r, PIN_ACTOR_EXIT) || !pin_actor_gone(r->au, &r->actor))
		return;
	pin_audit_step(r->au, "exit", &last, 0, 0);
	pin_audit_gone(r->au, "exit", r->view);
}

/* Without the page. */
static bool dies(const struct run *r)
{
	struct pollfd end = { .fd = syscall(SYS_pidfd_open, r->actor.pid, 0), .events = POLLIN };
	int n;

	do {
		n = poll(&end, 1, WAIT_MS);
	} while (n < 0 && errno == EINTR);
	close(end.fd);
	return n > 0;
}

static void end_killed(struct run *r, const struct pin_predict *midway)
{
	const bool waits = !dies(r);
	struct pin_predict rest = {
		.released = midway->acquired - midway->released,
		/* It may come to the page once more; or go on, with it. */
		.migrated = (waits ? &r->good : &r->bad)->acquired - midway->acquired,
	};

	if (waits) {
		if (!pin_audit_excuse(r->au, "userfault_killed", r->actor.consumer->name))
			pin_audit_fail(r->au, "the process was killed, and does not end while the page does not come");
		give_page(r);
	}
	if (!pin_actor_gone(r->au, &r->actor))
		return;
	pin_audit_step(r->au, "sigkill", &rest, 0, 0);
	pin_audit_gone(r->au, "sigkill", r->view);
}

static void run_event(struct run *r, enum event e)
{
	const struct pin_predict *all = goes_on(e) ? &r->good : &r->bad;
	struct pin_predict rest, midway;

	if (pin_actor_begin(&r->actor, PIN_ACTOR_PIN, &r->reply)) {
		pin_audit_fail(r->au, "%s", r->reply.why);
		return;
	}
	switch (await_fault(r)) {
	case 1:
		if (e == ALLOWED && r->actor.consumer->only_read &&
		    !pin_audit_excuse(r->au, r->actor.consumer->name, userfault.name))
			pin_audit_fail(r->au, "it waits to be allowed to write, but is only to read");
		break;
	case 0:
		pin_audit_note(r->au, "did not wait");
		/* It is refused; or does not want to write. */
		if (!ended(r))
			return;
		all = e == ALLOWED && r->reply.result == r->good.result &&
		      (r->actor.consumer->only_read ||
		       pin_audit_excuse(r->au, r->actor.consumer->name, userfault.name)) ?
		      &r->good : &r->bad;
		end_well(r, all, *all);
		return;
	default:
		pin_audit_fail(r->au, "the pin neither came to the page nor ended");
		return;
	}
	if (!look_midway(r, &midway) || !let_happen(r, e))
		return;
	if (e == KILLED) {
		end_killed(r, &midway);
		return;
	}
	rest = *all;
	rest.acquired -= midway.acquired;
	rest.released -= midway.released;
	if (ended(r))
		end_well(r, all, rest);
}

static enum pin_verdict run_cell(struct pin_audit *au, const void *arg)
{
	const struct cell *cell = arg;
	struct run r = {
		.au = au, .fd = -1,
		.actor = {
			.consumer = cell->consumer, .kind = &userfault, .task = task,
			.kernel = pin_audit_kernel(au), .pages = PAGES, .node = -1,
		},
	};
	int err;

	if (!pin_probe_passed(au, cell->consumer))
		return PIN_SKIP;
	if (pin_audit_avoid(au, cell->consumer->name, userfault.name))
		return PIN_XFAIL;
	if (needs[cell->event].feature & ~features)
		return pin_audit_skip(au, "%s", needs[cell->event].what);
	memset(shared, 0, sizeof(*shared));
	sem_init(&shared->begin, 1, 0);
	sem_init(&shared->done, 1, 0);
	shared->event = cell->event;
	err = pin_actor_start(&r.actor);
	if (err)
		return pin_audit_fail(au, "cannot start a process: %s", strerror(-err));
	if (open_actor(&r) && foretell(&r))
		run_event(&r, cell->event);
	pin_actor_stop(au, &r.actor);
	if (r.fd >= 0)
		close(r.fd);
	pin_view_close(r.view);
	return PIN_PASS;
}

static void add_tests(struct pin_suite *s)
{
	for (unsigned int i = 0; i < pin_nr_consumers; i++) {
		const struct pin_consumer *c = pin_consumers[i];

		if (c->by_file)
			continue;
		for (enum event e = 0; e < NR_EVENTS; e++) {
			struct cell *cell;

			/* It has two holders, and only one of them minds. */
			if (e == DROPPED && !strcmp(c->name, "iommufd_detach"))
				continue;
			cell = calloc(1, sizeof(*cell));
			if (!cell)
				abort();
			*cell = (struct cell){ c, e };
			if (pin_suite_add(s, run_cell, cell, "%s.%s", c->name, event_names[e]))
				pin_probe_want(c);
		}
	}
}

static void setup(struct pin_suite *s)
{
	char why[PIN_WHY_LEN];

	shared = pin_actor_shared(sizeof(*shared));
	close(open_userfaultfd(why));
	pin_probe_all(s);
	pin_bench_setup(s, 0);
}

int main(int argc, char **argv)
{
	static const struct pin_program program = {
		.name = "userfault_test",
		.doc = "Every consumer comes, half way through a buffer, to a page for which it has to wait, by userfaultfd. Meanwhile what it has pinned so far is counted; then the page comes, the process is killed instead, the page is unmapped or turns out to be broken, the pages before it are dropped, or the process forks; or the page is there, but nobody may write to it, or touch it, before it is allowed. Tests are called CONSUMER.EVENT.",
		.add_tests = add_tests,
		.setup = setup,
	};

	return pin_suite_main(&program, argc, argv);
}
