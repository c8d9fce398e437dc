// SPDX-License-Identifier: GPL-2.0
/*
 * The hooks of pintrace.
 *
 * Every pin that the kernel counts goes through one of a few functions of
 * mm/gup.c, whatever its consumer called: try_grab_*() to take it and
 * gup_put_folio() to give it back. They name the folio and the count, so these
 * are booked and nothing is booked twice. Around them, one hook at each entry
 * point (pin_user_pages_fast(), ...) notes who calls: the stack is walked once
 * for a call, not for each page. Where a compiler inlined the narrow waist into
 * a function, that one is booked.
 *
 * Only structures of our own are used, and only the members below, whose place
 * libbpf finds in the BTF of the running kernel.
 */
#include <linux/errno.h>
#include <stdbool.h>
#include <stddef.h>

#include "book.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#define ACQUIRE_TRIES 16
#define MOST_STACK (64 << 10) /* bytes of a task's, or more */

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
	void *stack;
} __attribute__((preserve_access_index));

struct folio;

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct slot);
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

#define FRAMES 64 /* of a stack that can be known again, or less */
#define WORDS 256 /* in which they are */
#define OUR_FRAMES 4 /* or less: program, trampoline */
#define MOST_SKIPPED 2 /* program, trampoline: these are there at least */
#define CHAINS 4 /* of a thread */
#define MOST_WALKS 64 /* by which a thread learns: some stacks never come again */

/*
 * A stack that was walked, to be known when it comes again: walking it takes
 * longer than all else here. Where a return address is follows from the one
 * before, so while all are where they were, the way up is the same. Left out is
 * the outermost frame, which is entry code's: the kernel puts an offset before it
 * that is another one each time.
 */
struct chain {
	__u64 pid_tgid; /* exec() may change it */
	__u64 cgroup;
	__u32 entry;
	__u32 owner;
	__u32 nr; /* return addresses; 0: unused */
	__u32 bytes; /* of stack that they are in */
	__u64 addr[FRAMES];
	__u8 word[FRAMES]; /* where it is */
};

/* What each thread is about. */
struct call {
	__u64 ns;
	__u64 doubt; /* the folio of an unpin that is watched, see begin_unpin() */
	__u32 owner; /* OWNER_NONE: not in a call that pins */
	__u32 grabbed; /* pages, seen by the narrow waist in this call */
	__u32 put; /* of the folio in doubt */
	__u32 walks;
	__u32 next; /* frame that learn_stack() looks for */
	__u32 pad;
	__u64 frame; /* ours: where the stack begins */
	__u64 stack[WORDS];
	__u64 walked[FRAMES];
	struct chain chain[CHAINS];
};

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct call);
} calls SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct trouble);
} troubles SEC(".maps");

#define PLACE_PUT NR_INLINERS /* and one for each inliner */

/* The last call that each of two programs has seen, see is_mine(). */
struct last_calls {
	__u64 by[2];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, PLACE_PUT + 1);
	__type(key, __u32);
	__type(value, struct last_calls);
} last_calls SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct pin_own);
} own SEC(".maps");

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
const volatile __u32 slot_mask;
const volatile bool by_cgroup;
const volatile bool keep_own; /* for the command; others' pins are booked, too */
const volatile bool by_target;
const volatile bool by_target_cgroup;
const volatile bool by_comm;
const volatile char target_comm[COMM_LEN];

/* The zero page, where the kernel leaves it out of its counts. */
__u64 zero_folio;
/* The process that shows us what the zero page is. */
__u32 learner; /* nothing is booked meanwhile */

/* By inliner: what is known about it; and how many are watched now. */
__u32 waist[NR_INLINERS];
__u32 nr_doubts;

/*
 * Arguments of a hooked function and what it returned, as numbers: the verifier
 * lets nobody calculate with pointers.
 */
static __always_inline __u64 argument(void *ctx, __u32 nr)
{
	__u64 value = 0;

	bpf_get_func_arg(ctx, nr, &value);
	return value;
}

static __always_inline __u64 returned(void *ctx)
{
	__u64 value = 0;

	bpf_get_func_ret(ctx, &value);
	return value;
}

