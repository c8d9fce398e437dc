// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <numa.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench.h"
#include "scratch.h"

void pin_bench_setup(struct pin_suite *s, unsigned int pages)
{
	char why[PIN_WHY_LEN], path[128];

	pin_scratch_pool(pin_suite_kernel(s), pages);
	/* Off by default; where it cannot be set the tests say so. */
	snprintf(path, sizeof(path),
		 "/sys/kernel/mm/transparent_hugepage/hugepages-%ldkB/enabled",
		 16 * pin_suite_kernel(s)->page_size / 1024);
	pin_scratch_setting(path, "madvise", why);
}

void pin_bench_setup_gigantic(struct pin_suite *s, unsigned int pages)
{
	struct pin_mem m;

	pin_bench_setup(s, pages);
	/* The one that this process, and those to come, will use. */
	if (!pin_mem_alloc(&m, pin_memkind_find("gigantic_part"), pin_suite_kernel(s), 1))
		pin_mem_free(&m);
}

bool pin_bench_open_helper(struct pin_bench *b, struct pin_audit *au)
{
	char why[PIN_WHY_LEN];

	memset(b, 0, sizeof(*b));
	b->au = au;
	b->k = pin_audit_kernel(au);
	b->m.fd = -1;
	b->fd = pin_helper_open(why);
	if (b->fd < 0)
		pin_audit_skip(au, "%s", why);
	return b->fd >= 0;
}

bool pin_bench_open(struct pin_bench *b, struct pin_audit *au, const char *kind,
		    unsigned int pages)
{
	if (!pin_bench_open_helper(b, au))
		return false;
	if (!pin_mem_alloc(&b->m, pin_memkind_find(kind), b->k, pages))
		return true;
	pin_audit_skip(au, "%s", b->m.why);
	close(b->fd);
	return false;
}

bool pin_bench_open_on(struct pin_bench *b, struct pin_audit *au, const char *kind,
		       unsigned int pages, int node)
{
	struct bitmask *nodes;
	bool ready;

	if (numa_available() < 0)
		return pin_bench_open(b, au, kind, pages);
	nodes = numa_allocate_nodemask();
	numa_bitmask_setbit(nodes, node);
	numa_set_membind(nodes);
	ready = pin_bench_open(b, au, kind, pages);
	if (ready)
		pin_bench_write(b, 1);	/* what was not there yet comes from there, too */
	numa_set_membind(numa_all_nodes_ptr);
	numa_free_nodemask(nodes);
	return ready;
}

void pin_bench_close(struct pin_bench *b)
{
	if (b->fd >= 0)
		close(b->fd);
	pin_mem_free(&b->m);
}

bool pin_bench_reopen(struct pin_bench *b)
{
	char why[PIN_WHY_LEN];

	b->fd = pin_helper_open(why);
	if (b->fd < 0)
		pin_audit_fail(b->au, "%s", why);
	return b->fd >= 0;
}

bool pin_bench_step(struct pin_bench *b, const char *what, uint64_t acquired,
		    uint64_t released, long result)
{
	const struct pin_predict want = { .acquired = acquired, .released = released };

	return pin_audit_step(b->au, what, &want, result, 0);
}

static bool counts(unsigned int way)
{
	return way != PIN_HELPER_GET && way != PIN_HELPER_GET_FAST;
}

bool pin_bench_take(struct pin_bench *b, unsigned int way, unsigned int flags)
{
	const struct pin_access access = {
		.write = flags & PIN_HELPER_WRITE,
		.longterm = flags & PIN_HELPER_LONGTERM,
		.fast = way == PIN_HELPER_PIN_FAST,
	};
	const struct pin_op op = { .kernel = b->k, .mem = &b->m };
	struct pin_predict want = { .acquired = 0 };
	int err = pin_helper_take_all(b->fd, way, flags, b->m.addr, b->m.len, &b->handle);

	if (counts(way))
		pin_predict_all_or_nothing(&op, &access, &want);
	return pin_audit_step(b->au, counts(way) ? "pin" : "get", &want, err, 0) && !err;
}

bool pin_bench_give(struct pin_bench *b, unsigned int way, unsigned int flags)
{
	int err = pin_helper_give_all(b->fd, b->handle, way, flags);
	const bool unpin = way != PIN_HELPER_GIVE_PUT;

	return pin_bench_step(b, unpin ? "unpin" : "put", 0, unpin ? b->m.pages : 0, err);
}

void pin_bench_write(struct pin_bench *b, char value)
{
	volatile char *p = b->m.addr;

	for (size_t i = 0; i < b->m.len; i += b->k->page_size)
		p[i] = value;
}

unsigned int pin_bench_differ(const struct pin_bench *b, char value)
{
	volatile const char *p = b->m.addr;
	unsigned int n = 0;

	for (size_t i = 0; i < b->m.len; i += b->k->page_size)
		n += p[i] != value;
	return n;
}

struct pin_helper_page *pin_bench_look(struct pin_bench *b)
{
	struct pin_helper_page *pages = calloc(b->m.pages, sizeof(*pages));
	int err = pages ? pin_helper_look(b->fd, 0, b->m.addr, b->m.pages, pages) : -ENOMEM;

	if (!err)
		return pages;
	pin_audit_fail(b->au, "the pages cannot be looked at: %s", strerror(-err));
	free(pages);
	return NULL;
}
