// SPDX-License-Identifier: GPL-2.0
/*
 * io_uring in sequences that a matrix cannot express. Fixed buffers: several
 * iovecs, tables with tags, failures half-way, clones, requests in flight; areas
 * of zero-copy receive. Every step is exact.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/capability.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "consumers/dio.h"
#include "consumers/nvme.h"
#include "consumers/zcrx.h"
#include "memory.h"
#include "probe.h"
#include "proc.h"
#include "scratch.h"
#include "suite.h"

#define MS		1000000ull
#define DWELL_NS	(40 * MS)	/* a late release would come within that */
#define WORKER_NS	(1200 * MS)	/* the same where a work item waits a second */
#define KILLED_NS	(2000 * MS)	/* what was killed has ended by then */
#define TAG		0x7a6b5c4d
#define RINGS		4		/* of one test, at most */
#define PBUF_RING_MMAP	1		/* flags, where old headers have a pad: 6.4 */
#define ANY_SLOT	UINT_MAX	/* of a new table */
#define SIZE(a)		(sizeof(a) / sizeof((a)[0]))

/* One sequence on one ring, while it runs. */
struct seq {
	const struct test *t;
	struct pin_audit *au;
	const struct pin_kernel *k;
	size_t page;
	struct io_uring ring;
	bool ring_open;
	uint64_t held;		/* pages, by prediction */
	int64_t vmpin;
};

/* Of a fixed buffer by zero-copy send; parts by an array of them, or by a message. */
enum sent {
	WHOLE,
	ARRAY,
	MESSAGE,
};

/* How an NVMe command ends on a ring that asks for completions. */
enum polled {
	DONE,
	FAILED,		/* by an error of the disk's */
	BOTH,		/* one of two rings, which may find what the other has asked for */
	CLOSED,		/* with the ring: nobody waits for it */
};

/* A sequence, and what it is to have before it begins. */
struct test {
	const char *name;
	void (*run)(struct seq *s, const struct pin_mem *m);	/* s[rings] */
	unsigned int rings;	/* 0: one */
	unsigned int flags;	/* of the rings */
	bool (*able)(const struct seq *s);	/* this kernel, else skipped; or NULL */
	unsigned int slots;	/* of an empty table of buffers */
	const char *kind;	/* of memory, NULL: anon */
	unsigned int pages;	/* 0, and no kind or row: no memory */
	const struct pin_row *row;	/* instead of a kind */
	/* Where several tests have one body: */
	const struct clone_case *clone;
	bool removed;		/* from the table before it is cancelled */
	bool shuffled;		/* pages of a folio are not in its order: not coalesced */
	bool ours_first;	/* let go, then the other process */
	int signal;		/* that ends the other process; 0: by itself */
	bool by_worker;		/* the kernel has one of its own do the requests */
	enum sent sent;
	enum polled polled;
	unsigned int skip;	/* bytes of the memory's beginning */
	bool vectored;
};

/* What a step is to do; vmpin in pages as if every kernel accounted them. */
struct want {
	uint64_t acquired, released;
	int64_t vmpin;
	long result;
};

static bool step(struct seq *s, const char *what, struct want w, long result)
{
	struct pin_predict p = pin_predict_longterm(s->k, w.acquired, w.released, w.result);

	p.vmpin = s->k->uring_vmpin ? w.vmpin : 0;

	s->held += w.acquired - w.released;
	s->vmpin += w.vmpin;
	return pin_audit_step(s->au, what, &p, result, getpid());
}

static const struct want nothing;

/* What is still held, and charged, is the other ring's now. */
static void hand_over(struct seq *from, struct seq *to)
{
	to->held += from->held;
	to->vmpin += from->vmpin;
	from->held = 0;
	from->vmpin = 0;
}

static bool begin(struct seq *s, struct pin_audit *au, const struct test *t)
{
	char why[PIN_WHY_LEN];

	memset(s, 0, sizeof(*s));
	s->t = t;
	s->au = au;
	s->k = pin_audit_kernel(au);
	s->page = s->k->page_size;
	/* A thread of the kernel's submits. */
	if (t->flags & IORING_SETUP_SQPOLL && s->k->version < PIN_KVER(5, 11)) {
		pin_audit_skip(au, "SQPOLL takes registered files alone: Linux 5.11 or later");
		return false;
	}
	if (pin_uring_new(&s->ring, t->flags, why)) {
		pin_audit_skip(au, "%s", why);
		return false;
	}
	s->ring_open = true;
	pin_audit_base_vmpin(au, getpid());
	return true;
}

static void close_ring(struct seq *s)
{
	if (s->ring_open)
		io_uring_queue_exit(&s->ring);
	s->ring_open = false;
}

static void end(struct seq *s)
{
	const struct want rest = { .released = s->held, .vmpin = -s->vmpin };

	close_ring(s);
	step(s, "close", rest, 0);
}

static bool get_table(struct seq *s)
{
	if (!s->t->slots || !io_uring_register_buffers_sparse(&s->ring, s->t->slots))
		return true;
	pin_audit_skip(s->au, "io_uring has no sparse buffer tables here: Linux 5.19 or later");
	return false;
}

static bool get_memory(const struct seq *s, struct pin_mem *m)
{
	const struct test *t = s->t;
	int err = 0;

	if (t->row)
		err = pin_mem_alloc_row(m, s->k, t->row);
	else if (t->kind || t->pages)
		err = pin_mem_alloc(m, pin_memkind_find(t->kind ?: "anon"), s->k, t->pages);
	if (err)
		pin_audit_skip(s->au, "%s", m->why);
	return !err;
}

/* What is still registered goes with its ring, when the memory is gone. */
static enum pin_verdict run_seq(struct pin_audit *au, const void *arg)
{
	const struct test *t = arg;
	const unsigned int rings = t->rings ?: 1;
	struct pin_mem m = { .fd = -1 };
	struct seq s[RINGS];
	unsigned int nr = 0;

	while (nr < rings && begin(&s[nr], au, t))
		nr++;
	if (nr == rings && (!t->able || t->able(s)) && get_table(s) && get_memory(s, &m)) {
		t->run(s, &m);
		pin_mem_free(&m);
	}
	while (nr)
		end(&s[--nr]);
	return PIN_PASS;
}

static struct iovec piece(const struct pin_mem *m, size_t first, size_t pages)
{
	size_t page = m->kernel->page_size;

	return (struct iovec){ (char *)m->addr + first * page, pages * page };
}

/* Pages given back while registering @pages that are inside one large folio. */
static uint64_t given_back(const struct seq *s, uint64_t pages)
{
	return s->k->uring_coalesce != PIN_COALESCE_NONE && pages ? pages - 1 : 0;
}

static bool unregister(struct seq *s)
{
	const struct want rest = { .released = s->held, .vmpin = -s->vmpin };

	return step(s, "unregister", rest, io_uring_unregister_buffers(&s->ring));
}

/* Register @iov, predicted as @w, and unregister. */
static void register_and_back(struct seq *s, const struct iovec *iov, unsigned int nr,
			      struct want w)
{
	if (step(s, "register", w, io_uring_register_buffers(&s->ring, iov, nr)) && !w.result)
		unregister(s);
}

static long update(struct seq *s, unsigned int slot, const struct iovec *iov,
		   const __u64 *tags, unsigned int nr)
{
	static const __u64 untagged[16];

	return io_uring_register_buffers_update_tag(&s->ring, slot, iov, tags ?: untagged, nr);
}

/* A work item releases what leaves a slot: until 6.4. */
static bool releases_later(const struct seq *s)
{
	return s->k->version < PIN_KVER(6, 4);
}

static void dwell(const struct seq *s)
{
	pin_sleep_ns(releases_later(s) ? WORKER_NS : DWELL_NS);
}

/* --- several iovecs --- */

static void same_page(struct seq *s, const struct pin_mem *m)
{
	struct iovec iov[8];

	for (size_t i = 0; i < SIZE(iov); i++)
		iov[i] = piece(m, 0, 1);
	register_and_back(s, iov, SIZE(iov), (struct want){ 8, 0, 8, 0 });
}

/* The same memory in two buffers of a ring, and in a second ring. */
static void twice(struct seq *s, const struct pin_mem *m)
{
	const struct iovec iov[2] = { piece(m, 0, 64), piece(m, 0, 64) };

	step(s, "register", (struct want){ 128, 0, 128, 0 },
	     io_uring_register_buffers(&s->ring, iov, 2));
	step(s, "register again", (struct want){ .result = -EBUSY },
	     io_uring_register_buffers(&s->ring, iov, 2));
	register_and_back(&s[1], iov, 1, (struct want){ 64, 0, 64, 0 });
	unregister(s);
	step(s, "unregister again", (struct want){ .result = -ENXIO },
	     io_uring_unregister_buffers(&s->ring));
}

static void thp_pieces(struct seq *s, const struct pin_mem *m)
{
	struct iovec iov[8];
	const uint64_t all = m->pages, part = all / SIZE(iov);

	for (size_t i = 0; i < SIZE(iov); i++)
		iov[i] = piece(m, i * part, part);
	/* The folio is accounted once. */
	register_and_back(s, iov, SIZE(iov),
			  (struct want){ all, SIZE(iov) * given_back(s, part), all, 0 });
}

/*
 * Of the folio only the part that is registered is this process's own, a child
 * has its first page, too: whoever unpins by that one unpins a page that could
 * not have been pinned.
 */
static void thp_shared_head(struct seq *s, const struct pin_mem *m)
{
	const struct iovec iov = piece(m, 64, 64);
	pid_t child;

	if (madvise((char *)m->addr + s->k->page_size, m->len - s->k->page_size,
		    MADV_DONTFORK)) {
		pin_audit_fail(s->au, "MADV_DONTFORK: %s", strerror(errno));
		return;
	}
	child = fork();
	if (!child) {
		pause();
		_exit(0);
	}
	register_and_back(s, &iov, 1,
			  (struct want){ 64, given_back(s, 64), m->pages, 0 });
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
}

static void thp_twice(struct seq *s, const struct pin_mem *m)
{
	const uint64_t all = m->pages;
	const struct iovec iov[2] = { piece(m, 0, all), piece(m, 0, all) };

	register_and_back(s, iov, 2, (struct want){ 2 * all, 2 * given_back(s, all), all, 0 });
}

static void one_iovec(struct seq *s, const struct pin_mem *m)
{
	const struct iovec iov = { m->addr, m->len };

	register_and_back(s, &iov, 1,
			  (struct want){ m->pages, pin_uring_coalesced(m), m->pages, 0 });
}

/* What ends the test gives it back. */
static void one_iovec_closed(struct seq *s, const struct pin_mem *m)
{
	const struct iovec iov = { m->addr, m->len };

	step(s, "register", (struct want){ m->pages, 0, m->pages, 0 },
	     io_uring_register_buffers(&s->ring, &iov, 1));
}

static void thp_and_base(struct seq *s, const struct pin_mem *m)
{
	const uint64_t huge = s->k->pmd_size / s->page;
	const struct iovec iov[2] = { piece(m, 0, huge), piece(m, huge, m->after) };

	register_and_back(s, iov, 2, (struct want){ m->pages, given_back(s, huge), m->pages, 0 });
}

/* Among the pages that are charged already there are small ones. */
static void base_and_thp(struct seq *s, const struct pin_mem *m)
{
	const uint64_t huge = s->k->pmd_size / s->page;
	const struct iovec iov[2] = { piece(m, 0, m->before), piece(m, m->before, huge) };

	register_and_back(s, iov, 2, (struct want){ m->pages, given_back(s, huge), m->pages, 0 });
}

static int64_t vmpin_pages(const struct seq *s)
{
	struct pin_statement now = { .vmpin_kib = 0 };

	pin_statement_read(getpid(), &now);
	return now.vmpin_kib * 1024 / (int64_t)s->page;
}

/* A clone of huge pages is charged as they are, or not at all: a ring may count them. */
static int64_t charged_for_clone(const struct seq *s, int64_t before, int64_t pages)
{
	return vmpin_pages(s) - before == 2 * pages ? pages : 0;
}

/* What is charged for a folio already is found among all buffers, not the last one alone. */
static void thp_apart(struct seq *s, const struct pin_mem *m)
{
	const int64_t huge = s->k->pmd_size / s->page, before = vmpin_pages(s);
	const struct iovec iov[3] = { piece(m, 0, 64), piece(m, huge, 64), piece(m, 64, 64) };
	struct want w = { 192, 3 * given_back(s, 64), 2 * huge, 0 };
	long err = io_uring_register_buffers(&s->ring, iov, 3);

	if (vmpin_pages(s) - before == 3 * huge && pin_audit_excuse(s->au, "uring_account", "*"))
		w.vmpin = 3 * huge;
	if (step(s, "register", w, err))
		unregister(s);
}

