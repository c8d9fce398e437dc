/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Memory kinds: what is behind the buffer that a consumer pins, and what
 * get_user_pages() makes of it.
 */
#ifndef PIN_MEMORY_H
#define PIN_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "kernel_facts.h"

#define PIN_WHY_LEN	200

struct pin_memkind;

/* One buffer. Owned by the process that allocated it. */
struct pin_mem {
	const struct pin_memkind *kind;
	const struct pin_kernel *kernel;
	void *addr;		/* the range handed to the consumer ... */
	size_t len;		/* ... in bytes, neither need be page aligned */
	unsigned int pages;	/* base pages the range touches */
	unsigned int folio_pages;	/* base pages per folio, 1: small folios */
	unsigned int folio_index;	/* where in its folio the range starts */
	unsigned int before, after;	/* small pages around the large folios */
	unsigned int hole;	/* first page that is not mapped, else == pages */
	void *map;		/* what to unmap */
	size_t map_len;
	int fd;
	pid_t sharer;		/* child that shares the pages copy-on-write */
	char why[PIN_WHY_LEN];	/* set when alloc fails */
};

/* How a consumer asks for the pages. */
struct pin_access {
	bool write;		/* FOLL_WRITE: the device writes to memory */
	bool longterm;		/* FOLL_LONGTERM */
	bool fast;		/* tries the lockless walk first */
	bool file_io;		/* does not pin before 6.5 */
};

/* What the kernel does with such a request, in pages. */
struct pin_gup {
	unsigned int pinned;	/* pages pinned before success or failure */
	unsigned int zero;	/* of these, the zero page ... */
	unsigned int uncounted;	/* ... where its pins are not counted */
	unsigned int undone;	/* taken by the lockless walk and dropped again */
	int err;		/* 0, or why not all pages were pinned */
};

struct pin_memkind {
	const char *name;
	const char *help;
	bool huge;		/* takes a whole PMD-sized page */
	bool on_file;		/* pages belong to a file on a device */
	bool any_node;		/* may be the zero page, which has its own node */
	bool unseen;		/* not mapped before the pin, or ever: nothing to look at */
	bool once;		/* a pin puts other pages there: foretold anew each time */
	/*
	 * Allocate @m with about @pages base pages (kinds that come in one
	 * size ignore it). Returns 0, or a negative errno and a reason with
	 * the cure in m->why.
	 */
	int (*alloc)(struct pin_mem *m, unsigned int pages);
	/* Last change before the pin, when nothing else is mapped any more. */
	void (*arm)(struct pin_mem *m);
	/* NULL: every page can be had in every way. */
	void (*gup)(const struct pin_mem *m, const struct pin_access *a,
		    struct pin_gup *g);
};

extern const struct pin_memkind *const pin_memkinds[];
extern const unsigned int pin_nr_memkinds;

/* Transparent huge pages side by side between small pages. */
struct pin_row {
	unsigned int before, huge, after;
	bool by_ptes;		/* mapped page by page */
};

/* Allocate @m as such a row, of any size. */
int pin_mem_alloc_row(struct pin_mem *m, const struct pin_kernel *k,
		      const struct pin_row *row);

/* One of pin_memkinds, or of those that only single tests ask for; or NULL. */
const struct pin_memkind *pin_memkind_find(const char *name);
int pin_mem_alloc(struct pin_mem *m, const struct pin_memkind *kind,
		  const struct pin_kernel *k, unsigned int pages);
void pin_mem_free(struct pin_mem *m);
/* Leave of the range @len bytes, @skip bytes from its start. */
void pin_mem_cut(struct pin_mem *m, size_t skip, size_t len);
/* Large folios that the range touches; 0: none. */
unsigned int pin_mem_folios(const struct pin_mem *m);
/* Where in its file the range begins, in bytes, and whether that is a memfd. */
size_t pin_mem_offset(const struct pin_mem *m);
bool pin_mem_in_memfd(const struct pin_mem *m);
/* Unmap the buffer but keep its description. */
void pin_mem_unmap(struct pin_mem *m);
/* Predict what pinning the whole of @m does. */
void pin_mem_gup(const struct pin_mem *m, const struct pin_access *a,
		 struct pin_gup *g);
/* Pages that the range [addr, addr + len) touches. */
unsigned int pin_pages_touched(const void *addr, size_t len, long page_size);

/* Where @addr is; 0: it is not told, as page frames are root's to see, or nowhere. */
uint64_t pin_frame_of(const void *addr, long page_size);

/* Of @nr such frames, those that hold anonymous memory which no process has any more. */
unsigned int pin_frames_lost(const uint64_t *frames, unsigned int nr);

/*
 * A directory on a real file system for test files: $TMPDIR, the working
 * directory, /var/tmp or /tmp, the first that is neither tmpfs nor read-only.
 * Returns NULL if there is none.
 */
const char *pin_file_dir(void);

#endif
