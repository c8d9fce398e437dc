/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The books that pintrace keeps of a command, for programs among what it runs:
 * what they alone have pinned, whatever else is at work on the machine.
 *
 * pintrace puts the number of a descriptor into the command's environment, to
 * be mapped; a BPF map is behind it. All are pages, and only ever grow.
 */
#ifndef PIN_OWN_H
#define PIN_OWN_H

#include <linux/types.h>

#define PIN_OWN_ENV	"PIN_TRACE_OWN"

struct pin_own {
	__u64 acquired;		/* by the command and its descendants */
	__u64 released;		/* of these, and of what nobody is known to have taken */
	__u64 others;		/* acquired by everybody else */
	__u64 lost;		/* of whoever: no room in the books, so these are wrong */
};

/* Returns the books, mapped for good, or NULL if this is not run by pintrace. */
const volatile struct pin_own *pin_own_map(void);

#endif
