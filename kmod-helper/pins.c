// SPDX-License-Identifier: GPL-2.0
/*
 * TAKE and GIVE: pages are pinned or referenced by each way the kernel has, and
 * let go of by each.
 */
#include <linux/file.h>
#include <linux/magic.h>
#include <linux/overflow.h>
#include <linux/pid.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/shmem_fs.h>
#include <linux/slab.h>
#include <linux/fcntl.h>

#include "compat.h"
#include "internal.h"

#define TAKE_FLAGS	(PIN_HELPER_WRITE | PIN_HELPER_LONGTERM)
#define GIVE_FLAGS	(PIN_HELPER_DIRTY | PIN_HELPER_GIVE_REST)
#define FOLIO_BATCH	64

static struct ph_pins *to_pins(struct ph_object *object)
{
	return container_of(object, struct ph_pins, object);
}

static bool is_get(u32 way)
{
	return way == PIN_HELPER_GET || way == PIN_HELPER_GET_FAST;
}

/* --- units ----------------------------------------------------------------- */

/* A unit is what one reference covers. Its first page. */
static unsigned long unit_start(struct ph_pins *pins, unsigned long unit)
{
	return pins->starts ? pins->starts[unit] : unit;
}

/* NULL if it is not held any more. */
struct page *ph_pins_unit(struct ph_pins *pins, unsigned long unit)
{
	return pins->pages[unit_start(pins, unit)];
}

/* What [first, first + count) cover. */
unsigned long ph_pins_pages(struct ph_pins *pins, unsigned long first,
			    unsigned long count)
{
	return unit_start(pins, first + count) - unit_start(pins, first);
}

int ph_pins_check_units(struct ph_pins *pins, u64 first, u64 count)
{
	u64 unit;

	if (!count || first >= pins->nr_units || count > pins->nr_units - first)
		return -EINVAL;
	for (unit = first; unit < first + count; unit++)
		if (!ph_pins_unit(pins, unit))
			return -EINVAL;
	return 0;
}

/* They are let go of: the handle does not know them any more. */
void ph_pins_forget(struct ph_pins *pins, unsigned long first,
		    unsigned long count)
{
	unsigned long start = unit_start(pins, first);
	unsigned long end = unit_start(pins, first + count);

	pins->left -= count;
	/* The last ones: nobody asks any more. */
	if (pins->left)
		memset(pins->pages + start, 0, (end - start) * sizeof(*pins->pages));
}

/* The next run of units in [*first, end) that are held; 0: none. */
static unsigned long next_run(struct ph_pins *pins, unsigned long *first,
			      unsigned long end)
{
	unsigned long run;

	/* As a rule: nothing was given back yet. */
	if (pins->left == pins->nr_units)
		return end - *first;
	while (*first < end && !ph_pins_unit(pins, *first))
		++*first;
	for (run = *first; run < end && ph_pins_unit(pins, run);)
		run++;
	return run - *first;
}

/* --- GIVE ------------------------------------------------------------------ */

#ifdef PH_MEMFD_PIN_FOLIOS
static void unpin_by_folios(struct ph_pins *pins, unsigned long first,
			    unsigned long count)
{
	struct folio *folios[FOLIO_BATCH];
	unsigned int n;

	while (count) {
		for (n = 0; n < count && n < FOLIO_BATCH; n++)
			folios[n] = page_folio(ph_pins_unit(pins, first + n));
		unpin_folios(folios, n);
		first += n;
		count -= n;
	}
}

static void unpin_by_folio(struct ph_pins *pins, unsigned long first,
			   unsigned long count)
{
	for (; count; count--, first++)
		unpin_folio(page_folio(ph_pins_unit(pins, first)));
}
#else
static void unpin_by_folios(struct ph_pins *pins, unsigned long first,
			    unsigned long count)
{
}

static void unpin_by_folio(struct ph_pins *pins, unsigned long first,
			   unsigned long count)
{
}
#endif

static void unpin_one_by_one(struct page **pages, unsigned long count)
{
	while (count--)
		unpin_user_page(*pages++);
}

