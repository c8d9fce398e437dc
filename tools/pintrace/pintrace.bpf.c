// SPDX-License-Identifier: GPL-2.0
/*
 * The hooks of pintrace, of which there are two sets.
 *
 * Calls: what pin_user_pages_fast() and its relatives return is booked page by
 * page, but hooked once, and so is what goes into unpin_user_pages() and its
 * relatives. What a call takes and gives back before it returns is not seen.
 *
 * Pages: every pin that the kernel counts goes through one of a few functions of
 * mm/gup.c, whatever its consumer called: try_grab_*() to take it and
 * gup_put_folio() to give it back (put_compound_head() in 5.10). To hook these
 * costs more than to pin a page, but nothing escapes, and it works where the
 * entry points offer no hook. Around them, one hook at each entry point notes
 * who calls: the stack is looked at once for a call, not for each page. Where a
 * compiler inlined the narrow waist into a function, that one is booked.
 *
 * Only structures of our own are used, and only the members below, whose place
 * libbpf finds in the BTF of the running kernel.
 */
#include "booking.bpf.h"

/* What each thread is about. */
struct call {
	__u64 ns;
	__u64 doubt; /* the folio of an unpin that is watched, see begin_unpin() */
	__u32 owner; /* OWNER_NONE: not in a call that pins */
	__u32 grabbed; /* pages, seen by the narrow waist in this call */
	__u32 put; /* of the folio in doubt */
	__u32 pad;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, __u32);
	__type(value, struct call);
} calls SEC(".maps");

/* By inliner: what is known about it; and how many are watched now. */
__u32 waist[NR_INLINERS];
__u32 nr_doubts;

/* unpin_user_pages_dirty_lock() calls unpin_user_pages(): the learner's did. */
bool unpin_nested;

/* The code from which pins are given back inside a call. */
const volatile __u64 inside_start[NR_INSIDE];
const volatile __u64 inside_end[NR_INSIDE];

/* Pages by their array, or in a row. */
struct walk {
	struct credits credits; /* of those released */
	__u64 pages;
	__u64 ns;
	__u64 folio; /* met last, */
	__u32 run; /* so often */
	__u32 owner;
	__u32 acquired;
};

static __always_inline struct walk new_walk(__u64 pages)
{
	struct walk w = {
		.credits = no_credits(),
		.pages = pages,
		.folio = zero,
		.run = zero,
		.owner = zero,
		.acquired = zero,
	};

	return w;
}

static __always_inline void acquire_run(struct walk *w)
{
	int err;

	if (!w->run || !to_be_booked(w->folio))
		return;
	err = w->owner == OWNER_OTHERS ?
		      0 :
		      book(w->folio, w->ns, w->owner, w->run);
	if (err)
		lose(err, w->run, true);
	else
		w->acquired += w->run;
}

static long acquire_page(__u32 i, struct walk *w)
{
	__u64 folio = head_of(load(w->pages + i * sizeof(__u64)));

	if (w->folio == folio) {
		w->run++;
		return 0;
	}
	acquire_run(w);
	w->folio = folio;
	w->run = 1;
	return 0;
}

/* A call that pins has returned @n pages, or folios. */
static __always_inline int acquire_pages(void *ctx, enum entry entry,
					 __u64 pages, long n)
{
	struct walk w = new_walk(pages);

	if (n <= 0)
		return 0;
	w.ns = bpf_ktime_get_ns();
	w.owner = find_owner(ctx, entry);
	bpf_loop(n, acquire_page, &w, 0);
	acquire_run(&w);
	acquired_by(w.owner, w.acquired, true);
	return 0;
}

#define FRAMES 10

/* Released, and not booked: taken before, or by this very call. */
static __noinline int unmatched(void *ctx, __u32 pins)
{
	__u64 frame[FRAMES] = {};
	int i, j;

	bpf_get_stack(ctx, frame, sizeof(frame), 0);
#pragma unroll
	for (i = 0; i < FRAMES; i++) {
#pragma unroll
		for (j = 0; j < NR_INSIDE; j++) {
			if (frame[i] >= inside_start[j] &&
			    frame[i] < inside_end[j]) {
				TROUBLE(inside, pins);
				return 0;
			}
		}
	}
	TROUBLE(unmatched, pins);
	return 0;
}

static __always_inline void end_release(void *ctx, struct credits *c)
{
	flush_credits(c);
	if (c->unmatched)
		unmatched(ctx, c->unmatched);
}

static __always_inline void released(void *ctx, __u64 folio, __u32 pins)
{
	struct credits c = no_credits();

	if (!is_released(folio))
		return;
	release(folio, pins, &c);
	end_release(ctx, &c);
}

static __always_inline void release_run(struct walk *w)
{
	if (w->run && is_released(w->folio))
		release(w->folio, w->run, &w->credits);
}

