/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The books of pintrace: who took a pin, and who gives it back.
 *
 * A pin of a small folio stands in the slot of its page: one word in an array
 * with one slot for each page of the machine. What is more than that (a second
 * pin of the same page, large folios, pages without a slot) stands in a hash map
 * by folio. The slot says whether there is more.
 */
#ifndef PINTRACE_BOOKING_BPF_H
#define PINTRACE_BOOKING_BPF_H

#include <linux/errno.h>
#include <stdbool.h>
#include <stddef.h>

#include "book.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#define ACQUIRE_TRIES 16

struct page {
	unsigned long compound_head;
} __attribute__((preserve_access_index));

/* Its name since 7.0. */
struct page___7 {
	unsigned long compound_info;
} __attribute__((preserve_access_index));

struct task_struct {
	int tgid;
	__u64 start_time;
} __attribute__((preserve_access_index));

/* x86 */
struct pt_regs {
	unsigned long orig_ax;
} __attribute__((preserve_access_index));

/* A structure that begins with a number, see load(). */
struct timespec64 {
	__s64 tv_sec;
} __attribute__((preserve_access_index));

struct folio;

void *bpf_rdonly_cast(const void *obj, __u32 btf_id) __ksym __weak;

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} slots SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, __u64);
	__type(value, struct folio_book);
} folios SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct owner);
} owners SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, struct owner_key);
	__type(value, __u32);
} owner_ids SEC(".maps");

/* The number of the next owner. */
struct next_owner {
	struct bpf_spin_lock lock;
	__u32 id;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct next_owner);
} next_owner SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_STACK_TRACE);
	__uint(max_entries, 1);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(__u64));
} stacks SEC(".maps");

/* A thread at a place that was seen before, see known_owner(). */
struct place {
	__u64 hash; /* of the return addresses; 0: not known */
	__u64 start_ns;
	__u32 tid;
	__u32 entry;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, struct place);
	__type(value, __u32);
} places SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct trouble);
} troubles SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536);
	__type(key, __u32);
	__type(value, __u8);
} targets SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_CGROUP_ARRAY);
	__uint(max_entries, 1);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(__u32));
} target_cgroup SEC(".maps");

const volatile __u32 foll_pin;
const volatile __u32 max_owners;
const volatile __u32 nr_slots;
const volatile __u32 page_struct_shift;
const volatile bool can_cast;
const volatile bool by_cgroup;
const volatile bool by_target;
const volatile bool by_target_cgroup;
const volatile bool by_comm;
const volatile char target_comm[COMM_LEN];
/* Where the kernel's code and that of its modules may lie; none: size 0. */
const volatile __u64 text_start;
const volatile __u64 text_size;
/* The function that calls each system call; none: size 0. */
const volatile __u64 syscall_start;
const volatile __u64 syscall_size;

/* The struct page of the first page, as far as the slots are concerned. */
__u64 first_page = ~0ull;
/* The zero page, where the kernel leaves it out of its counts. */
__u64 zero_folio;
/* The process that shows us what the zero page is. */
__u32 learner; /* nothing is booked meanwhile */

static __always_inline void count_trouble(unsigned long offset, __u64 n)
{
	__u32 zero = 0;
	char *t = bpf_map_lookup_elem(&troubles, &zero);

	if (t)
		__sync_fetch_and_add((__u64 *)(t + offset), n);
}

#define TROUBLE(what, n) count_trouble(offsetof(struct trouble, what), n)

#define TIMESPEC64 bpf_core_type_id_kernel(struct timespec64)

/*
 * A word of the kernel's memory. As a member of a structure it is a plain load,
 * where the kernel lets us say that there is one.
 */
static __always_inline __u64 load(__u64 addr)
{
	struct timespec64 *at;
	__u64 word = 0;

	if (can_cast) {
		at = bpf_rdonly_cast((void *)addr, TIMESPEC64);
		return at->tv_sec;
	}
	bpf_probe_read_kernel(&word, sizeof(word), (void *)addr);
	return word;
}

/* An argument as a number: the verifier lets nobody calculate with pointers. */
static __always_inline __u64 arg(void *ctx, int n)
{
	__u64 value = 0;

	if (bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_get_func_arg))
		bpf_get_func_arg(ctx, n, &value);
	else
		bpf_probe_read_kernel(&value, sizeof(value), (__u64 *)ctx + n);
	return value;
}