static __always_inline void count_trouble(unsigned long offset, __u64 n)
{
	__u32 zero = 0;
	char *t = bpf_map_lookup_elem(&troubles, &zero);

	if (t)
		__sync_fetch_and_add((__u64 *)(t + offset), n);
}

static __always_inline void count_own(unsigned long offset, __u64 n)
{
	__u32 zero = 0;
	char *o;

	if (!keep_own)
		return;
	o = bpf_map_lookup_elem(&own, &zero);
	if (o)
		__sync_fetch_and_add((__u64 *)(o + offset), n);
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
		count_trouble(offsetof(struct trouble, unnamed), 1);
		return OWNER_UNNAMED;
	}
	owner->key = *key;
	owner->since_ns = bpf_ktime_get_ns();
	bpf_get_current_comm(owner->comm, sizeof(owner->comm));
	bpf_map_update_elem(&owner_ids, key, &id, BPF_ANY);
	return id;
}

/*
 * A place takes one stack, and another one that belongs there is refused; without
 * its innermost frames, which are ours, it belongs elsewhere.
 */
static __always_inline long walk_stack(void *ctx)
{
	long stack = -EEXIST;
	__u64 skip;

	for (skip = 0; skip <= MOST_SKIPPED && stack == -EEXIST; skip++)
		stack = bpf_get_stackid(ctx, &stacks, skip);
	return stack;
}

/* Who pins now: this thread, with this stack. */
static __always_inline __u32 walk_to_owner(void *ctx, enum entry entry)
{
	__u64 pid_tgid = bpf_get_current_pid_tgid();
	struct owner_key key = {
		.tgid = pid_tgid >> 32,
		.tid = pid_tgid,
		.entry = entry,
	};
	__u32 *id;

	key.start_ns = bpf_get_current_task_btf()->start_time;
	if (by_cgroup)
		key.cgroup = bpf_get_current_cgroup_id();
	count_trouble(offsetof(struct trouble, walked), 1);
	key.stack = walk_stack(ctx);
	if (key.stack < 0) {
		key.stack = -1;
		count_trouble(offsetof(struct trouble, no_stack), 1);
	}
	id = bpf_map_lookup_elem(&owner_ids, &key);
	return id ? *id : new_owner(&key);
}

static __always_inline __u32 find_owner(void *ctx, enum entry entry)
{
	if (!is_selected(bpf_get_current_pid_tgid() >> 32))
		return OWNER_OTHERS;
	return walk_to_owner(ctx, entry);
}

static __always_inline struct call *this_call(void)
{
	return bpf_task_storage_get(&calls, bpf_get_current_task_btf(), NULL,
				    0);
}

static __always_inline struct call *make_call(void)
{
	return bpf_task_storage_get(&calls, bpf_get_current_task_btf(), NULL,
				    BPF_LOCAL_STORAGE_GET_F_CREATE);
}

static __always_inline __u64 cgroup_of_key(void)
{
	return by_cgroup ? bpf_get_current_cgroup_id() : 0;
}

static __always_inline bool is_chain(const struct call *call,
				     const struct chain *chain)
{
	__u32 i;

	for (i = 0; i < FRAMES && i < chain->nr; i++) {
		if (call->stack[chain->word[i]] != chain->addr[i])
			return false;
	}
	return true;
}

/* The owner of a stack that is known, or OWNER_NONE. */
__noinline int known_owner(enum entry entry)
{
	__u64 pid_tgid = bpf_get_current_pid_tgid(), cgroup = cgroup_of_key();
	struct call *call = this_call();
	__u32 i, bytes, have = 0;

	for (i = 0; call && i < CHAINS; i++) {
		const struct chain *chain = &call->chain[i];

		bytes = chain->bytes;
		if (!chain->nr || bytes > sizeof(call->stack) ||
		    chain->entry != entry || chain->pid_tgid != pid_tgid ||
		    chain->cgroup != cgroup)
			continue;
		if (bytes > have) {
			if (bpf_probe_read_kernel(call->stack, bytes,
						  (void *)call->frame))
				continue;
			have = bytes;
		}
		if (is_chain(call, chain))
			return chain->owner;
	}
	return OWNER_NONE;
}

