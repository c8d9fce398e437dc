// SPDX-License-Identifier: GPL-2.0
/*
 * MIRROR, case 3 of Documentation/core-api/pin_user_pages.rst: a device that
 * works on a process's memory and gives the pages up when the process's page
 * tables change. GET and PIN: hardware that cannot replay faults; HMM: hardware
 * that can, and holds no reference at all.
 *
 * The device's view, pages[], is valid under ph_mirror.lock and no longer than
 * until the next invalidation. The callback takes that lock and neither the
 * file's nor one that sleeps.
 */
#include <linux/hmm.h>
#include <linux/mmu_notifier.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "compat.h"
#include "internal.h"

#ifdef CONFIG_MMU_NOTIFIER

#define MIRROR_FLAGS	(PIN_HELPER_WRITE | PIN_HELPER_MIRROR_SYNC)
#define BUSY_BATCH	16u
#define HMM_BATCH	64ul
/* Somebody who invalidates without end is to be told so. */
#define MAX_RETRIES	1000

struct ph_mirror {
	struct ph_object object;
	struct mmu_interval_notifier notifier;
	u32 way;
	bool write;
	bool sync;
	unsigned long start;
	unsigned long nr_pages;
	struct delayed_work work;

	spinlock_t lock;		/* protects what follows */
	struct page **pages;		/* HMM: NULL where absent */
	bool mapped;			/* GET, PIN: pages[] are all there */
	bool busy;
	unsigned long cursor;		/* of the busy device */
	struct pin_helper_mirror_stat stat;
};

static const struct ph_ops mirror_ops;

static struct ph_mirror *to_mirror(struct ph_object *object)
{
	return container_of(object, struct ph_mirror, object);
}

bool ph_is_mirror(struct ph_object *object)
{
	return object->ops == &mirror_ops;
}

static struct ph_mirror *find_mirror(struct ph_file *file, u32 handle)
{
	struct ph_object *object = ph_object_find(file, handle);

	if (!object)
		return ERR_PTR(-ENOENT);
	return ph_is_mirror(object) ? to_mirror(object) : ERR_PTR(-EINVAL);
}

/* --- invalidation ---------------------------------------------------------- */

static void put_view(struct ph_mirror *mirror, struct page **pages,
		     unsigned long count)
{
	if (mirror->way == PIN_HELPER_MIRROR_PIN)
		unpin_user_pages(pages, count);
	else
		while (count--)
			put_page(*pages++);
}

/* GET and PIN. How many pages are to be put; the caller does after unlocking. */
static unsigned long drop_view(struct ph_mirror *mirror)
{
	unsigned long count = mirror->mapped ? mirror->nr_pages : 0;

	mirror->mapped = false;
	mirror->stat.present -= count;
	if (mirror->busy) {
		mirror->busy = false;
		mirror->stat.stopped++;
	}
	return count;
}

/* HMM: [start, end) is gone from the device's page table. */
static void drop_entries(struct ph_mirror *mirror, unsigned long start,
			 unsigned long end)
{
	unsigned long i, last;

	start = max(start, mirror->start);
	end = min(end, mirror->start + (mirror->nr_pages << PAGE_SHIFT));
	i = (start - mirror->start) >> PAGE_SHIFT;
	last = (end - mirror->start + PAGE_SIZE - 1) >> PAGE_SHIFT;
	for (; i < last; i++) {
		if (!mirror->pages[i])
			continue;
		mirror->pages[i] = NULL;
		mirror->stat.present--;
		mirror->stat.released++;
	}
}

/* The documented alternative to stopping the device. False: not now. */
static bool wait_for_device(struct ph_mirror *mirror, bool may_sleep)
{
	struct ph_later *later = &mirror->object.later;

	if (!mirror->sync || !ph_later_pending(later))
		return true;
	if (!may_sleep)
		return false;
	/* What it waits for takes no lock but ours. */
	wait_event(later->done, !ph_later_pending(later));
	spin_lock(&mirror->lock);
	mirror->stat.waited++;
	spin_unlock(&mirror->lock);
	return true;
}

