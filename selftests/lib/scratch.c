// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/swap.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "consumer.h"
#include "proc.h"
#include "scratch.h"

/* <linux/fs.h> and <sys/mount.h> do not go together everywhere. */
#ifndef FIFREEZE
#define FIFREEZE	_IOWR('X', 119, int)
#define FITHAW		_IOWR('X', 120, int)
#endif

#define MAX_UNDO	256
#define THAW_S		15	/* nothing stays frozen longer than that */
#define STUCK_S		60	/* who is still at it then waits for ever */
#define STUCK_TOO_S	5	/* and who comes after that, most likely for the same */

enum undo_kind {
	UNDO_WRITE,	/* path, value */
	UNDO_UNLINK,
	UNDO_RMDIR,
	UNDO_UMOUNT,
	UNDO_LOOP,	/* path; dev and ino of the file behind it */
	UNDO_ZRAM,	/* the janitor makes the device, too */
	UNDO_THAW,
	UNDO_CALL,	/* call(path) */
	UNDO_SWAPOFF,
};

struct undo {
	enum undo_kind kind;
	char path[256];
	char value[64];
	dev_t dev;
	ino_t ino;
	time_t frozen;		/* when it was announced, 0: no matter */
	int (*call)(const char *arg);	/* the janitor runs the same program */
};

static int janitor_fd = -1;
static pid_t janitor;

int pin_write_file(const char *path, const char *value)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC), err = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, value, strlen(value)) < 0)
		err = -errno;
	close(fd);
	return err;
}

/* Only if it is over our file: we may have died before it was. */
static int loop_clear(const struct undo *u)
{
	int fd = open(u->path, O_RDWR | O_CLOEXEC), err = 0;
	struct loop_info64 info;

	if (fd < 0)
		return errno == ENXIO ? 0 : -errno;
	if (ioctl(fd, LOOP_GET_STATUS64, &info))
		err = errno == ENXIO ? 0 : -errno;
	else if (info.lo_device == u->dev && info.lo_inode == u->ino &&
		 ioctl(fd, LOOP_CLR_FD) && errno != ENXIO)
		err = -errno;
	close(fd);
	return err;
}

static int freeze(const char *dir, bool thaw)
{
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), err = 0;

	if (fd < 0)
		return -errno;
	if (ioctl(fd, thaw ? FITHAW : FIFREEZE, 0))
		err = -errno;
	close(fd);
	/* Thawed already, or never frozen. */
	return thaw && err == -EINVAL ? 0 : err;
}

static int undo_once(const struct undo *u)
{
	switch (u->kind) {
	case UNDO_WRITE:
	case UNDO_ZRAM:
		return pin_write_file(u->path, u->value);
	case UNDO_UNLINK:
		return unlink(u->path) ? -errno : 0;
	case UNDO_RMDIR:
		return rmdir(u->path) ? -errno : 0;
	case UNDO_UMOUNT:
		/* EINVAL: the mount it was announced for never happened. */
		return umount2(u->path, 0) && errno != EINVAL ? -errno : 0;
	case UNDO_LOOP:
		return loop_clear(u);
	case UNDO_THAW:
		return freeze(u->path, true);
	case UNDO_CALL:
		return u->call(u->path);
	case UNDO_SWAPOFF:
		/* EINVAL: it never came to be used. */
		return swapoff(u->path) && errno != EINVAL ? -errno : 0;
	}
	return 0;
}

static time_t seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec;
}

/* Processes of a crashed test may take a moment to let go. */
static int undo_repeated(const struct undo *u)
{
	int err = 0;

	for (int tries = 0; tries < 200; tries++) {
		err = undo_once(u);
		if (!err || err == -ENOENT)
			return 0;
		usleep(tries < 50 ? 2000 : 20000);
	}
	return err;
}

/*
 * By a process of its own, which has nothing that anyone waits for: a kernel that has
 * lost a reference may not let it return. Returns whether it did.
 */
