// SPDX-License-Identifier: GPL-2.0
/*
 * Negative controls: ways to reach another's pages, or one's own through the
 * kernel, that take plain references or none. The counters must not move.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/errqueue.h>
#include <linux/futex.h>
#include <linux/perf_event.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "consumers/dio.h"
#include "proc.h"
#include "suite.h"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE	23
#endif
#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT		21
#endif
#ifndef SO_ZEROCOPY
#define SO_ZEROCOPY		60
#endif
#ifndef MSG_ZEROCOPY
#define MSG_ZEROCOPY		0x4000000
#endif

#define PAGES	16	/* fits a pipe */
#define SHORT	100	/* bytes: several are in one packet */

struct buffer {
	char *p;
	size_t len;
	long page;
};

/* Each returns 0 if it has done its work, else -errno. */
static long call_vmsplice(struct buffer *b, unsigned int flags, bool onward)
{
	struct iovec iov = { b->p, b->len };
	int pipe_fd[2], null = -1;
	long n, err = 0;

	if (pipe2(pipe_fd, O_CLOEXEC))
		return -errno;
	n = vmsplice(pipe_fd[1], &iov, 1, flags);
	if (n <= 0)
		err = n ? -errno : -EIO;
	if (!err && onward) {
		null = open("/dev/null", O_WRONLY | O_CLOEXEC);
		if (splice(pipe_fd[0], NULL, null, NULL, n, 0) != n)
			err = errno ? -errno : -EIO;
		close(null);
	}
	close(pipe_fd[0]);
	close(pipe_fd[1]);
	return err;
}

static long do_vmsplice(struct buffer *b)
{
	return call_vmsplice(b, 0, false);
}

static long do_vmsplice_gift(struct buffer *b)
{
	return call_vmsplice(b, SPLICE_F_GIFT, false);
}

static long do_vmsplice_splice(struct buffer *b)
{
	return call_vmsplice(b, 0, true);
}

