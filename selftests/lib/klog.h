/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The kernel log as a witness: WARN, BUG, "Bad page", KASAN, lockdep and the
 * like while a test ran. Source: /dev/kmsg, records of the kernel's own
 * facility only, so that user space cannot fail a test by writing there.
 */
#ifndef PIN_KLOG_H
#define PIN_KLOG_H

#include <stdbool.h>
#include <stddef.h>

struct pin_klog {
	int fd;			/* -1: not permitted */
	char tail[8][160];	/* last kernel lines, a ring */
	unsigned int tail_next;
	char bad[2048];		/* lines that pin_klog_check() has not told yet */
	unsigned int nr_bad;
};

/* Start watching from now on. Returns 0, or a negative errno: no watch. */
int pin_klog_open(struct pin_klog *log);
void pin_klog_close(struct pin_klog *log);

/* Read what there is, before the kernel writes over it: a test may say very much. */
void pin_klog_read(struct pin_klog *log);

/*
 * Of what came since the last call: returns how many lines were bad, and up
 * to @len bytes of them, each ended by a newline, in @bad. Records that the
 * kernel overwrote before they could be read count as one bad line.
 */
unsigned int pin_klog_check(struct pin_klog *log, char *bad, size_t len);

/* True if @line is one that fails a test. */
bool pin_klog_is_bad(const char *line);

#endif
