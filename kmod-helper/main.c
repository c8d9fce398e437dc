// SPDX-License-Identifier: GPL-2.0
/*
 * /dev/pin_helper: the device, what an open file holds, and its limits.
 */
#include <linux/capability.h>
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/vmstat.h>

#include "argument.h"
#include "internal.h"

static unsigned long max_pages_file = 1ul << (30 - PAGE_SHIFT);
module_param(max_pages_file, ulong, 0644);
MODULE_PARM_DESC(max_pages_file, "Pages that one open file may hold (1 GiB)");

static unsigned long max_pages_all = 1ul << (32 - PAGE_SHIFT);
module_param(max_pages_all, ulong, 0644);
MODULE_PARM_DESC(max_pages_all, "Pages that all open files may hold (4 GiB)");

/* Not to be changed while loaded: whoever loads the module decides. */
bool ph_allow_faults;
module_param_named(allow_faults, ph_allow_faults, bool, 0444);
MODULE_PARM_DESC(allow_faults, "Allow the ioctls that get pins wrong (N)");

struct workqueue_struct *ph_wq;

static atomic_long_t pages_all = ATOMIC_LONG_INIT(0);
static atomic_long_t watched_all = ATOMIC_LONG_INIT(0);

/* --- limits ---------------------------------------------------------------- */

static int charge(atomic_long_t *account, unsigned long pages,
		  unsigned long limit)
{
	long now = atomic_long_read(account);

	do {
		if (pages > limit || now > (long)(limit - pages))
			return -EDQUOT;
	} while (!atomic_long_try_cmpxchg(account, &now, now + pages));
	return 0;
}

/* The limits are parameters, and may have been set to anything. */
static unsigned long file_limit(void)
{
	return min(max_pages_file, PH_MAX_PAGES);
}

static unsigned long all_limit(void)
{
	return min_t(unsigned long, max_pages_all, LONG_MAX);
}

static int charge_both(atomic_long_t *file, atomic_long_t *all, unsigned long pages)
{
	int error = charge(file, pages, file_limit());

	if (error)
		return error;
	error = charge(all, pages, all_limit());
	if (error)
		atomic_long_sub(pages, file);
	return error;
}

int ph_charge(struct ph_file *file, unsigned long pages)
{
	return charge_both(&file->pages, &pages_all, pages);
}

void ph_charge_again(struct ph_file *file, unsigned long pages)
{
	atomic_long_add(pages, &file->pages);
	atomic_long_add(pages, &pages_all);
}

void ph_uncharge(struct ph_file *file, unsigned long pages)
{
	atomic_long_sub(pages, &file->pages);
	atomic_long_sub(pages, &pages_all);
}

int ph_watch(struct ph_file *file, unsigned long pages)
{
	return charge_both(&file->watched, &watched_all, pages);
}

void ph_unwatch(struct ph_file *file, unsigned long pages)
{
	atomic_long_sub(pages, &file->watched);
	atomic_long_sub(pages, &watched_all);
}

/* Leaked pages count in the sum of all until they are given back. */
void ph_charge_leak(struct ph_file *file, unsigned long pages)
{
	atomic_long_sub(pages, &file->pages);
}

void ph_uncharge_leak(unsigned long pages)
{
	atomic_long_sub(pages, &pages_all);
}

/* --- handles --------------------------------------------------------------- */

void ph_object_init(struct ph_object *object, struct ph_file *file,
		    const struct ph_ops *ops)
{
	kref_init(&object->refs);
	object->file = file;
	object->ops = ops;
	ph_later_init(&object->later);
}

int ph_object_publish(struct ph_object *object)
{
	int error = xa_alloc(&object->file->objects, &object->handle, object,
			     XA_LIMIT(1, PH_MAX_HANDLES), GFP_KERNEL_ACCOUNT);

	return error == -EBUSY ? -EDQUOT : error;
}

struct ph_object *ph_object_find(struct ph_file *file, u32 handle)
{
	return xa_load(&file->objects, handle);
}

static void object_free(struct kref *refs)
{
	struct ph_object *object = container_of(refs, struct ph_object, refs);

	ph_later_destroy(&object->later);
	object->ops->free(object);
}

void ph_object_put(struct ph_object *object)
{
	kref_put(&object->refs, object_free);
}

void ph_object_close(struct ph_object *object)
{
	object->ops->release(object);
	xa_erase(&object->file->objects, object->handle);
	ph_object_put(object);
}

