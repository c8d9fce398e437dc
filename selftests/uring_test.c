// SPDX-License-Identifier: GPL-2.0
/*
 * io_uring fixed buffers in sequences that a matrix cannot express: several
 * iovecs, tables with tags, failures half-way, clones, requests in flight.
 * Every step is exact.
 */
#include <errno.h>
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
#include "consumers/uring.h"
#include "memory.h"
#include "proc.h"
#include "suite.h"

#define MS		1000000ull
#define DWELL_NS	(40 * MS)	/* a late release would come within that */
#define WORKER_NS	(1200 * MS)	/* the same where a work item waits a second */
#define TAG		0x7a6b5c4d
#define SIZE(a)		(sizeof(a) / sizeof((a)[0]))

/* One sequence while it runs. */
struct seq {
	struct pin_audit *au;
	const struct pin_kernel *k;
	size_t page;
	struct io_uring ring;
	bool ring_open;
	uint64_t held;		/* pages, by prediction */
	int64_t vmpin;
};

/* What a step is to do; vmpin in pages as if every kernel accounted them. */
struct want {
	uint64_t acquired, released;
	int64_t vmpin;
	long result;
};

static bool step(struct seq *s, const char *what, struct want w, long result)
{
	const struct pin_predict p = {
		.acquired = w.acquired,
		.released = w.released,
		.migrated = s->k->movable_memory ? w.acquired : 0,
		.vmpin = s->k->uring_vmpin ? w.vmpin : 0,
		.result = w.result,
		.or_result = w.result,
	};

	s->held += w.acquired - w.released;
	s->vmpin += w.vmpin;
	return pin_audit_step(s->au, what, &p, result, getpid());
}

static const struct want nothing;

static bool begin_with(struct seq *s, struct pin_audit *au, unsigned int flags)
{
	char why[PIN_WHY_LEN];

	memset(s, 0, sizeof(*s));
	s->au = au;
	s->k = pin_audit_kernel(au);
	s->page = s->k->page_size;
	if (pin_uring_new(&s->ring, flags, why)) {
		pin_audit_skip(au, "%s", why);
		return false;
	}
	s->ring_open = true;
	pin_audit_base_vmpin(au, getpid());
	return true;
}

static bool begin(struct seq *s, struct pin_audit *au)
{
	return begin_with(s, au, 0);
}

static void close_ring(struct seq *s)
{
	if (s->ring_open)
		io_uring_queue_exit(&s->ring);
	s->ring_open = false;
}

static enum pin_verdict end(struct seq *s)
{
	const struct want rest = { .released = s->held, .vmpin = -s->vmpin };

	close_ring(s);
	step(s, "close", rest, 0);
	return PIN_PASS;
}

static bool get_memory(struct seq *s, struct pin_mem *m, const char *kind, unsigned int pages)
{
	if (!pin_mem_alloc(m, pin_memkind_find(kind), s->k, pages))
		return true;
	pin_audit_skip(s->au, "%s", m->why);
	return false;
}