/* Two buffers are of one huge page, which is charged once: so it stays for the second. */
static void first_of_thp(struct seq *s, const struct pin_mem *m)
{
	const uint64_t all = m->pages, part = 100, rest = all - part;
	const struct iovec iov[2] = { piece(m, 0, part), piece(m, part, rest) };
	const struct iovec none = { NULL, 0 };
	struct want w = { .released = part - given_back(s, part), .result = 1 };
	const int64_t before = vmpin_pages(s);
	long result;

	step(s, "register",
	     (struct want){ all, given_back(s, part) + given_back(s, rest), all, 2 },
	     update(s, 0, iov, NULL, 2));
	result = update(s, 0, &none, NULL, 1);
	dwell(s);
	if (vmpin_pages(s) == before && pin_audit_excuse(s->au, "uring_first", "thp"))
		w.vmpin = -(int64_t)all;
	if (step(s, "empty the first slot", w, result))
		unregister(s);
}

/* --- refused for RLIMIT_MEMLOCK --- */

/* Register @iov in @slot while there is room for @limit pages, the user's other ones included. */
static long update_limited(struct seq *s, unsigned int slot, const struct iovec *iov,
			   uint64_t limit)
{
	rlim_t before;
	long result = pin_limit_memlock(0, limit * s->page, &before);

	if (result)
		return result;
	result = slot == ANY_SLOT ? io_uring_register_buffers(&s->ring, iov, 1) :
				    update(s, slot, iov, NULL, 1);
	pin_limit_memlock(0, before, NULL);
	return result;
}

/* A ring that a holder of CAP_IPC_LOCK has made may have as much as there is. */
static bool is_limited(const struct seq *s)
{
	if (!pin_have_cap(CAP_IPC_LOCK))
		return true;
	if (pin_drop_ipc_lock()) {
		pin_set_cap(CAP_IPC_LOCK, true);
		return true;
	}
	pin_audit_skip(s->au, "who has CAP_IPC_LOCK is not limited, and to give it up takes the right to lift RLIMIT_MEMLOCK: CAP_SYS_RESOURCE");
	return false;
}

/* What was refused is not charged: so it is in full when it is registered after all. */
static void refused(struct seq *s, const struct pin_mem *m)
{
	const struct iovec iov = { m->addr, m->len };
	const uint64_t all = m->pages;

	for (int i = 0; i < 2; i++) {
		step(s, "one page too many", (struct want){ all, all, 0, -ENOMEM },
		     update_limited(s, ANY_SLOT, &iov, pin_uring_accounted(m) - 1));
		register_and_back(s, &iov, 1,
				  (struct want){ all, pin_uring_coalesced(m),
						 pin_uring_accounted(m), 0 });
	}
}

/*
 * The huge page is charged for another buffer already, and what comes with it is
 * refused: it stays charged, once.
 */
static void refused_beside(struct seq *s, const struct pin_mem *m)
{
	const uint64_t huge = s->k->pmd_size / s->page, all = m->pages;
	const struct iovec first = piece(m, 0, huge), whole = piece(m, 0, all);

	step(s, "register the huge page", (struct want){ huge, given_back(s, huge), huge, 1 },
	     update(s, 0, &first, NULL, 1));
	step(s, "and small ones", (struct want){ all, all, 0, -ENOMEM },
	     update_limited(s, 1, &whole, 0));
	step(s, "once more", (struct want){ all, 0, m->after, 1 },
	     update(s, 1, &whole, NULL, 1));
	unregister(s);
}

/* --- memory that the kernel allocates, and charges as if it were pinned --- */

#define MOST_TAKEN	256	/* pages that the user has, of other rings too */
#define GIVEN_BACK_NS	(2000 * MS)	/* what goes with a ring goes later */

/* The least limit that lets the user have a page more: what is charged, and one. */
static uint64_t least_limit(struct seq *s, const struct pin_mem *m)
{
	const struct iovec one = piece(m, 0, 1);
	uint64_t limit, tries = 0;
	long result = -ENOMEM;

	for (limit = 0; result && limit < MOST_TAKEN; tries += !result || result == -ENOMEM)
		result = update_limited(s, ANY_SLOT, &one, ++limit);
	if (!result)
		io_uring_unregister_buffers(&s->ring);
	step(s, "find the limit", (struct want){ .acquired = tries, .released = tries }, 0);
	return limit;
}

/* The same before the test, for which the user is to have room. */
static uint64_t first_limit(struct seq *s, const struct pin_mem *m)
{
	uint64_t limit;

	/* Rings of other tests go. */
	dwell(s);
	limit = least_limit(s, m);
	if (limit == MOST_TAKEN)
		pin_audit_skip(s->au, "the user has locked %d pages or more", MOST_TAKEN - 1);
	return limit;
}

/* A ring is closed: what it was charged for is all there again, to the page. The limit now. */
static uint64_t limit_is_back(struct seq *s, const struct pin_mem *m, uint64_t before,
			      const char *what, unsigned int pages)
{
	const uint64_t begun = pin_now_ns();
	uint64_t after;

	while ((after = least_limit(s, m)) != before && pin_now_ns() - begun < GIVEN_BACK_NS)
		pin_sleep_ns(MS);
	if (after != before)
		pin_audit_differs(s->au, "%s of %u pages, closed: the user is charged for %lld pages more than before",
				  what, pages, (long long)(after - before));
	return after;
}

static long kernel_region(struct seq *s, int ring_fd, unsigned int pages, uint64_t limit)
{
	struct pin_uring_region region = { .size = pages * s->page };
	const struct pin_uring_region_reg reg = { .region = (uintptr_t)&region };
	rlim_t before;
	long result = pin_limit_memlock(0, limit * s->page, &before);

	if (result)
		return result;
	result = pin_uring_register(ring_fd, PIN_IORING_REGISTER_MEM_REGION, &reg, 1);
	pin_limit_memlock(0, before, NULL);
	return result;
}

static long kernel_pbuf_ring(int ring_fd, unsigned int entries)
{
	const struct io_uring_buf_reg reg = {
		.ring_entries = entries, .pad = PBUF_RING_MMAP,
	};

	return pin_uring_register(ring_fd, IORING_REGISTER_PBUF_RING, &reg, 1);
}

/*
 * The kernel may take more pages than it is asked for and charge them, too, if there is
 * room for them.
 */
static void kernel_memory(struct seq *s, const struct pin_mem *m)
{
	static const struct {
		unsigned int pages, room;
		bool rounded;	/* up, for which there is room */
		long result;
	} regions[] = {
		{ 3, 4, true, 0 }, { 5, 8, true, 0 }, { 7, 8, true, 0 }, { 8, 8, true, 0 },
		{ 3, 3, false, 0 }, { 5, 7, false, 0 }, { 4, 3, false, -ENOMEM },
	};
	const bool known = s->k->version >= PIN_KVER(6, 14);
	uint64_t before = first_limit(s, m), limit;
	char why[PIN_WHY_LEN];
	struct io_uring ring;
	long result;

	for (size_t i = 0; i < SIZE(regions) && before < MOST_TAKEN; i++) {
		const long want = known ? regions[i].result : -EINVAL;

		if (pin_uring_new(&ring, 0, why)) {
			pin_audit_skip(s->au, "%s", why);
			break;
		}
		/* The ring itself may be charged. */
		limit = least_limit(s, m) - 1 + regions[i].room;
		result = kernel_region(s, ring.ring_fd, regions[i].pages, limit);
		/* Single pages it has at once only if no control group counts them. */
		if (result != want && (want || result != -ENOMEM || regions[i].rounded))
			pin_audit_fail(s->au, "a region of %u pages, with room for %u: returned %ld, predicted %ld",
				       regions[i].pages, regions[i].room, result, want);
		kernel_pbuf_ring(ring.ring_fd, 1024);
		io_uring_queue_exit(&ring);
		before = limit_is_back(s, m, before, "a region", regions[i].pages);
	}
}

/* --- sizes and bad arguments --- */

static void sizes(struct seq *s, const struct pin_mem *m)
{
	const size_t p = s->page;
	const struct {
		size_t start, len, pages;
	} sizes[] = {
		{ 0, 1, 1 }, { p - 1, 1, 1 }, { 0, p, 1 }, { 1, p, 2 },
		{ p - 1, 2, 2 }, { p - 1, p + 2, 3 }, { p / 2, 3 * p, 4 },
	};

	for (size_t i = 0; i < SIZE(sizes); i++) {
		const struct iovec iov = { (char *)m->addr + sizes[i].start, sizes[i].len };

		register_and_back(s, &iov, 1,
				  (struct want){ sizes[i].pages, 0, sizes[i].pages, 0 });
	}
}

/* The third of four iovecs is bad: what came before is given back. */
static void bad_iovec(struct seq *s, const struct pin_mem *m)
{
	const struct iovec iov[4] = {
		piece(m, 0, 1), piece(m, 1, 2), piece(m, 4, 1), piece(m, 5, 1),
	};

	munmap(iov[2].iov_base, s->page);
	register_and_back(s, iov, 4, (struct want){ 3, 3, 0, -EFAULT });
	/* The ring is none the worse. */
	register_and_back(s, iov, 2, (struct want){ 3, 0, 3, 0 });
}

static void bad_arguments(struct seq *s, const struct pin_mem *m)
{
	/* Raised to 1 TiB in 7.2, b4e41050b212: pins until the bad page. */
	const unsigned int long_pins = s->k->version < PIN_KVER(7, 2) ? 0 : 3;
	const struct {
		const char *what;
		struct iovec iov;
		long result;
		unsigned int pins;
	} bad[] = {
		{ "no address", { NULL, s->page }, -EFAULT, 0 },
		{ "no length", { m->addr, 0 }, -EFAULT, 0 },
		{ "longer than 1 GiB", { m->addr, (1ul << 30) + 1 }, -EFAULT, long_pins },
		{ "beyond the address space", { (void *)-s->page, 2 * s->page },
		  -EOVERFLOW, 0 },
		{ "the kernel's memory", { (void *)(-16 * s->page), s->page }, -EFAULT, 0 },
		{ "not mapped", { (char *)m->addr + 3 * s->page, s->page }, -EFAULT, 0 },
	};
	const struct iovec good = piece(m, 0, 1);

	munmap(bad[5].iov.iov_base, s->page);
	for (size_t i = 0; i < SIZE(bad); i++)
		step(s, bad[i].what,
		     (struct want){ bad[i].pins, bad[i].pins, 0, bad[i].result },
		     io_uring_register_buffers(&s->ring, &bad[i].iov, 1));
	step(s, "no iovecs", (struct want){ .result = -EFAULT },
	     io_uring_register_buffers(&s->ring, NULL, 1));
	step(s, "none of them", (struct want){ .result = -EINVAL },
	     io_uring_register_buffers(&s->ring, &good, 0));
	step(s, "too many", (struct want){ .result = -EINVAL },
	     io_uring_register_buffers(&s->ring, &good, (1 << 14) + 1));
	step(s, "nothing registered", (struct want){ .result = -ENXIO },
	     io_uring_unregister_buffers(&s->ring));
}

/* --- tables --- */

static void update_many(struct seq *s, const struct pin_mem *m)
{
	const struct iovec first[4] = {
		piece(m, 0, 1), piece(m, 1, 2), piece(m, 3, 3), piece(m, 6, 4),
	};
	const struct iovec second[3] = { piece(m, 10, 2), { NULL, 0 }, piece(m, 12, 4) };
	const struct iovec none[8] = { { NULL, 0 } };

	step(s, "fill four slots", (struct want){ 10, 0, 10, 4 }, update(s, 2, first, NULL, 4));
	/* Slots 3, 4, 5: replaced, emptied, replaced; 2 + 3 + 4 pages go. */
	step(s, "replace three", (struct want){ 6, 9, 6 - 9, 3 }, update(s, 3, second, NULL, 3));
	step(s, "no change", (struct want){ .result = 1 }, update(s, 7, none, NULL, 1));
	step(s, "beyond the table", (struct want){ .result = -EINVAL },
	     update(s, 6, first, NULL, 3));
	step(s, "empty all", (struct want){ 0, 7, -7, 8 }, update(s, 0, none, NULL, 8));
	unregister(s);
	step(s, "no table", (struct want){ .result = -ENXIO }, update(s, 0, first, NULL, 1));
}

