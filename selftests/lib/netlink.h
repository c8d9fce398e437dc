/* SPDX-License-Identifier: GPL-2.0 */
/* Netlink, as much as it takes to make and remove devices of our own. */
#ifndef PIN_NETLINK_H
#define PIN_NETLINK_H

#include <linux/netlink.h>
#include <stddef.h>
#include <sys/types.h>

struct pin_nl {
	struct nlmsghdr hdr;
	char rest[512];
};

/* Begin message @type with flags @flags and a fixed part of @len bytes at @fixed. */
void pin_nl_begin(struct pin_nl *m, unsigned int type, unsigned int flags,
		  const void *fixed, size_t len);
void pin_nl_attr(struct pin_nl *m, unsigned int type, const void *data, size_t len);
void pin_nl_string(struct pin_nl *m, unsigned int type, const char *text);

/* What is added until pin_nl_nested() gets what this returned is inside of it. */
struct nlattr *pin_nl_nest(struct pin_nl *m, unsigned int type);
void pin_nl_nested(struct pin_nl *m, struct nlattr *nest);

/* The data of attribute @type in [@attrs, @end), or NULL. */
const void *pin_nl_find(const void *attrs, const void *end, unsigned int type);

/* Send to @protocol and read what comes back: its length, or -errno. */
ssize_t pin_nl_ask(int protocol, const struct pin_nl *m, void *answer, size_t len);

/* Send with NLM_F_ACK: the kernel's verdict, 0 or -errno. */
int pin_nl_order(int protocol, struct pin_nl *m);

/* The number of the generic netlink family @name, or -errno. */
int pin_nl_family(const char *name);

#endif