/* In 7.x a tail page may hold a mask instead of the address of the head. */
static __always_inline __u64 head_of(__u64 page)
{
	struct page___7 *page7 = NULL;
	struct page *any = NULL;
	__u64 head;

	if (bpf_core_field_exists(page7->compound_info))
		head = load(page + bpf_core_field_offset(page7->compound_info));
	else
		head = load(page + bpf_core_field_offset(any->compound_head));
	if (!(head & 1))
		return page;
	if (~head >> 30)
		return head - 1;
	return page & (head - 1);
}

static __always_inline bool is_target_comm(void)
{
	char comm[COMM_LEN] = {};
	int i;

	bpf_get_current_comm(comm, sizeof(comm));
#pragma unroll
	for (i = 0; i < COMM_LEN; i++) {
		if (comm[i] != target_comm[i])
			return false;
		if (!comm[i])
			break;
	}
	return true;
}

static __always_inline bool is_selected(__u32 tgid)
{
	if (by_target && !bpf_map_lookup_elem(&targets, &tgid))
		return false;
	if (by_target_cgroup &&
	    bpf_current_task_under_cgroup(&target_cgroup, 0) != 1)
		return false;
	return !by_comm || is_target_comm();
}

static __always_inline __u32 new_owner(const struct owner_key *key)
{
	struct next_owner *next;
	struct owner *owner;
	__u32 zero = 0, id = 0;

	next = bpf_map_lookup_elem(&next_owner, &zero);
	if (!next)
		return OWNER_UNNAMED;
	bpf_spin_lock(&next->lock);
	if (next->id < max_owners)
		id = next->id++;
	bpf_spin_unlock(&next->lock);

	owner = bpf_map_lookup_elem(&owners, &id);
	if (!id || !owner) {
		TROUBLE(unnamed, 1);
		return OWNER_UNNAMED;
	}
	owner->key = *key;
	bpf_get_current_comm(owner->comm, sizeof(owner->comm));
	bpf_map_update_elem(&owner_ids, key, &id, BPF_ANY);
	return id;
}

static __always_inline __u64 start_time(void)
{
	struct task_struct *task = (void *)bpf_get_current_task();

	return BPF_CORE_READ(task, start_time);
}

/* Who pins now: this thread, with this stack, which is walked. */
static __noinline __u32 walked_owner(void *ctx, __u32 entry)
{
	__u64 pid_tgid = bpf_get_current_pid_tgid();
	struct owner_key key = {
		.tgid = pid_tgid >> 32,
		.tid = pid_tgid,
		.entry = entry,
	};
	__u32 *id;

	TROUBLE(walked, 1);
	if (!is_selected(key.tgid))
		return OWNER_OTHERS;
	key.start_ns = start_time();
	if (by_cgroup)
		key.cgroup = bpf_get_current_cgroup_id();
	key.stack = bpf_get_stackid(ctx, &stacks, 0);
	if (key.stack < 0) {
		key.stack = -1;
		TROUBLE(no_stack, 1);
	}
	id = bpf_map_lookup_elem(&owner_ids, &key);
	return id ? *id : new_owner(&key);
}

#define WORDS 16 /* read at a time */
#define MAX_READS 32
#define MIX 0x9e3779b97f4a7c15ull

struct stack_walk {
	__u64 at;
	__u64 hash;
};

static long hash_words(__u32 i, struct stack_walk *w)
{
	__u64 word[WORDS];
	int j;

	if (bpf_probe_read_kernel(word, sizeof(word), (void *)w->at)) {
		w->hash = 0;
		return 1;
	}
	w->at += sizeof(word);
#pragma unroll
	for (j = 0; j < WORDS; j++) {
		if (word[j] - text_start < text_size)
			w->hash = (w->hash ^ word[j]) * MIX;
		if (word[j] - syscall_start < syscall_size)
			return 1;
	}
	return 0;
}

