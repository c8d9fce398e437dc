// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <numa.h>
#include <poll.h>
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

#include "actor.h"
#include "scratch.h"
#include "suite.h"

#define WAITER_ARG	"--pin-actor-waits"
#define ANSWER_MS	30000	/* only a wedged kernel takes that long */

bool pin_actor_is_waiter(int argc, char **argv)
{
	if (argc != 2 || strcmp(argv[1], WAITER_ARG))
		return false;
	/* Tell the auditor that exec is through, then wait to be killed. */
	if (write(STDOUT_FILENO, "", 1) == 1)
		for (;;)
			pause();
	return true;
}

struct order {
	enum pin_actor_cmd cmd;
	long arg;		/* of PIN_ACTOR_TASK */
};

struct actor_state {
	struct pin_op op;
	struct pin_mem mem;
	const struct pin_actor *self;
	int fd;
};

static long actor_open(struct actor_state *st, char *why)
{
	const struct pin_actor *a = st->self;
	long err;

	if (a->node >= 0 && numa_available() >= 0) {
		struct bitmask *nodes = numa_allocate_nodemask();

		numa_bitmask_setbit(nodes, a->node);
		numa_set_membind(nodes);
		numa_free_nodemask(nodes);
	}
	err = pin_mem_alloc(&st->mem, a->kind, a->kernel, a->pages);
	if (err) {
		memcpy(why, st->mem.why, PIN_WHY_LEN);
		return err;
	}
	err = a->consumer->open ? a->consumer->open(&st->op) : 0;
	memcpy(why, st->op.why, PIN_WHY_LEN);
	return err;
}

static void actor_predict(struct actor_state *st, struct pin_actor_reply *r)
{
	const struct pin_consumer *c = st->self->consumer;

	if (st->mem.kind->arm)
		st->mem.kind->arm(&st->mem);
	r->addr = st->mem.addr;
	r->pages = st->mem.pages;
	c->predict(&st->op, &r->pin);
	if (r->pin.result < 0)
		return;		/* nothing is held, nothing to release */
	if (c->predict_unpin) {
		c->predict_unpin(&st->op, &r->pin, &r->unpin);
	} else {
		r->unpin.released = r->pin.acquired - r->pin.released;
		r->unpin.vmpin = -r->pin.vmpin;
	}
}

/* It outlives us, but not the auditor at the other end of the socket. */
static pid_t leave_child(const struct actor_state *st)
{
	struct pollfd auditor = { .fd = st->fd };
	pid_t pid = fork();

	if (!pid) {
		while (poll(&auditor, 1, -1) < 0 && errno == EINTR)
			;
		_exit(0);
	}
	return pid;
}

long pin_close_by_child(struct pin_op *op, uid_t uid)
{
	const struct pin_consumer *c = op->consumer;
	int pair[2], status;
	pid_t pid;
	char go;

	if (pipe(pair))
		return -errno;
	pid = fork();
	if (!pid) {
		close(pair[1]);
		if (uid && setresuid(uid, uid, uid))
			_exit(errno);
		if (read(pair[0], &go, 1) == 0 && c->close)
			c->close(op);
		_exit(0);
	}
	/* Ours are closed first: it is the child that lets go of what was pinned for us. */
	if (pid > 0 && c->close)
		c->close(op);
	close(pair[0]);
	close(pair[1]);
	return pid < 0 || waitpid(pid, &status, 0) != pid ? -errno : -status;
}

long pin_unpin_by_child(struct pin_op *op)
{
	long result = -ECHILD;
	int answer[2];
	pid_t pid;

	if (pipe(answer))
		return -errno;
	pid = fork();
	if (!pid) {
		result = op->consumer->unpin(op);
		_exit(write(answer[1], &result, sizeof(result)) != sizeof(result));
	}
	close(answer[1]);
	if (pid < 0)
		result = -errno;
	else if (read(answer[0], &result, sizeof(result)) != sizeof(result))
		result = -ECHILD;
	close(answer[0]);
	/* Its own memory must be gone before anything is counted. */
	while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	return result;
}

