/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The side statement of one process: what the kernel says it has pinned and
 * locked. Source: VmPin (mm->pinned_vm, since 3.2) and VmLck (mm->locked_vm)
 * in /proc/PID/status. Unit here: KiB, as the kernel prints it.
 */
#ifndef PIN_PROC_H
#define PIN_PROC_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/resource.h>
#include <sys/types.h>

struct pin_statement {
	long vmpin_kib;
	long vmlck_kib;
};

/* Returns 0, -ESRCH if the process has no memory (any more), or -errno. */
int pin_statement_read(pid_t pid, struct pin_statement *s);

/* True if the effective capabilities include @cap (CAP_...). */
bool pin_have_cap(int cap);

/* Take @cap out of the effective capabilities, or back: 0 or -errno. */
int pin_set_cap(int cap, bool effective);

/*
 * Give up CAP_IPC_LOCK, whose holders are not charged for all they pin, and lift
 * RLIMIT_MEMLOCK (for good) in its stead. False: not held, or no right to lift it,
 * and nothing is changed. Undone by pin_set_cap(CAP_IPC_LOCK, true).
 */
bool pin_drop_ipc_lock(void);

/*
 * RLIMIT_MEMLOCK of process @pid (0: this one) becomes @bytes; what is the most it may
 * be is raised if need be. What it was before goes to *@before, or NULL. 0 or -errno.
 */
int pin_limit_memlock(pid_t pid, rlim_t bytes, rlim_t *before);

/* The lowest descriptor that is free is one too many, or (!@limited) as many as may be. */
void pin_limit_descriptors(bool limited);

/*
 * Become a user who has no other process, with all powers of root: what is locked counts
 * from nothing. Not undone. Whoever is not root stays who he is. Returns 0 or -errno.
 */
int pin_become_somebody(void);

/* The same, and lose the powers over RLIMIT_MEMLOCK, of whoever it is. */
int pin_become_ordinary(void);

/* Does the file @path begin with @word? */
bool pin_file_begins(const char *path, const char *word);

/* What /proc/meminfo has under @name: KiB, or a number of huge pages; 0 if nothing. */
long pin_meminfo(const char *name);

/* The first number in the file @path, or @fallback. */
long long pin_read_number(const char *path, long long fallback);

/* @what (nr_hugepages, ...) of the pool of hugetlb pages of @size bytes; 0: no such pool. */
long long pin_hugetlb_pool(size_t size, const char *what);

/* Faults of this thread without I/O, those of its pins among them. */
long pin_faults(void);

#endif
