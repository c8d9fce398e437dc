// SPDX-License-Identifier: GPL-2.0
/*
 * Loads the hooks that this kernel has functions for, and reads their books.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <sys/uio.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <liburing.h>

#include "pintrace.h"
#include "pintrace.skel.h"
#include "proc.h"

#define FOLL_PIN_BEFORE_6_2 0x40000 /* a macro then, not an enumerator */
#define ZERO_PAGES 256
#define QUIET_TRIES 20
#define BATCH 4096
#define ENOTSUPP_KERNEL 524

#ifndef CAP_PERFMON
#define CAP_PERFMON 38
#define CAP_BPF 39
#endif

const uint64_t age_limit_ns[AGES] = {
	NSEC_PER_MSEC,	     10 * NSEC_PER_MSEC, 100 * NSEC_PER_MSEC,
	NSEC_PER_SEC,	     10 * NSEC_PER_SEC,	 60 * NSEC_PER_SEC,
	3600 * NSEC_PER_SEC, UINT64_MAX,
};

const char *const age_name[AGES] = {
	"< 1 ms", "< 10 ms", "< 100 ms", "< 1 s",
	"< 10 s", "< 1 min", "< 1 h",	 "older",
};

enum role {
	ROLE_RELEASE, /* attached first: no pin may be booked for ever */
	ROLE_WATCH, /* may have the above inlined: see whether it has */
	ROLE_UNPIN, /* has, or may have */
	ROLE_BEGIN,
	ROLE_END,
	ROLE_ADD,
	ROLE_ACQUIRE,
	NR_ROLES,
};

enum result {
	RET_ANY,
	RET_BOOL,
	RET_INT,
	RET_PTR,
};

struct hook {
	const char *function;
	const char *program;
	enum role role;
	enum result result;
	int params; /* -1: any */
};

