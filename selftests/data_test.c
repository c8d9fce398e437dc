// SPDX-License-Identifier: GPL-2.0
/*
 * Data: what is moved to or from pinned memory is what was in those very pages,
 * wherever in a large folio they are, and in whatever order. What moves it is
 * compared with the other side of the transfer, or, if that is a device, with
 * what its opposite does to memory of small pages from the beginning of a page
 * on, which is the simplest there is.
 */
#include <errno.h>
#include <linux/capability.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "draw.h"
#include "probe.h"
#include "proc.h"

#define PIECES		4	/* of each test */
#define GRAIN		512	/* bytes: what every device here accepts */
#define SEED		26127
#define HUGEPAGES	4
#define FEW		12	/* pages at a time ... */
#define MANY		1100	/* ... and where there is no limit */
#define STRIPE		64	/* bytes that are alike */
#define GIVEN_BACK_NS	2000000000ull
#define FILLED		0xa5	/* beside a piece that is written to */

/* No opposite: there is another side to look at, or the same comes each time. */
static const struct pair {
	const char *name, *opposite;
	bool sends;		/* though it could also write to the memory */
} pairs[] = {
	{ .name = "af_alg_aead" },
	{ .name = "af_alg_aead_aio" },
	{ .name = "af_alg_skcipher" },
	{ "bsg_read", .opposite = "bsg_write" },
	{ "bsg_write", .opposite = "bsg_read" },
	{ .name = "fuse_aio_read" },
	{ .name = "fuse_aio_write" },
	{ .name = "fuse_read" },
	{ .name = "fuse_write" },
	{ "nvme_passthru_read", .opposite = "nvme_passthru_write" },
	{ "nvme_passthru_vec", .opposite = "nvme_passthru_write" },
	{ "nvme_passthru_write", .opposite = "nvme_passthru_read" },
	{ .name = "process_vm_readv" },
	{ .name = "process_vm_writev" },
	{ "sg_dio_read", .opposite = "sg_dio_write" },
	{ "sg_dio_write", .opposite = "sg_dio_read" },
	{ "sg_io_read", .opposite = "sg_io_write" },
	{ "sg_io_readv", .opposite = "sg_io_write" },
	{ "sg_io_write", .opposite = "sg_io_read" },
	{ "sg_io_writev", .opposite = "sg_io_read" },
	{ .name = "st_read" },
	{ "uring_nvme_fixed", .opposite = "uring_nvme_write" },
	{ "uring_nvme_read", .opposite = "uring_nvme_write" },
	{ "uring_nvme_vec", .opposite = "uring_nvme_write" },
	{ "uring_nvme_write", .opposite = "uring_nvme_read" },
	{ .name = "uring_send_zc" },
	{ "uring_send_zc_fixed", .sends = true },
};

#define NR_PAIRS	(sizeof(pairs) / sizeof(pairs[0]))

static const struct shape {
	const char *kind;
	unsigned int pages;
} shapes[] = {
	{ "anon", 1100 },
	{ "thp_row", 24 },
	{ "thp_row_pte", 24 },
	{ "thp_patched", 16 },
	{ "thp_shuffled", 16 },
	{ "mthp", 64 },
	{ "memfd_thp", 0 },
	{ "hugetlb", 1024 },
	{ "gigantic_part", 1024 },
	{ "file_shared", 64 },
};

#define NR_SHAPES	(sizeof(shapes) / sizeof(shapes[0]))

struct cell {
	const struct pin_consumer *consumer, *opposite;
	bool sends;		/* what the memory has */
	const struct shape *shape;
	size_t most;		/* bytes at a time */
	uint64_t seed;
};

/* Of 251 pages that follow each other no two are alike. */
static unsigned char stripe(size_t at, unsigned char salt)
{
	return at / STRIPE * 131 % 251 + salt;
}

static void paint(void *addr, size_t len, unsigned char salt)
{
	unsigned char *to = addr;

	for (size_t i = 0; i < len; i++)
		to[i] = stripe(i, salt);
}