/* An empty table of buffers. */
static bool get_table(struct seq *s, unsigned int slots)
{
	if (!io_uring_register_buffers_sparse(&s->ring, slots))
		return true;
	pin_audit_skip(s->au, "io_uring has no sparse buffer tables here: Linux 5.19 or later");
	return false;
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

static enum pin_verdict same_page(struct pin_audit *au, const void *arg)
{
	struct iovec iov[8];
	struct pin_mem m;
	struct seq s;

	(void)arg;
	if (!begin(&s, au))
		return PIN_SKIP;
	if (get_memory(&s, &m, "anon", 1)) {
		for (size_t i = 0; i < SIZE(iov); i++)
			iov[i] = piece(&m, 0, 1);
		register_and_back(&s, iov, SIZE(iov), (struct want){ 8, 0, 8, 0 });
		pin_mem_free(&m);
	}
	return end(&s);
}

/* The same memory in two buffers of a ring, and in a second ring. */
static enum pin_verdict twice(struct pin_audit *au, const void *arg)
{
	struct pin_mem m;
	struct seq s, other;

	(void)arg;
	if (!begin(&s, au))
		return PIN_SKIP;
	if (begin(&other, au)) {
		if (get_memory(&s, &m, "anon", 64)) {
			const struct iovec iov[2] = { piece(&m, 0, 64), piece(&m, 0, 64) };

			step(&s, "register", (struct want){ 128, 0, 128, 0 },
			     io_uring_register_buffers(&s.ring, iov, 2));
			step(&s, "register again", (struct want){ .result = -EBUSY },
			     io_uring_register_buffers(&s.ring, iov, 2));
			register_and_back(&other, iov, 1, (struct want){ 64, 0, 64, 0 });
			unregister(&s);
			step(&s, "unregister again", (struct want){ .result = -ENXIO },
			     io_uring_unregister_buffers(&s.ring));
			pin_mem_free(&m);
		}
		end(&other);
	}
	return end(&s);
}

static enum pin_verdict thp_pieces(struct pin_audit *au, const void *arg)
{
	struct iovec iov[8];
	struct pin_mem m;
	struct seq s;

	(void)arg;
	if (!begin(&s, au))
		return PIN_SKIP;
	if (get_memory(&s, &m, "thp", 0)) {
		const uint64_t all = m.pages, part = all / SIZE(iov);

		for (size_t i = 0; i < SIZE(iov); i++)
			iov[i] = piece(&m, i * part, part);
		/* The folio is accounted once. */
		register_and_back(&s, iov, SIZE(iov),
				  (struct want){ all, SIZE(iov) * given_back(&s, part), all, 0 });
		pin_mem_free(&m);
	}
	return end(&s);
}

static enum pin_verdict thp_twice(struct pin_audit *au, const void *arg)
{
	struct pin_mem m;
	struct seq s;

	(void)arg;
	if (!begin(&s, au))
		return PIN_SKIP;
	if (get_memory(&s, &m, "thp", 0)) {
		const uint64_t all = m.pages;
		const struct iovec iov[2] = { piece(&m, 0, all), piece(&m, 0, all) };

		register_and_back(&s, iov, 2,
				  (struct want){ 2 * all, 2 * given_back(&s, all), all, 0 });
		pin_mem_free(&m);
	}
	return end(&s);
}

static bool get_row(struct seq *s, struct pin_mem *m, const struct pin_row *row)
{
	if (!pin_mem_alloc_row(m, s->k, row))
		return true;
	pin_audit_skip(s->au, "%s", m->why);
	return false;
}

static enum pin_verdict one_iovec(struct pin_audit *au, const void *arg)
{
	struct pin_mem m;
	struct seq s;

	if (!begin(&s, au))
		return PIN_SKIP;
	if (get_row(&s, &m, arg)) {
		const struct iovec iov = { m.addr, m.len };

		register_and_back(&s, &iov, 1,
				  (struct want){ m.pages, pin_uring_coalesced(&m), m.pages, 0 });
		pin_mem_free(&m);
	}
	return end(&s);
}

static const struct pin_row two_huge = { .huge = 2 };
static const struct pin_row small_then_huge = { .before = 64, .huge = 1 };
static const struct pin_row huge_then_small = { .huge = 1, .after = 64 };

static enum pin_verdict thp_and_base(struct pin_audit *au, const void *arg)
{
	struct pin_mem m;
	struct seq s;

	(void)arg;
	if (!begin(&s, au))
		return PIN_SKIP;
	if (get_row(&s, &m, &huge_then_small)) {
		const uint64_t huge = s.k->pmd_size / s.page;
		const struct iovec iov[2] = { piece(&m, 0, huge), piece(&m, huge, m.after) };

		register_and_back(&s, iov, 2,
				  (struct want){ m.pages, given_back(&s, huge), m.pages, 0 });
		pin_mem_free(&m);
	}
	return end(&s);
}

/* --- sizes and bad arguments --- */

static enum pin_verdict sizes(struct pin_audit *au, const void *arg)
{
	struct pin_mem m;
	struct seq s;

	(void)arg;
	if (!begin(&s, au))
		return PIN_SKIP;
	if (get_memory(&s, &m, "anon", 4)) {
		const size_t p = s.page;
		const struct {
			size_t start, len, pages;
		} sizes[] = {
			{ 0, 1, 1 }, { p - 1, 1, 1 }, { 0, p, 1 }, { 1, p, 2 },
			{ p - 1, 2, 2 }, { p - 1, p + 2, 3 }, { p / 2, 3 * p, 4 },
		};

		for (size_t i = 0; i < SIZE(sizes); i++) {
			const struct iovec iov = { (char *)m.addr + sizes[i].start, sizes[i].len };

			register_and_back(&s, &iov, 1,
					  (struct want){ sizes[i].pages, 0, sizes[i].pages, 0 });
		}
		pin_mem_free(&m);
	}
	return end(&s);
}

/* The third of four iovecs is bad: what came before is given back. */
static enum pin_verdict bad_iovec(struct pin_audit *au, const void *arg)
{
	struct pin_mem m;
	struct seq s;

	(void)arg;
	if (!begin(&s, au))
		return PIN_SKIP;
	if (get_memory(&s, &m, "anon", 8)) {
		const struct iovec iov[4] = {
			piece(&m, 0, 1), piece(&m, 1, 2), piece(&m, 4, 1), piece(&m, 5, 1),
		};

		munmap(iov[2].iov_base, s.page);
		register_and_back(&s, iov, 4, (struct want){ 3, 3, 0, -EFAULT });
		/* The ring is none the worse. */
		register_and_back(&s, iov, 2, (struct want){ 3, 0, 3, 0 });
		pin_mem_free(&m);
	}
	return end(&s);
}

static enum pin_verdict bad_arguments(struct pin_audit *au, const void *arg)
{
	struct pin_mem m;
	struct seq s;

	(void)arg;
	if (!begin(&s, au))
		return PIN_SKIP;
	if (get_memory(&s, &m, "anon", 4)) {
		/* Raised to 1 TiB in 7.2, b4e41050b212: pins until the bad page. */
		const unsigned int long_pins = s.k->version < PIN_KVER(7, 2) ? 0 : 3;
		const struct {
			const char *what;
			struct iovec iov;
			long result;
			unsigned int pins;
		} bad[] = {
			{ "no address", { NULL, s.page }, -EFAULT, 0 },
			{ "no length", { m.addr, 0 }, -EFAULT, 0 },
			{ "longer than 1 GiB", { m.addr, (1ul << 30) + 1 }, -EFAULT, long_pins },
			{ "beyond the address space", { (void *)-s.page, 2 * s.page },
			  -EOVERFLOW, 0 },
			{ "the kernel's memory", { (void *)(-16 * s.page), s.page }, -EFAULT, 0 },
			{ "not mapped", { (char *)m.addr + 3 * s.page, s.page }, -EFAULT, 0 },
		};
		const struct iovec good = piece(&m, 0, 1);

		munmap(bad[5].iov.iov_base, s.page);
		for (size_t i = 0; i < SIZE(bad); i++)
			step(&s, bad[i].what,
			     (struct want){ bad[i].pins, bad[i].pins, 0, bad[i].result },
			     io_uring_register_buffers(&s.ring, &bad[i].iov, 1));
		step(&s, "no iovecs", (struct want){ .result = -EFAULT },
		     io_uring_register_buffers(&s.ring, NULL, 1));
		step(&s, "none of them", (struct want){ .result = -EINVAL },
		     io_uring_register_buffers(&s.ring, &good, 0));
		step(&s, "too many", (struct want){ .result = -EINVAL },
		     io_uring_register_buffers(&s.ring, &good, (1 << 14) + 1));
		step(&s, "nothing registered", (struct want){ .result = -ENXIO },
		     io_uring_unregister_buffers(&s.ring));
		pin_mem_free(&m);
	}
	return end(&s);
}

/* --- tables --- */

static enum pin_verdict update_many(struct pin_audit *au, const void *arg)
{
	struct pin_mem m;
	struct seq s;

	(void)arg;
	if (!begin(&s, au))
		return PIN_SKIP;
	if (get_table(&s, 8) && get_memory(&s, &m, "anon", 16)) {
		const struct iovec first[4] = {
			piece(&m, 0, 1), piece(&m, 1, 2), piece(&m, 3, 3), piece(&m, 6, 4),
		};
		const struct iovec second[3] = { piece(&m, 10, 2), { NULL, 0 }, piece(&m, 12, 4) };
		const struct iovec none[8] = { { NULL, 0 } };

		step(&s, "fill four slots", (struct want){ 10, 0, 10, 4 },
		     update(&s, 2, first, NULL, 4));
		/* Slots 3, 4, 5: replaced, emptied, replaced; 2 + 3 + 4 pages go. */
		step(&s, "replace three", (struct want){ 6, 9, 6 - 9, 3 },
		     update(&s, 3, second, NULL, 3));
		step(&s, "no change", (struct want){ .result = 1 }, update(&s, 7, none, NULL, 1));
		step(&s, "beyond the table", (struct want){ .result = -EINVAL },
		     update(&s, 6, first, NULL, 3));
		step(&s, "empty all", (struct want){ 0, 7, -7, 8 }, update(&s, 0, none, NULL, 8));
		unregister(&s);
		step(&s, "no table", (struct want){ .result = -ENXIO },
		     update(&s, 0, first, NULL, 1));
		pin_mem_free(&m);
	}
	return end(&s);
}

/* What came before the bad one stays, and the call says how many. */
static enum pin_verdict update_half_way(struct pin_audit *au, const void *arg)
{
	static const __u64 tagged[2] = { 0, TAG };
	struct pin_mem m;
	struct seq s;

	(void)arg;
	if (!begin(&s, au))
		return PIN_SKIP;
	if (get_table(&s, 4) && get_memory(&s, &m, "anon", 16)) {
		/* Three pages of the third are there, the fourth is not. */
		const struct iovec iov[4] = {
			piece(&m, 0, 1), piece(&m, 1, 2), piece(&m, 3, 4), piece(&m, 8, 1),
		};
		const struct iovec empty[2] = { piece(&m, 8, 2), { NULL, 0 } };

		munmap(piece(&m, 6, 1).iov_base, s.page);
		step(&s, "third fails", (struct want){ 3 + 3, 3, 3, 2 },
		     update(&s, 0, iov, NULL, 4));
		/* A slot is emptied only when its successor is pinned. */
		step(&s, "first fails", (struct want){ 3, 3, 0, -EFAULT },
		     update(&s, 0, iov + 2, NULL, 2));
		step(&s, "a tag on nothing", (struct want){ 2, 1, 1, 1 },
		     update(&s, 0, empty, tagged, 2));
		unregister(&s);
		pin_mem_free(&m);
	}
	return end(&s);
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

static enum pin_verdict tags(struct pin_audit *au, const void *arg)
{
	const __u64 tag[2] = { TAG, TAG + 1 };
	struct pin_mem m;
	struct seq s;

	(void)arg;
	if (!begin(&s, au))
		return PIN_SKIP;
	if (get_table(&s, 4) && get_memory(&s, &m, "anon", 16)) {
		const struct iovec iov[2] = { piece(&m, 0, 3), piece(&m, 3, 5) };
		const struct iovec other = piece(&m, 8, 1), none = { NULL, 0 };
		struct io_uring_cqe *cqe;

		step(&s, "fill", (struct want){ 8, 0, 8, 2 }, update(&s, 0, iov, tag, 2));
		step(&s, "nothing to say", (struct want){ .result = -EAGAIN },
		     io_uring_peek_cqe(&s.ring, &cqe));
		step(&s, "replace", (struct want){ 1, 3, 1 - 3, 1 },
		     update(&s, 0, &other, NULL, 1));
		step(&s, "its tag", nothing, completion(&s, tag[0]));
		step(&s, "remove", (struct want){ 0, 5, -5, 1 }, update(&s, 1, &none, NULL, 1));
		step(&s, "its tag", nothing, completion(&s, tag[1]));
		pin_mem_free(&m);
	}
	return end(&s);
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
static enum pin_verdict remove_in_flight(struct pin_audit *au, const void *arg)
{
	const __u64 tag = TAG + 1;
	int pipefd[2];
	struct pin_mem m;
	struct seq s;

	(void)arg;
	if (!begin(&s, au))
		return PIN_SKIP;
	if (get_table(&s, 2) && get_memory(&s, &m, "anon", 64)) {
		const struct iovec iov = piece(&m, 0, 64), none = { NULL, 0 };
		struct io_uring_cqe *cqe;

		step(&s, "fill", (struct want){ 64, 0, 64, 1 }, update(&s, 0, &iov, &tag, 1));
		if (start_read(&s, &m, pipefd)) {
			step(&s, "remove", (struct want){ .result = 1 },
			     update(&s, 0, &none, NULL, 1));
			dwell(&s);
			step(&s, "while it reads", (struct want){ .result = -EAGAIN },
			     io_uring_peek_cqe(&s.ring, &cqe));
			finish_read(&s, &m, pipefd);
			step(&s, "the tag", (struct want){ 0, 64, -64, 0 }, completion(&s, tag));
		}
		pin_mem_free(&m);
	}
	return end(&s);
}

static void *unregister_thread(void *arg)
{
	return (void *)(intptr_t)io_uring_unregister_buffers(arg);
}

/*
 * All buffers are unregistered while a request uses one. Up to 6.12 the call
 * waits for the request; since then it returns and the pins wait.
 */
static enum pin_verdict unregister_in_flight(struct pin_audit *au, const void *arg)
{
	int pipefd[2];
	pthread_t thread;
	struct pin_mem m;
	struct seq s;
	void *ret;

	(void)arg;
	if (!begin(&s, au))
		return PIN_SKIP;
	if (get_memory(&s, &m, "anon", 64)) {
		const struct iovec iov = piece(&m, 0, 64);

		step(&s, "register", (struct want){ 64, 0, 64, 0 },
		     io_uring_register_buffers(&s.ring, &iov, 1));
		if (start_read(&s, &m, pipefd)) {
			if (pthread_create(&thread, NULL, unregister_thread, &s.ring))
				abort();
			dwell(&s);
			step(&s, "while it reads", nothing, 0);
			finish_read(&s, &m, pipefd);
			pthread_join(thread, &ret);
			step(&s, "unregister", (struct want){ 0, 64, -64, 0 }, (intptr_t)ret);
		}
		pin_mem_free(&m);
	}
	return end(&s);
}

/* The ring goes while a request uses its buffer: it is cancelled. */
static enum pin_verdict close_in_flight(struct pin_audit *au, const void *arg)
{
	int pipefd[2];
	struct pin_mem m;
	struct seq s;

	(void)arg;
	if (!begin(&s, au))
		return PIN_SKIP;
	if (get_memory(&s, &m, "anon", 64)) {
		const struct iovec iov = piece(&m, 0, 64);

		step(&s, "register", (struct want){ 64, 0, 64, 0 },
		     io_uring_register_buffers(&s.ring, &iov, 1));
		if (start_read(&s, &m, pipefd)) {
			close_ring(&s);
			step(&s, "close", (struct want){ 0, 64, -64, 0 }, 0);
			close(pipefd[0]);
			close(pipefd[1]);
		}
		pin_mem_free(&m);
	}
	return end(&s);
}

/*
 * A request is cancelled whose buffer is in its slot, or has left it: then the
 * pins were the request's alone, and go with it.
 */
static enum pin_verdict cancel_in_flight(struct pin_audit *au, const void *arg)
{
	const bool *removed = arg;
	int pipefd[2];
	struct pin_mem m;
	struct seq s;

	if (!begin(&s, au))
		return PIN_SKIP;
	if (get_table(&s, 2) && get_memory(&s, &m, "anon", 64)) {
		const struct iovec iov = piece(&m, 0, 64), none = { NULL, 0 };
		const struct want gone = { 0, 64, -64, -ECANCELED };
		const struct want stays = { .result = -ECANCELED };
		struct io_uring_sqe *sqe;

		step(&s, "fill", (struct want){ 64, 0, 64, 1 }, update(&s, 0, &iov, NULL, 1));
		if (start_read(&s, &m, pipefd)) {
			if (*removed)
				step(&s, "remove", (struct want){ .result = 1 },
				     update(&s, 0, &none, NULL, 1));
			sqe = io_uring_get_sqe(&s.ring);
			io_uring_prep_cancel64(sqe, TAG, 0);
			sqe->flags = IOSQE_CQE_SKIP_SUCCESS;
			if (io_uring_submit(&s.ring) != 1)
				pin_audit_fail(au, "the request to cancel cannot be submitted");
			step(&s, "cancelled", *removed ? gone : stays, completion(&s, TAG));
			close(pipefd[0]);
			close(pipefd[1]);
		}
		pin_mem_free(&m);
	}
	return end(&s);
}

static const bool in_slot, out_of_slot = true;

/* --- I/O with fixed buffers adds no pin --- */

static enum pin_verdict fixed_io_with(struct pin_audit *au, const char *kind,
				      unsigned int flags)
{
	char why[PIN_WHY_LEN];
	struct pin_mem m;
	struct seq s;
	int fd;

	if (!begin_with(&s, au, flags))
		return PIN_SKIP;
	if (get_memory(&s, &m, kind, 64)) {
		const struct iovec iov = { m.addr, m.len };

		fd = pin_dio_file(m.len, why);
		if (fd < 0) {
			pin_audit_skip(au, "%s", why);
		} else {
			struct want w = { m.pages, pin_uring_coalesced(&m),
					  pin_uring_accounted(&m), 0 };

			step(&s, "file", nothing, 0);
			step(&s, "register", w, io_uring_register_buffers(&s.ring, &iov, 1));
			memset(m.addr, 0x3c, m.len);
			io_uring_prep_write_fixed(io_uring_get_sqe(&s.ring), fd, m.addr,
						  m.len, 0, 0);
			step(&s, "write", (struct want){ .result = m.len },
			     pin_uring_submit_one(&s.ring));
			memset(m.addr, 0, m.len);
			io_uring_prep_read_fixed(io_uring_get_sqe(&s.ring), fd, m.addr,
						 m.len, 0, 0);
			step(&s, "read", (struct want){ .result = m.len },
			     pin_uring_submit_one(&s.ring));
			/* By its address: pinned once more, for the time of the read. */
			io_uring_prep_read(io_uring_get_sqe(&s.ring), fd, m.addr, m.len, 0);
			w = (struct want){ .result = m.len };
			if (s.k->dio_pins) {
				w.acquired = m.pages;
				w.released = m.pages;
			}
			step(&s, "read by address", w, pin_uring_submit_one(&s.ring));
			for (size_t i = 0; i < m.len; i++) {
				if (((char *)m.addr)[i] != 0x3c) {
					pin_audit_fail(au, "byte %zu is not what was written", i);
					break;
				}
			}
			unregister(&s);
			close(fd);
		}
		pin_mem_free(&m);
	}
	return end(&s);
}

static enum pin_verdict fixed_io(struct pin_audit *au, const void *arg)
{
	return fixed_io_with(au, arg, 0);
}

/* A thread of the kernel's submits: before 5.11 it takes registered files alone. */
static enum pin_verdict sqpoll_io(struct pin_audit *au, const void *arg)
{
	if (pin_audit_kernel(au)->version < PIN_KVER(5, 11))
		return pin_audit_skip(au, "SQPOLL takes registered files alone: Linux 5.11 or later");
	return fixed_io_with(au, arg, IORING_SETUP_SQPOLL);
}

/* --- rings of another size --- */

#define RESIZE_RINGS	33	/* IORING_REGISTER_RESIZE_RINGS */
#define ENTRIES		8
#define MORE_ENTRIES	32	/* still a page for the rings, and one for the entries */
#define RESIZABLE	(IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN)

/* To rings in pages @first and @first + 1 of @m, if that is not NULL. */
static long resize(int ring_fd, const struct pin_mem *m, size_t first)
{
	struct pin_uring_params p = { .sq_entries = MORE_ENTRIES, .cq_entries = 2 * MORE_ENTRIES };

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
static enum pin_verdict resize_kernel_rings(struct pin_audit *au, const void *arg)
{
	struct pin_mem m;
	struct seq s;

	(void)arg;
	if (!begin_with(&s, au, RESIZABLE))
		return PIN_SKIP;
	if (can_resize(&s) && get_memory(&s, &m, "anon", 64)) {
		const struct iovec iov = piece(&m, 0, 64);

		step(&s, "register", (struct want){ 64, 0, 64, 0 },
		     io_uring_register_buffers(&s.ring, &iov, 1));
		step(&s, "resize", nothing, resize(s.ring.ring_fd, NULL, 0));
		unregister(&s);
		pin_mem_free(&m);
	}
	return end(&s);
}

/* Rings in memory of ours: the new are pinned, then the old are not. */
static enum pin_verdict resize_own_rings(struct pin_audit *au, const void *arg)
{
	struct pin_uring_params p = { .flags = PIN_IORING_SETUP_NO_MMAP | RESIZABLE };
	struct pin_mem m;
	struct seq s;
	int fd;

	(void)arg;
	if (!begin(&s, au))
		return PIN_SKIP;
	if (can_resize(&s) && get_memory(&s, &m, "anon", 8)) {
		munmap(piece(&m, 7, 1).iov_base, s.page);
		p.cq.rings = (uintptr_t)piece(&m, 0, 1).iov_base;
		p.sq.sqes = (uintptr_t)piece(&m, 1, 1).iov_base;
		fd = syscall(__NR_io_uring_setup, ENTRIES, &p);
		step(&s, "rings in our memory", (struct want){ .acquired = 2 },
		     fd < 0 ? -errno : 0);
		step(&s, "resize", (struct want){ .acquired = 2, .released = 2 },
		     resize(fd, &m, 2));
		step(&s, "entries in a hole",
		     (struct want){ .acquired = 1, .released = 1, .result = -EFAULT },
		     resize(fd, &m, 6));
		step(&s, "resize back", (struct want){ .acquired = 2, .released = 2 },
		     resize(fd, &m, 0));
		if (fd >= 0)
			close(fd);
		pin_mem_free(&m);
	}
	return end(&s);
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

static void run_clone(struct seq *from, struct seq *to, const struct clone_case *c,
		      const struct pin_mem *m)
{
	const struct iovec iov[6] = {
		piece(m, 0, 1), piece(m, 1, 2), piece(m, 3, 3),
		piece(m, 6, 4), piece(m, 10, 5), piece(m, 15, 6),
	};
	const unsigned int own = c->nr_own ? 5 + 6 : 0;
	long result;

	step(from, "register", (struct want){ 10, 0, 10, 0 },
	     io_uring_register_buffers(&from->ring, iov, 4));
	if (own)
		step(to, "register own", (struct want){ own, 0, own, 0 },
		     io_uring_register_buffers(&to->ring, iov + 4, 2));
	result = clone_to(to, from, c->replace ? PIN_IORING_CLONE_REPLACE : 0,
			  c->src_off, c->dst_off, c->nr);
	/* It looks at the flags last. */
	if (to->k->version < c->since &&
	    (result == -EINVAL || (c->replace && result == -EBUSY))) {
		pin_audit_skip(to->au, "io_uring does not clone buffers this way here: Linux %u.%u or later",
			       c->since >> 16, c->since & 0xffff);
		return;
	}
	step(to, "clone",
	     (struct want){ 0, c->replaced, -(int64_t)c->replaced, c->result }, result);
	/* What is cloned stays, and so does its part of VmPin. */
	step(from, "unregister source",
	     (struct want){ 0, 10 - c->cloned, -(int64_t)(10 - c->cloned), 0 },
	     io_uring_unregister_buffers(&from->ring));
	to->held += from->held;
	to->vmpin += from->vmpin;
	from->held = 0;
	from->vmpin = 0;
	if (to->held)
		unregister(to);
}

static enum pin_verdict cloned(struct pin_audit *au, const void *arg)
{
	struct pin_mem m;
	struct seq from, to;

	if (!begin(&from, au))
		return PIN_SKIP;
	if (begin(&to, au)) {
		if (get_memory(&from, &m, "anon", 32)) {
			run_clone(&from, &to, arg, &m);
			pin_mem_free(&m);
		}
		end(&to);
	}
	return end(&from);
}

/* From ring to ring to ring: the last to let go of a buffer is the one that unpins it. */
static enum pin_verdict clone_chain(struct pin_audit *au, const void *arg)
{
	struct seq s[4];
	unsigned int nr = 0;
	struct pin_mem m;

	(void)arg;
	while (nr < SIZE(s) && begin(&s[nr], au))
		nr++;
	if (nr == SIZE(s) && get_memory(&s[0], &m, "anon", 64)) {
		const struct iovec iov = piece(&m, 0, 64);
		long result;

		step(&s[0], "register", (struct want){ 64, 0, 64, 0 },
		     io_uring_register_buffers(&s[0].ring, &iov, 1));
		for (nr = 1; nr < SIZE(s); nr++) {
			result = clone_to(&s[nr], &s[nr - 1], 0, 0, 0, 0);
			if (result == -EINVAL && s[0].k->version < PIN_KVER(6, 12)) {
				pin_audit_skip(au, "io_uring does not clone buffers here: Linux 6.12 or later");
				break;
			}
			step(&s[nr], "clone", nothing, result);
		}
		if (nr == SIZE(s)) {
			/* The source first, then the newest clone. */
			static const unsigned int order[] = { 0, 3, 1 };

			for (size_t i = 0; i < SIZE(order); i++)
				step(&s[order[i]], "unregister one of them", nothing,
				     io_uring_unregister_buffers(&s[order[i]].ring));
			s[2].held = s[0].held;
			s[2].vmpin = s[0].vmpin;
			s[0].held = 0;
			s[0].vmpin = 0;
			unregister(&s[2]);
		}
		pin_mem_free(&m);
		nr = SIZE(s);
	}
	while (nr)
		end(&s[--nr]);
	return PIN_PASS;
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

static enum pin_verdict clone_by_other(struct pin_audit *au, const void *arg)
{
	const bool *ours_first = arg;
	struct clone_said said = { -EPIPE, 0 };
	int ask[2], tell[2];
	struct pin_mem m;
	long result = 0;
	struct seq s;
	bool answered;
	pid_t pid;

	if (!begin(&s, au))
		return PIN_SKIP;
	if (!get_memory(&s, &m, "anon", 64))
		return end(&s);
	const struct iovec iov = piece(&m, 0, 64);

	step(&s, "register", (struct want){ 64, 0, 64, 0 },
	     io_uring_register_buffers(&s.ring, &iov, 1));
	if (pipe(ask) || pipe(tell))
		abort();
	fflush(stdout);
	pid = fork();
	if (!pid)
		clone_and_end(&s, ask[0], tell[1]);
	close(ask[0]);
	close(tell[1]);
	answered = read(tell[0], &said, sizeof(said)) == sizeof(said);
	if (said.result && said.result != -EINVAL)
		pin_audit_fail(au, "clone: returned %ld %s, predicted 0 or -%d %s", said.result,
			       strerror(-said.result), EINVAL, strerror(EINVAL));
	if (*ours_first)
		result = io_uring_unregister_buffers(&s.ring);
	answered = answered && write(ask[1], "", 1) == 1 &&
		   read(tell[0], &said, sizeof(said)) == sizeof(said);
	if (!answered)
		pin_audit_fail(au, "the other process gave no answer");
	close(ask[1]);
	close(tell[0]);
	waitpid(pid, NULL, 0);
	if (said.kib)
		pin_audit_fail(au, "the other process is charged for %ld kB of pins it no longer has",
			       said.kib);
	if (*ours_first) {
		step(&s, "let go by both", (struct want){ 0, 64, -64, 0 }, result);
	} else {
		step(&s, "clone by another process", nothing, 0);
		unregister(&s);
	}
	pin_mem_free(&m);
	return end(&s);
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

static enum pin_verdict child_unregisters(struct pin_audit *au, const void *arg)
{
	int ask[2], tell[2], status;
	struct pin_mem m;
	struct seq s;
	long result = -EPIPE;
	pid_t pid;

	(void)arg;
	if (!begin(&s, au))
		return PIN_SKIP;
	if (!get_memory(&s, &m, "anon", 64))
		return end(&s);
	const struct iovec iov = piece(&m, 0, 64);

	step(&s, "register", (struct want){ 64, 0, 64, 0 },
	     io_uring_register_buffers(&s.ring, &iov, 1));
	if (pipe(ask) || pipe(tell))
		abort();
	fflush(stdout);
	pid = fork();
	if (!pid) {
		close(ask[1]);
		close(tell[0]);
		child(&s, ask[0], tell[1]);
	}
	close(ask[0]);
	close(tell[1]);
	step(&s, "fork", nothing, pid < 0 ? -errno : 0);
	close_ring(&s);
	pin_sleep_ns(DWELL_NS);
	step(&s, "the parent closes", nothing, 0);
	/* It is the parent's VmPin all the same. */
	if (write(ask[1], "", 1) == 1 && read(tell[0], &result, sizeof(result)) < 0)
		result = -errno;
	step(&s, "the child unregisters", (struct want){ 0, 64, -64, 0 }, result);
	close(ask[1]);
	close(tell[0]);
	if (pid > 0)
		waitpid(pid, &status, 0);
	pin_mem_free(&m);
	return end(&s);
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
static enum pin_verdict pass_by_socket(struct pin_audit *au, const void *arg)
{
	struct owner_says says = { .result = 0 };
	struct owner o;
	struct seq s;
	int fd;

	(void)arg;
	if (!begin(&s, au))
		return PIN_SKIP;
	fd = start_owner(&s, &o, &says, true, false);
	if (fd < 0 && says.sent != -EINVAL)
		pin_audit_fail(au, "sending the ring's descriptor: %s", strerror(-says.sent));
	if (fd >= 0 && s.k->version >= PIN_KVER(6, 7))
		pin_audit_fail(au, "a ring's descriptor can be sent: a cycle of both is for ever");
	outlive(&s, &o, fd);
	return end(&s);
}

/* The same by pidfd_getfd(2), which makes no cycles. */
static enum pin_verdict pass_by_pidfd(struct pin_audit *au, const void *arg)
{
	struct owner_says says = { .result = 0 };
	struct owner o;
	struct seq s;
	int fd, pidfd;

	(void)arg;
	if (!begin(&s, au))
		return PIN_SKIP;
	start_owner(&s, &o, &says, false, false);
	pidfd = syscall(SYS_pidfd_open, o.pid, 0);
	fd = pidfd < 0 ? -1 : syscall(SYS_pidfd_getfd, pidfd, says.ring_fd, 0);
	if (fd < 0)
		pin_audit_skip(au, "pidfd_getfd: %s", strerror(errno));
	if (pidfd >= 0)
		close(pidfd);
	outlive(&s, &o, fd);
	return end(&s);
}

/* It ends with requests that wait for each other: by itself, or killed. */
static enum pin_verdict end_linked(struct pin_audit *au, const void *arg)
{
	struct owner_says says = { .result = 0 };
	const int *signal = arg;
	struct owner o;
	struct seq s;

	if (!begin(&s, au))
		return PIN_SKIP;
	start_owner(&s, &o, &says, false, true);
	end_owner(&o, *signal);
	step(&s, "its end", (struct want){ .released = 64 }, 0);
	return end(&s);
}

static const int by_itself, killed = SIGKILL;

static void add_tests(struct pin_suite *s)
{
	static const bool ours_first = true, theirs_first;

	pin_suite_add(s, same_page, NULL, "iovecs.same_page");
	pin_suite_add(s, twice, NULL, "iovecs.twice");
	pin_suite_add(s, thp_pieces, NULL, "iovecs.thp_in_pieces");
	pin_suite_add(s, thp_twice, NULL, "iovecs.thp_twice");
	pin_suite_add(s, thp_and_base, NULL, "iovecs.thp_and_base");
	pin_suite_add(s, one_iovec, &two_huge, "folios.two_thp");
	pin_suite_add(s, one_iovec, &small_then_huge, "folios.base_then_thp");
	pin_suite_add(s, one_iovec, &huge_then_small, "folios.thp_then_base");
	pin_suite_add(s, sizes, NULL, "sizes");
	pin_suite_add(s, bad_iovec, NULL, "bad.third_iovec");
	pin_suite_add(s, bad_arguments, NULL, "bad.arguments");
	pin_suite_add(s, update_many, NULL, "update.many");
	pin_suite_add(s, update_half_way, NULL, "update.fails_half_way");
	pin_suite_add(s, tags, NULL, "update.tags");
	pin_suite_add(s, remove_in_flight, NULL, "in_flight.remove");
	pin_suite_add(s, unregister_in_flight, NULL, "in_flight.unregister");
	pin_suite_add(s, close_in_flight, NULL, "in_flight.close");
	pin_suite_add(s, cancel_in_flight, &in_slot, "in_flight.cancel");
	pin_suite_add(s, cancel_in_flight, &out_of_slot, "in_flight.remove_and_cancel");
	pin_suite_add(s, fixed_io, "anon", "fixed_io.anon");
	pin_suite_add(s, fixed_io, "anon_unaligned", "fixed_io.anon_unaligned");
	pin_suite_add(s, fixed_io, "thp", "fixed_io.thp");
	pin_suite_add(s, sqpoll_io, "anon", "sqpoll.anon");
	pin_suite_add(s, sqpoll_io, "thp", "sqpoll.thp");
	pin_suite_add(s, resize_kernel_rings, NULL, "resize.kernel_rings");
	pin_suite_add(s, resize_own_rings, NULL, "resize.own_rings");
	pin_suite_add(s, cloned, &clone_whole, "clone.whole");
	pin_suite_add(s, cloned, &clone_part, "clone.part");
	pin_suite_add(s, cloned, &clone_at_offset, "clone.at_offset");
	pin_suite_add(s, cloned, &clone_replace, "clone.replace");
	pin_suite_add(s, cloned, &clone_replace_one, "clone.replace_one");
	pin_suite_add(s, cloned, &clone_no_replace, "clone.no_replace");
	pin_suite_add(s, cloned, &clone_beyond, "clone.beyond");
	pin_suite_add(s, clone_chain, NULL, "clone.chain");
	pin_suite_add(s, clone_by_other, &theirs_first, "clone.other_process");
	pin_suite_add(s, clone_by_other, &ours_first, "clone.other_process_last");
	pin_suite_add(s, child_unregisters, NULL, "fork.child_unregisters");
	pin_suite_add(s, pass_by_socket, NULL, "pass.by_socket");
	pin_suite_add(s, pass_by_pidfd, NULL, "pass.by_pidfd");
	pin_suite_add(s, end_linked, &by_itself, "end.linked");
	pin_suite_add(s, end_linked, &killed, "end.linked_killed");
}

int main(int argc, char **argv)
{
	static const struct pin_program program = {
		.name = "uring_test",
		.doc = "Fixed buffers of io_uring in sequences: many iovecs, large folios, tables with tags, failures half-way, clones, requests in flight. Every step is compared to the page with what was predicted.",
		.add_tests = add_tests,
	};

	return pin_suite_main(&program, argc, argv);
}
