// SPDX-License-Identifier: GPL-2.0
/*
 * BPF task storage with __uptr: what a field of the value points to is pinned,
 * long-term, from BPF_MAP_UPDATE_ELEM until the element goes, by itself or with its
 * map or its task. A field is a page: one for each of the first pages of the buffer.
 *
 * The task is our parent, which outlives all who have the map. Not in VmPin, and
 * no limit bounds it.
 */
#include <errno.h>
#include <linux/bpf.h>
#include <linux/btf.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "bpf_uptr.h"
#include "consumer.h"

/* What the installed headers may be too old for. */
#define KIND_TYPE_TAG	18	/* 5.17 */

/* --- the map --- */

/* The types of the map, by their numbers in it. */
enum {
	INT = 1,
	TARGET,
	TAG,
	POINTER,
	ARRAY,
	VALUE,
};

struct names {
	char none[1], integer[4], target[16], tag[5], value[15], field[3];
};

struct types {
	struct btf_type integer;
	uint32_t integer_bits;
	struct btf_type target;
	struct btf_type tag;
	struct btf_type pointer;
	struct btf_type array;
	struct btf_array array_of;
	struct btf_type value;
	struct btf_member field;
};

struct type_info {
	struct btf_header header;
	struct types types;
	struct names names;
};

static struct btf_type type(size_t name, unsigned int kind, unsigned int members, uint32_t size)
{
	return (struct btf_type){
		.name_off = name, .info = kind << 24 | members, .size = size,
	};
}

#define NAME(field)	offsetof(struct names, field)

/* struct pin_bpf_value { struct pin_uptr_target __uptr *to[PIN_BPF_UPTRS]; }; */
static void describe(struct type_info *b, uint32_t size)
{
	*b = (struct type_info){
		.header = {
			.magic = BTF_MAGIC, .version = BTF_VERSION,
			.hdr_len = sizeof(b->header), .type_len = sizeof(b->types),
			.str_off = sizeof(b->types), .str_len = sizeof(b->names),
		},
		.types = {
			.integer = type(NAME(integer), BTF_KIND_INT, 0, sizeof(int)),
			.integer_bits = BTF_INT_SIGNED << 24 | 32,
			.target = type(NAME(target), BTF_KIND_STRUCT, 0, size),
			.tag = type(NAME(tag), KIND_TYPE_TAG, 0, TARGET),
			.pointer = type(NAME(none), BTF_KIND_PTR, 0, TAG),
			.array = type(NAME(none), BTF_KIND_ARRAY, 0, 0),
			.array_of = { POINTER, INT, PIN_BPF_UPTRS },
			.value = type(NAME(value), BTF_KIND_STRUCT, 1,
				      sizeof(struct pin_bpf_value)),
			.field = { NAME(field), ARRAY, 0 },
		},
		/* No structure of the kernel's has that name. */
		.names = { "", "int", "pin_uptr_target", "uptr", "pin_uptr_value", "to" },
	};
}

static int bpf(enum bpf_cmd cmd, union bpf_attr *attr)
{
	int ret = syscall(SYS_bpf, cmd, attr, sizeof(*attr));

	return ret < 0 ? -errno : ret;
}

int pin_bpf_uptr_map(uint32_t size)
{
	struct type_info types;
	union bpf_attr load, create;
	int map;

	describe(&types, size);
	memset(&load, 0, sizeof(load));
	load.btf = (uintptr_t)&types;
	load.btf_size = sizeof(types.header) + sizeof(types.types) + sizeof(types.names);
	memset(&create, 0, sizeof(create));
	create.map_type = BPF_MAP_TYPE_TASK_STORAGE;
	create.key_size = sizeof(int);
	create.value_size = sizeof(struct pin_bpf_value);
	create.map_flags = BPF_F_NO_PREALLOC;
	create.btf_key_type_id = INT;
	create.btf_value_type_id = VALUE;
	map = bpf(BPF_BTF_LOAD, &load);
	if (map < 0)
		return map;
	create.btf_fd = map;
	map = bpf(BPF_MAP_CREATE, &create);
	close(create.btf_fd);
	return map;
}

int pin_bpf_uptr_update(int map, int pidfd, const struct pin_bpf_value *value, uint64_t flags)
{
	union bpf_attr attr;

	memset(&attr, 0, sizeof(attr));
	attr.map_fd = map;
	attr.key = (uintptr_t)&pidfd;
	attr.value = (uintptr_t)value;
	attr.flags = flags;
	return bpf(BPF_MAP_UPDATE_ELEM, &attr);
}

int pin_bpf_uptr_delete(int map, int pidfd)
{
	union bpf_attr attr;

	memset(&attr, 0, sizeof(attr));
	attr.map_fd = map;
	attr.key = (uintptr_t)&pidfd;
	return bpf(BPF_MAP_DELETE_ELEM, &attr);
}

