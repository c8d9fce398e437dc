/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the files of pin_helper.ko share.
 *
 * Locks, outermost first:
 *   ph_file.lock	mutex: every ioctl but WAIT, which sleeps without it
 *   mmap_lock		of whatever process the pages belong to
 *   ph_mirror.lock	spinlock: taken by the notifier's callback, too
 *   ph_later.lock	spinlock
 */
#ifndef PIN_HELPER_INTERNAL_H
#define PIN_HELPER_INTERNAL_H

#include <linux/kref.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/spinlock.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>

#include "pin_helper.h"

#define PH_MAX_HANDLES		4096u
/* Whatever the parameters say: an array of pointers to them can be had. */
#define PH_MAX_PAGES		(INT_MAX / 16ul)
/* Between two looks at the signals and the scheduler. */
#define PH_CHUNK		16384ul

struct ph_file {
	struct mutex lock;	/* of everything the file has */
	struct xarray objects;
	atomic_long_t pages;	/* held */
	atomic_long_t watched;	/* by mirrors, held or not */
};

/* Work that the device does later, one at a time. */
struct ph_later {
	struct delayed_work work;
	wait_queue_head_t done;
	void *pattern;		/* a page for the work, kept */
	spinlock_t lock;	/* protects what follows */
	bool pending;
	int error;
	u64 offset;
	u64 length;
	u8 value;
};

struct ph_object;

struct ph_ops {
	/* Let go of all that is held. The object's memory is freed by its kref. */
	void (*release)(struct ph_object *object);
	/* Of the memory behind the handle, from the address it was taken at. */
	u64 (*bytes)(struct ph_object *object);
	unsigned long (*first_offset)(struct ph_object *object);
	/* 0, or why @op cannot be done to [offset, offset + length). */
	int (*may_access)(struct ph_object *object, struct pin_helper_dma *dma);
	/* Copy @length bytes inside of page @index: read into, or write from @data. */
	int (*access)(struct ph_object *object, unsigned long index,
		      unsigned int offset, unsigned int length, void *data,
		      bool write);
	/* The page at @index as it is now: flags are 0 if there is none. */
	void (*describe)(struct ph_object *object, unsigned long index,
			 struct pin_helper_page *out);
	void (*free)(struct ph_object *object);
};

/* What a handle names. */
struct ph_object {
	struct kref refs;
	const struct ph_ops *ops;
	struct ph_file *file;
	u32 handle;
	struct ph_later later;
};

/* Pages of TAKE. */
struct ph_pins {
	struct ph_object object;
	u32 way;
	bool write;
	unsigned int offset;		/* of the first byte in the first page */
	u64 length;
	struct page **pages;		/* NULL: given back */
	unsigned long nr_pages;
	/* What one reference covers: a page, or with PIN_MEMFD a folio. */
	unsigned long *starts;		/* PIN_MEMFD: first page of each folio, and the end */
	unsigned long nr_units;
	unsigned long left;		/* units */
};

/* main.c */
extern bool ph_allow_faults;
extern struct workqueue_struct *ph_wq;

int ph_charge(struct ph_file *file, unsigned long pages);
void ph_uncharge(struct ph_file *file, unsigned long pages);
/* Whatever the limits say: as much is uncharged next. */
void ph_charge_again(struct ph_file *file, unsigned long pages);
/* Pages that mirrors watch cost memory, too, held or not. */
int ph_watch(struct ph_file *file, unsigned long pages);
void ph_unwatch(struct ph_file *file, unsigned long pages);
/* From a file's account to that of leaks, which outlive it, and back to none. */
void ph_charge_leak(struct ph_file *file, unsigned long pages);
void ph_uncharge_leak(unsigned long pages);

void ph_object_init(struct ph_object *object, struct ph_file *file,
		    const struct ph_ops *ops);
int ph_object_publish(struct ph_object *object);
struct ph_object *ph_object_find(struct ph_file *file, u32 handle);
void ph_object_put(struct ph_object *object);
/* Release, and forget the handle. */
void ph_object_close(struct ph_object *object);

/* pins.c */
int ph_pages_of(u64 addr, u64 length, unsigned long *pages);
unsigned long ph_pins_pages(struct ph_pins *pins, unsigned long first,
			    unsigned long count);
/*
 * As a driver would of @mm: how many of @n; why not more is in *error, which is
 * left alone if it is all.
 */
unsigned long ph_take_pages(struct mm_struct *mm, bool pin, bool write,
			    unsigned long addr, unsigned long n,
			    struct page **pages, int *error);
struct mm_struct *ph_mm_get(pid_t number);
void ph_pins_give_plainly(struct ph_pins *pins, unsigned long first,
			  unsigned long count);
int ph_pins_check_units(struct ph_pins *pins, u64 first, u64 count);
struct page *ph_pins_unit(struct ph_pins *pins, unsigned long unit);
void ph_pins_forget(struct ph_pins *pins, unsigned long first,
		    unsigned long count);
struct ph_pins *ph_pins_find(struct ph_file *file, u32 handle);
long ph_take(struct ph_file *file, void *arg);
long ph_give(struct ph_file *file, void *arg);

/* dma.c */
void ph_later_init(struct ph_later *later);
void ph_later_destroy(struct ph_later *later);
bool ph_later_pending(struct ph_later *later);
int ph_later_wait(struct ph_later *later);
void ph_later_finish(struct ph_later *later, int error);
/* If it is not running yet it will not. Does not sleep. */
void ph_later_cancel(struct ph_later *later);
/* Done at once, or (false) not at all; both before this returns. */
void ph_later_flush(struct ph_later *later, bool done);
long ph_dma(struct ph_file *file, void *arg);
long ph_wait(struct ph_file *file, void *arg);

/* touch.c */
long ph_touch(struct ph_file *file, void *arg);

/* inspect.c */
void ph_describe(struct page *page, int ours, struct pin_helper_page *out);
void ph_describe_mapped(struct page *page, int ours, struct pin_helper_page *out);
void ph_describe_pfn(unsigned long pfn, struct pin_helper_page *out);
long ph_inspect(struct ph_file *file, void *arg);

/* scan.c */
long ph_scan(struct ph_file *file, void *arg);

/* mirror.c */
bool ph_is_mirror(struct ph_object *object);
long ph_mirror(struct ph_file *file, void *arg);
long ph_mirror_map(struct ph_file *file, void *arg);
long ph_mirror_busy(struct ph_file *file, void *arg);
long ph_mirror_stat(struct ph_file *file, void *arg);

/* fault.c */
long ph_fault(struct ph_file *file, void *arg);
long ph_repair(struct ph_file *file, void *arg);
u64 ph_leaked(void);
unsigned long ph_repair_all(void);

#endif
