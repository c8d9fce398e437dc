/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The page view: what the helper module says of each page of a buffer before
 * it is pinned, while it is, and when all is over. It sees what leaves the
 * counters equal: a pin dropped on the wrong page, a reference dropped instead
 * of a pin. Each page is compared with itself, as measured before.
 *
 * A pin adds 1024 (GUP_PIN_COUNTING_BIAS) to the reference count of a small
 * page; it adds one to both counts of a large folio that has a pin count.
 */
#ifndef PIN_PAGE_VIEW_H
#define PIN_PAGE_VIEW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "helper.h"

struct pin_audit;
struct pin_kernel;
struct pin_predict;
struct pin_view;

#define PIN_BIAS	1024

/*
 * Note the @nr pages from @addr on of process @pid (0: this one) as they are
 * before the pin, through the helper @fd. NULL if that cannot be.
 */
struct pin_view *pin_view_open(int fd, pid_t pid, const void *addr, size_t nr);
void pin_view_close(struct pin_view *v);

/* Where @pins pins are expected, see struct pin_predict. */
struct pin_view_pins {
	uint64_t pins;
	bool per_folio;
	uint64_t second;
	bool referenced;
	bool zero_page;		/* the zero page takes them, too */
	bool not_movable;	/* long-term: not in memory that must stay movable */
};

/*
 * Folios that are not as they must be; of the first ones @text (if not NULL)
 * has a line each.
 *
 * held: as before and @pins more. back: as before, exactly. gone: that memory
 * may be anybody's by now, but it is not pinned, nor free with references.
 */
unsigned int pin_view_held(struct pin_view *v, const struct pin_view_pins *pins,
			   char *text, size_t len);
unsigned int pin_view_back(struct pin_view *v, char *text, size_t len);
unsigned int pin_view_gone(struct pin_view *v, char *text, size_t len);

/*
 * The pages with pins have them, whatever else refers to them, and may have
 * come or gone since. @pins: as they are mapped now. NULL: those of the last
 * time, wherever they are mapped now.
 */
unsigned int pin_view_still(struct pin_view *v, const struct pin_view_pins *pins,
			    char *text, size_t len);

/* What a view must have for pins that were foretold so. */
struct pin_view_pins pin_view_foretold(const struct pin_predict *pin,
				       const struct pin_kernel *k);

/*
 * Of the first @nr pages, as last seen, those that are not dirty. Not counted are
 * pages of files, which are written back, and the zero page.
 */
unsigned int pin_view_clean(const struct pin_view *v, size_t nr);

/* The other way round: pages that are dirty since it was opened. */
unsigned int pin_view_dirtied(const struct pin_view *v);

/* As last seen; index: page of the buffer. */
const struct pin_helper_page *pin_view_page(const struct pin_view *v, size_t index);

/*
 * Wait until no per-CPU list of pages that are on their way to the LRU holds
 * references any more.
 */
void pin_view_drain_lru(void);

/* --- for tests: a difference is recorded as one of the counters is --- */

/* NULL without the helper. */
struct pin_view *pin_audit_view(struct pin_audit *au, pid_t pid, const void *addr,
				size_t nr);
/* All true if @v is NULL. */
bool pin_audit_held(struct pin_audit *au, const char *what, struct pin_view *v,
		    const struct pin_predict *pin);
bool pin_audit_back(struct pin_audit *au, const char *what, struct pin_view *v);
bool pin_audit_gone(struct pin_audit *au, const char *what, struct pin_view *v);

#endif
