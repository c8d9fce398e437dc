// SPDX-License-Identifier: GPL-2.0
/*
 * INSPECT: what the kernel knows of single pages.
 */
#include <linux/kthread.h>
#include <linux/memory_hotplug.h>
#include <linux/mmzone.h>
#include <linux/page_ref.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "compat.h"
#include "internal.h"

#define BATCH		64
#define MAX_STRIDE	1024

/* --- one page -------------------------------------------------------------- */

static unsigned int head_order(struct page *head)
{
	return PageHead(head) ? compound_order(head) : 0;
}

static u32 flag(bool set, u32 value)
{
	return set ? value : 0;
}

/* Of memory that belongs to files and processes: nothing else has these. */
static u32 user_flags(struct page *page, struct page *head)
{
	bool anon = ph_test_anon(head);

	return flag(ph_test_dirty(head), PIN_HELPER_PAGE_DIRTY) |
	       flag(ph_test_writeback(head), PIN_HELPER_PAGE_WRITEBACK) |
	       flag(ph_mapped(head), PIN_HELPER_PAGE_MAPPED) |
	       flag(anon, PIN_HELPER_PAGE_ANON) |
	       flag(ph_test_swapbacked(head), PIN_HELPER_PAGE_SWAPBACKED) |
	       flag(anon && ph_test_ksm(head), PIN_HELPER_PAGE_KSM) |
	       flag(ph_test_lru(head), PIN_HELPER_PAGE_LRU) |
	       flag(ph_test_mlocked(head), PIN_HELPER_PAGE_MLOCKED) |
	       flag(ph_anon_exclusive(page, head), PIN_HELPER_PAGE_EXCLUSIVE);
}

static void describe_place(struct page *page, struct pin_helper_page *out)
{
	memset(out, 0, sizeof(*out));
	out->pfn = page_to_pfn(page);
	out->node = page_to_nid(page);
	out->zone = page_zonenum(page);
	out->pincount = PIN_HELPER_NO_PINCOUNT;
	out->flags = PIN_HELPER_PAGE_PRESENT |
		     flag(out->zone == ZONE_MOVABLE, PIN_HELPER_PAGE_MOVABLE_ZONE) |
		     flag(PageReserved(page), PIN_HELPER_PAGE_RESERVED);
}

/*
 * @page is held by somebody, so that its folio stays what it is; @ours of the
 * references are the caller's own, and no pins.
 */
void ph_describe(struct page *page, int ours, struct pin_helper_page *out)
{
	struct page *head = ph_head(page);
	atomic_t *pincount = ph_pincount(head);
	bool pinned;

	describe_place(page, out);
	out->order = head_order(head);
	out->index = page_to_pfn(page) - page_to_pfn(head);
	out->refcount = page_ref_count(head) - ours;
	if (pincount) {
		out->pincount = atomic_read(pincount);
		pinned = ph_maybe_dma_pinned(head);
	} else {
		/* The same as the kernel's own, ours left out. */
		pinned = (unsigned int)out->refcount >= GUP_PIN_COUNTING_BIAS;
	}
	out->flags |= flag(pinned, PIN_HELPER_PAGE_MAYBE_PINNED) |
		      flag(out->order, PIN_HELPER_PAGE_LARGE) |
		      flag(is_zero_pfn(out->pfn), PIN_HELPER_PAGE_ZERO);
	/* What the kernel keeps for itself has other things in these fields. */
	if (PageSlab(head) || PageReserved(head))
		return;
	out->mapcount = ph_mapcount(page);
	out->flags |= flag(PageHuge(head), PIN_HELPER_PAGE_HUGETLB) |
		      user_flags(page, head);
}

/*
 * Nobody tells modules which page is the huge zero page, but only it is mapped
 * while it is part of no mapping, on no list, and all zero.
 */