static bool mirror_invalidate(struct mmu_interval_notifier *notifier,
			      const struct mmu_notifier_range *range,
			      unsigned long seq)
{
	struct ph_mirror *mirror = container_of(notifier, struct ph_mirror, notifier);
	unsigned long count = 0;

	if (!wait_for_device(mirror, mmu_notifier_range_blockable(range)))
		return false;

	spin_lock(&mirror->lock);
	mmu_interval_set_seq(notifier, seq);
	mirror->stat.invalidations++;
	if (mirror->way == PIN_HELPER_MIRROR_HMM)
		drop_entries(mirror, range->start, range->end);
	else
		count = drop_view(mirror);
	mirror->stat.released += count;
	spin_unlock(&mirror->lock);

	ph_later_cancel(&mirror->object.later);
	if (count) {
		/* Nothing is mapped, and so pages[] replaced, before we return. */
		put_view(mirror, mirror->pages, count);
		ph_uncharge(mirror->object.file, count);
	}
	return true;
}

static const struct mmu_interval_notifier_ops notifier_ops = {
	.invalidate = mirror_invalidate,
};

/* --- the device's view ----------------------------------------------------- */

/* Under the lock. What was found out since @seq is no use any more. */
static bool outdated(struct ph_mirror *mirror, unsigned long seq)
{
	bool again = mmu_interval_read_retry(&mirror->notifier, seq);

	mirror->stat.retries += again;
	return again;
}

static int check_retry(unsigned int tries)
{
	if (fatal_signal_pending(current))
		return -EINTR;
	cond_resched();
	return tries < MAX_RETRIES ? 0 : -EAGAIN;
}

/* @mm is ours. All pages are in @pages, or none. */
static int take_view(struct ph_mirror *mirror, struct mm_struct *mm,
		     struct page **pages)
{
	int error = 0;
	unsigned long got;

	got = ph_take_pages(mm, mirror->way == PIN_HELPER_MIRROR_PIN, mirror->write,
			    mirror->start, mirror->nr_pages, pages, &error);
	if (got == mirror->nr_pages)
		return 0;
	put_view(mirror, pages, got);
	return error;
}

/* The old array is left in *pages. */
static bool install_view(struct ph_mirror *mirror, unsigned long seq,
			 struct page ***pages)
{
	bool done;

	spin_lock(&mirror->lock);
	done = !outdated(mirror, seq);
	if (done) {
		swap(mirror->pages, *pages);
		mirror->mapped = true;
		mirror->stat.present = mirror->nr_pages;
		mirror->stat.faults += mirror->nr_pages;
	}
	spin_unlock(&mirror->lock);
	return done;
}

static int map_view(struct ph_mirror *mirror, struct mm_struct *mm,
		    struct page ***pages)
{
	unsigned int tries;
	unsigned long seq;
	int error;

	for (tries = 0; !(error = check_retry(tries)); tries++) {
		seq = mmu_interval_read_begin(&mirror->notifier);
		error = take_view(mirror, mm, *pages);
		if (error || install_view(mirror, seq, pages))
			break;
		put_view(mirror, *pages, mirror->nr_pages);
	}
	return error;
}

static int map_all(struct ph_mirror *mirror, struct mm_struct *mm)
{
	struct page **pages;
	bool mapped;
	int error;

	spin_lock(&mirror->lock);
	mapped = mirror->mapped;
	spin_unlock(&mirror->lock);
	if (mapped)
		return 0;
	error = ph_charge(mirror->object.file, mirror->nr_pages);
	if (error)
		return error;
	pages = kvmalloc_array(mirror->nr_pages, sizeof(*pages), GFP_KERNEL_ACCOUNT);
	error = pages ? map_view(mirror, mm, &pages) : -ENOMEM;
	kvfree(pages);
	if (error)
		ph_uncharge(mirror->object.file, mirror->nr_pages);
	return error;
}

#ifdef CONFIG_HMM_MIRROR
static bool install_entries(struct ph_mirror *mirror, unsigned long seq,
			    unsigned long first, unsigned long count,
			    const unsigned long *pfns)
{
	unsigned long i;
	bool done;

	spin_lock(&mirror->lock);
	done = !outdated(mirror, seq);
	for (i = 0; i < count && done; i++) {
		if (mirror->pages[first + i])
			continue;
		mirror->pages[first + i] = hmm_pfn_to_page(pfns[i]);
		mirror->stat.present++;
		mirror->stat.faults++;
	}
	spin_unlock(&mirror->lock);
	return done;
}