#define HOOKS_AROUND(f, begin, end)                     \
	{ #f, "begin_" #f, begin, RET_ANY, -1 },        \
	{                                               \
		#f, "end_" #f, end, RET_ANY, -1         \
	}
#define ENTRY_HOOKS(f) HOOKS_AROUND(f, ROLE_BEGIN, ROLE_END)
#define UNPIN_HOOKS(f)                                  \
	HOOKS_AROUND(f, ROLE_WATCH, ROLE_WATCH),        \
	{                                               \
		#f, "irq_" #f, ROLE_UNPIN, RET_ANY, -1  \
	}

/* A program stands here more than once: each kernel has one of its functions. */
static const struct hook hooks[] = {
	{ "gup_put_folio", "put", ROLE_RELEASE, RET_ANY, 3 },
	{ "gup_put_folio", "irq_put", ROLE_RELEASE, RET_ANY, 3 },
	UNPIN_HOOKS(unpin_user_page),
	UNPIN_HOOKS(unpin_folio),
	UNPIN_HOOKS(unpin_user_folio),
	ENTRY_HOOKS(pin_user_pages),
	ENTRY_HOOKS(pin_user_pages_fast),
	ENTRY_HOOKS(pin_user_pages_fast_only),
	ENTRY_HOOKS(pin_user_pages_locked),
	ENTRY_HOOKS(pin_user_pages_remote),
	ENTRY_HOOKS(pin_user_pages_unlocked),
	ENTRY_HOOKS(memfd_pin_folios),
	{ "folio_add_pin", "add_pin", ROLE_ADD, RET_ANY, 1 },
	{ "folio_add_pins", "add_pins", ROLE_ADD, RET_INT, 2 },
	{ "try_grab_folio", "grab_folio_int", ROLE_ACQUIRE, RET_INT, 3 },
	{ "try_grab_folio", "grab_ptr", ROLE_ACQUIRE, RET_PTR, 3 },
	{ "try_grab_folio_fast", "grab_ptr", ROLE_ACQUIRE, RET_PTR, 3 },
	{ "try_grab_page", "grab_page_int", ROLE_ACQUIRE, RET_INT, 2 },
	{ "try_grab_page", "grab_page_bool", ROLE_ACQUIRE, RET_BOOL, 2 },
};

static const char *const inliner_name[NR_INLINERS] = {
	[INLINER_UNPIN_PAGE] = "unpin_user_page",
	[INLINER_UNPIN_FOLIO] = "unpin_folio",
	[INLINER_UNPIN_USER_FOLIO] = "unpin_user_folio",
};

static const char *const entry_name[NR_ENTRIES] = {
	[ENTRY_UNKNOWN] = "",
	[ENTRY_pin_user_pages] = "pin_user_pages",
	[ENTRY_pin_user_pages_fast] = "pin_user_pages_fast",
	[ENTRY_pin_user_pages_fast_only] = "pin_user_pages_fast_only",
	[ENTRY_pin_user_pages_locked] = "pin_user_pages_locked",
	[ENTRY_pin_user_pages_remote] = "pin_user_pages_remote",
	[ENTRY_pin_user_pages_unlocked] = "pin_user_pages_unlocked",
	[ENTRY_memfd_pin_folios] = "memfd_pin_folios",
	[ENTRY_folio_add_pin] = "folio_add_pin",
	[ENTRY_folio_add_pins] = "folio_add_pins",
};

#define NR_HOOKS (sizeof(hooks) / sizeof(hooks[0]))

struct trace {
	const struct options *opt;
	const struct pin_counters *c;
	struct pintrace_bpf *skel;
	struct bpf_link *link[NR_HOOKS + 1];
	bool used[NR_HOOKS];
	int own_fd; /* for the command, or -1 */
	char hooks[512];
	const struct owner *owners; /* mapped */
	size_t owners_size;
	struct totals base;
	struct before *before;
};

static __attribute__((format(printf, 1, 2))) void say(const char *format, ...)
{
	va_list args;

	fputs("pintrace: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
}

static bool verbose;

static int print_libbpf(enum libbpf_print_level level, const char *format,
			va_list args)
{
	return verbose ? vfprintf(stderr, format, args) : 0;
}

static bool locked_down(void)
{
	char line[128] = "";
	FILE *f = fopen("/sys/kernel/security/lockdown", "re");

	if (!f)
		return false;
	if (!fgets(line, sizeof(line), f))
		line[0] = '\0';
	fclose(f);
	return strstr(line, "[confidentiality]");
}

static bool has_symbol(const char *wanted)
{
	char line[512], name[256];
	bool found = false;
	FILE *f = fopen("/proc/kallsyms", "re");

	while (f && !found && fgets(line, sizeof(line), f))
		found = sscanf(line, "%*s %*s %255s", name) == 1 &&
			!strcmp(name, wanted);
	if (f)
		fclose(f);
	return found;
}

/* What is to be done about a kernel that does not let us. */
static void advise(int err)
{
	if (err == -ENOSYS)
		say("the kernel has no bpf(): it needs CONFIG_BPF_SYSCALL and CONFIG_BPF_JIT");
	else if (locked_down())
		say("the kernel is locked down (confidentiality), which keeps BPF from reading its memory: boot without lockdown=confidentiality");
	else if (!has_symbol("register_ftrace_direct") &&
		 !has_symbol("register_ftrace_direct_multi"))
		say("this kernel offers no attach point to BPF: it needs CONFIG_FUNCTION_TRACER, CONFIG_DYNAMIC_FTRACE_WITH_DIRECT_CALLS, CONFIG_BPF_EVENTS and CONFIG_BPF_JIT (Debian's kernels have them: try one in a guest, by pinvm)");
	else if (err == -EPERM)
		say("this machine offers no attach point to BPF, whatever the capabilities: a sandbox's or hypervisor's kernel, or a security policy. A distribution's kernel does, in a guest as well (pinvm)");
	else if (err == -ENOMEM || err == -E2BIG)
		say("no memory for the maps: try a smaller --folios");
	else if (err == -EACCES || err == -EINVAL)
		say("the kernel's verifier refuses the hooks: -v shows why");
	else
		say("-v shows what libbpf says");
}

static void say_failed(const char *what, int err)
{
	say("%s: %s", what,
	    err == -ENOTSUPP_KERNEL ? "not supported" : strerror(-err));
	advise(err);
}

static enum result result_of(const struct btf *btf, uint32_t id)
{
	const struct btf_type *type;

	for (;;) {
		type = btf__type_by_id(btf, id);
		if (!type)
			return RET_ANY;
		if (!btf_is_mod(type) && !btf_is_typedef(type))
			break;
		id = type->type;
	}
	if (btf_is_ptr(type))
		return RET_PTR;
	if (!btf_is_int(type))
		return RET_ANY;
	return btf_int_encoding(type) & BTF_INT_BOOL ? RET_BOOL : RET_INT;
}

static bool kernel_has(const struct btf *btf, const struct hook *hook)
{
	int id = btf__find_by_name_kind(btf, hook->function, BTF_KIND_FUNC);
	const struct btf_type *type;

	if (id < 0)
		return false;
	type = btf__type_by_id(btf, id);
	type = btf__type_by_id(btf, type->type);
	if (hook->params >= 0 && btf_vlen(type) != hook->params)
		return false;
	return hook->result == RET_ANY ||
	       hook->result == result_of(btf, type->type);
}

/* The value of the kernel's enumerator of that name, or -1. */
static int64_t enumerator(const struct btf *btf, const char *name)
{
	uint32_t id, n = btf__type_cnt(btf);
	const struct btf_type *type;
	const struct btf_enum *e;
	int i;

	for (id = 1; id < n; id++) {
		type = btf__type_by_id(btf, id);
		if (!btf_is_enum(type))
			continue;
		e = btf_enum(type);
		for (i = 0; i < btf_vlen(type); i++) {
			if (!strcmp(btf__name_by_offset(btf, e[i].name_off),
				    name))
				return (uint32_t)e[i].val;
		}
	}
	return -1;
}

static uint32_t foll_pin(const struct btf *btf)
{
	int64_t value = enumerator(btf, "FOLL_PIN");

	return value < 0 ? FOLL_PIN_BEFORE_6_2 : value;
}

/* Choose by what the kernel has; the rest is not even loaded. */
static int choose_hooks(struct trace *t, const struct btf *btf)
{
	unsigned int nr[NR_ROLES] = { 0 };
	struct bpf_program *program;
	size_t i;
	int err;

	bpf_object__for_each_program(program, t->skel->obj)
		bpf_program__set_autoload(program, false);
	for (i = 0; i < NR_HOOKS; i++) {
		if (!kernel_has(btf, &hooks[i]) ||
		    (t->opt->without &&
		     !strcmp(t->opt->without, hooks[i].function)))
			continue;
		program = bpf_object__find_program_by_name(t->skel->obj,
							   hooks[i].program);
		err = bpf_program__set_attach_target(program, 0,
						     hooks[i].function);
		if (err)
			return err;
		bpf_program__set_autoload(program, true);
		t->used[i] = true;
		nr[hooks[i].role]++;
	}
	if (!nr[ROLE_RELEASE] || !nr[ROLE_ACQUIRE]) {
		say("this kernel has no function to hook where pins are %s: inlined, or renamed (its BTF names none of those known)",
		    nr[ROLE_RELEASE] ? "taken" : "released");
		return -ENOENT;
	}
	return 0;
}

static uint32_t default_folios(void)
{
	unsigned long pages = sysconf(_SC_PHYS_PAGES) / 16;

	if (pages < 65536)
		return 65536;
	return pages < 1048576 ? pages : 1048576;
}

int trace_own_books(void)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = BPF_F_MMAPABLE);

	return bpf_map_create(BPF_MAP_TYPE_ARRAY, "own", sizeof(uint32_t),
			      sizeof(struct pin_own), 1, &opts);
}

