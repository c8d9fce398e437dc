// SPDX-License-Identifier: GPL-2.0
/*
 * RLIMIT_MEMLOCK: an ordinary user may pin that much and no more. io_uring
 * pins first and asks afterwards, so a refusal must give everything back, and
 * a release must make room for the next pin.
 */
#include <errno.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "consumers/uring.h"
#include "consumers/xdp.h"
#include "proc.h"
#include "scratch.h"
#include "suite.h"

#define LIMIT_PAGES	64
#define RING_PAGES	16	/* of that, at most, kernels charge for two rings */
#define ROUNDS		50
/* Nobody else's account is to be in the way: a user without processes. */
#define LONELY_UID	2147480000

/* Steps that run as the ordinary user; each is one call and its result. */
enum step {
	STEP_OVER,		/* register twice the limit */
	STEP_OVER_THP,		/* a huge page, far above the limit */
	STEP_AT,		/* register exactly the limit */
	STEP_ONE_MORE,		/* another buffer of one page */
	STEP_UNREGISTER,
	STEP_ROUNDS,		/* register and unregister the limit, often */
	STEP_XDP_OVER,
	STEP_XDP_AT,
	STEP_XDP_CLOSE,
};

struct user {
	pid_t pid;
	int fd;
	unsigned int room;	/* pages left of the limit, the rings taken off */
};

/* First message of the user's process. */
struct hello {
	long result;
	unsigned int room;
};

struct state {
	struct io_uring ring, other;
	struct pin_mem at, over, thp;
	int xdp;
};

static int keep_only(unsigned int cap)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = { { 0 } };

	data[cap / 32].effective = 1u << cap % 32;
	data[cap / 32].permitted = 1u << cap % 32;
	return syscall(SYS_capset, &head, data) ? -errno : 0;
}

static long become_user(long page)
{
	const struct rlimit limit = { LIMIT_PAGES * page, LIMIT_PAGES * page };

	if (setrlimit(RLIMIT_MEMLOCK, &limit))
		return -errno;
	if (geteuid())
		return 0;
	if (prctl(PR_SET_KEEPCAPS, 1) || setresuid(LONELY_UID, LONELY_UID, LONELY_UID))
		return -errno;
	return keep_only(CAP_NET_RAW);
}

static long register_one(struct io_uring *ring, const struct pin_mem *m, size_t len)
{
	struct iovec iov = { m->addr, len };

	return io_uring_register_buffers(ring, &iov, 1);
}

static long xdp_register(struct state *st, const struct pin_mem *m)
{
	struct xdp_umem_reg reg = {
		.addr = (uintptr_t)m->addr, .len = m->len, .chunk_size = 2048,
	};

	st->xdp = socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0);
	if (st->xdp < 0)
		return -errno;
	return setsockopt(st->xdp, SOL_XDP, XDP_UMEM_REG, &reg, sizeof(reg)) ? -errno : 0;
}

static long do_step(struct state *st, enum step todo, long page)
{
	long err = 0;

	switch (todo) {
	case STEP_OVER:
		return register_one(&st->ring, &st->over, st->over.len);
	case STEP_OVER_THP:
		return register_one(&st->ring, &st->thp, st->thp.len);
	case STEP_AT:
		return register_one(&st->ring, &st->at, st->at.len);
	case STEP_ONE_MORE:
		return register_one(&st->other, &st->over, page);
	case STEP_UNREGISTER:
		return io_uring_unregister_buffers(&st->ring);
	case STEP_ROUNDS:
		for (int i = 0; i < ROUNDS && !err; i++) {
			err = register_one(&st->ring, &st->at, st->at.len);
			if (!err)
				err = io_uring_unregister_buffers(&st->ring);
		}
		return err;
	case STEP_XDP_OVER:
		err = xdp_register(st, &st->over);
		close(st->xdp);
		return err;
	case STEP_XDP_AT:
		return xdp_register(st, &st->at);
	case STEP_XDP_CLOSE:
		return close(st->xdp) ? -errno : 0;
	}
	return -EINVAL;
}

static void __attribute__((noreturn)) user_main(int fd, const struct pin_kernel *k)
{
	struct state st = { .xdp = -1 };
	struct hello hello = { .result = 0 };
	enum step next;
	long result;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	pin_scratch_disown();
	pin_mem_alloc(&st.at, pin_memkind_find("anon"), k, LIMIT_PAGES);
	pin_mem_alloc(&st.over, pin_memkind_find("anon"), k, 2 * LIMIT_PAGES);
	pin_mem_alloc(&st.thp, pin_memkind_find("thp"), k, 0);
	/* The limit binds the user who sets the ring up. */
	result = become_user(k->page_size);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (!result)
		result = io_uring_queue_init(4, &st.ring, 0);
	if (!result)
		result = io_uring_queue_init(4, &st.other, 0);
	for (hello.room = LIMIT_PAGES; !result && hello.room; hello.room--) {
		st.at.len = hello.room * k->page_size;
		if (!register_one(&st.ring, &st.at, st.at.len))
			break;
	}
	io_uring_unregister_buffers(&st.ring);
	hello.result = result;
	send(fd, &hello, sizeof(hello), MSG_NOSIGNAL);
	while (recv(fd, &next, sizeof(next), 0) == sizeof(next)) {
		result = next == STEP_OVER_THP && !st.thp.map ? -ENODATA :
			 do_step(&st, next, k->page_size);
		send(fd, &result, sizeof(result), MSG_NOSIGNAL);
	}
	_exit(0);
}