static void put_one_by_one(struct page **pages, unsigned long count, bool dirty)
{
	for (; count; count--, pages++) {
		if (dirty)
			set_page_dirty_lock(*pages);
		put_page(*pages);
	}
}

static void unpin_range(struct page *page, unsigned long count, bool dirty)
{
#ifdef PH_RANGE_DIRTY_LOCK
	unpin_user_page_range_dirty_lock(page, count, dirty);
#endif
}

/* Units [first, first + count), all held, and few enough for one go. */
static void give_some(struct ph_pins *pins, u32 way, bool dirty,
		      unsigned long first, unsigned long count)
{
	/* Of what is not PIN_MEMFD a unit is a page. */
	struct page **pages = pins->pages + first;

	switch (way) {
	case PIN_HELPER_GIVE_PAGE:
		unpin_one_by_one(pages, count);
		break;
	case PIN_HELPER_GIVE_PAGES:
		unpin_user_pages(pages, count);
		break;
	case PIN_HELPER_GIVE_DIRTY_LOCK:
		unpin_user_pages_dirty_lock(pages, count, dirty);
		break;
	case PIN_HELPER_GIVE_RANGE_DIRTY_LOCK:
		unpin_range(*pages, count, dirty);
		break;
	case PIN_HELPER_GIVE_FOLIO:
		unpin_by_folio(pins, first, count);
		break;
	case PIN_HELPER_GIVE_FOLIOS:
		unpin_by_folios(pins, first, count);
		break;
	case PIN_HELPER_GIVE_PUT:
		put_one_by_one(pages, count, dirty);
		break;
	}
}

static void give_run(struct ph_pins *pins, u32 way, bool dirty,
		     unsigned long first, unsigned long count)
{
	unsigned long pages = ph_pins_pages(pins, first, count);
	unsigned long done, n;

	for (done = 0; done < count; done += n) {
		n = min(count - done, PH_CHUNK);
		give_some(pins, way, dirty, first + done, n);
		cond_resched();
	}
	ph_pins_forget(pins, first, count);
	ph_uncharge(pins->object.file, pages);
}

static u32 plain_way(struct ph_pins *pins)
{
	if (pins->starts)
		return PIN_HELPER_GIVE_FOLIOS;
	return is_get(pins->way) ? PIN_HELPER_GIVE_PUT : PIN_HELPER_GIVE_PAGES;
}

/* What is held of units [first, first + count). */
static void give_held(struct ph_pins *pins, u32 way, bool dirty,
		      unsigned long first, unsigned long count)
{
	unsigned long end = first + count, run;

	while (pins->left && (run = next_run(pins, &first, end))) {
		give_run(pins, way, dirty, first, run);
		first += run;
	}
}

void ph_pins_give_plainly(struct ph_pins *pins, unsigned long first,
			  unsigned long count)
{
	give_held(pins, plain_way(pins), false, first, count);
}

static bool way_fits(struct ph_pins *pins, u32 way)
{
	switch (way) {
	case PIN_HELPER_GIVE_FOLIO:
	case PIN_HELPER_GIVE_FOLIOS:
		return pins->way == PIN_HELPER_PIN_MEMFD;
	case PIN_HELPER_GIVE_PUT:
		return is_get(pins->way);
	default:
		return pins->way != PIN_HELPER_PIN_MEMFD && !is_get(pins->way);
	}
}

static bool way_dirties(u32 way)
{
	return way == PIN_HELPER_GIVE_DIRTY_LOCK ||
	       way == PIN_HELPER_GIVE_RANGE_DIRTY_LOCK ||
	       way == PIN_HELPER_GIVE_PUT;
}

static bool way_exists(u32 way)
{
#ifndef PH_RANGE_DIRTY_LOCK
	if (way == PIN_HELPER_GIVE_RANGE_DIRTY_LOCK)
		return false;
#endif
#ifndef PH_MEMFD_PIN_FOLIOS
	if (way == PIN_HELPER_GIVE_FOLIO || way == PIN_HELPER_GIVE_FOLIOS)
		return false;
#endif
	return true;
}

