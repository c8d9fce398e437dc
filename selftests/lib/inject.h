/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The kernel's fault injection: the n-th allocation of memory that a thread
 * makes fails, and nobody else's. N is written to fail-nth of the thread. Those
 * behind it fail by what make-it-fail and debugfs choose.
 */
#ifndef PIN_INJECT_H
#define PIN_INJECT_H

#include <stdbool.h>

/* Does this kernel have it? 0, or -errno, and in @why what it takes. */
int pin_inject_probe(char *why);

/* Let every kind of allocation fail, until pin_scratch_end(): 0, or -errno and @why. */
int pin_inject_setup(char *why);

/* The files of a thread, which it opens itself. */
struct pin_inject {
	int nth, mark;
	int times;	/* the n-th and those behind it; 0: alone */
};

int pin_inject_open(struct pin_inject *in, char *why);

/*
 * From now on the @n-th allocation of this thread fails, and then as many as @more of
 * slabs, and of pages: 0 or -errno.
 */
int pin_inject_nth(struct pin_inject *in, unsigned int n, unsigned int more);

/* No more; has any failed? */
bool pin_inject_end(struct pin_inject *in);

/* Tell the kernel log of each ('1') or not ('0'). */
void pin_inject_verbose(const char *value);

#endif