static bool undo_now(const struct undo *u, int most_s)
{
	const time_t start = seconds();
	int null, status = 0;
	pid_t pid = fork(), done;

	if (!pid) {
		null = open("/dev/null", O_RDWR);
		for (int fd = 0; fd < 3; fd++)
			dup2(null, fd);
		_exit(-undo_repeated(u));
	}
	do {
		done = waitpid(pid, &status, WNOHANG);
		if (!done)
			usleep(1000);
	} while (!done && seconds() - start < most_s);
	if (!done)
		fprintf(stderr, "# could not restore %s: process %d is still at it after %d s\n",
			u->path, pid, most_s);
	else if (done < 0 || !WIFEXITED(status) || WEXITSTATUS(status))
		fprintf(stderr, "# could not restore %s: %s\n", u->path,
			strerror(done < 0 ? errno : WEXITSTATUS(status)));
	return done;
}

/* Thaw what has been frozen for too long: -1, or ms until the next look. */
static int watch_frozen(struct undo *list, int n)
{
	bool any = false;

	for (int i = 0; i < n; i++) {
		if (!list[i].frozen)
			continue;
		if (seconds() - list[i].frozen >= THAW_S) {
			freeze(list[i].path, true);
			list[i].frozen = 0;
		} else {
			any = true;
		}
	}
	return any ? 500 : -1;
}

/* One entry for each file system, however often it is frozen. */
static int find_thaw(const struct undo *list, int n, const char *path)
{
	for (int i = 0; i < n; i++) {
		if (list[i].kind == UNDO_THAW && !strcmp(list[i].path, path))
			return i;
	}
	return n;
}

/* Made here, so that no death of the test can come between it and its undo. */
static void make_zram(struct undo *u, char *answer)
{
	long long n = pin_read_number("/sys/class/zram-control/hot_add", -1);

	snprintf(answer, sizeof(u->value), "%lld", n);
	snprintf(u->value, sizeof(u->value), "%lld", n);
	snprintf(u->path, sizeof(u->path), "/sys/class/zram-control/hot_remove");
}

static void __attribute__((noreturn)) janitor_main(int fd)
{
	static struct undo list[MAX_UNDO];
	struct pollfd orders = { .fd = fd, .events = POLLIN };
	bool stuck = false;
	char answer[64];
	int n = 0, at;

	setsid();
	prctl(PR_SET_NAME, PIN_JANITOR);
	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	for (;;) {
		struct undo u;

		if (!poll(&orders, 1, watch_frozen(list, n)))
			continue;
		if (recv(fd, &u, sizeof(u), 0) != sizeof(u))
			break;
		memcpy(answer, "ok", 3);
		if (u.kind == UNDO_THAW)
			at = find_thaw(list, n, u.path);
		else
			at = n;
		if (at == MAX_UNDO)
			memcpy(answer, "full", 5);
		else if (u.kind == UNDO_ZRAM)
			make_zram(&u, answer);
		if (at < MAX_UNDO && *answer != '-') {
			list[at] = u;
			n += at == n;
		}
		/* The maker waits until the undo is known. */
		if (send(fd, answer, sizeof(answer), MSG_NOSIGNAL) != sizeof(answer))
			break;
	}
	while (n--)
		stuck |= !undo_now(&list[n], stuck ? STUCK_TOO_S : STUCK_S);
	_exit(stuck);
}

int pin_scratch_start(void)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return -errno;
	janitor = fork();
	if (janitor < 0)
		return -errno;
	if (!janitor) {
		close(pair[0]);
		janitor_main(pair[1]);
	}
	close(pair[1]);
	janitor_fd = pair[0];
	return 0;
}

void pin_scratch_disown(void)
{
	if (janitor_fd >= 0)
		close(janitor_fd);
	janitor_fd = -1;
}

bool pin_scratch_end(void)
{
	int status = 0;

	pin_scratch_disown();
	if (janitor > 0)
		while (waitpid(janitor, &status, 0) < 0 && errno == EINTR)
			;
	janitor = 0;
	return !status;
}

/* Tell the janitor; @answer, of sizeof(u->value), may be NULL. */
static int tell(const struct undo *u, char *answer, char *why)
{
	char said[sizeof(u->value)];
	ssize_t got = -1;

	if (send(janitor_fd, u, sizeof(*u), MSG_NOSIGNAL) == sizeof(*u))
		do {
			got = recv(janitor_fd, said, sizeof(said), 0);
		} while (got < 0 && errno == EINTR);
	if (got != sizeof(said))
		return pin_why(why, -EPIPE, "the process that restores the machine is gone");
	if (!strcmp(said, "full"))
		return pin_why(why, -ENOSPC, "more than %d changes to the machine", MAX_UNDO);
	if (answer)
		memcpy(answer, said, sizeof(said));
	return 0;
}

