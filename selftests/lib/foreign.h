/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Signs that another program took or dropped pins for good: what processes say
 * in VmPin, in VmLck where VFIO may be behind it, and the number of AF_XDP
 * sockets. Asked when pins have appeared or gone once and the test does not
 * repeat it.
 */
#ifndef PIN_FOREIGN_H
#define PIN_FOREIGN_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define PIN_FOREIGN_MAX	256

struct pin_foreign {
	unsigned int nr;
	bool overflow;		/* more holders than fit: always "changed" */
	long xdp_sockets;
	struct {
		pid_t pid;
		long kib;
	} holder[PIN_FOREIGN_MAX];
};

/* Note who holds what now, our own processes left out. */
void pin_foreign_note(struct pin_foreign *f);

/* Has any of that changed? Then who, as text in @who. */
bool pin_foreign_changed(const struct pin_foreign *f, char *who, size_t len);

#endif
