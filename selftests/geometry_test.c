// SPDX-License-Identifier: GPL-2.0
/*
 * Geometry: every consumer gets pieces of memory that start and end anywhere,
 * inside a page, in the tail of a large folio, before, at and behind a hole,
 * across the border of two folios of equal or unequal size. Each piece is drawn
 * by a seed, and foretold to the page.
 */
#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "actor.h"
#include "attempt.h"
#include "bench.h"
#include "draw.h"
#include "page_view.h"
#include "probe.h"

#define HUGEPAGES	4
#define PIECES		4	/* of each cell */
#define GRAIN		512	/* bytes: what every device here accepts */
#define SEED		20210

struct shape {
	const char *kind;
	const char *name;	/* of the test; NULL: that of the kind */
	unsigned int pages;
	bool of_file;		/* for consumers that take memory by its file */
	const char *only;	/* for consumers of that name, a pattern, and one piece */
	bool longterm;		/* for those that pin for long what may be written to */
	const char *whole;	/* the first piece of these is all of it */
};

static const struct shape shapes[] = {
	{ .kind = "anon", .pages = 64 },
	{ .kind = "hole", .pages = 64 },
	/*
	 * As a whole: a part on which somebody else holds lies in the first of the
	 * huge pages then, see iommufd_detach.
	 */
	{ .kind = "thp_row", .pages = 24, .whole = "iommufd_*" },
	{ .kind = "thp_row_pte", .pages = 24 },
	{ .kind = "mthp", .pages = 0 },
	{ .kind = "memfd_thp", .pages = 0 },
	{ .kind = "hugetlb", .pages = 1024 },
	{ .kind = "gigantic_part", .pages = 1024 },
	{ .kind = "thp_cow", .pages = 16 },
	{ .kind = "thp_patched", .pages = 16, .only = "dio_*", .whole = "*" },
	{ .kind = "file_cold", .pages = 16 },
	{ .kind = "memfd", .pages = 64, .of_file = true },
	{ .kind = "memfd_fresh", .pages = 64, .of_file = true },
	{ .kind = "memfd_hugetlb", .pages = 1024, .of_file = true },
	{ .kind = "memfd_hugetlb_fresh", .pages = 1024, .of_file = true },
	{ .kind = "memfd_hugetlb_border", .pages = 64, .of_file = true, .whole = "*" },
	/*
	 * vhost_vdpa_pa_map() goes by lists that are a page long. The first is all
	 * of the huge page, to be mapped as one, when the second fails.
	 */
	{ .kind = "thp_then_hole", .pages = 64, .only = "vhost_vdpa*", .whole = "*" },
	/* The second bio has a page, or none, and the third none: the first is at work. */
	{ .kind = "hole", .name = "second_bio", .pages = 512, .only = "*", .whole = "*" },
	/* A page holds pointers to 512: what they tell of is at work, too. */
	{ .kind = "hole", .name = "second_list", .pages = 1100, .only = "*", .whole = "*" },
	/* Each mapping is asked about, not the first one alone. */
	{ .kind = "then_file", .pages = 64, .longterm = true, .only = "*", .whole = "*" },
};

static bool fits(const struct shape *shape, const struct pin_consumer *c)
{
	return shape->of_file == c->by_file &&
	       (!shape->only || !fnmatch(shape->only, c->name, 0)) &&
	       (!shape->longterm || (c->doc_case == 2 && !c->only_read));
}

static const char *name_of(const struct shape *shape)
{
	return shape->name ? shape->name : shape->kind;
}

struct cell {
	const struct pin_consumer *consumer;
	const struct shape *shape;
	uint64_t seed;
};

static unsigned int nr_pieces = PIECES;
static uint64_t seed = SEED;

/* --- in the actor --- */

static struct pin_mem whole;

/* The next piece, and open: @arg is its seed, 0: all of it. */
static long next_piece(const struct pin_actor *a, struct pin_op *op, long arg, char *why)
{
	size_t skip, len;
	long err;

	if (!whole.map || pin_attempt_spends(a->kind)) {
		err = pin_mem_alloc(&whole, a->kind, a->kernel, a->pages);
		if (err) {
			memcpy(why, whole.why, PIN_WHY_LEN);
			return err;
		}
	}
	*op->mem = whole;
	if (arg) {
		pin_draw_piece(arg, &whole, a->consumer->any_byte ? 1 : GRAIN, &skip, &len);
		pin_mem_cut(op->mem, skip, len);
	}
	op->priv = NULL;
	err = a->consumer->open ? a->consumer->open(op) : 0;
	memcpy(why, op->why, PIN_WHY_LEN);
	return err;
}

/* --- in the auditor --- */

static const struct pin_predict nothing;

struct run {
	struct pin_audit *au;
	struct pin_actor actor;
	struct pin_actor_reply reply;
};

static bool order(struct run *r, enum pin_actor_cmd cmd)
{
	return pin_actor_order(r->au, &r->actor, cmd, &r->reply);
}

static bool step(struct run *r, enum pin_actor_cmd cmd, const char *what,
		 const struct pin_predict *want)
{
	return order(r, cmd) && pin_audit_step(r->au, what, want, r->reply.result, r->actor.pid);
}