/* What came before the bad one stays, and the call says how many. */
static void update_half_way(struct seq *s, const struct pin_mem *m)
{
	static const __u64 tagged[2] = { 0, TAG };
	/* Three pages of the third are there, the fourth is not. */
	const struct iovec iov[4] = {
		piece(m, 0, 1), piece(m, 1, 2), piece(m, 3, 4), piece(m, 8, 1),
	};
	const struct iovec empty[2] = { piece(m, 8, 2), { NULL, 0 } };

	munmap(piece(m, 6, 1).iov_base, s->page);
	step(s, "third fails", (struct want){ 3 + 3, 3, 3, 2 }, update(s, 0, iov, NULL, 4));
	/* A slot is emptied only when its successor is pinned. */
	step(s, "first fails", (struct want){ 3, 3, 0, -EFAULT }, update(s, 0, iov + 2, NULL, 2));
	step(s, "a tag on nothing", (struct want){ 2, 1, 1, 1 }, update(s, 0, empty, tagged, 2));
	unregister(s);
}

/* A tag that cannot be read is asked for before anything is pinned. */
static void update_bad_tag(struct seq *s, const struct pin_mem *m)
{
	const struct iovec iov[2] = { piece(m, 0, 2), piece(m, 2, 3) };
	const char *end = (char *)m->addr + m->len;

	/* The first can be read, the second lies behind the memory. */
	munmap((char *)m->addr + m->len - s->page, s->page);
	step(s, "no tag for the second", (struct want){ 2, 0, 2, 1 },
	     update(s, 0, iov, (const __u64 *)(end - s->page) - 1, 2));
	step(s, "no tag at all", (struct want){ .result = -EFAULT },
	     update(s, 0, iov, (const __u64 *)(end - s->page), 2));
	unregister(s);
}

/* The next completion carries @user_data: its result. */
static long completion(struct seq *s, __u64 user_data)
{
	struct __kernel_timespec limit = { .tv_sec = 5 };
	struct io_uring_cqe *cqe;
	__u64 got;
	long res;
	int err;

	do {
		err = io_uring_wait_cqe_timeout(&s->ring, &cqe, &limit);
	} while (err == -EINTR);
	if (err)
		return err;
	got = cqe->user_data;
	res = cqe->res;
	io_uring_cqe_seen(&s->ring, cqe);
	return got == user_data ? res : -EBADMSG;
}

static void tags(struct seq *s, const struct pin_mem *m)
{
	const __u64 tag[2] = { TAG, TAG + 1 };
	const struct iovec iov[2] = { piece(m, 0, 3), piece(m, 3, 5) };
	const struct iovec other = piece(m, 8, 1), none = { NULL, 0 };
	struct io_uring_cqe *cqe;

	step(s, "fill", (struct want){ 8, 0, 8, 2 }, update(s, 0, iov, tag, 2));
	step(s, "nothing to say", (struct want){ .result = -EAGAIN },
	     io_uring_peek_cqe(&s->ring, &cqe));
	step(s, "replace", (struct want){ 1, 3, 1 - 3, 1 }, update(s, 0, &other, NULL, 1));
	step(s, "its tag", nothing, completion(s, tag[0]));
	step(s, "remove", (struct want){ 0, 5, -5, 1 }, update(s, 1, &none, NULL, 1));
	step(s, "its tag", nothing, completion(s, tag[1]));
}

/* --- requests in flight --- */

/* A read into fixed buffer 0 that waits for a pipe. */
static bool start_read(struct seq *s, const struct pin_mem *m, int pipefd[2])
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&s->ring);
	long err;

	if (pipe(pipefd)) {
		pin_audit_skip(s->au, "pipe: %s", strerror(errno));
		return false;
	}
	io_uring_prep_read_fixed(sqe, pipefd[0], m->addr, m->len, -1, 0);
	sqe->user_data = TAG;
	err = io_uring_submit(&s->ring);
	return step(s, "start to read", (struct want){ .result = 1 }, err);
}

/* Feed the pipe: the read ends, and its data has arrived. */
static bool finish_read(struct seq *s, const struct pin_mem *m, int pipefd[2])
{
	char data[64];
	long got;

	memset(data, 0x5a, sizeof(data));
	got = write(pipefd[1], data, sizeof(data));
	if (got == sizeof(data))
		got = completion(s, TAG);
	if (got == sizeof(data) && memcmp(data, m->addr, sizeof(data)))
		got = -EILSEQ;
	if (got != sizeof(data))
		pin_audit_fail(s->au, "the read did not end well: %ld", got);
	close(pipefd[0]);
	close(pipefd[1]);
	return got == sizeof(data);
}

/* A slot is emptied while a request uses its buffer. */
static void remove_in_flight(struct seq *s, const struct pin_mem *m)
{
	const struct iovec iov = piece(m, 0, 64), none = { NULL, 0 };
	const __u64 tag = TAG + 1;
	struct io_uring_cqe *cqe;
	int pipefd[2];

	step(s, "fill", (struct want){ 64, 0, 64, 1 }, update(s, 0, &iov, &tag, 1));
	if (start_read(s, m, pipefd)) {
		step(s, "remove", (struct want){ .result = 1 }, update(s, 0, &none, NULL, 1));
		dwell(s);
		step(s, "while it reads", (struct want){ .result = -EAGAIN },
		     io_uring_peek_cqe(&s->ring, &cqe));
		finish_read(s, m, pipefd);
		step(s, "the tag", (struct want){ 0, 64, -64, 0 }, completion(s, tag));
	}
}

/*
 * All slots are emptied while a request uses the buffer of the first. Up to 6.12 what
 * leaves a slot later waits for what left before it; since then it goes at once.
 */
static void remove_all_in_flight(struct seq *s, const struct pin_mem *m)
{
	const struct iovec iov[3] = { piece(m, 0, 64), piece(m, 0, 3), piece(m, 7, 5) };
	static const struct iovec none[SIZE(iov)];
	const uint64_t others = s->k->version < PIN_KVER(6, 13) ? 0 : 3 + 5;
	const uint64_t rest = 64 + 3 + 5 - others;
	int pipefd[2];

	step(s, "fill", (struct want){ 72, 0, 72, 3 }, update(s, 0, iov, NULL, 3));
	if (start_read(s, m, pipefd)) {
		step(s, "remove all", (struct want){ 0, others, -(int64_t)others, 3 },
		     update(s, 0, none, NULL, 3));
		dwell(s);
		step(s, "while it reads", nothing, 0);
		finish_read(s, m, pipefd);
		step(s, "the read is done", (struct want){ 0, rest, -(int64_t)rest, 0 }, 0);
	}
}

static void *unregister_thread(void *arg)
{
	return (void *)(intptr_t)io_uring_unregister_buffers(arg);
}

/*
 * All buffers are unregistered while a request uses one. Up to 6.12 the call
 * waits for the request; since then it returns and the pins wait.
 */
static void unregister_in_flight(struct seq *s, const struct pin_mem *m)
{
	const struct iovec iov = piece(m, 0, 64);
	int pipefd[2];
	pthread_t thread;
	void *ret;

	step(s, "register", (struct want){ 64, 0, 64, 0 },
	     io_uring_register_buffers(&s->ring, &iov, 1));
	if (start_read(s, m, pipefd)) {
		if (pthread_create(&thread, NULL, unregister_thread, &s->ring))
			abort();
		dwell(s);
		step(s, "while it reads", nothing, 0);
		finish_read(s, m, pipefd);
		pthread_join(thread, &ret);
		step(s, "unregister", (struct want){ 0, 64, -64, 0 }, (intptr_t)ret);
	}
}

static void on_signal(int sig)
{
	(void)sig;
}

/* Where the call waits a signal ends that: all is as it was, and it can be made again. */
static void unregister_interrupted(struct seq *s, const struct pin_mem *m)
{
	const struct sigaction wake = { .sa_handler = on_signal };
	const struct iovec iov = piece(m, 0, 64);
	const bool waits = s->k->version < PIN_KVER(6, 13);
	struct sigaction before;
	int pipefd[2];
	pthread_t thread;
	void *ret;

	step(s, "register", (struct want){ 64, 0, 64, 0 },
	     io_uring_register_buffers(&s->ring, &iov, 1));
	if (!start_read(s, m, pipefd))
		return;
	sigaction(SIGUSR1, &wake, &before);
	if (pthread_create(&thread, NULL, unregister_thread, &s->ring))
		abort();
	dwell(s);
	pthread_kill(thread, SIGUSR1);
	pthread_join(thread, &ret);
	sigaction(SIGUSR1, &before, NULL);
	step(s, "unregister, and a signal", (struct want){ .result = waits ? -EINTR : 0 },
	     (intptr_t)ret);
	finish_read(s, m, pipefd);
	if (waits)
		unregister(s);
	else
		step(s, "the read is done", (struct want){ 0, 64, -64, 0 }, 0);
}

/* The ring goes while a request uses its buffer: it is cancelled. */
static void close_in_flight(struct seq *s, const struct pin_mem *m)
{
	const struct iovec iov = piece(m, 0, 64);
	int pipefd[2];

	step(s, "register", (struct want){ 64, 0, 64, 0 },
	     io_uring_register_buffers(&s->ring, &iov, 1));
	if (start_read(s, m, pipefd)) {
		close_ring(s);
		step(s, "close", (struct want){ 0, 64, -64, 0 }, 0);
		close(pipefd[0]);
		close(pipefd[1]);
	}
}

/*
 * A request is cancelled whose buffer is in its slot, or has left it: then the
 * pins were the request's alone, and go with it.
 */
static void cancel_in_flight(struct seq *s, const struct pin_mem *m)
{
	const struct iovec iov = piece(m, 0, 64), none = { NULL, 0 };
	const struct want gone = { 0, 64, -64, -ECANCELED };
	const struct want stays = { .result = -ECANCELED };
	const bool removed = s->t->removed;
	struct io_uring_sqe *sqe;
	int pipefd[2];

	step(s, "fill", (struct want){ 64, 0, 64, 1 }, update(s, 0, &iov, NULL, 1));
	if (start_read(s, m, pipefd)) {
		if (removed)
			step(s, "remove", (struct want){ .result = 1 },
			     update(s, 0, &none, NULL, 1));
		sqe = io_uring_get_sqe(&s->ring);
		io_uring_prep_cancel64(sqe, TAG, 0);
		sqe->flags = IOSQE_CQE_SKIP_SUCCESS;
		if (io_uring_submit(&s->ring) != 1)
			pin_audit_fail(s->au, "the request to cancel cannot be submitted");
		step(s, "cancelled", removed ? gone : stays, completion(s, TAG));
		close(pipefd[0]);
		close(pipefd[1]);
	}
}

/* --- I/O with fixed buffers adds no pin --- */

/* Each page has a byte of its own. */
static char byte_of(size_t page)
{
	return 0x3c ^ (page * 7 + page / 256);
}

static void fill_pages(const struct pin_mem *m)
{
	for (size_t i = 0; i < m->len; i++)
		((char *)m->addr)[i] = byte_of(i / m->kernel->page_size);
}

/* What is from byte @from on is what was written. */
static bool is_whole(struct seq *s, const struct pin_mem *m, size_t from, const char *what)
{
	for (size_t i = from; i < m->len; i++) {
		if (((char *)m->addr)[i] != byte_of(i / s->page)) {
			pin_audit_fail(s->au, "%s: byte %zu is not what was written", what, i);
			return false;
		}
	}
	return true;
}

/* Since Linux 6.15. */
#define READV_FIXED	60
#define WRITEV_FIXED	61
#define VECTOR		3

static bool has_vectors(const struct seq *s)
{
	char why[PIN_WHY_LEN];

	if (!pin_uring_probe_op(READV_FIXED, "IORING_OP_READV_FIXED", "6.15", why))
		return true;
	pin_audit_skip(s->au, "%s", why);
	return false;
}

/* All of @len bytes from @at on: the last part first, and none but one begins with a page. */
static void cut(struct iovec iov[VECTOR], char *at, size_t len)
{
	const size_t part = len / VECTOR / 1024 * 1024 + 512;

	iov[1] = (struct iovec){ at, part };
	iov[2] = (struct iovec){ at + part, part };
	iov[0] = (struct iovec){ at + 2 * part, len - 2 * part };
}

/* Pages that are pinned for it by address: once for each part that is in them. */
static uint64_t pages_by_address(const struct seq *s, const struct pin_mem *m, size_t skip)
{
	struct iovec iov[VECTOR];
	uint64_t pages = 0;

	if (!s->t->vectored)
		return m->pages - skip / s->page;
	cut(iov, (char *)m->addr + skip, m->len - skip);
	for (int i = 0; i < VECTOR; i++)
		pages += pin_pages_touched(iov[i].iov_base, iov[i].iov_len, s->page);
	return pages;
}