static bool is_huge_zero(struct page *head)
{
#ifdef CONFIG_TRANSPARENT_HUGEPAGE
	char *memory;
	bool zero;

	if (head_order(head) != HPAGE_PMD_ORDER || PageHuge(head) ||
	    ph_test_lru(head) || ph_test_anon(head) || ph_mapping(head) ||
	    ph_mapped(head))
		return false;
	memory = ph_kmap(head);
	zero = !memchr_inv(memory, 0, PAGE_SIZE);
	ph_kunmap(memory);
	return zero;
#else
	return false;
#endif
}

/* @page comes from a process's page tables: the kernel may read it. */
void ph_describe_mapped(struct page *page, int ours, struct pin_helper_page *out)
{
	ph_describe(page, ours, out);
	out->flags |= flag(is_huge_zero(ph_head(page)), PIN_HELPER_PAGE_ZERO);
}

/* Of any frame, whoever has it, if anybody. */
void ph_describe_pfn(unsigned long pfn, struct pin_helper_page *out)
{
	struct page *page = pfn_to_online_page(pfn);
	struct page *head;

	memset(out, 0, sizeof(*out));
	out->pfn = pfn;
	if (!page)
		return;
	head = ph_try_get(page);
	if (head) {
		ph_describe(page, 1, out);
		put_page(head);
	} else {
		describe_place(page, out);
		out->flags |= flag(PageBuddy(page), PIN_HELPER_PAGE_BUDDY);
	}
}

/* --- a range --------------------------------------------------------------- */

/* What is mapped at @addr.. as GUP-fast sees it, in current->mm. */
struct look {
	struct work_struct work;
	struct mm_struct *mm;
	unsigned long addr;
	unsigned long count;
	struct pin_helper_page *out;
};

static void look_fast(struct look *look)
{
	struct page *page;
	unsigned long i;

	for (i = 0; i < look->count; i++) {
		memset(&look->out[i], 0, sizeof(look->out[i]));
		/* One by one: then we know how many references are ours. */
		if (get_user_pages_fast_only(look->addr + (i << PAGE_SHIFT), 1, 0,
					     &page) != 1)
			continue;
		ph_describe_mapped(page, 1, &look->out[i]);
		put_page(page);
	}
}

static void look_work(struct work_struct *work)
{
	struct look *look = container_of(work, struct look, work);

	kthread_use_mm(look->mm);
	look_fast(look);
	kthread_unuse_mm(look->mm);
}

/* The zero page, NUMA hints and the like, which GUP-fast leaves alone. */
static void look_slowly(struct look *look)
{
	struct vm_area_struct *vma;
	unsigned long i, addr;
	struct page *page;

	for (i = 0; i < look->count; i++) {
		addr = look->addr + (i << PAGE_SHIFT);
		if (look->out[i].flags)
			continue;
		vma = find_vma(look->mm, addr);
		if (!vma || addr < vma->vm_start || is_vm_hugetlb_page(vma) ||
		    vma->vm_flags & (VM_IO | VM_PFNMAP))
			continue;
		page = ph_follow(vma, addr);
		if (!page)
			continue;
		ph_describe_mapped(page, 1, &look->out[i]);
		put_page(page);
	}
}

static int describe_range(struct mm_struct *mm, unsigned long addr,
			  unsigned long count, struct pin_helper_page *out)
{
	struct look look = { .mm = mm, .addr = addr, .count = count, .out = out };

	if (mm == current->mm) {
		look_fast(&look);
	} else {
		/* GUP-fast knows but one address space: current's. */
		INIT_WORK_ONSTACK(&look.work, look_work);
		queue_work(ph_wq, &look.work);
		flush_work(&look.work);
		destroy_work_on_stack(&look.work);
	}
	if (mmap_read_lock_killable(mm))
		return -EINTR;
	look_slowly(&look);
	mmap_read_unlock(mm);
	return 0;
}

/* --- the ioctl ------------------------------------------------------------- */

struct subject {
	struct pin_helper_inspect *inspect;
	struct mm_struct *mm;
	struct ph_object *object;
};

