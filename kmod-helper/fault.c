// SPDX-License-Identifier: GPL-2.0
/*
 * FAULT and REPAIR: pins are got wrong, as drivers have got them wrong, but so
 * that memory stays valid. The module keeps what references that takes, and
 * remembers how each fault is undone.
 */
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/overflow.h>
#include <linux/page_ref.h>
#include <linux/slab.h>
#include <linux/vmstat.h>

#include "compat.h"
#include "internal.h"

/* Pages of one FAULT. */
struct ledger {
	struct list_head list;
	u32 op;
	unsigned long charged;
	unsigned long count;
	struct page *pages[];
};

static LIST_HEAD(ledgers);
static DEFINE_MUTEX(ledgers_lock);
static atomic_long_t pages_leaked = ATOMIC_LONG_INIT(0);

u64 ph_leaked(void)
{
	return atomic_long_read(&pages_leaked);
}

/* --- a page ---------------------------------------------------------------- */

static void count_acquired(struct page *page)
{
	mod_node_page_state(NODE_DATA(page_to_nid(page)), NR_FOLL_PIN_ACQUIRED, 1);
}

/* The references, and pins where they are counted apart, of one pin. */
static void add_pin(struct page *page)
{
	struct page *head = ph_head(page);
	atomic_t *pincount = ph_pincount(head);

	if (pincount) {
		page_ref_add(head, 1);
		atomic_inc(pincount);
	} else {
		page_ref_add(head, GUP_PIN_COUNTING_BIAS);
	}
}

/*
 * The opposite, counted. Not by unpin_user_page(): a kernel that debugs its memory
 * management stops there if an anonymous page is not this process's alone, as a
 * page need not be that was only referenced.
 */
static void drop_pin(struct page *page)
{
	struct page *head = ph_head(page);
	atomic_t *pincount = ph_pincount(head);

	mod_node_page_state(NODE_DATA(page_to_nid(page)), NR_FOLL_PIN_RELEASED, 1);
	if (pincount)
		atomic_dec(pincount);
	else
		page_ref_sub(head, GUP_PIN_COUNTING_BIAS - 1);
	put_page(head);
}

/*
 * The bias that unpin_user_page() is going to take away was never added: it
 * would free the page under its users. What keeps it is added before. The pin
 * count of a large folio, which frees nothing, is one too low afterwards.
 */
static void unpin_get(struct page *page)
{
	struct page *head = ph_head(page);

	page_ref_add(head, ph_pincount(head) ? 1 : GUP_PIN_COUNTING_BIAS);
	unpin_user_page(page);
}

static void repair_unpin_get(struct page *page)
{
	atomic_t *pincount = ph_pincount(ph_head(page));

	if (pincount)
		atomic_inc(pincount);
	count_acquired(page);
	put_page(page);
}

/*
 * Leaves 1023 references on a small page. On a large folio a pin is worth one
 * reference; without it the folio could be freed while it counts a pin: the
 * module keeps that one.
 */
static void put_pin(struct page *page)
{
	if (!ph_pincount(ph_head(page)))
		put_page(page);
}

static void repair_put_pin(struct page *page)
{
	if (!ph_pincount(ph_head(page)))
		get_page(page);
	drop_pin(page);
}

static void do_fault(u32 op, struct page *page)
{
	switch (op) {
	case PIN_HELPER_FAULT_LEAK:
		break;
	case PIN_HELPER_FAULT_UNPIN_GET:
		unpin_get(page);
		break;
	case PIN_HELPER_FAULT_PUT_PIN:
		put_pin(page);
		break;
	case PIN_HELPER_FAULT_EXTRA_PIN:
		add_pin(page);
		count_acquired(page);
		break;
	}
}

static void repair_fault(u32 op, struct page *page)
{
	switch (op) {
	case PIN_HELPER_FAULT_LEAK:
		unpin_user_page(page);
		break;
	case PIN_HELPER_FAULT_EXTRA_PIN:
		drop_pin(page);
		break;
	case PIN_HELPER_FAULT_UNPIN_GET:
		repair_unpin_get(page);
		break;
	case PIN_HELPER_FAULT_PUT_PIN:
		repair_put_pin(page);
		break;
	}
}

/* --- the ledger ------------------------------------------------------------ */

static void repair_ledger(struct ledger *ledger)
{
	unsigned long i;

	for (i = 0; i < ledger->count; i++) {
		repair_fault(ledger->op, ledger->pages[i]);
		cond_resched();
	}
	atomic_long_sub(ledger->charged, &pages_leaked);
	ph_uncharge_leak(ledger->charged);
	kvfree(ledger);
}

