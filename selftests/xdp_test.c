// SPDX-License-Identifier: GPL-2.0
/*
 * AF_XDP sockets that share packet memory: the pages stay pinned until the last
 * of them is closed, and one that was refused is none of them. Every step is
 * exact.
 */
#include <errno.h>
#include <net/if.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "consumers/xdp.h"
#include "memory.h"
#include "scratch.h"
#include "suite.h"

#define PAGES		16
#define CHUNK		2048	/* bytes: the smallest XDP takes */
#define RING		64	/* descriptors */
#define LOOPBACK	1	/* lo is that everywhere */
#define LINK		"pinxdp0"	/* a second device */
#define ADDRESS		0xc0000203u	/* 192.0.2.3, for documentation only */
#define DWELL_NS	40000000ull	/* a late release would come within that */
#define SOCKETS		3

/* Rings that a socket has of its own. */
#define FILL		(1u << 0)
#define COMPLETION	(1u << 1)
#define RECEIVE		(1u << 2)
#define SEND		(1u << 3)
#define OWNER		(FILL | COMPLETION | RECEIVE)

static char unable_link[PIN_WHY_LEN];	/* to have a second device: why */

/* One sequence while it runs. */
struct seq {
	struct pin_audit *au;
	const struct pin_kernel *k;
	struct pin_mem mem;
	int fd[SOCKETS];	/* -1: closed; the first one has the memory */
	int64_t held;		/* pages, by prediction */
};

struct test {
	const char *name;
	void (*run)(struct seq *s);
	bool link;		/* needs the second device */
};

/* Takes @pins pages (or lets go of them: < 0), and the call returns @want. */
static bool step(struct seq *s, const char *what, int64_t pins, long want, long result)
{
	const struct pin_predict p = pin_predict_longterm(s->k, pins > 0 ? pins : 0,
							  pins < 0 ? -pins : 0, want);

	s->held += pins;
	return pin_audit_step(s->au, what, &p, result, 0);
}

static bool refused(struct seq *s, const char *what, long want, long result)
{
	return step(s, what, 0, want, result);
}

/* A release that comes late would be in one of these. */
static bool stays(struct seq *s, const char *what)
{
	pin_sleep_ns(DWELL_NS);
	return step(s, what, 0, 0, 0);
}

static void close_socket(struct seq *s, int i)
{
	if (s->fd[i] >= 0)
		close(s->fd[i]);
	s->fd[i] = -1;
}

/* A socket with @rings: its descriptor or -errno. */
static int new_socket(unsigned int rings)
{
	static const int options[] = {
		XDP_UMEM_FILL_RING, XDP_UMEM_COMPLETION_RING, XDP_RX_RING, XDP_TX_RING,
	};
	const int entries = RING;
	int fd = socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0), err = fd < 0 ? -errno : 0;

	for (size_t i = 0; !err && i < sizeof(options) / sizeof(options[0]); i++) {
		if (rings & 1u << i && setsockopt(fd, SOL_XDP, options[i], &entries,
						  sizeof(entries)))
			err = -errno;
	}
	if (err && fd >= 0)
		close(fd);
	return err ? err : fd;
}

/* The same in the place of the @i-th socket. */
static bool open_socket(struct seq *s, int i, unsigned int rings)
{
	close_socket(s, i);
	s->fd[i] = new_socket(rings);
	return step(s, "a socket", 0, 0, s->fd[i] < 0 ? s->fd[i] : 0);
}

static int have_memory(const struct seq *s, int i)
{
	const struct xdp_umem_reg reg = {
		.addr = (uintptr_t)s->mem.addr, .len = s->mem.len, .chunk_size = CHUNK,
	};

	return setsockopt(s->fd[i], SOL_XDP, XDP_UMEM_REG, &reg, sizeof(reg)) ? -errno : 0;
}

static int bind_to(const struct seq *s, int i, unsigned int device, unsigned int queue,
		   unsigned int flags, int shared_fd)
{
	const struct sockaddr_xdp addr = {
		.sxdp_family = AF_XDP,
		.sxdp_flags = flags,
		.sxdp_ifindex = device,
		.sxdp_queue_id = queue,
		.sxdp_shared_umem_fd = shared_fd,
	};

	return bind(s->fd[i], (const void *)&addr, sizeof(addr)) ? -errno : 0;
}

