// SPDX-License-Identifier: GPL-2.0
/*
 * Pins PAGES pages as an io_uring fixed buffer, prints its pid and keeps them
 * for SECONDS. With "daemon" a process that outlives this one does it. With
 * "kmsg" it prints instead what the kernel log got meanwhile.
 *
 *   pin_holder PAGES SECONDS [daemon|kmsg]
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define SKIP 77

static int pin(size_t pages)
{
	struct io_uring_params p = { 0 };
	struct iovec iov;
	int fd;

	iov.iov_len = pages * sysconf(_SC_PAGESIZE);
	iov.iov_base = mmap(NULL, iov.iov_len, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (iov.iov_base == MAP_FAILED)
		return -1;
	/* One pin a page, whatever the THP setting. */
	madvise(iov.iov_base, iov.iov_len, MADV_NOHUGEPAGE);
	memset(iov.iov_base, 1, iov.iov_len);
	fd = syscall(__NR_io_uring_setup, 1, &p);
	if (fd < 0)
		return -1;
	return syscall(__NR_io_uring_register, fd, IORING_REGISTER_BUFFERS,
		       &iov, 1);
}

/* Prints "quiet" if there is nothing to print. */
static void read_log(int fd)
{
	char record[8192];
	int found = 0;
	ssize_t n;

	for (;;) {
		n = read(fd, record, sizeof(record));
		if (n < 0 && errno == EPIPE)
			puts("lost");
		else if (n > 0)
			printf("%.*s", (int)n, record);
		else
			break;
		found = 1;
	}
	if (!found)
		puts("quiet");
}

static int report(int fd)
{
	if (fd >= 0) {
		read_log(fd);
		return 0;
	}
	printf("%d\n", getpid());
	return fflush(stdout);
}

int main(int argc, char **argv)
{
	const char *mode = argc > 3 ? argv[3] : "";
	int daemon = !strcmp(mode, "daemon");
	int fds[2], log = -1;
	char ok = 0;

	if (argc < 3)
		return 2;
	if (daemon) {
		if (pipe(fds))
			return 1;
		if (fork()) {
			/* Wait until it holds them. */
			close(fds[1]);
			return read(fds[0], &ok, 1) == 1 ? 0 : SKIP;
		}
		close(fds[0]);
		setsid();
	} else if (!strcmp(mode, "kmsg")) {
		log = open("/dev/kmsg", O_RDONLY | O_NONBLOCK);
		if (log < 0 || lseek(log, 0, SEEK_END) < 0) {
			perror("/dev/kmsg");
			return SKIP;
		}
	}
	if (pin(atoi(argv[1]))) {
		perror("pin_holder");
		return SKIP;
	}
	if (report(log))
		return 1;
	if (daemon) {
		if (write(fds[1], &ok, 1) != 1)
			return 1;
		/* Or whoever reads our output waits for it. */
		fclose(stdout);
		fclose(stderr);
	}
	sleep(atoi(argv[2]));
	return 0;
}