/* From byte @skip of the buffer to its end, by its address or (@fixed) as buffer 0. */
static long move(struct seq *s, const struct pin_mem *m, int fd, size_t skip, bool write,
		 bool fixed)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&s->ring);
	void *at = (char *)m->addr + skip;
	struct iovec iov[VECTOR];

	cut(iov, at, m->len - skip);
	if (s->t->vectored && !fixed)
		io_uring_prep_readv(sqe, fd, iov, VECTOR, skip);
	else if (s->t->vectored)
		io_uring_prep_rw(write ? WRITEV_FIXED : READV_FIXED, sqe, fd, iov, VECTOR, skip);
	else if (write)
		io_uring_prep_write_fixed(sqe, fd, at, m->len - skip, skip, 0);
	else if (fixed)
		io_uring_prep_read_fixed(sqe, fd, at, m->len - skip, skip, 0);
	else
		io_uring_prep_read(sqe, fd, at, m->len - skip, skip);
	return pin_uring_submit_one(&s->ring);
}

/* To a file and back, from the whole buffer and from within. */
static void move_both_ways(struct seq *s, const struct pin_mem *m, int fd, size_t skip)
{
	struct want w = { .result = m->len - skip };

	fill_pages(m);
	if (!step(s, "write", w, move(s, m, fd, skip, true, true)))
		return;
	memset((char *)m->addr + skip, 0, m->len - skip);
	/* By its address: pinned once more, for the time of the read. */
	if (s->k->dio_pins) {
		w.acquired = pages_by_address(s, m, skip);
		w.released = w.acquired;
	}
	if (!step(s, "read by address", w, move(s, m, fd, skip, false, false)) ||
	    !is_whole(s, m, skip, "read by address"))
		return;
	memset((char *)m->addr + skip, 0, m->len - skip);
	w = (struct want){ .result = m->len - skip };
	if (step(s, "read", w, move(s, m, fd, skip, false, true)))
		is_whole(s, m, skip, "read");
}

static void fixed_io(struct seq *s, const struct pin_mem *m)
{
	const struct iovec iov = { m->addr, m->len };
	struct want w = { m->pages, pin_uring_coalesced(m), pin_uring_accounted(m), 0 };
	/* A few pages behind what may be the border of two folios. */
	const size_t within = (m->pages / 2 + 3) * s->page;
	char why[PIN_WHY_LEN];
	int fd = pin_dio_file(m->len, why);

	if (fd < 0) {
		pin_audit_skip(s->au, "%s", why);
		return;
	}
	if (s->t->shuffled)
		w.released = 0;
	step(s, "file", nothing, 0);
	if (step(s, "register", w, io_uring_register_buffers(&s->ring, &iov, 1))) {
		move_both_ways(s, m, fd, 0);
		move_both_ways(s, m, fd, within);
		unregister(s);
	}
	close(fd);
}

/* --- rings of another size --- */

#define RESIZE_RINGS	33	/* IORING_REGISTER_RESIZE_RINGS */
#define ENTRIES		8
#define MORE_ENTRIES	32	/* still a page for the rings, and one for the entries */
#define RESIZABLE	(IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN)

/* To rings in pages @first and @first + 1 of @m, if that is not NULL. */
static long resize(int ring_fd, const struct pin_mem *m, size_t first, unsigned int entries)
{
	struct pin_uring_params p = { .sq_entries = entries, .cq_entries = 2 * entries };

	if (m) {
		p.cq.rings = (uintptr_t)piece(m, first, 1).iov_base;
		p.sq.sqes = (uintptr_t)piece(m, first + 1, 1).iov_base;
	}
	return pin_uring_register(ring_fd, RESIZE_RINGS, &p, 1);
}

static bool can_resize(const struct seq *s)
{
	if (s->k->version >= PIN_KVER(6, 13))
		return true;
	pin_audit_skip(s->au, "io_uring's rings cannot be resized: Linux 6.13 or later");
	return false;
}

/* The kernel's own rings: the buffers are none of their business. */
static void resize_kernel_rings(struct seq *s, const struct pin_mem *m)
{
	const struct iovec iov = piece(m, 0, 64);

	step(s, "register", (struct want){ 64, 0, 64, 0 },
	     io_uring_register_buffers(&s->ring, &iov, 1));
	step(s, "resize", nothing, resize(s->ring.ring_fd, NULL, 0, MORE_ENTRIES));
	unregister(s);
}

/* Rings in memory of ours: the new are pinned, then the old are not. */
static void resize_own_rings(struct seq *s, const struct pin_mem *m)
{
	struct pin_uring_params p = { .flags = PIN_IORING_SETUP_NO_MMAP | RESIZABLE };
	int fd;

	munmap(piece(m, 7, 1).iov_base, s->page);
	p.cq.rings = (uintptr_t)piece(m, 0, 1).iov_base;
	p.sq.sqes = (uintptr_t)piece(m, 1, 1).iov_base;
	fd = syscall(__NR_io_uring_setup, ENTRIES, &p);
	step(s, "rings in our memory", (struct want){ .acquired = 2 }, fd < 0 ? -errno : 0);
	step(s, "resize", (struct want){ .acquired = 2, .released = 2 },
	     resize(fd, m, 2, MORE_ENTRIES));
	step(s, "entries in a hole",
	     (struct want){ .acquired = 1, .released = 1, .result = -EFAULT },
	     resize(fd, m, 6, MORE_ENTRIES));
	step(s, "resize back", (struct want){ .acquired = 2, .released = 2 },
	     resize(fd, m, 0, MORE_ENTRIES));
	/* What waits to be submitted does not fit into the new ones. */
	*(volatile uint32_t *)((char *)piece(m, 0, 1).iov_base + p.sq.tail) += ENTRIES;
	step(s, "fewer entries",
	     (struct want){ .acquired = 2, .released = 2, .result = -EOVERFLOW },
	     resize(fd, m, 2, ENTRIES / 2));
	if (fd >= 0)
		close(fd);
}

/* --- clones --- */

static long clone_to(struct seq *s, const struct seq *source, unsigned int flags,
		     unsigned int src_off, unsigned int dst_off, unsigned int nr)
{
	const struct pin_uring_clone arg = {
		.src_fd = source->ring.ring_fd,
		.flags = flags,
		.src_off = src_off,
		.dst_off = dst_off,
		.nr = nr,
	};

	return pin_uring_register(s->ring.ring_fd, PIN_IORING_REGISTER_CLONE_BUFFERS, &arg, 1);
}

static bool cannot_clone(const struct seq *s, long result)
{
	if (result != -EINVAL || s->k->version >= PIN_KVER(6, 12))
		return false;
	pin_audit_skip(s->au, "io_uring does not clone buffers here: Linux 6.12 or later");
	return true;
}

struct clone_case {
	unsigned int since;
	bool replace;
	unsigned int src_off, dst_off, nr;
	unsigned int cloned;	/* pages of the four buffers: 1 + 2 + 3 + 4 */
	unsigned int replaced;	/* pages of the clone's own: 5 + 6 */
	unsigned int nr_own;
	long result;
};

static const struct clone_case clone_whole = {
	.since = PIN_KVER(6, 12), .cloned = 10,
};

static const struct clone_case clone_part = {
	.since = PIN_KVER(6, 13), .src_off = 1, .nr = 2, .cloned = 2 + 3,
};

static const struct clone_case clone_at_offset = {
	.since = PIN_KVER(6, 13), .src_off = 2, .dst_off = 7, .nr = 2, .cloned = 3 + 4,
};

static const struct clone_case clone_replace = {
	.since = PIN_KVER(6, 13), .replace = true, .cloned = 10,
	.nr_own = 2, .replaced = 5 + 6,
};

static const struct clone_case clone_replace_one = {
	.since = PIN_KVER(6, 13), .replace = true, .src_off = 3, .dst_off = 1, .nr = 1,
	.cloned = 4, .nr_own = 2, .replaced = 6,
};

static const struct clone_case clone_no_replace = {
	.since = PIN_KVER(6, 12), .nr_own = 2, .result = -EBUSY,
};

static const struct clone_case clone_beyond = {
	.since = PIN_KVER(6, 13), .src_off = 3, .nr = 2, .result = -EOVERFLOW,
};

/* Such a kernel looks at the flags last. */
static bool cannot_clone_so(const struct seq *s, long result, unsigned int since, bool replace)
{
	if (s->k->version >= since || (result != -EINVAL && (!replace || result != -EBUSY)))
		return false;
	pin_audit_skip(s->au, "io_uring does not clone buffers this way here: Linux %u.%u or later",
		       since >> 16, since & 0xffff);
	return true;
}

static void cloned(struct seq *s, const struct pin_mem *m)
{
	const struct clone_case *c = s->t->clone;
	const struct iovec iov[6] = {
		piece(m, 0, 1), piece(m, 1, 2), piece(m, 3, 3),
		piece(m, 6, 4), piece(m, 10, 5), piece(m, 15, 6),
	};
	const unsigned int own = c->nr_own ? 5 + 6 : 0;
	struct seq *from = &s[0], *to = &s[1];
	long result;

	step(from, "register", (struct want){ 10, 0, 10, 0 },
	     io_uring_register_buffers(&from->ring, iov, 4));
	if (own)
		step(to, "register own", (struct want){ own, 0, own, 0 },
		     io_uring_register_buffers(&to->ring, iov + 4, 2));
	result = clone_to(to, from, c->replace ? PIN_IORING_CLONE_REPLACE : 0,
			  c->src_off, c->dst_off, c->nr);
	if (cannot_clone_so(to, result, c->since, c->replace))
		return;
	step(to, "clone",
	     (struct want){ 0, c->replaced, -(int64_t)c->replaced, c->result }, result);
	/* What is cloned stays, and so does its part of VmPin. */
	step(from, "unregister source",
	     (struct want){ 0, 10 - c->cloned, -(int64_t)(10 - c->cloned), 0 },
	     io_uring_unregister_buffers(&from->ring));
	hand_over(from, to);
	if (to->held)
		unregister(to);
}

/* What lies before and behind those that a clone replaces stays where it is. */
static void clone_amidst(struct seq *s, const struct pin_mem *m)
{
	const struct iovec iov[8] = {
		piece(m, 0, 1), piece(m, 1, 2), piece(m, 3, 3),
		piece(m, 6, 4), piece(m, 10, 5), piece(m, 15, 6), piece(m, 21, 7), piece(m, 28, 8),
	};
	/* In the slots of the second ring then. */
	const struct iovec slot[5] = { iov[3], iov[1], iov[2], iov[6], iov[7] };
	const struct iovec none = { NULL, 0 };
	struct seq *from = &s[0], *to = &s[1];
	long result;

	step(from, "register", (struct want){ 6, 0, 6, 0 },
	     io_uring_register_buffers(&from->ring, iov, 3));
	step(to, "register own", (struct want){ 30, 0, 30, 0 },
	     io_uring_register_buffers(&to->ring, iov + 3, 5));
	result = clone_to(to, from, PIN_IORING_CLONE_REPLACE, 1, 1, 2);
	if (cannot_clone_so(to, result, PIN_KVER(6, 13), true))
		return;
	step(to, "clone", (struct want){ .released = 5 + 6, .vmpin = -(5 + 6) }, result);
	step(from, "unregister source", (struct want){ .released = 1, .vmpin = -1 },
	     io_uring_unregister_buffers(&from->ring));
	hand_over(from, to);
	for (unsigned int i = 0; i < SIZE(slot); i++) {
		const uint64_t pages = slot[i].iov_len / s->page;
		const struct want w = { 0, pages, -(int64_t)pages, 1 };
		struct pin_mem part = *m;

		pin_mem_cut(&part, (char *)slot[i].iov_base - (char *)m->addr, slot[i].iov_len);
		step(to, "use the next slot", nothing, pin_uring_use_fixed(&to->ring, &part, i));
		step(to, "empty it", w, update(to, i, &none, NULL, 1));
	}
	unregister(to);
}

/*
 * Two buffers are of one huge page, which is charged once, and cloned. The clone keeps the
 * second alone: as long as it does it is charged, be that for each ring or for both, and
 * no longer.
 */
static void clone_of_thp(struct seq *s, const struct pin_mem *m)
{
	const uint64_t all = m->pages, part = 100, rest = all - part;
	const struct iovec iov[2] = { piece(m, 0, part), piece(m, part, rest) };
	const struct iovec none = { NULL, 0 };
	const uint64_t kept = rest - given_back(s, rest);
	struct want w = { .result = 0 };
	int64_t before;
	long result;

	/* What is given back twice is missing until all of the user's processes have ended. */
	if (pin_audit_avoid(s->au, "uring_clone", "thp"))
		return;
	before = vmpin_pages(s);
	step(&s[0], "register",
	     (struct want){ all, given_back(s, part) + given_back(s, rest), all, 0 },
	     io_uring_register_buffers(&s[0].ring, iov, 2));
	result = clone_to(&s[1], &s[0], 0, 0, 0, 0);
	if (cannot_clone(s, result))
		return;
	w.vmpin = charged_for_clone(s, before, all);
	step(&s[1], "clone", w, result);
	step(&s[1], "let go of the first clone", (struct want){ .result = 1 },
	     update(&s[1], 0, &none, NULL, 1));
	w = (struct want){ .released = s[0].held - kept, .vmpin = -s[1].vmpin };
	result = io_uring_unregister_buffers(&s[0].ring);
	if (vmpin_pages(s) == before && pin_audit_excuse(s->au, "uring_first", "thp"))
		w.vmpin = -s[0].vmpin - s[1].vmpin;
	step(&s[0], "unregister both", w, result);
	hand_over(&s[0], &s[1]);
	unregister(&s[1]);
}