/* The @i-th socket shares what @with has, on the same queue. */
static int share(const struct seq *s, int i, int with)
{
	return bind_to(s, i, LOOPBACK, 0, XDP_SHARED_UMEM, s->fd[with]);
}

/* And on a queue of the second device. */
static int share_there(const struct seq *s, int i, int with)
{
	return bind_to(s, i, if_nametoindex(LINK), 0, XDP_SHARED_UMEM, s->fd[with]);
}

/* The memory is there for others once its owner has a queue. */
static bool own(struct seq *s)
{
	int err;

	if (!step(s, "memory", PAGES, 0, have_memory(s, 0)))
		return false;
	err = bind_to(s, 0, LOOPBACK, 0, XDP_COPY, 0);
	if (err != -EBUSY)
		return step(s, "bind", 0, 0, err);
	pin_audit_skip(s->au, "lo has one queue, which is another socket's");
	return false;
}

static bool begin(struct seq *s, struct pin_audit *au, const struct test *t)
{
	*s = (struct seq){ .au = au, .k = pin_audit_kernel(au), .fd = { -1, -1, -1 } };
	if (t->link && *unable_link) {
		pin_audit_skip(au, "%s", unable_link);
		return false;
	}
	s->fd[0] = new_socket(OWNER);
	if (s->fd[0] < 0) {
		pin_audit_skip(au, "AF_XDP: %s: run as root, on a kernel with XDP_SOCKETS",
			       strerror(-s->fd[0]));
		return false;
	}
	if (!pin_mem_alloc(&s->mem, pin_memkind_find("anon"), s->k, PAGES))
		return step(s, "open", 0, 0, 0);
	pin_audit_skip(au, "%s", s->mem.why);
	close_socket(s, 0);
	return false;
}

static enum pin_verdict run_seq(struct pin_audit *au, const void *arg)
{
	const struct test *t = arg;
	struct seq s;

	if (begin(&s, au, t)) {
		t->run(&s);
		for (int i = 0; i < SOCKETS; i++)
			close_socket(&s, i);
		step(&s, "close", -s.held, 0, 0);
		pin_mem_free(&s.mem);
	}
	return PIN_PASS;
}

static bool owner_closes(struct seq *s, int64_t pins)
{
	close_socket(s, 0);
	return pins ? step(s, "the owner closes", pins, 0, 0) : stays(s, "the owner closes");
}

/* --- those that are refused: open or closed, they keep nothing --- */

static void not_bound(struct seq *s)
{
	if (step(s, "memory", PAGES, 0, have_memory(s, 0)) && open_socket(s, 1, RECEIVE) &&
	    refused(s, "share what has no queue", -EBADF, share(s, 1, 0)))
		owner_closes(s, -PAGES);
}

/* Each way to be refused, by sockets that are still there when the owner closes. */
static void own_rings(struct seq *s)
{
	if (own(s) && open_socket(s, 1, FILL | RECEIVE) &&
	    refused(s, "share, with a fill ring", -EINVAL, share(s, 1, 0)) &&
	    refused(s, "once more", -EINVAL, share(s, 1, 0)) &&
	    open_socket(s, 2, COMPLETION | SEND) &&
	    refused(s, "share, with a completion ring", -EINVAL, share(s, 2, 0)))
		owner_closes(s, -PAGES);
}

static void closed_first(struct seq *s)
{
	if (!own(s) || !open_socket(s, 1, OWNER) ||
	    !refused(s, "share, with both rings", -EINVAL, share(s, 1, 0)))
		return;
	close_socket(s, 1);
	if (stays(s, "the other one closes"))
		owner_closes(s, -PAGES);
}