/* How many pages. */
unsigned long ph_repair_all(void)
{
	struct ledger *ledger, *next;
	unsigned long pages = 0;
	LIST_HEAD(mine);

	mutex_lock(&ledgers_lock);
	list_splice_init(&ledgers, &mine);
	mutex_unlock(&ledgers_lock);
	list_for_each_entry_safe(ledger, next, &mine, list) {
		pages += ledger->count;
		repair_ledger(ledger);
		module_put(THIS_MODULE);
	}
	return pages;
}

static void remember(struct ph_pins *pins, struct ledger *ledger)
{
	atomic_long_add(ledger->charged, &pages_leaked);
	ph_charge_leak(pins->object.file, ledger->charged);
	/* Our caller has the device open: the module cannot be on its way out. */
	__module_get(THIS_MODULE);
	mutex_lock(&ledgers_lock);
	list_add_tail(&ledger->list, &ledgers);
	mutex_unlock(&ledgers_lock);
}

/* --- the ioctl ------------------------------------------------------------- */

static int check_page(struct page *page, u32 op)
{
	struct page *head = ph_head(page);

	/* Its references are nobody's, and from 6.5 on pins do not count them. */
	if (is_zero_pfn(page_to_pfn(page)))
		return -EINVAL;
	if (page_ref_count(head) > INT_MAX / 2)
		return -EOVERFLOW;
#ifdef PH_ANON_EXCLUSIVE
	/* A kernel that debugs its memory management stops at such an unpin. */
	if (op == PIN_HELPER_FAULT_UNPIN_GET && ph_test_anon(head) &&
	    !ph_anon_exclusive(page, head))
		return -EINVAL;
#endif
	return 0;
}

static int check_fault(struct ph_pins *pins, struct pin_helper_fault *fault)
{
	bool get = pins->way == PIN_HELPER_GET || pins->way == PIN_HELPER_GET_FAST;
	bool for_get = fault->op == PIN_HELPER_FAULT_UNPIN_GET;
	int error = ph_pins_check_units(pins, fault->first, fault->count);
	u64 i;

	if (fault->op != PIN_HELPER_FAULT_EXTRA_PIN && get != for_get)
		return -EINVAL;
	for (i = 0; i < fault->count && !error; i++)
		error = check_page(ph_pins_unit(pins, fault->first + i), fault->op);
	return error;
}

static void fault_all(struct ph_pins *pins, struct pin_helper_fault *fault,
		      struct ledger *ledger)
{
	unsigned long i;

	for (i = 0; i < fault->count; i++) {
		ledger->pages[i] = ph_pins_unit(pins, fault->first + i);
		do_fault(fault->op, ledger->pages[i]);
		cond_resched();
	}
	ledger->op = fault->op;
	ledger->count = fault->count;
	ledger->charged = ph_pins_pages(pins, fault->first, fault->count);
	remember(pins, ledger);
	if (fault->op == PIN_HELPER_FAULT_EXTRA_PIN) {
		/* What was taken in good order is let go of likewise. */
		ph_charge_again(pins->object.file, ledger->charged);
		ph_pins_give_plainly(pins, fault->first, fault->count);
	} else {
		ph_pins_forget(pins, fault->first, fault->count);
	}
}

long ph_fault(struct ph_file *file, void *arg)
{
	struct pin_helper_fault *fault = arg;
	struct ledger *ledger;
	struct ph_pins *pins;
	int error;

	if (!ph_allow_faults)
		return -EPERM;
	if (fault->op >= PIN_HELPER_FAULT_OPS || fault->reserved)
		return -EINVAL;
	pins = ph_pins_find(file, fault->handle);
	if (IS_ERR(pins))
		return PTR_ERR(pins);
	error = check_fault(pins, fault);
	if (error)
		return error;
	error = ph_later_wait(&pins->object.later);
	if (error)
		return error;
	ledger = kvmalloc(struct_size(ledger, pages, fault->count), GFP_KERNEL_ACCOUNT);
	if (!ledger)
		return -ENOMEM;
	fault_all(pins, fault, ledger);
	if (!pins->left)
		ph_object_close(&pins->object);
	return 0;
}

long ph_repair(struct ph_file *file, void *arg)
{
	struct pin_helper_repair *repair = arg;

	if (!ph_allow_faults)
		return -EPERM;
	if (repair->reserved)
		return -EINVAL;
	repair->pages = ph_repair_all();
	return 0;
}