/* A huge page that both rings have let go of is charged anew. */
static void clone_thp_again(struct seq *s, const struct pin_mem *m)
{
	const struct iovec iov = { m->addr, m->len };
	const struct want again = { m->pages, given_back(s, m->pages), m->pages, 0 };
	const int64_t before = vmpin_pages(s);
	struct want w = nothing;
	long result;

	step(&s[0], "register", again, io_uring_register_buffers(&s[0].ring, &iov, 1));
	result = clone_to(&s[1], &s[0], 0, 0, 0, 0);
	if (cannot_clone(s, result))
		return;
	w.vmpin = charged_for_clone(s, before, m->pages);
	step(&s[1], "clone", w, result);
	w.vmpin = -w.vmpin;
	step(&s[0], "unregister source", w, io_uring_unregister_buffers(&s[0].ring));
	hand_over(&s[0], &s[1]);
	if (unregister(&s[1]))
		register_and_back(&s[0], &iov, 1, again);
}

/* From ring to ring to ring: the last to let go of a buffer is the one that unpins it. */
static void clone_chain(struct seq *s, const struct pin_mem *m)
{
	/* The source first, then the newest clone. */
	static const unsigned int order[] = { 0, 3, 1 };
	const struct iovec iov = piece(m, 0, 64);
	long result;

	step(&s[0], "register", (struct want){ 64, 0, 64, 0 },
	     io_uring_register_buffers(&s[0].ring, &iov, 1));
	for (unsigned int i = 1; i < RINGS; i++) {
		result = clone_to(&s[i], &s[i - 1], 0, 0, 0, 0);
		if (cannot_clone(s, result))
			return;
		step(&s[i], "clone", nothing, result);
	}
	for (size_t i = 0; i < SIZE(order); i++)
		step(&s[order[i]], "unregister one of them", nothing,
		     io_uring_unregister_buffers(&s[order[i]].ring));
	hand_over(&s[0], &s[2]);
	unregister(&s[2]);
}

/* What the other process says, of its clone and when it has let go of it. */
struct clone_said {
	long result, kib;
};

/*
 * Another process clones the buffers of ours. Whose pins are they then? The
 * kernel refuses since 6.14 (19d340a2988d); where it does not, each process
 * must in the end be charged for nothing, whoever lets go last.
 */
static void __attribute__((noreturn)) clone_and_end(struct seq *s, int ask, int tell)
{
	struct pin_statement st = { .vmpin_kib = 0 };
	struct clone_said said = { -ENOTSUP, 0 };
	struct seq to = { .k = s->k };
	char why[PIN_WHY_LEN], byte;

	/* A ring of this process, and of its address space. */
	if (!pin_uring_new(&to.ring, 0, why))
		said.result = clone_to(&to, s, 0, 0, 0, 0);
	if (write(tell, &said, sizeof(said)) != sizeof(said) || read(ask, &byte, 1) != 1)
		_exit(1);
	if (!said.result)
		io_uring_unregister_buffers(&to.ring);
	pin_statement_read(getpid(), &st);
	said.kib = st.vmpin_kib;
	_exit(write(tell, &said, sizeof(said)) != sizeof(said));
}

static void clone_by_other(struct seq *s, const struct pin_mem *m)
{
	const struct iovec iov = piece(m, 0, 64);
	const bool ours_first = s->t->ours_first;
	struct clone_said said = { -EPIPE, 0 };
	int ask[2], tell[2];
	long result = 0;
	bool answered;
	pid_t pid;

	step(s, "register", (struct want){ 64, 0, 64, 0 },
	     io_uring_register_buffers(&s->ring, &iov, 1));
	if (pipe(ask) || pipe(tell))
		abort();
	fflush(stdout);
	pid = fork();
	if (!pid)
		clone_and_end(s, ask[0], tell[1]);
	close(ask[0]);
	close(tell[1]);
	answered = read(tell[0], &said, sizeof(said)) == sizeof(said);
	if (said.result && said.result != -EINVAL)
		pin_audit_fail(s->au, "clone: returned %ld %s, predicted 0 or -%d %s", said.result,
			       strerror(-said.result), EINVAL, strerror(EINVAL));
	if (ours_first)
		result = io_uring_unregister_buffers(&s->ring);
	answered = answered && write(ask[1], "", 1) == 1 &&
		   read(tell[0], &said, sizeof(said)) == sizeof(said);
	if (!answered)
		pin_audit_fail(s->au, "the other process gave no answer");
	close(ask[1]);
	close(tell[0]);
	waitpid(pid, NULL, 0);
	if (said.kib)
		pin_audit_fail(s->au, "the other process is charged for %ld kB of pins it no longer has",
			       said.kib);
	if (ours_first) {
		step(s, "let go by both", (struct want){ 0, 64, -64, 0 }, result);
	} else {
		step(s, "clone by another process", nothing, 0);
		unregister(s);
	}
}

/* --- the descriptor in another process --- */

/* Unregister when told to, say what came of it, end when told to. */
static void child(struct seq *s, int ask, int tell)
{
	long result;
	char byte;

	if (read(ask, &byte, 1) != 1)
		_exit(1);
	result = pin_uring_register(s->ring.ring_fd, IORING_UNREGISTER_BUFFERS, NULL, 0);
	if (write(tell, &result, sizeof(result)) != sizeof(result))
		_exit(1);
	_exit(read(ask, &byte, 1) != 0);
}

static void child_unregisters(struct seq *s, const struct pin_mem *m)
{
	const struct iovec iov = piece(m, 0, 64);
	int ask[2], tell[2], status;
	long result = -EPIPE;
	pid_t pid;

	step(s, "register", (struct want){ 64, 0, 64, 0 },
	     io_uring_register_buffers(&s->ring, &iov, 1));
	if (pipe(ask) || pipe(tell))
		abort();
	fflush(stdout);
	pid = fork();
	if (!pid) {
		close(ask[1]);
		close(tell[0]);
		child(s, ask[0], tell[1]);
	}
	close(ask[0]);
	close(tell[1]);
	step(s, "fork", nothing, pid < 0 ? -errno : 0);
	close_ring(s);
	pin_sleep_ns(DWELL_NS);
	step(s, "the parent closes", nothing, 0);
	/* It is the parent's VmPin all the same. */
	if (write(ask[1], "", 1) == 1 && read(tell[0], &result, sizeof(result)) < 0)
		result = -errno;
	step(s, "the child unregisters", (struct want){ 0, 64, -64, 0 }, result);
	close(ask[1]);
	close(tell[0]);
	if (pid > 0)
		waitpid(pid, &status, 0);
}

/* --- provided buffers: in a ring in our memory, which is pinned, or handed over by requests --- */

#define PBUF_PAGES	4	/* of the ring; buffers come behind it */
#define PBUF_GROUP	101	/* the first 64 are there from the beginning until 6.9 */
#define OTHER_GROUP	102

static bool has_pbuf_rings(const struct seq *s)
{
	char why[PIN_WHY_LEN];

	if (!pin_consumer_find("uring_pbuf_ring")->probe(s->k, why))
		return true;
	pin_audit_skip(s->au, "%s", why);
	return false;
}

static unsigned int pbuf_entries(const struct seq *s)
{
	return PBUF_PAGES * s->page / sizeof(struct io_uring_buf);
}

static long register_pbuf_ring(struct seq *s, const struct pin_mem *m, int group)
{
	struct io_uring_buf_reg reg = {
		.ring_addr = (uintptr_t)m->addr,
		.ring_entries = pbuf_entries(s),
		.bgid = group,
	};

	io_uring_buf_ring_init(m->addr);
	return io_uring_register_buf_ring(&s->ring, &reg, 0);
}

/* The @id-th page behind the ring. */
static void *pbuf(const struct pin_mem *m, int id)
{
	return piece(m, PBUF_PAGES + id, 1).iov_base;
}

/* What the one request that is prepared came to, done at once or by a worker. */
static long done_by(struct seq *s, struct io_uring_sqe *sqe, bool worker)
{
	sqe->flags |= worker ? IOSQE_ASYNC : 0;
	sqe->user_data = TAG;
	return io_uring_submit(&s->ring) == 1 ? completion(s, TAG) : -EIO;
}

static long remove_pbufs(struct seq *s, int group, int nr)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&s->ring);

	io_uring_prep_remove_buffers(sqe, nr, group);
	return done_by(s, sqe, s->t->by_worker);
}

static long provide_pbufs(struct seq *s, const struct pin_mem *m, int group, int nr)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&s->ring);

	io_uring_prep_provide_buffers(sqe, pbuf(m, 0), s->page, nr, group, 0);
	return done_by(s, sqe, s->t->by_worker);
}

/* Put a buffer into the ring. */
static void offer_pbuf(struct seq *s, const struct pin_mem *m, int id)
{
	io_uring_buf_ring_add(m->addr, pbuf(m, id), s->page, id,
			      io_uring_buf_ring_mask(pbuf_entries(s)), 0);
	io_uring_buf_ring_advance(m->addr, 1);
}

/* A read has the kernel choose one of them: nothing is pinned by that. */
static void use_pbuf(struct seq *s, const struct pin_mem *m, const char *what, int id)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&s->ring);
	static const char text[] = "what a pipe had";
	int ends[2];

	if (pipe(ends) || write(ends[1], text, sizeof(text)) < 0)
		abort();
	io_uring_prep_read(sqe, ends[0], NULL, s->page, 0);
	sqe->flags |= IOSQE_BUFFER_SELECT;
	sqe->buf_group = PBUF_GROUP;
	step(s, what, (struct want){ .result = sizeof(text) }, done_by(s, sqe, false));
	if (memcmp(pbuf(m, id), text, sizeof(text)))
		pin_audit_fail(s->au, "%s: the data is not in the buffer", what);
	close(ends[0]);
	close(ends[1]);
}

/* What is in a ring is not for the requests that are there for buffers without one. */
static void pbuf_ring_managed(struct seq *s, const struct pin_mem *m)
{
	const struct want all = { .acquired = PBUF_PAGES }, refused = { .result = -EINVAL };

	if (!step(s, "register", all, register_pbuf_ring(s, m, PBUF_GROUP)))
		return;
	step(s, "remove from an empty ring", refused, remove_pbufs(s, PBUF_GROUP, 1));
	offer_pbuf(s, m, 0);
	step(s, "remove the only one", refused, remove_pbufs(s, PBUF_GROUP, 1));
	step(s, "remove many", refused, remove_pbufs(s, PBUF_GROUP, USHRT_MAX));
	step(s, "provide", refused, provide_pbufs(s, m, PBUF_GROUP, 2));
	dwell(s);
	step(s, "later", nothing, 0);
	use_pbuf(s, m, "use", 0);
	offer_pbuf(s, m, 1);
	use_pbuf(s, m, "use once more", 1);
	step(s, "register again", (struct want){ .result = -EEXIST },
	     register_pbuf_ring(s, m, PBUF_GROUP));
	step(s, "unregister", (struct want){ .released = PBUF_PAGES },
	     io_uring_unregister_buf_ring(&s->ring, PBUF_GROUP));
	step(s, "remove from none", (struct want){ .result = -ENOENT },
	     remove_pbufs(s, PBUF_GROUP, 1));
}

/* And the other way round: such buffers have to be gone before there can be a ring. */
static void pbuf_ring_over(struct seq *s, const struct pin_mem *m)
{
	const struct want all = { .acquired = PBUF_PAGES };

	step(s, "register", all, register_pbuf_ring(s, m, PBUF_GROUP));
	step(s, "provide to another group", nothing, provide_pbufs(s, m, OTHER_GROUP, 2));
	step(s, "register over that", (struct want){ .result = -EEXIST },
	     register_pbuf_ring(s, m, OTHER_GROUP));
	step(s, "unregister that", (struct want){ .result = -EINVAL },
	     io_uring_unregister_buf_ring(&s->ring, OTHER_GROUP));
	step(s, "remove from that", (struct want){ .result = 2 },
	     remove_pbufs(s, OTHER_GROUP, USHRT_MAX));
	step(s, "register where it was", all, register_pbuf_ring(s, m, OTHER_GROUP));
	step(s, "remove from that", (struct want){ .result = -EINVAL },
	     remove_pbufs(s, OTHER_GROUP, 1));
	step(s, "unregister the first", (struct want){ .released = PBUF_PAGES },
	     io_uring_unregister_buf_ring(&s->ring, PBUF_GROUP));
	/* The second goes with what ends the test. */
}

