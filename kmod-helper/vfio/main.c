// SPDX-License-Identifier: GPL-2.0
/*
 * Devices of VFIO that have no hardware, and so no IOMMU: they ask VFIO to pin
 * what they want of the memory that user space has mapped. No driver in the tree
 * does so that needs no hardware. They are platform devices without a bus of
 * their own: VFIO gives each a group.
 */
#include <linux/capability.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/overflow.h>
#include <linux/platform_device.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "argument.h"
#include "compat.h"
#include "pin_helper_vfio.h"

#define MAX_DEVICES	64
#define PIECE		((unsigned long)VFIO_PIN_PAGES_MAX_ENTRIES) /* pages at a time */

static unsigned int devices = 16;
module_param(devices, uint, 0444);
MODULE_PARM_DESC(devices, "Number of devices (16)");

static unsigned long max_pages = 1ul << (30 - PAGE_SHIFT);
module_param(max_pages, ulong, 0644);
MODULE_PARM_DESC(max_pages, "Pages that one device may pin (1 GiB)");

struct phv_device {
	struct vfio_device vfio;
	struct mutex lock; /* of all below; VFIO's own come after it */
	struct list_head ranges;
	unsigned long held; /* pages in them */
	unsigned long calm; /* nothing is pinned until then, in jiffies */
	struct page *pages[VFIO_PIN_PAGES_MAX_ENTRIES];
};

struct phv_range {
	struct list_head entry;
	u64 iova;
	unsigned long pages;
};

static struct phv_device *phv(struct vfio_device *vfio)
{
	return container_of(vfio, struct phv_device, vfio);
}

/* In the pieces in which they were pinned: iommufd knows no others. */
static void unpin_pages(struct phv_device *device, u64 iova, unsigned long pages)
{
	for (unsigned long done = 0; done < pages; done += PIECE) {
		vfio_unpin_pages(&device->vfio, iova + ((u64)done << PAGE_SHIFT),
				 min(pages - done, PIECE));
		cond_resched();
	}
}

static int pin_pages(struct phv_device *device, u64 iova, unsigned long pages, int prot)
{
	for (unsigned long done = 0; done < pages; done += PIECE) {
		int error = -EINTR;

		if (!fatal_signal_pending(current))
			error = vfio_pin_pages(&device->vfio, iova + ((u64)done << PAGE_SHIFT),
					       min(pages - done, PIECE), prot, device->pages);
		if (error < 0) {
			unpin_pages(device, iova, done);
			return error;
		}
		cond_resched();
	}
	return 0;
}

static void let_go(struct phv_device *device, struct phv_range *range)
{
	unpin_pages(device, range->iova, range->pages);
	device->held -= range->pages;
	list_del(&range->entry);
	kfree(range);
}

/* All ranges that touch [first, last]. */
static void let_go_of(struct phv_device *device, u64 first, u64 last)
{
	struct phv_range *range, *next;

	list_for_each_entry_safe(range, next, &device->ranges, entry) {
		u64 end = range->iova + (((u64)range->pages << PAGE_SHIFT) - 1);

		if (range->iova <= last && end >= first)
			let_go(device, range);
	}
}

/* --- ioctls ---------------------------------------------------------------- */

/*
 * type1 asks each device again to let go, and again, as long as anything is
 * pinned, and after ten times stops the kernel (BUG). Whoever has asked is to come
 * first, not another thread that pins.
 */
static int lock_calm(struct phv_device *device)
{
	for (;;) {
		long left;

		if (mutex_lock_killable(&device->lock))
			return -EINTR;
		left = (long)(device->calm - jiffies);
		if (left <= 0)
			return 0;
		mutex_unlock(&device->lock);
		schedule_timeout_killable(left);
		if (fatal_signal_pending(current))
			return -EINTR;
	}
}

static int do_pin(struct phv_device *device, const struct pin_helper_vfio *arg)
{
	const unsigned long pages = arg->length >> PAGE_SHIFT;
	struct phv_range *range;
	int error;

	BUILD_BUG_ON(PIN_HELPER_VFIO_READ != IOMMU_READ || PIN_HELPER_VFIO_WRITE != IOMMU_WRITE);
	if (!arg->flags)
		return -EINVAL;
	if (pages > max_pages || device->held > max_pages - pages)
		return -EDQUOT;
	range = kmalloc(sizeof(*range), GFP_KERNEL_ACCOUNT);
	if (!range)
		return -ENOMEM;
	error = pin_pages(device, arg->iova, pages, arg->flags);
	if (error) {
		kfree(range);
		return error;
	}
	range->iova = arg->iova;
	range->pages = pages;
	list_add(&range->entry, &device->ranges);
	device->held += pages;
	return 0;
}

static int do_unpin(struct phv_device *device, const struct pin_helper_vfio *arg)
{
	const unsigned long pages = arg->length >> PAGE_SHIFT;
	struct phv_range *range;

	if (arg->flags)
		return -EINVAL;
	list_for_each_entry(range, &device->ranges, entry) {
		if (range->iova == arg->iova && range->pages == pages) {
			let_go(device, range);
			return 0;
		}
	}
	return -ENOENT;
}