static int subject_open(struct subject *subject, struct ph_file *file)
{
	struct pin_helper_inspect *inspect = subject->inspect;
	struct ph_object *object;
	u64 pages;

	switch (inspect->subject) {
	case PIN_HELPER_OF_RANGE:
		if (inspect->first || inspect->addr & ~PAGE_MASK ||
		    inspect->addr > ULONG_MAX - (inspect->count << PAGE_SHIFT))
			return -EINVAL;
		subject->mm = ph_mm_get(inspect->target);
		return subject->mm ? 0 : -ESRCH;
	case PIN_HELPER_OF_HANDLE:
		if (inspect->addr)
			return -EINVAL;
		object = ph_object_find(file, inspect->target);
		if (!object)
			return -ENOENT;
		pages = (object->ops->first_offset(object) +
			 object->ops->bytes(object) + PAGE_SIZE - 1) >> PAGE_SHIFT;
		if (inspect->first >= pages || inspect->count > pages - inspect->first)
			return -EINVAL;
		subject->object = object;
		return 0;
	case PIN_HELPER_OF_PFNS:
		return inspect->first || inspect->addr || inspect->target ? -EINVAL : 0;
	default:
		return -EINVAL;
	}
}

/* Entries [done, done + count), of which pages[] are the user's. */
static int describe_some(struct subject *subject, u64 done, unsigned int count,
			 struct pin_helper_page *pages, u8 __user *user)
{
	struct pin_helper_inspect *inspect = subject->inspect;
	unsigned int i;
	u64 pfn;

	if (subject->mm)
		return describe_range(subject->mm,
				      inspect->addr + (done << PAGE_SHIFT), count,
				      pages);
	for (i = 0; i < count; i++) {
		if (subject->object) {
			subject->object->ops->describe(subject->object,
						       inspect->first + done + i,
						       &pages[i]);
			continue;
		}
		if (copy_from_user(&pfn, user + (u64)i * inspect->stride, sizeof(pfn)))
			return -EFAULT;
		if (pfn > ULONG_MAX)
			return -EINVAL;
		ph_describe_pfn(pfn, &pages[i]);
	}
	return 0;
}

/* A caller that knows more of the structure gets zeroes for the rest. */
static int report(struct pin_helper_page *pages, unsigned int count, u8 __user *user,
		  u32 stride)
{
	size_t known = min_t(size_t, stride, sizeof(*pages));

	for (; count; count--, pages++, user += stride)
		if (copy_to_user(user, pages, known) ||
		    (stride > known && clear_user(user + known, stride - known)))
			return -EFAULT;
	return 0;
}

static int inspect_all(struct subject *subject)
{
	struct pin_helper_inspect *inspect = subject->inspect;
	struct pin_helper_page *pages;
	u8 __user *user;
	unsigned int n;
	int error = 0;
	u64 done;

	pages = kmalloc_array(BATCH, sizeof(*pages), GFP_KERNEL_ACCOUNT);
	if (!pages)
		return -ENOMEM;
	for (done = 0; done < inspect->count && !error; done += n) {
		n = min_t(u64, inspect->count - done, BATCH);
		user = u64_to_user_ptr(inspect->pages) + done * inspect->stride;
		error = describe_some(subject, done, n, pages, user);
		if (!error)
			error = report(pages, n, user, inspect->stride);
		if (!error && fatal_signal_pending(current))
			error = -EINTR;
		cond_resched();
	}
	kfree(pages);
	return error;
}

long ph_inspect(struct ph_file *file, void *arg)
{
	struct pin_helper_inspect *inspect = arg;
	struct subject subject = { .inspect = inspect };
	int error;

	if (!inspect->count || inspect->count > PIN_HELPER_MAX_INSPECT ||
	    inspect->stride < sizeof(u64) || inspect->stride > MAX_STRIDE)
		return -EINVAL;
	error = subject_open(&subject, file);
	if (error)
		return error;
	error = inspect_all(&subject);
	if (subject.mm)
		mmput(subject.mm);
	return error;
}
