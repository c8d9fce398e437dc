// SPDX-License-Identifier: GPL-2.0
/*
 * TOUCH, case 4 of Documentation/core-api/pin_user_pages.rst: only struct page
 * is worked on, not the data, so that a plain reference is right.
 */
#include <linux/sched/signal.h>
#include <linux/swap.h>

#include "compat.h"
#include "internal.h"

#define BATCH	64

long ph_touch(struct ph_file *file, void *arg)
{
	struct pin_helper_touch *touch = arg;
	struct page *pages[BATCH];
	unsigned long nr_pages, done, at;
	int error, got, i;

	if (touch->flags)
		return -EINVAL;
	error = ph_pages_of(touch->addr, touch->length, &nr_pages);
	if (error)
		return error;
	for (done = 0; done < nr_pages; done += got) {
		if (fatal_signal_pending(current))
			return -EINTR;
		at = (touch->addr & PAGE_MASK) + (done << PAGE_SHIFT);
		got = get_user_pages_fast(at, min_t(unsigned long, nr_pages - done, BATCH),
					  0, pages);
		if (got <= 0) {
			error = got ?: -EFAULT;
			break;
		}
		for (i = 0; i < got; i++) {
			mark_page_accessed(pages[i]);
			put_page(pages[i]);
		}
		cond_resched();
	}
	touch->pages = done;
	return done ? 0 : error;
}
