// SPDX-License-Identifier: GPL-2.0
/*
 * DMA: what a device would do to the memory behind a handle, at once or later.
 */
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "compat.h"
#include "internal.h"

#define DMA_FLAGS	(PIN_HELPER_DMA_INCORRECT | PIN_HELPER_DMA_LATER)

/*
 * The next piece of [offset, offset + length) that lies in one page: which page,
 * where in it, how much of it.
 */
struct piece {
	unsigned long index;
	unsigned int offset;
	unsigned int length;
};

static struct piece piece_at(struct ph_object *object, u64 offset, u64 length)
{
	u64 at = object->ops->first_offset(object) + offset;
	struct piece piece = {
		.index = at >> PAGE_SHIFT,
		.offset = at & ~PAGE_MASK,
	};

	piece.length = min_t(u64, length, PAGE_SIZE - piece.offset);
	return piece;
}

/* --- later ----------------------------------------------------------------- */

static int fill(struct ph_object *object, u64 offset, u64 length, void *pattern)
{
	struct piece piece;
	int error;

	for (; length; offset += piece.length, length -= piece.length) {
		piece = piece_at(object, offset, length);
		error = object->ops->access(object, piece.index, piece.offset,
					    piece.length, pattern, true);
		if (error)
			return error;
		cond_resched();
	}
	return 0;
}

static void later_work(struct work_struct *work)
{
	struct ph_later *later = container_of(to_delayed_work(work),
					      struct ph_later, work);
	struct ph_object *object = container_of(later, struct ph_object, later);
	int error;

	memset(later->pattern, later->value, PAGE_SIZE);
	error = fill(object, later->offset, later->length, later->pattern);
	/* A mirror's view went away before it was its turn. */
	ph_later_finish(later, error == -EAGAIN ? -ECANCELED : error);
}

void ph_later_init(struct ph_later *later)
{
	INIT_DELAYED_WORK(&later->work, later_work);
	init_waitqueue_head(&later->done);
	spin_lock_init(&later->lock);
}

void ph_later_destroy(struct ph_later *later)
{
	free_page((unsigned long)later->pattern);
}

bool ph_later_pending(struct ph_later *later)
{
	bool pending;

	spin_lock(&later->lock);
	pending = later->pending;
	spin_unlock(&later->lock);
	return pending;
}

/* For the work itself, and for whoever kept it from running. */
void ph_later_finish(struct ph_later *later, int error)
{
	spin_lock(&later->lock);
	later->pending = false;
	later->error = error;
	/* Under the lock: after it the waiter may free all this. */
	wake_up_all(&later->done);
	spin_unlock(&later->lock);
}

int ph_later_wait(struct ph_later *later)
{
	return wait_event_killable(later->done, !ph_later_pending(later)) ? -EINTR : 0;
}

void ph_later_cancel(struct ph_later *later)
{
	if (ph_later_pending(later) && cancel_delayed_work(&later->work))
		ph_later_finish(later, -ECANCELED);
}

void ph_later_flush(struct ph_later *later, bool done)
{
	if (done)
		flush_delayed_work(&later->work);
	else if (cancel_delayed_work_sync(&later->work))
		ph_later_finish(later, -ECANCELED);
}

static int start_later(struct ph_object *object, struct pin_helper_dma *dma)
{
	struct ph_later *later = &object->later;
	int error = 0;

	if (!later->pattern)
		later->pattern = (void *)__get_free_page(GFP_KERNEL_ACCOUNT);
	if (!later->pattern)
		return -ENOMEM;

	spin_lock(&later->lock);
	if (later->pending) {
		error = -EBUSY;
	} else {
		later->pending = true;
		later->error = 0;
		later->offset = dma->offset;
		later->length = dma->length;
		later->value = dma->value;
	}
	spin_unlock(&later->lock);
	if (!error)
		queue_delayed_work(ph_wq, &later->work, usecs_to_jiffies(dma->delay));
	return error;
}

/* --- at once --------------------------------------------------------------- */

static int transfer_piece(struct ph_object *object, struct pin_helper_dma *dma,
			  struct piece *piece, u64 done, void *bounce)
{
	void __user *user = u64_to_user_ptr(dma->buffer + done);
	int error;

	if (dma->op == PIN_HELPER_DMA_WRITE &&
	    copy_from_user(bounce, user, piece->length))
		return -EFAULT;
	error = object->ops->access(object, piece->index, piece->offset,
				    piece->length, bounce,
				    dma->op != PIN_HELPER_DMA_READ);
	if (!error && dma->op == PIN_HELPER_DMA_READ &&
	    copy_to_user(user, bounce, piece->length))
		return -EFAULT;
	return error;
}

static int transfer(struct ph_object *object, struct pin_helper_dma *dma)
{
	char *bounce = (char *)__get_free_page(GFP_KERNEL_ACCOUNT);
	struct piece piece;
	int error = 0;
	u64 done;

	if (!bounce)
		return -ENOMEM;
	memset(bounce, dma->value, PAGE_SIZE);
	for (done = 0; done < dma->length && !error; done += piece.length) {
		piece = piece_at(object, dma->offset + done, dma->length - done);
		error = transfer_piece(object, dma, &piece, done, bounce);
		if (!error && fatal_signal_pending(current))
			error = -EINTR;
		cond_resched();
	}
	free_page((unsigned long)bounce);
	return error;
}

static int check_dma(struct ph_object *object, struct pin_helper_dma *dma)
{
	u64 bytes = object->ops->bytes(object);

	if (dma->op > PIN_HELPER_DMA_FILL || dma->flags & ~DMA_FLAGS ||
	    !dma->length || dma->offset >= bytes ||
	    dma->length > bytes - dma->offset)
		return -EINVAL;
	if (dma->op == PIN_HELPER_DMA_FILL ? dma->buffer != 0 || dma->value > 0xff :
					     dma->value != 0)
		return -EINVAL;
	if (dma->flags & PIN_HELPER_DMA_LATER) {
		if (dma->op != PIN_HELPER_DMA_FILL ||
		    dma->delay > PIN_HELPER_MAX_DELAY)
			return -EINVAL;
	} else if (dma->delay) {
		return -EINVAL;
	}
	return object->ops->may_access(object, dma);
}

long ph_dma(struct ph_file *file, void *arg)
{
	struct pin_helper_dma *dma = arg;
	struct ph_object *object = ph_object_find(file, dma->handle);
	int error;

	if (!object)
		return -ENOENT;
	error = check_dma(object, dma);
	if (error)
		return error;
	if (dma->flags & PIN_HELPER_DMA_LATER)
		return start_later(object, dma);
	return transfer(object, dma);
}

/* The file's lock is not held while this sleeps. */
long ph_wait(struct ph_file *file, void *arg)
{
	struct pin_helper_wait *wait = arg;
	struct ph_object *object;
	long left;

	if (mutex_lock_killable(&file->lock))
		return -EINTR;
	object = ph_object_find(file, wait->handle);
	if (object)
		kref_get(&object->refs);
	mutex_unlock(&file->lock);
	if (!object)
		return -ENOENT;

	left = wait_event_killable_timeout(object->later.done,
					   !ph_later_pending(&object->later),
					   usecs_to_jiffies(wait->timeout));
	wait->error = object->later.error;
	ph_object_put(object);
	if (left < 0)
		return -EINTR;
	return left ? 0 : -ETIMEDOUT;
}