/* In @addr, what is not as painted. */
static size_t spoiled(const void *addr, size_t len, unsigned char salt)
{
	const unsigned char *from = addr;
	size_t wrong = 0;

	for (size_t i = 0; i < len; i++)
		wrong += from[i] != stripe(i, salt);
	return wrong;
}

static size_t count_other(const void *addr, size_t len, unsigned char value)
{
	const unsigned char *from = addr;
	size_t n = 0;

	for (size_t i = 0; i < len; i++)
		n += from[i] != value;
	return n;
}

#define SKIPPED		1

enum side { PAINTED, COMPARED, UNTOUCHED };

/*
 * Open, move the data of @m, and let go; what is at the other side is painted before, or
 * compared with @m after it. Returns 0, or what pin() does if that is not all of it, or
 * SKIPPED.
 */
static long move_once(struct pin_audit *au, const struct pin_consumer *c, struct pin_mem *m,
		      enum side other, size_t *wrong)
{
	struct pin_op op = { .consumer = c, .kernel = m->kernel, .mem = m, .compares = true };
	long moved = c->open(&op);

	if (moved) {
		pin_audit_skip(au, "%s", op.why);
		return SKIPPED;
	}
	if (other == PAINTED)
		paint(c->other_side(&op), m->len, 1);
	moved = c->pin(&op);
	if (c->held && !moved)
		moved = c->use(&op) ?: (long)m->len;
	if (other == COMPARED)
		*wrong = spoiled(c->other_side(&op), m->len, 2);
	c->close(&op);
	return moved == (long)m->len ? 0 : moved < 0 ? moved : -EIO;
}

/* What was charged for the piece before is given back late. */
static long move(struct pin_audit *au, const struct pin_consumer *c, struct pin_mem *m,
		 enum side other, size_t *wrong)
{
	const uint64_t deadline = pin_now_ns() + GIVEN_BACK_NS;
	long err;

	do {
		err = move_once(au, c, m, other, wrong);
		if (err != -ENOMEM || !c->charged)
			return err;
		pin_sleep_ns(10000000);
	} while (pin_now_ns() < deadline);
	if (pin_have_cap(CAP_IPC_LOCK))
		return err;
	pin_audit_skip(au, "RLIMIT_MEMLOCK leaves no room for %u pages of %s: ulimit -l unlimited",
		       m->pages, m->kind->name);
	return SKIPPED;
}

/* @m is read, and comes to the other side. */
static long from_memory(struct pin_audit *au, const struct cell *cell, struct pin_mem *m,
			struct pin_mem *simple, size_t *wrong)
{
	const struct pin_consumer *c = cell->consumer;
	long err;

	paint(m->addr, m->len, 2);
	err = move(au, c, m, c->other_side ? COMPARED : UNTOUCHED, wrong);
	if (err || c->other_side)
		return err;
	memset(simple->addr, FILLED, simple->len);
	err = move(au, cell->opposite, simple, UNTOUCHED, wrong);
	*wrong = spoiled(simple->addr, simple->len, 2);
	return err;
}

/* @m is written to, from the other side; beside it, in @whole, nothing changes. */
static long to_memory(struct pin_audit *au, const struct cell *cell, struct pin_mem *m,
		      struct pin_mem *simple, const struct pin_mem *whole, size_t *wrong)
{
	const struct pin_consumer *c = cell->consumer;
	const size_t before = (char *)m->addr - (char *)whole->addr;
	long err = 0;

	if (!c->other_side) {
		paint(simple->addr, simple->len, 1);
		err = move(au, cell->opposite ?: c, simple, UNTOUCHED, wrong);
	}
	memset(whole->addr, FILLED, whole->len);
	err = err ?: move(au, c, m, c->other_side ? PAINTED : UNTOUCHED, wrong);
	*wrong = c->other_side ? spoiled(m->addr, m->len, 1) : 0;
	if (!c->other_side && memcmp(m->addr, simple->addr, m->len))
		*wrong = m->len;
	*wrong += count_other(whole->addr, before, FILLED) +
		  count_other((char *)m->addr + m->len, whole->len - before - m->len, FILLED);
	return err;
}

