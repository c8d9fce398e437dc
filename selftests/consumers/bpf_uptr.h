/* SPDX-License-Identifier: GPL-2.0 */
/* BPF task storage with fields that point into user space: __uptr. */
#ifndef PIN_BPF_UPTR_H
#define PIN_BPF_UPTR_H

#include <stdint.h>

#define PIN_BPF_UPTRS	8	/* fields of one value; the kernel knows up to 11 */

/* What a task has in a map: each field pins the page of what it points to. */
struct pin_bpf_value {
	uint64_t to[PIN_BPF_UPTRS];
};

/* A map whose fields point to structures of @size bytes: its descriptor or -errno. */
int pin_bpf_uptr_map(uint32_t size);

/* BPF_MAP_UPDATE_ELEM with @flags for the task that @pidfd is of. 0 or -errno. */
int pin_bpf_uptr_update(int map, int pidfd, const struct pin_bpf_value *value, uint64_t flags);
int pin_bpf_uptr_delete(int map, int pidfd);

/* A pidfd of @pid, or -errno. */
int pin_bpf_task(int pid);

#endif