/* --- a ring of a process that ends --- */

struct owner {
	pid_t pid;
	int sock;
	int pipe[2];
};

/* What a process with a ring says: its descriptor there, and whether it was sent, too. */
struct owner_says {
	long result;
	int ring_fd;
	int sent;		/* 0 or -errno */
};

static int send_fd(int sock, const struct owner_says *says, int fd)
{
	union {
		struct cmsghdr hdr;
		char room[CMSG_SPACE(sizeof(int))];
	} control = {
		.hdr = {
			.cmsg_len = CMSG_LEN(sizeof(int)),
			.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS,
		},
	};
	struct iovec iov = { (void *)says, sizeof(*says) };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = &control, .msg_controllen = sizeof(control),
	};

	memcpy(CMSG_DATA(&control.hdr), &fd, sizeof(fd));
	return sendmsg(sock, &msg, 0) < 0 ? -errno : 0;
}

/* Register, perhaps start requests, say so, and wait for the end. */
static void __attribute__((noreturn)) own_ring(const struct seq *s, const struct owner *o,
					       bool send, bool linked)
{
	struct owner_says says = { .ring_fd = -1 };
	struct io_uring_sqe *sqe;
	struct io_uring ring;
	struct pin_mem m;
	struct iovec iov;
	char byte;

	says.result = pin_mem_alloc(&m, pin_memkind_find("anon"), s->k, 64);
	if (!says.result)
		says.result = io_uring_queue_init(ENTRIES, &ring, 0);
	if (!says.result) {
		iov = piece(&m, 0, 64);
		says.ring_fd = ring.ring_fd;
		says.result = io_uring_register_buffers(&ring, &iov, 1);
	}
	if (!says.result && linked) {
		/* The first waits for the pipe, the others for the one before. */
		for (int i = 0; i < 3; i++) {
			sqe = io_uring_get_sqe(&ring);
			io_uring_prep_read_fixed(sqe, o->pipe[0], m.addr, m.len, -1, 0);
			sqe->flags = i < 2 ? IOSQE_IO_LINK : 0;
		}
		says.result = io_uring_submit(&ring) == 3 ? 0 : -EIO;
	}
	if (!says.result && send)
		says.sent = send_fd(o->sock, &says, ring.ring_fd);
	if (!send || says.result || says.sent) {
		if (write(o->sock, &says, sizeof(says)) < 0)
			_exit(1);
	}
	/* Until the other end is closed, whoever does that. */
	_exit(read(o->sock, &byte, 1) != 0);
}

/* The descriptor that came with it, else -1. */
static int receive(int sock, struct owner_says *says)
{
	union {
		struct cmsghdr hdr;
		char room[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec iov = { says, sizeof(*says) };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = &control, .msg_controllen = sizeof(control),
	};
	int fd = -1;

	if (recvmsg(sock, &msg, MSG_CMSG_CLOEXEC) != sizeof(*says))
		says->result = -EPIPE;
	else if (msg.msg_controllen)
		memcpy(&fd, CMSG_DATA(&control.hdr), sizeof(fd));
	return fd;
}

/* Its ring is registered; what it sent us, or -1. */
static int start_owner(struct seq *s, struct owner *o, struct owner_says *says, bool send,
		       bool linked)
{
	int pair[2], fd;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) || pipe(o->pipe))
		abort();
	fflush(stdout);
	o->pid = fork();
	o->sock = pair[!o->pid];
	close(pair[!!o->pid]);
	if (!o->pid)
		own_ring(s, o, send, linked);
	fd = receive(o->sock, says);
	step(s, "register, in another process", (struct want){ .acquired = 64 }, says->result);
	return fd;
}

static void end_owner(const struct owner *o, int signal)
{
	if (o->pid > 0 && signal)
		kill(o->pid, signal);
	close(o->sock);
	if (o->pid > 0)
		waitpid(o->pid, NULL, 0);
	close(o->pipe[0]);
	close(o->pipe[1]);
}

/* Gone with its last descriptor: ours, if we have one. */
static void outlive(struct seq *s, const struct owner *o, int fd)
{
	const struct want all = { .released = 64 };

	end_owner(o, SIGKILL);
	if (fd < 0) {
		step(s, "its end", all, 0);
		return;
	}
	pin_sleep_ns(DWELL_NS);
	step(s, "its end, while we have the ring", nothing, 0);
	close(fd);
	step(s, "close", all, 0);
}

/*
 * Its descriptor by a UNIX socket. Refused since 6.7 (705318a99a13), and by
 * earlier kernels that have that fix.
 */
static void pass_by_socket(struct seq *s, const struct pin_mem *m)
{
	struct owner_says says = { .result = 0 };
	struct owner o;
	int fd;

	fd = start_owner(s, &o, &says, true, false);
	if (fd < 0 && says.sent != -EINVAL)
		pin_audit_fail(s->au, "sending the ring's descriptor: %s", strerror(-says.sent));
	if (fd >= 0 && s->k->version >= PIN_KVER(6, 7))
		pin_audit_fail(s->au, "a ring's descriptor can be sent: a cycle of both is for ever");
	outlive(s, &o, fd);
}

/* The same by pidfd_getfd(2), which makes no cycles. */
static void pass_by_pidfd(struct seq *s, const struct pin_mem *m)
{
	struct owner_says says = { .result = 0 };
	struct owner o;
	int fd, pidfd;

	start_owner(s, &o, &says, false, false);
	pidfd = syscall(SYS_pidfd_open, o.pid, 0);
	fd = pidfd < 0 ? -1 : syscall(SYS_pidfd_getfd, pidfd, says.ring_fd, 0);
	if (fd < 0)
		pin_audit_skip(s->au, "pidfd_getfd: %s", strerror(errno));
	if (pidfd >= 0)
		close(pidfd);
	outlive(s, &o, fd);
}

/* It ends with requests that wait for each other: by itself, or killed. */
static void end_linked(struct seq *s, const struct pin_mem *m)
{
	struct owner_says says = { .result = 0 };
	struct owner o;

	start_owner(s, &o, &says, false, true);
	end_owner(&o, s->t->signal);
	step(s, "its end", (struct want){ .released = 64 }, 0);
}

/* --- the network still has what was sent --- */

static bool can_send(const struct seq *s)
{
	char why[PIN_WHY_LEN];

	if (!pin_uring_probe_op(IORING_OP_SEND_ZC, "IORING_OP_SEND_ZC", "6.0", why))
		return true;
	pin_audit_skip(s->au, "%s", why);
	return false;
}

/* A connection whose receiver has room for less than 64 pages. */
static bool narrow_pair(const struct seq *s, int *out, int *in)
{
	const int small = 1;
	int err = pin_uring_tcp_pair(out, in);

	if (err) {
		pin_audit_skip(s->au, "TCP over loopback: %s: ip link set lo up", strerror(-err));
		return false;
	}
	if (setsockopt(*in, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small)))
		abort();
	return true;
}

/* Parts of the buffer by one request, none where it was before. */
#define PARTS			3
#define SEND_VECTORIZED		(1u << 5)	/* IORING_SEND_VECTORIZED; 6.18 refuses it */

static bool can_send_parts(const struct seq *s)
{
	const bool message = s->t->sent == MESSAGE;

	if (!can_send(s))
		return false;
	if (s->k->version >= (message ? PIN_KVER(6, 15) : PIN_KVER(7, 0)))
		return true;
	pin_audit_skip(s->au, "parts of a fixed buffer go to the network by %s since Linux %s",
		       message ? "IORING_OP_SENDMSG_ZC" : "IORING_OP_SEND_ZC",
		       message ? "6.15" : "7.0");
	return false;
}

/* From fixed buffer 0, all of it or @parts: the result. */
static long send_fixed(struct seq *s, const struct pin_mem *m, int out,
		       const struct iovec parts[PARTS])
{
	const struct msghdr msg = { .msg_iov = (struct iovec *)parts, .msg_iovlen = PARTS };
	struct io_uring_sqe *sqe = io_uring_get_sqe(&s->ring);

	if (s->t->sent == WHOLE) {
		io_uring_prep_send_zc_fixed(sqe, out, m->addr, m->len, MSG_DONTWAIT, 0, 0);
	} else if (s->t->sent == MESSAGE) {
		io_uring_prep_sendmsg_zc(sqe, out, &msg, MSG_DONTWAIT);
		sqe->ioprio = IORING_RECVSEND_FIXED_BUF;
	} else {
		io_uring_prep_send_zc_fixed(sqe, out, parts, PARTS, MSG_DONTWAIT,
					    SEND_VECTORIZED, 0);
	}
	sqe->user_data = TAG;
	return io_uring_submit(&s->ring) == 1 ? completion(s, TAG) : -EIO;
}

/* One of the parts is not in the buffer: nothing is sent, and the network has nothing. */
static void send_too_far(struct seq *s, const struct pin_mem *m, int out)
{
	const struct iovec parts[PARTS] = {
		piece(m, 0, 4), piece(m, m->pages - 1, 2), piece(m, 7, 1),
	};

	step(s, "send what is not in it", (struct want){ .result = -EFAULT },
	     send_fixed(s, m, out, parts));
	step(s, "the network is through with it", nothing, completion(s, TAG));
}

/* A slot is emptied when all is sent, and the peer has yet to read it. */
static void remove_sent(struct seq *s, const struct pin_mem *m)
{
	const struct iovec iov = piece(m, 0, 64), none = { NULL, 0 };
	struct iovec parts[PARTS] = { piece(m, 48, 16), piece(m, 3, 2), piece(m, 16, 30) };
	struct io_uring_cqe *cqe;
	int out, in;
	long sent;

	/* From within a page into the next. */
	parts[1].iov_base = (char *)parts[1].iov_base + 100;
	parts[1].iov_len = s->page;
	if (!narrow_pair(s, &out, &in))
		return;
	step(s, "fill", (struct want){ 64, 0, 64, 1 }, update(s, 0, &iov, NULL, 1));
	if (s->t->sent != WHOLE)
		send_too_far(s, m, out);
	sent = send_fixed(s, m, out, parts);
	if (sent <= 0)
		pin_audit_fail(s->au, "send: returned %ld %s", sent, strerror(-sent));
	step(s, "remove", (struct want){ .result = 1 }, update(s, 0, &none, NULL, 1));
	dwell(s);
	step(s, "while the network has it", (struct want){ .result = -EAGAIN },
	     io_uring_peek_cqe(&s->ring, &cqe));
	close(in);
	step(s, "the peer is gone", (struct want){ 0, 64, -64, 0 }, completion(s, TAG));
	close(out);
}

/*
 * More than both sockets have room for, to a peer that does not read. The kernel
 * tells of it when it is through with the memory, which cannot be cancelled.
 */
static void __attribute__((noreturn)) send_and_exec(const struct seq *s,
						    const struct pin_mem *m, int out, int tell)
{
	const struct iovec iov = piece(m, 0, 64);
	struct io_uring ring;
	char why[PIN_WHY_LEN];
	long result;

	result = pin_uring_new(&ring, 0, why);
	if (!result)
		result = io_uring_register_buffers(&ring, &iov, 1);
	if (!result) {
		io_uring_prep_send_zc_fixed(io_uring_get_sqe(&ring), out, iov.iov_base,
					    iov.iov_len, MSG_WAITALL, 0, 0);
		result = io_uring_submit(&ring) == 1 ? 0 : -EIO;
	}
	if (write(tell, &result, sizeof(result)) != sizeof(result) || result)
		_exit(1);
	/* Nobody hears what it says. */
	dup2(tell, STDOUT_FILENO);
	execl("/proc/self/exe", "uring_test", "--help", NULL);
	_exit(1);
}

/* Did it end within @ns? */
static bool ends(pid_t pid, uint64_t ns)
{
	const uint64_t deadline = pin_now_ns() + ns;

	while (!waitpid(pid, NULL, WNOHANG)) {
		if (pin_now_ns() > deadline)
			return false;
		pin_sleep_ns(MS);
	}
	return true;
}

/* It is charged already: to send it takes no room. */
static void sent_without_room(struct seq *s, const struct pin_mem *m)
{
	const struct iovec iov = { m->addr, m->len };
	rlim_t before;
	int out, in;
	long sent;

	if (!can_send(s))
		return;
	if (pin_uring_tcp_pair(&out, &in)) {
		pin_audit_skip(s->au, "TCP over loopback: ip link set lo up");
		return;
	}
	step(s, "register", (struct want){ m->pages, 0, m->pages, 0 },
	     io_uring_register_buffers(&s->ring, &iov, 1));
	pin_limit_memlock(0, 0, &before);
	sent = send_fixed(s, m, out, NULL);
	pin_limit_memlock(0, before, NULL);
	step(s, "send", (struct want){ .result = m->len }, sent);
	close(in);
	if (sent > 0)
		step(s, "the network is through", nothing, completion(s, TAG));
	close(out);
	unregister(s);
}

