// SPDX-License-Identifier: GPL-2.0
/*
 * SCAN: which page frames hold memory that may be pinned, by node, zone and kind.
 */
#include <linux/memory_hotplug.h>
#include <linux/mmzone.h>
#include <linux/nodemask.h>
#include <linux/page_ref.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "compat.h"
#include "internal.h"

#define SCAN_FLAGS	(PIN_HELPER_SCAN_MOVABLE | PIN_HELPER_SCAN_LIST)
#define MAX_BUDGET	BIT_ULL(24)
#define MAX_COUNTS	4096u
#define LIST_BATCH	32

struct scan {
	struct pin_helper_scan *arg;
	struct pin_helper_scan_count *counts;
	struct pin_helper_page list[LIST_BATCH];
	unsigned int batched;	/* of list[], not yet with the caller */
};

static unsigned long end_of_memory(void)
{
	unsigned long end = 0;
	int node;

	for_each_online_node(node)
		end = max(end, pgdat_end_pfn(NODE_DATA(node)));
	return end;
}

static u8 kind_of(u32 flags)
{
	bool anon = flags & PIN_HELPER_PAGE_ANON;

	if (flags & PIN_HELPER_PAGE_HUGETLB)
		return PIN_HELPER_KIND_HUGETLB;
	if (anon && flags & PIN_HELPER_PAGE_LARGE)
		return PIN_HELPER_KIND_ANON_LARGE;
	if (anon)
		return PIN_HELPER_KIND_ANON;
	if (flags & PIN_HELPER_PAGE_SWAPBACKED)
		return PIN_HELPER_KIND_SHMEM;
	return PIN_HELPER_KIND_FILE;
}

static int flush_list(struct scan *scan)
{
	struct pin_helper_scan *arg = scan->arg;
	struct pin_helper_page __user *user = u64_to_user_ptr(arg->list);

	if (copy_to_user(user + arg->list_used, scan->list,
			 scan->batched * sizeof(*scan->list)))
		return -EFAULT;
	arg->list_used += scan->batched;
	scan->batched = 0;
	return 0;
}

/* Where folios like this one are counted; NULL: no room. */
static struct pin_helper_scan_count *count_of(struct scan *scan,
					      struct pin_helper_page *page, u8 kind)
{
	struct pin_helper_scan *arg = scan->arg;
	struct pin_helper_scan_count *count;
	u32 i;

	for (i = 0; i < arg->counts_used; i++) {
		count = &scan->counts[i];
		if (count->node == page->node && count->zone == page->zone &&
		    count->kind == kind)
			return count;
	}
	if (i == arg->counts_room)
		return NULL;
	arg->counts_used++;
	count = &scan->counts[i];
	memset(count, 0, sizeof(*count));
	count->node = page->node;
	count->zone = page->zone;
	count->kind = kind;
	return count;
}

/* False: no room, and the folio is not counted. */
static bool report(struct scan *scan, struct pin_helper_page *page,
		   unsigned long pages, bool mapping)
{
	struct pin_helper_scan *arg = scan->arg;
	struct pin_helper_scan_count *count;
	u8 kind = kind_of(page->flags);
	bool list = arg->flags & PIN_HELPER_SCAN_LIST;

	if (kind == PIN_HELPER_KIND_FILE && !mapping)
		kind = PIN_HELPER_KIND_OTHER;
	if (list && arg->list_used + scan->batched == arg->list_room)
		return false;
	count = count_of(scan, page, kind);
	if (!count)
		return false;
	count->pages += pages;
	count->folios++;
	if (list)
		scan->list[scan->batched++] = *page;
	return true;
}

/*
 * The folio that @page, at @pfn, is part of. How far to go on; 0: no room for
 * what it has to say.
 */