int pin_bpf_task(int pid)
{
	int fd = syscall(SYS_pidfd_open, pid, 0);

	return fd < 0 ? -errno : fd;
}

/* --- the consumer --- */

struct uptr {
	int map, task;
};

static int probe(const struct pin_kernel *k, char *why)
{
	const struct pin_bpf_value nowhere = { { -(1ul << 20) } };
	int map = pin_bpf_uptr_map(1), task, err;

	(void)k;
	if (map < 0) {
		if (map == -EPERM)
			return pin_why(why, map, "BPF task storage needs CAP_BPF: run as root");
		return pin_why(why, map, "no map of BPF task storage with __uptr (%s): Linux 6.13 or later, kernel options BPF_SYSCALL and DEBUG_INFO_BTF",
			       strerror(-map));
	}
	task = pin_bpf_task(getpid());
	/* The kernel's own memory: who does not pin takes any address. */
	err = task < 0 ? task : pin_bpf_uptr_update(map, task, &nowhere, BPF_ANY);
	close(map);
	if (task >= 0)
		close(task);
	if (err == -EFAULT)
		return 0;
	if (!err)
		return pin_why(why, -EOPNOTSUPP, "BPF task storage does not pin what __uptr points to: Linux 6.13 or later, kernel option DEBUG_INFO_BTF");
	return pin_why(why, err, "BPF task storage: %s", strerror(-err));
}

static void uptr_close(struct pin_op *op)
{
	struct uptr *u = op->priv;

	if (!u)
		return;
	if (u->map >= 0)
		close(u->map);
	if (u->task >= 0)
		close(u->task);
	free(u);
	op->priv = NULL;
}

/*
 * An element that points nowhere. The storage of a task goes with the last element of
 * all maps, and who comes at that moment is told to try again, his pages pinned for
 * nothing: pin() finds one that cannot go.
 */
static int set_empty(const struct uptr *u)
{
	const struct pin_bpf_value nothing = { { 0 } };
	int err;

	do {
		err = pin_bpf_uptr_update(u->map, u->task, &nothing, BPF_ANY);
	} while (err == -EAGAIN);
	return err;
}

static int uptr_open(struct pin_op *op)
{
	struct uptr *u = malloc(sizeof(*u));
	int err;

	if (!u)
		return pin_why(op->why, -ENOMEM, "out of memory");
	op->priv = u;
	u->map = pin_bpf_uptr_map(1);
	u->task = pin_bpf_task(getppid());
	err = u->map < 0 ? u->map : u->task < 0 ? u->task : set_empty(u);
	if (err) {
		pin_why(op->why, err, "BPF task storage of the parent: %s", strerror(-err));
		uptr_close(op);
	}
	return err;
}

static unsigned int most_pages(const struct pin_kernel *k)
{
	(void)k;
	return PIN_BPF_UPTRS;
}

/* Its pages, as many as there are fields for. */
static struct pin_mem head(const struct pin_op *op)
{
	const uintptr_t ps = op->kernel->page_size, start = (uintptr_t)op->mem->addr & (ps - 1);
	struct pin_mem m = *op->mem;

	if (m.pages > PIN_BPF_UPTRS)
		pin_mem_cut(&m, 0, PIN_BPF_UPTRS * ps - start);
	return m;
}

static void predict(const struct pin_op *op, struct pin_predict *p)
{
	const struct pin_access access = { .write = true, .longterm = true, .fast = true };
	struct pin_mem m = head(op);
	struct pin_op head_op = *op;

	head_op.mem = &m;
	pin_predict_all_or_nothing(&head_op, &access, p);
}

/* The first may start inside its page. */
static long pin(struct pin_op *op)
{
	const uintptr_t ps = op->kernel->page_size, addr = (uintptr_t)op->mem->addr;
	struct pin_bpf_value value = { .to = { addr } };
	const struct uptr *u = op->priv;

	for (unsigned int i = 1; i < head(op).pages; i++)
		value.to[i] = (addr & ~(ps - 1)) + i * ps;
	return pin_bpf_uptr_update(u->map, u->task, &value, BPF_EXIST);
}

static long unpin(struct pin_op *op)
{
	const struct uptr *u = op->priv;

	return pin_bpf_uptr_delete(u->map, u->task) ?: set_empty(u);
}

const struct pin_consumer pin_consumer_bpf_uptr = {
	.name = "bpf_uptr",
	.help = "memory of user space in BPF task storage, the first 8 pages",
	.path = "map_update_elem > bpf_obj_pin_uptrs > pin_user_pages_fast",
	.since = "6.13",
	.doc_case = 5,
	.held = true,
	.any_byte = true,
	.pages = most_pages,
	.probe = probe,
	.open = uptr_open,
	.predict = predict,
	.pin = pin,
	.unpin = unpin,
	.close = uptr_close,
};