static void actor_exec(struct actor_state *st)
{
	/* The reply arrives from the new program, so exec is complete. */
	dup2(st->fd, STDOUT_FILENO);
	execl("/proc/self/exe", "pin-actor", WAITER_ARG, NULL);
	_exit(127);
}

static void __attribute__((noreturn)) actor_main(const struct pin_actor *a, int fd)
{
	const struct pin_consumer *c = a->consumer;
	struct actor_state st = { .self = a, .fd = fd };
	struct pin_actor_reply r;
	struct order o;

	st.op.consumer = c;
	st.op.kernel = a->kernel;
	st.op.mem = &st.mem;
	while (recv(fd, &o, sizeof(o), 0) == sizeof(o)) {
		memset(&r, 0, sizeof(r));
		switch (o.cmd) {
		case PIN_ACTOR_OPEN:
			r.result = actor_open(&st, r.why);
			break;
		case PIN_ACTOR_PREDICT:
			actor_predict(&st, &r);
			break;
		case PIN_ACTOR_PIN:
			r.result = c->pin(&st.op);
			break;
		case PIN_ACTOR_USE:
			r.result = c->use ? c->use(&st.op) : 0;
			break;
		case PIN_ACTOR_UNPIN:
			r.result = c->unpin(&st.op);
			break;
		case PIN_ACTOR_UNPIN_BY_CHILD:
			r.result = pin_unpin_by_child(&st.op);
			break;
		case PIN_ACTOR_CLOSE:
			if (c->close)
				c->close(&st.op);
			break;
		case PIN_ACTOR_CLOSE_BY_CHILD:
			r.result = pin_close_by_child(&st.op, 0);
			break;
		case PIN_ACTOR_MUNMAP:
			pin_mem_unmap(&st.mem);
			break;
		case PIN_ACTOR_FORK:
			r.child = leave_child(&st);
			r.result = r.child < 0 ? -errno : 0;
			break;
		case PIN_ACTOR_EXIT:
			_exit(0);
		case PIN_ACTOR_EXEC:
			actor_exec(&st);
			break;
		case PIN_ACTOR_TASK:
			r.result = a->task(a, &st.op, o.arg, r.why);
			break;
		}
		if (send(fd, &r, sizeof(r), MSG_NOSIGNAL) != sizeof(r))
			break;
	}
	_exit(1);
}

int pin_actor_start(struct pin_actor *a)
{
	int pair[2];

	a->child = 0;
	a->fd = -1;
	/* Without a kind it is the task's own to allocate. */
	if (a->kind)
		a->pages = pin_consumer_pages(a->consumer, a->kernel, a->kind, a->pages);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return -errno;
	a->pid = fork();
	if (a->pid < 0) {
		a->pid = 0;
		close(pair[0]);
		close(pair[1]);
		return -errno;
	}
	if (!a->pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		/* Ctrl-C is the auditor's to handle: it ends us in good order. */
		signal(SIGINT, SIG_IGN);
		signal(SIGTERM, SIG_DFL);
		close(pair[0]);
		pin_scratch_disown();
		actor_main(a, pair[1]);
	}
	close(pair[1]);
	a->fd = pair[0];
	return 0;
}

static void say_how_it_died(struct pin_actor *a, char *why)
{
	int status = pin_actor_wait(a);

	if (status < 0)
		pin_why(why, 0, "the process under test hung: %s", strerror(-status));
	else if (WIFSIGNALED(status))
		pin_why(why, 0, "the process under test was killed by signal %d (%s)",
			WTERMSIG(status), strsignal(WTERMSIG(status)));
	else
		pin_why(why, 0, "the process under test exited with %d",
			WEXITSTATUS(status));
}

static int send_order(struct pin_actor *a, enum pin_actor_cmd cmd, long arg,
		      struct pin_actor_reply *reply)
{
	const struct order o = { cmd, arg };

	memset(reply, 0, sizeof(*reply));
	if (send(a->fd, &o, sizeof(o), MSG_NOSIGNAL) == sizeof(o))
		return 0;
	say_how_it_died(a, reply->why);
	return -EPIPE;
}

