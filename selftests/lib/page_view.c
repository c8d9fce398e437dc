// SPDX-License-Identifier: GPL-2.0
#include <numa.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "page_view.h"
#include "suite_internal.h"

#define MAX_LINES	4	/* of pages that are wrong */
#define MAX_OWN_REFS	(PIN_BIAS / 2)	/* no page here has that many without a pin or a mapping */
#define WAIT_NS		(200 * MS)	/* for what others hold for a moment */

/* One folio, or small page, of the buffer. */
struct folio {
	size_t first;		/* its first page in the buffer */
	int pins;		/* expected */
	int refs, pincount;	/* without these */
	bool known;		/* it was there before the pins */
	bool pinned_before;
};

struct pin_view {
	int fd;
	pid_t pid;
	const void *addr;
	size_t nr;
	struct pin_helper_page *before, *now;
	struct folio *folios;	/* of the last pin_view_held() */
	size_t nr_folios;
	bool referenced;	/* each pin has a plain reference beside it */
	unsigned int stuck;	/* of these, pins were left on, at the last look */
	unsigned int listed;	/* are about to have a reference less */
};

/* Lines of text, as many as there is room for. */
struct lines {
	char *text;
	size_t len;
	unsigned int nr;
};

static void __attribute__((format(printf, 2, 3))) add_line(struct lines *l,
							   const char *fmt, ...)
{
	size_t used;
	va_list ap;

	if (!l->text || l->nr++ >= MAX_LINES)
		return;
	used = strlen(l->text);
	va_start(ap, fmt);
	vsnprintf(l->text + used, l->len - used, fmt, ap);
	va_end(ap);
}

void pin_view_drain_lru(void)
{
	struct bitmask *nodes;

	if (numa_available() < 0)
		return;
	/* From each node to itself: nothing moves, but the lists are emptied. */
	nodes = numa_get_mems_allowed();
	numa_migrate_pages(0, nodes, nodes);
	numa_bitmask_free(nodes);
}

/* The kernel itself may take references besides: buffers, writeback. */
static bool of_file(const struct pin_helper_page *p)
{
	return !(p->flags & (PIN_HELPER_PAGE_ANON | PIN_HELPER_PAGE_SWAPBACKED |
			     PIN_HELPER_PAGE_HUGETLB));
}

/*
 * A list that has put a page on the LRU, or is to move it there, keeps its reference for a
 * moment. @refs: those of the page, but for pins; more than its mappings and its file have.
 */
static bool is_listed(const struct pin_helper_page *p, int refs)
{
	const __u32 other = PIN_HELPER_PAGE_LARGE | PIN_HELPER_PAGE_HUGETLB |
			    PIN_HELPER_PAGE_ZERO;
	const int cache = !(p->flags & PIN_HELPER_PAGE_ANON);

	return p->flags & PIN_HELPER_PAGE_LRU && !(p->flags & other) && !of_file(p) &&
	       refs > p->mapcount + cache;
}

/* The pages as they are before they are pinned, with what they are to have again. */
static int look_before(struct pin_view *v)
{
	const uint64_t deadline = pin_now_ns() + WAIT_NS;
	size_t listed;
	int err;

	for (;;) {
		err = pin_helper_look(v->fd, v->pid, v->addr, v->nr, v->before);
		listed = 0;
		for (size_t i = 0; !err && i < v->nr; i++)
			listed += !(v->before[i].flags & PIN_HELPER_PAGE_MAYBE_PINNED) &&
				  is_listed(&v->before[i], v->before[i].refcount);
		if (!listed || pin_now_ns() > deadline || pin_interrupted)
			return err;
		pin_view_drain_lru();
		pin_sleep_ns(2 * MS);
	}
}

struct pin_view *pin_view_open(int fd, pid_t pid, const void *addr, size_t nr)
{
	struct pin_view *v = calloc(1, sizeof(*v));

