/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What this kernel does with pins: the one place that knows about versions.
 *
 * Distribution kernels backport. A behaviour that came with version V must be
 * the new one from V on; before V either is right, and pin_kernel_init()
 * finds out which by trying it once, so that every later comparison is exact.
 */
#ifndef PIN_KERNEL_FACTS_H
#define PIN_KERNEL_FACTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "counters.h"

#define PIN_KVER(major, minor)	(((major) << 16) | (minor))

enum pin_coalesce {
	PIN_COALESCE_NONE,
	PIN_COALESCE_SINGLE,	/* a buffer inside one large folio: 6.4 */
	PIN_COALESCE_MULTI,	/* any run of equal large folios: 6.12 */
};

struct pin_kernel {
	char release[65];
	unsigned int version;		/* PIN_KVER() */
	long page_size;			/* bytes */
	size_t pmd_size;		/* bytes, 0: no transparent huge pages */
	bool zero_page_counted;		/* until 6.5, c8070b787519 */
	bool dio_pins;			/* since 6.5, 920756a3306a */
	bool longterm_file_refused;	/* since 6.5, 8ac268436e6d */
	bool uring_file_refused;	/* until 6.5, edd478269640 */
	bool uring_vmpin;		/* registered buffers show in VmPin */
	enum pin_coalesce uring_coalesce;
	bool integrity_pins;		/* metadata: since 6.8, 492c5d455969 */
	bool netfs_pins;		/* fs/9p: since 6.8, 80105ed2fd27 */
	bool fuse_pins;			/* since 6.9, 738adade96b2 */
	bool udmabuf_pins;		/* since 6.11, c6a3194c05e7 */
	/*
	 * Memory that long-term pins must leave first exists here (movable
	 * zone, CMA): such a pin may count up to twice.
	 */
	bool movable_memory;
	/* Where CMA is, as far as the kernel log still has it. */
	struct {
		uint64_t first_pfn, end_pfn;
	} cma[4];
};

/* Memory that is CMA's, from where a long-term pin moves a page first. */
bool pin_kernel_in_cma(const struct pin_kernel *k, uint64_t pfn);

/*
 * Fill in the facts; tries operations out where the version does not decide,
 * unless @c is NULL.
 * Returns 0 or a negative errno.
 */
int pin_kernel_init(struct pin_kernel *k, const struct pin_counters *c);

/* A miscount that some kernels are known to have. */
struct pin_known_issue {
	const char *id;
	const char *consumer;		/* fnmatch pattern, with FNM_EXTMATCH */
	const char *target;		/* the same: file system, device or other */
	unsigned int from, until;	/* PIN_KVER(); until 0: not fixed yet */
	bool untried;			/* it does too much harm to be tried */
	const char *reason;
};

/* Returns the issue that applies to @consumer on @target here, or NULL. */
const struct pin_known_issue *pin_known_issue(const struct pin_kernel *k,
					      const char *consumer,
					      const char *target);

/* The same for those that are not to be tried. */
const struct pin_known_issue *pin_known_untried(const struct pin_kernel *k,
						const char *consumer,
						const char *target);

#endif
