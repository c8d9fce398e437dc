/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What pintrace.bpf.c writes into its maps and user space reads from them.
 */
#ifndef PINTRACE_BOOK_H
#define PINTRACE_BOOK_H

#include <linux/bpf.h>
#include <linux/types.h>

#include "own.h"

#define COMM_LEN 16

/* Owners of one folio that are told apart; the last one also takes the rest. */
#define HOLDERS 4

/*
 * Where a call begins that pins. Its stack is walked there, once for all pages;
 * where a kernel offers no attach point, at each page instead.
 */
enum entry {
	ENTRY_UNKNOWN,
	ENTRY_pin_user_pages,
	ENTRY_pin_user_pages_fast,
	ENTRY_pin_user_pages_fast_only,
	ENTRY_pin_user_pages_locked,
	ENTRY_pin_user_pages_remote,
	ENTRY_pin_user_pages_unlocked,
	ENTRY_memfd_pin_folios,
	ENTRY_folio_add_pin,
	ENTRY_folio_add_pins,
	NR_ENTRIES,
};

/*
 * Functions into which the compiler may have inlined the narrow waist: found
 * out at the first call.
 */
enum waist {
	WAIST_UNKNOWN,
	WAIST_CALLED, /* whose own hook sees it */
	WAIST_INLINED,
};

enum inliner {
	INLINER_UNPIN_PAGE,
	INLINER_UNPIN_FOLIO,
	INLINER_UNPIN_USER_FOLIO,
	NR_INLINERS,
};

enum owner_id {
	OWNER_NONE,
	OWNER_OTHERS, /* not selected by --pid, --comm, --cgroup, CMD */
	OWNER_SHARED, /* of a folio with more than HOLDERS owners */
	OWNER_UNNAMED, /* the table of owners is full */
	OWNER_FIRST,
};

/* A thread at one place in the kernel. */
struct owner_key {
	__u64 start_ns; /* of the thread: numbers are used again */
	__u64 cgroup;
	__u32 tgid;
	__u32 tid;
	__s32 stack; /* negative: not recorded */
	__u32 entry;
};

struct owner {
	struct owner_key key;
	char comm[COMM_LEN];
	__u64 since_ns; /* CLOCK_MONOTONIC */
	__u64 acquired; /* as the kernel counts it */
	__u64 uncounted; /* by folio_add_pin(), which does not count */
	__u64 released;
	__u64 released_by_thread; /* another one of the same process */
	__u64 released_by_other; /* another process, worker, interrupt */
};

/* Pins that one owner holds on one folio. */
struct holder {
	__u64 ns; /* since when, CLOCK_MONOTONIC */
	__u32 owner;
	__u32 pins;
	__u32 tgid;
	__u32 tid;
};

/*
 * What one owner holds of one folio has a place in an array, by the folio's
 * address: no more is needed for nearly all. A second owner, and a folio whose
 * place is taken by another one, go to the map of folios.
 */
struct slot {
	struct bpf_spin_lock lock;
	__u32 spilled; /* folios in the map whose place this is */
	__u64 folio; /* 0: free */
	struct holder holder;
};

/* The value of the map of folios, by address of the struct folio. */
struct folio_book {
	struct bpf_spin_lock lock;
	__u32 pad;
	__u64 folio; /* 0: about to be deleted */
	struct holder holder[HOLDERS];
};

/* One for each CPU. */
struct trouble {
	__u64 unmatched; /* released, but no pin of this folio is booked */
	__u64 guessed; /* released by nobody of several owners: the oldest took it */
	__u64 lost_full; /* acquired, but there is no room for the folio */
	__u64 lost_race; /* acquired, but the folio's book was busy */
	__u64 lost_uncounted; /* by folio_add_pin(), for either reason */
	__u64 unnamed; /* times the table of owners was full */
	__u64 unfollowed; /* children of CMD for which there was no room */
	__u64 no_stack; /* times no stack was recorded */
	__u64 walked; /* stacks: the others were known */
};

#endif