	if (!v)
		return NULL;
	v->fd = fd;
	v->pid = pid;
	v->addr = addr;
	v->nr = nr;
	v->before = calloc(nr, sizeof(*v->before));
	v->now = calloc(nr, sizeof(*v->now));
	v->folios = calloc(nr, sizeof(*v->folios));
	if (v->before && v->now && v->folios && !look_before(v))
		return v;
	pin_view_close(v);
	return NULL;
}

void pin_view_close(struct pin_view *v)
{
	if (!v)
		return;
	free(v->before);
	free(v->now);
	free(v->folios);
	free(v);
}

const struct pin_helper_page *pin_view_page(const struct pin_view *v, size_t index)
{
	return &v->now[index];
}

static uint64_t head_of(const struct pin_helper_page *p)
{
	return p->pfn - p->index;
}

static bool has_pincount(const struct pin_helper_page *p)
{
	return p->pincount != PIN_HELPER_NO_PINCOUNT;
}

static struct folio *find_folio(struct pin_view *v, size_t index)
{
	const uint64_t head = head_of(&v->now[index]);

	/* From the end: neighbours are likely to be in the same. */
	for (size_t i = v->nr_folios; i-- > 0;) {
		if (head_of(&v->now[v->folios[i].first]) == head)
			return &v->folios[i];
	}
	v->folios[v->nr_folios] = (struct folio){ .first = index };
	return &v->folios[v->nr_folios++];
}

/* Which folios there are, and how many pins each must have. */
static void place_pins(struct pin_view *v, const struct pin_view_pins *pins)
{
	uint64_t left = pins->pins;

	v->nr_folios = 0;
	for (size_t i = 0; i < v->nr; i++) {
		const struct pin_helper_page *p = &v->now[i];
		struct folio *f;

		if (!(p->flags & PIN_HELPER_PAGE_PRESENT))
			continue;
		f = find_folio(v, i);
		if (!left || (pins->per_folio && f->first != i && i != pins->second))
			continue;
		if (p->flags & PIN_HELPER_PAGE_ZERO && !p->order && !pins->zero_page)
			continue;
		f->pins++;
		left--;
	}
}

static int bias(const struct pin_helper_page *p)
{
	return has_pincount(p) ? 1 : PIN_BIAS;
}

static void describe(struct lines *l, size_t index, const struct pin_helper_page *p,
		     const char *wrong)
{
	add_line(l, "page %zu of the buffer, pfn %#llx, node %d, zone %u, order %u, flags %#x: refcount %d, pincount %d: %s\n",
		 index, (unsigned long long)p->pfn, p->node, p->zone, p->order, p->flags,
		 p->refcount, has_pincount(p) ? p->pincount : 0, wrong);
}

/*
 * References, but for that of a per-CPU list: while a page waits there for its
 * place on the LRU the list has one. To empty the lists first, always, would
 * take longer than all the rest.
 */
static int references(const struct pin_helper_page *p)
{
	const __u32 never_listed = PIN_HELPER_PAGE_LRU | PIN_HELPER_PAGE_HUGETLB |
				   PIN_HELPER_PAGE_RESERVED | PIN_HELPER_PAGE_ZERO;

	return p->refcount - !(p->flags & never_listed);
}

static bool references_are(const struct pin_helper_page *p, int want)
{
	return abs(references(p) - want) <= (of_file(p) ? 2 : 0);
}

/*
 * Mappings that a folio has lost, each with its reference: others of its pages
 * were copied on write, as a pin of a private mapping of a file does.
 */
static int mappings_lost(const struct pin_view *v, const struct folio *f)
{
	const uint64_t head = head_of(&v->now[f->first]);
	int lost = 0;

	for (size_t i = 0; v->now[f->first].order && i < v->nr; i++)
		lost += v->before[i].flags & PIN_HELPER_PAGE_PRESENT &&
			head_of(&v->before[i]) == head &&
			v->now[i].pfn != v->before[i].pfn;
	return lost;
}