static int fault_range(struct mm_struct *mm, struct hmm_range *range)
{
	int error;

	if (mmap_read_lock_killable(mm))
		return -EINTR;
	error = hmm_range_fault(range);
	mmap_read_unlock(mm);
	return error;
}

/* @mm is ours. Entries [first, first + count) were there for a moment. */
static int fault_entries(struct ph_mirror *mirror, struct mm_struct *mm,
			 unsigned long first, unsigned long count)
{
	unsigned long pfns[HMM_BATCH] = {};
	struct hmm_range range = {
		.notifier = &mirror->notifier,
		.start = mirror->start + (first << PAGE_SHIFT),
		.end = mirror->start + ((first + count) << PAGE_SHIFT),
		.hmm_pfns = pfns,
		.default_flags = HMM_PFN_REQ_FAULT |
				 (mirror->write ? HMM_PFN_REQ_WRITE : 0),
	};
	unsigned int tries;
	int error;

	for (tries = 0; !(error = check_retry(tries)); tries++) {
		range.notifier_seq = mmu_interval_read_begin(&mirror->notifier);
		error = fault_range(mm, &range);
		/* EBUSY: it has seen for itself that the sequence is outdated. */
		if (error && error != -EBUSY)
			break;
		if (install_entries(mirror, range.notifier_seq, first, count, pfns))
			break;
	}
	return error;
}
#else
static int fault_entries(struct ph_mirror *mirror, struct mm_struct *mm,
			 unsigned long first, unsigned long count)
{
	return -EOPNOTSUPP;
}
#endif

static int fault_all(struct ph_mirror *mirror, struct mm_struct *mm)
{
	unsigned long first, count;
	int error = 0;

	for (first = 0; first < mirror->nr_pages && !error; first += count) {
		count = min(mirror->nr_pages - first, HMM_BATCH);
		error = fault_entries(mirror, mm, first, count);
	}
	return error;
}

/* The process may be gone while its mirror is not: ESRCH. */
static int with_mm(struct ph_mirror *mirror, unsigned long first,
		   unsigned long count)
{
	struct mm_struct *mm = mirror->notifier.mm;
	int error;

	if (!mmget_not_zero(mm))
		return -ESRCH;
	if (count)
		error = fault_entries(mirror, mm, first, count);
	else if (mirror->way == PIN_HELPER_MIRROR_HMM)
		error = fault_all(mirror, mm);
	else
		error = map_all(mirror, mm);
	mmput(mm);
	return error;
}

/* --- the device at work ---------------------------------------------------- */

static void busy_batch(struct ph_mirror *mirror)
{
	unsigned int i;
	struct page *page;
	u64 *word;

	for (i = 0; i < BUSY_BATCH && mirror->cursor < mirror->nr_pages; i++) {
		page = mirror->pages[mirror->cursor++];
		if (!page)
			continue;
		word = ph_kmap(page);
		WRITE_ONCE(*word, READ_ONCE(*word) + 1);
		flush_dcache_page(page);
		ph_kunmap(word);
		set_page_dirty(page);
		mirror->stat.work++;
	}
}

static void busy_work(struct work_struct *work)
{
	struct ph_mirror *mirror = container_of(to_delayed_work(work),
						struct ph_mirror, work);
	bool on, more;

	do {
		spin_lock(&mirror->lock);
		on = mirror->busy;
		if (on)
			busy_batch(mirror);
		more = on && mirror->cursor < mirror->nr_pages;
		if (!more)
			mirror->cursor = 0;
		spin_unlock(&mirror->lock);
		cond_resched();
	} while (more);
	if (on)
		queue_delayed_work(ph_wq, &mirror->work, 1);
}

static void set_busy(struct ph_mirror *mirror, bool on)
{
	spin_lock(&mirror->lock);
	mirror->busy = on;
	spin_unlock(&mirror->lock);
	if (on)
		queue_delayed_work(ph_wq, &mirror->work, 0);
	else
		cancel_delayed_work_sync(&mirror->work);
}

static void copy(struct page *page, unsigned int offset, unsigned int length,
		 void *data, bool write)
{
	char *memory = ph_kmap(page);

	if (write)
		memcpy(memory + offset, data, length);
	else
		memcpy(data, memory + offset, length);
	if (write)
		flush_dcache_page(page);
	ph_kunmap(memory);
	/* HMM: a page table entry that may be written is not always dirty. */
	if (write)
		set_page_dirty(page);
}