/* The stack, or what is left of it if it ends with this page. */
static __always_inline bool read_stack(struct call *call)
{
	__u32 page = 4096, left = page - (call->frame & (page - 1));

	if (!bpf_probe_read_kernel(call->stack, sizeof(call->stack),
				   (void *)call->frame))
		return true;
	return left < sizeof(call->stack) &&
	       !bpf_probe_read_kernel(call->stack, left, (void *)call->frame);
}

/* An index below @size, a power of 2: the verifier knows no copy that is compared. */
static __always_inline __u64 below(__u64 i, __u64 size)
{
	i &= size - 1;
	asm volatile("" : "+r"(i));
	return i;
}

/* Is this word of the stack the next return address? */
static long learn_word(__u32 i, const __u32 *walked)
{
	struct call *call = this_call();
	struct chain *chain;
	__u64 addr, to;

	if (!call)
		return 1;
	addr = call->stack[below(i, WORDS)];
	chain = &call->chain[below(call->walks, CHAINS)];
	/* The first ones are ours, and not up there. */
	for (to = 0; !chain->nr && to < OUR_FRAMES; to++) {
		if (addr == call->walked[to])
			call->next = to;
	}
	if (call->next + 1 >= *walked)
		return 1;
	if (addr != call->walked[below(call->next, FRAMES)])
		return 0;
	call->next++;
	to = below(chain->nr, FRAMES);
	chain->addr[to] = addr;
	chain->word[to] = i;
	chain->nr++;
	chain->bytes = (i + 1) * sizeof(addr);
	return 0;
}

/* Find the places of @walked return addresses. */
__noinline int learn_stack(enum entry entry, __u32 id, __u32 walked)
{
	struct owner *owner = bpf_map_lookup_elem(&owners, &id);
	struct call *call = this_call();
	struct chain *chain;

	if (!call || !owner || owner->key.stack < 0 || walked >= FRAMES ||
	    !read_stack(call))
		return 0;
	chain = &call->chain[below(call->walks, CHAINS)];
	chain->pid_tgid = bpf_get_current_pid_tgid();
	chain->cgroup = cgroup_of_key();
	chain->entry = entry;
	chain->owner = id;
	chain->nr = 0;
	call->next = 0;
	bpf_loop(WORDS, learn_word, &walked, 0);
	if (call->next + 1 != walked)
		chain->nr = 0;
	return 0;
}

static __always_inline __u32 owner_of_call(void *ctx, enum entry entry,
					   struct call *call)
{
	__u32 id;
	long n;

	if (!is_selected(bpf_get_current_pid_tgid() >> 32))
		return OWNER_OTHERS;
	call->frame = (__u64)ctx;
	id = known_owner(entry);
	if (id != OWNER_NONE)
		return id;
	id = walk_to_owner(ctx, entry);
	/* A thread that pins once has no use for it. */
	if (call->walks < MOST_WALKS && call->walks++) {
		n = bpf_get_stack(ctx, call->walked, sizeof(call->walked), 0);
		if (n > 0)
			learn_stack(entry, id, n / sizeof(call->walked[0]));
	}
	return id;
}

static __always_inline void begin_call(void *ctx, enum entry entry)
{
	struct call *call = make_call();

	if (!call)
		return;
	call->ns = bpf_ktime_get_ns();
	call->doubt = 0;
	call->grabbed = 0;
	call->owner = owner_of_call(ctx, entry, call);
}