/*
 * One to two places for each folio, and as some will have to share one, half as
 * many in the map.
 */
static int size_books(struct trace *t)
{
	uint32_t folios = t->opt->max_folios ?: default_folios(), slots = 1;

	while (slots <= folios)
		slots *= 2;
	t->skel->rodata->slot_mask = slots - 1;
	return bpf_map__set_max_entries(t->skel->maps.slots, slots) ?:
	       bpf_map__set_max_entries(t->skel->maps.folios,
					folios / 2 ?: 1);
}

static int size_maps(struct trace *t)
{
	const struct options *opt = t->opt;
	int err;

	if (t->own_fd >= 0) {
		err = bpf_map__reuse_fd(t->skel->maps.own, t->own_fd);
		if (err)
			return err;
	}
	err = size_books(t);
	err = err ?: bpf_map__set_max_entries(t->skel->maps.owners,
					      opt->max_owners);
	err = err ?: bpf_map__set_max_entries(t->skel->maps.owner_ids,
					      opt->max_owners);
	err = err ?: bpf_map__set_max_entries(t->skel->maps.stacks,
					      opt->max_stacks);
	return err ?: bpf_map__set_value_size(t->skel->maps.stacks,
					      opt->depth * sizeof(uint64_t));
}

static void set_filters(struct trace *t, pid_t cmd)
{
	const struct options *opt = t->opt;

	t->skel->rodata->max_owners = opt->max_owners;
	t->skel->rodata->by_cgroup = opt->by_cgroup;
	t->skel->rodata->keep_own = t->own_fd >= 0;
	t->skel->rodata->by_target = opt->pid || cmd;
	t->skel->rodata->by_target_cgroup = opt->cgroup;
	t->skel->rodata->by_comm = opt->comm;
	if (opt->comm)
		memcpy((char *)t->skel->rodata->target_comm, opt->comm,
		       strlen(opt->comm));
	bpf_program__set_autoload(t->skel->progs.forked, cmd);
}