static int tcp_pair(int pair[2])
{
	struct sockaddr_in addr = { .sin_family = AF_INET };
	socklen_t len = sizeof(addr);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	pair[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	pair[1] = -1;
	if (!bind(listener, (struct sockaddr *)&addr, sizeof(addr)) &&
	    !listen(listener, 1) &&
	    !getsockname(listener, (struct sockaddr *)&addr, &len) &&
	    !connect(pair[0], (struct sockaddr *)&addr, sizeof(addr)))
		pair[1] = accept(listener, NULL, NULL);
	close(listener);
	return pair[1] < 0 ? -errno : 0;
}

/* A connection whose first end sends without copying. */
static int zerocopy_pair(int pair[2])
{
	const int one = 1;
	int err = tcp_pair(pair);

	if (!err && setsockopt(pair[0], SOL_SOCKET, SO_ZEROCOPY, &one, sizeof(one)))
		err = -errno;
	return err;
}

/* Read @bytes, and wait until the kernel has let go of the pages that they came from. */
static long drain_zerocopy(const int pair[2], size_t bytes)
{
	char control[128], data[4096];
	struct msghdr msg = { .msg_control = control, .msg_controllen = sizeof(control) };
	struct pollfd p = { .fd = pair[0] };

	while (bytes) {
		const ssize_t n = read(pair[1], data, bytes < sizeof(data) ? bytes : sizeof(data));

		if (n <= 0)
			return n ? -errno : -EIO;
		bytes -= n;
	}
	if (poll(&p, 1, 5000) != 1 || recvmsg(pair[0], &msg, MSG_ERRQUEUE) < 0)
		return -ETIMEDOUT;
	return 0;
}

static long do_zerocopy(struct buffer *b)
{
	int pair[2];
	long n, err = zerocopy_pair(pair);

	if (!err) {
		n = send(pair[0], b->p, b->len, MSG_ZEROCOPY);
		err = n > 0 ? drain_zerocopy(pair, n) : -errno;
	}
	close(pair[0]);
	close(pair[1]);
	return err;
}

/*
 * Sends that share a packet share a notification, and what they charge to the
 * user's RLIMIT_MEMLOCK comes back with it: many times more in all than there is
 * room for at once.
 */
static long send_charged(const struct buffer *b)
{
	const rlim_t room = PAGES * b->page;
	const struct rlimit limit = { room, room };
	int pair[2];
	long err = pin_become_ordinary() ?: zerocopy_pair(pair);

	if (!err && setrlimit(RLIMIT_MEMLOCK, &limit))
		err = -errno;
	for (int i = 0; !err && i < 4 * PAGES; i++) {
		int cork = 1;

		setsockopt(pair[0], IPPROTO_TCP, TCP_CORK, &cork, sizeof(cork));
		for (int j = 0; !err && j < 3; j++) {
			if (send(pair[0], b->p + j * b->page, SHORT, MSG_ZEROCOPY) != SHORT)
				err = -errno;
		}
		cork = 0;
		setsockopt(pair[0], IPPROTO_TCP, TCP_CORK, &cork, sizeof(cork));
		if (!err)
			err = drain_zerocopy(pair, 3 * SHORT);
	}
	return err;
}

static long do_zerocopy_charged(struct buffer *b)
{
	int status;
	pid_t pid = fork();

	if (!pid)
		_exit(-send_charged(b));
	if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		return -ECHILD;
	return -WEXITSTATUS(status);
}

static long do_vm_readv_nothing(struct buffer *b)
{
	struct iovec local = { b->p, 0 }, remote = { b->p, 0 };

	return process_vm_readv(getpid(), &local, 1, &remote, 1, 0) ? -errno : 0;
}

static long do_vm_readv_nobody(struct buffer *b)
{
	struct iovec local = { b->p, 1 }, remote = { b->p, 1 };
	pid_t pid = fork();

	if (!pid)
		_exit(0);
	waitpid(pid, NULL, 0);
	if (process_vm_readv(pid, &local, 1, &remote, 1, 0) != -1 || errno != ESRCH)
		return -EIO;
	return 0;
}

static long do_mem_read(struct buffer *b)
{
	int fd = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
	char *copy = malloc(b->len);
	long n = pread(fd, copy, b->len, (uintptr_t)b->p);

	close(fd);
	free(copy);
	return n == (long)b->len ? 0 : -EIO;
}

static long do_mem_write(struct buffer *b)
{
	int fd = open("/proc/self/mem", O_WRONLY | O_CLOEXEC);
	char *copy = calloc(1, b->len);
	long n = pwrite(fd, copy, b->len, (uintptr_t)b->p);

	close(fd);
	free(copy);
	return n == (long)b->len ? 0 : -EIO;
}

static long do_ptrace(struct buffer *b)
{
	pid_t pid = fork();
	long word, err = 0;

	if (pid < 0)
		return -errno;
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (ptrace(PTRACE_TRACEME, 0, NULL, NULL))
			_exit(1);
		raise(SIGSTOP);
		_exit(0);
	}
	waitpid(pid, NULL, 0);
	errno = 0;
	word = ptrace(PTRACE_PEEKDATA, pid, b->p, NULL);
	if (errno || ptrace(PTRACE_POKEDATA, pid, b->p, (void *)(word + 1)))
		err = -errno;
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	return err;
}

static long do_futex(struct buffer *b)
{
	uint32_t *word = (uint32_t *)b->p;

	for (int own = 0; own < 2; own++) {
		int flag = own ? FUTEX_PRIVATE_FLAG : 0;

		/* Not the value: looked up, found different, returned. */
		if (syscall(SYS_futex, word, FUTEX_WAIT | flag, *word + 1, NULL) != -1 ||
		    errno != EAGAIN)
			return -EIO;
		if (syscall(SYS_futex, word, FUTEX_WAKE | flag, 1) < 0)
			return -errno;
	}
	return 0;
}

static long do_pagemap(struct buffer *b)
{
	uint64_t entry[PAGES];
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	long n = pread(fd, entry, sizeof(entry), (uintptr_t)b->p / b->page * 8);

	close(fd);
	return n == sizeof(entry) ? 0 : -EIO;
}

static long do_mlock(struct buffer *b)
{
	return mlock(b->p, b->len) || munlock(b->p, b->len) ? -errno : 0;
}

static long do_ksm(struct buffer *b)
{
	if (madvise(b->p, b->len, MADV_MERGEABLE) ||
	    madvise(b->p, b->len, MADV_UNMERGEABLE))
		return -errno;
	return 0;
}

static long do_populate(struct buffer *b)
{
	if (madvise(b->p, b->len, MADV_DONTNEED) ||
	    madvise(b->p, b->len, MADV_POPULATE_WRITE))
		return -errno;
	return 0;
}

