/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Who took the pins that were not released: a command that leaks is run once
 * more, under pintrace.
 */
#ifndef PIN_ATTRIBUTE_H
#define PIN_ATTRIBUTE_H

/*
 * Run @argv, of which argv[0] is this program itself, and hand what pintrace
 * reports to @say, line by line: each owner of what is outstanding, and its
 * stack. The caller's lock is lent to it. Returns 0, or -errno when there is no
 * report; what pintrace said instead went to @say.
 */
int pin_attribute(char *const argv[], void (*say)(void *arg, const char *line), void *arg);

/*
 * Become pintrace: that of $PINTRACE, or as it is built beside the tools and
 * the suite, or installed. Returns -errno if there is none.
 */
int pin_exec_pintrace(char *const argv[]);

#endif