static int announce(enum undo_kind kind, const char *path, const char *value, char *why)
{
	struct undo u = { .kind = kind };

	if (kind == UNDO_THAW)
		u.frozen = seconds();
	if (snprintf(u.path, sizeof(u.path), "%s", path) >= (int)sizeof(u.path) ||
	    snprintf(u.value, sizeof(u.value), "%s", value) >= (int)sizeof(u.value))
		return pin_why(why, -ENAMETOOLONG, "path too long: %s", path);
	return tell(&u, NULL, why);
}

int pin_scratch_undo(int (*call)(const char *arg), const char *arg, char *why)
{
	struct undo u = { .kind = UNDO_CALL, .call = call };

	if (snprintf(u.path, sizeof(u.path), "%s", arg) >= (int)sizeof(u.path))
		return pin_why(why, -ENAMETOOLONG, "too long: %s", arg);
	return tell(&u, NULL, why);
}

int pin_scratch_once(struct pin_once *once, const struct pin_kernel *k,
		     int (*make)(const struct pin_kernel *k, char *why), char *why)
{
	if (!once->tried)
		once->err = make(k, once->why);
	once->tried = true;
	return once->err ? pin_why(why, once->err, "%s", once->why) : 0;
}

int pin_scratch_open_unused(const char *paths, int nr, int flags, int *which)
{
	int fd;

	errno = ENODEV;
	for (int i = 0; i < nr; i++) {
		fd = open(paths + i * PIN_NODE_LEN, flags | O_CLOEXEC);
		if (which)
			*which = i;
		if (fd >= 0 || errno != EBUSY)
			return fd;
	}
	return -1;
}

int pin_scratch_setting(const char *path, const char *value, char *why)
{
	char old[128] = "", *open_bracket, *close_bracket;
	int fd, err;
	ssize_t got;

	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return pin_why(why, -errno, "%s: %s", path, strerror(errno));
	got = read(fd, old, sizeof(old) - 1);
	close(fd);
	if (got < 0)
		return pin_why(why, -EIO, "%s cannot be read", path);
	/* "always [madvise] never": the value in force is in brackets. */
	open_bracket = strchr(old, '[');
	close_bracket = strchr(old, ']');
	if (open_bracket && close_bracket) {
		*close_bracket = '\0';
		memmove(old, open_bracket + 1, close_bracket - open_bracket);
	}
	old[strcspn(old, "\n")] = '\0';
	/* Nothing to undo where nothing can be done. */
	if (access(path, W_OK))
		return pin_why(why, -errno, "cannot write %s: %s", path, strerror(errno));
	err = announce(UNDO_WRITE, path, old, why);
	if (err)
		return err;
	err = pin_write_file(path, value);
	if (err)
		return pin_why(why, err, "cannot write %s to %s: %s", value, path,
			       strerror(-err));
	return 0;
}

static int reserve_hugepages(const char *dir, size_t size, unsigned int pages, char *why)
{
	char path[160], value[32];
	long long have, unused;
	int err;

	snprintf(path, sizeof(path), "%s/free_hugepages", dir);
	unused = pin_read_number(path, -1);
	if (unused < 0)
		return pin_why(why, -ENOENT, "no hugetlb pages of %zu kB: kernel option HUGETLBFS",
			       size / 1024);
	if (unused >= pages)
		return 0;
	snprintf(path, sizeof(path), "%s/nr_hugepages", dir);
	have = pin_read_number(path, 0);
	snprintf(value, sizeof(value), "%lld", have + pages - unused);
	err = pin_scratch_setting(path, value, why);
	/*
	 * The kernel stops early, without an error, when a signal or task work
	 * is pending, such as that of an io_uring that was just closed.
	 */
	for (int tries = 0; !err && tries < 10 &&
	     pin_read_number(path, 0) < have + pages - unused; tries++)
		err = pin_write_file(path, value);
	if (err)
		return err;
	snprintf(path, sizeof(path), "%s/free_hugepages", dir);
	unused = pin_read_number(path, 0);
	if (unused < pages)
		return pin_why(why, -ENOMEM, "only %lld of %u free hugetlb pages of %zu kB could be had: memory is short or fragmented",
			       unused, pages, size / 1024);
	return 0;
}

