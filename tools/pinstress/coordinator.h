/* SPDX-License-Identifier: GPL-2.0 */
#ifndef PINSTRESS_COORDINATOR_H
#define PINSTRESS_COORDINATOR_H

#include "pinstress.h"

/* Of the worker with that pid, or NULL. */
struct line *line_of(struct run *r, pid_t pid);

/* Close the lines of workers that have died. */
void reap_workers(struct run *r);

/*
 * True if a worker died of anything but a SIGKILL since the last call; what
 * is known of it goes to @text.
 */
bool crashes_since(struct run *r, char *text, size_t len);

#endif