static void bad(struct seq *s)
{
	if (!own(s) || !open_socket(s, 1, 0) ||
	    !refused(s, "without a ring to receive or send", -EINVAL, share(s, 1, 0)) ||
	    !open_socket(s, 1, RECEIVE))
		return;
	refused(s, "with a flag", -EINVAL,
		bind_to(s, 1, LOOPBACK, 0, XDP_SHARED_UMEM | XDP_COPY, s->fd[0]));
	refused(s, "with nobody", -ENOTSOCK, bind_to(s, 1, LOOPBACK, 0, XDP_SHARED_UMEM, -1));
	refused(s, "with itself", -EBADF, share(s, 1, 1));
	refused(s, "on a device that is not there", -ENODEV,
		bind_to(s, 1, ~0u >> 1, 0, XDP_SHARED_UMEM, s->fd[0]));
	refused(s, "on another queue, without rings for that", -EINVAL,
		bind_to(s, 1, LOOPBACK, 1, XDP_SHARED_UMEM, s->fd[0]));
	/* One that has memory does not get another's. */
	if (open_socket(s, 2, OWNER) && step(s, "memory of its own", PAGES, 0, have_memory(s, 2)) &&
	    refused(s, "share, with memory", -EINVAL, share(s, 2, 0)))
		owner_closes(s, -PAGES);
}

/* --- those that share --- */

static void owner_first(struct seq *s)
{
	if (!own(s) || !open_socket(s, 1, RECEIVE) || !step(s, "share", 0, 0, share(s, 1, 0)) ||
	    !refused(s, "memory, besides", -EBUSY, have_memory(s, 1)) || !owner_closes(s, 0))
		return;
	/* It is as good as the owner for who wants a share. */
	if (!open_socket(s, 2, SEND) || !step(s, "share the share", 0, 0, share(s, 2, 1)))
		return;
	close_socket(s, 1);
	if (!stays(s, "the second closes"))
		return;
	close_socket(s, 2);
	step(s, "the third closes", -PAGES, 0, 0);
}

static void owner_last(struct seq *s)
{
	if (!own(s) || !open_socket(s, 1, RECEIVE | SEND) ||
	    !step(s, "share", 0, 0, share(s, 1, 0)))
		return;
	close_socket(s, 1);
	if (stays(s, "the other one closes"))
		owner_closes(s, -PAGES);
}

/* A queue of another device, which takes rings for that queue. */
static void other_device(struct seq *s)
{
	const unsigned int there = if_nametoindex(LINK);

	if (!own(s) || !open_socket(s, 1, RECEIVE) ||
	    !refused(s, "there, without rings", -EINVAL, share_there(s, 1, 0)) ||
	    !open_socket(s, 1, OWNER) ||
	    !refused(s, "beyond its queues", -EINVAL,
		     bind_to(s, 1, there, 999, XDP_SHARED_UMEM, s->fd[0])) ||
	    !open_socket(s, 1, OWNER) || !step(s, "share", 0, 0, share_there(s, 1, 0)) ||
	    !open_socket(s, 2, OWNER) ||
	    !refused(s, "where somebody is", -EBUSY, share_there(s, 2, 0)) || !owner_closes(s, 0))
		return;
	close_socket(s, 1);
	step(s, "the other one closes", -PAGES, 0, 0);
}

static const struct test tests[] = {
	{ "refused.not_bound", .run = not_bound },
	{ "refused.own_rings", .run = own_rings },
	{ "refused.closed_first", .run = closed_first },
	{ "refused.bad", .run = bad },
	{ "shared.owner_first", .run = owner_first },
	{ "shared.owner_last", .run = owner_last },
	{ "shared.other_device", .run = other_device, .link = true },
};

static void add_tests(struct pin_suite *s)
{
	for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++)
		pin_suite_add(s, run_seq, &tests[i], "%s", tests[i].name);
}

static void setup(struct pin_suite *s)
{
	pin_scratch_link(LINK, ADDRESS, unable_link);
}

int main(int argc, char **argv)
{
	static const struct pin_program program = {
		.name = "xdp_test",
		.doc = "AF_XDP sockets that share packet memory: it is released when the last of them is closed, in whatever order, and those that were refused keep nothing.",
		.add_tests = add_tests,
		.setup = setup,
	};

	return pin_suite_main(&program, argc, argv);
}