static long do_pageout(struct buffer *b)
{
	return madvise(b->p, b->len, MADV_PAGEOUT) ? -errno : 0;
}

static long do_move_pages(struct buffer *b)
{
	void *pages[PAGES];
	int status[PAGES];

	for (int i = 0; i < PAGES; i++)
		pages[i] = b->p + i * b->page;
	return syscall(SYS_move_pages, 0, PAGES, pages, NULL, status, 0) ? -errno : 0;
}

static long do_mremap(struct buffer *b)
{
	char *p = mremap(b->p, b->len, b->len + b->page, MREMAP_MAYMOVE);

	if (p == MAP_FAILED)
		return -errno;
	b->p = mremap(p, b->len + b->page, b->len, 0);
	return 0;
}

static long do_fork_cow(struct buffer *b)
{
	int status;
	pid_t pid = fork();

	if (pid < 0)
		return -errno;
	if (!pid) {
		memset(b->p, 2, b->len);
		_exit(0);
	}
	memset(b->p, 3, b->len);
	return waitpid(pid, &status, 0) == pid && !status ? 0 : -EIO;
}

static long do_crash(struct buffer *b)
{
	int status;
	pid_t pid = fork();

	(void)b;
	if (pid < 0)
		return -errno;
	if (!pid) {
		const struct rlimit none = { 0, 0 };

		setrlimit(RLIMIT_CORE, &none);
		signal(SIGSEGV, SIG_DFL);
		raise(SIGSEGV);
		_exit(0);
	}
	return waitpid(pid, &status, 0) == pid && WIFSIGNALED(status) ? 0 : -EIO;
}

static int buffered_file(void)
{
	char path[512];
	int fd;

	if (!pin_file_dir())
		return -1;
	snprintf(path, sizeof(path), "%s/pin-control-XXXXXX", pin_file_dir());
	fd = mkostemp(path, O_CLOEXEC);
	unlink(path);
	return fd;
}

static long do_buffered(struct buffer *b)
{
	int fd = buffered_file();
	long err = 0;

	if (fd < 0)
		return -EROFS;
	if (pwrite(fd, b->p, b->len, 0) != (long)b->len ||
	    pread(fd, b->p, b->len, 0) != (long)b->len)
		err = -EIO;
	close(fd);
	return err;
}

static long do_sendfile(struct buffer *b)
{
	int fd = buffered_file(), null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	off_t offset = 0;
	long err = 0;

	if (fd < 0)
		return -EROFS;
	if (pwrite(fd, b->p, b->len, 0) != (long)b->len ||
	    sendfile(null, fd, &offset, b->len) != (long)b->len)
		err = -EIO;
	close(fd);
	close(null);
	return err;
}

/* tmpfs takes O_DIRECT since 6.6 and copies all the same. */
static long do_dio_tmpfs(struct buffer *b)
{
	int fd = memfd_create("pin-control", MFD_CLOEXEC);
	char path[64];
	long err = 0;
	int direct;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	direct = open(path, O_RDWR | O_DIRECT | O_CLOEXEC);
	if (direct < 0) {
		err = errno == EINVAL ? -EOPNOTSUPP : -errno;
	} else {
		if (pwrite(direct, b->p, b->len, 0) != (long)b->len ||
		    pread(direct, b->p, b->len, 0) != (long)b->len)
			err = -EIO;
		close(direct);
	}
	close(fd);
	return err;
}

static long do_dio_hole(struct buffer *b)
{
	char why[PIN_WHY_LEN];
	int fd = pin_dio_file(b->page, why);
	long n;

	if (fd < 0)
		return -EROFS;
	/* At the end of the file there is nothing to read. */
	n = pread(fd, b->p, b->len, b->page);
	close(fd);
	return n ? -EIO : 0;
}

struct control {
	const char *name;
	long (*work)(struct buffer *b);
	int missing;		/* the errno of a kernel that lacks it */
	const char *how;
};

/*
 * A buffer of perf events, of which so much is in VmPin as a user may not have for
 * nothing: as if it were pinned, and no longer than there is the buffer.
 */