/* Each run of held units in [first, first + count) is one piece of memory. */
static bool contiguous(struct ph_pins *pins, unsigned long first,
		       unsigned long count)
{
	unsigned long end = first + count, run, i;

	for (; (run = next_run(pins, &first, end)); first += run)
		for (i = first + 1; i < first + run; i++)
			if (page_to_pfn(pins->pages[i]) !=
			    page_to_pfn(pins->pages[i - 1]) + 1)
				return false;
	return true;
}

/* The handle's object if it is one of TAKE, else an error. */
struct ph_pins *ph_pins_find(struct ph_file *file, u32 handle)
{
	struct ph_object *object = ph_object_find(file, handle);

	if (!object)
		return ERR_PTR(-ENOENT);
	if (ph_is_mirror(object))
		return ERR_PTR(-EINVAL);
	return to_pins(object);
}

static int check_give(struct ph_pins *pins, struct pin_helper_give *give)
{
	if (give->way >= PIN_HELPER_GIVES || give->flags & ~GIVE_FLAGS ||
	    (give->flags & PIN_HELPER_DIRTY && !way_dirties(give->way)))
		return -EINVAL;
	if (!way_exists(give->way))
		return -EOPNOTSUPP;
	if (!way_fits(pins, give->way))
		return -EINVAL;
	if (give->flags & PIN_HELPER_GIVE_REST) {
		if (give->first || give->count)
			return -EINVAL;
		give->count = pins->nr_units;
	} else if (ph_pins_check_units(pins, give->first, give->count)) {
		return -EINVAL;
	}
	if (give->way == PIN_HELPER_GIVE_RANGE_DIRTY_LOCK &&
	    !contiguous(pins, give->first, give->count))
		return -ERANGE;
	return 0;
}

long ph_give(struct ph_file *file, void *arg)
{
	struct pin_helper_give *give = arg;
	struct ph_pins *pins = ph_pins_find(file, give->handle);
	int error;

	if (IS_ERR(pins))
		return PTR_ERR(pins);
	error = check_give(pins, give);
	if (error)
		return error;
	error = ph_later_wait(&pins->object.later);
	if (error)
		return error;

	give_held(pins, give->way, give->flags & PIN_HELPER_DIRTY, give->first,
		  give->count);
	give->left = pins->left;
	if (!pins->left)
		ph_object_close(&pins->object);
	return 0;
}

/* --- the object ------------------------------------------------------------ */

static void pins_release(struct ph_object *object)
{
	struct ph_pins *pins = to_pins(object);

	/* A process that is killed does not wait: the device is done at once. */
	ph_later_flush(&object->later, true);
	ph_pins_give_plainly(pins, 0, pins->nr_units);
}

static void pins_free(struct ph_object *object)
{
	struct ph_pins *pins = to_pins(object);

	kvfree(pins->pages);
	kvfree(pins->starts);
	kfree(pins);
}

static u64 pins_bytes(struct ph_object *object)
{
	return to_pins(object)->length;
}

static unsigned long pins_first_offset(struct ph_object *object)
{
	return to_pins(object)->offset;
}

static int pins_may_access(struct ph_object *object, struct pin_helper_dma *dma)
{
	struct ph_pins *pins = to_pins(object);
	u64 page, last;

	if (dma->op != PIN_HELPER_DMA_READ) {
		if (is_get(pins->way) && !(dma->flags & PIN_HELPER_DMA_INCORRECT))
			return -EPERM;
		/* A page pinned to be read may be anybody's. */
		if (!pins->write)
			return -EACCES;
	}
	last = (pins->offset + dma->offset + dma->length - 1) >> PAGE_SHIFT;
	for (page = (pins->offset + dma->offset) >> PAGE_SHIFT; page <= last; page++)
		if (!pins->pages[page])
			return -EINVAL;
	return 0;
}