static void exec_while_sent(struct seq *s, const struct pin_mem *m)
{
	long result = -EPIPE;
	int out, in, tell[2];
	bool ended;
	pid_t pid;

	if (!narrow_pair(s, &out, &in))
		return;
	if (pipe2(tell, O_CLOEXEC))
		abort();
	fflush(stdout);
	pid = fork();
	if (!pid) {
		close(in);
		send_and_exec(s, m, out, tell[1]);
	}
	close(out);
	close(tell[1]);
	if (read(tell[0], &result, sizeof(result)) != sizeof(result))
		result = -EPIPE;
	step(s, "send, in another process", (struct want){ .acquired = 64 }, result);
	/* It may wait there until the peer reads, but a signal must end it. */
	ended = ends(pid, DWELL_NS);
	if (!ended) {
		kill(pid, SIGKILL);
		ended = ends(pid, KILLED_NS);
	}
	if (!ended && !pin_audit_excuse(s->au, "uring_exec", "*"))
		pin_audit_fail(s->au, "execve() cannot be killed: it waits for a peer that does not read, and 64 pages stay pinned");
	/* The peer is gone, and nothing is left to wait for. */
	close(in);
	if (!ended)
		waitpid(pid, NULL, 0);
	close(tell[0]);
	step(s, "its end", (struct want){ .released = 64 }, 0);
}

/* --- metadata of a block device --- */

#define META_PAGES	64	/* with data for more than one bio */

static const struct pin_consumer *metadata;

static bool has_metadata(const struct seq *s)
{
	return pin_probe_passed(s->au, metadata);
}

static bool transfer_metadata(struct seq *s, const struct pin_mem *m, enum pin_nvme_transfer what)
{
	char why[PIN_WHY_LEN];
	uint64_t pins;
	long result;

	if (pin_nvme_meta_uring(m, what, &pins, &result, why)) {
		pin_audit_skip(s->au, "%s", why);
		return false;
	}
	return step(s, what == PIN_NVME_WRITE ? "write" : "read",
		    (struct want){ .acquired = pins, .released = pins }, result);
}

/* Each bio has its share of it. */
static void metadata_of_bios(struct seq *s, const struct pin_mem *m)
{
	struct pin_mem part = *m;

	pin_mem_cut(&part, s->t->skip, META_PAGES * s->page);
	fill_pages(&part);
	if (!transfer_metadata(s, &part, PIN_NVME_WRITE))
		return;
	memset(part.addr, 0, part.len);
	if (transfer_metadata(s, &part, PIN_NVME_READ))
		is_whole(s, &part, 0, "metadata");
}

/* --- NVMe commands on rings that ask for completions --- */

#define POLLED_PAGES	16

static bool can_poll(const struct seq *s)
{
	if (s->k->version >= PIN_KVER(6, 1))
		return true;
	pin_audit_skip(s->au, "NVMe commands by io_uring are polled since Linux 6.1");
	return false;
}

/* Nobody asks before it is waited for, and the queue has no interrupt: so long it is pinned. */
static void polled(struct seq *s, const struct pin_mem *m)
{
	const uint64_t pins = s->k->dio_pins ? POLLED_PAGES : 0;
	const unsigned int nr = s->t->polled == BOTH ? 2 : 1;
	struct want w = { .result = s->t->polled == FAILED ? -EIO : 0 };
	struct pin_mem part[2] = { *m, *m };
	struct pin_op op[2] = { { .kernel = s->k, .mem = &part[0] },
				{ .kernel = s->k, .mem = &part[1] } };
	unsigned int open = 0;
	long result = 0;

	if (s->t->polled == CLOSED && pin_audit_avoid(s->au, "uring_nvme_polled", "closed"))
		return;
	while (open < nr) {
		pin_mem_cut(&part[open], open * POLLED_PAGES * s->page, POLLED_PAGES * s->page);
		if (pin_nvme_open_polled(&op[open],
					 s->t->polled == FAILED ? PIN_NVME_BEYOND : 0)) {
			pin_audit_skip(s->au, "%s", op[open].why);
			goto out;
		}
		open++;
	}
	pin_audit_base_vmpin(s->au, getpid());
	for (unsigned int i = 0; i < nr; i++)
		step(s, "start", (struct want){ .acquired = pins }, pin_nvme_start(&op[i]));
	w.released = nr * pins;
	if (s->t->polled == CLOSED)
		pin_nvme_close(&op[0]);
	/* The one that was started last first. */
	for (unsigned int i = nr; i-- && s->t->polled != CLOSED;)
		result = result ?: pin_nvme_wait(&op[i]);
	step(s, s->t->polled == CLOSED ? "close" : "wait", w, result);
out:
	while (open--)
		pin_nvme_close(&op[open]);
}

/* --- zero-copy receive, without a network card --- */

#define QUEUE_PAGES	2

static bool can_receive(const struct seq *s)
{
	char why[PIN_WHY_LEN];

	if (!pin_zcrx_probe(s->k, why))
		return true;
	pin_audit_skip(s->au, "%s", why);
	return false;
}

/* @pages of @m from @first on: its id, or < 0 if that failed. */
static int receive_to(struct seq *s, const char *what, const struct pin_mem *m, size_t first,
		      size_t pages)
{
	const struct iovec area = piece(m, first, pages);
	struct pin_zcrx z;
	long result;

	pin_zcrx_fill(&z, area.iov_base, area.iov_len, s->page);
	result = pin_zcrx_register(&s->ring, &z);
	return step(s, what, (struct want){ pages, 0, pages, 0 }, result) ? (int)z.reg.id : -1;
}

/* The same pages by another queue of the ring, and of another ring: charged each time. */
static void receive_twice(struct seq *s, const struct pin_mem *m)
{
	const int first = receive_to(s, "register", m, 0, 64);
	const int again = receive_to(s, "register again", m, 0, 64);

	if (first >= 0 && first == again)
		pin_audit_fail(s->au, "both have the id %d", first);
	receive_to(&s[1], "register, another ring", m, 0, 64);
}

/* The queue is pinned, too, but only the area is charged. */
static void receive_own_queue(struct seq *s, const struct pin_mem *m)
{
	struct pin_zcrx z;

	pin_zcrx_fill(&z, m->addr, (64 - QUEUE_PAGES) * s->page, QUEUE_PAGES * s->page);
	z.region.addr = (uintptr_t)m->addr + (64 - QUEUE_PAGES) * s->page;
	z.region.flags = PIN_IORING_REGION_USER;
	step(s, "register", (struct want){ 64, 0, 64 - QUEUE_PAGES, 0 },
	     pin_zcrx_register(&s->ring, &z));
}

static bool can_receive_limited(const struct seq *s)
{
	return can_receive(s) && is_limited(s);
}

/* A queue in the kernel's memory is charged, as is the area. */
static void receive_kernel_queue(struct seq *s, const struct pin_mem *m)
{
	uint64_t before = first_limit(s, m);
	char why[PIN_WHY_LEN];
	struct io_uring ring;
	struct pin_zcrx z;

	for (unsigned int pages = 1; pages <= 5 && before < MOST_TAKEN; pages += 2) {
		if (pin_uring_new(&ring, PIN_ZCRX_RING, why)) {
			pin_audit_skip(s->au, "%s", why);
			return;
		}
		pin_zcrx_fill(&z, m->addr, s->page, pages * s->page);
		step(s, "register", (struct want){ 1, 0, 1, 0 }, pin_zcrx_register(&ring, &z));
		io_uring_queue_exit(&ring);
		step(s, "close", (struct want){ 0, 1, -1, 0 }, 0);
		before = limit_is_back(s, m, before, "a queue", pages);
	}
}

#define RECV_ZC		58	/* IORING_OP_RECV_ZC: 6.15 */
#define SENT_PAGES	6	/* in fewer pieces than there is room for completions */
#define AREA_BITS	48	/* of what a completion says: where in the area */

/* Sent is a buffer from @sent on, what completions say has come of it, or -errno. */
static long await_received(struct seq *s, const struct pin_mem *m, const char *sent, size_t len)
{
	struct __kernel_timespec limit = { .tv_sec = 5 };
	struct io_uring_cqe *cqe;
	size_t got = 0;
	uint64_t at;
	long err;

	while (got < len) {
		err = io_uring_wait_cqe_timeout(&s->ring, &cqe, &limit);
		if (err)
			return err;
		err = cqe->res;
		at = cqe->big_cqe[0] & ((1ull << AREA_BITS) - 1);
		io_uring_cqe_seen(&s->ring, cqe);
		if (err <= 0)
			return err ?: -EPIPE;
		if (at + err > m->len || got + err > len)
			return -EOVERFLOW;
		if (memcmp((char *)m->addr + at, sent + got, err))
			pin_audit_fail(s->au, "of %ld bytes from byte %zu of what was sent, at byte %llu of the area, is something else",
				       err, got, (unsigned long long)at);
		got += err;
	}
	return 0;
}

/* Over loopback all of it is copied to the area. */
static void receive_data(struct seq *s, const struct pin_mem *m)
{
	const int id = receive_to(s, "register", m, 0, 64);
	const size_t len = SENT_PAGES * s->page - 100;
	struct pin_mem from = *m;
	struct io_uring_sqe *sqe;
	int out, in, err;

	if (id < 0)
		return;
	err = pin_uring_tcp_pair(&out, &in);
	if (err) {
		pin_audit_skip(s->au, "TCP over loopback: %s: ip link set lo up", strerror(-err));
		return;
	}
	from.addr = malloc(SENT_PAGES * s->page);
	from.len = SENT_PAGES * s->page;
	if (!from.addr)
		abort();
	fill_pages(&from);
	sqe = io_uring_get_sqe(&s->ring);
	io_uring_prep_rw(RECV_ZC, sqe, in, NULL, 0, 0);
	sqe->ioprio = IORING_RECV_MULTISHOT;
	sqe->splice_fd_in = id;
	io_uring_submit(&s->ring);
	if (send(out, from.addr, len, MSG_DONTWAIT) != (ssize_t)len)
		pin_audit_skip(s->au, "TCP over loopback does not take %zu bytes at once", len);
	else
		step(s, "receive", nothing, await_received(s, m, from.addr, len));
	free(from.addr);
	close(out);
	close(in);
}

/* A folio that is met again, behind pages of another one, is charged again. */
static void receive_patched(struct seq *s, const struct pin_mem *m)
{
	const int64_t huge = s->k->pmd_size / s->page;
	struct pin_zcrx z;

	pin_zcrx_fill(&z, m->addr, m->len, s->page);
	step(s, "register", (struct want){ m->pages, 0, 2 * huge + 1, 0 },
	     pin_zcrx_register(&s->ring, &z));
}

static long add_area(struct seq *s, int id, const struct iovec *iov, uint64_t token)
{
	struct pin_zcrx_area area = {
		.addr = (uintptr_t)iov->iov_base, .len = iov->iov_len, .token = token,
	};
	struct pin_zcrx_ctrl ctrl = {
		.id = id, .op = PIN_ZCRX_CTRL_ADD_AREA, .area = (uintptr_t)&area,
	};

	return pin_zcrx_ctrl(&s->ring, &ctrl);
}

static bool can_add_area(const struct seq *s)
{
	if (!can_receive(s))
		return false;
	if (s->k->version >= PIN_KVER(7, 3))
		return true;
	pin_audit_skip(s->au, "areas can be added since Linux 7.3");
	return false;
}

/* More areas for a queue, good ones and bad ones: all go with the ring. */
static void receive_more(struct seq *s, const struct pin_mem *m)
{
	const int id = receive_to(s, "register", m, 0, 16);
	const struct iovec more = piece(m, 16, 16), bad = piece(m, 32, 32);

	if (id < 0)
		return;
	step(s, "add", (struct want){ 16, 0, 16, 0 }, add_area(s, id, &more, 0));
	step(s, "add the same", (struct want){ 16, 0, 16, 0 }, add_area(s, id, &more, 0));
	step(s, "add, with a token", (struct want){ .result = -EINVAL },
	     add_area(s, id, &more, 1));
	step(s, "add, to another queue", (struct want){ .result = -ENXIO },
	     add_area(s, id + 1, &more, 0));
	munmap((char *)bad.iov_base + 20 * s->page, s->page);
	step(s, "add, with a hole", (struct want){ 20, 20, 0, -EFAULT },
	     add_area(s, id, &bad, 0));
	dwell(s);
	step(s, "afterwards", nothing, 0);
}