/*
 * To walk a stack takes longer than to pin a page. All return addresses on it
 * are among those words that look like one, and to look at these is cheap. The
 * same words, and only then the stack need not be walked again: what is no
 * return address may differ, then it is walked once more often. Behind the
 * function that calls a system call there may be a gap of random size, full of
 * what was there before: the number of the system call stands for the rest.
 */
static __always_inline __u64 hash_stack(void *ctx)
{
	__u64 saved = (__u64)ctx, len, read = WORDS * sizeof(__u64);
	struct pt_regs *regs;
	struct stack_walk w = {};

	regs = (void *)bpf_task_pt_regs(bpf_get_current_task_btf());
	len = (__u64)regs - (__u64)ctx;
	if (len > MAX_READS * read)
		return 0;
	if (bpf_core_field_exists(regs->orig_ax))
		w.hash = BPF_CORE_READ(regs, orig_ax) * MIX;
	bpf_probe_read_kernel(&w.at, sizeof(w.at), &saved);
	bpf_loop((len + read - 1) / read, hash_words, &w, 0);
	return w.hash;
}

static __always_inline __u32 find_owner(void *ctx, __u32 entry)
{
	__u64 pid_tgid = bpf_get_current_pid_tgid();
	struct place place = { .tid = pid_tgid, .entry = entry };
	__u32 *known, id;

	/* Whether it is selected may change, or its cgroup. */
	if (!text_size || by_comm || by_target_cgroup || by_cgroup)
		return walked_owner(ctx, entry);
	place.hash = hash_stack(ctx);
	if (!place.hash)
		return walked_owner(ctx, entry);
	place.start_ns = start_time();
	known = bpf_map_lookup_elem(&places, &place);
	if (known)
		return *known;
	id = walked_owner(ctx, entry);
	bpf_map_update_elem(&places, &place, &id, BPF_ANY);
	return id;
}

static __always_inline __u64 *slot_of(__u64 folio)
{
	__u64 nr = (folio - first_page) >> page_struct_shift;
	__u32 i = nr;

	if (!nr_slots || nr >= nr_slots)
		return NULL;
	return bpf_map_lookup_elem(&slots, &i);
}

/* Book @h on the folio; its lock is held. */
static __always_inline void add_holder(struct folio_book *book,
				       const struct holder *h)
{
	struct holder *last = &book->holder[HOLDERS - 1];
	int i;

#pragma unroll
	for (i = 0; i < HOLDERS; i++) {
		struct holder *at = &book->holder[i];

		if (!at->pins) {
			*at = *h;
			return;
		}
		if (at->owner == h->owner) {
			at->pins += h->pins;
			return;
		}
	}
	last->owner = OWNER_SHARED;
	last->tgid = 0;
	last->tid = 0;
	last->pins += h->pins;
}

/* Returns 0, -ENOSPC if the map is full, or -EBUSY. */
__noinline int book_in_map(__u64 folio, __u64 ns, __u32 owner, __u32 pins)
{
	__u64 pid_tgid = bpf_get_current_pid_tgid();
	struct holder h = {
		.ns = ns,
		.owner = owner,
		.pins = pins,
		.tgid = pid_tgid >> 32,
		.tid = pid_tgid,
	};
	struct folio_book *book, fresh;
	bool booked;
	int err, i;

	for (i = 0; i < ACQUIRE_TRIES; i++) {
		book = bpf_map_lookup_elem(&folios, &folio);
		if (!book) {
			__builtin_memset(&fresh, 0, sizeof(fresh));
			fresh.folio = folio;
			fresh.holder[0] = h;
			err = bpf_map_update_elem(&folios, &folio, &fresh,
						  BPF_NOEXIST);
			if (err == -EEXIST)
				continue;
			return err ? -ENOSPC : 0;
		}
		booked = false;
		bpf_spin_lock(&book->lock);
		if (book->folio == folio) {
			add_holder(book, &h);
			booked = true;
		}
		bpf_spin_unlock(&book->lock);
		if (booked)
			return 0;
		/* Being deleted by another CPU. */
	}
	return -EBUSY;
}

static __always_inline void lose(int err, __u32 pins, bool counted)
{
	if (!counted)
		TROUBLE(lost_uncounted, pins);
	else if (err == -EBUSY)
		TROUBLE(lost_race, pins);
	else
		TROUBLE(lost_full, pins);
}

