// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "proc.h"

#define ORDINARY_UID	2147470000	/* and up: users without processes */

int pin_statement_read(pid_t pid, struct pin_statement *s)
{
	char path[64], line[256];
	FILE *f;

	s->vmpin_kib = -1;
	s->vmlck_kib = -1;
	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	f = fopen(path, "re");
	if (!f)
		return errno == ENOENT ? -ESRCH : -errno;
	while (fgets(line, sizeof(line), f)) {
		if (!strncmp(line, "VmPin:", 6))
			s->vmpin_kib = strtol(line + 6, NULL, 10);
		else if (!strncmp(line, "VmLck:", 6))
			s->vmlck_kib = strtol(line + 6, NULL, 10);
	}
	fclose(f);
	return s->vmpin_kib < 0 ? -ESRCH : 0;
}

bool pin_have_cap(int cap)
{
	unsigned long long caps = 0;
	char line[256];
	FILE *f = fopen("/proc/self/status", "re");

	if (!f)
		return false;
	while (fgets(line, sizeof(line), f)) {
		if (!strncmp(line, "CapEff:", 7))
			caps = strtoull(line + 7, NULL, 16);
	}
	fclose(f);
	return caps & (1ull << cap);
}

int pin_set_cap(int cap, bool effective)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct caps[2];
	const unsigned int word = cap / 32, bit = 1u << cap % 32;

	if (syscall(SYS_capget, &head, caps))
		return -errno;
	if (effective)
		caps[word].effective |= bit;
	else
		caps[word].effective &= ~bit;
	return syscall(SYS_capset, &head, caps) ? -errno : 0;
}

int pin_limit_memlock(pid_t pid, rlim_t bytes, rlim_t *before)
{
	struct rlimit limit;

	if (prlimit(pid, RLIMIT_MEMLOCK, NULL, &limit))
		return -errno;
	if (before)
		*before = limit.rlim_cur;
	limit.rlim_cur = bytes;
	if (limit.rlim_max < bytes)
		limit.rlim_max = bytes;
	return prlimit(pid, RLIMIT_MEMLOCK, &limit, NULL) ? -errno : 0;
}

void pin_limit_descriptors(bool limited)
{
	const int lowest = open("/dev/null", O_RDONLY | O_CLOEXEC);
	struct rlimit limit;

	close(lowest);
	getrlimit(RLIMIT_NOFILE, &limit);
	if (!limited)
		limit.rlim_cur = limit.rlim_max;
	else if (lowest >= 0)
		limit.rlim_cur = lowest;
	setrlimit(RLIMIT_NOFILE, &limit);
}

bool pin_drop_ipc_lock(void)
{
	const struct rlimit none = { RLIM_INFINITY, RLIM_INFINITY };

	return pin_have_cap(CAP_IPC_LOCK) && !setrlimit(RLIMIT_MEMLOCK, &none) &&
	       !pin_set_cap(CAP_IPC_LOCK, false);
}

/* Have all powers that are permitted but @without, bits of the first 32. */
static int use_powers(unsigned int without)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];

	if (syscall(SYS_capget, &head, data))
		return -errno;
	data[0].permitted &= ~without;
	data[0].effective = data[0].permitted;
	data[1].effective = data[1].permitted;
	data[0].inheritable = 0;
	data[1].inheritable = 0;
	return syscall(SYS_capset, &head, data) ? -errno : 0;
}

int pin_become_somebody(void)
{
	const uid_t uid = ORDINARY_UID + getpid() % 10000;

	if (geteuid())
		return 0;
	if (prctl(PR_SET_KEEPCAPS, 1) || setresuid(uid, -1, -1) || setresuid(-1, uid, uid))
		return -errno;
	return use_powers(0);
}

int pin_become_ordinary(void)
{
	return pin_become_somebody() ?: use_powers(1u << CAP_IPC_LOCK | 1u << CAP_SYS_RESOURCE);
}

bool pin_file_begins(const char *path, const char *word)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	char text[64] = "";

	if (fd < 0)
		return false;
	if (read(fd, text, sizeof(text) - 1) <= 0)
		*text = '\0';
	close(fd);
	return !strncmp(text, word, strlen(word));
}

long long pin_read_number(const char *path, long long fallback)
{
	FILE *f = fopen(path, "re");
	long long n;

	if (!f)
		return fallback;
	if (fscanf(f, "%lld", &n) != 1)
		n = fallback;
	fclose(f);
	return n;
}

long long pin_hugetlb_pool(size_t size, const char *what)
{
	char path[128];

	snprintf(path, sizeof(path), "/sys/kernel/mm/hugepages/hugepages-%zukB/%s", size / 1024,
		 what);
	return pin_read_number(path, 0);
}

long pin_faults(void)
{
	struct rusage usage;

	getrusage(RUSAGE_THREAD, &usage);
	return usage.ru_minflt;
}

long pin_meminfo(const char *name)
{
	const size_t len = strlen(name);
	FILE *f = fopen("/proc/meminfo", "re");
	long number = 0;
	char line[128];

	if (!f)
		return 0;
	while (fgets(line, sizeof(line), f)) {
		/* Below zero it is printed as a large number. */
		if (!strncmp(line, name, len) && line[len] == ':')
			number = strtoull(line + len + 1, NULL, 10);
	}
	fclose(f);
	return number;
}
