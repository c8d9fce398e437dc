/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The kernel's fault injection: the n-th allocation of memory that a thread
 * makes fails, and nobody else's. N is written to fail-nth of the thread.
 */
#ifndef PIN_INJECT_H
#define PIN_INJECT_H

/* Does this kernel have it? 0, or -errno, and in @why what it takes. */
int pin_inject_probe(char *why);

/* Let every kind of allocation fail, until pin_scratch_end(): 0, or -errno and @why. */
int pin_inject_setup(char *why);

/* Tell the kernel log of each ('1') or not ('0'). */
void pin_inject_verbose(const char *value);

#endif