/* False: the page is not in the view. */
static bool try_access(struct ph_mirror *mirror, unsigned long index,
		       unsigned int offset, unsigned int length, void *data,
		       bool write)
{
	struct page *page = NULL;

	spin_lock(&mirror->lock);
	if (mirror->mapped || mirror->way == PIN_HELPER_MIRROR_HMM)
		page = mirror->pages[index];
	if (page)
		copy(page, offset, length, data, write);
	spin_unlock(&mirror->lock);
	return page;
}

static int mirror_access(struct ph_object *object, unsigned long index,
			 unsigned int offset, unsigned int length, void *data,
			 bool write)
{
	struct ph_mirror *mirror = to_mirror(object);
	unsigned int tries;
	int error = 0;

	for (tries = 0; !error; tries++) {
		if (try_access(mirror, index, offset, length, data, write))
			return 0;
		if (mirror->way != PIN_HELPER_MIRROR_HMM)
			return -EAGAIN;
		error = check_retry(tries);
		if (!error)
			error = with_mm(mirror, index, 1);
	}
	return error;
}

static int mirror_may_access(struct ph_object *object, struct pin_helper_dma *dma)
{
	struct ph_mirror *mirror = to_mirror(object);
	bool mapped;

	if (dma->op != PIN_HELPER_DMA_READ && !mirror->write)
		return -EACCES;
	if (mirror->way == PIN_HELPER_MIRROR_HMM)
		return dma->flags & PIN_HELPER_DMA_LATER ? -EOPNOTSUPP : 0;
	spin_lock(&mirror->lock);
	mapped = mirror->mapped;
	spin_unlock(&mirror->lock);
	return mapped ? 0 : -EAGAIN;
}

/* --- the object ------------------------------------------------------------ */

static void mirror_release(struct ph_object *object)
{
	struct ph_mirror *mirror = to_mirror(object);

	set_busy(mirror, false);
	ph_later_flush(&object->later, false);
	mmu_interval_notifier_remove(&mirror->notifier);
	if (mirror->mapped) {
		put_view(mirror, mirror->pages, mirror->nr_pages);
		ph_uncharge(object->file, mirror->nr_pages);
		mirror->mapped = false;
	}
	ph_unwatch(object->file, mirror->nr_pages);
}

static void mirror_free(struct ph_object *object)
{
	struct ph_mirror *mirror = to_mirror(object);

	kvfree(mirror->pages);
	kfree(mirror);
}

static u64 mirror_bytes(struct ph_object *object)
{
	return (u64)to_mirror(object)->nr_pages << PAGE_SHIFT;
}

static unsigned long mirror_first_offset(struct ph_object *object)
{
	return 0;
}

static void mirror_describe(struct ph_object *object, unsigned long index,
			    struct pin_helper_page *out)
{
	struct ph_mirror *mirror = to_mirror(object);

	memset(out, 0, sizeof(*out));
	spin_lock(&mirror->lock);
	if (mirror->mapped ||
	    (mirror->way == PIN_HELPER_MIRROR_HMM && mirror->pages[index]))
		ph_describe_mapped(mirror->pages[index], 0, out);
	spin_unlock(&mirror->lock);
}

static const struct ph_ops mirror_ops = {
	.release = mirror_release,
	.bytes = mirror_bytes,
	.first_offset = mirror_first_offset,
	.may_access = mirror_may_access,
	.access = mirror_access,
	.describe = mirror_describe,
	.free = mirror_free,
};

/* --- the ioctls ------------------------------------------------------------ */

static struct ph_mirror *mirror_new(struct ph_file *file,
				    struct pin_helper_mirror *arg)
{
	struct ph_mirror *mirror = kzalloc(sizeof(*mirror), GFP_KERNEL_ACCOUNT);

	if (!mirror)
		return NULL;
	mirror->way = arg->way;
	mirror->write = arg->flags & PIN_HELPER_WRITE;
	mirror->sync = arg->flags & PIN_HELPER_MIRROR_SYNC;
	mirror->start = arg->addr;
	mirror->nr_pages = arg->length >> PAGE_SHIFT;
	spin_lock_init(&mirror->lock);
	INIT_DELAYED_WORK(&mirror->work, busy_work);
	ph_object_init(&mirror->object, file, &mirror_ops);
	/* GET and PIN: swapped for each new view. */
	mirror->pages = kvcalloc(mirror->nr_pages, sizeof(*mirror->pages),
				 GFP_KERNEL_ACCOUNT);
	if (!mirror->pages) {
		kfree(mirror);
		return NULL;
	}
	return mirror;
}

