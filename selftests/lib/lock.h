/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The counters belong to the machine: two programs that audit it, or load it,
 * at a time would be each other's noise.
 */
#ifndef PIN_LOCK_H
#define PIN_LOCK_H

#include <stdbool.h>

/* $PIN_LOCK, or the file all of them lock. */
const char *pin_lock_path(void);

/*
 * Lock it until the program ends. 0; -EAGAIN if somebody else has it and it
 * is not to @wait; -EINTR by a signal; else -errno: there is no such file.
 */
int pin_lock_machine(bool wait);

#endif