static __always_inline long release_next(struct walk *w, __u64 page)
{
	__u64 folio;

	if (!page)
		return 0;
	folio = head_of(page);
	if (w->folio == folio) {
		w->run++;
		return 0;
	}
	release_run(w);
	w->folio = folio;
	w->run = 1;
	return 0;
}

static long release_page(__u32 i, struct walk *w)
{
	return release_next(w, load(w->pages + i * sizeof(__u64)));
}

static long release_in_row(__u32 i, struct walk *w)
{
	return release_next(w, w->pages + ((__u64)i << page_struct_shift));
}

static __always_inline int release_pages(void *ctx, __u64 pages, __u64 n)
{
	struct walk w = new_walk(pages);

	bpf_loop(n, release_page, &w, 0);
	release_run(&w);
	end_release(ctx, &w.credits);
	return 0;
}

#define CALLS(function, pages, args, type)                                     \
	SEC("fexit")                                                           \
	int calls_##function(__u64 *ctx)                                       \
	{                                                                      \
		return acquire_pages(ctx, ENTRY_##function, arg(ctx, pages),   \
				     (type)ctx[args]);                         \
	}

CALLS(pin_user_pages, 3, 4, long)
CALLS(pin_user_pages_fast, 3, 4, int)
CALLS(pin_user_pages_remote, 4, 6, long)
CALLS(pin_user_pages_unlocked, 2, 4, long)
CALLS(memfd_pin_folios, 3, 6, long)

SEC("fentry")
int calls_unpin_user_page(__u64 *ctx)
{
	released(ctx, head_of(arg(ctx, 0)), 1);
	return 0;
}

SEC("fentry")
int calls_unpin_folio(__u64 *ctx)
{
	released(ctx, arg(ctx, 0), 1);
	return 0;
}

SEC("fentry")
int calls_unpin_user_folio(__u64 *ctx)
{
	released(ctx, arg(ctx, 0), ctx[1]);
	return 0;
}

SEC("fentry")
int calls_unpin_user_pages(__u64 *ctx)
{
	if (learner && learner == bpf_get_current_pid_tgid() >> 32)
		unpin_nested = true;
	return release_pages(ctx, arg(ctx, 0), ctx[1]);
}

SEC("fentry")
int calls_unpin_user_pages_dirty_lock(__u64 *ctx)
{
	if (unpin_nested && !(__u8)ctx[2])
		return 0;
	return release_pages(ctx, arg(ctx, 0), ctx[1]);
}

SEC("fentry")
int calls_unpin_user_page_range_dirty_lock(__u64 *ctx)
{
	struct walk w = new_walk(arg(ctx, 0));

	bpf_loop(ctx[1], release_in_row, &w, 0);
	release_run(&w);
	end_release(ctx, &w.credits);
	return 0;
}

SEC("fentry")
int calls_unpin_folios(__u64 *ctx)
{
	return release_pages(ctx, arg(ctx, 0), ctx[1]);
}

static __always_inline struct call *this_call(void)
{
	__u32 tid = bpf_get_current_pid_tgid();

	return bpf_map_lookup_elem(&calls, &tid);
}

static __always_inline void set_call(const struct call *now)
{
	__u32 tid = bpf_get_current_pid_tgid();
	struct call *call = bpf_map_lookup_elem(&calls, &tid);

	if (call)
		*call = *now;
	else
		bpf_map_update_elem(&calls, &tid, now, BPF_ANY);
}

static __always_inline void begin_call(void *ctx, enum entry entry)
{
	struct call now = {
		.ns = bpf_ktime_get_ns(),
		.owner = find_owner(ctx, entry),
	};

	set_call(&now);
}

static __always_inline void end_call(void)
{
	struct call *call = this_call();

	if (call)
		call->owner = OWNER_NONE;
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
		acquire(call->owner, call->ns, folio, pins, true);
	else
		acquire(find_owner(ctx, ENTRY_UNKNOWN), bpf_ktime_get_ns(),
			folio, pins, true);
}

/* One more pin of a folio that is pinned. */
static __always_inline void added(void *ctx, enum entry entry, __u64 folio,
				  __u32 pins, bool counted)
{
	if (to_be_booked(folio))
		acquire(find_owner(ctx, entry), bpf_ktime_get_ns(), folio, pins,
			counted);
}

/* 6.12: try_grab_folio() */
SEC("fexit")
int BPF_PROG(grab_folio_int, struct folio *folio, int refs, unsigned int flags,
	     int ret)
{
	if ((flags & foll_pin) && !ret)
		grabbed(ctx, arg(ctx, 0), refs);
	return 0;
}

/* 6.12: try_grab_folio_fast(); 6.1: try_grab_folio(); 5.10: try_grab_compound_head() */
SEC("fexit")
int BPF_PROG(grab_ptr, struct page *page, int refs, unsigned int flags,
	     struct folio *ret)
{
	if ((flags & foll_pin) && ret)
		grabbed(ctx, arg(ctx, 3), refs);
	return 0;
}