static int check_mirror(struct pin_helper_mirror *arg)
{
	unsigned long pages;

	if (arg->way >= PIN_HELPER_MIRRORS || arg->flags & ~MIRROR_FLAGS ||
	    (arg->addr | arg->length) & ~PAGE_MASK ||
	    (arg->way == PIN_HELPER_MIRROR_HMM && arg->flags & PIN_HELPER_MIRROR_SYNC))
		return -EINVAL;
	if (arg->way == PIN_HELPER_MIRROR_HMM && !IS_ENABLED(CONFIG_HMM_MIRROR))
		return -EOPNOTSUPP;
	return ph_pages_of(arg->addr, arg->length, &pages);
}

static int mirror_start(struct ph_mirror *mirror)
{
	int error = mmu_interval_notifier_insert(&mirror->notifier, current->mm,
						 mirror->start,
						 mirror->nr_pages << PAGE_SHIFT,
						 &notifier_ops);

	if (error)
		return error;
	error = ph_object_publish(&mirror->object);
	if (error)
		mmu_interval_notifier_remove(&mirror->notifier);
	return error;
}

long ph_mirror(struct ph_file *file, void *arg)
{
	struct pin_helper_mirror *wanted = arg;
	struct ph_mirror *mirror;
	int error = check_mirror(wanted);

	if (error)
		return error;
	error = ph_watch(file, wanted->length >> PAGE_SHIFT);
	if (error)
		return error;
	mirror = mirror_new(file, wanted);
	error = mirror ? mirror_start(mirror) : -ENOMEM;
	if (error) {
		ph_unwatch(file, wanted->length >> PAGE_SHIFT);
		if (mirror)
			ph_object_put(&mirror->object);
		return error;
	}
	wanted->handle = mirror->object.handle;
	return 0;
}

long ph_mirror_map(struct ph_file *file, void *arg)
{
	struct pin_helper_mirror_map *map = arg;
	struct ph_mirror *mirror = find_mirror(file, map->handle);
	int error;

	if (IS_ERR(mirror))
		return PTR_ERR(mirror);
	error = with_mm(mirror, 0, 0);
	if (error)
		return error;
	spin_lock(&mirror->lock);
	map->pages = mirror->stat.present;
	spin_unlock(&mirror->lock);
	return 0;
}

long ph_mirror_busy(struct ph_file *file, void *arg)
{
	struct pin_helper_mirror_busy *busy = arg;
	struct ph_mirror *mirror = find_mirror(file, busy->handle);
	bool ready;

	if (busy->on > 1 || busy->reserved)
		return -EINVAL;
	if (IS_ERR(mirror))
		return PTR_ERR(mirror);
	if (busy->on && !mirror->write)
		return -EACCES;
	spin_lock(&mirror->lock);
	ready = mirror->mapped || mirror->way == PIN_HELPER_MIRROR_HMM;
	spin_unlock(&mirror->lock);
	if (busy->on && !ready)
		return -EAGAIN;
	set_busy(mirror, busy->on);
	return 0;
}

long ph_mirror_stat(struct ph_file *file, void *arg)
{
	struct pin_helper_mirror_stat *stat = arg;
	struct ph_mirror *mirror = find_mirror(file, stat->handle);
	u32 size = stat->size, handle = stat->handle;

	if (IS_ERR(mirror))
		return PTR_ERR(mirror);
	spin_lock(&mirror->lock);
	*stat = mirror->stat;
	stat->busy = mirror->busy;
	spin_unlock(&mirror->lock);
	stat->size = size;
	stat->handle = handle;
	return 0;
}

#else /* !CONFIG_MMU_NOTIFIER */

bool ph_is_mirror(struct ph_object *object)
{
	return false;
}

long ph_mirror(struct ph_file *file, void *arg)
{
	return -EOPNOTSUPP;
}

long ph_mirror_map(struct ph_file *file, void *arg)
{
	return -EOPNOTSUPP;
}

long ph_mirror_busy(struct ph_file *file, void *arg)
{
	return -EOPNOTSUPP;
}

long ph_mirror_stat(struct ph_file *file, void *arg)
{
	return -EOPNOTSUPP;
}

#endif