static int pins_access(struct ph_object *object, unsigned long index,
		       unsigned int offset, unsigned int length, void *data,
		       bool write)
{
	struct page *page = to_pins(object)->pages[index];
	char *memory = ph_kmap(page);

	if (write)
		memcpy(memory + offset, data, length);
	else
		memcpy(data, memory + offset, length);
	if (write)
		flush_dcache_page(page);
	ph_kunmap(memory);
	return 0;
}

static void pins_describe(struct ph_object *object, unsigned long index,
			  struct pin_helper_page *out)
{
	struct page *page = to_pins(object)->pages[index];

	if (page)
		ph_describe_mapped(page, 0, out);
	else
		memset(out, 0, sizeof(*out));
}

static const struct ph_ops pins_ops = {
	.release = pins_release,
	.bytes = pins_bytes,
	.first_offset = pins_first_offset,
	.may_access = pins_may_access,
	.access = pins_access,
	.describe = pins_describe,
	.free = pins_free,
};

/* --- TAKE ------------------------------------------------------------------ */

/* The pages that [addr, addr + length) lies in. */
int ph_pages_of(u64 addr, u64 length, unsigned long *pages)
{
	u64 end;

	if (!length || check_add_overflow(addr, length, &end) ||
	    end > ULONG_MAX - PAGE_SIZE)
		return -EINVAL;
	*pages = ((end - 1) >> PAGE_SHIFT) - (addr >> PAGE_SHIFT) + 1;
	return 0;
}

/* Like PIN_REMOTE, and for mirrors only. */
#define GET_REMOTE	PIN_HELPER_WAYS

struct taking {
	struct mm_struct *mm;
	u32 way;
	unsigned int gup_flags;
};

static long take_locked(struct taking *t, unsigned long addr, unsigned long n,
			struct page **pages)
{
	long got;

	if (mmap_read_lock_killable(t->mm))
		return -EINTR;
	switch (t->way) {
	case PIN_HELPER_PIN:
		got = ph_pin_user_pages(addr, n, t->gup_flags, pages);
		break;
	case PIN_HELPER_PIN_REMOTE:
		got = ph_pin_user_pages_remote(t->mm, addr, n, t->gup_flags, pages);
		break;
	case GET_REMOTE:
		got = ph_get_user_pages_remote(t->mm, addr, n, t->gup_flags, pages);
		break;
	default:
		got = ph_get_user_pages(addr, n, t->gup_flags, pages);
		break;
	}
	mmap_read_unlock(t->mm);
	return got;
}

static long take_some(struct taking *t, unsigned long addr, unsigned long n,
		      struct page **pages)
{
	switch (t->way) {
	case PIN_HELPER_PIN_FAST:
		return pin_user_pages_fast(addr, n, t->gup_flags, pages);
	case PIN_HELPER_GET_FAST:
		return get_user_pages_fast(addr, n, t->gup_flags, pages);
	case PIN_HELPER_PIN_UNLOCKED:
		return pin_user_pages_unlocked(addr, n, pages, t->gup_flags);
	default:
		return take_locked(t, addr, n, pages);
	}
}

/* How many; in *error why not more. */
static unsigned long take_pages(struct taking *t, unsigned long addr,
				unsigned long n, struct page **pages, int *error)
{
	unsigned long done = 0;
	long got;

	while (done < n) {
		if (fatal_signal_pending(current)) {
			*error = -EINTR;
			break;
		}
		got = take_some(t, addr + (done << PAGE_SHIFT),
				min(n - done, PH_CHUNK), pages + done);
		if (got <= 0) {
			*error = got ?: -EFAULT;
			break;
		}
		done += got;
		cond_resched();
	}
	return done;
}

unsigned long ph_take_pages(struct mm_struct *mm, bool pin, bool write,
			    unsigned long addr, unsigned long n,
			    struct page **pages, int *error)
{
	struct taking t = {
		.mm = mm,
		.way = pin ? PIN_HELPER_PIN_REMOTE : GET_REMOTE,
		.gup_flags = write ? FOLL_WRITE : 0,
	};

	return take_pages(&t, addr, n, pages, error);
}