int pin_actor_end(struct pin_actor *a, enum pin_actor_cmd cmd, struct pin_actor_reply *reply)
{
	struct pollfd p = { .fd = a->fd, .events = POLLIN };
	ssize_t got;
	int n;

	/* Its end of the socket may live on in a child: nothing will come. */
	if (cmd == PIN_ACTOR_EXIT)
		return 0;
	do {
		n = poll(&p, 1, ANSWER_MS);
	} while (n < 0 && errno == EINTR);
	if (!n) {
		pin_why(reply->why, 0, "the process under test gave no answer for %d s",
			ANSWER_MS / 1000);
		return -ETIMEDOUT;
	}
	got = recv(a->fd, reply, sizeof(*reply), 0);
	if (got == sizeof(*reply)) {
		if (cmd == PIN_ACTOR_FORK && reply->result == 0)
			a->child = reply->child;
		return 0;
	}
	if (got == 1 && cmd == PIN_ACTOR_EXEC) {
		memset(reply, 0, sizeof(*reply));
		return 0;
	}
	memset(reply, 0, sizeof(*reply));
	say_how_it_died(a, reply->why);
	return -EPIPE;
}

static int do_order(struct pin_actor *a, enum pin_actor_cmd cmd, long arg,
		    struct pin_actor_reply *reply)
{
	int err = send_order(a, cmd, arg, reply);

	return err ? err : pin_actor_end(a, cmd, reply);
}

int pin_actor_begin(struct pin_actor *a, enum pin_actor_cmd cmd, struct pin_actor_reply *reply)
{
	return send_order(a, cmd, 0, reply);
}

int pin_actor_do(struct pin_actor *a, enum pin_actor_cmd cmd,
		 struct pin_actor_reply *reply)
{
	return do_order(a, cmd, 0, reply);
}

bool pin_actor_order(struct pin_audit *au, struct pin_actor *a, enum pin_actor_cmd cmd,
		     struct pin_actor_reply *reply)
{
	if (!pin_actor_do(a, cmd, reply))
		return true;
	pin_audit_fail(au, "%s", reply->why);
	return false;
}

bool pin_actor_open(struct pin_audit *au, struct pin_actor *a, struct pin_actor_reply *reply)
{
	if (!pin_actor_order(au, a, PIN_ACTOR_OPEN, reply))
		return false;
	if (reply->result)
		pin_audit_skip(au, "%s", *reply->why ? reply->why : strerror(-reply->result));
	return !reply->result;
}

void *pin_actor_shared(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		abort();
	return p;
}

int pin_actor_task(struct pin_actor *a, long arg, struct pin_actor_reply *reply)
{
	return do_order(a, PIN_ACTOR_TASK, arg, reply);
}

static int reap(pid_t pid)
{
	const uint64_t deadline = pin_now_ns() + ANSWER_MS * 1000000ull;
	struct pollfd end = { .fd = syscall(SYS_pidfd_open, pid, 0), .events = POLLIN };
	int status, err = -ETIMEDOUT;

	do {
		/* At most so long between two looks: some have no pidfd. */
		poll(&end, 1, end.fd < 0 ? 1 : 100);
		if (waitpid(pid, &status, WNOHANG) == pid)
			err = status;
	} while (err == -ETIMEDOUT && pin_now_ns() < deadline);
	if (end.fd >= 0)
		close(end.fd);
	return err;
}

int pin_actor_wait(struct pin_actor *a)
{
	int status;

	if (!a->pid)
		return 0;
	status = reap(a->pid);
	if (status >= 0)
		a->pid = 0;
	return status;
}

bool pin_actor_gone(struct pin_audit *au, struct pin_actor *a)
{
	const int status = pin_actor_wait(a);

	if (status < 0)
		pin_audit_fail(au, "the process does not end: %s", strerror(-status));
	return status >= 0;
}

void pin_actor_stop(struct pin_audit *au, struct pin_actor *a)
{
	if (a->pid > 0)
		kill(a->pid, SIGKILL);
	pin_actor_gone(au, a);
	/* Ours to reap once its parent is gone: the suite is a subreaper. */
	if (a->child > 0) {
		kill(a->child, SIGKILL);
		if (reap(a->child) < 0)
			pin_audit_fail(au, "its child does not end");
	}
	a->child = 0;
	if (a->fd >= 0)
		close(a->fd);
	a->fd = -1;
}