static __always_inline void end_call(void)
{
	struct call *call = this_call();

	if (call)
		call->owner = OWNER_NONE;
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

/*
 * Pages that follow each other have places that do, and so have huge pages: of
 * these each would else come to one of a few.
 */
static __always_inline struct slot *slot_of(__u64 folio)
{
	__u64 page = folio >> 6; /* the size of a struct page, or less */
	__u32 i = (page + (page >> 9)) & slot_mask;

	return bpf_map_lookup_elem(&slots, &i);
}

static __always_inline bool book_in_slot(struct slot *slot, __u64 folio,
					 const struct holder *h)
{
	bool booked = true;

	bpf_spin_lock(&slot->lock);
	if (!slot->folio) {
		slot->folio = folio;
		slot->holder = *h;
	} else if (slot->folio == folio && slot->holder.owner == h->owner) {
		slot->holder.pins += h->pins;
	} else {
		booked = false;
	}
	bpf_spin_unlock(&slot->lock);
	return booked;
}

/* The first owner of a folio in the map. */
static __always_inline int book_fresh(struct slot *slot, __u64 folio,
				      const struct holder *h)
{
	struct folio_book fresh;
	int err;

	__builtin_memset(&fresh, 0, sizeof(fresh));
	fresh.folio = folio;
	fresh.holder[0] = *h;
	/* Whoever releases it looks there first. */
	__sync_fetch_and_add(&slot->spilled, 1);
	err = bpf_map_update_elem(&folios, &folio, &fresh, BPF_NOEXIST);
	if (err)
		__sync_fetch_and_add(&slot->spilled, -1);
	return err;
}

/* Returns 0, -ENOSPC if the map is full, or -EBUSY. */
static __always_inline int book_holder(__u64 folio, const struct holder *h)
{
	struct slot *slot = slot_of(folio);
	struct folio_book *book;
	bool booked;
	int err, i;

	if (!slot)
		return -ENOSPC;
	if (book_in_slot(slot, folio, h))
		return 0;
	for (i = 0; i < ACQUIRE_TRIES; i++) {
		book = bpf_map_lookup_elem(&folios, &folio);
		if (!book) {
			err = book_fresh(slot, folio, h);
			if (err == -EEXIST)
				continue;
			return err ? -ENOSPC : 0;
		}
		booked = false;
		bpf_spin_lock(&book->lock);
		if (book->folio == folio) {
			add_holder(book, h);
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
		count_trouble(offsetof(struct trouble, lost_uncounted), pins);
	else if (err == -EBUSY)
		count_trouble(offsetof(struct trouble, lost_race), pins);
	else
		count_trouble(offsetof(struct trouble, lost_full), pins);
}

/*
 * @counted: whether the kernel does so, too. This function and those that release
 * are not static: the verifier looks at each once, not wherever it is called.
 */
__noinline int acquired_by(__u32 id, __u64 ns, __u64 folio, __u32 pins,
			   bool counted)
{
	__u64 pid_tgid = bpf_get_current_pid_tgid();
	struct holder h = {
		.ns = ns,
		.owner = id,
		.pins = pins,
		.tgid = pid_tgid >> 32,
		.tid = pid_tgid,
	};
	struct owner *owner;
	int err;

	if (id != OWNER_OTHERS || keep_own) {
		err = book_holder(folio, &h);
		if (err) {
			count_own(offsetof(struct pin_own, lost), pins);
			if (id != OWNER_OTHERS) {
				lose(err, pins, counted);
				return 0;
			}
		}
	}
	if (id == OWNER_OTHERS)
		count_own(offsetof(struct pin_own, others), pins);
	else if (counted)
		count_own(offsetof(struct pin_own, acquired), pins);
	owner = bpf_map_lookup_elem(&owners, &id);
	if (!owner)
		return 0;
	if (counted)
		__sync_fetch_and_add(&owner->acquired, pins);
	else
		__sync_fetch_and_add(&owner->uncounted, pins);
	return 0;
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

/* Within a call that pins, or else all by itself. */
static __always_inline void grabbed(void *ctx, __u64 folio, __u32 pins)
{
	struct call *call = this_call();

	if (call)
		call->grabbed += pins;
	if (!to_be_booked(folio))
		return;
	if (call && call->owner)
		acquired_by(call->owner, call->ns, folio, pins, true);
	else
		acquired_by(find_owner(ctx, ENTRY_UNKNOWN), bpf_ktime_get_ns(),
			    folio, pins, true);
}

/* One more pin of a folio that is pinned. */
static __always_inline void added(void *ctx, enum entry entry, __u32 pins,
				  bool counted)
{
	__u64 folio = argument(ctx, 0);

	if (to_be_booked(folio))
		acquired_by(find_owner(ctx, entry), bpf_ktime_get_ns(), folio,
			    pins, counted);
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

static __always_inline int pick(const struct folio_book *book, __u32 tgid,
				__u32 tid)
{
	int best = 0, best_rank = 0, r, i;
	__u64 best_ns = 0;

#pragma unroll
	for (i = 0; i < HOLDERS; i++) {
		r = rank(&book->holder[i], tgid, tid);
		if (r > best_rank ||
		    (r && r == best_rank && book->holder[i].ns < best_ns)) {
			best = i;
			best_rank = r;
			best_ns = book->holder[i].ns;
		}
	}
	return best;
}

static __always_inline void credit(const struct holder *h, __u32 tgid,
				   __u32 tid)
{
	struct owner *owner = bpf_map_lookup_elem(&owners, &h->owner);

	if (h->owner != OWNER_OTHERS)
		count_own(offsetof(struct pin_own, released), h->pins);
	if (!owner)
		return;
	__sync_fetch_and_add(&owner->released, h->pins);
	if (h->tgid != tgid)
		__sync_fetch_and_add(&owner->released_by_other, h->pins);
	else if (h->tid != tid)
		__sync_fetch_and_add(&owner->released_by_thread, h->pins);
}

/* Move up to @most pins from one holder into @taken. */
static __always_inline void move_pins(struct holder *from, __u32 most,
				      struct holder *taken)
{
	*taken = *from;
	if (taken->pins > most)
		taken->pins = most;
	from->pins -= taken->pins;
}

/* Take up to @left pins from one holder in the map; returns whether it was the last. */
static __always_inline bool take(struct folio_book *book, __u64 folio,
				 __u32 left, __u32 tgid, __u32 tid,
				 struct holder *taken, bool *guess)
{
	bool empty = true, known = false;
	int i, best, n = 0;

	taken->pins = 0;
	bpf_spin_lock(&book->lock);
	if (book->folio != folio) {
		bpf_spin_unlock(&book->lock);
		return false;
	}
	best = pick(book, tgid, tid);
#pragma unroll
	for (i = 0; i < HOLDERS; i++) {
		struct holder *h = &book->holder[i];

		if (!h->pins)
			continue;
		n++;
		if (i == best) {
			known = h->tgid == tgid;
			move_pins(h, left, taken);
		}
		if (h->pins)
			empty = false;
	}
	if (empty)
		book->folio = 0;
	bpf_spin_unlock(&book->lock);
	*guess = n > 1 && !known;
	return empty;
}

/* Returns how many pins of the map's were released, of @pins. */
__noinline int release_in_map(__u64 folio, __u32 pins)
{
	struct folio_book *book = bpf_map_lookup_elem(&folios, &folio);
	__u64 pid_tgid = bpf_get_current_pid_tgid();
	__u32 tgid = pid_tgid >> 32, tid = pid_tgid, left = pins;
	struct slot *slot = slot_of(folio);
	struct holder taken;
	bool empty, guess;
	int i;

	for (i = 0; book && left && i < HOLDERS; i++) {
		guess = false;
		empty = take(book, folio, left, tgid, tid, &taken, &guess);
		if (!taken.pins)
			break;
		left -= taken.pins;
		credit(&taken, tgid, tid);
		if (guess)
			count_trouble(offsetof(struct trouble, guessed),
				      taken.pins);
		if (empty) {
			bpf_map_delete_elem(&folios, &folio);
			if (slot)
				__sync_fetch_and_add(&slot->spilled, -1);
			break;
		}
	}
	return pins - left;
}

/* The same of the slot, if it has this folio. */
static __always_inline __u32 release_in_slot(struct slot *slot, __u64 folio,
					     __u32 pins, __u32 tgid, __u32 tid)
{
	struct holder taken = { .pins = 0 };

	bpf_spin_lock(&slot->lock);
	if (slot->folio == folio) {
		move_pins(&slot->holder, pins, &taken);
		if (!slot->holder.pins)
			slot->folio = 0;
	}
	bpf_spin_unlock(&slot->lock);
	if (taken.pins)
		credit(&taken, tgid, tid);
	return taken.pins;
}

#define RANK_SHIFT 62 /* above a time */

/* Who of the map is to release first: rank, and since when. */
__noinline __u64 first_in_map(__u64 folio)
{
	struct folio_book *book = bpf_map_lookup_elem(&folios, &folio);
	__u64 pid_tgid = bpf_get_current_pid_tgid(), ns = 0, r = 0;
	__u32 tgid = pid_tgid >> 32, tid = pid_tgid;
	int best, i;

	if (!book)
		return 0;
	bpf_spin_lock(&book->lock);
	best = pick(book, tgid, tid);
#pragma unroll
	for (i = 0; i < HOLDERS; i++) {
		if (i != best || book->folio != folio)
			continue;
		r = rank(&book->holder[i], tgid, tid);
		ns = book->holder[i].ns;
	}
	bpf_spin_unlock(&book->lock);
	return r << RANK_SHIFT | ns;
}

/* Folios are in the map whose place this slot is, perhaps this one. */
__noinline int release_in_both(__u64 folio, __u32 pins)
{
	__u64 pid_tgid = bpf_get_current_pid_tgid(), first, ns = 0;
	__u32 tgid = pid_tgid >> 32, tid = pid_tgid, n, done = 0;
	struct slot *slot = slot_of(folio);
	int in_slot = 0, in_map;

	if (!slot)
		return 0;
	first = first_in_map(folio);
	in_map = first >> RANK_SHIFT;
	bpf_spin_lock(&slot->lock);
	if (slot->folio == folio) {
		in_slot = rank(&slot->holder, tgid, tid);
		ns = slot->holder.ns;
	}
	bpf_spin_unlock(&slot->lock);

	if (in_slot > in_map ||
	    (in_slot == in_map && ns <= (first & ((1ULL << RANK_SHIFT) - 1)))) {
		done = release_in_slot(slot, folio, pins, tgid, tid);
		if (in_map && in_slot == 1)
			count_trouble(offsetof(struct trouble, guessed), done);
	}
	if (done < pins && in_map) {
		n = release_in_map(folio, pins - done);
		if (in_slot && in_map == 1)
			count_trouble(offsetof(struct trouble, guessed), n);
		done += n;
	}
	if (done < pins)
		done += release_in_slot(slot, folio, pins - done, tgid, tid);
	return done;
}

__noinline int released(__u64 folio, __u32 pins)
{
	__u64 pid_tgid = bpf_get_current_pid_tgid();
	__u32 tgid = pid_tgid >> 32, tid = pid_tgid;
	struct slot *slot;

	if (learner || folio == zero_folio)
		return 0;
	slot = slot_of(folio);
	if (slot)
		pins -= slot->spilled ?
				release_in_both(folio, pins) :
				release_in_slot(slot, folio, pins, tgid, tid);
	if (pins) {
		count_trouble(offsetof(struct trouble, unmatched), pins);
		/* Not known to be anybody else's: it may be once too often. */
		count_own(offsetof(struct pin_own, released), pins);
	}
	return 0;
}

/*
 * Of the page that is the first argument. In 7.x a tail page may hold a mask
 * instead of the address of the head.
 */
static __always_inline __u64 head_of(void *ctx, struct page *page)
{
	struct page___7 *page7 = (void *)page;
	__u64 addr = argument(ctx, 0);
	unsigned long head;

	if (bpf_core_field_exists(page7->compound_info))
		head = BPF_CORE_READ(page7, compound_info);
	else
		head = BPF_CORE_READ(page, compound_head);
	if (!(head & 1))
		return addr;
	return ~head >> 30 ? head - 1 : addr & (head - 1);
}

/* 6.12: try_grab_folio() */
SEC("fexit")
int BPF_PROG(grab_folio_int, struct folio *folio, int refs, unsigned int flags,
	     int ret)
{
	if ((flags & foll_pin) && !ret)
		grabbed(ctx, argument(ctx, 0), refs);
	return 0;
}

/* 6.12: try_grab_folio_fast(); 6.1: try_grab_folio() */
SEC("fexit")
int BPF_PROG(grab_ptr, struct page *page, int refs, unsigned int flags,
	     struct folio *ret)
{
	if ((flags & foll_pin) && ret)
		grabbed(ctx, returned(ctx), refs);
	return 0;
}

/* 6.1: try_grab_page() */
SEC("fexit")
int BPF_PROG(grab_page_int, struct page *page, unsigned int flags, int ret)
{
	if ((flags & foll_pin) && !ret)
		grabbed(ctx, head_of(ctx, page), 1);
	return 0;
}

/* The same before it told errors apart. */
SEC("fexit")
int BPF_PROG(grab_page_bool, struct page *page, unsigned int flags, bool ret)
{
	if ((flags & foll_pin) && ret)
		grabbed(ctx, head_of(ctx, page), 1);
	return 0;
}

SEC("fexit")
int BPF_PROG(add_pin, struct folio *folio)
{
	added(ctx, ENTRY_folio_add_pin, 1, false);
	return 0;
}

/* 7.3; this one counts. */
SEC("fexit")
int BPF_PROG(add_pins, struct folio *folio, unsigned int pins, int ret)
{
	if (!ret)
		added(ctx, ENTRY_folio_add_pins, pins, true);
	return 0;
}

/*
 * A program that is at work on a CPU is not called there once more, by an
 * interrupt that ends direct I/O: what that releases would go unseen. So where
 * pins are released there are two, and one of them does it: the first if a task
 * calls; if an interrupt does, which has a stack of its own, whichever is called
 * first, and the second knows the frame of that call.
 */
static __always_inline bool in_interrupt(void *ctx)
{
	__u64 stack = (__u64)bpf_get_current_task_btf()->stack;

	return (__u64)ctx < stack || (__u64)ctx >= stack + MOST_STACK;
}

static __always_inline bool is_mine(void *ctx, __u32 place, int self)
{
	bool interrupt = in_interrupt(ctx);
	struct last_calls *last;

	if (self && !interrupt)
		return false;
	last = bpf_map_lookup_elem(&last_calls, &place);
	if (!last)
		return !self;
	if (!interrupt) {
		/* What the other one was not called for is not to be mistaken. */
		last->by[0] = 0;
		last->by[1] = 0;
		return true;
	}
	if (last->by[!self] == (__u64)ctx) {
		last->by[!self] = 0;
		return false;
	}
	last->by[self] = (__u64)ctx;
	return true;
}

static __always_inline int put_folio(void *ctx, int refs, unsigned int flags)
{
	__u64 folio = argument(ctx, 0);
	struct call *call;

	if (!(flags & foll_pin))
		return 0;
	if (nr_doubts) {
		call = this_call();
		if (call && call->doubt == folio)
			call->put += refs;
	}
	released(folio, refs);
	return 0;
}

SEC("fentry")
int BPF_PROG(put, struct folio *folio, int refs, unsigned int flags)
{
	return is_mine(ctx, PLACE_PUT, 0) ? put_folio(ctx, refs, flags) : 0;
}

SEC("fentry")
int BPF_PROG(irq_put, struct folio *folio, int refs, unsigned int flags)
{
	return is_mine(ctx, PLACE_PUT, 1) ? put_folio(ctx, refs, flags) : 0;
}

/*
 * Does this function call the narrow waist, or has it a copy of its own? Watch
 * it once.
 */
static __always_inline void begin_unpin(enum inliner i, __u64 folio, __u32 pins)
{
	struct call *call;

	if (waist[i] == WAIST_INLINED) {
		released(folio, pins);
		return;
	}
	if (waist[i] != WAIST_UNKNOWN || folio == zero_folio)
		return;
	__sync_fetch_and_add(&nr_doubts, 1);
	call = make_call();
	if (call) {
		call->doubt = folio;
		call->put = 0;
	}
}

static __always_inline void end_unpin(enum inliner i, __u64 folio, __u32 pins)
{
	struct call *call;

	if (!nr_doubts)
		return;
	call = this_call();
	if (!call || !call->doubt)
		return;
	call->doubt = 0;
	__sync_fetch_and_add(&nr_doubts, -1);
	if (call->put) {
		waist[i] = WAIST_CALLED;
	} else {
		waist[i] = WAIST_INLINED;
		released(folio, pins);
	}
}

SEC("fentry")
int BPF_PROG(begin_unpin_user_page, struct page *page)
{
	if (is_mine(ctx, INLINER_UNPIN_PAGE, 0))
		begin_unpin(INLINER_UNPIN_PAGE, head_of(ctx, page), 1);
	return 0;
}

SEC("fentry")
int BPF_PROG(irq_unpin_user_page, struct page *page)
{
	if (is_mine(ctx, INLINER_UNPIN_PAGE, 1))
		begin_unpin(INLINER_UNPIN_PAGE, head_of(ctx, page), 1);
	return 0;
}

SEC("fexit")
int BPF_PROG(end_unpin_user_page, struct page *page)
{
	end_unpin(INLINER_UNPIN_PAGE, head_of(ctx, page), 1);
	return 0;
}

SEC("fentry")
int BPF_PROG(begin_unpin_folio, struct folio *folio)
{
	if (is_mine(ctx, INLINER_UNPIN_FOLIO, 0))
		begin_unpin(INLINER_UNPIN_FOLIO, argument(ctx, 0), 1);
	return 0;
}

SEC("fentry")
int BPF_PROG(irq_unpin_folio, struct folio *folio)
{
	if (is_mine(ctx, INLINER_UNPIN_FOLIO, 1))
		begin_unpin(INLINER_UNPIN_FOLIO, argument(ctx, 0), 1);
	return 0;
}

SEC("fexit")
int BPF_PROG(end_unpin_folio, struct folio *folio)
{
	end_unpin(INLINER_UNPIN_FOLIO, argument(ctx, 0), 1);
	return 0;
}

SEC("fentry")
int BPF_PROG(begin_unpin_user_folio, struct folio *folio, unsigned long pins)
{
	if (is_mine(ctx, INLINER_UNPIN_USER_FOLIO, 0))
		begin_unpin(INLINER_UNPIN_USER_FOLIO, argument(ctx, 0), pins);
	return 0;
}

SEC("fentry")
int BPF_PROG(irq_unpin_user_folio, struct folio *folio, unsigned long pins)
{
	if (is_mine(ctx, INLINER_UNPIN_USER_FOLIO, 1))
		begin_unpin(INLINER_UNPIN_USER_FOLIO, argument(ctx, 0), pins);
	return 0;
}

SEC("fexit")
int BPF_PROG(end_unpin_user_folio, struct folio *folio, unsigned long pins)
{
	end_unpin(INLINER_UNPIN_USER_FOLIO, argument(ctx, 0), pins);
	return 0;
}

#define ENTRY_POINT(function)                      \
	SEC("fentry")                              \
	int BPF_PROG(begin_##function)             \
	{                                          \
		begin_call(ctx, ENTRY_##function); \
		return 0;                          \
	}                                          \
	SEC("fexit")                               \
	int BPF_PROG(end_##function)               \
	{                                          \
		end_call();                        \
		return 0;                          \
	}

ENTRY_POINT(pin_user_pages)
ENTRY_POINT(pin_user_pages_fast)
ENTRY_POINT(pin_user_pages_fast_only)
ENTRY_POINT(pin_user_pages_locked)
ENTRY_POINT(pin_user_pages_remote)
ENTRY_POINT(pin_user_pages_unlocked)

SEC("fentry")
int BPF_PROG(begin_memfd_pin_folios)
{
	begin_call(ctx, ENTRY_memfd_pin_folios);
	return 0;
}

struct memfd_walk {
	struct folio **folios;
};

static long book_memfd_folio(__u32 i, struct memfd_walk *walk)
{
	struct call *call = this_call();
	struct folio *folio = NULL;

	bpf_probe_read_kernel(&folio, sizeof(folio), walk->folios + i);
	if (!folio || !call)
		return 1;
	if (to_be_booked((__u64)folio))
		acquired_by(call->owner, call->ns, (__u64)folio, 1, true);
	return 0;
}

/*
 * On 7.3 it has its own copy of try_grab_folio(). The verifier of 6.12 lets
 * nobody see an argument that points to pointers: that is read from memory.
 */
SEC("fexit")
int end_memfd_pin_folios(__u64 *ctx)
{
	struct memfd_walk walk = { .folios = NULL };
	struct call *call = this_call();
	long ret = ctx[6];

	if (!call)
		return 0;
	bpf_probe_read_kernel(&walk.folios, sizeof(walk.folios), ctx + 3);
	if (call->owner && !call->grabbed && ret > 0)
		bpf_loop(ret, book_memfd_folio, &walk, 0);
	call->owner = OWNER_NONE;
	return 0;
}

/* The children of a target are targets. */
SEC("tp_btf/sched_process_fork")
int BPF_PROG(forked, struct task_struct *parent, struct task_struct *child)
{
	__u32 tgid = parent->tgid;
	__u8 one = 1;

	if (!bpf_map_lookup_elem(&targets, &tgid))
		return 0;
	tgid = child->tgid;
	if (bpf_map_update_elem(&targets, &tgid, &one, BPF_ANY))
		count_trouble(offsetof(struct trouble, unfollowed), 1);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
