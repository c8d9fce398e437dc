/* SPDX-License-Identifier: GPL-2.0 */
/* The bench of tests that use the helper module: the helper and one buffer. */
#ifndef PIN_BENCH_H
#define PIN_BENCH_H

#include "helper.h"
#include "page_view.h"
#include "suite.h"

/* Before the tests: @pages huge pages per node, folios of 16 pages allowed. */
void pin_bench_setup(struct pin_suite *s, unsigned int pages);

/* The same with a hugetlb page of 1 GiB, if there is one, which takes its time. */
void pin_bench_setup_gigantic(struct pin_suite *s, unsigned int pages);

struct pin_bench {
	struct pin_audit *au;
	const struct pin_kernel *k;
	int fd;			/* the helper */
	struct pin_mem m;
	unsigned int handle;	/* of the last pin_bench_take() */
};

/*
 * Open the helper, and allocate @pages of memory kind @kind. False if either
 * is not to be had here: the test is skipped then, for that reason.
 */
bool pin_bench_open(struct pin_bench *b, struct pin_audit *au, const char *kind,
		    unsigned int pages);
void pin_bench_close(struct pin_bench *b);

/* The helper anew, after b->fd was closed, for the same buffer. */
bool pin_bench_reopen(struct pin_bench *b);

/* The same with memory of node @node only. */
bool pin_bench_open_on(struct pin_bench *b, struct pin_audit *au, const char *kind,
		       unsigned int pages, int node);

/* The helper alone. */
bool pin_bench_open_helper(struct pin_bench *b, struct pin_audit *au);

/* A step that acquires and releases so many, and must succeed. */
bool pin_bench_step(struct pin_bench *b, const char *what, uint64_t acquired,
		    uint64_t released, long result);

/* Pin, or get, the whole buffer: a step with the counts that belong to it. */
bool pin_bench_take(struct pin_bench *b, unsigned int way, unsigned int flags);

/* Let go of the whole buffer, a step, too. */
bool pin_bench_give(struct pin_bench *b, unsigned int way, unsigned int flags);

/* The first byte of each page: set all, or count those that differ. */
void pin_bench_write(struct pin_bench *b, char value);
unsigned int pin_bench_differ(const struct pin_bench *b, char value);

/* The pages of the buffer as the helper sees them now; free() it. */
struct pin_helper_page *pin_bench_look(struct pin_bench *b);

#endif