static long do_copy(struct phv_device *device, const struct pin_helper_vfio *arg)
{
	const bool write = arg->flags & PIN_HELPER_VFIO_WRITE;
	void __user *at = u64_to_user_ptr(arg->addr);
	void *data;
	long error = 0;

	if (!is_power_of_2(arg->flags) || arg->length > PAGE_SIZE)
		return -EINVAL;
	data = kzalloc(arg->length, GFP_KERNEL_ACCOUNT);
	if (!data)
		return -ENOMEM;
	if (write && copy_from_user(data, at, arg->length))
		error = -EFAULT;
	if (!error)
		error = vfio_dma_rw(&device->vfio, arg->iova, data, arg->length, write);
	if (!error && !write && copy_to_user(at, data, arg->length))
		error = -EFAULT;
	kfree(data);
	return error;
}

static long phv_ioctl(struct vfio_device *vfio, unsigned int number, unsigned long user)
{
	void __user *at = (void __user *)user;
	struct phv_device *device = phv(vfio);
	struct pin_helper_vfio arg;
	u32 size;
	u64 end;
	long error;

	if (number < PIN_HELPER_VFIO_IOC_PIN || number > PIN_HELPER_VFIO_IOC_COPY)
		return -ENOTTY;
	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	error = ph_get_argument(&arg, sizeof(arg), at, &size);
	if (error)
		return error;
	if (arg.flags & ~(PIN_HELPER_VFIO_READ | PIN_HELPER_VFIO_WRITE) ||
	    !arg.length || check_add_overflow(arg.iova, arg.length - 1, &end) ||
	    end > ULONG_MAX)
		return -EINVAL;
	if (number == PIN_HELPER_VFIO_IOC_COPY)
		return do_copy(device, &arg);
	if (arg.addr || !PAGE_ALIGNED(arg.iova) || !PAGE_ALIGNED(arg.length))
		return -EINVAL;
	error = lock_calm(device);
	if (error)
		return error;
	error = number == PIN_HELPER_VFIO_IOC_PIN ? do_pin(device, &arg) : do_unpin(device, &arg);
	arg.size = size;
	arg.held = device->held;
	mutex_unlock(&device->lock);
	if (error)
		return error;
	/* What is not reported is held all the same, until the device is closed. */
	return copy_to_user(at, &arg, min_t(size_t, size, sizeof(arg))) ? -EFAULT : 0;
}

/* --- what VFIO asks for ---------------------------------------------------- */

static void phv_dma_unmap(struct vfio_device *vfio, u64 iova, u64 length)
{
	struct phv_device *device = phv(vfio);
	u64 last;

	if (!length || check_add_overflow(iova, length - 1, &last))
		last = U64_MAX;
	mutex_lock(&device->lock);
	let_go_of(device, iova, last);
	device->calm = jiffies + msecs_to_jiffies(20) + 1;
	mutex_unlock(&device->lock);
}

static int phv_open(struct vfio_device *vfio)
{
	phv(vfio)->calm = jiffies; /* that of another user may be long ago */
	return 0;
}

static void phv_close(struct vfio_device *vfio)
{
	struct phv_device *device = phv(vfio);

	mutex_lock(&device->lock);
	let_go_of(device, 0, U64_MAX);
	WARN_ON_ONCE(device->held);
	mutex_unlock(&device->lock);
}

static const struct vfio_device_ops phv_ops = {
	.name = PIN_HELPER_VFIO_NAME,
	.open_device = phv_open,
	.close_device = phv_close,
	.ioctl = phv_ioctl,
	.dma_unmap = phv_dma_unmap,
	PHV_RELEASE
	PHV_BIND
	PHV_DETACH
};

/* --- the devices ----------------------------------------------------------- */

static void phv_gone(void *arg)
{
	struct phv_device *device = arg;

	/* Waits for whoever has it open. */
	vfio_unregister_group_dev(&device->vfio);
	vfio_put_device(&device->vfio);
}

static int phv_probe(struct platform_device *pdev)
{
	struct phv_device *device;
	int error;

	device = vfio_alloc_device(phv_device, vfio, &pdev->dev, &phv_ops);
	if (IS_ERR(device))
		return PTR_ERR(device);
	mutex_init(&device->lock);
	INIT_LIST_HEAD(&device->ranges);
	error = vfio_register_emulated_iommu_dev(&device->vfio);
	if (error) {
		vfio_put_device(&device->vfio);
		return error;
	}
	/* The driver's own remove() has not the same type on all kernels. */
	return devm_add_action_or_reset(&pdev->dev, phv_gone, device);
}

static struct platform_driver phv_driver = {
	.probe = phv_probe,
	.driver_managed_dma = true, /* the group comes, and goes, later than the bus thinks */
	.driver = {
		.name = PIN_HELPER_VFIO_NAME,
		.suppress_bind_attrs = true,
	},
};

static struct platform_device *made[MAX_DEVICES];

static void phv_unmake(unsigned int count)
{
	while (count--)
		platform_device_unregister(made[count]);
	platform_driver_unregister(&phv_driver);
}

static int __init phv_init(void)
{
	int error;

	if (devices > MAX_DEVICES)
		return -EINVAL;
	error = platform_driver_register(&phv_driver);
	if (error)
		return error;
	for (unsigned int i = 0; i < devices; i++) {
		made[i] = platform_device_register_simple(PIN_HELPER_VFIO_NAME, i, NULL, 0);
		if (IS_ERR(made[i])) {
			error = PTR_ERR(made[i]);
			phv_unmake(i);
			return error;
		}
	}
	return 0;
}

static void __exit phv_exit(void)
{
	phv_unmake(devices);
}

module_init(phv_init);
module_exit(phv_exit);

MODULE_DESCRIPTION("Devices of VFIO that pin what they are told to");
MODULE_LICENSE("GPL");