static long do_close(struct ph_file *file, void *arg)
{
	struct pin_helper_close *close = arg;
	struct ph_object *object = ph_object_find(file, close->handle);
	int error;

	if (!object)
		return -ENOENT;
	/* A mirror's device can be stopped, that of pins is waited for. */
	if (!ph_is_mirror(object)) {
		error = ph_later_wait(&object->later);
		if (error)
			return error;
	}
	ph_object_close(object);
	return 0;
}

/* --- information ----------------------------------------------------------- */

static long do_info(struct ph_file *file, void *arg)
{
	struct pin_helper_info *info = arg;

	info->abi = PIN_HELPER_ABI;
	info->page_size = PAGE_SIZE;
	info->ways = (1u << PIN_HELPER_WAYS) - 1;
	info->gives = (1u << PIN_HELPER_GIVES) - 1;
#ifndef PH_MEMFD_PIN_FOLIOS
	info->ways &= ~(1u << PIN_HELPER_PIN_MEMFD);
	info->gives &= ~(1u << PIN_HELPER_GIVE_FOLIO | 1u << PIN_HELPER_GIVE_FOLIOS);
#endif
#ifndef PH_RANGE_DIRTY_LOCK
	info->gives &= ~(1u << PIN_HELPER_GIVE_RANGE_DIRTY_LOCK);
#endif
#ifdef CONFIG_MMU_NOTIFIER
	info->mirrors = 1u << PIN_HELPER_MIRROR_GET | 1u << PIN_HELPER_MIRROR_PIN;
#ifdef CONFIG_HMM_MIRROR
	info->mirrors |= 1u << PIN_HELPER_MIRROR_HMM;
#endif
#endif
	info->faults_allowed = ph_allow_faults;
	info->max_handles = PH_MAX_HANDLES;
	info->max_pages_file = file_limit();
	info->max_pages_all = all_limit();
	info->pages_file = atomic_long_read(&file->pages);
	info->pages_leaked = ph_leaked();
	/* The two are not read at the same moment. */
	info->pages_all = max_t(long, atomic_long_read(&pages_all) - info->pages_leaked, 0);
	info->acquired = global_node_page_state(NR_FOLL_PIN_ACQUIRED);
	info->released = global_node_page_state(NR_FOLL_PIN_RELEASED);
	return 0;
}

/* --- the device ------------------------------------------------------------ */

static const struct ph_command {
	size_t size;
	long (*run)(struct ph_file *file, void *arg);
	bool reports;		/* the structure goes back to the caller */
	bool unlocked;		/* takes the file's lock itself */
} commands[] = {
	[_IOC_NR(PIN_HELPER_IOC_INFO)] = {
		sizeof(struct pin_helper_info), do_info, true },
	[_IOC_NR(PIN_HELPER_IOC_TAKE)] = {
		sizeof(struct pin_helper_take), ph_take, true },
	[_IOC_NR(PIN_HELPER_IOC_GIVE)] = {
		sizeof(struct pin_helper_give), ph_give, true },
	[_IOC_NR(PIN_HELPER_IOC_CLOSE)] = {
		sizeof(struct pin_helper_close), do_close },
	[_IOC_NR(PIN_HELPER_IOC_DMA)] = {
		sizeof(struct pin_helper_dma), ph_dma },
	[_IOC_NR(PIN_HELPER_IOC_WAIT)] = {
		sizeof(struct pin_helper_wait), ph_wait, true, true },
	[_IOC_NR(PIN_HELPER_IOC_TOUCH)] = {
		sizeof(struct pin_helper_touch), ph_touch, true },
	[_IOC_NR(PIN_HELPER_IOC_INSPECT)] = {
		sizeof(struct pin_helper_inspect), ph_inspect },
	[_IOC_NR(PIN_HELPER_IOC_SCAN)] = {
		sizeof(struct pin_helper_scan), ph_scan, true },
	[_IOC_NR(PIN_HELPER_IOC_MIRROR)] = {
		sizeof(struct pin_helper_mirror), ph_mirror, true },
	[_IOC_NR(PIN_HELPER_IOC_MIRROR_MAP)] = {
		sizeof(struct pin_helper_mirror_map), ph_mirror_map, true },
	[_IOC_NR(PIN_HELPER_IOC_MIRROR_BUSY)] = {
		sizeof(struct pin_helper_mirror_busy), ph_mirror_busy },
	[_IOC_NR(PIN_HELPER_IOC_MIRROR_STAT)] = {
		sizeof(struct pin_helper_mirror_stat), ph_mirror_stat, true },
	[_IOC_NR(PIN_HELPER_IOC_FAULT)] = {
		sizeof(struct pin_helper_fault), ph_fault },
	[_IOC_NR(PIN_HELPER_IOC_REPAIR)] = {
		sizeof(struct pin_helper_repair), ph_repair, true },
};

