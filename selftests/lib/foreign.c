// SPDX-License-Identifier: GPL-2.0
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "foreign.h"
#include "proc.h"

static pid_t parent_of(pid_t pid)
{
	char path[64], line[256];
	int parent = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	f = fopen(path, "re");
	if (!f)
		return 0;
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "PPid: %d", &parent) == 1)
			break;
	}
	fclose(f);
	return parent;
}

/* This process, or one that it or those have started. */
static bool is_own(pid_t pid)
{
	while (pid > 1 && pid != getpid())
		pid = parent_of(pid);
	return pid == getpid();
}

struct sockets {
	unsigned long *inode;
	unsigned int nr;
};

/* Once, however many have it open. */
static void note_socket(struct sockets *s, unsigned long inode)
{
	for (unsigned int i = 0; i < s->nr; i++) {
		if (s->inode[i] == inode)
			return;
	}
	s->inode = realloc(s->inode, (s->nr + 1) * sizeof(*s->inode));
	if (!s->inode)
		abort();
	s->inode[s->nr++] = inode;
}

static bool is_xdp(int process, int fd)
{
	int domain = 0, copy = syscall(SYS_pidfd_getfd, process, fd, 0);
	socklen_t len = sizeof(domain);

	if (copy < 0)
		return false;
	getsockopt(copy, SOL_SOCKET, SO_DOMAIN, &domain, &len);
	close(copy);
	return domain == AF_XDP;
}

static void note_sockets_of(struct sockets *s, pid_t pid)
{
	int process = syscall(SYS_pidfd_open, pid, 0);
	char path[64], link[64];
	struct dirent *entry;
	unsigned long inode;
	ssize_t n;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	dir = opendir(path);
	while (dir && (entry = readdir(dir))) {
		n = readlinkat(dirfd(dir), entry->d_name, link, sizeof(link) - 1);
		link[n < 0 ? 0 : n] = '\0';
		if (sscanf(link, "socket:[%lu]", &inode) == 1 &&
		    is_xdp(process, atoi(entry->d_name)))
			note_socket(s, inode);
	}
	if (dir)
		closedir(dir);
	if (process >= 0)
		close(process);
}

/* Before 5.6, which cannot be asked of what kind a socket is, none. */
static long own_xdp_sockets(void)
{
	struct sockets sockets = { .nr = 0 };
	DIR *proc = opendir("/proc");
	struct dirent *entry;

	while (proc && (entry = readdir(proc))) {
		const pid_t pid = atoi(entry->d_name);

		if (pid > 0 && is_own(pid))
			note_sockets_of(&sockets, pid);
	}
	if (proc)
		closedir(proc);
	free(sockets.inode);
	return sockets.nr;
}

/* Of all others. */
static long xdp_sockets(void)
{
	char line[256];
	long sockets = 0;
	FILE *f = fopen("/proc/net/protocols", "re");

	if (!f)
		return 0;
	while (fgets(line, sizeof(line), f))
		sscanf(line, "XDP %*d %ld", &sockets);
	fclose(f);
	return sockets ? sockets - own_xdp_sockets() : 0;
}

/*
 * VmLck is mlock()ed memory, which grows and shrinks as it likes, and what VFIO
 * and iommufd pin, which need a group or a device beside /dev/vfio/vfio.
 */
static bool vmlck_may_be_pins(void)
{
	struct dirent *entry;
	DIR *dir = opendir("/dev/vfio");
	bool found = false;

	while (dir && !found && (entry = readdir(dir)))
		found = *entry->d_name != '.' && strcmp(entry->d_name, "vfio");
	if (dir)
		closedir(dir);
	return found;
}

void pin_foreign_note(struct pin_foreign *f)
{
	struct pin_statement st;
	struct dirent *entry;
	DIR *proc = opendir("/proc");
	bool vmlck = vmlck_may_be_pins();
	long kib;
	pid_t pid;

	memset(f, 0, sizeof(*f));
	f->xdp_sockets = xdp_sockets();
	while (proc && (entry = readdir(proc))) {
		pid = atoi(entry->d_name);
		if (pid <= 0 || pin_statement_read(pid, &st))
			continue;
		kib = st.vmpin_kib + (vmlck && st.vmlck_kib > 0 ? st.vmlck_kib : 0);
		if (!kib || is_own(pid))
			continue;
		if (f->nr == PIN_FOREIGN_MAX) {
			f->overflow = true;
			break;
		}
		f->holder[f->nr].pid = pid;
		f->holder[f->nr++].kib = kib;
	}
	if (proc)
		closedir(proc);
}

static long held_by(const struct pin_foreign *f, pid_t pid)
{
	for (unsigned int i = 0; i < f->nr; i++) {
		if (f->holder[i].pid == pid)
			return f->holder[i].kib;
	}
	return 0;
}

static bool differs(const struct pin_foreign *a, const struct pin_foreign *b, pid_t *pid)
{
	for (unsigned int i = 0; i < a->nr; i++) {
		*pid = a->holder[i].pid;
		if (held_by(b, *pid) != a->holder[i].kib)
			return true;
	}
	return false;
}

bool pin_foreign_changed(const struct pin_foreign *f, char *who, size_t len)
{
	struct pin_foreign now;
	pid_t pid;

	pin_foreign_note(&now);
	if (f->overflow || now.overflow) {
		snprintf(who, len, "more than %d processes hold pinned or locked memory",
			 PIN_FOREIGN_MAX);
		return true;
	}
	if (now.xdp_sockets != f->xdp_sockets) {
		snprintf(who, len, "AF_XDP sockets: %ld, were %ld", now.xdp_sockets,
			 f->xdp_sockets);
		return true;
	}
	if (!differs(&now, f, &pid) && !differs(f, &now, &pid))
		return false;
	snprintf(who, len, "pinned memory of process %d: %ld kB, was %ld kB", pid,
		 held_by(&now, pid), held_by(f, pid));
	return true;
}