int pin_scratch_hugepages(size_t size, unsigned int pages, char *why)
{
	char dir[128];
	int nodes = 0, err = 0;

	for (int node = 0; node < PIN_MAX_NODES && !err; node++) {
		snprintf(dir, sizeof(dir),
			 "/sys/devices/system/node/node%d/hugepages/hugepages-%zukB",
			 node, size / 1024);
		if (access(dir, F_OK))
			continue;
		nodes++;
		err = reserve_hugepages(dir, size, pages, why);
	}
	if (nodes)
		return err;
	snprintf(dir, sizeof(dir), "/sys/kernel/mm/hugepages/hugepages-%zukB", size / 1024);
	return reserve_hugepages(dir, size, pages, why);
}

void pin_scratch_pool(const struct pin_kernel *k, unsigned int pages)
{
	char why[PIN_WHY_LEN];

	/* Tests that need one say so, too, where they skip. */
	if (k->pmd_size && pin_scratch_hugepages(k->pmd_size, pages, why))
		printf("# hugetlb pages: %s\n", why);
}

int pin_scratch_mkdir(const char *path, char *why)
{
	int err = announce(UNDO_RMDIR, path, "", why);

	if (!err && mkdir(path, 0700))
		err = pin_why(why, -errno, "%s: %s", path, strerror(errno));
	return err;
}

int pin_scratch_dir(char *path, size_t len, char *why)
{
	const char *parent = pin_file_dir();
	unsigned long long name;
	char full[256];

	if (!parent)
		return pin_why(why, -ENOENT, "no file system at hand that keeps files on a device: set TMPDIR");
	/* The janitor may not share our working directory. */
	if (!realpath(parent, full))
		return pin_why(why, -errno, "%s: %s", parent, strerror(errno));
	/* Not mkdtemp: the name must be known before the directory is made. */
	if (getrandom(&name, sizeof(name), 0) != sizeof(name))
		name = pin_now_ns() ^ getpid();
	if (snprintf(path, len, "%s/pin-scratch-%016llx", full, name) >= (int)len)
		return pin_why(why, -ENAMETOOLONG, "path too long: %s", full);
	return pin_scratch_mkdir(path, why);
}

static int fill(int fd, size_t bytes)
{
	static char block[1 << 20];
	size_t n;

	for (; bytes; bytes -= n) {
		n = bytes < sizeof(block) ? bytes : sizeof(block);
		errno = ENOSPC;
		if (write(fd, block, n) != (ssize_t)n)
			return -errno;
	}
	return fsync(fd) ? -errno : 0;
}

/* Without, what is written to a sparse file later fails as an I/O error. */
static int need_room(const char *dir, size_t bytes, char *why)
{
	const size_t least = 256u << 20;
	unsigned long long room;
	struct statvfs fs;

	if (bytes < least)
		bytes = least;
	if (statvfs(dir, &fs))
		return pin_why(why, -errno, "%s: %s", dir, strerror(errno));
	room = (unsigned long long)fs.f_bavail * fs.f_frsize;
	if (room >= bytes)
		return 0;
	return pin_why(why, -ENOSPC, "only %llu MB free in %s, %zu MB needed: set TMPDIR to another file system",
		       room >> 20, dir, bytes >> 20);
}