static long start_user(struct pin_audit *au, struct user *u)
{
	const struct pin_kernel *k = pin_audit_kernel(au);
	struct hello hello = { .result = -EPIPE };
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return -errno;
	u->pid = fork();
	if (!u->pid) {
		close(pair[0]);
		user_main(pair[1], k);
	}
	close(pair[1]);
	u->fd = pair[0];
	if (u->pid < 0)
		return -errno;
	recv(u->fd, &hello, sizeof(hello), 0);
	u->room = hello.room;
	if (!hello.result && u->room < LIMIT_PAGES - RING_PAGES)
		pin_audit_fail(au, "of a limit of %d pages, and with two small rings, only %u can be pinned",
			       LIMIT_PAGES, u->room);
	/* Finding that out has pinned a lot. */
	pin_audit_restart(au);
	return hello.result;
}

static long order(struct user *u, enum step step)
{
	long result = -EPIPE;

	if (send(u->fd, &step, sizeof(step), MSG_NOSIGNAL) == sizeof(step))
		recv(u->fd, &result, sizeof(result), 0);
	return result;
}

static void end_user(struct user *u)
{
	close(u->fd);
	kill(u->pid, SIGKILL);
	waitpid(u->pid, NULL, 0);
}

static struct pin_predict refused(unsigned int pages, int err)
{
	return (struct pin_predict){
		.acquired = pages, .released = pages, .result = err, .or_result = err,
	};
}

static enum pin_verdict uring_limit(struct pin_audit *au, const void *arg)
{
	const struct pin_kernel *k = pin_audit_kernel(au);
	const struct pin_predict over = refused(2 * LIMIT_PAGES, -ENOMEM),
		one_more = refused(1, -ENOMEM);
	struct pin_predict thp, at, gone, rounds;
	struct user u;
	long result = start_user(au, &u);

	at = (struct pin_predict){ .acquired = u.room, .vmpin = u.room };
	gone = (struct pin_predict){ .released = u.room, .vmpin = -(int)u.room };
	rounds = (struct pin_predict){ .acquired = ROUNDS * u.room, .released = ROUNDS * u.room };
	if (result) {
		pin_audit_skip(au, "an ordinary user cannot use io_uring here: %s",
			       strerror(-result));
		goto out;
	}
	pin_audit_base_vmpin(au, u.pid);
	pin_audit_step(au, "over the limit", &over, order(&u, STEP_OVER), u.pid);
	if (k->pmd_size) {
		thp = refused(k->pmd_size / k->page_size, -ENOMEM);
		result = order(&u, STEP_OVER_THP);
		if (result != -ENODATA)
			pin_audit_step(au, "huge page over the limit", &thp, result, u.pid);
	}
	pin_audit_step(au, "at the limit", &at, order(&u, STEP_AT), u.pid);
	pin_audit_step(au, "one page more", &one_more, order(&u, STEP_ONE_MORE), u.pid);
	pin_audit_step(au, "unregister", &gone, order(&u, STEP_UNREGISTER), u.pid);
	pin_audit_step(au, "again and again", &rounds, order(&u, STEP_ROUNDS), u.pid);
out:
	end_user(&u);
	return PIN_PASS;
}

static enum pin_verdict xdp_limit(struct pin_audit *au, const void *arg)
{
	/* AF_XDP asks first. */
	const struct pin_predict over = refused(0, -ENOBUFS);
	struct pin_predict at, gone;
	struct user u;
	long result = start_user(au, &u);

	at = (struct pin_predict){ .acquired = u.room };
	gone = (struct pin_predict){ .released = u.room };
	if (!result)
		result = order(&u, STEP_XDP_OVER);
	if (result == -EPERM || result == -EAFNOSUPPORT) {
		pin_audit_skip(au, "%s", result == -EPERM ?
			       "AF_XDP needs CAP_NET_RAW: run as root" :
			       "no AF_XDP: kernel option XDP_SOCKETS");
		goto out;
	}
	pin_audit_step(au, "over the limit", &over, result, 0);
	pin_audit_step(au, "at the limit", &at, order(&u, STEP_XDP_AT), 0);
	pin_audit_step(au, "close", &gone, order(&u, STEP_XDP_CLOSE), 0);
	/* What was refunded late must be there again now. */
	pin_audit_step(au, "at the limit again", &at, order(&u, STEP_XDP_AT), 0);
	pin_audit_step(au, "close again", &gone, order(&u, STEP_XDP_CLOSE), 0);
out:
	end_user(&u);
	return PIN_PASS;
}

static void add_tests(struct pin_suite *s)
{
	pin_suite_add(s, uring_limit, NULL, "uring_buffers");
	pin_suite_add(s, xdp_limit, NULL, "xdp_umem");
}

int main(int argc, char **argv)
{
	static const struct pin_program program = {
		.name = "rlimit_test",
		.doc = "RLIMIT_MEMLOCK exceeded by an ordinary user: refused, everything given back, and the room can be used again.",
		.add_tests = add_tests,
	};

	return pin_suite_main(&program, argc, argv);
}