static long do_perf(struct buffer *b)
{
	struct perf_event_attr event = {
		.type = PERF_TYPE_SOFTWARE, .size = sizeof(event),
		.config = PERF_COUNT_SW_DUMMY, .exclude_kernel = 1,
	};
	const long free_bytes = pin_read_number("/proc/sys/kernel/perf_event_mlock_kb", 0) * 1024 *
				sysconf(_SC_NPROCESSORS_ONLN);
	struct pin_statement before, there;
	size_t len = b->page;
	long err = 0;
	void *p;
	int fd;

	fd = syscall(SYS_perf_event_open, &event, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);
	if (fd < 0 || pin_statement_read(getpid(), &before))
		return -EPERM;
	while ((long)len <= free_bytes)
		len *= 2;
	len += b->page;
	p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED) {
		err = -EPERM;
	} else {
		if (pin_statement_read(getpid(), &there) || there.vmpin_kib <= before.vmpin_kib)
			err = -EILSEQ;
		munmap(p, len);
	}
	close(fd);
	return err;
}

static const struct control controls[] = {
	{ "vmsplice", do_vmsplice, 0, NULL },
	{ "vmsplice.gift", do_vmsplice_gift, 0, NULL },
	{ "vmsplice.splice", do_vmsplice_splice, 0, NULL },
	{ "msg_zerocopy", do_zerocopy, 0, NULL },
	{ "msg_zerocopy.charged", do_zerocopy_charged, 0, NULL },
	{ "process_vm.nothing", do_vm_readv_nothing, 0, NULL },
	{ "process_vm.nobody", do_vm_readv_nobody, 0, NULL },
	{ "proc_mem.read", do_mem_read, 0, NULL },
	{ "proc_mem.write", do_mem_write, 0, NULL },
	{ "ptrace", do_ptrace, EPERM, "ptrace is not permitted here" },
	{ "futex", do_futex, 0, NULL },
	{ "pagemap", do_pagemap, 0, NULL },
	{ "mlock", do_mlock, 0, NULL },
	{ "perf", do_perf, EPERM, "no perf event with such a buffer: ulimit -l" },
	{ "ksm", do_ksm, EINVAL, "kernel option KSM" },
	{ "madvise.populate", do_populate, EINVAL, "MADV_POPULATE_WRITE is since 5.14" },
	{ "madvise.pageout", do_pageout, 0, NULL },
	{ "move_pages", do_move_pages, ENOSYS, "kernel option NUMA" },
	{ "mremap", do_mremap, 0, NULL },
	{ "fork.cow", do_fork_cow, 0, NULL },
	{ "crash", do_crash, 0, NULL },
	{ "buffered_io", do_buffered, EROFS, "no file system at hand: set TMPDIR" },
	{ "sendfile", do_sendfile, EROFS, "no file system at hand: set TMPDIR" },
	{ "dio.tmpfs", do_dio_tmpfs, EOPNOTSUPP, "O_DIRECT on tmpfs is since 6.6" },
	{ "dio.end_of_file", do_dio_hole, EROFS, "no O_DIRECT at hand: set TMPDIR" },
};

static enum pin_verdict run_control(struct pin_audit *au, const void *arg)
{
	static const struct pin_predict nothing;
	const struct control *c = arg;
	long page = pin_audit_kernel(au)->page_size, result;
	struct buffer b = { .len = PAGES * page, .page = page };

	b.p = mmap(NULL, b.len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (b.p == MAP_FAILED)
		return pin_audit_fail(au, "mmap: %s", strerror(errno));
	madvise(b.p, b.len, MADV_NOHUGEPAGE);
	memset(b.p, 1, b.len);
	pin_audit_base_vmpin(au, getpid());
	result = c->work(&b);
	if (c->missing && result == -c->missing)
		pin_audit_skip(au, "%s", c->how);
	else
		pin_audit_step(au, c->name, &nothing, result, getpid());
	munmap(b.p, b.len);
	return PIN_PASS;
}

static void add_tests(struct pin_suite *s)
{
	for (size_t i = 0; i < sizeof(controls) / sizeof(controls[0]); i++)
		pin_suite_add(s, run_control, &controls[i], "%s", controls[i].name);
}

int main(int argc, char **argv)
{
	static const struct pin_program program = {
		.name = "control_test",
		.doc = "Negative controls: operations on user pages that must not pin any. The counters must not move.",
		.add_tests = add_tests,
	};

	return pin_suite_main(&program, argc, argv);
}