static unsigned long scan_page(struct scan *scan, struct page *page,
			       unsigned long pfn, unsigned long end)
{
	struct pin_helper_page seen;
	unsigned long pages;
	struct page *head;
	bool fits = true;

	/* Cheap, and takes no reference: nearly all pages end here. */
	if (!PageCompound(page) && page_ref_count(page) < (int)GUP_PIN_COUNTING_BIAS)
		return 1;
	if (scan->arg->flags & PIN_HELPER_SCAN_MOVABLE &&
	    page_zonenum(page) != ZONE_MOVABLE)
		return 1;
	head = ph_try_get(page);
	if (!head)
		return 1;
	ph_describe(page, 1, &seen);
	pages = min((1ul << seen.order) - seen.index, end - pfn);
	if (seen.flags & PIN_HELPER_PAGE_MAYBE_PINNED)
		fits = report(scan, &seen, pages, ph_mapping(head));
	put_page(head);
	return fits ? pages : 0;
}

/* Memory that is not online may share its section with some that is: pmem does. */
static unsigned long next_memory(unsigned long pfn)
{
#ifdef CONFIG_SPARSEMEM
	return ALIGN(pfn + 1, PAGES_PER_SUBSECTION);
#else
	return pfn + 1;
#endif
}

/* From arg->next_pfn on. */
static int scan_frames(struct scan *scan, unsigned long end)
{
	struct pin_helper_scan *arg = scan->arg;
	unsigned long pfn, step, looks = 0;
	struct page *page;
	int error = 0;

	for (pfn = arg->next_pfn; pfn < end && arg->scanned < arg->budget; pfn += step) {
		if (!(++looks % 1024)) {
			cond_resched();
			if (fatal_signal_pending(current))
				return -EINTR;
		}
		page = pfn_to_online_page(pfn);
		if (!page) {
			step = min(next_memory(pfn), end) - pfn;
			continue;
		}
		step = scan_page(scan, page, pfn, end);
		arg->scanned += step;
		if (scan->batched == LIST_BATCH)
			error = flush_list(scan);
		if (!step || error)
			break;
	}
	arg->next_pfn = min(pfn, end);
	arg->done = pfn >= end;
	return error ?: flush_list(scan);
}

static int check_scan(struct pin_helper_scan *arg)
{
	if (arg->flags & ~SCAN_FLAGS || arg->reserved ||
	    arg->counts_used > arg->counts_room || arg->counts_room > MAX_COUNTS ||
	    !arg->counts_room || (arg->end_pfn && arg->end_pfn < arg->first_pfn))
		return -EINVAL;
	if (arg->flags & PIN_HELPER_SCAN_LIST ? !arg->list_room :
						arg->list_room || arg->list)
		return -EINVAL;
	return 0;
}

static int scan_with_counts(struct scan *scan)
{
	struct pin_helper_scan *arg = scan->arg;
	void __user *user = u64_to_user_ptr(arg->counts);
	unsigned long end = end_of_memory();
	int error;

	if (copy_from_user(scan->counts, user, arg->counts_used * sizeof(*scan->counts)))
		return -EFAULT;
	if (arg->end_pfn)
		end = min_t(u64, arg->end_pfn, end);
	if (!arg->budget || arg->budget > MAX_BUDGET)
		arg->budget = MAX_BUDGET;
	arg->next_pfn = min_t(u64, arg->first_pfn, end);
	arg->scanned = 0;
	arg->list_used = 0;
	error = scan_frames(scan, end);
	if (!error && copy_to_user(user, scan->counts,
				   arg->counts_used * sizeof(*scan->counts)))
		error = -EFAULT;
	return error;
}

long ph_scan(struct ph_file *file, void *arg)
{
	struct scan *scan;
	int error;

	error = check_scan(arg);
	if (error)
		return error;
	scan = kzalloc(sizeof(*scan), GFP_KERNEL_ACCOUNT);
	if (!scan)
		return -ENOMEM;
	scan->arg = arg;
	scan->counts = kvcalloc(scan->arg->counts_room, sizeof(*scan->counts),
				GFP_KERNEL_ACCOUNT);
	error = scan->counts ? scan_with_counts(scan) : -ENOMEM;
	kvfree(scan->counts);
	kfree(scan);
	return error;
}