/* Compare @f with itself before, or find out what it has besides the pins. */
static bool folio_held(const struct pin_view *v, struct folio *f, struct lines *l,
		       const struct pin_view_pins *pins)
{
	const struct pin_helper_page *p = &v->now[f->first], *b = &v->before[f->first];
	const int refs = f->pins * (bias(p) + pins->referenced);
	char wrong[160] = "";

	/* Everybody's: others come and go. */
	if (p->flags & PIN_HELPER_PAGE_ZERO)
		return true;
	f->known = b->flags & PIN_HELPER_PAGE_PRESENT && b->pfn == p->pfn &&
		   b->order == p->order;
	f->pinned_before = f->known && b->flags & PIN_HELPER_PAGE_MAYBE_PINNED;
	f->refs = f->known ? references(b) - mappings_lost(v, f) : references(p) - refs;
	f->pincount = f->known && has_pincount(b) ? b->pincount : 0;
	if (f->known && !references_are(p, f->refs + refs))
		snprintf(wrong, sizeof(wrong), "%d before and %d pins make refcount %d",
			 f->refs, f->pins, f->refs + refs);
	else if (!f->known && (f->refs < 1 || (!has_pincount(p) && f->refs > MAX_OWN_REFS)))
		snprintf(wrong, sizeof(wrong), "%d pins leave refcount %d for all others",
			 f->pins, f->refs);
	else if (has_pincount(p) && p->pincount != f->pincount + f->pins)
		snprintf(wrong, sizeof(wrong), "predicted pincount %d",
			 f->pincount + f->pins);
	else if (f->pins && !(p->flags & PIN_HELPER_PAGE_MAYBE_PINNED))
		snprintf(wrong, sizeof(wrong), "%d pins, but not maybe_dma_pinned", f->pins);
	else if (!f->pins && p->flags & PIN_HELPER_PAGE_MAYBE_PINNED && !f->pinned_before)
		snprintf(wrong, sizeof(wrong), "no pins, but maybe_dma_pinned");
	else if (f->pins && pins->not_movable && p->flags & PIN_HELPER_PAGE_MOVABLE_ZONE)
		snprintf(wrong, sizeof(wrong), "pinned for long in memory that must stay movable");
	if (!*wrong)
		return true;
	describe(l, f->first, p, wrong);
	return false;
}

/* Exactly as it was; @exact is false when we have unmapped it. */
static bool folio_released(struct pin_view *v, const struct folio *f, struct lines *l,
			   bool exact)
{
	const struct pin_helper_page *p = &v->now[f->first];
	char wrong[160] = "";

	if (p->flags & (PIN_HELPER_PAGE_ZERO | PIN_HELPER_PAGE_BUDDY) ||
	    (f->pinned_before && !exact))
		return true;
	/* Unmapped by us, and mapped: it was freed, and another may pin it now. */
	if (!exact && p->mapcount > 0)
		return true;
	if (p->flags & PIN_HELPER_PAGE_MAYBE_PINNED && !f->pinned_before)
		snprintf(wrong, sizeof(wrong), "still maybe_dma_pinned");
	else if (exact && !references_are(p, f->refs))
		snprintf(wrong, sizeof(wrong), "refcount was %d", f->refs);
	else if (!exact && (p->refcount < 0 || (!p->order && p->refcount > MAX_OWN_REFS)))
		snprintf(wrong, sizeof(wrong), "too many references, a pin was not dropped as one");
	else if (has_pincount(p) && p->pincount != (exact ? f->pincount : 0))
		snprintf(wrong, sizeof(wrong), "pincount was %d", f->pincount);
	if (!*wrong)
		return true;
	v->stuck += p->flags & PIN_HELPER_PAGE_MAYBE_PINNED ||
		    references(p) - f->refs > MAX_OWN_REFS;
	describe(l, f->first, p, wrong);
	return false;
}