static int make_file(const char *dir, const char *name, size_t bytes, bool sparse,
		     char *path, size_t len, char *why)
{
	int fd, err;

	if (snprintf(path, len, "%s/%s", dir, name) >= (int)len)
		return pin_why(why, -ENAMETOOLONG, "path too long: %s", dir);
	err = sparse ? need_room(dir, bytes, why) : 0;
	if (!err)
		err = announce(UNDO_UNLINK, path, "", why);
	if (err)
		return err;
	fd = open(path, O_CREAT | O_RDWR | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		return pin_why(why, -errno, "%s: %s", path, strerror(errno));
	if (sparse)
		err = ftruncate(fd, bytes) ? -errno : 0;
	else
		err = fill(fd, bytes);
	if (err)
		pin_why(why, err, "making a file of %zu MB in %s: %s", bytes >> 20, dir,
			strerror(-err));
	close(fd);
	return err;
}

int pin_scratch_file(const char *dir, const char *name, size_t bytes,
		     char *path, size_t len, char *why)
{
	return make_file(dir, name, bytes, false, path, len, why);
}

int pin_scratch_sparse_file(const char *dir, const char *name, size_t bytes,
			    char *path, size_t len, char *why)
{
	return make_file(dir, name, bytes, true, path, len, why);
}

int pin_scratch_loop(const char *file, bool direct_io, char *dev, size_t len, char *why)
{
	struct loop_config cfg = {
		.info.lo_flags = direct_io ? LO_FLAGS_DIRECT_IO : 0,
	};
	struct undo u = { .kind = UNDO_LOOP };
	struct stat st;
	int ctl, fd = -1, back, n, err = 0;

	ctl = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
	if (ctl < 0)
		return pin_why(why, -errno, "/dev/loop-control: %s: kernel option BLK_DEV_LOOP (modprobe loop), and root",
			       strerror(errno));
	back = open(file, O_RDWR | O_CLOEXEC);
	if (back < 0) {
		err = pin_why(why, -errno, "%s: %s", file, strerror(errno));
		goto out;
	}
	if (fstat(back, &st)) {
		err = pin_why(why, -errno, "%s: %s", file, strerror(errno));
		goto out_back;
	}
	cfg.fd = back;
	u.dev = st.st_dev;
	u.ino = st.st_ino;
	/* Another program may take the free device first: ask again then. */
	for (int tries = 0; tries < 16; tries++) {
		n = ioctl(ctl, LOOP_CTL_GET_FREE);
		if (n < 0) {
			err = pin_why(why, -errno, "no free loop device: %s", strerror(errno));
			break;
		}
		snprintf(dev, len, "/dev/loop%d", n);
		for (int wait = 0; wait < 100; wait++) {
			fd = open(dev, O_RDWR | O_CLOEXEC);
			if (fd >= 0 || errno != ENOENT)
				break;
			usleep(10000);	/* devtmpfs or udev makes the node */
		}
		if (fd < 0) {
			err = pin_why(why, -errno, "%s: %s", dev, strerror(errno));
			break;
		}
		snprintf(u.path, sizeof(u.path), "%s", dev);
		err = tell(&u, NULL, why);
		if (err || !ioctl(fd, LOOP_CONFIGURE, &cfg))
			break;
		err = pin_why(why, -errno, "%s over %s: %s (LOOP_CONFIGURE is since 5.8)",
			      dev, file, strerror(errno));
		close(fd);
		fd = -1;
		if (err != -EBUSY)
			break;
	}
	if (fd >= 0)
		close(fd);
out_back:
	close(back);
out:
	close(ctl);
	return err;
}

int pin_scratch_zram(size_t bytes, char *dev, size_t len, char *why)
{
	struct undo u = { .kind = UNDO_ZRAM };
	char value[32], path[128], id[sizeof(u.value)];
	int err = 0;

	if (access("/sys/class/zram-control", F_OK))
		err = pin_scratch_module("zram", "ZRAM", NULL, why);
	/* Reading hot_add makes a device that is ours alone. */
	if (err >= 0)
		err = tell(&u, id, why);
	if (err < 0)
		return err;
	if (*id == '-')
		return pin_why(why, -EPERM, "no zram device to be had: needs root");
	snprintf(path, sizeof(path), "/sys/block/zram%s/disksize", id);
	snprintf(value, sizeof(value), "%zu", bytes);
	err = pin_write_file(path, value);
	if (err)
		return pin_why(why, err, "%s: %s", path, strerror(-err));
	snprintf(dev, len, "/dev/zram%s", id);
	for (int wait = 0; wait < 100 && access(dev, F_OK); wait++)
		usleep(10000);
	return 0;
}

/* What mkswap writes: the kernel asks for no more than version and length. */
static int write_swap_header(const char *dev, size_t bytes)
{
	const long page = sysconf(_SC_PAGESIZE);
	const uint32_t version = 1, last_page = bytes / page - 1;
	char *header = calloc(1, page);
	int err = -ENOMEM, fd = open(dev, O_RDWR | O_CLOEXEC);

	if (fd >= 0 && header) {
		memcpy(header + 1024, &version, sizeof(version));
		memcpy(header + 1028, &last_page, sizeof(last_page));
		memcpy(header + page - 10, "SWAPSPACE2", 10);
		err = write(fd, header, page) == page && !fsync(fd) ? 0 : -errno;
	}
	if (fd >= 0)
		close(fd);
	free(header);
	return err;
}

int pin_scratch_swap(size_t bytes, char *dev, size_t len, char *why)
{
	int err = pin_scratch_zram(bytes, dev, len, why);

	if (err)
		return err;
	err = write_swap_header(dev, bytes);
	if (!err)
		err = announce(UNDO_SWAPOFF, dev, "", why);
	if (!err && swapon(dev, 0))
		err = -errno;
	if (err)
		pin_why(why, err, "swap on %s: %s: kernel option SWAP", dev, strerror(-err));
	return err;
}

static void first_line(int fd, char *line, size_t len)
{
	ssize_t got = fd < 0 ? 0 : pread(fd, line, len - 1, 0);

	line[got < 0 ? 0 : got] = '\0';
	line[strcspn(line, "\n")] = '\0';
}

static int run_mkfs(const struct pin_scratch_fs *fs, const char *dev, char *why)
{
	const char *argv[PIN_MKFS_ARGS + 3] = { fs->mkfs };
	int status, said, n = 1;
	char line[120];
	pid_t pid;

	for (int i = 0; i < PIN_MKFS_ARGS && fs->args[i]; i++)
		argv[n++] = fs->args[i];
	argv[n] = dev;
	said = memfd_create("mkfs", MFD_CLOEXEC);
	pid = fork();
	if (pid < 0) {
		status = pin_why(why, -errno, "fork: %s", strerror(errno));
		close(said);
		return status;
	}
	if (!pid) {
		int null = open("/dev/null", O_RDWR);

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		pin_scratch_disown();
		dup2(null, STDOUT_FILENO);
		dup2(said < 0 ? null : said, STDERR_FILENO);
		setenv("PATH", "/usr/sbin:/sbin:/usr/bin:/bin", 1);
		execvp(fs->mkfs, (char *const *)argv);
		_exit(errno == ENOENT ? 127 : 126);
	}
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	first_line(said, line, sizeof(line));
	if (said >= 0)
		close(said);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
		return pin_why(why, -ENOENT, "%s is not installed (Debian: %s)",
			       fs->mkfs, fs->package);
	if (status)
		return pin_why(why, -EIO, "%s %s failed with status %#x: %s", fs->mkfs, dev,
			       status, line);
	return 0;
}

int pin_scratch_share(char *tag, size_t len, char *why)
{
	const char *name = getenv("PIN_SCRATCH_9P");
	int err;

	if (!name)
		return pin_why(why, -ENODEV, "no directory shared with a host: PIN_SCRATCH_9P=TAG, in a guest with QEMU's -virtfs local,mount_tag=TAG,...");
	err = pin_scratch_module("9pnet_virtio", "NET_9P_VIRTIO", NULL, why);
	snprintf(tag, len, "%s", name);
	return err < 0 ? -ENODEV : 0;
}

int pin_scratch_mount(const struct pin_scratch_fs *fs, const char *dev, char *dir,
		      size_t len, char *why)
{
	int err = fs->mkfs ? run_mkfs(fs, dev, why) : 0;

	if (!err)
		err = pin_scratch_dir(dir, len, why);
	if (!err)
		err = announce(UNDO_UMOUNT, dir, "", why);
	if (!err && mount(dev, dir, fs->type, MS_NOATIME, fs->options))
		err = pin_why(why, -errno, errno == ENODEV ?
			      "this kernel has no file system %s: kernel option %s" :
			      "mount of %s (%s): %s",
			      fs->type, errno == ENODEV ? fs->config : dev, strerror(errno));
	return err;
}

int pin_scratch_freeze(const char *dir, char *why)
{
	int err = announce(UNDO_THAW, dir, "", why);

	if (!err)
		err = freeze(dir, false);
	if (err && err != -EPIPE)
		pin_why(why, err, "FIFREEZE of %s: %s", dir, strerror(-err));
	return err;
}

int pin_scratch_thaw(const char *dir)
{
	return freeze(dir, true);
}