/* Of a process, 0 is the caller's own; NULL: there is none. mmput() it. */
struct mm_struct *ph_mm_get(pid_t number)
{
	struct task_struct *task;
	struct mm_struct *mm;
	struct pid *pid;

	if (!number) {
		mmget(current->mm);
		return current->mm;
	}
	pid = find_get_pid(number);
	task = get_pid_task(pid, PIDTYPE_PID);
	put_pid(pid);
	if (!task)
		return NULL;
	mm = get_task_mm(task);
	put_task_struct(task);
	return mm;
}

static int take_from_mm(struct ph_pins *pins, struct pin_helper_take *take)
{
	struct taking t = {
		.way = take->way,
		.gup_flags = (pins->write ? FOLL_WRITE : 0) |
			     (take->flags & PIN_HELPER_LONGTERM ? FOLL_LONGTERM : 0),
	};
	unsigned long addr = take->addr & PAGE_MASK;

	t.mm = ph_mm_get(take->target);
	if (!t.mm)
		return -ESRCH;
	pins->left = take_pages(&t, addr, pins->nr_pages, pins->pages, &take->error);
	mmput(t.mm);
	pins->nr_units = pins->left;
	return 0;
}

#ifdef PH_MEMFD_PIN_FOLIOS
/* Against writing. Of a file of which folios could be pinned: it has seals. */
static bool sealed(struct file *memfd)
{
	struct inode *inode = file_inode(memfd);
	unsigned int seals = 0;

	if (inode->i_sb->s_magic == TMPFS_MAGIC)
		seals = SHMEM_I(inode)->seals;
#ifdef CONFIG_HUGETLBFS
	else if (inode->i_sb->s_magic == HUGETLBFS_MAGIC)
		seals = HUGETLBFS_I(inode)->seals;
#endif
	return seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE);
}

/* The pages of folios that were just pinned; how many. */
static unsigned long spread(struct ph_pins *pins, unsigned long page,
			    struct folio **folios, long n, pgoff_t offset)
{
	unsigned long start = page, in_folio = offset >> PAGE_SHIFT;
	long i;

	for (i = 0; i < n; i++) {
		pins->starts[pins->nr_units++] = page;
		for (; in_folio < folio_nr_pages(folios[i]) && page < pins->nr_pages;
		     in_folio++)
			pins->pages[page++] = folio_page(folios[i], in_folio);
		in_folio = 0;
	}
	return page - start;
}

static unsigned long take_folios(struct ph_pins *pins, struct file *memfd,
				 loff_t start, struct folio **folios, int *error)
{
	unsigned long done = 0, n, covered;
	pgoff_t offset;
	loff_t at;
	long got;

	/* A chunk ends where each folio but a gigantic one ends. */
	for (; done < pins->nr_pages; done += covered) {
		if (fatal_signal_pending(current)) {
			*error = -EINTR;
			break;
		}
		at = start + ((loff_t)done << PAGE_SHIFT);
		n = PH_CHUNK - ((at >> PAGE_SHIFT) & (PH_CHUNK - 1));
		n = min(n, pins->nr_pages - done);
		got = memfd_pin_folios(memfd, at, at + ((loff_t)n << PAGE_SHIFT) - 1,
				       folios, n, &offset);
		if (got <= 0) {
			*error = got ?: -EFAULT;
			break;
		}
		covered = spread(pins, done, folios, got, offset);
		cond_resched();
	}
	return done;
}

static int take_from_memfd(struct ph_pins *pins, struct pin_helper_take *take)
{
	struct file *memfd = fget(take->target);
	unsigned long chunk = min(pins->nr_pages, PH_CHUNK);
	struct folio **folios;
	int error = -ENOMEM;

	if (!memfd)
		return -EBADF;
	folios = kvmalloc_array(chunk, sizeof(*folios), GFP_KERNEL_ACCOUNT);
	pins->starts = kvmalloc_array(pins->nr_pages + 1, sizeof(*pins->starts),
				      GFP_KERNEL_ACCOUNT);
	if (!folios || !pins->starts)
		goto out;
	error = -EACCES;
	if (pins->write && !(memfd->f_mode & FMODE_WRITE))
		goto out;

	error = 0;
	pins->nr_pages = take_folios(pins, memfd, take->addr & PAGE_MASK, folios,
				     &take->error);
	pins->starts[pins->nr_units] = pins->nr_pages;
	pins->left = pins->nr_units;
	if (pins->left && pins->write && sealed(memfd))
		error = -EPERM;
out:
	kvfree(folios);
	fput(memfd);
	return error;
}
#else
static int take_from_memfd(struct ph_pins *pins, struct pin_helper_take *take)
{
	return -EOPNOTSUPP;
}
#endif

