// SPDX-License-Identifier: GPL-2.0
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "foreign.h"
#include "proc.h"

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
	return sockets;
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
		if (pid <= 0 || pid == getpid() || pin_statement_read(pid, &st))
			continue;
		kib = st.vmpin_kib + (vmlck && st.vmlck_kib > 0 ? st.vmlck_kib : 0);
		if (!kib || parent_of(pid) == getpid())
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