/* Look again until all is right, as long as others may hold references. */
static unsigned int until_right(struct pin_view *v,
				unsigned int (*look)(struct pin_view *v, const void *arg,
						     struct lines *l),
				const void *arg, char *text, size_t len)
{
	const uint64_t deadline = pin_now_ns() + WAIT_NS;
	unsigned int wrong;

	for (;;) {
		struct lines l = { .text = text, .len = len };

		if (text)
			*text = '\0';
		v->stuck = 0;
		v->listed = 0;
		wrong = look(v, arg, &l);
		if ((!wrong && !v->listed) || pin_now_ns() > deadline || pin_interrupted)
			return wrong;
		pin_view_drain_lru();
		pin_sleep_ns(2 * MS);
	}
}

static unsigned int look_held(struct pin_view *v, const void *arg, struct lines *l)
{
	const struct pin_view_pins *pins = arg;
	unsigned int wrong = 0;
	uint64_t placed = 0;
	int err = pin_helper_look(v->fd, v->pid, v->addr, v->nr, v->now);

	if (err) {
		add_line(l, "the pages cannot be looked at: %s\n", strerror(-err));
		return 1;
	}
	place_pins(v, pins);
	for (size_t i = 0; i < v->nr_folios; i++) {
		placed += v->folios[i].pins;
		wrong += !folio_held(v, &v->folios[i], l, pins);
		v->listed += !v->folios[i].known &&
			     is_listed(&v->now[v->folios[i].first], v->folios[i].refs);
	}
	if (placed != pins->pins) {
		add_line(l, "%llu pins predicted, but pages for only %llu are mapped\n",
			 (unsigned long long)pins->pins, (unsigned long long)placed);
		wrong++;
	}
	return wrong;
}

static unsigned int look_released(struct pin_view *v, const void *arg, struct lines *l)
{
	const bool *exact = arg;
	unsigned int wrong = 0;
	int err = pin_helper_look_again(v->fd, v->nr, v->now);

	if (err) {
		add_line(l, "the pages cannot be looked at: %s\n", strerror(-err));
		return 1;
	}
	for (size_t i = 0; i < v->nr_folios; i++)
		wrong += !folio_released(v, &v->folios[i], l, *exact);
	return wrong;
}

/*
 * Each mapping holds a reference, too, and so does the page cache, if it is in
 * there; of a large folio pins are counted apart.
 */
static bool folio_still(const struct pin_view *v, const struct folio *f, struct lines *l)
{
	const struct pin_helper_page *p = &v->now[f->first];
	const bool cached = p->mapcount > 0 && !(p->flags & PIN_HELPER_PAGE_ANON);
	const int rest = p->refcount - f->pins * (bias(p) + v->referenced);
	const int least = p->mapcount + cached;
	char wrong[160] = "";

	if (!f->pins || f->pinned_before || p->flags & PIN_HELPER_PAGE_ZERO)
		return true;
	if (has_pincount(p) && p->pincount != f->pins)
		snprintf(wrong, sizeof(wrong), "predicted pincount %d", f->pins);
	else if (!has_pincount(p) && (rest < least || rest - least > MAX_OWN_REFS))
		snprintf(wrong, sizeof(wrong), "%d pins leave refcount %d for all others, of which there are %d",
			 f->pins, rest, least);
	if (!*wrong)
		return true;
	describe(l, f->first, p, wrong);
	return false;
}

static unsigned int look_still(struct pin_view *v, const void *arg, struct lines *l)
{
	const struct pin_view_pins *pins = arg;
	unsigned int wrong = 0;
	int err = pins ? pin_helper_look(v->fd, v->pid, v->addr, v->nr, v->now) :
			 pin_helper_look_again(v->fd, v->nr, v->now);

	if (err) {
		add_line(l, "the pages cannot be looked at: %s\n", strerror(-err));
		return 1;
	}
	if (pins) {
		place_pins(v, pins);
		v->referenced = pins->referenced;
	}
	for (size_t i = 0; i < v->nr_folios; i++) {
		if (pins)
			v->folios[i].pinned_before = v->before[v->folios[i].first].flags &
						     PIN_HELPER_PAGE_MAYBE_PINNED;
		wrong += !folio_still(v, &v->folios[i], l);
	}
	return wrong;
}