/* Pin, use and let go; the piece is open. */
static bool run_piece(struct run *r, const struct pin_consumer *c, uint64_t state)
{
	const long ps = pin_audit_kernel(r->au)->page_size;
	struct pin_predict pin, unpin, rest = { .acquired = 0 };
	struct pin_view *view;
	size_t start, pages;
	bool right;

	if (!order(r, PIN_ACTOR_PREDICT))
		return false;
	pin = r->reply.pin;
	unpin = r->reply.unpin;
	start = (uintptr_t)r->reply.addr & (ps - 1);
	pages = r->reply.pages;
	view = r->actor.kind->unseen ? NULL :
	       pin_audit_view(r->au, r->actor.pid, r->reply.addr, pages);
	right = step(r, PIN_ACTOR_PIN, "pin", &pin) && pin_audit_held(r->au, "pin", view, &pin);
	if (right && pin.result >= 0) {
		rest.released = pin.acquired - pin.released;
		rest.vmpin = -pin.vmpin;
		if (c->use)
			right = step(r, PIN_ACTOR_USE, "use", &nothing);
		if (right && c->unpin) {
			right = step(r, PIN_ACTOR_UNPIN, "release", &unpin);
			rest.released -= unpin.released - unpin.acquired;
			rest.vmpin -= unpin.vmpin;
		}
	}
	if (right && c->close)
		right = rest.released || rest.vmpin ? step(r, PIN_ACTOR_CLOSE, "close", &rest) :
						      order(r, PIN_ACTOR_CLOSE);
	right = right && pin_audit_back(r->au, "close", view);
	pin_view_close(view);
	if (!right)
		pin_audit_note(r->au, "the piece of seed %llu: %zu pages, from byte %zu of a page on",
			       (unsigned long long)state, pages, start);
	return right;
}

static enum pin_verdict run_cell(struct pin_audit *au, const void *arg)
{
	const struct cell *cell = arg;
	struct run r = {
		.au = au,
		.actor = {
			.consumer = cell->consumer,
			.kind = pin_memkind_find(cell->shape->kind),
			.kernel = pin_audit_kernel(au), .pages = cell->shape->pages, .node = -1,
			.task = next_piece,
		},
	};
	uint64_t state = cell->seed;
	const struct shape *shape = cell->shape;
	unsigned int done = 0, pieces = shape->only ? 1 : nr_pieces;
	/* Some need a buffer of a certain size: more draws than pieces, if these are few. */
	unsigned int draws = shape->only || pieces > PIECES ? pieces : PIECES;
	bool whole_first = shape->whole && !fnmatch(shape->whole, cell->consumer->name, 0);
	char why[PIN_WHY_LEN], name[48];
	bool right = true;
	int err;

	if (!pin_probe_passed(au, cell->consumer))
		return PIN_SKIP;
	snprintf(name, sizeof(name), "geometry_%s", name_of(shape));
	if (pin_audit_avoid(au, name, cell->consumer->name))
		return PIN_XFAIL;
	err = pin_actor_start(&r.actor);
	if (err)
		return pin_audit_fail(au, "cannot start a process: %s", strerror(-err));
	pin_audit_base_vmpin(au, r.actor.pid);
	for (unsigned int i = 0; i < draws && done < pieces && right; i++) {
		const long one = whole_first && !i ? 0 : pin_draw(&state) >> 1;

		err = pin_actor_task(&r.actor, one, &r.reply);
		if (err) {
			pin_audit_fail(au, "%s", r.reply.why);
			break;
		}
		memcpy(why, *r.reply.why ? r.reply.why : strerror(-r.reply.result), PIN_WHY_LEN);
		if (r.reply.result)
			continue;
		done++;
		right = run_piece(&r, cell->consumer, one);
	}
	pin_actor_stop(r.au, &r.actor);
	if (!done && !err)
		return pin_audit_skip(au, "%s", why);
	/* The process had nothing left to let go of. */
	if (right)
		pin_audit_step(au, "exit", &nothing, 0, 0);
	return PIN_PASS;
}

static uint64_t number_of(const char *variable, uint64_t otherwise)
{
	const char *text = getenv(variable);
	char *end;
	uint64_t n;

	if (!text)
		return otherwise;
	n = strtoull(text, &end, 0);
	if (*end || !*text) {
		fprintf(stderr, "geometry_test: %s: not a number: %s\n", variable, text);
		exit(2);
	}
	return n;
}

static void add_tests(struct pin_suite *s)
{
	for (unsigned int i = 0; i < pin_nr_consumers; i++) {
		const struct pin_consumer *c = pin_consumers[i];

		for (size_t j = 0; j < sizeof(shapes) / sizeof(shapes[0]); j++) {
			struct cell *cell;

			if (!fits(&shapes[j], c))
				continue;
			cell = calloc(1, sizeof(*cell));
			if (!cell)
				abort();
			/* Whatever is left out, or joins: the others draw the same. */
			*cell = (struct cell){ c, &shapes[j], seed };
			for (const char *p = c->name; *p; p++)
				cell->seed = cell->seed * 31 + *p;
			for (const char *p = name_of(&shapes[j]); *p; p++)
				cell->seed = cell->seed * 31 + *p;
			if (pin_suite_add(s, run_cell, cell, "%s.%s", c->name,
					  name_of(&shapes[j])))
				pin_probe_want(c);
		}
	}
}

static void setup(struct pin_suite *s)
{
	pin_probe_all(s);
	pin_bench_setup_gigantic(s, HUGEPAGES);
}

int main(int argc, char **argv)
{
	static const struct pin_program program = {
		.name = "geometry_test",
		.doc = "Every consumer on pieces of memory that start and end anywhere: inside a page, in the middle of a large folio, at a hole, from one folio into the next. Tests are called CONSUMER.MEMORY. In the environment: PIN_PIECES (4; of pages above 4 KiB 1) pieces for each test, drawn by PIN_SEED (20210).",
		.add_tests = add_tests,
		.setup = setup,
	};

	/* A huge page is 32 MiB there, or more. */
	nr_pieces = number_of("PIN_PIECES", sysconf(_SC_PAGESIZE) > 4096 ? 1 : PIECES);
	seed = number_of("PIN_SEED", SEED);
	return pin_suite_main(&program, argc, argv);
}