/* One pin of a small folio, if its slot is free. */
static __always_inline bool book_in_slot(__u64 *slot, __u64 ns, __u32 owner)
{
	__u64 old = *slot, booked;

	if (old & SLOT_OWNER)
		return false;
	booked = (ns >> SLOT_NS_SHIFT << SLOT_OWNER_BITS & ~SLOT_MORE) | owner |
		 (old & SLOT_MORE);
	return __sync_val_compare_and_swap(slot, old, booked) == old;
}

/* Returns 0 or why they are lost. */
static __always_inline int book(__u64 folio, __u64 ns, __u32 owner, __u32 pins)
{
	__u64 *slot = slot_of(folio);

	if (slot) {
		if (pins == 1 && book_in_slot(slot, ns, owner))
			return 0;
		if (!(*slot & SLOT_MORE))
			__sync_fetch_and_or(slot, SLOT_MORE);
	}
	return book_in_map(folio, ns, owner, pins);
}

/* @counted: whether the kernel does so, too. */
static __always_inline void acquired_by(__u32 id, __u32 pins, bool counted)
{
	struct owner *owner = bpf_map_lookup_elem(&owners, &id);

	if (!owner || !pins)
		return;
	if (counted)
		__sync_fetch_and_add(&owner->acquired, pins);
	else
		__sync_fetch_and_add(&owner->uncounted, pins);
}

static __always_inline void acquire(__u32 id, __u64 ns, __u64 folio, __u32 pins,
				    bool counted)
{
	int err = id == OWNER_OTHERS ? 0 : book(folio, ns, id, pins);

	if (err)
		lose(err, pins, counted);
	else
		acquired_by(id, pins, counted);
}

/* Nothing is booked while somebody learns. */
static __always_inline bool to_be_booked(__u64 folio)
{
	__u32 tgid = bpf_get_current_pid_tgid() >> 32;

	if (learner) {
		if (learner == tgid)
			zero_folio = folio;
		return false;
	}
	return folio != zero_folio;
}

/*
 * Whose pin is released is not known if the folio has several owners: that of
 * this thread, else of this process, else the oldest one.
 */
static __always_inline int rank(const struct holder *h, __u32 tgid, __u32 tid)
{
	if (!h->pins)
		return 0;
	if (h->tid == tid)
		return 3;
	return h->tgid == tgid ? 2 : 1;
}

/*
 * The holder whose pins go first. What is found on the way stands in the book:
 * the verifier takes what it reads there for unknown, and need not follow each
 * combination of what it could be.
 */
static __always_inline struct holder *pick(struct folio_book *book, __u32 tgid,
					   __u32 tid)
{
	volatile struct folio_book *b = book;
	__u32 i, r;

	b->best = 0;
	b->best_rank = 0;
	b->best_ns = 0;
#pragma unroll
	for (i = 0; i < HOLDERS; i++) {
		r = rank(&book->holder[i], tgid, tid);
		if (r > b->best_rank ||
		    (r && r == b->best_rank &&
		     book->holder[i].ns < b->best_ns)) {
			b->best = i;
			b->best_rank = r;
			b->best_ns = book->holder[i].ns;
		}
	}
	i = b->best;
	return &book->holder[i & (HOLDERS - 1)];
}

static __always_inline __u32 count_pins(const struct folio_book *book)
{
	__u32 sum = 0;
	int i;

#pragma unroll
	for (i = 0; i < HOLDERS; i++)
		sum += book->holder[i].pins;
	return sum;
}

static __always_inline void credit(__u32 id, __u32 pins)
{
	struct owner *owner = bpf_map_lookup_elem(&owners, &id);
	__u64 pid_tgid = bpf_get_current_pid_tgid();

	if (!owner)
		return;
	__sync_fetch_and_add(&owner->released, pins);
	if (owner->key.tgid != pid_tgid >> 32)
		__sync_fetch_and_add(&owner->released_by_other, pins);
	else if (owner->key.tid != (__u32)pid_tgid)
		__sync_fetch_and_add(&owner->released_by_thread, pins);
}

/* Take up to @left pins from one holder into @taken. */
static __always_inline bool take(struct folio_book *book, __u64 folio,
				 __u32 left, __u32 tgid, __u32 tid,
				 struct holder *taken, bool *guess)
{
	struct holder *h;
	__u32 all, held;