/* A file that has the queue, with its pins, whatever becomes of the ring: < 0 if there is none. */
static int export_queue(struct seq *s, int id)
{
	struct pin_zcrx_ctrl ctrl = { .id = id, .op = PIN_ZCRX_CTRL_EXPORT };

	return step(s, "export", nothing, pin_zcrx_ctrl(&s->ring, &ctrl)) ? (int)ctrl.fd : -1;
}

/* The ring goes and leaves everything with the file. */
static void close_without(struct seq *s, const char *what)
{
	close_ring(s);
	dwell(s);
	step(s, what, nothing, 0);
}

static void receive_exported(struct seq *s, const struct pin_mem *m)
{
	const int id = receive_to(s, "register", m, 0, 64);
	const int fd = id < 0 ? -1 : export_queue(s, id);

	if (fd < 0)
		return;
	close_without(s, "close, while there is a file");
	close(fd);
}

/* No descriptor is left for the file, nor any file then. */
static void receive_not_exported(struct seq *s, const struct pin_mem *m)
{
	const int id = receive_to(s, "register", m, 0, 64);
	struct pin_zcrx_ctrl ctrl = { .id = id, .op = PIN_ZCRX_CTRL_EXPORT };
	int err;

	if (id < 0)
		return;
	pin_limit_descriptors(true);
	err = pin_zcrx_ctrl(&s->ring, &ctrl);
	pin_limit_descriptors(false);
	step(s, "export, without a descriptor", (struct want){ .result = -EMFILE }, err);
}

/* The file the last to go, or the ring that took it from there. */
static void receive_imported(struct seq *s, const struct pin_mem *m)
{
	const int id = receive_to(s, "register", m, 0, 64);
	const int fd = id < 0 ? -1 : export_queue(s, id);
	struct pin_zcrx_reg reg = { .if_idx = fd, .flags = PIN_ZCRX_REG_IMPORT };

	if (fd < 0)
		return;
	step(s, "import", nothing,
	     pin_uring_register(s[1].ring.ring_fd, PIN_IORING_REGISTER_ZCRX_IFQ, &reg, 1));
	close_without(s, "close, while another ring has it");
	close(fd);
	dwell(s);
	step(s, "close the file", nothing, 0);
	hand_over(&s[0], &s[1]);
}

static const struct pin_row two_huge = { .huge = 2 };
static const struct pin_row small_then_huge = { .before = 64, .huge = 1 };
static const struct pin_row huge_then_small = { .huge = 1, .after = 64 };

static const struct test tests[] = {
	{ "iovecs.same_page", same_page, .pages = 1 },
	{ "iovecs.twice", twice, .rings = 2, .pages = 64 },
	{ "iovecs.thp_in_pieces", thp_pieces, .kind = "thp" },
	{ "iovecs.thp_twice", thp_twice, .kind = "thp" },
	{ "folios.shared_head", thp_shared_head, .kind = "thp" },
	{ "iovecs.thp_and_base", thp_and_base, .row = &huge_then_small },
	{ "iovecs.base_and_thp", base_and_thp, .row = &small_then_huge },
	{ "iovecs.thp_apart", thp_apart, .row = &two_huge },
	{ "folios.two_thp", one_iovec, .row = &two_huge },
	{ "folios.base_then_thp", one_iovec, .row = &small_then_huge },
	{ "folios.thp_then_base", one_iovec, .row = &huge_then_small },
	{ "charge.refused_thp", refused, .able = is_limited, .kind = "thp" },
	{ "charge.refused_two_thp", refused, .able = is_limited, .row = &two_huge },
	{ "charge.refused_hugetlb", refused, .able = is_limited, .kind = "hugetlb" },
	{ "charge.refused_anon", refused, .able = is_limited, .pages = 64 },
	{ "charge.sent", sent_without_room, .able = is_limited, .pages = 4 },
	{ "charge.kernel_memory", kernel_memory, .able = is_limited, .pages = 1 },
	{ "charge.refused_beside_thp", refused_beside, .able = is_limited, .slots = 2,
	  .row = &huge_then_small },
	{ "sizes", sizes, .pages = 4 },
	{ "bad.third_iovec", bad_iovec, .pages = 8 },
	{ "bad.arguments", bad_arguments, .pages = 4 },
	{ "update.many", update_many, .slots = 8, .pages = 16 },
	{ "update.first_of_thp", first_of_thp, .slots = 2, .kind = "thp" },
	{ "update.fails_half_way", update_half_way, .slots = 4, .pages = 16 },
	{ "update.bad_tag", update_bad_tag, .slots = 2, .pages = 8 },
	{ "update.tags", tags, .slots = 4, .pages = 16 },
	{ "in_flight.remove", remove_in_flight, .slots = 2, .pages = 64 },
	{ "in_flight.remove_all", remove_all_in_flight, .slots = 3, .pages = 64 },
	{ "in_flight.unregister", unregister_in_flight, .pages = 64 },
	{ "in_flight.unregister_interrupted", unregister_interrupted, .pages = 64 },
	{ "in_flight.close", close_in_flight, .pages = 64 },
	{ "in_flight.cancel", cancel_in_flight, .slots = 2, .pages = 64 },
	{ "in_flight.remove_and_cancel", cancel_in_flight, .slots = 2, .pages = 64,
	  .removed = true },
	{ "fixed_io.anon", fixed_io, .pages = 64 },
	{ "fixed_io.anon_unaligned", fixed_io, .kind = "anon_unaligned", .pages = 64 },
	{ "fixed_io.thp", fixed_io, .kind = "thp" },
	{ "fixed_io.thp_part", fixed_io, .kind = "thp_part", .pages = 64 },
	{ "fixed_io.two_thp", fixed_io, .row = &two_huge },
	{ "fixed_io.thp_shuffled", fixed_io, .kind = "thp_shuffled", .pages = 64,
	  .shuffled = true },
	{ "vector.anon", fixed_io, .pages = 64, .able = has_vectors, .vectored = true },
	{ "vector.anon_unaligned", fixed_io, .kind = "anon_unaligned", .pages = 64,
	  .able = has_vectors, .vectored = true },
	{ "vector.thp", fixed_io, .kind = "thp", .able = has_vectors, .vectored = true },
	{ "vector.thp_part", fixed_io, .kind = "thp_part", .pages = 64, .able = has_vectors,
	  .vectored = true },
	{ "vector.two_thp", fixed_io, .row = &two_huge, .able = has_vectors, .vectored = true },
	{ "vector.thp_shuffled", fixed_io, .kind = "thp_shuffled", .pages = 64, .shuffled = true,
	  .able = has_vectors, .vectored = true },
	{ "sqpoll.anon", fixed_io, .flags = IORING_SETUP_SQPOLL, .pages = 64 },
	{ "sqpoll.close", one_iovec_closed, .flags = IORING_SETUP_SQPOLL, .pages = 64 },
	{ "sqpoll.thp", fixed_io, .flags = IORING_SETUP_SQPOLL, .kind = "thp" },
	{ "resize.kernel_rings", resize_kernel_rings, .flags = RESIZABLE, .able = can_resize,
	  .pages = 64 },
	{ "resize.own_rings", resize_own_rings, .able = can_resize, .pages = 8 },
	{ "in_flight.remove_sent", remove_sent, .able = can_send, .slots = 2, .pages = 64 },
	{ "in_flight.remove_sent_parts", remove_sent, .able = can_send_parts, .slots = 2,
	  .pages = 64, .sent = ARRAY },
	{ "in_flight.remove_sent_message", remove_sent, .able = can_send_parts, .slots = 2,
	  .pages = 64, .sent = MESSAGE },
	{ "exec.sent", exec_while_sent, .able = can_send, .pages = 64 },
	{ "clone.whole", cloned, .rings = 2, .pages = 32, .clone = &clone_whole },
	{ "clone.part", cloned, .rings = 2, .pages = 32, .clone = &clone_part },
	{ "clone.at_offset", cloned, .rings = 2, .pages = 32, .clone = &clone_at_offset },
	{ "clone.replace", cloned, .rings = 2, .pages = 32, .clone = &clone_replace },
	{ "clone.replace_one", cloned, .rings = 2, .pages = 32, .clone = &clone_replace_one },
	{ "clone.amidst", clone_amidst, .rings = 2, .pages = 36 },
	{ "clone.no_replace", cloned, .rings = 2, .pages = 32, .clone = &clone_no_replace },
	{ "clone.beyond", cloned, .rings = 2, .pages = 32, .clone = &clone_beyond },
	{ "clone.of_thp", clone_of_thp, .rings = 2, .kind = "thp" },
	{ "clone.thp_again", clone_thp_again, .rings = 2, .kind = "thp" },
	{ "clone.chain", clone_chain, .rings = RINGS, .pages = 64 },
	{ "clone.other_process", clone_by_other, .pages = 64 },
	{ "clone.other_process_last", clone_by_other, .pages = 64, .ours_first = true },
	{ "fork.child_unregisters", child_unregisters, .pages = 64 },
	{ "pbuf.managed", pbuf_ring_managed, .able = has_pbuf_rings, .pages = 6 },
	{ "pbuf.managed_by_worker", pbuf_ring_managed, .able = has_pbuf_rings, .pages = 6,
	  .by_worker = true },
	{ "pbuf.over_provided", pbuf_ring_over, .able = has_pbuf_rings, .pages = 6 },
	{ "pass.by_socket", pass_by_socket, .pages = 0 },
	{ "pass.by_pidfd", pass_by_pidfd, .pages = 0 },
	{ "nvme.polled", polled, .able = can_poll, .pages = POLLED_PAGES,
	  .polled = DONE },
	{ "nvme.polled_fails", polled, .able = can_poll, .pages = POLLED_PAGES,
	  .polled = FAILED },
	{ "nvme.polled_by_either", polled, .able = can_poll, .pages = 2 * POLLED_PAGES,
	  .polled = BOTH },
	{ "nvme.polled_closed", polled, .able = can_poll, .pages = POLLED_PAGES,
	  .polled = CLOSED },
	{ "meta.bios", metadata_of_bios, .able = has_metadata, .pages = META_PAGES + 1 },
	{ "meta.bios_unaligned", metadata_of_bios, .able = has_metadata, .pages = META_PAGES + 1,
	  .skip = 64 },
	{ "zcrx.twice", receive_twice, .rings = 2, .flags = PIN_ZCRX_RING, .able = can_receive,
	  .pages = 64 },
	{ "zcrx.own_queue", receive_own_queue, .flags = PIN_ZCRX_RING, .able = can_receive,
	  .pages = 64 },
	{ "zcrx.kernel_queue", receive_kernel_queue, .flags = PIN_ZCRX_RING,
	  .able = can_receive_limited, .pages = 1 },
	{ "zcrx.patched_thp", receive_patched, .flags = PIN_ZCRX_RING, .able = can_receive,
	  .kind = "thp_patched", .pages = 64 },
	{ "zcrx.data", receive_data, .flags = PIN_ZCRX_RING, .able = can_receive, .pages = 64 },
	{ "zcrx.more_areas", receive_more, .flags = PIN_ZCRX_RING, .able = can_add_area,
	  .pages = 64 },
	{ "zcrx.exported", receive_exported, .flags = PIN_ZCRX_RING, .able = can_receive,
	  .pages = 64 },
	{ "zcrx.not_exported", receive_not_exported, .flags = PIN_ZCRX_RING,
	  .able = can_receive, .pages = 64 },
	{ "zcrx.imported", receive_imported, .rings = 2, .flags = PIN_ZCRX_RING,
	  .able = can_receive, .pages = 64 },
	{ "end.linked", end_linked, .signal = 0 },
	{ "end.linked_killed", end_linked, .signal = SIGKILL },
};

static void add_tests(struct pin_suite *s)
{
	metadata = pin_consumer_find("uring_meta_read");
	for (size_t i = 0; i < SIZE(tests); i++) {
		if (pin_suite_add(s, run_seq, &tests[i], "%s", tests[i].name) &&
		    tests[i].able == has_metadata)
			pin_probe_want(metadata);
	}
}

static void setup(struct pin_suite *s)
{
	pin_scratch_pool(pin_suite_kernel(s), 1);
	pin_probe_all(s);
}

int main(int argc, char **argv)
{
	static const struct pin_program program = {
		.name = "uring_test",
		.doc = "Fixed buffers of io_uring in sequences: many iovecs, large folios, tables with tags, failures half-way, clones, requests in flight, polled NVMe commands; areas of zero-copy receive. Every step is compared to the page with what was predicted.",
		.setup = setup,
		.add_tests = add_tests,
	};

	return pin_suite_main(&program, argc, argv);
}
