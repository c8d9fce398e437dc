/* SPDX-License-Identifier: GPL-2.0 */
/* vDPA devices, for whoever needs one. */
#ifndef PIN_VDPA_H
#define PIN_VDPA_H

#include <stdbool.h>

struct pin_mem;

/* Drivers do not take each other's devices: call before the first is made. */
int pin_vdpa_prepare(char *why);

/* Make device @name, of management device @mgmt, for @driver alone. 0 or -errno. */
int pin_vdpa_add(const char *name, const char *mgmt, const char *driver);
/* Have @driver take it; pin_vdpa_take() takes it from the one that has it. 0 or -errno. */
int pin_vdpa_give(const char *name, const char *driver);
int pin_vdpa_take(const char *name);
/* Where vhost_vdpa has device @name, to @node of PIN_NODE_LEN bytes. 0 or -errno. */
int pin_vdpa_node(const char *name, char *node);
/* 0 or -errno; -ENOENT: there is none. */
int pin_vdpa_remove(const char *name);

/*
 * Does @m exceed RLIMIT_MEMLOCK? That holds for root, too, and is asked before
 * a page is touched.
 */
bool pin_vdpa_too_much(const struct pin_mem *m);

#endif