	taken->pins = 0;
	bpf_spin_lock(&book->lock);
	if (book->folio != folio) {
		bpf_spin_unlock(&book->lock);
		return false;
	}
	all = count_pins(book);
	h = pick(book, tgid, tid);
	*taken = *h;
	held = taken->pins;
	if (taken->pins > left)
		taken->pins = left;
	h->pins = held - taken->pins;
	if (all == taken->pins)
		book->folio = 0;
	bpf_spin_unlock(&book->lock);
	*guess = all > held && taken->tgid != tgid;
	return all == taken->pins;
}

/* Returns how many of them are not in the map. @in_slot: one more is there. */
__noinline __u32 release_in_map(__u64 folio, __u32 pins, bool in_slot)
{
	__u64 pid_tgid = bpf_get_current_pid_tgid();
	__u32 tgid = pid_tgid >> 32, tid = pid_tgid;
	struct folio_book *book;
	struct holder taken = {};
	__u64 *slot;
	bool empty, guess;
	int i;

	book = bpf_map_lookup_elem(&folios, &folio);
	for (i = 0; book && pins && i < HOLDERS; i++) {
		guess = false;
		empty = take(book, folio, pins, tgid, tid, &taken, &guess);
		if (!taken.pins)
			break;
		pins -= taken.pins;
		credit(taken.owner, taken.pins);
		if (guess)
			TROUBLE(guessed, taken.pins);
		if (empty) {
			bpf_map_delete_elem(&folios, &folio);
			break;
		}
	}
	/* Not in the loop: the verifier would follow it too often. */
	if (in_slot && taken.pins && taken.tgid != tgid) {
		slot = slot_of(folio);
		if (slot && (*slot & SLOT_OWNER) != taken.owner)
			TROUBLE(guessed, taken.pins);
	}
	return pins;
}

/* The owner of the pin in the slot, which is given back; or OWNER_NONE. */
static __always_inline __u32 release_in_slot(__u64 *slot, __u64 old)
{
	if (old & SLOT_OWNER &&
	    __sync_val_compare_and_swap(slot, old, old & SLOT_MORE) == old)
		return old & SLOT_OWNER;
	return OWNER_NONE;
}

static __always_inline bool is_own(__u32 id)
{
	struct owner *owner = bpf_map_lookup_elem(&owners, &id);

	return owner && owner->key.tgid == bpf_get_current_pid_tgid() >> 32;
}

/* Pages in a row that one owner gets credit for. */
struct credits {
	__u32 owner;
	__u32 pins;
	__u32 unmatched; /* of no owner */
};

/*
 * Always 0, which the verifier does not know: it would follow each value of a
 * counter that begins with a known one.
 */
__u32 zero;

static __always_inline struct credits no_credits(void)
{
	struct credits c = {
		.owner = zero,
		.pins = zero,
		.unmatched = zero,
	};

	return c;
}

static __always_inline void flush_credits(struct credits *c)
{
	if (c->pins)
		credit(c->owner, c->pins);
	c->pins = 0;
}

static __always_inline void add_credit(struct credits *c, __u32 owner)
{
	if (c->owner != owner)
		flush_credits(c);
	c->owner = owner;
	c->pins++;
}

static __always_inline void release(__u64 folio, __u32 pins, struct credits *c)
{
	__u64 *slot = slot_of(folio), old = slot ? *slot : SLOT_MORE;
	__u32 owner = OWNER_NONE;

	if (slot && (!(old & SLOT_MORE) || is_own(old & SLOT_OWNER)))
		owner = release_in_slot(slot, old);
	if (owner) {
		add_credit(c, owner);
		pins--;
	}
	if (!pins)
		return;
	if (old & SLOT_MORE)
		pins = release_in_map(folio, pins, old & SLOT_OWNER && !owner);
	if (pins && slot && !owner) {
		owner = release_in_slot(slot, *slot);
		if (owner) {
			add_credit(c, owner);
			pins--;
		}
	}
	c->unmatched += pins;
}

static __always_inline bool is_released(__u64 folio)
{
	return !learner && folio != zero_folio;
}

#endif