static int fill_maps(struct trace *t, pid_t cmd)
{
	uint32_t pid = t->opt->pid ?: cmd, zero = 0;
	struct {
		struct bpf_spin_lock lock;
		uint32_t id;
	} first = { .id = OWNER_FIRST };
	uint8_t one = 1;
	int fd, err;

	err = bpf_map__update_elem(t->skel->maps.next_owner, &zero,
				   sizeof(zero), &first, sizeof(first), 0);
	if (!err && pid)
		err = bpf_map__update_elem(t->skel->maps.targets, &pid,
					   sizeof(pid), &one, sizeof(one), 0);
	if (!err && t->opt->cgroup) {
		fd = open(t->opt->cgroup, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (fd < 0)
			return -errno;
		err = bpf_map__update_elem(t->skel->maps.target_cgroup, &zero,
					   sizeof(zero), &fd, sizeof(fd), 0);
		close(fd);
	}
	return err;
}

static int attach(struct trace *t, size_t i)
{
	struct bpf_program *program;
	char what[128];

	program = bpf_object__find_program_by_name(t->skel->obj,
						   hooks[i].program);
	t->link[i] = bpf_program__attach(program);
	if (t->link[i])
		return 0;
	/*
	 * Functions of more than 6 arguments offer none in older kernels: their
	 * stacks are walked at each page then.
	 */
	if (hooks[i].role == ROLE_BEGIN || hooks[i].role == ROLE_END)
		return 0;
	snprintf(what, sizeof(what), "cannot hook %s()", hooks[i].function);
	say_failed(what, -errno);
	return -errno;
}

/* Have a page of ours unpinned, by whatever this kernel's io_uring calls for it. */
static void unpin_one(void)
{
	struct iovec buffer = { .iov_len = sysconf(_SC_PAGESIZE) };
	struct io_uring ring;

	buffer.iov_base = aligned_alloc(buffer.iov_len, buffer.iov_len);
	if (!buffer.iov_base || io_uring_queue_init(1, &ring, 0))
		goto out;
	if (!io_uring_register_buffers(&ring, &buffer, 1))
		io_uring_unregister_buffers(&ring);
	io_uring_queue_exit(&ring);
out:
	free(buffer.iov_base);
}

/*
 * Where a function calls the narrow waist there is no need to hook both: each
 * hook takes its time for each page. What this does not show is watched on.
 */
static void unhook_known(struct trace *t)
{
	size_t i, k;

	unpin_one();
	for (i = 0; i < NR_HOOKS; i++) {
		for (k = 0; k < NR_INLINERS; k++) {
			if (strcmp(hooks[i].function, inliner_name[k]) ||
			    t->skel->bss->waist[k] != WAIST_CALLED)
				continue;
			bpf_link__destroy(t->link[i]);
			t->link[i] = NULL;
			t->used[i] = false;
		}
	}
}

/* Most functions have two hooks, one after the other. */
static void name_hooks(struct trace *t)
{
	const char *last = NULL;
	size_t i, len = 0;

	for (i = 0; i < NR_HOOKS && len < sizeof(t->hooks); i++) {
		if (!t->link[i] || (last && !strcmp(hooks[i].function, last)))
			continue;
		len += snprintf(t->hooks + len, sizeof(t->hooks) - len, "%s%s",
				last ? " " : "", hooks[i].function);
		last = hooks[i].function;
	}
}

static int attach_all(struct trace *t, pid_t cmd)
{
	enum role role;
	size_t i;
	int err;

	if (cmd) {
		t->link[NR_HOOKS] = bpf_program__attach(t->skel->progs.forked);
		if (!t->link[NR_HOOKS]) {
			err = -errno;
			say_failed("cannot follow the children of the command",
				   err);
			return err;
		}
	}
	for (role = 0; role < NR_ROLES; role++) {
		for (i = 0; i < NR_HOOKS; i++) {
			if (!t->used[i] || hooks[i].role != role)
				continue;
			err = attach(t, i);
			if (err)
				return err;
		}
		if (role == ROLE_WATCH)
			unhook_known(t);
	}
	name_hooks(t);
	return 0;
}

/* Pin @pages zero pages for a moment; returns by how much the count grew. */
static int64_t pin_zero_pages(const struct trace *t, void *zero, size_t size,
			      void *buffer)
{
	struct iovec local = { buffer, size }, remote = { zero, size };
	struct pin_snapshot before, after;

	if (pin_counters_read(t->c, &before) ||
	    process_vm_readv(getpid(), &local, 1, &remote, 1, 0) !=
		    (ssize_t)size ||
	    pin_counters_read(t->c, &after))
		return -1;
	return after.total.acquired - before.total.acquired;
}

/*
 * From 6.5 on the zero page is neither pinned nor counted, but it passes
 * through the hooked functions. Show it to the hooks, and see whether it counts
 * here: others may pin at the same time, but not in each of a few tries.
 */
static void learn_zero_page(struct trace *t)
{
	size_t page = sysconf(_SC_PAGESIZE), size = ZERO_PAGES * page, i;
	bool counts = true;
	char *zero, *buffer;
	int64_t grown;
	int try;

	zero = mmap(NULL, size, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	buffer = malloc(size);
	if (zero != MAP_FAILED && buffer) {
		madvise(zero, size, MADV_NOHUGEPAGE);
		for (i = 0; i < size; i += page)
			(void)*(volatile char *)(zero + i);
		for (try = 0; try < 5 && counts; try++) {
			grown = pin_zero_pages(t, zero, size, buffer);
			counts = grown < 0 || grown >= ZERO_PAGES;
		}
		if (counts)
			t->skel->bss->zero_folio = 0;
	}
	t->skel->bss->learner = 0;
	if (zero != MAP_FAILED)
		munmap(zero, size);
	free(buffer);
}

static int map_owners(struct trace *t)
{
	size_t page = sysconf(_SC_PAGESIZE);
	void *map;

	t->owners_size = (t->opt->max_owners * sizeof(struct owner) + page - 1) /
			 page * page;
	map = mmap(NULL, t->owners_size, PROT_READ, MAP_SHARED,
		   bpf_map__fd(t->skel->maps.owners), 0);
	if (map == MAP_FAILED)
		return -errno;
	t->owners = map;
	return 0;
}

static int check_permission(void)
{
	bool admin = pin_have_cap(CAP_SYS_ADMIN);

	if (admin || (pin_have_cap(CAP_BPF) && pin_have_cap(CAP_PERFMON)))
		return 0;
	say("not permitted: tracing the kernel needs root (CAP_BPF and CAP_PERFMON): run it by sudo");
	return -EPERM;
}

static int check_cgroup(const struct options *opt)
{
	struct stat st;

	if (!opt->cgroup || (!stat(opt->cgroup, &st) && S_ISDIR(st.st_mode)))
		return 0;
	say("--cgroup: %s is no directory (as /sys/fs/cgroup/system.slice)",
	    opt->cgroup);
	return -EINVAL;
}

/* Returns 0, or a negative errno when the reason has been printed. */
static int load_hooks(struct trace *t, pid_t cmd)
{
	struct btf *btf;
	int err;

	btf = btf__load_vmlinux_btf();
	if (!btf) {
		say("this kernel has no BTF (/sys/kernel/btf/vmlinux): it needs CONFIG_DEBUG_INFO_BTF, as distributions' kernels have it");
		return -ENOENT;
	}
	/* Since 5.17. 5.10 lets no program that traces take a lock, either. */
	if (enumerator(btf, "BPF_FUNC_get_func_arg") < 0) {
		say("this kernel's BPF is too old to keep books of pins: 6.1 and later can");
		err = -EOPNOTSUPP;
		goto out;
	}
	t->skel = pintrace_bpf__open();
	if (!t->skel) {
		err = -errno;
		say_failed("cannot open the BPF object", err);
		goto out;
	}
	err = choose_hooks(t, btf);
	if (err)
		goto out;
	t->skel->rodata->foll_pin = foll_pin(btf);
	t->skel->bss->learner = getpid();
	set_filters(t, cmd);
	err = size_maps(t) ?: pintrace_bpf__load(t->skel);
	if (err)
		say_failed("cannot load the hooks", err);
out:
	btf__free(btf);
	return err;
}

static int begin(struct trace *t, pid_t cmd)
{
	struct pin_snapshot now;
	int err;

	err = fill_maps(t, cmd) ?: map_owners(t);
	if (err) {
		say_failed("cannot set up the maps", err);
		return err;
	}
	if (!pin_counters_read(t->c, &now) && pin_outstanding(&now.total))
		t->before = before_look();
	err = attach_all(t, cmd);
	if (err)
		return err;
	learn_zero_page(t);
	err = trace_totals(t, &t->base);
	if (err)
		say("cannot read the pin counters: %s", strerror(-err));
	return err;
}

struct trace *trace_start(const struct options *opt,
			  const struct pin_counters *c, pid_t cmd, int own_fd,
			  int *status)
{
	struct trace *t;

	*status = EXIT_USAGE;
	if (check_cgroup(opt))
		return NULL;
	*status = EXIT_CANNOT_SAY;
	if (check_permission())
		return NULL;
	t = calloc(1, sizeof(*t));
	if (!t)
		return NULL;
	t->opt = opt;
	t->c = c;
	t->own_fd = own_fd;
	verbose = opt->verbose;
	libbpf_set_print(print_libbpf);
	if (!load_hooks(t, cmd) && !begin(t, cmd))
		return t;
	trace_stop(t);
	return NULL;
}

void trace_stop(struct trace *t)
{
	size_t i;

	for (i = 0; i <= NR_HOOKS; i++)
		bpf_link__destroy(t->link[i]);
	if (t->owners)
		munmap((void *)t->owners, t->owners_size);
	pintrace_bpf__destroy(t->skel);
	before_free(t->before);
	free(t);
}

const struct before *trace_before(const struct trace *t)
{
	return t->before;
}

const struct totals *trace_base(const struct trace *t)
{
	return &t->base;
}

const char *trace_entry(uint32_t entry)
{
	return entry < NR_ENTRIES ? entry_name[entry] : "";
}

bool trace_is_entry(const char *function)
{
	int i;

	for (i = 1; i < NR_ENTRIES; i++) {
		if (!strcmp(function, entry_name[i]))
			return true;
	}
	return false;
}

const char *trace_hooks(const struct trace *t)
{
	return t->hooks;
}

static int sum_troubles(const struct trace *t, struct trouble *sum)
{
	int cpus = libbpf_num_possible_cpus(), i, err;
	struct trouble *each;
	uint32_t zero = 0;

	memset(sum, 0, sizeof(*sum));
	if (cpus < 0)
		return cpus;
	each = calloc(cpus, sizeof(*each));
	if (!each)
		return -ENOMEM;
	err = bpf_map__lookup_elem(t->skel->maps.troubles, &zero, sizeof(zero),
				   each, cpus * sizeof(*each), 0);
	for (i = 0; !err && i < cpus; i++) {
		sum->unmatched += each[i].unmatched;
		sum->guessed += each[i].guessed;
		sum->lost_full += each[i].lost_full;
		sum->lost_race += each[i].lost_race;
		sum->lost_uncounted += each[i].lost_uncounted;
		sum->unnamed += each[i].unnamed;
		sum->unfollowed += each[i].unfollowed;
		sum->no_stack += each[i].no_stack;
		sum->walked += each[i].walked;
	}
	free(each);
	return err;
}

static uint32_t nr_owners(const struct trace *t)
{
	struct {
		struct bpf_spin_lock lock;
		uint32_t id;
	} next = { .id = 0 };
	uint32_t zero = 0;

	bpf_map__lookup_elem(t->skel->maps.next_owner, &zero, sizeof(zero),
			     &next, sizeof(next), 0);
	return next.id;
}

static int sum_seen(const struct trace *t, struct totals *now)
{
	uint32_t id, n = nr_owners(t);
	const struct owner *o;
	int err;

	err = sum_troubles(t, &now->trouble);
	if (err)
		return err;
	now->seen.acquired = now->trouble.lost_full + now->trouble.lost_race;
	now->seen.released = now->trouble.unmatched;
	now->uncounted = 0;
	for (id = OWNER_OTHERS; id < n; id++) {
		o = &t->owners[id];
		now->seen.acquired += o->acquired;
		now->seen.released += o->released;
		now->uncounted += o->uncounted;
	}
	now->others_acquired = t->owners[OWNER_OTHERS].acquired;
	return 0;
}

static bool same_count(const struct pin_count *a, const struct pin_count *b)
{
	return a->acquired == b->acquired && a->released == b->released;
}

/*
 * The kernel's counters and the books cannot be read in one moment: read the
 * counters before and after, if need be until they stand still.
 */
int trace_totals(const struct trace *t, struct totals *now)
{
	struct pin_snapshot before, after;
	int try, err;

	for (try = 0; try < QUIET_TRIES; try++) {
		err = pin_counters_read(t->c, &before) ?:
		      sum_seen(t, now) ?:
		      pin_counters_read(t->c, &after);
		if (err)
			return err;
		if (same_count(&before.total, &after.total))
			break;
		pin_sleep_ns(10 * NSEC_PER_MSEC);
	}
	now->before = before.total;
	now->after = after.total;
	now->ns = after.ns;
	return 0;
}

static void read_stack(const struct trace *t, struct row *row)
{
	uint32_t depth = t->opt->depth;
	uint64_t *frame;

	if (row->o.key.stack < 0)
		return;
	frame = calloc(depth, sizeof(*frame));
	if (!frame)
		return;
	if (bpf_map__lookup_elem(t->skel->maps.stacks, &row->o.key.stack,
				 sizeof(row->o.key.stack), frame,
				 depth * sizeof(*frame), 0)) {
		free(frame);
		return;
	}
	row->frame = frame;
	while (row->nr_frames < depth && frame[row->nr_frames])
		row->nr_frames++;
}

static bool is_gone(uint32_t tgid)
{
	return kill(tgid, 0) && errno == ESRCH;
}

static void add_holder(struct books *b, const struct holder *h, uint64_t now)
{
	uint64_t age = now > h->ns ? now - h->ns : 0;
	struct row *row;
	int i = 0;

	if (!h->pins || h->owner == OWNER_OTHERS || h->owner >= b->nr_rows)
		return;
	row = &b->row[h->owner];
	while (age >= age_limit_ns[i] && i < AGES - 1)
		i++;
	row->age[i] += h->pins;
	b->age[i] += h->pins;
	if (age >= row->oldest_ns)
		row->oldest_ns = age ?: 1;
}

static void add_slot(struct books *b, const void *value, uint64_t now)
{
	const struct slot *slot = value;

	b->folios += slot->folio != 0;
	add_holder(b, &slot->holder, now);
}

static void add_folio(struct books *b, const void *value, uint64_t now)
{
	const struct folio_book *f = value;
	int i;

	b->folios++;
	for (i = 0; i < HOLDERS; i++)
		add_holder(b, &f->holder[i], now);
}

static int read_map(const struct bpf_map *map, struct books *b,
		    void (*add)(struct books *, const void *, uint64_t))
{
	char *keys = calloc(BATCH, bpf_map__key_size(map));
	char *values = calloc(BATCH, bpf_map__value_size(map));
	uint64_t now = pin_now_ns();
	uint32_t n, i, at = 0;
	bool first = true;
	int err = 0;

	if (!keys || !values)
		err = -ENOMEM;
	while (!err) {
		n = BATCH;
		err = bpf_map_lookup_batch(bpf_map__fd(map),
					   first ? NULL : &at, &at, keys,
					   values, &n, NULL);
		if (err && err != -ENOENT)
			break;
		for (i = 0; i < n; i++)
			add(b, values + i * bpf_map__value_size(map), now);
		first = false;
	}
	free(keys);
	free(values);
	return err == -ENOENT ? 0 : err;
}

static int64_t outstanding(const struct owner *o)
{
	return o->acquired + o->uncounted - o->released;
}

int64_t trace_outstanding(const struct trace *t)
{
	uint32_t id, n = nr_owners(t);
	int64_t sum = 0;

	for (id = OWNER_SHARED; id < n; id++)
		sum += outstanding(&t->owners[id]);
	return sum;
}

int trace_books(struct trace *t, struct books *b)
{
	uint32_t id;
	int err;

	memset(b, 0, sizeof(*b));
	err = trace_totals(t, &b->totals);
	if (err)
		return err;
	b->nr_rows = nr_owners(t);
	b->row = calloc(b->nr_rows, sizeof(*b->row));
	if (!b->row)
		return -ENOMEM;
	err = read_map(t->skel->maps.slots, b, add_slot) ?:
	      read_map(t->skel->maps.folios, b, add_folio);
	for (id = OWNER_SHARED; id < b->nr_rows; id++) {
		struct row *row = &b->row[id];

		row->o = t->owners[id];
		row->outstanding = outstanding(&row->o);
		if (id >= OWNER_FIRST) {
			read_stack(t, row);
			row->gone = is_gone(row->o.key.tgid);
		}
	}
	return err;
}

void books_free(struct books *b)
{
	size_t i;

	for (i = 0; i < b->nr_rows; i++)
		free(b->row[i].frame);
	free(b->row);
	memset(b, 0, sizeof(*b));
}