static int check_take(struct pin_helper_take *take)
{
	bool longterm = take->flags & PIN_HELPER_LONGTERM;

	if (take->way >= PIN_HELPER_WAYS || take->flags & ~TAKE_FLAGS ||
	    (longterm && is_get(take->way)))
		return -EINVAL;
	if (take->target && take->way != PIN_HELPER_PIN_REMOTE &&
	    take->way != PIN_HELPER_PIN_MEMFD)
		return -EINVAL;
#ifndef PH_MEMFD_PIN_FOLIOS
	if (take->way == PIN_HELPER_PIN_MEMFD)
		return -EOPNOTSUPP;
#endif
	if (take->way == PIN_HELPER_PIN_UNLOCKED && longterm && !PH_UNLOCKED_LONGTERM)
		return -EOPNOTSUPP;
	return 0;
}

/* The object without a page yet, charged for what it may come to hold. */
static struct ph_pins *pins_new(struct ph_file *file, struct pin_helper_take *take,
				unsigned long nr_pages)
{
	struct ph_pins *pins;
	int error = ph_charge(file, nr_pages);

	if (error)
		return ERR_PTR(error);
	pins = kzalloc(sizeof(*pins), GFP_KERNEL_ACCOUNT);
	if (pins)
		pins->pages = kvmalloc_array(nr_pages, sizeof(*pins->pages),
					     GFP_KERNEL_ACCOUNT);
	if (!pins || !pins->pages) {
		kfree(pins);
		ph_uncharge(file, nr_pages);
		return ERR_PTR(-ENOMEM);
	}
	ph_object_init(&pins->object, file, &pins_ops);
	pins->way = take->way;
	pins->write = take->flags & PIN_HELPER_WRITE;
	pins->offset = take->addr & ~PAGE_MASK;
	pins->length = take->length;
	pins->nr_pages = nr_pages;
	return pins;
}

/* Down to what was taken. */
static void shrink(struct ph_pins *pins, unsigned long asked)
{
	u64 bytes;

	pins->nr_pages = pins->starts ? pins->nr_pages : pins->nr_units;
	ph_uncharge(pins->object.file, asked - pins->nr_pages);
	bytes = ((u64)pins->nr_pages << PAGE_SHIFT);
	bytes = bytes > pins->offset ? bytes - pins->offset : 0;
	pins->length = min(pins->length, bytes);
}

long ph_take(struct ph_file *file, void *arg)
{
	struct pin_helper_take *take = arg;
	unsigned long nr_pages;
	struct ph_pins *pins;
	int error = check_take(take);

	if (error)
		return error;
	error = ph_pages_of(take->addr, take->length, &nr_pages);
	if (error)
		return error;
	pins = pins_new(file, take, nr_pages);
	if (IS_ERR(pins))
		return PTR_ERR(pins);

	take->error = 0;
	if (take->way == PIN_HELPER_PIN_MEMFD)
		error = take_from_memfd(pins, take);
	else
		error = take_from_mm(pins, take);
	if (error && !pins->left)
		pins->nr_pages = 0;
	shrink(pins, nr_pages);
	if (!error && !pins->left)
		error = take->error;
	if (!error)
		error = ph_object_publish(&pins->object);
	if (error) {
		pins_release(&pins->object);
		ph_object_put(&pins->object);
		return error;
	}
	take->handle = pins->object.handle;
	take->pages = pins->nr_pages;
	take->refs = pins->nr_units;
	return 0;
}