static enum pin_verdict run_cell(struct pin_audit *au, const void *arg)
{
	const struct cell *cell = arg;
	const struct pin_consumer *c = cell->consumer;
	/* Balanced, however many. */
	const struct pin_predict balanced = { .migrated = UINT32_MAX };
	const size_t grain = c->any_byte ? 1 : GRAIN;
	struct pin_mem whole, simple, m, head;
	uint64_t state = cell->seed;
	size_t skip, len, wrong = 0;
	long err = 0;

	if (!pin_probe_passed(au, c) ||
	    (cell->opposite && !pin_probe_passed(au, cell->opposite)))
		return PIN_SKIP;
	if (pin_mem_alloc(&whole, pin_memkind_find(cell->shape->kind), pin_audit_kernel(au),
			  cell->shape->pages))
		return pin_audit_skip(au, "%s", whole.why);
	if (pin_mem_alloc(&simple, pin_memkind_find("anon"), pin_audit_kernel(au),
			  cell->most / pin_audit_kernel(au)->page_size)) {
		pin_audit_skip(au, "%s", simple.why);
		goto out;
	}
	for (int i = 0; i < PIECES && !err && !wrong; i++) {
		m = whole;
		pin_draw_piece(pin_draw(&state), &whole, grain, &skip, &len);
		/* First as much as there is, from behind the beginning of a page on. */
		if (!i) {
			skip = grain;
			len = whole.len - grain;
		}
		pin_mem_cut(&m, skip, len < cell->most ? len : cell->most);
		head = simple;
		pin_mem_cut(&head, 0, m.len);
		err = cell->sends ? from_memory(au, cell, &m, &head, &wrong) :
				    to_memory(au, cell, &m, &head, &whole, &wrong);
		if (err || wrong)
			pin_audit_note(au, "of %zu bytes, from byte %zu of %s on", m.len, skip,
				       cell->shape->kind);
	}
	if (err < 0)
		pin_audit_fail(au, "not moved: %s", strerror(-err));
	else if (wrong)
		pin_audit_fail(au, "%zu bytes are not what was moved", wrong);
	pin_audit_step(au, "all", &balanced, 0, 0);
	pin_mem_free(&simple);
out:
	pin_mem_free(&whole);
	return PIN_PASS;
}

static void add(struct pin_suite *s, const struct pair *pair)
{
	const struct pin_consumer *c = pin_consumer_find(pair->name);
	const struct pin_consumer *opposite =
		pair->opposite ? pin_consumer_find(pair->opposite) : NULL;
	/* To a device: what one command takes, as each goes to the same blocks. */
	const unsigned int pages = c->other_side && !c->held ? MANY : FEW;

	for (size_t i = 0; i < NR_SHAPES; i++) {
		struct cell *cell;

		/* Pages of a file cannot be held: that would be for long. */
		if (c->held && !strcmp(shapes[i].kind, "file_shared"))
			continue;
		cell = calloc(1, sizeof(*cell));
		if (!cell)
			abort();
		*cell = (struct cell){ c, opposite, pair->sends || c->only_read, &shapes[i],
				       pages * pin_suite_kernel(s)->page_size, SEED };
		for (const char *p = c->name; *p; p++)
			cell->seed = cell->seed * 31 + *p;
		cell->seed += i;
		if (!pin_suite_add(s, run_cell, cell, "%s.%s", c->name, shapes[i].kind))
			continue;
		pin_probe_want(c);
		if (opposite)
			pin_probe_want(opposite);
	}
}

static void add_tests(struct pin_suite *s)
{
	for (size_t i = 0; i < NR_PAIRS; i++)
		add(s, &pairs[i]);
}

static void setup(struct pin_suite *s)
{
	pin_probe_all(s);
	pin_bench_setup_gigantic(s, HUGEPAGES);
}

int main(int argc, char **argv)
{
	static const struct pin_program program = {
		.name = "data_test",
		.doc = "What is moved to or from pinned memory is what was in those very pages: compared with the other side, byte by byte, for pieces of memory that start and end anywhere. Tests are called CONSUMER.MEMORY.",
		.add_tests = add_tests,
		.setup = setup,
	};

	return pin_suite_main(&program, argc, argv);
}
