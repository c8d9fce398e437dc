// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "klog.h"

static const char *const bad_words[] = {
	"BUG:", "BUG at", "Oops", "Bad page", "bad page",
	"Bad rss-counter", "KASAN", "KCSAN", "KFENCE", "UBSAN", "KMSAN",
	"general protection fault", "Unable to handle kernel",
	"possible recursive locking", "possible circular locking",
	"suspicious RCU usage", "inconsistent lock state", "held lock freed",
	"possible deadlock", "INFO: task", "soft lockup", "hard LOCKUP",
	"refcount_t:", "list_add corruption", "list_del corruption",
	"vmstat_refresh: nr_foll_pin",
};

bool pin_klog_is_bad(const char *line)
{
	/* Only at the start: drivers and file systems write the word too. */
	if (!strncmp(line, "WARNING:", 8))
		return true;
	for (size_t i = 0; i < sizeof(bad_words) / sizeof(bad_words[0]); i++) {
		if (strstr(line, bad_words[i]))
			return true;
	}
	return false;
}

int pin_klog_open(struct pin_klog *log)
{
	struct stat st;

	memset(log, 0, sizeof(*log));
	log->fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (log->fd < 0)
		return -errno;
	/* Containers like to put /dev/null there. */
	if (fstat(log->fd, &st) || st.st_rdev != makedev(1, 11) ||
	    lseek(log->fd, 0, SEEK_END) < 0) {
		pin_klog_close(log);
		return -EINVAL;
	}
	return 0;
}

void pin_klog_close(struct pin_klog *log)
{
	if (log->fd >= 0)
		close(log->fd);
	log->fd = -1;
}

static void add_bad(struct pin_klog *log, const char *line)
{
	size_t used = strlen(log->bad);

	snprintf(log->bad + used, sizeof(log->bad) - used, "%s\n", line);
	log->nr_bad++;
}

void pin_klog_read(struct pin_klog *log)
{
	char record[8192], *text, *end;
	ssize_t got;

	if (log->fd < 0)
		return;
	for (;;) {
		got = read(log->fd, record, sizeof(record) - 1);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0 && errno == EPIPE) {
			add_bad(log, "kernel log records were lost: what they said is unknown");
			continue;
		}
		if (got <= 0)
			return;
		record[got] = '\0';
		text = strchr(record, ';');
		/* "priority,...": the facility is above the three level bits. */
		if (!text || strtoul(record, NULL, 10) >> 3)
			continue;
		text++;
		end = strchr(text, '\n');
		if (end)
			*end = '\0';
		snprintf(log->tail[log->tail_next++ % 8], sizeof(log->tail[0]), "%s", text);
		if (pin_klog_is_bad(text))
			add_bad(log, text);
	}
}

unsigned int pin_klog_check(struct pin_klog *log, char *bad, size_t len)
{
	unsigned int found;

	pin_klog_read(log);
	snprintf(bad, len, "%s", log->bad);
	found = log->nr_bad;
	log->bad[0] = '\0';
	log->nr_bad = 0;
	return found;
}