/* 6.1: try_grab_page() */
SEC("fexit")
int BPF_PROG(grab_page_int, struct page *page, unsigned int flags, int ret)
{
	if ((flags & foll_pin) && !ret)
		grabbed(ctx, head_of(arg(ctx, 0)), 1);
	return 0;
}

/* 5.10: try_grab_page() */
SEC("fexit")
int BPF_PROG(grab_page_bool, struct page *page, unsigned int flags, bool ret)
{
	if ((flags & foll_pin) && ret)
		grabbed(ctx, head_of(arg(ctx, 0)), 1);
	return 0;
}

SEC("fexit")
int BPF_PROG(add_pin, struct folio *folio)
{
	added(ctx, ENTRY_folio_add_pin, arg(ctx, 0), 1, false);
	return 0;
}

/* 7.3; this one counts. */
SEC("fexit")
int BPF_PROG(add_pins, struct folio *folio, unsigned int pins, int ret)
{
	if (!ret)
		added(ctx, ENTRY_folio_add_pins, arg(ctx, 0), pins, true);
	return 0;
}

/* gup_put_folio(); 5.10: put_compound_head() */
SEC("fentry")
int BPF_PROG(put, struct folio *folio, int refs, unsigned int flags)
{
	__u64 addr = arg(ctx, 0);
	struct call *call;

	if (!(flags & foll_pin))
		return 0;
	if (nr_doubts) {
		call = this_call();
		if (call && call->doubt == addr)
			call->put += refs;
	}
	released(ctx, addr, refs);
	return 0;
}

/*
 * Does this function call the narrow waist, or has it a copy of its own? Watch
 * it once.
 */
static __always_inline void begin_unpin(void *ctx, enum inliner i, __u64 folio,
					__u32 pins)
{
	struct call fresh = { .doubt = folio }, *call;

	if (waist[i] == WAIST_INLINED) {
		released(ctx, folio, pins);
		return;
	}
	if (waist[i] != WAIST_UNKNOWN || folio == zero_folio)
		return;
	__sync_fetch_and_add(&nr_doubts, 1);
	call = this_call();
	if (call) {
		call->doubt = folio;
		call->put = 0;
	} else {
		set_call(&fresh);
	}
}

static __always_inline void end_unpin(void *ctx, enum inliner i, __u64 folio,
				      __u32 pins)
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
		released(ctx, folio, pins);
	}
}

SEC("fentry")
int BPF_PROG(begin_unpin_user_page, struct page *page)
{
	begin_unpin(ctx, INLINER_UNPIN_PAGE, head_of(arg(ctx, 0)), 1);
	return 0;
}

SEC("fexit")
int BPF_PROG(end_unpin_user_page, struct page *page)
{
	end_unpin(ctx, INLINER_UNPIN_PAGE, head_of(arg(ctx, 0)), 1);
	return 0;
}

SEC("fentry")
int BPF_PROG(begin_unpin_folio, struct folio *folio)
{
	begin_unpin(ctx, INLINER_UNPIN_FOLIO, arg(ctx, 0), 1);
	return 0;
}

SEC("fexit")
int BPF_PROG(end_unpin_folio, struct folio *folio)
{
	end_unpin(ctx, INLINER_UNPIN_FOLIO, arg(ctx, 0), 1);
	return 0;
}

SEC("fentry")
int BPF_PROG(begin_unpin_user_folio, struct folio *folio, unsigned long pins)
{
	begin_unpin(ctx, INLINER_UNPIN_USER_FOLIO, arg(ctx, 0), pins);
	return 0;
}

SEC("fexit")
int BPF_PROG(end_unpin_user_folio, struct folio *folio, unsigned long pins)
{
	end_unpin(ctx, INLINER_UNPIN_USER_FOLIO, arg(ctx, 0), pins);
	return 0;
}

#define ENTRY_POINT(function)                        \
	SEC("fentry")                                \
	int BPF_PROG(begin_##function)               \
	{                                            \
		begin_call(ctx, ENTRY_##function);   \
		return 0;                            \
	}                                            \
	SEC("fexit")                                 \
	int BPF_PROG(end_##function)                 \
	{                                            \
		end_call();                          \
		return 0;                            \
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
	__u64 folios;
};

static long book_memfd_folio(__u32 i, struct memfd_walk *walk)
{
	__u64 folio = load(walk->folios + i * sizeof(folio));
	struct call *call = this_call();

	if (!folio || !call)
		return 1;
	if (to_be_booked(folio))
		acquire(call->owner, call->ns, folio, 1, true);
	return 0;
}

/* On 7.3 it has its own copy of try_grab_folio(). */
SEC("fexit")
int end_memfd_pin_folios(__u64 *ctx)
{
	struct memfd_walk walk = { .folios = arg(ctx, 3) };
	struct call *call = this_call();
	long ret = ctx[6];

	if (!call)
		return 0;
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
		TROUBLE(unfollowed, 1);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