unsigned int pin_view_still(struct pin_view *v, const struct pin_view_pins *pins,
			    char *text, size_t len)
{
	return until_right(v, look_still, pins, text, len);
}

unsigned int pin_view_held(struct pin_view *v, const struct pin_view_pins *pins,
			   char *text, size_t len)
{
	return until_right(v, look_held, pins, text, len);
}

unsigned int pin_view_back(struct pin_view *v, char *text, size_t len)
{
	const bool exact = true;

	return until_right(v, look_released, &exact, text, len);
}

unsigned int pin_view_gone(struct pin_view *v, char *text, size_t len)
{
	const bool exact = false;

	return until_right(v, look_released, &exact, text, len);
}

unsigned int pin_view_clean(const struct pin_view *v, size_t nr)
{
	unsigned int clean = 0;

	for (size_t i = 0; i < v->nr && i < nr; i++) {
		const struct pin_helper_page *p = &v->now[i];

		clean += p->flags & PIN_HELPER_PAGE_PRESENT && !of_file(p) &&
			 !(p->flags & (PIN_HELPER_PAGE_ZERO | PIN_HELPER_PAGE_DIRTY));
	}
	return clean;
}

unsigned int pin_view_dirtied(const struct pin_view *v)
{
	unsigned int dirtied = 0;

	for (size_t i = 0; i < v->nr; i++) {
		const struct pin_helper_page *b = &v->before[i], *p = &v->now[i];

		dirtied += b->flags & p->flags & PIN_HELPER_PAGE_PRESENT && b->pfn == p->pfn &&
			   !of_file(p) && p->flags & ~b->flags & PIN_HELPER_PAGE_DIRTY;
	}
	return dirtied;
}

struct pin_view_pins pin_view_foretold(const struct pin_predict *pin,
				       const struct pin_kernel *k)
{
	return (struct pin_view_pins){
		.pins = pin->acquired - pin->released,
		.per_folio = pin->per_folio,
		.second = pin->second,
		.referenced = pin->referenced,
		.zero_page = k->zero_page_counted,
		/* Before 5.13 (d1e153fea2a8) long-term pins left only CMA. */
		.not_movable = pin->migrated && k->version >= PIN_KVER(5, 13),
	};
}

struct pin_view *pin_audit_view(struct pin_audit *au, pid_t pid, const void *addr,
				size_t nr)
{
	struct pin_view *v;

	if (au->suite->helper_fd < 0)
		return NULL;
	v = pin_view_open(au->suite->helper_fd, pid, addr, nr);
	if (!v)
		pin_audit_fail(au, "page view: the %zu pages at %p of process %d cannot be looked at",
			       nr, addr, (int)pid);
	return v;
}

static bool record(struct pin_audit *au, const char *what, const struct pin_view *v,
		   unsigned int wrong, const char *text)
{
	pin_record_number(au->record, "pages_viewed", v->nr);
	if (!wrong)
		return true;
	au->mismatch = true;
	au->suite->pages_stuck += v->stuck;
	pin_audit_note(au, "%s: page view: %u of %zu pages or folios are not as predicted\n%s",
		       what, wrong, v->nr_folios, text);
	return false;
}

bool pin_audit_held(struct pin_audit *au, const char *what, struct pin_view *v,
		    const struct pin_predict *pin)
{
	char text[1024];
	struct pin_view_pins pins;

	if (!v)
		return true;
	pins = pin_view_foretold(pin, &au->suite->kernel);
	return record(au, what, v, pin_view_held(v, &pins, text, sizeof(text)), text);
}

bool pin_audit_back(struct pin_audit *au, const char *what, struct pin_view *v)
{
	char text[1024];

	return !v || record(au, what, v, pin_view_back(v, text, sizeof(text)), text);
}

bool pin_audit_gone(struct pin_audit *au, const char *what, struct pin_view *v)
{
	char text[1024];

	return !v || record(au, what, v, pin_view_gone(v, text, sizeof(text)), text);
}