union ph_argument {
	u32 size;
	struct pin_helper_info info;
	struct pin_helper_take take;
	struct pin_helper_give give;
	struct pin_helper_dma dma;
	struct pin_helper_scan scan;
	struct pin_helper_inspect inspect;
	struct pin_helper_mirror mirror;
	struct pin_helper_mirror_stat stat;
};

static const struct ph_command *find_command(unsigned int number)
{
	if (_IOC_TYPE(number) != _IOC_TYPE(PIN_HELPER_IOC_INFO) ||
	    _IOC_NR(number) >= ARRAY_SIZE(commands) ||
	    number != _IO(_IOC_TYPE(PIN_HELPER_IOC_INFO), _IOC_NR(number)))
		return NULL;
	return &commands[_IOC_NR(number)];
}

/* A handle that the caller does not come to know is not to stay. */
static void undo(struct ph_file *file, unsigned int number,
		 union ph_argument *argument)
{
	u32 handle = 0;

	if (number == PIN_HELPER_IOC_TAKE)
		handle = argument->take.handle;
	else if (number == PIN_HELPER_IOC_MIRROR)
		handle = argument->mirror.handle;
	if (handle)
		ph_object_close(ph_object_find(file, handle));
}

static long pin_helper_ioctl(struct file *opened, unsigned int number,
			     unsigned long user)
{
	struct ph_file *file = opened->private_data;
	const struct ph_command *command = find_command(number);
	void __user *at = (void __user *)user;
	union ph_argument argument;
	u32 size;
	long error;

	/* Whoever opened the file may have handed it to somebody else. */
	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	if (!command)
		return -ENOTTY;
	error = ph_get_argument(&argument, command->size, at, &size);
	if (error)
		return error;
	/* It may have been changed between the two looks. */
	argument.size = size;

	if (command->unlocked) {
		error = command->run(file, &argument);
		if (!error && command->reports &&
		    copy_to_user(at, &argument, min_t(size_t, size, command->size)))
			error = -EFAULT;
		return error;
	}
	if (mutex_lock_killable(&file->lock))
		return -EINTR;
	error = command->run(file, &argument);
	if (!error && command->reports &&
	    copy_to_user(at, &argument, min_t(size_t, size, command->size))) {
		undo(file, number, &argument);
		error = -EFAULT;
	}
	mutex_unlock(&file->lock);
	return error;
}

static int pin_helper_open(struct inode *inode, struct file *opened)
{
	struct ph_file *file;

	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	file = kzalloc(sizeof(*file), GFP_KERNEL_ACCOUNT);
	if (!file)
		return -ENOMEM;
	mutex_init(&file->lock);
	xa_init_flags(&file->objects, XA_FLAGS_ALLOC1);
	opened->private_data = file;
	return nonseekable_open(inode, opened);
}

static int pin_helper_release(struct inode *inode, struct file *opened)
{
	struct ph_file *file = opened->private_data;
	struct ph_object *object;
	unsigned long handle;

	xa_for_each(&file->objects, handle, object) {
		ph_object_close(object);
		cond_resched();
	}
	xa_destroy(&file->objects);
	WARN_ON_ONCE(atomic_long_read(&file->pages));
	mutex_destroy(&file->lock);
	kfree(file);
	return 0;
}

static const struct file_operations pin_helper_fops = {
	.owner = THIS_MODULE,
	.open = pin_helper_open,
	.release = pin_helper_release,
	.unlocked_ioctl = pin_helper_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
};

static struct miscdevice pin_helper_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "pin_helper",
	.mode = 0600,
	.fops = &pin_helper_fops,
};

static int __init pin_helper_init(void)
{
	int error;

	/* The notifier may wait for its work, and reclaim for the notifier. */
	ph_wq = alloc_workqueue("pin_helper", WQ_UNBOUND | WQ_MEM_RECLAIM, 0);
	if (!ph_wq)
		return -ENOMEM;
	error = misc_register(&pin_helper_device);
	if (error)
		destroy_workqueue(ph_wq);
	return error;
}

static void __exit pin_helper_exit(void)
{
	unsigned long pages;

	misc_deregister(&pin_helper_device);
	/* Leaks hold the module; this is for one that is removed by force. */
	pages = ph_repair_all();
	if (pages)
		pr_info("pin_helper: gave back %lu leaked pages\n", pages);
	destroy_workqueue(ph_wq);
}

module_init(pin_helper_init);
module_exit(pin_helper_exit);

MODULE_DESCRIPTION("Pins user pages, inspects them, and gets it wrong if told to");
MODULE_LICENSE("GPL");
